"""Ids in the link, names on the screen: in the visitor's language, which goes along and changes no setting."""

from __future__ import annotations

import re
from threading import Thread
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from lora_viz.core.experiment import CHOICES
from lora_viz.i18n import language
from lora_viz.i18n.language import languages, say, speak
from lora_viz.lessons.controls import Choice
from lora_viz.lessons.names import NAMES
from lora_viz.lessons.walk import lessons, sections
from lora_viz.ui.asking import LONG_LIST, _Answers
from lora_viz.ui.contents import link_to
from lora_viz.ui.state import key_of
from tests.test_pages import ROOT, opened, widget, words

GERMAN = {
    "B = 0": "B null",
    "A = 0": "A null",
    "Optimiser": "Optimierer",
    "Learning rate η": "Lernrate η",
    "Rank and error": "Rang und Fehler",
    "Inside a LoRA layer": "In einer LoRA-Schicht",
    "one sample": "ein Beispiel",
    "two samples": "zwei Beispiele",
    "quarter turn": "Vierteldrehung",
    "flat": "flach",
    "newcomer": "neu hier",
    "Gradients of A and B: which factor moves first?": "Gradienten von A und B: Welcher Faktor bewegt sich zuerst?",
}


@pytest.fixture(autouse=True)
def german(monkeypatch: pytest.MonkeyPatch) -> None:
    """A small catalogue, so that the tests do not depend on how far the translator is."""
    monkeypatch.setattr(language, "catalogue", lambda code: GERMAN if code == "de" else {})


def app(**query: str) -> AppTest:
    at = AppTest.from_file(str(ROOT / "lora_viz" / "ui" / "navigation.py"), default_timeout=60)
    for key, value in query.items():
        at.query_params[key] = value
    at.run()
    assert not at.exception, at.exception[0].value
    return at


def link(at: AppTest) -> dict[str, Any]:
    return {name: value[0] if len(value) == 1 else value for name, value in at.query_params.items()}


def letters(value: object) -> bool:
    return bool(re.search(r"[A-Za-z]{2}", str(value))) and not isinstance(value, (float, bool))


def every_choice() -> list[Choice]:
    """Every choice of every lesson, as the lesson opens."""
    found = []
    for each in lessons():
        answers: dict[str, Any] = {}
        for control in each.walk(answers):
            answers[control.id] = control.usual(each.default)
            found += [control] if isinstance(control, Choice) else []
    return found


# Choices whose answers are names already: of models, layers, formats, files.
OWN_NAMES = {
    "precision",
    "layer",
    "layer_shape",
    "adapter",
    "first",
    "second",
    "keep",
    "extract_rank",
    "filled",
    "weight_format",
}


def test_every_answer_in_words_has_a_name_of_its_own() -> None:
    for name, choices in CHOICES.items():
        assert set(choices) <= set(NAMES[name])
    for control in every_choice():
        unnamed = [o for o in control.options if letters(o) and not control.named(o, "")]
        assert not unnamed or len(control.options) > LONG_LIST or control.id in OWN_NAMES, (control.id, unnamed)
    for names in NAMES.values():
        assert len(set(names.values())) == len(names), "two pills with one name could not be told apart"
        assert all(len(name) <= 20 and "_" not in name for name in names.values()), "short enough for a pill"


def test_a_control_names_its_answers_in_the_language_that_is_spoken() -> None:
    control = Choice(id="made_up", label="?", options=("a", 2), names={"a": "B = 0"})
    assert (control.named("a", "a"), control.named(2, "2.0")) == ("B = 0", "2.0")
    assert control.only("a").named("a", "a") == "B = 0", "a question with fewer answers keeps their names"
    with speak("de"):
        assert control.named("a", "a") == "B null"


@pytest.mark.parametrize("lang", ["en", "de"])
def test_the_link_holds_ids_in_every_language(lang: str) -> None:
    at = opened("gradient_flow", lang=lang)
    start = widget(at, "init")
    assert start.options[:2] == (["B null", "A null"] if lang == "de" else ["B = 0", "A = 0"])
    with speak(lang):  # the test writes on the wire what a browser would: the names on the screen
        start.set_value("A_zero").run()
        at.select_slider(key="lr").set_value(0.05).run()
        assert not at.exception
        assert link(at) == {"init": "A_zero", "lr": "0.05", "lang": lang}
        widget(at, "init").set_value("B_zero").run()
    assert "init" not in link(at), "a link says only what is not the default"


def test_labels_are_said_and_notices_name_ids() -> None:
    at = opened("gradient_flow", lang="de", init="null", lr="0.05")
    assert widget(at, "optimizer").label == "Optimierer"
    assert widget(at, "lr").label == "Lernrate η"
    assert at.warning[0].value.startswith("init=null is not possible in this lesson. Valid values: B_zero, A_zero,")
    assert "init" not in link(at) and link(at)["lr"] == "0.05"


def test_a_page_without_an_experiment_keeps_its_link_too() -> None:
    at = opened("follow", lang="de", example="two_samples")
    samples = widget(at, "example")
    assert (samples.value, samples.options[:2]) == ("two_samples", ["ein Beispiel", "zwei Beispiele"])
    with speak("de"):
        samples.set_value("printed_rows").run()
        assert link(at)["example"] == "printed_rows"
        at.text_area(key="printed_rows_x").set_value("[1, 2, 0, 0]").run()
    assert link(at)["printed_rows_x"] == "[1, 2, 0, 0]"
    wrong = opened("follow", one_sample_lr="nan")
    assert [w.value for w in wrong.warning] == [
        "one_sample_lr=nan is not possible in this lesson. Valid values: 0 to 100. Showing 0.1 instead."
    ]


