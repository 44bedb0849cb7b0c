"""Injection and recovery: what goes in, what counts as found and as false, and how it is told."""

import shutil
import threading
from typing import Annotated, Literal

import numpy as np
import pytest

import jwinteractive
from jwinteractive.data import Box
from jwinteractive.errors import Cancelled, InputError, ParamError, RecipeError
from jwinteractive.injection import APART, Piece, _light, sample_boxes
from jwinteractive.params import Doc, Params, Unit, When
from jwinteractive.recovery import (
    as_json,
    as_text,
    interval,
    measure_recovery,
    size_plot,
    threshold_of,
    threshold_plot,
)
from jwinteractive.testing import example_exposure, example_ramp

FLAT = {
    "crowding": 0.0,
    "galaxies": 0,
    "sky": 0.0,
    "flat": 0.0,
    "nonlinearity": 0.0,
    "hot": 0.0,
    "dead": 0.0,
    "low_qe": 0.0,
    "open": 0.0,
    "telegraph": 0.0,
    "cosmic_rays": 0.0,
    "snowballs": 0.0,
    "one_over_f_common": 0.0,
    "one_over_f_amp": 0.0,
    "alternating": 0.0,
}


@pytest.fixture(scope="module")
def plain_file(tmp_path_factory):
    """A simulated dark of read noise alone, 1 x 12 x 128 x 128."""
    from jwinteractive.simulate import simulate

    folder = tmp_path_factory.mktemp("plain")
    return simulate("nircam", size=(128, 128), ngroups=12, seed=5, **FLAT).write(folder)


@pytest.fixture
def plain(plain_file):
    return two_point(jwinteractive.open(plain_file))


def two_point(session):
    """The session with the two-point method, whatever the default is."""
    if "method" in session.recipe["jump"].params.as_dict():
        session.set("jump", method="two-point")
    return session


def noise_in_electrons(session):
    link = next(link for link in session.chain()[1] if link.step.name == "jump")
    references = link.references
    return float(np.median(references["readnoise"].data * references["gain"].data))


# -- what is found ---------------------------------------------------------------------------------


def test_a_jump_at_the_threshold_is_found_in_half_of_the_ramps_as_gaussian_noise_has_it(plain):
    from scipy.stats import norm

    sigma = noise_in_electrons(plain)  # of a difference, as the reference has it
    found = measure_recovery(plain, 5 * sigma)
    for k, threshold in enumerate(found.thresholds):
        # the median that is taken off is noisy, and a jump raises it by a tenth of sigma
        expected = norm.cdf((found.sizes / sigma - threshold - 0.1) / 1.08)
        assert found.completeness[k] == pytest.approx(expected, abs=0.15)  # 60 jumps each
        assert found.completeness[k, 4] == pytest.approx(expected[4], abs=0.06)
    at = int(np.argmin(abs(found.thresholds - 5)))
    assert abs(found.thresholds[at] - 4.88) < 0.01
    assert found.completeness[at, 4] == pytest.approx(0.5, abs=0.06)


def test_false_flags_fall_with_the_threshold_as_gaussian_noise_has_it(plain):
    from scipy.stats import norm

    found = measure_recovery(plain)
    assert found.against == "truth"
    share = found.flagged / found.differences
    assert (np.diff(share) <= 0).all()
    # both signs count; the median that is taken off is noisy, too
    assert share[0] == pytest.approx(2 * norm.sf(found.thresholds[0]), rel=0.35)


def test_fewer_are_found_at_a_higher_threshold_and_more_of_larger_ones(session):
    found = measure_recovery(session)
    middle = found.completeness[:, 4]
    assert (np.diff(middle) <= 0.01).all()
    assert found.completeness[3, 0] < 0.3 < 0.8 < found.completeness[3, -1]
    assert found.injected.sum(axis=1).max() <= found.pixels / APART**2 * 1.2


def test_the_same_seed_gives_the_same_numbers_and_another_does_not(session):
    one, two, other = (measure_recovery(session, seed=n, rate=1.0) for n in (1, 1, 2))
    for name in ("found", "injected", "flagged"):
        np.testing.assert_array_equal(getattr(one, name), getattr(two, name))
    assert not np.array_equal(one.found, other.found)


def test_light_that_is_added_makes_jumps_harder_to_find(plain):
    dark, bright = (measure_recovery(plain, 60.0, rate=rate) for rate in (0.0, 300.0))
    assert bright.completeness[5, 4] < dark.completeness[5, 4] - 0.1


