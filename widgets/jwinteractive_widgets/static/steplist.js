// The steps of the recipe as a list box. Switches and run buttons are for the pointer; the keyboard
// has Space and Shift+Enter for them, since an option of a list box holds no controls of its own.

function makeItem(step, official, id, act) {
  const row = { step, bar: null };
  row.state = icon("stale");
  const text = official ? step.replace(/^official_/, "") : step;
  const name = make("span", { class: "jwi-step-name", text, title: step });
  const mark = official && make("span", { class: "jwi-step-official", text: "jwst", title: "the official step" });
  const word = make("span", { class: "jwi-step-word" });
  const changed = make("span", { class: "jwi-step-changed" });
  const fill = make("span", { class: "jwi-bar-fill" });
  const bar = make("span", { class: "jwi-bar", hidden: true }, fill);
  const shown = make("span", { class: "jwi-step-shown", title: "shown in the viewer" }, icon("eye"));
  const run = make("button", {
    class: "jwi-plain jwi-step-run", type: "button", tabindex: -1, "aria-hidden": "true", title: `run to ${step}`,
    on: { click: (event) => { event.stopPropagation(); act.run(step); } },
  }, icon("play"));
  const on = make("input", {
    class: "jwi-step-on", type: "checkbox", tabindex: -1, "aria-hidden": "true",
    on: { click: (event) => event.stopPropagation(), change: () => act.enable(step, on.checked) },
  });
  row.node = make("div", { class: "jwi-step", role: "option", id: `${id}-${step}`, "data-step": step, tabindex: -1 },
    row.state, name, shown, run, on, make("span", { class: "jwi-step-line" }, mark || null, word, changed), bar);

  row.paint = (item, { chosen, shows, progress }) => {
    const running = item.state === "running" || Boolean(progress);
    const state = running ? "running" : item.state;
    const isInput = item.enabled === undefined || item.enabled === null;
    row.state = swapIcon(row.state, state);
    put(row.node, "data-state", state);
    put(row.node, "aria-selected", chosen ? "true" : "false");
    const left = progress?.seconds_left;
    const percent = progress ? `${Math.round(100 * progress.fraction)} %` : "";
    let standing = isInput && state === "fresh" ? "as read" : state;
    if (progress) standing += ` ${percent}`;
    const remaining = progress && Number.isFinite(left) ? `${duration(left)} left` : "";
    if (!running && state !== "skipped" && Number.isFinite(item.seconds)) standing += ` ${duration(item.seconds)}`;
    if (item.why && state === "skipped") standing += `: ${item.why}`;
    say(word, standing);
    put(word, "title", item.why || null);
    const n = item.edited?.length ?? 0;
    const source = item.origin ?? "";
    say(changed, running ? remaining : n ? `${n} changed` : source);
    put(changed, "data-origin", running ? null : n ? "you" : source);
    put(changed, "title", n ? `changed by you: ${item.edited.join(", ")}` : source && `parameters: ${source}`);
    bar.hidden = !running;
    bar.classList.toggle("jwi-bar-unknown", !progress);
    fill.style.width = progress ? `${100 * progress.fraction}%` : "";
    shown.hidden = !shows;
    on.style.visibility = isInput ? "hidden" : "";
    if (!act.waits(step)) on.checked = item.enabled !== false;
    put(on, "title", on.checked ? `switch ${step} off` : `switch ${step} on`);
    run.style.display = isInput ? "none" : "";
    put(row.node, "aria-keyshortcuts", isInput ? null : "Space Shift+Enter");
    put(row.node, "aria-label", [
      step, standing, remaining, item.state === "failed" && item.why,
      n ? `${n} changed by you` : source && `parameters: ${source}`,
      shows && "shown in the viewer", !isInput && (on.checked ? "switched on" : "switched off"),
    ].filter(Boolean).join(", "));
    put(row.node, "title", item.state === "failed" ? item.why : null);
  };
  row.isOn = () => on.checked;
  row.toggle = () => { on.checked = !on.checked; act.enable(step, on.checked); };
  return row;
}

function render({ model, el }) {
  const id = viewName();
  const list = make("div", { class: "jwi-chrome jwi-steps", role: "listbox", "aria-label": "Steps of the recipe" });
  el.append(list);
  let rows = new Map();
  let chosen = "";
  const progress = new Map();
  const waiting = new Set(); // steps whose switch was turned and not answered yet

  const act = {
    run: (step) => model.send({ kind: "run", step }),
    enable: (step, enabled) => {
      waiting.add(step);
      model.send({ kind: "enable", step, enabled });
    },
    waits: (step) => waiting.has(step),
  };

  const paint = () => {
    const items = model.get("items");
    const stop = rows.has(chosen) ? chosen : items[0]?.step;
    for (const item of items) {
      const row = rows.get(item.step);
      row.paint(item, {
        chosen: item.step === chosen,
        shows: item.step === model.get("shown"),
        progress: progress.get(item.step),
      });
      put(row.node, "tabindex", item.step === stop ? 0 : -1);
    }
  };

  const draw = () => {
    const items = model.get("items");
    if (items.map((item) => item.step).join("\n") !== [...rows.keys()].join("\n")) {
      const old = rows;
      const focused = list.contains(document.activeElement);
      rows = new Map(items.map(({ step, official }) => [step, old.get(step) ?? makeItem(step, official, id, act)]));
      list.replaceChildren(...[...rows.values()].map((row) => row.node));
      if (focused) rows.get(chosen)?.node.focus();
    }
    for (const item of items) if (item.state !== "running") progress.delete(item.step);
    paint();
  };

  const choose = (step) => {
    if (!rows.has(step)) return;
    chosen = step;
    paint();
    rows.get(step).node.focus();
    if (step !== model.get("chosen")) model.send({ kind: "choose", step });
  };

  list.addEventListener("click", (event) => {
    const node = event.target.closest(".jwi-step");
    if (node) choose(node.dataset.step);
  });
  list.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const names = [...rows.keys()];
    const at = names.indexOf(document.activeElement?.dataset.step);
    const item = model.get("items")[at];
    const switchable = item && item.enabled !== undefined && item.enabled !== null;
    if (event.key === "ArrowDown") choose(names[Math.min(at + 1, names.length - 1)]);
    else if (event.key === "ArrowUp") choose(names[Math.max(at - 1, 0)]);
    else if (event.key === "Home") choose(names[0]);
    else if (event.key === "End") choose(names[names.length - 1]);
    else if (event.key === " " && item) { if (switchable && !event.repeat) rows.get(item.step).toggle(); }
    else if (event.key === "Enter" && item) {
      if (!event.shiftKey) choose(item.step);
      else if (switchable && !event.repeat) act.run(item.step);
    } else return;
    event.preventDefault();
    event.stopPropagation(); // the notebook has its own arrow keys
  });

  const hear = (message) => {
    if (message.kind === "progress") {
      if (message.fraction >= 1) progress.delete(message.step);
      else progress.set(message.step, message);
    } else if (message.kind === "done") waiting.delete(message.step);
    else return;
    if (rows.size) paint();
  };
  // what changes together is told one by one: whichever comes first finds items without a row
  const adopt = () => { chosen = model.get("chosen"); draw(); };
  const listened = [["msg:custom", hear], ["change:items", draw], ["change:chosen", adopt], ["change:shown", draw]];
  for (const [event, heard] of listened) model.on(event, heard);
  chosen = model.get("chosen");
  draw();
  return () => { for (const [event, heard] of listened) model.off(event, heard); };
}

export default { render };
