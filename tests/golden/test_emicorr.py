"""`emicorr` against injected waves, the official step, and its own rules."""

import time

import numpy as np
import pytest

from jwinteractive import dq
from jwinteractive.data import Box, Ramp
from jwinteractive.errors import MissingReference, ParamError, StepError
from jwinteractive.kernels.waves import by_phase, coefficients, shape
from jwinteractive.references import EmicorrRef, References
from jwinteractive.simulate import simulate
from jwinteractive.step import Whole, registry
from jwinteractive.steps.detector.emicorr import EmicorrParams, measure_emicorr
from jwinteractive.testing import example_exposure, official_model
from jwinteractive.views import Shown

emicorr = registry["emicorr"]

# (rows, columns), clocks from row to row and from frame to frame (dossier 3.10)
WINDOWS = {
    "SUB64": ((64, 72), 28, 8512),
    "SUB128": ((128, 136), 44, 11904),
    "MASK1550": ((224, 288), 82, 23968),
}
MIDDLES = (np.arange(256) + 0.5) / 256
PHASE = 0.3137


def sine(cycles):
    return np.sin(2 * np.pi * cycles)


def sharp(cycles):
    """A wave of several harmonics that swings by one."""
    wave = sine(cycles) + 0.5 * sine(2 * cycles + 0.2) + 0.3 * sine(5 * cycles + 0.6)
    return wave / 1.3946


def interference(exposure, amplitude, phase, wave=sine, frequency=390.625):
    """Signal [nint, ngroup, ny, nx] by the clocks of the subarray; one frame resets."""
    (ny, nx), row, frame = WINDOWS[exposure.subarray]
    i, g, y, x = np.ogrid[: exposure.nints, : exposure.ngroups, :ny, :nx]
    ticks = y * row + x // 4 + g * frame + i * (exposure.ngroups + 1) * frame
    return amplitude * wave((ticks * frequency * 1e-5 + phase) % 1)


def disturbed(ngroups, subarray="SUB64", nints=1, seed=1, noise=6.0, slope=30.0, **emi):
    """A ramp of straight lines, noise and interference, and the interference alone."""
    exposure = example_exposure(
        "MIRI", subarray=subarray, nints=nints, ngroups=ngroups, xstart=1, ystart=1
    )
    rng = np.random.default_rng(seed)
    size = WINDOWS[subarray][0]
    signal = interference(exposure, **({"amplitude": 4.0, "phase": PHASE} | emi))
    line = slope * rng.uniform(0.8, 1.2, size) * np.arange(ngroups)[:, None, None]
    data = (10000 + line + rng.normal(0, noise, signal.shape) + signal).astype(np.float32)
    flags = np.zeros(data.shape, np.uint8), np.zeros(size, np.uint32)
    return Ramp(exposure=exposure, data=data, groupdq=flags[0], pixeldq=flags[1]), signal


def reference(subarray="SUB64", *waves, frequencies=(390.625,)):
    _, row, frame = WINDOWS[subarray]
    shapes = np.stack([w(MIDDLES) for w in waves or (sine,)])
    return EmicorrRef(frequencies=frequencies, waves=shapes, rowclocks=row, frameclocks=frame)


def measured(ramp, ref, **params):
    whole = Whole(ramp.exposure, ramp.covers, lambda box: ramp.crop(box).native())
    return measure_emicorr(whole, EmicorrParams(**params), ref)


def ours(ramp, ref, **params):
    p = EmicorrParams(**params)
    return emicorr(ramp, p, {"emicorr": ref}, measured(ramp, ref, **params)).data


def officially(ramp, ref, **params):
    pytest.importorskip("jwst")
    from jwst.emicorr.emicorr_step import EmiCorrStep

    model = official_model(ramp, ramp.exposure)
    model.meta.exposure.nsamples = 1
    step = EmiCorrStep()
    step.override_emicorr = official_model(ref, ramp.exposure)
    for name, value in params.items():
        setattr(step, name, value)
    done = step.process(model)
    assert done.meta.cal_step.emicorr == "COMPLETE"
    return np.array(done.data)


