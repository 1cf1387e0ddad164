"""The written-out derivatives of a Llama's parts, against autograd's of the plain formulas."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from lora_viz.networks import derivatives
from lora_viz.networks.derivatives import adapted_product, gated, normed, token_losses, turned
from lora_viz.networks.llama import _gated, _turned
from lora_viz.networks.packed_texts import attend, attend_by_products, laid_out


def drawn(*size: int, seed: int = 0) -> Tensor:
    return torch.randn(size, generator=torch.Generator().manual_seed(seed + sum(size)), dtype=torch.float64)


def alike(ours: Callable[..., Tensor], plain: Callable[..., Tensor], *given: Tensor) -> None:
    """Values and the gradients of every array, of a loss that asks different things of different entries."""
    found = []
    for which in (ours, plain):
        own = [value.clone().requires_grad_() for value in given]
        y = which(*own)
        (y * drawn(*y.shape, seed=9)).sum().backward()
        found.append((y.detach(), *(value.grad for value in own)))
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-11)


def test_norm_gate_and_rotation_are_those_of_the_plain_formulas() -> None:
    alike(lambda x, w: normed(x, w, 0.1), lambda x, w: torch.nn.functional.rms_norm(x, (7,), w, 0.1),
          drawn(2, 5, 7), drawn(7))  # fmt: skip
    alike(gated, _gated, drawn(2, 5, 6) * 4)
    angle = drawn(5, 1, 3)
    cosine, sine = (torch.cat([part, part], -1) for part in (angle.cos(), angle.sin()))
    alike(
        lambda x: turned(x, cosine, sine, 2),
        lambda x: torch.cat([_turned(x[..., :2, :], cosine, sine), x[..., 2:, :]], -2),
        drawn(3, 5, 7, 6),
    )


@pytest.mark.parametrize("part", [4, 13, 100])  # the vocabulary in parts of unequal size, in one, in less than one
def test_token_losses_are_cross_entropies_and_sharp_ones_stay_finite(
    part: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(derivatives, "VOCABULARY_PART", {"cpu": part})
    head, target = drawn(13, 7), torch.tensor([12, 0, 5])

    def plain(x: Tensor) -> Tensor:
        return torch.nn.functional.cross_entropy((x @ head.T).mT, target.expand(2, -1), reduction="none")

    sharp = drawn(2, 3, 7) * 40  # chances that round to 0
    alike(lambda x: token_losses(x, head, target), plain, sharp)


@pytest.mark.parametrize("common", [False, True])
@pytest.mark.parametrize("dropping", [False, True])
@pytest.mark.parametrize("count", [1, 3])
def test_an_adapted_product_is_w_x_and_s_b_a_x(common: bool, dropping: bool, count: int) -> None:
    weight, scaling = drawn(11, 7), drawn(count, 1, 1).abs()
    columns = ((0, 4), (6, 11))  # the columns between them belong to a module without an adapter
    kept = (drawn(count, 5, 7) > 0) * 2.0 if dropping else None

    def plain(x: Tensor, A: Tensor, *B: Tensor) -> Tensor:
        seen = x if kept is None else x * kept
        h = [scaling * (seen @ part.mT) for part in A.chunk(2, 1)]
        none = torch.zeros(count, 5, 2, dtype=torch.float64)
        return x @ weight.T + torch.cat([h[0] @ B[0].mT, none, h[1] @ B[1].mT], -1)

    alike(lambda x, A, *B: adapted_product(x, weight, scaling, A, B, columns, kept), plain,
          drawn(1 if common else count, 5, 7), drawn(count, 4, 7), drawn(count, 4, 2), drawn(count, 5, 2))  # fmt: skip


@pytest.mark.parametrize("prefix", [0, 3])
def test_attention_by_products_is_attention(prefix: int) -> None:
    layout, kv = laid_out([[1, 2], [3, 4, 5, 6, 7], [8]], range(prefix)), 2
    sizes = (6, kv, kv)
    alike(lambda y: attend_by_products(y, kv, layout), lambda y: attend(*y.split(sizes, 2), layout, None, 0),
          drawn(2, prefix + 8, sum(sizes), 3))  # fmt: skip
