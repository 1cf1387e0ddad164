// The arithmetic of one LoRA layer and one sample, done again in the browser so that a hand may change a cell and see.

import { say } from "./language.js";
import { format, lowered } from "./numbers.js";

/** @typedef {ArrayLike<number>} Numbers @typedef {{ name: BoxName, i: number, j: number }} Cell */
/** @typedef {"x" | "h" | "u" | "base" | "y" | "target" | "g" | "gradA" | "gradB"} Follows */
/** @typedef {"W" | "A" | "B" | "delta" | Follows} BoxName */
/** @typedef {{ W: Numbers, A: Numbers, B: Numbers, x: Numbers, target: Numbers, scaling: number }} Given */
/** @typedef {ReturnType<typeof layerState>} Layer */

/** @template T @param {number} count @param {(k: number) => T} of */
const list = (count, of) => Array.from({ length: count }, (_, k) => of(k));

/** @param {number} count @param {(k: number) => number} of */
const total = (count, of) => {
  let v = 0;
  for (let k = 0; k < count; k++) v += of(k);
  return v;
};

/**
 * All that follows from W (m, n), A (r, n), B (m, r), one sample and s; `off` holds the components (row k of A with
 * column k of B) that are left out. `base` is W x, `back` Bᵀg.
 * @param {Given} given @param {number} m @param {number} n @param {number} r @param {Set<number>} [off]
 */
export function layerState(given, m, n, r, off = new Set()) {
  const { W, A, B, x, target, scaling } = given, on = (/** @type {number} */ k) => (off.has(k) ? 0 : 1);
  const h = list(r, (k) => total(n, (j) => A[k * n + j] * x[j]) * on(k));
  const u = list(m, (i) => total(r, (k) => B[i * r + k] * h[k]));
  const base = list(m, (i) => total(n, (j) => W[i * n + j] * x[j]));
  const y = list(m, (i) => base[i] + scaling * u[i]), g = list(m, (i) => y[i] - target[i]);
  const back = list(r, (k) => total(m, (i) => B[i * r + k] * g[i] * on(k)));
  const delta = list(m * n, (at) => {
    const i = Math.floor(at / n), j = at % n;
    return total(r, (k) => scaling * B[i * r + k] * A[k * n + j] * on(k));
  });
  const gradA = list(r * n, (at) => scaling * back[Math.floor(at / n)] * x[at % n]);
  const gradB = list(m * r, (at) => scaling * g[Math.floor(at / r)] * h[at % r]);
  const loss = 0.5 * total(m, (i) => g[i] * g[i]), sigma = singular(delta, m, n, r);
  return { m, n, r, off, given, h, u, base, y, g, delta, gradA, gradB, back, loss, sigma };
}

/**
 * Singular values by one-sided Jacobi: rotate pairs of columns until all are orthogonal; their lengths remain.
 * @param {Numbers} matrix @param {number} m @param {number} n @param {number} most
 */
export function singular(matrix, m, n, most) {
  const a = Float64Array.from(matrix);
  for (let sweep = 0, turned = 1; sweep < 40 && turned; sweep++) {
    turned = 0;
    for (let p = 0; p < n; p++) for (let q = p + 1; q < n; q++) {
      const pp = total(m, (i) => a[i * n + p] ** 2), qq = total(m, (i) => a[i * n + q] ** 2);
      const pq = total(m, (i) => a[i * n + p] * a[i * n + q]);
      if (Math.abs(pq) <= 1e-15 * Math.sqrt(pp * qq)) continue;
      turned += 1;
      const zeta = (qq - pp) / (2 * pq), t = Math.sign(zeta || 1) / (Math.abs(zeta) + Math.hypot(1, zeta));
      const c = 1 / Math.hypot(1, t), s = c * t;
      for (let i = 0; i < m; i++) {
        const v = a[i * n + p], w = a[i * n + q];
        a[i * n + p] = c * v - s * w;
        a[i * n + q] = s * v + c * w;
      }
    }
  }
  const lengths = list(n, (j) => Math.sqrt(total(m, (i) => a[i * n + j] ** 2)));
  return lengths.sort((p, q) => q - p).slice(0, most);
}

