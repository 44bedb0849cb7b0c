"""Simulated exposures obey the statistics they were asked for, and tell the truth."""

import asdf
import numpy as np
import pytest
from numpy.polynomial.polynomial import polyval
from stdatamodels.jwst import datamodels

from jwinteractive import dq
from jwinteractive.errors import InputError
from jwinteractive.simulate import MODES, Settings, simulate
from jwinteractive.simulate.hits import cosmic_rays
from jwinteractive.simulate.modes import settings_for
from jwinteractive.simulate.noise import PinkStream
from jwinteractive.simulate.window import window

NO_DEFECTS = {"hot": 0.0, "dead": 0.0, "low_qe": 0.0, "open": 0.0, "telegraph": 0.0}
NO_EVENTS = {"cosmic_rays": 0.0, "snowballs": 0.0}
NO_STRIPES = {"one_over_f_common": 0.0, "one_over_f_amp": 0.0, "alternating": 0.0}
NO_SCENE = {"crowding": 0.0, "galaxies": 0}
NO_MIRI = {"reset": 0.0, "rscd": 0.0, "last_frame": 0.0, "emi": 0.0}
QUIET = {**NO_DEFECTS, **NO_EVENTS, **NO_STRIPES, **NO_SCENE, "ktc": 0.0, "reference_noise": 0.0}
NOISELESS = {**QUIET, "poisson": False, "read_noise": 0.0}


def corrected(exposure):
    """Ramp in DN after bias, linearity and dark by the exposure's own references, float64."""
    refs = exposure.references
    ramp = exposure.data.astype(np.float64)
    if "superbias" in refs:
        ramp -= refs["superbias"].data
    else:
        ramp -= refs["reset"].data[: exposure.settings.nints]
    coeffs = np.asarray(refs["linearity"].coeffs, np.float64)
    ramp = polyval(ramp, coeffs, tensor=False)
    dark = refs["dark"].data
    return ramp - (dark[: exposure.settings.nints] if dark.ndim == 4 else dark)


def plain_slope(ramp, group_time):
    """Unweighted slope [ny, nx] of a ramp [ngroup, ny, nx]."""
    t = np.arange(ramp.shape[0]) * group_time
    t -= t.mean()
    return np.einsum("g,gyx->yx", t, ramp) / (t**2).sum()


def test_the_photon_transfer_curve_gives_the_gain_within_one_per_cent():
    flat = {"nonlinearity": 0.0, "flat": 0.0, "gain_scatter": 0.0}
    sim = simulate(size=(512, 512), ngroups=2, sky=2000.0, **flat, **QUIET, seed=3)
    science = ~sim.pixels.reference
    pair = (sim.data[0, 1].astype(float) - sim.data[0, 0])[science]
    read = 2 * (sim.pixels.read_noise / sim.pixels.gain)[science].mean() ** 2
    # rounding adds 1/12 DN^2 to each read
    gain = pair.mean() / (pair.var() - read - 1 / 6)
    assert gain == pytest.approx(sim.pixels.gain[science].mean(), rel=0.01)


def test_the_difference_of_two_dark_reads_has_the_noise_of_the_reference_within_two_per_cent():
    sim = simulate(size=(256, 256), ngroups=2, sky=0.0, **QUIET, seed=4)
    pair = sim.data[0, 1].astype(float) - sim.data[0, 0]
    expected = sim.references["readnoise"].data.mean()
    assert pair.std() == pytest.approx(expected, rel=0.02)


def test_averaging_frames_lowers_the_noise_by_their_root():
    one = simulate(size=(128, 128), ngroups=2, sky=0.0, **QUIET)
    eight = simulate("nircam-deep8", size=(128, 128), ngroups=2, sky=0.0, **QUIET)
    noise = [np.diff(s.data[0].astype(float), axis=0).std() for s in (one, eight)]
    assert noise[0] / noise[1] == pytest.approx(np.sqrt(8), rel=0.03)


