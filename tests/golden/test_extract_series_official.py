"""Official x1dints of a simulated time series, against what a session writes of the same file."""

import json
import warnings

import numpy as np
import pytest
from astropy.io import fits

import jwinteractive
from jwinteractive.recipe import Recipe

COUNT, NY, NX = 4, 26, 90
AREA = 4.8e-13  # sr
# not the surface brightness, which officially is 0 for points of NIRSpec
COLUMNS = [
    "WAVELENGTH",
    "FLUX",
    "FLUX_ERROR",
    "FLUX_VAR_POISSON",
    "FLUX_VAR_RNOISE",
    "FLUX_VAR_FLAT",
    "BACKGROUND",
    "BKGD_ERROR",
    "BKGD_VAR_POISSON",
    "BKGD_VAR_RNOISE",
    "NPIXELS",
    "DQ",
]


def wcs():
    """A slit along y: wavelengths are those of the columns."""
    import gwcs
    from astropy.modeling.models import Identity, Mapping, Scale, Shift
    from gwcs import coordinate_frames as cf

    axes = {"naxes": 3, "axes_order": (0, 1, 2), "axes_type": ["SPATIAL", "SPATIAL", "SPECTRAL"]}
    along = Scale(1e-9) | Shift(45.0)
    across = Shift(-NY / 2) | Scale(0.1 / 3600) | Shift(10.0)
    to_slit = Mapping((1, 1, 0), n_inputs=2) | Identity(2) & (Scale(0.01) | Shift(3.0))
    frames = (
        cf.Frame2D(name="detector"),
        *(cf.CoordinateFrame(name=name, **axes) for name in ("slit_frame", "world")),
    )
    steps = [(frames[0], to_slit), (frames[1], along & across & Identity(1)), (frames[2], None)]
    found = gwcs.WCS(steps)
    found.bounding_box = ((-0.5, NX - 0.5), (-0.5, NY - 0.5))
    return found


@pytest.fixture(scope="module")
def series(tmp_path_factory):
    """Calibrated integrations of a star that grows fainter, over a sloping sky, some missing."""
    from stdatamodels.jwst import datamodels

    rng = np.random.default_rng(8)
    shape, y = (COUNT, NY, NX), np.arange(NY)[:, None]
    star = np.exp(-(((y - 12.2) / 1.3) ** 2) / 2)
    levels = np.linspace(100, 90, COUNT)[:, None, None]
    data = levels * star + 5 + 0.2 * y + rng.normal(0, 1, shape)
    data[rng.random(shape) < 0.01] = np.nan
    data[2, :, 33] = np.nan
    model = datamodels.SlitModel()
    model.data = data.astype("f4")
    model.dq = np.where(np.isfinite(data), 0, 1).astype("u4")
    for name in ("var_poisson", "var_rnoise", "var_flat"):
        setattr(model, name, rng.uniform(0.1, 1, shape).astype("f4"))
    model.err = np.sqrt(model.var_poisson + model.var_rnoise + model.var_flat)
    model.wavelength = np.broadcast_to(3 + 0.01 * np.arange(NX), (NY, NX)).astype("f4")
    meta = model.meta
    meta.instrument.name, meta.instrument.detector = "NIRSPEC", "NRS1"
    meta.instrument.filter, meta.instrument.grating = "F290LP", "G395H"
    meta.instrument.fixed_slit, meta.subarray.name = "S1600A1", "SUB2048"
    meta.exposure.type, meta.exposure.nints, meta.visit.tsovisit = "NRS_BRIGHTOBJ", COUNT, True
    meta.exposure.integration_start, meta.exposure.integration_end = 1, COUNT
    meta.observation.date, meta.observation.time = "2022-07-30", "01:03:16.369"
    meta.target.source_type = model.source_type = "POINT"
    model.name, meta.aperture.position_angle = "S1600A1", 150.0
    meta.wcsinfo.dispersion_direction, meta.wcsinfo.spectral_order = 1, 1
    meta.cal_step.photom, meta.bunit_data = "COMPLETE", "MJy"
    meta.photometry.pixelarea_steradians = AREA
    meta.wcs = wcs()
    path = tmp_path_factory.mktemp("series") / "jw1_nrs1_calints.fits"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.save(path)
    return path


def official(path, folder, **settings):
    """Table EXTRACT1D of the official step with rows 9 to 15.4 and a background on both sides."""
    from jwst.extract_1d import Extract1dStep
    from stdatamodels.jwst import datamodels

    aperture = {
        "id": "S1600A1",
        "dispaxis": 1,
        "spectral_order": 1,
        "xstart": 0,
        "xstop": NX - 1,
        "ystart": 9.0,
        "ystop": 15.4,
        # edges of pixels, where ours and ystart are the last whole ones
        "bkg_coeff": [[1.5], [5.5], [18.5], [22.5]],
    }
    reference = {"REFTYPE": "EXTRACT1D", "INSTRUME": "NIRSPEC", "apertures": [aperture]}
    (folder / "extract1d.json").write_text(json.dumps(reference))
    step = Extract1dStep(apply_apcorr=False, use_source_posn=False, **settings)
    step.override_extract1d, step.override_psf = str(folder / "extract1d.json"), "N/A"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with datamodels.open(path) as model:
            step.process(model).save(folder / "official_x1dints.fits")
    with fits.open(folder / "official_x1dints.fits") as file:
        return file["EXTRACT1D"].data.copy()


@pytest.mark.parametrize(
    "settings",
    [
        {"subtract_background": True, "bkg_fit": "poly", "bkg_order": 1},
        {"subtract_background": True, "bkg_fit": "median", "smoothing_length": 5},
        {"subtract_background": False},
    ],
)
def test_each_integration_is_extracted_as_officially(series, tmp_path, settings):
    theirs = official(series, tmp_path, **settings)
    session = jwinteractive.open(series, Recipe.of("extract_1d"))
    rows = {"background": "2:5; 19:22"} if settings["subtract_background"] else {}
    session.set("extract_1d", apertures="9:15.4", trace="straight", **rows, **settings)
    (written,) = session.write(tmp_path / "ours")
    assert written.name == "jw1_nrs1_x1dints.fits"
    with fits.open(written) as file:
        ours = file["EXTRACT1D"].data.copy()
    assert len(ours) == len(theirs) == COUNT
    known = np.isfinite(theirs["FLUX"])
    assert not known[2, 33]
    np.testing.assert_array_equal(np.isfinite(ours["FLUX"]), known)
    for name in COLUMNS:
        mine, peer = ours[name][known], theirs[name][known]
        np.testing.assert_allclose(mine, peer, rtol=2e-5, atol=1e-12, err_msg=name)
