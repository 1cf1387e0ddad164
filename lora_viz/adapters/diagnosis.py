"""The doctor: what is wrong with an adapter, from its file alone, and from the base model where that is given too."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from lora_viz.adapters.findings import GRAVITY, Diagnosis, Finding
from lora_viz.adapters.opening import Opened
from lora_viz.adapters.report import Module, Report
from lora_viz.adapters.stored import FLOATS, Weights, short
from lora_viz.adapters.symptoms import signs, symptoms
from lora_viz.adapters.writing import rounded
from lora_viz.i18n.language import say
from lora_viz.layer.quantise import nf4

__all__ = ["diagnose"]

SAMPLED, NUMBERS_MOST = 12, 5_000_000  # modules that are held against the base, and how large one may be


def diagnose(opened: Opened, report: Report, base: Weights | None = None) -> Diagnosis:
    """Everything that is found, the gravest first; "looks healthy" where nothing is wrong. Raises AdapterError.

    ``base`` is a file of the base model's weights: whether the keys exist there, how large ΔW is beside W, whether W
    already holds it, what a merge in bf16 would keep.
    """
    found = [*symptoms(opened, report, signs(opened, report))]
    if base is not None:
        found += _against(opened, report, base)
    if all(f.gravity == "note" for f in found):
        checked = say("with the base") if base is not None else say("from the file alone")
        found.append(Finding(
            "healthy", "healthy", say("Looks healthy"),
            say("{count} modules, checked {how}: all finite, trained, of a known scale, none far larger than the rest.",
                count=len(report.modules), how=checked),
            say("Whether it does what you want, only your data can tell."), say("Nothing to fix."),
            "measured"))  # fmt: skip
    return Diagnosis(tuple(sorted(found, key=lambda f: GRAVITY.index(f.gravity))))


def _against(opened: Opened, report: Report, base: Weights) -> Iterator[Finding]:
    names = {name.removesuffix(".weight"): name for name in base.entries}
    partner: dict[str, str] = {}
    for m in report.modules:
        path = m.pair.module.replace(".base_layer", "")
        ways = (path, f"model.{path}", path.removeprefix("model."), path.partition(".")[2])
        hit = next((names[way] for way in ways if way in names), None)
        if hit is not None:
            partner[m.path] = hit
    lost = [m for m in report.modules if m.path not in partner]
    if lost:
        yield Finding(
            "no_such_modules", "broken", say("Keys that match nothing in the base model"),
            say("{count} of {all} modules have no weight of their name in the base, such as {name}.", count=len(lost),
                all=len(report.modules), name=short(lost[0].path)),
            say("It was trained on another model, or saved under other names."),
            say("Name the base it was trained on, or convert the keys."), "measured", tuple(m.path for m in lost),
            {"modules": len(lost)})  # fmt: skip
    held = [m for m in report.modules if m.path in partner and m.factored and not m.not_finite and m.norm_delta > 0]
    wrong = [m for m in held if base.entries[partner[m.path]].shape not in ((m.d_out, m.d_in), (m.d_in, m.d_out))]
    if wrong:
        shape = base.entries[partner[wrong[0].path]].shape
        yield Finding(
            "other_shapes", "broken", say("Shapes of another base model"),
            say("{count} modules do not fit: {name} is {own} here and {theirs} in the base.", count=len(wrong),
                name=short(wrong[0].path), own=f"{wrong[0].d_out}×{wrong[0].d_in}", theirs="×".join(map(str, shape))),
            say("The base has another size."), say("Name the base it was trained on."), "measured",
            tuple(m.path for m in wrong))  # fmt: skip
    bad = {m.path for m in wrong}
    fits = [m for m in held if m.path not in bad and base.entries[partner[m.path]].dtype in FLOATS
            and m.d_out * m.d_in <= NUMBERS_MOST]  # fmt: skip
    fits = fits[:: max(1, len(fits) // SAMPLED)][:SAMPLED]
    if fits:
        yield from _sizes([(m, *_beside(opened, base, m, partner[m.path])) for m in fits])


def _beside(opened: Opened, base: Weights, m: Module, name: str) -> tuple[float, float, float, float, float]:
    """‖ΔW‖/‖W‖, how often W holds ΔW already and what chance would give, ΔW's error once merged in bf16, and in NF4."""
    W = base.read(name).astype(np.float64)
    if W.shape != (m.d_out, m.d_in):
        W = W.T
    delta = m.factors(opened.weights).product(m.scale).dense()
    size, own = float(np.linalg.norm(W)), float(np.linalg.norm(delta))
    times = float(np.sum(W * delta)) / own**2
    half, four = _bf16(W), nf4(W)
    lost = float(np.linalg.norm(_bf16(half + delta) - half - delta)) / own
    lost4 = float(np.linalg.norm(nf4(four + delta) - four - delta)) / own
    return own / size if size else np.inf, times, size / own / float(np.sqrt(W.size)), lost, lost4


def _bf16(values: np.ndarray) -> np.ndarray:
    return (rounded(values, "BF16").astype(np.uint32) << 16).view(np.float32).astype(np.float64)


def _sizes(rows: list[tuple[Module, float, float, float, float, float]]) -> Iterator[Finding]:
    ratio, times, chance, lost, four = (float(np.median([row[i] for row in rows])) for i in range(1, 6))
    asked = say("{count} modules looked at", count=len(rows))
    if times > 0.5 and times > 8 * chance:
        yield Finding(
            "already_merged", "broken", say("The base already holds this adapter"),
            say("W holds ΔW {times:.2f} times ({asked}; by chance 0 ± {chance:.2g}).", times=times, asked=asked,
                chance=chance),
            say("It was merged into this base before: to load it again applies it twice."),
            say("Use the base as it was before merging, or leave the adapter off."), "measured",
            tuple(row[0].path for row in rows), {"times": times})  # fmt: skip
    if lost > 0.1:
        yield Finding(
            "lost_in_bf16", "doubtful", say("A merge in bf16 would lose part of it"),
            say("‖ΔW‖/‖W‖ is {ratio:.2g}; merging in bf16 changes ΔW by {lost:.0f} %, in 4 bits by {four:.0f} % "
                "({asked}).", ratio=ratio, lost=100 * lost, four=100 * four, asked=asked),
            say("Small updates vanish between two bf16 numbers; 4 bits lose far more."),
            say("Keep it unmerged, or merge in fp32 and quantise afterwards."), "measured", (),
            {"lost": lost, "lost_in_4_bits": four})  # fmt: skip
    elif ratio > 0.5:
        yield Finding(
            "larger_than_base", "doubtful", say("An update as large as the weights"),
            say("‖ΔW‖/‖W‖ is {ratio:.2g} in the median ({asked}).", ratio=ratio, asked=asked),
            say("The scale may follow another rule, or the training diverged."),
            say("Check α and r; try it at a tenth of its strength."), "likely", (), {"ratio": ratio})  # fmt: skip
    else:
        yield Finding(
            "beside_base", "note", say("Size of the update relative to the base"),
            say("‖ΔW‖/‖W‖ is {ratio:.2g} in the median; merging in bf16 changes ΔW by {lost:.1f} %, in 4 bits by "
                "{four:.0f} % ({asked}).", ratio=ratio, lost=100 * lost, four=100 * four, asked=asked),
            say("0.001 to 0.1 is usual for fine-tuning."), say("Nothing to fix."), "measured", (),
            {"ratio": ratio, "lost": lost, "lost_in_4_bits": four})  # fmt: skip
