"""How is an adapter asked for in PEFT? One description, written as a LoraConfig and as adapter_config.json."""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from typing import Any

from lora_viz.core.refusals import Refusal
from lora_viz.i18n.language import say

__all__ = ["BIASES", "INITS", "TASK_TYPES", "AdapterConfig", "AdapterConfigError"]

# The starts that need no more than the weights; "default" is PEFT's True: Kaiming-uniform A, B = 0.
INITS = ("default", "gaussian", "orthogonal", "pissa", "olora")
BIASES = ("none", "lora_only", "all")
TASK_TYPES = ("CAUSAL_LM", "SEQ_CLS", "TOKEN_CLS", "FEATURE_EXTRACTION", "none")


class AdapterConfigError(Refusal):
    """One sentence that names what was given and what is allowed."""


@dataclass(frozen=True, kw_only=True, slots=True)
class AdapterConfig:
    """What PEFT is to build. The fields are PEFT's own but for ``rank`` (its r). Raises AdapterConfigError."""

    rank: int = 8
    alpha: float = 8
    target_modules: tuple[str, ...] | str = ("q_proj", "v_proj")
    dropout: float = 0.0
    init: str = "default"
    use_rslora: bool = False
    use_dora: bool = False
    bias: str = "none"
    task_type: str = "CAUSAL_LM"
    fan_in_fan_out: bool = False

    def __post_init__(self) -> None:
        if self.rank < 1:
            raise AdapterConfigError(say("rank={rank} is not possible. Valid values: 1 and more.", rank=self.rank))
        if not self.target_modules:
            raise AdapterConfigError(say("target_modules is empty: name at least one module."))
        if not 0 <= self.dropout < 1:
            raise AdapterConfigError(
                say(
                    "dropout={dropout} is not possible. Valid values: 0 or more, and less than 1.", dropout=self.dropout
                )
            )
        if not math.isfinite(self.alpha):
            raise AdapterConfigError(say("alpha={alpha} is not a number.", alpha=self.alpha))
        if self.init == "orthogonal" and self.rank % 2:
            raise AdapterConfigError(
                say("rank={rank} does not go with init=orthogonal: it needs an even rank.", rank=self.rank)
            )
        for name, value, allowed in (
            ("init", self.init, INITS),
            ("bias", self.bias, BIASES),
            ("task_type", self.task_type, TASK_TYPES),
        ):
            if value not in allowed:
                raise AdapterConfigError(say("{name}={value} is not known. Valid values: {allowed}.", name=name,
                                             value=value, allowed=", ".join(allowed)))  # fmt: skip

    @property
    def scaling(self) -> float:
        """The factor before B A: α/r, or α/√r with rsLoRA (Kalajdzievski 2023)."""
        return self.alpha / (math.sqrt(self.rank) if self.use_rslora else self.rank)

    def fields(self) -> dict[str, Any]:
        """The LoraConfig's arguments, those written out even at their default that a reader would miss."""
        named = self.target_modules
        return {
            "r": self.rank,
            "lora_alpha": int(self.alpha) if float(self.alpha).is_integer() else self.alpha,
            "target_modules": named if isinstance(named, str) else list(named),
            "lora_dropout": self.dropout,
            "init_lora_weights": True if self.init == "default" else self.init,
            "use_rslora": self.use_rslora,
            "use_dora": self.use_dora,
            "bias": self.bias,
            "fan_in_fan_out": self.fan_in_fan_out,
            "task_type": None if self.task_type == "none" else self.task_type,
        }

    def as_python(self) -> str:
        """A script's lines that make the LoraConfig."""
        lines = "".join(f"    {name}={_literal(value)},\n" for name, value in self.fields().items())
        return f"from peft import LoraConfig\n\nconfig = LoraConfig(\n{lines})\n"

    def as_qlora(self, *, all_linear: bool = False) -> str:
        """The same on a base in 4 bits; ``all_linear``: PEFT finds every linear layer but the head by itself."""
        config = self.as_python().partition("\n\n")[2]
        if all_linear:
            config = re.sub(r"target_modules=.*,", 'target_modules="all-linear",', config)
        return _QLORA + config

    def as_json(self) -> str:
        """The same as adapter_config.json, which PEFT reads beside the weights."""
        return json.dumps({"peft_type": "LORA", **self.fields()}, indent=2, ensure_ascii=False) + "\n"


_QLORA = """import torch
from peft import LoraConfig
from transformers import BitsAndBytesConfig

quantised = BitsAndBytesConfig(  # AutoModel….from_pretrained(name, quantization_config=quantised)
    load_in_4bit=True,
    bnb_4bit_quant_type="nf4",
    bnb_4bit_use_double_quant=True,
    bnb_4bit_compute_dtype=torch.bfloat16,
)

"""


def _literal(value: Any) -> str:
    if isinstance(value, list):
        return "[" + ", ".join(map(_literal, value)) + "]"
    if isinstance(value, str):
        return 'r"' + value + '"' if "\\" in value else json.dumps(value, ensure_ascii=False)
    return repr(value)