def test_flags_of_neighbours_do_not_count(plain):
    plain.set("jump", flag_4_neighbors=True)
    one = measure_recovery(plain, 2000.0)
    plain.set("jump", flag_4_neighbors=False)
    other = measure_recovery(plain, 2000.0)
    np.testing.assert_array_equal(one.flagged, other.flagged)


# -- what is false ---------------------------------------------------------------------------------


def test_without_a_truth_flags_are_not_called_false(session, nircam_file, tmp_path):
    false = measure_recovery(session)
    alone = tmp_path / nircam_file.name
    shutil.copy(nircam_file, alone)
    shutil.copytree(
        nircam_file.with_name(nircam_file.name.replace("_uncal.fits", "_refs")),
        tmp_path / nircam_file.name.replace("_uncal.fits", "_refs"),
    )
    real = measure_recovery(jwinteractive.open(alone))
    assert false.false_words == "false flags per difference"
    assert real.false_words == "flags per difference, no injection"
    np.testing.assert_array_equal(real.found, false.found)
    assert (real.flagged > false.flagged + 50).all(), "its true hits are among them"


# -- where and what is injected --------------------------------------------------------------------


def a_piece(**header):
    exposure = example_exposure(ngroups=6, **header)
    ramp = example_ramp(exposure, (30, 33), flagged=False)
    usable = np.zeros(ramp.data.shape, bool)
    usable[:, 1:] = True
    gain = np.full((30, 33), 2.0, np.float32)
    return Piece(ramp, usable, usable, gain, ramp, np.zeros((0, 6), int))


def test_a_jump_raises_its_group_and_all_later_ones_by_its_size_over_the_gain():
    piece = a_piece().injected(np.array([50.0, 80.0]), 1, np.random.default_rng(1))
    rise = piece.hit.data - piece.ramp.data
    _, g, *_, number, later = piece.where.T
    assert len(piece.where) == 10 * 11
    assert (g >= 1).all()
    assert not later.any()
    expected = np.zeros_like(rise)
    for jump in piece.where:
        expected[jump[0], jump[1] :, jump[2], jump[3]] = (25.0, 40.0)[jump[4]]
    np.testing.assert_allclose(rise, expected, atol=2e-3)
    assert np.mean(number == 1) == pytest.approx(0.75, abs=0.1)


def test_in_averaged_groups_a_hit_counts_by_the_frames_that_follow_it():
    piece = a_piece(nframes=4, groupgap=1).injected(np.array([80.0]), 0, np.random.default_rng(1))
    i, g, y, x, _, later = piece.where.T
    part = (piece.hit.data - piece.ramp.data)[i, g, y, x] / 40.0
    shares = np.unique(np.round(part, 3))
    np.testing.assert_allclose(shares, [0.25, 0.5, 0.75, 1.0])
    assert np.mean(part > 0.99) == pytest.approx(2 / 5, abs=0.12), "the gap, and the first frame"
    np.testing.assert_array_equal(later == 1, (part < 0.99) & (g < 5))


@pytest.mark.parametrize(("frames", "gap"), [(1, 0), (4, 0), (8, 12)])
def test_light_of_averaged_groups_has_mean_and_variance_of_frames_that_are_drawn_one_by_one(
    frames, gap
):
    e = example_exposure(nframes=frames, groupgap=gap, frame_time=2.0)
    rng = np.random.default_rng(4)
    ours = np.diff(_light(e, 3.0, (1, 4, 150, 150), rng), axis=1)
    each = rng.poisson(6.0, (4 * (frames + gap), 150 * 150)).cumsum(axis=0)
    groups = each.reshape(4, frames + gap, -1)[:, :frames].mean(axis=1)
    brute = np.diff(groups, axis=0)
    assert ours.mean() == pytest.approx(brute.mean(), rel=0.01)
    assert ours.var() == pytest.approx(brute.var(), rel=0.04)
    pairs = [np.mean((d[0] - d[0].mean()) * (d[1] - d[1].mean())) for d in (ours[0], brute)]
    assert pairs[0] == pytest.approx(pairs[1], abs=0.03 * brute.var())


@pytest.mark.parametrize("box", [Box(0, 64, 0, 72), Box(10, 50, 5, 70), Box(3, 4, 2, 9)])
@pytest.mark.parametrize("samples", [1, 4000, 10**9])
def test_a_sample_lies_in_its_box_and_has_about_the_size_that_was_asked_for(session, box, samples):
    boxes = sample_boxes(box, session.input(), samples)
    assert all(b in box for b in boxes)
    pixels = sum(b.shape[0] * b.shape[1] for b in boxes)
    assert pixels <= max(1.3 * samples / 16, 49)
    seen = np.zeros((64, 72), int)
    for b in boxes:
        seen[b.slices(Box.whole((64, 72)))] += 1
    assert seen.max() == 1, "none is counted twice"


