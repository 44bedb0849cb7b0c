"""Simulated programmes: exposures of one detector and scene, defects newer than references."""

import numpy as np
import pytest
from astropy.io import fits

from jwinteractive import dq
from jwinteractive.simulate import simulate
from jwinteractive.simulate.rates import simulate_rates

SMALL = {"size": (64, 72), "ngroups": 6, "cosmic_rays": 0.0}
ONE = {"detector_seed": 7, "scene_seed": 9}


def test_exposures_of_one_detector_share_pixels_and_references_but_not_noise():
    first, second = (simulate("nircam", seed=s, **ONE, **SMALL) for s in (1, 2))
    for name in ("gain", "qe", "dark", "bias", "well", "dq"):
        assert np.array_equal(getattr(first.pixels, name), getattr(second.pixels, name)), name
    for name in ("dark", "superbias", "mask"):
        one, two = (np.asarray(e.references[name].dq) for e in (first, second))
        assert np.array_equal(one, two)
    assert np.array_equal(first.references["dark"].data, second.references["dark"].data)
    assert np.array_equal(first.truth.rate, second.truth.rate)
    assert not np.array_equal(first.data, second.data)


def test_without_these_seeds_the_seed_decides_all():
    first, second = (simulate("nircam", seed=s, **SMALL) for s in (1, 2))
    assert not np.array_equal(first.pixels.gain, second.pixels.gain)
    assert not np.array_equal(first.truth.rate, second.truth.rate)
    again = simulate("nircam", seed=1, detector_seed=1, scene_seed=1, **SMALL)
    assert np.array_equal(again.data, first.data)


def test_a_dither_moves_the_scene_and_nothing_else():
    plain = {"crowding": 2000.0, "galaxies": 1, "sources": ((20.0, 30.0, 500.0),)}
    plain |= {"dead": 0.0, "open": 0.0, "low_qe": 0.0}  # they stay where they are
    still = simulate("nircam", seed=1, **ONE, **SMALL, **plain)
    moved = simulate("nircam", seed=1, **ONE, **SMALL, **plain, dither=(3.0, -2.0))
    light = [
        e.truth.rate * e.pixels.gain / np.where(e.pixels.qe > 0, e.pixels.qe, np.nan)
        for e in (still, moved)
    ]
    inner = np.s_[10:-10, 10:-10]
    assert np.allclose(
        np.roll(light[0], (-2, 3), (0, 1))[inner], light[1][inner], equal_nan=True, rtol=0.02
    )
    assert np.allclose(moved.truth.catalogue["x"], still.truth.catalogue["x"] + 3)
    with moved.uncal() as model:
        assert model.meta.dither.x_offset == pytest.approx(3 * 0.031)


def test_a_slit_stays_while_its_source_moves():
    settings = {"size": (128, 128), "ngroups": 2, "cosmic_rays": 0.0}
    still = simulate("nirspec", seed=1, **ONE, **settings)
    moved = simulate("nirspec", seed=1, **ONE, **settings, dither=(0.0, 4.0))
    profiles = [e.truth.rate.sum(axis=1) for e in (still, moved)]
    assert not np.allclose(*profiles)
    lit = [p > 0.5 * np.median(p) for p in profiles]
    assert (lit[0] == lit[1]).mean() > 0.9


def test_new_defects_are_unknown_to_the_references_and_change_no_other_pixel():
    old = simulate("nircam", seed=3, **SMALL)
    new = simulate("nircam", seed=3, **SMALL, new_hot=0.02, rc=0.02, bent=0.02)
    there = new.pixels.dq != old.pixels.dq
    assert 0.03 < there.mean() < 0.09
    assert not new.truth.known[there].any()
    assert np.array_equal(new.references["dark"].data, old.references["dark"].data)
    assert np.array_equal(new.references["mask"].dq, old.references["mask"].dq)
    assert np.array_equal(new.pixels.dark[~there], old.pixels.dark[~there])
    hot = there & (new.pixels.dq == dq.HOT)
    assert (new.pixels.dark[hot] > new.pixels.reference_dark[hot]).all()
    for flag, plane in ((dq.RC, new.pixels.inflow), (dq.NONLINEAR, new.pixels.bend)):
        assert np.array_equal(plane > 0, there & (new.pixels.dq == flag))


def test_charge_flows_in_after_the_reset_and_bent_ramps_turn_upwards():
    quiet = {"poisson": False, "read_noise": 0.0, "one_over_f_common": 0.0, "one_over_f_amp": 0.0}
    quiet |= {"alternating": 0.0, "ktc": 0.0, "nonlinearity": 0.0, "telegraph": 0.0, "hot": 0.0}
    settings = SMALL | {"ngroups": 12, "readpatt": "DEEP8", "snowballs": 0.0}
    made = simulate("nircam", seed=3, rc=0.02, bent=0.02, **settings, **quiet)
    steps = np.diff(made.data[0].astype(float), axis=0)
    flow, bent = made.pixels.inflow > 300, made.pixels.bend > 0.06  # more than is rounded off
    assert (steps[0] > steps[-1])[flow].mean() > 0.9
    assert (steps[0] < steps[-1])[bent].mean() > 0.9
    seconds = made.window.group_time * 11 + made.window.frame_time * 4.5
    y, x = np.argwhere(flow)[np.argmax(made.pixels.inflow[flow])]
    rise = made.data[0, -1, y, x] - made.pixels.bias[y, x]
    light = made.truth.rate[y, x] + made.pixels.dark[y, x] / made.pixels.gain[y, x]
    fold = made.pixels.inflow_time[y, x]
    charge = made.pixels.inflow[y, x] * (1 - np.exp(-seconds / fold)) / made.pixels.gain[y, x]
    assert rise == pytest.approx(light * seconds + charge, abs=2.0)


def test_days_pass_between_exposures():
    later = simulate("nircam", seed=1, day=100.5, **SMALL)
    with later.uncal() as model:
        assert model.meta.exposure.start_time == pytest.approx(60370.5 + 100.5)


def test_rates_without_ramps_have_the_noise_that_they_say(tmp_path):
    made = simulate_rates(
        tmp_path,
        12,
        size=(100, 120),
        seed=2,
        crowding=0.0,
        galaxies=0,
        telegraph=0.0,
        unknown_bad=1.0,
        reach=0.0,
    )
    rates, errors = ([fits.getdata(p, n) for p in made.paths] for n in ("SCI", "ERR"))
    good = made.pixels.dq == 0
    pulls = (np.array(rates) - np.mean(rates, axis=0)) / np.array(errors)
    assert np.std(pulls[:, good]) == pytest.approx(np.sqrt(11 / 12), abs=0.01)
    expected = (0.3 * made.pixels.qe / made.pixels.gain)[good]
    assert np.mean(np.mean(rates, axis=0)[good] - expected) == pytest.approx(0.0, abs=0.01)


def test_rates_of_one_seed_are_the_same(tmp_path):
    one, two = tmp_path / "one", tmp_path / "two"
    for folder in (one, two):
        folder.mkdir()
        simulate_rates(folder, 2, size=(32, 32), seed=2)
    for path in one.iterdir():
        assert path.read_bytes() == (two / path.name).read_bytes()
