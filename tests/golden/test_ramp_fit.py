"""`ramp_fit` by least squares against the official step, hand-worked numbers and the truth."""

import warnings

import numpy as np
import pytest

from jwinteractive import dq
from jwinteractive.data import Box, Ramp
from jwinteractive.references import GainRef, ReadnoiseRef
from jwinteractive.step import registry
from jwinteractive.steps.detector.ramp_fit import RampFitParams
from jwinteractive.testing import (
    example_exposure,
    example_ramp,
    example_references,
    official_model,
)

J, S, D = dq.JUMP_DET, dq.SATURATED, dq.DO_NOT_USE
PLANES = ("data", "var_poisson", "var_rnoise", "err")


def ours(ramp, references, **params):
    return registry["ramp_fit"](
        ramp, RampFitParams(**({"algorithm": "OLS_C"} | params)), references
    )


def officially(ramp, references, **params):
    pytest.importorskip("jwst")
    from jwst.ramp_fitting import RampFitStep

    step = RampFitStep(**params)
    step.override_gain = official_model(references["gain"], ramp.exposure)
    step.override_readnoise = official_model(references["readnoise"], ramp.exposure)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it divides by bad gains
        return step.process(official_model(ramp, ramp.exposure))


def assert_official(ramp, references, **params):
    mine = ours(ramp, references, combine="official", **params)
    rate, ints = officially(ramp, references, **params)
    for theirs, own in ((rate, mine), (ints, mine.integrations)):
        np.testing.assert_array_equal(own.dq, theirs.dq)
        assert own.dq.dtype == np.uint32
        for name in PLANES:
            plane = getattr(own, name)
            assert plane.dtype == np.float32
            np.testing.assert_allclose(
                plane, getattr(theirs, name), rtol=1e-6, atol=1e-9, err_msg=name
            )
    return mine


def flat_references(shape, gain=2.0, noise=4.0):
    return {
        "gain": GainRef(data=np.full(shape, gain, np.float32)),
        "readnoise": ReadnoiseRef(data=np.full(shape, noise, np.float32)),
    }


def ramp_of(samples, flags=None, **changes):
    """One-row exposure of samples [nint, ngroup, pixel]."""
    data = np.asarray(samples, np.float32)[:, :, None, :]
    nint, ngroup = data.shape[:2]
    given = {"nints": nint, "ngroups": ngroup, "group_time": 10.0, "frame_time": 10.0}
    groupdq = np.zeros(data.shape, np.uint8)
    if flags is not None:
        groupdq[:] = np.asarray(flags, np.uint8)[:, :, None, None]
    return Ramp(
        exposure=example_exposure(**(given | changes)),
        data=data,
        groupdq=groupdq,
        pixeldq=np.zeros(data.shape[-2:], np.uint32),
    )


def test_a_straight_ramp_by_hand():
    # 1 DN/s at 2 e-/DN; single-read noise of 4 / sqrt(2) DN
    found = ours(ramp_of([[[0.0], [10.0], [20.0]]]), flat_references((1, 1)))
    var_poisson = 1 / (2 * 10 * 2)
    var_rnoise = 12 * 8 / (10**2 * (27 - 3))
    assert found.data[0, 0] == pytest.approx(1.0)
    assert found.var_poisson[0, 0] == pytest.approx(var_poisson)
    assert found.var_rnoise[0, 0] == pytest.approx(var_rnoise)
    assert found.err[0, 0] == pytest.approx(np.sqrt(var_poisson + var_rnoise))
    assert found.dq[0, 0] == 0


def test_segments_by_hand():
    # segments of 2 and 3 groups, slopes 1 and 2 DN/s, median difference 1.5 DN/s
    ramp = ramp_of([[[0.0], [10.0], [500.0], [520.0], [540.0]]], [[0, 0, J, 0, 0]])
    poisson = np.array([2.0, 2.0 / 2]) / (10 * 2)
    read = 12 * 8 / 10**2 / np.array([6, 24])
    slopes = np.array([1.0, 2.0])
    for combine, weights in (("optimal", 1 / (poisson + read)), ("official", 1 / read)):
        found = ours(ramp, flat_references((1, 1)), combine=combine)
        assert found.data[0, 0] == pytest.approx(weights @ slopes / weights.sum())
        assert found.dq[0, 0] == J
        if combine == "optimal":
            shares = weights / weights.sum()
            assert found.var_poisson[0, 0] == pytest.approx(shares**2 @ poisson)
            assert found.var_rnoise[0, 0] == pytest.approx(shares**2 @ read)
            assert found.err[0, 0] == pytest.approx(weights.sum() ** -0.5)
        else:
            assert found.var_poisson[0, 0] == pytest.approx(1 / (1 / poisson).sum())


def plain(ramp):
    return ramp


