"""Statistics of pixels over exposures: hand-worked numbers, edges, and simulated truth."""

import gzip
import itertools
import resource
import shutil
import subprocess
import sys
import threading

import numpy as np
import pytest
from astropy.io import fits

from jwinteractive import dq
from jwinteractive.badpix import (
    BadpixParams,
    SelfcalParams,
    classify,
    expected_false,
    gather,
    level_of,
    mirrored,
    selfcal,
)
from jwinteractive.badpix.chance import above, median_factors, scatter_cuts, typical_scatter
from jwinteractive.errors import Cancelled, InputError, ParamError
from jwinteractive.simulate.rates import simulate_rates

NEW = {"new_hot": 0.01, "unknown_bad": 1.0, "hot": 0.0, "telegraph": 0.005, "ngroups": 40}


def rate_file(path, rate, err=1.0, flags=None, drop=(), **header):
    """Write a rate of NRCA1, or of what the header says."""
    rate = np.asarray(rate, np.float32)
    primary = fits.PrimaryHDU()
    primary.header.update(
        {
            "INSTRUME": "NIRCAM",
            "DETECTOR": "NRCA1",
            "EXP_TYPE": "NRC_IMAGE",
            "READPATT": "RAPID",
            "NGROUPS": 10,
            "NINTS": 1 if rate.ndim == 2 else len(rate),
            "TGROUP": 10.0,
            "SUBSTRT1": 1,
            "SUBSTRT2": 1,
        }
        | header
    )
    flags = np.zeros(rate.shape, np.uint32) if flags is None else flags.astype(np.uint32)
    err = np.broadcast_to(np.float32(err), rate.shape)
    planes = {"SCI": rate, "ERR": err, "DQ": flags, "VAR_RNOISE": err**2}
    planes["VAR_POISSON"] = np.zeros(rate.shape, np.float32)
    images = [fits.ImageHDU(p, name=n) for n, p in planes.items() if n not in drop]
    fits.HDUList([primary, *images]).writeto(path, overwrite=True)
    return path


def noisy(folder, count, shape=(40, 48), seed=1, **kept):
    """Rates of unit noise about 0, one file each."""
    rng = np.random.default_rng(seed)
    return [
        rate_file(folder / f"e{k}_rate.fits", rng.normal(0, 1, shape), **kept) for k in range(count)
    ]


@pytest.fixture(scope="module")
def programme(tmp_path_factory):
    """Six dithered exposures of 512 x 512, 1 % of whose pixels became hot, and their evidence."""
    folder = tmp_path_factory.mktemp("programme")
    made = simulate_rates(folder, 6, size=(512, 512), seed=3, **NEW)
    return made, gather(made.paths)


def flagged(classes, names=("HOT", "WARM", "UNRELIABLE_SLOPE")):
    return np.logical_or.reduce([classes[n] for n in names])


# -- numbers ------------------------------------------------------------------------------------


def test_median_scatter_and_level_of_one_pixel_are_those_worked_by_hand(tmp_path):
    values = [3.0, 5.0, 4.0, 9.0, 4.5]
    paths = []
    for k, value in enumerate(values):
        rate = np.full((11, 13), 2.0) + np.where(np.indices((11, 13)).sum(axis=0) % 2, 0.5, -0.5)
        rate[5, 6] = value
        paths.append(rate_file(tmp_path / f"e{k}.fits", rate, err=0.5))
    found = gather(paths, threads=1)
    sky = 1.5  # 71 of the 143 pixels lie at 2.5, 71 at 1.5, and there is the one
    assert found.skies == (sky,) * 5
    assert found.rate[5, 6] == np.float32(4.5 - sky)
    assert found.scatter[5, 6] == pytest.approx(1.4826 * 0.5)  # of 1.5, 0.5, 0.5, 4.5, 0
    assert found.level[5, 6] == 0.5  # of the ring of 16, 8 lie at 1.5 and 8 at 2.5
    deviations = np.array([1.5, 0.5, 0.5, 0.0])  # the largest, 4.5, is left out
    spread = (deviations**2).sum() / (0.5 * found.noise_factor) ** 2
    assert found.spread[5, 6] == pytest.approx(spread, rel=1e-5)
    assert found.good[5, 6] == 5


