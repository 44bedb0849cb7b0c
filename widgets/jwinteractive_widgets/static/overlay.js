// Mask layers over the picture: a plane of labels that Python sends for the viewport, painted with
// the colours of the layers whose bits a label stands for.

/** Paint labels onto their own canvas, one pixel a block, first row at the bottom. */
function paintLabels(patch, layers) {
  const { rows, columns, labels } = patch;
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [columns, rows];
  const context = canvas.getContext("2d");
  const image = context.createImageData(columns, rows);
  const out = new Uint32Array(image.data.buffer);
  const colours = Uint32Array.from(patch.flags, (value) => {
    const over = overlay(value, layers);
    return over[3] < 1 ? blended(0, over) : 0;
  });
  for (let row = 0; row < rows; row++) {
    const to = (rows - 1 - row) * columns;
    for (let column = 0; column < columns; column++) {
      const label = labels[row * columns + column];
      if (label) out[to + column] = colours[label];
    }
  }
  context.putImageData(image, 0, 0);
  return canvas;
}

/** The layers over one view. */
function overlayOver(view) {
  const patches = new Layers();
  let layers = [];
  let serial = null;

  const clear = () => {
    patches.clear();
    layers = [];
    serial = null;
  };
  return {
    clear,
    /** What a person reads of the layers: name and colour. */
    legend: () => layers.filter((layer) => layer.opacity > 0),
    take(message, buffers) {
      if (!message.size) { clear(); return; }
      if (message.serial !== serial) patches.clear(); // older masks may not hold around the newest
      serial = message.serial;
      layers = message.layers.map((layer) => ({ ...layer, on: true }));
      const [rows, columns] = message.size;
      const labels = unpackLabels(rows * columns, message.wide, buffers[0], buffers[1]);
      const patch = { ...message, rows, columns, labels, flags: [0, ...message.flags] };
      patch.canvas = paintLabels(patch, layers);
      patches.add(patch);
    },
    draw(pen, dpr) {
      for (const patch of [patches.far, patches.near]) {
        if (!patch) continue;
        pen.save();
        if (patch === patches.far) {
          // half transparent: where the nearer one lies, this one must not shine through
          const [x0, y0, x1, y1] = common(patches.near.extent, patches.near.covers);
          const [a, b] = view.toScreen(x0, y1, dpr);
          const [c, d] = view.toScreen(x1, y0, dpr);
          pen.beginPath();
          pen.rect(0, 0, pen.canvas.width, pen.canvas.height);
          pen.rect(a, b, c - a, d - b);
          pen.clip("evenodd");
        }
        clipTo(pen, view, patch.covers, dpr);
        drawPatch(pen, patch, view, dpr);
        pen.restore();
      }
    },
  };
}
