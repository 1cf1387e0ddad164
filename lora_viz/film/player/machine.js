// One LoRA layer with every number in it: drawn, lit in slow motion, and changed by hand.

import { mix } from "./colours.js";
import { circle, measureIn, titleLine } from "./drawing.js";
import { say } from "./language.js";
import { boxValues, explain, layerState, related } from "./layer.js";
import { BOXES, LIT, NAMES, planOf, WIRES } from "./machine_plan.js";
import { format, singularTexts } from "./numbers.js";
import { wrapped } from "./text.js";

/** @typedef {import("./film").Machine} Machine @typedef {import("./types").Picture<Machine>} Picture */
/** @typedef {import("./layer.js").Cell} Cell @typedef {import("./layer.js").Layer} Layer */
/** @typedef {import("./layer.js").BoxName} BoxName */
/** @typedef {import("./types").Now} Now @typedef {import("./types").Theme} Theme */
/** @typedef {CanvasRenderingContext2D} Canvas */
/** @typedef {ReturnType<typeof sceneOf>} Scene */

/**
 * The layer at this frame, with what a hand has changed of it.
 * @param {Picture} p @param {number} t @returns {Layer}
 */
export function layerAt({ panel, cache }, t) {
  const [m, n] = panel.W.shape, r = panel.A.shape[1];
  if (cache.edited && cache.edited.t !== t) cache.edited = null;
  const off = (cache.off ||= new Set()), { A, B } = cache.edited || { A: panel.A.at(t, 2), B: panel.B.at(t, 2) };
  const x = panel.x.at(t, 1), target = panel.target.at(t, 1);
  return layerState({ W: panel.W.data, A, B, x, target, scaling: panel.scaling }, m, n, r, off);
}

/**
 * Everything that is needed to draw: where the cells are, and how bright each box is.
 * @param {Canvas} g @param {Picture} p @param {Now} now
 */
function sceneOf(g, p, { t, phase, share, theme }) {
  const { panel, box, cache } = p, layer = layerAt(p, t), plan = planOf(layer.m, layer.n, layer.r, panel.rows);
  const f = box.font, foots = footLines(g, { panel, layer, box, theme }, Boolean(layer.off.size || cache.edited), f);
  const head = f * 1.5, foot = f * (0.2 + 1.3 * foots.length);
  const cell = Math.min((box.width - 6) / plan.width, (box.height - head - foot) / plan.height);
  const left = Math.max(0, (box.width - cell * plan.width) / 2), lit = LIT[phase];
  Object.assign(cache, { layer, plan, grid: { cell, left, top: head } });
  return {
    ...{ panel, box, theme, layer, plan, cell, f, phase, lit, foots },
    small: Math.max(box.least, Math.min(f * 0.95, cell * 0.85)),
    X: (/** @type {number} */ u) => left + u * cell,
    Y: (/** @type {number} */ u) => head + u * cell,
    alpha: (/** @type {string} */ name) =>
      !lit ? 1 : lit.make.includes(name) ? 0.25 + 0.75 * share : lit.look.includes(name) ? 1 : 0.25,
  };
}

