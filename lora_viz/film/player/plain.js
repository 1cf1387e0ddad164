// A plain page of a lesson: plays the film that stands in it, and seeks in a list of lessons.

import { framed } from "./framed.js";
import show from "./player.js";
import { unpack } from "./unpack.js";

const host = document.getElementById("player"), film = document.getElementById("film");
framed();

/** What it says stands in the page; its numbers too, or a script of their own has left them. */
async function play() {
  const numbers = document.getElementById("numbers")?.textContent || /** @type {any} */ (globalThis).loraNumbers || "";
  const [header, body] = await Promise.all([unpack(film?.textContent || ""), unpack(numbers)]);
  const data = new Uint8Array(header.length + body.length);
  data.set(header);
  data.set(body, header.length);
  if (!host) return;
  host.hidden = false;
  show({ data, parentElement: host, setTriggerValue() {} });
  const share = host.querySelector('[data-part="share"]');
  if (share instanceof HTMLElement) share.hidden = true; // the page's own address is the link
}
// The script of the numbers comes behind this one.
if (host && film) addEventListener("DOMContentLoaded", play);
const sought = document.getElementById("sought"), found = document.getElementById("found");
if (sought instanceof HTMLInputElement && found) {
  const entries = /** @type {HTMLElement[]} */ ([...document.querySelectorAll("[data-entry]")]);
  const texts = entries.map((entry) => (entry.textContent || "").toLowerCase());
  /** @type {HTMLElement} */ (sought.closest("p")).hidden = false;
  sought.addEventListener("input", () => {
    const words = sought.value.toLowerCase().split(/\s+/).filter(Boolean);
    let count = 0;
    entries.forEach((entry, i) => {
      entry.hidden = !words.every((word) => texts[i].includes(word));
      if (!entry.hidden) count += 1;
    });
    found.textContent = words.length ? `${count}` : "";
  });
}
