// Ellipses over the frame: drawn sharp at any zoom, pointed at, taken hold of, and listed for the
// keyboard and for screen readers. Python says which there are and takes each change; what a person
// did is shown until its answer comes. An ellipse is [x, y, a, b, angle, kind] in pixels and degrees.
// Round ones are apertures: those of one centre are moved as one, and a rim changes a radius.

const KINDS = [
  { name: "found", colour: "#ffffff", dash: [] },
  { name: "core", colour: "#ffd000", dash: [3, 3] },
  { name: "by hand", colour: "#ff8ae0", dash: [9, 3, 2, 3] },
  { name: "source", colour: "#ffffff", dash: [], round: true },
  { name: "inner rim of background", colour: "#ffb000", dash: [6, 4], round: true },
  { name: "outer rim of background", colour: "#ffb000", dash: [6, 4], round: true },
];
const SOURCE = 3;
const REACH = 7; // CSS pixels from an outline or a handle within which it is taken
const LEAST = 12; // CSS pixels from the middle at which a handle is still told apart from it
const PATIENCE = 3000; // ms that a change is shown without an answer
const REST = 600; // ms after the last key that a change by keys is finished
const LISTED = 100;

const same = (a, b) => a !== null && b !== null && a.slice(0, 5).join() === b.slice(0, 5).join();
const round = (at) => Boolean(KINDS[at[5]].round);
const together = (a, b) => Math.hypot(a[0] - b[0], a[1] - b[1]) < 0.05;
const tenth = (value) => Math.round(10 * value) / 10;
const tidy = ([x, y, a, b, angle, kind]) => [
  tenth(x), tenth(y), Math.max(tenth(a), 0.5), Math.max(tenth(b), 0.5), tenth(((angle % 180) + 180) % 180) % 180, kind,
];
const axisOf = ([, , , , angle]) => [Math.cos((angle * Math.PI) / 180), Math.sin((angle * Math.PI) / 180)];
/** CSS pixels of a pixel of the frame. */
const scaleOf = (view) => view.width / (view.window[2] - view.window[0]);
const sizeWords = ([, , a, b, angle, kind]) => (KINDS[kind].round ? `radius ${numberText(a, 3)} pixels` : `${numberText(2 * a, 3)} × ${numberText(2 * b, 3)} pixels, ${numberText(angle, 3)}°`);

/** Corners by which an ellipse is changed, in CSS pixels; small ones have them further out. */
function handlesOf(at, view) {
  const [x, y, a, b] = at;
  const [scale, [cos, sin]] = [scaleOf(view), axisOf(at)];
  const [cx, cy] = view.toScreen(x + 0.5, y + 0.5);
  const [ra, rb] = [Math.max(a * scale, LEAST), Math.max(b * scale, LEAST)];
  const along = (r) => [cx + r * cos, cy - r * sin * view.tall];
  const across = (r) => [cx - r * sin, cy - r * cos * view.tall];
  if (round(at)) return { middle: [cx, cy], rim: along(ra), "rim left": along(-ra), "rim up": across(rb), "rim down": across(-rb) };
  return {
    middle: [cx, cy], a: along(ra), "-a": along(-ra), b: across(rb), "-b": across(-rb), turn: along(ra + 20),
  };
}

/** Ellipse after a handle was dragged by data pixels, from where it was taken. */
function dragged(at, part, from, to) {
  let [x, y, a, b, angle, kind] = at;
  const [dx, dy] = [to[0] - from[0], to[1] - from[1]];
  const [cos, sin] = axisOf(at);
  const away = ([u, v]) => Math.atan2(v - y - 0.5, u - x - 0.5);
  const sign = part.startsWith("-") ? -1 : 1;
  const far = ([u, v]) => Math.hypot(u - x - 0.5, v - y - 0.5);
  if (part === "middle") [x, y] = [x + dx, y + dy];
  else if (part.startsWith("rim")) a = b = Math.max(a + far(to) - far(from), 0.5);
  else if (part === "turn") angle += ((away(to) - away(from)) * 180) / Math.PI;
  else if (part === "new") a = b = Math.hypot(dx, dy);
  else if (part.endsWith("a")) a += sign * (dx * cos + dy * sin);
  else b += sign * (dy * cos - dx * sin);
  return tidy([x, y, a, b, angle, kind]);
}

