"""What ramps tell of their pixels: RC, telegraph and bent ones, on simulated truth and by hand."""

import numpy as np
import pytest

import jwinteractive
from jwinteractive import dq
from jwinteractive.badpix import (
    BadpixParams,
    SelfcalParams,
    classify,
    expected_false,
    gather,
    selfcal,
)
from jwinteractive.badpix.ramps import _curvature
from jwinteractive.badpix.telegraph import two_levels
from jwinteractive.errors import Cancelled, InputError
from jwinteractive.kernels.readstats import EDGE, STEPS, add_ramps
from jwinteractive.simulate import simulate

DEFECTS = {"new_hot": 0.01, "rc": 0.01, "bent": 0.01, "telegraph": 0.02, "unknown_bad": 1.0}
READOUT = {"size": (128, 144), "readpatt": "SHALLOW4", "ngroups": 60, "hot": 0.0}
EXPOSURES = 5


@pytest.fixture(scope="module")
def raw(tmp_path_factory):
    """Five dithered raw exposures of one detector; their pixels."""
    folder = tmp_path_factory.mktemp("ramps")
    paths = []
    for k in range(EXPOSURES):
        made = simulate(
            "nircam",
            seed=100 + k,
            detector_seed=7,
            scene_seed=9,
            dither=(3.0 * k, -2.5 * k),
            cosmic_rays=10.0,
            day=k,
            **READOUT,
            **DEFECTS,
        )
        paths.append(made.write(folder, stem=f"e{k}"))
    return paths, made.pixels


@pytest.fixture(scope="module")
def evidence(raw):
    return gather(raw[0])


def histogram(x):
    """Counts [1, bin] of differences in sigma."""
    edges = np.concatenate([[-np.inf], np.arange(-EDGE, EDGE + 0.01, 1 / STEPS), [np.inf]])
    return np.histogram(x, edges)[0][None]


# -- by hand ------------------------------------------------------------------------------------


def test_switches_up_and_down_are_two_levels_but_hits_are_not():
    rng = np.random.default_rng(1)
    noise = rng.normal(0, 1, 250)
    switching, hit = noise.copy(), noise.copy()
    switching[:24] += np.where(np.arange(24) % 2, 6.0, -6.0)
    hit[:24] += 6.0
    (quiet, _), (two, share), (hits, _) = (
        two_levels(histogram(x)) for x in (noise, switching, hit)
    )
    assert quiet[0] <= 0
    assert two[0] > 50
    assert share[0] == pytest.approx(24 / 250, abs=0.03)
    assert hits[0] <= 0


def test_a_pixel_that_is_noisier_than_its_reference_does_not_switch():
    x = np.random.default_rng(2).normal(0, 2.0, 300)
    assert two_levels(histogram(x))[0][0] < 5


def test_a_pixel_without_differences_says_nothing():
    bic, share = two_levels(np.zeros((1, 2 * EDGE * STEPS + 2), np.uint8))
    assert np.isnan(bic[0])
    assert np.isnan(share[0])


def test_a_straight_line_has_no_curvature():
    weights = _curvature(1, 9, 12)
    t = np.arange(12.0)
    assert abs(weights[0] @ (3 + 5 * t)) < 1e-4
    assert weights[0] @ t**2 > 0
    assert (weights[:, [0, 10, 11]] == 0).all()
    steps = np.concatenate([[0.0], np.diff(t**2)])  # by differences, it is the same
    assert weights[1] @ steps == pytest.approx(weights[0] @ t**2, rel=1e-4)


def added(ramp, rate, flags=None, read=4.0, gain=2.0):
    ramp = np.asarray(ramp, np.float32)[None, :, None]
    flags = (
        np.zeros(ramp.shape, np.uint8) if flags is None else np.array(flags, "u1")[None, :, None]
    )
    sums = np.zeros((1, 2, 7), np.float32)
    counts = np.zeros((1, 2 * EDGE * STEPS + 2), np.uint8)
    last = ramp.shape[1] - 1
    one = np.ones(1, np.float32)
    kinds = np.array([dq.DO_NOT_USE, dq.JUMP_DET], np.uint8)
    weights = _curvature(0, last, last + 1)
    add_ramps(
        ramp, flags, rate * one, read * one, gain * one, (0, last), weights, kinds, sums, counts
    )
    return sums[0], counts[0]


