"""The command `mask`: what it shows, compares, converts and builds, and its exit codes."""

import json

import numpy as np
import pytest

from jwinteractive import dq
from jwinteractive.cli import main
from jwinteractive.io import open_product
from jwinteractive.masks import Ellipse, Layer, Mask, Origin, Selection, read_mask, write_mask

SHAPE = (64, 72)


@pytest.fixture
def run(capsys):
    """Run the command in this process: (exit code, stdout, stderr)."""

    def call(*words):
        code = main([str(w) for w in words])
        out, err = capsys.readouterr()
        return code, out, err

    return call


@pytest.fixture
def mask(nircam_file):
    product = open_product(nircam_file).product
    layers = (
        Layer(
            name="warm",
            flags=("WARM",),
            pixels=Selection.parse("3: 4-6 9", SHAPE),
            origin=Origin(kind="statistic", text="of 6 exposures"),
        ),
        Layer(
            name="drawn",
            pixels=Selection.none(SHAPE),
            shapes=(Ellipse(30, 40, 3, 2),),
            on=False,
        ),
        Layer(name="hot", flags=("HOT", "DO_NOT_USE"), pixels=Selection.parse("1: 1", SHAPE)),
    )
    return Mask.of(product.exposure, product.shape, layers=layers, title="mine")


@pytest.fixture
def file(mask, tmp_path):
    return write_mask(mask, tmp_path / "mine.toml").path


def test_show_tells_layers_and_counts(run, file, mask):
    code, out, _ = run("mask", "show", file)
    assert code == 0
    assert "72 x 64 from x" in out
    assert "mine" in out
    assert "  warm: 4 WARM (statistic of 6 exposures)" in out
    assert "(off; drawn)" in out
    assert "pixels by flag: DO_NOT_USE 1, HOT 1, WARM 4" in out
    code, out, _ = run("mask", "show", file, "--json")
    told = json.loads(out)
    assert told["counts"] == {"DO_NOT_USE": 1, "HOT": 1, "WARM": 4}
    assert [m["name"] for m in told["layers"]] == ["warm", "drawn", "hot"]
    assert told["layers"][1]["shapes"] == ["ellipse y30 x40 a3 b2 t0"]
    assert tuple(told["corner"]) == mask.corner


def test_show_and_convert_tell_of_the_scene(run, mask, tmp_path):
    stars = Layer(name="stars", role="scene", flags=(), pixels=Selection.parse("5: 5-7", SHAPE))
    sky = stars.replace(name="sky", how="remove", pixels=Selection.parse("5: 7", SHAPE))
    mask = mask.with_layer(stars).with_layer(sky)
    file = write_mask(mask, tmp_path / "scene.toml").path
    _, out, _ = run("mask", "show", file)
    assert "  stars: 3 source for 1/f (drawn)" in out
    assert "  sky: 1 background for 1/f (drawn)" in out
    assert "pixels by flag: DO_NOT_USE 1, HOT 1, WARM 4" in out
    assert "pixels of the 1/f scene: source 2, background 1" in out
    _, out, _ = run("mask", "show", file, "--json")
    told = json.loads(out)
    assert told["scene"] == {"source": 2, "background": 1}
    assert [m["role"] for m in told["layers"]] == [*["flags"] * 3, "scene", "scene"]
    code, _, err = run("mask", "convert", file, tmp_path / "m.fits", "--to", "reference")
    assert code == 0
    assert "the 1/f scene is left out: 'stars', 'sky'" in err
    code, _, err = run("mask", "convert", file, tmp_path / "u.fits", "--to", "user_mask")
    assert code == 0
    assert "flags of pixels are left out: 'warm', 'hot'" in err


def test_show_takes_some_flags_of_any_file(run, nircam_file, mask, tmp_path):
    path = write_mask(mask, tmp_path / "r.fits", "reference").path
    code, out, _ = run("mask", "show", path, "--flags", "WARM", "--json")
    assert code == 0
    assert json.loads(out)["counts"] == {"WARM": 4}


def test_diff_tells_layers_and_pixels_by_flag(run, file, mask, tmp_path):
    after = mask.changed("warm", pixels=Selection.parse("3: 5-9", SHAPE)).changed("drawn", on=True)
    other = write_mask(after, tmp_path / "other.reg").path
    code, out, _ = run("mask", "diff", file, other)
    assert code == 0
    assert "layer 'warm': +2 -1 pixels" in out
    assert "layer 'drawn': switched on" in out
    assert "WARM: +2 -1 pixels" in out
    code, out, _ = run("mask", "diff", file, other, "--json")
    told = json.loads(out)
    assert {"flag": "WARM", "gained": 2, "lost": 1} in told["flags"]
    assert len(told["layers"]) == 2
    assert run("mask", "diff", file, file)[1] == "no difference\n"


