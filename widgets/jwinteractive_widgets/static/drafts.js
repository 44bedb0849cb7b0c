// How a stroke looks until Python's masks show it.

const ERASING = "#ffffff";

/** Pixels of the exposure in sight as a bitmap of what a stroke sets, kept while that only grows. */
class Stamp {
  constructor() {
    this.canvas = make("canvas");
    this.key = "";
    this.done = 0;
  }

  draw(pen, view, dpr, stroke, colour) {
    const seen = common(view.window, [0, 0, view.shape[1], view.shape[0]]);
    const [x0, y0, x1, y1] = [Math.floor(seen[0]), Math.floor(seen[1]), Math.ceil(seen[2]), Math.ceil(seen[3])];
    if (x0 >= x1 || y0 >= y1) return;
    const grows = ["brush", "eraser", "pixel"].includes(stroke.tool);
    const key = [x0, y0, x1, y1, colour].join();
    const paper = this.canvas.getContext("2d");
    if (key !== this.key || !grows) {
      [this.canvas.width, this.canvas.height] = [x1 - x0, y1 - y0];
      [this.key, this.done] = [key, 0];
    }
    paper.fillStyle = colour;
    const fill = (y, first, last) => paper.fillRect(first - x0, y1 - 1 - y, last - first + 1, 1);
    // the last line may have become longer since
    strokeSpans(stroke, [y0, y1], fill, Math.max(this.done - 2, 0));
    this.done = stroke.points.length;
    const [a, b] = view.toScreen(x0, y1, dpr);
    const [c, d] = view.toScreen(x1, y0, dpr);
    pen.imageSmoothingEnabled = false;
    pen.drawImage(this.canvas, a, b, c - a, d - b);
  }
}

/** Outline of a stroke as a path, in screen pixels. */
function traceStroke(pen, view, dpr, { tool, points }) {
  const at = ([x, y]) => view.toScreen(x + 0.5, y + 0.5, dpr);
  const half = (0.5 * view.width * dpr) / (view.window[2] - view.window[0]);
  pen.beginPath();
  if (tool === "rectangle" || tool === "oval") {
    const { x, y, a, b } = ovalBetween(points);
    const [cx, cy] = at([x, y]);
    const high = half * view.tall;
    if (tool === "oval") pen.ellipse(cx, cy, 2 * a * half, 2 * b * high, 0, 0, 2 * Math.PI);
    else pen.rect(cx - 2 * a * half, cy - 2 * b * high, 4 * a * half, 4 * b * high);
    return;
  }
  if (tool === "pixel" || tool === "flood") {
    const r = Math.max(half, 1.5 * dpr);
    for (const point of points) {
      const [x, y] = at(point);
      pen.rect(x - r, y - r, 2 * r, 2 * r);
    }
    return;
  }
  points.forEach((point, i) => (i ? pen.lineTo(...at(point)) : pen.moveTo(...at(point))));
  if (points.length === 1) pen.lineTo(...at(points[0]));
}

/** Half transparent, what a stroke sets: its pixels where they can be told apart, else its form. */
function paintStroke(pen, view, dpr, stroke, ink) {
  if (!stroke.points.length) return;
  const scale = (view.width * dpr) / (view.window[2] - view.window[0]);
  const colour = stroke.erase ? ERASING : ink;
  pen.save();
  clipTo(pen, view, [0, 0, view.shape[1], view.shape[0]], dpr);
  pen.globalAlpha = 0.5;
  if (scale >= 1) {
    stroke.stamp.draw(pen, view, dpr, stroke, colour);
  } else {
    [pen.fillStyle, pen.strokeStyle] = [colour, colour];
    [pen.lineCap, pen.lineJoin] = ["round", "round"];
    traceStroke(pen, view, dpr, stroke);
    if (SIZED.includes(stroke.tool)) {
      pen.lineWidth = Math.max(stroke.size * scale, 1.5 * dpr);
      pen.stroke();
    } else {
      pen.fill(stroke.tool === "lasso" ? "evenodd" : "nonzero");
    }
  }
  pen.restore();
}
