"""Masks drawn on the frame in a bare page: with the mouse, a pen, fingers, the keyboard alone."""

import os
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("anywidget", reason="the lab extra is not installed")

from jwinteractive.masks.shapes import Ellipse, Line, Polygon, Rectangle
from jwinteractive.views import Frame
from jwinteractive_widgets.frame import FrameView

SCREENSHOTS = Path(
    os.environ.get("SCREENSHOTS", Path(__file__).parents[2] / "build" / "screenshots")
)
N = 64
GROUND = (100, 100, 100)
INK = (255, 0, 0)
LAYERS = [{"bit": 2, "name": "warm", "colour": "#00ff00", "opacity": 1.0}]


class Easel:
    """A frame of 64 x 64 grey pixels on which masks are drawn; ``heard`` is what Python got."""

    def __init__(self, joined, tool="brush", size=1, n=N):
        self.joined, self.page, self.heard = joined, joined.page, []
        self.view = FrameView(
            stretch="linear", cuts="by hand", limits=[0.0, 255.0], colours="grey",
            drawing=True, tool=tool, brush=size, ink="#ff0000", masks=[],
            on_draw=lambda drawn: self.heard.append(drawn),
        )  # fmt: skip
        self.view.show(Frame(title="rate", data=np.full((n, n), 100, np.float32), unit="DN/s"))
        joined.join(self.view)
        joined.settle()

    @property
    def final(self):
        return [drawn for drawn in self.heard if drawn.rest]

    def last(self, n=1):
        """The n-th finished stroke."""
        self.joined.until(lambda: len(self.final) >= n)
        self.joined.settle()
        return self.final[n - 1]

    def drag(self, *places, keys=(), end=True):
        mouse = self.page.mouse
        for key in keys:
            self.page.keyboard.down(key)
        mouse.move(*self.joined.at(*places[0]))
        mouse.down()
        for place in places[1:]:
            mouse.move(*self.joined.at(*place), steps=4)
        if end:
            mouse.up()
        for key in keys:
            self.page.keyboard.up(key)

    def press(self, *keys):
        for key in keys:
            self.page.keyboard.press(key)

    def focus(self, x, y):
        """Let the keyboard's cursor be on a pixel."""
        self.view.cursor = [x, y]
        self.joined.push()
        self.page.locator(".jwi-canvas").focus()

    def inked(self, colour=INK):
        """Mask [y, x] of the pixels whose middle is not as without a mask."""
        ny, nx = self.view.frame.full_shape
        grey = self.page.evaluate(
            """([nx, ny]) => { const c = document.querySelector('.jwi-canvas');
                 const data = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;
                 const out = [];
                 for (let y = 0; y < ny; y++) for (let x = 0; x < nx; x++) {
                   const [u, v] = [(x + 0.5) / nx, 1 - (y + 0.5) / ny];
                   const at = Math.floor(v * c.height) * c.width + Math.floor(u * c.width);
                   out.push(data[4 * at], data[4 * at + 1], data[4 * at + 2]);
                 }
                 return out; }""",
            [nx, ny],
        )
        found = np.array(grey).reshape(ny, nx, 3)
        wanted = (np.array(colour) + GROUND) / 2  # half transparent
        assert set(map(tuple, found.reshape(-1, 3))) <= {GROUND, *_near(wanted)}
        return (found != GROUND).any(axis=2)

    def outline(self, x, y):
        """Whether something is drawn over the picture near data place (x, y)."""
        ny, nx = self.view.frame.full_shape
        return self.page.evaluate(
            """([u, v]) => { const c = document.querySelector('.jwi-marks');
                 const at = [Math.floor(u * c.width), Math.floor(v * c.height)];
                 return c.getContext('2d').getImageData(at[0] - 2, at[1] - 2, 5, 5).data
                   .some((a, i) => i % 4 === 3 && a > 0); }""",
            [(x + 0.5) / nx, 1 - (y + 0.5) / ny],
        )

    def shoot(self, name):
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=SCREENSHOTS / f"{name}.png")


