// Colours as numbers, and what a theme is made of.

/** @param {string} hex */
export const rgb = (hex) => [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16));

/** @param {number[]} a @param {number[]} b @param {number} share */
export const mix = (a, b, share) => a.map((x, i) => Math.round(x + (b[i] - x) * share));

/** A place between the stops of a sequential scale. @param {number[][]} stops @param {number} share from 0 to 1 */
export function between(stops, share) {
  const at = share * (stops.length - 1), i = Math.min(stops.length - 2, Math.floor(at));
  return mix(stops[i], stops[i + 1], at - i);
}

/** @param {string} css a colour as a style sheet writes it */
export function isDark(css) {
  const [r, g, b] = css.startsWith("#") ? rgb(css) : (css.match(/\d+/g) || [255, 255, 255]).map(Number);
  return 0.3 * r + 0.59 * g + 0.11 * b < 128;
}

/**
 * What is drawn on this paper. On pure black, high contrast: what is yet to come is bright as well, and only thinner.
 * @param {import("./types").Colours} colours @param {string} paper @param {string} font
 * @param {boolean} [more] contrast, on a light paper
 * @returns {import("./types").Theme}
 */
export function themeOf(colours, paper, font, more = false) {
  const dark = isDark(paper), name = dark ? "dark" : "light";
  const theme = {
    ...colours.identity[name],
    diverging: colours.diverging[name].map(rgb),
    sequential: colours.sequential.map(rgb),
    paper,
    font,
    grid: dark ? "#2c3442" : "#e3e7ed",
    strip: dark ? "#202733" : "#eef1f5",
    future: dark ? 0.64 : 0.78, // at least 3:1 on its paper, whatever the colour
  };
  if (paper === "#000000") return { ...theme, faint: "#c3cad6", grid: "#3a4352", strip: "#14181f", future: 0.95 };
  if (!more) return theme;
  return { ...theme, ink: "#000000", faint: "#2b313b", grid: "#9aa3b0", strip: "#dfe4ea", future: 0.95 };
}
