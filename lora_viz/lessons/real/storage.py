"""Storage: the numbers that a matrix and its factorisations take, weighed against what a cut loses."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int

from lora_viz.content.questions import Measured, Question, Seen, word
from lora_viz.costs.budget import break_even_rank
from lora_viz.film.film import Film
from lora_viz.film.panels import Bars, Group, HeatMap, Lines, Mark, Readout, Row, Series
from lora_viz.film.style import number, percent
from lora_viz.i18n.language import say, to_say
from lora_viz.layer.matrices import drawn_matrix
from lora_viz.lessons.catalogue import CONTROLS
from lora_viz.lessons.controls import Choice
from lora_viz.lessons.lab import Lab
from lora_viz.lessons.lesson import Lesson
from lora_viz.lessons.sentences import sentences
from lora_viz.lessons.settings import Settings
from lora_viz.lessons.statements import Verdict, false_here, true_here

__all__ = ["PART", "SHAPES", "Storage", "storage"]

SHAPES: dict[str, tuple[int, int]] = {
    "41×31": (41, 31),
    "64×64": (64, 64),
    "768×768": (768, 768),
    "4096×4096": (4096, 4096),
    "4096×11008": (4096, 11008),
}
MEASURED = 48  # up to this many rows the arrays are made and their entries counted
FRAMES = 33


class Storage(NamedTuple):
    """How many numbers does an m×n matrix take at rank r: whole, as SVD, and as factors?

    ``truncated`` is r(m + n + 1), U_r, σ and V_r; ``factors`` r(m + n), B and A; ``thin`` and ``full`` are the SVDs
    that lose nothing. ``svd_breaks_even`` and ``factors_break_even`` are mn/(m + n + 1) and mn/(m + n). ``matrix`` is
    the one that is really cut, ``cut`` at rank ``cut_rank``; it has the shape itself where ``measured``, else 41×31
    stands for it, cut at the same share of its ranks. ``counted`` is the number of entries of the arrays made.
    """

    shape: tuple[int, int]
    measured: bool
    rank: Int[np.ndarray, "R"]
    truncated: Int[np.ndarray, "R"]
    factors: Int[np.ndarray, "R"]
    whole: int
    thin: int
    full: int
    svd_breaks_even: float
    factors_break_even: float
    matrix: Float[np.ndarray, "m n"]
    cut_rank: Int[np.ndarray, "R"]
    cut: Float[np.ndarray, "R m n"]
    error: Float[np.ndarray, "R"]
    counted: Int[np.ndarray, "R"]


def storage(shape: tuple[int, int], spectrum: str, seed: int) -> Storage:
    """Count for this shape, and cut a real matrix with this spectrum: of this shape if it is small."""
    m, n = shape
    most = min(m, n)
    break_even = m * n / (m + n + 1), m * n / (m + n)
    whole_ranks = {max(1, round(r)) for r in np.linspace(1, most, FRAMES)}
    rank = np.array(sorted(whole_ranks | {int(b) for b in break_even} | {int(b) + 1 for b in break_even}))
    measured = max(shape) <= MEASURED
    matrix = drawn_matrix(spectrum, *(shape if measured else SHAPES["41×31"]), seed)
    u, s, vt = np.linalg.svd(matrix, full_matrices=False)
    cut_rank = rank if measured else np.maximum(1, np.round(rank * len(s) / most).astype(int))
    parts = [(u[:, :r], s[:r], vt[:r]) for r in cut_rank]
    cut = np.stack([(a * b) @ c for a, b, c in parts])
    return Storage(
        shape=shape, measured=measured, rank=rank, truncated=rank * (m + n + 1), factors=rank * (m + n), whole=m * n,
        thin=most * (m + n + 1), full=m * m + most + n * n, svd_breaks_even=break_even[0],
        factors_break_even=break_even[1], matrix=matrix, cut_rank=cut_rank, cut=cut,
        error=np.linalg.norm(matrix - cut, axis=(1, 2)) / np.linalg.norm(matrix),
        counted=np.array([sum(part.size for part in three) for three in parts]),
    )  # fmt: skip


def film(record: Storage) -> Film:
    """The playhead is the rank: numbers stored, and what the cut loses."""
    m, n = record.shape
    T, mn = len(record.rank), record.whole
    name = f"{m}×{n}"
    stand_in = "{}×{}".format(*record.matrix.shape)
    limit = float(np.abs(record.matrix).max())
    last_saving = int(np.searchsorted(record.rank, record.factors_break_even, side="right")) - 1
    ones = np.ones(T)
    stored = {
        "W": np.full(T, float(mn)),
        say("full SVD"): np.full(T, float(record.full)),
        "Uᵣ σ Vᵣ": record.truncated.astype(float),
        "B A": record.factors.astype(float),
        "W + B A": record.factors + float(mn),
    }
    cuts = zip(record.cut_rank, record.error, strict=True)
    errors = tuple(say("rank {r}: error {error}", r=r, error=percent(float(e))) for r, e in cuts)
    breaks_even = say("breaks even at {rank}", rank=number(record.svd_breaks_even))
    made = say("entries of the arrays made ({stand_in})", stand_in=stand_in)
    return Film(
        axis=to_say("rank r"), values=record.rank.astype(float), start=max(0, min(last_saving, T - 1)),
        seconds_per_frame=0.25, narration=tuple(_narrate(record, t) for t in range(T)),
        panels=(
            Lines(
                "stored",
                say("Numbers stored, in multiples of {name}", name=name)
                if record.measured
                else say("Numbers stored, in multiples of {name} (arithmetic)", name=name),
                y_label="× m·n", span=8,
                series=(
                    Series("whole", say("W whole"), "W", ones),
                    Series("cut_svd", "Uᵣ σ Vᵣ", "delta", record.truncated / mn),
                    Series("factors", "B A", "B", record.factors / mn, dash="dash"),
                    Series("lora", "W + B A (LoRA)", "ink", 1 + record.factors / mn, dash="dot"),
                    Series("full_svd", say("full SVD"), "faint", ones * record.full / mn, dash="dashdot"),
                ),
                marks=(Mark("break_even", record.svd_breaks_even, breaks_even),),
            ),
            Readout(
                "counted", say("Counted for {name}", name=name),
                (
                    Row("whole", say("W whole, m·n"), (_count(mn),), colour="W"),
                    Row("cut_svd", "Uᵣ, σ, Vᵣ", tuple(map(_count, record.truncated.tolist())), colour="delta"),
                    Row("factors", say("factors B, A"), tuple(map(_count, record.factors.tolist())), colour="B"),
                    Row("thin_svd", say("thin SVD, nothing lost"), (_count(record.thin),)),
                    Row("full_svd", say("full SVD, nothing lost"), (_count(record.full),)),
                    Row("made", made, tuple(map(_count, record.counted.tolist()))),
                ),
                span=4,
            ),
            Bars(
                "stored_now", say("Numbers stored for {name}", name=name), y_label=say("numbers"), span=5, row=1,
                labels=tuple(stored), bar_ids=("whole", "full_svd", "cut_svd", "factors", "lora"),
                groups=(Group("stored", say("stored"), "ink", np.stack(list(stored.values()), axis=1)),),
            ),
            HeatMap(
                "matrix", f"M: {stand_in}" if record.measured else say("M: {stand_in}, shown instead",
                stand_in=stand_in),
                "ink", record.matrix, limit=limit, span=3, row=1,
                caption=(say("rank {rank}", rank=min(record.matrix.shape)),),
            ),
            HeatMap("cut", say("truncated"), "delta", record.cut, limit=limit, span=2, row=1, caption=errors),
            HeatMap(
                "lost", say("lost"), "ink", record.matrix - record.cut, limit=limit, span=2, row=1,
                caption=(say("M − truncated"),),
            ),
        ),
    )  # fmt: skip


def _count(value: int) -> str:
    return f"{value:,}"


def _narrate(record: Storage, t: int) -> str:
    more = int(record.truncated[t]) - record.whole
    rank, numbers = int(record.rank[t]), _count(abs(more))
    if more < 0:
        return say(
            "Rank {rank}: Uᵣ, σ and Vᵣ hold {numbers} fewer numbers than W; the pictured matrix loses {error}.",
            rank=rank, numbers=numbers, error=percent(float(record.error[t])),
        )  # fmt: skip
    return say("Rank {rank}: Uᵣ, σ and Vᵣ hold {numbers} more numbers than W.", rank=rank, numbers=numbers)


@sentences
def takeaway(record: Storage) -> Iterator[str]:
    """What was counted."""
    m, n = record.shape
    lora = 16 if min(m, n) > 64 else 4
    added = lora * (m + n)
    yield say(
        "The full SVD of {name} holds {full:.4f} times the numbers of the matrix. Truncated it saves for r < "
        "{cut:.2f}, "
        "factors B and A for r < {factors:.2f}.",
        name=f"{m}×{n}", full=record.full / record.whole, cut=record.svd_breaks_even,
        factors=record.factors_break_even,
    )  # fmt: skip
    yield say(
        "LoRA stores W as well: at r = {r} it is {whole} numbers and {added} more, the trained ones.",
        r=lora, whole=_count(record.whole), added=_count(added),
    )  # fmt: skip


@sentences
def detail(record: Storage) -> Iterator[str]:
    """The thin SVD, LoRA's percentage, and what was counted without being made."""
    m, n = record.shape
    lora = 16 if min(m, n) > 64 else 4
    yield say("The thin SVD holds {thin:.4f} times the numbers of the matrix.", thin=record.thin / record.whole)
    yield say(
        "LoRA's factors of rank {r} hold {share} of the numbers of W.", r=lora,
        share=percent(lora * (m + n) / record.whole),
    )  # fmt: skip
    if not record.measured:
        yield say(
            "For this shape the numbers are computed (arithmetic); the picture has a matrix of {stand_in}.",
            stand_in="{}×{}".format(*record.matrix.shape),
        )


