// The page around the player in a file of its own: which picture is shown, by button, list or clicker.

const given = JSON.parse(document.getElementById("leaves").textContent), leaves = given.leaves, host = document.getElementById("host");
const part = (name) => document.getElementById(name), themes = ["light", "dark", "contrast"];
words = given.words;
const names = [say("light"), say("dark"), say("contrast")];
let now = 0, began = beganAt(`${location.pathname} ${document.title}`), looks = matchMedia("(prefers-color-scheme: dark)").matches ? 1 : 0, notes = false;
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
  part("count").textContent = say("{value} of {last}", { value: now + 1, last: leaves.length });
  host.hidden = !leaf.film;
  if (leaf.film) show({ data: await unpack(leaf.film), parentElement: host, setTriggerValue() {} });
  else if (players.get(host)) pause(players.get(host)); // a page without a picture: what was playing rests
  host.querySelector('[data-part="share"]').hidden = true; // a file has no address to share
  document.documentElement.dataset.leaf = now;
  part("blocked").hidden = true;
  tellSpeaker();
}
function look(by) { looks = (looks + by) % themes.length; document.documentElement.dataset.theme = themes[looks]; part("theme").textContent = names[looks]; tellSpeaker(); }
leaves.forEach((leaf, i) => part("list").append(new Option(`${i + 1}. ${leaf.caption || leaf.title}`)));
part("list").addEventListener("change", (event) => turn(event.target.selectedIndex));
part("back").addEventListener("click", () => turn(now - 1));
part("forth").addEventListener("click", () => turn(now + 1));
part("theme").addEventListener("click", () => look(1));
part("tell").addEventListener("click", () => { notes = !notes; part("notes").hidden = !notes || !leaves[now].notes; });
addEventListener("keydown", (event) => { // a clicker is not meant for the field that has the focus
  const by = { PageDown: 1, PageUp: -1 }[event.key];
  if (by && !event.ctrlKey && !event.metaKey && !event.altKey) { event.preventDefault(); turn(now + by); }
}, true);
setInterval(() => { const text = minutes(Date.now() - began); if (part("timer").textContent !== text) part("timer").textContent = text; }, 250);
speaker.scene = () => sceneForSpeaker({
  place: now + 1, count: leaves.length, caption: leaves[now].about || leaves[now].title, asked: leaves[now].about ? leaves[now].title : "",
  notes: leaves[now].notes, next: leaves[now + 1]?.about || leaves[now + 1]?.title,
}, began, themes[looks]);
speaker.turn = (by) => { turn(now + by); return true; };
speaker.reset = () => { began = Date.now(); keep("lora-began", { deck: `${location.pathname} ${document.title}`, at: began }); };
part("speak").textContent = say("Notes window");
part("timer").setAttribute("aria-label", say("Since the beginning"));
part("blocked").textContent = say("The browser blocked the notes window: allow pop-ups for this page, then press the button again.");
part("speak").addEventListener("click", () => { part("blocked").hidden = openNotes(); });
if (leaves.length === 1) for (const name of ["list", "back", "forth", "count", "timer"]) part(name).hidden = true;
if (!leaves.some((leaf) => leaf.notes)) part("tell").hidden = true;
if (leaves.length === 1 && !leaves[0].notes) part("speak").hidden = true;
look(0);
turn(0);
