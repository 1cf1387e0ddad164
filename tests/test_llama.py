"""The frozen Llama and many adapters on it, against transformers and PEFT on the same model."""

from __future__ import annotations

import math

import numpy as np
import peft
import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM
from transformers.models.llama.modeling_llama import LlamaRMSNorm

from lora_viz.networks.adapter_batch import AdapterBatch, AdapterSpec, peft_name
from lora_viz.networks.llama import MODULES, Cache, Frozen, Layout, Llama, Shape, laid_out

SHAPE = Shape(vocabulary=13, width=20, layers=3, heads=5, kv_heads=1, inner=7)
PREFIX = [3, 1, 4, 1, 5]
TEXTS = [[2, 7, 1, 8], [2, 8], [1, 8, 2, 8, 4, 5, 9]]
SPECS = (
    AdapterSpec(rank=1, modules=("q_proj", "v_proj"), scaling=2.0, lr=0.03, seed=1),
    AdapterSpec(rank=3, scaling=0.7, lr=0.01, weight_decay=0.1, seed=2),
    AdapterSpec(rank=2, modules=("down_proj", "o_proj"), layers=(1, 2), lr=0.02, seed=3),
)


@pytest.fixture(scope="module")
def weights() -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return {
        name: torch.randn(size, generator=generator, dtype=torch.float64) * 0.3 + (len(size) == 1)
        for name, size in Llama.names(SHAPE).items()
    }


@pytest.fixture(scope="module")
def model(weights: dict[str, torch.Tensor]) -> Llama:
    return Llama(SHAPE, weights)


def theirs(weights: dict[str, torch.Tensor]) -> LlamaForCausalLM:
    config = {name: value for name, value in SHAPE.config().items() if name not in ("architectures", "torch_dtype")}
    found = LlamaForCausalLM(LlamaConfig(**config, attn_implementation="sdpa", use_cache=False)).double()
    for module in list(found.modules()):  # their norm rounds to float32, which would hide errors
        for name, child in module.named_children():
            if isinstance(child, LlamaRMSNorm):
                setattr(module, name, torch.nn.RMSNorm(SHAPE.width, eps=SHAPE.eps, dtype=torch.float64))
    missing, unknown = found.load_state_dict(weights, strict=False)
    assert missing == ["lm_head.weight"] and not unknown
    return found


def logits_apart(reference: torch.nn.Module) -> list[torch.Tensor]:
    """Their logits of each text with its beginning, one after another, without padding."""
    return [reference(torch.tensor([PREFIX + text])).logits[0, len(PREFIX) :] for text in TEXTS]


def logits_together(model: Llama, held: object, layout: Layout) -> torch.Tensor:
    x = model.run(model.embed(layout.ids, held.count), held, layout)  # type: ignore[attr-defined]
    return model.logits(x[:, layout.prefix :])


def summed_loss(logits: torch.Tensor) -> torch.Tensor:
    """A loss that asks different things of different tokens, for every adapter."""
    return -(logits.log_softmax(-1)[..., ::3]).sum((-1, -2)) / logits.shape[-2]


def peft_model(weights: dict[str, torch.Tensor], spec: AdapterSpec, batch: AdapterBatch, g: int) -> torch.nn.Module:
    """PEFT's, its factors those of the g-th adapter."""
    config = peft.LoraConfig(
        r=spec.rank, lora_alpha=spec.scaling * spec.rank, target_modules=list(spec.modules),
        layers_to_transform=list(spec.layers) or None, lora_dropout=0.0,
    )  # fmt: skip
    found = peft.get_peft_model(theirs(weights), config, autocast_adapter_dtype=False)
    state = {}
    for (i, module), (A, B) in batch.factors(g).items():
        state[f"{peft_name(i, module)}.lora_A.default.weight"] = torch.from_numpy(A)
        state[f"{peft_name(i, module)}.lora_B.default.weight"] = torch.from_numpy(B)
    ours = {name for name, value in found.named_parameters() if value.requires_grad}
    assert ours == set(state), "the same modules are adapted"
    found.load_state_dict(state, strict=False)
    return found


