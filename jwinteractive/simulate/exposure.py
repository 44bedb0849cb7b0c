"""A simulated exposure: raw data, the references that fit it, and the truth."""

from __future__ import annotations

import os
import shutil
from collections.abc import Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jwinteractive.errors import OutputError
from jwinteractive.simulate.modes import settings_for
from jwinteractive.simulate.noise import EMI_HZ, Interference
from jwinteractive.simulate.pixels import Pixels, make_pixels
from jwinteractive.simulate.ramp import Recorder, integrate
from jwinteractive.simulate.scene import make_scene
from jwinteractive.simulate.settings import Settings
from jwinteractive.simulate.spectra import Trace
from jwinteractive.simulate.window import Window, window


@dataclass(frozen=True, eq=False)
class Truth:
    """What went into a simulated exposure.

    Attributes
    ----------
    rate : ndarray
        Light [ny, nx] in DN/s after linearity and dark subtraction, before flat and gain_scale:
        what a perfect ramp fit returns.
    jumps : ndarray
        Structured: integration, group (the first that holds the charge), y, x, electrons, frame of
        the integration, kind (0 cosmic ray, 1 snowball, 2 shower: one row a frame while it lasts);
        one row per hit pixel. Charge with
        group 0 fell before the first group ended: with one frame a group it makes no jump.
    dq : ndarray of uint32
        Real defects [ny, nx], known to the mask reference or not.
    known : ndarray of bool
        Where the mask reference knows them.
    catalogue : ndarray
        Structured: x, y (0-based in the window), rate (e-/s) of the point sources.
    traces : tuple of Trace
        Spectra (NIRSpec, NIRISS SOSS).
    components : mapping
        Named parts of the signal [nint, ngroup, ny, nx], empty unless asked for: charge and hits
        (cumulative) in electrons; correlated, telegraph, white, ktc, miri and emi in DN. All 1/f
        noise is in correlated. A second exposure of the same seed and no 1/f noise has the same
        light, hits and white noise: the difference of two rates is what the noise made of them.
    emi : tuple of float
        Interference: frequency in Hz, amplitude in DN, cycles of its sine at the first pixel.
    """

    rate: NDArray[np.float64]
    jumps: NDArray[np.void]
    dq: NDArray[np.uint32]
    known: NDArray[np.bool_]
    catalogue: NDArray[np.void]
    traces: tuple[Trace, ...]
    components: Mapping[str, NDArray[np.float32]]
    emi: tuple[float, float, float] = (0.0, 0.0, 0.0)


@dataclass(frozen=True, eq=False)
class SimulatedExposure:
    """Raw data [nint, ngroup, ny, nx] uint16 with its settings, geometry, pixels and truth.

    IRS2 data have the 3200 rows of the raw frame.
    """

    data: NDArray[np.uint16]
    settings: Settings
    window: Window
    pixels: Pixels
    truth: Truth
    _reset_shape: NDArray[np.float64]
    _reference_seed: np.random.SeedSequence

    @cached_property
    def references(self) -> dict[str, Any]:
        """Reference type -> stdatamodels reference model, made when first asked for.

        Official steps change references in place: hand them `model.copy()`.
        """
        from jwinteractive.simulate.refs import make_references

        return make_references(
            self.settings, self.window, self.pixels, self._reset_shape, self._reference_seed
        )

    def uncal(self) -> Any:
        """Return a new stdatamodels Level1bModel with the data and a full header."""
        from jwinteractive.simulate.headers import level1b

        return level1b(self.settings, self.window, self.data.copy())

    def write(self, folder: str | Path, stem: str | None = None, like: Path | None = None) -> Path:
        """Write `<stem>_uncal.fits`, the references and the truth; return the uncal's path.

        References go to `<stem>_refs/jwst_<instrument>_<reftype>_sim.fits` (emicorr: `.asdf`), the
        truth to `<stem>_truth.asdf`. ``like`` is a folder of references of the same pixels, written
        before: they are copied.

        Raises
        ------
        OutputError
            If the folder cannot be written.
        """
        import asdf

        folder = Path(folder)
        name = stem or f"jw99999001001_02101_00001_{self.settings.detector.lower()}"
        refs = folder / f"{name}_refs"
        try:
            refs.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            message = f"folder = {folder}: cannot be made ({error}): choose another folder"
            raise OutputError(message) from error
        path = folder / f"{name}_uncal.fits"
        with self.uncal() as model:
            model.save(path)
        if like is None:
            self._write_references(refs)
        else:
            shutil.copytree(like, refs, dirs_exist_ok=True)
        truth = self.truth
        tree = {
            "settings": _plain(asdict(self.settings)),
            "rate": truth.rate,
            "dq": truth.dq,
            "known": truth.known,
            "jumps": {n: truth.jumps[n].copy() for n in truth.jumps.dtype.names or ()},
            "catalogue": {n: truth.catalogue[n].copy() for n in truth.catalogue.dtype.names or ()},
            "traces": [_plain(asdict(trace)) for trace in truth.traces],
            "components": dict(truth.components),
            "emi": dict(zip(("frequency", "amplitude", "phase"), truth.emi, strict=True)),
        }
        with asdf.AsdfFile(tree) as file:
            file.write_to(folder / f"{name}_truth.asdf")
        return path

    def _write_references(self, folder: Path) -> None:
        instrument = self.settings.instrument.lower()
        for reftype, reference in self.references.items():
            copy = reference.copy()
            suffix = "asdf" if reftype == "emicorr" else "fits"
            copy.save(folder / f"jwst_{instrument}_{reftype}_sim.{suffix}")
            copy.close()


