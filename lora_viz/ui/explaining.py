"""Explanations: the visitor's level, and the terms of a text, explained on hover and focus."""

from __future__ import annotations

import json
from dataclasses import dataclass, field

import streamlit as st

from lora_viz.content.glossary import Term, mark
from lora_viz.i18n.language import say
from lora_viz.lessons.catalogue import LEVEL
from lora_viz.ui.contents import linked
from lora_viz.ui.linking import hold
from lora_viz.ui.state import kept

__all__ = ["ask_level", "explained", "level", "start_explaining"]

# A box at the top of the window, over the menu, is never cut off by what the word stands in and hides no number.
_STYLE = """
a[href^="glossary"][href*="#"] { color: inherit !important; text-decoration: underline dotted !important;
  text-underline-offset: 0.2em; cursor: help; }
a[href^="glossary"][href*="#"]:is(:hover, :focus)::after { position: fixed; z-index: 1000000; left: 50%; top: 0.5rem;
  transform: translateX(-50%); width: max-content; max-width: min(46rem, 92vw); padding: 0.6rem 0.9rem;
  border-radius: 0.4rem; background: #14181f; color: #f2f4f8; font-size: 1rem; font-weight: 400; line-height: 1.4;
  box-shadow: 0 2px 12px #0006; pointer-events: none; }
"""


@dataclass(slots=True)
class _Explained:
    """For whom this visit explains, and which terms this page has explained."""

    level: str | None = None
    terms: set[str] = field(default_factory=set)


def level() -> str:
    """The level that the link or the visitor has chosen; it goes with the visitor from page to page."""
    given = st.session_state.get(LEVEL.id) or st.query_params.get(LEVEL.id) or kept(_Explained).level
    return str(given if given in LEVEL.options else LEVEL.default)


def ask_level() -> str:
    """The choice itself, which the link holds."""
    given, usual = st.query_params.get(LEVEL.id), LEVEL.default
    if LEVEL.id not in st.session_state:
        if given is not None and given not in LEVEL.options:
            st.warning(
                say(
                    "{given} is not possible here: allowed is one of {allowed}. Shown is {shown}.",
                    given=f"level={given[:40]}",
                    allowed=", ".join(LEVEL.options),
                    shown=usual,
                ),
                icon=":material/warning:",
            )
        st.session_state[LEVEL.id] = level()
    chosen = st.pills(
        say(LEVEL.label), LEVEL.options, default=usual, key=LEVEL.id, required=True, wrap=True, help=say(LEVEL.help),
        format_func=lambda name: LEVEL.named(name, name),
    )  # fmt: skip
    kept(_Explained).level = chosen
    hold(LEVEL.id, None if chosen == usual else chosen)
    return str(chosen)


def start_explaining() -> None:
    """A new page: nothing is explained yet."""
    kept(_Explained).terms.clear()


def explained(text: str) -> str:
    """The markdown text with those terms marked that this page has not marked before."""
    seen = kept(_Explained).terms
    marked, terms = mark(text, level(), seen)
    if terms:
        st.html(f"<style>{_STYLE if not seen else ''}{''.join(map(_rule, terms))}</style>")
        seen.update(term.key for term in terms)
    return linked(marked)


def _rule(term: Term) -> str:
    says = json.dumps(f"{term.name}: {term.says}", ensure_ascii=False)
    return f'a[href^="glossary"][href$="#{term.key}"]:is(:hover, :focus)::after {{ content: {says}; }}\n'
