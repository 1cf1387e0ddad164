"""Records of what happened: a task and the history of the adapters that learned it, as NumPy arrays.

Convention of the whole house (PEFT's): y = W x + s·B(A x), A (rank, d_in), B (d_out, rank), ΔW = s·B A (d_out, d_in).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from lora_viz.core.experiment import Experiment, Sweep
from lora_viz.core.factored import FactoredMatrix

__all__ = [
    "Allocation",
    "FirstUpdates",
    "GradientCheck",
    "MergeReport",
    "Run",
    "StartSizes",
    "Task",
    "joined",
    "recorded_steps",
]


@dataclass(frozen=True, slots=True, eq=False)
class Task:
    """What there is to learn: a frozen base weight, the update that a teacher hides, and samples of it.

    The loss of every run is L = 1/(2n) Σ‖y − t‖²; it depends on the samples only through ``input_covariance`` XᵀX/n,
    ``cross_covariance`` RᵀX/n with the residuals R = T − X Wᵀ, and ``residual_energy`` ‖R‖²/n.
    """

    base_weight: Float[np.ndarray, "d_out d_in"]
    target_delta: Float[np.ndarray, "d_out d_in"]
    inputs: Float[np.ndarray, "n d_in"]
    residuals: Float[np.ndarray, "n d_out"]
    input_covariance: Float[np.ndarray, "d_in d_in"]
    cross_covariance: Float[np.ndarray, "d_out d_in"]
    residual_energy: float


@dataclass(frozen=True, slots=True, eq=False)
class Run:
    """What happened to each adapter of a sweep, at the recorded steps.

    ``A[i]`` is (T, rank_i, d_in), ``B[i]`` (T, d_out, rank_i): the state after ``steps[t]`` updates. ``loss``,
    ``grad_A_norm`` and ``grad_B_norm`` (Frobenius, of the batch used at that step) are (T, N). An adapter that
    diverges keeps its last finite state; ``diverged_at[i]`` is that step (−1: it never happened)
    and its loss and gradient norms are NaN from there on. ``engine`` trained them: "stack", "graph", "fused", "dense"
    or "exact". A run without factors has no ``A`` and ``B``.

    ``rest[i]``, (T or 1, d_out, d_in), is what ΔW has beyond s·B A: a start that moved the base weight, a quantised
    base, a rescaled row. None, or no entry at all, means nothing. ``parameters[i]`` are trainable parameters other than
    A and B, each (T, …); the gradient norms are those of all parameters on A's side and on B's, 0 where there are none.
    """

    sweep: Sweep
    task: Task
    steps: Int[np.ndarray, "T"]
    loss: Float[np.ndarray, "T N"]
    grad_A_norm: Float[np.ndarray, "T N"]
    grad_B_norm: Float[np.ndarray, "T N"]
    A: tuple[Float[np.ndarray, "T _ d_in"], ...]
    B: tuple[Float[np.ndarray, "T d_out _"], ...]
    diverged_at: Int[np.ndarray, "N"]
    device: str
    rest: tuple[Float[np.ndarray, "_ d_out d_in"] | None, ...] = ()
    parameters: tuple[dict[str, np.ndarray], ...] = ()
    engine: str = "stack"

    @property
    def experiment(self) -> Experiment:
        """The first (for a run of one: the) experiment."""
        return self.sweep[0]

    def last(self, adapter: int = 0) -> int:
        """Index of the last recorded step at which this adapter still had a finite loss."""
        alive = np.flatnonzero(np.isfinite(self.loss[:, adapter]))
        return int(alive[-1]) if len(alive) else 0

    def factored(self, adapter: int = 0) -> FactoredMatrix:
        """s·B A as its factors, at every recorded step."""
        return FactoredMatrix(self.A[adapter], self.B[adapter], self.sweep[adapter].scaling)

    def delta_weight(self, adapter: int = 0) -> Float[np.ndarray, "T d_out d_in"]:
        """ΔW, the layer's weight minus the original one, at every recorded step: s·B A and the ``rest``."""
        low_rank = self.factored(adapter).dense()
        rest = self.rest[adapter] if self.rest else None
        return low_rank if rest is None else low_rank + rest


@dataclass(frozen=True, slots=True, eq=False)
class GradientCheck:
    """Autograd beside the formula: Frobenius norms of both, and the largest entrywise difference, per step."""

    steps: Int[np.ndarray, "T"]
    autograd_A: Float[np.ndarray, "T"]
    autograd_B: Float[np.ndarray, "T"]
    formula_A: Float[np.ndarray, "T"]
    formula_B: Float[np.ndarray, "T"]
    difference_A: Float[np.ndarray, "T"]
    difference_B: Float[np.ndarray, "T"]


