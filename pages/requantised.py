"""A quantised base: can the adapter be merged into it?"""

from functools import partial

import streamlit as st

from lora_viz.core.experiment import Experiment
from lora_viz.export.scripts.digits import requantised_script
from lora_viz.export.scripts.script import Scripts
from lora_viz.film.style import tint
from lora_viz.i18n.language import say
from lora_viz.lessons.real.requantised import film, plot_quantised_merge, quantised_merge, table, takeaway
from lora_viz.networks.digits import DigitsExperiment
from lora_viz.networks.requantise import merge_quantised
from lora_viz.ui.controls import CONTROLS
from lora_viz.ui.page import close_lesson, open_lesson, show_film
from lora_viz.ui.watching import watch

asked, picture = open_lesson(
    say("Quantised base: can the adapter be merged into it?"),
    say("Kept apart it works in full; merged and stored in few bits again, a small update is rounded away."),
    default=Experiment(d_in=64, d_out=64, rank=8, alpha=16.0, lr=0.01, steps=300),
    first=(CONTROLS["weight_format"], CONTROLS["rank"], CONTROLS["steps"].only(100, 300)),
    more=(CONTROLS["alpha"].only(4.0, 16.0, 64.0),),
)
e = asked.experiment
wanted = DigitsExperiment(alpha=float(e.alpha), lr=e.lr, steps=e.steps, seed=e.seed)
run = watch(("quantised", wanted, e.rank), lambda: merge_quantised(wanted, e.rank), picture, name=say("Five networks"))
if run is None:
    st.stop()
record = quantised_merge(run, shown=asked.options["weight_format"])
show_film(picture, film(record), takeaway(record))

W, dW = tint("W", "W"), tint("delta", r"\Delta W")
errors = ", ".join(f"{name} {100 * v:.1f} %" for name, v in zip(record.formats, record.base_error, strict=True))
close_lesson(
    say(
        r"""
$$
\text{{arrived}} = Q(Q({W}) + {dW}) - Q({W}) \qquad \text{{error}} = \|\text{{arrived}} - {dW}\|_F / \|{dW}\|_F
$$

$Q$ rounds to the format's levels. int8: 255 even levels, one scale a row. int4: 15 even levels, one scale for 64
weights. NF4 (QLoRA, Dettmers et al. 2023): 16 levels at the quantiles of a normal distribution, one scale for 64
weights. Storing ${W}$ alone costs {errors} of $\|{W}\|_F$. ${W}$ is the first hidden layer of a network that reads
digits, ${dW}$ an adapter of rank {rank} that learnt rotated ones, scaled to each size ρ. An error above 100 %
means that rounding added more than arrived: nearly all weights keep their level, and a new largest entry of a block
moves its scale, hence all of them, in directions that ${dW}$ did not ask for. The dequantised base with the adapter
riding on it, or merged in float32, has none of this. The levels are the formats'; the arithmetic is float64.""",
        W=W,
        dW=dW,
        errors=errors,
        rank=record.rank,
    ),
    lambda theme: plot_quantised_merge(record, theme=theme),
    table(record),
    name="requantised",
    alt=takeaway(record),
    home=Scripts(partial(requantised_script, wanted, run), {}),
)
