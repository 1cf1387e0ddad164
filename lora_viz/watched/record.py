"""What was seen of a training, and the small file that holds it: safetensors, so that nothing in it can run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from lora_viz.adapters.safetensors_file import read_safetensors
from lora_viz.adapters.source import InMemory
from lora_viz.adapters.stored import AdapterError, check_names
from lora_viz.adapters.writing import pack, write_safetensors
from lora_viz.i18n.language import say

__all__ = ["Watched", "read", "write"]

_FORMAT = "lora-playground run 1"
_MODULES_MOST = 20_000


class Watched(NamedTuple):
    """T records of M adapted modules: ``step`` counts optimiser steps from 1, ``grad_A`` and ``grad_B`` are the norms
    of the gradients that the step used, ``delta`` is ‖s·B A‖ after it and ``sigma`` its singular values, 0 beyond a
    module's own. ``loss`` has L values at ``loss_step``, maybe none. ``overhead`` is the share of the time that
    watching took.
    """

    modules: tuple[str, ...]
    step: Float[np.ndarray, "T"]
    grad_A: Float[np.ndarray, "T M"]
    grad_B: Float[np.ndarray, "T M"]
    delta: Float[np.ndarray, "T M"]
    sigma: Float[np.ndarray, "T M K"]
    loss_step: Float[np.ndarray, "L"]
    loss: Float[np.ndarray, "L"]
    overhead: float


def write(record: Watched, path: str | Path) -> None:
    """Write the file: numbers in float32, some hundred bytes a module and record."""
    arrays = {name: value for name, value in record._asdict().items() if isinstance(value, np.ndarray)}
    told = {"format": _FORMAT, "modules": json.dumps(record.modules), "overhead": repr(record.overhead)}
    Path(path).write_bytes(write_safetensors({name: pack(value, "F32") for name, value in arrays.items()}, told))


def read(name: str, data: bytes) -> Watched:
    """What such a file holds. Raises AdapterError: it is none, or what is in it does not fit together."""
    weights = read_safetensors(InMemory(data))
    wrong = AdapterError(say("{name} is not a record of a training run: lora_viz.watch writes one.", name=name))
    if weights.metadata.get("format") != _FORMAT:
        raise wrong
    try:
        modules = tuple(map(str, json.loads(weights.metadata["modules"])[: _MODULES_MOST + 1]))
        arrays = {
            field: weights.read(field).astype(np.float64)
            for field in Watched._fields
            if field not in ("modules", "overhead")
        }
        overhead = float(weights.metadata["overhead"])
    except (KeyError, ValueError, TypeError, RecursionError):
        raise wrong from None
    check_names(modules)
    T, M = len(arrays["step"]), len(modules)
    fits = (
        0 < M <= _MODULES_MOST and T > 0 and arrays["step"].ndim == 1 and (np.diff(arrays["step"]) > 0).all()
        and all(arrays[field].shape == (T, M) for field in ("grad_A", "grad_B", "delta"))
        and arrays["sigma"].ndim == 3 and arrays["sigma"].shape[:2] == (T, M) and arrays["sigma"].shape[2] > 0
        and arrays["loss"].ndim == 1 and arrays["loss"].shape == arrays["loss_step"].shape
    )  # fmt: skip
    if not fits:
        raise wrong
    return Watched(modules=modules, overhead=overhead, **arrays)
