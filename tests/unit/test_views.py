"""What there is to see of each product, with numbers worked by hand."""

import numpy as np
import pytest

from jwinteractive import dq
from jwinteractive.data import Box, Ramp, Rate, RateInts
from jwinteractive.errors import InputError
from jwinteractive.quicklook import quicklook
from jwinteractive.step import registry
from jwinteractive.testing import example_exposure
from jwinteractive.views import Frame, Shown, Table, change_views, cut_limits, product_views

JUMP, SAT, DNU, HOT = dq.JUMP_DET, dq.SATURATED, dq.DO_NOT_USE, dq.HOT
EXPOSURE = example_exposure(ngroups=3, nints=2)
BOX = Box(10, 12, 20, 22)
# [integration, group, y, x]: the first integration rises by 1, 2, 3, 4 in each pixel
STEP = np.array([[1, 2], [3, 4]])
SIGNAL = np.stack([1000 + STEP * np.arange(3)[:, None, None], 40000 + np.zeros((3, 2, 2), int)])


def ramp(zero=0.0, dtype=np.float32, **changes):
    groupdq = np.zeros(SIGNAL.shape, np.uint8)
    groupdq[0, 1, 0, 0] = JUMP
    groupdq[0, 2, 0, 1] = SAT
    groupdq[0, :, 1, 0] = DNU
    pixeldq = np.array([[0, 0], [0, HOT | DNU]], np.uint32)
    given = {
        "data": (SIGNAL - int(zero)).astype(dtype),
        "groupdq": groupdq,
        "pixeldq": pixeldq,
        "zero": zero,
    }
    return Ramp(exposure=EXPOSURE, box=BOX, **(given | changes))


def stored(dtype=">i2"):
    """Unsigned samples as FITS keeps them: signed, 32768 too low."""
    return ramp(zero=32768.0, dtype=dtype)


def rate(**changes):
    cube = np.arange(8, dtype=np.float32).reshape(2, 2, 2)
    where = {"exposure": EXPOSURE, "box": BOX}
    each = RateInts(
        **where,
        data=cube,
        err=cube + 100,
        dq=np.full((2, 2, 2), JUMP, np.uint32),
        var_poisson=cube,
        var_rnoise=cube,
    )
    given = {
        "data": cube[0] + 0.5,
        "err": cube[0] + 10,
        "dq": np.array([[0, DNU], [HOT, 0]], np.uint32),
        "var_poisson": cube[0],
        "var_rnoise": cube[0],
        "integrations": each,
    }
    return Rate(**where, **(given | changes))


def views(kind):
    return {v.title: v for v in product_views(kind)}


def draw(title, after, **where):
    return views(type(after))[title].draw(Shown(after=after, shape=(64, 64), **where))


RAMPS = [ramp(), ramp(dtype=">f4"), ramp(dtype=np.uint16), stored(), stored(np.int16)]


@pytest.mark.parametrize("product", RAMPS)
@pytest.mark.parametrize(
    ("group", "integration", "data", "flags"),
    [
        (0, 0, [[1000, 1000], [1000, 1000]], [[0, 0], [0, HOT | DNU]]),
        (1, 0, [[1001, 1002], [1003, 1004]], [[JUMP, 0], [0, HOT | DNU]]),
        (2, 0, [[1002, 1004], [1006, 1008]], [[JUMP, SAT], [0, HOT | DNU]]),
        (-1, 0, [[1002, 1004], [1006, 1008]], [[JUMP, SAT], [0, HOT | DNU]]),
        (99, 99, [[40000] * 2] * 2, [[0, 0], [0, HOT | DNU]]),
        (0, -1, [[40000] * 2] * 2, [[0, 0], [0, HOT | DNU]]),
    ],
)
def test_the_signal_of_a_group_with_what_happened_up_to_it(
    product, group, integration, data, flags
):
    frame = draw("signal", product, group=group, integration=integration)
    np.testing.assert_array_equal(frame.data, data)
    np.testing.assert_array_equal(frame.dq, flags)
    assert (frame.unit, frame.dq.dtype, frame.diverging) == ("DN", np.uint32, False)


