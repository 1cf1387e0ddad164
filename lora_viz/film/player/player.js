// One playhead for a page. The film is here, the clock is here: playing and scrubbing send nothing to the server.

const SPEEDS = [0.25, 0.5, 1, 2, 4];
const players = new WeakMap();

function mount(host) {
  const root = host.querySelector(".player");
  const gone = new AbortController(), until = { signal: gone.signal };
  const s = {
    root, film: null, clock: 0, run: null, t: 0, playing: false, speed: 1, due: 0, drawn: 0, panels: [], slow: false,
    calm: window.matchMedia("(prefers-reduced-motion: reduce)"),
    find: (name) => root.querySelector(`[data-part="${name}"]`),
  };
  s.tip = s.find("tip");
  s.written = writtenIn(root);
  const act = {
    reset: () => { for (const p of s.panels) KINDS[p.panel.kind]?.forget?.(p.cache); seek(s, 0); },
    back: () => step(s, -1), play: () => toggle(s), forward: () => step(s, 1), end: () => seek(s, Infinity), slow: () => slowly(s),
    numbers: () => openTables(s), png: () => saveSlide(s),
    compare: () => compare(s, !s.compare),
    share: () => { pause(s); s.share(s.film.values.data[s.t]); },
  };
  for (const [name, action] of Object.entries(act)) s.find(name).addEventListener("click", action);
  s.find("scrub").addEventListener("input", (event) => seek(s, Number(event.target.value)));
  s.find("speed").addEventListener("change", (event) => { s.speed = SPEEDS[event.target.selectedIndex]; });
  const keys = { " ": act.play, ArrowLeft: act.back, ArrowRight: act.forward, Home: act.reset, End: act.end, s: act.slow };
  // In the tables the arrows scroll.
  s.find("tables").addEventListener("keydown", (event) => { if (event.key in keys) event.stopPropagation(); });
  // Keys work wherever the focus is on nothing that wants them itself, so that a presenter need not click first.
  const onKey = (event) => {
    const action = keys[event.key], at = event.composedPath()[0];
    if (!action || event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
    const mine = event.composedPath().includes(root);
    const wants = at.matches && at.matches("input, textarea, select, [contenteditable=true], [role=slider], [role=combobox], [role=radio], [role=option]");
    const presses = at.matches && at.matches("button, a, summary, [role=button], [role=tab]");
    if (wants && !(mine && at === s.find("scrub") && event.key === " ")) return;
    if (presses && event.key === " ") return;
    event.preventDefault();
    action();
  };
  const refit = () => { arrange(s); draw(s); };
  const size = new ResizeObserver(refit);
  size.observe(root);
  window.addEventListener("resize", refit, until);
  document.addEventListener("keydown", onKey, until);
  document.addEventListener("visibilitychange", () => { if (document.hidden) pause(s); }, until);
  s.calm.addEventListener("change", () => { pause(s); label(s); }, until);
  // A theme changes without a call, and a page that is left says nothing: look now and then.
  const watch = setInterval(() => {
    if (!root.isConnected) { clearInterval(watch); size.disconnect(); gone.abort(); pause(s); return; }
    if (s.film && paper(s) !== s.theme.paperText) { readTheme(s); draw(s); }
  }, 700);
  players.set(host, s);
  return s;
}

// What stands in the page in English: texts, titles and names for the ear, each with its place.
function writtenIn(root) {
  const found = [], texts = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) { const node = texts.currentNode, text = node.data.trim(); if (text) found.push([text, (said) => { node.data = said; }]); }
  for (const name of ["title", "aria-label"]) for (const e of [root, ...root.querySelectorAll(`[${name}]`)]) {
    const text = e.getAttribute(name);
    if (text) found.push([text, (said) => e.setAttribute(name, said)]);
  }
  return found;
}

const paper = (s) => getComputedStyle(s.root).getPropertyValue("--st-background-color").trim();

