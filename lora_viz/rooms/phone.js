// The audience's page: who is in a room answers here. Every answer is kept on this phone until the room has it.

/** @typedef {{ kind: string, text: string, choices: string[], axis: string, values: string, low: number, high: number,
 *   scale: string, places: number[], x_scale: string }} Question */
/** @typedef {{ nth: number, answer: any, sent: boolean }} Mine */

/** @type {Record<string, string>} */
const words = JSON.parse(find("words").textContent || "{}");
const lang = document.documentElement.lang;
const calm = window.matchMedia("(prefers-reduced-motion: reduce)");

/** @param {string} id @returns {any} */
function find(id) {
  return document.getElementById(id);
}

/** @param {string} text @param {Record<string, string | number>} [values] */
function say(text, values) {
  const put = values || {};
  return (words[text] || text).replace(/\{(\w+)\}/g, (all, name) => (name in put ? String(put[name]) : all));
}

/** @type {{ code: string, phone: string, mine: Record<string, Mine> }} */
let me = { code: "", phone: "", mine: {} };
/** @type {{ place: number, state: string, left: number, question?: Question, measured?: string } | null} */
let round = null;
let version = -1, until = 0, shown = "", sending = false, again = 0;

/** What is kept on this phone, of one room at a time; without storage for as long as the page is open. */
function keep() {
  try {
    localStorage.setItem("lora-room", JSON.stringify(me));
  } catch { // a private window
  }
}

/** @param {string} code */
function kept(code) {
  try {
    const found = JSON.parse(localStorage.getItem("lora-room") || "null");
    if (found && found.code === code && found.phone) return found;
  } catch { // nothing is kept
  }
  return { code, phone: "", mine: {} };
}

/** @param {string} path @param {any} [body] @param {number} [patience] in milliseconds */
async function ask(path, body, patience) {
  const stop = window.AbortController ? new AbortController() : null;
  const timer = setTimeout(() => stop && stop.abort(), patience || 10000);
  try {
    const found = await fetch(`api/${path}${path.includes("?") ? "&" : "?"}lang=${lang}`, {
      method: body ? "POST" : "GET", cache: "no-store", credentials: "omit",
      headers: { "Content-Type": "application/json", "Authorization": `Bearer ${me.phone}` },
      body: body ? JSON.stringify(body) : undefined, signal: stop ? stop.signal : undefined,
    });
    if (found.status >= 502) throw new Error("away");
    const told = await found.json();
    return { status: found.status, told };
  } finally {
    clearTimeout(timer);
  }
}

/** @param {number} seconds */
const pause = (seconds) => new Promise((resolve) => setTimeout(resolve, seconds * 1000));

/** @param {string} text */
function tell(text) {
  if (find("status").textContent !== text) find("status").textContent = text;
}

/** @param {string} name of the part that is seen */
function show(name) {
  for (const part of ["join", "rest", "ask"]) find(part).hidden = part !== name;
}

// In.

async function join() {
  const { status: got, told } = await ask("join", { code: me.code, phone: me.phone });
  if (got === 200) {
    if (me.phone !== told.phone) me.mine = {};
    me.phone = told.phone;
    keep();
    find("room").textContent = me.code;
    return true;
  }
  if (got === 429 || got === 503) {
    tell(told.error);
    await pause(5);
    return join();
  }
  me = { code: "", phone: "", mine: {} };
  show("join");
  tell(told.error);
  return false;
}

/** @param {string} code */
async function enter(code) {
  me = kept(code);
  version = -1;
  const mine = (again += 1);
  show("rest");
  find("rest").textContent = say("Connecting …");
  for (let wait = 1; mine === again; wait = Math.min(8, wait * 2)) {
    try {
      if (await join()) break;
      return;
    } catch {
      away();
      await pause(wait);
    }
  }
  follow(mine);
}

// What is asked now.

/** @param {number} mine which of the followers this is: a new one ends the old */
async function follow(mine) {
  for (let wait = 1; mine === again;) {
    try {
      const { status: got, told } = await ask(`${me.code}/state?after=${version}`, undefined, 40000);
      if (mine !== again) return;
      if (got === 403) {
        if (!(await join())) return;
      } else if (got === 200) {
        wait = 1;
        take(told);
        flush();
      } else {
        tell(told.error || "");
        await pause(3);
      }
    } catch {
      away();
      await pause(wait + Math.random());
      wait = Math.min(8, wait * 2);
    }
  }
}

