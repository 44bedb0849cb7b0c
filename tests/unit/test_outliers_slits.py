"""Slit spectra on a common grid of wavelength and place on the sky, and their outliers."""

from types import SimpleNamespace

import numpy as np
import pytest

from jwinteractive.data import Box
from jwinteractive.errors import InputError
from jwinteractive.outliers import OutlierParams, Planes, flags_of, measure_stack, member_of
from jwinteractive.outliers.slits import slit_grid

SHAPE = (30, 120)
PIXEL = 0.1 / 3600
OFFICIAL = OutlierParams(method="official", sky="header")


class Slit:
    """A tilted slit whose spectrum is curved; rows 3 to 26 have light."""

    output_frame = SimpleNamespace(naxes=3)
    bounding_box = None

    def __init__(self, nod=0.0, ra=0.0):
        self.nod, self.ra = nod, ra

    def __call__(self, x, y, with_bounding_box=True):
        bent = 2e-4 * (x - 60) ** 2
        place = (y - 15 - bent - self.nod) * PIXEL
        wavelength = 1.0 + 0.01 * x + 0.002 * y
        lit = (y - bent >= 3) & (y - bent <= 26)
        ra, dec = self.ra + 0.6 * place, 10 + 0.8 * place
        return tuple(np.where(lit, a, np.nan) for a in (ra, dec, wavelength))


def spectra(nods, seed=1, ra=0.0):
    rng = np.random.default_rng(seed)
    members, hits = [], []
    for number, nod in enumerate(nods):
        wcs = Slit(nod, ra)
        y, x = np.indices(SHAPE, dtype=float)
        bent = 2e-4 * (x - 60) ** 2
        data = 50 * np.exp(-0.5 * ((y - 15 - bent - nod) / 1.5) ** 2)
        data += rng.normal(0, 1, SHAPE)
        hit = rng.random(SHAPE) < 0.01
        data[hit] += 40
        data[~np.isfinite(wcs(x, y)[0])] = np.nan
        hits.append(hit & np.isfinite(data))
        one = np.ones(SHAPE, "f4")
        planes = Planes(data.astype("f4"), one, np.zeros(SHAPE, "u4"), one)
        members.append(member_of(f"nod{number + 1}", planes, wcs))
    return members, hits


def found_in(members, p):
    stack = measure_stack(members, p)
    frame = Box.whole(SHAPE)
    masks = []
    for k, member in enumerate(members):
        planes = member.look(frame)
        masks.append(flags_of(stack, k, frame, planes.data, planes.err, planes.dq, p).mask)
    return stack, masks


def test_the_grid_has_a_row_for_each_pixel_along_the_slit_and_rising_wavelengths():
    members, _ = spectra([0.0, 4.0])
    grid, (ny, nx) = slit_grid(members)
    assert grid.scale == pytest.approx(
        np.hypot(0.6 * np.cos(np.deg2rad(10)), 0.8) * PIXEL, rel=1e-3
    )
    assert ny == pytest.approx(23 + 4 + 1, abs=1)
    assert nx == pytest.approx(120, abs=3)
    assert np.all(np.diff(grid.wavelengths) > 0)


def test_places_on_the_grid_go_with_the_pixels_and_with_the_nod():
    members, _ = spectra([0.0, 4.0])
    grid, _ = slit_grid(members)
    x, y = np.array([60.0, 61.0, 60.0]), np.array([10.0, 10.0, 11.0])
    column, row = grid.invert(*members[0].wcs(x, y))
    assert np.diff(column)[0] == pytest.approx(1, abs=0.01)
    assert abs(row[2] - row[0]) == pytest.approx(1, abs=0.01)
    moved = grid.invert(*members[1].wcs(x, y + 4))[1]
    np.testing.assert_allclose(moved, row, atol=1e-3)
    assert np.isnan(grid.invert(0.0, 10.0, 9.0)[0])


def test_a_slit_across_the_origin_of_right_ascension_is_one_slit():
    here, _ = slit_grid(spectra([0.0, 4.0])[0])
    members, _ = spectra([0.0, 4.0], ra=360.0)
    for number, member in enumerate(members):
        beyond = member.wcs

        def wrapped(x, y, with_bounding_box=True, beyond=beyond):
            ra, dec, wavelength = beyond(x, y)
            return ra % 360, dec, wavelength

        wcs = SimpleNamespace(output_frame=Slit.output_frame, bounding_box=None)
        members[number] = member_of(member.name, None_planes(), _Callable(wrapped, wcs))
    assert slit_grid(members)[0].rows == here.rows


def None_planes():
    one = np.ones(SHAPE, "f4")
    return Planes(one, one, np.zeros(SHAPE, "u4"), one)


class _Callable:
    def __init__(self, function, known):
        self._function = function
        self.output_frame, self.bounding_box = known.output_frame, known.bounding_box

    def __call__(self, *args, **kwargs):
        return self._function(*args, **kwargs)


@pytest.mark.parametrize("p", [OFFICIAL, OutlierParams()], ids=["official", "noise"])
def test_hits_on_spectra_are_found_and_the_source_survives(p):
    members, hits = spectra([0.0, 4.3, -3.8, 1.7])
    stack, masks = found_in(members, p)
    assert stack.noise.shape == stack.median.shape  # the median of the errors, or its noise
    assert np.isnan(stack.levels).all()
    inner = np.zeros(SHAPE, bool)
    inner[10:20, 10:-10] = True
    hit, mask = np.stack(hits) & inner, np.stack(masks)
    assert mask[hit].mean() > 0.8
    assert mask[inner & ~hit & ~np.stack(hits)].mean() < 2e-3


def test_the_median_of_the_errors_is_what_official_flags_of_spectra_go_by():
    members, _ = spectra([0.0, 4.3, -3.8, 1.7])
    stack, masks = found_in(members, OFFICIAL)
    assert np.nanmedian(stack.noise) == pytest.approx(1.0, rel=1e-5)
    frame = Box.whole(SHAPE)
    planes = members[0].look(frame)
    err = np.full(SHAPE, 1e6, "f4")
    again = flags_of(stack, 0, frame, planes.data, err, planes.dq, OFFICIAL).mask
    np.testing.assert_array_equal(again, masks[0])


def test_images_and_spectra_are_not_compared():
    members, _ = spectra([0.0, 1.0])
    image = SimpleNamespace(output_frame=SimpleNamespace(naxes=2), bounding_box=None)
    mixed = [members[0], member_of("image", None_planes(), image)]
    with pytest.raises(InputError, match="image has no WCS with wavelengths"):
        measure_stack(mixed, OFFICIAL)
