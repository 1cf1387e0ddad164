"""What a cut adapter carries on of the file it was cut from: fields this app knows, with values that can do nothing.

A configuration may name classes to import (``auto_mapping``), folders of somebody else's machine, patterns that are run
as regular expressions. What is handed on is a list of what may be, not of what may not.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from lora_viz.costs.peft_config import BIASES, TASK_TYPES

__all__ = ["vouched_config", "vouched_metadata"]

NAMES_MOST = 25_000
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.\-]{0,199}")
_HUB = re.compile(r"[A-Za-z0-9][\w.\-]{0,95}(/[A-Za-z0-9][\w.\-]{0,95})?", re.ASCII)
_TASKS = (*TASK_TYPES, "SEQ_2_SEQ_LM", "QUESTION_ANS")


def _name(value: Any) -> bool:
    return isinstance(value, str) and _NAME.fullmatch(value) is not None


def _names(value: Any) -> bool:
    return isinstance(value, list) and 0 < len(value) <= NAMES_MOST and all(map(_name, value))


def _flag(value: Any) -> bool:
    return isinstance(value, bool)


def _layers(value: Any) -> bool:
    numbers = value if isinstance(value, list) else [value]
    return len(numbers) <= NAMES_MOST and all(type(n) is int and 0 <= n < 100_000 for n in numbers)


def _hub(value: Any) -> bool:
    return isinstance(value, str) and _HUB.fullmatch(value) is not None and ".." not in value


_FIELDS: dict[str, Callable[[Any], bool]] = {
    "base_model_name_or_path": _hub,
    "bias": lambda value: value in BIASES if isinstance(value, str) else False,
    "fan_in_fan_out": _flag,
    "layers_pattern": lambda value: _name(value) or _names(value),
    "layers_to_transform": _layers,
    "lora_bias": _flag,
    "lora_dropout": lambda value: isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 1,
    "modules_to_save": _names,
    "peft_version": _name,
    "revision": _name,
    "target_modules": _names,
    "task_type": lambda value: value in _TASKS if isinstance(value, str) else False,
    "use_dora": _flag,
}
_METADATA: dict[str, Callable[[str], bool]] = {
    "format": lambda value: value in ("pt", "np"),
    "modelspec.architecture": lambda value: re.fullmatch(r"[\w.\-/]{1,80}", value, re.ASCII) is not None,
    "ss_base_model_version": _name,
    "ss_network_module": _name,
    "ss_v2": lambda value: value in ("True", "False"),
}


def vouched_config(raw: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of an adapter_config.json that a cut adapter keeps; ranks, scales and starts are written anew."""
    return {name: raw[name] for name, good in _FIELDS.items() if name in raw and good(raw[name])}


def vouched_metadata(given: Mapping[str, str]) -> dict[str, str]:
    """The same of a safetensors file: what a loader needs, nothing of prompts, folders or people, no rank or scale."""
    kept = {name: given[name] for name, good in _METADATA.items() if name in given and good(given[name])}
    return {"format": "pt", **kept}
