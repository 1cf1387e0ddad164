// Curves over the playhead's axis. Dragging one scrubs.

import { counts, nearest } from "./axes.js";
import { drawCurves } from "./crowd.js";
import { band, circle, DASHES, dots, fitIn, line, measureIn, trace } from "./drawing.js";
import { drawEnds, endOf, named } from "./ends.js";
import { say } from "./language.js";
import { format } from "./numbers.js";
import { drawGrid, drawLegend, drawMarkLabels, drawMarks, drawXTicks, plotFrame, scaled } from "./plot.js";
import { legendOf } from "./text.js";

/** @typedef {import("./types").Picture<import("./film").Lines>} Picture @typedef {import("./types").Now} Now */
/** @typedef {import("./types").Frame} Frame @typedef {CanvasRenderingContext2D} Canvas */

const LEAD = 1.8, GAP = 0.8; // of the legend, in sizes
const WIDEST = "0.000·10⁻¹⁶"; // no reading is wider

/** @param {Canvas} g @param {Picture} p @param {Now} now @returns {Frame} */
function linesFrame(g, { panel, box }, { film, axis, theme }) {
  const f = box.font, values = film.values.data, measure = measureIn(g);
  const legend = legendOf((size) => {
    g.font = `${size}px ${theme.font}`;
    return panel.series.map((s) => size * LEAD + measure(`${s.name} ${WIDEST}`));
  }, GAP, box.width, f, box.least);
  const last = values[values.length - 1], log = panel.x_scale === "log";
  const spare = 8 + measure(log ? "10⁻⁵" : format(last)) / 2, ends = panel.series.map(widestOf);
  const axes = [scaled(axis, panel.x_scale), scaled(panel.y_label, panel.scale)];
  const frame = plotFrame(g, panel, values, box, theme, { below: false, spare, legend, ends, axes });
  return { ...frame, ...underLines(g, panel, frame, axis, f, box.least, theme.font) };
}

/** The longest reading of a curve. @param {import("./film").Series} series */
function widestOf({ name, y }) {
  const every = Math.max(1, Math.floor(y.data.length / 60));
  let most = "";
  for (let t = 0; t < y.data.length; t += every) {
    const text = named(name, y.data[t]);
    if (text.length > most.length) most = text;
  }
  return most;
}

/**
 * The axis' name below on the right; the values' on the left as large as what is left allows, or not at all.
 * @param {Canvas} g @param {import("./film").Lines} panel @param {Frame} frame @param {string} over @param {number} f
 * @param {number} least @param {string} font
 */
function underLines(g, panel, frame, over, f, least, font) {
  const measure = measureIn(g);
  g.font = `${f}px ${font}`;
  const axis = scaled(over, panel.x_scale), values = scaled(panel.y_label, panel.scale);
  const room = frame.right - (frame.twoLines ? 2 : frame.left - 8 + measure(axis) + f * 0.6);
  for (let size = f; size > least && measure(values) > room; size -= 0.5) g.font = `${size - 0.5}px ${font}`;
  const label = fitIn(g, values, room);
  return { axis, label: measure(label) <= room ? label : "", labelFont: g.font };
}

