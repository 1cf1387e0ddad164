// The stage: a cell for each panel, sized to the screen, drawn at the playhead, and said to those who hear it.

import { isDark, themeOf } from "./colours.js";
import { leadOf } from "./drawing.js";
import { kindOf } from "./kinds.js";
import { say } from "./language.js";
import { format } from "./numbers.js";
import { buildPassages, fillLongest, LEAST_PRESENTED, passagesSay } from "./passages.js";
import { buildReadout, readOut } from "./readout.js";
import { tableNode, TABLES } from "./tables.js";
import { textAt } from "./tensor.js";
import { chooseView, heroOf, offerViews, placesOf } from "./views.js";

/** @typedef {import("./types").Player} Player @typedef {import("./types").Picture} Picture */

/** The place of the last frame. @param {Player} s */
export const lastOf = (s) => s.film.values.data.length - 1;

/** What the page says of its background. @param {Player} s */
export const paperOf = (s) => getComputedStyle(s.root).getPropertyValue("--st-background-color").trim();

/** @param {Player} s */
export function readTheme(s) {
  s.paper = paperOf(s);
  const asked = ["(prefers-contrast: more)", "(forced-colors: active)"];
  const more = asked.some((query) => window.matchMedia(query).matches);
  const own = s.paper || "#ffffff", black = (s.present && s.present.contrast) || (more && isDark(own));
  s.theme = themeOf(s.colours, black ? "#000000" : more ? "#ffffff" : own, getComputedStyle(s.root).fontFamily, more);
  for (const p of s.pictures) p.cache.frame = null;
  for (const [key, value] of Object.entries(s.theme)) {
    if (typeof value === "string") s.root.style.setProperty(`--id-${key}`, value);
  }
}

/** A cell for each panel; what was turned stays turned. @param {Player} s */
export function build(s) {
  const stage = s.find("stage"), kept = new Map(s.pictures.map(({ panel, cache }) => [panel.id, cache]));
  const held = s.pictures.find(({ canvas }) => canvas && canvas === focused(s))?.panel.id;
  stage.replaceChildren();
  s.pictures = s.film.panels.map((panel) => {
    const cell = document.createElement("div");
    cell.className = `cell ${panel.kind}`;
    cell.style.setProperty("--span", `${panel.span}`);
    stage.append(cell);
    /** @type {Picture} */
    const p = {
      ...{ panel, cell, canvas: null, values: [], hover: null, veiled: false, guess: null, crowd: null, ghost: null },
      box: { width: 0, height: 0, dpr: 1, font: 0, thick: 1, least: 14, inset: 0, lead: 0 },
      cache: { view: kept.get(panel.id)?.view, cursor: panel.kind === "field" ? kept.get(panel.id)?.cursor : null },
    };
    if ("tall" in panel) cell.style.gridRow = `span ${panel.tall}`;
    if (panel.kind === "readout") buildReadout(p);
    else if (panel.kind === "passages") buildPassages(p);
    else {
      p.canvas = document.createElement("canvas");
      p.canvas.setAttribute("role", "img");
      cell.append(p.canvas);
    }
    cell.append(enlarging(s, panel));
    return p;
  });
  // A picture that has the focus keeps it when it is made anew: it is not taken away from whoever steers by keys.
  if (held) requestAnimationFrame(() => s.pictures.find(({ panel }) => panel.id === held)?.canvas?.focus());
}

/** What has the focus, in the page or in the shadow that the player stands in. @param {Player} s */
export const focused = (s) => /** @type {Document | ShadowRoot} */ (s.root.getRootNode()).activeElement;

/** Say this to whoever steers by keys and does not see. @param {Player} s @param {string} text */
export function speak(s, text) {
  s.find("spoken").textContent = text;
}

/** The way from a small picture to a large one. @param {Player} s @param {import("./types").Panel} panel */
function enlarging(s, panel) {
  const button = Object.assign(document.createElement("button"), { className: "enlarge", textContent: "⤢" });
  const named = say("Show large: {title}", { title: panel.title });
  button.setAttribute("aria-label", named);
  button.title = named;
  button.addEventListener("click", () => enlarge(s, panel.id));
  return button;
}

