"""Plots, tables and tabs without a kernel."""

import numpy as np
import pytest

pytest.importorskip("bqplot", reason="the lab extra is not installed")

import ipywidgets as w
from astropy.table import Table as AstropyTable

from jwinteractive.errors import InputError, OutputError, ParamError
from jwinteractive.views import Curve, Plot, Table
from jwinteractive_widgets.plots import (
    COLOURS,
    PLOTS_CSS,
    PlotTabs,
    PlotView,
    TableView,
    round_ticks,
)

EVIL = "<script>alert(1)</script>"


def a_curve(y, name="signal", **keys):
    y = np.asarray(y, float)
    return Curve(name=name, x=np.arange(len(y), dtype=float), y=y, **keys)


def a_plot(*curves, **keys):
    return Plot(
        title="a title", x_label="row (pixel)", y_label="rate (DN/s)", curves=curves, **keys
    )


def a_table(rows=((1.5, EVIL),)):
    return Table(title=EVIL, columns=("a", EVIL), rows=tuple(rows))


def updates(sent, widget):
    """Names that each update message of a widget carried."""
    return [
        sorted(d["state"])
        for name, d, _ in sent
        if name == widget.comm.comm_id and d.get("method") == "update"
    ]


def front_end_sets(widget, **state):
    data = {"method": "update", "state": state, "buffer_paths": []}
    widget._handle_msg({"content": {"data": data}, "buffers": []})


# --- plots


def test_a_line_is_drawn_with_its_labels_and_gaps(sent):
    view = PlotView()
    view.draw(a_plot(a_curve([1, np.nan, 3])))
    line = view.slots[0].line
    assert np.array_equal(line.y, [1, np.nan, 3], equal_nan=True)
    assert (view.x_axis.label, view.y_axis.label) == ("row (pixel)", "rate (DN/s)")
    assert view.y.min < 1 < 3 < view.y.max
    assert "a title" in view.title.value
    assert "signal" in view.legend.value


def test_a_line_never_ends_without_a_value_since_bqplot_labels_its_end(sent):
    view = PlotView()
    view.draw(a_plot(a_curve([1, 2, np.nan]), a_curve([np.nan, np.nan])))
    assert list(view.slots[0].line.y) == [1, 2]
    assert not len(view.slots[1].line.x)


def test_points_have_bars_and_the_axis_leaves_room_for_them(sent):
    view = PlotView()
    view.draw(a_plot(a_curve([1, 2], err=np.array([5.0, 1.0]), style="points")))
    slot = view.slots[0]
    assert list(slot.points.y) == [1, 2]
    assert np.array_equal(slot.bars.y, [-4, 6, np.nan, 1, 3], equal_nan=True)
    assert np.array_equal(slot.bars.x, [0, 0, 0, 1, 1])
    assert not len(slot.line.x)
    assert view.y.min < -4 < 6 < view.y.max


def test_steps_go_round_the_bins(sent):
    view = PlotView()
    view.draw(a_plot(a_curve([4, 2], style="steps")))
    assert list(view.slots[0].line.x) == [-0.5, 0.5, 0.5, 1.5]
    assert list(view.slots[0].line.y) == [4, 4, 2, 2]


def test_a_logarithmic_axis_shows_powers_and_keeps_empty_bins_at_half_a_count(sent):
    view = PlotView()
    view.draw(a_plot(a_curve([0, 100, 4], style="steps"), log_y=True))
    assert np.allclose(view.slots[0].line.y, np.log10([2, 2, 100, 100, 4, 4]))
    assert view.y_axis.tick_labels["1"] == "10"
    assert view.y_axis.tick_labels["2"] == "100"
    view.draw(a_plot(a_curve([0, 100, 4]), log_y=True))
    assert np.isnan(view.slots[0].line.y[0])


def test_words_of_ticks_come_before_the_ticks_and_those_on_the_screen_keep_theirs(sent):
    view = PlotView()
    view.draw(a_plot(a_curve([1, 100], style="steps"), log_y=True))
    sent.clear()
    view.draw(a_plot(a_curve([1e-6, 1e-3], style="steps"), log_y=True))
    words, ticks = updates(sent, view.y_axis)
    assert words == ["tick_labels"]
    assert "tick_values" in ticks
    assert view.y_axis.tick_labels["-6"] == "1e-06"
    assert view.y_axis.tick_labels["2"] == "100"


