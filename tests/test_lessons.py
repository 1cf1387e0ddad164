"""Lessons as Python users and newcomers to the code meet them: asked without a screen, added as one file."""

from __future__ import annotations

import doctest
import json
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

import lora_viz
from lora_viz import lesson, lessons
from lora_viz.content.decks.scenes import Deck, Question, Scene
from lora_viz.i18n.language import languages, speak
from lora_viz.lessons import basics, walk
from lora_viz.lessons.controls import Choice, File, Number, SettingError, Several, Switch, Text, Upload, Whole
from lora_viz.lessons.deck_file import deck_html
from lora_viz.lessons.decks import shipped_decks
from tests.browser import ROOT

ADDED = '''
"""A lesson that a test adds."""

from typing import NamedTuple

import numpy as np
import plotly.graph_objects as go

from lora_viz.content.questions import Measured, Question
from lora_viz.film.film import Film
from lora_viz.film.panels import Lines, Series
from lora_viz.i18n.language import say, to_say
from lora_viz.lessons.controls import Choice
from lora_viz.lessons.lesson import Lesson
from lora_viz.lessons.statements import true_here


class Doubled(NamedTuple):
    """Numbers and their doubles."""

    x: np.ndarray
    y: np.ndarray


def measure(settings, lab):
    x = np.arange(float(settings["numbers"]))
    return Doubled(x, 2 * x)


def film(record):
    doubled = Series(id="doubled", name=say("doubled"), colour="ink", y=record.y)
    panel = Lines(id="numbers", title=say("Numbers"), y_label="", series=(doubled,), span=12)
    told = tuple(str(value) for value in record.y)
    return Film(axis=to_say("number"), values=record.x, panels=(panel,), start=0, narration=told)


LESSON = Lesson(
    id="added",
    menu=to_say("Added"),
    title=to_say("What was added?"),
    claim=to_say("Doubles are twice as large."),
    place=15,
    controls=(Choice(id="numbers", label=to_say("Numbers"), options=(3, 5, 7, 11), default=5),),
    measure=measure,
    film=film,
    takeaway=lambda record: say("{count} numbers were doubled.", count=len(record.x)),
    verdict=lambda record: true_here(say("all {count} are", count=len(record.x)), count=len(record.x)),
    figure=lambda record, *, theme="light": go.Figure(
        go.Scatter(x=record.x, y=record.y), layout={"title": {"text": theme}}
    ),
    table=lambda record: {"x": record.x, "y": record.y},
    question=Question(
        to_say("What is twice three?"), to_say("It is six."), lambda seen, _: Measured(6, (5, 9), say("Measured."))
    ),
    trains=False,
    seeded=False,
)
'''


