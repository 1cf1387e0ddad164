// Curves over an axis of their own, redrawn at every frame where they move.

import { counts, nearest } from "./axes.js";
import { band, DASHES, dots, fitIn, measureIn, trace } from "./drawing.js";
import { drawEnds, endOf, named } from "./ends.js";
import { say } from "./language.js";
import { format } from "./numbers.js";
import { drawGrid, drawLegend, drawMarkLabels, drawMarks, drawXTicks, plotFrame, scaled } from "./plot.js";
import { legendOf } from "./text.js";

/** @typedef {import("./types").Picture<import("./film").Curves>} Picture @typedef {CanvasRenderingContext2D} Canvas */
/** @typedef {import("./types").Frame} Frame @typedef {import("./types").Theme} Theme */

const LEAD = 2.6; // of the legend, in sizes

/** @param {Canvas} g @param {Picture} p @param {Theme} theme */
function curvesFrame(g, { panel, box }, theme) {
  const legend = legendOf((size) => {
    g.font = `${size}px ${theme.font}`;
    return panel.series.map((s) => size * LEAD + g.measureText(s.name).width);
  }, 0, box.width, box.font, box.least);
  const ends = panel.series.map((s) => s.name);
  const axes = [scaled(panel.x_label, panel.x_scale), scaled(panel.y_label, panel.scale)];
  return plotFrame(g, panel, panel.x.data, box, theme, { below: true, spare: box.font * 1.6, legend, ends, axes });
}

/**
 * @param {Canvas} g @param {import("./film").Curves} panel @param {Frame} frame @param {number} f
 * @param {Theme} theme
 */
function drawAxis(g, panel, frame, f, theme) {
  const under = frame.bottom + frame.strip + 5, room = frame.right - frame.left;
  g.fillStyle = theme.ink;
  drawXTicks(g, panel.x.data, panel.x_scale, frame, f, counts([panel.x]));
  if (frame.bare) return;
  g.textAlign = "right";
  const two = frame.twoLines, over = scaled(panel.x_label, panel.x_scale), y = under + 3 + f * 1.05;
  const axis = fitIn(g, over, two ? frame.right - 2 : room * 0.6), width = two ? 0 : measureIn(g)(axis) + f;
  g.fillText(axis, frame.right, y);
  g.textAlign = "left";
  g.fillStyle = theme.faint;
  g.fillText(fitIn(g, scaled(panel.y_label, panel.scale), frame.right - width), 2, y + (two ? f * 1.2 : 0));
}

/**
 * The curves in pixels as they are at some of the frames: a label stays where it is while they move.
 * @param {import("./film").Curves} panel @param {Frame} frame @param {number} frames
 */
function pathsOf(panel, frame, frames) {
  const every = Math.max(1, Math.floor(frames / 8)), xs = panel.x.data;
  /** @type {import("./labels.js").Path[]} */
  const paths = [];
  for (const { y } of panel.series) {
    for (let t = 0; t < (y.shape.length > 1 ? frames : 1); t += every) {
      const ys = y.at(t, 1);
      paths.push(Array.from(xs, (v, i) => [frame.x(v), frame.y(ys[i])]));
    }
  }
  return paths;
}

/** @type {import("./types").Kind<import("./film").Curves>} */
export const curves = {
  draw(g, p, { t, theme, film }) {
    const { panel, box } = p, f = box.font, xs = panel.x.data;
    const frame = /** @type {Frame} */ (p.cache.frame ||= curvesFrame(g, p, theme));
    drawGrid(g, panel, frame, box, theme);
    drawAxis(g, panel, frame, f, theme);
    drawMarks(g, panel, frame, theme);
    for (const s of panel.series) {
      const y = s.y.at(t, 1);
      g.strokeStyle = g.fillStyle = theme[s.colour];
      if (s.low && s.high) band(g, frame, xs, s.low.at(t, 1), s.high.at(t, 1));
      g.lineWidth = 3.2 * box.thick;
      g.lineJoin = "round";
      g.setLineDash(DASHES[s.dash]);
      trace(g, frame, xs, y);
      g.setLineDash([]);
      if (s.dots) dots(g, frame, xs, y);
    }
    drawMarkLabels(g, panel, frame, box, theme, () => pathsOf(panel, frame, film.values.data.length));
    if (frame.ends) {
      const ended = panel.series.map(({ name, colour, y }) =>
        ({ name, colour, value: null, end: endOf(frame, xs, y.at(t, 1)) }));
      drawEnds(g, ended, frame, theme);
    } else drawLegend(g, panel.series.map((s) => ({ ...s, text: s.name })), frame, box, theme, LEAD, 0);
  },
  say({ panel }, { t }) {
    const xs = panel.x.data, last = xs.length - 1;
    const told = panel.series.map((s) => {
      const y = s.y.at(t, 1);
      return say("{name} from {first} to {last}", { name: s.name, first: format(y[0]), last: format(y[last]) });
    });
    const ends = { axis: panel.x_label, first: format(xs[0]), last: format(xs[last]) };
    return say("{axis} from {first} to {last}: {curves}", { ...ends, curves: told.join(", ") });
  },
  hover({ panel, cache: { frame } }, px, py, { t }) {
    if (!frame || px < frame.left - 8 || px > frame.right + 8 || py < frame.top) return null;
    const best = nearest(panel.x.data, frame.x, px);
    const read = panel.series.map((s) => named(s.name, s.y.at(t, 1)[best]));
    return `${named(panel.x_label, panel.x.data[best])}; ${read.join(", ")}`;
  },
};
