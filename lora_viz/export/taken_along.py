"""What leaves with a visitor is harmless where it is opened: cells of a table that are no formulas, names of files."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from lora_viz.i18n.outside import plain

__all__ = ["cell", "csv_text", "file_name", "sent"]

_FORMULA = re.compile(r"\s*[=+\-@\uff1d\uff0b\uff0d\uff20]|[\t\r\n]")
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?|[+-]?(?:inf|nan)")
_RESERVED = re.compile(r"(?:con|prn|aux|nul|com\d|lpt\d)(?:\.|$)", re.I)  # what Windows takes for a device
_LONGEST = 120


def sent(text: str) -> str:
    """The text as it can be written: without marks; half a character stands as a question mark."""
    return plain(text).encode("utf-8", "replace").decode("utf-8")


def cell(value: Any) -> Any:
    """A cell of a table: a text that a spreadsheet would compute stands behind an apostrophe, numbers as they are."""
    if not isinstance(value, str):
        return value
    text = sent(value)
    return f"'{text}" if _FORMULA.match(text) and not _NUMBER.fullmatch(text) else text


def csv_text(table: Mapping[str, np.ndarray], *, line_end: str = "\r\n") -> str:
    """The columns as the text of a CSV file."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator=line_end)
    writer.writerow(map(cell, table))
    writer.writerows(map(cell, row) for row in zip(*(column.tolist() for column in table.values()), strict=True))
    return out.getvalue()


def file_name(name: str) -> str:
    """A name that is a name everywhere: letters, digits, points, dashes; no folder, no device, none that is hidden."""
    stem, point, ending = re.sub(r"[^\w.+\-]", "_", sent(name)).strip(".-").rpartition(".")
    found = f"{stem[: _LONGEST - len(ending) - 1]}{point}{ending}"[-_LONGEST:].lstrip(".-") or "file"
    return f"_{found}" if _RESERVED.match(found) else found
