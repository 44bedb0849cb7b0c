"""A session with masks: the ramp's flags, undo, the log, saving, scripts, windows and boxes."""

import numpy as np
import pytest

import jwinteractive
from jwinteractive import dq
from jwinteractive.data import Box
from jwinteractive.errors import InputError, JwinteractiveError
from jwinteractive.masks import (
    Ellipse,
    Groups,
    Layer,
    Line,
    Mask,
    Selection,
    to_text,
    write_mask,
)
from jwinteractive.script import script

JUMP = ("JUMP_DET",)
BAD = ("OTHER_BAD_PIXEL", "DO_NOT_USE")


@pytest.fixture
def second_file(tmp_path_factory):
    from jwinteractive.simulate import simulate

    folder = tmp_path_factory.mktemp("second")
    return simulate("nircam", size=(64, 72), nints=2, ngroups=8, seed=8).write(folder, "second")


def pixels(shape, seed=1, share=0.05):
    return Selection.from_mask(np.random.default_rng(seed).random(shape) < share)


def with_layers(session, *layers):
    mask = session.mask()
    for layer in layers:
        mask = mask.with_layer(layer)
    return mask


def drawn(session, name="drawn", flags=BAD, **given):
    shape = session.mask().shape
    shapes = (Ellipse(30, 40, 9, 5, 25), Line(((3, 4), (50, 60)), 2))
    return Layer(name=name, pixels=pixels(shape), shapes=shapes, flags=flags, **given)


def test_flags_of_a_layer_reach_the_ramp_and_leave_the_rate(session):
    plain = session.run("dq_init")
    session.use_mask(with_layers(session, drawn(session)))
    layer = session.mask()["drawn"]
    ramp = session.run("dq_init")
    expected = plain.pixeldq.copy()
    expected[layer.selection.mask()] |= np.uint32(layer.bits)
    np.testing.assert_array_equal(ramp.pixeldq, expected)
    assert (ramp.groupdq[..., layer.selection.mask()] & dq.DO_NOT_USE).all()
    rate = session.run()
    assert (rate.dq[layer.selection.mask()] & dq.DO_NOT_USE).all()


def test_a_mask_file_as_parameter_does_the_same_as_the_mask_itself(session, tmp_path):
    session.use_mask(with_layers(session, drawn(session)))
    expected = session.run("dq_init")
    path = write_mask(session.mask(), tmp_path / "m.toml").path
    other = jwinteractive.open(session.exposures[0].path)
    other.set("dq_init", user_supplied_dq=str(path))
    ramp = other.run("dq_init")
    np.testing.assert_array_equal(ramp.pixeldq, expected.pixeldq)
    np.testing.assert_array_equal(ramp.groupdq, expected.groupdq)
    with pytest.raises(InputError, match="clear the parameter"):
        other.use_mask(session.mask())


def test_a_layer_for_groups_flags_these_alone(session):
    plain = session.run("user_flags")
    groups = Groups(integration=1, first=4)
    shower = drawn(session, "shower", groups=groups, flags=JUMP)
    session.use_mask(with_layers(session, shower))
    ramp = session.run("user_flags")
    inside = session.mask()["shower"].selection.mask()
    expected = plain.groupdq.copy()
    expected[1, 4:, inside] |= dq.JUMP_DET
    np.testing.assert_array_equal(ramp.groupdq, expected)
    np.testing.assert_array_equal(ramp.pixeldq, plain.pixeldq)
    assert (ramp.groupdq != plain.groupdq).any()


def test_a_layer_for_groups_that_are_not_there_is_refused_in_one_line(session):
    late = drawn(session, "late", groups=Groups(first=50), flags=JUMP)
    session.use_mask(with_layers(session, late))
    with pytest.raises(JwinteractiveError, match="there are 8 groups, from 1 on"):
        session.run("user_flags")


def test_a_box_of_the_preview_equals_the_whole_with_a_mask(session):
    shower = drawn(session, "shower", groups=Groups(first=3, last=5), flags=JUMP)
    session.use_mask(with_layers(session, drawn(session), shower))
    whole = session.run()
    box = Box(20, 44, 25, 60)
    part = session.preview(box)
    at = part.box
    for name in ("data", "dq", "err"):
        mine = getattr(part, name)
        its = getattr(whole, name)[at.y0 : at.y1, at.x0 : at.x1]
        np.testing.assert_array_equal(mine, its, err_msg=name)


def test_masks_are_undone_redone_and_told(session):
    first = with_layers(session, drawn(session))
    session.use_mask(first)
    session.use_mask(first.changed("drawn", on=False))
    assert session.undo()
    assert session.mask().same(first)
    assert session.undo()
    assert session.mask().layers == ()
    assert session.redo()
    assert session.mask().same(first)
    said = [e.text for e in session.journal]
    n = first["drawn"].count
    assert any(f"layer 'drawn' added, {n:,} pixels DO_NOT_USE, OTHER_BAD_PIXEL" in s for s in said)
    assert any("layer 'drawn': switched off" in s for s in said)


def test_a_stroke_is_one_edit_however_often_it_turns(session):
    empty = session.mask()
    mask = with_layers(session, Layer(name="brush", pixels=Selection.none(empty.shape)))
    for x in range(10, 20):
        dab = Selection.from_pixels(empty.shape, [30], [x])
        mask = mask.with_layer(mask["brush"].painted(dab))
        session.turn_mask(mask)
    session.rest()
    assert session.mask()["brush"].count == 10
    assert session.undo()
    assert session.mask().same(empty)


