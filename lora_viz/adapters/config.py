"""By which factor is each module's update multiplied? What the configurations beside an adapter say of it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

from lora_viz.adapters.patterns import Patterns
from lora_viz.adapters.safetensors_file import parse_json
from lora_viz.adapters.stored import AdapterError, short
from lora_viz.i18n.language import say

__all__ = ["CONFIG_MOST", "KINDS", "MOVES_BASE", "Config", "config_of", "is_config", "parse_config"]

CONFIG_MOST = 4_000_000  # one that this app writes names every module several times
PATTERNS_MOST = 25_000
MOVES_BASE = ("pissa", "olora", "corda", "lora_ga", "loftq")  # starts that subtract s·B₀A₀ from the base weight
KINDS = ("LORA", "ADALORA", "LOHA", "LOKR", "VERA")  # PEFT's types whose updates are formed


class Config(NamedTuple):
    """A tool's configuration of an adapter, its fields by their own meaning.

    α (PEFT takes 8 where none is written; None: the tool does not use one), its exceptions and those of the rank, α/√r
    in place of α/r, and ``scale``, where the tool writes s itself (MLX). ``rank`` is 0 where it is not written.
    """

    tool: str
    alpha: float | None
    use_rslora: bool
    use_dora: bool
    alpha_pattern: Patterns
    init: str
    raw: dict[str, Any]
    scale: float | None = None
    rank: int = 0
    rank_pattern: Patterns = Patterns({})
    experts: tuple[str, ...] = ()

    def scaling(self, path: str, rank: float) -> tuple[float | None, str]:
        """s of the module at this path, and where it comes from; ``rank`` is what its α is divided by."""
        if self.scale is not None:
            return self.scale, say("s = {scale:g}, in the configuration", scale=self.scale)
        if self.alpha is None:
            return None, say("not in the file")
        alpha = self.alpha_pattern.value(path, self.alpha)
        if self.use_rslora:
            return alpha / math.sqrt(rank), f"α/√r = {alpha:g}/√{rank:g}"
        return alpha / rank, f"α/r = {alpha:g}/{rank:g}"

    def rank_at(self, path: str) -> int:
        """The rank that is written for the module at this path; 0 where none is."""
        return int(self.rank_pattern.value(path, self.rank))

    def stacks(self, path: str) -> bool:
        """Is the module at this path a stack of experts by PEFT's ``target_parameters``?"""
        while path.endswith(".base_layer"):
            path = path.removesuffix(".base_layer")
        return any(path == at or path.endswith(f".{at}") for at in self.experts)

    @property
    def moves_base(self) -> bool:
        """Is the adapter relative to a base weight that its start had changed?"""
        return self.init.lower().startswith(MOVES_BASE)


def is_config(raw: Mapping[str, Any]) -> bool:
    """Does this JSON describe an adapter? One that names neither a type nor an α is about something else."""
    inner = raw.get("config")
    return (
        "peft_type" in raw
        or "lora_alpha" in raw
        or isinstance(raw.get("lora_parameters"), dict)
        or (isinstance(inner, dict) and "architecture" in inner)
    )


def parse_config(text: bytes) -> Config:
    """A configuration of an adapter, checked. Raises AdapterError, also where it is about something else."""
    found = config_of(text)
    if found is None:
        raise AdapterError(say("This JSON does not describe an adapter: it has neither peft_type nor lora_alpha."))
    return found


def config_of(text: bytes) -> Config | None:
    """The same, None where the JSON is about something else, such as a tokenizer. Raises AdapterError."""
    if len(text) > CONFIG_MOST:
        raise AdapterError(
            say("adapter_config.json has {size:,} bytes: up to {most:,} are read.", size=len(text), most=CONFIG_MOST)
        )
    raw = parse_json(text, "adapter_config.json")
    if not is_config(raw):
        return None
    if isinstance(raw.get("lora_parameters"), dict):
        return _mlx(raw)
    if "peft_type" not in raw and "lora_alpha" not in raw:
        return _adapterhub(raw)
    return peft(raw)


