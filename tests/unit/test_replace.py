"""Pixel replacement by hand, at edges, of slices, and of what does not fit."""

import numpy as np
import pytest
from scipy import integrate, stats

from jwinteractive import dq
from jwinteractive.errors import InputError, ParamError
from jwinteractive.kernels.replace_weighted import median_variance
from jwinteractive.replace.frame import ALONG_X, ALONG_Y, MODEL, PROFILE, SpectralFrame
from jwinteractive.replace.gradient import mingrad
from jwinteractive.replace.profile import fit_profile, weighted_profile
from jwinteractive.replace.trace import trace_model

SHAPE = (7, 12)
BAD = dq.DO_NOT_USE | dq.HOT
PROFILES = pytest.mark.parametrize("profile", [fit_profile, weighted_profile])


def frame(data=None, out=(), seed=1):
    """A star along x, of 1, 4, 16, 4 and 1 times 10 in each column, with errors of 1."""
    if data is None:
        star = np.array([0, 1, 4, 16, 4, 1, 0]) * 10.0
        data = star[:, None] * (1 + np.arange(SHAPE[1]) % 3)
    data = np.array(data, np.float32)
    err = np.ones_like(data)
    flags = np.zeros(data.shape, np.uint32)
    for at in out:
        data[at] = err[at] = np.nan
        flags[at] |= BAD
    for plane in (data, err, flags):
        plane.flags.writeable = False
    return SpectralFrame(data, err, flags, err, err)


def variance(got, name):
    return getattr(got.frame, f"var_{name}")


def frozen(plane):
    plane.flags.writeable = False
    return plane


@PROFILES
def test_a_star_that_changes_by_whole_factors_is_replaced_by_what_it_was(profile):
    whole, holed = frame(), frame(out=[(3, 5), (2, 6), (3, 6), (5, 7)])
    got = profile(holed, 1)
    np.testing.assert_allclose(got.frame.data, whole.data, rtol=1e-3, atol=1e-5)
    np.testing.assert_array_equal(got.replaced != 0, holed.dq != 0)
    assert set(np.unique(got.replaced)) == {0, PROFILE}
    assert set(np.unique(got.frame.dq)) == {0, dq.HOT | dq.FLUX_ESTIMATED}


@PROFILES
def test_a_column_that_runs_along_y_gives_what_it_gives_along_x(profile):
    along = frame(out=[(3, 5), (2, 6)])
    planes = [frozen(p.T.copy()) for p in (along.data, along.err, along.dq, along.err, along.err)]
    across = profile(SpectralFrame(*planes), 2)
    expected = profile(along, 1)
    for name in ("data", "err", "dq", "var_poisson"):
        np.testing.assert_array_equal(
            getattr(across.frame, name).T, getattr(expected.frame, name), err_msg=name
        )


@PROFILES
def test_the_first_and_the_last_column_are_replaced_from_one_side(profile):
    got = profile(frame(out=[(3, 0), (4, 11)]), 1)
    np.testing.assert_allclose(got.frame.data, frame().data, rtol=1e-3, atol=1e-5)


@PROFILES
def test_where_nothing_is_good_nothing_is_replaced(profile):
    everywhere = frame(out=[(slice(None), slice(None))])
    everywhere = SpectralFrame(everywhere.data, np.ones_like(everywhere.err), everywhere.dq)
    got = profile(everywhere, 1)
    assert not got.replaced.any()
    np.testing.assert_array_equal(got.frame.dq, everywhere.dq)
    alone = frame(out=[(slice(None), slice(0, 5)), (slice(None), slice(6, 12)), (3, 5)])
    got = profile(alone, 1)
    assert not got.replaced.any()
    np.testing.assert_array_equal(got.frame.data, alone.data)


