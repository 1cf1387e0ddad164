"""Decks: what is read, what is refused and in which line, and that every scene that ships can be shown."""

from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from lora_viz.content.decks.asking import asked_first
from lora_viz.content.decks.scenes import LONGEST_DECK, DeckError, Question, read_deck
from lora_viz.film.film import Film
from lora_viz.film.panels import Bars, Curve, Curves, Group, HeatMap, Lines, Part, Readout, Row, Series
from lora_viz.film.standalone import Leaf, standalone_html
from lora_viz.i18n.outside import emphasised
from lora_viz.lessons.deck_file import leaf_of
from lora_viz.lessons.decks import DECKS, read_file
from lora_viz.lessons.lesson import Played
from lora_viz.lessons.walk import lesson, lessons
from lora_viz.ui.own_decks import keep
from lora_viz.ui.pages import FOLDER

PAGES = ("rank", "merge")
GOOD = """
title = "Mine"

[[scene]]
page = "rank"
caption = "One"
settings = { target_rank = 4, noise = 0.5, spectrum = "flat" }
at = 2
controls = ["noise"]

[[scene]]
page = "merge"
caption = "Two"
notes = "say this"
[scene.question]
kind = "choice"
text = "Which?"
panel = "P"
series = ["a", "b"]
take = "smallest"
"""


def test_a_deck_is_read() -> None:
    deck = read_deck(GOOD, PAGES)
    assert deck.title == "Mine"
    one, two = deck.scenes
    assert one.settings == (("target_rank", "4"), ("noise", "0.5"), ("spectrum", "flat"))
    assert (one.at, one.controls, one.question) == (2.0, ("noise",), None)
    assert two.notes == "say this"
    assert two.question == Question(kind="choice", text="Which?", panel="P", series=("a", "b"), take="smallest")


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ('title = "Mine"', "", "line 1: title is missing or no text."),
        ('page = "rank"', 'page = "rnak"', "line 5: page=rnak is unknown. Valid values: merge, rank."),
        ('page = "merge"', "page = 3", "line 12: page is missing or no text."),
        ("at = 2", "at = true", "line 8: at=True is not a number below 10⁹."),
        ("at = 2", "at = nan", "line 8: at=nan is not a number below 10⁹."),
        ("noise = 0.5", "noise = [1]", "line 7: noise=[1] is not a setting. Valid values: a text or a number."),
        ('notes = "say this"', "notes = 1", "line 14: notes is missing or no text."),
        ('notes = "say this"', 'run = "rm"', "line 14: run is unknown. Valid values: page, caption, settings, at,"),
        ('kind = "choice"', 'kind = "vote"', "line 16: kind=vote is unknown. Valid values: number, choice, curve."),
        ('series = ["a", "b"]', 'series = ["a"]', "line 19: series has 1 names: a choice needs at least 2"),
        ('take = "smallest"', 'take = "best"', "line 20: take=best is unknown. Valid values: largest, smallest."),
        (
            'caption = "Two"',
            'caption = "' + "x" * 301 + '"',
            "line 13: caption has 301 characters. At most 300 are possible.",
        ),
        ('controls = ["noise"]', 'controls = "noise"', "line 9: controls is not a list of at most 12 texts."),
        ("[[scene]]", "[[scene]", "the deck is not TOML: "),
    ],
)
def test_a_bad_deck_is_refused_with_the_line(old: str, new: str, sentence: str) -> None:
    with pytest.raises(DeckError) as refused:
        read_deck(GOOD.replace(old, new, 1), PAGES)
    assert str(refused.value).startswith(sentence)


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("at = 2", "at = 2", "line 8: at needs a picture that moves, and the page rank has none."),
        ("at = 2", "", "line 15: question needs a picture that moves, and the page merge has none."),
    ],
)
def test_a_page_that_stands_still_has_no_playhead_and_asks_nothing(old: str, new: str, sentence: str) -> None:
    with pytest.raises(DeckError) as refused:
        read_deck(GOOD.replace(old, new, 1), PAGES, still=PAGES)
    assert str(refused.value) == sentence
    assert read_deck(GOOD, PAGES, still=("follow",)) == read_deck(GOOD, PAGES)


