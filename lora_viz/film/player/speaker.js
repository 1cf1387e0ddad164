// In the presenter's toolbar: the time since the deck began, and the way into the notes window.

import { beganAt, keep, minutes } from "./clock.js";
import { isDark } from "./colours.js";
import { say, speakWith } from "./language.js";
import { notesWords, openNotes, sceneForSpeaker, speaker, tellSpeaker, turnOf } from "./notes.js";

/** @type {WeakMap<Element, ReturnType<typeof hang>>} */
const toolbars = new WeakMap();

/**
 * Streamlit leaves a key to whatever field has the focus, a ticked box included; a clicker is not meant for that field.
 * @param {KeyboardEvent} event
 */
function clicker(event) {
  const by = turnOf(event), at = /** @type {Element} */ (event.composedPath()[0]);
  if (!by || event.defaultPrevented || event.shiftKey) return;
  if (!at.matches?.("input, select") || at.getAttribute("aria-expanded") === "true") return; // a long text pages itself
  event.preventDefault();
  event.stopImmediatePropagation();
  speaker.turn(by);
}

/** @param {Element} host */
function hang(host) {
  const root = /** @type {HTMLElement} */ (host.querySelector(".speaker")), gone = new AbortController();
  const find = (/** @type {string} */ name) => /** @type {HTMLElement} */ (root.querySelector(`[data-part="${name}"]`));
  /** @type {any} */
  let scene = null;
  let began = 0;
  const tick = () => {
    if (!root.isConnected) {
      clearInterval(clock);
      gone.abort();
      return;
    }
    const text = minutes(Date.now() - began);
    if (find("timer").textContent !== text) find("timer").textContent = text;
  };
  const clock = setInterval(tick, 250);
  find("open").addEventListener("click", () => {
    find("blocked").hidden = openNotes();
  });
  document.addEventListener("keydown", (event) => {
    if (root.isConnected) clicker(event);
  }, { capture: true, signal: gone.signal });
  // The background says which theme is on.
  const theme = () => {
    const paper = getComputedStyle(root).getPropertyValue("--st-background-color").trim();
    return paper === "#000000" ? "contrast" : isDark(paper) ? "dark" : "light";
  };
  const press = (/** @type {number} */ by) => {
    const button = document.querySelector(by > 0 ? ".st-key-scene_next button" : ".st-key-scene_back button");
    if (button instanceof HTMLElement) button.click();
    return Boolean(button);
  };
  return {
    /** @param {any} data */
    take(data) {
      speakWith(data.words);
      if (!scene || scene.place !== data.place) find("blocked").hidden = true;
      scene = data;
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
      speaker.scene = () => (root.isConnected ? sceneForSpeaker(scene, began, theme()) : null);
      speaker.turn = (by) => root.isConnected && press(by);
      speaker.reset = () => {
        began = Date.now();
        keep("lora-began", { deck: scene.deck, beginning: scene.beginning, at: began });
        tick();
      };
      tellSpeaker();
    },
  };
}

/** @param {{ data: any, parentElement: Element }} given */
export default function hangUp({ data, parentElement }) {
  const toolbar = toolbars.get(parentElement) || hang(parentElement);
  toolbars.set(parentElement, toolbar);
  toolbar.take(data);
  toolbar.speak();
}
