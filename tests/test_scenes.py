"""Decks: what is read, what is refused and in which line, and that every scene that ships can be shown."""

from dataclasses import replace

import numpy as np
import pytest

from lora_viz.film import Bars, Curve, Curves, Film, Group, HeatMap, Lines, Readout, Row, Series
from lora_viz.scenes import LONGEST_DECK, DeckError, Question, asked_first, read_deck
from lora_viz.standalone import Leaf, standalone_html
from lora_viz.ui.deck_file import leaf_of
from lora_viz.ui.presenting import DECKS, read_file

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
        ('page = "rank"', 'page = "rnak"', "line 5: page=rnak is unknown: allowed are merge, rank."),
        ('page = "merge"', "page = 3", "line 12: page is missing or no text."),
        ("at = 2", "at = true", "line 8: at=True is no number below 10⁹."),
        ("at = 2", "at = nan", "line 8: at=nan is no number below 10⁹."),
        ("noise = 0.5", "noise = [1]", "line 7: noise=[1] is no setting: allowed are a text or a number."),
        ('notes = "say this"', "notes = 1", "line 14: notes is missing or no text."),
        ('notes = "say this"', 'run = "rm"', "line 14: run is unknown: allowed are page, caption, settings, at,"),
        ('kind = "choice"', 'kind = "vote"', "line 16: kind=vote is unknown: allowed are number, choice, curve."),
        ('series = ["a", "b"]', 'series = ["a"]', "line 19: series has 1 names: a choice needs at least 2"),
        ('take = "smallest"', 'take = "best"', "line 20: take=best is unknown: allowed are largest, smallest."),
        ('caption = "Two"', 'caption = "' + "x" * 301 + '"', "line 13: caption has 301 characters: allowed are 300."),
        ('controls = ["noise"]', 'controls = "noise"', "line 9: controls is no list of at most 12 texts."),
        ("[[scene]]", "[[scene]", "the deck is not TOML: "),
    ],
)
def test_a_bad_deck_is_refused_with_the_line(old: str, new: str, sentence: str) -> None:
    with pytest.raises(DeckError) as refused:
        read_deck(GOOD.replace(old, new, 1), PAGES)
    assert str(refused.value).startswith(sentence)


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
    values=STEPS,
    start=0,
    panels=(
        Lines(
            title="L",
            y_label="y",
            series=(Series(name="a", colour="A", y=STEPS**2), Series(name="b", colour="B", y=3 * STEPS)),
        ),
        Bars(
            title="Bs",
            y_label="y",
            labels=("x", "z"),
            groups=(Group(name="g", colour="A", values=np.outer(STEPS, [1.0, 2.0])),),
        ),
        HeatMap(title="H", colour="W", values=np.ones((2, 3)), limit=1.0),
        Curves(title="C", x=STEPS, x_label="x", y_label="y", series=(Curve(name="c", colour="A", y=STEPS),)),
        Readout(title="R", rows=(Row(label="l", text=("t",)),)),
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
    assert asked_first(FILM, curve)["series"] == "a"


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
    length = int.from_bytes(leaf.film[:4], "little")
    header = leaf.film[4 : 4 + length].decode()
    assert '"present":{"scene":"own/' in header
    assert ('"question":{' in header) == (scene.question is not None)
    assert bool(leaf.takeaway) == (scene.question is None), "who is asked must not read the answer"


def test_a_file_holds_no_way_out_of_its_data() -> None:
    page = standalone_html("</title><script>", [Leaf("</script><script>alert(1)</script>", "", b"", notes="<b>")])
    assert page.count("<script") == 2
    assert "<b>" not in page
    assert "http" not in page.replace("http-equiv", "")
