"""The command line: fixed forms for scripts, exit codes that mean something, one line an error."""

import json
import subprocess
import sys

import numpy as np
import pytest

import jwinteractive
from jwinteractive.cli import main
from jwinteractive.demo import mode_lines, of_the_mode
from jwinteractive.io import open_product
from jwinteractive.simulate import simulate


@pytest.fixture
def run(capsys):
    """Run the command in this process: (exit code, stdout, stderr)."""

    def call(*words):
        code = main([str(w) for w in words])
        out, err = capsys.readouterr()
        return code, out, err

    return call


def test_run_writes_products_and_tells_as_json(run, nircam_file, tmp_path):
    out = tmp_path / "out"
    code, told, _ = run(
        "run", "auto", nircam_file, "-o", out, "--set", "jump.rejection_threshold=5", "--json"
    )
    told = json.loads(told)
    assert code == 0
    assert sorted(told) == ["outputs", "references", "steps"]
    assert [open_product(p).product.shape for p in told["outputs"]] == [(64, 72), (64, 72)]
    assert {"step", "state", "seconds"} <= told["steps"][0].keys()
    states = {s["step"]: s["state"] for s in told["steps"]}
    assert states["jump"] == "complete"
    assert states["group_scale"] == "skipped"
    assert told["references"]["gain"].startswith("simulated")
    assert sorted(p.name for p in out.iterdir()) == sorted(
        p.rsplit("/", 1)[1] for p in told["outputs"]
    )


def test_run_again_does_nothing_and_another_setting_does_not_overwrite(run, nircam_file, tmp_path):
    assert run("run", "auto", nircam_file, "-o", tmp_path)[0] == 0
    code, _, err = run("run", "auto", nircam_file, "-o", tmp_path)
    assert code == 0
    assert "up to date" in err
    other = ("run", "auto", nircam_file, "-o", tmp_path, "--set", "jump.rejection_threshold=9")
    code, _, err = run(*other)
    assert code == 6
    assert "exists: give --overwrite or choose another folder with --output\n" in err
    code, _, err = run("batch", *other[1:])
    assert code == 6
    assert "give --overwrite, --resume to go on with what is finished, or choose another" in err
    assert run(*other, "--overwrite")[0] == 0


def test_several_exposures_are_reduced_by_one_command(run, nircam_file, tmp_path):
    from jwinteractive.simulate import simulate

    other = simulate("nircam", size=(64, 72), ngroups=5, seed=9).write(tmp_path, "other")
    code, told, _ = run("run", "auto", nircam_file, other, "-o", tmp_path / "out", "--json")
    assert code == 0
    assert len(json.loads(told)["outputs"]) == 4
    assert sorted(p.suffix for p in (tmp_path / "out").iterdir()) == [".fits"] * 4
    code, _, err = run("run", "auto", other, other, "-o", tmp_path / "twice")
    assert code == 6
    assert "two inputs would write it" in err


def test_run_stops_at_a_step_and_skips_another(run, nircam_file, tmp_path):
    words = ("--to", "linearity", "--skip", "superbias", "--json")
    code, told, _ = run("run", "auto", nircam_file, "-o", tmp_path, *words)
    told = json.loads(told)
    assert code == 0
    assert told["outputs"][0].endswith("_ramp.fits")
    states = {s["step"]: s["state"] for s in told["steps"]}
    assert states == {**states, "superbias": "skipped", "linearity": "complete"}
    assert "jump" not in states


def test_nominal_references_are_announced_loudly(run, nircam_file, tmp_path):
    alone = tmp_path / "alone_uncal.fits"
    alone.write_bytes(nircam_file.read_bytes())
    code, told, err = run("run", "auto", alone, "-o", tmp_path / "out", "--json")
    assert code == 0
    assert "NOMINAL references" in err
    assert set(json.loads(told)["references"].values()) == {"nominal"}