function readTheme(s) {
  const text = (s.present && s.present.contrast ? "#000000" : paper(s)) || "#ffffff";
  const [r, g, b] = text.startsWith("#") ? rgb(text) : (text.match(/\d+/g) || [255, 255, 255]).map(Number);
  const dark = 0.3 * r + 0.59 * g + 0.11 * b < 128;
  const name = dark ? "dark" : "light";
  s.theme = {
    ...s.colours.identity[name], diverging: s.colours.diverging[name].map(rgb), sequential: s.colours.sequential.map(rgb), paper: text, paperText: paper(s),
    grid: dark ? "#2c3442" : "#e3e7ed", strip: dark ? "#202733" : "#eef1f5", font: getComputedStyle(s.root).fontFamily,
  };
  // On pure black, high contrast: what is yet to come is bright as well, and only thinner.
  s.theme.future = text === "#000000" ? 0.95 : 0.5;
  if (text === "#000000") Object.assign(s.theme, { faint: "#c3cad6", grid: "#3a4352", strip: "#14181f" });
  for (const p of s.panels) p.cache.frame = null;
  for (const [key, value] of Object.entries(s.theme)) if (typeof value === "string") s.root.style.setProperty(`--id-${key}`, value);
}

function take(s, bytes) {
  const { film, axis, colours, run, at, shares, question, present } = decode(bytes);
  film.axisSaid = axis ?? film.axis; // the axis is a name to the code, to the eye it is a word
  const spoken = Object.values(words).join(), anew = spoken !== s.spoken; // another language than before?
  s.spoken = spoken;
  if (anew) for (const [text, write] of s.written) write(say(text));
  const scene = present ? present.scene : null, turned = Boolean(s.film) && scene !== (s.present ? s.present.scene : null);
  s.present = present || null;
  if (run === s.run && !turned && !anew) return;
  const before = s.film, atEnd = !before || s.t >= before.values.data.length - 1, sameAxis = before && before.axis === film.axis && before.start === film.start;
  const views = s.panels.map((p) => p.cache.view);
  s.previous = before;
  s.film = film; s.run = run; s.colours = colours;
  const length = film.values.data.length;
  // A changed control keeps the moment that was being looked at; a first picture shows where the story is.
  const wasStart = before && s.t === before.start;
  s.t = sameAxis && (anew || (!atEnd && !wasStart)) ? Math.min(s.t, length - 1) : film.start;
  const opening = !before || turned;
  if (turned) { pause(s); s.t = film.start; }
  if (opening && Number.isInteger(at)) s.t = Math.max(0, Math.min(at, length - 1)); // a link names its moment
  if (!sameAxis) pause(s);
  build(s, views);
  compare(s, s.compare && sameAxis);
  askFirst(s, question);
  readTheme(s);
  s.find("scrub").max = length - 1;
  s.find("axis").textContent = film.axisSaid;
  s.find("share").hidden = !shares || Boolean(present);
  s.find("png").hidden = Boolean(present);
  s.root.dataset.present = present ? "true" : "";
  s.find("slow").hidden = !film.phases.length;
  film.phase = s.slow && film.phases.length ? 1 : 0;
  arrange(s);
  draw(s);
  label(s);
  if (opening && film.autoplay && !s.calm.matches && !Number.isInteger(at)) play(s);
}

// The run before this one stays as dotted curves, panel by panel of the same name.
function compare(s, on) {
  s.compare = Boolean(on);
  const before = on && s.previous ? s.previous : { panels: [], values: { data: [] } };
  for (const { panel } of s.panels) {
    const old = panel.kind === "lines" && before.panels.find((p) => p.kind === "lines" && p.title === panel.title);
    panel.ghost = old ? { series: old.series, values: [...before.values.data] } : null;
  }
  s.find("compare").setAttribute("aria-pressed", s.compare);
  s.find("compare").hidden = Boolean(s.present) || !s.film.panels.some((panel) => panel.kind === "lines");
  if (s.theme) draw(s);
}

