// What a room thinks, drawn: bars of its choices, a band of its numbers, all its curves on the measured picture's axes.

import { scaleOf } from "./axes.js";
import { band, trace } from "./drawing.js";
import { say } from "./language.js";
import { format } from "./numbers.js";

/** @typedef {import("./types").Thought} Thought @typedef {CanvasRenderingContext2D} Canvas */

/** @param {number} part @param {number} whole */
const percent = (part, whole) => `${whole ? Math.round((100 * part) / whole) : 0} %`;

/** How many answered, and how many did not know. @param {Thought} thought */
export const heads = ({ answered, unsure }) => (unsure
  ? say("{answered} answered, {unsure} did not know.", { answered, unsure })
  : say("{answered} answered.", { answered }));

/** What the picture of a thought says, in words. @param {Thought} thought */
export function thinks(thought) {
  const { kind, counts, quantiles, answered } = thought;
  if (!answered) return say("Nobody said anything.");
  if (kind === "choice") {
    const most = Math.max(...counts), names = thought.choices.filter((_, i) => counts[i] === most).join(", ");
    return say("The room thinks: {names} ({share}).", { names, share: percent(most, answered) });
  }
  if (kind === "curve") return say("The room's curves, their median and the middle half.");
  const [, low, middle, high] = /** @type {number[]} */ (quantiles).map(format);
  if (low === high) return say("The room thinks: {middle}.", { middle });
  return say("The room thinks: {middle}; the middle half said {low} to {high}.", { low, middle, high });
}

/** Who was near, once it was measured. @param {Thought} thought */
export function nearness({ kind, near, answered }) {
  if (near === undefined || !answered) return "";
  const share = percent(near, answered);
  return kind === "choice"
    ? say("{near} of {answered} ({share}) said so.", { near, answered, share })
    : say("{near} of {answered} ({share}) were within a tenth of the axis.", { near, answered, share });
}

/**
 * Bars or a band in a box of this size, as nodes of SVG. Nothing of it is made of words from outside.
 * @param {Thought} thought
 */
export function crowdNode(thought) {
  return thought.kind === "choice" ? bars(thought) : strip(thought);
}

/** @param {string} tag @param {Record<string, string | number>} set @param {string} [text] */
function svg(tag, set, text) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(set)) node.setAttribute(name, `${value}`);
  if (text !== undefined) node.textContent = text;
  return node;
}

/** @param {Thought} thought */
function bars({ choices, counts, answered, truth }) {
  const list = Object.assign(document.createElement("div"), { className: "crowd bars" });
  choices.forEach((name, i) => {
    const right = truth === i, row = document.createElement("div");
    row.className = right ? "right" : "";
    const label = Object.assign(document.createElement("span"), { textContent: `${right ? "✓ " : ""}${name}` });
    const bar = document.createElement("i");
    bar.style.width = `${answered ? (100 * counts[i]) / answered : 0}%`;
    const track = document.createElement("b");
    track.append(bar);
    const told = Object.assign(document.createElement("span"), {
      textContent: `${counts[i]} · ${percent(counts[i], answered)}`,
    });
    row.append(label, track, told);
    list.append(row);
  });
  return list;
}

/** The ends of the strip: the panel's axis, wide enough for nine in ten of the answers. @param {Thought} thought */
export function stripEnds({ low, high, quantiles, truth, scale }) {
  const known = [quantiles[0], quantiles[4], truth].filter((v) => typeof v === "number" && Number.isFinite(v));
  const fits = known.filter((v) => scale !== "log" || v > 0);
  return { low: Math.min(low, ...fits), high: Math.max(high, ...fits) };
}

const WIDE = 1000, HIGH = 150, EDGE = 60, MIDDLE = 62, HALF = 30;

/** @param {Thought} thought */
function strip(thought) {
  const { quantiles, answers, truth, scale, answered } = thought, { low, high } = stripEnds(thought);
  const share = scaleOf(scale, low, high);
  const x = (/** @type {number} */ v) => EDGE + (WIDE - 2 * EDGE) *
    Math.max(-0.02, Math.min(1.02, scale === "log" && v <= 0 ? -0.02 : share(v)));
  const root = svg("svg", { viewBox: `0 0 ${WIDE} ${HIGH}`, class: "crowd strip", role: "img" });
  root.setAttribute("aria-label", [thinks(thought), nearness(thought)].filter(Boolean).join(" "));
  root.append(svg("line", { x1: EDGE, x2: WIDE - EDGE, y1: MIDDLE + 40, y2: MIDDLE + 40, class: "axis" }));
  for (const v of [low, high]) {
    root.append(svg("text", { x: x(v), y: HIGH - 10, "text-anchor": "middle" }, format(v)));
  }
  if (answered) {
    const [q5, q25, q50, q75, q95] = quantiles.map(x);
    /** @param {number} a @param {number} b @param {number} tall @param {string} of */
    const box = (a, b, tall, of) =>
      root.append(svg("rect", { x: a, width: Math.max(2, b - a), y: MIDDLE - tall, height: 2 * tall, class: of }));
    box(q5, q95, HALF / 2, "most");
    box(q25, q75, HALF, "half");
    for (const v of answers) root.append(svg("circle", { cx: x(v), cy: MIDDLE, r: 6, class: "one" }));
    root.append(svg("line", { x1: q50, x2: q50, y1: MIDDLE - HALF - 6, y2: MIDDLE + HALF + 6, class: "median" }));
    root.append(svg("text", { x: q50, y: 22, "text-anchor": "middle" }, format(/** @type {number} */ (quantiles[2]))));
  }
  if (typeof truth === "number") {
    root.append(svg("line", { x1: x(truth), x2: x(truth), y1: MIDDLE - HALF - 12, y2: MIDDLE + 46, class: "truth" }));
    root.append(svg("text", { x: x(truth), y: HIGH - 10, "text-anchor": "middle", class: "truth" }, format(truth)));
  }
  return root;
}

/**
 * All curves of the room, faint, with their median and middle half, on the axes of the panel that was asked of.
 * @param {Canvas} g @param {Thought} thought @param {import("./types").Frame} frame
 * @param {import("./types").Theme} theme
 */
export function drawCurves(g, { places, answers, quantiles }, frame, theme) {
  const gaps = (/** @type {(number | null)[]} */ curve) => curve.map((y) => (y === null ? NaN : y));
  g.save();
  g.strokeStyle = g.fillStyle = theme.ink;
  g.setLineDash([]);
  g.lineWidth = 1.5;
  g.globalAlpha = Math.max(0.06, Math.min(0.4, 6 / answers.length));
  for (const curve of answers) trace(g, frame, places, gaps(curve));
  g.globalAlpha = 1;
  if (quantiles.length) {
    const [, low, middle, high] = quantiles.map(gaps);
    band(g, frame, places, low, high);
    g.lineWidth = 3.5;
    g.setLineDash([10, 6]);
    trace(g, frame, places, middle);
  }
  g.restore();
}
