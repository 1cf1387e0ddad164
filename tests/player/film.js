// A small film, packed as Python packs it, for the tests of the reader and of what reads films.

/**
 * @typedef {{ film: any, [beside: string]: any }} Given
 * @param {Given} header arrays in it are { shape, values }
 */
export function packed(header) {
  /** @type {number[]} */
  const floats = [];
  /** @type {(value: any) => any} */
  const described = (value) => {
    if (Array.isArray(value)) return value.map(described);
    if (value === null || typeof value !== "object") return value;
    if (value.shape) {
      const offset = floats.length;
      floats.push(...value.values);
      return { array: [offset, ...value.shape] };
    }
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, described(item)]));
  };
  const text = new TextEncoder().encode(JSON.stringify({ protocol: 1, run: "0", axis: "step", ...described(header) }));
  const pad = (4 - ((text.length + 4) % 4)) % 4, length = text.length + pad;
  const bytes = new Uint8Array(4 + length + 4 * floats.length).fill(32);
  new DataView(bytes.buffer).setUint32(0, length, true);
  bytes.set(text, 4);
  bytes.set(new Uint8Array(new Float32Array(floats).buffer), 4 + length);
  return bytes;
}

/** An array as `packed` takes it. @param {number[]} shape @param {number[]} values */
export const array = (shape, values) => ({ shape, values });

/** A film of three frames: a curve with a mark, and a matrix that moves. */
export const aFilm = () => ({
  ...{ axis: "step", values: array([3], [0, 1, 2]), start: 1, seconds_per_frame: 0.025, phases: [] },
  ...{ narration: ["a", "bé", "‖∇A‖"], autoplay: false, training: true, of_last: true, hero: null, beside: [] },
  panels: [
    {
      ...{ id: "loss", title: "Loss", y_label: "L", scale: "linear", x_scale: "linear", reach: 0, span: 6, row: 0 },
      series: [
        {
          ...{ id: "seen", name: "seen", colour: "A", y: array([3], [4, 2, 1]), low: null, high: null },
          ...{ dash: "solid", dots: false },
        },
      ],
      marks: [{ id: "here", at: 1, label: "here", colour: "faint" }],
      kind: "lines",
    },
    {
      ...{ id: "delta", title: "ΔW", colour: "delta", values: array([3, 2, 1], [1, 2, 3, 4, NaN, 6]), limit: 2 },
      ...{ caption: [], hatched: false, span: 6, row: 0, kind: "heatmap" },
    },
  ],
});
