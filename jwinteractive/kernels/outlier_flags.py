"""A median image looked up at a detector's pixels, and the pixels that differ from it.

Official: difference against scaled gradient plus scaled error, twice, the second inside the first
grown by a pixel. By noise: difference over the root of all variances, and where two exposures or
one are all there are, the shape of the pixel among its neighbours. Sources: dossier 6.1, 6.4;
van Dokkum 2001 (PASP 113, 1420).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

__all__ = ["blot", "curvature", "flag_by_noise", "flag_official", "gradient", "nearest"]


@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def _across(nodes: Any, axis: int, step: int, y: int, cx: int) -> tuple[float, float]:
    """Place on the grid of row ``y`` at the left of column ``cx`` of cells, and its slope."""
    cy = y // step
    fy = (y - cy * step) / step
    if fy == 0.0:  # the next row may have no place
        left = nodes[axis, cy, cx]
        return left, (nodes[axis, cy, cx + 1] - left) / step
    left = nodes[axis, cy, cx] + (nodes[axis, cy + 1, cx] - nodes[axis, cy, cx]) * fy
    right = nodes[axis, cy, cx + 1] + (nodes[axis, cy + 1, cx + 1] - nodes[axis, cy, cx + 1]) * fy
    return left, (right - left) / step


@njit(cache=True, nogil=True, error_model="numpy")
def blot(image: Any, nodes: Any, step: int, bounds: Any, y0: int, x0: int, out: Any) -> None:
    """Values of ``image`` [y, x] at pixels from (``y0``, ``x0``) on, bilinear: changes ``out``.

    NaN where one of the four pixels about the place is NaN, where the place lies left or below the
    middle of the first pixel, and for pixels outside ``bounds`` (first and last column, first and
    last row). Beyond the middle of the last pixel its value is taken.
    """
    ny, nx = out.shape
    my, mx = image.shape
    one = np.float32(1.0)
    for j in range(ny):
        y = y0 + j
        out[j] = np.nan
        if y < bounds[2] or y > bounds[3]:
            continue
        for cell in range(max(x0, bounds[0]) // step, min(x0 + nx - 1, bounds[1]) // step + 1):
            xa, xs = _across(nodes, 0, step, y, cell)
            ya, ys = _across(nodes, 1, step, y, cell)
            first = max(cell * step, x0, bounds[0])
            for x in range(first, min(cell * step + step, x0 + nx, bounds[1] + 1)):
                k = x - cell * step
                px = xa + xs * k if k else xa  # nor the next column
                py = ya + ys * k if k else ya
                if not (0.0 <= px < mx and 0.0 <= py < my):
                    continue
                cx, cy = int(px), int(py)
                fx, fy = np.float32(px - cx), np.float32(py - cy)
                # beyond the middle of the last pixel there is nothing to mix with
                ex = cx + 1 if cx < mx - 1 else cx
                ey = cy + 1 if cy < my - 1 else cy
                low = image[cy, cx] * (one - fx) + image[cy, ex] * fx
                high = image[ey, cx] * (one - fx) + image[ey, ex] * fx
                out[j, x - x0] = low * (one - fy) + high * fy


@njit(cache=True, nogil=True, error_model="numpy")
def nearest(counts: Any, nodes: Any, step: int, y0: int, x0: int, out: Any) -> None:
    """Nearest of ``counts`` [y, x] at pixels from (``y0``, ``x0``) on, or 0: changes ``out``."""
    ny, nx = out.shape
    my, mx = counts.shape
    for j in range(ny):
        y = y0 + j
        for cell in range(x0 // step, (x0 + nx - 1) // step + 1):
            xa, xs = _across(nodes, 0, step, y, cell)
            ya, ys = _across(nodes, 1, step, y, cell)
            for x in range(max(cell * step, x0), min(cell * step + step, x0 + nx)):
                k = x - cell * step
                px = (xa + xs * k if k else xa) + 0.5
                py = (ya + ys * k if k else ya) + 0.5
                inside = 0.0 <= px < mx and 0.0 <= py < my
                out[j, x - x0] = counts[int(py), int(px)] if inside else 0


@njit(cache=True, nogil=True, error_model="numpy")
def gradient(image: Any, out: Any) -> None:
    """Largest difference [y, x] to the four neighbours that are known; NaN where the image is."""
    ny, nx = image.shape
    for j in range(ny):
        for i in range(nx):
            v = image[j, i]
            if np.isnan(v):
                out[j, i] = np.nan
                continue
            most = np.float32(0.0)
            if j > 0:
                d = abs(v - image[j - 1, i])
                most = d if d > most else most
            if j < ny - 1:
                d = abs(v - image[j + 1, i])
                most = d if d > most else most
            if i > 0:
                d = abs(v - image[j, i - 1])
                most = d if d > most else most
            if i < nx - 1:
                d = abs(v - image[j, i + 1])
                most = d if d > most else most
            out[j, i] = most


@njit(cache=True, nogil=True, error_model="numpy")
def curvature(image: Any, out: Any) -> None:
    """Difference [y, x] to the mean of the four neighbours; 0 where one of the five is NaN."""
    ny, nx = image.shape
    out[:] = 0
    for j in range(1, ny - 1):
        for i in range(1, nx - 1):
            around = image[j - 1, i] + image[j + 1, i] + image[j, i - 1] + image[j, i + 1]
            d = image[j, i] - np.float32(0.25) * around
            if np.isfinite(d):
                out[j, i] = d


@njit(cache=True, nogil=True, error_model="numpy")
def flag_official(
    data: Any, err: Any, model: Any, slope: Any, settings: Any, over: Any, mask: Any
) -> None:
    """Flag pixels [y, x] as the official step does: changes ``over`` and ``mask``.

    Parameters
    ----------
    slope
        `gradient` of the model.
    settings
        float32: the two factors of the error, the two of the slope, and the background.
    over
        Difference over error, float32; NaN where there is none.
    """
    ny, nx = data.shape
    snr1, snr2, scale1, scale2, backg = settings
    first = np.zeros((ny, nx), np.bool_)
    for j in range(ny):
        for i in range(nx):
            e = err[j, i]
            d = data[j, i] - model[j, i] - backg
            over[j, i] = d / e
            if np.isnan(e):
                e = np.float32(0.0)
            d = abs(d)
            first[j, i] = d > scale1 * slope[j, i] + snr1 * e
            mask[j, i] = d > scale2 * slope[j, i] + snr2 * e
    for j in range(ny):
        for i in range(nx):
            if mask[j, i]:
                near = first[max(j - 1, 0) : j + 2, max(i - 1, 0) : i + 2]
                mask[j, i] = near.any()


@njit(cache=True, nogil=True, error_model="numpy")
def _middle_of(image: Any, j: int, i: int, reach: int, room: Any) -> float:
    """Median of the known pixels within ``reach``."""
    n = 0
    ny, nx = image.shape
    for y in range(max(j - reach, 0), min(j + reach + 1, ny)):
        for x in range(max(i - reach, 0), min(i + reach + 1, nx)):
            v = image[y, x]
            if np.isfinite(v):
                k = n
                while k > 0 and room[k - 1] > v:
                    room[k] = room[k - 1]
                    k -= 1
                room[k] = v
                n += 1
    return room[n // 2] if n else np.nan


@njit(cache=True, nogil=True, error_model="numpy")
def _sharp(data: Any, err: Any, j: int, i: int, least: float, contrast: float, room: Any) -> bool:
    """Whether a pixel stands out more sharply than a source can.

    Its Laplacian, on pixels cut in two so that a dark neighbour does not cancel a bright one, is
    ``least`` times the noise above the Laplacian of its surroundings, and ``contrast`` times the
    fine structure: what a median over 3 x 3 pixels leaves of one over 7 x 7.
    """
    ny, nx = data.shape
    v = data[j, i]
    laplacian = 0.0
    for dy in (-1, 1):
        for dx in (-1, 1):  # a quarter of the pixel has two neighbours that are other pixels
            total = 0.0
            if 0 <= j + dy < ny and np.isfinite(data[j + dy, i]):
                total += v - data[j + dy, i]
            if 0 <= i + dx < nx and np.isfinite(data[j, i + dx]):
                total += v - data[j, i + dx]
            laplacian += max(total, 0.0) / 8  # the height of a pixel that stands alone
    # four neighbours that are known no better add a quarter to the variance
    if not laplacian > least * np.sqrt(1.25) * err[j, i]:
        return False
    smooth = _middle_of(data, j, i, 1, room)
    n = 0
    wide = np.empty(49)
    for y in range(max(j - 3, 0), min(j + 4, ny)):
        for x in range(max(i - 3, 0), min(i + 4, nx)):
            m = _middle_of(data, y, x, 1, room)
            if np.isfinite(m):
                wide[n] = m
                n += 1
    fine = smooth - np.median(wide[:n])
    return bool(laplacian > contrast * max(fine, 0.2 * err[j, i]))


@njit(cache=True, nogil=True, error_model="numpy")
def flag_by_noise(
    data: Any,
    err: Any,
    model: Any,
    noise: Any,
    depth: Any,
    slope: Any,
    curve: Any,
    settings: Any,
    over: Any,
    mask: Any,
) -> None:
    """Flag pixels [y, x] by all the noise that is known: changes ``over`` and ``mask``.

    Parameters
    ----------
    noise, depth
        Noise of the model, and how many exposures it is made of.
    slope, curve
        `gradient` and `curvature` of the model.
    settings
        float32: significance of a hit and of a neighbour of one, factors of slope and curve,
        background, Laplacian over noise, contrast.
    over
        Difference over the root of the variances, float32; NaN where there is none.
    """
    ny, nx = data.shape
    snr1, snr2, scale, bent, backg, least, contrast = settings
    first = np.zeros((ny, nx), np.bool_)
    room = np.empty(9)
    for j in range(ny):
        for i in range(nx):
            n = depth[j, i]
            variance = err[j, i] ** 2 + noise[j, i] ** 2 + (scale * slope[j, i]) ** 2
            off = data[j, i] - model[j, i] - backg
            lost = bent * curve[j, i]
            # what interpolation may have taken off is no difference, and no cause of one
            if lost > 0.0 and off > 0.0:
                off = max(off - lost, np.float32(0.0))
            elif lost < 0.0 and off < 0.0:
                off = min(off - lost, np.float32(0.0))
            over[j, i] = off / np.sqrt(variance)
            sure = abs(over[j, i]) > snr1
            if n == 1:  # the model is the exposure itself
                sure = np.isfinite(data[j, i]) and _sharp(data, err, j, i, least, contrast, room)
            elif n == 2 and sure:
                sure = over[j, i] > 0.0 and _sharp(data, err, j, i, least, contrast, room)
            first[j, i] = sure
    for j in range(ny):
        for i in range(nx):
            hit = first[j, i]
            if not hit and depth[j, i] > 1 and abs(over[j, i]) > snr2:
                hit = first[max(j - 1, 0) : j + 2, max(i - 1, 0) : i + 2].any()
            mask[j, i] = hit