def test_only_the_box_that_is_asked_for_is_looked_at(session):
    found = measure_recovery(session, box=Box(10, 40, 20, 50))
    assert found.pixels == 900


# -- what is refused -------------------------------------------------------------------------------


def test_a_cancelled_measurement_stops(session):
    cancel = threading.Event()
    cancel.set()
    with pytest.raises(Cancelled):
        measure_recovery(session, cancel=cancel)


def test_it_says_why_nothing_can_be_measured(session):
    with pytest.raises(ParamError, match="neither can be negative"):
        measure_recovery(session, -1.0)
    with pytest.raises(ParamError, match="neither can be negative"):
        measure_recovery(session, float("nan"))
    with pytest.raises(InputError, match="outside the frame"):
        measure_recovery(session, box=Box(900, 950, 0, 10))
    session.enable("jump", False)
    with pytest.raises(RecipeError, match="jump does not run here: switched off"):
        measure_recovery(session)


class ManyParams(Params):
    """Parameters of a jump step with two methods."""

    method: Annotated[Literal["likelihood", "two-point"], Doc("Which.")] = "likelihood"
    likelihood_threshold: Annotated[
        float, When("method", "likelihood"), Unit("sigma"), Doc("How far.")
    ] = 4.5
    rejection_threshold: Annotated[float, When("method", "two-point"), Doc("How far.")] = 4.0
    four_group_rejection_threshold: Annotated[
        float, When("method", "two-point"), Doc("How far.")
    ] = 5.0


def test_the_threshold_is_that_of_the_present_method_and_number_of_groups():
    assert threshold_of(ManyParams(), 10).name == "likelihood_threshold"
    two = ManyParams(method="two-point")
    assert threshold_of(two, 10).name == "rejection_threshold"
    assert threshold_of(two, 4).name == "four_group_rejection_threshold"
    with pytest.raises(ParamError, match="no threshold acts"):
        threshold_of(jwinteractive.registry["ramp_fit"].params(), 10)


# -- how it is told --------------------------------------------------------------------------------


def test_wilsons_interval_by_hand():
    low, high = interval(np.array([0, 5, 10]), np.array([10, 10, 10]))
    np.testing.assert_allclose([low[0], high[0]], [0, 1 / 11], atol=1e-12)
    assert low[1] == pytest.approx(0.5 - np.sqrt(0.25 / 10 + 0.25 / 100) / 1.1)
    np.testing.assert_allclose([low[2], high[2]], [1 - 1 / 11, 1], atol=1e-12)
    assert np.isnan(interval(np.array([0]), np.array([0]))[0]).all()


def test_the_curve_marks_the_present_threshold_and_one_that_has_moved_since(plain):
    found = measure_recovery(plain)
    plot = threshold_plot(found)
    mark = plot.curves[-1]
    k = int(np.argmin(abs(found.thresholds - found.threshold)))
    assert mark.name == "now: 4 sigma"
    assert mark.y[1] == pytest.approx(found.completeness[k, 4])
    assert mark.x[1] == pytest.approx(found.flagged[k] / found.differences)
    moved = threshold_plot(found, 4.2).curves[-1]
    assert found.completeness[k + 1, 4] < moved.y[1] < mark.y[1]
    assert not any("now" in c.name for c in threshold_plot(found, 99.0).curves)
    assert plot.log_x
    assert np.isfinite(np.concatenate([c.x for c in plot.curves])).all()
    assert (plot.curves[0].x > 0).all(), "a logarithmic axis has no place for 0"
    sizes = size_plot(found, 8.2).curves[-1]
    np.testing.assert_array_equal(sizes.y, found.completeness[-1])


def test_text_and_json_hold_the_same(session):
    import json

    found = measure_recovery(session, 90.0)
    told = json.loads(json.dumps(as_json(found), allow_nan=False))
    assert np.shape(told["completeness"]["value"]) == (len(told["thresholds"]), len(told["sizes"]))
    k = told["thresholds"].index(told["threshold"])
    text = as_text(found)
    assert f"{told['completeness']['value'][k][4]:.3f} +- " in text
    assert "jumps of 90 e-" in text
    assert text.count(" <") == 1
