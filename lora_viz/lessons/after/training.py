"""What is asked after the lessons on training: starts, scaling, what happens over the steps?"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from lora_viz.core.experiment import Experiment, Sweep
from lora_viz.core.spectra import ranks
from lora_viz.engine.training import train
from lora_viz.film.panels import Curves, Field, Lines
from lora_viz.i18n.language import english, say, to_say
from lora_viz.layer.start_sizes import start_sizes
from lora_viz.lessons.after.asked import After, Measured, Seen, Unanswerable, first_place, panel, values, word
from lora_viz.lessons.training.conditioning import conditioning
from lora_viz.lessons.training.saddles import saddles

__all__ = ["TRAINING"]

Settings = tuple[tuple[str, str], ...]


def _half_the_start(e: Experiment, _: Settings) -> tuple[float, float]:
    run = train(Sweep.over(replace(e, init="both_random", steps=1), init_scale=(1.0, 0.5)))
    whole, half = (float(run.factored(i)[0].norm()) for i in (0, 1))
    return whole, half


def _init_race(seen: Seen, found: Any) -> Measured:
    whole, half = found
    told = say("‖ΔW‖ before the first step was {whole}, then {half}.", whole=word(whole), half=word(half))
    return Measured(half, (whole, whole / 2**0.5, whole / 2, 0), told, {"whole": word(whole)})


def _half_the_sigma(e: Experiment, settings: Settings) -> tuple[float, float]:
    sigma = float(dict(settings).get("sigma", 0.5))
    sizes = (start_sizes(e, ranks=(8,), inits=("B_zero",), sigma=x) for x in (sigma, sigma / 2))
    whole, half = (float(np.median(size.rms**2)) for size in sizes)
    return whole, half


def _init_variance(seen: Seen, found: Any) -> Measured:
    whole, half = found
    told = say("At rank 8 their variance went from {whole} to {half}, median of 8 seeds.", whole=word(whole),
               half=word(half))  # fmt: skip
    return Measured(half / whole, (1 / 2, 1 / 4, 1 / 8), told)


def _init_alignment(seen: Seen, _: Any) -> Measured:
    rank, cosine = seen.film.values, values(panel(seen.film, Lines, "Against rank"), "LoRA")
    d = seen.experiment.d_in
    at = first_place(cosine >= 0.5)
    told = say(
        "At rank {rank} the median cosine was {cosine}. √(r/(r + d + 1)) is ½ at r = (d + 1)/3 = {law}.",
        rank=int(rank[at]), cosine=word(cosine[at]), law=word((d + 1) / 3),
    )  # fmt: skip
    return Measured(int(rank[at]), (d // 16, d // 2, seen.experiment.d_out), told)


def _init_ab(seen: Seen, _: Any) -> Measured:
    curves = panel(seen.film, Curves, "Loss at each start")
    worse = values(curves, "B random")[-1] / values(curves, "A random")[-1]
    near, far = float(worse[0]), float(worse[-1])
    told = say("At d = {narrow} B random left {near} times as much loss as A random.", narrow=int(curves.x[0]),
               near=word(near))  # fmt: skip
    about = {"wide": int(curves.x[-1]), "narrow": int(curves.x[0]), "far": word(far)}
    return Measured(near, (far, far * curves.x[0] / curves.x[-1], 1 / far), told, about)


def _scaling(seen: Seen, _: Any) -> Measured:
    field = panel(seen.film, Field, "Measured slope")
    slopes = values(field).reshape(-1, *field.values.shape[-2:])[-1]
    usual = (seen.experiment.optimizer, seen.experiment.init) == ("adam", "gaussian")
    wanted = ("SGD", "N(0, 1/r)") if usual else ("Adam", "std 1/r")
    row = next(i for i, label in enumerate(field.y_labels) if all(w in english(label) for w in wanted))
    told = ", ".join(
        say("{slope:.2f} under {rule}", rule=rule, slope=abs(slope))
        for rule, slope in zip(field.x_labels, slopes[row], strict=True)
    )
    about = {"optimizer": wanted[0], "start": wanted[1]}
    best = int(np.abs(slopes[row]).argmin())
    return Measured(
        field.x_labels[best],
        field.x_labels,
        say("The size of the slope was {told}; 0 is free of the rank.", told=told),
        about,
    )


def _scaling_training(seen: Seen, _: Any) -> Measured:
    curves = panel(seen.film, Curves, "Best learning rate")
    best = values(curves, "best η")[-1]
    four, sixteen = (float(best[first_place(curves.x == r)]) for r in (4, 16))
    told = say("The best of the map at rank 16 was {sixteen}, {times} times that at rank 4.", sixteen=word(sixteen),
               times=word(sixteen / four))  # fmt: skip
    return Measured(sixteen, (four, 2 * four, 4 * four, four / 4), told, {"four": word(four)})


def _traded(e: Experiment, _: Settings) -> tuple[float, float]:
    run = train(Sweep.each(replace(e, steps=1), alpha=(e.alpha, e.alpha / 2), lr=(e.lr, 2 * e.lr)))
    one, two = (float(np.linalg.norm(run.delta_weight(i)[1])) for i in (0, 1))
    return one, two


def _alpha(seen: Seen, found: Any) -> Measured:
    one, two = found
    told = say("‖ΔW‖ after step 1 was {one}, and {two} with α/2 and 2η.", one=word(one), two=word(two))
    return Measured(two / one if one else np.nan, (1, 2, 1 / 2, 1 / 4), told)


def _other_rule(e: Experiment, _: Settings) -> int:
    rule = "sgd" if e.optimizer.startswith("adam") else "adam"
    run = train(Sweep((replace(e, optimizer=rule, samples=2, batch=0, warmup=0, steps=1),)))
    sigma = np.linalg.svd(run.delta_weight()[-1], compute_uv=False)
    return ranks(sigma, bound=e.rank).numerical


def _rank_over_time(seen: Seen, found: Any) -> Measured:
    rule = "SGD" if seen.experiment.optimizer.startswith("adam") else "Adam"
    told = say("After one step of {rule} on 2 samples ΔW had numerical rank {found}.", rule=rule, found=found)
    return Measured(found, (1, 2, 4, seen.experiment.rank), told, {"rule": rule})


def _tinier(e: Experiment, _: Settings) -> tuple[float, float]:
    """When is the strongest direction half learnt, from the tiny start and from a tenth of it?"""
    starts = {"init": ("both_random_small", "B_zero"), "init_seed": range(8)}
    runs = (train(Sweep.over(replace(e, init_scale=x), **starts), records=201) for x in (1.0, 0.1))
    now, then = (float(saddles((run,)).half[0, 1, 0]) for run in runs)
    return now, then


def _saddles(seen: Seen, found: Any) -> Measured:
    now, then = found
    told = say("It was half learnt at step {then}, median of 8 seeds.", then=word(then))
    return Measured(then, (now, 10 * now, 100 * now), told, {"now": word(now)})


def _balance(seen: Seen, _: Any) -> Measured:
    lines = panel(seen.film, Lines, "A and B grow together")
    a, b = values(lines, "‖A‖²"), values(lines, "‖B‖²")
    at = first_place(np.abs(a - a[0]) >= np.abs(a[-1] - a[0]) / 2)
    told = say("At step {step} ‖B‖² was {b}; ‖A‖² had changed by {change}.", step=int(seen.film.values[at]),
               b=word(b[at]), change=word(a[at] - a[0]))  # fmt: skip
    about = {"step": int(seen.film.values[at]), "a0": word(a[0]), "a": word(a[at]), "b0": word(b[0])}
    grown = a[at] - a[0]
    return Measured(float(b[at]), (a[at], b[0] + grown / 2, b[0] + grown**0.5, b[0] + grown), told, about)


def _twice_and_half(e: Experiment, _: Settings) -> tuple[float, float]:
    run = train(Sweep.each(replace(e, warmup=0, steps=1), alpha=(e.alpha, 2 * e.alpha), lr=(e.lr, e.lr / 2)))
    return float(run.grad_A_norm[1, 0]), float(run.grad_A_norm[1, 1])


def _wake_up(seen: Seen, found: Any) -> Measured:
    one, two = found
    told = say("‖∇A‖ at step 1 was {one}, then {two}.", one=word(one), two=word(two))
    return Measured(round(two / one, 1) if one else np.nan, (1, 2, 4, 1 / 2), told)


def _race(seen: Seen, _: Any) -> Measured:
    lines = panel(seen.film, Lines, "Steps to 1 %")
    full = np.asarray(lines.series[0].y, float)  # racer 0 is full fine-tuning
    name = english(lines.series[-1].name).rstrip(":")
    if not np.isfinite(full).any():
        raise Unanswerable(say("Full fine-tuning arrives at no learning rate tried: choose other settings."))
    at = int(np.nanargmin(full))
    lora = float(lines.series[-1].y[at])
    words = (
        say("it does not get there"),
        say("it takes fewer steps than full fine-tuning"),
        say("it takes about as many steps"),
        say("it takes more steps than full fine-tuning"),
    )
    ratio = lora / float(full[at])
    value = words[0 if np.isnan(lora) else 1 if ratio < 0.8 else 2 if ratio < 1.25 else 3]
    steps = word(lora) if np.isfinite(lora) else say("never")
    lr = word(seen.film.values[at])
    told = say("At η = {lr}: full {full}, {name} {steps} steps, medians of 8 tasks.", lr=lr, full=word(full[at]),
               name=name, steps=steps)  # fmt: skip
    return Measured(value, words, told, {"lr": lr, "name": name})


def _other_stretch(e: Experiment, settings: Settings) -> tuple[float, float]:
    """Steps that scaled GD needs at κ = 1 and at κ = 3 of the other kind, median of 4 seeds."""
    other = "target" if ("stretched", "inputs") in settings else "inputs"
    usual = replace(e, optimizer="scaled_gd", condition=1.0, target_condition=1.0)
    more = replace(usual, condition=3.0) if other == "inputs" else replace(usual, target_condition=3.0)
    runs = [train(Sweep.over(x, lr=(0.3, 0.7), init_seed=range(4)), records=121) for x in (usual, more)]
    first, then = conditioning(runs, stretched=other).needed[1, 0]
    return float(first), float(then)


def _conditioning(seen: Seen, found: Any) -> Measured:
    one, more = found
    other = say("the target") if seen.setting("stretched") == "inputs" else say("the inputs")
    told = say("It took {one} steps at κ = 1 and {more} at κ = 3.", one=word(one), more=word(more))
    ratio = more / one
    return Measured(round(ratio) if np.isfinite(ratio) else ratio, (1, 3, 9), told, {"other": other})


TRAINING: dict[str, After] = {
    "init_race": After(
        to_say(
            "With both factors random ‖ΔW‖ is {whole} before the first step. Draw each of them half as large: how "
            "large is it then?"
        ),
        to_say("ΔW is a product: it shrinks with both. With one factor 0 it is 0, however large the other one is."),
        _init_race,
        _half_the_start,
    ),
    "init_variance": After(
        to_say("Halve σ in both factors. By which factor does the variance of B A's entries change?"),
        to_say("The variance is r·σ⁴: σ² for each of the two factors."),
        _init_variance,
        _half_the_sigma,
    ),
    "init_alignment": After(
        to_say(
            "From LoRA's own start: which is the first rank shown whose first update has a cosine of at least ½ "
            "with −G?"
        ),
        to_say("What a random A of rank r sees of G is a projection, and a cosine is a root: ½ takes a third of d."),
        _init_alignment,
    ),
    "init_ab": After(
        to_say(
            "At d = {wide} B random leaves {far} times the loss that A random leaves. How many times at d = {narrow}?"
        ),
        to_say("B is drawn by the rank, not by the width: in a wide layer that start is large, in a narrow one not."),
        _init_ab,
    ),
    "scaling": After(
        to_say(
            "{optimizer}, with A drawn as {start}: under which rule is the first step's useful part free of the rank?"
        ),
        to_say("No rule is right for all: SGD's step has s² in it, Adam's s, and the size of A changes with the rank."),
        _scaling,
    ),
    "scaling_training": After(
        to_say("At rank 4 the best learning rate on the map is {four}. Which is it at rank 16?"),
        to_say("What the rule takes from the step at a higher rank, the learning rate must give back."),
        _scaling_training,
    ),
    "alpha": After(
        to_say("Halve α and double η, and leave A₀ as it is. How many times as large is ΔW after the first step?"),
        to_say("From B = 0, SGD's first ΔW goes as η·s²; Adam, whose step for B is η whatever s is, as η·s."),
        _alpha,
        _traded,
    ),
    "rank_over_time": After(
        to_say("Two samples, the same at every step, and now {rule}: which numerical rank has ΔW after one step?"),
        to_say(
            "SGD keeps the rank of the gradient; Adam's first step takes its signs, and those have a rank of their own."
        ),
        _rank_over_time,
        _other_rule,
    ),
    "saddles": After(
        to_say(
            "From the tiny start the strongest direction is half learnt at step {now}. Start with factors a tenth as "
            "large: at which step is it then?"
        ),
        to_say(
            "It grows by a factor at every step: a tenth of the start costs a few more steps, not ten times as many."
        ),
        _saddles,
        _tinier,
    ),
    "balance": After(
        to_say("‖A‖² began at {a0} and ‖B‖² at {b0}. At step {step} ‖A‖² is {a}: what is ‖B‖²?"),
        to_say(
            "Gradient descent with small steps adds the same to both: the trace of AAᵀ − BᵀB is kept. Adam does not."
        ),
        _balance,
    ),
    "wake_up": After(
        to_say("Double α and halve the learning rate. About how many times as large is the first ‖∇A‖ that is not 0?"),
        to_say("With SGD it goes as η·s², so α is not just a learning rate; with Adam as η·s."),
        _wake_up,
        _twice_and_half,
    ),
    "race": After(
        to_say("Full fine-tuning is fastest at η = {lr}. And {name} at that same η?"),
        to_say(
            "LoRA's step has the factors in it, which grow: the largest η that it bears is another one than full "
            "fine-tuning's."
        ),
        _race,
    ),
    "conditioning": After(
        to_say(
            "Stretch {other} instead, and only to κ = 3. About how many times as many steps does scaled GD need as "
            "at κ = 1?"
        ),
        to_say("Dividing by AAᵀ and BᵀB takes the stretch of the target out of the step, not that of the inputs."),
        _conditioning,
        _other_stretch,
    ),
}
