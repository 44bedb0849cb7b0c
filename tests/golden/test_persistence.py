import asdf
import numpy as np
import pytest

import jwinteractive
from jwinteractive import dq
from jwinteractive.cli import main
from jwinteractive.data import Ramp
from jwinteractive.errors import MissingReference, OutputError
from jwinteractive.io import write_windows
from jwinteractive.references import PersistenceRef, References
from jwinteractive.step import registry
from jwinteractive.steps.detector.persistence import PersistenceParams
from jwinteractive.testing import example_exposure, example_ramp, official_model

STEP = registry["persistence"]
SAT, INSIDE = dq.SATURATED, dq.PERSISTENCE
START = 60310.0  # MJD of the example exposures
T0 = (START - 40587) * 86400


def official(ramp, p, earlier=None, tmp_path=None):
    pytest.importorskip("jwst")
    from jwst.persistence import PersistenceStep

    given = {k: v for k, v in p.as_dict().items() if v != ""}
    if earlier is not None:
        given["persistence_array_file"] = str(earlier)
    model = official_model(ramp, ramp.exposure)
    step = PersistenceStep(skip=False, save_persistence=str(tmp_path / "their.asdf"), **given)
    result = step.process(model)
    return result, step.persistence_array


def one_pixel(saturated, nints=1, values=0.0, **header):
    """Ramps of 10 s groups; ``saturated`` lists the samples (integration, group) that are."""
    exposure = example_exposure(
        nints=nints, ngroups=5, group_time=10.0, frame_time=10.0, integration_period=60.0, **header
    )
    groupdq = np.zeros((nints, 5, 1, 1), np.uint8)
    for i, g in saturated:
        groupdq[i, g:] = SAT
    data = np.full(groupdq.shape, values, np.float32)
    return Ramp(exposure=exposure, data=data, groupdq=groupdq, pixeldq=np.zeros((1, 1), np.uint32))


def inside(ramp):
    return (ramp.groupdq[..., 0, 0] & INSIDE != 0).astype(int).tolist()


def test_a_window_opens_at_the_first_saturated_group_and_lasts_its_time():
    # saturated in the 4th group, 40 s after the start; 2nd integration starts at 60 s
    out = STEP(
        one_pixel([(0, 3)], nints=2), PersistenceParams(persistence_time=50), {"earlier": None}
    )
    assert inside(out) == [[0, 0, 0, 1, 1], [1, 1, 1, 0, 0]]  # up to 90 s
    assert out.persistence_ends[0, 0] == 0  # closed by the end
    longer = STEP(one_pixel([(0, 3)]), PersistenceParams(), {"earlier": None})
    assert longer.persistence_ends[0, 0] == T0 + 40 + 2500
    strict = STEP(one_pixel([(0, 3)]), PersistenceParams(persistence_dnu=True), {"earlier": None})
    assert strict.groupdq[0, 3, 0, 0] == SAT | INSIDE | dq.DO_NOT_USE


def test_bright_signal_opens_a_window_once():
    ramp = one_pixel([], nints=2, values=np.float32([[0], [500], [700], [900], [900]])[..., None])
    p = PersistenceParams(persistence_time=25, dn_threshold=600.0)
    out = STEP(ramp, p, {"earlier": None})
    # opens in the 3rd group at 30 s, until 55 s; again in the next integration
    assert inside(out) == [[0, 0, 1, 1, 1], [0, 0, 1, 1, 1]]


def test_earlier_windows_are_taken_and_later_ones_change_nothing():
    p = PersistenceParams()
    for end, marks in ((T0 + 25, [1, 1, 0, 0, 0]), (T0 + 9, [0] * 5), (T0 + 9999, [0] * 5)):
        earlier = PersistenceRef(data=np.full((1, 1), end))
        assert inside(STEP(one_pixel([]), p, {"earlier": earlier})) == [marks]


