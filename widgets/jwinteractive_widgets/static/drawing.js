// Masks drawn on the frame: the tools, and what they drew until Python's masks show it. Points are
// [x, y] in pixels whose integers are the centres.

const DRAW_TOOLS = [
  ["brush", "brush", "drag paints"],
  ["eraser", "eraser", "drag erases"],
  ["rectangle", "rectangle", "drag from corner to corner, with Shift a square"],
  ["oval", "ellipse", "drag from corner to corner of what it fills, with Shift a circle"],
  ["lasso", "lasso", "drag around an area"],
  ["stroke", "straight line", "drag along a column or a track; Shift snaps to rows, columns, 45°"],
  ["flood", "flood fill", "click: all that is joined and above the value there"],
  ["pixel", "single pixels", "click turns one on or off, drag paints"],
];
Object.assign(ICONS, {
  brush: "M13.8 1.8L7 8.6M9.2 10.2l4.8-7.6M7 8.6l2.2 1.8M6.8 9c-2.4 0-2.6 1.6-2.9 3-.2.9-1 1.6-2 1.7 1.6 1.2 6.6 1 7.1-2.1",
  eraser: "M6.2 13.5l-4-4a1.2 1.2 0 0 1 0-1.7L8.4 1.6a1.2 1.2 0 0 1 1.7 0l4 4a1.2 1.2 0 0 1 0 1.7l-6.2 6.2zM5 5l6 6M6 13.5h8.5",
  rectangle: "M2 3.5h12v9H2z",
  oval: "M1.5 8a6.5 4.7 0 1 0 13 0a6.5 4.7 0 1 0-13 0",
  lasso: "M5 10.4C2.7 9.7 1.5 8.2 1.7 6.4 2 3.9 4.9 2.2 8.4 2.4c3.5.2 6.1 2.3 5.9 4.6-.2 2.4-3.2 4.1-6.6 3.9M7.7 10.9a1.6 1.6 0 1 1-3-.8a1.6 1.6 0 1 1 3 .8M6 12.2c.1 1.2-.5 1.9-1.7 2.3",
  stroke: "M3.2 12.8L12.8 3.2M1.8 11.4l2.8 2.8M11.4 1.8l2.8 2.8",
  flood: "M6.6 1.6l6 6-5 5a1.3 1.3 0 0 1-1.9 0L2 8.9a1.3 1.3 0 0 1 0-1.9l5-5M2 8.2h10M14.2 10.4c.8 1.2 1.2 1.9 1.2 2.5a1.2 1.2 0 0 1-2.4 0c0-.6.4-1.3 1.2-2.5",
  pixel: "M2 2h12v12H2zM2 6h12M2 10h12M6 2v12M10 2v12M7 7h2v2H7z",
});
const BRUSHES = [
  1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 14, 16, 18, 20, 25, 30, 35, 40, 50, 60, 70, 80, 90, 100, 120, 140, 160, 180, 200,
];
const SIZED = ["brush", "eraser", "stroke"];
const AT_ONCE = ["brush", "eraser", "flood", "pixel"]; // by keys: one press is a whole stroke
const CORNERED = ["rectangle", "oval", "stroke"]; // a start and an end
const OUTLINED = [...CORNERED, "lasso"];
const MOST = 20_000; // points of a stroke
const SNAP = Math.tan(Math.PI / 8);
const ERASER = 5; // button that the blunt end of a pen is
const DRAW_HINT = "drag draws · Alt erases · 1–8 tools · [ ] size · space and drag pans · Escape drops · arrow keys and Enter draw";

/** The row of tools above the picture. */
function drawRow(model, set) {
  const tools = choice("what a drag draws", DRAW_TOOLS.map(([tool, name, how], i) => [
    tool, "", `${name} (${i + 1}): ${how}${tool === "eraser" ? "" : "; with Alt it erases"}`,
  ]), (value) => set("tool", value));
  const slider = make("input", "jwi-range", {
    type: "range", min: 0, max: BRUSHES.length - 1, step: 1, "aria-label": "size of the brush",
    title: "size of the brush and of straight lines ([ and ])",
  });
  slider.addEventListener("input", () => set("brush", BRUSHES[slider.value]));
  const text = make("output", "jwi-count");
  const element = make("div", "jwi-row jwi-draw", {
    role: "toolbar", "aria-label": "drawing", "data-lm-suppress-shortcuts": "true", // 1 is a tool
  },
    make("span", "jwi-key", {}, "draw"), tools.element,
    make("span", "jwi-size", {}, make("span", "jwi-key", {}, "size"), slider, text));
  const draw = () => {
    element.hidden = !model.get("drawing");
    tools.draw(model.get("tool"));
    const size = model.get("brush");
    slider.value = BRUSHES.findIndex((one) => one >= size);
    text.textContent = `${size} px`;
    slider.setAttribute("aria-valuetext", `${size} ${size === 1 ? "pixel" : "pixels"}`);
  };
  return { element, draw };
}

