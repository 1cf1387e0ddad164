"""Intruder dimensions: when does an update show up as a new singular vector?"""

from lora_viz.core.experiment import Experiment
from lora_viz.film.style import number, tint
from lora_viz.i18n.language import say
from lora_viz.lessons.papers.intruders import film, intruders, plot_intruders, scripts, table, takeaway
from lora_viz.ui.controls import Control
from lora_viz.ui.page import close_lesson, open_lesson, show_film
from lora_viz.ui.records import cached_record

asked, picture = open_lesson(
    say("Intruders: when is a new direction among the top ones?"),
    say(
        "A small update hides in W₀'s own directions; beyond a size it becomes a singular vector that resembles none "
        "of them, and no more than a random one. Drag its size θ."
    ),
    default=Experiment(d_in=64, d_out=64),
    first=(
        Control(
            name="weight_kind",
            label=say("Singular values of W₀"),
            options=("gaussian", "decaying"),
            help=say("Gaussian: of normal entries, they fall slowly. Decaying: the i-th is 1/i of the first."),
            default="gaussian",
        ),
        Control(
            name="epsilon",
            label=say("Intruder below |cos| = ε"),
            options=(0.3, 0.4, 0.5, 0.6),
            help=say("PEFT's reduce_intruder_dimension takes 0.5."),
            default=0.5,
        ),
        Control(
            name="d_in",
            label=say("Width d"),
            options=(32, 64, 96),
            help=say("The narrower the layer, the more any direction resembles one of its d."),
        ),
    ),
    more=(),
    trains=False,
)
e = asked.experiment
record = cached_record(intruders, e.d_in, asked.options["weight_kind"], asked.options["epsilon"], e.seed)
show_film(picture, film(record), takeaway(record))

W, dW = tint("W", "W_0"), tint("delta", r"\theta u v^\top")
close_lesson(
    say(
        r"""
$$
{W} + {dW}, \qquad y_j\ \text{{is an intruder}} \iff \max_i |\cos(y_j, x_i)| < \varepsilon \qquad
|\cos(y, u)|^2 \to 1 - 1/\theta^2,\ \ \theta > 1\ \ \text{{(Gaussian }}{W}\text{{)}}
$$

Shuttleworth, Andreas, Torralba and Sharma (2024, *LoRA vs Full Fine-tuning: An Illusion of Equivalence*) find such
vectors in networks fine-tuned with LoRA and few or none after full fine-tuning, and tie them to forgetting; whether
they cause it is contested. Their test, with left singular vectors: the $y_j$ are the top 10 of the changed weight, the
$x_i$ all {d} of ${W}$. Here one random direction of size $\theta$ is planted on a random ${W}$; nothing is
trained, so this shows the geometry of one strong rank-1 update, not what LoRA does in a network. An update of larger
norm makes an intruder whoever made it: full fine-tuning at a larger learning rate too.

For entries $N(0, 1/d)$ the largest $\sigma$ is near 2, and below $\theta = 1$, half of it, the spike leaves no trace in
the top vectors as $d$ grows (Benaych-Georges & Nadakuditi 2012); in a narrow layer the step is a slope.
An intruder resembles no **single** old direction. It lies in the span of all of them, as every vector does: ${W}$ has
full rank. A random direction reaches about $\sqrt{{2 \ln d/d}} = {baseline}$; where that is near
$\varepsilon$ the test says little. Real weights decay: there a spike passes the small $\sigma$ early, and mixes with an
old direction whenever their $\sigma$ are equal.""",
        W=W,
        dW=dW,
        d=record.d,
        baseline=number(record.baseline),
    ),
    lambda theme: plot_intruders(record, theme=theme),
    table(record),
    name="intruders",
    alt=takeaway(record),
    home=scripts(record, e.seed),
)