/**
 * The stage fills what the screen leaves below the title and above the transport and what was seen; the picture that
 * proves the claim takes two thirds of it.
 * @param {Player} s
 */
export function arrange(s) {
  if (!s.film) return;
  const width = s.root.clientWidth, narrow = width < 620, little = narrow || window.innerHeight < 480;
  const font = s.present
    ? Math.max(20, Math.min(34, width / 54))
    : Math.max(narrow ? 14.2 : 14, Math.min(24, width / 62));
  s.root.style.setProperty("--font", `${font}px`);
  // The transport takes one line where it can.
  s.root.dataset.tight = "false";
  s.root.dataset.tight = `${!narrow && s.find("bar").offsetHeight > 60}`;
  const smallest = 80 + 6.6 * Math.max(14, font * SMALL); // a plot of 80 pixels with its title, legend and axis
  let most = heightOf(s, width, font);
  const beside = Math.min(3, Math.floor((most + GAP) / (smallest + GAP)));
  const places = (s.places = placesOf(s, little, beside));
  offerViews(s, places, (id) => enlarge(s, id));
  most = heightOf(s, width, font); // now that the names of further views are there, or are not
  const { mode, large, small, rest } = places;
  let total = little && mode !== "stage" ? littleHeight(s, narrow, width, most) : most;
  if (little && large.some(({ panel }) => panel.kind === "machine")) total = Math.max(total, 300); // a box a number
  s.root.dataset.layout = mode;
  for (const p of rest) p.cell.hidden = true;
  const look = { font, thick: s.present ? 1.4 : 1.15, least: s.present ? 20 : narrow ? 12 : 14, inset: 0 };
  if (mode === "all") return arrangeAll(s, small, { ...look, thick: 1 }, Math.max(total, 390), narrow);
  for (const p of large) {
    const across = large.length === 2 && width > 900 ? 6 : small.length ? LARGE : 12;
    const high = large.length === 2 && across === 12 ? (total - GAP) / 2 : total;
    p.cell.style.gridColumn = `span ${across}`;
    p.cell.style.gridRow = small.length ? `1 / span ${small.length}` : "";
    p.cell.dataset.size = "large";
    fill(s, p, high, look);
  }
  small.forEach((p, i) => {
    p.cell.style.gridColumn = `${LARGE + 1} / -1`;
    p.cell.style.gridRow = `${i + 1}`;
    p.cell.dataset.size = "small";
    const high = (total - GAP * (small.length - 1)) / small.length;
    fill(s, p, high, { ...look, font: Math.max(14, font * SMALL), thick: 1, inset: 32 });
  });
  const stage = s.find("stage");
  s.root.style.setProperty("--stage-top", `${stage.offsetTop}px`);
  s.root.style.setProperty("--stage-high", `${stage.offsetHeight}px`);
}

const SCROLLS = '[data-testid="stMain"]'; // in the app a part of the page scrolls, elsewhere the window does
const GAP = 8, LARGE = 8, SMALL = 0.88; // between cells; of twelve columns; of the large picture's type

/**
 * Every picture in its own place of the grid.
 * @param {Player} s @param {Picture[]} pictures @param {Look} look @param {number} total @param {boolean} narrow
 */
function arrangeAll(s, pictures, look, total, narrow) {
  const rows = 1 + Math.max(...s.film.panels.map((p) => p.row));
  const height = narrow ? 300 : Math.max(total / rows, 200);
  for (const p of pictures) {
    const many = narrow ? 1 : p.panel.tall || 1;
    p.cell.style.gridColumn = narrow ? "1 / -1" : "";
    p.cell.style.gridRow = many > 1 ? `span ${many}` : "";
    p.cell.dataset.size = "";
    fill(s, p, height * many + GAP * (many - 1), look);
  }
}

/** @typedef {Pick<import("./types").Box, "font" | "thick" | "least" | "inset">} Look */

/** @param {Player} s @param {Picture} p @param {number} height @param {Look} look */
function fill(s, p, height, look) {
  p.cell.hidden = false;
  p.cell.style.height = `${height}px`;
  if (p.canvas) {
    p.canvas.tabIndex = p.cell.dataset.size === "small" ? -1 : 0;
    resize(p, p.canvas, height, look, s.theme);
  } else fitReadout(s, p, look.font);
}

