// The numbers of every panel, as tables at the playhead.

import { axesOf } from "./cloud.js";
import { regionAt } from "./field.js";
import { limitAt } from "./heatmap.js";
import { say } from "./language.js";
import { layerAt } from "./machine.js";
import { format, singularTexts } from "./numbers.js";
import { tokensAt } from "./passages.js";
import { answersAt } from "./pictures.js";
import { textAt } from "./tensor.js";

/** @typedef {import("./types").Table} Table @typedef {import("./types").Picture<any>} Picture */
/** @typedef {import("./types").Now} Now @typedef {ArrayLike<number>} Numbers */

const MOST_ACROSS = 32, MOST_ROWS = 128;

/** @param {number} count @param {(k: number) => string} of */
const list = (count, of) => Array.from({ length: count }, (_, k) => of(k));

/**
 * Each kind answers with tables: a caption, heads of the columns, rows that begin with their head, what is left out.
 * @type {Record<string, (p: Picture, now: Now) => Table[]>}
 */
export const TABLES = {
  lines({ panel }, { t, film, axis }) {
    const shown = /** @type {import("./film").Lines} */ (panel), banded = shown.series.some((s) => s.low && s.high);
    const at = (/** @type {import("./tensor.js").Tensor | null} */ tensor) => (tensor ? format(tensor.data[t]) : "");
    const rows = shown.series.map((s) => [s.name, at(s.y), ...(banded ? [at(s.low), at(s.high)] : [])]);
    const now = say("at {axis} {value}", { axis, value: format(film.values.data[t]) });
    const heads = [say("Curve"), now, ...(banded ? [say("low"), say("high")] : [])];
    return [{ caption: `${shown.title}: ${shown.y_label}`, heads, rows, note: markNote(shown, axis) }];
  },
  curves({ panel }, { t }) {
    const shown = /** @type {import("./film").Curves} */ (panel);
    const columns = shown.series.flatMap(({ name, y, low, high }) => [
      { name, values: y.at(t, 1) },
      ...(low && high
        ? [
          { name: say("{name}, low", { name }), values: low.at(t, 1) },
          { name: say("{name}, high", { name }), values: high.at(t, 1) },
        ]
        : []),
    ]);
    const rows = [...shown.x.data].map((x, i) => [format(x), ...columns.map(({ values }) => format(values[i]))]);
    const heads = [shown.x_label, ...columns.map(({ name }) => name)], note = markNote(shown, shown.x_label);
    return [capped({ caption: `${shown.title}: ${shown.y_label}`, heads, rows, note })];
  },
  field({ panel }, { t }) {
    const shown = /** @type {import("./film").Field} */ (panel), values = shown.values.at(t, 2);
    const [m, n] = shown.values.shape.slice(-2);
    const cell = (/** @type {number} */ k) => {
      const name = regionAt(shown, t, k);
      return `${format(values[k])}${name ? `, ${name}` : ""}`;
    };
    const across = say("{rows} (down), {columns} (across)", { rows: shown.y_title, columns: shown.x_title });
    const table = matrixTable(shown.title, values, m, n, { x: shown.x_labels, y: shown.y_labels, cell, across });
    if (shownWhole(m, n)) table.rows.reverse(); // as in the picture: the first row stands at the bottom
    return [table];
  },
  heatmap({ panel }, { t }) {
    const [m, n] = panel.values.shape.slice(-2), table = matrixTable(panel.title, panel.values.at(t, 2), m, n);
    const range = say("Colours run from −{limit} to {limit}.", { limit: format(limitAt(panel, t)) });
    return [{ ...table, note: table.note ? `${range} ${table.note}` : range }];
  },
  bars({ panel }, { t }) {
    const shown = /** @type {import("./film").Bars} */ (panel);
    const values = shown.groups.map((group) => group.values.at(t, 1));
    const rows = shown.labels.map((label, i) => [label, ...values.map((v) => format(v[i]))]);
    const heads = ["", ...shown.groups.map((group) => group.name)];
    return [capped({ caption: `${shown.title}: ${shown.y_label}`, heads, rows })];
  },
  cloud({ panel }, { t }) {
    const shown = /** @type {import("./film").Cloud} */ (panel), { title } = shown, axes = axesOf(shown);
    const sets = shown.points.map(({ name, xyz }) => ({ caption: `${title}: ${name}`, tensor: xyz }));
    const spans = shown.spans.map(({ name, basis }) =>
      ({ caption: say("{title}: {name}, vectors", { title, name }), tensor: basis }));
    return [...sets, ...spans].map(({ caption, tensor }) =>
      pointsTable(caption, tensor.at(t, 2), tensor.shape.slice(-2), axes));
  },
  machine(p, { t }) {
    const { panel } = p, layer = layerAt(p, t), { m, n, r, given, sigma } = layer, [W, A, B, delta] = panel.names;
    const shaped = (/** @type {string} */ name, /** @type {Numbers} */ data, /** @type {number} */ rows, cols = 1) =>
      panel.rows ? matrixTable(name, turned(data, rows, cols), cols, rows) : matrixTable(name, data, rows, cols);
    const texts = singularTexts(sigma);
    const scalars = [
      [say("scaling"), format(panel.scaling)],
      [say("loss of this sample"), format(layer.loss)],
      ...texts.map((v, i) => [say("singular value {place} of {matrix}", { place: i + 1, matrix: delta }), v]),
    ];
    return [
      { caption: panel.title, heads: ["", say("value")], rows: scalars },
      shaped(W, given.W, m, n),
      shaped(A, given.A, r, n),
      shaped(B, given.B, m, r),
      shaped(delta, layer.delta, m, n),
      shaped("∇A", layer.gradA, r, n),
      shaped("∇B", layer.gradB, m, r),
      shaped("x", given.x, n),
      shaped("h", layer.h, r),
      shaped("u", layer.u, m),
      shaped(say("{matrix} on x", { matrix: W }), layer.base, m),
      shaped("y", layer.y, m),
      shaped("t", given.target, m),
      shaped("g", layer.g, m),
    ];
  },
  pictures({ panel }, { t }) {
    const shown = /** @type {import("./film").Pictures} */ (panel), [k, h, w] = shown.images.shape;
    const rows = shown.rows.map((row) => [row.name, ...answersAt(row, t)]);
    const heads = ["", ...list(k, (i) => say("picture {place}", { place: i + 1 }))];
    const note = say("Left out: the {h}×{w} grey values of each picture. ✗ marks what is wrong.", { h, w });
    return [{ caption: shown.title, heads, rows, note }];
  },
  passages({ panel }, { t }) {
    const shown = /** @type {import("./film").Passages} */ (panel);
    const rows = shown.rows.map((row) => [row.label, row.tokens?.length
      ? tokensAt(row, t).map(([token, value]) => `${token.trim()} ${format(value)}`).join(" · ")
      : textAt(row.text, t)]);
    return [{ caption: shown.title, heads: ["", say("text")], rows }];
  },
  readout({ panel }, { t }) {
    const shown = /** @type {import("./film").Readout} */ (panel);
    const rows = shown.rows.map((row) => [row.label, textAt(row.text, t)]);
    return [{ caption: shown.title, heads: ["", say("reading")], rows }];
  },
};

