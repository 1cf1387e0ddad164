"""The controls of a lesson as widgets, each under its id in the link; answers are checked, what cannot be is said."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import streamlit as st

from lora_viz.content.decks.scenes import Scene
from lora_viz.engine.training import available_devices
from lora_viz.i18n.language import say, to_say
from lora_viz.i18n.outside import isolated, on_screen
from lora_viz.lessons.catalogue import LEVEL
from lora_viz.lessons.controls import Choice, Control, File, Number, SettingError, Several, Switch, Text, Whole, written
from lora_viz.lessons.lesson import SEED, Lesson
from lora_viz.lessons.settings import Settings
from lora_viz.ui.address_bar import went_back, write_link
from lora_viz.ui.explaining import ask_level, level
from lora_viz.ui.state import of_visit
from lora_viz.ui.uploads import ask_files, files_given

__all__ = ["BESIDE", "Asked", "ask", "set_answers"]

# What a link may hold beside a lesson's own settings: which controls stay, the playhead, and Streamlit's own words.
BESIDE = ("device", "controls", "at", "deck", "scene", "embed", "embed_options", "level", "lang", "path")
DEVICES = {"cpu": to_say("CPU"), "cuda": to_say("GPU")}
LONG_LIST = 16  # answers that are more than this stand in a menu


@dataclass(frozen=True, slots=True)
class Asked:
    """What was asked for, what of it could not be used, and of each control its label and how a link writes it.

    ``differing`` is what a link must say: all that is not as the lesson opens.
    """

    settings: Settings
    notices: tuple[str, ...]
    link: dict[str, Any]
    labels: dict[str, str]
    differing: dict[str, Any]


@dataclass(slots=True)
class _Left:
    """How a lesson was left: its answers, and what the link had said for some of them in its own words."""

    answers: dict[str, Any] = field(default_factory=dict)
    own: dict[str, tuple[str, Any]] = field(default_factory=dict)


@dataclass(slots=True)
class _Answers:
    """What this visit has answered: on which lesson it is, and how others were left."""

    lesson: str | None = None
    own: dict[str, tuple[str, Any]] = field(default_factory=dict)
    left: dict[str, _Left] = field(default_factory=dict)
    widgets: set[str] = field(default_factory=set)
    usual: dict[str, Any] = field(default_factory=dict)  # the answer that each widget began with


def ask(lesson: Lesson[Any], scene: Scene | None = None, place: str = "") -> Asked:
    """Draw the controls where we are, and answer with the settings they mean and with what could not be used.

    What another lesson was set to does not follow the visitor; a lesson that is returned to is as it was left, a
    scene that is returned to as its deck says.
    """
    notices: list[str] = []
    if scene is None:
        _leave_the_other_lesson(lesson.id)
    else:
        _set_the_scene(f"scene {place}", scene, lesson, notices)
    answers: dict[str, Any] = {}
    every = []
    for control in lesson.walk(answers):  # a widget's answer is known before it is drawn
        answers[control.id] = _settled(control, lesson, notices)
        every.append(control)
    ids = [control.id for control in every]
    _drop_unknown(ids, notices)
    shown = _shown(ids, notices, scene)
    first, more = lesson.shown(answers)
    for control in first:
        if control.id in shown:
            _widget(control, lesson)
    if SEED.id in shown:
        draws = say("Draws everything anew.")
        st.button(say("New seed"), key="new_seed", on_click=_next_seed, width="stretch", help=on_screen(draws))
    device = _draw_more(lesson, more, shown)
    settings, reconciled = lesson.resolve(answers, device)
    if scene is None:
        _remember(lesson, every, answers)
    link = {control.id: _in_the_link(control, answers[control.id]) for control in every if control.in_link}
    labels = {control.id: control.label for control in every}
    usual = {control.id for control in every if answers[control.id] == control.usual(lesson.default)}
    differing = {name: value for name, value in link.items() if name not in usual}
    if scene is not None:
        _keep_for_leaving(lesson, answers)
    return Asked(settings, (*notices, *reconciled), link, labels, differing)


def set_answers(answers: Mapping[str, Any]) -> None:
    """Give some controls another answer, from the next run on."""
    st.session_state.update(answers)


def _draw_more(lesson: Lesson[Any], more: tuple[Control, ...], shown: frozenset[str]) -> str:
    """The further controls, folded; the answer is the device to train on."""
    asks = lesson.seeded or lesson.trains or bool(more)
    if not asks or not (shown >= {"more"} or shown & {control.id for control in more}):
        return _device(shown, lesson.many) if lesson.trains else "cpu"
    label = say(lesson.more_label or to_say("More"))
    with st.expander(on_screen(label), expanded=level() == "expert" and not lesson.more_label):
        for control in more:
            if control.id in shown:
                _widget(control, lesson)
        device = _device(shown, lesson.many) if lesson.trains else "cpu"
        if "more" in shown and not lesson.more_label:
            ask_level()
    return device


def _drop_unknown(ids: list[str], notices: list[str]) -> None:
    """What the link says besides is said back, and left out."""
    unknown = [name for name in st.query_params if name not in {*ids, *BESIDE}]
    if not unknown:
        return
    first = unknown[0] if len(unknown[0]) <= 40 else unknown[0][:37] + "…"
    notices.append(
        say("{name} and {count} more in the link are not settings of this lesson: they are left out.",
            name=first, count=len(unknown) - 1)
        if len(unknown) > 1
        else say("{name} in the link is not a setting of this lesson: it is left out.", name=first)
    )  # fmt: skip
    left = set(st.query_params).difference(unknown)
    st.query_params.from_dict({name: st.query_params.get_all(name) for name in left})  # each by itself would be told


def _shown(ids: list[str], notices: list[str], scene: Scene | None) -> frozenset[str]:
    """Which controls the scene or the link leaves on the page: all, unless it lists some."""
    if scene is not None:
        return frozenset(ids).intersection(scene.controls)
    if "controls" not in st.query_params:
        return frozenset({*ids, "more"})
    asked = {name for name in st.query_params["controls"].split(",") if name}
    wrong = sorted(asked - {*ids, "none"})
    if wrong:
        allowed = ", ".join(sorted(ids))
        notices.append(
            say("{given} is not a control of this lesson. Valid values: none, {allowed}.",
                given=f"controls={wrong[0][:40]}", allowed=allowed)
        )  # fmt: skip
    return frozenset(asked & {*ids})


def _settled(control: Control, lesson: Lesson[Any], notices: list[str]) -> Any:
    """The answer as it stands: the widget's, else the link's, else the usual one. Its widget begins with it."""
    if isinstance(control, File):
        return files_given(control)
    if control.id == LEVEL.id:
        return level()
    own, now = _from_the_link(control, lesson, notices), of_visit(_Answers)
    usual = control.usual(lesson.default)
    begun = now.usual.get(control.id, usual)
    now.usual[control.id] = usual
    if begun != usual and st.session_state.get(control.id) == begun:  # nobody chose it: another part's own answer
        st.session_state[control.id] = usual
    left = now.left.get(now.lesson or "", _Left())  # a control that was hidden comes back as it was
    for known in (st.session_state, left.answers):
        with suppress(SettingError):  # left over from before its options changed
            if control.id in known:
                value = known[control.id]
                value = value if own and value == own[1] else control.check(value)
                if known is left.answers:
                    st.session_state[control.id] = value
                return value
    st.session_state[control.id] = own[1] if own else control.usual(lesson.default)
    return st.session_state[control.id]


def _in_the_link(control: Control, value: Any) -> Any:
    """In the link's own words, if the value came from there."""
    own = of_visit(_Answers).own
    return own[control.id][0] if control.id in own and own[control.id][1] == value else control.link(value)


