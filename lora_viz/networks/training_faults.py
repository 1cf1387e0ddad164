"""Trainings that go wrong, each beside its remedy: a small network with two LoRA layers, really trained both ways.

A fault and its remedy differ in one setting; seed, data, start and number of steps are the same. After every step the
adapter is written down as its file would hold it and loaded into a fresh copy of the base: what is measured is what
whoever loads that file gets.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from lora_viz.core.experiment import Experiment
from lora_viz.core.progress import Progress
from lora_viz.engine.threads import each_step_in_one_thread
from lora_viz.i18n.language import say
from lora_viz.layer.lora import LoRALinear

__all__ = ["FAULTS", "PLACES", "TOKENS", "Attempt", "Faulty", "attempts", "base_tensors"]

FAULTS = ("fp16", "checkpointing", "stored", "optimizer", "names")
PLACES = ("layers.0.mlp.up_proj", "layers.1.mlp.up_proj")  # paths of the layers with an adapter
TOKENS = 256
SMALL_OUTPUTS = 0.002  # fp16: the size of the outputs, so that gradients lie below 6·10⁻⁸ as in deep networks
SMALL_UPDATE = 1 / 128  # stored: the size of what is to be learnt, as with a large model …
STRONG = 8.0  # … and so many times the scale: B gets by with numbers as much smaller, and so does its learning rate
WRAPPED = "_orig_mod."  # names: what torch.compile puts before every name
REPORTS = 20


class Attempt(NamedTuple):
    """One training of T − 1 steps. ``loss`` is that of the file loaded at each step, ``training_loss`` that of the
    network in training; ``delta`` is √Σ‖ΔW‖² and ``filled`` the share of B's entries that are not 0, both as loaded or
    stored; ``grad_B`` √Σ‖∇B‖² as the optimiser gets it.

    ``taken`` is how many of ``asked`` tensors the loader found, ``stored`` the file's tensors as torch holds them,
    ``scaling`` s, ``said`` what torch warned of.
    """

    loss: Float[np.ndarray, "T"]
    training_loss: Float[np.ndarray, "T"]
    delta: Float[np.ndarray, "T"]
    filled: Float[np.ndarray, "T"]
    grad_B: Float[np.ndarray, "T"]
    taken: int
    asked: int
    stored: Mapping[str, Tensor]
    scaling: float
    said: tuple[str, ...]


class Faulty(NamedTuple):
    """The same training with a fault, and with its remedy."""

    fault: Attempt
    remedy: Attempt


class _Block(nn.Module):
    """h = tanh(W x), where W is a layer that an adapter may ride on."""

    def __init__(self, weight: Float[Tensor, "d d"]) -> None:
        super().__init__()
        self.up_proj: nn.Module = _linear(weight)

    def forward(self, x: Float[Tensor, "n d"]) -> Float[Tensor, "n d"]:
        return torch.tanh(self.up_proj(x))


class _Network(nn.Module):
    """Two blocks and a head; ``checkpointed`` runs each block again in the backward pass rather than keep it."""

    def __init__(self, weights: Mapping[str, Tensor], checkpointed: bool = False) -> None:
        super().__init__()
        self.blocks = [_Block(weights[place]) for place in PLACES]
        self.held = nn.ModuleList(self.blocks)
        self.head = _linear(weights["head"])
        self.requires_grad_(False)
        self.checkpointed = checkpointed

    def adapt(self, rank: int, alpha: float, starts: Mapping[str, Tensor]) -> list[LoRALinear]:
        """Put adapters on both blocks, with the given A and B = 0."""
        layers = []
        for place, block in zip(PLACES, self.blocks, strict=True):
            base = block.up_proj
            assert isinstance(base, nn.Linear), "a layer gets one adapter"
            layers.append(LoRALinear(base, rank=rank, alpha=alpha))
            with torch.no_grad():
                layers[-1].lora_A.copy_(starts[place])
            block.up_proj = layers[-1]
        return layers

    def forward(self, x: Float[Tensor, "n d"]) -> Float[Tensor, "n k"]:
        for block in self.blocks:
            x = checkpoint(block, x, use_reentrant=True) if self.checkpointed else block(x)
        return self.head(x)


def _linear(weight: Tensor) -> nn.Linear:
    layer = nn.Linear(weight.shape[1], weight.shape[0], bias=False, device=weight.device)
    with torch.no_grad():
        layer.weight.copy_(weight)
    return layer


class _Task(NamedTuple):
    base: Mapping[str, Tensor]
    starts: Mapping[str, Tensor]
    inputs: Tensor
    labels: Tensor


def _task(e: Experiment, fault: str, device: str) -> _Task:
    """The base, a teacher that differs from it by a low-rank update of each block, tokens and the teacher's outputs."""
    rng = np.random.default_rng([e.seed, 1903])
    d, k = e.d_in, e.d_out

    def drawn(*shape: int) -> Tensor:
        return torch.tensor(rng.standard_normal(shape), dtype=torch.float32, device=device)

    base = {place: drawn(d, d) / d**0.5 for place in PLACES} | {"head": drawn(k, d) / d**0.5}
    if fault == "fp16":
        base["head"] *= SMALL_OUTPUTS
    size = (SMALL_UPDATE if fault == "stored" else 1.0) / (d * max(e.target_rank, 1) ** 0.5)
    moved = {place: base[place] + size * drawn(d, e.target_rank) @ drawn(e.target_rank, d) for place in PLACES}
    inputs = drawn(TOKENS, d)
    starts = {place: torch.tensor(rng.uniform(-1, 1, (e.rank, d)) / d**0.5, dtype=torch.float32, device=device)
              for place in PLACES}  # fmt: skip
    with torch.no_grad():
        labels = _Network(base | moved)(inputs)
    return _Task(base, starts, inputs, labels)


