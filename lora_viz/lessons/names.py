"""What stands on the screen for the answers of an experiment's fields; a link keeps the answers themselves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lora_viz.i18n.language import to_say
from lora_viz.layer.starts import STARTS
from lora_viz.layer.variants import VARIANTS

__all__ = ["NAMES"]

_SPECTRA = {
    "flat": to_say("flat"),
    "power": to_say("power law"),
    "exponential": to_say("exponential"),
    "geometric": to_say("geometric"),
    "spike": to_say("spike"),
    "random": to_say("random"),
    "digits": to_say("digits, real images"),
}
_DTYPES = {name: name for name in ("float64", "float32", "float16", "bfloat16")}
_VARIANTS = {name: variant.title for name, variant in VARIANTS.items()}
_TO_DIGITS = {
    "rotated": to_say("rotated"),
    "relabelled": to_say("relabelled"),
    "permuted": to_say("permuted"),
    "inverted": to_say("inverted"),
}
# Field or view option -> what stands on the screen for its answers; the link keeps the answers themselves.
NAMES: dict[str, Mapping[Any, str]] = {
    "task": {
        "low_rank": to_say("low rank"),
        "full_rank": to_say("full rank"),
        "inside_top": to_say("inside W's top"),
        "rotation": to_say("rotation"),
        "row_rescale": to_say("rows rescaled"),
    },
    "spectrum": _SPECTRA,
    "shape_of_spectrum": _SPECTRA,
    "init": {name: start.short for name, start in STARTS.items()},
    "variant": _VARIANTS,
    "versus": _VARIANTS,
    "weight_kind": {"gaussian": to_say("Gaussian"), "decaying": to_say("decaying")},
    "optimizer": {"sgd": "SGD", "adam": "Adam", "adamw": "AdamW", "scaled_gd": to_say("Scaled GD")},
    "schedule": {"constant": to_say("constant"), "linear": to_say("linear")},
    "frozen": {"none": to_say("neither"), "A": "A", "B": "B"},
    "convention": {
        "paper": to_say("paper"),
        "peft": "PEFT",
        "down_up": to_say("down and up"),
        "row_vectors": to_say("row vectors"),
    },
    "scaling_rule": {"lora": "α/r", "rslora": "α/√r", "constant": "α"},
    "dtype": _DTYPES,
    "weights_dtype": _DTYPES,
    "change": _TO_DIGITS,
    "second": _TO_DIGITS,
    "plane": {"learning_rates": to_say("learning rates"), "rank_alpha": to_say("rank and α")},
    "weight_format": {name: name for name in ("int8", "int4", "NF4")},
    "error_axis": {"linear": to_say("linear"), "log": to_say("logarithmic")},
}
