"""Two adapters on one base: switched, mixed, added, averaged."""

from functools import partial

import streamlit as st

from lora_viz.core.experiment import Experiment
from lora_viz.export.scripts.digits import pair_script
from lora_viz.export.scripts.script import Scripts
from lora_viz.film.style import number, tint
from lora_viz.i18n.language import say
from lora_viz.lessons.real.many_adapters import adapters_together, film, plot_adapters_together, table, takeaway
from lora_viz.networks.adapter_pair import adapt_pair
from lora_viz.networks.digits import PairExperiment
from lora_viz.ui.controls import CONTROLS
from lora_viz.ui.page import close_lesson, open_lesson, show_film
from lora_viz.ui.watching import watch

asked, picture = open_lesson(
    say("Many adapters, one base: do they go together?"),
    say(
        "They can be switched at will; added, their ranks add up, but two skills do not; and averaging A's and B's is "
        "not averaging updates."
    ),
    default=Experiment(d_in=64, d_out=64, rank=3, alpha=16.0, lr=0.01, steps=300),
    first=(CONTROLS["second"], CONTROLS["rank"], CONTROLS["steps"].only(100, 300, 500)),
    more=(CONTROLS["alpha"].only(4.0, 16.0, 64.0), CONTROLS["lr"].only(0.002, 0.005, 0.01, 0.02)),
)
e = asked.experiment
wanted = PairExperiment(
    second=asked.options["second"], rank=e.rank, alpha=float(e.alpha), lr=e.lr, steps=e.steps, seed=e.seed
)
run = watch(wanted, lambda: adapt_pair(wanted), picture, name=say("Two adapters on each of five networks"))
if run is None:
    st.stop()
record = adapters_together(run)
show_film(picture, film(record), takeaway(record))

A, B, dW = tint("A", "A"), tint("B", "B"), tint("delta", r"\Delta W")
off = number(100 * float(record.off[1, len(record.weight) // 2]))
chance, reach = number(record.chance), number(float(record.reach[0]))
close_lesson(
    say(
        r"""
$$
\tfrac12({B}_1 {A}_1 + {B}_2 {A}_2) = \begin{{pmatrix}} {B}_1 & {B}_2 \end{{pmatrix}} \cdot \tfrac12
\begin{{pmatrix}} {A}_1 \\ {A}_2 \end{{pmatrix}}
\qquad\text{{but}}\qquad
\tfrac{{{B}_1 + {B}_2}}2 \cdot \tfrac{{{A}_1 + {A}_2}}2 = \tfrac14({B}_1 {A}_1 + {B}_2 {A}_2 + {B}_1 {A}_2 +
{B}_2 {A}_1)
$$

The sum of two updates of rank {rank} has rank at most {bound}, here {sum_rank}. Averaged
factors halve what was learnt and add two cross terms that nobody trained: {off} % off at one half (Frobenius, first
hidden layer, relative to the mixed ${dW}$; median of {members} networks). PEFT's `add_weighted_adapter` offers
both: "cat" and "svd" mix the updates, "linear" the factors.

Overlap is $\|U^\top V\|_F^2 / r$ of orthonormal bases (Hu et al. 2021, §7.2): 1 for the same subspace, {chance}
expected of random ones. It sees the factors, not the data: what counts is how hard ${dW}_2$ pushes the first task's
images, {reach} times as hard as ${dW}_1$ here. And both adapters change the same two layers of a network that is not
linear.""",
        B=B,
        A=A,
        rank=record.rank,
        bound=2 * record.rank,
        sum_rank=record.sum_rank,
        off=off,
        dW=dW,
        members=record.members,
        chance=chance,
        reach=reach,
    ),
    lambda theme: plot_adapters_together(record, theme=theme),
    table(record),
    name="many_adapters",
    alt=takeaway(record),
    home=Scripts(partial(pair_script, wanted, run), {}),
)
