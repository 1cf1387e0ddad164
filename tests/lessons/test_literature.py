"""Literature: papers and folklore, and links to the lessons that there are and to no others."""

import re

import pytest

from lora_viz.content.literature import PAPERS, TOPICS
from lora_viz.lessons.controls import SettingError
from lora_viz.lessons.parts import Html
from lora_viz.lessons.reference.literature import LESSON, folklore_html, literature_cards, papers_html, takeaway
from lora_viz.lessons.walk import lessons

NAMES = ("Rank", "Merge")
LINKS = {"rank": "<a>Rank</a>", "merge": "<a>Merge</a>"}


@pytest.mark.parametrize("topic", ["all", *TOPICS])
def test_only_pages_that_are_there_are_linked(topic: str) -> None:
    record = literature_cards(topic, LINKS)
    html = papers_html(record) + folklore_html(record)
    assert {link for link in re.findall(r"<a>(\w+)</a>", html)} <= set(NAMES)
    assert html.count("https://arxiv.org/abs/") == sum(bool(p.arxiv) for p in record.papers)
    assert bool(record.folklore) == (topic == "all") == ("Folklore, not measured" in html)


def test_folklore_stands_alone() -> None:
    record = literature_cards("folklore", {})
    assert not record.papers and takeaway(record).startswith("5 rules of thumb")
    assert takeaway(literature_cards("all", {})).startswith(f"Papers: {len(PAPERS)}.")


@pytest.mark.parametrize("topic", ["all", "quantised", "folklore"])
def test_the_lesson_shows_its_topic(topic: str) -> None:
    shown = " ".join(part.draw("light") for part in LESSON.play(topic=topic).parts("body") if isinstance(part, Html))
    assert ("QLoRA" in shown) == (topic != "folklore")
    assert ("Folklore, not measured" in shown) == (topic != "quantised")
    assert set(re.findall(r'<a href="([a-z_]+)" target="_self">', shown)) <= {each.id for each in lessons()}


def test_a_topic_that_is_none_is_refused() -> None:
    with pytest.raises(SettingError, match=rf"^topic={'x' * 40} is not possible in this lesson\. Valid values: all, "):
        LESSON.play(topic="x" * 99)
