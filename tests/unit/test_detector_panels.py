"""Methods side by side, and injection and recovery, without a browser."""

import asyncio

import numpy as np
import pytest

pytest.importorskip("anywidget", reason="the lab extra is not installed")

from jwinteractive.data import Box
from jwinteractive.methods import Tried
from jwinteractive.pixel import PixelFit, PixelHistory, PixelStep
from jwinteractive_widgets import method_table, recovery
from jwinteractive_widgets.background import Background
from jwinteractive_widgets.method_table import MethodTable
from jwinteractive_widgets.recovery import RecoveryPanel

# -- methods ---------------------------------------------------------------------------------------


def tried(method, rate, *, chi2=None, present=False, failed=""):
    flags = np.zeros((1, 5), np.uint8)
    flags[0, 2] = 4
    steps = (
        PixelStep("jump", np.zeros((1, 5)), flags),
        PixelStep("ramp_fit", rate=rate, err=0.1, chi2=chi2, dof=None if chi2 is None else 3),
    )
    none = PixelFit(np.zeros(1), np.zeros(1), np.zeros((1, 5)), np.zeros((1, 5)))
    history = None if failed else PixelHistory(3, 4, np.arange(5.0), steps, none)
    return Tried(
        choices={"jump": method},
        present=present,
        history=history,
        seconds=0.002,
        pixels=4225,
        failed=failed,
    )


@pytest.fixture
def compared(monkeypatch):
    """Pixels that were asked for; the answer is made up."""
    asked = []

    def compare(session, y, x, exposure, cancel):
        asked.append((y, x))
        return (
            tried("likelihood", 2.0, chi2=6.0, present=True),
            tried("two-point", 2.5),
            tried("LIKELY", 2.1, failed="<b>needs four groups</b>"),
        )

    monkeypatch.setattr(method_table, "compare_methods", compare)
    return asked


def test_methods_are_compared_only_while_the_switch_is_on_and_a_pixel_is_picked(
    sent, session, compared
):
    table = MethodTable(session, Background())
    session.see(pick=(3, 4))
    table.refresh()
    assert compared == []
    table.switch.value = True
    assert compared == [(3, 4)]
    table.refresh()
    assert compared == [(3, 4)], "nothing has changed"
    session.set("jump", rejection_threshold=6.0)
    table.refresh()
    session.see(pick=(5, 5))
    table.refresh()
    assert compared == [(3, 4), (3, 4), (5, 5)]
    session.see(box=Box(1, 5, 1, 5))
    table.refresh()
    assert "pick a pixel" in table.text.value
    table.switch.value = False
    assert table.text.value == ""


def test_the_table_has_a_row_for_each_method_and_what_a_fit_does_not_tell_is_said(
    sent, session, compared
):
    table = MethodTable(session, Background())
    session.see(pick=(3, 4))
    table.switch.value = True
    text = table.text.value
    assert "likelihood (present)" in text
    assert "6.0/3 = 2.00" in text
    assert "not told" in text
    assert "&lt;b&gt;needs four groups" in text


def test_an_answer_that_comes_late_does_not_overwrite_a_newer_question(sent, session, monkeypatch):
    async def play():
        pixels = []

        def compare(session, y, x, exposure, cancel):
            pixels.append((y, x))
            return (tried(f"at {y}", 1.0, present=True),)

        monkeypatch.setattr(method_table, "compare_methods", compare)
        monkeypatch.setattr(method_table, "SETTLE", 0.0)
        table = MethodTable(session, Background("methods"))
        session.see(pick=(3, 4))
        table.switch.value = True
        session.see(pick=(9, 9))
        table.refresh()
        for _ in range(500):
            if "at 9" in table.text.value:
                return pixels
            await asyncio.sleep(0.01)
        return None

    pixels = asyncio.run(play())
    assert pixels is not None
    assert pixels[-1] == (9, 9)


# -- recovery --------------------------------------------------------------------------------------


@pytest.fixture
def measured(monkeypatch):
    """What was measured, by keyword."""
    asked, compute = [], recovery.measure_recovery

    def measure(session, size, **keys):
        asked.append({"size": size, **keys})
        return compute(session, size, **keys, samples=40_000)

    monkeypatch.setattr(recovery, "measure_recovery", measure)
    return asked


@pytest.fixture
def panel(sent, session, measured):
    session.see(step="jump")
    return RecoveryPanel(session, Background())


def threshold_in(session):
    params = session.recipe["jump"].params
    name = recovery.threshold_of(params, 8).name
    return name, getattr(params, name)


def test_nothing_is_injected_before_the_panel_is_looked_at_nor_after(panel, measured, session):
    panel.refresh()
    assert measured == []
    panel.follow()
    assert len(measured) == 1
    panel.hide()
    session.set("jump", flag_4_neighbors=False)
    panel.refresh()
    assert len(measured) == 1
    panel.follow()
    assert len(measured) == 2


def test_the_curve_follows_the_threshold_and_only_what_matters_is_measured_again(
    panel, measured, session
):
    panel.follow()
    name, threshold = threshold_in(session)
    assert panel.found.parameter == name
    assert f"now: {threshold:g} sigma" in [c.name for c in panel.curve.plot.curves]
    session.set("jump", **{name: threshold + 1})
    panel.refresh()
    assert panel.found.threshold == threshold + 1
    assert f"{name} {threshold + 1:g} sigma" in panel.text.value
    before = len(measured)
    session.see(group=2, pick=(4, 4))
    session.set("ramp_fit", suppress_one_group=False)
    panel.refresh()
    assert len(measured) == before, "neither the look nor later steps matter"


def test_sliders_choose_the_size_the_rate_and_the_pixels(panel, measured, session, browser_says):
    def turn(name, value):
        message = {"kind": "set", "id": "v", "seq": 1, "step": "injection"}
        browser_says(panel.form, **message, name=name, value=value)

    panel.follow()
    turn("size", 100)
    turn("rate", 3)
    session.see(window=(10.0, 12.0, 40.0, 44.0))
    panel.refresh()
    assert measured[-1]["box"] is None
    turn("size", -3)
    assert "must lie in [0, 1e+06] e-" in panel.form.rows["size"]["error"]
    turn("pixels", recovery.IN_VIEW)
    last = measured[-1]
    assert (last["size"], last["rate"]) == (100.0, 3.0)
    assert last["box"] is not None
    assert panel.found.size == 100.0
    assert "100 e-" in panel.curve.plot.title


def test_what_cannot_be_measured_is_said_in_place_of_the_curve(panel, session):
    panel.follow()
    assert panel.curve in panel.children
    session.enable("jump", False)
    panel.refresh()
    assert "jump does not run here" in panel.text.value
    assert panel.curve not in panel.children


def test_the_tab_is_there_beside_its_step_only_and_its_table_can_be_saved(bench, tmp_path):
    tabs = bench.graphs.tabs
    assert "recovery" in tabs.tabs.titles
    tabs.tabs.chosen = "recovery"
    panel = bench.graphs.recovery
    assert panel.found is not None
    assert panel.save_table(tmp_path / "curve.ecsv").exists()
    bench.session.see(step="ramp_fit")
    assert "recovery" not in tabs.tabs.titles
    assert tabs.chosen == "ramp"
