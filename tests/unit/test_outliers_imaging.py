"""Medians on a common grid, and outliers by them: hand-worked numbers, boxes, bad input."""

import dataclasses as dc
from types import SimpleNamespace

import numpy as np
import pytest

from jwinteractive import dq as flags
from jwinteractive.data import Box
from jwinteractive.errors import InputError, ParamError
from jwinteractive.extract.frames import contiguous
from jwinteractive.kernels.outlier_combine import BINS, clipped_mean, combine, count_weights
from jwinteractive.kernels.outlier_drizzle import POINT, SQUARE, TURBO, drizzle
from jwinteractive.kernels.outlier_flags import blot, gradient
from jwinteractive.outliers import (
    OutlierParams,
    Planes,
    at_sky,
    flags_of,
    halo,
    measure_stack,
    member_of,
)
from jwinteractive.outliers.grid import bounds_of, common_grid, pixel_map
from jwinteractive.outliers.settings import bad_flags, pair
from jwinteractive.simulate.dithers import dithers

OFFICIAL = OutlierParams(method="official", sky="header")
NOISE = OutlierParams()


def members_of(made, **changed):
    return [
        member_of(
            e.name,
            Planes(e.data, e.err, e.dq, e.var_rnoise),
            e.wcs,
            **{"wcsinfo": e.wcsinfo, "s_region": e.s_region, "level": e.sky, **changed},
        )
        for e in made.exposures
    ]


@pytest.fixture(scope="module")
def made():
    return dithers(4, (150, 170), seed=4, stars=3e-3, hits=4e-3)


@pytest.fixture(scope="module")
def stacks(made):
    return {p.method: measure_stack(members_of(made), p) for p in (OFFICIAL, NOISE)}


def spread(data, weight, nodes, shape=SQUARE, pixfrac=1.0, size=(6, 7)):
    """Weights and values of an image on a grid, by the places of its pixels."""
    weights, sums = np.zeros(size), np.zeros(size)
    ny, nx = data.shape
    drizzle(
        contiguous(data, np.float32),
        contiguous(data, np.float32),
        contiguous(np.zeros(data.shape), np.uint32),
        contiguous(1 / weight, np.float32),
        0,
        0,
        np.array([0, nx - 1, 0, ny - 1]),
        nodes,
        4,
        np.uint32(1),
        np.float32(0),
        0.0,
        pixfrac,
        shape,
        0,
        0,
        size,
        np.empty((8, 8)),
        weights,
        sums,
        np.empty((0, 0)),
    )
    return weights, sums