/** @type {import("./types").Kind<Machine>} */
export const machine = {
  redraws: true,
  draw(g, p, now) {
    const { box, cache } = p, scene = sceneOf(g, p, now), { theme } = scene;
    titleLine(g, p.panel, box, theme);
    drawWires(g, scene); // first: boxes stand on them
    drawSum(g, scene);
    drawBoxes(g, scene);
    cache.chips = drawComponents(g, scene);
    cache.steps = drawSteps(g, scene);
    drawLoss(g, scene);
    if (cache.cursor) drawCursor(g, scene, cache.cursor);
    drawFoot(g, scene);
  },
  hover(p, px, py) {
    const { cache } = p;
    cache.cursor = cellAt(p, px, py);
    if (cache.cursor) return told(cache.cursor, cache.layer);
    if (chipAt(p, px, py) >= 0) return say("click: this component of B A on or off");
    const factor = stepAt(p, px, py);
    return factor ? say("click: one gradient step by hand, on {factor} only", { factor }) : null;
  },
  leave({ cache }) {
    cache.cursor = null;
  },
  // A click on a switch toggles a component; on a cell of A or B it asks for a number. True: draw again.
  press(p, px, py, { t }, ask) {
    const chip = chipAt(p, px, py), factor = stepAt(p, px, py), at = cellAt(p, px, py);
    if (chip >= 0) toggle(p, chip);
    else if (factor) stepOnly(p, factor, t);
    else {
      if (at) edit(p, at, t, ask);
      return false;
    }
    return true;
  },
  keys: () => say(
    "Arrows move in a box, [ and ] go to the next box, Enter changes a cell of A or B, 1 to 9 leave out a part of " +
    "B A, a and b make one step by hand",
  ),
  // The keyboard reaches what the pointer reaches: arrows move in a box, [ and ] change it, Enter edits, 1 to 9 switch,
  // a and b step.
  key(p, key, now, ask) {
    const { panel, cache } = p, { plan, layer } = cache;
    const c = (cache.cursor ||= { name: "delta", i: 0, j: 0 }), b = plan.at[c.name];
    const [rows, cols] = panel.rows ? [b.cols, b.rows] : [b.rows, b.cols];
    const moves = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
    const move = moves[/** @type {keyof typeof moves} */ (key)];
    if (move) {
      const [di, dj] = panel.rows ? [move[1], move[0]] : move;
      c.i = Math.max(0, Math.min(rows - 1, c.i + di));
      c.j = Math.max(0, Math.min(cols - 1, c.j + dj));
    } else if (key === "[" || key === "]") {
      const next = (NAMES.indexOf(c.name) + (key === "]" ? 1 : NAMES.length - 1)) % NAMES.length;
      cache.cursor = { name: NAMES[next], i: 0, j: 0 };
    } else if (key === "Enter") edit(p, c, now.t, ask);
    else if (/^[1-9]$/.test(key) && Number(key) <= layer.r) toggle(p, Number(key) - 1);
    else if (key === "a" || key === "b") stepOnly(p, key === "a" ? "A" : "B", now.t);
    else return null;
    return tell(p, now);
  },
  tell,
  // What a hand has made of the step, in place of the narration.
  byHand(p, { t }) {
    if (!byHand(p)) return null;
    const { delta, loss } = layerAt(p, t), now = { size: format(Math.hypot(...delta)), loss: format(loss) };
    return say(
      "Changed by hand: ‖ΔW‖ is now {size}, this sample's loss {loss}. The charts show the trained run.",
      now,
    );
  },
  forget({ cache }) {
    cache.edited = null;
    cache.off?.clear();
  },
  say(p, { t }) {
    const { m, n, r, loss, sigma } = p.cache.layer || layerAt(p, t);
    const facts = { m, n, r, loss: format(loss), sigma: singularTexts(sigma).join(", ") };
    if (!byHand(p)) {
      return say(
        "W {m} by {n} frozen, A {r} by {n}, B {m} by {r}, loss of this sample {loss}, singular values of ΔW {sigma}",
        facts,
      );
    }
    return say(
      "changed by hand, W {m} by {n} frozen, A {r} by {n}, B {m} by {r}, loss of this sample {loss}, " +
      "singular values of ΔW {sigma}",
      facts,
    );
  },
};

/** @param {Picture} p */
const byHand = ({ cache }) => Boolean(cache.edited || cache.off?.size);

/** What the cell under the hand says now, after whatever was changed. @param {Picture} p @param {Now} now */
function tell(p, { t }) {
  return p.cache.cursor ? told(p.cache.cursor, layerAt(p, t)) : null;
}

/** What each box is, in words: on the picture there is room for its letter only. @returns {Record<BoxName, string>} */
const called = () => ({
  W: say("frozen weight"), A: say("first factor, reads the input"), B: say("second factor, writes the output"),
  delta: say("update"), x: say("input"), h: say("what A reads of the input"), u: say("what B makes of h"),
  base: say("output of the frozen weight"), y: say("output"), target: say("wanted output, the target"),
  g: say("error of the output"), gradA: say("gradient of A"), gradB: say("gradient of B"),
});

/** @param {Cell} cell @param {Layer} layer */
const told = (cell, layer) => `${called()[cell.name]}: ${explain(cell, layer)}`;

/** @param {Picture} p @param {number} px @param {number} py @returns {Cell | null} */
function cellAt({ panel, cache: { grid, plan } }, px, py) {
  if (!grid) return null;
  for (const name of NAMES) {
    const b = plan.at[name];
    const row = Math.floor((py - grid.top) / grid.cell - b.y), col = Math.floor((px - grid.left) / grid.cell - b.x);
    if (row < 0 || col < 0 || row >= b.rows || col >= b.cols) continue;
    return panel.rows ? { name, i: col, j: row } : { name, i: row, j: col };
  }
  return null;
}

