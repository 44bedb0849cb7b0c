"""Products are read-only, know their place, and crop in exposure coordinates."""

import numpy as np
import pytest

from jwinteractive import dq
from jwinteractive.data import Box, Ramp
from jwinteractive.errors import InputError
from jwinteractive.testing import example_exposure, example_ramp


@pytest.fixture
def ramp():
    return example_ramp(example_exposure(nints=2))


def test_arrays_are_read_only(ramp):
    with pytest.raises(ValueError, match="read-only"):
        ramp.data[0, 0, 0, 0] = 1


def test_a_crop_of_a_crop_counts_from_the_exposure(ramp):
    outer, inner = Box(5, 30, 6, 40), Box(10, 12, 20, 23)
    part = ramp.crop(outer).crop(inner)
    assert part.box == inner
    np.testing.assert_array_equal(part.data, ramp.data[..., 10:12, 20:23])


def test_a_box_outside_is_refused(ramp):
    with pytest.raises(InputError, match="choose a box inside the frame"):
        ramp.crop(Box(0, 999, 0, 5))
    with pytest.raises(InputError, match="choose a box inside the frame"):
        ramp.crop(Box(3, 3, 0, 5))


def test_planes_of_different_shape_are_refused(ramp):
    with pytest.raises(InputError, match=r"one \(ny, nx\) shape"):
        Ramp(
            exposure=ramp.exposure,
            data=ramp.data,
            groupdq=ramp.groupdq,
            pixeldq=np.zeros((3, 3), np.uint32),
        )


def test_native_is_contiguous_float32_in_native_order(ramp):
    raw = ramp.replace(data=ramp.data.astype(">u2"))
    native = raw.crop(Box(2, 9, 3, 30)).native()
    assert native.data.dtype == np.float32
    assert native.data.flags.c_contiguous
    np.testing.assert_array_equal(native.data, raw.data[..., 2:9, 3:30].astype("f4"))


def drafted(ramp):
    """Ramp with a draft that tells each pixel from all others."""
    planes = (len(ramp.data), *ramp.shape)
    return ramp.replace(draft=np.arange(np.prod(planes), dtype=np.float32).reshape(planes))


def test_what_goes_with_a_ramp_is_cut_and_made_native(ramp):
    ramp = drafted(ramp)
    swapped = ramp.replace(
        draft=ramp.draft.astype(">f4"),
        average_dark_current=ramp.draft[0].astype(">f4"),
        persistence_ends=ramp.draft[1].astype(">f8"),
    )
    native = swapped.crop(Box(2, 9, 3, 30)).native()
    found = {"draft": ramp.draft, "average_dark_current": ramp.draft[0]}
    for name, expected in (found | {"persistence_ends": ramp.draft[1].astype("f8")}).items():
        array = getattr(native, name)
        np.testing.assert_array_equal(array, expected[..., 2:9, 3:30], err_msg=name)
        assert array.dtype == expected.dtype
        assert array.dtype.isnative
        assert array.flags.c_contiguous


def test_a_draft_is_forgotten_where_samples_or_flags_change(ramp):
    ramp = drafted(ramp)
    flags = ramp.groupdq.copy()
    flags[1, 3, 5, 6] ^= dq.JUMP_DET
    expected = ramp.draft.copy()
    expected[1, 5, 6] = np.nan
    np.testing.assert_array_equal(ramp.replace(groupdq=flags).draft, expected)
    np.testing.assert_array_equal(ramp.replace(groupdq=ramp.groupdq.copy()).draft, ramp.draft)
    np.testing.assert_array_equal(ramp.replace(pixeldq=ramp.pixeldq | 1).draft, ramp.draft)
    assert np.isnan(ramp.replace(data=ramp.data - 1).draft).all()
    other = ramp.draft + 1
    np.testing.assert_array_equal(ramp.replace(groupdq=flags, draft=other).draft, other)
    assert ramp.replace(data=ramp.data, draft=None).draft is None


def test_strips_tile_the_frame():
    strips = list(Box(0, 10, 0, 4).strips(4))
    assert [(s.y0, s.y1) for s in strips] == [(0, 4), (4, 8), (8, 10)]


def test_flag_names_and_values_agree_with_the_official_ones():
    official = pytest.importorskip("stdatamodels.jwst.datamodels.dqflags").pixel
    assert dict(dq.BITS) == {k: int(v) for k, v in official.items() if k != "GOOD"}
    assert dq.names(dq.SATURATED | dq.HOT) == ("SATURATED", "HOT")
    assert dq.combine("HOT", "DEAD") == dq.HOT | dq.DEAD
    with pytest.raises(InputError, match="no data-quality flag 'HOTT'"):
        dq.combine("HOTT")
