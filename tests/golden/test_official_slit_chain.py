"""Official steps of stage 2 take a simulated MIRI slit exposure to the spectrum that went in."""

import importlib
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from jwinteractive.errors import InputError
from jwinteractive.simulate.calibrated import write_calibrated
from jwinteractive.simulate.lrs import simulate_lrs

# official steps warn of their own arithmetic
pytestmark = pytest.mark.filterwarnings("ignore")
REAL = Path(__file__).parents[3] / "shared/real/refs/miri_lrs_wcs"
CHAIN = (
    ("assign_wcs", "AssignWcsStep"),
    ("srctype", "SourceTypeStep"),
    ("flat_field", "FlatFieldStep"),
    ("pathloss", "PathLossStep"),
    ("photom", "PhotomStep"),
    ("pixel_replace", "PixelReplaceStep"),
    ("resample", "ResampleSpecStep"),
    ("extract_1d", "Extract1dStep"),
)
ROOT = "jw99999001001_04101_00001_mirimage"
BAD = (150, 333)  # on the trace


@pytest.fixture(scope="module")
def simulated(tmp_path_factory):
    folder = tmp_path_factory.mktemp("lrs")
    write_calibrated("lrs-slit", folder)
    wavelength, flux = np.loadtxt(folder / f"{ROOT}_truth.csv", delimiter=",", skiprows=1).T
    return SimpleNamespace(wavelength=wavelength, flux=flux), folder


@pytest.fixture(scope="module")
def steps():
    return importlib.import_module("jwst.step")


def files(folder):
    return {path.stem: str(path) for path in (folder / f"{ROOT}_refs").iterdir()}


def process(step, model, refs, **settings):
    """Run a step with references and none else: what it asks for and is not there is N/A."""
    overrides = {f"override_{k}": refs.get(k, "N/A") for k in step.reference_file_types}
    made = step(**overrides)
    for name, value in settings.items():
        setattr(made, name, value)
    return made.process(model)


@pytest.fixture(scope="module")
def chain(simulated, steps):
    """What each step of the chain made, by name."""
    from stdatamodels.jwst import datamodels

    _, folder = simulated
    refs = files(folder)
    model = datamodels.open(folder / f"{ROOT}_rate.fits")
    model.data[BAD], model.dq[BAD] = np.nan, 1
    made = {}
    for name, step in CHAIN:
        model = process(getattr(steps, step), model, refs, skip=False)
        made[name] = model
    return made


def test_every_step_of_the_chain_runs_with_simulated_references_alone(chain):
    last = chain["extract_1d"]
    states = {name: getattr(last.meta.cal_step, name) for name, _ in CHAIN}
    assert set(states.values()) == {"COMPLETE"}


def test_the_official_spectrum_is_that_of_the_source(chain, simulated):
    truth, _ = simulated
    table = chain["extract_1d"].spec[0].spec_table
    wave, flux, error = (table[name] for name in ("WAVELENGTH", "FLUX", "FLUX_ERROR"))
    inside = (wave > 5) & (wave < 13.5)
    true = np.interp(wave, truth.wavelength, truth.flux)
    ratio = flux[inside] / true[inside]
    assert abs(np.median(ratio) - 1) < 0.01
    assert np.all(np.abs(ratio - 1) < 0.02)
    assert np.all((error > 0)[inside])


def test_the_wavelength_of_a_row_is_that_of_the_truth(chain, simulated):
    truth, _ = simulated
    rows = np.arange(20, 380, 40)
    _, _, wave = chain["assign_wcs"].meta.wcs(np.full(rows.size, 333.0), rows)
    row = 299.7 + np.arange(94.0, -294.0, -1.0)
    expected = np.interp(rows, row[::-1], truth.wavelength[::-1])
    assert np.allclose(wave, expected, atol=0.01)


def test_a_bad_pixel_of_the_trace_is_replaced(chain):
    replaced = chain["pixel_replace"].data[BAD]
    beside = chain["pixel_replace"].data[BAD[0] + 1, BAD[1]]
    assert replaced == pytest.approx(beside, rel=0.1)


def test_a_real_table_of_wavelengths_takes_the_place_of_the_simulated(simulated, steps):
    if not REAL.exists():
        pytest.skip("real wavelengths of the slit are not in ../shared")
    from stdatamodels.jwst import datamodels

    _, folder = simulated
    refs = files(folder) | {"specwcs": str(REAL / "jwst_miri_specwcs_0006.fits")}
    with datamodels.open(folder / f"{ROOT}_rate.fits") as model:
        made = process(steps.AssignWcsStep, model, refs)
    _, _, wave = made.meta.wcs(325.0, np.array([20.0, 200.0, 380.0]))
    assert np.all(np.diff(wave) < 0)
    assert 3.5 < wave[-1] < 6
    assert 13 < wave[0] < 14.1


def test_a_source_off_the_slit_is_refused_with_what_fits():
    with pytest.raises(InputError, match=r"nod = 3.*within 1\.32 arcsec"):
        simulate_lrs(nod=3.0)
    with pytest.raises(InputError, match="level = 0"):
        simulate_lrs(level=0.0)
