// The player of a page: what arrives is taken over, what is pressed is done.

import { decode, FilmError } from "./decode.js";
import { say, speakWith, spoken } from "./language.js";
import { label, pause, play, seek, slowly, step, toggle } from "./playhead.js";
import { listen } from "./pointer.js";
import { askFirst } from "./question.js";
import { saveSlide } from "./slide.js";
import {
  arrange, build, draw, enlarge, focused, lastOf, narrate, paperOf, readTheme, seenOf, tabulate,
} from "./stage.js";
import { kindOf } from "./kinds.js";

/** @typedef {import("./types").Player} Player */

const SPEEDS = [0.25, 0.5, 1, 2, 4];
/** @type {WeakMap<Element, Player>} */
export const players = new WeakMap();

/** @param {Element} host */
function mount(host) {
  const root = /** @type {HTMLElement} */ (host.querySelector(".player"));
  const find = (/** @type {string} */ name) => root.querySelector(`[data-part="${name}"]`);
  const s = /** @type {Player} */ (/** @type {unknown} */ ({ // the rest comes with the first film
    ...{ root, find, run: null, t: 0, playing: false, speed: 1, clock: 0, due: 0, drawn: 0, pictures: [], slow: false },
    ...{ phase: 0, share: 1, compare: false, present: null, tip: find("tip"), written: writtenIn(root) },
    ...{ chosen: null, all: false, places: null, keepsPlace: false },
    calm: window.matchMedia("(prefers-reduced-motion: reduce)"),
  }));
  const act = {
    reset: () => {
      for (const p of s.pictures) kindOf(p)?.forget?.(p);
      seek(s, 0);
    },
    back: () => step(s, -1),
    play: () => toggle(s),
    forward: () => step(s, 1),
    end: () => seek(s, Infinity),
    slow: () => slowly(s),
    numbers: () => openTables(s),
    png: () => saveSlide(s),
    compare: () => compare(s, !s.compare),
    sheet: () => openSheet(s),
    share: () => {
      pause(s);
      comeBack(s, false, performance.now() + 20_000);
      s.sendLink(s.film.values.data[s.t]);
    },
  };
  for (const [name, action] of Object.entries(act)) s.find(name).addEventListener("click", action);
  const scrub = s.find("scrub"), speed = s.find("speed");
  scrub.addEventListener("input", () => seek(s, Number(scrub.value)));
  speed.addEventListener("change", () => {
    s.speed = SPEEDS[speed.selectedIndex];
  });
  const { play: space, back, forward, reset, end, slow } = act;
  watch(s, { " ": space, ArrowLeft: back, ArrowRight: forward, Home: reset, End: end, s: slow });
  players.set(host, s);
  return s;
}

/** The keys, the size of the window, the theme. @param {Player} s @param {Record<string, () => void>} keys */
function watch(s, keys) {
  const { root } = s, gone = new AbortController(), until = { signal: gone.signal };
  // In the tables the arrows scroll.
  s.find("tables").addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => {
    if (event.key in keys) event.stopPropagation();
  });
  // Keys work where the focus is in the player; a presenter need not click first.
  const onKey = (/** @type {KeyboardEvent} */ event) => {
    const action = s.root.dataset.asking ? choosing(s, event.key) : keys[event.key] || viewing(s, event.key);
    const at = /** @type {Element} */ (event.composedPath()[0]), inside = event.composedPath().includes(root);
    if (!action || event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
    if (!inside && !s.present) return;
    const mine = inside && at === s.find("scrub") && event.key === " ";
    if (at.matches?.(WANTS_KEYS) && !mine) return;
    if (at.matches?.(WANTS_SPACE) && event.key === " ") return;
    event.preventDefault();
    action();
  };
  const refit = () => {
    arrange(s);
    draw(s);
  };
  const size = new ResizeObserver(refit);
  size.observe(root);
  window.addEventListener("resize", refit, until);
  document.addEventListener("keydown", onKey, until);
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) pause(s);
  }, until);
  s.calm.addEventListener("change", () => {
    pause(s);
    label(s);
  }, until);
  // Whoever taps beside the sheet, or presses Escape, is done with it.
  const inSheet = (/** @type {Event} */ event) => event.composedPath().some((e) =>
    e instanceof Element && (e.matches(".st-key-controls, [data-part=sheet], [data-baseweb], [role=listbox]")));
  document.addEventListener("pointerdown", (event) => {
    if (document.documentElement.dataset.sheet && !inSheet(event)) openSheet(s, false);
  }, until);
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !document.documentElement.dataset.sheet) return;
    openSheet(s, false);
    s.find("sheet").focus();
  }, until);
  const repaint = () => {
    if (!s.film || paperOf(s) === s.paper) return;
    readTheme(s);
    draw(s);
  };
  root.addEventListener("transitionrun", repaint, until); // the background says so when the theme changes
  for (const query of ["(prefers-color-scheme: dark)", "(prefers-contrast: more)", "(forced-colors: active)"]) {
    window.matchMedia(query).addEventListener("change", () => {
      s.paper = "";
      requestAnimationFrame(repaint);
    }, until);
  }
  // A page that is left says nothing, nor does what stands around the player when it grows: look now and then.
  let seen = 0, top = 0;
  const look = setInterval(() => {
    if (!root.isConnected) {
      clearInterval(look);
      size.disconnect();
      gone.abort();
      pause(s);
      return;
    }
    repaint();
    const tall = seenOf()?.getBoundingClientRect().height ?? 0;
    const above = root.getBoundingClientRect().top + window.scrollY;
    if (s.film && (Math.abs(above - top) > 4 || (!s.present && Math.abs(tall - seen) > 4))) refit();
    seen = tall;
    top = above;
    rememberPlace(s);
  }, 250);
}

