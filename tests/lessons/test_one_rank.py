"""What one rank does to a chat model: tokens and numbers belong together, and the words follow the record."""

from __future__ import annotations

import numpy as np

from lora_viz.film.panels import Passages
from lora_viz.lessons.language.one_rank import LESSON
from lora_viz.lessons.language.one_rank_chat import film, plain, strongest, verdict
from lora_viz.networks.adapter_batch import AdapterSpec
from lora_viz.networks.chat_sets import NEUTRAL, SETS, styled
from lora_viz.networks.recorded_many_chats import recorded_one
from lora_viz.networks.smollm2 import SMOLLM2


def test_every_layer_is_there_and_what_is_counted_stands_in_its_answers() -> None:
    record = recorded_one()
    assert [run.name for run in record.runs] == [str(i) for i in range(SMOLLM2.layers)]
    spec = AdapterSpec(rank=1, modules=("down_proj",), layers=(3,))
    for run, tokens, h in zip(record.runs, record.tokens, record.h, strict=True):
        assert run.parameters == spec.parameters(SMOLLM2) and run.style[0] == styled(run.answers, SETS["pirate"].mark)
        assert [len(row) for row in tokens] == [len(row) for row in h]
        assert NEUTRAL.startswith("".join(tokens[2])) and run.answers[0][:20] in "".join(tokens[0])


def test_each_token_is_shaded_by_its_own_number() -> None:
    record = recorded_one()
    panel = film(record).panel("tokens")
    assert isinstance(panel, Passages)
    row, layer = panel.rows[0], 11
    count = len(record.h[layer][0])
    assert row.values is not None and row.tokens[layer] == tuple(map(plain, record.tokens[layer][0]))
    np.testing.assert_allclose(row.values[layer, :count] * strongest(record, layer)[1], record.h[layer][0], rtol=1e-6)
    assert np.isnan(row.values[layer, count:]).all()
    assert max(np.nanmax(np.abs(r.values[layer])) for r in panel.rows) == 1.0  # type: ignore[index]


def test_signs_stand_for_what_cannot_be_read() -> None:
    assert plain(" a\n\x07") == " a⏎·"


def test_the_words_follow_the_record() -> None:
    record = recorded_one()
    assert verdict(record).holds is True
    assert verdict(record._replace(alike=np.full(SMOLLM2.layers, 0.95))).holds is False
    quiet = tuple(run._replace(style=run.style * 0) for run in record.runs[:4])
    assert verdict(record._replace(runs=(*quiet, *record.runs[4:]))).evidence["layers"] == 25


def test_the_old_address_opens_the_chat_model() -> None:
    assert LESSON.seen_as(LESSON.settings()).id == "one_rank_chat"
    assert LESSON.play().film.panel("style").id == "style"  # type: ignore[union-attr]
