"""Presenting: the scene of a deck that the link names, and the bar that turns the scenes."""

from __future__ import annotations

import time
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple
from urllib.parse import urlencode

import streamlit as st

from lora_viz.content.decks.asking import asked_first
from lora_viz.content.decks.scenes import Deck, DeckError, Scene
from lora_viz.content.questions import Unanswerable
from lora_viz.film.film import Film
from lora_viz.i18n.language import say
from lora_viz.i18n.outside import emphasised, on_screen
from lora_viz.lessons.decks import shipped_decks
from lora_viz.lessons.lesson import Played
from lora_viz.ui.notes_window import speaker_bar
from lora_viz.ui.own_decks import is_own, keep, kept
from lora_viz.ui.pages import page_of
from lora_viz.ui.qr import here, offer
from lora_viz.ui.rooms import offer_room, show_scores
from lora_viz.ui.state import of_visit
from lora_viz.ui.visitor_language import language_of_links

__all__ = [
    "ASKED", "Presented", "begin", "contrast", "offer_tour", "presented", "show_end", "take_up", "toolbar",
]  # fmt: skip

ASKED = "asked"  # the deck of one scene that asks the room without a deck
_LINKS = 9  # that one slide holds


@dataclass(slots=True)
class _Presentation:
    """When this visit began to present, and how it is shown."""

    asked: Deck | None = None
    began: float | None = None
    contrast: bool = False  # these two stay from scene to scene, on whatever page it is
    notes: bool = False


class Presented(NamedTuple):
    """A scene with its place in its deck."""

    name: str
    deck: Deck
    place: int

    @property
    def ended(self) -> bool:
        """Whether this is the slide behind the last scene."""
        return self.place == len(self.deck.scenes)

    @property
    def scene(self) -> Scene:
        """The scene; behind the last one that one still."""
        return self.deck.scenes[min(self.place, len(self.deck.scenes) - 1)]

    def heading(self) -> str:
        """What stands above the picture: the question where one is asked first, else the caption."""
        return say(self.deck.title) if self.ended else _heading(self.scene)

    def question(self, played: Played[Any]) -> dict[str, Any] | None:
        """What is asked before this film is shown; a question that this picture cannot answer is said, not asked."""
        if self.scene.question is None or played.film is None:
            return None
        try:
            if self.scene.question.kind == "lesson":
                return _lessons_own(played, played.film, self.scene.question.panel)
            return asked_first(played.film, self.scene.question)
        except (DeckError, Unanswerable) as error:
            st.warning(on_screen(say("The scene's question is left out: {error}", error=error)))
            return None

    def asked_as(self) -> str:
        """What a room calls this scene: another deck under the same name is another, asked anew is asked anew."""
        own = zlib.crc32(repr((self.scene, of_visit(_Presentation).began)).encode()) if self.name == ASKED else 0
        return f"{self.name}/{self.place + 1}" + (f" {own:08x}" if own else "")

    def for_player(self) -> dict[str, Any]:
        """What the player must know of the presentation."""
        return {
            "scene": f"{self.name}/{self.place}",
            "contrast": contrast(),
            "panels": list(self.scene.panels),
            "caption": say(self.scene.caption) if self.scene.question else "",
        }

    def for_speaker(self) -> dict[str, Any]:
        """What the speaker's own window shows of this scene, and which beginning of the deck its time counts from."""
        following = self.deck.scenes[self.place + 1 : self.place + 2]
        return {
            "deck": f"{self.name} {self.deck.title}",
            "beginning": of_visit(_Presentation).began,
            "place": self.place + 1,
            "count": len(self.deck.scenes),
            "caption": say("The end") if self.ended else say(self.scene.caption),
            "asked": say(self.scene.question.text) if self.scene.question and not self.ended else "",
            "notes": "" if self.ended else say(self.scene.notes),
            "next": say(following[0].caption) if following else "",
        }


def _lessons_own(played: Played[Any], film: Film, panel: str) -> dict[str, Any] | None:
    """The question that ends the lesson, asked first."""
    asked = played.ask()
    place = next((i for i, each in enumerate(film.panels) if each.id == panel), 0)
    return None if asked is None else {
        "kind": "choice", "text": asked.text, "panel": place, "choices": asked.choices, "answer": asked.right,
        "measured": f"{asked.choices[asked.right]}. {asked.told} {asked.why}".removesuffix("."),
    }  # fmt: skip


def _heading(scene: Scene) -> str:
    return say(scene.question.text if scene.question else scene.caption)


def contrast() -> bool:
    """Whether the room asked for white on black."""
    return of_visit(_Presentation).contrast


def _deck(name: str | None) -> Deck | None:
    """The deck of this name: a shipped one, one that was brought, or the one that asks; None where there is none."""
    if name is None:
        return None
    if name == ASKED:
        return of_visit(_Presentation).asked
    return kept(name) if is_own(name) else shipped_decks().get(name)


