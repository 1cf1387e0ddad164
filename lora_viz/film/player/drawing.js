// What several kinds of panels draw alike: titles, captions, curves with gaps, hatching, small scales.

import { fit, wrapped } from "./text.js";

/** @typedef {import("./types").Box} Box @typedef {import("./types").Theme} Theme */
/** @typedef {CanvasRenderingContext2D} Canvas */

/** @type {Record<string, number[]>} */
export const DASHES = { solid: [], dash: [9, 6], dot: [2, 5], dashdot: [10, 4, 2, 4] };

/** How wide is a text in the font that is set? @param {Canvas} g */
export const measureIn = (g) => (/** @type {string} */ text) => g.measureText(text).width;

/** @param {Canvas} g @param {string} text @param {number} width */
export const fitIn = (g, text, width) => fit(measureIn(g), text, width);

const TITLE = 1.08, TITLE_LINE = 1.2; // of the picture's type; of the title's

/**
 * The room that a title's further lines take above the picture: a title is not cut short where a line is to be had.
 * @param {Canvas} g @param {string} title @param {Pick<Box, "width" | "font" | "inset">} box @param {Theme} theme
 */
export function leadOf(g, title, box, theme) {
  const size = box.font * TITLE;
  g.font = `600 ${size}px ${theme.font}`;
  return (titleLines(g, title, box, box.inset ? 2 : 3).length - 1) * size * TITLE_LINE;
}

/** @param {Canvas} g @param {string} title @param {Pick<Box, "width" | "inset">} box @param {number} most */
function titleLines(g, title, { width, inset }, most) {
  const room = width - inset - 4;
  return most > 1 ? wrapped(measureIn(g), title, room, most) : [fitIn(g, title, room)];
}

/**
 * The title, its last line at the top of the picture, those before it above.
 * @param {Canvas} g @param {{ title: string, colour?: string }} panel @param {Box} box @param {Theme} theme
 */
export function titleLine(g, panel, box, theme) {
  const size = box.font * TITLE, above = box.lead || 0;
  g.font = `600 ${size}px ${theme.font}`;
  g.fillStyle = (panel.colour && theme[panel.colour]) || theme.ink;
  g.textAlign = "left";
  g.textBaseline = "top";
  titleLines(g, panel.title, box, 1 + Math.round(above / (size * TITLE_LINE))).forEach((text, i) => {
    g.fillText(text, 2, 2 - above + i * size * TITLE_LINE);
  });
  return size + 8;
}

/**
 * The caption of this frame, at the foot of the box or at `y`; says how much room it takes.
 * @param {Canvas} g @param {string[]} caption @param {number} t @param {Box} box @param {Theme} theme
 * @param {number} [y]
 */
export function captionLine(g, caption, t, box, theme, y) {
  if (!caption.length) return 0;
  g.font = `${Math.max(box.least, box.font * 0.95)}px ${theme.font}`;
  g.fillStyle = theme.ink;
  g.textAlign = "left";
  g.textBaseline = "top";
  const text = caption[Math.min(t, caption.length - 1)];
  g.fillText(fitIn(g, text, box.width - 4), 2, y ?? box.height - box.font * 1.3);
  return box.font * 1.35;
}

/** @param {Canvas} g @param {number} x1 @param {number} y1 @param {number} x2 @param {number} y2 */
export function line(g, x1, y1, x2, y2) {
  g.beginPath();
  g.moveTo(x1, y1);
  g.lineTo(x2, y2);
  g.stroke();
}

/** @param {Canvas} g @param {number} x @param {number} y @param {number} radius */
export function circle(g, x, y, radius) {
  g.beginPath();
  g.arc(x, y, radius, 0, 7);
}

/**
 * A curve through its points; what is not finite leaves a gap.
 * @param {Canvas} g @param {import("./types").Frame} frame @param {ArrayLike<number>} xs @param {ArrayLike<number>} ys
 * @param {number} [from] @param {number} [to]
 */
export function trace(g, frame, xs, ys, from = 0, to = xs.length - 1) {
  let begun = false;
  g.beginPath();
  for (let i = from; i <= to; i++) {
    if (!Number.isFinite(ys[i])) begun = false;
    else {
      if (begun) g.lineTo(frame.x(xs[i]), frame.y(ys[i]));
      else g.moveTo(frame.x(xs[i]), frame.y(ys[i]));
      begun = true;
    }
  }
  g.stroke();
}

/**
 * The area between two curves, where both are known.
 * @param {Canvas} g @param {import("./types").Frame} frame @param {ArrayLike<number>} xs @param {ArrayLike<number>} low
 * @param {ArrayLike<number>} high
 */
export function band(g, frame, xs, low, high) {
  const known = Array.from(xs, (_, i) => i).filter((i) => Number.isFinite(high[i]) && Number.isFinite(low[i]));
  g.globalAlpha = 0.2;
  g.beginPath();
  known.forEach((i, n) => g[n ? "lineTo" : "moveTo"](frame.x(xs[i]), frame.y(high[i])));
  for (const i of known.reverse()) g.lineTo(frame.x(xs[i]), frame.y(low[i]));
  g.closePath();
  g.fill();
  g.globalAlpha = 0.8; // its edges are seen where its area is pale
  g.lineWidth = 1;
  g.setLineDash([]);
  for (const edge of [low, high]) trace(g, frame, xs, edge);
  g.globalAlpha = 1;
}

/**
 * @param {Canvas} g @param {import("./types").Frame} frame @param {ArrayLike<number>} xs
 * @param {ArrayLike<number>} ys
 */
export function dots(g, frame, xs, ys) {
  for (let i = 0; i < xs.length; i++) {
    if (!Number.isFinite(ys[i])) continue;
    circle(g, frame.x(xs[i]), frame.y(ys[i]), 4.5);
    g.fill();
  }
}

/** Slanting lines within a rectangle. @param {Canvas} g @param {number[]} rectangle @param {number} every */
export function hatch(g, [x, y, width, height], every) {
  g.save();
  g.beginPath();
  g.rect(x, y, width, height);
  g.clip();
  for (let d = -height; d < width; d += every) line(g, x + d, y + height, x + d + height, y);
  g.restore();
}

/**
 * A matrix of colours, a pixel an entry, made large without smoothing.
 * @param {Canvas} g @param {any} cache @param {number} m @param {number} n
 * @param {(i: number, j: number) => number[]} colour red, green, blue and how opaque @param {number[]} rectangle
 */
export function mosaic(g, cache, m, n, colour, [x, y, width, height]) {
  const image = (cache.image ||= new ImageData(n, m));
  const small = (cache.small ||= Object.assign(document.createElement("canvas"), { width: n, height: m }));
  for (let i = 0; i < m; i++) for (let j = 0; j < n; j++) image.data.set(colour(i, j), 4 * (i * n + j));
  small.getContext("2d").putImageData(image, 0, 0);
  g.imageSmoothingEnabled = false;
  g.drawImage(small, x, y, width, height);
}

/**
 * What the colours go through, from left to right.
 * @param {Canvas} g @param {number[][]} stops @param {number[]} rectangle
 */
export function colourBar(g, stops, [x, y, width, height]) {
  const gradient = g.createLinearGradient(x, 0, x + width, 0);
  stops.forEach((c, i) => gradient.addColorStop(i / (stops.length - 1), `rgb(${c})`));
  g.fillStyle = gradient;
  g.fillRect(x, y, width, height);
}
