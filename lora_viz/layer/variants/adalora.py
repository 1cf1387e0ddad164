"""AdaLoRA: triplets P Λ Q, of which the least important are pruned until a budget of ranks is kept."""

from collections.abc import Mapping, Sequence
from typing import ClassVar, Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor

from lora_viz.core.experiment import Experiment
from lora_viz.core.random_streams import stream
from lora_viz.core.run import Task
from lora_viz.i18n.language import to_say
from lora_viz.layer.parametrisation import Arrays, Parametrisation, PlainTorch, State, Variant

PLACE = 10

STD = 0.02
BETA = 0.85  # both of the paper's
EVERY = 5  # steps between two prunings
ORTHOGONALITY = 0.1


class Schedule(NamedTuple):
    """How many ranks are kept, and when: all before ``first``, the target's after ``last``, cubic between."""

    initial: int
    target: int
    first: int
    last: int

    def budget(self, step: int) -> int:
        """The triplets that are kept at this step: the paper's equation 12, cut to a whole number as PEFT does."""
        if step <= self.first or self.last <= self.first:
            return self.initial if step < self.last else self.target
        left = max(0.0, 1 - (step - self.first) / (self.last - self.first))
        return int((self.initial - self.target) * left**3 + self.target)


def initial_rank(e: Experiment) -> int:
    """PEFT's defaults are 12 triplets for a target of 8: half as many again, as far as the layer goes."""
    return min(-(-3 * e.rank // 2), e.d_in, e.d_out)


class PrunedTriplets(Parametrisation):
    """ΔW = α/r₀ · P diag(λ) Q: r₀ triplets, λ = 0 and P, Q ~ N(0, 0.02²) at first; the target is ``rank`` of them.

    ``layers`` adapters that follow each other share one budget, as the layers of one model; ``initial`` and ``total``
    say with how many triplets each of them begins and how many are kept among them, where that is not the experiment's.
    Importance and masks are PEFT's and the authors' (QingruZhang/AdaLoRA); the penalty 0.1(‖PᵀP − I‖² + ‖QQᵀ − I‖²) is
    the paper's, where both take norms that are not squared. In PEFT's names P, λ, Q are lora_B, lora_E, lora_A.
    """

    sides: ClassVar[Mapping[str, Literal["A", "B"]]] = {"A": "A", "E": "A", "B": "B"}
    moving: ClassVar[tuple[str, ...]] = ("kept",)
    told: ClassVar[tuple[str, ...]] = ("kept",)

    def __init__(self, layers: int = 1, initial: int | None = None, total: int | None = None) -> None:
        self.layers, self.initial, self.total = layers, initial, total

    def start(self, e: Experiment, task: Task) -> tuple[Arrays, Arrays]:
        r = self.initial or initial_rank(e)
        A = stream("adalora A", e.seed, e.init_seed).standard_normal((r, e.d_in)) * STD
        B = stream("adalora B", e.seed, e.init_seed).standard_normal((r, e.d_out)).T * STD
        scale = np.full((1, 1), e.alpha / (r + 1e-5))  # PEFT's, with its guard against r = 0
        return {"A": A, "E": np.zeros((r, 1)), "B": B}, {"scale": scale, "kept": np.ones((r, 1))}

    def delta(self, p: State, fixed: State, s: Tensor) -> Tensor:
        return fixed["scale"] * (p["B"] @ (p["E"] * p["A"]))

    def gradients(self, p: State, fixed: State, s: Tensor, G: Tensor) -> State:
        A, E, B = p["A"], p["E"], p["B"]
        right, left = fixed["scale"] * (B.mT @ G), fixed["scale"] * (G @ A.mT)
        return {
            "A": E * right + 4 * ORTHOGONALITY * (self._off(A @ A.mT) @ A),
            "E": (right * A).sum(dim=-1, keepdim=True),
            "B": left * E.mT + 4 * ORTHOGONALITY * (B @ self._off(B.mT @ B)),
        }

    @staticmethod
    def _off(gram: Tensor) -> Tensor:
        return gram - torch.eye(gram.shape[-1], dtype=gram.dtype, device=gram.device)

    def penalty(self, p: State) -> Tensor:
        grams = p["A"] @ p["A"].mT, p["B"].mT @ p["B"]
        off = [(self._off(gram) ** 2).sum(dim=(-2, -1)) for gram in grams]
        return ORTHOGONALITY * (off[0] + off[1])

    def factors(self, p: State, fixed: State, s: Tensor) -> tuple[Tensor, Tensor]:
        return p["A"], p["B"] * p["E"].mT * (fixed["scale"] / torch.where(s == 0, 1.0, s))

    def in_torch(self, e: Experiment, fixed: Arrays) -> PlainTorch:
        """``.mT`` and the last axes: the same lines serve one layer and several that share a budget."""
        r = fixed["kept"].shape[-2]
        plan = self.schedule([e], r)
        return PlainTorch(
            f"return x @ W.mT + {e.alpha!r} / ({r} + 1e-5) * (x @ A.mT * E.mT) @ B.mT",
            before=f"""
I = torch.eye({r}, dtype=A.dtype)
mean, spread = ({{w: torch.zeros_like(w) for w in (A, E, B)}} for _ in range(2))


def important(budget):
    \"""1 for the so many triplets that the loss feels most, 0 for the others.\"""
    of_A, of_E, of_B = (mean[w] * spread[w] for w in (A, E, B))
    score = of_E[..., 0] + of_A.mean(dim=-1) + of_B.mean(dim=-2)
    pruned = score.numel() - budget
    return (score > score.flatten().kthvalue(pruned)[0] if pruned else score == score).to(E.dtype)[..., None]
""",
            penalty=f"{ORTHOGONALITY} * (((A @ A.mT - I) ** 2).sum() + ((B.mT @ B - I) ** 2).sum())",
            after=f"""
with torch.no_grad():
    for w in (A, E, B) if k < {plan.last} else ():  # how much the loss feels each number, and how unsure that is
        felt = (w * w.grad).abs()
        mean[w] = {BETA} * mean[w] + {1 - BETA:g} * felt
        spread[w] = {BETA} * spread[w] + {1 - BETA:g} * (felt - mean[w]).abs()
    pruning = {plan.first} < k < {plan.last} and k % {EVERY} == 0
    if pruning or k == {plan.last}:  # from {plan.initial} triplets to {plan.target}, along a cubic
        share = max(0.0, 1 - (k - {plan.first}) / {max(1, plan.last - plan.first)})
        mask = important(int({plan.initial - plan.target} * share**3 + {plan.target}))
    if pruning or k >= {plan.last}:
        E *= mask
""",
        )

    def schedule(self, members: Sequence[Experiment], triplets: int) -> Schedule:
        """A seventh of the run to warm up, two sevenths at the end to settle."""
        e, all_of_them = members[0], self.layers * triplets
        target = self.layers * e.rank if self.total is None else self.total
        return Schedule(all_of_them, min(target, all_of_them), e.steps // 7, e.steps - 2 * e.steps // 7)

    def after_step(
        self, k: int, members: Sequence[Experiment], p: State, grads: State, fixed: State, memory: State
    ) -> None:
        """``kept`` is the mask of the last pruning; between two prunings a masked λ may grow again."""
        plan = self.schedule(members, p["E"].shape[-2])
        if k < plan.last:
            self._remember(p, grads, memory)
        pruning = plan.first < k < plan.last and k % EVERY == 0
        if pruning or k == plan.last:
            fixed["kept"].copy_(self._kept(p, memory, plan.budget(k)))
        if pruning or k >= plan.last:
            p["E"].mul_(fixed["kept"])

    @staticmethod
    def _remember(p: State, grads: State, memory: State) -> None:
        """Smoothed sensitivity |w·∂L/∂w| and its smoothed uncertainty."""
        for name, w in p.items():
            now = (w * grads[name]).abs()
            mean = memory.setdefault(f"mean {name}", torch.zeros_like(w))
            spread = memory.setdefault(f"spread {name}", torch.zeros_like(w))
            mean.mul_(BETA).add_(now, alpha=1 - BETA)
            spread.mul_(BETA).add_((now - mean).abs(), alpha=1 - BETA)

    def _kept(self, p: State, memory: State, budget: int) -> Tensor:
        """1 for the ``budget`` most important triplets, 0 for the others."""
        score = {name: memory[f"mean {name}"] * memory[f"spread {name}"] for name in p}
        of = score["E"][..., 0] + score["A"].mean(dim=-1) + score["B"].mean(dim=-2)
        flat = of.reshape(-1, self.layers * of.shape[-1])
        pruned = flat.shape[-1] - budget
        if pruned <= 0:
            return torch.ones_like(p["E"])
        threshold = torch.kthvalue(flat, pruned, dim=-1, keepdim=True)[0]
        return (flat > threshold).to(of.dtype).reshape(of.shape)[..., None]


VARIANT = Variant(
    name="adalora",
    title="AdaLoRA",
    rule=(
        r"\Delta W = \tfrac{\alpha}{r_0}\,P\Lambda Q, \quad \lambda_k \leftarrow \lambda_k\,[S_k > \tau], \; "
        r"S_k \sim |w\,\partial L/\partial w|"
    ),
    authors="Q. Zhang et al.",
    year=2023,
    arxiv="2303.10512",
    parameters=lambda e: initial_rank(e) * (e.d_in + e.d_out + 1),
    form=PrunedTriplets(),
    remark=to_say("Here the budget is one layer's own; the page on AdaLoRA shares one among several layers."),
)
