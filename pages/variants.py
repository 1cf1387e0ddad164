"""Lab: which variant for which change?"""

from dataclasses import replace

import streamlit as st

from lora_viz.core.experiment import Experiment
from lora_viz.i18n.language import say
from lora_viz.layer.variants import VARIANTS, card, trained_beside
from lora_viz.lessons.variants import variants as variant_race
from lora_viz.ui.cache import cached_train
from lora_viz.ui.controls import CONTROLS, TARGETS
from lora_viz.ui.page import close_lesson, open_lesson, show_film

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
plain, at_the_map = replace(e, variant="lora"), Experiment(**variant_race.measured()["experiment"])


def pick(row: int, column: int) -> None:
    st.session_state["variant"], st.session_state["task"] = variant_race.cell_of(row, column)


sweep = variant_race.variant_sweep(plain, {name: v.beside for name, v in VARIANTS.items()})
with picture, st.spinner(say("Training {count} adapters …", count=len(sweep))):
    run = cached_train(sweep, asked.device, 41)
record = variant_race.variant_race(
    run,
    chosen=e.variant,
    beside=str(asked.options["versus"]),
    titles={name: v.title for name, v in VARIANTS.items()},
    parameters={name: (trained_beside(name, plain), trained_beside(name, at_the_map)) for name in VARIANTS},
)
show_film(picture, variant_race.film(record), variant_race.takeaway(record), on_pick=pick)

close_lesson(
    say(
        r"""{card} It trains
{own} numbers here, at learning rate {rate:g}; LoRA of rank
{rank} trains {lora}, all of W would be {all}. {remark}

{floor}
Where $\Delta W = s\,BA + R$ with a fixed $R$, nothing goes below
$\tfrac12\sum_{{i>r}}\sigma_i\big((M - R)\,C^{{1/2}}\big)^2$: for LoRA $R = 0$; for PiSSA, MiLoRA, OLoRA and LoRA-GA
$R = -s\,B_0A_0$; for QLoRA and LoftQ what 4 bits did to $W$. PiSSA's update may have rank $2r$ and not reach what LoRA
reaches. Learning rates: the best of {rates} by the median of eight tasks, for each variant and kind
of target. The map is at rank 4 and {steps} steps, made by `{script}`. These targets explain
mechanisms; they do not rank methods for language models.""",
        card=card(e.variant),
        own=record.parameters[record.chosen],
        rate=record.rates[record.chosen],
        rank=e.rank,
        lora=record.parameters[0],
        all=e.d_in * e.d_out,
        remark=say(VARIANTS[e.variant].remark),
        floor=variant_race.floor_told(record),
        rates=len(variant_race.measured()["rates"]),
        steps=at_the_map.steps,
        script=variant_race.measured()["made_by"],
    ),
    lambda theme: variant_race.plot_variant_race(record, theme=theme),
    variant_race.table(record),
    name="variants",
    alt=variant_race.takeaway(record),
    home=run,
)
