"""`refpix` on IRS2 frames: the official step, the clock of every sample, simulated truth."""

import numpy as np
import pytest

import jwinteractive
from jwinteractive.data import Box, Ramp
from jwinteractive.errors import InputError, StepError
from jwinteractive.io import open_product
from jwinteractive.irs2 import FAST, ROW, Interleaved, Mapped, order, science_rows
from jwinteractive.kernels.irs2 import bad_references, table_references
from jwinteractive.references import Irs2Ref
from jwinteractive.simulate import simulate
from jwinteractive.step import Whole, registry
from jwinteractive.steps.detector.refpix import RefpixParams, measure_refpix
from jwinteractive.testing import example_exposure

STEP = registry["refpix"]
QUIET = {
    "sky": 0.0,
    "picture_frame": 0.0,
    "cosmic_rays": 0.0,
    "snowballs": 0.0,
    "alternating": 0.0,
    **dict.fromkeys(("hot", "dead", "low_qe", "open", "telegraph"), 0.0),
}


def ramp_of(folder, raw, detector="NRS1", **changes):
    """Ramp of raw frames [nint, ngroup, 3200, nx] of whole numbers, in a file as FITS has them."""
    path = folder / "frames.bin"
    (raw - 32768).astype(">i2").tofile(path)
    frames = Interleaved(Mapped(str(path), 0, ">i2", raw.shape, 32768.0), detector, unread=True)
    nint, ngroup, _, nx = raw.shape
    exposure = example_exposure(
        "NIRSPEC",
        detector=detector,
        readpatt="NRSIRS2RAPID",
        subarray="FULL",
        nints=nint,
        ngroups=ngroup,
        xstart=1,
        ystart=1,
        **changes,
    )
    shape = (nint, ngroup, 2048, nx)
    return Ramp(
        exposure=exposure,
        data=np.broadcast_to(np.float32(np.nan), shape),
        groupdq=np.zeros(shape, np.uint8),
        pixeldq=np.zeros(shape[-2:], np.uint32),
        zero=32768.0,
        interleaved=frames,
    )


def measured(ramp, irs2, **params):
    whole = Whole(ramp.exposure, ramp.covers, lambda box: ramp.crop(box).native())
    return measure_refpix(whole, RefpixParams(**params), irs2)


def applied(ramp, model):
    return STEP(ramp.native(), RefpixParams(), {"irs2": None, "sirs": None}, model)


def weights(nx, alpha, beta):
    """Reference of weights that are functions of the frequency in cycles a clock."""
    f = np.fft.rfftfreq(ROW * nx)
    every = [np.stack([w(f) * (1 + 0.1 * k) for k in range(4)]) for w in (alpha, beta)]
    a, b = (w.astype(np.complex64) for w in every)
    return Irs2Ref(alpha=a, beta=b, bad=np.zeros((0, 3), np.int64))


def noise(shape, seed=1):
    rng = np.random.default_rng(seed)
    return rng.normal(10000, 10, shape).round()


def nothing(f):
    return np.zeros(f.size)


def slow(f):
    return 2.5 / (1 + (f / 0.004) ** 2) * np.exp(2j * f)


def test_rows_of_a_frame_are_read_at_the_clocks_worked_by_hand():
    found = order("NRS1")
    # first amplifier: 8 pixels, a jump, references 9 to 12, a jump, the next pixel at 14
    np.testing.assert_array_equal(found.tick[640:653], [0, 1, 2, 3, 4, 5, 6, 7, 9, 10, 11, 12, 14])
    np.testing.assert_array_equal(found.reference[640:653].nonzero()[0], [8, 9, 10, 11])
    assert found.tick[1279] == 703  # the last of 640 samples after 64 jumps
    # its neighbour and the reference output are read the other way
    assert found.tick[1280] == found.tick[0] == 703
    assert found.output[1280] == 2
    assert len(science_rows("NRS1")) == 2048
    turned = order("NRS2")
    np.testing.assert_array_equal(turned.tick, found.tick[::-1])
    assert turned.backwards
    assert not found.backwards


@pytest.mark.parametrize("detector", ["NRS1", "NRS2"])
@pytest.mark.parametrize("late", [-1, 0, 1])
def test_a_sinusoid_is_gone_only_if_every_clock_is_right(tmp_path, detector, late):
    nx, period = 64, 890.0  # clocks: neither of rows nor of the frame
    found = order(detector)
    column = np.arange(nx)[:: -1 if found.backwards else 1]
    clock = ROW * column + found.tick[:, None]
    # the reference output is early by a clock where `late`: then a residue must be left
    clock = clock + late * (found.output[:, None] == 0)
    wave = 2000 * np.sin(2 * np.pi * np.round(ROW * nx / period) / (ROW * nx) * clock)
    raw = 20000 + np.stack([wave, -wave])[None].round()
    model = measured(ramp_of(tmp_path, raw, detector), weights(nx, np.ones_like, nothing))
    ramp = ramp_of(tmp_path, raw, detector)
    # weights of other amplifiers than the first are 1.1, 1.2, 1.3: look at the first
    first = found.output[science_rows(detector)] == 1
    left = applied(ramp, model).data[..., first, :] - 20000
    residue = left[..., 4:-4].std()
    # a clock too early or too late leaves the sinusoid's change in a clock
    change = 2000 / np.sqrt(2) * 2 * np.pi / period
    assert residue < 0.5 if late == 0 else residue == pytest.approx(change, rel=0.02)


