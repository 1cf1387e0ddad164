"""How much of a fine-tuning fits into a LoRA of rank r? The energy of W′ − W that each rank keeps, per matrix."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import plotly.graph_objects as go
from jaxtyping import Float, Int

from lora_viz.adapters.extract import Changes
from lora_viz.film.panels import Bars, Curve, Curves, Film, Group, Lines, Mark, Readout, Row, Series
from lora_viz.film.style import IDENTITY, number, plotly_layout
from lora_viz.i18n.language import say, to_say

__all__ = ["WeightChange", "film", "plot_weight_change", "table", "takeaway", "weight_change"]

_BARS = 128


class WeightChange(NamedTuple):
    """M matrices that changed. ``sigma`` (M, K) are the known singular values of ΔW = W′ − W, 0 beyond;
    ``kept`` (M, K + 1) is the share of ‖ΔW‖² that rank 0, 1, … keeps, ``flat`` that of a flat spectrum of full rank.

    ``needs`` is 0 where the known values do not reach 90, 95 or 99 %; effective ranks are NaN where not all are known.
    """

    names: tuple[str, str]
    matrices: tuple[str, ...]
    shape: Int[np.ndarray, "M 2"]
    sigma: Float[np.ndarray, "M K"]
    kept: Float[np.ndarray, "M K_and_1"]
    flat: Float[np.ndarray, "M K_and_1"]
    energy: Float[np.ndarray, "M"]
    relative: Float[np.ndarray, "M"]
    effective: Float[np.ndarray, "M"]
    stable: Float[np.ndarray, "M"]
    needs: Int[np.ndarray, "M 3"]
    unchanged: int
    not_matrices: int
    left_out: int


def weight_change(found: Changes) -> WeightChange:
    """Lay the changes of two weight files out over their matrices."""
    m = found.modules
    K = max(len(c.sigma) for c in m)
    sigma = np.zeros((len(m), K))
    for row, c in zip(sigma, m, strict=True):
        row[: len(c.sigma)] = c.sigma
    energy = np.array([c.energy for c in m])
    kept = np.cumsum(sigma**2, axis=1) / np.maximum(energy, np.finfo(float).tiny)[:, None]
    least = np.array([min(c.d_out, c.d_in) for c in m], dtype=float)
    k = np.arange(K + 1.0)
    return WeightChange(
        names=found.names,
        matrices=tuple(c.name for c in m),
        shape=np.array([(c.d_out, c.d_in) for c in m]),
        sigma=sigma,
        kept=np.concatenate([np.zeros((len(m), 1)), kept.clip(0, 1)], axis=1),
        flat=np.minimum(k[None] / least[:, None], 1.0),
        energy=energy,
        relative=np.array([c.relative for c in m]),
        effective=np.array([c.kinds.effective for c in m]),
        stable=np.array([c.kinds.stable for c in m]),
        needs=np.array([c.needs for c in m]),
        unchanged=found.unchanged,
        not_matrices=found.not_matrices,
        left_out=found.too_large + found.unmatched,
    )


def film(record: WeightChange, *, rank: int = 8) -> Film:
    """The playhead runs over the matrices."""
    M, K = record.sigma.shape
    at = min(rank, K)
    return Film(
        axis=to_say("matrix"),
        values=np.arange(1.0, M + 1),
        start=int(np.argmax(record.energy)),
        seconds_per_frame=0.8,
        narration=tuple(_narrate(record, t, at) for t in range(M)),
        panels=(
            Curves(
                title=say("Energy of ΔW that the best rank k keeps"),
                x=np.arange(K + 1.0),
                x_label="k",
                y_label=say("share of ‖ΔW‖²"),
                series=(
                    Curve(name=say("this matrix"), colour="delta", y=record.kept),
                    Curve(name=say("a flat spectrum"), colour="faint", y=record.flat, dash="dot"),
                ),
                marks=(Mark(at=float(at), label=f"r = {at}"),),
                span=7,
            ),
            Readout(
                title="W′ − W",
                rows=(
                    Row(label=say("shape"), text=tuple(f"{a}×{b}" for a, b in record.shape), colour="W"),
                    Row(label="‖ΔW‖/‖W‖", text=_texts(record.relative), colour="delta"),
                    Row(label=say("effective (entropy of σ)"), text=_texts(record.effective)),
                    Row(label=say("stable (‖·‖²/σ₁²)"), text=_texts(record.stable)),
                    Row(
                        label=say("rank for 90 / 95 / 99 %"),
                        text=tuple(" / ".join(str(k) if k else "?" for k in row) for row in record.needs),
                    ),
                ),
                span=5,
            ),
            Lines(
                title=say("Energy that rank {rank} keeps, matrix by matrix (drag here)", rank=at),
                y_label=say("share of ‖ΔW‖²"),
                reach=1.0,
                series=(
                    Series(name=say("rank {rank}", rank=at), colour="delta", y=record.kept[:, at], dots=True),
                    Series(name=say("of a flat spectrum"), colour="faint", y=record.flat[:, at], dash="dot"),
                ),
                span=5,
                row=1,
            ),
            Bars(
                title=say("Singular values of ΔW"),
                y_label="σ",
                labels=tuple(str(i + 1) for i in range(min(K, _BARS))),
                groups=(Group(name=say("σ, largest first"), colour="delta", values=record.sigma[:, :_BARS]),),
                span=7,
                row=1,
            ),
        ),
    )


def _texts(values: np.ndarray) -> tuple[str, ...]:
    return tuple(number(float(v)) for v in values)


def _narrate(record: WeightChange, t: int, rank: int) -> str:
    kept = f"{number(100 * float(record.kept[t, rank]))} %"
    return say(
        "{matrix}: the best update of rank {rank} keeps {kept} of what fine-tuning did to it.",
        matrix=record.matrices[t][-60:],
        rank=rank,
        kept=kept,
    )


def takeaway(record: WeightChange, *, rank: int = 8) -> str:
    """What was seen, in the two files' own numbers."""
    at = min(rank, record.sigma.shape[1])
    kept = float(record.kept[:, at] @ record.energy / record.energy.sum())
    most = record.needs[:, 0].max() if (record.needs[:, 0] > 0).all() else 0
    said = [
        say(
            "In all, a LoRA of rank {rank} keeps {kept} % of the energy of this fine-tuning, between {least} and "
            "{most} % "
            "in one matrix.",
            rank=at,
            kept=number(100 * kept),
            least=number(100 * float(record.kept[:, at].min())),
            most=number(100 * float(record.kept[:, at].max())),
        )
    ]
    if most:
        said.append(say("For 90 % everywhere it takes rank {rank}.", rank=most))
    said.append(
        say("Training a LoRA of that rank is another matter: it may find an update that full fine-tuning did not.")
    )
    if record.not_matrices:
        said.append(
            say("1 vector changed too, biases and norms: no LoRA holds them.")
            if record.not_matrices == 1
            else say("{count:,} vectors changed too, biases and norms: no LoRA holds them.", count=record.not_matrices)
        )
    return " ".join(said)