def _leave_the_other_lesson(lesson: str) -> None:
    """Who goes back in the browser's history finds what the link says, whoever returns by the menu what was left."""
    now = of_visit(_Answers)
    if now.lesson not in (None, lesson) or went_back():
        _forget(now)
        if went_back():
            now.left.pop(lesson, None)
        left = now.left.get(lesson, _Left())
        now.own = left.own
        now.widgets.update(left.answers)
        st.session_state.update(left.answers)
    now.lesson = lesson


def _forget(now: _Answers) -> None:
    for name in {*now.widgets, "device", "controls", "at"}:
        st.session_state.pop(name, None)
    now.widgets.clear()
    now.usual.clear()


def _set_the_scene(name: str, scene: Scene, lesson: Lesson[Any], notices: list[str]) -> None:
    """A scene that was just opened begins at its own settings, whatever was on the screen before."""
    now = of_visit(_Answers)
    if now.lesson == name:
        return
    _forget(now)
    settings = dict(scene.settings)
    now.lesson, now.own = name, {}
    answers: dict[str, Any] = {}
    for control in lesson.walk(answers):
        answers[control.id] = control.usual(lesson.default)
        given = settings.pop(control.id, None)
        if given is not None and (accepted := _accepted(control, lesson, given, notices)) is not None:
            now.own[control.id] = accepted
            answers[control.id] = accepted[1]
    st.session_state.update({name: value for name, value in answers.items() if name not in _files(lesson, answers)})
    for key in settings:
        notices.append(say("{name} in the scene is not a setting of this lesson: it is left out.", name=key))


def _keep_for_leaving(lesson: Lesson[Any], answers: dict[str, Any]) -> None:
    """Who leaves the deck finds the lesson as the scene has it now."""
    now, files = of_visit(_Answers), _files(lesson, answers)
    kept = {name: value for name, value in answers.items() if name not in files and name != LEVEL.id}
    now.left[lesson.id] = _Left(answers=kept, own=dict(now.own))


def _files(lesson: Lesson[Any], answers: Mapping[str, Any]) -> set[str]:
    return {control.id for control in lesson.walk(answers) if isinstance(control, File)}


