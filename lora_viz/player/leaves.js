// The page around the player in a file of its own: which picture is shown, by button, list or clicker.

const leaves = JSON.parse(document.getElementById("leaves").textContent), host = document.getElementById("host");
const part = (name) => document.getElementById(name), themes = ["light", "dark", "contrast"], began = Date.now();
let now = 0, looks = matchMedia("(prefers-color-scheme: dark)").matches ? 1 : 0, notes = false;
async function unpack(text) {
  const bytes = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}
async function turn(to) {
  now = Math.max(0, Math.min(leaves.length - 1, to));
  const leaf = leaves[now];
  for (const name of ["title", "caption", "takeaway", "notes"]) part(name).textContent = leaf[name];
  part("notes").hidden = !notes || !leaf.notes;
  part("source").textContent = leaf.source;
  part("list").selectedIndex = now;
  part("count").textContent = `${now + 1} of ${leaves.length}`;
  show({ data: await unpack(leaf.film), parentElement: host, setTriggerValue() {} });
  host.querySelector('[data-part="share"]').hidden = true; // a file has no address to share
  document.documentElement.dataset.leaf = now;
}
function look(by) { looks = (looks + by) % themes.length; document.documentElement.dataset.theme = themes[looks]; part("theme").textContent = themes[looks]; }
leaves.forEach((leaf, i) => part("list").append(new Option(`${i + 1}. ${leaf.caption || leaf.title}`)));
part("list").addEventListener("change", (event) => turn(event.target.selectedIndex));
part("back").addEventListener("click", () => turn(now - 1));
part("forth").addEventListener("click", () => turn(now + 1));
part("theme").addEventListener("click", () => look(1));
part("tell").addEventListener("click", () => { notes = !notes; part("notes").hidden = !notes || !leaves[now].notes; });
addEventListener("keydown", (event) => {
  if (event.target.matches?.("input, select")) return;
  const by = { PageDown: 1, PageUp: -1 }[event.key];
  if (by) { event.preventDefault(); turn(now + by); }
});
setInterval(() => { const s = Math.floor((Date.now() - began) / 1000); part("timer").textContent = `${Math.floor(s / 60)}:${String(s % 60).padStart(2, "0")}`; }, 500);
if (leaves.length === 1) for (const name of ["list", "back", "forth", "count", "timer"]) part(name).hidden = true;
if (!leaves.some((leaf) => leaf.notes)) part("tell").hidden = true;
look(0);
turn(0);
