"""Rank from the ground: can you beat the SVD?"""

from lora_viz.core.experiment import Experiment
from lora_viz.film.style import number
from lora_viz.i18n.language import say
from lora_viz.lessons.rank.truncation import film, plot_truncation, table, takeaway, truncation
from lora_viz.ui.page import close_lesson, open_lesson, show_film
from lora_viz.ui.rank_controls import RANK_CONTROLS

D_OUT, D_IN = 29, 23

asked, picture = open_lesson(
    say("Can you beat the SVD?"),
    say(
        "No matrix of rank k is nearer to M than its first k layers σᵢ uᵢ vᵢᵀ, and what is missing is exactly the "
        "tail of the σ. Draw other rivals and try."
    ),
    default=Experiment(),
    first=(RANK_CONTROLS["shape_of_spectrum"], RANK_CONTROLS["rivals"]),
    more=(),
    trains=False,
)
record = truncation(asked.options["shape_of_spectrum"], D_OUT, D_IN, asked.experiment.seed, asked.options["rivals"])
show_film(picture, film(record), takeaway(record))

gap = float(abs(record.svd - record.tail).max())
close_lesson(
    say(
        r"""
$$
\min_{{\mathrm{{rank}}\,X \le k}} \|M - X\|_F^2 = \|M - M_k\|_F^2 = \sum_{{i>k}} \sigma_i^2, \qquad
\|M - M_k\|_2 = \sigma_{{k+1}}, \qquad M_k = \sum_{{i \le k}} \sigma_i\,u_i v_i^\top
$$

Eckart & Young 1936; Mirsky 1960 for every norm that depends on the $\sigma$ alone. Measured and computed error differ
by at most {gap} here. A rival is a column space $Q$ of dimension $k$ with the best $X$ in it, $Q Q^\top M$; a
sketch takes $Q$ from $M G$ with a random $G$ (Halko, Martinsson & Tropp 2011) and comes near where the $\sigma$ fall
fast. At $k = 8$ this matrix keeps {error} % error, a 64×64 matrix of independent normal
entries {gaussian} %. At $k = {whole}$, the rank of $M$, the cut is exact:
truncation is an approximation only below the rank.""",
        gap=number(gap),
        error=number(100 * float(record.svd[8])),
        gaussian=number(100 * record.gaussian),
        whole=len(record.sigma),
    ),
    lambda theme: plot_truncation(record, theme=theme),
    table(record),
    name="truncation",
    alt=takeaway(record),
)
