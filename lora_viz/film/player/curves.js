// ---------------------------------------------------------------- curves over an axis of their own

function curvesFrame(panel, box, theme, g) {
  const f = box.font, xs = panel.x.data, log = panel.scale === "log";
  let low = Infinity, high = -Infinity, zero = false;
  for (const s of panel.series) for (const tensor of [s.y, s.low, s.high]) for (const v of tensor ? tensor.data : []) {
    if (!Number.isFinite(v)) continue;
    if (log && v <= 0) zero = true;
    else { low = Math.min(low, v); high = Math.max(high, v); }
  }
  if (!Number.isFinite(low)) { low = log ? 0.1 : 0; high = 1; }
  if (log) {
    low = 10 ** Math.floor(Math.log10(low) + 1e-9); high = 10 ** Math.ceil(Math.log10(high) - 1e-9);
    if (low === high) high *= 10;
  } else {
    low = Math.min(0, low); high = Math.max(high, panel.reach);
    if (high <= low) high = low + 1;
    if (low < 0) low -= 0.04 * (high - low);
    high += 0.04 * (high - low);
  }
  const most = Math.max(2, Math.min(6, Math.floor((box.height - f * 7.5) / (f * 1.4))));
  const yTicks = log ? logTicks(low, high, most) : niceTicks(low, high, Math.min(5, most), counts(panel.series.flatMap((s) => [s.y, s.low, s.high])));
  const tickText = (v) => (log ? `10${raised(Math.round(Math.log10(v)))}` : format(v));
  g.font = `${f}px ${theme.font}`;
  const left = Math.max(...yTicks.map((v) => g.measureText(tickText(v)).width), zero ? g.measureText("0").width : 0) + 14;
  const legend = curveLegend(panel, box, theme, g), top = f * 1.08 + 12 + (legend.rows * 1.25 + 0.5) * legend.size;
  const strip = zero ? f * 1.7 : 0, first = xs[0], last = xs[xs.length - 1];
  const area = { left, top, right: box.width - f * 1.6, bottom: box.height - f * 2.9 - strip };
  const sx = scaleOf(panel.x_scale, panel.x_scale === "log" ? Math.max(first, 1e-12) : first, last), sy = scaleOf(panel.scale, low, high);
  const x = (v) => area.left + sx(v) * (area.right - area.left);
  const y = (v) => (log && v <= 0 ? area.bottom + strip * 0.55 : area.bottom - sy(v) * (area.bottom - area.top));
  return { ...area, strip, zero, yTicks, tickText, x, y, first, last, legend };
}

function curveLegend(panel, box, theme, g) {
  let rows = 2;
  for (let size = box.font; size >= 12; size -= 0.5) {
    g.font = `${size}px ${theme.font}`;
    const widths = panel.series.map((s) => size * 2.6 + g.measureText(s.name).width);
    let x = 4;
    rows = 1;
    for (const w of widths) { if (x + w > box.width && x > 4) { rows += 1; x = 4; } x += w; }
    if (rows <= 2 && Math.max(...widths) <= box.width) return { size, rows };
  }
  return { size: 12, rows };
}

