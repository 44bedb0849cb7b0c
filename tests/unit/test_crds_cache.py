"""A local CRDS cache: its rules are read by CRDS itself, and an official pipeline runs on it."""

import ast
import json
import os
import subprocess
import sys

import asdf
import numpy as np
import pytest
from astropy.io import fits

from jwinteractive.errors import MissingReference, OutputError, ParamError
from jwinteractive.references import References
from jwinteractive.references.crdscache import write_crds_cache
from jwinteractive.references.filed import file_reference
from jwinteractive.testing import example_exposure

NIRCAM = {"INSTRUME": "NIRCAM", "DETECTOR": "NRCA1"}


def write(folder, name, reftype, **cards):
    folder.mkdir(exist_ok=True)
    header = fits.Header({"REFTYPE": reftype, "USEAFTER": "2022-01-01T00:00:00"} | cards)
    image = fits.ImageHDU(np.ones((8, 9), np.float32), name="SCI")
    fits.HDUList([fits.PrimaryHDU(header=header), image]).writeto(folder / name)


def write_parameters(folder, name, cls, **meta):
    folder.mkdir(exist_ok=True)
    tree = {"class": cls, "name": "x", "parameters": {}, "meta": meta}
    asdf.AsdfFile(tree).write_to(folder / name)


def choose(cache, *asked):
    """Let CRDS choose, without a network: (instrument, type, keywords) -> name or why not."""
    script = """
import json, sys
from crds.core import rmap
found = []
for instrument, reftype, keywords in json.loads(sys.argv[1]):
    header = {"META.INSTRUMENT.NAME": instrument, "META.OBSERVATION.DATE": "2024-06-01",
              "META.OBSERVATION.TIME": "01:02:03", **keywords}
    header = {k: header.get(k, "UNDEFINED") for k in
              {*header, "META.INSTRUMENT.DETECTOR", "META.INSTRUMENT.FILTER",
               "META.INSTRUMENT.PUPIL", "META.INSTRUMENT.GRATING", "META.EXPOSURE.TYPE",
               "META.EXPOSURE.READPATT", "META.SUBARRAY.NAME", "META.INSTRUMENT.CHANNEL",
               "META.INSTRUMENT.BAND", "META.VISIT.TSOVISIT"}}
    context = rmap.get_cached_mapping("jwst_0000.pmap")
    found.append(context.get_best_references(header, include=[reftype])[reftype])
print(json.dumps(found))
"""
    asked = json.dumps(
        [(i, t, {f"META.{k}": v for k, v in keywords.items()}) for i, t, keywords in asked]
    )
    done = run_on(cache, "-c", script, asked)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def run_on(cache, *arguments, **keys):
    """Run Python with the two variables and no other word of CRDS."""
    plain = {k: v for k, v in os.environ.items() if not k.startswith("CRDS")}
    call = [sys.executable, *map(str, arguments)]
    environment = plain | cache.environment
    return subprocess.run(
        call, env=environment, capture_output=True, text=True, check=False, timeout=120, **keys
    )