def test_steps_are_listed_as_json(run):
    code, told, _ = run("steps", "--json")
    told = {s["step"]: s for s in json.loads(told)}
    assert code == 0
    assert {"step", "takes", "gives", "halo", "parameters"} <= told["jump"].keys()
    names = {p["name"] for p in told["jump"]["parameters"]}
    assert "rejection_threshold" in names
    assert "rejection_threshold" in run("steps", "jump")[1]


def test_recipes_are_shown_and_compared(run, tmp_path):
    code, text, _ = run("recipe", "show", "nir_detector")
    mine = tmp_path / "mine.toml"
    mine.write_text(text.replace("rejection_threshold = 4.0", "rejection_threshold = 7.5"))
    assert code == 0
    code, told, _ = run("recipe", "diff", "nir_detector", mine)
    assert told.strip() == "jump.rejection_threshold: 4.0 -> 7.5"
    assert "miri_detector" in run("recipe", "list")[1]


def test_inspect_prints_the_pixels_history(run, nircam_file):
    code, told, _ = run("inspect", nircam_file, 30, 33, "--json")
    told = json.loads(told)
    assert code == 0
    assert told["steps"][0]["step"] == "input"
    assert np.shape(told["fit"]["residuals"]) == (2, 8)
    assert "ramp_fit" in run("inspect", nircam_file, 30, 33)[1]


def test_recovery_tells_what_is_found_by_threshold_and_size(run, nircam_file):
    code, told, _ = run("recovery", nircam_file, "--size", 90, "--rate", 2, "--json")
    told = json.loads(told)
    assert code == 0
    assert (told["size"], told["rate"]) == (90, 2)
    share = np.array(told["completeness"]["value"])
    assert share.shape == (len(told["thresholds"]), len(told["sizes"]))
    assert share[0, -1] > 0.9
    option = f"jump.{told['parameter']}=9"
    code, text, _ = run("recovery", nircam_file, "--set", option)
    assert code == 0
    assert "completeness at 9 sigma" in text
    assert run("recovery", nircam_file, "--size", -5)[0] == 2


def test_simulate_writes_an_exposure_that_run_takes(run, tmp_path):
    code, path, _ = run("simulate", "miri", "-o", tmp_path, "--size", 40, 44, "--set", "ngroups=6")
    assert code == 0
    assert run("run", "auto", path.strip(), "-o", tmp_path / "out")[0] == 0


@pytest.mark.parametrize("mode", ["nircam", "nirspec", "miri"])
def test_demo_prints_truth_against_result(run, tmp_path, mode):
    code, told, _ = run("demo", "--mode", mode, "-o", tmp_path, "--size", 256, "--json")
    told = json.loads(told)
    assert code == 0
    for row in told["rates"]:
        if row["count"] > 500:
            assert abs(row["pull_median"]) < 0.3, row
    assert told["jumps_found"] > 0.7
    assert told["false_flags_per_million"] < 1000
    assert [p.rsplit(".", 1)[1] for p in told["outputs"]] == ["fits", "fits", "fits", "png"]


def test_demo_tells_of_interference_what_was_measured_and_left(run, tmp_path):
    demo = ("demo", "--mode", "miri-slowr1", "-o", tmp_path, "--size", 128)
    told = json.loads(run(*demo, "--json")[1])
    wave = told["interference"]
    assert told["shape"][2:] == [124, 128]
    assert wave["measured_dn"] == pytest.approx(wave["simulated_dn"], rel=0.1)
    assert 0 < wave["left_dn"] < 0.1 * wave["simulated_dn"]
    assert f"simulated, {wave['measured_dn']:.3f} measured" in run(*demo)[1]
    assert not {"irs2", "averaged"} & set(told)


def test_demo_tells_that_a_wave_of_whole_cycles_a_group_is_in_no_rate(tmp_path):
    sim = simulate("miri", size=(256, 64), ngroups=4)
    session = jwinteractive.open(sim.write(tmp_path))
    session.enable("emicorr")
    told = of_the_mode(session, sim)
    assert told["interference"]["measured_dn"] is told["interference"]["left_dn"] is None
    (line,) = mode_lines(told)
    assert line.endswith("the same in every group: no rate sees it")


