// Titles of the plots as a tab list: one is chosen, arrow keys move, the page sees which.
function render({ model, el }) {
  const list = document.createElement("div");
  list.className = "jwi-tabs";
  list.setAttribute("role", "tablist");
  el.append(list);
  let tabs = [];

  function choose(title) {
    model.set("chosen", title);
    model.save_changes();
  }

  function mark() {
    const chosen = model.get("chosen");
    const known = model.get("titles").includes(chosen);
    tabs.forEach((tab, i) => {
      const here = tab.textContent === chosen;
      tab.setAttribute("aria-selected", String(here));
      tab.tabIndex = here || (!known && i === 0) ? 0 : -1;
    });
  }

  function fill() {
    const focused = tabs.indexOf(document.activeElement);
    tabs = model.get("titles").map((title) => {
      const tab = document.createElement("button");
      tab.type = "button";
      tab.className = "jwi-tab";
      tab.setAttribute("role", "tab");
      tab.textContent = title;
      tab.addEventListener("click", () => choose(title));
      return tab;
    });
    list.replaceChildren(...tabs);
    mark();
    if (focused >= 0) tabs.find((tab) => tab.tabIndex === 0)?.focus();
  }

  function label() {
    list.setAttribute("aria-label", model.get("label"));
  }

  function key(event) {
    const at = tabs.indexOf(document.activeElement);
    const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: tabs.length - 1 }[event.key];
    if (at < 0 || to === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    const tab = tabs[(to + tabs.length) % tabs.length];
    tab.focus();
    choose(tab.textContent);
  }

  list.addEventListener("keydown", key);
  model.on("change:titles", fill);
  model.on("change:chosen", mark);
  model.on("change:label", label);
  fill();
  label();
  return () => {
    model.off("change:titles", fill);
    model.off("change:chosen", mark);
    model.off("change:label", label);
  };
}

export default { render };
