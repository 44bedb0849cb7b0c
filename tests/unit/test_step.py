"""The registry: steps of this package and of others, and what it refuses."""

import sys
from typing import Annotated

import pytest

from jwinteractive.data import Ramp
from jwinteractive.errors import RecipeError
from jwinteractive.params import Doc, Params
from jwinteractive.references import DarkRef, GainRef
from jwinteractive.step import Registry, registry, step


class ExtraParams(Params):
    """Parameters of `extra`."""

    level: Annotated[float, Doc("How much.")] = 0.0


class Elsewhere:
    """Entry point of another package."""

    def load(self):
        @step(halo=2)
        def extra(ramp: Ramp, p: ExtraParams, gain: GainRef, dark: DarkRef | None = None) -> Ramp:
            """Do something more."""
            return ramp


def test_another_package_adds_a_step_by_its_entry_point(monkeypatch):
    assert len(registry) > 10  # the package's own steps are loaded, into its own registry
    fresh = Registry()
    module = sys.modules["jwinteractive.step"]  # the package's `step` is the decorator
    monkeypatch.setattr(module, "registry", fresh)
    monkeypatch.setattr(module, "entry_points", lambda group: [Elsewhere()])
    found = fresh["extra"]
    assert (found.takes, found.gives, found.reach(found.params())) == ((Ramp,), Ramp, 2)
    assert found.summary == "Do something more."
    assert [(k, n.kind, n.optional) for k, n in found.needs.items()] == [
        ("gain", GainRef, False),
        ("dark", DarkRef, True),
    ]


def test_a_second_step_of_one_name_is_refused():
    with pytest.raises(ValueError, match="step 'jump' is already registered"):
        registry.add(registry["jump"])


def test_an_unknown_step_is_refused_with_the_nearest_name():
    with pytest.raises(RecipeError, match="no step 'jmup': did you mean 'jump'"):
        registry["jmup"]