def test_chance_of_few_exposures_is_as_drawn():
    rng = np.random.default_rng(0)
    for n in (2, 5, 6, 11, 12, 18):
        x = rng.normal(size=(200_000, n))
        centre = np.median(x, axis=1)
        assert median_factors(n)[n] == pytest.approx(centre.var(), rel=0.02)
        square = (x - centre[:, None]) ** 2
        spread = square.sum(axis=1) - square.max(axis=1)
        assert typical_scatter(n)[n] == pytest.approx(np.median(spread), rel=0.03)
        beyond = (spread > scatter_cuts(n, 3.0)[n]).mean()
        assert beyond == pytest.approx(above(3.0), rel=0.25)


def test_factors_of_many_exposures_go_to_those_of_the_limit():
    n = np.arange(201)
    assert np.allclose((median_factors(200) * n)[60:], np.pi / 2, rtol=0.03)
    assert (np.diff(typical_scatter(200)[2:]) > -0.2).all()


def test_a_line_along_the_dispersion_is_the_level_of_spectra(tmp_path):
    rng = np.random.default_rng(2)
    trace = np.zeros((40, 64))
    trace[20] = 50.0  # a source along x, the same in all exposures
    paths = [
        rate_file(tmp_path / f"e{k}.fits", trace + rng.normal(0, 0.1, trace.shape), 0.1)
        for k in range(4)
    ]
    along, across = (gather(paths, dispersion=axis) for axis in (1, 2))
    assert not classify(along)["HOT"].any()
    assert np.abs(along.excess[20]).max() < 1
    assert across.excess[20].min() > 40


def test_the_header_tells_the_dispersion(tmp_path):
    spectra = {"INSTRUME": "NIRSPEC", "DETECTOR": "NRS1", "EXP_TYPE": "NRS_IFU"}
    paths = noisy(tmp_path, 2, GRATING="G140H", **spectra)
    assert gather(paths).dispersion == 1
    mrs = {"INSTRUME": "MIRI", "DETECTOR": "MIRIFUSHORT", "EXP_TYPE": "MIR_MRS"}
    assert gather(noisy(tmp_path, 2, READPATT="FASTR1", **mrs)).dispersion == 2
    assert gather(noisy(tmp_path, 2)).dispersion == 0


def test_integrations_are_averaged(tmp_path):
    rng = np.random.default_rng(3)
    cubes = rng.normal(0, 1, (3, 4, 20, 24)).astype("f4")
    cubes[0, 1, 4, 5] = np.nan
    paths = [rate_file(tmp_path / f"e{k}_rateints.fits", c, 2.0) for k, c in enumerate(cubes)]
    found = gather(paths)
    means = np.nanmean(cubes, axis=1)
    means -= np.median(means, axis=(1, 2))[:, None, None]
    assert np.allclose(found.rate, np.median(means, axis=0), atol=1e-6)
    assert np.allclose(np.delete(found.error.ravel(), 4 * 24 + 5), 1.0 * found.noise_factor)


def test_errors_that_are_too_small_are_scaled_to_the_scatter_that_there_is(tmp_path):
    found = gather(noisy(tmp_path, 8, (200, 200), err=0.5))
    assert found.noise_factor == pytest.approx(2.0, rel=0.03)


def test_noise_of_a_deeper_integration_is_less(programme):
    _, e = programme
    shot, read = e.variances
    held = e.seconds[0]
    assert e.noise_at(held) == pytest.approx(e.noise_factor * np.hypot(shot**0.5, read**0.5))
    four = e.noise_factor * np.sqrt(shot / 4 + read / 64)
    assert e.noise_at(4 * held) == pytest.approx(four)


