// A point cloud and subspaces in 1, 2 or 3 dimensions; in 3 it turns by dragging.

import { captionLine, circle, line, titleLine } from "./drawing.js";
import { say } from "./language.js";
import { lowered } from "./numbers.js";
import { textAt } from "./tensor.js";

/** @typedef {import("./film").Cloud} Cloud @typedef {import("./types").Picture<Cloud>} Picture */
/** @typedef {import("./film").Points} Points @typedef {import("./film").Span} Span */
/** @typedef {import("./types").Theme} Theme @typedef {CanvasRenderingContext2D} Canvas */
/** @typedef {(v: ArrayLike<number>) => number[]} Project from space to the canvas */

/** How far down the picture begins. @param {any} cache @param {import("./types").Box} box */
const headOf = (cache, box) => box.font * 1.08 + 8 + (cache.rows || 1) * Math.max(box.least, box.font * 0.85) * 1.25;

/** @param {Picture} p @returns {Project} */
function projection({ panel, box, cache }) {
  const [yaw, pitch] = cache.view || panel.view;
  const top = headOf(cache, box) + 2, bottom = panel.caption.length ? box.font * 1.5 : 4;
  const cx = box.width / 2, cy = top + (box.height - top - bottom) / 2;
  const reach = panel.dimension === 3 ? 1.35 : 1.2;
  const s = Math.min(box.width, box.height - top - bottom) / 2 / (panel.limit * reach);
  const [cw, sw, cp, sp] = [Math.cos(yaw), Math.sin(yaw), Math.cos(pitch), Math.sin(pitch)];
  return (v) => {
    if (panel.dimension === 1) return [cx + v[0] * s, cy];
    if (panel.dimension === 2) return [cx + v[0] * s, cy - v[1] * s];
    const x = cw * v[0] + sw * v[1], y = -sw * v[0] + cw * v[1];
    return [cx + x * s, cy - (cp * v[2] + sp * y) * s];
  };
}

/**
 * What is a dot, a ring, a plane? In as many lines as it takes; says how many.
 * @param {Canvas} g @param {Cloud} panel @param {import("./types").Box} box @param {Theme} theme
 */
function cloudLegend(g, panel, box, theme) {
  const items = [...panel.points, ...panel.spans], size = Math.max(box.least, box.font * 0.85);
  g.font = `${size}px ${theme.font}`;
  let x = 4, y = box.font * 1.08 + 8 + size * 0.6, rows = 1;
  g.textAlign = "left";
  g.textBaseline = "middle";
  for (const { name, colour, style } of items) {
    const wide = g.measureText(name).width + size * 1.9;
    if (x + wide > box.width && x > 4) {
      [x, y, rows] = [4, y + size * 1.25, rows + 1];
    }
    g.strokeStyle = g.fillStyle = theme[colour];
    g.lineWidth = 2;
    if (style === "fill") {
      g.globalAlpha = 0.4;
      g.fillRect(x, y - size * 0.4, size * 0.8, size * 0.8);
      g.globalAlpha = 1;
    } else if (style === "axes") {
      g.setLineDash([3, 2]);
      line(g, x, y, x + size * 0.9, y);
      g.setLineDash([]);
    } else {
      circle(g, x + size * 0.4, y, style === "probe" ? size * 0.42 : size * 0.3);
      if (style === "ring" || style === "ghost") g.stroke();
      else g.fill();
    }
    g.fillText(name, x + size * 1.1, y);
    x += wide;
  }
  return rows;
}

/** @param {ArrayLike<number>} data @param {number[]} shape @returns {Float32Array[]} */
const rowsOf = (data, [n, d]) =>
  Array.from({ length: n }, (_, i) => /** @type {Float32Array} */ (data).subarray(i * d, (i + 1) * d));

/** @param {number} a @param {ArrayLike<number>} v */
const times = (a, v) => Array.from(v, (x) => a * x);

/** @param {ArrayLike<number>} v @param {ArrayLike<number>} w */
const plus = (v, w) => Array.from(v, (x, i) => x + w[i]);

/** @type {import("./types").Kind<Cloud>} */
export const cloud = {
  draw(g, p, { t, theme }) {
    const { panel, box, cache } = p, d = panel.dimension, f = box.font;
    titleLine(g, panel, box, theme);
    captionLine(g, panel.caption, t, box, theme);
    cache.rows = cloudLegend(g, panel, box, theme);
    const to = projection(p), head = headOf(cache, box), foot = panel.caption.length ? f * 1.45 : 0;
    g.save();
    g.beginPath();
    g.rect(0, head, box.width, box.height - head - foot);
    g.clip();
    const unit = (/** @type {number} */ i, /** @type {number} */ length) =>
      Array.from({ length: d }, (_, j) => (i === j ? length : 0));
    g.lineWidth = 1.2;
    g.strokeStyle = g.fillStyle = theme.faint;
    g.font = `${Math.max(box.least, f * 0.9)}px ${theme.font}`;
    g.textAlign = "center";
    g.textBaseline = "middle";
    for (let i = 0; i < d; i++) {
      const [x1, y1] = to(unit(i, -panel.limit)), [x2, y2] = to(unit(i, panel.limit));
      const [x3, y3] = to(unit(i, panel.limit * 1.08));
      line(g, x1, y1, x2, y2);
      g.fillText(panel.axes + lowered(i + 1), Math.min(x3, box.width - f), y3);
    }
    for (const span of panel.spans) drawSpan(g, span, t, to, box, theme);
    for (const set of panel.points) drawPoints(g, set, t, to, theme);
    g.restore();
  },
  say({ panel }, { t }) {
    const counted = panel.points.map(({ name, xyz }) =>
      say("{name}: {count} points", { name, count: xyz.shape.slice(-2)[0] }));
    const points = counted.join(", ");
    const told = panel.dimension === 3
      ? say("3-dimensional picture, {points}, the arrow keys turn it", { points })
      : say("{dimension}-dimensional picture, {points}", { dimension: panel.dimension, points });
    return panel.caption.length ? `${told}. ${textAt(panel.caption, t)}` : told;
  },
  turn,
  keyed: (panel) => panel.dimension === 3,
  keys: () => say("The arrow keys turn it"),
  key(p, key) {
    const moves = { ArrowLeft: [-15, 0], ArrowRight: [15, 0], ArrowUp: [0, -15], ArrowDown: [0, 15] };
    const move = moves[/** @type {keyof typeof moves} */ (key)];
    if (!move || !turn(p, move[0], move[1])) return null;
    const degrees = p.cache.view.map((/** @type {number} */ v) => String(Math.round((v * 180) / Math.PI)));
    const [yaw, pitch] = degrees.map((/** @type {string} */ text) => text.replace("-", "−"));
    return say("seen from {yaw}°, {pitch}° up", { yaw, pitch });
  },
};

