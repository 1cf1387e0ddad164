"""Which rank did each module of an adapter need? Its layers as a map, and every module's spectrum at the playhead."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import plotly.graph_objects as go
from jaxtyping import Float, Int

from lora_viz.adapters.report import LEVELS, Report
from lora_viz.film.panels import Bars, Curve, Curves, Field, Film, Group, Lines, Mark, Readout, Row, Series
from lora_viz.film.style import IDENTITY, number, plotly_layout
from lora_viz.i18n.language import english, say, to_say

__all__ = ["MAPS", "AdapterReport", "adapter_report", "film", "plot_adapter_report", "table", "takeaway"]

MAPS = {
    "needed": (to_say("Rank needed for {level} of the energy"), "linear"),
    "effective": (to_say("Effective rank of ΔW"), "linear"),
    "norm": ("‖ΔW‖", "log"),
    "balance": ("‖A‖/‖B‖", "log"),
}
_OUTLINED = 400_000  # cells times modules up to which the map outlines the module at the playhead


class AdapterReport(NamedTuple):
    """An adapter's M modules in the order of its file.

    ``sigma`` (M, K) are the singular values of ΔW, 0 beyond a module's own, NaN where a factor is not finite;
    ``energy`` (M, K + 1) the share of Σσ² in the largest 0, 1, … of them; ``needs`` (M, 3) the smallest rank that keeps
    90, 95, 99 %. ``noise`` is the singular value that the number format alone could have made, NaN where not measured.
    ``row`` and ``column`` place a module on the map of kinds and layers. ``scaled``: the file gave its scale.
    """

    name: str
    paths: tuple[str, ...]
    kinds: tuple[str, ...]
    layers: tuple[str, ...]
    row: Int[np.ndarray, "M"]
    column: Int[np.ndarray, "M"]
    shape: Int[np.ndarray, "M 2"]
    rank: Int[np.ndarray, "M"]
    numerical: Int[np.ndarray, "M"]
    effective: Float[np.ndarray, "M"]
    stable: Float[np.ndarray, "M"]
    needs: Int[np.ndarray, "M 3"]
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
    others: int


def adapter_report(report: Report, noise: tuple[float, ...]) -> AdapterReport:
    """Lay a file's report out over its layers. ``noise`` has one number a module."""
    modules = report.modules
    kinds = tuple(dict.fromkeys(m.place.kind for m in modules))
    layers = tuple(dict.fromkeys(m.place.layer for m in modules))
    widest = max(len(m.sigma) for m in modules)
    sigma = np.zeros((len(modules), widest))
    for row, m in zip(sigma, modules, strict=True):
        row[: len(m.sigma)] = m.sigma
        row[len(m.sigma) :] = np.nan if m.not_finite else 0.0
    top = sigma.max(axis=1, keepdims=True, initial=0.0)
    squares = np.divide(sigma, top, out=np.zeros_like(sigma), where=top > 0) ** 2
    whole = squares.sum(axis=1, keepdims=True)
    share = np.divide(np.cumsum(squares, axis=1), whole, out=np.full_like(sigma, np.nan), where=whole > 0)
    return AdapterReport(
        name=report.name,
        paths=tuple(m.path for m in modules),
        kinds=kinds,
        layers=layers,
        row=np.array([kinds.index(m.place.kind) for m in modules]),
        column=np.array([layers.index(m.place.layer) for m in modules]),
        shape=np.array([(m.d_out, m.d_in) for m in modules]),
        rank=np.array([m.rank for m in modules]),
        numerical=np.array([m.kinds.numerical for m in modules]),
        effective=np.array([m.kinds.effective for m in modules]),
        stable=np.array([m.kinds.stable for m in modules]),
        needs=np.array([m.needs for m in modules]),
        sigma=sigma,
        energy=np.concatenate([np.where(np.isnan(share[:, :1]), np.nan, 0.0), share], axis=1),
        noise=np.array(noise),
        norm_A=np.array([m.norm_A for m in modules]),
        norm_B=np.array([m.norm_B for m in modules]),
        norm_delta=np.array([m.norm_delta for m in modules]),
        dead=np.array([m.dead for m in modules]),
        not_finite=np.array([m.not_finite for m in modules]),
        dtypes=tuple(m.dtype for m in modules),
        scales=tuple(m.scaling_words for m in modules),
        scaled=all(m.scaling is not None for m in modules),
        parameters=sum(m.parameters for m in modules),
        others=len(report.others),
    )


