// What the symbols in a title are called, for whoever points at it, taps it or comes to it by key.

import { say } from "./language.js";

/** @type {() => [RegExp, string, string][]} what it looks like, how it is written, what it is called */
const SYMBOLS = () => [
  [/∇/, "∇", say("gradient, with which a step is made")],
  [/ΔW/, "ΔW", say("the update that was learnt, s·B A")],
  [/Δy/, "Δy", say("what the update adds to the output")],
  [/σ/, "σ", say("singular value: how far a direction is stretched")],
  [/‖/, "‖·‖", say("size: the root of the sum of squares")],
  [/η/, "η", say("learning rate")],
  [/κ/, "κ", say("condition number: the largest singular value over the smallest")],
  [/α/, "α", say("alpha, from which the scaling s is made")],
  [/φ/, "φ", say("share of directions in common, from 0 to 1")],
  [/\bs[·=]|\bs =/, "s", say("scaling of the update, α/r or α/√r")],
  [/\bA\b/, "A", say("the first thin factor, r rows")],
  [/\bB\b/, "B", say("the second thin factor, r columns")],
  [/\bW\b/, "W", say("the frozen weight")],
  [/\br\b|\brank\b/i, "r", say("rank: how many directions")],
];

/**
 * The symbols of a panel, each with its name; empty where there are none.
 * @param {import("./types").Panel} panel
 */
export function symbolsOf(panel) {
  const held = /** @type {any} */ (panel), parts = held.series || held.groups || held.points || [];
  const text = [panel.title, ...parts.map((/** @type {{ name: string }} */ { name }) => name)].join(" ");
  const found = SYMBOLS().filter(([look]) => look.test(text)).map(([, symbol, name]) => `${symbol}: ${name}`);
  if ("hatched" in panel && panel.hatched) found.push(say("hatched: a gradient"));
  if ("series" in panel && panel.series.some(({ low }) => low)) found.push(say("band: the spread over several seeds"));
  return found.join(" · ");
}
