import dataclasses as dc

import numpy as np
import pytest

from jwinteractive import dq
from jwinteractive.chain import Link
from jwinteractive.data import Rate
from jwinteractive.errors import MissingReference, StepError
from jwinteractive.references import PictureFrameRef
from jwinteractive.simulate import simulate
from jwinteractive.simulate.noise import frame_pattern
from jwinteractive.simulate.settings import Settings
from jwinteractive.simulate.window import window
from jwinteractive.step import Whole, registry
from jwinteractive.steps.detector.picture_frame import PictureFrameModel, PictureFrameParams
from jwinteractive.testing import example_exposure, example_ramp, official_model

STEP = registry["picture_frame"]
P = PictureFrameParams()
FULL = {"instrument": "NIRSPEC", "subarray": "FULL", "xstart": 1, "ystart": 1}


def measured(ramp, p, template):
    return STEP.learn(Whole(ramp.exposure, ramp.covers, ramp.crop), p, {"template": template})


def corrected(ramp, p, template):
    model = measured(ramp, p, template)
    return Link(STEP, p, {"template": template}, model)(ramp), model


def official(ramp, p, template, rate, monkeypatch):
    """The official correction; its draft rate, which needs references from a server, is given."""
    pytest.importorskip("jwst")
    from jwst.picture_frame import picture_frame as theirs

    monkeypatch.setattr(theirs.cfn, "make_rate", lambda model: official_model(rate, ramp.exposure))
    monkeypatch.setattr(theirs.cfn, "post_process_rate", lambda model, **asked: model)
    result, *_, status = theirs.correct_picture_frame(
        official_model(ramp, ramp.exposure),
        official_model(template, ramp.exposure),
        mask_science_regions=p.mask_science_regions,
        n_sigma=p.n_sigma,
    )
    assert status == "COMPLETE"
    return result


def draft_of(ramp):
    rise = np.diff(ramp.data, axis=1).mean(axis=(0, 1))
    zero = np.zeros_like(rise)
    flags = np.zeros(rise.shape, np.uint32)
    return Rate(
        exposure=ramp.exposure, data=rise, err=zero, dq=flags, var_poisson=zero, var_rnoise=zero
    )


def whole_frame(ngroups, nints=1, seed=1, stars=2000):
    """NIRSpec's whole frame: pattern of known strength, read noise, some light."""
    rng = np.random.default_rng(seed)
    exposure = example_exposure(ngroups=ngroups, nints=nints, **FULL)
    pattern = frame_pattern(window(Settings(instrument="NIRSPEC", detector="NRS1", readpatt="NRS")))
    strength = np.cumsum(rng.normal(0, 6, (nints, ngroups)), axis=1)
    strength[:, 0] = 0
    light = np.zeros((2048, 2048), np.float32)
    y, x = rng.integers(10, 2038, (2, stars))
    light[y, x] = rng.uniform(20, 2000, stars)
    data = rng.normal(0, 8, (nints, ngroups, 2048, 2048)).astype(np.float32)
    data += (strength[..., None, None] * pattern).astype(np.float32)
    data += light * np.arange(1, ngroups + 1, dtype=np.float32)[:, None, None]
    ramp = example_ramp(exposure, (8, 8), flagged=False).replace(
        data=data,
        groupdq=np.zeros(data.shape, np.uint8),
        pixeldq=np.zeros((2048, 2048), np.uint32),
        box=None,
    )
    return ramp, PictureFrameRef(data=(0.01 * pattern).astype(np.float32)), strength, pattern


@pytest.fixture(scope="module")
def frame():
    return whole_frame(3)


def test_the_pattern_is_scaled_between_the_levels_of_centre_and_edge():
    ramp = example_ramp(example_exposure(ngroups=3, **FULL), flagged=False)
    template = np.linspace(0, 1, ramp.shape[1], dtype=np.float32) * np.ones((ramp.shape[0], 1))
    template[3, 3] = np.nan
    model = PictureFrameModel(
        centre=np.array([[0.0, 6.0, 1.0]]),
        edge=np.array([[0.0, 2.0, 1.0]]),
        centre_ref=0.5,
        edge_ref=0.1,
    )
    reference = {"template": PictureFrameRef(data=np.float32(template))}
    out = STEP(ramp, P, reference, model).data - ramp.data
    np.testing.assert_array_equal(out[0, 0], 0)
    known = np.isfinite(template)
    np.testing.assert_allclose(out[0, 1][known], -(10 * (template - 0.1) + 2)[known], atol=0.01)
    np.testing.assert_allclose(out[0, 2], -1, atol=0.01)
    assert out[0, 1, 3, 3] == pytest.approx(-2, abs=0.01)


def test_with_all_pixels_a_whole_frame_equals_the_official_correction(frame, monkeypatch):
    ramp, template, *_ = frame
    p = PictureFrameParams(mask_science_regions=False, n_sigma=0)
    ours, _ = corrected(ramp, p, template)
    theirs = official(ramp, p, template, draft_of(ramp), monkeypatch)
    np.testing.assert_allclose(ours.data, theirs.data, atol=5e-3)
    np.testing.assert_array_equal(ours.data[:, 0], ramp.data[:, 0])


