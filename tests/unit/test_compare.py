"""What differs between two results, in numbers, flags and words."""

import dataclasses as dc

import numpy as np
import pytest

from jwinteractive import dq
from jwinteractive.compare import compare, robust_width
from jwinteractive.data import Box, Exposure, Product, Ramp, Rate, RateInts
from jwinteractive.errors import InputError
from jwinteractive.journal import Settings
from jwinteractive.recipe import Recipe
from jwinteractive.references import References

NY, NX = 6, 8
EXPOSURE = Exposure(instrument="NIRCAM", detector="NRCA1")


def a_rate(kind=Rate, lead=(), **changes):
    shape = (*lead, NY, NX)
    planes = {
        "data": np.arange(np.prod(shape), dtype=np.float32).reshape(shape) + 1,
        "err": np.full(shape, 0.5, np.float32),
        "dq": np.zeros(shape, np.uint32),
        "var_poisson": np.zeros(shape, np.float32),
        "var_rnoise": np.zeros(shape, np.float32),
    }
    return kind(exposure=EXPOSURE, **(planes | changes))


def a_ramp(nint=2, ngroup=3, **changes):
    shape = (nint, ngroup, NY, NX)
    planes = {
        "data": np.zeros(shape, np.float32),
        "groupdq": np.zeros(shape, np.uint8),
        "pixeldq": np.zeros((NY, NX), np.uint32),
    }
    return Ramp(exposure=EXPOSURE, **(planes | changes))


def with_pixel(product, field, where, value):
    array = getattr(product, field).copy()
    array[where] = value
    return product.replace(**{field: array})


def values(table):
    return {row[0]: row[1] for row in table.rows}


def recipes(**changes):
    a = Recipe.of("jump", "ramp_fit")
    return {"recipe_a": a, "recipe_b": a.with_params("jump", **changes) if changes else a}


def test_one_changed_pixel_is_found_where_it_is_and_measured_in_errors_of_a():
    a = a_rate()
    b = with_pixel(a, "data", (2, 5), a.data[2, 5] + 3)
    seen = compare(a, b, **recipes(rejection_threshold=7.0))
    numbers = values(seen.numbers)
    assert numbers["pixels compared"] == NY * NX
    assert numbers["identical pixels"] == NY * NX - 1
    assert numbers["largest difference"] == 3
    assert numbers["largest difference at y, x"] == "2, 5"
    assert numbers["median where they differ"] == 6  # 3 DN/s in errors of 0.5 DN/s
    assert numbers["mean of B"] - numbers["mean of A"] == pytest.approx(3 / (NY * NX))
    assert seen.parameters.rows == (("jump", "rejection_threshold", 4.0, 7.0),)
    assert seen.headline == (
        "B differs from A in 1 parameter; 2.1 % of pixels differ, in the median by +6 sigma"
    )


def test_a_common_change_is_its_own_median_and_has_no_width():
    a = a_rate()
    numbers = values(compare(a, a.replace(data=a.data - 2)).numbers)
    assert numbers["median of B - A"] == -2
    assert numbers["robust width of B - A"] == 0
    assert numbers["median of (B - A) / error of A"] == -4


