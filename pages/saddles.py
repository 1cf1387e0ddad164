"""Which direction of the update is learnt when?"""

from dataclasses import replace

from lora_viz.core.experiment import Experiment, Sweep
from lora_viz.film.style import number, tint
from lora_viz.i18n.language import say
from lora_viz.lessons.training.saddles import film, plot_saddles, saddles, table, takeaway
from lora_viz.ui.controls import CONTROLS
from lora_viz.ui.page import close_lesson, open_lesson, show_film
from lora_viz.ui.records import cached_view
from lora_viz.ui.training_controls import TRAINING_CONTROLS

asked, picture = open_lesson(
    say("Saddle to saddle: what is learnt first?"),
    say(
        "From a tiny start the strongest direction of the target switches on first, then the next: between them the "
        "loss rests near a saddle. LoRA's own start presses the stairs together."
    ),
    default=Experiment(
        target_rank=4,
        spectrum="geometric",
        target_condition=8.0,
        rank=4,
        alpha=1.0,
        scaling_rule="constant",
        init="both_random_small",
        optimizer="sgd",
        lr=0.05,
        samples=64,
        steps=500,
    ),
    first=(
        TRAINING_CONTROLS["start_below"],
        CONTROLS["spectrum"].only("geometric", "power", "flat"),
        CONTROLS["target_rank"].only(1, 2, 3, 4, 5, 6),
        CONTROLS["rank"],
        CONTROLS["lr"].only(0.01, 0.02, 0.05, 0.1, 0.2),
    ),
    more=(CONTROLS["alpha"].only(1.0, 2.0, 4.0), CONTROLS["steps"]),
)
e = asked.experiment
sweep = Sweep.over(replace(e, init="both_random_small"), init=("both_random_small", "B_zero"), init_seed=range(8))
record = cached_view(saddles, (sweep,), asked.device, 201, shown=e.init)
show_film(picture, film(record), takeaway(record))

A, B, dW, M = tint("A", "A"), tint("B", "B"), tint("delta", r"\Delta W"), "M"
stairs = ", ".join(number(float(x)) for x in record.floors)
close_lesson(
    say(
        r"""
$$
L = \tfrac12\|s{B}{A} - {M}\|_F^2: \quad
\dot c_i \approx 2 s\,\sigma_i\,c_i \ \text{{ while }}\ c_i = u_i^\top {dW} v_i \ \text{{ is small}}
\quad\Rightarrow\quad \sigma_i\, t_i \approx \text{{const}}
$$

With distinct $\sigma$ the critical points are the sets of directions that are learnt whole, the others not at all;
their losses are $\tfrac12\sum_{{i \notin S}} \sigma_i^2$. Only the $r$ strongest are a minimum; every other set is a
**strict saddle**: some direction leads down (Baldi & Hornik 1989). So no start gets stuck for ever but one that lies
exactly on a saddle, ${A} = {B} = 0$ above all. The first 0, 1, … directions give {stairs}. This is for round inputs
and no noise; at the minimum SGD needs $\eta < 1/(s\,\sigma_1)$ = {limit}.
Waiting grows with
the logarithm of how tiny the start is: LoRA's has ${B} = 0$ but an ${A}$ that is not small, so it waits less. In
${dW}$ the loss is convex; in the factors it is not: $({B}, {A})$ and $(-{B}, -{A})$ give one ${dW}$, and the hump
between them is {hump} high.""",
        B=B,
        A=A,
        M=M,
        dW=dW,
        stairs=stairs,
        limit=number(1 / (e.scaling * float(record.sigma[0]))),
        hump=number(float(record.floors[0])),
    ),
    lambda theme: plot_saddles(record, theme=theme),
    table(record),
    name="saddles",
    alt=takeaway(record),
    home=(sweep,),
)