def test_the_ends_of_a_ramp_are_those_worked_by_hand():
    # 7 groups: thirds of 2 differences; 8 DN a group first, 2 DN a group last
    sums, counts = added([0, 8, 16, 20, 24, 26, 28], rate=4.0)
    early, late, decay, square, _, _, ramps = sums[0]
    assert (early, late, ramps) == (8.0, 2.0, 1.0)
    assert decay == pytest.approx(6.0 / np.sqrt(2 * (2 * 4.0 / 2**2 + 4.0 / 2.0 / 2)))
    assert square == pytest.approx(decay**2)
    assert not sums[1].any()
    x = np.array([4.0, 4.0, 0.0, 0.0, -2.0, -2.0]) / np.sqrt(2 * 4.0 + 4.0 / 2.0)
    assert np.array_equal(counts, histogram(x)[0])


def test_a_bend_is_told_in_sigma_of_its_own_noise():
    rng = np.random.default_rng(3)
    drawn = []
    for _ in range(2000):  # read noise of 2 DN, 4 DN a group with 2 e-/DN
        light = np.cumsum(rng.poisson(8.0, 9)) / 2.0
        drawn.append(added(light + rng.normal(0, 2.0, 9), rate=4.0)[0][0, 4])
    assert np.std(drawn) == pytest.approx(1.0, abs=0.05)
    assert abs(np.mean(drawn)) < 0.08


def test_ramps_with_a_jump_are_kept_apart_and_those_with_a_bad_group_left_out():
    ramp = [0, 4, 8, 50, 54, 58, 62]
    sums, counts = added(ramp, 4.0, [0, 0, 0, dq.JUMP_DET, 0, 0, 0])
    assert not sums[0].any()
    assert sums[1, -1] == 1
    assert counts.sum() == 6
    assert counts[-1] == 1
    sums, counts = added(ramp, 4.0, [0, 0, 0, dq.DO_NOT_USE, 0, 0, 0])
    assert not sums.any()
    assert counts.sum() == 4


# -- truth --------------------------------------------------------------------------------------


def test_rc_bent_and_telegraph_pixels_are_found(raw, evidence):
    _, pixels = raw
    found = classify(evidence)
    short = pixels.inflow_time < 0.8 * evidence.seconds[0]  # else the rate hardly changes
    flow = (pixels.dq == dq.RC) & (pixels.inflow > 500) & short
    bent = (pixels.dq == dq.NONLINEAR) & (pixels.bend > 0.1)
    steps = (pixels.dq == dq.TELEGRAPH) & (pixels.rtn_amplitude > 90) & (pixels.rtn_dwell < 100)
    for name, true in (("RC", flow), ("NONLINEAR", bent), ("TELEGRAPH", steps)):
        assert true.sum() > 5, name
        assert found[name][true].mean() > 0.75, name


def test_each_statistic_tells_its_pixels_from_good_ones(raw, evidence):
    """Points of the ROC curves: share found where one good pixel of 1000 is flagged."""
    _, pixels = raw
    r, usable = evidence.ramps, evidence.good > 1
    cases = (
        (r.decay_sigma, (pixels.dq == dq.RC) & (pixels.inflow > 500), 0.9),
        (np.abs(r.curvature), (pixels.dq == dq.NONLINEAR) & (pixels.bend > 0.05), 0.85),
        (r.telegraph, (pixels.dq == dq.TELEGRAPH) & (pixels.rtn_amplitude > 60), 0.6),
        (evidence.significance, (pixels.dq == dq.HOT) & (pixels.dark > 1.0), 0.95),
    )
    for statistic, true, least in cases:
        x = np.nan_to_num(statistic, nan=-100.0)
        threshold = np.quantile(x[usable & (pixels.dq == 0)], 0.999)
        assert (x[true & usable] > threshold).mean() > least


def test_good_pixels_are_not_flagged_by_their_ramps(raw, evidence):
    good = raw[1].dq == 0
    found, expected = classify(evidence), expected_false(evidence)
    for name in ("HOT", "WARM", "RC", "TELEGRAPH", "UNRELIABLE_SLOPE", "NONLINEAR"):
        assert np.count_nonzero(found[name] & good) <= 2, name
        assert expected[name] < 0.1, name


def test_shape_of_good_ramps_is_that_of_noise(raw, evidence):
    good = (raw[1].dq == 0) & (evidence.good > 1)
    for name in ("decay_sigma", "curvature"):
        x = getattr(evidence.ramps, name)[good]
        assert np.nanstd(x) == pytest.approx(1.0, abs=0.05), name
        assert abs(np.nanmean(x)) < 0.1, name


def test_hot_pixels_of_constant_dark_are_neither_rc_nor_bent(raw, evidence):
    found = classify(evidence)
    hot = (raw[1].dq == dq.HOT) & (raw[1].dark > 1.5)
    assert (found["HOT"] | found["WARM"])[hot].mean() > 0.9
    assert (found["RC"] | found["NONLINEAR"])[hot].mean() < 0.01


# -- raw and reduced ----------------------------------------------------------------------------