def test_the_power_of_stripe_noise_falls_as_one_over_frequency():
    stream = PinkStream(3.0, np.random.SeedSequence(3))
    n = 2**17
    power = np.zeros(n // 2 + 1)
    for _ in range(8):
        line = stream.take(n).astype(float)
        power += np.abs(np.fft.rfft((line - line.mean()) * np.hanning(n))) ** 2
    frequency = np.arange(power.size) / n
    edges = np.logspace(-4, np.log10(0.25), 20)
    band = np.digitize(frequency, edges)
    rows = [(frequency[band == k].mean(), power[band == k].mean()) for k in range(1, 20)]
    slope = np.polyfit(*np.log10(rows).T, 1)[0]
    assert slope == pytest.approx(-1.0, abs=0.1)


def test_stripe_noise_goes_on_over_the_time_between_frames():
    # the correlation of two frames falls as more clocks pass between them
    def step(gap):
        total = 0.0
        for k in range(40):
            stream = PinkStream(1.0, np.random.SeedSequence(k))
            first = stream.take(2000).mean()
            stream.skip(gap)
            total += (stream.take(2000).mean() - first) ** 2
        return total

    assert step(100) < 0.5 * step(10_000_000)


def test_cosmic_rays_come_at_the_asked_rate_and_hit_seven_pixels_each():
    chosen = settings_for("nircam", {"size": (512, 512)})
    frames = 3000
    geometry = window(chosen)
    found = cosmic_rays(chosen, geometry, frames, np.random.default_rng(1))
    area = (512 * 18e-4) ** 2
    expected = 3.3 * area * frames * geometry.frame_time
    starts = found[found["electrons"] > 11.5]
    # every ray leaves its own frame and place: separate them by their brightest pixel's patch
    order = np.lexsort((starts["x"], starts["y"], starts["frame"]))
    rows = starts[order]
    apart = (np.diff(rows["frame"]) != 0) | (np.diff(rows["y"]) > 1)
    rays = 1 + np.count_nonzero(apart)
    # rays that overlap in rows of one frame merge here: allow 3 % plus three Poisson errors
    assert rays == pytest.approx(expected, rel=0.03 + 3 / np.sqrt(expected))
    assert starts.size / expected == pytest.approx(7.0, abs=1.0)


def test_the_same_seed_gives_the_same_exposure_whatever_the_threads():
    one = simulate(size=(96, 80), ngroups=3, seed=7, threads=1)
    two = simulate(size=(96, 80), ngroups=3, seed=7, threads=3)
    other = simulate(size=(96, 80), ngroups=3, seed=8)
    assert np.array_equal(one.data, two.data)
    assert np.array_equal(one.truth.jumps, two.truth.jumps)
    assert not np.array_equal(one.data, other.data)


@pytest.mark.parametrize("mode", ["nircam", "niriss", "nirspec", "miri", "miri-slowr1"])
def test_a_noiseless_ramp_gives_back_the_true_rate(mode):
    off = {**NOISELESS, **({"rscd": 0.0, "last_frame": 0.0, "emi": 0.0} if "miri" in mode else {})}
    sim = simulate(mode, size=(64, 64), ngroups=6, sources=((30.0, 40.0, 900.0),), **off)
    ramp = corrected(sim)[0]
    # digitising leaves 0.29 DN a group
    error = 0.3 / (sim.window.group_time * np.sqrt(17.5))
    difference = plain_slope(ramp, sim.window.group_time) - sim.truth.rate
    science = ~sim.pixels.reference
    assert abs(difference[science].mean()) < 0.1 * error
    assert np.percentile(np.abs(difference[science]), 99) < 4 * error
    peak = sim.truth.rate.max()
    at = sim.truth.rate == peak
    assert difference[at][0] == pytest.approx(0, abs=max(2e-3 * peak, 4 * error))


@pytest.mark.parametrize("readpatt", ["RAPID", "SHALLOW4"])
def test_the_dark_reference_takes_hot_pixels_away_in_every_group(readpatt):
    off = {**NOISELESS, "hot": 0.1, "nonlinearity": 0.0, "saturation": False, "sky": 0.0}
    sim = simulate(readpatt=readpatt, size=(200, 200), ngroups=4, **off)
    dark = sim.references["dark"].data
    left = corrected(sim)[0]
    assert dark.max() > 10
    # rounding leaves half a DN
    assert np.abs(left[:, ~sim.pixels.reference]).max() < 0.52


def test_a_hit_of_known_charge_appears_in_its_group():
    off = {**NOISELESS, "cosmic_rays": 10000.0, "gain_scatter": 0.0}
    sim = simulate(size=(64, 64), ngroups=8, sky=0.0, seed=2, **off)
    steps = np.diff(corrected(sim)[0], axis=0)
    truth = np.zeros(sim.data.shape)
    hits = sim.truth.jumps
    np.add.at(truth, (hits["integration"], hits["group"], hits["y"], hits["x"]), hits["electrons"])
    dark = np.diff(sim.references["dark"].data, axis=0)[:, ~sim.pixels.reference]
    assert hits.size > 50
    assert np.abs(dark).max() < 0.1
    np.testing.assert_allclose(steps, truth[0, 1:] / 2.13, atol=1.6, rtol=1e-3)


def test_charge_that_falls_into_a_gap_belongs_to_the_next_group():
    sim = simulate("nircam-deep8", size=(64, 64), ngroups=3, cosmic_rays=100.0)
    hits = sim.truth.jumps
    late = hits[hits["frame"] % 20 >= 8]
    assert late.size > 0
    assert np.array_equal(late["group"], late["frame"] // 20 + 1)
    assert hits["group"].max() <= 2


def test_a_bright_star_saturates_where_the_reference_says():
    sim = simulate(size=(64, 64), ngroups=5, sources=((32.0, 32.0, 5e7),), **QUIET)
    level = sim.references["saturation"].data
    assert (sim.data[0, :, 32, 32] >= level[32, 32])[-1]
    assert sim.data[0, -1].max() < 65535
    assert not (sim.data[0, -1, 6:12, 50:60] >= level[6:12, 50:60]).any()


def test_charge_spills_from_a_full_pixel_only_when_asked():
    common = {"size": (32, 32), "ngroups": 3, "sources": ((16.0, 16.0, 2e7),), "fwhm": 0.5}
    off = {**NOISELESS, "sky": 0.0}
    none = simulate(**common, **off, spill=0.0).data[0, -1].astype(int)
    some = simulate(**common, **off, spill=0.5).data[0, -1].astype(int)
    assert (some - none)[14:19, 14:19].max() > 1000
    assert some[16, 16] == none[16, 16]


def test_the_reference_pixels_see_no_light_but_share_the_stripes():
    sim = simulate(size=(64, 64), ngroups=4, sky=500.0, nonlinearity=0.0, keep_components=True)
    edge = sim.pixels.reference
    assert edge[:4].all()
    assert edge[:, :4].all()
    assert not edge[4:, 4:].any()
    assert sim.truth.rate[edge].max() == 0
    shared = sim.truth.components["correlated"][0, 0]
    # neighbours across the border of a row see the same slow part of the noise
    assert np.corrcoef(shared[4:, 0:4].mean(1), shared[4:, 4:12].mean(1))[0, 1] > 0.5


def test_the_parts_of_the_signal_are_kept_only_when_asked_for():
    plain = simulate(size=(32, 32), ngroups=2)
    kept = simulate(size=(32, 32), ngroups=2, keep_components=True)
    assert plain.truth.components == {}
    assert np.array_equal(plain.data, kept.data)
    assert kept.truth.components["charge"].shape == kept.data.shape
    some = simulate(size=(32, 32), ngroups=2, keep_components={"correlated", "charge"})
    assert some.truth.components.keys() == {"correlated", "charge"}
    for name, cube in some.truth.components.items():
        np.testing.assert_array_equal(cube, kept.truth.components[name])


def test_a_miri_effect_leaves_its_mark_alone():
    base = {"size": (32, 32), "ngroups": 12, "nints": 2, **NOISELESS, **NO_MIRI, "sky": 0.0}
    plain = simulate("miri", **base).data.astype(int)

    def change(**effect):
        return simulate("miri", **{**base, **effect}).data.astype(int) - plain

    reset = change(reset=40.0)[:, :, 4:, 8:].mean(axis=(2, 3))
    assert reset[0, 0] == pytest.approx(40 * np.exp(-0.25), rel=0.03)
    assert reset[1, 0] == pytest.approx(0.7 * reset[0, 0], rel=0.05)
    assert abs(reset[0, -1]) < 3
    rscd = change(rscd=40.0)[:, :, 4:, 8:].mean(axis=(2, 3))
    assert rscd[0, 0] == 0
    assert rscd[1, 0] == pytest.approx(-40, rel=0.05)
    last = change(last_frame=25.0)[0, :, :, 8]
    assert (last[:-1] == 0).all()
    assert list(last[-1, :2]) == [-25, -15]


def test_the_mains_hum_of_miri_has_the_asked_amplitude():
    base = {"size": (64, 64), "ngroups": 4, **NOISELESS, **NO_MIRI, "sky": 0.0}
    hum = simulate("miri", **{**base, "emi": 20.0}).data.astype(int)
    plain = simulate("miri", **base).data
    assert (hum - plain)[..., 4:].std() == pytest.approx(20 / np.sqrt(2), rel=0.05)


@pytest.mark.parametrize(
    ("settings", "row", "pixel", "frame"),
    [
        ({"subarray": "SUB64"}, 28, 1, 8512),
        ({"subarray": "MASK1550"}, 82, 1, 23968),
        ({"size": (32, 48), "readpatt": "SLOWR1"}, 189, 9, 32 * 189 + 992 * 7),
    ],
)
def test_the_hum_follows_the_clocks_of_the_subarray(settings, row, pixel, frame):
    sim = simulate("miri", nints=2, ngroups=3, keep_components=True, emi=5.0, **settings)
    hum = sim.truth.components["emi"]
    frequency, amplitude, phase = sim.truth.emi
    i, g, y, x = np.indices(hum.shape)
    ticks = y * row + x // 4 * pixel + g * frame + i * (3 * frame + frame)
    cycles = ticks * frequency * 1e-5 + phase
    np.testing.assert_allclose(hum, amplitude * np.sin(2 * np.pi * cycles), atol=1e-4)
    assert sim.uncal().meta.exposure.nsamples == pixel


def test_a_snowball_has_a_full_core_and_a_halo_that_is_released_slowly():
    sim = simulate(size=(256, 256), ngroups=10, **{**NOISELESS, "snowballs": 60.0}, seed=5)
    hits = sim.truth.jumps
    assert (hits["kind"] == 1).all()
    core = hits[hits["electrons"] > 2 * sim.window.detector.well]
    assert core.size > 10
    level = sim.references["saturation"].data
    assert (sim.data[0, -1, core["y"], core["x"]] >= level[core["y"], core["x"]]).all()
    halo = hits[hits["electrons"] < 1500]
    assert halo["electrons"].min() >= 1.0
    later = halo[halo["frame"] > hits["frame"].min()]
    assert later.size > 0


def test_telegraph_pixels_have_two_levels():
    off = {**NOISELESS, "telegraph": 0.02, "sky": 0.0, "gain_scatter": 0.0}
    sim = simulate(detector="NRCALONG", size=(64, 64), ngroups=40, readpatt="DEEP2", **off)
    flickers = (sim.truth.dq & dq.TELEGRAPH) > 0
    assert flickers.sum() > 20
    step = (sim.pixels.rtn_amplitude / sim.pixels.gain)[flickers]
    ramp = (corrected(sim)[0][:, flickers]) / step
    # a DEEP2 group averages two frames: a change between them leaves half a step
    away = np.abs(2 * ramp - np.rint(2 * ramp))
    assert away.max() < 0.25
    assert np.ptp(np.rint(ramp), axis=0).max() == 1


def test_coupling_moves_a_known_fraction_to_four_neighbours():
    base = {"size": (32, 32), "ngroups": 2, "fwhm": 0.3, "sources": ((16.0, 16.0, 2e6),)}
    off = {**NOISELESS, "sky": 0.0, "nonlinearity": 0.0, "saturation": False}
    with_it = corrected(simulate(**base, **off, ipc=0.01))[0, 1]
    without = corrected(simulate(**base, **off))[0, 1]
    moved = with_it - without
    assert moved[16, 17] == pytest.approx(0.01 * without[16, 16], rel=0.05)
    assert moved[16, 16] == pytest.approx(-0.04 * without[16, 16], rel=0.05)


def test_the_inverse_polynomial_for_averaged_groups_undoes_the_linearity():
    sim = simulate("nircam-deep8", size=(32, 32), ngroups=2)
    model = sim.references["linearity"]
    light = ~sim.pixels.reference
    signal = np.linspace(0, 45e3, 10)[:, None] * np.ones(light.sum())
    observed = polyval(signal, np.asarray(model.inv_coeffs, float)[:, light], tensor=False)
    again = polyval(observed, np.asarray(model.coeffs, float)[:, light], tensor=False)
    np.testing.assert_allclose(again, signal, atol=1.0)


def test_a_dead_pixel_collects_nothing_and_an_open_one_feeds_its_neighbours():
    off = {**NOISELESS, "dead": 0.01, "open": 0.003, "flat": 0.0}
    sim = simulate(size=(128, 128), ngroups=2, sky=1000.0, **off)
    rise = np.diff(corrected(sim)[0], axis=0)[0]
    clean = (sim.truth.dq == 0) & ~sim.pixels.reference
    dead, fed = (sim.truth.dq & dq.DEAD) > 0, sim.truth.dq == dq.ADJ_OPEN | dq.DO_NOT_USE
    assert np.abs(rise[dead]).max() < 1.5
    assert np.median(rise[fed]) == pytest.approx(1.25 * np.median(rise[clean]), rel=0.02)


def test_the_mask_reference_knows_every_defect_unless_told_otherwise():
    sim = simulate(size=(128, 128), ngroups=2)
    mask = np.asarray(sim.references["mask"].dq)
    assert np.array_equal(mask, sim.truth.dq)
    for flag in (dq.HOT, dq.DEAD, dq.OPEN, dq.ADJ_OPEN, dq.REFERENCE_PIXEL):
        assert (mask & flag).any(), dq.names(flag)
    new = simulate(size=(128, 128), ngroups=2, unknown_bad=1.0)
    assert not (np.asarray(new.references["mask"].dq) & dq.HOT).any()
    assert (new.truth.dq & dq.HOT).any()


def test_spectra_lie_on_their_traces():
    sim = simulate("nirspec", subarray="ALLSLITS", ngroups=2, **NOISELESS)
    trace = sim.truth.traces[0]
    for column in (300, 1024, 1800):
        row = polyval((column - 1024) / 1024, trace.y) - (sim.window.ystart - 1)
        profile = sim.truth.rate[int(row) - 6 : int(row) + 8, column]
        centre = np.average(np.arange(int(row) - 6, int(row) + 8), weights=profile)
        assert centre == pytest.approx(row, abs=0.2)
    assert sim.pixels.gain_factor == 1.43


@pytest.mark.parametrize("subarray", ["SUBSTRIP256", "SUBSTRIP96"])
def test_the_first_order_of_soss_curves_across_the_whole_strip(subarray):
    settings = {**NOISELESS, "brightest": 1e4, "flat": 0.0}
    sim = simulate("niriss-soss", subarray=subarray, ngroups=1, nints=1, **settings)
    first, second = sim.truth.traces
    light = sim.truth.rate * sim.pixels.gain
    for column in (8, 1000, 2000):
        row = polyval((column - 1024) / 1024, first.y) - (sim.window.ystart - 1)
        near = np.arange(round(row) - 20, round(row) + 21)
        assert np.average(near, weights=light[near, column]) == pytest.approx(row, abs=0.1)
        assert light[near[10:-10], column].min() > 30 * light[near[[0, -1]], column].max()
    assert light[:, 1024].sum() > 1e4
    assert second.brightness < 0.2 * first.brightness
    if subarray == "SUBSTRIP256":
        row = polyval((1500 - 1024) / 1024, second.y) - (sim.window.ystart - 1)
        assert light[round(row), 1500] > 10 * light[round(row) + 20, 1500]
    model = sim.uncal()
    assert (model.meta.exposure.type, model.meta.visit.tsovisit) == ("NIS_SOSS", True)
    assert not simulate("niriss", size=(16, 16), ngroups=1).uncal().meta.visit.tsovisit


def test_a_nebula_has_its_peak_and_structure_of_many_pixels():
    settings = {**NOISELESS, "sky": 0.0, "ngroups": 1, "size": (256, 512), "flat": 0.0}
    light = [
        (sim.truth.rate * sim.pixels.gain)[8:-8, 8:-8]
        for sim in (
            simulate(corner=(500, 500), nebula=5.0, **settings, **changes)
            for changes in ({}, {"dither": (7.0, -3.0)}, {"scene_seed": 4})
        )
    ]
    assert 4 < light[0].max() <= 5.0001
    assert light[0].min() > 0
    assert np.median(light[0]) < 0.5
    steps = np.abs(np.diff(light[0], axis=1))
    assert steps.max() < 0.6  # a star would take its whole height in a pixel or two
    np.testing.assert_allclose(light[1][:-3, 7:], light[0][3:, :-7], rtol=1e-6)
    assert abs(np.corrcoef(light[2].ravel(), light[0].ravel())[0, 1]) < 0.5


def test_two_exposures_of_one_seed_differ_by_their_1_over_f_noise_alone():
    settings = {"size": (64, 96), "ngroups": 3, "nonlinearity": 0.0, "seed": 6}
    noisy = simulate(keep_components=("correlated",), **settings)
    quiet = simulate(**settings, **NO_STRIPES)
    np.testing.assert_array_equal(noisy.truth.rate, quiet.truth.rate)
    left = noisy.data.astype(float) - quiet.data - noisy.truth.components["correlated"]
    assert np.abs(left).max() < 1  # both are rounded
    assert np.std(noisy.truth.components["correlated"] * noisy.pixels.gain) > 2


# the others differ from these by their headers, and are held by the trials of the recipes
DETECTORS = (
    "nircam", "nircam-lw", "nircam-deep8", "niriss", "niriss-soss", "nirspec", "nirspec-irs2",
    "miri", "miri-slowr1",
)  # fmt: skip


@pytest.mark.parametrize("mode", DETECTORS)
def test_every_detector_makes_a_valid_exposure_with_valid_references(mode):
    interleaved = MODES[mode].interleaved
    sim = simulate(mode, size=(2048 if interleaved else 32, 48), ngroups=2, nints=1)
    model = sim.uncal()
    model.validate()
    assert model.data.dtype == np.uint16
    assert model.data.shape == sim.data.shape == (1, 2, 3200 if interleaved else 32, 48)
    for reftype, reference in sim.references.items():
        reference.validate()
        assert reference.meta.reftype == reftype.upper()
    assert model.meta.exposure.group_time == pytest.approx(sim.window.group_time)


@pytest.mark.parametrize(
    ("mode", "detector", "name"),
    [
        ("nircam", "NRCB1", "SUB160"),
        ("nircam", "NRCB1", "SUB64P"),
        ("niriss", "NIS", "SUB80"),
        ("nirspec", "NRS1", "SUB512"),
        ("miri", "MIRIMAGE", "SUB64"),
    ],
)
def test_a_subarray_has_its_own_shape_and_corner(mode, detector, name):
    sim = simulate(mode, detector=detector, subarray=name, ngroups=2)
    meta = sim.uncal().meta.subarray
    assert sim.data.shape[2:] == (meta.ysize, meta.xsize)
    assert (meta.name, meta.xstart, meta.ystart) == (name, sim.window.xstart, sim.window.ystart)


def test_what_is_written_is_read_back(tmp_path):
    sim = simulate("miri", size=(32, 32), ngroups=3)
    path = sim.write(tmp_path, "one")
    assert path == tmp_path / "one_uncal.fits"
    with datamodels.open(path) as model:
        assert isinstance(model, datamodels.Level1bModel)
        assert np.array_equal(model.data, sim.data)
    names = {p.name for p in (tmp_path / "one_refs").iterdir()}
    suffix = dict.fromkeys(sim.references, "fits") | {"emicorr": "asdf"}
    assert names == {f"jwst_miri_{reftype}_sim.{end}" for reftype, end in suffix.items()}
    for reftype, reference in sim.references.items():
        written = tmp_path / "one_refs" / f"jwst_miri_{reftype}_sim.{suffix[reftype]}"
        with type(reference)(written) as again:
            field = {"mask": "dq", "linearity": "coeffs"}.get(reftype, "data")
            if reftype == "rscd":
                assert again.rscd_group_skip_table["group_skip"][0] == 6
            elif reftype == "emicorr":
                wave = again.frequencies.Hz390.phase_amplitudes
                np.testing.assert_array_equal(wave, reference.frequencies.Hz390.phase_amplitudes)
                assert again.subarray_cases.GENERIC.rowclocks == sim.window.row_ticks
            else:
                np.testing.assert_array_equal(getattr(again, field), getattr(reference, field))
    with asdf.open(tmp_path / "one_truth.asdf") as truth:
        assert np.array_equal(truth["rate"], sim.truth.rate)
        assert truth["settings"]["detector"] == "MIRIMAGE"
        assert truth["emi"]["phase"] == sim.truth.emi[2]


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"mode": "nircan"}, "mode = 'nircan': did you mean 'nircam'?"),
        ({"ngroup": 4}, "setting 'ngroup': unknown: did you mean 'ngroups'?"),
        ({"ngroups": 0}, "ngroups = 0: must be a whole number in [1, 1000]"),
        ({"sky": -1.0}, "sky = -1.0: must be 0 (off) or above"),
        ({"sky": float("nan")}, "sky = nan: must be 0"),
        ({"subarray": "SUB999"}, "subarray of NRCA1 = 'SUB999': unknown"),
        ({"readpatt": "FASTR1"}, "readpatt of NIRCAM = 'FASTR1': unknown"),
        ({"size": (4, 4)}, "size = (4, 4)"),
        ({"corner": (1, 1)}, "needs size"),
        ({"mode": "nirspec", "readpatt": "NRSIRS2", "size": (64, 64)}, "use (2048, 64)"),
    ],
)
def test_a_bad_setting_is_refused_in_one_line_with_a_way_out(settings, says):
    with pytest.raises(InputError) as error:
        simulate(**settings)
    assert says in str(error.value)
    assert "\n" not in str(error.value)