def test_masks_of_two_windows_are_not_compared(run, file, mask, tmp_path):
    other = write_mask(mask.replace(corner=(9, 9)), tmp_path / "other.toml").path
    code, _, err = run("mask", "diff", file, other)
    assert code == 3
    assert "compare those of one window" in err


@pytest.mark.parametrize(
    ("name", "form"),
    [
        ("a.fits", "reference"),
        ("a.fits", "user_dq"),
        ("a.fits", "user_mask"),
        ("a.txt", "coordinates"),
        ("a.reg", "ds9"),
        ("a.fits", "fits"),
    ],
)
def test_convert_writes_each_form_and_says_what_it_loses(run, file, mask, name, form, tmp_path):
    out = tmp_path / "new" / name
    code, told, err = run("mask", "convert", file, out, "--to", form, "--json")
    assert code == 0
    told = json.loads(told)
    assert told["output"] == str(out)
    assert bool(told["lost"]) == (form not in ("ds9", "fits"))
    assert err.count("does not tell") == len(told["lost"])
    back = read_mask(out)
    if not told["lost"]:
        assert back.same(mask)
    code, _, err = run("mask", "convert", file, out, "--to", form)
    assert code == 6
    assert "exists: give --overwrite or choose another name\n" in err
    assert run("mask", "convert", file, out, "--to", form, "--overwrite")[0] == 0


def test_convert_reads_a_list_for_an_exposure(run, nircam_file, tmp_path):
    listed = tmp_path / "pasted.txt"
    listed.write_text("(5, 3)\n(1, 1)\n")
    words = ("mask", "convert", listed, tmp_path / "m.toml", "--like", nircam_file)
    code, _, err = run(*words)
    assert code == 3
    assert "count from 0 or 1" in err
    assert run(*words, "--origin", "1", "--flags", "HOT")[0] == 0
    (layer,) = read_mask(tmp_path / "m.toml").layers
    assert layer.flags == ("HOT",)
    assert layer.pixels.pixels().tolist() == [[0, 0], [2, 4]]


