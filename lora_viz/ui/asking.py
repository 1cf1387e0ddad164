"""What does the visitor ask for? Widgets, each under its field's own name in the link; answers checked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import streamlit as st

from lora_viz.core.experiment import Experiment, nearest_possible, parse_field
from lora_viz.decks.scenes import Scene
from lora_viz.engine.training import available_devices
from lora_viz.i18n.language import say, to_say
from lora_viz.ui.controls import Control
from lora_viz.ui.explaining import ask_level, level
from lora_viz.ui.linking import hold, possible, take, went_back, written

__all__ = ["BESIDE", "Asked", "ask"]

SEED_MOST = 9999
# What a link may hold beside a lesson's own settings: which controls stay, the playhead, and Streamlit's own words.
BESIDE = ("seed", "device", "controls", "at", "deck", "scene", "embed", "embed_options", "level", "lang")
SEED = to_say("Seed")
DEVICES = {"cpu": to_say("CPU"), "cuda": to_say("GPU")}


@dataclass(frozen=True, slots=True)
class Asked:
    """What was asked for: an experiment, where to train it, the page's own view options, and what could not be used.

    ``link`` is every setting as a link writes it, those at their defaults too; ``labels`` says what asks for each.
    """

    experiment: Experiment
    device: str
    options: dict[str, Any]
    notices: tuple[str, ...]
    link: dict[str, str]
    labels: dict[str, str]


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
        draws = say("Draws everything anew.")
        st.button(say("New seed"), key="new_seed", on_click=_next_seed, width="stretch", help=draws)
    more_shown = shown >= {"more"} or shown & {control.name for control in more}
    with st.expander(say("More"), expanded=level() == "expert") if more_shown else st.container():
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
    labels = {control.name: control.label for control in (*first, *more)} | {"seed": SEED}
    return Asked(experiment, device, options, (*notices, *reconciled), _link(values), labels)


def _shown(controls: tuple[Control, ...], notices: list[str], scene: Scene | None) -> frozenset[str]:
    """Which controls does the link leave on the page? All, unless it lists some. What it says besides is said back."""
    names = {control.name for control in controls} | {"seed"}
    unknown = [name for name in st.query_params if name not in {*names, *BESIDE}]
    if unknown:
        first = unknown[0] if len(unknown[0]) <= 40 else unknown[0][:37] + "…"
        notices.append(
            say("{name} and {count} more in the link is no setting of this lesson: it is left out.",
                name=first, count=len(unknown) - 1)
            if len(unknown) > 1
            else say("{name} in the link is no setting of this lesson: it is left out.", name=first)
        )  # fmt: skip
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
        notices.append(
            say("{given} is no control of this lesson: allowed are none, {allowed}.",
                given=f"controls={wrong[0][:40]}", allowed=allowed)
        )  # fmt: skip
    return frozenset(asked & names)


def _answer(control: Control, default: Experiment, notices: list[str], shown: frozenset[str]) -> Any:
    """The widget's answer; of a control that the link hides, what the link or the lesson says."""
    if control.name in shown:
        return _widget(control, default, notices)
    initial = _initial(control, default)
    own = _from_the_link(control, initial, notices)
    return st.session_state.get(control.name, own[1] if own else initial)


def _link(values: dict[str, Any]) -> dict[str, str]:
    return {name: _in_the_link(name, value) for name, value in values.items()}


def _in_the_link(name: str, value: Any) -> str:
    """In the link's own words, if the value came from there."""
    own = st.session_state.get("from_the_link", {})
    return str(own[name][0]) if name in own and own[name][1] == value else written(value)


def _leave_the_other_lesson(lesson: str, controls: tuple[Control, ...]) -> None:
    """Who goes back in the browser's history finds what the link says, whoever returns by the menu what was left."""
    memory: dict[str, dict[str, Any]] = st.session_state.setdefault("left_lessons", {})
    last = st.session_state.get("lesson")
    other = last not in (None, lesson)
    if other or went_back():
        for name in {*(control.name for control in controls), *BESIDE} - {"level", "lang"}:
            st.session_state.pop(name, None)
        left = {} if went_back() else memory.get(lesson, {})
        st.session_state["from_the_link"] = left.get("from_the_link", {})
        st.session_state.update(left.get("values", {}))
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
        notices.append(say("{name} in the scene is no setting of this lesson: it is left out.", name=name))
    st.session_state["lesson"] = lesson
    st.session_state["from_the_link"] = own
    st.session_state.setdefault("left_lessons", {})


