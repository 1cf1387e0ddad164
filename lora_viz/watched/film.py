"""A watched training as a film: the playhead runs over its steps."""

from __future__ import annotations

import numpy as np

from lora_viz.core.refusals import Refusal
from lora_viz.core.seeds import spread
from lora_viz.film.film import Film
from lora_viz.film.panels import Bars, Curve, Curves, Group, Lines, Panel, Series, band
from lora_viz.film.style import number
from lora_viz.i18n.language import say, to_say
from lora_viz.watched.record import Watched

__all__ = ["film", "takeaway"]


def _place(record: Watched, module: str | None) -> int:
    """The module whose spectrum is drawn: this one, else the one that moved most. Raises Refusal."""
    if module is None:
        last = record.delta[-1]
        return int(np.nanargmax(last)) if np.isfinite(last).any() else 0
    if module not in record.modules:
        some = ", ".join(record.modules[:12])
        raise Refusal(say("{module} was not watched: there are {some}.", module=module, some=some))
    return record.modules.index(module)


def film(record: Watched, module: str | None = None) -> Film:
    """Gradients and sizes of all modules, median and range; the spectrum of one."""
    at = _place(record, module)
    K = record.sigma.shape[2]
    loss: tuple[Panel, ...] = ()
    if len(record.loss) > 1 and (np.diff(record.loss_step) > 0).all():
        loss = (
            Curves("loss", say("Loss"), x=record.loss_step, x_label=say("step"), y_label=say("loss"),
                   series=(Curve("loss", say("loss"), "ink", record.loss),), span=5, row=1),
        )  # fmt: skip
    return Film(
        axis=to_say("step"), values=record.step, start=len(record.step) - 1, training=True,
        seconds_per_frame=min(0.5, 8 / len(record.step)),
        panels=(
            Lines("gradients", say("Gradients that each step used: median and range of the modules ({count})",
                                   count=len(record.modules)), y_label="‖∇‖", scale="log",
                  series=(Series("gradient_of_a", "‖∇A‖", "A", **band(spread(record.grad_A, axis=1))),
                          Series("gradient_of_b", "‖∇B‖", "B", **band(spread(record.grad_B, axis=1)))), span=7),
            Lines("delta", say("Size of the updates, ‖ΔW‖"), y_label="‖ΔW‖",
                  series=(Series("delta", say("all modules"), "delta", **band(spread(record.delta, axis=1))),), span=5),
            Bars("singular_values", say("Singular values: {module}", module=record.modules[at][-60:]), y_label="σ",
                 labels=tuple(str(i + 1) for i in range(K)), bar_ids=tuple(f"sigma_{i + 1}" for i in range(K)),
                 groups=(Group("sigma", "σ", "delta", record.sigma[:, at]),), span=7 if loss else 12, row=1),
            *loss,
        ),
    )  # fmt: skip


def takeaway(record: Watched) -> str:
    """What was seen, in this training's own numbers."""
    first, last = record.grad_A[0], record.delta[-1]
    size = number(float(np.nanmedian(last)))
    said = [say("{steps} records up to step {last}; the median ‖ΔW‖ of the watched modules ended at {size}.",
                steps=len(record.step), last=f"{record.step[-1]:.0f}", size=size)]  # fmt: skip
    if record.step[0] == 1 and (first == 0).all():
        said.append(say("In the first step every ‖∇A‖ was 0: B was 0, so B moved alone."))
    said.append(say("Watching took {share} % of the time.", share=number(100 * record.overhead)))
    return " ".join(said)
