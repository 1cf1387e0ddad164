// Passages of text: on the stage as HTML that wraps, on a slide as lines; plain text whatever stands in it.

import { measureIn, titleLine } from "./drawing.js";
import { format } from "./numbers.js";
import { textAt } from "./tensor.js";
import { wrapped } from "./text.js";

/** @typedef {import("./film").Passages} Passages @typedef {import("./types").Theme} Theme */
/** @typedef {import("./film").Passage} Passage @typedef {[string, number, number][]} Runs token, place, value */
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
    delete values[i].dataset.at;
  });
}

/** Each token of a row now, with its number. @param {Passage} row @param {number} t @returns {[string, number][]} */
export function tokensAt({ tokens = [], values }, t) {
  const numbers = values?.at(t, 1) ?? [];
  return (textAt(tokens, t) ?? []).map((token, i) => [token, Number(numbers[i])]);
}

/** From −1 to 1: how strongly it is shaded. @param {number} value @param {number} limit */
export const shade = (value, limit) => Math.max(-1, Math.min(1, value / limit)) || 0;

/** The tokens of a row as they are shaded now. @param {HTMLElement} dd @param {Passage} row @param {number} t */
export function writeTokens(dd, row, t) {
  if (dd.dataset.at === `${t}`) return;
  dd.dataset.at = `${t}`;
  dd.replaceChildren(...tokensAt(row, t).map(([token, value]) => {
    const piece = document.createElement("span"), part = Math.round(50 * shade(value, row.limit));
    piece.textContent = token;
    piece.title = format(value);
    const colour = `color-mix(in srgb, var(--id-${row.colour}) ${Math.abs(part)}%, transparent)`;
    if (part > 0) piece.style.background = colour;
    if (part < 0) piece.style.boxShadow = `inset 0 -0.22em ${colour.replace(`${-part}%`, `${-2 * part}%`)}`;
    return piece;
  }));
}

/** What is written at this frame, for those who hear it. @param {Passages} panel @param {number} t */
export const passagesSay = (panel, t) =>
  panel.rows.map((row) => `${row.label}: ${textAt(row.text, t)}${strongest(row, t)}`).join("; ");

/** @param {Passage} row @param {number} t */
function strongest(row, t) {
  const most = tokensAt(row, t).sort(([, a], [, b]) => Math.abs(b) - Math.abs(a)).slice(0, 3);
  return most.length ? ` (${most.map(([token, value]) => `${token.trim()} ${format(value)}`).join(", ")})` : "";
}

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
  lines.forEach(({ text, colour, label, runs, limit }, i) => {
    const y = top + i * size * 1.3;
    g.font = `400 ${size}px ${theme.font}`;
    for (const [token, x, value] of runs ?? []) {
      const part = shade(value, limit ?? 1), wide = measureIn(g)(token);
      g.globalAlpha = Math.abs(part) * (part > 0 ? 0.5 : 1);
      g.fillStyle = theme[colour] || theme.ink;
      g.fillRect(2 + size * 0.6 + x, part > 0 ? y : y + size * 1.05, wide, size * (part > 0 ? 1.25 : 0.2));
      g.globalAlpha = 1;
    }
    g.font = `${label ? 600 : 400} ${size}px ${theme.font}`;
    g.fillStyle = label ? theme[colour] || theme.ink : theme.ink;
    g.fillText(text, label ? 2 : 2 + size * 0.6, y);
  });
}

/**
 * A label has a line of its own, its text as many as it takes, twelve at most.
 * @param {(text: string) => number} measure @param {Passages} panel @param {number} t @param {number} width
 * @returns {{ text: string, colour: string, label: boolean, runs?: Runs, limit?: number }[]}
 */
export function passageLines(measure, panel, t, width) {
  return panel.rows.flatMap((row) => [
    { text: row.label, colour: row.colour, label: true },
    ...(row.tokens?.length ? tokenLines(measure, row, t, width) : plainLines(measure, row, t, width)),
  ]);
}

/** @param {(text: string) => number} measure @param {Passage} row @param {number} t @param {number} width */
const plainLines = (measure, { text, colour }, t, width) =>
  textAt(text, t).split("\n").flatMap((part) => wrapped(measure, part, width, 12))
    .map((line) => ({ text: line, colour, label: false }));

/**
 * Tokens end to end, a new line where one does not fit.
 * @param {(text: string) => number} measure @param {Passage} row @param {number} t @param {number} width
 */
function tokenLines(measure, row, t, width) {
  const { colour, limit } = row;
  /** @type {{ text: string, colour: string, label: boolean, runs: Runs, limit: number }[]} */
  const lines = [];
  for (const [token, value] of tokensAt(row, t)) {
    const last = lines[lines.length - 1], x = last ? measure(last.text) : 0;
    if (last && x + measure(token) <= width) {
      last.text += token;
      last.runs.push([token, x, value]);
    } else lines.push({ text: token, colour, label: false, runs: [[token, 0, value]], limit });
  }
  return lines;
}
