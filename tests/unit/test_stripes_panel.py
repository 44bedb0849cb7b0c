"""The panel that judges all 1/f methods: one click, a table, and what is done with one of them."""

import pytest

from jwinteractive.errors import InputError
from jwinteractive.stripes import STEP, Judged, Numbers

TAB = "1/f methods"


def a_case(method, lost=0.0, **changes):
    numbers = Numbers(
        stripes=0.5, powers=(2.0, 1.0), scatter=0.1, step=1.0, lost=lost, lost_error=0.1
    )
    return Judged(method, "DN/group", numbers, seconds=0.01, **changes)


@pytest.fixture
def judged(monkeypatch):
    """Let methods be judged at once; what is given is what was asked for."""
    from jwinteractive_widgets import stripes_panel

    asked = []
    found = [a_case(""), a_case("smoother", present=True), a_case("fourier", 0.4)]
    found.append(Judged("fft", "DN/group", failed="is for others"))

    def compare(session, box, exposure, report, cancel):
        asked.append(box)
        for one in found:
            report(one)
        return tuple(found)

    monkeypatch.setattr(stripes_panel, "compare_cleaning", compare)
    return asked


@pytest.fixture
def panel(bench):
    bench.session.enable(STEP)
    bench.session.see(step=STEP)
    bench.graphs.tabs.choose(TAB)
    return bench.graphs.stripes


def items(panel):
    return {item["id"]: item for item in panel.bar.items}


def test_the_tab_is_there_beside_its_step_alone(bench):
    titles = bench.graphs.tabs.tabs
    assert TAB not in titles.titles
    bench.session.see(step=STEP)
    assert TAB in titles.titles
    bench.session.see(step="jump")
    assert TAB not in titles.titles
    assert "recovery" in titles.titles


def test_one_click_judges_what_is_in_view_and_says_who_eats_flux(bench, panel, judged):
    assert list(items(panel)) == ["compare"]
    bench.session.see(window=(10.0, 20.0, 30.0, 40.0))
    panel.bar.on_do("compare", None)
    assert len(judged) == 1
    assert [j.method for j in panel.judged] == ["", "smoother", "fourier", "fft"]
    assert "smoother *" in panel.table.value
    assert "fourier: faint sources lose 0.40 ± 0.10 sigma" in panel.text.value
    assert "fft: is for others" in panel.text.value
    assert items(panel)["method"]["options"] == ["smoother", "fourier"]
    assert items(panel)["method"]["value"] == "fourier", "another than the present one"
    bench.session.set(STEP, n_sigma=3.0)
    assert "made with other settings: compare again" in panel.text.value


def test_a_method_is_blinked_against_and_used(bench, panel, judged):
    panel.bar.on_do("compare", None)
    panel.bar.on_do("blink", None)
    pinned = bench.session.pinned.settings.recipe[STEP].params
    assert pinned.fit_method == "fourier"
    assert bench.session.look.compare == "blink"
    assert bench.session.recipe[STEP].params.fit_method == "smoother"
    panel.bar.on_do("method", "smoother")
    panel.bar.on_do("blink", None)
    assert bench.session.pinned.settings.recipe[STEP].params.fit_method == "smoother"
    panel.bar.on_do("method", "fourier")
    panel.bar.on_do("use", None)
    assert bench.session.recipe[STEP].params.fit_method == "fourier"
    bench.session.undo()
    assert bench.session.recipe[STEP].params.fit_method == "smoother"


def test_what_cannot_be_judged_is_said_in_the_panel(panel, monkeypatch):
    from jwinteractive_widgets import stripes_panel

    def refuse(*_):
        raise InputError("nothing in view is background")

    monkeypatch.setattr(stripes_panel, "compare_cleaning", refuse)
    panel.bar.on_do("compare", None)
    assert "nothing in view is background" in panel.text.value
    assert not items(panel)["compare"]["disabled"]
