// ---------------------------------------------------------------- all panels as one picture, at the size of a slide

const SLIDE = { width: 1280, height: 720, scale: 1.5, margin: 24 }; // 1920×1080 pixels

function slideCanvas(s) {
  const { width, height, scale, margin } = SLIDE, across = width - 2 * margin, font = across / 62, theme = s.theme;
  const canvas = Object.assign(document.createElement("canvas"), { width: width * scale, height: height * scale }), g = canvas.getContext("2d");
  g.scale(scale, scale);
  g.fillStyle = theme.paper; g.fillRect(0, 0, width, height);
  g.fillStyle = theme.ink; g.textAlign = "left"; g.textBaseline = "top";
  let y = margin * 0.7;
  const write = (text, size, weight, most) => {
    g.font = `${weight} ${size}px ${theme.font}`;
    for (const line of wrapped(g, text, across, most)) { g.fillText(line, margin, y); y += size * 1.25; }
  };
  write(slideTitle(), font * 1.55, 700, 2);
  if (s.find("narration").textContent) write(s.find("narration").textContent, font * 1.05, 400, 2);
  const foot = font * 1.5, places = slidePlaces(s, across, height - y - 8 - foot - margin * 0.4, font);
  s.panels.forEach((p, i) => {
    const { left, top, width: w, height: h } = places[i], box = { width: w, height: h, dpr: scale, font, thick: 1.2 };
    g.save();
    g.translate(margin + left, y + 8 + top);
    g.beginPath(); g.rect(0, 0, w, h); g.clip();
    // Own marks on the axes, but the view, the hand's changes and the cursor of what is on the screen.
    if (p.canvas) KINDS[p.panel.kind].draw(g, p.panel, s.t, s.film, box, theme, { ...p.cache, frame: null, image: null, small: null, range: null });
    else drawReadout(g, p.panel, s.t, box, theme);
    g.restore();
  });
  g.font = `${font * 0.8}px ${theme.font}`; g.fillStyle = theme.ink; g.textBaseline = "bottom"; g.textAlign = "left";
  g.fillText(`${s.film.axisSaid} ${s.find("where").textContent}`, margin, height - margin * 0.4);
  g.textAlign = "right"; g.fillText(say("LoRA Playground, run {run}", { run: s.run }), width - margin, height - margin * 0.4);
  return canvas;
}

const slideTitle = () => (document.querySelector("h1")?.textContent || "").trim();

function wrapped(g, text, width, most) {
  const lines = [""];
  for (const word of text.split(/\s+/)) {
    const longer = lines[lines.length - 1] ? `${lines[lines.length - 1]} ${word}` : word;
    if (g.measureText(longer).width <= width || !lines[lines.length - 1]) lines[lines.length - 1] = longer;
    else if (lines.length < most) lines.push(word);
    else { lines[lines.length - 1] = fit(g, `${longer} …`, width); break; }
  }
  return lines;
}

// The browser's own grid says where the panels stand, whatever the width of the window is.
function slidePlaces(s, width, height, font) {
  const rows = 1 + Math.max(...s.film.panels.map((p) => p.row)), gap = 8, one = (height - gap * (rows - 1)) / rows;
  const stage = Object.assign(document.createElement("div"), { className: "stage" });
  stage.style.cssText = `position: fixed; left: -9999px; top: 0; width: ${width}px; visibility: hidden; --font: ${font}px`;
  for (const panel of s.film.panels) {
    const cell = Object.assign(document.createElement("div"), { className: "cell" }), tall = panel.tall || 1;
    cell.style.setProperty("--span", panel.span);
    cell.style.gridRow = tall > 1 ? `span ${tall}` : "";
    cell.style.height = `${one * tall + gap * (tall - 1)}px`;
    stage.append(cell);
  }
  s.root.append(stage);
  const from = stage.getBoundingClientRect();
  const places = [...stage.children].map((cell) => { const r = cell.getBoundingClientRect(); return { left: r.left - from.left, top: r.top - from.top, width: r.width, height: r.height }; });
  stage.remove();
  return places;
}

function drawReadout(g, panel, t, box, theme) {
  const top = titleLine(g, { ...panel, colour: "ink" }, box, theme) + 4;
  // As large as there is room for: a label takes a line of its own where its reading does not fit beside it.
  let size = box.font * 1.02, lines;
  for (; size > 8; size -= 0.5) { lines = readoutLines(g, panel, t, box, theme, size); if (lines.length * size * 1.32 <= box.height - top) break; }
  g.textBaseline = "top";
  lines.forEach(({ parts, colour }, i) => {
    g.fillStyle = theme[colour] || theme.ink;
    for (const [text, weight, align] of parts) {
      g.font = `${weight} ${size}px ${theme.font}`; g.textAlign = align;
      g.fillText(text, align === "right" ? box.width - 2 : 2, top + i * size * 1.32);
    }
  });
}

function readoutLines(g, panel, t, box, theme, size) {
  const wide = (text, weight) => { g.font = `${weight} ${size}px ${theme.font}`; return g.measureText(text).width; };
  return panel.rows.flatMap((row) => {
    const text = row.text[Math.min(t, row.text.length - 1)], colour = row.colour;
    if (wide(row.label, 400) + wide(text, 700) + size <= box.width) return [{ colour, parts: [[row.label, 400, "left"], [text, 700, "right"]] }];
    wide("", 400);
    const label = wrapped(g, row.label, box.width - 4, 3).map((line) => ({ colour, parts: [[line, 400, "left"]] }));
    wide("", 700);
    return [...label, ...wrapped(g, text, box.width - 4, 2).map((line) => ({ colour, parts: [[line, 700, "right"]] }))];
  });
}

function saveSlide(s) {
  if (s.root.dataset.asking) return; // a question stands before the picture
  pause(s);
  const title = slideTitle().toLowerCase().replaceAll("ß", "ss").normalize("NFD").replace(/[\u0300-\u036f]/g, ""); // ä becomes a
  const name = title.replace(/[^a-z0-9]+/g, "-").replace(/^-|-$/g, "").slice(0, 60) || "picture";
  slideCanvas(s).toBlob((blob) => {
    const link = Object.assign(document.createElement("a"), { href: URL.createObjectURL(blob), download: `${name}-${s.film.axis.split(" ")[0]}-${format(s.film.values.data[s.t])}.png` });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  }, "image/png");
}
