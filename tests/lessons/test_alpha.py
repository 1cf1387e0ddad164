"""α against the learning rate: one identity exact to rounding, one broken by Adam's ε alone."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from lora_viz.core.experiment import Experiment
from lora_viz.engine.training import train
from lora_viz.film.paper import printed
from lora_viz.layer.starts import initial_factors
from lora_viz.layer.tasks import make_task
from lora_viz.lessons.training.alpha import PART as LESSON
from lora_viz.lessons.training.alpha import AlphaIdentity, alpha_identity, film, identity_sweep, takeaway

ODD = Experiment(
    d_in=13, d_out=7, target_rank=3, rank=5, alpha=10.0, samples=53, optimizer="sgd", lr=0.02, steps=60, noise=0.3
)


def record(**change: object) -> AlphaIdentity:
    return alpha_identity(train(identity_sweep(replace(ODD, **change)), records=1000))  # type: ignore[arg-type]


@pytest.mark.parametrize(("alpha", "rule"), [(10.0, "lora"), (1.7, "lora"), (3.0, "rslora"), (0.3, "constant")])
def test_sgd_cannot_tell_alpha_from_lr_and_a_larger_start(alpha: float, rule: str) -> None:
    found = record(alpha=alpha, scaling_rule=rule)
    assert found.worst[:, 1].max() < 3e-15
    assert found.worst[:, 2].min() > 0.01
    assert len(found.worst) == 8


def adam(e: Experiment, *, lr: float, scale: float, eps: float) -> np.ndarray:
    """ΔW after e.steps of torch.optim.Adam on the factors at s = 1."""
    task = make_task(e)
    a, b = (torch.tensor(x * scale, requires_grad=True) for x in initial_factors(e))
    optimizer = torch.optim.Adam([a, b], lr=lr, eps=eps)
    for _ in range(e.steps):
        optimizer.zero_grad()
        wrong = torch.tensor(task.inputs) @ (b @ a).T - torch.tensor(task.residuals)
        (0.5 * (wrong**2).sum() / e.samples).backward()
        optimizer.step()
    return (b @ a).detach().numpy()


def test_what_parts_adams_twins_is_epsilon_alone() -> None:
    found = record(optimizer="adam", alpha=20.0)
    assert 1e-12 < found.worst[0, 1] < 1e-4
    root, lr = math.sqrt(found.scaling), ODD.lr * found.factor
    ours = found.delta[-1]
    np.testing.assert_allclose(adam(ODD, lr=lr, scale=root, eps=1e-8), ours[1], rtol=0, atol=1e-10)
    np.testing.assert_allclose(adam(ODD, lr=lr, scale=root, eps=1e-8 / root), ours[0], rtol=0, atol=1e-10)
    np.testing.assert_allclose(adam(ODD, lr=lr, scale=1.0, eps=1e-8), ours[2], rtol=0, atol=1e-10)


def test_adams_second_identity_is_none_for_sgd() -> None:
    assert record(optimizer="adam").worst[:, 3].max() < 1e-4
    assert record().worst[:, 3].min() > 0.1


def test_at_s_of_1_there_is_nothing_to_rescale() -> None:
    found = record(alpha=5.0)
    assert found.worst[:, :3].max() < 3e-15
    assert "s is already 1" in takeaway(found)
    assert "nothing to rescale" in film(found).narration[-1]


def test_divergence_is_told() -> None:
    found = record(lr=5.0)
    assert "diverged" in takeaway(found)
    assert "diverged" in film(found).narration[-1]


@pytest.mark.parametrize("change", [{}, {"lr": 5.0}, {"steps": 0}], ids=["normal", "diverged", "no_step"])
def test_the_figure_draws_the_record(change: dict[str, object]) -> None:
    found = record(**change)
    assert (found.diverged_at[0] >= 0) == ("lr" in change)
    drawn = printed(film(found), LESSON.on_paper, theme="dark").data
    assert [curve.name for curve in drawn] == ["s = 2", "s = 1, η·2, A₀·1.41", "s = 1, η·2"]
    for curve, expected in zip(drawn, found.loss[:, :3].T, strict=True):
        np.testing.assert_array_equal(curve.x, found.steps)
        np.testing.assert_array_equal(curve.y, np.where(np.isfinite(expected), expected, np.nan))