def _near(colour):
    """The colours that rounding may make of one."""
    shades = [
        (int(np.floor(c)) - 1, int(np.floor(c)), int(np.ceil(c)), int(np.ceil(c)) + 1)
        for c in colour
    ]
    return {(r, g, b) for r in shades[0] for g in shades[1] for b in shades[2]}


def pixels(shape, n=N):
    return shape.select((n, n)).mask()


def same(found, wanted):
    assert wanted.any()
    assert np.array_equal(found, wanted), np.argwhere(found != wanted).tolist()


# -- the mouse ------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 2, 5, 12])
@pytest.mark.parametrize("tool", ["brush", "eraser"])
def test_a_brush_paints_the_pixels_that_its_line_sets_in_python(joined, tool, size):
    easel = Easel(joined, tool, size)
    easel.drag((10, 12), (30, 17), (22, 40))
    drawn = easel.last()
    assert (drawn.tool, drawn.size, drawn.erase) == (tool, size, tool == "eraser")
    colour = (255, 255, 255) if drawn.erase else INK
    same(easel.inked(colour), pixels(Line(drawn.points, drawn.size)))
    before = [d for d in easel.heard if not d.rest]
    assert before
    assert {d.stroke for d in easel.heard} == {drawn.stroke}


def test_a_rectangle_has_both_corner_pixels(joined):
    easel = Easel(joined, "rectangle")
    easel.drag((10, 12), (20, 16))
    first = easel.last()
    assert first.points == ((12, 10), (16, 20))
    same(easel.inked(), pixels(Rectangle(12, 16, 10, 20)))


def test_an_oval_fills_the_rectangle_that_is_dragged(joined):
    easel = Easel(joined, "oval")
    easel.drag((10, 40), (31, 50))
    drawn = easel.last()
    assert drawn.points == ((40, 10), (50, 31))
    same(easel.inked(), pixels(Ellipse(45, 20.5, 11, 5.5)))


def test_shift_makes_squares_and_circles(joined):
    easel = Easel(joined, "rectangle")
    easel.drag((10, 12), (20, 16), keys=["Shift"])
    assert easel.last().points == ((12, 10), (22, 20))


def test_a_lasso_sets_what_it_goes_around(joined):
    easel = Easel(joined, "lasso")
    easel.drag((10, 10), (40, 12), (38, 40), (12, 30), end=False)
    easel.joined.until(lambda: easel.heard)
    assert easel.outline(25, 11)
    easel.page.mouse.up()
    drawn = easel.last()
    same(easel.inked(), pixels(Polygon(drawn.points)))
    assert pixels(Polygon(drawn.points))[25, 25]
    assert not easel.outline(25, 11)


@pytest.mark.parametrize(
    ("to", "snapped"),
    [((50, 13), (50, 10)), ((13, 50), (10, 50)), ((50, 44), (50, 50)), ((2, 3), (2, 2))],
)
def test_a_straight_line_snaps_to_rows_columns_and_diagonals_with_shift(joined, to, snapped):
    easel = Easel(joined, "stroke", 3)
    easel.drag((10, 10), to, keys=["Shift"])
    drawn = easel.last()
    assert drawn.points == ((10, 10), snapped[::-1])
    same(easel.inked(), pixels(Line(drawn.points, 3)))
    easel.view.show_overlay(np.zeros((N, N), np.uint32), LAYERS, answers=drawn.stroke)
    joined.push()
    easel.drag((10, 10), to)
    free = easel.last(2)
    assert free.points == ((10, 10), to[::-1])
    same(easel.inked(), pixels(Line(free.points, 3)))


def test_two_quick_dabs_are_two_strokes_and_no_double_click(joined):
    easel = Easel(joined, "brush", 3)
    easel.view.go_to((10, 10, 42, 42))
    joined.push()
    joined.settle()
    joined.page.mouse.dblclick(*joined.at(20, 30))
    easel.last(2)
    assert easel.view.window == [10, 10, 42, 42]