def started() -> AdapterBatch:
    """With a B that is not zero, so that every gradient is."""
    batch = AdapterBatch(SHAPE, SPECS, dtype=torch.float64)
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for g, spec in enumerate(SPECS):
            for place in batch.factors(g):
                B = batch.B[place][g, :, : spec.rank]
                B.copy_(torch.randn(B.shape, generator=generator, dtype=torch.float64) * 0.2)
    return batch


def test_it_says_what_transformers_says(model: Llama, weights: dict[str, torch.Tensor]) -> None:
    layout = laid_out(TEXTS, PREFIX)
    ours = logits_together(model, Frozen(), layout)[0]
    assert torch.allclose(ours, torch.cat(logits_apart(theirs(weights))), rtol=1e-10, atol=1e-10)
    assert sum(value.numel() for value in weights.values()) == SHAPE.parameters


def test_its_weights_come_back_under_their_names(model: Llama, weights: dict[str, torch.Tensor]) -> None:
    again = model.weights()
    assert set(again) == set(weights) == set(Llama.names(SHAPE))
    assert all(torch.equal(again[name], weights[name]) for name in weights)


def test_losses_and_gradients_of_every_adapter_are_pefts(model: Llama, weights: dict[str, torch.Tensor]) -> None:
    batch, layout = started(), laid_out(TEXTS, PREFIX)
    ours = summed_loss(logits_together(model, batch, layout))
    ours.sum().backward()
    for g, spec in enumerate(SPECS):
        reference = peft_model(weights, spec, batch, g)
        loss = summed_loss(torch.cat(logits_apart(reference)))
        loss.backward()
        assert math.isclose(float(loss.detach()), float(ours[g].detach()), rel_tol=1e-10)
        named = dict(reference.named_parameters())
        for place in batch.factors(g):
            for part, letter in ((batch.A[place], "A"), (batch.B[place], "B")):
                theirs_gradient = named[f"{peft_name(*place)}.lora_{letter}.default.weight"].grad
                assert part.grad is not None and theirs_gradient is not None
                own = part.grad[g, : spec.rank] if letter == "A" else part.grad[g, :, : spec.rank]
                assert torch.allclose(own, theirs_gradient, rtol=1e-8, atol=1e-10), place


def test_a_few_steps_end_where_torchs_adamw_ends(model: Llama, weights: dict[str, torch.Tensor]) -> None:
    batch, layout = started(), laid_out(TEXTS, PREFIX)
    references = [peft_model(weights, spec, batch, g) for g, spec in enumerate(SPECS)]
    for _ in range(3):
        summed_loss(logits_together(model, batch, layout)).sum().backward()
        batch.step()
    for g, (spec, reference) in enumerate(zip(SPECS, references, strict=True)):
        own = [p for p in reference.parameters() if p.requires_grad]
        rule = torch.optim.AdamW(own, lr=spec.lr, weight_decay=spec.weight_decay)
        for _ in range(3):
            summed_loss(torch.cat(logits_apart(reference))).backward()
            rule.step()
            rule.zero_grad()
        named = dict(reference.named_parameters())
        for place, (A, B) in batch.factors(g).items():
            for ours, letter in ((A, "A"), (B, "B")):
                expected = named[f"{peft_name(*place)}.lora_{letter}.default.weight"].detach().numpy()
                # Adam divides by the gradient's size: a gradient's rounding error is a step's error, times the rate
                assert np.allclose(ours, expected, rtol=1e-6, atol=1e-7)


def test_what_an_adapter_leaves_alone_stays_zero(model: Llama) -> None:
    batch, layout = AdapterBatch(SHAPE, SPECS, dtype=torch.float64), laid_out(TEXTS, PREFIX)
    for _ in range(2):
        summed_loss(logits_together(model, batch, layout)).sum().backward()
        batch.step()
    every = (*batch.A.values(), *batch.B.values())
    moved = [sum(int(torch.count_nonzero(part[g])) for part in every) for g in range(len(SPECS))]
    assert moved == [spec.parameters(SHAPE) for spec in SPECS]


