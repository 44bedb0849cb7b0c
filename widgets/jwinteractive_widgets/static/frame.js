// A detector frame on a 2-D canvas. Python sends a patch (uint16 codes and an index plane of flags)
// for the viewport that a view told it; stretch, colours and overlay are applied here.

const CROSS = "#ffffff";
const CROSS_EDGE = "#000000";

function colourTable(bytes) {
  const table = new Uint32Array(256);
  for (let i = 0; i < 256; i++) {
    const [r, g, b] = [0, 1, 2].map((c) => bytes.getUint8(3 * i + c));
    table[i] = (0xff000000 | (b << 16) | (g << 8) | r) >>> 0;
  }
  return table;
}

const STRETCH = {
  linear: (x) => x,
  asinh: (x) => Math.asinh(10 * x) / Math.asinh(10),
  log: (x) => Math.log(1 + 1000 * x) / Math.log(1001),
};

/** Copy of a message buffer as a typed array; its offset need not be aligned. */
function typed(Kind, view) {
  return new Kind(view.buffer.slice(view.byteOffset, view.byteOffset + view.byteLength));
}

function numberText(value) {
  if (value === null) return "no value";
  const size = Math.abs(value);
  return size >= 1e5 || (size > 0 && size < 1e-3) ? value.toExponential(3) : value.toPrecision(5);
}

