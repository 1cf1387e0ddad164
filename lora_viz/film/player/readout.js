// Measured numbers in words: on the stage as HTML, on a slide as lines that make room for each other.

import { measureIn, titleLine } from "./drawing.js";
import { writeTokens } from "./passages.js";
import { textAt } from "./tensor.js";
import { wrapped } from "./text.js";

/** @typedef {import("./film").Readout} Readout @typedef {import("./types").Theme} Theme */
/** @typedef {CanvasRenderingContext2D} Canvas @typedef {CanvasTextAlign} Align */
/** @typedef {{ colour: string, parts: [string, number, Align][] }} Line texts, their weights and sides */

/** @param {import("./types").Picture<Readout>} p */
export function buildReadout(p) {
  const title = document.createElement("h2"), list = document.createElement("dl");
  title.textContent = p.panel.title;
  p.values = p.panel.rows.map((row) => {
    const dt = document.createElement("dt"), dd = document.createElement("dd"), line = document.createElement("div");
    dt.textContent = row.label;
    dd.style.color = dt.style.color = `var(--id-${row.colour})`;
    line.append(dt, dd);
    list.append(line);
    return dd;
  });
  p.cell.append(title, list);
}

/**
 * What is the case at this frame, where it is not said yet.
 * @param {import("./types").Picture<Readout>} p @param {number} t
 */
export function readOut({ panel, values }, t) {
  panel.rows.forEach((row, i) => {
    const text = textAt(row.text, t), passage = /** @type {Partial<import("./film").Passage>} */ (row);
    if (passage.tokens?.length) writeTokens(values[i], /** @type {import("./film").Passage} */ (passage), t);
    else if (values[i].textContent !== text) values[i].textContent = text;
  });
}

/**
 * @param {Canvas} g @param {Readout} panel @param {import("./types").Box} box @param {Theme} theme @param {number} t
 */
export function drawReadout(g, panel, box, theme, t) {
  const top = titleLine(g, { title: panel.title }, box, theme) + 4;
  const linesAt = (/** @type {number} */ size) => readoutLines((text, weight) => {
    g.font = `${weight} ${size}px ${theme.font}`;
    return measureIn(g)(text);
  }, panel, t, box.width, size);
  // As large as there is room for.
  let size = box.font * 1.02, lines = linesAt(size);
  while (lines.length * size * 1.32 > box.height - top && size - 0.5 > 8) lines = linesAt((size -= 0.5));
  g.textBaseline = "top";
  lines.forEach(({ parts, colour }, i) => {
    g.fillStyle = theme[colour] || theme.ink;
    for (const [text, weight, align] of parts) {
      g.font = `${weight} ${size}px ${theme.font}`;
      g.textAlign = align;
      g.fillText(text, align === "right" ? box.width - 2 : 2, top + i * size * 1.32);
    }
  });
}

/**
 * A label takes lines of its own where its reading does not fit beside it.
 * @param {(text: string, weight: number) => number} measure @param {Readout} panel @param {number} t
 * @param {number} width @param {number} size
 * @returns {Line[]}
 */
export function readoutLines(measure, panel, t, width, size) {
  return panel.rows.flatMap(({ label, colour, ...row }) => {
    const text = textAt(row.text, t);
    /** @type {(...parts: Line["parts"]) => Line} */
    const line = (...parts) => ({ colour, parts });
    const beside = measure(label, 400) + measure(text, 700) + size <= width;
    if (beside) return [line([label, 400, "left"], [text, 700, "right"])];
    const labels = wrapped((part) => measure(part, 400), label, width - 4, 3);
    const texts = wrapped((part) => measure(part, 700), text, width - 4, 2);
    return [...labels.map((part) => line([part, 400, "left"])), ...texts.map((part) => line([part, 700, "right"]))];
  });
}
