// The picture as a file.

/** Names with a square of their colour, in as many rows as the width needs; how many those are. */
function legendRows(pen, entries, width, top, paint) {
  let [x, row] = [8, 0];
  for (const { name, colour } of entries) {
    const wide = 34 + pen.measureText(name).width;
    if (x > 8 && x + wide - 17 > width) [x, row] = [8, row + 1];
    if (paint) {
      const y = top + 20 * row;
      pen.fillStyle = colour;
      pen.fillRect(x, y - 6, 12, 12);
      pen.strokeStyle = "#777777";
      pen.strokeRect(x, y - 6, 12, 12);
      pen.fillStyle = "#000000";
      pen.fillText(name, x + 17, y);
    }
    x += wide;
  }
  return entries.length ? row + 1 : 0;
}

/** Picture with title, colour bar and legend on one canvas, as a person would put it in a paper. */
function poster({ canvas, marks, frame, look, note, counted, layers }) {
  const [width, s] = [canvas.width, Math.max(1, canvas.width / 620)];
  const drawn = [...layers, ...look.masks.filter((m) => m.on)];
  const paper = make("canvas");
  const pen = paper.getContext("2d");
  const font = "12px sans-serif";
  pen.font = font;
  const rows = legendRows(pen, drawn, width / s, 0, false);
  const [head, foot] = [30 * s, (58 + (rows ? 2 + 20 * rows : 0)) * s];
  [paper.width, paper.height] = [width, canvas.height + head + foot];
  pen.fillStyle = "#ffffff";
  pen.fillRect(0, 0, paper.width, paper.height);
  pen.drawImage(canvas, 0, head);
  pen.drawImage(marks, 0, head);
  pen.scale(s, s);
  pen.fillStyle = "#000000";
  pen.textBaseline = "middle";
  pen.font = "600 14px sans-serif";
  pen.fillText([frame.source, frame.title].filter(Boolean).join(" · "), 8, 15);
  pen.font = font;
  pen.textAlign = "right";
  pen.fillText(note, width / s - 8, 15);
  pen.fillText(frame.unit, width / s - 8, (head + canvas.height) / s + 28);
  pen.textAlign = "left";
  pen.save();
  pen.translate(8, (head + canvas.height) / s + 4);
  paintBar(pen, look, counted, width / s - 76, 48, "#000000", "sans-serif");
  pen.restore();
  pen.font = font;
  pen.textBaseline = "middle";
  legendRows(pen, drawn, width / s, paper.height / s + 6 - 20 * rows, true);
  return paper;
}
