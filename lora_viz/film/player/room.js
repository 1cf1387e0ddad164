// The room on the presenter's screen: its code, who is in, the time, and what the presenter may do. The secret stays in
// this script and in a cookie that ends with the room; nothing draws it.

import { first, roomNow, setRoom } from "./first.js";
import { say, speakWith } from "./language.js";

/** @typedef {import("./types").Thought} Thought */
/** @typedef {{ code: string, secret: string, api: string, path: string, scene: string, shown: string,
 *   round: number | null, state: string, address: string, note: string, qr: string,
 *   words: Record<string, string> | undefined }} Given */

const EVERY = 700, QUIET = 2600, COOKIE = "lora_room";

/** @type {WeakMap<Element, ReturnType<typeof hang>>} */
const bars = new WeakMap();

/** @param {Element} host */
function hang(host) {
  const root = /** @type {HTMLElement} */ (host.querySelector(".room"));
  const find = (/** @type {string} */ name) => /** @type {any} */ (root.querySelector(`[data-part="${name}"]`));
  /** @type {Given | null} */
  let given = null;
  /** @type {any} */
  let front = null;
  let busy = false, ends = 0, moved = Date.now();
  let send = () => {};

  /** @param {string} path @param {any} [body] */
  async function ask(path, body) {
    if (!given) throw new Error("");
    const { api, code, secret } = given, lang = document.documentElement.lang || "en";
    const found = await fetch(`${api}${code}/${path}${path.includes("?") ? "&" : "?"}lang=${lang.slice(0, 2)}`, {
      method: body ? "POST" : "GET", cache: "no-store", credentials: "omit",
      headers: { "Authorization": `Bearer ${secret}`, "Content-Type": "application/json" },
      body: body ? JSON.stringify(body) : undefined,
    }).catch(() => {
      throw new Error(say("The room cannot be reached at the moment."));
    });
    const kind = found.headers.get("content-type") || "";
    const told = found.ok && !kind.includes("json") ? await found.blob() : await found.json().catch(() => ({}));
    if (!found.ok) throw Object.assign(new Error(told.error || `${found.status}`), { status: found.status });
    return told;
  }

  /** @param {Record<string, unknown>} does */
  async function act(does) {
    try {
      front = await ask("act", does);
      find("said").textContent = "";
      if (front.removed) end();
      else tell();
    } catch (error) {
      find("said").textContent = error instanceof Error ? error.message : "";
    }
  }

  function end() {
    document.cookie = `${COOKIE}=; Path=${given?.path || "/"}; Max-Age=0; SameSite=Strict`;
    given = front = null;
    setRoom(null);
    root.hidden = true;
    send();
  }

  function tell() {
    if (!front || !given) return;
    const open = front.state === "open", asked = open && front.round === given.round;
    const { phones, answered } = front;
    find("count").textContent = asked ? say("{answered} of {phones} answered", { answered, phones })
      : phones === 1 ? say("1 phone is in") : say("{phones} phones are in", { phones });
    ends = asked ? Date.now() + front.left * 1000 : 0;
    for (const name of ["extend", "skip"]) find(name).hidden = !asked;
    const { hidden } = front;
    find("hide").setAttribute("aria-pressed", `${hidden}`);
    for (const name of ["way", "code", "big"]) find(name).hidden = hidden;
    if (hidden) find("large").hidden = true;
    clock();
  }

  function clock() {
    const left = Math.max(0, Math.round((ends - Date.now()) / 1000));
    const clocked = `${Math.floor(left / 60)}:${String(left % 60).padStart(2, "0")}`;
    const text = !ends ? "" : left ? clocked : say("time is up");
    if (find("time").textContent !== text) find("time").textContent = text;
    root.dataset.quiet = `${Date.now() - moved > QUIET}`;
  }

  async function look() {
    if (!root.isConnected) {
      clearInterval(looking);
      gone.abort();
      return;
    }
    clock();
    if (busy || !given) return;
    busy = true;
    try {
      front = await ask("front");
      tell();
    } catch (error) {
      if (/** @type {any} */ (error).status === 403) end();
    } finally {
      busy = false;
    }
  }
  const gone = new AbortController(), looking = setInterval(look, EVERY);
  for (const name of ["pointermove", "pointerdown", "keydown"]) {
    document.addEventListener(name, () => {
      moved = Date.now();
      root.dataset.quiet = "false";
    }, { capture: true, passive: true, signal: gone.signal });
  }

  const large = (/** @type {boolean} */ open) => {
    find("large").hidden = !open;
    find("big").setAttribute("aria-expanded", `${open}`);
    find(open ? "close" : "big").focus();
  };
  find("big").addEventListener("click", () => large(true));
  find("close").addEventListener("click", () => large(false));
  find("large").addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => {
    if (event.key === "Escape") large(false);
  });
  find("extend").addEventListener("click", () => act({ do: "extend" }));
  find("skip").addEventListener("click", () => act({ do: "skip" }));
  find("hide").addEventListener("click", () => act({ do: front?.hidden ? "show" : "hide" }));
  find("remove").addEventListener("click", () => {
    if (find("remove").dataset.sure) return act({ do: "remove" });
    find("remove").dataset.sure = "true"; // the second press is meant
    find("remove").textContent = say("End the room and delete all answers?");
    setTimeout(() => {
      delete find("remove").dataset.sure;
      find("remove").textContent = say("End the room");
    }, 4000);
  });
  find("picture").addEventListener("click", () => first.picture?.());
  for (const kind of ["csv", "json"]) find(kind).addEventListener("click", async () => {
    try {
      const told = await ask(`answers.${kind}`);
      const type = "application/json";
      const blob = told instanceof Blob ? told : new Blob([JSON.stringify(told, null, 1)], { type });
      const href = URL.createObjectURL(blob);
      Object.assign(document.createElement("a"), { href, download: `room-${given?.code}.${kind}` }).click();
      setTimeout(() => URL.revokeObjectURL(href), 1000);
    } catch (error) {
      find("said").textContent = error instanceof Error ? error.message : "";
    }
  });

  const state = () => (front && given && front.round === given.round ? front.state : given?.state || "");
  /** @type {import("./types").Room} */
  const room = {
    asks: (scene) => Boolean(given && given.shown === scene && given.round !== null && root.isConnected &&
      state() !== "skipped"),
    state,
    thought: () => ask(`thought?round=${given?.round}`),
    async close() {
      if (state() === "open") front = await ask("act", { do: "close" });
      tell();
      return room.thought();
    },
    async measure() {
      if (state() === "closed") front = await ask("act", { do: "measure" });
      tell();
      return room.thought();
    },
  };

  return {
    /** @param {Given} data @param {() => void} ended */
    take(data, ended) {
      speakWith(data.words);
      send = ended;
      const before = given;
      given = data.code ? data : null;
      root.hidden = !given;
      if (!given) return;
      document.cookie =
        `${COOKIE}=${data.code}.${data.secret}; Path=${data.path}; Max-Age=14400; SameSite=Strict`;
      if (!before) {
        for (const b of root.querySelectorAll("button")) b.textContent = say(b.textContent || "");
      }
      find("way").textContent = data.address ? say("Join at {address}", { address: data.address }) : say("Room");
      find("where").textContent = data.address ? say("Join at {address}", { address: data.address }) : "";
      find("code").textContent = find("letters").textContent = data.code;
      find("note").textContent = data.note;
      find("qr").alt = say("QR code of the room");
      if (data.qr) find("qr").src = data.qr;
      if (!before && data.round === null) front = null;
      setRoom(room);
      look();
      if (before?.round !== data.round || before?.scene !== data.scene || before?.code !== data.code) {
        if (room.asks(data.shown)) first.again?.();
      }
    },
  };
}

/**
 * @param {{ data: any, parentElement: Element, setTriggerValue: (name: string, value: unknown) => void }} given
 */
export default function openRoom({ data, parentElement, setTriggerValue }) {
  const bar = bars.get(parentElement) || hang(parentElement);
  bars.set(parentElement, bar);
  bar.take(data, () => setTriggerValue("ended", true));
  if (!data.code && roomNow()) setRoom(null);
}
