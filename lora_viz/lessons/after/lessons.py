"""What is asked after the first lessons, and after those on rank from the ground?"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from lora_viz.core.experiment import Experiment, Sweep
from lora_viz.core.spectra import covariance_root, least_squares, ranks, reduced_rank_floor
from lora_viz.costs.budget import break_even_rank
from lora_viz.engine.training import train
from lora_viz.film.panels import Bars, HeatMap, Lines, Machine
from lora_viz.i18n.language import say, to_say
from lora_viz.layer.reconstruction import reconstruction_task
from lora_viz.layer.tasks import make_task
from lora_viz.lessons.after.asked import After, Measured, Seen, Unanswerable, first_place, panel, values, word
from lora_viz.lessons.rank.autoencoder import autoencoder
from lora_viz.lessons.rank.denoise import denoise
from lora_viz.lessons.rank.storage import SHAPES

__all__ = ["LESSONS", "RANK"]

Settings = tuple[tuple[str, str], ...]
FEW = 0.01  # of the error


def _machine(seen: Seen, _: Any) -> Measured:
    layer = panel(seen.film, Machine)
    if len(layer.A) < 2:
        raise Unanswerable(say("Without a step nothing can have changed."))
    a, b = (int((factor[1] != factor[0]).sum()) for factor in (layer.A, layer.B))
    all_a, all_b, all_w = layer.A[0].size, layer.B[0].size, layer.W.size
    return Measured(
        a + b,
        (0, all_a, all_b, all_a + all_b, all_w),
        say("Step 1 changed {a} of A's numbers, {b} of B's and none of W's.", a=a, b=b),
        {"all_a": all_a, "all_b": all_b, "all_w": all_w},
    )


def _unseen(e: Experiment, _: Settings) -> tuple[float, float, float] | None:
    """How far W z and ΔW z move for a z of length 1 in ker A, and the most that ΔW moves any: None without such a z."""
    if e.rank >= e.d_in:
        return None
    run = train(Sweep((e,)), records=2)
    A, delta = run.A[0][-1].astype(float), run.delta_weight()[-1]
    z = np.linalg.svd(A)[2][-1]
    moved, update = (float(np.linalg.norm(matrix @ z)) for matrix in (run.task.base_weight, delta))
    return moved, update, float(np.linalg.norm(delta, 2))


def _bottleneck(seen: Seen, found: Any) -> Measured:
    if found is None:
        raise Unanswerable(say("At this rank no input direction is lost: lower the rank, and the question is asked."))
    moved, update, most = found
    told = say("‖W z‖ was {moved}, ‖ΔW z‖ {update}.", moved=word(moved), update=word(update))
    return Measured(moved, (0, most, moved + most), told)


def _floors(e: Experiment) -> np.ndarray:
    """The least share of the error that each rank from 0 on can leave; of nothing, nothing."""
    task = make_task(e)
    fitted, root = least_squares(task)[0], covariance_root(task)
    size = float(np.linalg.norm(fitted @ root)) or 1.0
    return np.array([reduced_rank_floor(fitted, root, k)[1] / size for k in range(min(e.d_out, e.d_in) + 1)])


def _without_noise(e: Experiment, _: Settings) -> tuple[np.ndarray, np.ndarray]:
    return _floors(replace(e, noise=0.0)), _floors(e)


def _rank(seen: Seen, found: Any) -> Measured:
    clean, noisy = found
    k, now = first_place(clean < FEW), first_place(noisy < FEW)
    told = say(
        "Without noise the best update of rank {k} leaves {left} % of the error; with the noise shown it takes rank "
        "{now} to leave less than 1 %.",
        k=k, left=word(100 * (clean[k] if clean[k] > 1e-9 else 0)), now=now,
    )  # fmt: skip
    return Measured(k, (now, len(clean) - 1, 2 * k, max(1, k // 2)), told)


def _other_way(e: Experiment, _: Settings) -> tuple[float, float]:
    init = "B_zero" if e.init == "A_zero" else "A_zero"
    run = train(Sweep((replace(e, init=init, steps=1),)))
    return float(run.grad_A_norm[0, 0]), float(run.grad_B_norm[0, 0])


def _gradient_flow(seen: Seen, found: Any) -> Measured:
    a, b = found
    words = (say("A alone"), say("B alone"), say("both"), say("neither"))
    value = words[(0 if a else 3) if not b else (2 if a else 1)]
    start = say("A random and B = 0") if seen.experiment.init == "A_zero" else say("A = 0 and B random")
    told = say("At step 0 ‖∇A‖ was {a} and ‖∇B‖ {b}.", a=word(a), b=word(b))
    return Measured(value, words, told, {"start": start})


def _merge(seen: Seen, _: Any) -> Measured:
    size, lines = seen.film.values, panel(seen.film, Lines, "Weights that did not change")
    bf16, fp16 = values(lines, "bf16"), values(lines, "fp16")
    at = int(np.abs(np.log(size / 1e-3)).argmin())
    i = first_place(fp16 < bf16[at])
    if i == 0:
        raise Unanswerable(say("No size on the axis is small enough to measure this."))
    part = (fp16[i - 1] - bf16[at]) / (fp16[i - 1] - fp16[i])
    same = float(np.exp(np.log(size[i - 1]) + part * np.log(size[i] / size[i - 1])))
    told = say(
        "fp16 leaves {share} % as they were at {same}·‖W‖, {times} times as small an update.",
        share=word(100 * bf16[at]), same=word(same), times=word(size[at] / same),
    )  # fmt: skip
    about = {"size": word(size[at]), "share": word(100 * bf16[at])}
    return Measured(same, (size[at] * 8, size[at] / 3, size[at] * 8 / 11), told, about)


LESSONS: dict[str, After] = {
    "machine": After(
        to_say("W holds {all_w} numbers, A {all_a} and B {all_b}. How many of them has the very first step changed?"),
        to_say(
            "W is frozen, and each factor's gradient has the other one in it: while B is 0, A's is exactly 0 "
            "(AdamW's decay alone would move A then)."
        ),
        _machine,
    ),
    "bottleneck": After(
        to_say(
            "z has length 1 and lies in ker A, so the update does not see it. How far apart are the whole layer's "
            "outputs, W x + Δy, for x and for x + z?"
        ),
        to_say("Only the detour is narrow. The frozen W still sees every direction: the layer as a whole loses none."),
        _bottleneck,
        _unseen,
    ),
    "rank": After(
        to_say(
            "Set the label noise to 0. Which is the least rank whose best update leaves less than 1 % of the error?"
        ),
        to_say("What a rank above the target's still takes away is noise; without noise nothing is left to take."),
        _rank,
        _without_noise,
    ),
    "gradient_flow": After(
        to_say("Start it the other way: {start}. Which factor has a gradient at step 0?"),
        to_say("∇A = s·Bᵀ G and ∇B = s·G Aᵀ: a factor waits where the other one is 0. Either may be the one that is."),
        _gradient_flow,
        _other_way,
    ),
    "merge": After(
        to_say(
            "bf16 has 8 significant bits, fp16 11. At ‖ΔW‖ = {size}·‖W‖ bf16 leaves {share} % of the weights as they "
            "were. At which ‖ΔW‖/‖W‖ does fp16 leave as many?"
        ),
        to_say("Each further bit halves the least change that is kept, and 2³ = 8."),
        _merge,
    ),
}


def _matrix(seen: Seen, _: Any) -> Measured:
    M = values(panel(seen.film, HeatMap, "M:"))
    tall = np.concatenate([M, M])
    one, two = (ranks(np.linalg.svd(m, compute_uv=False), bound=3, tol=1e-12).numerical for m in (M, tall))
    told = say("Rank {one} before, {two} after: σ grew by √2 and none was added.", one=one, two=two)
    return Measured(two, (2 * one, one + 1, len(tall)), told, {"rows": len(M), "tall": len(tall)})


def _truncation(seen: Seen, _: Any) -> Measured:
    sigma = values(panel(seen.film, Bars, "Singular values"), "all")
    share = sigma[0] / sigma.sum()
    left = float(sigma[0] / np.linalg.norm(sigma))
    told = say(
        "σ₁/√(σ₁² + σ₂² + …) = {left}; of the sum of all σ the first is {share}.", left=word(left), share=word(share)
    )
    return Measured(left, (float(share), left**2, 1 / len(sigma)), told)


def _storage(seen: Seen, _: Any) -> Measured:
    m, n = SHAPES[seen.setting("layer_shape")]
    now, wide = break_even_rank(m, n), break_even_rank(2 * m, 2 * n)
    told = say(
        "{m2}·{n2}/({m2} + {n2}) = {wide}; for {m}×{n} it is {now}.",
        m2=2 * m, n2=2 * n, wide=word(wide), m=m, n=n, now=word(now),
    )  # fmt: skip
    return Measured(wide, (now, 4 * now, now / 2), told, {"now": word(now)})


def _much_noise(e: Experiment, _: Settings) -> tuple[float, int, int]:
    """Another noise, and the best cut for it and for the noise shown, in the median of nine draws."""
    noise = 0.3 if e.noise >= 2 else 2.0
    seeds = range(100 * e.seed, 100 * e.seed + 9)
    then, now = (int(np.median(denoise(31, 23, e.target_rank, x, seeds).best)) for x in (noise, e.noise))
    return noise, then, now


def _denoise(seen: Seen, found: Any) -> Measured:
    noise, best, now = found
    told = say("With noise {noise:g} the cut at rank {best} was nearest, median of 9 draws.", noise=noise, best=best)
    return Measured(best, (now, seen.experiment.target_rank, 23, 2 * now), told, {"noise": noise})


def _gauge(seen: Seen, _: Any) -> Measured:
    A, B = (values(panel(seen.film, HeatMap, begins))[0] for begins in ("A →", "B →"))
    G = B @ A  # the gradient at which the target is 0; the ratio is the same for every G
    first, then = (float(np.linalg.norm(G @ a.T @ a)) for a in (A, 10 * A))
    second = np.linalg.norm(B @ B.T @ G) / np.linalg.norm((B / 10) @ (B / 10).T @ G)
    told = say(
        "‖G AᵀA‖ went from {first} to {then}, and ‖B BᵀG‖ became {second} times smaller; B A stayed.",
        first=word(first), then=word(then), second=word(float(second)),
    )  # fmt: skip
    return Measured(then / first, (1, 10, 0.01), told)


def _subspace(seen: Seen, _: Any) -> Measured:
    one, two = (values(panel(seen.film, HeatMap, begins)) for begins in ("M₁", "M₂"))
    r = int(np.linalg.matrix_rank(one))
    u, s, _vt = np.linalg.svd(one)
    rows = np.linalg.svd(two)[2][:r]
    total = np.linalg.matrix_rank(one + (u[:, :r] * s[:r]) @ rows)
    told = say("Their sum had numerical rank {total}: over the same {r} columns the rows just add up.", 
               total=int(total), r=r)  # fmt: skip
    return Measured(int(total), (2 * r, 3 * r, min(one.shape)), told, {"r": r})


def _few_numbers(seen: Seen, _: Any) -> Measured:
    error = values(panel(seen.film, Lines, "Error of the best"), "c·I")
    k = int(seen.film.values[first_place(error <= 0.1)])
    d = int(seen.film.values[-1])
    told = say("At rank {k} {left} is missed, at rank {before} {more}.", k=k, left=word(error[k - 1]),
               before=k - 1, more=word(error[k - 2]))  # fmt: skip
    return Measured(k, (1, round(0.1 * d), round(0.9 * d)), told, {"d": d})


def _recentred(e: Experiment, settings: Settings) -> tuple[float, float]:
    offset = 0.0 if ("centred", "not centred") in settings else 2.0
    run = train(Sweep.over(e, init_seed=range(8)), records=2, task=reconstruction_task(e, offset))
    record = autoencoder(run)
    return float(record.to_pca[1, -1]), float(record.to_moment[1, -1])


def _autoencoder(seen: Seen, found: Any) -> Measured:
    pca, moment = found
    if not np.isfinite((pca, moment)).all():
        raise Unanswerable(say("It diverged: lower the learning rate, and the question is asked."))
    words = (
        say("the axes about the mean: PCA's"),
        say("the axes about 0"),
        say("both: they are the same"),
        say("neither of them"),
    )
    near = (pca < 0.05, moment < 0.05)
    value = words[2 if all(near) else 0 if near[0] else 1 if near[1] else 3]
    told = say("‖B A − P‖ came to {pca} for PCA's axes and {moment} for those about 0, median of 8 starts.",
               pca=word(pca), moment=word(moment))  # fmt: skip
    other = say("centred") if seen.setting("centred") == "not centred" else say("not centred")
    return Measured(value, words, told, {"other": other})


RANK: dict[str, After] = {
    "matrix": After(
        to_say("Write M's rows down once more below M: {tall} rows in place of {rows}. Which rank has that matrix?"),
        to_say("A row that others already make adds a coordinate to the output, and no direction."),
        _matrix,
    ),
    "truncation": After(
        to_say("Leave out layer 1 alone and keep all others. How far from M is what is left, in units of ‖M‖?"),
        to_say("Errors add up in squares, so one layer's share of the error is larger than its share of the sum of σ."),
        _truncation,
    ),
    "storage": After(
        to_say(
            "Factors B and A break even with W at rank {now}. At which rank do they for a layer twice as wide and "
            "twice as high?"
        ),
        to_say("W grows fourfold, the factors only twofold: the wider a layer, the larger the ranks that still save."),
        _storage,
    ),
    "denoise": After(
        to_say("Set the noise to {noise:g}. Which cut k is nearest to the clean matrix then?"),
        to_say("A layer is worth keeping only while its signal is stronger than the noise it brings along."),
        _denoise,
        _much_noise,
    ),
    "gauge": After(
        to_say(
            "Take 10·A and B/10: B A is the same. The next gradient step of B A has two parts, G AᵀA and B BᵀG. How "
            "many times as large is the first one now?"
        ),
        to_say("A stands in it twice: which of the equal pairs one holds decides which factor does the learning."),
        _gauge,
    ),
    "subspace": After(
        to_say(
            "Add to M₁, of rank {r}, a matrix of rank {r} with the same column space but M₂'s rows. Which rank has the "
            "sum?"
        ),
        to_say("Ranks add only where neither the columns nor the rows are shared; one shared side is enough."),
        _subspace,
    ),
    "few_numbers": After(
        to_say("c·I is one knob, {d}×{d}. Which rank does a matrix need to miss at most 10 % of it?"),
        to_say("All directions are equally strong, and the error is the root of the share that is missing."),
        _few_numbers,
    ),
    "autoencoder": After(
        to_say("Now the data are {other}. Onto which axes does B A become the projector?"),
        to_say("It reproduces x itself, mean and all: what counts is size about 0. Without a mean, that is variance."),
        _autoencoder,
        _recentred,
    ),
}
