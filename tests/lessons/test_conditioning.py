"""Who needs how many steps: laws that hold at any size."""

from dataclasses import replace

import numpy as np
import pytest

from lora_viz.core.experiment import Experiment, Sweep
from lora_viz.engine.training import train
from lora_viz.film.paper import printed
from lora_viz.lessons.training.conditioning import LESSON, Conditioning, conditioning, detail, film, takeaway, verdict

E = Experiment(
    d_in=11, d_out=7, target_rank=3, spectrum="geometric", rank=3, alpha=1.0, scaling_rule="constant", samples=31,
    steps=400,
)  # fmt: skip


def record(stretched: str = "target", faster: float = 1.0, **change: object) -> Conditioning:
    e = replace(E, **change)  # type: ignore[arg-type]
    runs = []
    for k in (1.0, 10.0):
        task = replace(
            e, target_condition=k if stretched == "target" else 1.0, condition=1.0 if stretched == "target" else k
        )
        rules = [("sgd", 0.1), ("sgd", 0.2), ("scaled_gd", 0.3), ("scaled_gd", 0.7)]
        members = [replace(task, optimizer=o, lr=faster * lr, init_seed=s) for o, lr in rules for s in range(3)]
        runs.append(train(Sweep(tuple(members)), records=1000))
    return conditioning(runs, stretched=stretched)


@pytest.fixture(scope="module")
def found() -> Conditioning:
    return record()


def test_gd_slows_down_and_scaled_gd_does_not(found: Conditioning) -> None:
    gd, scaled = (found.needed[1, found.rules.index(rule)] for rule in ("sgd", "scaled_gd"))
    assert gd[1] > 4 * gd[0]
    assert scaled[1] < 1.3 * scaled[0]
    assert (found.lr[1] == 0.7).all()
    assert "Scaled GD is not affected" in takeaway(found)
    assert verdict(found).holds and verdict(found).evidence["sgd"] == gd.tolist()
    for i in range(2):  # GD gets faster; scaled GD slows down
        other = found.needed.copy()
        other[:, i, 1] = other[:, i, 0] * (0.5, 2.0)[i]
        assert verdict(found._replace(needed=other)).holds is False


def test_steps_are_those_of_the_loss(found: Conditioning) -> None:
    for i in range(2):
        for k in range(2):
            arrived = np.flatnonzero(found.loss[i, k] <= 1e-8)
            assert found.needed[0, i, k] - 1 <= arrived[0] <= found.needed[2, i, k] + 1


def test_what_is_stretched_is_shown(found: Conditioning) -> None:
    np.testing.assert_allclose(found.shape[:, 0] / found.shape[:, -1], found.kappa)
    inputs = record("inputs")
    np.testing.assert_allclose((inputs.shape[:, 0] / inputs.shape[:, -1]) ** 2, inputs.kappa)
    assert inputs.needed[1, 1, 1] > 2 * inputs.needed[1, 1, 0]
    assert "not by the inputs' covariance" in takeaway(inputs)
    assert verdict(inputs).holds is False


def test_a_rank_too_small_never_arrives() -> None:
    found = record(rank=2)
    assert "Rank 2 cannot reach a target of rank 3." in takeaway(found)
    assert "Goal not reached within 400 steps: GD." in detail(found)
    assert verdict(found).holds is None


@pytest.mark.parametrize(
    ("faster", "steps", "arrives"),
    [(1.0, 400, True), (1e3, 400, False), (1.0, 0, False)],
    ids=["normal", "diverged", "no_step"],
)
def test_the_figure_draws_the_record(faster: float, steps: int, arrives: bool) -> None:
    found = record(faster=faster, steps=steps)
    assert np.isfinite(found.needed).any() == arrives
    drawn = printed(film(found), LESSON.on_paper, theme="dark").data
    assert [curve.name for curve in drawn] == ["GD", "scaled GD"]
    for curve, expected in zip(drawn, found.needed[1], strict=True):
        np.testing.assert_array_equal(curve.x, [1.0, 10.0])
        np.testing.assert_array_equal(curve.y, np.where(np.isfinite(expected), expected, np.nan))
