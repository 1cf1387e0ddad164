"""Least, median and most: NumPy's where all are numbers, and what the diverged do to them."""

import numpy as np

from lora_viz.core.seeds import spread


def test_it_is_numpys_where_all_are_numbers() -> None:
    for n in (1, 7, 8):
        values = np.random.default_rng(n).standard_normal((3, 5, n))
        expected = [values.min(axis=-1), np.median(values, axis=-1), values.max(axis=-1)]
        np.testing.assert_allclose(spread(values), expected, rtol=1e-15)


def test_what_diverged_counts_as_largest() -> None:
    nan = np.nan
    np.testing.assert_array_equal(spread(np.array([3.0, nan, 1.0, 2.0, 5.0])), [1, 3, 5])
    np.testing.assert_array_equal(spread(np.array([3.0, nan, 1.0])), [1, 3, 3])
    assert np.isnan(spread(np.array([3.0, nan, nan]))).all()
    assert np.isnan(spread(np.array([3.0, nan, nan, 1.0]))).all(), "half of them is too many"