def test_clipping_leaves_less_of_the_pattern_in_than_officially(frame, monkeypatch):
    ramp, template, strength, pattern = frame
    p = PictureFrameParams(mask_science_regions=False)
    left = []
    for out in (
        corrected(ramp, p, template)[0],
        official(ramp, p, template, draft_of(ramp), monkeypatch),
    ):
        taken = ramp.data.astype(float) - out.data
        left.append(strength - (taken[..., 500, 4] - taken[..., 500, 1000]) / pattern[500, 4])
    ours, theirs = (np.abs(x[0, 1:] / strength[0, 1:]) for x in left)
    assert (ours < 0.08).all()
    assert (ours < 0.6 * theirs).all()


def test_levels_are_medians_of_the_background(frame):
    ramp, template, *_ = frame
    p = PictureFrameParams(n_sigma=0, mask_science_regions=False)
    model = measured(ramp, p, template)
    rise = ramp.data[0, 2] - ramp.data[0, 0]
    assert model.centre[0, 2] == pytest.approx(np.median(rise[76:1984, 76:1984]), abs=2e-3)
    edge = np.ones((2048, 2048), bool)
    edge[75:1985, 75:1985] = False
    edge[:4] = edge[:, :4] = edge[2043:] = edge[:, 2043:] = False
    assert model.edge[0, 2] == pytest.approx(np.median(rise[edge]), abs=2e-3)
    assert model.edge_ref == pytest.approx(np.median(template.data[edge]), rel=1e-6)


def test_flagged_groups_and_open_shutters_are_no_background():
    ramp = example_ramp(example_exposure(ngroups=6, **FULL), flagged=False)
    data = np.array(ramp.data) * 0 + np.arange(6, dtype=np.float32)[:, None, None]
    flags, pixeldq = np.zeros(data.shape, np.uint8), np.zeros(ramp.shape, np.uint32)
    data[0, :, 8:26, 8:40] *= 500
    pixeldq[8:26, 8:40] = dq.MSA_FAILED_OPEN
    data[0, 3:, 26:30, 8:40] += 900
    flags[0, 3, 26:30, 8:40] = dq.JUMP_DET
    ramp = ramp.replace(data=data, groupdq=flags, pixeldq=pixeldq)
    y, x = np.arange(40) - 20, np.arange(48) - 24
    template = PictureFrameRef(data=np.add.outer(y**2, x**2).astype(np.float32))
    model = measured(ramp, PictureFrameParams(n_sigma=0), template)
    np.testing.assert_allclose(model.edge[0], np.arange(6), atol=1e-3)
    assert model.centre[0, 1] == pytest.approx(1, abs=1e-3)
    spoilt = measured(ramp, PictureFrameParams(n_sigma=0, mask_science_regions=False), template)
    assert spoilt.centre[0, 1] > 100


def test_what_cannot_be_measured_is_said():
    ramp = example_ramp(example_exposure(ngroups=3, **FULL), flagged=False)
    flat = PictureFrameRef(data=np.ones(ramp.shape, np.float32))
    with pytest.raises(StepError, match="another pictureframe"):
        measured(ramp, P, flat)
    none = ramp.replace(groupdq=np.full_like(ramp.groupdq, dq.DO_NOT_USE))
    with pytest.raises(StepError, match="no background"):
        measured(none, P, flat)
    with pytest.raises(MissingReference):
        PictureFrameRef.nominal(ramp.exposure, ramp.shape)
    for e in (
        dc.replace(ramp.exposure, subarray="ALLSLITS"),
        dc.replace(ramp.exposure, ngroups=1),
        dc.replace(ramp.exposure, readpatt="NRSIRS2"),
        example_exposure("NIRCAM", subarray="FULL"),
    ):
        assert STEP.skips(e, P)
    assert not STEP.skips(ramp.exposure, P)


def test_a_simulated_exposure_brings_pattern_and_reference():
    quiet = {"read_noise": 0.0, "poisson": False, "one_over_f_common": 0.0, "one_over_f_amp": 0.0}
    quiet |= {"alternating": 0.0, "telegraph": 0.0, "cosmic_rays": 0.0, "snowballs": 0.0}
    settings = {**quiet, "size": (160, 160), "corner": (1, 1), "ngroups": 6, "ktc": 0.0, "sky": 0.0}
    with_it = simulate("nirspec", seed=3, picture_frame=40.0, keep_components=True, **settings)
    without = simulate("nirspec", seed=3, picture_frame=0.0, keep_components=True, **settings)
    pattern = with_it.references["pictureframe"].data
    assert "pictureframe" not in without.references
    assert pattern[4, 4] > 0.99
    assert pattern[:4].max() == 0
    change = (with_it.data.astype(float) - without.data)[0]
    strength = change[:, 4, 80]
    assert strength.std() > 1
    np.testing.assert_allclose(change, strength[:, None, None] * pattern / pattern[4, 80], atol=2.5)