function away() {
  tell(waiting() ? say("No connection. Your answer is kept here and sent as soon as there is one.")
    : say("No connection. Trying again."));
}

/** @param {any} told */
function take(told) {
  version = told.version;
  round = told.round;
  until = round ? Date.now() + round.left * 1000 : 0;
  const key = round ? `${round.place} ${round.state}` : "";
  if (key === shown && key) return status();
  shown = key;
  if (!round || round.state === "skipped") {
    rest(say("You are in. The next question comes here by itself."));
  } else if (round.state === "open" && round.question) {
    draw(round.question);
  } else {
    const answered = mineNow();
    const own = answered && answered.sent ? say("Your answer is in.") : "";
    const { state, measured } = round;
    const seen = state === "measured" && measured ? say("Measured: {measured}", { measured }) : "";
    rest([own, seen || say("Look at the wall: the answers are shown there.")].filter(Boolean).join(" "));
  }
}

/** @param {string} text */
function rest(text) {
  show("rest");
  find("rest").textContent = text;
  find("left").textContent = "";
  tell("");
}

const mineNow = () => (round ? me.mine[round.place] : undefined);
const waiting = () => {
  const mine = mineNow();
  return Boolean(mine && !mine.sent && round && round.state === "open");
};

function status() {
  const mine = mineNow();
  if (!mine) tell("");
  else if (mine.sent) tell(say("Your answer is in. You may change it until the reveal."));
}

/** Keep this answer, and send it. @param {any} given */
function answer(given) {
  if (!round || round.state !== "open") return;
  const before = mineNow();
  me.mine[round.place] = { nth: (before ? before.nth : 0) + 1, answer: given, sent: false };
  keep();
  mark();
  flush();
}

/** Send what the room has not yet; what it refuses is told and not sent again. */
async function flush() {
  if (sending || !round) return;
  sending = true;
  try {
    while (waiting() && round) {
      const { place } = round, mine = me.mine[place];
      const sent = { round: place, nth: mine.nth, answer: mine.answer };
      const { status: found, told } = await ask(`${me.code}/answer`, sent);
      if (found === 403) {
        if (!(await join())) return;
      } else if (found === 429 || found === 503) {
        tell(told.error);
        await pause(1);
      } else if (mine === me.mine[place]) {
        mine.sent = true;
        keep();
        if (found === 200) status();
        else tell(told.error);
      }
    }
  } catch {
    away();
    setTimeout(flush, 1500);
  } finally {
    sending = false;
  }
}

// The three kinds of questions.

/** @param {string} tag @param {Record<string, any>} set @param {any[]} inner */
function made(tag, set, inner = []) {
  const node = Object.assign(document.createElement(tag), set);
  for (const one of inner) node.appendChild(one);
  return node;
}

/** @param {string} label @param {any} value @param {string} [kind] */
function button(label, value, kind) {
  const node = made("button", { type: "button", textContent: label, className: kind || "" });
  node.dataset.value = JSON.stringify(value);
  node.setAttribute("aria-pressed", "false");
  node.addEventListener("click", () => answer(value));
  return node;
}

/** @param {Question} question */
function draw(question) {
  const box = find("answers");
  box.textContent = "";
  find("question").textContent = question.text;
  tell("");
  if (question.kind === "choice") question.choices.forEach((name, i) => box.appendChild(button(name, i)));
  else if (question.kind === "number") numberField(box);
  else curveField(box, question);
  box.appendChild(button(say("I don't know"), null, "quiet"));
  show("ask");
  mark();
  status();
  find("question").focus({ preventScroll: !calm.matches });
}

/** What was answered last is seen, also after a reload. */
function mark() {
  const mine = mineNow();
  for (const node of find("answers").querySelectorAll("button[data-value]")) {
    node.setAttribute("aria-pressed", `${Boolean(mine) && node.dataset.value === JSON.stringify(mine && mine.answer)}`);
  }
  if (mine && !mine.sent) tell(say("Sending …"));
}

