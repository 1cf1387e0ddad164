// Where the boxes of a layer stand, in cells: areas are in proportion because a cell is a cell.

/** @typedef {import("./layer.js").BoxName} BoxName */
/** @typedef {{ x: number, y: number, rows: number, cols: number }} Place */
/** @typedef {{ at: Record<BoxName, Place>, sum: { x: number, y: number }, width: number, height: number }} Plan */

/**
 * Each box with its identity, which of the film's colour limits it has, and whether it is a gradient.
 * @type {Record<BoxName, { colour: string, limit: number, gradient?: true }>}
 */
export const BOXES = {
  x: { colour: "ink", limit: 6 },
  W: { colour: "W", limit: 0 },
  base: { colour: "W", limit: 7 },
  A: { colour: "A", limit: 1 },
  h: { colour: "A", limit: 6 },
  B: { colour: "B", limit: 2 },
  u: { colour: "B", limit: 7 },
  delta: { colour: "delta", limit: 3 },
  y: { colour: "ink", limit: 7 },
  target: { colour: "clean", limit: 7 },
  g: { colour: "alarm", limit: 7 },
  gradA: { colour: "A", limit: 4, gradient: true },
  gradB: { colour: "B", limit: 5, gradient: true },
};
export const NAMES = /** @type {BoxName[]} */ (Object.keys(BOXES));

/** @type {[BoxName | "sum", BoxName | "sum"][]} */
export const WIRES = [
  ["x", "W"],
  ["W", "base"],
  ["base", "sum"],
  ["x", "A"],
  ["A", "h"],
  ["h", "B"],
  ["B", "u"],
  ["u", "sum"],
  ["sum", "y"],
];

/**
 * What each phase of slow motion looks at, and what it makes.
 * @type {(null | { look: string[], make: string[] })[]}
 */
export const LIT = [
  null,
  { look: ["x", "A"], make: ["h"] },
  { look: ["h", "B"], make: ["u"] },
  { look: ["x", "W", "base", "u"], make: ["y"] },
  { look: ["y", "target"], make: ["loss"] },
  { look: ["y", "target"], make: ["g"] },
  { look: ["g", "h"], make: ["gradB"] },
  { look: ["g", "B", "x"], make: ["gradA"] },
  { look: ["gradA", "gradB"], make: ["A", "B", "delta"] },
];

/**
 * @param {number} m @param {number} n @param {number} r @param {boolean} rows is it the row-vector form?
 * @returns {Plan}
 */
export function planOf(m, n, r, rows) {
  const at = /** @type {Record<BoxName, Place>} */ ({}), top = 1.5;
  const put = (/** @type {BoxName} */ name, /** @type {number} */ x, /** @type {number} */ y, high = m, wide = 1) => {
    at[name] = rows ? { x, y, rows: wide, cols: high } : { x, y, rows: high, cols: wide };
  };
  const outputs = /** @type {BoxName[]} */ (["y", "target", "g"]);
  if (!rows) {
    const low = top + m + 2.6, mid = top + m + 1.3, left = 3.9, second = left + n + 1.8, right = second + 1 + 2.4;
    put("x", 0.9, mid - n / 2, n);
    put("W", left, top, m, n);
    put("base", second, top);
    put("delta", right, top, m, n);
    put("A", left, low, r, n);
    put("gradA", left, low + r + 1.7, r, n);
    put("h", second, low, r);
    put("B", right, low, m, r);
    put("gradB", right + r + 1.8, low, m, r);
    put("u", right + 2 * r + 3.6, low);
    const sum = Math.max(right + n, right + 2 * r + 4.6) + 1.7;
    outputs.forEach((name, i) => put(name, sum + 1.7 + 2 * i, mid - m / 2));
    return { at, sum: { x: sum, y: mid }, width: sum + 1.7 + 5.6, height: low + Math.max(m, 2 * r + 1.7) + 2.1 };
  }
  const low = top + n + 2.6, mid = top + n + 1.3, left = n + 3;
  const second = left + Math.max(m, 2 * r + 1.8) + 1.6, right = second + m + 1.8;
  put("x", 0.9, mid - 0.5, n);
  put("W", left, top, m, n);
  put("base", second, top + n / 2 - 0.5);
  put("delta", right, top, m, n);
  put("A", left, low, r, n);
  put("gradA", left + r + 1.8, low, r, n);
  put("h", second, low + n / 2 - 0.5, r);
  put("B", right, low, m, r);
  put("u", right, low + r + 1.7);
  put("gradB", right, low + r + 4.4, m, r);
  outputs.forEach((name, i) => put(name, right + m + 3, mid - 3.2 + 2.2 * i));
  const height = low + Math.max(n, 2 * r + 4.4) + 0.6;
  return { at, sum: { x: right + m + 1.5, y: mid }, width: right + 2 * m + 3.4, height };
}