function build(s, views) {
  const stage = s.find("stage");
  stage.replaceChildren();
  s.panels = s.film.panels.map((panel, index) => {
    const cell = document.createElement("div");
    cell.className = `cell ${panel.kind}`;
    cell.style.setProperty("--span", panel.span);
    stage.append(cell);
    const p = { panel, cell, cache: { view: views[index] } };
    if (panel.kind === "readout") { buildReadout(p); return p; }
    p.canvas = document.createElement("canvas");
    p.canvas.setAttribute("role", "img");
    if (panel.tall) cell.style.gridRow = `span ${panel.tall}`;
    cell.append(p.canvas);
    pointer(s, p);
    return p;
  });
}

function buildReadout(p) {
  const title = document.createElement("h2");
  title.textContent = p.panel.title;
  const list = document.createElement("dl");
  p.values = p.panel.rows.map((row) => {
    const dt = document.createElement("dt"), dd = document.createElement("dd");
    dt.textContent = row.label;
    dd.style.color = dt.style.color = `var(--id-${row.colour})`;
    const line = document.createElement("div");
    line.append(dt, dd);
    list.append(line);
    return dd;
  });
  p.cell.append(title, list);
}

function pointer(s, p) {
  const kind = KINDS[p.panel.kind], place = (event) => { const r = p.canvas.getBoundingClientRect(); return [event.clientX - r.left, event.clientY - r.top]; };
  let held = null;
  p.canvas.addEventListener("pointerdown", (event) => {
    held = place(event);
    p.canvas.setPointerCapture(event.pointerId);
    if (p.panel.veiled) return sketch(s, p, held, held);
    if (kind.press) { pause(s); if (kind.press(p.panel, held[0], held[1], s.t, p.cache, (...to) => ask(s, p, ...to))) draw(s); }
    if (kind.scrub) { pause(s); seek(s, kind.scrub(p.panel, held[0], s.film, p.cache) ?? s.t); }
    const cell = p.panel.picks && kind.cell(p.panel, ...held, p.cache);
    if (cell) { held = null; s.pick(...cell); }
  });
  p.canvas.addEventListener("pointermove", (event) => {
    const at = place(event);
    if (held && p.panel.veiled) { sketch(s, p, held, at); held = at; return; }
    if (held && kind.scrub) seek(s, kind.scrub(p.panel, at[0], s.film, p.cache) ?? s.t);
    else if (held && kind.turn && kind.turn(p.panel, at[0] - held[0], at[1] - held[1], p.cache)) { held = at; drawOne(s, p); }
    const text = !held && kind.hover ? kind.hover(p.panel, at[0], at[1], s.t, p.box, p.cache) : null;
    p.hover = text ? at : null;
    tip(s, p, text);
    if (kind.redraws && !held) drawOne(s, p);
  });
  if (kind.key && kind.keyed?.(p.panel) !== false) {
    p.canvas.tabIndex = 0;
    p.canvas.addEventListener("keydown", (event) => {
      const text = kind.key(p.panel, event, s.t, p.cache, (...to) => (p.panel.picks ? s.pick(...to) : ask(s, p, ...to)));
      if (text === null) return;
      event.preventDefault();
      p.hover = [16, 16];
      draw(s);
      tip(s, p, text);
    });
  }
  p.canvas.addEventListener("pointerup", () => { held = null; });
  p.canvas.addEventListener("pointercancel", () => { held = null; });
  p.canvas.addEventListener("pointerleave", () => { p.hover = null; tip(s, p, null); if (kind.leave) { kind.leave(p.cache); drawOne(s, p); } });
  if (p.panel.kind === "lines") p.canvas.style.cursor = "ew-resize";
  if (p.panel.picks) p.canvas.style.cursor = "pointer";
  if (p.panel.kind === "cloud" && p.panel.dimension === 3) p.canvas.style.cursor = "grab";
}

