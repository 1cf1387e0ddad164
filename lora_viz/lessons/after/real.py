"""What is asked after the lessons on real networks, adapter files and costs?"""

from __future__ import annotations

from typing import Any

import numpy as np

from lora_viz.core.spectra import ranks
from lora_viz.costs.budget import share_of_layer
from lora_viz.film.panels import Bars, Curves, Lines
from lora_viz.i18n.language import english, say, to_say
from lora_viz.lessons.after.asked import After, Measured, Seen, first_place, panel, values, word

__all__ = ["REAL"]


def _effective(sigma: np.ndarray) -> float:
    known = sigma[np.isfinite(sigma)]
    return ranks(known, bound=len(known)).effective


def _digits(seen: Seen, _: Any) -> Measured:
    curves = panel(seen.film, Curves, "Singular values of ΔW₁")
    sixteen, full = (_effective(values(curves, name)[-1]) for name in ("r=16", "full"))
    told = say("Its effective rank was {sixteen}; that of full fine-tuning's ΔW₁ was {full}.", sixteen=word(sixteen),
               full=word(full))  # fmt: skip
    return Measured(round(sixteen), (16, 10, round(full), 64), told)


def _minilm(seen: Seen, _: Any) -> Measured:
    lines, kept = panel(seen.film, Lines), seen.film.values
    at = first_place(kept == 1)
    without, alone = (values(lines, name) for name in ("top k removed", "top k kept"))
    told = say("{without} % errors without it, {alone} % with it alone, median of 5 seeds.", without=word(without[at]),
               alone=word(alone[at]))  # fmt: skip
    about = {"full": word(without[0])}
    return Measured(float(without[at]), (without[0], alone[at], alone[0]), told, about, unit=" %")


def _many_adapters(seen: Seen, _: Any) -> Measured:
    lines, w = panel(seen.film, Lines, "Mixed"), seen.film.values
    right = 100 * values(lines, english(lines.series[0].name))
    at = int(np.abs(w - 0.25).argmin())
    told = say("{right} % were read right, median of 5 networks; alone, {alone} %.", right=word(right[at]),
               alone=word(right[0]))  # fmt: skip
    between = (1 - w[at]) * right[0] + w[at] * right[-1]
    mistakes = (float(right[0]), float(between), float(right[-1]), float(100 * (1 - w[at])))
    return Measured(float(right[at]), mistakes, told, {"alone": word(right[0]), "none": word(right[-1])}, unit=" %")


def _requantised(seen: Seen, _: Any) -> Measured:
    name, lines, size = seen.setting("weight_format"), panel(seen.film, Lines, "Error of the update"), seen.film.values
    wrong = values(lines, name)
    at = first_place(wrong <= 0.5)
    other = values(lines, "NF4" if name == "int8" else "int8")
    elsewhere = float(size[first_place(other <= 0.5)])
    told = say("From {size} % of W on at most half of it is lost in {name}; at 1 % the error is {error} %.",
               size=word(100 * size[at]), name=name, error=word(100 * wrong[np.abs(size - 0.01).argmin()]))  # fmt: skip
    about = {"name": name}
    right = 100 * float(size[at])
    return Measured(right, (right / 100, right / 10, 100 * elsewhere, 100 * size[-1]), told, about, unit=" %")


def _inspector(seen: Seen, _: Any) -> Measured:
    sigma = values(panel(seen.film, Bars, "Singular values"), "σ of ΔW")[0]
    now, then = _effective(sigma), _effective(2 * sigma)
    told = say("All its σ double; the effective rank was {now} before and {then} after.", now=word(now),
               then=word(then))  # fmt: skip
    return Measured(then, (2 * now, 2**0.5 * now, now / 2), told, {"now": word(now)})


def _two_adapters(seen: Seen, _: Any) -> Measured:
    bars = panel(seen.film, Bars, "Singular values")
    total, one, two = (float(np.linalg.norm(values(bars, name)[0])) for name in ("ΔW₁ + ΔW₂", "ΔW₁", "ΔW₂"))
    told = say("‖ΔW₁ + ΔW₂‖ is {total}; √({one}² + {two}²) = {law}.", total=word(total), one=word(one), two=word(two),
               law=word(np.hypot(one, two)))  # fmt: skip
    about = {"one": word(one), "two": word(two)}
    return Measured(total, (one + two, abs(one - two), (one + two) / 2), told, about)


def _extract(seen: Seen, _: Any) -> Measured:
    curves = panel(seen.film, Curves, "Energy of ΔW")
    kept = float(values(curves, "this matrix")[0, int(seen.setting("extract_rank"))])
    left = max(0.0, 1 - kept) ** 0.5
    told = say("√(1 − {kept}) = {left}.", kept=word(kept), left=word(left))
    about = {"kept": word(100 * kept), "rank": int(seen.setting("extract_rank"))}
    return Measured(100 * left, (100 * (1 - kept), 100 * kept, 50 * (1 - kept)), told, about, unit=" %")


def _cost(seen: Seen, _: Any) -> Measured:
    d_out, d_in = (int(x) for x in seen.setting("layer").split("×"))
    now, wide = (100 * share_of_layer(k * d_out, k * d_in, 16) for k in (1, 2))
    told = say("16·(1/{d_in} + 1/{d_out}) = {wide} %.", d_in=2 * d_in, d_out=2 * d_out, wide=word(wide))
    return Measured(wide, (now, 2 * now, now / 4), told, {"now": word(now)}, unit=" %")


REAL: dict[str, After] = {
    "digits": After(
        to_say(
            "The adapter of rank 16 is trained. To the nearest whole number, which effective rank has its update "
            "of the first hidden layer?"
        ),
        to_say(
            "r is a bound. How many directions are really used is up to the data and the start, and can be far less."
        ),
        _digits,
    ),
    "minilm": After(
        to_say(
            "Full fine-tuning makes {full} % errors. Take only the strongest direction out of every ΔW and keep the "
            "other 383: how many then?"
        ),
        to_say("Energy is spread over a long tail, what was learnt is not: much of it sits in the first direction."),
        _minilm,
    ),
    "many_adapters": After(
        to_say(
            "The first adapter reads {alone} % of its digits, the second {none} % of the same ones. Mix ¾ of the first "
            "update with ¼ of the second: how many now?"
        ),
        to_say("The mixture is linear in the weights, what the network makes of it is not."),
        _many_adapters,
    ),
    "requantised": After(
        to_say(
            "From which size of the update on, in percent of W, is at most half of it lost when it is merged "
            "into {name}?"
        ),
        to_say("It must be about as large as the distance of two levels; fine-tuning is often far smaller."),
        _requantised,
    ),
    "inspector": After(
        to_say("The first module's update has effective rank {now}. Which has it when α is doubled?"),
        to_say("α scales every singular value alike. It makes an update larger, never richer."),
        _inspector,
    ),
    "two_adapters": After(
        to_say("In the first module ‖ΔW₁‖ is {one} and ‖ΔW₂‖ {two}. How large is their sum?"),
        to_say("The two hardly point along each other, so their squares add, not their lengths."),
        _two_adapters,
    ),
    "extract": After(
        to_say(
            "In the first matrix rank {rank} keeps {kept} % of the energy. How far, in percent of ‖ΔW‖, is the cut "
            "from ΔW?"
        ),
        to_say("Energy counts squares: a small share of it that is missing is a much larger distance."),
        _extract,
    ),
    "cost": After(
        to_say("Rank 16 trains {now} % of this layer. And of one that is twice as wide and twice as high?"),
        to_say("The layer grows fourfold, the factors twofold: a share without a width says nothing."),
        _cost,
    ),
}