function strokeEllipse(pen, at, view, wide) {
  const scale = scaleOf(view);
  const [cx, cy] = view.toScreen(at[0] + 0.5, at[1] + 0.5);
  const [a, b] = [Math.max(at[2] * scale, 1.5), Math.max(at[3] * scale, 1.5)];
  const far = Math.max(a, b) * Math.max(view.tall, 1) + wide;
  if (cx + far < 0 || cy + far < 0 || cx - far > view.width || cy - far > view.height) return;
  const { colour, dash } = KINDS[at[5]];
  pen.beginPath();
  pen.save();
  pen.translate(cx, cy);
  pen.scale(1, view.tall);
  pen.ellipse(0, 0, a, b, (-at[4] * Math.PI) / 180, 0, 2 * Math.PI);
  pen.restore();
  for (const [ink, width, gaps] of [["#000000", wide + 2, []], [colour, wide, dash]]) {
    pen.strokeStyle = ink;
    pen.lineWidth = width;
    pen.setLineDash(gaps);
    pen.stroke();
  }
  pen.setLineDash([]);
}

function drawHandles(pen, at, view) {
  const handles = handlesOf(at, view);
  pen.strokeStyle = "#000000";
  pen.fillStyle = "#ffffff";
  pen.lineWidth = 1;
  for (const [part, [x, y]] of Object.entries(handles)) {
    pen.beginPath();
    if (part === "turn" || part === "middle") pen.arc(x, y, 4, 0, 2 * Math.PI);
    else pen.rect(x - 3.5, y - 3.5, 7, 7);
    pen.fill();
    pen.stroke();
  }
}

/** A short line in the manner of a kind. */
function swatchOf({ colour, dash }) {
  const space = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(space, "svg");
  svg.setAttribute("class", "jwi-stroke");
  svg.setAttribute("viewBox", "0 0 26 8");
  svg.setAttribute("aria-hidden", "true");
  for (const [ink, width, gaps] of [["#000000", 4, []], [colour, 2, dash]]) {
    const line = document.createElementNS(space, "path");
    line.setAttribute("d", "M2 4H24");
    line.setAttribute("stroke", ink);
    line.setAttribute("stroke-width", width);
    line.setAttribute("stroke-dasharray", gaps.join(" "));
    svg.append(line);
  }
  return svg;
}

