"""Which files take an adapted network home? A PEFT folder, the network before and after, a script that loads them."""

from __future__ import annotations

import json

from lora_viz.adapters.writing import PREFIX, archive, pack, peft_config, write_safetensors
from lora_viz.digits import RANKS, DigitsRun
from lora_viz.language import say, to_say

__all__ = ["network_home"]


def network_home(run: DigitsRun, rank: int) -> bytes:
    """An archive with the first network's adapter of this rank; its layers are called fc1, fc2 and head.

    Raises ValueError for a rank that was not trained.
    """
    if rank not in RANKS:
        raise ValueError(
            say("rank={rank} was not trained: allowed are {str}.", rank=rank, str=", ".join(map(str, RANKS)))
        )
    A1, B1, A2, B2 = run.factors[RANKS.index(rank)]
    scaling = run.experiment.alpha / rank
    names = [f"{layer}.{part}" for layer in ("fc1", "fc2", "head") for part in ("weight", "bias")]
    base = dict(zip(names, run.network, strict=True))
    merged = base | {
        "fc1.weight": base["fc1.weight"] + scaling * B1 @ A1,
        "fc2.weight": base["fc2.weight"] + scaling * B2 @ A2,
    }
    factors = {"fc1.lora_A": A1, "fc1.lora_B": B1, "fc2.lora_A": A2, "fc2.lora_B": B2}
    config = peft_config({"fc1": rank, "fc2": rank}, alphas=dict.fromkeys(("fc1", "fc2"), float(run.experiment.alpha)))
    return archive(
        {
            "adapter/adapter_config.json": json.dumps(config, indent=1) + "\n",
            "adapter/adapter_model.safetensors": write_safetensors(
                {f"{PREFIX}{name}.weight": pack(values, "F32") for name, values in factors.items()}
            ),
            "base.safetensors": write_safetensors({name: pack(values, "F32") for name, values in base.items()}),
            "merged.safetensors": write_safetensors({name: pack(values, "F32") for name, values in merged.items()}),
            "load_with_peft.py": _LOAD.format(units=", ".join(str(len(b)) for b in run.network[1::2])),
        }
    )


_LOAD = to_say('''"""The adapted network of digits, loaded by PEFT: python load_with_peft.py, unpacked."""

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
''')
