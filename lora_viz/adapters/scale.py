"""Where does a module's scale stand? In a tensor beside it, in a configuration, in the file's header, or nowhere."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from lora_viz.adapters.config import Config, peft
from lora_viz.adapters.keys import Pair
from lora_viz.adapters.safetensors_file import parse_json
from lora_viz.adapters.stored import AdapterError, Weights, short
from lora_viz.i18n.language import say

__all__ = ["Scales"]

HEADER = "lora_adapter_metadata"
COMPONENTS = ("transformer", "unet", "text_encoder", "text_encoder_2", "text_encoder_3", "transformer_2")


class _Kohya(NamedTuple):
    alpha: float | None
    conv_alpha: float | None


class Scales:
    """What a file and its configuration say of scales. Raises AdapterError where they contradict their own form."""

    def __init__(self, weights: Weights, config: Config | None, alpha: float | None) -> None:
        self._weights, self._config, self._alpha = weights, config, alpha
        self._header = _components(weights.metadata) if config is None else {}
        self._kohya = _kohya(weights.metadata)
        self._gguf = _float(weights.metadata.get("adapter.lora.alpha")) if weights.kind == "gguf" else None

    @property
    def configs(self) -> Mapping[str, Config]:
        """The configurations in the header, by the component whose modules they are for."""
        return self._header

    def of(self, pair: Pair, divisor: float) -> tuple[float | None, str]:
        """s of this module and where it comes from; ``divisor`` is its rank, or what its kind divides α by.

        0 stands for a LoKr of two whole factors: LyCORIS multiplies it by 1 whatever α is, PEFT by its α/r all the
        same. None: nothing says it.
        """
        if divisor == 0:
            if self._config is not None and self._config.tool == "PEFT" and pair.alpha is None:
                rank = self._config.rank_at(pair.module)
                return self._config.scaling(pair.module, rank) if rank else (None, say("not in the file"))
            return 1.0, say("1: this kind does not use α")
        if pair.alpha is not None:
            own = self._own(pair.alpha)
            return own / divisor, say("α/r = {alpha:g}/{rank}, in the file", alpha=own, rank=f"{divisor:g}")
        if self._config is not None:
            return self._config.scaling(pair.module, divisor)
        for name in sorted(self._header, key=len, reverse=True):
            if not name or pair.module.startswith(f"{name}."):
                return self._header[name].scaling(pair.module.removeprefix(f"{name}."), divisor)
        if self._gguf is not None:
            return self._gguf / divisor, say("α/r = {alpha:g}/{rank}, in the file's header", alpha=self._gguf,
                                             rank=f"{divisor:g}")  # fmt: skip
        conv = len(self._weights.entries[pair.A].shape) == 4 and max(self._weights.entries[pair.A].shape[2:]) > 1
        said = self._kohya.conv_alpha if conv and self._kohya.conv_alpha is not None else self._kohya.alpha
        if said is not None and pair.scheme in ("kohya", "LyCORIS"):
            return said / divisor, say("α/r = {alpha:g}/{rank}, in the file's header", alpha=said,
                                       rank=f"{divisor:g}")  # fmt: skip
        if self._alpha is not None:
            return self._alpha / divisor, say("α/r = {alpha:g}/{rank}, as you said", alpha=self._alpha,
                                              rank=f"{divisor:g}")  # fmt: skip
        if pair.scheme in ("kohya", "LyCORIS"):
            return 1.0, say("no α in the file: α = r by kohya's rule")
        if pair.scheme == "control-lora":
            return 1.0, say("1 by the format's rule")
        return None, say("not in the file")

    def _own(self, name: str) -> float:
        given = self._weights.numbers(name)
        if given.size != 1 or not np.isfinite(given).all():
            raise AdapterError(
                say("{name} has shape {shape}: an α is one finite number.", name=short(name), shape=given.shape)
            )
        return float(given.ravel()[0])


def _components(metadata: Mapping[str, str]) -> dict[str, Config]:
    """diffusers writes PEFT's configuration of each component into the header: transformer.r, unet.lora_alpha …"""
    text = metadata.get(HEADER)
    if text is None:
        return {}
    raw = parse_json(text.encode("utf-8", "replace"), HEADER)
    parts: dict[str, dict[str, Any]] = {}
    for key, value in raw.items():
        first, dot, rest = key.partition(".")
        component = first if dot and first in COMPONENTS else ""
        parts.setdefault(component, {})[rest if component else key] = value
    return {name: peft(found | {"peft_type": "LORA"}) for name, found in parts.items() if "lora_alpha" in found}


def _kohya(metadata: Mapping[str, str]) -> _Kohya:
    """kohya's scripts write what they were given: ss_network_alpha, and conv_alpha among ss_network_args."""
    alpha, conv = _float(metadata.get("ss_network_alpha")), None
    text = metadata.get("ss_network_args")
    if text is not None and len(text) < 100_000:
        try:
            conv = _float(parse_json(text.encode("utf-8", "replace"), "ss_network_args").get("conv_alpha"))
        except AdapterError:
            conv = None
    return _Kohya(alpha, conv)


def _float(text: Any) -> float | None:
    try:
        value = float(text)
    except (TypeError, ValueError, OverflowError):
        return None
    return value if abs(value) < 1e9 else None
