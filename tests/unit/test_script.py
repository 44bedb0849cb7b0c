"""Script, notebook and recipe repeat a session elsewhere, and show any text as it is."""

import dataclasses
import json
import subprocess
import sys
import types

import numpy as np
import pytest

import jwinteractive
from jwinteractive.errors import OutputError
from jwinteractive.export import write_notebook, write_recipe, write_script
from jwinteractive.notebook import notebook, verbatim
from jwinteractive.recipe import Recipe
from jwinteractive.script import script


def assert_same(a, b):
    assert a.arrays().keys() == b.arrays().keys()
    for name, array in a.arrays().items():
        np.testing.assert_array_equal(array, b.arrays()[name], err_msg=name)


def code(made, *left_out):
    return [
        "".join(c["source"])
        for c in made["cells"]
        if c["cell_type"] == "code" and c["id"] not in left_out
    ]


def prose(made):
    return "\n".join("".join(c["source"]) for c in made["cells"] if c["cell_type"] == "markdown")


def run_cells(made, folder, monkeypatch):
    monkeypatch.chdir(folder)
    scope = {}
    for source in code(made, "workbench"):
        exec(compile(source, "cell", "exec"), scope)
    return scope["results"]


@pytest.fixture
def odd_folder(tmp_path):
    folder = tmp_path / 'it\'s "quoted" `ticks` <script>alert(1)<'
    folder.mkdir()
    return folder


@pytest.fixture(scope="module")
def other_file(tmp_path_factory):
    from jwinteractive.simulate import simulate

    folder = tmp_path_factory.mktemp("other")
    return simulate("nircam", size=(64, 72), ngroups=6, seed=8).write(folder, "other")


@pytest.fixture
def edited(nircam_file, other_file):
    """Two exposures, parameters, a step switched off, a reference folder and an override."""
    refs = nircam_file.with_name(nircam_file.name.replace("_uncal.fits", "_refs"))
    session = jwinteractive.open([nircam_file, other_file], refs=refs)
    session.set("jump", rejection_threshold=5.5)
    session.enable("superbias", False)
    session.use("gain", next(refs.glob("*gain*.fits")))
    return session


def test_a_script_run_by_itself_gives_the_same_arrays_and_products(edited, tmp_path):
    folder = tmp_path / "written"
    path = write_script(edited, tmp_path / "again.py", write=folder)
    check = f"import numpy; numpy.savez({str(tmp_path / 'got.npz')!r}, **results[1].arrays())\n"
    path.write_text(path.read_text() + check)
    done = subprocess.run(
        [sys.executable, "-W", "error::UserWarning", path.name],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    first, second = edited.run_all()
    with np.load(tmp_path / "got.npz") as got:
        for name, array in second.arrays().items():
            np.testing.assert_array_equal(got[name], array, err_msg=name)
    from jwinteractive.io import open_product

    (written,) = edited.outputs(folder, exposure=0)[:1]
    np.testing.assert_array_equal(open_product(written).product.data, first.data)


def test_a_script_stops_where_it_is_told_to(session):
    scope = {}
    exec(compile(script(session, to="linearity"), "again.py", "exec"), scope)
    assert_same(scope["results"][0], session.run("linearity"))


def test_a_file_named_in_the_recipe_is_found_from_any_folder(edited, tmp_path, monkeypatch):
    refs = edited.references.folder
    monkeypatch.chdir(refs)
    edited.set("dq_init", user_supplied_dq=next(refs.glob("*mask*.fits")).name)
    text = script(edited, to="dq_init")
    expected = edited.run("dq_init")
    monkeypatch.chdir(tmp_path)
    scope = {}
    exec(compile(text, "again.py", "exec"), scope)
    assert_same(scope["results"][0], expected)


def test_flags_set_by_hand_are_repeated(session):
    plain = session.run()
    root = session.exposures[0].exposure.filename
    y, x = np.argwhere(np.isfinite(plain.data) & (plain.dq == 0))[0]
    session.set("user_flags", groups=f"{root} y{y} x{x} i1 g5 +JUMP_DET")
    scope = {}
    exec(compile(script(session), "again.py", "exec"), scope)
    assert_same(scope["results"][0], session.run())
    assert scope["results"][0].integrations.data[0, y, x] != plain.integrations.data[0, y, x]


def test_the_cells_of_a_notebook_give_the_same_arrays_and_products(edited, tmp_path, monkeypatch):
    path = write_notebook(edited, tmp_path / "again.ipynb")
    made = json.loads(path.read_text())
    for got, expected in zip(run_cells(made, tmp_path, monkeypatch), edited.run_all(), strict=True):
        assert_same(got, expected)
    for number in (0, 1):
        assert all(p.is_file() for p in edited.outputs(tmp_path / "products", exposure=number))


def test_a_notebook_is_valid_and_stays_the_same_for_the_same_session(edited):
    nbformat = pytest.importorskip("nbformat", reason="the lab extra is not installed")
    made = notebook(edited)
    nbformat.validate(made)
    assert made == notebook(edited)
    assert not any(c.get("outputs") for c in made["cells"])


def test_a_notebook_tells_in_plain_words_what_was_done(edited):
    told = prose(notebook(edited))
    assert "- `jump`: `rejection_threshold` = `5.5` sigma instead of `4.0` sigma" in told
    assert "- `superbias`: `switched off in the recipe`" in told
    assert "- `gain`: override, `" in told
    assert told.count("References of") == 2
    assert prose(notebook(edited, "linearity")).count("rejection_threshold") == 0


def test_a_long_list_of_flags_is_cut_short_in_prose_only(session):
    root = session.exposures[0].exposure.filename
    groups = "; ".join(f"{root} y10 x{x} i1 g5 +JUMP_DET" for x in range(5, 60))
    session.set("user_flags", groups=groups)
    assert max(map(len, prose(notebook(session)).splitlines())) < 400
    assert "x59 i1 g5 +JUMP_DET" in "".join(code(notebook(session)))


def test_a_notebook_opens_the_workbench_on_the_session(session):
    (cell,) = (c for c in notebook(session)["cells"] if c["id"] == "workbench")
    assert "".join(cell["source"]).endswith("workbench(session)")


def test_names_that_hold_markup_are_text_in_prose_and_strings_in_code(
    nircam_file, odd_folder, monkeypatch
):
    name = "jw `<img src=x onerror=alert(1)>` $x$_uncal.fits"
    path = odd_folder / name
    path.write_bytes(nircam_file.read_bytes())
    recipe = jwinteractive.open(path).recipe
    odd = recipe.to_toml().replace(f'"{recipe.name}"', '"<script>`\\""', 1)
    session = jwinteractive.open(path, Recipe.from_toml(odd))
    made = notebook(session)
    assert f"``{name}``" in prose(made)
    assert 'Recipe ``<script>`"``' in prose(made)
    (got,) = run_cells(made, odd_folder, monkeypatch)
    assert_same(got, session.run())


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "`plain`"),
        ("a`b", "``a`b``"),
        ("``", "``` `` ```"),
        ("`a", "`` `a ``"),
        (" a ", "`  a  `"),
        ("", "`(empty)`"),
        ("two\n\n# lines\x1b", r"`two\n\n# lines\x1b`"),
        ("\udcff", r"`\udcff`"),
    ],
)
def test_verbatim_shows_any_text_on_one_line(text, shown):
    assert verbatim(text) == shown


