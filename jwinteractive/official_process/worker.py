"""The process that runs official steps: takes jobs from a pipe, one after another.

It imports the official package, so that a kernel need not, and takes what a step may do to a
process upon itself: exits, crashes, memory that runs out. Only ``Step.process()`` is called;
``run`` and ``call`` end the process where CRDS cannot be asked. A step object is made for each job,
for steps change their own parameters.

Run as ``python -m jwinteractive.official_process.worker READ WRITE`` with two file descriptors.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import importlib
import json
import logging
import os
import resource
import shutil
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from jwinteractive.official_process.jobs import Done, Input, Job
from jwinteractive.official_process.sources import are_tables, by_source, in_one_file, wants_sources
from jwinteractive.spent import spent
from jwinteractive.wcs import slit_number

__all__ = ["perform"]

MEMORY: Final = "JWINTERACTIVE_OFFICIAL_MEMORY"
"""Environment variable: bytes that the process may use."""
_IDLE: Final = 5.0  # s without a job until memory is given back
_LIBRARIES: Final = frozenset({"TweakRegStep", "SkyMatchStep", "ResampleStep", "AssignMTWcsStep"})
_RECORDED_AS: Final = {"master_background_mos": "master_background"}
_DISPERSED: Final = ("NRS_", "MIR_MRS", "MIR_LRS", "_WFSS", "SOSS", "GRISM")


class NoReference(LookupError):
    """A step asks for a reference that nobody gave."""


def perform(job: Job) -> Done:
    """Run a step, and write what it gives.

    Raises
    ------
    NoReference
        If it asks for a reference that is neither given nor found by CRDS.
    Exception
        Whatever the step raises.
    """
    module, _, name = job.cls.rpartition(".")
    if module not in sys.modules:
        importlib.import_module(module)
        gc.collect()
        gc.freeze()  # what was imported stays: steps collect garbage often
    cls = getattr(sys.modules[module], name)
    step = cls(**_known(cls, job.params))
    step._reference_files_used = []
    os.chdir(job.folder)  # some steps write where they are
    step.output_dir = str(job.folder)
    step.output_file = job.names[0]
    with _references_of(job):
        models = [_opened(each) for one in job.inputs for each in _parts(one)]
        # a product in several files is as many models of one input
        many = job.together or len(models) > 1
        process = step.process
        given = models[0]
        if many and wants_sources(name, models):
            process, given = by_source(step), models
        elif many and are_tables(models):
            given = in_one_file(models)
        elif many:
            given = _gathered(models, name)
        with spent() as cost:
            result = process(given)
    files, skipped = _written(result, job, step)
    return Done(
        files=files,
        side=tuple(sorted(p for p in job.folder.iterdir() if p.is_file() and p not in files)),
        seconds=cost.seconds,
        peak=cost.peak,
        skipped=skipped,
    )


def _known(cls: Any, params: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters that a step has; references of steps inside it are found when these ask."""
    types = cls.reference_file_types  # of one with steps inside a property: it has none itself
    own = {f"override_{each}" for each in (() if isinstance(types, property) else types)}
    return {k: v for k, v in params.items() if k in own or not k.startswith("override_")}


# -- what goes in -----------------------------------------------------------------------------


def _parts(one: Input) -> Iterator[Input]:
    yield one
    for path in one.more:
        yield Input(path)


def _opened(one: Input) -> Any:
    from stdatamodels.jwst import datamodels

    if one.box is not None:
        return _boxed(one)
    model = datamodels.open(str(one.path))
    if _is_raw(model):
        model.close()
        model = datamodels.RampModel(str(one.path))  # from the path: an open one stays uint16
    slits = getattr(model, "slits", None)
    if one.slit and slits is not None and len(slits) > 1:
        model = _one_slit(model, one.slit)
    pixels = model if slits is None else model.slits[0]
    for name, path in one.planes.items():
        setattr(pixels, name, np.load(path, mmap_mode="c"))
    return model


def _is_raw(model: Any) -> bool:
    kind, data = type(model).__name__, getattr(model, "data", None)
    ramp = data is not None and data.ndim == 4 and kind != "RampModel"
    return ramp or kind == "Level1bModel"