/**
 * In a hand, or in a narrow column of a wide page, where the transport takes several lines.
 * @param {Player} s @param {boolean} narrow @param {number} width @param {number} most
 */
const littleHeight = (s, narrow, width, most) => {
  const { innerHeight, innerWidth } = window;
  if (!narrow) { // held across: between the page's title and the transport
    const above = Math.min(topOf(s), 130) + s.find("narration").offsetHeight;
    return Math.max(190, innerHeight - above - s.find("bar").offsetHeight - 14);
  }
  if (innerWidth > 900) return Math.max(200, most - Math.max(0, s.find("bar").offsetHeight - 50));
  return Math.max(240, Math.min(360, width * 0.92, innerHeight * 0.52));
};

/** How far below the top of the page the player begins. @param {Player} s */
const topOf = (s) => Math.max(0, s.root.getBoundingClientRect().top + window.scrollY +
  (document.querySelector(SCROLLS)?.scrollTop ?? 0));

/** What the screen leaves for the stage. @param {Player} s @param {number} width @param {number} font */
function heightOf(s, width, font) {
  const { innerHeight } = window, above = topOf(s);
  const told = s.find("narration").offsetHeight, views = s.find("views");
  const asked = s.find("question").offsetHeight;
  // Beside the transport: the names of further views, what was seen below it.
  const seen = s.present ? 0 : Math.max(44, seenOf()?.getBoundingClientRect().height ?? 64);
  const named = views.hidden ? 0 : views.offsetHeight + 4;
  const below = 50 + named + seen + (s.present ? 22 : 38);
  const room = innerHeight - Math.min(above, 0.42 * innerHeight) - told - asked - below;
  return Math.max(s.present ? 240 : 256, Math.min(room, s.present ? Infinity : width * 0.62, innerHeight - font * 4));
}

/** Where the page says what was seen, if it does. @returns {Element | null} */
export const seenOf = () => document.querySelector(".st-key-seen, #takeaway:not(:empty)");

/** @param {Player} s @param {string | null} id of the picture that is to stand large; null: all or one */
export function enlarge(s, id) {
  const held = s.root.contains(focused(s));
  chooseView(s, id);
  arrange(s);
  arrange(s); // the names of the views may take another line now
  draw(s);
  tip(s, heroOf(s), null);
  if (held) (id === null ? s.find("views").lastElementChild : heroOf(s).canvas || s.root)?.focus();
}

/**
 * @param {Picture} p @param {HTMLCanvasElement} canvas @param {number} height @param {Look} look
 * @param {import("./types").Theme} theme
 */
function resize(p, canvas, height, look, theme) {
  const width = p.cell.clientWidth, dpr = Math.min(2, window.devicePixelRatio || 1);
  const g = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  const lead = leadOf(g, p.panel.title, { width, ...look }, theme);
  const box = { width, height: height - lead, dpr, lead, ...look };
  const names = /** @type {(keyof typeof box)[]} */ (Object.keys(box));
  if (names.every((name) => p.box[name] === box[name])) return;
  p.box = box;
  canvas.width = Math.round(width * dpr);
  canvas.height = Math.round(height * dpr);
  canvas.style.width = `${width}px`;
  canvas.style.height = `${height}px`;
  p.cache.frame = null;
}

/**
 * Nothing of a readout hides behind a scroll bar as long as it can still be read.
 * @param {Player} s @param {Picture} p @param {number} font
 */
function fitReadout(s, p, font) {
  const long = p.panel.kind === "passages";
  if (long) fillLongest(p); // one size for all moments
  else readOut(p, s.t);
  const wanted = long && s.present ? Math.max(LEAST_PRESENTED, font) : font;
  const least = long && s.present ? LEAST_PRESENTED : 0.7 * font;
  let size = wanted;
  const set = () => p.cell.style.setProperty("--font", `${size}px`);
  for (set(); p.cell.scrollHeight > p.cell.clientHeight + 1 && size - 0.5 >= least; set()) size -= 0.5;
  readOut(p, s.t);
}

