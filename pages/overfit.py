"""When does a low rank generalise better?"""

from lora_viz.core.experiment import Experiment
from lora_viz.film.style import number, tint
from lora_viz.i18n.language import say
from lora_viz.lessons.which_rank.overfit import film, overfit, plot_overfit, scripts, table, takeaway
from lora_viz.ui.controls import CONTROLS, Control
from lora_viz.ui.page import close_lesson, open_lesson, show_film
from lora_viz.ui.records import cached_record

asked, picture = open_lesson(
    say("Overfitting: when does a low rank help?"),
    say(
        "With noisy labels and few samples the best rank is the truth's own, or lower; with many samples and a "
        "truth of full rank, a low rank only loses. Play through the truth's rank."
    ),
    default=Experiment(d_in=32, d_out=32, target_rank=2, spectrum="flat", noise=0.5, rank=1),
    first=(
        Control(
            name="noise",
            label=say("Label noise"),
            options=(0.0, 0.1, 0.25, 0.5, 1.0, 2.0),
            help=say("Standard deviation of what is added to every label; the signal's is 1."),
        ),
        CONTROLS["spectrum"].only("flat", "power", "exponential"),
    ),
    more=(CONTROLS["target_rank"].only(1, 2, 4, 8, 16, 32),),
)
e = asked.experiment
record = cached_record(overfit, e)
show_film(picture, film(record), takeaway(record))

dW, C = tint("delta", r"\Delta W"), "C"
ols = e.noise**2 * e.d_in / (64 - e.d_in - 1)
close_lesson(
    say(
        r"""
$$
{dW}_r = U_r U_r^\top \hat M, \quad \hat M = Y^\top X (X^\top X)^{{-1}}, \qquad
\mathbb E_x\|({dW}_r - {dW}^*)x\|^2 = \|{dW}_r - {dW}^*\|_F^2
$$

${dW}_r$ is the exact minimum of the training loss over all updates of rank $r$ (reduced-rank regression, Izenman 1975;
$U_r$ spans the strongest fitted outputs), what LoRA of rank $r$ would reach if trained to the end. Inputs are drawn
from $N(0, I)$ in {d_in} dimensions. Full rank is ordinary least squares, whose clean error with $n$ samples is
$\text{{noise}}^2\, d_\mathrm{{in}}/(n - d_\mathrm{{in}} - 1)$ a unit of signal: {ols} for $n = 64$, and it
has no bound near $n = d_\mathrm{{in}}$. A rank $r$ must learn about $r(d_\mathrm{{in}} + d_\mathrm{{out}} - r)$
numbers from $n\,d_\mathrm{{out}}$: fewer numbers, less noise fitted, but also what of the truth lies beyond rank $r$
is lost. Stopping early or weight decay hold the noise down too; neither is used here.""",
        dW=dW,
        d_in=e.d_in,
        ols=number(ols),
    ),
    lambda theme: plot_overfit(record, theme=theme),
    table(record),
    name="overfit",
    alt=takeaway(record),
    home=scripts(record, e),
)