function tip(s, p, text) {
  s.tip.hidden = !text;
  if (!text) return;
  s.tip.textContent = text;
  const stage = s.find("stage").getBoundingClientRect(), r = p.canvas.getBoundingClientRect();
  if (KINDS[p.panel.kind].tell) { // beside the picture, not over what it explains
    s.tip.style.left = `${r.left - stage.left + 4}px`;
    s.tip.style.top = `${r.bottom - stage.top - p.box.font * 3.2 + s.find("stage").offsetTop}px`;
    return;
  }
  s.tip.style.left = `${Math.min(r.left - stage.left + p.hover[0] + 14, stage.width - s.tip.offsetWidth - 4)}px`;
  s.tip.style.top = `${r.top - stage.top + p.hover[1] + 16}px`;
}

// Ask for a number on the picture. What is not one is said, and nothing changes.
function ask(s, p, x, y, value, accept) {
  p.cell.querySelector(".ask")?.remove();
  const input = Object.assign(document.createElement("input"), { className: "ask", value: String(Number(value.toPrecision(4))) });
  input.setAttribute("aria-label", say("New value"));
  input.style.left = `${Math.min(x, p.box.width - 96)}px`;
  input.style.top = `${y}px`;
  const close = () => { input.remove(); p.canvas.focus(); };
  input.addEventListener("keydown", (event) => {
    event.stopPropagation();
    if (event.key === "Escape") return close();
    if (event.key !== "Enter") return;
    const given = input.value.trim(), number = Number(given);
    if (given === "" || !Number.isFinite(number) || Math.abs(number) > 1e6) {
      p.hover = [x, y + 20];
      return tip(s, p, say("\"{given}\" is not a number from −1000000 to 1000000: the cell stays {value}", { given: given.slice(0, 20), value: format(value) }));
    }
    accept(number);
    close();
    draw(s);
  });
  input.addEventListener("blur", () => setTimeout(() => input.remove(), 0));
  p.cell.append(input);
  setTimeout(() => { input.focus(); input.select(); }, 0);
}

// The stage fills what the screen leaves below the title; rows share it by what stands in them.
function arrange(s) {
  if (!s.film) return;
  const width = s.root.clientWidth, narrow = width < 620;
  const rows = 1 + Math.max(...s.film.panels.map((p) => p.row));
  const font = s.present ? Math.max(20, Math.min(34, width / 54)) : Math.max(narrow ? 14.2 : 13, Math.min(24, width / 62));
  s.root.style.setProperty("--font", `${font}px`);
  const above = Math.max(0, s.root.getBoundingClientRect().top + window.scrollY);
  // Presented, the transport must stand on the screen whatever is asked above; else a page may be scrolled.
  const told = s.find("narration").offsetHeight;
  const extra = s.present ? s.find("question").offsetHeight + told - font : Math.max(0, told - font * 1.6);
  const room = window.innerHeight - Math.min(above, 260) - 112 - extra;
  const total = Math.max(s.present ? 260 : rows > 1 ? 390 : 320, Math.min(room, width * 0.78));
  const height = narrow ? Math.min(340, width * 0.9) : total / rows;
  // The transport takes one line where it can.
  s.root.dataset.tight = "false";
  s.root.dataset.tight = !narrow && s.find("bar").offsetHeight > 60;
  for (const p of s.panels) {
    const alone = "asked" in p.cell.dataset; // the others give way to the one that is drawn on
    p.cell.style.gridColumn = narrow || alone ? "1 / -1" : "";
    const many = alone && !narrow ? rows : p.panel.tall && !narrow ? p.panel.tall : 1, own = height * many + 8 * (many - 1);
    p.cell.style.height = p.canvas ? `${own}px` : narrow ? "auto" : `${own}px`;
    if (!p.canvas) { fitReadout(s, p, font); continue; }
    const w = p.cell.clientWidth, dpr = Math.min(2, window.devicePixelRatio || 1);
    if (p.box && p.box.width === w && p.box.height === own && p.box.dpr === dpr && p.box.font === font) continue;
    p.box = { width: w, height: own, dpr, font, thick: s.present ? 1.4 : 1 };
    p.canvas.width = Math.round(w * dpr);
    p.canvas.height = Math.round(own * dpr);
    p.canvas.style.width = `${w}px`;
    p.canvas.style.height = `${own}px`;
    p.cache.frame = null;
  }
}

