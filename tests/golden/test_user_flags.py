"""`user_flags`: the text, what it does to the rate, and the official fit of the same flags."""

import warnings

import numpy as np
import pytest

import jwinteractive
from jwinteractive import dq
from jwinteractive.data import Box, Ramp
from jwinteractive.errors import InputError, ParamError
from jwinteractive.io import open_product, read_provenance
from jwinteractive.step import registry
from jwinteractive.steps.detector.user_flags import (
    HandFlag,
    UserFlagsParams,
    parse,
    user_flags,
    with_flag,
    write,
)
from jwinteractive.testing import (
    example_exposure,
    example_ramp,
    example_references,
    official_model,
)

J, D = dq.JUMP_DET, dq.DO_NOT_USE
ENTRY = "jw1_nrca1 y2 x3 i1 g5 +JUMP_DET"


def ours(ramp, groups):
    return user_flags(ramp, UserFlagsParams(groups=groups))


def fitted(ramp, references, **params):
    step = registry["ramp_fit"]
    return step(ramp, step.params(**params), references)


def jumped(ramp, references):
    step = registry["jump"]
    return step(ramp, step.params(flag_4_neighbors=False), references)


@pytest.fixture(scope="module")
def ramp():
    return example_ramp(example_exposure(nints=2, filename="jw1_nrca1"), bias=False)


@pytest.fixture(scope="module")
def references(ramp):
    return example_references(ramp.exposure)


def test_text_and_flags_are_two_ways_to_say_the_same():
    (flag,) = parse(ENTRY)
    assert flag == HandFlag("jw1_nrca1", 2, 3, 0, 4, "JUMP_DET", True)
    assert write([flag]) == ENTRY
    text = (
        "b y1 x10 i2 g1 -DO_NOT_USE;  my file; a y2 x9 i1 g1 +JUMP_DET ;\n b y1 x9 i1 g1 +JUMP_DET;"
    )
    text = text.replace("my file; a", "my file")
    in_order = "b y1 x9 i1 g1 +JUMP_DET; b y1 x10 i2 g1 -DO_NOT_USE; my file y2 x9 i1 g1 +JUMP_DET"
    assert write(parse(text)) == in_order
    assert write(parse(f"{ENTRY}; {ENTRY}")) == ENTRY
    assert parse("") == parse(" ; ") == ()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("jw1 y2 x3 i1 g5 JUMP_DET", "needs the form"),
        ("y2 x3 i1 g5 +JUMP_DET", "needs the form"),
        ("jw1 x3 y2 i1 g5 +JUMP_DET", "needs the form"),
        (f"{ENTRY}, {ENTRY.upper()}", "JUMP_DET, JW1"),
        (f"{ENTRY}; nonsense", "entry 2 'nonsense'"),
        ("jw1 y2 x3 i0 g5 +JUMP_DET", "from 1"),
        ("jw1 y2 x3 i1 g0 +JUMP_DET", "from 1"),
        ("jw1 y2 x3 i1 g5 +SATURATED", "choose one of JUMP_DET, DO_NOT_USE"),
        (f"{ENTRY}; {ENTRY.replace('+', '-')}", "the opposite"),
    ],
)
def test_text_that_cannot_be_meant_is_refused_when_it_is_set(text, says):
    with pytest.raises(ParamError) as refused:
        UserFlagsParams(groups=text)
    assert says in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("root", ["", " a", "a\nb", "a; b", "a;"])
def test_a_name_that_text_cannot_hold_is_refused(root):
    with pytest.raises(ParamError):
        HandFlag(root, 0, 0, 0, 0)


def test_params_hold_one_form_of_the_same_flags():
    other = "jw1_nrca1 y1 x1 i1 g1 -JUMP_DET"
    assert UserFlagsParams(groups=f"{ENTRY} ; {other}") == UserFlagsParams(
        groups=f"{other};   {ENTRY};"
    )


def test_a_click_back_leaves_nothing_behind():
    (on,) = parse(ENTRY)
    (off,) = parse(ENTRY.replace("+", "-"))
    assert with_flag("", on) == ENTRY
    assert with_flag(ENTRY, on) == ENTRY
    assert with_flag(ENTRY, off) == ""
    assert with_flag(write([off]), on) == ""
    # the pixel's own state is known: what restores it goes, what changes it is kept
    assert with_flag(ENTRY, off, was=True) == write([off])
    assert with_flag(ENTRY, off, was=False) == ""
    assert with_flag("", on, was=True) == ""
    other = "jw1_nrca1 y9 x3 i1 g5 +JUMP_DET"
    assert with_flag(other, on) == f"{ENTRY}; {other}"


