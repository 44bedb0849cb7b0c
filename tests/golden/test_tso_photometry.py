"""The official sum over a star of a time series finds it by the header of a simulated exposure."""

import gwcs
import numpy as np
import pytest
from astropy import units as u
from astropy.coordinates import ICRS
from astropy.modeling.models import Scale, Shift
from gwcs.coordinate_frames import CelestialFrame, Frame2D
from stdatamodels.jwst import datamodels

import jwinteractive
from jwinteractive.simulate import simulate

X, Y, RATE = 22.3, 40.7, 2e4


@pytest.fixture(scope="module")
def made():
    return simulate(
        "nircam-tso-imaging", size=(64, 64), nints=4, sources=((X, Y, RATE),), crowding=0.0,
        galaxies=0, cosmic_rays=0.0, snowballs=0.0, hot=0.0, dead=0.0, open=0.0, low_qe=0.0,
    )  # fmt: skip


def placed(model):
    """Give a model what assign_wcs gives: the simulation has no references of the optics."""
    info = model.meta.wcsinfo
    shift = Shift(1 - info.crpix1) & Shift(1 - info.crpix2)
    scale = Scale(info.cdelt1) & Scale(info.cdelt2)
    sky = CelestialFrame(reference_frame=ICRS(), name="world", unit=(u.deg, u.deg))
    to_sky = shift | scale | (Shift(info.crval1) & Shift(info.crval2))
    model.meta.wcs = gwcs.WCS([(Frame2D(name="detector"), to_sky), (sky, None)])
    return model


def test_the_official_sum_lies_on_the_star_and_has_its_light(made, tmp_path):
    pytest.importorskip("jwst")
    from jwst.tso_photometry import TSOPhotometryStep

    path = jwinteractive.open([made.write(tmp_path)]).write(tmp_path / "out")[-1]
    assert path.name.endswith("_rateints.fits")
    step = TSOPhotometryStep(override_gain=made.references["gain"].copy(), centroid_source=False)
    with datamodels.CubeModel(path) as model:
        planned = step.process(placed(model.copy()))
        seconds = model.meta.exposure.integration_time
        step.centroid_source = True
        found = step.process(placed(model.copy()))
        target = model.meta.target
        assert found["aperture_ra_icrs"][0].value == pytest.approx(target.ra, abs=1e-5)
    assert (planned["aperture_x"][0].value, planned["aperture_y"][0].value) == pytest.approx((X, Y))
    assert found["aperture_x"][0].value == pytest.approx(X, abs=0.2)
    assert found["aperture_y"][0].value == pytest.approx(Y, abs=0.2)
    y, x = np.indices(made.truth.rate.shape)
    inside = np.hypot(x - X, y - Y) < 3
    annulus = (np.hypot(x - X, y - Y) > 4) & (np.hypot(x - X, y - Y) < 5)
    light = made.truth.rate * made.pixels.gain
    true = (light[inside].sum() - light[annulus].mean() * inside.sum()) * seconds
    assert np.median(planned["net_aperture_sum"].value) == pytest.approx(true, rel=0.05)
