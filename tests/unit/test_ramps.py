"""The ramp inspector without a kernel: histories with numbers worked by hand."""

import dataclasses as dc
import math

import numpy as np
import pytest

pytest.importorskip("bqplot", reason="the lab extra is not installed")

from astropy.table import Table as AstropyTable

from jwinteractive import dq
from jwinteractive.data import Box
from jwinteractive.errors import OutputError, RecipeError
from jwinteractive.pixel import PixelFit, PixelHistory, PixelStep
from jwinteractive_widgets.ramps import RampInspector

NGROUP = 6
TIMES = 2.0 * np.arange(1, NGROUP + 1)
SLOPE = 5.0


def a_history(nint=2, y=10, x=20, fit=True):
    """Slope 5 DN/s; a jump of 100 DN in group 4 and saturation in group 6 of the first."""
    data = np.tile(SLOPE * TIMES, (nint, 1))
    flags = np.zeros(data.shape, np.uint8)
    data[0, 3:] += 100
    flags[0, 3] = dq.JUMP_DET
    flags[0, 5] = dq.SATURATED
    flags[0, 0] = dq.DO_NOT_USE
    line = data.copy()
    residuals = np.zeros(data.shape)
    residuals[:, 1::2], residuals[:, 2::2] = 1.0, -1.0
    residuals[0, [0, 5]] = np.nan
    data = line + np.nan_to_num(residuals)
    raw = PixelStep("input", data + 9000, np.zeros_like(flags))
    jump = PixelStep("jump", data, flags)
    rate = PixelStep("ramp_fit", pixeldq=dq.JUMP_DET, rate=SLOPE, err=0.1)
    steps = (raw, jump, rate) if fit else (raw, jump)
    found = PixelFit(np.full(nint, SLOPE), np.zeros(nint), line, residuals) if fit else None
    return PixelHistory(y, x, TIMES, steps, found)


class Refit:
    """Slope grows by 0.3 for each flag taken off, falls by 0.2 for each set; notes what it saw."""

    def __init__(self):
        self.asked = []

    def __call__(self, y, x, integration, changes):
        self.asked.append((y, x, integration, changes))
        return SLOPE + sum(-0.2 if on else 0.3 for _, _, on in changes), 0.1


def drawn(history=None, **keys):
    made = {k: keys.pop(k) for k in ("on_flag", "refit", "hand_over") if k in keys}
    inspector = RampInspector(**made)
    inspector.draw(history or a_history(), **{"step": "jump", "integration": 0, **keys})
    return inspector


def click(inspector, group):
    content = {"event": "element_click", "data": {"x": group + 1.0, "y": 0.0}}
    inspector.plot.targets._handle_msg(
        {"content": {"data": {"method": "custom", "content": content}}, "buffers": []}
    )


# --- what is drawn


def test_each_group_is_drawn_once_by_its_gravest_flag(sent):
    plot = drawn().plot
    assert list(plot.groups.x) == [2, 3, 5]
    assert list(plot.flagged["JUMP_DET"].x) == [4]
    assert list(plot.flagged["SATURATED"].x) == [6]
    assert list(plot.flagged["DO_NOT_USE"].x) == [1]
    for word in ("jump", "saturated", "do not use", "fit", "other integrations"):
        assert word in plot.legend.value


def test_other_flags_of_a_group_have_a_mark_too(sent):
    history = a_history()
    flags = history.steps[1].groupdq.copy()
    flags[0, 2] = dq.PERSISTENCE
    steps = (history.steps[0], dc.replace(history.steps[1], groupdq=flags), history.steps[2])
    plot = drawn(dc.replace(history, steps=steps)).plot
    assert list(plot.flagged["other flag"].x) == [3]
    assert "PERSISTENCE" in plot.targets.names[2]


def test_the_line_starts_anew_after_a_jump(sent):
    line = drawn().plot.line
    assert list(line.x) == [1, 2, 3, 4, 4, 5, 6]
    assert np.array_equal(line.y, [10, 20, 30, np.nan, 140, 150, 160], equal_nan=True)


def test_the_other_integrations_are_one_thin_line_with_gaps(sent):
    plot = drawn(a_history(nint=3)).plot
    assert np.isnan(plot.others.y).sum() == 1
    assert len(plot.others.x) == 2 * NGROUP + 1
    assert drawn(a_history(nint=1)).plot.others.x.size == 0
    assert len(drawn(a_history(nint=900)).plot.others.x) == 200 * (NGROUP + 1) - 1


def test_residuals_are_of_the_used_groups_with_their_scatter(sent):
    inspector = drawn(a_history(nint=1))
    plot = inspector.plot
    assert list(plot.rest.x) == [2, 3, 4, 5]
    assert list(plot.rest.y) == [1, -1, 1, -1]
    # four residuals of 1, less one slope and the levels before and after the jump
    assert np.allclose(np.abs(plot.spread.y[np.isfinite(plot.spread.y)]), 2.0)
    assert "scatter by 2 DN" in inspector.text.value