@pytest.fixture
def added(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A lesson in a folder of its own, among those of the section "basics"."""
    (tmp_path / "added.py").write_text(textwrap.dedent(ADDED), encoding="utf-8")
    monkeypatch.setattr(basics, "__path__", [*basics.__path__, str(tmp_path)])
    walk.forget()
    shipped_decks.cache_clear()
    yield tmp_path
    sys.modules.pop("lora_viz.lessons.basics.added", None)
    walk.forget()
    shipped_decks.cache_clear()


def test_a_lesson_is_added_by_its_file_alone(added: Path) -> None:
    ids = [each.id for each in lessons()]
    assert ids.index("added") == ids.index("bottleneck") + 1, "in its section, at its place"
    played = lesson("added").play(numbers=7)
    assert played.takeaway == "7 numbers were doubled."
    asked = played.ask()
    assert asked is not None and asked.choices[asked.right] == "6"


def test_an_added_lesson_is_in_the_menu_and_on_the_screen(added: Path) -> None:
    at = AppTest.from_file(str(ROOT / "lora_viz" / "ui" / "navigation.py"), default_timeout=60).run()
    assert not at.exception
    shown = AppTest.from_function(_show_added, default_timeout=60)
    shown.query_params["numbers"] = "11"
    shown.run()
    assert not shown.exception and not shown.warning
    assert shown.title[0].value == "What was added?"
    assert "11 numbers were doubled." in " ".join(text.value for text in shown.markdown)
    assert "Before you go: one question" in [box.label for box in shown.expander]


def _show_added() -> None:
    from lora_viz.lessons.walk import lesson
    from lora_viz.ui.page import show

    show(lesson("added"))


def test_an_added_lesson_can_be_a_scene_that_asks(added: Path) -> None:
    question = Question(kind="number", text="How many?", panel="numbers", series=("doubled",), at=2)
    scene = Scene(page="added", caption="Look", settings=(("numbers", "3"),), question=question)
    page = deck_html(Deck(title="t", about="", scenes=(scene,)))
    assert "How many?" in page


def test_an_added_lesson_is_under_contract_and_in_the_table(added: Path) -> None:
    told = (
        "import sys; from lora_viz.lessons import basics; basics.__path__.append(sys.argv[1]);"
        "import tests.lessons.test_contract as c, tests.test_questions as q, docs.make_pages as p;"
        "assert 'added' in c.IDS and 'added' in c.FILMS and 'added' in c.STILLS and 'added' in q.ASKING;"
        "assert '[Added](pages/added.py)' in p.table()"
    )
    ended = subprocess.run([sys.executable, "-c", told, str(added)], cwd=ROOT, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr[-2000:]


def test_importing_is_quick_and_loads_nothing_heavy() -> None:
    """Not timed: what takes the time is torch, NumPy and streamlit, and none of them is loaded."""
    told = "import sys, json, lora_viz; print(json.dumps([m.split('.')[0] for m in sys.modules]))"
    loaded = set(json.loads(subprocess.check_output([sys.executable, "-c", told], cwd=ROOT)))
    assert not loaded & {"torch", "streamlit", "numpy", "plotly", "pandas", "babel"}


def test_nothing_but_the_screen_loads_streamlit() -> None:
    told = (
        "import sys; from lora_viz import lesson, lessons; from lora_viz.lessons import deck_file;"
        "[each.settings() for each in lessons()]; lesson('rank').play(noise=0.0).film;"
        "sys.exit('streamlit' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", told], cwd=ROOT).returncode == 0


def test_the_examples_in_the_docstring_run() -> None:
    tried = doctest.testmod(lora_viz, optionflags=doctest.ELLIPSIS)
    assert tried.attempted >= 5 and not tried.failed


def test_what_is_not_allowed_is_refused_with_what_is() -> None:
    for given, sentence in (
        ({"noise": 99.0}, "noise=99 is not possible in this lesson. Valid values: 0 to 2."),
        ({"task": "magic"}, "task=magic is not possible in this lesson. Valid values: low_rank, full_rank."),
        ({"target_rank": True}, "target_rank=true is not possible in this lesson. Valid values: 1 to 16."),
        ({"seed": -1}, "seed=-1 is not possible in this lesson. Valid values: 0 to 9999."),
        ({"noise": float("nan")}, "noise=nan is not possible in this lesson. Valid values: 0 to 2."),
    ):
        with pytest.raises(SettingError) as refused:
            lesson("rank").play(**given)  # type: ignore[arg-type]
        assert str(refused.value) == sentence
    with pytest.raises(SettingError, match="does not go with"):
        lesson("bottleneck").play(rank=3, d_in=2)


def test_a_link_and_python_mean_the_same() -> None:
    by_link = lesson("rank").read({"noise": "0.7", "target_rank": "5", "seed": "3"})
    by_hand = lesson("rank").play(noise=0.7, target_rank=5, seed=3)
    assert by_link.settings == by_hand.settings
    assert by_link.film.to_bytes() == by_hand.film.to_bytes()  # type: ignore[union-attr]
    assert lesson("rank").read({k: v for k, v in by_hand.link.items()}).settings == by_hand.settings


def test_each_kind_of_control_says_what_it_allows() -> None:
    upload = Upload("a", b"1", "k")
    controls = (
        (Choice(id="a", label="", options=("x", "y")), "y", "z", "x, y"),
        (Choice(id="a", label="", options=(1, 2, 4, 8)), 3, 9, "1 to 8"),
        (Several(id="a", label="", options=("x", "y")), ("x",), ("z",), "x, y"),
        (Switch(id="a", label=""), True, "yes", "true, false"),
        (Text(id="a", label="", longest=3), "abc", "abcd", "a text of up to 3 characters"),
        (Number(id="a", label="", low=0, high=2), 1.5, 3.0, "0 to 2"),
        (Whole(id="a", label="", low=0, high=2), 2, 1.5, "0 to 2"),
        (File(id="a", label=""), (upload,), ("no",), "files as Upload(name, data)"),
    )
    for control, good, bad, allowed in controls:
        assert control.check(good) == good
        with pytest.raises(SettingError) as refused:
            control.check(bad)
        assert str(refused.value).endswith(f"is not possible in this lesson. Valid values: {allowed}.")


def test_a_lesson_opens_at_the_same_settings_in_every_language() -> None:
    """What a control begins with is read back by the code, so a number in it keeps its point."""
    for each in (*lessons(), *walk.measured()):
        found = {}
        for code in languages():
            with speak(code):
                found[code] = each.settings()
        assert len(set(map(repr, found.values()))) == 1, each.id
