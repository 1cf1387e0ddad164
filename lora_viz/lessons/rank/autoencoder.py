"""Does a linear autoencoder find PCA? Its subspace, its axes, and what the mean does to both."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import plotly.graph_objects as go
from jaxtyping import Float, Int

from lora_viz.core.run import Run
from lora_viz.core.seeds import spread
from lora_viz.core.spectra import orthonormal_columns, principal_angles
from lora_viz.film.panels import Cloud, Film, HeatMap, Lines, Points, Readout, Row, Series, Span
from lora_viz.film.style import IDENTITY, number, plotly_layout
from lora_viz.i18n.language import say, to_say
from lora_viz.layer.reconstruction import principal_axes

__all__ = ["Autoencoder", "autoencoder", "film", "plot_autoencoder", "table", "takeaway"]

SHOWN = 150
NEAR = 1e-2


class Autoencoder(NamedTuple):
    """Decoder B times encoder A against PCA, at each recorded step and over several random starts.

    ``to_pca`` = ‖B A − U_r U_rᵀ‖_F and ``angle``, the largest principal angle in degrees between col(B) and col(U_r),
    hold (low, median, high) over the starts; U_r are the r axes of most variance about the mean. ``to_moment`` is the
    same as ``to_pca`` for the r axes of most variance about 0. ``loss_over_floor`` is loss/best − 1, median. The
    factors are the first start's; ``cosines`` (r, r) are those of the columns b_j of B with the u_i, ``spread`` the
    range over the starts of |cos(b₁, u₁)|. Clouds and spans are in the coordinates u₁, u₂, u₃, about 0.
    """

    steps: Int[np.ndarray, "T"]
    rank: int
    d: int
    samples: int
    mean: float
    to_pca: Float[np.ndarray, "3 T"]
    to_moment: Float[np.ndarray, "3 T"]
    angle: Float[np.ndarray, "3 T"]
    loss_over_floor: Float[np.ndarray, "T"]
    encoder: Float[np.ndarray, "T r d"]
    decoder: Float[np.ndarray, "T d r"]
    principal: Float[np.ndarray, "r d"]
    product: Float[np.ndarray, "T d d"]
    projector: Float[np.ndarray, "d d"]
    cosines: Float[np.ndarray, "T r r"]
    spread: tuple[float, float]
    cloud: Float[np.ndarray, "n 3"]
    decoded: Float[np.ndarray, "T n 3"]
    columns: Float[np.ndarray, "T r 3"]
    plane: Float[np.ndarray, "T r 3"]
    deviations: Float[np.ndarray, "d"]
    starts: int
    diverged: int


def autoencoder(run: Run) -> Autoencoder:
    """Compare every start of a sweep over init_seed with PCA, up to the last step at which all are finite."""
    x, r = run.task.inputs, run.experiment.rank
    alive = max(1, int(np.isfinite(run.loss).all(axis=1).sum()))
    U, deviations = principal_axes(x)
    values, vectors = np.linalg.eigh(run.task.input_covariance)
    floor = 0.5 * values[:-r].sum()
    projector, moment = (V @ V.T for V in (U[:, :r], vectors[:, -r:]))
    runs = [(run.A[i][:alive], run.B[i][:alive]) for i in range(len(run.sweep))]
    s = run.experiment.scaling
    away = np.stack([[np.linalg.norm(s * b @ a - p, axis=(1, 2)) for a, b in runs] for p in (projector, moment)])
    angle = np.array([[_angle(b, U[:, :r]) for b in B] for _, B in runs])
    A, B = runs[0]
    lengths = np.linalg.norm(B, axis=1)
    cosines = np.divide(U[:, :r].T @ B, lengths[:, None], out=np.zeros((alive, r, r)), where=(lengths > 0)[:, None])
    first = [abs(float(U[:, 0] @ b[-1][:, 0] / (np.linalg.norm(b[-1][:, 0]) or 1.0))) for _, b in runs]
    plane = np.full((alive, r, 3), np.nan)
    for t in range(alive):
        q = orthonormal_columns(B[t])
        plane[t, : q.shape[1]] = _flat(q, U)
    return Autoencoder(
        steps=run.steps[:alive],
        rank=r,
        d=x.shape[1],
        samples=len(x),
        mean=float(np.linalg.norm(x.mean(axis=0))),
        to_pca=spread(away[0], axis=0),
        to_moment=spread(away[1], axis=0),
        angle=spread(angle, axis=0),
        loss_over_floor=np.median(run.loss[:alive] / floor - 1, axis=1),
        encoder=A,
        decoder=B,
        principal=U[:, :r].T,
        product=s * B @ A,
        projector=projector,
        cosines=cosines,
        spread=(min(first), max(first)),
        cloud=(x @ U)[:SHOWN, :3],
        decoded=s * x[:SHOWN] @ np.swapaxes(A, 1, 2) @ np.swapaxes(B, 1, 2) @ U[:, :3],
        columns=np.swapaxes(B, 1, 2) @ U[:, :3] / np.maximum(lengths, 1e-300)[:, :, None],
        plane=plane,
        deviations=deviations,
        starts=len(run.sweep),
        diverged=int((run.diverged_at >= 0).sum()),
    )


def _flat(q: Float[np.ndarray, "d j"], U: Float[np.ndarray, "d d"]) -> Float[np.ndarray, "j 3"]:
    """A basis of this subspace in the first three principal coordinates: what of it is seen there."""
    return q.T @ U[:, :3]


def _angle(decoder: Float[np.ndarray, "d r"], principal: Float[np.ndarray, "d r"]) -> float:
    found = principal_angles(orthonormal_columns(decoder), principal)
    return float(found.max()) if len(found) == principal.shape[1] else 90.0


def film(record: Autoencoder) -> Film:
    """The playhead is the training step: the plane that is decoded to, PCA's distance, and the factors."""
    r, d, T = record.rank, record.d, len(record.steps)
    limit = float(np.quantile(np.abs(record.cloud), 0.96))
    one = float(max(np.abs(record.product).max(), 1.0)) if record.diverged else 1.0
    bands = (
        (record.to_pca, say("to PCA"), "delta", "solid"),
        (record.to_moment, say("to axes about 0"), "ink", "dash"),
    )
    names = tuple(f"u{'₁₂₃'[i]}" for i in range(r))
    return Film(
        axis=to_say("step"),
        training=True,
        of_last=True,
        values=record.steps.astype(float),
        start=T - 1,
        narration=tuple(_narrate(record, t) for t in range(T)),
        panels=(
            Cloud(
                title=say("data x, and B A x, along u₁ u₂ u₃"),
                colour="ink",
                dimension=3,
                limit=limit,
                axes="u",
                view=(-0.9, 0.35),
                span=5,
                spans=(
                    Span(name="col(B)", colour="B", basis=record.plane * limit * 0.9),
                    Span(name="b", colour="ink", basis=record.columns * limit, style="axes"),
                ),
                points=(
                    Points(name="x", colour="W", xyz=record.cloud, style="ring"),
                    Points(name="B A x", colour="delta", xyz=record.decoded),
                ),
                caption=(say("{d} numbers a sample, of which three coordinates are drawn", d=d),),
            ),
            Lines(
                title=say("Distance to two projectors, {starts} starts", starts=record.starts),
                y_label="‖B A − P‖",
                scale="log",
                span=4,
                series=tuple(
                    Series(name=name, colour=c, y=v[1], low=v[0], high=v[2], dash=dash)  # type: ignore[arg-type]
                    for v, name, c, dash in bands
                ),
            ),
            Readout(
                title=say("Measured"),
                span=3,
                rows=(
                    Row(label=say("angle to PCA's subspace"), text=tuple(map(_degrees, record.angle[1])), colour="B"),
                    Row(label=say("loss over least"), text=tuple(_above(v) for v in record.loss_over_floor)),
                    Row(label=say("encoder A · Uᵣᵀ"), text=(f"{r}×{d} · {r}×{d}",), colour="A"),
                    Row(label=say("decoder B · Uᵣ"), text=(f"{d}×{r} · {d}×{r}",), colour="B"),
                    Row(label=say("Vᵣ (no encoder)"), text=(f"{record.samples}×{r}",)),
                    Row(label=say("mean of the data"), text=(number(record.mean) if record.mean > 1e-9 else "≈ 0",)),
                ),
            ),
            HeatMap(
                title="B A",
                colour="delta",
                values=record.product,
                limit=one,
                span=3,
                row=1,
                caption=(say("decoder times encoder"),),
            ),
            HeatMap(
                title=say("PCA's projector Uᵣ Uᵣᵀ"),
                colour="ink",
                values=record.projector,
                limit=1.0,
                span=3,
                row=1,
                caption=(say("onto the axes of most variance"),),
            ),
            HeatMap(
                title=say("axes? cos of {names} with b", names=", ".join(names)),
                colour="B",
                values=record.cosines,
                limit=1.0,
                span=3,
                row=1,
                caption=tuple(_largest(c) for c in record.cosines),
            ),
            HeatMap(
                title=say("encoder A"),
                colour="A",
                values=record.encoder,
                limit=float(np.abs(record.encoder).max()) or 1.0,
                span=3,
                row=1,
                caption=(say("{r}×{d}, as Uᵣᵀ is", r=r, d=d),),
            ),
        ),
    )


