"""Literature: which paper claims what, and under which condition, as cards, folklore apart from papers."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import NamedTuple

from lora_viz.content.literature import FOLKLORE, PAPERS, TOPICS, Folklore, Paper
from lora_viz.i18n.language import say, to_say
from lora_viz.i18n.outside import Ours
from lora_viz.lessons.controls import Choice
from lora_viz.lessons.lab import Lab
from lora_viz.lessons.lesson import Lesson
from lora_viz.lessons.parts import Html, Part
from lora_viz.lessons.settings import Settings
from lora_viz.lessons.statements import Undecidable
from lora_viz.lessons.walk import links

__all__ = ["LESSON", "LiteratureCards", "folklore_html", "literature_cards", "papers_html", "takeaway"]

_STYLE = """<style>
.papers { display: grid; grid-template-columns: repeat(auto-fill, minmax(21rem, 1fr)); gap: 0.8rem; }
.papers > div { border: 1px solid rgba(128, 128, 128, 0.45); border-radius: 8px; padding: 0.6rem 0.9rem; }
.papers .folklore { border-style: dashed; border-width: 2px; }
.papers h2 { margin: 0; padding: 0; font-size: 1.2rem; }
.papers p { margin: 0.3rem 0; line-height: 1.35; }
.papers a { color: inherit; text-decoration: underline; }
</style>"""


class LiteratureCards(NamedTuple):
    """The papers and the folklore of one topic, and the link (as HTML) to each lesson there is."""

    topic: str
    papers: tuple[Paper, ...]
    folklore: tuple[Folklore, ...]
    links: Mapping[str, str]


def literature_cards(topic: str, links: Mapping[str, str]) -> LiteratureCards:
    """The cards of a topic (one of TOPICS, "all" or "folklore")."""
    papers = tuple(p for p in PAPERS if topic in ("all", p.topic))
    return LiteratureCards(topic, papers, FOLKLORE if topic in ("all", "folklore") else (), links)


def papers_html(record: LiteratureCards) -> str:
    """One card a paper: what it says, when that holds, what is seen of it here and where."""
    return f'{_STYLE}<div class="papers">{"".join(_paper(record, p) for p in record.papers)}</div>'


def _paper(record: LiteratureCards, p: Paper) -> str:
    source = (
        f'<a href="https://arxiv.org/abs/{p.arxiv}" target="_blank" rel="noopener">arXiv {p.arxiv}</a>'
        if p.arxiv
        else say("not on arXiv")
    )
    links = _links(record, p.pages)
    shown = (
        say("{seen} See {links}.", seen=Ours(escape(say(p.seen))), links=Ours(links))
        if links
        else say("Reported in the paper, not measured here.")
    )
    return (
        f"<div><h2>{escape(say(p.name))}</h2><p>{escape(p.authors)}, {p.year}, <i>{escape(p.title)}</i>, {source}</p>"
        f"<p><b>{say('Claims:')}</b> {escape(say(p.claims))}</p>"
        f"<p><b>{say('Condition:')}</b> {escape(say(p.condition))}</p>"
        f"<p><b>{say('Here:')}</b> {shown}</p></div>"
    )


def folklore_html(record: LiteratureCards) -> str:
    """One card a rule of thumb, labelled as that."""
    cards = "".join(_rule(record, f) for f in record.folklore)
    return f'{_STYLE}<div class="papers">{cards}</div>' if cards else ""


def _rule(record: LiteratureCards, f: Folklore) -> str:
    links = _links(record, f.pages)
    but = Ours(escape(say(f.but)))
    answer = say("{but} See {links}.", but=but, links=Ours(links)) if links else but
    return (
        f'<div class="folklore"><h2>{say("Folklore, not measured")}</h2>'
        f"<p>{say('“{rule}”', rule=Ours(escape(say(f.says))))}</p><p>{answer}</p></div>"
    )


def _links(record: LiteratureCards, pages: tuple[str, ...]) -> str:
    return ", ".join(record.links[page] for page in pages if page in record.links)


def takeaway(record: LiteratureCards) -> str:
    """How much of this topic is shown here, and how much is only told."""
    shown = sum(any(page in record.links for page in p.pages) for p in record.papers)
    papers = say("Papers: {papers}. Claims from {shown} of them are demonstrated here; the others are only reported.",
                 papers=len(record.papers), shown=shown)  # fmt: skip
    rules = say("{rules} rules of thumb have no measurement behind them that was found.", rules=len(record.folklore))
    return " ".join([papers] * bool(record.papers) + [rules] * bool(record.folklore))


def measure(settings: Settings, lab: Lab) -> LiteratureCards:
    """Pick out the cards of the topic."""
    return literature_cards(settings["topic"], links())


def body(record: LiteratureCards) -> tuple[Part, ...]:
    """The papers, then the folklore."""
    papers = (Html(lambda theme: papers_html(record)),) if record.papers else ()
    return (*papers, Html(lambda theme: folklore_html(record))) if record.folklore else papers


LESSON = Lesson(
    id="literature", menu=to_say("Literature"), title=to_say("Literature: who claims what, and when does it hold?"),
    claim=to_say("Each published claim is listed with the condition under which it holds. Rules of thumb "
                 "(“folklore”) have none."),
    place=30,
    controls=(
        Choice(id="topic", label=to_say("Topic"), options=("all", *TOPICS, "folklore"), default="variants",
               names={"all": to_say("all"), "folklore": to_say("folklore"), **{topic: topic for topic in TOPICS}}),
    ), measure=measure, takeaway=takeaway, verdict=Undecidable("It says how the list is made; what papers claim is "
                                                               "judged on the pages that measure it."), body=body,
                                                               trains=False, seeded=False, worded=True,
)  # fmt: skip
