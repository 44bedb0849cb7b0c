"""The sky read-out: positions of pixels from a gwcs, from keywords, and from files with neither."""

import io
import threading

import numpy as np
import pytest
from astropy.io import fits

from jwinteractive import sky
from jwinteractive.errors import InputError
from jwinteractive.sky import SkyPosition, sky_of
from jwinteractive.wcs import read_wcs

NY, NX = 70, 90  # more than one tile
SCALE = 1e-5  # degrees a pixel


def header(**changes):
    cards = {
        "CTYPE1": "RA---TAN",
        "CTYPE2": "DEC--TAN",
        "CUNIT1": "deg",
        "CUNIT2": "deg",
        "CRPIX1": 11.0,
        "CRPIX2": 21.0,
        "CRVAL1": 53.0,
        "CRVAL2": -27.0,
        "CDELT1": -SCALE,
        "CDELT2": SCALE,
    }
    return fits.Header({k: v for k, v in (cards | changes).items() if v is not None})


def written(path, cards=None, tree=None, images=1, shape=(NY, NX), **first):
    """FITS file with SCI images, and an ASDF extension if there is a tree (or bytes of one)."""
    import asdf

    hdus = [fits.PrimaryHDU(header=fits.Header(first))]
    hdus += [
        fits.ImageHDU(np.zeros(shape, np.float32), header=cards, name="SCI") for _ in range(images)
    ]
    if tree is not None:
        buffer = io.BytesIO()
        if isinstance(tree, bytes):
            buffer.write(tree)
        else:
            asdf.AsdfFile(tree).write_to(buffer)
        stored = np.frombuffer(buffer.getvalue(), np.uint8)
        column = fits.Column("ASDF_METADATA", f"{stored.size}B", array=stored[None])
        hdus.append(fits.BinTableHDU.from_columns([column], name="ASDF"))
    fits.HDUList(hdus).writeto(path)
    return path


def gwcs_of(spectral=True, inputs=2, ra=53):
    """RA = 53 + x, Dec = -27 + y in steps of SCALE; 1 um + 1 nm a column, in metres."""
    pytest.importorskip("gwcs")
    from astropy import coordinates, modeling, units
    from astropy.modeling.models import Identity, Mapping, Polynomial1D
    from gwcs import WCS
    from gwcs import coordinate_frames as cf

    detector = cf.Frame2D(name="detector", unit=(units.pix, units.pix))
    sky_frame = cf.CelestialFrame(
        name="sky", reference_frame=coordinates.ICRS(), unit=(units.deg, units.deg)
    )
    model: modeling.Model = Polynomial1D(1, c0=ra, c1=SCALE) & Polynomial1D(1, c0=-27, c1=SCALE)
    frame = sky_frame
    if spectral:
        wave = cf.SpectralFrame(name="wave", unit=units.m, axes_order=(2,))
        model = Mapping((0, 1, 0)) | model & Polynomial1D(1, c0=1e-6, c1=1e-9)
        frame = cf.CompositeFrame([sky_frame, wave], name="world")
    if inputs == 3:
        detector = cf.CoordinateFrame(
            naxes=3,
            axes_type=("SPATIAL",) * 3,
            axes_order=(0, 1, 2),
            name="grism",
            unit=(units.pix,) * 3,
        )
        model = (Mapping((0, 1), n_inputs=3) | model) if not spectral else model & Identity(1)
    made = WCS([(detector, model), (frame, None)])
    made.bounding_box = None if inputs == 3 else ((-0.5, NX - 10.5), (-0.5, NY - 0.5))
    return made


@pytest.fixture
def assigned(tmp_path):
    tree = {"meta": {"wcs": gwcs_of()}}
    return written(tmp_path / "a_cal.fits", header(), tree, S_WCS="COMPLETE", EXP_TYPE="MIR_MRS")


def test_a_pixel_has_the_position_that_its_gwcs_gives(assigned):
    found = sky_of(assigned)
    assert not found.ready
    for y, x in ((0, 0), (65, 70), (69, 3), (0, 0)):  # in several tiles, and back
        place = found.at(y, x)
        assert place.ra == pytest.approx(53 + x * SCALE, abs=1e-12)
        assert place.dec == pytest.approx(-27 + y * SCALE, abs=1e-12)
        assert place.wavelength == pytest.approx(1 + x / 1000)
    assert found.ready
    assert not found.approximate
    assert found.reason == ""
    assert found.note == "assign_wcs"
    assert found.words(2, 3) == "RA 53.000030 Dec -26.999980 1.0030 um"


