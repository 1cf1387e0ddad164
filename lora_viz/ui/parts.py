"""The parts of a lesson on the screen: texts, tables, figures and files, as Streamlit shows them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from zlib import crc32

import streamlit as st

from lora_viz.export.taken_along import file_name
from lora_viz.i18n.outside import on_screen
from lora_viz.lessons.parts import (
    Act,
    Ask,
    Boxed,
    Code,
    Columns,
    Doors,
    Download,
    Figure,
    Folded,
    Goals,
    Heading,
    Html,
    Moving,
    Notice,
    Numbers,
    Part,
    Paths,
    Present,
    Prose,
    Row,
    Scores,
    Table,
)  # fmt: skip
from lora_viz.ui.asking import set_answers
from lora_viz.ui.contents import linked
from lora_viz.ui.figures import csv_button, json_button, show_figure, shown_theme
from lora_viz.ui.finder import show_door, show_paths
from lora_viz.ui.pages import go_to
from lora_viz.ui.player import play
from lora_viz.ui.presenting import begin
from lora_viz.ui.questions import ask_choices, show_goals, show_lessons_answered

__all__ = ["draw"]


def draw(parts: Iterable[Part], present: dict[str, Any] | None = None) -> None:
    """Show these parts, one below the other, where we are; a film as ``player.play`` takes ``present``."""
    for part in parts:
        _draw(part, present)


def _draw(part: Part, present: dict[str, Any] | None) -> None:
    match part:
        case Prose(text, small):
            (st.caption if small else st.markdown)(on_screen(linked(text)))
        case Heading(text, anchor):
            st.header(on_screen(text), anchor=anchor or False)
        case Html(drawn):
            st.html(linked(drawn(shown_theme())))
        case Figure(id, drawn, alt):
            show_figure(drawn, name=id, alt=alt)
        case Table(columns, alt, height):
            st.dataframe(dict(columns), hide_index=True, alt=alt or None, height=height or "auto")
        case Numbers(id, columns, as_csv, as_json):
            with st.container(horizontal=True, width="content"):
                csv_button(as_csv, columns, name=id)
                json_button(as_json, columns, name=id)
        case Code(text, language, caption):
            if caption:
                st.caption(on_screen(caption))
            st.code(text, language=language, wrap_lines=True)
        case Download(id, label, make, file, mime):
            st.download_button(on_screen(label), make, file_name(file), mime, on_click="ignore", key=id)
        case Notice(text, kind, icon):
            shown = {"info": st.info, "warning": st.warning, "success": st.success, "error": st.error}[kind]
            shown(on_screen(linked(text)), icon=icon or None)
        case Boxed(parts):
            with st.container(border=True):
                draw(parts, present)
        case Row(parts):
            with st.container(horizontal=True):
                draw(parts, present)
        case Ask(id, asked, see):
            ask_choices(id, asked, see)
        case Act(id, label, answers, to):
            if st.button(on_screen(label), key=id, on_click=set_answers, args=(answers,)) and to:
                go_to(to)
        case Doors(doors, across):
            with st.container(horizontal=across, gap="small", key=f"doors_{crc32(repr(doors).encode())}"):
                for door in doors:
                    show_door(door.label, door.place, door.why)
        case Moving(id, film):
            play(film, key=id, present=present)
        case Paths(opened):
            show_paths(opened)
        case Goals(goals, chosen, holds):
            show_goals(goals, chosen, holds)
        case Present(id, label, deck):
            if st.button(on_screen(label), key=f"start_{id}", type="primary"):
                begin(id, deck)
        case Scores():
            show_lessons_answered()
        case Folded(label, inner):
            with st.expander(on_screen(label)):
                draw(inner, present)
        case Columns(side, gap, widths):
            for place, own in zip(st.columns(widths or len(side), gap=gap), side, strict=True):
                with place:
                    draw(own)  # a stage needs the whole width
