// The axes, marks and legend that curves over the playhead and curves over an axis of their own share.

import { closeLogTicks, counts, ends, extent, logTicks, niceTicks, scaleOf } from "./axes.js";
import { DASHES, line, measureIn, titleLine } from "./drawing.js";
import { roomForEnds } from "./ends.js";
import { freePlaces } from "./labels.js";
import { say } from "./language.js";
import { tick } from "./numbers.js";

/** @typedef {import("./types").Box} Box @typedef {import("./types").Theme} Theme */
/** @typedef {import("./types").Frame} Frame */
/** @typedef {import("./film").Lines | import("./film").Curves} Plot @typedef {CanvasRenderingContext2D} Canvas */

const LEAST = 80; // pixels of a plot: names give way before it does

/**
 * Where everything stands. `below`: room below what is negative; `spare`: room on the right, in pixels; `ends`: the
 * longest that the name at each curve's end will be. A plot that would be lower than 80 pixels gives up its legend,
 * then the names of its axes; it never turns upside down.
 * @param {Canvas} g @param {Plot} panel @param {ArrayLike<number>} xs @param {Box} box @param {Theme} theme
 * @param {{ below: boolean, spare: number, legend: { size: number, rows: number }, ends: string[], axes: string[] }}
 *   more `axes`: what is written below, which takes two lines where one is too short
 * @returns {Frame}
 */
export function plotFrame(g, panel, xs, box, theme, { below, spare, legend, ends: names, axes }) {
  const f = box.font, log = panel.scale === "log";
  const tensors = panel.series.flatMap((s) => [s.y, s.low, s.high]);
  const found = extent(tensors, log), { low, high } = ends(found, log, panel.reach, below), zero = found.zero;
  const most = Math.max(2, Math.min(6, Math.floor((box.height - f * 7.5) / (f * 1.4))));
  const counted = counts(tensors);
  const close = log && high / low <= 100, plain = counted || (log && low >= 1e-3 && high <= 99999);
  const logs = () => (close && most > 3 ? closeLogTicks(low, high) : logTicks(low, high, most));
  const yTicks = log ? logs() : niceTicks(low, high, Math.min(5, most), counted);
  g.font = `${f}px ${theme.font}`;
  const measure = measureIn(g), yText = (/** @type {number} */ v) => tick(v, plain ? "linear" : panel.scale);
  const widest = Math.max(...yTicks.map((v) => measure(yText(v))), zero ? measure("0") : 0);
  const head = f * 1.08 + 12, first = xs[0], last = xs[xs.length - 1];
  const twoLines = axes.reduce((sum, name) => sum + measure(name) + f * 0.5, 0) > box.width && box.height > f * 17;
  let strip = zero ? f * 1.7 : 0, foot = f * (twoLines ? 4.1 : 2.9), rows = legend.rows;
  const topOf = () => head + (rows ? (rows * 1.25 + 0.5) * legend.size : f * 0.4);
  const tall = () => box.height - foot - strip - topOf();
  const atEnds = roomForEnds(g, names, box, theme, box.height - foot - strip - head - f * 0.4);
  if (atEnds || tall() < LEAST) rows = 0;
  if (tall() < LEAST) foot = f * 1.6;
  if (tall() < LEAST) strip = Math.min(strip, 8);
  const top = topOf(), bottom = Math.max(top + 8, box.height - foot - strip);
  const left = widest + 14, right = box.width - Math.max(spare, atEnds?.wide ?? 0);
  const sx = scaleOf(panel.x_scale, panel.x_scale === "log" ? Math.max(first, 1e-12) : first, last);
  const sy = scaleOf(panel.scale, low, high);
  return {
    ...{ left, top, right, bottom, strip, zero, low, high, first, last, yTicks, yText, legend: { ...legend, rows } },
    ...{ ends: atEnds, bare: foot < f * 2, twoLines: foot > f * 4 },
    x: (v) => left + sx(v) * (right - left),
    y: (v) => (log && v <= 0 ? bottom + strip * 0.55 : bottom - sy(v) * (bottom - top)),
  };
}

/** An axis' name with its scale, where that is not linear. @param {string} name @param {string} scale */
export function scaled(name, scale) {
  if (scale === "sqrt") return name.includes("√") ? name : say("{axis} (√ scale)", { axis: name });
  return scale === "log" && !/\blog/i.test(name) ? say("{axis} (log scale)", { axis: name }) : name;
}

/**
 * The numbers below an axis: those that were used where they are few, else round ones; as many as there is room for.
 * @param {Canvas} g @param {ArrayLike<number>} values @param {string} scale @param {Frame} frame @param {number} f
 * @param {boolean} whole
 */
