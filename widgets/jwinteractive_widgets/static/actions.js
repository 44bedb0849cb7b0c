// The toolbar, and the keyboard of the workbench around it.

const NAMES = { " ": "Space", ArrowLeft: "←", ArrowRight: "→", ArrowUp: "↑", ArrowDown: "↓", Escape: "Esc" };
const NARROW = 640; // pixels below which buttons with an icon go without words

/** The name under which a pressed key is looked up. */
function keyName(event) {
  return event.shiftKey && event.key.length > 1 ? `Shift+${event.key}` : event.key;
}

/** A key as people write it. */
function keyWords(key) {
  const parts = key.startsWith("Shift+") ? ["Shift", key.slice(6)] : [key];
  return parts.map((part) => NAMES[part] ?? part).join(" ");
}

const optionPairs = (options) => (options ?? []).map((o) => (Array.isArray(o) ? o : [o, o]));

function makeAction(item, act) {
  const { id, kind } = item;
  if (kind === "spacer") return { node: make("span", { class: "jwi-spacer" }), paint: () => {} };
  if (kind === "text") {
    const node = make("span", { class: "jwi-bar-text", role: "status" });
    return { node, paint: (now) => { say(node, String(now.value ?? now.label ?? "")); put(node, "title", now.tooltip || null); } };
  }
  if (kind === "select") {
    const name = make("span", { class: "jwi-act-label" });
    const box = make("select", { class: "jwi-field" });
    const node = make("label", { class: "jwi-choice", "data-id": id }, name, box);
    let drawn = "";
    box.addEventListener("change", () => act(id, optionPairs(box.options_)[box.selectedIndex][1]));
    return {
      node,
      paint(now) {
        const pairs = optionPairs(now.options);
        box.options_ = now.options;
        if (drawn !== JSON.stringify(pairs)) {
          drawn = JSON.stringify(pairs);
          box.replaceChildren(...pairs.map(([text]) => make("option", { text })));
        }
        box.selectedIndex = pairs.findIndex(([, value]) => value === now.value);
        box.disabled = Boolean(now.disabled);
        say(name, now.label ?? "");
        put(box, "aria-label", now.label || now.tooltip || id);
        put(node, "title", withKey(now));
      },
    };
  }
  let drawing = icon(item.icon ?? "");
  const name = make("span", { class: "jwi-act-label" });
  const node = make("button", { class: "jwi-act", type: "button", "data-id": id }, drawing, name);
  node.addEventListener("click", () => node.press());
  return {
    node,
    paint(now) {
      drawing = swapIcon(drawing, now.icon ?? "");
      drawing.style.display = now.icon ? "" : "none";
      node.classList.toggle("jwi-has-icon", Boolean(now.icon));
      node.classList.toggle("jwi-primary", Boolean(now.primary));
      say(name, now.label ?? "");
      name.hidden = !now.label;
      // a button that is disabled loses the focus, and with it the keys go to the notebook
      put(node, "aria-disabled", now.disabled ? "true" : null);
      put(node, "aria-label", now.label || now.tooltip || id);
      put(node, "title", withKey(now));
      put(node, "aria-keyshortcuts", now.shortcut ? now.shortcut.replace(" ", "Space") : null);
      if (kind === "toggle") put(node, "aria-pressed", now.value ? "true" : "false");
      node.press = () => { if (!now.disabled) act(id, kind === "toggle" ? !now.value : null); };
    },
  };
}

const withKey = ({ tooltip, label, shortcut }) => `${tooltip || label || ""}${shortcut ? ` (${keyWords(shortcut)})` : ""}`.trim() || null;

/** The list of keys, as a dialog that holds the focus. */
function keyList(id) {
  const rows = make("tbody");
  const close = make("button", { class: "jwi-plain", type: "button", text: "close", on: { click: () => dialog.close() } });
  const dialog = make("dialog", { class: "jwi-chrome jwi-keys", "aria-labelledby": `${id}-keys` },
    make("div", { class: "jwi-keys-head" }, make("span", { id: `${id}-keys`, text: "Keys" }), close),
    make("table", {}, rows),
    make("p", { text: "They hold while the focus is in the workbench, but not while you type into a field." }));
  dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
  dialog.addEventListener("keydown", (event) => {
    event.stopPropagation();
    if (event.key === "?") dialog.close();
    else if (event.key === "Tab") { // there is nothing else in it to go to
      event.preventDefault();
      close.focus();
    }
  });
  const show = (keys, words) => {
    const byAction = new Map();
    for (const [key, action] of Object.entries(keys)) byAction.set(action, [...(byAction.get(action) ?? []), key]);
    rows.replaceChildren(...[...byAction].map(([action, names]) => make("tr", {},
      make("td", {}, ...names.map((key) => make("kbd", { text: keyWords(key) }))),
      make("td", { text: words(action) }))));
    if (!dialog.open) dialog.showModal();
  };
  return { dialog, show };
}