def test_the_line_is_drawn_only_over_the_ramp_that_was_fitted(sent):
    inspector = drawn(step="input")
    assert inspector.plot.line.x.size == 0
    assert inspector.plot.rest_figure not in inspector.plot.children
    assert "as read" in inspector.title.value
    assert "fitted after jump" in inspector.title.value
    inspector.which.value = "jump"
    assert inspector.plot.line.x.size
    assert inspector.plot.rest_figure in inspector.plot.children
    inspector.draw(a_history(), step="input", integration=0)
    assert "after jump" in inspector.title.value, "what somebody chose stays"


def test_a_step_without_a_ramp_shows_the_ramp_that_it_fitted(sent):
    assert "after jump" in drawn(step="ramp_fit").title.value


def test_a_second_ramp_beside_it_is_shifted_to_meet_it_and_says_by_how_much(sent):
    inspector = drawn()
    inspector.other.value = "input"
    assert np.allclose(inspector.plot.beside.y, inspector.history.steps[1].data[0])
    assert "as read, shifted by -9000 DN" in inspector.plot.legend.value


def test_the_line_of_the_pinned_run_is_dashed_and_its_rate_said(sent):
    other = a_history()
    fit = dc.replace(other.fit, line=other.fit.line + 7)
    steps = (*other.steps[:2], dc.replace(other.steps[2], rate=4.0))
    inspector = drawn(pinned=dc.replace(other, fit=fit, steps=steps))
    assert inspector.plot.pinned.y[0] == 17
    assert inspector.plot.pinned.line_style == "dashed"
    assert "pinned: rate 4.00 ± 0.10 DN/s" in inspector.text.value


def test_the_text_says_the_slope_here_combined_and_the_flags(sent):
    inspector = drawn(integration=1)
    text = inspector.text.value
    assert "slope in integration 2: 5 DN/s" in text
    assert "rate 5.00 ± 0.10 DN/s · JUMP_DET" in text
    assert "no group flagged" in text
    assert "integration 2 of 2" in inspector.title.value
    assert "1 jump, 1 saturated, 1 do not use" in drawn().text.value


def test_the_axis_counts_groups_in_whole_numbers_and_tells_their_time(sent):
    plot = drawn().plot
    assert list(plot.groups_axis.tick_values) == [1, 2, 3, 4, 5, 6]
    assert plot.groups_axis.label == "group (2 s each)"
    assert plot.targets.names[3] == "group 4 · 8 s · 141 DN · JUMP_DET"


def test_a_box_is_named_and_its_groups_cannot_be_flagged(sent):
    told, refit = [], Refit()
    inspector = drawn(box=Box(5, 10, 10, 21), on_flag=lambda *a: told.append(a), refit=refit)
    assert "mean of x 10 to 20, y 5 to 9" in inspector.title.value
    click(inspector, 2)
    assert inspector.group == 2
    assert (told, refit.asked) == ([], [])
    assert inspector.toggle.layout.display == "none"


def test_a_file_without_ramps_says_so_and_clears(sent):
    rate = PixelStep("ramp_fit", rate=1.0, err=0.5)
    inspector = drawn()
    inspector.draw(PixelHistory(1, 2, np.empty(0), (rate,), None), step="x", integration=0)
    assert "no ramp in this file" in inspector.title.value
    assert inspector.plot.groups.x.size == 0
    assert "1.00 ± 0.50 DN/s" in inspector.text.value
    inspector.clear()
    assert "Click a pixel" in inspector.text.value


def test_a_ramp_without_a_single_value_is_drawn_empty(sent):
    history = a_history(nint=1, fit=False)
    steps = tuple(dc.replace(s, data=np.full((1, NGROUP), np.nan)) for s in history.steps)
    plot = drawn(dc.replace(history, steps=steps)).plot
    assert plot.groups.x.size == plot.targets.x.size == 0


def test_a_pick_sends_each_mark_once_and_makes_no_widget(sent):
    inspector = drawn()
    sent.clear()
    inspector.draw(a_history(y=11), step="jump", integration=1)
    ids = [name for name, d, _ in sent if d.get("method") == "update" and "y" in d["state"]]
    assert ids
    rings = {inspector.plot.ring.comm.comm_id, inspector.plot.rest_ring.comm.comm_id}
    once = [i for i in ids if i not in rings]
    assert len(once) == len(set(once))
    assert all(d.get("method") == "update" for _, d, _ in sent)
    assert sum(size for _, _, size in sent) < 20_000


# --- groups


def test_a_click_on_a_group_flags_it_and_on_a_flagged_one_unflags_it(sent):
    told = []
    inspector = drawn(on_flag=lambda *a: told.append(a))
    click(inspector, 2)
    click(inspector, 3)
    inspector.flag.value = "DO_NOT_USE"
    click(inspector, 3)
    assert told == [
        (0, 2, "JUMP_DET", True),
        (0, 3, "JUMP_DET", False),
        (0, 3, "DO_NOT_USE", True),
    ]
    assert list(inspector.plot.ring.x) == [4]
    assert list(inspector.plot.rest_ring.x) == [4]


