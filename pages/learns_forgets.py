"""Does a lower rank learn less and forget less?"""

from lora_viz.core.experiment import Experiment
from lora_viz.film.style import number, tint
from lora_viz.i18n.language import say
from lora_viz.lessons.which_rank.learns_forgets import (
    HEAD,
    TAIL,
    film,
    learns_forgets,
    plot_learns_forgets,
    scripts,
    table,
    takeaway,
)
from lora_viz.ui.controls import CONTROLS, Control
from lora_viz.ui.page import close_lesson, open_lesson, show_film
from lora_viz.ui.records import cached_record

asked, picture = open_lesson(
    say("Learns less, forgets less: what does rank decide?"),
    say(
        "From few noisy samples, a higher rank forgets more at every step, but learns more only up to the truth's "
        "rank: beyond it, it learns the noise."
    ),
    default=Experiment(d_in=64, d_out=64, rank=1, noise=0.5, samples=128),
    first=(
        Control(
            name="noise",
            label=say("Label noise"),
            options=(0.0, 0.1, 0.25, 0.5, 1.0),
            help=say("Standard deviation of what is added to every label."),
        ),
        Control(
            name="samples",
            label=say("Samples"),
            options=(80, 96, 128, 256, 512, 1024),
            help=say("Of the new task; 64 inputs."),
        ),
    ),
    more=(CONTROLS["d_in"].only(32, 64),),
)
e = asked.experiment
record = cached_record(learns_forgets, e)
show_film(picture, film(record), takeaway(record))

dW = tint("delta", r"\Delta W")
close_lesson(
    say(
        r"""
$$
\text{{learns:}}\ \ \mathbb E\|({dW} - {dW}^*)x\|^2 = \|{dW} - {dW}^*\|_F^2 \qquad\quad
\text{{forgets:}}\ \ \mathbb E\|{dW}\,x\|^2 = \|{dW}\|_F^2
$$

The source task was fitted by $W$; on inputs from $N(0, I)$ any update adds $\|{dW}\|_F^2$ to its error. The new task's
${dW}^*$ has singular values {head} and a tail of {tail}. Each rank is fitted to the end
and exactly (reduced-rank regression), {samples} samples a seed. Biderman et al. (2024) found on code and
mathematics that LoRA learns less and forgets less than full fine-tuning; here that is the way along $r$. Compared
**at the same error on the new task** it is another question. Without noise and with round inputs the answer is exact:
to leave the share $\ell$ of ${dW}^*$, full fine-tuning stopped early forgets $(1-\sqrt\ell)^2$ and a rank that cuts
the truth off forgets $1-\ell$, which is more.""",
        dW=dW,
        head=", ".join(map(number, HEAD)),
        tail=number(TAIL),
        samples=record.samples,
    ),
    lambda theme: plot_learns_forgets(record, theme=theme),
    table(record),
    name="learns_forgets",
    alt=takeaway(record),
    home=scripts(record, e),
)
