// The names of curves at their ends: each as near to where its curve ends as the others let it.

import { line, measureIn } from "./drawing.js";
import { format } from "./numbers.js";
import { wrapped } from "./text.js";

/** @typedef {import("./types").Box} Box @typedef {import("./types").Theme} Theme */
/** @typedef {import("./types").Frame} Frame @typedef {CanvasRenderingContext2D} Canvas */
/** @typedef {{ name: string, colour: string, value: number | null, end: [number, number] | null }} Entry */

const LINE = 1.18, LEAD = 14; // in sizes; in pixels from a curve's end to its name

/**
 * Heights of these middles such that none lies over another and all lie between top and bottom, each as near as it
 * may be to where it would like to be.
 * @param {number[]} wanted @param {number[]} tall @param {number} top @param {number} bottom
 */
export function spreadOut(wanted, tall, top, bottom) {
  const order = wanted.map((_, i) => i).sort((a, b) => wanted[a] - wanted[b]), places = [...wanted];
  let free = top;
  for (const i of order) {
    places[i] = Math.max(wanted[i], free + tall[i] / 2);
    free = places[i] + tall[i] / 2;
  }
  free = bottom;
  for (const i of order.reverse()) {
    places[i] = Math.min(places[i], free - tall[i] / 2);
    free = places[i] - tall[i] / 2;
  }
  return places;
}

/** "name: value", however the name is written. @param {string} name @param {number | null} value */
export const named = (name, value) =>
  value === null ? name : `${name.replace(/:\s*$/, "")}: ${format(value)}`;

/**
 * How much room the names take on the right, and whether they fit there at all; `widest` are the longest that each
 * will be.
 * @param {Canvas} g @param {string[]} widest @param {Box} box @param {Theme} theme @param {number} height of the plot
 * @returns {{ wide: number, size: number, room: number } | null}
 */
export function roomForEnds(g, widest, box, theme, height) {
  if (box.width < 470) return null;
  const size = Math.max(box.least, box.font * 0.95), room = Math.min(box.width * 0.31, size * 15);
  g.font = `${size}px ${theme.font}`;
  const lines = widest.map((text) => wrapped(measureIn(g), text, room, 2));
  const tall = lines.reduce((sum, each) => sum + (each.length * LINE + 0.25) * size, 0);
  if (tall > height || lines.flat().some((text) => text.endsWith("…"))) return null;
  return { wide: Math.max(...lines.flat().map(measureIn(g))) + LEAD + 6, size, room };
}

/**
 * @param {Canvas} g @param {Entry[]} entries @param {Frame} frame @param {Theme} theme
 */
export function drawEnds(g, entries, frame, theme) {
  const { size, room } = frame.ends, x = frame.right + LEAD;
  g.font = `${size}px ${theme.font}`;
  g.textAlign = "left";
  g.textBaseline = "middle";
  const middle = (frame.top + frame.bottom) / 2;
  const lines = entries.map(({ name, value }) => wrapped(measureIn(g), named(name, value), room, 2));
  const tall = lines.map((each) => (each.length * LINE + 0.25) * size), measure = measureIn(g);
  const edge = g.canvas.width / g.getTransform().a - 2; // a name longer than was thought begins nearer to its curve
  const wanted = entries.map(({ end }) => end?.[1] ?? middle);
  const places = spreadOut(wanted, tall, frame.top - 0.6 * size, frame.bottom + frame.strip + 0.6 * size);
  entries.forEach(({ colour, end }, i) => {
    g.fillStyle = g.strokeStyle = theme[colour];
    if (end) {
      g.lineWidth = 1;
      g.setLineDash([]);
      line(g, end[0] + 3, end[1], x - 3, places[i]);
    }
    lines[i].forEach((text, k) => g.fillText(text, Math.min(x, edge - measure(text)),
      places[i] + (k - (lines[i].length - 1) / 2) * LINE * size));
  });
}

/**
 * Where a curve ends: its last place with a number.
 * @param {Frame} frame @param {ArrayLike<number>} xs @param {ArrayLike<number>} ys @returns {[number, number] | null}
 */
export function endOf(frame, xs, ys) {
  for (let i = xs.length - 1; i >= 0; i--) if (Number.isFinite(ys[i])) return [frame.x(xs[i]), frame.y(ys[i])];
  return null;
}