def test_flood_and_a_single_pixel_are_one_click(joined):
    easel = Easel(joined, "flood")
    joined.page.mouse.click(*joined.at(20, 30))
    flood = easel.last()
    assert (flood.tool, flood.points) == ("flood", ((30, 20),))
    easel.press("8")
    joined.page.mouse.click(*joined.at(5, 6))
    pixel = easel.last(2)
    assert (pixel.tool, pixel.points) == ("pixel", ((6, 5),))
    same(easel.inked(), pixels(Rectangle(30, 30, 20, 20)) | pixels(Rectangle(6, 6, 5, 5)))
    assert joined.kinds("pick") == []


def test_single_pixels_are_painted_by_a_drag_without_gaps(joined):
    easel = Easel(joined, "pixel", 9)
    easel.drag((10, 10), (30, 18))
    drawn = easel.last()
    steps = np.abs(np.diff(drawn.points, axis=0)).max(axis=1)
    assert len(drawn.points) >= 21
    assert set(steps) == {1}
    assert np.count_nonzero(easel.inked()) == len(set(drawn.points))


@pytest.mark.parametrize(
    "tool", ["brush", "rectangle", "oval", "lasso", "stroke", "flood", "pixel"]
)
def test_alt_makes_an_eraser_of_every_tool(joined, tool):
    easel = Easel(joined, tool)
    easel.drag((10, 10), (20, 12), (18, 20), keys=["Alt"])
    drawn = easel.last()
    assert (drawn.tool, drawn.erase) == (tool, True)
    assert easel.inked((255, 255, 255)).any()


def test_escape_drops_a_stroke_and_says_so(joined):
    easel = Easel(joined, "brush", 3)
    easel.drag((10, 10), (30, 10), end=False)
    joined.until(lambda: easel.heard)
    joined.settle()
    assert easel.inked().any()
    easel.press("Escape")
    joined.page.mouse.move(*joined.at(40, 10))
    joined.page.mouse.up()
    dropped = easel.last()
    assert dropped.points == ()
    assert len(easel.final) == 1
    assert not easel.inked().any()
    assert dropped.stroke == easel.heard[0].stroke


def test_a_draft_stays_until_the_masks_that_answer_it_are_there(joined):
    easel = Easel(joined, "brush", 3)
    easel.drag((10, 10), (20, 10))
    first = easel.last()
    easel.drag((10, 20), (20, 20))
    second = easel.last(2)
    assert second.stroke == first.stroke + 1
    plane = np.zeros((N, N), np.uint32)
    plane[pixels(Line(first.points, 3))] = 2
    easel.view.show_overlay(plane, LAYERS, answers=first.stroke)
    joined.push()
    joined.settle()
    assert joined.colour(15, 10) == (0, 255, 0)
    assert joined.colour(15, 20) in _near(np.add(INK, GROUND) / 2), "not answered yet"
    easel.view.show_overlay(plane, LAYERS, answers=second.stroke)
    joined.push()
    joined.settle()
    assert joined.colour(15, 20) == GROUND, "the masks are what is shown"


def test_a_draft_that_nobody_answers_goes_away(joined):
    easel = Easel(joined, "brush", 3)
    easel.drag((10, 10), (20, 10))
    easel.last()
    assert easel.inked().any()
    joined.page.wait_for_timeout(3300)
    assert not easel.inked().any()