def verdict(record: Storage) -> Verdict:
    """The whole SVDs hold more numbers than the matrix, the truncated one fewer exactly below the break-even rank."""
    saves = record.truncated < record.whole
    below = record.rank < record.svd_breaks_even
    last = int(record.rank[saves].max(initial=0))
    evidence = {"last_saving": last, "break_even": record.svd_breaks_even, "full": record.full, "whole": record.whole}
    told = {"name": "{}×{}".format(*record.shape), "last": last, "even": number(record.svd_breaks_even)}
    if record.thin <= record.whole or (saves != below).any():
        return false_here(say("for {name} the largest rank shown that saves is {last}", **told), **evidence)
    return true_here(
        say("for {name} the largest rank shown that saves is {last}, and mn/(m + n + 1) is {even}", **told), **evidence
    )


def table(record: Storage) -> dict[str, np.ndarray]:
    """The counts, as columns."""
    return {
        "rank": record.rank,
        "truncated_svd": record.truncated,
        "factors": record.factors,
        "whole": np.full_like(record.rank, record.whole),
        "thin_svd": np.full_like(record.rank, record.thin),
        "full_svd": np.full_like(record.rank, record.full),
        "cut_rank": record.cut_rank,
        "relative_error": record.error,
    }


def maths(record: Storage) -> str:
    """What each way of storing takes, and where it breaks even."""
    m, n = record.shape
    last = int((record.truncated < record.whole).sum()) - 1
    return say(
        r"""
$$
\underbrace{{m n}}_{{W}} \quad\text{{against}}\quad \underbrace{{r(m + n + 1)}}_{{U_r,\,\sigma,\,V_r}} \quad
\underbrace{{r(m + n)}}_{{B,\,A}} \quad \underbrace{{m^2 + \min(m, n) + n^2}}_{{\text{{full SVD}}}}
$$

With $m = {m}$, $n = {n}$, the break-even rank is {cut:.2f} for the truncated SVD and {factors:.2f} for the factors. The
largest rank shown that saves, $r = {rank}$, loses {error} of the matrix shown (at its rank {cut_rank}; its largest
entry is {largest}). A complete LU or QR saves nothing either. **LoRA does not store B and A instead of W**: W stays,
and B A is added. Only the number of *trained* parameters and the adapter file get smaller.""",
        m=m, n=n, cut=record.svd_breaks_even, factors=record.factors_break_even, rank=record.rank[last],
        error=percent(float(record.error[last])), cut_rank=record.cut_rank[last],
        largest=number(float(abs(record.matrix).max())),
    )  # fmt: skip


