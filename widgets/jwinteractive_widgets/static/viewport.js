// The part of the exposure in sight, and what is drawn there: painted patches, crosshair, box, line.

const SEND = 40; // ms between two messages of one kind: 25 Hz

/** Call at most once in ``wait`` ms; the last call is never lost. */
function throttled(act, wait) {
  let [timer, last] = [null, -Infinity];
  const run = () => { timer = null; last = performance.now(); act(); };
  const call = () => { timer ??= setTimeout(run, Math.max(0, last + wait - performance.now())); };
  call.cancel = () => { clearTimeout(timer); timer = null; };
  return call;
}

const area = (e) => (e[2] - e[0]) * (e[3] - e[1]);
const within = (a, b) => a[0] >= b[0] && a[1] >= b[1] && a[2] <= b[2] && a[3] <= b[3];
const common = (a, b) => [
  Math.max(a[0], b[0]), Math.max(a[1], b[1]), Math.min(a[2], b[2]), Math.min(a[3], b[3]),
];

/** The part of the exposure in sight: pixels [x0, y0, x1, y1], y upwards, and the way to a screen. */
class Viewport {
  constructor() {
    this.window = null;
    this.whole = true;
    this.width = 0; // CSS pixels
    this.height = 0;
    this.shape = null; // [ny, nx]
    this.tall = 1; // a row on the screen over a column: a slit is seen better stretched
  }

  /** Smallest window of the screen's form that contains another. */
  contain([x0, y0, x1, y1]) {
    const scale = Math.max((x1 - x0) / this.width, (this.tall * (y1 - y0)) / this.height);
    const [w, h] = [(scale * this.width) / 2, (scale * this.height) / (2 * this.tall)];
    const [x, y] = [(x0 + x1) / 2, (y0 + y1) / 2];
    this.window = [x - w, y - h, x + w, y + h];
  }

  fit() {
    this.whole = true;
    this.contain([0, 0, this.shape[1], this.shape[0]]);
  }

  go(window) {
    if (!window.length) { this.fit(); return; }
    this.whole = false;
    this.contain(window);
  }

  resize(width, height) {
    const old = this.window && this.width ? this.window : null;
    const scale = old && (old[2] - old[0]) / this.width;
    [this.width, this.height] = [width, height];
    if (!this.shape) return;
    if (this.whole || !old) { this.fit(); return; }
    const [x, y] = [(old[0] + old[2]) / 2, (old[1] + old[3]) / 2];
    const [w, h] = [(scale * width) / 2, (scale * height) / (2 * this.tall)];
    this.window = [x - w, y - h, x + w, y + h];
  }

  zoom(factor, x, y) {
    const [x0, y0, x1, y1] = this.window;
    const span = (x1 - x0) * factor;
    if (span < 4 || span > 4 * Math.max(...this.shape, this.width / this.height)) return false;
    this.window = [x - (x - x0) * factor, y - (y - y0) * factor, x + (x1 - x) * factor, y + (y1 - y) * factor];
    this.whole = false;
    return true;
  }

  /** Move so that the exposure follows a hand by CSS pixels, from the window where it took hold. */
  drag([x0, y0, x1, y1], dx, dy) {
    const scale = (x1 - x0) / this.width;
    const [ny, nx] = this.shape;
    // a corner of the exposure always stays in sight
    const a = Math.min(Math.max(-dx * scale, -x1 + 1), nx - x0 - 1);
    const b = Math.min(Math.max((dy * scale) / this.tall, -y1 + 1), ny - y0 - 1);
    this.window = [x0 + a, y0 + b, x1 + a, y1 + b];
    this.whole = false;
  }

  toData(px, py) {
    const [x0, y0, x1, y1] = this.window;
    return [x0 + (px / this.width) * (x1 - x0), y1 - (py / this.height) * (y1 - y0)];
  }

  toScreen(x, y, scale = 1) {
    const [x0, y0, x1, y1] = this.window;
    return [
      ((x - x0) / (x1 - x0)) * this.width * scale,
      ((y1 - y) / (y1 - y0)) * this.height * scale,
    ];
  }

  pixel(px, py) {
    const [x, y] = this.toData(px, py).map(Math.floor);
    return x >= 0 && y >= 0 && x < this.shape[1] && y < this.shape[0] ? [x, y] : null;
  }
}

/** Newest patch of one side, and an older one that reaches further. */
class Layers {
  constructor() {
    this.near = null;
    this.far = null;
  }

