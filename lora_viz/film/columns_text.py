"""Columns of numbers as text: CSV and JSON, for files and for other programs."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

__all__ = ["as_csv", "as_json", "plain", "plain_columns"]


def as_csv(table: Mapping[str, np.ndarray], line_end: str = "\r\n") -> str:
    """A line of names, then a line a row."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator=line_end)
    writer.writerow(table)
    writer.writerows(zip(*(column.tolist() for column in table.values()), strict=True))
    return out.getvalue()


def as_json(table: Mapping[str, np.ndarray]) -> str:
    """A list a column, each value as ``plain`` gives it."""
    return json.dumps(plain_columns(table), ensure_ascii=False, allow_nan=False)


def plain_columns(table: Mapping[str, np.ndarray]) -> dict[str, list[Any]]:
    """Every column as a list of what JSON can say."""
    return {key: [plain(value) for value in column.tolist()] for key, column in table.items()}


def plain(value: Any) -> Any:
    """The value as JSON can say it: None where there is no number, "inf" and "-inf" as text."""
    if not isinstance(value, float) or math.isfinite(value):
        return value
    return None if math.isnan(value) else f"{value:g}"
