"""Columns of numbers as JSON, for files and for other programs."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from lora_viz.export.taken_along import sent

__all__ = ["as_json", "plain", "plain_columns"]


def as_json(table: Mapping[str, np.ndarray]) -> str:
    """A list a column, each value as ``plain`` gives it."""
    return json.dumps(plain_columns(table), ensure_ascii=False, allow_nan=False)


def plain_columns(table: Mapping[str, np.ndarray]) -> dict[str, list[Any]]:
    """Every column as a list of what JSON can say."""
    return {sent(key): [plain(value) for value in column.tolist()] for key, column in table.items()}


def plain(value: Any) -> Any:
    """The value as JSON can say it: None where there is no number, "inf" and "-inf" as text."""
    if isinstance(value, str):
        return sent(value)
    if not isinstance(value, float) or math.isfinite(value):
        return value
    return None if math.isnan(value) else f"{value:g}"