def left(data, ramp, signal):
    """rms in DN of what a correction leaves of a signal, but for a constant of each pixel."""
    rest = data - (ramp.data - signal)
    return float((rest - rest.mean(axis=1, keepdims=True)).std())


@pytest.mark.parametrize(("ngroups", "subarray"), [(3, "MASK1550"), (10, "SUB128"), (100, "SUB64")])
def test_amplitude_and_phase_are_recovered_within_two_per_cent_and_a_hundredth(ngroups, subarray):
    ramp, _ = disturbed(ngroups, subarray, phase=0.71)
    found = measured(ramp, reference(subarray))
    assert found.amplitude[0, 0] == pytest.approx(4.0, rel=0.02)
    assert found.phase[0, 0] == pytest.approx(0.71, abs=0.01)
    assert abs(found.alone[0, 0] - 4.0) < 4 * found.alone_error[0, 0]


def test_a_noiseless_wave_is_found_exactly_and_nothing_of_it_stays():
    ramp, signal = disturbed(10, nints=3, noise=0.0, phase=0.9)
    found = measured(ramp, reference())
    np.testing.assert_allclose(found.amplitude, 4.0, rtol=1e-4)
    # 10 groups and a reset of 8512 clocks each: 33.25 cycles, so 3 / 4 of a cycle on
    np.testing.assert_allclose(found.phase[0], [0.9, 0.65, 0.4], atol=1e-4)
    assert left(ours(ramp, reference()), ramp, signal) < 2e-3  # float32 at 10 000 DN


def test_two_frequencies_do_not_disturb_each_other():
    ramp, first = disturbed(20, "SUB128", noise=0.0, wave=sharp)
    second = interference(ramp.exposure, 2.0, 0.1, frequency=218.52)
    both = ramp.replace(data=(ramp.data + second).astype(np.float32))
    ref = reference("SUB128", sharp, sine, frequencies=(390.625, 218.52))
    found = measured(both, ref)
    np.testing.assert_allclose(found.amplitude[:, 0], [4.0, 2.0], rtol=0.02)
    assert left(ours(both, ref), both, first + second) < 0.05


def test_a_strong_wave_is_out_of_the_sums_before_the_next_one_is_fitted():
    ramp, first = disturbed(6, noise=0.0, wave=sharp)
    second = interference(ramp.exposure, 0.5, 0.1, frequency=380.0)
    both = ramp.replace(data=(ramp.data + second).astype(np.float32))
    ref = reference("SUB64", sharp, sine, frequencies=(390.625, 380.0))
    # not told apart by six groups: left in the sums, the first would make the second 2 DN
    assert measured(both, ref).amplitude[1, 0] == pytest.approx(0.5, abs=0.15)
    assert left(ours(both, ref), both, first + second) < 0.2


def test_columns_beside_the_left_reference_pixels_are_not_looked_at():
    ramp, signal = disturbed(10)
    data = ramp.data.copy()
    data[..., 4:12] -= 2 * signal[..., 4:12]
    strange = measured(ramp.replace(data=data), reference())
    np.testing.assert_array_equal(strange.amplitude, measured(ramp, reference()).amplitude)


def test_the_error_that_is_told_is_the_scatter_over_many_exposures():
    found = [measured(disturbed(5, seed=s, amplitude=1.0)[0], reference()) for s in range(40)]
    pull = [(m.alone[0, 0] - 1.0) / m.alone_error[0, 0] for m in found]
    assert np.std(pull) == pytest.approx(1.0, abs=0.3)
    assert np.mean(pull) == pytest.approx(0.0, abs=0.5)


@pytest.mark.parametrize("algorithm", ["joint", "sequential"])
def test_a_wave_without_a_reference_is_measured_with_its_shape(algorithm):
    ramp, signal = disturbed(40, nints=2, wave=sharp)
    nominal = EmicorrRef.nominal(ramp.exposure, ramp.shape)
    assert nominal.waves is None
    params = {"algorithm": algorithm, "onthefly_corr_freq": "390.625", "use_n_cycles": 0}
    data = ours(ramp, nominal, **params)
    assert left(data, ramp, signal) < 0.06 * signal.std()
    found = measured(ramp, nominal, **params)
    assert found.amplitude[0, 0] == pytest.approx(4.0, rel=0.06)


