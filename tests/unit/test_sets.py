"""Steps that look at several exposures, and steps that give other axes than the detector's."""

import dataclasses as dc
from typing import Annotated

import numpy as np
import pytest

from jwinteractive.data import Array, Box, Product, Rate
from jwinteractive.errors import RecipeError
from jwinteractive.io import Provenance, write_product
from jwinteractive.params import Doc, Params
from jwinteractive.recipe import Recipe
from jwinteractive.scene import picture, request_of
from jwinteractive.session import open_session
from jwinteractive.step import Model, Together, registry, step
from jwinteractive.testing import example_exposure
from jwinteractive.views import Frame, View

SHAPE = (40, 48)


class GainParams(Params):
    factor: Annotated[float, Doc("What the rates are multiplied by.")] = 1.0


class LevelParams(Params):
    share: Annotated[float, Doc("Of the common level that is taken off.")] = 1.0
    least: Annotated[int, Doc("Exposures that are needed.")] = 2


@dc.dataclass(frozen=True, kw_only=True)
class Level(Model):
    names: tuple[str, ...] = ()
    level: float = 0.0


@dc.dataclass(frozen=True, kw_only=True)
class Rows(Product):
    """Mean of each row of some frames [1, y]."""

    mean: Array


@pytest.fixture
def steps():
    """A gain, the common level of a set, and the means of rows, for as long as a test lasts."""
    measured = []

    @step()
    def test_gain(rate: Rate, p: GainParams) -> Rate:
        """Multiply."""
        return rate.replace(data=rate.data * np.float32(p.factor))

    def measure(them: Together) -> Level:
        names = tuple(m.exposure.filename for m in them.members)
        measured.append(names)
        means = [float(m.look(m.box).data.mean()) for m in them.members]
        return Level(names=names, level=float(np.mean(means)))

    @step(
        measure=measure,
        together=lambda kind, one, other, p: one.filter == other.filter,
        alone=lambda kind, exposure, p: "it is alone" if p.least > 1 else "",
    )
    def test_level(rate: Rate, p: LevelParams, model: Level) -> Rate:
        """Take a common level off."""
        assert rate.exposure.filename in model.names
        return rate.replace(data=rate.data - np.float32(p.share * model.level))

    def frame(shown):
        return Frame(title="taken", data=shown.before.data, **shown.place_of(shown.before))

    @step(whole=True, views=(View(title="taken", draw=frame, compares=True),))
    def test_rows(rate: Rate, p: GainParams) -> Rows:
        """Average rows."""
        return Rows(exposure=rate.exposure, mean=p.factor * rate.data.mean(axis=1)[None])

    yield measured
    for name in ("test_gain", "test_level", "test_rows"):
        del registry._steps[name]


def rate_file(folder, name, level, filter_="F200W"):
    exposure = example_exposure(filter=filter_, filename=name)
    rng = np.random.default_rng(len(name))
    data = (level + rng.normal(0, 0.1, SHAPE)).astype("f4")
    planes = {k: np.full(SHAPE, 0.1, "f4") for k in ("err", "var_poisson", "var_rnoise")}
    rate = Rate(exposure=exposure, data=data, dq=np.zeros(SHAPE, "u4"), **planes)
    return write_product(rate, folder / f"{name}_rate.fits", Provenance())


@pytest.fixture
def files(tmp_path):
    return [
        rate_file(tmp_path, "one", 1.0),
        rate_file(tmp_path, "three", 3.0),
        rate_file(tmp_path, "elsewhere", 50.0, "F444W"),
    ]


def test_a_set_is_measured_once_for_all_its_members(files, steps):
    session = open_session(files, Recipe.of("test_gain", "test_level"))
    first, second = (session.run(exposure=i) for i in (0, 1))
    assert steps == [("one", "three")]
    raw = [session.input(i).data for i in (0, 1)]
    for made, was in zip((first, second), raw, strict=True):
        np.testing.assert_allclose(made.data, was - 2.0, atol=0.02)


def test_what_is_done_to_one_member_makes_the_others_stale(files, steps):
    session = open_session(files, Recipe.of("test_gain", "test_level"))
    session.run(exposure=0)
    before = session.plan(exposure=0)[-1].key
    session.set("test_gain", factor=2.0)
    assert session.plan(exposure=0)[-1].key != before
    session.run(exposure=1)
    assert len(steps) == 2
    session.set("test_level", share=0.5)
    session.run(exposure=1)
    assert len(steps) == 2  # the measurement does not ask for parameters


def test_a_preview_of_a_set_equals_its_full_run(files, steps):
    session = open_session(files, Recipe.of("test_gain", "test_level"))
    box = Box(3, 19, 5, 40)
    seen = session.preview(box)
    np.testing.assert_array_equal(seen.data, session.run().crop(box).data)


def test_a_step_for_sets_says_why_it_does_not_run_on_one_exposure(files, steps):
    session = open_session(files, Recipe.of("test_gain", "test_level"))
    assert session.plan(exposure=2)[-1].skipped == "it is alone"
    session.set("test_level", least=1)
    assert not session.plan(exposure=2)[-1].skipped
    assert abs(session.run(exposure=2).data.mean()) < 1e-3
    with pytest.raises(RecipeError, match=r"test_level does not run on three.*: it is alone"):
        open_session(files[1], Recipe.of("test_level"), store=None).plan()


def test_a_step_may_give_other_axes(files, steps):
    session = open_session(files[0], Recipe.of("test_gain", "test_rows"))
    session.set("test_gain", factor=2.0)
    mean = 2 * session.input().data.mean(axis=1)[None]
    seen = session.glance(Box(0, 4, 0, 4), before=True)
    assert not seen.full
    np.testing.assert_allclose(seen.product.mean, mean, rtol=1e-6)
    assert seen.before.shape == SHAPE  # all of it, whatever is in view
    made = session.run()
    np.testing.assert_array_equal(made.mean, seen.product.mean)
    assert session.glance(Box(0, 4, 0, 4)).full


def test_the_picture_of_other_axes_is_of_what_the_step_took(files, steps):
    session = open_session(files[0], Recipe.of("test_gain", "test_rows"))
    session.see(step="test_rows")
    made = picture(session, request_of(session))
    np.testing.assert_array_equal(made.frame.data, session.input().data)
    session.set("test_rows", factor=3.0)
    again = picture(session, request_of(session, knob="test_rows"))
    np.testing.assert_allclose(again.shown.after.mean, 3 * made.shown.after.mean, rtol=1e-6)
