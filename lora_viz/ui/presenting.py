"""Which scene of which deck is presented? It stands in the link; the clicker turns the pages."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any, NamedTuple

import streamlit as st

from lora_viz.decks.predicting import asked_first
from lora_viz.decks.scenes import LONGEST_DECK, Deck, DeckError, Scene, read_deck
from lora_viz.film.panels import Film
from lora_viz.i18n.language import say
from lora_viz.ui.contents import PAGES
from lora_viz.ui.controls import CONTROLS
from lora_viz.ui.notes_window import speaker_bar
from lora_viz.ui.speaking import language_of_links

__all__ = [
    "DECKS",
    "WITHOUT_FILM",
    "WORKED",
    "Presented",
    "begin",
    "link_of",
    "offer_tour",
    "own_deck",
    "page_file",
    "presented",
    "read_file",
    "shipped_decks",
    "toolbar",
]

DECKS = Path(__file__).parents[1] / "decks"
_PAGES = {name: Path(__file__).parents[2] / "pages" / f"{name}.py" for pages in PAGES.values() for name in pages}
_OWN = "own"
# Pages that nothing moves on: tables, cards, questions. A scene shows them as they are, and cannot ask about a picture.
WITHOUT_FILM = frozenset(
    {"budget", "challenges", "config_card", "follow", "glossary", "literature", "mistake", "present", "quiz"}
    | {"transformer"}
)
# Pages without the lessons' controls: what their own are set to stands in the address, so a scene's settings do too.
WORKED = WITHOUT_FILM | {"cost", "extract", "inspector", "minilm", "two_adapters"}


class Presented(NamedTuple):
    """A scene with its place in its deck."""

    name: str
    deck: Deck
    place: int

    @property
    def scene(self) -> Scene:
        return self.deck.scenes[self.place]

    def heading(self) -> str:
        """What stands above the picture: the question where one is asked first, else the caption."""
        return _heading(self.scene)

    def question(self, film: Film) -> dict[str, Any] | None:
        """What is asked before this film is shown; a question that this picture cannot answer is said, not asked."""
        if self.scene.question is None:
            return None
        try:
            return asked_first(film, self.scene.question)
        except DeckError as error:
            st.warning(say("The scene's question is left out: {error}", error=error))
            return None

    def for_player(self) -> dict[str, Any]:
        """What the player must know of the presentation."""
        return {
            "scene": f"{self.name}/{self.place}",
            "contrast": bool(st.session_state.get("contrast")),
        }

    def for_speaker(self) -> dict[str, Any]:
        """What the speaker's own window shows of this scene, and which beginning of the deck its time counts from."""
        following = self.deck.scenes[self.place + 1 : self.place + 2]
        return {
            "deck": f"{self.name} {self.deck.title}",
            "beginning": st.session_state.get("deck_began"),
            "place": self.place + 1,
            "count": len(self.deck.scenes),
            "caption": say(self.scene.caption),
            "asked": say(self.scene.question.text) if self.scene.question else "",
            "notes": say(self.scene.notes),
            "next": say(following[0].caption) if following else "",
        }


def _heading(scene: Scene) -> str:
    return say(scene.question.text if scene.question else scene.caption)


def page_file(name: str) -> Path:
    """Where does the script of this page lie?"""
    return _PAGES[name]


def read_file(path: Path) -> Deck:
    """The deck in this file. Raises DeckError."""
    return read_deck(path.read_text(encoding="utf-8"), _PAGES, still=WITHOUT_FILM)


@st.cache_data(show_spinner=False)
def shipped_decks() -> dict[str, Deck]:
    """The decks that come with the playground, by file name."""
    return {path.stem: read_file(path) for path in sorted(DECKS.glob("*.toml"))}


def own_deck(name: str, content: bytes) -> Deck:
    """The visitor's own deck, kept for this session. Raises DeckError."""
    if len(content) > LONGEST_DECK:
        raise DeckError(
            say(
                "{name} has {count} bytes: allowed are {most}.",
                name=name[:60],
                count=len(content),
                most=LONGEST_DECK,
            )
        )
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        raise DeckError(say("{name} is no text: a deck is a TOML file in UTF-8.", name=name[:60])) from None
    deck = read_deck(text, _PAGES, still=WITHOUT_FILM)
    st.session_state["own_deck"] = deck
    return deck


