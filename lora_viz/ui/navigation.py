"""The script that is served: page settings, the menu, and the page that was asked for."""

from functools import partial

import streamlit as st

import lora_viz.ui.page  # noqa: F401  # how a lesson is shown
from lora_viz.i18n.language import say
from lora_viz.lessons.joined import PART
from lora_viz.lessons.walk import home, lesson, moved, sections
from lora_viz.ui.events import timed_page
from lora_viz.ui.finder import show_finder
from lora_viz.ui.pages import page_of
from lora_viz.ui.presenting import take_up
from lora_viz.ui.visitor_language import ask_language, find_language

st.set_page_config(page_title="LoRA Playground", layout="wide")
find_language()


def asked() -> dict[str, list[str]]:
    """What the link asks for."""
    return {name: st.query_params.get_all(name) for name in st.query_params}


def home_by_name() -> None:
    """The page that opens has no name in its address: whoever types it gets there too, settings and all."""
    st.switch_page(served[home().id], query_params=asked())


def moved_to(gone: str) -> None:
    """A lesson that is a part of another by now is found under its old address, settings and all."""
    door, part = moved()[gone]
    st.switch_page(served[door.id], query_params={**asked(), PART: [part.id]})


def of_the_machine() -> bool:
    """Whether the link is one of those that opened the machine when it stood at "/": it holds a setting of it."""
    known = {control.id for control in lesson("machine").walk({})} | {"at", "controls", "deck"}
    return bool(known.intersection(st.query_params))


served = {lesson.id: page_of(lesson.id) for _, own in sections().values() for lesson in own}
menu = {say(section.title): [served[lesson.id] for lesson in own] for section, own in sections().values() if own}
first = next(iter(menu.values()))
first.append(st.Page(home_by_name, title=first[0].title, url_path=home().id, visibility="hidden"))
for gone, (door, _) in moved().items():
    first.append(st.Page(partial(moved_to, gone), title=say(door.menu), url_path=gone, visibility="hidden"))
page = st.navigation(menu, position="top")
here = next((name for name, own in served.items() if own is page), None)
if here == home().id and of_the_machine():
    st.switch_page(served["machine"], query_params=asked())
ask_language()
take_up(here)
with timed_page(here or "another"):
    if here is not None:
        show_finder(here)
    page.run()