def measure(settings: Settings, lab: Lab) -> Storage:
    """Count for the shape that is chosen, and cut a matrix with the chosen spectrum."""
    return storage(SHAPES[settings["layer_shape"]], settings["shape_of_spectrum"], settings["seed"])


def _ask(seen: Seen, _: Any) -> Measured:
    m, n = SHAPES[seen.setting("layer_shape")]
    now, wide = break_even_rank(m, n), break_even_rank(2 * m, 2 * n)
    told = say(
        "{m2}·{n2}/({m2} + {n2}) = {wide}; for {m}×{n} it is {now}.",
        m2=2 * m, n2=2 * n, wide=word(wide), m=m, n=n, now=word(now),
    )  # fmt: skip
    return Measured(wide, (now, 4 * now, now / 2), told, {"now": word(now)})


PART = Lesson(
    id="storage", menu=to_say("A matrix, cut"),
    title=to_say("When factors save space: is a factorisation smaller?"),
    claim=to_say(
        "Only if truncated. Below rank mn/(m + n + 1), the factors of the SVD hold fewer numbers than the matrix. "
        "Above "
        "it they hold more."
    ),
    place=30,
    controls=(
        Choice(
            id="layer_shape", label=to_say("Shape of W"), options=tuple(SHAPES),
            help=to_say("41×31 is really decomposed; for the others the numbers are computed."), default="41×31",
        ),
        CONTROLS["shape_of_spectrum"],
    ),
    measure=measure, film=film, hero="stored",
    takeaway=takeaway, verdict=verdict, detail=detail, maths=maths, on_paper="stored",
    table=table, trains=False,
    question=Question(
        to_say(
            "Factors B and A break even with W at rank {now}. What is the break-even rank of a layer twice as wide and "
            "twice as high?"
        ),
        to_say("W grows fourfold and the factors only twofold, so a wider layer saves up to a higher rank."),
        _ask,
    ),
)  # fmt: skip
