"""Apertures over a frame in a bare page: dragged, widened, drawn, taken away by hand and by key."""

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("anywidget", reason="the lab extra is not installed")

from jwinteractive.views import Band, Ellipse, Frame
from jwinteractive_widgets.frame import FrameView

SOURCE = Band(low=28.0, high=36.0, label="source", name="s")
SKY = Band(low=44.0, high=52.0, label="background", name="b", kind="background")
STAR = Ellipse(y=32.0, x=32.0, a=8.0, b=8.0, kind="source", name="star", label="star")
INNER, OUTER = (
    replace(STAR, a=r, b=r, kind=kind, name=kind, label=kind)
    for r, kind in ((14.0, "inner"), (20.0, "outer"))
)


class Slit:
    """A step whose apertures follow what a person does, as a session would have it."""

    def __init__(self, joined, *marks):
        self.joined, self.marks, self.heard = joined, list(marks), []
        self.begun = None
        self.view = FrameView(on_mark=self.change)
        self.data = np.tile(np.arange(64, dtype=np.float32)[:, None], (1, 64))
        self.show()
        joined.join(self.view)
        joined.settle()

    def show(self):
        frame = Frame(title="slit", data=self.data, marks=tuple(self.marks))
        self.view.show(frame, editable=True)

    def change(self, old, new, rest):
        self.heard.append((old, new, rest))
        first = self.begun if self.begun is not None else list(self.marks)
        self.begun = None if rest else first
        kept = [m for m in first if m != old]
        if isinstance(new, Band) and not new.name:
            new = replace(new, name=f"b{len(first)}", label="background")
        if isinstance(new, Ellipse) and old is not None:
            kept = [replace(m, x=new.x, y=new.y) for m in kept]
        self.marks = kept + ([new] if new else [])
        self.show()

    @property
    def final(self):
        return [(old, new) for old, new, rest in self.heard if rest]

    def drag(self, start, end):
        mouse, at = self.joined.page.mouse, self.joined.at
        mouse.move(*at(*start))
        mouse.down()
        for share in (0.3, 0.6, 1.0):
            mouse.move(*at(*(np.asarray(start) + share * np.subtract(end, start))))
        mouse.up()
        self.joined.settle()

    def ink(self, x, y):
        """Opacity of what is drawn over the frame at data place (x, y)."""
        return self.joined.page.evaluate(
            """([u, v]) => { const c = document.querySelector('.jwi-marks');
             const at = [Math.floor(u * c.width), Math.floor(v * c.height)];
             return Math.max(...c.getContext('2d').getImageData(at[0] - 1, at[1] - 1, 3, 3).data
               .filter((_, i) => i % 4 === 3)); }""",
            [(x + 0.5) / 64, 1 - (y + 0.5) / 64],
        )


def test_a_band_is_drawn_between_its_edges_and_named(joined):
    slit = Slit(joined, SOURCE, SKY)
    for y in (28, 36, 44, 52):
        assert slit.ink(40, y) > 200, y
    for y in (32, 48):
        assert 0 < slit.ink(40, y) < 80, y
    for y in (20, 40, 60):
        assert slit.ink(40, y) == 0, y
    group = joined.page.get_by_role("group", name="apertures")
    names = group.get_by_role("button").all_inner_texts()
    assert names == ["source · rows 28 to 36", "background · rows 44 to 52"]


def test_the_middle_of_a_band_moves_it_and_an_edge_widens_it(joined):
    slit = Slit(joined, SOURCE, SKY)
    slit.drag((40, 32), (45, 26))
    old, moved = slit.final[-1]
    assert old == SOURCE
    assert (moved.low, moved.high) == pytest.approx((22, 30), abs=0.2)
    assert moved.high - moved.low == pytest.approx(8)
    assert moved.name == "s"
    assert len(slit.heard) > 1, "it follows while it is dragged"
    slit.drag((10, moved.high), (10, moved.high + 3))
    _, wider = slit.final[-1]
    assert (wider.low, wider.high) == pytest.approx((moved.low, moved.high + 3), abs=0.2)
    slit.drag((10, wider.low), (10, wider.high + 10))
    _, thin = slit.final[-1]
    assert (thin.low, thin.high) == pytest.approx((wider.high - 0.5, wider.high), abs=0.01)
    assert [m.name for m in slit.marks] == ["b", "s"]


def test_an_upright_band_between_two_ends_is_moved_sideways_and_its_end_dragged(joined):
    band = replace(SOURCE, along="y", start=10.0, stop=50.0)
    slit = Slit(joined, band)
    assert slit.ink(32, 56) == 0
    slit.drag((32, 20), (38, 24))
    _, moved = slit.final[-1]
    assert (moved.low, moved.high) == pytest.approx((34, 42), abs=0.2)
    assert (moved.start, moved.stop) == (10, 50)
    slit.drag((38, 50), (38, 56))
    _, longer = slit.final[-1]
    assert longer.stop == pytest.approx(56, abs=0.2)
    assert (longer.low, longer.start) == (moved.low, 10)


def test_a_curved_band_lies_along_its_path_and_is_taken_there(joined):
    path = tuple(0.004 * (np.arange(64) - 32.0) ** 2)
    slit = Slit(joined, replace(SOURCE, path=path))
    assert slit.ink(32, 28) > 200
    assert slit.ink(60, 28) < 200
    assert slit.ink(60, 28 + path[60]) > 200
    slit.drag((60, 28 + path[60]), (60, 25 + path[60]))
    _, wider = slit.final[-1]
    assert (wider.low, wider.high) == pytest.approx((25, 36), abs=0.2)
    assert wider.path == path


