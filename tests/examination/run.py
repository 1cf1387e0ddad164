"""`make examine`: every lesson at hundreds of settings, every statement held against the run. Writes the report.

`python -m tests.examination.run [--lesson ID] [--settings 300] [--workers 2] [--report docs/examination.md]`. Ends
with 1 where a statement is false, a text is wrong or a page would end in an error.
"""

from __future__ import annotations

import argparse
import re
import sys
import time
from collections import Counter, defaultdict
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import torch

from lora_viz.core.results import Results
from lora_viz.i18n.language import speak
from lora_viz.lessons.lab import Lab
from lora_viz.lessons.walk import lesson, measured
from tests.examination.examination import Finding, examine
from tests.examination.settings import drawn

__all__ = ["examined", "main", "report"]

GERMAN = 10  # one setting in so many is read in the other language as well


def examined(name: str, count: int) -> list[Finding]:
    """One lesson at so many settings."""
    torch.set_num_threads(1)
    own, found = lesson(name), []
    lab = Lab(Results())
    for i, settings in enumerate(drawn(own, count)):
        found.append(examine(own, settings, lab))
        if i % GERMAN == 0:
            with speak("de"):
                told = examine(own, settings, lab, lengths=False)
            found[-1] = found[-1]._replace(faults=(*found[-1].faults, *(f"German: {f}" for f in told.faults)))
        if i % 50 == 49:
            lab = Lab(Results())
    return found


def report(findings: dict[str, list[Finding]]) -> str:
    """Every lesson in a line: settings, where its claim holds, the first settings where it does not, its faults."""
    lines = [
        "# Examination",
        "",
        "Every lesson at every option of every control alone, at extremes, at pairs and at settings drawn over nine",
        "seeds (`make examine`). A claim holds or not as the run shown says; a fault is a statement that the run",
        "contradicts, a text that is wrong by itself, or a page that ends in an error.",
        "",
        "| Lesson | Settings | Holds | Not here | Cannot tell | Refused | Faults | Not here, for example |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, found in findings.items():
        count = Counter(each.holds for each in found)
        example = next((f"`{each.at}`: {each.why}" for each in found if each.holds is False), "")
        verdict = "no verdict yet" if count[""] == len(found) else example
        lines.append(
            f"| {name} | {len(found)} | {count[True]} | {count[False]} | {count[None]} | {count['refused']} "
            f"| {sum(bool(each.faults) for each in found)} | {verdict.replace('|', chr(92) + '|')} |"
        )
    return "\n".join((*lines, ""))


def told(name: str, found: list[Finding]) -> str:
    """The faults of one lesson, each once, with how often and where first."""
    where: dict[str, list[str]] = defaultdict(list)
    for each in found:
        for fault in each.faults:
            where[_kind(fault)].append(f"{each.at}\n        {fault}")
    lines = [f"{name}: {len(found)} settings, {len(where)} kinds of fault"]
    lines += [f"    {len(at)}×  {at[0]}" for at in sorted(where.values(), key=len, reverse=True)]
    return "\n".join(lines)


def _kind(fault: str) -> str:
    """The fault without its numbers: the same at another setting is the same."""
    return re.sub(r"[\d·.,⁰¹²³⁴⁵⁶⁷⁸⁹⁻−e-]+", "", fault.partition("“")[0])[:70]


def main() -> int:
    """Examine, print, write the report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--lesson", action="append", default=[])
    parser.add_argument("--settings", type=int, default=300)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--report", type=Path)
    asked = parser.parse_args()
    names = asked.lesson or [each.id for each in measured()]
    since, findings = time.monotonic(), {}
    with ProcessPoolExecutor(asked.workers) as pool:
        waiting = {name: pool.submit(examined, name, asked.settings) for name in names}
        for name, future in waiting.items():
            findings[name] = future.result()
            print(told(name, findings[name]), f"({time.monotonic() - since:.0f} s)", flush=True)  # noqa: T201
    if asked.report:
        asked.report.write_text(report(findings), encoding="utf-8")
    wrong = sum(bool(each.faults) for found in findings.values() for each in found)
    print(f"{sum(map(len, findings.values()))} settings, {wrong} of them with a fault")  # noqa: T201
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
