// The panel of a step. Python says which fields there are and what they hold; the session decides
// what a value becomes. What somebody drags or types is theirs until it was sent and answered.

const MANY = 8; // fields beyond which they can be filtered

// -- one row --------------------------------------------------------------------------------------

/**
 * A field. ``mine`` is what somebody did here and Python has not answered yet: {value} or {text},
 * with ``seq`` and ``version`` (of what Python said) once it was sent.
 */
function makeRow(field, id, form) {
  const row = { field, held: false, touched: false, mine: null, said: null };
  const at = `${id}-${field.name}`;
  const send = (kind, value, urgent) => {
    row.mine.seq = null;
    form.send(row, { kind, value }, urgent);
  };

  row.hold = () => { row.held = true; };
  row.turn = (value) => {
    row.touched = true;
    row.mine = { value };
    send("set", value, false);
    row.paint();
  };
  row.rest = (repeating = false) => {
    row.held = false;
    if (row.touched) row.commit(row.mine.value, repeating);
    else form.freshen(row);
  };
  row.commit = (value, repeating = false) => {
    row.touched = false;
    row.mine = { value };
    send("commit", value, !repeating);
    row.paint();
  };
  row.type = (text) => {
    form.drop(row);
    row.mine = { text, typing: true };
  };
  row.leave = () => {
    if (!row.mine?.typing) return;
    const text = row.mine.text.trim();
    if (text === valueText(field, row.said.value) || (text === "" && isNumber(field) && !field.optional)) row.forget();
    else {
      row.mine = { text };
      send("commit", text === "" && field.optional ? null : text, true);
      row.paint();
    }
  };
  row.forget = () => {
    row.mine = null;
    form.tell("forget", row);
    row.paint();
  };

  const control = controlOf(field, row, id);
  const words = field.name.split(/(?<=_)/).flatMap((part) => [document.createTextNode(part), make("wbr")]);
  const label = make(control.head ? "label" : "span", { class: "jwi-name", id: `${at}-name` }, ...words);
  const badge = make("span", { class: "jwi-badge" });
  const reset = make("button", {
    class: "jwi-plain jwi-reset", type: "button",
    on: { click: () => { form.drop(row); row.mine = null; form.tell("reset", row); } },
  }, icon("reset"));
  put(reset, "aria-label", `reset ${field.name}`);
  const usual = make("span", { class: "jwi-usual" });
  const error = make("div", { class: "jwi-error", id: `${at}-error`, "aria-live": "polite" });
  const doc = make("span", { class: "jwi-unseen", id: `${at}-doc` });
  const body = control.body ? make("div", { class: "jwi-control" }, ...control.body) : null;
  row.node = make("div", { class: "jwi-row", role: "group", "aria-labelledby": `${at}-name`, "data-name": field.name },
    make("div", { class: "jwi-head" }, control.head ?? null, label,
      make("span", { class: "jwi-meta" }, badge, reset, usual)),
    body, error, doc);
  for (const input of control.inputs) {
    put(input, "aria-labelledby", `${at}-name`);
    put(input, "aria-describedby", `${at}-doc ${at}-error`);
  }
  if (control.head) {
    control.head.id = `${at}-input`;
    label.htmlFor = control.head.id;
  }

  row.paint = () => {
    const { value, origin, error: trouble, idle } = row.said;
    const mine = row.mine;
    let shown = mine && "value" in mine ? mine.value : value;
    let text = valueText(field, shown);
    if (mine && "text" in mine) {
      text = mine.text;
      if (!mine.typing && text.trim() !== "" && Number.isFinite(Number(text))) shown = Number(text);
    }
    control.show(shown, text);
    const source = origin === "recipe" || origin === "you" ? origin : "default";
    say(badge, source);
    put(badge, "data-origin", source);
    put(row.node, "data-origin", source);
    reset.style.visibility = source === "you" || trouble ? "" : "hidden";
    put(reset, "title", "back to the recipe's value");
    say(error, trouble || "");
    row.node.classList.toggle("jwi-idle", Boolean(idle));
    say(usual, idle ? `only with ${field.when.words}` : defaultWords(field));
    if (body) body.hidden = Boolean(idle);
    if (control.head) control.head.disabled = Boolean(idle);
    for (const input of control.inputs) put(input, "aria-invalid", trouble ? "true" : null);
    say(doc, `${row.help()} Set by: ${source}.`);
    put(label, "title", idle ? row.help() : field.doc);
  };
  row.help = () => {
    const bounds = boundsWords(field);
    const rule = field.when && `Acts only with ${field.when.words}.`;
    return [field.doc, bounds && `${capital(bounds)}.`, `${capital(defaultWords(field))}.`, rule]
      .filter(Boolean).join(" ");
  };
  return row;
}

// -- the form -------------------------------------------------------------------------------------

