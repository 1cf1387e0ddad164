"""Small real LoRA layers, trained live and recorded so that they can be watched.

>>> from lora_viz import lesson, lessons
>>> len(lessons()) > 50
True
>>> played = lesson("rank").play(target_rank=4, noise=0.0)
>>> int(played.record.rank[4]), round(float(played.record.floor[4]), 9)
(4, 0.0)
>>> played.takeaway.startswith("Training ended within")
True

``played.film`` is what moves, ``played.figure()`` a still, ``played.table`` the numbers behind it. A setting that a
lesson does not have, or does not allow, is refused in one sentence:

>>> lesson("rank").play(colour="red")
Traceback (most recent call last):
    ...
lora_viz.lessons.controls.SettingError: colour is not a setting of this lesson. Valid values: alpha, condition, ...
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

    from lora_viz.lessons.lesson import Lesson
    from lora_viz.watched.watch import Watching

    def lessons() -> tuple[Lesson[Any], ...]:
        """Every lesson, in the order of the menu."""
else:
    from lora_viz import lessons

__all__ = ["lesson", "lessons", "watch"]


def lesson(name: str) -> Lesson[Any]:
    """The lesson of this id; ``lesson("rank").play(noise=0.0)`` measures it. Raises KeyError: which ids there are."""
    from lora_viz.lessons import walk  # not before it is asked for: importing the package takes no torch and no time

    return walk.lesson(name)


def watch(model: torch.nn.Module, *, every: int | None = None, share: float = 0.04) -> Watching:
    """Watch a PEFT model while it is trained: ``seen = watch(model)``, train, ``seen.save("run.lora")``.

    ``lora-playground show run.lora`` plays it. For transformers' Trainer there is ``watched.callback.WatchCallback``.
    """
    from lora_viz.watched import watch as watching

    return watching.watch(model, every=every, share=share)
