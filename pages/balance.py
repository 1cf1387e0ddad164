"""What does gradient descent keep while A and B change?"""

from dataclasses import replace

from lora_viz.core.experiment import Experiment, Sweep
from lora_viz.film.style import number, tint
from lora_viz.i18n.language import say
from lora_viz.lessons.training.balance import balance, film, plot_balance, table, takeaway
from lora_viz.ui.controls import CONTROLS
from lora_viz.ui.page import close_lesson, open_lesson, show_film
from lora_viz.ui.records import cached_view

PARTS = (1, 2, 4, 8)

asked, picture = open_lesson(
    say("Balance: what stays while both factors move?"),
    say(
        "A and B grow by the same amount: AAᵀ − BᵀB stays what it was at the start, up to a drift in proportion to the "
        "learning rate."
    ),
    default=Experiment(
        d_in=19, d_out=13, target_rank=3, rank=4, alpha=4.0, optimizer="sgd", lr=0.05, samples=64, steps=100
    ),
    first=(
        CONTROLS["optimizer"].only("sgd", "adam"),
        CONTROLS["lr"].only(0.01, 0.02, 0.05, 0.1, 0.2),
        CONTROLS["rank"],
        CONTROLS["init"].only("B_zero", "A_zero", "both_random"),
    ),
    more=(*(CONTROLS[name] for name in ("alpha", "condition", "noise", "target_rank")),),
)
e = asked.experiment
sweeps = tuple(Sweep.over(replace(e, lr=e.lr / p, steps=e.steps * p), init_seed=range(8)) for p in PARTS)
record = cached_view(balance, sweeps, asked.device, e.steps * PARTS[-1] + 1)
show_film(picture, film(record), takeaway(record))

A, B, G = tint("A", "A"), tint("B", "B"), tint("W", "G")
close_lesson(
    say(
        r"""
$$
\frac{{d}}{{dt}}{A}{A}^\top = \frac{{d}}{{dt}}{B}^\top{B} = -s\,({B}^\top {G} {A}^\top + {A} {G}^\top {B})
\quad\Rightarrow\quad D = {A}{A}^\top - {B}^\top{B} \ \text{{is constant under gradient flow}}
$$

A step of length η adds $\eta^2(\nabla_{{{A}}}\nabla_{{{A}}}^\top - \nabla_{{{B}}}^\top\nabla_{{{B}}})$ to $D$,
exactly; over a fixed time there are $1/\eta$ steps, so the drift is of order η. From ${B}_0 = 0$ it follows that
${B}^\top{B} = {A}{A}^\top - {A}_0{A}_0^\top$: what ${B}$ has become can be read off ${A}$. Here $\|{A}\|^2 -
\|{B}\|^2$ went from {first} to
{last} at the largest η. Many pairs $({B}Q, Q^{{-1}}{A})$ give the
same update; $D$ is what tells them apart, and a start fixes it for the whole run.""",
        A=A,
        B=B,
        G=G,
        first=number(float(record.norm_A[0] - record.norm_B[0])),
        last=number(float(record.norm_A[-1] - record.norm_B[-1])),
    ),
    lambda theme: plot_balance(record, theme=theme),
    table(record),
    name="balance",
    alt=takeaway(record),
    home=sweeps,
)
