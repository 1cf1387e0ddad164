"""What is asked after the lessons on which rank, and on which variant?"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from lora_viz.core.experiment import Experiment, Sweep
from lora_viz.core.spectra import least_squares
from lora_viz.engine.allocation import allocate
from lora_viz.engine.training import train
from lora_viz.film.panels import Curves, Field, Lines
from lora_viz.i18n.language import english, say, to_say
from lora_viz.layer.tasks import make_task
from lora_viz.lessons.after.asked import After, Measured, Seen, Unanswerable, first_place, panel, values, word
from lora_viz.lessons.variants.adalora import rank_allocation
from lora_viz.lessons.variants.dora import row_parts, row_sweep
from lora_viz.lessons.which_rank.energy_rule import energy_rank
from lora_viz.lessons.which_rank.overlap import overlap

__all__ = ["VARIANTS", "WHICH"]

Settings = tuple[tuple[str, str], ...]
SPREAD = {"spike": 21, "flat": 4}  # how many directions the target of the overlap lesson has
KEPT = ("GaLore", "DoRA", "LoRA", "LoRA-XS")  # of the variants: the choices


def _overfit(seen: Seen, _: Any) -> Measured:
    curves = panel(seen.film, Curves, "The same along r")
    error, r = values(curves, "n = 400"), curves.x
    two = first_place(r == 2)
    if error[-1, -1] < 1e-9:
        raise Unanswerable(say("Without noise full rank leaves no error at all to compare with: choose some noise."))
    lost, won = (float(error[t, two] / error[t, -1]) for t in (-1, 1))
    told = say("Clean error {two} at r = 2, {full} at r = {most}.", two=word(error[-1, two]), full=word(error[-1, -1]),
               most=int(r[-1]))  # fmt: skip
    return Measured(lost, (won, 1, r[-1] / 2), told, {"most": int(r[-1])})


def _without_noise(e: Experiment, _: Settings) -> tuple[int, int]:
    """What does the 95 % rule say without noise, and with the noise shown?"""
    without, now = (
        energy_rank(np.linalg.svd(least_squares(make_task(x))[0], compute_uv=False)) for x in (replace(e, noise=0.0), e)
    )
    return without, now


def _energy_rule(seen: Seen, found: Any) -> Measured:
    without, now = found
    e = seen.experiment
    told = say("On the same task it says {without} without noise and {now} with it.", without=without, now=now)
    return Measured(int(without), (int(now), round(0.95 * min(e.d_in, e.d_out)), e.true_rank), told)


def _other_target(e: Experiment, _: Settings) -> float:
    """φ(1, 1) of low and high rank on a target with other singular values."""
    spectrum = "spike" if e.spectrum == "flat" else "flat"
    base = replace(e, spectrum=spectrum, target_rank=SPREAD[spectrum])
    run = train(Sweep.over(base, rank=(e.rank, 32), init_seed=range(8)), records=2)
    return float(overlap((run,)).across[1, -1, 0])


def _overlap(seen: Seen, found: Any) -> Measured:
    now = float(values(panel(seen.film, Curves, "φ(i, i)"), "rank")[-1, 0])
    flat = seen.experiment.spectrum == "flat"
    other = say("one strong direction and twenty a tenth of it") if flat else say("four equally strong directions")
    chance = 1 / seen.experiment.d_in
    told = say("φ(1, 1) came to {found}, median of 8 pairs; chance is {chance}.", found=word(found),
               chance=word(chance))  # fmt: skip
    return Measured(found, (now, 1, chance), told, {"other": other, "now": word(now)})


def _learns_forgets(seen: Seen, _: Any) -> Measured:
    ranks, on_samples = seen.film.values, values(panel(seen.film, Lines, "On the samples"), "training error")
    on_new = values(panel(seen.film, Lines, "Error over r"), "on the new task")
    least = int(ranks[first_place(on_samples <= on_samples.min() + 1e-9)])
    best = int(ranks[on_new.argmin()])
    told = say("On the samples rank {least} was best, on the new task rank {best}.", least=least, best=best)
    return Measured(least, (best, int(ranks[0]), int(ranks[len(ranks) // 2])), told)


WHICH: dict[str, After] = {
    "overfit": After(
        to_say(
            "400 samples, and the truth has full rank, {most}. How many times the clean error of full rank does "
            "r = 2 leave?"
        ),
        to_say("A low rank pays only where the truth is of low rank too, or the data are few: here it is neither."),
        _overfit,
    ),
    "energy_rule": After(
        to_say("The same task without label noise: which rank does the 95 % rule ask for?"),
        to_say("The rule counts energy wherever it comes from, and noise has some in every direction."),
        _energy_rule,
        _without_noise,
    ),
    "overlap": After(
        to_say(
            "Let the target have {other}. How much do low and high rank share of their strongest direction, φ(1, 1), "
            "which is {now} now?"
        ),
        to_say("A direction is found again where it stands out. Of equal ones any mixture is as good as another."),
        _overlap,
        _other_target,
    ),
    "learns_forgets": After(
        to_say("Which is the least rank shown that fits the samples themselves best?"),
        to_say(
            "A higher rank always fits the samples at least as well; past the truth's rank it is their noise it fits."
        ),
        _learns_forgets,
    ),
}


def _variants(seen: Seen, _: Any) -> Measured:
    field = panel(seen.film, Field)
    left = values(field).reshape(-1, *field.values.shape[-2:])[-1]
    column = next(j for j, name in enumerate(field.x_labels) if english(name) == "turn")
    rows = {english(label).rpartition(" ")[0]: i for i, label in enumerate(field.y_labels)}
    found = {name: float(left[rows[name], column]) for name in KEPT}
    told = ", ".join(say("{name} left {left} %", name=name, left=word(100 * v)) for name, v in found.items())
    return Measured(min(found, key=found.__getitem__), KEPT, say("Medians of 8 tasks: {told}.", told=told))


def _turned(e: Experiment, _: Settings) -> tuple[float, float]:
    """What DoRA and LoRA leave of the loss on the other kind of target."""
    task = "row_rescale" if e.task == "rotation" else "rotation"
    dora, lora = row_parts(train(row_sweep(replace(e, task=task)), records=2)).left[1, :, -1]
    return float(dora), float(lora)


def _dora(seen: Seen, found: Any) -> Measured:
    dora, lora = found
    if not np.isfinite((dora, lora)).all():
        raise Unanswerable(say("It diverged: lower the learning rate, and the question is asked."))
    words = (say("DoRA, less than half"), say("LoRA, less than half"), say("neither: within a factor of two"))
    value = words[0 if 2 * dora < lora else 1 if 2 * lora < dora else 2]
    turned = seen.experiment.task != "rotation"
    other = say("turns W's rows and keeps their lengths") if turned else say("stretches W's rows and turns none")
    told = say("DoRA left {dora} %, LoRA {lora} % of the loss, medians of 8 starts.", dora=word(100 * dora),
               lora=word(100 * lora))  # fmt: skip
    return Measured(value, words, told, {"other": other})


def _other_budget(e: Experiment, settings: Settings) -> tuple[int, int, tuple[int, ...]]:
    now = int(dict(settings).get("budget", 15))
    budget = 15 if now == 8 else 8
    ends = np.median(rank_allocation(allocate(e, budget, models=4, records=2)).ends, axis=0)
    return now, budget, tuple(int(x) for x in ends)


def _adalora(seen: Seen, found: Any) -> Measured:
    _, budget, ends = found
    told = say("Kept, median of 4 sets: {ends}.", ends=", ".join(map(str, ends)))
    return Measured(ends[-1], (budget // 4, round(8 * budget / 15), 8, 1), told, {"budget": budget})


def _quantised(seen: Seen, _: Any) -> Measured:
    lines, ranks = panel(seen.film, Lines, "Decaying W"), seen.film.values
    pissa, loftq = values(lines, "PiSSA"), values(lines, "LoftQ, 5")
    at = first_place(ranks == 8)
    k = first_place(loftq <= pissa[at])
    told = say("LoftQ leaves {loftq} % at rank {rank}, PiSSA {pissa} % at rank 8.", loftq=word(100 * loftq[k]),
               rank=int(ranks[k]), pissa=word(100 * pissa[at]))  # fmt: skip
    return Measured(int(ranks[k]), (8, 12, 16, 4), told, {"left": word(100 * pissa[at])})


def _phase_map(seen: Seen, _: Any) -> Measured:
    field = panel(seen.film, Field)
    if field.regions is None:
        raise Unanswerable(say("The picture does not show what the question is about at these settings."))
    regions = field.regions.reshape(-1, *field.regions.shape[-2:])[-1]
    names = [english(name) for name in field.region_names]
    good, diverged = (regions == names.index(name) for name in ("good", "diverged"))
    share = round(100 * float(good.any(axis=0).mean()))
    told = say("{share} % of the columns hold a good cell; of all cells {all} % are good.", share=share,
               all=round(100 * float(good.mean())))  # fmt: skip
    mistakes = (round(100 * float(good.mean())), round(100 * float((~diverged).mean())), 100 - share)
    return Measured(share, mistakes, told, {"x": field.x_title, "y": field.y_title}, unit=" %")


VARIANTS: dict[str, After] = {
    "variants": After(
        to_say("The target turns W's outputs, a change of full rank. Which of these leaves the least of the loss?"),
        to_say("What is of full rank takes updates of full rank: GaLore trains all of W, the others a few directions."),
        _variants,
    ),
    "dora": After(
        to_say("Now the target {other}. Which of the two leaves less of the loss?"),
        to_say("DoRA's lengths pay where lengths are to change. A turn has to go through the low rank in both."),
        _dora,
        _turned,
    ),
    "adalora": After(
        to_say("Give all four layers together {budget} triplets. How many of them does the layer of rank 8 keep?"),
        to_say("What is kept is what the loss would miss most, layer by layer, not an equal share."),
        _adalora,
        _other_budget,
    ),
    "quantised": After(
        to_say("On the decaying weight PiSSA leaves {left} % at rank 8. Which rank shown does LoftQ need for that?"),
        to_say("PiSSA keeps the large directions exactly, outside of the 4 bits; LoftQ repairs only what they broke."),
        _quantised,
    ),
    "phase_map": After(
        to_say("For how many of the values of {x} is there some {y} on the map that makes a good cell?"),
        to_say(
            "The good cells lie along a valley: one of the two settings can make up for the other over a wide range."
        ),
        _phase_map,
    ),
}