def test_buttons_step_through_the_groups_and_flag_the_selected_one(sent):
    told, handed = [], []

    def hand_over(function, *args):
        handed.append(function)
        function(*args)

    inspector = drawn(on_flag=lambda *a: told.append(a), hand_over=hand_over)
    assert inspector.toggle.disabled
    inspector.next.click()
    assert inspector.group == 0
    inspector.previous.click()
    assert inspector.group == NGROUP - 1
    assert "group 6 (12 s): SATURATED" in inspector.group_text.value
    inspector.toggle.click()
    assert told == [(0, NGROUP - 1, "JUMP_DET", True)]
    assert len(handed) == 3


def test_the_selection_stays_until_another_group_is_asked_for_or_another_pixel(sent):
    inspector = drawn(group=-1)
    assert inspector.group == NGROUP - 1
    inspector.next.click()
    inspector.draw(a_history(), step="jump", integration=0, group=-1)
    assert inspector.group == 0, "the frame's group did not change"
    inspector.draw(a_history(), step="jump", integration=0, group=3)
    assert inspector.group == 3
    inspector.draw(a_history(y=11), step="jump", integration=0)
    assert inspector.group is None


def test_without_a_listener_groups_are_only_selected(sent):
    inspector = drawn()
    click(inspector, 2)
    assert inspector.group == 2
    assert inspector.toggle.layout.display == "none"


def test_the_slope_is_told_with_and_without_each_flag(sent):
    refit = Refit()
    inspector = drawn(refit=refit)
    assert refit.asked == [
        (10, 20, 0, ()),
        (10, 20, 0, ((3, "JUMP_DET", False),)),
        (10, 20, 0, ((0, "DO_NOT_USE", False),)),
        (10, 20, 0, ((3, "JUMP_DET", False), (0, "DO_NOT_USE", False))),
    ]
    table = inspector.table.value
    assert "<td>without JUMP_DET</td><td>5.30 ± 0.10</td><td>+0.3</td><td>+3.0</td>" in table
    assert "<td>without both</td><td>5.60 ± 0.10</td>" in table


def test_the_selected_group_tells_what_its_flag_does_in_one_sentence(sent):
    refit = Refit()
    inspector = drawn(refit=refit, group=3)
    said = inspector.group_text.value
    assert "slope 5.00 ± 0.10, without this flag 5.30 ± 0.10, change +3.0 sigma" in said
    before = len(refit.asked)
    inspector.next.click()
    assert refit.asked[before:] == [(10, 20, 0, ((4, "JUMP_DET", True),))], "the rest is known"
    assert "with this flag 4.80 ± 0.10, change -2.0 sigma" in inspector.group_text.value
    assert "group 5 with JUMP_DET" in inspector.table.value


def test_clicked_groups_keep_their_rows_for_as_long_as_the_pixel_is_the_same(sent):
    inspector = drawn(refit=Refit(), on_flag=lambda *a: None)
    click(inspector, 1)
    click(inspector, 2)
    inspector.draw(a_history(), step="jump", integration=0)
    assert "group 2 with JUMP_DET" in inspector.table.value
    inspector.draw(a_history(x=21), step="jump", integration=0)
    assert "group 2 with" not in inspector.table.value


def test_a_slope_that_cannot_be_had_is_said_in_place(sent):
    def refuse(*_):
        raise RecipeError("no step <b>user_flags</b>")

    inspector = drawn(refit=refuse, group=1)
    assert "no step &lt;b&gt;" in inspector.group_text.value
    assert inspector.table.value == ""
    none = drawn(refit=lambda *_: (math.nan, math.nan), group=1)
    assert "–" in none.table.value


# --- taking it home


def test_the_ramp_is_saved_with_its_fit_for_every_integration(sent, tmp_path):
    inspector = drawn()
    table = AstropyTable.read(inspector.save_table(tmp_path / "r.ecsv"))
    assert len(table) == 2 * NGROUP
    assert table["flags"][3] == "JUMP_DET"
    assert table["fit"][3] == 140
    inspector.which.value = "input"
    raw = AstropyTable.read(inspector.save_table(tmp_path / "raw.ecsv"))
    assert raw["signal"][0] > 9000
    assert np.isnan(raw["fit"]).all()
    with pytest.raises(OutputError, match="pick a pixel first"):
        RampInspector().save_table(tmp_path / "none.ecsv")


def test_pictures_of_ramp_and_residuals_are_asked_of_the_browser(sent):
    inspector = drawn()
    inspector.save_png()
    drawn(step="input").save_svg("raw")
    asked = [d["content"]["filename"] for _, d, _ in sent if d.get("method") == "custom"]
    assert asked == ["ramp.png", "ramp-residuals.png", "raw.svg"]
