"""Many small networks at once, and their gradient: a perceptron of two hidden layers, whole or with adapters."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor

__all__ = ["Adapted", "Dense", "Network"]

# W1 (G, h, d), b1 (G, h), W2 (G, h, h), b2 (G, h), W3 (G, c, h), b3 (G, c): G networks of one shape.
Network = tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]


def _error(logits: Float[Tensor, "*G n c"], y: Int[Tensor, "*G n"]) -> Float[Tensor, "*G n c"]:
    """∂/∂logits of the mean cross-entropy: softmax minus one-hot, over n."""
    out = logits.softmax(-1)
    out.scatter_add_(-1, y.unsqueeze(-1), torch.full_like(out[..., :1], -1.0))
    return out.div_(y.shape[-1])


def _flat(parts: Sequence[Tensor]) -> tuple[Tensor, list[Tensor]]:
    """One buffer with a copy of every part, and the parts as views of it."""
    flat = torch.cat([part.reshape(-1) for part in parts])
    return flat, _views(flat, parts)


def _views(flat: Tensor, like: Sequence[Tensor]) -> list[Tensor]:
    pieces = flat.split([part.numel() for part in like])
    return [piece.view(part.shape) for piece, part in zip(pieces, like, strict=True)]


class Dense:
    """G whole networks, all of whose weights and biases train, or their heads alone: ``state`` and its ``gradient``."""

    def __init__(self, base: Network, *, head_only: bool = False) -> None:
        self.first = 4 if head_only else 0
        self.state, views = _flat(base[self.first :])
        self.parts: list[Tensor] = [*base[: self.first], *views]
        self.gradient = torch.zeros_like(self.state)
        self.grads = _views(self.gradient, views)

    def __call__(self, x: Float[Tensor, "G n d"], y: Int[Tensor, "G n"]) -> None:
        """Write the gradient of the mean cross-entropy at the present state, by the chain rule, layer by layer."""
        h1, h2, logits = self._forward(x)
        error = _error(logits, y)
        grads = self.grads
        torch.bmm(error.mT, h2, out=grads[-2])
        torch.sum(error, 1, out=grads[-1])
        if self.first:
            return
        back = torch.bmm(error, self.parts[4]).mul_(h2 > 0)
        torch.bmm(back.mT, h1, out=grads[2])
        torch.sum(back, 1, out=grads[3])
        back = torch.bmm(back, self.parts[2]).mul_(h1 > 0)
        torch.bmm(back.mT, x, out=grads[0])
        torch.sum(back, 1, out=grads[1])

    def _forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        w1, b1, w2, b2, w3, b3 = self.parts
        h1 = torch.baddbmm(b1.unsqueeze(1), x, w1.mT).relu_()
        h2 = torch.baddbmm(b2.unsqueeze(1), h1, w2.mT).relu_()
        return h1, h2, torch.baddbmm(b3.unsqueeze(1), h2, w3.mT)

    def logits(self, x: Float[Tensor, "G n d"]) -> Float[Tensor, "G n c"]:
        return self._forward(x)[2]


class Adapted:
    """M adapters on both hidden layers of each of G frozen networks, ranks padded to the largest with exact zeros.

    ``A`` are (G, M, r, d) and (G, M, r, h), ``B`` (G, M, h, r) twice, zero at first; y = W x + b + s·B(A x). A row of
    zeros in A with its column of zeros in B has gradient zero in both: a padded rank stays what it is. The frozen
    products are formed once for all adapters of a network.
    """

    def __init__(
        self, base: Network, A: tuple[Float[Tensor, "G M r d"], Float[Tensor, "G M r h"]], scaling: Float[Tensor, "M"]
    ) -> None:
        self.base = base
        g, m, r, _ = A[0].shape
        hidden = base[0].shape[1]
        zero = A[0].new_zeros(g, m, hidden, r)
        self.state, (self.A1, self.B1, self.A2, self.B2) = _flat((A[0], zero, A[1], zero))
        self.gradient = torch.zeros_like(self.state)
        self.grads = _views(self.gradient, (A[0], zero, A[1], zero))
        self.scaling = scaling.view(1, m, 1, 1)

    def __call__(self, x: Float[Tensor, "G n d"], y: Int[Tensor, "G n"]) -> None:
        """Write the gradient of every adapter's mean cross-entropy at the present state."""
        u1, h1, u2, h2, logits = self._forward(x)
        error = _error(logits, y.unsqueeze(1).expand(logits.shape[:-1]))
        dA1, dB1, dA2, dB2 = self.grads
        back = self._through(error, self.base[4]).mul_(h2 > 0)
        small = back * self.scaling
        torch.matmul(small.mT, u2, out=dB2)
        inner = small @ self.B2
        torch.matmul(inner.mT, h1, out=dA2)
        back = self._through(back, self.base[2]).add_(inner @ self.A2).mul_(h1 > 0)
        back *= self.scaling
        torch.matmul(back.mT, u1, out=dB1)
        torch.matmul((back @ self.B1).mT, x.unsqueeze(1), out=dA1)

    def _through(self, x: Float[Tensor, "G M n p"], weight: Float[Tensor, "G p q"]) -> Float[Tensor, "G M n q"]:
        g, m, n, _ = x.shape
        return torch.bmm(x.reshape(g, m * n, -1), weight).view(g, m, n, -1)

    def _forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        w1, b1, w2, b2, w3, b3 = self.base
        g, n, d = x.shape
        m, r = self.A1.shape[1:3]
        u1 = torch.bmm(x, self.A1.reshape(g, m * r, d).mT).view(g, n, m, r).permute(0, 2, 1, 3).contiguous()
        h1 = (u1 @ self.B1.mT).mul_(self.scaling)
        h1 = h1.add_(torch.baddbmm(b1.unsqueeze(1), x, w1.mT).unsqueeze(1)).relu_()
        u2 = h1 @ self.A2.mT
        h2 = self._through(h1, w2.mT).add_(b2[:, None, None]).add_((u2 @ self.B2.mT).mul_(self.scaling)).relu_()
        return u1, h1, u2, h2, self._through(h2, w3.mT).add_(b3[:, None, None])

    def logits(self, x: Float[Tensor, "G n d"]) -> Float[Tensor, "G M n c"]:
        return self._forward(x)[4]
