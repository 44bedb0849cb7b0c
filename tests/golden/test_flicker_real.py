"""1/f noise of real rates: how many stripes each method leaves where it did not look."""

import numpy as np
import pytest
from astropy.io import fits

from jwinteractive.data import Rate
from jwinteractive.flicker.geometry import Stripes
from jwinteractive.masks import SOURCE
from jwinteractive.references import SceneRef
from jwinteractive.step import Whole, registry
from jwinteractive.testing import example_exposure

STEP = registry["clean_flicker_noise"]
OURS = ("smoother", "fourier", "shrunk_median")
HELD_OUT = 0.2


def rate_of(image, instrument, **header):
    exposure = example_exposure(instrument, xstart=1, **header)
    none = np.zeros_like(image)
    image = np.where(np.isfinite(image) & (image != 0), image, np.nan).astype(np.float32)
    flags = np.zeros(image.shape, np.uint32)
    return Rate(
        exposure=exposure, data=image, err=none, dq=flags, var_poisson=none, var_rnoise=none
    )


def nircam(real, number):
    path = next((real / "rate").glob(f"*{number}*nrca3_rateints*.fits"))
    header = {"detector": "NRCA3", "subarray": "SUBGRISM256", "noutputs": 4, "ystart": 1}
    return rate_of(fits.getdata(path).astype(np.float32), "NIRCAM", readpatt="BRIGHT2", **header)


def cleaned(rate, given=None, **changes):
    params = STEP.params(**changes)
    whole = Whole(rate.exposure, rate.covers, rate.crop)
    given = {} if given is None else {"scene": SceneRef(data=given)}
    needed = {k: v for k, v in given.items() if k not in STEP.unmeasured(params)}
    return STEP(rate, params, given, STEP.learn(whole, params, needed))


def held_out(rate):
    """Background pixels that fits are not shown, and what they are told: uint8 [y, x]."""
    free = cleaned(rate).scene == 0
    held = free & (np.random.default_rng(1).random(rate.shape) < HELD_OUT)
    return free, held, np.where(held, SOURCE, 0).astype(np.uint8)


def medians(own):
    """Medians of lines, what neighbours differ by over √2, and what white noise makes of that."""
    count = np.isfinite(own).sum(axis=1)
    own, count = own[count > 10], count[count > 10]
    levels = np.nanmedian(own, axis=1)
    off = np.abs(own - levels[:, None]) / np.sqrt(1 - 0.43 / count[:, None])
    white = 1.2533 * 1.4826 * np.nanmedian(off) * np.sqrt(np.mean(1 / count))
    return np.std(np.diff(levels)) / np.sqrt(2), white


def scatter(rate, image, held=None):
    """Scatter of the medians of neighbouring lines, in that of white noise, by amplifier.

    White noise is that of all pixels; where some are held out, what stripes add is that of these.
    """
    stripes = Stripes(rate.exposure, rate.shape)
    readout = stripes.readout(stripes.count)
    found = []
    for a in range(readout.amplifiers):
        all_of_it, white = medians(readout.lines(rate.data)[:, readout.amplifier == a])
        if held is not None:
            own = readout.lines(np.where(held, image, np.nan))[:, readout.amplifier == a]
            some, less = medians(own)
            all_of_it = np.hypot(np.sqrt(max(0, some**2 - less**2)), white)
        found.append(all_of_it / white)
    return np.array(found)


@pytest.mark.parametrize("number", ["seg006", "seg004"])
def test_real_rates_lose_their_stripes(real, number):
    rate = nircam(real, number)
    free, held, said = held_out(rate)
    assert 0.3 < free.mean() < 0.98
    before = scatter(rate, rate.data)
    after = {
        method: scatter(rate, cleaned(rate, said, fit_method=method).data, held)
        for method in (*OURS, "median")
    }
    print(f"{number}: before {np.round(before, 2)}")
    for method, found in after.items():
        print(f"    {method:14s} {np.round(found, 2)}")
    assert (before > 2.7).all()
    assert (before < 4.8).all()
    assert (after["smoother"] < 1.8).all()
    mean = {method: found.mean() for method, found in after.items()}
    assert mean["smoother"] < 1.5  # the line itself is known to within its white noise
    assert max(mean["fourier"], mean["shrunk_median"]) < 0.5 * before.mean()
    assert (after["smoother"] < after["median"]).all()


def test_the_level_of_real_rates_stays(real):
    rate = nircam(real, "seg006")
    for method in OURS:
        made = cleaned(rate, fit_method=method)
        free = made.scene == 0
        white = np.nanstd(rate.data[free])
        assert abs(np.nanmedian(made.data[free] - rate.data[free])) < 0.1 * white
        np.testing.assert_array_equal(np.isnan(made.data), np.isnan(rate.data))


def test_a_real_strip_of_soss_has_fewer_stripes_beside_its_traces(real):
    """A median of many integrations: its columns differ by less, and by wings of the traces."""
    image = np.load(real / "rate" / "niriss_soss_wasp39b_median.npy")
    rate = rate_of(image, "NIRISS", exp_type="NIS_SOSS", subarray="SUBSTRIP256", ystart=1793)
    free, held, said = held_out(rate)
    lines = Stripes(rate.exposure, rate.shape)

    def steps(data):
        """How columns differ from the next ones: wings change slowly along the trace."""
        own = lines.lines(np.where(held, data, np.nan))
        own = own[np.isfinite(own).sum(axis=1) > 5]
        return 1.4826 * np.median(np.abs(np.diff(np.nanmedian(own, axis=1))))

    before = steps(rate.data)
    after = {
        method: steps(cleaned(rate, said, fit_method=method, background_method="model").data)
        for method in OURS
    }
    print(f"free {free.mean():.2f}, before {before:.3f}, after", after)
    assert free.mean() > 0.1
    assert after["smoother"] < before