def _remember(lesson: str, values: dict[str, Any], default: Experiment, controls: tuple[Control, ...]) -> None:
    """For whoever comes back, and in the link, which names only what is not the default."""
    usual = {c.name: _initial(c, default) for c in controls} | {"seed": default.seed}
    for name, value in values.items():
        hold(name, None if value == usual[name] else _in_the_link(name, value))
    own = st.session_state.get("from_the_link", {})
    st.session_state["left_lessons"][lesson] = {"values": dict(values), "from_the_link": own}


def _initial(control: Control, default: Experiment) -> Any:
    return control.default if control.default is not None else getattr(default, control.name)


def _widget(control: Control, default: Experiment, notices: list[str]) -> Any:
    initial = _initial(control, default)
    own = _from_the_link(control, initial, notices)
    if control.name not in st.session_state:  # a link or scene may come while the widget of another one still stands
        st.session_state[control.name] = own[1] if own else initial
    shared: dict[str, Any] = {"key": control.name, "help": say(control.help)}
    if not control.options:
        return st.text_input(say(control.label), initial, **shared)
    options = control.options if initial in control.options else tuple(sorted((*control.options, initial)))
    if own is not None and own[1] not in options:
        options = tuple(sorted((*options, own[1])))

    def text(value: Any) -> str:
        return control.named(value, own[0] if own is not None and value == own[1] else written(value))

    shared["format_func"] = text
    if isinstance(initial, str) or len(options) <= 3:
        return st.pills(say(control.label), options, default=initial, required=True, wrap=True, **shared)
    return st.select_slider(say(control.label), options, value=initial, **shared)


def _from_the_link(control: Control, initial: Any, notices: list[str]) -> tuple[str, Any] | None:
    """What did the link ask for, in its own words? Looked at once, while the widget is new.

    A number between two marks gets a mark of its own for as long as the lesson is open. What is not possible is said,
    and the default shown: the link then drops it, so that link and picture agree.
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
        possible = value in control.options and given == written(value) if pick else _between(control, value, given)
    except ValueError:  # an ExperimentError is one
        possible = False
    if possible:
        return given, value
    values = {"given": f"{control.name}={given[:40]}", "shown": written(initial)}
    if pick:
        listed = ", ".join(map(written, control.options))
        notices.append(
            say("{given} is not possible in this lesson: allowed is {allowed}. Shown is {shown}.",
                allowed=listed, **values)
        )  # fmt: skip
    else:
        low, high = written(control.options[0]), written(control.options[-1])
        notices.append(
            say("{given} is not possible in this lesson: allowed is {low} to {high}. Shown is {shown}.",
                low=low, high=high, **values)
        )  # fmt: skip
    return None


def _between(control: Control, value: Any, given: str) -> bool:
    return bool(control.options[0] <= value <= control.options[-1]) and len(given) <= 12


def _seed(default: Experiment, notices: list[str], shown: frozenset[str]) -> int:
    initial = default.seed
    if "seed" not in st.session_state and "seed" in st.query_params:
        text = st.query_params["seed"]
        if text.isascii() and text.isdigit() and int(text[:9]) <= SEED_MOST and len(text) <= 9:
            initial = int(text)
        else:
            notices.append(
                say("{given} is not possible: allowed is 0 to {most}. Shown is {shown}.",
                    given=f"seed={text[:40]}", most=SEED_MOST, shown=default.seed)
            )  # fmt: skip
    if "seed" not in shown:
        return int(st.session_state.get("seed", initial))
    if "seed" not in st.session_state:
        st.session_state["seed"] = initial
    told = say("Draws base weight, target, data and factors. The same seed gives the same picture everywhere.")
    return int(st.number_input(say(SEED), 0, SEED_MOST, default.seed, key="seed", help=told))


def _next_seed() -> None:
    st.session_state["seed"] = (int(st.session_state.get("seed", 0)) + 1) % (SEED_MOST + 1)


def _device(shown: frozenset[str], many: bool) -> str:
    here = available_devices()
    usual = here[-1] if many else here[0]
    if "more" not in shown:
        return usual
    if len(here) == 1:
        hold("device", None)
        st.caption(say("Trained on the CPU, one thread a run."))
        return usual
    take("device", possible(here), usual)
    asked = st.segmented_control(
        say("Train on"), here, default=usual, key="device", required=True, format_func=lambda name: say(DEVICES[name])
    )
    hold("device", None if asked == usual else asked)
    return asked or usual
