"""Waves in spectra: those that are there are measured, noise and lines are not taken for waves."""

import numpy as np
import pytest

from jwinteractive.errors import InputError
from jwinteractive.extract.wiggles import wiggles

AT = np.arange(1000)
CONTINUUM = 5 + 0.004 * AT


def test_a_wave_has_the_rms_of_a_sine():
    wave = 0.04 * np.sin(2 * np.pi * AT / 37)
    found = wiggles(CONTINUUM * (1 + wave), CONTINUUM)
    assert found.rms == pytest.approx(0.04 / np.sqrt(2), rel=0.03)
    assert found.noise < 1e-4
    strongest = found.period[np.argmax(found.power)]
    assert strongest == pytest.approx(37, rel=0.03)
    alone = wiggles(CONTINUUM * (1 + wave))  # over its own continuum
    assert alone.rms == pytest.approx(found.rms, rel=0.05)


def test_noise_is_taken_off_and_told():
    rng = np.random.default_rng(1)
    spectra = CONTINUUM * (1 + 0.02 * rng.normal(size=(200, 1000)))
    found = wiggles(spectra, CONTINUUM)
    assert found.rms.shape == (200,)
    assert np.median(found.rms) < 0.003
    in_band = 0.02 * np.sqrt(np.mean((1 / found.period <= 1 / 8) & (found.period <= 200)))
    assert np.median(found.noise) == pytest.approx(in_band, rel=0.1)
    waves = spectra * (1 + 0.02 * np.sin(2 * np.pi * AT / 37))
    assert np.median(wiggles(waves, CONTINUUM).rms) == pytest.approx(0.02 / np.sqrt(2), rel=0.1)


def test_lines_and_missing_planes_are_bridged():
    wave = 0.02 * np.sin(2 * np.pi * AT / 37)
    spectrum = CONTINUUM * (1 + wave)
    spectrum[500:504] *= 30
    spectrum[100:120] = np.nan
    assert wiggles(spectrum, CONTINUUM).rms == pytest.approx(0.02 / np.sqrt(2), rel=0.1)


def test_waves_out_of_the_band_do_not_count():
    for period in (5, 600):
        wave = 0.04 * np.sin(2 * np.pi * AT / period)
        found = wiggles(CONTINUUM * (1 + wave), CONTINUUM, longest=150)
        assert found.rms < 0.004


def test_spaxels_without_light_are_not_known():
    spectra = np.stack([CONTINUUM, CONTINUUM * np.nan, -CONTINUUM])
    found = wiggles(spectra, CONTINUUM)
    assert np.isfinite(found.rms[0])
    assert np.isnan(found.rms[1:]).all()
    assert np.isnan(found.ratio[2]).all()
    for call, said in (
        (lambda: wiggles(spectra, CONTINUUM[:5]), "must have 1000 planes"),
        (lambda: wiggles(spectra[:, :20]), "20 planes"),
        (lambda: wiggles(spectra, shortest=100, longest=50), "longer than that"),
    ):
        with pytest.raises(InputError, match=said):
            call()
