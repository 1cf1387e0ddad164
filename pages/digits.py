"""Real digits: which rank does an adapted network need?"""

from functools import partial

import streamlit as st

from lora_viz.core.experiment import Experiment
from lora_viz.export.network_files import network_home
from lora_viz.export.scripts.digits import digits_script
from lora_viz.export.scripts.script import Scripts
from lora_viz.film.style import number, tint
from lora_viz.i18n.language import say
from lora_viz.lessons.real.digits import digits_adapt, film, plot_digits_adapt, table, takeaway
from lora_viz.networks.adapting import adapt_digits
from lora_viz.networks.digits import DigitsExperiment
from lora_viz.networks.minilm_evidence import median_error, minilm_evidence
from lora_viz.ui.controls import CONTROLS
from lora_viz.ui.page import close_lesson, open_lesson, show_film
from lora_viz.ui.watching import watch

asked, picture = open_lesson(
    say("Digits: which rank does a real network need?"),
    say(
        "A small network that reads upright digits needs a rank of about 8 to read rotated ones; on inverted ones "
        "even rank 16 fails here."
    ),
    default=Experiment(alpha=16.0, lr=0.01, steps=300),
    first=(CONTROLS["change"], CONTROLS["steps"].only(100, 300, 500), CONTROLS["lr"].only(0.002, 0.005, 0.01, 0.02)),
    more=(CONTROLS["alpha"].only(4.0, 16.0, 64.0),),
)
e = asked.experiment
wanted = DigitsExperiment(change=asked.options["change"], alpha=float(e.alpha), lr=e.lr, steps=e.steps, seed=e.seed)
run = watch(wanted, lambda: adapt_digits(wanted), picture, name=say("Five networks, seven ways of adapting each"))
if run is None:
    st.stop()
record = digits_adapt(run)
show_film(picture, film(record), takeaway(record))

far = minilm_evidence()
dW, W = tint("delta", r"\Delta W"), tint("W", "W")
exact = int((record.exact > 1e-6 * max(1e-9, record.exact[0])).sum())
close_lesson(
    say(
        r"""
Turning or shuffling an image moves its pixels: $x' = P x$ with a permutation $P$. So ${dW}_1 = {W}_1 (P^\top - I)$
undoes it exactly and without training. Here that exact answer has numerical rank {exact} (dashed; for inverted
pixels it is $-2{W}_1$ with a bias, for new names $0$). Training need not be exact: what it learnt at full freedom has
effective rank {first} in the first and
{second} in the second hidden layer (exp of the entropy of $\sigma/\sum\sigma$,
median of {members} networks).

A perceptron of 64, 64, 64 and 10 units, pretrained on upright digits. LoRA on both hidden layers, head frozen,
$s = \alpha/r$, η = {lr:g} falling to 0; full fine-tuning with 0.3 η and all biases. Each rate is one choice,
not the best of many: with another, the curves move by some points. 1,297 images train, 500 test: a standard error of
about 1 point. Images: Alpaydin & Kaynak 1998, UCI.

Over 8 seeds, 40 networks, with the settings that the page opens with, the least rank within a point of full was 8 seven
times and 4 once for rotated digits, 4 every time for permuted ones, and none for inverted ones.

**The other answer.** A [real transformer](minilm), asked for far less, ends at {lora} errors with rank 1
and at {full} with all weights (medians of {seeds} seeds): a rank of 1 or 2 is enough there.""",
        dW=dW,
        W=W,
        exact=exact,
        first=number(float(record.last_effective[0, -1])),
        second=number(float(record.last_effective[1, -1])),
        members=record.members,
        lr=wanted.lr,
        lora=median_error(far.lora[0]),
        full=median_error(far.full),
        seeds=len(far.full),
    ),
    lambda theme: plot_digits_adapt(record, theme=theme),
    table(record),
    name="digits",
    alt=takeaway(record),
    home=Scripts(partial(digits_script, run), {say("Way of adapting"): run.ways}, partial(network_home, run)),
)
