"""`showers` against the official step and the simulated truth."""

import numpy as np
import pytest

from jwinteractive import dq
from jwinteractive.data import Box, Ramp
from jwinteractive.references import GainRef, ReadnoiseRef
from jwinteractive.simulate import simulate
from jwinteractive.step import Whole, registry
from jwinteractive.steps.detector.showers import ShowersParams
from jwinteractive.testing import example_exposure, official_model
from jwinteractive.views import Ellipse, Shown

J, S, D = dq.JUMP_DET, dq.SATURATED, dq.DO_NOT_USE
STEP = registry["showers"]
GAIN, NOISE, SKY = 4.0, 6.0, 10.0  # e-/DN; DN of a difference; DN a group
SIGMA = np.hypot(NOISE, np.sqrt(SKY / GAIN))  # DN of a difference
SHAPE = (110, 130)


def references(shape=SHAPE):
    return {
        "gain": GainRef(data=np.full(shape, GAIN, np.float32)),
        "readnoise": ReadnoiseRef(data=np.full(shape, NOISE, np.float32)),
    }


def field(seed, events, ngroup=20, shape=SHAPE, nint=1, **header):
    """Ramps of sky and noise with showers (integration, group, y, x, a, b, sigma): ramp, truth.

    The light of a group falls by a factor e in 5 groups; truth is in sigma of a difference.
    """
    rng = np.random.default_rng(seed)
    full = (nint, ngroup, *shape)
    truth = np.zeros(full)
    y, x = np.mgrid[: shape[0], : shape[1]]
    for i, g, y0, x0, a, b, sigma in events:
        patch = sigma * np.maximum(1 - ((y - y0) / a) ** 2 - ((x - x0) / b) ** 2, 0)
        for later in range(g, ngroup):
            truth[i, later] += patch * np.exp(-(later - g) / 5)
    light = rng.poisson(SKY * GAIN, full) / GAIN + truth * SIGMA
    data = np.cumsum(light, axis=1) + rng.normal(0, NOISE / np.sqrt(2), full)
    exposure = example_exposure(
        "MIRI",
        nints=nint,
        ngroups=ngroup,
        group_time=3.0,
        filename="jw1_mirimage",
        **header,
    )
    flags = np.zeros(full, np.uint8)
    flags[rng.random(full) < 0.003] |= J
    flags[:, -1] = D
    pixeldq = np.zeros(shape, np.uint32)
    pixeldq[:, :4] = dq.REFERENCE_PIXEL
    pixeldq[20, 30:33] = D
    ramp = Ramp(exposure=exposure, data=data.astype(np.float32), groupdq=flags, pixeldq=pixeldq)
    return ramp, truth


def measured(ramp, **params):
    p = ShowersParams(**params)
    whole = Whole(ramp.exposure, ramp.covers, lambda box: ramp.crop(box).native())
    return p, STEP.learn(whole, p, references(ramp.shape))


def ours(ramp, **params):
    p, model = measured(ramp, **params)
    return STEP(ramp, p, references(ramp.shape), model)


def officially(ramp, **params):
    """The official step's flags without its search for jumps, which never finds one here."""
    pytest.importorskip("jwst")
    from jwst.jump import JumpStep

    step = JumpStep(find_showers=True, rejection_threshold=1e6, **params)
    for name, reference in references(ramp.shape).items():
        setattr(step, f"override_{name}", official_model(reference, ramp.exposure))
    return step.process(official_model(ramp, ramp.exposure)).groupdq