// Nothing of a readout hides behind a scroll bar as long as it can still be read.
function fitReadout(s, p, font) {
  drawOne(s, p);
  let size = font;
  const set = () => p.cell.style.setProperty("--font", `${size}px`);
  for (set(); p.cell.scrollHeight > p.cell.clientHeight + 1 && size > 0.7 * font; set()) size -= 0.5;
}

function drawOne(s, p) {
  if (!p.canvas) {
    p.panel.rows.forEach((row, i) => { const text = row.text[Math.min(s.t, row.text.length - 1)]; if (p.values[i].textContent !== text) p.values[i].textContent = text; });
    return;
  }
  if (!p.box || !p.box.width) return;
  const g = p.canvas.getContext("2d");
  g.setTransform(p.box.dpr, 0, 0, p.box.dpr, 0, 0);
  g.clearRect(0, 0, p.box.width, p.box.height);
  KINDS[p.panel.kind].draw(g, p.panel, s.t, s.film, p.box, s.theme, p.cache);
}

function draw(s) {
  if (!s.film) return;
  for (const p of s.panels) drawOne(s, p);
  const scrub = s.find("scrub"), value = s.film.values.data[s.t], last = s.film.values.data[s.film.values.data.length - 1];
  scrub.value = s.t;
  const where = s.film.of_last ? say("{value} of {last}", { value: format(value), last: format(last) }) : format(value);
  s.find("where").textContent = where;
  scrub.setAttribute("aria-valuetext", `${s.film.axisSaid} ${where}`);
  const byHand = s.panels.map((p) => KINDS[p.panel.kind]?.byHand?.(p.panel, s.t, p.cache)).find(Boolean);
  const told = byHand || s.film.phase && s.film.phases[s.t] && s.film.phases[s.t][s.film.phase - 1];
  if (told) s.find("narration").textContent = told;
  else if (s.film.narration.length) s.find("narration").textContent = s.film.narration[Math.min(s.t, s.film.narration.length - 1)];
  for (const p of s.panels) {
    const now = p.hover && KINDS[p.panel.kind]?.tell?.(p.panel, s.t, p.cache);
    if (now) tip(s, p, now);
  }
  s.drawn += 1;
  const mark = s.root.dataset;
  mark.frame = s.t; mark.frames = s.film.values.data.length; mark.value = value; mark.run = s.run; mark.drawn = s.drawn; mark.phase = s.film.phase || 0;
  if (!s.playing) for (const p of s.panels) if (p.canvas) p.canvas.setAttribute("aria-label", mark.asking ? say("{title}. Hidden until the question above is answered", { title: p.panel.title }) : say("{title}. At {axis} {value}: {reading}", { title: p.panel.title, axis: s.film.axisSaid, value: format(value), reading: KINDS[p.panel.kind].say(p.panel, s.t, s.film, p.cache) }));
  tabulate(s);
}

function seek(s, t) {
  if (!s.film) return;
  pause(s);
  const next = Math.max(0, Math.min(s.film.values.data.length - 1, Math.round(t) === t || t === Infinity ? t : Math.round(t)));
  const last = s.film.values.data.length - 1;
  s.t = Math.min(next, last);
  if (s.film.phase) s.film.phase = 1;
  draw(s);
}

