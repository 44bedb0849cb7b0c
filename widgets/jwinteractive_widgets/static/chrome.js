// Parts shared by the widgets around the viewer; each of their modules has this file before it.

/** An element with properties: class, text, on (listeners), the rest attributes; null leaves out. */
function make(tag, { class: name, text, on = {}, ...attributes } = {}, ...children) {
  const node = document.createElement(tag);
  if (name) node.className = name;
  if (text !== undefined) node.textContent = text;
  for (const [event, act] of Object.entries(on)) node.addEventListener(event, act);
  for (const [key, value] of Object.entries(attributes)) put(node, key, value);
  node.append(...children.filter((child) => child !== null));
  return node;
}

/** Set an attribute where it differs; null or false takes it away. */
function put(node, name, value) {
  const text = value === true ? "" : value;
  if (text === null || text === undefined || text === false) node.removeAttribute(name);
  else if (node.getAttribute(name) !== String(text)) node.setAttribute(name, text);
}

/** Set a text where it differs, so that a screen reader hears news only. */
function say(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

const RING = "M8 2.2a5.8 5.8 0 1 0 0 11.6A5.8 5.8 0 0 0 8 2.2z";

/** Drawings of 16 by 16: s is stroked, f filled, k stroked in the colour of the paper. */
const ICONS = {
  play: { f: "M4.8 3v10l8-5z" },
  run: { f: "M4.8 3v10l8-5z" },
  "run-all": { f: "M2.4 3.4v9.2L8 8zM8.4 3.4v9.2L14 8z" },
  rerun: { s: "M3.3 8a4.8 4.8 0 1 1 1.5 3.5M3 5.2V8h2.8", f: "M7 5.9v4.2L10.4 8z" },
  stop: { f: "M4 4h8v8H4z" },
  undo: { s: "M6 3 2.8 6.2 6 9.4M3.2 6.2h6a3.4 3.4 0 0 1 0 6.8H6" },
  redo: { s: "M10 3l3.2 3.2L10 9.4M12.8 6.2h-6a3.4 3.4 0 0 0 0 6.8H10" },
  reset: { s: "M3.3 8a4.8 4.8 0 1 0 1.5-3.5M4.6 1.8v2.9h2.9" },
  eye: {
    s: "M1.5 8S4 3.9 8 3.9 14.5 8 14.5 8 12 12.1 8 12.1 1.5 8 1.5 8z",
    f: "M8 6.1a1.9 1.9 0 1 0 0 3.8 1.9 1.9 0 0 0 0-3.8z",
  },
  pin: { s: "M8 9.5V14", f: "M5.4 2h5.2L10 5.6l2.2 3.9H3.8L6 5.6z" },
  blink: { s: "M2.5 2.5h7.2v7.2H2.5z", f: "M6.3 6.3h7.2v7.2H6.3z" },
  split: { s: "M2.5 3.2h11v9.6h-11zM8 1.6v12.8", f: "M2.5 3.2H8v9.6H2.5z" },
  difference: { s: "M8 2.8v6.4M4.8 6h6.4M4.8 12.6h6.4" },
  ratio: { s: "M3.2 8h9.6", f: "M8 3a1.2 1.2 0 1 0 0 2.4A1.2 1.2 0 0 0 8 3zM8 10.6a1.2 1.2 0 1 0 0 2.4 1.2 1.2 0 0 0 0-2.4z" },
  compare: { s: "M2.5 3h4.3v10H2.5zM9.2 3h4.3v10H9.2z" },
  save: { s: "M8 2.2v7.4M4.9 6.6 8 9.7l3.1-3.1M2.8 12.9h10.4" },
  script: { s: "M5.4 4.4 1.9 8l3.5 3.6M10.6 4.4 14.1 8l-3.5 3.6" },
  notebook: { s: "M4.2 2.4h8.6v11.2H4.2zM2.6 5h3.2M2.6 8h3.2M2.6 11h3.2M8 5.4h2.6" },
  file: { s: "M3.8 2h5.4l3 3v9H3.8zM9 2v3.2h3.2M6 8.2h4M6 10.8h4" },
  open: { s: "M9.4 2.6h4v4M13.4 2.6 7.4 8.6M11.6 9v4.4H2.6v-9H7" },
  fit: { s: "M2.5 6V2.5H6M10 2.5h3.5V6M13.5 10v3.5H10M6 13.5H2.5V10" },
  previous: { s: "M10 3.2 5.2 8l4.8 4.8" },
  next: { s: "M6 3.2 10.8 8 6 12.8" },
  up: { s: "M3.2 10 8 5.2l4.8 4.8" },
  down: { s: "M3.2 6 8 10.8 12.8 6" },
  remove: { s: "M2.8 4.4h10.4M6.2 4.2V2.6h3.6v1.6M4.2 4.6l.6 8.8h6.4l.6-8.8M6.8 7v4M9.2 7v4" },
  add: { s: "M8 3v10M3 8h10" },
  flag: { s: "M4 14V2.6h8l-2 2.9 2 2.9H4" },
  histogram: { s: "M2.2 13.4h11.6M4 13V9.4M6.7 13V4M9.4 13V6.6M12.1 13v-2.4" },
  settings: { s: "M2.4 4.8h11.2M2.4 11.2h11.2", f: "M6 2.9a1.9 1.9 0 1 0 0 3.8 1.9 1.9 0 0 0 0-3.8zM10 9.3a1.9 1.9 0 1 0 0 3.8 1.9 1.9 0 0 0 0-3.8z" },
  help: { s: "M5.6 5.8a2.4 2.4 0 1 1 3.6 2.1c-.8.5-1.2 1-1.2 1.9", f: "M8 11.6a1 1 0 1 0 0 2 1 1 0 0 0 0-2z" },
  search: { s: "M7 2.8a4.2 4.2 0 1 0 0 8.4 4.2 4.2 0 0 0 0-8.4zM10.2 10.2l3.4 3.4" },
  edit: { s: "M3 13l.7-3 7-7 2.3 2.3-7 7z" },
  note: { s: "M3 4.2h10M3 8h10M3 11.8h6.4" },
  warning: { s: "M8 2.2 14.4 13.4H1.6z", t: "M8 6.4v3.2M8 11.3v.4" },
  error: { f: "M5.3 1.8h5.4l3.5 3.5v5.4l-3.5 3.5H5.3l-3.5-3.5V5.3z", k: "M5.6 5.6l4.8 4.8M10.4 5.6l-4.8 4.8" },
  fresh: { f: RING, k: "M5.2 8.2l2 2 3.6-4" },
  stale: { d: RING },
  running: { a: "M8 2.4A5.6 5.6 0 1 1 2.4 8" },
  failed: { f: "M8 1.6 15 14H1z", k: "M8 6v4M8 11.8v.4" },
  skipped: { s: "M4 8h8" },
};

/** A drawing by name that screen readers pass over; an unknown name draws nothing. */
function icon(name) {
  const space = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(space, "svg");
  put(svg, "viewBox", "0 0 16 16");
  put(svg, "class", `jwi-icon jwi-icon-${name}`);
  put(svg, "aria-hidden", "true");
  for (const [part, d] of Object.entries(Object.hasOwn(ICONS, name) ? ICONS[name] : {})) {
    const path = document.createElementNS(space, "path");
    put(path, "class", `jwi-${part}`);
    put(path, "d", d);
    svg.append(path);
  }
  return svg;
}

function swapIcon(old, name) {
  if (old.classList.contains(`jwi-icon-${name}`)) return old;
  const fresh = icon(name);
  old.replaceWith(fresh);
  return fresh;
}

/** An own name for each view: a widget may be displayed twice. */
const viewName = () => `jwi${Math.random().toString(36).slice(2)}`;

/** Seconds as a person says them. */
function duration(seconds) {
  if (seconds < 0.0005) return "< 1 ms";
  if (seconds < 0.0995) return `${Math.round(1000 * seconds)} ms`;
  if (seconds < 9.95) return `${seconds.toFixed(1)} s`;
  if (seconds < 60) return `${Math.round(seconds)} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min ${Math.round(seconds % 60)} s`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

const ARROWS = ["ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown"];
const ENDS = ["Home", "End", "PageUp", "PageDown"];
const KEYS_OF = {
  range: [...ARROWS, ...ENDS],
  radio: [...ARROWS, " "],
  checkbox: [" "],
  button: [" ", "Enter"],
};

/** Whether a control needs a key for itself; a slider leaves letters to the keyboard of the whole. */
function usesKey(target, key) {
  if (!(target instanceof Element)) return false;
  if (target.isContentEditable || target.matches("textarea, select")) return true;
  if (target.matches("input")) return KEYS_OF[target.type]?.includes(key) ?? true;
  return target.matches("button, a[href], summary") && KEYS_OF.button.includes(key);
}
