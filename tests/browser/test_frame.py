"""The frame viewer in a bare page: Python's half and the browser's, joined without a kernel."""

import numpy as np
import pytest

pytest.importorskip("anywidget", reason="the lab extra is not installed")

from jwinteractive import dq
from jwinteractive.data import Box
from jwinteractive.look import DRAWN
from jwinteractive.views import FLAG_COLOURS, Ellipse, Frame
from jwinteractive_widgets.frame import COLOURS, FrameView


def table(view, name):
    at = list(COLOURS).index(name)
    return np.frombuffer(view.tables, np.uint8).reshape(-1, 256, 3)[at].astype(int)


def a_view(data, **keys):
    """View of a small frame with linear colours from 0 to 255."""
    flags = keys.pop("dq", None)
    view = FrameView(stretch="linear", cuts="by hand", limits=[0.0, 255.0], colours="grey", **keys)
    view.show(Frame(title="rate", data=data, unit="DN/s", dq=flags))
    return view


def ramp():
    """Values 0 to 255, each its own colour, in a 16 x 16 frame."""
    return np.arange(256, dtype=np.float32).reshape(16, 16)


def near(colour, wanted, by=2):
    return np.abs(np.subtract(colour, wanted)).max() <= by


def choose(joined, label, value):
    joined.page.get_by_label(label, exact=True).select_option(value)


def drag(joined, start, end, shift=False):
    mouse = joined.page.mouse
    if shift:
        joined.page.keyboard.down("Shift")
    mouse.move(*joined.at(*start))
    mouse.down()
    mouse.move(*joined.at(*np.mean([start, end], axis=0)))
    mouse.move(*joined.at(*end))
    mouse.up()
    if shift:
        joined.page.keyboard.up("Shift")


def test_values_get_their_colours_and_nan_gets_none(joined):
    data = ramp()
    data[3, 3] = np.nan
    view = a_view(data)
    joined.join(view)
    joined.wait("counted", 1)
    grey = table(view, "grey")
    for y, x in ((0, 0), (15, 15), (15, 0), (7, 9)):
        assert near(joined.colour(x, y), grey[16 * y + x])
    nan = joined.colour(3, 3)
    assert nan == (0xBD, 0xBD, 0xBD)


def test_a_new_stretch_and_new_colours_repaint_without_an_answer_from_python(joined):
    view = a_view(ramp())
    joined.join(view)
    joined.settle()
    asked = len(joined.kinds("view"))
    joined.page.evaluate("() => { window.toPython = () => new Promise(() => {}); }")
    drawn = joined.count("drawn")
    choose(joined, "stretch", "sqrt")
    joined.wait("drawn", drawn + 1)
    grey = table(view, "grey")
    assert near(joined.colour(0, 4), grey[128])  # value 64: half way in a square root
    drawn = joined.count("drawn")
    choose(joined, "colours", "viridis")
    joined.wait("drawn", drawn + 1)
    assert near(joined.colour(0, 4), table(view, "viridis")[128])
    assert len(joined.kinds("view")) == asked


def test_style_comes_back_to_python(joined):
    heard = []
    view = a_view(ramp(), on_style=heard.append)
    joined.join(view)
    joined.settle()
    choose(joined, "stretch", "log")
    choose(joined, "cuts", "min to max")
    limit = joined.page.get_by_label("upper limit")
    limit.fill("77")
    limit.press("Enter")
    joined.page.get_by_label("draw HOT").check(force=True)
    joined.settle()
    merged = {k: v for changes in heard for k, v in changes.items()}
    assert merged["stretch"] == view.stretch == "log"
    assert merged["cuts"] == "by hand"
    assert merged["limits"] == (pytest.approx(0), 77)
    assert merged["masks"] == dict.fromkeys((*DRAWN, "HOT"), 0.8)


def rgb(flag):
    return np.array([int(FLAG_COLOURS[flag][i : i + 2], 16) for i in (1, 3, 5)])


