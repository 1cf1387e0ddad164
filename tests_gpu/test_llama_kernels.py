"""What the GPU's programs compute of a Llama, against plain torch in float64: attention in a line, gate, products."""

import pytest
import torch

from lora_viz.networks.frozen_products import times, times_transposed
from lora_viz.networks.llama import Llama, Shape, _gated
from lora_viz.networks.llama_on_gpu import attend_in_line, fits_attention, gated_rows
from lora_viz.networks.packed_texts import attend, laid_out

TEXTS = [[1, 2, 3], [4] * 17, [5] * 2]


@pytest.fixture(autouse=True)
def exact() -> None:
    torch.set_float32_matmul_precision("highest")


@pytest.mark.parametrize(("heads", "kv_heads", "head_dim", "prefix"), [(3, 1, 32, 5), (6, 2, 64, 0), (3, 3, 128, 19)])
def test_attention_in_a_line(heads: int, kv_heads: int, head_dim: int, prefix: int) -> None:
    shape = Shape(vocabulary=11, width=heads * head_dim, layers=1, heads=heads, kv_heads=kv_heads, inner=7)
    layout = laid_out(TEXTS, [7] * prefix, "cuda")
    weights = {name: torch.zeros(size, device="cuda") for name, size in Llama.names(shape).items()}
    model = Llama(shape, weights)
    assert fits_attention(model.embedding, layout, head_dim)
    cosine, sine = model.turns(layout.position)
    y = torch.randn(2, len(layout.ids), (heads + 2 * kv_heads) * head_dim, device="cuda", dtype=torch.float64)
    want = attend(*model._heads(y.requires_grad_(), (cosine.double(), sine.double())), layout, None, 0).flatten(-2)
    given = torch.randn_like(want)
    (of_want,) = torch.autograd.grad(want, y, given)
    own = y.detach().float().requires_grad_()
    got = attend_in_line(own, cosine, sine, layout, heads, kv_heads)
    (of_got,) = torch.autograd.grad(got, own, given.float())
    # Sums of at most 128 products of numbers of size 1, then of at most 40: 1e-4 is a hundred times their rounding.
    torch.testing.assert_close(got.double(), want, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(of_got.double(), of_want, rtol=1e-4, atol=1e-4)


def test_the_gate() -> None:
    both = torch.randn(2, 5, 2 * 1531, device="cuda", dtype=torch.float64, requires_grad=True)
    want = _gated(both)
    given = torch.randn_like(want)
    own = both.detach().float().requires_grad_()
    got = gated_rows(own)
    torch.testing.assert_close(got.double(), want, rtol=1e-5, atol=1e-6)
    (of_want,), (of_got,) = torch.autograd.grad(want, both, given), torch.autograd.grad(got, own, given.float())
    torch.testing.assert_close(of_got.double(), of_want, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("rows", "wide", "summed"), [(131, 37, 96), (257, 203, 640)])
def test_products_of_three_round_as_float32(rows: int, wide: int, summed: int) -> None:
    generator = torch.Generator("cuda").manual_seed(0)
    x = torch.randn(rows, summed, device="cuda", generator=generator)
    weight = torch.randn(wide, summed, device="cuda", generator=generator)
    want = x.double() @ weight.double().T
    bound = 4 * summed * 2.0**-24 * (x.abs().double() @ weight.abs().double().T)  # γ_n |x||W|, and the split's 2⁻²²
    assert ((times(x, weight).double() - want).abs() <= bound).all()
    across = weight.T.contiguous()
    assert ((times_transposed(x, across).double() - want).abs() <= bound).all()
    torch.set_float32_matmul_precision("high")
    plain = (times(x, weight).double() - want).abs().max()
    torch.set_float32_matmul_precision("highest")
    assert (times(x, weight).double() - want).abs().max() < plain / 20, "TF32 alone rounds to 2⁻¹¹"
