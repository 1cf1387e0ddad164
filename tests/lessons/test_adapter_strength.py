"""How much adapter: strengths in order, the ends are what they must be, the words follow the record."""

from __future__ import annotations

import numpy as np
import peft
import torch

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


def test_doras_length_stays_where_its_strength_is_0() -> None:
    torch.manual_seed(3)
    base = torch.nn.Linear(7, 5, bias=False)
    weight, x = base.weight.detach().clone(), torch.randn(11, 7)
    config = peft.LoraConfig(r=2, target_modules=["0"], use_dora=True, init_lora_weights=False)
    layer = peft.get_peft_model(torch.nn.Sequential(base), config).base_model.model[0]
    length = torch.tensor([0.5, 1.0, 2.0, 3.0, 5.0])
    with torch.no_grad():
        layer.lora_magnitude_vector["default"].weight.copy_(length)
        layer.scaling["default"] = 0.0
        found = layer(x)
    torch.testing.assert_close(found, x @ (weight * (length / weight.norm(dim=1))[:, None]).T, rtol=1e-5, atol=1e-6)


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