def _plain(record: dict[str, Any]) -> dict[str, Any]:
    # ASDF knows lists, not tuples
    def listed(value: Any) -> Any:
        return [listed(item) for item in value] if isinstance(value, tuple) else value

    return {name: listed(value) for name, value in record.items()}


def simulate(
    mode: str = "nircam",
    *,
    keep_components: bool | Collection[str] = False,
    threads: int | None = None,
    **settings: Any,
) -> SimulatedExposure:
    """Simulate one exposure of an observing mode.

    Parameters
    ----------
    mode : str
        A name in `MODES`.
    keep_components : bool or names
        Keep all or some parts of the signal in `truth.components` (each as large as the data,
        float32).
    threads : int, optional
        Worker threads; the result does not depend on it.
    **settings
        Fields of `Settings` that replace those of the mode.

    Raises
    ------
    InputError
        For an unknown mode, setting, subarray or pattern, or a value out of its range.

    Notes
    -----
    Dossier section 13.
    """
    chosen = settings_for(mode, settings)
    geometry = window(chosen)
    pixel_seed, scene_seed, reset_seed, ramp_seed, reference_seed, emi_seed = (
        np.random.SeedSequence(chosen.seed).spawn(6)
    )
    if chosen.detector_seed:
        detector = np.random.SeedSequence(chosen.detector_seed).spawn(6)
        pixel_seed, reset_seed, reference_seed = detector[0], detector[2], detector[4]
    if chosen.scene_seed:
        scene_seed = np.random.SeedSequence(chosen.scene_seed).spawn(6)[1]
    interference = Interference(chosen, geometry, emi_seed)
    pixels = make_pixels(chosen, geometry, pixel_seed)
    light, catalogue, traces = make_scene(chosen, geometry, scene_seed)
    rng = np.random.Generator(np.random.SFC64(reset_seed))
    reset_shape = 1 + 0.1 * rng.standard_normal(light.shape)
    rate = light * pixels.qe
    recorder = Recorder(keep_components)
    with ThreadPoolExecutor(threads or os.cpu_count() or 1) as pool:
        data, jumps = integrate(
            chosen, geometry, pixels, rate, reset_shape, ramp_seed, pool, recorder, interference
        )
    shape = (*data.shape[:2], geometry.ny, geometry.nx)
    components = {name: np.reshape(np.stack(cube), shape) for name, cube in recorder.cubes.items()}
    truth = Truth(
        rate / pixels.gain,
        jumps,
        pixels.dq,
        pixels.known,
        catalogue,
        traces,
        components,
        (EMI_HZ, chosen.emi, interference.phase),
    )
    return SimulatedExposure(data, chosen, geometry, pixels, truth, reset_shape, reference_seed)
