"""Real raw files reduce by one command each, with nominal references said to be nominal."""

import json

import numpy as np
import pytest
from astropy.io import fits

from jwinteractive.cli import main


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("miri_ground_SUB64_ramp", (5, 64, 72)),
        ("fgs_acq1_uncal", (6, 128, 128)),
        ("niriss_ami_simulated_uncal", (5, 80, 80)),
    ],
)
def test_a_real_file_reduces_by_one_command(real, tmp_path, capsys, name, shape):
    path = real / "raw" / f"{name}.fits"
    assert main(["run", "auto", str(path), "-o", str(tmp_path), "--json"]) == 0
    out, err = capsys.readouterr()
    told = json.loads(out)
    assert "NOMINAL references" in err
    assert set(told["references"].values()) == {"nominal"}
    rate, rateints = (fits.open(p) for p in told["outputs"])
    with rate, rateints:
        assert rateints["SCI"].data.shape == shape
        good = (rateints["DQ"].data & 1) == 0
        assert good.mean() > 0.9
        assert np.isfinite(rateints["SCI"].data[good]).all()
        assert (rateints["ERR"].data[good] > 0).all()


def test_the_official_models_open_what_was_made_of_a_real_file(real, tmp_path):
    datamodels = pytest.importorskip("stdatamodels.jwst.datamodels")
    path = real / "raw" / "miri_ground_SUB64_ramp.fits"
    main(["run", "auto", str(path), "-o", str(tmp_path)])
    for suffix, kind in (("rate", "ImageModel"), ("rateints", "CubeModel")):
        with datamodels.open(tmp_path / f"miri_ground_SUB64_{suffix}.fits") as model:
            assert type(model).__name__ == kind
            model.validate()
            assert model.meta.cal_step.ramp_fit == "COMPLETE"


def test_the_miri_ground_ramp_agrees_with_its_old_reduction(real, tmp_path):
    """The carried rates (jwst 0.17.0, calibrated references) are a weak truth."""
    path = real / "raw" / "miri_ground_SUB64_ramp.fits"
    main(["run", "auto", str(path), "-o", str(tmp_path)])
    ours = fits.open(tmp_path / "miri_ground_SUB64_rateints.fits")
    theirs = fits.open(real / "raw" / "miri_ground_SUB64_rateints_jwst0170.fits")
    with ours, theirs:
        a, b = ours["SCI"].data, theirs["SCI"].data
        good = ((ours["DQ"].data | theirs["DQ"].data) & 1) == 0
    correlation = np.corrcoef(a[good], b[good])[0, 1]
    ratio = np.median(a[good]) / np.median(b[good])
    print(f"correlation {correlation:.3f}, ratio of medians {ratio:.3f}")
    assert correlation > 0.83
    assert 0.9 < ratio < 1.05