/** The address names the moment that is looked at, so that a reload keeps it. @param {Player} s */
function rememberPlace(s) {
  if (!s.film || s.playing || s.present || !s.keepsPlace) return;
  const url = new URL(location.href), value = s.film.values.data[s.t];
  const at = s.t === s.film.start ? null : `${Number(value.toPrecision(6))}`;
  if (url.searchParams.get("at") === at) return;
  if (at === null) url.searchParams.delete("at");
  else url.searchParams.set("at", at);
  history.replaceState(history.state, "", url);
}

/**
 * Who closes what Share opened is where he was, however soon: looked at every frame until it is open and closed again.
 * @param {Player} s @param {boolean} seen whether it was open @param {number} until when it must have been
 */
function comeBack(s, seen, until) {
  requestAnimationFrame(() => {
    const open = Boolean(document.querySelector("[role=dialog]"));
    if (!s.root.isConnected || (!open && !seen && performance.now() > until)) return;
    if (open || !seen) comeBack(s, open || seen, until);
    else if (!focused(s) && document.activeElement === document.body) s.find("share").focus();
  });
}

/** One of the answers, by its number. @param {Player} s @param {string} key @returns {(() => void) | undefined} */
function choosing(s, key) {
  const button = /^[1-9]$/.test(key) && s.find("question").querySelector(`[data-choice="${key}"]`);
  return button ? () => button.click() : undefined;
}

/** One of the pictures, by its number. @param {Player} s @param {string} key @returns {(() => void) | undefined} */
function viewing(s, key) {
  const panel = /^[1-9]$/.test(key) && s.film?.panels[Number(key) - 1];
  return panel ? () => enlarge(s, panel.id) : undefined;
}

/**
 * On a small screen the settings lie in a sheet over the page.
 * @param {Player} s @param {boolean} [open]
 */
function openSheet(s, open = document.documentElement.dataset.sheet !== "open") {
  const page = document.documentElement;
  page.dataset.sheet = open ? "open" : "";
  page.style.setProperty("--bar", `${s.find("bar").offsetHeight}px`); // the sheet stands on the transport
  s.find("sheet").setAttribute("aria-expanded", `${open}`);
}

const WANTS_KEYS =
  "input, textarea, select, [contenteditable=true], [role=slider], [role=combobox], [role=radio], [role=option]";
const WANTS_SPACE = "button, a, summary, [role=button], [role=tab]";

/**
 * What stands in the page in English: texts, titles and names for the ear, each with its place.
 * @param {HTMLElement} root
 */
function writtenIn(root) {
  /** @type {Player["written"]} */
  const found = [];
  const texts = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const node = /** @type {Text} */ (texts.currentNode), text = node.data.trim();
    if (text) found.push([text, (said) => {
      node.data = said;
    }]);
  }
  for (const name of ["title", "aria-label"]) {
    for (const e of [root, ...root.querySelectorAll(`[${name}]`)]) {
      const text = e.getAttribute(name);
      if (text) found.push([text, (said) => e.setAttribute(name, said)]);
    }
  }
  return found;
}

