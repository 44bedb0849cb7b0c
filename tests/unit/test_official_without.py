"""What official steps do without a reference is what their source says."""

import ast
import importlib.util
from pathlib import Path

import pytest

from jwinteractive.official.behaviour import spared_types
from jwinteractive.official.catalogue import catalogue
from jwinteractive.official.without import GOES_ON, SKIPS, without
from jwinteractive.testing import example_exposure


def _constants(node):
    return [n.value for n in ast.walk(node) if isinstance(n, ast.Constant)]


def _target(node):
    return ast.unparse(node.targets[0]) if isinstance(node, ast.Assign) else ""


def _alias(cls):
    named = (n for n in cls.body if isinstance(n, ast.Assign) and _target(n) == "class_alias")
    return next((c for n in named for c in _constants(n.value)), "")


def _skips(tree):
    """Types that a step asks for and whose N/A it answers by SKIPPED."""
    asked = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and "get_reference_file(" in ast.unparse(node.value):
            asked[_target(node)] = next(
                (c for c in _constants(node.value) if isinstance(c, str)), ""
            )
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and "SKIPPED" in [c for n in node.body for c in _constants(n)]:
            for test in (n for n in ast.walk(node.test) if isinstance(n, ast.Compare)):
                name = ast.unparse(test.left)
                if _constants(test) == ["N/A"] and name in asked:
                    yield asked[name]


def test_steps_skip_themselves_where_the_table_says_so():
    spec = importlib.util.find_spec("jwst")
    if spec is None or spec.origin is None or not catalogue().version.startswith("3.0."):
        pytest.skip("the table is of jwst 3.0")
    found = {}
    for path in Path(spec.origin).parent.glob("*/*_step.py"):
        tree = ast.parse(path.read_text())
        for cls in (n for n in tree.body if isinstance(n, ast.ClassDef)):
            if types := set(_skips(cls)):
                found[_alias(cls)] = types
    assert found == {alias: set(types) for alias, types in SKIPS.items()}


def test_tables_name_types_that_their_steps_ask_for():
    steps = catalogue().steps
    for table in (SKIPS, GOES_ON):
        for alias, types in table.items():
            assert set(types) <= set(steps[alias].reftypes), alias


def test_a_type_that_a_step_fails_without_has_no_words():
    assert without("ipc", "ipc") == "skips the step"
    assert without("photom", "area") == "lets it go on without"
    assert without("jump", "gain") == ""


def test_spectra_of_sources_without_a_slit_are_cut_out_by_their_wcs_and_no_file():
    slitless, slit = (
        spared_types("extract_1d", example_exposure(i, exp_type=e))
        for i, e in (("NIRISS", "NIS_WFSS"), ("NIRSPEC", "NRS_FIXEDSLIT"))
    )
    assert "extract1d" in slitless
    assert "extract1d" not in slit
