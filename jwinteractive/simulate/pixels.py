"""What each pixel is like: gain, efficiency, dark, defects, bias, full well, linearity."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from jwinteractive import dq
from jwinteractive.detectors import SATURATION_CEILING
from jwinteractive.simulate.settings import Settings
from jwinteractive.simulate.window import Window

Image = NDArray[np.float64]

# Hot pixels (dossier 13): lognormal, median 1 e-/s.
_HOT_MEDIAN, _HOT_SIGMA = 1.0, 1.5
_USELESS_DARK = 30.0
# What radiation adds later is fainter as a rule.
_NEW_MEDIAN, _NEW_SIGMA = 0.3, 1.2
# An open pixel's charge leaks in equal parts into its four neighbours.
_LEAK = 0.25
# NIRSpec windows are read with a lower electronic gain (dossier 13): more e-/DN, deeper well.
_NIRSPEC_WINDOW_GAIN, _NIRSPEC_WINDOW_WELL = 1.43, 77e3
_NEWTON = 8


@dataclass(frozen=True, eq=False)
class Pixels:
    """Maps [ny, nx] of a window; electrons unless said otherwise.

    Attributes
    ----------
    gain : ndarray
        e-/DN.
    gain_factor : float
        What the official gain_scale multiplies rates by.
    qe : ndarray
        Relative response: flat times defects; 0 at reference pixels.
    flat : ndarray
        Response without the defects, mean 1.
    dark : ndarray
        e-/s, hot pixels included.
    bias : ndarray
        DN.
    well : ndarray
        Charge at which the pixel is full.
    saturation : ndarray
        Raw level of a full pixel in DN.
    coeffs : ndarray
        [order, ny, nx]: corrected DN = sum c_k observed^k.
    read_noise : ndarray
        rms of one frame.
    rtn_amplitude, rtn_dwell : ndarray
        Two-level (telegraph) pixels: step, and mean seconds in a level; 0 elsewhere.
    dq : ndarray of uint32
        True defects.
    known : ndarray of bool
        Where the mask reference knows them.
    reference_dark : ndarray
        e-/s as the dark reference has it.
    inflow, inflow_time : ndarray
        RC pixels: charge that flows in after a reset, and the e-folding time in seconds.
    bend : ndarray
        e-/s2: half the rate by which a bent pixel's rate grows each second.
    reference : ndarray of bool
        Reference pixels.
    """

    gain: Image
    gain_factor: float
    qe: Image
    flat: Image
    dark: Image
    bias: Image
    well: Image
    saturation: Image
    coeffs: NDArray[np.float32]
    read_noise: Image
    rtn_amplitude: Image
    rtn_dwell: Image
    dq: NDArray[np.uint32]
    known: NDArray[np.bool_]
    reference: NDArray[np.bool_]
    reference_dark: Image
    inflow: Image
    inflow_time: Image
    bend: Image


@njit(cache=True, nogil=True)
def inverse(coeffs: NDArray[np.float32], signal: Image, out: Image) -> None:
    """Observed level whose polynomial correction is `signal`: coeffs [order, n], signal [n].

    Newton's method from the signal itself (dossier 3.7).
    """
    order = coeffs.shape[0]
    for i in range(signal.size):
        x = float(signal[i])
        for _ in range(_NEWTON):
            value = 0.0
            slope = 0.0
            for k in range(order - 1, -1, -1):
                slope = slope * x + value
                value = value * x + coeffs[k, i]
            change = (value - signal[i]) / slope
            x -= change
            if abs(change) < 1e-4:
                break
        out[i] = x


def make_pixels(settings: Settings, window: Window, seed: np.random.SeedSequence) -> Pixels:
    """Draw the pixels of a window."""
    rng = np.random.Generator(np.random.SFC64(seed))
    det = window.detector
    shape = (window.ny, window.nx)
    reference = window.reference_pixels
    windowed = det.instrument == "NIRSPEC" and window.name != "FULL"
    factor = _NIRSPEC_WINDOW_GAIN if windowed else 1.0
    gain = det.gain * factor * (1 + settings.gain_scatter * rng.standard_normal(shape))
    flat = 1 + settings.flat * (rng.standard_normal(shape) + _illumination(window))
    flat = np.clip(flat / flat.mean(), 0.05, None)
    dark = det.dark * np.clip(1 + settings.dark_scatter * rng.standard_normal(shape), 0, None)
    qe, flags, dwell, step = _defects(settings, rng, flat, dark, reference)
    bias = det.bias + settings.bias_scatter * rng.standard_normal(shape)
    if settings.bias_scatter:
        bias += _bias_pattern(window, rng)
    # The converter may end before the well does.
    room = SATURATION_CEILING - bias
    full_well = _NIRSPEC_WINDOW_WELL if windowed else det.well
    coeffs, top = _linearity(settings, rng, bias, np.minimum(full_well / gain, room), det.name)
    is_miri = det.instrument == "MIRI"
    well = gain * (top - bias if is_miri else top)
    observed = np.empty(bias.size)
    inverse(coeffs.reshape(coeffs.shape[0], -1), top.ravel(), observed)
    raw_top = observed.reshape(shape) + (0.0 if is_miri else bias)
    noise = np.full(shape, settings.read_noise * det.read_noise)
    if settings.readpatt.upper().startswith("SLOW"):
        # eight samples are averaged at each visit of a pixel
        noise = noise / np.sqrt(8.0)
    known = rng.random(shape) >= settings.unknown_bad
    qe[reference] = 0.0
    dark[reference] = 0.0
    flags[reference] = dq.REFERENCE_PIXEL
    reference_dark = dark
    inflow = inflow_time = bend = np.broadcast_to(0.0, shape)
    if settings.new_hot or settings.rc or settings.bent:
        late = np.random.Generator(np.random.SFC64(seed.spawn(1)[0]))
        dark, inflow, inflow_time, bend, new = _new_defects(settings, late, dark, flags, reference)
        known = known & ~new
    return Pixels(
        gain=gain,
        gain_factor=factor,
        qe=qe,
        flat=flat,
        dark=dark,
        bias=bias,
        well=well,
        saturation=raw_top,
        coeffs=coeffs,
        read_noise=noise,
        rtn_amplitude=step,
        rtn_dwell=dwell,
        dq=flags,
        known=known,
        reference=reference,
        reference_dark=reference_dark,
        inflow=inflow,
        inflow_time=inflow_time,
        bend=bend,
    )


def _illumination(window: Window) -> Image:
    y = (np.arange(window.ny) + window.ystart) / window.detector.shape[0]
    x = (np.arange(window.nx) + window.xstart) / window.detector.shape[1]
    return np.asarray(np.outer(np.cos(3 * y), np.sin(4 * x)))


def _bias_pattern(window: Window, rng: np.random.Generator) -> Image:
    _, amplifier = window.readout_order()
    offsets = rng.normal(0, 100, 4)[amplifier % 4]
    x = np.arange(window.nx)[None, :] + window.xstart
    y = np.arange(window.ny)[:, None] + window.ystart
    columns = x if abs(window.detector.fastaxis) == 1 else y
    return np.asarray(offsets + 30.0 * (columns % 2))


def _linearity(
    settings: Settings, rng: np.random.Generator, bias: Image, depth: Image, name: str
) -> tuple[NDArray[np.float32], Image]:
    # Correction S (1 + a u + b u^2) with u = S / full well; MIRI data keep their bias, so there
    # the polynomial is the same one in S - (nominal bias), written out in powers of S.
    scale = float(np.median(depth))
    strength = settings.nonlinearity * (1 + 0.05 * rng.standard_normal(bias.shape))
    c2, c3 = 0.7 * strength / scale, 0.3 * strength / scale**2
    if not name.startswith("MIRI"):
        coeffs = np.stack([np.zeros_like(c2), np.ones_like(c2), c2, c3])
        top = depth
    else:
        zero = float(np.median(bias))
        coeffs = np.stack(
            [
                c2 * zero**2 - c3 * zero**3,
                1 - 2 * c2 * zero + 3 * c3 * zero**2,
                c2 - 3 * c3 * zero,
                c3,
            ]
        )
        top = bias + depth
    return coeffs.astype(np.float32), np.asarray(top, np.float64)


def _defects(
    settings: Settings,
    rng: np.random.Generator,
    flat: Image,
    dark: Image,
    reference: NDArray[np.bool_],
) -> tuple[Image, NDArray[np.uint32], Image, Image]:
    """Put defects into `dark` (in place); return (qe, flags, RTN dwell, RTN step)."""
    ny, nx = flat.shape
    qe = flat.copy()
    flags = np.zeros((ny, nx), np.uint32)
    dwell, step = np.zeros((ny, nx)), np.zeros((ny, nx))

    def some(fraction: float) -> NDArray[np.bool_]:
        return (rng.random((ny, nx)) < fraction) & ~reference

    hot = some(settings.hot)
    dark[hot] += _HOT_MEDIAN * np.exp(_HOT_SIGMA * rng.standard_normal(int(hot.sum())))
    flags[hot] |= dq.HOT
    flags[hot & (dark > _USELESS_DARK)] |= dq.DO_NOT_USE
    low = some(settings.low_qe)
    qe[low] *= rng.uniform(0.2, 0.7, int(low.sum()))
    flags[low] |= dq.LOW_QE
    rtn = some(settings.telegraph)
    step[rtn] = np.exp(rng.uniform(np.log(20), np.log(200), int(rtn.sum())))
    dwell[rtn] = np.exp(rng.uniform(np.log(10), np.log(300), int(rtn.sum())))
    flags[rtn] |= dq.TELEGRAPH
    centres = some(settings.open)
    centres[[0, -1]] = centres[:, [0, -1]] = False
    for y, x in np.argwhere(centres):
        for j, i in ((y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1)):
            qe[j, i] += _LEAK * flat[y, x]
            flags[j, i] |= dq.ADJ_OPEN | dq.DO_NOT_USE
    qe[centres] = 0.0
    flags[centres] = dq.OPEN | dq.DO_NOT_USE
    dead = some(settings.dead)
    qe[dead] = dark[dead] = 0.0
    flags[dead] = dq.DEAD | dq.DO_NOT_USE
    return qe, flags, dwell, step


def _new_defects(
    settings: Settings,
    rng: np.random.Generator,
    dark: Image,
    flags: NDArray[np.uint32],
    reference: NDArray[np.bool_],
) -> tuple[Image, Image, Image, Image, NDArray[np.bool_]]:
    """Defects that came after the references: dark, inflow, its time, bend, and where they are.

    They hit pixels without other defects; `flags` is written to.
    """
    free = (flags == 0) & ~reference
    dark = dark.copy()
    inflow, inflow_time, bend = (np.zeros(dark.shape) for _ in range(3))
    new = np.zeros(dark.shape, np.bool_)

    def some(fraction: float, flag: int) -> NDArray[np.bool_]:
        chosen: NDArray[np.bool_] = (rng.random(dark.shape) < fraction) & free
        free[chosen] = False
        flags[chosen] |= flag
        new[chosen] = True
        return chosen

    hot = some(settings.new_hot, dq.HOT)
    dark[hot] += _NEW_MEDIAN * np.exp(_NEW_SIGMA * rng.standard_normal(int(hot.sum())))
    slow = some(settings.rc, dq.RC)
    inflow[slow] = np.exp(rng.uniform(np.log(100), np.log(2000), int(slow.sum())))
    inflow_time[slow] = np.exp(rng.uniform(np.log(20), np.log(60), int(slow.sum())))
    bent = some(settings.bent, dq.NONLINEAR)
    bend[bent] = np.exp(rng.uniform(np.log(0.01), np.log(0.3), int(bent.sum())))
    return dark, inflow, inflow_time, bend, new
