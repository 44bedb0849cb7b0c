// A detector frame on a canvas. Python sends patches for the viewport that a view told it; this
// keeps the newest and a coarse older one, paints them when the look changes, and draws the painted
// ones scaled, so that pan and zoom are smooth while new pixels are on their way.

const STYLES = ["stretch", "cuts", "limits", "colours", "masks"];
const BLINK = 333; // ms for each side: 1.5 Hz
const HINT = "wheel zooms · drag pans · click or arrow keys pick · shift and drag selects a box";

/** The elements of the viewer, empty. */
function scaffold() {
  const canvas = make("canvas", "jwi-canvas", {
    role: "application", tabindex: "0",
    // else the notebook takes arrows and 0 for its own before they get here
    "data-lm-suppress-shortcuts": "true",
  });
  const marks = make("canvas", "jwi-marks");
  const busy = make("div", "jwi-busy", { hidden: "" });
  const note = make("span", "jwi-badge jwi-note", { role: "status" });
  const sides = ["a", "b"].map((s) => make("span", `jwi-badge jwi-side jwi-${s}`, { hidden: "" }));
  const stage = make("div", "jwi-stage", {}, canvas, marks, busy, note, ...sides);
  const readout = make("div", "jwi-readout");
  const quick = make("div", "jwi-quick");
  const exact = make("div", "jwi-exact");
  readout.append(quick, exact);
  const root = make("div", "jwi-frame");
  return { root, stage, canvas, marks, busy, note, sides, readout, quick, exact };
}

