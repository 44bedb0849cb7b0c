// The log, newest at the bottom, and the table of runs.

const MOST_LINES = 1000; // on the screen; the session keeps them all
const KINDS = { edit: "edit", run: "run", note: "note", warning: "warning", error: "error", save: "save" };

const two = (n) => String(n).padStart(2, "0");
function clock(when) {
  const t = new Date(1000 * when);
  return `${two(t.getHours())}:${two(t.getMinutes())}:${two(t.getSeconds())}`;
}

function line({ when, kind, text }) {
  const known = Object.hasOwn(KINDS, kind) ? kind : "note";
  return make("div", { class: "jwi-entry", "data-kind": known },
    make("time", { class: "jwi-when", text: clock(when), title: new Date(1000 * when).toLocaleString() }),
    icon(known), make("span", { class: "jwi-unseen", text: `${known}: ` }),
    make("span", { class: "jwi-text", text }));
}

function render({ model, el }) {
  const id = viewName();
  const button = (name, words, act) => make("button", {
    class: "jwi-plain", type: "button", title: words, "aria-label": words, on: { click: act },
  }, icon(name));
  const undo = button("undo", "undo", () => { if (model.get("can_undo")) model.send({ kind: "undo" }); });
  const redo = button("redo", "redo", () => { if (model.get("can_redo")) model.send({ kind: "redo" }); });
  const count = make("span", { class: "jwi-count" });
  const tabs = ["Log", "Runs"].map((text, i) => make("button", {
    class: "jwi-tab", type: "button", role: "tab", id: `${id}-tab${i}`, "aria-controls": `${id}-page${i}`,
    on: { click: () => open(i) },
  }, make("span", { text }), i ? count : null));
  const log = make("div", {
    class: "jwi-log", role: "log", "aria-live": "polite", "aria-label": "What was done", tabindex: 0,
  });
  const body = make("tbody");
  const heads = ["run", "step", "exposure", "what differed", "time", ""];
  const table = make("table", { class: "jwi-runs" },
    make("thead", {}, make("tr", {}, ...heads.map((text) => make("th", { text, scope: "col" })))), body);
  const noRuns = make("div", { class: "jwi-none-yet", text: "No runs yet: their parameters will be kept here." });
  const pages = [log, make("div", { class: "jwi-runs-page", tabindex: 0 }, noRuns, table)];
  const holders = pages.map((page, i) => make("div", {
    class: "jwi-page", role: "tabpanel", id: `${id}-page${i}`, "aria-labelledby": `${id}-tab${i}`,
  }, page));
  const root = make("section", { class: "jwi-chrome jwi-journal", "aria-label": "Journal" },
    make("div", { class: "jwi-journal-head" },
      make("div", { class: "jwi-tabs", role: "tablist", "aria-label": "Log and runs" }, ...tabs),
      make("span", { class: "jwi-journal-buttons" }, undo, redo)),
    ...holders);
  el.append(root);

  const follows = () => log.scrollHeight - log.scrollTop - log.clientHeight < 6;
  const toEnd = () => { log.scrollTop = log.scrollHeight; };
  let stuck = true; // to the newest line
  log.addEventListener("scroll", () => { stuck = follows(); });
  const size = new ResizeObserver(() => { if (stuck) toEnd(); });
  size.observe(log);

  const add = (...entries) => {
    log.append(...entries.map(line));
    while (log.childElementCount > MOST_LINES) log.firstElementChild.remove();
    if (stuck) toEnd();
  };

  const open = (index) => {
    tabs.forEach((tab, i) => {
      put(tab, "aria-selected", i === index ? "true" : "false");
      put(tab, "tabindex", i === index ? 0 : -1);
      holders[i].hidden = i !== index;
    });
    if (index === 0 && stuck) toEnd();
  };
  root.querySelector(".jwi-tabs").addEventListener("keydown", (event) => {
    const now = tabs.indexOf(document.activeElement);
    if (now < 0 || !["ArrowLeft", "ArrowRight"].includes(event.key)) return;
    open(1 - now);
    tabs[1 - now].focus();
    event.preventDefault();
    event.stopPropagation();
  });
  for (const page of pages) {
    page.addEventListener("keydown", (event) => {
      if (event.target === page && [...ARROWS, ...ENDS, " "].includes(event.key)) event.stopPropagation();
    });
  }

  const runs = new Map(); // row by number
  const makeRun = (number) => {
    const cells = heads.map((_, i) => make("td", { class: i === 0 || i === 4 ? "jwi-figure" : i === 3 ? "jwi-differs" : null }));
    const act = (kind, text, words, name) => make("button", {
      class: "jwi-plain jwi-run-act", type: "button", title: words, "aria-label": `${words}: run ${number}`,
      on: { click: () => model.send({ kind, number }) },
    }, icon(name), make("span", { text }));
    const restore = act("restore", "bring back", "bring back the parameters", "undo");
    const compare = act("compare", "compare", "compare the present result with it", "compare");
    cells[5].append(restore, compare);
    return { node: make("tr", { "data-number": number }, ...cells), cells, compare };
  };
  const showRuns = (attempts) => {
    for (const number of runs.keys()) {
      if (!attempts.some((a) => a.number === number)) {
        runs.get(number).node.remove();
        runs.delete(number);
      }
    }
    for (const a of attempts) {
      if (!runs.has(a.number)) {
        runs.set(a.number, makeRun(a.number));
        body.prepend(runs.get(a.number).node); // the newest first: it is the one people look for
      }
      const { cells, compare, node } = runs.get(a.number);
      [String(a.number), a.step, a.exposure, a.text, duration(a.seconds)].forEach((text, i) => say(cells[i], String(text)));
      put(cells[0], "title", new Date(1000 * a.when).toLocaleString());
      for (const i of [1, 2, 3]) put(cells[i], "title", cells[i].textContent);
      put(compare, "aria-pressed", a.pinned ? "true" : "false");
      put(node, "data-pinned", a.pinned ? "true" : null);
    }
    table.hidden = attempts.length === 0;
    noRuns.hidden = attempts.length > 0;
    say(count, attempts.length ? String(attempts.length) : "");
  };

  const hear = (message) => {
    if (message.id !== undefined && message.id !== id) return;
    if (message.kind === "add") add(message.entry);
    else if (message.kind === "attempts") showRuns(message.attempts);
    else if (message.kind === "entries") {
      log.replaceChildren();
      stuck = true;
      add(...message.entries.slice(-MOST_LINES));
    }
  };
  const abilities = () => {
    // a button that is disabled loses the focus, and with it the keys go to the notebook
    put(undo, "aria-disabled", model.get("can_undo") ? null : "true");
    put(redo, "aria-disabled", model.get("can_redo") ? null : "true");
  };
  const height = () => root.style.setProperty("--jwi-height", `${model.get("height")}px`);
  const listened = [
    ["msg:custom", hear], ["change:can_undo", abilities], ["change:can_redo", abilities], ["change:height", height],
  ];
  for (const [event, heard] of listened) model.on(event, heard);
  abilities();
  height();
  showRuns([]);
  open(0);
  model.send({ kind: "ready", id });

  return () => {
    size.disconnect();
    for (const [event, heard] of listened) model.off(event, heard);
  };
}

export default { render };
