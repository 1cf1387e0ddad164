"""Other factors, same product: what moves, what does not, and how many ways there are."""

import numpy as np
import pytest
import torch

from lora_viz.film.paper import printed
from lora_viz.layer.factorisation import product_jacobian
from lora_viz.layer.matrices import drawn_matrix
from lora_viz.lessons.rank.gauge import STEPS, WAYS, film, gauge, takeaway, verdict


@pytest.mark.parametrize("rank", [2, 3, 5])
@pytest.mark.parametrize("way", WAYS)
def test_the_product_stays_and_the_factors_do_not(way: str, rank: int) -> None:
    record = gauge(way, rank, 0.01, 1, (13, 7))
    assert record.moved_product.max() < 1e-13
    assert record.moved_A.max() > 0.5 and record.moved_B.max() > 0.5
    assert not any(m[0] for m in (record.moved_A, record.moved_B, record.moved_product, record.moved_step))
    for B, A in zip(record.B, record.A, strict=True):
        np.testing.assert_allclose(B @ A, record.B[0] @ record.A[0], atol=1e-12)


def test_a_turn_keeps_the_step_and_a_stretch_does_not() -> None:
    """A step sees Q through Q Qᵀ alone: measured by autograd's gradient of ½‖B A − M‖²."""
    wanted = torch.tensor(2 * drawn_matrix("power", 13, 7, 1))
    for way in WAYS:
        record = gauge(way, 3, 0.05, 1, (13, 7))
        for t in (0, 17, 40):
            A, B = (torch.tensor(f[t], requires_grad=True) for f in (record.A, record.B))
            (0.5 * ((B @ A - wanted) ** 2).sum()).backward()
            assert A.grad is not None and B.grad is not None
            after = (B - 0.05 * B.grad) @ (A - 0.05 * A.grad) - B @ A
            np.testing.assert_allclose(record.step[t], after.detach().numpy(), atol=1e-11)
        if way == "turn":
            assert record.moved_step.max() < 1e-11
            assert "A rotation keeps the next gradient step" in takeaway(record)
            assert verdict(record).holds is False
        else:
            assert record.moved_step[-1] > 1
            assert verdict(record).holds and record.moved_step.max() > 1e-3


def test_the_condition_number_is_the_one_on_the_axis() -> None:
    record = gauge("stretch", 3, 0.01, 0, (13, 7))
    for t in (0, 20, 40):
        Q = np.linalg.lstsq(record.B[0], record.B[t], rcond=None)[0]
        assert np.linalg.cond(Q) == pytest.approx(record.value[t], rel=1e-9)
    turned = gauge("turn", 3, 0.01, 0, (13, 7))
    Q = np.linalg.lstsq(turned.B[0], turned.B[13], rcond=None)[0]
    np.testing.assert_allclose(Q @ Q.T, np.eye(3), atol=1e-12)
    np.testing.assert_allclose(turned.B[-1], turned.B[0], atol=1e-13)


@pytest.mark.parametrize(
    ("shape", "rank", "free", "at_0"),
    [((12, 10), 3, 57, 36), ((8, 8), 2, 28, 16), ((16, 9), 4, 84, 64), ((6, 6), 6, 36, 36)],
)
def test_degrees_of_freedom(shape: tuple[int, int], rank: int, free: int, at_0: int) -> None:
    """r(d_out + d_in) − r² where both factors have full rank, d_out·r at B = 0."""
    record = gauge("turn", rank, 0.01, 2, shape)
    parameters = rank * sum(shape)
    assert len(record.jacobian) == parameters
    assert (record.jacobian > 1e-9 * record.jacobian[0]).sum() == free == parameters - rank**2
    assert (record.jacobian_at_0 > 1e-9).sum() == at_0 == rank * shape[0]
    assert f"Their {parameters} entries give the product {free} degrees of freedom ({at_0} at" in takeaway(record)


def test_the_jacobian_agrees_with_finite_differences() -> None:
    record = gauge("turn", 2, 0.01, 0, (5, 3))
    A, B, h = record.A[0], record.B[0], 1e-6
    columns = []
    for factor, both in ((B, lambda f: f @ A), (A, lambda f: B @ f)):
        for i in np.ndindex(factor.shape):
            up, down = factor.copy(), factor.copy()
            up[i] += h
            down[i] -= h
            columns.append(((both(up) - both(down)) / (2 * h)).ravel())
    found = np.linalg.svd(np.stack(columns, axis=1), compute_uv=False)
    np.testing.assert_array_equal(record.jacobian, product_jacobian(A, B))
    np.testing.assert_allclose(record.jacobian[: len(found)], found, atol=1e-8)


def test_balance_is_conserved_as_the_steps_shrink() -> None:
    """The drift in a given training time is proportional to η: its rate is exactly 0."""
    for seed in range(8):
        coarse, fine = gauge("turn", 3, 0.01, seed).drift
        assert 8 < coarse / fine < 12
    assert STEPS == 100
    assert np.isnan(gauge("turn", 3, 5.0, 0).drift[0])
    counted = film(gauge("turn", 3, 5.0, 0)).panel("counted")
    assert counted.part("drift").text == ("diverges",)  # type: ignore[union-attr]


@pytest.mark.parametrize("way", WAYS)
def test_words_and_figure(way: str) -> None:
    record = gauge(way, 3, 0.01, 0)
    picture = film(record)
    lines = picture.panel("changes")
    assert lines.x_scale == ("linear" if way == "turn" else "log")  # type: ignore[union-attr]
    assert picture.narration[0] == "Q = I: the factors as drawn."
    assert ("rotated by" if way == "turn" else "Condition number") in picture.narration[9]
    drawn = printed(picture, "changes", theme="dark")
    moved = (record.moved_A, record.moved_B, record.moved_product, record.moved_step)
    assert [trace.name for trace in drawn.data] == ["A", "B", "B A", "next step of B A"] + [
        f"{name} exactly 0" for name, y in zip(("A", "B", "B A", "next step of B A"), moved, strict=True) if 0 in y
    ]
    for trace, y in zip(drawn.data[:4], moved, strict=True):
        np.testing.assert_array_equal(trace.x, record.value)
        np.testing.assert_array_equal(trace.y, np.where(y > 0, y, np.nan))
    assert drawn.layout.xaxis.type == ("linear" if way == "turn" else "log") and drawn.layout.yaxis.type == "log"
