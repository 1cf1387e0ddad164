// One playhead for a page. The film is here, the clock is here: playing and scrubbing send nothing to the server.

const SPEEDS = [0.25, 0.5, 1, 2, 4];
const players = new WeakMap();

function mount(host) {
  const root = host.querySelector(".player");
  const gone = new AbortController(), until = { signal: gone.signal };
  const s = {
    root, film: null, clock: 0, run: null, t: 0, playing: false, speed: 1, due: 0, drawn: 0, panels: [],
    calm: window.matchMedia("(prefers-reduced-motion: reduce)"),
    find: (name) => root.querySelector(`[data-part="${name}"]`),
  };
  s.tip = s.find("tip");
  const act = {
    reset: () => seek(s, 0), back: () => seek(s, s.t - 1), play: () => toggle(s), forward: () => seek(s, s.t + 1), end: () => seek(s, Infinity),
  };
  for (const [name, action] of Object.entries(act)) s.find(name).addEventListener("click", action);
  s.find("scrub").addEventListener("input", (event) => seek(s, Number(event.target.value)));
  s.find("speed").addEventListener("change", (event) => { s.speed = SPEEDS[event.target.selectedIndex]; });
  const keys = { " ": act.play, ArrowLeft: act.back, ArrowRight: act.forward, Home: act.reset, End: act.end };
  // Keys work wherever the focus is on nothing that wants them itself, so that a presenter need not click first.
  const onKey = (event) => {
    const action = keys[event.key], at = event.composedPath()[0];
    if (!action || event.ctrlKey || event.metaKey || event.altKey) return;
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

const paper = (s) => getComputedStyle(s.root).getPropertyValue("--st-background-color").trim();

function readTheme(s) {
  const text = paper(s) || "#ffffff";
  const [r, g, b] = text.startsWith("#") ? rgb(text) : (text.match(/\d+/g) || [255, 255, 255]).map(Number);
  const dark = 0.3 * r + 0.59 * g + 0.11 * b < 128;
  const name = dark ? "dark" : "light";
  s.theme = {
    ...s.colours.identity[name], diverging: s.colours.diverging[name].map(rgb), paper: text, paperText: paper(s),
    grid: dark ? "#2c3442" : "#e3e7ed", strip: dark ? "#202733" : "#eef1f5", font: getComputedStyle(s.root).fontFamily,
  };
  for (const p of s.panels) p.cache.frame = null;
  for (const [key, value] of Object.entries(s.theme)) if (typeof value === "string") s.root.style.setProperty(`--id-${key}`, value);
}

function take(s, bytes) {
  const { film, colours, run } = decode(bytes);
  if (run === s.run) return;
  const before = s.film, atEnd = !before || s.t >= before.values.data.length - 1, sameAxis = before && before.axis === film.axis && before.start === film.start;
  const views = s.panels.map((p) => p.cache.view);
  s.film = film; s.run = run; s.colours = colours;
  const length = film.values.data.length;
  // A changed control keeps the moment that was being looked at; a first picture shows where the story is.
  const wasStart = before && s.t === before.start;
  s.t = sameAxis && !atEnd && !wasStart ? Math.min(s.t, length - 1) : film.start;
  if (!sameAxis) pause(s);
  build(s, views);
  readTheme(s);
  s.find("scrub").max = length - 1;
  s.find("axis").textContent = film.axis;
  arrange(s);
  draw(s);
  label(s);
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
    cell.append(p.canvas);
    pointer(s, p);
    return p;
  });
}

function buildReadout(p) {
  const title = document.createElement("h3");
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
    if (kind.scrub) { pause(s); seek(s, kind.scrub(p.panel, held[0], s.film, p.cache) ?? s.t); }
  });
  p.canvas.addEventListener("pointermove", (event) => {
    const at = place(event);
    if (held && kind.scrub) seek(s, kind.scrub(p.panel, at[0], s.film, p.cache) ?? s.t);
    else if (held && kind.turn && kind.turn(p.panel, at[0] - held[0], at[1] - held[1], p.cache)) { held = at; drawOne(s, p); }
    const text = !held && kind.hover ? kind.hover(p.panel, at[0], at[1], s.t, p.box, p.cache) : null;
    p.hover = text ? at : null;
    tip(s, p, text);
  });
  p.canvas.addEventListener("pointerup", () => { held = null; });
  p.canvas.addEventListener("pointercancel", () => { held = null; });
  p.canvas.addEventListener("pointerleave", () => { p.hover = null; tip(s, p, null); });
  if (p.panel.kind === "lines") p.canvas.style.cursor = "ew-resize";
  if (p.panel.kind === "cloud" && p.panel.dimension === 3) p.canvas.style.cursor = "grab";
}