def test_a_constant_offset_of_a_group_is_a_line_and_goes_everywhere(tmp_path):
    raw = np.full((1, 3, FAST, 16), 1000.0)
    raw += np.array([-5, 0, 5])[:, None, None]
    ramp = ramp_of(tmp_path, raw)
    model = measured(ramp, weights(16, nothing, nothing))
    np.testing.assert_allclose(applied(ramp, model).data, 1000, atol=1e-3)


def test_one_group_says_nothing_and_stays(tmp_path):
    raw = noise((1, 1, FAST, 16))
    ramp = ramp_of(tmp_path, raw)
    after = applied(ramp, measured(ramp, weights(16, slow, slow)))
    np.testing.assert_array_equal(after.data, raw[:, :, science_rows("NRS1")])


@pytest.mark.parametrize("detector", ["NRS1", "NRS2"])
def test_a_box_gives_the_same_numbers_as_the_whole(tmp_path, detector):
    ramp = ramp_of(tmp_path, noise((2, 2, FAST, 64)), detector)
    model = measured(ramp, weights(64, slow, slow))
    whole = applied(ramp, model)
    assert np.isfinite(whole.data).all()
    for box in (Box(500, 530, 3, 40), Box(0, 2048, 63, 64), Box(2047, 2048, 0, 64)):
        part = applied(ramp.crop(box), model)
        np.testing.assert_array_equal(part.data, whole.crop(box).data)


def test_intermittent_references_are_found_and_replaced_as_worked_by_hand(tmp_path):
    raw = noise((2, 3, FAST, 64))
    raw[1, 2, 648 + 20 * 3] += 400  # flickers once, with its partner
    raw[:, :, 1288] += 50  # the first block of the next amplifier: only later ones are near
    frames = ramp_of(tmp_path, raw).interleaved
    bad, sources = bad_references(frames, 8.0)
    assert np.flatnonzero(bad).tolist() == [708, 709, 1288, 1289]
    assert sources[708].tolist() == [688, 728]  # the same place of the blocks before and after
    assert sources[1288].tolist() == [1308, 1308]
    table_references("NRS1", np.array([[1, 2, 1 << 3]]), bad, sources)
    assert sources[710].tolist() == [690, 730]
    # all blocks: what is left is the other parity, which is good but for block 3
    table_references("NRS1", np.array([[1, 2, 0xFFFFFFFF]]), bad, sources)
    assert sources[650 + 20 * 5].tolist() == [648 + 20 * 5] * 2


def test_a_reference_replaced_spoils_no_pixel(tmp_path):
    quiet = np.full((1, 2, FAST, 64), 1000.0)
    broken = noise(quiet.shape)
    broken[:, 1, 648 + 60 : 650 + 60] += 5000
    ramp = ramp_of(tmp_path, broken)
    irs2 = weights(64, nothing, slow)
    good = measured(ramp, irs2, ovr_corr_mitigation_ftr=6.0)
    spoilt = measured(ramp, irs2, ovr_corr_mitigation_ftr=100.0)
    rows = slice(0, 512)
    before = broken[:, :, science_rows("NRS1")][:, :, rows]
    # white noise is only little changed, a bright reference is spread over its neighbours
    assert np.std(applied(ramp, good).data[:, :, rows] - before) < 6
    assert np.std(applied(ramp, spoilt).data[:, :, rows] - before) > 50


def test_frames_that_lost_their_references_and_weights_of_others_are_refused(tmp_path):
    ramp = ramp_of(tmp_path, noise((1, 2, FAST, 16)))
    with pytest.raises(StepError, match="give a reference of such frames"):
        measured(ramp, weights(32, slow, slow))
    alone = ramp.native().replace(interleaved=None)
    with pytest.raises(StepError, match="open the uncal file"):
        measured(alone, weights(16, slow, slow))
    with pytest.raises(StepError, match="needs a refpix reference"):
        measured(ramp, None)


