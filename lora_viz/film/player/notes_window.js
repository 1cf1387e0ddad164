// The script of the speaker's own window. It stands alone: it is copied into that window as text.

/** @typedef {Record<string, any>} Scene as sceneForSpeaker makes it */

/** @param {string} secret @param {(milliseconds: number) => string} minutes */
export function speakersWindow(secret, minutes) {
  const part = (/** @type {string} */ id) => /** @type {HTMLElement} */ (document.getElementById(id));
  const write = (/** @type {string} */ id, /** @type {string} */ text) => {
    if (part(id).textContent !== text) part(id).textContent = text;
  };
  const ask = (/** @type {string} */ what, more = {}) => {
    if (opener && !opener.closed) opener.postMessage({ lora: secret, ask: what, ...more }, "/");
  };
  /** @type {{ by: number, id: string }[]} */
  let turns = [];
  /** @type {Scene | null} */
  let scene = null;
  /** @type {Record<string, string>} */
  let words = {};
  let heard = Date.now(), said = "";
  addEventListener("message", ({ data, source, origin }) => {
    if (source !== opener || origin !== self.origin || !data || data.lora !== secret) return;
    heard = Date.now();
    scene = data.scene;
    turns = turns.filter((turn) => turn.id !== data.done);
    if (scene && JSON.stringify(scene) !== said) show(scene);
    tick();
  });
  function show(/** @type {Scene} */ shown) {
    said = JSON.stringify(shown);
    words = shown.words;
    document.title = words.title;
    document.documentElement.dataset.theme = shown.theme;
    for (const id of ["place", "caption", "asked", "next"]) write(id, shown[id]);
    for (const id of ["since", "reset", "here", "then", "back", "forth", "reveal", "blank"]) write(id, words[id]);
    part("main").setAttribute("aria-label", words.main);
    part("clock").setAttribute("aria-label", words.clock);
    write("notes", shown.notes || words.none);
    part("notes").toggleAttribute("data-empty", !shown.notes);
    part("main").scrollTop = 0;
  }
  function tick() {
    const { lang } = document.documentElement;
    if (scene) write("timer", minutes(Date.now() - scene.began));
    if (scene) write("stay", minutes(Date.now() - scene.opened));
    write("clock", new Date().toLocaleTimeString(lang, { hour: "2-digit", minute: "2-digit" }));
    const lost = !opener || opener.closed, silent = Date.now() - heard > 5000;
    write("status", (lost ? words.closed : silent ? words.silent : scene ? "" : words.left) || "");
  }
  const turn = (/** @type {number} */ by) => {
    turns.push({ by, id: `${Date.now()} ${Math.random()}` });
    ask("turn", turns[turns.length - 1]);
  };
  const again = () => { // after half a minute nobody waits for it any more
    turns = turns.filter(({ id }) => Date.now() - parseInt(id, 10) < 30000);
    for (const one of turns) ask("turn", one);
  };
  addEventListener("keydown", (event) => {
    const by = event.key === "PageDown" ? 1 : event.key === "PageUp" ? -1 : 0;
    if (!by || event.ctrlKey || event.altKey || event.metaKey) return;
    event.preventDefault();
    turn(by);
  });
  part("back").addEventListener("click", () => turn(-1));
  part("forth").addEventListener("click", () => turn(1));
  for (const id of ["reveal", "blank"]) part(id).addEventListener("click", () => ask(id));
  part("reset").addEventListener("click", () => ask("reset"));
  setInterval(() => { // a main window that was reloaded hears of us again
    ask("now");
    again();
    tick();
  }, 1000);
  setInterval(tick, 250);
  ask("now");
}
