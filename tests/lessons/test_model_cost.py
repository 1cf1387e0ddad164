"""The records of budget and cost: what is put in the pictures, exactly; the pictures, lightly."""

import numpy as np
import pytest

from lora_viz.costs.budget import budget
from lora_viz.costs.counting import count_layer
from lora_viz.costs.models import MODELS
from lora_viz.lessons.real import cost as rank_cost
from lora_viz.lessons.real import memory_need, parameter_share

ATTENTION = ("q_proj", "k_proj", "v_proj", "o_proj")


@pytest.mark.parametrize("title", MODELS)
def test_the_boxes_make_up_the_model_and_its_adapter(title: str) -> None:
    shape = MODELS[title]
    b = budget(shape, shape.names[:2], 3)
    record = parameter_share.parameter_share(b)
    by_kind = {k: sum(s for s, kind in zip(record.sizes, record.kinds, strict=True) if kind == k) for k in record.kinds}
    assert sum(record.sizes) == shape.total + b.trained
    assert by_kind["A"] + by_kind["B"] == b.trained
    assert by_kind["target"] == b.touched == record.touched
    assert by_kind["rest"] == sum(shape.rest.values())
    figure = parameter_share.plot_parameter_share(record, theme="dark")
    assert figure.data[0]["values"][0] == sum(figure.data[0]["values"][1:])


def test_the_opening_words_of_the_budget() -> None:
    b = budget(MODELS["Llama-2-7B"], ATTENTION, 16)
    share, need = parameter_share.parameter_share(b), memory_need.memory_need(b)
    said = parameter_share.takeaway(share)
    assert "128 matrices, trains 16,777,216 numbers, 0.249 % of Llama-2-7B's 6,738,415,616" in said
    assert "128 times as many (2,147,483,648)" in said
    assert "402× fewer trained numbers than full fine-tuning are 7.36× less memory" in memory_need.takeaway(need)
    assert "a token's multiply–adds are 0.254 % more, merged none; in training 66.9 % of full" in said
    past = parameter_share.parameter_share(budget(MODELS["Qwen2.5-0.5B"], ("k_proj",), 256))
    assert "past break-even" in parameter_share.takeaway(past)


@pytest.mark.parametrize("title", ["Llama-2-7B", "SDXL UNet", "GPT-3 175B"])
def test_each_waterfall_begins_where_the_part_before_ended(title: str) -> None:
    b = budget(MODELS[title], MODELS[title].names[:1], 4)
    record = memory_need.memory_need(b)
    figure = memory_need.plot_memory_need(record)
    bottoms = np.array([trace["base"] for trace in figure.data], dtype=float).T
    heights = np.array([trace["y"] for trace in figure.data], dtype=float).T
    np.testing.assert_allclose(heights, record.need)
    np.testing.assert_allclose(bottoms[:, 0], 0)
    np.testing.assert_allclose(bottoms[:, 1:], (bottoms + heights)[:, :-1])
    table = memory_need.table(record)
    np.testing.assert_allclose(table["total"] * 1e9, [m.total for m in b.memory])
    assert ("depend on the image size" in memory_need.takeaway(record)) == (title == "SDXL UNet")


def test_the_smallest_card() -> None:
    said = [memory_need.smallest(g) for g in (0.1, 8.0, 8.01, 24.0, 79.0, 81.0, 161.0)]
    assert said == ["an 8 GB card"] * 2 + ["a 16 GB card", "a 24 GB card", "an 80 GB card"] + [
        "2 cards of 80 GB",
        "3 cards of 80 GB",
    ]


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
    assert "NOT" not in rank_cost.takeaway(record)


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
    assert "holds below rank 20.5; at rank 2048" in rank_cost.takeaway(wide)


def test_the_still_figure_of_the_cost(record: rank_cost.RankCost) -> None:
    drawn = rank_cost.figure(record, theme="dark")
    (curve,) = drawn.data
    assert curve.name == "LoRA"
    np.testing.assert_array_equal(curve.x, record.rank)
    np.testing.assert_array_equal(curve.y, 100 * record.share)
    assert [line.x0 for line in drawn.layout.shapes] == pytest.approx(
        [0.01 / (1 / 31 + 1 / 64), 1 / (1 / 31 + 1 / 64), 31]
    )


def test_every_layer_that_is_offered_can_be_counted() -> None:
    (layer,) = rank_cost.LESSON.controls
    for name in layer.options:  # type: ignore[union-attr]
        played = rank_cost.LESSON.play(layer=name)
        assert f"{played.record.d_out}×{played.record.d_in}" == name
        assert played.record.agrees and "16·(" in played.ask().told
