"""The canvas of spectra: what travels to the browser and what comes back."""

import math

import numpy as np
import pytest

pytest.importorskip("anywidget", reason="the lab extra is not installed")

from jwinteractive_widgets.spectrum_view import Series, SpectrumView

X = np.linspace(1, 2, 50)


@pytest.fixture
def heard():
    return []


@pytest.fixture
def view(sent, heard):
    return SpectrumView(
        on_range=lambda *what: heard.append(what), on_remove=lambda name: heard.append(name)
    )


def test_samples_travel_as_they_are_with_errors_where_there_are_some(view, customs, sent):
    view.show(
        [Series(X, X**2, X / 10, name="star", id="s"), Series(X, X, name="kept", removable=True)],
        x=("wavelength", "um"),
        y=("flux", "Jy"),
    )
    ((message, size),) = customs(view, "spectra")
    assert [(s["id"], s["name"], s["err"]) for s in message["series"]] == [
        ("s", "star", True),
        ("series 1", "kept", False),
    ]
    assert (message["x"], message["y"]) == (["wavelength", "um"], ["flux", "Jy"])
    assert size == 5 * 8 * len(X)


def test_a_page_that_comes_later_is_told_what_there_is(view, customs, browser_says):
    browser_says(view, kind="ready")
    assert customs(view, "spectra") == [], "there is nothing yet"
    view.show([Series(X, X)])
    browser_says(view, kind="ready")
    first, again = customs(view, "spectra")
    assert first == again


def test_a_range_is_told_while_it_is_drawn_and_when_it_is_there(view, heard, browser_says):
    browser_says(view, kind="range", range=[1, 1.5], going=True)
    browser_says(view, kind="range", range=[1, 1.6])
    browser_says(view, kind="range", range=None)
    browser_says(view, kind="remove", id="s")
    assert heard == [((1.0, 1.5), False), ((1.0, 1.6), True), (None, True), "s"]


@pytest.mark.parametrize("ends", [[2, 1], [1, 1], [1, math.nan], ["1", 2], [1], "all"])
def test_a_range_that_makes_no_sense_is_not_heard(view, heard, browser_says, ends):
    browser_says(view, kind="range", range=ends)
    assert heard == []
