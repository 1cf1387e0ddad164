"""Capacity: how many random bits does an adapter hold?"""

from functools import partial

import streamlit as st

from lora_viz.core.experiment import Experiment
from lora_viz.export.scripts.bits import bits_script
from lora_viz.export.scripts.script import Scripts
from lora_viz.film.style import number, tint
from lora_viz.i18n.language import say
from lora_viz.lessons.papers.capacity import capacity, film, plot_capacity, table, takeaway
from lora_viz.networks.bits import BitsExperiment, bits_evidence
from lora_viz.networks.memorise import memorise_bits
from lora_viz.ui.controls import CONTROLS
from lora_viz.ui.page import close_lesson, open_lesson, show_film
from lora_viz.ui.watching import watch

asked, picture = open_lesson(
    say("Capacity: how many random bits does an adapter hold?"),
    say(
        "About one bit a trained number: up to there it learns every label by heart, beyond it loses some. Twice the "
        "rank holds twice as many."
    ),
    default=Experiment(rank=2),
    first=(CONTROLS["rank"].only(1, 2, 4, 8),),
    more=(),
    trains=False,
)
wanted = BitsExperiment(rank=asked.experiment.rank, seed=asked.experiment.seed)
run = watch(wanted, lambda: memorise_bits(wanted), picture, name=say("Six trainings of one adapter"))
if run is None:
    st.stop()
record = capacity(run, bits_evidence())
show_film(picture, film(record), takeaway(record))

A, B = tint("A", "A"), tint("B", "B")
lost = float(record.measured[1, :, -1].min())
close_lesson(
    say(
        r"""
$$
y = w^\top \operatorname{{relu}}\big((W + {B}{A})\,h\big), \qquad
\text{{trained numbers}} = 2 \cdot {width} \cdot r = {parameters}, \qquad
\text{{bits known}} = N\,(1 - H_2(\text{{accuracy}}))
$$

*LoRA Without Regret* (Schulman, Thinking Machines 2025) claims that LoRA learns as full fine-tuning does until the data
exceed its capacity, and counts with about 2 bits a parameter, a figure for language models trained for very long
(Allen-Zhu & Li 2024). Here: a random network of {inputs}, {width}, {width} and 1 units, frozen;
LoRA with $s = 1$ on the {width}×{width} layer alone; $N$ Gaussian inputs whose labels are thrown coins,
so nothing can be generalised and all must be held. {steps} full-batch steps of Adam, η = {lr:g}
falling to 0; more steps, or another η, move the edge a little. $H_2$ is the entropy of a coin in bits: half right is
nothing known.

The live row is trained while you wait, from the page's seed. The map comes from {seeds} seeds on the same
network, by `python docs/make_capacity.py`: {bits} bits in {numbers} numbers leave an
accuracy of {lost}. One width and one depth were measured; that the count does not depend on them is not shown
here.""",
        B=B,
        A=A,
        width=wanted.width,
        parameters=wanted.parameters,
        inputs=wanted.inputs,
        steps=wanted.steps,
        lr=wanted.lr,
        seeds=record.seeds,
        bits=record.measured_samples[-1],
        numbers=record.per_rank,
        lost=number(lost),
    ),
    lambda theme: plot_capacity(record, theme=theme),
    table(record),
    name="capacity",
    alt=takeaway(record),
    home=Scripts(partial(bits_script, run), {say("Random bits"): wanted.samples}),
)
