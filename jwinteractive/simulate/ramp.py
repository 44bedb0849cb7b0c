"""From light to raw numbers: integrate frame by frame, read, average, digitise."""

from __future__ import annotations

from collections.abc import Callable, Collection
from concurrent.futures import Executor
from dataclasses import dataclass, field
from functools import partial

import numpy as np
from numba import njit
from numpy.typing import NDArray

from jwinteractive import detectors
from jwinteractive.irs2 import FAST, science_rows
from jwinteractive.simulate.hits import deposits
from jwinteractive.simulate.noise import Interference, ReadoutNoise, ThermalPattern
from jwinteractive.simulate.pixels import Pixels, inverse
from jwinteractive.simulate.settings import Settings
from jwinteractive.simulate.window import Window

Image = NDArray[np.float64]

JUMP = np.dtype(
    [
        ("integration", "i4"),
        ("group", "i4"),
        ("y", "i4"),
        ("x", "i4"),
        ("electrons", "f4"),
        ("frame", "i4"),
        ("kind", "u1"),
    ]
)
"""One hit pixel: the first group that holds its charge; `frame` counts within the integration."""

_STRIP = 64
_CONVERTER_END = 65535
_RSCD_FOLD = 1.3
_RESET_FOLD = 4.0
_LATER_RESET = 0.7


@njit(cache=True, nogil=True)
def _spill(charge: Image, well: Image, reference: NDArray[np.bool_], fraction: float) -> None:
    """Clip at the well; a fraction of the excess goes to the eight neighbours that have room."""
    ny, nx = charge.shape
    moved = np.zeros_like(charge) if fraction > 0 else charge[:0]
    for y in range(ny):
        for x in range(nx):
            excess = charge[y, x] - well[y, x]
            if excess <= 0:
                continue
            charge[y, x] = well[y, x]
            if fraction <= 0:
                continue
            for j in range(max(0, y - 1), min(ny, y + 2)):
                for i in range(max(0, x - 1), min(nx, x + 2)):
                    if charge[j, i] < well[j, i] and not reference[j, i]:
                        moved[j, i] += fraction * excess / 8
    if fraction > 0:
        for y in range(ny):
            for x in range(nx):
                charge[y, x] = min(charge[y, x] + moved[y, x], well[y, x])


@njit(cache=True, nogil=True)
def _coupled(charge: Image, alpha: float) -> Image:
    """Signal with inter-pixel coupling to four neighbours."""
    ny, nx = charge.shape
    out = np.empty_like(charge)
    for y in range(ny):
        for x in range(nx):
            around = 0.0
            for j, i in ((y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1)):
                if 0 <= j < ny and 0 <= i < nx:
                    around += charge[j, i] - charge[y, x]
            out[y, x] = charge[y, x] + alpha * around
    return out


class Telegraph:
    """Pixels that jump between two levels (random telegraph noise)."""

    def __init__(self, pixels: Pixels, rng: np.random.Generator) -> None:
        self._where = np.nonzero(pixels.rtn_amplitude)
        self._step = pixels.rtn_amplitude[self._where]
        self._dwell = pixels.rtn_dwell[self._where]
        self._rng = rng
        self._high = rng.random(self._step.size) < 0.5

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        change = self._rng.random(self._step.size) < 0.5 * (1 - np.exp(-2 * seconds / self._dwell))
        self._high ^= change

    def add_to(self, image: Image, gain: Image) -> None:
        """Add the present levels to an image in DN."""
        image[self._where] += self._high * self._step / gain[self._where]


class Transient:
    """Pixels whose signal does not grow along a line: charge that flows in, ramps that bend."""

    def __init__(self, pixels: Pixels) -> None:
        where = self._where = np.nonzero((pixels.inflow > 0) | (pixels.bend > 0))
        self._inflow, self._bend = pixels.inflow[where], pixels.bend[where]
        self._fold = np.maximum(pixels.inflow_time[where], 1.0)

    def add_to(self, image: Image, gain: Image, seconds: float) -> None:
        """Add what came within some seconds after the reset to an image in DN."""
        charge = self._inflow * -np.expm1(-seconds / self._fold) + self._bend * seconds**2
        image[self._where] += charge / gain[self._where]


