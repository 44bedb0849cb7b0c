"""`snowballs` against the official step, the simulated truth and what a person draws."""

from dataclasses import replace

import numpy as np
import pytest

from jwinteractive import dq
from jwinteractive.data import Box, Ramp
from jwinteractive.ellipses import HandEllipse, ellipse_words, parse, write
from jwinteractive.errors import InputError, ParamError
from jwinteractive.references import GainRef, ReadnoiseRef
from jwinteractive.step import Whole, registry
from jwinteractive.steps.detector.snowballs import SnowballsParams
from jwinteractive.testing import example_exposure
from jwinteractive.views import Ellipse, Frame, Shown

J, S, D = dq.JUMP_DET, dq.SATURATED, dq.DO_NOT_USE
STEP = registry["snowballs"]
SIGMA = np.sqrt(2) * 10.0  # e- of a difference: read noise of `sky`


def references(shape, gain=2.0):
    return {
        "gain": GainRef(data=np.full(shape, gain, np.float32)),
        "readnoise": ReadnoiseRef(data=np.full(shape, SIGMA / gain, np.float32)),
    }


def measured(ramp, **params):
    p = SnowballsParams(**params)
    whole = Whole(ramp.exposure, ramp.covers, lambda box: ramp.crop(box).native())
    return p, STEP.learn(whole, p, references(ramp.shape))


def ours(ramp, **params):
    p, model = measured(ramp, **params)
    return STEP(ramp, p, references(ramp.shape), model)