def test_space_and_the_middle_button_pan_and_the_wheel_zooms_while_drawing(joined):
    easel = Easel(joined, "brush", 3)
    joined.page.locator(".jwi-canvas").focus()
    joined.page.keyboard.down(" ")
    easel.drag((30, 30), (40, 30))
    joined.page.keyboard.up(" ")
    joined.settle()
    first = list(easel.view.window)
    assert first[0] == pytest.approx(-10, abs=0.2)
    mouse = joined.page.mouse
    mouse.move(*joined.at(30, 30))
    mouse.down(button="middle")
    mouse.move(*joined.at(30, 40), steps=3)
    mouse.up(button="middle")
    joined.settle()
    assert easel.view.window[1] == pytest.approx(-10, abs=0.2)
    mouse.wheel(0, -200)
    joined.settle()
    wide = easel.view.window[2] - easel.view.window[0]
    assert wide < 60
    assert easel.heard == []
    assert joined.kinds("pick") == []


def test_a_line_of_the_brush_follows_a_zoom_pixel_by_pixel(joined):
    easel = Easel(joined, "brush", 2, n=1024)
    easel.view.go_to((500, 500, 564, 564))
    joined.push()
    joined.settle()
    box = joined.page.locator(".jwi-canvas").bounding_box()
    scale = box["width"] / 64
    mouse = joined.page.mouse
    mouse.move(box["x"] + 10.5 * scale, box["y"] + 10.5 * scale)
    mouse.down()
    mouse.move(box["x"] + 30.5 * scale, box["y"] + 18.5 * scale, steps=5)
    mouse.up()
    drawn = easel.last()
    assert drawn.points[0] == (553.5, 510.5)
    wanted = pixels(Line(drawn.points, 2), 1024)[500:564, 500:564]
    found = joined.page.evaluate(
        """() => { const c = document.querySelector('.jwi-canvas');
             const data = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;
             const out = [];
             for (let y = 0; y < 64; y++) for (let x = 0; x < 64; x++) {
               const at = Math.floor((63.5 - y) / 64 * c.height) * c.width
                 + Math.floor((x + 0.5) / 64 * c.width);
               out.push(data[4 * at] - data[4 * at + 1] > 20);
             }
             return out; }"""
    )
    same(np.array(found).reshape(64, 64), wanted)


def test_a_thin_stroke_on_a_large_frame_shown_whole_is_seen(joined):
    easel = Easel(joined, "brush", 1, n=2048)
    easel.drag((300, 300), (1500, 700))
    drawn = easel.last()
    (y0, x0), (y1, x1) = drawn.points[0], drawn.points[-1]
    for part in (0.2, 0.5, 0.8):
        near = [
            joined.colour(x0 + part * (x1 - x0) + dx, y0 + part * (y1 - y0) + dy)
            for dx in (-3, 0, 3) for dy in (-3, 0, 3)
        ]  # fmt: skip
        assert max(r - g for r, g, b in near) > 40


# -- tools and sizes ------------------------------------------------------------------------------


def test_keys_choose_the_tools_and_brackets_the_size(joined):
    easel = Easel(joined, "pan", 10)
    joined.page.locator(".jwi-canvas").focus()
    tools = ["brush", "eraser", "rectangle", "oval", "lasso", "stroke", "flood", "pixel"]
    for i, tool in enumerate(tools):
        easel.press(str(i + 1))
        joined.until(lambda: easel.view.tool == tool)  # noqa: B023
        pressed = joined.page.get_by_role("toolbar", name="drawing").locator("[aria-pressed=true]")
        assert pressed.count() == 1
        assert f"({i + 1})" in pressed.get_attribute("title")
    for key, size in (("]", 12), ("[", 10), ("[", 9), ("[", 8)):
        easel.press(key)
        joined.until(lambda: easel.view.brush == size)  # noqa: B023
    easel.view.brush = 190
    joined.push()
    for _ in range(2):
        easel.press("]")
        joined.until(lambda: easel.view.brush == 200)
    slider = joined.page.get_by_label("size of the brush")
    assert slider.get_attribute("aria-valuetext") == "200 pixels"
    slider.fill("0")
    joined.until(lambda: easel.view.brush == 1)