def rich(ramp):
    """The same with lost charge, persistence, a dark current and a zero frame."""
    rng = np.random.default_rng(5)
    groupdq = ramp.groupdq.copy()
    groupdq[rng.random(groupdq.shape) < 0.05] |= dq.PERSISTENCE
    if ramp.exposure.instrument != "MIRI":  # has no charge migration step
        groupdq[rng.random(groupdq.shape) < 0.03] |= dq.CHARGELOSS | D
    zero = rng.normal(30, 5, (groupdq.shape[0], *ramp.shape)).astype(np.float32)
    zero[rng.random(zero.shape) < 0.1] = 0
    return ramp.replace(
        groupdq=groupdq,
        average_dark_current=rng.random(ramp.shape).astype(np.float32),
        zeroframe=zero,
    )


def torn(ramp):
    """The same with many flags, so that every odd ramp occurs, and NaN."""
    ramp = rich(ramp)
    rng = np.random.default_rng(6)
    groupdq = ramp.groupdq.copy()
    groupdq[rng.random(groupdq.shape) < 0.3] |= J
    groupdq[rng.random(groupdq.shape) < 0.3] |= D
    groupdq[np.maximum.accumulate(rng.random(groupdq.shape) < 0.08, axis=1)] |= S
    data = ramp.data.copy()
    data[rng.random(data.shape) < 0.01] = np.nan
    return ramp.replace(groupdq=groupdq, data=data)


def shorn(ramp):
    """The same without its first two groups and the last, as in MIRI."""
    groupdq = ramp.groupdq.copy()
    groupdq[:, [0, 1, -1]] |= D
    return ramp.replace(groupdq=groupdq)


HEADERS = {
    "NIRCam": ("NIRCAM", {}, {}),
    "integrations": ("NIRCAM", {"ngroups": 15, "nints": 3}, {}),
    "two groups": ("NIRISS", {"ngroups": 2, "nints": 2}, {}),
    "one group": ("NIRISS", {"ngroups": 1, "nints": 2}, {}),
    "three groups": ("NIRISS", {"ngroups": 3}, {}),
    "averaged groups": (
        "NIRSPEC",
        {"ngroups": 20, "nframes": 4, "groupgap": 1, "group_time": 53.7, "nints": 2},
        {},
    ),
    "lone groups": ("NIRCAM", {"nints": 2, "nframes": 8}, {"suppress_one_group": False}),
    "chosen groups": ("NIRCAM", {"nints": 2}, {"firstgroup": 2, "lastgroup": 7}),
    "too few chosen": ("NIRCAM", {}, {"firstgroup": 5, "lastgroup": 5}),
    "MIRI": ("MIRI", {"ngroups": 40}, {}),
}


@pytest.mark.parametrize("change", [plain, rich, torn], ids=lambda f: f.__name__)
@pytest.mark.parametrize("case", HEADERS)
def test_the_official_way_gives_the_official_result(case, change):
    instrument, header, params = HEADERS[case]
    exposure = example_exposure(instrument, **header)
    ramp = change(example_ramp(exposure, bias=False))
    assert_official(ramp, example_references(exposure), **params)


@pytest.mark.parametrize("change", [plain, rich, torn], ids=lambda f: f.__name__)
@pytest.mark.parametrize("params", [{}, {"suppress_one_group": False}, {"firstgroup": 4}], ids=str)
def test_groups_that_no_pixel_of_miri_uses_go_as_officially(change, params):
    exposure = example_exposure("MIRI", nints=2)
    ramp = change(shorn(example_ramp(exposure, bias=False)))
    assert_official(ramp, example_references(exposure), **params)


def test_one_segment_has_nothing_to_combine():
    exposure = example_exposure()
    ramp = example_ramp(exposure, bias=False, flagged=False)
    references = example_references(exposure)
    best = ours(ramp, references)
    known = np.isfinite(best.data)
    official = ours(ramp, references, combine="official")
    for name in (*PLANES, "dq"):
        one, other = getattr(best, name), getattr(official, name)
        np.testing.assert_allclose(one[known], other[known], rtol=1e-6, err_msg=name)


def photon_ramps(rate, flags, gain, noise, seed, pixels=20000):
    """Ramps of Poisson counts at ``rate`` DN/s and read noise (CDS DN), 10 s a group."""
    rng = np.random.default_rng(seed)
    shape = (*np.shape(flags), pixels)
    counts = np.cumsum(rng.poisson(rate * gain * 10, shape), axis=1)
    return ramp_of(counts / gain + rng.normal(0, noise / np.sqrt(2), shape), flags)


JUMPED = [[0] * 7 + [J] + [0] * 2]
SATURATING = [[0] * 10, [0] * 4 + [S] * 6]


