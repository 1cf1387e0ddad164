"""The glossary: every word is there, is found in running text only, and never changes a number."""

import re

import pytest
from streamlit.testing.v1 import AppTest

from lora_viz.content.glossary import LEVELS, TERMS, by_letters, mark
from lora_viz.i18n import language
from lora_viz.i18n.language import languages, speak
from lora_viz.i18n.outside import plain
from lora_viz.lessons.parts import Columns, Heading, Notice, Prose
from lora_viz.lessons.reference.glossary import LESSON
from lora_viz.lessons.walk import lessons, measured
from lora_viz.ui.pages import FOLDER

LINK = re.compile(r"\[([^]]*)\]\(glossary#([a-z0-9-]*)\)")
DEMANDED = (
    *("rank", "column space", "null space", "singular value", "Frobenius norm", "Eckart–Young", "outer product"),
    *("frozen", "adapter", "down-projection", "up-projection", "scale s", "effective rank", "upstream gradient"),
    *("merge", "quantisation", "isotropic", "gauge", "stable rank"),
)


def test_every_word_is_there_once_and_is_shown_somewhere() -> None:
    names = [term.name for term in TERMS]
    assert set(DEMANDED) <= set(names)
    assert len({term.key for term in TERMS}) == len(TERMS)
    forms = [form.lower() for term in TERMS for form in term.forms() if form not in ("A", "B")]
    assert len(set(forms)) == len(forms), "a form means one thing"
    pages = {each.id for each in (*lessons(), *measured())}
    for term in TERMS:
        assert term.page in pages
        assert term.level in LEVELS
        assert term.says.endswith(".") and len(term.says) < 140, term.name
        assert '"' not in term.says and "<" not in term.says
        assert term.forms()[0] == term.name, "its own name is the first of its forms"


def test_the_first_use_in_running_text_is_marked() -> None:
    text = "An effective rank and a rank, two ranks.\n\n$\\mathrm{rank}(M)$ `rank` [rank](matrix)\n# rank\n| rank | 1 |"
    marked, terms = mark(text, "newcomer")
    assert [term.name for term in terms] == ["effective rank", "rank"]
    assert LINK.findall(marked) == [("effective rank", "effective-rank"), ("rank", "rank")]
    assert LINK.sub(r"\1", marked) == text
    again, none = mark(text, "newcomer", {"rank", "effective-rank"})
    assert (again, none) == (text, ())


@pytest.mark.parametrize(
    "text", ["low-rank", "LoRAX", "ranking", "B and A, W, ΔW", "$$\nrank\n$$", "![rank](rank.png)"]
)
def test_what_is_no_term_is_left_alone(text: str) -> None:
    assert mark(text, "newcomer") == (text, ())


def test_who_knows_more_is_told_less() -> None:
    text = " ".join(term.name for term in TERMS)
    counts = [len(mark(text, level)[1]) for level in LEVELS]
    assert counts == sorted(counts, reverse=True)
    assert min(counts) > 0


GERMAN = {
    "rank": "Rang",
    "rank|ranks": "Rang|Ränge|Rangs|Rängen",
    "effective rank|": "effektiver Rang|effektive Rang|effektiven Rang",
    "gradient|gradients": "Gradient|Gradienten",
    "step|steps": "Schritt|Schritte",
    "merge|merged|merging|unmerged": "verschmelzen|verschmolzen",
}


