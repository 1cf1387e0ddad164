// What is said in the visitor's language: the film brings the words, English stands here.
let words = {};
const say = (text, values = {}) => (words[text] ?? text).replace(/\{(\w+)\}/g, (all, name) => (name in values ? values[name] : all));

// Bytes -> film: a header of JSON, then float32 arrays, viewed in place.
function decode(bytes) {
  const length = new DataView(bytes.buffer, bytes.byteOffset, 4).getUint32(0, true);
  const text = new TextDecoder().decode(bytes.subarray(4, 4 + length));
  const body = bytes.slice(4 + length); // a copy: float32 views need an aligned start
  const floats = new Float32Array(body.buffer, 0, body.byteLength >> 2);
  const restore = (value) => {
    if (Array.isArray(value)) return value.map(restore);
    if (value === null || typeof value !== "object") return value;
    if (value.array) {
      const [offset, ...shape] = value.array;
      return new Tensor(floats.subarray(offset, offset + shape.reduce((a, b) => a * b, 1)), shape);
    }
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, restore(item)]));
  };
  const header = JSON.parse(text);
  words = header.words || {};
  return restore(header);
}

// An array with its shape. `at(t, rank)` is frame t where the array moves, all of it where it stands still.
class Tensor {
  constructor(data, shape) {
    this.data = data;
    this.shape = shape;
  }
  at(t, rank) {
    if (this.shape.length === rank) return this.data;
    const size = this.shape.slice(1).reduce((a, b) => a * b, 1);
    return this.data.subarray(t * size, (t + 1) * size);
  }
}

const SUPERSCRIPT = { "-": "⁻", 0: "⁰", 1: "¹", 2: "²", 3: "³", 4: "⁴", 5: "⁵", 6: "⁶", 7: "⁷", 8: "⁸", 9: "⁹" };
const raised = (n) => [...String(n)].map((c) => SUPERSCRIPT[c]).join("");

// The same rule as style.number in Python.
function format(value) {
  if (Number.isNaN(value)) return "—";
  if (value === 0) return "0";
  if (!Number.isFinite(value)) return value > 0 ? "∞" : "−∞";
  const [mantissa, exponent] = value.toExponential(2).split("e");
  const power = Number(exponent);
  const plain = power >= 2 ? value.toFixed(0) : String(Number(value.toPrecision(3)));
  return (power >= -3 && power <= 4 ? plain : `${mantissa}·10${raised(power)}`).replace("-", "−");
}
