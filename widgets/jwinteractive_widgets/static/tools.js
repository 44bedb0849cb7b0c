// The controls around the picture. Each function makes elements and returns them with a `draw`
// that brings them up to date; what a person does goes to the functions that it was given.
// Text from outside is set as textContent only, so that markup in it stays text.

function make(tag, className, attributes = {}, ...children) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

const ICONS = {
  pan: "M8 1v14M1 8h14M8 1L6 3M8 1l2 2M8 15l-2-2M8 15l2-2M1 8l2-2M1 8l2 2M15 8l-2-2M15 8l-2 2",
  box: "M2 5V2h3M7 2h2M11 2h3v3M14 7v2M14 11v3h-3M9 14H7M5 14H2v-3M2 9V7",
  line: "M4 12L12 4M2.5 13.5m-1.5 0a1.5 1.5 0 1 0 3 0a1.5 1.5 0 1 0-3 0M13.5 2.5m-1.5 0a1.5 1.5 0 1 0 3 0a1.5 1.5 0 1 0-3 0",
  ellipse: "M13.8 4.6A6.8 3.9 -30 1 1 2.2 11.4A6.8 3.9 -30 1 1 13.8 4.6",
  band: "M1.5 4.5h13M1.5 11.5h13M4 8h8M8 6v4",
  tall: "M8 1.5v13M8 1.5L5.5 4M8 1.5L10.5 4M8 14.5L5.5 12M8 14.5L10.5 12M2 5.5v5M14 5.5v5",
  fit: "M1.5 5.5v-4h4M10.5 1.5h4v4M14.5 10.5v4h-4M5.5 14.5h-4v-4M5 8h6M8 5v6",
  save: "M8 1.5v8.5M4.5 6.5L8 10l3.5-3.5M2 12v2.5h12V12",
  cut: "M1.5 14V9M4.5 14V5M7.5 14V2M10.5 14V6M13.5 14v-3",
  play: "M4.5 2.5v11l8.5-5.5z",
  pause: "M5 2.5v11M11 2.5v11",
};

function icon(name) {
  const space = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(space, "svg");
  svg.setAttribute("viewBox", "0 0 16 16");
  svg.setAttribute("aria-hidden", "true");
  const path = document.createElementNS(space, "path");
  path.setAttribute("d", ICONS[name]);
  svg.append(path);
  return svg;
}

function button(name, title, press) {
  const made = make("button", "jwi-icon", { type: "button", title, "aria-label": title }, icon(name));
  made.addEventListener("click", press);
  return made;
}

/** Buttons of which one is pressed. */
function choice(title, options, choose) {
  const group = make("div", "jwi-choice", { role: "group", "aria-label": title });
  const buttons = options.map(([value, label, hint]) => {
    const made = ICONS[value] ? button(value, hint, () => choose(value)) : make(
      "button", "jwi-word", { type: "button", title: hint }, label,
    );
    if (!ICONS[value]) made.addEventListener("click", () => choose(value));
    made.dataset.value = value;
    return made;
  });
  group.append(...buttons);
  const draw = (chosen) => {
    for (const b of buttons) b.setAttribute("aria-pressed", String(b.dataset.value === chosen));
  };
  return { element: group, draw };
}

function dropdown(title, options, choose) {
  const element = make("select", "jwi-select", { title, "aria-label": title });
  element.append(...options.map((o) => make("option", "", { value: o }, o)));
  element.addEventListener("change", () => choose(element.value));
  return { element, draw: (value) => { element.value = value; } };
}

