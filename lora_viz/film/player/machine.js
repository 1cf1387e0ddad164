// One LoRA layer with every number in it. The browser redoes its arithmetic, so that a hand may change a cell and see.

// All that follows from W, A, B, one sample and s; `off` holds the components (row k of A with column k of B) left out.
function layerState({ W, A, B, x, target, scaling }, m, n, r, off = new Set()) {
  const on = (k) => (off.has(k) ? 0 : 1);
  const h = Array.from({ length: r }, (_, k) => { let v = 0; for (let j = 0; j < n; j++) v += A[k * n + j] * x[j]; return v * on(k); });
  const u = Array.from({ length: m }, (_, i) => { let v = 0; for (let k = 0; k < r; k++) v += B[i * r + k] * h[k]; return v; });
  const base = Array.from({ length: m }, (_, i) => { let v = 0; for (let j = 0; j < n; j++) v += W[i * n + j] * x[j]; return v; });
  const y = base.map((v, i) => v + scaling * u[i]), g = y.map((v, i) => v - target[i]);
  const delta = new Float64Array(m * n), gradB = new Float64Array(m * r), gradA = new Float64Array(r * n), back = new Float64Array(r);
  for (let k = 0; k < r; k++) for (let i = 0; i < m; i++) back[k] += B[i * r + k] * g[i] * on(k);
  for (let i = 0; i < m; i++) {
    for (let k = 0; k < r; k++) gradB[i * r + k] = scaling * g[i] * h[k];
    for (let j = 0; j < n; j++) for (let k = 0; k < r; k++) delta[i * n + j] += scaling * B[i * r + k] * A[k * n + j] * on(k);
  }
  for (let k = 0; k < r; k++) for (let j = 0; j < n; j++) gradA[k * n + j] = scaling * back[k] * x[j];
  return { h, u, base, y, g, delta, gradA, gradB, back, loss: 0.5 * g.reduce((a, v) => a + v * v, 0), sigma: singular(delta, m, n, r) };
}

// Singular values by one-sided Jacobi: rotate pairs of columns until all are orthogonal; their lengths remain.
function singular(matrix, m, n, most) {
  const a = Float64Array.from(matrix);
  for (let sweep = 0; sweep < 40; sweep++) {
    let turned = 0;
    for (let p = 0; p < n; p++) for (let q = p + 1; q < n; q++) {
      let pp = 0, qq = 0, pq = 0;
      for (let i = 0; i < m; i++) { pp += a[i * n + p] ** 2; qq += a[i * n + q] ** 2; pq += a[i * n + p] * a[i * n + q]; }
      if (Math.abs(pq) <= 1e-15 * Math.sqrt(pp * qq)) continue;
      turned += 1;
      const zeta = (qq - pp) / (2 * pq), t = Math.sign(zeta || 1) / (Math.abs(zeta) + Math.hypot(1, zeta)), c = 1 / Math.hypot(1, t), s = c * t;
      for (let i = 0; i < m; i++) { const v = a[i * n + p], w = a[i * n + q]; a[i * n + p] = c * v - s * w; a[i * n + q] = s * v + c * w; }
    }
    if (!turned) break;
  }
  const lengths = Array.from({ length: n }, (_, j) => { let v = 0; for (let i = 0; i < m; i++) v += a[i * n + j] ** 2; return Math.sqrt(v); });
  return lengths.sort((p, q) => q - p).slice(0, most);
}

