"""Do adapters of different rank find the same directions?"""

from dataclasses import replace

from lora_viz.core.experiment import Experiment, Sweep
from lora_viz.film.style import number, tint
from lora_viz.i18n.language import say
from lora_viz.lessons.which_rank.overlap import film, overlap, plot_overlap, table, takeaway
from lora_viz.ui.controls import CONTROLS, Control
from lora_viz.ui.page import close_lesson, open_lesson, show_film
from lora_viz.ui.records import cached_view

TRUE_RANK = {"spike": 21, "power": 48, "flat": 4}

asked, picture = open_lesson(
    say("Overlap: do low and high rank find the same directions?"),
    say(
        "The target decides: a strong direction is found by both, equal ones in no order. Chance is not 0, and is "
        "drawn."
    ),
    default=Experiment(
        d_in=64, d_out=48, target_rank=4, spectrum="spike", rank=8, alpha=16.0, optimizer="adam", lr=0.02, steps=200
    ),
    first=(
        Control(
            name="spectrum",
            label=say("Target's singular values"),
            options=("spike", "power", "flat"),
            help=say("Spike: one strong, twenty a tenth of it. Power law: 1/i to the last. Flat: four equal ones."),
        ),
        CONTROLS["rank"].only(4, 8, 16),
        CONTROLS["optimizer"].only("sgd", "adam"),
        CONTROLS["lr"].only(0.005, 0.01, 0.02, 0.05),
    ),
    more=(*(CONTROLS[name] for name in ("alpha", "noise", "steps")),),
)
e = replace(asked.experiment, target_rank=TRUE_RANK[asked.experiment.spectrum])
sweep = Sweep.over(e, rank=(e.rank, 32), init_seed=range(8))
record = cached_view(overlap, (sweep,), asked.device, 15)
show_film(picture, film(record), takeaway(record))

A = tint("A", "A")
close_lesson(
    say(
        r"""
$$
\phi(i, j) = \frac{{\|V_i^\top V_j\|_F^2}}{{\min(i, j)}} = \frac1p \sum_{{k=1}}^{{p}} \cos^2\theta_k = 1 -
\frac{{d^2}}{{p}}, \qquad p = \min(i, j), \quad \mathbb E\,\phi_{{\text{{random}}}} =
\frac{{\max(i, j)}}{{d_\mathrm{{in}}}}
$$

$V_i$ are the $i$ strongest right singular vectors of one ${A}$, $V_j$ those of the other, $\theta_k$ the angles between
the two subspaces, $d$ the projection distance (Hu et al. 2021, §7.2; their appendix G prints $(1 - d^2)/p$, which can
be negative). Chance is not 0: {chance} for the {rank} strongest of each, more for larger $j$. No
pair shares its first ${A}$: with the same seed the lower rank's rows are the first of the higher's, and would overlap
before training. Most of what is left of a random ${A}$ at the end is random still, for training only adds to it.""",
        A=A,
        chance=number(e.rank / e.d_in),
        rank=e.rank,
    ),
    lambda theme: plot_overlap(record, theme=theme),
    table(record),
    name="overlap",
    alt=takeaway(record),
    home=(sweep,),
)
