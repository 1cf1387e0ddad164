"""`make examine`: every lesson at hundreds of settings, every statement held against the run. Writes the report.

`python -m tests.examination.run [--lesson ID] [--settings 300] [--slow 60] [--workers N] [--report FILE]`. Ends with 1
where a statement is false, a text is wrong or a page would end in an error. The lessons whose record takes seconds of a
core are looked at in fewer settings, so that all of it ends within the hour: `--slow 300` gives them as many.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
import time
from collections import Counter, defaultdict
from concurrent.futures import ProcessPoolExecutor, as_completed
from itertools import islice
from pathlib import Path

import torch

from lora_viz.core.results import Results
from lora_viz.i18n.language import speak
from lora_viz.lessons.lab import Lab
from lora_viz.lessons.walk import lesson, measured
from tests.examination.examination import Finding, examine
from tests.examination.settings import drawn
from tests.small import SLOW

__all__ = ["examined", "main", "report"]

PART = 30  # settings that one worker examines at a time, with the results of earlier ones at hand
GERMAN = 10  # one setting in so many is read in the other language as well


def examined(name: str, begin: int, end: int) -> list[Finding]:
    """One lesson at the settings from ``begin`` to ``end`` of those that are drawn for it."""
    torch.set_num_threads(1)
    own, found = lesson(name), []
    lab = Lab(Results())
    for i, settings in enumerate(islice(drawn(own, end), begin, end), begin):
        found.append(examine(own, settings, lab))
        if i % GERMAN == 0:
            with speak("de"):
                told = examine(own, settings, lab, lengths=False)
            found[-1] = found[-1]._replace(faults=(*found[-1].faults, *(f"German: {f}" for f in told.faults)))
    return found


def timed(name: str, begin: int, end: int) -> tuple[list[Finding], float]:
    """The same with the seconds of a core that it took."""
    since = time.process_time()
    return examined(name, begin, end), time.process_time() - since


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
        example = next((f"`{each.at}`: {each.why}" for each in found if each.holds is False), "").replace("\n", "%0A")
        verdict = "(no run decides it)" if count[""] == len(found) else example
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


def _joined(parts: dict[int, tuple[list[Finding], float]]) -> list[Finding]:
    return [each for begin in sorted(parts) for each in parts[begin][0]]


def main() -> int:
    """Examine, print, write the report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--lesson", action="append", default=[])
    parser.add_argument("--settings", type=int, default=300)
    parser.add_argument("--slow", type=int, default=60, help="settings of the lessons whose record takes seconds")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--report", type=Path)
    asked = parser.parse_args()
    names = asked.lesson or [each.id for each in measured()]
    since = time.monotonic()
    parts: dict[str, dict[int, tuple[list[Finding], float]]] = defaultdict(dict)
    counts = {name: min(asked.slow, asked.settings) if name in SLOW else asked.settings for name in names}
    with ProcessPoolExecutor(asked.workers) as pool:  # what takes longest first, so that all workers end together
        waiting = {
            pool.submit(timed, name, begin, min(begin + PART, counts[name])): (name, begin)
            for name in sorted(names, key=lambda n: n not in SLOW)
            for begin in range(0, counts[name], PART)
        }
        for future in as_completed(waiting):
            name, begin = waiting[future]
            parts[name][begin] = future.result()
            if len(parts[name]) == -(-counts[name] // PART):
                took = sum(seconds for _, seconds in parts[name].values())
                print(told(name, _joined(parts[name])), f"({took:.0f} s of a core)", flush=True)  # noqa: T201
    findings = {name: _joined(parts[name]) for name in names}
    print(f"{time.monotonic() - since:.0f} s with {asked.workers} workers")  # noqa: T201
    if asked.report:
        asked.report.write_text(report(findings), encoding="utf-8")
    wrong = sum(bool(each.faults) for found in findings.values() for each in found)
    print(f"{sum(map(len, findings.values()))} settings, {wrong} of them with a fault")  # noqa: T201
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
