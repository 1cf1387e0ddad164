"""What the visitor may take along: every trained adapter of the page, or a script of what it computes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

import streamlit as st

from lora_viz.adapters.writing import archive
from lora_viz.core.experiment import Experiment, Sweep
from lora_viz.core.run import Run
from lora_viz.export.adapter_folder import history, history_csv, packed_adapter
from lora_viz.export.columns_json import as_json
from lora_viz.export.scripts.layer import ROUNDING, ends_in_rounding, layer_script
from lora_viz.export.scripts.script import Script, Scripts
from lora_viz.export.taken_along import file_name
from lora_viz.film.style import number
from lora_viz.i18n.language import say, to_say
from lora_viz.i18n.outside import on_screen
from lora_viz.lessons.catalogue import CONTROLS
from lora_viz.lessons.lesson import Played
from lora_viz.lessons.names import NAMES
from lora_viz.ui.state import of_visit

__all__ = ["offer_exports"]

RECORDS = 41
LABELS = {
    "init": to_say("Start"),
    "seed": to_say("Seed of the task"),
    "init_seed": to_say("Seed of the initialisation"),
    "d_in": to_say("Inputs of the layer"),
    "d_out": to_say("Outputs of the layer"),
    "samples": to_say("Samples"),
    "batch": to_say("Samples a step"),
    "target_condition": to_say("σ₁/σ_r of the target"),
}  # what a lesson's controls ask for otherwise, or not at all
_READABLE = {"init": {"identity": to_say("full fine-tuning (A = I)")}}  # where it races, it stands for that
FIRST = ("variant", "init", "optimizer")  # what an adapter is comes before how much of it


@dataclass(slots=True)
class _Followed:
    """By question: what the page showed when it was last answered by the page itself."""

    shown: dict[str, Any] = field(default_factory=dict)


def offer_exports(played: Played[Any]) -> None:
    """An expander with what can be taken along, made when it is opened; where there are several, a choice an axis."""
    name = played.lesson.id
    place = st.expander(say("Take it home"), key=f"home_{name}", on_change="rerun")
    if not place.open:
        return
    with place:
        home = played.exports()
        asking = st.container(horizontal=True)
        if isinstance(home, Scripts):
            choices = enumerate(home.choices.items())
            with asking:
                answers = [_chosen(said, values, f"home_{i}_{name}") for i, (said, values) in choices]
            _offer_script(home, answers, name)
        elif isinstance(home, Run):
            with asking:
                adapter = _which(home.sweep.experiments, played)
            _offer_adapter(home, adapter, name)
        elif home is not None:
            every = [e for sweep in home for e in sweep.experiments]
            with asking:
                chosen = every[_which(every, played)]
            _offer_adapter(played.lab.train(Sweep((chosen,)), records=RECORDS), 0, name)


def _offer_adapter(run: Run, adapter: int, name: str) -> None:
    script = layer_script(run, adapter)
    st.markdown(
        say(
            "A PEFT folder that `PeftModel.from_pretrained` loads, base and merged weights, the history, and a plain "
            "PyTorch script that prints the same losses."
        )
    )
    if run.diverged_at[adapter] >= 0:
        st.markdown(
            on_screen(
                say("This adapter diverged: its weights are those of step {step}.", step=run.diverged_at[adapter])
            )
        )
    if ends_in_rounding(run.loss[:, adapter]):
        st.caption(
            on_screen(
                say(
                    "This adapter's loss fell below {share} of the first: down there it is rounding, and another "
                    "machine prints other digits.",
                    share=number(ROUNDING),
                )
            )
        )
    with st.container(horizontal=True):
        _download(say("Everything, as a zip archive"), lambda: packed_adapter(run, adapter), name, ".zip")
        _download(say("History as CSV"), lambda: history_csv(run, adapter), name, "_history.csv")
        _download(say("History as JSON"), lambda: as_json(history(run, adapter)), name, "_history.json")
    _show(script)


def _offer_script(home: Scripts, answers: list[Any], name: str) -> None:
    script = home.make(*answers)
    st.markdown(say("A script that computes the same and prints its numbers beside those of this page, and its data."))

    def packed() -> bytes:
        if home.archive is not None:
            return home.archive(*answers)
        return archive({"train.py": script.text, "data.npz": script.npz()})

    _download(say("Everything, as a zip archive"), packed, name, ".zip")
    _show(script)


def _show(script: Script) -> None:
    with st.expander("train.py"):
        st.code(script.text, language="python")


def _download(label: str, data: Any, name: str, ending: str) -> None:
    mime = {".zip": "application/zip", "_history.csv": "text/csv", "_history.json": "application/json"}[ending]
    st.download_button(
        on_screen(label), data, file_name(f"lora_{name}{ending}"), mime, on_click="ignore", key=f"home_{name}{ending}"
    )


def _which(experiments: Sequence[Experiment], played: Played[Any]) -> int:
    """The number of the chosen one: one question for each field in which those that are left differ.

    It begins at the one that the page shows, where the page asks for one, else at the first.
    """
    left = list(range(len(experiments)))
    name, asked = played.lesson.id, played.settings.experiment
    controls = played.link
    names = [own.name for own in fields(Experiment)]
    for axis in (*FIRST, *(axis for axis in names if axis not in FIRST)):
        values = tuple(dict.fromkeys(getattr(experiments[i], axis) for i in left))
        if len(values) > 1:
            label = say(LABELS[axis]) if axis in LABELS else say(CONTROLS[axis].label) if axis in CONTROLS else axis
            names_of = {**NAMES.get(axis, {}), **_READABLE.get(axis, {})}
            chosen = _chosen(
                label, values, f"home_{axis}_{name}", names_of, getattr(asked, axis) if axis in controls else None
            )
            left = [i for i in left if getattr(experiments[i], axis) == chosen]
    return left[0]


def _chosen(
    label: str, values: tuple[Any, ...], key: str, names: Mapping[Any, str] | None = None, shown_now: Any = None
) -> Any:
    """One of the values, shown under its name; an answer that is none of them any more counts as the first.

    What the page shows now is chosen, until the visitor chooses another; when the page shows another, that one is.
    """
    if len(values) == 1:
        return values[0]
    by_name = {str(value): value for value in values}
    followed = of_visit(_Followed).shown
    if shown_now in values and (followed.get(key) != shown_now or key not in st.session_state):
        st.session_state[key] = str(shown_now)
        followed[key] = shown_now
    shown = {text: say(names[value]) if names and value in names else text for text, value in by_name.items()}
    return by_name.get(
        str(st.selectbox(on_screen(label), tuple(by_name), format_func=shown.__getitem__, key=key)), values[0]
    )