def test_marks_are_kept_and_those_of_curves_that_are_gone_are_emptied(sent):
    view = PlotView()
    view.draw(a_plot(a_curve([1, 2]), a_curve([3, 4], name="other")))
    marks = view.figure.marks
    view.draw(a_plot(a_curve([5, 6])))
    assert view.figure.marks == marks
    assert not len(view.slots[1].line.x)
    assert "other" not in view.legend.value


def test_each_mark_gets_both_coordinates_in_one_message_and_idle_ones_none(sent):
    view = PlotView()
    sent.clear()
    view.draw(a_plot(a_curve([1, 2, 3])))
    assert updates(sent, view.slots[0].line) == [["x", "y"]]
    assert updates(sent, view.slots[1].line) == []


def test_names_and_titles_with_markup_are_text(sent):
    view = PlotView()
    plot = Plot(title=EVIL, x_label="x", y_label="y", curves=(a_curve([1, 2], name=EVIL),))
    view.draw(plot)
    assert "<script" not in view.title.value + view.legend.value
    assert "&lt;script&gt;" in view.title.value
    assert "&lt;script&gt;" in view.legend.value


def test_curves_beyond_the_pool_are_told_not_dropped_silently(sent):
    view = PlotView()
    view.draw(a_plot(*(a_curve([i, i + 1], name=f"c{i}") for i in range(10))))
    assert "2 more curves" in view.legend.value


def test_a_plot_without_values_is_drawn_empty(sent):
    view = PlotView()
    view.draw(a_plot(a_curve([]), a_curve([np.nan], style="points")))
    assert view.y.min < view.y.max


def test_the_brush_is_off_until_asked_for_and_tells_an_interval_once(sent):
    found = []
    view = PlotView(on_range=lambda *x: found.append(x))
    view.draw(a_plot(a_curve([1, 2, 3])))
    assert view.figure.interaction is None
    view.ask_range()
    assert view.figure.interaction is view.brush
    view.brush.brushing = True
    view.brush.selected = np.array([2.0, 1.0])
    assert found == []
    view.brush.brushing = False
    view.brush.brushing = True
    view.brush.brushing = False
    assert found == [(1.0, 2.0)]
    view.ask_range(False)
    assert view.figure.interaction is None


def test_an_interval_on_a_logarithmic_axis_comes_in_its_units(sent):
    found = []
    view = PlotView(on_range=lambda *x: found.append(x), hand_over=lambda f, *a: f(*a))
    view.draw(a_plot(a_curve([1, 2, 3]), log_x=True))
    view.brush.selected = np.array([1.0, 2.0])
    assert found == [(10.0, 100.0)]


def test_ticks_are_round_numbers():
    assert list(round_ticks(0.2, 10.1, 5)) == [2, 4, 6, 8, 10]
    assert list(round_ticks(-0.011, 0.011, 5)) == [-0.01, -0.005, 0, 0.005, 0.01]
    assert len(round_ticks(1.0, 1.0)) == 1


def test_pictures_are_asked_of_the_browser_by_name(sent):
    view = PlotView()
    view.draw(a_plot(a_curve([1, 2])))
    view.save_png()
    view.save_svg("b")
    asked = [d["content"] for n, d, _ in sent if d.get("method") == "custom"]
    assert [(a["type"], a["filename"]) for a in asked] == [
        ("save_png", "a-title.png"),
        ("save_svg", "b.svg"),
    ]


def test_the_data_of_a_plot_are_saved_as_they_are_not_as_they_are_drawn(sent, tmp_path):
    view = PlotView()
    with pytest.raises(OutputError, match="no plot to save"):
        view.save_table(tmp_path / "a.ecsv")
    view.draw(a_plot(a_curve([0, 100], style="steps"), log_y=True))
    table = AstropyTable.read(view.save_table(tmp_path / "a.ecsv"))
    assert list(table["rate"]) == [0, 100]


def test_every_curve_of_the_pool_has_a_colour_of_its_own():
    assert len(set(COLOURS)) == PlotView.MOST == len(COLOURS)
    assert PLOTS_CSS.exists()


# --- tables


def test_a_table_is_shown_escaped_with_its_numbers_and_saved_whole(sent, tmp_path):
    view = TableView()
    view.draw(a_table())
    assert "<script" not in view.html.value
    assert "1.5" in view.html.value
    view.draw(a_table([(i, "x") for i in range(600)]))
    assert view.html.value.count("<tr>") == 501
    assert "the first 500 of 600 rows" in view.html.value
    assert len(AstropyTable.read(view.save_table(tmp_path / "t.ecsv"))) == 600


