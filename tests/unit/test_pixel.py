"""One pixel's history: what a fit says of itself, and the mean of a box."""

import dataclasses as dc

import numpy as np
import pytest

from jwinteractive.data import Box, Ramp, Rate, RateInts
from jwinteractive.pixel import as_json, as_text, chi2_words, mean_pixel, pixel_history
from jwinteractive.testing import example_exposure

SHAPE = (3, 4)
E = example_exposure(ngroups=5)


def a_plane(value, dtype=np.float32, shape=SHAPE):
    return np.full(shape, value, dtype)


def a_rate(**changes):
    planes = {n: a_plane(v) for n, v in {"data": 2.0, "err": 0.5, "var_poisson": 0.1}.items()}
    return Rate(
        exposure=E,
        **planes,
        var_rnoise=a_plane(0.15),
        dq=a_plane(0, np.uint32),
        **{n: a_plane(v) for n, v in changes.items()},
    )


def test_chi2_of_the_fit_is_told_with_its_degrees_of_freedom():
    rate = a_rate(chi2=6.0, dof=3).crop(Box(1, 2, 1, 2))
    history = pixel_history(1, 1, [("ramp_fit", rate)])
    assert (history.steps[0].chi2, history.steps[0].dof) == (6.0, 3)
    assert "chi2/dof 6.0/3 = 2.00" in as_text(history)
    assert as_json(history)["steps"][0]["chi2"] == 6.0


@pytest.mark.parametrize(("chi2", "dof"), [(None, None), (1.0, 0), (np.nan, 4), (None, 4)])
def test_a_chi2_that_is_not_known_is_not_spoken_of(chi2, dof):
    assert chi2_words(chi2, dof) == ""


def test_the_mean_of_a_box_adds_up_chi2_of_the_good_pixels():
    rate = a_rate(chi2=6.0, dof=3, chi2_between=1.5)
    chi2, dq = rate.chi2.copy(), rate.dq.copy()
    chi2[0, 0], dq[1, 1] = np.nan, 1
    mean = mean_pixel(rate.replace(chi2=chi2, dq=dq))
    assert mean.chi2[0, 0] == 6.0 * 10
    assert mean.dof[0, 0] == 3 * 10
    assert mean.chi2_between[0, 0] == pytest.approx(1.5)


def test_the_mean_of_a_box_of_a_product_with_every_plane_is_one_pixel():
    ramp = Ramp(
        exposure=E,
        data=a_plane(1.0, shape=(1, 5, *SHAPE)),
        groupdq=a_plane(0, np.uint8, (1, 5, *SHAPE)),
        pixeldq=a_plane(0, np.uint32),
        zeroframe=a_plane(1.0, shape=(1, *SHAPE)),
        average_dark_current=a_plane(0.1),
        draft=a_plane(1.0, shape=(1, *SHAPE)),
        persistence_ends=a_plane(0.0, np.float64),
    )
    cube = {n: a_plane(1.0, shape=(1, *SHAPE)) for n in _planes(RateInts)}
    ints = RateInts(exposure=E, dq=a_plane(0, np.uint32, (1, *SHAPE)), **cube)
    rate = a_rate(chi2=1.0, dof=1.0, chi2_between=1.0).replace(integrations=ints)
    for product in (ramp, rate):
        assert {a.shape[-2:] for a in mean_pixel(product).arrays().values()} == {(1, 1)}


def _planes(kind):
    known = ("exposure", "box", "source", "dq")
    return [f.name for f in dc.fields(kind) if f.name not in known]
