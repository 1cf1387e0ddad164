"""Home: one LoRA layer to watch, slow down and take apart."""

from lora_viz.core.experiment import Experiment, Sweep
from lora_viz.film.style import number, tint
from lora_viz.i18n.language import say
from lora_viz.lessons.start.machine import film, layer_flow, plot_layer_flow, table, takeaway
from lora_viz.ui.cache import cached_train
from lora_viz.ui.controls import CONTROLS
from lora_viz.ui.page import close_lesson, open_lesson, show_film

asked, picture = open_lesson(
    say("What happens inside one LoRA layer?"),
    say(
        "W never changes. A small detour, down through A and up through B, learns what is missing. Hover any cell; "
        "click a cell of A or B to change it; press S for slow motion."
    ),
    default=Experiment(
        d_in=8, d_out=6, target_rank=2, rank=2, alpha=2.0, optimizer="sgd", lr=0.02, batch=1, samples=64, steps=120
    ),
    first=(CONTROLS["rank"].only(1, 2, 3, 4), *(CONTROLS[name] for name in ("init", "frozen", "optimizer", "lr"))),
    more=(*(CONTROLS[name] for name in ("convention", "alpha", "scaling_rule", "target_rank", "noise")),),
    tour=True,
)
e = asked.experiment
run = cached_train(Sweep((e,)), asked.device, e.steps + 1)
record = layer_flow(run)
show_film(picture, film(record, convention=asked.options["convention"]), takeaway(record))

W, A, B = tint("W", "W"), tint("A", "A"), tint("B", "B")
close_lesson(
    say(
        r"""
$$
y = {W}x + s\,{B}({A}x), \qquad \nabla_{{{B}}} = s\,g\,({A}x)^\top, \qquad \nabla_{{{A}}} = s\,({B}^\top g)\,x^\top,
\qquad g = y - t, \qquad s = {scaling:.3g}
$$

Each step sees one sample $x$ with its target $t$ and takes the loss $\tfrac12\|y - t\|^2$ of that sample alone, so
$\nabla_{{{A}}}$ and $\nabla_{{{B}}}$ have rank 1 at every step. ${W}$ has {frozen} numbers, ${A}$ and ${B}$
together {trained}. At the last step $\|g\|$ is
{error}.""",
        W=W,
        B=B,
        A=A,
        scaling=e.scaling,
        frozen=e.d_out * e.d_in,
        trained=e.rank * (e.d_in + e.d_out),
        error=number(float((record.g[-1] ** 2).sum() ** 0.5)),
    ),
    lambda theme: plot_layer_flow(record, theme=theme),
    table(record),
    name="machine",
    alt=takeaway(record),
    home=run,
)
