"""What the steps show: every view of every step, drawn from real chains."""

import warnings
from dataclasses import replace

import numpy as np
import pytest

import jwinteractive
from jwinteractive import dq
from jwinteractive.chain import Link, run_box
from jwinteractive.data import Box, Ramp, Rate
from jwinteractive.errors import InputError, MissingReference
from jwinteractive.plan import load_references
from jwinteractive.recipe import DETECTOR, Recipe, recipe_names
from jwinteractive.step import Whole, registry
from jwinteractive.steps.detector.refpix import RefpixModel
from jwinteractive.testing import example_exposure, example_ramp, example_references
from jwinteractive.views import Frame, Plot, Shown, Table

BOX = Box(5, 37, 8, 45)


def chain_of(path):
    """Product of a file and the steps that run on it, with what they measured."""
    session = jwinteractive.open(path)
    (file,) = session.exposures
    text = f"{file.exposure.filename} y20 x20 i1 g3 +JUMP_DET; {file.exposure.filename} y20 x21 "
    session.set("user_flags", groups=text + "i2 g4 +DO_NOT_USE")
    session.set("persistence", dn_threshold=500.0)
    for stage in session.recipe:  # those that are off in the recipe, too
        session.enable(stage.step)
    links = []
    for planned in session.plan():
        if not planned.skipped:
            try:
                references = load_references(planned, file, session.references)
            except MissingReference:  # of a step that no simulated set has one for
                examples = example_references(file.exposure, file.product.shape)
                needs = planned.step.needs.items()
                references = {name: examples[need.kind.reftype] for name, need in needs}
            link = Link(planned.step, planned.stage.params, references)
            if planned.step.measure is not None:
                link = measured(link, file.product, list(links))
            links.append(link)
    return file.product, links


def measured(link, source, before):
    whole = Whole(source.exposure, source.covers, lambda box: run_box(source, before, box))
    model = link.step.learn(whole, link.params, link.references)
    return Link(link.step, link.params, link.references, model)


def all_shown(source, links, box):
    """What each step of a chain shows of a box, by step."""
    found = {}
    given = [run_box(source, [], box)]

    def look(link, product, seconds):
        given.append(product.crop(box))
        found[link.step.name] = Shown(
            after=given[-1],
            before=given[-2],
            model=link.model,
            integration=1,
            group=2,
            shape=source.shape,
        )

    run_box(source, links, box, look)
    return found


def group_scaled():
    """Exposure for the steps that have nothing to do on the simulated ones."""
    exposure = example_exposure(nints=2, nframes=3, frame_divisor=4)
    scale, saturation = registry["group_scale"], registry["saturation"]
    references = example_references(exposure)
    given = {name: references[need.kind.reftype] for name, need in saturation.needs.items()}
    return example_ramp(exposure), [
        Link(scale, scale.params(), {}),
        Link(saturation, saturation.params(), given),
    ]


def whole_nirspec_frame():
    """Exposure, called a full frame, for the step that is for no other."""
    exposure = example_exposure("NIRSPEC", nints=2, subarray="FULL", xstart=1, ystart=1)
    step, ramp = registry["picture_frame"], example_ramp(exposure)
    template = example_references(exposure)["pictureframe"]
    return ramp, [measured(Link(step, step.params(), {"template": template}), ramp, [])]


@pytest.fixture(scope="module")
def chains(nircam_file, miri_file):
    return {
        "nircam": chain_of(nircam_file),
        "miri": chain_of(miri_file),
        "scaled": group_scaled(),
        "nirspec": whole_nirspec_frame(),
    }


@pytest.fixture(scope="module")
def shown(chains):
    """What there is to see of every step: of the whole exposure, and of a box."""
    return [
        (registry[name], whole, all_shown(source, links, BOX)[name])
        for source, links in chains.values()
        for name, whole in all_shown(source, links, source.covers).items()
    ]


def views(shown):
    return [(step, view, whole, box) for step, whole, box in shown for view in step.views()]


