"""The script that is served: page settings, the menu, and the page that was asked for."""

import streamlit as st

import lora_viz.ui.page  # noqa: F401  # how a lesson is shown
from lora_viz.i18n.language import say
from lora_viz.lessons.walk import home, sections
from lora_viz.ui.pages import page_of
from lora_viz.ui.presenting import take_up
from lora_viz.ui.visitor_language import ask_language, find_language

st.set_page_config(page_title="LoRA Playground", layout="wide")
find_language()


def home_by_name() -> None:
    """The page that opens has no name in its address: whoever types it gets there too, settings and all."""
    st.switch_page(served[home().id], query_params={name: st.query_params.get_all(name) for name in st.query_params})


served = {lesson.id: page_of(lesson.id) for _, own in sections().values() for lesson in own}
menu = {say(section.title): [served[lesson.id] for lesson in own] for section, own in sections().values() if own}
first = next(iter(menu.values()))
first.append(st.Page(home_by_name, title=first[0].title, url_path=home().id, visibility="hidden"))
page = st.navigation(menu, position="top")
ask_language()
take_up(next((name for name, own in served.items() if own is page), None))
page.run()