def test_raw_exposures_give_the_rates_that_a_session_writes(raw, evidence, tmp_path):
    session = jwinteractive.open(raw[0])
    rates = [session.write(tmp_path, exposure=k)[0] for k in range(EXPOSURES)]
    reduced = gather(rates)
    for name in ("rate", "error", "scatter", "significance", "good"):
        one, two = getattr(evidence, name), getattr(reduced, name)
        assert np.array_equal(one, two, equal_nan=True), name
    assert reduced.ramps is None
    assert evidence.seconds == reduced.seconds
    # the dates of the two come from different keywords, the middle or the start
    assert np.allclose(evidence.mjds, reduced.mjds, atol=0.01)
    assert np.allclose(np.diff(evidence.mjds), 1.0)
    mixed = gather([rates[0], *raw[0][1:]])
    assert np.array_equal(mixed.rate, evidence.rate, equal_nan=True)
    assert mixed.ramps is not None
    by_session = gather(session)
    assert np.array_equal(by_session.rate, evidence.rate, equal_nan=True)


def test_more_injected_pixels_are_found_than_by_selfcal_at_equal_false_flags(
    raw, evidence, tmp_path
):
    """Whole chain: hits, 1/f noise, jumps; from ramps, and from the rates alone."""
    paths, pixels = raw
    session = jwinteractive.open(paths)
    rates = [session.write(tmp_path, exposure=k)[0] for k in range(EXPOSURES)]
    injected, good = (pixels.dq & (dq.HOT | dq.TELEGRAPH)) != 0, pixels.dq == 0
    share = SelfcalParams(flagfrac_lower=0.003, flagfrac_upper=0.003)
    theirs = selfcal(rates, share)
    allowed, found = np.count_nonzero(theirs & good), np.count_nonzero(theirs & injected)
    assert allowed > 0
    for e in (evidence, gather(rates)):
        classes = classify(e, BadpixParams(warm=0.0, unreliable=1.0))
        names = ("HOT", "WARM", "UNRELIABLE_SLOPE", "TELEGRAPH")
        ours = np.logical_or.reduce([classes[name] for name in names])
        assert np.count_nonzero(ours & good) <= allowed
        assert np.count_nonzero(ours & injected) >= 1.2 * found


def test_settings_of_the_session_count(raw, evidence):
    session = jwinteractive.open(raw[0][:2])
    session.set("ramp_fit", algorithm="OLS_C")
    changed = gather(session)
    assert not np.array_equal(changed.rate, gather(raw[0][:2]).rate, equal_nan=True)


def test_miri_ramps_are_looked_at_without_the_groups_that_it_drops(tmp_path):
    paths = []
    for k in range(2):
        made = simulate(
            "miri", size=(64, 72), ngroups=20, seed=k + 1, detector_seed=3, unknown_bad=1.0
        )
        paths.append(made.write(tmp_path, stem=f"m{k}"))
    ramps = gather(paths).ramps
    good = made.pixels.dq == 0
    assert np.isfinite(ramps.decay_sigma[good]).mean() > 0.9
    assert abs(np.nanmedian(ramps.decay_sigma[good])) < 1.5


@pytest.mark.parametrize("ngroups", [1, 2])
def test_few_groups_give_rates_but_no_shape(tmp_path, ngroups):
    paths = [
        simulate("nircam", size=(32, 32), ngroups=ngroups, seed=k + 1, detector_seed=2).write(
            tmp_path, stem=f"g{k}"
        )
        for k in range(2)
    ]
    e = gather(paths)
    assert (e.good > 0).any()
    assert np.isnan(e.ramps.curvature).all()
    assert not classify(e)["RC"].any()


def test_raw_exposures_of_other_detectors_are_refused_before_anything_runs(raw, tmp_path):
    other = simulate("nircam", detector="NRCA2", seed=1, **READOUT).write(tmp_path, stem="o")
    seen = []
    with pytest.raises(InputError, match=r"o_uncal\.fits has detector NRCA2, e0_uncal\.fits has"):
        gather([raw[0][0], other], report=seen.append)
    assert not seen


def test_a_recipe_without_a_fit_is_refused(raw):
    session = jwinteractive.open(raw[0][:2])
    session.enable("ramp_fit", False)
    session.enable("gain_scale", False)
    with pytest.raises(InputError, match=r"e0_uncal\.fits: the recipe fits no ramps"):
        gather(session)


def test_reducing_can_be_cancelled(raw):
    import threading

    stop = threading.Event()
    stop.set()
    with pytest.raises(Cancelled, match=r"bad-pixel statistics \(ramps\): cancelled after 1 of"):
        gather(raw[0][:2], cancel=stop)
