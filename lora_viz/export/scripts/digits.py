"""Scripts that adapt the network of digits again, in one way or in two on one base, in plain PyTorch."""

from __future__ import annotations

import textwrap
from functools import lru_cache

import numpy as np
import torch

from lora_viz.core.progress import Progress
from lora_viz.export.scripts.script import Script, filled
from lora_viz.networks.adapter_pair import as_digits, first_factors_of_two
from lora_viz.networks.adapting import FULL_LR, HEAD_LR, batch_order, digits_data, first_factors, pretrained
from lora_viz.networks.digits import RANKS, DigitsExperiment, DigitsRun, PairExperiment, PairRun
from lora_viz.networks.requantise import RequantiseRun

__all__ = ["digits_script", "pair_script", "requantised_script"]

NETWORK = ("w1", "b1", "w2", "b2", "w3", "b3")
Arrays = dict[str, np.ndarray]


def digits_script(run: DigitsRun, method: str) -> Script:
    """The first network, adapted by this method: what it reads right of both kinds of digits, step by step."""
    e, m = run.experiment, run.methods.index(method)
    own = {"steps": run.steps, "new": run.new[:, m, 0], "old": run.old[:, m, 0]}
    network = dict(zip(NETWORK, run.network, strict=True))
    if method in ("head", "full"):
        rate, trained = (HEAD_LR, NETWORK[4:]) if method == "head" else (FULL_LR, NETWORK)
        return _script(e, method, network, trained, rate * e.lr, own)
    rank = RANKS[m - 1]
    A1, A2 = (A[0, m - 1, :rank].numpy().copy() for A in first_factors(e, RANKS))
    return _script(e, f"LoRA, {method}", network | {"A1": A1, "A2": A2}, ("A1", "B1", "A2", "B2"), e.lr, own, rank)


def requantised_script(e: DigitsExperiment, run: RequantiseRun) -> Script:
    """The adapter that is merged on the page, and what the first network reads right with it, before any merge."""
    A1, A2 = (A[0, 0].numpy().copy() for A in first_factors(e, (run.rank,)))
    own = {"steps": np.array([e.steps]), "new": run.plain[:1]}
    network = _network(e) | {"A1": A1, "A2": A2}
    return _script(e, f"LoRA, r={run.rank}", network, ("A1", "B1", "A2", "B2"), e.lr, own, run.rank)


def _script(
    e: DigitsExperiment,
    method: str,
    network: Arrays,
    trained: tuple[str, ...],
    lr: float,
    measured: Arrays,
    rank: int = 0,
) -> Script:
    data = digits_data(e, e.change)
    arrays = {
        **network,
        "x": data.x[0].numpy(),
        "new_x": data.x_test[0].numpy(),
        "y": data.y[0].numpy(),
        "new_y": data.y_test[0].numpy(),
        "order": batch_order(e, "adapting", e.steps, data.x.shape[1])[:, 0].numpy(),
    }
    sides = [name for name in ("new", "old") if name in measured]
    if "old" in measured:
        upright = digits_data(e, "upright")
        arrays |= {"old_x": upright.x_test[0].numpy(), "old_y": upright.y_test[0].numpy()}
    shown = {"new": f"{e.change}: here / there", "old": "upright: here / there"}
    s = e.alpha / rank if rank else 0.0
    text = filled(
        _ONE,
        what=_stated(e, method),
        names=", ".join(network),
        quoted=", ".join(f'"{name}"' for name in network),
        zeros=f"B1, B2 = torch.zeros(len(w1), {rank}), torch.zeros(len(w2), {rank})" * bool(rank),
        trained=", ".join(trained),
        lr=repr(lr),
        steps=str(e.steps),
        first=f" + {s!r} * (x @ A1.T) @ B1.T" * bool(rank),
        second=f" + {s!r} * (h @ A2.T) @ B2.T" * bool(rank),
        sides=", ".join(f'"{name}"' for name in sides) + ",",
        head="step   " + "   ".join(shown[name] for name in sides),
    )
    return Script(text, {**arrays, **{f"{n}_right" if n != "steps" else n: x for n, x in measured.items()}})


