// The hand on a panel: dragging, hovering, clicking, and the keys that reach the same.

import { sketch } from "./guess.js";
import { kindOf } from "./kinds.js";
import { say } from "./language.js";
import { format } from "./numbers.js";
import { pause, seek } from "./playhead.js";
import { draw, drawOne, enlarge, speak, tip } from "./stage.js";
import { symbolsOf } from "./symbols.js";

/** @typedef {import("./types").Player} Player @typedef {import("./types").Picture} Picture */

/** @param {Player} s @param {Picture} p */
export function listen(s, p) {
  if (!p.canvas) return;
  const kind = kindOf(p), canvas = p.canvas;
  const asks = (/** @type {Parameters<import("./types").Ask>} */ ...to) => ask(s, p, ...to);
  const place = (/** @type {PointerEvent} */ event) => {
    const r = canvas.getBoundingClientRect();
    return /** @type {[number, number]} */ ([event.clientX - r.left, event.clientY - r.top - p.box.lead]);
  };
  const scrub = (/** @type {number} */ x) => seek(s, kind.scrub?.(p, x, s) ?? s.t);
  /** @type {[number, number] | null} */
  let held = null;
  const little = () => p.cell.dataset.size === "small";
  canvas.addEventListener("click", () => {
    if (little()) enlarge(s, p.panel.id);
  });
  canvas.addEventListener("pointerdown", (event) => {
    if (little()) return; // it takes the large one's place first
    held = place(event);
    canvas.setPointerCapture(event.pointerId);
    if (p.veiled) return drawGuess(s, p, held, held);
    if (kind.press) {
      pause(s);
      if (kind.press(p, ...held, s, asks)) draw(s);
    }
    if (kind.scrub) {
      pause(s);
      scrub(held[0]);
    }
    const cell = p.panel.picks ? kind.cell?.(p, ...held) : null;
    if (!cell) return;
    held = null;
    s.pick(...cell);
  });
  canvas.addEventListener("pointermove", (event) => {
    const at = place(event);
    if (held && p.veiled) {
      drawGuess(s, p, held, at);
      held = at;
      return;
    }
    if (held && kind.scrub) scrub(at[0]);
    else if (held && kind.turn?.(p, at[0] - held[0], at[1] - held[1])) {
      held = at;
      drawOne(s, p);
    }
    if (!held) point(s, p, at);
  });
  for (const name of ["pointerup", "pointercancel"]) canvas.addEventListener(name, () => {
    held = null;
  });
  canvas.addEventListener("pointerup", (event) => { // a finger cannot hover: where it tapped is read
    if (event.pointerType === "touch" && !little() && !p.veiled) point(s, p, place(event));
  });
  canvas.addEventListener("pointerleave", (event) => {
    if (event.pointerType === "touch") return; // what was tapped stays to be read
    p.hover = null;
    tip(s, p, null);
    if (!kind.leave) return;
    kind.leave(p);
    drawOne(s, p);
  });
  const turns = kind.keyed?.(p.panel) !== false;
  canvas.style.cursor = p.panel.picks ? "pointer" : kind.cursor || (kind.turn && turns ? "grab" : "");
  const keyed = Boolean(kind.key && turns);
  if (keyed) canvas.setAttribute("role", "application"); // its keys are its own
  canvas.addEventListener("focus", () => {
    if (!canvas.matches(":focus-visible")) return;
    p.hover = [16, 16];
    const keys = p.veiled ? pencilKeys() : keyed ? kind.keys?.(p.panel) : "";
    tip(s, p, [keys, symbolsOf(p.panel)].filter(Boolean).join(" · "));
  });
  canvas.addEventListener("blur", () => tip(s, p, null));
  canvas.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && !s.tip.hidden) {
      event.preventDefault();
      return tip(s, p, null);
    }
    const text = p.veiled ? pencil(s, p, event.key)
      : keyed ? kind.key?.(p, event.key, s, asks, s.pick) ?? null : null;
    if (text === null) return;
    event.preventDefault();
    p.hover = [16, 16];
    draw(s);
    tip(s, p, text);
    speak(s, text);
  });
  if (kind.turn && turns) p.cell.append(turning(s, p));
}

/** What is there under the pointer; on the title, what its symbols mean. @param {Player} s @param {Picture} p
 * @param {[number, number]} at */