def test_convert_puts_a_mask_on_top_of_a_reference(run, file, nircam_file, tmp_path):
    refs = nircam_file.with_name(nircam_file.name.replace("_uncal.fits", "_refs"))
    base = next(refs.glob("*mask*.fits"))
    out = tmp_path / "m.fits"
    assert run("mask", "convert", file, out, "--to", "reference", "--base", base)[0] == 0
    expected = read_mask(base).dq() | read_mask(file).dq()
    np.testing.assert_array_equal(read_mask(out).dq(), expected)


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("show", "no.toml"), 3, "cannot be read"),
        (("convert", "{file}", "out.xyz"), 2, "its ending tells no form"),
        (("convert", "{file}", "out.toml", "--to", "user_dq"), 6, "let its name end with .fits"),
        (("show", "{file}", "--flags", "HOTT"), 3, "no data-quality flag"),
        (("build", "{file}", "-o", "out.xyz"), 2, "its ending tells no form"),
        (("build", "no_rate.fits", "-o", "out.toml"), 3, "no such file"),
        (("build", "{raw}", "-o", "out.toml"), 3, "need at least 2"),
        (("build", "{raw}", "-o", "out.toml", "--set", "hott=3"), 2, "did you mean"),
        (("build", "{raw}", "-o", "out.toml", "--set", "hot"), 2, "NAME=VALUE"),
        (("build", "{raw}", "-o", "out.toml", "--set", "hot=-3"), 2, "must lie in"),
    ],
)
def test_what_cannot_be_done_has_its_code_and_one_line(
    run, file, nircam_file, words, code, said, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    got, _, err = run("mask", *(w.format(file=file, raw=nircam_file) for w in words))
    assert got == code
    assert said in err
    assert len(err.strip().splitlines()) == 1
    assert not (tmp_path / "out.toml").exists()


@pytest.mark.parametrize("form", ["text", "reference", "ds9"])
def test_run_flags_the_pixels_of_a_mask_in_any_form(run, nircam_file, mask, form, tmp_path):
    ending = {"text": "toml", "reference": "fits", "ds9": "reg"}[form]
    path = write_mask(mask, tmp_path / f"m.{ending}", form).path
    words = ("run", "auto", nircam_file, "-o", tmp_path / "out", "--to", "dq_init", "--json")
    code, told, _ = run(*words, "--mask", path)
    assert code == 0
    ramp = open_product(json.loads(told)["outputs"][0]).product
    flags = read_mask(path).dq()
    np.testing.assert_array_equal(ramp.pixeldq & flags, flags)
    assert (ramp.pixeldq[mask["warm"].selection.mask()] & dq.WARM).all()


def test_run_refuses_a_mask_of_another_detector(run, nircam_file, mask, tmp_path):
    path = write_mask(mask.replace(detector="NRCB4"), tmp_path / "m.toml").path
    code, _, err = run("run", "auto", nircam_file, "-o", tmp_path / "out", "--mask", path)
    assert code == 3
    assert "mask is of NIRCAM NRCB4" in err
    assert not (tmp_path / "out").exists()


@pytest.fixture(scope="module")
def rates(tmp_path_factory):
    """Four rates of one detector, some of whose hot pixels no reference knows."""
    from jwinteractive.simulate.rates import simulate_rates

    folder = tmp_path_factory.mktemp("rates")
    given = {"size": (256, 256), "ngroups": 40, "new_hot": 0.01, "unknown_bad": 1.0}
    return simulate_rates(folder, 4, seed=3, **given).paths


@pytest.mark.parametrize("method", ["noise", "selfcal"])
def test_build_finds_pixels_in_several_exposures(run, rates, method, tmp_path):
    out = tmp_path / "m.toml"
    code, told, _ = run("mask", "build", *rates, "-o", out, "--method", method, "--json")
    assert code == 0
    told = json.loads(told)
    mask = read_mask(out)
    assert told["output"] == str(out)
    assert mask.detector == open_product(rates[0]).product.exposure.detector
    found = {row["class"]: row["pixels"] for row in told["classes"]}
    for layer in mask.layers:
        assert layer.origin.kind == "statistic"
        assert found[layer.name] == layer.count
    assert sum(found.values()) > 0
    code, text, _ = run("mask", "build", *rates, "-o", out, "--method", method, "--overwrite")
    assert code == 0
    assert text.startswith(str(out))


def test_build_takes_thresholds(run, rates, tmp_path):
    words = ("mask", "build", *rates, "--json", "-o")
    few = run(*words, tmp_path / "few.toml", "--set", "significance=19", "--level", "deep")
    many = run(*words, tmp_path / "many.toml", "--set", "significance=3", "--level", "deep")

    def total(told):
        return sum(row["pixels"] for row in json.loads(told[1])["classes"])

    assert total(few) < total(many)
    (origin, *_) = {
        tuple(m.origin.details.items()) for m in read_mask(tmp_path / "many.toml").layers
    }
    assert ("significance", 3.0) in origin
    assert ("level", "deep") in origin


def a_mask(warm, date=""):
    shape = (10, 12)
    pixels = Selection.parse(warm, shape)
    layer = Layer(name="w", flags=("WARM", "DO_NOT_USE"), pixels=pixels)
    return Mask(instrument="NIRCAM", detector="NRCA1", shape=shape, layers=(layer,), date=date)


def test_evolve_follows_pixels_over_masks_of_several_dates(run, tmp_path):
    days = ["2026-01-01", "2026-02-01", "2026-03-01"]
    # one pixel always, one from the second date on, one on the second alone
    seen = ["1: 1", "1: 1\n2: 2-3", "1: 1\n2: 2"]
    paths = [
        write_mask(a_mask(w, d), tmp_path / f"{d}.toml").path
        for w, d in zip(seen, days, strict=True)
    ]
    # what a mask flags is seldom false: it counts at once, and no more when it is not seen again
    words = ("mask", "evolve", *paths[::-1], "-o", tmp_path / "end.toml", "--json")
    code, told, _ = run(*words)
    assert code == 0
    told = json.loads(told)
    assert told["dates"] == days
    (row,) = told["classes"]
    assert row["class"] == "WARM"
    assert row["pixels"] == [1, 3, 2]
    assert (row["new"], row["gone"]) == (0, 1)
    end = read_mask(tmp_path / "end.toml")
    assert end["WARM"].selection == Selection.parse("1: 1\n2: 2", (10, 12))
    assert end.date == days[-1]
    code, text, _ = run("mask", "evolve", *paths)
    assert code == 0
    assert "WARM: " in text


@pytest.mark.parametrize(
    ("dates", "options", "code", "said"),
    [
        (["2026-01-01", ""], (), 3, "1.toml: tells no date"),
        (["", ""], ("--dates", "2026-01-01"), 2, "give one for each"),
        (["", ""], ("--dates", "2026-01-01", "March"), 3, "needs the form"),
        (["2026-01-01"], (), 3, "needs at least 2"),
        (["2026-01-01", "2026-02-01"], ("--set", "entr=1"), 2, "did you mean"),
        (["", ""], ("--dates", "2026-01-01", "2026-02-01"), 0, ""),
    ],
)
def test_masks_without_dates_are_not_followed(run, dates, options, code, said, tmp_path):
    paths = [
        write_mask(a_mask("1: 1", date), tmp_path / f"{n}.toml").path
        for n, date in enumerate(dates)
    ]
    got, _, err = run("mask", "evolve", *paths, *options)
    assert got == code
    assert said in err


def test_masks_of_two_windows_are_not_followed(run, tmp_path):
    one = write_mask(a_mask("1: 1", "2026-01-01"), tmp_path / "1.toml").path
    moved = a_mask("1: 1", "2026-02-01").replace(corner=(5, 5))
    two = write_mask(moved, tmp_path / "2.toml").path
    code, _, err = run("mask", "evolve", one, two)
    assert code == 3
    assert "take masks of one window" in err