# -- truth --------------------------------------------------------------------------------------


def test_hot_and_warm_pixels_are_found_and_no_others(programme):
    made, e = programme
    true, found = made.pixels.dq, classify(e)
    bad = true != 0
    assert np.count_nonzero(flagged(found) & ~bad) <= 2
    sure = ((true & dq.HOT) != 0) & (made.excess > 8 * np.nanmedian(e.sigma))
    usable = e.good > 1
    assert (found["HOT"] | found["WARM"])[sure & usable].mean() > 0.99
    assert not (found["HOT"] & found["WARM"]).any()


def test_the_roc_of_faint_pixels_lies_above_that_of_the_least_rate(programme):
    from jwinteractive.badpix.stack import open_rate

    made, e = programme
    rates = [open_rate(p).rows(0, 512).rate for p in made.paths]
    least = np.fmin.reduce(rates) - e.level
    true = made.pixels.dq
    faint = (true == dq.HOT) & (np.abs(made.excess / np.nanmedian(e.sigma) - 4) < 1)
    good = (true == 0) & (e.good > 1)
    for false in (1e-4, 1e-3, 1e-2):
        ours, theirs = (
            (x[faint & (e.good > 1)] > np.quantile(x[good], 1 - false)).mean()
            for x in (e.significance, least)
        )
        assert ours > 1.2 * theirs


def test_telegraph_pixels_scatter_more_than_noise(programme):
    made, e = programme
    telegraph = made.pixels.dq == dq.TELEGRAPH
    strong = telegraph & (made.pixels.rtn_amplitude > 80)
    assert classify(e)["UNRELIABLE_SLOPE"][strong].mean() > 0.75


def test_dead_and_insensitive_pixels_are_told_by_the_light_of_the_sky(tmp_path):
    more = {"unknown_bad": 1.0, "sky": 30.0, "open": 0.001, "low_qe": 0.002, "dead": 0.002}
    made = simulate_rates(tmp_path, 6, "miri", size=(256, 256), seed=5, ngroups=40, **more)
    e = gather(made.paths)
    found, true = classify(e), made.pixels.dq
    for name in ("DEAD", "LOW_QE", "OPEN", "ADJ_OPEN"):
        here = (true & dq.BITS[name]) != 0
        assert found[name][here].mean() > 0.8, name
        assert np.count_nonzero(found[name] & (true == 0)) <= 1, name
    assert "light" in e.response_from


def test_a_flat_tells_the_response_where_there_is_no_light(tmp_path):
    flat = np.ones((40, 48), np.float32)
    flat[7, 9], flat[8, 20], flat[30, 30] = 0.0, 0.4, np.nan
    path = tmp_path / "flat.fits"
    fits.HDUList([fits.PrimaryHDU(), fits.ImageHDU(flat, name="SCI")]).writeto(path)
    e = gather(noisy(tmp_path, 3), flat=path)
    found = classify(e)
    assert [tuple(p) for p in np.argwhere(found["DEAD"])] == [(7, 9)]
    assert [tuple(p) for p in np.argwhere(found["LOW_QE"])] == [(8, 20)]
    assert e.response_from == "the flat reference"
    with pytest.raises(InputError, match=r"flat.fits is \(40, 48\), the exposures are \(20, 20\)"):
        gather(noisy(tmp_path, 2, (20, 20)), flat=path)


@pytest.mark.parametrize("crowding", [60.0, 3000.0])
def test_cores_of_dithered_stars_are_not_bad(tmp_path, crowding):
    settings = NEW | {"new_hot": 0.0, "telegraph": 0.0, "dead": 0.0, "low_qe": 0.0, "open": 0.0}
    made = simulate_rates(tmp_path, 6, size=(300, 300), seed=7, crowding=crowding, **settings)
    found = classify(gather(made.paths))
    assert sum(np.count_nonzero(plane) for plane in found.values()) <= 6
    # the least of six rates would not do: a hundredth of it is made of stars
    assert np.count_nonzero(selfcal(made.paths, SelfcalParams())) > 90


