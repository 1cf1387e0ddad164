"""Lesson 2: how much error is left at each rank?"""

from dataclasses import replace

from lora_viz.core.experiment import Experiment, Sweep
from lora_viz.film.style import number, tint
from lora_viz.i18n.language import say
from lora_viz.lessons.basics.rank import film, plot_rank_error, rank_error, table, takeaway
from lora_viz.ui.cache import cached_train
from lora_viz.ui.controls import CONTROLS
from lora_viz.ui.page import close_lesson, open_lesson, show_film

SWEPT = (1, 2, 3, 4, 5, 6, 8, 10, 12, 16, 20, 24)

asked, picture = open_lesson(
    say("Rank: how much error is left?"),
    say(
        "A rank that is too small fails by an exact amount, known before training; beyond the target's only noise is "
        "left."
    ),
    default=Experiment(
        d_in=32,
        d_out=24,
        target_rank=4,
        spectrum="flat",
        noise=1.0,
        alpha=16.0,
        lr=0.03,
        schedule="linear",
        steps=200,
        samples=192,
    ),
    first=(*(CONTROLS[name] for name in ("target_rank", "noise", "spectrum", "condition", "task")),),
    more=(*(CONTROLS[name] for name in ("error_axis", "optimizer", "lr", "alpha", "scaling_rule", "steps")),),
)
e = asked.experiment
sweep = Sweep.over(replace(e, rank=1), rank=SWEPT, init_seed=range(5))
run = cached_train(sweep, asked.device, 2)
record = rank_error(run)
log = asked.options["error_axis"] == "log"
show_film(picture, film(record, log=log), takeaway(record))

M, dW = "M", tint("delta", r"\Delta W")
r = int(min(e.true_rank, 4))
at = list(record.rank).index(r)
close_lesson(
    say(
        r"""
$$
\min_{{\mathrm{{rank}}({dW}) \le r}} \|({dW} - {M})\,C^{{1/2}}\|_F^2
= \sum_{{i>r}} \sigma_i({M}\,C^{{1/2}})^2 \qquad C = \tfrac1n X^\top X
$$

${M}$ is the update that fits the {samples} samples best, of any rank; $C$ is the inputs' covariance (condition number
{condition:g}). This is **reduced-rank regression** (Izenman 1975); with round inputs, $C = I$, it is
**Eckart–Young**: cut the SVD of ${M}$. At $r = {r}$ the floor is {floor} of the whole error
and training reached {trained}, median of {seeds} initialisations; in weight space,
$\|{dW} - {M}\|_F/\|{M}\|_F$, the numbers are {weights_floor} (Eckart–Young) and
{weights}. The target's singular values begin
{singular_values}.""",
        dW=dW,
        M=M,
        samples=e.samples,
        condition=e.condition,
        r=r,
        floor=number(float(record.floor[at])),
        trained=number(float(record.trained[1][at])),
        seeds=record.seeds,
        weights_floor=number(float(record.weights_floor[at])),
        weights=number(float(record.weights[at])),
        singular_values=", ".join(number(float(s)) for s in record.sigma_fitted[:6]),
    ),
    lambda theme: plot_rank_error(record, log=log, theme=theme),
    table(record),
    name="rank",
    alt=takeaway(record),
    home=(sweep,),
)
