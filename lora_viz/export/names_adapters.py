"""Adapters of the names model as folders that PEFT loads, with the model as a folder that transformers loads."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

import numpy as np

from lora_viz.adapters.writing import archive, pack, write_safetensors
from lora_viz.networks.adapter_batch import AdapterSpec
from lora_viz.networks.llama import MODULES
from lora_viz.networks.names import END, SHAPE, names_model

__all__ = ["names_archive"]

_SCRIPT = '''"""Writes ten names, each with its loss. Needs torch, transformers and peft; nothing is downloaded."""

import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM

RANK = {rank}  # {ranks}
model = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained("base"), f"rank_{{RANK}}").eval()


def loss(name: str) -> float:
    """Nats a letter, the end counted as one. 0 begins and ends a name, 1 to 26 are a to z."""
    ids = torch.tensor([[0, *(ord(letter) - 96 for letter in name), 0]])
    with torch.no_grad():
        return float(model(ids, labels=ids).loss)


torch.manual_seed(0)
begun = torch.zeros(10, 1, dtype=torch.long)
out = model.generate(input_ids=begun, attention_mask=torch.ones_like(begun), max_new_tokens=14, do_sample=True, top_k=0)
for row in out[:, 1:].tolist():
    name = "".join(chr(96 + token) for token in row if token)
    print(f"{{loss(name):.2f}} {{name}}")
'''


def names_archive(specs: Sequence[AdapterSpec], factors: Sequence[Mapping[str, np.ndarray]]) -> bytes:
    """The archive: base/, a folder rank_… for each adapter, and a script. ``factors`` have PEFT's names."""
    config = SHAPE.config() | {"bos_token_id": END, "eos_token_id": END, "pad_token_id": END}
    weights = {name: pack(value.numpy(), "F32") for name, value in names_model().weights().items()}
    ranks = [spec.rank for spec in specs]
    files: dict[str, bytes | str] = {
        "base/config.json": json.dumps(config, indent=1) + "\n",
        "base/model.safetensors": write_safetensors(weights),
        "names.py": _SCRIPT.format(rank=ranks[0], ranks=", ".join(map(str, ranks))),
    }
    for spec, own in zip(specs, factors, strict=True):
        used = [module for module in MODULES if any(f".{module}." in name for name in own)]
        told = {
            "peft_type": "LORA", "task_type": "CAUSAL_LM", "base_model_name_or_path": "base", "inference_mode": True,
            "r": spec.rank, "lora_alpha": spec.scaling * spec.rank, "target_modules": used, "lora_dropout": 0.0,
            "bias": "none", "fan_in_fan_out": False, "use_rslora": False,
        }  # fmt: skip
        files[f"rank_{spec.rank}/adapter_config.json"] = json.dumps(told, indent=1) + "\n"
        tensors = {name: pack(np.asarray(value), "F32") for name, value in own.items()}
        files[f"rank_{spec.rank}/adapter_model.safetensors"] = write_safetensors(tensors)
    return archive(files)