def test_switches_and_lists_stand_in_the_link() -> None:
    at = opened("config_card", use_dora="true", targets="k_proj")
    assert at.toggle(key="use_dora").value is True
    assert "use_dora=True" in at.code[0].value
    assert list(widget(at, "targets").value) == ["k_proj"]
    at.toggle(key="use_dora").set_value(False).run()
    assert "use_dora" not in link(at)
    widget(at, "targets").set_value([]).run()
    assert link(at)["targets"] == "", "none at all is not the default"
    widget(at, "targets").set_value(["q_proj", "c_attn"]).run()
    assert at.query_params["targets"] == ["q_proj", "c_attn"]
    maybe = opened("config_card", use_dora="maybe")
    said = "use_dora=maybe is not possible in this lesson. Valid values: true, false. Showing false instead."
    assert maybe.warning[0].value == said


def test_a_number_keeps_the_words_of_the_link() -> None:
    at = opened("rank", noise="0.70")
    assert link(at) == {"noise": "0.70"}
    at.button(key="new_seed").click().run()
    assert link(at) == {"noise": "0.70", "seed": "1"}


def test_the_language_is_chosen_on_the_page_and_keeps_the_settings() -> None:
    at = app(init="A_zero", lr="0.1", level="newcomer")
    choice = widget(at, "lang")
    assert (choice.value, choice.options) == ("en", ["EN", "DE"])
    assert "lang" not in link(at)
    widget(at, "rank").set_value(3).run()
    before = words(at)
    widget(at, "lang").set_value("de").run()
    assert not at.exception
    assert widget(at, "init").options[0] == "B null"
    assert [widget(at, key).value for key in ("init", "lr", "rank", "level")] == ["A_zero", 0.1, 3, "newcomer"]
    assert words(at) == before, "the same experiment, whose sentences nobody has translated here"
    assert link(at) == {"init": "A_zero", "lr": "0.1", "rank": "3", "level": "newcomer", "lang": "de"}
    widget(at, "lang").set_value("en").run()
    assert link(at)["lang"] == "en", "asked for: whoever opens the link reads English, whatever the browser's language"


def test_a_title_in_another_language_is_the_same_lesson() -> None:
    at = opened("gradient_flow", lr="0.1", lang="de")
    assert at.title[0].value == GERMAN["Gradients of A and B: which factor moves first?"]
    assert at.session_state[key_of(_Answers)].lesson == "gradient_flow"


def test_a_language_that_is_not_there_is_said() -> None:
    at = app(lang="<script>")
    (said,) = at.warning
    assert said.value == "`lang=<script>` is not a language here. Valid values: en, de. Showing English instead."
    assert widget(at, "lang").value == "en"
    assert "lang" not in link(at)
    assert app(lang="de", deck="five_minutes", scene="1").title[0].value
    assert not [w for w in app(lang="de", deck="five_minutes").button_group if w.key == "lang"], "not on a projector"


def test_with_one_language_there_is_no_choice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lora_viz.ui.visitor_language.languages", lambda: {"en": "English"})
    assert not [w for w in app().button_group if w.key == "lang"]


@pytest.mark.parametrize(("locale", "spoken"), [("de-AT", "de"), ("fr-FR", "en"), ("", "en"), ("DE", "de")])
def test_the_browsers_language_is_the_first_guess(monkeypatch: pytest.MonkeyPatch, locale: str, spoken: str) -> None:
    monkeypatch.setattr("streamlit.runtime.context.ContextProxy.locale", property(lambda self: locale))
    at = app()
    assert widget(at, "lang").value == spoken
    assert link(at).get("lang", "en") == spoken
    assert widget(app(lang="en"), "lang").value == "en", "who asked for English gets it"


def test_links_to_pages_carry_the_language() -> None:
    assert link_to("rank") == "[Rank and error](rank)"
    at = opened("challenges", lang="de")
    with speak("de"):
        assert link_to("rank?noise=0") == "[Rang und Fehler](rank?noise=0&lang=de)"
        assert link_to("machine") == "[In einer LoRA-Schicht](machine?lang=de)"
    assert "?lang=de)" in " ".join(m.value for m in at.markdown)
    glossary = " ".join(m.value for m in opened("rank", lang="de", level="newcomer").markdown)
    assert "](glossary?lang=de#" in glossary and "](glossary#" not in glossary
    assert "](digits?lang=de)" in " ".join(m.value for m in opened("minilm", lang="de").markdown)
    page = opened("mistake", lang="de")
    assert "](follow?example=printed_rows&lang=de)" in " ".join(m.value for m in page.markdown)


def test_where_nobody_is_there_english_is_spoken() -> None:
    said: list[str] = []
    thread = Thread(target=lambda: said.append(say("B = 0")))
    thread.start()
    thread.join()
    assert said == ["B = 0"] and say("A = 0") == "A = 0"


@pytest.mark.parametrize("code", list(languages()))
def test_no_two_sections_and_no_two_pages_have_one_name(code: str) -> None:
    with speak(code):
        headings = [say(section.title) for section, _ in sections().values()]
        titles = [say(each.menu) for each in lessons()]
    assert len(set(headings)) == len(headings) and len(set(titles)) == len(titles)