def test_too_much_is_refused() -> None:
    for text in ("x" * (LONGEST_DECK + 1), 'title = "empty"', "a = " + "[" * 5000 + "]" * 5000):
        with pytest.raises(DeckError):
            read_deck(text, PAGES)
    many = 'title = "t"\n' + '[[scene]]\npage = "rank"\ncaption = "c"\n' * 201
    with pytest.raises(DeckError, match="1 to 200"):
        read_deck(many, PAGES)


STEPS = np.arange(5.0)
FILM = Film(
    axis="step",
    training=True,
    of_last=True,
    values=STEPS,
    start=0,
    panels=(
        Lines("l", "L", y_label="y", series=(Series("a", "a", "A", STEPS**2), Series("b", "b", "B", 3 * STEPS))),
        Bars("bs", "Bs", y_label="y", labels=("x", "z"), groups=(Group("g", "g", "A", np.outer(STEPS, [1.0, 2.0])),)),
        HeatMap("h", "H", "W", np.ones((2, 3)), limit=1.0, row=1),
        Curves("c", "C", x=STEPS, x_label="x", y_label="y", series=(Curve("c", "c", "A", STEPS),), span=4, row=1),
        Readout("r", "R", (Row("l", "l", ("t",)),), row=1),
    ),
)


def test_answers_come_from_the_film() -> None:
    choice = Question(kind="choice", text="?", panel="L", series=("a", "b"), at=2)
    assert asked_first(FILM, choice)["answer"] == 1
    assert asked_first(FILM, replace(choice, at=4))["answer"] == 0
    assert asked_first(FILM, replace(choice, at=4, take="smallest"))["answer"] == 1
    assert asked_first(FILM, choice)["measured"] == "a 4, b 6: the largest is b"
    value = Question(kind="number", text="?", panel="Bs", series=("z",), at=3.2)
    assert asked_first(FILM, value)["measured"] == "z 6 at step 3"
    curve = Question(kind="curve", text="?", panel="L", series=("a",))
    told = asked_first(FILM, replace(curve, series=("b",)))
    assert (told["panel"], told["series"]) == (0, 1), "where the player finds it"


@pytest.mark.parametrize(
    ("panel", "series", "kind"),
    [
        *(("X", "a", "number"), ("L", "c", "number"), ("H", "a", "number"), ("C", "c", "number"), ("R", "l", "number")),
        *(("Bs", "x", "curve"), ("Bs", "y", "number")),
    ],
)
def test_what_cannot_be_read_is_said(panel: str, series: str, kind: str) -> None:
    with pytest.raises(DeckError):
        asked_first(FILM, Question(kind=kind, text="?", panel=panel, series=(series,)))


SCENES = [(path.stem, i) for path in sorted(DECKS.glob("*.toml")) for i in range(len(read_file(path).scenes))]


@pytest.mark.parametrize(("name", "index"), SCENES)
def test_every_scene_that_ships_can_be_shown(name: str, index: int) -> None:
    deck = read_file(DECKS / f"{name}.toml")
    leaf = leaf_of(deck, index)
    scene = deck.scenes[index]
    assert leaf.title == (scene.question.text if scene.question else scene.caption)
    if lesson(scene.page).film is None:
        assert not leaf.film and scene.page in leaf.source and leaf.notes == scene.notes
        return
    length = int.from_bytes(leaf.film[:4], "little")
    header = leaf.film[4 : 4 + length].decode()
    assert '"present":{"scene":"own/' in header
    assert ('"question":{' in header) == (scene.question is not None)
    assert not leaf.takeaway, "a caption and a picture; who is asked must not read the answer"


def test_the_decks_ask_and_cover_what_they_promise() -> None:
    decks = {path.stem: read_file(path) for path in DECKS.glob("*.toml")}
    assert set(decks) == {"eleven_questions", "five_minutes", "mathematics", "ten_sentences", "tour", "twenty_minutes",
                          "wrong"}  # fmt: skip
    *things, last = decks["wrong"].scenes
    assert len(things) == 12
    assert all(scene.question and scene.notes for scene in things), "asked first, explained after"
    assert last.page == "mistake"
    assert {"follow", "transformer"} <= {scene.page for scene in decks["mathematics"].scenes}
    assert len({scene.page for scene in decks["mathematics"].scenes}) >= 20
    assert sum(scene.question is not None for scene in decks["mathematics"].scenes) >= 12
    assert all(scene.question is None and scene.controls for scene in decks["tour"].scenes[:-1]), "nobody answers here"