def test_the_shape_is_measured_from_few_groups_where_the_official_step_leaves_half_of_it():
    ref = reference("MASK1550")
    for ngroups in (3, 5):
        ramp, signal = disturbed(ngroups, "MASK1550", wave=sharp)
        mine = left(ours(ramp, ref, onthefly_corr_freq="390.625"), ramp, signal)
        assert mine < 0.06 * signal.std()
    theirs = left(officially(ramp, ref, onthefly_corr_freq=[390.625]), ramp, signal)
    assert theirs > 5 * mine


@pytest.mark.parametrize("ngroups", [3, 10, 30])
@pytest.mark.parametrize("separately", [False, True])
def test_the_joint_fit_agrees_with_the_official_one(ngroups, separately):
    ramp, signal = disturbed(ngroups, nints=2, noise=2.0, wave=sharp)
    ref = reference("SUB64", sharp)
    mine = ours(ramp, ref, fit_ints_separately=separately)
    theirs = officially(ramp, ref, algorithm="joint", fit_ints_separately=separately)
    apart = left(mine, ramp.replace(data=theirs), 0.0)
    assert apart < 0.03 * signal.std()
    assert left(mine, ramp, signal) < left(theirs, ramp, signal) + 0.005


@pytest.mark.parametrize("onthefly", ["", "390.625"])
def test_the_sequential_fit_agrees_with_the_official_one(onthefly):
    ramp, signal = disturbed(40, nints=2, noise=2.0)
    mine = ours(ramp, reference(), algorithm="sequential", onthefly_corr_freq=onthefly)
    given = {"onthefly_corr_freq": [390.625]} if onthefly else {}
    theirs = officially(ramp, reference(), algorithm="sequential", **given)
    assert left(mine, ramp.replace(data=theirs), 0.0) < 0.08 * signal.std()
    assert left(mine, ramp, signal) < left(theirs, ramp, signal) < 0.1 * signal.std()


def test_dark_ramps_of_three_groups_keep_their_amplitude_which_the_official_cut_lowers():
    """The official step leaves out ramps by their scatter, and with them those the wave bends."""
    ramp, signal = disturbed(3, "MASK1550", slope=0.0)
    ref = reference("MASK1550")
    mine, theirs = (left(f(ramp, ref), ramp, signal) for f in (ours, officially))
    assert mine < 0.02 * signal.std()
    assert theirs > 5 * mine


def test_drifts_of_whole_groups_do_not_pass_for_the_wave():
    """A reset anomaly bends all ramps alike; where good pixels cover phases unevenly, it leaks."""
    ramp, signal = disturbed(6, "SUB64", noise=1.0)
    bent = 300 * np.exp(-np.arange(6) / 2.0)[:, None, None]
    pixeldq = ramp.pixeldq.copy()
    pixeldq[24:] = dq.DO_NOT_USE
    ramp = ramp.replace(data=(ramp.data + bent).astype(np.float32), pixeldq=pixeldq)
    mine, theirs = (left(f(ramp, reference()), ramp, signal) for f in (ours, officially))
    assert mine < 0.03 * signal.std()
    assert theirs > 0.3 * signal.std()


def test_a_slow_wave_of_unknown_shape_is_left_to_who_asks_for_it_in_small_windows():
    """A frame of SUB64 holds a fifth of a cycle of 10 Hz: a reset anomaly would pass for it."""
    ramp, _ = disturbed(20, nints=1)
    nominal = EmicorrRef.nominal(ramp.exposure, ramp.shape)
    assert nominal.frequencies == (390.625, 10.039216)
    np.testing.assert_array_equal(measured(ramp, nominal).frequency, [390.625])
    asked = measured(ramp, nominal, onthefly_corr_freq="390.625, 10.039216")
    np.testing.assert_array_equal(asked.frequency, nominal.frequencies)


def test_hits_do_not_spoil_the_fit():
    ramp, signal = disturbed(10, "SUB128", noise=3.0)
    rng = np.random.default_rng(5)
    hit = rng.random(ramp.data.shape) < 0.01
    jumps = np.cumsum(hit * rng.exponential(2000, hit.shape), axis=1)
    ramp = ramp.replace(data=(ramp.data + jumps).astype(np.float32))
    assert left(ours(ramp, reference("SUB128")), ramp, signal) < 0.03 * signal.std()


