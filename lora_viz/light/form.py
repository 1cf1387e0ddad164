"""A lesson's controls as a form that needs no script: the same names and values as in the app's links."""

from __future__ import annotations

from html import escape
from typing import Any

from lora_viz.i18n.language import language, say
from lora_viz.i18n.outside import plain
from lora_viz.lessons.controls import Choice, Control, File, Number, Several, Switch, Text, Whole, written
from lora_viz.lessons.lesson import Lesson
from lora_viz.lessons.settings import Settings

__all__ = ["first_options", "form"]


def form(lesson: Lesson[Any], settings: Settings) -> str:
    """The form; what a file is asked for only the app can take."""
    answers: dict[str, Any] = {}
    for control in lesson.walk(answers):
        answers[control.id] = settings[control.id]
    first, more = lesson.shown(answers)
    shown = "".join(_field(control, settings[control.id]) for control in first)
    folded = "".join(_field(control, settings[control.id]) for control in more)
    if folded:
        label = escape(say(lesson.more_label or "More"))
        folded = f"<details><summary>{label}</summary><div>{folded}</div></details>"
    if not shown + folded:
        return ""
    spoken = f'<input type="hidden" name="lang" value="{language()}">'
    return f'<form method="get">{spoken}{shown}{folded}<button class="main">{escape(say("Show"))}</button></form>'


def _field(control: Control, value: Any) -> str:
    label, name = escape(plain(say(control.label))), escape(control.id)
    match control:
        case File():
            return ""
        case Switch():
            return _select(name, label, [("true", say("yes"), value), ("false", say("no"), not value)])
        case Choice():
            options = list(control.options)
            if value not in options:  # a link may ask for any number between two marks
                options = sorted([*options, value])
            return _select(name, label, [(written(o), control.named(o, written(o)), o == value) for o in options])
        case Several():
            boxes = "".join(
                f'<label><input type="checkbox" name="{name}" value="{escape(o)}"{" checked" if o in value else ""}>'
                f"{escape(control.named(o, o))}</label>"
                for o in control.options
            )
            none = f'<input type="hidden" name="{name}" value="">'  # no box ticked means none
            return f"<fieldset><legend>{label}</legend>{none}{boxes}</fieldset>"
        case Whole(low=low, high=high):
            bounds = f'type="number" min="{low}" max="{high}" step="1"'
        case Number(low=low, high=high):
            bounds = f'type="number" min="{low:g}" max="{high:g}" step="any"'
        case Text(tall=tall) if tall:
            return f'<label>{label}<textarea name="{name}" rows="6">{escape(str(value))}</textarea></label>'
        case _:
            bounds = f'type="text" maxlength="{getattr(control, "longest", None) or 400}"'
    given = "" if value is None else escape(written(value))
    return f'<label>{label}<input {bounds} name="{name}" value="{given}"></label>'


def _select(name: str, label: str, options: list[tuple[str, str, bool]]) -> str:
    shown = "".join(
        f'<option value="{escape(value)}"{" selected" if chosen else ""}>{escape(plain(text))}</option>'
        for value, text, chosen in options
    )
    return f'<label>{label}<select name="{name}">{shown}</select></label>'


def first_options(lesson: Lesson[Any]) -> tuple[Control, tuple[Any, ...]] | None:
    """The lesson's first control that has answers to choose from, and all of them; None: it has none such."""
    answers: dict[str, Any] = {}
    for control in lesson.walk(answers):
        answers[control.id] = control.usual(lesson.default)
    for control in lesson.shown(answers)[0]:
        if isinstance(control, Switch):
            return control, (False, True)
        if isinstance(control, Choice):
            return control, control.options
    return None
