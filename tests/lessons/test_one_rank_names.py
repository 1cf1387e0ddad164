"""One rank in the names model: h, the letters' rises and the cosine against a dense model in float64."""

from __future__ import annotations

import math
from functools import cache

import numpy as np
import torch
from transformers import LlamaConfig, LlamaForCausalLM
from transformers.models.llama.modeling_llama import LlamaRMSNorm

from lora_viz.core.progress import Progress
from lora_viz.lessons.language.one_rank_names import IDS, PART, film, takeaway, verdict
from lora_viz.networks import names_one_rank
from lora_viz.networks.adapter_batch import AdapterBatch, AdapterSpec
from lora_viz.networks.llama import laid_out
from lora_viz.networks.names import SHAPE, names_model, names_of, tokens_of
from lora_viz.networks.names_one_rank import PLACES, READ, OneRankNames, one_rank_names, shipped_one_rank

NAMES = ("abe", "ilo", "marja", "zoe", "ada", "eve", "anna")
STEPS, LR, SEED = 2, 0.05, 5


@cache
def trained() -> OneRankNames:
    items = list(one_rank_names("finnish", STEPS, LR, SEED))
    assert isinstance(items[0], Progress) and isinstance(items[-1], OneRankNames)
    return items[-1]


@cache
def adapters() -> AdapterBatch:
    """With factors that are anything but trained: each b at another length."""
    specs = [AdapterSpec(rank=1, modules=(m,), layers=(i,), scaling=2.0, seed=SEED) for i, m in PLACES]
    found = AdapterBatch(SHAPE, specs)
    generator = torch.Generator().manual_seed(SEED)
    with torch.no_grad():
        for g, place in enumerate(PLACES):
            found.B[place][g, :, 0] = torch.randn(SHAPE.width, generator=generator) * (0.1 + 0.1 * g)
    return found


def dense() -> LlamaForCausalLM:
    """The model as transformers runs it, in float64; its norm would round to float32."""
    said = {k: v for k, v in SHAPE.config().items() if k not in ("architectures", "torch_dtype")}
    found = LlamaForCausalLM(LlamaConfig(**said, use_cache=False)).double()
    for module in list(found.modules()):
        for name, child in module.named_children():
            if isinstance(child, LlamaRMSNorm):
                setattr(module, name, torch.nn.RMSNorm(SHAPE.width, eps=SHAPE.eps, dtype=torch.float64))
    found.load_state_dict({name: value.double() for name, value in names_model().weights().items()}, strict=False)
    return found


@torch.no_grad()
def by_hand(g: int) -> tuple[np.ndarray, ...]:
    """h, states' sizes, and what the logits gain at every token, one name after the other, ΔW added to W itself."""
    place = PLACES[g]
    a, b = adapters().A[place][g, 0].double(), adapters().B[place][g, :, 0].double()
    plain, changed = dense(), dense()
    block = changed.model.layers[place[0]]
    module = (block.self_attn if place[1] == "o_proj" else block.mlp).get_submodule(place[1])
    module.weight += 2.0 * torch.outer(b, a)
    heard, tops = [], []
    module.register_forward_hook(lambda _, x, __: heard.append(2.0 * float(b.norm()) * x[0][0] @ a))
    changed.model.norm.register_forward_hook(lambda _, x, __: tops.append(x[0][0].pow(2).mean(-1).sqrt()))
    gained = [
        (changed(torch.tensor([tokens_of(name)])).logits - plain(torch.tensor([tokens_of(name)])).logits)[0]
        for name in NAMES
    ]
    return torch.cat(heard).numpy(), torch.cat(tops).numpy(), torch.cat(gained).numpy()


