// The reader: what Python packed comes back, what breaks the protocol is refused with its place.

import assert from "node:assert/strict";
import test from "node:test";

import { decode, faultOf, FilmError } from "../../lora_viz/film/player/decode.js";
import { PROTOCOL } from "../../lora_viz/film/player/protocol.js";
import { Tensor } from "../../lora_viz/film/player/tensor.js";
import { aFilm, array, packed } from "./film.js";

test("arrays come back as views with their shapes, from a view that is not aligned, too", () => {
  const bytes = packed({ film: aFilm(), words: { step: "Schritt" } });
  const moved = new Uint8Array(bytes.length + 1);
  moved.set(bytes, 1);
  for (const given of [bytes, moved.subarray(1)]) {
    const { film, words, run } = decode(given), heat = /** @type {any} */ (film.panels[1]);
    assert.deepEqual([...film.values.data], [0, 1, 2]);
    assert.deepEqual(heat.values.shape, [3, 2, 1]);
    assert.deepEqual([...heat.values.at(1, 2)], [3, 4]);
    assert.ok(Number.isNaN(heat.values.at(2, 2)[0]));
    assert.equal(film.narration[2], "‖∇A‖");
    assert.deepEqual([words, run], [{ step: "Schritt" }, "0"]);
  }
});

test("an array that stands still is the same at every frame", () => {
  const still = new Tensor(new Float32Array([1, 2, 3]), [3]);
  assert.deepEqual([...still.at(7, 1)], [1, 2, 3]);
});

/** @param {(film: any) => void} change @param {Record<string, any>} [beside] */
const refused = (change, beside) => {
  const film = aFilm();
  change(film);
  try {
    decode(packed({ film, ...beside }));
  } catch (error) {
    assert.ok(error instanceof FilmError);
    return [error.why, error.message];
  }
  return null;
};

test("another version is another version", () => {
  assert.equal(refused(() => {}), null);
  assert.deepEqual(refused(() => {}, { protocol: PROTOCOL.version + 1 }), ["version", `${PROTOCOL.version + 1}`]);
  assert.equal(refused(() => {}, { protocol: undefined })?.[0], "version");
});

/** @type {[string, (film: any) => void][]} */
const DAMAGED = [
  ["film.panels[0]", (film) => (film.panels[0].kind = "pie")],
  ["film.panels[0]", (film) => (film.panels[0] = null)],
  ["film.panels[0].title", (film) => delete film.panels[0].title],
  ["film.panels[0].series[0].id", (film) => (film.panels[0].series[0].id = "ΔW")],
  ["film.panels[0].scale", (film) => (film.panels[0].scale = "cubic")],
  ["film.panels[0].series[0].colour", (film) => (film.panels[0].series[0].colour = "mauve")],
  ["film.panels[0].series[0].y", (film) => (film.panels[0].series[0].y = array([2], [1, 2]))],
  ["film.panels[0].series[0].y", (film) => (film.panels[0].series[0].y = array([3, 1], [1, 2, 3]))],
  ["film.panels[0].series[0].low", (film) => (film.panels[0].series[0].low = 3)],
  ["film.panels[0].marks", (film) => (film.panels[0].marks = "here")],
  ["film.panels[1].limit", (film) => (film.panels[1].limit = array([2], [1, 2]))],
  ["film.panels[1].caption", (film) => (film.panels[1].caption = ["a", "b"])],
  ["film.panels[1].span", (film) => (film.panels[1].span = 1.5)],
  ["film.narration", (film) => (film.narration = ["one"])],
  ["film.values", (film) => (film.values = [0, 1, 2])],
  ["film.autoplay", (film) => (film.autoplay = 1)],
];
for (const [where, change] of DAMAGED) {
  test(`damaged at ${where}: ${change}`, () => assert.deepEqual(refused(change), ["damaged", where]));
}

test("an array that is not all there is refused", () => {
  const bytes = packed({ film: aFilm() });
  assert.throws(() => decode(bytes.subarray(0, bytes.length - 4)), { why: "damaged" });
});

test("sizes belong to their panel, and the number of frames to the film", () => {
  const { film } = decode(packed({ film: aFilm() }));
  const wider = structuredClone({ ...film.panels[1], values: null });
  const other = { ...wider, values: new Tensor(new Float32Array(15), [3, 5]) };
  assert.equal(faultOf({ ...film, panels: [...film.panels, other] }), "");
  other.values = new Tensor(new Float32Array(60), [4, 3, 5]);
  assert.equal(faultOf({ ...film, panels: [...film.panels, other] }), "film.panels[2].values");
});
