"""What rank is: shape against rank, on a matrix small enough to draw."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from lora_viz.content.questions import Measured, Question, Seen, shown
from lora_viz.core.spectra import ranks
from lora_viz.film.film import Film
from lora_viz.film.panels import Bars, Cloud, Group, HeatMap, Lines, Points, Readout, Row, Series, Span
from lora_viz.film.style import number
from lora_viz.i18n.language import listed, say, to_say
from lora_viz.layer.small_matrix import ShapeRank, shape_rank
from lora_viz.layer.worked import parse_matrix
from lora_viz.lessons.controls import Choice, Text
from lora_viz.lessons.lab import Lab
from lora_viz.lessons.lesson import Lesson
from lora_viz.lessons.sentences import sentences
from lora_viz.lessons.settings import Settings
from lora_viz.lessons.statements import Verdict, false_here, true_here

__all__ = ["LESSON", "PRESETS"]

PRESETS: dict[str, str] = {
    "rank_1": "1 2 3; 2 4 6",
    "rank_2": "1 0 1; 0 1 1; 1 1 2",
    "rank_3": "1 0.5 0; 0 1 0.5; 0.5 0 1",
    "shear": "1 1; 0 1",
    "turn": "0 -1; 1 0",
    "projection": "0.5 0.5; 0.5 0.5",
}
ROUNDING = 1e-12  # relative to σ₁
OUT = (  # by the rank
    to_say("out: M x, a single point"),
    to_say("out: M x, all on a line"),
    to_say("out: M x, all in a plane"),
    to_say("out: M x, in all three dimensions"),
)


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
        axis="t: x + t·z, z ∈ ker M" if null else f"t: x + t·z, z = v{'₁₂₃'[n - 1]}", values=record.walk,
        start=len(record.walk) - 1, seconds_per_frame=0.08,
        narration=tuple(_narrate(record, t) for t in range(len(record.walk))),
        panels=(
            Cloud(
                "in",
                say("in: all unit vectors x, 1 number") if n == 1 else say("in: all unit vectors x, {n} numbers", n=n),
                "ink", dimension=n, limit=1.5, axes="x",
                spans=(
                    Span("row_space", say("row space"), "A", row_space * 1.4),
                    Span("null_space", "ker M", "alarm", ker),
                ),
                points=(
                    Points("inputs", "x, ‖x‖ = 1", "W", record.inputs),
                    Points("walk", say("the walk"), "ink", path, style="ghost"),
                    Points("walked", "x + t z", "ink", record.walked[:, None], style="probe"),
                ),
                caption=(say("null space: {null} of {n} dimensions", null=null, n=n),),
            ),
            HeatMap(
                "matrix", say("M: shape {m}×{n}, rank {r}", m=m, n=n, r=r), "W", record.matrix,
                limit=float(np.abs(record.matrix).max()), span=3,
                caption=("; ".join(" ".join(number(v) for v in row) for row in record.matrix),),
            ),
            Cloud(
                "out", say(OUT[r]), "delta", dimension=m, limit=reach * 1.05, axes="y", span=5,
                spans=(Span("semi_axes", "σu", "B", axes, style="axes"),),
                points=(
                    Points("outputs", "M x", "delta", record.outputs),
                    Points("walked", "M(x + t z)", "ink", record.arrived[:, None], style="probe"),
                ),
                caption=(say("column space: {r} of {m} dimensions; the semi-axes are σᵢ uᵢ", r=r, m=m),),
            ),
            Bars(
                "singular_values", say("Singular values"), y_label="σ", span=3, row=1,
                labels=tuple(f"σ{'₁₂₃'[i]}" for i in range(k)), bar_ids=tuple(f"sigma_{i + 1}" for i in range(k)),
                groups=(Group("sigma", "σ(M)", "delta", record.sigma),),
                caption=(", ".join(_sigma(record, i) for i in range(k)),),
            ),
            Lines(
                "moved", say("Distance moved by x and by M x"), y_label=say("distance"), span=4, row=1, reach=1.0,
                series=(Series("input", "x", "W", np.abs(record.walk)), Series("output", "M x", "delta", record.moved)),
            ),
            Readout(
                "kinds_of_rank", say("Kinds of rank"),
                (
                    Row("bound", say("bound min(m, n), from the shape"), (str(record.fine.bound),)),
                    Row(
                        "numerical", say("numerical, σ > 10⁻¹² σ₁ · σ > 10⁻² σ₁"),
                        (f"{record.fine.numerical} · {record.coarse.numerical}",), colour="delta",
                    ),
                    Row(
                        "effective", say("effective (entropy) · stable (‖·‖²/σ₁²)"),
                        (f"{number(record.fine.effective)} · {number(record.fine.stable)}",),
                    ),
                    Row(
                        "stretch", say("largest ‖M x‖ of the inputs · σ₁"),
                        (f"{number(record.stretch)} · {_sigma(record, 0)}",),
                    ),
                    Row("turned", say("angle between v₁ and M v₁"), (_turned(record),)),
                    Row("eigenvalues", say("real λ in M v = λ v · ‖M M − M‖/‖M‖"), (_square(record),)),
                ),
                span=5, row=1,
            ),
        ),
    )  # fmt: skip


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
    eigen = listed(number(round(float(v), 6) + 0.0) for v in record.eigen) or say("no real λ")
    twice = say("0, a projection") if record.twice < ROUNDING else number(record.twice)
    return f"{eigen} · {twice}"


def _narrate(record: ShapeRank, t: int) -> str:
    way, moved = number(abs(float(record.walk[t]))), number(float(record.moved[t]))
    if record.sigma[0] == 0 or _nullity(record):
        if record.moved[t] > 0:
            return say(
                "x has moved by {way} inside the null space; M x has moved by {moved}, rounding.", way=way, moved=moved
            )
        return say("x has moved by {way} inside the null space; M x has moved by {moved}.", way=way, moved=moved)
    factor = number(float(record.sigma[-1]))
    return say(
        "x has moved by {way} along the weakest direction, and M x by {moved} (σ = {factor}).",
        way=way, moved=moved, factor=factor,
    )  # fmt: skip


@sentences
def takeaway(record: ShapeRank) -> Iterator[str]:
    """What was seen, in the matrix's own numbers."""
    m, n = record.matrix.shape
    r, null = record.fine.numerical, _nullity(record)
    yield _counted(m, n, r)
    most = number(float(record.moved.max()))
    if null == 1:
        yield say("1 of {n} input dimensions is lost: a walk of 3 along it moved the output by {most}.", n=n, most=most)
    elif null:
        yield say(
            "{null} of {n} input dimensions are lost: a walk of 3 along one of them moved the output by {most}.",
            null=null, n=n, most=most,
        )  # fmt: skip
    else:
        yield say(
            "No input direction is lost; the smallest singular value is {weakest}.",
            weakest=number(float(record.sigma[-1])),
        )


