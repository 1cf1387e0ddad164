// The page around the player in a file of its own: which picture is shown, by button, list or clicker.

import { beganAt, keep, minutes } from "./clock.js";
import { first } from "./first.js";
import { framed } from "./framed.js";
import { say, speakWith } from "./language.js";
import { notesWords, openNotes, sceneForSpeaker, speaker, tellSpeaker, turnOf } from "./notes.js";
import show, { players } from "./player.js";
import { pause } from "./playhead.js";
import { unpack } from "./unpack.js";

/** @typedef {Record<"title" | "caption" | "film" | "takeaway" | "notes" | "source" | "about", string>} Leaf */

const part = (/** @type {string} */ name) => /** @type {HTMLElement} */ (document.getElementById(name));
const given = JSON.parse(part("leaves").textContent || ""), host = part("host");
const leaves = /** @type {Leaf[]} */ (given.leaves);
speakWith(given.words);
const THEMES = [["light", say("light")], ["dark", say("dark")], ["contrast", say("contrast")]];
const list = /** @type {HTMLSelectElement} */ (part("list")), deck = `${location.pathname} ${document.title}`;
const inFrame = framed();
let now = 0, opened = Date.now(), began = beganAt(deck), notes = false;
let looks = matchMedia("(prefers-color-scheme: dark)").matches ? 1 : 0;

/** @param {number} to */
async function turn(to) {
  now = Math.max(0, Math.min(leaves.length - 1, to));
  opened = Date.now();
  Object.assign(first, { step: () => false, reveal: () => false }); // what the scene before did first
  const leaf = leaves[now], player = players.get(host);
  const shown = /** @type {const} */ (["title", "caption", "takeaway", "notes", "source"]);
  for (const name of shown) part(name).textContent = leaf[name];
  part("notes").hidden = !notes || !leaf.notes;
  list.selectedIndex = now;
  part("count").textContent = say("{value} of {last}", { value: now + 1, last: leaves.length });
  host.hidden = !leaf.film;
  if (leaf.film) show({ data: await unpack(leaf.film), parentElement: host, setTriggerValue() {} });
  else if (player) pause(player); // a page without a picture: what was playing rests
  const root = host.querySelector(".player"); // the keys are the player's: here it is the page
  if (leaf.film && !inFrame && document.activeElement === document.body && root instanceof HTMLElement) {
    root.focus({ preventScroll: true });
  }
  const share = host.querySelector('[data-part="share"]');
  if (share instanceof HTMLElement) share.hidden = true; // a file has no address to share
  document.documentElement.dataset.leaf = `${now}`;
  document.documentElement.dataset.deck = leaves.length > 1 ? "true" : "";
  document.title = [leaf.caption || leaf.title, given.title].filter(Boolean).join(" · ");
  part("blocked").hidden = true;
  tellSpeaker();
}

/** @param {number} by */
function look(by) {
  looks = (looks + by) % THEMES.length;
  [document.documentElement.dataset.theme, part("theme").textContent] = THEMES[looks];
  tellSpeaker();
}

leaves.forEach((leaf, i) => list.append(new Option(`${i + 1}. ${leaf.caption || leaf.title}`)));
list.addEventListener("change", () => turn(list.selectedIndex));
part("back").addEventListener("click", () => go(-1));
part("forth").addEventListener("click", () => go(1));
part("theme").addEventListener("click", () => look(1));
part("tell").addEventListener("click", () => {
  notes = !notes;
  part("notes").hidden = !notes || !leaves[now].notes;
});
/** One on or back; on, what the picture does first. @param {number} by */
function go(by) {
  if (by < 0 || !first.step()) turn(now + by);
}

addEventListener("keydown", (event) => { // a clicker is not meant for the field that has the focus
  const by = turnOf(event), typed = event.target instanceof Element && event.target.matches("input, select");
  if ((event.key === "." || event.key === "b") && !typed && !event.ctrlKey && !event.metaKey && !event.altKey) {
    return speaker.blank();
  }
  if (!by) return;
  event.preventDefault();
  go(by);
}, true);
let hiding = 0;
for (const name of ["pointermove", "pointerdown"]) addEventListener(name, () => {
  document.documentElement.dataset.moved = "true";
  clearTimeout(hiding);
  hiding = window.setTimeout(() => delete document.documentElement.dataset.moved, 2600);
}, { capture: true, passive: true });
setInterval(() => {
  const text = minutes(Date.now() - began);
  if (part("timer").textContent !== text) part("timer").textContent = text;
}, 250);
speaker.scene = () => {
  const { about, title, notes: told } = leaves[now], next = leaves[now + 1];
  return sceneForSpeaker({
    ...{ place: now + 1, count: leaves.length, notes: told },
    caption: about || title,
    asked: about ? title : "",
    next: next?.about || next?.title,
  }, began, THEMES[looks][0], opened);
};
speaker.turn = (by) => {
  go(by);
  return true;
};
speaker.reveal = () => first.reveal();
speaker.blank = () => {
  document.documentElement.toggleAttribute("data-blank");
};
speaker.reset = () => {
  began = Date.now();
  keep("lora-began", { deck, at: began });
};
const { open, since, blocked } = notesWords();
part("speak").textContent = open;
part("timer").setAttribute("aria-label", since);
part("blocked").textContent = blocked;
part("speak").addEventListener("click", () => {
  part("blocked").hidden = openNotes();
});
if (leaves.length === 1) for (const name of ["list", "back", "forth", "count", "timer"]) part(name).hidden = true;
if (!leaves.some((leaf) => leaf.notes)) part("tell").hidden = true;
if (leaves.length === 1 && !leaves[0].notes) part("speak").hidden = true;
look(0);
turn(0);
