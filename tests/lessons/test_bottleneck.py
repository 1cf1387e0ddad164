"""Everything a rank-r update does happens on r directions in and r directions out."""

from dataclasses import replace

import numpy as np
import plotly.graph_objects as go
import pytest

from lora_viz.core.experiment import Experiment, Sweep
from lora_viz.core.run import Run
from lora_viz.engine.training import train
from lora_viz.film.panels import Cloud
from lora_viz.film.paper import printed
from lora_viz.film.style import number
from lora_viz.lessons.basics.bottleneck import LESSON, Bottleneck, bottleneck, film, table, takeaway, verdict

# What the lesson offers, and PEFT's Gaussian: starts over the original base weight.
STARTS = ("B_zero", "A_zero", "both_zero", "both_random", "gaussian")

OPENED = LESSON.default
ODD = replace(OPENED, d_in=7, d_out=5, rank=3, alpha=7.5, steps=60)  # no transpose hides; s = 2.5


def degrees(angle: float) -> str:
    return "< 0.001°" if angle < 1e-3 else f"{number(angle)}°"


def trained(e: Experiment) -> Run:
    return train(Sweep((e,)))


@pytest.fixture(scope="module")
def run() -> Run:
    return trained(ODD)


@pytest.fixture(scope="module")
def record(run: Run) -> Bottleneck:
    return bottleneck(run)


@pytest.fixture(scope="module")
def lesson() -> Bottleneck:
    return bottleneck(trained(OPENED))


def test_outputs_are_the_updates_own(record: Bottleneck, run: Run) -> None:
    x = run.task.inputs[: len(record.inputs)]
    np.testing.assert_array_equal(record.inputs, x)
    np.testing.assert_allclose(record.code, np.einsum("nd,trd->tnr", x, run.A[0]), atol=1e-13)
    delta = 2.5 * np.einsum("tor,tri->toi", run.B[0], run.A[0])
    np.testing.assert_allclose(record.outputs, np.einsum("toi,ni->tno", delta, x), atol=1e-12)
    np.testing.assert_allclose(record.wanted, x @ run.task.target_delta.T, atol=1e-12)
    np.testing.assert_array_equal(record.loss, run.loss[:, 0])
    np.testing.assert_array_equal(record.steps, run.steps)


def test_step_0_pushes_nowhere(record: Bottleneck) -> None:
    assert not record.outputs[0].any()
    assert record.outside[0] == record.movement[0] == 0
    assert np.isnan(record.col_B[0]).all() and np.isnan(record.angle_B[0])
    assert np.isfinite(record.row_A[0]).all() and np.isfinite(record.angle_A[0])
    assert np.abs(record.outputs[1]).max() > 0


def test_outputs_stay_on_the_columns_of_b(record: Bottleneck, run: Run) -> None:
    assert record.outside.max() < 1e-12
    assert np.abs(record.outputs[-1]).max() > 1
    for t in (1, 7, -1):
        basis = record.col_B[t]
        np.testing.assert_allclose(basis @ basis.T, np.eye(3), atol=1e-12)
        fit = np.linalg.lstsq(run.B[0][t], record.outputs[t].T, rcond=None)[0]
        np.testing.assert_allclose(run.B[0][t] @ fit, record.outputs[t].T, atol=1e-11)
        np.testing.assert_allclose(run.B[0][t].T @ basis.T @ basis, run.B[0][t].T, atol=1e-11)
        np.testing.assert_allclose(run.A[0][t] @ record.row_A[t].T @ record.row_A[t], run.A[0][t], atol=1e-11)


def test_outputs_of_the_lesson_stay_on_the_columns_of_b(lesson: Bottleneck) -> None:
    worst = int(np.argmax(lesson.outside))
    assert lesson.outside[worst] < 1e-12, f"at step {lesson.steps[worst]}"


