"""The studio's pages that measure exposures and that save, take in and compare masks."""

import numpy as np
import pytest

pytest.importorskip("bqplot", reason="the lab extra is not installed")

from jwinteractive import dq
from jwinteractive.masks import Layer, Rectangle, Selection, read_text


@pytest.fixture
def files(bench, tmp_path, monkeypatch):
    """The page of files of a workbench in an empty folder, with a layer in the mask."""
    monkeypatch.chdir(tmp_path)
    bench._do("mask")
    none = Selection.none(bench.session.mask().shape)
    bench.mask.desk.add(Layer(name="box", pixels=none, shapes=(Rectangle(2, 5, 3, 6),)))
    return bench.mask.files


def test_a_mask_is_saved_as_text_and_taken_in_again_as_another_layer(files):
    files.buttons["save"].click()
    saved = read_text(files.path.value)
    assert saved["box"].same(files.session.mask()["box"])
    files.buttons["take"].click()
    assert [x.name for x in files.session.mask().layers] == ["box", "box 2"]
    assert "1 layer of" in files.outcome.value


def test_the_ending_follows_the_form_and_what_is_lost_is_said(files):
    files.form.value = "user_dq"
    assert files.path.value.endswith("_mask.fits")
    files.buttons["save"].click()
    assert "not in the file" in files.outcome.value
    files.buttons["save"].click()
    assert "exists" in files.outcome.value
    files.overwrite.value = True
    files.buttons["save"].click()
    assert "written" in files.outcome.value


def test_comparing_says_which_pixels_gain_and_lose_a_flag(files):
    files.buttons["save"].click()
    files.buttons["compare"].click()
    assert "the same as" in files.outcome.value
    mask = files.session.mask()
    files.session.use_mask(mask.changed("box", shapes=(Rectangle(2, 5, 3, 7),)))
    files.buttons["compare"].click()
    assert "+4 pixels" in files.outcome.value
    assert "<td>DO_NOT_USE</td><td>+4</td><td>−0</td>" in files.outcome.value


def test_a_file_that_is_no_mask_is_refused_in_one_line(files, tmp_path):
    (tmp_path / "nrca1_mask.toml").write_text("hello")
    files.buttons["take"].click()
    assert "jwi-takehome-error" in files.outcome.value
    assert not files.buttons["take"].disabled
    assert len(files.session.mask().layers) == 1
