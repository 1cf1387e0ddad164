# mypy: ignore-errors
"""One GPU program, from the first step of its adapters to the last. The kernel alone: see fused.py.

Imported only where Triton is.
"""

import triton
import triton.language as tl

__all__ = ["train_bin"]


@triton.jit
def _root(x, QUICK: tl.constexpr):
    if QUICK:  # one instruction; below 1e-38 it answers 0, where ε decides alone
        return tl.inline_asm_elementwise("sqrt.approx.ftz.f32 $0, $1;", "=f,f", [x], tl.float32, True, 1)
    return tl.sqrt(x)


@triton.jit
def _inverse(x, QUICK: tl.constexpr):
    if QUICK:
        return tl.inline_asm_elementwise("rcp.approx.ftz.f32 $0, $1;", "=f,f", [x], tl.float32, True, 1)
    return 1.0 / x


@triton.jit
def train_bin(
    start,  # (total·d_in + total·d_out) floats: rows of A, then rows of Bᵀ
    history,  # (T, the same)
    norms,  # (2, T, total): the gradients' row norms
    stopped,  # (total) ints: the step at which a row's adapter was frozen, or −1
    cross,  # R (d_out, d_in)
    covariance,  # C (d_in, d_in), read only if HAS_C
    rows,  # (5, total): scaling, lr of A, lr of B, weight decay, the longest learning rate that scales a step
    kinds,  # (2, total) ints: whose row it is, or −1; 1 for Adam's family
    table,  # (steps + 1, 3): what the step's number alone decides
    slots,  # (steps + 1) ints: where step k is recorded, or −1
    total,
    records,
    steps,
    d_in,
    d_out,
    longest_step,
    W: tl.constexpr,
    DI: tl.constexpr,
    DO: tl.constexpr,
    HAS_C: tl.constexpr,
    DECAY: tl.constexpr,
    ADAM: tl.constexpr,  # 1: all rows, 0: none, 2: some
    PRECISION: tl.constexpr,
    QUICK: tl.constexpr,
):
    row = tl.program_id(0) * W + tl.arange(0, W)
    i = tl.arange(0, DI)
    o = tl.arange(0, DO)
    here = row < total
    in_A = (i < d_in)[None, :] & here[:, None]
    in_B = (o < d_out)[None, :] & here[:, None]
    at_A = row[:, None] * d_in + i[None, :]
    at_B = total * d_in + row[:, None] * d_out + o[None, :]
    A = tl.load(start + at_A, mask=in_A, other=0.0)
    Bt = tl.load(start + at_B, mask=in_B, other=0.0)
    in_R = (o < d_out)[:, None] & (i < d_in)[None, :]
    R = -tl.load(cross + o[:, None] * d_in + i[None, :], mask=in_R, other=0.0)
    in_Rt = (i < d_in)[:, None] & (o < d_out)[None, :]
    Rt = -tl.load(cross + o[None, :] * d_in + i[:, None], mask=in_Rt, other=0.0)
    if HAS_C:
        j = tl.arange(0, DI)
        C = tl.load(
            covariance + j[:, None] * d_in + i[None, :], mask=(j < d_in)[:, None] & (i < d_in)[None, :], other=0.0
        )
    s = tl.load(rows + row, mask=here, other=0.0)[:, None]
    lr_A = tl.load(rows + total + row, mask=here, other=0.0)[:, None]
    lr_B = tl.load(rows + 2 * total + row, mask=here, other=0.0)[:, None]
    scales = tl.load(rows + 4 * total + row, mask=here, other=0.0)
    limit = longest_step / tl.maximum(tl.max(scales, 0), 1.0)
    limit = limit * limit
    owner = tl.load(kinds + row, mask=here, other=-1)
    mine = owner[:, None] == owner[None, :]
    if DECAY:
        decay = tl.load(rows + 3 * total + row, mask=here, other=0.0)[:, None]
    if ADAM == 2:
        adam = (tl.load(kinds + total + row, mask=here, other=0) == 1)[:, None]
    alive = here
    mA = tl.zeros((W, DI), tl.float32)
    vA = tl.zeros((W, DI), tl.float32)
    mB = tl.zeros((W, DO), tl.float32)
    vB = tl.zeros((W, DO), tl.float32)
    for k in range(steps + 1):
        Bs = Bt * s
        if HAS_C:
            AC = tl.dot(A, C, input_precision=PRECISION)
        else:
            AC = A
        gram_B = tl.where(mine, tl.dot(Bs, tl.trans(Bs), input_precision=PRECISION), 0.0)
        gram_A = tl.where(mine, tl.dot(AC, tl.trans(A), input_precision=PRECISION), 0.0)
        gA = tl.dot(gram_B, AC, tl.dot(Bs, R, input_precision=PRECISION), input_precision=PRECISION)
        gB = tl.dot(gram_A, Bs, tl.dot(A, Rt, input_precision=PRECISION), input_precision=PRECISION) * s
        slot = tl.load(slots + k)
        if slot >= 0:
            place = history + slot.to(tl.int64) * total * (d_in + d_out)
            tl.store(place + at_A, A, mask=in_A)
            tl.store(place + at_B, Bt, mask=in_B)
            tl.store(norms + slot * total + row, tl.sqrt(tl.sum(gA * gA, 1)), mask=here)
            tl.store(norms + (records + slot) * total + row, tl.sqrt(tl.sum(gB * gB, 1)), mask=here)
        if DI == DO:
            squares = tl.sum(gA * gA + gB * gB)
        else:
            squares = tl.sum(gA * gA) + tl.sum(gB * gB)
        if (k < steps) & ~(squares <= limit):  # somebody may be about to go too far: who?
            by_row = tl.sum(gA * gA, 1) + tl.sum(gB * gB, 1)
            own = tl.sqrt(tl.sum(tl.where(mine, by_row[None, :], 0.0), 1)) * scales
            gone = alive & ~(own <= longest_step)
            tl.store(stopped + row, k, mask=gone)
            alive = alive & ~gone
        going = alive[:, None]
        gA = tl.where(going, gA, 0.0)
        gB = tl.where(going, gB, 0.0)
        rate = tl.load(table + 3 * k)
        eps = tl.load(table + 3 * k + 1)
        factor = tl.load(table + 3 * k + 2)
        to_A = tl.where(going, lr_A, 0.0)
        to_B = tl.where(going, lr_B, 0.0)
        if DECAY:
            A *= 1 - factor * to_A * decay
            Bt *= 1 - factor * to_B * decay
        if ADAM == 0:
            A -= (factor * to_A) * gA
            Bt -= (factor * to_B) * gB
        else:  # sums without their factors 1 − β, which are in the table's numbers
            mA = 0.9 * mA + gA
            mB = 0.9 * mB + gB
            vA = 0.999 * vA + gA * gA
            vB = 0.999 * vB + gB * gB
            uA = mA * _inverse(_root(vA, QUICK) + eps, QUICK)
            uB = mB * _inverse(_root(vB, QUICK) + eps, QUICK)
            if ADAM == 2:
                uA = tl.where(adam, rate * uA, factor * gA)
                uB = tl.where(adam, rate * uB, factor * gB)
                A -= to_A * uA
                Bt -= to_B * uB
            else:
                A -= (rate * to_A) * uA
                Bt -= (rate * to_B) * uB
