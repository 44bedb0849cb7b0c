"""Panels and toolbar in a plain page: the real widgets in Python, a stand-in for the front end.

The page holds what a front end would give a widget's module: a model, and an element. Messages go
straight to the widget and its answers come straight back, so that no kernel is needed.
"""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Annotated, Literal

import pytest

pytest.importorskip("anywidget", reason="the lab extra is not installed")
comm = pytest.importorskip("comm")

from comm.base_comm import BaseComm  # noqa: E402

from jwinteractive.params import Doc, Params, Unit, When, fields_of  # noqa: E402
from jwinteractive.step import registry  # noqa: E402
from jwinteractive_widgets.actions import Actions  # noqa: E402
from jwinteractive_widgets.form import ParamForm  # noqa: E402
from jwinteractive_widgets.journal import JournalView  # noqa: E402
from jwinteractive_widgets.steplist import StepList  # noqa: E402

MODULES = {"form": ParamForm, "steplist": StepList, "journal": JournalView, "actions": Actions}
EVIL = "<script>window.evil = 1</script><img src=x onerror='window.evil = 2'>"
PAGE = """<!doctype html><meta charset="utf-8"><title>chrome</title>
<link rel="icon" href="data:,">
<body style="margin: 0; font-family: sans-serif">
<script type="module">
class Model {
  constructor(name) { this.name = name; this.state = {}; this.heard = {}; this.held = null; }
  get(key) { return this.state[key]; }
  set(key, value) { this.state[key] = value; }
  save_changes() {}
  on(event, act) { (this.heard[event] ??= new Set()).add(act); }
  off(event, act) { this.heard[event]?.delete(act); }
  tell(event, ...args) { for (const act of [...(this.heard[event] ?? [])]) act(...args); }
  take(messages) {
    for (const { method, state, content } of messages) {
      if (method === "custom") this.tell("msg:custom", content, []);
      else {
        Object.assign(this.state, state);
        for (const key of Object.keys(state)) this.tell(`change:${key}`);
      }
    }
  }
  async send(content) {
    this.sent = [...(this.sent ?? []), content];
    window.asking += 1;
    const answers = await window.toPython(this.name, content);
    window.asking -= 1;
    if (this.held) this.held.push(...answers);
    else this.take(answers);
  }
}
window.models = {};
window.asking = 0;
window.views = [];
window.open_view = async (name, module, state, where, width) => {
  const model = (window.models[name] ??= new Model(name));
  Object.assign(model.state, state);
  const sheet = document.createElement("link");
  sheet.rel = "stylesheet";
  sheet.href = `/${module}.css`;
  await new Promise((done) => { sheet.onload = done; document.head.append(sheet); });
  const el = document.createElement("div");
  el.id = `view${window.views.length}`;
  el.style.width = width;
  document.querySelector(where).append(el);
  const { default: widget } = await import(`/${module}.js`);
  window.views.push(widget.render({ model, el }));
};
window.ready = true;
</script>
<div class="jwi-workbench" id="bench"></div><div id="outside" tabindex="0">outside</div>
"""


@pytest.fixture(scope="module")
def address():
    """Serves the page and the modules as the widgets have them."""

    class Served(BaseHTTPRequestHandler):
        def do_GET(self):
            name, _, kind = self.path.strip("/").partition(".")
            widget = MODULES.get(name)
            text = PAGE if widget is None else str(widget._esm if kind == "js" else widget._css)
            types = {"js": "text/javascript", "css": "text/css"}
            self.send_response(200)
            self.send_header("Content-Type", f"{types.get(kind, 'text/html')}; charset=utf-8")
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Served)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}/"
    server.shutdown()
    server.server_close()


