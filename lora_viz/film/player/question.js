// Predict, then reveal: a question hides the pictures until it is answered, then shows the guess beside what was
// measured.

import { offBy, typed } from "./guess.js";
import { say } from "./language.js";
import { format } from "./numbers.js";
import { askRoom } from "./asking_room.js";
import { first, roomNow } from "./first.js";
import { arrange, draw, focused } from "./stage.js";

/** @typedef {import("./types").Player} Player @typedef {import("./types").Question} Question */
/** @typedef {import("./types").Picture<import("./film").Lines>} Lines */

/** @param {Player} s @param {Question | null | undefined} question */
export function askFirst(s, question) {
  const box = s.find("question");
  box.replaceChildren();
  box.hidden = !question;
  s.root.dataset.asking = question ? question.kind : "";
  const noRoom = { again: undefined, picture: undefined };
  Object.assign(first, { step: () => false, reveal: () => false, ...noRoom });
  if (!question) return;
  first.again = () => {
    if (s.root.isConnected && s.root.dataset.asking) askFirst(s, question);
  };
  // A clicker has one button: it reveals, then says what is seen, then the page is turned.
  first.reveal = () => s.root.isConnected && Boolean(s.root.dataset.asking) && reveal(s, question, "", "");
  first.step = () => first.reveal() || (s.root.isConnected && sayCaption(s));
  box.setAttribute("role", "group");
  box.setAttribute("aria-label", question.text);
  const room = roomNow();
  if (room?.asks(s.present?.scene)) return askRoom(s, question, room, (said) => reveal(s, question, "", said));
  if (s.present?.file) {
    const alone = say("This file has no server, so no room can answer: it asks one person.");
    box.append(Object.assign(document.createElement("p"), { className: "alone", textContent: alone }));
  }
  const row = document.createElement("div");
  box.append(row);
  const button = (/** @type {string} */ label, /** @type {() => void} */ action) => {
    const b = Object.assign(document.createElement("button"), { textContent: label });
    b.addEventListener("click", action);
    row.append(b);
    return b;
  };
  if (question.kind === "choice") {
    const right = (/** @type {number} */ i) => (i === question.answer ? say("That is what you said.") : "");
    question.choices?.forEach((choice, i) => {
      const b = button(choice, () => reveal(s, question, choice, right(i)));
      const key = Object.assign(document.createElement("kbd"), { textContent: `${i + 1}` });
      key.setAttribute("aria-hidden", "true");
      b.dataset.choice = `${i + 1}`;
      b.prepend(key);
    });
  } else if (question.kind === "number") askNumber(s, question, row, button);
  else {
    const p = /** @type {Lines} */ (s.pictures[question.panel || 0]);
    p.veiled = true;
    p.guess = new Float32Array(s.film.values.data.length).fill(NaN);
    p.cell.dataset.asked = "true";
    button(say("That is my curve"), () => reveal(s, question, say("the dotted curve"), distance(p, question)));
  }
  button(say("Reveal"), () => reveal(s, question, "", "")).className = "quiet";
}

/**
 * @param {Player} s @param {Question} question @param {HTMLElement} row
 * @param {(label: string, action: () => void) => HTMLElement} button
 */
function askNumber(s, question, row, button) {
  const input = Object.assign(document.createElement("input"), { type: "text", inputMode: "decimal" });
  input.setAttribute("aria-label", question.text);
  const take = () => {
    const given = typed(input.value), text = input.value.slice(0, 20);
    if (Number.isNaN(given)) tell(s, say("\"{given}\" is not a number: give one, 0.5 say.", { given: text }));
    else reveal(s, question, format(given), "");
  };
  input.addEventListener("keydown", (event) => {
    event.stopPropagation();
    if (event.key === "Enter") take();
  });
  row.append(input);
  button(say("That is my guess"), take);
}

/** @param {Player} s @param {string} text */
function tell(s, text) {
  const box = s.find("question");
  let line = box.querySelector(".told");
  if (!line) {
    line = Object.assign(document.createElement("p"), { className: "told" });
    line.setAttribute("role", "status");
    line.tabIndex = -1;
    box.append(line);
  }
  line.textContent = text;
}

/** @param {Player} s @param {Question} question @param {string} guess @param {string} verdict */
function reveal(s, question, guess, verdict) {
  const held = s.find("question").contains(focused(s));
  s.root.dataset.asking = "";
  if (question.panel !== undefined && !s.present?.panels?.length) s.chosen = s.film.panels[question.panel].id;
  for (const b of s.find("question").querySelectorAll("button, input")) b.remove();
  for (const p of s.pictures) {
    p.veiled = false;
    delete p.cell.dataset.asked;
  }
  const given = guess && say("Your guess: {guess}.", { guess });
  const measured = say("Measured: {measured}.", { measured: question.measured });
  tell(s, [given, measured, verdict].filter(Boolean).join(" "));
  arrange(s);
  draw(s);
  if (held) s.find("question").querySelector(".told")?.focus();
  return true;
}

/** The sentence of the scene, after the answer; false: it is said already, or there is none. @param {Player} s */
function sayCaption(s) {
  const caption = s.present?.caption, box = s.find("question");
  if (!caption || box.querySelector(".caption")) return false;
  box.append(Object.assign(document.createElement("p"), { className: "caption", textContent: caption }));
  arrange(s);
  draw(s);
  return true;
}

/** @param {Lines} p @param {Question} question */
function distance({ panel, guess }, question) {
  const log = panel.scale === "log", off = offBy(guess || [], panel.series[question.series || 0].y.data, log);
  if (Number.isNaN(off)) return "";
  return log
    ? say("In the median you were off by a factor of {factor}.", { factor: format(off) })
    : say("In the median you were off by {distance}.", { distance: format(off) });
}