def test_files_of_a_type_are_told_apart_as_crds_reads_them(tmp_path):
    refs = tmp_path / "refs"
    write(refs, "f200.fits", "FLAT", **NIRCAM, FILTER="F200W", PUPIL="CLEAR")
    write(refs, "f150.fits", "FLAT", **NIRCAM, FILTER="F150W", P_FILTER="F150W|F162M|")
    write(refs, "later.fits", "FLAT", **NIRCAM, FILTER="F200W", PUPIL="CLEAR")
    fits.setval(refs / "later.fits", "USEAFTER", value="2025-01-01T00:00:00")
    write(refs, "gain.fits", "GAIN", **NIRCAM, FILTER="F200W")
    write(refs, "full.fits", "DARK", **NIRCAM, SUBARRAY="FULL")
    write(refs, "sub.fits", "DARK", **NIRCAM, SUBARRAY="SUB64P")
    # CRDS's own list of what it asks for this type has no pupil
    write(refs, "clear.fits", "PHOTOM", **NIRCAM, FILTER="F150W2", PUPIL="CLEAR")
    write(refs, "f162.fits", "PHOTOM", **NIRCAM, FILTER="F150W2", PUPIL="F162M")
    write_parameters(refs, "any.asdf", "jwst.jump.JumpStep", instrument={"name": "GENERIC"})
    image, series = {"type": "NRC_IMAGE"}, {"type": "NRC_TSIMAGE"}
    tweakreg = "jwst.tweakreg.TweakRegStep"
    nircam = {"name": "NIRCAM"}
    write_parameters(refs, "image.asdf", tweakreg, instrument=nircam, exposure=image)
    write_parameters(refs, "tso.asdf", tweakreg, instrument=nircam, exposure=series)
    cache = write_crds_cache(refs, tmp_path / "cache")
    assert cache.notes == ()
    assert cache.needed == {"NIRCAM": ("abvegaoffset", "distortion", "readnoise")}
    one = {"INSTRUMENT.DETECTOR": "NRCA1", "INSTRUMENT.PUPIL": "CLEAR"}

    def flat(**keywords):
        return "NIRCAM", "flat", one | {"INSTRUMENT.FILTER": "F200W"} | keywords

    found = choose(
        cache,
        flat(),
        flat(**{"OBSERVATION.DATE": "2026-01-01"}),
        flat(**{"INSTRUMENT.FILTER": "F162M", "INSTRUMENT.PUPIL": "F162M"}),
        flat(**{"INSTRUMENT.FILTER": "F115W"}),
        ("NIRCAM", "gain", one | {"INSTRUMENT.FILTER": "F444W"}),
        ("NIRCAM", "dark", one | {"SUBARRAY.NAME": "SUB64P"}),
        ("NIRCAM", "dark", one | {"SUBARRAY.NAME": "SUB400P"}),
        ("NIRCAM", "ipc", one),
        ("NIRCAM", "readnoise", one),
        ("NIRCAM", "pars-jumpstep", one),
        ("NIRCAM", "pars-tweakregstep", {"EXPOSURE.TYPE": "NRC_TSIMAGE"}),
        ("NIRCAM", "pars-tweakregstep", {"EXPOSURE.TYPE": "NRC_CORON"}),
        ("NIRCAM", "pars-rampfitstep", one),
        ("NIRCAM", "photom", one | {"INSTRUMENT.FILTER": "F150W2"}),
        ("NIRCAM", "photom", one | {"INSTRUMENT.FILTER": "F150W2", "INSTRUMENT.PUPIL": "F162M"}),
    )
    none = "NOT FOUND n/a"
    assert found[:3] == ["f200.fits", "later.fits", "f150.fits"]
    assert found[3].startswith("NOT FOUND")  # a wrong flat is no flat, and is not passed over
    assert found[3] != none
    assert found[4:8] == ["gain.fits", "sub.fits", "full.fits", none]
    assert found[8].startswith("NOT FOUND")
    assert found[8] != none
    assert found[9:] == ["any.asdf", "tso.asdf", none, none, "clear.fits", "f162.fits"]


def test_files_that_nothing_else_tells_apart_are_named(tmp_path):
    refs = tmp_path / "refs"
    write(refs, "a.fits", "MASK", **NIRCAM)
    write(refs, "b.fits", "MASK", **NIRCAM)
    cache = write_crds_cache(refs, tmp_path / "cache")
    assert cache.notes == ("a.fits: b.fits holds for the same exposures and is taken",)


def test_what_cannot_be_used_is_named(tmp_path):
    refs = tmp_path / "refs"
    write(refs, "my mask.fits", "MASK", **NIRCAM)
    write(refs, "odd.fits", "", **NIRCAM)
    (refs / "packed.fits.gz").write_bytes(b"")
    (refs / "broken.fits").write_text("no")
    cache = write_crds_cache(refs, tmp_path / "cache")
    assert cache.files == {"NIRCAM": {"mask": ("my_mask.fits",)}}
    told = [note.partition(":")[0] for note in cache.notes]
    assert told == ["broken.fits", "odd.fits", "packed.fits.gz"]