def officially(ramp, **params):
    """The official step's search alone, with its parameters passed on as the step does."""
    pytest.importorskip("jwst")
    from stcal.jump.jump import flag_large_events
    from stcal.jump.jump_class import JumpData
    from stdatamodels.jwst.datamodels import dqflags

    p = SnowballsParams(**params)
    data = JumpData(dqflags=dqflags.pixel)
    data.set_snowball_info(
        True,
        p.min_jump_area,
        p.min_sat_area,
        p.expand_factor,
        p.sat_required_snowball,
        p.min_sat_radius_extend,
        2 * p.sat_expand,
        p.edge_size,
    )
    data.max_extended_width = 2 * p.max_extended_radius
    data.mask_persist_grps_next_int = p.mask_snowball_core_next_int
    time = ramp.exposure.group_time
    data.persist_grps_flagged = int(p.snowball_time_masked_next_int // time)
    return flag_large_events(np.array(ramp.groupdq), J, S, data)


def ramp_of(groupdq, data=None, **header):
    nint, ngroup, ny, nx = groupdq.shape
    exposure = example_exposure(
        nints=nint, ngroups=ngroup, group_time=10.0, filename="jw1_nrca1", **header
    )
    data = np.zeros(groupdq.shape, np.float32) if data is None else data
    return Ramp(
        exposure=exposure, data=data, groupdq=groupdq, pixeldq=np.zeros((ny, nx), np.uint32)
    )


def ellipse(shape, y, x, a, b, theta=0.0):
    j, i = np.mgrid[: shape[0], : shape[1]]
    along = (j - y) * np.cos(theta) + (i - x) * np.sin(theta)
    across = (j - y) * np.sin(theta) - (i - x) * np.cos(theta)
    return np.hypot(along / a, across / b)


def scattered(seed, nint=2, ngroup=6, shape=(96, 128)):
    """Flags like those of many hits: blobs of jumps, some with a core, over single pixels."""
    rng = np.random.default_rng(seed)
    flags = np.zeros((nint, ngroup, *shape), np.uint8)
    for _ in range(30):
        i, g = rng.integers(nint), rng.integers(ngroup)
        y, x = rng.uniform(-5, shape[0] + 5), rng.uniform(-5, shape[1] + 5)
        r = ellipse(shape, y, x, *rng.uniform(1, 12, 2), rng.uniform(0, np.pi))
        flags[i, g][r < 1] |= J
        if rng.random() < 0.6:
            core = r < rng.uniform(0.2, 0.7)
            flags[i, min(g + (rng.random() < 0.3), ngroup - 1) :, core] = S
    flags[rng.random(flags.shape) < 0.02] |= J
    flags[:, :, :2] |= D
    return flags


SETTINGS = {
    "defaults": {},
    "others": {
        "min_jump_area": 12.0,
        "min_sat_area": 6.0,
        "expand_factor": 1.7,
        "sat_expand": 3,
        "edge_size": 10,
        "snowball_time_masked_next_int": 35,
    },
    "no core is needed, small": {"sat_required_snowball": False, "max_extended_radius": 9},
    "next integration is spared": {"mask_snowball_core_next_int": False},
}


@pytest.mark.parametrize("name", SETTINGS)
def test_official_flags_are_the_official_ones_but_on_borders(name):
    flags_set = borders = 0
    for seed in range(4):
        ramp = ramp_of(scattered(seed))
        theirs, count = officially(ramp, **SETTINGS[name])
        p, model = measured(ramp, method="official", **SETTINGS[name])
        mine = STEP(ramp, p, references(ramp.shape), model)
        assert model.events == count
        differs = np.argwhere(mine.groupdq != theirs)
        flags_set += (theirs != ramp.groupdq).sum()
        borders += len(differs)
        # a pixel at distance 1 from an ellipse is in or out by the last bit of its angle
        marks = [
            drawn(ramp, p, model, integration, group).marks
            for integration in range(2)
            for group in range(6)
        ]
        for i, g, y, x in differs:
            assert any(on_border(m, y, x) for m in marks[6 * i + g])
    assert flags_set > 1000
    assert borders < 5e-3 * flags_set


def on_border(mark, y, x):
    theta = np.radians(90 - mark.angle)
    away = ellipse((1, 1), mark.y - y, mark.x - x, mark.a, mark.b, theta)[0, 0]
    return abs(away - 1) < 0.01  # angles of marks are kept to tenths


def drawn(ramp, p, model, integration=0, group=5):
    view = next(v for v in STEP.views() if v.title == "snowballs")
    frame = view.draw(
        Shown(after=ramp, model=model, params=p, integration=integration, group=group)
    )
    assert isinstance(frame, Frame)
    return frame


def snowball_flags(shape=(80, 90), ngroup=6, group=3):
    """A disk of jumps of radius 8, whose core of radius 4 is saturated from the next group on."""
    flags = np.zeros((1, ngroup, *shape), np.uint8)
    r = ellipse(shape, 40, 45, 1, 1)
    flags[0, group][r < 8] = J
    flags[0, group + 1 :, r < 4] = S
    return flags


def test_a_disk_is_grown_to_twice_its_radius():
    # full axes of a disk of radius 8 are 16: less one pixel, twice, halved: 15
    found = ours(ramp_of(snowball_flags()), method="official").groupdq[0]
    np.testing.assert_array_equal(found[3] == J, ellipse((80, 90), 40, 45, 15, 15) < 1 - 1e-9)
    # those of the core, 8 less one, and two more pixels on each side: 11, halved and even
    core = ellipse((80, 90), 40, 45, 5, 5) < 1 - 1e-9
    for g in range(6):
        np.testing.assert_array_equal(found[g] == S, core & (g >= 4))
    assert not found[[0, 1, 2]].any()


def sky(seed, centres, shape=(160, 180), ngroup=8, nint=1, release=0.0):
    """Ramps of noise of 10 e- at gain 2 with snowballs: data, flags, and the truth in sigma.

    Halos fall as r^-3 from 40 sigma at the core's radius of 4 px and end at 20 px; a share
    ``release`` of them comes again in the next group.
    """
    rng = np.random.default_rng(seed)
    full = (nint, ngroup, *shape)
    signal = np.cumsum(rng.poisson(20.0, full), axis=1).astype(float)
    truth = np.zeros(full)
    flags = np.zeros(full, np.uint8)
    for i, g, y, x in centres:
        r = ellipse(shape, y, x, 1, 1)
        halo = np.where(r < 20, 40 * (np.maximum(r, 4) / 4) ** -3.0, 0.0)
        for later, share in ((g, 1.0), (g + 1, release)):
            if later < ngroup:
                truth[i, later] += share * halo
                signal[i, later:] += share * halo * SIGMA
        flags[i, g:, r < 4] |= S
        flags[i, g][(halo > 4) & (r >= 4)] |= J
    data = (signal + rng.normal(0, 10.0, full)) / 2.0
    return ramp_of(flags, data.astype(np.float32)), truth


def test_the_profile_finds_more_of_the_halo_and_loses_less_than_the_official_ellipses():
    places = [(0, 2, 60, 60), (0, 4, 110, 130), (0, 5, 40, 140), (0, 3, 120, 40)]
    ramp, truth = sky(1, places, release=0.2)
    spoilt, clean = truth > 0.5, truth == 0
    was = ramp.groupdq != 0

    def score(groupdq):
        flagged = groupdq != 0
        left = truth[spoilt & ~flagged]
        found = (flagged & spoilt).sum() / spoilt.sum()
        return found, (flagged & ~was & clean).sum() / clean.sum(), left.sum()

    found, lost, left = score(ours(ramp).groupdq)
    their_found, their_lost, their_left = score(officially(ramp)[0])
    assert found > 0.97 > their_found + 0.1
    assert lost < min(0.002, 0.5 * their_lost)
    assert left < 0.2 * their_left


def test_no_halo_is_flagged_around_what_has_none():
    ramp, _ = sky(2, [])
    flags = ramp.groupdq.copy()
    star = ellipse(ramp.shape, 60, 60, 1, 1) < 4
    flags[0, 4:, star] |= S  # saturates without any light around it
    flags[0, 4][ellipse(ramp.shape, 100, 50, 1, 1) < 3] |= J
    found = ours(ramp.replace(groupdq=flags))
    np.testing.assert_array_equal(found.groupdq, flags)
    theirs, _ = officially(ramp.replace(groupdq=flags))
    assert (theirs != flags).any()


def test_a_group_that_is_lifted_as_a_whole_has_no_halo_for_it():
    ramp, _ = sky(1, [(0, 2, 60, 60), (0, 4, 110, 130)])
    noise = np.random.default_rng(3).normal(0, 0.6 * SIGMA / 2, (*ramp.data.shape[:2], 1, 1))
    lifted = ramp.replace(data=ramp.data + noise.astype(np.float32))  # every group by another level
    found, usual = (ours(r).groupdq != 0 for r in (lifted, ramp))
    assert (found & ~usual).sum() < 0.1 * (usual & (ramp.groupdq == 0)).sum()
    assert (usual & ~found).sum() < 0.1 * (usual & (ramp.groupdq == 0)).sum()


# of the last, only a part of the core is on the detector: its centre is taken to lie inside
@pytest.mark.parametrize(
    ("place", "share"), [((0, 60), 0.9), ((2, 177), 0.9), ((159, 0), 0.9), ((-2, 90), 0.7)]
)
def test_an_event_at_an_edge_or_corner_is_found(place, share):
    ramp, truth = sky(3, [(0, 4, *place)])
    found = ours(ramp).groupdq != 0
    spoilt = truth > 0.5
    assert (found & spoilt).sum() > share * spoilt.sum()
    assert (found & (truth == 0)).sum() < 0.003 * truth.size


def test_one_place_may_be_hit_in_each_integration():
    ramp, _ = sky(10, [(0, 4, 60, 60), (1, 4, 60, 60)], nint=2)
    found = ours(ramp, mask_snowball_core_next_int=False).groupdq
    assert (found[:, 4, 60, 60 + 9] & J).all()


def test_cores_are_flagged_in_the_next_integration_for_their_time():
    ramp, _ = sky(4, [(0, 4, 60, 60)], nint=2)
    for time, last in ((4000, 8), (45, 4), (9, 0)):
        found = ours(ramp, snowball_time_masked_next_int=time).groupdq[1]
        assert [bool(plane[60, 60] & J) for plane in found] == [0 < g < last for g in range(8)]
    assert not ours(ramp, mask_snowball_core_next_int=False).groupdq[1].any()


@pytest.mark.parametrize("method", ["profile", "official"])
def test_nothing_found_leaves_the_ramp_alone(method):
    quiet, _ = sky(5, [])
    assert ours(quiet, method=method) is quiet
    flags = np.full_like(quiet.groupdq, S)
    everything = quiet.replace(groupdq=flags)
    np.testing.assert_array_equal(ours(everything, method=method).groupdq, flags)
    one = ramp_of(np.full((1, 1, 40, 40), J, np.uint8))
    assert ours(one, method=method) is one
    assert "1 groups" in STEP.skips(one.exposure, SnowballsParams())


def test_few_groups_fall_back_to_growth_by_a_factor():
    # both differences touch the hit: nothing tells the usual one
    ramp, _ = sky(6, [(0, 1, 60, 60)], ngroup=3)
    found = ours(ramp, expand_factor=3.0).groupdq[0, 1] & J != 0
    assert found[60, 60 + 9]
    assert not found[60, 60 + 12]
    assert not ours(ramp, expand_factor=2.0).groupdq[0, 1, 60, 60 + 9] & J


def test_boxes_are_flagged_as_the_whole():
    ramp, _ = sky(7, [(0, 3, 60, 60), (1, 2, 100, 20)], nint=2)
    text = "jw1_nrca1 y120.0 x100.0 a14.0 b6.0 t30.0 i1 g3-5 +JUMP_DET"
    p, model = measured(ramp, edits=text)
    whole = STEP(ramp, p, references(ramp.shape), model)
    assert model.events == 2
    for box in (Box(50, 70, 45, 130), Box(0, 160, 0, 7), Box(95, 130, 10, 110)):
        part = STEP(ramp.crop(box), p, references(ramp.shape), model)
        np.testing.assert_array_equal(part.groupdq, whole.crop(box).groupdq)


# -- by hand -------------------------------------------------------------------------------

ENTRY = "jw1_nrca1 y120.0 x100.0 a14.0 b6.0 t30.0 i1 g3-5 +JUMP_DET"


def test_ellipses_and_text_are_two_ways_to_say_the_same():
    (hand,) = parse(ENTRY)
    assert hand == HandEllipse(
        root="jw1_nrca1", integration=0, first=2, last=4, y=120, x=100, a=14, b=6, angle=30
    )
    assert write([hand]) == ENTRY
    other = "b y-1.5 x9.0 i2 g1 -SATURATED"
    assert write(parse(f"{ENTRY} ;  {other}; {ENTRY}")) == f"{other}; {ENTRY}"
    (open_end,) = parse(ENTRY.replace("g3-5", "g3-"))
    assert open_end.last == -1
    (one,) = parse(ENTRY.replace("g3-5", "g3"))
    assert one.last == one.first == 2
    assert SnowballsParams(edits=f" {ENTRY};") == SnowballsParams(edits=ENTRY)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("jw1 y2 x3 i1 g5", "needs the form"),
        ("jw1 y2 x3 i1 g5 +JUMP_DET", "semi-axes"),
        (ENTRY.replace("g3-5", "g5-3"), "count from 1"),
        (ENTRY.replace("i1", "i0"), "count from 1"),
        (ENTRY.replace("JUMP_DET", "HOT"), "choose one of"),
        (f"{ENTRY}; nonsense", "entry 2"),
    ],
)
def test_text_that_cannot_be_meant_is_refused_when_it_is_set(text, says):
    with pytest.raises(ParamError, match=says) as refused:
        SnowballsParams(edits=text)
    assert "snowballs.edits" in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_group_that_is_not_there_is_said():
    ramp = ramp_of(snowball_flags())
    for text in (ENTRY.replace("g3-5", "g3-7"), ENTRY.replace("i1", "i2")):
        with pytest.raises(InputError, match="there are"):
            ours(ramp, edits=text)


