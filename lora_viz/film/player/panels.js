// Each panel kind knows how to draw frame t on a canvas and how to say it in words.

function rgb(hex) {
  return [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16));
}

function mix(a, b, share) {
  return a.map((x, i) => Math.round(x + (b[i] - x) * share));
}

function scaleOf(kind, low, high) {
  const f = kind === "log" ? Math.log10 : kind === "sqrt" ? Math.sqrt : (x) => x;
  const a = f(low), b = f(high);
  return (value) => (b === a ? 0.5 : (f(value) - a) / (b - a));
}

// What counts things has whole numbers on its axis.
const counts = (tensors) => tensors.every((tensor) => !tensor || tensor.data.every((v) => !Number.isFinite(v) || Number.isInteger(v)));

function niceTicks(low, high, most, whole = false) {
  const raw = (high - low) / Math.max(1, most);
  const unit = 10 ** Math.floor(Math.log10(raw || 1));
  const steps = [1, 2, 2.5, 5, 10].map((m) => m * unit);
  const step = whole ? steps.find((s) => s >= raw && Number.isInteger(s)) || 1 : steps.find((s) => s >= raw) || unit;
  const ticks = [];
  for (let v = Math.ceil(low / step - 1e-9) * step; v <= high + step * 1e-9; v += step) ticks.push(Math.abs(v) < step / 1e6 ? 0 : v);
  return ticks;
}

function logTicks(low, high, most) {
  const first = Math.ceil(Math.log10(low) - 1e-9), last = Math.floor(Math.log10(high) + 1e-9);
  const every = Math.max(1, Math.ceil((last - first + 1) / most));
  const ticks = [];
  for (let e = last; e >= first; e -= every) ticks.unshift(10 ** e);
  return ticks.length ? ticks : [high];
}

function titleLine(g, panel, box, theme) {
  const size = box.font * 1.08;
  g.font = `600 ${size}px ${theme.font}`;
  g.fillStyle = theme[panel.colour] || theme.ink;
  g.textAlign = "left";
  g.textBaseline = "top";
  const shown = fit(g, panel.title, box.width - 4);
  g.fillText(shown, 2, 2);
  return size + 8;
}

function fit(g, text, width) {
  if (g.measureText(text).width <= width) return text;
  let cut = text;
  while (cut.length > 4 && g.measureText(cut + "…").width > width) cut = cut.slice(0, -1);
  return cut + "…";
}

function captionLine(g, panel, t, box, theme, y) {
  if (!panel.caption.length) return 0;
  const text = panel.caption[Math.min(t, panel.caption.length - 1)];
  g.font = `${box.font * 0.95}px ${theme.font}`;
  g.fillStyle = theme.ink;
  g.textAlign = "left";
  g.textBaseline = "top";
  g.fillText(fit(g, text, box.width - 4), 2, y ?? box.height - box.font * 1.3);
  return box.font * 1.35;
}

// ---------------------------------------------------------------- lines

const DASHES = { solid: [], dash: [9, 6], dot: [2, 5], dashdot: [10, 4, 2, 4] };

