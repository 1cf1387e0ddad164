// An array with its shape. `at(t, rank)` is frame t where the array moves, all of it where it stands still.

export class Tensor {
  /** @param {Float32Array} data @param {number[]} shape */
  constructor(data, shape) {
    this.data = data;
    this.shape = shape;
  }

  /** @param {number} t @param {number} rank its number of axes where it stands still */
  at(t, rank) {
    if (this.shape.length === rank) return this.data;
    const size = this.shape.slice(1).reduce((a, b) => a * b, 1);
    return this.data.subarray(t * size, (t + 1) * size);
  }
}

/** What a text is now: the only one, or the frame's. @template T @param {T[]} texts @param {number} t */
export const textAt = (texts, t) => texts[Math.min(t, texts.length - 1)];
