// Bars of named things; groups are drawn over each other, outlines on top.

import { counts, extent, logTicks, niceTicks, scaleOf } from "./axes.js";
import { captionLine, line, measureIn, titleLine } from "./drawing.js";
import { format, tick } from "./numbers.js";

/** @typedef {import("./film").Bars} Bars @typedef {import("./film").Group} Group */
/** @typedef {import("./types").Theme} Theme */
/** @typedef {CanvasRenderingContext2D} Canvas */

/** The ends of the axis, and whether it counts: the same at every frame. @param {Bars} panel */
function rangeOf({ groups, scale }) {
  const values = groups.map((group) => group.values), { low, high } = extent(values, true), whole = counts(values);
  if (scale !== "log") return { low: 0, high, whole };
  return { low: 10 ** Math.floor(Math.log10(low)), high: 10 ** Math.ceil(Math.log10(high) + 1e-9), whole };
}

/** @type {import("./types").Kind<Bars>} */
export const bars = {
  draw(g, { panel, box, cache }, { t, theme }) {
    const y0 = titleLine(g, panel, box, theme), f = box.font;
    const foot = captionLine(g, panel.caption, t, box, theme);
    const { low, high, whole } = /** @type {ReturnType<typeof rangeOf>} */ (cache.range ||= rangeOf(panel));
    const ticks = panel.scale === "log" ? logTicks(low, high, 5) : niceTicks(low, high, 4, whole);
    g.font = `${f}px ${theme.font}`;
    const left = Math.max(...ticks.map((v) => g.measureText(tick(v, panel.scale)).width)) + 12;
    const top = y0 + f * 1.5, bottom = box.height - foot - f * 1.6, right = box.width - 6;
    const share = scaleOf(panel.scale, low, high);
    const y = (/** @type {number} */ v) => bottom - Math.max(0, Math.min(1, share(v))) * (bottom - top);
    g.textBaseline = "middle";
    g.textAlign = "right";
    g.lineWidth = 1;
    for (const v of ticks) {
      g.strokeStyle = theme.grid;
      line(g, left, y(v), right, y(v));
      g.fillStyle = theme.ink;
      g.fillText(tick(v, panel.scale), left - 5, y(v));
    }
    const k = panel.labels.length, slot = (right - left) / k, width = slot * 0.74;
    for (const group of panel.groups) {
      const values = group.values.at(t, 1);
      for (let i = 0; i < k; i++) {
        const v = values[i];
        if (!Number.isFinite(v) || (panel.scale === "log" && v <= 0)) continue;
        const height = bottom - y(v);
        paint(g, group, theme, [left + i * slot + (slot - width) / 2, bottom - height, width, height], 0.9);
      }
    }
    g.strokeStyle = theme.ink;
    g.lineWidth = 1.5;
    line(g, left, bottom, right, bottom);
    drawLabels(g, panel.labels, left, slot, bottom + 4, box, theme);
    g.textAlign = "left";
    g.textBaseline = "middle";
    g.font = `${f}px ${theme.font}`;
    let x = left;
    for (const group of panel.groups) {
      paint(g, group, theme, [x, y0 + f * 0.2, f * 0.9, f * 0.8], 1);
      g.fillText(group.name, x + f * 1.3, y0 + f * 0.65);
      x += g.measureText(group.name).width + f * 2.4;
    }
  },
  say({ panel }, { t }) {
    const told = panel.groups.map((group) => {
      const values = [...group.values.at(t, 1)].slice(0, 12);
      return `${group.name}: ${values.map((v, i) => `${panel.labels[i]} ${format(v)}`).join(", ")}`;
    });
    return told.join("; ");
  },
  hover({ panel, box }, px, py, { t }) {
    const i = Math.floor(((px - 40) / (box.width - 46)) * panel.labels.length);
    if (i < 0 || i >= panel.labels.length || py < 30) return null;
    const read = panel.groups.map((group) => `${group.name} ${format(group.values.at(t, 1)[i])}`);
    return `${panel.labels[i]}: ${read.join(", ")}`;
  },
};

/**
 * A bar, or a piece of it in the legend.
 * @param {Canvas} g @param {Group} group @param {Theme} theme @param {[number, number, number, number]} rectangle
 * @param {number} alpha
 */
function paint(g, group, theme, rectangle, alpha) {
  g.strokeStyle = g.fillStyle = theme[group.colour];
  g.lineWidth = 2.4;
  if (group.outline) return g.strokeRect(...rectangle);
  g.globalAlpha = alpha;
  g.fillRect(...rectangle);
  g.globalAlpha = 1;
}

/**
 * A few names are made small enough, of many every so many is written.
 * @param {Canvas} g @param {string[]} labels @param {number} left @param {number} slot @param {number} y
 * @param {import("./types").Box} box @param {Theme} theme
 */
function drawLabels(g, labels, left, slot, y, { font: f, least }, theme) {
  g.fillStyle = theme.ink;
  g.textAlign = "center";
  g.textBaseline = "top";
  let widest = Math.max(...labels.map(measureIn(g))) + 6;
  if (labels.length <= 8 && widest > slot && (f * slot) / widest >= least) {
    g.font = `${(f * slot) / widest}px ${theme.font}`;
    widest = slot;
  }
  const every = Math.ceil(widest / slot);
  labels.forEach((label, i) => {
    if (i % every === 0) g.fillText(label, left + (i + 0.5) * slot, y);
  });
}
