// From codes to colours: pure functions of a patch and a look, without any page around them.
// Python joins the files of the frame (frame.py, MODULES) into one module.

const STRETCH = {
  linear: (t) => t,
  asinh: (t) => Math.asinh(10 * t) / Math.asinh(10),
  sqrt: Math.sqrt,
  log: (t) => Math.log(1 + 1000 * t) / Math.log(1001),
};

/** Place of a value on the colour bar, 0 to 1; a diverging look has 0 in the middle. */
function placed({ stretch, limits: [low, high], diverging }) {
  const shape = STRETCH[stretch] || STRETCH.linear;
  const clamp = (t) => Math.min(Math.max(t, 0), 1);
  if (!diverging) return (value) => shape(clamp((value - low) / (high - low)));
  return (value) => {
    const t = 2 * clamp((value - low) / (high - low)) - 1;
    return (1 + Math.sign(t) * shape(Math.abs(t))) / 2;
  };
}

const packed = (r, g, b, a = 255) => ((a << 24) | (b << 16) | (g << 8) | r) >>> 0;

/** One colour map of the table of all, as 256 pixels. */
function colourMap(tables, index) {
  const map = new Uint32Array(256);
  for (let i = 0; i < 256; i++) {
    const at = 768 * index + 3 * i;
    map[i] = packed(tables.getUint8(at), tables.getUint8(at + 1), tables.getUint8(at + 2));
  }
  return map;
}

/** Copy of a message buffer as a typed array; its offset need not be aligned. */
function typed(Kind, view) {
  return new Kind(view.buffer.slice(view.byteOffset, view.byteOffset + view.byteLength));
}

/** Label of each of n blocks: 0 is no flag, else its index into the flags + 1. */
function unpackLabels(n, wide, bits, given) {
  const marked = typed(Uint8Array, bits);
  const few = typed(wide ? Uint16Array : Uint8Array, given);
  const labels = new Uint16Array(n);
  let next = 0;
  for (let byte = 0; byte < marked.length; byte++) {
    if (!marked[byte]) continue;
    for (let bit = 0; bit < 8; bit++) {
      if (marked[byte] & (128 >> bit)) labels[8 * byte + bit] = few[next++] + 1;
    }
  }
  return labels;
}

/** Patch from a message: codes, the value of each code, and the label of each block. */
function unpack(message, buffers) {
  const [rows, columns] = message.size;
  const [middle, scale, low, step] = message.scale;
  const values = new Float64Array(65536);
  values[0] = NaN;
  for (let code = 1; code < 65536; code++) {
    values[code] = middle + scale * Math.sinh(low + (code - 1) * step);
  }
  return {
    ...message,
    rows,
    columns,
    values,
    labels: unpackLabels(rows * columns, message.wide, buffers[1], buffers[2]),
    codes: typed(Uint16Array, buffers[0]),
    flags: [0, ...message.flags],
    painted: null,
  };
}

const hasBit = (value, bit) => Math.floor(value / bit) % 2 === 1; // 2^31 is out of reach for &

const rgb = (colour) => [1, 3, 5].map((i) => parseInt(colour.slice(i, i + 2), 16));

/** What a flag value puts over the picture: [r, g, b, how much shines through]; first on top. */
function overlay(value, masks) {
  let [r, g, b, through] = [0, 0, 0, 1];
  for (const { bit, colour, opacity, on } of [...masks].reverse()) {
    if (!on || !hasBit(value, Number(bit))) continue;
    const below = 1 - opacity;
    const c = rgb(colour);
    r = opacity * c[0] + below * r;
    g = opacity * c[1] + below * g;
    b = opacity * c[2] + below * b;
    through *= below;
  }
  return [r, g, b, through];
}

/** Paint a patch onto its own canvas, one pixel a block, first row at the bottom. */
function paint(patch, look) {
  const { rows, columns, codes, labels, values } = patch;
  const canvas = patch.canvas || document.createElement("canvas");
  [canvas.width, canvas.height] = [columns, rows];
  const context = canvas.getContext("2d");
  const image = context.createImageData(columns, rows);
  const out = new Uint32Array(image.data.buffer);
  const place = placed(look);
  const colours = new Uint32Array(65536); // code 0 stays transparent
  for (let code = 1; code < 65536; code++) colours[code] = look.map[(255 * place(values[code]) + 0.5) | 0];
  const overlays = patch.flags.map((value) => overlay(value, look.masks));
  for (let row = 0; row < rows; row++) {
    let to = (rows - 1 - row) * columns;
    const end = (row + 1) * columns;
    for (let from = row * columns; from < end; from++, to++) {
      const base = colours[codes[from]];
      const label = labels[from];
      out[to] = label && overlays[label][3] < 1 ? blended(base, overlays[label]) : base;
    }
  }
  context.putImageData(image, 0, 0);
  patch.canvas = canvas;
  patch.painted = look.key;
  return canvas;
}

function blended(base, [r, g, b, through]) {
  if (base === 0) {
    const solid = 1 - through; // no value below: the mask alone, as transparent as it is
    return packed(r / solid, g / solid, b / solid, 255 * solid);
  }
  return packed(
    r + through * (base & 255) + 0.5,
    g + through * ((base >> 8) & 255) + 0.5,
    b + through * ((base >> 16) & 255) + 0.5,
  );
}

/** Rows and columns of a patch that a window touches, ends excluded. */
function cells(patch, window) {
  const [x0, y0] = patch.extent;
  const clip = (v, end) => Math.min(Math.max(v, 0), end);
  return {
    left: clip(Math.floor((window[0] - x0) / patch.factor), patch.columns),
    right: clip(Math.ceil((window[2] - x0) / patch.factor), patch.columns),
    bottom: clip(Math.floor((window[1] - y0) / patch.factor), patch.rows),
    top: clip(Math.ceil((window[3] - y0) / patch.factor), patch.rows),
  };
}

