// Bands over the frame: apertures and background regions, straight or along a curved trace. They are
// taken by an edge, by their middle or by an end, and listed for the keyboard. Python knows a band
// by its name; what a person did is shown until its answer comes. A band's place is [low, high,
// start, stop] in pixels, the centre of the first being 0; start and stop may be null.

const BANDS = {
  source: { colour: "#ffffff", dash: [], word: "source" },
  background: { colour: "#ffb000", dash: [6, 4], word: "background" },
};
const NARROWEST = 0.5; // pixels
const NUDGE = 0.5; // pixels that an arrow key moves

const rowsOf = (band) => (band.along === "x" ? "rows" : "columns");
const placeWords = ({ at, along }) => `${rowsOf({ along })} ${tenth(at[0])} to ${tenth(at[1])}`.replaceAll("-", "−");

/** What a band is called; where it lies is said beside it. */
const nameOf = (band) => band.label.replace(/: [\d.:+-]+/, "") || BANDS[band.of].word;

/** What a curved band adds to its edges at a place along it. */
function offsetAt(path, place) {
  if (!path.length) return 0;
  const next = path.findIndex(([at]) => at >= place);
  if (next < 0) return path.at(-1)[1];
  if (next === 0) return path[0][1];
  const [[a, low], [b, high]] = [path[next - 1], path[next]];
  return low + ((high - low) * (place - a)) / (b - a);
}

/** Where a band and the screen meet, in both directions. */
function bandOn(band, view) {
  const upright = band.along === "y";
  const toScreen = (along, across) => (upright
    ? view.toScreen(across + 0.5, along + 0.5) : view.toScreen(along + 0.5, across + 0.5));
  const [x0, y0, x1, y1] = view.window;
  const [first, last] = upright ? [y0 - 0.5, y1 - 0.5] : [x0 - 0.5, x1 - 0.5];
  const from = Math.max(band.at[2] ?? -0.5, first);
  const to = Math.min(band.at[3] ?? view.shape[upright ? 0 : 1] - 0.5, last);
  const between = band.path.map(([at]) => at).filter((at) => at > from && at < to);
  const edge = (which) => [from, ...between, to].map(
    (along) => toScreen(along, band.at[which] + offsetAt(band.path, along)),
  );
  return { upright, toScreen, from, to, edge, seen: to > from };
}

function drawBand(pen, band, view, strong) {
  const on = bandOn(band, view);
  if (!on.seen) return;
  const { colour, dash } = BANDS[band.of];
  const [low, high] = [on.edge(0), on.edge(1)];
  const trace = (points) => points.forEach(([x, y], i) => (i ? pen.lineTo(x, y) : pen.moveTo(x, y)));
  pen.beginPath();
  trace([...low, ...[...high].reverse()]);
  pen.globalAlpha = strong ? 0.22 : 0.12;
  pen.fillStyle = colour;
  pen.fill();
  pen.globalAlpha = 1;
  const wide = strong ? 2.5 : 1.5;
  for (const [ink, width, gaps] of [["#000000", wide + 2, []], [colour, wide, dash]]) {
    pen.strokeStyle = ink;
    pen.lineWidth = width;
    pen.setLineDash(gaps);
    pen.beginPath();
    trace(low);
    trace(high);
    if (band.at[2] !== null && on.from === band.at[2]) trace([low[0], high[0]]);
    if (band.at[3] !== null && on.to === band.at[3]) trace([low.at(-1), high.at(-1)]);
    pen.stroke();
  }
  pen.setLineDash([]);
}

/** Names of the bands at their beginnings, beside each other where they would overlap. */
function drawBandNames(pen, bands, view, held) {
  pen.font = "11px system-ui, sans-serif";
  pen.textBaseline = "middle";
  const taken = [];
  for (const band of bands) {
    const on = bandOn(band, view);
    if (!on.seen) continue;
    const name = nameOf(band);
    const words = held === band.name ? `${name} · ${placeWords(band)}` : name;
    const wide = pen.measureText(words).width + 10;
    const middle = (band.at[0] + band.at[1]) / 2 + offsetAt(band.path, on.from);
    const [u, v] = on.toScreen(on.from, middle);
    let [x, y] = on.upright ? [u - wide / 2, v - 30] : [u + 6, v];
    x = Math.min(Math.max(x, 4), view.width - wide - 4);
    const off = on.upright ? x + wide < 0 || u < 0 || u > view.width : v < 0 || v > view.height;
    if (off) continue;
    const [step, side] = on.upright ? [-20, 1] : [wide + 4, 0];
    const clash = (t) => Math.abs(t.y - y) < 17 && x < t.x + t.wide && t.x < x + wide;
    for (let hit = taken.find(clash); hit; hit = taken.find(clash)) {
      if (side) y += step;
      else x = hit.x + hit.wide + 4;
    }
    taken.push({ x, y, wide });
    pen.fillStyle = "rgb(0 0 0 / 72%)";
    pen.fillRect(x, y - 8, wide, 16);
    pen.fillStyle = BANDS[band.of].colour;
    pen.fillText(words, x + 5, y + 0.5);
  }
}