def test_a_text_is_marked_by_the_forms_of_its_own_language(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(language, "catalogue", lambda code: GERMAN if code == "de" else {})
    text = (
        "Die Ränge zweier Updates: Zielrang, Rangschranke und Rang-1-Schicht sind keine Wörter, die Gradienten schon. "
        "Der effektive Rang wächst mit jedem Schritt; [Verschmelzen](merge), verschmolzen, `Rang`, step and ranks."
    )
    with speak("de"):
        marked, terms = mark(text, "newcomer")
    assert LINK.findall(marked) == [
        ("Ränge", "rank"),
        ("Gradienten", "gradient"),
        ("effektive Rang", "effective-rank"),
        ("Schritt", "step"),
        ("verschmolzen", "merge"),
    ]
    assert LINK.sub(r"\1", marked) == text
    assert [term.key for term in terms] == [key for _, key in LINK.findall(marked)]
    assert [term.name for term in terms][:2] == ["Rang", "gradient"], "said where it is translated"
    assert mark(text, "newcomer")[1] != terms, "English is asked anew"


@pytest.mark.parametrize("code", languages())
def test_a_form_means_one_thing_in_every_language(code: str) -> None:
    with speak(code):
        forms = [form.lower() for term in TERMS for form in term.forms() if form not in ("A", "B")]
        assert len(set(forms)) == len(forms), sorted(form for form in forms if forms.count(form) > 1)
        for term in TERMS:
            assert term.forms(), term.name
            assert all(form == form.strip() for form in term.forms()), term.name


def test_words_stand_as_in_a_dictionary() -> None:
    assert sorted(["Übergang", "Zahl", "Ziel", "unten", "Änderung", "Anteil"], key=by_letters) == [
        *("Änderung", "Anteil", "Übergang", "unten", "Zahl", "Ziel")
    ]


def opened(name: str, **query: str) -> AppTest:
    at = AppTest.from_file(str(FOLDER / f"{name}.py"), default_timeout=60)
    for key, value in query.items():
        at.query_params[key] = value
    at.run()
    assert not at.exception
    return at


@pytest.mark.parametrize("name", ["machine", "rank", "gradient_flow", "merge", "cost", "overlap"])
def test_a_level_changes_words_and_panels_never_numbers(name: str) -> None:
    pages = {level: opened(name, level=level) for level in LEVELS}
    films = {level: page.get("bidi_component")[0].proto.bytes for level, page in pages.items()}
    assert len(set(films.values())) == 1
    texts = {level: [element.value for element in page.markdown] for level, page in pages.items()}
    plain = {level: [LINK.sub(r"\1", text) for text in said] for level, said in texts.items()}
    assert len({tuple(sorted(said)) for said in plain.values()}) == 1, "the same sentences"
    counts = [len(LINK.findall(" ".join(texts[level]))) for level in LEVELS]
    assert counts == sorted(counts, reverse=True) and counts[0] > counts[-1]
    more = {level: page.expander[0].proto.expanded for level, page in pages.items()}
    assert more == {"newcomer": False, "practitioner": False, "expert": True}
    folded = {level: any("maths" in e.label for e in page.expander) for level, page in pages.items()}
    assert folded == {"newcomer": True, "practitioner": False, "expert": False}


def test_a_level_that_is_none_is_named() -> None:
    at = opened("rank", level="wizard")
    assert [warning.value for warning in at.warning] == [
        "level=wizard is not possible here. Valid values: one of newcomer, practitioner, expert. Showing "
        "practitioner instead."
    ]


def test_a_scene_marks_nothing() -> None:
    at = opened("rank", deck="five_minutes", scene="3", level="newcomer")
    assert not LINK.search(" ".join(element.value for element in at.markdown))


def entries(**given: str) -> list[tuple[Heading, Prose]]:
    (columns,) = (part for part in LESSON.play(**given).parts("body") if isinstance(part, Columns))
    return [pair for own in columns.columns for pair in zip(own[::2], own[1::2], strict=True)]


def test_the_lesson_lists_all_and_finds() -> None:
    assert [heading.text for heading, _ in entries()] == [term.name for term in TERMS]
    ((heading, prose),) = entries(find=" ECKART ")
    assert (heading.text, heading.anchor) == ("Eckart–Young", "eckart-young")
    assert prose.text.endswith("[Truncated SVD](truncated_svd?part=truncation)")
    (nothing,) = LESSON.play(find="<b>zz").parts("body")
    assert isinstance(nothing, Notice) and plain(nothing.text).startswith("“<b>zz” is not in the glossary")
    marked = [LESSON.play(level=level).record.marked for level in LEVELS]
    assert marked == [sum(LEVELS.index(t.level) >= i for t in TERMS) for i in range(3)]
    assert LESSON.play().takeaway.startswith(f"{len(TERMS)} terms, {marked[1]} of them underlined on the pages.")


def test_the_level_goes_along_and_its_page_asks_for_it() -> None:
    at = opened("glossary", level="newcomer")
    asked = [group for group in at.button_group if group.key == "level"]
    assert [group.value for group in asked] == ["newcomer"], "asked for once"
    assert f"{len(TERMS)} of them underlined" in LINK.sub(r"\1", " ".join(each.value for each in at.markdown))
    asked[0].set_value("expert").run()
    assert not at.exception
    assert at.query_params["level"] == "expert"
    experts = sum(term.level == "expert" for term in TERMS)
    assert f"{experts} of them underlined" in LINK.sub(r"\1", " ".join(each.value for each in at.markdown))
    bad = opened("glossary", level="wizard")
    assert [warning.value for warning in bad.warning] == [
        "level=wizard is not possible here. Valid values: one of newcomer, practitioner, expert. Showing "
        "practitioner instead."
    ]