def test_settings_have_no_hidden_defaults_for_the_instrument():
    with pytest.raises(TypeError):
        Settings()


def official(sim, folder, *steps):
    """Run official steps with the exposure's references as overrides."""
    pytest.importorskip("jwst")
    model = datamodels.RampModel(str(sim.write(folder)))
    for make, *types in steps:
        step = make()
        for reftype in types:
            found = sim.references.get(reftype)
            override = "N/A" if found is None else found.copy()
            setattr(step, f"override_{reftype}", override)
        model = step.process(model)
        if isinstance(model, tuple):
            model = model[0]
    return model


def compare(rate, sim):
    """Check the official rates against the truth in units of their own errors."""
    good = (rate.dq == 0) & (sim.truth.dq == 0) & np.isfinite(rate.data)
    assert good.mean() > 0.7
    pull = (rate.data - sim.truth.rate)[good] / rate.err[good]
    middle = np.median(pull)
    assert abs(middle) < 0.1
    assert 1.4826 * np.median(np.abs(pull - middle)) == pytest.approx(1.0, abs=0.08)


def test_the_official_near_infrared_chain_returns_the_true_rates(tmp_path):
    pytest.importorskip("jwst")
    from jwst.dark_current import DarkCurrentStep
    from jwst.dq_init import DQInitStep
    from jwst.jump import JumpStep
    from jwst.linearity import LinearityStep
    from jwst.ramp_fitting import RampFitStep
    from jwst.refpix import RefPixStep
    from jwst.saturation import SaturationStep
    from jwst.superbias import SuperBiasStep

    sim = simulate(size=(96, 96), ngroups=6, sky=3.0, **NO_STRIPES)
    rate = official(
        sim,
        tmp_path,
        (DQInitStep, "mask"),
        (SaturationStep, "saturation", "superbias"),
        (SuperBiasStep, "superbias"),
        (RefPixStep,),
        (LinearityStep, "linearity"),
        (DarkCurrentStep, "dark"),
        (JumpStep, "gain", "readnoise"),
        (RampFitStep, "gain", "readnoise"),
    )
    compare(rate, sim)