def test_verdict(record: Bottleneck) -> None:
    found = verdict(record)
    assert found.holds and found.evidence["outside"] == record.outside[-1] < 1e-6 * np.abs(record.outputs[-1]).max()
    for wrong in ("outside", "movement"):
        assert verdict(record._replace(**{wrong: np.ones_like(record.outside)})).holds is False
    assert verdict(record._replace(outputs=np.zeros_like(record.outputs))).holds is None


def test_steps_in_the_kernel_are_not_seen_and_others_are(record: Bottleneck, run: Run) -> None:
    assert record.ghosts.shape == (len(record.steps), 2 * 4, 7)
    assert record.movement.max() < 1e-12
    delta = run.delta_weight()[-1]
    for before, after in record.ghosts[-1].reshape(4, 2, 7):
        step = after - before
        assert np.linalg.norm(step) == pytest.approx(1.6)
        assert np.linalg.norm(run.A[0][-1] @ step) < 1e-12
        assert np.linalg.norm(delta @ step) < 1e-12
    for direction in record.row_A[-1]:  # the same length, but where A reads
        assert np.linalg.norm(1.6 * delta @ direction) > 0.1
    ways = np.diff(record.ghosts.reshape(-1, 4, 2, 7), axis=2)[:, :, 0]
    assert (np.sum(ways[1:] * ways[:-1], axis=-1) >= 0).all(), "no ghost flips between frames"


def test_the_probe_is_one_of_the_inputs(record: Bottleneck) -> None:
    probe = record.ghosts[:, ::2]
    np.testing.assert_array_equal(probe, np.broadcast_to(probe[0, 0], probe.shape))
    assert (record.inputs == probe[0, 0]).all(axis=1).sum() == 1


def angle(p: np.ndarray, q: np.ndarray) -> float:
    """Largest angle in degrees between two row spaces of one dimension: from the distance of their projectors."""
    p, q = (np.linalg.qr(m.T)[0] for m in (p, q))
    return float(np.degrees(np.arcsin(min(1.0, np.linalg.norm(p @ p.T - q @ q.T, 2)))))


def test_angles_against_projectors(record: Bottleneck, run: Run) -> None:
    root = np.linalg.cholesky(run.task.input_covariance)  # any root of C will do
    best = run.task.cross_covariance @ np.linalg.inv(run.task.input_covariance)
    u, s, vt = np.linalg.svd(best @ root)
    best = (u[:, :3] * s[:3]) @ vt[:3] @ np.linalg.inv(root)
    left, _, right = np.linalg.svd(best)
    for t in (1, 10, 30):
        assert record.angle_B[t] == pytest.approx(angle(run.B[0][t].T, left[:, :3].T), abs=1e-5)
        assert record.angle_A[t] == pytest.approx(angle(run.A[0][t], right[:3]), abs=1e-5)
    assert record.angle_B[1] > 3 * record.angle_B[-1]


def test_training_turns_both_subspaces_to_the_best(lesson: Bottleneck) -> None:
    assert lesson.angle_A[0] > 10
    assert lesson.angle_B[np.isfinite(lesson.angle_B)][0] > 10
    assert lesson.angle_A[-1] < 1
    assert lesson.angle_B[-1] < 1
    assert angle(lesson.target_in, lesson.row_A[-1]) < 1
    assert angle(lesson.target_out, lesson.col_B[-1]) < 1


