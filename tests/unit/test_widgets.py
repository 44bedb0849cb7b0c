"""The panel without a kernel: a recording comm, a front end played by messages, a small session."""

import asyncio
import dataclasses as dc
import threading
from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("anywidget", reason="the lab extra is not installed")
comm = pytest.importorskip("comm")

from comm.base_comm import BaseComm  # noqa: E402
from psygnal import Signal  # noqa: E402

from jwinteractive import dq  # noqa: E402
from jwinteractive.data import Box, Exposure, Ramp, Rate  # noqa: E402
from jwinteractive.errors import StepError  # noqa: E402
from jwinteractive.pixel import pixel_history  # noqa: E402
from jwinteractive.views import cut_limits  # noqa: E402
from jwinteractive_widgets import show  # noqa: E402
from jwinteractive_widgets.background import Background  # noqa: E402
from jwinteractive_widgets.frame import Frame, FrameView, resample  # noqa: E402
from jwinteractive_widgets.panel import frame_of  # noqa: E402

NINT, NGROUP, NY, NX = 2, 6, 48, 64


@pytest.fixture
def sent(monkeypatch):
    """Everything that would travel to the browser: (comm id, data, bytes of the buffers)."""
    found = []

    class Recording(BaseComm):
        def publish_msg(self, msg_type, data=None, metadata=None, buffers=None, **keys):
            found.append(
                (self.comm_id, data or {}, sum(memoryview(b).nbytes for b in buffers or ()))
            )

    monkeypatch.setattr(comm, "create_comm", Recording)
    return found


def customs(sent, widget, kind):
    content = [
        (d["content"], size)
        for name, d, size in sent
        if name == widget.comm.comm_id and d.get("method") == "custom"
    ]
    return [(c, size) for c, size in content if c.get("kind") == kind]


def browser_says(widget, **content):
    data = {"method": "custom", "content": content}
    widget._handle_msg({"content": {"data": data}, "buffers": []})


def an_exposure():
    return Exposure(
        instrument="NIRCAM", detector="NRCA1", nints=NINT, ngroups=NGROUP, group_time=2.0
    )


def a_ramp():
    rng = np.random.default_rng(3)
    data = np.cumsum(rng.uniform(5, 15, (NINT, NGROUP, NY, NX)), axis=1).astype(np.float32)
    groupdq = np.zeros(data.shape, np.uint8)
    groupdq[0, 3, 10, 20] = dq.JUMP_DET
    groupdq[0, 5, 10, 20] = dq.SATURATED
    return Ramp(
        exposure=an_exposure(),
        data=data,
        groupdq=groupdq,
        pixeldq=np.zeros((NY, NX), np.uint32),
    )


def a_rate(ramp):
    slope = (ramp.data[:, -1] - ramp.data[:, 0]).mean(axis=0) / (2.0 * (NGROUP - 1))
    return Rate(
        exposure=ramp.exposure,
        data=slope,
        err=np.full_like(slope, 0.1),
        dq=ramp.pixeldq,
        var_poisson=slope * 0,
        var_rnoise=slope * 0,
    )


class SmallSession:
    """What the panel asks of a session, on one ramp held in memory."""

    changed = Signal(str)

    def __init__(self):
        ramp = a_ramp()
        self.products = {"input": ramp, "jump": ramp, "ramp_fit": a_rate(ramp)}
        self.exposures = tuple(
            SimpleNamespace(name=f"{n}_uncal.fits", exposure=ramp.exposure) for n in "ab"
        )
        self.active = 0
        self.broken = False
        self.stand_ins = []

    def nominal(self):
        return self.stand_ins

    def input(self):
        return self.products["input"]

    def plan(self):
        names = [n for n in self.products if n != "input"]
        return [SimpleNamespace(step=SimpleNamespace(name=n), skipped="") for n in names]

    def preview(self, box, upto=None):
        assert box == Box.whole((NY, NX))
        if self.broken:
            raise StepError("jump failed: no gain")
        return self.products[upto]

    def inspect(self, y, x):
        pixel = Box.around(y, x)
        return pixel_history(y, x, [(n, p.crop(pixel)) for n, p in self.products.items()])