def test_scatter_that_light_causes_is_told_by_that_of_the_neighbours(tmp_path):
    rng, paths = np.random.default_rng(6), []
    wide = np.ones((80, 90))
    wide[20:50, 20:50] = wide[60, 70] = 6.0
    for k in range(10):
        paths.append(rate_file(tmp_path / f"e{k}.fits", wide * rng.normal(0, 1, wide.shape)))
    found = classify(gather(paths))["UNRELIABLE_SLOPE"]
    assert found[60, 70]
    assert found[21:49, 21:49].mean() < 0.01
    found[60, 70] = False
    found[19:51, 19:51] = False  # its corners have neighbours of both kinds
    assert not found.any()


def test_stars_that_are_not_dithered_are_told_by_the_light_of_their_neighbours(tmp_path):
    settings = NEW | {"new_hot": 0.0, "telegraph": 0.0, "dead": 0.0, "low_qe": 0.0, "open": 0.0}
    made = simulate_rates(
        tmp_path, 4, size=(200, 200), seed=8, crowding=1000.0, galaxies=0, reach=0.0, **settings
    )
    found = classify(gather(made.paths))
    assert np.count_nonzero(flagged(found, ("HOT", "WARM"))) <= 2


def test_more_warm_and_telegraph_pixels_are_found_than_by_selfcal_at_equal_false_flags(programme):
    made, e = programme
    true = made.pixels.dq
    injected, good = (true & (dq.HOT | dq.TELEGRAPH)) != 0, true == 0
    for share in (0.001, 0.003, 0.005):
        theirs = selfcal(made.paths, SelfcalParams(flagfrac_lower=share, flagfrac_upper=share))
        allowed = np.count_nonzero(theirs & good)
        most = 0
        for significance in np.arange(2.5, 9, 0.25):
            p = BadpixParams(significance=float(significance), warm=0.0, unreliable=1.0)
            ours = flagged(classify(e, p))
            if np.count_nonzero(ours & good) <= allowed:
                most = max(most, np.count_nonzero(ours & injected))
        assert most >= 1.2 * np.count_nonzero(theirs & injected), share


def test_false_flags_are_as_many_as_expected(tmp_path):
    settings = NEW | {"new_hot": 0.002, "telegraph": 0.0, "crowding": 0.0, "galaxies": 0}
    settings |= {"dead": 0.0, "low_qe": 0.0, "open": 0.0}
    made = simulate_rates(tmp_path, 8, size=(1024, 1024), seed=4, **settings)
    e = gather(made.paths)
    good = made.pixels.dq == 0
    for significance in (3.0, 3.5):
        p = BadpixParams(significance=significance, warm=0.0, steady=0.0, unreliable=1.0)
        expected, found, below = expected_false(e, p), classify(e, p), mirrored(e, p)
        actual = np.count_nonzero(flagged(found, ("HOT", "WARM")) & good)
        said = expected["HOT"] + expected["WARM"]
        assert said / 1.7 < actual < 1.7 * said
        # Poisson noise is skewed: fewer are low than high
        assert actual / 2 < below["HOT"] + below["WARM"] < 1.2 * actual
        actual = np.count_nonzero(found["UNRELIABLE_SLOPE"] & good)
        assert expected["UNRELIABLE_SLOPE"] / 2 < actual < 2 * expected["UNRELIABLE_SLOPE"]


def test_levels_nest(programme):
    _, e = programme
    planes = [classify(e, BadpixParams(level=n)) for n in ("shallow", "medium", "deep")]
    for less, more in itertools.pairwise(planes):
        for names in (("HOT",), ("HOT", "WARM")):
            inner, outer = flagged(less, names), flagged(more, names)
            assert not (inner & ~outer).any()
    assert planes[0]["HOT"].sum() < planes[2]["HOT"].sum()