@pytest.mark.parametrize("product", RAMPS)
@pytest.mark.parametrize(
    ("group", "title", "data"),
    [
        (0, "group 2 minus group 1", STEP),
        (1, "group 2 minus group 1", STEP),
        (2, "group 3 minus group 2", STEP),
        (-1, "group 3 minus group 2", STEP),
    ],
)
def test_the_difference_to_the_group_before(product, group, title, data):
    frame = draw("difference to the group before", product, group=group)
    assert frame.title == title
    np.testing.assert_array_equal(frame.data, data)
    assert frame.data.dtype == np.float32


def test_a_falling_pixel_does_not_wrap_round_in_unsigned_samples():
    data = np.zeros((1, 2, 2, 2))
    data[:, 0] = 60000
    data[:, 1] = 10
    low = {"groupdq": np.zeros(data.shape, np.uint8)}
    for product in (
        ramp(data=data.astype(np.uint16), **low),
        ramp(data=(data - 32768).astype(">i2"), zero=32768.0, **low),
    ):
        frame = draw("difference to the group before", product, group=1)
        np.testing.assert_array_equal(frame.data, np.full((2, 2), -59990))


def test_one_group_has_a_difference_of_nothing():
    one = ramp(data=ramp().data[:, :1], groupdq=ramp().groupdq[:, :1])
    for group in (0, -1, 5):
        frame = draw("difference to the group before", one, group=group)
        np.testing.assert_array_equal(frame.data, np.zeros((2, 2)))
        np.testing.assert_array_equal(draw("signal", one, group=group).data, [[1000] * 2] * 2)


@pytest.mark.parametrize("title", list(views(Ramp)))
def test_a_view_of_stored_samples_is_that_of_native_ones(title):
    for group in (0, 1, -1):
        a, b = (draw(title, p, group=group) for p in (stored(), stored().native()))
        np.testing.assert_array_equal(a.data, b.data)


def test_the_rate_and_its_error():
    shown = draw("rate", rate())
    np.testing.assert_array_equal(shown.data, [[0.5, 1.5], [2.5, 3.5]])
    np.testing.assert_array_equal(shown.err, [[10, 11], [12, 13]])
    np.testing.assert_array_equal(shown.dq, [[0, DNU], [HOT, 0]])
    assert shown.unit == "DN/s"
    error = draw("error", rate())
    np.testing.assert_array_equal(error.data, [[10, 11], [12, 13]])
    assert (error.err, error.title) == (None, "error")


@pytest.mark.parametrize(("asked", "shown"), [(0, 0), (1, 1), (7, 1), (-1, 1)])
def test_the_rate_of_one_integration(asked, shown):
    frame = draw("rate of one integration", rate(), integration=asked)
    assert frame.title == f"rate of integration {shown + 1}"
    np.testing.assert_array_equal(
        frame.data, [[4 * shown, 4 * shown + 1], [4 * shown + 2, 4 * shown + 3]]
    )
    np.testing.assert_array_equal(frame.dq, np.full((2, 2), JUMP))
    alone = draw("rate", rate().integrations, integration=asked)
    np.testing.assert_array_equal(alone.data, frame.data)
    np.testing.assert_array_equal(alone.err, frame.data + 100)
    error = draw("error", rate().integrations, integration=asked)
    np.testing.assert_array_equal(error.data, frame.data + 100)


def test_a_rate_without_integrations_shows_the_rate():
    frame = draw("rate of one integration", rate(integrations=None), integration=1)
    np.testing.assert_array_equal(frame.data, [[0.5, 1.5], [2.5, 3.5]])
    assert frame.title == "rate"


@pytest.mark.parametrize("product", [ramp(), stored(), rate(), rate().integrations])
def test_every_view_knows_where_it_lies(product):
    for view in product_views(type(product)):
        frame = view.draw(Shown(after=product, shape=(64, 64)))
        assert (frame.covers, frame.full_shape) == (BOX, (64, 64))
    for view in change_views(type(product), type(product)):
        drawn = view.draw(Shown(after=product, before=product, shape=(64, 64)))
        assert isinstance(drawn, Table) or (drawn.covers, drawn.full_shape) == (BOX, (64, 64))


def test_a_frame_by_itself_is_the_whole_exposure():
    frame = Frame(title="", data=np.zeros((3, 5)))
    assert (frame.covers, frame.full_shape) == (Box(0, 3, 0, 5), (3, 5))