class Bench:
    """A page, and the widgets that are open in it."""

    def __init__(self, page, sent):
        self.page, self.sent = page, sent
        self.widgets = {}
        self.read = 0
        page.expose_function("toPython", self.hear)

    def hear(self, name, content):
        data = {"method": "custom", "content": content}
        self.widgets[name]._handle_msg({"content": {"data": data}, "buffers": []})
        return self.answers(name)

    def answers(self, name):
        new, self.sent[:] = list(self.sent), []
        mine = self.widgets[name].comm.comm_id
        assert all(comm_id == mine for comm_id, _ in new)
        return [data for _, data in new]

    def open(self, widget, width="320px", where="#bench", name=None):
        """Display a widget, perhaps once more."""
        module = next(n for n, kind in MODULES.items() if isinstance(widget, kind))
        name = name or module
        self.widgets[name] = widget
        self.sent.clear()
        state = {k: v for k, v in widget.get_state().items() if not k.startswith("_")}
        number = self.page.evaluate("() => window.views.length")
        self.page.evaluate(
            "([n, m, s, at, w]) => window.open_view(n, m, s, at, w)",
            [name, module, json.loads(json.dumps(state)), where, width],
        )
        return self.page.locator(f"#view{number}")

    def push(self, name):
        """Deliver what Python said on its own account."""
        self.page.evaluate(
            "([n, m]) => window.models[n].take(m)",
            [name, json.loads(json.dumps(self.answers(name)))],
        )

    def hold(self, name):
        """Keep the answers of Python back until `release`."""
        self.page.evaluate("n => { window.models[n].held = []; }", name)

    def release(self, name):
        self.page.evaluate(
            "n => { const m = window.models[n], h = m.held; m.held = null; m.take(h); }", name
        )

    def frames(self, n=3):
        """Let the page draw a few frames after Python has answered all."""
        self.page.evaluate(
            """n => new Promise((done) => {
                let left = n;
                const next = () => {
                    left = window.asking ? n : left - 1;
                    if (left < 0) done();
                    else requestAnimationFrame(next);
                };
                next();
            })""",
            n,
        )

    def said(self, name, kind):
        sent = self.page.evaluate("n => window.models[n].sent ?? []", name)
        return [m for m in sent if m["kind"] == kind]


@pytest.fixture
def bench(browser, address, monkeypatch):
    sent = []

    class Recording(BaseComm):
        def publish_msg(self, msg_type, data=None, metadata=None, buffers=None, **keys):
            if msg_type == "comm_msg":
                sent.append((self.comm_id, data))

    monkeypatch.setattr(comm, "create_comm", Recording)
    page = browser.new_page(viewport={"width": 900, "height": 900})
    errors = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda m: errors.append(m.text) if m.type == "error" else None)
    page.goto(address)
    page.wait_for_function("() => window.ready")
    yield Bench(page, sent)
    page.evaluate("() => window.views.forEach((close) => close())")
    page.close()
    assert errors == []


class Knobs:
    """Parameters as a session keeps them, with the form that shows them."""

    def __init__(self, step="jump", **changes):
        self.step = registry[step]
        self.opened = self.params = self.step.params(**changes)
        self.got = []
        self.form = ParamForm(on_set=self.turn, on_commit=self.commit, on_reset=self.reset)
        self.show()

    def show(self, **more):
        fields = self.step.describe()["parameters"]
        values = self.params.as_dict()
        mine = self.params.as_dict().items() - self.opened.as_dict().items()
        origins = {f["name"]: "you" if f["name"] in dict(mine) else "default" for f in fields}
        self.form.show(self.step.name, self.step.summary, fields, values, origins, **more)

    def turn(self, name, value):
        self.got.append(("set", name, value))
        self.params = self.params.replace(**{name: value})
        self.show()

    def commit(self, name, value):
        self.turn(name, value)
        self.got[-1] = ("commit", name, value)

    def reset(self, name):
        self.turn(name, getattr(self.opened, name))
        self.got[-1] = ("reset", name)

    @property
    def value(self):
        return self.params.rejection_threshold


def row(place, name="rejection_threshold"):
    return place.locator(f"[data-name={name}]")


