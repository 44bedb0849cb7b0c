"""What the exposures of a set say of one place, and how many outliers fall on sources."""

import numpy as np
import pytest

import jwinteractive
from jwinteractive.agreement import count_outliers, plot_of, samples_at, table_of
from jwinteractive.errors import InputError, RecipeError
from jwinteractive.recipe import Recipe
from jwinteractive.simulate.dithers import dithers

SHAPE = (96, 80)


@pytest.fixture(scope="module")
def simulated():
    return dithers(4, SHAPE, hits=3e-3)


@pytest.fixture
def session(simulated, tmp_path):
    return jwinteractive.open(simulated.write(tmp_path), Recipe.of("outlier_detection"))


def strong_hit(simulated):
    """A pixel (y, x) of the second exposure that was hit hard, away from the edges."""
    one = simulated.exposures[1]
    inside = np.zeros(SHAPE, bool)
    inside[20:-20, 20:-20] = True
    strength = np.where(inside & np.isfinite(one.data), one.hits, 0)
    return tuple(map(int, np.unravel_index(np.argmax(strength), SHAPE)))


def test_the_place_of_a_hit_shows_one_exposure_that_is_apart(session, simulated):
    session.activate(1)
    y, x = strong_hit(simulated)
    found = samples_at(session, y, x)
    assert len(found.names) == 4
    assert found.places[1] == (y, x)
    assert found.outlier.tolist() == [False, True, False, False]
    others = np.delete(found.values, 1)
    assert found.values[1] > others.max() + 3 * found.errors[1]
    plot = plot_of(found)
    assert [c.name for c in plot.curves] == ["kept", "outlier", "compared with"]
    assert "MJy/sr" in plot.y_label


def test_places_are_those_of_the_same_sky(session, simulated):
    one, other = simulated.exposures[0], simulated.exposures[2]
    found = samples_at(session, 40, 40)
    y, x = found.places[2]
    there, here = other.wcs(x, y), one.wcs(40, 40)
    apart = np.hypot((there[0] - here[0]) * np.cos(np.deg2rad(here[1])), there[1] - here[1])
    pixel = np.hypot(*(np.array(one.wcs(40, 41)) - np.array(here)))
    assert apart < pixel  # the nearest pixel


def test_outliers_are_counted_by_exposure_and_on_sources(session):
    seen = []
    rows = count_outliers(session, seen.append)
    assert tuple(seen) == rows
    assert [r.name for r in rows] == [f"dither{i}" for i in range(1, 5)]
    for row in rows:
        assert 0 < row.outliers < 0.05 * SHAPE[0] * SHAPE[1]
        assert 10 < row.light < 0.3 * SHAPE[0] * SHAPE[1]
        assert row.on_light <= min(row.light, row.outliers)
    assert len(table_of(rows).rows) == 4


def test_a_place_off_the_frame_or_a_step_that_does_not_run_is_said(session):
    with pytest.raises(InputError, match="pixel y=200, x=3: the frame has y 0 to 95"):
        samples_at(session, 200, 3)
    session.enable("outlier_detection", False)
    with pytest.raises(RecipeError, match="outlier_detection does not run"):
        samples_at(session, 3, 3)
