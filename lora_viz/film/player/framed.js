// In a frame of somebody's page: the address ends in #film, and only the film and what was seen are shown.

/** Whether only the film is shown; the page around the frame hears how tall that is, and what it is called. */
export function framed() {
  if (location.hash !== "#film") return false;
  const root = document.documentElement;
  root.dataset.film = "";
  const { parent } = window;
  if (parent === window) return true;
  const tell = () => parent.postMessage({ loraFilm: { height: root.scrollHeight, title: document.title } }, "*");
  addEventListener("load", tell);
  new ResizeObserver(tell).observe(document.body);
  return true;
}