def grab(page, slider, at=0.25):
    """Press the mouse on a slider, at a part of its width."""
    slider.scroll_into_view_if_needed()
    box = slider.bounding_box()
    page.mouse.move(box["x"] + at * box["width"], box["y"] + box["height"] / 2)
    page.mouse.down()
    return box


# -- the panel ------------------------------------------------------------------------------------


def test_a_dragged_slider_sends_its_newest_value_and_only_after_the_answer_to_the_last(bench):
    knobs = Knobs()
    place = bench.open(knobs.form)
    slider, page = row(place).locator("input[type=range]"), bench.page
    bench.hold("form")
    box = grab(page, slider)
    y = box["y"] + box["height"] / 2
    for i in range(12):
        page.mouse.move(box["x"] + box["width"] * (0.3 + 0.03 * i), y)
        bench.frames(2)
    assert len(bench.said("form", "set")) == 1, "the answer to the first has not come"
    bench.release("form")
    bench.frames()
    sets = bench.said("form", "set")
    assert len(sets) == 2
    shown = float(row(place).locator("input[type=text]").input_value())
    assert sets[1]["value"] == shown > sets[0]["value"]
    page.mouse.up()
    bench.frames()
    assert knobs.got[-1] == ("commit", "rejection_threshold", shown)
    assert knobs.value == shown
    assert len(bench.said("form", "commit")) == 1


def test_a_drag_that_ends_is_said_at_once_so_that_a_run_started_then_has_its_value(bench):
    knobs = Knobs()
    place = bench.open(knobs.form)
    bench.hold("form")
    box = grab(bench.page, row(place).get_by_role("slider"), 0.4)
    bench.frames()
    assert len(bench.said("form", "set")) == 1, "and not answered"
    bench.page.mouse.move(box["x"] + 0.6 * box["width"], box["y"] + 5)
    bench.page.mouse.up()
    bench.frames()
    assert len(bench.said("form", "commit")) == 1
    bench.release("form")
    bench.frames()
    assert len(bench.said("form", "set")) == 1, "the last value is not sent twice"


def test_news_from_python_leave_a_drag_the_focus_and_half_typed_text_alone(bench):
    knobs = Knobs()
    place = bench.open(knobs.form)
    page, mine = bench.page, row(place)
    slider = mine.locator("input[type=range]")
    node = slider.element_handle()
    other = row(place, "minimum_groups").locator("input[type=text]")
    box = grab(page, slider, 0.6)
    bench.frames()
    knobs.form.on_set = None
    held = slider.input_value()
    shown = mine.locator("input[type=text]").input_value()
    knobs.params = knobs.params.replace(rejection_threshold=50.0, minimum_groups=7)
    knobs.show(note="something else")
    bench.push("form")
    assert slider.input_value() == held
    assert mine.locator("input[type=text]").input_value() == shown != "50"
    assert other.input_value() == "7"
    assert page.evaluate("n => document.activeElement === n && n.isConnected", node)
    page.mouse.move(box["x"] + 0.7 * box["width"], box["y"] + 5)
    page.mouse.up()
    bench.frames()
    assert float(shown) < knobs.value < 16, "the scale stayed while it was held"

    other.click()
    other.press("Control+a")
    page.keyboard.type("12")
    knobs.params = knobs.params.replace(minimum_groups=9)
    knobs.show()
    bench.push("form")
    assert other.input_value() == "12"
    assert other.evaluate("n => document.activeElement === n")
    other.press("Enter")
    bench.frames()
    assert knobs.got[-1] == ("commit", "minimum_groups", 12)
    assert other.input_value() == "12"