@pytest.mark.filterwarnings("ignore:'FirstFrameStep' has been deprecated:DeprecationWarning")
def test_the_official_miri_chain_returns_the_true_rates(tmp_path):
    pytest.importorskip("jwst")
    from jwst.dark_current import DarkCurrentStep
    from jwst.dq_init import DQInitStep
    from jwst.firstframe import FirstFrameStep
    from jwst.jump import JumpStep
    from jwst.lastframe import LastFrameStep
    from jwst.linearity import LinearityStep
    from jwst.ramp_fitting import RampFitStep
    from jwst.refpix import RefPixStep
    from jwst.reset import ResetStep
    from jwst.rscd import RscdStep
    from jwst.saturation import SaturationStep

    sim = simulate("miri", size=(64, 64), ngroups=12, nints=2, **NO_STRIPES)
    rate = official(
        sim,
        tmp_path,
        (DQInitStep, "mask"),
        (SaturationStep, "saturation", "superbias"),
        (FirstFrameStep,),
        (LastFrameStep,),
        (ResetStep, "reset"),
        (LinearityStep, "linearity"),
        (RscdStep, "rscd"),
        (DarkCurrentStep, "dark"),
        (RefPixStep,),
        (JumpStep, "gain", "readnoise"),
        (RampFitStep, "gain", "readnoise"),
    )
    compare(rate, sim)


def test_the_header_of_a_series_of_images_says_where_its_star_is():
    def reference(mode, **settings):
        made = simulate(mode, size=(32, 48), nints=1, ngroups=2, **(QUIET | settings))
        info = made.uncal().meta.wcsinfo
        assert (info.siaf_xref_sci or info.crpix1) == info.crpix1
        return info.siaf_xref_sci, info.siaf_yref_sci

    star = ((20.25, 9.5, 500.0), (40.0, 20.0, 20.0))
    assert reference("nircam-tso-imaging", sources=star) == (21.25, 10.5)
    assert reference("miri-tso-imaging", sources=star, dither=(2.0, -1.0)) == (23.25, 9.5)
    ring = tuple((20 + x, 10 + y, 500.0) for x, y in ((-4, 0), (4, 0), (0, -4), (0, 4)))
    assert reference("nircam-tso-imaging", sources=ring) == (21.0, 11.0)
    assert reference("nircam-tso-imaging") == (24.5, 16.5)
    assert reference("nircam", sources=star) == (None, None)