def test_keys_choose_on_the_row_of_tools_too_and_do_not_leave_it(joined):
    easel = Easel(joined, "pan", 10)
    joined.page.evaluate(
        "() => { window.strays = []; addEventListener('keydown', (e) => strays.push(e.key)); }"
    )
    joined.page.get_by_label("size of the brush").focus()
    easel.press("4", "]")
    joined.until(lambda: (easel.view.tool, easel.view.brush) == ("oval", 12))
    assert joined.page.evaluate("() => strays") == []


def test_every_tool_but_the_eraser_says_that_alt_erases(joined):
    Easel(joined)
    group = joined.page.get_by_role("group", name="what a drag draws")
    titles = group.get_by_role("button").evaluate_all("all => all.map(b => b.title)")
    assert [("Alt it erases" in t) for t in titles] == [i != 1 for i in range(8)]


def test_the_tools_are_hidden_until_there_is_drawing(joined):
    easel = Easel(joined, "brush", 3)
    row = joined.page.get_by_role("toolbar", name="drawing")
    assert row.is_visible()
    easel.view.drawing = False
    joined.push()
    joined.settle()
    assert not row.is_visible()
    assert easel.view.tool == "pan"
    easel.press("3")
    joined.page.mouse.click(*joined.at(5, 6))
    joined.settle()
    assert easel.heard == []
    assert [(m["x"], m["y"]) for m in joined.kinds("pick")] == [(5, 6)]


def test_the_brush_is_a_circle_of_its_size_under_the_pointer(joined):
    easel = Easel(joined, "brush", 21)
    joined.page.mouse.move(*joined.at(30, 30))
    joined.settle()
    for x, y in ((40.5, 30), (19.5, 30), (30, 40.5), (30, 19.5)):
        assert easel.outline(x, y), (x, y)
    assert not easel.outline(37, 37 + 4)
    joined.page.locator(".jwi-canvas").focus()
    easel.press("3")
    joined.page.mouse.move(*joined.at(31, 30))
    joined.settle()
    assert not easel.outline(41.5, 30)


# -- the keyboard alone ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "tool"), [("1", "brush"), ("2", "eraser"), ("8", "pixel"), ("7", "flood")]
)
@pytest.mark.parametrize("act", ["Enter", " "])
def test_one_press_draws_at_the_cursor(joined, key, tool, act):
    easel = Easel(joined, "pan", 3)
    easel.focus(20, 20)
    easel.press(key, "ArrowRight", "ArrowUp", act)
    drawn = easel.last()
    assert (drawn.tool, drawn.points) == (tool, ((21, 21),))
    assert easel.inked((255, 255, 255) if tool == "eraser" else INK)[21, 21]


def test_without_a_cursor_the_keyboard_begins_in_the_middle_and_shows_where(joined):
    easel = Easel(joined, "brush", 11)
    joined.page.locator(".jwi-canvas").focus()
    joined.settle()
    assert easel.outline(32, 32 + 5.5), "the brush"
    easel.press("Enter")
    assert easel.last().points == ((32, 32),)
    assert easel.view.cursor == [32, 32]


@pytest.mark.parametrize(("key", "tool"), [("3", "rectangle"), ("4", "oval"), ("6", "stroke")])
def test_two_presses_set_the_start_and_the_end(joined, key, tool):
    easel = Easel(joined, "pan", 3)
    easel.focus(20, 20)
    easel.press(key, "Enter", "Shift+ArrowRight", "ArrowUp", "ArrowUp")
    joined.until(lambda: easel.heard)
    joined.settle()
    assert easel.inked().any(), "seen before it is finished"
    assert not easel.final
    easel.press("Enter")
    drawn = easel.last()
    assert (drawn.tool, drawn.points) == (tool, ((20, 20), (22, 30)))