def test_references_are_linked_or_copied_and_not_changed(tmp_path):
    refs = tmp_path / "refs"
    write(refs, "m.fits", "MASK", **NIRCAM)
    for name, copy in (("linked", False), ("copied", True)):
        cache = write_crds_cache(refs, tmp_path / name, copy=copy)
        placed = cache.root / "references/jwst/m.fits"
        assert placed.read_bytes() == (refs / "m.fits").read_bytes()
        assert placed.samefile(refs / "m.fits") is not copy
    config = ast.literal_eval((cache.root / "config/jwst/server_config").read_text())
    assert config["operational_context"] == "jwst_0000.pmap"


def test_a_cache_that_cannot_be_made_leaves_nothing(tmp_path):
    refs = tmp_path / "refs"
    write(refs, "m.fits", "MASK", **NIRCAM)
    with pytest.raises(ParamError, match="instrument 'WFPC': choose from FGS, MIRI"):
        write_crds_cache(refs, tmp_path / "cache", ["wfpc"])
    with pytest.raises(MissingReference, match="no reference of MIRI in it"):
        write_crds_cache(refs, tmp_path / "cache", ["miri"])
    with pytest.raises(MissingReference, match="no such folder"):
        write_crds_cache(tmp_path / "nowhere", tmp_path / "cache")
    with pytest.raises(OutputError, match="is there and not empty: choose another folder"):
        write_crds_cache(refs, refs)
    assert [p.name for p in tmp_path.iterdir()] == ["refs"]


def test_an_official_pipeline_runs_on_the_two_variables_alone(nircam_file, tmp_path):
    refs = nircam_file.with_name(nircam_file.name.replace("_uncal.fits", "_refs"))
    folder = tmp_path / "refs"
    folder.mkdir()
    for path in refs.glob("*.fits"):
        os.link(path, folder / path.name)
    write_parameters(folder, "jump.asdf", "jwst.jump.JumpStep", instrument={"name": "NIRCAM"})
    with asdf.open(folder / "jump.asdf", mode="rw") as file:
        file["parameters"] = {"rejection_threshold": 7.25}
        file.update()
    cache = write_crds_cache(folder, tmp_path / "cache")
    script = """
import sys
from jwst.pipeline import Detector1Pipeline
rate = Detector1Pipeline.call(sys.argv[1], steps={"ipc": {"skip": True}})
import numpy as np
steps, used = rate.meta.cal_step, rate.meta.ref_file
print("RESULT", steps.superbias, steps.jump, steps.ramp_fit, used.superbias.name,
      used.crds.context_used, np.isfinite(rate.data).mean() > 0.5)
from jwinteractive.references import References
from jwinteractive.references.filed import file_reference
from jwinteractive.plan import open_file
from pathlib import Path
file = open_file(Path(sys.argv[1]))
ours = References()
for reftype in ("gain", "psfmask", "distortion"):
    print("OURS", ours.find(file_reference(reftype), file.exposure, file.product.shape))
print("SAID", repr(ours.crds_said))
"""
    done = run_on(cache, "-c", script, nircam_file, cwd=tmp_path)
    assert done.returncode == 0, done.stderr[-3000:]
    name = "crds://jwst_nircam_superbias_sim.fits"
    told = [
        line for line in done.stdout.splitlines() if line.startswith(("RESULT", "OURS", "SAID"))
    ]
    assert told == [
        f"RESULT COMPLETE COMPLETE COMPLETE {name} jwst_0000.pmap True",
        "OURS crds: jwst_nircam_gain_sim.fits",
        "OURS crds: N/A",
        "OURS nominal",
        "SAID ''",
    ]
    assert "rejection_threshold: 7.25" in done.stderr + done.stdout


def test_a_missing_cache_is_said_and_does_not_end_the_process(tmp_path, monkeypatch):
    monkeypatch.setenv("CRDS_PATH", str(tmp_path / "nothing"))
    monkeypatch.setenv("CRDS_SERVER_URL", "https://jwst-serverless-mode.stsci.edu")
    references = References()
    found = references.find(file_reference("gain"), example_exposure(), (40, 48))
    assert found.source == "nominal"
    assert references.crds_said
