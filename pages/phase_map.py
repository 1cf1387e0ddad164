"""Lab: which settings learn?"""

from functools import partial

import streamlit as st

from lora_viz.core.experiment import Experiment, Sweep
from lora_viz.core.run import Run
from lora_viz.film.style import number, tint
from lora_viz.i18n.language import say
from lora_viz.lessons.variants import phase_map
from lora_viz.lessons.variants.phase_map import PhaseMap
from lora_viz.ui.cache import MAP_RECORDS, cached_train, trained_plane
from lora_viz.ui.controls import CONTROLS
from lora_viz.ui.page import close_lesson, open_lesson, show_film

asked, picture = open_lesson(
    say("Phase map: which settings learn?"),
    say(
        "Every cell is a trained adapter. Between too slow and diverged lies a valley, and along it raising one "
        "learning rate makes up for lowering the other. Click a cell to see its run."
    ),
    default=Experiment(rank=4, alpha=8.0, optimizer="sgd", lr=0.02, steps=200, noise=0.1, dtype="float32"),
    first=(*(CONTROLS[name] for name in ("plane", "optimizer", "steps", "init", "condition")),),
    many=True,
    more=(*(CONTROLS[name] for name in ("rank", "target_rank", "noise", "scaling_rule", "map_row", "map_column")),),
)
e, kind = asked.experiment, str(asked.options["plane"])
share = (asked.options["map_row"] / 100, asked.options["map_column"] / 100)
side = 24 if asked.device == "cpu" else 64


def read(runs: tuple[Run, ...], cells: int) -> PhaseMap:
    x, y = phase_map.axes(e, kind, cells)
    at = phase_map.nearest_cell(x, y, share)
    picked = cached_train(Sweep((phase_map.cell(e, kind, x, y, at),)), "cpu", MAP_RECORDS)
    return phase_map.phase_map(runs, picked, kind=kind, x=x, y=y, chosen=at)


def pick(record: PhaseMap, row: int, column: int) -> None:
    st.session_state["map_row"] = int(100 * (row + 0.5) / len(record.y))
    st.session_state["map_column"] = int(100 * (column + 0.5) / len(record.x))


def show(record: PhaseMap) -> None:
    show_film(picture, phase_map.film(record), phase_map.takeaway(record), on_pick=partial(pick, record))


with picture:
    record = read(trained_plane(e, kind, side, asked.device, lambda runs: show(read(runs, side // 3))), side)
show(record)

A, B = tint("A", "A"), tint("B", "B")
close_lesson(
    say(
        r"""
$$
{A} \leftarrow {A} - \eta_{{{A}}}\nabla_{{{A}}}, \qquad {B} \leftarrow {B} - \eta_{{{B}}}\nabla_{{{B}}}, \qquad
q = \frac{{L - L_{{\text{{floor}}}}}}{{L_0 - L_{{\text{{floor}}}}}}
$$

The colour is $q$, what is left of the loss above the exact floor of its rank (reduced-rank regression). **Good**: at
most 1 % is left. **Dead**: at least 99 % is left. **Diverged**: no finite number any more, or more than twice the
start. **Slow**: the rest. From ${B} = 0$ the first step moves ${B}$ alone, by $\eta_B$; ${A}$ follows by $\eta_A$ times
what ${B}$ has become, so that in the slow corner only the product of the two counts, as far as one still sees a valley.
All {adapters} adapters share seed, target, data and start; the chosen one ends at loss
{loss}, its floor is {floor}.""",
        A=A,
        B=B,
        adapters=record.left[0].size,
        loss=number(float(record.loss[-1])),
        floor=number(record.floor),
    ),
    lambda theme: phase_map.plot_phase_map(record, theme=theme),
    phase_map.table(record),
    name="phase_map",
    alt=phase_map.takeaway(record),
    home=cached_train(Sweep((phase_map.cell(e, kind, record.x, record.y, record.chosen),)), "cpu", MAP_RECORDS),
)