@dataclass(frozen=True, slots=True, eq=False)
class MergeReport:
    """What merging changes: one row a relative size ρ = ‖ΔW‖/‖W‖, one column a dtype.

    ``max_difference`` and ``relative_difference`` compare the outputs merged and unmerged, ``unmerge_drift`` is
    max|W − unmerge(merge(W))|, ``unchanged`` the share of weights that the merge leaves bit-identical although their
    ΔW is not 0, ``lost`` the relative error ‖(W′−W) − ΔW‖/‖ΔW‖ of the update that arrived. ``base``, ``delta``,
    ``merged`` and ``arrived`` = W′−W are those of ``dtypes[shown]``; ``mistakes`` (S, M) are the relative output errors
    of merging right and wrong in float32.
    """

    dtypes: tuple[str, ...]
    sizes: Float[np.ndarray, "S"]
    max_difference: Float[np.ndarray, "S D"]
    relative_difference: Float[np.ndarray, "S D"]
    unmerge_drift: Float[np.ndarray, "S D"]
    unchanged: Float[np.ndarray, "S D"]
    lost: Float[np.ndarray, "S D"]
    shown: int
    base: Float[np.ndarray, "d_out d_in"]
    delta: Float[np.ndarray, "S d_out d_in"]
    merged: Float[np.ndarray, "S d_out d_in"]
    arrived: Float[np.ndarray, "S d_out d_in"]
    mistake_names: tuple[str, ...]
    mistakes: Float[np.ndarray, "S M"]
    trained_size: float


@dataclass(frozen=True, slots=True, eq=False)
class Allocation:
    """The ranks that pruning keeps, in S sets of L layers that share one budget each.

    ``values`` λ (S, T, L, r) are 0 where a triplet was just pruned, and may grow again before the next pruning;
    ``kept`` counts the triplets that the last pruning left. ``left`` (S, T, L) is each layer's ‖ΔW − M‖²/‖M‖² on its
    inputs, NaN after it diverged. ``budget`` (T,) counts the triplets of a set that the schedule allows; ``sigma`` are
    the target's singular values in the first set.
    """

    steps: Int[np.ndarray, "T"]
    true_ranks: tuple[int, ...]
    budget: Int[np.ndarray, "T"]
    prunes_from: int
    prunes_to: int
    values: Float[np.ndarray, "S T L r"]
    kept: Int[np.ndarray, "S T L"]
    left: Float[np.ndarray, "S T L"]
    sigma: Float[np.ndarray, "L r"]
    trained_numbers: int


@dataclass(frozen=True, slots=True, eq=False)
class FirstUpdates:
    """The size of the first update ΔW₁ of an adapter that starts at B = 0.

    Axes: optimizers O, inits I, scaling rules S, ranks R, seeds N. ``progress`` is −⟨ΔW₁, G⟩/‖G‖, the part of the
    update that lowers the loss, ``size`` ‖ΔW₁‖, ``grad_B`` ‖∇B‖ at step 0; all Frobenius.
    """

    optimizers: tuple[str, ...]
    inits: tuple[str, ...]
    rules: tuple[str, ...]
    ranks: Int[np.ndarray, "R"]
    progress: Float[np.ndarray, "O I S R N"]
    size: Float[np.ndarray, "O I S R N"]
    grad_B: Float[np.ndarray, "I S R N"]


@dataclass(frozen=True, slots=True, eq=False)
class StartSizes:
    """The size of the factors at the start, and of their product. Axes: ranks R, starts of A I, seeds N.

    ``entries`` are those of B A for the first seed, both factors with entries of standard deviation ``sigma``, and
    ``rms`` their root mean square; ``variance`` is that of A's entries, ``output`` E‖Ax‖²/E‖x‖² over the samples.
    """

    ranks: Int[np.ndarray, "R"]
    inits: tuple[str, ...]
    sigma: float
    entries: Float[np.ndarray, "R n"]
    rms: Float[np.ndarray, "R N"]
    variance: Float[np.ndarray, "I R N"]
    output: Float[np.ndarray, "I R N"]


def joined(sweep: Sweep, parts: Sequence[tuple[Sequence[int], Run]]) -> Run:
    """One run of a sweep whose members were trained apart: ``parts`` are (their numbers in the sweep, their run)."""
    runs = [run for _, run in parts]
    order = np.argsort(np.concatenate([members for members, _ in parts]))

    def wide(name: str) -> np.ndarray:
        return np.concatenate([getattr(run, name) for run in runs], axis=-1)[..., order]

    def each(name: str, nothing: object) -> tuple[Any, ...]:
        if not any(getattr(run, name) for run in runs):
            return ()
        found = [one for run in runs for one in (getattr(run, name) or [nothing] * len(run.sweep))]
        return tuple(found[i] for i in order)

    return Run(
        sweep=sweep,
        task=runs[0].task,
        steps=runs[0].steps,
        loss=wide("loss"),
        grad_A_norm=wide("grad_A_norm"),
        grad_B_norm=wide("grad_B_norm"),
        A=each("A", None),
        B=each("B", None),
        diverged_at=wide("diverged_at"),
        device=runs[0].device,
        rest=each("rest", None),
        parameters=each("parameters", {}),
        engine=" and ".join(sorted({run.engine for run in runs})),
    )


def recorded_steps(steps: int, records: int) -> list[int]:
    """The steps at which the state is kept: all if they fit; else every one near 0, where the story is, then sparser.

    The gaps grow geometrically and the last step is always kept: at most ``records`` entries, at least 2.
    """
    if steps + 1 <= records:
        return list(range(steps + 1))
    if records <= 2:
        return [0, steps]
    dense = records // 2
    tail = np.geomspace(dense, steps, records - dense)
    return sorted({*range(dense), *(round(float(x)) for x in tail)})