def test_a_value_out_of_range_shows_the_message_of_the_kernel_in_place_and_escape_takes_it_back(
    bench,
):
    knobs = Knobs()
    place = bench.open(knobs.form)
    box, error = row(place).locator("input[type=text]"), row(place).locator(".jwi-error")
    box.fill("2000")
    box.press("Enter")
    bench.frames()
    assert error.inner_text() == "2000.0: must lie in [0, 1000] sigma"
    assert box.get_attribute("aria-invalid") == "true"
    assert box.input_value() == "2000"
    assert knobs.value == 4.0
    box.press("Escape")
    bench.frames()
    assert (error.inner_text(), box.input_value()) == ("", "4")
    box.fill("many")
    box.press("Tab")
    bench.frames()
    assert error.inner_text() == "'many': needs float, got str"
    box.fill("40")
    box.press("Enter")
    bench.frames()
    assert (error.inner_text(), knobs.value) == ("", 40.0)
    slider = row(place).locator("input[type=range]")
    assert int(slider.input_value()) < int(slider.get_attribute("max")), "it reaches further now"


def test_what_the_user_changed_is_marked_and_can_be_reset(bench):
    knobs = Knobs()
    place = bench.open(knobs.form)
    mine = row(place)
    reset = mine.get_by_role("button", name="reset rejection_threshold")
    assert not reset.is_visible()
    mine.locator("input[type=range]").press("ArrowRight")
    bench.frames()
    assert knobs.value == pytest.approx(4.05)
    assert mine.locator(".jwi-badge").inner_text() == "you"
    reset.click()
    bench.frames()
    assert knobs.got[-1] == ("reset", "rejection_threshold")
    assert not reset.is_visible()
    assert mine.locator("input[type=text]").input_value() == "4"
    assert row(place, "flag_4_neighbors").locator(".jwi-usual").inner_text() == "default on"


def test_switches_choices_and_values_that_may_be_missing_travel_with_their_type(bench):
    knobs = Knobs("ramp_fit")
    place = bench.open(knobs.form)
    place.get_by_role("switch", name="suppress_one_group").click()
    row(place, "combine").get_by_text("official", exact=True).click()
    first = row(place, "firstgroup").locator("input")
    assert first.get_attribute("placeholder") == "not set"
    first.fill("2")
    first.press("Enter")
    bench.frames()
    place.get_by_role("button", name="unset firstgroup").click()
    bench.frames()
    assert knobs.got == [
        ("commit", "suppress_one_group", False),
        ("commit", "combine", "official"),
        ("commit", "firstgroup", 2),
        ("commit", "firstgroup", None),
    ]
    assert first.input_value() == ""


class ChoosyParams(Params):
    """Parameters of a step with two methods."""

    method: Annotated[Literal["median", "fft"], Doc("Which.")] = "median"
    width: Annotated[float, When("method", "fft"), Unit("pixel"), Doc("How far.")] = 2.0
    smooth: Annotated[bool, When("method", "fft"), Doc("Whether.")] = False


def test_a_parameter_of_another_method_has_no_control_until_that_method_is_chosen(bench):
    form = ParamForm(on_commit=lambda name, value: show(ChoosyParams(**{name: value})))

    def show(params):
        fields = [f.describe() for f in fields_of(ChoosyParams)]
        form.show("blur", "Smooth.", fields, params.as_dict(), {}, idle=params.idle())

    show(ChoosyParams())
    place = bench.open(form)
    mine, slider = row(place, "width"), row(place, "width").get_by_role("slider")
    assert not slider.is_visible()
    assert row(place, "smooth").get_by_role("switch").is_disabled()
    assert mine.locator(".jwi-usual").inner_text() == "only with method = fft"
    assert "Acts only with method = fft." in mine.locator(".jwi-name").get_attribute("title")
    mine.hover()
    assert "Acts only with method = fft." in place.locator(".jwi-help").inner_text()
    row(place, "method").get_by_text("fft", exact=True).click()
    bench.frames()
    assert slider.is_visible()
    assert row(place, "smooth").get_by_role("switch").is_enabled()
    assert mine.locator(".jwi-usual").inner_text() == "default 2"


