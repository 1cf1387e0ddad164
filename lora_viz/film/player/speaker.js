// In the presenter's toolbar: the time since the deck began, and the way into the notes window.

const bars = new WeakMap();

// Streamlit leaves a key to whatever field has the focus, a ticked box included; a clicker is not meant for that field.
function clicker(event) {
  const by = { PageDown: 1, PageUp: -1 }[event.key], at = event.composedPath()[0];
  if (!by || event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || event.shiftKey) return;
  if (!at.matches?.("input, select") || at.getAttribute("aria-expanded") === "true") return; // a long text pages itself
  event.preventDefault();
  event.stopImmediatePropagation();
  speaker.turn(by);
}

function hang(host) {
  const root = host.querySelector(".speaker"), find = (name) => root.querySelector(`[data-part="${name}"]`), gone = new AbortController();
  const b = { root, data: null, began: 0 };
  const tick = () => {
    if (!root.isConnected) { clearInterval(b.clock); gone.abort(); return; }
    const text = minutes(Date.now() - b.began);
    if (find("timer").textContent !== text) find("timer").textContent = text;
  };
  find("open").addEventListener("click", () => { find("blocked").hidden = openNotes(); });
  document.addEventListener("keydown", (event) => { if (root.isConnected) clicker(event); }, { capture: true, signal: gone.signal });
  b.clock = setInterval(tick, 250);
  b.take = (data) => {
    words = data.words || {};
    if (!b.data || b.data.place !== data.place) find("blocked").hidden = true;
    b.data = data;
    b.began = beganAt(data.deck, data.beginning);
    find("open").textContent = say("Notes window");
    find("open").title = say("Notes, next scene and time in a window of their own, for the speaker alone");
    find("timer").setAttribute("aria-label", say("Since the beginning"));
    find("timer").title = say("Since the beginning");
    find("blocked").textContent = say("The browser blocked the notes window: allow pop-ups for this page, then press the button again.");
    tick();
  };
  // The background says which theme is on.
  const theme = () => {
    const paper = getComputedStyle(root).getPropertyValue("--st-background-color").trim();
    const [r, g, blue] = /^#[\da-f]{6}$/i.test(paper) ? [1, 3, 5].map((i) => parseInt(paper.slice(i, i + 2), 16)) : (paper.match(/\d+/g) || [255, 255, 255]).map(Number);
    return paper === "#000000" ? "contrast" : 0.3 * r + 0.59 * g + 0.11 * blue < 128 ? "dark" : "light";
  };
  const press = (by) => {
    const button = document.querySelector(by > 0 ? ".st-key-scene_next button" : ".st-key-scene_back button");
    button?.click();
    return Boolean(button);
  };
  b.speak = () => {
    speaker.scene = () => (root.isConnected ? sceneForSpeaker(b.data, b.began, theme()) : null);
    speaker.turn = (by) => root.isConnected && press(by);
    speaker.reset = () => { b.began = Date.now(); keep("lora-began", { deck: b.data.deck, beginning: b.data.beginning, at: b.began }); tick(); };
    tellSpeaker();
  };
  bars.set(host, b);
  return b;
}

export default function ({ data, parentElement }) {
  const b = bars.get(parentElement) || hang(parentElement);
  b.take(data);
  b.speak();
}
