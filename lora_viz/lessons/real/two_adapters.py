"""Do two adapters for one model use the same directions? Overlaps per module, and the spectrum of their sum."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import plotly.graph_objects as go
from jaxtyping import Float, Int

from lora_viz.adapters.compare import Comparison
from lora_viz.film.panels import Bars, Film, Group, Lines, Readout, Row, Series
from lora_viz.film.style import IDENTITY, number, plotly_layout
from lora_viz.i18n.language import say, to_say

__all__ = ["AdapterPair", "adapter_pair", "film", "plot_adapter_pair", "table", "takeaway"]


class AdapterPair(NamedTuple):
    """M modules that two adapters share. Overlaps are mean cos² between the directions that carry 90 % of each energy,
    ``chance`` what random directions would give; rows of ``overlap`` and ``chance`` are inputs, outputs.

    ``sigma`` (3, M, K), ``effective`` and ``numerical`` (3, M): the first, the second, their sum.
    """

    names: tuple[str, str]
    paths: tuple[str, ...]
    rank: Int[np.ndarray, "2 M"]
    kept: Int[np.ndarray, "2 M"]
    overlap: Float[np.ndarray, "2 M"]
    chance: Float[np.ndarray, "2 M"]
    cosine: Float[np.ndarray, "M"]
    sigma: Float[np.ndarray, "3 M K"]
    effective: Float[np.ndarray, "3 M"]
    numerical: Int[np.ndarray, "3 M"]
    norm: Float[np.ndarray, "3 M"]
    only: tuple[int, int]


def adapter_pair(found: Comparison) -> AdapterPair:
    """Lay a comparison out over its modules."""
    m = found.modules
    sigma = np.zeros((3, len(m), max(meeting.sigma.shape[1] for meeting in m)))
    for i, meeting in enumerate(m):
        sigma[:, i, : meeting.sigma.shape[1]] = meeting.sigma
    return AdapterPair(
        names=found.names,
        paths=tuple(x.path for x in m),
        rank=np.array([x.rank for x in m]).T,
        kept=np.array([x.kept for x in m]).T,
        overlap=np.array([(x.overlap_in, x.overlap_out) for x in m]).T,
        chance=np.array([(x.chance_in, x.chance_out) for x in m]).T,
        cosine=np.array([x.cosine for x in m]),
        sigma=sigma,
        effective=np.array([[k.effective for k in x.kinds] for x in m]).T,
        numerical=np.array([[k.numerical for k in x.kinds] for x in m]).T,
        norm=np.array([x.norm for x in m]).T,
        only=found.only,
    )


def film(record: AdapterPair) -> Film:
    """The playhead runs over the modules that both have."""
    M, K = record.sigma.shape[1:]
    finite = np.isfinite(record.overlap).all(axis=0)
    return Film(
        axis=to_say("module"),
        values=np.arange(1.0, M + 1),
        start=int(np.argmax(np.where(finite, record.overlap[0], -1))),
        seconds_per_frame=0.5,
        narration=tuple(_narrate(record, t) for t in range(M)),
        panels=(
            Lines(
                title=say("Shared directions, module by module (drag here)"),
                y_label=say("mean cos²"),
                reach=1.0,
                series=(
                    Series(name=say("inputs (rows of A)"), colour="A", y=record.overlap[0], dots=True),
                    Series(name=say("outputs (columns of B)"), colour="B", y=record.overlap[1], dots=True),
                    Series(name=say("inputs, by chance"), colour="A", y=record.chance[0], dash="dot"),
                    Series(name=say("outputs, by chance"), colour="B", y=record.chance[1], dash="dot"),
                ),
                span=12,
            ),
            Bars(
                title=say("Singular values: each alone, and their sum"),
                y_label="σ",
                labels=tuple(str(i + 1) for i in range(K)),
                groups=(
                    Group(name="ΔW₁ + ΔW₂", colour="delta", values=record.sigma[2]),
                    Group(name="ΔW₁", colour="ink", values=record.sigma[0], outline=True),
                    Group(name="ΔW₂", colour="faint", values=record.sigma[1], outline=True),
                ),
                span=7,
                row=1,
            ),
            Readout(title=say("First + second = sum"), rows=_rows(record), span=5, row=1),
        ),
    )


def _rows(record: AdapterPair) -> tuple[Row, ...]:
    def sums(values: np.ndarray) -> tuple[str, ...]:
        return tuple(" + ".join(number(float(v)) for v in c[:2]) + f" → {number(float(c[2]))}" for c in values.T)

    bound = np.vstack([record.rank, record.rank.sum(axis=0)]).astype(float)
    return (
        Row(label=say("bound r"), text=sums(bound), colour="W"),
        Row(label=say("numerical (σ > 10⁻⁶ σ₁)"), text=sums(record.numerical.astype(float))),
        Row(label=say("effective (entropy of σ)"), text=sums(record.effective)),
        Row(label="‖ΔW‖", text=sums(record.norm), colour="delta"),
        Row(label=say("cosine ⟨ΔW₁, ΔW₂⟩/‖·‖‖·‖"), text=tuple(number(float(c)) for c in record.cosine)),
    )


def _narrate(record: AdapterPair, t: int) -> str:
    path = record.paths[t] if len(record.paths[t]) <= 60 else "…" + record.paths[t][-59:]
    if not np.isfinite(record.overlap[:, t]).all():
        return say("{path}: one of the two updates is 0; there is nothing to share.", path=path)
    i, j = record.kept[:, t]
    return say(
        "{path}: {i} and {j} directions hold 90 % of the energy; inputs share {inputs} (chance {chance}), outputs "
        "{outputs}.",
        path=path,
        i=i,
        j=j,
        inputs=number(float(record.overlap[0, t])),
        chance=number(float(record.chance[0, t])),
        outputs=number(float(record.overlap[1, t])),
    )


def _modules(count: int) -> str:
    return say("1 module") if count == 1 else say("{count:,} modules", count=count)


def takeaway(record: AdapterPair) -> str:
    """What was seen, in the two files' own numbers."""
    known = np.isfinite(record.overlap).all(axis=0)
    if not known.any():
        return say("In every module one of the two updates is 0: there is nothing to compare.")
    inputs, outputs = (number(float(np.median(row[known]))) for row in record.overlap)
    chance = tuple(number(float(np.median(row[known]))) for row in record.chance)
    full = int((record.numerical[2] == record.numerical[:2].sum(axis=0))[known].sum())
    said = [
        say(
            "Over {modules} the directions that carry 90 % of the energy overlap by {inputs} for the inputs and "
            "{outputs} "
            "for the outputs (medians of mean cos²; by chance {chance_inputs} and {chance_outputs}). Adding the two "
            "adds "
            "their ranks in {full} of them, whatever they share; the effective rank goes from {first} and {second} to "
            "{both}.",
            modules=_modules(int(known.sum())),
            inputs=inputs,
            outputs=outputs,
            chance_inputs=chance[0],
            chance_outputs=chance[1],
            full=full,
            first=number(float(np.median(record.effective[0, known]))),
            second=number(float(np.median(record.effective[1, known]))),
            both=number(float(np.median(record.effective[2, known]))),
        )
    ]
    if sum(record.only):
        said.append(
            say(
                "Without counterpart: {first} of the first, {second} of the second.",
                first=_modules(record.only[0]),
                second=record.only[1],
            )
        )
    return " ".join(said)