def test_only_the_named_groups_of_the_named_exposure_change(ramp):
    groups = (
        f"{ENTRY}; jw1_nrca1 y2 x3 i2 g5 +DO_NOT_USE; other y1 x1 i1 g1 +JUMP_DET; "
        "jw1_nrca1 y39 x47 i1 g10 -DO_NOT_USE; jw1_nrca1 y3 x3 i1 g1 -JUMP_DET"
    )
    flags = ramp.groupdq.copy()
    flags[0, 4, 2, 3] = dq.SATURATED
    flags[1, 4, 2, 3] = D
    flags[0, 9, 39, 47] = J | D
    flags[0, 0, 3, 3] = 0  # nothing to clear
    edited = ramp.replace(groupdq=flags)
    found = ours(edited, groups).groupdq.copy()
    assert found[0, 4, 2, 3] == dq.SATURATED | J
    assert found[1, 4, 2, 3] == D
    assert found[0, 9, 39, 47] == J
    found[0, 4, 2, 3], found[0, 9, 39, 47] = dq.SATURATED, J | D
    np.testing.assert_array_equal(found, flags)


def test_the_fit_begins_afresh_where_a_flag_changes_and_nowhere_else(ramp):
    draft = np.ones((2, *ramp.shape), np.float32)
    flags = ramp.groupdq.copy()
    flags[0, 4, 2, 3] = 0
    flags[1, 6, 9, 8] = J
    groups = f"{ENTRY}; jw1_nrca1 y9 x8 i2 g7 +JUMP_DET"  # the second has it already
    found = ours(ramp.replace(groupdq=flags, draft=draft), groups)
    assert np.argwhere(np.isnan(found.draft)).tolist() == [[0, 2, 3]]


def test_a_box_without_a_flag_is_not_copied(ramp):
    assert ours(ramp, "other y1 x1 i1 g1 +JUMP_DET") is ramp
    box = ramp.crop(Box(3, 9, 0, 9))
    assert ours(box, ENTRY) is box
    box = ramp.crop(Box(2, 3, 3, 4))
    assert ours(box, ENTRY).groupdq[0, 4, 0, 0] & J
    assert not box.groupdq[0, 4, 0, 0] & J


@pytest.mark.parametrize(
    "place", ["y2048 x3 i1 g5", "y2 x2048 i1 g5", "y2 x3 i3 g5", "y2 x3 i1 g11"]
)
def test_a_group_that_is_not_there_is_said_wherever_one_looks(ramp, place):
    box = ramp.crop(Box(20, 24, 20, 24))
    with pytest.raises(InputError) as refused:
        ours(box, f"jw1_nrca1 {place} +JUMP_DET")
    assert place in str(refused.value)
    assert "\n" not in str(refused.value)


def test_it_is_skipped_where_nothing_was_flagged(ramp):
    skips = registry["user_flags"].skips
    assert (
        skips(ramp.exposure, UserFlagsParams()) == "no group of this exposure was flagged by hand"
    )
    assert skips(ramp.exposure, UserFlagsParams(groups="other y1 x1 i1 g1 +JUMP_DET"))
    assert not skips(ramp.exposure, UserFlagsParams(groups=ENTRY))


def straight(hit=0.0):
    """Two equal pixels of 20 DN a group; the second is hit by ``hit`` DN in its sixth group."""
    exposure = example_exposure(filename="jw1_nrca1", ngroups=10)
    data = np.arange(10, dtype=np.float32)[None, :, None, None] * 20 + np.zeros((1, 2), np.float32)
    data[0, 5:, 0, 1] += hit
    return Ramp(
        exposure=exposure,
        data=data,
        groupdq=np.zeros(data.shape, np.uint8),
        pixeldq=np.zeros((1, 2), np.uint32),
    )


def flat_references(ramp):
    found = example_references(ramp.exposure, ramp.shape)
    return {
        "gain": found["gain"].__class__(data=np.full(ramp.shape, 2, np.float32)),
        "readnoise": found["readnoise"].__class__(data=np.full(ramp.shape, 10, np.float32)),
    }