function point(s, p, at) {
  const kind = kindOf(p), title = at[1] < p.box.font * 1.7 ? symbolsOf(p.panel) || null : null;
  const text = kind.hover?.(p, ...at, s) ?? title;
  p.hover = text ? at : null;
  tip(s, p, text);
  if (kind.redraws) drawOne(s, p);
}

/** Buttons that do what dragging and the arrow keys do. @param {Player} s @param {Picture} p */
function turning(s, p) {
  const group = Object.assign(document.createElement("div"), { className: "turns" });
  group.setAttribute("role", "group");
  group.setAttribute("aria-label", say("Turn the picture"));
  /** @type {[string, string, number, number][]} */
  const ways = [
    ["◀", say("Turn left"), -26, 0], ["▲", say("Turn up"), 0, -26],
    ["▼", say("Turn down"), 0, 26], ["▶", say("Turn right"), 26, 0],
  ];
  for (const [sign, name, dx, dy] of ways) {
    const button = Object.assign(document.createElement("button"), { textContent: sign, title: name });
    button.setAttribute("aria-label", name);
    button.addEventListener("click", () => {
      kindOf(p).turn?.(p, dx, dy);
      drawOne(s, p);
    });
    group.append(button);
  }
  return group;
}

const pencilKeys = () => say("Left and right arrows move the pencil, up and down arrows draw");

/**
 * The guess drawn by keys: the pencil stands over a frame, at a height.
 * @param {Player} s @param {Picture} p @param {string} key @returns {string | null}
 */
function pencil(s, p, key) {
  const { frame } = p.cache, values = s.film.values.data;
  const moves = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  const move = moves[/** @type {keyof typeof moves} */ (key)];
  if (!frame || !p.guess || !move) return null;
  const pen = (p.cache.pen ||= { i: 0, y: (frame.top + frame.bottom) / 2 }), before = pen.i;
  pen.i = Math.max(0, Math.min(values.length - 1, pen.i + move[0] * Math.max(1, Math.round(values.length / 40))));
  pen.y = Math.max(frame.top, Math.min(frame.bottom, pen.y + move[1] * (frame.bottom - frame.top) / 25));
  const at = (/** @type {number} */ i) => /** @type {[number, number]} */ ([frame.x(values[i]), pen.y]);
  drawGuess(s, p, at(before), at(pen.i));
  return say("{axis} {value}: your guess {guess}", {
    ...{ axis: s.axis, value: format(values[pen.i]), guess: format(p.guess[pen.i]) },
  });
}

/** @param {Player} s @param {Picture} p @param {[number, number]} from @param {[number, number]} to */
function drawGuess(s, p, from, to) {
  if (!p.cache.frame || !p.guess) return;
  sketch(p.guess, p.cache.frame, s.film.values.data, p.panel.scale === "log", from, to);
  drawOne(s, p);
}

/**
 * Ask for a number on the picture. What is not one is said, and nothing changes.
 * @param {Player} s @param {Picture} p @param {number} x @param {number} y @param {number} value
 * @param {(value: number) => void} accept
 */
function ask(s, p, x, y, value, accept) {
  p.cell.querySelector(".ask")?.remove();
  const shown = `${Number(value.toPrecision(4))}`;
  const input = Object.assign(document.createElement("input"), { className: "ask", value: shown });
  input.setAttribute("aria-label", say("New value"));
  input.style.left = `${Math.min(x, p.box.width - 96)}px`;
  input.style.top = `${y + p.box.lead}px`;
  const close = () => {
    input.remove();
    p.canvas?.focus();
  };
  input.addEventListener("keydown", (event) => {
    event.stopPropagation();
    if (event.key === "Escape") return close();
    if (event.key !== "Enter") return;
    const given = input.value.trim(), number = Number(given);
    if (given === "" || !Number.isFinite(number) || Math.abs(number) > 1e6) {
      p.hover = [x, y + 20];
      const wrong = say(
        "\"{given}\" is not a number from −1000000 to 1000000: the cell stays {value}",
        { given: given.slice(0, 20), value: format(value) },
      );
      speak(s, wrong);
      return tip(s, p, wrong);
    }
    accept(number);
    close();
    draw(s);
  });
  input.addEventListener("blur", () => setTimeout(() => input.remove(), 0));
  p.cell.append(input);
  setTimeout(() => {
    input.focus();
    input.select();
  }, 0);
}
