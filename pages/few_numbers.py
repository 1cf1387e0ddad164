"""Rank from the ground: are few numbers low rank?"""

from lora_viz.core.experiment import Experiment
from lora_viz.film.style import number
from lora_viz.i18n.language import say
from lora_viz.lessons.rank.few_numbers import few_numbers, film, plot_few_numbers, table, takeaway
from lora_viz.ui.page import close_lesson, open_lesson, show_film
from lora_viz.ui.rank_controls import RANK_CONTROLS

D = 64

asked, picture = open_lesson(
    say("Are few numbers low rank?"),
    say("No: one knob, c·I, has full rank; a few scattered non-zeros nearly so; a dense matrix can have rank 1."),
    default=Experiment(),
    first=(RANK_CONTROLS["filled"],),
    more=(),
    trains=False,
)
share = float(asked.options["filled"].split()[0]) / 100
record = few_numbers(D, share, asked.experiment.seed)
show_film(picture, film(record), takeaway(record))

close_lesson(
    say(
        r"""
$$
\min_{{\mathrm{{rank}}\,X \le k}} \frac{{\|c\,I - X\|_F}}{{\|c\,I\|_F}} = \sqrt{{1 - k/d}}, \qquad
k = 8,\ d = {d}:\ {one}
$$

*Low-dimensional* (few knobs in weight space: intrinsic dimension, Li et al. 2018), *sparse* (few non-zeros: lottery
tickets, Frankle & Carbin 2019) and *low rank* (few directions of input and output: LoRA) are different kinds of small.
That a task needs few knobs does not make its update low-rank: $\sum_j c_j M_j$ has low rank only if the columns of
the $M_j$ together span few dimensions, or the rows do. At $k = 8$ the {knobs}-knob update is missed by
{ten} %, the sparse one by {sparse} %.""",
        d=D,
        one=number(float(record.error[0, 7])),
        knobs=record.knobs[1],
        ten=number(100 * float(record.error[1, 7])),
        sparse=number(100 * float(record.error[2, 7])),
    ),
    lambda theme: plot_few_numbers(record, theme=theme),
    table(record),
    name="few_numbers",
    alt=takeaway(record),
)