def film(record: AdapterReport, *, level: float = 0.9, shown: str = "needed") -> Film:
    """The playhead runs over the modules; the map stands and outlines the one that is meant."""
    M, K = record.sigma.shape
    title, scale = MAPS[shown]
    known = np.isfinite(record.noise) & (record.noise > 0)
    groups = [Group(name=say("σ of ΔW"), colour="delta", values=record.sigma)]
    if known.any():
        level_line = np.repeat(np.where(known, record.noise, 0.0)[:, None], K, axis=1)
        groups.append(Group(name=say("rounding alone"), colour="faint", values=level_line, outline=True))
    needed = record.needs[:, LEVELS.index(level)]
    return Film(
        axis=to_say("module"),
        values=np.arange(1.0, M + 1),
        start=int(np.argmax(needed)),
        seconds_per_frame=0.5,
        narration=tuple(_narrate(record, t, level) for t in range(M)),
        panels=(
            Field(
                title=say(title, level=_percent(level)),
                values=_map(record, level, shown),
                x_labels=record.layers,
                y_labels=tuple(_short(kind) for kind in record.kinds),
                x_title=say("layer"),
                y_title=say("module"),
                scale="log" if scale == "log" else "linear",
                regions=_outline(record),
                region_names=("", ""),
                span=5,
            ),
            Bars(
                title=say("Singular values of this module"),
                y_label="σ",
                scale="log",
                labels=tuple(str(i + 1) for i in range(K)),
                groups=tuple(groups),
                span=4,
            ),
            Readout(title=say("This module"), rows=_rows(record), span=3),
            Lines(
                title=say("Rank given and rank needed, module by module (drag here)"),
                y_label=say("rank"),
                reach=1.0,
                series=(
                    Series(name=say("rank given r"), colour="W", y=record.rank.astype(float)),
                    *(
                        Series(
                            name=say("for {x}", x=_percent(x)),
                            colour="delta" if x == level else "faint",
                            y=record.needs[:, i].astype(float),
                            dash="solid" if x == level else ("dash" if x == max(LEVELS) else "dot"),
                            dots=x == level,
                        )
                        for i, x in enumerate(LEVELS)
                    ),
                    Series(name=say("effective rank"), colour="ink", y=record.effective, dash="dashdot"),
                ),
                span=8,
                row=1,
            ),
            Curves(
                title=say("Energy kept by the largest k"),
                x=np.arange(K + 1.0),
                x_label="k",
                y_label=say("share of Σσ²"),
                series=(
                    Curve(name=say("this module"), colour="delta", y=record.energy, dots=K <= 32),
                    Curve(name=_percent(level), colour="faint", y=np.full(K + 1, level), dash="dash"),
                ),
                marks=() if M > 1 else (Mark(at=float(needed[0]), label=f"k = {needed[0]}"),),
                span=4,
                row=1,
            ),
        ),
    )


def _map(record: AdapterReport, level: float, shown: str) -> Float[np.ndarray, "kinds layers"]:
    with np.errstate(divide="ignore", invalid="ignore"):
        values = {
            "needed": record.needs[:, LEVELS.index(level)].astype(float),
            "effective": record.effective,
            "norm": record.norm_delta,
            "balance": np.where(record.norm_B > 0, record.norm_A / record.norm_B, np.nan),
        }[shown]
    values = np.where(np.isfinite(values) & (record.not_finite == 0), values, np.nan)
    found = np.full((len(record.kinds), len(record.layers)), np.nan)
    found[record.row, record.column] = values
    return found


def _outline(record: AdapterReport) -> Float[np.ndarray, "M kinds layers"] | None:
    M, cells = len(record.rank), len(record.kinds) * len(record.layers)
    if M * cells > _OUTLINED:
        return None
    found = np.zeros((M, len(record.kinds), len(record.layers)))
    found[np.arange(M), record.row, record.column] = 1.0
    return found


def _rows(record: AdapterReport) -> tuple[Row, ...]:
    def texts(values: np.ndarray) -> tuple[str, ...]:
        return tuple(number(float(v)) for v in values)

    delta = "‖ΔW‖ = ‖s·BA‖" if record.scaled else say("‖BA‖, without s")
    return (
        Row(label=say("bound r"), text=tuple(str(r) for r in record.rank), colour="W"),
        Row(label=say("numerical (σ > 10⁻⁶ σ₁)"), text=tuple(str(r) for r in record.numerical)),
        Row(label=say("effective (entropy of σ)"), text=texts(record.effective)),
        Row(label=say("stable (‖·‖²/σ₁²)"), text=texts(record.stable)),
        Row(label=delta, text=texts(record.norm_delta), colour="delta"),
        Row(label="s", text=record.scales),
    )


def _short(kind: str, most: int = 24) -> str:
    return kind if len(kind) <= most else "…" + kind[-(most - 1) :]


def _percent(level: float) -> str:
    return f"{100 * level:.0f} %"