BRIGHT = [(0, 4, 40, 40, 20, 12, 3.5), (0, 9, 80, 95, 9, 15, 3.0)]
FAINT = [(0, 4, 40, 40, 20, 12, 0.6), (0, 9, 80, 95, 9, 15, 0.6), (0, 7, 85, 35, 12, 12, 0.5)]
CASES = {
    "defaults": (BRIGHT, {}, {}),
    "two integrations": ([*BRIGHT, (1, 2, 60, 60, 15, 25, 3.0)], {"nint": 2}, {}),
    "other settings": (
        BRIGHT,
        {"nframes": 1},
        {
            "extend_snr_threshold": 1.1,
            "extend_min_area": 40,
            "extend_inner_radius": 2.0,
            "extend_outer_radius": 1.5,
            "extend_ellipse_expand_ratio": 1.4,
            "time_masked_after_shower": 7.0,
            "max_extended_radius": 14,
        },
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_official_flags_are_the_official_ones(case):
    events, header, params = CASES[case]
    ramp, _ = field(1, events, **header)
    theirs = officially(ramp, **params)
    mine = ours(ramp, method="official", **params).groupdq
    assert (theirs != ramp.groupdq).sum() > 1000
    # but for pixels on the border of an ellipse, which the last bit of its angle decides
    assert (mine != theirs).sum() <= 20
    assert not (mine & ~theirs).any()


def test_fewer_than_ten_differences_are_left_alone_as_officially():
    # nine groups of which the last is dropped: 8 - 1
    ramp, _ = field(2, BRIGHT[:1], ngroup=9)
    assert ours(ramp, method="official") is ramp
    np.testing.assert_array_equal(officially(ramp), ramp.groupdq)
    assert "8 differences" in STEP.skips(ramp.exposure, ShowersParams())
    # eleven groups: ten differences, of which the dropped group leaves nine
    ramp, _ = field(2, BRIGHT[:1], ngroup=11)
    assert ours(ramp) is ramp
    assert not STEP.skips(ramp.exposure, ShowersParams())


def test_the_profile_finds_faint_showers_that_the_official_search_does_not():
    ramp, truth = field(3, FAINT)
    spoilt, clean = truth > 0.2, truth == 0
    spoilt[:, -1] = clean[:, -1] = False
    was = ramp.groupdq != 0

    def score(groupdq):
        flagged = groupdq != 0
        found = (flagged & spoilt).sum() / spoilt.sum()
        lost = (flagged & ~was & clean).sum() / clean.sum()
        return found, lost, truth[spoilt & ~flagged].sum()

    found, lost, left = score(ours(ramp).groupdq)
    their_found, _, their_left = score(officially(ramp))
    assert found > 0.6
    assert their_found < 0.1
    assert lost < 0.01
    assert left < 0.5 * their_left


def test_nothing_is_found_where_nothing_is():
    for seed in range(4):
        ramp, _ = field(seed, [])
        assert ours(ramp) is ramp
    flags = np.full_like(ramp.groupdq, S)
    everything = ramp.replace(groupdq=flags)
    np.testing.assert_array_equal(ours(everything).groupdq, flags)
    np.testing.assert_array_equal(ours(everything, method="official").groupdq, flags)


def test_a_shower_is_flagged_from_its_first_group_for_as_long_as_it_stands_out():
    ramp, _ = field(4, [(0, 6, 50, 60, 18, 18, 3.0)], ngroup=50)
    _, model = measured(ramp)
    assert model.events == 1
    first, groups = model.table[0, 1], model.table[0, 7]
    assert first == 6
    # 15 s are six groups; the mean of 700 pixels of 1.8 sigma, e-folding in 5, is seen longer
    assert 8 <= groups <= 20
    assert np.hypot(model.table[0, 2] - 50, model.table[0, 3] - 60) < 2
    assert 12 < model.table[0, 4] < 20


@pytest.mark.parametrize("place", [(0, 60), (109, 129), (55, 8)])
def test_a_shower_at_an_edge_or_corner_is_found(place):
    ramp, truth = field(5, [(0, 6, *place, 22, 22, 1.2)])
    found = ours(ramp).groupdq[0, 6] & J != 0
    spoilt = (truth[0, 6] > 0.4) & (ramp.pixeldq == 0)
    assert (found & spoilt).sum() > 0.7 * spoilt.sum()


def test_flags_that_change_a_rate_too_much_are_taken_back():
    # a pixel in the shower whose light is all in its groups: without them its rate falls
    ramp, _ = field(6, [(0, 6, 50, 60, 18, 18, 1.2)])
    data = ramp.data.copy()
    for g in range(6, 12):
        data[0, g:, 50, 60] += 100.0  # 600 DN in 19 differences: about 30 DN a group
    ramp = ramp.replace(data=data)
    assert not ours(ramp, max_shower_amplitude=4.0).groupdq[0, 7, 50, 60] & J
    assert ours(ramp, max_shower_amplitude=40.0).groupdq[0, 7, 50, 60] & J
    assert ours(ramp, max_shower_amplitude=4.0).groupdq[0, 7, 50, 64] & J
    # officially the amplitude has no effect
    once, twice = (officially(ramp, max_shower_amplitude=v) for v in (4.0, 40.0))
    np.testing.assert_array_equal(once, twice)


def test_boxes_are_flagged_as_the_whole_and_hand_drawn_ellipses_stay():
    ramp, _ = field(7, BRIGHT)
    text = "jw1_mirimage y90.0 x30.0 a14.0 b6.0 t30.0 i1 g3-5 +JUMP_DET"
    p, model = measured(ramp, edits=text, max_shower_amplitude=0.05)
    whole = STEP(ramp, p, references(), model)
    assert (whole.groupdq[0, 2:5, 90, 30] & J).all()
    for box in (Box(30, 50, 20, 130), Box(0, 110, 0, 7), Box(70, 100, 10, 110)):
        cut = {k: r.crop(box) for k, r in references().items()}
        part = STEP(ramp.crop(box), p, cut, model)
        np.testing.assert_array_equal(part.groupdq, whole.crop(box).groupdq)


def test_a_shower_drawn_by_hand_lasts_as_long_as_the_time_says():
    ramp, _ = field(8, BRIGHT[:1])
    p, model = measured(ramp)
    view = next(v for v in STEP.views() if v.title == "showers")
    shown = Shown(after=ramp, model=model, params=p, integration=0, group=5)
    (mark,) = view.draw(shown).marks
    assert mark.kind == "found"
    new = view.edit(p, shown, None, Ellipse(y=80.0, x=20.0, a=9.0, b=5.0))
    # 15 s are five groups of 3 s after the first
    assert new == {"edits": "jw1_mirimage y80.0 x20.0 a9.0 b5.0 t0.0 i1 g6-11 +JUMP_DET"}
    away = p.replace(**view.edit(p, shown, mark, None))
    assert STEP(ramp, away, references(), model) is ramp
    table = next(v for v in STEP.views() if v.title == "events").draw(shown)
    assert table.title.startswith("1 showers in 57 s")
    assert table.rows[0][:2] == (1, 5)


def test_other_instruments_have_none():
    assert "MIRI only" in STEP.skips(example_exposure("NIRCAM"), ShowersParams())


# -- the simulator -------------------------------------------------------------------------


def test_simulated_showers_are_patches_that_decay():
    made = simulate("miri", size=(200, 220), ngroups=20, seed=3, showers=2.0, cosmic_rays=0.0)
    hits = made.truth.jumps
    assert set(hits["kind"]) == {2}
    one = hits[hits["frame"] == hits["frame"].min()]
    span = max(np.ptp(one["y"]), np.ptp(one["x"])) + 1
    assert 5 <= span <= 100
    # each pixel of the first one loses a factor exp(-frame time / 15 s) a frame
    y, x = one["y"][0], one["x"][0]
    here = hits[(hits["y"] == y) & (hits["x"] == x)]["electrons"]
    ratio = np.exp(-made.window.frame_time / 15.0)
    np.testing.assert_allclose(here[1:4] / here[:3], ratio, rtol=1e-3)
    peak = one["electrons"].max() / made.window.frame_time / made.window.detector.gain
    assert 0.2 < peak <= 4.0
    assert simulate("miri", size=(64, 64), ngroups=3, seed=3).settings.showers == 0
