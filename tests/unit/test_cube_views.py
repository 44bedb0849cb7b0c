"""What there is to see of a cube: one plane, planes collapsed, errors and weights."""

import numpy as np
import pytest

from jwinteractive.data import Box, Cube, Exposure
from jwinteractive.look import Look
from jwinteractive.views import Shown, product_views

WAVELENGTHS = (5.0, 5.1, 5.2, 5.3)


@pytest.fixture
def cube():
    data = np.arange(4.0, dtype=np.float32)[:, None, None] * np.ones((4, 3, 5), np.float32)
    data[1, 0, 0] = np.nan
    data[:, 2, 4] = np.nan
    return Cube(
        exposure=Exposure(instrument="MIRI", detector="MIRIFUSHORT", unit="MJy/sr"),
        data=data,
        err=np.full((4, 3, 5), 3.0, np.float32),
        dq=np.zeros((4, 3, 5), np.uint32),
        wavelengths=WAVELENGTHS,
    )


def drawn(cube, title, **where):
    view = next(v for v in product_views(Cube) if v.title == title)
    return view.draw(Shown(after=cube, **where))


def test_the_first_view_is_the_chosen_plane_with_its_wavelength(cube):
    assert product_views(Cube)[0].title == "plane"
    frame = drawn(cube, "plane", plane=2)
    assert (frame.data[1, 1], frame.err[1, 1], frame.unit) == (2, 3, "MJy/sr")
    assert frame.note == "5.2 um"
    assert drawn(cube, "plane", plane=99).note == "5.3 um", "a plane of a longer cube before"


def test_planes_are_collapsed_over_those_that_are_chosen(cube):
    mean = drawn(cube, "mean of planes", planes=(1, 3))
    assert mean.data[1, 1] == 2
    assert mean.err[1, 1] == pytest.approx(3 / np.sqrt(3))
    assert mean.note == "5.1 to 5.3 um"
    assert drawn(cube, "median of planes").data[1, 1] == 1.5
    assert drawn(cube, "mean of planes", planes=(3, 2)).data[1, 1] == 2.5


def test_a_spaxel_that_a_plane_lacks_is_collapsed_over_the_others(cube):
    mean = drawn(cube, "mean of planes", planes=(0, 2))
    assert (mean.data[0, 0], mean.err[0, 0]) == (1, pytest.approx(3 / np.sqrt(2)))
    for title in ("mean of planes", "median of planes"):
        assert np.isnan(drawn(cube, title).data[2, 4])


def test_a_part_of_a_cube_is_drawn_where_it_is(cube):
    part = cube.crop(Box(1, 3, 2, 5))
    frame = drawn(part, "mean of planes", shape=(3, 5))
    assert (frame.covers, frame.full_shape) == (Box(1, 3, 2, 5), (3, 5))


def test_a_cube_without_weights_or_wavelengths_says_so(cube):
    weight = drawn(cube, "weight")
    assert np.isnan(weight.data).all()
    assert weight.note == "the file has no weights"
    bare = cube.replace(wavelengths=(), weight=np.full((4, 3, 5), 7, np.float32))
    assert drawn(bare, "weight", plane=1).data[0, 0] == 7
    assert drawn(bare, "plane", plane=1).note == "plane 2: no wavelength is known"


def test_the_plane_and_the_planes_of_a_look_come_back_from_a_file():
    look = Look(plane=7, planes=(3, 9))
    assert Look.from_dict(look.as_dict()) == look
