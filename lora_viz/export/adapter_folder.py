"""What can be taken along of a run: its adapter for PEFT, merged weights, a script that repeats it, its history."""

from __future__ import annotations

import json
import math
from typing import NamedTuple

import numpy as np

from lora_viz.adapters.writing import PREFIX, archive, pack, peft_config, write_safetensors
from lora_viz.core.factored import FactoredMatrix
from lora_viz.core.run import Run
from lora_viz.export.scripts.layer import layer_script
from lora_viz.export.taken_along import csv_text

__all__ = ["PlainLoRA", "history", "history_csv", "packed_adapter", "plain_lora"]

LAYER = "layer"  # what the linear layer is called in the files


class PlainLoRA(NamedTuple):
    """An adapter on the original base weight, whatever the run did to its base, and the α that gives its scaling."""

    update: FactoredMatrix
    use_rslora: bool

    @property
    def alpha(self) -> float:
        """α of s = α/r, or of s = α/√r."""
        return self.update.scaling * (math.sqrt(self.update.rank) if self.use_rslora else self.update.rank)


def plain_lora(run: Run, adapter: int = 0) -> PlainLoRA:
    """A trained adapter as an ordinary LoRA, at its last finite step.

    A start that moves the base weight to W − s·B₀A₀ leaves ΔW = s(B A − B₀A₀) = s·[B, −B₀]·[A; A₀]: rank 2r with the
    same s, as PEFT's ``path_initial_model_for_weight_conversion`` writes it. Any other ΔW is written by its SVD.
    """
    e, t = run.sweep[adapter], run.last(adapter)
    now, start = (run.factored(adapter)[k].in_float64() for k in (t, 0))
    delta = run.delta_weight(adapter)[t].astype(float)
    for update in (now, now - start):
        if np.abs(update.dense() - delta).max() <= 1e-6 * np.abs(delta).max():
            return PlainLoRA(update, e.scaling_rule == "rslora")
    u, sigma, vt = np.linalg.svd(delta, full_matrices=False)
    k = max(1, int((sigma > 1e-12 * sigma[0]).sum()))
    return PlainLoRA(FactoredMatrix.from_svd(u[:, :k], sigma[:k], vt[:k]), False)


def packed_adapter(run: Run, adapter: int = 0) -> bytes:
    """An archive with everything: a PEFT folder, base and merged weights, both scripts, the data, the history."""
    e, found = run.sweep[adapter], plain_lora(run, adapter)
    dtype = {"float64": "F64", "float32": "F32"}[e.dtype]
    W = run.task.base_weight
    tensors = {
        f"{PREFIX}{LAYER}.lora_A.weight": pack(found.update.A, dtype),
        f"{PREFIX}{LAYER}.lora_B.weight": pack(found.update.B, dtype),
    }
    config = peft_config(
        {LAYER: found.update.rank}, alphas={LAYER: found.alpha}, given={"use_rslora": found.use_rslora}
    )
    merged = W + found.update.dense()
    members: dict[str, bytes | str] = {
        "adapter/adapter_config.json": json.dumps(config, indent=1) + "\n",
        "adapter/adapter_model.safetensors": write_safetensors(tensors),
        "base.safetensors": write_safetensors({f"{LAYER}.weight": pack(W, dtype)}),
        "merged.safetensors": write_safetensors({f"{LAYER}.weight": pack(merged, dtype)}),
        "load_with_peft.py": _LOAD.format(d_in=e.d_in, d_out=e.d_out, dtype=e.dtype),
        "history.csv": history_csv(run, adapter),
        "experiment.json": json.dumps(e.to_query(), indent=1) + "\n",
    }
    script = layer_script(run, adapter)
    return archive(members | {"train.py": script.text, "data.npz": script.npz()})


def history(run: Run, adapter: int = 0) -> dict[str, np.ndarray]:
    """Every recorded step of one adapter: loss, gradient norms, norms of A, B and ΔW."""
    norms = [np.linalg.norm(m, axis=(1, 2)) for m in (run.A[adapter], run.B[adapter], run.delta_weight(adapter))]
    columns = (run.steps, run.loss[:, adapter], run.grad_A_norm[:, adapter], run.grad_B_norm[:, adapter], *norms)
    names = ("step", "loss", "grad_A_norm", "grad_B_norm", "norm_A", "norm_B", "norm_delta_weight")
    return dict(zip(names, columns, strict=True))


def history_csv(run: Run, adapter: int = 0) -> str:
    """The same as the text of a CSV file."""
    return csv_text(history(run, adapter), line_end="\n")


_LOAD = '''"""The trained adapter on its base layer, loaded by PEFT: python load_with_peft.py, unpacked."""

from collections import OrderedDict

import torch
from peft import PeftModel
from safetensors.torch import load_file

base = torch.nn.Sequential(OrderedDict(layer=torch.nn.Linear({d_in}, {d_out}, bias=False, dtype=torch.{dtype})))
base.load_state_dict(load_file("base.safetensors"))
model = PeftModel.from_pretrained(base, "adapter").eval()
x = torch.randn(5, {d_in}, dtype=torch.{dtype}, generator=torch.Generator().manual_seed(0))
merged = load_file("merged.safetensors")["layer.weight"]
print("largest difference to the merged weights:", float((model(x) - x @ merged.T).abs().max().detach()))
'''
