"""By which factor is each module's B·A multiplied? What adapter_config.json says, as far as it is needed."""

from __future__ import annotations

import math
import re
from typing import Any, NamedTuple

from lora_viz.adapters.safetensors_file import parse_json
from lora_viz.adapters.stored import AdapterError, short
from lora_viz.i18n.language import say

__all__ = ["CONFIG_MOST", "MOVES_BASE", "Config", "parse_config"]

CONFIG_MOST = 1_000_000
MOVES_BASE = ("pissa", "olora", "corda", "lora_ga", "loftq")  # starts that subtract s·B₀A₀ from the base weight


class Config(NamedTuple):
    """An adapter_config.json: α (PEFT takes 8 where none is written), its exceptions, and α/√r instead of α/r."""

    alpha: float
    use_rslora: bool
    use_dora: bool
    alpha_pattern: tuple[tuple[str, float], ...]
    init: str
    raw: dict[str, Any]

    def scaling(self, path: str, rank: int) -> tuple[float, str]:
        """s of the module at this path, and where it comes from. A pattern ends a path, at a dot, as in PEFT."""
        alpha = next((a for key, a in self.alpha_pattern if _names(key, path)), self.alpha)
        if self.use_rslora:
            return alpha / math.sqrt(rank), f"α/√r = {alpha:g}/√{rank}"
        return alpha / rank, f"α/r = {alpha:g}/{rank}"

    @property
    def moves_base(self) -> bool:
        """Is the adapter relative to a base weight that its start had changed?"""
        return self.init.lower().startswith(MOVES_BASE)


def _names(key: str, path: str) -> bool:
    """PEFT takes the key for a regular expression; one from a stranger's file is not run, so only plain ones count."""
    plain = key.removeprefix("^").removesuffix("$").replace("\\.", ".")
    return path == plain or (not key.startswith("^") and path.endswith("." + plain))


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
    for key in patterns:
        if not re.fullmatch(r"\^?(?:[\w\-]|\\?\.)+\$?", key):
            raise AdapterError(say("adapter_config.json: the alpha_pattern {key} is a regular expression: only names "
                                   "of modules are read.", key=short(key)))  # fmt: skip
    return Config(alpha=_number(raw.get("lora_alpha", 8), "lora_alpha"), use_rslora=raw.get("use_rslora") is True,
                  use_dora=raw.get("use_dora") is True,
                  alpha_pattern=tuple((key, _number(value, f"alpha_pattern {key}")) for key, value in patterns.items()),
                  init=str(raw.get("init_lora_weights", "")), raw=raw)  # fmt: skip


def _number(value: Any, what: str) -> float:
    good = isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e9
    if not good:
        raise AdapterError(
            say("adapter_config.json: {what} is {value}, not a number below 10⁹.", what=short(what), value=short(value))
        )
    return float(value)
