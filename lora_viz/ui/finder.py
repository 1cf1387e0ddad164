"""The way on every page: search, the level, where this page stands, ticks; and links within this visit."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import streamlit as st

from lora_viz.content.ways import PATHS, Stop
from lora_viz.film.player import bundle, said_in_script
from lora_viz.finding.index import index_json
from lora_viz.finding.place import path_of, related, standing
from lora_viz.i18n.language import say, to_say
from lora_viz.i18n.outside import on_screen
from lora_viz.lessons.catalogue import LEVEL
from lora_viz.lessons.joined import PART
from lora_viz.lessons.walk import lesson, now_at
from lora_viz.ui.contents import address
from lora_viz.ui.explaining import choose_level, level
from lora_viz.ui.pages import go_to, page_of
from lora_viz.ui.scripts import script
from lora_viz.ui.state import of_visit
from lora_viz.ui.visitor_language import language_of_links

__all__ = ["WORDS", "show_door", "show_finder", "show_paths", "show_related"]

_FOLDER = Path(__file__).parents[1] / "finding"
_SCRIPT = bundle("finder.js", _FOLDER)
WORDS = said_in_script(_SCRIPT)
_KINDS = {
    "question": to_say("question"),
    "lesson": to_say("lesson"),
    "word": to_say("word"),
    "setting": to_say("setting"),
    "paper": to_say("paper"),
}
_HTML = (
    '<div class="finder"><div class="head"></div><nav class="way"></nav><div class="paths"></div>'
    '<div class="sheet"></div></div>'
)
_finder = st.components.v2.component(
    "lora_finder", html=_HTML, css=(_FOLDER / "finder.css").read_text(encoding="utf-8"), js=script("finder", _SCRIPT)
)


@dataclass(slots=True)
class _Finding:
    """Whether this visit has opened the search, so that its index has been sent; and the path that is walked."""

    wanted: bool = False
    path: str | None = None


def show_finder(name: str) -> None:
    """Search, level and path on the page of this lesson; nothing on a projector and in somebody else's page."""
    if "deck" in st.query_params or st.context.is_embedded:
        return
    asked, state = st.query_params.get("path"), of_visit(_Finding)
    if asked in {path.id for path in PATHS}:
        state.path = asked
    _shown(name, st.query_params.get(PART, ""))


@st.fragment
def _shown(name: str, part: str) -> None:
    """A fragment: what is asked here redraws nothing else."""
    state = of_visit(_Finding)
    at = standing(name, part, state.path, level())
    here = {
        "lesson": name,
        "section": say(at.section),
        "menu": say(lesson(name).menu),
        "name": say(at.path.name) if at.path else "",
        "index": at.at,
        "stops": [_stop(stop) for stop in at.path.stops] if at.path else [],
        "before": _stop(at.before) if at.before else None,
        "after": _stop(at.after) if at.after else None,
        "level": level(),
        "levels": [(option, LEVEL.named(option, option)) for option in LEVEL.options],
        "kinds": {kind: say(text) for kind, text in _KINDS.items()},
    }
    given: dict[str, Any] = {"here": here, "words": _words()}
    data = json.dumps(given, ensure_ascii=False)
    if state.wanted:
        data = f'{data[:-1]}, "index": {index_json().decode()}}}'
    answered = _finder(
        key="finder", data=data.encode(), on_go_change=_nothing, on_level_change=_nothing, on_want_change=_wanted
    )
    if answered.level:
        choose_level(str(answered.level))
        st.rerun()
    if answered.go:
        go_to(str(answered.go))


def show_paths(opened: str) -> None:
    """Every path with its stops and the visitor's ticks."""
    paths = [
        {"name": say(path.name), "about": say(path.about), "open": path.id == opened,
         "stops": [_stop(stop) for stop in path.stops]}
        for path in PATHS
    ]  # fmt: skip
    data = json.dumps({"paths": paths, "words": _words()}, ensure_ascii=False).encode()
    answered = _finder(key=f"paths_{opened}", data=data, on_go_change=_nothing, on_level_change=_nothing,
                       on_want_change=_nothing)  # fmt: skip
    if answered.go:
        go_to(str(answered.go))


def show_door(label: str, place: str, why: str = "") -> None:
    """A link to a place, which is opened within this visit."""
    name, _, query = now_at(place).partition("?")
    asked: dict[str, Any] = dict(parse_qs(query, keep_blank_values=True))
    if language := language_of_links():
        asked["lang"] = [language]
    st.page_link(page=page_of(name), label=on_screen(f"**{label}** · {why}" if why else label), query_params=asked)


def show_related(name: str) -> None:
    """The next stop of the path, and three lessons that belong with this one, each with the reason."""
    state = of_visit(_Finding)
    found = path_of(name, state.path, level())
    at = standing(name, st.query_params.get(PART, ""), state.path, level())
    with st.container(key="related", gap="small"):
        st.markdown(on_screen(f"**{say('Where to go from here')}**"))
        if at.after is not None and found is not None:
            show_door(say("Next: {question}", question=say(at.after.text)), at.after.place)
        for other, why in related(name):
            show_door(say(lesson(other).title), other, why)


def _stop(stop: Stop) -> dict[str, str]:
    return {"text": say(stop.text), "name": say(lesson(stop.lesson).menu), "place": stop.place,
            "lesson": now_at(stop.place).partition("?")[0], "address": address(stop.place)}  # fmt: skip


def _words() -> dict[str, str]:
    return {text: say(text) for text in WORDS}


def _nothing() -> None:
    pass


def _wanted() -> None:
    of_visit(_Finding).wanted = True
