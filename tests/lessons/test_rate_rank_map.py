"""The map of ranks and rates: what is shipped agrees with itself, regions follow their definition, words the record."""

from __future__ import annotations

import numpy as np

from lora_viz.lessons.language.rate_rank_map import Chosen, pick, takeaway, verdict
from lora_viz.networks.chat_map import ChatMap, recorded_chat_map
from lora_viz.networks.chat_sets import HELD_OUT, SETS, styled


def test_what_is_shipped_agrees_with_itself() -> None:
    record = recorded_chat_map()
    assert record.style.shape == record.loss.shape == record.perplexity.shape
    assert record.style.shape == (5, len(record.steps), len(record.ranks), len(record.rates))
    mark = SETS["pirate"].mark
    for t, rows in enumerate(record.answers):  # the one answer that is kept is among those that are counted
        for i, row in enumerate(rows):
            for j, answer in enumerate(row):
                assert styled([answer], mark) <= record.style[0, t, i, j] <= len(HELD_OUT) - 1 + styled([answer], mark)
    np.testing.assert_allclose(record.perplexity[:, 0], record.base, rtol=1e-4)  # B = 0: nothing is adapted yet
    np.testing.assert_allclose(record.loss[:, 0], np.broadcast_to(record.loss[:, 0, :1, :1], record.loss[:, 0].shape),
                               rtol=1e-4)  # fmt: skip


def plane(style: list[list[int]], loss: list[list[float]], lost: list[list[float]]) -> ChatMap:
    """One seed, two steps of two ranks and three rates; at step 0 nothing is learnt."""
    values = {"style": style, "loss": loss, "perplexity": lost}
    begun = {"style": np.zeros((2, 3)), "loss": np.full((2, 3), 4.0), "perplexity": np.full((2, 3), 50.0)}
    held = {name: np.array([[begun[name], values[name]]]) for name in values}
    return ChatMap("all", np.array([0, 20]), np.array([1, 64]), np.array([0.001, 0.002, 0.004]), **held,
                   answers=((("",) * 3,) * 2,) * 2, base=50.0)  # fmt: skip


def test_regions_and_verdict_follow_their_definitions() -> None:
    told = plane([[3, 20, 20], [20, 20, 0]], [[3.0, 1.0, 0.1], [0.5, 0.1, 9.0]], [[50, 60, 101], [90, 400, np.nan]])
    record = Chosen(told, (0, 0))
    assert record.region[-1].tolist() == [[0, 1, 2], [1, 2, 3]] and not record.region[0].any()
    assert verdict(record).holds is True and record.complete() == [(0.002, 0.004), (0.001, 0.002)]
    assert "in style 2, forget 2, broken 1" in takeaway(record)
    never = Chosen(told._replace(style=told.style * (told.ranks == 1)[:, None]), (0, 0))
    assert verdict(never).holds is False and never.complete()[1] is None
    same = Chosen(told._replace(style=np.repeat(told.style[:, :, :1], 2, axis=2)), (0, 0))
    assert verdict(same).holds is False


def test_a_cell_that_is_clicked_is_the_one_that_is_chosen() -> None:
    record = Chosen(recorded_chat_map(), (0, 0))
    assert pick(record, 6, 12) == {"map_rank": 64, "map_rate": 0.03}
