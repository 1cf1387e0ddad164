"""What may the visitor take along? The trained adapter of the page's run, with all that repeats it, in one archive."""

from __future__ import annotations

import streamlit as st

from lora_viz.export import history_csv, plain_script, take_home
from lora_viz.language import say
from lora_viz.run import Run

__all__ = ["offer_run"]


def offer_run(run: Run, name: str) -> None:
    """An expander with a choice of adapter where the run has several, and its files, made when they are asked for."""
    home = st.expander(say("Take it home"), key=f"home_{name}", on_change="rerun")
    if not home.open:
        return
    with home:
        adapter = 0
        if len(run.sweep) > 1:
            labels = [_label(run, i) for i in range(len(run.sweep))]
            adapter = labels.index(str(st.selectbox(say("Which adapter"), labels, key=f"home_adapter_{name}")))
        script = plain_script(run, adapter)
        told = say(
            "A PEFT folder that `PeftModel.from_pretrained` loads, base and merged weights, the history as CSV"
        ) + (say(", and a plain PyTorch script that prints the same losses.") if script else ".")
        if run.diverged_at[adapter] >= 0:
            told += say(
                " This adapter diverged: its weights are those of step {diverged_at}.",
                diverged_at=run.diverged_at[adapter],
            )
        st.markdown(told)
        st.download_button(
            say("Everything, as a zip archive"),
            lambda: take_home(run, adapter),
            f"lora_{name}.zip",
            "application/zip",
            on_click="ignore",
            key=f"home_zip_{name}",
        )
        st.download_button(
            say("History as CSV"),
            lambda: history_csv(run, adapter),
            f"lora_{name}_history.csv",
            "text/csv",
            on_click="ignore",
            key=f"home_csv_{name}",
        )
        if script:
            with st.expander("train.py"):
                st.code(script[0], language="python")


def _label(run: Run, adapter: int) -> str:
    e = run.sweep[adapter]
    return ", ".join(f"{axis}={getattr(e, axis)}" for axis in run.sweep.axes) or say(
        "adapter {adapter}", adapter=adapter
    )
