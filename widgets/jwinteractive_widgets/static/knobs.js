// Controls for one parameter each: what a slider covers, what travels when, and how it looks.
// The files chrome.js, knobs.js and form.js are joined into one module, in this order.

const LOG_NOTCHES = 240;

const isNumber = (field) => field.choices.length === 0 && (field.type === "int" || field.type === "float");
const clean = (x, digits = 12) => Number(x.toPrecision(digits));

function valueText(field, value) {
  if (value === null || value === undefined) return "";
  return typeof value === "number" ? String(clean(value)) : String(value);
}

/** A value in a sentence. */
function valueWords(field, value) {
  if (value === null || value === undefined) return "not set";
  if (field.type === "bool") return value ? "on" : "off";
  return valueText(field, value) || "empty";
}

const defaultWords = (field) => (field.default === null ? "unset by default" : `default ${valueWords(field, field.default)}`);
const capital = (text) => `${text[0].toUpperCase()}${text.slice(1)}`;

/** What a value may be, in words. */
function boundsWords({ low, high, unit, type }) {
  const kind = type === "int" ? "whole number, " : "";
  if (low === null && high === null) return "";
  const bounds = low === null ? `at most ${clean(high)}` : high === null ? `at least ${clean(low)}` : `${clean(low)} to ${clean(high)}`;
  return `${kind}${bounds} ${unit}`.trimEnd();
}

// -- the slider's scale ---------------------------------------------------------------------------

const notches = (span) => (span.scale === "linear" ? Math.max(1, Math.ceil((span.high - span.low) / span.step - 1e-9)) : LOG_NOTCHES);

/** Notch of a value, from 0; beyond the ends it is the end. */
function notchOf(span, value) {
  const n = notches(span);
  const { low, high, scale, step, floor } = span;
  let at;
  if (scale === "linear") at = value >= high ? n : (value - low) / step;
  else if (scale === "log") at = (n * Math.log(Math.max(value, low) / low)) / Math.log(high / low);
  else at = value < floor ? 0 : 1 + ((n - 1) * Math.log(value / floor)) / Math.log(high / floor);
  return Math.min(Math.max(Math.round(at), 0), n);
}

function valueAt(span, notch, whole) {
  const n = notches(span);
  const { low, high, scale, step, floor } = span;
  if (notch >= n) return high;
  if (notch <= 0) return low;
  let value;
  if (scale === "linear") value = clean(low + notch * step);
  else if (scale === "log") value = clean(low * (high / low) ** (notch / n), 3);
  else value = clean(floor * (high / floor) ** ((notch - 1) / (n - 1)), 3);
  return Math.min(Math.max(whole ? Math.round(value) : value, low), high);
}

// -- sending --------------------------------------------------------------------------------------

/** Lets one value through at a time; while it is under way only the newest of each name waits. */
function gate(post) {
  const waiting = new Map();
  let under = null;
  let frame = 0;
  let last = 0;
  const send = (name) => {
    const message = waiting.get(name);
    waiting.delete(name);
    under = ++last;
    post({ ...message, name, seq: under });
  };
  const next = () => {
    frame = 0;
    if (under === null && waiting.size) send(waiting.keys().next().value);
  };
  const soon = () => { frame ||= requestAnimationFrame(next); };
  return {
    put(name, message, urgent) {
      waiting.delete(name); // to the end: a dragged knob must not keep others from being heard
      waiting.set(name, message);
      if (urgent) send(name);
      else soon();
    },
    drop(name) { waiting.delete(name); },
    ack(seq) {
      if (seq === under) under = null;
      if (waiting.size) soon();
    },
    close() { cancelAnimationFrame(frame); },
  };
}

// -- one control for each kind of field: {nodes, head, show(value, text), focus} -------------------

function switchControl(field, row) {
  const box = make("input", {
    class: "jwi-switch", type: "checkbox", role: "switch",
    on: { change: () => row.commit(box.checked) },
  });
  return { head: box, inputs: [box], show: (value) => { box.checked = Boolean(value); } };
}

function pillsControl(field, row, id) {
  const radios = field.choices.map((choice) =>
    make("input", {
      type: "radio", name: `${id}-${field.name}`, value: choice,
      on: { change: () => row.commit(choice) },
    }));
  const group = make("div", { class: "jwi-pills", role: "radiogroup" },
    ...radios.map((radio) => make("label", {}, radio, make("span", { text: radio.value }))));
  return { body: [group], inputs: [group], show: (value) => radios.forEach((r) => { r.checked = r.value === value; }) };
}

function selectControl(field, row) {
  const unset = field.optional ? [make("option", { value: "", text: "not set" })] : [];
  const box = make("select", {
    class: "jwi-field jwi-grow", on: { change: () => row.commit(box.value === "" && field.optional ? null : box.value) },
  }, ...unset, ...field.choices.map((choice) => make("option", { value: choice, text: choice })));
  return { body: [box], inputs: [box], show: (value) => { box.value = value ?? ""; } };
}

function textBox(field, row, name) {
  const nudge = (event) => {
    const span = row.field.span;
    const now = Number(box.value);
    if (!isNumber(field) || box.value === "" || !Number.isFinite(now)) return;
    const size = field.type === "int" ? 1 : span?.scale === "linear" ? span.step : 10 ** Math.floor(Math.log10(Math.abs(now) || 1)) / 10;
    const way = (event.key === "ArrowUp" ? 1 : -1) * (event.shiftKey ? 10 : 1);
    const { low, high } = field;
    row.commit(clean(Math.min(Math.max(now + way * size, low ?? -Infinity), high ?? Infinity)), event.repeat);
  };
  const box = make("input", {
    class: `jwi-field ${name}`, type: "text", autocomplete: "off", spellcheck: "false",
    inputmode: isNumber(field) ? "decimal" : null,
    placeholder: field.optional ? "not set" : null,
    on: {
      input: () => row.type(box.value),
      blur: () => row.leave(),
      keydown: (event) => {
        if (event.ctrlKey || event.metaKey || event.altKey) return;
        if (event.key === "Enter") row.leave();
        else if (event.key === "Escape") row.forget();
        else if (isNumber(field) && (event.key === "ArrowUp" || event.key === "ArrowDown")) nudge(event);
        else return;
        event.preventDefault();
        event.stopPropagation();
      },
    },
  });
  return box;
}