/**
 * Which component's switch is here?
 * @param {Picture} p @param {number} px @param {number} py @returns {number} −1: none
 */
const chipAt = ({ cache }, px, py) =>
  (cache.chips || []).findIndex((/** @type {number[]} */ [x, y, r]) => Math.hypot(px - x, py - y) < r);

/**
 * Which factor's button is here?
 * @param {Picture} p @param {number} px @param {number} py @returns {"A" | "B" | undefined}
 */
const stepAt = ({ cache }, px, py) =>
  (cache.steps || []).find((/** @type {{ at: number[] }} */ { at: [x, y, w, h] }) =>
    px >= x && py >= y && px <= x + w && py <= y + h)?.factor;

/** @param {Picture} p @param {number} k */
function toggle({ cache: { off } }, k) {
  if (!off.delete(k)) off.add(k);
}

/** The factors as the hand may change them. @param {Picture} p @param {Layer} layer @param {number} t */
function editable({ cache }, { given: { A, B } }, t) {
  return (cache.edited ||= { t, A: Float64Array.from(A), B: Float64Array.from(B) });
}

/** @param {Picture} p @param {Cell} cell @param {number} t @param {import("./types").Ask} ask */
function edit(p, { name, i, j }, t, ask) {
  if (name !== "A" && name !== "B") return;
  const { grid, plan, layer } = p.cache, at = i * (name === "A" ? layer.n : layer.r) + j;
  const b = plan.at[name], [row, col] = p.panel.rows ? [j, i] : [i, j];
  const x = grid.left + (b.x + col) * grid.cell, y = grid.top + (b.y + row) * grid.cell;
  ask(x, y, layer.given[name][at], (value) => {
    editable(p, p.cache.layer, t)[name][at] = value;
  });
}

/**
 * One step of plain gradient descent on A or on B alone, from where the hand has left them.
 * @param {Picture} p @param {"A" | "B"} factor @param {number} t
 */
function stepOnly(p, factor, t) {
  const layer = layerAt(p, t), gradient = factor === "A" ? layer.gradA : layer.gradB, edited = editable(p, layer, t);
  const moved = (/** @type {number} */ v, /** @type {number} */ i) => v - p.panel.lr * gradient[i];
  edited[factor] = edited[factor].map(moved);
}

/** The middle of a box, or of the sum, which has no sides. @param {Scene} scene @param {BoxName | "sum"} name */
function centre({ plan, X, Y }, name) {
  if (name === "sum") return [X(plan.sum.x), Y(plan.sum.y)];
  const b = plan.at[name];
  return [X(b.x + b.cols / 2), Y(b.y + b.rows / 2)];
}

/** @param {Canvas} g @param {Scene} scene */
function drawWires(g, scene) {
  const { panel, plan, theme, cell, phase, lit, Y } = scene;
  for (const [from, to] of WIRES) {
    const [x1, y1] = centre(scene, from), [x2, y2] = centre(scene, to);
    const through = phase === 3 ? ["base", "sum"] : [];
    const hot = lit && [...lit.look, ...through].includes(from) && [...lit.make, ...lit.look, ...through].includes(to);
    g.globalAlpha = lit ? (hot ? 1 : 0.2) : 0.7;
    g.strokeStyle = hot ? theme.ink : theme.faint;
    g.lineWidth = hot ? 3 : 1.6;
    g.beginPath();
    if (from === "base") { // below ΔW, which it does not pass through
      g.moveTo(x1, Y(plan.at.base.y + plan.at.base.rows));
      g.lineTo(x1, y2);
      g.lineTo(x2, y2);
    } else if (from === "B" && !panel.rows) { // below ∇B
      const under = Y(plan.at.B.y + plan.at.B.rows), floor = Y(plan.at.B.y + plan.at.B.rows + 1.9);
      g.moveTo(x1 + cell * 0.8, under);
      g.lineTo(x1 + cell * 0.8, floor);
      g.lineTo(x2, floor);
      g.lineTo(x2, Y(plan.at.u.y + plan.at.u.rows));
    } else {
      g.moveTo(x1, y1);
      g.bezierCurveTo((x1 + x2) / 2, y1, (x1 + x2) / 2, y2, x2, y2);
    }
    g.stroke();
  }
}