def test_a_quote_in_a_title_stays_in_its_label(sent):
    view = TableView()
    view.draw(Table(title='a" onfocus="x', columns=("a",), rows=((1,),)))
    assert 'onfocus="' not in view.html.value


def test_a_table_without_rows_says_so(sent):
    view = TableView()
    view.draw(a_table([]))
    assert "nothing to list" in view.html.value


# --- tabs


@pytest.fixture
def made():
    """Titles of what was computed, in order, and the makers that note it."""
    order = []

    def maker(title, thing):
        def make():
            order.append(title)
            if isinstance(thing, Exception):
                raise thing
            return thing

        return make

    makers = {
        "curve": maker("curve", a_plot(a_curve([1, 2]))),
        "table": maker("table", a_table()),
        "widget": maker("widget", w.HTML("mine")),
        "broken": maker("broken", InputError(f"no frame {EVIL}")),
    }
    return order, makers


def test_only_the_chosen_tab_is_computed(sent, made):
    order, makers = made
    tabs = PlotTabs(makers)
    assert (tabs.chosen, order) == ("curve", ["curve"])
    tabs.choose("table")
    assert order == ["curve", "table"]
    assert tabs.body.children == (tabs.table_view,)
    tabs.refresh()
    assert order == ["curve", "table", "table"]


def test_the_browser_chooses_a_tab_and_somebody_is_told(sent, made):
    order, makers = made
    told, handed = [], []

    def hand_over(function, *args):
        handed.append(function)
        function(*args)

    tabs = PlotTabs(makers, on_choose=told.append, hand_over=hand_over)
    tabs.choose("table")
    assert told == []
    front_end_sets(tabs.tabs, chosen="widget")
    assert told == ["widget"]
    assert handed
    assert tabs.body.children[0].value == "mine"
    assert order == ["curve", "table", "widget"]


def test_an_error_is_shown_in_place_as_text_and_the_other_tabs_go_on(sent, made):
    tabs = PlotTabs(made[1])
    tabs.choose("broken")
    (shown,) = tabs.body.children
    assert "no frame &lt;script&gt;" in shown.value
    assert tabs.table.disabled
    tabs.choose("curve")
    assert tabs.body.children == (tabs.plot_view,)
    assert not tabs.table.disabled


def test_an_unknown_tab_suggests_the_nearest(sent, made):
    with pytest.raises(ParamError, match="did you mean 'curve'"):
        PlotTabs(made[1]).choose("curv")


def test_other_tabs_can_be_offered_and_the_open_one_stays(sent, made):
    order, makers = made
    told = []
    tabs = PlotTabs(makers, on_choose=told.append)
    tabs.choose("table")
    tabs.offer({"table": makers["table"], "curve": makers["curve"]})
    assert tabs.chosen == "table"
    assert tabs.tabs.titles == ["table", "curve"]
    tabs.offer({"curve": makers["curve"]})
    assert tabs.chosen == "curve"
    tabs.offer({})
    assert tabs.chosen == ""
    assert told == []
    assert order == ["curve", "table", "table", "curve"]


def test_buttons_save_what_is_open_under_a_free_name(sent, made, tmp_path):
    tabs = PlotTabs(made[1], folder=tmp_path)
    tabs.table.click()
    tabs.table.click()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["curve-2.ecsv", "curve.ecsv"]
    assert "curve-2.ecsv" in tabs.status.value
    tabs.png.click()
    asked = [d["content"] for n, d, _ in sent if d.get("method") == "custom"]
    assert asked == [{"type": "save_png", "filename": "curve.png", "scale": None}]
    tabs.choose("table")
    assert tabs.png.disabled
    assert not tabs.table.disabled


def test_a_table_that_cannot_be_written_is_said_in_one_line(sent, made, tmp_path):
    tabs = PlotTabs(made[1], folder=tmp_path / "none")
    tabs.table.click()
    assert "cannot be written" in tabs.status.value


def test_the_brush_button_is_there_only_where_somebody_listens(sent, made):
    assert PlotTabs(made[1]).range not in PlotTabs(made[1]).children[2].children
    tabs = PlotTabs(made[1], on_range=lambda *x: None)
    assert tabs.range in tabs.children[2].children
    tabs.range.value = True
    assert tabs.plot_view.figure.interaction is tabs.plot_view.brush
    tabs.choose("table")
    assert tabs.range.disabled
