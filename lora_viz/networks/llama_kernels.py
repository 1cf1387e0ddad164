# mypy: ignore-errors
"""GPU programs for the parts of a Llama between its products. The kernels alone: see llama_on_gpu.py.

Imported only where Triton is.
"""

import triton
import triton.language as tl

__all__ = ["attend_backward", "attend_forward", "gate_backward", "gate_forward", "multiply"]


@triton.jit
def _turned(left, right, cosine, sine):
    return left * cosine - right * sine, right * cosine + left * sine


@triton.jit
def _half(y, rows, here, stride, column, D: tl.constexpr):
    """D columns of these rows from ``column`` on; zeros where there is no row."""
    d = tl.arange(0, D)
    return tl.load(y + rows[:, None] * stride + column + d[None, :], mask=here[:, None], other=0.0)


@triton.jit
def _angles(turns, rows, here, D: tl.constexpr):
    """Cosine and sine of these rows' rotary angles: ``turns`` is (rows, 2·D)."""
    d = tl.arange(0, D)
    at = turns + rows[:, None] * (2 * D) + d[None, :]
    return tl.load(at, mask=here[:, None], other=1.0), tl.load(at + D, mask=here[:, None], other=0.0)


@triton.jit
def _chances(ql, qr, pl, pr, kl, kr, prefix, length, alone, scale, P: tl.constexpr, T: tl.constexpr,
             PRECISION: tl.constexpr):  # fmt: skip
    """What each row of a text looks at: shares of the beginning (T, P) and of its own text (T, T)."""
    i, j, k = tl.arange(0, T), tl.arange(0, P), tl.arange(0, T)
    first = tl.dot(ql, tl.trans(pl), input_precision=PRECISION) + tl.dot(qr, tl.trans(pr), input_precision=PRECISION)
    own = tl.dot(ql, tl.trans(kl), input_precision=PRECISION) + tl.dot(qr, tl.trans(kr), input_precision=PRECISION)
    first = tl.where((j < prefix)[None, :] & (alone == 0), first * scale, float("-inf"))
    own = tl.where((k[None, :] <= i[:, None]) & (k < length)[None, :], own * scale, float("-inf"))
    # Row i always sees itself, or, beyond the text, its tokens: the largest is finite.
    most = tl.maximum(tl.max(own, 1), tl.max(first, 1))
    first, own = tl.exp(first - most[:, None]), tl.exp(own - most[:, None])
    total = tl.sum(first, 1) + tl.sum(own, 1)
    return first / total[:, None], own / total[:, None]