@dataclass
class Recorder:
    """Named parts of the signal, all or some, kept only when asked for."""

    keep: bool | Collection[str]
    cubes: dict[str, list[NDArray[np.float32]]] = field(default_factory=dict)

    def add(self, **images: Image) -> None:
        """Remember images of one group."""
        for name, image in images.items():
            if self.keep is True or (self.keep and name in self.keep):
                self.cubes.setdefault(name, []).append(image.astype(np.float32))


def anomaly(settings: Settings, amplitude: Image, integration: int, group: int) -> Image:
    """MIRI reset anomaly [ny, nx] in DN: dies within some fifteen groups."""
    later = 1.0 if integration == 0 else _LATER_RESET
    return settings.reset * later * amplitude * float(np.exp(-(group + 1) / _RESET_FOLD))


class Workers:
    """Work on strips of rows in threads, with a random generator for every strip and call.

    The generators are made in the order of the calls, so the result does not depend on the
    threads.
    """

    def __init__(self, rows: int, seed: np.random.SeedSequence, pool: Executor) -> None:
        self.pool = pool
        self._seed = seed
        self._strips = [slice(y, min(y + _STRIP, rows)) for y in range(0, rows, _STRIP)]

    def each(self, work: Callable[[slice, np.random.Generator], None]) -> None:
        """Call `work(strip, generator)` for every strip."""
        seeds = self._seed.spawn(len(self._strips))
        makers = [np.random.Generator(np.random.SFC64(seed)) for seed in seeds]
        list(self.pool.map(work, self._strips, makers))


class Array:
    """The charge of a detector during one integration, and how it is read."""

    def __init__(
        self,
        settings: Settings,
        pixels: Pixels,
        light: Image,
        hits: NDArray[np.void],
        workers: Workers,
    ) -> None:
        self.charge = np.zeros(light.shape)
        self.hit_charge = np.zeros(light.shape)
        self._settings, self._pixels, self._light = settings, pixels, light
        self._hits, self._workers = hits, workers
        self._taken = 0

    def collect(self, seconds: float, frame: int) -> None:
        """Gather light for some seconds, and the hits up to and including a frame."""
        self._workers.each(partial(self._expose, self._light * seconds))
        last = int(np.searchsorted(self._hits["frame"], frame, side="right"))
        new = self._hits[self._taken : last]
        self._taken = last
        for image in (self.charge, self.hit_charge):
            np.add.at(image, (new["y"], new["x"]), new["electrons"])
        if self._settings.saturation:
            pixels = self._pixels
            _spill(self.charge, pixels.well, pixels.reference, self._settings.spill)

    def _expose(self, expected: Image, strip: slice, rng: np.random.Generator) -> None:
        part = expected[strip]
        self.charge[strip] += rng.poisson(part) if self._settings.poisson else part

    def add_level(self, image: Image, zero: Image) -> None:
        """Add the observed, non-linear signal in DN to an image; `zero` lies under the charge."""
        alpha = self._settings.ipc
        signal = _coupled(self.charge, alpha) if alpha else self.charge
        self._workers.each(partial(self._observe, image, zero, signal))

    def _observe(
        self, image: Image, zero: Image, signal: Image, strip: slice, _: np.random.Generator
    ) -> None:
        linear = signal[strip] / self._pixels.gain[strip] + zero[strip]
        coeffs = self._pixels.coeffs[:, strip]
        line = linear.ravel()
        inverse(coeffs.reshape(coeffs.shape[0], -1), line, line)
        image[strip] += line.reshape(linear.shape)


