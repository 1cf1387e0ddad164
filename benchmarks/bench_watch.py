"""What does watching cost? Steps of a small PEFT transformer, watched and not, interleaved in one run."""

from __future__ import annotations

import json
import statistics
import time

import peft
import torch

import lora_viz

LAYERS, WIDTH, TOKENS, RANK, STEPS, ROUNDS = 6, 384, 64, 8, 20, 5


def training() -> tuple[torch.nn.Module, torch.optim.Optimizer, torch.Tensor]:
    """A transformer encoder with LoRA on its feed-forward layers."""
    torch.manual_seed(0)
    layer = torch.nn.TransformerEncoderLayer(WIDTH, 6, 4 * WIDTH, 0.0, batch_first=True)
    plain = torch.nn.TransformerEncoder(layer, LAYERS, enable_nested_tensor=False)
    model = peft.get_peft_model(plain, peft.LoraConfig(r=RANK, target_modules=["linear1", "linear2"]))
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1e-3)
    return model, optimizer, torch.randn(8, TOKENS, WIDTH)


def steps(model: torch.nn.Module, optimizer: torch.optim.Optimizer, x: torch.Tensor) -> float:
    """Seconds of a step, the mean over some."""
    start = time.perf_counter()
    for _ in range(STEPS):
        loss = (model(x) - x.roll(1, 1)).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return (time.perf_counter() - start) / STEPS


if __name__ == "__main__":
    model, optimizer, x = training()
    steps(model, optimizer, x)
    bare, watched, told, seen_steps = [], [], [], []
    for _ in range(ROUNDS):
        bare.append(steps(model, optimizer, x))
        with lora_viz.watch(model) as seen:
            watched.append(steps(model, optimizer, x))
        told.append(seen.record().overhead)
        seen_steps.append(len(seen.record().step))
    ratios = [w / b for w, b in zip(watched, bare, strict=True)]
    found = {
        "step_ms": round(1e3 * statistics.median(bare), 2),
        "watched_ms": round(1e3 * statistics.median(watched), 2),
        "ratio": round(statistics.median(ratios), 4),
        "ratio_range": [round(min(ratios), 4), round(max(ratios), 4)],
        "own_account": round(statistics.median(told), 4),
        "records": statistics.median(seen_steps),
        "of_steps": STEPS,
    }
    for name, value in found.items():
        print(f"{name:12} {value}")
    print(json.dumps({"benchmark": "watch", **found}))