const curves = {
  draw(g, panel, t, film, box, theme, cache) {
    const frame = (cache.frame ||= curvesFrame(panel, box, theme, g)), f = box.font, xs = [...panel.x.data];
    titleLine(g, panel, box, theme);
    g.font = `${f}px ${theme.font}`; g.textBaseline = "middle"; g.textAlign = "right"; g.lineWidth = 1;
    for (const v of frame.yTicks) {
      g.strokeStyle = theme.grid; g.beginPath(); g.moveTo(frame.left, frame.y(v)); g.lineTo(frame.right, frame.y(v)); g.stroke();
      g.fillStyle = theme.ink; g.fillText(frame.tickText(v), frame.left - 6, frame.y(v));
    }
    if (frame.zero) {
      g.fillStyle = theme.strip; g.fillRect(frame.left, frame.bottom + 3, frame.right - frame.left, frame.strip - 3);
      g.fillStyle = theme.ink; g.fillText("0", frame.left - 6, frame.y(0));
    }
    g.textBaseline = "top"; g.textAlign = "center"; g.fillStyle = theme.ink;
    const under = frame.bottom + frame.strip + 5, room = frame.right - frame.left;
    const ticks = panel.x_scale === "log" ? curveTicks(frame.first, frame.last) : niceTicks(frame.first, frame.last, Math.max(3, Math.floor(room / (f * 4))), counts([panel.x]));
    let free = -Infinity;
    for (const v of ticks) {
      const text = format(v), half = g.measureText(text).width / 2;
      if (frame.x(v) - half < free) continue;
      g.fillText(text, frame.x(v), under);
      free = frame.x(v) + half + f * 0.6;
    }
    g.textAlign = "right";
    const axis = fit(g, panel.x_label, room * 0.6);
    g.fillText(axis, frame.right, under + 3 + f * 1.05);
    g.textAlign = "left"; g.fillStyle = theme.faint;
    g.fillText(fit(g, panel.y_label, frame.right - g.measureText(axis).width - f), 2, under + 3 + f * 1.05);
    for (const mark of panel.marks) {
      g.strokeStyle = theme[mark.colour]; g.setLineDash([3, 4]); g.lineWidth = 1.5;
      g.beginPath(); g.moveTo(frame.x(mark.at), frame.top); g.lineTo(frame.x(mark.at), frame.bottom + frame.strip); g.stroke(); g.setLineDash([]);
    }
    for (const s of panel.series) {
      const y = s.y.at(t, 1);
      g.strokeStyle = g.fillStyle = theme[s.colour];
      if (s.low && s.high) {
        const low = s.low.at(t, 1), high = s.high.at(t, 1), known = xs.map((_, i) => i).filter((i) => Number.isFinite(high[i]) && Number.isFinite(low[i]));
        g.globalAlpha = 0.2; g.beginPath();
        known.forEach((i, n) => (n ? g.lineTo(frame.x(xs[i]), frame.y(high[i])) : g.moveTo(frame.x(xs[i]), frame.y(high[i]))));
        known.reverse().forEach((i) => g.lineTo(frame.x(xs[i]), frame.y(low[i])));
        g.closePath(); g.fill(); g.globalAlpha = 1;
      }
      g.lineWidth = 3.2 * box.thick; g.lineJoin = "round"; g.setLineDash(DASHES[s.dash]); g.beginPath();
      let begun = false;
      xs.forEach((v, i) => {
        if (!Number.isFinite(y[i])) { begun = false; return; }
        begun ? g.lineTo(frame.x(v), frame.y(y[i])) : g.moveTo(frame.x(v), frame.y(y[i]));
        begun = true;
      });
      g.stroke(); g.setLineDash([]);
      if (s.dots) xs.forEach((v, i) => { if (Number.isFinite(y[i])) { g.beginPath(); g.arc(frame.x(v), frame.y(y[i]), 4.5, 0, 7); g.fill(); } });
    }
    g.font = `${f * 0.95}px ${theme.font}`; g.textBaseline = "middle"; g.textAlign = "left";
    panel.marks.forEach((mark, i) => {
      const right = frame.x(mark.at) > (frame.left + frame.right) / 2, wide = g.measureText(mark.label).width;
      const mx = frame.x(mark.at) + (right ? -8 - wide : 8), my = frame.top + f * (0.7 + 1.35 * (i % 3));
      g.fillStyle = theme.paper; g.globalAlpha = 0.8; g.fillRect(mx - 3, my - f * 0.65, wide + 6, f * 1.3); g.globalAlpha = 1;
      g.fillStyle = mark.colour === "faint" ? theme.ink : theme[mark.colour];
      g.fillText(mark.label, mx, my);
    });
    const { size, rows } = frame.legend;
    g.font = `${size}px ${theme.font}`;
    let lx = 4, row = 0;
    for (const s of panel.series) {
      const width = size * 2.6 + g.measureText(s.name).width;
      if (lx + width > box.width && lx > 4 && row < rows - 1) { lx = 4; row += 1; }
      const ly = f * 1.08 + 10 + size * (0.6 + 1.25 * row);
      g.strokeStyle = g.fillStyle = theme[s.colour]; g.lineWidth = 3.2; g.setLineDash(DASHES[s.dash]);
      g.beginPath(); g.moveTo(lx, ly); g.lineTo(lx + size * 1.5, ly); g.stroke(); g.setLineDash([]);
      g.fillText(s.name, lx + size * 1.8, ly);
      lx += width;
    }
  },
  say(panel, t) {
    const xs = panel.x.data, last = xs.length - 1;
    const told = panel.series.map((s) => { const y = s.y.at(t, 1); return say("{name} from {first} to {last}", { name: s.name, first: format(y[0]), last: format(y[last]) }); });
    return say("{axis} from {first} to {last}: {curves}", { axis: panel.x_label, first: format(xs[0]), last: format(xs[last]), curves: told.join(", ") });
  },
  hover(panel, px, py, t, box, cache) {
    const frame = cache.frame;
    if (!frame || px < frame.left - 8 || px > frame.right + 8 || py < frame.top) return null;
    let best = 0;
    panel.x.data.forEach((v, i) => { if (Math.abs(frame.x(v) - px) < Math.abs(frame.x(panel.x.data[best]) - px)) best = i; });
    return `${panel.x_label} ${format(panel.x.data[best])}: ` + panel.series.map((s) => `${s.name} ${format(s.y.at(t, 1)[best])}`).join(", ");
  },
};

