"""SIP fitted to full transforms, told, written and drawn."""

import json
import warnings
from pathlib import Path
from types import SimpleNamespace

import asdf
import gwcs
import numpy as np
import pytest
from astropy import coordinates, units
from astropy.io import fits
from astropy.modeling import models
from astropy.wcs import WCS
from gwcs import coordinate_frames as frames
from stdatamodels.jwst import datamodels

from jwinteractive.cli import main
from jwinteractive.data import Box
from jwinteractive.errors import InputError, OutputError, ParamError
from jwinteractive.io import open_product
from jwinteractive.sip import fit_sip
from jwinteractive.sip_command import write_sip
from jwinteractive.sip_residuals import header_residuals
from jwinteractive.sip_views import fit_file, sip_views
from jwinteractive.views import Shown

REFERENCES = Path(__file__).parents[3] / "shared" / "real" / "refs"
MIRI = REFERENCES / "miri_mrs_wcs_flt9" / "jwst_miri_imager_distortion_flt9.asdf"
SCALE = 0.031 / 3600  # degrees a pixel of NIRCam's short waves
REACH = {2: 6.0, 3: 1.0, 4: 0.2, 5: 0.08}  # pixels that terms of each degree add at the edges


def image_wcs(shape, polynomials, angle=17.0, **options):
    """A gwcs: polynomials of pixels from the middle, turned, projected to the sky."""
    ny, nx = shape
    turn = np.deg2rad(angle)
    matrix = SCALE * np.array([[-np.cos(turn), np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    plane = (
        (models.Shift(-(nx - 1) / 2) & models.Shift(-(ny - 1) / 2))
        | models.Mapping((0, 1, 0, 1))
        | polynomials[0] & polynomials[1]
        | models.AffineTransformation2D(matrix=matrix)
    )
    return sky_wcs(shape, plane, **options)


def sky_wcs(shape, plane, dec=-27.79, box=True):
    """A gwcs: a transform from pixels to degrees of a tangent plane, and the sky from there."""
    ny, nx = shape
    transform = plane | models.Pix2Sky_TAN() | models.RotateNative2Celestial(53.16, dec, 180)
    detector = frames.Frame2D(name="detector", axes_order=(0, 1), unit=(units.pix, units.pix))
    sky = frames.CelestialFrame(
        name="world", reference_frame=coordinates.ICRS(), unit=(units.deg, units.deg)
    )
    made = gwcs.WCS([(detector, transform), (sky, None)])
    if box:
        made.bounding_box = ((-0.5, nx - 0.5), (-0.5, ny - 0.5))
    return made


def bent_wcs(shape=(2048, 2048), **options):
    """Distortion of degree 5 like NIRCam's: each degree adds what REACH says."""
    rng = np.random.default_rng(3)
    half = max(shape) / 2
    found = []
    for linear in ("c1_0", "c0_1"):
        terms = {linear: 1.0}
        for degree, reach in REACH.items():
            for q in range(degree + 1):
                terms[f"c{degree - q}_{q}"] = reach * rng.uniform(-1, 1) / half**degree
        found.append(models.Polynomial2D(5, **terms))
    return image_wcs(shape, found, **options)


def straight_wcs(shape, **options):
    straight = models.Polynomial2D(1, c1_0=1.0), models.Polynomial2D(1, c0_1=1.0)
    return image_wcs(shape, straight, **options)


@pytest.fixture(scope="module")
def bent():
    return bent_wcs()


@pytest.fixture(scope="module")
def fitted(bent):
    return fit_sip(bent, (2048, 2048))


@pytest.fixture
def filed(tmp_path):
    """A calibrated image with its gwcs, and in its header a linear WCS and an old polynomial."""
    model = datamodels.ImageModel((96, 128))
    model.data[:] = np.arange(128)
    meta = model.meta
    meta.telescope, meta.exposure.type = "JWST", "NRC_IMAGE"
    meta.instrument.name, meta.instrument.detector = "NIRCAM", "NRCA1"
    meta.instrument.filter, meta.instrument.pupil = "F200W", "CLEAR"
    meta.exposure.readpatt, meta.exposure.nints, meta.exposure.ngroups = "BRIGHT1", 1, 5
    meta.subarray.name, meta.subarray.xstart, meta.subarray.ystart = "SUB128", 1, 1
    meta.subarray.xsize, meta.subarray.ysize = 128, 96
    meta.wcs = bent_wcs((96, 128))
    info = meta.wcsinfo
    info.ctype1, info.ctype2, info.crpix1, info.crpix2 = "RA---TAN", "DEC--TAN", 3.0, 4.0
    info.crval1, info.crval2, info.cdelt1, info.cdelt2 = 10.0, 20.0, 1e-5, 1e-5
    info.pc1_1, info.pc1_2, info.pc2_1, info.pc2_2, info.v3yangle = 1.0, 0.0, 0.0, 1.0, 3.5
    info.instance.update(a_order=6, b_order=6, a_6_0=1e-9)
    path = tmp_path / "one_cal.fits"
    model.save(path)
    return path


def test_the_lowest_degree_that_reaches_the_tolerance_is_chosen(fitted):
    by_degree = {t.degree: t for t in fitted.tried}
    assert sorted(by_degree) == list(range(1, 10))
    assert fitted.degree == 5  # that of the distortion
    assert by_degree[4].forward_max > 0.01 > by_degree[5].forward_max
    back = fitted.inverse_degree
    assert by_degree[back - 1].inverse_max > 0.01 >= by_degree[back].inverse_max
    assert fitted.reached
    assert "at most" in fitted.words


def test_a_header_read_by_astropy_agrees_with_the_full_transform_at_pixels_of_no_grid(bent, fitted):
    x, y = np.random.default_rng(1).uniform(-0.5, 2047.5, (2, 2000))
    sky = coordinates.SkyCoord(*bent(x, y), unit="deg")
    read = WCS(fitted.header())
    assert read.wcs.ctype[0] == "RA---TAN-SIP"
    there = coordinates.SkyCoord(*read.all_pix2world(x, y, 0), unit="deg")
    # CD is finer or coarser than SCALE by what the polynomials have at the middle
    assert sky.separation(there).deg.max() / SCALE < 1e-6
    back = read.sip_foc2pix(
        np.array(read.wcs_world2pix(*np.array([sky.ra.deg, sky.dec.deg]), 1)).T - read.wcs.crpix, 1
    )
    assert np.hypot(*(back.T - 1 - [x, y])).max() < 0.01


@pytest.mark.parametrize("degree", [2, 3, 4, 5])
def test_a_fit_is_at_least_as_near_as_the_official_one_of_its_degree(bent, degree):
    shape = (2048, 2048)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that a low degree is not near
        official = bent.to_fits_sip(degree=degree, inv_degree=degree, npoints=12)
    theirs = header_residuals(bent, official, shape)
    ours = fit_sip(bent, shape, degree=degree)
    assert ours.degree == ours.inverse_degree == degree
    assert ours.residuals.forward_max <= theirs.forward_max + 1e-7
    assert ours.residuals.inverse_max <= theirs.inverse_max
    if degree == 5:
        assert ours.residuals.forward_max < 1e-6
        assert theirs.forward_max < 1e-6  # the same distortion
    else:
        assert theirs.forward_max < 2 * ours.residuals.forward_max


def test_what_a_fit_says_of_itself_is_what_its_header_gives(bent):
    fit = fit_sip(bent, (2048, 2048), degree=3, crpix=(900.0, 1200.0))
    measured = header_residuals(bent, fit.header(), (2048, 2048))
    assert fit.header()["CRPIX1"] == 900.0
    assert fit.header()["SIPMXERR"] == pytest.approx(measured.forward_max, rel=1e-6)
    np.testing.assert_allclose(fit.residuals.forward, measured.forward, atol=1e-6)
    np.testing.assert_allclose(fit.residuals.inverse, measured.inverse, atol=1e-6)


def test_an_image_without_distortion_gets_a_linear_header():
    made = straight_wcs((100, 200), angle=0.0)
    fit = fit_sip(made, (100, 200))
    header = fit.header()
    assert (fit.degree, fit.inverse_degree) == (1, 1)
    assert header["CTYPE1"] == "RA---TAN"
    assert not [name for name in header if name.startswith(("A_", "B_", "AP_", "BP_"))]
    assert [header[f"CRPIX{i}"] for i in (1, 2)] == [100.5, 50.5]
    assert header["CRVAL2"] == pytest.approx(-27.79, abs=1e-12)
    np.testing.assert_allclose(fit.cd, [[-SCALE, 0], [0, SCALE]], atol=1e-9 * SCALE)


def test_one_quadratic_term_comes_back_as_the_coefficient_that_it_is():
    along_x = models.Polynomial2D(2, c1_0=1.0, c2_0=2e-5)
    along_y = models.Polynomial2D(2, c0_1=1.0, c1_1=-3e-5)
    fit = fit_sip(image_wcs((400, 400), (along_x, along_y)), (400, 400))
    assert fit.degree == 2
    expected = np.zeros((2, 3, 3))
    expected[0, 2, 0], expected[1, 1, 1] = 2e-5, -3e-5
    np.testing.assert_allclose([fit.a, fit.b], expected, atol=1e-11)


def test_what_a_degree_cannot_follow_is_spread_evenly():
    half, bend = 200.0, 2e-5
    along_x = models.Polynomial2D(2, c1_0=1.0, c2_0=bend)
    made = image_wcs((400, 400), (along_x, models.Polynomial2D(1, c0_1=1.0)))
    # s² over -1 ... 1 less the best constant: from -1/2 to 1/2
    linear = fit_sip(made, (400, 400), degree=1).residuals
    assert linear.forward_max == pytest.approx(bend * half**2 / 2, rel=0.05)
    # the way back is u - b u² + 2 b² u³: of s³ a line leaves a quarter
    square = fit_sip(made, (400, 400), degree=2).residuals
    assert square.inverse_max == pytest.approx(bend**2 * half**3 / 2, rel=0.1)


@pytest.mark.skipif(not MIRI.exists(), reason="needs ../shared/real")
def test_the_real_distortion_of_miri_is_followed_nearer_than_by_the_official_fit():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of older versions of what is in the file
        with asdf.open(MIRI) as file:
            field = file["model"].copy()  # to arcsec of the telescope
    x, y = field(515.5, 511.5)
    shape, arcsec = (1024, 1032), models.Scale(1 / 3600)
    made = sky_wcs(shape, field | models.Shift(-x) & models.Shift(-y) | arcsec & arcsec)
    fit = fit_sip(made, shape)
    assert fit.reached
    assert (fit.degree, fit.inverse_degree) == (4, 6)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that it does not reach 0.01 pixel
        official = made.to_fits_sip(degree=4, inv_degree=5, npoints=12)
    theirs = header_residuals(made, official, shape)
    assert fit.residuals.forward_max <= theirs.forward_max
    assert fit.tried[4].inverse_max < theirs.inverse_max


@pytest.mark.parametrize("dec", [-89.995, 0.0, 71.0])
def test_a_fit_holds_at_the_poles_and_the_equator(dec):
    made = bent_wcs(dec=dec)
    fit = fit_sip(made, (2048, 2048))
    assert fit.degree == 5
    measured = header_residuals(made, fit.header(), (2048, 2048))
    assert measured.forward_max < 1e-6


def test_a_tolerance_that_is_out_of_reach_is_said(bent):
    fit = fit_sip(bent, (2048, 2048), max_degree=3)
    assert not fit.reached
    assert fit.degree == 3
    assert fit.words.startswith("0.01 px is not reached; degree 3, back 3: up to ")


def test_only_what_is_in_the_bounding_box_counts():
    made = bent_wcs(box=False)
    made.bounding_box = ((99.5, 1499.5), (199.5, 1299.5))
    fit = fit_sip(made, (2048, 2048))
    assert (fit.residuals.x[0], fit.residuals.x[-1]) == (99.5, 1499.5)
    assert (fit.residuals.y[0], fit.residuals.y[-1]) == (199.5, 1299.5)
    drawn = fit.residuals.map(np.array([150, 600]), np.array([50, 600]))
    assert np.isnan(drawn).tolist() == [[True, True], [True, False]]
    with pytest.raises(InputError, match="out of the bounding box"):
        fit_sip(made, (100, 2048))


def test_a_map_of_residuals_is_what_each_pixel_has(bent):
    fit = fit_sip(bent, (2048, 2048), degree=3)
    rows, columns = np.array([3, 700, 2040]), np.array([0, 513, 1500, 2047])
    x, y = (one.ravel() for one in np.meshgrid(columns, rows))
    there = WCS(fit.header()).all_pix2world(x, y, 0)
    apart = coordinates.SkyCoord(*there, unit="deg").separation(
        coordinates.SkyCoord(*bent(x, y), unit="deg")
    )
    drawn = fit.residuals.map(rows, columns)
    # a pixel of CD stands for pixels whose size differs by 1 % over the image
    np.testing.assert_allclose(drawn.ravel(), apart.deg / SCALE, rtol=0.02, atol=1e-4)


def test_what_cannot_be_fitted_is_said(bent):
    def spectral(x, y, with_bounding_box=True):
        return x, y, y

    def partly(x, y, with_bounding_box=True):
        return np.where(x > 5, np.nan, x), y

    with pytest.raises(InputError, match="WCS of 3 coordinates: SIP is for images"):
        fit_sip(spectral, (10, 10))
    with pytest.raises(InputError, match="NaN in parts of the image"):
        fit_sip(partly, (10, 10))
    with pytest.raises(ParamError, match="degree 10: SIP knows degrees 1 to 9"):
        fit_sip(bent, (10, 10), degree=10)
    with pytest.raises(ParamError, match="tolerance nan"):
        fit_sip(bent, (10, 10), tolerance=float("nan"))


def test_a_copy_has_the_new_header_and_all_else_as_it_was(filed, tmp_path):
    before = filed.read_bytes()
    out = tmp_path / "sip_cal.fits"
    fit = write_sip(filed, out)
    assert filed.read_bytes() == before
    with fits.open(filed) as old, fits.open(out) as new:
        assert [hdu.name for hdu in old] == [hdu.name for hdu in new]
        header = new["SCI"].header
        assert header["CTYPE1"] == "RA---TAN-SIP"
        assert header["CD1_1"] == pytest.approx(fit.cd[0, 0], rel=1e-12)  # digits of a card
        assert header["V3I_YANG"] == 3.5
        assert not {"PC1_1", "CDELT1", "A_6_0"} & set(header)
        assert new[0].header["FILENAME"] == out.name
        np.testing.assert_array_equal(old["SCI"].data, new["SCI"].data)
        np.testing.assert_array_equal(old["ASDF"].data, new["ASDF"].data)
    with datamodels.open(out) as model:
        assert model.meta.wcsinfo.a_order == fit.degree
        read = header_residuals(model.meta.wcs, fits.getheader(out, "SCI"), (96, 128))
    assert max(read.forward_max, read.inverse_max) < 0.01
    with pytest.raises(OutputError, match="is the file that is read"):
        write_sip(filed, filed, overwrite=True)


def test_the_command_tells_every_degree_and_marks_the_chosen(filed, tmp_path, capsys):
    assert main(["sip", str(filed)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 11  # columns, nine degrees, a sentence
    assert [line.split()[0] for line in lines if "<- " in line and "to the sky" in line] == ["5"]
    assert main(["sip", str(filed), "--degree", "3", "--json", "-o", str(tmp_path / "o.fits")]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["degree"], told["reached"]) == (3, False)
    assert fits.getheader(tmp_path / "o.fits", "SCI")["A_ORDER"] == told["header"]["A_ORDER"] == 3


def test_a_file_without_a_wcs_is_refused(tmp_path, capsys):
    datamodels.ImageModel((8, 8)).save(tmp_path / "bare_rate.fits")
    assert main(["sip", str(tmp_path / "bare_rate.fits")]) == 3
    assert "bare_rate.fits" in capsys.readouterr().err


def test_views_show_the_residuals_of_the_box_in_view(filed, tmp_path):
    out = tmp_path / "sip_cal.fits"
    write_sip(filed, out, degree=2)
    views = {v.title: v.draw for v in sip_views()}
    product = open_product(out).product
    asked = SimpleNamespace(sip_max_pix_error=0.05, sip_degree=None)
    whole = Shown(after=product, params=asked, shape=(96, 128))
    part = Shown(after=product.crop(Box(10, 30, 40, 90)), params=asked, shape=(96, 128))

    forward = views["SIP less the full transform"]
    fit = fit_file(out, tolerance=0.05)
    assert forward(whole).unit == "mpx"
    assert np.nanmax(forward(whole).data) == pytest.approx(
        1000 * fit.residuals.forward_max, rel=0.05
    )
    cut = forward(whole).data[10:30, 40:90]
    np.testing.assert_allclose(forward(part).data, cut, atol=1e-4)
    assert forward(part).limits == forward(whole).limits

    of_file = views["SIP of the file less the full transform"](whole)
    assert np.nanmax(of_file.data) > 50  # degree 2 is what was written
    plot = views["SIP residuals by degree"](whole)
    curves = {c.name: c for c in plot.curves}
    assert plot.log_y
    np.testing.assert_array_equal(curves["0.05 px"].y, 0.05)
    np.testing.assert_array_equal(curves["to the sky"].x, range(1, 10))
    assert [row[-1] for row in views["SIP degrees"](whole).rows if row[-1]]


def test_a_fit_is_kept_while_its_file_stays_as_it_is(filed, tmp_path):
    first = fit_file(filed)
    assert fit_file(filed) is first
    out = tmp_path / "other_cal.fits"
    write_sip(filed, out, degree=2)
    out.replace(filed)
    assert fit_file(filed) is not first


def test_a_product_of_no_file_says_why_it_has_no_sip(filed):
    product = open_product(filed).product.replace(source=None)
    with pytest.raises(InputError, match="a product of no file"):
        sip_views()[0].draw(Shown(after=product))
    plain = Shown(after=open_product(filed).product)
    of_file = {v.title: v.draw for v in sip_views()}["SIP of the file less the full transform"]
    with pytest.raises(InputError, match="its header has no SIP"):
        of_file(plain)
