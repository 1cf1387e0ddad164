"""Swap, mix, stack: mixtures in order, the ends are the adapters alone, the words follow the record."""

from __future__ import annotations

import re

import numpy as np
import pytest

from lora_viz.lessons.language.mix_and_stack import order, summed, takeaway, verdict
from lora_viz.networks.chat_sets import SETS, styled
from lora_viz.networks.recorded_many_chats import recorded_many, recorded_two


def test_mixtures_go_from_one_adapter_to_the_other_and_the_sum_is_not_among_them() -> None:
    record = recorded_two()
    weights = record.weights[order(record)]
    np.testing.assert_allclose(weights.sum(axis=1), 1.0)
    assert weights[0].tolist() == [1, 0] and weights[-1].tolist() == [0, 1] and (np.diff(weights[:, 1]) > 0).all()
    assert record.weights[summed(record)].tolist() == [1, 1]
    for name in ("pirate", "json"):
        counted = [styled(answers, SETS[name].mark) for answers in record.answers]
        assert counted == getattr(record, name)[0].tolist()


def test_the_pirate_alone_is_the_one_that_was_trained_for_another_lesson() -> None:
    """Same rank, rate and seeds in two recordings: the same adapter, up to what float32 leaves open."""
    record, rates = recorded_two(), recorded_many("rates_pirate")
    same = next(run for run in rates.runs if run.rank == 8 and run.lr == 1e-3)
    np.testing.assert_allclose(record.first_loss, same.loss, rtol=0.05)
    np.testing.assert_array_equal(record.pirate[:, order(record)[0]], same.style)


@pytest.mark.parametrize(("even", "holds"), [(False, True), (True, False)])
def test_the_words_follow_the_record(even: bool, holds: bool) -> None:
    record = recorded_two()
    if even:  # as if the answers were shared out by weight
        part = np.tile(np.round(20 * record.weights), (len(record.pirate), 1, 1)).astype(int)
        record = record._replace(pirate=part[..., 0], json=part[..., 1])
    assert verdict(record).holds is holds
    assert len(re.findall(r"\d", takeaway(record))) > 5