def test_right_ascension_runs_from_0_to_360(tmp_path):
    tree = {"meta": {"wcs": gwcs_of(spectral=False, ra=-1)}}
    found = sky_of(written(tmp_path / "a.fits", tree=tree, S_WCS="COMPLETE"))
    assert found.at(0, 2) == SkyPosition(pytest.approx(359 + 2 * SCALE), pytest.approx(-27))


def test_outside_of_the_frame_or_the_spectrum_there_is_no_position(assigned):
    found = sky_of(assigned)
    assert found.at(0, NX - 10) is None  # outside of the bounding box
    assert found.words(0, NX - 10) == ""
    for y, x in ((-1, 0), (0, -1), (NY, 0), (0, NX)):
        assert found.at(y, x) is None
    assert found.at(0, NX - 11) is not None


def test_each_slit_of_a_file_has_its_own_wcs(tmp_path):
    slits = [{"name": name, "meta": {"wcs": gwcs_of(ra=ra)}} for name, ra in (("A", 10), ("7", 20))]
    path = written(tmp_path / "a_cal.fits", tree={"slits": slits}, images=2, S_WCS="COMPLETE")
    with fits.open(path, mode="update") as hdus:
        for i, name in ((1, "A"), (2, "7")):
            hdus[i].header["SLTNAME"], hdus[i].header["EXTVER"] = name, i
    assert sky_of(path, "A").at(0, 0).ra == pytest.approx(10)
    assert sky_of(path, "7").at(0, 0).ra == pytest.approx(20)
    assert "2 SCI images" in sky_of(path).reason
    assert read_wcs(path, "7")(0.0, 0.0)[0] == pytest.approx(20)
    assert read_wcs(path, "x-2")(0.0, 0.0)[0] == pytest.approx(20)  # told apart by its number
    with pytest.raises(InputError, match="its ASDF extension knows no slit 'B'"):
        read_wcs(path, "B")


def test_a_file_without_a_wcs_says_what_to_do(tmp_path):
    path = written(tmp_path / "a_rate.fits", header())
    with pytest.raises(InputError, match=r"has no WCS .*: take a file that went through"):
        read_wcs(path)


def test_without_assign_wcs_the_keywords_give_it(tmp_path):
    tree = {"meta": {"wcs": gwcs_of()}}  # left over from before: nobody says it is valid
    path = written(tmp_path / "a_rate.fits", header(CRVAL1=359.99995), tree, EXP_TYPE="NRC_IMAGE")
    found = sky_of(path)
    assert found.approximate
    assert found.note == "header WCS, no distortion"
    place = found.at(20, 10)
    assert (place.ra, place.dec, place.wavelength) == pytest.approx((359.99995, -27.0, None))
    right_of = found.at(20, 0)
    assert right_of.ra == pytest.approx(359.99995 + 10 * SCALE / np.cos(np.radians(27)) - 360)


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"cards": header(CTYPE1=None)}, "no sky coordinates"),
        ({"cards": header(), "EXP_TYPE": "NRS_FIXEDSLIT"}, "NRS_FIXEDSLIT spreads the light"),
        ({"cards": header(CDELT1=0.0)}, "the WCS of its header is wrong"),
        ({"cards": header(CRVAL1="<script>")}, "CRVAL1 is no number"),
        ({"cards": header(CRPIX2=None)}, "CRPIX2 is no number"),
        ({"cards": header(), "images": 2}, "2 SCI images"),
        ({"shape": (7,)}, "no SCI image"),
        ({"images": 0}, "no SCI image"),
        ({"tree": {"meta": {}}}, "has no WCS"),
        ({"tree": {"meta": 3}}, "has no WCS"),
        ({"tree": {"meta": {"wcs": "text"}}}, "unknown kind"),
        ({"tree": {"meta": {}, "slits": [{}, {}]}}, "each of its 2 slits"),
        ({"tree": b"nothing of the kind"}, "damaged"),
        ({"tree": b"#ASDF 1.0.0\n%YAML 1.1\n--- {nonsense: [\n...\n"}, "cannot be read"),
    ],
)
def test_a_file_without_positions_says_why_in_one_line(tmp_path, settings, reason):
    given = {"S_WCS": "COMPLETE"} | settings
    found = sky_of(written(tmp_path / "odd.fits", **given))
    assert found.at(3, 4) is None
    assert found.words(3, 4) == ""
    assert reason in found.reason
    assert found.note == found.reason
    assert "\n" not in found.reason


