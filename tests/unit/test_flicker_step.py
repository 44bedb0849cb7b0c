"""1/f cleaning as a step: whole lines around a box, what the user says, few free pixels, rates."""

from functools import partial

import numpy as np
import pytest

from jwinteractive import dq
from jwinteractive.chain import Link, run_box, stream
from jwinteractive.data import Box, Ramp, Rate, RateInts
from jwinteractive.flicker.fits import BLOCK
from jwinteractive.flicker.sources import BRIGHT, HAND, REGION, SOURCE, UNKNOWN
from jwinteractive.masks import BACKGROUND
from jwinteractive.masks import SOURCE as A_SOURCE
from jwinteractive.references import FlatRef, SceneRef, UserMaskRef
from jwinteractive.step import Whole, registry
from jwinteractive.store import Store
from jwinteractive.testing import example_exposure
from jwinteractive.views import Shown

STEP = registry["clean_flicker_noise"]
OURS = ("smoother", "fourier", "shrunk_median")
LINES = 3 * BLOCK + 20
LENGTH = 64


def stripes_of(rng, *shape):
    """Levels of lines [..., line, 1] with a memory of some lines."""
    steps = rng.normal(0, 3, shape)
    return np.cumsum(steps, axis=-1)[..., None] * 0.3 + rng.normal(0, 3, shape)[..., None]


def striped(instrument="NIRCAM", nint=1, ngroup=5, lines=LINES, light=None, seed=1, **header):
    """A ramp of white noise of 5 DN and stripes, and the stripes [integration, group, y, x]."""
    rng = np.random.default_rng(seed)
    exposure = example_exposure(instrument, nints=nint, ngroups=ngroup, subarray="SUB", **header)
    shape = (nint, ngroup, lines, LENGTH)
    noise = np.broadcast_to(stripes_of(rng, nint, ngroup, lines), shape)
    rate = np.full((nint, lines, LENGTH), 3.0) + (0 if light is None else light)
    times = np.arange(ngroup)[:, None, None]
    data = rng.normal(0, 20, (nint, 1, lines, LENGTH)) + times * rate[:, None]
    data = data + rng.normal(0, 5, shape) + noise
    along_x = instrument == "NIRCAM"
    turn = (lambda a: a) if along_x else (lambda a: np.ascontiguousarray(a.swapaxes(-1, -2)))
    data, noise = turn(data.astype(np.float32)), turn(noise)
    zero = np.zeros(data.shape, np.uint8), np.zeros(data.shape[2:], np.uint32)
    return Ramp(exposure=exposure, data=data, groupdq=zero[0], pixeldq=zero[1]), noise


def link_for(product, given=None, **changes):
    params = STEP.params(**changes)
    whole = Whole(product.exposure, product.covers, lambda box: product.crop(box).native())
    given = given or {}
    return Link(STEP, params, given, STEP.learn(whole, params, given))


def left(product, cleaned, noise):
    """What is left of the noise but for a pedestal and a level, rms of lines over groups."""
    rest = noise - (product.data - cleaned.data)
    rest = rest - rest.mean(axis=1, keepdims=True) - rest.mean(axis=(2, 3), keepdims=True)
    axis = 3 if product.exposure.instrument == "NIRCAM" else 2
    return float(np.std(rest.mean(axis=axis)))


@pytest.mark.parametrize("instrument", ["NIRCAM", "NIRISS"])
@pytest.mark.parametrize("method", OURS)
def test_a_box_of_a_frame_of_many_blocks_equals_the_whole(method, instrument):
    ramp, _ = striped(instrument)
    link = link_for(ramp, fit_method=method)
    whole = link(ramp)
    for first in (0, 100, BLOCK, LINES - 30):
        lines, pixels = (first, first + 20), (30, 41)
        box = Box(*lines, *pixels) if instrument == "NIRCAM" else Box(*pixels, *lines)
        part = run_box(ramp, [link], box)
        for name, array in part.arrays().items():
            np.testing.assert_array_equal(array, whole.crop(box).arrays()[name], name)
    made, _ = stream(ramp, [link], partial(Store().draft, "key"), threads=2)
    np.testing.assert_array_equal(made.data, whole.data)


@pytest.mark.parametrize("method", OURS)
@pytest.mark.parametrize("level", ["residuals", "differences", "rate"])
def test_stripes_go_and_the_level_of_the_background_stays(method, level):
    ramp, noise = striped()
    link = link_for(ramp, fit_method=method, level=level)
    cleaned = link(ramp)
    if level == "rate":  # the noise of the slope is all that it knows
        times = np.arange(5.0) - 2
        slope = np.tensordot(times, noise - (ramp.data - cleaned.data), (0, 1))[0] / 10
        before = np.tensordot(times, noise, (0, 1))[0] / 10
        assert slope.mean(axis=1).std() < 0.35 * before.mean(axis=1).std()
    else:
        assert left(ramp, cleaned, noise) < 0.35 * left(ramp, ramp, noise)
    assert link.model.level > 3  # it holds the mean slope of the stripes
    assert np.median(np.diff(cleaned.data, axis=1)) == pytest.approx(link.model.level, abs=0.5)