function textControl(field, row) {
  const box = textBox(field, row, "jwi-grow");
  return { body: [box], inputs: [box], show: (value, text) => { if (box.value !== text) box.value = text; } };
}

function optionalControl(field, row) {
  const box = textBox(field, row, "jwi-number jwi-wide");
  const unset = make("button", {
    class: "jwi-plain jwi-small", type: "button", text: "unset", title: "take the value away",
    "aria-label": `unset ${field.name}`, on: { click: () => row.commit(null) },
  });
  return {
    body: [box, make("span", { class: "jwi-unit", text: field.unit }), unset],
    inputs: [box],
    show: (value, text) => {
      if (box.value !== text) box.value = text;
      unset.style.visibility = value === null || value === undefined ? "hidden" : "";
    },
  };
}

function sliderControl(field, row) {
  const whole = field.type === "int";
  const slider = make("input", { class: "jwi-slider", type: "range", min: 0, step: 1 });
  const tick = make("span", { class: "jwi-tick", title: defaultWords(field) });
  const box = textBox(field, row, "jwi-number");
  let byKey = false;
  slider.addEventListener("pointerdown", () => row.hold());
  slider.addEventListener("keydown", (event) => { byKey = event.repeat; });
  slider.addEventListener("input", () => {
    const { span } = row.field;
    const notch = Number(slider.value);
    const now = Number(box.value);
    let value = valueAt(span, notch, whole);
    // several notches of a logarithmic scale may be one whole number: an arrow key must get on
    if (whole && !row.held && value === now) value = Math.min(Math.max(now + Math.sign(notch - notchOf(span, now)), span.low), span.high);
    row.turn(value);
  });
  slider.addEventListener("change", () => row.rest(byKey));
  for (const end of ["pointerup", "pointercancel"]) slider.addEventListener(end, () => row.rest());
  const place = (node, notch, span) => node.style.setProperty("--jwi-at", notch / notches(span));
  return {
    body: [make("span", { class: "jwi-track" }, tick, slider), box, make("span", { class: "jwi-unit jwi-aligned", text: field.unit })],
    inputs: [slider, box],
    slider,
    show(value, text) {
      const span = row.field.span;
      put(slider, "max", notches(span));
      const notch = notchOf(span, Number(value));
      if (slider.value !== String(notch)) slider.value = notch;
      place(slider, Number(slider.value), span);
      place(tick, notchOf(span, Number(field.default)), span);
      put(slider, "aria-valuetext", `${text} ${field.unit}`.trimEnd());
      if (box.value !== text) box.value = text;
    },
  };
}

/** Several numbers in one text: a slider for each, and the text. */
function numbersControl(field, row) {
  const { count, whole } = field.numbers;
  const box = textBox(field, row, "jwi-number jwi-many");
  const parts = (text) => text.trim().split(/\s+/).map(Number);
  let now = parts(field.default);
  const tracks = Array.from({ length: count }, (_, i) => {
    const slider = make("input", { class: "jwi-slider", type: "range", min: 0, step: 1 });
    const tick = make("span", { class: "jwi-tick", title: defaultWords(field) });
    let byKey = false;
    slider.addEventListener("pointerdown", () => row.hold());
    slider.addEventListener("keydown", (event) => { byKey = event.repeat; });
    slider.addEventListener("input", () => {
      now = now.with(i, valueAt(row.field.span, Number(slider.value), whole));
      row.turn(now.map((value) => valueText(field, value)).join(" "));
    });
    slider.addEventListener("change", () => row.rest(byKey));
    for (const end of ["pointerup", "pointercancel"]) slider.addEventListener(end, () => row.rest());
    return { slider, tick, node: make("span", { class: "jwi-track jwi-slim" }, tick, slider) };
  });
  const place = (node, notch, span) => node.style.setProperty("--jwi-at", notch / notches(span));
  return {
    body: [...tracks.map(({ node }) => node), box, make("span", { class: "jwi-unit", text: field.unit })],
    inputs: [...tracks.map(({ slider }) => slider), box],
    show(value, text) {
      const { span } = row.field;
      const said = parts(String(value));
      if (said.length === count && said.every(Number.isFinite)) now = said;
      tracks.forEach(({ slider, tick }, i) => {
        put(slider, "max", notches(span));
        const notch = notchOf(span, now[i]);
        if (slider.value !== String(notch)) slider.value = notch;
        place(slider, Number(slider.value), span);
        place(tick, notchOf(span, parts(field.default)[i]), span);
        put(slider, "aria-valuetext", `number ${i + 1}: ${now[i]} ${field.unit}`.trimEnd());
      });
      if (box.value !== text) box.value = text;
    },
  };
}

function controlOf(field, row, id) {
  if (field.type === "bool") return switchControl(field, row);
  if (field.choices.length) {
    const short = field.choices.length <= 3 && field.choices.join("").length <= 24;
    return short && !field.optional ? pillsControl(field, row, id) : selectControl(field, row);
  }
  if (field.numbers && field.span) return numbersControl(field, row); // else they may be left open
  if (!isNumber(field)) return textControl(field, row);
  return field.span ? sliderControl(field, row) : optionalControl(field, row);
}
