"""Width: how much larger is LoRA's best learning rate?"""

import numpy as np

from lora_viz.core.experiment import Experiment
from lora_viz.film.style import number, tint
from lora_viz.i18n.language import say
from lora_viz.lessons.papers.width import film, plot_width_rate, table, takeaway, width_rate, width_sweeps
from lora_viz.ui.controls import CONTROLS
from lora_viz.ui.page import close_lesson, open_lesson, show_film
from lora_viz.ui.records import cached_view

LR = tuple(float(f"{x:.3g}") for x in np.geomspace(0.002, 0.512, 17))

asked, picture = open_lesson(
    say("Width: how much larger is LoRA's best learning rate?"),
    say(
        "Its ratio to full fine-tuning's is no constant: it grows with the width of the layer. The factor of ten "
        "reported for language models is not reached here."
    ),
    default=Experiment(target_rank=4, spectrum="flat", rank=4, alpha=32.0, optimizer="adam", steps=30, dtype="float32"),
    first=(CONTROLS["scaling_rule"], CONTROLS["alpha"].only(8.0, 16.0, 32.0), CONTROLS["steps"].only(10, 30, 100)),
    more=(CONTROLS["spectrum"],),
)
e = asked.experiment
sweeps = width_sweeps(e, (16, 32, 64, 128), (4, 8, 16), LR)
record = cached_view(width_rate, sweeps, asked.device, 2)
show_film(picture, film(record), takeaway(record))

A, B, dW = tint("A", "A"), tint("B", "B"), tint("delta", r"\Delta W")
slopes = ", ".join(f"{say(name)} {number(float(s))}" for name, s in zip(record.racers, record.slope, strict=True))
close_lesson(
    say(
        r"""
$$
\text{{Adam's first step:}}\quad |\Delta w| = \eta \text{{ in every entry}} \qquad
\text{{full:}}\ \|{dW}\|_F = \eta\, d \qquad \text{{LoRA:}}\ {dW} = s\,{B}{A},\ |{B}_{{ij}}| = \eta
$$

*LoRA Without Regret* (Schulman, Thinking Machines 2025) fits, over 14 language models, a best learning rate for LoRA of
about ten times full fine-tuning's, whatever the rank and width, and says that its own theory (a ratio in proportion to
the width) does not match. Here, with one linear layer, round inputs and a target of rank {target_rank}, Adam moves
every entry of ${dW}$ by η when all weights train; the wider the layer, the more of them, so the best η falls nearly as
$1/d$. LoRA's own falls more slowly: its update goes through $r$ rows only. Slopes of the best η against $d$, both
logarithmic: {slopes}. So a ratio grows that is below 1 in a narrow layer: "LoRA needs ten times the learning rate" is
no law of the method, and a layer as wide as a language model's was not tried.

The same report finds less than a factor of 2 between ranks 4 and 512 under α/r; what is found here stands in the
read-out, also for the other rules. Each learning rate is $\sqrt2$ times the last: no best is told more finely.
Gradients are exact, there is no sampling noise.""",
        dW=dW,
        B=B,
        A=A,
        target_rank=e.target_rank,
        slopes=slopes,
    ),
    lambda theme: plot_width_rate(record, theme=theme),
    table(record),
    name="width",
    alt=takeaway(record),
    home=sweeps,
)
