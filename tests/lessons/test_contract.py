"""What every lesson promises, whatever it is set to: found by walking the lessons, so a new one is in it by itself."""

from __future__ import annotations

import json
import re
import warnings
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import fields, is_dataclass, replace
from functools import cache
from itertools import chain, islice
from typing import Any

import numpy as np
import plotly.graph_objects as go
import pytest

from lora_viz.core.experiment import CHOICES
from lora_viz.core.refusals import Refusal
from lora_viz.core.results import Results
from lora_viz.core.run import Run
from lora_viz.export.scripts.script import Scripts
from lora_viz.film.film import Film
from lora_viz.film.panels import Curves, Lines, Machine, Readout
from lora_viz.i18n.language import say
from lora_viz.lessons.controls import Choice, File, SettingError, Text
from lora_viz.lessons.lab import Lab
from lora_viz.lessons.lesson import Lesson, Played
from lora_viz.lessons.statements import Undecidable
from lora_viz.lessons.walk import lesson, lessons, measured
from tests.examination import settings as examined
from tests.examination.texts import too_long
from tests.small import SLOW

EVERY = tuple({each.id: each for each in (*lessons(), *measured())}.values())  # doors, and what is behind them
IDS = [each.id for each in EVERY]
MEASURED = [each.id for each in measured()]
FILMS = [each.id for each in EVERY if each.film is not None]
STILLS = [each.id for each in EVERY if each.prints]
TRAINED = [each.id for each in EVERY if each.film is not None and each.trains and each.seeded]
SHORT = 30  # steps: a film of few is as whole as one of many
CASES: dict[str, dict[str, object]] = {
    "no steps": {"steps": 0},
    "too high a rate": {"optimizer": "sgd", "lr": 1.0},
    "far too high a rate": {"optimizer": "sgd", "lr": 30.0},
}


@cache
def opened(name: str) -> Played[Any]:
    return lesson(name).play()


def changed(name: str, **change: Any) -> Played[Any] | None:
    """The lesson with an experiment that no control need allow; None where the lesson refuses it, in a sentence."""
    own = lesson(name)
    settings = own.settings()
    e = replace(settings.experiment, steps=min(SHORT, settings.experiment.steps))
    try:
        return own.played(replace(settings, experiment=replace(e, **change)), Lab())
    except Refusal as said:
        assert str(said).endswith(".")
        return None


def starts(name: str) -> tuple[str, ...]:
    """The starts that the lesson offers, or else those that LoRA's own control does."""
    control = next((c for c in lesson(name).walk({}) if c.id == "init") if name != "challenges" else (), None)
    return control.options if isinstance(control, Choice) else ("B_zero", "A_zero")


@pytest.mark.parametrize("name", IDS)
def test_it_is_one_value_named_as_its_file(name: str) -> None:
    own = lesson(name)
    assert is_dataclass(own)
    with pytest.raises(AttributeError):
        own.id = "another"
    assert re.fullmatch(r"[a-z][a-z_]*", own.id)
    assert own.title.endswith("?"), "the title is the question"
    assert own.claim.endswith((".", "?", "!"))
    assert (own.film is None) != (own.body is None), "a film, or what stands in its place"
    assert all(getattr(own, each.name) is not None for each in fields(own) if each.name in ("measure", "takeaway"))


@pytest.mark.parametrize("name", IDS)
def test_controls_have_ids_and_take_back_what_they_write(name: str) -> None:
    own = lesson(name)
    answers: dict[str, Any] = {}
    for control in own.walk(answers):
        assert re.fullmatch(r"[a-zA-Z][a-zA-Z0-9_]*", control.id)
        assert control.id not in answers
        usual = answers[control.id] = control.usual(own.default)
        assert control.check(usual) == usual
        if control.in_link and not isinstance(control, File):
            assert control.parse(control.link(usual)) == usual  # type: ignore[arg-type]
        for option in control.options if isinstance(control, Choice) else ():
            assert control.parse(str(control.link(option))) == option
    first = [control for control in own.shown(answers)[0]]
    assert len(first) <= 5, "at most five before “More”"


@pytest.mark.parametrize("name", IDS)
def test_what_it_does_not_have_is_refused_with_what_it_has(name: str) -> None:
    with pytest.raises(SettingError, match=r"colour is not a setting of this lesson. Valid values: .+\."):
        lesson(name).play(colour="red")


@pytest.mark.parametrize("name", IDS)
def test_it_opens_in_its_own_words(name: str) -> None:
    played = opened(name)
    for text in (played.takeaway, played.maths):
        assert not re.search(r"\bnan\b|\bNone\b(?! of)", text)
    assert played.takeaway.strip().endswith((".", "!", ")"))
    assert played.maths.count("$") % 2 == 0
    assert not re.search(r"\$[^$\n]*\u2068", played.maths), (
        "a formula that a value is put into is ours: else it is shown as code"
    )
    columns = played.table
    assert len({len(column) for column in columns.values()}) <= 1, "columns of one length"


