// The way on every page: search by "/" or a button, the level, where this page stands on its path, ticks.

import { prepared, search } from "./search.js";
import { offerSheet } from "./sheet.js";
import { tick, ticks } from "./ticks.js";

/** @typedef {{ text: string, name: string, place: string, lesson: string, address: string }} Stop */
/** @typedef {{ name: string, about: string, open: boolean, stops: Stop[] }} Path */
/**
 * @typedef {object} Here
 * @property {string} lesson @property {string} section @property {string} menu @property {string} name
 * @property {number} index @property {Stop[]} stops @property {Stop | null} before @property {Stop | null} after
 * @property {string} level @property {[string, string][]} levels @property {Record<string, string>} kinds
 */
/** @typedef {{ here?: Here, paths?: Path[], index?: any, words: Record<string, string> }} Given */
/** @typedef {(name: string, value: string) => void} Send */
/** @typedef {ReturnType<typeof prepared> | null} Index */
/** @typedef {{ given: Given, send: Send, index: Index, chosen: number, shut?: () => void }} State */

/** @type {WeakMap<Element, State>} */
const STATES = new WeakMap();
const KEY = "lora_playground_slash", LINE = 36; // pixels: what is higher takes two lines

/** @type {Record<string, string>} */
let words = {}; // all that is shown at once is in one language

/** @param {string} text */
const say = (text) => words[text] ?? text;

/**
 * An element with attributes and children.
 * @param {string} name @param {Record<string, any>} own @param {(Node | string)[]} children
 */
function make(name, own = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(own)) {
    if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else if (value !== false && value !== null) made.setAttribute(key, value === true ? "" : value);
  }
  made.append(...children);
  return made;
}

/**
 * A link that leads on within this visit; opened in another tab it is an address like any other.
 * @param {State} s @param {{ address: string, place: string }} to @param {Record<string, any>} own
 * @param {(Node | string)[]} children
 */
function link(s, to, own, ...children) {
  const go = (/** @type {MouseEvent} */ event) => {
    if (event.metaKey || event.ctrlKey || event.shiftKey || event.button) return;
    event.preventDefault();
    s.shut?.();
    s.send("go", to.place);
  };
  return make("a", { href: to.address, ...own, onclick: go }, ...children);
}

const slash = () => {
  try {
    return localStorage.getItem(KEY) !== "off";
  } catch {
    return true;
  }
};

/** A looking glass: no letter of a font, which may lack it. */
function glass() {
  const holder = document.createElement("span");
  holder.innerHTML = `<svg viewBox="0 0 20 20" width="18" height="18" aria-hidden="true" fill="none"
    stroke="currentColor" stroke-width="2"><circle cx="8" cy="8" r="6"/><path d="M12.5 12.5 18 18"/></svg>`;
  return /** @type {Element} */ (holder.firstElementChild);
}

/** @param {Element} root @param {State} s */
function drawHead(root, s) {
  const here = /** @type {Here} */ (s.given.here), head = /** @type {Element} */ (root.querySelector(".head"));
  if (head.children.length) return;
  const open = () => openSearch(root, s);
  const level = make("select", { "aria-label": say("Explain for"), onchange: (/** @type {any} */ event) =>
    s.send("level", event.target.value) });
  for (const [value, name] of here.levels) level.append(make("option", { value }, name));
  /** @type {HTMLSelectElement} */ (level).value = here.level;
  head.append(make("button", { type: "button", "aria-haspopup": "dialog", "data-part": "search", onclick: open,
    title: say("Search (key /)"), "aria-label": say("Search (key /)") }, glass(), make("span", {},
    say("Search"))), level);
}