def test_a_background_region_is_drawn_with_its_tool_or_a_button_and_deleted(joined):
    slit = Slit(joined, SOURCE)
    page = joined.page
    assert not page.get_by_role("button", name="drag draws an ellipse").is_visible()
    page.get_by_role("button", name="drag draws a background region").click()
    slit.drag((20, 8), (30, 14))
    old, new = slit.final[-1]
    assert old is None
    assert (new.kind, new.along, new.name) == ("background", "x", "")
    assert (new.low, new.high) == pytest.approx((8, 14), abs=0.2)
    page.keyboard.press("Delete")
    joined.settle()
    assert slit.final[-1][1] is None
    assert slit.marks == [SOURCE]
    assert slit.ink(40, 8) == 0
    page.get_by_role("button", name="+ background region").click()
    joined.settle()
    assert [(m.kind, m.low, m.high) for m in slit.marks] == [
        ("source", 28, 36),
        ("background", 38, 46),
    ]


def test_keys_reach_move_widen_and_remove_a_band(joined):
    slit = Slit(joined, SOURCE, SKY)
    page = joined.page
    page.locator(".jwi-more summary", has_text="2 apertures").focus()
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    for key in ("ArrowUp", "ArrowUp", "ArrowUp", "ArrowDown", "Shift+ArrowUp"):
        page.keyboard.press(key)
    joined.until(lambda: slit.final)
    ((old, new),) = slit.final
    assert old == SKY
    assert (new.low, new.high) == (44.5, 53.5)
    page.keyboard.press("Delete")
    joined.settle()
    assert slit.marks == [SOURCE]


def test_the_pointer_says_what_a_drag_would_do(joined):
    slit = Slit(joined, SOURCE)
    shape = "() => document.querySelector('.jwi-canvas').style.cursor"
    for place, wanted in (((40, 32), "move"), ((40, 36), "ns-resize"), ((40, 50), "crosshair")):
        joined.page.mouse.move(*joined.at(*place))
        assert joined.page.evaluate(shape) == wanted
    joined.page.mouse.click(*joined.at(40, 32))
    joined.settle()
    assert slit.heard == [], "a click picks a pixel"
    assert joined.kinds("pick") == [{"kind": "pick", "x": 40, "y": 32}]


def test_a_refused_band_goes_back_to_where_it_was(joined):
    slit = Slit(joined, SOURCE)
    slit.view._on["mark"] = lambda *_: slit.view.tell_marks(refused=True)
    slit.drag((40, 32), (40, 50))
    assert slit.ink(40, 28) > 200
    assert slit.ink(40, 46) == 0


def test_the_circles_of_a_source_move_as_one_and_a_rim_changes_its_radius(joined):
    slit = Slit(joined, STAR, INNER, OUTER)
    slit.drag((32, 32), (27, 30))
    old, moved = slit.final[-1]
    assert old == STAR
    assert (moved.x, moved.y, moved.a) == pytest.approx((27, 30, 8), abs=0.2)
    joined.page.keyboard.press("Escape")
    slit.drag((moved.x + 14, moved.y), (moved.x + 11, moved.y))
    old, smaller = slit.final[-1]
    assert old.kind == smaller.kind == "inner"
    assert (smaller.a, smaller.b) == pytest.approx((11, 11), abs=0.3)
    assert smaller.a == smaller.b
    assert (smaller.x, smaller.y) == (moved.x, moved.y)


def test_a_long_frame_with_apertures_is_stretched_until_somebody_wants_square_pixels(joined):
    slit = Slit(joined, SOURCE)
    page = joined.page
    assert not page.get_by_role("button", name="stretch rows against columns").is_visible()
    slit.data = np.tile(np.arange(32, dtype=np.float32)[:, None], (1, 320))
    slit.marks = [replace(SOURCE, low=10.0, high=18.0)]
    slit.show()
    joined.push()
    joined.settle()
    assert slit.view.tall == 6
    box = page.locator(".jwi-canvas").bounding_box()

    def at(x, y, tall):
        scale = box["width"] / 320
        middle = box["y"] + box["height"] / 2
        return box["x"] + (x + 0.5) * scale, middle - (y + 0.5 - 16) * scale * tall

    def drag(start, end):
        for place, act in ((start, page.mouse.down), (end, page.mouse.up)):
            page.mouse.move(*place)
            act()
        joined.settle()

    drag(at(100, 14, 6), at(100, 20, 6))
    _, moved = slit.final[-1]
    assert (moved.low, moved.high) == pytest.approx((16, 24), abs=0.2)
    drag(at(100, 24, 6), at(100, 27, 6))
    _, wider = slit.final[-1]
    assert (wider.low, wider.high) == pytest.approx((moved.low, 27), abs=0.2)
    page.get_by_role("button", name="stretch rows against columns").click()
    joined.settle()
    assert slit.view.tall == 1
    drag(at(100, wider.high, 1), at(100, wider.high - 4, 1))
    _, last = slit.final[-1]
    assert last.high == pytest.approx(wider.high - 4, abs=0.6)
