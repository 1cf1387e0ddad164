"""Matrices to look at: the spectrum asked for, and nothing re-rolled."""

import numpy as np
import pytest

from lora_viz.layer.matrices import SPECTRA, drawn_matrix, low_rank_factors, noisy_low_rank, spectrum


@pytest.mark.parametrize("name", [s for s in SPECTRA if s != "random"])
@pytest.mark.parametrize(("m", "n"), [(11, 7), (7, 11)])
def test_the_spectrum_is_the_one_asked_for(name: str, m: int, n: int) -> None:
    found = np.linalg.svd(drawn_matrix(name, m, n, 3), compute_uv=False)
    np.testing.assert_allclose(found, spectrum(name, 7), atol=1e-13)


def test_spectra_by_hand() -> None:
    np.testing.assert_allclose(spectrum("power", 4), [1, 1 / 2, 1 / 3, 1 / 4])
    np.testing.assert_allclose(spectrum("exponential", 3), [1, 0.7, 0.49])
    np.testing.assert_array_equal(spectrum("flat", 2), [1, 1])


def test_random_entries_are_standard_normal() -> None:
    entries = drawn_matrix("random", 211, 199, 0)
    assert abs(entries.mean()) < 0.02
    assert abs(entries.std() - 1) < 0.02


def test_a_higher_rank_keeps_the_lower_ones_factors() -> None:
    (a, b), (more_a, more_b) = low_rank_factors(7, 5, 2, 1), low_rank_factors(7, 5, 4, 1)
    np.testing.assert_array_equal(a, more_a[:2])
    np.testing.assert_array_equal(b, more_b[:, :2])
    assert not np.array_equal(a, low_rank_factors(7, 5, 2, 1, "other")[0])


def test_neither_rank_nor_noise_rerolls_the_other() -> None:
    clean, noisy = noisy_low_rank(13, 11, 3, 0.5, 4)
    same, more = noisy_low_rank(13, 11, 3, 1.0, 4)
    other, other_noisy = noisy_low_rank(13, 11, 2, 0.5, 4)
    assert np.linalg.matrix_rank(clean) == 3
    np.testing.assert_array_equal(clean, same)
    np.testing.assert_allclose(2 * (noisy - clean), more - same, atol=1e-13)
    np.testing.assert_allclose(noisy - clean, other_noisy - other, atol=1e-13)
    np.testing.assert_array_equal(*noisy_low_rank(13, 11, 3, 0.0, 4))
