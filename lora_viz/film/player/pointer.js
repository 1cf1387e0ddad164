// The hand on a panel: dragging, hovering, clicking, and the keys that reach the same.

import { sketch } from "./guess.js";
import { kindOf } from "./kinds.js";
import { say } from "./language.js";
import { format } from "./numbers.js";
import { pause, seek } from "./playhead.js";
import { draw, drawOne, enlarge, tip } from "./stage.js";

/** @typedef {import("./types").Player} Player @typedef {import("./types").Picture} Picture */

/** @param {Player} s @param {Picture} p */
export function listen(s, p) {
  if (!p.canvas) return;
  const kind = kindOf(p), canvas = p.canvas;
  const asks = (/** @type {Parameters<import("./types").Ask>} */ ...to) => ask(s, p, ...to);
  const place = (/** @type {PointerEvent} */ event) => {
    const r = canvas.getBoundingClientRect();
    return /** @type {[number, number]} */ ([event.clientX - r.left, event.clientY - r.top]);
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
    const text = held ? null : kind.hover?.(p, ...at, s) ?? null;
    p.hover = text ? at : null;
    tip(s, p, text);
    if (kind.redraws && !held) drawOne(s, p);
  });
  for (const name of ["pointerup", "pointercancel"]) canvas.addEventListener(name, () => {
    held = null;
  });
  canvas.addEventListener("pointerleave", () => {
    p.hover = null;
    tip(s, p, null);
    if (!kind.leave) return;
    kind.leave(p);
    drawOne(s, p);
  });
  const turns = kind.keyed?.(p.panel) !== false;
  canvas.style.cursor = p.panel.picks ? "pointer" : kind.cursor || (kind.turn && turns ? "grab" : "");
  if (!kind.key || !turns) return;
  canvas.tabIndex = 0;
  canvas.addEventListener("keydown", (event) => {
    const text = kind.key?.(p, event.key, s, asks, s.pick) ?? null;
    if (text === null) return;
    event.preventDefault();
    p.hover = [16, 16];
    draw(s);
    tip(s, p, text);
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
  input.style.top = `${y}px`;
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
      return tip(s, p, say(
        "\"{given}\" is not a number from −1000000 to 1000000: the cell stays {value}",
        { given: given.slice(0, 20), value: format(value) },
      ));
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