@PROFILES
def test_a_position_that_no_neighbour_sees_is_nan_and_keeps_its_flag(profile):
    got = profile(frame(out=[(3, slice(2, 9))]), 1)
    assert np.isnan(got.frame.data[3, 5])
    assert got.frame.dq[3, 5] == BAD
    assert got.replaced[3, 5] == 0
    assert got.replaced[3, 2] == PROFILE


@PROFILES
def test_pixels_out_of_the_slit_are_neither_replaced_nor_looked_at(profile):
    region = np.zeros(SHAPE, bool)
    region[1:6] = True
    odd = frame().data.copy()
    odd[0], odd[6] = 1e6, -1e6
    holed = frame(odd, out=[(3, 5), (0, 5), (6, 6)])
    got = profile(holed, 1, regions=region)
    assert got.frame.data[3, 5] == pytest.approx(frame().data[3, 5], rel=1e-3)
    assert np.count_nonzero(got.replaced) == 1
    np.testing.assert_array_equal(got.frame.data[0], holed.data[0])


@PROFILES
def test_slices_have_profiles_of_their_own(profile):
    """One star beside another, ten times as bright, whose columns change otherwise."""
    one = frame(out=[(3, 5)])
    other = frame(one.data[:, ::-1] * 10)
    both = SpectralFrame(
        *(
            frozen(np.concatenate([getattr(one, n), getattr(other, n)]))
            for n in ("data", "err", "dq")
        )
    )
    number = np.repeat([[1.0], [2.0]], 7, axis=0) * np.ones(SHAPE[1])
    number[0] = np.nan  # maps of slices may have none there
    got = profile(both, 1, regions=number)
    assert got.frame.data[3, 5] == pytest.approx(160 * 3, rel=1e-3)


def test_what_is_not_science_is_not_replaced():
    holed = frame(out=[(3, 5), (2, 5)])
    flags = holed.dq.copy()
    flags[2, 5] |= dq.NON_SCIENCE
    got = fit_profile(SpectralFrame(holed.data, holed.err, flags), 1)
    assert got.replaced[3, 5]
    assert not got.replaced[2, 5]
    assert got.frame.dq[2, 5] == flags[2, 5]


def test_the_error_of_a_weighted_profile_is_worked_out_by_hand():
    """Stripes of 40 and 80 in seven equal columns, with errors of 1.

    The median of six has pi / 14.5 = 0.217 of their variance; scale and level follow from the four
    other pixels.
    """
    star = np.array([40, 80, 40, 80, 40.0])
    data = np.repeat(star[:, None], 7, axis=1)
    holed = frame(data, out=[(1, 3)])
    got = weighted_profile(holed, 1)
    rest = np.delete(star, 1)
    one, p1, pp = 4, rest.sum(), (rest**2).sum()
    noise = np.pi / (2 * 6 + 2.5)
    off = 4 * noise
    free = (pp - off) * one - p1**2
    fit = (80**2 * one - 2 * 80 * p1 + pp - off) / free
    scale = (one * pp - p1 * p1) / free  # what noise would take from it is given back
    assert got.frame.data[1, 3] == pytest.approx(scale * 80 + (-off * p1) / free, rel=1e-6)
    assert got.frame.err[1, 3] == pytest.approx(np.sqrt(scale**2 * noise + fit), rel=1e-6)
    np.testing.assert_allclose(
        variance(got, "poisson")[1, 3], got.frame.err[1, 3] ** 2 / 2, rtol=1e-6
    )


@pytest.mark.parametrize("err", [np.nan, 0.0])
def test_pixels_without_an_error_are_not_weighted(err):
    star = np.repeat(frame().data[:, :1], SHAPE[1], axis=1)
    holed = frame(star, out=[(3, 5)])
    planes = [holed.data.copy(), holed.err.copy()]
    planes[0][3, [3, 4, 6, 7]], planes[1][3, [3, 4, 6, 7]] = 1e6, err
    got = weighted_profile(SpectralFrame(planes[0], planes[1], holed.dq), 1)
    assert got.frame.data[3, 5] == pytest.approx(star[3, 5], rel=1e-3)
    assert got.frame.err[3, 5] > 0


