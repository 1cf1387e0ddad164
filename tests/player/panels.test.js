// What kinds of panels work out before they draw: tables, regions, the layer's boxes, the pace of the playhead.

import assert from "node:assert/strict";
import test from "node:test";

import { isDark, mix, themeOf } from "../../lora_viz/film/player/colours.js";
import { decode } from "../../lora_viz/film/player/decode.js";
import { widest } from "../../lora_viz/film/player/field.js";
import { explain, layerState, related, singular } from "../../lora_viz/film/player/layer.js";
import { NAMES, planOf } from "../../lora_viz/film/player/machine_plan.js";
import { dwell } from "../../lora_viz/film/player/playhead.js";
import { capped, matrixTable, pointsTable, TABLES } from "../../lora_viz/film/player/tables.js";
import { aFilm, packed } from "./film.js";

test("the tables of a film say its numbers at the playhead", () => {
  const { film, axis } = decode(packed({ film: aFilm() })), now = /** @type {any} */ ({ film, axis, t: 2 });
  const [lines] = TABLES.lines(/** @type {any} */ ({ panel: film.panels[0] }), now);
  assert.deepEqual(lines, {
    ...{ caption: "Loss: L", heads: ["Curve", "at step 2"], rows: [["seen", "1"]], note: "here at step 1." },
  });
  const [heat] = TABLES.heatmap(/** @type {any} */ ({ panel: film.panels[1] }), now);
  assert.deepEqual(heat.rows, [["1", "—"], ["2", "6"]]);
  assert.equal(heat.note, "Colours run from −2 to 2.");
});

test("large tables say what they leave out", () => {
  const rows = Array.from({ length: 300 }, (_, i) => [`${i}`]);
  const short = capped({ caption: "c", heads: [""], rows });
  assert.deepEqual([short.rows.length, short.rows[1]], [100, ["3"]]);
  assert.equal(short.note, "Left out: all but one in 3 of 300 rows.");
  const matrix = matrixTable("W", Float64Array.of(...Array(72).fill(2), NaN, 0), 37, 2);
  assert.deepEqual(matrix.rows.map(([, value]) => value), ["0", "2", "17", "1", "1"]);
  const points = pointsTable("x", Array.from({ length: 82 }, (_, i) => i), [41, 2], ["x₁", "x₂"]);
  assert.deepEqual(points.rows, [["least", "0", "1"], ["mean", "40", "41"], ["most", "80", "81"]]);
});

test("a region is named where it is widest, or where there is room", () => {
  const map = ["aaaab", "aaabb", "bbbbb"];
  const of = (/** @type {number} */ i, /** @type {number} */ j) => Number(map[i][j] === "b");
  assert.deepEqual(widest(of, 1, 3, 5, null), { deep: 2, run: 2, i: 1, j: 3.5 });
  assert.deepEqual(widest(of, 1, 3, 5, ({ i }) => i > 1), { deep: 1, run: 5, i: 2, j: 2 });
  assert.equal(widest(of, 7, 3, 5, null), null);
});

test("the boxes of a layer do not overlap, in columns or in rows", () => {
  for (const rows of [false, true]) {
    for (const [m, n, r] of [[3, 5, 2], [7, 2, 1], [8, 8, 8]]) {
      const { at, width, height } = planOf(m, n, r, rows), boxes = NAMES.map((name) => at[name]);
      for (const [k, a] of boxes.entries()) {
        assert.ok(a.x >= 0 && a.y >= 0 && a.x + a.cols <= width && a.y + a.rows <= height, NAMES[k]);
        for (const b of boxes.slice(k + 1)) {
          const beside = a.x + a.cols <= b.x || b.x + b.cols <= a.x, above = a.y + a.rows <= b.y || b.y + b.rows <= a.y;
          assert.ok(beside || above, `${NAMES[k]} in ${rows} ${m} ${n} ${r}`);
        }
      }
    }
  }
});

test("singular values of a diagonal are its entries, largest first", () => {
  assert.deepEqual(singular([3, 0, 0, 0, 0, 7], 2, 3, 2), [7, 3]);
  assert.deepEqual(singular([0, 0, 0, 0], 2, 2, 2), [0, 0]);
});

test("a cell of a layer says how it came about, and which cells it came from", () => {
  const layer = layerState({ W: [1, 2], A: [3, -1], B: [2], x: [1, 4], target: [5], scaling: 0.5 }, 1, 2, 1);
  assert.deepEqual([layer.h, layer.u, layer.y, layer.g, layer.loss], [[-1], [-2], [8], [3], 4.5]);
  assert.equal(explain({ name: "h", i: 0, j: 0 }, layer), "h₁ = 3·1 + (−1)·4 = −1");
  assert.equal(explain({ name: "delta", i: 0, j: 1 }, layer), "ΔW₁₂ = s·Σ b·a = 0.5·(2·(−1)) = −1");
  assert.equal(explain({ name: "A", i: 0, j: 1 }, layer), "A₁₂ = −1 (click to change it)");
  assert.equal(explain({ name: "target", i: 0, j: 0 }, layer), "t₁ = 5");
  assert.deepEqual(related({ name: "gradB", i: 0, j: 0 }, layer).map(({ name }) => name), ["gradB", "g", "h"]);
  const off = layerState(layer.given, 1, 2, 1, new Set([0]));
  assert.deepEqual([off.y, off.delta.map(Math.abs)], [[9], [0, 0]]);
});

test("the first frames of a training stay longer, phases of slow motion longest", () => {
  const film = /** @type {any} */ ({ training: true, seconds_per_frame: 0.025 });
  assert.equal(dwell({ film, phase: 0, speed: 1, t: 0 }), 200);
  assert.ok(dwell({ film, phase: 0, speed: 1, t: 60 }) < 26);
  assert.equal(dwell({ film: { ...film, training: false }, phase: 0, speed: 2, t: 0 }), 12.5);
  assert.equal(dwell({ film, phase: 3, speed: 0.5, t: 9 }), 3000);
});

test("a theme follows the paper", () => {
  const papers = ["#ffffff", "#10141b", "rgb(10, 20, 30)", "rgb(240, 240, 240)"];
  assert.deepEqual(papers.map(isDark), [false, true, true, false]);
  assert.deepEqual(mix([0, 100, 255], [10, 200, 255], 0.5), [5, 150, 255]);
  const both = { light: { ink: "#000000" }, dark: { ink: "#ffffff" } };
  const colours = { identity: both, diverging: { light: ["#000001"], dark: ["#000002"] }, sequential: [] };
  assert.equal(themeOf(/** @type {any} */ (colours), "#101010", "serif").ink, "#ffffff");
  assert.deepEqual(themeOf(/** @type {any} */ (colours), "#ffffff", "serif").diverging, [[0, 0, 1]]);
  assert.equal(themeOf(/** @type {any} */ (colours), "#000000", "serif").future, 0.95, "high contrast");
});