@pytest.mark.parametrize("name", [each.id for each in measured() if each.judged])
def test_its_claim_has_a_verdict_that_is_computed(name: str) -> None:
    """A verdict says why and is made of numbers; at another setting they are others: nobody wrote it down."""
    verdict = opened(name).verdict
    assert verdict is not None and verdict.evidence, "it names the values that decide it"
    assert verdict.why and not verdict.why.endswith(".") and verdict.text.endswith(".")
    if all(isinstance(control, Text) for control in lesson(name).walk({})):
        return  # one recorded run, and nothing to set
    others = (other.verdict for other in elsewhere(name))
    assert any(other is not None and other != verdict for other in others), "the same whatever it is set to"


def elsewhere(name: str) -> Iterator[Played[Any]]:
    """The lesson at a few other settings, those of the examination's sample first; what it refuses is left out."""
    own = lesson(name)
    sample = islice(examined.drawn(own, 60), 7, None, 30)
    for settings in chain(sample, islice(examined.drawn(own, 40), 1, None, 5)):
        with suppress(Refusal):
            yield own.played(settings, Lab())


@pytest.mark.parametrize("name", MEASURED)
def test_it_is_said_shortly(name: str) -> None:
    told = (too_long(each.kind, each.text) for each in opened(name).statements(asked=False))
    assert not list(filter(None, told))


def test_only_what_trains_nothing_has_a_claim_that_no_run_decides() -> None:
    """It says why; and what is taken to a shelf of such lessons would have to give up its film first."""
    unjudged = [each for each in measured() if isinstance(each.verdict, Undecidable)]
    assert [each.id for each in unjudged if each.trains or each.film is not None or each.question is not None] == []
    assert all(each.verdict.why.endswith(".") for each in unjudged)  # type: ignore[union-attr]
    assert len(unjudged) <= len(measured()) / 8, "most of what is said here can be seen"


@pytest.mark.parametrize("name", [name for name in IDS if name not in SLOW])
def test_the_same_settings_give_the_same_record(name: str) -> None:
    own = lesson(name)
    again = own.played(own.settings(), Lab(Results())).film  # nothing is known there
    film = opened(name).film
    assert (film is None) == (again is None)
    if film is not None and again is not None:
        assert film.to_bytes() == again.to_bytes()


def whole(film: Film) -> None:
    """What a lesson's film promises beyond what the film checks when it is made: words at every frame, bands around.

    That its hero is one of its panels, whatever the lesson is set to, the film checks.
    """
    assert len(film.narration) == len(film.values)
    assert all(text.strip() and "nan" not in text for text in film.narration)
    assert all(text.strip() and "nan" not in text for told in film.phases for text in told)
    assert bool(film.phases) == any(isinstance(panel, Machine) for panel in film.panels), "slow motion is the machine's"
    for panel in film.panels:
        if isinstance(panel, Lines | Curves):
            for series in panel.series:
                if series.low is not None and series.high is not None:
                    known = np.isfinite(series.y)
                    assert (series.low <= series.y)[known].all() and (series.y <= series.high)[known].all()
        if isinstance(panel, Readout):
            assert not any("nan" in text for row in panel.rows for text in row.text)


def header_of(film: Film) -> dict[str, object]:
    def refuse(name: str) -> float:
        raise AssertionError(f"JSON.parse does not know {name}")

    data = film.to_bytes()
    return dict(json.loads(data[4 : 4 + int.from_bytes(data[:4], "little")], parse_constant=refuse))


def drawn(figure: go.Figure | None, *, numbers: bool = True) -> None:
    """A still figure has titles, and in every trace as many places as values; some are ``numbers`` where it learnt."""
    assert figure is not None and len(figure.data) > 0
    assert figure.layout.title.text or figure.layout.annotations
    seen = 0
    for trace in figure.data:
        x, y = (getattr(trace, axis, None) for axis in "xy")
        if x is not None and y is not None and trace.type == "scatter":
            assert len(x) == len(y), f"{trace.name}: {len(x)} places, {len(y)} values"
        values = getattr(trace, "z", None) if trace.type in ("heatmap", "contour") else y
        if values is not None:
            found = np.asarray(values, float)
            assert not np.isinf(found).any(), f"{trace.name} goes to infinity"
            seen += int(np.isfinite(found).sum())
    assert seen or not numbers or all(trace.y is None for trace in figure.data), "nothing is drawn"