def test_what_neighbours_scatter_beyond_their_errors_is_in_the_error():
    """Pixels good to 3 %, errors of 1: without that, they are off by many."""
    rng = np.random.default_rng(5)
    star = 1e4 * np.exp(-0.5 * ((np.arange(9) - 4) / 2) ** 2)[:, None] * np.ones(400)
    seen = star * rng.normal(1, 0.03, star.shape)
    out = np.nonzero(rng.random(star.shape) < 0.03)
    got = weighted_profile(frame(seen, out=[out]), 1)
    pulls = ((got.frame.data - star) / got.frame.err)[out]
    assert 0.4 < np.std(pulls) < 1.2


def test_the_variance_of_a_median_is_known_to_four_per_cent():
    normal = stats.norm()
    for n in range(1, 14):
        half = n // 2

        def square(z, n=n, half=half):
            order = stats.beta(half + 1, n - half)
            return z * z * order.pdf(normal.cdf(z)) * normal.pdf(z)

        if n % 2:
            exact = integrate.quad(square, -8, 8)[0]
        else:  # of the mean of two middle ones
            sample = np.random.default_rng(n).normal(size=(200_000, n))
            exact = np.var(np.median(sample, axis=1))
        assert median_variance(n) == pytest.approx(exact, rel=0.04)


def test_neighbours_that_differ_less_are_taken_and_a_tie_goes_along_x():
    data = np.arange(49.0).reshape(7, 7)
    data[2, 3], data[4, 3] = 5, 6
    got = mingrad(frame(data, out=[(3, 3)]))
    assert got.frame.data[3, 3] == 5.5
    assert got.replaced[3, 3] == ALONG_Y
    data[2, 3], data[4, 3] = 5, 7
    got = mingrad(frame(data, out=[(3, 3)]))
    assert (got.frame.data[3, 3], got.replaced[3, 3]) == (24, ALONG_X)


def test_honest_errors_of_two_neighbours_are_worked_out_by_hand():
    """The mean of two errors of 1 has 1/2; axes 3 apart add (9 - 1/2 - 1/2) / 2."""
    data = np.full((7, 7), 10.0)
    data[2, 3], data[4, 3] = 12, 14
    got = mingrad(frame(data, out=[(3, 3)]), honest_errors=True)
    assert got.frame.data[3, 3] == 10
    assert got.frame.err[3, 3] == pytest.approx(np.sqrt(0.5 + 4))
    assert got.frame.var_flat is None
    assert variance(got, "rnoise")[3, 3] == pytest.approx(4.5 / 2)
    assert mingrad(frame(data, out=[(3, 3)])).frame.err[3, 3] == 1


def test_pixels_of_two_slices_are_no_neighbours():
    data = np.full((7, 7), 10.0)
    data[2, 3], data[4, 3] = 12, 14
    number = np.ones((7, 7), int)
    number[:, 4:] = 2
    holed = frame(data, out=[(3, 3)])
    got = mingrad(holed, number)
    assert (got.frame.data[3, 3], got.replaced[3, 3]) == (13, ALONG_Y)
    got = mingrad(holed, number, honest_errors=True)  # of one axis alone: its halves are 1 apart
    assert got.frame.err[3, 3] == pytest.approx(np.sqrt(0.5 + (1 - 0.5)))
    number[3:] += 2
    assert not mingrad(holed, number).replaced.any()


@pytest.mark.parametrize(
    ("side", "axis"),
    [
        (np.s_[:, :3], ALONG_Y),
        (np.s_[:, 4:], ALONG_Y),
        (np.s_[:3], ALONG_X),
        (np.s_[4:], ALONG_X),
    ],
)
def test_one_side_in_another_slice_leaves_the_other_axis(side, axis):
    number = np.ones((7, 7), int)
    number[side] = 2
    got = mingrad(frame(np.full((7, 7), 10.0), out=[(3, 3)]), number)
    assert got.replaced[3, 3] == axis


