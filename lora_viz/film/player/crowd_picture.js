// What a room thought and what was measured as one picture, for the minutes.

import { heads, stripEnds, thinks } from "./crowd.js";
import { scaleOf } from "./axes.js";
import { measureIn } from "./drawing.js";
import { format } from "./numbers.js";
import { slug, wrapped } from "./text.js";

/** @typedef {import("./types").Player} Player @typedef {import("./types").Thought} Thought */

const WIDTH = 1280, HEIGHT = 720, SCALE = 1.5, MARGIN = 40;

/** @param {Player} s @param {Thought} thought */
export function savePicture(s, thought) {
  const canvas = Object.assign(document.createElement("canvas"), { width: WIDTH * SCALE, height: HEIGHT * SCALE });
  const g = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d")), { theme } = s;
  g.scale(SCALE, SCALE);
  g.fillStyle = theme.paper;
  g.fillRect(0, 0, WIDTH, HEIGHT);
  g.textBaseline = "top";
  let y = MARGIN;
  const write = (/** @type {string} */ text, /** @type {number} */ size, /** @type {number} */ weight) => {
    g.fillStyle = theme.ink;
    g.textAlign = "left";
    g.font = `${weight} ${size}px ${theme.font}`;
    for (const part of wrapped(measureIn(g), text, WIDTH - 2 * MARGIN, 3)) {
      g.fillText(part, MARGIN, y);
      y += size * 1.3;
    }
    y += size * 0.3;
  };
  const title = (document.querySelector("h1")?.textContent || "").trim();
  write(title, 32, 700);
  write(`${thinks(thought)} ${heads(thought)}`, 22, 400);
  write(`${s.find("question").querySelector(".told")?.textContent || ""}`, 22, 600);
  if (thought.kind === "choice") y = drawBars(g, s, thought, y);
  else if (thought.kind === "number") y = drawStrip(g, s, thought, y);
  const large = s.pictures.find((p) => p.canvas && !p.cell.hidden && p.box.width);
  if (large?.canvas) {
    const scale = Math.min((WIDTH - 2 * MARGIN) / large.box.width, (HEIGHT - y - MARGIN) / large.box.height);
    if (scale > 0.2) g.drawImage(large.canvas, MARGIN, y + 8, large.box.width * scale, large.box.height * scale);
  }
  canvas.toBlob((blob) => {
    const href = URL.createObjectURL(/** @type {Blob} */ (blob));
    Object.assign(document.createElement("a"), { href, download: `room-${slug(title) || "picture"}.png` }).click();
    setTimeout(() => URL.revokeObjectURL(href), 1000);
  }, "image/png");
}

/** @param {CanvasRenderingContext2D} g @param {Player} s @param {Thought} thought @param {number} y */
function drawBars(g, { theme }, { choices, counts, answered, truth }, y) {
  const from = MARGIN + 340, wide = WIDTH - MARGIN - 140 - from;
  choices.forEach((name, i) => {
    g.font = `${truth === i ? 700 : 400} 20px ${theme.font}`;
    g.fillStyle = theme.ink;
    g.fillText(wrapped(measureIn(g), `${truth === i ? "✓ " : ""}${name}`, 330, 1)[0] || "", MARGIN, y);
    g.fillStyle = truth === i ? theme.clean : theme.faint;
    g.fillRect(from, y, Math.max(1, answered ? (wide * counts[i]) / answered : 0), 22);
    g.fillStyle = theme.ink;
    g.fillText(`${counts[i]}`, WIDTH - MARGIN - 120, y);
    y += 34;
  });
  return y;
}

/** @param {CanvasRenderingContext2D} g @param {Player} s @param {Thought} thought @param {number} y */
function drawStrip(g, { theme }, thought, y) {
  const { low, high } = stripEnds(thought), share = scaleOf(thought.scale, low, high);
  const x = (/** @type {number} */ v) => MARGIN + 30 + (WIDTH - 2 * MARGIN - 60) * Math.max(0, Math.min(1, share(v)));
  /** @param {number} a @param {number} b @param {number} tall @param {number} dim */
  const box = (a, b, tall, dim) => {
    g.globalAlpha = dim;
    g.fillRect(x(a), y + 40 - tall, Math.max(2, x(b) - x(a)), 2 * tall);
    g.globalAlpha = 1;
  };
  const [q5, q25, q50, q75, q95] = thought.quantiles;
  g.fillStyle = theme.ink;
  if (thought.answered) {
    box(q5, q95, 12, 0.25);
    box(q25, q75, 24, 0.35);
    box(q50, q50, 30, 1);
  }
  g.font = `20px ${theme.font}`;
  g.textAlign = "center";
  for (const v of [low, high]) g.fillText(format(v), x(v), y + 78);
  if (typeof thought.truth === "number") {
    g.fillStyle = theme.clean;
    box(thought.truth, thought.truth, 36, 1);
    g.fillText(format(thought.truth), x(thought.truth), y + 78);
  }
  g.textAlign = "left";
  return y + 110;
}
