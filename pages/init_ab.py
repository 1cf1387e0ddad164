"""Initialisation: A random or B random?"""

from lora_viz.core.experiment import Experiment
from lora_viz.film.style import number, tint
from lora_viz.i18n.language import say
from lora_viz.lessons.training.init_ab import ab_sweeps, film, init_ab, plot_init_ab, table, takeaway
from lora_viz.ui.cache import cached_train
from lora_viz.ui.controls import CONTROLS
from lora_viz.ui.page import close_lesson, open_lesson, show_film

asked, picture = open_lesson(
    say("Initialisation: A random or B random?"),
    say("B random at its usual size trains worse the wider the layer; at A's size it does not: the size matters."),
    default=Experiment(
        target_rank=4, spectrum="flat", rank=4, alpha=64.0, optimizer="adam", steps=30, d_in=128, d_out=128
    ),
    first=(
        CONTROLS["optimizer"].only("sgd", "adam"),
        CONTROLS["condition"].only(1.0, 10.0, 100.0),
        CONTROLS["spectrum"],
        CONTROLS["steps"].only(10, 30, 60),
    ),
    more=(),
)
e = asked.experiment
record = init_ab(tuple(cached_train(sweep, asked.device, 11) for sweep in ab_sweeps(e)))
show_film(picture, film(record), takeaway(record))

A, B = tint("A", "A"), tint("B", "B")
stable = [number(float(record.rates[k])) if k >= 0 else say("none") for k in record.stable[-1]]
close_lesson(
    say(
        r"""
$$
\text{{A random: }} {A} \sim \mathcal U(\pm 1/\sqrt{{d}}),\ {B} = 0 \qquad
\text{{B random: }} {A} = 0,\ {B} \sim \mathcal U(\pm 1/\sqrt{{r}}) \qquad
\text{{at A's scale: }} {A} = 0,\ {B} \sim \mathcal U(\pm 1/\sqrt{{d}})
$$

Hayou, Ghosh and Yu (2024, *The impact of initialization on LoRA finetuning dynamics*) found that A random allows
larger learning rates and learns better than B random. The usual rule divides by the number of inputs of a matrix:
${A}$ has $d$ of them, ${B}$ only $r$. So at $d = {d}$, $r = {rank}$ the entries of a random
${B}$ are {ratio} times those of a random ${A}$, and the ratio grows as
$\sqrt{{d/r}}$. For a square layer with round inputs the problem is its own transpose: there ${B}$ at ${A}$'s size must
do as ${A}$ does. Stretched inputs break that symmetry. With SGD the difference is no smaller, so it is none of Adam's.
Given more steps, B random catches up in narrow layers. The highest rate of the grid that lowered the loss in every seed
at $d = {d}$: A random {stable_A}, B random {stable_B}, B random at A's scale {stable_small}.

The best of {rates} learning rates is taken for each start and width; loss is relative to the start's.""",
        A=A,
        B=B,
        d=record.widths[-1],
        rank=record.rank,
        ratio=number(float(record.std[-1, 1] / record.std[-1, 0])),
        stable_A=stable[0],
        stable_B=stable[1],
        stable_small=stable[2],
        rates=len(record.rates),
    ),
    lambda theme: plot_init_ab(record, theme=theme),
    table(record),
    name="init_ab",
    alt=takeaway(record),
    home=ab_sweeps(e),
)
