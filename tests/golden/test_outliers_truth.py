"""Hits found, and stars spared, in simulated dithers whose hits are known."""

import numpy as np
import pytest

from jwinteractive.data import Box
from jwinteractive.outliers import OutlierParams, Planes, flags_of, measure_stack, member_of
from jwinteractive.simulate.dithers import dithers

STRONG = 8.0  # sigma
SHAPE = (400, 400)


def found_in(made, p):
    members = [
        member_of(
            e.name,
            Planes(e.data, e.err, e.dq, e.var_rnoise),
            e.wcs,
            wcsinfo=e.wcsinfo,
            s_region=e.s_region,
            level=e.sky,
        )
        for e in made.exposures
    ]
    stack = measure_stack(members, p)
    found = [
        flags_of(stack, k, Box.whole(SHAPE), e.data, e.err, e.dq, p)
        for k, e in enumerate(made.exposures)
    ]
    return np.stack([flags.mask for flags in found])


def rates(made, p):
    """Parts of strong hits found, of pixels of stars flagged, of the sky, of hot pixels found."""
    found = found_in(made, p)
    hits = np.stack([e.hits for e in made.exposures])
    stars = np.stack([e.stars for e in made.exposures])
    good = np.stack([np.isfinite(e.data) for e in made.exposures])
    hot = made.hot & good
    clean = (hits == 0) & ~made.hot & good
    assert (clean & stars).sum() > 900
    return (
        found[(hits > STRONG) & good].mean(),
        found[clean & stars].mean(),
        found[clean & ~stars].mean(),
        found[hot].mean(),
    )


@pytest.mark.parametrize(
    ("n", "least", "stars", "sky"),
    [(1, 0.77, 1e-3, 3e-4), (2, 0.88, 1e-3, 2e-5), (3, 0.93, 1e-3, 2e-5), (4, 0.95, 1e-3, 1e-5)],
)
def test_hits_are_found_and_stars_survive(n, least, stars, sky):
    hits, flagged, elsewhere, hot = rates(dithers(n, SHAPE, seed=7), OutlierParams())
    assert hits > least
    assert flagged < stars
    assert elsewhere < sky
    assert hot > 0.95


def test_stars_survive_better_than_with_official_thresholds():
    made = dithers(4, SHAPE, seed=7)
    ours = rates(made, OutlierParams())
    official = rates(made, OutlierParams(method="official", sky="header"))
    assert ours[1] < 1e-3
    assert official[1] > 5 * ours[1]
    assert official[1] > 3e-3
    assert ours[0] > official[0] - 0.03


def test_stars_narrower_than_two_pixels_survive_large_rolls():
    hits, flagged, _, _ = rates(
        dithers(4, SHAPE, seed=8, fwhm=1.5, angle=35.0), OutlierParams(sky="header")
    )
    assert hits > 0.93
    assert flagged < 1e-3


def test_two_exposures_flag_no_star_that_differs_between_them():
    """Differences alone would flag a thousandth of the pixels of such narrow stars."""
    hits, flagged, _, _ = rates(dithers(2, SHAPE, seed=7, fwhm=1.5), OutlierParams())
    assert hits > 0.87
    assert flagged < 5e-4


def test_light_of_stars_is_not_lost_to_flags():
    """The sum over each exposure's stars, flagged pixels filled by the median, is what it was."""
    made = dithers(4, SHAPE, seed=9)
    p = OutlierParams()
    found = found_in(made, p)
    for e, mask in zip(made.exposures, found, strict=True):
        core = e.stars & (e.hits == 0) & np.isfinite(e.data) & ~made.hot
        lost = e.clean[core & mask].sum() / e.clean[core].sum()
        assert lost < 1e-3
