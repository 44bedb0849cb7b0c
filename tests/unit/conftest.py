"""Fixtures: spectral files; widgets without a kernel: a comm that records, played messages."""

import contextlib
import gc
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from astropy.io import fits

SPECTRAL_CARDS = {
    "TELESCOP": "JWST",
    "INSTRUME": "NIRSPEC",
    "DETECTOR": "NRS1",
    "EXP_TYPE": "NRS_FIXEDSLIT",
    "SUBARRAY": "SUBS200A1",
    "READPATT": "NRSRAPID",
    "NINTS": 1,
    "NGROUPS": 5,
}


@pytest.fixture
def sent(monkeypatch):
    """Everything that would travel to the browser: (comm id, data, bytes of the buffers)."""
    comm = pytest.importorskip("comm", reason="the lab extra is not installed")
    from comm.base_comm import BaseComm

    found = []

    class Recording(BaseComm):
        def publish_msg(self, msg_type, data=None, metadata=None, buffers=None, **keys):
            found.append(
                (self.comm_id, data or {}, sum(memoryview(b).nbytes for b in buffers or ()))
            )

    monkeypatch.setattr(comm, "create_comm", Recording)
    return found


@pytest.fixture
def browser_says():
    """Play a custom message of the front end."""

    def say(widget, buffers=(), **content):
        data = {"method": "custom", "content": content}
        widget._handle_msg({"content": {"data": data}, "buffers": list(buffers)})

    return say


@pytest.fixture
def customs(sent):
    """Custom messages of one kind that a widget sent: (content, bytes of the buffers)."""

    def of(widget, kind):
        content = [
            (d["content"], size)
            for name, d, size in sent
            if name == widget.comm.comm_id and d.get("method") == "custom"
        ]
        return [(c, size) for c, size in content if c.get("kind") == kind]

    return of


@pytest.fixture
def bench(sent, session):
    """A workbench on a small session; it is closed at the end."""
    from jwinteractive_widgets import workbench

    made = workbench(session)
    yield made
    made.close()


def _images(shape, seed=3, **cards):
    """HDUs of a calibrated spectral image, or of the integrations of a time series."""
    rng = np.random.default_rng(seed)
    first = fits.PrimaryHDU()
    first.header.update(SPECTRAL_CARDS | cards)
    hdus = fits.HDUList([first])
    for name in ("SCI", "ERR", "VAR_POISSON", "VAR_RNOISE", "VAR_FLAT"):
        hdus.append(fits.ImageHDU(rng.uniform(1, 2, shape).astype("f4"), name=name))
    hdus.append(fits.ImageHDU(np.zeros(shape, "u4"), name="DQ"))
    wavelength = np.linspace(1, 2, shape[-1]) * np.ones(shape[-2:])
    hdus.append(fits.ImageHDU(wavelength.astype("f4"), name="WAVELENGTH"))
    hdus["SCI"].header.update(BUNIT="MJy/sr", PIXAR_SR=4e-13, SRCTYPE="POINT", SOURCEID=7)
    return hdus


def _slits(names=("3", "5"), shapes=((6, 9), (7, 11)), **cards):
    """HDUs of a calibrated file of several slits."""
    first = fits.PrimaryHDU()
    first.header.update(SPECTRAL_CARDS | {"DATAMODL": "MultiSlitModel", "SUBSTRT1": 1} | cards)
    hdus = fits.HDUList([first])
    for i, (name, shape) in enumerate(zip(names, shapes, strict=True)):
        for hdu in _images(shape, seed=i)[1:]:
            hdu.ver = i + 1
            hdus.append(hdu)
        hdus["SCI", i + 1].header.update(
            SLTNAME=name, SLTSTRT1=101 + i, SLTSTRT2=21, SOURCEID=70 + i, DISPAXIS=1
        )
    return hdus


def _cube(shape=(4, 6, 9), **cards):
    """HDUs of a cube, all planes there, wavelengths in its header."""
    rng = np.random.default_rng(5)
    first = fits.PrimaryHDU()
    first.header.update(
        SPECTRAL_CARDS | {"DATAMODL": "IFUCubeModel", "EXP_TYPE": "NRS_IFU", "DETECTOR": "MULTIPLE"}
    )
    hdus = fits.HDUList([first])
    for name in ("SCI", "ERR", "WMAP"):
        hdus.append(fits.ImageHDU(rng.uniform(1, 2, shape).astype("f4"), name=name))
    hdus.append(fits.ImageHDU(np.full(shape, 512, "u4"), name="DQ"))
    axis = {"CRVAL3": 1.5, "CRPIX3": 2.0, "CDELT3": 0.25, "CUNIT3": "um", "CDELT1": 2.5e-5}
    hdus["SCI"].header.update({"BUNIT": "MJy/sr", "PIXAR_SR": 4e-13} | axis | cards)
    return hdus


@pytest.fixture
def image_hdus():
    """Function that makes the HDUs of a calibrated spectral image or of a time series."""
    return _images


@pytest.fixture
def slit_hdus():
    """Function that makes the HDUs of a calibrated file of several slits."""
    return _slits


@pytest.fixture
def cube_hdus():
    """Function that makes the HDUs of a cube, whose wavelengths are in the header."""
    return _cube


class Here:
    """A cluster of one thread in this process: what travels must be strings here, too."""

    def __init__(self):
        self.calls, self.pool = [], ThreadPoolExecutor(1)

    def submit(self, function, *args, pure):
        assert all(isinstance(a, str) for a in args)
        self.calls.append(args)
        future = self.pool.submit(function, *args)
        future.__class__ = Ended
        return future

    def cancel(self, futures, force):
        for future in futures:
            future.cancel()


class Ended(type(ThreadPoolExecutor(1).submit(int))):
    """A future with the words of a cluster."""

    @property
    def status(self):
        return "error" if self.exception() else "finished"


@pytest.fixture
def in_process(monkeypatch):
    """Batches run in this process, as far as they fit the memory that they are told."""
    from jwinteractive.batch import room_for
    from jwinteractive.batch import run as run_module

    client = Here()

    @contextlib.contextmanager
    def cluster(scheduler, workers, memory, needs):
        room = room_for(needs, memory or 2**40, workers)
        yield client, room.workers, (room.memory, room.memory)

    monkeypatch.setattr(run_module, "_cluster", cluster)
    yield client
    client.pool.shutdown()
    gc.unfreeze()  # a worker freezes what it has loaded
