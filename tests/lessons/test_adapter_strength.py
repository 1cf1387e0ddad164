"""How much adapter: strengths in order, the ends are what they must be, the words follow the record."""

from __future__ import annotations

import numpy as np

from lora_viz.lessons.language.adapter_strength import LESSON, detail, takeaway, verdict
from lora_viz.networks.chat_storing import FORMATS
from lora_viz.networks.recorded_chat import recorded_again, recorded_strength, recorded_training


def test_at_0_the_base_answers_and_at_1_the_trained_adapter() -> None:
    record, training = recorded_strength(), recorded_training()
    assert (np.diff(record.strength) > 0).all()
    for c, t in ((0.0, 0), (1.0, -1)):
        at = int(np.flatnonzero(record.strength == c)[0])
        assert record.answers[at] == training.answers[t]
        np.testing.assert_allclose(record.perplexity[at], training.perplexity[t], rtol=1e-5)


def test_a_second_seed_was_scaled_by_the_same_strengths_from_the_same_base() -> None:
    record, again = recorded_strength(), recorded_again()
    np.testing.assert_array_equal(again.strength, record.strength)
    zero = record.strength == 0
    np.testing.assert_allclose(again.perplexity[zero], record.perplexity[zero], rtol=1e-4)
    assert again.formats == FORMATS and again.style[zero] == 0 and "c = 0.75 on" in detail(record)


def test_the_words_follow_the_record() -> None:
    record = recorded_strength()
    late = record._replace(style=np.where(record.strength >= 1, 20, 0))
    assert "is there at c = 1." in takeaway(late) and verdict(late).holds is False
    early = record._replace(style=np.where(record.strength > 0, 20, 0), perplexity=40 + 10 * np.abs(record.strength))
    assert "is there at c = 0.1." in takeaway(early) and verdict(early).holds is True


def test_the_question_is_answered_from_the_film() -> None:
    played = LESSON.play()
    asked = played.ask()
    assert asked is not None and len(set(asked.choices)) == len(asked.choices)