def test_a_logarithmic_slider_has_a_zero_and_gives_every_whole_number_to_the_arrow_keys(bench):
    knobs = Knobs()
    place = bench.open(knobs.form)
    size = row(place, "after_jump_flag_dn1").get_by_role("slider")
    for key in ("End", "Home", "ArrowRight"):
        size.press(key)
        bench.frames()
    assert [value for kind, _, value in knobs.got if kind == "commit"] == [1e6, 0, 1]
    groups = row(place, "minimum_groups")
    groups.locator("input[type=text]").fill("9000")
    groups.locator("input[type=text]").press("Enter")
    bench.frames()
    slider = groups.get_by_role("slider")
    for key in ("Home", "ArrowRight", "ArrowRight"):
        slider.press(key)
        bench.frames()
    assert knobs.got[-1] == ("commit", "minimum_groups", 5)


def test_help_is_shown_for_what_has_the_focus_and_many_parameters_can_be_filtered(bench):
    knobs = Knobs()
    place = bench.open(knobs.form)
    slider = row(place).get_by_role("slider")
    slider.focus()
    said = "Deviation that makes a difference a jump. 0 to 1000 sigma. Default 4."
    assert said in place.locator(".jwi-help").inner_text()
    described = slider.get_attribute("aria-describedby").split()[0]
    assert said in bench.page.locator(f"#{described}").text_content()
    assert slider.get_attribute("aria-valuetext") == "4 sigma"
    place.get_by_role("searchbox", name="filter parameters").fill("after time")
    assert place.locator(".jwi-row:visible").count() == 2
    few = Knobs("ramp_fit")
    other = bench.open(few.form, name="few")
    assert not other.get_by_role("searchbox").is_visible()


def test_two_displays_of_one_form_follow_each_other(bench):
    knobs = Knobs()
    first, second = bench.open(knobs.form), bench.open(knobs.form)
    row(first).locator("input[type=text]").fill("7")
    row(first).locator("input[type=text]").press("Enter")
    bench.frames()
    assert row(second).locator("input[type=text]").input_value() == "7"
    grab(bench.page, row(second).locator("input[type=range]"), 0.1)
    bench.page.mouse.up()
    bench.frames()
    assert row(first).locator("input[type=text]").input_value() == f"{knobs.value:g}"


# -- the list of steps ----------------------------------------------------------------------------

STEPS = [
    {"step": "input", "state": "fresh"},
    {"step": "refpix", "state": "failed", "why": f"refpix failed: {EVIL}", "enabled": True},
    {"step": "linearity", "state": "skipped", "why": "switched off", "enabled": False},
    {"step": "jump", "state": "stale", "edited": ["minimum_groups"], "origin": "you",
     "seconds": 1.5, "enabled": True},
]  # fmt: skip


@pytest.fixture
def steps(bench):
    got = []
    widget = StepList(
        on_choose=lambda s: got.append(("choose", s)),
        on_enable=lambda s, on: got.append(("enable", s, on)),
        on_run=lambda s: got.append(("run", s)),
    )
    widget.show(STEPS, "input", "jump")
    return widget, got, bench.open(widget, "200px")


def test_arrow_keys_walk_through_the_steps_and_space_and_enter_switch_and_run(bench, steps):
    _, got, place = steps
    keys = bench.page.keyboard
    place.get_by_role("option", name="input").click()
    for key in ("ArrowDown", "End", " ", "Shift+Enter", "ArrowDown", "Home"):
        keys.press(key)
        bench.frames(1)
    assert got == [
        ("choose", "refpix"),
        ("choose", "jump"),
        ("enable", "jump", False),
        ("run", "jump"),
        ("choose", "input"),
    ]
    chosen = place.get_by_role("option", selected=True)
    assert chosen.count() == 1
    assert chosen.get_attribute("data-step") == "input"
    assert chosen.evaluate("n => document.activeElement === n && n.tabIndex === 0")
    assert place.locator("[tabindex='0']").count() == 1