def integrate(
    settings: Settings,
    window: Window,
    pixels: Pixels,
    rate: Image,
    reset_shape: Image,
    seed: np.random.SeedSequence,
    pool: Executor,
    recorder: Recorder,
    interference: Interference,
) -> tuple[NDArray[np.uint16], NDArray[np.void]]:
    """Return (raw data [nint, ngroup, ny, nx], hits) of an exposure.

    Parameters
    ----------
    settings, window, pixels
        The exposure, its geometry and its pixels.
    rate : ndarray
        Light in e-/s after flat and efficiency [ny, nx], dark not included.
    reset_shape : ndarray
        Relative amplitude of the reset anomaly [ny, nx].
    seed : SeedSequence
        Root of every random number.
    pool : Executor
        Threads to work in.
    recorder : Recorder
        Takes the parts of the signal.
    interference : Interference
        Is added to every frame.
    """
    noise_seed, hit_seed, rtn_seed, strip_seed, ktc_seed = seed.spawn(5)
    noise = ReadoutNoise(settings, window, noise_seed)
    thermal = ThermalPattern(settings.picture_frame, window, seed.spawn(1)[0])
    transient = Transient(pixels)
    telegraph = Telegraph(pixels, np.random.Generator(np.random.SFC64(rtn_seed)))
    workers = Workers(window.ny, strip_seed, pool)
    ktc_rng = np.random.Generator(np.random.SFC64(ktc_seed))
    shape = (window.ny, window.nx)
    data = np.empty((settings.nints, settings.ngroups, *shape), np.uint16)
    beside = Beside(settings, window, seed.spawn(1)[0]) if window.interleaved else None
    period = window.nframes + window.groupgap
    frames = (settings.ngroups - 1) * period + window.nframes
    is_miri = window.detector.instrument == "MIRI"
    jumps = []
    for integration, hits_from in enumerate(hit_seed.spawn(settings.nints)):
        # one frame of reset before every integration
        noise.skip(1)
        telegraph.advance(window.frame_time)
        ktc = settings.ktc * window.detector.ktc / pixels.gain * ktc_rng.standard_normal(shape)
        # MIRI data keep their bias when linearity is corrected: there it lies under the charge
        pedestal = ktc if is_miri else ktc + pixels.bias
        hits = deposits(settings, window, frames, hits_from)
        jumps.append(_jumps(hits, integration, period, window.nframes))
        array = Array(settings, pixels, rate + pixels.dark, hits, workers)
        before = 0
        for group in range(settings.ngroups):
            level, shared, flicker, charge, hum = (np.zeros(shape) for _ in range(5))
            for frame in range(group * period, group * period + window.nframes):
                seconds = (frame + 1 - before) * window.frame_time
                noise.skip(frame - before)
                telegraph.advance(seconds)
                array.collect(seconds, frame)
                before = frame + 1
                array.add_level(level, _zero(settings, pixels, is_miri, integration, frame))
                read = noise.frame(pool)
                if beside is not None:
                    read = beside.take(read)
                shared += read / pixels.gain
                thermal.add_to(shared, seconds, pixels.gain)
                # one frame of reset before every integration but the first is timed, too
                hum += interference.frame(integration * (frames + 1) + frame)
                telegraph.add_to(flicker, pixels.gain)
                transient.add_to(flicker, pixels.gain, (frame + 1) * window.frame_time)
                if recorder.keep:
                    charge += array.charge / window.nframes
            n = window.nframes
            extra = _miri_extra(settings, pixels, reset_shape, integration, group)
            white = _white(pixels, n, workers)
            value = (level + shared + flicker + hum) / n + white + pedestal + extra
            # the sum of n frames is divided by the flight computer's power of two
            value *= n / detectors.frame_divisor(n)
            data[integration, group] = np.clip(np.rint(value), 0, _CONVERTER_END)
            if beside is not None:
                beside.digitise(n)
            recorder.add(
                charge=charge,
                hits=array.hit_charge,
                correlated=shared / n,
                telegraph=flicker / n,
                white=white,
                ktc=ktc,
                miri=extra,
                emi=hum / n,
            )
    return data if beside is None else beside.around(data), np.concatenate(jumps)