function render({ model, el }) {
  const id = Math.random().toString(36).slice(2);
  const width = model.get("width");
  const height = model.get("height");

  const box = document.createElement("div");
  box.className = "jwi-frame";
  box.style.width = `${width}px`;
  const stage = document.createElement("div");
  stage.className = "jwi-stage";
  stage.style.height = `${height}px`;
  const canvas = document.createElement("canvas");
  canvas.className = "jwi-canvas";
  canvas.width = width;
  canvas.height = height;
  canvas.tabIndex = 0;
  canvas.setAttribute("role", "application");
  const marks = document.createElement("canvas");
  marks.className = "jwi-marks";
  marks.width = width;
  marks.height = height;
  const bar = document.createElement("div");
  bar.className = "jwi-colourbar";
  const ramp = document.createElement("canvas");
  ramp.width = 256;
  ramp.height = 1;
  const [lowText, highText] = [document.createElement("span"), document.createElement("span")];
  bar.append(lowText, ramp, highText);
  const readout = document.createElement("div");
  readout.className = "jwi-readout";
  readout.setAttribute("role", "status");
  readout.textContent = "waiting for a frame";
  stage.append(canvas, marks);
  box.append(stage, bar, readout);
  el.append(box);

  const paper = canvas.getContext("2d", { alpha: false, willReadFrequently: true });
  const pen = marks.getContext("2d");
  const image = paper.createImageData(width, height);
  const pixels = new Uint32Array(image.data.buffer);
  let shape = null; // [ny, nx]
  let unit = "";
  let view = null; // [x0, y0, x1, y1] in exposure pixels, y upwards
  let patch = null;
  let waiting = false;

  const names = Object.entries(model.get("names")).map(([name, bit]) => [name, Number(bit)]);
  const hasBit = (value, bit) => Math.floor(value / bit) % 2 === 1; // 2^31 is out of reach for &

  const fit = () => {
    const [ny, nx] = shape;
    const scale = Math.max(nx / width, ny / height);
    const [w, h] = [scale * width, scale * height];
    view = [(nx - w) / 2, (ny - h) / 2, (nx + w) / 2, (ny + h) / 2];
  };

  const codeColours = () => {
    const table = colourTable(model.get("colours"));
    const [low, high] = model.get("limits");
    const stretch = STRETCH[model.get("stretch")];
    const colours = new Uint32Array(65536);
    for (let code = 1; code < 65536; code++) {
      const x = (patch.low + patch.step * (code - 1) - low) / (high - low);
      colours[code] = table[Math.round(255 * stretch(Math.min(Math.max(x, 0), 1)))];
    }
    return colours;
  };

  const flagColours = () => {
    const shown = model.get("shown");
    return patch.flags.map((value) => {
      for (const [bit, colour] of model.get("overlay")) {
        if (hasBit(shown, Number(bit)) && hasBit(value, Number(bit))) {
          const c = [1, 3, 5].map((i) => parseInt(colour.slice(i, i + 2), 16));
          return (0xff000000 | (c[2] << 16) | (c[1] << 8) | c[0]) >>> 0;
        }
      }
      return 0;
    });
  };

  const cell = (x, y) => {
    if (!patch) return -1;
    const column = Math.floor((x - patch.extent[0]) / patch.factor);
    const row = Math.floor((y - patch.extent[1]) / patch.factor);
    const [rows, columns] = patch.size;
    return row < 0 || column < 0 || row >= rows || column >= columns ? -1 : row * columns + column;
  };

  const blank = () => {
    const colour = getComputedStyle(stage).backgroundColor.match(/[\d.]+/g) || [128, 128, 128];
    const [r, g, b] = colour.map(Number);
    return (0xff000000 | (b << 16) | (g << 8) | r) >>> 0;
  };

  const draw = () => {
    waiting = false;
    if (!patch || !view) return;
    const [ny, nx] = shape;
    const colours = codeColours();
    const flags = flagColours();
    const empty = blank();
    colours[0] = empty;
    const dx = (view[2] - view[0]) / width;
    const dy = (view[3] - view[1]) / height;
    for (let j = 0; j < height; j++) {
      const y = view[3] - (j + 0.5) * dy;
      for (let i = 0; i < width; i++) {
        const x = view[0] + (i + 0.5) * dx;
        const at = x < 0 || y < 0 || x >= nx || y >= ny ? -1 : cell(x, y);
        pixels[j * width + i] = at < 0 ? empty : flags[patch.labels[at]] || colours[patch.codes[at]];
      }
    }
    paper.putImageData(image, 0, 0);
    drawMarks();
    drawBar();
    box.dataset.drawn = String(Number(box.dataset.drawn || 0) + 1);
  };

  const redraw = () => {
    if (!waiting) {
      waiting = true;
      requestAnimationFrame(draw);
    }
  };

  const drawMarks = () => {
    pen.clearRect(0, 0, width, height);
    const cursor = model.get("cursor");
    if (cursor.length !== 2 || !view) return;
    const x = ((cursor[0] + 0.5 - view[0]) / (view[2] - view[0])) * width;
    const y = ((view[3] - cursor[1] - 0.5) / (view[3] - view[1])) * height;
    const gap = Math.max(5, (0.5 * width) / (view[2] - view[0]) + 2);
    for (const [colour, line] of [[CROSS_EDGE, 4], [CROSS, 2]]) {
      pen.strokeStyle = colour;
      pen.lineWidth = line;
      pen.beginPath();
      for (const [a, b] of [[1, 0], [-1, 0], [0, 1], [0, -1]]) {
        pen.moveTo(x + a * gap, y + b * gap);
        pen.lineTo(x + a * (gap + 9), y + b * (gap + 9));
      }
      pen.stroke();
    }
  };

  const drawBar = () => {
    const table = colourTable(model.get("colours"));
    const stretch = STRETCH[model.get("stretch")];
    const context = ramp.getContext("2d");
    const strip = context.createImageData(256, 1);
    const out = new Uint32Array(strip.data.buffer);
    for (let i = 0; i < 256; i++) out[i] = table[Math.round(255 * stretch(i / 255))];
    context.putImageData(strip, 0, 0);
    const [low, high] = model.get("limits");
    lowText.textContent = numberText(low);
    highText.textContent = `${numberText(high)} ${unit}`;
  };

  let pointed = [-1, -1];
  const tell = (x, y) => {
    pointed = [x, y];
    const [column, row] = [Math.floor(x), Math.floor(y)];
    const inside = shape && column >= 0 && row >= 0 && row < shape[0] && column < shape[1];
    const at = inside ? cell(column, row) : -1;
    if (at < 0) {
      readout.textContent = "wheel: zoom · drag: pan · click or arrow keys: pick · 0: whole frame";
      return;
    }
    const code = patch.codes[at];
    const value = code ? patch.low + patch.step * (code - 1) : null;
    const edge = code === 1 ? "≤ " : code === 65535 ? "≥ " : "";
    const flags = patch.flags[patch.labels[at]];
    const set = names.filter(([, bit]) => hasBit(flags, bit)).map(([name]) => name);
    const mean = patch.factor > 1 ? ` (mean of ${patch.factor}×${patch.factor})` : "";
    readout.textContent =
      `x ${column}  y ${row}  ${edge}${numberText(value)} ${unit}${mean}` +
      `  ${set.length ? set.join(", ") : "no flags"}`;
  };

  const dataAt = (event) => [
    view[0] + (event.offsetX / canvas.clientWidth) * (view[2] - view[0]),
    view[3] - (event.offsetY / canvas.clientHeight) * (view[3] - view[1]),
  ];

  let timer = null;
  const sendView = () => {
    timer ??= setTimeout(() => {
      timer = null;
      model.send({ kind: "view", id, box: view });
    }, 40);
  };

  const zoom = (factor, x, y) => {
    const span = (view[2] - view[0]) * factor;
    if (span < 4 || span > 4 * Math.max(...shape, width / height)) return;
    view = [
      x - (x - view[0]) * factor,
      y - (y - view[1]) * factor,
      x + (view[2] - x) * factor,
      y + (view[3] - y) * factor,
    ];
    redraw();
    sendView();
  };

  const pick = (x, y) => {
    const [column, row] = [Math.floor(x), Math.floor(y)];
    if (column < 0 || row < 0 || row >= shape[0] || column >= shape[1]) return;
    model.set("cursor", [column, row]);
    model.send({ kind: "pick", x: column, y: row });
    tell(column, row);
    redraw();
  };

  canvas.addEventListener("wheel", (event) => {
    if (!view) return;
    event.preventDefault();
    zoom(Math.pow(1.0015, event.deltaY), ...dataAt(event));
  }, { passive: false });

  let drag = null;
  canvas.addEventListener("pointerdown", (event) => {
    if (!view || event.button !== 0) return;
    canvas.setPointerCapture(event.pointerId);
    canvas.focus({ preventScroll: true });
    drag = { x: event.offsetX, y: event.offsetY, view: [...view], moved: false };
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!view) return;
    if (drag) {
      const [dx, dy] = [event.offsetX - drag.x, event.offsetY - drag.y];
      drag.moved ||= Math.hypot(dx, dy) > 3;
      if (!drag.moved) return;
      const v = drag.view;
      const [sx, sy] = [(v[2] - v[0]) / canvas.clientWidth, (v[3] - v[1]) / canvas.clientHeight];
      view = [v[0] - dx * sx, v[1] + dy * sy, v[2] - dx * sx, v[3] + dy * sy];
      redraw();
      sendView();
    }
    tell(...dataAt(event));
  });
  canvas.addEventListener("pointerup", (event) => {
    if (drag && !drag.moved) pick(...dataAt(event));
    drag = null;
  });
  canvas.addEventListener("pointercancel", () => { drag = null; });
  canvas.addEventListener("keydown", (event) => {
    if (!view || event.ctrlKey || event.metaKey || event.altKey) return;
    const middle = [(view[0] + view[2]) / 2, (view[1] + view[3]) / 2];
    const cursor = model.get("cursor").length === 2 ? model.get("cursor") : middle;
    const step = event.shiftKey ? 10 : 1;
    const move = {
      ArrowLeft: [-step, 0], ArrowRight: [step, 0], ArrowUp: [0, step], ArrowDown: [0, -step],
    }[event.key];
    if (move) pick(cursor[0] + move[0], cursor[1] + move[1]);
    else if (event.key === "+" || event.key === "=") zoom(0.8, cursor[0], cursor[1]);
    else if (event.key === "-") zoom(1.25, cursor[0], cursor[1]);
    else if (event.key === "0") { fit(); redraw(); sendView(); }
    else return;
    event.preventDefault();
    event.stopPropagation(); // the notebook has its own arrow keys
  });

  const hear = (message, buffers) => {
    if (message.kind === "frame") {
      const same = shape && shape[0] === message.shape[0] && shape[1] === message.shape[1];
      shape = message.shape;
      unit = message.unit;
      if (!same || !view) {
        fit();
        patch = null;
        model.send({ kind: "view", id, box: view });
      }
    } else if (message.kind === "patch" && message.id === id) {
      const labels = typed(message.wide ? Uint16Array : Uint8Array, buffers[1]);
      patch = { ...message, codes: typed(Uint16Array, buffers[0]), labels };
      tell(...pointed);
      redraw();
    }
  };
  const label = () => canvas.setAttribute("aria-label", model.get("label"));
  const looks = ["limits", "stretch", "shown", "overlay", "colours", "cursor"];
  model.on("msg:custom", hear);
  model.on("change:label", label);
  for (const name of looks) model.on(`change:${name}`, redraw);
  label();
  const theme = new MutationObserver(redraw);
  theme.observe(document.body, { attributes: true, attributeFilter: ["data-jp-theme-light"] });
  model.send({ kind: "ready", id });

  return () => {
    theme.disconnect();
    clearTimeout(timer);
    model.off("msg:custom", hear);
    model.off("change:label", label);
    for (const name of looks) model.off(`change:${name}`, redraw);
    model.send({ kind: "gone", id });
  };
}

export default { render };