  add(patch) {
    // the outer blocks of a coarse patch reach beyond the frame, which makes it no better
    const reach = (p) => common(p.extent, p.covers);
    const candidates = [this.near, this.far].filter((p) => p && !within(reach(p), reach(patch)));
    candidates.sort((a, b) => area(reach(b)) - area(reach(a)) || a.factor - b.factor);
    this.far = candidates[0] || null;
    this.near = patch;
  }

  clear() {
    this.near = this.far = null;
  }
}

/** Part of a painted patch that is in sight, onto the canvas. */
function drawPatch(pen, patch, view, dpr) {
  const seen = common(patch.covers, view.window);
  if (seen[0] >= seen[2] || seen[1] >= seen[3]) return;
  const { left, right, bottom, top } = cells(patch, seen);
  if (left >= right || bottom >= top) return;
  const [x0, y0] = patch.extent;
  const f = patch.factor;
  const [a, b] = view.toScreen(x0 + left * f, y0 + top * f, dpr);
  const [c, d] = view.toScreen(x0 + right * f, y0 + bottom * f, dpr);
  pen.imageSmoothingEnabled = f > 1 || c - a < right - left;
  pen.drawImage(patch.canvas, left, patch.rows - top, right - left, top - bottom, a, b, c - a, d - b);
}

function clipTo(pen, view, [x0, y0, x1, y1], dpr) {
  const [a, b] = view.toScreen(x0, y1, dpr);
  const [c, d] = view.toScreen(x1, y0, dpr);
  pen.beginPath();
  pen.rect(a, b, c - a, d - b);
  pen.clip();
}

function hatch(pen, ground, stroke) {
  const tile = make("canvas");
  [tile.width, tile.height] = [8, 8];
  const t = tile.getContext("2d");
  t.fillStyle = ground;
  t.fillRect(0, 0, 8, 8);
  t.strokeStyle = stroke;
  t.lineWidth = 1;
  t.beginPath();
  for (const shift of [-8, 0, 8]) { t.moveTo(shift, 8); t.lineTo(shift + 8, 0); }
  t.stroke();
  return pen.createPattern(tile, "repeat");
}

/** Crosshair, box, line and split, each light on dark so that it stands off any colour. */
function drawMarks(pen, view, { cursor, region, line, split }, dpr) {
  pen.clearRect(0, 0, pen.canvas.width, pen.canvas.height);
  pen.save();
  pen.scale(dpr, dpr);
  const twice = (path, wide = 1.5, dash = []) => {
    for (const [colour, width, gaps] of [["#000000", wide + 2, []], ["#ffffff", wide, dash]]) {
      pen.strokeStyle = colour;
      pen.lineWidth = width;
      pen.setLineDash(gaps);
      pen.beginPath();
      path();
      pen.stroke();
    }
    pen.setLineDash([]);
  };
  if (region.length === 4) {
    const [a, b] = view.toScreen(region[0], region[3]);
    const [c, d] = view.toScreen(region[2], region[1]);
    twice(() => pen.rect(a, b, c - a, d - b), 1.5, [5, 3]);
  }
  if (line.length === 4) {
    const [a, b] = view.toScreen(line[0] + 0.5, line[1] + 0.5);
    const [c, d] = view.toScreen(line[2] + 0.5, line[3] + 0.5);
    twice(() => { pen.moveTo(a, b); pen.lineTo(c, d); });
    for (const [x, y] of [[a, b], [c, d]]) twice(() => pen.arc(x, y, 3, 0, 2 * Math.PI));
  }
  if (cursor.length === 2) {
    const [x, y] = view.toScreen(cursor[0] + 0.5, cursor[1] + 0.5);
    const half = (0.5 * view.width) / (view.window[2] - view.window[0]);
    const gap = Math.max(5, half + 2);
    const high = half * view.tall;
    if (half > 3) twice(() => pen.rect(x - half, y - high, 2 * half, 2 * high), 1);
    twice(() => {
      for (const [u, v] of [[1, 0], [-1, 0], [0, 1], [0, -1]]) {
        pen.moveTo(x + u * gap, y + v * gap);
        pen.lineTo(x + u * (gap + 9), y + v * (gap + 9));
      }
    });
  }
  if (split !== null) {
    const x = split * view.width;
    twice(() => { pen.moveTo(x, 0); pen.lineTo(x, view.height); });
    const y = view.height / 2;
    twice(() => pen.arc(x, y, 7, 0, 2 * Math.PI));
    pen.fillStyle = "#ffffff";
    pen.fill();
    pen.fillStyle = "#000000";
    for (const s of [-1, 1]) {
      pen.beginPath();
      pen.moveTo(x + 5 * s, y);
      pen.lineTo(x + 1.5 * s, y - 3);
      pen.lineTo(x + 1.5 * s, y + 3);
      pen.fill();
    }
  }
  pen.restore();
}
