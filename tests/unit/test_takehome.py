"""The panels that take results home and that say what differs."""

import asyncio
import re
import threading

import numpy as np
import pytest

pytest.importorskip("ipywidgets", reason="the lab extra is not installed")

import jwinteractive
from jwinteractive.compare import compare
from jwinteractive.data import Rate
from jwinteractive.errors import JwinteractiveError
from jwinteractive.io import open_product
from jwinteractive.recipe import Recipe
from jwinteractive.views import Table
from jwinteractive_widgets import handover
from jwinteractive_widgets.background import Background
from jwinteractive_widgets.comparison import COMPARISON_CSS, ComparisonView, table_html
from jwinteractive_widgets.takehome import TAKEHOME_CSS, TakeHome


@pytest.fixture
def said():
    return []


@pytest.fixture
def panel(sent, session, tmp_path, said):
    made = TakeHome(session, upto=lambda: "linearity", say=said.append)
    made.folder.value = str(tmp_path / "home")
    made.shown.value = True
    return made


def test_the_products_of_the_last_step_are_saved_whatever_is_shown(panel, session):
    panel.shown.value = False
    panel.buttons["products"].click()
    assert str(session.outputs(panel.folder.value)[0]) in panel.outcome.value


def test_saving_the_session_elsewhere_leaves_it_kept_where_it_was(panel, session, tmp_path):
    (tmp_path / "kept").mkdir()
    session.keep(tmp_path / "kept")
    panel.buttons["session"].click()
    assert "_session" in panel.outcome.value
    assert session.folder == tmp_path / "kept"


def test_the_product_of_the_shown_step_is_saved_and_named_with_its_size(panel, session, said):
    panel.buttons["products"].click()
    (path,) = session.outputs(panel.folder.value, "linearity")
    np.testing.assert_array_equal(open_product(path).product.data, session.run("linearity").data)
    assert str(path) in panel.outcome.value
    assert re.search(r"\d kB|\d MB", panel.outcome.value)
    assert said == [f"written: {path}"]


def test_a_rate_is_saved_with_the_rates_of_its_integrations(sent, session, tmp_path):
    panel = TakeHome(session)
    panel.folder.value = str(tmp_path)
    panel.buttons["products"].click()
    assert sorted(p.name.rpartition("_")[2] for p in tmp_path.glob("*.fits")) == [
        "rate.fits",
        "rateints.fits",
    ]


def test_nothing_is_overwritten_before_the_box_is_ticked(panel, session):
    panel.buttons["products"].click()
    (path,) = session.outputs(panel.folder.value, "linearity")
    before = path.stat().st_mtime_ns
    panel.buttons["products"].click()
    assert "exists: tick &#x27;overwrite files that exist&#x27; or" in panel.outcome.value
    assert 'role="alert"' in panel.outcome.value
    assert path.stat().st_mtime_ns == before
    panel.overwrite.value = True
    panel.buttons["products"].click()
    assert 'role="status"' in panel.outcome.value
    assert path.stat().st_mtime_ns != before


def test_a_saved_session_opens_again_and_is_not_replaced_unasked(panel, session, tmp_path):
    session.set("jump", rejection_threshold=6.0)
    panel.buttons["session"].click()
    (folder,) = (tmp_path / "home").iterdir()
    assert jwinteractive.open(folder).recipe == session.recipe
    session.set("jump", rejection_threshold=7.0)
    panel.buttons["session"].click()  # its own folder: it goes on in there
    assert jwinteractive.open(folder).recipe == session.recipe
    session.folder = None
    panel.buttons["session"].click()
    assert "exists: tick &#x27;overwrite files that exist&#x27; or" in panel.outcome.value


def test_recipe_script_and_notebook_are_written_for_the_whole_recipe(panel, session, tmp_path):
    for name in ("recipe", "script", "notebook"):
        panel.buttons[name].click()
        assert 'role="status"' in panel.outcome.value
    found = {p.suffix: p for p in (tmp_path / "home").iterdir()}
    assert Recipe.load(found[".toml"]) == session.recipe
    text = found[".py"].read_text()
    compile(text, "again.py", "exec")
    assert "run_all()" in text
    assert "session.write('products', exposure=number)" in text
    assert "workbench(session)" in found[".ipynb"].read_text()