@pytest.mark.parametrize("method", OURS)
def test_lines_beyond_what_a_pixel_affects_do_not_change_with_it(method):
    ramp, _ = striped()
    said = np.zeros(ramp.shape, np.uint8)
    link = link_for(ramp, fit_method=method)
    before = link(ramp)
    pixel = Box.around(2 * BLOCK + 3, 20, 4)
    said[pixel.slices(ramp.covers)] = A_SOURCE
    after = Link(STEP, link.params, {"scene": SceneRef(data=said)}, link.model)(ramp)
    changed = np.flatnonzero((before.data != after.data).any(axis=(0, 1, 3)))
    box = STEP.affected(ramp.exposure, link.params, pixel, ramp.covers)
    assert len(changed)
    assert box.y0 <= changed.min() <= changed.max() < box.y1 < LINES


def test_what_the_user_says_goes_before_what_is_found():
    star = np.zeros((LINES, LENGTH))
    star[200:204, 30:34] = 300.0
    ramp, _ = striped(light=star)
    said = np.zeros(ramp.shape, np.uint8)
    said[200:204, 30:34] = BACKGROUND
    said[10:12] = A_SOURCE
    found = link_for(ramp)(ramp).scene
    assert (found[198:206, 28:36] & SOURCE != 0).all()
    drawn = link_for(ramp, {"scene": SceneRef(data=said)})(ramp).scene
    assert (drawn[200:204, 30:34] == 0).all()
    assert (drawn[10:12] & HAND != 0).all()
    mask = UserMaskRef(data=np.ones(ramp.shape, np.uint8))
    assert not link_for(ramp, {"user_mask": mask})(ramp).scene.any()
    both = link_for(ramp, {"user_mask": mask, "scene": SceneRef(data=said)})(ramp).scene
    np.testing.assert_array_equal(both != 0, said == A_SOURCE)


@pytest.mark.parametrize("method", ["median", "smoother"])
def test_what_the_user_draws_holds_for_official_methods_too(method):
    ramp, _ = striped()
    said = np.zeros(ramp.shape, np.uint8)
    said[100:140] = A_SOURCE
    cleaned = link_for(ramp, {"scene": SceneRef(data=said), **references(ramp)}, fit_method=method)(
        ramp
    )
    removed = (ramp.data - cleaned.data)[0, 1:].mean(axis=2)
    drawn, others = removed[:, 100:140].std(axis=1), removed[:, 200:240].std(axis=1)
    assert (drawn < 0.5 * others).all()
    assert (cleaned.scene[100:140] != 0).all()


def references(ramp):
    from jwinteractive.references import GainRef, ReadnoiseRef

    made = (kind.nominal(ramp.exposure, ramp.shape) for kind in (GainRef, ReadnoiseRef))
    return dict(zip(("gain", "readnoise"), made, strict=True))


@pytest.mark.parametrize("method", OURS)
def test_where_nothing_is_free_nothing_is_subtracted_and_it_is_said(method):
    ramp, _ = striped(lines=40)
    mask = UserMaskRef(data=np.zeros(ramp.shape, np.uint8))
    link = link_for(ramp, {"user_mask": mask}, fit_method=method)
    np.testing.assert_array_equal(link(ramp).data, ramp.data)
    dark = ramp.replace(data=np.full_like(ramp.data, np.nan))
    link = link_for(dark, fit_method=method)
    assert "100 % of the lines have fewer than 20 background pixels" in link.model.warning
    assert np.isnan(link(dark).data).all()


def test_few_free_pixels_take_off_less_than_they_show():
    ramp, noise = striped(lines=40)
    free = np.zeros(ramp.shape, np.uint8)
    free[:, :4] = 1
    few = link_for(ramp, {"user_mask": UserMaskRef(data=free)}, fit_method="shrunk_median")(ramp)
    assert left(ramp, few, noise) < left(ramp, ramp, noise)


def test_pixels_say_why_they_are_no_background():
    star = np.zeros((LINES, LENGTH))
    star[200:204, 30:34] = 300.0
    ramp, _ = striped(light=star)
    data = ramp.data.copy()
    data[..., 50, 5] = np.nan
    data[..., 60, 6] += 400 * np.arange(5)  # one pixel is no source
    why = link_for(ramp.replace(data=data), side_pixels=20)(ramp.replace(data=data)).scene
    assert why[50, 5] == UNKNOWN
    assert why[60, 6] & BRIGHT
    assert why[202, 32] & SOURCE
    assert (why[:, 20:44] & REGION != 0).all()
    assert not (why[:, :20] & REGION).any()
    wide = link_for(ramp, source_growth=8)(ramp).scene
    narrow = link_for(ramp, source_growth=0)(ramp).scene
    assert (narrow & SOURCE != 0).sum() < (wide & SOURCE != 0).sum()
    assert not (link_for(ramp, source_threshold=0.0)(ramp).scene & SOURCE).any()