/** @param {Element} root @param {State} s */
function drawWay(root, s) {
  const here = /** @type {Here} */ (s.given.here), done = ticks();
  const way = /** @type {HTMLElement} */ (root.querySelector(".way"));
  way.setAttribute("aria-label", say("Where you are"));
  const parts = [make("span", {}, `${here.section} › `, make("b", {}, here.menu))];
  if (here.stops.length) {
    const marks = here.stops.map((stop, i) => link(s, stop, { title: `${i + 1}. ${stop.text}`,
      "aria-label": `${i + 1}. ${stop.text}${done.has(stop.lesson) ? `, ${say("understood")}` : ""}`,
      "aria-current": i === here.index ? "step" : false }, done.has(stop.lesson) ? "✓" : i === here.index ? "●" : "○"));
    parts.push(make("span", {}, `${here.name} ${here.index + 1}/${here.stops.length}`));
    parts.push(make("span", { class: "stops" }, ...marks));
  }
  const box = /** @type {HTMLInputElement} */ (make("input", { type: "checkbox", "data-part": "tick",
    onchange: () => tick(here.lesson, box.checked) }));
  box.checked = done.has(here.lesson);
  if (here.stops.length) parts.push(make("label", {}, box, say("understood")));
  const turn = make("span", { class: "turn" });
  for (const [stop, rel, part] of /** @type {[Stop | null, string, string][]} */ ([[here.before, "prev", "before"],
    [here.after, "next", "after"]])) {
    if (stop) turn.append(link(s, stop, { rel, "data-part": part, title: stop.text }));
  }
  parts.push(turn);
  way.replaceChildren(...parts);
  fitWay(way, here);
}

/**
 * Previous and next are named by their questions; where those have no room in the line by their menus' names, and where
 * that is too long too, the marks of the path give way.
 * @param {HTMLElement} way @param {Here} here
 */
function fitWay(way, here) {
  const turn = /** @type {HTMLElement} */ (way.querySelector(".turn"));
  for (const fit of ["questions", "names", "names alone"]) {
    way.dataset.fit = fit;
    const named = (/** @type {Stop} */ stop) => (fit === "questions" ? stop.text : stop.name);
    for (const each of /** @type {HTMLElement[]} */ ([...turn.children])) {
      if (each.dataset.part === "before" && here.before) each.textContent = `‹ ${named(here.before)}`;
      if (each.dataset.part === "after" && here.after) each.textContent = `${named(here.after)} ›`;
    }
    const lines = /** @type {HTMLElement[]} */ ([...turn.children]).some(({ offsetHeight }) => offsetHeight > LINE);
    if (way.scrollWidth <= way.clientWidth + 1 && !lines) return;
  }
}

/** @param {Element} root @param {State} s */
function drawPaths(root, s) {
  const done = ticks(), paths = /** @type {HTMLElement} */ (root.querySelector(".paths"));
  const open = [...paths.querySelectorAll("details")].map((one) => one.open);
  paths.replaceChildren(.../** @type {Path[]} */ (s.given.paths).map((path, i) => make("details",
    { open: open[i] ?? path.open },
    make("summary", {}, make("b", {}, path.name), ` · ${path.about} `,
      `${path.stops.filter((stop) => done.has(stop.lesson)).length}/${path.stops.length} ✓`),
    make("ol", {}, ...path.stops.map((stop) => {
      const box = /** @type {HTMLInputElement} */ (make("input", { type: "checkbox", "aria-label":
        `${say("understood")}: ${stop.text}`, onchange: () => tick(stop.lesson, box.checked) }));
      box.checked = done.has(stop.lesson);
      return make("li", {}, box, " ", link(s, stop, {}, stop.text));
    })))));
}

/** The menu shows the section that this page stands in. @param {State} s */
function markMenu(s) {
  const here = /** @type {Here} */ (s.given.here);
  for (const one of document.querySelectorAll("[data-testid=stTopNavSection]")) {
    const current = one.textContent?.trim() === here.section;
    if (current) one.setAttribute("aria-current", "true");
    else one.removeAttribute("aria-current");
    /** @type {HTMLElement} */ (one).style.boxShadow = current ? "inset 0 -3px 0 var(--st-primary-color, #0067b1)" : "";
    /** @type {HTMLElement} */ (one).style.fontWeight = current ? "700" : "";
  }
}

