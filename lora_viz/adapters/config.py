"""By which factor is each module's B·A multiplied? What adapter_config.json says, as far as it is needed."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from lora_viz.adapters.safetensors_file import parse_json
from lora_viz.adapters.stored import AdapterError, short
from lora_viz.i18n.language import say

__all__ = ["CONFIG_MOST", "MOVES_BASE", "Config", "Patterns", "parse_config"]

CONFIG_MOST = 4_000_000  # one that this app writes names every module several times
PATTERNS_MOST = 25_000
MOVES_BASE = ("pissa", "olora", "corda", "lora_ga", "loftq")  # starts that subtract s·B₀A₀ from the base weight


class Patterns:
    """Values by the end of a module's path, at a dot; the first key that fits counts, as in PEFT.

    PEFT takes a key for a regular expression; one from a stranger's file is not run, so only plain ones are read. They
    are looked up, not tried one by one: a path has few endings, a file may have thousands of patterns.
    """

    def __init__(self, given: Mapping[str, float]) -> None:
        self._whole: dict[str, tuple[int, float]] = {}
        self._endings: dict[str, tuple[int, float]] = {}
        for place, (key, value) in enumerate(given.items()):
            plain = key.removeprefix("^").removesuffix("$").replace("\\.", ".")
            (self._whole if key.startswith("^") else self._endings).setdefault(plain, (place, value))
        self._dots = {key.count(".") for key in self._endings}

    def value(self, path: str, otherwise: float) -> float:
        """That of the first key which names this path."""
        found = [self._whole[path]] if path in self._whole else []
        at, dots = len(path), -1
        while at >= 0 and self._endings:
            at, dots = path.rfind(".", 0, at), dots + 1
            if dots in self._dots and (hit := self._endings.get(path[at + 1 :])):
                found.append(hit)
        return min(found)[1] if found else otherwise


class Config(NamedTuple):
    """An adapter_config.json: α (PEFT takes 8 where none is written), its exceptions, and α/√r instead of α/r."""

    alpha: float
    use_rslora: bool
    use_dora: bool
    alpha_pattern: Patterns
    init: str
    raw: dict[str, Any]

    def scaling(self, path: str, rank: int) -> tuple[float, str]:
        """s of the module at this path, and where it comes from. A pattern ends a path, at a dot, as in PEFT."""
        alpha = self.alpha_pattern.value(path, self.alpha)
        if self.use_rslora:
            return alpha / math.sqrt(rank), f"α/√r = {alpha:g}/√{rank}"
        return alpha / rank, f"α/r = {alpha:g}/{rank}"

    @property
    def moves_base(self) -> bool:
        """Is the adapter relative to a base weight that its start had changed?"""
        return self.init.lower().startswith(MOVES_BASE)


def parse_config(text: bytes) -> Config:
    """An adapter_config.json, checked. Raises AdapterError."""
    if len(text) > CONFIG_MOST:
        raise AdapterError(
            say("adapter_config.json has {size:,} bytes: up to {most:,} are read.", size=len(text), most=CONFIG_MOST)
        )
    raw = parse_json(text, "adapter_config.json")
    kind = raw.get("peft_type", "LORA")
    if kind != "LORA":
        raise AdapterError(say("adapter_config.json describes a {kind} adapter: only LORA is read.", kind=short(kind)))
    patterns = raw.get("alpha_pattern") or {}
    if not isinstance(patterns, dict):
        raise AdapterError(say("adapter_config.json: alpha_pattern is not a table."))
    if len(patterns) > PATTERNS_MOST:
        raise AdapterError(say("adapter_config.json: alpha_pattern has {count:,} names: up to {most:,} are read.",
                               count=len(patterns), most=PATTERNS_MOST))  # fmt: skip
    for key in patterns:
        if not re.fullmatch(r"\^?(?:[\w\-]|\\?\.)+\$?", key):
            raise AdapterError(say("adapter_config.json: the alpha_pattern {key} is a regular expression: only names "
                                   "of modules are read.", key=short(key)))  # fmt: skip
    return Config(alpha=_number(raw.get("lora_alpha", 8), "lora_alpha"), use_rslora=raw.get("use_rslora") is True,
                  use_dora=raw.get("use_dora") is True,
                  alpha_pattern=Patterns(
                      {key: _number(value, f"alpha_pattern {short(key, 40)}") for key, value in patterns.items()}),
                  init=str(raw["init_lora_weights"]) if isinstance(raw.get("init_lora_weights"), str | bool) else "",
                  raw=raw)  # fmt: skip


def _number(value: Any, what: str) -> float:
    good = isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e9
    if not good:
        raise AdapterError(
            say("adapter_config.json: {what} is {value}, not a number below 10⁹.", what=short(what), value=short(value))
        )
    return float(value)