def test_jumps_and_flags_do_not_move_the_noise():
    ramp, noise = striped()
    data, flags = ramp.data.copy(), ramp.groupdq.copy()
    rng = np.random.default_rng(3)
    hit = rng.random(data.shape[2:]) < 0.2
    data[:, 3:, hit] += 5000
    flags[:, 3, hit] |= dq.JUMP_DET
    lost = rng.random(data.shape[2:]) < 0.1
    data[:, 2, lost] = 1e6
    flags[:, 2, lost] |= dq.DO_NOT_USE
    struck = ramp.replace(data=data, groupdq=flags)
    for method in OURS:
        cleaned = link_for(struck, fit_method=method)(struck)
        rest = noise - (struck.data - cleaned.data)
        rest = rest - rest.mean(axis=1, keepdims=True) - rest.mean(axis=(2, 3), keepdims=True)
        assert np.std(rest.mean(axis=3)) < 0.4 * left(ramp, ramp, noise)


def rate_of(ramp, kind):
    rate = np.diff(ramp.data, axis=1).mean(axis=1)
    planes = {"data": rate, "err": np.ones_like(rate), "dq": np.zeros(rate.shape, np.uint32)}
    planes |= {"var_poisson": np.ones_like(rate), "var_rnoise": np.ones_like(rate)}
    if kind is Rate:
        planes = {name: array[0] for name, array in planes.items()}
    return kind(exposure=ramp.exposure, **planes)


@pytest.mark.parametrize("kind", [Rate, RateInts])
@pytest.mark.parametrize("method", [*OURS, "median"])
def test_archived_rates_are_cleaned(kind, method):
    nint = 1 if kind is Rate else 3
    ramp, _ = striped(nint=nint)
    rate = rate_of(ramp, kind)
    link = link_for(rate, fit_method=method)
    cleaned = link(rate)
    assert type(cleaned) is kind
    before, after = (np.std(np.median(p.data, axis=-1), axis=-1).max() for p in (rate, cleaned))
    assert after < 0.3 * before
    level = link.model.background.mean() if method == "median" else link.model.level
    assert np.median(cleaned.data) == pytest.approx(level, abs=0.5)


def test_the_median_of_the_integrations_lets_the_noise_under_a_source_be_seen():
    trace = np.zeros((40, LENGTH))
    trace[:, 10:50] = 200.0
    light = trace * np.where(np.arange(15) % 5 == 2, 0.97, 1.0)[:, None, None]
    ramp, noise = striped(nint=15, ngroup=5, lines=40, light=light)
    link = link_for(
        ramp, fit_method="shrunk_median", background_method="median_image", n_sigma=0.0,
        source_threshold=0.0,
    )  # fmt: skip
    np.testing.assert_allclose(
        link.model.brightness / link.model.brightness[0],
        light[:, 0, 20] / light[0, 0, 20],
        atol=3e-3,
    )
    assert left(ramp, link(ramp), noise) < 0.5 * left(ramp, ramp, noise)


def test_the_structure_of_a_flat_is_no_noise():
    rng = np.random.default_rng(5)
    flat = 1 + 0.3 * rng.normal(0, 1, (40, 1)) + np.zeros((40, LENGTH))
    ramp, noise = striped(lines=40, light=100 * flat)
    given = {"flat": FlatRef(data=flat.astype(np.float32))}
    plain = link_for(ramp, fit_method="shrunk_median")(ramp)
    even = link_for(ramp, given, fit_method="shrunk_median", apply_flat_field=True)(ramp)
    assert left(ramp, even, noise) < 0.5 * left(ramp, plain, noise)


def test_stripes_of_miri_lie_along_columns():
    rng = np.random.default_rng(7)
    exposure = example_exposure("MIRI", ngroups=5)
    noise = np.broadcast_to(rng.normal(0, 6, (1, 5, 1, 60)), (1, 5, 50, 60))
    data = (rng.normal(0, 5, noise.shape) + noise).astype(np.float32)
    flags = np.zeros(data.shape, np.uint8), np.zeros((50, 60), np.uint32)
    ramp = Ramp(exposure=exposure, data=data, groupdq=flags[0], pixeldq=flags[1])
    for method in OURS:
        cleaned = link_for(ramp, fit_method=method)(ramp)
        before = (data - data.mean(axis=1, keepdims=True)).mean(axis=2).std()
        after = (cleaned.data - cleaned.data.mean(axis=1, keepdims=True)).mean(axis=2).std()
        # waves of neighbouring columns are drawn together: these have nothing in common
        assert after < (0.4 if method == "fourier" else 0.3) * before, method


