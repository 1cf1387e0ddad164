"""The rank of ΔW at each step: numerical and effective, for 1, 2, 4 and 64 samples a step."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int

from lora_viz.content.questions import Measured, Question, Seen
from lora_viz.core.experiment import Experiment, Sweep
from lora_viz.core.run import Run
from lora_viz.core.spectra import full_gradient, ranks
from lora_viz.engine.training import train
from lora_viz.film.film import Film
from lora_viz.film.panels import Bars, Group, Lines, Readout, Row, Series
from lora_viz.film.still import DASHES
from lora_viz.film.style import LETTERS, number
from lora_viz.i18n.language import say, to_say
from lora_viz.layer.tasks import batches
from lora_viz.lessons.catalogue import CONTROLS
from lora_viz.lessons.controls import Choice
from lora_viz.lessons.lab import Lab
from lora_viz.lessons.lesson import Lesson
from lora_viz.lessons.sentences import sentences
from lora_viz.lessons.settings import Settings
from lora_viz.lessons.statements import Verdict, false_here, true_here, undecided

__all__ = ["LESSON", "SIZES", "RankOverTime", "rank_over_time", "sample_sweeps"]

SIZES = (1, 2, 4, 64)


class RankOverTime(NamedTuple):
    """Ranks of ΔW at each step for N sizes, ``sizes`` counting the samples that a step sees; NaN after divergence.

    ``numerical`` counts σ > 10⁻⁶ σ₁, ``effective`` is exp of the entropy of σ/Σσ, ``stable`` is ‖ΔW‖²/σ₁². The first
    seed's; ``agree`` counts the seeds, of ``seeds``, whose numerical ranks after one step and at the end are the same.
    ``rank_G`` and ``rank_sign`` are numerical ranks of the first full gradient and of its signs.
    """

    steps: Int[np.ndarray, "T"]
    sizes: tuple[int, ...]
    sigma: Float[np.ndarray, "N T r"]
    numerical: Float[np.ndarray, "N T"]
    effective: Float[np.ndarray, "N T"]
    stable: Float[np.ndarray, "N T"]
    rank_G: Float[np.ndarray, "N"]
    rank_sign: Float[np.ndarray, "N"]
    agree: int
    seeds: int
    bound: int
    shown: int
    fresh: bool
    optimizer: str
    diverged: int


def sample_sweeps(e: Experiment, *, fresh: bool) -> tuple[Sweep, ...]:
    """One sweep of eight starts a size: the same n samples at every step, or n ``fresh`` ones of 256."""
    of_size = (replace(e, samples=256, batch=n) if fresh else replace(e, samples=n) for n in SIZES)
    return tuple(Sweep.over(one, init_seed=range(8)) for one in of_size)


def rank_over_time(runs: Iterable[Run], *, shown: int = 0) -> RankOverTime:
    """Read the ranks off a run for each size, every run the same experiment with several init_seeds."""
    sizes, sigma, kinds, gradient, ends, diverged = [], [], [], [], [], 0
    for run in runs:
        e = run.experiment
        sizes.append(e.batch or e.samples)
        alive = run.last() + 1
        found = np.full((len(run.steps), e.rank), np.nan)
        found[:alive] = run.factored()[:alive].singular_values()
        sigma.append(found)
        kinds.append([_kinds(s, e.rank) for s in found])
        G = _first_gradient(run)
        gradient.append([_numerical(G), _numerical(np.sign(G))])
        ends.append([_ends(run, i) for i in range(len(run.sweep))])
        diverged += int((run.diverged_at >= 0).any())
    by_size = np.array(kinds)
    return RankOverTime(
        steps=run.steps, sizes=tuple(sizes), sigma=np.stack(sigma), numerical=by_size[:, :, 0],
        effective=by_size[:, :, 1], stable=by_size[:, :, 2], rank_G=np.array([g for g, _ in gradient]),
        rank_sign=np.array([s for _, s in gradient]),
        agree=sum(all(size[i] == size[0] for size in ends) for i in range(len(ends[0]))),
        seeds=len(ends[0]), bound=e.rank, shown=shown, fresh=bool(e.batch), optimizer=e.optimizer, diverged=diverged,
    )  # fmt: skip


def _kinds(sigma: Float[np.ndarray, "r"], bound: int) -> tuple[float, float, float]:
    if np.isnan(sigma).any():
        return (np.nan, np.nan, np.nan)
    found = ranks(sigma, bound=bound)
    return float(found.numerical), found.effective, found.stable


def _numerical(matrix: Float[np.ndarray, "m n"]) -> float:
    return float(ranks(np.linalg.svd(matrix, compute_uv=False), bound=min(matrix.shape), tol=1e-9).numerical)


def _first_gradient(run: Run) -> Float[np.ndarray, "d_out d_in"]:
    e, task = run.experiment, run.task
    if not e.batch:
        return full_gradient(run)[0]
    seen = batches(e)[0]
    x, wrong = task.inputs[seen], task.residuals[seen]
    return (run.delta_weight()[0] @ x.T - wrong.T) @ x / e.batch


def _ends(run: Run, i: int) -> tuple[int, int]:
    """Numerical rank after one step and at the end."""
    at = [min(1, run.last(i)), run.last(i)]
    found = run.factored(i)[at].singular_values()
    return ranks(found[0], bound=run.sweep[i].rank).numerical, ranks(found[1], bound=run.sweep[i].rank).numerical


def film(record: RankOverTime) -> Film:
    """The playhead runs over the steps: ranks of ΔW by sample count, the spectrum of the one shown."""
    s = record.shown
    name = [say("1 sample") if n == 1 else say("{n} samples", n=n) for n in record.sizes]

    def series(values: Float[np.ndarray, "N T"]) -> tuple[Series, ...]:
        return tuple(
            Series(f"n_{n}", say("{name}:", name=name[i]), "delta", values[i], dash=DASHES[-1 - i % 4])
            for i, n in enumerate(record.sizes)
        )

    return Film(
        axis=to_say("step"), training=True, of_last=True, values=record.steps.astype(float),
        start=len(record.steps) - 1, seconds_per_frame=1 / 15,
        narration=tuple(_narrate(record, t) for t in range(len(record.steps))),
        panels=(
            Lines(
                "numerical_rank", say("Numerical rank of ΔW (bound r = {bound})", bound=record.bound),
                y_label=say("count of σ > 10⁻⁶ σ₁"), x_scale="sqrt", reach=float(record.bound),
                series=series(record.numerical), span=7,
            ),
            Bars(
                "singular_values", say("Singular values over the largest, {samples}", samples=name[s]),
                labels=tuple(str(i + 1) for i in range(record.bound)),
                bar_ids=tuple(f"sigma_{i + 1}" for i in range(record.bound)),
                groups=(Group("delta", "ΔW", "delta", _shares(record.sigma[s])),), y_label="σ/σ₁", span=5,
            ),
            Lines(
                "effective_rank", say("Effective rank of ΔW (none at ΔW = 0)"), y_label=say("exp(entropy of σ/Σσ)"),
                x_scale="sqrt", reach=float(record.bound), series=series(record.effective), row=1, span=5,
            ),
            Bars(
                "gradient_rank", say("Rank of the first gradient G, and of its signs"),
                labels=tuple(f"n = {n}" for n in record.sizes), bar_ids=tuple(f"n_{n}" for n in record.sizes),
                groups=(
                    Group("signs", say("sign(G): Adam's first step on W"), "faint", record.rank_sign),
                    Group("gradient", "G", "W", record.rank_G),
                ),
                y_label=say("numerical rank"), row=1, span=4,
            ),
            Readout(
                "kinds_of_rank", say("Kinds of rank of ΔW, {samples}", samples=name[s]),
                (
                    Row("bound", say("bound r"), (str(record.bound),)),
                    Row("numerical", say("numerical"), _counts(record.numerical[s])),
                    Row("effective", say("effective (entropy)"), tuple(map(number, record.effective[s]))),
                    Row("stable", say("stable (‖·‖²/σ₁²)"), tuple(map(number, record.stable[s]))),
                ),
                row=1, span=3,
            ),
        ),
    )  # fmt: skip


def _shares(sigma: Float[np.ndarray, "T r"]) -> Float[np.ndarray, "T r"]:
    """σ over the largest; 0 where ΔW = 0."""
    return sigma / np.where(sigma[:, :1] == 0, 1.0, sigma[:, :1])


def _counts(values: Float[np.ndarray, "k"]) -> tuple[str, ...]:
    return tuple("—" if np.isnan(v) else f"{v:.0f}" for v in values)


def _list(values: Iterable[str]) -> str:
    *first, last = values
    return say("{first} and {last}", first=", ".join(first), last=last) if first else last


def _narrate(record: RankOverTime, t: int) -> str:
    found = _list(_counts(record.numerical[:, t]))
    return say(
        "Step {step}: for {sizes} samples ΔW has numerical rank {found}.",
        step=record.steps[t],
        sizes=_list(map(str, record.sizes)),
        found=say("{found} (—: diverged)", found=found) if "—" in found else found,
    )


@sentences
def takeaway(record: RankOverTime) -> Iterator[str]:
    """What was seen, in the run's own numbers."""
    if record.diverged:
        yield say(
            "{diverged} of {runs} runs diverged: lower the learning rate.",
            diverged=record.diverged, runs=len(record.sizes),
        )  # fmt: skip
        return
    if len(record.steps) < 2:
        yield say("No step was taken, so ΔW has rank 0 for any shapes.")
        return
    most = np.minimum(record.sizes, record.bound)
    first, last = record.numerical[:, 1], record.numerical[:, -1]
    yield say(
        "The shapes allow rank {bound}; after one step on {counts} samples ΔW had numerical rank {first}.",
        bound=record.bound, counts=_list(map(str, record.sizes)), first=_list(_counts(first)),
    )  # fmt: skip
    end = say("At step {step} it was {last}", step=record.steps[-1], last=_list(_counts(last)))
    if not record.fresh and (last == most).all():
        yield say("{end}, because the same few samples never raise it.", end=end)
    elif record.fresh and (last > first).any():
        yield say("{end}, because new samples at each step add directions.", end=end)
    elif record.optimizer != "sgd" and (last > most).any():
        yield say("{end}, because Adam rescales each entry separately.", end=end)
    else:
        yield f"{end}."


