// <lora-film src="https://…/light/rank?noise=0"></lora-film>: one film of LoRA Playground in any page.
// src: a page of the light edition, of a site's files, or a film as one file. height: pixels, where you want your own.
// What stands inside is shown where this script is not loaded. The frame can read nothing of your page.
"use strict";
(() => {
  const SHADOW = `<style>
:host { display: block; } :host([hidden]) { display: none; }
iframe { display: block; width: 100%; height: min(72vh, 720px); min-height: 460px; border: 1px solid #8886;
  border-radius: 8px; box-sizing: border-box; }
p { border-left: 4px solid #b3261e; margin: 0; padding: 6px 12px; }
</style>`;
  const LEAST = 200, MOST = 4000;

  class LoraFilm extends HTMLElement {
    static observedAttributes = ["src", "height", "title"];

    constructor() {
      super();
      this.attachShadow({ mode: "open" });
      this.frame = document.createElement("iframe");
      this.frame.loading = "lazy";
      /** @param {MessageEvent} event */
      this.hear = (event) => {
        const told = event.source === this.frame.contentWindow && event.data?.loraFilm;
        if (!told) return;
        const { height, title } = told;
        if (!this.title && typeof title === "string") this.frame.title = title.slice(0, 200);
        const wanted = Math.ceil(Number(height)) + 2;
        if (!this.getAttribute("height") && wanted > this.frame.clientHeight && wanted <= MOST) {
          this.frame.style.height = `${wanted}px`;
        }
      };
      this.width = 0;
      // Another width, another height: the film fits itself to the frame again.
      this.size = new ResizeObserver(() => {
        if (this.width !== this.clientWidth && !this.getAttribute("height")) this.frame.style.height = "";
        this.width = this.clientWidth;
      });
    }

    connectedCallback() {
      addEventListener("message", this.hear);
      this.size.observe(this);
      this.show();
    }

    disconnectedCallback() {
      removeEventListener("message", this.hear);
      this.size.disconnect();
    }

    attributeChangedCallback() {
      if (this.isConnected) this.show();
    }

    show() {
      const shadow = /** @type {ShadowRoot} */ (this.shadowRoot), src = this.getAttribute("src") || "";
      const height = this.getAttribute("height"), pixels = Number(height);
      let wrong = "", address = "";
      try {
        const url = new URL(src, document.baseURI);
        if (!src || !["https:", "http:", "file:"].includes(url.protocol)) throw new TypeError();
        url.hash = "film";
        address = url.href;
      } catch {
        wrong = `lora-film: src="${src.slice(0, 80)}" is not the address of a film. Valid: a page of LoRA Playground's `
          + "light edition or site, or a film as one file.";
      }
      if (height && !(pixels >= LEAST && pixels <= MOST)) {
        wrong = `lora-film: height="${height.slice(0, 20)}" is not possible. Valid: ${LEAST} to ${MOST} pixels.`;
      }
      if (wrong) {
        shadow.innerHTML = SHADOW;
        shadow.append(Object.assign(document.createElement("p"), { textContent: wrong }));
        return;
      }
      this.frame.title = this.title || "LoRA Playground";
      this.frame.style.height = height ? `${pixels}px` : "";
      this.frame.style.minHeight = height ? "0" : "";
      // No allow-same-origin: it runs its scripts, and is a stranger to this page. From a disk it would get neither its
      // style nor its script so; there every file is a stranger to every other as it is.
      const allowed = "allow-scripts allow-downloads allow-popups allow-popups-to-escape-sandbox";
      this.frame.setAttribute("sandbox", address.startsWith("file:") ? `${allowed} allow-same-origin` : allowed);
      if (this.frame.src !== address) this.frame.src = address;
      if (!this.frame.isConnected) {
        shadow.innerHTML = SHADOW;
        shadow.append(this.frame);
      }
    }
  }

  if (!customElements.get("lora-film")) customElements.define("lora-film", LoraFilm);
})();
