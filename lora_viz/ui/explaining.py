"""Explanations: the visitor's level, and the terms of a text, explained on hover and focus."""

from __future__ import annotations

import json
from dataclasses import dataclass, field

import streamlit as st

from lora_viz.content.glossary import Term, mark
from lora_viz.i18n.language import say
from lora_viz.i18n.outside import on_screen
from lora_viz.lessons.catalogue import LEVEL
from lora_viz.ui.address_bar import write_link
from lora_viz.ui.contents import linked
from lora_viz.ui.state import of_visit
from lora_viz.ui.styles import style

__all__ = ["ask_level", "choose_level", "explained", "level", "start_explaining"]


@dataclass(slots=True)
class _Explained:
    """For whom this visit explains, and which terms this page has explained."""

    level: str | None = None
    terms: set[str] = field(default_factory=set)


def level() -> str:
    """The level that the link or the visitor has chosen; it goes with the visitor from page to page."""
    given = st.session_state.get(LEVEL.id) or st.query_params.get(LEVEL.id) or of_visit(_Explained).level
    return str(given if given in LEVEL.options else LEVEL.default)


def choose_level(chosen: str) -> None:
    """Explain for this level from the next run on."""
    of_visit(_Explained).level = chosen
    if LEVEL.id in st.session_state:
        st.session_state[LEVEL.id] = chosen
    write_link(LEVEL.id, None if chosen == LEVEL.default else chosen)


def ask_level() -> str:
    """The choice itself, which the link holds."""
    given, usual = st.query_params.get(LEVEL.id), LEVEL.default
    if LEVEL.id not in st.session_state:
        if given is not None and given not in LEVEL.options:
            st.warning(
                on_screen(
                    say(
                        "{given} is not possible here. Valid values: one of {allowed}. Showing {shown} instead.",
                        given=f"level={given[:40]}",
                        allowed=", ".join(LEVEL.options),
                        shown=usual,
                    )
                ),
                icon=":material/warning:",
            )
        st.session_state[LEVEL.id] = level()
    chosen = st.pills(
        on_screen(say(LEVEL.label)), LEVEL.options, default=usual, key=LEVEL.id, required=True, wrap=True,
        help=on_screen(say(LEVEL.help)),
        format_func=lambda name: on_screen(LEVEL.named(name, name)),
    )  # fmt: skip
    of_visit(_Explained).level = chosen
    write_link(LEVEL.id, None if chosen == usual else chosen)
    return str(chosen)


def start_explaining() -> None:
    """A new page: nothing is explained yet."""
    of_visit(_Explained).terms.clear()


def explained(text: str) -> str:
    """The markdown text with those terms marked that this page has not marked before."""
    seen = of_visit(_Explained).terms
    marked, terms = mark(text, level(), seen)
    if terms:
        rules = "".join(map(_rule, terms))
        st.html(f"{style('explained') if not seen else ''}<style>{rules}</style>")
        seen.update(term.key for term in terms)
    return linked(marked)


def _rule(term: Term) -> str:
    says = json.dumps(f"{term.name}: {term.says}", ensure_ascii=False)
    return f'a[href^="glossary"][href$="#{term.key}"]:is(:hover, :focus)::after {{ content: {says}; }}\n'