def beside_bias(settings: Settings, window: Window) -> Image:
    """Bias [3200, nx] in DN of the samples of IRS2 frames that are no pixels, 0 at pixels."""
    bias = window.detector.bias + np.zeros((FAST, window.nx))
    scatter = np.random.Generator(np.random.SFC64(settings.seed)).standard_normal(FAST)
    bias += 0.1 * settings.bias_scatter * scatter[:, None]
    bias[science_rows(window.detector.name)] = 0.0
    return bias


class Beside:
    """The reference output and the interleaved references of IRS2 frames."""

    def __init__(self, settings: Settings, window: Window, seed: np.random.SeedSequence) -> None:
        self._rows = science_rows(window.detector.name)
        self._bias, self._gain = beside_bias(settings, window), window.detector.gain
        self._white = settings.read_noise * window.detector.read_noise
        self._rng = np.random.Generator(np.random.SFC64(seed))
        self._sum = np.zeros(self._bias.shape)
        self._groups: list[NDArray[np.uint16]] = []

    def take(self, noise: NDArray[np.float32]) -> NDArray[np.float32]:
        """Add the noise [3200, nx] of a frame in electrons; return that of the pixels."""
        self._sum += noise
        return noise[self._rows]

    def digitise(self, frames: int) -> None:
        """End a group of frames."""
        white = self._rng.standard_normal(self._sum.shape, np.float32) * np.sqrt(frames)
        value = (self._sum + self._white * white) / self._gain + frames * self._bias
        value /= detectors.frame_divisor(frames)
        self._groups.append(np.clip(np.rint(value), 0, _CONVERTER_END).astype(np.uint16))
        self._sum[:] = 0

    def around(self, data: NDArray[np.uint16]) -> NDArray[np.uint16]:
        """Put pixels [nint, ngroup, ny, nx] into the whole frames [nint, ngroup, 3200, nx]."""
        whole = np.stack(self._groups).reshape(*data.shape[:2], *self._bias.shape)
        whole[:, :, self._rows] = data
        return whole


def _zero(settings: Settings, pixels: Pixels, is_miri: bool, integration: int, frame: int) -> Image:
    """Level in DN under the charge before non-linearity: for MIRI the bias less the RSCD decay."""
    if not is_miri:
        return np.zeros(pixels.bias.shape)
    # the first integration has no reset switch before it
    decay = settings.rscd * float(np.exp(-frame / _RSCD_FOLD)) * (integration > 0)
    return pixels.bias - np.where(pixels.reference, 0.0, decay)


def _white(pixels: Pixels, frames: int, workers: Workers) -> Image:
    noise: Image = pixels.read_noise / pixels.gain / np.sqrt(frames)

    def draw(strip: slice, rng: np.random.Generator) -> None:
        noise[strip] *= rng.standard_normal(noise[strip].shape, np.float32)

    workers.each(draw)
    return noise


def _miri_extra(
    settings: Settings, pixels: Pixels, reset_shape: Image, integration: int, group: int
) -> Image:
    extra = np.zeros(reset_shape.shape)
    if settings.reset:
        extra += anomaly(settings, reset_shape, integration, group)
    if settings.last_frame and group == settings.ngroups - 1:
        extra[0::2] -= settings.last_frame
        extra[1::2] -= 0.6 * settings.last_frame
    extra[pixels.reference] = 0.0
    return extra


def _jumps(hits: NDArray[np.void], integration: int, period: int, nframes: int) -> NDArray[np.void]:
    jumps = np.zeros(hits.size, JUMP)
    for name in ("y", "x", "electrons", "frame", "kind"):
        jumps[name] = hits[name]
    group, phase = np.divmod(hits["frame"], period)
    # charge that falls into the gap is first seen by the next group
    jumps["integration"], jumps["group"] = integration, group + (phase >= nframes)
    return jumps
