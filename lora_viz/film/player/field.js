// A map of numbers over two labelled axes, with regions, a chosen cell and a cursor.

import { extent, scaleOf } from "./axes.js";
import { between } from "./colours.js";
import { captionLine, colourBar, fitIn, hatch, measureIn, mosaic, titleLine } from "./drawing.js";
import { say } from "./language.js";
import { format } from "./numbers.js";

/** @typedef {import("./film").Field} Field @typedef {import("./types").Picture<Field>} Picture */
/** @typedef {import("./types").Theme} Theme @typedef {CanvasRenderingContext2D} Canvas */
/** @typedef {ReturnType<typeof fieldFrame>} Frame */

/** @param {Canvas} g @param {Picture} p @param {Theme} theme */
function fieldFrame(g, { panel, box }, theme) {
  const f = Math.max(box.least, box.font * 0.95), [m, n] = panel.values.shape.slice(-2);
  const { low: least, high: most } = extent([panel.values], panel.scale === "log");
  const [low, high] = panel.limits || [least, most];
  g.font = `${f}px ${theme.font}`;
  const left = Math.max(0, ...panel.y_labels.map(measureIn(g))) + 10;
  const top = box.font * 1.08 + 12 + f * 1.3, bottom = f * (panel.caption.length ? 5.7 : 4.3);
  const width = Math.max(20, box.width - left - 4), height = Math.max(20, box.height - top - bottom);
  const ends = [`${least < low ? "≤ " : ""}${format(low)}`, `${most > high ? "≥ " : ""}${format(high)}`];
  return { m, n, left, top, width, height, low, high, ends, cw: width / n, ch: height / m, f };
}

/** The corner of a cell: row 0 is at the bottom. @param {Frame} frame @param {number} i @param {number} j */
const corner = ({ left, top, m, cw, ch }, i, j) => [left + j * cw, top + (m - 1 - i) * ch];

/** @param {Field} panel @param {Frame} frame @param {number} v */
function shareOf(panel, { low, high }, v) {
  const share = scaleOf(panel.scale, low, high)(panel.scale === "log" ? Math.max(v, low) : v);
  return high === low ? 0 : Math.max(0, Math.min(1, share));
}