/** What stands in each box now. @param {Layer} layer @returns {Record<BoxName, Numbers>} */
export const boxValues = ({ given: { W, A, B, x, target }, h, u, base, y, g, delta, gradA, gradB }) =>
  ({ W, A, B, x, target, h, u, base, y, g, delta, gradA, gradB });

/** Which cells belong to this one? @param {Cell} cell @param {Layer} layer @returns {Cell[]} */
export function related(cell, { m, n, r }) {
  const { name, i, j } = cell;
  const at = (/** @type {BoxName} */ box, /** @type {number} */ row, column = 0) => ({ name: box, i: row, j: column });
  const row = (/** @type {BoxName} */ box, /** @type {number} */ count) => list(count, (k) => at(box, i, k));
  const column = (/** @type {BoxName} */ box, /** @type {number} */ count, k = 0) => list(count, (l) => at(box, l, k));
  switch (name) {
    case "delta": return [cell, ...row("B", r), ...column("A", r, j)];
    case "gradB": return [cell, at("g", i), at("h", j)];
    case "gradA": return [cell, ...column("B", m, i), ...column("g", m), at("x", j)];
    case "h": return [cell, ...row("A", n), ...column("x", n)];
    case "u": return [cell, ...row("B", r), ...column("h", r)];
    case "base": return [cell, ...row("W", n), ...column("x", n)];
    case "y": return [cell, at("base", i), at("u", i)];
    case "g": return [cell, at("y", i), at("target", i)];
    default: return [cell];
  }
}

/** How this cell came about, with its numbers. @param {Cell} cell @param {Layer} layer */
export function explain({ name, i, j }, layer) {
  const { given, n, r, off, h, u, base, y, g, back } = layer, { W, A, B, x, target } = given;
  const p = lowered(i + 1), q = lowered(j + 1), s = format(given.scaling);
  const v = (/** @type {number} */ a) => (a < 0 ? `(${format(a)})` : format(a));
  const sum = (/** @type {number} */ count, /** @type {(k: number) => [number, number]} */ pair) => {
    const shown = list(Math.min(3, count), pair).map(([a, b]) => `${v(a)}·${v(b)}`);
    return shown.join(" + ") + (count > 3 ? " + …" : "");
  };
  const on = (/** @type {number} */ k) => (off.has(k) ? 0 : 1);
  switch (name) {
    case "delta": {
      const parts = sum(r, (k) => [B[i * r + k] * on(k), A[k * n + j]]);
      return `ΔW${p}${q} = s·Σ b·a = ${s}·(${parts}) = ${format(layer.delta[i * n + j])}`;
    }
    case "gradB": return `∇B${p}${q} = s·g${p}·h${q} = ${s}·${v(g[i])}·${v(h[j])} = ${format(layer.gradB[i * r + j])}`;
    case "gradA":
      return `∇A${p}${q} = s·(Bᵀg)${p}·x${q} = ${s}·${v(back[i])}·${v(x[j])} = ${format(layer.gradA[i * n + j])}`;
    case "h": return `h${p} = ${sum(n, (k) => [A[i * n + k], x[k]])} = ${format(h[i])}`;
    case "u": return `u${p} = ${sum(r, (k) => [B[i * r + k], h[k]])} = ${format(u[i])}`;
    case "base": return `(W x)${p} = ${sum(n, (k) => [W[i * n + k], x[k]])} = ${format(base[i])}`;
    case "y": return `y${p} = ${v(base[i])} + ${s}·${v(u[i])} = ${format(y[i])}`;
    case "g": return `g${p} = y${p} − t${p} = ${v(y[i])} − ${v(target[i])} = ${format(g[i])}`;
    case "A": case "B": {
      const value = format(given[name][i * (name === "A" ? n : r) + j]);
      return say("{entry} = {value} (click to change it)", { entry: `${name}${p}${q}`, value });
    }
    case "W": return say("{entry} = {value}, frozen", { entry: `W${p}${q}`, value: format(W[i * n + j]) });
    case "target": return `t${p} = ${format(target[i])}`;
    default: return `x${p} = ${format(x[i])}`;
  }
}
