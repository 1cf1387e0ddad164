"""How much sooner is a training step of language-model adapters in our one batch than with PEFT and transformers?

Names: five ranks as one batch against five PEFT models, 32 names a step. SmolLM2, where it is installed: rank 8 on all
seven modules, and on the last four layers alone, ten pairs a step; and 20 answers of 24 tokens, one batch against
transformers' ``generate`` on a padded batch. Both sides alternate; processor time of one thread, so the machine's other
work counts for neither side. Losses of the same steps are compared, and answers.
"""

from __future__ import annotations

import json
import statistics
import warnings
from collections.abc import Callable, Iterator
from time import process_time
from typing import Any

import torch

from lora_viz.networks.adapter_batch import AdapterBatch, AdapterSpec, peft_name
from lora_viz.networks.chat_sets import HELD_OUT, SETS
from lora_viz.networks.chat_training import answered, pairs_of, train_pairs
from lora_viz.networks.llama import Frozen, Llama, laid_out
from lora_viz.networks.names import SHAPE, name_loss, names_model, names_of, tokens_of
from lora_viz.networks.smollm2 import END, Chat, find_smollm2, smollm2

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from peft import LoraConfig, get_peft_model
    from transformers import LlamaConfig, LlamaForCausalLM

RANKS, STEPS, TOKENS = (1, 2, 4, 8, 16), 12, 24


def peft_model(model: Llama, adapters: AdapterBatch, g: int) -> Any:
    """PEFT's with the g-th adapter's factors, its AdamW beside it."""
    spec, shape = adapters.specs[g], model.shape
    said = {k: v for k, v in shape.config().items() if k not in ("architectures", "torch_dtype")}
    base = LlamaForCausalLM(LlamaConfig(**said, bos_token_id=1, eos_token_id=2, use_cache=False))
    base.load_state_dict(model.weights(), strict=False)
    config = LoraConfig(r=spec.rank, lora_alpha=spec.scaling * spec.rank, target_modules=list(spec.modules),
                        layers_to_transform=list(spec.layers) or None)  # fmt: skip
    found = get_peft_model(base, config)
    state = {}
    for (i, module), (A, B) in adapters.factors(g).items():
        state[f"{peft_name(i, module)}.lora_A.default.weight"] = torch.from_numpy(A)
        state[f"{peft_name(i, module)}.lora_B.default.weight"] = torch.from_numpy(B)
    found.load_state_dict(state, strict=False)
    rule = torch.optim.AdamW([p for p in found.parameters() if p.requires_grad], lr=spec.lr, weight_decay=0.0)
    return found, rule


def padded(texts: list[tuple[list[int], list[int]]]) -> dict[str, torch.Tensor]:
    """What a collator makes of (context, target) pairs: ids, mask, labels on the targets."""
    longest = max(len(a) + len(b) for a, b in texts)
    rows: dict[str, list[list[int]]] = {"input_ids": [], "attention_mask": [], "labels": []}
    for before, after in texts:
        pad = longest - len(before) - len(after)
        rows["input_ids"].append([*before, *after, *[END] * pad])
        rows["attention_mask"].append([1] * (len(before) + len(after)) + [0] * pad)
        rows["labels"].append([*[-100] * len(before), *after, *[-100] * pad])
    return {name: torch.tensor(value) for name, value in rows.items()}


def their_step(model: Any, rule: Any, batch: dict[str, torch.Tensor]) -> float:
    """The usual one."""
    loss = model(**batch).loss
    loss.backward()
    rule.step()
    rule.zero_grad()
    return float(loss.detach())


def alternating(ours: Iterator[list[float]], theirs: Callable[[], list[float]], steps: int) -> dict[str, float]:
    """Median ratio of processor times, and how far the losses are apart."""
    ratios, mine, apart = [], [], 0.0
    for k in range(steps):
        began = process_time()
        own = next(ours)
        middle = process_time()
        other = theirs()
        ended = process_time()
        if k:  # the first step warms both up
            ratios.append((ended - middle) / (middle - began))
            mine.append(middle - began)
        apart = max(apart, max(abs(a - b) / b for a, b in zip(own, other, strict=True)))
    return {"ratio": round(statistics.median(ratios), 2), "ours_cpu_s": round(statistics.median(mine), 4),
            "largest_relative_difference": apart}  # fmt: skip