@pytest.mark.parametrize("close", [["ArrowLeft"] * 10 + ["Enter"], ["c"]])
def test_a_lasso_is_closed_on_its_first_corner_or_by_c(joined, close):
    easel = Easel(joined, "lasso")
    easel.focus(20, 20)
    easel.press("Enter", "Shift+ArrowUp", "Enter", "Shift+ArrowRight", "Enter")
    easel.press("Shift+ArrowDown", "Enter", *close)
    drawn = easel.last()
    assert drawn.points == ((20, 20), (30, 20), (30, 30), (20, 30))
    same(easel.inked(), pixels(Polygon(drawn.points)))


def test_alt_and_enter_erase_and_escape_drops_what_keys_began(joined):
    easel = Easel(joined, "brush", 3)
    easel.focus(20, 20)
    easel.press("Alt+Enter")
    assert easel.last().erase
    easel.press("3", "Enter", "Shift+ArrowRight", "Escape")
    joined.settle()
    easel.press("1", "Enter")
    joined.until(lambda: len([d for d in easel.final if d.points]) == 2)
    assert [d.tool for d in easel.final if d.points] == ["brush", "brush"]


# -- pens and fingers -----------------------------------------------------------------------------


def fingers(joined, *steps, button=0):
    """Pointer events as a pen or fingers make them: (kind, pointer, id, (x, y))."""
    for kind, pointer, number, place in steps:
        x, y = joined.at(*place)
        joined.page.evaluate(
            """([kind, pointerType, pointerId, clientX, clientY, button]) => {
                 const c = document.querySelector('.jwi-canvas');
                 c.setPointerCapture = () => {};
                 c.dispatchEvent(new PointerEvent(kind, { bubbles: true, cancelable: true,
                   pointerType, pointerId, clientX, clientY, buttons: 1,
                   button: kind === 'pointermove' ? -1 : button, isPrimary: pointerId === 1 }));
               }""",
            [kind, pointer, number, x, y, button],
        )


@pytest.mark.parametrize("pointer", ["pen", "touch"])
def test_a_pen_and_a_finger_draw(joined, pointer):
    easel = Easel(joined, "brush", 3)
    fingers(
        joined,
        ("pointerdown", pointer, 1, (10, 10)),
        ("pointermove", pointer, 1, (20, 14)),
        ("pointerup", pointer, 1, (20, 14)),
    )
    drawn = easel.last()
    assert drawn.points == ((10, 10), (14, 20))
    same(easel.inked(), pixels(Line(drawn.points, 3)))


def test_the_blunt_end_of_a_pen_erases(joined):
    easel = Easel(joined, "brush", 3)
    down, up = ("pointerdown", "pen", 1, (10, 10)), ("pointerup", "pen", 1, (10, 10))
    fingers(joined, down, up, button=5)
    assert easel.last().erase


def test_a_second_finger_drops_the_stroke_and_zooms(joined):
    easel = Easel(joined, "brush", 3)
    fingers(
        joined,
        ("pointerdown", "touch", 1, (20, 32)),
        ("pointermove", "touch", 1, (22, 32)),
        ("pointerdown", "touch", 2, (42, 32)),
        ("pointermove", "touch", 2, (62, 32)),
        ("pointerup", "touch", 2, (62, 32)),
        ("pointerup", "touch", 1, (22, 32)),
    )
    joined.settle()
    assert [d for d in easel.final if d.points] == []
    assert [d.points for d in easel.final] == [()] * len({d.stroke for d in easel.heard})
    assert not easel.inked().any()
    assert easel.view.window[2] - easel.view.window[0] < 50


# -- masks over the picture -----------------------------------------------------------------------