/** @type {import("./types").Kind<import("./film").Lines>} */
export const lines = {
  cursor: "ew-resize",
  draw(g, p, now) {
    const { panel, box, cache } = p, { t, film, theme } = now, f = box.font, values = film.values.data;
    const frame = /** @type {Frame} */ (cache.frame ||= linesFrame(g, p, now));
    drawGrid(g, panel, frame, box, theme);
    drawAxis(g, panel, frame, film.values, f, theme);
    drawMarks(g, panel, frame, theme);
    drawShadows(g, p, frame, values, theme);
    for (const s of p.veiled ? [] : panel.series) {
      g.strokeStyle = g.fillStyle = theme[s.colour];
      if (s.low && s.high) band(g, frame, values, s.low.data, s.high.data);
      g.lineJoin = "round";
      g.setLineDash(DASHES[s.dash]);
      if (film.training) { // the future is faint; over ranks and sizes nothing is past
        g.globalAlpha = theme.future;
        g.lineWidth = 1.6;
        trace(g, frame, values, s.y.data, t);
        g.globalAlpha = 1;
      }
      g.lineWidth = 3.2 * box.thick;
      trace(g, frame, values, s.y.data, 0, film.training ? t : values.length - 1);
      g.setLineDash([]);
      if (s.dots) dots(g, frame, values, s.y.data);
    }
    drawMarkLabels(g, panel, frame, box, theme, () =>
      panel.series.map(({ y }) => Array.from(values, (v, i) => [frame.x(v), frame.y(y.data[i])])));
    const at = frame.x(values[t]);
    g.strokeStyle = theme.ink;
    g.lineWidth = 2;
    line(g, at, frame.top - 4, at, frame.bottom + frame.strip + 4);
    for (const s of p.veiled ? [] : panel.series) {
      if (!Number.isFinite(s.y.data[t])) continue;
      g.fillStyle = theme[s.colour];
      circle(g, at, frame.y(s.y.data[t]), 6);
      g.fill();
    }
    const read = panel.series.map((s) => ({ ...s, value: p.veiled ? null : s.y.data[t] }));
    if (frame.ends) {
      const ended = read.map((s) => ({ ...s, end: p.veiled ? null : endOf(frame, values, s.y.data) }));
      drawEnds(g, ended, frame, theme);
    } else drawLegend(g, read.map((s) => ({ ...s, text: named(s.name, s.value) })), frame, box, theme, LEAD, GAP);
  },
  say: ({ panel }, { t }) => panel.series.map((s) => named(s.name, s.y.data[t])).join(", "),
  hover({ panel, veiled, cache: { frame } }, px, py, { film, axis }) {
    if (!frame || veiled || px < frame.left - 8 || px > frame.right + 8 || py < frame.top) return null;
    const { data } = film.values, best = nearest(data, frame.x, px);
    return `${named(axis, data[best])}; ${panel.series.map((s) => named(s.name, s.y.data[best])).join(", ")}`;
  },
  scrub: ({ cache }, x, { film }) => (cache.frame ? nearest(film.values.data, cache.frame.x, x) : null),
};

/**
 * @param {Canvas} g @param {import("./film").Lines} panel @param {Frame} frame
 * @param {import("./tensor.js").Tensor} values @param {number} f @param {import("./types").Theme} theme
 */
function drawAxis(g, panel, frame, values, f, theme) {
  const under = frame.bottom + frame.strip + 8 + f * 1.05;
  g.fillStyle = theme.ink;
  drawXTicks(g, values.data, panel.x_scale, frame, f, counts([values]));
  if (frame.bare) return;
  g.textAlign = "right";
  g.fillText(frame.axis, frame.right, under);
  g.textAlign = "left";
  g.fillStyle = theme.faint;
  g.font = frame.labelFont;
  const [left, down] = frame.twoLines ? [2, f * 1.2] : [frame.left - 8, 0];
  g.fillText(frame.label, left, under + down);
}

/**
 * The same curves as they were before the last change, faint, and the visitor's guess, dotted.
 * @param {Canvas} g @param {Picture} p @param {Frame} frame @param {Float32Array} values
 * @param {import("./types").Theme} theme
 */
function drawShadows(g, p, frame, values, theme) {
  g.save();
  g.beginPath();
  g.rect(frame.left, frame.top - 4, frame.right - frame.left, frame.bottom + frame.strip - frame.top + 8);
  g.clip();
  for (const [i, s] of (p.ghost ? p.ghost.series : []).entries()) {
    const { values: over } = /** @type {NonNullable<typeof p.ghost>} */ (p.ghost), end = endOf(frame, over, s.y.data);
    g.strokeStyle = g.fillStyle = theme.faint;
    g.lineWidth = 2.4;
    g.setLineDash([2, 4]);
    trace(g, frame, over, s.y.data);
    if (i || !end) continue; // one name for all that are grey
    g.font = `italic ${Math.max(p.box.least, p.box.font * 0.95)}px ${theme.font}`;
    g.textAlign = "right";
    g.textBaseline = "bottom";
    g.fillText(say("before"), end[0] - 6, Math.max(frame.top + p.box.font, end[1] - 4));
  }
  if (p.crowd) drawCurves(g, p.crowd, frame, theme);
  if (p.guess) {
    g.strokeStyle = theme.ink;
    g.globalAlpha = 1;
    g.lineWidth = 3;
    g.setLineDash([3, 5]);
    trace(g, frame, values, p.guess);
    g.setLineDash([]);
    g.fillStyle = theme.ink;
    const { guess, cache: { pen } } = p;
    guess.forEach((v, i) => { // a single point is no line
      if (!Number.isFinite(v) || Number.isFinite(guess[i - 1]) || Number.isFinite(guess[i + 1])) return;
      circle(g, frame.x(values[i]), frame.y(v), 4);
      g.fill();
    });
    if (pen && p.veiled) {
      circle(g, frame.x(values[pen.i]), pen.y, 9);
      g.stroke();
    }
  }
  g.restore();
}