// On a logarithmic axis: powers of ten, with 2 and 5 between them where there are few.
function curveTicks(low, high) {
  const ticks = [];
  for (let e = Math.floor(Math.log10(low)); e <= Math.ceil(Math.log10(high)); e++) {
    for (const m of high / low > 2000 ? [1] : [1, 2, 5]) {
      const v = m * 10 ** e;
      if (v >= low * (1 - 1e-6) && v <= high * (1 + 1e-6)) ticks.push(v);
    }
  }
  return ticks.length > 1 ? ticks : [low, high];
}

// ---------------------------------------------------------------- a map of numbers

function fieldFrame(panel, box, theme, g) {
  const f = box.font * 0.95, [m, n] = panel.values.shape.slice(-2);
  let low = Infinity, high = -Infinity;
  for (const v of panel.values.data) if (Number.isFinite(v) && (panel.scale !== "log" || v > 0)) { low = Math.min(low, v); high = Math.max(high, v); }
  if (!Number.isFinite(low)) { low = panel.scale === "log" ? 0.1 : 0; high = 1; }
  const least = low, most = high;
  if (panel.limits) [low, high] = panel.limits;
  g.font = `${f}px ${theme.font}`;
  const left = Math.max(0, ...panel.y_labels.map((l) => g.measureText(l).width)) + 10;
  const top = box.font * 1.08 + 12 + f * 1.3, bottom = f * (panel.caption.length ? 5.7 : 4.3);
  const width = Math.max(20, box.width - left - 4), height = Math.max(20, box.height - top - bottom);
  const ends = [`${least < low ? "≤ " : ""}${format(low)}`, `${most > high ? "≥ " : ""}${format(high)}`];
  return { m, n, left, top, width, height, low, high, ends, cw: width / n, ch: height / m, f };
}

const shareOf = (panel, frame, v) => {
  const share = scaleOf(panel.scale, frame.low, frame.high)(panel.scale === "log" ? Math.max(v, frame.low) : v);
  return frame.high === frame.low ? 0 : Math.max(0, Math.min(1, share));
};

function sequentialColour(theme, share) {
  const stops = theme.sequential, at = share * (stops.length - 1), i = Math.min(stops.length - 2, Math.floor(at));
  return mix(stops[i], stops[i + 1], at - i);
}

