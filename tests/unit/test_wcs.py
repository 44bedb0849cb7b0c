"""World coordinates out of the ASDF extension of a file."""

import gc
from pathlib import Path

import numpy as np
import pytest

from jwinteractive.wcs import read_wcs

REAL = Path(__file__).parents[3] / "shared" / "real"


@pytest.mark.skipif(not REAL.exists(), reason="needs ../shared/real")
def test_tables_of_a_wcs_outlive_the_file_they_were_read_from():
    wcs = read_wcs(REAL / "spec" / "jw02565007001_03101_00002_nrs2_cal.fits", "30")
    gc.collect()  # what the file's tree held is gone
    x, y = np.meshgrid(np.arange(419.0), np.arange(38.0))
    ra, dec, wavelength = wcs(x, y)
    assert np.nanmean(ra) == pytest.approx(150.0615, abs=1e-3)
    assert np.nanmean(dec) == pytest.approx(2.3787, abs=1e-3)
    assert 0.5 < np.nanmin(wavelength) < np.nanmax(wavelength) < 5.5
