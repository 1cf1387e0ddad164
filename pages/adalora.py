"""Lab: where should ranks go?"""

from functools import partial

import streamlit as st

from lora_viz.core.experiment import Experiment
from lora_viz.export.scripts.allocation import allocation_script
from lora_viz.export.scripts.script import Scripts
from lora_viz.i18n.language import say
from lora_viz.layer.variants import VARIANTS
from lora_viz.lessons.variants.adalora import film, plot_rank_allocation, rank_allocation, table, takeaway
from lora_viz.ui.cache import cached_allocation
from lora_viz.ui.controls import CONTROLS
from lora_viz.ui.page import close_lesson, open_lesson, show_film

asked, picture = open_lesson(
    say("AdaLoRA: where should ranks go?"),
    say(
        "Four layers, whose targets have ranks 1, 2, 4 and 8, share one budget. Pruning by importance, while they "
        "train, finds where the ranks belong; the same rank everywhere cannot."
    ),
    default=Experiment(spectrum="flat", alpha=10.0, lr=0.02, steps=400, rank=4, target_rank=1),
    first=(*(CONTROLS[name] for name in ("budget", "spectrum", "steps")),),
    more=(*(CONTROLS[name] for name in ("lr", "alpha")),),
)
e, budget = asked.experiment, int(asked.options["budget"])
with picture, st.spinner(say("Training eight sets of four layers …")):
    run = cached_allocation(e, budget)
record = rank_allocation(run)
show_film(picture, film(record), takeaway(record))

v = VARIANTS["adalora"]
close_lesson(
    say(
        r"""
$$
\Delta W = \tfrac{{\alpha}}{{r_0}}\,P\,\mathrm{{diag}}(\lambda)\,Q, \qquad
S_k = s(\lambda_k) + \tfrac1{{d_\text{{out}}}}\sum_i s(P_{{ik}}) + \tfrac1{{d_\text{{in}}}}\sum_j s(Q_{{kj}}), \qquad
s(w) = \bar I(w)\,\bar U(w), \quad I(w) = |w\,\partial L/\partial w|
$$

$\bar I$ is the smoothed sensitivity and $\bar U$ the smoothed $|I - \bar I|$, both with factor 0.85. Every fifth step
from step {prunes_from} to {prunes_to} the triplets of all layers are ranked by $S_k$ together, those
beyond the budget get $\lambda = 0$ (they may come back until the end of that time), and the budget falls from
{first_budget} to {last_budget} along a cubic. A penalty
$0.1(\|P^\top P - I\|^2 + \|QQ^\top - I\|^2)$ keeps the triplets apart; PEFT and the authors' code take norms that are
not squared. Importance is not the size of $\lambda$ alone: it asks what the loss would feel.

**{title}**: {authors} {year}, [arXiv:{arxiv}](https://arxiv.org/abs/{arxiv}), not by the authors of LoRA. The
four layers stand side by side, each with its own $W$, target and data: what they share is the budget. What was kept,
set by set: {kept}.""",
        prunes_from=record.prunes_from,
        prunes_to=record.prunes_to,
        first_budget=record.budget[0],
        last_budget=record.budget[-1],
        title=v.title,
        authors=v.authors,
        year=v.year,
        arxiv=v.arxiv,
        kept="; ".join(", ".join(map(str, row)) for row in record.ends.tolist()),
    ),
    lambda theme: plot_rank_allocation(record, theme=theme),
    table(record),
    name="adalora",
    alt=takeaway(record),
    home=Scripts(partial(allocation_script, run, e, budget), {say("Set of layers"): tuple(range(len(record.ends)))}),
)