@sentences
def detail(record: ShapeRank) -> Iterator[str]:
    """What the tolerance changes, and whether M keeps its most stretched direction."""
    if record.coarse.numerical != record.fine.numerical:
        yield say(
            "How many σ count depends on the tolerance: {fine} above 10⁻¹² σ₁, {coarse} above 10⁻² σ₁.",
            fine=record.fine.numerical,
            coarse=record.coarse.numerical,
        )
    alone = len(record.sigma) > 1 and record.sigma[0] > record.sigma[1] * (1 + 1e-9)
    if alone and np.isfinite(record.turned) and record.turned > 1e-6:
        yield say("v₁ is the most stretched direction, yet M rotates it by {turned}°.", turned=number(record.turned))


def verdict(record: ShapeRank) -> Verdict:
    """The outputs have as many coordinates as M rows, and lie in as many dimensions as its rank."""
    m, n = record.matrix.shape
    r = record.fine.numerical
    size = np.linalg.svd(record.outputs, compute_uv=False)
    spanned = int((size > 1e-9 * size[0]).sum()) if size[0] else 0
    evidence = {"rank": r, "spanned": spanned, "coordinates": m}
    if spanned != r:
        return false_here(say("the outputs span {spanned} of {m} dimensions, and the rank is {r}", spanned=spanned,
                              m=m, r=r), **evidence)  # fmt: skip
    return true_here(
        say("the shape is {m}×{n}, the rank is {r}, and the outputs span {spanned} of {m} dimensions", m=m, n=n, r=r,
            spanned=spanned),
        **evidence,
    )  # fmt: skip


def _counted(m: int, n: int, r: int) -> str:
    if r == m:
        return say("Shape {m}×{n}, rank {r}: all outputs together have as many dimensions as one has coordinates.",
                   m=m, n=n, r=r)  # fmt: skip
    if m == 1:
        return say(
            "Shape 1×{n}, rank {r}: the output has 1 coordinate, but all outputs together have {r} dimensions.",
            n=n, r=r,
        )  # fmt: skip
    if r == 1:
        return say(
            "Shape {m}×{n}, rank 1: the output has {m} coordinates, but all outputs together have 1 dimension.",
            m=m, n=n,
        )  # fmt: skip
    return say(
        "Shape {m}×{n}, rank {r}: the output has {m} coordinates, but all outputs together have {r} dimensions.",
        m=m, n=n, r=r,
    )  # fmt: skip


