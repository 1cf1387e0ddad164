"""Several trials together: NumPy's least, median and most where all are numbers, and counting by hand elsewhere."""

import numpy as np
import pytest

from lora_viz.core.seeds import first_below, log_slope, spread

NAN, INF = float("nan"), float("inf")


@pytest.mark.parametrize("axis", [0, 1, 2, -1])
@pytest.mark.parametrize("n", [1, 7, 8])
def test_it_is_numpys_where_all_are_numbers(n: int, axis: int) -> None:
    values = np.moveaxis(np.random.default_rng(n).standard_normal((n, 3, 5)), 0, axis)
    expected = [values.min(axis=axis), np.median(values, axis=axis), values.max(axis=axis)]
    for worst in ("most", "least"):
        np.testing.assert_allclose(spread(values, axis=axis, worst=worst), expected, rtol=1e-13)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([3.0, NAN, 1.0, 2.0, 5.0], [1, 3, 5]),
        ([3.0, NAN, 1.0], [1, 3, 3]),
        ([3.0, NAN, 1.0, 2.0], [1, 2.5, 3]),
        ([3.0, NAN, NAN], [3, NAN, 3]),
        ([3.0, NAN, NAN, 1.0], [1, NAN, 3]),  # half of them is too many
        ([NAN, NAN], [NAN, NAN, NAN]),
        ([7.0, INF, 5.0], [5, 7, INF]),
        ([7.0, INF, 5.0, INF], [5, INF, INF]),  # a median that never arrives
        ([7.0, INF, NAN], [7, INF, INF]),  # what diverged is worse than what never arrives
    ],
)
def test_what_did_not_end_well_counts_as_the_worst(values: list[float], expected: list[float]) -> None:
    np.testing.assert_array_equal(spread(np.array(values), axis=0), expected)
    mirrored = spread(-np.array(values), axis=0, worst="least")
    np.testing.assert_array_equal(mirrored, -np.array(expected)[::-1])


def test_first_below_reads_between_records() -> None:
    steps = np.array([0.0, 10.0, 30.0])
    curve = np.array([[1.0, 1.0, 1e-3, 1.0], [1e-1, 1.0, 1.0, NAN], [1e-3, 0.5, 1.0, NAN]])
    found = first_below(steps, curve, np.array([1e-2, 1e-2, 1e-2, 1e-2]))
    np.testing.assert_allclose(found, [20.0, INF, 0.0, INF])
    assert first_below(steps, np.array([[1.0], [0.0], [0.0]]), np.array([1e-2])).tolist() == [10.0]


@pytest.mark.parametrize("power", [-1.0, 0.5, 2.0])
def test_slope_of_a_power_law(power: float) -> None:
    x = np.array([1.0, 2.0, 5.0, 11.0])
    assert log_slope(x, 3 * x**power) == pytest.approx(power)
    assert np.isnan(log_slope(x, np.zeros(4)))
