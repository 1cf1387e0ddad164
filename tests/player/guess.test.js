// What a visitor guesses: typed, or drawn by hand.

import assert from "node:assert/strict";
import test from "node:test";

import { offBy, sketch, typed } from "../../lora_viz/film/player/guess.js";

test("a typed guess may have a comma, and must be a number", () => {
  assert.deepEqual(["0,5", " -3 ", "1e-2"].map(typed), [0.5, -3, 0.01]);
  assert.deepEqual(["", " ", "x", "1.2.3", "Infinity"].map((text) => Number.isNaN(typed(text))), Array(5).fill(true));
});

/** @type {any} */
const FRAME = {
  ...{ top: 100, bottom: 200, low: 1, high: 100 },
  x: (/** @type {number} */ v) => 10 * v,
};
const VALUES = [0, 1, 2, 3, 4];
const none = () => new Float32Array(5).fill(NaN);

test("a drag draws every frame between its ends, at the pointer's height", () => {
  const guess = none();
  sketch(guess, FRAME, VALUES, false, [10, 200], [30, 100]);
  assert.deepEqual([...guess], [NaN, 1, 50.5, 100, NaN]);
  sketch(guess, FRAME, VALUES, false, [40, 999], [29, -50]);
  assert.deepEqual([...guess].slice(3), [100, 1], "beyond the axes is at their ends");
});

test("on a log axis the middle of the height is the geometric mean", () => {
  const guess = none();
  sketch(guess, FRAME, VALUES, true, [20, 150], [20, 150]);
  assert.ok(Math.abs(guess[2] - 10) < 1e-5);
});

test("a drawn curve is off by a factor or by a distance, in the median of what both have", () => {
  assert.equal(offBy([1, 2, NaN, 8], [2, 2, 2, 2], false), 1);
  assert.equal(offBy([1, 2, NaN, 8], [2, 2, 2, 2], true), 2);
  assert.equal(offBy([1, 4], [0, 2], true), 2, "zero has no factor");
  assert.ok(Number.isNaN(offBy([NaN], [1], false)));
});
