// What a visitor guesses before a picture is shown: the curve that is drawn by hand, and how far it is off.

import { nearest } from "./axes.js";

/** @typedef {import("./types").Frame} Frame */

/**
 * A drag from one place to another draws the guess: the frame below the pointer gets the pointer's height.
 * @param {Float32Array} guess is changed @param {Frame} frame @param {ArrayLike<number>} values @param {boolean} log
 * @param {[number, number]} from @param {[number, number]} to
 */
export function sketch(guess, frame, values, log, from, to) {
  const height = (/** @type {number} */ py) => {
    const share = Math.max(0, Math.min(1, (frame.bottom - py) / (frame.bottom - frame.top)));
    return log ? frame.low * (frame.high / frame.low) ** share : frame.low + share * (frame.high - frame.low);
  };
  const i0 = nearest(values, frame.x, from[0]), i1 = nearest(values, frame.x, to[0]);
  for (let i = Math.min(i0, i1); i <= Math.max(i0, i1); i++) {
    const share = i1 === i0 ? 1 : (i - i0) / (i1 - i0);
    guess[i] = height(from[1] + share * (to[1] - from[1]));
  }
}

/**
 * How far is the drawn curve from the measured one, in the median? In the picture's own terms: a factor on a log axis,
 * else a distance. NaN: they meet nowhere.
 * @param {ArrayLike<number>} guess @param {ArrayLike<number>} measured @param {boolean} log
 */
export function offBy(guess, measured, log) {
  const off = Array.from(guess).flatMap((v, i) => {
    const y = measured[i];
    if (!Number.isFinite(v) || !Number.isFinite(y)) return [];
    if (!log) return [Math.abs(v - y)];
    return y > 0 && v > 0 ? [Math.max(v / y, y / v)] : [];
  });
  return off.length ? off.sort((a, b) => a - b)[Math.floor(off.length / 2)] : NaN;
}

/** The number that was typed, with a point or a comma; NaN: it is none. @param {string} text */
export function typed(text) {
  const plain = text.trim().replace(",", ".");
  return plain === "" || !Number.isFinite(Number(plain)) ? NaN : Number(plain);
}