def places(ny, nx, matrix, shift):
    """Nodes of an affine map, four pixels apart."""
    y, x = np.mgrid[: (ny - 1) // 4 + 2, : (nx - 1) // 4 + 2] * 4.0
    return np.einsum("ij,jyx->iyx", np.asarray(matrix, float), np.stack([x, y])) + np.reshape(
        np.asarray(shift, float), (2, 1, 1)
    )


def test_a_shifted_pixel_is_shared_by_area():
    weights, sums = spread(
        np.array([[5.0]]), np.array([[2.0]]), places(1, 1, np.eye(2), (2.25, 1.1))
    )
    expected = np.zeros((6, 7))
    expected[1, 2], expected[1, 3] = 0.75 * 0.9 * 2, 0.25 * 0.9 * 2
    expected[2, 2], expected[2, 3] = 0.75 * 0.1 * 2, 0.25 * 0.1 * 2
    np.testing.assert_allclose(weights, expected, atol=1e-12)
    np.testing.assert_allclose(sums, 5 * expected, atol=1e-12)


def test_a_pixel_turned_by_45_degrees_covers_a_cell_as_a_diamond_does():
    half = np.sqrt(0.5)
    nodes = places(1, 1, [[half, -half], [half, half]], (3.0, 2.0))
    weights, _ = spread(np.array([[1.0]]), np.array([[1.0]]), nodes)
    # the diamond reaches half a diagonal; beyond the cell's side lies a triangle of height h
    h = half - 0.5
    np.testing.assert_allclose(weights[2, 2:5], [h * h, 1 - 4 * h * h, h * h], atol=1e-12)
    np.testing.assert_allclose(weights[1:4, 3], [h * h, 1 - 4 * h * h, h * h], atol=1e-12)


@pytest.mark.parametrize("shape", [SQUARE, TURBO, POINT])
@pytest.mark.parametrize("flip", [1, -1])
def test_no_weight_is_lost_in_the_middle_of_a_grid(shape, flip):
    rng = np.random.default_rng(2)
    data, weight = rng.uniform(1, 2, (9, 8)), rng.uniform(1, 2, (9, 8))
    matrix = np.array([[0.97, -0.2], [0.23, 1.02]]) @ np.diag([flip, 1])
    nodes = places(9, 8, matrix, (9.3 if flip > 0 else 14.2, 5.7))
    weights, sums = spread(data, weight, nodes, shape, size=(25, 25))
    w = 1 / (1 / weight).astype("f4").astype(float)
    assert weights.sum() == pytest.approx(w.sum(), rel=1e-9)
    assert sums.sum() == pytest.approx((w * data.astype("f4")).sum(), rel=1e-9)
    assert weights.min() >= -1e-12


def test_a_pixel_whose_middle_is_off_the_grid_is_left_out():
    one = np.array([[1.0]])
    assert spread(one, one, places(1, 1, np.eye(2), (-0.45, 2.0)))[0][2, 0] == pytest.approx(0.55)
    assert spread(one, one, places(1, 1, np.eye(2), (-0.55, 2.0)))[0].sum() == 0
    assert spread(one, one, places(1, 1, np.eye(2), (2.0, 5.55)))[0].sum() == 0


def test_the_plain_median_and_the_lower_of_two_that_disagree():
    values = np.array([[1, 1, 1, np.nan], [9, 2, np.nan, np.nan], [2, np.nan, np.nan, 4]], "f4")
    values = values[:, None]
    errors, weights = np.ones_like(values), np.ones_like(values)
    weights[2, 0, 3] = 0.5

    def combined(robust):
        median, noise = np.empty((1, 4), "f4"), np.empty((1, 4), "f4")
        depth = np.empty((1, 4), "u1")
        combine(values, errors, weights, np.full(3, 0.6), robust, 5.0, median, noise, depth)
        return median[0], noise[0], depth[0]

    median, noise, depth = combined(False)
    np.testing.assert_array_equal(median, [2, 1.5, 1, np.nan])
    np.testing.assert_array_equal(noise, [1, 1, 1, np.nan])
    np.testing.assert_array_equal(depth, [3, 2, 1, 0])
    values[1, 0, 1] = 20
    median, noise, _ = combined(True)
    assert median[1] == 1  # by more than five of their errors
    assert noise[1] == 1
    assert noise[0] == pytest.approx(np.sqrt(np.pi / 2 / 3))


def test_the_noise_of_a_median_is_at_least_what_its_exposures_scatter():
    values = np.array([0, 10, 20, 90], "f4").reshape(4, 1, 1)
    one, depth = np.ones((4, 1, 1), "f4"), np.empty((1, 1), "u1")
    median, noise = np.empty((1, 1), "f4"), np.empty((1, 1), "f4")
    combine(values, one, one, np.zeros(4), True, 5.0, median, noise, depth)
    assert median[0, 0] == 15
    assert noise[0, 0] == pytest.approx(1.4826 * np.sqrt(np.pi / 2) * 10 / 2)


def test_pixels_outside_the_bounding_box_have_no_place():
    wcs = SimpleNamespace(bounding_box=((3.5, 1027.5), (-0.5, 9.5)))
    member = dc.replace(member_of("m", Planes(*[np.zeros((10, 1032))] * 3), wcs))
    np.testing.assert_array_equal(bounds_of(member), [4, 1027, 0, 9])


def test_the_clipped_mean_of_counted_weights_is_that_of_the_weights():
    from astropy.stats import sigma_clip

    rng = np.random.default_rng(3)
    weights = rng.normal(400, 4, (200, 300)).astype("f4")
    weights[:20] = rng.uniform(0, 400, (20, 300))
    weights[20] = 0
    bins = np.zeros((3, BINS))
    count_weights(weights, 390.0, bins)
    kept = sigma_clip(weights[weights > 0], sigma=3, maxiters=5, masked=False)
    assert clipped_mean(bins, 3.0, 5) == pytest.approx(kept.mean(dtype="f8"), rel=2e-4)


def test_the_median_is_looked_up_between_pixels_and_not_before_the_first():
    values = np.arange(20.0).reshape(4, 5) ** 2
    values[0, 0] = np.nan
    image, bounds = contiguous(values, np.float32), contiguous([0, 3, 0, 0], np.int64)
    out = np.empty((1, 4), "f4")

    def look(shift):
        nodes = contiguous(places(1, 4, [[1, 0], [0, 1]], shift), np.float64)
        blot(image, nodes, 4, bounds, 0, 0, out)

    look((1.5, 1.5))
    np.testing.assert_allclose(out[0], [(36 + 49 + 121 + 144) / 4, 106.5, 127.5, 138.5])
    look((1.5, -0.1))
    assert np.isnan(out).all()
    look((0.5, 0.5))  # beside the pixel that is not known
    np.testing.assert_array_equal(np.isnan(out[0]), [True, False, False, False])


def test_the_gradient_is_the_largest_difference_to_a_known_neighbour():
    image = np.array([[0, 1, 5], [np.nan, 2, 2], [7, 2, 2.5]], "f4")
    out = np.empty_like(image)
    gradient(image, out)
    np.testing.assert_array_equal(out, [[1, 4, 4], [np.nan, 1, 3], [5, 5, 0.5]])


@pytest.mark.parametrize("p", [OFFICIAL, NOISE], ids=["official", "noise"])
def test_a_box_gives_bit_for_bit_what_the_whole_exposure_gives(made, stacks, p):
    e, stack, reach = made.exposures[1], stacks[p.method], halo(p)
    frame = Box.whole(e.data.shape)
    whole = flags_of(stack, 1, frame, e.data, e.err, e.dq, p)
    assert whole.mask.sum() > 50
    for box in (Box(33, 97, 20, 101), Box(0, 40, 130, 170), Box(149, 150, 0, 9)):
        wide = box.grow(reach, frame)
        cut = wide.slices(frame)
        found = flags_of(stack, e.name, wide, e.data[cut], e.err[cut], e.dq[cut], p)
        for name in ("mask", "over", "blot"):
            np.testing.assert_array_equal(
                getattr(found, name)[box.slices(wide)], getattr(whole, name)[box.slices(frame)]
            )


def test_tiles_and_sets_of_tiles_give_one_median(made, monkeypatch):
    import jwinteractive.outliers.tiles as module

    whole = measure_stack(members_of(made), OFFICIAL)
    monkeypatch.setattr(module, "_TILE", 37)
    tiled = measure_stack(members_of(made), OFFICIAL)
    np.testing.assert_allclose(tiled.median, whole.median, rtol=1e-5, atol=1e-5)
    monkeypatch.setattr(module.Tiles, "_sampled", lambda self, tiles: np.full(4, 600.0))
    again = measure_stack(members_of(made), OFFICIAL)  # a guess that is wrong by a half
    np.testing.assert_array_equal(again.median, tiled.median)
    means = module.Tiles._means
    known = []
    monkeypatch.setattr(module.Tiles, "_means", lambda self: known.append(means(self)) or known[-1])
    measure_stack(members_of(made), OFFICIAL)
    # wrong by less than the band: what the threshold parts is decided in the end
    monkeypatch.setattr(module.Tiles, "_sampled", lambda self, tiles: known[0] * 1.025)
    near = measure_stack(members_of(made), OFFICIAL)
    np.testing.assert_array_equal(near.depth, tiled.depth)
    monkeypatch.setattr(module.Tiles, "_decide", lambda self, limit: None)
    assert (measure_stack(members_of(made), OFFICIAL).depth != tiled.depth).any()


def test_detectors_of_one_exposure_count_once(made):
    two = members_of(made)[:2]
    halves = []
    for member in two:
        planes = member.look(Box.whole(member.shape))
        for number in range(2):
            dq = planes.dq.copy()
            dq[:, 85 * number : 85 * number + 85] = flags.DO_NOT_USE
            part = Planes(planes.data, planes.err, dq, planes.var_rnoise)
            known = {"wcsinfo": member.wcsinfo, "s_region": member.s_region, "level": member.level}
            halves.append(
                member_of(f"{member.name}{number}", part, member.wcs, group=member.name, **known)
            )
    whole, parts = measure_stack(two, OFFICIAL), measure_stack(halves, OFFICIAL)
    np.testing.assert_allclose(parts.median, whole.median, rtol=1e-4, atol=1e-4)
    assert parts.depth.max() == 2


def test_levels_of_the_sky_are_found_where_exposures_overlap(made):
    stack = measure_stack(members_of(made), NOISE)
    sky = np.array([e.sky for e in made.exposures])
    np.testing.assert_allclose(stack.levels, sky - sky.min(), atol=0.01)


def test_levels_of_the_header_are_taken_off_and_the_background_is_added_where_there_is_none(made):
    e = made.exposures[0]
    args = (Box.whole(e.data.shape), e.data, e.err, e.dq)
    told = measure_stack(members_of(made), OFFICIAL)
    np.testing.assert_allclose(told.levels, [e.sky for e in made.exposures])
    untold = measure_stack(members_of(made, level=None), OFFICIAL)
    assert np.isnan(untold.levels).all()
    off = np.nanmedian(untold.median) - np.nanmedian(told.median)
    assert off == pytest.approx(np.median([e.sky for e in made.exposures]), abs=0.02)
    known = flags_of(told, 0, *args, dc.replace(OFFICIAL, backg=3.0)).blot
    assert np.nanmedian(known) == pytest.approx(e.sky, abs=0.05)
    plain = flags_of(untold, 0, *args, OFFICIAL)
    more = flags_of(untold, 0, *args, dc.replace(OFFICIAL, backg=3.0))
    np.testing.assert_allclose(more.blot, plain.blot + 3, rtol=1e-5)
    assert more.mask.sum() > 50 * plain.mask.sum()


def test_a_place_in_the_sky_is_found_in_each_exposure(made, stacks):
    found = at_sky(stacks["noise"], 71.0, 88.0, "dither2")
    assert found[1] == pytest.approx([71, 88], abs=1e-6)
    sky = made.exposures[1].wcs(88.0, 71.0)
    for e, (y, x) in zip(made.exposures, found, strict=True):
        assert e.wcs.invert(*sky) == pytest.approx((x, y), abs=5e-3)
    far = at_sky(stacks["noise"], 0.0, 0.0, 0)
    assert np.isnan(far).any()


def test_a_map_that_bends_more_has_more_nodes(made):
    grid, _ = common_grid(members_of(made))
    e = made.exposures[1]
    for step in (16, 4):
        nodes, error = pixel_map(e.wcs, grid, e.data.shape, step)
        assert 0 < error < 0.01
        ra, dec = e.wcs(3.0 * step, 2.0 * step)
        assert grid.invert(ra, dec) == pytest.approx(nodes[:, 2, 3], abs=1e-6)
    assert pixel_map(e.wcs, grid, e.data.shape, 16)[1] == pytest.approx(16 * error, rel=0.1)


def test_flags_may_be_good_or_bad_by_name_and_number():
    assert bad_flags("~DO_NOT_USE") == 1
    assert bad_flags("~DO_NOT_USE+SATURATED") == 3
    assert bad_flags("~1, 2") == 3
    assert bad_flags("") == bad_flags("None") == 0
    assert bad_flags("0") == 0xFFFFFFFF
    assert bad_flags("JUMP_DET, 2") == 0xFFFFFFFF - 6
    with pytest.raises(ParamError, match="'NOT_A_FLAG' is no flag"):
        bad_flags("~NOT_A_FLAG")
    with pytest.raises(ParamError, match="snr = '5': needs two numbers"):
        pair("snr", "5")


def test_one_exposure_alone_is_for_its_shapes_only(made):
    alone = members_of(made)[:1]
    with pytest.raises(InputError, match="dither1 is one exposure alone"):
        measure_stack(alone, OFFICIAL)
    e = made.exposures[0]
    stack = measure_stack(alone, NOISE)
    found = flags_of(stack, 0, Box.whole(e.data.shape), e.data, e.err, e.dq, NOISE).mask
    assert found[(e.hits > 30) & ~e.stars].mean() > 0.5
    assert found[e.hits == 0].mean() < 2e-3


@pytest.mark.parametrize(
    ("change", "error"),
    [
        (lambda m: [], "no exposures: give at least one"),
        (lambda m: [m[0], dc.replace(m[1], wcs=None)], "dither2 has no WCS.*assign_wcs"),
        (lambda m: [dc.replace(m[0], wcsinfo={"ra_ref": 1.0}), m[1]], "dither1 lacks dec_ref"),
    ],
)
def test_sets_that_cannot_be_compared_get_one_line(made, change, error):
    with pytest.raises(InputError, match=error) as caught:
        measure_stack(change(members_of(made)), NOISE)
    assert "\n" not in str(caught.value)


def test_an_exposure_whose_pixels_are_all_flagged_is_named(made):
    members = members_of(made)
    planes = members[2].look(Box.whole(members[2].shape))
    dead = dc.replace(planes, dq=np.full(planes.dq.shape, flags.DO_NOT_USE, "u4"))
    members[2] = dc.replace(members[2], look=member_of("x", dead, None).look)
    with pytest.raises(InputError, match=r"^dither3: no pixel may be used.*good_bits$"):
        measure_stack(members, NOISE)


def test_exposures_of_two_fields_are_named():
    from jwinteractive.simulate import dithers as module

    made = module.dithers(2, (64, 64))
    away = dc.replace(made.exposures[1], offset=(9.0, 0.0))  # 290 pixels
    two = members_of(dc.replace(made, exposures=(made.exposures[0], away)))
    with pytest.raises(InputError, match="dither1, dither2 do not overlap"):
        measure_stack(two, NOISE)


def test_planes_of_another_box_and_exposures_of_another_set_are_refused(made, stacks):
    e = made.exposures[0]
    with pytest.raises(InputError, match=r"data \(150, 170\): must have the shape of its box"):
        flags_of(stacks["noise"], 0, Box(0, 9, 0, 9), e.data, e.err, e.dq, NOISE)
    box = Box.whole(e.data.shape)
    with pytest.raises(InputError, match="other is not in the stack of dither1, dither2"):
        flags_of(stacks["noise"], "other", box, e.data, e.err, e.dq, NOISE)
    with pytest.raises(InputError, match="no noise: it was measured for the official method"):
        flags_of(stacks["official"], 0, box, e.data, e.err, e.dq, NOISE)