/** @param {{ marks: import("./film").Mark[] }} panel @param {string} axis */
const markNote = ({ marks }, axis) =>
  marks.map(({ label, at }) => say("{mark} at {axis} {value}.", { mark: label, axis, value: format(at) })).join(" ");

/** @param {Numbers} data @param {number} rows @param {number} cols */
const turned = (data, rows, cols) =>
  Float64Array.from({ length: rows * cols }, (_, k) => data[(k % rows) * cols + Math.floor(k / rows)]);

/** @param {number} m @param {number} n */
const shownWhole = (m, n) => m <= MOST_ACROSS && n <= MOST_ACROSS;

/** @param {Table} table @returns {Table} */
export function capped(table) {
  const every = Math.ceil(table.rows.length / MOST_ROWS);
  if (every === 1) return table;
  const left = say("Left out: all but one in {every} of {rows} rows.", { every, rows: table.rows.length });
  const note = table.note ? `${table.note} ${left}` : left;
  return { ...table, rows: table.rows.filter((_, i) => i % every === 0), note };
}

/**
 * @param {string} title @param {Numbers} values @param {number} m @param {number} n
 * @param {{ x?: string[], y?: string[], cell?: (k: number) => string, across?: string }} [more] @returns {Table}
 */
export function matrixTable(title, values, m, n, { x, y, cell, across } = {}) {
  const caption = `${title}, ${m}×${n}${across ? `: ${across}` : ""}`;
  if (shownWhole(m, n)) {
    const read = cell || ((k) => format(values[k]));
    const heads = ["", ...(x || list(n, (j) => `${j + 1}`))];
    const row = (/** @type {number} */ i) => [y ? y[i] : `${i + 1}`, ...list(n, (j) => read(i * n + j))];
    return { caption, heads, rows: Array.from({ length: m }, (_, i) => row(i)) };
  }
  let low = Infinity, high = -Infinity, squares = 0, zeros = 0, unknown = 0;
  for (const v of Array.from(values)) {
    if (Number.isNaN(v)) unknown += 1;
    else {
      low = Math.min(low, v);
      high = Math.max(high, v);
      squares += v * v;
      zeros += Number(v === 0);
    }
  }
  const rows = [
    [say("least"), format(low)],
    [say("most"), format(high)],
    [say("Frobenius norm"), format(Math.sqrt(squares))],
    [say("exact zeros"), `${zeros}`],
    ...(unknown ? [[say("no number"), `${unknown}`]] : []),
  ];
  const note = say("Left out: the {count} entries, more than {most}×{most}.", { count: m * n, most: MOST_ACROSS });
  return { caption, heads: ["", say("value")], rows, note };
}

