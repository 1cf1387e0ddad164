// Which picture stands large: one proves the claim, the others stand small beside it or wait under "More views".

import { say } from "./language.js";

/** @typedef {import("./types").Player} Player @typedef {import("./types").Picture} Picture */
/** @typedef {"all" | "hero" | "one" | "stage"} Mode */
/**
 * @typedef Places
 * @property {Mode} mode "all": the grid as it was written; "hero": one large, some beside it; "one": one below the
 *   other on a small screen; "stage": presented
 * @property {Picture[]} large @property {Picture[]} small @property {Picture[]} rest
 */

/** The picture that proves the claim, unless somebody chose another. @param {Player} s @returns {Picture} */
export function heroOf(s) {
  const of = (/** @type {string | null} */ id) => s.pictures.find(({ panel }) => panel.id === id);
  return of(s.chosen) || of(s.film.hero) || s.pictures.find((p) => p.canvas) || s.pictures[0];
}

/** Who may read each of these? @param {Player} s @param {boolean} little is the screen? @param {number} beside */
export function placesOf(s, little, beside) {
  const asked = s.pictures.find((p) => "asked" in p.cell.dataset); // who draws a guess needs room
  if (asked) return placed(s, "one", [asked], []);
  if (s.present) {
    const named = s.chosen ? [] : s.present.panels || [];
    const large = s.pictures.filter(({ panel }) => named.includes(panel.id));
    return placed(s, "stage", large.length ? large : [heroOf(s)], []);
  }
  if (s.all) return placed(s, "all", [], s.pictures);
  const hero = heroOf(s), first = s.film.beside;
  const place = (/** @type {Picture} */ { panel: { id } }) => (first.includes(id) ? first.indexOf(id) : first.length);
  const others = s.pictures.filter((p) => p !== hero).sort((a, b) => place(a) - place(b));
  return little ? placed(s, "one", [hero], []) : placed(s, "hero", [hero], others.slice(0, beside));
}

/** @param {Player} s @param {Mode} mode @param {Picture[]} large @param {Picture[]} small @returns {Places} */
function placed(s, mode, large, small) {
  return { mode, large, small, rest: s.pictures.filter((p) => !large.includes(p) && !small.includes(p)) };
}

/**
 * The names of the pictures that are not on the stage, as buttons; nothing where there are none.
 * @param {Player} s @param {Places} places @param {(id: string | null) => void} choose
 */
export function offerViews(s, { mode, rest }, choose) {
  const box = s.find("views"), asks = Boolean(s.root.dataset.asking), several = s.pictures.length > 1;
  box.hidden = asks || !several || mode === "stage" || (!rest.length && mode !== "all");
  const offered = box.hidden ? "" : `${mode} ${s.run} ${rest.map(({ panel }) => panel.id)}`;
  if (box.dataset.offered === offered) return;
  box.dataset.offered = offered;
  const named = Object.assign(document.createElement("span"), { textContent: say("More views") });
  const buttons = rest.map(({ panel }) => {
    const button = Object.assign(document.createElement("button"), { textContent: panel.title, title: panel.title });
    button.dataset.view = panel.id;
    button.addEventListener("click", () => choose(panel.id));
    return button;
  });
  const all = document.createElement("button");
  all.textContent = mode === "all" ? say("One picture") : say("All pictures");
  all.dataset.view = "";
  all.addEventListener("click", () => choose(null));
  box.replaceChildren(...(mode === "all" ? [] : [named]), ...buttons, ...(mode === "one" ? [] : [all]));
}

/** Another picture becomes the large one; null: all as they were written, or one again. @param {Player} s
 * @param {string | null} id */
export function chooseView(s, id) {
  if (id === null) s.all = !s.all;
  else {
    s.chosen = id;
    s.all = false;
  }
}
