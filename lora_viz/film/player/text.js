// Text that is made to fit. `measure` says how wide a text is.

/** @typedef {(text: string) => number} Measure */

/** The text, or as much of it as fits. @param {Measure} measure @param {string} text @param {number} width */
export function fit(measure, text, width) {
  if (measure(text) <= width) return text;
  let cut = text;
  while (cut.length > 4 && measure(`${cut}…`) > width) cut = cut.slice(0, -1);
  return `${cut}…`;
}

/**
 * The text in lines, `most` at most.
 * @param {Measure} measure @param {string} text @param {number} width @param {number} most
 */
export function wrapped(measure, text, width, most) {
  const lines = [""];
  for (const word of text.split(/\s+/)) {
    const last = lines[lines.length - 1], longer = last ? `${last} ${word}` : word;
    if (measure(longer) <= width || !last) lines[lines.length - 1] = longer;
    else if (lines.length < most) lines.push(word);
    else {
      lines[lines.length - 1] = fit(measure, `${longer} …`, width);
      break;
    }
  }
  return lines;
}

/**
 * The size and the rows of a legend: one row if its entries fit at full size, else two, then smaller; at the least size
 * as many rows as it takes.
 * @param {(size: number) => number[]} widthsAt how wide the entries are @param {number} gap between two, in sizes
 * @param {number} width @param {number} font @param {number} [least]
 */
export function legendOf(widthsAt, gap, width, font, least = 12) {
  let rows = 2;
  for (let size = font; size >= least; size -= 0.5) {
    const widths = widthsAt(size);
    let x = 4;
    rows = 1;
    for (const w of widths) {
      if (x + w > width && x > 4) {
        rows += 1;
        x = 4;
      }
      x += w + size * gap;
    }
    if (rows <= 2 && Math.max(...widths) <= width) return { size, rows };
  }
  return { size: least, rows };
}

/** A title as a file is named. @param {string} title */
export function slug(title) {
  const plain = title.toLowerCase().replaceAll("ß", "ss").normalize("NFD").replace(/[\u0300-\u036f]/g, ""); // ä → a
  return plain.replace(/[^a-z0-9]+/g, "-").replace(/^-|-$/g, "").slice(0, 60);
}