/** @param {string} title @param {Numbers} values @param {number[]} shape @param {string[]} axes @returns {Table} */
export function pointsTable(title, values, [n, d], axes) {
  const heads = ["", ...axes];
  if (n <= MOST_ACROSS) {
    const row = (/** @type {number} */ i) => [`${i + 1}`, ...list(d, (j) => format(values[i * d + j]))];
    return { caption: title, heads, rows: Array.from({ length: n }, (_, i) => row(i)) };
  }
  const column = (/** @type {number} */ j) => Array.from({ length: n }, (_, i) => values[i * d + j]);
  const columns = axes.map((_, j) => column(j));
  const rows = [
    [say("least"), ...columns.map((c) => format(Math.min(...c)))],
    [say("mean"), ...columns.map((c) => format(c.reduce((a, b) => a + b, 0) / n))],
    [say("most"), ...columns.map((c) => format(Math.max(...c)))],
  ];
  const note = say("Left out: the {count} points one by one, more than {most}.", { count: n, most: MOST_ACROSS });
  return { caption: say("{title}, {count} points", { title, count: n }), heads, rows, note };
}

/** @param {Table} table @param {string} kind */
export function tableNode({ caption, heads, rows, note }, kind) {
  const make = (/** @type {string} */ tag, /** @type {string} */ text, scope = "") => {
    const e = document.createElement(tag);
    e.textContent = text;
    if (scope) e.setAttribute("scope", scope);
    return e;
  };
  const row = (/** @type {HTMLElement[]} */ cells) => {
    const e = document.createElement("tr");
    e.append(...cells);
    return e;
  };
  const table = document.createElement("table");
  const top = document.createElement("thead"), under = document.createElement("tbody");
  // An empty corner is a cell, not the head of anything.
  top.append(row(heads.map((text) => (text ? make("th", text, "col") : make("td", "")))));
  const cells = (/** @type {string[]} */ texts) => texts.map((text) => make("td", text));
  under.append(...rows.map(([first, ...rest]) => row([make("th", first, "row"), ...cells(rest)])));
  table.append(make("caption", note ? `${caption}. ${note}` : caption), top, under);
  table.dataset.kind = kind;
  return table;
}
