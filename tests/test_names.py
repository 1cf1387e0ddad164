"""The names: lists, letters, the shipped model, sampling by given random numbers."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch

from lora_viz.core.experiment import ExperimentError
from lora_viz.networks.adapter_batch import AdapterSpec
from lora_viz.networks.llama import Frozen, laid_out
from lora_viz.networks.names import (
    LANGUAGES,
    LONGEST,
    SHAPE,
    loss_of_names,
    names_model,
    names_of,
    read_tokens,
    sampled,
    tokens_of,
)
from lora_viz.networks.names_training import NamesExperiment


@pytest.mark.parametrize("language", LANGUAGES)
def test_lists_are_letters_and_their_two_sides_share_no_name(language: str) -> None:
    train, test = names_of(language)
    assert all(
        name.isascii() and name.islower() and name.isalpha() and 2 <= len(name) <= LONGEST for name in train + test
    )
    assert not set(train) & set(test) and len(set(train)) == len(train)
    assert read_tokens(tokens_of(train[0])[1:]) == train[0]


def test_no_name_stands_in_the_english_list_and_in_another() -> None:
    english = set(itertools.chain(*names_of("english")))
    assert not any(english & set(itertools.chain(*names_of(language))) for language in list(LANGUAGES)[1:])


def test_the_loss_is_the_mean_over_letters_and_ends() -> None:
    model, names = names_model(), ("abe", "io")
    total = letters = 0.0
    for name in names:
        layout = laid_out([tokens_of(name)])
        logits = model.logits(model.run(model.embed(layout.ids), Frozen(), layout))[0].double().log_softmax(-1)
        for place, token in enumerate([*tokens_of(name)[1:], 0]):
            total -= float(logits[place, token])
            letters += 1
    assert math.isclose(float(loss_of_names(model, names)[0]), total / letters, rel_tol=1e-6)


def test_the_model_that_is_shipped_knows_english_names_better_than_others() -> None:
    model = names_model()
    assert sum(value.numel() for value in model.weights().values()) == SHAPE.parameters == 150_400
    losses = {language: float(loss_of_names(model, names_of(language)[1][:60])[0]) for language in LANGUAGES}
    assert losses["english"] < 2.2 < 2.5 < min(loss for name, loss in losses.items() if name != "english")


def test_a_letter_is_the_first_whose_added_probabilities_exceed_the_random_number() -> None:
    model = names_model()
    layout = laid_out([[0]])
    chances = model.logits(model.run(model.embed(layout.ids), Frozen(), layout))[0, 0].double().softmax(-1)
    edges = chances.cumsum(0).numpy()
    draws = np.array([[edges[2] - 1e-6, 0.0], [edges[2] + 1e-6, 0.0], [edges[0] / 2, 0.5]])
    with torch.inference_mode():
        names = sampled(model, Frozen(), draws)[0]
    assert names == ["b", "c", ""]  # a second number of 0 is the end, the alphabet's first; a first one too


def test_an_unknown_language_is_refused_with_those_there_are() -> None:
    with pytest.raises(ExperimentError, match=r"no names called klingon\. Valid values: italian, .+, zulu\."):
        NamesExperiment(specs=(AdapterSpec(rank=1),), language="klingon")