def test_every_step_of_the_recipes_is_looked_at(shown):
    recipes = (Recipe.load(name) for name in recipe_names())
    of_ramps = [r for r in recipes if DETECTOR in r.subjects]  # those of spectra have their own
    in_recipes = {stage.step for recipe in of_ramps for stage in recipe}
    assert {step.name for step, *_ in shown} == in_recipes


def test_every_view_draws_what_can_be_shown(shown):
    drawn, seen = set(), {}
    for step, view, whole, _ in views(shown):
        drawing = view.draw(whole)
        drawn.add(type(drawing))
        where = f"{step.name}: {view.title}"
        seen.setdefault(where, False)
        assert drawing.title, where
        match drawing:
            case Frame():
                assert drawing.data.shape == whole.after.shape, where
                assert drawing.full_shape == whole.shape, where
                seen[where] |= bool(np.isfinite(drawing.data).any())
            case Plot():
                assert drawing.x_label, where
                assert drawing.y_label, where
                assert len({c.name for c in drawing.curves}) == len(drawing.curves), where
                for curve in drawing.curves:
                    assert np.shape(curve.x) == np.shape(curve.y), where
                    seen[where] |= bool(np.isfinite(curve.y).all())
            case Table():
                seen[where] = True  # no flag was set: no row
                assert all(len(row) == len(drawing.columns) for row in drawing.rows), where
    assert drawn == {Frame, Plot, Table}
    of_full_frames = "refpix: drift along the side columns"
    assert [where for where, found in seen.items() if not found] == [of_full_frames]


def test_drawing_leaves_what_is_shown_alone(shown):
    def pixels(what):
        products = (what.after, what.before)
        return {(i, k): a.tobytes() for i, p in enumerate(products) for k, a in p.arrays().items()}

    for _, view, _, box in views(shown):
        before = pixels(box)
        view.draw(box)
        assert pixels(box) == before


def test_a_frame_of_a_box_equals_the_same_box_of_the_whole(shown):
    for step, view, whole, box in views(shown):
        part, all_of_it = view.draw(box), view.draw(whole)
        if isinstance(part, Frame):
            assert part.covers == BOX
            rows, columns = BOX.slices(all_of_it.covers)
            where = f"{step.name}: {view.title}"
            np.testing.assert_array_equal(part.data, all_of_it.data[rows, columns], where)


def test_titles_of_one_step_differ(shown):
    for step, *_ in shown:
        titles = [view.title for view in step.views()]
        assert len(set(titles)) == len(titles), step.name


def test_a_view_that_compares_says_so_and_no_other_needs_the_product_before(shown):
    for _, view, whole, _ in views(shown):
        if not view.compares:
            view.draw(replace(whole, before=None))


def test_an_integration_or_group_past_the_last_shows_the_last(shown):
    for step, view, whole, _ in views(shown):
        past = view.draw(replace(whole, integration=99, group=999))
        last = view.draw(replace(whole, integration=1, group=-1))
        where = f"{step.name}: {view.title}"
        if isinstance(last, Frame):
            np.testing.assert_array_equal(past.data, last.data, where)
        if isinstance(last, Plot):
            for a, b in zip(past.curves, last.curves, strict=True):
                np.testing.assert_array_equal(a.y, b.y, where)


def test_views_of_pixels_without_a_number_are_quiet(shown):
    def emptied(product):
        return product.replace(
            **{k: v * np.float32(np.nan) for k, v in product.arrays().items() if k == "data"}
        )

    for _, view, whole, _ in views(shown):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            view.draw(replace(whole, after=emptied(whole.after), before=emptied(whole.before)))


def draw(step, title, **what):
    (view,) = (v for v in registry[step].views() if v.title == title)
    return view.draw(Shown(**what))


