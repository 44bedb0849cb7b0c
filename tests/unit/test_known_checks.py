"""Each check tells a simulated exposure with the condition from one without."""

import dataclasses as dc

import numpy as np
import pytest

import jwinteractive
from jwinteractive.data import Rate
from jwinteractive.errors import InputError
from jwinteractive.io import open_product
from jwinteractive.known import CHECKS
from jwinteractive.known import measure as measure_all
from jwinteractive.simulate import simulate

QUIET = {
    "one_over_f_common": 0.0,
    "one_over_f_amp": 0.0,
    "alternating": 0.0,
    "snowballs": 0.0,
    "sky": 0.05,
    "ngroups": 4,
    "size": (192, 192),
}
CASES = {
    "stripes": {"one_over_f_common": 3.0, "one_over_f_amp": 1.0},
    "snowballs": {"snowballs": 500.0},
    "background": {"sky": 40.0},
    "saturated_first_group": {"sources": ((100.0, 100.0, 3e6),)},
}


def measure(name, product):
    return measure_all([name], product)[name]


@pytest.fixture(scope="module")
def ramp_of(tmp_path_factory):
    def make(mode="nircam", **settings):
        path = simulate(mode, **QUIET | settings).write(tmp_path_factory.mktemp("made"))
        return open_product(path).product

    return make


@pytest.fixture(scope="module")
def quiet(ramp_of):
    return ramp_of()


@pytest.mark.parametrize("name", sorted(CASES))
def test_a_ramp_with_the_condition_is_told_from_one_without(name, ramp_of, quiet):
    without, having = measure(name, quiet), measure(name, ramp_of(**CASES[name]))
    assert not without.there, without
    assert having.there, having
    assert having.figure > 2 * without.figure
    assert f"{having.figure:.1f}".removesuffix(".0") in having.words


def test_stripes_are_measured_in_rates_too(tmp_path):
    found = []
    for settings in ({}, CASES["stripes"]):
        path = simulate("nircam", **QUIET | settings).write(tmp_path, f"s{len(found)}")
        found.append(measure("stripes", jwinteractive.open(path).run("ramp_fit")).there)
    assert found == [False, True]


def test_warm_pixels_that_the_mask_does_not_know_are_counted(tmp_path):
    shares = []
    for new_hot in (0.0, 0.01):
        made = simulate("nircam-deep8", **QUIET | {"new_hot": new_hot, "ngroups": 5})
        path = made.write(tmp_path, f"w{new_hot}")
        shares.append(measure("warm_pixels", jwinteractive.open(path).run("ramp_fit")))
    assert [m.there for m in shares] == [False, True]
    assert shares[1].figure < 2.0  # per cent: no more than twice what was put in


def test_stars_and_flagged_pixels_are_not_warm(rate_of_pixels):
    y, x = np.mgrid[:64, :64]
    star = 1e3 * np.exp(-((y - 30) ** 2 + (x - 30) ** 2) / 2)
    assert measure("warm_pixels", rate_of_pixels(star)).figure == 0
    lone = np.zeros((64, 64))
    lone[10, 20] = lone[40, 50] = 1e3
    assert measure("warm_pixels", rate_of_pixels(lone)).figure == pytest.approx(200 / 64**2)
    flags = np.where(lone > 0, 4096, 0)
    assert measure("warm_pixels", rate_of_pixels(lone, flags)).figure == 0


@pytest.fixture
def rate_of_pixels(quiet):
    def make(signal, flags=0):
        noise = np.random.default_rng(1).normal(0, 1, signal.shape)
        data = (signal + noise).astype(np.float32)
        plane = np.ones_like(data)
        dq = np.broadcast_to(np.uint32(flags), data.shape)
        return Rate(
            exposure=quiet.exposure, data=data, err=plane, dq=dq, var_poisson=plane,
            var_rnoise=plane,
        )  # fmt: skip

    return make


def test_what_cannot_tell_says_nothing(quiet, rate_of_pixels):
    assert measure("warm_pixels", quiet) is None
    rate = rate_of_pixels(np.zeros((64, 64)))
    assert measure("snowballs", rate) is None
    assert measure("saturated_first_group", rate) is None
    one = quiet.replace(data=quiet.data[:, :1], groupdq=quiet.groupdq[:, :1])
    assert measure("stripes", one) is None
    assert measure("background", one) is None
    assert measure("snowballs", one) is None
    blind = rate_of_pixels(np.full((64, 64), np.nan))
    assert all(measure(name, blind) is None for name in CHECKS)
    piece = rate_of_pixels(np.zeros((50, 34)))  # nobody knows by which amplifiers it was read
    piece = piece.replace(exposure=dc.replace(piece.exposure, noutputs=4))
    assert measure("stripes", piece) is None
    assert measure("background", piece) is None
    slit = rate_of_pixels(np.zeros((64, 64)))
    assert measure("stripes", slit) is not None
    slit = slit.replace(exposure=dc.replace(slit.exposure, slit="S200A1"))
    assert measure("stripes", slit) is None
    assert measure("background", slit) is None


def test_an_unknown_check_is_one_line(quiet):
    with pytest.raises(InputError, match="did you mean 'stripes'"):
        measure("stripe", quiet)
