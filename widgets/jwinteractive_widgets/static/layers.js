// The layers of a mask, the topmost first, and what can be changed of the chosen one.

const HOWS = [["add", "sets its flags"], ["remove", "takes flags off"], ["within", "keeps flags inside only"]];
const SCENE = [["add", "source: not fitted"], ["remove", "background: fitted"], ["within", "background inside only"]];
const ROLES = [["flags", "bad pixels: flags"], ["scene", "1/f scene: no flags"]];
const COMBINE = [["union", "join with"], ["intersection", "common with"], ["difference", "without"]];

/** A select of [value, label] pairs. */
function select(label, act) {
  const node = make("select", { class: "jwi-field", "aria-label": label, title: label, on: { change: () => act(node.value) } });
  let drawn = "";
  node.fill = (options, value) => {
    const key = JSON.stringify(options);
    if (key !== drawn) {
      drawn = key;
      node.replaceChildren(...options.map(([v, text]) => make("option", { value: v, text })));
    }
    node.value = value;
  };
  return node;
}

function render({ model, el }) {
  const send = (kind, rest = {}) => model.send({ kind, name: model.get("chosen"), ...rest });
  const list = make("div", { class: "jwi-layers-list", role: "listbox", "aria-label": "Layers of the mask, the topmost first" });
  const none = make("div", { class: "jwi-layers-none", text: "No layers yet: draw on the frame, measure, or take in a file." });

  // -- the chosen layer ---------------------------------------------------------------------------

  const change = (field) => (value) => send("change", { field, value });
  const name = make("input", {
    class: "jwi-field jwi-layer-rename", "aria-label": "name of the layer", spellcheck: "false",
    on: { change: () => send("change", { field: "name", value: name.value }) },
  });
  const role = select("what the layer is for", change("role"));
  role.fill(ROLES, "flags");
  const flag = select("what is wrong with the pixels", change("flag"));
  const unusable = make("input", { type: "checkbox", on: { change: () => send("change", { field: "unusable", value: unusable.checked }) } });
  const how = select("what the layer does", change("how"));
  const groups = select("which groups", change("groups"));
  const exposure = select("which exposures", change("exposure"));
  const comment = make("input", {
    class: "jwi-field", placeholder: "comment", "aria-label": "comment",
    on: { change: () => send("change", { field: "comment", value: comment.value }) },
  });
  const tool = (kind, label, title, rest) => make("button", {
    class: "jwi-plain", type: "button", title, "aria-label": title, on: { click: () => send(kind, rest) },
  }, icon(label));
  const up = tool("move", "up", "one layer up", { by: 1 });
  const down = tool("move", "down", "one layer down", { by: -1 });
  const zoom = tool("find", "search", "show its pixels in the frame");
  const remove = tool("remove", "remove", "take the layer away");
  const op = select("how to combine", () => {});
  const other = select("layer to combine with", () => {});
  op.fill(COMBINE, "union");
  const combine = make("button", {
    class: "jwi-plain", type: "button", title: "make a new layer of the two", "aria-label": "combine",
    on: { click: () => send("combine", { how: op.value, other: other.value }) },
  }, icon("add"));
  const line = (label, ...parts) => make("label", { class: "jwi-layers-line" }, make("span", { text: label }), ...parts);
  const flagging = [
    line("class", flag),
    make("label", { class: "jwi-layers-line" }, make("span"), make("span", { class: "jwi-layers-check" }, unusable, make("span", { text: "not to be used" }))),
  ];
  const ofGroups = line("groups", groups);
  const both = make("div", { class: "jwi-layers-line" }, op, other, combine);
  const origin = make("div", { class: "jwi-layers-origin" });
  const form = make("div", { class: "jwi-layers-form", role: "group", "aria-label": "the chosen layer" },
    make("div", { class: "jwi-layers-line" }, name, zoom, up, down, remove),
    line("kind", role), ...flagging, line("does", how), ofGroups, line("for", exposure), line("note", comment), both, origin);

  const box = make("div", { class: "jwi-chrome jwi-layers" }, none, list, form);
  el.append(box);

  // -- the list -----------------------------------------------------------------------------------

  const row = ({ name: its }) => {
    const on = make("input", {
      type: "checkbox", class: "jwi-layer-on", tabindex: -1,
      on: { click: (event) => event.stopPropagation(), change: () => model.send({ kind: "on", name: its, value: on.checked }) },
    });
    const swatch = make("span", { class: "jwi-layer-swatch", "aria-hidden": "true" });
    const count = make("span", { class: "jwi-layer-count" });
    const said = make("span", { class: "jwi-layer-flags" });
    const node = make("div", { class: "jwi-layer", role: "option", tabindex: -1, "data-layer": its },
      on, swatch, make("span", { class: "jwi-layer-name", text: its }), count, said);
    const paint = (item, chosen) => {
      on.checked = item.on;
      put(on, "title", item.on ? "switch off" : "switch on");
      put(on, "aria-label", `${its} on`);
      swatch.style.background = item.colour;
      say(count, item.count.toLocaleString("en"));
      say(said, [item.words, item.origin].filter(Boolean).join(" · "));
      put(said, "title", said.textContent);
      put(node, "aria-selected", chosen ? "true" : "false");
      put(node, "tabindex", chosen ? 0 : -1);
      put(node, "data-on", item.on ? "yes" : "no");
      put(node, "aria-label", `${its}, ${item.count} pixels, ${item.words}, ${item.on ? "on" : "off"}`);
    };
    return { name: its, node, paint, on };
  };
  let rows = [];

  const draw = () => {
    const items = model.get("items");
    const chosen = model.get("chosen");
    if (rows.map((r) => r.name).join("\n") !== items.map((i) => i.name).join("\n")) {
      const focused = list.contains(document.activeElement);
      rows = items.map(row);
      list.replaceChildren(...rows.map((r) => r.node));
      if (focused) rows.find((r) => r.name === chosen)?.node.focus();
    }
    rows.forEach((r, i) => r.paint(items[i], r.name === chosen));
    none.hidden = items.length > 0;
    list.hidden = !items.length;
    const item = items.find((i) => i.name === chosen);
    form.hidden = !item;
    if (!item) return;
    if (document.activeElement !== name) name.value = item.name;
    if (document.activeElement !== comment) comment.value = item.comment;
    const scene = item.role === "scene";
    role.value = item.role;
    for (const node of [...flagging, ofGroups]) node.hidden = scene;
    flag.fill(item.classes.map((c) => [c, c]), item.flag);
    unusable.checked = item.unusable;
    unusable.disabled = Boolean(item.groups.value);
    how.fill(scene ? SCENE : HOWS, item.how);
    how.disabled = Boolean(item.groups.value);
    groups.fill(item.groups.options, item.groups.value);
    groups.disabled = item.groups.options.length < 2;
    exposure.fill(item.exposure.options, item.exposure.value);
    const others = items.filter((i) => i.name !== chosen).map((i) => [i.name, i.name]);
    both.hidden = !others.length;
    const kept = others.some(([v]) => v === other.value) ? other.value : others[0]?.[0];
    other.fill(others, kept);
    const at = items.indexOf(item);
    up.disabled = at === 0;
    down.disabled = at === items.length - 1;
    say(origin, item.about);
  };

  list.addEventListener("click", (event) => {
    const node = event.target.closest(".jwi-layer");
    if (node) { model.send({ kind: "choose", name: node.dataset.layer }); node.focus(); }
  });
  list.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const at = rows.findIndex((r) => r.node === document.activeElement);
    if (at < 0) return;
    const go = (to) => {
      const next = rows[Math.min(Math.max(to, 0), rows.length - 1)];
      next.node.focus();
      model.send({ kind: "choose", name: next.name });
    };
    if (event.key === "ArrowDown") go(at + 1);
    else if (event.key === "ArrowUp") go(at - 1);
    else if (event.key === "Home") go(0);
    else if (event.key === "End") go(rows.length - 1);
    else if (event.key === " ") model.send({ kind: "on", name: rows[at].name, value: !rows[at].on.checked });
    else if (event.key === "Delete") model.send({ kind: "remove", name: rows[at].name });
    else return;
    event.preventDefault();
    event.stopPropagation(); // the notebook has its own arrow keys
  });

  model.on("change:items", draw);
  model.on("change:chosen", draw);
  draw();
  return () => { model.off("change:items", draw); model.off("change:chosen", draw); };
}

export default { render };
