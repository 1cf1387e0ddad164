"""How much sooner does the digits comparison end in our one batch than in a loop of PEFT, Adam and autograd?

Five networks are pretrained and adapted seven ways each, 300 steps. A round times one network's loop (the whole is five
times that) and then our whole comparison with its recording of accuracies and spectra, which the loop does not do.
Processor time of one thread: the machine's other work counts for neither side.
"""

from __future__ import annotations

import json
import statistics
import warnings
from time import perf_counter, process_time

import numpy as np
import torch
from torch import nn

from lora_viz.networks.adapting import (
    FULL_LR,
    HEAD_LR,
    PRETRAIN_LR,
    PRETRAIN_STEPS,
    adapt_digits,
    batch_order,
    digits_data,
    first_factors,
    first_networks,
)
from lora_viz.networks.digits import RANKS, DigitsExperiment, DigitsRun

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from peft import LoraConfig, get_peft_model

ROUNDS = 3


def fit(net: nn.Module, x: torch.Tensor, y: torch.Tensor, order: torch.Tensor, lr: float) -> None:
    """The usual loop: autograd and torch.optim.Adam, its rate falling to 0."""
    solver = torch.optim.Adam([p for p in net.parameters() if p.requires_grad], lr=lr)
    for k, rows in enumerate(order):
        solver.param_groups[0]["lr"] = lr * (1 - k / len(order))
        loss = nn.functional.cross_entropy(net(x[rows]), y[rows])
        solver.zero_grad()
        loss.backward()
        solver.step()


def plain(weights: list[torch.Tensor]) -> nn.Sequential:
    """The network with these weights and biases."""
    layers = [nn.Linear(w.shape[1], w.shape[0]) for w in weights[::2]]
    with torch.no_grad():
        for layer, w, b in zip(layers, weights[::2], weights[1::2], strict=True):
            layer.weight.copy_(w)
            layer.bias.copy_(b)
    return nn.Sequential(layers[0], nn.ReLU(), layers[1], nn.ReLU(), layers[2])


def one_member(e: DigitsExperiment, member: int) -> list[float]:
    """Accuracies of the seven ways on this member, each trained by itself."""
    upright, data = digits_data(e, "upright"), digits_data(e, e.change)
    net = plain([part[member] for part in first_networks(e)])
    order = batch_order(e, "pretraining", PRETRAIN_STEPS, upright.x.shape[1])[:, member]
    fit(net, upright.x[member], upright.y[member], order, PRETRAIN_LR)
    base = [p.detach() for p in net.parameters()]
    order = batch_order(e, "adapting", e.steps, data.x.shape[1])[:, member]
    factors = first_factors(e, RANKS)
    out = []
    for name in ("head", *RANKS, "full"):
        net = plain(base)
        lr = e.lr
        if name == "head":
            net.requires_grad_(False)[4].requires_grad_(True)
            lr *= HEAD_LR
        elif name == "full":
            lr *= FULL_LR
        else:
            rank = int(name)
            net = get_peft_model(net, LoraConfig(r=rank, lora_alpha=e.alpha, target_modules=["0", "2"]))  # type: ignore[assignment]
            with torch.no_grad():
                for i, A in zip((0, 2), factors, strict=True):
                    layer = net.base_model.model[i]
                    layer.lora_A["default"].weight.copy_(A[member, RANKS.index(rank), :rank])
        fit(net, data.x[member], data.y[member], order, lr)
        with torch.no_grad():
            right = net(data.x_test[member]).argmax(-1) == data.y_test[member]
        out.append(float(right.double().mean()))
    return out


def main() -> None:
    torch.set_num_threads(1)
    e = DigitsExperiment()
    theirs, ours, walls, differences = [], [], [], []
    for member in range(ROUNDS):
        began = process_time()
        accuracies = one_member(e, member)
        theirs.append(e.members * (process_time() - began))
        began, wall = process_time(), perf_counter()
        run = list(adapt_digits(e))[-1]
        ours.append(process_time() - began)
        walls.append(perf_counter() - wall)
        assert isinstance(run, DigitsRun)
        differences.append(float(np.abs(run.new[-1, :, member] - accuracies).max()))
    ratio = statistics.median(t / o for t, o in zip(theirs, ours, strict=True))
    print(f"{'':24}{'CPU s':>8}{'wall s':>8}")
    print(f"{'loop with PEFT':24}{statistics.median(theirs):8.2f}{'':>8}")
    print(f"{'one batch, recorded':24}{statistics.median(ours):8.2f}{statistics.median(walls):8.2f}")
    print(f"{ratio:.1f} times; largest difference of a test accuracy {100 * max(differences):.1f} points")
    print(
        json.dumps(
            {
                "benchmark": "digits",
                "loop_cpu_s": round(statistics.median(theirs), 3),
                "ours_cpu_s": round(statistics.median(ours), 3),
                "ours_wall_s": round(statistics.median(walls), 3),
                "ratio": round(ratio, 2),
                "largest_accuracy_difference": max(differences),
            }
        )
    )


if __name__ == "__main__":
    main()
