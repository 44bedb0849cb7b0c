"""Time series whose trace moves: drift is measured once, and apertures follow it."""

import numpy as np
import pytest
from scipy.special import erf

from jwinteractive.data import RateInts
from jwinteractive.spectral import light_curve
from jwinteractive.step import Whole, registry
from jwinteractive.testing import example_exposure
from jwinteractive.views import Shown

NY, NX, COUNT = 24, 150, 24
SHIFTS = np.random.default_rng(5).normal(0, 0.15, COUNT)
FLUX = 20000.0


def moving(shifts=SHIFTS, noise=3.0, slope=0.0, **changes):
    """A series of one source of sigma 1.3 at y = 11.3 + shift, its light summed over pixels."""
    rng = np.random.default_rng(1)
    edges = np.arange(NY + 1)[:, None] - 0.5
    data = []
    for shift in shifts:
        share = np.diff(0.5 * erf((edges - 11.3 - shift) / 1.3 / np.sqrt(2)), axis=0)
        data.append(FLUX * (1 + slope * shift) * share + rng.normal(0, noise, (NY, NX)))
    shape = (len(shifts), NY, NX)
    one = np.full(shape, noise**2 / 2, np.float32)
    given = {"unit": "DN/s", "dispaxis": 1, "nints": len(shifts), "tso": True}
    return RateInts(
        exposure=example_exposure("NIRSPEC", **(given | changes)),
        data=np.array(data, np.float32),
        err=np.full(shape, noise, np.float32),
        dq=np.zeros(shape, np.uint32),
        var_poisson=one,
        var_rnoise=one,
    )


def extracted(product, **params):
    step = registry["extract_1d"]
    p = step.params(trace="straight", **params)
    model = step.learn(Whole(product.exposure, product.covers, product.crop), p, {})
    made = step(product, p, {}, model)
    return made, Shown(after=made, before=product, model=model, params=p)


def drawn(shown, title):
    (view,) = [v for v in registry["extract_1d"].own_views if v.title == title]
    return view.draw(shown)


def scatter(made):
    return np.std(made.flux[:, 0].mean(axis=1)) / FLUX


@pytest.mark.parametrize(
    ("kind", "rows", "steadier"),
    [("box", "11:18", 6), ("box", "9.5:18", 5), ("optimal", "6:16", 10)],
)
def test_light_curves_are_steadier_where_apertures_follow_the_drift(kind, rows, steadier):
    series = moving()
    given = {"extraction_type": kind, "apertures": rows, "weights": "equal"}
    still, _ = extracted(series, **given)
    moves, shown = extracted(series, drift="followed", **given)
    error = shown.model.drift_error
    np.testing.assert_allclose(
        shown.model.drift - shown.model.drift.mean(), SHIFTS - SHIFTS.mean(), atol=0.012
    )
    assert np.isfinite(error).all()
    assert scatter(moves) < scatter(still) / steadier


def test_a_series_that_does_not_move_is_extracted_the_same_when_followed():
    series = moving(np.zeros(5))
    still, _ = extracted(series, apertures="9:14", background="0:4; 18:22")
    moves, _ = extracted(series, apertures="9:14", background="0:4; 18:22", drift="followed")
    np.testing.assert_allclose(moves.flux, still.flux, rtol=3e-4)
    np.testing.assert_allclose(moves.err, still.err, rtol=3e-3)
    assert moves.flux.shape == (5, 1, NX)


def test_light_dispersed_along_y_follows_its_drift_as_well():
    series = moving(SHIFTS[:6])
    planes = {k: np.ascontiguousarray(np.swapaxes(v, -1, -2)) for k, v in series.arrays().items()}
    exposure = moving(SHIFTS[:6], dispaxis=2).exposure
    there = RateInts(exposure=exposure, **planes)
    given = {"apertures": "10:13", "drift": "followed"}
    np.testing.assert_allclose(
        extracted(there, **given)[0].flux, extracted(series, **given)[0].flux, rtol=1e-9
    )


def test_what_light_depends_on_the_drift_is_taken_out_and_told():
    made, shown = extracted(moving(slope=0.05), width=14.0, drift="measured")
    plot = drawn(shown, "light curve")
    white, less = plot.curves
    assert np.std(less.y) < 0.3 * np.std(white.y)
    assert "% of the light per pixel of shift" in plot.title
    told = float(plot.title.split("tell: ")[1].split()[0])
    assert told == pytest.approx(5, abs=0.5)
    assert light_curve(made, drift=shown.model.drift).title == plot.title
    assert len(light_curve(made).curves) == 1
    shifts = drawn(shown, "drift of the trace").curves[0]
    np.testing.assert_array_equal(shifts.y, shown.model.drift)


def test_a_drift_that_cannot_be_told_is_said_and_apertures_stay():
    made, shown = extracted(moving(SHIFTS[:2]), drift="followed")
    assert "2 integrations are too few" in made.notes[-1]
    np.testing.assert_array_equal(made.flux, extracted(moving(SHIFTS[:2]))[0].flux)
    assert "set drift = measured" in drawn(shown, "drift of the trace").title


def test_turning_from_measured_to_followed_measures_nothing_again():
    step = registry["extract_1d"]
    values = ("none", "measured", "followed")
    asked = [step.asked_of(step.params(**{"drift": value})) for value in values]
    assert asked[1] == asked[2]
    assert asked[0] != asked[1]
