"""The script that is served: page settings, the menu, and the page that was asked for."""

from pathlib import Path

import streamlit as st

from lora_viz.language import say
from lora_viz.ui.contents import PAGES
from lora_viz.ui.speaking import ask_language, find_language

_FOLDER = Path(__file__).parents[2] / "pages"
_HOME = next(iter(next(iter(PAGES.values()))))

st.set_page_config(page_title="LoRA Playground", layout="wide")
find_language()
page = st.navigation(
    {
        say(section): [
            st.Page(_FOLDER / f"{name}.py", title=say(title), default=name == _HOME) for name, title in pages.items()
        ]
        for section, pages in PAGES.items()
    },
    position="top",
)
ask_language()
page.run()
