"""Tasks to learn: synthetic teachers with a known target, drawn from named generator streams."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from jaxtyping import Float, Int

from lora_viz.core.experiment import TASK_FIELDS, Experiment
from lora_viz.core.random_streams import stream
from lora_viz.core.run import Task

__all__ = ["TARGET_NORM", "batches", "make_task", "target_spectrum"]

TARGET_NORM = 4.0  # σ₁ of every target: against inputs of unit variance a loss of some units, whatever the spectrum


def target_spectrum(experiment: Experiment) -> Float[np.ndarray, "k"]:
    """Singular values of the target update, the first always TARGET_NORM.

    flat; power: 1/i; exponential: 0.7^(i−1); geometric: evenly on a log axis down to 1/target_condition; spike: one
    strong, all others a tenth of it. A rotation's and a row rescaling's follow W: there the same shape is that of the
    angles and of the stretches.
    """
    return TARGET_NORM * _shape(experiment, experiment.true_rank)


def _shape(e: Experiment, k: int) -> Float[np.ndarray, "k"]:
    i = np.arange(1, k + 1, dtype=float)
    shapes = {
        "flat": np.ones_like(i),
        "power": 1 / i,
        "exponential": 0.7 ** (i - 1),
        "geometric": e.target_condition ** -((i - 1) / max(k - 1, 1)),
        "spike": np.where(i == 1, 1.0, 0.1),
    }
    return shapes[e.spectrum]


def _target(e: Experiment, base_weight: np.ndarray) -> Float[np.ndarray, "d_out d_in"]:
    most = min(e.d_in, e.d_out)
    teacher = stream("target", e.seed)
    # Drawn at full width and then cut: a higher target rank keeps the directions of the lower one.
    left = np.linalg.qr(teacher.standard_normal((e.d_out, most)))[0]
    right = np.linalg.qr(teacher.standard_normal((e.d_in, most)))[0]
    if e.task == "rotation":  # planes of two axes each turn by 90°, and less in the shape of the spectrum
        axes = np.linalg.qr(teacher.standard_normal((e.d_out, e.d_out)))[0]
        turned = axes.copy()
        for plane, angle in enumerate(np.pi / 2 * _shape(e, e.d_out // 2)):
            i, j = 2 * plane, 2 * plane + 1
            turned[:, i] = np.cos(angle) * axes[:, i] + np.sin(angle) * axes[:, j]
            turned[:, j] = np.cos(angle) * axes[:, j] - np.sin(angle) * axes[:, i]
        return turned @ axes.T @ base_weight - base_weight
    if e.task == "row_rescale":  # row by row, in no order: the first grows to three times its length
        more = np.empty(e.d_out)
        more[teacher.permutation(e.d_out)] = 2 * _shape(e, e.d_out)
        return more[:, None] * base_weight
    sigma = target_spectrum(e)
    if e.task == "inside_top":
        width = min(2 * len(sigma), most)
        u, _, vt = np.linalg.svd(base_weight, full_matrices=False)
        left = u[:, :width] @ np.linalg.qr(teacher.standard_normal((width, width)))[0]
        right = vt[:width].T @ np.linalg.qr(teacher.standard_normal((width, width)))[0]
    return (left[:, : len(sigma)] * sigma) @ right[:, : len(sigma)].T


def make_task(experiment: Experiment) -> Task:
    """Base weight, hidden update and samples of an experiment: a function of its task fields and seed alone.

    With at least d_in samples the inputs are whitened and then stretched, so that their covariance has exactly the
    condition number asked for (1: exactly isotropic); with fewer they stay as drawn.
    """
    return _draw(Experiment(rank=1, **dict(zip(TASK_FIELDS, experiment.task_key, strict=True))))


@lru_cache(maxsize=64)
def _draw(e: Experiment) -> Task:
    base_weight = stream("base", e.seed).standard_normal((e.d_out, e.d_in)) / np.sqrt(e.d_in)
    target = _target(e, base_weight)

    inputs = stream("inputs", e.seed).standard_normal((e.samples, e.d_in))
    variances = e.condition ** -np.linspace(0, 1, e.d_in)
    variances *= e.d_in / variances.sum()
    axes = np.linalg.qr(stream("axes", e.seed).standard_normal((e.d_in, e.d_in)))[0]
    if e.samples >= e.d_in:
        inputs = np.linalg.qr(inputs)[0] * np.sqrt(e.samples)
    if e.condition != 1:
        inputs = inputs @ (axes * np.sqrt(variances)) @ axes.T  # the symmetric root: the cloud is stretched, not turned
    residuals = inputs @ target.T
    if e.noise:
        residuals = residuals + e.noise * stream("noise", e.seed).standard_normal((e.samples, e.d_out))

    isotropic = e.samples >= e.d_in and e.condition == 1
    covariance = np.eye(e.d_in) if isotropic else inputs.T @ inputs / e.samples
    task = Task(
        base_weight=base_weight,
        target_delta=target,
        inputs=inputs,
        residuals=residuals,
        input_covariance=covariance,
        cross_covariance=residuals.T @ inputs / e.samples,
        residual_energy=float(np.sum(residuals**2) / e.samples),
    )
    for array in (base_weight, target, inputs, residuals, covariance, task.cross_covariance):
        array.flags.writeable = False  # shared by every caller of the cache
    return task


def batches(experiment: Experiment) -> Int[np.ndarray, "steps_and_one batch"]:
    """The samples that each step sees: one shuffled epoch after another, the same for every adapter of a sweep."""
    e = experiment
    rng = stream("batches", e.seed)
    per_epoch = e.samples // e.batch
    epochs = -(-(e.steps + 1) // per_epoch)
    order = [rng.permutation(e.samples)[: per_epoch * e.batch].reshape(per_epoch, e.batch) for _ in range(epochs)]
    return np.concatenate(order)[: e.steps + 1]