/** @param {HTMLElement} box */
function numberField(box) {
  const field = made("input", { type: "text", inputMode: "decimal", autocomplete: "off", maxLength: 30 });
  field.setAttribute("aria-labelledby", "question");
  const mine = mineNow();
  if (mine && mine.answer !== null) field.value = `${mine.answer}`.replace(".", lang === "de" ? "," : ".");
  const send = made("button", { type: "submit", textContent: say("Send"), className: "main" });
  const form = made("form", {}, [field, send]);
  form.addEventListener("submit", (/** @type {Event} */ event) => {
    event.preventDefault();
    const text = field.value.trim().replace(",", ".").replace("−", "-");
    if (text === "" || !isFinite(Number(text))) {
      tell(say("\"{given}\" is not a number: give one, 0.5 say.", { given: field.value.slice(0, 20) }));
      field.focus();
    } else answer(Number(text));
  });
  box.appendChild(form);
}

/** @param {string} scale @param {number} low @param {number} high */
export function scaleOf(scale, low, high) {
  const to = scale === "log" ? Math.log : scale === "sqrt" ? Math.sqrt : (/** @type {number} */ v) => v;
  const from = scale === "log" ? Math.exp : scale === "sqrt" ? (/** @type {number} */ v) => v * v
    : (/** @type {number} */ v) => v;
  const a = to(scale === "log" ? Math.max(low, 1e-12) : low), b = to(high);
  return {
    share: (/** @type {number} */ v) => (to(scale === "log" ? Math.max(v, 1e-12) : v) - a) / (b - a || 1),
    value: (/** @type {number} */ s) => from(a + s * (b - a)),
  };
}

/** @param {number} v */
const short = (v) => String(Number(v.toPrecision(3)));

