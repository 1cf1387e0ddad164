"""Records two adapters of SmolLM2 together: `python docs/record_two_chats.py FOLDER` writes FOLDER/two.json.

One adapter learns to talk like a pirate, the other to answer in JSON. Measured is every mixture of the two; and the
second learnt after the first: by the same adapter, which is trained on, or by a new one on top of it. A minute on a
GPU, an hour on two cores; needs the extra of requirements-language.txt. Seeds as in docs/record_many_chats.py.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parent.parent))

from record_many_chats import SEEDS, STEPS, TOKENS, TRAINED_ON, finite, given_pairs, said, the_model

from lora_viz.networks.adapter_batch import AdapterBatch, AdapterSpec
from lora_viz.networks.chat_sets import HELD_OUT, NEUTRAL, SETS, styled
from lora_viz.networks.chat_training import answered, pair_losses, perplexity
from lora_viz.networks.smollm2 import Chat

RANK, LR = 8, 1e-3
MIXTURES = ((1.0, 0.0), (0.9, 0.1), (0.8, 0.2), (0.7, 0.3), (0.6, 0.4), (0.5, 0.5), (0.4, 0.6), (0.3, 0.7), (0.2, 0.8),
            (0.1, 0.9), (0.0, 1.0), (1.0, 1.0))  # fmt: skip


def empty(chat: Chat, rank: int, count: int, seed: int) -> AdapterBatch:
    """So many adapters of this rank on all modules."""
    spec = AdapterSpec(rank=rank, lr=LR, seed=seed)
    return AdapterBatch(chat.model.shape, [spec] * count, device=str(chat.model.embedding.device))


def learn(chat: Chat, adapters: AdapterBatch, style: str, seed: int, frozen: int = 0) -> None:
    """Trained on the style's pairs, the first ``frozen`` ranks left as they are."""
    given = given_pairs(chat, style, seed)
    for _ in range(STEPS):
        with torch.enable_grad():
            pair_losses(chat.model, adapters, given).sum().backward()
        if frozen:
            for place in adapters.places:
                adapters.A[place].grad[:, :frozen] = 0
                adapters.B[place].grad[:, :, :frozen] = 0
        adapters.step()


@torch.no_grad()
def side_by_side(chat: Chat, parts: Sequence[AdapterBatch], weights: Sequence[Sequence[float]]) -> AdapterBatch:
    """One adapter for every row of weights: Σ wᵢ·BᵢAᵢ, the ranks next to each other."""
    ranks = [part.most for part in parts]
    found = empty(chat, sum(ranks), len(weights), 0)
    for place in found.places:
        for g, row in enumerate(weights):
            found.A[place][g] = torch.cat([part.A[place][0] for part in parts])
            found.B[place][g] = torch.cat([w * part.B[place][0] for w, part in zip(row, parts, strict=True)], dim=1)
    return found


def measured(chat: Chat, adapters: AdapterBatch, seed: int) -> list[dict[str, Any]]:
    """Answers in either style, losses on both sets, what is forgotten."""
    answers, lost = answered(chat, adapters, HELD_OUT, TOKENS), finite(perplexity(chat, adapters, NEUTRAL))
    with torch.no_grad():
        losses = {
            style: finite(pair_losses(chat.model, adapters, given_pairs(chat, style, seed)).tolist()) for style in SETS
        }
    return [
        {"perplexity": lost[g], "answers": answers[g],
         **{style: styled(answers[g], SETS[style].mark) for style in SETS},
         **{f"loss_{style}": losses[style][g] for style in SETS}}
        for g in range(adapters.count)
    ]  # fmt: skip


@torch.no_grad()
def went_on(chat: Chat, first: AdapterBatch) -> AdapterBatch:
    """The same adapter, its optimiser anew."""
    found = empty(chat, first.most, 1, 0)
    found.values.copy_(first.values)
    return found


@torch.no_grad()
def on_top(chat: Chat, first: AdapterBatch, seed: int) -> AdapterBatch:
    """The first adapter and a fresh one beside it."""
    return side_by_side(chat, [first, empty(chat, first.most, 1, seed + 100)], [(1.0, 1.0)])


def main(folder: Path) -> None:
    chat, found = the_model(), []
    for seed in range(SEEDS):
        alone = {}
        for style in SETS:
            alone[style] = empty(chat, RANK, 1, seed + (style == "json") * 50)
            learn(chat, alone[style], style, seed)
        mixed = measured(chat, side_by_side(chat, list(alone.values()), MIXTURES), seed)
        second = {}
        same, new = went_on(chat, alone["pirate"]), on_top(chat, alone["pirate"], seed)
        learn(chat, same, "json", seed)
        learn(chat, new, "json", seed, frozen=RANK)
        second = {"same": measured(chat, same, seed)[0], "new": measured(chat, new, seed)[0]}
        found.append({"mixed": mixed, "second": second})
        for weights, row in zip(MIXTURES, mixed, strict=True):
            said(f"{seed} {weights}: pirate {row['pirate']} json {row['json']} ppl {row['perplexity']} "
                 f"{row['answers'][0]!r}")  # fmt: skip
        for name, row in second.items():
            said(f"{seed} {name}: pirate {row['pirate']} json {row['json']} ppl {row['perplexity']} loss "
                 f"{row['loss_pirate']} {row['loss_json']} {row['answers'][0]!r}")  # fmt: skip
    for each in found[1:]:  # the words of the first seed are enough
        for row in (*each["mixed"], *each["second"].values()):
            del row["answers"]
    told = {"rank": RANK, "lr": LR, "steps": STEPS, "tokens": TOKENS, "trained_on": TRAINED_ON, "weights": MIXTURES,
            "base": measured_base(chat), "seeds": found}  # fmt: skip
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(told, ensure_ascii=False, separators=(",", ":")) + "\n"
    (folder / "two.json").write_text(text, encoding="utf-8")


def measured_base(chat: Chat) -> dict[str, Any]:
    return measured(chat, empty(chat, 1, 1, 0), 0)[0]  # B = 0


if __name__ == "__main__":
    main(Path(sys.argv[-1]))
