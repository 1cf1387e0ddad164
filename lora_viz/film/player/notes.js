// What the speaker sees and the room does not: a second window with the notes, the next scene and the time. Both
// windows talk by reference: the notes window finds its opener again after that was reloaded, and nothing goes over a
// network. "/" is this page's own origin, also where it is a file; a message counts if it comes from there.

import { keep, minutes } from "./clock.js";
import { say } from "./language.js";
import NOTES_CSS from "./notes.css";
import { speakersWindow } from "./notes_window.js";

/**
 * @typedef Speaker
 * @property {() => object | null} scene what is shown
 * @property {(by: number) => boolean} turn is it turned?
 * @property {() => void} reset
 * @property {() => boolean} reveal the answer that is asked for
 * @property {() => void} blank the room's screen, or show it again
 * @property {Window | null} window
 * @property {((event: MessageEvent) => void) | null} heard
 * @property {Set<string>} turned
 */

const everywhere = /** @type {{ loraSpeaker?: Speaker }} */ (globalThis);

/** One speaker a page, whichever scene's script was loaded last. @type {Speaker} */
export const speaker = (everywhere.loraSpeaker ||= {
  ...{ scene: () => null, turn: () => false, reset: () => {}, reveal: () => false, blank: () => {},
    window: null, heard: null, turned: new Set() },
});

/**
 * A word that only both windows know, and the name by which this tab finds its notes window again.
 * @returns {string}
 */
const secret = () => keep("lora-notes") || keep("lora-notes", `lora-notes-${drawn()}`);

/** 128 bits that nobody can guess. */
const drawn = () => Array.from(crypto.getRandomValues(new Uint32Array(4)), (n) => n.toString(36)).join("-");

/** @param {Window} to one that knows the secret @param {string} [done] */
function answer(to, done) {
  to.postMessage({ lora: secret(), scene: speaker.scene(), done }, "/");
}

export function tellSpeaker() {
  if (speaker.window && !speaker.window.closed) answer(speaker.window);
}

if (speaker.heard) removeEventListener("message", speaker.heard);
speaker.heard = ({ data, source, origin }) => {
  if (origin !== self.origin || !source || /** @type {Window} */ (source).opener !== window) return;
  if (!data || data.lora !== secret() || !data.ask) return;
  speaker.window = /** @type {Window} */ (source);
  // A page that is just being loaded turns nothing yet: what was not done is asked again, what was done is done once.
  const turns = data.ask === "turn" && Math.abs(data.by) === 1 && !speaker.turned.has(data.id);
  if (turns && speaker.turn(data.by)) speaker.turned.add(data.id);
  if (data.ask === "reset") speaker.reset();
  if (data.ask === "reveal") speaker.reveal();
  if (data.ask === "blank") speaker.blank();
  answer(speaker.window, speaker.turned.has(data.id) ? data.id : undefined);
};
addEventListener("message", speaker.heard);

/** Open the notes window, or find it again. False: the browser did not let it open. */
export function openNotes() {
  let there = window.open("", secret(), "popup,width=900,height=700");
  if (!there) return false;
  try {
    if (!there.document.getElementById("caption")) furnish(there);
  } catch { // somebody took it to another site: it is no longer ours
    there = window.open("", keep("lora-notes", `${secret()}-`), "popup,width=900,height=700");
    if (!there) return false;
    furnish(there);
  }
  speaker.window = there;
  there.focus();
  tellSpeaker();
  return true;
}

/** @param {Window} there */
function furnish(there) {
  const page = there.document;
  page.documentElement.lang = document.documentElement.lang || "en";
  page.head.innerHTML = `<meta charset="utf-8"><title></title><style>${NOTES_CSS}</style>`;
  page.body.innerHTML = `<header><b id="place"></b><span><span id="since"></span> <b id="timer" role="timer"></b>
    <button id="reset"></button></span>
    <span><span id="here"></span> <b id="stay" role="timer"></b></span><b id="clock"></b></header>
    <main id="main" tabindex="0"><h1 id="caption"></h1><p id="asked"></p><p id="notes"></p></main>
    <section aria-labelledby="then"><h2 id="then"></h2><p id="next"></p></section>
    <footer><button id="back"></button><button id="forth"></button><button id="reveal"></button>
    <button id="blank"></button><p id="status" role="status"></p></footer>`;
  const script = page.createElement("script"); // runs in that window, so it outlives a reload of this one
  const text = `(${speakersWindow})(${JSON.stringify(secret())}, ${minutes});`;
  script.src = URL.createObjectURL(new Blob([text], { type: "text/javascript" })); // no script is written into a page
  page.body.append(script);
}

/**
 * What the second window shows of a scene: all that it says, in the visitor's language.
 * @param {{ place: number, count: number, caption: string, asked: string, notes: string, next?: string }} scene
 * @param {number} began @param {string} theme @param {number} opened when this scene was
 */
export function sceneForSpeaker({ place, count, caption, asked, notes, next }, began, theme, opened) {
  return {
    ...{ began, theme, caption, notes, opened },
    place: place > count ? say("The end") : say("Scene {place} of {count}", { place, count }),
    asked: asked ? say("Asked first: {question}", { question: asked }) : "",
    next: next || say("This is the last scene."),
    words: {
      title: say("Speaker notes"),
      main: say("This scene"),
      none: say("No notes for this scene."),
      then: say("Next scene"),
      since: say("Since the beginning"),
      reset: say("Reset"),
      here: say("On this scene"),
      reveal: say("Reveal"),
      blank: say("Blank"),
      clock: say("Time of day"),
      back: say("◀ Back"),
      forth: say("Next ▶"),
      left: say("The main window shows no scene now."),
      closed: say("The main window is closed."),
      silent: say("The main window does not answer."),
    },
  };
}

/** The words of the way into the notes window. */
export const notesWords = () => ({
  open: say("Notes window"),
  since: say("Since the beginning"),
  blocked: say("The browser blocked the notes window: allow pop-ups for this page, then press the button again."),
});

/** Does this key turn the page, and which way? @param {KeyboardEvent} event */
export function turnOf(event) {
  if (event.ctrlKey || event.altKey || event.metaKey) return 0;
  return event.key === "PageDown" ? 1 : event.key === "PageUp" ? -1 : 0;
}