@sentences
def detail(record: RankOverTime) -> Iterator[str]:
    """Before the first step, what n samples allow, how many initialisations agree, and the signs of the gradient."""
    if record.diverged or len(record.steps) < 2:
        return
    most = np.minimum(record.sizes, record.bound)
    if record.numerical[:, 0].any():
        yield say("At step 0 the numerical ranks were {ranks}.", ranks=_list(_counts(record.numerical[:, 0])))
    else:
        yield say("At step 0 every ΔW was 0, and so was its rank.")
    yield say("min(n, r) is {least}.", least=_list(map(str, most)))
    yield say(
        "The ranks after one step and at the end were the same as here in {agree} of {seeds} initialisations.",
        agree=record.agree, seeds=record.seeds,
    )  # fmt: skip
    for i in np.flatnonzero(record.rank_sign > record.rank_G)[:1]:
        n = record.sizes[i]
        yield say(
            "The first gradient of full fine-tuning on {samples} had rank {rank:.0f}, its signs rank {signs:.0f}.",
            samples=say("1 sample") if n == 1 else say("{n} samples", n=n), rank=record.rank_G[i],
            signs=record.rank_sign[i],
        )  # fmt: skip


def verdict(record: RankOverTime) -> Verdict:
    """Rank 0 at step 0, and at no step above the number of samples that a step sees."""
    sizes, found = np.array(record.sizes), record.numerical
    evidence = {"first": found[:, 0].tolist(), "most": np.nanmax(found, axis=1).tolist()}
    if record.diverged:
        return undecided(say("some runs diverged"), **evidence)
    if found[:, 0].any():
        return false_here(say("ΔW is not 0 at step 0"), **evidence)
    if len(record.steps) < 2:
        return undecided(say("no step was taken"), **evidence)
    above = found.max(axis=1) > sizes
    if above.any():
        i = int(above.argmax())
        step = int(record.steps[int((found[i] > sizes[i]).argmax())])
        samples = say("1 sample") if sizes[i] == 1 else say("{n} samples", n=sizes[i])
        why = (
            say("with new samples at each step, {samples} per step gave rank {rank:.0f} at step {step}",
                samples=samples, rank=found[i].max(), step=record.steps[int(found[i].argmax())])
            if record.fresh
            else say("with Adam, ΔW from {samples} had rank {rank:.0f} at step {step}", samples=samples,
                     rank=found[i][int((found[i] > sizes[i]).argmax())], step=step)
        )  # fmt: skip
        return false_here(why, **evidence)
    if (sizes >= record.bound).all():
        return undecided(say("the shapes alone already keep the rank at {r}", r=record.bound), **evidence)
    return true_here(
        say("the highest ranks from {counts} samples were {most}", counts=_list(map(str, record.sizes)),
            most=_list(_counts(found.max(axis=1)))), **evidence
    )  # fmt: skip