/** Tools, looks and acts above the picture. */
function toolbar(model, { style, fit, save, recut }) {
  const set = (name) => (value) => { model.set(name, value); model.save_changes(); };
  const tool = choice("what a drag does", [
    ["pan", "", "drag pans (shift and drag selects a box)"],
    ["box", "", "drag selects a box"],
    ["line", "", "drag draws a line for a profile"],
    ["ellipse", "", "drag draws an ellipse from its middle (with Alt: a saturated core)"],
    ["band", "", "drag draws a background region"],
  ], set("tool"));
  const stretch = dropdown("stretch", model.get("stretches"), (v) => style({ stretch: v }));
  const cuts = dropdown("cuts", model.get("ways"), (v) => recut(v));
  const colours = dropdown("colours", model.get("maps"), (v) => style({ colours: v }));
  const acts = make("div", "jwi-choice");
  let suited = 1; // the stretch that goes when pixels are to be square
  const tall = button("tall", "stretch rows against columns, or show square pixels", () => {
    if (model.get("tall") !== 1) suited = model.get("tall");
    set("tall")(model.get("tall") === 1 ? suited : 1);
  });
  acts.append(
    tall,
    button("cut", "cut again, for what is in view", () => recut(model.get("cuts"))),
    button("fit", "whole frame (0)", fit),
    button("save", "save this picture as PNG", save),
  );
  const element = make("div", "jwi-tools", { role: "toolbar", "aria-label": "how the frame is shown" });
  element.append(tool.element, stretch.element, cuts.element, colours.element, acts);
  const draw = (diverging) => {
    tool.draw(model.get("tool"));
    stretch.draw(model.get("stretch"));
    cuts.draw(model.get("cuts"));
    colours.draw(diverging ? model.get("maps").at(-1) : model.get("colours"));
    colours.element.disabled = diverging;
    tall.setAttribute("aria-pressed", String(model.get("tall") !== 1));
  };
  /** Offer the tools that draw marks where there may be such. */
  const offer = (may) => {
    for (const name of ["ellipse", "band"]) {
      tool.element.querySelector(`[data-value=${name}]`).hidden = !may[name];
      if (!may[name] && model.get("tool") === name) set("tool")("pan");
    }
    tall.hidden = !may.tall || (model.get("tall") === 1 && suited === 1);
  };
  return { element, draw, offer };
}

/** Off, blink, split: shown when there is something to compare with. */
function comparing(model) {
  const set = (name, value) => { model.set(name, value); model.save_changes(); };
  const how = choice("compare", [
    ["off", "off", "show B alone"],
    ["blink", "blink", "A and B in turn"],
    ["split", "split", "A to the left, B to the right of a line that you drag"],
  ], (value) => set("compare", value));
  const split = make("input", "jwi-range", {
    type: "range", min: 0, max: 1, step: 0.01, "aria-label": "where the split is",
  });
  split.addEventListener("input", () => set("split", Number(split.value)));
  const names = make("span", "jwi-quiet jwi-names");
  const element = make("div", "jwi-row jwi-compare", {}, make("span", "jwi-key", {}, "compare"));
  element.append(how.element, split, names);
  const draw = (possible) => {
    element.hidden = !possible;
    how.draw(model.get("compare"));
    split.hidden = model.get("compare") !== "split";
    split.value = model.get("split");
    const [a, b] = model.get("labels");
    names.textContent = `A: ${a} · B: ${b}`;
  };
  return { element, draw };
}

/** Sliders for group, integration, exposure, with a button that plays them. */
function sliders(model, send) {
  const element = make("div", "jwi-axes");
  let rows = [];
  let answered = true; // playing waits for the frame that it asked for

  const row = (axis) => {
    const slider = make("input", "jwi-range", {
      type: "range", min: 0, max: axis.size - 1, step: 1, "aria-label": axis.label || axis.name,
    });
    const text = make("output", "jwi-count");
    let [sent, later, playing, touched] = [-1, null, null, -Infinity];
    const say = () => {
      const more = axis.words?.[Number(slider.value)];
      const words = `${axis.label || axis.name} ${Number(slider.value) + 1} of ${axis.size}${more ? ` · ${more}` : ""}`;
      text.textContent = words;
      slider.setAttribute("aria-valuetext", words);
    };
    const push = () => {
      later = null;
      if (sent === Number(slider.value)) return;
      sent = Number(slider.value);
      answered = false;
      send(axis.name, sent);
    };
    const turn = () => {
      touched = performance.now();
      say();
      later ??= setTimeout(push, 40);
    };
    const stop = () => {
      clearInterval(playing);
      playing = null;
      play.replaceChildren(icon("play"));
      play.setAttribute("aria-label", `play ${axis.label || axis.name}`);
    };
    let waited = 0;
    const play = button("play", `play ${axis.label || axis.name}`, () => {
      if (playing) { stop(); return; }
      play.replaceChildren(icon("pause"));
      play.setAttribute("aria-label", `pause ${axis.label || axis.name}`);
      playing = setInterval(() => {
        waited += 1;
        if (!answered && waited < 8) return;
        waited = 0;
        slider.value = (Number(slider.value) + 1) % axis.size;
        turn();
      }, 250);
    });
    slider.addEventListener("input", turn);
    const line = make("div", "jwi-row", {}, play, slider, text);
    const draw = (next) => {
      axis = next;
      // what Python says of an older move must not pull the slider back from under the hand
      if (performance.now() - touched > 400) {
        slider.value = axis.index;
        sent = axis.index;
      }
      say();
    };
    draw(axis);
    line.dataset.axis = axis.name;
    return { line, draw, key: `${axis.name} ${axis.size} ${axis.label}`, close: () => { stop(); clearTimeout(later); } };
  };

  const draw = () => {
    const axes = model.get("axes").filter((a) => a.size > 1);
    const keys = axes.map((a) => `${a.name} ${a.size} ${a.label}`);
    if (keys.join("\n") !== rows.map((r) => r.key).join("\n")) {
      rows.forEach((r) => r.close());
      rows = axes.map(row);
      element.replaceChildren(...rows.map((r) => r.line));
    } else {
      rows.forEach((r, i) => r.draw(axes[i]));
    }
  };
  const close = () => rows.forEach((r) => r.close());
  return { element, draw, close, answer: () => { answered = true; } };
}