def test_a_lower_threshold_flags_no_fewer(programme):
    _, e = programme
    counts = [
        flagged(classify(e, BadpixParams(significance=s))).sum() for s in (8.0, 6.0, 5.0, 4.0)
    ]
    assert counts == sorted(counts)
    assert counts[0] < counts[-1]


def test_the_level_of_exposures_is_that_of_their_length(tmp_path):
    assert level_of(gather(noisy(tmp_path, 2))) == "shallow"
    assert level_of(gather(noisy(tmp_path, 2, TGROUP=100.0))) == "medium"
    assert level_of(gather(noisy(tmp_path, 2, TGROUP=200.0))) == "deep"
    miri = {"INSTRUME": "MIRI", "DETECTOR": "MIRIMAGE", "EXP_TYPE": "MIR_IMAGE"}
    for pattern, ngroups, level in (("FASTR1", 49, "shallow"), ("FASTR1", 50, "medium")):
        e = gather(noisy(tmp_path, 2, READPATT=pattern, NGROUPS=ngroups, **miri))
        assert level_of(e) == level
    assert level_of(gather(noisy(tmp_path, 2, READPATT="SLOWR1", **miri))) == "deep"


# -- edges --------------------------------------------------------------------------------------


def test_a_hit_in_one_of_two_exposures_is_no_hot_pixel(tmp_path):
    paths = noisy(tmp_path, 2, (64, 64))
    with fits.open(paths[0], mode="update") as hdus:
        hdus["SCI"].data[30, 31] = 500.0
    with fits.open(paths[0], mode="update") as one, fits.open(paths[1], mode="update") as two:
        for hdus in (one, two):
            hdus["SCI"].data[12, 13] = 500.0
    found = classify(gather(paths))
    assert [tuple(p) for p in np.argwhere(found["HOT"] | found["WARM"])] == [(12, 13)]


def test_pixels_that_are_bad_everywhere_say_nothing(tmp_path):
    flags = np.zeros((40, 48), np.uint32)
    flags[3, 4], flags[3, 5] = dq.DO_NOT_USE | dq.HOT, dq.HOT
    flags[:, 0] = dq.REFERENCE_PIXEL
    e = gather(noisy(tmp_path, 3, flags=flags))
    assert e.good[3, 4] == 0
    assert np.isnan(e.rate[3, 4])
    assert e.good[3, 5] == 3
    assert (e.good[:, 0] == 0).all()
    assert not any(plane[e.good == 0].any() for plane in classify(e).values())


def test_exposures_without_a_good_pixel_are_refused(tmp_path):
    flags = np.full((40, 48), dq.DO_NOT_USE)
    with pytest.raises(InputError, match=r"no pixel of e0_rate.fits and the others is good"):
        gather(noisy(tmp_path, 2, flags=flags))
    paths = [rate_file(tmp_path / f"n{k}.fits", np.full((20, 20), np.nan)) for k in range(3)]
    with pytest.raises(InputError, match=r"no pixel of n0\.fits"):
        gather(paths)


def test_one_exposure_that_is_all_nan_is_passed_over(tmp_path):
    paths = noisy(tmp_path, 4)
    paths.append(rate_file(tmp_path / "empty.fits", np.full((40, 48), np.nan)))
    assert (gather(paths).good == 4).mean() > 0.95


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"DETECTOR": "NRCA2"}, "b.fits has detector NRCA2, a.fits has NRCA1"),
        ({"INSTRUME": "NIRISS", "DETECTOR": "NIS"}, "b.fits has instrument NIRISS, a.fits has"),
        ({"SUBSTRT1": 9}, r"b.fits has window \(9, 1\), a.fits has \(1, 1\)"),
    ],
)
def test_exposures_of_other_pixels_are_refused(tmp_path, change, message):
    paths = [rate_file(tmp_path / "a.fits", np.zeros((20, 20)))]
    paths.append(rate_file(tmp_path / "b.fits", np.zeros((20, 20)), **change))
    with pytest.raises(InputError, match=message):
        gather(paths)