function linesFrame(panel, film, box, theme, g) {
  const f = box.font;
  let low = Infinity, high = -Infinity, zero = false;
  for (const s of panel.series) {
    for (const tensor of [s.y, s.low, s.high]) {
      if (!tensor) continue;
      for (const v of tensor.data) {
        if (!Number.isFinite(v)) continue;
        if (panel.scale === "log" && v <= 0) zero = true;
        else { if (v < low) low = v; if (v > high) high = v; }
      }
    }
  }
  if (!Number.isFinite(low)) { low = panel.scale === "log" ? 0.1 : 0; high = 1; }
  if (panel.scale === "log") {
    low = 10 ** Math.floor(Math.log10(low) + 1e-9);
    high = 10 ** Math.ceil(Math.log10(high) - 1e-9);
    if (low === high) high *= 10;
  } else {
    low = Math.min(0, low); high = Math.max(high, panel.reach);
    if (high <= low) high = low + 1;
    high += 0.04 * (high - low);
  }
  g.font = `${f}px ${theme.font}`;
  const most = Math.max(2, Math.min(6, Math.floor((box.height - f * 7.5) / (f * 1.4))));
  const yTicks = panel.scale === "log" ? logTicks(low, high, most) : niceTicks(low, high, Math.min(5, most), counts(panel.series.flatMap((s) => [s.y, s.low, s.high])));
  const tickText = (v) => (panel.scale === "log" ? `10${raised(Math.round(Math.log10(v)))}` : format(v));
  g.font = `${f}px ${theme.font}`;
  const left = Math.max(...yTicks.map((v) => g.measureText(tickText(v)).width), zero ? g.measureText("0").width : 0) + 14;
  const legend = legendOf(panel, box, theme, g);
  const top = f * 1.08 + 12 + (legend.rows * 1.25 + 0.5) * legend.size;
  const strip = zero ? f * 1.7 : 0;
  const lastTick = panel.x_scale === "log" ? "10⁻⁵" : format(film.values.data[film.values.data.length - 1]);
  const area = { left, top, right: box.width - 8 - g.measureText(lastTick).width / 2, bottom: box.height - f * 2.9 - strip };
  const first = film.values.data[0], last = film.values.data[film.values.data.length - 1];
  const sx = scaleOf(panel.x_scale, panel.x_scale === "log" ? Math.max(first, 1e-12) : first, last);
  const sy = scaleOf(panel.scale, low, high);
  const x = (value) => area.left + sx(value) * (area.right - area.left);
  const y = (value) => (panel.scale === "log" && value <= 0 ? area.bottom + strip * 0.55 : area.bottom - sy(value) * (area.bottom - area.top));
  const across = Math.max(3, Math.floor((area.right - area.left) / (f * 4)));
  const xTicks = panel.x_scale === "log" ? logTicks(first, last, 6) : niceTicks(first, last, across, counts([film.values]));
  return { ...area, strip, zero, yTicks, xTicks, tickText, x, y, first, last, legend, low, high, ...underLines(panel, film, area, box, theme, g) };
}

// The axis' name below on the right; the values' on the left as large as what is left allows, or not at all.
function underLines(panel, film, area, box, theme, g) {
  g.font = `${box.font}px ${theme.font}`;
  const axis = panel.x_scale === "sqrt" ? say("{axis} (√ scale)", { axis: film.axisSaid }) : film.axisSaid;
  const room = area.right - area.left + 8 - g.measureText(axis).width - box.font * 0.6;
  let size = box.font;
  for (; size >= 11 && g.measureText(panel.y_label).width > room; size -= 0.5) g.font = `${size - 0.5}px ${theme.font}`;
  const label = fit(g, panel.y_label, room);
  return { axis, label: g.measureText(label).width <= room ? label : "", labelFont: g.font };
}

// One row if the widest readings fit at full size, else two, then smaller; at 12 pixels as many rows as it takes.
function legendOf(panel, box, theme, g) {
  let rows = 2;
  for (let size = box.font; size >= 12; size -= 0.5) {
    g.font = `${size}px ${theme.font}`;
    const widths = panel.series.map((s) => size * 1.8 + g.measureText(`${s.name} 0.000·10⁻¹⁶`).width);
    let x = 4;
    rows = 1;
    for (const w of widths) { if (x + w > box.width && x > 4) { rows += 1; x = 4; } x += w + size * 0.8; }
    if (rows <= 2 && Math.max(...widths) <= box.width) return { size, rows };
  }
  return { size: 12, rows };
}

