"""Curves beside the frame and its pixels as a table, through a workbench without a browser."""

import numpy as np
import pytest

pytest.importorskip("anywidget", reason="the lab extra is not installed")

from astropy.table import Table as AstropyTable

from jwinteractive.curves import against
from jwinteractive.data import Box
from jwinteractive.errors import InputError
from jwinteractive.views import Curve, Plot
from jwinteractive_widgets import workbench


@pytest.fixture
def wb(session, sent, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return workbench(session)


def made(wb, title):
    return wb.graphs.curves.makers[title]()


def test_a_curve_is_of_the_frame_on_screen_and_follows_it(wb):
    wb.session.see(box=Box(10, 30, 5, 25))
    before = made(wb, "profile")
    wb.session.see(shown="ramp_fit")
    after = made(wb, "profile")
    assert before.y_label.endswith("(DN)")
    assert after.y_label.endswith("(DN/s)")
    assert len(after.curves[0].x) == 20


def test_a_curve_that_cannot_be_made_says_why(wb, monkeypatch):
    def refuses(*_):
        raise InputError("no such curve")

    monkeypatch.setitem(
        wb.graphs.curves._newest.__func__.__globals__["_CURVES"], "histogram", refuses
    )
    with pytest.raises(InputError, match="no such curve"):
        made(wb, "histogram")


def test_with_a_pinned_run_both_curves_are_drawn_or_their_difference(wb):
    session = wb.session
    session.see(shown="ramp_fit")
    session.pin()
    session.set("dark_current", average_dark_current=None)
    session.set("jump", likelihood_threshold=1.0)
    session.see(compare="blink")
    names = [c.name for c in made(wb, "profile").curves]
    assert {n[:3] for n in names} == {"B: ", "A: "}
    session.see(compare="difference")
    plot = made(wb, "profile")
    assert plot.y_label.startswith("difference of")
    assert np.nanmax(np.abs(plot.curves[0].y)) > 0


def test_both_curves_keep_their_names_apart():
    plot = Plot(title="p", x_label="x", y_label="y", curves=(Curve(name="c", x=[0, 1], y=[2, 4]),))
    assert [c.name for c in against(plot, plot, "split").curves] == ["B: c", "A: c"]
    assert list(against(plot, plot, "ratio").curves[0].y) == [1, 1]


def test_the_pixels_of_a_box_are_saved_as_a_table_beside_earlier_ones(wb, tmp_path):
    wb.session.see(shown="ramp_fit", box=Box(3, 5, 7, 10))
    for _ in range(2):
        wb.canvas.bar.on_do("table", None)
    one, two = sorted(tmp_path.glob("*.ecsv"), key=lambda p: len(p.name))
    table = AstropyTable.read(one)
    rate = wb.session.run("ramp_fit")
    assert list(table["y"]) == [3, 3, 3, 4, 4, 4]
    np.testing.assert_allclose(table["rate"], rate.data[3:5, 7:10].ravel())
    assert two.stem == f"{one.stem}-2"
    assert [e.kind for e in wb.session.journal].count("save") == 2
