// Curves over the playhead's axis. Dragging one scrubs.

import { counts, logTicks, nearest, niceTicks } from "./axes.js";
import { band, circle, DASHES, dots, fitIn, line, measureIn, trace } from "./drawing.js";
import { say } from "./language.js";
import { format, tick } from "./numbers.js";
import { drawGrid, drawLegend, drawMarkLabels, drawMarks, plotFrame } from "./plot.js";
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
  }, GAP, box.width, f);
  const last = values[values.length - 1], log = panel.x_scale === "log";
  const spare = 8 + measure(log ? "10⁻⁵" : format(last)) / 2;
  const frame = plotFrame(g, panel, values, box, theme, { below: false, spare, legend });
  const across = Math.max(3, Math.floor((frame.right - frame.left) / (f * 4)));
  const xTicks = log ? logTicks(values[0], last, 6) : niceTicks(values[0], last, across, counts([film.values]));
  return { ...frame, xTicks, ...underLines(g, panel, frame, axis, f, theme.font) };
}

/**
 * The axis' name below on the right; the values' on the left as large as what is left allows, or not at all.
 * @param {Canvas} g @param {import("./film").Lines} panel @param {Frame} frame @param {string} over @param {number} f
 * @param {string} font
 */
function underLines(g, panel, frame, over, f, font) {
  const measure = measureIn(g);
  g.font = `${f}px ${font}`;
  const axis = panel.x_scale === "sqrt" ? say("{axis} (√ scale)", { axis: over }) : over;
  const room = frame.right - frame.left + 8 - measure(axis) - f * 0.6;
  for (let size = f; size >= 11 && measure(panel.y_label) > room; size -= 0.5) g.font = `${size - 0.5}px ${font}`;
  const label = fitIn(g, panel.y_label, room);
  return { axis, label: measure(label) <= room ? label : "", labelFont: g.font };
}

/** @type {import("./types").Kind<import("./film").Lines>} */
export const lines = {
  cursor: "ew-resize",
  draw(g, p, now) {
    const { panel, box, cache } = p, { t, film, theme } = now, f = box.font, values = film.values.data;
    const frame = /** @type {Frame} */ (cache.frame ||= linesFrame(g, p, now));
    drawGrid(g, panel, frame, box, theme);
    drawAxis(g, panel, frame, f, theme);
    drawMarks(g, panel, frame, theme);
    drawShadows(g, p, frame, values, theme);
    for (const s of p.veiled ? [] : panel.series) {
      g.strokeStyle = g.fillStyle = theme[s.colour];
      if (s.low && s.high) band(g, frame, values, s.low.data, s.high.data);
      g.lineJoin = "round";
      g.setLineDash(DASHES[s.dash]);
      if (film.training) { // the future is faint; over ranks and sizes nothing is past
        g.globalAlpha = theme.future;
        g.lineWidth = 2.2;
        trace(g, frame, values, s.y.data, t);
        g.globalAlpha = 1;
      }
      g.lineWidth = 3.2 * box.thick;
      trace(g, frame, values, s.y.data, 0, film.training ? t : values.length - 1);
      g.setLineDash([]);
      if (s.dots) dots(g, frame, values, s.y.data);
    }
    const log = panel.scale === "log";
    /** @type {number[][]} */
    const placed = [];
    drawMarkLabels(g, panel, frame, box, theme, (x, wide) => {
      let y = log ? frame.bottom - f : frame.top + f * 0.7;
      const taken = () => placed.some(([px, py, w]) => py === y && x < px + w + 6 && px < x + wide + 6);
      while (taken()) y += (log ? -1.35 : 1.35) * f;
      placed.push([x, y, wide]);
      return y;
    });
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
    const entries = panel.series.map((s) => ({ ...s, text: p.veiled ? s.name : `${s.name} ${format(s.y.data[t])}` }));
    drawLegend(g, entries, frame, box, theme, LEAD, GAP);
  },
  say: ({ panel }, { t }) => panel.series.map((s) => `${s.name} ${format(s.y.data[t])}`).join(", "),
  scrub: ({ cache }, x, { film }) => (cache.frame ? nearest(film.values.data, cache.frame.x, x) : null),
};

/**
 * @param {Canvas} g @param {import("./film").Lines} panel @param {Frame} frame @param {number} f
 * @param {import("./types").Theme} theme
 */
function drawAxis(g, panel, frame, f, theme) {
  const foot = frame.bottom + frame.strip, under = foot + 8 + f * 1.05;
  g.textBaseline = "top";
  g.textAlign = "center";
  for (const v of frame.xTicks) {
    if (panel.x_scale === "sqrt" && v > 0 && frame.x(v) - frame.x(0) < f * 1.5) continue;
    g.fillText(tick(v, panel.x_scale), frame.x(v), foot + 5);
  }
  g.textAlign = "right";
  g.fillText(frame.axis, frame.right, under);
  g.textAlign = "left";
  g.fillStyle = theme.faint;
  g.font = frame.labelFont;
  g.fillText(frame.label, frame.left - 8, under);
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
  for (const s of p.ghost ? p.ghost.series : []) {
    g.strokeStyle = theme[s.colour];
    g.globalAlpha = 0.45;
    g.lineWidth = 2.2;
    g.setLineDash([2, 4]);
    trace(g, frame, /** @type {NonNullable<typeof p.ghost>} */ (p.ghost).values, s.y.data);
  }
  if (p.guess) {
    g.strokeStyle = theme.ink;
    g.globalAlpha = 1;
    g.lineWidth = 3;
    g.setLineDash([3, 5]);
    trace(g, frame, values, p.guess);
  }
  g.restore();
}
