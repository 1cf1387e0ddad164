"""A sample of `make examine`: what is finished says nothing false at a few settings; and the search finds faults."""

from __future__ import annotations

from itertools import islice

import pytest

from lora_viz.i18n.language import say, speak
from lora_viz.lessons.lab import Lab
from lora_viz.lessons.statements import false_here, true_here, undecided
from lora_viz.lessons.walk import lesson, measured
from tests.examination.examination import examine
from tests.examination.predicates.registry import predicates_of
from tests.examination.settings import drawn
from tests.examination.texts import Watched, faults, sentence_count, too_long, word_count
from tests.small import SLOW

QUICK = [each.id for each in measured() if each.id not in SLOW]


@pytest.mark.parametrize("name", QUICK)
def test_nothing_false_is_said(name: str) -> None:
    own = lesson(name)
    for i, settings in enumerate(islice(drawn(own, 60), 7, None, 30)):
        lab = Lab()
        found = examine(own, settings, lab, asked=False)
        assert not found.faults, f"{found.at}: {found.faults}"
        if i == 0:  # the same record in German: numbers with a comma, sentences without an open place
            with speak("de"):
                found = examine(own, settings, lab, asked=False, lengths=False)
            assert not found.faults, f"German, {found.at}: {found.faults}"


def test_every_verdict_has_a_predicate_of_its_own() -> None:
    """Written from the run, in another file, by another way than the lesson's own."""
    judged = [each.id for each in measured() if each.judged]
    assert [name for name in judged if predicates_of(name).claim is None] == []


def test_settings_are_many_different_and_the_same_every_time() -> None:
    own = lesson("rank")
    first, again = (list(drawn(own, 300)) for _ in range(2))
    assert first == again and len(set(first)) == 300
    assert first[0] == own.settings()
    assert len({settings["seed"] for settings in first}) > 50
    for control in own.walk({}):
        if control.id != "seed":
            assert {settings[control.id] for settings in first} >= set(getattr(control, "options", ()))
    assert len(list(drawn(lesson("glossary"), 300))) < 300, "all that there are"


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("The loss is nan.", "not a number"),
        ("It fell by −0.0 %.", "minus zero"),
        ("It grows up to 1× the floor.", "one times"),
        ("1 adapters diverged.", "plural of one"),
        ("It was behind in 1 seeds of 8.", "plural of one"),
        ("1 were left.", "plural verb"),
        ("Of 9 adapters 1 are good.", "plural verb"),
        ("Remaining loss: rank 1 1, rank 4 0.3.", "two numbers"),
        ("In 3 seed of 8.", "singular of many"),
        ("It is 1.26, against 1.26 at r = 1.", "compared with itself"),
        ("Rank 2 (2 to 2).", "compared with itself"),
        ("It never moved and never learnt.", "never"),
        ("It won in 9 of 8 draws.", "outside its range"),
        ("Ranks with  found .", "a gap"),
        ("Rank {rank} is left.", "an open place"),
    ],
)
def test_the_search_finds(text: str, fault: str) -> None:
    assert any(fault in found for found in faults(text)), text


def test_the_search_finds_a_point_where_german_is_read() -> None:
    with speak("de"):
        for text in ("Es blieben 0.5 übrig.", "Der Verlust ist 1,5, 2,5 und 3."):
            assert any("decimal" in found for found in faults(text)), text
        for text in ("0.125", "Es blieben 0,5 übrig (arXiv 2507.05668, PEFT 0.21, §7.2, `0.5`, [0,5](rank?lr=0.5))."):
            assert not list(faults(text)), text
    assert not list(faults("It is 0.5."))


@pytest.mark.parametrize(
    "text",
    [
        "Rank 1 leaves 0.3 of the error; rank 1 to 4 were trained.",
        "B is 1×8, A is 6×1, ‖ΔW‖ = 1·‖W‖.",
        "It took 1.1× as long, 10 to 12 steps, in 3 of 8 seeds.",
        "$\\mathrm{nan} = {1}$ and `nan`: from 0 to 0.5, from 1 to 1.5.",
        "1 of 2 directions lies in ker A. It rose from −0.5 to −0.25.",
    ],
)
def test_what_is_right_is_left_alone(text: str) -> None:
    assert not list(faults(text)), text


def test_a_number_that_is_rounded_to_nothing_is_noticed() -> None:
    with Watched() as watched:
        assert say("{share:.0f} % is left", share=0.3) == "0 % is left"
        say("{share:.0f} % is left", share=0.0)
        say("{share:.0f} % is left", share=0.7)
    assert len(watched.vanished) == 1 and "0.3" in watched.vanished[0]
    say("{share:.0f} % is left", share=0.2)
    assert len(watched.vanished) == 1, "only while it watches"


def test_lengths_are_counted_as_a_reader_does() -> None:
    assert word_count("At r = 2, $a + b$ is **half** of ‖ΔW‖² — measured.") == 9
    assert sentence_count("A fell. B (0.5) rose! Did s = 1.5 change? ‖ΔW‖ did, e.g. here.") == 4
    assert not too_long("narration", " ".join(["word"] * 18)) and too_long("narration", " ".join(["word"] * 19))
    assert too_long("takeaway", "One. Two. Three. Four.") and not too_long("maths", " ".join(["word"] * 400))


def test_a_verdict_is_a_sentence() -> None:
    assert true_here("b was 0", b=0).text == "Holds in this run: b was 0."
    assert false_here("both factors move after step 1").text == "Not here: both factors move after step 1."
    assert undecided("nothing was trained").text == "This run cannot tell: nothing was trained."
    assert true_here("b was 0", b=0) != true_here("b was 0", b=1), "the evidence counts"
