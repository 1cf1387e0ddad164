"""Lab: which variant for which change?"""

from dataclasses import replace

import streamlit as st

from lora_viz.experiment import Experiment
from lora_viz.style import number
from lora_viz.ui.cache import cached_train
from lora_viz.ui.controls import CONTROLS, TARGETS
from lora_viz.ui.page import close_lesson, open_lesson, show_film
from lora_viz.variants import VARIANTS
from lora_viz.views.variant_race import (
    cell_of,
    film,
    measured,
    plot_variant_race,
    table,
    takeaway,
    variant_race,
    variant_sweep,
)

asked, picture = open_lesson(
    "Variants: which one for which change?",
    "None wins everywhere. DoRA finds a stretching of rows exactly, where LoRA cannot; LoRA-XS finds with 64 numbers "
    "what lies inside W's leading directions, and little else. Same task, same seed, same data: click a cell.",
    default=Experiment(
        variant="dora", task="row_rescale", rank=4, target_rank=4, alpha=8.0, steps=200, schedule="linear"
    ),
    first=(TARGETS, CONTROLS["variant"]),
    more=(*(CONTROLS[name] for name in ("versus", "rank", "steps", "noise", "condition")),),
)
e = asked.experiment
plain, at_the_map = replace(e, variant="lora"), Experiment(**measured()["experiment"])


def count(name: str, base: Experiment) -> int:
    return VARIANTS[name].parameters(replace(base, rank=VARIANTS[name].beside(base)))


def pick(row: int, column: int) -> None:
    st.session_state["variant"], st.session_state["task"] = cell_of(row, column)


sweep = variant_sweep(plain, {name: v.beside for name, v in VARIANTS.items()})
with picture, st.spinner(f"Training {len(sweep)} adapters …"):
    run = cached_train(sweep, asked.device, 41)
record = variant_race(
    run,
    chosen=e.variant,
    beside=str(asked.options["versus"]),
    titles={name: v.title for name, v in VARIANTS.items()},
    parameters={name: (count(name, plain), count(name, at_the_map)) for name in VARIANTS},
)
show_film(picture, film(record), takeaway(record), on_pick=pick)

v, floor = VARIANTS[e.variant], record.floor[record.chosen]
close_lesson(
    rf"""
$$
{v.rule}
$$

**{v.title}**: {v.authors} {v.year}, [arXiv:{v.arxiv}](https://arxiv.org/abs/{v.arxiv}). It trains
{record.parameters[record.chosen]} numbers here, at learning rate {record.rates[record.chosen]:g}; LoRA of rank
{e.rank} trains {record.parameters[0]}, all of W would be {e.d_in * e.d_out}. {v.remark}

{"Its floor here is not known in closed form." if floor != floor else f"Its floor here is {number(float(floor))}."}
Where $\Delta W = s\,BA + R$ with a fixed $R$, nothing goes below
$\tfrac12\sum_{{i>r}}\sigma_i\big((M - R)\,C^{{1/2}}\big)^2$: for LoRA $R = 0$; for PiSSA, MiLoRA, OLoRA and LoRA-GA
$R = -s\,B_0A_0$; for QLoRA and LoftQ what 4 bits did to $W$. PiSSA's update may have rank $2r$ and not reach what LoRA
reaches. Learning rates: the best of {len(measured()["rates"])} by the median of eight tasks, for each variant and kind
of target. The map is at rank 4 and {at_the_map.steps} steps, made by `{measured()["made_by"]}`. These targets explain
mechanisms; they do not rank methods for language models.""",
    lambda theme: plot_variant_race(record, theme=theme),
    table(record),
    name="variants",
    alt=takeaway(record),
)