def presented() -> Presented | None:
    """The scene that the link asks for; None without a deck. A deck or scene that is not there is said."""
    name = st.query_params.get("deck")
    if name is None:
        return None
    deck = _deck(name)
    if deck is None:
        allowed = ", ".join(shipped_decks())
        st.warning(
            on_screen(
                say("Your own deck is no longer here: open its file again.")
                if is_own(name)
                else say("deck={given} is not here. Valid values: {allowed}.", given=name[:40], allowed=allowed)
            )
        )
        return None
    last, text = len(deck.scenes), st.query_params.get("scene", "1")[:6]
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= last + 1):
        st.warning(
            on_screen(
                say(
                    "scene={given} is not in this deck. Valid values: 1 to {last}. Showing 1 instead.",
                    given=text,
                    last=last,
                )
            )
        )
        text = "1"
    return Presented(name, deck, int(text) - 1)


def begin(name: str, own: Deck | None = None) -> None:
    """Open a deck at its first scene, and its time at zero: leaves the running page. ``own`` is the visitor's."""
    state = of_visit(_Presentation)
    state.began = time.time()
    if name == ASKED:
        state.asked = own
        _open(name, 0)
    else:
        _open(name if own is None else keep(own), 0)


def take_up(here: str | None) -> None:
    """Open the scene that the link names on its own page, where it stands on another than this."""
    if _deck(st.query_params.get("deck")) is None:
        return  # said where the page is opened
    now = presented()
    if now is not None and here not in (None, now.scene.page):
        state = of_visit(_Presentation)
        state.began = state.began or time.time()
        _open(now.name, now.place)


def _open(name: str, index: int) -> None:
    deck = _deck(name)
    if deck is None:  # forgotten between two presses: said where the page is opened
        return
    scene = deck.scenes[min(index, len(deck.scenes) - 1)]
    query = {"deck": name, "scene": str(index + 1)} | ({} if scene.at is None else {"at": f"{scene.at:g}"})
    if language := language_of_links():
        query["lang"] = language
    st.switch_page(page_of(scene.page), query_params=query)


def show_end(now: Presented) -> None:
    """The slide behind the last scene: what was shown, each with a link that opens it, and the deck's own link."""
    st.header(say("The end. To look at it again:"), anchor=False)
    left, right = st.columns([3, 2], gap="large")
    seen: dict[str, str] = {}
    for scene in now.deck.scenes:
        seen.setdefault(_address(scene), say(scene.caption))
    with left:
        show_scores()
        links = (f"- [{emphasised(caption)}]({address})" for address, caption in list(seen.items())[:_LINKS])
        st.markdown(on_screen("\n".join(links)))
    shared = here() if now.name == ASKED else f"{here(now.deck.scenes[0].page)}?{urlencode({'deck': now.name})}"
    with right:
        offer(shared, st.container(), st.container())


def _address(scene: Scene) -> str:
    settings = dict(scene.settings) | ({} if scene.at is None else {"at": f"{scene.at:g}"})
    return scene.page + (f"?{urlencode(settings)}" if settings else "")


def offer_tour() -> None:
    """A way into the tour, for whoever is alone. It stands in the link, so it can be left, kept and taken up again."""
    about = say(shipped_decks()["tour"].about)
    if st.button(
        say("Start the tour"), key="start_tour", icon=":material/signpost:", width="stretch", help=on_screen(about)
    ):
        begin("tour")


def toolbar(now: Presented, settings: Mapping[str, str] | None = None) -> None:
    """Back, list, next, notes, contrast, time, notes window, leave: turned also by PageUp and PageDown.

    It is out of sight until somebody moves. Whoever leaves finds the lesson at ``settings``, as the scene has it now.
    """
    last, state = len(now.deck.scenes), of_visit(_Presentation)
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="toolbar"):
        # Never disabled: the key of a disabled button would scroll the page, and the picture out of sight.
        up, down = (
            say("Page up") if now.place else say("The first scene"),
            say("Page down") if now.place < last else say("The last scene"),
        )
        back = st.button("◀", key="scene_back", help=on_screen(up))
        forth = st.button("▶", key="scene_next", help=on_screen(down))
        # The room reads along: where something is asked first, the list must not tell the answer.
        titles = [f"{i + 1}. {_heading(scene)}" for i, scene in enumerate(now.deck.scenes)] + [say("The end")]
        chosen = st.selectbox(
            say("Scene"),
            range(last + 1),
            index=now.place,
            format_func=titles.__getitem__,
            label_visibility="collapsed",
            key=f"scene_list_{now.name}_{now.place}",
            width="stretch",
        )
        state.notes = st.toggle(say("Notes"), state.notes, key=f"notes_{now.name}_{now.place}")
        contrast = st.toggle(say("Contrast"), state.contrast, key=f"contrast_{now.name}_{now.place}")
        offer_room("room_opened")
        turned = speaker_bar(now.for_speaker())
        leave = st.button(say("Leave"), key="scene_leave")
    if contrast != state.contrast:
        state.contrast = contrast
        st.rerun()
    if leave:
        query = dict(settings or {}) | ({"lang": language} if (language := language_of_links()) else {})
        st.switch_page(page_of(now.scene.page), query_params=query)
    to = now.place - 1 if back else now.place + 1 if forth else turned if turned is not None else int(chosen)
    if to != now.place and 0 <= to <= last:
        _open(now.name, to)
    if state.notes and not now.ended and now.scene.notes:
        st.info(on_screen(emphasised(say(now.scene.notes))), icon=":material/speaker_notes:")
