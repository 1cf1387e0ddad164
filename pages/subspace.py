"""Rank from the ground: is low rank a subspace?"""

from lora_viz.core.experiment import Experiment
from lora_viz.film.style import number
from lora_viz.i18n.language import say
from lora_viz.lessons.rank.subspace import film, low_rank_set, plot_low_rank_set, table, takeaway
from lora_viz.ui.controls import CONTROLS
from lora_viz.ui.page import close_lesson, open_lesson, show_film

asked, picture = open_lesson(
    say("Is low rank a subspace?"),
    say(
        "No: add two updates of rank r and the sum has rank 2r. Only the two ends of the way between them have rank r."
    ),
    default=Experiment(rank=3),
    first=(CONTROLS["rank"].only(1, 2, 3, 4, 6),),
    more=(),
    trains=False,
)
r = asked.experiment.rank
record = low_rank_set(r, asked.experiment.seed)
show_film(picture, film(record), takeaway(record))

d_out, d_in = record.first.shape
half = len(record.t) // 2
close_lesson(
    say(
        r"""
$$
\mathrm{{rank}}(M_1 + M_2) \le \mathrm{{rank}}\,M_1 + \mathrm{{rank}}\,M_2, \qquad
\dim\{{X : \mathrm{{rank}}\,X = r\}} = r(d_\mathrm{{out}} + d_\mathrm{{in}}) - r^2 = {free}
\ \text{{of}}\ {entries}
$$

The updates of one *fixed* column space form a subspace; those of rank at most $r$ are a curved set that holds many such
subspaces: each point is on its own. The loss as a function of $(B, A)$ is not convex: $(B, A)$ and $(-B, -A)$ are
equally good, and half-way, at 0, the loss is {loss}·$\|M_1\|^2$. Two adapters are added as
*products*: averaging their factors is off by {averaged} % here. Stacking,
$[B_1\ B_2]\,[A_1; A_2]$, is exact, with rank {sum_rank}.""",
        free=r * (d_out + d_in) - r * r,
        entries=d_out * d_in,
        loss=number(float(record.loss[half])),
        averaged=number(100 * float(record.averaged[half])),
        sum_rank=2 * r,
    ),
    lambda theme: plot_low_rank_set(record, theme=theme),
    table(record),
    name="subspace",
    alt=takeaway(record),
)