def test_a_wave_that_is_the_same_in_every_group_is_left_alone():
    """A full frame lasts 1084 periods of 390.625 Hz: a line through the groups takes it all."""
    sim = simulate("miri", size=(512, 512), ngroups=4, emi=5.0)
    exposure = example_exposure("MIRI", subarray="GENERIC", ngroups=4, frame_time=0.7424)
    data = sim.data.astype(np.float32)
    flags = np.zeros(data.shape, np.uint8), np.zeros(data.shape[2:], np.uint32)
    ramp = Ramp(exposure=exposure, data=data, groupdq=flags[0], pixeldq=flags[1])
    ref = EmicorrRef(frequencies=(390.625,), waves=sine(MIDDLES)[None])
    assert 74240 % 256 == 0
    assert ours(ramp, ref) is ramp.data or np.shares_memory(ours(ramp, ref), ramp.data)


def test_the_numbers_of_a_hand_worked_pixel():
    """Row 3, column 9 of SUB64, group 2 of integration 2: 3 rows, 2 quads, frames, a reset."""
    ramp, _ = disturbed(3, nints=2, noise=0.0, slope=0.0, phase=0.25)
    got = ours(ramp, reference())
    ticks = 3 * 28 + 2 + 8512 + 4 * 8512
    assert ramp.data[1, 1, 3, 9] - got[1, 1, 3, 9] == pytest.approx(
        4 * np.sin(2 * np.pi * (ticks / 256 + 0.25)), abs=3e-3
    )


def test_a_ramp_that_is_flagged_or_not_a_number_all_over_stays_as_it_is():
    ramp, _ = disturbed(5)
    for bad in (
        ramp.replace(pixeldq=np.full(ramp.shape, dq.DO_NOT_USE, np.uint32)),
        ramp.replace(data=np.full_like(ramp.data, np.nan)),
    ):
        for params in ({}, {"onthefly_corr_freq": "390.625"}):
            np.testing.assert_array_equal(ours(bad, reference(), **params), bad.data)


def test_pixels_that_are_not_numbers_stay_so_and_touch_no_others():
    ramp, _ = disturbed(5)
    data = ramp.data.copy()
    data[0, 2, 10:14, 30] = np.nan
    got = ours(ramp.replace(data=data), reference())
    np.testing.assert_array_equal(np.isnan(got), np.isnan(data))
    kept = ours(ramp, reference())
    assert np.nanmax(np.abs(got - kept)) < 0.1


def test_noise_without_a_wave_gets_none_where_the_shape_is_not_known():
    ramp, _ = disturbed(10, amplitude=0.0)
    assert ours(ramp, reference(), onthefly_corr_freq="390.625,10.039") is not None
    found = measured(ramp, reference(), onthefly_corr_freq="390.625")
    assert found.amplitude.max() == 0


def test_strips_and_corners_give_the_numbers_of_the_whole():
    ramp, _ = disturbed(4, "SUB128", nints=2)
    ref, p = reference("SUB128"), EmicorrParams()
    model = measured(ramp, ref)
    whole = emicorr(ramp, p, {"emicorr": ref}, model)
    box = Box(13, 40, 5, 18)
    part = emicorr(ramp.crop(box).native(), p, {"emicorr": ref}, model)
    np.testing.assert_array_equal(part.data, whole.crop(box).data)


def test_the_exposure_is_looked_at_once_in_strips_of_bounded_size():
    ramp, _ = disturbed(3, "MASK1550", nints=2)
    seen = []

    def look(box):
        seen.append(box)
        return ramp.crop(box).native()

    ref = reference("MASK1550", sine, sine, frequencies=(390.625, 218.52))
    measure_emicorr(Whole(ramp.exposure, ramp.covers, look), EmicorrParams(), ref)
    assert sorted(y for box in seen for y in range(box.y0, box.y1)) == list(range(224))
    assert max(box.shape[0] for box in seen) <= 128