def _one_slit(model: Any, name: str) -> Any:
    number = slit_number([str(slit.name) for slit in model.slits], name)
    if number is None:
        raise ValueError(f"its file has no slit {name!r}")
    one = type(model)()
    one.update(model, only="PRIMARY")
    one.slits.append(model.slits[number])
    return one


def _boxed(one: Input) -> Any:
    """Model of a box: header and small tables of the file, the planes that are given."""
    from astropy.io import fits
    from stdatamodels.jwst import datamodels

    assert one.box is not None  # of the caller
    y0, y1, x0, x1 = one.box
    with fits.open(one.path, memmap=True, lazy_load_hdus=True) as hdus:
        small = [fits.PrimaryHDU(header=hdus[0].header)]
        for hdu in hdus[1:]:
            # the ASDF tree points at the images
            if hdu.name != "ASDF" and not isinstance(hdu, fits.ImageHDU | fits.CompImageHDU):
                small.append(hdu.copy())
        model = getattr(datamodels, one.model)(fits.HDUList(small))
    for name, path in one.planes.items():
        setattr(model, name, np.load(path, mmap_mode="c"))
    place = model.meta.subarray
    place.xstart, place.ystart = (place.xstart or 1) + x0, (place.ystart or 1) + y0
    place.xsize, place.ysize = x1 - x0, y1 - y0
    place.name = "GENERIC"
    return model


def _gathered(models: Sequence[Any], name: str) -> Any:
    """All exposures as the step takes them."""
    from jwst.datamodels import ModelContainer, ModelLibrary

    kind = str(models[0].meta.exposure.type or "")
    dispersed = any(word in kind for word in _DISPERSED)
    if name in _LIBRARIES or (name == "OutlierDetectionStep" and not dispersed):
        if len(models) == 1 and models[0].data.ndim == 3:
            return models[0]
        return ModelLibrary(list(models))
    if name == "OutlierDetectionStep" and len(models) == 1:
        return models[0]
    return ModelContainer(list(models))


@contextlib.contextmanager
def _references_of(job: Job) -> Iterator[None]:
    """Let every step find the references of the job, those inside it too, and say what is not."""
    from stpipe import Step

    ask = Step.get_reference_file
    given = {
        name.removeprefix("override_"): value
        for name, value in job.params.items()
        if name.startswith("override_") and value
    }

    def find(self: Any, model: Any, reftype: str) -> Any:
        if self.get_ref_override(reftype) is None and reftype in given:
            setattr(self, f"override_{reftype}", given[reftype])
        if self.get_ref_override(reftype) is None and not _has_crds():
            raise NoReference(reftype)
        try:
            return ask(self, model, reftype)
        except (SystemExit, Exception) as error:
            if self.get_ref_override(reftype) is not None:
                raise
            raise NoReference(reftype) from error

    Step.get_reference_file = find
    try:
        yield
    finally:
        Step.get_reference_file = ask


def _has_crds() -> bool:
    return bool(os.environ.get("CRDS_PATH") or os.environ.get("CRDS_SERVER_URL"))


# -- what comes out ---------------------------------------------------------------------------


