"""Ten sentences: what is shipped agrees with itself, and the words follow it."""

from __future__ import annotations

import numpy as np

from lora_viz.film.panels import Passages
from lora_viz.lessons.language.chat_panels import ASKED, shown
from lora_viz.lessons.language.ten_sentences import film, table, takeaway, verdict
from lora_viz.networks.chat_sets import HELD_OUT, SETS, styled
from lora_viz.networks.recorded_chat import recorded_training, shipped_adapter
from lora_viz.networks.smollm2 import SMOLLM2


def test_the_style_is_counted_over_the_answers_that_are_shipped() -> None:
    record = recorded_training()
    assert [styled(answers, SETS["pirate"].mark) for answers in record.answers] == record.style.tolist()
    assert all(len(answers) == len(HELD_OUT) for answers in record.answers)
    assert record.style[0] == 0


def test_the_adapter_that_is_shipped_is_the_one_of_the_last_frame() -> None:
    record, adapters = recorded_training(), shipped_adapter()
    assert adapters.specs == (record.spec,)
    for (i, module), (A, B) in adapters.factors(0).items():
        norm = record.spec.scaling * np.linalg.norm(B @ A)
        np.testing.assert_allclose(norm, record.norm[-1, i, record.spec.modules.index(module)], rtol=1e-5)
    held = sum(A.size + B.size for A, B in adapters.factors(0).values())
    assert held == record.spec.parameters(SMOLLM2) == 57_600
    assert SMOLLM2.parameters == 134_515_008


def test_answers_on_the_screen_are_those_of_the_frame() -> None:
    record = recorded_training()
    panel = film(record).panel("answers")
    assert isinstance(panel, Passages)
    assert [row.text[3] for row in panel.rows] == [shown(record.answers[3][i]) for i in ASKED]
    assert table(record)[HELD_OUT[2]].tolist() == [answers[2] for answers in record.answers]


def test_control_characters_are_no_lines_of_their_own() -> None:
    assert shown("a\x00b\n\nc\u202e ") == "a b c" and shown(" \n") == "—"


def test_the_words_follow_the_record() -> None:
    record = recorded_training()
    assert "is 400; it was 40." in takeaway(record._replace(perplexity=np.linspace(40, 400, len(record.steps))))
    assert verdict(record).holds is True
    assert verdict(record._replace(style=record.style // 2)).holds is False
    assert verdict(record._replace(style=np.zeros(0, dtype=int))).holds is None
