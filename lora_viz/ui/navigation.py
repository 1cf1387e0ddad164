"""The script that is served: page settings, the menu, and the page that was asked for."""

from pathlib import Path

import streamlit as st

from lora_viz.i18n.language import say
from lora_viz.ui.contents import PAGES
from lora_viz.ui.presenting import take_up
from lora_viz.ui.speaking import ask_language, find_language

_FOLDER = Path(__file__).parents[2] / "pages"
_HOME = next(iter(next(iter(PAGES.values()))))

st.set_page_config(page_title="LoRA Playground", layout="wide")
find_language()


def of_menu(name: str, title: str) -> st.Page:
    """The page that opens stands at "/" whatever it is called: it leaves its name to ``home_by_name``."""
    file, home = _FOLDER / f"{name}.py", name == _HOME
    return st.Page(file, title=say(title), url_path="home" if home else None, default=home)


def home_by_name() -> None:
    """The page that opens has no name in its address: whoever types it gets there too, settings and all."""
    st.switch_page(first[0], query_params={name: st.query_params.get_all(name) for name in st.query_params})


served = {name: of_menu(name, title) for pages in PAGES.values() for name, title in pages.items()}
sections = {say(section): [served[name] for name in pages] for section, pages in PAGES.items()}
first = next(iter(sections.values()))
first.append(st.Page(home_by_name, title=first[0].title, url_path=_HOME, visibility="hidden"))
page = st.navigation(sections, position="top")
ask_language()
take_up(next((name for name, own in served.items() if own is page), None))
page.run()