def pair_script(e: PairExperiment, run: PairRun) -> Script:
    """Both adapters of the first network, mixed in three shares, rightly and by their factors, read on three tasks."""
    d = as_digits(e)
    shares = [0, len(run.weight) // 4, len(run.weight) // 2, len(run.weight) - 1]
    tasks = [digits_data(d, change) for change in ("rotated", e.second, "upright")]
    A1, A2 = (A[:: e.members, 0].numpy().copy() for A in first_factors_of_two(e))
    arrays = {
        **_network(d),
        "A1": A1,
        "A2": A2,
        "x": np.stack([task.x[0].numpy() for task in tasks[:2]]),
        "y": np.stack([task.y[0].numpy() for task in tasks[:2]]),
        "x_test": np.stack([task.x_test[0].numpy() for task in tasks]),
        "y_test": np.stack([task.y_test[0].numpy() for task in tasks]),
        "order": batch_order(d, "adapting", e.steps, tasks[0].x.shape[1])[:, 0].numpy(),
        "weight": run.weight[shares],
        "mixed": run.mixed[shares, :, 0],
        "averaged": run.averaged[shares, :, 0],
    }
    text = filled(
        _TWO,
        what=_stated(e, f"the first to rotated, the second to {e.second} digits"),
        rank=str(e.rank),
        s=repr(e.alpha / e.rank),
        lr=repr(e.lr),
        steps=str(e.steps),
        head=f"weight: rotated / {e.second} / upright, each here and in the playground",
    )
    return Script(text, arrays)


def _stated(e: DigitsExperiment | PairExperiment, method: str) -> str:
    names = [name for name in e.__slots__ if name != "members"]
    return textwrap.fill(f"{method}; " + ", ".join(f"{name}={getattr(e, name)}" for name in names), 110)


def _network(e: DigitsExperiment) -> Arrays:
    return dict(zip(NETWORK, _pretrained(e), strict=True))


@lru_cache(maxsize=4)
def _pretrained(e: DigitsExperiment) -> tuple[np.ndarray, ...]:
    """The first member's network, trained among all the others: alone its last digits would be others."""
    with torch.inference_mode():
        network = [item for item in pretrained(e) if not isinstance(item, Progress)][-1]
    return tuple(part[0].numpy().copy() for part in network)


_ONE = '''"""A network that reads upright digits learns to read others. python train.py, beside its data.npz.

«what»
"""

import numpy as np
import torch

torch.set_num_threads(1)
with np.load("data.npz") as file:
    data = {name: torch.tensor(x) for name, x in file.items()}
«names» = (data[name] for name in («quoted»))
«zeros»
trained = [«trained»]
for numbers in trained:
    numbers.requires_grad_()


def network(x):
    h = (x @ w1.T + b1«first»).relu()
    h = (h @ w2.T + b2«second»).relu()
    return h @ w3.T + b3


def right(side):
    return (network(data[f"{side}_x"]).argmax(dim=1) == data[f"{side}_y"]).double().mean().item()


optimizer = torch.optim.Adam(trained, lr=«lr»)
schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda k: 1 - k / «steps»)
at = {k: i for i, k in enumerate(data["steps"].tolist())}
print("«head»")
for k in range(«steps» + 1):
    if k in at:
        shares = [(right(side), data[f"{side}_right"][at[k]]) for side in («sides»)]
        print(f"{k:<6d}", *(f"{here:<10.4f} {there:<10.4f}" for here, there in shares))
    if k == «steps»:
        break
    rows = data["order"][k]
    optimizer.zero_grad()
    torch.nn.functional.cross_entropy(network(data["x"][rows]), data["y"][rows]).backward()
    optimizer.step()
    schedule.step()
'''

_TWO = '''"""Two adapters on one network that reads digits, then mixed. python train.py, beside its data.npz.

«what»
"""

import numpy as np
import torch

torch.set_num_threads(1)
with np.load("data.npz") as file:
    data = {name: torch.tensor(x) for name, x in file.items()}
w1, b1, w2, b2, w3, b3 = (data[name] for name in ("w1", "b1", "w2", "b2", "w3", "b3"))
s = «s»


def network(x, D1, D2):
    h = (x @ (w1 + D1).T + b1).relu()
    return (h @ (w2 + D2).T + b2).relu() @ w3.T + b3


adapters = []
for task in range(2):
    A1, A2 = data["A1"][task].clone(), data["A2"][task].clone()
    B1, B2 = torch.zeros(len(w1), «rank»), torch.zeros(len(w2), «rank»)
    for factor in (A1, B1, A2, B2):
        factor.requires_grad_()
    optimizer = torch.optim.Adam([A1, B1, A2, B2], lr=«lr»)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda k: 1 - k / «steps»)
    for k in range(«steps»):
        x, y = data["x"][task][data["order"][k]], data["y"][task][data["order"][k]]
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(network(x, s * B1 @ A1, s * B2 @ A2), y).backward()
        optimizer.step()
        schedule.step()
    adapters.append([factor.detach() for factor in (A1, B1, A2, B2)])


def shares(D1, D2):  # what is read right of the first task, the second, and upright digits
    tests = zip(data["x_test"], data["y_test"])
    return [(network(x, D1, D2).argmax(dim=1) == y).double().mean().item() for x, y in tests]


print("«head»")
for i, w in enumerate(data["weight"].tolist()):
    (p, q), (A1, B1, A2, B2) = (1 - w, w), ((1 - w) * a + w * b for a, b in zip(*adapters))
    updates = [[s * B @ A, s * C @ E] for A, B, E, C in adapters]
    mixed = shares(*(p * a + q * b for a, b in zip(*updates)))  # of the updates
    averaged = shares(s * B1 @ A1, s * B2 @ A2)  # of the factors, which is something else
    for name, here in (("mixed", mixed), ("averaged", averaged)):
        pairs = zip(here, data[name][i].tolist())
        print(f"{name}-{w:<8g}", *(f"{a:.4f} {b:.4f}  " for a, b in pairs))
'''
