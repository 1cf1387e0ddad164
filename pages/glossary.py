"""Reference: what does each word mean, and where is it seen?"""

import streamlit as st

from lora_viz.content.glossary import LEVELS, TERMS, by_letters
from lora_viz.i18n.language import say
from lora_viz.ui.choices import type_text
from lora_viz.ui.contents import link_to
from lora_viz.ui.explaining import ask_level
from lora_viz.ui.page import open_worked

STYLE = """<style>
[data-testid="stMainBlockContainer"] h2 { font-size: 1.15rem; padding: 0 0 0.6rem; }
</style>"""

left, right = open_worked(
    say("Glossary: what does a word mean?"),
    say(
        "Each word in a sentence, and the page where it is measured. On every page the words of your level are "
        "underlined: hover or focus explains them. The level changes words, never numbers."
    ),
)
with left:
    level = ask_level()
    sought = type_text(say("Find"), key="find", most=40).strip().lower()
wanted = LEVELS[LEVELS.index(level) :]
terms = sorted((term.said() for term in TERMS), key=lambda term: by_letters(term.name))
shown = [term for term in terms if sought in " ".join((term.name, term.says, *term.forms())).lower()]
with right:
    st.html(STYLE)
    if not shown:
        st.warning(
            say("“{sought}” is not in the glossary: it has {words} words.", sought=sought, words=len(TERMS)),
            icon=":material/warning:",
        )
    columns = st.columns(2, gap="large")
    for place, column in enumerate(columns):
        half = (len(shown) + 1) // 2
        with column:
            for term in shown[place * half : (place + 1) * half]:
                st.header(term.name, anchor=term.key)
                st.markdown(f"{term.says} {link_to(term.page)}")
    marked = sum(term.level in wanted for term in TERMS)
    st.markdown(
        say(
            "**What you saw.** {words} words, {marked} of them underlined on the pages.",
            words=len(TERMS),
            marked=marked,
        )
    )
