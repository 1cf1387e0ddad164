"""Rank from the ground: when does a factorisation save anything?"""

from lora_viz.core.experiment import Experiment
from lora_viz.film.style import number
from lora_viz.i18n.language import say
from lora_viz.lessons.rank.storage import SHAPES, film, plot_storage, storage, table, takeaway
from lora_viz.ui.page import close_lesson, open_lesson, show_film
from lora_viz.ui.rank_controls import RANK_CONTROLS

asked, picture = open_lesson(
    say("When does a factorisation save anything?"),
    say(
        "Only when it is cut: below rank mn/(m + n + 1) the SVD's pieces take fewer numbers than the matrix, above, "
        "more."
    ),
    default=Experiment(),
    first=(RANK_CONTROLS["layer_shape"], RANK_CONTROLS["shape_of_spectrum"]),
    more=(),
    trains=False,
)
m, n = SHAPES[asked.options["layer_shape"]]
record = storage((m, n), asked.options["shape_of_spectrum"], asked.experiment.seed)
show_film(picture, film(record), takeaway(record))

last = int((record.truncated < record.whole).sum()) - 1
close_lesson(
    say(
        r"""
$$
\underbrace{{m n}}_{{W}} \quad\text{{against}}\quad \underbrace{{r(m + n + 1)}}_{{U_r,\,\sigma,\,V_r}} \quad
\underbrace{{r(m + n)}}_{{B,\,A}} \quad \underbrace{{m^2 + \min(m, n) + n^2}}_{{\text{{full SVD}}}}
$$

With $m = {m}$, $n = {n}$: break-even at $r = {cut:.2f}$ for the cut SVD and at
${factors:.2f}$ for the factors. The last rank shown that saves, $r = {rank}$, leaves
{error} % of the matrix drawn (at its rank {cut_rank}; its largest entry
is {largest}) out. LU and QR save
nothing either. **LoRA does not store B and A instead of W**: W stays, and BA comes on top; what shrinks is what is
*trained* and what an adapter file holds.""",
        m=m,
        n=n,
        cut=record.svd_breaks_even,
        factors=record.factors_break_even,
        rank=record.rank[last],
        error=number(100 * float(record.error[last])),
        cut_rank=record.cut_rank[last],
        largest=number(float(abs(record.matrix).max())),
    ),
    lambda theme: plot_storage(record, theme=theme),
    table(record),
    name="storage",
    alt=takeaway(record),
)
