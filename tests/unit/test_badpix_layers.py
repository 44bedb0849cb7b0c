"""Classes of bad pixels as layers of a mask, and measured again."""

import numpy as np
import pytest
from astropy.time import Time

import jwinteractive
from jwinteractive.badpix import BadpixParams, classify, gather
from jwinteractive.badpix.layers import (
    USABLE,
    day_of,
    layers_of,
    measured_mask,
    selfcal_layer,
)
from jwinteractive.badpix.selfcal import SelfcalParams
from jwinteractive.masks import Layer, Selection
from jwinteractive.simulate.headers import START_MJD


@pytest.fixture(scope="module")
def programme(tmp_path_factory):
    """Rates of five dithered exposures of 96 x 96 pixels, with many new hot pixels."""
    from jwinteractive.simulate.rates import simulate_rates

    folder = tmp_path_factory.mktemp("programme")
    small = {"size": (96, 96), "readpatt": "DEEP8", "ngroups": 40}
    return simulate_rates(folder, 5, **small, new_hot=0.02, seed=4)


@pytest.fixture(scope="module")
def measured(programme):
    evidence = gather(programme.paths)
    return evidence, classify(evidence)


def test_each_class_with_pixels_is_a_layer_of_its_flag(measured):
    evidence, found = measured
    layers = {layer.name: layer for layer in layers_of(found, evidence, BadpixParams(hot=12.0))}
    assert set(layers) == {name for name, plane in found.items() if plane.any()}
    assert np.array_equal(layers["HOT"].selection.mask(), found["HOT"])
    assert layers["HOT"].flags == ("DO_NOT_USE", "HOT")
    assert "WARM" in USABLE
    assert layers["WARM"].flags == ("WARM",)
    assert layers["HOT"].origin.details["hot"] == 12.0
    assert layers["HOT"].origin.details["level"] in ("shallow", "medium", "deep")


def test_the_day_is_that_of_the_last_exposure(measured):
    evidence, _ = measured
    assert max(evidence.mjds) == pytest.approx(START_MJD, abs=0.5)
    assert day_of(evidence) == Time(max(evidence.mjds), format="mjd").iso[:10]


def test_layers_measured_again_keep_what_was_decided_by_hand_and_lose_what_is_gone(measured):
    evidence, found = measured
    p = BadpixParams()
    layers = layers_of(found, evidence, p)
    shape = evidence.shape
    own = Layer(name="mine", pixels=Selection.from_pixels(shape, [3], [4]), role="scene", flags=())
    mask = jwinteractive.masks.Mask.of(evidence.exposure, shape, layers=(own,))
    mask = measured_mask(mask, layers, "2024-01-01")
    mask = mask.changed("HOT", on=False).changed("WARM", flags=("WARM", "DO_NOT_USE"))
    mask = mask.changed("LOW_QE", role="scene", flags=())
    fewer = {n: plane & (np.indices(shape)[0] > 40) for n, plane in found.items() if n != "DEAD"}
    again = measured_mask(mask, layers_of(fewer, evidence, p))
    assert again["mine"].same(own)
    assert not again["HOT"].on
    assert again["HOT"].count == fewer["HOT"].sum()
    assert again["WARM"].flags == ("DO_NOT_USE", "WARM")
    assert (again["LOW_QE"].role, again["LOW_QE"].flags) == ("scene", ())
    assert "DEAD" not in again
    assert again.date == "2024-01-01"


def test_the_official_algorithm_and_the_noise_leave_each_other_alone(measured):
    evidence, found = measured
    shape = evidence.shape
    share = selfcal_layer(np.eye(*shape, dtype=bool), evidence.names, SelfcalParams())
    empty = jwinteractive.masks.Mask.of(evidence.exposure, shape)
    mask = measured_mask(empty, (share,))
    mask = measured_mask(mask, layers_of(found, evidence, BadpixParams()))
    assert mask["badpix_selfcal"].count == min(shape)
    mask = measured_mask(mask, (share.replace(pixels=Selection.none(shape)),))
    assert mask["badpix_selfcal"].count == 0
    assert "HOT" in mask


def test_raw_exposures_are_measured_without_the_mask_made_of_them(tmp_path):
    from jwinteractive.simulate import simulate

    paths = [
        simulate(
            "nircam",
            size=(48, 48),
            readpatt="DEEP8",
            ngroups=12,
            seed=seed,
            detector_seed=1,
            scene_seed=2,
            new_hot=0.05,
        ).write(tmp_path, f"jw99999001001_02101_{seed:05d}_nrca1")
        for seed in range(1, 4)
    ]
    session = jwinteractive.open(paths)
    first = gather(session)
    p = BadpixParams(significance=3.5, hot=3.0)
    found = classify(first, p)
    session.use_mask(measured_mask(session.mask(), layers_of(found, first, p)))
    assert session.mask()["HOT"].count > 2
    again = gather(session)
    np.testing.assert_array_equal(again.rate, first.rate)
    assert np.isnan(session.run("ramp_fit").data[found["HOT"]]).all()