def table(record: AdapterPair) -> dict[str, np.ndarray]:
    """One row a module."""
    return {
        "module": np.array(record.paths),
        "rank_1": record.rank[0],
        "rank_2": record.rank[1],
        "overlap_inputs": record.overlap[0],
        "chance_inputs": record.chance[0],
        "overlap_outputs": record.overlap[1],
        "chance_outputs": record.chance[1],
        "cosine": record.cosine,
        "numerical_rank_of_sum": record.numerical[2],
        "effective_rank_1": record.effective[0],
        "effective_rank_2": record.effective[1],
        "effective_rank_of_sum": record.effective[2],
        "norm_1": record.norm[0],
        "norm_2": record.norm[1],
        "norm_of_sum": record.norm[2],
    }


def plot_adapter_pair(record: AdapterPair, *, theme: str = "light") -> go.Figure:
    """The overlaps and what chance would give, as a still figure."""
    colour = IDENTITY[theme]
    x = np.arange(1, len(record.paths) + 1)
    curves = (
        (record.overlap[0], say("inputs"), colour["A"], "solid"),
        (record.overlap[1], say("outputs"), colour["B"], "solid"),
        (record.chance[0], say("inputs, by chance"), colour["A"], "dot"),
        (record.chance[1], say("outputs, by chance"), colour["B"], "dot"),
    )
    figure = go.Figure(
        [
            go.Scatter(x=x, y=y, name=name, text=record.paths, line={"color": c, "dash": dash, "width": 3})
            for y, name, c, dash in curves
        ]
    )
    figure.update_layout(
        **plotly_layout(
            title=say("Shared directions"),
            xaxis={"title": say("module")},
            yaxis={"title": say("mean cos²"), "range": [0, 1]},
        )
    )
    return figure
