// Passages of text: on the stage as HTML that wraps, on a slide as lines; plain text whatever stands in it.

import { measureIn, titleLine } from "./drawing.js";
import { textAt } from "./tensor.js";
import { wrapped } from "./text.js";

/** @typedef {import("./film").Passages} Passages @typedef {import("./types").Theme} Theme */
/** @typedef {CanvasRenderingContext2D} Canvas */

/** On a projector nobody reads less. */
export const LEAST_PRESENTED = 24;

/** @param {import("./types").Picture<Passages>} p */
export function buildPassages(p) {
  const title = document.createElement("h2"), list = document.createElement("dl");
  title.textContent = p.panel.title;
  p.values = p.panel.rows.map((row) => {
    const dt = document.createElement("dt"), dd = document.createElement("dd"), line = document.createElement("div");
    dt.textContent = row.label;
    dt.style.color = `var(--id-${row.colour})`;
    line.style.borderColor = `var(--id-${row.colour})`;
    dd.dir = "auto"; // Hebrew and Arabic run from the right
    line.append(dt, dd);
    list.append(line);
    return dd;
  });
  p.cell.setAttribute("role", "group");
  p.cell.tabIndex = 0; // what finds no room is scrolled to, by keys too
  p.cell.append(title, list);
}

/** Each passage as long as it ever is. @param {import("./types").Picture<Passages>} p */
export function fillLongest({ panel, values }) {
  panel.rows.forEach(({ text }, i) => {
    values[i].textContent = text.reduce((a, b) => (b.length > a.length ? b : a));
  });
}

/** What is written at this frame, for those who hear it. @param {Passages} panel @param {number} t */
export const passagesSay = (panel, t) => panel.rows.map(({ label, text }) => `${label}: ${textAt(text, t)}`).join("; ");

/**
 * @param {Canvas} g @param {Passages} panel @param {import("./types").Box} box @param {Theme} theme @param {number} t
 */
export function drawPassages(g, panel, box, theme, t) {
  const top = titleLine(g, { title: panel.title }, box, theme) + 4;
  const linesAt = (/** @type {number} */ size) => {
    g.font = `400 ${size}px ${theme.font}`;
    return passageLines(measureIn(g), panel, t, box.width - size * 0.6);
  };
  let size = box.font * 1.1, lines = linesAt(size);
  while (lines.length * size * 1.3 > box.height - top && size - 0.5 > 9) lines = linesAt((size -= 0.5));
  g.textBaseline = "top";
  g.textAlign = "left";
  lines.forEach(({ text, colour, label }, i) => {
    g.font = `${label ? 600 : 400} ${size}px ${theme.font}`;
    g.fillStyle = label ? theme[colour] || theme.ink : theme.ink;
    g.fillText(text, label ? 2 : 2 + size * 0.6, top + i * size * 1.3);
  });
}

/**
 * A label has a line of its own, its text as many as it takes, twelve at most.
 * @param {(text: string) => number} measure @param {Passages} panel @param {number} t @param {number} width
 * @returns {{ text: string, colour: string, label: boolean }[]}
 */
export function passageLines(measure, panel, t, width) {
  return panel.rows.flatMap(({ label, colour, text }) => [
    { text: label, colour, label: true },
    ...textAt(text, t).split("\n").flatMap((part) => wrapped(measure, part, width, 12))
      .map((line) => ({ text: line, colour, label: false })),
  ]);
}