@pytest.mark.parametrize(
    ("d_in", "d_out", "rank"), [(3, 3, 1), (3, 3, 2), (3, 3, 3), (2, 2, 1), (2, 2, 2), (3, 2, 1), (3, 2, 2), (2, 3, 2)]
)
def test_words_and_figure(d_in: int, d_out: int, rank: int) -> None:
    run = trained(replace(OPENED, d_in=d_in, d_out=d_out, rank=rank, steps=20))
    record = bottleneck(run)
    said = takeaway(record)
    assert "nan" not in said
    assert f"{rank} of {d_out} dimensions" in said
    assert number(record.outside[-1]) in said
    if rank < d_in:
        assert f"{d_in - rank} of {d_in} input directions lie" in said
        assert number(record.movement[-1]) in said
    else:
        assert "ker A" not in said
    narration = film(record).narration
    assert len(narration) == len(record.steps) == 21
    assert narration[0] == "Step 0: B is still 0, so every Δy is exactly 0."
    a, b = record.angle_A[-1], record.angle_B[-1]
    wide = np.linalg.svd(run.B[0], compute_uv=False)
    told = (
        f"Training ended {degrees(b)} from the best output directions and {degrees(a)} from the best input directions."
    )
    assert (told in said) == ("Training ended" in said) == (rank < d_out)
    for t in range(1, 21):
        if wide[t, -1] <= 1e-9 * wide[t, 0]:  # Adam's first step moves every entry by η: the columns are parallel
            expected = f"col(B) has {rank - 1} of {rank} dimensions."
            assert t == 1
        elif rank == d_out:
            expected = f"col(B) is the whole space, so Δy can go anywhere. Loss {number(record.loss[t])}."
        elif wide[t, -1] / wide[t, 0] < 0.02:
            expected = "B's columns are almost parallel here, so the last direction of col(B) is hardly determined."
        else:
            a, b = degrees(record.angle_A[t]), degrees(record.angle_B[t])
            expected = f"col(B) is {b} from the best output directions, row(A) {a} from the best input directions."
        assert narration[t] == f"Step {t}: {expected}"
    if (d_in, d_out, rank) == (3, 3, 2):
        assert "almost parallel" in narration[-1]
    for theme in ("light", "dark"):
        drawn = printed(film(record), "out", theme=theme)
        assert isinstance(drawn, go.Figure)
        assert [trace.name for trace in drawn.data[:3]] == ["target", "Δy", "probe"]
        assert {trace.type for trace in drawn.data} == {"scatter3d" if d_out == 3 else "scatter"}
        for trace, points in zip(drawn.data[:2], (record.wanted, record.outputs[-1]), strict=True):
            for axis, name in enumerate("xyz"[:d_out]):
                np.testing.assert_array_equal(trace[name], points[:, axis])


def test_flatness_against_a_dense_svd(record: Bottleneck, run: Run) -> None:
    assert record.flatness[0] == 0.0
    for t in (1, 7, 60):
        s = np.sqrt(np.linalg.eigvalsh(run.B[0][t].T @ run.B[0][t]).clip(0))
        assert record.flatness[t] == pytest.approx(s[0] / s[-1], abs=1e-8)
    assert bottleneck(trained(replace(ODD, rank=1, steps=3))).flatness[1:] == pytest.approx(1.0)


def test_words_where_a_factor_is_zero() -> None:
    def told(**change: object) -> tuple[str, ...]:
        e = replace(OPENED, **{"steps": 4, "lr": 0.02} | change)  # type: ignore[arg-type]
        return film(bottleneck(trained(e))).narration

    assert told(init="A_zero")[0] == "Step 0: A is 0, so every Δy is exactly 0."
    assert not any("A is 0" in text for text in told(init="A_zero")[1:])
    for never in ({"init": "both_zero"}, {"frozen": "B"}):
        expected = tuple(f"Step {t}: B is 0, as at every step, so every Δy is exactly 0." for t in range(5))
        assert told(**never) == expected


def test_a_of_too_low_rank_is_not_called_zero() -> None:
    e = replace(OPENED, init="A_zero", batch=1, optimizer="sgd", steps=3)
    run = trained(e)
    assert np.linalg.matrix_rank(run.A[0][1]) == 1
    record = bottleneck(run)
    assert np.abs(record.outputs[1]).max() > 0.01
    text = film(record).narration[1]
    assert "A is 0" not in text and "exactly 0" not in text