/** @param {Canvas} g @param {Scene} scene */
function drawSum(g, scene) {
  const { panel, box, theme, cell, phase, lit } = scene, [x, y] = centre(scene, "sum");
  g.globalAlpha = lit ? (phase === 3 ? 1 : 0.3) : 1;
  g.fillStyle = theme.ink;
  g.textAlign = "left";
  g.textBaseline = "middle";
  g.font = `600 ${Math.max(box.least, cell * 0.8)}px ${theme.font}`;
  g.fillText(`×${format(panel.scaling)}`, x + cell * 0.2, y + cell * 1.5);
  g.fillStyle = theme.paper;
  g.strokeStyle = theme.ink;
  g.lineWidth = 2;
  circle(g, x, y, cell * 0.62);
  g.fill();
  g.stroke();
  g.fillStyle = theme.ink;
  g.textAlign = "center";
  g.font = `700 ${Math.max(box.least, cell)}px ${theme.font}`;
  g.fillText("+", x, y);
}

/** What is written above each box. @param {Machine} panel @returns {Record<BoxName, string>} */
function labelsOf({ names: [W, A, B, delta], symbol, rows }) {
  const base = rows ? `x ${W}` : `${symbol} x`;
  const rest = { x: "x", h: "h", u: "u", y: "y", target: "t", g: "g", gradA: "∇A", gradB: "∇B" };
  return { ...rest, W: `${W} ❄`, base, A, B, delta };
}

/** @param {Canvas} g @param {Scene} scene */
function drawBoxes(g, { panel, plan, layer, theme, cell, small, alpha, X, Y }) {
  const values = boxValues(layer), labels = labelsOf(panel), [negative, zero, positive] = theme.diverging;
  for (const name of NAMES) {
    const b = plan.at[name], data = values[name], limit = panel.limits[BOXES[name].limit];
    g.globalAlpha = alpha(name);
    for (let i = 0; i < b.rows; i++) for (let j = 0; j < b.cols; j++) {
      const v = data[panel.rows ? j * b.rows + i : i * b.cols + j];
      g.fillStyle = `rgb(${mix(zero, v < 0 ? negative : positive, Math.min(1, Math.abs(v / limit)))})`;
      g.fillRect(X(b.x + j), Y(b.y + i), cell + 0.5, cell + 0.5);
    }
    g.strokeStyle = g.fillStyle = theme[BOXES[name].colour];
    g.lineWidth = 2.4;
    g.setLineDash(BOXES[name].gradient ? [5, 4] : []);
    g.strokeRect(X(b.x), Y(b.y), cell * b.cols, cell * b.rows);
    g.setLineDash([]);
    const wide = b.cols >= 3, size = `${b.rows}×${b.cols}`, middle = X(b.x + b.cols / 2);
    g.font = `600 ${small}px ${theme.font}`;
    g.textAlign = wide ? "left" : "center";
    g.textBaseline = "bottom";
    g.fillText(wide ? `${labels[name]}  ${size}` : labels[name], wide ? X(b.x) : middle, Y(b.y) - 3);
    if (wide || (name !== "B" && name !== "A")) continue;
    g.textBaseline = "top";
    g.font = `${small}px ${theme.font}`;
    g.fillText(size, middle, Y(b.y + b.rows) + 2);
  }
}

/** The components of the sum B A = Σ column k · row k, each with its switch. @param {Canvas} g @param {Scene} scene */
function drawComponents(g, { panel, box, plan, layer, theme, cell, lit, X, Y }) {
  const { x, y, rows } = plan.at.A, radius = Math.max(box.least * 0.64, cell * 0.42), places = [];
  g.globalAlpha = lit ? 0.4 : 1;
  g.textAlign = "center";
  g.textBaseline = "middle";
  g.font = `700 ${Math.max(box.least, radius * 1.25)}px ${theme.font}`;
  g.strokeStyle = theme.delta;
  g.lineWidth = 2;
  for (let k = 0; k < layer.r; k++) {
    const cx = panel.rows ? X(x + k + 0.5) : X(x - 0.75), cy = panel.rows ? Y(y + rows + 1.7) : Y(y + k + 0.5);
    const off = layer.off.has(k);
    circle(g, cx, cy, radius);
    g.fillStyle = off ? theme.paper : theme.delta;
    g.fill();
    g.stroke();
    g.fillStyle = off ? theme.delta : theme.paper;
    g.fillText(String(k + 1), cx, cy);
    places.push([cx, cy, radius + 3]);
  }
  return places;
}

