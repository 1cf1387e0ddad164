"""Scaling: does more rank train better?"""

from lora_viz.core.experiment import Experiment
from lora_viz.film.style import number, tint
from lora_viz.i18n.language import say
from lora_viz.lessons.training.scaling_training import (
    film,
    fixed_rate,
    plot_fixed_rate,
    rate_sweep,
    rule_sweep,
    table,
    takeaway,
)
from lora_viz.ui.cache import cached_train
from lora_viz.ui.controls import CONTROLS
from lora_viz.ui.page import close_lesson, open_lesson, show_film

RECORDS = 12

asked, picture = open_lesson(
    say("Scaling: does more rank train better at one learning rate?"),
    say("Under α/r with SGD a high rank trains worse than a middle one: its steps shrink; its best rate is larger."),
    default=Experiment(
        task="full_rank", d_in=24, d_out=24, samples=96, rank=4, alpha=16.0, optimizer="sgd", lr=0.005, steps=100
    ),
    first=(
        CONTROLS["optimizer"].only("sgd", "adam"),
        CONTROLS["scaling_rule"],
        CONTROLS["lr"],
        CONTROLS["spectrum"],
    ),
    more=(
        CONTROLS["steps"].only(50, 100, 200),
        *(CONTROLS[name] for name in ("alpha", "noise", "condition")),
    ),
)
e = asked.experiment
record = fixed_rate(
    cached_train(rule_sweep(e), asked.device, RECORDS), cached_train(rate_sweep(e), asked.device, RECORDS)
)
show_film(picture, film(record), takeaway(record))

A, B, dW = tint("A", "A"), tint("B", "B"), tint("delta", r"\Delta W")
close_lesson(
    say(
        r"""
$$
\mathbb E[{dW}_1] = -\,\eta\,s^2\,\frac{{r}}{{3 d}}\,G
\qquad\text{{so full fine-tuning's learning rate is, in effect,}}\qquad
\eta\,s^2\,\frac{{r}}{{3d}} \;\propto\; \tfrac1r \ (\alpha/r),\quad 1 \ (\alpha/\sqrt r),\quad r \ (\text{{constant}})
$$

That is SGD's first step from the libraries' start (${A}$ of variance $1/(3d)$, ${B} = 0$). Under $\alpha/r$ what a
higher rank could learn it does not reach in the same number of steps; its best learning rate grows as about $r$ (here
$r^{{{slope}}}$ under the rule shown). So "the same learning rate for every rank" holds for
$\alpha/\sqrt r$ with SGD (Kalajdzievski 2023), and nearly for $\alpha/r$ with Adam, whose steps have no size of their
own. $\alpha$ is set so that $s = {s}$ at rank 4 under all three rules; the map's best rate is the
best of {rates} on a logarithmic grid, so its exponent is no finer than that.""",
        dW=dW,
        A=A,
        B=B,
        slope=number(round(record.slope, 2)),
        s=number(e.alpha / 4),
        rates=len(record.rates),
    ),
    lambda theme: plot_fixed_rate(record, theme=theme),
    table(record),
    name="scaling_training",
    alt=takeaway(record),
    home=(rule_sweep(e), rate_sweep(e)),
)
