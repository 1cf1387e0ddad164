"""What does the visitor ask for? Widgets bound to the URL, each under its field's own name; answers checked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import streamlit as st

from lora_viz.experiment import Experiment, nearest_possible, parse_field
from lora_viz.scenes import Scene
from lora_viz.training import available_devices
from lora_viz.ui.controls import Control
from lora_viz.ui.explaining import ask_level, level

__all__ = ["BESIDE", "Asked", "ask"]

SEED_MOST = 9999
# What a link may hold beside a lesson's own settings: which controls stay, the playhead, and Streamlit's own words.
BESIDE = ("seed", "device", "controls", "at", "deck", "scene", "embed", "embed_options", "level")


@dataclass(frozen=True, slots=True)
class Asked:
    """What was asked for: an experiment, where to train it, the page's own view options, and what could not be used.

    ``link`` is every setting as a link writes it, those at their defaults too.
    """

    experiment: Experiment
    device: str
    options: dict[str, Any]
    notices: tuple[str, ...]
    link: dict[str, str]


def ask(
    lesson: str,
    default: Experiment,
    first: tuple[Control, ...],
    more: tuple[Control, ...],
    scene: Scene | None = None,
    *,
    trains: bool = True,
    many: bool = False,
) -> Asked:
    """Draw the controls where we are, and answer with the experiment they mean and with what could not be used.

    What another lesson was set to does not follow the visitor; a lesson that is returned to is as it was left, a
    scene that is returned to as its deck says. A lesson that ``trains`` nothing is not asked on which device, one
    that trains ``many`` takes the GPU unless it is told otherwise.
    """
    notices: list[str] = []
    if scene is None:
        _leave_the_other_lesson(lesson, (*first, *more))
    else:
        _set_the_scene(f"scene {lesson}", scene, default, (*first, *more), notices)
    shown = _shown((*first, *more), notices, scene)
    values: dict[str, Any] = {}
    for control in first:
        values[control.name] = _answer(control, default, notices, shown)
    if "seed" in shown:
        st.button("New seed", key="new_seed", on_click=_next_seed, width="stretch", help="Draws everything anew.")
    more_shown = shown >= {"more"} or shown & {control.name for control in more}
    with st.expander("More", expanded=level() == "expert") if more_shown else st.container():
        for control in more:
            values[control.name] = _answer(control, default, notices, shown)
        values["seed"] = _seed(default, notices, shown)
        device = _device(shown, many) if trains else "cpu"
        if "more" in shown:
            ask_level()
    fields = {name: value for name, value in values.items() if name in Experiment.__dataclass_fields__}
    if "d_in" in fields:
        fields["d_out"] = fields["d_in"]
    experiment, reconciled = nearest_possible(default, fields)
    if scene is None:
        _remember(lesson, values, default, (*first, *more))
    options = {name: value for name, value in values.items() if name not in fields}
    return Asked(experiment, device, options, (*notices, *reconciled), _link(values))


def _shown(controls: tuple[Control, ...], notices: list[str], scene: Scene | None) -> frozenset[str]:
    """Which controls does the link leave on the page? All, unless it lists some. What it says besides is said back."""
    names = {control.name for control in controls} | {"seed"}
    unknown = [name for name in st.query_params if name not in {*names, *BESIDE}]
    if unknown:
        first = unknown[0] if len(unknown[0]) <= 40 else unknown[0][:37] + "…"
        others = f" and {len(unknown) - 1} more" if len(unknown) > 1 else ""
        notices.append(f"{first}{others} in the link is no setting of this lesson: it is left out.")
        for name in unknown:
            del st.query_params[name]
    if scene is not None:
        return frozenset(names.intersection(scene.controls))
    if "controls" not in st.query_params:
        return frozenset(names | {"more"})
    asked = {name for name in st.query_params["controls"].split(",") if name}
    wrong = sorted(asked - names - {"none"})
    if wrong:
        allowed = ", ".join(sorted(names))
        notices.append(f"controls={wrong[0][:40]} is no control of this lesson: allowed are none, {allowed}.")
    return frozenset(asked & names)


def _answer(control: Control, default: Experiment, notices: list[str], shown: frozenset[str]) -> Any:
    """The widget's answer; of a control that the link hides, what the link or the lesson says."""
    if control.name in shown:
        return _widget(control, default, notices)
    initial = _initial(control, default)
    own = _from_the_link(control, initial, notices)
    return st.session_state.get(control.name, own[1] if own else initial)


def _link(values: dict[str, Any]) -> dict[str, str]:
    own = st.session_state.get("from_the_link", {})
    return {
        name: own[name][0] if name in own and own[name][1] == value else _text(value) for name, value in values.items()
    }


def _leave_the_other_lesson(lesson: str, controls: tuple[Control, ...]) -> None:
    memory: dict[str, dict[str, Any]] = st.session_state.setdefault("left_lessons", {})
    last = st.session_state.get("lesson")
    if last not in (None, lesson):
        for name in {*(control.name for control in controls), *BESIDE} - {"level"}:
            st.session_state.pop(name, None)
            st.query_params.pop(name, None)
        left = memory.get(lesson, {})
        st.session_state["from_the_link"] = left.get("from_the_link", {})
        for name, (value, text) in left.get("values", {}).items():
            st.session_state[name] = value
            if text is not None:
                st.query_params[name] = text
    st.session_state["lesson"] = lesson


