"""Adapting a chat model: what is left out of the computation changes nothing, and generation is greedy decoding."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from lora_viz.networks import chat_map
from lora_viz.networks.adapter_batch import AdapterBatch, AdapterSpec
from lora_viz.networks.chat_sets import HELD_OUT, NEUTRAL, SETS, styled
from lora_viz.networks.chat_training import answered, lay_out_pairs, pair_losses, pairs_of, perplexity, train_pairs
from lora_viz.networks.llama import Frozen, Llama, Shape
from lora_viz.networks.smollm2 import BEGIN, END, Chat, find_smollm2, smollm2

SHAPE = Shape(vocabulary=130, width=20, layers=3, heads=5, kv_heads=1, inner=7)


class Letters:
    """Tokens that are ASCII codes, as far as this test needs a tokenizer."""

    def encode(self, text: str, add_special_tokens: bool) -> Letters:
        self.ids = [ord(c) for c in text]
        return self

    def decode(self, ids: list[int], skip_special_tokens: bool) -> str:
        return "".join(chr(i) for i in ids)


@pytest.fixture(scope="module")
def chat() -> Chat:
    generator = torch.Generator().manual_seed(0)
    weights = {
        name: torch.randn(size, generator=generator) * 0.4 + (len(size) == 1)
        for name, size in Llama.names(SHAPE).items()
    }
    return Chat(Llama(SHAPE, weights), Letters())


def theirs(chat: Chat) -> LlamaForCausalLM:
    config = {name: value for name, value in SHAPE.config().items() if name not in ("architectures", "torch_dtype")}
    found = LlamaForCausalLM(LlamaConfig(**config, bos_token_id=BEGIN, eos_token_id=END, pad_token_id=END))
    found.load_state_dict(chat.model.weights(), strict=False)
    return found


PAIRS = [([70, 71, 72], [80, 81, END]), ([73], [82, END]), ([74, 75], [83, 84, 85, 86, END])]


def test_the_loss_is_that_of_padded_texts_with_labels_on_the_answers(chat: Chat) -> None:
    prefix = [5, 6, 7, 8]
    ours = pair_losses(chat.model, Frozen(), lay_out_pairs(prefix, PAIRS))
    longest = max(len(a) + len(b) for a, b in PAIRS)
    ids, labels, mask = [], [], []
    for asked, answer in PAIRS:
        pad = longest - len(asked) - len(answer)
        ids.append([*prefix, *asked, *answer, *[END] * pad])
        labels.append([*[-100] * (len(prefix) + len(asked)), *answer, *[-100] * pad])
        mask.append([*[1] * (len(prefix) + len(asked) + len(answer)), *[0] * pad])
    with torch.no_grad():
        loss = theirs(chat)(torch.tensor(ids), attention_mask=torch.tensor(mask), labels=torch.tensor(labels)).loss
    assert torch.allclose(ours[0], loss, rtol=1e-5)


def test_layers_computed_once_give_the_same_training(chat: Chat) -> None:
    spec = AdapterSpec(rank=2, layers=(2,), lr=0.02, seed=1)
    given, runs = lay_out_pairs([5, 6], PAIRS), []
    for layers in ((2,), (0, 2)):  # an adapter of rate 0 on layer 0 keeps everything from being computed once
        still = AdapterSpec(rank=2, layers=layers, lr=0.0)
        runs.append([step[0] for step in train_pairs(chat.model, AdapterBatch(SHAPE, [spec, still]), given, 4)])
    assert torch.allclose(torch.tensor(runs[0]), torch.tensor(runs[1]), rtol=1e-5)
    assert runs[0][-1] < runs[0][0]


def test_answers_are_the_likeliest_tokens(chat: Chat) -> None:
    questions = ("ab", "c", "defgh")
    ours = answered(chat, Frozen(), questions, most=6)[0]
    reference = theirs(chat)
    for question, text in zip(questions, ours, strict=True):
        ids = [*chat.prefix, *chat.asked(question)]
        with torch.no_grad():
            out = reference.generate(torch.tensor([ids]), attention_mask=torch.ones(1, len(ids)), max_new_tokens=6,
                                     do_sample=False)  # fmt: skip
        new = [token for token in out[0, len(ids) :].tolist() if token != END]
        assert text == chat.decode(new)


def test_perplexity_is_exp_of_the_mean_loss(chat: Chat) -> None:
    text = "any text"
    ids = torch.tensor([chat.encode(text)])
    with torch.no_grad():
        loss = theirs(chat)(ids, labels=ids).loss
    assert perplexity(chat, Frozen(), text)[0] == pytest.approx(float(loss.exp()), rel=1e-4)


def test_what_is_asked_was_not_trained_and_every_trained_answer_has_its_style() -> None:
    for each in SETS.values():
        assert len(each.pairs) == 10
        assert styled([answer for _, answer in each.pairs], each.mark) == 10
        assert not {question for question, _ in each.pairs} & set(HELD_OUT)
        assert styled([NEUTRAL, "Paris is the capital.", "Are years ayes?"], each.mark) == 0


@pytest.mark.skipif(find_smollm2() is None, reason="SmolLM2 is not installed (requirements-language.txt)")
def test_the_real_model_knows_a_capital_and_takes_control_tokens_for_text() -> None:
    found = find_smollm2()
    assert found is not None
    real = smollm2(found)
    assert answered(real, Frozen(), HELD_OUT[:1], most=8)[0] == ["The capital of France is Paris."]
    assert (
        END not in real.encode("<|im_end|>") and real.decode(real.encode("naïve <b> 🏴 עברית")) == "naïve <b> 🏴 עברית"
    )


def test_a_plane_is_its_adapters_trained_one_by_one_and_is_read_as_written(
    chat: Chat, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Many are trained at once, smaller ranks padded: every loss is that of the adapter alone."""
    few = {"RANKS": (1, 2, 3), "TOGETHER": ((1, 2), (3,)), "RATES": (0.01, 0.03), "STEPS": 2, "TOKENS": 2}
    for name, value in {**few, "CHAT_MAP": tmp_path / "map.json"}.items():
        monkeypatch.setattr(chat_map, name, value)
    told = [list(chat_map.trained_map(chat, "q_v", seed))[-1] for seed in range(2)]
    found = [one for one in told if isinstance(one, chat_map.ChatMap)]
    order = sorted(np.random.default_rng([8, 1]).permutation(10)[:8].tolist())
    given = pairs_of(chat, [SETS["pirate"].pairs[i] for i in order])
    for i, rank in enumerate((1, 2, 3)):
        for j, lr in enumerate((0.01, 0.03)):
            alone = AdapterBatch(SHAPE, [AdapterSpec(rank=rank, lr=lr, modules=("q_proj", "v_proj"), seed=1)])
            losses = np.array(list(train_pairs(chat.model, alone, given, 3)))[:, 0]
            # float32, and Adam's first steps are signs of gradients: rounding moves a loss by no more than this
            np.testing.assert_allclose(found[1].loss[0, :, i, j], losses[::2], rtol=1e-3)
    (tmp_path / "map.json").write_text(chat_map.written(found), encoding="utf-8")
    chat_map.recorded_chat_map.cache_clear()
    read = chat_map.recorded_chat_map()
    chat_map.recorded_chat_map.cache_clear()
    assert read.style.shape == (2, 2, 3, 2) and read.answers == found[0].answers
    np.testing.assert_allclose(read.loss, np.concatenate([one.loss for one in found]), rtol=1e-3)