def test_continuing_a_text_token_by_token_gives_the_states_of_the_whole(model: Llama) -> None:
    batch, cache = started(), Cache(SHAPE.layers)
    beginnings = [text[:2] for text in TEXTS[:1] + TEXTS[2:]]
    rest = [text[2:4] for text in TEXTS[:1] + TEXTS[2:]]
    with torch.inference_mode():
        begun = laid_out(beginnings, PREFIX)
        model.run(model.embed(begun.ids, batch.count), batch, begun, cache=cache)
        for t in range(2):
            ids = torch.tensor([[text[t] for text in rest]] * batch.count)
            last = model.step(ids, torch.tensor([len(PREFIX) + 2 + t] * 2), batch, cache)
        whole = laid_out([a + b for a, b in zip(beginnings, rest, strict=True)], PREFIX)
        x = model.run(model.embed(whole.ids, batch.count), batch, whole)[:, [len(PREFIX) + 3, len(PREFIX) + 7]]
    assert torch.allclose(last, x, rtol=1e-9, atol=1e-9)


def test_texts_of_unequal_length_are_continued_too(model: Llama) -> None:
    cache, begun = Cache(SHAPE.layers), laid_out(TEXTS, PREFIX)
    with torch.inference_mode():
        model.run(model.embed(begun.ids), Frozen(), begun, cache=cache)
        last = model.step(
            torch.tensor([[6, 7, 8]]), torch.tensor([len(PREFIX) + len(t) for t in TEXTS]), Frozen(), cache
        )
        for s, token in enumerate((6, 7, 8)):
            alone = laid_out([TEXTS[s] + [token]], PREFIX)
            x = model.run(model.embed(alone.ids), Frozen(), alone)[:, -1]
            assert torch.allclose(last[:, s], x, rtol=1e-9, atol=1e-9)


def test_layers_below_the_first_adapted_one_may_be_computed_once(model: Llama) -> None:
    batch = AdapterBatch(SHAPE, SPECS[2:], dtype=torch.float64)
    layout = laid_out(TEXTS, PREFIX)
    assert batch.first_layer == 1
    with torch.no_grad():
        below = model.run(model.embed(layout.ids), Frozen(), layout, stop=1)
    x = model.run(below, batch, layout, start=1)
    assert torch.allclose(x, model.run(model.embed(layout.ids), batch, layout), rtol=1e-12, atol=1e-12)


def test_dropout_leaves_the_expected_update_alone(model: Llama) -> None:
    spec = AdapterSpec(rank=2, modules=MODULES[:1], dropout=0.5, seed=1)
    batch = AdapterBatch(SHAPE, [spec, spec], dtype=torch.float64)
    x, generator = torch.randn(1, 4001, SHAPE.width, dtype=torch.float64), torch.Generator().manual_seed(2)
    with torch.no_grad():
        batch.B[0, "q_proj"].copy_(torch.randn(SHAPE.width, 2, generator=generator, dtype=torch.float64))
        none = torch.zeros(SHAPE.width + 2 * 4, SHAPE.width, dtype=torch.float64)
        plain = batch.product(x.expand(2, -1, -1), none, 0, "qkv")
        batch.drops = torch.Generator().manual_seed(3)
        dropped = batch.product(x.expand(2, -1, -1), none, 0, "qkv")
    assert not torch.equal(dropped[0], dropped[1]), "each adapter drops its own"
    noise = (dropped - plain)[..., : SHAPE.width]
    # the difference of each token is a sum of zero-mean terms: its mean over n tokens is below 6 of its standard errors
    assert (noise.mean(1).abs() <= 6 * noise.std(1) / math.sqrt(4001)).all()