def test_masks_blend_over_the_picture_the_first_on_top_and_can_be_put_off(joined):
    flags = np.zeros((16, 16), np.uint32)
    flags[8, 4] = dq.JUMP_DET
    flags[8, 6] = dq.JUMP_DET | dq.DO_NOT_USE
    flags[8, 8] = dq.REFERENCE_PIXEL
    view = a_view(np.full((16, 16), 100, np.float32), dq=flags)
    joined.join(view)
    joined.wait("counted", 1)
    ground, jump, bad = 100.0, rgb("JUMP_DET"), rgb("DO_NOT_USE")
    assert near(joined.colour(4, 8), 0.8 * jump + 0.2 * ground)
    assert near(joined.colour(6, 8), 0.8 * jump + 0.2 * (0.8 * bad + 0.2 * ground))
    assert near(joined.colour(8, 8), (100, 100, 100))
    chip = joined.page.locator(".jwi-chip[data-flag=JUMP_DET]")
    assert chip.locator(".jwi-count").inner_text() == "2"
    drawn = joined.count("drawn")
    chip.locator("input[type=checkbox]").uncheck(force=True)
    joined.wait("drawn", drawn + 1)
    assert near(joined.colour(4, 8), (100, 100, 100))
    assert near(joined.colour(6, 8), 0.8 * bad + 0.2 * ground)
    joined.page.get_by_text("more flags (1 in view)").click()
    joined.page.get_by_label("draw REFERENCE_PIXEL").check(force=True)
    joined.settle()
    assert not near(joined.colour(8, 8), (100, 100, 100))
    drawn = joined.count("drawn")
    view.masks = [{**m, "on": False} for m in view.masks]
    joined.push()
    joined.wait("drawn", drawn + 1)
    assert near(joined.colour(6, 8), (100, 100, 100))


@pytest.mark.parametrize(("cuts", "ends"), [("98 %", (1, 99)), ("99.5 %", (0.25, 99.75))])
def test_percentiles_of_what_is_in_view_equal_numpys_within_a_code(joined, cuts, ends):
    rng = np.random.default_rng(8)
    data = (rng.normal(size=(301, 301)) ** 3).astype(np.float32)
    data[5, 7] = np.nan
    data[9, 9] = 1e6
    view = a_view(data)
    joined.join(view)
    joined.wait("counted", 1)
    choose(joined, "cuts", cuts)
    joined.settle()
    wanted = np.nanpercentile(data, ends)
    assert np.allclose(view.limits, wanted, rtol=1e-3)
    choose(joined, "cuts", "min to max")
    joined.settle()
    assert np.allclose(view.limits, [np.nanmin(data), 1e6], rtol=1e-3)


def test_zscale_in_the_browser_agrees_with_astropys(joined):
    from astropy.visualization import ZScaleInterval

    data = np.random.default_rng(9).normal(5, 2, (200, 200)).astype(np.float32)
    data[:3] = 1e4
    view = a_view(data)
    joined.join(view)
    joined.wait("counted", 1)
    choose(joined, "cuts", "zscale")
    joined.settle()
    low, high = ZScaleInterval().get_limits(data)
    assert view.limits[0] == pytest.approx(low, abs=1)  # where the sample ends
    assert view.limits[1] == pytest.approx(high, rel=0.05)


def test_wheel_and_drag_move_the_viewport_and_double_click_shows_all(joined):
    heard = []
    view = a_view(ramp(), on_window=lambda *window: heard.append(window))
    joined.join(view)
    joined.settle()
    assert heard == []
    joined.page.mouse.move(*joined.at(4, 4))
    joined.page.mouse.wheel(0, -600)
    joined.settle()
    x0, y0, x1, _ = heard[-1]
    wide = 16 * np.exp(-0.9)
    assert x1 - x0 == pytest.approx(wide, rel=0.02)
    assert (4.5 - x0) / (x1 - x0) == pytest.approx(4.5 / 16, abs=0.01)
    drag(joined, (8, 8), (10, 8))
    joined.settle()
    assert heard[-1][0] == pytest.approx(x0 - 2 * wide / 16, abs=0.05)
    assert heard[-1][1] == pytest.approx(y0, abs=0.05)
    assert view.window != []
    joined.page.mouse.dblclick(*joined.at(8, 8))
    joined.settle()
    assert heard[-1] == pytest.approx((0, 0, 16, 16))
    assert view.window == []


def test_a_fast_pan_tells_python_the_last_place(joined):
    heard = []
    view = a_view(ramp(), on_window=lambda *window: heard.append(window))
    joined.join(view)
    joined.settle()
    joined.page.mouse.move(*joined.at(8, 8))
    for _ in range(40):
        joined.page.mouse.wheel(0, -20)
    joined.settle()
    assert len(heard) < 40
    x0, _, x1, _ = heard[-1]
    assert x1 - x0 == pytest.approx(16 * np.exp(-0.0015 * 800), rel=0.02)