@pytest.mark.parametrize("name", FILMS)
def test_its_film_is_whole_and_everything_in_it_has_an_id(name: str) -> None:
    film = opened(name).film
    assert film is not None
    whole(film)
    assert set(header_of(film)) == {"protocol", "film", "run", "axis"}
    assert lesson(name).hero, "it names the panel that proves its claim"
    for panel in film.panels:
        assert panel.id, f"{panel.title} has no id"
        assert all(part.id for part in panel.parts()), f"a part of {panel.id} has no id"
        if panel.kind == "bars":
            assert len(set(panel.bar_ids)) == len(panel.labels), f"the bars of {panel.id} have no ids"


@pytest.mark.parametrize("name", [name for name in FILMS if name not in SLOW])
def test_ids_do_not_hang_on_the_settings(name: str) -> None:
    """A deck names them: what a panel is called may change with the first control, what it is may not."""
    own, film = lesson(name), opened(name).film
    first = next((c for c in own.controls if isinstance(c, Choice)), None)
    if first is None or film is None:
        return
    other = own.play(**{first.id: first.options[-1]}).film
    assert other is not None
    ours, theirs = ({panel.id for panel in each.panels} for each in (film, other))
    assert ours == theirs


@pytest.mark.parametrize(
    ("name", "case"),
    [(name, case) for name in TRAINED for case in CASES if name not in SLOW or case != "too high a rate"],
)
def test_its_film_is_whole_where_training_fails(name: str, case: str) -> None:
    played = changed(name, **CASES[case])
    if played is None or played.film is None:
        return
    whole(played.film)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        data = played.film.to_bytes()
    body = np.frombuffer(data[4 + int.from_bytes(data[:4], "little") :], dtype="<f4")
    assert not np.isinf(body).any(), f"{np.isinf(body).sum()} of {len(body)} numbers overflowed on the way"
    header_of(played.film)
    for text in (played.takeaway, played.maths):
        assert "nan" not in text
    if lesson(name).prints:
        for theme in ("light", "dark"):
            drawn(played.figure(theme), numbers=False)


@pytest.mark.parametrize(
    ("name", "init"), [(name, init) for name in TRAINED if name not in SLOW for init in starts(name)]
)
def test_its_film_is_whole_from_every_start(name: str, init: str) -> None:
    played = changed(name, init=init)
    if played is not None and played.film is not None:
        whole(played.film)


@pytest.mark.parametrize("name", STILLS)
def test_its_still_figure_is_drawn_in_both_themes(name: str) -> None:
    light, dark = (opened(name).figure(theme) for theme in ("light", "dark"))
    drawn(light)
    drawn(dark)
    assert light != dark, "each theme has its own tones"


@pytest.mark.parametrize("name", [each.id for each in lessons() if each.exports is not None])
def test_it_says_what_can_be_taken_along(name: str) -> None:
    offered = opened(name).exports()
    assert isinstance(offered, (Run, tuple, Scripts))


def test_only_the_machine_begins_by_itself() -> None:
    assert [name for name in FILMS if opened(name).film.autoplay] == ["machine"]  # type: ignore[union-attr]


def test_the_machine_stands_two_rows_tall_beside_its_curves() -> None:
    film = opened("machine").film
    assert film is not None
    machine, *beside = film.panels
    assert isinstance(machine, Machine)
    assert (machine.row, machine.tall, machine.span) == (0, 2, 9)
    assert [(panel.row, panel.span) for panel in beside] == [(0, 3), (1, 3)]


@pytest.mark.parametrize(("d", "rank"), [(2, 1), (2, 2), (3, 1), (3, 2), (3, 3)])
def test_the_bottlenecks_films_are_whole_in_every_space(d: int, rank: int) -> None:
    film = lesson("bottleneck").play(d_in=d, rank=rank).film
    assert film is not None
    whole(film)


def test_every_start_and_variant_is_offered_somewhere() -> None:
    offered: dict[str, set[str]] = {"init": set(), "variant": set()}
    for own in measured():
        for control in own.walk({c.id: c.usual(own.default) for c in own.controls if not callable(c)}):
            if isinstance(control, Choice) and control.names_of in offered:
                offered[control.names_of] |= set(control.options)
    assert offered["variant"] >= set(CHOICES["variant"])
    # Small, of another variance, full fine-tuning: raced beside others, chosen by nobody.
    assert set(CHOICES["init"]) - offered["init"] == {"A_zero_small", "kaiming_variance", "identity"}


def test_titles_are_said() -> None:
    assert len({say(own.title) for own in lessons()}) == len(lessons())
    assert len({say(own.menu) for own in lessons()}) == len(lessons())


def test_a_lesson_is_found_or_refused_by_name() -> None:
    assert isinstance(lesson("rank"), Lesson)
    with pytest.raises(KeyError, match="rankk is not a lesson: there are start, "):
        lesson("rankk")
