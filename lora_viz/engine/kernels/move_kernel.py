# mypy: ignore-errors
"""All rows of one factor moved in one pass: freeze, moments, decay and step of SGD or Adam, row by row.

Imported only where Triton is.
"""

import triton
import triton.language as tl

__all__ = ["move_rows"]


@triton.jit
def move_rows(
    now,  # (total, d), and grad, first, second of the same shape
    grad,
    first,
    second,
    lr,  # (total), as decay; alive says who still moves, adam who does it by Adam's rule
    decay,
    alive,
    adam,
    table,  # (steps + 1, 3): Adam's rate and ε, and the schedule's factor, at step k
    k,
    d,
    D: tl.constexpr,
    WITH_ADAM: tl.constexpr,
):
    row = tl.program_id(0)
    going = tl.load(alive + row) != 0
    step = tl.load(k)
    rate, eps, factor = tl.load(table + 3 * step), tl.load(table + 3 * step + 1), tl.load(table + 3 * step + 2)
    own = tl.load(lr + row)
    i = tl.arange(0, D)
    at, here = row.to(tl.int64) * d + i, i < d
    if going:
        x = tl.load(now + at, mask=here)
        g = tl.load(grad + at, mask=here)
        x *= 1 - factor * own * tl.load(decay + row)
        if WITH_ADAM:
            if tl.load(adam + row) != 0:
                m = 0.9 * tl.load(first + at, mask=here) + g
                v = 0.999 * tl.load(second + at, mask=here) + g * g
                tl.store(first + at, m, mask=here)
                tl.store(second + at, v, mask=here)
                x -= rate * own * (m / (tl.sqrt(v) + eps))
            else:
                x -= factor * own * g
        else:
            x -= factor * own * g
        tl.store(now + at, x, mask=here)