def test_letters_are_those_of_the_dense_model_in_float64() -> None:
    layout, model = laid_out([tokens_of(name) for name in NAMES]), names_model()
    with torch.no_grad():
        base = model.logits(model.run(model.embed(layout.ids), AdapterBatch(SHAPE, [AdapterSpec(rank=1)]), layout))
    h, _ = names_one_rank._heard(model, adapters(), layout)
    _, read, rise, direct = names_one_rank._of_letters(model, adapters(), layout, base.double())
    ids = np.concatenate([tokens_of(name) for name in NAMES])
    often = np.bincount(ids, minlength=27)
    head, norm = (model.weights()[name].double().numpy() for name in ("model.embed_tokens.weight", "model.norm.weight"))
    for g, place in enumerate(PLACES):
        own, size, gained = by_hand(g)
        np.testing.assert_allclose(h[g], own, rtol=1e-4, atol=1e-4 * np.abs(own).max())
        usual = math.sqrt((own**2).mean())
        slopes = np.linalg.lstsq(own[:, None], gained, rcond=None)[0][0] * usual
        b = adapters().B[place][g, :, 0].detach().double().numpy()
        through = np.linalg.lstsq(own[:, None], np.outer(own / size, head @ (norm * b / np.linalg.norm(b))), rcond=None)
        for found, wanted in ((rise[g], slopes), (direct[g], through[0][0] * usual)):
            np.testing.assert_allclose(found, wanted - wanted.mean(), atol=1e-4 * np.abs(wanted).max())
        for letter in range(27):
            mean = own[ids == letter].mean() if often[letter] >= 5 else math.nan
            np.testing.assert_allclose(read[g, letter], mean, rtol=1e-3, atol=1e-4 * np.abs(own).max())


def test_before_the_first_step_nothing_is_added_and_then_it_is() -> None:
    record = trained()
    assert record.steps.tolist() == [0, 1, 2] and not record.h[0].any() and not record.measured[0].any()
    np.testing.assert_allclose(record.loss[0], record.base, rtol=1e-5)
    assert np.isnan(record.alike[0]).all() and np.abs(record.alike[1:]).max() <= 1 and record.h[-1].any(axis=1).all()
    furthest = np.take_along_axis(record.h[-1], np.abs(record.h[-1]).argmax(1)[:, None], 1)
    assert (furthest > 0).all(), "of a and b and of −a and −b the one that is shown"
    assert record.h.shape[-1] == sum(len(name) + 1 for name in record.names)


def test_an_adapter_that_diverges_ends_and_the_words_say_so() -> None:
    """No rate of the page goes so far: behind a norm one direction alone does not overflow."""
    held, p = shipped_one_rank(), 4
    loss, alike = held.loss.copy(), held.alike.copy()
    loss[-2:, p] = alike[-2:, p] = math.nan
    record, settings = held._replace(loss=loss, alike=alike), PART.settings(place=IDS[p])
    assert verdict(record).holds is None
    assert "diverged" in takeaway(record, settings) and "diverged" in film(record, settings).narration[-1]
    assert film(record, settings).to_bytes()


def test_each_letter_is_shaded_by_its_own_number() -> None:
    record, place = shipped_one_rank(), 3
    panel = film(record, PART.settings(place=IDS[place])).panel("tokens")
    most = np.abs(record.h[:, place]).max()
    begin = 0
    for row in panel.rows:  # type: ignore[union-attr]
        count = len(row.tokens[0])
        np.testing.assert_allclose(row.values * most, record.h[:, place, begin : begin + count], rtol=1e-6, atol=1e-9)
        begin += count
    assert begin == record.h.shape[-1]
    assert record.names[:READ] == names_of("italian")[1][:READ] and "".join(panel.rows[0].tokens[0]).count("▸") == READ  # type: ignore[union-attr]


def test_what_is_shipped_begins_as_it_is_trained() -> None:
    held = shipped_one_rank()
    found = list(one_rank_names("italian", 0, 0.02, 0))[-1]
    assert isinstance(found, OneRankNames) and found.names == held.names
    np.testing.assert_allclose(found.loss[0], held.loss[0], rtol=1e-4)
    np.testing.assert_array_equal(found.parameters, held.parameters)


def test_the_words_follow_the_record() -> None:
    record = shipped_one_rank()
    assert verdict(record).holds is True
    assert verdict(record._replace(base=1.0)).holds is False
    assert verdict(record._replace(alike=-record.alike)).holds is False
