// Spectra on a canvas. Python sends the samples; zoom, pan, scales, signal to noise and the read-out
// under the pointer are made here, so that they need no answer. A chosen range goes back to Python.

const DASHED = { solid: [], dashed: [7, 4], dotted: [2, 3], dash_dotted: [8, 3, 2, 3] };
const ROOM = { left: 66, right: 12, top: 8, bottom: 38, between: 8 };
const BAND = 0.2; // opacity of an error band
const TINY = 6; // CSS pixels of a drag that is none

function render({ model, el }) {
  const canvas = make("canvas", "jwi-graph", {
    tabindex: "0", role: "application", "data-lm-suppress-shortcuts": "true",
  });
  const words = make("div", "jwi-graph-words", { role: "status" });
  const key = make("div", "jwi-graph-key", { role: "group", "aria-label": "spectra" });
  const stage = make("div", "jwi-graph-stage", {}, canvas);
  const root = make("div", "jwi-spectrum", {}, stage, words, key);
  el.append(root);
  const pen = canvas.getContext("2d");
  let about = { x: ["", ""], y: ["", ""], rest: "" };
  let series = []; // { id, name, colour, dash, style, below, removable, x, y, err }
  const hidden = new Set();
  let window = null; // [x0, x1] in sight; null: all
  let tall = null; // [y0, y1]; null: what suits
  let hover = -1; // sample of the first series in sight
  let gesture = null;
  let draft = null; // range while it is drawn
  let waiting = false;
  let serial = 0;
  let plots = []; // { scale, top, bottom } of what is drawn, from above
  let along = null; // scale of x

  const inSight = (below) => series.filter((s) => s.below === below && !hidden.has(s.id));
  const first = () => inSight(false)[0];
  const snr = () => model.get("signal_to_noise");
  const range = () => draft ?? (model.get("range").length === 2 ? model.get("range") : null);

  // -- drawing ------------------------------------------------------------------------------------

  const redraw = () => {
    if (!waiting) requestAnimationFrame(draw);
    waiting = true;
  };
  const drawSeries = (one, plot, wide) => {
    const y = valuesOf(one, plot.snr);
    const [x0, x1] = [along.low, along.high];
    const place = (v) => (plot.scale.log && !(v > 0) ? NaN : plot.scale.to(v));
    const inside = [];
    for (let i = 0; i < y.length; i++) {
      const next = one.x[Math.min(i + 1, y.length - 1)];
      const last = one.x[Math.max(i - 1, 0)];
      if (Math.max(one.x[i], next, last) >= x0 && Math.min(one.x[i], next, last) <= x1) inside.push(i);
    }
    pen.strokeStyle = pen.fillStyle = one.colour;
    if (one.err && !plot.snr && one.style !== "points") {
      pen.globalAlpha = BAND;
      let run = [];
      const fill = () => {
        if (run.length > 1) {
          pen.beginPath();
          const floor = plot.bottom + 20;
          const edge = (sign) => run.map((i) => [along.to(one.x[i]), place(y[i] + sign * one.err[i])]).map(([u, v]) => [u, Number.isFinite(v) ? v : floor]);
          [...edge(1), ...edge(-1).reverse()].forEach(([u, v], i) => (i ? pen.lineTo(u, v) : pen.moveTo(u, v)));
          pen.fill();
        }
        run = [];
      };
      for (const i of inside) {
        if (Number.isFinite(y[i]) && Number.isFinite(one.err[i]) && Number.isFinite(one.x[i])) run.push(i);
        else fill();
      }
      fill();
      pen.globalAlpha = 1;
    }
    const spacing = inside.length > 1 ? wide / inside.length : wide;
    if (one.style === "points" || spacing > 9) {
      const r = one.style === "points" ? Math.min(Math.max(spacing / 3, 1.5), 3.5) : 2;
      for (const i of inside) {
        const v = place(y[i]);
        if (!Number.isFinite(v)) continue;
        const u = along.to(one.x[i]);
        pen.beginPath();
        pen.arc(u, v, r, 0, 2 * Math.PI);
        pen.fill();
        if (one.style === "points" && one.err && !plot.snr) {
          pen.lineWidth = 1;
          pen.beginPath();
          pen.moveTo(u, place(y[i] - one.err[i]));
          pen.lineTo(u, place(y[i] + one.err[i]));
          pen.stroke();
        }
      }
    }
    if (one.style === "points") return;
    pen.lineWidth = one.dash === "solid" ? 1.4 : 1.6;
    pen.setLineDash(DASHED[one.dash] || []);
    pen.beginPath();
    let drawn = false;
    // several samples to a pixel of the screen: their least and greatest are enough
    const dense = inside.length > 4 * wide;
    let column = null;
    const flush = () => {
      if (!column) return;
      const { u, enter, low, high, leave } = column;
      for (const v of [enter, low, high, leave]) {
        if (drawn) pen.lineTo(u, v);
        else pen.moveTo(u, v);
        drawn = true;
      }
      column = null;
    };
    for (const i of inside) {
      const [u, v] = [along.to(one.x[i]), place(y[i])];
      if (!Number.isFinite(u) || !Number.isFinite(v)) { flush(); drawn = false; continue; }
      if (dense) {
        const at = Math.round(u);
        if (column?.u !== at) { flush(); column = { u: at, enter: v, low: v, high: v, leave: v }; }
        column.low = Math.min(column.low, v);
        column.high = Math.max(column.high, v);
        column.leave = v;
      } else {
        if (drawn) pen.lineTo(u, v);
        else pen.moveTo(u, v);
        drawn = true;
      }
    }
    flush();
    pen.stroke();
    pen.setLineDash([]);
  };

  const drawAxes = (plot, left, right, colour, faint, label) => {
    const height = plot.bottom - plot.top;
    const values = axisValues(plot.scale, Math.max(height / 34, 2));
    const texts = axisTexts(values);
    pen.font = "11px system-ui, sans-serif";
    pen.textAlign = "right";
    pen.textBaseline = "middle";
    values.forEach((value, i) => {
      const v = Math.round(plot.scale.to(value)) + 0.5;
      if (v < plot.top - 1 || v > plot.bottom + 1) return;
      pen.strokeStyle = faint;
      pen.lineWidth = 1;
      pen.beginPath();
      pen.moveTo(left, v);
      pen.lineTo(right, v);
      pen.stroke();
      pen.fillStyle = colour;
      pen.fillText(texts[i], left - 6, v);
    });
    pen.strokeStyle = colour;
    pen.globalAlpha = 0.6;
    pen.strokeRect(left + 0.5, plot.top + 0.5, right - left - 1, height - 1);
    pen.globalAlpha = 1;
    pen.save();
    pen.translate(11, (plot.top + plot.bottom) / 2);
    pen.rotate(-Math.PI / 2);
    pen.textAlign = "center";
    pen.fillStyle = colour;
    const fits = (text) => pen.measureText(text).width < height + 16;
    pen.fillText(fits(label) ? label : label.replace(/ \(.*\)$/, ""), 0, 0);
    pen.restore();
  };

  const draw = () => {
    waiting = false;
    const ratio = Math.min(globalThis.devicePixelRatio || 1, 2);
    const [width, height] = [stage.clientWidth, stage.clientHeight];
    if (!width || !height) return;
    if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
      canvas.width = Math.round(width * ratio);
      canvas.height = Math.round(height * ratio);
    }
    const css = getComputedStyle(root);
    const colour = css.color;
    const faint = css.getPropertyValue("--jwi-faint").trim() || "#8884";
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    pen.fillStyle = css.getPropertyValue("--jwi-paper").trim() || "#ffffff";
    pen.fillRect(0, 0, width, height);
    const [left, right] = [ROOM.left, width - ROOM.right];
    const wide = right - left;
    const all = inSight(false);
    const below = inSight(true);
    const [x0, x1] = window ?? reachOf(all.length ? all : series);
    along = scaleBetween(x0, x1, left, right);
    const foot = height - ROOM.bottom;
    const middle = below.length ? Math.round(ROOM.top + 0.66 * (foot - ROOM.top)) : foot;
    const look = { snr: snr(), log: model.get("log_y") };
    const span = tall ?? rangeInSight(all, x0, x1, look);
    const log = look.log && span[0] > 0;
    plots = [{
      some: all, snr: look.snr, top: ROOM.top, bottom: middle,
      scale: scaleBetween(span[0], span[1], middle, ROOM.top, log),
      label: look.snr ? "signal to noise" : labelOf(about.y),
    }];
    if (below.length) {
      const [low, high] = rangeInSight(below, x0, x1, { clip: about.rest === "ratio" });
      plots.push({
        some: below, snr: false, top: middle + ROOM.between, bottom: foot,
        scale: scaleBetween(low, high, foot, middle + ROOM.between), label: about.rest,
      });
    }
    const chosen = range();
    for (const plot of plots) {
      drawAxes(plot, left, right, colour, faint, plot.label);
      pen.save();
      pen.beginPath();
      pen.rect(left, plot.top, wide, plot.bottom - plot.top);
      pen.clip();
      pen.fillStyle = css.getPropertyValue("--jwi-chosen").trim() || "#1976d2";
      for (const side of draft ? [] : model.get("sides")) {
        const [a, b] = side.map(along.to);
        pen.globalAlpha = 0.07;
        pen.fillRect(a, plot.top, b - a, plot.bottom - plot.top);
        pen.globalAlpha = 1;
      }
      if (chosen) {
        const [a, b] = chosen.map(along.to);
        pen.globalAlpha = 0.16;
        pen.fillRect(a, plot.top, b - a, plot.bottom - plot.top);
        pen.globalAlpha = 0.9;
        for (const end of [a, b]) pen.fillRect(end - 0.75, plot.top, 1.5, plot.bottom - plot.top);
        pen.globalAlpha = 1;
      }
      const marked = model.get("marker");
      if (marked !== null) {
        pen.strokeStyle = colour;
        pen.lineWidth = 1;
        pen.setLineDash([3, 3]);
        pen.beginPath();
        pen.moveTo(along.to(marked), plot.top);
        pen.lineTo(along.to(marked), plot.bottom);
        pen.stroke();
        pen.setLineDash([]);
      }
      // the first lies on top
      for (const one of [...plot.some].reverse()) drawSeries(one, plot, wide);
      pen.restore();
    }
    const values = axisValues(along, Math.max(wide / 90, 2));
    const texts = axisTexts(values);
    pen.fillStyle = colour;
    pen.strokeStyle = colour;
    pen.textBaseline = "top";
    pen.textAlign = "center";
    values.forEach((value, i) => {
      const u = along.to(value);
      pen.fillRect(Math.round(u), foot, 1, 4);
      pen.fillText(texts[i], Math.min(Math.max(u, left + 8), right - 12), foot + 7);
    });
    pen.fillText(labelOf(about.x), (left + right) / 2, foot + 22);
    drawHover(colour, foot);
    if (!series.length) {
      pen.textBaseline = "middle";
      pen.fillText(model.get("empty"), (left + right) / 2, (ROOM.top + foot) / 2);
    }
    root.dataset.serial = String(serial);
    root.dataset.drawn = String(Number(root.dataset.drawn || 0) + 1);
  };
  const labelOf = ([name, unit]) => (unit ? `${name} (${unit})` : name);

  const drawHover = (colour, foot) => {
    const one = first();
    if (!one || hover < 0 || hover >= one.x.length) return;
    const u = along.to(one.x[hover]);
    if (u < ROOM.left || u > canvas.clientWidth - ROOM.right) return;
    pen.strokeStyle = colour;
    pen.globalAlpha = 0.5;
    pen.lineWidth = 1;
    pen.beginPath();
    pen.moveTo(u, ROOM.top);
    pen.lineTo(u, foot);
    pen.stroke();
    pen.globalAlpha = 1;
    const v = plots[0].scale.to(valuesOf(one, plots[0].snr)[hover]);
    if (!(v > plots[0].top - 5 && v < plots[0].bottom + 5)) return;
    pen.beginPath();
    pen.arc(u, v, 4, 0, 2 * Math.PI);
    pen.fillStyle = one.colour;
    pen.fill();
    pen.strokeStyle = colour;
    pen.stroke();
  };

  const say = () => {
    const one = first();
    if (!one || hover < 0 || hover >= one.x.length) { words.textContent = hint(); return; }
    const [x, y, err] = [one.x[hover], one.y[hover], one.err?.[hover]];
    const parts = [`${about.x[0]} ${numberText(x, 6)} ${about.x[1]}`.trim()];
    const known = Number.isFinite(err) && err > 0;
    parts.push(`${numberText(y, 5)}${known ? ` ± ${numberText(err, 3)}` : ""} ${about.y[1]}`.trim());
    parts.push(known ? `S/N ${numberText(y / err, 3)}` : "no error is known");
    if (series.filter((s) => !s.below).length > 1) parts.push(one.name);
    words.textContent = parts.join(" · ");
  };
  const hint = () => (model.get("tool") === "range"
    ? "drag chooses a range · Escape lifts it · [ and ] set its ends at the pointer"
    : "wheel zooms · drag pans · double click or 0 shows all · arrows read out");

  const drawKey = () => {
    key.replaceChildren(...series.filter((s) => s.name).map((one) => {
      const box = make("input", "", { type: "checkbox", "aria-label": `draw ${one.name}` });
      box.checked = !hidden.has(one.id);
      box.addEventListener("change", () => {
        if (box.checked) hidden.delete(one.id);
        else hidden.add(one.id);
        redraw();
        say();
      });
      const line = swatch(one);
      const entry = make("span", "jwi-graph-entry", {}, make("label", "", {}, box, line, make("span", "", {}, one.name)));
      if (one.removable) {
        const away = make("button", "", { type: "button", title: `remove ${one.name}`, "aria-label": `remove ${one.name}` }, "×");
        away.addEventListener("click", () => model.send({ kind: "remove", id: one.id }));
        entry.append(away);
      }
      return entry;
    }));
  };

  // -- hands --------------------------------------------------------------------------------------

  const place = (event) => {
    const box = canvas.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  };
  const go = (x0, x1) => {
    const [a, b] = reachOf(series.filter((s) => !s.below));
    const wide = Math.min(x1 - x0, 1.5 * (b - a));
    if (!(wide > (b - a) / 1e5)) return;
    const middle = Math.min(Math.max((x0 + x1) / 2, a), b);
    window = [middle - wide / 2, middle + wide / 2];
    redraw();
  };
  const zoom = (factor, at) => go(at - (at - along.low) * factor, at + (along.high - at) * factor);
  const zoomY = (factor, v) => {
    const { scale } = plots[0];
    const at = scale.back(v);
    tall = scale.log
      ? [at * (scale.low / at) ** factor, at * (scale.high / at) ** factor]
      : [at - (at - scale.low) * factor, at + (scale.high - at) * factor];
    redraw();
  };
  const fit = () => {
    window = tall = null;
    redraw();
  };
  const point = (at) => {
    const one = first();
    const inside = one && at && along && at[0] >= ROOM.left && at[0] <= canvas.clientWidth - ROOM.right;
    const now = inside ? nearestSample(one, along.back(at[0])) : -1;
    if (now === hover) return;
    hover = now;
    say();
    redraw();
  };
  const choose = (ends) => {
    model.set("range", ends ?? []);
    model.save_changes();
    model.send({ kind: "range", range: ends });
    redraw();
  };
  const tellRange = throttled(() => {
    if (draft) model.send({ kind: "range", range: draft, going: true });
  }, 80);

  canvas.addEventListener("wheel", (event) => {
    if (!along) return;
    event.preventDefault();
    const at = place(event);
    const factor = Math.exp(0.0015 * (event.deltaMode === 1 ? 30 : 1) * (event.deltaY || event.deltaX));
    if (event.shiftKey || at[0] < ROOM.left) zoomY(factor, at[1]);
    else zoom(factor, along.back(at[0]));
  }, { passive: false });
  canvas.addEventListener("pointerdown", (event) => {
    if (event.button !== 0 || !along) return;
    canvas.setPointerCapture(event.pointerId);
    canvas.focus({ preventScroll: true });
    const at = place(event);
    const chosen = range();
    const end = chosen ? chosen.map(along.to).findIndex((u) => Math.abs(u - at[0]) < TINY) : -1;
    if (end >= 0) gesture = { kind: "range", from: chosen[1 - end], at };
    else if (model.get("tool") === "range" || event.shiftKey) gesture = { kind: "range", from: along.back(at[0]), at };
    else gesture = { kind: "pan", at, window: [along.low, along.high], tall: tall && [...tall] };
  });
  canvas.addEventListener("pointermove", (event) => {
    const at = place(event);
    if (!gesture) {
      const near = along && range()?.some((x) => Math.abs(along.to(x) - at[0]) < TINY);
      canvas.style.cursor = near ? "ew-resize" : model.get("tool") === "range" ? "col-resize" : "crosshair";
      point(at);
      return;
    }
    gesture.moved ||= Math.abs(at[0] - gesture.at[0]) > 2 || Math.abs(at[1] - gesture.at[1]) > TINY;
    if (!gesture.moved) return;
    if (gesture.kind === "range") {
      draft = [gesture.from, along.back(at[0])].sort((a, b) => a - b);
      tellRange();
      redraw();
      return;
    }
    canvas.style.cursor = "grabbing";
    const [a, b] = gesture.window;
    const by = ((gesture.at[0] - at[0]) / (along.to(along.high) - along.to(along.low))) * (b - a);
    go(a + by, b + by);
  });
  const release = (event) => {
    if (!gesture) return;
    const done = gesture;
    gesture = null;
    tellRange.cancel();
    if (done.kind === "range" && event.type === "pointerup" && draft && done.moved) {
      const ends = draft;
      draft = null;
      choose(ends);
    }
    draft = null;
    const x = event.type === "pointerup" && !done.moved ? along.back(done.at[0]) : NaN;
    if (x >= along.low && x <= along.high) model.send({ kind: "click", x });
    redraw();
  };
  canvas.addEventListener("pointerup", release);
  canvas.addEventListener("pointercancel", release);
  canvas.addEventListener("pointerleave", () => { if (!gesture) point(null); });
  canvas.addEventListener("dblclick", fit);
  canvas.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || !along) return;
    const one = first();
    const middle = one && hover >= 0 ? one.x[hover] : (along.low + along.high) / 2;
    const step = event.shiftKey ? 10 : 1;
    const by = { ArrowLeft: -step, ArrowRight: step }[event.key];
    if (by && one) {
      const from = hover >= 0 ? hover : nearestSample(one, middle);
      const way = one.x[one.x.length - 1] >= one.x[0] ? 1 : -1;
      hover = Math.min(Math.max(from + way * by, 0), one.x.length - 1);
      const x = one.x[hover];
      if (x < along.low || x > along.high) go(x - (along.high - along.low) / 2, x + (along.high - along.low) / 2);
      say();
      redraw();
    } else if (event.key === "+" || event.key === "=") zoom(0.8, middle);
    else if (event.key === "-") zoom(1.25, middle);
    else if (event.key === "0") fit();
    else if (event.key === "Escape" && range()) choose(null);
    else if (event.key === "[" || event.key === "]") {
      const [a, b] = range() ?? [along.low, along.high];
      const ends = event.key === "[" ? [middle, b] : [a, middle];
      if (ends[0] < ends[1]) choose(ends);
    } else return;
    event.preventDefault();
    event.stopPropagation();
  });

  // -- what Python says ---------------------------------------------------------------------------

  const take = (message, buffers) => {
    let next = 0;
    const numbers = () => {
      const view = buffers[next++];
      const bytes = view.buffer.slice(view.byteOffset, view.byteOffset + view.byteLength);
      return new Float64Array(bytes);
    };
    const before = [String(about.x), hover >= 0 ? first()?.x[hover] : null];
    about = { x: message.x, y: message.y, rest: message.rest };
    series = message.series.map((told) => {
      const one = { ...told, x: numbers(), y: numbers() };
      one.err = told.err ? numbers() : null;
      return one;
    });
    serial = message.serial;
    if (String(about.x) !== before[0]) window = tall = null; // another axis
    if (message.fit) tall = null;
    const one = first();
    hover = one && before[1] !== null ? nearestSample(one, before[1]) : -1;
    const entries = JSON.stringify(series.map((s) => [s.id, s.name, s.colour, s.dash, s.removable]));
    if (root.dataset.key !== entries) drawKey();
    root.dataset.key = entries;
    say();
    redraw();
  };
  const save = (name) => {
    const paper = document.createElement("canvas");
    const named = series.filter((s) => s.name && !hidden.has(s.id));
    const ratio = canvas.width / canvas.clientWidth;
    const line = 16 * ratio;
    [paper.width, paper.height] = [canvas.width, canvas.height + named.length * line + 6 * ratio];
    const ink = paper.getContext("2d");
    const css = getComputedStyle(root);
    ink.fillStyle = css.getPropertyValue("--jwi-paper").trim() || "#ffffff";
    ink.fillRect(0, 0, paper.width, paper.height);
    ink.drawImage(canvas, 0, 0);
    ink.font = `${11 * ratio}px system-ui, sans-serif`;
    ink.textBaseline = "middle";
    named.forEach((one, i) => {
      const y = canvas.height + (i + 0.5) * line;
      ink.strokeStyle = one.colour;
      ink.lineWidth = 2 * ratio;
      ink.setLineDash((DASHED[one.dash] || []).map((d) => d * ratio));
      ink.beginPath();
      ink.moveTo(ROOM.left * ratio, y);
      ink.lineTo((ROOM.left + 26) * ratio, y);
      ink.stroke();
      ink.fillStyle = css.color;
      ink.fillText(one.name, (ROOM.left + 34) * ratio, y);
    });
    paper.toBlob((blob) => {
      const link = make("a", "", { download: name });
      link.href = URL.createObjectURL(blob);
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
    });
  };
  const hear = (message, buffers) => {
    if (message.kind === "spectra") take(message, buffers);
    else if (message.kind === "fit") fit();
    else if (message.kind === "save") save(message.name);
  };
  const ears = {
    "msg:custom": hear,
    "change:log_y": () => { tall = null; redraw(); },
    "change:signal_to_noise": () => { tall = null; redraw(); },
    "change:range": redraw,
    "change:sides": redraw,
    "change:marker": redraw,
    "change:tool": say,
    "change:empty": redraw,
    "change:label": () => canvas.setAttribute("aria-label", model.get("label")),
    "change:height": () => { stage.style.height = `${model.get("height")}px`; redraw(); },
  };
  for (const [name, ear] of Object.entries(ears)) model.on(name, ear);
  ears["change:label"]();
  ears["change:height"]();
  const theme = new MutationObserver(redraw);
  theme.observe(document.body, { attributes: true, attributeFilter: ["data-jp-theme-light"] });
  const size = new ResizeObserver(redraw);
  size.observe(stage);
  say();
  model.send({ kind: "ready" });
  return () => {
    theme.disconnect();
    size.disconnect();
    tellRange.cancel();
    for (const [name, ear] of Object.entries(ears)) model.off(name, ear);
  };
}

/** A short line in the manner of a series. */
function swatch({ colour, dash, style }) {
  const space = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(space, "svg");
  svg.setAttribute("viewBox", "0 0 24 8");
  svg.setAttribute("aria-hidden", "true");
  const mark = document.createElementNS(space, style === "points" ? "circle" : "path");
  const set = style === "points"
    ? { cx: 12, cy: 4, r: 3, fill: colour }
    : { d: "M1 4H23", stroke: colour, "stroke-width": 2, "stroke-dasharray": (DASHED[dash] || []).join(" ") };
  for (const [name, value] of Object.entries(set)) mark.setAttribute(name, value);
  svg.append(mark);
  return svg;
}

export default { render };