def test_boxes_and_lines_are_drawn_with_the_mouse_and_escape_clears(joined):
    boxes, lines, moves = [], [], []
    view = a_view(
        ramp(),
        on_box=boxes.append,
        on_line=lambda *ends: lines.append(ends),
        on_window=lambda *window: moves.append(window),
    )
    joined.join(view)
    joined.settle()
    drag(joined, (2, 3), (6, 9), shift=True)
    joined.settle()
    assert boxes == [Box(3, 10, 2, 7)]
    assert view.region == [2, 3, 7, 10]
    joined.page.get_by_label("drag selects a box", exact=True).click()
    drag(joined, (9, 9), (4, 4))
    joined.page.get_by_label("drag draws a line for a profile").click()
    drag(joined, (1, 2), (12, 13))
    joined.settle()
    assert boxes[-1] == Box(4, 10, 4, 10)
    assert lines == [((2, 1), (13, 12))]
    assert view.tool == "line"
    joined.page.keyboard.press("Escape")
    joined.settle()
    assert boxes[-1] is None
    assert view.region == view.line == moves == []


def test_click_and_arrow_keys_pick_and_other_keys_go_on(joined):
    picks = []
    view = a_view(ramp(), on_pick=lambda *at: picks.append(at))
    joined.join(view)
    joined.settle()
    joined.page.evaluate(
        "() => { window.keys = ''; addEventListener('keydown', (e) => { window.keys += e.key; }); }"
    )
    joined.page.mouse.click(*joined.at(5, 7))
    joined.settle()
    for key in ("ArrowRight", "ArrowUp", "Shift+ArrowLeft", "g"):
        joined.page.keyboard.press(key)
        joined.settle()
    assert picks == [(7, 5), (7, 6), (8, 6), (8, 0)]
    assert view.cursor == [0, 8]
    assert joined.page.evaluate("() => window.keys") == "Shiftg"
    assert joined.page.locator(".jwi-exact").inner_text().startswith("128 DN/s")


def test_zoom_by_keyboard(joined):
    heard = []
    view = a_view(ramp(), on_window=lambda *window: heard.append(window))
    joined.join(view)
    joined.settle()
    joined.page.locator(".jwi-canvas").focus()
    joined.page.keyboard.press("+")
    joined.settle()
    assert heard[-1][2] - heard[-1][0] == pytest.approx(12.8)
    joined.page.keyboard.press("-")
    joined.page.keyboard.press("0")
    joined.settle()
    assert heard[-1] == pytest.approx((0, 0, 16, 16))


def test_two_fingers_zoom_and_one_pans(joined):
    heard = []
    view = a_view(ramp(), on_window=lambda *window: heard.append(window))
    joined.join(view)
    joined.settle()
    touch = joined.page.context.new_cdp_session(joined.page)

    def fingers(kind, *points):
        some = [{"x": x, "y": y, "id": i} for i, (x, y) in enumerate(points)]
        touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": some})

    (x, y), (far, _) = joined.at(7, 8), joined.at(9, 8)
    reach = far - x
    fingers("touchStart", (x, y), (far, y))
    fingers("touchMove", (x - reach / 2, y), (far + reach / 2, y))
    fingers("touchEnd")
    joined.settle()
    x0, _, x1, _ = heard[-1]
    assert x1 - x0 == pytest.approx(8, rel=0.03)
    fingers("touchStart", (x, y))
    fingers("touchMove", (x + reach, y))
    fingers("touchEnd")
    joined.settle()
    assert heard[-1][0] == pytest.approx(x0 - 1, abs=0.05)


