// In the presenter's toolbar: the time since the deck began, and the way into the notes window.

import { beganAt, keep, minutes } from "./clock.js";
import { isDark } from "./colours.js";
import { first } from "./first.js";
import { say, speakWith } from "./language.js";
import { notesWords, openNotes, sceneForSpeaker, speaker, tellSpeaker, turnOf } from "./notes.js";

/** @type {WeakMap<Element, ReturnType<typeof hang>>} */
const toolbars = new WeakMap();

const REST = 2600; // milliseconds that the toolbar stays after the last move

/** Somebody moves: the toolbar is shown for a while. */
let hiding = 0;
function moved() {
  document.documentElement.dataset.moved = "true";
  clearTimeout(hiding);
  hiding = window.setTimeout(() => delete document.documentElement.dataset.moved, REST);
}

// What was pressed while a page is being turned and no toolbar stands: the next one takes it. It is not for long.
// What a toolbar has asked for before it was taken away is asked again by the next, unless it has come.
const between = { turns: 0, at: 0, stood: 0, asked: { deck: "", from: 0, to: 0, at: 0 } }, PATIENCE = 3000;

/** A press of the clicker, for the toolbar that stands or for the one that is coming. @param {number} by */
function turned(by) {
  if (speaker.turn(by)) return;
  between.turns += by;
  between.at = Date.now();
}

/** The turns that were asked for while no toolbar stood. */
function takeTurns() {
  const turns = Date.now() - between.at < PATIENCE ? between.turns : 0;
  between.turns = 0;
  return turns;
}

/**
 * Every key of a clicker is heard here first, whatever field has the focus, but for a list that is open.
 * @param {KeyboardEvent} event
 */
function clicker(event) {
  const by = turnOf(event), at = /** @type {Element} */ (event.composedPath()[0]);
  if (event.key === "Tab") moved();
  const types = at.matches?.("input, textarea, select, [contenteditable=true]");
  if ((event.key === "." || event.key === "b") && !types && !event.ctrlKey && !event.metaKey && !event.altKey) {
    event.preventDefault(); // what clickers send for a black screen
    return speaker.blank();
  }
  if (!by || event.defaultPrevented || event.shiftKey) return;
  if (at.matches?.("textarea") || at.getAttribute?.("aria-expanded") === "true") return; // a long text pages itself
  event.preventDefault();
  event.stopImmediatePropagation();
  turned(by);
}

/** Heard from the first toolbar on, also between two: until none has stood for a while. */
let listening = false;
function listen() {
  if (listening) return;
  listening = true;
  document.addEventListener("keydown", (event) => {
    if (Date.now() - between.stood < PATIENCE) clicker(event);
  }, { capture: true });
}

/** @param {Element} host */
function hang(host) {
  const root = /** @type {HTMLElement} */ (host.querySelector(".speaker")), gone = new AbortController();
  const find = (/** @type {string} */ name) => /** @type {HTMLElement} */ (root.querySelector(`[data-part="${name}"]`));
  /** @type {any} */
  let scene = null;
  let began = 0, opened = Date.now(), wanted = 0, sent = 0, pressed = 0;
  /** @type {(place: number) => void} */
  let send = () => {};
  // A page that is turned takes the toolbar out and puts it back: only what stays away is gone.
  let stood = Date.now();
  const tick = () => {
    if (!root.isConnected) {
      if (Date.now() - stood < PATIENCE) return;
      clearInterval(clock);
      gone.abort();
      return;
    }
    between.stood = stood = Date.now();
    if (scene && wanted !== scene.place && Date.now() - sent > 1500) ask(); // a press that went astray is asked again
    const text = minutes(Date.now() - began);
    if (find("timer").textContent !== text) find("timer").textContent = text;
  };
  const clock = setInterval(tick, 250);
  find("open").addEventListener("click", (event) => {
    find("blocked").hidden = openNotes();
    // Clicked: the toolbar goes again, unless it says something; who steers by keys stays where he is.
    if (event.detail && find("blocked").hidden) find("open").blur();
  });
  const ask = () => {
    sent = Date.now();
    between.asked = { deck: scene.deck, from: scene.place, to: wanted, at: sent };
    send(wanted);
  };
  between.stood = Date.now();
  listen();
  for (const name of ["pointermove", "pointerdown"]) {
    const heard = { capture: true, passive: true, signal: gone.signal };
    document.addEventListener(name, () => root.isConnected && moved(), heard);
  }
  // The background says which theme is on.
  const theme = () => {
    const paper = getComputedStyle(root).getPropertyValue("--st-background-color").trim();
    return paper === "#000000" ? "contrast" : isDark(paper) ? "dark" : "light";
  };
  // Two presses in a row ask for the scene after the next: neither is lost while the page is still being turned.
  const press = (/** @type {number} */ by) => {
    if (!scene) return false;
    pressed = Date.now();
    if (wanted === scene.place && by > 0 && first.step()) return true;
    wanted = Math.max(1, Math.min(scene.count + 1, wanted + by));
    if (wanted !== scene.place) ask();
    return true;
  };
  return {
    stands: () => root.isConnected && !gone.signal.aborted,
    /** @param {any} data @param {(name: string, value: unknown) => void} setTriggerValue */
    take(data, setTriggerValue) {
      speakWith(data.words);
      send = (place) => setTriggerValue("turned", place);
      if (!scene || scene.place !== data.place) {
        find("blocked").hidden = true;
        opened = Date.now();
        if (!scene || Date.now() - pressed > 1500 || wanted === data.place) wanted = data.place;
        else if (wanted !== data.place) ask(); // pressed again meanwhile
      }
      const { asked } = between, anew = !scene && asked.deck === data.deck && asked.from === data.place;
      scene = data;
      if (anew && Date.now() - asked.at < PATIENCE) {
        wanted = asked.to;
        ask();
      }
      began = beganAt(data.deck, data.beginning);
      const { open, since, blocked } = notesWords();
      find("open").textContent = open;
      find("open").title = say("Notes, next scene and time in a window of their own, for the speaker alone");
      find("timer").setAttribute("aria-label", since);
      find("timer").title = since;
      find("blocked").textContent = blocked;
      tick();
    },
    speak() {
      speaker.scene = () => (root.isConnected ? sceneForSpeaker(scene, began, theme(), opened) : null);
      speaker.turn = (by) => root.isConnected && press(by);
      speaker.reveal = () => root.isConnected && first.reveal();
      speaker.blank = () => {
        document.documentElement.toggleAttribute("data-blank");
      };
      speaker.reset = () => {
        began = Date.now();
        keep("lora-began", { deck: scene.deck, beginning: scene.beginning, at: began });
        tick();
      };
      tellSpeaker();
      for (let turns = takeTurns(); turns; turns -= Math.sign(turns)) press(Math.sign(turns));
    },
  };
}

/**
 * @param {{ data: any, parentElement: Element, setTriggerValue: (name: string, value: unknown) => void }} given
 */
export default function hangUp({ data, parentElement, setTriggerValue }) {
  const before = toolbars.get(parentElement), toolbar = before?.stands() ? before : hang(parentElement);
  toolbars.set(parentElement, toolbar);
  toolbar.take(data, setTriggerValue);
  toolbar.speak();
}
