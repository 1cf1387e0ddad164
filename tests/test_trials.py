"""Several trials together: against counting by hand."""

import numpy as np
import pytest

from lora_viz.core.trials import first_below, log_slope, spread

NAN, INF = float("nan"), float("inf")


def test_spread_is_an_order_statistic() -> None:
    values = np.array([[3.0, NAN, NAN], [1.0, 7.0, NAN], [2.0, INF, NAN], [9.0, 5.0, NAN]])
    np.testing.assert_array_equal(spread(values), [[1.0, 5.0, NAN], [2.0, 7.0, NAN], [9.0, INF, NAN]])


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