def test_blink_and_split_show_a_and_b(joined):
    view = a_view(np.full((16, 16), 200, np.float32), labels=["pinned", "now"])
    joined.join(view)
    joined.settle()
    assert not joined.page.get_by_text("compare").is_visible()
    now, pinned = view.frame, Frame(title="rate", data=np.full((16, 16), 50.0), unit="DN/s")
    joined.show(now, other=pinned)
    joined.settle()
    assert near(joined.colour(2, 8), (200, 200, 200))
    joined.page.get_by_text("split", exact=True).click()
    joined.settle()
    assert near(joined.colour(2, 8), (50, 50, 50))
    assert near(joined.colour(13, 8), (200, 200, 200))
    x, y = joined.at(7.5, 4)
    joined.page.mouse.move(x, y)
    joined.page.mouse.down()
    joined.page.mouse.move(x - 100, y)
    joined.page.mouse.move(x - 200, y)
    joined.page.mouse.up()
    joined.settle()
    assert near(joined.colour(6, 8), (200, 200, 200))
    assert view.split == pytest.approx(0.5 - 200 / 620, abs=0.01)
    joined.page.get_by_text("blink", exact=True).click()
    for side, value in (("a", 50), ("b", 200), ("a", 50)):
        joined.page.wait_for_function(
            """([side, value]) => {
                 const c = document.querySelector('.jwi-canvas');
                 const d = c.getContext('2d').getImageData(20, 20, 1, 1).data[0];
                 const badge = document.querySelector(`.jwi-side.jwi-${side}`);
                 return Math.abs(d - value) < 3 && !badge.hidden; }""",
            arg=[side, value],
        )
    joined.page.get_by_text("off", exact=True).click()
    joined.settle()
    assert view.compare == "off"
    assert near(joined.colour(2, 8), (200, 200, 200))


def test_a_box_of_new_pixels_lies_on_the_dimmed_old_ones(joined):
    view = a_view(np.full((16, 16), 200, np.float32))
    joined.join(view)
    joined.settle()
    box = Box(4, 12, 4, 12)
    part = Frame(title="rate", data=np.full((8, 8), 50.0), unit="DN/s", box=box, shape=(16, 16))
    joined.show(part, note="preview, refpix model held")
    joined.settle()
    assert near(joined.colour(8, 8), (50, 50, 50))
    dimmed = 0.55 * 200 + 0.45 * 0xEE
    assert near(joined.colour(1, 1), (dimmed,) * 3)
    assert joined.page.locator(".jwi-note").inner_text() == "preview, refpix model held"
    assert joined.page.locator(".jwi-frame").get_attribute("data-note").startswith("preview")
    joined.show(part, source="another exposure")
    joined.settle()
    assert near(joined.colour(8, 8), (50, 50, 50))
    assert not near(joined.colour(1, 1), (dimmed,) * 3, by=10)


def test_a_difference_is_drawn_in_diverging_colours(joined):
    view = a_view(ramp())
    joined.join(view)
    joined.settle()
    data = np.linspace(-3, 3, 255).repeat(2)[:256].reshape(16, 16).astype(np.float32)
    data[8, 8] = 0
    joined.show(Frame(title="change", data=data, unit="DN/s", diverging=True), limits=(-3.0, 3.0))
    joined.settle()
    colours = table(view, "blue to red")
    assert near(joined.colour(8, 8), colours[128], by=3)
    assert near(joined.colour(0, 0), colours[0], by=3)
    assert joined.page.get_by_label("colours", exact=True).is_disabled()


def test_an_axis_is_turned_by_its_slider_and_plays(joined):
    heard = []
    axes = [{"name": "group", "size": 4, "index": 1, "label": "group"}]
    view = a_view(ramp(), axes=axes)

    def turn(name, index):
        heard.append((name, index))
        view.show(view.frame)

    view._on["axis"] = turn
    joined.join(view)
    joined.settle()
    assert joined.page.get_by_text("group 2 of 4").is_visible()
    joined.page.get_by_label("group", exact=True).press("ArrowRight")
    joined.page.get_by_text("group 3 of 4").wait_for()
    joined.settle()
    assert heard == [("group", 2)]
    joined.page.get_by_label("play group").click()
    joined.page.get_by_text("group 4 of 4").wait_for()
    joined.page.get_by_text("group 1 of 4").wait_for()
    joined.page.get_by_label("pause group").click()
    joined.settle()
    assert heard[1:3] == [("group", 3), ("group", 0)]


def test_markup_in_labels_stays_text(joined):
    evil = "<script>window.broken = 1</script><img src=x onerror='window.broken = 2'>"
    axes = [{"name": evil, "size": 4, "index": 1, "label": evil}]
    view = a_view(ramp(), axes=axes, labels=[evil, evil], label=evil, read_out=lambda y, x: evil)
    joined.join(view)
    frame = Frame(title=evil, data=ramp(), unit=evil)
    joined.show(frame, other=frame, note=evil, source=evil)
    view.compare = "split"
    joined.push()
    joined.page.mouse.move(*joined.at(5, 5))
    joined.settle()
    assert joined.page.locator(".jwi-note").inner_text() == evil
    assert evil in joined.page.locator(".jwi-exact").inner_text()
    assert joined.page.locator(".jwi-frame img, .jwi-frame script").count() == 0
    assert joined.page.evaluate("() => window.broken") is None


