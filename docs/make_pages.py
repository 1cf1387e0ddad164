"""Writes what follows from the lessons: a page for each in pages/, and the README's table of them.

`python docs/make_pages.py`; a test compares both with the lessons.
"""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from lora_viz.lessons.walk import lessons, section_of, sections  # noqa: E402

README = ROOT / "README.md"
BEGIN, END = "<!-- lessons: written by docs/make_pages.py -->\n", "<!-- end of lessons -->\n"


def page(name: str) -> str:
    """The script of a lesson's page: it only shows it."""
    return (
        f'"""The page of the lesson {name}."""\n\nfrom lora_viz.lessons.{section_of(name)}.{name} import LESSON\n'
        "from lora_viz.ui.page import show\n\nshow(LESSON)\n"
    )


def table() -> str:
    """The README's table: every lesson under its section, its claim, its picture."""
    lines = ["| page | its claim | |", "|---|---|---|"]
    for section, own in sections().values():
        lines.append(f"| **{section.title}** | | |")
        lines += [
            f"| [{each.menu}](pages/{each.id}.py) | {each.claim.replace('|', chr(92) + '|')} "
            f"| [picture](docs/{each.id}.png) |"
            for each in own
        ]
    return "\n".join(lines) + "\n"


def readme(text: str) -> str:
    """The README with its table of lessons as it should be."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{table()}\n{END}{after}"


if __name__ == "__main__":
    for each in lessons():
        (ROOT / "pages" / f"{each.id}.py").write_text(page(each.id), encoding="utf-8")
    README.write_text(readme(README.read_text(encoding="utf-8")), encoding="utf-8")
