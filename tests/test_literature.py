"""Cards of papers and parameters: ids, attributions, and pages that are there or planned."""

import re
import tomllib
from pathlib import Path

from peft import LoraConfig

from lora_viz.content.literature import FOLKLORE, PAPERS, TOPICS
from lora_viz.costs.parameters import PARAMETERS
from lora_viz.lessons.walk import lessons, measured

ROOT = Path(__file__).parent.parent
CLAIMS = tomllib.loads((ROOT / "docs" / "claims.toml").read_text(encoding="utf-8"))
THERE = {each.id for each in (*lessons(), *measured())}
PLANNED = {entry["page"] for entry in CLAIMS.get("planned", {}).values()} | {"inspector"}


def test_arxiv_ids_are_well_formed_unique_and_of_their_year() -> None:
    ids = [p.arxiv for p in PAPERS if p.arxiv]
    assert len(ids) == len(set(ids)) > 30
    for p in PAPERS:
        if p.arxiv:
            found = re.fullmatch(r"(\d\d)(0[1-9]|1[0-2])\.(\d{4,5})", p.arxiv)
            assert found, p.name
            assert 2000 + int(found.group(1)) == p.year, p.name
            assert len(found.group(3)) == (4 if p.year < 2015 else 5), p.name
        else:
            assert p.year < 1991 or p.name in ("Effective rank", "LoRA Without Regret"), p.name


def test_names_and_titles_are_unique_and_complete() -> None:
    assert len({p.name for p in PAPERS}) == len({p.title for p in PAPERS}) == len(PAPERS)
    assert {p.topic for p in PAPERS} == set(TOPICS)
    for p in PAPERS:
        assert all((p.name, p.title, p.authors, p.claims, p.condition)), p.name
        assert bool(p.seen) == bool(p.pages), f"{p.name}: what is seen, and where"


def test_attributions_that_are_often_wrong() -> None:
    first = {p.name: p.authors.split(",")[0].split(" et al")[0] for p in PAPERS}
    assert first["LoRA"] == "Hu"
    assert first["AdaLoRA"] == "Zhang"
    assert first["LoRA+"] == first["Init[A] or Init[B]"] == "Hayou"
    assert first["rsLoRA"] == "Kalajdzievski"
    assert first["Learns less, forgets less"] == "Biderman"
    ids = {p.name: p.arxiv for p in PAPERS}
    assert (ids["LoRA"], ids["AdaLoRA"], ids["QLoRA"]) == ("2106.09685", "2303.10512", "2305.14314")


def test_every_linked_page_is_there_or_planned() -> None:
    linked = {page for card in (*PAPERS, *FOLKLORE, *PARAMETERS) for page in card.pages}
    assert linked <= THERE | PLANNED, linked - THERE - PLANNED
    assert len(FOLKLORE) == 5


def test_parameter_defaults_are_pefts() -> None:
    default = LoraConfig()
    for p in PARAMETERS:
        assert getattr(default, p.peft) == p.default, p.peft
    assert len({p.peft for p in PARAMETERS}) == len(PARAMETERS)
