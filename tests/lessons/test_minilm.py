"""What was measured on MiniLM: the shipped numbers are whole and say what the page claims; the record is arithmetic."""

import numpy as np
import pytest

from lora_viz.lessons.real.minilm import film, minilm_spectrum, plot_minilm_spectrum, table, takeaway
from lora_viz.networks.encoder import MINILM_SHA256
from lora_viz.networks.minilm_evidence import KINDS, MinilmEvidence, minilm_evidence

S, L, K = 3, 2, 5


def made() -> MinilmEvidence:
    """Two layers, σ = (2, 1, 0, 0, 0): 80 % of the energy in the first direction."""
    sigma = np.tile(np.array([2.0, 1.0, 0.0, 0.0, 0.0]), (S, L, 6, 1))
    seed = np.array([0.0, 0.01, -0.01])
    return MinilmEvidence(
        shapes=np.tile(np.array([7, 5]), (L, 6, 1)),
        delta=sigma,
        base=np.ones((L, 6, K)),
        relative_change=np.full((S, L, 6), 0.014),
        majority=np.full(S, 0.55),
        probe=0.85 + seed,
        head=0.80 + seed,
        full=0.90 + seed,
        ranks=np.array([1, 2]),
        lora=np.array([0.89 + seed, 0.91 + seed]),
        lora_sigma=(np.ones((S, 4, 1)), np.ones((S, 4, 2))),
        kept_k=np.array([0, 1, 2, 5]),
        kept=np.stack([np.array([0.6, 0.88, 0.9, 0.9]), np.full(4, 0.89)])[..., None] + seed,
        removed_k=np.array([1]),
        removed=np.array([[0.8], [0.88]])[..., None] + seed,
        train=30,
        test=10,
        trainable_full=420,
        weights_sha256=MINILM_SHA256,
    )


def test_errors_are_percent_with_their_range() -> None:
    record = minilm_spectrum(made())
    np.testing.assert_allclose(record.kept[:, 1], [11, 12, 13])
    np.testing.assert_allclose(record.full, [9, 10, 11])
    np.testing.assert_allclose(record.lora[1], [11, 9])
    np.testing.assert_allclose(record.gain[1], [4, 6, 5], atol=1e-9)
    np.testing.assert_allclose(record.gain[0], record.gain[2], atol=1e-9, err_msg="paired by seed: no spread here")


def test_nothing_removed_is_all_kept_and_the_reverse() -> None:
    record = minilm_spectrum(made())
    np.testing.assert_allclose(record.removed[1], [10, 20, np.nan, 40])


def test_shares_of_energy() -> None:
    record = minilm_spectrum(made())
    assert record.share.shape == (4, L, 6)
    np.testing.assert_allclose(record.share[:, 0, 0], [0, 0.8, 1, 1])
    np.testing.assert_allclose(record.curve[1], [0.8, 1, 1, 1, 1])
    np.testing.assert_allclose(record.base_curve[1], [0.2, 0.4, 0.6, 0.8, 1])
    assert record.rank_90.tolist() == [2, 2, 2]
    assert record.stable[1] == pytest.approx(5 / 4) and record.base_stable == pytest.approx(5)
    assert record.lora_effective.tolist() == [pytest.approx(1), pytest.approx(2)]
    assert record.numbers.tolist() == [0, 12 * 12, 2 * 12 * 12, 12 * 35], "a rank-k ΔW never takes more than ΔW itself"


def test_the_shipped_measurement_is_whole() -> None:
    e = minilm_evidence()
    assert e.weights_sha256 == MINILM_SHA256
    assert len(e.full) >= 3, "at least three seeds"
    assert e.delta.shape == (len(e.full), 6, 6, 384) and e.base.shape == (6, 6, 384)
    assert (np.diff(e.delta, axis=-1) <= 0).all() and (e.delta > 0).all()
    assert e.shapes[0].tolist() == [[384, 384]] * 4 + [[1536, 384], [384, 1536]]
    assert len(KINDS) == 6 and e.ranks.tolist() == [1, 2, 4, 8, 16]
    for rank, sigma in zip(e.ranks, e.lora_sigma, strict=True):
        assert sigma.shape == (len(e.full), 12, rank)
    assert (e.probe > e.majority).all() and e.kept_k[0] == 0 and e.kept_k[-1] == 384
    np.testing.assert_allclose(e.kept[0, -1], e.full, atol=1 / e.test + 1e-9, err_msg="all kept is full fine-tuning")


def test_the_page_claims_no_more_than_was_measured() -> None:
    record = minilm_spectrum(minilm_evidence())
    place = {int(k): t for t, k in enumerate(record.k)}
    assert record.stable[1] < 0.2 * record.base_stable, "steep"
    assert record.rank_90[1] > 32, "with a long tail"
    assert record.kept[1, place[2]] < record.full[1] + 2, "two directions carry the function"
    assert record.removed[1, place[8]] > record.full[1] + 5, "and it is gone with the top eight"
    assert np.ptp(record.lora[1]) < 2, "no visible difference between ranks: two standard errors"


def test_words_and_columns_follow_the_record() -> None:
    record = minilm_spectrum(minilm_evidence())
    said = takeaway(record)
    assert "steep with a long tail" in said and f"with one direction kept {record.kept[1, 1]:.1f} %" in said
    moving = film(record)
    assert moving.values.tolist() == record.k.tolist()
    assert moving.narration[0].startswith("Nothing kept of any ΔW")
    assert moving.narration[-1].startswith("All of every ΔW")
    assert table(record)["error_kept_median"].tolist() == record.kept[1].tolist()
    assert len(plot_minilm_spectrum(record, theme="dark").data) == 3