def ramp_of(samples, flags, **changes):
    """Ramp of one row: samples and flags [group, pixel]."""
    data = np.asarray(samples, np.float32)[None, :, None, :]
    exposure = example_exposure(ngroups=data.shape[1], **changes)
    groupdq = np.asarray(flags, np.uint8)[None, :, None, :]
    pixeldq = np.zeros(data.shape[-2:], np.uint32)
    return Ramp(exposure=exposure, data=data, groupdq=groupdq, pixeldq=pixeldq)


def test_saturation_by_hand():
    S = dq.SATURATED
    ramp = ramp_of(np.zeros((3, 4)), [[0, 0, S, 0], [0, S, S, 0], [0, S, S, S]])
    frame = draw("saturation", "group of saturation", after=ramp)
    np.testing.assert_array_equal(frame.data, [[np.nan, 2, 1, 3]])
    (curve,) = draw("saturation", "saturated by group", after=ramp).curves
    assert curve.y.tolist() == [25, 50, 75]
    assert curve.x.tolist() == [1, 2, 3]


def test_jumps_by_hand():
    # differences 10, 10, 510, 10: the hit adds 500 DN to the mean of the other three
    J = dq.JUMP_DET
    ramp = ramp_of(
        [[0, 0], [10, 10], [20, 20], [530, 30], [540, 40]], [[0, 0]] * 3 + [[J, 0]] + [[0, 0]]
    )
    frame = draw("jump", "size of the jumps", after=ramp, group=3)
    np.testing.assert_allclose(frame.data, [[500, np.nan]])
    assert np.isnan(draw("jump", "size of the jumps", after=ramp, group=2).data).all()
    assert draw("jump", "groups hit", after=ramp).data.tolist() == [[1, 0]]
    (curve,) = draw("jump", "jumps by group", after=ramp).curves
    assert curve.y.tolist() == [0, 0, 0, 50, 0]


def test_classes_and_counts_of_pixels_by_hand():
    flags = [0, dq.HOT, dq.HOT | dq.DO_NOT_USE, dq.REFERENCE_PIXEL | dq.DO_NOT_USE]
    ramp = ramp_of(np.zeros((2, 4)), np.zeros((2, 4)))
    ramp = ramp.replace(pixeldq=np.array([flags], np.uint32))
    assert draw("dq_init", "class of each pixel", after=ramp).data.tolist() == [[0, 1, 2, 3]]
    assert draw("dq_init", "pixels by flag", after=ramp).rows == (
        ("DO_NOT_USE", 2, 50.0),
        ("HOT", 2, 50.0),
        ("REFERENCE_PIXEL", 1, 25.0),
    )


def test_what_linearity_and_the_dark_change_by_hand():
    before = ramp_of([[100, 0, 100], [200, 200, 200]], [[0, 0, dq.SATURATED]] * 2)
    after = before.replace(data=before.data * np.float32(1.5))
    frame = draw("linearity", "correction in per cent", after=after, before=before)
    np.testing.assert_allclose(frame.data, [[50, np.nan, np.nan]])
    plot = draw("linearity", "correction against signal", after=after, before=before, group=1)
    assert plot.curves[0].x.tolist() == [200, 200]
    assert plot.curves[0].y.tolist() == [100, 100]
    after = before.replace(data=before.data - np.float32(4))
    frame = draw("dark_current", "dark subtracted", after=after, before=before, group=1)
    assert frame.data.tolist() == [[4, 4, 4]]


def test_the_rate_views_by_hand():
    ramp = ramp_of(np.zeros((3, 2)), [[dq.DO_NOT_USE, 0], [0, 0], [dq.SATURATED, dq.JUMP_DET]])
    plane = {"exposure": ramp.exposure, "dq": np.zeros((1, 2), np.uint32)}
    planes = {"data": [8, 8], "err": [2, 0], "var_poisson": [3, 0], "var_rnoise": [1, 0]}
    arrays = {k: np.array([v], np.float32) for k, v in planes.items()}
    rate = Rate(**plane, **arrays)
    frame = draw("ramp_fit", "signal to noise", after=rate)
    np.testing.assert_array_equal(frame.data, [[4, np.nan]])
    frame = draw("ramp_fit", "Poisson part of the variance", after=rate)
    np.testing.assert_array_equal(frame.data, [[75, np.nan]])
    frame = draw("ramp_fit", "usable groups", after=rate, before=ramp)
    assert frame.data.tolist() == [[1, 3]]