/** The ellipses of one view; ``reveal`` brings a pixel into sight. */
function ellipsesOver({ view, stage, send, redraw, reveal }) {
  let marks = []; // as Python says: { at, label }
  let editable = false;
  let chosen = null; // the ellipse that keys and handles change
  let over = null;
  let edit = null; // { old, now, part, from, said, done }: what a person changes
  let [keysRest, patience] = [null, null];

  const tip = make("div", "jwi-badge jwi-tip", { hidden: "" });
  stage.append(tip);
  const summary = make("summary");
  const list = make("div", "jwi-ovals", {
    role: "group", "aria-label": "ellipses", "data-lm-suppress-shortcuts": "true",
  });
  const hint = make("div", "jwi-quiet");
  const element = make("details", "jwi-more", { hidden: "" }, summary, hint, list);

  // -- changes ------------------------------------------------------------------------------------

  const tell = throttled(() => {
    edit.said.push(edit.now);
    send({ kind: "mark", old: edit.old, new: edit.now, rest: false });
  }, SEND);
  const forget = () => {
    clearTimeout(patience);
    clearTimeout(keysRest);
    tell.cancel();
    edit = null;
  };
  const finish = () => {
    clearTimeout(keysRest);
    tell.cancel();
    edit.done = true;
    edit.said.push(edit.now);
    send({ kind: "mark", old: edit.old, new: edit.now, rest: true });
    patience = setTimeout(() => { forget(); redraw(); }, PATIENCE);
  };
  const start = (old, now, part, from) => {
    if (edit && !edit.done) finish();
    clearTimeout(patience);
    edit = { old, now, part, from, start: now, said: [], done: false };
  };
  const change = (now) => {
    edit.now = now;
    chosen = now;
    tell();
    redraw();
  };
  const remove = (at) => {
    start(at, null, "gone", null);
    chosen = null;
    finish();
    redraw();
  };

  /** What is on screen: as Python says, but for what is being changed. */
  const shown = () => {
    if (!edit) return marks;
    const mine = [edit.old, ...edit.said];
    const rest = marks.filter(({ at }) => !mine.some((one) => same(one, at))).map((mark) => {
      const follows = edit.now && edit.old && round(mark.at) && mine.some((one) => one && together(one, mark.at));
      return follows ? { ...mark, at: [edit.now[0], edit.now[1], ...mark.at.slice(2)] } : mark;
    });
    return edit.now ? [...rest, { at: edit.now, label: sizeWords(edit.now) }] : rest;
  };

  // -- drawing ------------------------------------------------------------------------------------

  const draw = (pen, dpr) => {
    pen.save();
    pen.scale(dpr, dpr);
    for (const { at } of shown()) strokeEllipse(pen, at, view, same(at, chosen) || same(at, over) ? 2.5 : 1.5);
    if (chosen && editable) drawHandles(pen, chosen, view);
    pen.restore();
    const held = edit && !edit.done ? edit.now : over;
    const mark = held && shown().find(({ at }) => same(at, held));
    tip.hidden = !mark;
    if (!mark) return;
    tip.textContent = mark.label || sizeWords(mark.at);
    const [x, y] = view.toScreen(mark.at[0] + 0.5, mark.at[1] + 0.5);
    const up = Math.max(mark.at[2], mark.at[3]) * scaleOf(view) * view.tall;
    tip.style.left = `${Math.min(Math.max(x, 60), view.width - 60)}px`;
    tip.style.top = `${Math.min(Math.max(y - up - 30, 4), view.height - 24)}px`;
  };

  const rows = () => {
    const held = [...list.children].indexOf(document.activeElement);
    const mine = edit ? [edit.now, ...edit.said] : [chosen];
    const buttons = marks.slice(0, LISTED).map(({ at, label }) => {
      const where = `x ${numberText(at[0], 4)}, y ${numberText(at[1], 4)}`;
      const button = make("button", "jwi-oval", { type: "button", "aria-pressed": String(mine.some((m) => same(m, at))) },
        swatchOf(KINDS[at[5]]), make("span", "", {}, `${label || KINDS[at[5]].name} · ${where}`));
      button.addEventListener("click", () => { choose(at); reveal(at[0], at[1]); });
      button.addEventListener("focus", () => { if (!edit || edit.done) choose(at); });
      return button;
    });
    if (marks.length > LISTED) buttons.push(make("span", "jwi-quiet", {}, `${marks.length - LISTED} more are drawn`));
    list.replaceChildren(...buttons);
    if (held < 0 || !marks.length) return;
    const next = list.querySelector("[aria-pressed=true]") || buttons[Math.min(held, marks.length - 1)];
    next.focus({ preventScroll: true });
  };
  const press = () => {
    [...list.querySelectorAll(".jwi-oval")].forEach((button, i) => {
      button.setAttribute("aria-pressed", String(same(marks[i].at, chosen)));
    });
  };
  const choose = (at) => {
    if (same(at, chosen)) return;
    chosen = at;
    press();
    redraw();
  };

  const take = ({ rows: some, editable: may, refused }) => {
    marks = some.map(([at, label]) => ({ at, label }));
    editable = may;
    if (edit?.done) {
      const arrived = edit.now === null || marks.some(({ at }) => same(at, edit.now));
      const gone = !edit.old || !marks.some(({ at }) => same(at, edit.old));
      if (refused || (arrived && gone)) forget();
    } else if (edit && refused) forget();
    if (!edit && chosen && !marks.some(({ at }) => same(at, chosen))) chosen = null;
    over = null;
    element.hidden = !marks.length;
    const kinds = KINDS.map(({ name }, kind) => [name, marks.filter(({ at }) => at[5] === kind).length]);
    const counted = kinds.flatMap(([name, n], kind) => (n ? [swatchOf(KINDS[kind]), `${n} ${name} `] : []));
    const apertures = marks.length > 0 && marks.every(({ at }) => round(at));
    const noun = apertures ? "circle" : "ellipse";
    summary.replaceChildren(`${marks.length} ${noun}${marks.length === 1 ? "" : "s"} `, ...counted);
    const turns = apertures ? "" : "[ ] turn · ";
    hint.textContent = editable ? `arrows move · shift and arrows resize · ${turns}Delete removes` : "";
    rows();
    redraw();
  };

  // -- hands --------------------------------------------------------------------------------------

  /** What lies under a place on the screen: { at, part, rim }, or null. */
  const under = (place) => {
    const near = ([x, y], reach = REACH) => Math.hypot(place[0] - x, place[1] - y) <= reach;
    if (chosen && editable) {
      for (const [part, where] of Object.entries(handlesOf(chosen, view))) {
        if (near(where)) return { at: chosen, part, rim: part !== "middle" };
      }
    }
    const scale = scaleOf(view);
    let [best, rim] = [REACH, null];
    let middle = null; // of those around one middle the largest: a core lies in its snowball
    for (const { at } of shown()) {
      const [cx, cy] = view.toScreen(at[0] + 0.5, at[1] + 0.5);
      const [u, v] = [place[0] - cx, (cy - place[1]) / view.tall];
      const [cos, sin] = axisOf(at);
      const far = Math.hypot(u, v);
      const r = Math.hypot((u * cos + v * sin) / Math.max(at[2] * scale, 3), (v * cos - u * sin) / Math.max(at[3] * scale, 3));
      const off = r > 0 ? Math.abs(far - far / r) : Infinity;
      if (off < best) [best, rim] = [off, at];
      const before = middle && (middle[5] === SOURCE || (at[5] !== SOURCE && middle[2] * middle[3] > at[2] * at[3]));
      if (editable && far < REACH && !before) middle = at;
    }
    if (middle) return { at: middle, part: "middle", rim: false };
    return rim && { at: rim, part: round(rim) ? "rim" : "middle", rim: true };
  };

  return {
    element,
    take,
    draw,
    draws: () => editable && !marks.some(({ at }) => round(at)),
    /** Take hold of what is under a place, or begin a new one; null: the drag is not about ellipses. */
    begin(place, tool, event) {
      if (!editable) return null;
      const found = under(place);
      const from = view.toData(...place);
      if (found) {
        start(found.at, found.at, found.part, from);
        choose(found.at);
        return { kind: "mark", held: found.rim };
      }
      if (tool !== "ellipse") return null;
      const kind = event.altKey ? 1 : 2;
      start(null, [from[0] - 0.5, from[1] - 0.5, 0.5, 0.5, 0, kind], "new", from);
      return { kind: "mark", held: false };
    },
    move(place) {
      if (!edit || edit.done) return; // refused while it was dragged
      change(dragged(edit.start, edit.part, edit.from, view.toData(...place)));
    },
    /** Let go; without a move nothing was changed. */
    end() {
      if (!edit || edit.done) return;
      if (edit.now === edit.start) forget();
      else finish();
    },
    leave() { choose(null); },
    point(place) {
      const found = place && (!edit || edit.done) ? under(place) : null;
      if (same(found?.at ?? null, over) || (!found && !over)) return;
      over = found?.at ?? null;
      redraw();
    },
    cursor(place) {
      const found = editable ? under(place) : null;
      return found && { turn: "grab", middle: "move" }[found.part] || (found ? "nwse-resize" : null);
    },
    /** Take a key; whether it was one for the chosen ellipse. */
    key(event) {
      if (!chosen || !editable) return false;
      if (event.key === "Escape") { choose(null); return true; }
      if (event.key === "Delete" || event.key === "Backspace") { remove(chosen); return true; }
      const step = {
        ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1], "[": [5], "]": [-5],
      }[event.key];
      if (!step) return false;
      if (!edit || edit.done) start(chosen, chosen, "keys", null);
      const [x, y, a, b, angle, kind] = edit.now;
      if (step.length === 1 && round(edit.now)) return true;
      if (step.length === 1) change(tidy([x, y, a, b, angle + step[0], kind]));
      else if (event.shiftKey && round(edit.now)) {
        const r = a + (step[0] + step[1]) / 2;
        change(tidy([x, y, r, r, angle, kind]));
      } else if (event.shiftKey) change(tidy([x, y, a + step[0], b + step[1], angle, kind]));
      else change(tidy([x + step[0], y + step[1], a, b, angle, kind]));
      clearTimeout(keysRest);
      keysRest = setTimeout(finish, REST);
      return true;
    },
    close() {
      tell.cancel();
      clearTimeout(keysRest);
      clearTimeout(patience);
    },
  };
}
