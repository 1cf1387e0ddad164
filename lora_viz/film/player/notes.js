// What the speaker sees and the room does not: a second window with the notes, the next scene and the time. Both windows
// talk by reference: the notes window finds its opener again after that was reloaded, and nothing goes over a network.

const kept = {}; // where a browser keeps nothing, for as long as this page stands
function keep(name, value) {
  try {
    if (value !== undefined) sessionStorage.setItem(name, JSON.stringify(value));
    return JSON.parse(sessionStorage.getItem(name)) ?? undefined;
  } catch {
    if (value !== undefined) kept[name] = value;
    return kept[name];
  }
}

// Minutes and seconds, as a speaker counts: 75:12, not 1:15:12.
function minutes(milliseconds) {
  const seconds = Math.max(0, Math.floor(milliseconds / 1000));
  return [Math.floor(seconds / 60), seconds % 60].map((n) => String(n).padStart(2, "0")).join(":");
}

// When did this deck begin, by the clock of this browser? `beginning` names a beginning; none: a link or a reload, which
// goes on with what this tab has of the same deck.
function beganAt(deck, beginning) {
  const last = keep("lora-began");
  if (last && last.deck === deck && (!beginning || beginning === last.beginning)) return last.at;
  return keep("lora-began", { deck, beginning, at: Date.now() }).at;
}

// A word that only both windows know, and the name by which this tab finds its notes window again.
const secret = () => keep("lora-notes") || keep("lora-notes", `lora-notes-${Math.random().toString(36).slice(2)}`);

// One speaker a page, whichever scene's script was loaded last: what is shown, the second window, how a scene is turned.
const speaker = (globalThis.loraSpeaker ||= { scene: () => null, turn: () => false, reset: () => {}, window: null, heard: null, turned: new Set() });

function answer(to, done) {
  to.postMessage({ lora: secret(), scene: speaker.scene(), done }, "*"); // to a window that knows the secret
}

function tellSpeaker() {
  if (speaker.window && !speaker.window.closed) answer(speaker.window);
}

if (speaker.heard) removeEventListener("message", speaker.heard);
addEventListener("message", speaker.heard = ({ data, source }) => {
  if (!data || !source || data.lora !== secret() || !data.ask) return;
  speaker.window = source;
  // A page that is just being loaded turns nothing yet: what was not done is asked again, what was done is done once.
  if (data.ask === "turn" && Math.abs(data.by) === 1 && !speaker.turned.has(data.id) && speaker.turn(data.by)) speaker.turned.add(data.id);
  if (data.ask === "reset") speaker.reset();
  answer(source, speaker.turned.has(data.id) ? data.id : undefined);
});

// Open the notes window, or find it again. False: the browser did not let it open.
function openNotes() {
  let there = window.open("", secret(), "popup,width=900,height=700");
  if (!there) return false;
  try {
    if (!there.document.getElementById("caption")) furnish(there);
  } catch { // somebody took it to another site: it is no longer ours
    there = window.open("", keep("lora-notes", `${secret()}-`), "popup,width=900,height=700");
    if (!there) return false;
    furnish(there);
  }
  speaker.window = there;
  there.focus();
  tellSpeaker();
  return true;
}

function furnish(there) {
  const page = there.document;
  page.documentElement.lang = document.documentElement.lang || "en";
  page.head.innerHTML = `<meta charset="utf-8"><title></title><style>${NOTES_STYLE}</style>`;
  page.body.innerHTML = `<header><b id="place"></b><span><span id="since"></span> <b id="timer" role="timer"></b>
    <button id="reset"></button></span><b id="clock"></b></header>
    <main id="main" tabindex="0"><h1 id="caption"></h1><p id="asked"></p><p id="notes"></p></main>
    <section aria-labelledby="then"><h2 id="then"></h2><p id="next"></p></section>
    <footer><button id="back"></button><button id="forth"></button><p id="status" role="status"></p></footer>`;
  const script = page.createElement("script"); // runs in that window, so it outlives a reload of this one
  script.textContent = `(${speakersWindow})(${JSON.stringify(secret())}, ${minutes});`;
  page.body.append(script);
}

