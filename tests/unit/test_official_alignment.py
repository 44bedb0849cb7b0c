"""What the log of tweakreg says of each exposure, and what is refused before it runs."""

import math
from pathlib import Path
from types import SimpleNamespace

import pytest

from jwinteractive.errors import InputError, ParamError
from jwinteractive.official.alignment import (
    alignment,
    alignment_views,
    cannot_align,
    unaligned,
)
from jwinteractive.official.steps import official_step
from jwinteractive.step import Ran
from jwinteractive.views import Shown

pytest.importorskip("jwst")

ROOT = "jw01283001001_03101"
NAMES = [f"{ROOT}_0000{i}_{d}" for i in (1, 2, 3) for d in ("nrca1", "nrca2")]
LOG = [
    *(f"INFO Detected {10 + i} sources in {name}_cal.fits." for i, name in enumerate(NAMES[:5])),
    f"WARNING No sources found in {NAMES[5]}_cal.fits.",
    f"INFO Selected image 'GROUP ID: {ROOT}_1' as reference image",
    f"INFO Aligning image catalog 'GROUP ID: {ROOT}_2' to the reference catalog.",
    f"INFO Found 9 matches for 'GROUP ID: {ROOT}_2'...",
    "INFO Performing 'rshift' fit",
    f"INFO Computed 'rshift' fit for 'GROUP ID: {ROOT}_2':",
    "INFO XSH: -0.0145207  YSH: 3.1e-05    PROPER ROT: 0.0012",
    "INFO FIT RMSE: 0.0045   FIT MAE: 0.0041",
    "INFO Final solution based on 8 objects.",
    f"INFO Aligning image catalog 'GROUP ID: {ROOT}_3' to the reference catalog.",
    f"WARNING Not enough matches (2) found for image catalog 'GROUP ID: {ROOT}_3'. "
    "Min required: 5.",
]


def asked(**changes):
    return official_step("official_tweakreg").params(**changes)


def test_each_exposure_has_the_sources_of_its_own_and_the_fit_of_its_group():
    found = alignment(LOG, NAMES)
    assert [a.sources for a in found] == [10, 11, 12, 13, 14, 0]
    assert [a.what for a in found[::2]] == ["reference", "aligned", "too few matches"]
    for one in found[2:4]:
        assert (one.matches, one.used, one.rms) == (9, 8, 0.0045)
        assert one.shift == (-0.0145207, 3.1e-05)
    assert (found[4].matches, found[4].used, found[4].shift) == (2, None, None)


def test_who_was_not_aligned_or_by_too_few_is_told_in_a_line_each():
    lines = unaligned(LOG, NAMES, asked(minobj=5))
    assert [line.split()[1] for line in lines] == NAMES[4:]
    assert "2 matches, minobj = 5: lower snr_threshold" in lines[0]
    few = unaligned(LOG, NAMES[2:3], asked(minobj=9))
    assert few == [
        f"WARNING {NAMES[2]} was aligned by 8 of 9 matches, fewer than minobj = 9: "
        "look at its residuals"
    ]


def test_where_the_step_gave_up_nobody_counts_as_aligned():
    end = "WARNING WCS has been tweaked by more than 7.0 arcsec Skipping relative alignment..."
    found = alignment([*LOG, end], NAMES)
    assert not any(one.good for one in found)
    assert {one.what for one in found} == {"the fit moves an image further than searchrad allows"}
    assert "look for wrong matches" in unaligned([*LOG, end], NAMES, asked())[0]


def test_a_fit_of_all_to_a_catalogue_counts_for_each():
    end = [
        "INFO Found 30 matches for 'GROUP ID: 987654'...",
        "INFO XSH: 0.1  YSH: -0.2",
        "INFO FIT RMSE: 0.002   FIT MAE: 0.001",
        "INFO Final solution based on 29 objects.",
    ]
    found = alignment([*LOG, *end], NAMES)
    assert {(one.used, one.shift, one.what) for one in found} == {(29, (0.1, -0.2), "aligned")}
    few = unaligned([*LOG, *end], NAMES, asked(abs_refcat="GAIADR3", abs_minobj=30))
    assert len(few) == 6


def test_an_exposure_whose_name_tells_no_group_is_no_reference():
    (one,) = alignment(LOG, ["mosaic"])
    assert (one.what, one.sources) == ("not aligned", None)


@pytest.mark.parametrize(
    ("separation", "tolerance", "fails"),
    [(1.0, 0.7, False), (math.sqrt(2) * 0.5, 0.5, True), (0.7, 0.5, True), (0.8, 0.5, False)],
)
def test_separation_must_exceed_the_tolerance_by_the_root_of_two(separation, tolerance, fails):
    why = cannot_align(asked(separation=separation, tolerance=tolerance))
    assert bool(why) == fails
    assert not fails or "separation" in why


def test_the_pair_for_a_catalogue_counts_only_with_a_catalogue():
    bad = {"abs_separation": 0.5, "abs_tolerance": 0.5}
    assert not cannot_align(asked(**bad))
    assert cannot_align(asked(abs_refcat="GAIADR3", **bad)).startswith("abs_separation = 0.5")


def test_the_step_refuses_before_it_opens_a_file():
    step = official_step("official_tweakreg")
    with pytest.raises(ParamError, match=r"official_tweakreg: separation = 0.1: must exceed"):
        step.learn(SimpleNamespace(), asked(separation=0.1), {})


def test_the_view_is_a_row_for_each_exposure():
    ran = Ran(place=Path(), members=tuple(NAMES[1:4]), files=(), log=tuple(LOG))
    rate = SimpleNamespace()
    (view,) = alignment_views()
    table = view.draw(Shown(after=rate, model=ran))
    assert table.columns[0] == "exposure"
    # a table is narrow: what all names begin with is left out
    short = NAMES[2].removeprefix(f"{ROOT}_")
    assert table.rows[1] == (short, 12, 9, 8, "-14.5", "0.0", "4.5", "aligned")
    with pytest.raises(InputError, match="did not run yet"):
        view.draw(Shown(after=rate))