const lines = {
  draw(g, panel, t, film, box, theme, cache) {
    const frame = (cache.frame ||= linesFrame(panel, film, box, theme, g));
    titleLine(g, panel, box, theme);
    const f = box.font;
    g.font = `${f}px ${theme.font}`;
    g.textBaseline = "middle";
    g.lineWidth = 1;
    for (const v of frame.yTicks) {
      g.strokeStyle = theme.grid;
      g.beginPath(); g.moveTo(frame.left, frame.y(v)); g.lineTo(frame.right, frame.y(v)); g.stroke();
      g.fillStyle = theme.ink; g.textAlign = "right";
      g.fillText(frame.tickText(v), frame.left - 6, frame.y(v));
    }
    if (frame.zero) {
      g.fillStyle = theme.strip; g.fillRect(frame.left, frame.bottom + 3, frame.right - frame.left, frame.strip - 3);
      g.fillStyle = theme.ink; g.textAlign = "right"; g.fillText("0", frame.left - 6, frame.y(0));
    }
    g.textBaseline = "top"; g.textAlign = "center";
    for (const v of frame.xTicks) {
      if (panel.x_scale === "sqrt" && v > 0 && frame.x(v) - frame.x(0) < f * 1.5) continue;
      g.fillText(panel.x_scale === "log" ? `10${raised(Math.round(Math.log10(v)))}` : format(v), frame.x(v), frame.bottom + frame.strip + 5);
    }
    g.textAlign = "right";
    const under = frame.bottom + frame.strip + 8 + f * 1.05;
    g.fillText(frame.axis, frame.right, under);
    g.textAlign = "left"; g.fillStyle = theme.faint; g.font = frame.labelFont;
    g.fillText(frame.label, frame.left - 8, under);
    g.font = `${f}px ${theme.font}`;
    for (const mark of panel.marks) {
      g.strokeStyle = theme[mark.colour]; g.setLineDash([3, 4]); g.lineWidth = 1.5;
      g.beginPath(); g.moveTo(frame.x(mark.at), frame.top); g.lineTo(frame.x(mark.at), frame.bottom + frame.strip); g.stroke(); g.setLineDash([]);
    }
    const values = film.values.data;
    drawShadows(g, panel, frame, values, theme);
    for (const s of panel.veiled ? [] : panel.series) {
      const colour = theme[s.colour];
      if (s.low && s.high) {
        g.fillStyle = colour; g.globalAlpha = 0.2; g.beginPath();
        let begun = false;
        values.forEach((v, i) => { if (Number.isFinite(s.high.data[i])) { begun ? g.lineTo(frame.x(v), frame.y(s.high.data[i])) : g.moveTo(frame.x(v), frame.y(s.high.data[i])); begun = true; } });
        for (let i = values.length - 1; i >= 0; i--) if (Number.isFinite(s.low.data[i])) g.lineTo(frame.x(values[i]), frame.y(s.low.data[i]));
        g.closePath(); g.fill(); g.globalAlpha = 1;
      }
      const stroke = (from, to, alpha, width) => {
        g.strokeStyle = colour; g.globalAlpha = alpha; g.lineWidth = width; g.lineJoin = "round";
        g.setLineDash(DASHES[s.dash]); g.beginPath();
        let begun = false;
        for (let i = from; i <= to; i++) {
          if (!Number.isFinite(s.y.data[i])) { begun = false; continue; }
          begun ? g.lineTo(frame.x(values[i]), frame.y(s.y.data[i])) : g.moveTo(frame.x(values[i]), frame.y(s.y.data[i]));
          begun = true;
        }
        g.stroke(); g.setLineDash([]); g.globalAlpha = 1;
      };
      // in a training the future is faint; over ranks and sizes nothing is past
      if (film.training) stroke(t, values.length - 1, theme.future, 2.2);
      stroke(0, film.training ? t : values.length - 1, 1, 3.2 * box.thick);
      if (s.dots) {
        g.fillStyle = colour;
        values.forEach((v, i) => { if (Number.isFinite(s.y.data[i])) { g.beginPath(); g.arc(frame.x(v), frame.y(s.y.data[i]), 4.5, 0, 7); g.fill(); } });
        g.globalAlpha = 1;
      }
    }
    g.font = `${f * 0.95}px ${theme.font}`; g.textBaseline = "middle";
    const placed = [];
    for (const mark of panel.marks) {
      const right = frame.x(mark.at) > (frame.left + frame.right) / 2, wide = g.measureText(mark.label).width;
      const mx = frame.x(mark.at) + (right ? -8 - wide : 8), log = panel.scale === "log";
      let my = log ? frame.bottom - f : frame.top + f * 0.7;
      while (placed.some(([x, y, w]) => y === my && mx < x + w + 6 && x < mx + wide + 6)) my += (log ? -1.35 : 1.35) * f;
      placed.push([mx, my, wide]);
      g.fillStyle = theme.paper; g.globalAlpha = 0.8; g.fillRect(mx - 3, my - f * 0.65, wide + 6, f * 1.3); g.globalAlpha = 1;
      g.fillStyle = mark.colour === "faint" ? theme.ink : theme[mark.colour]; g.textAlign = "left";
      g.fillText(mark.label, mx, my);
    }
    const px = frame.x(values[t]);
    g.strokeStyle = theme.ink; g.lineWidth = 2;
    g.beginPath(); g.moveTo(px, frame.top - 4); g.lineTo(px, frame.bottom + frame.strip + 4); g.stroke();
    const entries = panel.series.map((s) => ({ s, text: panel.veiled ? s.name : `${s.name} ${format(s.y.data[t])}` }));
    const { size, rows } = frame.legend;
    g.textAlign = "left"; g.textBaseline = "middle"; g.font = `${size}px ${theme.font}`;
    let lx = 4, row = 0;
    for (const { s, text } of entries) {
      const width = size * 1.8 + g.measureText(text).width;
      if (lx + width > box.width && lx > 4 && row < rows - 1) { lx = 4; row += 1; }
      const ly = f * 1.08 + 10 + size * (0.6 + 1.25 * row);
      g.strokeStyle = g.fillStyle = theme[s.colour]; g.lineWidth = 3.2; g.setLineDash(DASHES[s.dash]);
      g.beginPath(); g.moveTo(lx, ly); g.lineTo(lx + size * 1.5, ly); g.stroke(); g.setLineDash([]);
      g.fillText(text, lx + size * 1.8, ly);
      lx += width + size * 0.8;
      const yv = s.y.data[t];
      if (Number.isFinite(yv) && !panel.veiled) { g.beginPath(); g.arc(px, frame.y(yv), 6, 0, 7); g.fill(); }
    }
  },
  say(panel, t, film) {
    return panel.series.map((s) => `${s.name} ${format(s.y.data[t])}`).join(", ");
  },
  scrub(panel, px, film, cache) {
    const frame = cache.frame;
    if (!frame) return null;
    let best = 0;
    film.values.data.forEach((v, i) => { if (Math.abs(frame.x(v) - px) < Math.abs(frame.x(film.values.data[best]) - px)) best = i; });
    return best;
  },
};