def table(record: RankOverTime) -> dict[str, np.ndarray]:
    """The record's curves, as columns."""
    columns: dict[str, np.ndarray] = {"step": record.steps}
    for i, n in enumerate(record.sizes):
        columns |= {
            f"numerical_rank_n{n}": record.numerical[i],
            f"effective_rank_n{n}": record.effective[i],
            f"stable_rank_n{n}": record.stable[i],
        }
    return columns


def maths(record: RankOverTime, settings: Settings) -> str:
    """The bound min(n, r), and the kinds of rank."""
    e = settings.experiment
    return say(
        r"""
$$
{dW}_1 = -\eta s^2\, {G}_0 {A}_0^\top {A}_0 \ \text{{ from }}\ {B}_0 = 0, \qquad
{G}_0 = \tfrac1n \sum_{{i=1}}^{{n}} g_i x_i^\top \quad\Rightarrow\quad
\mathrm{{rank}}\,{dW}_1 \le \min(n, r)
$$

The formula is that of SGD from ${B}_0 = 0$. Rank is a property of the entries, not of the shapes: ${B}$
({d_out}×{rank}) and ${A}$ ({rank}×{d_in}) only bound it by {rank}. With SGD on the same $n$ samples, every column of
${B}$ stays in the span of the $n$ residuals, because each new residual is an old one plus a combination of the columns
of ${B}$. So the bound min(n, r) holds at every step. With Adam it can be exceeded, in LoRA as in full fine-tuning,
whose first step with Adam is $-\eta\,\mathrm{{sign}}({G}_0)$. **Numerical** rank counts $\sigma > 10^{{-6}}\sigma_1$.
**Effective** rank weighs them ({effective} at the end for 64 samples) and does not exist at ${dW} = 0$ (0/0). If a
single logit follows a linear rest, the layer's gradient has rank 1 from any number of samples, because each sample adds
the same vector times its input. There $r = 1$ is enough.""",
        **LETTERS, d_out=e.d_out, rank=e.rank, d_in=e.d_in, effective=number(record.effective[-1, -1]),
    )  # fmt: skip


