"""The record of one adapter file: every module's rank given, rank needed, spectrum and place, and its words."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from lora_viz.adapters.findings import Diagnosis
from lora_viz.adapters.report import LEVELS, Report
from lora_viz.adapters.shrink import Plan, Shrunk
from lora_viz.film.spreads import low_to_high
from lora_viz.film.style import number
from lora_viz.i18n.language import english, say
from lora_viz.lessons.real.adapter_files import counted_modules
from lora_viz.lessons.real.module_map import ModuleMap, module_map
from lora_viz.lessons.sentences import sentences

__all__ = [
    "AdapterReport", "adapter_report", "dead_directions", "detail", "directions_shown", "low_to_high", "percent",
    "table",
    "takeaway", "trained",
]  # fmt: skip

DIRECTIONS_LEAST, NUMBERS_MOST = 64, 1_000_000


class AdapterReport(NamedTuple):
    """An adapter's M modules in the order of its file.

    ``sigma`` (M, K) are the largest singular values of ΔW, 0 beyond a module's own, NaN where a factor is not finite;
    ``energy`` (M, K + 1) the share of Σσ² in the largest 0, 1, … of them; ``needs`` (M, 3) the smallest rank that keeps
    90, 95, 99 %, ``held`` and ``next`` (M, 3) the share that it keeps and what one more would add. K is the widest
    module's rank, less where that would be more numbers than a picture shows. ``noise`` is the singular value that the
    number format alone could have made, NaN where not measured. ``map`` places each module. ``scaled``: the file gave
    its scale; ``report``: all else that was found; ``diagnosis``: what the doctor says; ``plans``: what
    a cut would do at each level, or why it cannot be; ``refused``: why the base's weights were not read.
    """

    report: Report
    paths: tuple[str, ...]
    map: ModuleMap
    shape: Int[np.ndarray, "M 2"]
    rank: Int[np.ndarray, "M"]
    numerical: Int[np.ndarray, "M"]
    effective: Float[np.ndarray, "M"]
    stable: Float[np.ndarray, "M"]
    needs: Int[np.ndarray, "M 3"]
    held: Float[np.ndarray, "M 3"]
    next: Float[np.ndarray, "M 3"]
    sigma: Float[np.ndarray, "M K"]
    energy: Float[np.ndarray, "M K_and_1"]
    noise: Float[np.ndarray, "M"]
    norm_A: Float[np.ndarray, "M"]
    norm_B: Float[np.ndarray, "M"]
    norm_delta: Float[np.ndarray, "M"]
    dead: Int[np.ndarray, "M"]
    not_finite: Int[np.ndarray, "M"]
    dtypes: tuple[str, ...]
    scales: tuple[str, ...]
    scaled: bool
    parameters: int
    diagnosis: Diagnosis = Diagnosis(())
    plans: tuple[Plan | str, ...] = ()
    cut: Shrunk | None = None
    refused: str = ""


def directions_shown(modules: int, widest: int) -> int:
    """How many singular values of each of so many modules a film holds: all, where those are not millions."""
    return min(widest, max(DIRECTIONS_LEAST, NUMBERS_MOST // max(1, modules)))


def adapter_report(report: Report, noise: tuple[float, ...]) -> AdapterReport:
    """Lay a file's report out over its layers. ``noise`` has one number a module."""
    modules = report.modules
    K = directions_shown(len(modules), max(len(m.sigma) for m in modules))
    sigma = np.zeros((len(modules), K))
    energy = np.full((len(modules), K + 1), np.nan)
    held, more = np.full((2, len(modules), len(LEVELS)), np.nan)
    for i, m in enumerate(modules):
        k = min(K, len(m.sigma))
        sigma[i, :k] = m.sigma[:k]
        if m.not_finite:
            sigma[i] = np.nan
        elif (top := m.sigma.max(initial=0.0)) > 0:
            share = np.cumsum((m.sigma / top) ** 2)
            share = np.append(0.0, share / share[-1])
            energy[i, : k + 1], energy[i, k + 1 :] = share[: k + 1], share[k]
            at = np.array(m.needs)
            held[i], more[i] = share[at], np.append(share, 1.0)[at + 1] - share[at]
    own = ("rank", "needs", "norm_A", "norm_B", "norm_delta", "dead", "not_finite")
    kinds = ("numerical", "effective", "stable")
    same: dict[str, Any] = {name: np.array([getattr(m, name) for m in modules]) for name in own}
    same |= {name: np.array([getattr(m.kinds, name) for m in modules]) for name in kinds}
    return AdapterReport(
        report=report, paths=tuple(m.path for m in modules), map=module_map([m.place for m in modules]),
        shape=np.array([(m.d_out, m.d_in) for m in modules]), sigma=sigma, noise=np.array(noise), energy=energy,
        held=held, next=more,
        **same,
        dtypes=tuple(m.dtype for m in modules), scales=tuple(m.scaling_words for m in modules),
        scaled=all(m.scaling is not None for m in modules), parameters=sum(m.parameters for m in modules),
    )  # fmt: skip