/** How often each code and each label occurs in a window. */
function census(patch, window) {
  const codes = new Uint32Array(65536);
  const labels = new Uint32Array(patch.flags.length);
  const { left, right, bottom, top } = cells(patch, window);
  for (let row = bottom; row < top; row++) {
    for (let at = row * patch.columns + left; at < row * patch.columns + right; at++) {
      codes[patch.codes[at]]++;
      labels[patch.labels[at]]++;
    }
  }
  codes[0] = 0;
  return { codes, labels };
}

/** Values at ascending ranks (which may be broken numbers) among those that a census counted. */
function ranked(codes, values, ranks) {
  const found = [];
  let [below, code] = [0, 1];
  const at = (rank) => {
    while (code < 65535 && below + codes[code] <= rank) below += codes[code++];
    return values[code];
  };
  for (const rank of ranks) {
    const low = at(Math.floor(rank));
    const part = rank % 1;
    if (!part) { found.push(low); continue; }
    const mark = [below, code];
    found.push(low + part * (at(Math.floor(rank) + 1) - low));
    [below, code] = mark;
  }
  return found;
}

/** Limits that a way to cut gives to what a window shows, or null if it shows no value. */
function cutLimits(patch, window, cuts, diverging) {
  const { codes } = census(patch, window);
  const n = codes.reduce((sum, count) => sum + count, 0);
  if (!n) return null;
  const percent = cuts === "min to max" ? 100 : parseFloat(cuts) || 99.5;
  const ends = [(100 - percent) / 200, (100 + percent) / 200];
  let [low, high] = cuts === "zscale"
    ? zscale(codes, patch.values, n)
    : ranked(codes, patch.values, ends.map((end) => end * (n - 1)));
  if (diverging) {
    high = Math.max(Math.abs(low), Math.abs(high)) || 1;
    low = -high;
  }
  return high > low ? [low, high] : [low, low + 1];
}

/** IRAF's zscale: the line through the sorted values, without outliers, at four times its slope. */
function zscale(codes, values, n) {
  const k = Math.min(n, 1000);
  const y = ranked(codes, values, Array.from({ length: k }, (_, i) => Math.floor(((i + 0.5) * n) / k)));
  let good = y.map(() => true);
  let kept = k;
  let slope = 0;
  const enough = Math.max(5, k / 2);
  for (let round = 0; round < 5 && kept >= enough; round++) {
    const line = fitted(y, good);
    slope = line.slope;
    const rest = y.map((v, i) => v - line.start - line.slope * i);
    const used = rest.filter((_, i) => good[i]);
    const sigma = Math.sqrt(used.reduce((sum, r) => sum + r * r, 0) / used.length);
    good = good.map((ok, i) => ok && Math.abs(rest[i]) <= 2.5 * sigma);
    const left = good.filter(Boolean).length;
    if (left === kept) break;
    kept = left;
  }
  if (kept < enough) return [y[0], y[k - 1]];
  const middle = (k - 1) / 2;
  const median = (y[Math.floor(middle)] + y[Math.ceil(middle)]) / 2;
  return [
    Math.max(y[0], median - middle * slope * 4),
    Math.min(y[k - 1], median + middle * slope * 4),
  ];
}

/** Straight line through the good values against their index. */
function fitted(y, good) {
  let [n, sx, sy, sxx, sxy] = [0, 0, 0, 0, 0];
  y.forEach((v, i) => {
    if (!good[i]) return;
    n += 1;
    sx += i;
    sy += v;
    sxx += i * i;
    sxy += i * v;
  });
  const slope = n > 1 ? (n * sxy - sx * sy) / (n * sxx - sx * sx) : 0;
  return { slope, start: (sy - slope * sx) / Math.max(n, 1) };
}

function numberText(value, digits = 5) {
  if (!Number.isFinite(value)) return "no value";
  const size = Math.abs(value);
  if (size >= 1e6 || (size > 0 && size < 1e-3)) {
    return value.toExponential(digits - 2).replace(/\.?0+e/, "e").replace("-", "−");
  }
  return String(Number(value.toPrecision(digits))).replace("-", "−");
}

/** Round values that fit on a colour bar, no two closer than ``gap`` of its length. */
function ticks(look, gap) {
  const [low, high] = look.limits;
  const place = placed(look);
  const top = Math.ceil(Math.log10(Math.max(Math.abs(low), Math.abs(high)) || 1));
  const rounds = [[0]];
  for (const digits of [[1], [5, 2], [3, 1.5, 4, 2.5, 6, 7, 8]]) {
    const some = [];
    for (let power = top; power > top - 7; power--) {
      for (const digit of digits) some.push(digit * 10 ** power, -digit * 10 ** power);
    }
    rounds.push(some);
  }
  if (look.stretch === "linear") {
    const step = [1, 2, 5, 10].map((d) => d * 10 ** Math.floor(Math.log10((high - low) * gap)))
      .find((s) => s >= (high - low) * gap) || high - low;
    rounds.length = 0;
    rounds.push([]);
    for (let i = Math.ceil(low / step); i * step <= high; i++) rounds[0].push(i * step);
  } else {
    const step = 10 ** Math.floor(Math.log10((high - low) / 3));
    const some = [];
    for (let i = Math.ceil(low / step); i * step <= high; i++) some.push(i * step);
    rounds.push(some);
  }
  const found = [];
  for (const value of rounds.flat()) {
    if (value < low || value > high) continue;
    const at = place(value);
    if (at < 0.03 || at > 0.97 || found.some((t) => Math.abs(t.at - at) < gap)) continue;
    found.push({ value, at });
  }
  return found;
}
