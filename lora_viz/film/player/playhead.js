// One playhead for a page. The clock is here: playing and scrubbing send nothing to the server.

import { say } from "./language.js";
import { draw, lastOf } from "./stage.js";

/** @typedef {import("./types").Player} Player */

/** Is the film at its end? @param {Player} s */
const over = (s) => s.t >= lastOf(s);

/** @param {Player} s @param {number} t a frame, or beyond either end */
export function seek(s, t) {
  if (!s.film) return;
  pause(s);
  s.t = Math.max(0, Math.min(lastOf(s), Math.round(t)));
  if (s.phase) s.phase = 1;
  draw(s);
}

/** One on or back: a frame, or in slow motion a phase. @param {Player} s @param {1 | -1} by */
export function step(s, by) {
  if (!s.film) return;
  if (!s.phase) return seek(s, s.t + by);
  pause(s);
  advance(s, by);
  s.share = 1;
  draw(s);
}

/** One phase on or back; false: there is none. @param {Player} s @param {1 | -1} by */
function advance(s, by) {
  const count = s.film.phases[s.t].length, next = s.phase + by;
  if (next >= 1 && next <= count) s.phase = next;
  else if (by > 0 ? s.t < lastOf(s) : s.t > 0) {
    s.t += by;
    s.phase = by > 0 ? 1 : s.film.phases[s.t].length;
  } else return false;
  return true;
}

/** Slow motion on or off. @param {Player} s */
export function slowly(s) {
  if (!s.film || !s.film.phases.length) return;
  s.slow = !s.slow;
  s.phase = s.slow ? 1 : 0;
  s.share = 1;
  if (s.slow && over(s)) s.t = 0;
  s.find("slow").setAttribute("aria-pressed", s.slow);
  s.due = performance.now() + dwell(s);
  draw(s);
}

/** Play or pause; where motion is to be reduced, one on. @param {Player} s */
export function toggle(s) {
  if (!s.film) return;
  if (s.calm.matches) return over(s) ? seek(s, 0) : step(s, 1);
  if (s.playing) pause(s);
  else play(s);
}

/** @param {Player} s */
export function pause(s) {
  if (!s.playing) return;
  s.playing = false;
  cancelAnimationFrame(s.clock);
  label(s);
  draw(s);
}

/** @param {Player} s */
export function play(s) {
  if (!s.film) return;
  if (over(s)) s.t = 0;
  s.playing = true;
  s.due = performance.now() + dwell(s);
  label(s);
  draw(s);
  s.clock = requestAnimationFrame(() => tick(s));
}

/**
 * Milliseconds of this frame: slow where the story is, the first frames of a training stay longer.
 * @param {Pick<Player, "phase" | "speed" | "film" | "t">} s
 */
export function dwell(s) {
  if (s.phase) return 1500 / s.speed;
  const early = s.film.training ? 1 + 7 * Math.exp(-s.t / 5) : 1;
  return (1000 * s.film.seconds_per_frame * early) / s.speed;
}

/** @param {Player} s */
function tick(s) {
  if (!s.playing || !s.root.isConnected) return;
  const now = performance.now();
  if (s.phase) { // a quick move, then rest
    const share = Math.min(1, 1 - (s.due - now - 1100 / s.speed) / (400 / s.speed));
    if (now >= s.due) {
      if (!advance(s, 1)) return pause(s);
      s.share = 0;
      s.due = now + dwell(s);
      draw(s);
    } else if (s.share !== share) {
      s.share = Math.max(0, share);
      draw(s);
    }
  } else {
    const before = s.t;
    while (now >= s.due && !over(s)) {
      s.t += 1;
      s.due += dwell(s);
      if (now - s.due > 250) s.due = now + dwell(s);
    }
    if (s.t !== before) draw(s);
    if (over(s)) return pause(s);
  }
  s.clock = requestAnimationFrame(() => tick(s));
}

/** What the button does now. @param {Player} s */
export function label(s) {
  const button = s.find("play"), calm = s.calm.matches;
  button.textContent = calm ? say("Next") : s.playing ? say("❚❚ Pause") : say("▶ Play");
  const heard = calm ? say("Next frame (motion is reduced)") : s.playing ? say("Pause") : say("Play");
  button.setAttribute("aria-label", heard);
  s.find("speed").disabled = calm;
  s.find("narration").setAttribute("aria-live", s.playing ? "off" : "polite"); // nobody can follow a sentence a frame
  if (!s.playing) s.share = 1;
  s.root.dataset.playing = `${s.playing}`;
}
