"""Rank from the ground: does a cut remove noise?"""

from lora_viz.core.experiment import Experiment
from lora_viz.film.style import number
from lora_viz.i18n.language import say
from lora_viz.lessons.rank.denoise import denoise, film, plot_denoise, table, takeaway
from lora_viz.ui.page import close_lesson, open_lesson, show_film
from lora_viz.ui.rank_controls import RANK_CONTROLS

D_OUT, D_IN, DRAWS = 31, 23, 9

asked, picture = open_lesson(
    say("Does a cut remove noise?"),
    say(
        "If what lies under the noise has low rank: the error to the clean matrix falls up to the true rank and then "
        "rises, while the error to the noisy one only falls."
    ),
    default=Experiment(target_rank=4, noise=0.3),
    first=(RANK_CONTROLS["noise"], RANK_CONTROLS["target_rank"]),
    more=(),
    trains=False,
)
e = asked.experiment
record = denoise(D_OUT, D_IN, e.target_rank, e.noise, range(100 * e.seed, 100 * e.seed + DRAWS))
show_film(picture, film(record), takeaway(record))

r = e.target_rank
close_lesson(
    say(
        r"""
$$
\underbrace{{Y}}_{{\text{{seen}}}} = \underbrace{{M}}_{{\text{{rank }} {r}}} + \nu N, \qquad
\|Y_k - Y\|_F^2 = \sum_{{i>k}} \sigma_i(Y)^2 \ \text{{falls in }} k, \qquad
\|\nu N\|_2 \approx \nu\,(\sqrt m + \sqrt n) = {noise_edge}
$$

At $k = {r}$ the cut is {to_clean} % from the clean $M$ and
{to_noisy} % from $Y$ (medians of {draws} draws of $M$ and $N$,
{m}×{n}); uncut it is {uncut} % from $M$. The weakest true $\sigma$ is
{weakest}: a direction well above the noise's {noise_edge} is worth
keeping, one below it is not. Nothing here says that *small* $\sigma$ are noise: without noise they are signal.""",
        r=r,
        noise_edge=number(record.noise_edge),
        to_clean=number(100 * float(record.to_clean[1, r])),
        to_noisy=number(100 * float(record.to_noisy[1, r])),
        draws=len(record.best),
        m=D_OUT,
        n=D_IN,
        uncut=number(100 * float(record.to_clean[1, -1])),
        weakest=number(float(record.sigma_clean[r - 1])),
    ),
    lambda theme: plot_denoise(record, theme=theme),
    table(record),
    name="denoise",
    alt=takeaway(record),
)
