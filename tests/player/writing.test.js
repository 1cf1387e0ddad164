// Numbers and texts as they are written.

import assert from "node:assert/strict";
import test from "node:test";

import { say, speakWith } from "../../lora_viz/film/player/language.js";
import { format, lowered, raised, singularTexts, tick } from "../../lora_viz/film/player/numbers.js";
import { readoutLines } from "../../lora_viz/film/player/readout.js";
import { fit, legendOf, slug, wrapped } from "../../lora_viz/film/player/text.js";

const measure = (/** @type {string} */ text) => text.length; // a typewriter's

test("numbers are written as style.number writes them in Python", () => {
  // tests/test_player_script.py asks Python about many more.
  const wanted = { 0: "0", 0.5: "0.5", 12.3456: "12.3", 4096: "4096", 123456: "1.23·10⁵", "-2.5e-7": "−2.50·10⁻⁷" };
  for (const [value, text] of Object.entries(wanted)) assert.equal(format(Number(value)), text);
  assert.deepEqual([NaN, Infinity, -Infinity].map(format), ["—", "∞", "−∞"]);
  assert.deepEqual([raised(-16), lowered(12)], ["⁻¹⁶", "₁₂"]);
  assert.deepEqual([tick(1e-3, "log"), tick(1e-3, "sqrt")], ["10⁻³", "0.001"]);
  assert.deepEqual(singularTexts([2, 1e-14, 0]), ["2", "≈ 0", "0"]);
});

test("numbers for reading are written as the language does, those of an axis are data", () => {
  speakWith({ "0.5": "0,5" });
  assert.deepEqual([0.25, -2.5e-7, 3].map(format), ["0,25", "−2,50·10⁻⁷", "3"]);
  assert.deepEqual([tick(0.25, "linear"), tick(1e-3, "sqrt")], ["0.25", "0.001"]);
  assert.deepEqual(singularTexts([1.5, 0]), ["1,5", "0"]);
  speakWith(undefined);
  assert.equal(format(0.25), "0.25");
});

test("a text is said in the words that came, with its values", () => {
  const text = "{value} of {last}";
  assert.equal(say(text, { value: 3, last: "64" }), "3 of 64");
  speakWith({ [text]: "{value} von {last}, {unknown}" });
  assert.equal(say(text, { value: 3, last: "64" }), "3 von 64, {unknown}");
  speakWith(undefined);
  assert.equal(say(text, { value: 3, last: "64" }), "3 of 64");
});

test("a text that does not fit is cut and says so", () => {
  assert.equal(fit(measure, "rank", 4), "rank");
  assert.equal(fit(measure, "learning rate", 9), "learning…");
  assert.equal(fit(measure, "learning rate", 1), "lear…", "a few letters stay");
});

test("lines break between words, and the last says that there is more", () => {
  assert.deepEqual(wrapped(measure, "one two three four", 8, 9), ["one two", "three", "four"]);
  assert.deepEqual(wrapped(measure, "one two three four", 8, 2), ["one two", "three f…"]);
  assert.deepEqual(wrapped(measure, "incomprehensible", 8, 2), ["incomprehensible"]);
  assert.deepEqual(wrapped(measure, "", 8, 2), [""]);
});

test("a legend stays large in one or two rows, and shrinks before it takes a third", () => {
  const entries = (/** @type {number} */ count) => (/** @type {number} */ size) => Array(count).fill(6 * size);
  assert.deepEqual(legendOf(entries(2), 1, 300, 20), { size: 20, rows: 1 });
  assert.deepEqual(legendOf(entries(4), 1, 300, 20), { size: 20, rows: 2 });
  const many = legendOf(entries(6), 1, 300, 20);
  assert.ok(many.size < 20 && many.rows === 2);
  assert.deepEqual(legendOf(entries(40), 1, 300, 20).size, 12);
});

test("a readout's label stands beside its reading, or above it", () => {
  const row = { id: "", label: "loss", text: ["0.5", "0.25"], colour: "ink" };
  const panel = /** @type {any} */ ({ rows: [row, { ...row, label: "a long label of a reading" }] });
  const shown = readoutLines(measure, panel, 1, 20, 2).map(({ parts }) => parts.map(([text, , side]) => [text, side]));
  const above = [[["a long label of", "left"]], [["a reading", "left"]], [["0.25", "right"]]];
  assert.deepEqual(shown, [[["loss", "left"], ["0.25", "right"]], ...above]);
});

test("a file is named in plain letters", () => {
  assert.equal(slug("  Wie groß ist ΔW? Über A·B — ähnlich"), "wie-gross-ist-w-uber-a-b-ahnlich");
  assert.equal(slug("θ/σ₁"), "");
});