@pytest.mark.parametrize("count", [2, 3, 10, 20_001, 100_000])
@pytest.mark.parametrize("shape", ["noise", "ties", "sorted", "constant", "striped"])
def test_the_robust_width_is_that_of_numpy_at_any_size(count, shape):
    noise = np.random.default_rng(count).normal(3, 2, count).astype(np.float32)
    striped = noise.copy()
    striped[:: max(count // 10_000, 1)] = 1000  # where a sample would look
    sample = {
        "striped": striped,
        "noise": noise,
        "ties": np.round(noise),
        "sorted": np.sort(noise),
        "constant": np.full(count, 3, np.float32),
    }[shape]
    away = np.abs(sample - np.median(sample))
    assert robust_width(sample) == pytest.approx(1.4826 * np.median(away), rel=1e-6)


def test_pictures_are_the_difference_and_the_ratio_with_the_flags_of_both():
    a = with_pixel(a_rate(), "data", (0, 0), 0)
    a = with_pixel(a, "dq", (1, 1), dq.HOT)
    b = with_pixel(a.replace(data=2 * a.data), "dq", (1, 1), dq.JUMP_DET)
    b = with_pixel(b, "data", (0, 0), 7)
    seen = compare(a, b)
    np.testing.assert_array_equal(seen.difference.data.ravel()[1:], a.data.ravel()[1:])
    assert seen.difference.diverging
    assert seen.difference.dq[1, 1] == dq.HOT | dq.JUMP_DET
    assert np.isnan(seen.ratio.data[0, 0])
    assert (seen.ratio.data.ravel()[1:] == 2).all()
    assert not seen.ratio.diverging


def test_pixels_without_a_value_are_counted_apart_and_warn_nobody():
    a = a_rate()
    b = with_pixel(a, "data", (0, 1), np.nan)
    a = with_pixel(a, "data", (3, slice(None)), np.nan)
    b = with_pixel(b, "data", (5, 5), np.inf)
    a = with_pixel(a, "err", (4, 4), 0)
    seen = compare(a, b)
    numbers = values(seen.numbers)
    assert numbers["finite in A only"] == 2
    assert numbers["largest difference"] == 0
    assert numbers["finite in B only"] == NX
    assert numbers["pixels compared"] == NY * NX - NX - 2
    assert np.isnan(seen.difference.data[[0, 3, 5], [1, 0, 5]]).all()
    assert not np.isinf(seen.difference.data).any()
    assert seen.headline == "20.8 % of pixels differ"


def test_products_without_any_value_say_so():
    empty = a_rate(data=np.full((NY, NX), np.nan, np.float32))
    seen = compare(empty, empty)
    assert seen.headline == "no pixel has a value in A or B"
    assert values(seen.numbers)["largest difference"] is None


def test_flags_are_counted_in_a_in_b_and_in_both_those_that_differ_first():
    a = with_pixel(a_rate(), "dq", (0, slice(None)), dq.SATURATED | dq.REFERENCE_PIXEL)
    a = with_pixel(a, "dq", (5, 5), dq.DO_NOT_USE)
    b = with_pixel(a, "dq", (0, 0), dq.REFERENCE_PIXEL)
    b = with_pixel(b, "dq", (2, slice(0, 3)), dq.JUMP_DET)
    assert compare(a, b).flags.rows == (
        ("SATURATED", "pixels", 1, 0, NX - 1),
        ("JUMP_DET", "pixels", 0, 3, 0),
        ("DO_NOT_USE", "pixels", 0, 0, 1),
        ("REFERENCE_PIXEL", "pixels", 0, 0, NX),
    )


def test_flags_of_ramps_are_those_of_all_samples():
    a = a_ramp()
    b = with_pixel(a, "groupdq", (slice(None), 1, 4, 4), dq.JUMP_DET)
    b = with_pixel(b, "pixeldq", (0, 0), dq.HOT)
    seen = compare(a, b)
    assert seen.flags.rows == (("JUMP_DET", "samples", 0, 2, 0), ("HOT", "pixels", 0, 1, 0))
    assert seen.headline == "no pixel differs"


def test_a_ramp_is_compared_at_the_chosen_integration_and_group():
    a = a_ramp()
    b = with_pixel(a, "data", (1, 2, 3, 3), 5)
    assert values(compare(a, b, integration=1).numbers)["largest difference"] == 5
    assert values(compare(a, b, integration=1, group=0).numbers)["largest difference"] == 0
    assert compare(a, b, integration=1).headline.endswith("in the median by +5 DN")


def test_a_raw_ramp_counts_from_its_zero():
    raw = a_ramp(data=np.full((2, 3, NY, NX), -32000, ">i2"), zero=32768.0)
    assert values(compare(raw, raw.native()).numbers)["identical pixels"] == NY * NX


def test_rates_of_integrations_are_compared_one_by_one():
    a = a_rate(RateInts, lead=(2,))
    b = with_pixel(a, "data", (1, 0, 0), -1)
    assert compare(a, b).headline == "no pixel differs"
    assert values(compare(a, b, integration=1).numbers)["largest difference at y, x"] == "0, 0"


def test_boxes_are_compared_where_they_overlap_in_pixels_of_the_exposure():
    a = a_rate()
    b = with_pixel(a, "data", (3, 4), 0).crop(Box(2, 6, 3, 8))
    seen = compare(a.crop(Box(0, 4, 0, 6)), b, shape=(NY, NX))
    assert seen.difference.covers == Box(2, 4, 3, 6)
    assert seen.difference.full_shape == (NY, NX)
    assert values(seen.numbers)["largest difference at y, x"] == "3, 4"


def test_references_that_the_user_gave_count_as_parameters():
    recipe = Recipe.of("jump")
    a = Settings(recipe, References(None, {"gain": "one.fits", "dark": np.zeros((NY, NX))}))
    b = Settings(recipe, References(None, {"gain": "two.fits"}))
    seen = compare(a_rate(), a_rate(), recipe_a=a, recipe_b=b)
    assert seen.parameters.rows == (
        ("references", "gain", "one.fits", "two.fits"),
        ("references", "dark", "ndarray", None),
    )
    assert seen.headline == "B differs from A in 2 parameters; no pixel differs"


def test_the_same_settings_differ_in_no_parameter():
    assert compare(a_rate(), a_rate(), **recipes()).headline.startswith(
        "B differs from A in no parameter"
    )


@dc.dataclass(frozen=True, kw_only=True)
class Plane(Product):
    data: np.ndarray


@pytest.mark.parametrize(
    ("a", "b", "said"),
    [
        (a_ramp(), a_rate(), "A is a Ramp, B a Rate"),
        (a_rate().crop(Box(0, 2, 0, 2)), a_rate().crop(Box(2, 4, 0, 2)), "no pixel in common"),
        (a_ramp(), a_ramp(ngroup=5), "same samples"),
        (*[Plane(exposure=EXPOSURE, data=np.zeros((2, 2)))] * 2, "holds no frames|has no frames"),
    ],
)
def test_what_cannot_be_compared_says_why_in_one_line(a, b, said):
    with pytest.raises(InputError, match=said) as raised:
        compare(a, b)
    assert "\n" not in str(raised.value)
