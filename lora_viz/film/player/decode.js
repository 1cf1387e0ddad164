// Bytes → film: a header of JSON, then float32 arrays, viewed in place. What breaks the protocol is refused.

import { PROTOCOL } from "./protocol.js";
import { Tensor } from "./tensor.js";

/** @typedef {import("./types").Header} Header */
/** @typedef {any} Node a node of the description, as film/protocol.py explains it */

/** Why no picture is shown: `version` is another, or the film is `damaged`. */
export class FilmError extends Error {
  /** @param {"version" | "damaged"} why @param {string} where */
  constructor(why, where) {
    super(where);
    this.why = why;
  }
}

/** @param {Uint8Array} bytes @returns {Header} the header with its arrays; raises FilmError */
export function decode(bytes) {
  const length = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength).getUint32(0, true);
  const body = bytes.slice(4 + length); // a copy: float32 views need an aligned start
  const floats = new Float32Array(body.buffer, 0, body.byteLength >> 2);
  /** @type {(value: any) => any} */
  const restore = (value) => {
    if (Array.isArray(value)) return value.map(restore);
    if (value === null || typeof value !== "object") return value;
    if (Array.isArray(value.array)) return tensorOf(floats, value.array);
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, restore(item)]));
  };
  const header = JSON.parse(new TextDecoder().decode(bytes.subarray(4, 4 + length)));
  if (header.protocol !== PROTOCOL.version) throw new FilmError("version", `${header.protocol}`);
  const film = restore(header.film), fault = faultOf(film);
  if (fault) throw new FilmError("damaged", fault);
  return { ...header, film };
}

/** @param {Float32Array} floats @param {number[]} given where it begins, then its shape */
function tensorOf(floats, [offset, ...shape]) {
  const size = shape.reduce((a, b) => a * b, 1), whole = [offset, ...shape].every((n) => Number.isInteger(n) && n >= 0);
  if (!whole || offset + size > floats.length) throw new FilmError("damaged", `an array of ${size} at ${offset}`);
  return new Tensor(floats.subarray(offset, offset + size), shape);
}

/** What is wrong with this film? One place, or nothing. @param {any} film */
export function faultOf(film) {
  /** @type {Record<string, number>} */
  const sizes = film?.values instanceof Tensor ? { T: film.values.shape[0] } : {};
  return wrong(film, PROTOCOL.film, sizes, "film");
}

/** @type {Record<string, (value: any) => boolean>} */
const PLAIN = {
  string: (value) => typeof value === "string",
  number: (value) => typeof value === "number",
  integer: Number.isInteger,
  boolean: (value) => typeof value === "boolean",
  null: (value) => value === null,
  id: (value) => /^[a-z][a-z0-9_]*$/.test(value),
  colour: (value) => PROTOCOL.colours.includes(value),
};

/**
 * The first place where a value is not what its node says; nothing: it is. Sizes that have no number yet get it here.
 * @param {any} value @param {Node} node @param {Record<string, number>} sizes @param {string} where @returns {string}
 */
function wrong(value, node, sizes, where) {
  const bad = (/** @type {boolean} */ right) => (right ? "" : where);
  if (typeof node === "string") return bad(PLAIN[node](value));
  if (node.one_of) return bad(node.one_of.includes(value));
  if (node.size) return bad(fits([value], [node.size], sizes));
  if (node.either) {
    const found = node.either.map((/** @type {Node} */ each) => wrong(value, each, sizes, where));
    return found.every(Boolean) ? found[0] : "";
  }
  if (node.array) {
    const shapes = node.array.map((/** @type {string} */ text) => text.split(" "));
    return bad(value instanceof Tensor && fitsOne(value.shape, shapes, sizes));
  }
  if (node.list) {
    if (!Array.isArray(value)) return where;
    const lengths = (node.length || ["_"]).map((/** @type {string} */ each) => [each]);
    if (!fitsOne([value.length], lengths, sizes)) return where;
    return first(value.map((item, i) => () => wrong(item, node.list, sizes, `${where}[${i}]`)));
  }
  const name = node.record || (value && node.kinds[value.kind]);
  if (!name || !value || typeof value !== "object") return where;
  /** @type {Record<string, Node>} */
  const fields = PROTOCOL.types[/** @type {keyof typeof PROTOCOL.types} */ (name)];
  const inside = node.kinds ? { ...sizes } : sizes; // a panel's sizes are its own
  return first(Object.keys(fields).map((key) => () => wrong(value[key], fields[key], inside, `${where}.${key}`)));
}

/** @param {(() => string)[]} checks */
function first(checks) {
  for (const check of checks) {
    const found = check();
    if (found) return found;
  }
  return "";
}

/** @param {number[]} given @param {string[][]} shapes @param {Record<string, number>} sizes */
const fitsOne = (given, shapes, sizes) => shapes.some((wanted) => fits(given, wanted, sizes));

/** @param {number[]} given @param {string[]} wanted @param {Record<string, number>} sizes */
function fits(given, wanted, sizes) {
  const known = wanted.map((name, i) => (isNaN(Number(name)) ? (sizes[name] ?? given[i]) : Number(name)));
  if (given.length !== wanted.length || known.some((size, i) => size !== given[i])) return false;
  wanted.forEach((name, i) => {
    if (name !== "_" && isNaN(Number(name))) sizes[name] = given[i];
  });
  return true;
}