// Where each box stands, in cells. Areas are in proportion because a cell is a cell.
function machineLayout(m, n, r, rows) {
  const top = 1.5, at = {};
  const put = (name, x, y, h, w) => { at[name] = rows ? { x, y, rows: w, cols: h } : { x, y, rows: h, cols: w }; };
  if (!rows) {
    const low = top + m + 2.6, mid = top + m + 1.3;
    put("x", 0.9, mid - n / 2, n, 1);
    put("W", 3.9, top, m, n); put("base", 3.9 + n + 1.8, top, m, 1);
    const right = 3.9 + n + 1.8 + 1 + 2.4;
    put("delta", right, top, m, n);
    put("A", 3.9, low, r, n); put("gradA", 3.9, low + r + 1.7, r, n); put("h", 3.9 + n + 1.8, low, r, 1);
    put("B", right, low, m, r); put("gradB", right + r + 1.8, low, m, r); put("u", right + 2 * r + 3.6, low, m, 1);
    const sum = Math.max(right + n, right + 2 * r + 4.6) + 1.7;
    at.sum = { x: sum, y: mid };
    ["y", "target", "g"].forEach((name, i) => put(name, sum + 1.7 + 2 * i, mid - m / 2, m, 1));
    return { at, width: sum + 1.7 + 5.6, height: low + Math.max(m, 2 * r + 1.7) + 2.1 };
  }
  const low = top + n + 2.6, mid = top + n + 1.3;
  put("x", 0.9, mid - 0.5, n, 1);
  put("W", n + 3, top, m, n); put("base", n + 3 + m + 1.6, top + n / 2 - 0.5, m, 1);
  const right = n + 3 + m + 1.6 + m + 1.8;
  put("delta", right, top, m, n);
  put("A", n + 3, low, r, n); put("gradA", n + 3 + r + 1.8, low, r, n); put("h", n + 3 + m + 1.6, low + n / 2 - 0.5, r, 1);
  put("B", right, low, m, r); put("u", right, low + r + 1.7, m, 1); put("gradB", right, low + r + 4.4, m, r);
  at.sum = { x: right + m + 1.5, y: mid };
  ["y", "target", "g"].forEach((name, i) => put(name, right + m + 3, mid - 3.2 + 2.2 * i, m, 1));
  return { at, width: right + 2 * m + 3.4, height: low + Math.max(n, 2 * r + 4.4) + 0.6 };
}

// What each phase of slow motion looks at, and what it makes.
const LIT = [
  null,
  { look: ["x", "A"], make: ["h"] }, { look: ["h", "B"], make: ["u"] }, { look: ["x", "W", "base", "u"], make: ["y"] }, { look: ["y", "target"], make: ["loss"] },
  { look: ["y", "target"], make: ["g"] }, { look: ["g", "h"], make: ["gradB"] }, { look: ["g", "B", "x"], make: ["gradA"] }, { look: ["gradA", "gradB"], make: ["A", "B", "delta"] },
];
const WIRES = [["x", "W"], ["W", "base"], ["base", "sum"], ["x", "A"], ["A", "h"], ["h", "B"], ["B", "u"], ["u", "sum"], ["sum", "y"]];
const BOXES = ["x", "W", "base", "A", "h", "B", "u", "delta", "y", "target", "g", "gradA", "gradB"];
// Rounding is no singular value.
const nearZero = (v, _, all) => (v > 0 && v < 1e-12 * (all[0] || 1) ? "≈ 0" : format(v));
const sub = (n) => [...String(n)].map((d) => "₀₁₂₃₄₅₆₇₈₉"[d]).join("");

function machineFacts(panel, t, cache) {
  const [m, n] = panel.W.shape.slice(-2), r = panel.A.shape[1];
  if (cache.edited && cache.edited.t !== t) cache.edited = null;
  const off = (cache.off ||= new Set());
  const given = {
    W: panel.W.data, A: cache.edited ? cache.edited.A : panel.A.at(t, 2), B: cache.edited ? cache.edited.B : panel.B.at(t, 2),
    x: panel.x.at(t, 1), target: panel.target.at(t, 1), scaling: panel.scaling,
  };
  return { m, n, r, off, given, ...layerState(given, m, n, r, off) };
}