@pytest.mark.parametrize("instrument", ["NIRCAM", "MIRI"])
def test_the_drifts_of_refpix_are_those_it_measured(instrument):
    exposure = example_exposure(instrument, nints=2, ngroups=3)
    rows, columns = (2, 4) if instrument == "MIRI" else (1, 8)
    offset = np.arange(2 * 4 * rows * columns, dtype=float).reshape(2, 4, rows, columns)
    model = RefpixModel(
        offset=offset,
        row_class=np.zeros(40, int),
        column_class=np.zeros(48, int),
        side=np.arange(2 * 4 * 40.0).reshape(2, 4, 40),
        side_by_row=True,
    )
    ramp = example_ramp(exposure)
    plot = draw("refpix", "offset of each amplifier", after=ramp, model=model, integration=1)
    assert len(plot.curves) == 8
    for number, curve in enumerate(plot.curves):
        r, c = divmod(number, columns)
        np.testing.assert_array_equal(curve.y, offset[1, :3, r, c])  # the fourth: a zero frame
    names = {c.name for c in plot.curves}
    assert ("output 4, odd rows" if instrument == "MIRI" else "amplifier 4, odd columns") in names
    plot = draw("refpix", "drift along the side columns", after=ramp, model=model, group=2)
    np.testing.assert_array_equal(plot.curves[0].y, model.side[0, 2])
    assert plot.x_label == "y (pixel)"


def test_refpix_without_its_measurement_says_so():
    with pytest.raises(InputError, match="not at hand"):
        draw("refpix", "offset of each amplifier", after=example_ramp(example_exposure()))


def test_the_flags_by_hand_are_listed_as_on_the_sliders():
    before = ramp_of(np.zeros((3, 2)), [[0, 0], [0, dq.JUMP_DET], [0, 0]], filename="a")
    step = registry["user_flags"]
    params = step.params(groups="a y0 x0 i1 g3 +DO_NOT_USE; a y0 x1 i1 g2 -JUMP_DET")
    after = step(before, params)
    assert draw("user_flags", "flagged by hand", after=after, before=before).rows == (
        (0, 0, 1, 3, "DO_NOT_USE", "set"),
        (0, 1, 1, 2, "JUMP_DET", "cleared"),
    )
    box = Box(0, 1, 1, 2)
    part = draw("user_flags", "flagged by hand", after=after.crop(box), before=before.crop(box))
    assert part.rows == ((0, 1, 1, 2, "JUMP_DET", "cleared"),)


def test_rscd_counts_what_it_drops():
    exposure = example_exposure("MIRI", ngroups=10)
    ramp = example_ramp(exposure, flagged=False)
    groupdq = ramp.groupdq.copy()
    groupdq[0, 0, 7] = dq.DO_NOT_USE  # before the step
    ramp = ramp.replace(groupdq=groupdq)
    step = registry["rscd"]
    after = step(ramp, step.params(), {"rscd": example_references(exposure)["rscd"]})
    frame = draw("rscd", "groups dropped", after=after, before=ramp)
    assert np.median(frame.data) == 3
    assert np.median(frame.data[7]) == 2


def test_curves_of_a_level_leave_out_pixels_without_a_number():
    before = ramp_of([[10, 20, np.nan, 50], [1, 2, 3, 4]], np.zeros((2, 4)))
    after = before.replace(data=before.data * np.float32(0.5))
    (curve,) = draw("reset", "anomaly by group", after=after, before=before).curves
    assert curve.y.tolist() == [10, 1.25]
    _, median, _ = draw("dark_current", "dark by group", after=after, before=before).curves
    assert median.y.tolist() == [10, 1.25]
