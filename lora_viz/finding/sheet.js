// In a hand a page whose picture is no film has its settings in a sheet, too: one button, at hand below, opens it.

const LOOK = 400; // milliseconds: what a page holds is known only once it is there
const SMALL = "(max-width: 640px), (max-height: 480px)";

/** Does a film's own transport offer the settings? */
const offered = () => [...document.querySelectorAll("[data-testid=stBidiComponentIsolated]")].some((host) => {
  const player = (host.shadowRoot ?? host.firstElementChild?.shadowRoot)?.querySelector(".player");
  return player && !player.querySelector("[data-part=sheet]")?.hasAttribute("hidden");
});

/** @param {HTMLElement} holder @param {string} name what the button says */
export function offerSheet(holder, name) {
  if (holder.firstElementChild) {
    holder.firstElementChild.textContent = name;
    return;
  }
  const page = document.documentElement, small = matchMedia(SMALL);
  const button = Object.assign(document.createElement("button"), { type: "button", textContent: name, hidden: true });
  const show = (/** @type {boolean} */ open) => {
    page.dataset.sheet = open ? "open" : "";
    page.style.setProperty("--bar", `${holder.offsetHeight}px`); // the sheet stands on the button
    button.setAttribute("aria-expanded", `${open}`);
  };
  show(false);
  button.addEventListener("click", () => show(page.dataset.sheet !== "open"));
  holder.replaceChildren(button);
  const gone = new AbortController(), until = { signal: gone.signal };
  const inside = (/** @type {Event} */ event) => event.composedPath().some((e) =>
    e === holder || (e instanceof Element && e.matches(".st-key-controls, [data-baseweb], [role=listbox]")));
  document.addEventListener("pointerdown", (event) => {
    if (!button.hidden && page.dataset.sheet && !inside(event)) show(false);
  }, until);
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || button.hidden || !page.dataset.sheet) return;
    show(false);
    button.focus();
  }, until);
  const look = setInterval(() => {
    if (!holder.isConnected) {
      clearInterval(look);
      gone.abort();
      return;
    }
    button.hidden = !small.matches || !document.querySelector(".st-key-many") || offered();
  }, LOOK);
}
