"""`ramp_fit` by likelihood: by hand, edge cases, the official LIKELY, and against the truth."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jwinteractive import dq
from jwinteractive.data import Box
from jwinteractive.references import GainRef, ReadnoiseRef
from jwinteractive.step import registry
from jwinteractive.steps.detector.jump import JumpParams
from jwinteractive.steps.detector.ramp_fit import RampFitParams
from jwinteractive.testing import drawn_ramp, flat_references, official_model

J, S, D = dq.JUMP_DET, dq.SATURATED, dq.DO_NOT_USE
NOISE, GAIN = 8.0, 2.0
PLANES = ("data", "var_poisson", "var_rnoise", "err")


def fit(ramp, references=None, **params):
    references = references or flat_references(ramp.shape)
    return registry["ramp_fit"](ramp, RampFitParams(**params), references)


def both(ramp, references=None, **params):
    """After the search for jumps, which hands on its rates."""
    references = references or flat_references(ramp.shape)
    searched = registry["jump"](ramp, JumpParams(flag_4_neighbors=False), references)
    return fit(searched, references, **params)


def with_flags(ramp, flags, groups, integration=0):
    groupdq = ramp.groupdq.copy()
    groupdq[integration, groups] |= flags
    return ramp.replace(groupdq=groupdq)


# -- by hand --------------------------------------------------------------------------------------


def matrix(times, photon, read):
    """Covariance of the differences per second of groups that average frames read at ``times``."""
    reads = np.concatenate(times)
    cov = photon * np.minimum.outer(reads, reads) + read * np.eye(len(reads))
    mean = np.zeros((len(times), len(reads)))
    at = 0
    for g, frames in enumerate(times):
        mean[g, at : at + len(frames)] = 1 / len(frames)
        at += len(frames)
    groups = mean @ cov @ mean.T
    seconds = np.diff([np.mean(frames) for frames in times])
    change = (np.eye(len(times), k=1) - np.eye(len(times)))[:-1] / seconds[:, None]
    return change @ groups @ change.T, change


@pytest.mark.parametrize(("nframes", "groupgap"), [(1, 0), (4, 0), (8, 12)])
def test_the_rate_is_the_generalised_least_squares_one(nframes, groupgap):
    ramp = drawn_ramp(np.full((1, 1), 30.0), 7, nframes=nframes, groupgap=groupgap, group_time=50.0)
    ramp = ramp.replace(draft=np.full((1, 1, 1), 14.0, np.float32))
    frame = 50.0 / (nframes + groupgap)
    times = [50.0 * g + frame * np.arange(1, nframes + 1) for g in range(7)]
    cov, change = matrix(times, 14.0 / GAIN, (NOISE / GAIN) ** 2)
    values = change @ ramp.data[0, :, 0, 0].astype(float)
    inverse = np.linalg.inv(cov)
    ones = np.ones(6)
    weights = inverse @ ones / (ones @ inverse @ ones)
    rate = weights @ values
    light, _ = matrix(times, 14.0 / GAIN, 0.0)
    found = fit(ramp)
    assert found.data[0, 0] == pytest.approx(rate, rel=1e-5)
    assert found.err[0, 0] ** 2 == pytest.approx(1 / (ones @ inverse @ ones), rel=1e-5)
    assert found.var_poisson[0, 0] == pytest.approx(weights @ light @ weights, rel=1e-5)
    rest = found.err[0, 0] ** 2 - found.var_poisson[0, 0]
    assert found.var_rnoise[0, 0] == pytest.approx(rest, rel=1e-3)
    left = values - rate
    assert found.chi2[0, 0] == pytest.approx(left @ inverse @ left, rel=1e-3)
    assert found.dof[0, 0] == 5


def test_the_pedestal_is_fitted_with_its_prior():
    scatter, draft = 5.0, 14.0
    ramp = drawn_ramp(np.full((1, 1), 30.0), 6)
    ramp = ramp.replace(data=ramp.data + np.float32(3), draft=np.full((1, 1, 1), draft, np.float32))
    times = [np.array([10.0 * g + 10]) for g in range(6)]
    reads = np.concatenate(times)
    photon, read = draft / GAIN, (NOISE / GAIN) ** 2
    cov = photon * np.minimum.outer(reads, reads) + read * np.eye(6)
    # rate and pedestal from the groups themselves, and the prior as one more measurement
    design = np.stack([reads, np.ones(6)], axis=1)
    inverse = np.linalg.inv(cov)
    normal = design.T @ inverse @ design + np.diag([0, 1 / scatter**2])
    right = design.T @ inverse @ ramp.data[0, :, 0, 0].astype(float)
    rate, pedestal = np.linalg.solve(normal, right)
    found = fit(ramp, pedestal=True, pedestal_scatter=scatter)
    assert found.data[0, 0] == pytest.approx(rate, rel=1e-5)
    assert found.err[0, 0] ** 2 == pytest.approx(np.linalg.inv(normal)[0, 0], rel=1e-4)
    assert found.integrations.pedestal[0, 0, 0] == pytest.approx(pedestal, rel=1e-4)
    weights = np.linalg.solve(normal, design.T @ inverse)[0]
    light = photon * np.minimum.outer(reads, reads)
    assert found.var_poisson[0, 0] == pytest.approx(weights @ light @ weights, rel=1e-4)


def test_integrations_are_combined_as_one_fit_at_a_common_rate():
    ramp = drawn_ramp(np.full((3, 40), 20.0), 6, nints=3)
    groupdq = ramp.groupdq.copy()
    groupdq[1, 3:] = S
    found = both(ramp.replace(groupdq=groupdq))
    each = found.integrations
    weight = 1 / each.err.astype(float) ** 2
    rate = np.sum(weight * each.data, axis=0) / weight.sum(axis=0)
    np.testing.assert_allclose(found.data, rate, rtol=2e-5)
    np.testing.assert_allclose(found.err, weight.sum(axis=0) ** -0.5, rtol=1e-5)
    between = np.sum(weight * (each.data - rate) ** 2, axis=0)
    np.testing.assert_allclose(found.chi2_between, between, rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(found.chi2, each.chi2.sum(axis=0), rtol=1e-5)
    assert (found.dof == each.dof.sum(axis=0)).all()


# -- edge cases -----------------------------------------------------------------------------------


def quiet(ngroups=8, rate=5.0, shape=(1, 5), **changes):
    ramp = drawn_ramp(np.zeros(shape), ngroups, noise=0.0, **changes)
    steps = 10 * rate * np.arange(1, ngroups + 1, dtype=np.float32)
    return ramp.replace(data=np.broadcast_to(steps[:, None, None], ramp.data.shape).copy())


@pytest.mark.parametrize("bad", [D, S])
def test_what_may_not_be_used_is_not(bad):
    ramp = quiet()
    groups = slice(5, None) if bad == S else [2, 5]
    flagged = with_flags(ramp, bad, groups)
    data = flagged.data.copy()
    data[0, groups] = 1e6
    found = fit(flagged.replace(data=data))
    np.testing.assert_allclose(found.data, 5.0, rtol=1e-5)
    np.testing.assert_allclose(found.chi2, 0, atol=1e-4)
    assert (found.dof == (3 if bad == S else 4)).all()
    assert (found.dq == (S if bad == S else 0)).all()


def test_a_nan_is_a_group_not_to_be_used():
    ramp = quiet()
    data = ramp.data.copy()
    data[0, 4] = np.nan
    nan, flagged = fit(ramp.replace(data=data)), fit(with_flags(ramp, D, 4))
    for name in (*PLANES, "chi2", "dof"):
        np.testing.assert_array_equal(getattr(nan, name), getattr(flagged, name))


def test_a_jump_spoils_the_difference_that_ends_at_it():
    ramp = quiet()
    data = ramp.data.copy()
    data[0, 4:] += 700.0
    found = fit(with_flags(ramp.replace(data=data), J, 4))
    np.testing.assert_allclose(found.data, 5.0, rtol=1e-5)
    assert (found.dof == 5).all()
    assert (found.dq == J).all()
    # at a group that is not to be used it spoils the bridge over it
    found = fit(with_flags(ramp.replace(data=data), J | D, 4))
    np.testing.assert_allclose(found.data, 5.0, rtol=1e-5)
    assert (found.dof == 4).all()


def test_one_difference_gives_a_rate_with_its_error_and_no_chi2():
    found = fit(with_flags(quiet(), S, slice(2, None)))
    np.testing.assert_allclose(found.data, 5.0, rtol=1e-5)
    assert (found.err > 0).all()
    assert (found.dof == 0).all()
    assert (found.chi2 == 0).all()


def test_one_good_group_gives_a_rate_only_where_it_is_wanted():
    ramp = with_flags(quiet(), S, slice(1, None))
    for plane in PLANES:
        assert np.isnan(getattr(fit(ramp), plane)).all()
    assert (fit(ramp).dq & D).all()
    found = fit(ramp, suppress_one_group=False, pedestal_scatter=3.0)
    np.testing.assert_allclose(found.data, 5.0, rtol=1e-5)
    variance = 5.0 / GAIN * 10 / 100 + ((NOISE / GAIN) ** 2 + 9) / 100
    np.testing.assert_allclose(found.err**2, variance, rtol=1e-4)
    assert (found.dq == S).all()


def test_the_zero_frame_stands_in_for_a_saturated_first_group():
    ramp = with_flags(quiet(nframes=2), S, slice(0, None))
    ramp = ramp.replace(zeroframe=np.full((1, 1, 5), 25.0, np.float32))
    assert np.isnan(fit(ramp).data).all()
    found = fit(ramp, suppress_one_group=False)
    np.testing.assert_allclose(found.data, 5.0, rtol=1e-5)
    assert not (found.dq & D).any()


def test_unknown_noise_is_flagged_and_unknown_gain_gives_no_rate():
    ramp = drawn_ramp(np.full((1, 6), 20.0), 8)
    given = flat_references(ramp.shape)
    gain, noise = given["gain"].data.copy(), given["readnoise"].data.copy()
    gain[0, 0], gain[0, 1], noise[0, 2], noise[0, 3] = np.nan, 0.0, np.nan, -1.0
    found = fit(ramp, {"gain": GainRef(data=gain), "readnoise": ReadnoiseRef(data=noise)})
    assert np.isnan(found.data[0, :2]).all()
    assert (found.dq[0, :2] == (dq.NO_GAIN_VALUE | D)).all()
    assert (found.dq[0, 2:4] == dq.UNRELIABLE_SLOPE).all()
    assert np.isfinite(found.data[0, 2:]).all()
    assert (found.dq[0, 4:] == 0).all()


def test_first_and_last_group_limit_the_fit():
    ramp = quiet(10)
    data = ramp.data.copy()
    data[0, :2] = 0
    data[0, 8:] = 9e4
    found = fit(ramp.replace(data=data), firstgroup=2, lastgroup=7)
    np.testing.assert_allclose(found.data, 5.0, rtol=1e-5)
    assert (found.dof == 4).all()


def test_what_is_nan_is_not_to_be_used_in_rates_and_their_errors():
    rng = np.random.default_rng(3)
    ramp = drawn_ramp(10 ** rng.uniform(0, 2, (20, 60)), 5, nints=3)
    groupdq = np.where(rng.random(ramp.data.shape) < 0.4, D, 0).astype(np.uint8)
    pixeldq = np.where(rng.random((20, 60)) < 0.1, D, 0).astype(np.uint32)
    for algorithm in ("likelihood", "LIKELY"):
        found = fit(ramp.replace(groupdq=groupdq, pixeldq=pixeldq), algorithm=algorithm)
        for product in (found, found.integrations):
            unusable = (product.dq & D) != 0
            assert 0.05 < unusable.mean() < 0.9
            for name in PLANES:
                np.testing.assert_array_equal(np.isnan(getattr(product, name)), unusable)


# -- what must not change it ----------------------------------------------------------------------


def busy(seed, nints=1):
    rng = np.random.default_rng(seed)
    ramp = drawn_ramp(10 ** rng.uniform(-1, 2.5, (6, 50)), 9, nints=nints, seed=seed)
    flags = rng.choice(
        np.array([0, D, J, D | J], np.uint8), ramp.data.shape, p=[0.9, 0.04, 0.04, 0.02]
    )
    return ramp.replace(groupdq=flags)


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 10**6), nints=st.sampled_from([2, 5]))
def test_the_order_of_the_integrations_changes_no_rate(seed, nints):
    ramp = busy(seed, nints)
    order = np.random.default_rng(seed).permutation(nints)
    a, b = fit(ramp), fit(ramp.replace(data=ramp.data[order], groupdq=ramp.groupdq[order]))
    np.testing.assert_allclose(a.data, b.data, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(a.integrations.err[order], b.integrations.err, rtol=1e-4)


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 10**6), cut=st.integers(1, 49), nints=st.sampled_from([1, 3]))
def test_pieces_of_the_frame_give_what_the_whole_gives(seed, cut, nints):
    ramp = busy(seed, nints)
    references = flat_references(ramp.shape)
    whole = fit(ramp, references)
    for box in (Box(0, 6, 0, cut), Box(0, 6, cut, 50)):
        found, same = fit(ramp.crop(box).native(), references), whole.crop(box)
        for name, plane in found.arrays().items():
            np.testing.assert_array_equal(plane, same.arrays()[name], err_msg=name)


def test_rates_scale_with_the_units_of_the_data():
    ramp = busy(4, 3)
    scaled = ramp.replace(data=ramp.data * np.float32(4))
    found = fit(ramp)
    other = fit(scaled, flat_references(ramp.shape, noise=NOISE, gain=GAIN / 4))
    np.testing.assert_allclose(other.data, 4 * found.data, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(other.err, 4 * found.err, rtol=1e-4)
    np.testing.assert_allclose(other.chi2, found.chi2, rtol=1e-3, atol=1e-3)


def test_groups_not_to_be_used_at_either_end_change_nothing():
    ramp = busy(6)
    longer = np.concatenate([ramp.data[:, :2] * 0, ramp.data, ramp.data[:, -1:] * 0 + 9], axis=1)
    flags = np.concatenate(
        [ramp.groupdq[:, :2] | D, ramp.groupdq, ramp.groupdq[:, -1:] | D], axis=1
    )
    exposure = drawn_ramp(np.zeros((1, 1)), 12).exposure
    found = fit(ramp.replace(exposure=exposure, data=longer, groupdq=flags))
    plain = fit(ramp)
    np.testing.assert_allclose(found.data, plain.data, rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(found.dof, plain.dof)


# -- the official LIKELY --------------------------------------------------------------------------


def officially(ramp, references):
    pytest.importorskip("jwst")
    from jwst.ramp_fitting import RampFitStep

    step = RampFitStep(algorithm="LIKELY")
    step.override_gain = official_model(references["gain"], ramp.exposure)
    step.override_readnoise = official_model(references["readnoise"], ramp.exposure)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return step.process(official_model(ramp, ramp.exposure))


@pytest.mark.parametrize(
    ("ngroups", "nints", "nframes", "groupgap"),
    [(10, 1, 1, 0), (6, 2, 4, 1), (8, 3, 1, 0), (12, 1, 8, 12)],
)
def test_likely_is_at_parity(ngroups, nints, nframes, groupgap):
    rng = np.random.default_rng(2)
    shape = (32, 64)
    ramp = drawn_ramp(
        np.exp(rng.uniform(np.log(0.02), np.log(300), shape)), ngroups, nints=nints,
        nframes=nframes, groupgap=groupgap, group_time=30.0,
    )  # fmt: skip
    hits = (rng.random(ramp.data.shape) < 0.03) * rng.exponential(100, ramp.data.shape)
    flags = np.where(rng.random(ramp.data.shape) < 0.02, rng.choice([1, 4, 16, 5]), 0)
    flags[:, -2:] |= np.where(rng.random((nints, 2, *shape)) < 0.03, S, 0)
    flags[:, -1] |= flags[:, -2] & S
    ramp = ramp.replace(
        data=(ramp.data + np.cumsum(hits, axis=1)).astype(np.float32),
        groupdq=flags.astype(np.uint8),
        average_dark_current=rng.uniform(0, 0.2, shape).astype(np.float32),
    )
    references = flat_references(shape)
    mine = fit(ramp, references, algorithm="LIKELY")
    rate, ints = officially(ramp, references)
    # two differences that disagree are equally bad: which is left out is a matter of rounding
    good = (ramp.groupdq == 0).cumprod(axis=1).sum(axis=1) > 5 if ngroups > 6 else None
    for own, theirs in ((mine.integrations, ints), (mine, rate)):
        sure = np.ones(own.data.shape, bool)
        if good is not None:
            sure &= good if own.data.ndim == 3 else good.all(axis=0)
        sure &= np.isfinite(theirs.data)
        assert sure.mean() > 0.5
        assert np.isfinite(own.data[sure]).all()
        for name in PLANES:
            scale = theirs.err if name in ("data", "err") else theirs.err**2
            off = np.abs(getattr(own, name) - getattr(theirs, name))[sure] / scale[sure]
            assert np.max(off) < 1e-3, name
        jumps = (own.dq[sure] ^ theirs.dq[sure]) & J
        assert not jumps.any()


def test_likely_with_fewer_than_four_groups_is_least_squares():
    ramp = drawn_ramp(np.full((4, 30), 20.0), 3)
    likely, ols = fit(ramp, algorithm="LIKELY"), fit(ramp, algorithm="OLS_C")
    np.testing.assert_array_equal(likely.data, ols.data)


# -- the truth ------------------------------------------------------------------------------------


def pulls(rate, ngroups, shape=(40, 1000), **changes):
    """(rate - truth) / error, (rate - truth) in DN/s and chi2 over dof."""
    found = both(drawn_ramp(np.full(shape, rate), ngroups, **changes))
    off = found.data - rate / GAIN
    return off / found.err, off, float(found.chi2.sum() / found.dof.sum())


@pytest.mark.parametrize(
    ("rate", "ngroups", "changes"),
    [
        (1.0, 10, {}),
        (30.0, 5, {}),
        (1000.0, 10, {}),
        (10.0, 30, {}),
        (30.0, 4, {"nints": 3}),
        (3.0, 8, {"nframes": 8, "groupgap": 12, "group_time": 214.0}),
        (50.0, 3, {"nints": 8}),
    ],
)
def test_errors_are_true_and_chi2_is_one(rate, ngroups, changes):
    pull, off, straight = pulls(rate, ngroups, **changes)
    bias = off.mean() / off.std()
    print(f"{rate} e-/s, {ngroups} groups: pull {pull.std():.4f}, bias {bias:+.4f} sigma, "
          f"chi2/dof {straight:.4f}")  # fmt: skip
    assert abs(pull.std() - 1) < 0.02
    assert abs(bias) < 4 / np.sqrt(off.size)
    assert abs(straight - 1) < 0.01


def test_errors_of_integrations_are_true():
    ramp = drawn_ramp(np.full((40, 500), 20.0), 6, nints=6)
    found = both(ramp)
    each = found.integrations
    assert abs(((each.data - 10.0) / each.err).std() - 1) < 0.02
    assert abs(found.chi2_between.mean() / 5 - 1) < 0.02


def test_a_source_that_varies_shows_between_the_integrations():
    ramps = [drawn_ramp(np.full((10, 100), r), 8, seed=int(r)) for r in (20.0, 22.0, 24.0)]
    data = np.concatenate([r.data for r in ramps])
    flags = np.concatenate([r.groupdq for r in ramps])
    ramp = ramps[0].replace(
        exposure=drawn_ramp(np.zeros((1, 1)), 8, nints=3).exposure, data=data, groupdq=flags
    )
    assert fit(ramp).chi2_between.mean() / 2 > 3


@pytest.mark.parametrize(
    ("rate", "ngroups", "changes", "least"),
    [
        (1.0, 10, {}, 1.03),
        (0.3, 50, {}, 1.15),
        (0.02, 14, {"nframes": 5, "group_time": 73.0}, 1.05),
    ],
)
def test_errors_of_the_official_fit_are_too_small_where_ours_are_not(rate, ngroups, changes, least):
    # figures of the dossier's section 1.8
    ramp = drawn_ramp(np.full((20, 1000), rate), ngroups, **changes)
    ols = fit(ramp, algorithm="OLS_C", combine="official")
    mine = both(ramp)
    theirs = ((ols.data - rate / GAIN) / ols.err).std()
    own = ((mine.data - rate / GAIN) / mine.err).std()
    print(f"{rate} e-/s, {ngroups} groups: OLS_C {theirs:.3f}, likelihood {own:.3f}")
    assert theirs > least
    assert abs(own - 1) < 0.05
    assert mine.data.var() < ols.data.var() * 1.005


def test_the_draft_takes_the_bias_out_of_faint_rates():
    rate, shape = 0.3, (100, 2000)
    ramp = drawn_ramp(np.full(shape, rate), 10, noise=10.0)
    references = flat_references(shape, noise=10.0)
    found = both(ramp, references)
    off = found.data - rate / GAIN
    assert abs(off.mean() / off.std()) < 3 / np.sqrt(off.size) + 0.002


def test_dark_current_that_was_subtracted_still_makes_noise():
    dark, rate = 5.0, 0.5
    ramp = drawn_ramp(np.full((30, 1000), dark + rate), 10)
    seconds = 10.0 * np.arange(1, 11, dtype=np.float32)
    data = ramp.data - np.float32(dark / GAIN) * seconds[:, None, None]
    without = ramp.replace(data=data)
    told = without.replace(average_dark_current=np.full(ramp.shape, dark, np.float32))
    for r, true in ((told, True), (without, False)):
        found = both(r)
        width = ((found.data - rate / GAIN) / found.err).std()
        assert (abs(width - 1) < 0.02) == true