/** Flags with swatch, count in view and opacity; the unusual ones behind "more". */
function legend(model, style) {
  const usual = make("div", "jwi-flags", { role: "group", "aria-label": "flags drawn" });
  const rest = make("div", "jwi-flags", { role: "group", "aria-label": "other flags" });
  const more = make("details", "jwi-more", {}, make("summary", "", {}, "more flags"), rest);
  const element = make("div", "jwi-masks", {}, usual, more);
  let rows = [];
  let counts = {};
  let exact = true;

  const change = (name, changes) => {
    style({ masks: model.get("masks").map((m) => (m.name === name ? { ...m, ...changes } : m)) });
  };
  const row = ({ name, usual: common }) => {
    const box = make("input", "", { type: "checkbox", "aria-label": `draw ${name}` });
    box.addEventListener("change", () => change(name, { on: box.checked }));
    const swatch = make("span", "jwi-swatch", { "aria-hidden": "true" });
    const count = make("span", "jwi-count");
    const label = make("label", "jwi-flag", {}, box, swatch, make("span", "", {}, name), count);
    const opacity = make("input", "jwi-range", {
      type: "range", min: 0.1, max: 1, step: 0.05, "aria-label": `opacity of ${name}`,
      title: `opacity of ${name}`,
    });
    opacity.addEventListener("input", () => change(name, { opacity: Number(opacity.value) }));
    const chip = make("div", "jwi-chip", {}, label, opacity);
    chip.dataset.flag = name;
    (common ? usual : rest).append(chip);
    const draw = (mask) => {
      box.checked = mask.on;
      chip.classList.toggle("jwi-on", mask.on);
      swatch.style.setProperty("--jwi-colour", mask.colour);
      swatch.style.setProperty("--jwi-opacity", mask.on ? mask.opacity : 0);
      if (document.activeElement !== opacity) opacity.value = mask.opacity;
      const n = counts[name] || 0;
      count.textContent = n ? `${exact ? "" : "≥ "}${n.toLocaleString("en")}` : "0";
      chip.classList.toggle("jwi-none", !n);
    };
    return { name, draw };
  };
  const draw = () => {
    const masks = model.get("masks");
    if (masks.map((m) => m.name).join() !== rows.map((r) => r.name).join()) {
      usual.replaceChildren();
      rest.replaceChildren();
      rows = masks.map(row);
    }
    rows.forEach((r, i) => r.draw(masks[i]));
    const hidden = masks.filter((m) => !m.usual);
    const some = hidden.filter((m) => counts[m.name]).length;
    more.hidden = !hidden.length;
    more.firstChild.textContent = some ? `more flags (${some} in view)` : "more flags";
  };
  const tally = (patch, labels) => {
    exact = patch.factor === 1;
    counts = {};
    for (const { name, bit } of model.get("masks")) {
      counts[name] = patch.flags.reduce((n, value, i) => n + (hasBit(value, Number(bit)) ? labels[i] : 0), 0);
    }
    draw();
  };
  return { element, draw, tally };
}

