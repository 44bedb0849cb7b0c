"""The detector stage in the workbench: ellipses of snowballs, methods side by side, recovery."""

import itertools
import re

import pytest

from jwinteractive.methods import choices_of
from jwinteractive.step import registry

STARS = {"crowding": 1500, "faintest": 20, "galaxies": 6}


@pytest.fixture(scope="module")
def snowy(tmp_path_factory):
    """A simulated NIRCam exposure of 1 x 10 x 256 x 256 with a hundred times the snowballs."""
    from jwinteractive.simulate import simulate

    folder = tmp_path_factory.mktemp("snowy")
    simulated = simulate(
        "nircam", size=(256, 256), seed=7, readpatt="MEDIUM8", snowballs=5.0, **STARS
    )
    return simulated.write(folder)


@pytest.fixture
def bench(open_bench, snowy):
    return lambda name, size=(1500, 1150): open_bench(snowy, name, size)


def place(screen, x, y, size=256):
    """Place on the page of the middle of pixel (y, x), while the whole frame is shown."""
    box = screen.page.locator(".jwi-canvas").bounding_box()
    scale = box["width"] / size
    return box["x"] + (x + 0.5) * scale, box["y"] + (size - y - 0.5) * scale


def drag(screen, start, end):
    mouse = screen.page.mouse
    mouse.move(*place(screen, *start))
    mouse.down()
    for part in (0.3, 0.7, 1.0):
        at = [a + part * (b - a) for a, b in zip(start, end, strict=True)]
        mouse.move(*place(screen, *at))
    mouse.up()


def choose_step(screen, name):
    screen.page.locator(f".jwi-step[data-step={name}]").click()
    screen.until("wb.session.look.step", name)


EDITS = "wb.session.recipe['snowballs'].params.edits"
FLAGGED = (
    "int((wb.session.preview(__import__('jwinteractive.data').data.Box(118, 123, 58, 63),"
    " 'snowballs').groupdq[0, 4] & 4 > 0).sum())"
)


def test_a_snowball_dragged_elsewhere_flags_there_and_the_rate_follows(bench):
    screen = bench("snowballs")
    page = screen.page
    choose_step(screen, "snowballs")
    page.keyboard.press(" ")
    screen.until("wb.session.recipe['snowballs'].enabled", True)
    page.locator(".jwi-workbench").get_by_label("view", exact=True).select_option("snowballs")
    page.locator(".jwi-frame").get_by_label("group", exact=True).fill("4")
    screen.until("len(wb.canvas.picture.frame.marks) > 4", True)
    screen.settled()
    screen.pick(60, 120)
    screen.shoot("snowballs-light")
    assert screen.ask(FLAGGED) == 0
    rate = page.locator(".jwi-ramp-text").inner_text()

    drag(screen, (166.5, 43.5), (60, 120))
    screen.until(f"{EDITS}.count('JUMP_DET')", 2)
    assert screen.ask(FLAGGED) == 25
    page.wait_for_function(
        "(old) => document.querySelector('.jwi-ramp-text').innerText !== old", arg=rate
    )
    edits = screen.ask("[e.text for e in wb.session.journal if e.kind == 'edit']")
    assert len([e for e in edits if "ellipse" in e]) == 1, "a drag is one edit"
    page.mouse.move(*place(screen, 100, 200))
    screen.settled()
    page.get_by_text("ellipses").first.click()
    screen.shoot("snowballs-moved-light")
    screen.theme("Dark")
    screen.shoot("snowballs-moved-dark")
    screen.theme("Light")

    page.locator(".jwi-workbench").press("u")
    screen.until(EDITS, "")
    assert screen.ask(FLAGGED) == 0


@pytest.fixture(scope="module")
def several(tmp_path_factory):
    """A simulated NIRCam exposure of 3 x 8 x 256 x 256."""
    from jwinteractive.simulate import simulate

    folder = tmp_path_factory.mktemp("several")
    simulated = simulate(
        "nircam", size=(256, 256), seed=7, readpatt="MEDIUM8", nints=3, ngroups=8, **STARS
    )
    return simulated.write(folder)