def test_a_step_says_how_it_stands_in_words_and_to_screen_readers(bench, steps):
    _, _, place = steps
    jump = place.locator("[data-step=jump]")
    assert jump.locator(".jwi-step-line").inner_text().split("\n") == ["stale 1.5 s", "1 changed"]
    said = "jump, stale 1.5 s, 1 changed by you, shown in the viewer, switched on"
    assert jump.get_attribute("aria-label") == said
    assert place.locator("[data-step=refpix]").get_attribute("title") == STEPS[1]["why"]
    assert place.locator(".jwi-step-shown:visible").count() == 1
    assert "skipped: switched off" in place.locator("[data-step=linearity]").inner_text()


def test_the_pointer_switches_and_runs_steps_and_a_switch_that_was_not_taken_goes_back(
    bench, steps
):
    _, got, place = steps
    place.locator("[data-step=jump]").hover()
    place.locator("[data-step=jump] .jwi-step-run").click()
    box = place.locator("[data-step=jump] .jwi-step-on")
    box.click()
    bench.frames()
    assert got == [("run", "jump"), ("enable", "jump", False)]
    assert box.is_checked(), "Python did not say that it is off"


def test_progress_draws_a_bar_until_the_step_is_done(bench, steps):
    widget, _, place = steps
    bar = place.locator("[data-step=jump] .jwi-bar")
    widget.progress("jump", 0.42, 31.0)
    bench.push("steplist")
    assert bar.is_visible()
    line = place.locator("[data-step=jump] .jwi-step-line").inner_text()
    assert line.split("\n") == ["running 42 %", "31 s left"]
    widget.show([*STEPS[:3], {**STEPS[3], "state": "fresh"}], "input", "jump")
    bench.push("steplist")
    assert not bar.is_visible()
    assert "fresh" in place.locator("[data-step=jump]").inner_text()


# -- the journal ----------------------------------------------------------------------------------


def entries(n):
    return [{"when": 1.7e9 + i, "kind": "edit", "text": f"line {i} {EVIL}"} for i in range(n)]


def test_the_log_follows_the_newest_line_unless_somebody_scrolled_up(bench):
    journal = JournalView()
    journal.show(entries(40), [])
    place = bench.open(journal, "600px")
    log = place.get_by_role("log")
    bench.frames()
    below = "n => n.scrollHeight - n.scrollTop - n.clientHeight"
    assert log.evaluate(below) < 2
    journal.add(entries(41)[-1])
    bench.push("journal")
    bench.frames()
    assert log.locator(".jwi-entry").count() == 41
    assert log.evaluate(below) < 2
    log.evaluate("n => { n.scrollTop = 10; }")
    bench.frames()
    journal.add(entries(42)[-1])
    bench.push("journal")
    bench.frames()
    assert log.evaluate("n => n.scrollTop") == 10
    assert bench.page.evaluate("() => window.evil") is None
    assert EVIL in log.locator(".jwi-entry").last.inner_text()


def test_runs_are_brought_back_and_compared_and_undo_is_there_when_it_can_be(bench):
    got = []
    journal = JournalView(
        can_undo=True,
        on_undo=lambda: got.append("undo"),
        on_restore=lambda n: got.append(("restore", n)),
        on_compare=lambda n: got.append(("compare", n)),
    )
    run = {"step": "jump", "exposure": EVIL, "text": "first run", "seconds": 0.2, "when": 1.7e9}
    runs = [{"number": n, "pinned": n == 2, **run} for n in (1, 2)]
    journal.show([], runs)
    place = bench.open(journal, "600px")
    place.get_by_role("button", name="undo").click()
    assert place.get_by_role("button", name="redo").is_disabled()
    place.get_by_role("tab", name="Log").focus()
    bench.page.keyboard.press("ArrowRight")
    rows = place.locator("tbody tr")
    assert [r.get_attribute("data-number") for r in rows.all()] == ["2", "1"]
    assert EVIL in rows.first.inner_text()
    place.get_by_role("button", name="bring back the parameters: run 1").click()
    place.get_by_role("button", name="with it: run 2", pressed=True).click()
    bench.frames()
    assert got == ["undo", ("restore", 1), ("compare", 2)]
    assert place.get_by_role("log").count() == 0, "only the chosen tab is there"