// One on or back: a frame, or in slow motion a phase.
function step(s, by) {
  if (!s.film) return;
  if (!s.film.phase) return seek(s, s.t + by);
  pause(s);
  advance(s, by);
  s.film.share = 1;
  draw(s);
}

function advance(s, by) {
  const count = s.film.phases[s.t].length, last = s.film.values.data.length - 1, next = s.film.phase + by;
  if (next >= 1 && next <= count) s.film.phase = next;
  else if (by > 0 && s.t < last) { s.t += 1; s.film.phase = 1; }
  else if (by < 0 && s.t > 0) { s.t -= 1; s.film.phase = s.film.phases[s.t].length; }
  else return false;
  return true;
}

function slowly(s) {
  if (!s.film || !s.film.phases.length) return;
  s.slow = !s.slow;
  s.film.phase = s.slow ? 1 : 0;
  s.film.share = 1;
  if (s.slow && s.t >= s.film.values.data.length - 1) s.t = 0;
  s.find("slow").setAttribute("aria-pressed", s.slow);
  s.due = performance.now() + dwell(s);
  draw(s);
}

function toggle(s) {
  if (s.calm.matches) return s.t >= s.film.values.data.length - 1 ? seek(s, 0) : step(s, 1);
  s.playing ? pause(s) : play(s);
}

function pause(s) {
  if (!s.playing) return;
  s.playing = false;
  cancelAnimationFrame(s.clock);
  label(s);
  draw(s);
}

function play(s) {
  if (!s.film) return;
  if (s.t >= s.film.values.data.length - 1) s.t = 0;
  s.playing = true;
  s.due = performance.now() + dwell(s);
  label(s);
  draw(s);
  s.clock = requestAnimationFrame(() => tick(s));
}

// Slow where the story is: the first frames of a training stay longer.
function dwell(s) {
  if (s.film.phase) return 1500 / s.speed;
  const early = s.film.training ? 1 + 7 * Math.exp(-s.t / 5) : 1;
  return (1000 * s.film.seconds_per_frame * early) / s.speed;
}

function tick(s) {
  if (!s.playing || !s.root.isConnected) return;
  const now = performance.now(), last = s.film.values.data.length - 1;
  let moved = false;
  if (s.film.phase) { // a quick move, then rest
    const share = Math.min(1, 1 - (s.due - now - 1100 / s.speed) / (400 / s.speed));
    if (now >= s.due) { if (!advance(s, 1)) return pause(s); s.film.share = 0; s.due = now + dwell(s); draw(s); }
    else if (s.film.share !== share) { s.film.share = Math.max(0, share); draw(s); }
    s.clock = requestAnimationFrame(() => tick(s));
    return;
  }
  while (now >= s.due && s.t < last) { s.t += 1; s.due += dwell(s); moved = true; if (now - s.due > 250) s.due = now + dwell(s); }
  if (moved) draw(s);
  if (s.t >= last) return pause(s);
  s.clock = requestAnimationFrame(() => tick(s));
}

function label(s) {
  const button = s.find("play"), calm = s.calm.matches;
  button.textContent = calm ? say("Next") : s.playing ? say("❚❚ Pause") : say("▶ Play");
  button.setAttribute("aria-label", calm ? say("Next frame (motion is reduced)") : s.playing ? say("Pause") : say("Play"));
  s.find("speed").disabled = calm;
  s.find("narration").setAttribute("aria-live", s.playing ? "off" : "polite"); // nobody can follow a sentence a frame
  s.film.share = s.playing ? s.film.share : 1;
  s.root.dataset.playing = s.playing;
}

export default function ({ data, parentElement, setTriggerValue }) {
  const s = players.get(parentElement) || mount(parentElement);
  s.share = (value) => setTriggerValue("shared", value);
  s.pick = (row, column) => setTriggerValue("picked", { row, column });
  if (data && data.length) take(s, data);
}
