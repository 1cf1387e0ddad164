"""Initialisation: which way does the first step point?"""

from lora_viz.core.experiment import Experiment
from lora_viz.film.style import number, tint
from lora_viz.i18n.language import say
from lora_viz.layer.starts import STARTS
from lora_viz.lessons.training.init_alignment import (
    alignment_sweep,
    film,
    init_alignment,
    plot_init_alignment,
    table,
    takeaway,
)
from lora_viz.ui.cache import cached_train
from lora_viz.ui.controls import CONTROLS
from lora_viz.ui.page import close_lesson, open_lesson, show_film
from lora_viz.ui.training_controls import TRAINING_CONTROLS

RANKS = (1, 2, 3, 4, 5, 6, 8, 10, 12, 16, 20, 24)

asked, picture = open_lesson(
    say("Initialisation: which way does the first step point?"),
    say("A random A sees a random part of the gradient; a start made from it points, with SGD, as far as rank allows."),
    default=Experiment(
        task="full_rank",
        d_in=64,
        d_out=48,
        samples=256,
        condition=10.0,
        rank=1,
        alpha=16.0,
        optimizer="sgd",
        lr=0.0001,
        init="lora_ga",
    ),
    first=(
        TRAINING_CONTROLS["beside_own"],
        CONTROLS["spectrum"],
        CONTROLS["condition"],
        CONTROLS["optimizer"].only("sgd", "adam"),
    ),
    more=(CONTROLS["noise"],),
)
e = asked.experiment
record = init_alignment(cached_train(alignment_sweep(e, RANKS), asked.device, 2), e.init)
show_film(picture, film(record), takeaway(record))

A, G, dW = tint("A", "A"), tint("W", "G"), tint("delta", r"\Delta W")
rival, t = STARTS[record.rival], list(record.ranks).index(8)
close_lesson(
    say(
        r"""
$$
\cos({dW}_1, -{G}) \le \sqrt{{\frac{{\sum_{{i \le k}} \sigma_i({G})^2}}{{\sum_i \sigma_i({G})^2}}}}, \qquad
k = \mathrm{{rank}}\,A_0 + \mathrm{{rank}}\,B_0: \ r \text{{ if one is 0}}
$$

With SGD from ${A}$ random and $B = 0$ the first update is ${dW}_1 = -\eta s^2\,{G}{A}^\top{A}$: ${G}$ seen through the
rows of ${A}$. For a ${G}$ without preferred directions its cosine is about $\sqrt{{r/(r+d+1)}}$, at rank 8 here
{expected}. **{label}**: ${rule}$ ({source}).

LoRA-GA takes ${G}$'s own singular vectors, the first $r$ for $A$ and the next $r$ for $B$, and with SGD reaches the
bound of rank $2r$; EVA takes the inputs' main directions, which is good where the inputs have some (try a stretch of
1).""",
        dW=dW,
        G=G,
        A=A,
        expected=number(float(record.expected[t])),
        label=say(rival.label),
        rule=rival.rule,
        source=say(rival.source),
    ),
    lambda theme: plot_init_alignment(record, theme=theme),
    table(record),
    name="init_alignment",
    alt=takeaway(record),
    home=(alignment_sweep(e, RANKS),),
)
