"""Extract a LoRA: how much of a fine-tuning fits into rank r, the energy of W′ − W that each rank keeps, per matrix."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from lora_viz.adapters.extract import Changes, changes, extract
from lora_viz.adapters.opening import open_weights
from lora_viz.adapters.stored import Weights
from lora_viz.content.questions import Measured, Question, Seen, shown, word
from lora_viz.film.film import Film
from lora_viz.film.panels import Bars, Curve, Curves, Group, Lines, Mark, Readout, Row, Series
from lora_viz.film.style import number, numbers, percent
from lora_viz.i18n.language import say, to_say
from lora_viz.lessons.controls import Choice, File, Upload
from lora_viz.lessons.lab import Lab
from lora_viz.lessons.lesson import Lesson
from lora_viz.lessons.parts import Download, Heading, Notice, Part, Prose
from lora_viz.lessons.real.adapter_files import DATA, file_notices, meant
from lora_viz.lessons.real.adapter_report import directions_shown
from lora_viz.lessons.sentences import sentences
from lora_viz.lessons.settings import Settings
from lora_viz.lessons.statements import Verdict, false_here, true_here

__all__ = ["LESSON", "WeightChange", "weight_change"]

BARS = 128
MUCH, WHOLE = 0.5, 0.99  # of the energy: much of it, and all but nothing of it is missing
STEEP = 1.5  # times what a flat spectrum of full rank would keep
FILES = ("base_file", "tuned_file")


class WeightChange(NamedTuple):
    """M matrices that changed. ``sigma`` (M, K) are the known singular values of ΔW = W′ − W, 0 beyond;
    ``kept`` (M, K + 1) is the share of ‖ΔW‖² that rank 0, 1, … keeps, ``flat`` that of a flat spectrum of full rank.

    ``needs`` is 0 where the known values do not reach 90, 95 or 99 %; effective ranks are NaN where not all are known.
    ``found``: the same one by one, and what did not change.
    """

    found: Changes
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


def weight_change(found: Changes) -> WeightChange:
    """Lay the changes of two weight files out over their matrices."""
    m = found.modules
    K = directions_shown(len(m), max(len(c.sigma) for c in m))
    sigma = np.zeros((len(m), K))
    for row, c in zip(sigma, m, strict=True):
        row[: len(c.sigma)] = c.sigma[:K]
    energy = np.array([c.energy for c in m])
    kept = np.cumsum(sigma**2, axis=1) / np.maximum(energy, np.finfo(float).tiny)[:, None]
    least = np.array([min(c.d_out, c.d_in) for c in m], dtype=float)
    k = np.arange(K + 1.0)
    return WeightChange(
        found=found,
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
    )


def _rank(record: WeightChange, settings: Settings) -> int:
    """The rank that was asked for, as far as singular values are known."""
    return min(int(settings["extract_rank"]), record.sigma.shape[1])


def film(record: WeightChange, settings: Settings) -> Film:
    """The playhead runs over the matrices."""
    M, K = record.sigma.shape
    at = _rank(record, settings)
    return Film(
        axis=to_say("matrix"), values=np.arange(1.0, M + 1), start=int(np.argmax(record.energy)), seconds_per_frame=0.8,
        narration=tuple(_narrate(record, t, at) for t in range(M)),
        panels=(
            Curves("kept", say("Energy of ΔW that the best rank k keeps"), x=np.arange(K + 1.0), x_label="k",
                   y_label=say("fraction of ‖ΔW‖²"),
                   series=(Curve("matrix", say("this matrix"), "delta", record.kept),
                           Curve("flat", say("a flat spectrum"), "faint", record.flat, dash="dot")),
                   marks=(Mark("rank", float(at), f"r = {at}"),), span=7),
            Readout("change", "W′ − W",
                    (Row("shape", say("shape"), tuple(f"{a}×{b}" for a, b in record.shape), colour="W"),
                     Row("relative", "‖ΔW‖/‖W‖", numbers(record.relative), colour="delta"),
                     Row("effective", say("effective (entropy of σ)"), numbers(record.effective)),
                     Row("stable", say("stable (‖·‖²/σ₁²)"), numbers(record.stable)),
                     Row("needed", say("rank for 90 / 95 / 99 %"),
                         tuple(" / ".join(str(k) if k else "?" for k in row) for row in record.needs))), span=5),
            Lines("kept_by_matrix", say("Energy that rank {rank} keeps, matrix by matrix (drag here)", rank=at),
                  y_label=say("fraction of ‖ΔW‖²"), reach=1.0,
                  series=(Series("kept", say("rank {rank}", rank=at), "delta", record.kept[:, at], dots=True),
                          Series("flat", say("of a flat spectrum"), "faint", record.flat[:, at], dash="dot")), span=5,
                  row=1),
            Bars("singular_values", say("Singular values of ΔW"), y_label="σ",
                 labels=tuple(str(i + 1) for i in range(min(K, BARS))),
                 bar_ids=tuple(f"sigma_{i + 1}" for i in range(min(K, BARS))),
                 groups=(Group("change", say("σ, largest first"), "delta", record.sigma[:, :BARS]),), span=7, row=1),
        ),
    )  # fmt: skip


def _narrate(record: WeightChange, t: int, rank: int) -> str:
    kept, matrix = f"{number(100 * float(record.kept[t, rank]))} %", record.matrices[t][-60:]
    return say("{matrix}: rank {rank} keeps {kept} of the energy of its change.", matrix=matrix, rank=rank, kept=kept)


def _kept(record: WeightChange, rank: int) -> float:
    """The fraction of the energy of all changes together that this rank keeps."""
    return float(record.kept[:, rank] @ record.energy / record.energy.sum())


@sentences
def takeaway(record: WeightChange, settings: Settings) -> Iterator[str]:
    """What was seen, in the two files' own numbers."""
    at = _rank(record, settings)
    least, most = (number(100 * float(x)) for x in (record.kept[:, at].min(), record.kept[:, at].max()))
    kept = percent(_kept(record, at))
    yield say(
        "A LoRA of rank {rank} keeps {kept} of the energy of this fine-tuning, between {least} and {most} % in one "
        "matrix.",
        rank=at, kept=kept, least=least, most=most,
    ) if least != most else say("A LoRA of rank {rank} keeps {kept} of the energy of this fine-tuning.",
                                rank=at, kept=kept)  # fmt: skip
    if (record.needs[:, 0] > 0).all():
        yield say("Keeping 90 % in every matrix takes rank {rank}.", rank=record.needs[:, 0].max())