def test_layers_are_painted_over_the_picture_and_taken_away(joined):
    easel = Easel(joined)
    plane = np.zeros((N, N), np.uint32)
    plane[10, 10] = 1
    plane[12, 10] = 2
    plane[14, 10] = 1 | 2**31
    layers = [
        {"bit": 1, "name": "hot", "colour": "#ff0000", "opacity": 0.5},
        {"bit": 2, "name": "warm", "colour": "#00ff00", "opacity": 1.0},
        {"bit": 2**31, "name": "drawn", "colour": "#0000ff", "opacity": 1.0},
    ]
    easel.view.show_overlay(plane, layers)
    joined.push()
    joined.settle()
    assert joined.colour(10, 10) in _near((177.5, 50, 50))
    assert joined.colour(10, 12) == (0, 255, 0)
    assert joined.colour(10, 14) in _near((127.5, 0, 127.5))
    assert joined.colour(10, 11) == GROUND
    easel.view.clear_overlay()
    joined.push()
    joined.settle()
    assert not easel.inked().any()


def test_a_single_pixel_of_2048_squared_is_seen_in_the_whole_frame_and_near(joined):
    easel = Easel(joined, n=2048)
    plane = np.zeros((2048, 2048), np.uint32)
    plane[1000, 700] = 2
    easel.view.show_overlay(plane, LAYERS)
    joined.push()
    joined.settle()
    around = [joined.colour(700 + dx, 1000 + dy) for dx in (-3, 0, 3) for dy in (-3, 0, 3)]
    assert max(g - r for r, g, b in around) > 30
    easel.view.go_to((690, 990, 711, 1011))
    joined.push()
    joined.settle()
    middle = joined.page.evaluate(
        """() => { const c = document.querySelector('.jwi-canvas');
             return [...c.getContext('2d').getImageData(c.width / 2, c.height / 2, 1, 1).data]; }"""
    )
    assert middle[:3] == [0, 255, 0]


def test_the_png_has_the_layers_and_their_names(joined, tmp_path):
    from PIL import Image

    easel = Easel(joined)
    plane = np.zeros((N, N), np.uint32)
    plane[20:40, 20:40] = 2
    plain = saved(joined, tmp_path / "plain.png")
    easel.view.show_overlay(plane, LAYERS)
    joined.push()
    joined.settle()
    masked = saved(joined, tmp_path / "masked.png")
    with Image.open(plain) as one, Image.open(masked) as two:
        assert two.height > one.height, "a legend"
        image = np.asarray(two.convert("RGB"))
    green = (image == (0, 255, 0)).all(axis=2)
    assert green[: two.height - 30].sum() > 10_000
    assert 80 < green[two.height - 30 :].sum() < 200, "its square in the legend"


def saved(joined, path):
    with joined.page.expect_download() as download:
        joined.page.get_by_role("button", name="save this picture as PNG").click()
    download.value.save_as(path)
    return path


@pytest.mark.parametrize("light", [True, False])
def test_drawing_looks_as_it_should_in_light_and_dark(joined, light):
    easel = Easel(joined, "brush", 7)
    rng = np.random.default_rng(3)
    data = rng.normal(100, 25, (N, N)).astype(np.float32)
    easel.view.show(Frame(title="rate", data=data, unit="DN/s"))
    easel.view.colours = "viridis"
    joined.page.evaluate(
        "(light) => { document.body.dataset.jpThemeLight = light; }", str(light).lower()
    )
    plane = np.zeros((N, N), np.uint32)
    plane[rng.random((N, N)) < 0.01] = 2
    layers = [LAYERS[0] | {"opacity": 0.8, "colour": "#ffd000"}]
    easel.view.show_overlay(plane, layers)
    joined.push()
    easel.drag((10, 12), (30, 17), (22, 40))
    easel.press("4")
    easel.drag((40, 10), (58, 30))
    easel.press("5")
    easel.drag((35, 40), (58, 42), (50, 60), (38, 55), end=False)
    joined.settle()
    row = joined.page.get_by_role("toolbar", name="drawing")
    assert row.bounding_box()["height"] < 40, "one row"
    easel.shoot(f"drawing-{'light' if light else 'dark'}")
    easel.page.mouse.up()
    easel.press("1")
    joined.page.mouse.move(*joined.at(30, 30))
    joined.settle()
    easel.shoot(f"brush-{'light' if light else 'dark'}")
