"""How fast does the gradient of A grow from zero?"""

from lora_viz.core.experiment import Experiment, Sweep
from lora_viz.film.style import number, tint
from lora_viz.i18n.language import say
from lora_viz.lessons.training.wake_up import film, plot_wake_up, table, takeaway, wake_up
from lora_viz.ui.controls import CONTROLS
from lora_viz.ui.page import close_lesson, open_lesson, show_film
from lora_viz.ui.records import cached_view

asked, picture = open_lesson(
    say("Wake-up: how fast does A come alive?"),
    say(
        "From B = 0, ‖∇A‖ starts at exactly 0 and grows by equal amounts a step: with SGD in proportion to η and to "
        "s², so twice the scaling wakes A four times as fast."
    ),
    default=Experiment(d_in=19, d_out=13, target_rank=3, rank=4, alpha=4.0, optimizer="sgd", lr=0.005, steps=100),
    first=(
        CONTROLS["optimizer"].only("sgd", "adam"),
        CONTROLS["alpha"].only(1.0, 2.0, 4.0, 8.0),
        CONTROLS["lr"].only(0.0001, 0.001, 0.002, 0.005, 0.01, 0.05),
        CONTROLS["rank"],
        CONTROLS["warmup"],
    ),
    more=(*(CONTROLS[name] for name in ("scaling_rule", "lr_ratio", "condition", "noise", "steps")),),
)
e = asked.experiment
sweep = Sweep.over(e, alpha=(e.alpha / 2, e.alpha, 2 * e.alpha), init_seed=range(8))
record = cached_view(wake_up, (sweep,), asked.device, e.steps + 1, shown=e.alpha)
show_film(picture, film(record), takeaway(record))

A, B, G, dW = tint("A", "A"), tint("B", "B"), tint("W", "G"), tint("delta", r"\Delta W")
at = record.wakes
close_lesson(
    say(
        r"""
$$
{B}_1 = -\eta s\,{G}_0{A}_0^\top, \qquad
\nabla_{{{A}}}\big|_1 = -\eta s^2\,{A}_0 {G}_0^\top {G}_1, \qquad
\|\nabla_{{{A}}}\|_k \approx k\,\eta\, s^2\, \|{A}_0 {G}_0^\top {G}_0\|
$$

The first two are exact for SGD from ${B}_0 = 0$; the third holds while $k$ steps have hardly changed ${G}$ and ${A}$.
At step {at} it says {law} and
{grad_A} was measured. The first step moves the layer by ${dW}_1 = -\eta
s^2\,{G}_0{A}_0^\top{A}_0$: with Kaiming's ${A}$ that is on average full fine-tuning's step with the learning rate
$\eta s^2 r/(3 d_\mathrm{{in}})$ = {lr}. Adam's first step is
$-\eta\,\mathrm{{sign}}({G}_0{A}_0^\top)$ whatever $s$ is, and the law becomes $k\,\eta\,
s\,\|\mathrm{{sign}}({A}_0{G}_0^\top)\,{G}_0\|$. A warm-up puts the sum of its learning rates in the place of
$k\,\eta$: beginning at 0, it keeps A asleep for one step more. No $W$ stands in these formulas, but
${G}$ holds it: the residual is what $W$ leaves of the label.""",
        B=B,
        G=G,
        A=A,
        at=at,
        law=number(float(record.law[record.shown, at])),
        grad_A=number(float(record.grad_A[record.shown, at])),
        dW=dW,
        lr=number(e.lr * e.scaling**2 * e.rank / (3 * e.d_in)),
    ),
    lambda theme: plot_wake_up(record, theme=theme),
    table(record),
    name="wake_up",
    alt=takeaway(record),
    home=(sweep,),
)
