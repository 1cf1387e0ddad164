// Predict, then reveal: a question hides the pictures until it is answered, then shows the guess beside what was measured.

function askFirst(s, question) {
  const box = s.find("question");
  box.replaceChildren();
  box.hidden = !question;
  s.root.dataset.asking = question ? question.kind : "";
  if (!question) return;
  box.setAttribute("role", "group");
  box.setAttribute("aria-label", question.text);
  const row = document.createElement("div");
  box.append(row);
  const answered = (given, said) => reveal(s, question, given, said);
  const button = (label, action) => {
    const b = Object.assign(document.createElement("button"), { textContent: label });
    b.addEventListener("click", action);
    row.append(b);
    return b;
  };
  if (question.kind === "choice") question.choices.forEach((choice, i) => button(choice, () => answered(i, choice)));
  if (question.kind === "number") {
    const input = Object.assign(document.createElement("input"), { type: "text", inputMode: "decimal" });
    input.setAttribute("aria-label", question.text);
    const take = () => {
      const given = Number(input.value.trim().replace(",", "."));
      if (input.value.trim() === "" || !Number.isFinite(given)) { told(s, say("\"{given}\" is not a number: give one, 0.5 say.", { given: input.value.slice(0, 20) })); return; }
      answered(given, format(given));
    };
    input.addEventListener("keydown", (event) => { event.stopPropagation(); if (event.key === "Enter") take(); });
    row.append(input);
    button(say("That is my guess"), take);
  }
  if (question.kind === "curve") {
    const p = s.panels.find((q) => q.panel.title === question.panel);
    if (p) {
      p.panel.veiled = true;
      p.panel.guess = new Float32Array(s.film.values.data.length).fill(NaN);
      p.cell.dataset.asked = "true";
    }
    button(say("That is my curve"), () => answered(p.panel.guess, say("the dotted curve")));
  }
  button(say("Reveal"), () => answered(null, null)).className = "quiet";
}

function told(s, text) {
  let line = s.find("question").querySelector(".told");
  if (!line) { line = Object.assign(document.createElement("p"), { className: "told" }); line.setAttribute("role", "status"); s.find("question").append(line); }
  line.textContent = text;
}

function reveal(s, question, given, said) {
  s.root.dataset.asking = "";
  for (const b of s.find("question").querySelectorAll("button, input")) b.remove();
  for (const p of s.panels) { p.panel.veiled = false; delete p.cell.dataset.asked; }
  const verdict = said === null ? [] : [say("Your guess: {guess}.", { guess: said })];
  verdict.push(say("Measured: {measured}.", { measured: question.measured }));
  if (question.kind === "choice" && given === question.answer) verdict.push(say("That is what you said."));
  if (question.kind === "curve" && given) verdict.push(offBy(s, question, given));
  told(s, verdict.filter(Boolean).join(" "));
  arrange(s);
  draw(s);
}

// How far is the drawn curve from the measured one? In the picture's own terms: a factor on a log axis, else a distance.
function offBy(s, question, guess) {
  const p = s.panels.find((q) => q.panel.title === question.panel);
  const series = p.panel.series.find((one) => one.name === question.series);
  const off = [];
  guess.forEach((v, i) => {
    const y = series.y.data[i];
    if (!Number.isFinite(v) || !Number.isFinite(y)) return;
    if (p.panel.scale !== "log") off.push(Math.abs(v - y));
    else if (y > 0 && v > 0) off.push(Math.max(v / y, y / v));
  });
  if (!off.length) return "";
  off.sort((a, b) => a - b);
  const middle = off[Math.floor(off.length / 2)];
  return p.panel.scale === "log" ? say("In the median you were off by a factor of {factor}.", { factor: format(middle) }) : say("In the median you were off by {distance}.", { distance: format(middle) });
}

// A drag on the asked panel draws the guess: the frame below the pointer gets the pointer's height.
function sketch(s, p, from, to) {
  const frame = p.cache.frame, values = s.film.values.data;
  if (!frame) return;
  const nearest = (px) => { let best = 0; values.forEach((v, i) => { if (Math.abs(frame.x(v) - px) < Math.abs(frame.x(values[best]) - px)) best = i; }); return best; };
  const height = (py) => {
    const share = Math.max(0, Math.min(1, (frame.bottom - py) / (frame.bottom - frame.top)));
    return p.panel.scale === "log" ? frame.low * (frame.high / frame.low) ** share : frame.low + share * (frame.high - frame.low);
  };
  const [i0, i1] = [nearest(from[0]), nearest(to[0])], [first, last] = i0 <= i1 ? [i0, i1] : [i1, i0];
  for (let i = first; i <= last; i++) {
    const share = i1 === i0 ? 1 : (i - i0) / (i1 - i0);
    p.panel.guess[i] = height(from[1] + share * (to[1] - from[1]));
  }
  drawOne(s, p);
}

// The same curves as they were before the last change, faint, and the visitor's guess, dotted.
function drawShadows(g, panel, frame, values, theme) {
  g.save(); g.beginPath(); g.rect(frame.left, frame.top - 4, frame.right - frame.left, frame.bottom + frame.strip - frame.top + 8); g.clip();
  const trace = (xs, ys) => {
    g.beginPath();
    let begun = false;
    xs.forEach((v, i) => { if (!Number.isFinite(ys[i])) { begun = false; return; } begun ? g.lineTo(frame.x(v), frame.y(ys[i])) : g.moveTo(frame.x(v), frame.y(ys[i])); begun = true; });
    g.stroke();
  };
  for (const s of panel.ghost ? panel.ghost.series : []) {
    g.strokeStyle = theme[s.colour]; g.globalAlpha = 0.45; g.lineWidth = 2.2; g.setLineDash([2, 4]);
    trace(panel.ghost.values, s.y.data);
  }
  if (panel.guess) { g.strokeStyle = theme.ink; g.globalAlpha = 1; g.lineWidth = 3; g.setLineDash([3, 5]); trace(values, panel.guess); }
  g.restore(); g.setLineDash([]); g.globalAlpha = 1;
}
