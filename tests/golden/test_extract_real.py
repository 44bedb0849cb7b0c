"""Real spectra: nods that agree, NIRISS SOSS as published, a cube whose errors are not known."""

import csv
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from jwinteractive.data import Rate
from jwinteractive.extract.aperture import box_weights, trace_limits
from jwinteractive.extract.box import box_spectra
from jwinteractive.extract.cube import cube_spectrum
from jwinteractive.extract.dithers import wavelength_grid
from jwinteractive.extract.forward import forward_spectrum
from jwinteractive.extract.frames import Frames
from jwinteractive.extract.lines import read_line
from jwinteractive.extract.nods import agreement, blank_scatter, dither_of
from jwinteractive.extract.trace import find_trace
from jwinteractive.io.read import open_product

REAL = Path(__file__).parents[3] / "shared" / "real"
pytestmark = pytest.mark.skipif(not REAL.exists(), reason="needs ../shared/real")
STEM = REAL / "spec"


@cache
def nods() -> Any:
    """The three nods of a prism spectrum, in mJy, on the traces that are found in them."""
    found = []
    for nod in (2, 3, 4):
        rate = open_product(STEM / f"jw02565007001_03101_0000{nod}_nrs2_cal.fits").product
        assert isinstance(rate, Rate)
        found.append(dither_of(rate, scale=1e9))
    return tuple(found)


def test_each_nod_of_a_real_slit_is_found_where_the_telescope_put_it():
    dithers = nods()
    middle = [dither.trace[210] for dither in dithers]
    step = 0.529 / 0.103  # arcsec between shutters over those of a pixel
    assert middle[1] - middle[0] == pytest.approx(2 * step, abs=0.4)
    assert middle[0] - middle[2] == pytest.approx(2 * step, abs=0.4)
    for dither in dithers:  # one detector: the same inclination
        tilt = dither.trace[350] - dither.trace[60]
        assert tilt == pytest.approx(dithers[0].trace[350] - dithers[0].trace[60], abs=0.15)


def test_three_real_nods_agree_as_well_as_their_blank_pixels_do():
    dithers = nods()
    grid = wavelength_grid(dithers)
    found = [forward_spectrum([dither], grid, reach=4) for dither in dithers]
    known = (grid > 0.7) & (grid < 5.2)
    for one in found:
        known &= np.isfinite(one.flux[0]) & (one.coverage[0] > 0.7)
    assert known.sum() > 330
    # beside all traces errors are too small by half: chi2 of a blank pixel is 2 to 3, not 1
    traces = [dither.trace for dither in dithers]
    blank = [blank_scatter(dither, traces) ** 2 for dither in dithers]
    assert min(blank) > 1.8
    assert max(blank) < 3.2
    for a, b in ((0, 1), (0, 2), (1, 2)):
        first, second = (
            np.where(known, part, np.nan) for part in (found[a].flux[0], found[b].flux[0])
        )
        told = agreement(first, found[a].error[0], second, found[b].error[0])
        assert told.channels == known.sum()
        assert abs(told.grey) < 0.11  # another place in the shutter
        assert told.chi2 < np.mean([blank[a], blank[b]])  # found: 2.2, 2.1, 1.8


def test_all_nods_together_have_the_published_spectrum_and_less_noise():
    from astropy.io import fits

    dithers = nods()
    grid = wavelength_grid(dithers)
    joint = forward_spectrum(dithers, grid, reach=4)
    alone = forward_spectrum(dithers[:1], grid, reach=4)
    with fits.open(STEM / "jw02565007001_03101_00002_nrs2_x1d.fits") as file:
        table = file["EXTRACT1D"].data
        published = np.interp(grid, table["WAVELENGTH"], table["FLUX"]) * 1e3
    for low, high in ((1.5, 2.5), (2.5, 3.5), (3.5, 4.5)):
        part = (grid > low) & (grid < high) & np.isfinite(joint.flux[0] + published)
        assert part.sum() > 20
        ratio = np.median(alone.flux[0][part] / published[part])
        assert ratio == pytest.approx(1, abs=0.03)
        assert np.median(joint.flux[0][part] / published[part]) == pytest.approx(1, abs=0.06)
    part = np.isfinite(joint.error[0] + alone.error[0]) & (grid > 1) & (grid < 5)
    assert np.median(alone.error[0][part] / joint.error[0][part]) == pytest.approx(1.75, abs=0.2)


def test_soss_comes_out_as_two_groups_published_it():
    image = np.load(REAL / "rate" / "niriss_soss_wasp39b_median.npy")
    with (REAL / "truth" / "CMADF_traces.csv").open() as file:
        trace = np.array([float(row["order1"]) for row in csv.DictReader(file)])
    aperture = box_weights(image.shape, [trace_limits(trace, 36)])
    flux = box_spectra(Frames(image), aperture).flux[0, 0]
    for name in ("nirhiss", "supremespoon"):
        published = np.load(REAL / "truth" / f"{name}_spectra.npy")[1]
        both = np.isfinite(published + flux)
        both[:8] = both[-8:] = False  # reference pixels
        assert both.sum() > 1700
        assert np.corrcoef(flux[both], published[both])[0, 1] > 0.999


def test_the_trace_of_soss_is_found_on_the_published_one():
    image = np.load(REAL / "rate" / "niriss_soss_wasp39b_median.npy")
    with (REAL / "truth" / "CMADF_traces.csv").open() as file:
        trace = np.array([float(row["order1"]) for row in csv.DictReader(file)])
    found = find_trace(image, near=trace + 2, reach=14, order=6)
    off = (found.centre - trace)[100:-100]
    assert np.abs(off - np.median(off)).max() < 1.0
    assert abs(np.median(off)) < 1.5


def test_a_real_cube_without_errors_is_extracted_and_its_errors_are_not_known():
    from astropy.io import fits

    with fits.open(REAL / "cube" / "jw01022-o023_t001_miri_ch2-short_s3d_nav.fits") as file:
        data, header = np.array(file["SCI"].data, "f4"), file["SCI"].header
    wavelength = header["CRVAL3"] + header["CDELT3"] * np.arange(len(data))
    data[data == 0] = np.nan  # beyond the field
    seen = np.isfinite(data).astype("f4")
    unknown = np.full(data.shape, np.nan, "f4")
    for cube in (Frames(data), Frames(data, unknown)):
        found = cube_spectrum(cube, seen, (17, 17), 5.0)
        assert np.isfinite(found.flux).mean() > 0.95
        assert np.isnan(found.error).all()
        assert np.median(found.npixels) == pytest.approx(np.pi * 25, rel=0.02)
    flux, error = found.flux[0, 0], found.error[0, 0]
    # where hydrogen has S(4): errors come from the scatter beside it
    line = read_line(wavelength, flux, error, (8.015, 8.035), [(7.98, 8.01), (8.04, 8.07)])
    assert not line.measured
    assert line.flux > 0
    assert line.flux_error > 0
    assert line.centroid == pytest.approx(8.0251, abs=0.003)
