// ---------------------------------------------------------------- the numbers of every panel, as tables at the playhead

const MOST_ACROSS = 32, MOST_ROWS = 128;

// Each kind answers with tables: a caption, heads of the columns, rows that begin with their head, and what is left out.
const TABLES = {
  lines(panel, t, film) {
    const banded = panel.series.some((s) => s.low && s.high), at = (tensor) => (tensor ? format(tensor.data[t]) : "");
    const rows = panel.series.map((s) => [s.name, at(s.y), ...(banded ? [at(s.low), at(s.high)] : [])]);
    const now = say("at {axis} {value}", { axis: film.axisSaid, value: format(film.values.data[t]) });
    const heads = [say("Curve"), now, ...(banded ? [say("low"), say("high")] : [])];
    return [{ caption: `${panel.title}: ${panel.y_label}`, heads, rows, note: markNote(panel, film.axisSaid) }];
  },
  curves(panel, t) {
    const columns = panel.series.flatMap((s) => [[s.name, s.y], ...(s.low && s.high ? [[say("{name}, low", { name: s.name }), s.low], [say("{name}, high", { name: s.name }), s.high]] : [])]);
    const values = columns.map(([, tensor]) => tensor.at(t, 1)), rows = [...panel.x.data].map((x, i) => [format(x), ...values.map((v) => format(v[i]))]);
    return [capped({ caption: `${panel.title}: ${panel.y_label}`, heads: [panel.x_label, ...columns.map(([name]) => name)], rows, note: markNote(panel, panel.x_label) })];
  },
  field(panel, t) {
    const values = panel.values.at(t, 2), regions = panel.regions && panel.regions.at(t, 2), [m, n] = panel.values.shape.slice(-2);
    const cell = (k) => { const name = regions && panel.region_names[Math.round(regions[k])]; return `${format(values[k])}${name ? `, ${name}` : ""}`; };
    const across = say("{rows} (down), {columns} (across)", { rows: panel.y_title, columns: panel.x_title });
    const table = matrixTable(panel.title, values, m, n, { x: panel.x_labels, y: panel.y_labels, cell, across });
    if (m <= MOST_ACROSS && n <= MOST_ACROSS) table.rows.reverse(); // as in the picture: the first row stands at the bottom
    return [table];
  },
  heatmap(panel, t) {
    const [m, n] = panel.values.shape.slice(-2), table = matrixTable(panel.title, panel.values.at(t, 2), m, n);
    table.note = [say("Colours run from −{limit} to {limit}.", { limit: format(limitAt(panel, t)) }), table.note].filter(Boolean).join(" ");
    return [table];
  },
  bars(panel, t) {
    const values = panel.groups.map((group) => group.values.at(t, 1));
    return [capped({ caption: `${panel.title}: ${panel.y_label}`, heads: ["", ...panel.groups.map((g) => g.name)], rows: panel.labels.map((label, i) => [label, ...values.map((v) => format(v[i]))]) })];
  },
  cloud(panel, t) {
    const axes = Array.from({ length: panel.dimension }, (_, i) => `${panel.axes}${"₁₂₃"[i]}`);
    const sets = panel.points.map((set) => pointsTable(`${panel.title}: ${set.name}`, set.xyz.at(t, 2), set.xyz.shape.slice(-2), axes));
    const spans = panel.spans.map((set) => pointsTable(say("{title}: {name}, vectors", { title: panel.title, name: set.name }), set.basis.at(t, 2), set.basis.shape.slice(-2), axes));
    return [...sets, ...spans];
  },
  machine(panel, t, film, cache) {
    const facts = machineFacts(panel, t, cache), { m, n, r, given } = facts, [W, A, B, delta] = panel.names;
    const shaped = (name, data, rows, cols) => matrixTable(name, panel.rows ? turned(data, rows, cols) : data, ...(panel.rows ? [cols, rows] : [rows, cols]));
    const vectors = [["x", given.x, n], ["h", facts.h, r], ["u", facts.u, m], [say("{matrix} on x", { matrix: W }), facts.base, m], ["y", facts.y, m], ["t", given.target, m], ["g", facts.g, m]];
    const scalars = { caption: panel.title, heads: ["", say("value")], rows: [[say("scaling"), format(panel.scaling)], [say("loss of this sample"), format(facts.loss)], ...facts.sigma.map((v, i, all) => [say("singular value {place} of {matrix}", { place: i + 1, matrix: delta }), nearZero(v, i, all)])] };
    return [
      scalars, shaped(W, given.W, m, n), shaped(A, given.A, r, n), shaped(B, given.B, m, r), shaped(delta, facts.delta, m, n),
      shaped("∇A", facts.gradA, r, n), shaped("∇B", facts.gradB, m, r), ...vectors.map(([name, data, k]) => shaped(name, data, k, 1)),
    ];
  },
  pictures(panel, t) {
    const [k, h, w] = panel.images.shape;
    const rows = panel.rows.map((row) => { const now = Math.min(t, row.text.length - 1); return [row.name, ...row.text[now].map((text, i) => (row.right[now][i] ? text : `${text} ✗`))]; });
    const heads = ["", ...Array.from({ length: k }, (_, i) => say("picture {place}", { place: i + 1 }))];
    return [{ caption: panel.title, heads, rows, note: say("Left out: the {h}×{w} grey values of each picture. ✗ marks what is wrong.", { h, w }) }];
  },
  readout(panel, t) {
    return [{ caption: panel.title, heads: ["", say("reading")], rows: panel.rows.map((row) => [row.label, row.text[Math.min(t, row.text.length - 1)]]) }];
  },
};

