"""What a screen shows of a session's look: requests, pictures and their notes."""

import dataclasses as dc

import numpy as np
import pytest

import jwinteractive
from jwinteractive.data import Box
from jwinteractive.errors import StepError
from jwinteractive.scene import Picture, box_in_view, picture, request_of, views_at

BOX = Box(8, 40, 10, 50)


@pytest.fixture
def session(nircam_file):
    return jwinteractive.open(nircam_file)


def asked(session, **look):
    session.see(**look)
    return request_of(session)


def test_a_skipped_step_shows_the_last_one_that_runs_before_it(session):
    session.enable("dark_current", False)
    assert asked(session, step="dark_current").upto == "linearity"


def test_the_product_of_a_later_step_is_shown_where_that_was_chosen(session):
    request = asked(session, step="jump", shown="ramp_fit")
    assert (request.upto, picture(session, request).frame.unit) == ("ramp_fit", "DN/s")


def test_a_view_that_the_shown_step_has_not_gives_way_to_its_first(session):
    assert asked(session, step="jump", view="error").view == ""
    assert asked(session, step="ramp_fit", view="error").view == "error"


def test_the_margin_around_a_viewport_is_computed_and_ends_at_the_frame():
    assert box_in_view((100, 1000, 300, 1200), (2048, 2048)) == Box(970, 1231, 70, 331)
    assert box_in_view((-50, 0, 150, 200), (2048, 2048)) == Box(0, 231, 0, 181)


def test_a_viewport_off_the_frame_computes_the_whole_of_it():
    assert box_in_view((3000, 3000, 3200, 3200), (2048, 2048)) == Box.whole((2048, 2048))


def test_the_picture_of_a_finished_result_says_so_and_equals_its_preview(session):
    before = picture(session, asked(session, step="ramp_fit"))
    assert (before.note, before.request.kept) == ("preview", False)
    session.run("ramp_fit")
    after = picture(session, request_of(session))
    assert (after.note, after.request.kept) == ("full result", True)
    np.testing.assert_array_equal(after.frame.data, before.frame.data)


def test_after_an_edit_it_is_a_preview_again_and_undo_gives_the_full_result_back(session):
    session.see(step="jump")
    session.run("jump")
    session.set("jump", rejection_threshold=9.0)
    assert picture(session, request_of(session)).note == "preview"
    session.undo()
    assert picture(session, request_of(session)).note == "full result"


def test_a_finished_result_is_not_cheap_where_what_the_step_took_must_be_computed(session):
    title = "change by this step"
    session.run("linearity")
    request = asked(session, step="linearity", view=title)
    assert (request.view, request.kept, request.cheap) == (title, True, False)
    session.run("refpix")
    assert request_of(session).cheap


def test_a_finished_result_is_cheap_to_compare_only_where_the_pinned_one_is_kept_too(session):
    session.see(step="jump")
    session.pin()
    session.set("jump", rejection_threshold=9.0)
    session.run("jump")
    session.see(compare="split")
    assert not request_of(session).cheap
    session.undo()
    session.run("jump")
    session.redo()
    assert request_of(session).cheap


def test_the_input_is_shown_as_it_was_read(session):
    made = picture(session, asked(session, step="input"))
    assert made.note == "as read"
    ramp = session.input()
    np.testing.assert_array_equal(made.frame.data, ramp.data[0, -1] + np.float32(ramp.zero))


def test_a_note_tells_what_failed_what_follows_and_what_is_held(session):
    made = picture(session, asked(session, step="linearity"))
    held = dc.replace(made, glance=dc.replace(made.glance, held=("refpix",)))
    assert held.note == "preview; held from before: refpix"
    failed = dc.replace(made, failed="dark_current", part=True)
    assert failed.note == "preview after linearity; dark_current fails; the rest follows"


@pytest.mark.parametrize("view", ["chi2 / dof", "chi2 between integrations"])
def test_pictures_of_chi2_are_about_one_and_say_where_an_algorithm_tells_none(session, view):
    made = picture(session, asked(session, step="ramp_fit", view=view))
    low, high = made.frame.limits
    assert low < np.nanmedian(made.frame.data) < high
    assert made.note == "preview"
    session.set("ramp_fit", algorithm="OLS_C")
    made = picture(session, asked(session, step="ramp_fit", view=view))
    assert np.isnan(made.frame.data).all()
    assert made.note == "preview; this algorithm tells no chi2"


def test_a_ratio_of_pictures_has_cuts_of_its_own(session):
    session.see(step="ramp_fit", view="chi2 / dof")
    session.pin()
    session.set("jump", likelihood_threshold=9.0)
    session.see(compare="ratio")
    made = picture(session, request_of(session))
    assert made.frame.limits is None
    assert made.pair[0].limits is not None


def test_a_difference_is_the_present_result_minus_the_pinned_one(session):
    session.see(step="dark_current")
    session.pin()
    session.enable("linearity", False)
    session.see(compare="difference")
    made = picture(session, dc.replace(request_of(session), box=BOX))
    session.see(compare="split")
    both = picture(session, dc.replace(request_of(session), box=BOX))
    assert made.other_frame is None
    assert made.frame.diverging
    assert np.nanmax(np.abs(made.frame.data)) > 0
    expected = both.frame.data - both.other_frame.data
    np.testing.assert_allclose(made.frame.data, expected, rtol=1e-6)


def test_a_ratio_has_no_value_where_the_pinned_result_is_zero(session):
    session.see(step="jump", view="groups hit")
    session.pin()
    session.see(compare="ratio")
    made = picture(session, request_of(session))
    zero = picture(session, dc.replace(request_of(session), compare="split")).other_frame.data == 0
    assert zero.any()
    assert np.isnan(made.frame.data[zero]).all()
    assert np.nanmax(np.abs(made.frame.data[~zero] - 1)) == 0


def test_each_view_of_each_step_draws(session):
    for step in ["input", *(s.step for s in session.states() if s.state != "skipped")]:
        for view in views_at(session, step):
            made = picture(session, asked(session, step=step, view=view.title))
            assert isinstance(made, Picture)
            assert made.frame.full_shape == session.input().shape


def test_a_picture_of_a_step_that_fails_raises_the_error_with_its_name(session):
    session.use("dark", np.ones((3, 3)))
    with pytest.raises(jwinteractive.errors.JwinteractiveError, match=r"3, 3") as caught:
        picture(session, asked(session, step="ramp_fit"))
    assert caught.value.step == "dark_current"
    assert not isinstance(caught.value, StepError)


def test_pictures_of_one_place_differ_in_settings_box_and_group_alone(session):
    first = asked(session, step="jump")
    session.set("jump", rejection_threshold=9.0)
    assert dc.replace(request_of(session), box=BOX, group=2).same_place(first)
    for change in ({"step": "refpix"}, {"view": "groups hit"}):
        assert not asked(session, **{"step": "jump", "view": ""} | change).same_place(first)
