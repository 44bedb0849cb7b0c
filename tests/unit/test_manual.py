"""Pages of the manual that are made from the code, and what the repository shows of them."""

import json
import re

import pytest

from jwinteractive.errors import ParamError
from jwinteractive.params import fields_of
from jwinteractive.recipe import mode_names
from jwinteractive.step import OFFICIAL, registry
from manual.executed import execute
from manual.readme import with_tutorials
from manual.text import parameters, prose, table
from manual.tutorials import APP, ROOT, binder_link, executed_pages, title_of, tutorials

LINK = re.compile(r"\]\(([^)#\s]+)\)")


def links_of(page):
    """Files that a page links to."""
    found = [target for target in LINK.findall(page.read_text()) if "://" not in target]
    return [(page.parent / target).resolve() for target in found]


def test_the_pages_of_modes_are_what_recipes_and_known_issues_say():
    pytest.importorskip("jwst", reason="recipes of modes have official steps")
    from manual.modes import mode_pages

    made = {f"{name}.md": text for name, text in mode_pages()}
    folder = ROOT / "docs" / "modes"
    stale = {p.name for p in folder.glob("*.md")} ^ made.keys()
    stale |= {n for n in made if n not in stale and (folder / n).read_text() != made[n]}
    assert not stale, "run  make modes"


def test_a_newcomer_finds_any_mode_from_the_readme_in_two_clicks():
    first = links_of(ROOT / "README.md")
    index = ROOT / "docs" / "modes" / "index.md"
    assert index in first
    second = links_of(index)
    assert {p.stem for p in second} == {name.replace("_", "-") for name in mode_names()}
    assert all(p.is_file() for p in second)


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md", "docs/decisions/README.md"])
def test_what_a_page_links_to_is_there(name):
    assert [str(p) for p in links_of(ROOT / name) if not p.exists()] == []


def test_every_decision_is_listed_once():
    folder = ROOT / "docs" / "decisions"
    listed = links_of(folder / "README.md")
    assert sorted(listed) == sorted(folder.resolve().glob("[0-9]*.md"))


def test_the_readme_has_the_present_tutorials_and_links_that_start_them():
    readme = (ROOT / "README.md").read_text()
    assert with_tutorials(readme) == readme, "run  make modes"
    for path in tutorials():
        assert binder_link(path) in readme
    with pytest.raises(ValueError, match="one line"):
        with_tutorials("nothing to fill")


def test_the_link_of_a_tutorial_opens_it_in_jupyterlab():
    link = binder_link(ROOT / "notebooks" / "outliers.ipynb")
    assert link.startswith("https://mybinder.org/v2/gh/")
    assert link.endswith("/HEAD?urlpath=lab%2Ftree%2Fnotebooks%2Foutliers.ipynb")


def test_every_step_has_a_page_with_all_its_parameters_and_their_limits():
    from manual.steps import step_pages

    pages = dict(step_pages())
    assert pages.keys() == {"index", *registry}
    for name, step in registry.items():
        assert f"]({name}.md)" in pages["index"]
        for field in fields_of(step.params):
            assert f"| `{field.name}` |" in pages[name]
            assert field.unit in pages[name]
    (row,) = (r for r in pages["jump"].splitlines() if r.startswith("| `likelihood_threshold`"))
    assert "[0, 1000] sigma" in row
    assert "`4.5`" in row
    assert "Acts with `method = likelihood`." in row


def test_every_official_step_is_on_one_page_with_all_its_parameters():
    pytest.importorskip("jwst", reason="the official package is not installed")
    from jwinteractive.official.catalogue import catalogue
    from manual.steps import official_pages

    pages = dict(official_pages())
    index = pages.pop("index")
    for alias, described in catalogue().steps.items():
        title = f"## {OFFICIAL}{alias}\n"
        (page,) = (text for text in pages.values() if title in text)
        part = page.partition(title)[2].partition("\n## ")[0]
        assert all(f"| `{knob.name}` |" in part for knob in described.knobs), alias
        assert f"(#{OFFICIAL}{alias})" in index


