// Passages of text: lines on a slide, what is heard, what stands in the tables; HTML in them stays text.

import assert from "node:assert/strict";
import test from "node:test";

import { passageLines, passagesSay, shade, tokensAt } from "../../lora_viz/film/player/passages.js";
import { TABLES } from "../../lora_viz/film/player/tables.js";

const panel = /** @type {any} */ ({
  ...{ id: "said", title: "Said", kind: "passages", span: 6, row: 0, tall: 1 },
  rows: [
    { id: "base", label: "base", text: ["aa bb cc dd"], colour: "W" },
    { id: "lora", label: "LoRA", text: ["first", "<b>two</b>\nthree"], colour: "delta" },
  ],
});
const measure = (/** @type {string} */ text) => text.length;

test("a label stands above its text, which is broken where it does not fit", () => {
  const lines = passageLines(measure, panel, 1, 10).map(({ text, label }) => [text, label]);
  assert.deepEqual(lines, [
    ["base", true], ["aa bb cc", false], ["dd", false], ["LoRA", true], ["<b>two</b>", false], ["three", false],
  ]);
});

test("what is heard and what the table says is what is written at the playhead", () => {
  assert.equal(passagesSay(panel, 0), "base: aa bb cc dd; LoRA: first");
  const [table] = TABLES.passages(/** @type {any} */ ({ panel }), /** @type {any} */ ({ t: 1 }));
  assert.deepEqual(table.rows, [["base", "aa bb cc dd"], ["LoRA", "<b>two</b>\nthree"]]);
});

const row = {
  ...{ id: "h", label: "h", colour: "A", text: ["one two", "one"], tokens: [["one", " two"], ["one"]], limit: 4 },
  values: { at: (/** @type {number} */ t) => [[2, -8], [1, NaN]][t] },
};
const shaded = /** @type {any} */ ({ ...panel, rows: [row] });

test("tokens carry their numbers, and what is beyond the limit is shaded as the limit", () => {
  assert.deepEqual(tokensAt(/** @type {any} */ (row), 0), [["one", 2], [" two", -8]]);
  assert.deepEqual(tokensAt(/** @type {any} */ (row), 1), [["one", 1]]);
  assert.deepEqual([shade(2, 4), shade(-8, 4), shade(NaN, 4)], [0.5, -1, 0]);
  assert.equal(passagesSay(shaded, 0), "h: one two (two −8, one 2)");
  const [table] = TABLES.passages(/** @type {any} */ ({ panel: shaded }), /** @type {any} */ ({ t: 0 }));
  assert.deepEqual(table.rows, [["h", "one 2 · two −8"]]);
});

test("on a slide tokens stand end to end and go on below", () => {
  const lines = passageLines(measure, shaded, 0, 5);
  assert.deepEqual(lines.map(({ text, runs }) => [text, runs]), [
    ["h", undefined], ["one", [["one", 0, 2]]], [" two", [[" two", 0, -8]]],
  ]);
  assert.deepEqual(passageLines(measure, shaded, 0, 9)[1].runs, [["one", 0, 2], [" two", 3, -8]]);
});
