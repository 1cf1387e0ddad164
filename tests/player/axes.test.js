// Ticks, scales and ends of axes.

import assert from "node:assert/strict";
import test from "node:test";

import * as axes from "../../lora_viz/film/player/axes.js";
import { Tensor } from "../../lora_viz/film/player/tensor.js";

/** @param {...number} values */
const tensor = (...values) => new Tensor(new Float32Array(values), [values.length]);

test("what is counted has whole numbers on its axis", () => {
  const { niceTicks } = axes;
  assert.deepEqual(niceTicks(1, 3, 4, false), [1, 1.5, 2, 2.5, 3]);
  assert.deepEqual(niceTicks(1, 3, 4, true), [1, 2, 3]);
  assert.deepEqual(niceTicks(0, 10, 5, true), [0, 2, 4, 6, 8, 10]);
  assert.deepEqual(niceTicks(0, 10, 4, false), [0, 2.5, 5, 7.5, 10]);
  assert.deepEqual(niceTicks(0, 10, 4, true), [0, 5, 10]);
  for (const high of [1, 2, 7, 36, 300, 4096]) {
    for (const most of [2, 5, 9]) {
      const found = niceTicks(0, high, most, true);
      assert.ok(found.length > 1 && found.every(Number.isInteger), `${high} ${most}: ${found}`);
    }
  }
  assert.equal(axes.counts([tensor(1, 2, NaN), null]), true);
  assert.equal(axes.counts([tensor(1, 1.5)]), false);
});

test("ticks lie between the ends, in order, zero as zero", () => {
  for (const [low, high] of [[-0.3, 0.7], [0, 1e-9], [-5e6, 3], [0.1, 0.3]]) {
    const found = axes.niceTicks(low, high, 5);
    assert.ok(found.every((v, i) => v >= low - 1e-9 && v <= high * (1 + 1e-9) && (!i || v > found[i - 1])), `${found}`);
    if (low < 0) assert.ok(found.includes(0));
  }
  assert.deepEqual(axes.niceTicks(2, 2, 5), [2]);
});

test("powers of ten, every so many, and between them where there are few", () => {
  assert.deepEqual(axes.logTicks(1e-3, 1, 6), [1e-3, 1e-2, 1e-1, 1]);
  assert.deepEqual(axes.logTicks(1e-6, 1, 4).length, 4);
  assert.deepEqual(axes.logTicks(2, 5, 4), [5]);
  assert.deepEqual(axes.closeLogTicks(1, 64), [1, 2, 5, 10, 20, 50]);
  assert.deepEqual(axes.closeLogTicks(1, 1e4), [1, 10, 100, 1000, 10000]);
  assert.deepEqual(axes.closeLogTicks(3, 4), [3, 4]);
});

test("a scale goes from 0 to 1, and a single value stands in the middle", () => {
  for (const kind of ["linear", "log", "sqrt"]) {
    const share = axes.scaleOf(kind, 4, 64);
    assert.equal(share(4), 0);
    assert.equal(share(64), 1);
    assert.equal(axes.scaleOf(kind, 4, 4)(4), 0.5);
  }
  assert.ok(Math.abs(axes.scaleOf("log", 4, 64)(16) - 0.5) < 1e-15);
  assert.equal(axes.scaleOf("sqrt", 4, 64)(25), 0.5);
  assert.equal(axes.scaleOf("linear", 4, 64)(34), 0.5);
});

test("what is not finite and, on a log axis, what is not positive does not stretch it", () => {
  const given = [tensor(NaN, Infinity, -2, 0, 8), null, tensor(0.5)];
  assert.deepEqual(axes.extent(given, false), { low: -2, high: 8, zero: false });
  assert.deepEqual(axes.extent(given, true), { low: 0.5, high: 8, zero: true });
  assert.deepEqual(axes.extent([tensor(NaN)], true), { low: 0.1, high: 1, zero: false });
  assert.deepEqual(axes.extent([tensor(NaN)], false), { low: 0, high: 1, zero: false });
});

test("axes end at whole powers of ten, or a little above the largest", () => {
  assert.deepEqual(axes.ends({ low: 0.02, high: 3 }, true, 0, false), { low: 0.01, high: 10 });
  assert.deepEqual(axes.ends({ low: 1, high: 1 }, true, 0, false), { low: 1, high: 10 });
  assert.deepEqual(axes.ends({ low: 2, high: 25 }, false, 0, false), { low: 0, high: 26 });
  assert.deepEqual(axes.ends({ low: 2, high: 3 }, false, 25, false), { low: 0, high: 26 });
  assert.deepEqual(axes.ends({ low: 0, high: 0 }, false, 0, false), { low: 0, high: 1.04 });
  const { low } = axes.ends({ low: -25, high: 0 }, false, 0, true);
  assert.equal(low, -26);
});

test("the nearest place, the first of two as near", () => {
  const x = (/** @type {number} */ v) => 10 * v;
  assert.equal(axes.nearest([0, 1, 2, 5], x, 34), 2);
  assert.equal(axes.nearest([0, 1, 2, 5], x, 15), 1);
  assert.equal(axes.nearest([0, 1, 2, 5], x, -99), 0);
});