def _degrees(angle: float) -> str:
    return "< 10⁻⁶°" if angle < 1e-6 else f"{number(float(angle))}°"


def _above(value: float) -> str:
    return "≈ 0" if abs(value) < 1e-12 else f"+{number(100 * float(value))} %"


def _largest(cosines: Float[np.ndarray, "r r"]) -> str:
    """Axes would be ones and zeros: one 1 in every column."""
    found = ", ".join(number(float(c)) for c in np.abs(cosines).max(axis=0).round(3))
    return say("largest: {cosines}", cosines=found)


def _narrate(record: Autoencoder, t: int) -> str:
    step = int(record.steps[t])
    if record.diverged and t + 1 == len(record.steps):
        return say("Step {step}: training diverged after this one; lower the learning rate.", step=step)
    return say(
        "Step {step}: the decoder's subspace is {angle} from PCA's, "
        "B A {distance} from its projector (medians of {starts} starts).",
        step=step,
        angle=_degrees(float(record.angle[1, t])),
        distance=number(float(record.to_pca[1, t])),
        starts=record.starts,
    )


def takeaway(record: Autoencoder) -> str:
    """What was seen, over all starts."""
    if record.diverged:
        return say(
            "{diverged} of {starts} starts diverged: lower the learning rate.",
            diverged=record.diverged,
            starts=record.starts,
        )
    low, middle, high = (number(float(v)) for v in record.to_pca[:, -1])
    near = float(record.to_pca[2, -1]) < NEAR
    least, most = (number(round(v, 3)) for v in record.spread)
    if record.mean > 1e-9 and not near and float(record.to_moment[2, -1]) < NEAR:
        moment = number(float(record.to_moment[1, -1]))
        return say(
            "The data are not centred, and the subspace is not PCA's: {angle} away "
            "(median of {starts} starts). What was found are the axes of most variance about 0, to "
            "{moment}: the mean took one of them.",
            angle=_degrees(float(record.angle[1, -1])),
            starts=record.starts,
            moment=moment,
        )
    if not near:
        return say(
            "After these steps B A is still {middle} from PCA's projector (range {low} to {high} over "
            "{starts} starts): not converged. More steps or another learning rate may get there.",
            middle=middle,
            low=low,
            high=high,
            starts=record.starts,
        )
    if record.rank == 1:
        return say(
            "In all {starts} starts B A became PCA's projector, to {high} or better: the subspace is found. "
            "With r = 1 the subspace is the axis.",
            starts=record.starts,
            high=high,
        )
    return say(
        "In all {starts} starts B A became PCA's projector, to {high} or better: the subspace is found. "
        "The axes are not: |cos(b₁, u₁)| ends anywhere from {least} to {most}.",
        starts=record.starts,
        high=high,
        least=least,
        most=most,
    )


