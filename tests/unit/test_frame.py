"""The frame viewer without a browser: what travels, to which view, and what comes back."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("anywidget", reason="the lab extra is not installed")

from jwinteractive import dq
from jwinteractive.data import Box
from jwinteractive.look import CUTS, Look
from jwinteractive.views import FLAG_COLOURS, Frame, cut_limits
from jwinteractive_widgets.frame import FrameView, mask_layers
from jwinteractive_widgets.resample import BUDGET, auto_limits, resample

NY, NX = 48, 64


def a_frame(data=None, **keys):
    data = np.ones((NY, NX), np.float32) if data is None else data
    return Frame(title="rate", data=data, unit="DN/s", **keys)


def sky(shape, seed=1):
    """Noise of a faint sky, stars, and a few pixels a million times brighter."""
    rng = np.random.default_rng(seed)
    data = rng.normal(0.2, 0.1, shape).astype(np.float32)
    data[rng.integers(0, shape[0], 50), rng.integers(0, shape[1], 50)] = 1e5
    return data


def looks(view, browser_says, name="one", box=(0, 0, NX, NY), size=(620, 620), **keys):
    browser_says(view, kind="view", id=name, box=list(box), size=list(size), **keys)


# -- the resampler --------------------------------------------------------------------------------


def test_a_frame_on_a_big_screen_keeps_every_pixel():
    data = np.arange(12, dtype=np.float32).reshape(3, 4)
    patch = resample(a_frame(data), (0, 0, 4, 3), (400, 300))
    assert patch.factor == 1
    assert patch.extent == (0, 0, 4, 3)
    assert np.allclose(patch.values, data, atol=1e-3)


def test_a_faint_sky_keeps_its_contrast_beside_a_star_a_million_times_brighter():
    data = sky((200, 200))
    patch = resample(a_frame(data), (0, 0, 200, 200), (200, 200))
    faint = data < 1
    assert np.abs(patch.values - data)[faint].max() < 0.1 / 500
    assert np.allclose(patch.values, data, rtol=1e-3, atol=1e-3)


def test_blocks_are_means_of_the_finite_values_and_a_block_without_any_is_no_value():
    data = np.full((4, 4), np.nan, np.float32)
    data[0, 0], data[1, 1], data[2:, 2:] = 2, 4, 9
    data[2, 3] = np.inf
    patch = resample(a_frame(data), (0, 0, 4, 4), (2, 2))
    assert patch.values == pytest.approx(
        np.array([[3, np.nan], [np.nan, 9]]), abs=1e-3, nan_ok=True
    )
    assert patch.codes[0, 1] == patch.codes[1, 0] == 0


@pytest.mark.parametrize("value", [np.nan, 3.0, 0.0])
def test_a_frame_of_one_value_or_none_travels(value):
    patch = resample(a_frame(np.full((5, 5), value, np.float32)), (0, 0, 5, 5), (50, 50))
    assert np.array_equal(patch.values, np.full((5, 5), value), equal_nan=True)


def test_one_flagged_pixel_survives_any_zooming_out():
    flags = np.zeros((2048, 2048), np.uint32)
    flags[1000, 77] = dq.REFERENCE_PIXEL
    flags[1001, 77] = dq.JUMP_DET
    patch = resample(a_frame(sky((2048, 2048)), dq=flags), (0, 0, 2048, 2048), (256, 256))
    assert patch.factor == 8
    assert patch.dq[125, 9] == dq.REFERENCE_PIXEL | dq.JUMP_DET
    assert np.count_nonzero(patch.dq) == 1


def test_a_block_is_never_smaller_than_a_screen_pixel():
    patch = resample(a_frame(sky((400, 400))), (0, 0, 400, 400), (290, 290))
    assert patch.factor == 2


def test_blocks_do_not_move_when_the_view_pans():
    frame = a_frame(np.random.default_rng(1).normal(size=(200, 200)).astype(np.float32))
    one = resample(frame, (50, 50, 150, 150), (50, 50))
    two = resample(frame, (57, 50, 157, 150), (50, 50))
    assert one.factor == two.factor == 2
    shift = (two.extent[0] - one.extent[0]) // 2
    assert shift > 0
    shared = one.values[:, shift:]
    assert np.allclose(shared, two.values[:, : shared.shape[1]], atol=1e-3)


def test_a_view_beside_the_frame_gets_its_edge_and_does_not_fail():
    patch = resample(a_frame(), (100, -90, 120, -70), (20, 20))
    assert patch.codes.size > 0


def test_a_frame_that_covers_a_box_lands_where_the_box_is():
    box = Box(33, 53, 101, 131)
    data = np.arange(600, dtype=np.float32).reshape(20, 30)
    flags = np.zeros((20, 30), np.uint32)
    flags[7, 4] = dq.HOT
    frame = a_frame(data, dq=flags, box=box, shape=(400, 400))
    patch = resample(frame, (0, 0, 400, 400), (400, 400))
    assert patch.extent == (101, 33, 131, 53)
    assert np.allclose(patch.values, data, atol=0.05)
    coarse = resample(frame, (0, 0, 400, 400), (100, 100))
    assert coarse.extent == (100, 32, 132, 56)
    assert coarse.values[0, 0] == pytest.approx(data[:3, :3].mean(), abs=0.05)
    assert coarse.values[1, 1] == pytest.approx(data[3:7, 3:7].mean(), abs=0.05)
    assert coarse.dq[(33 + 7 - 32) // 4, (101 + 4 - 100) // 4] == dq.HOT


@pytest.mark.parametrize("dtype", [">f4", "f8", "i2", "u2"])
def test_any_kind_of_number_in_any_order_is_shown(dtype):
    data = np.arange(400).reshape(20, 20).astype(dtype)
    strided = np.zeros((20, 40), dtype)[:, ::2]
    strided[...] = data
    for some in (data, strided):
        patch = resample(a_frame(some), (3, 4, 13, 14), (100, 100))
        x0, y0, x1, y1 = patch.extent
        assert np.allclose(patch.values, data[y0:y1, x0:x1], atol=0.05)


@pytest.mark.parametrize("n", [2048, 4096])
@pytest.mark.parametrize("size", [(620, 620), (930, 930), (1600, 1200), (2400, 1800)])
def test_a_patch_stays_in_its_budget_at_any_size_and_any_number_of_flags(n, size):
    rng = np.random.default_rng(4)
    data = rng.normal(size=(n, n)).astype(np.float32)
    flags = rng.integers(0, 2**32, (n, n), np.uint32, endpoint=False)  # all different
    for window in ((0, 0, n, n), (300, 300, 300 + size[0], 300 + size[1])):
        for plane in (None, flags & dq.JUMP_DET, flags & 0x3FF, flags):
            patch = resample(a_frame(data, dq=plane), window, size)
            assert patch.nbytes <= BUDGET < 1_200_000
            x0, y0, x1, y1 = patch.extent
            assert x0 <= window[0]
            assert y0 <= window[1]
            assert x1 >= min(window[2], n)
            assert y1 >= min(window[3], n)


@given(
    st.tuples(*[st.floats(-500, 500)] * 2, *[st.floats(0.01, 900)] * 2),
    st.tuples(st.integers(1, 700), st.integers(1, 700)),
)
def test_the_blocks_hold_the_flags_and_means_of_their_pixels_wherever_one_looks(corner, size):
    x, y, wide, high = corner
    rng = np.random.default_rng(7)
    data = rng.normal(size=(37, 53)).astype(np.float32)
    flags = (1 << rng.integers(0, 32, (37, 53))).astype(np.uint32)
    frame = a_frame(data, dq=flags, box=Box(10, 47, 20, 73), shape=(90, 90))
    patch = resample(frame, (x, y, x + wide, y + high), size)
    i, j = (n // 2 for n in patch.codes.shape)
    f = patch.factor
    y0, x0 = patch.extent[1] + i * f - 10, patch.extent[0] + j * f - 20
    block = (slice(max(y0, 0), y0 + f), slice(max(x0, 0), x0 + f))
    assert patch.dq[i, j] == np.bitwise_or.reduce(flags[block], axis=None)
    assert patch.values[i, j] == pytest.approx(data[block].mean(), abs=1e-3)


# -- cuts -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("cuts", CUTS)
@pytest.mark.parametrize("data", [np.full((5, 5), np.nan), np.full((5, 5), 3.0), sky((50, 50))])
def test_every_way_to_cut_gives_limits_that_differ(cuts, data):
    low, high = auto_limits(a_frame(data), cuts)
    assert low < high


def test_percentiles_min_to_max_and_zscale_cut_as_they_say():
    data = sky((200, 200))
    frame = a_frame(data)
    assert auto_limits(frame, "98 %") == pytest.approx(tuple(np.percentile(data, [1, 99])))
    assert auto_limits(frame, "min to max") == (data.min(), data.max())
    low, high = auto_limits(frame, "zscale")
    assert -0.4 < low < 0.1
    assert 0.3 < high < 0.8


def test_the_limits_of_a_quantity_hold_until_another_way_to_cut_is_chosen(sent):
    data = sky((50, 50))
    view = FrameView()
    view.show(a_frame(data), source="rate")
    view.show(a_frame(data, limits=(0.0, 3.0)), source="chi2")
    assert view.limits == [0.0, 3.0]
    view.cuts = "98 %"
    view.show(a_frame(data), source="rate")
    view.show(a_frame(data, limits=(0.0, 3.0)), source="chi2")
    assert view.limits == pytest.approx(np.percentile(data, [1, 99]))
    view.cuts = "by hand"
    view.limits = [1.0, 2.0]
    view.show(a_frame(data, limits=(0.0, 3.0)), source="again")
    assert view.limits == [1.0, 2.0]


def test_the_limits_of_a_difference_are_symmetric():
    low, high = auto_limits(a_frame(sky((50, 50)), diverging=True), "90 %")
    assert low == -high


# -- the canvas -----------------------------------------------------------------------------------


def test_no_frame_travels_before_the_view_said_where_it_looks(sent, customs, browser_says):
    view = FrameView()
    view.show(a_frame())
    browser_says(view, kind="ready", id="one")
    assert not customs(view, "patch")
    looks(view, browser_says)
    ((content, size),) = customs(view, "patch")
    assert content["id"] == "one"
    assert content["which"] == "b"
    assert size == 2 * NY * NX + NY * NX // 8  # codes, and a bit for each pixel


def test_a_view_that_is_ready_before_there_is_a_frame_waits(sent, customs, browser_says):
    view = FrameView()
    browser_says(view, kind="ready", id="one")
    looks(view, browser_says)
    assert not customs(view, "patch")
    view.show(a_frame())
    assert len(customs(view, "patch")) == 1


@pytest.mark.parametrize(("n", "size"), [(2048, (620, 620)), (4096, (1600, 1200))])
def test_an_update_costs_less_than_the_budget_whatever_the_frame(
    sent, customs, browser_says, n, size
):
    rng = np.random.default_rng(5)
    flags = (rng.random((n, n)) < 0.05).astype(np.uint32) * np.uint32(dq.JUMP_DET)
    view = FrameView()
    view.show(a_frame(sky((n, n)), dq=flags))
    looks(view, browser_says, box=(0, 0, n, n), size=size)
    sent.clear()
    view.show(a_frame(sky((n, n), seed=2), dq=flags))
    everything = sum(size + len(str(data)) for _, data, size in sent)
    assert 300_000 < everything < 1_200_000


def test_style_sends_no_pixels(sent, customs, browser_says):
    view = FrameView()
    view.show(a_frame())
    looks(view, browser_says)
    sent.clear()
    view.follow(Look(stretch="log", cuts="by hand", limits=(1, 2), masks={"HOT": 0.5}))
    assert not customs(view, "patch")
    assert view.limits == [1, 2]
    assert sum(size for *_, size in sent) == 0


def test_two_views_of_one_widget_have_a_viewport_each(sent, customs, browser_says):
    view = FrameView()
    view.show(a_frame())
    looks(view, browser_says)
    looks(view, browser_says, "two", (0, 0, 4, 4))
    sent.clear()
    view.show(a_frame())
    sizes = {c["id"]: c["size"] for c, _ in customs(view, "patch")}
    assert sizes == {"one": [NY, NX], "two": [5, 5]}
    browser_says(view, kind="gone", id="two")
    sent.clear()
    view.show(a_frame())
    assert [c["id"] for c, _ in customs(view, "patch")] == ["one"]


def test_a_frame_of_another_size_waits_for_the_new_viewport(sent, customs, browser_says):
    view = FrameView()
    view.show(a_frame())
    looks(view, browser_says)
    sent.clear()
    view.show(a_frame(np.ones((10, 10), np.float32)))
    assert not customs(view, "patch")
    ((content, _),) = customs(view, "frame")
    assert content["shape"] == [10, 10]


def test_a_and_b_travel_as_two_patches_of_one_place(sent, customs, browser_says):
    view = FrameView()
    view.show(a_frame(), other=a_frame(), note="preview")
    looks(view, browser_says)
    assert [c["which"] for c, _ in customs(view, "patch")] == ["b", "a"]
    assert [(c["other"], c["note"]) for c, _ in customs(view, "frame")] == [(True, "preview")]
    view.compare = "split"
    view.show(a_frame())
    assert view.compare == "off"


def test_limits_stay_for_a_new_frame_of_the_same_kind_and_are_cut_anew_for_another(sent):
    view = FrameView()
    first, second = sky((50, 50)), sky((50, 50), seed=2) + 5
    view.show(a_frame(first))
    limits = view.limits
    assert limits == pytest.approx(cut_limits(first))
    view.show(a_frame(second))
    assert view.limits == limits
    view.show(a_frame(second), source="another exposure")
    assert view.limits == pytest.approx(cut_limits(second))
    view.show(a_frame(first, diverging=True), source="another exposure")
    assert view.limits[0] == -view.limits[1]
    view.show(a_frame(first), limits=(3, 4))
    assert view.limits == [3, 4]


def test_limits_by_hand_stay_whatever_comes(sent):
    view = FrameView(cuts="by hand", limits=[1.0, 2.0])
    view.show(a_frame(sky((50, 50))))
    view.show(a_frame(sky((50, 50))), source="another")
    assert view.limits == [1, 2]


# -- what people do -------------------------------------------------------------------------------


def test_picks_boxes_and_lines_arrive_inside_the_exposure_only(sent, browser_says):
    heard = []
    view = FrameView(
        on_pick=lambda *at: heard.append(at),
        on_box=lambda box: heard.append(box),
        on_line=lambda *ends: heard.append(ends),
    )
    browser_says(view, kind="pick", x=3, y=5)
    view.show(a_frame())
    browser_says(view, kind="pick", x=NX, y=0)
    browser_says(view, kind="pick", x=3, y=5)
    browser_says(view, kind="box", box=[-5, 2, 7, 900])
    browser_says(view, kind="box", box=[NX + 1, 2, NX + 7, 9])
    browser_says(view, kind="box", box=None)
    browser_says(view, kind="line", line=[1, 2, 3, 4])
    browser_says(view, kind="line", line=[1, 2, 3, NY])
    assert heard == [(5, 3), Box(2, NY, 0, 7), None, ((2, 1), (4, 3))]


def test_a_viewport_is_told_on_only_if_a_person_moved_it(sent, browser_says):
    heard = []
    view = FrameView(on_window=lambda *window: heard.append(window))
    view.show(a_frame())
    looks(view, browser_says, user=False, whole=True)
    assert view.viewport == (0, 0, NX, NY)
    assert heard == []
    looks(view, browser_says, box=(1, 2, 11, 12), user=True, whole=False)
    assert heard == [(1, 2, 11, 12)]
    assert view.window == [1, 2, 11, 12]
    looks(view, browser_says, user=True, whole=True)
    assert view.window == []


def test_an_axis_turns_within_its_size(sent, browser_says):
    heard = []
    axes = [{"name": "group", "size": 5, "index": 0, "label": "group"}]
    view = FrameView(axes=axes, on_axis=lambda *turn: heard.append(turn))
    browser_says(view, kind="axis", name="group", index=4)
    browser_says(view, kind="axis", name="group", index=5)
    browser_says(view, kind="axis", name="slit", index=1)
    assert heard == [("group", 4)]
    assert view.axes[0]["index"] == 4


def test_a_change_of_style_is_a_change_of_the_look(sent, browser_says):
    heard = []
    view = FrameView(on_style=heard.append)
    view.limits = [1.0, 2.0]
    view.masks = mask_layers({"HOT": 0.3})
    view.cuts = "by hand"
    browser_says(view, kind="style", changed=["limits", "cuts", "masks", "__class__"])
    (changes,) = heard
    look = Look().replace(**changes)
    assert look.limits == (1, 2)
    assert look.masks == {"HOT": 0.3}
    assert look.cuts == "by hand"


def test_the_pointed_pixel_is_read_out_exactly(sent, customs, browser_says):
    data = np.full((NY, NX), 0.123456, np.float32)
    flags = np.zeros((NY, NX), np.uint32)
    flags[5, 3] = dq.HOT | dq.REFERENCE_PIXEL
    frame = a_frame(data, err=data / 10, dq=flags, box=Box(100, 148, 200, 264), shape=(500, 500))
    view = FrameView(read_out=lambda y, x: f"sky of {y}, {x}")
    view.show(frame)
    browser_says(view, kind="point", x=203, y=105)
    browser_says(view, kind="point", x=3, y=5)
    first, second = (content["text"] for content, _ in customs(view, "tell"))
    assert first == "0.123456 ± 0.0123 DN/s · HOT, REFERENCE_PIXEL · sky of 105, 203"
    assert second == ""


def test_a_message_that_nobody_understands_does_nothing(sent, browser_says):
    view = FrameView(on_pick=pytest.fail, on_box=pytest.fail)
    view.show(a_frame())
    browser_says(view, kind="pick", x="3", y=None)
    browser_says(view, kind="box", box=[1, 2])
    browser_says(view, kind="nonsense")


def test_every_callback_is_handed_over(sent, browser_says):
    over = []
    view = FrameView(on_pick=pytest.fail, hand_over=lambda function, *args: over.append(function))
    view.show(a_frame())
    browser_says(view, kind="pick", x=3, y=5)
    assert len(over) == 1


def test_python_moves_all_views_and_a_new_one_starts_there(sent, customs):
    view = FrameView()
    view.go_to((1, 2, 3, 4))
    assert view.window == [1, 2, 3, 4]
    view.fit()
    assert view.window == []
    assert [c["window"] for c, _ in customs(view, "go")] == [[1, 2, 3, 4], []]


# -- colours --------------------------------------------------------------------------------------


def test_every_bit_is_a_layer_and_those_of_the_look_are_on():
    layers = mask_layers({"JUMP_DET": 0.4, "OPEN": 0.9})
    assert {layer["name"]: int(layer["bit"]) for layer in layers} == dict(dq.BITS)
    assert {k["name"]: k["opacity"] for k in layers if k["on"]} == {"JUMP_DET": 0.4, "OPEN": 0.9}


def seen(colours):
    """OKLab of sRGB colours [n, 3] with full sight, deuteranopia and protanopia (Machado 2009)."""
    c = np.asarray(colours, float)
    linear = np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)
    deuteranopia = [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ]
    protanopia = [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ]
    cones = np.array(
        [
            [0.4122214708, 0.5363325363, 0.0514459929],
            [0.2119034982, 0.6806995451, 0.1073969566],
            [0.0883024619, 0.2817188376, 0.6299787005],
        ]
    )
    opponent = np.array(
        [
            [0.2104542553, 0.7936177850, -0.0040720468],
            [1.9779984951, -2.4285922050, 0.4505937099],
            [0.0259040371, 0.7827717662, -0.8086757660],
        ]
    )
    for eye in (np.eye(3), deuteranopia, protanopia):
        yield np.cbrt(np.clip(linear @ np.transpose(eye), 0, 1) @ cones.T) @ opponent.T


def test_the_masks_stand_off_viridis_and_each_other_also_for_the_colour_blind():
    from matplotlib import colormaps

    masks = [[int(c[i : i + 2], 16) / 255 for i in (1, 3, 5)] for c in FLAG_COLOURS.values()]
    ground = colormaps["viridis"](np.linspace(0, 1, 256))[:, :3]
    for marks, behind in zip(seen(masks), seen(ground), strict=True):
        for mark in marks:
            assert np.linalg.norm(behind - mark, axis=1).min() > 0.1
        for one, two in itertools.combinations(marks, 2):
            assert np.linalg.norm(one - two) > 0.1


def test_a_quantity_without_a_unit_is_read_out_without_one(sent):
    chi2 = np.full((NY, NX), 1.25, np.float32)
    view = FrameView()
    view.show(Frame(title="chi2/dof", data=chi2, unit="", dq=np.zeros((NY, NX), np.uint32)))
    assert view.read(3, 3) == "1.25 · no flags"