@sentences
def detail(record: WeightChange) -> Iterator[str]:
    """What extraction is not, and what no LoRA holds."""
    yield say("Training a LoRA of that rank may find an update different from the one that full fine-tuning found.")
    vectors = record.found.not_matrices
    if vectors:
        yield (say("1 vector, a bias or a norm, changed too; a LoRA does not hold it.") if vectors == 1
               else say("{count:,} vectors, biases and norms, changed too; a LoRA does not hold them.",
                        count=vectors))  # fmt: skip


def verdict(record: WeightChange, settings: Settings) -> Verdict:
    """The rank chosen keeps at least half, far more than a flat spectrum would, and not all."""
    at = _rank(record, settings)
    kept, flat = _kept(record, at), float(record.flat[:, at] @ record.energy / record.energy.sum())
    evidence = {"rank": at, "kept": kept, "flat": flat}
    told = say(
        "rank {rank} keeps {kept} of the energy; if all singular values were equal, it would keep {flat}",
        rank=at, kept=percent(kept), flat=percent(flat),
    )  # fmt: skip
    holds = MUCH <= kept < WHOLE and kept > STEEP * flat
    return true_here(told, **evidence) if holds else false_here(told, **evidence)


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


def maths(record: WeightChange) -> str:
    """The best factors of a difference, with the largest change."""
    return say(
        r"""
$$
\Delta W = W' - W = U\Sigma V^\top, \qquad B = U_r\Sigma_r^{{1/2}}, \quad A = \Sigma_r^{{1/2}}V_r^\top, \qquad
\min_{{\mathrm{{rank}} \le r}}\|\Delta W - X\|_F^2 = \sum_{{i>r}}\sigma_i^2
$$

Eckart & Young (1936): no other factors of rank $r$ come nearer to these weights. The largest change is
$\|\Delta W\|/\|W\| = {relative}$. Above 1,024 rows and columns only the largest 64 singular
values are computed (Halko et al. 2011). The energy is exact all the same, since
$\sum_i\sigma_i^2 = \|\Delta W\|_F^2$. The nearest weights do not always give the nearest outputs.""",
        relative=number(float(record.relative.max())),
    )