def test_chi2_is_seen_as_a_picture_and_of_a_pixel_by_every_method(open_bench, several):
    screen = open_bench(several, "chi2", (1500, 1150))
    page = screen.page
    choose_step(screen, "ramp_fit")
    last = screen.settled()
    for title in ("chi2 / dof", "chi2 between integrations"):
        page.locator(".jwi-workbench").get_by_label("view", exact=True).select_option(title)
        screen.until("wb.canvas.picture.request.view", title)
        last = screen.settled(unlike=last)
        name = title.replace(" ", "").replace("/", "-")
        screen.shoot(f"{name}-light")
        screen.theme("Dark")
        screen.shoot(f"{name}-dark")
        screen.theme("Light")
    shown = page.locator(".jwi-row[data-name=algorithm]")
    shown.get_by_text("OLS_C", exact=True).click()
    page.locator(".jwi-frame", has_text="this algorithm tells no chi2").wait_for()
    empty = screen.settled(unlike=last)
    shown.get_by_text("likelihood", exact=True).click()
    assert screen.settled(unlike=empty) == last, "in the same colours as before"

    screen.pick(60, 120)
    page.get_by_role("button", name="compare methods").click()
    rows = page.locator(".jwi-methods table tbody tr")
    rows.nth(1).wait_for()
    words = rows.evaluate_all("rows => rows.map(r => [...r.cells].map(c => c.innerText))")
    methods = [choices_of(registry[name])[1] for name in ("jump", "ramp_fit")]
    wanted = {" + ".join(chosen) for chosen in itertools.product(*methods)}
    assert {w[0].removesuffix(" (present)") for w in words} == wanted
    assert all("OLS_C" in w[0] or re.search(r"= \d+\.\d\d$", w[3]) for w in words)
    screen.shoot("all-methods-light")


def share(text):
    """Per cent of the jumps that a panel says are found."""
    return float(re.search(r"([\d.]+) ± [\d.]+ % of jumps", text)[1])


def test_the_curve_of_injection_and_recovery_follows_the_threshold(bench):
    screen = bench("recovery")
    page = screen.page
    choose_step(screen, "jump")
    page.get_by_role("tab", name="recovery", exact=True).click()
    text = page.locator(".jwi-recovery-text", has_text="of jumps of")
    text.wait_for()
    screen.shoot("recovery-light")
    before = text.inner_text()
    first = screen.ask(screen.threshold)
    screen.turn(30)
    now = screen.ask(screen.threshold)
    assert now > first + 1
    # at once on the curve that is there, then measured at the new threshold
    page.locator(".jwi-key", has_text=f"now: {now:.4g}").wait_for()
    screen.until("wb.graphs.recovery.found.threshold", now)
    page.locator(".jwi-recovery-text", has_text=f"{now:g} ").wait_for()
    assert share(text.inner_text()) < share(before) - 5
    assert "false flags per difference" in text.inner_text()
    curve = page.locator(".jwi-recovery .bqplot").first
    assert curve.bounding_box()["height"] > 150
    assert page.locator(".jwi-recovery").evaluate("n => n.scrollWidth <= n.clientWidth + 1")
    size = page.locator(".jwi-recovery [data-name=size]")
    size.get_by_role("slider").focus()
    for _ in range(60):
        page.keyboard.press("ArrowRight")
    asked = float(size.locator("input[type=text]").input_value())
    assert asked > 1
    screen.until("wb.graphs.recovery.found.size", asked)
    screen.theme("Dark")
    screen.shoot("recovery-dark")


METHODS = """
from typing import Annotated, Literal
import dataclasses
import numpy
import jwinteractive
from jwinteractive.data import Ramp
from jwinteractive.params import Doc, Params
from jwinteractive.recipe import Stage
from jwinteractive.step import step

class PickyParams(Params):
    method: Annotated[Literal["none", "third", "broken"], Doc("Which.")] = "third"

@step(halo=0)
def picky(ramp: Ramp, p: PickyParams) -> Ramp:
    "Flag the third group, or none."
    if p.method == "broken":
        raise ValueError("it is broken")
    groupdq = ramp.groupdq.copy()
    groupdq[:, 2] |= numpy.uint8(4 if p.method == "third" else 0)
    return ramp.replace(groupdq=groupdq)

path = {path!r}
session = jwinteractive.open(path)
stages = [s for s in session.recipe if s.step != "jump"]
at = [s.step for s in stages].index("ramp_fit")
stages.insert(at, Stage("picky", PickyParams()))
recipe = dataclasses.replace(session.recipe, stages=tuple(stages))
"""


def test_methods_are_compared_on_the_picked_pixel(notebook, screen_of, jupyter, snowy):
    code = METHODS.replace("{path!r}", repr(str(snowy)))
    show = "from jwinteractive_widgets import workbench\nwb = workbench(path, recipe=recipe)\nwb"
    notebook("methods.ipynb", code, show)
    screen = screen_of("methods.ipynb", (1500, 1150), snowy.parent)
    page = screen.page
    screen.pick(60, 120)
    page.get_by_role("button", name="compare methods").click()
    table = page.locator(".jwi-methods table")
    table.wait_for()
    rows = table.get_by_role("row")
    assert "(present)" in rows.nth(1).inner_text()
    assert table.get_by_role("row", name="it is broken").count() > 0
    text = table.inner_text()
    assert page.locator(".jwi-methods").evaluate("n => n.scrollWidth <= n.clientWidth + 1")
    screen.shoot("methods-light")
    screen.pick(61, 120)
    page.wait_for_function(
        "(old) => document.querySelector('.jwi-methods table')?.innerText !== old", arg=text
    )
    screen.theme("Dark")
    screen.shoot("methods-dark")