def test_rates_of_few_groups_are_as_sharp_as_without_interference(miri_rates):
    few = {"nints": 1, "ngroups": 5, "sky": 300.0}
    plain, width = miri_rates(**few)
    hum = {"emi": 6.0, **few}
    cleaned, still = miri_rates(on=("emicorr",), **hum)
    _, wide = miri_rates(**hum)
    assert still == pytest.approx(width, abs=0.02)
    assert wide > width + 0.1
    assert np.abs(cleaned - plain).max() < 5e-3


def test_a_chain_with_every_effect_has_honest_errors_and_no_bias(miri_rates):
    plain, width = miri_rates(ngroups=30)
    every = {"reset": 40.0, "rscd": 40.0, "last_frame": 25.0, "emi": 2.0, "ngroups": 30}
    found, still = miri_rates(on=("emicorr",), **every)
    assert np.abs(found).max() < 5e-3
    assert np.abs(found - plain).max() < 2e-3
    assert still == pytest.approx(width, abs=0.04)
    assert still == pytest.approx(1.0, abs=0.08)


@pytest.mark.parametrize("mode", ["miri", "miri-slowr1"])
def test_a_session_finds_the_wave_of_a_simulated_exposure(mode, tmp_path):
    import jwinteractive

    quiet = {"one_over_f_common": 0.0, "one_over_f_amp": 0.0, "cosmic_rays": 100.0}
    sim = simulate(mode, size=(100, 104), ngroups=8, nints=2, emi=4.0, seed=3, **quiet)
    session = jwinteractive.open(sim.write(tmp_path))
    assert "emicorr" not in session.stale()
    session.enable("emicorr")
    found = session.glance(Box(0, 8, 0, 8), "emicorr").model
    _, amplitude, phase = sim.truth.emi
    assert session.sources()["emicorr"].startswith("simulated")
    np.testing.assert_allclose(found.amplitude, amplitude, rtol=0.02)
    assert found.phase[0, 0] == pytest.approx(phase, abs=0.01)
    session.use("emicorr", EmicorrRef(frequencies=(390.625,)))
    np.testing.assert_allclose(
        session.glance(Box(0, 8, 0, 8), "emicorr").model.amplitude, amplitude, rtol=0.03
    )


def test_the_parameter_names_a_file_that_wins_over_all_else(tmp_path):
    import jwinteractive

    sim = simulate("miri", size=(32, 48), ngroups=4)
    session = jwinteractive.open(sim.write(tmp_path))
    session.enable("emicorr")
    other = sim.references["emicorr"].copy()
    other.save(tmp_path / "mine.asdf")
    session.set("emicorr", user_supplied_reffile=str(tmp_path / "mine.asdf"))
    assert session.sources()["emicorr"] == "override: mine.asdf"
    session.run("emicorr")
    session.set("emicorr", user_supplied_reffile="absent.asdf")
    with pytest.raises(MissingReference, match="no such file"):
        session.run("emicorr")


def test_an_official_file_is_read_with_the_clocks_and_waves_of_the_subarray(tmp_path):
    exposure = example_exposure("MIRI", subarray="SUB64", readpatt="SLOWR1")
    ref = reference("SUB64", sine, sharp, frequencies=(390.625, 10.039216))
    model = official_model(ref, exposure)
    model.meta.reftype, model.meta.useafter = "emicorr", "2022-01-01T00:00:00"
    model.meta.author = model.meta.description = model.meta.pedigree = "GROUND"
    model.save(tmp_path / "emi.asdf")
    references = References(tmp_path)
    got = references.load(references.find(EmicorrRef, exposure, (64, 72)), exposure, (64, 72))
    assert (got.frequencies, got.rowclocks, got.frameclocks) == ((390.625, 10.039216), 28, 8512)
    np.testing.assert_allclose(got.waves, ref.waves)
    other, references = example_exposure("MIRI", subarray="SUB128"), References(tmp_path)
    found = references.find(EmicorrRef, other, (128, 136))
    assert references.load(found, other, (128, 136)).frequencies == ()
    (tmp_path / "wrong.asdf").write_text("no ASDF")
    with pytest.raises(MissingReference, match="cannot be read"):
        references.find(EmicorrRef, exposure, (64, 72), str(tmp_path / "wrong.asdf"))