const machine = {
  tall: true,
  draw(g, panel, t, film, box, theme, cache) {
    const facts = machineFacts(panel, t, cache), { m, n, r, given } = facts, plan = machineLayout(m, n, r, panel.rows);
    cache.facts = facts; cache.plan = plan;
    titleLine(g, panel, box, theme);
    const f = box.font, head = f * 1.5, foot = f * 2.8;
    const cell = Math.min((box.width - 6) / plan.width, (box.height - head - foot) / plan.height);
    const left = Math.max(0, (box.width - cell * plan.width) / 2), top = head;
    cache.grid = { cell, left, top };
    const X = (u) => left + u * cell, Y = (u) => top + u * cell;
    const phase = film.phase || 0, lit = LIT[phase], share = film.share ?? 1;
    const alpha = (name) => (!lit ? 1 : lit.make.includes(name) ? 0.25 + 0.75 * share : lit.look.includes(name) ? 1 : 0.25);
    const values = { ...given, h: facts.h, u: facts.u, base: facts.base, y: facts.y, g: facts.g, delta: facts.delta, gradA: facts.gradA, gradB: facts.gradB };
    const [lW, lA, lB, lD, lgA, lgB, lx, ly] = panel.limits;
    const limits = { x: lx, W: lW, base: ly, A: lA, h: lx, B: lB, u: ly, delta: lD, y: ly, target: ly, g: ly, gradA: lgA, gradB: lgB };
    const [nW, nA, nB, nD] = panel.names;
    const labels = { x: "x", W: `${nW} ❄`, base: panel.rows ? `x ${nW}` : `${panel.symbol} x`, A: nA, h: "h", B: nB, u: "u", delta: nD, y: "y", target: "t", g: "g", gradA: "∇A", gradB: "∇B" };
    const colours = { x: "ink", W: "W", base: "W", A: "A", h: "A", B: "B", u: "B", delta: "delta", y: "ink", target: "clean", g: "alarm", gradA: "A", gradB: "B" };
    // wires first: boxes stand on them
    const centre = (name) => { const b = plan.at[name]; return b.rows ? [X(b.x + b.cols / 2), Y(b.y + b.rows / 2)] : [X(b.x), Y(b.y)]; };
    for (const [from, to] of WIRES) {
      const [x1, y1] = centre(from), [x2, y2] = centre(to);
      const through = phase === 3 ? ["base", "sum"] : [];
      const hot = lit && [...lit.look, ...through].includes(from) && [...lit.make, ...lit.look, ...through].includes(to);
      g.globalAlpha = lit ? (hot ? 1 : 0.2) : 0.7;
      g.strokeStyle = hot ? theme.ink : theme.faint; g.lineWidth = hot ? 3 : 1.6;
      const b1 = plan.at[from], b2 = plan.at[to];
      g.beginPath();
      if (from === "base") { // below ΔW, which it does not pass through
        g.moveTo(x1, Y(b1.y + b1.rows)); g.lineTo(x1, y2); g.lineTo(x2, y2);
      } else if (from === "B" && !panel.rows) { // below ∇B
        const floor = Y(b1.y + b1.rows + 1.9);
        g.moveTo(x1 + cell * 0.8, Y(b1.y + b1.rows)); g.lineTo(x1 + cell * 0.8, floor); g.lineTo(x2, floor); g.lineTo(x2, Y(b2.y + b2.rows));
      } else { g.moveTo(x1, y1); g.bezierCurveTo((x1 + x2) / 2, y1, (x1 + x2) / 2, y2, x2, y2); }
      g.stroke();
    }
    g.globalAlpha = lit ? (phase === 3 ? 1 : 0.3) : 1;
    const [sx, sy] = centre("sum");
    g.fillStyle = theme.ink; g.textAlign = "left"; g.textBaseline = "middle"; g.font = `600 ${Math.max(11, cell * 0.8)}px ${theme.font}`;
    g.fillText(`×${format(panel.scaling)}`, sx + cell * 0.2, sy + cell * 1.5);
    g.fillStyle = theme.paper; g.strokeStyle = theme.ink; g.lineWidth = 2;
    g.beginPath(); g.arc(sx, sy, cell * 0.62, 0, 7); g.fill(); g.stroke();
    g.fillStyle = theme.ink; g.textAlign = "center"; g.textBaseline = "middle"; g.font = `700 ${cell}px ${theme.font}`; g.fillText("+", sx, sy);
    const small = Math.max(11, Math.min(f * 0.95, cell * 0.85));
    for (const name of BOXES) {
      const b = plan.at[name], data = values[name], limit = limits[name];
      g.globalAlpha = alpha(name);
      for (let i = 0; i < b.rows; i++) for (let j = 0; j < b.cols; j++) {
        const v = data[panel.rows ? j * (b.rows) + i : i * b.cols + j];
        const c = mix(theme.diverging[1], v < 0 ? theme.diverging[0] : theme.diverging[2], Math.min(1, Math.abs(v / limit)));
        g.fillStyle = `rgb(${c})`;
        g.fillRect(X(b.x + j), Y(b.y + i), cell + 0.5, cell + 0.5);
      }
      const grad = name.startsWith("grad");
      g.strokeStyle = theme[colours[name]]; g.lineWidth = 2.4; g.setLineDash(grad ? [5, 4] : []);
      g.strokeRect(X(b.x), Y(b.y), cell * b.cols, cell * b.rows); g.setLineDash([]);
      g.fillStyle = theme[colours[name]]; g.font = `600 ${small}px ${theme.font}`;
      const wide = b.cols >= 3;
      g.textAlign = wide ? "left" : "center"; g.textBaseline = "bottom";
      g.fillText(wide ? `${labels[name]}  ${b.rows}×${b.cols}` : labels[name], wide ? X(b.x) : X(b.x + b.cols / 2), Y(b.y) - 3);
      if (!wide && (name === "B" || name === "A")) { g.textBaseline = "top"; g.font = `${small * 0.9}px ${theme.font}`; g.fillText(`${b.rows}×${b.cols}`, X(b.x + b.cols / 2), Y(b.y + b.rows) + 2); }
    }
    // the components of the sum B A = Σ column k · row k, each with its switch
    const a = plan.at.A;
    cache.chips = [];
    for (let k = 0; k < r; k++) {
      const cx = panel.rows ? X(a.x + k + 0.5) : X(a.x - 0.75), cy = panel.rows ? Y(a.y + a.rows + 1.7) : Y(a.y + k + 0.5), radius = Math.max(8, cell * 0.42);
      cache.chips.push([cx, cy, radius + 3]);
      g.globalAlpha = lit ? 0.4 : 1;
      g.beginPath(); g.arc(cx, cy, radius, 0, 7);
      g.fillStyle = facts.off.has(k) ? theme.paper : theme.delta; g.fill();
      g.strokeStyle = theme.delta; g.lineWidth = 2; g.stroke();
      g.fillStyle = facts.off.has(k) ? theme.delta : theme.paper; g.textAlign = "center"; g.textBaseline = "middle"; g.font = `700 ${radius * 1.25}px ${theme.font}`;
      g.fillText(String(k + 1), cx, cy);
    }
    // a gradient step on one factor alone, by hand
    cache.steps = [["A", "gradA"], ["B", "gradB"]].map(([factor, name]) => {
      const b = plan.at[name], text = say("step {factor} only", { factor });
      g.font = `600 ${small * 0.92}px ${theme.font}`;
      const width = g.measureText(text).width + 10, height = small * 1.5;
      const x = Math.min(X(b.x), box.width - width - 2), y = Y(b.y + b.rows) + 5;
      g.globalAlpha = lit ? 0.4 : 1;
      g.fillStyle = theme.paper; g.fillRect(x, y, width, height);
      g.strokeStyle = g.fillStyle = theme[factor]; g.lineWidth = 1.6; g.strokeRect(x, y, width, height);
      g.textAlign = "left"; g.textBaseline = "middle"; g.fillText(text, x + 5, y + height / 2);
      return [x, y, width, height, factor];
    });
    g.globalAlpha = lit && phase !== 4 ? 0.3 : 1;
    const gb = plan.at.g, edge = plan.at.y;
    g.fillStyle = theme.ink; g.textAlign = "left"; g.textBaseline = "top"; g.font = `700 ${f}px ${theme.font}`;
    g.fillText(fit(g, `½‖g‖² ${format(facts.loss)}`, box.width - X(edge.x) + 20), X(edge.x) - 20, Y((panel.rows ? plan.at.g.y : gb.y) + gb.rows) + 8);
    g.globalAlpha = 1;
    if (cache.cursor) {
      g.strokeStyle = theme.ink; g.lineWidth = 3;
      for (const [name, i, j] of machine.related(cache.cursor, facts)) {
        const b = plan.at[name];
        const [p, q] = panel.rows ? [j, i] : [i, j];
        g.strokeRect(X(b.x + q) + 1, Y(b.y + p) + 1, cell - 2, cell - 2);
      }
    }
    g.font = `${f * 0.95}px ${theme.font}`; g.textAlign = "left"; g.textBaseline = "bottom";
    const changed = facts.off.size || cache.edited;
    g.fillStyle = changed ? theme.alarm : theme.ink;
    const sigma = facts.sigma.map(nearZero).join(", ");
    const ends = { scaling: format(panel.scaling), delta: format(lD), a: format(lA), b: format(lB), sigma };
    const under = changed ? say("By hand, not trained: σ(ΔW) {sigma}", { sigma }) : say("s = {scaling} · colours ±{delta} for ΔW, ±{a} for A, ±{b} for B · σ(ΔW) {sigma}", ends);
    g.fillText(fit(g, under, box.width - 4), 2, box.height - 3);
    // what the marks are
    const marks = say("❄ frozen · dashed frame: gradient · ① ②: parts of B A, click to leave one out · “step … only”: one step by hand");
    for (let size = f * 0.95; size >= 10 && g.measureText(marks).width > box.width - 4; size -= 0.5) g.font = `${size}px ${theme.font}`;
    g.fillStyle = theme.ink; g.fillText(fit(g, marks, box.width - 4), 2, box.height - 3 - f * 1.3);
  },
  // Which cells belong to the one under the hand?
  related({ name, i, j }, { m, n, r }) {
    const row = (box, i, count) => Array.from({ length: count }, (_, j) => [box, i, j]);
    const column = (box, j, count) => Array.from({ length: count }, (_, i) => [box, i, j]);
    const self = [[name, i, j]];
    switch (name) {
      case "delta": return [...self, ...row("B", i, r), ...column("A", j, r)];
      case "gradB": return [...self, ["g", i, 0], ["h", j, 0]];
      case "gradA": return [...self, ...column("B", i, m), ...column("g", 0, m), ["x", j, 0]];
      case "h": return [...self, ...row("A", i, n), ...column("x", 0, n)];
      case "u": return [...self, ...row("B", i, r), ...column("h", 0, r)];
      case "base": return [...self, ...row("W", i, n), ...column("x", 0, n)];
      case "y": return [...self, ["base", i, 0], ["u", i, 0]];
      case "g": return [...self, ["y", i, 0], ["target", i, 0]];
      default: return self;
    }
  },
  explain({ name, i, j }, facts, scaling) {
    const { given, n, r, off } = facts, v = (x) => (x < 0 ? `(${format(x)})` : format(x));
    const sum = (pairs) => pairs.slice(0, 3).map(([a, b]) => `${v(a)}·${v(b)}`).join(" + ") + (pairs.length > 3 ? " + …" : "");
    const list = (count, f) => Array.from({ length: count }, (_, k) => f(k));
    const [p, q] = [sub(i + 1), sub(j + 1)];
    switch (name) {
      case "delta": return `ΔW${p}${q} = s·Σ b·a = ${format(scaling)}·(${sum(list(r, (k) => [given.B[i * r + k] * (off.has(k) ? 0 : 1), given.A[k * n + j]]))}) = ${format(facts.delta[i * n + j])}`;
      case "gradB": return `∇B${p}${q} = s·g${p}·h${q} = ${format(scaling)}·${v(facts.g[i])}·${v(facts.h[j])} = ${format(facts.gradB[i * r + j])}`;
      case "gradA": return `∇A${p}${q} = s·(Bᵀg)${p}·x${q} = ${format(scaling)}·${v(facts.back[i])}·${v(given.x[j])} = ${format(facts.gradA[i * n + j])}`;
      case "h": return `h${p} = ${sum(list(n, (k) => [given.A[i * n + k], given.x[k]]))} = ${format(facts.h[i])}`;
      case "u": return `u${p} = ${sum(list(r, (k) => [given.B[i * r + k], facts.h[k]]))} = ${format(facts.u[i])}`;
      case "base": return `(W x)${p} = ${sum(list(n, (k) => [given.W[i * n + k], given.x[k]]))} = ${format(facts.base[i])}`;
      case "y": return `y${p} = ${v(facts.base[i])} + ${format(scaling)}·${v(facts.u[i])} = ${format(facts.y[i])}`;
      case "g": return `g${p} = y${p} − t${p} = ${v(facts.y[i])} − ${v(given.target[i])} = ${format(facts.g[i])}`;
      case "A": case "B": return say("{entry} = {value} (click to change it)", { entry: `${name}${p}${q}`, value: format(given[name][i * (name === "A" ? n : r) + j]) });
      case "W": return say("{entry} = {value}, frozen", { entry: `W${p}${q}`, value: format(given.W[i * n + j]) });
      default: return `${name === "target" ? "t" : name}${p} = ${format(given[name][i])}`;
    }
  },
  cellAt(panel, px, py, cache) {
    if (!cache.grid) return null;
    const { cell, left, top } = cache.grid, u = (px - left) / cell, w = (py - top) / cell;
    for (const name of BOXES) {
      const b = cache.plan.at[name], row = Math.floor(w - b.y), col = Math.floor(u - b.x);
      if (row >= 0 && col >= 0 && row < b.rows && col < b.cols) return panel.rows ? { name, i: col, j: row } : { name, i: row, j: col };
    }
    return null;
  },
  hover(panel, px, py, t, box, cache) {
    cache.cursor = machine.cellAt(panel, px, py, cache);
    if (cache.cursor) return machine.explain(cache.cursor, cache.facts, panel.scaling);
    if ((cache.chips || []).some(([x, y, r]) => Math.hypot(px - x, py - y) < r)) return say("click: this component of B A on or off");
    const button = (cache.steps || []).find(([x, y, w, h]) => px >= x && py >= y && px <= x + w && py <= y + h);
    return button ? say("click: one gradient step by hand, on {factor} only", { factor: button[4] }) : null;
  },
  leave(cache) { cache.cursor = null; },
  redraws: true,
  // A click on a switch toggles a component; on a cell of A or B it asks for a number. True: draw again.
  press(panel, px, py, t, cache, ask) {
    const chip = (cache.chips || []).findIndex(([x, y, r]) => Math.hypot(px - x, py - y) < r);
    if (chip >= 0) { cache.off.has(chip) ? cache.off.delete(chip) : cache.off.add(chip); return true; }
    const button = (cache.steps || []).find(([x, y, w, h]) => px >= x && py >= y && px <= x + w && py <= y + h);
    if (button) { machine.stepOnly(panel, button[4], t, cache); return true; }
    const at = machine.cellAt(panel, px, py, cache);
    if (at && (at.name === "A" || at.name === "B")) machine.edit(panel, at, t, cache, ask);
    return false;
  },
  edit(panel, { name, i, j }, t, cache, ask) {
    const width = name === "A" ? cache.facts.n : cache.facts.r, at = i * width + j;
    const b = cache.plan.at[name], { cell, left, top } = cache.grid, [p, q] = panel.rows ? [j, i] : [i, j];
    ask(left + (b.x + q) * cell, top + (b.y + p) * cell, cache.facts.given[name][at], (value) => {
      cache.edited ||= { t, A: Float64Array.from(cache.facts.given.A), B: Float64Array.from(cache.facts.given.B) };
      cache.edited[name][at] = value;
    });
  },
  // One step of plain gradient descent on A or on B alone, from where the hand has left them.
  stepOnly(panel, factor, t, cache) {
    const { given, gradA, gradB } = machineFacts(panel, t, cache), gradient = factor === "A" ? gradA : gradB;
    cache.edited ||= { t, A: Float64Array.from(given.A), B: Float64Array.from(given.B) };
    cache.edited[factor] = cache.edited[factor].map((v, i) => v - panel.lr * gradient[i]);
  },
  // The keyboard reaches what the pointer reaches: arrows move in a box, [ and ] change it, Enter edits, 1 to 9 switch, a and b step.
  key(panel, event, t, cache, ask) {
    const plan = cache.plan, facts = cache.facts;
    const c = (cache.cursor ||= { name: "delta", i: 0, j: 0 }), b = plan.at[c.name], [rows, cols] = panel.rows ? [b.cols, b.rows] : [b.rows, b.cols];
    const moves = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key];
    if (moves) {
      const [di, dj] = panel.rows ? [moves[1], moves[0]] : moves;
      c.i = Math.max(0, Math.min(rows - 1, c.i + di)); c.j = Math.max(0, Math.min(cols - 1, c.j + dj));
    } else if (event.key === "[" || event.key === "]") {
      const next = (BOXES.indexOf(c.name) + (event.key === "]" ? 1 : BOXES.length - 1)) % BOXES.length;
      cache.cursor = { name: BOXES[next], i: 0, j: 0 };
    } else if (event.key === "Enter") {
      if (c.name === "A" || c.name === "B") machine.edit(panel, c, t, cache, ask);
    } else if (/^[1-9]$/.test(event.key) && Number(event.key) <= facts.r) {
      const k = Number(event.key) - 1;
      cache.off.has(k) ? cache.off.delete(k) : cache.off.add(k);
    } else if (event.key === "a" || event.key === "b") {
      machine.stepOnly(panel, event.key.toUpperCase(), t, cache);
    } else return null;
    return machine.tell(panel, t, cache);
  },
  // What the cell under the hand says now, after whatever was changed.
  tell(panel, t, cache) {
    if (!cache.cursor) return null;
    return machine.explain(cache.cursor, machineFacts(panel, t, cache), panel.scaling);
  },
  // What a hand has made of the step, in place of the narration.
  byHand(panel, t, cache) {
    if (!cache.edited && !(cache.off && cache.off.size)) return null;
    const { delta, loss } = machineFacts(panel, t, cache);
    return say("Changed by hand: ‖ΔW‖ is now {size}, this sample's loss {loss}. The charts show the trained run.", { size: format(Math.hypot(...delta)), loss: format(loss) });
  },
  forget(cache) { cache.edited = null; if (cache.off) cache.off.clear(); },
  say(panel, t, film, cache) {
    const facts = (cache && cache.facts) || machineFacts(panel, t, {});
    const now = { m: facts.m, n: facts.n, r: facts.r, loss: format(facts.loss), sigma: facts.sigma.map(nearZero).join(", ") };
    return cache && (cache.edited || (cache.off && cache.off.size))
      ? say("changed by hand, W {m} by {n} frozen, A {r} by {n}, B {m} by {r}, loss of this sample {loss}, singular values of ΔW {sigma}", now)
      : say("W {m} by {n} frozen, A {r} by {n}, B {m} by {r}, loss of this sample {loss}, singular values of ΔW {sigma}", now);
  },
};

KINDS.machine = machine;