def test_demo_tells_of_irs2_the_noise_before_and_after(run, tmp_path):
    demo = ("demo", "--mode", "nirspec-irs2", "-o", tmp_path, "--size", 64)
    told = json.loads(run(*demo, "--json")[1])
    noise = told["irs2"]
    assert noise["left_dn"] < 0.85 * noise["before_dn"]
    assert noise["bands_left_dn"] < 0.7 * noise["bands_before_dn"]
    assert (
        f"{noise['before_dn']:.2f} DN before refpix, {noise['left_dn']:.2f} left" in run(*demo)[1]
    )
    assert not {"interference", "averaged"} & set(told)


def test_demo_tells_of_averaged_groups_their_charge_and_hits(run, tmp_path):
    demo = ("demo", "--mode", "nircam-deep8", "-o", tmp_path, "--size", 256)
    told = json.loads(run(*demo, "--json")[1])
    groups = told["averaged"]
    assert (groups["frames"], groups["gap"]) == (8, 12)
    assert groups["groups"] > 100
    assert abs(groups["off_dn"]) < 1e-3 * groups["rise_dn"]
    # a hit falls into one of the 7 frames after a group's first, of 20
    assert told["jumps_within_groups"] == pytest.approx(0.35 * told["jumps_above_200e"], rel=0.2)
    assert told["jumps_within_groups_found"] > 0.7
    assert f"off by {groups['off_dn']:.2f}; jumps within a group" in run(*demo)[1]
    assert not {"interference", "irs2"} & set(told)


def test_bench_names_are_listed(run):
    code, told, _ = run("bench", "--list")
    assert code == 0
    assert {"detector1", "preview", "inspect", "import"} <= set(told.split())


def test_benchmarks_run_by_name_or_wildcard_and_large_ones_only_when_named(
    run, tmp_path, monkeypatch
):
    from jwinteractive import bench
    from jwinteractive.bench.rows import row

    monkeypatch.chdir(tmp_path)
    told = {name: lambda name=name: row(name, 1.0, 2.0) for name in bench.BENCHMARKS}
    monkeypatch.setattr(bench, "BENCHMARKS", told)

    def ran(*names):
        code, rows, _ = run("bench", *names, "--json")
        return [r["name"] for r in json.loads(rows)] if code == 0 else code

    assert ran("detector1*") == ["detector1", "detector1_2x20", "detector1_tso"]
    assert ran("detector1_tso", "detector1_t*", "preview") == ["detector1_tso", "preview"]
    assert ran() == [name for name in told if name not in bench.LARGE]
    assert ran("detector2*") == 2


def test_a_benchmark_is_a_row_of_fixed_form(run, tmp_path, monkeypatch):
    pytest.importorskip("jwst")
    monkeypatch.chdir(tmp_path)
    code, told, _ = run("bench", "import", "--json")
    (row,) = json.loads(told)
    assert code == 0
    assert row["name"] == "import"
    assert row["ratio"] == row["peer_s"] / row["ours_s"]
    assert {"ours_peak_mb", "peer_peak_mb", "accuracy"} <= row.keys()
    assert json.loads((tmp_path / "build" / "bench.json").read_text())["rows"] == [row]
    assert run("bench", "imports")[0] == 2


