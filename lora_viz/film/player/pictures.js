// Small pictures, and what everybody says they show.

import { mix, rgb } from "./colours.js";
import { measureIn, mosaic, titleLine } from "./drawing.js";
import { say } from "./language.js";
import { textAt } from "./tensor.js";

/** @typedef {import("./film").Answers} Answers */

/** What is said of each picture now; ✗ marks what is wrong. @param {Answers} row @param {number} t */
export const answersAt = (row, t) =>
  textAt(row.text, t).map((text, i) => (textAt(row.right, t)[i] ? text : `${text} ✗`));

/** @type {import("./types").Kind<import("./film").Pictures>} */
export const pictures = {
  draw(g, { panel, box, cache }, { t, theme }) {
    const [k, h, w] = panel.images.shape, count = panel.rows.length;
    const f = Math.min(box.font * 0.95, (box.height * 0.62) / (count * 1.3)), line = f * 1.3;
    titleLine(g, panel, box, theme);
    g.font = `${f}px ${theme.font}`;
    const left = Math.max(...panel.rows.map((row) => measureIn(g)(row.name))) + 14, top = box.font * 1.08 + 12;
    const cell = (box.width - left) / k;
    const side = Math.max(16, Math.min(cell * 0.8, box.height - top - line * count - 8));
    const paper = theme.diverging[1], ink = rgb(theme.ink);
    for (let i = 0; i < k; i++) {
      const grey = (/** @type {number} */ y, /** @type {number} */ x) => panel.images.data[(i * h + y) * w + x];
      const where = [left + (i + 0.5) * cell - side / 2, top, side, side];
      mosaic(g, cache, h, w, (y, x) => [...mix(paper, ink, grey(y, x)), 255], where);
      g.strokeStyle = theme.faint;
      g.lineWidth = 1;
      g.strokeRect(where[0], top, side, side);
    }
    g.textBaseline = "top";
    panel.rows.forEach((row, at) => {
      const y = top + side + 6 + at * line, right = textAt(row.right, t);
      g.font = `${f}px ${theme.font}`;
      g.textAlign = "left";
      g.fillStyle = theme[row.colour];
      g.fillText(row.name, 2, y);
      g.textAlign = "center";
      answersAt(row, t).forEach((text, i) => {
        g.font = `${right[i] ? 600 : 400} ${f}px ${theme.font}`;
        g.fillStyle = right[i] ? theme.clean : theme.alarm;
        g.fillText(text, left + (i + 0.5) * cell, y);
      });
    });
  },
  say({ panel }, { t }) {
    const told = panel.rows.map((row) => {
      const texts = textAt(row.text, t), right = textAt(row.right, t).filter(Boolean).length;
      const facts = { name: row.name, texts: texts.join(", "), right, count: texts.length };
      return say("{name} says {texts}, {right} of {count} right", facts);
    });
    return told.join("; ");
  },
};
