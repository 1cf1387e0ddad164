// The axes, marks and legend that curves over the playhead and curves over an axis of their own share.

import { counts, ends, extent, logTicks, niceTicks, scaleOf } from "./axes.js";
import { DASHES, line, measureIn, titleLine } from "./drawing.js";
import { tick } from "./numbers.js";

/** @typedef {import("./types").Box} Box @typedef {import("./types").Theme} Theme */
/** @typedef {import("./types").Frame} Frame */
/** @typedef {import("./film").Lines | import("./film").Curves} Plot @typedef {CanvasRenderingContext2D} Canvas */

/**
 * Where everything stands. `below`: room below what is negative; `spare`: room on the right, in pixels.
 * @param {Canvas} g @param {Plot} panel @param {ArrayLike<number>} xs @param {Box} box @param {Theme} theme
 * @param {{ below: boolean, spare: number, legend: { size: number, rows: number } }} more
 * @returns {Frame}
 */
export function plotFrame(g, panel, xs, box, theme, { below, spare, legend }) {
  const f = box.font, log = panel.scale === "log";
  const tensors = panel.series.flatMap((s) => [s.y, s.low, s.high]);
  const found = extent(tensors, log), { low, high } = ends(found, log, panel.reach, below), zero = found.zero;
  const most = Math.max(2, Math.min(6, Math.floor((box.height - f * 7.5) / (f * 1.4))));
  const yTicks = log ? logTicks(low, high, most) : niceTicks(low, high, Math.min(5, most), counts(tensors));
  g.font = `${f}px ${theme.font}`;
  const measure = measureIn(g);
  const widest = Math.max(...yTicks.map((v) => measure(tick(v, panel.scale))), zero ? measure("0") : 0);
  const strip = zero ? f * 1.7 : 0, first = xs[0], last = xs[xs.length - 1];
  const left = widest + 14, right = box.width - spare, bottom = box.height - f * 2.9 - strip;
  const top = f * 1.08 + 12 + (legend.rows * 1.25 + 0.5) * legend.size;
  const sx = scaleOf(panel.x_scale, panel.x_scale === "log" ? Math.max(first, 1e-12) : first, last);
  const sy = scaleOf(panel.scale, low, high);
  return {
    ...{ left, top, right, bottom, strip, zero, low, high, first, last, yTicks, legend },
    x: (v) => left + sx(v) * (right - left),
    y: (v) => (log && v <= 0 ? bottom + strip * 0.55 : bottom - sy(v) * (bottom - top)),
  };
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
    g.fillText(tick(v, panel.scale), frame.left - 6, frame.y(v));
  }
  if (frame.zero) {
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
 * The labels of the marks, on the side where there is room; `height` says how high.
 * @param {Canvas} g @param {Plot} panel @param {Frame} frame @param {Box} box @param {Theme} theme
 * @param {(x: number, width: number, place: number) => number} height
 */
export function drawMarkLabels(g, panel, frame, box, theme, height) {
  const f = box.font;
  g.font = `${f * 0.95}px ${theme.font}`;
  g.textBaseline = "middle";
  g.textAlign = "left";
  panel.marks.forEach((mark, i) => {
    const right = frame.x(mark.at) > (frame.left + frame.right) / 2, wide = g.measureText(mark.label).width;
    const x = frame.x(mark.at) + (right ? -8 - wide : 8), y = height(x, wide, i);
    g.fillStyle = theme.paper;
    g.globalAlpha = 0.8;
    g.fillRect(x - 3, y - f * 0.65, wide + 6, f * 1.3);
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