# -- what a step changed ---------------------------------------------------------------


def changes(after, before, **where):
    return {
        v.title: v.draw(Shown(after=after, before=before, **where))
        for v in change_views(type(before), type(after))
    }


@pytest.mark.parametrize("before", RAMPS)
def test_the_change_is_what_is_there_now_less_what_was_before(before):
    after = ramp(data=ramp().data + np.float32(0.25))
    for group in (0, 1, -1):
        frame = changes(after, before, group=group)["change by this step"]
        np.testing.assert_array_equal(frame.data, np.full((2, 2), 0.25))
        assert (frame.diverging, frame.err, frame.unit) == (True, None, "DN")
        assert frame.dq is not None


def test_the_change_of_a_rate():
    frame = changes(rate(data=2 * rate().data), rate())["change by this step"]
    np.testing.assert_array_equal(frame.data, [[0.5, 1.5], [2.5, 3.5]])
    assert (frame.unit, frame.err) == ("DN/s", None)


def test_the_table_counts_flags_that_were_set_and_cleared():
    groupdq = ramp().groupdq.copy()
    groupdq[0, 1, 0, 0] = 0  # a jump cleared
    groupdq[1, :, 0, 0] = JUMP | SAT  # three of each set
    pixeldq = np.array([[HOT, dq.REFERENCE_PIXEL], [HOT, 0]], np.uint32)
    after = ramp(groupdq=groupdq, pixeldq=pixeldq)
    table = changes(after, stored())["flags set by this step"]
    assert table.columns == ("flag", "of", "set", "cleared")
    assert table.rows == (
        ("SATURATED", "samples", 3, 0),
        ("JUMP_DET", "samples", 3, 1),
        ("DO_NOT_USE", "pixels", 0, 1),
        ("HOT", "pixels", 2, 1),
        ("REFERENCE_PIXEL", "pixels", 1, 0),
    )
    assert changes(after, after)["flags set by this step"].rows == ()


def test_the_table_of_a_rate_counts_its_pixels():
    flags = np.array([[DNU, 0], [HOT, 0]], np.uint32)
    table = changes(rate(dq=flags.astype(">u4")), rate())["flags set by this step"]
    assert table.rows == (("DO_NOT_USE", "pixels", 1, 1),)


def test_only_a_step_that_gives_what_it_takes_has_changes_to_show():
    assert change_views(Ramp, Rate) == ()
    titles = [v.title for v in registry["jump"].views()]
    assert titles[:4] == [
        "signal",
        "difference to the group before",
        "change by this step",
        "flags set by this step",
    ]
    assert len(set(titles)) == len(titles)
    assert all(v.compares for v in change_views(Ramp, Ramp))


def test_a_view_without_what_it_needs_says_so_in_one_line():
    for view in change_views(Ramp, Ramp):
        with pytest.raises(InputError, match=f"{view.title}: the product before it is not at hand"):
            view.draw(Shown(after=ramp()))
    with pytest.raises(InputError, match="Rate has no such picture: choose a view of a Ramp"):
        views(Ramp)["signal"].draw(Shown(after=rate()))


# -- limits and the picture ---------------------------------------------------------------


def test_the_cuts_leave_out_the_tails_and_what_is_no_number():
    data = np.arange(10001, dtype=np.float32).reshape(73, 137)
    assert cut_limits(data, 98.0) == (100.0, 9900.0)
    holed = np.full((100, 100), np.nan)
    holed[0, :5] = [1, 2, 3, np.inf, -np.inf]
    assert cut_limits(holed, 100.0) == (1.0, 3.0)


@pytest.mark.parametrize("value", [0.0, -5.0, 1e12, 1e30, -1e30, np.nan, np.inf])
def test_the_cuts_of_a_constant_or_empty_frame_are_apart(value):
    low, high = cut_limits(np.full((4, 4), value))
    assert low < high
    assert np.float32(low) < np.float32(high)


@pytest.mark.parametrize("product", [stored(), ramp(), rate(), rate().integrations])
def test_every_product_has_a_picture(product, tmp_path):
    path = quicklook(product, tmp_path / "a.png", title="$<script>_$")
    assert path.read_bytes().startswith(b"\x89PNG")
