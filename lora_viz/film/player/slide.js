// What stands large as one picture, at the size of a slide; all panels where all are shown.

import { measureIn } from "./drawing.js";
import { kindOf } from "./kinds.js";
import { say } from "./language.js";
import { format } from "./numbers.js";
import { drawPassages } from "./passages.js";
import { pause } from "./playhead.js";
import { drawReadout } from "./readout.js";
import { slug, wrapped } from "./text.js";

/** @typedef {import("./types").Player} Player */

const WIDTH = 1280, HEIGHT = 720, SCALE = 1.5, MARGIN = 24; // 1920×1080 pixels

/** @param {Player} s */
function slideCanvas(s) {
  const across = WIDTH - 2 * MARGIN, font = across / 62, { theme } = s;
  const canvas = Object.assign(document.createElement("canvas"), { width: WIDTH * SCALE, height: HEIGHT * SCALE });
  const g = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  g.scale(SCALE, SCALE);
  g.fillStyle = theme.paper;
  g.fillRect(0, 0, WIDTH, HEIGHT);
  g.fillStyle = theme.ink;
  g.textAlign = "left";
  g.textBaseline = "top";
  let y = MARGIN * 0.7;
  const write = (/** @type {string} */ text, /** @type {number} */ size, /** @type {number} */ weight) => {
    g.font = `${weight} ${size}px ${theme.font}`;
    for (const line of wrapped(measureIn(g), text, across, 2)) {
      g.fillText(line, MARGIN, y);
      y += size * 1.25;
    }
  };
  const narration = s.find("narration").textContent;
  write(slideTitle(), font * 1.55, 700);
  if (narration) write(narration, font * 1.05, 400);
  const foot = HEIGHT - MARGIN * 0.4, high = foot - y - 8 - font * 1.5, large = s.places?.large || [];
  const drawn = large.length ? large : s.pictures;
  const places = large.length ? sideBySide(large.length, across, high) : slidePlaces(s, across, high, font);
  drawn.forEach((p, i) => {
    const { left, top, width, height } = places[i];
    const box = { width, height, dpr: SCALE, font, thick: 1.2, least: 14, inset: 0, lead: 0 };
    g.save();
    g.translate(MARGIN + left, y + 8 + top);
    g.beginPath();
    g.rect(0, 0, width, height);
    g.clip();
    // Own marks on the axes, but the view, the hand's changes and the cursor of what is on the screen.
    const cache = { ...p.cache, frame: null, image: null, small: null, range: null };
    if (p.canvas) kindOf(p).draw(g, { ...p, box, cache }, s);
    else if (p.panel.kind === "passages") drawPassages(g, p.panel, box, theme, s.t);
    else drawReadout(g, p.panel, box, theme, s.t);
    g.restore();
  });
  g.font = `${font * 0.8}px ${theme.font}`;
  g.fillStyle = theme.ink;
  g.textBaseline = "bottom";
  g.textAlign = "left";
  g.fillText(`${s.axis} ${s.find("where").textContent}`, MARGIN, foot);
  g.textAlign = "right";
  g.fillText(say("LoRA Playground, run {run}", { run: `${s.run}` }), WIDTH - MARGIN, foot);
  return canvas;
}

/** @param {number} count @param {number} width @param {number} height */
const sideBySide = (count, width, height) => {
  const one = (width - MARGIN * (count - 1)) / count;
  return Array.from({ length: count }, (_, i) => ({ left: i * (one + MARGIN), top: 0, width: one, height }));
};

const slideTitle = () => (document.querySelector("h1")?.textContent || "").trim();

/**
 * The browser's own grid says where the panels stand, whatever the width of the window is.
 * @param {Player} s @param {number} width @param {number} height @param {number} font
 */
function slidePlaces(s, width, height, font) {
  const rows = 1 + Math.max(...s.film.panels.map((p) => p.row)), gap = 8, one = (height - gap * (rows - 1)) / rows;
  const stage = Object.assign(document.createElement("div"), { className: "stage" });
  stage.style.cssText = `position: fixed; left: -9999px; top: 0; visibility: hidden; width: ${width}px`;
  stage.style.setProperty("--font", `${font}px`);
  for (const panel of s.film.panels) {
    const cell = Object.assign(document.createElement("div"), { className: "cell" });
    const tall = "tall" in panel ? panel.tall : 1;
    cell.style.setProperty("--span", `${panel.span}`);
    cell.style.gridRow = tall > 1 ? `span ${tall}` : "";
    cell.style.height = `${one * tall + gap * (tall - 1)}px`;
    stage.append(cell);
  }
  s.root.append(stage);
  const from = stage.getBoundingClientRect();
  const places = [...stage.children].map((cell) => {
    const r = cell.getBoundingClientRect();
    return { left: r.left - from.left, top: r.top - from.top, width: r.width, height: r.height };
  });
  stage.remove();
  return places;
}

/** @param {Player} s */
export function saveSlide(s) {
  if (s.root.dataset.asking) return; // a question stands before the picture
  pause(s);
  const value = format(s.film.values.data[s.t]);
  const name = [slug(slideTitle()) || "picture", slug(s.axis), value].filter(Boolean).join("-");
  slideCanvas(s).toBlob((blob) => {
    const href = URL.createObjectURL(/** @type {Blob} */ (blob));
    Object.assign(document.createElement("a"), { href, download: `${name}.png` }).click();
    setTimeout(() => URL.revokeObjectURL(href), 1000);
  }, "image/png");
}