/** Colour bar with the histogram of what is in view; its ends drag, its limits can be typed. */
function colourBar(model, style) {
  const number = (title) => make("input", "jwi-limit", { type: "text", inputmode: "decimal", title, "aria-label": title });
  const ends = [number("lower limit"), number("upper limit")];
  const canvas = make("canvas", "jwi-bar", { role: "img" });
  const unitText = make("span", "jwi-unit");
  const element = make("div", "jwi-colourbar", {}, ends[0], canvas, ends[1], unitText);
  let look = null;
  let unit = "";
  let ratio = 1; // pixels of the canvas to a pixel of CSS
  let counted = null;

  const limit = (which, value) => {
    const limits = [...model.get("limits")];
    limits[which] = value;
    if (!Number.isFinite(value) || limits[0] >= limits[1]) { drawEnds(); return; }
    if (look.diverging) limits[1 - which] = -value;
    if (limits[0] < limits[1]) style({ limits, cuts: "by hand" });
    else drawEnds();
  };
  ends.forEach((end, i) => {
    end.addEventListener("change", () => limit(i, Number(end.value.trim().replace("−", "-") || NaN)));
  });
  let drag = null;
  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    const which = event.offsetX > canvas.clientWidth / 2 ? 1 : 0;
    drag = { which, x: event.offsetX, limits: [...model.get("limits")] };
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!drag) return;
    const [low, high] = drag.limits;
    const moved = ((event.offsetX - drag.x) / canvas.clientWidth) * (high - low);
    limit(drag.which, drag.limits[drag.which] + moved);
  });
  for (const end of ["pointerup", "pointercancel"]) canvas.addEventListener(end, () => { drag = null; });

  const drawEnds = () => {
    look.limits.forEach((value, i) => {
      if (document.activeElement !== ends[i] || drag) ends[i].value = numberText(value, 4);
    });
  };
  const draw = (newLook, newUnit, dpr) => {
    [look, unit, ratio] = [newLook, newUnit, dpr];
    unitText.textContent = unit;
    canvas.setAttribute("aria-label", `colours from ${numberText(look.limits[0])} to ${numberText(look.limits[1])} ${unit}`);
    drawEnds();
    const [width, height] = [canvas.clientWidth || 200, canvas.clientHeight || 40];
    canvas.width = Math.round(width * dpr);
    canvas.height = Math.round(height * dpr);
    const pen = canvas.getContext("2d");
    pen.scale(dpr, dpr);
    const css = getComputedStyle(canvas);
    paintBar(pen, look, counted, width, height, css.color, css.fontFamily);
  };
  const count = (patch, codes) => {
    counted = { patch, codes };
    if (look) draw(look, unit, ratio);
  };
  return { element, draw, count };
}

/** Histogram, colours and ticks of a bar into a box that begins at (0, 0). */
function paintBar(pen, look, counted, width, height, colour, font) {
  const [top, deep] = [height - 26, 11];
  if (counted && top > 6) paintHistogram(pen, look, counted, width, top - 1, colour);
  const strip = pen.createImageData(256, 1);
  new Uint32Array(strip.data.buffer).set(look.map);
  const small = make("canvas");
  [small.width, small.height] = [256, 1];
  small.getContext("2d").putImageData(strip, 0, 0);
  pen.imageSmoothingEnabled = true;
  pen.drawImage(small, 0, top, width, deep);
  pen.fillStyle = colour;
  pen.strokeStyle = colour;
  pen.font = `10px ${font}`;
  pen.textAlign = "center";
  pen.textBaseline = "top";
  for (const { value, at } of ticks(look, 46 / width)) {
    pen.fillRect(Math.round(at * width), top + deep, 1, 3);
    pen.fillText(numberText(value, 3), Math.min(Math.max(at * width, 14), width - 14), top + deep + 4);
  }
}

function paintHistogram(pen, look, { patch, codes }, width, height, colour) {
  const n = Math.max(Math.round(width / 2), 8);
  const bins = new Float64Array(n);
  const place = placed(look);
  for (let code = 1; code < 65536; code++) {
    if (!codes[code]) continue;
    const value = patch.values[code];
    if (value < look.limits[0] || value > look.limits[1]) continue;
    bins[Math.min(Math.floor(place(value) * n), n - 1)] += codes[code];
  }
  const most = Math.log1p(Math.max(...bins));
  pen.fillStyle = colour;
  pen.globalAlpha = 0.4;
  bins.forEach((count, i) => {
    const tall = most ? (height * Math.log1p(count)) / most : 0;
    pen.fillRect((i * width) / n, height - tall, width / n, tall);
  });
  pen.globalAlpha = 1;
}
