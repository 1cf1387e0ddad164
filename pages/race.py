"""Is LoRA faster than full fine-tuning?"""

from lora_viz.core.experiment import Experiment
from lora_viz.film.style import number, tint
from lora_viz.i18n.language import say
from lora_viz.lessons.training.race import film, plot_race, race, race_sweeps, table, takeaway
from lora_viz.ui.controls import CONTROLS
from lora_viz.ui.page import close_lesson, open_lesson, show_film
from lora_viz.ui.records import cached_view

asked, picture = open_lesson(
    say("Race: is LoRA faster than full fine-tuning?"),
    say(
        "It depends on what is held equal. At one small learning rate LoRA takes fewer steps; with SGD and each at "
        "its own best, full fine-tuning does. Drag the learning rate."
    ),
    default=Experiment(
        d_in=16,
        d_out=20,
        target_rank=4,
        spectrum="power",
        condition=10.0,
        rank=8,
        alpha=2.0,
        scaling_rule="constant",
        optimizer="sgd",
        samples=64,
        steps=300,
    ),
    first=(
        CONTROLS["optimizer"].only("sgd", "adam"),
        CONTROLS["rank"].only(1, 2, 4, 8, 16),
        CONTROLS["alpha"].only(1.0, 2.0, 4.0),
        CONTROLS["target_rank"].only(1, 2, 4, 8),
        CONTROLS["condition"].only(1.0, 3.0, 10.0),
    ),
    more=(CONTROLS["spectrum"], CONTROLS["steps"].only(100, 200, 300, 500)),
)
e = asked.experiment
sweeps = race_sweeps(e)
record = cached_view(race, sweeps, asked.device, 61)
show_film(picture, film(record), takeaway(record))

A, B, dW, G = tint("A", "A"), tint("B", "B"), tint("delta", r"\Delta W"), tint("W", "G")
close_lesson(
    say(
        r"""
$$
\text{{full:}}\quad {dW} \leftarrow {dW} - \eta\,{G} \qquad\qquad
\text{{LoRA:}}\quad {dW} \leftarrow {dW} - \eta s^2\,({G}{A}^\top{A} + {B}{B}^\top{G}) + O(\eta^2)
$$

Full fine-tuning trains ${dW}$ itself, here as the adapter whose ${A}$ is the identity and stays so. LoRA's step is the
same gradient seen through ${A}^\top{A}$ and ${B}{B}^\top$: with $s = {scaling:.3g}$ it is short at first and, once
the factors have grown, longer than full fine-tuning's at the same $\eta$. Full fine-tuning is stable up to $\eta <
2/\lambda_{{\max}}(C)$, LoRA only up to about $1/(s\,\sigma_1)$ for round inputs, {limit} here.
Adam sets its own step per entry, which takes most of this difference away. The learning rates tried are the dots: the
best is the best of {rates}. One linear layer is raced here; this says nothing about large networks.""",
        dW=dW,
        G=G,
        A=A,
        B=B,
        scaling=e.scaling,
        limit=number(1 / (e.scaling * 4)),
        rates=len(record.lr),
    ),
    lambda theme: plot_race(record, theme=theme),
    table(record),
    name="race",
    alt=takeaway(record),
    home=sweeps,
)
