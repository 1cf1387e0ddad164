// Labels of marks where no data lies: of the places on either side of a mark, the one that hides least.

/** @typedef {import("./types").Frame} Frame @typedef {[number, number][]} Path a curve in pixels */
/** @typedef {{ x: number, y: number, wide: number, tall: number }} Rect its left end, its middle, its size */

/** How often does a curve go through this rectangle? @param {Path} path @param {Rect} rect */
export function crossings(path, { x, y, wide, tall }) {
  let found = 0;
  const inside = (/** @type {number} */ px, /** @type {number} */ py) =>
    px >= x && px <= x + wide && Math.abs(py - y) <= tall / 2;
  for (let i = 1; i < path.length; i++) {
    const [x1, y1] = path[i - 1], [x2, y2] = path[i];
    if (Math.max(x1, x2) < x || Math.min(x1, x2) > x + wide || !Number.isFinite(y1 + y2)) continue;
    const pieces = Math.max(1, Math.min(12, Math.ceil(Math.hypot(x2 - x1, y2 - y1) / 8)));
    for (let k = 0; k <= pieces; k++) {
      const share = k / pieces;
      if (inside(x1 + share * (x2 - x1), y1 + share * (y2 - y1))) {
        found += 1;
        break;
      }
    }
  }
  return found;
}

/**
 * A place for each label, beside its mark and within the frame.
 * @param {{ at: number, wide: number }[]} marks where in pixels, and how wide its label is
 * @param {Path[]} paths @param {Frame} frame @param {number} tall of a line
 * @returns {Rect[]}
 */
export function freePlaces(marks, paths, frame, tall) {
  /** @type {Rect[]} */
  const placed = [];
  for (const { at, wide } of marks) {
    let best = { x: at + 8, y: frame.top + tall / 2, wide, tall }, least = Infinity;
    const before = at - 8 - wide, after = at + 8;
    const sides = at > (frame.left + frame.right) / 2 ? [before, after] : [after, before];
    for (const [side, x] of sides.entries()) {
      if (x < frame.left || x + wide > frame.right + 4) continue;
      for (let y = frame.top + tall * 0.55, row = 0; y <= frame.bottom - tall / 2; y += tall, row++) {
        const rect = { x, y, wide, tall };
        let cost = 0.05 * row + 0.3 * side;
        for (const path of paths) cost += crossings(path, rect);
        for (const other of placed) {
          const apart = other.x > x + wide + 6 || other.x + other.wide + 6 < x || Math.abs(other.y - y) >= tall;
          if (!apart) cost += 1000;
        }
        for (const mark of marks) if (mark.at > x - 2 && mark.at < x + wide + 2) cost += 2;
        if (cost < least) [best, least] = [rect, cost];
      }
    }
    placed.push(best);
  }
  return placed;
}