def _set_the_scene(
    lesson: str, scene: Scene, default: Experiment, controls: tuple[Control, ...], notices: list[str]
) -> None:
    """A scene that was just opened begins at its own settings, whatever was on the screen before."""
    if st.session_state.get("lesson") == lesson:
        return
    settings = dict(scene.settings)
    own: dict[str, tuple[str, Any]] = {}
    for control in controls:
        initial = _initial(control, default)
        given = settings.pop(control.name, None)
        accepted = None if given is None else _accepted(control, initial, given, notices)
        if accepted is not None:
            own[control.name] = accepted
        st.session_state[control.name] = accepted[1] if accepted else initial
    seed = settings.pop("seed", str(default.seed))
    st.session_state["seed"] = int(seed) if seed.isascii() and seed.isdigit() else default.seed
    for name in settings:
        notices.append(f"{name} in the scene is no setting of this lesson: it is left out.")
    st.session_state["lesson"] = lesson
    st.session_state["from_the_link"] = own
    st.session_state.setdefault("left_lessons", {})


def _remember(lesson: str, values: dict[str, Any], default: Experiment, controls: tuple[Control, ...]) -> None:
    """Each value with its text for the URL, none where it is the default."""
    usual = {c.name: _initial(c, default) for c in controls} | {"seed": default.seed}
    own = st.session_state.get("from_the_link", {})
    texts = {
        name: None if value == usual[name] else own[name][0] if name in own and own[name][1] == value else _text(value)
        for name, value in values.items()
    }
    st.session_state["left_lessons"][lesson] = {
        "values": {name: (value, texts[name]) for name, value in values.items()},
        "from_the_link": own,
    }


def _initial(control: Control, default: Experiment) -> Any:
    return control.default if control.default is not None else getattr(default, control.name)


def _widget(control: Control, default: Experiment, notices: list[str]) -> Any:
    initial = _initial(control, default)
    own = _from_the_link(control, initial, notices)
    if control.name not in st.session_state:  # a link or scene may come while the widget of another one still stands
        st.session_state[control.name] = own[1] if own else initial
    if not control.options:
        return st.text_input(control.label, initial, key=control.name, help=control.help, bind="query-params")
    options = control.options if initial in control.options else tuple(sorted((*control.options, initial)))
    if own is not None and own[1] not in options:
        options = tuple(sorted((*options, own[1])))

    def text(value: Any) -> str:
        return own[0] if own is not None and value == own[1] else _text(value)

    shared: dict[str, Any] = {
        "format_func": text,
        "key": control.name,
        "help": control.help,
        "bind": "query-params",
    }
    if isinstance(initial, str) or len(options) <= 3:
        return st.pills(control.label, options, default=initial, required=True, wrap=True, **shared)
    return st.select_slider(control.label, options, value=initial, **shared)


def _from_the_link(control: Control, initial: Any, notices: list[str]) -> tuple[str, Any] | None:
    """What did the link ask for, in its own words? Looked at once, while the widget is new.

    A number between two marks gets a mark of its own for as long as the lesson is open. What is not possible is said,
    and the default shown: the widget then drops it from the URL, so that URL and picture agree.
    """
    own: dict[str, tuple[str, Any]] = st.session_state.setdefault("from_the_link", {})
    if control.name in st.session_state or control.name not in st.query_params:
        return own.get(control.name)
    accepted = _accepted(control, initial, st.query_params[control.name], notices)
    if accepted is not None:
        own[control.name] = accepted
    return own.get(control.name)


def _accepted(control: Control, initial: Any, given: str, notices: list[str]) -> tuple[str, Any] | None:
    """The text with its value, if this lesson can show it; else it is said why not."""
    if not control.options:
        return given, given
    pick = isinstance(initial, str) or len(control.options) <= 3
    try:
        value = parse_field(control.name, given) if control.is_field else type(control.options[0])(given)
        possible = value in control.options and given == _text(value) if pick else _between(control, value, given)
    except ValueError:  # an ExperimentError is one
        possible = False
    if possible:
        return given, value
    marks = control.options if pick else (control.options[0], control.options[-1])
    allowed = (", " if pick else " to ").join(map(_text, marks))
    said = f"{control.name}={given[:40]} is not possible in this lesson: allowed is {allowed}."
    notices.append(f"{said} Shown is {_text(initial)}.")
    return None


def _between(control: Control, value: Any, given: str) -> bool:
    return bool(control.options[0] <= value <= control.options[-1]) and len(given) <= 12


def _text(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _seed(default: Experiment, notices: list[str], shown: frozenset[str]) -> int:
    initial = default.seed
    if "seed" not in st.session_state and "seed" in st.query_params:
        text = st.query_params["seed"]
        if text.isascii() and text.isdigit() and int(text[:9]) <= SEED_MOST and len(text) <= 9:
            initial = int(text)
        else:
            notices.append(f"seed={text[:40]} is not possible: allowed is 0 to {SEED_MOST}. Shown is {default.seed}.")
    if "seed" not in shown:
        return int(st.session_state.get("seed", initial))
    value = st.number_input(
        "Seed",
        0,
        SEED_MOST,
        default.seed,
        key="seed",
        bind="query-params",
        help="Draws base weight, target, data and factors. The same seed gives the same picture everywhere.",
    )
    return int(value)


def _next_seed() -> None:
    st.session_state["seed"] = (int(st.session_state.get("seed", 0)) + 1) % (SEED_MOST + 1)


def _device(shown: frozenset[str], many: bool) -> str:
    here = available_devices()
    usual = here[-1] if many else here[0]
    if "more" not in shown:
        return usual
    if len(here) == 1:
        st.caption("Trained on the CPU, one thread a run.")
        return usual
    asked = st.segmented_control("Train on", here, default=usual, key="device", bind="query-params", required=True)
    return asked or usual