// ---------------------------------------------------------------- heat map

const limitAt = (panel, t) => (panel.limit instanceof Tensor ? panel.limit.data[t] : panel.limit);

function heatBox(panel, box) {
  const [m, n] = panel.values.shape.slice(-2);
  const top = box.font * 1.08 + 10, bottom = box.font * (panel.caption.length ? 2.9 : 1.5);
  const cell = Math.max(0.5, Math.min((box.width - 8) / n, (box.height - top - bottom) / m));
  return { m, n, cell, left: 3, top, width: cell * n, height: cell * m };
}

const heatmap = {
  draw(g, panel, t, film, box, theme, cache) {
    titleLine(g, panel, box, theme);
    const { m, n, left, top, width, height } = heatBox(panel, box);
    const values = panel.values.at(t, 2);
    const limit = limitAt(panel, t);
    const image = (cache.image ||= new ImageData(n, m));
    const small = (cache.small ||= Object.assign(document.createElement("canvas"), { width: n, height: m }));
    const [negative, zero, positive] = theme.diverging;
    for (let i = 0; i < values.length; i++) {
      const v = limit ? Math.max(-1, Math.min(1, values[i] / limit)) : 0;
      const c = Number.isNaN(v) ? [176, 0, 32] : mix(zero, v < 0 ? negative : positive, Math.abs(v));
      image.data.set([c[0], c[1], c[2], 255], 4 * i);
    }
    small.getContext("2d").putImageData(image, 0, 0);
    g.imageSmoothingEnabled = false;
    g.drawImage(small, left, top, width, height);
    g.strokeStyle = theme[panel.colour]; g.lineWidth = 3;
    g.setLineDash(panel.hatched ? [7, 5] : []);
    g.strokeRect(left - 1, top - 1, width + 2, height + 2); g.setLineDash([]);
    if (panel.hatched) {
      g.save(); g.beginPath(); g.rect(left, top, width, height); g.clip();
      g.strokeStyle = theme[panel.colour]; g.globalAlpha = 0.28; g.lineWidth = 1;
      for (let d = -height; d < width; d += 9) { g.beginPath(); g.moveTo(left + d, top + height); g.lineTo(left + d + height, top); g.stroke(); }
      g.restore();
    }
    // the range, printed, on its own small scale
    const f = box.font * 0.92, y = top + height + 6;
    g.font = `${f}px ${theme.font}`;
    g.textBaseline = "top"; g.fillStyle = theme.ink;
    const text = `±${format(limit)}  ${m}×${n}`, room = Math.max(width, box.width * 0.9) - g.measureText(text).width - 8;
    const bar = Math.max(18, Math.min(80, room));
    const gradient = g.createLinearGradient(left, 0, left + bar, 0);
    theme.diverging.forEach((c, i) => gradient.addColorStop(i / 2, `rgb(${c})`));
    g.fillStyle = gradient; g.fillRect(left, y, bar, f * 0.8);
    g.strokeStyle = theme.faint; g.lineWidth = 1; g.strokeRect(left, y, bar, f * 0.8);
    g.fillStyle = theme.ink; g.textAlign = "left";
    g.fillText(fit(g, text, box.width - left - bar - 6), left + bar + 6, y - 1);
    captionLine(g, panel, t, box, theme, y + f * 1.35);
  },
  say(panel, t) {
    const values = panel.values.at(t, 2), [m, n] = panel.values.shape.slice(-2);
    let low = Infinity, high = -Infinity;
    for (const v of values) { low = Math.min(low, v); high = Math.max(high, v); }
    const limit = limitAt(panel, t), ends = { low: format(low), high: format(high), least: format(-limit), most: format(limit) };
    return say("{m} by {n} matrix, entries from {low} to {high}, colours from {least} to {most}", { m, n, ...ends });
  },
  hover(panel, px, py, t, box) {
    const { m, n, cell, left, top } = heatBox(panel, box);
    const j = Math.floor((px - left) / cell), i = Math.floor((py - top) / cell);
    if (i < 0 || j < 0 || i >= m || j >= n) return null;
    return say("row {row}, column {column}: {value}", { row: i + 1, column: j + 1, value: format(panel.values.at(t, 2)[i * n + j]) });
  },
};