export function drawXTicks(g, values, scale, frame, f, whole) {
  const { first, last, left, right } = frame, under = frame.bottom + frame.strip + 5;
  const plain = scale !== "log" || (first >= 1e-3 && last <= 99999);
  const text = (/** @type {number} */ v) => tick(v, plain ? "linear" : scale);
  const round = scale !== "log" ? niceTicks(first, last, Math.max(3, Math.floor((right - left) / (f * 4))), whole)
    : plain ? closeLogTicks(first, last) : logTicks(first, last, 6);
  // Where only powers are written, a value between two of them is none.
  const used = values.length <= 14 && plain, ticks = used ? Array.from(values) : round;
  g.textBaseline = "top";
  g.textAlign = "center";
  /** @type {[number, number][]} */
  const taken = [];
  // The ends first: an axis is read by them.
  for (const v of [...(used ? [first, last] : []), ...ticks]) {
    const half = measureIn(g)(text(v)) / 2 + f * 0.3, x = frame.x(v);
    if (!Number.isFinite(x) || taken.some(([a, b]) => x - half < b && x + half > a)) continue;
    g.fillText(text(v), x, under);
    taken.push([x - half, x + half]);
  }
}

/**
 * Title, grid, its numbers, and the strip of exact zeros.
 * @param {Canvas} g @param {Plot} panel @param {Frame} frame @param {Box} box @param {Theme} theme
 */
export function drawGrid(g, panel, frame, box, theme) {
  titleLine(g, panel, box, theme);
  g.font = `${box.font}px ${theme.font}`;
  g.textBaseline = "middle";
  g.textAlign = "right";
  g.lineWidth = 1;
  for (const v of frame.yTicks) {
    g.strokeStyle = theme.grid;
    line(g, frame.left, frame.y(v), frame.right, frame.y(v));
    g.fillStyle = theme.ink;
    g.fillText(frame.yText(v), frame.left - 6, frame.y(v));
  }
  if (frame.zero && frame.strip > 4) {
    g.fillStyle = theme.strip;
    g.fillRect(frame.left, frame.bottom + 3, frame.right - frame.left, frame.strip - 3);
    g.fillStyle = theme.ink;
    g.fillText("0", frame.left - 6, frame.y(0));
  }
}

/**
 * A line at each mark; their labels come last, over the curves.
 * @param {Canvas} g @param {Plot} panel @param {Frame} frame @param {Theme} theme
 */
export function drawMarks(g, panel, frame, theme) {
  for (const mark of panel.marks) {
    g.strokeStyle = theme[mark.colour];
    g.setLineDash([3, 4]);
    g.lineWidth = 1.5;
    line(g, frame.x(mark.at), frame.top, frame.x(mark.at), frame.bottom + frame.strip);
    g.setLineDash([]);
  }
}

/**
 * The labels of the marks, where they hide least of the curves.
 * @param {Canvas} g @param {Plot} panel @param {Frame} frame @param {Box} box @param {Theme} theme
 * @param {() => import("./labels.js").Path[]} paths the curves in pixels, asked for once
 */
export function drawMarkLabels(g, panel, frame, box, theme, paths) {
  if (!panel.marks.length) return;
  const size = Math.max(box.least, box.font * 0.95);
  g.font = `${size}px ${theme.font}`;
  g.textBaseline = "middle";
  g.textAlign = "left";
  const marks = panel.marks.map(({ at, label }) => ({ at: frame.x(at), wide: measureIn(g)(label) }));
  const places = (frame.places ||= freePlaces(marks, paths(), frame, size * 1.35));
  panel.marks.forEach((mark, i) => {
    const { x, y, wide } = places[i];
    g.fillStyle = theme.paper;
    g.globalAlpha = 0.8;
    g.fillRect(x - 3, y - size * 0.65, wide + 6, size * 1.3);
    g.globalAlpha = 1;
    g.fillStyle = mark.colour === "faint" ? theme.ink : theme[mark.colour];
    g.fillText(mark.label, x, y);
  });
}

/**
 * What each curve is called, beside a piece of it: entries `lead` wider than their text, `gap` apart, in sizes.
 * @param {Canvas} g @param {{ text: string, colour: string, dash: string }[]} entries @param {Frame} frame
 * @param {Box} box @param {Theme} theme @param {number} lead @param {number} gap
 */
export function drawLegend(g, entries, frame, box, theme, lead, gap) {
  const { size, rows } = frame.legend;
  if (!rows) return;
  g.font = `${size}px ${theme.font}`;
  g.textAlign = "left";
  g.textBaseline = "middle";
  let x = 4, row = 0;
  for (const { text, colour, dash } of entries) {
    const width = size * lead + g.measureText(text).width;
    if (x + width > box.width && x > 4 && row < rows - 1) {
      x = 4;
      row += 1;
    }
    const y = box.font * 1.08 + 10 + size * (0.6 + 1.25 * row);
    g.strokeStyle = g.fillStyle = theme[colour];
    g.lineWidth = 3.2;
    g.setLineDash(DASHES[dash]);
    line(g, x, y, x + size * 1.5, y);
    g.setLineDash([]);
    g.fillText(text, x + size * 1.8, y);
    x += width + size * gap;
  }
}