def table(record: WeightChange) -> dict[str, np.ndarray]:
    """One row a matrix."""
    return {
        "matrix": np.array(record.matrices),
        "d_out": record.shape[:, 0],
        "d_in": record.shape[:, 1],
        "relative_change": record.relative,
        "needed_90": record.needs[:, 0],
        "needed_95": record.needs[:, 1],
        "needed_99": record.needs[:, 2],
        "effective_rank": record.effective,
        "stable_rank": record.stable,
        "energy": record.energy,
    }


def plot_weight_change(record: WeightChange, *, theme: str = "light") -> go.Figure:
    """The energy that each rank keeps, one curve a matrix, as a still figure."""
    colour = IDENTITY[theme]["delta"]
    x = np.arange(record.kept.shape[1])
    figure = go.Figure(
        [
            go.Scatter(x=x, y=y, name=name[-40:], line={"color": colour, "width": 2}, opacity=0.7)
            for y, name in zip(record.kept, record.matrices, strict=True)
        ]
    )
    figure.update_layout(
        **plotly_layout(
            title=say("Energy of W′ − W that the best rank k keeps"),
            xaxis={"title": "k"},
            yaxis={"title": say("share of ‖ΔW‖²")},
        ),
        showlegend=len(record.matrices) <= 12,
    )
    return figure