def test_a_wcs_of_spectral_orders_is_not_guessed(tmp_path):
    tree = {"meta": {"wcs": gwcs_of(spectral=False, inputs=3)}}
    path = written(tmp_path / "a.fits", tree=tree, S_WCS="COMPLETE", EXP_TYPE="NIS_WFSS")
    assert "asks for 3 numbers" in sky_of(path).reason


def test_a_gwcs_that_cannot_be_read_falls_back_on_the_keywords(tmp_path):
    path = written(tmp_path / "a.fits", header(), b"#ASDF broken", S_WCS="COMPLETE")
    found = sky_of(path)
    assert found.approximate
    assert found.at(20, 10).ra == pytest.approx(53)


def test_a_file_that_is_gone_or_no_fits_says_so(tmp_path):
    assert "no such file" in sky_of(tmp_path / "gone.fits").reason
    (tmp_path / "text.fits").write_text("hello")
    assert "cannot be read as FITS" in sky_of(str(tmp_path / "text.fits")).reason


def test_the_file_is_read_once_and_few_tiles_are_kept(assigned, monkeypatch):
    monkeypatch.setattr(sky, "TILES", 2)
    found = sky_of(assigned)
    found.load()
    assigned.unlink()
    for y, x in ((0, 0), (0, 70), (65, 0), (65, 70), (0, 0)):
        assert found.at(y, x).dec == pytest.approx(-27 + y * SCALE)
    assert len(found._tiles) == 2


def test_many_threads_get_the_same_positions(assigned):
    found = sky_of(assigned)
    places = {}

    def ask(y):
        places[y] = found.at(y, 5)

    threads = [threading.Thread(target=ask, args=(y,)) for y in range(0, NY, 3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {y: p.dec for y, p in places.items()} == pytest.approx(
        {y: -27 + y * SCALE for y in range(0, NY, 3)}
    )


@pytest.mark.parametrize(
    ("ra", "dec", "words"),
    [
        (53.123450, -27.805120, "RA 03:32:29.628 Dec -27:48:18.43"),
        (0.0, 0.0, "RA 00:00:00.000 Dec +00:00:00.00"),
        (15 * (1 - 1e-9), -1e-3 / 3600, "RA 01:00:00.000 Dec -00:00:00.00"),
        (359.9999, 89.99999, "RA 23:59:59.976 Dec +89:59:59.96"),
    ],
)
def test_hours_and_degrees(ra, dec, words):
    assert SkyPosition(ra, dec).words(sexagesimal=True) == words


def test_hours_and_degrees_agree_with_astropy():
    from astropy.coordinates import SkyCoord

    rng = np.random.default_rng(3)
    for ra, dec in zip(rng.uniform(0, 360, 200), rng.uniform(-90, 90, 200), strict=True):
        _, hours, _, degrees = SkyPosition(ra, dec).words(sexagesimal=True).split()
        place = SkyCoord(ra, dec, unit="deg")
        assert place.ra.to_string("hourangle", sep=":", precision=3, pad=True) == hours
        assert (
            place.dec.to_string("deg", sep=":", precision=2, pad=True, alwayssign=True) == degrees
        )


def test_a_real_calibrated_image(real):
    pytest.importorskip("gwcs")
    found = sky_of(real / "ami/jw01093012001_03102_00001_nis_cal.fits")
    assert found.note == "assign_wcs"
    # the target AB Dor lies near the middle, by its catalogue position and proper motion
    place = found.at(45, 40)
    offset = np.hypot((place.ra - 82.18735) * np.cos(np.radians(place.dec)), place.dec + 65.44798)
    assert offset * 3600 < 3


def test_a_real_raw_file_has_the_keywords_only(real):
    found = sky_of(real / "raw/fgs_acq1_uncal.fits")
    assert found.approximate
    assert found.at(0, 0).dec == pytest.approx(66.58683, abs=1e-3)
