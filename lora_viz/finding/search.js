// What is found for some words: ranked in the browser, from an index that holds everything. No server is asked.

/** @typedef {{ kind: string, title: string, says: string, place: string }} Found */
/** @typedef {{ entries: string[][], groups: string[][] }} Index */

// Words that every question has.
const EMPTY = new Set(("a an lora and are as at be can do does for from how i in is it me my of on or so that the to " +
  "what when which who why will with you your should der die das ein eine ist sind was wie warum wozu welche welcher " +
  "welches ich mein meine meinen und oder zu zum mit von im in den dem des auf für kann man braucht").split(" "));
const WEIGHTS = [6, 3, 1]; // title, other words, sentence
const KIND = { question: 1.5, lesson: 1.25, word: 1, setting: 0.95, paper: 0.7 };

/**
 * The text's words as they are compared: no capitals, no accents, American spelling as British.
 * @param {string} text
 */
export function words(text) {
  const plain = text.normalize("NFKD").replace(/[\u0300-\u036f]/g, "").toLowerCase().replace(/ß/g, "ss");
  return (plain.match(/[\p{L}\p{N}∇Δ_]+/gu) ?? []).flatMap((word) => word.split("_")).filter(Boolean).map(spelt);
}

/** @param {string} word */
function spelt(word) {
  return word.replace(/iz(?=e|a|i)/g, "is").replace(/yz(?=e|i)/g, "ys").replace(/(?<=[a-z]{2})our/g, "or")
    .replace(/(?<=[a-z])lling$/, "ling").replace(/(?<=[a-z])lled$/, "led").replace(/(?<=cent|met|fib)re$/, "er");
}

/** @param {string} a @param {string} b */
function near(a, b) { // one letter wrong, missing, too many, or two changed places
  if (Math.abs(a.length - b.length) > 1) return false;
  let i = 0;
  while (i < a.length && a[i] === b[i]) i += 1;
  if (a.slice(i + 2) === b.slice(i + 2) && a[i] === b[i + 1] && a[i + 1] === b[i]) return true;
  return a.slice(i + 1) === b.slice(i + 1) || a.slice(i) === b.slice(i + 1) || a.slice(i + 1) === b.slice(i);
}

/**
 * How well a word of the query meets one of a text: 1 the same, less for a beginning, a stem, a slip.
 * @param {string} asked @param {string} has
 */
function meets(asked, has) {
  if (asked === has) return 1;
  if (asked.length > 1 && has.startsWith(asked)) return 0.8;
  if (asked.length > 5 && has.length > 5 && asked.startsWith(has.slice(0, has.length - 3))) return 0.6;
  return asked.length > 4 && near(asked, has) ? 0.45 : 0;
}

/** @param {string[]} group */
function phrases(group) {
  return group.map((phrase) => words(phrase).filter((word) => !EMPTY.has(word))).filter((phrase) => phrase.length);
}

/** @param {Index} index */
export function prepared(index) {
  /** @type {Map<string, [number, number][]>} */
  const places = new Map(); // word -> in which entries it stands, and how much it counts there
  const titles = index.entries.map((entry, e) => {
    [entry[1], entry[4], entry[2]].forEach((text, f) => {
      for (const word of new Set(words(text))) {
        const known = places.get(word) ?? [], last = known.at(-1);
        if (last?.[0] !== e) known.push([e, WEIGHTS[f]]);
        places.set(word, known);
      }
    });
    return words(entry[1]);
  });
  return { entries: index.entries, titles, places, groups: index.groups.map(phrases) };
}

/**
 * Entry -> how well it holds this word.
 * @param {ReturnType<typeof prepared>} index @param {string} word @param {boolean} exactly
 */
function holding(index, word, exactly) {
  const found = new Map();
  for (const [has, places] of index.places) {
    const value = exactly ? Number(has === word || has === `${word}s`) : meets(word, has);
    if (value) for (const [e, weight] of places) found.set(e, Math.max(found.get(e) ?? 0, value * weight));
  }
  return found;
}

/**
 * Entry -> how well it holds the word at this place of the query, or what people also call it.
 * @param {ReturnType<typeof prepared>} index @param {string[]} asked @param {number} i
 */
function answering(index, asked, i) {
  const found = holding(index, asked[i], false);
  for (const group of index.groups) {
    const named = group.some((phrase) => phrase.includes(asked[i]) && phrase.every((word) => asked.includes(word)));
    for (const phrase of named ? group : []) {
      const each = phrase.map((word) => holding(index, word, true));
      for (const [e] of each[0]) {
        const value = Math.min(...each.map((held) => held.get(e) ?? 0)) / 2;
        if (value > (found.get(e) ?? 0)) found.set(e, value);
      }
    }
  }
  return found;
}

/**
 * The best of the index for this text, at most so many; those that hold all of its words before all others.
 * @param {ReturnType<typeof prepared>} index @param {string} text @param {number} most @returns {Found[]}
 */
export function search(index, text, most = 12) {
  const all = words(text), telling = all.filter((word) => !EMPTY.has(word));
  const asked = telling.length ? telling : all;
  /** @type {Map<number, { sum: number, met: number }>} */
  const scores = new Map();
  asked.forEach((_, i) => {
    for (const [e, value] of answering(index, asked, i)) {
      const score = scores.get(e) ?? { sum: 0, met: 0 };
      scores.set(e, { sum: score.sum + value, met: score.met + 1 });
    }
  });
  const found = [...scores].map(([e, { sum, met }]) => {
    const [kind, title, says, place] = index.entries[e], own = index.titles[e];
    const whole = ` ${own.join(" ")} `.includes(` ${all.join(" ")} `) ? 1.6 : 1;
    const short = 1 + 1 / (2 + own.length);
    const score = sum * whole * short * KIND[/** @type {keyof typeof KIND} */ (kind)];
    return { met, score, kind, title, says, place };
  });
  found.sort((a, b) => b.met - a.met || b.score - a.score);
  return found.filter((f) => f.met * 2 > asked.length).slice(0, most)
    .map(({ kind, title, says, place }) => ({ kind, title, says, place }));
}