def test_products_of_all_exposures_are_saved_when_asked(sent, nircam_file, miri_file, tmp_path):
    session = jwinteractive.open([nircam_file, miri_file], recipe=Recipe.of("dq_init"))
    panel = TakeHome(session)
    assert panel.every.layout.display == ""
    panel.folder.value = str(tmp_path)
    panel.buttons["products"].click()
    assert len(list(tmp_path.iterdir())) == 1
    panel.every.value = panel.overwrite.value = True
    panel.buttons["products"].click()
    assert len(list(tmp_path.iterdir())) == 2


def test_markup_in_names_is_text(sent, nircam_file, tmp_path, said):
    folder = tmp_path / "<img src=x onerror=alert(1)>"
    path = tmp_path / "<b>&amp;_uncal.fits"
    path.write_bytes(nircam_file.read_bytes())
    panel = TakeHome(jwinteractive.open(path), upto=lambda: "dq_init", say=said.append)
    panel.shown.value = True
    panel.folder.value = str(folder)
    panel.buttons["products"].click()
    assert "&lt;img" in panel.outcome.value
    assert "&lt;b&gt;&amp;amp;_ramp.fits" in panel.outcome.value
    assert not {"<img", "<b>"} & set(re.findall("<[a-z]+", panel.outcome.value))
    assert "<b>&amp;_ramp.fits" in said[0]
    panel.buttons["products"].click()
    assert "<img" not in panel.outcome.value


def test_the_file_as_it_was_read_needs_no_saving(sent, session):
    panel = TakeHome(session, upto=lambda: "input")
    panel.shown.value = True
    panel.buttons["products"].click()
    assert "show a later step" in panel.outcome.value


def test_an_error_of_the_disk_is_one_line_in_place(panel, tmp_path, said):
    (tmp_path / "home").write_text("a file")
    for name in ("products", "session", "recipe", "script", "notebook"):
        panel.buttons[name].click()
        assert 'role="alert"' in panel.outcome.value
        assert "\n" not in said[-1]
    assert len(said) == 5
    assert not any(b.disabled for b in panel.buttons.values())


def test_work_is_done_off_the_loop_and_the_buttons_wait_for_it(sent, session, tmp_path):
    workers, begun = [], []

    async def play():
        background = Background()
        submit = background.submit
        background.submit = lambda *given: (begun.append(given), submit(*given))
        panel = TakeHome(session, background=background, upto=lambda: "dq_init")
        panel.shown.value = True
        panel.folder.value = str(tmp_path)
        real = session.write

        def write(*args, **options):
            workers.append(threading.current_thread())
            return real(*args, **options)

        session.write = write
        panel.buttons["products"].click()
        panel.buttons["recipe"].click()  # too early: it would be lost, and so it is not begun
        assert all(b.disabled for b in panel.buttons.values())
        while panel.buttons["products"].disabled:
            await asyncio.sleep(0.01)
        return panel.outcome.value

    assert "_ramp.fits" in asyncio.run(play())
    assert [w is threading.main_thread() for w in workers] == [False]
    assert len(begun) == 1


@pytest.fixture
def programs(monkeypatch):
    """Which programs are installed; opening one gives a widget with what it was given."""
    import ipywidgets as w

    opened = []

    def opens(name):
        def open_it(product, label, **options):
            opened.append((name, product, label, options))
            return w.Label(label)

        return open_it

    monkeypatch.setattr(handover, "open_in_glue", opens("glue"))
    monkeypatch.setattr(handover, "open_in_jdaviz", opens("jdaviz"))
    monkeypatch.setattr(handover, "widget_of", lambda application: application)
    monkeypatch.setattr(handover, "installed", lambda _: True)
    monkeypatch.setattr(handover, "load", lambda _: None)
    return opened