/** @param {HTMLElement} box @param {Question} question */
function curveField(box, question) {
  const { places, low, high } = question, y = scaleOf(question.scale, low, high);
  const x = scaleOf(question.x_scale, places[0], places[places.length - 1]);
  const mine = mineNow();
  /** @type {(number | null)[]} */
  let drawn = mine && Array.isArray(mine.answer) ? mine.answer.slice() : places.map(() => null);
  let pen = 0, height = 0.5, keyed = false;
  const canvas = /** @type {HTMLCanvasElement} */ (made("canvas", { tabIndex: 0 }));
  canvas.setAttribute("role", "application");
  const first = short(places[0]), last = short(places[places.length - 1]);
  canvas.setAttribute("aria-label", say("Drawing field, {axis} from {first} to {last}. Left and right arrows move " +
    "the pencil, up and down arrows draw.", { axis: question.axis, first, last }));
  const PAD = 10;
  const left = (/** @type {number} */ i) => PAD + x.share(places[i]) * (canvas.clientWidth - 2 * PAD);
  const top = (/** @type {number} */ s) => canvas.clientHeight - PAD - s * (canvas.clientHeight - 2 * PAD);
  function paint() {
    const ratio = Math.min(3, window.devicePixelRatio || 1), g = canvas.getContext("2d");
    if (!g || !canvas.clientWidth) return;
    canvas.width = canvas.clientWidth * ratio;
    canvas.height = canvas.clientHeight * ratio;
    g.scale(ratio, ratio);
    const style = getComputedStyle(canvas);
    g.strokeStyle = g.fillStyle = style.color;
    g.globalAlpha = 0.25;
    for (const s of [0, 0.25, 0.5, 0.75, 1]) {
      g.beginPath();
      g.moveTo(PAD, top(s));
      g.lineTo(canvas.clientWidth - PAD, top(s));
      g.stroke();
    }
    g.globalAlpha = 1;
    g.lineWidth = 4;
    g.lineJoin = g.lineCap = "round";
    g.strokeStyle = g.fillStyle = style.getPropertyValue("--main");
    g.beginPath();
    let begun = false;
    drawn.forEach((v, i) => {
      if (v === null) {
        begun = false;
        return;
      }
      const s = y.share(v);
      if (begun) g.lineTo(left(i), top(s));
      else {
        g.moveTo(left(i), top(s));
        g.lineTo(left(i) + 0.1, top(s));
      }
      begun = true;
    });
    g.stroke();
    if (keyed) {
      g.beginPath();
      g.arc(left(pen), top(height), 9, 0, 7);
      g.stroke();
    }
  }
  /** @param {number} i0 @param {number} s0 @param {number} i1 @param {number} s1 */
  function stroke(i0, s0, i1, s1) {
    for (let i = Math.min(i0, i1); i <= Math.max(i0, i1); i++) {
      const share = i1 === i0 ? 1 : (i - i0) / (i1 - i0);
      drawn[i] = Number(y.value(s0 + share * (s1 - s0)).toPrecision(4));
    }
    paint();
  }
  /** @param {PointerEvent} event */
  function at(event) {
    const r = canvas.getBoundingClientRect(), px = event.clientX - r.left;
    let best = 0;
    for (let i = 1; i < places.length; i++) if (Math.abs(left(i) - px) < Math.abs(left(best) - px)) best = i;
    const s = (canvas.clientHeight - PAD - (event.clientY - r.top)) / (canvas.clientHeight - 2 * PAD);
    return /** @type {[number, number]} */ ([best, Math.max(0, Math.min(1, s))]);
  }
  /** @type {[number, number] | null} */
  let held = null;
  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    keyed = false;
    held = at(event);
    stroke(held[0], held[1], held[0], held[1]);
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!held) return;
    const now = at(event);
    stroke(held[0], held[1], now[0], now[1]);
    held = now;
  });
  for (const name of ["pointerup", "pointercancel"]) canvas.addEventListener(name, () => {
    if (held) answer(drawn.slice());
    held = null;
  });
  /** @type {any} */
  let later = 0;
  canvas.addEventListener("keydown", (event) => {
    /** @type {Record<string, [number, number]>} */
    const moves = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 0.04], ArrowDown: [0, -0.04] };
    const move = moves[event.key];
    if (!move) return;
    event.preventDefault();
    const before = pen;
    keyed = true;
    pen = Math.max(0, Math.min(places.length - 1, pen + move[0]));
    height = Math.max(0, Math.min(1, height + move[1]));
    stroke(before, height, pen, height);
    find("read").textContent = say("{axis} {value}: your guess {guess}", { axis: question.axis,
      value: short(places[pen]), guess: short(y.value(height)) });
    clearTimeout(later);
    later = setTimeout(() => answer(drawn.slice()), 800);
  });
  const clear = made("button", { type: "button", textContent: say("Draw anew") });
  clear.addEventListener("click", () => {
    drawn = places.map(() => null);
    paint();
    canvas.focus();
  });
  const scale = question.scale === "log" ? say("{axis} (log scale)", { axis: question.values }) : question.values;
  box.appendChild(made("figure", {}, [
    made("div", { className: "ends" }, [
      made("span", { textContent: short(high) }), made("span", { textContent: scale })]),
    canvas,
    made("div", { className: "ends" }, [made("span", { textContent: short(low) }),
      made("span", { textContent: `${question.axis} ${first} – ${last}` })]),
  ]));
  box.appendChild(clear);
  setTimeout(paint, 0);
  window.onresize = paint;
}

// The page.

find("join").addEventListener("submit", (/** @type {Event} */ event) => {
  event.preventDefault();
  const code = find("code").value.toUpperCase().replace(/[^A-Z]/g, "");
  if (code.length !== 4) return tell(say("A code has four letters."));
  history.replaceState(null, "", `${code}${location.search}`);
  enter(code);
});
setInterval(() => {
  if (!round || round.state !== "open") return;
  const left = Math.max(0, Math.round((until - Date.now()) / 1000));
  const text = left ? `${Math.floor(left / 60)}:${String(left % 60).padStart(2, "0")}`
    : say("Time is up; answers count until the reveal.");
  if (find("left").textContent !== text) find("left").textContent = text;
}, 500);
window.addEventListener("online", flush);
document.addEventListener("visibilitychange", () => {
  if (!document.hidden) flush();
});
const named = (/\/([A-Za-z]{4})$/.exec(location.pathname) || [])[1];
if (named) enter(named.toUpperCase());
else show("join");