@triton.jit
def attend_forward(
    y,  # (G, N, (H + 2K)·2D): queries, keys, values by head
    turns,  # (N, 2·D): cosine, sine
    starts,  # (S + 1): where each text begins in the line; last the beginning that all share
    lengths,  # (S + 1)
    out,  # (G, N, H·2D)
    N,
    prefix,
    texts,
    scale,
    HEADS: tl.constexpr,
    SHARED: tl.constexpr,  # K: heads of keys
    D: tl.constexpr,  # half a head
    P: tl.constexpr,
    T: tl.constexpr,
    PRECISION: tl.constexpr,
):
    g, kv, s = tl.program_id(0).to(tl.int64), tl.program_id(1), tl.program_id(2)
    WIDE: tl.constexpr = (HEADS + 2 * SHARED) * 2 * D
    y += g * N * WIDE
    out += g * N * HEADS * 2 * D
    start, length, alone = tl.load(starts + s), tl.load(lengths + s), (s == texts).to(tl.int32)
    i, j, d = tl.arange(0, T), tl.arange(0, P), tl.arange(0, D)
    rows, here, seen = start + i, i < length, (j < prefix) & (alone == 0)
    key, value = (HEADS + kv) * 2 * D, (HEADS + SHARED + kv) * 2 * D
    cosine, sine = _angles(turns, rows, here, D)
    kl, kr = _turned(_half(y, rows, here, WIDE, key, D), _half(y, rows, here, WIDE, key + D, D), cosine, sine)
    vl, vr = _half(y, rows, here, WIDE, value, D), _half(y, rows, here, WIDE, value + D, D)
    pc, ps = _angles(turns, j, seen, D)
    pl, pr = _turned(_half(y, j, seen, WIDE, key, D), _half(y, j, seen, WIDE, key + D, D), pc, ps)
    wl, wr = _half(y, j, seen, WIDE, value, D), _half(y, j, seen, WIDE, value + D, D)
    for n in range(HEADS // SHARED):
        head = (kv * (HEADS // SHARED) + n) * 2 * D
        ql, qr = _turned(_half(y, rows, here, WIDE, head, D), _half(y, rows, here, WIDE, head + D, D), cosine, sine)
        first, own = _chances(ql, qr, pl, pr, kl, kr, prefix, length, alone, scale, P, T, PRECISION)
        left = tl.dot(own, vl, input_precision=PRECISION) + tl.dot(first, wl, input_precision=PRECISION)
        right = tl.dot(own, vr, input_precision=PRECISION) + tl.dot(first, wr, input_precision=PRECISION)
        at = out + rows[:, None] * (HEADS * 2 * D) + head + d[None, :]
        tl.store(at, left, mask=here[:, None])
        tl.store(at + D, right, mask=here[:, None])


@triton.jit
def attend_backward(
    y,
    turns,
    starts,
    lengths,
    gradient,  # (G, N, H·2D)
    found,  # (G, N, (H + 2K)·2D): of y; the beginning's keys and values are added up by the caller
    shares,  # (G, S + 1, prefix, 2K·2D): what each text gives to the beginning's keys and values
    N,
    prefix,
    texts,
    scale,
    HEADS: tl.constexpr,
    SHARED: tl.constexpr,
    D: tl.constexpr,
    P: tl.constexpr,
    T: tl.constexpr,
    PRECISION: tl.constexpr,
):
    g, kv, s = tl.program_id(0).to(tl.int64), tl.program_id(1), tl.program_id(2)
    WIDE: tl.constexpr = (HEADS + 2 * SHARED) * 2 * D
    y += g * N * WIDE
    found += g * N * WIDE
    gradient += g * N * HEADS * 2 * D
    start, length, alone = tl.load(starts + s), tl.load(lengths + s), (s == texts).to(tl.int32)
    i, j, d = tl.arange(0, T), tl.arange(0, P), tl.arange(0, D)
    rows, here, seen = start + i, i < length, (j < prefix) & (alone == 0)
    key, value = (HEADS + kv) * 2 * D, (HEADS + SHARED + kv) * 2 * D
    cosine, sine = _angles(turns, rows, here, D)
    kl, kr = _turned(_half(y, rows, here, WIDE, key, D), _half(y, rows, here, WIDE, key + D, D), cosine, sine)
    vl, vr = _half(y, rows, here, WIDE, value, D), _half(y, rows, here, WIDE, value + D, D)
    pc, ps = _angles(turns, j, seen, D)
    pl, pr = _turned(_half(y, j, seen, WIDE, key, D), _half(y, j, seen, WIDE, key + D, D), pc, ps)
    wl, wr = _half(y, j, seen, WIDE, value, D), _half(y, j, seen, WIDE, value + D, D)
    dkl = tl.zeros((T, D), tl.float32)
    dkr, dvl, dvr = dkl, dkl, dkl
    dpl = tl.zeros((P, D), tl.float32)
    dpr, dwl, dwr = dpl, dpl, dpl
    for n in range(HEADS // SHARED):
        head = (kv * (HEADS // SHARED) + n) * 2 * D
        ql, qr = _turned(_half(y, rows, here, WIDE, head, D), _half(y, rows, here, WIDE, head + D, D), cosine, sine)
        first, own = _chances(ql, qr, pl, pr, kl, kr, prefix, length, alone, scale, P, T, PRECISION)
        gl = _half(gradient, rows, here, HEADS * 2 * D, head, D)
        gr = _half(gradient, rows, here, HEADS * 2 * D, head + D, D)
        dvl += tl.dot(tl.trans(own), gl, input_precision=PRECISION)
        dvr += tl.dot(tl.trans(own), gr, input_precision=PRECISION)
        dwl += tl.dot(tl.trans(first), gl, input_precision=PRECISION)
        dwr += tl.dot(tl.trans(first), gr, input_precision=PRECISION)
        of_first = tl.dot(gl, tl.trans(wl), input_precision=PRECISION)
        of_first += tl.dot(gr, tl.trans(wr), input_precision=PRECISION)
        of_own = tl.dot(gl, tl.trans(vl), input_precision=PRECISION)
        of_own += tl.dot(gr, tl.trans(vr), input_precision=PRECISION)
        mean = (tl.sum(of_first * first, 1) + tl.sum(of_own * own, 1))[:, None]
        of_first = first * (of_first - mean) * scale
        of_own = own * (of_own - mean) * scale
        dql = tl.dot(of_own, kl, input_precision=PRECISION) + tl.dot(of_first, pl, input_precision=PRECISION)
        dqr = tl.dot(of_own, kr, input_precision=PRECISION) + tl.dot(of_first, pr, input_precision=PRECISION)
        dkl += tl.dot(tl.trans(of_own), ql, input_precision=PRECISION)
        dkr += tl.dot(tl.trans(of_own), qr, input_precision=PRECISION)
        dpl += tl.dot(tl.trans(of_first), ql, input_precision=PRECISION)
        dpr += tl.dot(tl.trans(of_first), qr, input_precision=PRECISION)
        dql, dqr = _turned(dql, dqr, cosine, -sine)
        at = found + rows[:, None] * WIDE + head + d[None, :]
        tl.store(at, dql, mask=here[:, None])
        tl.store(at + D, dqr, mask=here[:, None])
    dkl, dkr = _turned(dkl, dkr, cosine, -sine)
    at = found + rows[:, None] * WIDE + d[None, :]
    tl.store(at + key, dkl, mask=here[:, None])
    tl.store(at + key + D, dkr, mask=here[:, None])
    tl.store(at + value, dvl, mask=here[:, None])
    tl.store(at + value + D, dvr, mask=here[:, None])
    dpl, dpr = _turned(dpl, dpr, pc, -ps)
    at = shares + ((g * (texts + 1) + s) * prefix + j[:, None]) * (4 * SHARED * D) + d[None, :]
    tl.store(at + kv * 2 * D, dpl, mask=seen[:, None])
    tl.store(at + kv * 2 * D + D, dpr, mask=seen[:, None])
    tl.store(at + (SHARED + kv) * 2 * D, dwl, mask=seen[:, None])
    tl.store(at + (SHARED + kv) * 2 * D + D, dwr, mask=seen[:, None])


@triton.jit
def gate_forward(both, out, inner, BLOCK: tl.constexpr):
    """silu(first half of a row) · second half."""
    row, i = tl.program_id(0).to(tl.int64), tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    here = i < inner
    gate = tl.load(both + row * 2 * inner + i, mask=here)
    up = tl.load(both + row * 2 * inner + inner + i, mask=here)
    tl.store(out + row * inner + i, gate * tl.sigmoid(gate) * up, mask=here)


@triton.jit
def gate_backward(both, gradient, found, inner, BLOCK: tl.constexpr):
    row, i = tl.program_id(0).to(tl.int64), tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    here = i < inner
    gate = tl.load(both + row * 2 * inner + i, mask=here)
    up = tl.load(both + row * 2 * inner + inner + i, mask=here)
    given = tl.load(gradient + row * inner + i, mask=here)
    open_ = tl.sigmoid(gate)
    silu = gate * open_
    tl.store(found + row * 2 * inner + i, given * up * (open_ + silu * (1 - open_)), mask=here)
    tl.store(found + row * 2 * inner + inner + i, given * silu, mask=here)


@triton.jit
def multiply(
    x,  # (M, K)
    weight,  # (N, K), rows ``row`` apart
    out,  # (M, N)
    M,
    N,
    K,
    row,
    BM: tl.constexpr,
    BN: tl.constexpr,
    BK: tl.constexpr,
):
    """x·weightᵀ, each product formed as three of TF32, whose rounding is float32's. BK divides K."""
    wide = tl.cdiv(N, BN)
    i = tl.program_id(0) // wide * BM + tl.arange(0, BM)
    j = tl.program_id(0) % wide * BN + tl.arange(0, BN)
    k = tl.arange(0, BK)
    at = x + i[:, None].to(tl.int64) * K + k[None, :]
    of = weight + j[None, :].to(tl.int64) * row + k[:, None]
    total = tl.zeros((BM, BN), tl.float32)
    for _ in range(0, K, BK):
        left = tl.load(at, mask=(i < M)[:, None], other=0.0)
        right = tl.load(of, mask=(j < N)[None, :], other=0.0)
        total = tl.dot(left, right, total, input_precision="tf32x3")
        at += BK
        of += BK
    tl.store(out + i[:, None].to(tl.int64) * N + j[None, :], total, mask=(i < M)[:, None] & (j < N)[None, :])
