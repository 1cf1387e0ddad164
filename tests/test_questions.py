"""After each lesson one question: asked of the lesson as it opens, answered by another route, and its score kept."""

from __future__ import annotations

import math
from fractions import Fraction
from string import Formatter

import numpy as np
import pytest
import streamlit as st
from playwright.sync_api import Browser, expect
from streamlit.testing.v1 import AppTest

from lora_viz.content.questions import Answered, Measured, Question, Seen, Unanswerable, answer, shown
from lora_viz.core.experiment import Experiment
from lora_viz.film.film import Film
from lora_viz.film.panels import Lines, Series
from lora_viz.i18n import language
from lora_viz.i18n.language import say
from lora_viz.lessons.lesson import Played
from lora_viz.lessons.walk import lesson
from lora_viz.lessons.walk import measured as every
from lora_viz.ui.pages import FOLDER
from lora_viz.ui.questions import _Score
from lora_viz.ui.state import key_of
from tests.small import SLOW
from tests.test_language import Bracketed, unsaid

ASKING = [each.id for each in every() if each.question is not None]


def asked_of(name: str, **link: str) -> Answered:
    asked = lesson(name).read(link).ask()
    assert asked is not None
    return asked


def measured(name: str, **link: str) -> tuple[Seen, Measured]:
    """What is on the screen at these settings, and what the question finds there."""
    played: Played[object] = lesson(name).read(link)
    question = played.lesson.question
    assert question is not None and played.film is not None
    settings = tuple(sorted((key, str(value)) for key, value in played.link.items()))
    seen = Seen(played.film, played.settings.experiment, settings)
    found = question.again(seen.experiment, settings) if question.again else None
    return seen, question.measure(seen, found)


def test_every_lesson_with_a_film_asks_and_no_other() -> None:
    assert [each.id for each in every() if each.film is not None] == ASKING


@pytest.mark.parametrize("name", ASKING)
def test_a_lesson_can_answer_its_question_as_it_opens(name: str) -> None:
    asked = asked_of(name)
    assert len(set(asked.choices)) == len(asked.choices) >= 3, "choices that are printed alike are no choices"
    assert asked.text.endswith("?") and asked.why.endswith(".") and asked.told.endswith(".")
    assert not any(mark in asked.text + asked.told + asked.why for mark in "{}")
    assert "nan" not in (asked.text + asked.told).split() and "—" not in (*asked.choices, asked.told)


