"""Controls for lessons on real models: which model, or one's own config.json, which modules, which rank."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from lora_viz.costs.model_config import LONGEST, ConfigError, parse_config
from lora_viz.costs.models import DEFAULT_TARGETS, MODELS
from lora_viz.costs.shapes import ModelShape
from lora_viz.i18n.language import say, to_say
from lora_viz.lessons.controls import Choice, Control, Several, Text
from lora_viz.lessons.lesson import Dependent
from lora_viz.lessons.parts import Part, Prose
from lora_viz.lessons.settings import Settings

__all__ = ["RANK", "model_asked", "model_controls", "no_targets", "targets_asked", "usual_targets"]

OWN = "my config.json"
RANK = Choice(id="rank", label=to_say("Rank r"), options=(1, 2, 4, 8, 16, 32, 64, 128, 256), default=8, own=True)

# The modules that get an A and a B where nobody says which.
Usual = Callable[[ModelShape], tuple[str, ...]]


def usual_targets(shape: ModelShape) -> tuple[str, ...]:
    """PEFT's own choice for this architecture, as far as the model has it; else its first module."""
    usual = DEFAULT_TARGETS.get(shape.model_type, ())
    return tuple(name for name in usual if name in shape.names) or shape.names[:1]


def model_controls(
    default: str, models: Iterable[str] = MODELS, usual: Usual = usual_targets
) -> tuple[Control | Dependent, ...]:
    """A known model or a pasted config.json, and its modules, a question for each kind of model."""

    def own(answers: Mapping[str, Any]) -> tuple[Control, ...]:
        return (OWN_CONFIG,) if answers["model"] == OWN else ()

    def targets(answers: Mapping[str, Any]) -> tuple[Control, ...]:
        try:
            shape = _shape(answers, default)
        except ConfigError:  # said when it is measured
            return ()
        label = to_say("Modules with A and B")
        return (Several(id=_targets_id(shape), label=label, options=shape.names, default=usual(shape)),)

    names = {OWN: to_say("my config.json")}
    model = Choice(id="model", label=to_say("Model"), options=(*models, OWN), default=default, names=names)
    return model, own, targets


OWN_CONFIG = Text(id="own_config", label="config.json",
                  help=to_say("Read as text here, nothing of it is executed or kept on disk."), longest=LONGEST,
                  tall=120, placeholder='{"model_type": "llama", "hidden_size": 4096, …}', shared=False)  # fmt: skip


def _shape(answers: Mapping[str, Any] | Settings, default: str) -> ModelShape:
    """What was chosen; one's own until it is pasted is the ``default``. Raises ConfigError."""
    if answers["model"] != OWN:
        return MODELS[answers["model"]]
    text = answers["own_config"]
    return parse_config(text) if text.strip() else MODELS[default]


def model_asked(settings: Settings, default: str) -> ModelShape:
    """The model that these settings mean. Raises ConfigError: what a pasted text lacks."""
    return _shape(settings, default)


def _targets_id(shape: ModelShape) -> str:
    return f"targets_{shape.model_type}_{len(shape.names)}"


def targets_asked(settings: Settings, shape: ModelShape, usual: Usual = usual_targets) -> tuple[str, ...]:
    """The modules that get an A and a B: at least one, the usual ones where none was chosen."""
    return settings[_targets_id(shape)] or usual(shape)


def no_targets(settings: Settings, shape: ModelShape, usual: Usual = usual_targets) -> tuple[Part, ...]:
    """That none was chosen, and which are shown."""
    if settings[_targets_id(shape)]:
        return ()
    return (Prose(say("No module was chosen. Showing {names} instead.", names=", ".join(usual(shape))), small=True),)
