"""Scaling: is α a learning rate?"""

from lora_viz.core.experiment import Experiment
from lora_viz.film.style import number, tint
from lora_viz.i18n.language import say
from lora_viz.lessons.training.alpha import alpha_identity, film, identity_sweep, plot_alpha_identity, table, takeaway
from lora_viz.ui.cache import cached_train
from lora_viz.ui.controls import CONTROLS
from lora_viz.ui.page import close_lesson, open_lesson, show_film

asked, picture = open_lesson(
    say("α: is it only a learning rate?"),
    say(
        "α can go into the learning rate, but only if the start A₀ is rescaled too: then it is the same run to "
        "rounding."
    ),
    default=Experiment(
        d_in=24, d_out=16, target_rank=4, rank=4, alpha=8.0, optimizer="sgd", lr=0.02, steps=160, noise=0.1
    ),
    first=(
        CONTROLS["alpha"],
        CONTROLS["optimizer"].only("sgd", "adam"),
        CONTROLS["rank"],
        CONTROLS["lr"],
    ),
    more=(*(CONTROLS[name] for name in ("scaling_rule", "noise", "condition", "steps")),),
)
e = asked.experiment
run = cached_train(identity_sweep(e), asked.device)
record = alpha_identity(run)
show_film(picture, film(record), takeaway(record))

A, B, dW = tint("A", "A"), tint("B", "B"), tint("delta", r"\Delta W")
close_lesson(
    say(
        r"""
$$
{dW} = s\,{B}{A} = (\sqrt s\,{B})(\sqrt s\,{A}), \qquad
(s,\ \eta,\ {A}_0) \equiv (1,\ s\,\eta,\ \sqrt s\,{A}_0) \ \text{{for SGD}}, \qquad
(1,\ \sqrt s\,\eta,\ \sqrt s\,{A}_0) \ \text{{for Adam}}
$$

Put ${B}' = \sqrt s\,{B}$ and ${A}' = \sqrt s\,{A}$: SGD's step on ${B}$ is $-\eta\,s\,G{A}^\top$, so that of
${B}'$ is $-\eta\,s\cdot G{A}'^\top$; Adam's has no size of its own, so $\sqrt s$ is left. Here
$s = {scaling}$, and η goes from {lr} to {new}. A library
draws $A_0$ at a fixed size and takes no such factor: there, another α with another η is another run.

For Adam with $\varepsilon = 0$ there are two identities: ${dW}$ stays as it is under
$\alpha \to \alpha/(pq)$, ${A}_0 \to p\,{A}_0$, $\eta_A \to p\,\eta_A$, $\eta_B \to q\,\eta_B$ for any $p$ and $q$
(Schulman and Thinking Machines, *LoRA Without Regret*, 2025). Two knobs are left: $\alpha\,\|{A}_0\|\,\eta_B$, how fast
${dW}$ begins to grow, and $\|{A}_0\|/\eta_A$, how long until ${A}$ has moved.""",
        dW=dW,
        B=B,
        A=A,
        scaling=number(record.scaling),
        lr=number(record.lr),
        new=number(record.lr * record.factor),
    ),
    lambda theme: plot_alpha_identity(record, theme=theme),
    table(record),
    name="alpha",
    alt=takeaway(record),
    home=run,
)
