"""Is the rank of the update fixed by the shapes of A and B?"""

from lora_viz.core.experiment import Experiment
from lora_viz.film.style import number, tint
from lora_viz.i18n.language import say
from lora_viz.lessons.training.rank_over_time import (
    SIZES,
    film,
    plot_rank_over_time,
    rank_over_time,
    sample_sweeps,
    table,
    takeaway,
)
from lora_viz.ui.controls import CONTROLS
from lora_viz.ui.page import close_lesson, open_lesson, show_film
from lora_viz.ui.records import cached_view
from lora_viz.ui.training_controls import TRAINING_CONTROLS

asked, picture = open_lesson(
    say("Rank over time: is it fixed by the shapes?"),
    say(
        "The shapes set a bound, no more. ΔW has rank 0 before the first step, then at most one a sample: trained by "
        "SGD on one sample, it has rank 1 for ever."
    ),
    default=Experiment(
        target_rank=8, spectrum="flat", rank=8, alpha=8.0, optimizer="sgd", lr=0.005, samples=4, steps=200
    ),
    first=(
        TRAINING_CONTROLS["sees"],
        TRAINING_CONTROLS["samples_shown"],
        *(CONTROLS[name] for name in ("rank", "optimizer", "lr")),
    ),
    more=(*(CONTROLS[name] for name in ("alpha", "spectrum", "noise", "steps")),),
)
e = asked.experiment
sweeps = sample_sweeps(e, fresh=asked.options["sees"] == "new samples")
record = cached_view(
    rank_over_time, sweeps, asked.device, 81, shown=SIZES.index(e.samples) if e.samples in SIZES else 0
)
show_film(picture, film(record), takeaway(record))

A, B, dW, G = tint("A", "A"), tint("B", "B"), tint("delta", r"\Delta W"), tint("W", "G")
close_lesson(
    say(
        r"""
$$
{dW}_1 = -\eta s^2\, {G}_0 {A}_0^\top {A}_0 \ \text{{ from }}\ {B}_0 = 0, \qquad
{G}_0 = \tfrac1n \sum_{{i=1}}^{{n}} g_i x_i^\top \quad\Rightarrow\quad
\mathrm{{rank}}\,{dW}_1 \le \min(n, r)
$$

Rank is a property of the numbers, not of the shapes: ${B}$ ({d_out}×{rank}) and ${A}$ ({rank}×{d_in}) only
bound it by {rank}. With SGD on the same $n$ samples, every column of ${B}$ stays in the span of the $n$ residuals,
because each new residual is an old one plus a column of ${B}$: the bound min(n, r) holds at every step. Adam does not
keep to it; nor does full fine-tuning with Adam, whose first step is $-\eta\,\mathrm{{sign}}({G}_0)$. **Numerical** rank
counts $\sigma > 10^{{-6}}\sigma_1$; **effective** rank weighs them, {effective} at the
end for 64 samples, and does not exist at ${dW} = 0$ (0/0). One
logit behind a linear rest gives the layer a gradient of rank 1 from any number of samples, each the same vector times
its input: there $r = 1$ is enough.""",
        dW=dW,
        G=G,
        A=A,
        B=B,
        d_out=e.d_out,
        rank=e.rank,
        d_in=e.d_in,
        effective=number(float(record.effective[-1, -1])),
    ),
    lambda theme: plot_rank_over_time(record, theme=theme),
    table(record),
    name="rank_over_time",
    alt=takeaway(record),
    home=sweeps,
)
