// A question to the room: nobody sees an answer before the reveal, which has two steps: what the room thinks, then what
// was measured, on the same axes.

import { crowdNode, heads, nearness, thinks } from "./crowd.js";
import { savePicture } from "./crowd_picture.js";
import { first } from "./first.js";
import { say } from "./language.js";
import { draw } from "./stage.js";

/** @typedef {import("./types").Player} Player @typedef {import("./types").Question} Question */
/** @typedef {import("./types").Thought} Thought @typedef {import("./types").Picture<import("./film").Lines>} Lines */

/**
 * @param {Player} s @param {Question} question @param {import("./types").Room} room
 * @param {(said: string) => void} reveal shows what was measured, with this sentence behind it
 */
export function askRoom(s, question, room, reveal) {
  const box = s.find("question"), curve = question.kind === "curve";
  const picture = /** @type {Lines} */ (s.pictures[question.panel || 0]);
  const line = (/** @type {string} */ name, /** @type {string} */ text) => {
    const p = Object.assign(document.createElement("p"), { className: name, textContent: text });
    box.append(p);
    return p;
  };
  let step = 0, busy = false;
  /** @type {Element | null} */
  let shown = null;
  if (curve) {
    picture.veiled = true;
    picture.cell.dataset.asked = "true";
  }
  if (question.choices) {
    const list = Object.assign(document.createElement("ol"), { className: "options" });
    list.append(...question.choices.map((text) => Object.assign(document.createElement("li"), { textContent: text })));
    box.append(list);
  }
  const told = line("room", say("The question is on the phones."));
  told.setAttribute("role", "status");
  const row = document.createElement("div");
  const button = Object.assign(document.createElement("button"), { textContent: say("What does the room think?") });
  button.addEventListener("click", () => first.reveal());
  row.append(button);
  box.append(row);

  const show = (/** @type {Thought} */ thought) => {
    told.textContent = `${thinks(thought)} ${heads(thought)}`;
    box.querySelector(".options")?.remove();
    if (curve) {
      picture.crowd = thought;
      draw(s);
    } else {
      const node = crowdNode(thought);
      if (shown) shown.replaceWith(node);
      else told.before(node);
      shown = node;
    }
    button.textContent = say("What was measured?");
    step = 1;
    dispatchEvent(new Event("resize")); // the question takes more room now
  };
  const end = (/** @type {Thought | null} */ thought) => {
    if (thought) show(thought);
    step = 2;
    button.remove();
    reveal(thought ? nearness(thought) : "");
    if (thought) first.picture = () => savePicture(s, thought);
  };
  const answer = () => {
    if (!s.root.isConnected || !s.root.dataset.asking) return false;
    if (!busy) act();
    return true;
  };
  // What comes back when another scene is shown belongs to nothing that is seen.
  const seen = () => first.reveal === answer && s.root.isConnected;
  const act = async () => {
    busy = true;
    try {
      const thought = await (step ? room.measure() : room.close());
      if (seen()) (step ? end : show)(thought);
    } catch (error) { // without the room the picture is still there
      if (!seen()) return;
      told.textContent = error instanceof Error ? error.message : "";
      if (!step && room.asks(s.present?.scene)) button.textContent = say("Try again");
      else end(null);
    } finally {
      busy = false;
    }
  };
  first.reveal = answer;
  if (room.state() === "closed") act(); // the page was loaded again in between
  else if (room.state() === "measured") {
    room.thought().then((thought) => seen() && end(thought), () => seen() && end(null));
  }
}