def test_two_decks_in_one_visit_keep_their_own_settings() -> None:
    """The second scenes of two decks are two scenes, though both show the same page."""
    page = AppTest.from_file(str(FOLDER / "gradient_flow.py"), default_timeout=60)
    own = keep(read_deck(SECOND.format(init="both_zero"), ("gradient_flow",)))
    for name in (own, "five_minutes"):
        page.query_params["deck"], page.query_params["scene"] = name, "2"
        page.run()
        assert not page.exception
        assert page.session_state["init"] == ("both_zero" if name == own else "B_zero")


SECOND = """
title = "t"
[[scene]]
page = "gradient_flow"
caption = "one"
[[scene]]
page = "gradient_flow"
settings = {{ init = "{init}" }}
caption = "two"
"""


def test_the_tour_begins_at_home_and_leaves_no_trace() -> None:
    home = Path(__file__).parent.parent / "lora_viz" / "ui" / "navigation.py"
    page = AppTest.from_file(str(home), default_timeout=60).run()
    assert not page.exception
    page.button(key="start_tour").click().run()
    assert not page.exception
    assert page.query_params["deck"] in ("tour", ["tour"])
    tour = read_file(DECKS / "tour.toml")
    assert page.title[0].value == emphasised(tour.scenes[0].caption)
    page.button(key="scene_next").click().run()
    assert page.title[0].value == emphasised(tour.scenes[1].caption)
    page.button(key="scene_back").click().run()
    page.button(key="scene_leave").click().run()
    assert not page.exception
    assert "deck" not in page.query_params
    assert page.title[0].value == lesson(tour.scenes[0].page).title, "the lesson of the scene, with its controls"


def test_a_lesson_link_offers_no_tour() -> None:
    page = AppTest.from_file(str(FOLDER / "machine.py"), default_timeout=60)
    page.query_params["controls"] = "rank"
    page.run()
    assert not [button for button in page.button if button.key == "start_tour"]


def test_a_file_holds_no_way_out_of_its_data() -> None:
    page = standalone_html("</title><script>", [Leaf("</script><script>alert(1)</script>", "", b"", notes="<b>")])
    assert page.count("<script") == 2
    assert "<b>" not in page
    assert "http" not in page.replace("http-equiv", "").replace("http://www.w3.org/2000/svg", "")  # a name, no address


def retitled(film: Film) -> Film:
    """The same film with other words for everything: only ids are left."""

    def other(item: object, n: int) -> object:
        word = {"title", "name", "label"} & {field.name for field in fields(item)}  # type: ignore[arg-type]
        return replace(item, **{each: f"Word {n}" for each in word})  # type: ignore[type-var]

    panels = []
    for n, panel in enumerate(film.panels):
        parts = {
            field.name: tuple(other(part, i) for i, part in enumerate(value))
            for field in fields(panel)
            if isinstance(value := getattr(panel, field.name), tuple) and value and isinstance(value[0], Part)
        }
        panels.append(replace(other(panel, n), **parts))  # type: ignore[type-var]
    return replace(film, panels=tuple(panels))


@pytest.mark.parametrize(("name", "index"), SCENES)
def test_retitling_everything_breaks_no_scene(name: str, index: int) -> None:
    scene = read_file(DECKS / f"{name}.toml").scenes[index]
    if scene.question is None:
        return
    film = lesson(scene.page).read(dict(scene.settings)).film
    assert film is not None
    asked, before = asked_first(retitled(film), scene.question), asked_first(film, scene.question)
    assert (asked["kind"], asked.get("answer"), asked["text"]) == (before["kind"], before.get("answer"), before["text"])


@pytest.mark.parametrize("name", [each.id for each in lessons() if each.question is not None])
def test_retitling_everything_breaks_no_question(name: str) -> None:
    played = lesson(name).play()
    assert played.film is not None
    before = played.ask()
    again = Played(played.lesson, played.settings, played.lab, played.record)
    vars(again)["film"] = retitled(played.film)
    asked = again.ask()
    assert before is not None and asked is not None
    assert (asked.choices, asked.right, asked.why) == (before.choices, before.right, before.why)