/** A gradient step on one factor alone, by hand. @param {Canvas} g @param {Scene} scene */
function drawSteps(g, { plan, box, theme, small, lit, X, Y }) {
  g.font = `600 ${small}px ${theme.font}`;
  g.globalAlpha = lit ? 0.4 : 1;
  g.lineWidth = 1.6;
  g.textAlign = "left";
  g.textBaseline = "middle";
  return ["A", "B"].map((factor) => {
    const b = plan.at[factor === "A" ? "gradA" : "gradB"], text = say("step {factor} only", { factor });
    const width = g.measureText(text).width + 10, height = small * 1.5;
    const x = Math.min(X(b.x), box.width - width - 2), y = Y(b.y + b.rows) + 5;
    g.fillStyle = theme.paper;
    g.fillRect(x, y, width, height);
    g.strokeStyle = g.fillStyle = theme[factor];
    g.strokeRect(x, y, width, height);
    g.fillText(text, x + 5, y + height / 2);
    return { factor, at: [x, y, width, height] };
  });
}

/** @param {Canvas} g @param {Scene} scene */
function drawLoss(g, { plan, layer, box, theme, f, phase, lit, X, Y }) {
  const x = X(plan.at.y.x) - 20;
  g.globalAlpha = lit && phase !== 4 ? 0.3 : 1;
  g.fillStyle = theme.ink;
  g.textAlign = "left";
  g.textBaseline = "top";
  g.font = `700 ${f}px ${theme.font}`;
  const y = Y(plan.at.g.y + plan.at.g.rows) + 8; // a number is never cut short: it takes a line of its own
  wrapped(measureIn(g), `½‖g‖² ${format(layer.loss)}`, box.width - x, 2).forEach((line, i) => {
    g.fillText(line, x, y + i * f * 1.2);
  });
  g.globalAlpha = 1;
}

/** @param {Canvas} g @param {Scene} scene @param {Cell} cursor */
function drawCursor(g, { panel, plan, layer, theme, cell, X, Y }, cursor) {
  g.strokeStyle = theme.ink;
  g.lineWidth = 3;
  for (const { name, i, j } of related(cursor, layer)) {
    const b = plan.at[name], [row, col] = panel.rows ? [j, i] : [i, j];
    g.strokeRect(X(b.x + col) + 1, Y(b.y + row) + 1, cell - 2, cell - 2);
  }
}

/**
 * What the marks are, and the numbers of the whole step, in as many lines as they take: a small picture has one each.
 * @param {Canvas} g @param {Pick<Picture, "panel" | "box"> & { layer: Layer, theme: Theme }} scene
 * @param {boolean} changed @param {number} f @returns {{ text: string, colour: string }[]}
 */
function footLines(g, { panel, layer, box, theme }, changed, f) {
  const [, a, b, delta] = panel.limits.map(format), sigma = singularTexts(layer.sigma).join(", ");
  const under = changed
    ? say("By hand, not trained: σ(ΔW) {sigma}", { sigma })
    : say(
      "s = {scaling} · colours ±{delta} for ΔW, ±{a} for A, ±{b} for B · σ(ΔW) {sigma}",
      { scaling: format(panel.scaling), delta, a, b, sigma },
    );
  const marks = say(
    "❄ frozen · dashed frame: gradient · ① ②: parts of B A, click to leave one out · “step A only”: one step by hand",
  );
  g.font = footFont(box, theme, f);
  const lines = (/** @type {string} */ text, /** @type {string} */ colour) =>
    wrapped(measureIn(g), text, box.width - 4, box.inset ? 1 : 3).map((line) => ({ text: line, colour }));
  return [...lines(marks, theme.ink), ...lines(under, changed ? theme.alarm : theme.ink)];
}

/** @param {import("./types").Box} box @param {Theme} theme @param {number} f */
const footFont = (box, theme, f) => `${Math.max(box.least, f * 0.95)}px ${theme.font}`;

/** @param {Canvas} g @param {Scene} scene */
function drawFoot(g, { box, theme, foots, f }) {
  g.font = footFont(box, theme, f);
  g.textAlign = "left";
  g.textBaseline = "bottom";
  foots.forEach(({ text, colour }, i) => {
    g.fillStyle = colour;
    g.fillText(text, 2, box.height - 3 - f * 1.3 * (foots.length - 1 - i));
  });
}