# -- the resampler --------------------------------------------------------------------------------


def test_a_whole_frame_on_a_big_screen_keeps_every_pixel():
    data = np.arange(12, dtype=np.float32).reshape(3, 4)
    frame = Frame(data, np.zeros((3, 4), np.uint32))
    patch = resample(frame, (0, 0, 4, 3), (400, 300), (0.0, 11.0))
    assert patch.factor == 1
    assert patch.extent == (0, 0, 4, 3)
    assert np.allclose(patch.low + patch.step * (patch.codes - 1.0), data, atol=1e-3)


def test_blocks_are_means_of_the_finite_values_and_a_block_without_any_has_code_0():
    data = np.full((4, 4), np.nan, np.float32)
    data[0, 0], data[1, 1], data[2:, 2:] = 2, 4, 9
    patch = resample(Frame(data, np.zeros((4, 4), np.uint32)), (0, 0, 4, 4), (2, 2), (0.0, 10.0))
    assert patch.codes[0, 1] == patch.codes[1, 0] == 0
    assert patch.low + patch.step * (patch.codes[0, 0] - 1.0) == pytest.approx(3, abs=1e-3)
    assert patch.low + patch.step * (patch.codes[1, 1] - 1.0) == pytest.approx(9, abs=1e-3)


def test_one_flagged_pixel_survives_any_zooming_out():
    flags = np.zeros((2048, 2048), np.uint32)
    flags[1000, 77] = dq.REFERENCE_PIXEL
    flags[1001, 77] = dq.JUMP_DET
    frame = Frame(np.zeros((2048, 2048), np.float32), flags)
    patch = resample(frame, (0, 0, 2048, 2048), (256, 256), (0.0, 1.0))
    assert patch.factor == 8
    label = patch.labels[1000 // 8, 77 // 8]
    assert patch.flags[label] == dq.REFERENCE_PIXEL | dq.JUMP_DET
    assert np.count_nonzero(patch.labels) == 1


def test_blocks_do_not_move_when_the_view_pans():
    rng = np.random.default_rng(1)
    frame = Frame(rng.normal(size=(200, 200)).astype(np.float32), np.zeros((200, 200), np.uint32))
    one = resample(frame, (50, 50, 150, 150), (40, 40), (-1.0, 1.0))
    two = resample(frame, (57, 50, 157, 150), (40, 40), (-1.0, 1.0))
    assert one.factor == two.factor == 2
    shift = (two.extent[0] - one.extent[0]) // 2
    assert np.array_equal(one.codes[:, shift:], two.codes[:, : one.codes.shape[1] - shift])


def test_a_view_beside_the_frame_gets_its_edge_and_does_not_fail():
    frame = Frame(np.ones((8, 8), np.float32), np.zeros((8, 8), np.uint32))
    patch = resample(frame, (100, -90, 120, -70), (20, 20), (0.0, 1.0))
    assert patch.codes.size > 0


@pytest.mark.parametrize("data", [np.full((5, 5), np.nan), np.full((5, 5), 3.0)])
def test_cuts_of_a_frame_without_contrast_still_differ(data):
    low, high = cut_limits(data)
    assert low < high


# -- the canvas -----------------------------------------------------------------------------------


def test_no_frame_travels_before_the_view_said_where_it_looks(sent):
    view = FrameView()
    view.show_frame(Frame(np.ones((NY, NX), np.float32), np.zeros((NY, NX), np.uint32)))
    assert not customs(sent, view, "patch")
    browser_says(view, kind="view", id="one", box=[0, 0, NX, NY])
    ((content, size),) = customs(sent, view, "patch")
    assert content["id"] == "one"
    assert size == 3 * NY * NX  # uint16 codes and a byte of label a pixel


def test_a_full_frame_costs_no_more_bytes_than_the_screen_has_pixels_to_show(sent):
    frame = Frame(np.ones((2048, 2048), np.float32), np.zeros((2048, 2048), np.uint32))
    view = FrameView()
    view.show_frame(frame)
    browser_says(view, kind="view", id="one", box=[0, 0, 2048, 2048])
    ((_, size),) = customs(sent, view, "patch")
    assert size <= 3 * (1.5 * view.width) * (1.5 * view.height)


def test_stretch_and_overlay_send_no_frame(sent):
    view = FrameView()
    view.show_frame(Frame(np.ones((NY, NX), np.float32), np.zeros((NY, NX), np.uint32)))
    browser_says(view, kind="view", id="one", box=[0, 0, NX, NY])
    before = len(customs(sent, view, "patch"))
    view.stretch, view.shown = "log", dq.SATURATED
    assert len(customs(sent, view, "patch")) == before


def test_two_views_of_one_widget_have_a_viewport_each(sent):
    view = FrameView()
    frame = Frame(np.ones((NY, NX), np.float32), np.zeros((NY, NX), np.uint32))
    view.show_frame(frame)
    browser_says(view, kind="view", id="one", box=[0, 0, NX, NY])
    browser_says(view, kind="view", id="two", box=[0, 0, 4, 4])
    sent.clear()
    view.show_frame(frame)
    sizes = {c["id"]: c["size"] for c, _ in customs(sent, view, "patch")}
    assert sizes == {"one": (NY, NX), "two": (5, 5)}
    browser_says(view, kind="gone", id="two")
    sent.clear()
    view.show_frame(frame)
    assert [c["id"] for c, _ in customs(sent, view, "patch")] == ["one"]


def test_a_pick_outside_the_frame_is_no_pick(sent):
    picked = []
    view = FrameView(on_pick=lambda y, x: picked.append((y, x)))
    view.show_frame(Frame(np.ones((NY, NX), np.float32), np.zeros((NY, NX), np.uint32)))
    browser_says(view, kind="pick", x=NX, y=0)
    browser_says(view, kind="pick", x=3, y=5)
    assert picked == [(5, 3)]


# -- frames of products ---------------------------------------------------------------------------


def test_flags_of_a_ramp_frame_are_those_that_happened_up_to_its_group():
    ramp = a_ramp()
    assert frame_of(ramp, 0, 2).dq[10, 20] == 0
    assert frame_of(ramp, 0, 3).dq[10, 20] == dq.JUMP_DET
    assert frame_of(ramp, 0, 5).dq[10, 20] == dq.JUMP_DET | dq.SATURATED
    assert frame_of(ramp, 1, 5).dq[10, 20] == 0


def test_a_group_that_is_not_used_does_not_cover_the_frame_with_flags():
    ramp = a_ramp()
    groupdq = ramp.groupdq.copy()
    groupdq[:, -1] |= np.uint8(dq.DO_NOT_USE)
    assert frame_of(dc.replace(ramp, groupdq=groupdq), 1, NGROUP - 1).dq.max() == 0


# -- the panel ------------------------------------------------------------------------------------


def test_the_panel_opens_on_the_last_step_of_the_recipe(sent):
    panel = show(SmallSession())
    assert panel.step.value == "ramp_fit"
    assert panel.step.options == ("input", "jump", "ramp_fit")
    assert panel.view.frame.unit == "DN/s"
    assert panel.group.disabled
    assert panel.integration.max == NINT


def test_another_step_shows_its_last_group(sent):
    session = SmallSession()
    panel = show(session)
    panel.step.value = "jump"
    assert not panel.group.disabled
    assert np.array_equal(panel.view.frame.data, session.products["jump"].data[0, -1])
    panel.group.value = 2
    panel.integration.value = 2
    assert np.array_equal(panel.view.frame.data, session.products["jump"].data[1, 1])


def test_a_pick_draws_the_ramp_with_its_flags_and_says_the_rate(sent):
    panel = show(SmallSession())
    browser_says(panel.view, kind="pick", x=20, y=10)
    assert len(panel.ramp.groups.x) == NGROUP - 2
    assert list(panel.ramp.flagged["JUMP_DET"].x) == [4]
    assert list(panel.ramp.flagged["SATURATED"].x) == [6]
    assert "± 0.1 DN/s" in panel.ramp.text.value
    assert "1 jump, 1 saturated" in panel.ramp.text.value
    assert "x 20, y 10" in panel.ramp.title.value


def test_the_line_is_drawn_only_over_the_ramp_that_was_fitted(sent):
    session = SmallSession()
    rate = session.products["ramp_fit"]
    from jwinteractive.data import RateInts

    ints = {k: np.stack([v] * NINT) for k, v in rate.arrays().items()}
    session.products["ramp_fit"] = rate.replace(
        integrations=RateInts(exposure=rate.exposure, **ints)
    )
    panel = show(session)
    browser_says(panel.view, kind="pick", x=5, y=5)
    assert len(panel.ramp.line.x) == NGROUP
    panel.step.value = "input"
    assert len(panel.ramp.line.x) == 0
    assert "fitted after jump" in panel.ramp.title.value


def test_an_edit_of_the_session_redraws_the_frame(sent):
    session = SmallSession()
    panel = show(session)
    rate = session.products["ramp_fit"]
    session.products["ramp_fit"] = rate.replace(data=rate.data + 1)
    session.changed.emit("jump")
    assert np.array_equal(panel.view.frame.data, rate.data + 1)


def test_the_exposure_dropdown_writes_to_the_session(sent):
    session = SmallSession()
    panel = show(session)
    panel.exposure.value = 1
    assert session.active == 1
    assert panel.view.label.startswith("b_uncal.fits")


def test_a_step_that_fails_is_said_in_the_status_line(sent):
    session = SmallSession()
    panel = show(session)
    session.broken = True
    panel.step.value = "jump"
    assert "jump failed: no gain" in panel.status.value


def test_a_large_frame_is_run_and_not_previewed(sent, monkeypatch):
    monkeypatch.setattr("jwinteractive_widgets.panel.SMALL", NY * NX - 1)
    session = SmallSession()
    ran = []
    session.run = lambda to: ran.append(to) or session.products[to]
    session.preview = None
    ramp = session.products["input"]
    stored = (ramp.data.round() - 32768).astype(">i2")  # as FITS keeps unsigned integers
    session.products["input"] = ramp.replace(data=stored, zero=32768.0)
    panel = show(session)
    panel.step.value = "input"
    assert ran == ["ramp_fit"]
    assert np.array_equal(panel.view.frame.data, ramp.data[0, -1].round())


def test_nominal_references_are_announced(sent):
    session = SmallSession()
    panel = show(session)
    assert panel.notice.value == ""
    session.stand_ins = ["dark", "gain"]
    session.changed.emit("dark")
    assert "Nominal references" in panel.notice.value
    assert "dark, gain" in panel.notice.value


# -- threads --------------------------------------------------------------------------------------


def test_results_and_callbacks_arrive_on_the_loops_thread_from_any_other():
    async def scene():
        background, seen, over = Background(), {}, asyncio.Event()

        def work():
            seen["work"] = threading.get_ident()
            return 7

        def done(value):
            seen["done"] = (value, threading.get_ident())
            thread = threading.Thread(target=background.hand_over, args=(from_elsewhere,))
            thread.start()

        def from_elsewhere():
            seen["over"] = threading.get_ident()
            over.set()

        background.submit(work, done, pytest.fail)
        await asyncio.wait_for(over.wait(), 10)
        return seen

    seen = asyncio.run(scene())
    here = threading.get_ident()
    assert seen["work"] != here
    assert seen["done"] == (7, here)
    assert seen["over"] == here
