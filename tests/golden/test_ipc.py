import numpy as np
import pytest
from astropy.io import fits

import jwinteractive
from jwinteractive import dq
from jwinteractive.data import Ramp
from jwinteractive.errors import MissingReference, StepError
from jwinteractive.references import IpcRef, References
from jwinteractive.references.kinds import decoupling
from jwinteractive.simulate import simulate
from jwinteractive.simulate.ramp import _coupled
from jwinteractive.step import registry
from jwinteractive.steps.detector.ipc import IpcParams
from jwinteractive.testing import (
    example_exposure,
    example_ramp,
    example_references,
    official_model,
)

STEP = registry["ipc"]
P = IpcParams()


def official(ramp, kernel):
    pytest.importorskip("jwst")
    from jwst.ipc import IPCStep

    model = official_model(ramp, ramp.exposure)
    return IPCStep(override_ipc=official_model(kernel, ramp.exposure)).process(model)


def one_group(image, **header):
    exposure = example_exposure(ngroups=1, **header)
    data = np.asarray(image, np.float32)[None, None]
    none = np.zeros(data.shape, np.uint8)
    return Ramp(exposure=exposure, data=data, groupdq=none, pixeldq=none[0, 0].astype(np.uint32))


def test_a_kernel_is_turned_round_its_centre_and_laid_over_each_pixel():
    image = np.zeros((5, 5))
    image[2, 2] = 100
    kernel = np.arange(9, dtype=np.float32).reshape(3, 3) / 36
    out = STEP(one_group(image), P, {"kernel": IpcRef(data=kernel)}).data[0, 0]
    np.testing.assert_allclose(out[1:4, 1:4], 100 * kernel, rtol=1e-6)


@pytest.mark.parametrize("instrument", ["NIRCAM", "MIRI"])
@pytest.mark.parametrize("shape", ["one for all", "one a pixel", "5 x 5"])
def test_away_from_edges_data_equal_those_of_the_official_step(instrument, shape):
    exposure = example_exposure(instrument, nints=2, ngroups=3, xstart=1, ystart=1)
    ramp = example_ramp(exposure)
    kernel = example_references(exposure)["ipc"]
    if shape != "one a pixel":
        kernel = IpcRef(data=kernel.data[..., 9, 9])
    if shape == "5 x 5":
        wide = np.pad(kernel.data, 1)
        wide[0, 1], wide[4, 2] = 1e-3, -2e-3
        kernel = IpcRef(data=wide)
    ours, theirs = STEP(ramp, P, {"kernel": kernel}), official(ramp, kernel)
    low = 6 if shape == "5 x 5" else 5  # a border of 4 holds reference pixels
    rows = slice(low, -2)
    np.testing.assert_allclose(
        ours.data[..., rows, low:-2], theirs.data[..., rows, low:-2], rtol=2e-6
    )
    assert not np.array_equal(ours.data, ramp.data)
    columns = slice(None) if instrument == "NIRCAM" else slice(0, 4)
    np.testing.assert_array_equal(ours.data[..., :4, columns], ramp.data[..., :4, columns])
    np.testing.assert_array_equal(ours.groupdq, ramp.groupdq)


def test_coupled_pixels_come_back_also_at_the_edge_where_the_official_step_takes_the_bias_off():
    rng = np.random.default_rng(5)
    light = rng.uniform(0, 30000, (60, 60))
    light[:4] = light[:, :4] = 0  # reference pixels
    exposure = example_exposure(xstart=1, ystart=1)
    seen = one_group((9000 + _coupled(light, 0.0054))[:40, :40], xstart=1, ystart=1)
    kernel = IpcRef.nominal(exposure, (40, 40))
    ours = STEP(seen, P, {"kernel": kernel}).data[0, 0] - 9000 - light[:40, :40]
    theirs = official(seen, kernel).data[0, 0] - 9000 - light[:40, :40]
    before = seen.data[0, 0] - 9000 - light[:40, :40]
    assert np.abs(before[4:, 4:]).max() > 400
    assert np.abs(ours[4:39, 4:39]).max() < 10  # the kernel ends at 3 x 3
    # beyond the last row and column there was light that nobody read
    assert np.abs(ours[4:, 4:]).max() < np.abs(before[4:, 4:]).max() / 2
    assert np.abs(theirs[4, 4:39]).mean() > 40
    assert np.abs(theirs[4:39, 39]).mean() > 3 * np.abs(ours[4:39, 39]).mean() / 2