def test_a_median_of_one_integration_is_refused_in_one_line():
    exposure = example_exposure("NIRCAM")
    why = STEP.skips(exposure, STEP.params(background_method="median_image"))
    assert why == "background_method = 'median_image' needs 2 integrations, the exposure has 1"


@pytest.mark.parametrize("method", ["smoother", "median"])
@pytest.mark.parametrize("background", ["median", "model"])
def test_noise_mask_profiles_and_powers_are_seen_whatever_the_method(method, background):
    star = np.zeros((LINES, LENGTH))
    star[200:204, 30:34] = 300.0
    ramp, _ = striped(light=star)
    changes = {"fit_method": method, "background_method": background}
    link = link_for(ramp, references(ramp), **changes)
    after = link(ramp)
    shown = Shown(
        after=after, before=ramp, model=link.model, params=link.params, group=2, shape=ramp.shape
    )
    drawn = {view.title: view.draw(shown) for view in STEP.own_views}
    np.testing.assert_array_equal(drawn["1/f noise"].data, ramp.data[0, 2] - after.data[0, 2])
    mask = drawn["scene mask"]
    assert mask.words(int(mask.dq[202, 32])) != "background"
    assert mask.words(int(mask.dq[np.nonzero(mask.dq == 0)][0])) == "background"
    assert "% is background" in mask.note
    assert np.median(drawn["background"].data) == pytest.approx(8.3, abs=1.5)
    assert np.ptp(drawn["background"].data) == 0 or background == "model"
    before, cleaned = drawn["profile across lines"].curves
    # the official mesh takes slow stripes for background
    most = 0.8 if (method, background) == ("median", "model") else 0.5
    assert np.nanstd(cleaned.y) < most * np.nanstd(before.y)
    assert drawn["profile across lines"].x_label == "row (pixel)"
    assert drawn["profile along lines"].x_label == "column (pixel)"
    before, cleaned = drawn["power spectrum"].curves
    slow = np.array(
        [np.mean(c.y[c.x < 500]) if (c.x < 500).any() else 0 for c in (before, cleaned)]
    )
    assert slow[1] < most * slow[0]


def test_sources_are_what_photutils_finds():
    from photutils.segmentation import detect_sources

    from jwinteractive.flicker.sources import Rule, reasons
    from jwinteractive.kernels.flicker_ramp import smoothed

    rng = np.random.default_rng(11)
    image = rng.normal(0, 1, (120, 90)).astype(np.float32)
    for y, x, size in ((30, 40, 2), (60, 20, 3), (100, 70, 1)):
        image[y : y + size, x : x + size] += 12
    rule = Rule(above=0.0, threshold=1.5, growth=0)
    found = reasons(image, 1.0, 1.0, rule, along_x=True, channels=1) & SOURCE != 0
    taps = np.exp(-4 * np.log(2) * (np.arange(-3, 4) / 2.5) ** 2).astype(np.float32)
    flat = image - rows_of(image)
    segments = detect_sources(smoothed(flat, taps / taps.sum()), 1.5, 5)
    np.testing.assert_array_equal(found, segments.data > 0)
    assert found[60, 20]
    assert not found[100, 70], "single pixels are no sources"


def rows_of(image):
    from jwinteractive.flicker.median import PULL, line_levels

    return line_levels(image[None], np.abs(image) < 3, 1, PULL)[0]


@pytest.mark.parametrize("method", ["smoother", "shrunk_median"])
def test_reference_pixels_at_the_sides_tell_the_noise_where_light_is_everywhere(method):
    ramp, noise = striped(light=np.random.default_rng(2).exponential(400, (LINES, LENGTH)))
    data, flags = ramp.data.copy(), ramp.groupdq.copy()
    side = np.zeros(ramp.shape, bool)
    side[:, :4] = side[:, -4:] = True
    rng = np.random.default_rng(4)
    own = noise + rng.normal(0, 5, noise.shape)
    data[..., side] = own[..., side]
    flags[..., side] |= dq.DO_NOT_USE
    pixeldq = np.where(side, dq.REFERENCE_PIXEL | dq.DO_NOT_USE, 0).astype(np.uint32)
    lit = ramp.replace(data=data, groupdq=flags, pixeldq=pixeldq)
    link = link_for(lit, fit_method=method, side_pixels=4, n_sigma=0.0, source_threshold=0.0)
    cleaned = link(lit)
    assert (cleaned.scene[side] == 0).mean() > 0.9
    assert (cleaned.scene[~side] != 0).all()
    assert left(lit, cleaned, noise) < 0.6 * left(lit, lit, noise)
    np.testing.assert_array_equal(cleaned.groupdq, flags)
