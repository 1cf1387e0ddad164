"""Lab: which variant for which change?"""

from dataclasses import replace

import streamlit as st

from lora_viz.experiment import Experiment
from lora_viz.language import say
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
    say("Variants: which one for which change?"),
    say(
        "None wins everywhere. DoRA finds a stretching of rows exactly, where LoRA cannot; LoRA-XS finds with 64 "
        "numbers what lies inside W's leading directions, and little else. Same task, same seed, same data: click a "
        "cell."
    ),
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
with picture, st.spinner(say("Training {sweep} adapters …", sweep=len(sweep))):
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
    say(
        r"""
$$
{rule}
$$

**{title}**: {authors} {year}, [arXiv:{arxiv}](https://arxiv.org/abs/{arxiv}). It trains
{parameters} numbers here, at learning rate {rates:g}; LoRA of rank
{rank} trains {parameters2}, all of W would be {d_in}. {remark}

{floor}
Where $\Delta W = s\,BA + R$ with a fixed $R$, nothing goes below
$\tfrac12\sum_{{i>r}}\sigma_i\big((M - R)\,C^{{1/2}}\big)^2$: for LoRA $R = 0$; for PiSSA, MiLoRA, OLoRA and LoRA-GA
$R = -s\,B_0A_0$; for QLoRA and LoftQ what 4 bits did to $W$. PiSSA's update may have rank $2r$ and not reach what LoRA
reaches. Learning rates: the best of {measured} by the median of eight tasks, for each variant and kind
of target. The map is at rank 4 and {steps} steps, made by `{measured2}`. These targets explain
mechanisms; they do not rank methods for language models.""",
        rule=v.rule,
        title=v.title,
        authors=v.authors,
        year=v.year,
        arxiv=v.arxiv,
        parameters=record.parameters[record.chosen],
        rates=record.rates[record.chosen],
        rank=e.rank,
        parameters2=record.parameters[0],
        d_in=e.d_in * e.d_out,
        remark=v.remark,
        floor=say("Its floor here is not known in closed form.")
        if floor != floor
        else say("Its floor here is {floor}.", floor=number(float(floor))),
        measured=len(measured()["rates"]),
        steps=at_the_map.steps,
        measured2=measured()["made_by"],
    ),
    lambda theme: plot_variant_race(record, theme=theme),
    table(record),
    name="variants",
    alt=takeaway(record),
)