/** @param {Player} s @param {Picture} p */
export function drawOne(s, p) {
  if (p.cell.hidden) return;
  if (!p.canvas) return readOut(p, s.t);
  if (!p.box.width) return;
  const g = /** @type {CanvasRenderingContext2D} */ (p.canvas.getContext("2d"));
  g.setTransform(p.box.dpr, 0, 0, p.box.dpr, 0, 0);
  g.clearRect(0, 0, p.box.width, p.box.height + p.box.lead);
  g.translate(0, p.box.lead);
  kindOf(p).draw(g, p, s);
}

/** Everything as it is at the playhead. @param {Player} s */
export function draw(s) {
  if (!s.film) return;
  for (const p of s.pictures) drawOne(s, p);
  const { values } = s.film, value = values.data[s.t], last = format(values.data[lastOf(s)]), scrub = s.find("scrub");
  const where = s.film.of_last ? say("{value} of {last}", { value: format(value), last }) : format(value);
  scrub.value = s.t;
  scrub.setAttribute("aria-valuetext", `${s.axis} ${where}`);
  s.find("where").textContent = where;
  narrate(s);
  for (const p of s.pictures) {
    const now = p.hover && kindOf(p)?.tell?.(p, s);
    if (now) tip(s, p, now);
  }
  s.drawn += 1;
  const marks = { frame: s.t, frames: values.data.length, value, run: s.run, drawn: s.drawn, phase: s.phase };
  for (const [key, each] of Object.entries(marks)) s.root.dataset[key] = `${each}`;
  if (s.playing) return; // nobody can follow a sentence a frame, and the tables wait
  for (const p of s.pictures) {
    const named = p.panel.kind === "passages" ? p.cell : p.canvas;
    named?.setAttribute("aria-label", heard(s, p, format(value)));
  }
  tabulate(s);
}

/** The sentence of this moment, under the title. @param {Player} s */
export function narrate(s) {
  const byHand = s.pictures.map((p) => kindOf(p)?.byHand?.(p, s)).find(Boolean);
  const told = byHand || (s.phase && s.film.phases[s.t]?.[s.phase - 1]);
  if (told) s.find("narration").textContent = told;
  else if (s.film.narration.length) s.find("narration").textContent = textAt(s.film.narration, s.t);
}

/** What a picture says to those who do not see it. @param {Player} s @param {Picture} p @param {string} value */
function heard(s, p, value) {
  const { title } = p.panel;
  if (s.root.dataset.asking) return say("{title}. Hidden until the question above is answered", { title });
  const reading = p.panel.kind === "passages" ? passagesSay(p.panel, s.t) : kindOf(p).say(p, s);
  return say("{title}. At {axis} {value}: {reading}", { title, axis: s.axis, value, reading });
}

/** The tables where they are open: they say what is seen. @param {Player} s */
export function tabulate(s) {
  const box = s.find("tables");
  if (box.hidden || s.playing || !s.film) return;
  if (s.root.dataset.asking) box.textContent = say("Hidden until the question above is answered.");
  else {
    const { pictures } = s;
    box.replaceChildren(...pictures.flatMap((p) => TABLES[p.panel.kind](p, s).map((t) => tableNode(t, p.panel.kind))));
  }
}

/** What is said of the place under the pointer. @param {Player} s @param {Picture} p @param {string | null} text */
export function tip(s, p, text) {
  s.tip.hidden = !text;
  if (!text || !p.canvas) return;
  s.tip.textContent = text;
  const stage = s.find("stage").getBoundingClientRect(), r = p.canvas.getBoundingClientRect();
  if (kindOf(p).tell) { // beside the picture, not over what it explains
    s.tip.style.left = `${r.left - stage.left + 4}px`;
    s.tip.style.top = `${r.bottom - stage.top - p.box.font * 3.2 + s.find("stage").offsetTop}px`;
    return;
  }
  const [x, y] = p.hover || [0, 0], most = Math.max(0, stage.width - s.tip.offsetWidth - 4);
  s.tip.style.left = `${Math.min(r.left - stage.left + x + 14, most)}px`;
  s.tip.style.top = `${r.top - stage.top + p.box.lead + y + 16 + s.find("stage").offsetTop}px`;
}
