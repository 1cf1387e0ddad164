"""Lesson 3: who moves first?"""

from lora_viz.core.experiment import Experiment, Sweep
from lora_viz.film.style import number, tint
from lora_viz.i18n.language import say
from lora_viz.lessons.basics.gradient_flow import film, gradient_flow, plot_gradient_flow, table, takeaway
from lora_viz.ui.cache import cached_check, cached_train
from lora_viz.ui.controls import CONTROLS
from lora_viz.ui.page import close_lesson, open_lesson, show_film

asked, picture = open_lesson(
    say("Gradient flow: who moves first?"),
    say(
        "Started as LoRA is, with B = 0, A has a gradient of exactly zero: B takes the first step alone, then A wakes "
        "up."
    ),
    default=Experiment(
        d_in=16, d_out=12, target_rank=3, rank=4, alpha=8.0, optimizer="sgd", lr=0.02, steps=200, weight_decay=0.1
    ),
    first=(*(CONTROLS[name] for name in ("init", "optimizer", "warmup", "rank", "lr")),),
    more=(*(CONTROLS[name] for name in ("alpha", "scaling_rule", "lr_ratio", "noise", "condition", "steps")),),
)
e = asked.experiment
sweep, every = Sweep((e,)), e.steps + 1
run = cached_train(sweep, asked.device, every)
record = gradient_flow(run, cached_check(sweep, asked.device, every))
show_film(picture, film(record), takeaway(record))

A, B, G = tint("A", "A"), tint("B", "B"), tint("W", "G")
close_lesson(
    say(
        r"""
$$
\nabla_{{{A}}} = s\,{B}^\top {G}, \qquad \nabla_{{{B}}} = s\,{G}\,{A}^\top, \qquad
{G} = \frac{{\partial L}}{{\partial W}}, \qquad s = {scaling:.3g}
$$

Both are shadows of the one gradient ${G}$ that full fine-tuning would follow: it exists, but LoRA never forms it. At
step 0 $\|{G}\| = {size}$,
$\|\nabla_{{{A}}}\| = {size_A}$ and
$\|\nabla_{{{B}}}\| = {size_B}$. While ${B}$ is small,
$\|\nabla_{{{A}}}\|$ grows in proportion to ${B}$: one more step of SGD, one more multiple. A warm-up that starts at
learning rate 0 keeps ${A}$ still for two steps; Adam moves every entry by about η at its first non-zero gradient,
however small that is.""",
        A=A,
        B=B,
        G=G,
        scaling=e.scaling,
        size=number(float((record.G[0] ** 2).sum() ** 0.5)),
        size_A=number(float(record.grad_A_norm[0])),
        size_B=number(float(record.grad_B_norm[0])),
    ),
    lambda theme: plot_gradient_flow(record, theme=theme),
    table(record),
    name="gradient_flow",
    alt=takeaway(record),
    home=run,
)
