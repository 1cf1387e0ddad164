// The time since a deck began, by the clock of this browser, and what a tab remembers of it.

/** @type {Record<string, any>} where a browser keeps nothing, for as long as this page stands */
const kept = {};

/** Remember a value for this tab, or recall it. @param {string} name @param {any} [value] */
export function keep(name, value) {
  try {
    if (value !== undefined) sessionStorage.setItem(name, JSON.stringify(value));
    return JSON.parse(sessionStorage.getItem(name) ?? "null") ?? undefined;
  } catch {
    if (value !== undefined) kept[name] = value;
    return kept[name];
  }
}

/** Minutes and seconds, as a speaker counts: 75:12, not 1:15:12. @param {number} milliseconds */
export function minutes(milliseconds) {
  const seconds = Math.max(0, Math.floor(milliseconds / 1000));
  return [Math.floor(seconds / 60), seconds % 60].map((n) => String(n).padStart(2, "0")).join(":");
}

/**
 * When did this deck begin? `beginning` names a beginning; none: a link or a reload, which goes on with what this tab
 * has of the same deck.
 * @param {string} deck @param {string} [beginning] @returns {number}
 */
export function beganAt(deck, beginning) {
  const last = keep("lora-began");
  if (last && last.deck === deck && (!beginning || beginning === last.beginning)) return last.at;
  return keep("lora-began", { deck, beginning, at: Date.now() }).at;
}
