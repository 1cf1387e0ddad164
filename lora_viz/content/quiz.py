"""The quiz: what a visitor may believe, and the small computation of the core that says what is so."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from lora_viz.content.questions import Answered, Measured, with_choices
from lora_viz.core.experiment import Experiment, Sweep
from lora_viz.core.factored import FactoredMatrix
from lora_viz.core.spectra import full_gradient, ranks, reduced_rank_floor, truncate
from lora_viz.costs.budget import break_even_rank, layer_cost, share_of_layer
from lora_viz.engine.training import train
from lora_viz.film.style import number
from lora_viz.i18n.language import say, to_say
from lora_viz.layer.first_step import first_updates
from lora_viz.layer.matrices import low_rank_factors
from lora_viz.layer.merging import merge_report
from lora_viz.layer.tasks import make_task

__all__ = ["QUESTIONS", "QuizQuestion", "answer"]


class QuizQuestion(NamedTuple):
    """What is asked, why the answer is so, the lesson, with its settings, that shows it, and how it is measured."""

    text: str
    why: str
    page: str
    measure: Callable[[int], Measured]


def answer(key: str, seed: int = 0) -> Answered:
    """The question with its choices, measured by the core for this seed."""
    question = QUESTIONS[key]
    return with_choices(question.text, question.why, question.measure(seed))


_SMALL = Experiment(d_in=13, d_out=11, rank=5, alpha=5.0, target_rank=3, samples=64, optimizer="sgd", lr=0.02, steps=2)


def _rank_after_a_step(seed: int) -> Measured:
    e = Experiment(d_in=32, d_out=24, rank=8, samples=1, optimizer="sgd", lr=0.02, steps=1, seed=seed)
    run = train(Sweep((e,)))
    rank = ranks(np.linalg.svd(run.delta_weight()[-1], compute_uv=False), bound=8).numerical
    return Measured(
        rank, (0, 2, 8), say("ΔW of a 24×32 layer with r = 8 had numerical rank {rank} after step 1.", rank=rank)
    )


def _gradient_at_the_start(seed: int) -> Measured:
    run = train(Sweep((replace(_SMALL, seed=seed),)))
    a, b = float(run.grad_A_norm[0, 0]), float(run.grad_B_norm[0, 0])
    told = say(
        "At step 0 ‖∇A‖ was {a} and ‖∇B‖ {b}; at step 1 ‖∇A‖ was {later}.",
        a=number(a),
        b=number(b),
        later=number(run.grad_A_norm[1, 0]),
    )
    return Measured(a, (b, b / 2, float(run.grad_A_norm[1, 0])), told)


def _rule_free_of_rank(seed: int) -> Measured:
    e = Experiment(d_in=64, d_out=48, samples=64, optimizer="sgd", seed=seed)
    at = (1, 2, 4, 8, 16)
    progress = first_updates(e, ranks=at, inits=("B_zero",)).progress[0, 0]  # SGD: rules, ranks, seeds
    slopes = np.polyfit(np.log(at), np.log(np.median(progress, axis=-1)).T, 1)[0]
    names = ("α/r", "α/√r", "α")
    told = ", ".join(
        say("under {rule} it goes as r^{slope:.2f}", rule=name, slope=slope)
        for name, slope in zip(names, slopes, strict=True)
    )
    return Measured(
        names[int(np.abs(slopes).argmin())],
        names,
        say("Over r = 1 to 16, median of 8 random initialisations: {slopes}.", slopes=told),
    )


def _parameters(seed: int) -> Measured:
    cost = layer_cost(4096, 4096, 16)
    count = cost.unmerged - cost.base  # a multiply–add a token for each number of A and B
    share = share_of_layer(4096, 4096, 16)
    told = say(
        "16·(4096 + 4096) = {count:,}, {share:.2f} % of {base:,}.", count=count, share=100 * share, base=cost.base
    )
    return Measured(count, (count // 2, cost.base // 16, cost.base // 256), told)


def _break_even(seed: int) -> Measured:
    rank = break_even_rank(4096, 4096)
    return Measured(
        rank,
        (4096, rank / 2, 4096 / 200),
        say("d²/(2d) = {rank}; at r = 4096 there are twice as many.", rank=number(rank)),
    )


def _one_knob(seed: int) -> Measured:
    knob = np.eye(64)
    miss = float(np.linalg.norm(knob - truncate(knob, 8)) / np.linalg.norm(knob))
    return Measured(
        miss,
        (0.0, 8 / 64, (8 / 64) ** 0.5),
        say("64 equal singular values; the best 8 leave {miss}.", miss=number(miss)),
    )


def _sum_of_two(seed: int) -> Measured:
    total = np.zeros((12, 10))
    for own in (2 * seed, 2 * seed + 1):
        A, B = low_rank_factors(12, 10, 3, own)
        total += B @ A
    rank = ranks(np.linalg.svd(total, compute_uv=False), bound=10).numerical
    return Measured(
        rank, (0, 3, 9), say("Two random 12×10 matrices of rank 3: their sum had numerical rank {rank}.", rank=rank)
    )


def _effective_rank(seed: int) -> Measured:
    effective = ranks(np.ones(4), bound=4).effective
    return Measured(
        effective, (0.25, 1, 2), say("exp of the entropy of four quarters is {effective}.", effective=number(effective))
    )


def _gradient_of_the_base(seed: int) -> Measured:
    size = float(np.linalg.norm(full_gradient(train(Sweep((replace(_SMALL, seed=seed),))))[0]))
    words = (say("yes, but it is not computed"), say("no, it is 0"), say("only after a merge"))
    told = say("G = ∂L/∂W at step 0 has norm {size}; only G Aᵀ and Bᵀ G are needed.", size=number(size))
    return Measured(words[0] if size > 0 else words[1], words, told)


def _merged_in_bf16(seed: int) -> Measured:
    e = Experiment(d_in=48, d_out=48, rank=4, steps=60, seed=seed)
    report = merge_report(train(Sweep((e,)), records=2), sizes=(1e-3,))
    share = round(100 * float(report.unchanged[0, report.shown]))
    return Measured(
        share,
        (0, 100 - share, 100),
        say("{share} % of 48×48 weights were exactly the same after the merge.", share=share),
    )


def _lost_inputs(seed: int) -> Measured:
    A, B = low_rank_factors(3, 3, 2, seed)
    seen = ranks(FactoredMatrix(A, B).singular_values(), bound=2).numerical
    return Measured(
        3 - seen,
        (0, 2, 3),
        say("B A had numerical rank {rank}: {lost} of 3 input directions moved nothing.", rank=seen, lost=3 - seen),
    )


def _floor(seed: int) -> Measured:
    target = make_task(Experiment(target_rank=4, spectrum="flat", seed=seed)).target_delta
    left = reduced_rank_floor(target, np.eye(target.shape[1]), 2)[1] / float(np.linalg.norm(target))
    return Measured(
        left, (0.0, 0.25, 0.5), say("The best rank-2 update leaves {left} of ‖ΔW*‖: √½, not ½.", left=number(left))
    )


def _both_zero(seed: int) -> Measured:
    run = train(Sweep((replace(_SMALL, seed=seed, init="both_zero"),)))
    moved = float(np.abs(run.delta_weight()).max())
    left = float(run.loss[-1, 0] / run.loss[0, 0])
    told = say(
        "The loss was {left} of the initial loss, and no entry of ΔW had moved by more than {moved}.",
        left=number(left),
        moved=number(moved),
    )
    return Measured(left, (0.0, 0.5, 0.9), told)


QUESTIONS: dict[str, QuizQuestion] = {
    "lost": QuizQuestion(
        to_say(
            "A layer has 3 inputs and an adapter of rank 2. How many input directions does the update not see at all?"
        ),
        to_say("A has 2 rows: whatever is at right angles to both is in its null space."),
        "bottleneck?rank=2",
        _lost_inputs,
    ),
    "floor": QuizQuestion(
        to_say(
            "The target update has 4 equal singular values. What fraction of its norm remains as error at rank 2, at "
            "best?"
        ),
        to_say("Squared singular values add up: two of four hold half the energy, and the error is its root."),
        "rank?noise=0&at=2",
        _floor,
    ),
    "start": QuizQuestion(
        to_say("LoRA starts with B = 0. How large is ‖∇A‖ at step 0?"),
        to_say("∇A = s·Bᵀ G, so it is exactly 0 while B is. ∇B = s·G Aᵀ is not."),
        "gradient_flow?at=0",
        _gradient_at_the_start,
    ),
    "both_zero": QuizQuestion(
        to_say("A and B are both 0 at the start. What fraction of the initial loss remains after training?"),
        to_say("Each gradient contains the other factor, so both stay exactly 0."),
        "gradient_flow?init=both_zero",
        _both_zero,
    ),
    "bf16": QuizQuestion(
        to_say(
            "An update a thousandth the size of W is merged in bf16. What percentage of the weights stays exactly "
            "the same?"
        ),
        to_say("bf16 keeps 8 bits: what is less than half its last one is rounded away."),
        "merge?at=0.001",
        _merged_in_bf16,
    ),
    "sample": QuizQuestion(
        to_say("r = 8. One step on one sample: what numerical rank does ΔW have?"),
        to_say("The gradient of one sample is an outer product. The shapes only bound the rank."),
        "rank_over_time?at=1",
        _rank_after_a_step,
    ),
    "rule": QuizQuestion(
        to_say("Under which scale s does SGD's first useful step not depend on the rank?"),
        to_say("The step goes as s² times what a random A sees, which grows as r."),
        "scaling",
        _rule_free_of_rank,
    ),
    "count": QuizQuestion(
        to_say("A 4096×4096 layer, r = 16. How many numbers are trained?"),
        to_say("A is 16×4096 and B 4096×16."),
        "cost?at=16",
        _parameters,
    ),
    "even": QuizQuestion(
        to_say("A 4096×4096 layer. At which rank do A and B hold as many numbers as W?"),
        to_say("2·d·r = d² at r = d/2, not at full rank."),
        "cost?at=2048",
        _break_even,
    ),
    "knob": QuizQuestion(
        to_say("c·I, 64×64, has one free parameter. What fraction of it does the best rank-8 matrix miss?"),
        to_say("Few free numbers are not a low rank: all 64 directions are equally strong."),
        "few_numbers?at=8",
        _one_knob,
    ),
    "sum": QuizQuestion(
        to_say("Two adapters of rank 3 are added. What rank does the sum have?"),
        to_say("Matrices of rank at most r are not a subspace: ranks add, unless directions are shared."),
        "subspace",
        _sum_of_two,
    ),
    "effective": QuizQuestion(
        to_say("Four equal singular values. What is the effective rank?"),
        to_say("exp(entropy) of equal fractions is their number. If one dominates, it approaches 1."),
        "rank_over_time",
        _effective_rank,
    ),
    "base": QuizQuestion(
        to_say("W is frozen. Does the loss have a gradient with respect to W?"),
        to_say(
            "“Frozen” means that no step is taken along this gradient. It still exists, and the gradients of A "
            "and B are computed from it."
        ),
        "gradient_flow",
        _gradient_of_the_base,
    ),
}