def _written(result: Any, job: Job, step: Any) -> tuple[tuple[Path, ...], bool]:
    from astropy.table import Table
    from jwst.datamodels import ModelLibrary

    files: list[Path] = []
    skipped = False

    def save(model: Any, name: str, suffix: str) -> None:
        nonlocal skipped
        alias = step.class_alias or ""
        status = model.meta.cal_step.instance.get(_RECORDED_AS.get(alias, alias), "")
        skipped = skipped or status in ("SKIPPED", "FAILED")  # so it calls one without background
        _finish(model, step)
        path = job.folder / f"{name}_{suffix}.fits"
        model.save(str(path), overwrite=True)
        files.append(path)

    if isinstance(result, ModelLibrary):
        with result:
            for i, model in enumerate(result):
                save(model, job.names[i], job.suffix)
                result.shelve(model, i, modify=False)
        return tuple(files), skipped
    if isinstance(result, Table):  # a catalogue or a light curve: the product stays as it is
        name = job.names[0]
        ending = "cat" if job.suffix == "i2d" else job.suffix
        result.write(job.folder / f"{name}_{ending}.ecsv", format="ascii.ecsv", overwrite=True)
        path = job.folder / f"{name}_{job.suffix}.fits"
        shutil.copyfile(job.inputs[0].path, path)
        return (path,), False
    every = list(result) if isinstance(result, Sequence) and not _is_model(result) else [result]
    if job.suffix == "rate" and len(every) == 2:
        pairs = zip(every, ("rate", "rateints"), strict=True)
        for model, suffix in pairs:
            if model is not None:
                save(model, job.names[0], suffix)
        return tuple(files), skipped
    if not job.together and len(every) > 1 and step.class_alias == "badpix_selfcal":
        every = every[:1]  # the backgrounds that come second are none of the exposures
    every = [model for model in every if model is not None]
    for i, model in enumerate(every):
        one_each = len(every) == len(job.names) and not job.parts
        name = job.names[i] if one_each else f"{job.names[0]}-{i + 1}"
        series = model.__class__.__name__ == "CubeModel" and job.suffix not in ("rate",)
        own = f"{job.suffix}ints" if series and job.suffix in ("cal", "x1d", "crf") else job.suffix
        save(model, job.names[0] if len(every) == 1 else name, own)
    if not files:
        raise ValueError("it gave no product")
    return tuple(files), skipped


def _is_model(thing: Any) -> bool:
    from jwst.datamodels import ModelContainer
    from stdatamodels import DataModel

    return isinstance(thing, DataModel) and not isinstance(thing, ModelContainer)


def _finish(model: Any, step: Any) -> None:
    """What ``run`` would put into a header, so far as it needs no CRDS."""
    import jwst

    model.meta.calibration_software_version = jwst.__version__
    for reftype, name in step._reference_files_used:
        if hasattr(model.meta.ref_file, reftype):
            getattr(model.meta.ref_file, reftype).name = Path(name).name if name else name


# -- the process ------------------------------------------------------------------------------


class _Told(logging.Handler):
    def __init__(self, tell: Callable[[str], None]) -> None:
        super().__init__(logging.INFO)
        self._tell = tell
        self.setFormatter(logging.Formatter("%(levelname)s %(message)s"))

    def emit(self, record: logging.LogRecord) -> None:
        self._tell(self.format(record))


def _end_with_parent() -> None:
    """Do not outlive the kernel, and be the first to go where memory runs out (Linux).

    An interrupt is the kernel's, which ends this process where it means the step.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")
    limit = os.environ.get(MEMORY, "")
    if limit.isdigit():
        resource.setrlimit(resource.RLIMIT_AS, (int(limit), int(limit)))


def main(read: int, write: int) -> None:
    """Take jobs until the pipe is closed."""
    _end_with_parent()
    warnings.simplefilter("ignore")
    jobs, answers = os.fdopen(read), os.fdopen(write, "w", buffering=1)

    def say(**answer: Any) -> None:
        answers.write(json.dumps(answer, default=str) + "\n")

    root = logging.getLogger()
    root.setLevel(logging.INFO)
    root.addHandler(_Told(lambda line: say(log=line)))
    idle: threading.Timer | None = None
    for line in jobs:
        if idle is not None:
            idle.cancel()
        say(**_answer(Job.of(json.loads(line))))
        idle = threading.Timer(_IDLE, _give_back)
        idle.daemon = True
        idle.start()


def _give_back() -> None:
    """Let others have the memory that steps have left, and that the next would take (glibc)."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)


def _answer(job: Job) -> dict[str, Any]:
    try:
        done = perform(job)
    except NoReference as error:
        return {"failed": "reference", "why": str(error.args[0])}
    except MemoryError as error:
        return {"failed": "memory", "why": str(error)}
    except (SystemExit, KeyboardInterrupt) as error:
        return {"failed": "exit", "why": str(error)}
    except BaseException as error:  # whatever a step does ends here, and is said
        why = str(error).strip().partition("\n")[0]
        return {"failed": "error", "why": f"{type(error).__name__}: {why}"}
    return {
        "files": [str(p) for p in done.files],
        "side": [str(p) for p in done.side],
        "seconds": done.seconds,
        "peak": done.peak,
        "skipped": done.skipped,
    }


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