def table(record: Autoencoder) -> dict[str, np.ndarray]:
    """The curves, as columns."""
    names = ("low", "median", "high")
    return {
        "step": record.steps,
        **{f"to_pca_{n}": v for n, v in zip(names, record.to_pca, strict=True)},
        **{f"to_axes_about_0_{n}": v for n, v in zip(names, record.to_moment, strict=True)},
        **{f"angle_degrees_{n}": v for n, v in zip(names, record.angle, strict=True)},
        "loss_over_floor": record.loss_over_floor,
    }


def plot_autoencoder(record: Autoencoder, *, theme: str = "light") -> go.Figure:
    """Distance to PCA's projector over the steps, as a still figure."""
    colour = IDENTITY[theme]
    figure = go.Figure(
        [
            go.Scatter(x=record.steps, y=v[1], name=name, line={"color": c, "dash": dash, "width": 3})
            for v, name, c, dash in (
                (record.to_pca, say("to PCA's projector"), colour["delta"], "solid"),
                (record.to_moment, say("to that of the axes about 0"), colour["ink"], "dash"),
            )
        ]
    )
    figure.update_layout(
        **plotly_layout(
            title=say("B A against PCA, median of {starts} starts", starts=record.starts),
            xaxis={"title": say("step")},
            yaxis={"title": "‖B A − P‖", "type": "log"},
        )
    )
    return figure