function tip(s, p, text) {
  s.tip.hidden = !text;
  if (!text) return;
  s.tip.textContent = text;
  const stage = s.find("stage").getBoundingClientRect(), r = p.canvas.getBoundingClientRect();
  s.tip.style.left = `${Math.min(r.left - stage.left + p.hover[0] + 14, stage.width - s.tip.offsetWidth - 4)}px`;
  s.tip.style.top = `${r.top - stage.top + p.hover[1] + 16}px`;
}

// The stage fills what the screen leaves below the title; rows share it by what stands in them.
function arrange(s) {
  if (!s.film) return;
  const width = s.root.clientWidth, narrow = width < 620;
  const rows = 1 + Math.max(...s.film.panels.map((p) => p.row));
  const above = Math.max(0, s.root.getBoundingClientRect().top + window.scrollY);
  const total = Math.max(rows > 1 ? 430 : 320, Math.min(window.innerHeight - Math.min(above, 260) - 112, width * 0.78));
  const font = Math.max(13, Math.min(24, width / 62));
  s.root.style.setProperty("--font", `${font}px`);
  const height = narrow ? Math.min(340, width * 0.9) : total / rows;
  for (const p of s.panels) {
    p.cell.style.gridColumn = narrow ? "1 / -1" : "";
    p.cell.style.height = p.canvas ? `${height}px` : narrow ? "auto" : `${height}px`;
    if (!p.canvas) continue;
    const w = p.cell.clientWidth, dpr = Math.min(2, window.devicePixelRatio || 1);
    if (p.box && p.box.width === w && p.box.height === height && p.box.dpr === dpr && p.box.font === font) continue;
    p.box = { width: w, height, dpr, font };
    p.canvas.width = Math.round(w * dpr);
    p.canvas.height = Math.round(height * dpr);
    p.canvas.style.width = `${w}px`;
    p.canvas.style.height = `${height}px`;
    p.cache.frame = null;
  }
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
  const where = `${format(value)} / ${format(last)}`;
  s.find("where").textContent = where;
  scrub.setAttribute("aria-valuetext", `${s.film.axis} ${where}`);
  if (s.film.narration.length) s.find("narration").textContent = s.film.narration[Math.min(s.t, s.film.narration.length - 1)];
  s.drawn += 1;
  const mark = s.root.dataset;
  mark.frame = s.t; mark.frames = s.film.values.data.length; mark.value = value; mark.run = s.run; mark.drawn = s.drawn;
  if (!s.playing) for (const p of s.panels) if (p.canvas) p.canvas.setAttribute("aria-label", `${p.panel.title}. At ${s.film.axis} ${format(value)}: ${KINDS[p.panel.kind].say(p.panel, s.t, s.film)}`);
}

function seek(s, t) {
  if (!s.film) return;
  pause(s);
  const next = Math.max(0, Math.min(s.film.values.data.length - 1, Math.round(t) === t || t === Infinity ? t : Math.round(t)));
  const last = s.film.values.data.length - 1;
  s.t = Math.min(next, last);
  draw(s);
}

function toggle(s) {
  if (s.calm.matches) return seek(s, s.t >= s.film.values.data.length - 1 ? 0 : s.t + 1);
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

// Slow where the story is: the first frames of a run over steps stay longer.
function dwell(s) {
  const early = s.film.axis === "step" ? 1 + 7 * Math.exp(-s.t / 5) : 1;
  return (1000 * s.film.seconds_per_frame * early) / s.speed;
}

function tick(s) {
  if (!s.playing || !s.root.isConnected) return;
  const now = performance.now(), last = s.film.values.data.length - 1;
  let moved = false;
  while (now >= s.due && s.t < last) { s.t += 1; s.due += dwell(s); moved = true; if (now - s.due > 250) s.due = now + dwell(s); }
  if (moved) draw(s);
  if (s.t >= last) return pause(s);
  s.clock = requestAnimationFrame(() => tick(s));
}

function label(s) {
  const button = s.find("play"), calm = s.calm.matches;
  button.textContent = calm ? "Next" : s.playing ? "❚❚ Pause" : "▶ Play";
  button.setAttribute("aria-label", calm ? "Next frame (motion is reduced)" : s.playing ? "Pause" : "Play");
  s.find("speed").disabled = calm;
  s.root.dataset.playing = s.playing;
}

export default function ({ data, parentElement }) {
  const s = players.get(parentElement) || mount(parentElement);
  if (data && data.length) take(s, data);
}
