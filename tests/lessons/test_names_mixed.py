"""Two languages in one name: the ends are the adapters alone, and a switch changes only what comes after it."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from lora_viz.core.progress import Progress
from lora_viz.lessons.language.names_mixed import PART as LESSON
from lora_viz.lessons.language.names_mixed import measure, takeaway, verdict
from lora_viz.networks import names_mixed
from lora_viz.networks.adapter_batch import AdapterBatch, AdapterSpec
from lora_viz.networks.names import LONGEST, SHAPE, loss_of_names, name_stream, names_model, sampled
from lora_viz.networks.names_mixed import MixedNames, Switched, mixed_names, shipped_mix, side_by_side

NAMES = ("abe", "ilo", "marja")


def adapter(seed: int) -> AdapterBatch:
    found = AdapterBatch(SHAPE, [AdapterSpec(rank=3, seed=seed)])
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for place in found.places:
            found.B[place].copy_(torch.randn(found.B[place].shape, generator=generator) * 0.2)
    return found


def test_a_mixture_is_the_weighted_sum_of_the_products() -> None:
    parts = adapter(1), adapter(2)
    mixture = side_by_side(parts, np.array([[1.0, 0.0], [0.25, 0.75], [0.0, 1.0]]))
    model = names_model()
    losses = loss_of_names(model, NAMES, mixture)
    for g, part in ((0, parts[0]), (2, parts[1])):
        np.testing.assert_allclose(losses[g], loss_of_names(model, NAMES, part)[0], rtol=1e-5)
    (A, B), (one, other) = mixture.factors(1)[1, "up_proj"], (part.factors(0)[1, "up_proj"] for part in parts)
    np.testing.assert_allclose(B @ A, 0.25 * one[1] @ one[0] + 0.75 * other[1] @ other[0], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("after", [0, 3, LONGEST + 1])
def test_a_switch_leaves_what_was_written_before_it(after: int) -> None:
    parts, draws = (adapter(1), adapter(2)), name_stream("shown", 7).random((5, LONGEST + 1))
    model = names_model()
    alone = [sampled(model, part, draws)[0] for part in parts]
    switched = sampled(model, Switched(*parts, after=after), draws)[0]
    assert [name[:after] for name in switched] == [name[:after] for name in alone[0]]
    assert (switched == alone[1]) == (after == 0) and (switched == alone[0]) == (after > LONGEST)


def test_what_is_shipped_begins_as_it_is_trained(monkeypatch: pytest.MonkeyPatch) -> None:
    """No step: every mixture is the base, and the base is the shipped one's."""
    monkeypatch.setattr(names_mixed, "STEPS", 0)
    items = list(mixed_names("italian", "finnish", 0))
    assert isinstance(items[0], Progress)
    found, held = items[-1], shipped_mix()
    assert isinstance(found, MixedNames) and found.base_said == held.base_said
    np.testing.assert_allclose(found.base, held.base, rtol=1e-5)
    np.testing.assert_allclose(found.loss_first, found.base[0], rtol=1e-5)
    np.testing.assert_allclose(held.weight, found.weight)


def test_the_words_follow_the_record() -> None:
    record = measure(LESSON.settings(), LESSON.play().lab)
    assert verdict(record).holds is True and len(takeaway(record).split()) <= 45
    assert verdict(record._replace(loss_first=record.loss_first + 1)).holds is False
    assert verdict(record._replace(second=record.first)).holds is None
