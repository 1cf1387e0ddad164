"""Rank-1 adapters of the names model, one for each module that writes into the states: which letters switch each on,
and which letters it makes likelier.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from lora_viz.core.progress import Progress
from lora_viz.engine.threads import each_step_in_one_thread
from lora_viz.networks.adapter_batch import AdapterBatch, AdapterSpec
from lora_viz.networks.llama import Frozen, Layout, Llama, laid_out
from lora_viz.networks.names import DATA, SHAPE, loss_of_names, name_loss, names_model, names_of, tokens_of
from lora_viz.networks.names_training import GONE, TESTED, NamesExperiment, trained_names

__all__ = ["PLACES", "READ", "SHIPPED_ONE_RANK", "OneRankNames", "one_rank_names", "shipped_one_rank"]

PLACES = tuple((layer, module) for layer in range(SHAPE.layers) for module in ("o_proj", "down_proj"))
READ, SEEN_OFTEN = 8, 5  # names of each list that are shown; letters that are read less often have no mean
SHIPPED_ONE_RANK = DATA / "one_rank.json"


class OneRankNames(NamedTuple):
    """Of the adapter in each of PLACES, at each recorded step; a letter is one of 27, the end of a name first.

    ``loss`` is in nats a letter on held-out names of the language, ``base`` the base's; NaN from where an adapter has
    diverged, as is all else. ``h`` is s·(a·x)·‖b‖, the length that is added along b, at every token of ``names`` one
    after the other, each begun by its own beginning: the language's first, then English ones. Its sign is chosen so
    that the one furthest from 0 is positive at the end. ``read`` is the mean of h by the letter that is read, NaN for
    letters that TESTED held-out names hold fewer than five times.

    ``measured`` and ``direct`` say by how much each letter's logit rises, beside the mean over letters, where h is as
    large as it is on the whole (root mean square): the slope against h, by least squares over all tokens of those
    names, of the logits with the adapter minus those without, and of b through the last norm and the head alone.
    ``alike`` is the cosine of the two; NaN where either is 0.
    """

    language: str
    steps: Int[np.ndarray, "T"]
    base: float
    loss: Float[np.ndarray, "T P"]
    names: tuple[str, ...]
    h: Float[np.ndarray, "T P N"]
    read: Float[np.ndarray, "T P 27"]
    measured: Float[np.ndarray, "T P 27"]
    direct: Float[np.ndarray, "T P 27"]
    alike: Float[np.ndarray, "T P"]
    parameters: Int[np.ndarray, "P"]
    seed: int


class _Listening:
    """The adapters of PLACES, which keep h of every token as it goes by."""

    def __init__(self, adapters: AdapterBatch) -> None:
        self.adapters, self.count = adapters, adapters.count
        self.h: list[Tensor] = []

    def product(
        self, x: Float[Tensor, "E N i"], weight: Float[Tensor, "o i"], layer: int, group: str
    ) -> Float[Tensor, "G N o"]:
        if group in ("o", "down"):
            place, g = (layer, f"{group}_proj"), len(self.h)
            own = x[g if len(x) > 1 else 0] @ self.adapters.A[place][g, 0]
            self.h.append(own * self.adapters.scaling[g, 0, 0] * self.adapters.B[place][g, :, 0].norm())
        return self.adapters.product(x, weight, layer, group)


@torch.no_grad()
def _heard(model: Llama, adapters: AdapterBatch, layout: Layout) -> tuple[Tensor, Tensor]:
    """h (P, N) of every token and the states (P, N, d) at the top, in float64."""
    listening = _Listening(adapters)
    x = model.run(model.embed(layout.ids, adapters.count), listening, layout)
    return torch.stack(listening.h).double(), x.double()


@each_step_in_one_thread
def one_rank_names(language: str, steps: int, lr: float, seed: int) -> Iterator[Progress | OneRankNames]:
    """Progress first, then all six adapters, trained apart as one batch. Raises ExperimentError: no such names."""
    yield Progress(0.01)
    specs = tuple(AdapterSpec(rank=1, modules=(m,), layers=(i,), lr=lr, seed=seed) for i, m in PLACES)
    e = NamesExperiment(specs=specs, language=language, steps=steps, seed=seed)
    model, held_out = names_model(), names_of(language)[1][:TESTED]
    names = (*held_out[:READ], *names_of("english")[1][:READ])
    shown, tested = (laid_out([tokens_of(name) for name in some]) for some in (names, held_out))
    with torch.no_grad():
        old = model.logits(model.run(model.embed(tested.ids), Frozen(), tested)).double()
    stops, found = [], []
    for k, adapters in trained_names(e, model):
        found.append((_heard(model, adapters, shown)[0].numpy(), *_of_letters(model, adapters, tested, old)))
        stops.append(k)
        yield Progress(0.98 * k / max(1, steps))
    h, loss, read, measured, direct = (np.array(part) for part in zip(*found, strict=True))
    gone = np.logical_or.accumulate(~(loss < GONE), axis=0)
    sign = _signs(h)[:, None]
    h, read, measured, direct = (
        np.where(gone[..., None], math.nan, values * sign) for values in (h, read, measured, direct)
    )
    yield OneRankNames(
        language=language, steps=np.array(stops), base=float(loss_of_names(model, held_out)[0]),
        loss=np.where(gone, math.nan, loss), names=names, h=h, read=read, measured=measured, direct=direct,
        alike=_cosine(measured, direct), parameters=np.array([spec.parameters(SHAPE) for spec in specs]), seed=seed,
    )  # fmt: skip


def _signs(h: Float[np.ndarray, "T P N"]) -> Float[np.ndarray, "P"]:
    """(a, b) and (−a, −b) are one adapter: +1 or −1, whichever makes the h furthest from 0 positive at the end."""
    last = np.nan_to_num(h[-1])
    furthest = np.take_along_axis(last, np.abs(last).argmax(1)[:, None], axis=1)[:, 0]
    return np.where(furthest < 0, -1.0, 1.0)


@torch.no_grad()
def _of_letters(model: Llama, adapters: AdapterBatch, layout: Layout, old: Tensor) -> tuple[np.ndarray, ...]:
    """Loss (P), and of every letter (P, 27): mean h where it is read, its rise as measured, its rise through b."""
    h, x = _heard(model, adapters, layout)
    logits = model.logits(x.to(model.embedding)).double()
    loss = name_loss(logits, layout)
    size = h.pow(2).mean(1, keepdim=True).sqrt()
    weight = torch.where(size > 0, h / (size * h.shape[1]), 0.0)  # of a token in the slope against h, times ``size``
    rise = torch.einsum("pn,pnv->pv", weight, logits - old)
    b = torch.stack([adapters.B[place][g, :, 0] for g, place in enumerate(PLACES)]).double()
    length = b.norm(dim=1, keepdim=True)
    along = torch.where(length > 0, b / length, 0.0)
    rms = x.pow(2).mean(-1).add(model.shape.eps).sqrt()
    through = (along * model.last_norm.double()) @ model.embedding.double().T
    direct = (weight * h / rms).sum(1, keepdim=True) * through
    here = torch.nn.functional.one_hot(layout.ids, SHAPE.vocabulary).double()
    often = here.sum(0)
    read = torch.where(often >= SEEN_OFTEN, h @ here / often.clamp(min=1), math.nan)
    return (loss.numpy(), read.numpy(), *((values - values.mean(1, keepdim=True)).numpy() for values in (rise, direct)))


def _cosine(one: Float[np.ndarray, "T P 27"], other: Float[np.ndarray, "T P 27"]) -> Float[np.ndarray, "T P"]:
    sizes = np.linalg.norm(one, axis=-1) * np.linalg.norm(other, axis=-1)
    return (one * other).sum(-1) / np.where(sizes > 0, sizes, math.nan)


def as_written(record: OneRankNames) -> str:
    """The record as the file that the lesson opens with: six digits, for it is drawn and read, not computed with."""

    def plain(value: object) -> object:
        if isinstance(value, np.ndarray) and value.dtype.kind == "f":
            rounded = [None if math.isnan(x) else float(f"{x:.6g}") for x in value.ravel()]
            return {"shape": value.shape, "values": rounded}
        return value.tolist() if isinstance(value, np.ndarray) else value

    return json.dumps({name: plain(value) for name, value in record._asdict().items()}, indent=0) + "\n"


@lru_cache(maxsize=1)
def shipped_one_rank() -> OneRankNames:
    """What ``docs/make_names_shown.py`` wrote."""
    held = json.loads(SHIPPED_ONE_RANK.read_text(encoding="utf-8"))
    for name, value in held.items():
        if isinstance(value, dict):
            held[name] = np.array(value["values"], dtype=float).reshape(value["shape"])
    held |= {
        "names": tuple(held["names"]),
        "steps": np.array(held["steps"]),
        "parameters": np.array(held["parameters"]),
    }
    return OneRankNames(**held)
