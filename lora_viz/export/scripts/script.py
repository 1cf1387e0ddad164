"""A script to take along: its text, the numbers it reads, and those that it prints beside its own."""

from __future__ import annotations

import io
import re
import textwrap
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from lora_viz.core.experiment import Experiment

__all__ = ["Script", "Scripts", "filled", "stated"]


class Script(NamedTuple):
    """``text`` is a program that needs torch or NumPy and nothing of this house, and reads ``data`` from data.npz.

    Its comments and prints stay English, whatever the visitor's language: it is code.
    """

    text: str
    data: Mapping[str, Any]

    def npz(self) -> bytes:
        """The numbers as the file that the script reads."""
        out = io.BytesIO()
        np.savez(out, **self.data)
        return out.getvalue()


@dataclass(frozen=True, slots=True)
class Scripts:
    """The scripts that a lesson offers, one for every answer to ``choices``; ``make`` takes an answer to each.

    ``archive`` packs more than script and data, from the same answers.
    """

    make: Callable[..., Script]
    choices: Mapping[str, tuple[Any, ...]]
    archive: Callable[..., bytes] | None = None


def filled(template: str, **parts: str) -> str:
    """The template with its «parts» put in: each line of a part is indented as the mark is; an empty one leaves none.

    Marks that braces of the program cannot be mistaken for.
    """
    lines: list[str] = []
    for line in template.splitlines():
        whole = re.fullmatch(r"( *)«(\w+)»", line)
        if whole:
            part = parts[whole[2]].strip("\n")
            lines += textwrap.indent(part, whole[1]).splitlines() if part else []
        else:
            lines.append(re.sub(r"«(\w+)»", lambda mark: parts[mark[1]], line))
    return "\n".join(lines) + "\n"


def stated(e: Experiment) -> str:
    """All fields of the experiment, for the head of a script."""
    return textwrap.fill(", ".join(f"{k}={v}" for k, v in e.to_query().items()), 110)