def maths(record: ShapeRank) -> str:
    """Rank and null space by the SVD, with this matrix's numbers."""
    (m, n), r = record.matrix.shape, record.fine.numerical
    return say(
        r"""
$$
M = U\,\Sigma\,V^\top = \sum_i \sigma_i\,u_i v_i^\top, \qquad
\mathrm{{rank}}\,M = \dim \mathrm{{col}}(M) = \#\{{\sigma_i > 0\}} \le \min(m, n), \qquad
\dim \ker M = n - \mathrm{{rank}}\,M
$$

Here $\sigma = ({lengths})$, rank {r} of at most {most}, null space of dimension ${n} - {r} = {null}$. The walk
starts at $x = ({point})$. Rank is the number of directions in the *column space*, not the number of coordinates,
$m = {m}$. With noise no $\sigma$ is exactly 0 any more, so a rank computed from numbers needs a tolerance. $M$ sends
$v_i$ to $\sigma_i u_i$; only an eigenvector, $M v = \lambda v$, keeps its line. A matrix of low rank need not be a
projection, which requires $M M = M$. {projection}""",
        lengths=listed(number(float(s)) for s in record.sigma), projection=_projection(record), r=r, most=min(m,
        n), n=n, null=n - r, m=m,
        point=listed(number(float(v)) for v in record.walked[len(record.walk) // 2]),
    )  # fmt: skip


def _projection(record: ShapeRank) -> str:
    m, n = record.matrix.shape
    if m != n:
        return say("This one is not square, so it is not a projection.")
    return say("This one is a projection.") if record.twice < ROUNDING else say("This one is not a projection.")


def measure(settings: Settings, lab: Lab) -> ShapeRank:
    """Take the matrix that is chosen, or written down, apart."""
    text = PRESETS.get(settings["matrix"], settings["own_matrix"])
    return shape_rank(parse_matrix(text, "M"), noise=float(settings["entry_noise"]), seed=settings["seed"])


def _ask(seen: Seen, _: Any) -> Measured:
    M = shown(seen.film, "matrix")
    tall = np.concatenate([M, M])
    one, two = (ranks(np.linalg.svd(m, compute_uv=False), bound=3, tol=1e-12).numerical for m in (M, tall))
    told = say("The rank was {one} before and is {two} after: every σ grew by √2 and none was added.", one=one, two=two)
    return Measured(two, (2 * one, one + 1, len(tall)), told, {"rows": len(M), "tall": len(tall)})


LESSON = Lesson(
    hero="out",
    id="matrix", menu=to_say("What is rank?"), title=to_say("What is rank?"),
    claim=to_say(
        "The shape of a matrix tells how many numbers go in and come out. Its rank tells how many independent "
        "directions the outputs can have."
    ),
    place=10,
    controls=(
        Choice(
            id="matrix", label=to_say("Matrix M"), options=(*PRESETS, "own"),
            help=to_say("Rank 1 is [[1, 2, 3], [2, 4, 6]]. My own: type your numbers below."), default="rank_1",
            names={
                "rank_1": to_say("rank 1"), "rank_2": to_say("rank 2"), "rank_3": to_say("rank 3"),
                "shear": to_say("shear"), "turn": to_say("quarter turn"), "projection": to_say("projection"),
                "own": to_say("my own"),
            },
        ),
        Choice(
            id="entry_noise", label=to_say("Noise on every entry"), options=("0", "0.001", "0.1"),
            help=to_say("Standard deviation of the noise added to each entry."), default="0",
        ),
        Text(
            id="own_matrix", label=to_say("Your own M, at most 3×3"),
            help=to_say(
                "Rows of numbers split by semicolons, or a Python or NumPy list; decimal point, not comma. Shown "
                "when “my "
                "own” is chosen."
            ),
            default="2 1; 1 2",
        ),
    ),
    measure=measure, film=film, takeaway=takeaway, verdict=verdict, detail=detail, maths=maths, on_paper="out",
    trains=False,
    question=Question(
        to_say("Append the rows of M below M once more: {tall} rows instead of {rows}. What is the rank of that "
            "matrix?"),
        to_say("A row that is a combination of others adds a coordinate to the output, but no direction."), _ask,
    ),
)  # fmt: skip