@pytest.mark.parametrize("name", ASKING)
def test_another_seed_and_another_language_change_no_question(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A language of nothing but brackets: the film is found all the same, and no word of the question is left out."""
    monkeypatch.setattr(language, "catalogue", lambda code: Bracketed() if code == "xx" else {})
    with language.speak("xx"):
        asked = asked_of(name, **({"seed": "7"} if lesson(name).seeded and name not in SLOW else {}))
    assert len(set(asked.choices)) == len(asked.choices) >= 3
    assert not [text for text in (asked.text, asked.told, asked.why, *asked.choices) if unsaid(text)]


@pytest.mark.parametrize("name", ASKING)
def test_the_text_is_one_sentence_with_its_values(name: str) -> None:
    """No position, no format that a translator could not keep; the why needs no value."""
    question = lesson(name).question
    assert question is not None
    fields = [field for _, field, _, _ in Formatter().parse(question.text) if field is not None]
    assert all(field.isidentifier() for field in fields)
    assert "{" not in question.why


# What must come out at other settings than the lesson's own too, by mathematics that the core has no part in.
@pytest.mark.parametrize(
    ("name", "query", "expected"),
    [
        ("machine", {}, "12"),  # B is 6×2
        ("machine", {"rank": "3"}, "18"),
        ("machine", {"init": "A_zero"}, "16"),  # A is 2×8
        ("machine", {"init": "both_zero"}, "0"),
        ("rank", {}, "4"),
        ("rank", {"target_rank": "2"}, "2"),
        ("rank", {"target_rank": "6", "noise": "0"}, "6"),
        ("gradient_flow", {}, "A alone"),
        ("gradient_flow", {"init": "A_zero"}, "B alone"),
        ("matrix", {}, "1"),
        ("matrix", {"matrix": "own", "own_matrix": "1 0 0; 0 1 0"}, "2"),
        ("truncation", {"shape_of_spectrum": "flat"}, f"{1 / math.sqrt(23):.3g}"),
        ("truncation", {"shape_of_spectrum": "power"}, f"{1 / math.sqrt(sum(1 / i**2 for i in range(1, 24))):.3g}"),
        ("storage", {}, f"{float(Fraction(82 * 62, 82 + 62)):.3g}"),
        ("storage", {"layer_shape": "4096×4096"}, "4096"),
        ("gauge", {}, "100"),
        ("subspace", {"rank": "2"}, "2"),
        ("subspace", {"rank": "4"}, "4"),
        ("few_numbers", {}, str(next(k for k in range(65) if math.sqrt(1 - k / 64) <= 0.1))),
        ("autoencoder", {}, "the axes about 0"),
        ("autoencoder", {"centred": "not centred"}, "both: they are the same"),
        ("init_size", {}, f"{1 / 16:.3g}"),
        ("alpha", {}, "0.5"),
        ("alpha", {"optimizer": "adam"}, "1"),
        ("wake_up", {}, "2"),
        ("wake_up", {"optimizer": "adam"}, "1"),
        ("rank_over_time", {"optimizer": "adam"}, "2"),
        ("scaling", {}, "constant"),  # theory: Adam, std 1/r
        ("learns_forgets", {}, "64"),
        ("capacity", {}, "4"),  # 1024 bits in 256 numbers a rank
        ("cost", {"layer": "64×64"}, f"{100 * 16 * (1 / 128 + 1 / 128):.3g} %"),
    ],
)
def test_the_answer_is_what_another_route_says(name: str, query: dict[str, str], expected: str) -> None:
    asked = asked_of(name, **query)
    assert asked.choices[asked.right] == expected


def right(name: str, **link: str) -> float:
    asked = asked_of(name, **link)
    mantissa, _, power = asked.choices[asked.right].removesuffix(" %").partition("·10")
    exponent = int(power.translate(str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789")) or "0")
    return float(mantissa.replace("−", "-").replace(",", "")) * 10**exponent


def test_three_bits_are_a_factor_of_eight() -> None:
    assert right("merge") == pytest.approx(1e-3 / 8, rel=0.15)


def test_a_start_of_half_the_size_is_a_quarter_of_the_product() -> None:
    _, found = measured("init_race")
    assert right("init_race") == pytest.approx(float(found.about["whole"]) / 4, rel=0.01)


def test_waiting_grows_with_the_logarithm_of_the_start() -> None:
    """c ∝ ε² e^(2ηsσt): a tenth of ε costs ln(10)·2/(2ηsσ₁) steps; η = 0.05, s = 1, σ₁ = 4, discrete steps 1 + ηsσ."""
    _, found = measured("saddles")
    expected = math.log(100) / (2 * math.log(1 + 0.05 * 4))
    assert right("saddles") - float(found.about["now"]) == pytest.approx(expected, rel=0.1)


def test_the_trace_is_kept_by_small_steps() -> None:
    for lr in ("0.01", "0.05"):
        about = measured("balance", lr=lr)[1].about
        assert right("balance", lr=lr) == pytest.approx(float(about["a"]) - float(about["a0"]), rel=0.05)


def test_orthogonal_updates_add_as_pythagoras_says() -> None:
    """The norm of a sum of two lies between their root of squares and what a cosine of 0.1 adds."""
    about = measured("two_adapters")[1].about
    one, two = (float(about[key]) for key in ("one", "two"))
    assert right("two_adapters") == pytest.approx(math.hypot(one, two), rel=0.1)


def film(**series: list[float]) -> Film:
    curves = tuple(Series(id, id, "ink", np.array(y, float)) for id, y in series.items())
    panel = Lines("loss", "Loss", series=curves, y_label="", span=12)
    return Film(axis="step", values=np.arange(3.0), panels=(panel,), start=0)


def asks(value: float | str, *mistakes: float | str, unit: str = "") -> Answered:
    question = Question("How many?", "So.", lambda seen, _: Measured(value, mistakes, "It is so.", unit=unit))
    return answer(question, Seen(film(a=[1, 2, 3]), Experiment()), lambda make, *given: make(*given))


def test_choices_differ_and_none_is_nearly_right() -> None:
    assert asks(0.5, 0.51, 0.25, 0.2501, 2.0).choices == ("0.25", "0.5", "2")
    assert asks(4, 4, 5, 24).choices == ("4", "5", "24")
    assert asks(3, 3, 3).choices == ("3", "4", "6"), "where mistakes coincide, others are asked"
    assert asks(0, float("nan"), float("inf")).choices == ("0", "0.5", "1")
    assert asks(0.001, 0.001).choices == ("5.00·10⁻⁴", "0.001", "0.002")
    assert asks(12, 15000, 3, unit=" %").choices == ("3 %", "12 %", "15,000 %")
    for value in (0.5, 3, 0, 7e-9, "both"):
        asked = asks(value, 0.25, "neither" if isinstance(value, str) else 4)
        assert asked.choices[asked.right] == (
            value if isinstance(value, str) else asks(value).choices[asks(value).right]
        )


def test_words_keep_one_order_whichever_is_right() -> None:
    words = ("both", "A alone", "neither")
    orders = {asks(one, *words).choices for one in words}
    assert len(orders) == 1
    assert {asks(one, *words).right for one in words} == {0, 1, 2}


def test_what_has_no_value_is_said_not_asked() -> None:
    with pytest.raises(Unanswerable, match="nothing to measure"):
        asks(float("nan"), 1)
    for panel, part in (("gone", ""), ("loss", "b")):
        with pytest.raises(Unanswerable, match="does not show"):
            shown(film(a=[1, 2, 3]), panel, part)
    with pytest.raises(Unanswerable, match="no setting layer"):
        Seen(film(a=[1, 2, 3]), Experiment()).setting("layer")


def test_a_part_is_read_by_its_id() -> None:
    assert shown(film(one=[1, 2, 3], one_and_two=[9, 9, 9]), "loss", "one").tolist() == [1, 2, 3]


def opened(name: str, *, unfolded: bool = True, **query: str) -> AppTest:
    at = AppTest.from_file(str(FOLDER / f"{name}.py"), default_timeout=60)
    for key, value in query.items():
        at.query_params[key] = value
    if unfolded:
        at.session_state[f"after_{name}"] = True
    at.run()
    assert not at.exception
    return at


def words(at: AppTest) -> str:
    return " ".join(element.value for element in (*at.markdown, *at.success, *at.info, *at.caption))


def folds(at: AppTest) -> list[str]:
    return [box.label for box in at.expander]


@pytest.mark.parametrize("name", ["rank", "wake_up"])
def test_nothing_is_told_before_an_answer_and_the_first_one_counts(name: str) -> None:
    asked = asked_of(name)
    at = opened(name)
    assert asked.text in words(at) and asked.told not in words(at) and asked.why not in words(at)
    (question,) = at.radio
    assert question.value is None and tuple(question.options) == asked.choices
    wrong = next(choice for i, choice in enumerate(asked.choices) if i != asked.right)
    question.set_value(wrong).run()
    assert asked.told in words(at) and asked.why in words(at)
    assert f"You said {wrong}; measured was {asked.choices[asked.right]}" in at.info[0].value
    at.radio[0].set_value(asked.choices[asked.right]).run()
    assert at.success[0].value.startswith(f"Yes, {asked.choices[asked.right]}.")
    assert f"1 of {len(ASKING)} lessons answered, 0 as measured at once." in words(at)


def test_other_settings_ask_anew_and_keep_the_score() -> None:
    at = opened("rank")
    at.radio[0].set_value("4").run()
    assert "1 as measured at once" in words(at)
    at.select_slider(key="target_rank").set_value(2).run()
    assert not at.exception
    assert at.radio[0].value is None and not at.success, "another question, unanswered"
    at.button(key="new_seed").click().run()
    assert not at.exception
    wrong = next(choice for choice in at.radio[0].options if choice != "2")
    at.radio[0].set_value(wrong).run()
    assert f"1 of {len(ASKING)} lessons answered, 1 as measured at once." in words(at)


def test_folded_it_costs_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: object) -> Answered:
        raise AssertionError("asked before it was opened")

    monkeypatch.setattr(Played, "ask", never)
    assert "Before you go: one question" in folds(opened("saddles", unfolded=False))


def test_on_a_projector_and_in_another_page_nothing_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not any("Before you go" in fold for fold in folds(opened("rank", deck="five_minutes", scene="1")))
    monkeypatch.setattr(type(st.context), "is_embedded", property(lambda self: True))
    assert not any("Before you go" in fold for fold in folds(opened("rank")))


def test_a_question_without_an_answer_is_said() -> None:
    at = opened("bottleneck", rank="3")
    assert not at.radio
    assert "Lower the rank" in at.info[0].value


def test_the_quiz_lists_the_lessons() -> None:
    at = AppTest.from_file(str(FOLDER / "quiz.py"), default_timeout=60)
    at.session_state[key_of(_Score)] = _Score(given={"rank": True, "merge": False})
    at.session_state["lessons_answered"] = True
    at.run()
    assert not at.exception
    assert f"2 of {len(ASKING)} lessons answered, 1 as measured at once." in folds(at)
    buttons = {button.key for button in at.button}
    assert {f"to_{name}" for name in ASKING} <= buttons
    icons = {button.key: button.icon for button in at.button if button.key in ("to_rank", "to_merge", "to_dora")}
    assert icons == {"to_rank": ":material/check:", "to_merge": ":material/search:", "to_dora": ""}
    heard = "".join(element.proto.body for element in at.get("html"))
    assert f"{say(lesson('rank').menu)}: answered as measured" in heard
    assert f"{say(lesson('merge').menu)}: answered otherwise." in heard
    assert "DoRA: answered" not in heard


def test_in_a_browser_the_score_goes_along(browser: Browser, address: str) -> None:
    """The question is opened and answered while the picture stays, and the quiz leads back within the session."""
    context = browser.new_context(viewport={"width": 1280, "height": 720})
    tab = context.new_page()
    try:
        tab.goto(f"{address}/merge")
        fold = tab.get_by_text("Before you go: one question")
        expect(fold).to_be_visible(timeout=60_000)
        player = tab.locator("[data-frame]").first
        expect(player).to_be_visible(timeout=30_000)  # what is clicked while the page is still being drawn is lost
        expect(tab.get_by_test_id("stStatusWidget")).to_have_count(0, timeout=30_000)
        fold.click()
        group = tab.get_by_test_id("stRadio")
        expect(group).to_be_visible(timeout=20_000)
        frame = player.get_attribute("data-frame")
        group.get_by_text("3.33·10⁻⁴").click()
        expect(tab.get_by_text("You said 3.33·10⁻⁴; measured was 1.23·10⁻⁴.")).to_be_visible(timeout=20_000)
        assert player.get_attribute("data-frame") == frame
        tab.get_by_text("Start", exact=True).first.click()
        tab.get_by_text("Quiz", exact=True).first.click()
        expect(tab.get_by_role("heading", name="Quiz: what would you have said?")).to_be_visible(timeout=20_000)
        # The lesson's own score reads the same until it is gone: the fold is the quiz's.
        answered = tab.locator("summary", has_text=f"1 of {len(ASKING)} lessons answered, 0 as measured at once.")
        expect(answered).to_be_visible(timeout=20_000)
        answered.click()
        tab.get_by_role("button", name="Truncated SVD").click()
        expect(
            tab.get_by_role("heading", name="Truncated SVD: can you beat it, and does it remove noise?")
        ).to_be_visible(timeout=20_000)
    finally:
        context.close()