def test_the_picture_is_saved_as_png(joined):
    from io import BytesIO

    from PIL import Image

    view = a_view(ramp())
    joined.join(view)
    joined.wait("counted", 1)
    view.save_png("jump.png")
    with joined.page.expect_download() as waiting:
        joined.push()
    download = waiting.value
    assert download.suggested_filename == "jump.png"
    picture = Image.open(BytesIO(download.path().read_bytes()))
    wide = joined.page.evaluate("() => document.querySelector('.jwi-canvas').width")
    assert picture.width == wide
    assert picture.height > wide
    assert near(picture.convert("RGB").getpixel((wide - 5, 40)), (255, 255, 255))


def test_python_moves_the_view_without_hearing_of_it_again(joined):
    heard = []
    view = a_view(ramp(), on_window=lambda *window: heard.append(window))
    joined.join(view)
    joined.settle()
    view.go_to((2, 2, 6, 6))
    joined.push()
    joined.settle()
    assert view.viewport == pytest.approx((2, 2, 6, 6))
    view.fit()
    joined.push()
    joined.settle()
    assert view.viewport == pytest.approx((0, 0, 16, 16))
    assert heard == []


def test_a_narrower_page_asks_for_fewer_pixels_and_leaving_says_goodbye(joined):
    view = a_view(ramp())
    joined.join(view)
    joined.settle()
    joined.page.set_viewport_size({"width": 420, "height": 800})
    joined.settle()
    assert joined.kinds("view")[-1]["size"] == [400, 400]
    joined.page.evaluate("() => { window.stop(); window.stop = null; }")
    joined.page.wait_for_function("() => true")
    assert joined.said[-1]["kind"] == "gone"
    assert view._views == {}


# -- ellipses -------------------------------------------------------------------------------------


class Rings:
    """A step whose ellipses follow what a person does, as a session would have it."""

    def __init__(self, joined, *marks):
        self.joined, self.marks, self.heard = joined, list(marks), []
        self.begun = None
        self.view = a_view(np.full((64, 64), 40, np.float32), on_mark=self.change)
        self.show()
        joined.join(self.view)
        joined.settle()

    def show(self):
        frame = Frame(title="rings", data=self.view.frame.data, marks=tuple(self.marks))
        self.view.show(frame, editable=True)

    def change(self, old, new, rest):
        self.heard.append((old, new, rest))
        first = self.begun if self.begun is not None else list(self.marks)
        self.begun = None if rest else first
        self.marks = [m for m in first if m != old] + ([new] if new else [])
        self.show()

    def ink(self, x, y):
        """Whether something is drawn over the frame at data place (x, y)."""
        ny, nx = self.view.frame.full_shape
        return (
            self.joined.page.evaluate(
                """([u, v]) => { const c = document.querySelector('.jwi-marks');
                 const at = [Math.floor(u * c.width), Math.floor(v * c.height)];
                 return c.getContext('2d').getImageData(at[0] - 1, at[1] - 1, 3, 3).data
                   .filter((_, i) => i % 4 === 3).some((a) => a > 0); }""",
                [(x + 0.5) / nx, 1 - (y + 0.5) / ny],
            )
        )  # fmt: skip

    @property
    def final(self):
        return [(old, new) for old, new, rest in self.heard if rest]


RING = Ellipse(y=30.0, x=30.0, a=12.0, b=6.0, angle=0.0, label="a ring", name="r1")


def test_ellipses_are_drawn_where_they_are_and_named_under_the_pointer(joined):
    turned = Ellipse(y=50.0, x=20.0, a=10.0, b=3.0, angle=90.0, label="upright", kind="core")
    rings = Rings(joined, RING, turned)
    for x, y in ((42, 30), (18, 30), (30, 36), (30, 24), (20, 60), (23, 50)):
        assert rings.ink(x, y), (x, y)
    for x, y in ((30, 30), (42, 36), (30, 50), (45, 30)):
        assert not rings.ink(x, y), (x, y)
    tip = joined.page.locator(".jwi-tip")
    assert not tip.is_visible()
    joined.page.mouse.move(*joined.at(30, 36))
    joined.settle()
    assert tip.inner_text() == "a ring"
    joined.page.get_by_text("2 ellipses").click()
    names = joined.page.get_by_role("group", name="ellipses", exact=True).get_by_role("button")
    assert names.all_inner_texts() == ["a ring · x 30, y 30", "upright · x 20, y 50"]


