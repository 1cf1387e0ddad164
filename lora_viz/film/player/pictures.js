// ---------------------------------------------------------------- small pictures, and what everybody says they show

const pictures = {
  draw(g, panel, t, film, box, theme, cache) {
    titleLine(g, panel, box, theme);
    const [k, h, w] = panel.images.shape, f = Math.min(box.font * 0.95, (box.height * 0.62) / (panel.rows.length * 1.3));
    g.font = `${f}px ${theme.font}`;
    const left = Math.max(...panel.rows.map((r) => g.measureText(r.name).width)) + 14, top = box.font * 1.08 + 12;
    const line = f * 1.3, cell = (box.width - left) / k, side = Math.max(16, Math.min(cell * 0.8, box.height - top - line * panel.rows.length - 8));
    const small = (cache.small ||= Object.assign(document.createElement("canvas"), { width: w, height: h })), image = new ImageData(w, h);
    g.imageSmoothingEnabled = false;
    for (let i = 0; i < k; i++) {
      const x = left + (i + 0.5) * cell - side / 2, ink = rgb(theme.ink);
      for (let p = 0; p < h * w; p++) image.data.set([...mix(theme.diverging[1], ink, panel.images.data[i * h * w + p]), 255], 4 * p);
      small.getContext("2d").putImageData(image, 0, 0);
      g.drawImage(small, x, top, side, side);
      g.strokeStyle = theme.faint; g.lineWidth = 1; g.strokeRect(x, top, side, side);
    }
    g.textBaseline = "top";
    panel.rows.forEach((row, at) => {
      const y = top + side + 6 + at * line, now = Math.min(t, row.text.length - 1);
      g.font = `${f}px ${theme.font}`; g.textAlign = "left"; g.fillStyle = theme[row.colour]; g.fillText(row.name, 2, y);
      g.textAlign = "center";
      row.text[now].forEach((text, i) => {
        const right = row.right[now][i];
        g.font = `${right ? 600 : 400} ${f}px ${theme.font}`; g.fillStyle = right ? theme.clean : theme.alarm;
        g.fillText(right ? text : `${text} ✗`, left + (i + 0.5) * cell, y);
      });
    });
  },
  say(panel, t) {
    return panel.rows.map((r) => { const now = Math.min(t, r.text.length - 1); return say("{name} says {texts}, {right} of {count} right", { name: r.name, texts: r.text[now].join(", "), right: r.right[now].filter(Boolean).length, count: r.text[now].length }); }).join("; ");
  },
};

Object.assign(KINDS, { pictures });