const NOTES_STYLE = `
:root { color-scheme: light; --paper: #ffffff; --ink: #14181f; --soft: #49525f; --line: #c9d0da; --button: #f1f3f6; --mark: #0067b1; }
:root[data-theme="dark"] { color-scheme: dark; --paper: #10141b; --ink: #f2f4f8; --soft: #b9c2cf; --line: #3b4554; --button: #1b212c; --mark: #5eb2f2; }
:root[data-theme="contrast"] { color-scheme: dark; --paper: #000000; --ink: #ffffff; --soft: #ffffff; --line: #ffffff; --button: #1a1a1a; --mark: #8fd0ff; }
* { box-sizing: border-box; }
body { margin: 0; height: 100vh; padding: 16px 24px; display: flex; flex-direction: column; gap: 12px; background: var(--paper); color: var(--ink);
  font: clamp(17px, 1.2vw + 8px, 26px) / 1.35 system-ui, "DejaVu Sans", sans-serif; }
header { display: flex; flex-wrap: wrap; gap: 4px 28px; justify-content: space-between; align-items: baseline; }
header b { font-size: 1.5em; font-variant-numeric: tabular-nums; }
main { flex: 1 1 auto; min-height: 0; overflow: auto; border-top: 1px solid var(--line); padding: 10px 4px; }
h1 { font-size: 1.25em; line-height: 1.3; margin: 0 0 0.5em; font-weight: 600; }
#asked { margin: 0 0 0.6em; color: var(--soft); } #asked:empty { display: none; }
#notes { margin: 0; font-size: clamp(26px, 2.6vw + 12px, 58px); line-height: 1.35; white-space: pre-wrap; overflow-wrap: anywhere; }
#notes[data-empty] { font-size: 1em; color: var(--soft); }
section { border-top: 1px solid var(--line); padding-top: 8px; max-height: 26vh; overflow: auto; }
h2 { font-size: 1em; margin: 0; color: var(--soft); font-weight: 600; } section p { margin: 2px 0 0; }
footer { display: flex; flex-wrap: wrap; gap: 10px; align-items: center; } footer p { margin: 0; font-weight: 600; }
button { font: inherit; min-height: 44px; padding: 2px 18px; border-radius: 8px; cursor: pointer; color: var(--ink); background: var(--button); border: 1px solid var(--line); }
:focus-visible { outline: 3px solid var(--mark); outline-offset: 2px; }`;

// The script of the second window. It stands alone: it is copied into that window as text.
function speakersWindow(secret, minutes) {
  const part = (id) => document.getElementById(id), write = (id, text) => { if (part(id).textContent !== text) part(id).textContent = text; };
  const ask = (what, more = {}) => { if (opener && !opener.closed) opener.postMessage({ lora: secret, ask: what, ...more }, "*"); };
  let turns = [], scene = null, heard = Date.now(), said = "", words = {};
  addEventListener("message", ({ data, source }) => {
    if (source !== opener || !data || data.lora !== secret) return;
    heard = Date.now();
    scene = data.scene;
    turns = turns.filter((turn) => turn.id !== data.done);
    if (scene && JSON.stringify(scene) !== said) show();
    tick();
  });
  function show() {
    said = JSON.stringify(scene);
    words = scene.words;
    document.title = words.title;
    document.documentElement.dataset.theme = scene.theme;
    for (const id of ["place", "caption", "asked", "next"]) write(id, scene[id]);
    for (const id of ["since", "reset", "then", "back", "forth"]) write(id, words[id]);
    part("main").setAttribute("aria-label", words.main);
    part("clock").setAttribute("aria-label", words.clock);
    write("notes", scene.notes || words.none);
    part("notes").toggleAttribute("data-empty", !scene.notes);
    part("main").scrollTop = 0;
  }
  function tick() {
    if (scene) write("timer", minutes(Date.now() - scene.began));
    write("clock", new Date().toLocaleTimeString(document.documentElement.lang, { hour: "2-digit", minute: "2-digit" }));
    const lost = !opener || opener.closed, silent = Date.now() - heard > 5000;
    write("status", lost ? words.closed : silent ? words.silent : scene ? "" : words.left || "");
  }
  const turn = (by) => { turns.push({ by, id: `${Date.now()} ${Math.random()}` }); ask("turn", turns[turns.length - 1]); };
  const again = () => { // after half a minute nobody waits for it any more
    turns = turns.filter(({ id }) => Date.now() - parseInt(id, 10) < 30000);
    for (const one of turns) ask("turn", one);
  };
  addEventListener("keydown", (event) => {
    const by = { PageDown: 1, PageUp: -1 }[event.key];
    if (!by || event.ctrlKey || event.altKey || event.metaKey) return;
    event.preventDefault();
    turn(by);
  });
  part("back").addEventListener("click", () => turn(-1));
  part("forth").addEventListener("click", () => turn(1));
  part("reset").addEventListener("click", () => ask("reset"));
  setInterval(() => { ask("now"); again(); tick(); }, 1000); // a main window that was reloaded hears of us again
  setInterval(tick, 250);
  ask("now");
}

// What the second window shows of a scene: all that it says, in the visitor's language.
function sceneForSpeaker({ place, count, caption, asked, notes, next }, began, theme) {
  return {
    began, theme, caption, notes,
    place: say("Scene {place} of {count}", { place, count }),
    asked: asked ? say("Asked first: {question}", { question: asked }) : "",
    next: next || say("This is the last scene."),
    words: {
      title: say("Speaker notes"), main: say("This scene"), none: say("No notes for this scene."), then: say("Next scene"),
      since: say("Since the beginning"), reset: say("Reset"), clock: say("Time of day"), back: say("◀ Back"), forth: say("Next ▶"),
      left: say("The main window shows no scene now."), closed: say("The main window is closed."),
      silent: say("The main window does not answer."),
    },
  };
}
