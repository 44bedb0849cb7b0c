"""What the log says of an edit, word by word, and what it keeps of a run."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jwinteractive.journal import Attempt, Settings, words
from jwinteractive.recipe import Recipe
from jwinteractive.references import GainRef, References
from jwinteractive.step import registry
from jwinteractive.testing import params_strategy

RECIPE = Recipe.load("nir_detector")
PLAIN = References()
ONES = np.ones((3, 4), np.float32)
FLAG = "jw1 y5 x6 i1 g2 +JUMP_DET"


def said(step, **changes):
    return words(Settings(RECIPE, PLAIN), Settings(RECIPE.with_params(step, **changes), PLAIN))


@pytest.mark.parametrize(
    ("step", "changes", "text"),
    [
        ("jump", {"rejection_threshold": 6.0}, "jump: rejection_threshold 4 → 6 sigma"),
        ("jump", {"rejection_threshold": 4.25}, "jump: rejection_threshold 4 → 4.25 sigma"),
        ("jump", {"flag_4_neighbors": False}, "jump: flag_4_neighbors on → off"),
        ("saturation", {"n_pix_grow_sat": 0}, "saturation: n_pix_grow_sat 1 → 0 pix"),
        (
            "dark_current",
            {"average_dark_current": 3.0},
            "dark_current: average_dark_current not set → 3 electron / s",
        ),
        (
            "user_flags",
            {"groups": FLAG},
            "a group flagged by hand: x 6, y 5, integration 1, group 2, JUMP_DET",
        ),
        (
            "jump",
            {"flag_4_neighbors": False, "rejection_threshold": 5.0},
            "jump: rejection_threshold 4 → 5 sigma; jump: flag_4_neighbors on → off",
        ),
        ("jump", {}, ""),
    ],
)
def test_a_turn_is_told_with_its_values_and_unit(step, changes, text):
    assert said(step, **changes) == text


def test_flags_by_hand_are_told_group_by_group_until_they_are_many():
    def told(before, after):
        old, new = (RECIPE.with_params("user_flags", groups=g) for g in (before, after))
        return words(Settings(old, PLAIN), Settings(new, PLAIN))

    where = "by hand: x 6, y 5, integration 1, group 2, JUMP_DET"
    off = FLAG.replace("+", "-")
    assert told("", off) == told(FLAG, off) == f"a group unflagged {where}"
    assert told(FLAG, "") == f"a group no longer flagged {where}"
    assert told(off, "") == f"a group no longer unflagged {where}"
    many = "; ".join(FLAG.replace("g2", f"g{g}") for g in range(1, 6))
    assert told("", many) == "5 flags of groups changed by hand"
    assert told(many, many) == ""


def test_a_switch_is_told_as_on_or_off():
    on, off = Settings(RECIPE, PLAIN), Settings(RECIPE.with_enabled("jump", False), PLAIN)
    assert words(on, off) == "jump switched off"
    assert words(off, on) == "jump switched on"


@pytest.mark.parametrize(
    ("before", "after", "text"),
    [
        (None, "some/where/gain.fits", "gain: taken from gain.fits"),
        (None, Path("some/where/gain.fits"), "gain: taken from gain.fits"),
        ("gain.fits", None, "gain: found again"),
        ("a/gain.fits", "b/gain.fits", "gain: taken from gain.fits"),
        (None, ONES, "gain: given as an array"),
        (ONES, 2 * ONES, "gain: given as an array"),
        (ONES, ONES.astype(np.float64), "gain: given as an array"),
        (None, GainRef(data=ONES), "gain: given as GainRef"),
        ("gain.fits", Path("gain.fits"), ""),
        (np.where(ONES, np.nan, ONES), np.where(ONES, np.nan, ONES), ""),
        (np.ones(3, np.uint32), np.ones(3, np.uint32), ""),
        (None, None, ""),
    ],
)
def test_a_reference_is_told_by_where_it_is_from(before, after, text):
    old, new = (Settings(RECIPE, PLAIN.with_override("gain", v)) for v in (before, after))
    assert words(old, new) == text


@given(a=params_strategy(registry["jump"].params), b=params_strategy(registry["jump"].params))
def test_words_are_said_of_every_difference_and_of_nothing_else(a, b):
    old, new = (Settings(RECIPE.with_params("jump", **p.as_dict()), PLAIN) for p in (a, b))
    differ = [k for k, v in a.as_dict().items() if v != b.as_dict()[k]]
    text = words(old, new)
    assert [part.split()[1] for part in text.split("; ") if part] == differ


@given(
    number=st.integers(0, 999),
    seconds=st.floats(0, 1e6),
    threshold=st.floats(0, 1000),
)
def test_an_attempt_comes_back_from_a_file_as_it_was(number, seconds, threshold):
    settings = Settings(RECIPE.with_params("jump", rejection_threshold=threshold), PLAIN)
    made = Attempt(number, "jump", 1, settings, "key", seconds, 1e9 + seconds)
    assert Attempt.from_dict(json.loads(json.dumps(made.as_dict())), PLAIN) == made