def percent(level: float) -> str:
    return f"{100 * level:.0f} %"


def dead_directions(count: int) -> str:
    return say("1 dead direction") if count == 1 else say("{count:,} dead directions", count=count)


@sentences
def takeaway(record: AdapterReport, level: float) -> Iterator[str]:
    """What was seen, in the file's own numbers, of the ranks that keep this share of the energy."""
    fine = trained(record)
    if not fine.any():
        yield say("No module of this file has a finite ΔW other than 0.")
        return
    k, r = record.needs[fine, LEVELS.index(level)], record.rank[fine]
    yield say(
        "Of rank {given}, the {modules} use {used} directions for {level} of the energy (median {k}).",
        modules=counted_modules(int(fine.sum())), given=low_to_high(r), level=percent(level), used=low_to_high(k),
        k=number(float(np.median(k))),
    )  # fmt: skip
    after = int(np.sum(np.maximum(1, record.needs[:, LEVELS.index(level)]) * record.shape.sum(axis=1)))
    yield say(
        "Truncated to these ranks, {parameters:,} parameters become {after:,}.", parameters=record.parameters,
        after=after,
    )  # fmt: skip


def trained(record: AdapterReport) -> Bool[np.ndarray, "M"]:
    """Which modules have a ΔW that is finite and not 0."""
    return np.asarray((record.not_finite == 0) & (record.norm_delta > 0))


@sentences
def detail(record: AdapterReport) -> Iterator[str]:
    """What the energy does not say, and what is unusual in the file."""
    fine = trained(record)
    yield say(
        "The energy shows how much of the weights is kept. How much of the network's performance is kept, only its own "
        "data can tell."
    )
    if fine.any():
        yield say(
            "The median effective rank is {effective}.", effective=number(float(np.median(record.effective[fine])))
        )
    if (idle := int(np.sum((record.norm_delta == 0) & (record.not_finite == 0)))) > 0:
        yield say("With ΔW = 0: {modules}.", modules=counted_modules(idle))
    if (broken := int((record.not_finite > 0).sum())) > 0:
        yield say("With entries that are not finite: {modules}.", modules=counted_modules(broken))
    if record.dead.any() and fine.any():
        yield say("In trained modules: {dead}.", dead=dead_directions(int(record.dead[fine].sum())))
    if not record.scaled:
        yield say("The file does not give its scale s, so norms are those of B·A. The spectra keep their shape.")


def table(record: AdapterReport) -> dict[str, np.ndarray]:
    """One row a module."""
    return {
        "module": np.array(record.paths),
        "d_out": record.shape[:, 0],
        "d_in": record.shape[:, 1],
        "rank": record.rank,
        **{f"needed_{100 * level:.0f}": record.needs[:, i] for i, level in enumerate(LEVELS)},
        **{f"{name}_rank": getattr(record, name) for name in ("effective", "stable", "numerical")},
        **{name: getattr(record, name) for name in ("norm_delta", "norm_A", "norm_B", "dead", "not_finite")},
        "rounding_noise": record.noise,
        "stored_as": np.array(record.dtypes),
        "scale": np.array([english(scale) for scale in record.scales]),
    }
