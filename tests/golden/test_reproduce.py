"""A product of the official pipeline is made again from its own keywords and logs."""

import json
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest
from astropy.io import fits

from jwinteractive import cli
from jwinteractive.references.crdscache import write_crds_cache
from jwinteractive.reproduce import as_text, reproduce

HAND = """
import sys
from jwst.pipeline import Detector1Pipeline
Detector1Pipeline.call(
    sys.argv[1], output_dir=sys.argv[2], save_results=True,
    steps={"jump": {"rejection_threshold": 3.0}, "ramp_fit": {"algorithm": "OLS_C"},
           "refpix": {"use_side_ref_pixels": False}, "persistence": {"skip": True}},
)
"""


def refs_of(path):
    return path.with_name(path.name.removesuffix("_uncal.fits") + "_refs")


@pytest.fixture(scope="module")
def by_hand(nircam_file, tmp_path_factory):
    folder = tmp_path_factory.mktemp("by-hand")
    cache = write_crds_cache(refs_of(nircam_file), folder / "crds", ["NIRCAM"])
    subprocess.run(
        [sys.executable, "-c", HAND, str(nircam_file), str(folder)],
        env=os.environ | dict(cache.environment), check=True, capture_output=True,
    )  # fmt: skip
    return folder / nircam_file.name.replace("_uncal", "_rate")


def test_a_product_is_made_again_bit_for_bit(by_hand, nircam_file):
    found = reproduce(by_hand, nircam_file)
    assert found.made.parameters["jump"]["rejection_threshold"] == 3.0
    assert found.identical, as_text("it", found)
    assert found.references == found.unknown == found.changes == ()


def test_the_exposure_of_another_detector_is_refused(by_hand, miri_file, capsys):
    assert cli.main(["reproduce", str(by_hand), "--from", str(miri_file)]) == 3
    assert "is of MIRIMAGE, and " in capsys.readouterr().err


def test_another_reference_and_an_older_version_are_named(by_hand, nircam_file, tmp_path, capsys):
    refs = tmp_path / "refs"
    shutil.copytree(refs_of(nircam_file), refs)
    gain = next(refs.glob("*_gain_*.fits"))
    other = gain.rename(gain.with_name("jwst_nircam_gain_other.fits"))
    with fits.open(other, mode="update") as hdus:
        hdus["SCI"].data *= 1.1
    product = shutil.copy(by_hand, tmp_path)
    fits.setval(product, "CAL_VER", value="1.10.0")
    assert cli.main(["reproduce", str(product), "--from", str(nircam_file), "--refs", str(refs)])
    said = capsys.readouterr().out
    assert f"reference gain: {gain.name} there, {other.name} here" in said
    assert "made by jwst 1.10.0" in said
    assert "1.11.1 jump" in said
    assert "largest difference at y, x" in said


def test_what_was_made_is_kept_with_the_table_of_differences(
    by_hand, nircam_file, tmp_path, capsys
):
    product = tmp_path / by_hand.name
    with fits.open(by_hand) as hdus:
        hdus["SCI"].data[10, 20] += 1
        hdus.writeto(product)
    kept = tmp_path / "kept"
    asked = ["reproduce", str(product), "--from", str(nircam_file), "-o", str(kept)]
    assert cli.main(asked) == 1
    said = capsys.readouterr().out
    table = kept / f"{product.stem}_differences.json"
    assert sorted(kept.glob("*")) == sorted([kept / product.name, table])
    assert said.splitlines()[-2:] == [str(kept / product.name), str(table)]
    with fits.open(kept / product.name) as ours, fits.open(by_hand) as theirs:
        np.testing.assert_array_equal(ours["SCI"].data, theirs["SCI"].data)
        assert ours[0].header["FILENAME"] == product.name
    told = json.loads(table.read_text())
    assert (told["product"], told["identical"], told["arrays"]) == (product.name, False, ["data"])
    values = {row["quantity"]: row["value"] for row in told["numbers"]}
    assert values["largest difference at y, x"] == "10, 20"


def test_kept_files_replace_others_when_asked_to_and_never_the_given(
    by_hand, nircam_file, tmp_path, capsys
):
    product = shutil.copy(by_hand, tmp_path)
    asked = ["reproduce", str(product), "--from", str(nircam_file), "-o"]
    assert cli.main([*asked, str(tmp_path), "--overwrite"]) == 6
    assert f"{product}: is what was given" in capsys.readouterr().err
    kept = tmp_path / "kept"
    kept.mkdir()
    there = kept / f"{by_hand.stem}_differences.json"
    there.write_text("mine")
    assert cli.main([*asked, str(kept)]) == 6
    assert there.read_text() == "mine"
    assert cli.main([*asked, str(kept), "--overwrite", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == json.loads(there.read_text())