def _pair(settings: Settings) -> tuple[Upload, ...]:
    """Base and fine-tuned weights: the visitor's, or the two states of a network of ours until both are given."""
    given = tuple(found.weights for name in FILES if (found := meant(settings[name])))
    return given if len(given) == len(FILES) else tuple(
        Upload(f"digits, {name}", (DATA / "digits" / f"{name}.safetensors").read_bytes(), f"ours {name}")
        for name in ("base", "turned")
    )  # fmt: skip


def _weights(files: tuple[Upload, ...]) -> tuple[Weights, Weights]:
    base, tuned = (open_weights(file.name, file.data) for file in files)
    return base, tuned


def measure(settings: Settings, lab: Lab) -> WeightChange:
    """Take the difference of both files' matrices, one at a time."""
    return lab.measure(_changed, _pair(settings))


def _changed(files: tuple[Upload, ...], lab: Lab) -> WeightChange:
    said = say("Comparing the weights")
    base, tuned = files
    found = changes((base.name, tuned.name), *_weights(files), progress=lambda share: lab.report(share, said))
    return weight_change(found)


def extras(record: WeightChange, settings: Settings, lab: Lab) -> tuple[Part, ...]:
    """The difference as a LoRA of this rank, made when it is asked for."""
    rank, found = int(settings["extract_rank"]), record.found
    size = sum(min(rank, len(c.sigma)) * (c.d_in + c.d_out) for c in found.modules)
    about = say("A PEFT folder of rank {rank} with {size:,} parameters, α = r. {vectors} changed vectors are not in "
                "it.", rank=rank, size=size, vectors=found.not_matrices)  # fmt: skip

    def make() -> bytes:
        return lab.measure(_extracted, (_pair(settings), rank))

    label = say("Adapter of rank {rank}", rank=rank)
    return Heading(say("Take it home")), Prose(about), Download("extracted", label, make, f"extracted_r{rank}.zip")


def _extracted(given: tuple[tuple[Upload, ...], int], lab: Lab) -> bytes:
    files, rank = given
    said = say("Comparing the weights")
    found = lab.measure(_changed, files).found
    return extract(*_weights(files), found, rank, progress=lambda share: lab.report(share, said))[0]


def beside(record: WeightChange, settings: Settings) -> tuple[Part, ...]:
    """What is shown at first, and what is still to be given."""
    given = [settings[name] for name in FILES]
    first = say(
        "Shown first: a network of ours that recognises digits, before and after it learnt them rotated by 90°."
    )
    one = sum(meant(files) is not None for files in given) == 1
    missing = (Notice(say("One file is there: give the other one too.")),) if one else ()
    return (Prose(first, small=True), *(part for files in given for part in file_notices(files)), *missing)


def _ask(seen: Seen, _: object) -> Measured:
    rank = int(seen.setting("extract_rank"))
    kept = float(shown(seen.film, "kept", "matrix")[0, rank])
    left = max(0.0, 1 - kept) ** 0.5
    told = say("√(1 − {kept}) = {left}.", kept=word(kept), left=word(left))
    about = {"kept": word(100 * kept), "rank": rank}
    return Measured(100 * left, (100 * (1 - kept), 100 * kept, 50 * (1 - kept)), told, about, unit=" %")


LESSON = Lesson(
    hero="kept",
    id="extract", menu=to_say("Extract a LoRA"), title=to_say("Extract: how much of a fine-tuning fits into a LoRA?"),
    claim=to_say("The singular values of W′ − W decay but have a long tail, so a small rank keeps much of the "
                 "change, not "
                 "all of it."), place=70,
    controls=(
        Choice(id="extract_rank", label=to_say("Rank r"), options=(1, 2, 4, 8, 16, 32, 64), default=8, picked=True),
        File(id="base_file", label=to_say("Base weights"), help=to_say("A safetensors file, or a file of torch.save."),
             folder=True),
        File(id="tuned_file", label=to_say("Fine-tuned weights"), help=to_say("The same tensors after fine-tuning."),
             folder=True),
    ), measure=measure, film=film, takeaway=takeaway, verdict=verdict, detail=detail, maths=maths,
    on_paper="kept_by_matrix", table=table,
    extras=extras, beside=beside,
    question=Question(to_say("In the first matrix, rank {rank} keeps {kept} % of the energy. How far is the truncated "
                             "update from ΔW, as a percentage of ‖ΔW‖?"),
                      to_say("Energy counts squares, so a small missing fraction of it is a much larger distance."),
                      _ask), trains=False, seeded=False, worded=True,
)  # fmt: skip
