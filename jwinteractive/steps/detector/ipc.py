"""Undo the capacitive coupling of pixels by a small deconvolution kernel.

Source: official step `ipc`. Recipes leave it out by default: it moves signal back
into the pixel that collected it, but makes the read noise of neighbours anticorrelated, which no
error plane of the pipeline holds.

Where the official step takes 0 for what lies outside the science pixels, the level of the bias is
taken off the pixels at the edge. Here a reference pixel counts with what it reads, and a pixel
that was not read, or is NaN, with the value of the pixel that it would correct.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from jwinteractive.data import Array, Exposure, Ramp
from jwinteractive.detectors import detector, reference_pixels
from jwinteractive.errors import StepError
from jwinteractive.params import Params
from jwinteractive.references import IpcRef
from jwinteractive.step import step

_REACH = 2  # pixels from the centre of the largest kernel


class IpcParams(Params):
    """Parameters of `ipc`: it has none."""


# Each loop over a row is a kernel of its own: within deeper loops it is not vectorised.


@njit(cache=True, nogil=True)
def _add(row: Array, weight: Array, centre: Array, out: Array) -> None:
    for x in range(len(out)):
        value = row[x]
        out[x] += weight[x] * (value if value == value else centre[x])


@njit(cache=True, nogil=True)
def _add_shifted(row: Array, by: int, weight: Array, centre: Array, out: Array) -> None:
    """Add the pixels ``by`` columns to the right; past the end, the centre itself."""
    if by > 0:
        _add(row[by:], weight[:-by], centre[:-by], out[:-by])
        _add(centre[-by:], weight[-by:], centre[-by:], out[-by:])
    elif by < 0:
        _add(row[:by], weight[-by:], centre[-by:], out[-by:])
        _add(centre[:-by], weight[:-by], centre[:-by], out[:-by])
    else:
        _add(row, weight, centre, out)


@njit(cache=True, nogil=True)
def _keep(row: Array, kept: Array, out: Array) -> None:
    for x in range(len(out)):
        before, after = row[x], out[x]
        out[x] = before if kept[x] else after


@njit(cache=True, nogil=True)
def _convolve(data: Array, kernel: Array, kept: Array, out: Array) -> None:
    """Convolve each group; kernel [ky, kx, y, x], or [ky, kx, 1, x] for all rows."""
    nint, ngroup, ny, _ = data.shape
    ky, kx, rows, _ = kernel.shape
    my, mx = ky // 2, kx // 2
    for i in range(nint):
        for g in range(ngroup):
            for y in range(ny):
                here, sums = data[i, g, y], out[i, g, y]
                r = min(y, rows - 1)
                sums[:] = 0
                for j in range(ky):
                    near = y + my - j
                    for k in range(kx):
                        if j == my and k == mx:
                            continue  # the largest term comes last
                        if 0 <= near < ny:
                            _add_shifted(data[i, g, near], mx - k, kernel[j, k, r], here, sums)
                        else:
                            _add(here, kernel[j, k, r], here, sums)
                _add(here, kernel[my, mx, r], here, sums)
                _keep(here, kept[y], sums)


def _skips(exposure: Exposure, p: IpcParams) -> str:
    if exposure.readpatt.startswith("NRSIRS2"):
        return "ipc does not know IRS2 frames: reference pixels lie between those of the sky"
    return ""


def _by_pixel(kernel: Array, nx: int) -> Array:
    """Kernel [ky, kx, y, x] of one, or of many pixels; checked."""
    sides = kernel.shape[:2]
    if any(n % 2 == 0 or n // 2 > _REACH for n in sides):
        raise StepError(
            f"ipc: the reference's kernel is {sides[0]} x {sides[1]}, must be odd and at most "
            f"{2 * _REACH + 1} x {2 * _REACH + 1}: give another ipc reference or leave the step out"
        )
    if kernel.ndim == 2:
        return np.ascontiguousarray(np.broadcast_to(kernel[..., None, None], (*sides, 1, nx)))
    return kernel.copy()  # writable as the other: one compilation


@step(halo=_REACH, skips=_skips)
def ipc(ramp: Ramp, p: IpcParams, kernel: IpcRef) -> Ramp:
    """Convolve each group with the kernel that undoes coupling: data [nint, ngroup, ny, nx] DN.

    Reference pixels stay as they are.

    Raises
    ------
    StepError
        If the kernel has an even side or is larger than 5 x 5.
    """
    exposure, box = ramp.exposure, ramp.covers
    found = detector(exposure.instrument, exposure.detector)
    kept = reference_pixels(found, exposure.xstart + box.x0, exposure.ystart + box.y0, ramp.shape)
    data = np.empty_like(ramp.data)
    _convolve(ramp.data, _by_pixel(kernel.data, ramp.shape[1]), kept, data)
    return ramp.replace(data=data)
