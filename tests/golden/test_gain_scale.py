import numpy as np
import pytest

from jwinteractive.data import Rate, RateInts
from jwinteractive.references import GainRef
from jwinteractive.step import registry
from jwinteractive.steps.detector.gain_scale import GainScaleParams
from jwinteractive.testing import example_exposure, official_model

STEP = registry["gain_scale"]
P = GainScaleParams()
PLANES = ("data", "err", "var_poisson", "var_rnoise", "dq")


def example_rate(exposure, shape=(12, 16)):
    rng = np.random.default_rng(3)

    def planes(*head):
        full = (*head, *shape)
        found = {name: rng.normal(5, 1, full).astype(np.float32) for name in PLANES[:4]}
        found["data"][..., 2, 3] = np.nan
        return found | {"dq": rng.integers(0, 8, full).astype(np.uint32)}

    each = RateInts(exposure=exposure, **planes(3))
    return Rate(exposure=exposure, integrations=each, **planes())


def gain(factor=0.0, shape=(12, 16)):
    return GainRef(data=np.full(shape, 2, np.float32), gain_factor=factor)


def official(product, reference):
    pytest.importorskip("jwst")
    from jwst.gain_scale import GainScaleStep

    model = official_model(product, product.exposure)
    model.meta.exposure.gain_factor = product.exposure.gain_factor or None
    step = GainScaleStep(override_gain=official_model(reference, product.exposure))
    return step.process(model)


def test_a_factor_of_two_doubles_the_rate_and_quadruples_the_variances():
    rate = example_rate(example_exposure("NIRSPEC"))
    out = STEP(rate, P, {"gain": gain(2.0)})
    np.testing.assert_array_equal(out.data, rate.data * 2)
    np.testing.assert_array_equal(out.err, rate.err * 2)
    np.testing.assert_array_equal(out.var_poisson, rate.var_poisson * 4)
    np.testing.assert_array_equal(out.integrations.var_rnoise, rate.integrations.var_rnoise * 4)
    assert out.exposure.gain_factor == out.integrations.exposure.gain_factor == 2.0


@pytest.mark.parametrize(("header", "reference"), [(0.0, 1.37), (0.71, 0.0), (0.71, 1.37)])
def test_planes_equal_those_of_the_official_step(header, reference):
    rate = example_rate(example_exposure("NIRSPEC", gain_factor=header))
    out = STEP(rate, P, {"gain": gain(reference)})
    for before, ours in ((rate, out), (rate.integrations, out.integrations)):
        theirs = official(before, gain(reference))
        for plane in PLANES:
            np.testing.assert_array_equal(getattr(ours, plane), getattr(theirs, plane))
            assert getattr(ours, plane).dtype == getattr(before, plane).dtype
        assert theirs.meta.exposure.gain_factor == ours.exposure.gain_factor


def test_without_a_factor_the_rate_comes_back_as_it_was():
    rate = example_rate(example_exposure())
    assert STEP(rate, P, {"gain": gain()}) is rate
    assert official(rate, gain()).meta.cal_step.gain_scale == "SKIPPED"


def test_a_pedestal_is_scaled_as_the_rate_and_chi2_stays():
    rate = example_rate(example_exposure("NIRSPEC"))
    plane = rate.integrations.data
    each = rate.integrations.replace(pedestal=plane, chi2=plane, dof=rate.integrations.dq)
    out = STEP(rate.replace(integrations=each), P, {"gain": gain(2.0)}).integrations
    np.testing.assert_array_equal(out.pedestal, plane * 2)
    np.testing.assert_array_equal(out.chi2, plane)
    np.testing.assert_array_equal(out.dof, each.dof)


def test_a_rate_without_integrations_is_scaled_too():
    rate = example_rate(example_exposure()).replace(integrations=None)
    out = STEP(rate, P, {"gain": gain(3.0)})
    assert out.integrations is None
    np.testing.assert_array_equal(out.data, rate.data * 3)