// ---------------------------------------------------------------- bars

const bars = {
  draw(g, panel, t, film, box, theme, cache) {
    const y0 = titleLine(g, panel, box, theme), f = box.font;
    const foot = captionLine(g, panel, t, box, theme);
    if (!cache.range) {
      let high = 0, low = Infinity;
      for (const group of panel.groups) for (const v of group.values.data) if (Number.isFinite(v) && v > 0) { high = Math.max(high, v); low = Math.min(low, v); }
      cache.range = panel.scale === "log" ? [10 ** Math.floor(Math.log10(low === Infinity ? 0.1 : low)), 10 ** Math.ceil(Math.log10(high || 1) + 1e-9)] : [0, high || 1];
    }
    const [low, high] = cache.range;
    g.font = `${f}px ${theme.font}`;
    const ticks = panel.scale === "log" ? logTicks(low, high, 5) : niceTicks(low, high, 4, (panel.counts ??= counts(panel.groups.map((group) => group.values))));
    const tickText = (v) => (panel.scale === "log" ? `10${raised(Math.round(Math.log10(v)))}` : format(v));
    const left = Math.max(...ticks.map((v) => g.measureText(tickText(v)).width)) + 12;
    const top = y0 + f * 1.5, bottom = box.height - foot - f * 1.6, right = box.width - 6;
    const sy = scaleOf(panel.scale, low, high), y = (v) => bottom - Math.max(0, Math.min(1, sy(v))) * (bottom - top);
    g.textBaseline = "middle"; g.lineWidth = 1;
    for (const v of ticks) {
      g.strokeStyle = theme.grid; g.beginPath(); g.moveTo(left, y(v)); g.lineTo(right, y(v)); g.stroke();
      g.fillStyle = theme.ink; g.textAlign = "right"; g.fillText(tickText(v), left - 5, y(v));
    }
    const k = panel.labels.length, slot = (right - left) / k, width = slot * 0.74;
    for (const group of panel.groups) {
      const values = group.values.at(t, 1);
      g.strokeStyle = g.fillStyle = theme[group.colour]; g.lineWidth = 2.4;
      for (let i = 0; i < k; i++) {
        const v = values[i];
        if (!Number.isFinite(v) || (panel.scale === "log" && v <= 0)) continue;
        const x = left + i * slot + (slot - width) / 2, h = bottom - y(v);
        if (group.outline) g.strokeRect(x, bottom - h, width, h);
        else { g.globalAlpha = 0.9; g.fillRect(x, bottom - h, width, h); g.globalAlpha = 1; }
      }
    }
    g.strokeStyle = theme.ink; g.lineWidth = 1.5; g.beginPath(); g.moveTo(left, bottom); g.lineTo(right, bottom); g.stroke();
    g.fillStyle = theme.ink; g.textAlign = "center"; g.textBaseline = "top";
    let widest = Math.max(...panel.labels.map((l) => g.measureText(l).width)) + 6;
    if (k <= 8 && widest > slot) { g.font = `${f * slot / widest}px ${theme.font}`; widest = slot; }
    const every = Math.ceil(widest / slot);
    panel.labels.forEach((label, i) => { if (i % every === 0) g.fillText(label, left + (i + 0.5) * slot, bottom + 4); });
    g.textAlign = "left"; g.textBaseline = "middle"; g.font = `${f}px ${theme.font}`;
    let lx = left;
    for (const group of panel.groups) {
      g.strokeStyle = g.fillStyle = theme[group.colour]; g.lineWidth = 2.4;
      group.outline ? g.strokeRect(lx, y0 + f * 0.2, f * 0.9, f * 0.8) : g.fillRect(lx, y0 + f * 0.2, f * 0.9, f * 0.8);
      g.fillText(group.name, lx + f * 1.3, y0 + f * 0.65);
      lx += g.measureText(group.name).width + f * 2.4;
    }
  },
  say(panel, t) {
    return panel.groups.map((group) => `${group.name}: ${[...group.values.at(t, 1)].slice(0, 12).map((v, i) => `${panel.labels[i]} ${format(v)}`).join(", ")}`).join("; ");
  },
  hover(panel, px, py, t, box, cache) {
    const i = Math.floor(((px - 40) / (box.width - 46)) * panel.labels.length);
    if (i < 0 || i >= panel.labels.length || py < 30) return null;
    return `${panel.labels[i]}: ` + panel.groups.map((group) => `${group.name} ${format(group.values.at(t, 1)[i])}`).join(", ");
  },
};