def base_tensors(e: Experiment, fault: str) -> dict[str, Float[np.ndarray, "m n"]]:
    """The frozen weights under their names: what the adapter was trained on."""
    base = _task(e, fault, "cpu").base
    return {f"{name}.weight": weight.numpy() for name, weight in base.items()}


@each_step_in_one_thread
def attempts(e: Experiment, fault: str, device: str = "cpu") -> Iterator[Progress | Faulty]:
    """Train with this fault, then with its remedy; how far it is now and then, both at the end."""
    found = []
    for mended in (False, True):
        for item in _attempt(_task(e, fault, device), e, fault, mended):
            if isinstance(item, Attempt):
                found.append(item)
            else:
                yield Progress((item + len(found)) / 2, say("Training with the remedy") if mended
                               else say("Training with the fault"))  # fmt: skip
    yield Faulty(*found)


def _attempt(task: _Task, e: Experiment, fault: str, mended: bool) -> Iterator[float | Attempt]:
    alpha, lr = float(e.alpha), e.lr
    if fault == "stored":
        alpha, lr = alpha * STRONG, lr * SMALL_UPDATE / STRONG
    network = _Network(task.base, checkpointed=fault == "checkpointing")
    method = torch.optim.SGD if e.optimizer == "sgd" else torch.optim.Adam
    early = method(network.parameters(), lr=lr)  # of the frozen base alone: there are no adapters yet
    adapters = network.adapt(e.rank, alpha, task.starts)
    network.head.requires_grad_(fault == "checkpointing")  # a new head is trained with it, as for classification
    trained = [p for p in network.parameters() if p.requires_grad]
    optimizer = early if fault == "optimizer" and not mended else method(trained, lr=lr)
    # What torch does on a GPU in half precision: fp16 products, the gradients of fp16 numbers in fp16, fp32 factors.
    half = torch.autocast(task.inputs.device.type, torch.float16, enabled=fault == "fp16")
    scaler = torch.amp.GradScaler(task.inputs.device.type, enabled=fault == "fp16" and mended)
    inputs = task.inputs.clone().requires_grad_(fault == "checkpointing" and mended)
    fresh = _Network(task.base)
    copies = fresh.adapt(e.rank, alpha, task.starts)
    rows: list[tuple[float, ...]] = []
    stored: dict[str, Tensor] = {}
    taken = 0
    said: list[str] = []
    for step in range(e.steps + 1):
        optimizer.zero_grad()
        with half:
            loss = nn.functional.mse_loss(_heard(network, inputs, said), task.labels)
        if loss.requires_grad:
            scaler.scale(loss).backward()
            scaler.unscale_(optimizer)
        stored = _stored(adapters, fault, mended)
        taken = _load(copies, stored)
        fresh.head.load_state_dict(network.head.state_dict())
        with torch.no_grad():
            loaded = nn.functional.mse_loss(fresh(task.inputs), task.labels)
            delta = sum(float(a.delta_weight().square().sum()) for a in copies) ** 0.5
            B = [tensor for name, tensor in stored.items() if "lora_B" in name]
            filled = sum(int((b.float() != 0).sum()) for b in B) / sum(b.numel() for b in B)
            pulls = [a.lora_B.grad for a in adapters]
            grad = sum(float(g.square().sum()) for g in pulls if g is not None) ** 0.5
        rows.append((float(loaded), float(loss.detach()), delta, filled, grad))
        if step < e.steps:
            scaler.step(optimizer)
            scaler.update()
        if step % max(1, e.steps // REPORTS) == 0:
            yield step / max(1, e.steps)
    columns = np.array(rows, dtype=float).T
    columns[:3][~np.isfinite(columns[:3])] = np.nan
    loss, training_loss, delta, filled, grad_B = columns
    tensors = {name: tensor.cpu() for name, tensor in stored.items()}
    yield Attempt(loss, training_loss, delta, filled, grad_B, taken, 2 * len(PLACES), tensors, alpha / e.rank,
                  tuple(dict.fromkeys(said)))  # fmt: skip


def _heard(network: _Network, inputs: Tensor, said: list[str]) -> Tensor:
    """The network's outputs; what checkpointing warns of is added to ``said``, in place of the server's log."""
    if not network.checkpointed:
        return network(inputs)
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        outputs: Tensor = network(inputs)
    said += [str(warning.message).split("\n")[0] for warning in heard]
    return outputs


def _stored(adapters: list[LoRALinear], fault: str, mended: bool) -> dict[str, Tensor]:
    """The tensors of the file that is saved now, under their names and in their number format."""
    dtype = torch.float32 if fault != "stored" else torch.bfloat16 if mended else torch.float8_e4m3fn
    prefix = WRAPPED if fault == "names" and not mended else ""
    return {
        f"{prefix}{place}.lora_{side}.weight": getattr(layer, f"lora_{side}").detach().to(dtype, copy=True)
        for place, layer in zip(PLACES, adapters, strict=True)
        for side in "AB"
    }


def _load(layers: list[LoRALinear], stored: Mapping[str, Tensor]) -> int:
    """Load as PEFT does: by name, and what has no place here is left out (``strict=False``). How many were taken."""
    places = nn.ModuleDict()
    for place, layer in zip(PLACES, layers, strict=True):
        module = places
        for part in place.split("."):
            if part not in module:
                module[part] = nn.ModuleDict()
            module = module[part]  # type: ignore[assignment]
        for side in "AB":
            holder = nn.Module()
            holder.weight = getattr(layer, f"lora_{side}")
            module[f"lora_{side}"] = holder
    told = places.load_state_dict({name: tensor.float() for name, tensor in stored.items()}, strict=False)
    return 2 * len(PLACES) - len(told.missing_keys)