/** @param {Picture} p @param {number} dx @param {number} dy */
function turn({ panel, cache }, dx, dy) {
  if (panel.dimension !== 3) return false;
  const [yaw, pitch] = cache.view || panel.view;
  cache.view = [yaw + dx * 0.01, Math.max(-1.5, Math.min(1.5, pitch + dy * 0.01))];
  return true;
}

/**
 * @param {Canvas} g @param {Span} span @param {number} t @param {Project} to @param {import("./types").Box} box
 * @param {Theme} theme
 */
function drawSpan(g, span, t, to, box, theme) {
  const rows = rowsOf(span.basis.at(t, 2), span.basis.shape.slice(-2)).filter((row) => row.every(Number.isFinite));
  g.strokeStyle = g.fillStyle = theme[span.colour];
  const stroke = (/** @type {number[]} */ [x1, y1], /** @type {number[]} */ [x2, y2]) => line(g, x1, y1, x2, y2);
  if (span.style === "axes") {
    rows.forEach((row, i) => {
      const [x, y] = to(row);
      g.lineWidth = 2.2;
      g.setLineDash([6, 5]);
      stroke(to(times(-1, row)), [x, y]);
      g.setLineDash([]);
      g.fillText(span.name + lowered(i + 1), x + (x > box.width / 2 ? -box.font : box.font), y - box.font * 0.5);
    });
  } else if (rows.length === 1) {
    g.lineWidth = 7;
    g.globalAlpha = 0.4;
    g.lineCap = "round";
    stroke(to(times(-1, rows[0])), to(rows[0]));
    g.lineCap = "butt";
  } else if (rows.length === 2) {
    g.beginPath();
    for (const [a, b] of [[1, 1], [1, -1], [-1, -1], [-1, 1]]) {
      const [x, y] = to(plus(times(a, rows[0]), times(b, rows[1])));
      g.lineTo(x, y);
    }
    g.closePath();
    g.globalAlpha = 0.22;
    g.fill();
    g.globalAlpha = 0.8;
    g.lineWidth = 2;
    g.stroke();
  } else if (rows.length === 3) {
    const corner = (/** @type {number[]} */ signs) => to(signs.map((a, i) => times(a, rows[i])).reduce(plus));
    g.lineWidth = 1.6;
    g.globalAlpha = 0.65;
    for (const a of [-1, 1]) for (const b of [-1, 1]) {
      stroke(corner([-1, a, b]), corner([1, a, b]));
      stroke(corner([a, -1, b]), corner([a, 1, b]));
      stroke(corner([a, b, -1]), corner([a, b, 1]));
    }
  }
  g.globalAlpha = 1;
}

/** @param {Canvas} g @param {Points} set @param {number} t @param {Project} to @param {Theme} theme */
function drawPoints(g, set, t, to, theme) {
  const places = rowsOf(set.xyz.at(t, 2), set.xyz.shape.slice(-2)).map(to);
  g.strokeStyle = g.fillStyle = theme[set.colour];
  if (set.style === "ghost") { // pairs: a point and where it goes; the way between them is drawn, the end hollow
    const pairs = places.flatMap((place, i) => (i % 2 ? [[places[i - 1], place]] : []));
    g.setLineDash([4, 4]);
    g.lineWidth = 2;
    for (const [[x1, y1], [x2, y2]] of pairs) line(g, x1, y1, x2, y2);
    g.setLineDash([]);
    g.lineWidth = 2.5;
    for (const [, [x, y]] of pairs) {
      circle(g, x, y, 7);
      g.stroke();
    }
    return;
  }
  g.lineWidth = 1.2;
  g.globalAlpha = { ring: 0.55, probe: 1, dot: 0.62 }[set.style];
  for (const [x, y] of places) {
    if (!Number.isFinite(x)) continue;
    circle(g, x, y, { ring: 3.4, probe: 8, dot: 3.6 }[set.style]);
    if (set.style === "ring") g.stroke();
    else g.fill();
    if (set.style === "probe") {
      g.strokeStyle = theme.paper;
      g.lineWidth = 2;
      g.stroke();
    }
  }
  g.globalAlpha = 1;
}

/** What a cloud's axes are called. @param {Cloud} panel */
export const axesOf = (panel) => Array.from({ length: panel.dimension }, (_, i) => panel.axes + lowered(i + 1));
