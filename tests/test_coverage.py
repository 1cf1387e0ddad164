"""Which claim is seen where? Every id once, every page there, the table as its data has it."""

import importlib.util
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from lora_viz.lessons.walk import lesson

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def table() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_coverage", ROOT / "docs" / "make_coverage.py")
    assert spec and spec.loader
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made


def test_every_claim_is_there_exactly_once(table: ModuleType) -> None:
    claims, planned = table.read()
    assert len(table.IDS) == 159
    assert sorted([*claims, *planned]) == sorted(table.IDS)


def test_every_named_page_is_there(table: ModuleType) -> None:
    claims, _ = table.read()
    for name, entry in claims.items():
        assert entry["how"] in table.HOW, name
        assert ("page" in entry) == (entry["how"] != "none"), name
        if "page" in entry:
            assert lesson(entry["page"]), f"{name} names {entry['page']}"


def test_every_entry_says_what_it_must(table: ModuleType) -> None:
    claims, planned = table.read()
    for name, entry in {**claims, **planned}.items():
        assert set(entry) <= {"claim", "how", "page", "says"}, name
        assert entry["claim"].strip() and entry["says"].strip(), name
        assert not any("\n" in text for text in entry.values()), name


def test_what_is_planned_waits_for_a_page(table: ModuleType, record_property: Callable[[str, object], None]) -> None:
    """Lists them in the report (`--junit-xml`); nothing planned fails a test."""
    _, planned = table.read()
    record_property("planned", {name: entry["page"] for name, entry in planned.items()})
    assert all(entry["how"] in ("shown", "stated") and entry["page"] for entry in planned.values())


def test_the_table_is_as_its_data_has_it(table: ModuleType) -> None:
    written = table.COVERAGE.read_text(encoding="utf-8")
    assert written == table.coverage(), "run `python docs/make_coverage.py`"
    assert all(written.count(f"\n| {name} |") == 1 for name in table.IDS)


def test_a_page_that_arrives_is_moved(table: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    claims = tmp_path / "claims.toml"
    claims.write_text(
        '[claims.A1]\nclaim = "a"\nhow = "none"\nsays = "b"\n\n[planned.A2]\nclaim = "c"\nhow = "shown"\n'
        'page = "rank"\nsays = "d"\n\n[planned.A3]\nclaim = "e"\nhow = "shown"\npage = "nowhere"\nsays = "f"\n',
        encoding="utf-8",
    )
    monkeypatch.setattr(table, "CLAIMS", claims)
    assert table.land() == ["A2"]
    stand, wait = table.read()
    assert (list(stand), list(wait)) == (["A1", "A2"], ["A3"])