def test_an_array_as_a_reference_cannot_go_into_a_script(session):
    session.use("gain", np.full((64, 72), 2.0, np.float32))
    for make in (script, notebook):
        with pytest.raises(OutputError, match="gain: a script cannot hold an array"):
            make(session)


def test_a_step_of_another_package_is_imported_and_one_of_a_notebook_refused(session, monkeypatch):
    from jwinteractive.step import registry

    step = registry["jump"]
    elsewhere = types.FunctionType(step.function.__code__, globals())
    monkeypatch.setitem(registry._steps, "jump", dataclasses.replace(step, function=elsewhere))
    elsewhere.__module__ = "some_package.steps"
    assert "\nimport some_package.steps\n" in script(session)
    elsewhere.__module__ = "__main__"
    with pytest.raises(OutputError, match="step jump: is defined in this notebook"):
        script(session)


def test_a_written_recipe_is_the_recipe(edited, tmp_path):
    path = write_recipe(edited, tmp_path / "new" / "mine.toml")
    assert Recipe.load(path) == edited.recipe
    assert edited.journal[-1].text == f"written: {path}"


def test_a_reference_that_does_not_apply_does_not_in_the_script_either(session, other_file):
    session.use("ipc", "N/A")
    session.use("gain", other_file)
    text = script(session)
    assert "session.use('ipc', 'N/A')" in text
    assert f"session.use('gain', {str(other_file)!r})" in text


@pytest.mark.parametrize(
    ("write", "name"),
    [(write_recipe, "a.toml"), (write_script, "a.py"), (write_notebook, "a.ipynb")],
)
def test_nothing_is_overwritten_unasked(session, tmp_path, write, name):
    path = tmp_path / name
    path.write_text("mine")
    with pytest.raises(OutputError, match="exists: allow overwriting"):
        write(session, path)
    assert path.read_text() == "mine"
    write(session, path, overwrite=True)
    assert path.read_text() != "mine"
    assert [p.name for p in tmp_path.iterdir()] == [name]


def test_a_wrong_ending_or_folder_is_said_before_anything_is_written(session, tmp_path):
    with pytest.raises(OutputError, match=r"end with \.py"):
        write_script(session, tmp_path / "a.txt")
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be written"):
        write_script(session, tmp_path / "file" / "a.py")
    (tmp_path / "d.py").mkdir()
    with pytest.raises(OutputError, match="is a folder"):
        write_script(session, tmp_path / "d.py", overwrite=True)
