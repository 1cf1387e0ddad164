"""Dropout or weight decay: what is recorded agrees with a training now, and the words follow the record."""

from __future__ import annotations

import numpy as np
import pytest

from lora_viz.core.progress import Progress
from lora_viz.lessons.language.dropout_or_decay import LESSON, film, takeaway, verdict
from lora_viz.networks import names_regularised
from lora_viz.networks.names import loss_of_names, names_model, names_of
from lora_viz.networks.names_regularised import SIZES, STRENGTHS, Regularised, recorded_regularised, regularised


def test_every_kind_and_size_was_recorded_over_eight_seeds() -> None:
    records = recorded_regularised()
    assert {(r.kind, r.examples) for r in records} == {(kind, size) for kind in STRENGTHS for size in SIZES}
    for record in records:
        assert record.new.shape == record.old.shape == record.nuclear.shape == (8, len(STRENGTHS[record.kind]))
        assert tuple(record.strength) == STRENGTHS[record.kind] and record.strength[0] == 0
        expected = loss_of_names(names_model(), names_of("italian")[1][:200])[0]
        np.testing.assert_allclose(record.base_new, expected, rtol=1e-5)


def test_none_is_the_same_training_for_both_kinds() -> None:
    """Strength 0 of dropout and of decay: the same seeds, names and adapters, up to what float32 leaves open."""
    for size in SIZES:
        dropout, decay = (r for r in recorded_regularised() if r.examples == size)
        np.testing.assert_allclose(dropout.learnt[:, 0], decay.learnt[:, 0], rtol=0.05)


def test_decay_pulls_the_factors_to_0_as_its_rule_says(monkeypatch: pytest.MonkeyPatch) -> None:
    """In three steps: the stronger the decay, the smaller the nuclear norm; without any it is the largest."""
    monkeypatch.setattr(names_regularised, "STEPS", 3)
    items = list(regularised("weight_decay", "zulu", 13, 5))
    assert all(isinstance(item, Progress) for item in items[:-1])
    found = items[-1]
    assert isinstance(found, Regularised) and found.seeds == 1
    assert (np.diff(found.nuclear[0]) < 0).all()
    assert verdict(found).holds is None


def test_the_words_follow_the_record() -> None:
    record = LESSON.play(regulariser="weight_decay", examples=30).record
    assert verdict(record).holds is True
    for name in ("new", "old", "spread"):  # one seed that says otherwise is enough
        values = getattr(record, name).copy()
        values[4] = values[4, ::-1]
        assert verdict(record._replace(**{name: values})).holds is False
    best_without = record._replace(new=record.new + np.arange(len(record.strength)))
    assert "no weight decay is best" in takeaway(best_without)
    shown = film(record).panel("nuclear").part("nuclear")
    np.testing.assert_allclose(shown.y, np.median(record.nuclear, axis=0))  # type: ignore[union-attr]