# -- toolbar and keyboard -------------------------------------------------------------------------

BAR = [
    {"id": "run", "kind": "button", "label": "Run", "icon": "run", "shortcut": "r"},
    {"id": "stop", "kind": "button", "label": "Stop", "icon": "stop", "shortcut": "s",
     "disabled": True},
    {"id": "gap", "kind": "spacer"},
    {"id": "blink", "kind": "toggle", "label": "Blink", "icon": "blink", "value": False,
     "shortcut": "b"},
    {"id": "mode", "kind": "select", "label": "compare", "options": ["off", "split"],
     "value": "off"},
    {"id": "state", "kind": "text", "value": EVIL},
]  # fmt: skip


@pytest.fixture
def toolbar(bench):
    got = []
    actions = Actions(on_do=lambda *a: got.append(a))
    actions.show(BAR, {"ArrowRight": "next", " ": "play"}, {"next": "next group"})
    bench.page.evaluate(
        "() => { window.escaped = []; document.addEventListener('keydown',"
        " (e) => window.escaped.push(e.key)); }"
    )
    return actions, got, bench.open(actions, "800px")


def test_buttons_toggles_and_selects_call_back_with_their_value(bench, toolbar):
    actions, got, place = toolbar
    place.get_by_role("button", name="Run").click()
    place.get_by_role("button", name="Blink", pressed=False).click()
    place.get_by_role("combobox", name="compare").select_option("split")
    bench.frames()
    assert got == [("run", None), ("blink", True), ("mode", "split")]
    assert place.get_by_role("combobox").evaluate("n => n.value") == "off", "Python did not take it"
    actions.show([*BAR[:3], {**BAR[3], "value": True}, {**BAR[4], "value": "split"}, BAR[5]])
    bench.push("actions")
    assert place.get_by_role("button", name="Blink", pressed=True).count() == 1
    assert place.get_by_role("combobox").evaluate("n => n.value") == "split"
    assert place.get_by_text(EVIL).count() == 1


def test_keys_act_inside_the_workbench_only_and_none_gets_out_to_the_notebook(bench, toolbar):
    _, got, place = toolbar
    knobs = Knobs()
    form = bench.open(knobs.form)
    keys = bench.page.keyboard
    run = place.get_by_role("button", name="Run")
    run.focus()
    for key in ("b", "ArrowRight", "s", "x", "z", "a", "d", "d", "Shift+M"):
        keys.press(key)
    bench.frames()
    assert got == [("blink", True), ("next", None)], "s is disabled, the others mean nothing"
    keys.press(" ")  # that of the button, not "play"
    bench.frames()
    assert got[2:] == [("run", None)]
    row(form).locator("input[type=text]").focus()
    keys.press("b")
    row(form).locator("input[type=range]").focus()
    keys.press("ArrowRight")
    bench.frames()
    assert got[3:] == [], "fields and sliders keep the keys that they need"
    keys.press("b")
    bench.frames()
    assert got[3:] == [("blink", True)]
    place.get_by_text(EVIL).click()  # where nothing can have the focus
    keys.press("r")
    bench.frames()
    assert got[4:] == [("run", None)]
    assert bench.page.evaluate("() => window.escaped") == []
    keys.press("Control+b")
    bench.frames()
    assert got[5:] == []
    assert "b" in bench.page.evaluate("() => window.escaped")
    bench.page.locator("#outside").focus()
    keys.press("b")
    bench.frames()
    assert got[5:] == []