/** @param {Player} s @param {Uint8Array} bytes */
function take(s, bytes) {
  const { film, axis, colours, run, at, shares, question, present, words } = decode(bytes);
  speakWith(words);
  const anew = spoken() !== s.spoken; // another language than before?
  s.spoken = spoken();
  if (anew) for (const [text, write] of s.written) write(say(text));
  const before = s.film, turned = Boolean(before) && present?.scene !== s.present?.scene;
  s.present = present || null;
  if (run === s.run && !turned && !anew) return;
  const sameAxis = before && before.axis === film.axis && before.start === film.start, opening = !before || turned;
  const kept = sameAxis && !turned && (anew || (s.t < lastOf(s) && s.t !== before.start));
  if (turned || !sameAxis) pause(s);
  // A changed control keeps the moment that was being looked at; a first picture shows where the story is.
  const length = film.values.data.length, named = opening && Number.isInteger(at) ? Number(at) : null;
  if (opening || !film.panels.some(({ id }) => id === s.chosen)) Object.assign(s, { chosen: null, all: false });
  s.t = Math.max(0, Math.min(named ?? (kept ? s.t : film.start), length - 1)); // a link names its moment
  s.axis = axis ?? film.axis; // the axis is a name to the code, to the eye it is a word
  Object.assign(s, { previous: before, film, run, colours, phase: s.slow && film.phases.length ? 1 : 0 });
  build(s);
  for (const p of s.pictures) listen(s, p);
  compare(s, s.compare && Boolean(sameAxis));
  askFirst(s, question);
  readTheme(s);
  s.find("scrub").max = length - 1;
  s.find("axis").textContent = s.axis;
  s.find("share").hidden = !shares || Boolean(present);
  s.keepsPlace = Boolean(shares);
  s.find("sheet").hidden = !document.querySelector(".st-key-controls");
  s.find("png").hidden = Boolean(present);
  s.root.dataset.present = present ? "true" : "";
  delete s.root.dataset.refused;
  s.find("slow").hidden = !film.phases.length;
  narrate(s); // its line takes room from the pictures: without it they would be drawn once too tall
  arrange(s);
  draw(s);
  label(s);
  if (turned && !focused(s)) s.root.focus({ preventScroll: true }); // a new scene begins at its picture
  if (opening && film.autoplay && !s.calm.matches && named === null) play(s);
}

/** The run before this one stays as dotted curves, panel by panel. @param {Player} s @param {boolean} on */
function compare(s, on) {
  s.compare = on;
  for (const p of s.pictures) {
    const old = on && p.panel.kind === "lines" && s.previous?.panels.find(({ id }) => id === p.panel.id);
    p.ghost = old && old.kind === "lines" && s.previous ? { series: old.series, values: s.previous.values.data } : null;
  }
  s.find("compare").setAttribute("aria-pressed", on);
  s.find("compare").hidden = Boolean(s.present) || !s.film.panels.some((panel) => panel.kind === "lines");
  if (s.theme) draw(s);
}

/** @param {Player} s */
function openTables(s) {
  const box = s.find("tables"), open = box.hidden;
  box.hidden = !open;
  s.find("numbers").setAttribute("aria-expanded", open);
  if (!open) return;
  pause(s);
  tabulate(s);
  box.scrollIntoView({ block: "nearest" });
}

/** In place of a picture that cannot be read, one sentence. @param {Player} s @param {FilmError} error */
function refuse(s, error) {
  pause(s);
  const text = error.why === "version"
    ? say("This picture was made for another version of the player: load the page again.")
    : say("This picture is damaged and cannot be shown: {where}.", { where: error.message });
  const line = Object.assign(document.createElement("p"), { textContent: text });
  line.setAttribute("role", "alert");
  Object.assign(s, { film: null, run: null, pictures: [] });
  s.root.dataset.refused = "true"; // and no transport: there is nothing to move
  s.find("stage").replaceChildren(line);
  for (const name of ["narration", "tables"]) s.find(name).replaceChildren();
  askFirst(s, null);
}

/**
 * @param {{ data: Uint8Array, parentElement: Element, setTriggerValue: (name: string, value: unknown) => void }} given
 */
export default function show({ data, parentElement, setTriggerValue }) {
  const s = players.get(parentElement) || mount(parentElement);
  s.sendLink = (value) => setTriggerValue("shared", value);
  s.pick = (row, column) => setTriggerValue("picked", { row, column });
  if (!data || !data.length) return;
  try {
    take(s, data);
  } catch (error) {
    if (!(error instanceof FilmError)) throw error;
    refuse(s, error);
  }
}