def peft(raw: dict[str, Any]) -> Config:
    """PEFT's fields, and PaddleNLP's, which are nearly the same."""
    kind = raw.get("peft_type", "LORA")
    if not isinstance(kind, str) or kind.upper() not in KINDS:
        raise AdapterError(say("adapter_config.json describes a {kind} adapter. Supported: {kinds}.", kind=short(kind),
                               kinds=", ".join(KINDS)))  # fmt: skip
    kind = kind.upper()
    called = "alpha" if kind in ("LOHA", "LOKR") else "lora_alpha"
    alpha: float | None = _number(raw.get(called, 8), called)
    if kind == "VERA":
        alpha = None
    ranks = _table(raw, "rank_pattern") if kind != "ADALORA" else {}
    rank = raw.get("r", 0)
    named = raw.get("target_parameters")
    stacks = tuple(n.rpartition(".")[0] for n in named if isinstance(n, str)) if isinstance(named, list) else ()
    return Config(tool="PEFT" if "peft_type" in raw else "PaddleNLP", alpha=alpha,
                  use_rslora=raw.get("use_rslora") is True or raw.get("rslora") is True,
                  use_dora=raw.get("use_dora") is True, alpha_pattern=Patterns(_table(raw, "alpha_pattern")),
                  init=str(raw["init_lora_weights"]) if isinstance(raw.get("init_lora_weights"), str | bool) else "",
                  raw=raw, scale=1.0 if kind == "VERA" else None, rank=rank if type(rank) is int and 0 < rank < 10**6
                  else 0, rank_pattern=Patterns(ranks), experts=tuple(filter(None, stacks)))  # fmt: skip


def _mlx(raw: dict[str, Any]) -> Config:
    """MLX: ``lora_parameters`` has s itself. Its first versions multiplied it by α/r; those that write num_layers or
    fine_tune_type, as since 2024, leave an α in their configuration unread (mlx-examples, llms/mlx_lm/tuner).
    """
    own = raw["lora_parameters"]
    scale, rank = _number(own.get("scale", 20.0), "lora_parameters.scale"), own.get("rank", 0)
    rank = rank if type(rank) is int and 0 < rank < 10**6 else 0
    if "alpha" in own and rank and not {"num_layers", "fine_tune_type"} & raw.keys():
        scale *= _number(own["alpha"], "lora_parameters.alpha") / rank
    kind = raw.get("fine_tune_type", "lora")
    if kind not in ("lora", "dora"):
        raise AdapterError(say("adapter_config.json describes a {kind} adapter. Supported: {kinds}.", kind=short(kind),
                               kinds="lora, dora"))  # fmt: skip
    return Config("MLX", None, False, kind == "dora", Patterns({}), "", raw, scale=scale, rank=rank)


def _adapterhub(raw: dict[str, Any]) -> Config:
    """AdapterHub: α/r under ``config``, where its layers add B·A."""
    own = raw["config"]
    kind, how = own.get("architecture"), own.get("composition_mode", "add")
    if kind != "lora" or how != "add":
        raise AdapterError(say("adapter_config.json describes a {kind} adapter. Supported: {kinds}.",
                               kind=short(f"{kind} ({how})"), kinds="lora (add)"))  # fmt: skip
    rank = own.get("r", 0)
    return Config("AdapterHub", _number(own.get("alpha", 8), "alpha"), False, False, Patterns({}), "", raw,
                  rank=rank if type(rank) is int and 0 < rank < 10**6 else 0)  # fmt: skip


def _table(raw: dict[str, Any], name: str) -> dict[str, float]:
    patterns = raw.get(name) or {}
    if not isinstance(patterns, dict):
        raise AdapterError(say("adapter_config.json: {name} is not a table.", name=name))
    if len(patterns) > PATTERNS_MOST:
        raise AdapterError(say("adapter_config.json: {name} has {count:,} names: up to {most:,} are read.", name=name,
                               count=len(patterns), most=PATTERNS_MOST))  # fmt: skip
    return {key: _number(value, f"{name} {short(key, 40)}") for key, value in patterns.items()}


def _number(value: Any, what: str) -> float:
    good = isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e9
    if not good:
        raise AdapterError(
            say("adapter_config.json: {what} is {value}, not a number below 10⁹.", what=short(what), value=short(value))
        )
    return float(value)
