"""Which learning rate: what is shipped agrees with itself, and the words follow it."""

from __future__ import annotations

import numpy as np

from lora_viz.lessons.language.which_learning_rate import METHODS, detail, enough, film, takeaway, verdict
from lora_viz.networks.adapter_batch import AdapterSpec
from lora_viz.networks.chat_sets import SETS, styled
from lora_viz.networks.recorded_many_chats import recorded_many
from lora_viz.networks.smollm2 import SMOLLM2


def test_what_is_counted_stands_in_the_answers_and_parameters_are_those_of_the_model() -> None:
    record = recorded_many("rates_pirate")
    assert {run.name for run in record.runs} == set(METHODS) and record.seeds >= 5
    for run in record.runs:
        assert run.style[0] == styled(run.answers, SETS["pirate"].mark)
        assert run.losses.shape == run.perplexity.shape == (record.seeds, record.steps + 1)
        count = AdapterSpec(rank=run.rank).parameters(SMOLLM2) if run.rank else SMOLLM2.parameters
        assert run.parameters == count


def test_before_the_first_step_all_methods_of_a_seed_are_the_base() -> None:
    record = recorded_many("rates_pirate")
    for run in record.runs:
        np.testing.assert_allclose(run.losses[:, 0], record.runs[0].losses[:, 0], rtol=1e-4)
        np.testing.assert_allclose(run.perplexity[:, 0], record.base, rtol=1e-4)


def test_the_words_follow_the_record() -> None:
    record = recorded_many("rates_pirate")
    assert verdict(record).holds is True and verdict(record).evidence["full"] == 1e-5
    late = tuple(r._replace(style=r.style * (r.lr > 2e-4)) if r.name == "full" else r for r in record.runs)
    changed = record._replace(runs=late)
    assert enough(changed, "full").lr == 3e-4 and verdict(changed).holds is False and "0.0003" in takeaway(changed)
    assert "5 of 5 seeds end with a higher loss" in detail(record)


def test_a_rate_that_was_not_tried_has_no_place_on_the_curve() -> None:
    record = recorded_many("rates_pirate")
    shown = film(record).panel("style")
    assert np.isnan(shown.part("r_8").y[0]) and np.isnan(shown.part("full").y[-1])  # type: ignore[union-attr]