def test_other_shapes_single_exposures_and_files_without_errors_are_refused(tmp_path):
    a = rate_file(tmp_path / "a.fits", np.zeros((20, 20)))
    with pytest.raises(InputError, match=r"1 exposure \(a.fits\): .* need at least 2"):
        gather([a])
    with pytest.raises(InputError, match=r"0 exposure \(none\)"):
        gather([])
    b = rate_file(tmp_path / "b.fits", np.zeros((20, 24)))
    with pytest.raises(InputError, match=r"b.fits has shape \(20, 24\), a.fits has \(20, 20\)"):
        gather([a, b])
    c = rate_file(tmp_path / "c.fits", np.zeros((20, 20)), drop=("ERR",))
    with pytest.raises(InputError, match=r"c\.fits: has no ERR image"):
        gather([a, c])
    with pytest.raises(InputError, match="no such file"):
        gather([a, tmp_path / "none.fits"])


def test_without_variances_all_noise_falls_alike_and_that_is_said(tmp_path):
    e = gather(noisy(tmp_path, 3, drop=("VAR_POISSON", "VAR_RNOISE")))
    assert "e0_rate.fits has no variances" in e.notes[0]
    assert e.noise_at(4 * e.seconds[0]) == pytest.approx(e.noise_at(e.seconds[0]) / 2)


def test_packed_files_give_the_same(tmp_path):
    paths = noisy(tmp_path, 3)
    packed = []
    for path in paths:
        packed.append(path.with_suffix(".fits.gz"))
        with path.open("rb") as plain, gzip.open(packed[-1], "wb") as out:
            shutil.copyfileobj(plain, out)
    one, two = gather(paths), gather(packed)
    assert np.array_equal(one.significance, two.significance, equal_nan=True)


def test_more_threads_and_other_strips_give_the_same(tmp_path, monkeypatch):
    paths = noisy(tmp_path, 5, (70, 48))
    one = gather(paths, threads=1)
    monkeypatch.setattr("jwinteractive.badpix.combine._MOST", 7)
    two = gather(paths, threads=4)
    for name in ("rate", "scatter", "spread", "significance", "beside"):
        assert np.array_equal(getattr(one, name), getattr(two, name), equal_nan=True), name


def test_progress_is_told_and_cancel_stops(tmp_path):
    paths, seen = noisy(tmp_path, 2, (300, 48)), []
    gather(paths, report=seen.append)
    assert seen[-1].done == seen[-1].total > 2
    stop = threading.Event()
    stop.set()
    with pytest.raises(
        Cancelled, match=r"bad-pixel statistics \(bad pixels\): cancelled after 1 of"
    ):
        gather(paths, cancel=stop)


def test_evidence_is_read_only(tmp_path):
    e = gather(noisy(tmp_path, 2))
    with pytest.raises(ValueError, match="read-only"):
        e.rate[0, 0] = 1


def test_a_threshold_out_of_its_range_is_refused():
    with pytest.raises(ParamError, match=r"significance = 1.0: must lie in \[2, 20\] sigma"):
        BadpixParams(significance=1.0)


@pytest.mark.slow
def test_memory_does_not_grow_with_the_exposures(tmp_path):
    rng = np.random.default_rng(0)
    first = rate_file(tmp_path / "e0.fits", rng.normal(0, 1, (1024, 1024)))
    paths = [first]
    for k in range(1, 50):  # the same bytes under other names: no disk is filled
        paths.append(tmp_path / f"e{k}.fits")
        paths[-1].symlink_to(first)

    def peak(count):
        code = (
            "import resource, sys; from jwinteractive.badpix import gather; "
            "gather(sys.argv[1:], threads=2); "
            "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
        )
        command = [sys.executable, "-c", code, *map(str, paths[:count])]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        return int(done.stdout) / 1024  # MB

    assert resource.getpagesize()  # ru_maxrss is in kB on Linux
    assert peak(50) < peak(3) + 40