function render({ model, el }) {
  const id = viewName();
  const bar = make("div", { class: "jwi-chrome jwi-actions", role: "toolbar" });
  const { dialog, show } = keyList(id);
  el.append(bar, dialog);
  let actions = [];
  let built = "";
  let seq = 0;
  let answered = 0;

  const act = (name, value) => model.send({ kind: "do", view: id, seq: ++seq, id: name, value });
  const itemOf = (name) => model.get("items").find((item) => item.id === name);
  // of several toolbars in a workbench one has the keys
  const hasKeys = () => Object.keys(model.get("keymap")).length > 0;
  const help = () => show({ ...model.get("keymap"), "?": "?" }, (name) => {
    if (name === "?") return "this list";
    const item = itemOf(name);
    return model.get("words")[name] || item?.tooltip || item?.label || name;
  });
  const question = make("button", {
    class: "jwi-act jwi-has-icon", type: "button", title: "keys (?)", "aria-label": "list of keys",
    "aria-haspopup": "dialog", on: { click: help },
  }, icon("help"));

  const draw = () => {
    const items = model.get("items");
    const shape = JSON.stringify(items.map(({ id: name, kind }) => [name, kind]));
    if (shape !== built) {
      built = shape;
      actions = items.map((item) => makeAction(item, act));
      bar.replaceChildren(...actions.map((action) => action.node), question);
    }
    items.forEach((item, i) => actions[i].paint(item));
    put(bar, "aria-label", model.get("label"));
    question.hidden = !hasKeys();
  };

  const press = (name, repeated) => {
    if (name === "?") return help();
    if (repeated && answered < seq) return undefined; // a held key must not queue
    const item = itemOf(name);
    if (item?.disabled) return undefined;
    if (item?.kind === "toggle") return act(name, !item.value);
    if (item?.kind === "select") {
      const values = optionPairs(item.options).map(([, value]) => value);
      return act(name, values[(values.indexOf(item.value) + 1) % values.length]);
    }
    return act(name, null);
  };

  const onKey = (event) => {
    if (!hasKeys() || event.ctrlKey || event.metaKey || event.altKey) return;
    const target = event.composedPath()[0];
    if (!event.defaultPrevented && !event.isComposing && !usesKey(target, event.key)) {
      const name = keyName(event);
      const keys = model.get("keymap");
      const wanted = Object.hasOwn(keys, name) ? keys[name] : name === "?" ? "?" : null;
      if (wanted !== null) {
        event.preventDefault();
        press(wanted, event.repeat);
      }
    }
    event.stopPropagation(); // whatever it is, it is not meant for the notebook around
  };

  let around = null;
  let frame = 0;
  const attach = () => {
    frame = 0;
    around = el.closest(".jwi-workbench") ?? (el.isConnected ? el : null);
    if (around) {
      around.addEventListener("keydown", onKey);
      if (!around.hasAttribute("tabindex")) around.tabIndex = -1; // a click beside the controls keeps the keys
    } else frame = requestAnimationFrame(attach);
  };
  attach();

  const size = new ResizeObserver(() => {
    bar.classList.toggle("jwi-narrow", bar.clientWidth > 0 && bar.clientWidth < NARROW);
  });
  size.observe(bar);

  const hear = (message) => {
    if (message.kind !== "done" || message.view !== id) return;
    answered = message.seq;
    draw(); // a choice that was not taken goes back
  };
  const listened = [["msg:custom", hear], ["change:items", draw], ["change:label", draw]];
  for (const [event, heard] of listened) model.on(event, heard);
  draw();

  return () => {
    cancelAnimationFrame(frame);
    size.disconnect();
    around?.removeEventListener("keydown", onKey);
    for (const [event, heard] of listened) model.off(event, heard);
    if (dialog.open) dialog.close();
  };
}

export default { render };
