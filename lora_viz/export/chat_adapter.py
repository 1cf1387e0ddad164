"""An adapter of a chat model as a folder that PEFT loads."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from lora_viz.adapters.writing import pack, peft_folder
from lora_viz.networks.adapter_batch import AdapterSpec

__all__ = ["CHECKPOINT", "chat_adapter_folder"]

CHECKPOINT = "HuggingFaceTB/SmolLM2-135M-Instruct"
_SCRIPT = '''"""Asks the adapted model. Needs torch, transformers and peft; the base model is downloaded once."""

from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer

BASE = "{checkpoint}"
tokenizer = AutoTokenizer.from_pretrained(BASE)
model = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(BASE), "adapter")
question = [{{"role": "user", "content": "What is the capital of France?"}}]
ids = tokenizer.apply_chat_template(question, add_generation_prompt=True, return_tensors="pt", return_dict=True)
out = model.generate(**ids, max_new_tokens=24, do_sample=False)
print(tokenizer.decode(out[0, ids["input_ids"].shape[1]:], skip_special_tokens=True))
'''


def chat_adapter_folder(spec: AdapterSpec, factors: Mapping[str, np.ndarray]) -> bytes:
    """The archive: adapter/ for ``PeftModel.from_pretrained``, and a script. ``factors`` have PEFT's names."""
    config = {
        "peft_type": "LORA", "task_type": "CAUSAL_LM", "base_model_name_or_path": CHECKPOINT, "inference_mode": True,
        "r": spec.rank, "lora_alpha": spec.scaling * spec.rank, "target_modules": list(spec.modules),
        "layers_to_transform": list(spec.layers) or None, "lora_dropout": spec.dropout, "bias": "none",
        "fan_in_fan_out": False, "use_rslora": False,
    }  # fmt: skip
    tensors = {name: pack(np.asarray(values), "F32") for name, values in factors.items()}
    return peft_folder(config, tensors, {"ask.py": _SCRIPT.format(checkpoint=CHECKPOINT)})
