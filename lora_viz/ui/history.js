// As long as only settings change, a page is one step of the browser's history, not one for each setting; a scene of a
// deck is a step of its own. What a page is set to may be told just before its address is: then the step before gets
// back what it said, and a scene waits for its address. What is written into a page may hold no "<" before a letter:
// Streamlit drops it.

if (!("stepsByPage" in history)) { // this script may run again
  Object.assign(history, { stepsByPage: true });
  const push = history.pushState.bind(history), replace = history.replaceState.bind(history);
  const scene = (/** @type {URL} */ url) => url.searchParams.get("deck") + " " + url.searchParams.get("scene");
  let before = { url: location.href, at: -1000 };
  /** @type {any} */
  let waiting = 0;
  history.pushState = (state, title, to) => {
    const here = new URL(location.href), there = new URL(to ?? "", here), now = performance.now();
    clearTimeout(waiting);
    if (there.pathname !== here.pathname) {
      if (now - before.at < 500 && new URL(before.url).pathname === here.pathname) replace(state, title, before.url);
      push(state, title, to);
    } else if (scene(there) === scene(here)) {
      if (now - before.at >= 500) before = { url: here.href, at: now };
      replace(state, title, to);
    } else {
      waiting = setTimeout(() => location.pathname === here.pathname && push(state, title, to), 100);
    }
  };
  addEventListener("popstate", () => clearTimeout(waiting));
}
