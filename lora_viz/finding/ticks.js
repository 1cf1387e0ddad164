// Which lessons are ticked: kept in this browser, nowhere else. Where it keeps nothing, they last as long as the page.

const KEY = "lora_playground_ticks";
/** @type {string[]} */
let here = [];

/** @returns {Set<string>} */
export function ticks() {
  try {
    const found = JSON.parse(localStorage.getItem(KEY) ?? "[]");
    return new Set(Array.isArray(found) ? found.filter((one) => typeof one === "string").slice(0, 500) : []);
  } catch {
    return new Set(here);
  }
}

/** @param {string} lesson @param {boolean} done */
export function tick(lesson, done) {
  const now = ticks();
  if (done) now.add(lesson);
  else now.delete(lesson);
  here = [...now];
  try {
    localStorage.setItem(KEY, JSON.stringify(here));
  } catch {
    // this browser keeps nothing
  }
  dispatchEvent(new CustomEvent("lora_ticked"));
}
