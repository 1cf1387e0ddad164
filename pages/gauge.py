"""Rank from the ground: are A and B unique?"""

from lora_viz.core.experiment import Experiment
from lora_viz.film.style import number, tint
from lora_viz.i18n.language import say
from lora_viz.lessons.rank.gauge import film, gauge, plot_gauge, table, takeaway
from lora_viz.ui.controls import CONTROLS
from lora_viz.ui.page import close_lesson, open_lesson, show_film
from lora_viz.ui.rank_controls import RANK_CONTROLS

asked, picture = open_lesson(
    say("Are A and B unique?"),
    say(
        "No: B Q and Q⁻¹A have the same product for every invertible Q. But a gradient step from them is not the same."
    ),
    default=Experiment(rank=3, lr=0.01),
    first=(RANK_CONTROLS["gauge_path"], CONTROLS["rank"].only(2, 3, 4, 6), CONTROLS["lr"].only(0.001, 0.01, 0.1)),
    more=(),
    trains=False,
)
e = asked.experiment
record = gauge(asked.options["gauge_path"], e.rank, e.lr, e.seed)
show_film(picture, film(record), takeaway(record))

A, B = tint("A", "A"), tint("B", "B")
d_out, d_in = record.product.shape[1:]
close_lesson(
    say(
        r"""
$$
{B}{A} = ({B}Q)(Q^{{-1}}{A}), \qquad
\Delta({B}{A}) \approx -\eta\,\big(G\,{A}^\top (QQ^\top)^{{-1}}{A} + {B}\,QQ^\top {B}^\top G\big), \qquad
\mathrm{{dof}} = r(d_\mathrm{{out}} + d_\mathrm{{in}}) - r^2
$$

$Q$ is any invertible {rank}×{rank} matrix, so $r^2 = {squared}$ of the {parameters} numbers are
spent on naming the same product. The product moved by at most {moved}. The step
sees $QQ^\top$: a rotation leaves it alone, a stretch does not. The balance ${B}^\top{B} - {A}{A}^\top$ is conserved
only as $\eta \to 0$: in the same training time it drifted by {drift} at $\eta = {lr:g}$ and by
{slow_drift} at a tenth of it. Here $L = \tfrac12\|{B}{A} - M\|_F^2$, plain gradient descent.""",
        B=B,
        A=A,
        rank=e.rank,
        squared=e.rank**2,
        parameters=e.rank * (d_out + d_in),
        moved=number(float(record.moved_product.max())),
        drift=number(record.drift[0]),
        lr=e.lr,
        slow_drift=number(record.drift[1]),
    ),
    lambda theme: plot_gauge(record, theme=theme),
    table(record),
    name="gauge",
    alt=takeaway(record),
)
