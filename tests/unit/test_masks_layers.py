"""Layers: what a stack of them does to pixels and groups, how it is changed, and what differs."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jwinteractive import dq
from jwinteractive.data import Exposure
from jwinteractive.errors import InputError
from jwinteractive.masks import (
    BACKGROUND,
    SOURCE,
    Ellipse,
    Groups,
    Layer,
    Mask,
    Origin,
    Rectangle,
    Selection,
    diff,
    touched,
)

SHAPE = (20, 24)
EXPOSURE = Exposure(instrument="NIRCAM", detector="NRCA1")


def scattered(seed, share=0.2):
    return Selection.from_mask(np.random.default_rng(seed).random(SHAPE) < share)


def layer(name, seed=1, **given):
    return Layer(name=name, pixels=scattered(seed), **given)


def mask_of(*layers, **given):
    return Mask.of(EXPOSURE, SHAPE, layers=layers, **given)


flags = st.sets(st.sampled_from(list(dq.BITS)), max_size=3).map(tuple)


@st.composite
def stacks(draw):
    found = []
    for n in range(draw(st.integers(0, 5))):
        how = draw(st.sampled_from(["add", "remove", "within"]))
        given = {"how": how, "flags": draw(flags)}
        if how == "add" and not given["flags"]:
            given["flags"] = ("HOT",)
        if how == "add" and draw(st.booleans()):
            given |= {"groups": Groups(first=1), "flags": ("JUMP_DET",)}
        elif draw(st.booleans()):
            given |= {"role": "scene", "flags": ()}
        found.append(
            Layer(
                name=f"layer {n}",
                pixels=scattered(draw(st.integers(0, 50)), draw(st.sampled_from([0, 0.2, 0.9]))),
                shapes=draw(st.sampled_from([(), (Rectangle(2, 9, 3, 12),)])),
                on=draw(st.booleans()),
                exposure=draw(st.sampled_from(["", "one", "two"])),
                **given,
            )
        )
    return mask_of(*found)


@settings(deadline=None)
@given(stacks(), st.sampled_from(["", "one", "three"]))
def test_flags_are_what_the_layers_say_one_after_the_other(mask, root):
    expected = np.zeros(SHAPE, np.uint32)
    for own in mask.layers:
        if not own.on or own.exposure not in ("", root) or own.groups is not None:
            continue
        if own.role == "scene":
            continue
        inside = own.pixels.mask()
        for shape in own.shapes:
            inside |= shape.select(SHAPE).mask()
        if own.how == "add":
            expected[inside] |= np.uint32(own.bits)
        elif own.how == "remove":
            expected[inside] &= ~np.uint32(own.bits or 0xFFFFFFFF)
        else:
            expected[~inside] &= ~np.uint32(own.bits or 0xFFFFFFFF)
    got = mask.dq(root)
    np.testing.assert_array_equal(got, expected)
    assert got.dtype == np.uint32
    counts = {n: int(((expected & b) != 0).sum()) for n, b in dq.BITS.items()}
    assert mask.counts(root) == {n: c for n, c in counts.items() if c}


@settings(deadline=None)
@given(stacks(), st.sampled_from(["", "one", "three"]))
def test_the_scene_is_what_the_last_layer_says_of_a_pixel(mask, root):
    expected = np.zeros(SHAPE, np.uint8)
    for own in mask.layers:
        if own.role != "scene" or not own.on or own.exposure not in ("", root):
            continue
        inside = own.selection.mask()
        if own.how == "add":
            expected[inside] = 1
        elif own.how == "remove":
            expected[inside] = 2
        else:
            expected[~inside] = 1
    got = mask.scene(root)
    np.testing.assert_array_equal(got, expected)
    assert got.dtype == np.uint8
    named = {"source": SOURCE, "background": BACKGROUND}
    counts = {n: int((expected == v).sum()) for n, v in named.items()}
    assert mask.scene_counts(root) == {n: c for n, c in counts.items() if c}


@settings(deadline=None)
@given(stacks(), st.sampled_from(["", "one"]))
def test_layers_of_the_scene_flag_nothing(mask, root):
    bare = mask.replace(layers=tuple(m for m in mask.layers if m.role == "flags"))
    np.testing.assert_array_equal(mask.dq(root), bare.dq(root))
    assert mask.groups(root) == bare.groups(root)
    for part in ("pixels", "groups"):
        assert mask.key(part, root) == bare.key(part, root)
    assert bare.key("scene", root) == ""
    assert not bare.scene(root).any()


@settings(deadline=None)
@given(stacks(), st.integers(0, 12), st.integers(0, 12), st.integers(1, 8), st.integers(1, 12))
def test_a_window_of_a_mask_flags_as_the_whole_does_there(mask, y, x, ny, nx):
    exposure = Exposure(instrument="NIRCAM", detector="NRCA1", ystart=y + 1, xstart=x + 1)
    part = mask.cut_to(exposure, (ny, nx))
    assert (part.shape, part.corner) == ((ny, nx), (y + 1, x + 1))
    np.testing.assert_array_equal(part.dq("one"), mask.dq("one")[y : y + ny, x : x + nx])
    np.testing.assert_array_equal(part.scene("one"), mask.scene("one")[y : y + ny, x : x + nx])
    for (g, b, mine), (g2, b2, its) in zip(part.groups("one"), mask.groups("one"), strict=True):
        assert (g, b) == (g2, b2)
        np.testing.assert_array_equal(mine.mask(), its.mask()[y : y + ny, x : x + nx])


@settings(deadline=None)
@given(stacks(), stacks(), st.sampled_from(["", "one"]))
def test_masks_with_one_key_do_the_same(one, two, root):
    same = np.array_equal(one.dq(root), two.dq(root))
    assert same or one.key("pixels", root) != two.key("pixels", root)
    assert one.key("pixels", root) == one.replace(title="x").key("pixels", root)
    same = np.array_equal(one.scene(root), two.scene(root))
    assert same or one.key("scene", root) != two.key("scene", root)


def test_a_key_changes_with_what_a_mask_does_and_with_nothing_else():
    mask = mask_of(layer("a"), layer("b", 2, groups=Groups(first=2), flags=("JUMP_DET",)))
    pixels, groups = mask.key("pixels", ""), mask.key("groups", "")
    for changes in ({"comment": "x"}, {"origin": Origin(kind="imported")}):
        assert mask.changed("a", **changes).key("pixels", "") == pixels
    more = mask.changed("a", pixels=scattered(3))
    assert more.key("pixels", "") != pixels
    assert more.key("groups", "") == groups
    later = mask.changed("b", groups=Groups(first=3))
    assert later.key("groups", "") != groups
    assert mask.changed("a", on=False).key("pixels", "") == ""
    assert mask.changed("a", exposure="one").key("pixels", "two") == ""


def scene(name, seed=1, **given):
    return layer(name, seed, **({"role": "scene", "flags": ()} | given))


def test_the_key_of_the_scene_changes_with_what_is_said_and_with_nothing_else():
    mask = mask_of(layer("a"), scene("s", 2))
    key = mask.key("scene", "")
    assert key
    assert mask.changed("a", pixels=scattered(3)).key("scene", "") == key
    assert mask.changed("s", comment="x").key("scene", "") == key
    background = mask.changed("s", how="remove")
    assert background.key("scene", "") not in ("", key)
    assert background.key("pixels", "") == mask.key("pixels", "")
    assert mask.changed("s", exposure="one").key("scene", "two") == ""
    empty = scene("new").replace(pixels=Selection.none(SHAPE))
    assert mask.with_layer(empty).key("scene", "") == key
    inside_nothing = mask.with_layer(empty.replace(how="within"))
    assert inside_nothing.key("scene", "") != key
    assert (inside_nothing.scene() == SOURCE).all()


def test_layers_of_the_scene_that_are_put_together_stay_what_they_are():
    mask = mask_of(scene("a", how="remove"), scene("b", 2), layer("c", 3))
    made = mask.combined(["a", "b"], "union")
    assert (made.role, made.how, made.flags) == ("scene", "remove", ())
    assert made.pixels == scattered(1) | scattered(2)
    assert mask.combined(["c", "a"], "difference").flags == ("DO_NOT_USE", "OTHER_BAD_PIXEL")


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ("add", "source for 1/f"),
        ("remove", "background for 1/f"),
        ("within", "background for 1/f inside only"),
    ],
)
def test_a_layer_of_the_scene_says_what_its_pixels_are(how, words):
    assert scene("s", how=how).meaning == words
    assert scene("s", how=how).notes == ("drawn",)
    assert layer("a", flags=("HOT",), how=how).meaning == "HOT"


def test_layers_are_added_replaced_renamed_moved_and_taken_away():
    mask = mask_of(layer("a"), layer("b", 2))
    assert [m.name for m in mask.with_layer(layer("c", 3)).layers] == ["a", "b", "c"]
    again = mask.with_layer(layer("a", 4))
    assert [m.name for m in again.layers] == ["a", "b"]
    assert again["a"].pixels == scattered(4)
    assert [m.name for m in mask.changed("a", name="z").layers] == ["z", "b"]
    assert [m.name for m in mask.moved("a", 9).layers] == ["b", "a"]
    assert [m.name for m in mask.moved("b", -3).layers] == ["b", "a"]
    assert [m.name for m in mask.without("a").layers] == ["b"]
    assert mask.free_name("c") == "c"
    assert mask.with_layer(layer("a 2")).free_name("a") == "a 3"
    assert "a" in mask
    assert "c" not in mask


def test_layers_are_combined_as_sets():
    mask = mask_of(layer("a", flags=("HOT",)), layer("b", 2), layer("c", 3))
    a, b, c = (m.selection for m in mask.layers)
    for how, expected, name in (
        ("union", a | b | c, "a + b + c"),
        ("intersection", a & b & c, "a & b & c"),
        ("difference", a - b - c, "a - b - c"),
    ):
        made = mask.combined(["a", "b", "c"], how)
        assert made.selection == expected
        assert (made.name, made.flags, made.origin.kind) == (name, ("HOT",), "combined")
        assert made.name not in mask


def test_a_shape_that_loses_pixels_becomes_pixels_and_others_stay():
    near, far = Rectangle(0, 4, 0, 4), Ellipse(14, 16, 3, 3)
    own = Layer(name="a", pixels=Selection.none(SHAPE), shapes=(near, far))
    gone = Selection.from_pixels(SHAPE, [0], [0])
    rest = own.erased(gone)
    assert rest.shapes == (far,)
    assert rest.selection == own.selection - gone
    assert rest.drawn(far) is rest
    assert rest.painted(gone).selection == own.selection
    assert own.erased(Selection.from_pixels(SHAPE, [9], [9])).shapes == (near, far)


def test_flags_of_a_layer_come_once_and_in_one_order():
    assert layer("a", flags=("HOT", "DO_NOT_USE", "HOT")).flags == ("DO_NOT_USE", "HOT")


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: layer(""), "needs letters"),
        (lambda: layer(" a"), "no blanks around"),
        (lambda: layer("a\nb"), "in one line"),
        (lambda: layer("a", how="ad"), "did you mean 'add'"),
        (lambda: layer("a", flags=("HOTT",)), "did you mean 'HOT'"),
        (lambda: layer("a", flags=()), "adds no flags"),
        (lambda: layer("a", role="sky"), "role 'sky': choose from flags, scene"),
        (lambda: layer("a", role="scene"), "the scene, which has no flags, not .*DO_NOT_USE"),
        (lambda: scene("a", groups=Groups(first=1)), "all groups, not of i1 g2-: leave groups out"),
        (lambda: layer("a", groups=Groups(), flags=("HOT",)), "flag 'HOT' of groups"),
        (
            lambda: layer("a", groups=Groups(), how="remove", flags=("JUMP_DET",)),
            "added only, not 'remove'",
        ),
        (lambda: Groups(first=3, last=2), "the last is not before the first"),
        (lambda: Groups(integration=-1), "count from 0"),
        (lambda: Origin(kind="drwn"), "did you mean 'drawn'"),
        (lambda: Origin(details={"kind": "x"}), "not called kind or text"),
        (lambda: Origin(details={"a": [1]}), "must be text, true or false, or a finite number"),
        (lambda: Origin(details={"a": float("nan")}), "a finite number"),
        (lambda: mask_of(layer("a"), layer("a", 2)), "two layers are called 'a'"),
        (lambda: mask_of(Layer(name="a", pixels=Selection.none((3, 3)))), "the mask is"),
        (lambda: Mask.of(EXPOSURE, (0, 5)), "must lie in 1 to 4096 pixels"),
        (lambda: Mask.of(EXPOSURE, (5, 99999)), "must lie in 1 to 4096 pixels"),
        (lambda: mask_of(layer("abc"))["abd"], "did you mean 'abc'"),
        (lambda: mask_of(layer("a")).without("b"), "no layer 'b'"),
        (lambda: mask_of(layer("a")).moved("b", 0), "no layer 'b'"),
        (lambda: mask_of(layer("a")).combined(["a"], "union"), "two layers or more"),
    ],
)
def test_what_makes_no_sense_is_refused_in_one_line(make, words):
    with pytest.raises(InputError, match=words) as caught:
        make()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "shape", "words"),
    [
        ({"detector": "NRCA2"}, SHAPE, "mask is of NIRCAM NRCA1, the exposure of NIRCAM NRCA2"),
        ({"instrument": "MIRI"}, SHAPE, "the exposure of MIRI"),
        ({"xstart": 2}, SHAPE, "covers 24 x 20 pixels from"),
        ({}, (21, 24), "the exposure 24 x 21 from"),
    ],
)
def test_a_mask_of_another_detector_or_window_says_why_it_does_not_fit(changes, shape, words):
    exposure = Exposure(**({"instrument": "NIRCAM", "detector": "NRCA1"} | changes))
    assert words in mask_of().misfit(exposure, shape)
    with pytest.raises(InputError, match="use a mask of its detector and window"):
        mask_of().cut_to(exposure, shape)


def test_both_names_of_a_long_wave_detector_fit():
    long = Mask(instrument="NIRCAM", detector="NRCA5", shape=SHAPE)
    assert not long.misfit(Exposure(instrument="NIRCAM", detector="NRCALONG"), SHAPE)


@pytest.mark.parametrize(
    ("text", "groups"),
    [
        ("i1 g5-", Groups(first=4)),
        ("i2 g5-7", Groups(integration=1, first=4, last=6)),
        ("i1 g1-1", Groups(last=0)),
    ],
)
def test_groups_are_written_as_a_person_counts(text, groups):
    assert str(groups) == text
    assert Groups.parse(text) == groups


@pytest.mark.parametrize(
    "text", ["", "i0 g1-", "i1 g0-", "i1 g3-0", "i1 g3", "i1 g00-", "i1 g1-00"]
)
def test_groups_that_cannot_be_read_are_refused(text):
    with pytest.raises(InputError, match="need the form 'i1 g5-'"):
        Groups.parse(text)


# -- what differs -----------------------------------------------------------------------------


@settings(deadline=None)
@given(stacks(), stacks())
def test_pixels_gained_and_lost_lead_from_one_mask_to_the_other(one, two):
    before, after = one.dq(), two.dq()
    for change in diff(one, two).flags():
        bit = np.uint32(dq.BITS[change.flag])
        assert not change.gained & change.lost
        before[change.gained.mask()] |= bit
        before[change.lost.mask()] &= ~bit
    np.testing.assert_array_equal(before, after)
    assert diff(one, one).layers == ()
    assert diff(one, one).flags() == ()
    assert diff(one, one).words() == []


A = layer("a", flags=("HOT",))


@pytest.mark.parametrize(
    ("after", "words"),
    [
        (mask_of(A), []),
        (mask_of(), ["layer 'a' taken away"]),
        (
            mask_of(A, layer("b", 2)),
            [f"layer 'b' added, {scattered(2).count} pixels DO_NOT_USE, OTHER_BAD_PIXEL"],
        ),
        (mask_of(A.replace(on=False)), ["layer 'a': switched off"]),
        (mask_of(A.replace(flags=("WARM",))), ["layer 'a': flags WARM"]),
        (mask_of(A.replace(how="remove")), ["layer 'a': takes flags off"]),
        (mask_of(A.replace(exposure="jw1")), ["layer 'a': for jw1"]),
        (mask_of(A.replace(role="scene", flags=())), ["layer 'a': source for 1/f"]),
        (
            mask_of(A, scene("s", 2, how="remove")),
            [f"layer 's' added, {scattered(2).count} pixels background for 1/f"],
        ),
        (mask_of(A.replace(comment="x")), ["layer 'a': described anew"]),
        (mask_of(A, title="x"), ["described anew"]),
        (mask_of(*(layer(f"l{n}") for n in range(4))), ["5 layers changed"]),
    ],
)
def test_a_change_is_told_in_words(after, words):
    assert diff(mask_of(A), after).words() == words


def test_pixels_painted_and_erased_are_counted_in_words():
    more = Selection.from_mask(~A.pixels.mask() & (np.arange(24) < 2))
    gone = Selection.from_mask(A.pixels.mask() & (np.arange(24) > 20))
    after = mask_of(A.painted(more).erased(gone))
    assert diff(mask_of(A), after).words() == [f"layer 'a': +{more.count} -{gone.count} pixels"]


def test_what_a_layer_of_the_scene_becomes_is_told():
    before = mask_of(scene("s"))
    for how, words in (
        ("remove", "background for 1/f"),
        ("within", "background for 1/f inside only"),
    ):
        assert diff(before, before.changed("s", how=how)).words() == [f"layer 's': {words}"]
    flags = before.changed("s", role="flags", flags=("HOT",))
    assert diff(before, flags).words() == ["layer 's': flags HOT"]


def test_layers_of_the_scene_touch_their_pixels():
    before = mask_of(A)
    empty = scene("s").replace(pixels=Selection.none(SHAPE))
    drawn = scene("s").selection
    assert touched(before, before.with_layer(empty)) == Selection.none(SHAPE)
    assert touched(before.with_layer(empty), before.with_layer(scene("s"))) == drawn
    assert touched(before, before.with_layer(scene("s"))) == drawn
    assert touched(before, before.changed("a", role="scene", flags=())) == A.selection
    both = before.with_layer(scene("s"))
    more = both.changed("a", pixels=scattered(1) | scattered(5))
    assert touched(both, more) == scattered(5) - scattered(1)


def test_layers_in_another_order_are_told():
    one, two = mask_of(A, layer("b", 2)), mask_of(layer("b", 2), A)
    assert diff(one, two).words() == ["layers in another order"]
    assert diff(None, one).words()[0].startswith("layer 'a' added")
    assert diff(None, mask_of()).words() == ["made"]
    assert diff(mask_of(), None).words() == ["taken away"]
    assert diff(None, None).words() == []


def test_masks_of_two_shapes_are_not_compared_pixel_by_pixel():
    other = Mask.of(EXPOSURE, (3, 3))
    with pytest.raises(InputError, match="compare those of a shape"):
        diff(mask_of(), other).flags()