@pytest.mark.parametrize("flags", [JUMPED, SATURATING], ids=["segments", "integrations"])
def test_optimal_weights_scatter_less_and_know_their_error(flags):
    rate, gain, noise = 500.0, 2.0, 8.0
    ramp = photon_ramps(rate, flags, gain, noise, seed=1)
    references = flat_references(ramp.shape, gain, noise)
    scatter, pulls = {}, {}
    for combine in ("optimal", "official"):
        found = ours(ramp, references, combine=combine)
        away = found.data - rate
        assert abs(away.mean()) < 4 * away.std() / np.sqrt(away.size)
        scatter[combine] = away.std()
        pulls[combine] = (away / found.err).std()
    # the sampling error of both is 0.5 %
    assert scatter["optimal"] < 0.95 * scatter["official"]
    assert pulls["optimal"] == pytest.approx(1, abs=0.02)
    assert pulls["official"] > 1.05


def test_optimal_weights_are_not_biased_where_the_signal_is_faint():
    # weights come from one rate for all segments, so that they do not prefer low ones
    ramp = photon_ramps(0.2, [[0] * 4 + [J] + [0] * 5, [0] * 6 + [S] * 4], 2.0, 8.0, seed=2)
    found = ours(ramp, flat_references(ramp.shape, 2.0, 8.0))
    away = found.data - 0.2
    assert abs(away.mean()) < 4 * away.std() / np.sqrt(away.size)
    assert (away / found.err).std() == pytest.approx(1, abs=0.05)


def test_a_nan_group_is_left_out():
    samples = np.arange(10.0).reshape(1, 10, 1) * 10
    samples[0, 6] = np.nan
    references = flat_references((1, 1))
    assert ours(ramp_of(samples), references).data[0, 0] == pytest.approx(1.0)
    # officially it counts as 0 DN
    rate, _ = officially(ramp_of(samples), references)
    assert abs(rate.data[0, 0] - 1.0) > 0.03


def test_what_cannot_be_known_is_nan_and_flagged():
    ramp = ramp_of(np.broadcast_to(np.arange(5.0)[None, :, None], (1, 5, 7)))
    groupdq = ramp.groupdq.copy()
    groupdq[..., 0] = D
    groupdq[..., 1] = S
    groupdq[:, 1:, :, 2] = S  # one good group
    groupdq[..., 3] = J
    gain, noise = (np.full((1, 7), v, np.float32) for v in (2.0, 4.0))
    gain[0, 4] = np.nan
    noise[0, 5] = 0.0
    references = {"gain": GainRef(data=gain), "readnoise": ReadnoiseRef(data=noise)}
    found = ours(ramp.replace(groupdq=groupdq), references)
    expected = [D, D | S, D | S, D | J, D | dq.NO_GAIN_VALUE, D | dq.UNRELIABLE_SLOPE, 0]
    assert found.dq[0].tolist() == expected
    assert found.integrations.dq[0, 0].tolist() == expected
    for product in (found, found.integrations):
        for name in PLANES:
            np.testing.assert_array_equal(np.isnan(getattr(product, name)), (product.dq & D) > 0)


def test_a_lone_good_group_has_a_rate_only_if_asked():
    ramp = ramp_of([[[30.0], [40.0], [50.0]]], [[0, S, S]], nframes=4)
    references = flat_references((1, 1))
    assert np.isnan(ours(ramp, references).data[0, 0])
    # mean time of four frames of 10 s
    lone = ours(ramp, references, suppress_one_group=False)
    assert lone.data[0, 0] == pytest.approx(30 / 25)
    assert lone.dq[0, 0] == S
    zero = ramp.replace(
        groupdq=np.full_like(ramp.groupdq, S), zeroframe=np.full((1, 1, 1), 7.0, np.float32)
    )
    assert ours(zero, references, suppress_one_group=False).data[0, 0] == pytest.approx(7 / 10)


def test_lost_charge_does_not_raise_the_read_variance():
    samples = np.arange(8.0).reshape(1, 8, 1)
    lost = dq.CHARGELOSS | D
    part = ours(ramp_of(samples, [[0] * 4 + [lost] * 4]), flat_references((1, 1)))
    whole = ours(ramp_of(samples), flat_references((1, 1)))
    assert part.var_rnoise[0, 0] == whole.var_rnoise[0, 0]
    assert part.err[0, 0] > whole.err[0, 0]


@pytest.mark.parametrize("combine", ["optimal", "official"])
def test_a_box_equals_the_whole(combine):
    exposure = example_exposure(nints=2)
    ramp = torn(example_ramp(exposure, (20, 160), bias=False))
    references = example_references(exposure, (20, 160))
    whole = ours(ramp, references, combine=combine)
    for box in (Box(3, 15, 20, 155), *ramp.covers.strips(7)):
        part = ours(ramp.crop(box), references, combine=combine).arrays()
        for name, array in whole.crop(box).arrays().items():
            np.testing.assert_array_equal(part[name], array, err_msg=name)
