"""A linear autoencoder finds PCA's subspace, not its axes, and only about 0."""

from dataclasses import replace

import numpy as np
import pytest

from lora_viz.core.experiment import Experiment, Sweep
from lora_viz.engine.training import train
from lora_viz.film.panels import HeatMap
from lora_viz.film.paper import printed
from lora_viz.layer.reconstruction import reconstruction_task
from lora_viz.lessons.rank.autoencoder import Autoencoder, autoencoder, film, table, takeaway, verdict

E = Experiment(
    d_in=11,
    d_out=11,
    target_rank=2,
    rank=2,
    alpha=1.0,
    scaling_rule="constant",
    init="both_random",
    optimizer="sgd",
    lr=0.1,
    steps=1000,
    samples=211,
)


def trained(offset: float = 0.0, **change: object) -> Autoencoder:
    e = replace(E, **change)  # type: ignore[arg-type]
    return autoencoder(train(Sweep.over(e, init_seed=range(8)), records=41, task=reconstruction_task(e, offset)))


@pytest.fixture(scope="module")
def centred() -> Autoencoder:
    return trained()


def test_the_subspace_is_found_from_every_start(centred: Autoencoder) -> None:
    x = reconstruction_task(E, 0.0).inputs
    U = np.linalg.svd(x.T, full_matrices=False)[0][:, :2]
    np.testing.assert_allclose(centred.projector, U @ U.T, atol=1e-12)
    np.testing.assert_allclose(centred.product[-1], U @ U.T, atol=1e-8)
    assert centred.to_pca[2, -1] < 1e-8 and centred.angle[2, -1] < 1e-6
    assert abs(centred.loss_over_floor[-1]) < 1e-12
    assert centred.starts == 8
    assert "In all 8 initialisations B A became PCA's projector" in takeaway(centred)
    assert verdict(centred).holds


def test_the_axes_are_not(centred: Autoencoder) -> None:
    low, high = centred.spread
    assert high - low > 0.3
    for cosines in centred.cosines[-1:]:
        np.testing.assert_allclose((cosines**2).sum(axis=0), 1, atol=1e-9, err_msg="columns lie in the subspace")
    assert f"{low:.3g}"[:3] in takeaway(centred)


def test_the_encoder_is_the_transposed_one(centred: Autoencoder) -> None:
    """A = Q⁻¹U_rᵀ and B = U_r Q: (2, 11) and (11, 2), while V_r is (211, 2)."""
    A, B, U = centred.encoder[-1], centred.decoder[-1], centred.principal.T
    assert A.shape == (2, 11) and B.shape == (11, 2)
    Q = U.T @ B
    np.testing.assert_allclose(B, U @ Q, atol=1e-8)
    np.testing.assert_allclose(A, np.linalg.inv(Q) @ U.T, atol=1e-8)
    read = film(centred).panel("measured")
    assert read.part("encoder").text == ("2×11 · 2×11",)  # type: ignore[union-attr]
    assert read.part("no_encoder").text == ("211×2",)  # type: ignore[union-attr]


def test_a_mean_breaks_it() -> None:
    record = trained(2.0)
    assert record.mean == pytest.approx(2)
    assert record.to_pca[0, -1] > 0.5 and record.angle[0, -1] > 30
    assert record.to_moment[2, -1] < 1e-6
    assert "The data are not centred" in takeaway(record) and verdict(record).holds


@pytest.mark.parametrize("rank", [1, 3])
def test_other_ranks(rank: int) -> None:
    record = trained(rank=rank)
    assert record.to_pca[2, -1] < 1e-5
    assert record.cosines.shape == (41, rank, rank)
    said = takeaway(record)
    assert ("With r = 1 the subspace is the axis" in said) == (rank == 1)


def test_what_has_not_converged_or_diverged_is_said() -> None:
    short = trained(steps=20)
    assert "Not all 8 initialisations converged" in takeaway(short) and "PCA's projector, to" not in takeaway(short)
    early = trained(2.0, steps=20)
    assert "is not reached" in takeaway(early) and verdict(early).holds is verdict(short).holds is None
    wild = trained(lr=0.5)
    assert wild.diverged == 8
    assert takeaway(wild) == "8 of 8 initialisations diverged: lower the learning rate."
    assert "diverged" in film(wild).narration[-1]
    still = trained(init="both_zero", steps=5)
    assert (still.angle == 90).all() and not still.cosines.any()
    assert "nan" not in takeaway(still)


def test_words_and_figure(centred: Autoencoder) -> None:
    picture = film(centred)
    assert picture.narration[-1].startswith("Step 1000: the decoder's subspace is < 10⁻⁶° from PCA's")
    maps = [p for p in picture.panels if isinstance(p, HeatMap)]
    assert [p.values.shape[-2:] for p in maps] == [(11, 11), (11, 11), (2, 2), (2, 11)]
    assert {len(c) for c in table(centred).values()} == {41}


def test_the_still_figure_of_a_normal_a_wild_and_an_untrained_run(centred: Autoencoder) -> None:
    for record in (centred, trained(lr=0.5), trained(steps=0)):
        pca, moment = printed(film(record), "distance").data
        assert (pca.name, moment.name) == ("to PCA", "to axes about 0")
        for trace, away in ((pca, record.to_pca), (moment, record.to_moment)):
            np.testing.assert_array_equal(trace.x, record.steps)
            np.testing.assert_array_equal(trace.y, away[1])
