"""The record of cost: what is put in the pictures, exactly."""

import numpy as np
import pytest

from lora_viz.costs.counting import count_layer
from lora_viz.film.paper import printed
from lora_viz.lessons.real import cost_layer as rank_cost


@pytest.fixture(scope="module")
def record() -> rank_cost.RankCost:
    ranks = rank_cost.ranks_for(31, 64)
    return rank_cost.rank_cost(tuple(count_layer(31, 64, r, device="meta") for r in ranks))


def test_the_cost_goes_up_to_full_rank_and_agrees_with_torch(record: rank_cost.RankCost) -> None:
    assert record.rank == (1, 2, 4, 8, 16, 20, 31)
    assert record.agrees
    assert not record._replace(counted=(record.counted[1], *record.counted[1:])).agrees
    np.testing.assert_allclose(record.share, [r * (1 / 31 + 1 / 64) for r in record.rank])
    assert [t.gradients[1] for t in record.counted] == [r * 95 for r in record.rank]
    assert all(t.saved[1] > t.saved[0] for t in record.counted)
    assert "NOT" not in rank_cost.detail(record)
    assert "NOT" in rank_cost.detail(record._replace(counted=(record.counted[1], *record.counted[1:])))


def test_the_map_is_named_by_its_thresholds(record: rank_cost.RankCost) -> None:
    film = rank_cost.film(record)
    field = film.panels[1]
    values, regions = field.values, field.regions  # type: ignore[union-attr]
    assert np.array_equal(regions == 3, np.isnan(values))
    assert (values[regions == 0] < 1).all() and (values[regions == 2] > 100).all()
    assert ((values[regions == 1] >= 1) & (values[regions == 1] <= 100)).all()
    assert all("✓" in text for text in film.panels[4].rows[1].text)  # type: ignore[union-attr]


def test_a_hundredfold_ends_between_20_and_32() -> None:
    wide = rank_cost.rank_cost(tuple(count_layer(4096, 4096, r, device="meta") for r in (16, 20, 32)))
    told = rank_cost.film(wide).narration
    assert told[0].startswith("Rank 16: 0.781 %, 128× fewer parameters")
    assert "102× fewer" in told[1] and "64× fewer" in told[2]
    assert "holds below rank 20.5 here; at rank 2048" in rank_cost.takeaway(wide)
    said = rank_cost.verdict(wide)
    assert said.holds and dict(said.evidence)["rank_of_1_percent"] == pytest.approx(4096 / 200, abs=1e-9)


def test_the_still_figure_of_the_cost(record: rank_cost.RankCost) -> None:
    drawn = printed(rank_cost.film(record), rank_cost.PART.on_paper, theme="dark")
    (curve,) = drawn.data
    np.testing.assert_array_equal(curve.x, record.rank)
    np.testing.assert_array_equal(curve.y, 100 * record.share)
    # 1 % lies below rank 1
    assert [line.x0 for line in drawn.layout.shapes] == pytest.approx([1 / (1 / 31 + 1 / 64), 31])


def test_every_layer_that_is_offered_can_be_counted() -> None:
    (layer,) = rank_cost.PART.controls
    for name in layer.options:  # type: ignore[union-attr]
        played = rank_cost.PART.play(layer=name)
        assert f"{played.record.d_out}×{played.record.d_in}" == name
        assert played.record.agrees and "16·(" in played.ask().told