def test_the_middle_of_an_ellipse_moves_it_and_its_handles_resize_and_turn_it(joined):
    rings = Rings(joined, RING)
    drag(joined, (30, 30), (36, 33))
    joined.settle()
    old, moved = rings.final[-1]
    assert old == RING
    assert (moved.x, moved.y) == (pytest.approx(36, abs=0.2), pytest.approx(33, abs=0.2))
    assert (moved.a, moved.b, moved.name) == (12, 6, "r1")
    assert len(rings.heard) > 1, "it follows while it is dragged"
    drag(joined, (moved.x + 12, moved.y), (moved.x + 16, moved.y))
    joined.settle()
    _, wider = rings.final[-1]
    assert (wider.a, wider.b) == (pytest.approx(16, abs=0.2), 6)
    assert (wider.x, wider.y) == (moved.x, moved.y)
    drag(joined, (wider.x, wider.y + 6), (wider.x, wider.y + 9))
    joined.settle()
    assert rings.final[-1][1].b == pytest.approx(9, abs=0.2)
    scale = joined.page.locator(".jwi-canvas").bounding_box()["width"] / 64
    knob = wider.a + 20 / scale
    drag(joined, (wider.x + knob, wider.y), (wider.x, wider.y + knob))
    joined.settle()
    assert rings.final[-1][1].angle == pytest.approx(90, abs=1)
    assert len(rings.marks) == 1
    assert rings.ink(wider.x, wider.y + wider.a)


def test_an_ellipse_is_drawn_with_its_tool_and_taken_away_by_delete(joined):
    rings = Rings(joined)
    joined.page.get_by_role("button", name="drag draws an ellipse").click()
    drag(joined, (20, 40), (25, 40))
    joined.settle()
    ((_, new),) = rings.final
    assert (new.x, new.y, new.a, new.b) == pytest.approx((20, 40, 5, 5), abs=0.3)
    assert new.kind == "hand"
    joined.page.keyboard.press("Delete")
    joined.settle()
    assert rings.final[-1][1] is None
    assert rings.marks == []
    assert not rings.ink(25, 40)


def test_the_keyboard_reaches_and_changes_an_ellipse(joined):
    other = Ellipse(y=10.0, x=10.0, a=4.0, b=4.0, label="another", name="r2")
    rings = Rings(joined, other, RING)
    page = joined.page
    page.get_by_text("2 ellipses").focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    for key in ("ArrowRight", "ArrowRight", "ArrowUp", "Shift+ArrowRight", "]"):
        page.keyboard.press(key)
    joined.until(lambda: rings.final)
    ((old, new),) = rings.final
    assert old == RING
    assert (new.x, new.y, new.a, new.b, new.angle) == (32, 31, 13, 6, 175)
    assert page.evaluate("() => document.activeElement.textContent") == "a ring · x 32, y 31"
    page.keyboard.press("Delete")
    joined.settle()
    assert rings.marks == [other]


def test_a_picked_pixel_inside_an_ellipse_and_a_pan_beside_it_are_as_without_it(joined):
    rings = Rings(joined, RING)
    picks = []
    rings.view._on["pick"] = lambda y, x: picks.append((y, x))
    joined.page.mouse.click(*joined.at(35, 31))
    joined.settle()
    assert picks == [(31, 35)]
    drag(joined, (50, 50), (54, 50))
    joined.settle()
    assert rings.heard == []
    assert rings.view.window != []


def test_a_refused_change_goes_back_to_what_there_is(joined):
    rings = Rings(joined, RING)
    rings.view._on["mark"] = lambda *_: rings.view.tell_marks(refused=True)
    drag(joined, (30, 30), (45, 45))
    joined.settle()
    assert rings.ink(42, 30)
    assert not rings.ink(57, 45)


def test_a_frame_whose_ellipses_are_not_to_be_changed_shows_them_only(joined):
    view = a_view(np.full((64, 64), 40, np.float32))
    view.show(Frame(title="rings", data=view.frame.data, marks=(RING,)))
    joined.join(view)
    joined.settle()
    assert not joined.page.get_by_role("button", name="drag draws an ellipse").is_visible()
    drag(joined, (30, 30), (34, 30))
    joined.settle()
    assert joined.kinds("mark") == []
    assert view.window != []