// ---------------------------------------------------------------- point clouds and subspaces

function project(cache, box, panel) {
  const [yaw, pitch] = cache.view || panel.view;
  const top = box.font * 2.2 + 8, bottom = panel.caption.length ? box.font * 1.5 : 4;
  const cx = box.width / 2, cy = top + (box.height - top - bottom) / 2;
  const reach = panel.dimension === 3 ? 1.35 : 1.2;
  const s = Math.min(box.width, box.height - top - bottom) / 2 / (panel.limit * reach);
  const [cw, sw, cp, sp] = [Math.cos(yaw), Math.sin(yaw), Math.cos(pitch), Math.sin(pitch)];
  return (v) => {
    if (panel.dimension === 1) return [cx + v[0] * s, cy, 0];
    if (panel.dimension === 2) return [cx + v[0] * s, cy - v[1] * s, 0];
    const x = cw * v[0] + sw * v[1], y = -sw * v[0] + cw * v[1];
    return [cx + x * s, cy - (cp * v[2] + sp * y) * s, cp * y - sp * v[2]];
  };
}

// What is a dot, a ring, a plane? In one line, as small as it must be.
function cloudLegend(g, panel, box, theme) {
  const items = [...panel.points.map((p) => [p.name, p.colour, p.style]), ...panel.spans.map((p) => [p.name, p.colour, p.style])];
  let size = box.font * 0.85;
  const width = () => { g.font = `${size}px ${theme.font}`; return items.reduce((w, [name]) => w + g.measureText(name).width + size * 1.9, 0); };
  while (size > 9 && width() > box.width) size -= 0.5;
  let x = 4;
  const y = box.font * 1.08 + 8 + size * 0.6;
  g.textAlign = "left"; g.textBaseline = "middle";
  for (const [name, colour, style] of items) {
    g.strokeStyle = g.fillStyle = theme[colour]; g.lineWidth = 2;
    g.beginPath();
    if (style === "fill") { g.globalAlpha = 0.4; g.fillRect(x, y - size * 0.4, size * 0.8, size * 0.8); g.globalAlpha = 1; }
    else if (style === "axes") { g.setLineDash([3, 2]); g.moveTo(x, y); g.lineTo(x + size * 0.9, y); g.stroke(); g.setLineDash([]); }
    else { g.arc(x + size * 0.4, y, style === "probe" ? size * 0.42 : size * 0.3, 0, 7); style === "ring" || style === "ghost" ? g.stroke() : g.fill(); }
    g.fillText(name, x + size * 1.1, y);
    x += g.measureText(name).width + size * 1.9;
  }
}