function render({ model, el }) {
  const id = Math.random().toString(36).slice(2);
  const parts = scaffold();
  const { root, stage, canvas, marks } = parts;
  const pen = canvas.getContext("2d", { alpha: false });
  const markPen = marks.getContext("2d");
  const view = new Viewport();
  const layers = { a: new Layers(), b: new Layers() };
  const dpr = () => Math.min(window.devicePixelRatio || 1, 1.5);
  let frame = null;
  let waiting = false;
  let marking = false;
  let blinking = "b";
  let gesture = null; // what the pointer is about
  let draft = null; // box or line while it is drawn
  let counted = null;
  let pointed = null;

  // -- what is sent -------------------------------------------------------------------------------

  let byPerson = false;
  const tellView = throttled(() => {
    const size = [canvas.width, canvas.height];
    model.send({ kind: "view", id, box: view.window, size, user: byPerson, whole: view.whole });
    byPerson = false;
  }, SEND);
  const moved = () => { byPerson = true; redraw(); tellView(); recount(); };

  let changed = new Set();
  const tellStyle = throttled(() => {
    model.save_changes();
    model.send({ kind: "style", changed: [...changed] });
    changed = new Set();
  }, SEND);
  const style = (changes) => {
    for (const [name, value] of Object.entries(changes)) {
      model.set(name, value);
      changed.add(name);
    }
    tellStyle();
  };
  const tellPoint = throttled(() => {
    if (pointed) model.send({ kind: "point", x: pointed[0], y: pointed[1] });
  }, 50);
  const select = (name, value, message) => {
    model.set(name, value);
    model.save_changes();
    model.send(message);
  };

  const recut = (cuts) => {
    const near = layers[side()].near || layers.b.near;
    const limits = cuts !== "by hand" && near && cutLimits(near, view.window, cuts, frame.diverging);
    style(limits ? { cuts, limits } : { cuts });
  };
  const fit = () => { if (frame) { view.fit(); moved(); } };
  const save = (name) => {
    if (!frame) return;
    const paper = poster({
      canvas, marks, frame, look: look(), note: frame.note, counted, layers: masks.legend(),
    });
    paper.toBlob((blob) => {
      const link = make("a", "", { download: typeof name === "string" ? name : `${frame.title}.png` });
      link.href = URL.createObjectURL(blob);
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
    });
  };

  // -- controls -----------------------------------------------------------------------------------

  const tools = toolbar(model, { style, fit, save, recut });
  const compared = comparing(model);
  const axes = sliders(model, (name, index) => model.send({ kind: "axis", name, index }));
  const flags = legend(model, style);
  const bar = colourBar(model, style);
  const marked = marksOver({
    view,
    stage,
    send: (message) => model.send(message),
    redraw: () => redraw(),
    reveal: (x, y) => {
      const [x0, y0, x1, y1] = view.window;
      if (within([x, y, x, y], view.window)) return;
      view.whole = false;
      view.contain([x - (x1 - x0) / 2, y - (y1 - y0) / 2, x + (x1 - x0) / 2, y + (y1 - y0) / 2]);
      moved();
    },
  });
  for (const list of marked.elements) list.addEventListener("keydown", (event) => keys(event));
  const masks = overlayOver(view);
  const drawing = drawingOver({
    model,
    view,
    send: (message) => model.send(message),
    redraw: () => redraw(),
    remark: () => remark(),
    pick: (pixel) => pick(pixel),
    focused: () => document.activeElement === canvas,
  });
  tools.offer({});
  root.append(tools.element, drawing.row.element, compared.element, stage, bar.element, parts.readout, axes.element, flags.element, ...marked.elements);
  el.append(root);

  // -- drawing ------------------------------------------------------------------------------------

  const side = () => {
    if (!frame?.other || model.get("compare") === "off") return "b";
    return model.get("compare") === "blink" ? blinking : "b";
  };
  let lookNow = null;
  let looks = 0;
  const look = () => {
    if (lookNow) return lookNow;
    const maps = model.get("maps");
    const diverging = Boolean(frame?.diverging);
    const index = diverging ? maps.length - 1 : Math.max(maps.indexOf(model.get("colours")), 0);
    lookNow = {
      key: ++looks,
      map: colourMap(model.get("tables"), index),
      limits: model.get("limits"),
      stretch: model.get("stretch"),
      masks: model.get("masks"),
      diverging,
    };
    return lookNow;
  };

  const drawLayer = (patch, dim) => {
    if (patch.painted !== look().key) paint(patch, look());
    pen.save();
    clipTo(pen, view, patch.covers, dpr());
    pen.fillStyle = colourOf("--jwi-nan");
    pen.fillRect(0, 0, canvas.width, canvas.height);
    drawPatch(pen, patch, view, dpr());
    if (dim) { // older than the rest: it may no longer hold
      pen.globalAlpha = 0.45;
      pen.fillStyle = colourOf("--jwi-void");
      pen.fillRect(0, 0, canvas.width, canvas.height);
    }
    pen.restore();
  };
  const colourOf = (name) => getComputedStyle(root).getPropertyValue(name).trim() || "#808080";

  const drawSide = (which) => {
    const { near, far } = layers[which];
    const inside = common(view.window, [0, 0, view.shape[1], view.shape[0]]);
    const known = near && common(near.extent, near.covers);
    if (far && !(known && within(inside, known))) drawLayer(far, far.serial !== frame.serial);
    if (near) drawLayer(near, false);
  };

  const draw = () => {
    waiting = false;
    if (!frame || !view.window || !canvas.width) return;
    pen.setTransform(1, 0, 0, 1, 0, 0);
    pen.fillStyle = colourOf("--jwi-void");
    pen.fillRect(0, 0, canvas.width, canvas.height);
    pen.save();
    clipTo(pen, view, [0, 0, view.shape[1], view.shape[0]], dpr());
    pen.fillStyle = hatch(pen, colourOf("--jwi-void"), colourOf("--jwi-nan"));
    pen.fillRect(0, 0, canvas.width, canvas.height);
    pen.restore();
    const splitting = frame.other && model.get("compare") === "split";
    if (splitting) {
      const x = model.get("split") * canvas.width;
      for (const [which, left, wide] of [["a", 0, x], ["b", x, canvas.width - x]]) {
        pen.save();
        pen.beginPath();
        pen.rect(left, 0, wide, canvas.height);
        pen.clip();
        drawSide(which);
        pen.restore();
      }
    } else {
      drawSide(side());
    }
    masks.draw(pen, dpr());
    drawing.paint(pen, dpr());
    drawOver();
    drawBadges(splitting);
    root.dataset.serial = String(layers.b.near?.serial ?? "");
    root.dataset.drawn = String(Number(root.dataset.drawn || 0) + 1);
  };
  const drawOver = () => {
    marking = false;
    if (!frame || !view.window) return;
    drawMarks(markPen, view, {
      cursor: model.get("cursor"),
      region: draft?.region || model.get("region"),
      line: draft?.line || model.get("line"),
      split: frame.other && model.get("compare") === "split" ? model.get("split") : null,
    }, dpr());
    marked.draw(markPen, dpr());
    drawing.mark(markPen, dpr());
  };
  /** Draw what lies over the picture again, not the picture. */
  const remark = () => {
    if (!waiting && !marking) requestAnimationFrame(drawOver);
    marking = true;
  };
  const redraw = () => {
    if (!waiting) {
      waiting = true;
      requestAnimationFrame(draw);
    }
  };

  const drawBadges = (splitting) => {
    const both = model.get("compare") !== "off" && frame.other;
    ["a", "b"].forEach((which, i) => {
      const badge = parts.sides[i];
      badge.hidden = !both || (!splitting && side() !== which);
      badge.textContent = `${which.toUpperCase()} · ${model.get("labels")[i]}`;
      const x = splitting ? model.get("split") * view.width : 0;
      badge.style.left = which === "b" || !splitting ? `${x + 10}px` : "";
      badge.style.right = which === "a" && splitting ? `${view.width - x + 10}px` : "";
    });
  };

  const restyle = () => {
    lookNow = null;
    tools.draw(Boolean(frame?.diverging));
    flags.draw();
    bar.draw(look(), frame?.unit || "", dpr());
    redraw();
  };
  let countLater = null;
  const recount = () => {
    clearTimeout(countLater);
    countLater = setTimeout(() => {
      const near = layers.b.near;
      if (!near || !view.window) return;
      const found = census(near, view.window);
      counted = { patch: near, codes: found.codes };
      flags.tally(near, found.labels);
      bar.count(near, found.codes);
      root.dataset.counted = String(Number(root.dataset.counted || 0) + 1);
    }, 120);
  };

  // -- reading out --------------------------------------------------------------------------------

  const read = () => {
    const patch = layers[side()].near;
    if (!pointed || !frame) { parts.quick.textContent = drawing.hint() || HINT; parts.exact.textContent = ""; return; }
    const [x, y] = pointed;
    const seat = `x ${x}  y ${y}`;
    const at = patch && within([x, y, x + 1, y + 1], patch.covers) ? cells(patch, [x, y, x + 1, y + 1]) : null;
    if (!at || at.left >= at.right || at.bottom >= at.top) {
      parts.quick.textContent = `${seat}  not computed`;
      return;
    }
    const cell = at.bottom * patch.columns + at.left;
    const code = patch.codes[cell];
    const value = code ? `${numberText(patch.values[code], 4)} ${frame.unit}`.trimEnd() : "no value";
    const mean = patch.factor > 1 ? ` (mean of ${patch.factor}×${patch.factor})` : "";
    const flag = patch.flags[patch.labels[cell]];
    const set = model.get("masks").filter((m) => hasBit(flag, Number(m.bit))).map((m) => m.name);
    parts.quick.textContent = `${seat}  ${value}${mean}  ${set.join(", ")}`;
  };
  const point = (pixel) => {
    if (pixel && pointed && pixel[0] === pointed[0] && pixel[1] === pointed[1]) return;
    pointed = pixel;
    parts.exact.classList.add("jwi-old"); // until Python answers
    read();
    if (pixel) tellPoint();
  };

  // -- hands --------------------------------------------------------------------------------------

  const pick = (pixel) => {
    if (!pixel) return;
    select("cursor", pixel, { kind: "pick", x: pixel[0], y: pixel[1] });
    drawing.follow();
    point(pixel);
  };
  const clear = () => {
    draft = null;
    gesture = null;
    if (model.get("line").length) { model.set("line", []); model.save_changes(); }
    if (model.get("region").length) select("region", [], { kind: "box", box: null });
    redraw();
  };
  const pointers = new Map();
  const place = (event) => {
    const box = canvas.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  };
  const nearSplit = (x) => frame?.other && model.get("compare") === "split"
    && Math.abs(x - model.get("split") * view.width) < 9;

  const begin = (event) => {
    const at = place(event);
    const from = view.toData(...at);
    const hand = drawing.hand(event);
    if (hand) return { kind: "pan", at, window: [...view.window], from, moved: false, held: true };
    if (drawing.active() && !nearSplit(at[0])) {
      drawing.begin(at, event);
      return { kind: "draw", at, moved: true };
    }
    const tool = drawing.active() ? "pan" : model.get("tool");
    const kind = nearSplit(at[0]) ? "split" : event.shiftKey ? "box" : ["ellipse", "band"].includes(tool) ? "pan" : tool;
    const mark = kind === "split" || kind === "box" ? null : marked.begin(at, tool, event);
    return { kind, at, window: [...view.window], from, moved: false, ...mark };
  };
  const pinch = () => {
    const [a, b] = [...pointers.values()];
    return {
      kind: "pinch",
      apart: Math.max(Math.hypot(a[0] - b[0], a[1] - b[1]), 1),
      middle: [(a[0] + b[0]) / 2, (a[1] + b[1]) / 2],
      moved: true,
    };
  };
  const inside = ([x, y]) => [
    Math.min(Math.max(Math.floor(x), 0), view.shape[1] - 1),
    Math.min(Math.max(Math.floor(y), 0), view.shape[0] - 1),
  ];
  const carry = {
    pan: (at) => { view.drag(gesture.window, at[0] - gesture.at[0], at[1] - gesture.at[1]); moved(); },
    split: (at) => {
      model.set("split", Math.min(Math.max(at[0] / view.width, 0), 1));
      redraw();
    },
    box: (at) => {
      const [a, b] = [inside(gesture.from), inside(view.toData(...at))];
      draft = { region: [
        Math.min(a[0], b[0]), Math.min(a[1], b[1]), Math.max(a[0], b[0]) + 1, Math.max(a[1], b[1]) + 1,
      ] };
      redraw();
    },
    mark: (at) => marked.move(at),
    line: (at) => {
      draft = { line: [...inside(gesture.from), ...inside(view.toData(...at))] };
      redraw();
    },
    draw: (at, event) => {
      const between = event.getCoalescedEvents?.() || []; // what came since the last frame
      drawing.extend(between.length ? between.map(place) : [at], event);
    },
    pinch: () => {
      const now = pinch();
      const [dx, dy] = [now.middle[0] - gesture.middle[0], now.middle[1] - gesture.middle[1]];
      view.drag(view.window, dx, dy);
      view.zoom(gesture.apart / now.apart, ...view.toData(...now.middle));
      gesture = now;
      moved();
    },
  };
  const finish = {
    split: () => model.save_changes(),
    box: () => select("region", draft.region, { kind: "box", box: draft.region }),
    line: () => select("line", draft.line, { kind: "line", line: draft.line }),
  };

  canvas.addEventListener("wheel", (event) => {
    if (!view.window) return;
    event.preventDefault();
    const lines = event.deltaMode === 1 ? 30 : 1;
    const speed = event.ctrlKey ? 0.01 : 0.0015; // a pinch on a touch pad comes as ctrl and wheel
    if (view.zoom(Math.exp(speed * lines * event.deltaY), ...view.toData(...place(event)))) moved();
  }, { passive: false });
  canvas.addEventListener("pointerdown", (event) => {
    if (!view.window || ![0, 1, ERASER].includes(event.button)) return;
    if (event.button === 1) event.preventDefault(); // else it scrolls by itself
    canvas.setPointerCapture(event.pointerId);
    canvas.focus({ preventScroll: true });
    pointers.set(event.pointerId, place(event));
    draft = null;
    if (gesture?.kind === "mark") marked.end();
    if (gesture?.kind === "draw") drawing.drop(); // two fingers zoom
    gesture = pointers.size === 2 ? pinch() : begin(event);
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!view.window) return;
    const at = place(event);
    if (pointers.has(event.pointerId)) pointers.set(event.pointerId, at);
    if (gesture) {
      gesture.moved ||= Math.hypot(at[0] - gesture.at[0], at[1] - gesture.at[1]) > 3;
      if (gesture.moved) carry[gesture.kind](at, event);
    }
    canvas.style.cursor = nearSplit(at[0]) ? "ew-resize"
      : gesture?.kind === "pan" && gesture.moved ? "grabbing"
      : drawing.held() ? "grab" : (!drawing.active() && marked.cursor(at)) || "crosshair";
    marked.point(drawing.active() ? null : at);
    drawing.point(at);
    point(view.pixel(...at));
  });
  const release = (event) => {
    if (!pointers.delete(event.pointerId) || !gesture) return;
    const done = gesture;
    gesture = null;
    canvas.style.cursor = "";
    if (done.kind === "mark") marked.end();
    if (done.kind === "draw") {
      if (event.type === "pointerup") drawing.finish();
      else drawing.drop();
      return;
    }
    if (event.type === "pointerup") {
      if (!done.moved && done.kind !== "split") {
        if (done.kind !== "mark") marked.leave();
        if (!done.held) pick(view.pixel(...done.at));
      } else if (done.kind === "split" || draft) finish[done.kind]?.();
    }
    draft = null;
    redraw();
  };
  canvas.addEventListener("pointerup", release);
  canvas.addEventListener("pointercancel", release);
  canvas.addEventListener("pointerleave", () => { if (!gesture) { point(null); marked.point(null); drawing.point(null); } });
  canvas.addEventListener("mousedown", (event) => { if (event.button === 1) event.preventDefault(); });
  canvas.addEventListener("dblclick", () => { if (!drawing.active()) fit(); });

  const keys = (event) => {
    if (!view.window) return;
    const drawn = event.currentTarget === canvas && drawing.key(event);
    if (!drawn && (event.ctrlKey || event.metaKey || event.altKey)) return;
    if (drawn || marked.key(event)) {
      event.preventDefault();
      event.stopPropagation();
      return;
    }
    if (event.currentTarget !== canvas) return;
    const middle = view.toData(view.width / 2, view.height / 2);
    const cursor = model.get("cursor").length === 2 ? model.get("cursor") : middle;
    const step = event.shiftKey ? 10 : 1;
    const move = {
      ArrowLeft: [-step, 0], ArrowRight: [step, 0], ArrowUp: [0, step], ArrowDown: [0, -step],
    }[event.key];
    if (move) pick(inside([cursor[0] + move[0], cursor[1] + move[1]]));
    else if (event.key === "+" || event.key === "=") { if (view.zoom(0.8, cursor[0], cursor[1])) moved(); }
    else if (event.key === "-") { if (view.zoom(1.25, cursor[0], cursor[1])) moved(); }
    else if (event.key === "0") fit();
    else if (event.key === "Escape") clear();
    else return; // others belong to whoever holds this viewer
    event.preventDefault();
    event.stopPropagation();
  };
  canvas.addEventListener("keydown", keys);
  canvas.addEventListener("keyup", drawing.keyUp);
  canvas.addEventListener("blur", () => { drawing.blur(); remark(); });
  canvas.addEventListener("focus", () => remark());

  // -- what Python says ---------------------------------------------------------------------------

  const onNote = (text) => {
    parts.note.textContent = text;
    parts.note.hidden = !text;
    root.dataset.note = text;
  };
  const onFrame = (message) => {
    if (message.id && message.id !== id) return;
    if (frame?.serial === message.serial) return;
    const old = frame;
    frame = message;
    const same = old && String(old.shape) === String(frame.shape);
    const akin = same && ["source", "title", "unit"].every((k) => old[k] === frame[k]);
    if (!akin) {
      for (const which of ["a", "b"]) {
        // pixels of another kind of picture stay only until those of this one are there
        layers[which].far = null;
        layers[which].foreign = true;
      }
    }
    if (!frame.other) layers.a.clear();
    view.shape = frame.shape;
    if (!same) {
      layers.a.clear();
      layers.b.clear();
      masks.clear();
      view.go(model.get("window"));
      tellView();
    }
    onNote(frame.note);
    compared.draw(frame.other);
    if (!old || old.diverging !== frame.diverging || old.unit !== frame.unit) restyle();
  };
  const onPatch = (message, buffers) => {
    if (message.id !== id || !frame || message.serial !== frame.serial) return;
    const mine = layers[message.which];
    if (mine.foreign) mine.clear();
    mine.foreign = false;
    mine.add(unpack(message, buffers));
    axes.answer();
    read();
    redraw();
    recount();
  };
  const hear = (message, buffers) => {
    switch (message.kind) {
      case "frame": onFrame(message); break;
      case "patch": onPatch(message, buffers); break;
      case "overlay":
        if (message.id && message.id !== id) break;
        masks.take(message, buffers);
        drawing.answered(message.answers);
        redraw();
        break;
      case "answered": drawing.answered(message.answers); redraw(); break;
      case "marks":
        if (message.id && message.id !== id) break;
        tools.offer({ ...marked.take(message), tall: message.bands?.length > 0 });
        break;
      case "note": onNote(message.text); break;
      case "where": if (frame && view.window) tellView(); break;
      case "tell":
        parts.exact.textContent = message.text;
        parts.exact.classList.remove("jwi-old");
        break;
      case "go":
        if (frame) { view.go(message.window); redraw(); tellView(); recount(); }
        break;
      case "save": if (message.id === id) save(message.name); break;
    }
  };

  let blinker = null;
  const onCompare = () => {
    clearInterval(blinker);
    blinking = "b";
    if (model.get("compare") === "blink") {
      blinker = setInterval(() => {
        blinking = blinking === "a" ? "b" : "a";
        root.dataset.side = blinking;
        redraw();
      }, BLINK);
    }
    compared.draw(Boolean(frame?.other));
    redraw();
  };
  const onTool = () => {
    tools.draw(Boolean(frame?.diverging));
    drawing.row.draw();
    read();
    remark();
  };
  const onTall = () => {
    view.tall = model.get("tall");
    tools.draw(Boolean(frame?.diverging));
    if (!frame || !view.window) return;
    view.go(view.whole ? [] : view.window);
    redraw();
    tellView();
    recount();
  };
  const onLabel = () => canvas.setAttribute("aria-label", model.get("label"));
  const onBusy = () => {
    parts.busy.hidden = !model.get("busy");
    root.setAttribute("aria-busy", String(model.get("busy")));
  };
  const measure = () => {
    const width = root.clientWidth;
    if (!width) return;
    const height = Math.round(Math.min(width / model.get("aspect"), model.get("height")));
    stage.style.height = `${height}px`;
    const [nx, ny] = [Math.round(width * dpr()), Math.round(height * dpr())];
    if (canvas.width === nx && canvas.height === ny && view.width) return;
    for (const c of [canvas, marks]) [c.width, c.height] = [nx, ny];
    const first = !view.width;
    view.resize(width, height);
    if (frame && first) view.go(model.get("window"));
    bar.draw(look(), frame?.unit || "", dpr());
    if (frame) { draw(); tellView(); recount(); } // at once: a resized canvas is empty
  };

  const ears = {
    "msg:custom": hear,
    "change:label": onLabel,
    "change:busy": onBusy,
    "change:compare": onCompare,
    "change:split": () => { compared.draw(Boolean(frame?.other)); redraw(); },
    "change:labels": () => { compared.draw(Boolean(frame?.other)); redraw(); },
    "change:tool": onTool,
    "change:tall": onTall,
    "change:drawing": onTool,
    "change:brush": onTool,
    "change:ink": redraw,
    "change:axes": axes.draw,
    "change:cursor": redraw,
    "change:region": redraw,
    "change:line": redraw,
    "change:height": () => measure(),
    "change:aspect": () => measure(),
  };
  for (const name of STYLES) ears[`change:${name}`] = restyle;
  for (const [name, ear] of Object.entries(ears)) model.on(name, ear);
  const theme = new MutationObserver(restyle);
  theme.observe(document.body, { attributes: true, attributeFilter: ["data-jp-theme-light"] });
  const size = new ResizeObserver(measure);
  size.observe(root);

  for (const start of [onTall, onTool, onLabel, onBusy, onCompare, axes.draw, restyle, read]) start();
  parts.note.hidden = true;
  model.send({ kind: "ready", id });

  return () => {
    theme.disconnect();
    size.disconnect();
    clearInterval(blinker);
    clearTimeout(countLater);
    axes.close();
    marked.close();
    drawing.close();
    for (const send of [tellView, tellStyle, tellPoint]) send.cancel();
    for (const [name, ear] of Object.entries(ears)) model.off(name, ear);
    model.send({ kind: "gone", id });
  };
}

export default { render };