def test_a_simulated_exposure_comes_near_its_white_noise_and_keeps_its_frames(tmp_path):
    made = simulate("nirspec-irs2", size=(2048, 128), ngroups=4, keep_components=True, **QUIET)
    assert made.data.shape == (1, 4, FAST, 128)
    path = made.write(tmp_path)
    opened = open_product(path).product
    assert opened.shape == (2048, 128)
    box = Box(100, 140, 5, 60)
    pixels = made.data[:, :, science_rows("NRS1")]
    np.testing.assert_array_equal(opened.crop(box).native().data, pixels[:, :, 100:140, 5:60])
    np.testing.assert_array_equal(opened.native().data, pixels)
    session = jwinteractive.open(path)
    before, after = session.run("superbias"), session.run("refpix")
    wandering = made.truth.components["correlated"].astype(np.float64)
    wandering -= wandering.mean(axis=1, keepdims=True)
    found = before.data - after.data
    # what is left is faster than references come, or as small as their white noise
    assert np.std(wandering - found) < 0.8 * np.std(wandering)
    low = [
        np.std(each.reshape(1, 4, 4, 512, 128).mean(axis=3))
        for each in (wandering, wandering - found)
    ]
    assert low[1] < 0.6 * low[0]
    rate = session.run()
    assert rate.shape == (2048, 128)
    written = session.write(tmp_path / "out")
    assert open_product(written[0]).product.shape == (2048, 128)


def test_without_a_reference_weights_of_usual_noise_do_nearly_as_well(tmp_path):
    made = simulate("nirspec-irs2", size=(2048, 128), ngroups=4, keep_components=True, **QUIET)
    path = made.write(tmp_path)
    for name in tmp_path.glob("*_refs/*refpix*"):
        name.unlink()
    session = jwinteractive.open(path)
    assert session.sources()["refpix"].startswith("nominal")
    found = session.run("superbias").data - session.run("refpix").data
    wandering = made.truth.components["correlated"].astype(np.float64)
    wandering -= wandering.mean(axis=1, keepdims=True)
    assert np.std(wandering - found) < 0.8 * np.std(wandering)


def test_a_packed_file_is_refused_with_a_way_out(tmp_path):
    import gzip

    made = simulate("nirspec-irs2", size=(2048, 16), ngroups=2, **QUIET)
    with made.uncal() as model:
        model.save(tmp_path / "a_uncal.fits")
    packed = tmp_path / "b_uncal.fits.gz"
    packed.write_bytes(gzip.compress((tmp_path / "a_uncal.fits").read_bytes(), 1))
    with pytest.raises(InputError, match="unpack the file first"):
        open_product(packed)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("detector", ["NRS1", "NRS2"])
def test_equals_the_official_step_on_whole_frames(tmp_path, detector):
    pytest.importorskip("jwst")
    raw = noise((1, 2, FAST, 2048)) + np.array([0.0, 9.0])[:, None, None]
    places = np.flatnonzero(order(detector).reference)
    raw[:, 1, places[40]] += 300
    raw[..., places[[301, 421, 425]], :] += 90
    irs2 = weights(2048, lambda f: 0.3 / (1 + (f / 0.002) ** 2) * np.exp(30j * f), slow)
    table = np.array([[1, 1, 5], [2, 2, 1 << 7], [4, 1, 1 << 31]])
    irs2 = Irs2Ref(alpha=irs2.alpha, beta=irs2.beta, bad=table)
    ramp = ramp_of(tmp_path, raw, detector)
    model = measured(ramp, irs2)
    ours = applied(ramp, model)
    assert len(model.replaced) > 8
    pixels = raw[:, :, science_rows(detector)].astype(np.float32)
    # pixels that equal their mean are taken for missing by the official line, and get none
    seen = pixels != pixels.mean(axis=1, keepdims=True, dtype=np.float64)
    theirs = official(raw.astype(np.float32), detector, irs2)
    assert np.abs(ours.data - theirs)[seen].max() < 2e-3  # two steps of float32 at this level
    # the true signal has no offset of 9 DN between the groups: theirs leaves it at these pixels
    truth = pixels - np.array([-4.5, 4.5], np.float32)[:, None, None]
    ours_off, theirs_off = (
        np.abs((each - truth)[:, 1][~seen[:, 1]].mean()) for each in (ours.data, theirs)
    )
    assert ours_off < 0.2
    assert theirs_off > 4


def official(raw, detector, irs2):
    """Result of the official step's functions on raw frames, float32 [nint, ngroup, y, x]."""
    from jwst.refpix.refpix_step import RefPixStep

    from jwinteractive.bench.irs2 import official_models

    model, reference = official_models(raw, detector, irs2)
    step = RefPixStep()
    step.override_refpix = reference
    return np.array(step.process(model).data)


def test_averaged_frames_are_measured_as_scaled_and_a_kept_ramp_finds_its_frames_again(tmp_path):
    quiet = {**QUIET, "readpatt": "NRSIRS2", "ngroups": 3, "keep_components": True}
    made = simulate("nirspec-irs2", size=(2048, 64), **quiet)
    path = made.write(tmp_path)
    first = jwinteractive.open(path, store=tmp_path / "kept")
    before = first.run("superbias")
    assert before.interleaved.scale == pytest.approx(8 / 5)
    again = jwinteractive.open(path, store=tmp_path / "kept")
    after = again.run("refpix")
    assert again.run("superbias").interleaved == before.interleaved
    found = before.data - after.data
    wandering = made.truth.components["correlated"].astype(np.float64)
    wandering -= wandering.mean(axis=1, keepdims=True)
    # 8 / 5 times as much, or as little, would do harm
    assert np.std(wandering - found) < 0.7 * np.std(wandering)