/** What is drawn in one view; `pick` moves the keyboard's cursor, `focused` says if it is here. */
function drawingOver({ model, view, send, redraw, remark, pick, focused }) {
  let count = Math.floor(Math.random() * 1e8) * 1e6; // no two views count alike
  const first = count;
  let stroke = null; // what is being drawn: { n, tool, points, size, erase, stamp, keys, told }
  let waiting = []; // finished, not yet in Python's masks
  let pointer = null; // CSS pixels
  let space = null; // "down", or "used" once it panned

  const set = (name, value) => { model.set(name, value); model.save_changes(); };
  const row = drawRow(model, set);
  const active = () => model.get("drawing") && DRAW_TOOLS.some(([tool]) => tool === model.get("tool"));

  // -- strokes ------------------------------------------------------------------------------------

  /** Place that a tool takes for one under a hand: a centre, for a brush of even size a corner. */
  const seat = ([x, y], tool, size) => {
    if (tool === "lasso") return [Math.round(100 * x) / 100, Math.round(100 * y) / 100];
    const even = SIZED.includes(tool) && size % 2 === 0;
    return even ? [Math.floor(x) + 0.5, Math.floor(y) + 0.5] : [Math.floor(x + 0.5), Math.floor(y + 0.5)];
  };
  const dataOf = (place) => view.toData(...place).map((v) => v - 0.5);
  const say = (rest, points = stroke.points) => {
    const { n, tool, size, erase } = stroke;
    send({ kind: "draw", tool, points: points.map((p) => [...p]), size, erase, rest, stroke: n });
    stroke.told = true;
  };
  const tell = throttled(() => { if (stroke) say(false); }, SEND);

  const start = (data, erase, keys) => {
    if (stroke) drop();
    const [tool, size] = [model.get("tool"), model.get("brush")];
    const at = seat(data, tool, size);
    stroke = {
      n: ++count, tool, size, erase: erase || tool === "eraser",
      points: CORNERED.includes(tool) ? [at, at] : [at], stamp: new Stamp(), keys, told: false,
    };
  };
  /** Let the last line reach on where that sets the same pixels, else begin another. */
  const append = (to) => {
    const { points } = stroke;
    const [a, b] = points.slice(-2);
    if (b ? b[0] === to[0] && b[1] === to[1] : a[0] === to[0] && a[1] === to[1]) return false;
    if (b && stroke.tool !== "pixel") {
      const [u, v] = [[b[0] - a[0], b[1] - a[1]], [to[0] - b[0], to[1] - b[1]]];
      const straight = u[0] === 0 || u[1] === 0 || Math.abs(u[0]) === Math.abs(u[1]);
      if (straight && u[0] * v[1] === u[1] * v[0] && u[0] * v[0] + u[1] * v[1] > 0) points.pop();
    }
    if (points.length < MOST) points.push(to);
    return true;
  };
  const second = (to, shift) => {
    const [from] = stroke.points;
    let [dx, dy] = [to[0] - from[0], to[1] - from[1]];
    if (shift) {
      const [u, v] = [Math.abs(dx), Math.abs(dy)];
      const most = Math.max(u, v);
      const line = stroke.tool === "stroke";
      if (line && v < u * SNAP) dy = 0;
      else if (line && u < v * SNAP) dx = 0;
      else [dx, dy] = [(dx < 0 ? -1 : 1) * most, (dy < 0 ? -1 : 1) * most];
    }
    stroke.points = [from, [from[0] + dx, from[1] + dy]];
    return true;
  };
  /** Take the stroke on to a place; whether that changed it. */
  const reach = (data, shift) => {
    const to = seat(data, stroke.tool, stroke.size);
    if (stroke.tool === "flood") return false;
    if (stroke.tool === "pixel") {
      const ends = [];
      passedSpans(stroke.points.at(-1), to, [-Infinity, Infinity], (y, x) => ends.push([x, y]));
      return ends.map(append).some(Boolean);
    }
    if (CORNERED.includes(stroke.tool)) return second(to, shift);
    return append(to);
  };
  const drop = () => {
    tell.cancel();
    if (stroke?.told) say(true, []); // what Python heard of it does not count
    stroke = null;
    redraw();
  };
  const finish = () => {
    if (!stroke) return;
    tell.cancel();
    if (stroke.tool === "lasso" && stroke.points.length < 3) { drop(); return; }
    say(true);
    const done = stroke;
    stroke = null;
    waiting.push(done);
    done.patience = setTimeout(() => {
      waiting = waiting.filter((one) => one !== done);
      redraw();
    }, PATIENCE);
    redraw();
  };

  // -- keys ---------------------------------------------------------------------------------------

  const cursor = () => {
    const at = model.get("cursor");
    return at.length === 2 ? at : view.toData(view.width / 2, view.height / 2).map(Math.floor);
  };
  const act = (erase) => {
    const at = cursor();
    if (!model.get("cursor").length) pick(at); // seen from now on
    if (!stroke?.keys) {
      start(at, erase, true);
      if (AT_ONCE.includes(stroke.tool)) finish();
      else redraw();
      return;
    }
    if (stroke.tool !== "lasso") { finish(); return; }
    const [from] = stroke.points;
    if (stroke.points.length > 2 && from[0] === at[0] && from[1] === at[1]) finish();
    else if (append([...at])) { tell(); redraw(); }
  };
  const resize = (by) => {
    const size = model.get("brush");
    const next = by > 0 ? BRUSHES.find((one) => one > size) : BRUSHES.findLast((one) => one < size);
    if (next) set("brush", next);
  };
  /** Take a key for a tool or the size of the brush; whether it was one. */
  const chooseBy = ({ key: name, shiftKey, altKey }) => {
    if (name === "[" || name === "]") { resize(name === "]" ? 1 : -1); return true; } // AltGr and 8 too
    const tool = !shiftKey && !altKey && DRAW_TOOLS[Number(name) - 1]?.[0];
    if (tool) set("tool", tool);
    return Boolean(tool);
  };
  row.element.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || !chooseBy(event)) return;
    event.preventDefault();
    event.stopPropagation();
  });
  const key = (event) => {
    const { key: name, ctrlKey, metaKey, altKey } = event;
    if (!model.get("drawing")) return false;
    if ((ctrlKey || metaKey) && !event.getModifierState("AltGraph")) return false;
    if (name === "Enter" || name === " ") {
      if (!active()) return false;
      if (name === " " && !stroke?.keys && !event.repeat) space = "down"; // drags pan while it is down
      else if (!event.repeat) act(altKey);
      return true;
    }
    if (name === "Alt") return active(); // else it goes on to the browser's menu
    if (name === "Escape" && stroke) { drop(); return true; }
    if (name === "c" && stroke?.keys && stroke.tool === "lasso") { finish(); return true; }
    return chooseBy(event);
  };
  const keyUp = (event) => {
    if (event.key === "Alt" && active()) event.preventDefault();
    if (event.key !== " " || !space) return;
    event.preventDefault();
    if (space === "down") act(event.altKey);
    space = null;
  };

  return {
    row,
    active,
    drop,
    finish,
    key,
    keyUp,
    hint: () => (active() ? DRAW_HINT : null),
    /** Whether a drag that begins now pans, whatever the tool. */
    hand: (event) => {
      if (space) space = "used";
      return Boolean(space) || event.button === 1;
    },
    held: () => Boolean(space),
    blur: () => { space = null; },
    begin(place, event) {
      start(dataOf(place), event.altKey || event.button === ERASER, false);
      if (stroke.tool === "flood") finish();
      else tell();
      redraw();
    },
    extend(places, event) {
      if (!stroke) return;
      pointer = places.at(-1);
      if (places.map((place) => reach(dataOf(place), event.shiftKey)).some(Boolean)) tell();
      redraw();
    },
    /** The pointer is there, or null: nowhere. */
    point(place) {
      if (!active() || (!place && !pointer)) { pointer = place; return; }
      pointer = place;
      remark();
    },
    /** The cursor of the keyboard moved. */
    follow() {
      if (!stroke?.keys) return;
      if (stroke.tool !== "lasso") { reach(cursor(), false); tell(); }
      redraw();
    },
    /** Python's masks have all strokes up to this one. */
    answered(n) {
      if (!(n > first && n <= count)) return; // another view's
      for (const { patience } of waiting.filter((one) => one.n <= n)) clearTimeout(patience);
      waiting = waiting.filter((one) => one.n > n);
    },
    paint(pen, dpr) {
      const ink = model.get("ink");
      for (const one of [...waiting, ...(stroke ? [stroke] : [])]) paintStroke(pen, view, dpr, one, ink);
    },
    /** Over the picture: the outline of what is being drawn, and the brush under the pointer. */
    mark(pen, dpr) {
      pen.save();
      const twice = (trace, dash) => {
        for (const [colour, width, gaps] of [["#000000", 3, []], ["#ffffff", 1.25, dash]]) {
          [pen.strokeStyle, pen.lineWidth] = [colour, width * dpr];
          pen.setLineDash(gaps.map((gap) => gap * dpr));
          trace();
          pen.stroke();
        }
      };
      const formed = stroke && OUTLINED.includes(stroke.tool);
      if (formed) {
        const rubber = stroke.keys && stroke.tool === "lasso" ? [cursor()] : [];
        const points = [...stroke.points, ...rubber];
        if (points.length > 1) twice(() => traceStroke(pen, view, dpr, { ...stroke, points }), [5, 3]);
      }
      const tool = model.get("tool");
      const hand = pointer ? dataOf(pointer) : focused() && cursor();
      if (active() && SIZED.includes(tool) && hand) {
        const size = model.get("brush");
        const [x, y] = seat(hand, tool, size);
        const r = (0.5 * size * view.width * dpr) / (view.window[2] - view.window[0]);
        const [cx, cy] = view.toScreen(x + 0.5, y + 0.5, dpr);
        twice(() => { pen.beginPath(); pen.ellipse(cx, cy, Math.max(r, 2 * dpr), Math.max(r * view.tall, 2 * dpr), 0, 0, 2 * Math.PI); }, []);
      }
      pen.restore();
    },
    close() {
      tell.cancel();
      for (const { patience } of waiting) clearTimeout(patience);
    },
  };
}
