// Passages of text: lines on a slide, what is heard, what stands in the tables; HTML in them stays text.

import assert from "node:assert/strict";
import test from "node:test";

import { passageLines, passagesSay } from "../../lora_viz/film/player/passages.js";
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