def test_neighbours_without_values_and_edges_leave_a_pixel_without_one():
    holed = frame(out=[(3, slice(4, 7)), (slice(2, 5), 5), (1, 8), (6, 8), (5, 10)])
    got = mingrad(holed)
    assert set(zip(*np.nonzero(got.replaced), strict=True)) == {
        (3, 4), (3, 6), (2, 5), (4, 5), (5, 10)
    }  # fmt: skip
    everywhere = frame(out=[(slice(None), slice(None))])
    assert not mingrad(everywhere).replaced.any()
    assert mingrad(frame(np.ones((2, 2)))).frame.data.shape == (2, 2)


def test_a_model_fills_what_it_knows_and_neighbours_the_rest():
    holed = frame(out=[(3, 5), (3, 8)])
    model = np.where(np.arange(SHAPE[1]) < 7, 77.0, np.nan) * np.ones(SHAPE)
    got = trace_model(holed, model, 1)
    assert (got.frame.data[3, 5], got.replaced[3, 5]) == (77, MODEL)
    assert got.replaced[3, 8] in (ALONG_X, ALONG_Y)
    assert not np.any(got.frame.dq & dq.DO_NOT_USE)
    np.testing.assert_array_equal(got.frame.err, 1)


def test_errors_beside_a_modelled_pixel_come_from_its_own_slice():
    err = np.ones(SHAPE, np.float32) * np.arange(SHAPE[1], dtype=np.float32)
    holed = frame(out=[(3, 5)])
    holed = SpectralFrame(holed.data, err, holed.dq)
    number = np.ones(SHAPE, int)
    number[:, 6:] = 2
    model = np.full(SHAPE, 9.0)
    assert trace_model(holed, model, 1).frame.err[3, 5] == 5
    assert trace_model(holed, model, 1, number).frame.err[3, 5] == 4
    assert trace_model(holed, model, 2).frame.err[3, 5] == 5
    number[:, 4] = 3
    number[:, 5] = 4
    number[0:3, 5] = number[4:, 5] = 5
    assert np.isnan(trace_model(holed, model, 1, number).frame.err[3, 5])


@PROFILES
def test_what_is_given_stays_and_what_is_returned_is_read_only(profile):
    holed = frame(out=[(3, 5)])
    for got in (profile(holed, 1), mingrad(holed), trace_model(holed, holed.data, 1)):
        assert np.isnan(holed.data[3, 5])
        planes = (
            got.frame.data,
            got.frame.err,
            got.frame.dq,
            variance(got, "rnoise"),
            got.replaced,
        )
        assert not any(plane.flags.writeable for plane in planes)


def test_what_does_not_fit_is_refused_in_one_line():
    good = frame()
    with pytest.raises(InputError, match="dispersion_direction = 0: must be 1"):
        fit_profile(good, 0)
    with pytest.raises(ParamError, match="n_adjacent_cols = 0: must be at least 1"):
        weighted_profile(good, 1, 0)
    with pytest.raises(InputError, match="cut both alike"):
        mingrad(good, np.ones((3, 3), bool))
    with pytest.raises(InputError, match=r"err of shape \(2,\) beside data of shape \(7, 12\)"):
        SpectralFrame(good.data, good.err[0, :2], good.dq)
    with pytest.raises(InputError, match="one integration or slit at a time"):
        SpectralFrame(good.data[None], good.err[None], good.dq[None])
    with pytest.raises(InputError, match="fit it to this frame"):
        trace_model(good, good.data[1:], 1)
    without = SpectralFrame(good.data, good.err * 0, good.dq)
    with pytest.raises(InputError, match="take fit_profile"):
        weighted_profile(without, 1)
