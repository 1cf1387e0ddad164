// Numbers as they are written.

import { say } from "./language.js";

const SUPERSCRIPT = "⁰¹²³⁴⁵⁶⁷⁸⁹", SUBSCRIPT = "₀₁₂₃₄₅₆₇₈₉";

/** @param {number} n */
export const raised = (n) => [...String(n)].map((c) => (c === "-" ? "⁻" : SUPERSCRIPT[Number(c)])).join("");

/** @param {number} n */
export const lowered = (n) => [...String(n)].map((c) => SUBSCRIPT[Number(c)]).join("");

/** A number for reading, in the visitor's language. @param {number} value */
export const format = (value) => digits(value).replace(".", say("0.5")[1]);

/** The same rule as style.number in Python. @param {number} value */
function digits(value) {
  if (Number.isNaN(value)) return "—";
  if (value === 0) return "0";
  if (!Number.isFinite(value)) return value > 0 ? "∞" : "−∞";
  const [mantissa, exponent] = value.toExponential(2).split("e");
  const power = Number(exponent);
  const plain = power >= 2 ? value.toFixed(0) : String(Number(value.toPrecision(3)));
  return (power >= -3 && power <= 4 ? plain : `${mantissa}·10${raised(power)}`).replace("-", "−");
}

/**
 * A tick of an axis in powers of ten, or plain: an axis is data, its numbers keep their point.
 * @param {number} value @param {string} scale
 */
export const tick = (value, scale) => (scale === "log" ? `10${raised(Math.round(Math.log10(value)))}` : digits(value));

/** Singular values as text: rounding is none. @param {number[]} sigma */
export const singularTexts = (sigma) =>
  sigma.map((v) => (v > 0 && v < 1e-12 * (sigma[0] || 1) ? "≈ 0" : format(v)));