/** @param {Element} root @param {State} s */
function openSearch(root, s) {
  if (root.querySelector("dialog")) return;
  if (!s.index) s.send("want", "index");
  const list = make("ul", { role: "listbox", id: "found", "aria-label": say("What was found") });
  const told = make("p", { "aria-live": "polite" });
  const input = /** @type {HTMLInputElement} */ (make("input", { type: "search", role: "combobox", autocomplete: "off",
    spellcheck: "false", "aria-expanded": "true", "aria-controls": "found", maxlength: "120",
    "aria-label": say("Search"), placeholder: say("why B zero, safetensors, which rank …") }));
  const box = /** @type {HTMLInputElement} */ (make("input", { type: "checkbox", onchange: () => {
    try {
      localStorage.setItem(KEY, box.checked ? "on" : "off");
    } catch {
      // this browser keeps nothing
    }
  } }));
  box.checked = slash();
  const dialog = /** @type {HTMLDialogElement} */ (make("dialog", { "aria-label": say("Search") },
    make("div", { class: "asks" }, input, make("button", { type: "button", "aria-label": say("Close"),
      onclick: () => dialog.close() }, "✕")),
    list, told, make("p", {}, make("label", {}, box, say("The key / opens this")))));
  /** @param {number} to */
  const choose = (to) => {
    const links = [...list.querySelectorAll("a")];
    s.chosen = links.length ? (to + links.length) % links.length : 0;
    links.forEach((one, i) => {
      one.toggleAttribute("data-chosen", i === s.chosen);
      one.setAttribute("aria-selected", String(i === s.chosen));
    });
    links[s.chosen]?.scrollIntoView({ block: "nearest" });
    input.setAttribute("aria-activedescendant", links.length ? links[s.chosen].id : "");
  };
  const draw = () => {
    const kinds = /** @type {Here} */ (s.given.here).kinds;
    const found = s.index && input.value.trim() ? search(s.index, input.value) : [];
    list.replaceChildren(...found.map((one, i) => make("li", { role: "presentation" },
      link(s, { address: one.place, place: one.place }, { id: `found_${i}`, role: "option", tabindex: "-1" },
        make("b", {}, one.title), ` · ${kinds[one.kind]}`, make("small", {}, one.says)))));
    told.textContent = !input.value.trim() ? say("Words from a title, a claim, a question, a paper, a setting.")
      : !s.index ? "…" : found.length ? "" : say("Nothing was found: try another word.");
    choose(0);
  };
  input.addEventListener("input", draw);
  dialog.addEventListener("keydown", (event) => {
    event.stopPropagation(); // the player's keys rest while one writes
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step) choose(s.chosen + step);
    else if (event.key === "Enter" && event.target === input) {
      /** @type {HTMLElement | undefined} */ ([...list.querySelectorAll("a")][s.chosen])?.click();
    } else return;
    event.preventDefault();
  });
  dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
  dialog.addEventListener("close", () => {
    dialog.remove();
    s.shut = undefined;
  });
  s.shut = () => dialog.close();
  root.append(dialog);
  dialog.showModal();
  /** @type {any} */ (dialog).redraw = draw;
  draw();
  input.focus();
}

/** @param {Element} root @param {State} s */
function listen(root, s) {
  const press = (/** @type {KeyboardEvent} */ event) => {
    const to = /** @type {HTMLElement} */ (event.composedPath()[0]);
    if (!root.isConnected) removeEventListener("keydown", press);
    else if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey || !slash()) return;
    else if (to.closest?.("input, textarea, select, [contenteditable=true]")) return;
    else {
      event.preventDefault();
      openSearch(root, s);
    }
  };
  addEventListener("keydown", press);
  const again = () => {
    if (!root.isConnected) removeEventListener("lora_ticked", again);
    else if (s.given.paths) drawPaths(root, s);
    else drawWay(root, s);
  };
  addEventListener("lora_ticked", again);
  const way = /** @type {HTMLElement} */ (root.querySelector(".way"));
  let wide = 0;
  new ResizeObserver(() => {
    if (way.clientWidth === wide || !s.given.here || !way.children.length) return;
    wide = way.clientWidth;
    fitWay(way, s.given.here);
  }).observe(way);
}

/** @param {{ data: Uint8Array, parentElement: Element, setTriggerValue: Send }} component */
export default function finder({ data, parentElement, setTriggerValue }) {
  const root = /** @type {Element} */ (parentElement.querySelector(".finder"));
  const given = /** @type {Given} */ (JSON.parse(new TextDecoder().decode(data)));
  let s = STATES.get(root);
  if (!s) {
    s = { given, send: setTriggerValue, index: null, chosen: 0 };
    STATES.set(root, s);
    listen(root, s);
  }
  const other = s.given.here?.level !== given.here?.level || JSON.stringify(words) !== JSON.stringify(given.words);
  words = given.words;
  Object.assign(s, { given, send: setTriggerValue });
  if (given.index) s.index = prepared(given.index);
  if (given.paths) {
    drawPaths(root, s);
    return;
  }
  if (other) root.querySelector(".head")?.replaceChildren();
  offerSheet(/** @type {HTMLElement} */ (root.querySelector(".sheet")), say("Settings"));
  drawHead(root, s);
  drawWay(root, s);
  markMenu(s);
  /** @type {any} */ (root.querySelector("dialog"))?.redraw();
}