const field = {
  draw(g, panel, t, film, box, theme, cache) {
    const frame = (cache.frame ||= fieldFrame(panel, box, theme, g)), { m, n, left, top, width, height, cw, ch, f } = frame;
    titleLine(g, panel, box, theme);
    const values = panel.values.at(t, 2), at = (i, j) => [left + j * cw, top + (m - 1 - i) * ch];
    const image = (cache.image ||= new ImageData(n, m));
    const small = (cache.small ||= Object.assign(document.createElement("canvas"), { width: n, height: m }));
    for (let i = 0; i < m; i++) for (let j = 0; j < n; j++) {
      const v = values[i * n + j], place = 4 * ((m - 1 - i) * n + j);
      image.data.set(Number.isNaN(v) ? [0, 0, 0, 0] : [...sequentialColour(theme, shareOf(panel, frame, v)), 255], place);
    }
    small.getContext("2d").putImageData(image, 0, 0);
    g.imageSmoothingEnabled = false;
    g.drawImage(small, left, top, width, height);
    g.strokeStyle = theme.faint; g.lineWidth = 1;
    for (let i = 0; i < m; i++) for (let j = 0; j < n; j++) if (Number.isNaN(values[i * n + j])) {
      const [x, y] = at(i, j);
      g.save(); g.beginPath(); g.rect(x, y, cw, ch); g.clip();
      for (let d = -ch; d < cw; d += 6) { g.beginPath(); g.moveTo(x + d, y + ch); g.lineTo(x + d + ch, y); g.stroke(); }
      g.restore();
    }
    if (panel.regions) drawRegions(g, panel, panel.regions.at(t, 2), frame, at, theme, box);
    g.strokeStyle = theme[panel.colour]; g.lineWidth = 2; g.strokeRect(left, top, width, height);
    for (const [cell, colour, wide] of [[panel.chosen, theme.alarm, 4], [cache.cursor, theme.ink, 2.5]]) {
      if (!cell) continue;
      const [x, y] = at(...cell);
      g.strokeStyle = theme.paper; g.lineWidth = wide + 3; g.strokeRect(x, y, cw, ch);
      g.strokeStyle = colour; g.lineWidth = wide; g.strokeRect(x, y, cw, ch);
    }
    g.font = `${f}px ${theme.font}`; g.fillStyle = theme.ink; g.textBaseline = "middle"; g.textAlign = "right";
    const skip = Math.max(1, Math.ceil((f * 1.15) / ch));
    panel.y_labels.forEach((label, i) => { if (i % skip === 0) g.fillText(label, left - 6, at(i, 0)[1] + ch / 2); });
    g.textAlign = "center"; g.textBaseline = "top";
    const every = Math.ceil((Math.max(...panel.x_labels.map((l) => g.measureText(l).width)) + 8) / cw);
    panel.x_labels.forEach((label, j) => { if (j % every === 0) g.fillText(label, Math.max(g.measureText(label).width / 2, left + (j + 0.5) * cw), top + height + 5); });
    g.textAlign = "left"; g.fillText(fit(g, `↑ ${panel.y_title}`, box.width), 2, box.font * 1.08 + 10);
    g.textAlign = "right"; g.fillText(fit(g, `${panel.x_title} →`, box.width), left + width, top + height + 6 + f * 1.15);
    // the range, printed, on its own small scale
    const y = top + height + 8 + f * 2.3, bar = Math.min(140, width * 0.35), [lowText, highText] = frame.ends;
    g.textAlign = "left";
    g.fillText(lowText, 2, y);
    const x0 = 2 + g.measureText(lowText).width + 6, gradient = g.createLinearGradient(x0, 0, x0 + bar, 0);
    theme.sequential.forEach((c, i) => gradient.addColorStop(i / (theme.sequential.length - 1), `rgb(${c})`));
    g.fillText(fit(g, panel.scale === "log" ? say("{most}  (log colours)", { most: highText }) : highText, box.width - x0 - bar - 8), x0 + bar + 6, y);
    g.fillStyle = gradient; g.fillRect(x0, y, bar, f * 0.85);
    captionLine(g, panel, t, box, theme, y + f * 1.3);
  },
  say(panel, t) {
    const values = panel.values.at(t, 2), [m, n] = panel.values.shape.slice(-2), known = [...values].filter((v) => !Number.isNaN(v));
    const least = known.length ? [...values].indexOf(Math.min(...known)) : 0, most = known.length ? [...values].indexOf(Math.max(...known)) : 0;
    const where = (k) => `${panel.y_title} ${panel.y_labels[Math.floor(k / n)]}, ${panel.x_title} ${panel.x_labels[k % n]}`;
    const facts = { m, n, least: format(values[least]), most: format(values[most]), low: where(least), high: where(most) };
    const chosen = panel.chosen && readCell(panel, values, ...panel.chosen);
    return chosen
      ? say("{m} by {n} map, least {least} at {low}, most {most} at {high}; chosen {chosen}", { ...facts, chosen })
      : say("{m} by {n} map, least {least} at {low}, most {most} at {high}", facts);
  },
  cell(panel, px, py, cache) {
    const frame = cache.frame;
    if (!frame) return null;
    const j = Math.floor((px - frame.left) / frame.cw), i = frame.m - 1 - Math.floor((py - frame.top) / frame.ch);
    return i < 0 || j < 0 || i >= frame.m || j >= frame.n ? null : [i, j];
  },
  hover(panel, px, py, t, box, cache) {
    const at = field.cell(panel, px, py, cache);
    return at ? readCell(panel, panel.values.at(t, 2), ...at, panel.regions && panel.regions.at(t, 2)) : null;
  },
  key(panel, event, t, cache, pick) {
    const moves = { ArrowUp: [1, 0], ArrowDown: [-1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }, move = moves[event.key], frame = cache.frame;
    if (!frame || (!move && event.key !== "Enter")) return null;
    const [i, j] = cache.cursor || panel.chosen || [0, 0];
    if (move) cache.cursor = cache.cursor ? [Math.max(0, Math.min(frame.m - 1, i + move[0])), Math.max(0, Math.min(frame.n - 1, j + move[1]))] : [i, j];
    else if (panel.picks && cache.cursor) pick(...cache.cursor);
    return readCell(panel, panel.values.at(t, 2), ...(cache.cursor || [i, j]), panel.regions && panel.regions.at(t, 2));
  },
};

function readCell(panel, values, i, j, regions) {
  const n = panel.x_labels.length, name = regions && panel.region_names[Math.round(regions[i * n + j])];
  const region = name ? `, ${name}` : "";
  return `${panel.y_title} ${panel.y_labels[i]}, ${panel.x_title} ${panel.x_labels[j]}: ${format(values[i * n + j])}${region}`;
}

// Borders between regions, and each region's name where it is widest.
function drawRegions(g, panel, regions, { m, n, left, top, width, height, cw, ch, f }, at, theme, box) {
  const of = (i, j) => Math.round(regions[i * n + j]);
  for (const [colour, wide] of [[theme.paper, 5], [theme.ink, 2.2]]) {
    g.strokeStyle = colour; g.lineWidth = wide; g.beginPath();
    for (let i = 0; i < m; i++) for (let j = 0; j < n; j++) {
      const [x, y] = at(i, j);
      if (j + 1 < n && of(i, j) !== of(i, j + 1)) { g.moveTo(x + cw, y); g.lineTo(x + cw, y + ch); }
      if (i + 1 < m && of(i, j) !== of(i + 1, j)) { g.moveTo(x, y); g.lineTo(x + cw, y); }
    }
    g.stroke();
  }
  g.font = `600 ${f}px ${theme.font}`; g.textAlign = "center"; g.textBaseline = "middle";
  const placed = [];
  const rect = (at_, wide) => {
    const [x, y] = at(at_.i, at_.j), cx = Math.max(left + wide / 2 + 5, Math.min(left + width - wide / 2 - 5, x + cw / 2));
    return { cx, x0: cx - wide / 2 - 4, x1: cx + wide / 2 + 4, y0: y + ch / 2 - f * 0.7, y1: y + ch / 2 + f * 0.7 };
  };
  const clear = (box) => placed.every((p) => box.x1 < p.x0 || p.x1 < box.x0 || box.y1 < p.y0 || p.y1 < box.y0);
  panel.region_names.forEach((name, region) => {
    if (!name) return; // a region without a name is an outline
    const wide = g.measureText(name).width;
    let best = null, free = null;
    for (let i = 0; i < m; i++) for (let j = 0, run = 0; j < n; j++) {
      run = of(i, j) === region ? run + 1 : 0;
      const deep = Math.min(run, 1 + 2 * Math.min(depth(of, region, i, j, 1, m), depth(of, region, i, j, -1, m)));
      const here = { deep, run, i, j: j - (run - 1) / 2 }, better = (than) => !than || deep > than.deep || (deep === than.deep && run > than.run);
      if (run && better(best)) best = here;
      if (run && placed.length && better(free) && clear(rect(here, wide))) free = here;
    }
    if (!best) return;
    const box = rect(free || best, wide); // beside the names that stand already, where there is room
    placed.push(box);
    g.fillStyle = theme.paper; g.globalAlpha = 0.85; g.fillRect(box.x0, box.y0, box.x1 - box.x0, box.y1 - box.y0); g.globalAlpha = 1;
    g.fillStyle = theme.ink; g.fillText(name, box.cx, (box.y0 + box.y1) / 2);
  });
}

function depth(of, region, i, j, by, m) {
  let d = 0;
  while (i + by >= 0 && i + by < m && of(i + by, j) === region) { i += by; d += 1; }
  return d;
}

Object.assign(KINDS, { curves, field });