def test_a_question_mark_lists_the_keys_and_escape_goes_back(bench, toolbar):
    _, got, place = toolbar
    run = place.get_by_role("button", name="Run")
    run.focus()
    bench.page.keyboard.press("?")
    dialog = place.get_by_role("dialog", name="Keys")
    lines = [r.inner_text().split("\t") for r in dialog.locator("tr").all()]
    assert ["→", "next group"] in [[part.strip() for part in line] for line in lines]
    for key in ("Tab", "Tab", "Shift+Tab"):
        bench.page.keyboard.press(key)
        assert dialog.evaluate("n => n.contains(document.activeElement)")
    bench.page.keyboard.press("b")
    bench.page.keyboard.press("Escape")
    assert not dialog.is_visible()
    assert run.evaluate("n => document.activeElement === n")
    assert got == []
    assert bench.page.evaluate("() => window.escaped") == []


def test_a_narrow_toolbar_keeps_its_names_for_screen_readers(bench):
    actions = Actions()
    actions.show(BAR)
    place = bench.open(actions, "240px")
    bench.frames()
    run = place.get_by_role("button", name="Run")
    assert run.inner_text() == ""
    assert run.is_visible()
    assert place.evaluate("n => n.scrollWidth <= n.clientWidth")


# -- in JupyterLab --------------------------------------------------------------------------------

CELL = """
import ipywidgets
from jwinteractive_widgets.actions import Actions
from jwinteractive_widgets.form import ParamForm
from jwinteractive.step import registry
heard = ipywidgets.Label("heard:")
def do(name, value):
    heard.value += " " + name
jump = registry["jump"]
form = ParamForm()
form.show("jump", jump.summary, jump.describe()["parameters"], jump.params().as_dict(), {})
actions = Actions(on_do=do)
actions.show([{"id": "blink", "kind": "button", "label": "Blink", "shortcut": "b"}])
bench = ipywidgets.VBox([actions, heard, form])
bench.add_class("jwi-workbench")
bench
"""
CELLS = """() => JSON.stringify(window.jupyterapp.shell.currentWidget.content.model.toJSON().cells
    .map((c) => [c.cell_type, c.source]))"""


def test_keys_in_a_workbench_change_no_cell_of_the_notebook_around_it(lab):
    page = lab.page
    run = "([c, a]) => window.jupyterapp.commands.execute(c, a ?? {})"
    page.evaluate(run, ["notebook:insert-cell-above", None])
    page.evaluate(run, ["notebook:replace-selection", {"text": CELL}])
    page.evaluate(run, ["notebook:run-cell", None])
    blink = page.get_by_role("button", name="Blink")
    blink.click()
    page.get_by_text("heard: blink").wait_for()
    before = page.evaluate(CELLS)
    index = "() => window.jupyterapp.shell.currentWidget.content.activeCellIndex"
    active = page.evaluate(index)
    for key in ("b", "a", "x", "d", "d", "z", "Shift+M", "y", "1", "ArrowDown", "Enter"):
        page.keyboard.press(key)
    page.get_by_text("heard: blink blink blink").wait_for()  # click, b and Enter on the button
    slider = page.locator("[data-name=rejection_threshold] input[type=range]")
    slider.focus()
    for key in ("ArrowUp", "ArrowUp", "a", "x", "d", "d"):
        page.keyboard.press(key)
    switch = page.get_by_role("switch", name="flag_4_neighbors")
    switch.focus()
    for key in (" ", "a", "x"):
        page.keyboard.press(key)
    page.get_by_text("heard: blink").click()
    for key in ("a", "x", "b"):
        page.keyboard.press(key)
    page.get_by_text("heard: blink blink blink blink").wait_for()
    assert page.evaluate(CELLS) == before
    assert page.evaluate(index) == active
    assert blink.is_visible()
    assert not switch.is_checked()
    assert slider.evaluate("n => Number(n.value)") > 80
