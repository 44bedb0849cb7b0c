"""Fixtures for all tests: small simulated exposures, and the shared real files where present."""

from pathlib import Path

import pytest

import jwinteractive

# a small window is read fast: as many hits and stars as a full frame has needs higher rates
WINDOW = {"size": (64, 72), "cosmic_rays": 2000.0, "crowding": 3000.0}
SHARED = Path(__file__).resolve().parents[2] / "shared"


@pytest.fixture(scope="session")
def real():
    """Folder of real JWST files."""
    if not (SHARED / "real").is_dir():
        pytest.skip("the shared real files are absent")
    return SHARED / "real"


@pytest.fixture(scope="session")
def nircam_file(tmp_path_factory):
    """A simulated NIRCam uncal, 2 x 8 x 64 x 72, with references and truth beside it."""
    from jwinteractive.simulate import simulate

    folder = tmp_path_factory.mktemp("nircam")
    return simulate("nircam", **WINDOW, nints=2, ngroups=8, seed=3).write(folder)


@pytest.fixture(scope="session")
def miri_file(tmp_path_factory):
    """A simulated MIRI uncal, 2 x 12 x 64 x 72."""
    from jwinteractive.simulate import simulate

    folder = tmp_path_factory.mktemp("miri")
    return simulate("miri", **WINDOW, nints=2, ngroups=12, seed=4).write(folder)


@pytest.fixture
def session(nircam_file):
    return jwinteractive.open(nircam_file)