def _narrate(record: AdapterReport, t: int, level: float) -> str:
    path, r = _short(record.paths[t], 70), int(record.rank[t])
    if record.not_finite[t]:
        return say(
            "{path}: {not_finite} of its numbers are not finite; there is no spectrum.",
            path=path,
            not_finite=record.not_finite[t],
        )
    if record.norm_delta[t] == 0:
        return say("{path}: ΔW = 0; it was never trained, or one of its factors is 0.", path=path)
    k = int(record.needs[t, LEVELS.index(level)])
    held = _percent(float(record.energy[t, k]))
    if 0 < k < record.energy.shape[1] - 1:
        told = say(
            "{path}: {k} of {r} directions hold {energy} of the energy, the next adds {more} %.",
            path=path,
            k=k,
            r=r,
            energy=held,
            more=number(100 * float(record.energy[t, k + 1] - record.energy[t, k])),
        )
    else:
        told = say("{path}: {k} of {r} directions hold {energy} of the energy.", path=path, k=k, r=r, energy=held)
    if not record.dead[t]:
        return told
    return say("{told} It has {dead}.", told=told, dead=_dead(int(record.dead[t])))


def _modules(count: int) -> str:
    return say("1 module") if count == 1 else say("{count:,} modules", count=count)


def _dead(count: int) -> str:
    return say("1 dead direction") if count == 1 else say("{count:,} dead directions", count=count)


def takeaway(record: AdapterReport, *, level: float = 0.9) -> str:
    """What was seen, in the file's own numbers."""
    fine = (record.not_finite == 0) & (record.norm_delta > 0)
    said = []
    if fine.any():
        k, r = record.needs[fine, LEVELS.index(level)], record.rank[fine]
        after = int(np.sum(np.maximum(1, record.needs[:, LEVELS.index(level)]) * record.shape.sum(axis=1)))
        given, used = (
            f"{x.min()}" if x.min() == x.max() else say("{low} to {high}", low=x.min(), high=x.max()) for x in (r, k)
        )
        said.append(
            say(
                "{name}: {modules} given rank {given}; {level} of each update's energy lies in {used} directions "
                "(median "
                "{k}), their effective rank is {effective} in the median. Cut there, {parameters:,} parameters become "
                "{after:,}. Energy is what the weights keep; what the network keeps, its data must tell.",
                name=record.name,
                modules=_modules(int(fine.sum())),
                given=given,
                level=_percent(level),
                used=used,
                k=number(float(np.median(k))),
                effective=number(float(np.median(record.effective[fine]))),
                parameters=record.parameters,
                after=after,
            )
        )
    if (idle := int(np.sum((record.norm_delta == 0) & (record.not_finite == 0)))) > 0:
        said.append(say("{modules} with ΔW = 0.", modules=_modules(idle)))
    if (broken := int((record.not_finite > 0).sum())) > 0:
        said.append(say("{modules} with numbers that are not finite.", modules=_modules(broken)))
    if record.dead.any() and fine.any():
        said.append(say("{dead} in trained modules.", dead=_dead(int(record.dead[fine].sum()))))
    if not record.scaled:
        said.append(say("The file does not say its scale s: sizes are those of B·A; spectra keep their shape."))
    return " ".join(said)


def table(record: AdapterReport) -> dict[str, np.ndarray]:
    """One row a module."""
    return {
        "module": np.array(record.paths),
        "d_out": record.shape[:, 0],
        "d_in": record.shape[:, 1],
        "rank": record.rank,
        "needed_90": record.needs[:, 0],
        "needed_95": record.needs[:, 1],
        "needed_99": record.needs[:, 2],
        "effective_rank": record.effective,
        "stable_rank": record.stable,
        "numerical_rank": record.numerical,
        "norm_delta": record.norm_delta,
        "norm_A": record.norm_A,
        "norm_B": record.norm_B,
        "dead": record.dead,
        "not_finite": record.not_finite,
        "rounding_noise": record.noise,
        "stored_as": np.array(record.dtypes),
        "scale": np.array([english(scale) for scale in record.scales]),
    }


def plot_adapter_report(record: AdapterReport, *, level: float = 0.9, theme: str = "light") -> go.Figure:
    """Rank given, rank needed and effective rank, module by module, as a still figure."""
    colour = IDENTITY[theme]
    x = np.arange(1, len(record.rank) + 1)
    curves = (
        (record.rank, say("rank given"), colour["W"]),
        (record.needs[:, LEVELS.index(level)], say("needed for {level}", level=_percent(level)), colour["delta"]),
        (record.effective, say("effective rank"), colour["ink"]),
    )
    figure = go.Figure(
        [
            go.Scatter(x=x, y=y, name=name, text=record.paths, mode="lines+markers", line={"color": c, "width": 3})
            for y, name, c in curves
        ]
    )
    figure.update_layout(
        **plotly_layout(
            title=say("Rank given and rank needed"), xaxis={"title": say("module")}, yaxis={"title": say("rank")}
        )
    )
    return figure