def assert_same(a, b):
    for name, array in a.arrays().items():
        np.testing.assert_array_equal(array, b.arrays()[name], err_msg=name)


def test_a_group_flagged_by_hand_is_fitted_as_if_jump_had_flagged_it():
    ramp = straight(hit=900.0)
    references = flat_references(ramp)
    by_step = jumped(ramp, references)
    assert np.argwhere(by_step.groupdq).tolist() == [[0, 5, 0, 1]]
    by_hand = fitted(ours(ramp, "jw1_nrca1 y0 x1 i1 g6 +JUMP_DET"), references)
    for name, array in fitted(by_step, references).arrays().items():  # it begins with a draft
        np.testing.assert_allclose(by_hand.arrays()[name], array, rtol=1e-5, err_msg=name)
    np.testing.assert_allclose(by_hand.data, by_hand.data[0, 0])  # the hit is gone
    assert fitted(ramp, references).data[0, 1] > by_hand.data[0, 1] * 2


def test_a_jump_taken_off_by_hand_gives_the_rate_without_it():
    ramp = straight(hit=900.0)
    references = flat_references(ramp)
    cleared = ours(jumped(ramp, references), "jw1_nrca1 y0 x1 i1 g6 -JUMP_DET")
    assert_same(fitted(cleared, references), fitted(ramp, references))


def test_a_group_that_is_not_to_be_used_is_left_out_of_the_fit():
    ramp = straight()
    data = ramp.data.copy()
    data[0, 9, 0, 0] += 5000
    ramp, references = ramp.replace(data=data), flat_references(ramp)
    found = fitted(ours(ramp, "jw1_nrca1 y0 x0 i1 g10 +DO_NOT_USE"), references)
    assert found.data[0, 0] == pytest.approx(found.data[0, 1])


def test_the_official_fit_of_the_same_flags_agrees(ramp, references):
    pytest.importorskip("jwst")
    from jwst.ramp_fitting import RampFitStep

    rng = np.random.default_rng(8)
    flags = {}
    for y, x, i, g in zip(*(rng.integers(0, n, 400) for n in (40, 48, 2, 10)), strict=True):
        name, on = ("JUMP_DET", "DO_NOT_USE")[rng.integers(2)], bool(rng.integers(2))
        flag = HandFlag("jw1_nrca1", int(y), int(x), int(i), int(g), name, on)
        flags[flag.place] = flag
    edited = ours(ramp, write(flags.values()))
    assert np.count_nonzero(edited.groupdq != ramp.groupdq) > 100
    step = RampFitStep()
    step.override_gain = official_model(references["gain"], ramp.exposure)
    step.override_readnoise = official_model(references["readnoise"], ramp.exposure)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it divides by bad gains
        rate, _ = step.process(official_model(edited, ramp.exposure))
    mine = fitted(edited, references, algorithm="OLS_C", combine="official")
    np.testing.assert_array_equal(mine.dq, rate.dq)
    np.testing.assert_allclose(mine.data, rate.data, rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(mine.err, rate.err, rtol=1e-6, atol=1e-9)


def test_a_session_writes_what_was_flagged_and_reads_it_again(nircam_file, tmp_path):
    datamodels = pytest.importorskip("stdatamodels.jwst.datamodels")
    session = jwinteractive.open(nircam_file)
    before = session.run()
    root = session.exposures[0].exposure.filename
    (y, x) = np.argwhere((before.dq == 0) & np.isfinite(before.data))[100].tolist()
    groups = f"{root} y{y} x{x} i1 g4 +DO_NOT_USE"
    session.set("user_flags", groups=groups)
    assert session.stale()[0] == "user_flags"
    after = session.run()
    differ = np.nan_to_num(before.data) != np.nan_to_num(after.data)
    assert np.argwhere(differ).tolist() == [[y, x]]
    path, *_ = session.write(tmp_path)
    steps = {s.step: s for s in read_provenance(path).steps}
    assert steps["user_flags"].parameters == {"groups": groups}
    assert steps["user_flags"].state == "complete"
    again = open_product(path).product
    np.testing.assert_array_equal(again.data, after.data)
    with datamodels.open(path) as model:
        assert model.meta.cal_step.ramp_fit == "COMPLETE"
        assert not hasattr(model.meta.cal_step, "user_flags")
    assert session.undo()
    assert session.stale() == []
