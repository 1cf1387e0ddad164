"""Which claim is seen on which page? Writes docs/coverage.md from docs/claims.toml.

`python docs/make_coverage.py` writes the table; `--land` first moves planned claims whose page has arrived, which says
that somebody has looked.
"""

from __future__ import annotations

import argparse
import re
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from lora_viz.lessons.walk import lesson, lessons, measured, now_at  # noqa: E402

CLAIMS, COVERAGE = ROOT / "docs" / "claims.toml", ROOT / "docs" / "coverage.md"
CHAPTERS = {
    "A": ("Framing and notation", 9),
    "B": ("Linear algebra", 20),
    "C": ("The autoencoder", 4),
    "D": ("The layer and its forward pass", 18),
    "E": ("The scaling factor", 6),
    "F": ("Parameters, compute, memory", 18),
    "G": ("Starts", 13),
    "H": ("Gradients and dynamics", 14),
    "I": ("Worked examples", 15),
    "J": ("Choosing the rank", 16),
    "K": ("Why low rank", 10),
    "L": ("Merging", 4),
    "M": ("Transformers, variants, uses", 5),
    "N": ("What the app should have", 7),
}
IDS = tuple(f"{letter}{k}" for letter, (_, count) in CHAPTERS.items() for k in range(1, count + 1))
HOW = ("shown", "stated", "none")


def read() -> tuple[dict[str, dict[str, str]], dict[str, dict[str, str]]]:
    """The claims that stand, and those that wait for their page."""
    found = tomllib.loads(CLAIMS.read_text(encoding="utf-8"))
    return found.get("claims", {}), found.get("planned", {})


def coverage() -> str:
    """The table in Markdown: one chapter after the other, every id once."""
    claims, planned = read()
    count = {how: sum(c["how"] == how for c in claims.values()) for how in HOW}
    lines = [
        "# What is claimed, and where it is seen",
        "",
        "The claims of four documents about LoRA, by id. Written by `python docs/make_coverage.py` from "
        "[claims.toml](claims.toml); a test compares it with the pages.",
        "",
        f"Of {len(IDS)} claims {count['shown']} are shown, {count['stated']} stated with their condition, "
        f"{count['none']} not shown, and {len(planned)} wait for their page.",
    ]
    for letter, (title, _) in CHAPTERS.items():
        lines += [
            "",
            f"## {letter}. {title}",
            "",
            "| id | claim | where | what is seen, or why not |",
            "|---|---|---|---|",
        ]
        for name in (i for i in IDS if i[0] == letter):
            entry = claims.get(name) or planned[name]
            cells = (name, entry["claim"], _where(entry, name in planned), entry["says"])
            lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines) + "\n"


def _where(entry: dict[str, str], waits: bool) -> str:
    if entry["how"] == "none":
        return "not shown"
    page = entry["page"]
    return (
        f"{entry['how']} on {page}, planned"
        if waits
        else f"{entry['how']} on [{lesson(page).menu}](../pages/{now_at(page).partition('?')[0]}.py)"
    )


def land() -> list[str]:
    """Move planned claims whose page is there; their ids."""
    _, planned = read()
    known = {each.id for each in (*lessons(), *measured())}
    arrived = [i for i, entry in planned.items() if entry["page"] in known]
    text = CLAIMS.read_text(encoding="utf-8")
    for name in arrived:
        text = re.sub(rf"^\[planned\.{name}\]$", f"[claims.{name}]", text, flags=re.M)
    CLAIMS.write_text(text, encoding="utf-8")
    return arrived


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--land", action="store_true", help="move what has arrived")
    if parser.parse_args().land:
        land()
    COVERAGE.write_text(coverage(), encoding="utf-8")
