// A matrix on a scale that is zero-centred, symmetric and printed. Gradients are hatched.

import { mix } from "./colours.js";
import { captionLine, colourBar, fitIn, hatch, mosaic, titleLine } from "./drawing.js";
import { say } from "./language.js";
import { format } from "./numbers.js";

/** @typedef {import("./film").HeatMap} HeatMap */

const NO_NUMBER = [176, 0, 32];

/** The end of the colour range now. @param {HeatMap} panel @param {number} t */
export const limitAt = (panel, t) => (typeof panel.limit === "number" ? panel.limit : panel.limit.data[t]);

/** @param {HeatMap} panel @param {import("./types").Box} box */
function heatBox(panel, box) {
  const [m, n] = panel.values.shape.slice(-2);
  const top = box.font * 1.08 + 10, bottom = box.font * (panel.caption.length ? 2.9 : 1.5);
  const cell = Math.max(0.5, Math.min((box.width - 8) / n, (box.height - top - bottom) / m));
  return { m, n, cell, left: 3, top, width: cell * n, height: cell * m };
}

/** @type {import("./types").Kind<HeatMap>} */
export const heatmap = {
  draw(g, { panel, box, cache }, { t, theme }) {
    const { m, n, left, top, width, height } = heatBox(panel, box);
    const values = panel.values.at(t, 2), limit = limitAt(panel, t), [negative, zero, positive] = theme.diverging;
    titleLine(g, panel, box, theme);
    mosaic(g, cache, m, n, (i, j) => {
      const v = limit ? Math.max(-1, Math.min(1, values[i * n + j] / limit)) : 0;
      return [...(Number.isNaN(v) ? NO_NUMBER : mix(zero, v < 0 ? negative : positive, Math.abs(v))), 255];
    }, [left, top, width, height]);
    g.strokeStyle = theme[panel.colour];
    g.lineWidth = 3;
    g.setLineDash(panel.hatched ? [7, 5] : []);
    g.strokeRect(left - 1, top - 1, width + 2, height + 2);
    g.setLineDash([]);
    if (panel.hatched) {
      g.globalAlpha = 0.8;
      g.lineWidth = 1;
      hatch(g, [left, top, width, height], 9);
      g.globalAlpha = 1;
    }
    // the range, printed, on its own small scale
    const f = Math.max(box.least, box.font * 0.92), y = top + height + 6, text = `±${format(limit)}  ${m}×${n}`;
    g.font = `${f}px ${theme.font}`;
    g.textBaseline = "top";
    g.textAlign = "left";
    const room = Math.max(width, box.width * 0.9) - g.measureText(text).width - 8;
    const bar = Math.max(18, Math.min(80, room));
    colourBar(g, theme.diverging, [left, y, bar, f * 0.8]);
    g.strokeStyle = theme.faint;
    g.lineWidth = 1;
    g.strokeRect(left, y, bar, f * 0.8);
    g.fillStyle = theme.ink;
    g.fillText(fitIn(g, text, box.width - left - bar - 6), left + bar + 6, y - 1);
    captionLine(g, panel.caption, t, box, theme, y + f * 1.35);
  },
  say({ panel }, { t }) {
    const [m, n] = panel.values.shape.slice(-2), limit = limitAt(panel, t);
    let low = Infinity, high = -Infinity;
    for (const v of panel.values.at(t, 2)) {
      low = Math.min(low, v);
      high = Math.max(high, v);
    }
    const ends = { low: format(low), high: format(high), least: format(-limit), most: format(limit) };
    return say(
      "{m} by {n} matrix, entries from {low} to {high}, colours from {least} to {most}",
      { m, n, ...ends },
    );
  },
  hover({ panel, box }, px, py, { t }) {
    const { m, n, cell, left, top } = heatBox(panel, box);
    const j = Math.floor((px - left) / cell), i = Math.floor((py - top) / cell);
    if (i < 0 || j < 0 || i >= m || j >= n) return null;
    const value = format(panel.values.at(t, 2)[i * n + j]);
    return say("row {row}, column {column}: {value}", { row: i + 1, column: j + 1, value });
  },
};
