"""A page with the panels that have axes of their own, on numbers whose readings are known."""

import numpy as np
import streamlit as st

from lora_viz.film.film import Film
from lora_viz.film.panels import Curve, Curves, Field, Mark
from lora_viz.ui.player import play

T, m, n = 5, 7, 11
x = np.geomspace(1, 256, 9)
steps = np.arange(T, dtype=float)
moving = (1 + steps[:, None]) / x
rows, columns = np.mgrid[0:m, 0:n]
values = (rows * 100.0 + columns)[None] + steps[:, None, None]
values[:, 2, 3] = np.nan
regions = (columns > 5).astype(float) + (rows > 3)

st.set_page_config(layout="wide")
st.session_state.setdefault("asked", None)


def picked(row: int, column: int) -> None:
    st.session_state["asked"] = (row, column)


play(
    Film(
        axis="step",
        training=True,
        of_last=True,
        values=steps,
        start=0,
        narration=tuple(f"Step {t}" for t in range(T)),
        panels=(
            Curves(
                "error_against_rank",
                "Error against rank",
                x=x,
                x_label="rank r",
                x_scale="log",
                y_label="relative error, log; strip: exactly 0",
                scale="log",
                marks=(
                    Mark("target_rank_16", 16.0, "target rank 16"),
                    Mark("another", 64.0, "another", colour="alarm"),
                ),
                series=(
                    Curve("trained", "trained", "delta", moving, low=moving / 2, high=moving * 2, dots=True),
                    Curve("floor", "floor", "ink", np.where(x > 50, 0.0, 0.5 / x), dash="dash"),
                ),
            ),
            Field(
                "a_map",
                "A map",
                values=values,
                x_labels=tuple(f"{j}" for j in range(n)),
                y_labels=tuple(f"1e-{i}" for i in range(m)),
                x_title="rank",
                y_title="lr",
                regions=regions,
                region_names=("good", "slow", "dead"),
                chosen=(5, 2),
                picks=True,
                caption=tuple(f"at step {t}" for t in range(T)),
            ),
        ),
    ),
    on_pick=picked,
)
st.write("What you saw. asked for", st.session_state["asked"])
