// What is said in the visitor's language: the film brings the words, English stands in the code.

/** @type {Record<string, string>} */
let words = {};

/** Say everything in these words from here on. @param {Record<string, string> | undefined} given */
export function speakWith(given) {
  words = given || {};
}

/** Which words are these? To see whether another language came. */
export const spoken = () => Object.values(words).join();

/** @param {string} text @param {Record<string, string | number>} [values] */
export const say = (text, values = {}) =>
  (words[text] ?? text).replace(/\{(\w+)\}/g, (all, name) => (name in values ? String(values[name]) : all));
