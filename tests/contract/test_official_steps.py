"""What holds for every step of the installed official package."""

import importlib
import inspect

import pytest

from jwinteractive.data import Exposure, Filed, Ramp, Rate
from jwinteractive.errors import ParamError, RecipeError
from jwinteractive.official.catalogue import catalogue
from jwinteractive.official.parameters import from_official, params_of, to_official
from jwinteractive.official.steps import official_steps
from jwinteractive.params import fields_of
from jwinteractive.recipe import Recipe
from jwinteractive.step import registry
from jwinteractive_widgets.form import ParamForm, form_of_params

STEPS = catalogue().steps
every = pytest.mark.parametrize("alias", sorted(STEPS))


@every
def test_defaults_are_those_of_its_spec_in_the_official_types(alias):
    knobs = STEPS[alias].knobs
    values = to_official(params_of(STEPS[alias])())
    assert values == {knob.name: knob.default for knob in knobs}
    assert {n: type(v) for n, v in values.items()} == {k.name: type(k.default) for k in knobs}


def other_than_default(knob):
    if knob.kind == "option":
        return next(c for c in knob.choices if c != knob.default)
    if knob.kind == "boolean":
        return not knob.default
    if knob.kind in ("float", "integer"):
        of = float if knob.kind == "float" else int
        low = knob.low if knob.low is not None else 0
        high = knob.high if knob.high is not None else low + 1000
        return next(of(v) for v in (low, high, (low + high) / 2) if of(v) != knob.default)
    if knob.kind == "float_list":
        return [1.5, -2.0]
    if knob.kind == "int_list":
        return [3, 4]
    if "list" in knob.kind:
        return ["one", "two, three", ' "four"']
    return "some text, with 'quotes'"


@every
def test_every_parameter_comes_back_at_another_value_too(alias):
    values = {knob.name: other_than_default(knob) for knob in STEPS[alias].knobs}
    params = from_official(alias, values)
    assert to_official(params) == values
    assert type(params).from_dict(params.as_dict()) == params


@every
def test_a_recipe_with_it_comes_back_from_its_text(alias):
    recipe = Recipe.of(f"official_{alias}")
    assert Recipe.from_toml(recipe.to_toml()) == recipe


@every
def test_it_and_its_parameters_are_documented(alias):
    step = registry[f"official_{alias}"]
    assert step.summary.endswith(".") or len(step.summary) > 8
    for field in fields_of(step.params):
        assert len(field.doc) > 3, field.name
    assert len(step.describe()["parameters"]) == len(STEPS[alias].knobs)


@every
def test_its_panel_has_a_control_for_every_parameter(alias):
    params = registry[f"official_{alias}"].params
    form = ParamForm()
    form.show(**form_of_params(alias, params()))
    assert list(form.rows) == [f.name for f in fields_of(params)]
    assert not any(row["error"] for row in form.rows.values())


@every
def test_it_is_refused_a_parameter_that_it_does_not_have(alias):
    with pytest.raises(ParamError, match="no_such_thing"):
        registry[f"official_{alias}"].params.from_dict({"no_such_thing": 1})


def test_there_are_all_those_of_the_package():
    assert len(official_steps()) == len(STEPS)
    assert "official_jump" in registry
    assert "official_no_such" not in registry
    with pytest.raises(RecipeError, match="official_jmp"):
        registry["official_jmp"]


@every
def test_one_that_asks_for_products_of_other_roles_is_left_out_with_a_reason(alias):
    module, _, name = STEPS[alias].cls.rpartition(".")
    asked = inspect.signature(getattr(importlib.import_module(module), name).process).parameters
    roles = [p for p in asked.values() if p.default is p.empty and p.kind is not p.VAR_POSITIONAL]
    step = official_steps()[f"official_{alias}"]
    mode = Exposure(instrument="NIRSPEC", detector="NRS1", exp_type="NRS_IFU", ngroups=5)
    # itself and a product of another role, or one whose set has members of another
    if len(roles) > 2 or alias == "master_background":
        assert "is not told here" in step.skips(mode, step.params())
    elif alias != "stack_refs":  # of products of another role alone
        assert not step.skips(mode, step.params())


def test_what_a_step_takes_and_gives_is_said_by_mode():
    assert registry["official_ramp_fit"].given_for(Ramp) is Rate
    assert registry["official_resample"].given_for(Rate) is Filed
    assert registry["official_flat_field"].given_for(Rate) is Rate
