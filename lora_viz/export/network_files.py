"""The files of an adapted network: a PEFT folder, the network before and after, a script that loads them."""

from __future__ import annotations

import json

import numpy as np

from lora_viz.adapters.writing import PREFIX, archive, pack, peft_config, write_safetensors
from lora_viz.core.factored import FactoredMatrix
from lora_viz.export.scripts.digits import digits_script
from lora_viz.i18n.language import say
from lora_viz.networks.digits import RANKS, DigitsRun

__all__ = ["network_home"]


def network_home(run: DigitsRun, method: str) -> bytes:
    """An archive of the first network and its adaptation; its layers are called fc1, fc2 and head.

    Of a rank it has the adapter, as PEFT loads it, and the merged network; of every method the script that trains it
    again. The scripts stay English, as code does. Raises ValueError for a method that was not trained.
    """
    if method not in run.methods:
        raise ValueError(
            say("{method} was not trained. Valid values: {allowed}.", method=method, allowed=", ".join(run.methods))
        )
    names = [f"{layer}.{part}" for layer in ("fc1", "fc2", "head") for part in ("weight", "bias")]
    base = dict(zip(names, run.network, strict=True))
    script = digits_script(run, method)
    members: dict[str, bytes | str] = {
        "base.safetensors": write_safetensors({name: pack(values, "F32") for name, values in base.items()}),
        "train.py": script.text,
        "data.npz": script.npz(),
    }
    at = run.methods.index(method) - 1
    if at in range(len(RANKS)):
        members |= _adapter(run, RANKS[at], base)
    return archive(members)


def _adapter(run: DigitsRun, rank: int, base: dict[str, np.ndarray]) -> dict[str, bytes | str]:
    A1, B1, A2, B2 = run.factors[RANKS.index(rank)]
    scaling = run.experiment.alpha / rank
    merged = base | {
        "fc1.weight": base["fc1.weight"] + FactoredMatrix(A1, B1, scaling).dense(),
        "fc2.weight": base["fc2.weight"] + FactoredMatrix(A2, B2, scaling).dense(),
    }
    factors = {"fc1.lora_A": A1, "fc1.lora_B": B1, "fc2.lora_A": A2, "fc2.lora_B": B2}
    config = peft_config({"fc1": rank, "fc2": rank}, alphas=dict.fromkeys(("fc1", "fc2"), float(run.experiment.alpha)))
    return {
        "adapter/adapter_config.json": json.dumps(config, indent=1) + "\n",
        "adapter/adapter_model.safetensors": write_safetensors(
            {f"{PREFIX}{name}.weight": pack(values, "F32") for name, values in factors.items()}
        ),
        "merged.safetensors": write_safetensors({name: pack(values, "F32") for name, values in merged.items()}),
        "load_with_peft.py": _LOAD.format(units=", ".join(str(len(b)) for b in run.network[1::2])),
    }


_LOAD = '''"""The adapted network of digits, loaded by PEFT: python load_with_peft.py, unpacked."""

from collections import OrderedDict

import torch
from peft import PeftModel
from safetensors.torch import load_file
from torch import nn

first, second, out = {units}


def network():
    return nn.Sequential(
        OrderedDict(
            fc1=nn.Linear(64, first), one=nn.ReLU(), fc2=nn.Linear(first, second), two=nn.ReLU(),
            head=nn.Linear(second, out),
        )
    )


base, merged = network(), network()
base.load_state_dict(load_file("base.safetensors"))
merged.load_state_dict(load_file("merged.safetensors"))
model = PeftModel.from_pretrained(base, "adapter").eval()
x = torch.rand(5, 64, generator=torch.Generator().manual_seed(0))
print("largest difference to the merged network:", float((model(x) - merged(x)).abs().max().detach()))
'''