def sweeps(settings: Settings) -> tuple[Sweep, ...]:
    """One sweep a size, of the samples that each step is set to see."""
    return sample_sweeps(settings.experiment, fresh=settings["sees"] == "new samples")


def measure(settings: Settings, lab: Lab) -> RankOverTime:
    """Train on each number of samples, eight starts each."""
    samples = settings.experiment.samples
    runs = lab.train_each(sweeps(settings), settings.device, records=81)
    return rank_over_time(runs, shown=SIZES.index(samples) if samples in SIZES else 0)


def _other_rule(e: Experiment, _: Any) -> int:
    rule = "sgd" if e.optimizer.startswith("adam") else "adam"
    run = train(Sweep((replace(e, optimizer=rule, samples=2, batch=0, warmup=0, steps=1),)))
    sigma = np.linalg.svd(run.delta_weight()[-1], compute_uv=False)
    return ranks(sigma, bound=e.rank).numerical


def _ask(seen: Seen, found: Any) -> Measured:
    rule = "SGD" if seen.experiment.optimizer.startswith("adam") else "Adam"
    told = say("After one step of {rule} on 2 samples ΔW had numerical rank {found}.", rule=rule, found=found)
    return Measured(found, (1, 2, 4, seen.experiment.rank), told, {"rule": rule})


LESSON = Lesson(
    hero="numerical_rank",
    id="rank_over_time", menu=to_say("Rank during training"),
    title=to_say("Rank during training: do the shapes fix the rank?"),
    claim=to_say(
        "The shapes only bound the rank. Trained by SGD on the same n samples, ΔW starts at rank 0 and never exceeds "
        "rank n."
    ),
    place=80,
    default=Experiment(
        target_rank=8, spectrum="flat", rank=8, alpha=8.0, optimizer="sgd", lr=0.005, samples=4, steps=200,
    ),
    controls=(
        Choice(
            id="sees", label=to_say("Samples at each step"), options=("same samples", "new samples"),
            help=to_say("The same n samples at every step, or n others of 256 each time."),
            default="same samples",
            names={"same samples": to_say("same samples"), "new samples": to_say("new samples")},
        ),
        Choice(
            id="samples", label=to_say("Samples n, for the bars"), options=SIZES,
            help=to_say("The run whose singular values the bars show."),
        ),
        *(CONTROLS[name] for name in ("rank", "optimizer", "lr")),
    ),
    more=tuple(CONTROLS[name] for name in ("alpha", "spectrum", "noise", "steps")),
    measure=measure, film=film, takeaway=takeaway, verdict=verdict, detail=detail,
    maths=maths, on_paper="numerical_rank", table=table,
    exports=lambda record, settings, lab: sweeps(settings),
    question=Question(
        to_say("With {rule} and the same two samples at every step, what is the numerical rank of ΔW after one step?"),
        to_say(
            "A step of SGD has at most the rank of the gradient. Adam's first step takes the gradient's signs, which "
            "have a rank of their own."
        ),
        _ask, _other_rule,
    ),
)  # fmt: skip