const cloud = {
  draw(g, panel, t, film, box, theme, cache) {
    titleLine(g, panel, box, theme);
    captionLine(g, panel, t, box, theme);
    const d = panel.dimension, to = project(cache, box, panel), L = panel.limit, f = box.font;
    cloudLegend(g, panel, box, theme);
    const head = f * 2.2 + 6, foot = panel.caption.length ? f * 1.45 : 0;
    g.save(); g.beginPath(); g.rect(0, head, box.width, box.height - head - foot); g.clip();
    const unit = (i, length) => Array.from({ length: d }, (_, j) => (i === j ? length : 0));
    g.lineWidth = 1.2; g.strokeStyle = theme.faint; g.fillStyle = theme.faint; g.font = `${f * 0.9}px ${theme.font}`;
    g.textAlign = "center"; g.textBaseline = "middle";
    for (let i = 0; i < d; i++) {
      const [x1, y1] = to(unit(i, -L)), [x2, y2] = to(unit(i, L)), [x3, y3] = to(unit(i, L * 1.08));
      g.beginPath(); g.moveTo(x1, y1); g.lineTo(x2, y2); g.stroke();
      g.fillText(panel.axes + "₁₂₃"[i], Math.min(x3, box.width - f), y3);
    }
    for (const span of panel.spans) {
      const flat = span.basis.at(t, 2), k = span.basis.shape.slice(-2)[0], rows = [];
      for (let i = 0; i < k; i++) { const row = [...flat.subarray(i * d, (i + 1) * d)]; if (row.every(Number.isFinite)) rows.push(row); }
      g.strokeStyle = g.fillStyle = theme[span.colour];
      if (span.style === "axes") {
        rows.forEach((row, i) => {
          const [x1, y1] = to(row.map((v) => -v)), [x2, y2] = to(row);
          g.lineWidth = 2.2; g.setLineDash([6, 5]); g.beginPath(); g.moveTo(x1, y1); g.lineTo(x2, y2); g.stroke(); g.setLineDash([]);
          g.fillText(span.name + "₁₂₃"[i], x2 + (x2 > box.width / 2 ? -f : f), y2 - f * 0.5);
        });
        continue;
      }
      const sum = (...parts) => parts.reduce((a, b) => a.map((v, i) => v + b[i]));
      const minus = (row) => row.map((v) => -v);
      if (rows.length === 1) {
        const [x1, y1] = to(minus(rows[0])), [x2, y2] = to(rows[0]);
        g.lineWidth = 7; g.globalAlpha = 0.4; g.lineCap = "round"; g.beginPath(); g.moveTo(x1, y1); g.lineTo(x2, y2); g.stroke(); g.lineCap = "butt"; g.globalAlpha = 1;
      } else if (rows.length === 2) {
        const corners = [sum(rows[0], rows[1]), sum(rows[0], minus(rows[1])), sum(minus(rows[0]), minus(rows[1])), sum(minus(rows[0]), rows[1])].map(to);
        g.beginPath(); corners.forEach(([x, y], i) => (i ? g.lineTo(x, y) : g.moveTo(x, y))); g.closePath();
        g.globalAlpha = 0.22; g.fill(); g.globalAlpha = 0.8; g.lineWidth = 2; g.stroke(); g.globalAlpha = 1;
      } else if (rows.length === 3) {
        const signs = [-1, 1], corner = (a, b, c) => to(sum(rows[0].map((v) => a * v), rows[1].map((v) => b * v), rows[2].map((v) => c * v)));
        g.lineWidth = 1.6; g.globalAlpha = 0.65;
        for (const a of signs) for (const b of signs) for (const [p, q] of [[corner(-1, a, b), corner(1, a, b)], [corner(a, -1, b), corner(a, 1, b)], [corner(a, b, -1), corner(a, b, 1)]]) { g.beginPath(); g.moveTo(p[0], p[1]); g.lineTo(q[0], q[1]); g.stroke(); }
        g.globalAlpha = 1;
      }
    }
    for (const set of panel.points) {
      const flat = set.xyz.at(t, 2), n = set.xyz.shape.slice(-2)[0], colour = theme[set.colour];
      g.strokeStyle = g.fillStyle = colour;
      const places = [];
      for (let i = 0; i < n; i++) places.push(to(flat.subarray(i * d, (i + 1) * d)));
      if (set.style === "ghost") {
        // pairs: a point and where it goes; the way between them is drawn, the end hollow
        g.setLineDash([4, 4]); g.lineWidth = 2;
        for (let i = 0; i + 1 < n; i += 2) { g.beginPath(); g.moveTo(places[i][0], places[i][1]); g.lineTo(places[i + 1][0], places[i + 1][1]); g.stroke(); }
        g.setLineDash([]); g.lineWidth = 2.5;
        for (let i = 1; i < n; i += 2) { g.beginPath(); g.arc(places[i][0], places[i][1], 7, 0, 7); g.stroke(); }
        continue;
      }
      const radius = set.style === "probe" ? 8 : set.style === "ring" ? 3.4 : 3.6;
      g.lineWidth = 1.2;
      for (const [x, y] of places) {
        if (!Number.isFinite(x)) continue;
        g.beginPath(); g.arc(x, y, radius, 0, 7);
        if (set.style === "ring") { g.globalAlpha = 0.55; g.stroke(); }
        else { g.globalAlpha = set.style === "probe" ? 1 : 0.62; g.fill(); if (set.style === "probe") { g.strokeStyle = theme.paper; g.lineWidth = 2; g.stroke(); } }
      }
      g.globalAlpha = 1;
    }
    g.restore();
  },
  say(panel, t) {
    const points = panel.points.map((p) => say("{name}: {count} points", { name: p.name, count: p.xyz.shape.slice(-2)[0] })).join(", ");
    const told = panel.dimension === 3
      ? say("3-dimensional picture, {points}, the arrow keys turn it", { points })
      : say("{dimension}-dimensional picture, {points}", { dimension: panel.dimension, points });
    return panel.caption.length ? `${told}. ${panel.caption[Math.min(t, panel.caption.length - 1)]}` : told;
  },
  turn(panel, dx, dy, cache) {
    if (panel.dimension !== 3) return false;
    const [yaw, pitch] = cache.view || panel.view;
    cache.view = [yaw + dx * 0.01, Math.max(-1.5, Math.min(1.5, pitch + dy * 0.01))];
    return true;
  },
  keyed: (panel) => panel.dimension === 3,
  key(panel, event, t, cache) {
    const move = { ArrowLeft: [-15, 0], ArrowRight: [15, 0], ArrowUp: [0, -15], ArrowDown: [0, 15] }[event.key];
    if (!move || !cloud.turn(panel, ...move, cache)) return null;
    const [yaw, pitch] = cache.view.map((v) => Math.round((v * 180) / Math.PI));
    return say("seen from {yaw}°, {pitch}° up", { yaw: String(yaw).replace("-", "−"), pitch: String(pitch).replace("-", "−") });
  },
};

const KINDS = { lines, heatmap, bars, cloud };
