"""Lesson 1: where can an update push?"""

from lora_viz.core.experiment import Experiment, Sweep
from lora_viz.film.style import number, tint
from lora_viz.i18n.language import say
from lora_viz.lessons.basics.bottleneck import bottleneck, film, plot_bottleneck, table, takeaway
from lora_viz.ui.cache import cached_train
from lora_viz.ui.controls import CONTROLS
from lora_viz.ui.page import close_lesson, open_lesson, show_film

asked, picture = open_lesson(
    say("Bottleneck: where can an update push?"),
    say(
        "Whatever the input, a rank-r update only pushes the output along the r columns of B, "
        "and only sees the r rows of A."
    ),
    default=Experiment(
        task="full_rank", d_in=3, d_out=3, spectrum="exponential", rank=2, alpha=4.0, lr=0.02, steps=300, condition=3.0
    ),
    first=(CONTROLS["rank"].only(1, 2, 3), CONTROLS["d_in"], CONTROLS["condition"], CONTROLS["spectrum"]),
    more=(CONTROLS["optimizer"], CONTROLS["lr"], CONTROLS["alpha"], CONTROLS["init"], CONTROLS["steps"]),
)
e = asked.experiment
run = cached_train(Sweep((e,)), asked.device)
record = bottleneck(run)
show_film(picture, film(record), takeaway(record))

A, B, dW = tint("A", "A"), tint("B", "B"), tint("delta", r"\Delta W")
close_lesson(
    say(
        r"""
$$
y = \underbrace{{{W}\,x}}_{{\text{{frozen}}}} + \underbrace{{s\,{B}\,({A}\,x)}}_{{\Delta y}},
\qquad \Delta y = s\sum_{{i=1}}^{{{rank}}} h_i\,b_i \in \mathrm{{col}}({B}),
\qquad s = {scaling:.3g}
$$

The columns $b_i$ of ${B}$ are the only directions available: $\dim \mathrm{{col}}({B}) \le r = {rank}$ of {d_out}
dimensions. Every $z \in \ker {A}$ (dimension {lost}) is invisible: ${dW}(x+z) = {dW}x$, measured to
{movement}. At step 0 the largest entry of any $\Delta y$ was
{largest}. The faint axes $u_i$ are the output directions of the best rank-{rank}
update (reduced-rank regression on these samples).""",
        W=tint("W", "W"),
        B=B,
        A=A,
        rank=e.rank,
        scaling=e.scaling,
        d_out=e.d_out,
        lost=e.d_in - e.rank,
        dW=dW,
        movement=number(float(record.movement[-1])),
        largest=number(float(abs(record.outputs[0]).max())),
    ),
    lambda theme: plot_bottleneck(record, theme=theme),
    table(record),
    name="bottleneck",
    alt=takeaway(record),
    home=run,
)
