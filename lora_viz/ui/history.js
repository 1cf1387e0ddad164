// A changed setting is a step of the browser's history, so that Back undoes it; what changes together, or within a
// second, as a slider that is drawn, is one step. A scene of a deck is a step of its own. What a page is set to may be
// told just before its address is: then the step before gets back what it said, and a scene waits for its address.
// What a page makes of its address before anybody has touched it, as that it leaves out what is usual, is no step.
// What is written into a page may hold no "<" before a letter: Streamlit drops it.

if (!("stepsByPage" in history)) { // this script may run again
  Object.assign(history, { stepsByPage: true });
  const push = history.pushState.bind(history), replace = history.replaceState.bind(history);
  const scene = (/** @type {URL} */ url) => url.searchParams.get("deck") + " " + url.searchParams.get("scene");
  let before = { url: location.href, at: -1000 };
  /** @type {any} */
  let waiting = 0;
  let touched = false;
  for (const act of ["pointerdown", "keydown"]) addEventListener(act, () => (touched = true), true);
  history.pushState = (state, title, to) => {
    const here = new URL(location.href), there = new URL(to ?? "", here), now = performance.now();
    if (there.pathname !== here.pathname || scene(there) !== scene(here)) clearTimeout(waiting);
    if (there.pathname !== here.pathname) {
      if (now - before.at < 500 && new URL(before.url).pathname === here.pathname) replace(state, title, before.url);
      push(state, title, to);
      touched = false;
    } else if (scene(there) === scene(here)) {
      if (touched && now - before.at >= 1000) {
        before = { url: here.href, at: now };
        // The address says it at once; that it is a step of its own is made up for, unless the page is left meanwhile.
        waiting = setTimeout(() => {
          if (location.pathname !== here.pathname) return;
          const reached = location.href;
          replace(state, title, before.url);
          push(state, title, reached);
        }, 600);
      }
      replace(state, title, to);
    } else {
      waiting = setTimeout(() => location.pathname === here.pathname && push(state, title, to), 100);
    }
  };
  addEventListener("popstate", () => {
    clearTimeout(waiting);
    touched = false;
  });
}
