"""Pictures of which only what a mask touched is computed anew: equal to the whole."""

import numpy as np
import pytest

from jwinteractive.data import Box
from jwinteractive.masks import Groups, Layer, Mask, Rectangle, Selection, touched
from jwinteractive.scene import mended, picture, request_of


@pytest.fixture
def drawn(session):
    """Put a layer into the session's mask: rows and columns of a rectangle, other fields."""

    def put(name, y0, y1, x0, x1, **given):
        none = Selection.none(session.mask().shape)
        layer = Layer(name=name, pixels=none, shapes=(Rectangle(y0, y1, x0, x1),), **given)
        session.use_mask(session.mask().with_layer(layer))

    return put


@pytest.fixture
def earlier(session):
    """The rate of the whole frame before anything is drawn."""
    session.see(step="ramp_fit")
    return picture(session, request_of(session, "dq_init", hold=True))


def same(one, other):
    for name in ("data", "dq", "err"):
        np.testing.assert_array_equal(getattr(one.frame, name), getattr(other.frame, name))


def wanted(session):
    return request_of(session, "dq_init", hold=True)


@pytest.mark.parametrize(
    "given",
    [{}, {"flags": ("JUMP_DET",), "groups": Groups(first=2)}, {"exposure": "another"}],
    ids=["pixels", "groups", "of another exposure"],
)
def test_a_mended_picture_equals_the_whole_one_with_the_same_models(session, drawn, earlier, given):
    drawn("box", 20, 24, 30, 33, **given)
    made = mended(session, wanted(session), earlier)
    assert made is not None
    assert made.mended
    same(made, picture(session, wanted(session)))
    drawn("second", 50, 52, 10, 12, **given)
    again = mended(session, wanted(session), made)
    assert again is not None
    same(again, picture(session, wanted(session)))
    session.undo()
    back = mended(session, wanted(session), again)
    assert back is not None
    same(back, made)


def test_only_the_surroundings_of_a_stroke_are_computed(session, drawn, earlier, monkeypatch):
    boxes = []
    glance = session.glance
    monkeypatch.setattr(
        session, "glance", lambda box, *a, **k: boxes.append(box) or glance(box, *a, **k)
    )
    drawn("box", 20, 24, 30, 33)
    assert mended(session, wanted(session), earlier) is not None
    (box,) = boxes
    assert Box(20, 25, 30, 34) in box
    assert box.shape[0] * box.shape[1] < 64 * 72 / 2


def test_other_settings_another_place_and_masks_that_reach_far_are_not_mended(
    session, drawn, earlier
):
    drawn("box", 20, 24, 30, 33)
    session.set("jump", minimum_groups=4)
    assert mended(session, wanted(session), earlier) is None
    session.undo()
    assert mended(session, wanted(session), earlier) is not None
    session.see(view="error")
    assert mended(session, wanted(session), earlier) is None
    session.see(view="")
    drawn("large", 0, 60, 0, 60)
    assert mended(session, wanted(session), earlier) is None, "half of the picture and more"
    session.undo()
    drawn("inside", 20, 22, 30, 33, how="within")
    assert mended(session, wanted(session), earlier) is None, "what lies outside loses its flags"


def a_layer(name, pixels, **given):
    y, x = zip(*pixels, strict=True)
    return Layer(name=name, pixels=Selection.from_pixels((9, 9), y, x), **given)


def a_mask(*layers):
    return Mask(instrument="NIRCAM", detector="NRCA1", shape=(9, 9), layers=layers)


def pixels(selection):
    return [tuple(p) for p in selection.pixels().tolist()]


def test_touched_are_the_pixels_whose_flags_may_differ():
    one, two = a_layer("a", [(1, 1), (2, 2)]), a_layer("b", [(3, 3)])
    assert pixels(touched(None, a_mask(one))) == [(1, 1), (2, 2)]
    assert pixels(touched(a_mask(one), None)) == [(1, 1), (2, 2)]
    assert not touched(a_mask(one, two), a_mask(one, two))
    grown = one.painted(Selection.from_pixels((9, 9), [4], [4]))
    assert pixels(touched(a_mask(one), a_mask(grown))) == [(4, 4)]
    off = grown.replace(on=False)
    assert pixels(touched(a_mask(one), a_mask(off))) == [(1, 1), (2, 2), (4, 4)]
    assert touched(a_mask(one, two), a_mask(two, one)) is None
    assert touched(a_mask(one), a_mask(one, two.replace(how="within"))) is None
    assert touched(None, None) is None


@pytest.fixture(scope="module")
def tall(tmp_path_factory):
    """A simulated NIRCam exposure of 1 x 4 x 640 x 32."""
    from jwinteractive.simulate import simulate

    folder = tmp_path_factory.mktemp("tall")
    made = simulate("nircam", size=(640, 32), ngroups=4, seed=3, crowding=800, snowballs=0.0)
    return made.write(folder)


@pytest.mark.parametrize("method", ["smoother", "fourier", "shrunk_median", "median"])
def test_a_stroke_on_the_scene_mends_the_lines_that_the_method_fits(tall, method):
    import jwinteractive

    session = jwinteractive.open(tall)
    session.enable("clean_flicker_noise")
    session.set("clean_flicker_noise", fit_method=method)
    session.see(step="ramp_fit")
    earlier = picture(session, wanted(session))
    none = Selection.none(session.mask().shape)
    shapes = (Rectangle(300, 304, 5, 20),)
    layer = Layer(name="s", pixels=none, shapes=shapes, flags=(), role="scene")
    session.use_mask(session.mask().with_layer(layer))
    made = mended(session, wanted(session), earlier)
    if method == "median":
        assert made is None, "it measures the whole exposure by what is said of the scene"
        return
    assert made is not None
    assert made.settings is session.settings
    assert (made.frame.data != earlier.frame.data).any()
    same(made, picture(session, wanted(session)))