/** @type {import("./types").Kind<Field>} */
export const field = {
  draw(g, p, { t, theme }) {
    const { panel, box, cache } = p;
    const frame = /** @type {Frame} */ (cache.frame ||= fieldFrame(g, p, theme));
    const { m, n, left, top, width, height, cw, ch } = frame, values = panel.values.at(t, 2);
    titleLine(g, panel, box, theme);
    const colour = (/** @type {number} */ v) =>
      Number.isNaN(v) ? [0, 0, 0, 0] : [...between(theme.sequential, shareOf(panel, frame, v)), 255];
    mosaic(g, cache, m, n, (i, j) => colour(values[(m - 1 - i) * n + j]), [left, top, width, height]);
    g.strokeStyle = theme.faint;
    g.lineWidth = 1;
    values.forEach((v, k) => {
      const [x, y] = corner(frame, Math.floor(k / n), k % n);
      if (Number.isNaN(v)) hatch(g, [x, y, cw, ch], 6);
    });
    if (cw >= frame.f * 2.6 && ch >= frame.f * 1.25) writeCells(g, panel, values, frame, theme);
    if (panel.regions) drawRegions(g, panel, panel.regions.at(t, 2), frame, theme);
    g.strokeStyle = theme[panel.colour];
    g.lineWidth = 2;
    g.strokeRect(left, top, width, height);
    if (panel.chosen) outline(g, frame, panel.chosen, theme.alarm, 4, theme);
    if (cache.cursor) outline(g, frame, cache.cursor, theme.ink, 2.5, theme);
    drawLabels(g, panel, frame, box, theme);
    captionLine(g, panel.caption, t, box, theme, drawRange(g, panel, frame, box, theme) + frame.f * 1.3);
  },
  say({ panel }, { t }) {
    const values = [...panel.values.at(t, 2)], [m, n] = panel.values.shape.slice(-2);
    const known = values.filter((v) => !Number.isNaN(v));
    const least = known.length ? values.indexOf(Math.min(...known)) : 0;
    const most = known.length ? values.indexOf(Math.max(...known)) : 0;
    const where = (/** @type {number} */ k) =>
      `${panel.y_title} ${panel.y_labels[Math.floor(k / n)]}, ${panel.x_title} ${panel.x_labels[k % n]}`;
    const read = { least: format(values[least]), most: format(values[most]) };
    const facts = { m, n, ...read, low: where(least), high: where(most) };
    if (!panel.chosen) return say("{m} by {n} map, least {least} at {low}, most {most} at {high}", facts);
    return say(
      "{m} by {n} map, least {least} at {low}, most {most} at {high}; chosen {chosen}",
      { ...facts, chosen: readCell(panel, t, panel.chosen, false) },
    );
  },
  cell: cellAt,
  hover(p, px, py, { t }) {
    const at = cellAt(p, px, py);
    return at ? readCell(p.panel, t, at, true) : null;
  },
  keys: ({ picks }) => (picks
    ? say("The arrow keys read a cell, Enter opens it")
    : say("The arrow keys read a cell")),
  key({ panel, cache }, key, { t }, _ask, pick) {
    const moves = { ArrowUp: [1, 0], ArrowDown: [-1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
    const move = moves[/** @type {keyof typeof moves} */ (key)], { frame } = cache;
    if (!frame || (!move && key !== "Enter")) return null;
    const [i, j] = cache.cursor || panel.chosen || [0, 0];
    const within = (/** @type {number} */ at, /** @type {number} */ count) => Math.max(0, Math.min(count - 1, at));
    if (move) cache.cursor = cache.cursor ? [within(i + move[0], frame.m), within(j + move[1], frame.n)] : [i, j];
    else if (panel.picks && cache.cursor) pick(i, j);
    return readCell(panel, t, cache.cursor || [i, j], true);
  },
};

/**
 * The number in each cell, where all of them can be read: a map is then a table, too.
 * @param {Canvas} g @param {Field} panel @param {Float32Array} values @param {Frame} frame @param {Theme} theme
 */
function writeCells(g, panel, values, frame, theme) {
  const texts = Array.from(values, (v) => (Number.isNaN(v) ? "" : format(v)));
  g.font = `${frame.f}px ${theme.font}`;
  if (Math.max(...texts.map(measureIn(g))) > frame.cw - 6) return;
  g.textAlign = "center";
  g.textBaseline = "middle";
  texts.forEach((text, k) => {
    if (!text) return; // nothing is known there
    const [x, y] = corner(frame, Math.floor(k / frame.n), k % frame.n);
    const [r, green, b] = between(theme.sequential, shareOf(panel, frame, values[k]));
    g.fillStyle = 0.3 * r + 0.59 * green + 0.11 * b > 110 ? "#000000" : "#ffffff";
    g.fillText(text, x + frame.cw / 2, y + frame.ch / 2);
  });
}

/** @param {Picture} p @param {number} px @param {number} py @returns {[number, number] | null} */
function cellAt({ cache: { frame } }, px, py) {
  if (!frame) return null;
  const j = Math.floor((px - frame.left) / frame.cw), i = frame.m - 1 - Math.floor((py - frame.top) / frame.ch);
  return i < 0 || j < 0 || i >= frame.m || j >= frame.n ? null : [i, j];
}

/**
 * @param {Canvas} g @param {Frame} frame @param {[number, number]} cell @param {string} colour @param {number} wide
 * @param {Theme} theme
 */
function outline(g, frame, [i, j], colour, wide, theme) {
  const [x, y] = corner(frame, i, j);
  for (const [stroke, width] of /** @type {[string, number][]} */ ([[theme.paper, wide + 3], [colour, wide]])) {
    g.strokeStyle = stroke;
    g.lineWidth = width;
    g.strokeRect(x, y, frame.cw, frame.ch);
  }
}

/**
 * @param {Canvas} g @param {Field} panel @param {Frame} frame @param {import("./types").Box} box @param {Theme} theme
 */
function drawLabels(g, panel, frame, box, theme) {
  const { left, top, width, height, cw, ch, f } = frame, measure = measureIn(g);
  g.font = `${f}px ${theme.font}`;
  g.fillStyle = theme.ink;
  g.textBaseline = "middle";
  g.textAlign = "right";
  const skip = Math.max(1, Math.ceil((f * 1.15) / ch));
  panel.y_labels.forEach((label, i) => {
    if (i % skip === 0) g.fillText(label, left - 6, corner(frame, i, 0)[1] + ch / 2);
  });
  g.textAlign = "center";
  g.textBaseline = "top";
  const every = Math.ceil((Math.max(...panel.x_labels.map(measure)) + 8) / cw);
  panel.x_labels.forEach((label, j) => {
    if (j % every === 0) g.fillText(label, Math.max(measure(label) / 2, left + (j + 0.5) * cw), top + height + 5);
  });
  g.textAlign = "left";
  g.fillText(fitIn(g, `↑ ${panel.y_title}`, box.width), 2, box.font * 1.08 + 10);
  g.textAlign = "right";
  g.fillText(fitIn(g, `${panel.x_title} →`, box.width), left + width, top + height + 6 + f * 1.15);
}

/**
 * The range, printed, on its own small scale; says how far down it is.
 * @param {Canvas} g @param {Field} panel @param {Frame} frame @param {import("./types").Box} box @param {Theme} theme
 */
function drawRange(g, panel, { top, width, height, ends: [low, high], f }, box, theme) {
  const y = top + height + 8 + f * 2.3, bar = Math.min(140, width * 0.35);
  g.textAlign = "left";
  g.fillText(low, 2, y);
  const x = 2 + g.measureText(low).width + 6;
  const text = panel.scale === "log" ? say("{most}  (log colours)", { most: high }) : high;
  g.fillText(fitIn(g, text, box.width - x - bar - 8), x + bar + 6, y);
  colourBar(g, theme.sequential, [x, y, bar, f * 0.85]);
  return y;
}

/** @param {Field} panel @param {number} t @param {[number, number]} cell @param {boolean} named with its region? */
function readCell(panel, t, [i, j], named) {
  const k = i * panel.x_labels.length + j, region = named && regionAt(panel, t, k);
  const where = `${panel.y_title} ${panel.y_labels[i]}, ${panel.x_title} ${panel.x_labels[j]}`;
  return `${where}: ${format(panel.values.at(t, 2)[k])}${region ? `, ${region}` : ""}`;
}

/**
 * What the region of entry k is called; nothing where there are none.
 * @param {Field} panel @param {number} t @param {number} k
 */
export const regionAt = (panel, t, k) =>
  panel.regions ? panel.region_names[Math.round(panel.regions.at(t, 2)[k])] : "";

/**
 * Borders between regions, and each region's name where it is widest.
 * @param {Canvas} g @param {Field} panel @param {Float32Array} regions @param {Frame} frame @param {Theme} theme
 */
function drawRegions(g, panel, regions, frame, theme) {
  const { m, n, cw, ch, left, width, f } = frame;
  const of = (/** @type {number} */ i, /** @type {number} */ j) => Math.round(regions[i * n + j]);
  for (const [colour, wide] of [[theme.paper, 5], [theme.ink, 2.2]]) {
    g.strokeStyle = colour;
    g.lineWidth = wide;
    g.beginPath();
    for (let i = 0; i < m; i++) for (let j = 0; j < n; j++) {
      const [x, y] = corner(frame, i, j);
      if (j + 1 < n && of(i, j) !== of(i, j + 1)) {
        g.moveTo(x + cw, y);
        g.lineTo(x + cw, y + ch);
      }
      if (i + 1 < m && of(i, j) !== of(i + 1, j)) {
        g.moveTo(x, y);
        g.lineTo(x + cw, y);
      }
    }
    g.stroke();
  }
  g.font = `600 ${f}px ${theme.font}`;
  g.textAlign = "center";
  g.textBaseline = "middle";
  /** @type {{ cx: number, x0: number, x1: number, y0: number, y1: number }[]} */
  const placed = [];
  const rect = (/** @type {{ i: number, j: number }} */ { i, j }, /** @type {number} */ wide) => {
    const [x, y] = corner(frame, i, j), half = wide / 2;
    const cx = Math.max(left + half + 5, Math.min(left + width - half - 5, x + cw / 2));
    return { cx, x0: cx - half - 4, x1: cx + half + 4, y0: y + ch / 2 - f * 0.7, y1: y + ch / 2 + f * 0.7 };
  };
  panel.region_names.forEach((name, region) => {
    if (!name) return; // a region without a name is an outline
    const wide = g.measureText(name).width;
    const clear = (/** @type {{ i: number, j: number }} */ place) => {
      const box = rect(place, wide);
      return placed.every((q) => box.x1 < q.x0 || q.x1 < box.x0 || box.y1 < q.y0 || q.y1 < box.y0);
    };
    const found = widest(of, region, m, n, placed.length ? clear : null);
    if (!found) return;
    const box = rect(found, wide);
    placed.push(box);
    g.fillStyle = theme.paper;
    g.globalAlpha = 0.85;
    g.fillRect(box.x0, box.y0, box.x1 - box.x0, box.y1 - box.y0);
    g.globalAlpha = 1;
    g.fillStyle = theme.ink;
    g.fillText(name, box.cx, (box.y0 + box.y1) / 2);
  });
}

/** @typedef {{ deep: number, run: number, i: number, j: number }} Spot the middle of a run of cells within a region */

/**
 * Where a region is widest; beside the names that stand already, where there is room.
 * @param {(i: number, j: number) => number} of @param {number} region @param {number} m @param {number} n
 * @param {((spot: Spot) => boolean) | null} clear @returns {Spot | null}
 */
export function widest(of, region, m, n, clear) {
  /** @type {Spot | null} */
  let best = null;
  /** @type {Spot | null} */
  let free = null;
  const better = (/** @type {Spot} */ a, /** @type {Spot | null} */ b) =>
    !b || a.deep > b.deep || (a.deep === b.deep && a.run > b.run);
  for (let i = 0; i < m; i++) for (let j = 0, run = 0; j < n; j++) {
    run = of(i, j) === region ? run + 1 : 0;
    if (!run) continue;
    const around = Math.min(depth(of, region, i, j, 1, m), depth(of, region, i, j, -1, m));
    const spot = { deep: Math.min(run, 1 + 2 * around), run, i, j: j - (run - 1) / 2 };
    if (better(spot, best)) best = spot;
    if (clear && better(spot, free) && clear(spot)) free = spot;
  }
  return free || best;
}

/**
 * @param {(i: number, j: number) => number} of @param {number} region @param {number} i @param {number} j
 * @param {number} by @param {number} m
 */
function depth(of, region, i, j, by, m) {
  let d = 0;
  while (i + by >= 0 && i + by < m && of(i + by, j) === region) {
    i += by;
    d += 1;
  }
  return d;
}
