"""Asymmetry: freeze A or freeze B?"""

from lora_viz.core.experiment import Experiment
from lora_viz.film.style import number, tint
from lora_viz.i18n.language import say
from lora_viz.lessons.papers.asymmetry import asymmetry, film, plot_asymmetry, scripts, table, takeaway
from lora_viz.ui.controls import CONTROLS, Control
from lora_viz.ui.page import close_lesson, open_lesson, show_film
from lora_viz.ui.records import cached_record

asked, picture = open_lesson(
    say("Asymmetry: freeze A or freeze B?"),
    say(
        "With round inputs and a square layer it is the same. The more the inputs are stretched, the better it is to "
        "freeze A and train B. Play through the rank."
    ),
    default=Experiment(task="full_rank", d_in=64, d_out=64, spectrum="power", rank=8),
    first=(
        Control(
            name="d_out",
            label=say("Outputs of the layer"),
            options=(16, 64, 128),
            help=say("The layer has 64 inputs; 64 outputs make it square."),
        ),
        CONTROLS["spectrum"],
    ),
    more=(CONTROLS["rank"].only(1, 2, 4, 8),),
    trains=False,
)
e = asked.experiment
record = cached_record(asymmetry, e)
show_film(picture, film(record), takeaway(record))

A, B, dW = tint("A", "A"), tint("B", "B"), tint("delta", r"\Delta W")
t = record.start
close_lesson(
    say(
        r"""
$$
\text{{A frozen:}}\quad \operatorname{{tr}}({dW}\Sigma{dW}^\top) - \operatorname{{tr}}\!\big(C({A}\Sigma{A}^\top)^{{-1}}
C^\top\big),\ C = {dW}\Sigma{A}^\top \qquad \text{{B frozen:}}\quad \operatorname{{tr}}\!\big((I - P_{{{B}}})\,
{dW}\Sigma{dW}^\top\big)
$$

Zhu et al. (2024, *Asymmetry in Low-Rank Adapters of Foundation Models*) claim that training ${B}$ with a random frozen
${A}$ is inherently better than training ${A}$ with a random frozen ${B}$. Here each is solved exactly: linear layer,
squared loss, target ${dW}$ known, inputs with covariance $\Sigma$ of condition number $\kappa$, eigenvalues even on a
log axis; no training, no step size, no noise. $P_{{{B}}}$ projects onto ${B}$'s columns.

A random ${A}$ passes on $r$ mixtures of the inputs. Where a few directions carry the variance, every mixture holds
them, and a trained ${B}$ can read them. A random ${B}$ can only write into $r$ of {d_out} output directions, however
the inputs lie: it leaves $1 - r/d_\mathrm{{out}}$ of the signal on average, {left} for
$r = {rank}$. So the asymmetry is the inputs' and the shape's, not the factors': A and B change places when
the layer is transposed and the inputs are round. Training ${B}$ fits $r\,d_\mathrm{{out}}$ numbers, training ${A}$
$r\,d_\mathrm{{in}}$. The paper's second argument, that fewer trained numbers generalise better, is not measured here.
The floor is the best update of rank $r$ (Izenman 1975), which training both reaches.""",
        dW=dW,
        A=A,
        B=B,
        d_out=e.d_out,
        left=number(1 - record.ranks[t] / e.d_out),
        rank=record.ranks[t],
    ),
    lambda theme: plot_asymmetry(record, theme=theme),
    table(record),
    name="asymmetry",
    alt=takeaway(record),
    home=scripts(record, e),
)
