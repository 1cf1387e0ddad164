"""Attention or MLP, and which layers: parameters are as said, counts stand in the answers, the words follow."""

from __future__ import annotations

import numpy as np
import pytest

from lora_viz.film.panels import Bars
from lora_viz.lessons.language import attention_or_mlp, which_layers
from lora_viz.lessons.language.chat_places import Places, places_film, recorded_places
from lora_viz.networks.adapter_batch import AdapterSpec
from lora_viz.networks.chat_sets import SETS, styled
from lora_viz.networks.llama import MODULES
from lora_viz.networks.smollm2 import SMOLLM2

SETS_OF = {"q_v": ("q_proj", "v_proj"), "attention": MODULES[:4], "mlp": MODULES[4:], "all": MODULES}


def test_choices_of_modules_have_about_equal_parameters() -> None:
    record = recorded_places("places", 0.001)
    counts = []
    for run in record.every:
        modules = SETS_OF.get(run.name, (f"{run.name}_proj",))
        assert run.parameters == AdapterSpec(rank=run.rank, modules=modules).parameters(SMOLLM2)
        assert run.style[0] == styled(run.answers, SETS["pirate"].mark)
        counts.append(run.parameters)
    assert max(counts) < 1.08 * min(counts)


def test_blocks_tile_the_layers_and_have_equal_parameters() -> None:
    record = recorded_places("layers", 0.01)
    ends = [tuple(map(int, run.name.split("_"))) for run in record.runs]
    assert ends == [(first, first + 4) for first in range(0, SMOLLM2.layers, 5)]
    assert {run.parameters for run in record.every} == {AdapterSpec(rank=8, layers=(0, 1, 2, 3, 4)).parameters(SMOLLM2)}


def test_bars_are_the_medians_of_the_place() -> None:
    record = recorded_places("layers", 0.003)
    panel = places_film(record, "block", str, 0).panel("perplexity")
    assert isinstance(panel, Bars) and panel.bar_ids[2] == "at_10_14"
    np.testing.assert_allclose(panel.groups[0].values[2], sorted(record.runs[2].perplexity[:, -1])[2])
    assert panel.groups[1].values[2].tolist() == [0, 0, panel.groups[0].values[2], 0, 0, 0]


def worse(record: Places, name: str) -> Places:
    """The same with one seed of one place at a perplexity of 10,000."""
    runs = tuple(
        run._replace(perplexity=np.where(np.arange(record.seeds)[:, None] == 1, 1e4, run.perplexity))
        if run.name in name.split() else run
        for run in record.runs
    )  # fmt: skip
    return record._replace(runs=runs)


@pytest.mark.parametrize("lr", [0.0003, 0.001, 0.003])
def test_one_seed_that_says_otherwise_is_enough_against_the_mlp(lr: float) -> None:
    record = recorded_places("places", lr)
    assert attention_or_mlp.verdict(record).holds is True
    other = attention_or_mlp.verdict(worse(record, "mlp"))
    assert other.holds is False and other.evidence["less"] == 4


@pytest.mark.parametrize("lr", [0.001, 0.003, 0.01])
def test_one_seed_that_says_otherwise_is_enough_against_early_layers(lr: float) -> None:
    record = recorded_places("layers", lr)
    assert which_layers.verdict(record).holds is True
    other = which_layers.verdict(worse(record, "0_4 5_9"))
    assert other.holds is False and other.evidence["early"] == 4