def test_an_ellipse_drawn_by_hand_flags_its_groups_of_its_exposure():
    ramp = ramp_of(np.zeros((2, 6, 160, 180), np.uint8))
    found = ours(ramp, edits=ENTRY).groupdq
    expected = ellipse(ramp.shape, 120, 100, 14, 6, np.radians(60)) < 1
    for i in range(2):
        for g in range(6):
            np.testing.assert_array_equal(found[i, g] == J, expected & (i == 0) & (2 <= g <= 4))
    assert ours(ramp, edits=ENTRY.replace("jw1_nrca1", "other")) is ramp


def test_marks_are_moved_taken_away_and_drawn_through_the_view():
    ramp, _ = sky(8, [(0, 4, 60, 60)])
    p, model = measured(ramp)
    view = next(v for v in STEP.views() if v.title == "snowballs")
    shown = Shown(after=ramp, model=model, params=p, integration=0, group=4)
    marks = {m.kind: m for m in view.draw(shown).marks}
    assert set(marks) == {"core", "found"}
    assert marks["core"].name.endswith("i1 g5-8 +SATURATED")
    halo = marks["found"]
    assert abs(halo.y - 60) < 0.5
    assert 12 < halo.a < 22

    def flags(params):
        return STEP(ramp, params, references(ramp.shape), model).groupdq

    assert flags(p)[0, 4, 60, 60 + 9] & J
    away = p.replace(**view.edit(p, shown, halo, None))
    np.testing.assert_array_equal(flags(away)[0, 4], ramp.groupdq[0, 4])
    assert [m.kind for m in view.draw(replace(shown, params=away)).marks] == ["core"]

    moved = p.replace(**view.edit(p, shown, halo, replace(halo, x=halo.x + 40)))
    assert flags(moved)[0, 4, 60, 100 + 9] & J
    assert not flags(moved)[0, 4, 60, 60 - 9] & J
    by_hand = next(m for m in view.draw(replace(shown, params=moved)).marks if m.kind == "hand")
    # what was drawn by hand leaves nothing behind when it goes; what was found stays away
    assert view.edit(moved, shown, by_hand, None) == {"edits": away.edits}

    new = Ellipse(y=130.0, x=30.0, a=10.0, b=5.0, kind="hand")
    drawn_too = p.replace(**view.edit(p, shown, None, new))
    assert drawn_too.edits == "jw1_nrca1 y130.0 x30.0 a10.0 b5.0 t0.0 i1 g5 +JUMP_DET"
    core = p.replace(**view.edit(p, shown, None, replace(new, kind="core")))
    assert core.edits.endswith("i1 g5- +SATURATED")
    assert (flags(core)[0, 4:, 130, 30] == S).all()