@pytest.mark.parametrize("threshold", [None, 800.0])
@pytest.mark.parametrize("instrument", ["NIRCAM", "MIRI"])
def test_flags_and_ends_equal_those_of_the_official_step(instrument, threshold, tmp_path):
    period = 10 * 10.73677
    exposure = example_exposure(instrument, nints=4, integration_period=period)
    ramp = example_ramp(exposure, bias=False)
    data = np.array(ramp.data)
    data[1, 3, 4, :] = np.nan
    ramp = ramp.replace(data=data)
    p = PersistenceParams(persistence_time=150, dn_threshold=threshold, persistence_dnu=True)
    before = STEP(ramp, p, {"earlier": None})
    path = write_windows(before, tmp_path / "ours.asdf", 150)
    # the next exposure begins 30 s after the last group
    later = example_exposure(
        instrument,
        nints=4,
        integration_period=period,
        start_time=START + (3 * period + 10 * exposure.group_time + 30) / 86400,
    )
    after = example_ramp(later, bias=False, seed=7)
    references = References()
    found = references.find(PersistenceRef, later, after.shape, str(path))
    earlier = references.load(found, later, after.shape)
    for taken, product, file in ((None, ramp, None), (earlier, after, path)):
        ours = STEP(product, p, {"earlier": taken})
        theirs, ends = official(product, p, file, tmp_path)
        np.testing.assert_array_equal(ours.groupdq, theirs.groupdq)
        np.testing.assert_allclose(ours.persistence_ends, ends, atol=1e-3)
    alone = STEP(after, p, {"earlier": None})
    assert (ours.groupdq != alone.groupdq).sum() > 50
    # and the official file is taken by ours
    their = references.find(PersistenceRef, later, after.shape, str(tmp_path / "their.asdf"))
    read = references.load(their, later, after.shape).inside(after.covers)
    np.testing.assert_allclose(read, ours.persistence_ends, atol=1e-3)


def test_windows_of_another_subarray_are_refused_and_of_another_detector_are_none(tmp_path):
    ramp = example_ramp(example_exposure(), bias=False)
    path = write_windows(STEP(ramp, PersistenceParams(), {"earlier": None}), tmp_path / "a.asdf", 1)
    references = References(overrides={"persistence": path})
    moved = example_exposure(xstart=1)
    with pytest.raises(MissingReference, match="begin at"):
        references.load(references.find(PersistenceRef, moved, (40, 48)), moved, (40, 48))
    other = References(overrides={"persistence": path})
    exposure = example_exposure(detector="NRCA2")
    found = other.load(other.find(PersistenceRef, exposure, (40, 48)), exposure, (40, 48))
    assert not found.inside(ramp.covers).any()
    with pytest.raises(OutputError, match="no persistence windows"):
        write_windows(ramp, tmp_path / "b.asdf", 1)
    assert "EXPSTART" in STEP.skips(example_exposure(start_time=0.0), PersistenceParams())


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    """Two exposures of one field, the second begun 300 s after the first."""
    from astropy.io import fits

    from jwinteractive.simulate import simulate

    folder = tmp_path_factory.mktemp("pair")
    sources = ((20.0, 20.0, 1e8), (40.0, 33.0, 3e7))
    simple = {"size": (48, 56), "ngroups": 5, "nints": 2, "crowding": 0.0, "cosmic_rays": 0.0}
    first = simulate("nircam", sources=sources, seed=1, **simple).write(folder, "jw1_nrca1")
    second = simulate("nircam", sources=(), seed=2, **simple).write(folder, "jw2_nrca1")
    with fits.open(second, "update") as hdus:
        hdus[0].header["EXPSTART"] += 300 / 86400
        for name in ("int_start_MJD_UTC", "int_mid_MJD_UTC", "int_end_MJD_UTC"):
            hdus["INT_TIMES"].data[name] += 300 / 86400
    return first, second


def test_a_session_hands_the_windows_over(pair):
    first, second = map(jwinteractive.open, pair)
    for session in (first, second):
        session.enable("persistence")
    mine, its = (s.exposures[0].exposure for s in (first, second))
    assert (its.start_time - mine.start_time) * 86400 == pytest.approx(300, abs=0.01)
    # a frame is spent on the reset
    assert mine.integration_period == pytest.approx(6 * mine.frame_time, rel=1e-3)
    ends = first.run("persistence").persistence_ends
    assert (ends > 0).sum() > 20
    without = second.run("persistence")
    assert not (without.groupdq & INSIDE).any()
    second.use("persistence", ends)
    marked = second.run("persistence").groupdq & INSIDE != 0
    assert marked.all(axis=(0, 1)).sum() == (ends > 0).sum()


def test_run_carries_windows_in_order_of_time_and_does_nothing_twice(pair, tmp_path, capsys):
    first, second = pair
    words = ["run", "auto", str(second), str(first), "-o", str(tmp_path), "--carry-persistence"]
    assert main([*words, "--to", "persistence"]) == 0
    assert "persistence from override: jw1_nrca1_persistence.asdf" in capsys.readouterr().err
    marked = jwinteractive.open(tmp_path / "jw2_nrca1_ramp.fits").input().groupdq & INSIDE
    with asdf.open(tmp_path / "jw1_nrca1_persistence.asdf") as file:
        found = len(file["NRCA1"]["rows"])
    assert found > 20
    assert (marked != 0).all(axis=(0, 1)).sum() == found
    capsys.readouterr()
    assert main([*words, "--to", "persistence"]) == 0
    assert capsys.readouterr().err.count("up to date") == 2