def presented() -> Presented | None:
    """Which scene does the link ask for? None without a deck; a deck or scene that is not there is said."""
    name = st.query_params.get("deck")
    if name is None:
        return None
    decks = {**shipped_decks(), **({_OWN: st.session_state["own_deck"]} if "own_deck" in st.session_state else {})}
    if name not in decks:
        st.warning(say("deck={given} is not here: allowed are {allowed}.", given=name[:40], allowed=", ".join(decks)))
        return None
    last, text = len(decks[name].scenes), st.query_params.get("scene", "1")[:6]
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= last):
        st.warning(say("scene={given} is not in this deck: allowed is 1 to {last}. Shown is 1.", given=text, last=last))
        text = "1"
    return Presented(name, decks[name], int(text) - 1)


def link_of(scene: Scene) -> dict[str, str]:
    """What must stand in the link? A lesson is set by its deck; only a page without its controls reads the link."""
    own = scene.page in WORKED
    query = {key: value for key, value in scene.settings if own or (key not in CONTROLS and key != "seed")}
    return query if scene.at is None else query | {"at": f"{scene.at:g}"}


def begin(name: str) -> None:
    """Open a deck at its first scene, and its time at zero: leaves the running page."""
    st.session_state["deck_began"] = time.time()
    _open(name, 0)


def take_up(here: str | None) -> None:
    """Does the link name a scene that stands on another page than this? It is opened there, where its deck is here."""
    if st.query_params.get("deck") not in {*shipped_decks(), *([_OWN] if "own_deck" in st.session_state else [])}:
        return  # said where the page is opened
    now = presented()
    if now is not None and here not in (None, now.scene.page):
        st.session_state.setdefault("deck_began", time.time())
        _open(now.name, now.place)


def _open(name: str, index: int) -> None:
    deck = st.session_state["own_deck"] if name == _OWN else shipped_decks()[name]
    scene = deck.scenes[index]
    if scene.page in WORKED:  # it begins at its own settings, whatever this page or another one was set to
        kept = st.session_state.pop("kept", {})
        for key in {*kept, *CONTROLS} - {"level", "lang"}:
            st.session_state.pop(key, None)
        st.session_state["lesson"] = f"scene {name} {index}"
    query = link_of(scene) | {"deck": name, "scene": str(index + 1)}
    if language := language_of_links():
        query["lang"] = language
    st.switch_page(_PAGES[scene.page], query_params=query)


def offer_tour() -> None:
    """A way into the tour, for whoever is alone. It stands in the link, so it can be left, kept and taken up again."""
    about = say(shipped_decks()["tour"].about)
    if st.button(say("Start the tour"), key="start_tour", icon=":material/signpost:", width="stretch", help=about):
        begin("tour")


def toolbar(now: Presented) -> None:
    """Back, list, next, notes, contrast, time, notes window, leave: turned also by PageUp and PageDown."""
    last = len(now.deck.scenes) - 1
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="toolbar"):
        # Never disabled: the key of a disabled button would scroll the page, and the picture out of sight.
        up, down = (
            say("Page up") if now.place else say("The first scene"),
            say("Page down") if now.place < last else say("The last scene"),
        )
        back = st.button("◀", shortcut="PageUp", key="scene_back", help=up)
        forth = st.button("▶", shortcut="PageDown", key="scene_next", help=down)
        # The room reads along: where something is asked first, the list must not tell the answer.
        titles = [f"{i + 1}. {_heading(scene)}" for i, scene in enumerate(now.deck.scenes)]
        chosen = st.selectbox(
            say("Scene"),
            range(last + 1),
            index=now.place,
            format_func=titles.__getitem__,
            label_visibility="collapsed",
            key=f"scene_list_{now.name}_{now.place}",
            width="stretch",
        )
        notes = st.toggle(say("Notes"), key="notes")
        st.toggle(say("Contrast"), key="contrast")
        speaker_bar(now.for_speaker())
        leave = st.button(say("Leave"), key="scene_leave")
    if leave:
        st.switch_page(_PAGES[now.scene.page])
    to = now.place - 1 if back else now.place + 1 if forth else int(chosen)
    if to != now.place and 0 <= to <= last:
        _open(now.name, to)
    if notes and now.scene.notes:
        st.info(say(now.scene.notes), icon=":material/speaker_notes:")
