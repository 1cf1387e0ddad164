"""What does a matrix do with the space it is given? Shape against rank, on a matrix small enough to draw."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import plotly.graph_objects as go
from jaxtyping import Float

from lora_viz.core.spectra import Ranks, ranks
from lora_viz.film.panels import Bars, Cloud, Film, Group, HeatMap, Lines, Points, Readout, Row, Series, Span
from lora_viz.film.style import IDENTITY, number, plotly_layout
from lora_viz.i18n.language import say, to_say

__all__ = ["PRESETS", "ShapeRank", "film", "plot_shape_rank", "shape_rank", "table", "takeaway"]

PRESETS: dict[str, str] = {
    "rank_1": "1 2 3; 2 4 6",
    "rank_2": "1 0 1; 0 1 1; 1 1 2",
    "rank_3": "1 0.5 0; 0 1 0.5; 0.5 0 1",
    "shear": "1 1; 0 1",
    "turn": "0 -1; 1 0",
    "projection": "0.5 0.5; 0.5 0.5",
}
MOST = 3
FINE, COARSE = 1e-12, 1e-2
WALK = np.linspace(-1.5, 1.5, 31)
ROUNDING = 1e-12  # relative to σ₁
OUT = (  # by the rank
    to_say("out: M x, all on a point"),
    to_say("out: M x, all on a line"),
    to_say("out: M x, all on a plane"),
    to_say("out: M x, all on a volume"),
)


class ShapeRank(NamedTuple):
    """A matrix, the unit sphere and its image, and a walk x + t·z along the direction z that the matrix shrinks most.

    ``sigma``, ``left`` (rows u_i) and ``right`` (rows v_i, a whole basis of the inputs) are its SVD; z = v_n spans part
    of the null space where there is one. ``moved`` is ‖M(x + t z) − M x‖. ``fine`` and ``coarse`` are the kinds of rank
    with tolerances 1e-12 and 1e-2. ``turned`` is the angle in degrees between v₁ and M v₁, ``eigen`` the real
    eigenvalues and ``twice`` = ‖M² − M‖/‖M‖; NaN, empty and NaN for a matrix that is not square. ``stretch`` is the
    largest ‖M x‖ over the drawn unit vectors.
    """

    matrix: Float[np.ndarray, "m n"]
    noise: float
    sigma: Float[np.ndarray, "k"]
    left: Float[np.ndarray, "k m"]
    right: Float[np.ndarray, "n n"]
    inputs: Float[np.ndarray, "points n"]
    outputs: Float[np.ndarray, "points m"]
    walk: Float[np.ndarray, "T"]
    walked: Float[np.ndarray, "T n"]
    arrived: Float[np.ndarray, "T m"]
    moved: Float[np.ndarray, "T"]
    fine: Ranks
    coarse: Ranks
    turned: float
    eigen: Float[np.ndarray, "e"]
    twice: float
    stretch: float


def shape_rank(matrix: Float[np.ndarray, "m n"], *, noise: float = 0.0, seed: int = 0) -> ShapeRank:
    """Take a matrix of at most 3×3, with normal noise of this size on every entry, apart. Raises ValueError."""
    if max(matrix.shape) > MOST:
        raise ValueError(
            say(
                "M is {rows}×{columns}: at most {most}×{most} can be drawn.",
                rows=matrix.shape[0],
                columns=matrix.shape[1],
                most=MOST,
            )
        )
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((matrix.shape[1],))
    x *= 0.7 / np.linalg.norm(x)
    matrix = matrix + noise * rng.standard_normal(matrix.shape)
    m, n = matrix.shape
    left, sigma, right = np.linalg.svd(matrix)
    inputs = _sphere(n)
    outputs = inputs @ matrix.T
    z = right[-1]
    walked = x + WALK[:, None] * z
    arrived = walked @ matrix.T
    k = len(sigma)
    turned, eigen, twice = float("nan"), np.empty(0), float("nan")
    if m == n:
        length = float(np.linalg.norm(matrix @ right[0]))
        if length > 0:
            turned = float(np.degrees(np.arccos(np.clip(right[0] @ matrix @ right[0] / length, -1, 1))))
            twice = float(np.linalg.norm(matrix @ matrix - matrix) / np.linalg.norm(matrix))
        values = np.linalg.eigvals(matrix)
        # a double eigenvalue splits by √ε: below that a part that is not real is rounding
        eigen = np.sort(values.real[np.abs(values.imag) <= 1e-7 * max(1.0, float(sigma[0]))])[::-1]
    return ShapeRank(
        matrix=matrix,
        noise=noise,
        sigma=sigma,
        left=left.T[:k],
        right=right,
        inputs=inputs,
        outputs=outputs,
        walk=WALK,
        walked=walked,
        arrived=arrived,
        moved=np.linalg.norm(WALK[:, None] * (matrix @ z), axis=1),
        fine=ranks(sigma, bound=k, tol=FINE),
        coarse=ranks(sigma, bound=k, tol=COARSE),
        turned=turned,
        eigen=eigen,
        twice=twice,
        stretch=float(np.linalg.norm(outputs, axis=1).max()),
    )


def _sphere(n: int) -> Float[np.ndarray, "points n"]:
    """Unit vectors all around: two, a circle, or a sphere (Fibonacci's spiral)."""
    if n == 1:
        return np.array([[-1.0], [1.0]])
    if n == 2:
        angle = np.arange(72) * 2 * np.pi / 72
        return np.stack([np.cos(angle), np.sin(angle)], axis=1)
    i = np.arange(220) + 0.5
    height, around = 1 - 2 * i / 220, np.pi * (1 + 5**0.5) * i
    ring = np.sqrt(1 - height**2)
    return np.stack([ring * np.cos(around), ring * np.sin(around), height], axis=1)


def _nullity(record: ShapeRank) -> int:
    return record.matrix.shape[1] - record.fine.numerical


def film(record: ShapeRank) -> Film:
    """The playhead walks x along the direction that M shrinks most; input and output clouds, σ, and the counts."""
    m, n = record.matrix.shape
    r, k = record.fine.numerical, len(record.sigma)
    reach = max(1.0, float(record.sigma[0]))
    null = _nullity(record)
    ker = record.right[r:] * 1.5 if null else np.full((1, n), np.nan)
    axes = np.where(record.sigma[:, None] > ROUNDING * record.sigma[0], record.sigma[:, None] * record.left, np.nan)
    row_space = record.right[:r] if 0 < r < n else np.full((1, n), np.nan)  # the whole space needs no picture
    start = int(np.argmin(np.abs(record.walk)))
    path = np.stack([np.broadcast_to(record.walked[start], record.walked.shape), record.walked], axis=1)
    return Film(
        axis="t: x + t·z, z ∈ ker M" if null else f"t: x + t·z, z = v{'₁₂₃'[n - 1]}",
        values=record.walk,
        start=len(record.walk) - 1,
        seconds_per_frame=0.08,
        narration=tuple(_narrate(record, t) for t in range(len(record.walk))),
        panels=(
            Cloud(
                title=say("in: all unit vectors x, 1 number")
                if n == 1
                else say("in: all unit vectors x, {n} numbers", n=n),
                colour="ink",
                dimension=n,
                limit=1.5,
                axes="x",
                spans=(
                    Span(name=say("row space"), colour="A", basis=row_space * 1.4),
                    Span(name="ker M", colour="alarm", basis=ker),
                ),
                points=(
                    Points(name="x, ‖x‖ = 1", colour="W", xyz=record.inputs),
                    Points(name=say("the walk"), colour="ink", xyz=path, style="ghost"),
                    Points(name="x + t z", colour="ink", xyz=record.walked[:, None], style="probe"),
                ),
                caption=(say("null space: {null} of {n} dimensions", null=null, n=n),),
            ),
            HeatMap(
                title=say("M: shape {m}×{n}, rank {r}", m=m, n=n, r=r),
                colour="W",
                values=record.matrix,
                limit=float(np.abs(record.matrix).max()),
                span=3,
                caption=("; ".join(" ".join(number(v) for v in row) for row in record.matrix),),
            ),
            Cloud(
                title=say(OUT[r]),
                colour="delta",
                dimension=m,
                limit=reach * 1.05,
                axes="y",
                span=5,
                spans=(Span(name="σu", colour="B", basis=axes, style="axes"),),
                points=(
                    Points(name="M x", colour="delta", xyz=record.outputs),
                    Points(name="M(x + t z)", colour="ink", xyz=record.arrived[:, None], style="probe"),
                ),
                caption=(say("column space: {r} of {m} dimensions; the semi-axes are σᵢ uᵢ", r=r, m=m),),
            ),
            Bars(
                title=say("Singular values"),
                y_label="σ",
                span=3,
                row=1,
                labels=tuple(f"σ{'₁₂₃'[i]}" for i in range(k)),
                groups=(Group(name="σ(M)", colour="delta", values=record.sigma),),
                caption=(", ".join(_sigma(record, i) for i in range(k)),),
            ),
            Lines(
                title=say("How far has x moved, and M x?"),
                y_label=say("distance"),
                span=4,
                row=1,
                reach=1.0,
                series=(
                    Series(name="x", colour="W", y=np.abs(record.walk)),
                    Series(name="M x", colour="delta", y=record.moved),
                ),
            ),
            Readout(
                title=say("Which rank?"),
                span=5,
                row=1,
                rows=(
                    Row(label=say("bound min(m, n), from the shape"), text=(str(record.fine.bound),)),
                    Row(
                        label=say("numerical, σ > 10⁻¹² σ₁ · σ > 10⁻² σ₁"),
                        text=(f"{record.fine.numerical} · {record.coarse.numerical}",),
                        colour="delta",
                    ),
                    Row(
                        label=say("effective (entropy) · stable (‖·‖²/σ₁²)"),
                        text=(f"{number(record.fine.effective)} · {number(record.fine.stable)}",),
                    ),
                    Row(
                        label=say("largest ‖M x‖ drawn · σ₁"), text=(f"{number(record.stretch)} · {_sigma(record, 0)}",)
                    ),
                    Row(label=say("angle between v₁ and M v₁"), text=(_turned(record),)),
                    Row(label=say("real λ in M v = λ v · ‖M M − M‖/‖M‖"), text=(_square(record),)),
                ),
            ),
        ),
    )


def _sigma(record: ShapeRank, i: int) -> str:
    """What is below rounding is written as what it is: 0 to rounding."""
    value = float(record.sigma[i])
    return "≈ 0" if 0 < value <= ROUNDING * record.sigma[0] else number(value)


def _turned(record: ShapeRank) -> str:
    m, n = record.matrix.shape
    if m != n:
        return say("none: {n} and {m} numbers", n=n, m=m)
    return say("none: M v₁ = 0") if np.isnan(record.turned) else f"{number(round(record.turned, 6))}°"


def _square(record: ShapeRank) -> str:
    m, n = record.matrix.shape
    if m != n:
        return say("M is not square")
    eigen = ", ".join(number(round(float(v), 6) + 0.0) for v in record.eigen) or say("no real λ")
    twice = say("0, a projection") if record.twice < ROUNDING else number(record.twice)
    return f"{eigen} · {twice}"


def _still(record: ShapeRank) -> bool:
    return bool(record.sigma[0] == 0 or _nullity(record) > 0)


def _narrate(record: ShapeRank, t: int) -> str:
    way, moved = number(abs(float(record.walk[t]))), number(float(record.moved[t]))
    if _still(record):
        if record.moved[t] > 0:
            return say(
                "x has moved by {way} inside the null space; M x has moved by {moved}, rounding.", way=way, moved=moved
            )
        return say("x has moved by {way} inside the null space; M x has moved by {moved}.", way=way, moved=moved)
    factor = number(float(record.sigma[-1]))
    return say(
        "x has moved by {way} along its weakest direction; M x by {moved}, {factor} times as far: nothing is lost.",
        way=way,
        moved=moved,
        factor=factor,
    )


def takeaway(record: ShapeRank) -> str:
    """What was seen, in the matrix's own numbers."""
    m, n = record.matrix.shape
    r, null = record.fine.numerical, _nullity(record)
    said = [_counted(m, n, r)]
    most = number(float(record.moved.max()))
    if null == 1:
        said.append(
            say("1 of {n} input dimensions is lost: a walk of 3 along it moved the output by {most}.", n=n, most=most)
        )
    elif null:
        said.append(
            say(
                "{null} of {n} input dimensions are lost: a walk of 3 along one of them moved the output by {most}.",
                null=null,
                n=n,
                most=most,
            )
        )
    else:
        said.append(
            say(
                "No input direction is lost: the weakest is still passed on {weakest}×.",
                weakest=number(float(record.sigma[-1])),
            )
        )
    if record.coarse.numerical != r:
        said.append(
            say(
                "How many σ count depends on the tolerance: {fine} above 10⁻¹² σ₁, {coarse} above 10⁻² σ₁.",
                fine=r,
                coarse=record.coarse.numerical,
            )
        )
    alone = len(record.sigma) > 1 and record.sigma[0] > record.sigma[1] * (1 + 1e-9)
    if alone and np.isfinite(record.turned) and record.turned > 1e-6:
        said.append(
            say("v₁ is the most stretched direction, yet M turns it by {turned}°.", turned=number(record.turned))
        )
    return " ".join(said)


def _counted(m: int, n: int, r: int) -> str:
    if m == 1 and r == 1:
        return say("Shape 1×{n}, rank 1: the output has 1 coordinate, but all outputs together have 1 dimension.", n=n)
    if m == 1:
        return say(
            "Shape 1×{n}, rank {r}: the output has 1 coordinate, but all outputs together have {r} dimensions.",
            n=n,
            r=r,
        )
    if r == 1:
        return say(
            "Shape {m}×{n}, rank 1: the output has {m} coordinates, but all outputs together have 1 dimension.",
            m=m,
            n=n,
        )
    return say(
        "Shape {m}×{n}, rank {r}: the output has {m} coordinates, but all outputs together have {r} dimensions.",
        m=m,
        n=n,
        r=r,
    )


def table(record: ShapeRank) -> dict[str, np.ndarray]:
    """The walk, as columns."""
    return {"t": record.walk, "x_moved": np.abs(record.walk), "output_moved": record.moved}


def plot_shape_rank(record: ShapeRank, *, theme: str = "light") -> go.Figure:
    """The image of all unit vectors, with its semi-axes, as a still figure."""
    colour, m = IDENTITY[theme], record.matrix.shape[0]

    def padded(points: np.ndarray) -> np.ndarray:
        return np.hstack([points, np.zeros((len(points), max(0, 2 - m)))])

    names = "xyz"[: max(m, 2)]
    scatter = go.Scatter3d if m == 3 else go.Scatter
    axes = record.sigma[:, None] * record.left
    traces = [(padded(record.outputs), "M x, ‖x‖ = 1", "markers", colour["delta"])]
    traces += [
        (padded(np.stack([-axis, axis])), f"σ{'₁₂₃'[i]} u{'₁₂₃'[i]}", "lines", colour["B"])
        for i, axis in enumerate(axes)
    ]
    figure = go.Figure(
        [
            scatter(**dict(zip(names, points.T, strict=True)), name=name, mode=mode, marker={"color": c, "size": 4})
            for points, name, mode, c in traces
        ]
    )
    figure.update_layout(
        **plotly_layout(title=say("Image of the unit vectors: rank {rank}", rank=record.fine.numerical))
    )
    return figure
