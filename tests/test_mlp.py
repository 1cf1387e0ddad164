"""Gradients of many networks at once, against autograd, against LoRALinear and against PEFT."""

import numpy as np
import pytest
import torch
from peft import LoraConfig, get_peft_model
from torch import nn

from lora_viz.engine.optim import RULES, Segment
from lora_viz.layer.lora import LoRALinear
from lora_viz.networks.mlp import Adapted, Dense, Network

G, N, D, H, C = 2, 13, 7, 5, 3
RANKS, ALPHA = (1, 2, 4), 6.0


def draw(*shape: int, seed: int) -> torch.Tensor:
    return torch.tensor(np.random.default_rng(seed).standard_normal(shape))


@pytest.fixture
def base() -> Network:
    shapes = ((G, H, D), (G, H), (G, H, H), (G, H), (G, C, H), (G, C))
    w1, b1, w2, b2, w3, b3 = (draw(*shape, seed=i) for i, shape in enumerate(shapes))
    return w1, b1, w2, b2, w3, b3


@pytest.fixture
def data() -> tuple[torch.Tensor, torch.Tensor]:
    return draw(G, N, D, seed=20), torch.tensor(np.random.default_rng(21).integers(0, C, (G, N)))


def adapted(base: Network) -> Adapted:
    first = [draw(G, 1, max(RANKS), d, seed=30 + d).repeat(1, len(RANKS), 1, 1) for d in (D, H)]
    for a in first:
        for m, rank in enumerate(RANKS):
            a[:, m, rank:] = 0
    return Adapted(base, (first[0], first[1]), torch.tensor([ALPHA / r for r in RANKS], dtype=torch.float64))


def plain(base: Network, g: int) -> nn.Sequential:
    net = nn.Sequential(nn.Linear(D, H), nn.ReLU(), nn.Linear(H, H), nn.ReLU(), nn.Linear(H, C)).double()
    with torch.no_grad():
        for i, layer in enumerate((net[0], net[2], net[4])):
            layer.weight.copy_(base[2 * i][g])
            layer.bias.copy_(base[2 * i + 1][g])
    return net


@pytest.mark.parametrize("head_only", [False, True])
def test_the_gradient_of_whole_networks_is_autograds(
    base: Network, data: tuple[torch.Tensor, torch.Tensor], head_only: bool
) -> None:
    x, y = data
    family = Dense(base, head_only=head_only)
    family(x, y)
    for g in range(G):
        net = plain(base, g)
        nn.functional.cross_entropy(net(x[g]), y[g]).backward()
        wanted = [p.grad for p in net.parameters()][4 if head_only else 0 :]
        for own, autograd in zip(family.grads, wanted, strict=True):
            assert autograd is not None
            torch.testing.assert_close(own[g], autograd, rtol=1e-12, atol=1e-13)
        torch.testing.assert_close(family.logits(x)[g], net(x[g]).detach(), rtol=1e-12, atol=1e-12)


def test_the_gradient_of_adapters_is_that_of_lora_layers(
    base: Network, data: tuple[torch.Tensor, torch.Tensor]
) -> None:
    x, y = data
    family = adapted(base)
    family.B1 += draw(*family.B1.shape, seed=50) * (family.A1.abs().sum(-1) > 0).unsqueeze(2)
    family.B2 += draw(*family.B2.shape, seed=51) * (family.A2.abs().sum(-1) > 0).unsqueeze(2)
    family(x, y)
    for g in range(G):
        for m, rank in enumerate(RANKS):
            net = plain(base, g).requires_grad_(False)
            for place, A, B in ((0, family.A1, family.B1), (2, family.A2, family.B2)):
                layer = LoRALinear(net[place], rank=rank, alpha=ALPHA)
                with torch.no_grad():
                    layer.lora_A.copy_(A[g, m, :rank])
                    layer.lora_B.copy_(B[g, m, :, :rank])
                net[place] = layer
            torch.testing.assert_close(family.logits(x)[g, m], net(x[g]).detach(), rtol=1e-12, atol=1e-12)
            nn.functional.cross_entropy(net(x[g]), y[g]).backward()
            for place, dA, dB in ((0, *family.grads[:2]), (2, *family.grads[2:])):
                torch.testing.assert_close(dA[g, m, :rank], net[place].lora_A.grad, rtol=1e-11, atol=1e-13)
                torch.testing.assert_close(dB[g, m, :, :rank], net[place].lora_B.grad, rtol=1e-11, atol=1e-13)


def test_training_is_pefts_and_padding_stays_zero(base: Network, data: tuple[torch.Tensor, torch.Tensor]) -> None:
    x, y = data
    family = adapted(base)
    start = family.A1.clone(), family.A2.clone()
    rule = RULES["adam"](Segment(0, len(family.state), 0.02, 0.0), family.gradient)
    for k in range(30):
        family(x, y)
        rule.step(k, 1.0, family.state, family.gradient, family.state)
    for m, rank in enumerate(RANKS):
        for A, B in ((family.A1, family.B1), (family.A2, family.B2)):
            assert (A[:, m, rank:] == 0).all() and (B[:, m, :, rank:] == 0).all()
        for g in range(G):
            net = get_peft_model(plain(base, g), LoraConfig(r=rank, lora_alpha=ALPHA, target_modules=["0", "2"]))
            layers = [net.base_model.model[i] for i in (0, 2)]
            with torch.no_grad():
                for layer, a in zip(layers, start, strict=True):
                    layer.lora_A["default"].weight.copy_(a[g, m, :rank])
            solver = torch.optim.Adam([p for p in net.parameters() if p.requires_grad], lr=0.02)
            for _ in range(30):
                solver.zero_grad()
                nn.functional.cross_entropy(net(x[g]), y[g]).backward()
                solver.step()
            torch.testing.assert_close(family.logits(x)[g, m], net(x[g]).detach(), rtol=1e-8, atol=1e-9)