def test_waves_of_another_number_than_the_frequencies_are_refused():
    with pytest.raises(MissingReference, match="one row of waves"):
        EmicorrRef(frequencies=(390.625,), waves=np.zeros((2, 16)))


@pytest.mark.parametrize(
    ("changes", "params", "says"),
    [
        ({"readpatt": "FASTGRPAVG"}, {}, "not FASTGRPAVG"),
        ({"ngroups": 2}, {}, "needs 3 groups"),
        ({"ngroups": 9}, {"algorithm": "sequential"}, "choose algorithm 'joint'"),
        ({"subarray": "GENERIC", "frame_time": 0.0}, {}, "no TFRAME"),
    ],
)
def test_what_cannot_be_corrected_is_skipped_with_the_reason(changes, params, says):
    exposure = example_exposure("MIRI", **changes)
    reason = emicorr.skips(exposure, EmicorrParams(**params))
    assert says in reason
    whole = Whole(exposure, Box(0, 1, 0, 1), None)
    with pytest.raises(StepError, match="leave the step out"):
        measure_emicorr(whole, EmicorrParams(**params), reference())
    assert "NIRCAM" in emicorr.skips(example_exposure("NIRCAM"), EmicorrParams())


@pytest.mark.parametrize("text", ["fast", "390.6;10", "-10", "0", "60000", "nan"])
def test_frequencies_that_are_none_are_refused(text):
    with pytest.raises(ParamError, match="parted by commas"):
        EmicorrParams(onthefly_corr_freq=text)


def test_coefficients_give_back_a_wave_wherever_its_bins_are_sampled():
    at = (np.arange(64) + 0.2) / 64
    np.testing.assert_allclose(
        shape(coefficients(sharp(at), 0.2), MIDDLES), sharp(MIDDLES), atol=1e-12
    )
    phases = np.repeat(at, 2)[None, None]
    sums = np.repeat(sharp(at), 2)[None, None]
    means, within = by_phase(sums, np.ones((1, 128)), phases, 64)
    np.testing.assert_allclose(means, sharp(at))
    assert within == pytest.approx(0.2)


def test_views_show_the_wave_the_integrations_and_the_line_that_is_gone():
    ramp, _ = disturbed(10, nints=2, wave=sharp)
    ref = reference("SUB64", sharp)
    model = measured(ramp, ref)
    after = emicorr(ramp, EmicorrParams(), {"emicorr": ref}, model)
    shown = Shown(after=after, before=ramp, model=model)
    views = {v.title: v for v in emicorr.own_views}
    data, wave = views["wave by phase"].draw(shown).curves
    np.testing.assert_allclose(data.y, np.interp(data.x, wave.x, wave.y), atol=1.0)
    alone, subtracted = views["amplitude by integration"].draw(shown).curves
    assert len(alone.x) == len(subtracted.y) == 2
    before, then = views["power spectrum"].draw(shown).curves
    line = np.argmin(np.abs(before.x - 390.625))
    near = slice(line - 1, line + 2)
    assert before.y[near].max() > 20 * np.median(before.y)
    assert then.y[near].max() < 0.1 * before.y[near].max()
    # a box that does not begin at a multiple of four columns, and one too narrow for a spectrum
    for box in (Box(0, 20, 3, 30), Box(0, 1, 0, 2)):
        small = Shown(after=after.crop(box).native(), before=ramp.crop(box).native(), model=model)
        for view in views.values():
            view.draw(small)


def test_it_is_faster_than_the_official_step(capsys):
    ramp, _ = disturbed(10, "MASK1550", nints=2)
    ref = reference("MASK1550")

    def best(run, times):
        spent = []
        for _ in range(times):
            began = time.perf_counter()
            run(ramp, ref)
            spent.append(time.perf_counter() - began)
        return min(spent)

    ours(ramp, ref)  # compiles
    ratio = best(officially, 2) / best(ours, 3)
    with capsys.disabled():
        print(f"\nemicorr 2 x 10 x 224 x 288: {ratio:.0f} times the speed of the official step")
    assert ratio > 3
