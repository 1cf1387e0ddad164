"""Which update rule suffers when the problem is stretched?"""

from lora_viz.core.experiment import Experiment
from lora_viz.film.style import number, tint
from lora_viz.i18n.language import say
from lora_viz.lessons.training.conditioning import (
    conditioning,
    film,
    plot_conditioning,
    stretched_sweeps,
    table,
    takeaway,
)
from lora_viz.ui.controls import CONTROLS
from lora_viz.ui.page import close_lesson, open_lesson, show_film
from lora_viz.ui.records import cached_view
from lora_viz.ui.training_controls import TRAINING_CONTROLS

asked, picture = open_lesson(
    say("Conditioning: who suffers from a stretched problem?"),
    say(
        "The more the target's singular values differ, the more steps gradient descent needs, and Adam; scaled GD "
        "does not notice."
    ),
    default=Experiment(
        d_in=19,
        d_out=13,
        target_rank=4,
        spectrum="geometric",
        rank=4,
        alpha=1.0,
        scaling_rule="constant",
        samples=64,
        steps=700,
    ),
    first=(
        TRAINING_CONTROLS["stretched"],
        CONTROLS["target_rank"].only(2, 3, 4, 6),
        CONTROLS["rank"].only(2, 3, 4, 6, 8),
    ),
    more=(CONTROLS["steps"],),
)
e = asked.experiment
sweeps = stretched_sweeps(e, str(asked.options["stretched"]))
record = cached_view(conditioning, sweeps, asked.device, 121, stretched=asked.options["stretched"])
show_film(picture, film(record), takeaway(record))

A, B = tint("A", "A"), tint("B", "B")
tried = "; ".join(
    f"{rule} {', '.join(number(x) for x in lrs)}" for rule, lrs in zip(record.rules, record.tried, strict=True)
)
close_lesson(
    say(
        r"""
$$
{A} \leftarrow {A} - \eta\,({B}^\top {B} + \delta I)^{{-1}} \nabla_{{{A}}}, \qquad
{B} \leftarrow {B} - \eta\,\nabla_{{{B}}}\,({A}{A}^\top + \delta I)^{{-1}}
$$

Near the end a direction of strength $\sigma_i$ shrinks its error by about $1 - 2\eta s\sigma_i$ a step, and
$\eta < 1/(s\,\sigma_1)$ lest the strongest diverge: the weakest needs some $\kappa = \sigma_1/\sigma_r$ times more
steps. Dividing by the Gram matrices takes $\sigma_i$ out of that factor (Tong, Ma & Chi 2021; for LoRA Zhang &
Pilanci 2024); the matrices are {rank}×{rank}, and $\delta = 10^{{-8}}$ only guards the division. From ${B} = 0$
it is safe: the first $\nabla_{{{A}}}$ is 0. Each rule is shown at the best of two learning rates ({tried}); a finer
grid may shift the numbers. LoRA+ is not among them: at this size it did not converge faster.""",
        A=A,
        B=B,
        rank=e.rank,
        tried=tried,
    ),
    lambda theme: plot_conditioning(record, theme=theme),
    table(record),
    name="conditioning",
    alt=takeaway(record),
    home=sweeps,
)