const markNote = (panel, axis) => panel.marks.map((mark) => say("{mark} at {axis} {value}.", { mark: mark.label, axis, value: format(mark.at) })).join(" ");

const turned = (data, rows, cols) => Float64Array.from({ length: rows * cols }, (_, k) => data[(k % rows) * cols + Math.floor(k / rows)]);

function capped(table) {
  const every = Math.ceil(table.rows.length / MOST_ROWS);
  if (every === 1) return table;
  const left = say("Left out: all but one in {every} of {rows} rows.", { every, rows: table.rows.length });
  return { ...table, rows: table.rows.filter((_, i) => i % every === 0), note: [table.note, left].filter(Boolean).join(" ") };
}

function matrixTable(title, values, m, n, { x, y, cell, across } = {}) {
  const caption = `${title}, ${m}×${n}${across ? `: ${across}` : ""}`;
  if (m <= MOST_ACROSS && n <= MOST_ACROSS) {
    const read = cell || ((k) => format(values[k]));
    const rows = Array.from({ length: m }, (_, i) => [y ? y[i] : `${i + 1}`, ...Array.from({ length: n }, (_, j) => read(i * n + j))]);
    return { caption, heads: ["", ...(x || Array.from({ length: n }, (_, j) => `${j + 1}`))], rows };
  }
  let low = Infinity, high = -Infinity, squares = 0, zeros = 0, unknown = 0;
  for (const v of values) {
    if (Number.isNaN(v)) { unknown += 1; continue; }
    low = Math.min(low, v); high = Math.max(high, v); squares += v * v; zeros += v === 0;
  }
  const rows = [[say("least"), format(low)], [say("most"), format(high)], [say("Frobenius norm"), format(Math.sqrt(squares))], [say("exact zeros"), `${zeros}`], ...(unknown ? [[say("no number"), `${unknown}`]] : [])];
  return { caption, heads: ["", say("value")], rows, note: say("Left out: the {count} entries, more than {most}×{most}.", { count: m * n, most: MOST_ACROSS }) };
}

function pointsTable(caption, values, [n, d], axes) {
  const column = (j) => Array.from({ length: n }, (_, i) => values[i * d + j]);
  if (n <= MOST_ACROSS) return { caption, heads: ["", ...axes], rows: Array.from({ length: n }, (_, i) => [`${i + 1}`, ...axes.map((_, j) => format(values[i * d + j]))]) };
  const facts = [[say("least"), (c) => Math.min(...c)], [say("mean"), (c) => c.reduce((a, b) => a + b, 0) / n], [say("most"), (c) => Math.max(...c)]];
  return { caption: say("{title}, {count} points", { title: caption, count: n }), heads: ["", ...axes], rows: facts.map(([name, of]) => [name, ...axes.map((_, j) => format(of(column(j))))]), note: say("Left out: the {count} points one by one, more than {most}.", { count: n, most: MOST_ACROSS }) };
}

// While it plays the tables wait; where it stops they say what is seen.
function tabulate(s) {
  const box = s.find("tables");
  if (box.hidden || s.playing || !s.film) return;
  if (s.root.dataset.asking) { box.textContent = say("Hidden until the question above is answered."); return; }
  const tables = s.panels.flatMap((p) => {
    const told = () => [{ caption: p.panel.title, heads: ["", say("reading")], rows: [[say("now"), KINDS[p.panel.kind].say(p.panel, s.t, s.film, p.cache)]] }];
    return (TABLES[p.panel.kind] || told)(p.panel, s.t, s.film, p.cache).map((table) => tableNode(table, p.panel.kind));
  });
  box.replaceChildren(...tables);
}

function tableNode({ caption, heads, rows, note }, kind) {
  const make = (tag, text, scope) => { const e = document.createElement(tag); e.textContent = text; if (scope) e.scope = scope; return e; };
  // An empty corner is a cell, not the head of anything.
  const table = document.createElement("table"), head = document.createElement("tr");
  head.append(...heads.map((text) => (text ? make("th", text, "col") : make("td", ""))));
  const body = rows.map(([first, ...rest]) => {
    const row = document.createElement("tr");
    row.append(make("th", first, "row"), ...rest.map((text) => make("td", text)));
    return row;
  });
  const top = document.createElement("thead"), under = document.createElement("tbody");
  top.append(head); under.append(...body);
  table.append(make("caption", note ? `${caption}. ${note}` : caption), top, under);
  table.dataset.kind = kind;
  return table;
}

function openTables(s) {
  const box = s.find("tables"), open = box.hidden;
  box.hidden = !open;
  s.find("numbers").setAttribute("aria-expanded", open);
  if (!open) return;
  pause(s);
  tabulate(s);
  box.scrollIntoView({ block: "nearest" });
}