def _remember(lesson: Lesson[Any], controls: Iterable[Control], answers: dict[str, Any]) -> None:
    """For whoever comes back, and in the link, which names only what is not the default."""
    now = of_visit(_Answers)
    left = now.left.setdefault(lesson.id, _Left())
    left.own = now.own
    for control in controls:
        if control.id == LEVEL.id:  # goes with the visitor from lesson to lesson
            continue
        now.widgets.add(control.id)
        if isinstance(control, File):
            continue
        left.answers[control.id] = answers[control.id]
        if control.in_link:
            usual = answers[control.id] == control.usual(lesson.default)
            write_link(control.id, None if usual else _in_the_link(control, answers[control.id]))


def _widget(control: Control, lesson: Lesson[Any]) -> None:
    label, usual, own = say(control.label), control.usual(lesson.default), of_visit(_Answers).own.get(control.id)
    shared: dict[str, Any] = {"key": control.id, "help": on_screen(say(control.help)) if control.help else None}
    match control:
        case Choice(id=LEVEL.id):
            ask_level()
        case Choice():
            value = st.session_state[control.id]
            options = control.options
            for extra in (usual, *((own[1],) if own else ()), value):
                options = options if extra in options else tuple(sorted((*options, extra)))
            text = {option: control.named(option, written(option)) for option in options}
            if own is not None and not control.named(own[1], ""):
                text[own[1]] = own[0]  # as the link wrote it

            def named(option: Any) -> str:
                return text.get(option, written(option))

            if not control.picks:
                st.select_slider(on_screen(label), options, value=usual, format_func=named, **shared)
            elif len(options) > LONG_LIST:
                st.selectbox(on_screen(label), options, index=options.index(usual), format_func=named, **shared)
            else:
                st.pills(on_screen(label), options, default=usual, required=True, wrap=True,
                         format_func=lambda option: _label(named(option)), **shared)  # fmt: skip
        case Several():
            st.pills(on_screen(label), control.options, selection_mode="multi", default=usual, wrap=True,
                     format_func=lambda option: _label(control.named(option, option)), **shared)  # fmt: skip
        case Switch():
            st.toggle(on_screen(label), usual, **shared)
        case Text(tall=None):
            st.text_input(
                on_screen(label), usual, max_chars=control.longest, placeholder=say(control.placeholder), **shared
            )
        case Text():
            st.text_area(on_screen(label), usual, max_chars=control.longest, height=control.tall,
                         placeholder=say(control.placeholder), **shared)  # fmt: skip
        case Number():
            hint = say(control.placeholder) if control.placeholder else None
            st.number_input(
                on_screen(label), control.low, control.high, usual, format=control.form, placeholder=hint, **shared
            )
        case Whole():
            st.number_input(on_screen(label), control.low, control.high, usual, **shared)
        case File():
            ask_files(control)


def _label(name: str) -> str:
    """What stands on the screen for an answer, be it one of ours or a name out of the visitor's file."""
    return on_screen(isolated(name))


def _from_the_link(control: Control, lesson: Lesson[Any], notices: list[str]) -> tuple[Any, Any] | None:
    """What the link asked for, in its own words, and the value. Looked at once, while the widget is new.

    A number between two marks gets a mark of its own for as long as the lesson is open. What is not possible is said,
    and the default shown: the link then drops it, so that link and picture agree.
    """
    own = of_visit(_Answers).own
    if control.id in st.session_state or control.id not in st.query_params or not control.in_link:
        return own.get(control.id)
    given = st.query_params.get_all(control.id) if isinstance(control, Several) else st.query_params[control.id]
    accepted = _accepted(control, lesson, given, notices)
    if accepted is not None:
        own[control.id] = accepted
    return own.get(control.id)


def _accepted(control: Control, lesson: Lesson[Any], given: Any, notices: list[str]) -> tuple[Any, Any] | None:
    """The text with its value, if this lesson can show it; else it is said why not."""
    try:
        return given, control.parse(given)
    except SettingError as error:
        rest = control.possible(given) if isinstance(control, Several) else ()
        shown = control.link(rest or control.usual(lesson.default))
        listed = shown if isinstance(shown, str) else ", ".join(shown)
        notices.append(say("{error} Showing {shown} instead.", error=error, shown=listed))
        return (shown, rest) if rest else None


def _next_seed() -> None:
    st.session_state[SEED.id] = (int(st.session_state.get(SEED.id, 0)) + 1) % (SEED.high + 1)


def _device(shown: frozenset[str], many: bool) -> str:
    here = available_devices()
    usual = here[-1] if many else here[0]
    if "more" not in shown:
        return usual
    if len(here) == 1:
        write_link("device", None)
        st.caption(say("Trained on the CPU, one thread a run."))
        return usual
    if "device" not in st.session_state:
        given = st.query_params.get("device")
        st.session_state["device"] = given if given in here else usual
    asked = st.segmented_control(
        say("Train on"),
        here,
        default=usual,
        key="device",
        required=True,
        format_func=lambda name: on_screen(say(DEVICES[name])),
    )
    write_link("device", None if asked == usual else asked)
    return asked or usual