def test_the_parameters_that_the_manual_teaches_by_check_themselves():
    text = (ROOT / "docs" / "add_a_step.md").read_text()
    (example,) = (b for b in re.findall(r"```python\n(.*?)```", text, re.S) if "SmoothParams" in b)
    names = {"__name__": "example"}
    exec(example, names)
    params = names["SmoothParams"]
    assert params(method="median").idle() == {"clip"}
    with pytest.raises(ParamError, match=r"must lie in \[1, 99\] pixel"):
        params(width=0)


def test_docstrings_become_markdown():
    text = prose(
        """Fit a line.

        So::

            y = a + b x

        Why: docs/decisions/0001-measuring-pulls-boxes.md.

        Raises
        ------
        StepError
            If there is no line,
            or two.
        """
    )
    assert text == (
        "Fit a line.\n\nSo:\n\n```text\ny = a + b x\n```\n\n"
        "Why: [decision 1](../decisions/0001-measuring-pulls-boxes.md).\n\n"
        "### Raises\n\n- `StepError`: If there is no line, or two."
    )


def test_a_cell_of_a_table_stays_one_cell():
    assert table(("a", "b"), [("x | y", "two\nlines")]).splitlines()[2] == "| x \\| y | two lines |"
    assert parameters(()) == "It has no parameters."


def notebook(folder, source, heading="# A title"):
    cells = [
        {"cell_type": "markdown", "id": "a", "metadata": {}, "source": heading},
        {
            "cell_type": "code",
            "execution_count": None,
            "id": "b",
            "metadata": {},
            "outputs": [],
            "source": source,
        },
    ]
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    path = folder / "one.ipynb"
    plain = {"cells": cells, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}
    path.write_text(json.dumps(plain))
    return path


def test_a_notebook_needs_a_heading_to_be_listed_by(tmp_path):
    assert title_of(notebook(tmp_path, "1")) == "A title"
    with pytest.raises(ValueError, match="has no heading"):
        title_of(notebook(tmp_path, "1", heading="no title"))
    assert all(p.name != APP for p in tutorials())


def test_a_tutorial_that_takes_too_much_memory_is_ended_and_says_so(tmp_path):
    pytest.importorskip("nbconvert", reason="the lab extra is not installed")
    path = notebook(tmp_path, "import time\nheld = b'1' * 700_000_000\ntime.sleep(60)\nheld[0]")
    done = execute(path, tmp_path / "out", memory=0.6)
    assert "more than 0.60 GB" in done.failed
    assert 0.6 < done.memory < 1.2
    assert done.seconds < 60


def test_a_tutorial_that_fails_says_why_and_one_that_runs_keeps_what_it_gave(tmp_path):
    pytest.importorskip("nbconvert", reason="the lab extra is not installed")
    done = execute(notebook(tmp_path, "1 / 0"), tmp_path / "out")
    assert "ZeroDivisionError" in done.failed
    done = execute(notebook(tmp_path, "print(6 * 7)"), tmp_path / "out")
    assert done.failed == ""
    assert 0 < done.memory < 1
    made = json.loads((tmp_path / "out" / "one.ipynb").read_text())
    assert made["cells"][1]["outputs"][0]["text"] == ["42\n"]


def test_the_page_of_an_executed_tutorial_shows_what_it_gave(tmp_path):
    pytest.importorskip("nbconvert", reason="the lab extra is not installed")
    source = "from IPython.display import Image\nprint(6 * 7)"
    made = json.loads(notebook(tmp_path, source).read_text())
    pixel = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk"
    pixel += "+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
    made["cells"][1]["outputs"] = [
        {"output_type": "stream", "name": "stdout", "text": "42\n"},
        {"output_type": "display_data", "metadata": {}, "data": {"image/png": pixel}},
        {
            "output_type": "display_data",
            "metadata": {},
            "data": {"text/plain": "Workbench(children=(<Theme object at 0x7e>,))"},
        },
    ]
    (tmp_path / "outliers.ipynb").write_text(json.dumps(made))
    pages = dict(executed_pages(tmp_path, tmp_path / "images"))
    assert pages.keys() == {"index", *(p.stem for p in tutorials())}
    assert "42" in pages["outliers"]
    (picture,) = (tmp_path / "images").iterdir()
    assert f"](images/{picture.name})" in pages["outliers"]
    assert "](../images/workbench.png)" in pages["outliers"]
    assert "children" not in pages["outliers"]
    assert "without running" in pages["flicker_noise"]
    assert "without running" not in pages["outliers"]