def test_captions_count_the_directions_there_are() -> None:
    run = trained(replace(OPENED, d_in=3, d_out=2, steps=60))
    panels = film(bottleneck(run)).panels
    for panel, name, shape, use, factor in (
        (panels[0], "A", "2×3", "read", run.A[0]),
        (panels[2], "B", "2×2", "to push along", run.B[0]),
    ):
        counts = [np.linalg.matrix_rank(m, tol=1e-9 * np.linalg.norm(m, 2)) if m.any() else 0 for m in factor]
        assert panel.caption == tuple(f"{name} is {shape}: {c} direction{'s' * int(c != 1)} {use}" for c in counts)
    assert panels[2].caption[0] == "B is 2×2: 0 directions to push along"
    assert panels[2].caption[-1] == "B is 2×2: 2 directions to push along"
    one = film(bottleneck(trained(replace(OPENED, rank=1, steps=2)))).panels
    assert one[0].caption == ("A is 1×3: 1 direction read",) * 3


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_the_probe_is_there_in_every_frame(rank: int) -> None:
    record = bottleneck(trained(replace(OPENED, rank=rank, steps=4)))
    for panel in film(record).panels[:3]:
        (probe,) = (p.xyz for p in panel.points if p.name == "probe")
        assert probe.ndim == 2 or len(probe) == 5, f"{panel.title}: {probe.shape} is neither still nor one a frame"


@pytest.mark.parametrize("init", STARTS)
def test_every_init(init: str) -> None:
    record = bottleneck(trained(replace(OPENED, init=init, steps=10)))
    assert record.outside.max() < 1e-10  # directions of B below 1e-9 of its largest count as none
    assert record.movement.max() < 1e-12
    assert "nan" not in takeaway(record)
    np.testing.assert_array_equal(printed(film(record), "out").data[1].x, record.outputs[-1][:, 0])
    assert len(film(record).narration) == 11
    if init == "both_zero":
        assert not record.outputs.any()
        assert np.isnan(record.angle_A).all() and np.isnan(record.angle_B).all()
    if init == "both_random":
        assert np.abs(record.outputs[0]).max() > 0


def test_a_run_that_diverged() -> None:
    run = trained(replace(OPENED, optimizer="sgd", lr=10.0))
    record = bottleneck(run)
    at = int(run.diverged_at[0])
    assert 0 < at == record.diverged_at == record.steps[-1]
    assert np.isfinite(record.loss).all() and np.isfinite(record.outputs).all()
    assert f"diverged after step {at}" in takeaway(record)
    assert "diverged" in film(record).narration[-1]
    assert len(film(record).narration) == at + 1
    np.testing.assert_array_equal(printed(film(record), "out").data[1].z, record.outputs[-1][:, 2])
    assert {len(column) for column in table(record).values()} == {at + 1}


def test_table(record: Bottleneck) -> None:
    columns = table(record)
    assert {len(column) for column in columns.values()} == {61}
    np.testing.assert_array_equal(columns["step"], record.steps)
    np.testing.assert_array_equal(columns["angle_col_B_degrees"], record.angle_B)
    np.testing.assert_array_equal(columns["angle_row_A_degrees"], record.angle_A)
    np.testing.assert_array_equal(columns["outside_col_B"], record.outside)


@pytest.mark.parametrize("d_in", [2, 3])
def test_every_point_lies_in_the_picture_from_wherever_it_is_seen(d_in: int) -> None:
    """The player shows 1.35 times ``limit`` from the middle where it turns, else 1.2 times."""
    moving = film(bottleneck(trained(replace(OPENED, d_in=d_in, d_out=d_in, condition=1.0))))
    clouds = [panel for panel in moving.panels if isinstance(panel, Cloud)]
    assert len(clouds) == 3
    for cloud in clouds:
        farthest = max(np.linalg.norm(points.xyz, axis=-1).max(initial=0.0) for points in cloud.points)
        shown = (1.35 if cloud.dimension == 3 else 1.2) * cloud.limit
        assert farthest < shown < 1.2 * farthest, "and it is not lost in the middle"