function render({ model, el }) {
  const id = viewName();
  const title = make("div", { class: "jwi-form-title", id: `${id}-title` });
  const summary = make("div", { class: "jwi-form-summary" });
  const note = make("div", { class: "jwi-form-note", role: "status" });
  const filter = make("input", { class: "jwi-field jwi-filter", type: "search", "aria-label": "filter parameters" });
  const list = make("div", { class: "jwi-rows" });
  const none = make("div", { class: "jwi-none" });
  const help = make("div", { class: "jwi-help", "aria-hidden": "true" });
  const root = make("section", { class: "jwi-chrome jwi-form", "aria-labelledby": `${id}-title` },
    title, summary, note, filter, list, none, help);
  el.append(root);

  let rows = new Map();
  let built = null; // what the rows were built for
  let version = 0; // of what Python said
  const sent = new Map(); // row by seq

  const post = ({ row, ...message }) => {
    sent.set(message.seq, row);
    row.mine.seq = message.seq;
    row.mine.version = version;
    model.send({ ...message, id });
  };
  const door = gate(post);
  const form = {
    send: (row, message, urgent) => door.put(row.field.name, { ...message, row, step: built.step }, urgent),
    tell: (kind, row) => model.send({ kind, id, step: built.step, name: row.field.name }),
    drop: (row) => door.drop(row.field.name),
    freshen: (row) => settle(row),
  };

  /** Show Python's answer, unless the row is in use or waits for one. */
  const settle = (row) => {
    const mine = row.mine;
    const news = mine?.done && (version > mine.version || row.said.value === mine.value);
    if (!row.held && news && !row.said.error) row.mine = null;
    if (!row.held) row.field.span = row.span;
    row.paint();
  };

  const build = (about) => {
    rows = new Map(about.fields.map((field) => [field.name, makeRow({ ...field }, id, form)]));
    list.replaceChildren(...[...rows.values()].map((row) => row.node));
    filter.value = "";
    filter.hidden = about.fields.length <= MANY;
    put(filter, "placeholder", `filter ${about.fields.length} parameters`);
    help.hidden = about.fields.length === 0;
    const units = about.fields.filter((field) => field.span).map((field) => field.unit.length);
    list.style.setProperty("--jwi-unit", `${Math.min(1.3 * Math.max(0, ...units), 9)}ch`);
  };

  const sift = () => {
    const wanted = filter.value.toLowerCase().split(/[\s_]+/).filter(Boolean);
    let left = 0;
    for (const { field, node } of rows.values()) {
      const where = `${field.name} ${field.doc}`.toLowerCase();
      node.hidden = !wanted.every((word) => where.includes(word));
      left += node.hidden ? 0 : 1;
    }
    none.hidden = left > 0 || !built?.step;
    say(none, rows.size ? "No parameter matches." : "This step has no parameters.");
  };

  const draw = () => {
    version += 1;
    const about = model.get("about");
    const said = model.get("rows");
    if (!about.fields) return;
    const shape = JSON.stringify([about.step, about.fields.map(({ span, ...field }) => [field, Boolean(span)])]);
    if (built?.shape !== shape) {
      built = { step: about.step, shape };
      build(about);
      point();
    }
    say(title, about.step);
    say(summary, about.summary);
    say(note, about.note);
    note.hidden = !about.note;
    for (const field of about.fields) {
      const row = rows.get(field.name);
      row.said = said[field.name] ?? { value: field.default, origin: "default", error: "" };
      row.span = field.span;
      settle(row);
    }
    sift();
  };

  let under = null; // row beneath the pointer
  const rowOf = (node) => rows.get(node?.closest?.(".jwi-row")?.dataset.name);
  const point = () => {
    const row = under ?? rowOf(root.contains(document.activeElement) ? document.activeElement : null);
    help.replaceChildren(...(row ? [make("b", { text: row.field.name }), ` ${row.help()}`] : ["Point at a parameter to read about it."]));
  };
  list.addEventListener("pointerover", (event) => { under = rowOf(event.target) ?? null; point(); });
  list.addEventListener("pointerleave", () => { under = null; point(); });
  root.addEventListener("focusin", () => { under = null; point(); });
  root.addEventListener("focusout", () => queueMicrotask(point));
  filter.addEventListener("input", sift);
  filter.addEventListener("keydown", (event) => {
    if (event.key === "Escape") { filter.value = ""; sift(); event.stopPropagation(); }
  });
  root.addEventListener("keydown", (event) => {
    if (!event.ctrlKey && !event.metaKey && !event.altKey && usesKey(event.target, event.key)) event.stopPropagation();
  });

  const hear = (message) => {
    if (message.kind !== "ack" || message.id !== id) return;
    const row = sent.get(message.seq);
    sent.delete(message.seq);
    door.ack(message.seq);
    if (row?.mine?.seq === message.seq) {
      row.mine.done = true;
      settle(row);
    }
  };
  model.on("msg:custom", hear);
  model.on("change:about", draw);
  model.on("change:rows", draw);
  draw();

  return () => {
    door.close();
    model.off("msg:custom", hear);
    model.off("change:about", draw);
    model.off("change:rows", draw);
  };
}

export default { render };
