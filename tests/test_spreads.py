"""Spreads in words and columns."""

import numpy as np

from lora_viz.film.spreads import ranged, readings, spread_columns

FOUND = np.array([[1.0, 2.0], [1.5, 2.5], [7.0, np.inf]])


def test_a_reading_names_the_median_first() -> None:
    assert ranged(FOUND[:, 0]) == "1.5 (1 to 7)"
    assert ranged(FOUND[:, 1]) == "2.5 (2 to ∞)"
    assert readings(FOUND) == ("1.5 (1 to 7)", "2.5 (2 to ∞)")
    assert ranged(FOUND[:, 0], "{:.2f}".format) == "1.50 (1.00 to 7.00)"


def test_columns_are_flat_and_named() -> None:
    columns = spread_columns("error", np.stack([FOUND, FOUND], axis=2))
    assert list(columns) == ["error_low", "error_median", "error_high"]
    np.testing.assert_array_equal(columns["error_high"], [7, 7, np.inf, np.inf])