def test_a_mask_makes_stale_what_it_flags_and_no_more(session):
    session.run()
    assert session.stale() == []
    session.use_mask(with_layers(session, drawn(session, on=False)))
    assert session.stale() == []
    groups = drawn(session, "g", groups=Groups(first=5), flags=JUMP)
    session.use_mask(with_layers(session, groups))
    stale = session.stale()
    assert "user_flags" in stale
    assert "dq_init" not in stale
    session.use_mask(with_layers(session, drawn(session)))
    assert session.stale()[0] == "dq_init"


def test_an_edit_names_the_first_step_that_it_concerns(session):
    named = []
    session.changed.connect(named.append)

    def change(mask):
        session.use_mask(mask)
        return named[-1]

    some = pixels(session.mask().shape, 4)
    stars = Layer(name="stars", role="scene", flags=(), pixels=some)
    shower = drawn(session, "shower", groups=Groups(first=5), flags=JUMP)
    assert change(with_layers(session, stars)) == "clean_flicker_noise"
    assert change(session.mask().changed("stars", how="remove")) == "clean_flicker_noise"
    assert change(session.mask().changed("stars", on=False)) == "clean_flicker_noise"
    assert change(session.mask().changed("stars", comment="x")) == "user_flags"
    on = session.mask().changed("stars", on=True)
    assert change(on.with_layer(shower)) == "clean_flicker_noise"
    assert change(session.mask().changed("shower", on=False)) == "user_flags"
    assert change(session.mask().changed("stars", role="flags", flags=BAD)) == "dq_init"
    session.turn_mask(session.mask().changed("stars", role="scene", flags=(), how="add"))
    session.rest()
    assert named[-1] == "dq_init"
    painted = session.mask()["stars"].painted(pixels(session.mask().shape, 5))
    session.turn_mask(session.mask().with_layer(painted))
    session.rest()
    assert named[-1] == "clean_flicker_noise"


def test_a_scene_makes_no_flags_stale_and_is_undone_saved_and_repeated(session, tmp_path):
    session.run()
    before = session.mask()
    stars = Layer(name="stars", role="scene", flags=(), pixels=pixels(before.shape, 4))
    session.use_mask(with_layers(session, stars))
    assert session.stale() == []
    session.enable("clean_flicker_noise")
    session.run()
    session.use_mask(session.mask().changed("stars", how="remove"))
    assert session.stale()[0] == "clean_flicker_noise"
    assert any("layer 'stars' added" in e.text for e in session.journal)
    session.save(tmp_path / "s")
    assert jwinteractive.open(tmp_path / "s").mask().same(session.mask())
    assert 'role = "scene"' in script(session)
    for _ in range(3):  # background, the step switched on, the layer
        assert session.undo()
    assert session.mask().same(before)


def test_a_layer_for_one_exposure_leaves_the_other_alone(nircam_file, second_file):
    session = jwinteractive.open([nircam_file, second_file])
    names = [f.exposure.filename for f in session.exposures]
    assert names[0] != names[1]
    plain = [session.run("dq_init", i).pixeldq for i in (0, 1)]
    session.use_mask(with_layers(session, drawn(session, exposure=names[1])))
    first, second = (session.run("dq_init", i).pixeldq for i in (0, 1))
    np.testing.assert_array_equal(first, plain[0])
    inside = session.mask()["drawn"].selection.mask()
    np.testing.assert_array_equal(
        second != plain[1], inside & ((plain[1] & 0x40000001) != 0x40000001)
    )


def test_a_mask_of_the_full_frame_serves_a_window_of_it(session):
    file = session.exposures[0]
    e, (ny, nx) = file.exposure, file.product.shape
    shape = (2048, 2048)
    layer = Layer(name="bad", pixels=pixels(shape, 3), flags=BAD)
    full = Mask(instrument=e.instrument, detector=e.detector, shape=shape, layers=(layer,))
    plain = session.run("dq_init").pixeldq
    session.use_mask(full)
    y, x = e.ystart - 1, e.xstart - 1
    expected = plain | full.dq()[y : y + ny, x : x + nx]
    np.testing.assert_array_equal(session.run("dq_init").pixeldq, expected)
    assert session.mask() is full


@pytest.mark.parametrize("changes", [{"detector": "NRCB4"}, {"corner": (1, 1)}, {"shape": (9, 9)}])
def test_a_mask_that_fits_no_exposure_changes_nothing(session, changes):
    given = {"instrument": "NIRCAM", "detector": session.mask().detector} | changes
    given.setdefault("shape", (64, 72))
    given.setdefault("corner", session.mask().corner)
    if changes.get("corner") == session.mask().corner:
        given["corner"] = (2000, 2000)
    before = session.settings
    with pytest.raises(InputError, match="use a mask of its detector and window"):
        session.use_mask(Mask(**given))
    assert session.settings == before


def test_a_saved_session_opens_with_its_masks(session, tmp_path):
    session.use_mask(with_layers(session, drawn(session, comment="ünicode «x»")))
    rate = session.run()
    session.save(tmp_path / "s")
    again = jwinteractive.open(tmp_path / "s")
    assert again.mask().same(session.mask())
    assert again.stale() == []
    np.testing.assert_array_equal(again.run().data, rate.data)
    (file,) = (tmp_path / "s").glob("mask-*.toml")
    assert file.read_text() == to_text(session.mask())


def test_a_script_repeats_the_masks(session):
    odd = drawn(session, "q'\" \\ é", comment='lines\n\u2028 and "quotes"')
    shower = drawn(session, "shower", groups=Groups(first=4), flags=JUMP)
    session.use_mask(with_layers(session, odd, shower))
    scope = {}
    exec(compile(script(session), "again.py", "exec"), scope)
    mine = session.run()
    for name, array in mine.arrays().items():
        np.testing.assert_array_equal(scope["results"][0].arrays()[name], array, err_msg=name)
    assert scope["session"].mask().same(session.mask())