def test_a_nan_stays_one_and_a_flat_frame_stays_flat():
    image = np.full((12, 12), 500.0)
    image[6, 6] = np.nan
    ramp = one_group(image)
    out = STEP(ramp, P, {"kernel": IpcRef.nominal(ramp.exposure, ramp.shape)}).data[0, 0]
    np.testing.assert_allclose(out, image, rtol=1e-6)


def test_nominal_kernels_are_of_nircam_alone_and_undo_what_was_put_in():
    kernel = decoupling(0.006)
    # centre, side and corner to second order: 1 + 4a + 20a², -a - 8a², 2a²
    np.testing.assert_allclose(kernel[1, 1], 1 + 4 * 0.006 + 20 * 0.006**2, atol=2e-4)
    np.testing.assert_allclose(kernel[0, 1], -0.006 - 8 * 0.006**2, atol=3e-5)
    np.testing.assert_allclose(kernel[0, 0], 2 * 0.006**2, atol=3e-5)
    for instrument in ("MIRI", "NIRISS", "NIRSPEC"):
        with pytest.raises(MissingReference, match="ipc"):
            IpcRef.nominal(example_exposure(instrument), (8, 8))
    irs2 = example_exposure("NIRSPEC", readpatt="NRSIRS2RAPID")
    assert "IRS2" in STEP.skips(irs2, P)


@pytest.mark.parametrize("shape", [(4, 4), (7, 7), (3, 2)])
def test_a_kernel_that_is_even_or_too_large_is_refused(shape):
    ramp = one_group(np.zeros((12, 12)))
    with pytest.raises(StepError, match="at most 5 x 5"):
        STEP(ramp, P, {"kernel": IpcRef(data=np.zeros(shape, np.float32))})


@pytest.mark.parametrize("planes", [(3, 3), (3, 3, 2048, 2048)])
def test_files_hold_one_kernel_or_one_for_each_pixel(planes, tmp_path):
    data = np.zeros(planes, np.float32)
    data[1, 1] = 1
    hdus = fits.HDUList([fits.PrimaryHDU(), fits.ImageHDU(data, name="SCI")])
    cards = {"REFTYPE": "IPC", "INSTRUME": "NIRCAM", "DETECTOR": "NRCA1"}
    hdus[0].header.update(cards)
    hdus.writeto(tmp_path / "ipc.fits")
    exposure = example_exposure()
    found = References(tmp_path).find(IpcRef, exposure, (40, 48))
    assert found.source == "folder"
    kernel = References(tmp_path).load(found, exposure, (40, 48))
    ramp = example_ramp(exposure)
    np.testing.assert_array_equal(STEP(ramp, P, {"kernel": kernel}).data, ramp.data)


def test_a_simulated_exposure_brings_its_kernel_and_the_session_uses_it(tmp_path):
    path = simulate("nircam", size=(32, 40), ngroups=3, ipc=0.01, seed=2).write(tmp_path)
    session = jwinteractive.open(path)
    assert not session.recipe["ipc"].enabled
    session.enable("ipc")
    assert session.sources()["ipc"].startswith("simulated")
    whole = session.exposures[0].product.covers
    ramp = session.preview(whole, upto="ipc")
    assert not (ramp.groupdq & dq.SATURATED).all()
    before = session.preview(whole, upto="saturation")
    assert np.abs(ramp.data - before.data)[..., 4:, 4:].max() > 1
