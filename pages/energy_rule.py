"""Does the spectrum of the full update say which rank LoRA needs?"""

from dataclasses import replace

from lora_viz.core.experiment import Experiment, Sweep
from lora_viz.film.style import number, tint
from lora_viz.i18n.language import say
from lora_viz.lessons.which_rank.energy_rule import energy_rule, film, plot_energy_rule, table, takeaway
from lora_viz.ui.controls import CONTROLS
from lora_viz.ui.page import close_lesson, open_lesson, show_film
from lora_viz.ui.records import cached_view

SWEPT = (1, 2, 3, 4, 5, 6, 8, 10, 12, 16, 20, 24)

asked, picture = open_lesson(
    say("The 95 % rule: which rank does LoRA need?"),
    say(
        "With noisy labels, the rank that holds 95 % of a full update's energy is not the rank that LoRA needs: the "
        "energy is the noise's too."
    ),
    default=Experiment(
        d_in=32,
        d_out=24,
        target_rank=4,
        spectrum="exponential",
        noise=1.0,
        alpha=16.0,
        lr=0.03,
        schedule="linear",
        steps=150,
        samples=96,
    ),
    first=(*(CONTROLS[name] for name in ("noise", "spectrum", "condition", "target_rank", "task")),),
    more=(*(CONTROLS[name] for name in ("optimizer", "lr", "alpha", "steps")),),
)
e = asked.experiment
own = Sweep.over(replace(e, rank=1), rank=SWEPT)
others = tuple(Sweep((replace(e, rank=1, steps=0, seed=e.seed * 10 + i),)) for i in range(1, 10))
record = cached_view(energy_rule, (own, *others), asked.device, 2)
show_film(picture, film(record), takeaway(record))

dW, M = tint("delta", r"\Delta W"), tint("W", "M")
kinds = record.kinds_full
close_lesson(
    say(
        r"""
$$
r_{{95}} = \min\Big\{{r : \sum_{{i \le r}} \sigma_i^2 \ge 0.95 \sum_i \sigma_i^2\Big\}}, \qquad
\mathrm{{erank}} = \exp\Big(-\sum_i p_i \ln p_i\Big), \ p_i = \frac{{\sigma_i}}{{\sum_j \sigma_j}}, \qquad
\mathrm{{stable}} = \frac{{\|{M}\|_F^2}}{{\sigma_1^2}}
$$

${M}$ is the full update, the least-squares fit of {samples} samples. Its kinds of rank: bound {bound},
numerical {numerical}, effective {effective} (Roy & Vetterli 2007: σ, not σ²), stable
{stable}, 95 %-energy {energy}. At ${dW} = 0$ the last three do not exist (0/0): "—". **Skill**
is 1 − (clean squared error)/(that of no update), on outputs. With round inputs and no noise, the best rank-$r$ fit
leaves just the energy that rank $r$ leaves out, so $r_{{95}}$ is the rank needed at a tolerance of 5 %; each of the
two conditions can break that. What a task needs is capacity of at least its rank; a spectrum that was measured with
noise is not the task's.""",
        M=M,
        samples=e.samples,
        bound=kinds.bound,
        numerical=kinds.numerical,
        effective=number(kinds.effective),
        stable=number(kinds.stable),
        energy=record.own_rule,
        dW=dW,
    ),
    lambda theme: plot_energy_rule(record, theme=theme),
    table(record),
    name="energy_rule",
    alt=takeaway(record),
    home=(own,),
)