def shown_buttons(panel):
    import ipywidgets as w

    boxes = [c for c in panel.children if isinstance(c, w.Box)]
    return {c.description for box in boxes for c in box.children if isinstance(c, w.Button)}


def test_programs_that_are_not_installed_are_told_of_quietly(programs, sent, session, monkeypatch):
    assert {"Open in jdaviz", "Open in glue"} <= shown_buttons(TakeHome(session))
    monkeypatch.setattr(handover, "installed", lambda name: name == "glue")
    panel = TakeHome(session)
    assert "Open in jdaviz" not in shown_buttons(panel)
    assert "Open in glue" in shown_buttons(panel)
    text = "".join(getattr(c, "value", "") for c in panel.children if hasattr(c, "placeholder"))
    assert "pip install jdaviz" in text
    assert "pip install glue" not in text


def test_the_shown_product_opens_in_other_programs_in_the_given_place(programs, sent, session):
    import ipywidgets as w

    place = w.VBox()
    panel = TakeHome(session, upto=lambda: "jump", place=place)
    session.see(integration=1)
    for name in ("glue", "jdaviz"):
        panel.buttons[name].click()
        assert place.children == (panel.handed,)
    assert [p[0] for p in programs] == ["glue", "jdaviz"]
    assert programs[0][3]["mask"].same(session.mask())
    assert programs[1][3] == {"integration": 1}
    assert programs[1][1].arrays().keys() == session.run("jump").arrays().keys()
    assert programs[0][2].endswith("after jump")


def test_a_program_that_is_gone_meanwhile_is_said(programs, sent, session, monkeypatch):
    def gone(program):
        raise JwinteractiveError(handover.way_to_install(program))

    monkeypatch.setattr(handover, "load", gone)
    panel = TakeHome(session)
    panel.buttons["jdaviz"].click()
    assert "jdaviz is not installed: pip install jdaviz" in panel.outcome.value
    assert programs == []


def test_a_program_that_fails_is_said_in_one_line(programs, sent, session, monkeypatch):
    def fails(*_, **__):
        raise ValueError("no <b>\nmore")

    monkeypatch.setattr(handover, "open_in_jdaviz", fails)
    panel = TakeHome(session)
    panel.buttons["jdaviz"].click()
    assert "ValueError: no &lt;b&gt;</div>" in panel.outcome.value


# -- what differs ---------------------------------------------------------------------------------


def test_without_a_pinned_result_the_comparison_says_what_to_do(sent):
    view = ComparisonView()
    assert "Pin a result first" in view.headline.value
    assert view.tables.value == ""


def test_a_comparison_is_shown_in_words_and_tables_and_goes_again(sent, session):
    a = session.run()
    before = session.recipe
    session.set("jump", rejection_threshold=9.0)
    assert isinstance(a, Rate)
    seen = compare(a, session.run(), recipe_a=before, recipe_b=session.recipe)
    view = ComparisonView()
    view.show(seen, "run <1>", "now")
    assert "B differs from A in 1 parameter" in view.headline.value
    assert "A: run &lt;1&gt;, B: now" in view.headline.value
    assert '<td class="jwi-number">4</td><td class="jwi-number">9</td>' in view.tables.value
    assert view.tables.value.count("<caption>") == 3
    view.show(None)
    assert view.tables.value == ""


def test_cells_are_text_with_headings_of_rows_and_columns():
    table = Table(title="<t>", columns=("<c>", "n"), rows=(("<r>", None), ("x", 1234567)))
    html = table_html(table)
    assert '<th scope="col">&lt;c&gt;</th>' in html
    assert '<th scope="row">&lt;r&gt;</th><td>–</td>' in html
    assert "1\u202f234\u202f567" in html
    assert "<r>" not in html


def test_a_table_without_rows_says_none():
    assert "none" in table_html(Table(title="flags", columns=("a", "b"), rows=()))


def test_the_styles_are_there():
    assert TAKEHOME_CSS.is_file()
    assert COMPARISON_CSS.is_file()
