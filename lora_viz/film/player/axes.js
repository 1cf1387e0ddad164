// Where a number stands on an axis, and which numbers are written beside it.

/** @typedef {import("./tensor.js").Tensor} Tensor */

/**
 * The share of the way from low to high at which a value stands.
 * @param {string} kind @param {number} low @param {number} high
 * @returns {(value: number) => number}
 */
export function scaleOf(kind, low, high) {
  const f = kind === "log" ? Math.log10 : kind === "sqrt" ? Math.sqrt : (/** @type {number} */ x) => x;
  const a = f(low), b = f(high);
  return (value) => (b === a ? 0.5 : (f(value) - a) / (b - a));
}

/** What counts things has whole numbers on its axis. @param {(Tensor | null)[]} tensors */
export const counts = (tensors) =>
  tensors.every((tensor) => !tensor || tensor.data.every((v) => !Number.isFinite(v) || Number.isInteger(v)));

/** @param {number} low @param {number} high @param {number} most @param {boolean} [whole] */
export function niceTicks(low, high, most, whole = false) {
  const raw = (high - low) / Math.max(1, most);
  const unit = 10 ** Math.floor(Math.log10(raw || 1));
  const steps = [1, 2, 2.5, 5, 10].map((m) => m * unit);
  const step = whole ? steps.find((s) => s >= raw && Number.isInteger(s)) || 1 : steps.find((s) => s >= raw) || unit;
  const ticks = [];
  for (let v = Math.ceil(low / step - 1e-9) * step; v <= high + step * 1e-9; v += step) {
    ticks.push(Math.abs(v) < step / 1e6 ? 0 : v);
  }
  return ticks;
}

/**
 * Powers of ten, every so many that there are no more than `most`.
 * @param {number} low @param {number} high @param {number} most
 */
export function logTicks(low, high, most) {
  const first = Math.ceil(Math.log10(low) - 1e-9), last = Math.floor(Math.log10(high) + 1e-9);
  const every = Math.max(1, Math.ceil((last - first + 1) / most));
  const ticks = [];
  for (let e = last; e >= first; e -= every) ticks.unshift(10 ** e);
  return ticks.length ? ticks : [high];
}

/** Powers of ten, with 2 and 5 between them where there are few. @param {number} low @param {number} high */
export function closeLogTicks(low, high) {
  const ticks = [];
  for (let e = Math.floor(Math.log10(low)); e <= Math.ceil(Math.log10(high)); e++) {
    for (const m of high / low > 2000 ? [1] : [1, 2, 5]) {
      const v = m * 10 ** e;
      if (v >= low * (1 - 1e-6) && v <= high * (1 + 1e-6)) ticks.push(v);
    }
  }
  return ticks.length > 1 ? ticks : [low, high];
}

/**
 * The least and the largest finite number; on a logarithmic axis of those above 0, and whether there are others.
 * @param {Iterable<Tensor | null>} tensors @param {boolean} log
 */
export function extent(tensors, log) {
  let low = Infinity, high = -Infinity, zero = false;
  for (const tensor of tensors) {
    for (const v of tensor ? tensor.data : []) {
      if (!Number.isFinite(v)) continue;
      if (log && v <= 0) zero = true;
      else {
        if (v < low) low = v;
        if (v > high) high = v;
      }
    }
  }
  return Number.isFinite(low) ? { low, high, zero } : { low: log ? 0.1 : 0, high: 1, zero };
}

/**
 * The ends of an axis of values: whole powers of ten, or from 0 to a little above the largest, `reach` at least.
 * @param {{ low: number, high: number }} found @param {boolean} log @param {number} reach
 * @param {boolean} below is there room below what is negative, too?
 */
export function ends({ low, high }, log, reach, below) {
  if (log) {
    low = 10 ** Math.floor(Math.log10(low) + 1e-9);
    high = 10 ** Math.ceil(Math.log10(high) - 1e-9);
    return { low, high: low === high ? high * 10 : high };
  }
  low = Math.min(0, low);
  high = Math.max(high, reach);
  if (high <= low) high = low + 1;
  if (below && low < 0) low -= 0.04 * (high - low);
  return { low, high: high + 0.04 * (high - low) };
}

/**
 * The place of the value that is drawn nearest to `px`.
 * @param {ArrayLike<number>} values @param {(v: number) => number} x @param {number} px
 */
export function nearest(values, x, px) {
  let best = 0;
  for (let i = 1; i < values.length; i++) if (Math.abs(x(values[i]) - px) < Math.abs(x(values[best]) - px)) best = i;
  return best;
}
