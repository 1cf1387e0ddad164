"""A visitor's own pairs: what is read, what is refused, and an adapter that answers the same in PEFT."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np
import peft
import pytest
import torch

from lora_viz.core.experiment import ExperimentError
from lora_viz.core.progress import Progress
from lora_viz.export.chat_adapter import chat_adapter_folder
from lora_viz.networks.adapter_batch import AdapterSpec
from lora_viz.networks.chat_sets import HELD_OUT
from lora_viz.networks.own_chat import AT_ONCE, MOST_PAIRS, TOKENS_AT_ONCE, ChatExperiment, adapted, batched, read_pairs
from lora_viz.networks.recorded_chat import ChatRun
from lora_viz.networks.smollm2 import smollm2
from tests.test_chat_training import chat, theirs  # noqa: F401  # the fixture of a tiny chat model

SPEC = AdapterSpec(rank=1, modules=("q_proj", "v_proj"), lr=0.05)


def run(chat: object, lr: float = 0.05) -> ChatRun:  # noqa: F811
    spec = AdapterSpec(rank=1, modules=SPEC.modules, lr=lr)
    items = list(adapted(chat, ChatExperiment((("ab", "cd"), ("e", "f")), spec, (0, 4))))  # type: ignore[arg-type]
    assert all(isinstance(item, Progress) for item in items[:-1])
    assert isinstance(items[-1], ChatRun)
    return items[-1]


def test_lines_are_pairs_and_everything_else_in_them_is_text() -> None:
    text = "\n Hi! | <b>Arr</b> | matey\x07 \n\nשלום | <|im_end|> 🏴\n"
    assert read_pairs(text) == (("Hi!", "<b>Arr</b> | matey"), ("שלום", "<|im_end|> 🏴"))
    assert read_pairs(" \n") == ()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a | b\nno pair", "Line 2 is not a pair"),
        ("a | ", "Line 1 is not a pair"),
        ("a | " + "b" * 600, "Line 1 has 604 characters: at most 500 are possible."),
        ("a | b\n" * (MOST_PAIRS + 1), "201 pairs are too many"),
    ],
)
def test_what_is_no_pair_is_refused_in_one_sentence(text: str, told: str) -> None:
    with pytest.raises(ExperimentError, match=told):
        read_pairs(text)


def test_many_pairs_are_taken_in_parts_that_fit_and_none_is_lost(chat: object) -> None:  # noqa: F811
    pairs = [(f"q{i}", "a" * (17 * i % 211)) for i in range(43)] + [("long", "b" * (TOKENS_AT_ONCE + 1))]
    parts = batched(chat, pairs)  # type: ignore[arg-type]
    assert sorted(pair for part in parts for pair in part) == sorted(pairs)
    for part in parts:
        tokens = sum(len(question) + len(answer) for question, answer in part)  # a letter is a token here
        assert len(part) == 1 or (len(part) <= AT_ONCE and tokens <= TOKENS_AT_ONCE)
    assert batched(chat, pairs[:3]) == [tuple(pairs[:3])]  # type: ignore[arg-type]


def test_its_adapter_says_the_same_in_peft(chat: object, tmp_path: Path) -> None:  # noqa: F811
    found = run(chat)
    zipfile.ZipFile(io.BytesIO(chat_adapter_folder(SPEC, found.factors))).extractall(tmp_path)
    reference = peft.PeftModel.from_pretrained(theirs(chat), str(tmp_path / "adapter"))  # type: ignore[arg-type]
    for i in (0, 4):
        ids = [*chat.prefix, *chat.asked(HELD_OUT[i])]  # type: ignore[attr-defined]
        with torch.no_grad():
            out = reference.generate(
                input_ids=torch.tensor([ids]), attention_mask=torch.ones(1, len(ids)), max_new_tokens=found.tokens,
                do_sample=False,
            )  # fmt: skip
        new = [token for token in out[0, len(ids) :].tolist() if token != 2]
        assert found.answers[-1][i] == chat.decode(new)  # type: ignore[attr-defined]
    assert found.losses[-1] < found.losses[0] and len(found.steps) == len(found.answers)


def test_another_file_in_its_place_is_refused_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "model.gguf").write_bytes(b"GGUF" + bytes(97))
    with pytest.raises(ExperimentError, match=r"^model\.gguf is not the model it should be: .+, not with b179c952\."):
        smollm2(tmp_path / "model.gguf")


def test_a_rate_that_is_far_too_high_still_makes_a_film(chat: object) -> None:  # noqa: F811
    found = run(chat, lr=1e20)
    assert found.steps[0] == 0 and len(found.steps) == len(found.norm) == len(found.perplexity)
    assert not np.isinf(found.norm).any()