/** Place of a band of which a part was dragged, by so many pixels along and across it. */
function draggedBand([low, high, start, stop], part, along, across) {
  switch (part) {
    case "middle": return [low + tenth(across), high + tenth(across), start, stop].map(hundredth);
    case "low": return [Math.min(tenth(low + across), hundredth(high - NARROWEST)), high, start, stop];
    case "high": return [low, Math.max(tenth(high + across), hundredth(low + NARROWEST)), start, stop];
    case "start": return [low, high, Math.min(tenth(start + along), stop === null ? Infinity : stop - 1), stop];
    case "stop": return [low, high, start, Math.max(tenth(stop + along), start === null ? -Infinity : start + 1)];
    default: return [low, high, start, stop];
  }
}
const hundredth = (value) => (value === null ? null : Math.round(100 * value) / 100);

/** The bands of one view, with what takes hold of them. */
function bandsOver({ view, stage, send, redraw }) {
  let bands = []; // as Python says: { name, at, along, path, of, label }
  let editable = false;
  let chosen = null; // name of the band that keys change
  let over = null;
  let edit = null; // { name, band, now, part, from, said, done, before }: what a person changes
  let [keysRest, patience] = [null, null];

  const summary = make("summary");
  const list = make("div", "jwi-ovals", {
    role: "group", "aria-label": "apertures", "data-lm-suppress-shortcuts": "true",
  });
  const hint = make("div", "jwi-quiet");
  const add = make("button", "jwi-oval jwi-add", { type: "button" }, "+ background region");
  const element = make("details", "jwi-more", { hidden: "", open: "" }, summary, hint, list, add);

  // -- changes ------------------------------------------------------------------------------------

  const message = (rest) => ({
    kind: "mark", band: edit.name, new: edit.now, along: edit.band.along, rest,
  });
  const tell = throttled(() => {
    edit.said.push(String(edit.now));
    send(message(false));
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
    edit.said.push(String(edit.now));
    send(message(true));
    patience = setTimeout(() => { forget(); rows(); redraw(); }, PATIENCE);
  };
  const start = (band, part, from) => {
    if (edit && !edit.done) finish();
    clearTimeout(patience);
    edit = {
      name: band.name, band, now: band.at, part, from, said: [], done: false, before: bands.length,
    };
  };
  const change = (now) => {
    edit.now = now;
    tell();
    redraw();
  };
  const remove = (name) => {
    start(bands.find((b) => b.name === name), "gone", null);
    edit.now = null;
    chosen = null;
    finish();
    redraw();
  };
  /** A region like the source, beside what there is. */
  const beside = () => {
    const like = bands.find((b) => b.of === "source") || bands[0];
    const wide = Math.max(like.at[1] - like.at[0], 2);
    const edges = bands.flatMap((b) => b.at.slice(0, 2));
    const size = view.shape[like.along === "x" ? 0 : 1];
    const high = Math.max(...edges) + 2;
    const low = high + wide <= size - 0.5 ? high : Math.max(Math.min(...edges) - 2 - wide, -0.5);
    start({ ...like, name: null, of: "background", label: "" }, "new", null);
    edit.now = [tenth(low), tenth(low + wide), like.at[2], like.at[3]];
    finish();
    redraw();
  };
  add.addEventListener("click", beside);

  /** What is on screen: as Python says, but for what is being changed. */
  const shown = () => {
    if (!edit) return bands;
    const mine = { ...edit.band, at: edit.now };
    if (edit.name === null) return edit.now ? [...bands, mine] : bands;
    return bands.flatMap((b) => (b.name !== edit.name ? [b] : edit.now ? [mine] : []));
  };

  // -- drawing ------------------------------------------------------------------------------------

  const draw = (pen, dpr) => {
    const some = shown();
    if (!some.length) return;
    pen.save();
    pen.scale(dpr, dpr);
    const held = edit && !edit.done ? edit.name : over;
    for (const band of some) drawBand(pen, band, view, band.name === chosen || band.name === held);
    drawBandNames(pen, some, view, held ?? (edit && !edit.done ? null : chosen));
    pen.restore();
  };
  const rows = () => {
    const held = [...list.children].indexOf(document.activeElement);
    const buttons = bands.map((band) => {
      const button = make("button", "jwi-oval", { type: "button", "aria-pressed": String(band.name === chosen) },
        swatchOf(BANDS[band.of]), make("span", "", {}, `${nameOf(band)} · ${placeWords(band)}`));
      for (const act of ["click", "focus"]) button.addEventListener(act, () => choose(band.name));
      return button;
    });
    list.replaceChildren(...buttons);
    if (held < 0 || !bands.length) return;
    const next = list.querySelector("[aria-pressed=true]") || buttons[Math.min(held, bands.length - 1)];
    next.focus({ preventScroll: true });
  };
  const choose = (name) => {
    if (name === chosen) return;
    chosen = name;
    [...list.children].forEach((button, i) => {
      button.setAttribute("aria-pressed", String(bands[i]?.name === chosen));
    });
    redraw();
  };

  const settled = () => {
    const mine = bands.find((b) => b.name === edit.name);
    if (edit.name === null) return bands.length > edit.before;
    if (!mine) return true;
    const at = String(mine.at);
    if (at === String(edit.now)) return true;
    return at !== String(edit.band.at) && !edit.said.includes(at); // the step made something else of it
  };
  const take = ({ bands: some = [], editable: may, refused }) => {
    bands = some;
    editable = may;
    if (edit && (refused || (edit.done && settled()))) {
      if (edit.name === null && !refused) chosen = bands.findLast((b) => String(b.at) === String(edit.now))?.name ?? null;
      forget();
    }
    if (!edit && !bands.some((b) => b.name === chosen)) chosen = null;
    element.hidden = !bands.length;
    add.hidden = !editable;
    const counted = Object.values(BANDS).flatMap((kind) => {
      const n = bands.filter((b) => BANDS[b.of] === kind).length;
      return n ? [swatchOf(kind), `${n} ${kind.word} `] : [];
    });
    summary.replaceChildren(`${bands.length} ${bands.length === 1 ? "aperture" : "apertures"} `, ...counted);
    hint.textContent = editable ? "drag the middle or an edge · arrows move · shift and arrows widen · Delete removes" : "";
    rows();
    redraw();
  };

  // -- hands --------------------------------------------------------------------------------------

  const placeIn = (band, place) => {
    const [x, y] = view.toData(...place).map((v) => v - 0.5);
    return band.along === "x" ? [x, y] : [y, x];
  };
  /** What lies under a place on the screen: { band, part }, or null. */
  const under = (place) => {
    let [best, found] = [Infinity, null];
    const some = shown().filter((b) => b.name !== null);
    some.sort((a, b) => (b.name === chosen) - (a.name === chosen));
    for (const band of some) {
      const on = bandOn(band, view);
      const [along, across] = placeIn(band, place);
      const sizes = [scaleOf(view), scaleOf(view) * view.tall]; // of a column, of a row
      const [length, scale] = on.upright ? sizes.reverse() : sizes;
      if (!on.seen || along < on.from - REACH / length || along > on.to + REACH / length) continue;
      const off = across - offsetAt(band.path, along);
      const [low, high, first, last] = band.at;
      const inside = off > low && off < high;
      const tall = (high - low) * scale;
      const grip = inside ? Math.min(REACH, tall / 4) : REACH; // a thin band can still be moved
      const ends = [["low", off - low, true], ["high", off - high, true]];
      if (off > low - REACH / scale && off < high + REACH / scale) {
        if (first !== null) ends.push(["start", along - first, false]);
        if (last !== null) ends.push(["stop", along - last, false]);
      }
      for (const [part, far, across] of ends) {
        const away = Math.abs(far) * (across ? scale : length);
        const near = across ? grip : Math.min(REACH, (((last ?? Infinity) - (first ?? -Infinity)) * length) / 4);
        if (away <= near && away < best) {
          [best, found] = [away, { band, part }];
        }
      }
      // inside of a band that fills the screen a drag pans
      const whole = tall < 0.75 * (on.upright ? view.width : view.height);
      if (!found && inside && (whole || Math.abs(off - (low + high) / 2) * scale < REACH)) {
        found = { band, part: "middle" };
        best = REACH + 1; // an edge of another band goes before
      }
    }
    return found;
  };

  return {
    element,
    take,
    draw,
    draws: () => editable && bands.length > 0,
    /** Take hold of what is under a place, or begin a region; null: the drag is not about bands. */
    begin(place, tool) {
      if (!editable || !bands.length) return null;
      const like = bands.find((b) => b.of === "source") || bands[0];
      if (tool === "band") {
        const band = { ...like, name: null, of: "background", label: "" };
        const across = tenth(placeIn(band, place)[1] - offsetAt(band.path, placeIn(band, place)[0]));
        start({ ...band, at: [across, across + NARROWEST, like.at[2], like.at[3]] }, "new", across);
        return { kind: "mark", held: false };
      }
      const found = under(place);
      if (!found) return null;
      start(found.band, found.part, placeIn(found.band, place));
      choose(found.band.name);
      return { kind: "mark", held: found.part !== "middle" };
    },
    move(place) {
      if (!edit || edit.done) return; // refused while it was dragged
      const [along, across] = placeIn(edit.band, place);
      if (edit.part === "new") {
        const to = tenth(across - offsetAt(edit.band.path, along));
        const [low, high] = [Math.min(edit.from, to), Math.max(edit.from, to)];
        change([low, Math.max(high, hundredth(low + NARROWEST)), edit.band.at[2], edit.band.at[3]]);
        return;
      }
      const bend = offsetAt(edit.band.path, along) - offsetAt(edit.band.path, edit.from[0]);
      change(draggedBand(edit.band.at, edit.part, along - edit.from[0], across - edit.from[1] - bend));
    },
    /** Let go; without a move nothing was changed. */
    end() {
      if (!edit || edit.done) return;
      if (String(edit.now) === String(edit.band.at)) {
        tell.cancel();
        if (edit.said.length) finish();
        else forget();
        redraw();
      } else finish();
    },
    leave() { choose(null); },
    point(place) {
      const found = place && editable && (!edit || edit.done) ? under(place) : null;
      const name = found?.band.name ?? null;
      if (name === over) return;
      over = name;
      redraw();
    },
    cursor(place) {
      const found = editable && bands.length ? under(place) : null;
      if (!found) return null;
      if (found.part === "middle") return "move";
      const across = found.part === "low" || found.part === "high";
      return across === (found.band.along === "x") ? "ns-resize" : "ew-resize";
    },
    /** Take a key; whether it was one for the chosen band. */
    key(event) {
      const now = chosen && editable && bands.find((b) => b.name === chosen);
      if (!now) return false;
      if (event.key === "Escape") { choose(null); return true; }
      if (event.key === "Delete" || event.key === "Backspace") { remove(chosen); return true; }
      const [up, down] = now.along === "x" ? ["ArrowUp", "ArrowDown"] : ["ArrowRight", "ArrowLeft"];
      const by = { [up]: NUDGE, [down]: -NUDGE }[event.key];
      if (!by) return false;
      if (!edit || edit.done || edit.part !== "keys" || edit.name !== chosen) {
        start({ ...now, at: edit?.name === chosen && edit.now ? edit.now : now.at }, "keys", null);
      }
      const [low, high, first, last] = edit.now;
      if (!event.shiftKey) change([low + by, high + by, first, last]);
      else if (high - low + 2 * by >= NARROWEST) change([low - by, high + by, first, last]);
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

/** Ellipses and bands as one: the first that a hand lies on takes it. */
function marksOver(given) {
  const both = [bandsOver(given), ellipsesOver(given)];
  let held = null;
  const first = (ask) => {
    for (const one of both) {
      const answer = ask(one);
      if (answer) return answer;
    }
    return null;
  };
  const each = (act) => both.forEach(act);
  return {
    elements: both.map((one) => one.element),
    /** Take what Python says; which tools draw marks like those there are. */
    take(message) {
      each((one) => one.take(message));
      const [bands, ellipses] = both.map((one) => one.draws());
      return { band: bands, ellipse: ellipses && !bands };
    },
    draw: (pen, dpr) => each((one) => one.draw(pen, dpr)),
    begin(place, tool, event) {
      return first((one) => {
        const gesture = one.begin(place, tool, event);
        if (!gesture) return null;
        held = one;
        each((other) => { if (other !== one) other.leave(); });
        return gesture;
      });
    },
    move: (place) => held?.move(place),
    end() {
      held?.end();
      held = null;
    },
    leave: () => each((one) => one.leave()),
    point: (place) => each((one) => one.point(place)),
    cursor: (place) => first((one) => one.cursor(place)),
    key: (event) => Boolean(first((one) => one.key(event))),
    close: () => each((one) => one.close()),
  };
}
