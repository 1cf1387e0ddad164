// Where no socket opens, behind a school's proxy maybe, the page says so and leads to the plain one, which needs none.

const { told, link } = /** @type {HTMLScriptElement} */ (document.currentScript).dataset;
/** @type {HTMLElement | null} */
let notice = null;
let late = 0;
setInterval(() => {
  const app = /** @type {HTMLElement | null} */ (document.querySelector("[data-testid=stApp]"));
  const open = app?.dataset.testConnectionState === "CONNECTED";
  late = open ? 0 : late + 1;
  if (open) notice?.remove();
  if (late < 8 || notice?.isConnected) return;
  const name = location.pathname.split("/").pop() || "";
  const plain = Object.assign(document.createElement("a"), {
    href: new URL(`light/${name}${location.search}`, location.href).href,
    textContent: link,
  });
  plain.style.color = "inherit";
  notice = document.createElement("p");
  notice.id = "no-socket";
  notice.setAttribute("role", "alert");
  notice.style.cssText = "position: fixed; left: 12px; right: 12px; bottom: 12px; z-index: 1000001; margin: 0;"
    + "padding: 12px 18px; font: 18px system-ui, sans-serif; background: #14181f; color: #ffffff; border-radius: 8px;";
  notice.append(`${told} `, plain);
  document.body.append(notice);
}, 1000);
