"""Masks as text: everything comes back, and what is not allowed is said with its place."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jwinteractive import dq
from jwinteractive.errors import InputError, OutputError
from jwinteractive.masks import (
    Ellipse,
    Groups,
    Layer,
    Line,
    Mask,
    Origin,
    Polygon,
    Rectangle,
    Selection,
    from_text,
    read_text,
    to_text,
    write_text,
)

SHAPE = (12, 15)

words = st.text(max_size=15)
names = st.text(min_size=1, max_size=15).filter(lambda n: n == n.strip() and n.isprintable())
plain = st.one_of(
    words, st.integers(), st.booleans(), st.floats(allow_nan=False, allow_infinity=False)
)
numbers = st.floats(-20, 40).map(lambda v: round(v, 2))
points = st.tuples(numbers, numbers)
positive = st.floats(0.01, 20).map(lambda v: round(v, 2))
shapes = st.one_of(
    st.builds(Rectangle, numbers, numbers, numbers, numbers),
    st.builds(Ellipse, numbers, numbers, positive, positive, numbers),
    st.builds(Polygon, st.lists(points, min_size=3, max_size=5).map(tuple)),
    st.builds(Line, st.lists(points, min_size=1, max_size=4).map(tuple), positive),
)


@st.composite
def layers(draw):
    how = draw(st.sampled_from(["add", "remove", "within"]))
    some = st.sets(st.sampled_from(list(dq.BITS)), min_size=how == "add", max_size=4)
    given = {"how": how, "flags": tuple(draw(some))}
    if how == "add" and draw(st.booleans()):
        first = draw(st.integers(0, 20))
        last = draw(st.one_of(st.just(-1), st.integers(first, 30)))
        integration = draw(st.integers(0, 9))
        given["groups"] = Groups(integration=integration, first=first, last=last)
        given["flags"] = ("JUMP_DET", "SATURATED")
    elif draw(st.booleans()):
        given |= {"role": "scene", "flags": ()}
    bits = draw(st.integers(0, 99))
    return Layer(
        name=draw(names),
        pixels=Selection.from_mask(np.random.default_rng(bits).random(SHAPE) < bits / 99),
        shapes=tuple(draw(st.lists(shapes, max_size=3))),
        on=draw(st.booleans()),
        exposure=draw(words),
        origin=Origin(
            kind=draw(st.sampled_from(["drawn", "statistic", "imported", "combined"])),
            text=draw(words),
            details=draw(
                st.dictionaries(
                    words.filter(lambda k: k not in ("kind", "text")), plain, max_size=3
                )
            ),
        ),
        comment=draw(words),
        **given,
    )


masks = st.builds(
    Mask,
    instrument=words,
    detector=words,
    shape=st.just(SHAPE),
    subarray=words,
    corner=st.tuples(st.integers(1, 2048), st.integers(1, 2048)),
    layers=st.lists(layers(), max_size=3, unique_by=lambda m: m.name).map(tuple),
    title=words,
    comment=words,
)


@settings(deadline=None)
@given(masks)
def test_any_mask_comes_back_from_its_text_exactly(mask):
    again = from_text(to_text(mask))
    assert again.same(mask)
    assert to_text(again) == to_text(mask)


@settings(deadline=None, max_examples=30)
@given(masks)
def test_a_file_holds_the_same_text(tmp_path_factory, mask):
    path = tmp_path_factory.mktemp("masks") / "m.toml"
    assert read_text(write_text(mask, path)).same(mask)
    assert [p.name for p in path.parent.iterdir()] == ["m.toml"]


def test_the_text_is_as_a_person_would_write_it():
    mask = Mask(
        instrument="NIRCAM",
        detector="NRCA1",
        shape=SHAPE,
        layers=(
            Layer(
                name="warm",
                flags=("WARM",),
                origin=Origin(kind="statistic", text="z > 5", details={"warm": 3.0}),
                shapes=(Ellipse(5, 3.5, 2, 1, 30),),
                pixels=Selection.parse("4: 1 3-5", SHAPE),
            ),
        ),
    )
    assert to_text(mask) == (
        'format = "jwinteractive mask 1"\n'
        'instrument = "NIRCAM"\n'
        'detector = "NRCA1"\n'
        'subarray = "FULL"\n'
        "shape = [12, 15] # rows, columns\n"
        "corner = [1, 1] # row and column of the first pixel on the detector, from 1\n"
        "\n"
        "[[layer]]\n"
        'name = "warm"\n'
        'flags = ["WARM"]\n'
        'origin = {kind = "statistic", text = "z > 5", warm = 3.0}\n'
        "shapes = [\n"
        '    "ellipse y5 x3.5 a2 b1 t30",\n'
        "]\n"
        "pixels = '''\n"
        "4: 1 3-5\n"
        "'''\n"
    )


def test_a_layer_of_the_scene_has_a_role_and_no_flags_in_its_text():
    pixels = Selection.from_pixels(SHAPE, [4], [1])
    layer = Layer(name="stars", role="scene", flags=(), pixels=pixels)
    mask = Mask(instrument="NIRCAM", detector="NRCA1", shape=SHAPE, layers=(layer,))
    lines = to_text(mask).splitlines()
    at = lines.index('name = "stars"')
    assert lines[at + 1 : at + 3] == ['role = "scene"', 'origin = {kind = "drawn"}']
    assert not any(line.startswith("flags") for line in lines)


def text_with(old="", new="", more=""):
    text = (
        'format = "jwinteractive mask 1"\ninstrument = "NIRCAM"\ndetector = "NRCA1"\n'
        'shape = [12, 15]\n[[layer]]\nname = "a"\nflags = ["HOT"]\n'
    )
    assert old in text
    return text.replace(old, new) + more


MALFORMED = {
    "not toml": ("a = = b", "is no mask as text"),
    "empty": ("", "format is None"),
    "other format": (text_with("mask 1", "mask 7"), "format is 'jwinteractive mask 7'"),
    "unknown key": (text_with("instrument", "instrment"), "did you mean 'instrument'"),
    "no instrument": (text_with('instrument = "NIRCAM"\n'), "instrument = None: must be text"),
    "no detector": (text_with('detector = "NRCA1"\n'), "detector = None: must be text"),
    "no shape": (text_with("shape = [12, 15]\n"), "shape = None: must be two whole numbers"),
    "shape of floats": (text_with("[12, 15]", "[12.0, 15]"), "must be two whole numbers"),
    "shape of bools": (text_with("[12, 15]", "[true, 15]"), "must be two whole numbers"),
    "three sizes": (text_with("[12, 15]", "[2, 12, 15]"), "must be two whole numbers"),
    "no size": (text_with("[12, 15]", "[0, 15]"), "must lie in 1 to 4096"),
    "huge": (text_with("[12, 15]", "[9999999999, 15]"), "must lie in 1 to 4096"),
    "corner from 0": (text_with("shape", "corner = [0, 0]\nshape"), "must lie in 1 to 4096"),
    "layers no list": (text_with("[[layer]]", "[layer]"), "layer = .*: must be a list"),
    "no name": (text_with('name = "a"\n'), "name of a layer = None: must be text"),
    "flags of the scene": (
        text_with(more='role = "scene"\n'),
        "layer 'a': is for the scene, which has no flags, not HOT",
    ),
    "no flags": (text_with('flags = ["HOT"]\n'), "layer 'a': flags = None: must be a list"),
    "flags no list": (text_with('["HOT"]', '"HOT"'), "layer 'a': flags = 'HOT': must be a list"),
    "unknown flag": (text_with("HOT", "HOTT"), "layer 'a', flag 'HOTT' of pixels: did you mean"),
    "layer key": (text_with(more="onn = true"), "layer 'a': key 'onn': did you mean 'on'"),
    "on as text": (text_with(more='on = "yes"'), "layer 'a': on = 'yes': must be true or false"),
    "how": (text_with(more='how = "sub"'), "layer 'a', how 'sub': choose from"),
    "groups": (text_with(more='groups = "5-"'), "layer 'a': groups '5-': need the form"),
    "flag of groups": (text_with(more='groups = "i1 g5-"'), "layer 'a', flag 'HOT' of groups"),
    "origin": (text_with(more='origin = "me"'), "layer 'a': origin = 'me': must be a table"),
    "kind": (text_with(more='origin = {kind = "x"}'), "layer 'a': origin 'x' of a layer"),
    "details": (text_with(more="origin = {a = [1]}"), "layer 'a': origin, a = \\[1\\]: must be"),
    "date in origin": (text_with(more="origin = {a = 2020-01-01}"), "layer 'a': origin, a"),
    "infinite": (text_with(more="origin = {a = inf}"), "layer 'a': origin, a = inf"),
    "shape of layer": (text_with(more='shapes = ["disc 1"]'), "layer 'a': shape 'disc 1': needs"),
    "shape as number": (text_with(more="shapes = [1]"), "layer 'a': shape = 1: must be text"),
    "pixels": (text_with(more='pixels = "1 2"'), "layer 'a': pixels '1 2': need the form"),
    "outside": (text_with(more='pixels = "12: 2"'), "layer 'a': pixels '2' of row 12: must lie"),
    "twice": (text_with(more='[[layer]]\nname = "a"\nflags = ["HOT"]'), "two layers are called"),
}


@pytest.mark.parametrize("what", MALFORMED)
def test_text_that_is_no_mask_gets_one_line_that_names_the_place(what):
    text, expected = MALFORMED[what]
    with pytest.raises(InputError, match=expected) as caught:
        from_text(text, "my.toml")
    said = str(caught.value)
    assert said.startswith("my.toml: ")
    assert said.count("my.toml") == 1
    assert "\n" not in said
    assert len(said) < 300


def test_what_is_left_out_has_its_default():
    (layer,) = from_text(text_with()).layers
    assert layer.same(Layer(name="a", flags=("HOT",), pixels=Selection.none(SHAPE)))


def test_a_file_that_cannot_be_read_or_written_is_named(tmp_path):
    with pytest.raises(InputError, match="cannot be read"):
        read_text(tmp_path / "none.toml")
    (tmp_path / "bytes.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(InputError, match="cannot be read"):
        read_text(tmp_path / "bytes.toml")
    with pytest.raises(OutputError, match="cannot be written"):
        write_text(from_text(text_with()), tmp_path / "no" / "folder.toml")