def test_the_table_tells_events_against_the_usual_rate():
    ramp, _ = sky(9, [(0, 4, 60, 60)])
    p, model = measured(ramp)
    view = next(v for v in STEP.views() if v.title == "events")
    table = view.draw(Shown(after=ramp, model=model, params=p, shape=(2048, 2048)))
    # 7 differences of 10 s, one snowball per 20 s
    assert table.title == "1 events in 70 s; 3.5 snowballs are usual"
    assert {row[-1] for row in table.rows} == {"core", "halo"}
    assert {row[:2] for row in table.rows} >= {(1, 5)}


def test_the_journal_says_what_was_drawn():
    assert ellipse_words("", ENTRY) == [
        "an ellipse drawn by hand: x 100, y 120, integration 1, from group 3, JUMP_DET"
    ]
    away = "jw1_nrca1 y60.0 x60.0 i1 g5 -JUMP_DET"
    assert "taken away" in ellipse_words("", away)[0]
    assert "put back" in ellipse_words(away, "")[0]
    many = "; ".join(f"r y{k}.0 x1.0 i1 g1 -JUMP_DET" for k in range(5))
    assert ellipse_words("", many) == ["5 ellipses changed by hand"]


def test_a_core_that_is_taken_away_flags_nothing_in_the_next_integration():
    ramp, _ = sky(4, [(0, 4, 60, 60)], nint=2)
    assert ours(ramp).groupdq[1].any()
    found = ours(ramp, edits="jw1_nrca1 y60.0 x60.0 i1 g5 -SATURATED")
    assert not found.groupdq[1].any()
    assert found.groupdq[0, 4, 60, 60 + 9] & J
