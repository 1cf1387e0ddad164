"""Is the update of a real transformer low-rank? Spectra of 36 real ΔW, and what is lost when their tails are cut."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
import plotly.graph_objects as go
from jaxtyping import Float, Int

from lora_viz.core.seeds import spread
from lora_viz.core.spectra import ranks
from lora_viz.film.panels import Curve, Curves, Field, Film, Lines, Readout, Row, Series
from lora_viz.film.style import IDENTITY, number, plotly_layout
from lora_viz.i18n.language import say, to_say
from lora_viz.networks.minilm_evidence import KINDS, MinilmEvidence

__all__ = ["MinilmSpectrum", "film", "minilm_spectrum", "plot_minilm_spectrum", "table", "takeaway"]


class MinilmSpectrum(NamedTuple):
    """Test errors in percent, (low, median, high) over the seeds, and shares of energy Σ_{i≤k}σᵢ²/Σσᵢ².

    Frame t keeps the top ``k[t]`` of every ΔW. ``kept`` and ``removed`` are read by the head as trained, ``refitted``
    by a probe fitted anew; ``removed`` is NaN where it was not measured. ``share`` is the median over the seeds per
    layer and matrix at each k, ``curve`` (low, median, high) over the matrices of the median seed at every i, like
    ``base_curve`` for W itself and ``noise_curve`` for a Gaussian matrix. ``gain`` are LoRA's and full fine-tuning's
    leads over the probe of their own seed, in points.
    """

    k: Int[np.ndarray, "T"]
    kept: Float[np.ndarray, "3 T"]
    refitted: Float[np.ndarray, "3 T"]
    removed: Float[np.ndarray, "3 T"]
    share: Float[np.ndarray, "T L 6"]
    curve: Float[np.ndarray, "3 k"]
    base_curve: Float[np.ndarray, "3 k"]
    noise_curve: Float[np.ndarray, "k"]
    numbers: Int[np.ndarray, "T"]
    all_numbers: int
    rank: Int[np.ndarray, "R"]
    lora: Float[np.ndarray, "3 R"]
    gain: Float[np.ndarray, "3 R_and_1"]
    full: Float[np.ndarray, "3"]
    probe: Float[np.ndarray, "3"]
    head: Float[np.ndarray, "3"]
    effective: Float[np.ndarray, "3"]
    stable: Float[np.ndarray, "3"]
    base_stable: float
    rank_90: Float[np.ndarray, "3"]
    relative_change: float
    lora_effective: Float[np.ndarray, "R"]
    seeds: int
    test: int


def minilm_spectrum(evidence: MinilmEvidence) -> MinilmSpectrum:
    """Medians and ranges of what was measured."""
    e = evidence
    k = e.kept_k
    energy = _energy(e.delta)  # S L 6 n
    by_matrix = np.median(energy, axis=0).reshape(-1, energy.shape[-1])
    taken = {0: e.kept[0, -1], int(k[-1]): e.kept[0, 0]}  # nothing removed is full; all removed is nothing kept
    taken |= {int(j): row for j, row in zip(e.removed_k, e.removed[0], strict=True)}
    removed = [taken.get(int(j), np.full(len(e.full), np.nan)) for j in k]
    sides = e.shapes.sum(axis=-1).sum()
    whole = int(e.shapes.prod(axis=-1).sum())
    kinds = [[ranks(s, bound=len(s)) for s in seed.reshape(-1, seed.shape[-1])] for seed in e.delta]
    first_90 = (energy < 0.9).sum(axis=-1) + 1
    leads = np.concatenate([e.lora, e.full[None]]) - e.probe
    return MinilmSpectrum(
        k=k,
        kept=_errors(e.kept[0]),
        refitted=_errors(e.kept[1]),
        removed=_errors(np.array(removed)),
        share=np.median(np.concatenate([np.zeros_like(energy[..., :1]), energy], axis=-1)[..., k], axis=0).transpose(
            2, 0, 1
        ),
        curve=spread(by_matrix.T, axis=1),
        base_curve=spread(_energy(e.base).reshape(-1, e.base.shape[-1]).T, axis=1),
        noise_curve=_noise(e.delta.shape[-1]),
        numbers=np.minimum(k * sides, whole),
        all_numbers=whole,
        rank=e.ranks,
        lora=_errors(e.lora),
        gain=100 * spread(leads, axis=1),
        full=_errors(e.full[None])[:, 0],
        probe=_errors(e.probe[None])[:, 0],
        head=_errors(e.head[None])[:, 0],
        effective=spread(np.array([[x.effective for x in seed] for seed in kinds]).reshape(1, -1), axis=1)[:, 0],
        stable=spread(np.array([[x.stable for x in seed] for seed in kinds]).reshape(1, -1), axis=1)[:, 0],
        base_stable=float(np.median([ranks(s, bound=len(s)).stable for s in e.base.reshape(-1, e.base.shape[-1])])),
        rank_90=spread(first_90.reshape(1, -1).astype(float), axis=1)[:, 0],
        relative_change=float(np.median(e.relative_change)),
        lora_effective=np.array(
            [np.median([ranks(x, bound=len(x)).effective for x in s.reshape(-1, s.shape[-1])]) for s in e.lora_sigma]
        ),
        seeds=len(e.full),
        test=e.test,
    )


def _energy(sigma: Float[np.ndarray, "*m k"]) -> Float[np.ndarray, "*m k"]:
    squares = np.cumsum(sigma**2, axis=-1)
    return squares / squares[..., -1:]


def _errors(accuracy: Float[np.ndarray, "n S"]) -> Float[np.ndarray, "3 n"]:
    return 100 * spread(1 - accuracy, axis=1)


@lru_cache(maxsize=2)
def _noise(n: int) -> Float[np.ndarray, "n"]:
    drawn = np.random.default_rng(0).standard_normal((n, n))
    return _energy(np.linalg.svd(drawn, compute_uv=False))


def film(record: MinilmSpectrum) -> Film:
    """The playhead runs over the number of directions that are kept of every ΔW."""
    frames = len(record.k)
    x = np.arange(1, record.curve.shape[1] + 1, dtype=float)
    at = np.array(record.rank, dtype=float)

    def level(value: float) -> Float[np.ndarray, "R"]:
        return np.full(len(at), value)

    return Film(
        axis=to_say("directions kept"),
        values=record.k.astype(float),
        start=1,
        seconds_per_frame=0.9,
        narration=tuple(_narrate(record, t) for t in range(frames)),
        panels=(
            Lines(
                id="test_error",
                title=say("Test error when each ΔW is cut (drag)"),
                y_label=say("%, {seeds} seeds", seeds=record.seeds),
                x_scale="sqrt",
                span=5,
                series=(
                    Series(
                        id="kept",
                        name=say("top k kept"),
                        colour="delta",
                        y=record.kept[1],
                        low=record.kept[0],
                        high=record.kept[2],
                        dots=True,
                    ),
                    Series(
                        id="removed",
                        name=say("top k removed"),
                        colour="alarm",
                        dash="dash",
                        dots=True,
                        y=record.removed[1],
                        low=record.removed[0],
                        high=record.removed[2],
                    ),
                    Series(
                        id="refitted", name=say("kept, new probe"), colour="clean", dash="dot", y=record.refitted[1]
                    ),
                ),
            ),
            Curves(
                id="energy",
                title=say("Share of energy in the top i"),
                x=x,
                x_label="i",
                y_label=say("Σσ² of all"),
                x_scale="log",
                reach=1.0,
                span=4,
                series=(
                    Curve(
                        id="delta",
                        name="36 ΔW",
                        colour="delta",
                        y=record.curve[1],
                        low=record.curve[0],
                        high=record.curve[2],
                    ),
                    Curve(
                        id="weight",
                        name="36 W",
                        colour="W",
                        y=record.base_curve[1],
                        low=record.base_curve[0],
                        high=record.base_curve[2],
                    ),
                    Curve(id="noise", name=say("noise"), colour="faint", y=record.noise_curve, dash="dash"),
                ),
            ),
            Readout(id="readings", title=say("With the top k of every ΔW"), span=3, rows=_readings(record)),
            Field(
                id="kept_share",
                title=say("Share of ‖ΔW‖² that is kept"),
                values=record.share,
                x_labels=(*KINDS[:3], *map(say, KINDS[3:])),  # the first three are called so in every language
                y_labels=tuple(str(i) for i in range(record.share.shape[1])),
                x_title=say("matrix"),
                y_title=say("layer"),
                span=7,
                row=1,
            ),
            Curves(
                id="lora",
                title=say("Test error of LoRA on query and value"),
                x=at,
                x_label=say("rank r"),
                y_label="%",
                x_scale="log",
                span=5,
                row=1,
                series=(
                    Curve(
                        id="lora",
                        name="LoRA",
                        colour="delta",
                        y=record.lora[1],
                        low=record.lora[0],
                        high=record.lora[2],
                        dots=True,
                    ),
                    Curve(id="full", name=say("full"), colour="W", y=level(float(record.full[1]))),
                    Curve(id="probe", name=say("probe"), colour="clean", y=level(float(record.probe[1])), dash="dot"),
                    Curve(id="head", name=say("head"), colour="faint", y=level(float(record.head[1])), dash="dashdot"),
                ),
            ),
        ),
    )


def _readings(record: MinilmSpectrum) -> tuple[Row, ...]:
    shares = record.share.reshape(len(record.k), -1)
    return (
        Row(
            id="energy",
            label=say("of ‖ΔW‖²"),
            colour="delta",
            text=tuple(
                say(
                    "{middle:.0f} % ({low:.0f} to {high:.0f})",
                    middle=100 * np.median(s),
                    low=100 * s.min(),
                    high=100 * s.max(),
                )
                for s in shares
            ),
        ),
        Row(id="kept", label=say("error, kept"), colour="delta", text=tuple(f"{v:.1f} %" for v in record.kept[1])),
        Row(
            id="removed",
            label=say("error, removed"),
            colour="alarm",
            text=tuple(say("not measured") if np.isnan(v) else f"{v:.1f} %" for v in record.removed[1]),
        ),
        Row(id="numbers", label=say("numbers"), text=tuple(f"{n:,}" for n in record.numbers)),
        Row(id="all_numbers", label=say("of"), text=(f"{record.all_numbers:,}",)),
    )


def _narrate(record: MinilmSpectrum, t: int) -> str:
    k, share, kept = int(record.k[t]), float(np.median(record.share[t])), record.kept[1, t]
    if k == 0:
        return say(
            "Nothing kept of any ΔW: {kept:.1f} % errors by a head that was trained for moved features.", kept=kept
        )
    if t == len(record.k) - 1:
        return say("All of every ΔW: {kept:.1f} % errors, full fine-tuning itself.", kept=kept)
    gone = record.removed[1, t]
    if np.isnan(gone):
        return say(
            "Top {k} of 384 kept, {share:.0f} % of ‖ΔW‖²: {kept:.1f} % errors.", k=k, share=100 * share, kept=kept
        )
    return say(
        "Top {k} of 384 kept, {share:.0f} % of ‖ΔW‖²: {kept:.1f} % errors; with these removed and all others kept "
        "{gone:.1f} %.",
        k=k,
        share=100 * share,
        kept=kept,
        gone=gone,
    )


def takeaway(record: MinilmSpectrum) -> str:
    """What was measured, in its own numbers."""
    place = {int(k): t for t, k in enumerate(record.k)}
    one, eight = place[1], place[8]
    low, high = float(record.lora[1].min()), float(record.lora[1].max())
    first, base = 100 * np.median(record.share[one]), 100 * record.base_curve[1, 0]
    return say(
        "In this experiment the update is not of low rank, it is steep with a long tail: the first of 384 directions "
        "holds {first:.0f} % of ‖ΔW‖² (median of 36 matrices; of W itself {base:.0f} %), 90 % takes "
        "{most:.0f}. But the function sits at the top: with one direction kept "
        "{kept:.1f} % errors, with all {full:.1f} %, with the top 8 removed {removed:.1f} %. LoRA of rank 1 to {rank} "
        "ends between {low:.1f} and {high:.1f} %: rank makes no visible difference here, where frozen features alone "
        "give {probe:.1f} %.",
        first=first,
        base=base,
        most=record.rank_90[1],
        kept=record.kept[1, one],
        full=record.full[1],
        removed=record.removed[1, eight],
        rank=record.rank[-1],
        low=low,
        high=high,
        probe=record.probe[1],
    )


def table(record: MinilmSpectrum) -> dict[str, np.ndarray]:
    """What is left when the tails are cut, one row a k."""
    return {
        "k": record.k,
        "energy_kept_median": np.median(record.share.reshape(len(record.k), -1), axis=1),
        "error_kept_low": record.kept[0],
        "error_kept_median": record.kept[1],
        "error_kept_high": record.kept[2],
        "error_kept_refitted_median": record.refitted[1],
        "error_removed_median": record.removed[1],
        "numbers": record.numbers,
    }


def plot_minilm_spectrum(record: MinilmSpectrum, *, theme: str = "light") -> go.Figure:
    """Energy in the top i of ΔW, of W and of noise."""
    colours = IDENTITY[theme]
    x = np.arange(1, record.curve.shape[1] + 1)
    figure = go.Figure()
    for name, y, colour, dash in (
        (say("36 updates ΔW"), record.curve[1], "delta", "solid"),
        (say("36 weights W"), record.base_curve[1], "W", "solid"),
        (say("Gaussian noise"), record.noise_curve, "faint", "dash"),
    ):
        figure.add_scatter(x=x, y=y, name=name, mode="lines", line={"color": colours[colour], "dash": dash, "width": 3})
    title = say("MiniLM: {stable} is the median stable rank of ΔW", stable=number(float(record.stable[1])))
    figure.update_layout(
        **plotly_layout(
            title=title,
            xaxis={"title": "i", "type": "log"},
            yaxis={"title": say("share of Σσ² in the top i"), "range": [0, 1.02]},
        )
    )
    return figure