def bad_file(kind, folder, good):
    path = folder / "bad_uncal.fits"
    if kind == "missing":
        return folder / "missing.fits"
    if kind == "truncated":
        data = good.read_bytes()
        path.write_bytes(data[: len(data) // 2])
    elif kind == "text":
        path.write_text("no FITS file")
    elif kind == "folder":
        path.mkdir()
    return path


@pytest.mark.parametrize("kind", ["missing", "truncated", "text", "folder"])
def test_bad_input_is_one_line_and_exit_code_3(run, nircam_file, tmp_path, kind):
    path = bad_file(kind, tmp_path, nircam_file)
    code, out, err = run("run", "auto", path, "-o", tmp_path / "out")
    assert code == 3
    assert out == ""
    assert len(err.strip().splitlines()) == 1
    assert "error: " in err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (("--set", "jump.rejection_threshold=-1"), 2, "rejection_threshold"),
        (("--set", "jump.rejection_treshold=5"), 2, "did you mean"),
        (("--set", "jmp.x=5"), 2, "did you mean 'jump'"),
        (("--set", "jump"), 2, "STEP.PARAM=VALUE"),
        (("--to", "ramp"), 2, "did you mean 'ramp_fit'"),
        (("--refs", "no/such/folder"), 4, "no such folder"),
        (("--ref", "gain=no/such.fits"), 4, "no such file"),
    ],
)
def test_wrong_options_are_one_line_before_anything_runs(
    run, nircam_file, tmp_path, words, code, message
):
    got, out, err = run("run", "auto", nircam_file, "-o", tmp_path / "out", *words)
    assert (got, out) == (code, "")
    assert message in err
    assert len(err.strip().splitlines()) == 1
    assert not list(tmp_path.rglob("*_rate.fits"))


def test_an_unwritable_output_is_said_before_the_run(run, nircam_file, tmp_path):
    (tmp_path / "file").write_text("")
    code, _, err = run("run", "auto", nircam_file, "-o", tmp_path / "file" / "out")
    assert code == 6
    assert len(err.strip().splitlines()) == 1


def test_the_installed_command_answers():
    done = subprocess.run(
        [sys.executable, "-m", "jwinteractive.cli", "--help"],
        check=True,
        capture_output=True,
        text=True,
    )
    assert "exit codes" in done.stdout


def test_import_is_light():
    program = (
        "import sys, jwinteractive;"
        "heavy = {'numba', 'jwst', 'stdatamodels', 'matplotlib', 'scipy', 'IPython', 'ipywidgets'};"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True
    )
    assert done.stdout.strip() == "[]"


def test_a_parameter_of_a_step_that_is_off_switches_it_on(run, nircam_file, tmp_path):
    option = ["--set", "clean_flicker_noise.fit_method=shrunk_median"]
    code, out, _ = run("run", "auto", str(nircam_file), "-o", str(tmp_path), "--json", *option)
    assert code == 0
    (made,) = [s for s in json.loads(out)["steps"] if s["step"] == "clean_flicker_noise"]
    assert made["state"] == "complete"
    parser = ["--skip", "clean_flicker_noise", "--overwrite"]
    code, out, _ = run(
        "run", "auto", str(nircam_file), "-o", str(tmp_path), "--json", *option, *parser
    )
    (left,) = [s for s in json.loads(out)["steps"] if s["step"] == "clean_flicker_noise"]
    assert left["state"] == "skipped"


@pytest.mark.parametrize("mode", ["dithers", "slit-dithers", "mrs-cube"])
def test_simulate_writes_calibrated_products_that_a_session_opens(run, tmp_path, mode):
    small = {"dithers": ["--size", 40, 48], "mrs-cube": ["--set", "planes=20", "--set", "size=14"]}
    code, out, _ = run("simulate", mode, "-o", tmp_path, *small.get(mode, []))
    assert code == 0
    session = jwinteractive.open(out.split())
    named = {"dithers": "nircam_imaging", "slit-dithers": "nirspec_fs", "mrs-cube": "miri_mrs"}
    assert session.recipe.name == named[mode]
    first = {"dithers": "outlier_detection", "slit-dithers": "outlier_detection"}
    assert session.plan()[0].step.name == first.get(mode, "extract_1d")
    code, _, err = run("simulate", mode, "-o", tmp_path, "--set", "colour=3")
    assert code == 3
    assert "has no setting 'colour'" in err