def names() -> dict[str, float]:
    """Five ranks, Italian names."""
    model, (train, _) = names_model(), names_of("italian")
    adapters = AdapterBatch(SHAPE, [AdapterSpec(rank=r) for r in RANKS])
    theirs = [peft_model(model, adapters, g) for g in range(len(RANKS))]
    layout = laid_out([tokens_of(name) for name in train[:32]])
    batch = padded([([0], [*tokens_of(name)[1:], 0]) for name in train[:32]])

    def step() -> Iterator[list[float]]:
        while True:
            losses = name_loss(model.logits(model.run(model.embed(layout.ids), adapters, layout)), layout)
            losses.sum().backward()
            adapters.step()
            yield losses.detach().tolist()

    return alternating(step(), lambda: [their_step(*each, batch) for each in theirs], STEPS)


def chat_step(chat: Chat, layers: tuple[int, ...], steps: int) -> dict[str, float]:
    """Rank 8 on all seven modules, of all layers or of these."""
    adapters = AdapterBatch(chat.model.shape, [AdapterSpec(rank=8, layers=layers, lr=3e-4)])
    model, rule = peft_model(chat.model, adapters, 0)
    pairs = SETS["pirate"].pairs
    batch = padded([([*chat.prefix, *chat.asked(q)], [*chat.encode(a), END]) for q, a in pairs])
    ours = train_pairs(chat.model, adapters, pairs_of(chat, pairs), steps + 1)
    return alternating(ours, lambda: [their_step(model, rule, batch)], steps)


@torch.inference_mode()
def answers(chat: Chat) -> dict[str, float]:
    """The held-out questions answered by the base, both ways; ``apart`` counts answers that differ."""
    adapters = AdapterBatch(chat.model.shape, [AdapterSpec(rank=8)])  # B = 0: what is timed is an adapter's cost
    model, _ = peft_model(chat.model, adapters, 0)
    model.eval()
    rows = [[*chat.prefix, *chat.asked(question)] for question in HELD_OUT]
    longest = max(map(len, rows))
    ids = torch.tensor([[END] * (longest - len(row)) + row for row in rows])
    mask = torch.tensor([[0] * (longest - len(row)) + [1] * len(row) for row in rows])
    began = process_time()
    own = answered(chat, adapters, HELD_OUT, TOKENS)[0]
    middle = process_time()
    out = model.generate(input_ids=ids, attention_mask=mask, max_new_tokens=TOKENS, do_sample=False, use_cache=True,
                         pad_token_id=END)  # fmt: skip
    ended = process_time()
    other = [chat.decode([t for t in row[longest:].tolist() if t != END]) for row in out]
    assert answered(chat, Frozen(), HELD_OUT[:1], TOKENS)[0] == own[:1], "B = 0 is the base"
    apart = sum(a != b for a, b in zip(own, other, strict=True))
    return {"ratio": round((ended - middle) / (middle - began), 2), "ours_cpu_s": round(middle - began, 3),
            "largest_relative_difference": float(apart)}  # fmt: skip


def main() -> None:
    torch.set_num_threads(1)
    found = {"names, five ranks": names()}
    if path := find_smollm2():
        chat = smollm2(path)
        found["SmolLM2, all layers"] = chat_step(chat, (), 4)
        found["SmolLM2, last four layers"] = chat_step(chat, (26, 27, 28, 29), 4)
        generation = answers(chat)
        print(f"{'SmolLM2, 20 answers':28}{generation['ratio']:6.2f} times, {generation['ours_cpu_s']:.2f} CPU s in "
              f"all, {generation['largest_relative_difference']:.0f} answers differ")  # fmt: skip
    for name, each in found.items():
        print(f"{name:28}{each['ratio']:6.2f} times, {each['ours_cpu_s']:.3f} CPU s a step, losses agree to "
              f"{each['largest_relative_difference']:.1e}")  # fmt: skip
    if path:
        found["SmolLM2, 20 answers"] = generation
    print(json.dumps({"benchmark": "language", **found}))


if __name__ == "__main__":
    main()
