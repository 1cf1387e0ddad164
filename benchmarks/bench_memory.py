"""How much memory does an adapter take while it trains, here and in PEFT? Growth of a fresh process, per adapter."""

from __future__ import annotations

import json
import resource
import subprocess
import sys

D, R, FEW, MANY = 64, 16, 128, 1152
STATE = 2 * R * D * 4  # bytes of A and B in float32


def peak(side: str, count: int) -> int:
    """Peak resident bytes of a process that trains so many adapters for 20 steps."""
    run = subprocess.run([sys.executable, __file__, side, str(count)], capture_output=True, text=True, check=True)
    return int(run.stdout.split()[-1])


def ours(count: int) -> None:
    """One stack."""
    from lora_viz.core.experiment import Experiment, Sweep
    from lora_viz.engine.training import train

    base = Experiment(d_in=D, d_out=D, rank=R, steps=20, dtype="float32")
    train(Sweep.over(base, init_seed=range(count)), records=2, factors=False)


def peft(count: int) -> None:
    """As many layers in one PEFT model, torch.optim.Adam, one base weight shared by all."""
    import warnings

    import torch

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from peft import LoraConfig, get_peft_model
    net = torch.nn.ModuleList(torch.nn.Linear(D, D, bias=False) for _ in range(count))
    for layer in net:
        layer.weight = net[0].weight
    model = get_peft_model(torch.nn.Sequential(*net), LoraConfig(r=R, target_modules=[str(i) for i in range(count)]))
    optimizer = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], lr=0.01)
    x = torch.randn(512, D)
    for _ in range(3):
        optimizer.zero_grad()
        for layer in model.base_model.model:
            layer(x).square().mean().backward()
        optimizer.step()


def main() -> None:
    """Two sizes a side; the slope is an adapter's share."""
    if len(sys.argv) > 1:
        {"ours": ours, "peft": peft}[sys.argv[1]](int(sys.argv[2]))
        print(1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
        return
    figures = {side: (peak(side, MANY) - peak(side, FEW)) / (MANY - FEW) for side in ("ours", "peft")}
    for side, size in figures.items():
        print(
            f"{side:5s}{size / 1024:8.1f} KiB an adapter, {size / STATE:5.1f} times its A and B (d={D}, r={R}, float32)"
        )
    print("of ours: A and B now, next and at two records, gradient, two moments, root, work space, drawn in float64")
    ratio = figures["peft"] / figures["ours"]
    print(json.dumps({"benchmark": "memory", "ratio": round(ratio, 3)} | {k: round(v) for k, v in figures.items()}))


if __name__ == "__main__":
    main()
