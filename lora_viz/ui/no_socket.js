// What the page says where its connection fails: none opens (a proxy of a school), or the one that was open is lost.
// Streamlit's own dialogs are English and lie over the picture, which plays on without a connection: they are off
// (first_visit.py), and what they would say comes here as a message.

const said = /** @type {HTMLScriptElement} */ (document.currentScript).dataset;
const PATIENCE = { never: 8, lost: 3 }; // seconds
let late = 0, was = false;

/**
 * The notice stands over the menu, which needs a connection, and covers no picture.
 * @param {string} kind @param {string} text @param {string} link @param {string} href where the link leads
 */
function tell(kind, text, link, href) {
  if (document.getElementById("no-socket")?.dataset.kind === kind) return;
  drop();
  const way = Object.assign(document.createElement("a"), { href, textContent: link });
  way.style.color = "inherit";
  const notice = document.createElement("p");
  notice.id = "no-socket";
  notice.dataset.kind = kind;
  notice.setAttribute("role", "alert");
  notice.style.cssText = "position: fixed; left: 12px; right: 12px; top: 8px; z-index: 1000001; margin: 0;"
    + "padding: 8px 18px; font: 18px system-ui, sans-serif; background: #14181f; color: #ffffff; border-radius: 8px;";
  notice.append(`${text} `, way);
  document.body.append(notice);
}

/** @param {string[]} kinds those of them; none: whichever there is */
function drop(...kinds) {
  const notice = document.getElementById("no-socket");
  if (notice && (!kinds.length || kinds.includes(notice.dataset.kind || ""))) notice.remove();
}

function look() {
  const app = /** @type {HTMLElement | null} */ (document.querySelector("[data-testid=stApp]"));
  const open = app?.dataset.testConnectionState === "CONNECTED";
  late = open ? 0 : late + 1;
  was ||= Boolean(document.querySelector("h1")); // what a page shows came by a connection
  if (open) drop("never", "lost");
  const plain = new URL(`light/${location.pathname.split("/").pop() || ""}${location.search}`, location.href).href;
  if (was && late >= PATIENCE.lost) tell("lost", said.lost || "", said.anew || "", location.href);
  else if (!was && late >= PATIENCE.never) tell("never", said.never || "", said.plain || "", plain);
}

addEventListener("message", ({ data, source }) => {
  if (source !== window && source !== window.parent || data?.type !== "CLIENT_ERROR_DIALOG") return;
  const { error, message } = data;
  if (error === "Connection error") return; // look() says it
  if (error === "Page not found") tell("page", said.page || "", said.all || "", new URL("light/", location.href).href);
  else tell("fault", `${said.fault} ${message}`, said.anew || "", location.href);
});
for (const name of ["pointerdown", "keydown"]) addEventListener(name, ({ target }) => {
  if (!(target instanceof Element) || !target.closest("#no-socket")) drop("page"); // it was read
}, true);
setInterval(look, 1000);
