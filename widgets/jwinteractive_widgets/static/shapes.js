// Which pixels a drawn shape sets, counted as the masks of Python count them: those whose centre
// lies inside. Points are [x, y] in pixels whose integers are the centres; `fill(y, first, last)` is
// called for each run of a row among the rows [low, high).

const TINY = 1e-9; // a centre on the rim belongs to a shape whatever the rounding

/** Nearest integer; of two equally near the even one. */
function rint(value) {
  const near = Math.round(value);
  return Math.abs(value % 1) === 0.5 && near % 2 ? near - 1 : near;
}

/** The pixels that a line passes, one in each row or column on its way. */
function passedSpans([ax, ay], [bx, by], [low, high], fill) {
  const steps = Math.max(Math.ceil(Math.max(Math.abs(by - ay), Math.abs(bx - ax))), 1);
  for (let i = 0; i <= steps; i++) {
    const [x, y] = [rint(ax + (bx - ax) * (i / steps)), rint(ay + (by - ay) * (i / steps))];
    if (y >= low && y < high) fill(y, x, x);
  }
}

/** Pixels within ``reach`` of a line: a rectangle between two discs, which is one run a row. */
function nearSpans([ax, ay], [bx, by], reach, [low, high], fill) {
  const r = reach + TINY;
  const length = Math.hypot(bx - ax, by - ay);
  const [ux, uy] = length ? [(bx - ax) / length, (by - ay) / length] : [1, 0];
  const last = Math.min(Math.floor(Math.max(ay, by) + r), high - 1);
  for (let y = Math.max(Math.ceil(Math.min(ay, by) - r), low); y <= last; y++) {
    let [x0, x1] = [Infinity, -Infinity];
    for (const [cx, cy] of [[ax, ay], [bx, by]]) {
      const half = Math.sqrt(r * r - (y - cy) ** 2); // NaN in a row that the disc does not reach
      if (half >= 0) [x0, x1] = [Math.min(x0, cx - half), Math.max(x1, cx + half)];
    }
    let [from, to] = length ? [-Infinity, Infinity] : [0, -1];
    const keep = (slope, at, least, most) => { // least <= slope * (x - ax) + at <= most
      if (Math.abs(slope) < 1e-12) {
        if (at < least || at > most) to = -Infinity;
        return;
      }
      const [p, q] = [(least - at) / slope, (most - at) / slope];
      [from, to] = [Math.max(from, Math.min(p, q)), Math.min(to, Math.max(p, q))];
    };
    keep(-uy, (y - ay) * ux, -r, r);
    keep(ux, (y - ay) * uy, 0, length);
    if (from <= to) [x0, x1] = [Math.min(x0, ax + from), Math.max(x1, ax + to)];
    if (Math.ceil(x0) <= Math.floor(x1)) fill(y, Math.ceil(x0), Math.floor(x1));
  }
}

/** Rows and columns between two corner pixels, both included. */
function rectangleSpans([a, b], [low, high], fill) {
  const last = Math.min(Math.max(a[1], b[1]), high - 1);
  for (let y = Math.max(Math.min(a[1], b[1]), low); y <= last; y++) {
    fill(y, Math.min(a[0], b[0]), Math.max(a[0], b[0]));
  }
}

/** The ellipse that fills the rectangle between two corner pixels: { x, y, a, b }. */
function ovalBetween([p, q]) {
  return {
    x: (p[0] + q[0]) / 2, y: (p[1] + q[1]) / 2,
    a: (Math.abs(p[0] - q[0]) + 1) / 2, b: (Math.abs(p[1] - q[1]) + 1) / 2,
  };
}

function ovalSpans(points, [low, high], fill) {
  const { x, y: middle, a, b } = ovalBetween(points);
  for (let y = Math.max(Math.ceil(middle - b), low); y <= Math.min(Math.floor(middle + b), high - 1); y++) {
    const half = a * Math.sqrt(Math.max(1 - ((y - middle) / b) ** 2, 0)) + TINY;
    if (Math.ceil(x - half) <= Math.floor(x + half)) fill(y, Math.ceil(x - half), Math.floor(x + half));
  }
}

/** Inside of a closed polygon; where it crosses itself, even-odd counts. */
function polygonSpans(points, [low, high], fill) {
  const crossings = new Map();
  points.forEach(([ax, ay], i) => {
    const [bx, by] = points[(i + 1) % points.length];
    if (ay === by) return;
    // the lower end belongs to an edge and the upper does not: each row has an even number
    const end = Math.min(Math.ceil(Math.max(ay, by)), high);
    for (let y = Math.max(Math.ceil(Math.min(ay, by)), low); y < end; y++) {
      if (!crossings.has(y)) crossings.set(y, []);
      crossings.get(y).push(ax + (y - ay) * ((bx - ax) / (by - ay)));
    }
  });
  for (const [y, places] of crossings) {
    places.sort((a, b) => a - b);
    for (let i = 0; i + 1 < places.length; i += 2) {
      const [first, last] = [Math.ceil(places[i]), Math.ceil(places[i + 1]) - 1];
      if (first <= last) fill(y, first, last);
    }
  }
}

/** Runs of what a stroke sets; of a growing one those from its point ``from`` on. */
function strokeSpans({ tool, points, size }, rows, fill, from = 0) {
  if (!points.length) return;
  if (tool === "rectangle") rectangleSpans(points, rows, fill);
  else if (tool === "oval") ovalSpans(points, rows, fill);
  else if (tool === "lasso") polygonSpans(points, rows, fill);
  else if (tool === "pixel" || tool === "flood") {
    for (const [x, y] of points.slice(from)) if (y >= rows[0] && y < rows[1]) fill(y, x, x);
  } else {
    for (let i = from; i < Math.max(points.length - 1, 1); i++) {
      const [a, b] = [points[i], points[i + 1] || points[i]];
      passedSpans(a, b, rows, fill);
      if (size > 1) nearSpans(a, b, size / 2, rows, fill);
    }
  }
}
