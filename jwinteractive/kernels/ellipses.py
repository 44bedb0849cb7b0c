"""Ellipses of flags: painting them, matching blobs, and how far the light of a hit reaches.

An ellipse to paint is a row float64 [integration, first group, end, y, x, a, b, cos, sin, how] of
pixels of the whole exposure; ``a`` lies along (cos, sin) in (y, x). Source: dossier section 2.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from jwinteractive import dq
from jwinteractive.kernels.blobs import MAJOR, MINOR, THETA, X, Y, inside
from jwinteractive.kernels.lanes import middle

__all__ = ["AFTER", "JUMP", "SATURATED", "cover", "excess", "paint", "reaches", "with_core"]

JUMP, SATURATED, AFTER = 0, 1, 2
"""How to paint: jumps where nothing is saturated; saturation over all else; jumps anywhere."""

_JUMP, _SAT = dq.JUMP_DET, dq.SATURATED
_SPOILT = dq.SATURATED | dq.DO_NOT_USE
_FLAGGED = dq.SATURATED | dq.DO_NOT_USE | dq.JUMP_DET
_FEWEST = 6  # pixels of a ring whose median counts
_MEDIAN_NOISE = 1.2533  # of a median, in that of a mean
_SURE, _SIGNIFICANT = 1.5, 3.0  # sigma, of one ring and of all together
_CLIP = 10.0  # sigma; another hit counts as no more


@njit(cache=True, nogil=True)
def _bounds(
    y: float, x: float, a: float, b: float, cos: float, sin: float, ny: int, nx: int
) -> Any:
    """First and last rows and columns of an ellipse that may be inside a frame, ends excluded."""
    high, wide = abs(a * cos) + b * sin, a * sin + abs(b * cos)
    return (
        max(int(np.ceil(y - high)), 0),
        min(int(np.floor(y + high)) + 1, ny),
        max(int(np.ceil(x - wide)), 0),
        min(int(np.floor(x + wide)) + 1, nx),
    )


@njit(cache=True, nogil=True)
def paint(groupdq: Any, y0: int, x0: int, ellipses: Any) -> None:
    """Flag pixels inside ellipses [ellipse, column] in ``groupdq`` [nint, ngroup, ny, nx].

    The box of the flags begins at (y0, x0). Ellipses are painted in the order of how they paint.
    """
    nint, ngroup, ny, nx = groupdq.shape
    for how in (SATURATED, JUMP, AFTER):
        for e in range(len(ellipses)):
            i = int(ellipses[e, 0])
            y, x, a, b, cos, sin = ellipses[e, 3:9]
            if ellipses[e, 9] != how or a == 0 or b == 0 or i < 0 or i >= nint:
                continue
            y -= y0
            x -= x0
            top, bottom, left, right = _bounds(y, x, a, b, cos, sin, ny, nx)
            first, end = max(int(ellipses[e, 1]), 0), min(int(ellipses[e, 2]), ngroup)
            for j in range(top, bottom):
                for k in range(left, right):
                    if not inside(j - y, k - x, a, b, cos, sin):
                        continue
                    for g in range(first, end):
                        if how == SATURATED:
                            groupdq[i, g, j, k] = _SAT
                        elif how == JUMP and groupdq[i, g, j, k] & _SAT:
                            break  # saturated from here on
                        else:
                            groupdq[i, g, j, k] |= _JUMP


@njit(cache=True, nogil=True)
def cover(covered: Any, ellipses: Any) -> None:
    """Set the pixels bool [y, x] of the whole exposure inside ellipses [ellipse, column]."""
    ny, nx = covered.shape
    for e in range(len(ellipses)):
        y, x, a, b, cos, sin = ellipses[e, 3:9]
        if a == 0 or b == 0:
            continue
        top, bottom, left, right = _bounds(y, x, a, b, cos, sin, ny, nx)
        for j in range(top, bottom):
            for k in range(left, right):
                if inside(j - y, k - x, a, b, cos, sin):
                    covered[j, k] = True


@njit(cache=True, nogil=True)
def with_core(jumps: Any, cores: Any, edge: float, ny: int) -> Any:
    """Which blobs of jumps have a blob of newly saturated pixels in them, or lie at an edge.

    Parity [O]: the test of a centre takes the angle from the wrong axis, and the far edge of the
    columns where that of the rows is.
    """
    found = np.zeros(len(jumps), np.bool_)
    far = max(0.0, ny - edge)
    for j in range(len(jumps)):
        y, x = jumps[j, Y], jumps[j, X]
        found[j] = x < edge or y < edge or x > far or y > far
        angle = (180 - jumps[j, THETA]) * (np.pi / 180.0)
        cos, sin = np.cos(angle), np.sin(angle)
        a, b = jumps[j, MAJOR] * 0.5, jumps[j, MINOR] * 0.5
        for c in range(len(cores)):
            if found[j]:
                break
            dy, dx = cores[c, Y] - y, cores[c, X] - x
            along, across = dx * cos - dy * sin, dx * sin + dy * cos
            found[j] = along**2 / a**2 + across**2 / b**2 <= 1
    return found


@njit(cache=True, nogil=True, error_model="numpy")
def excess(
    data: Any, groupdq: Any, gain: Any, noise2: Any, integration: int, first: int, end: int, z: Any
) -> None:
    """How far differences rise above the usual ones of their pixels, in sigma.

    Parameters
    ----------
    data, groupdq
        DN and flags [nint, ngroup, npix]; the usual difference is the median of the unflagged ones
        of groups other than ``first`` - 1 to ``first`` + 1 of the integration.
    gain, noise2
        e-/DN, and the variance of a difference from reading in e-² [npix].
    integration, first, end
        Groups whose difference to the group before is told.
    z
        Gets the result [end - first, npix]; NaN where there is none. Jumps count in the groups
        ``first`` to ``first`` + 2, where the hit itself is one.
    """
    nint, ngroup, npix = data.shape
    usual = np.empty(nint * (ngroup - 1), np.float32)
    for p in range(npix):
        n = 0
        for i in range(nint):
            for g in range(1, ngroup):
                if i == integration and first <= g < first + 3:
                    continue
                if (groupdq[i, g, p] & _FLAGGED) | (groupdq[i, g - 1, p] & _SPOILT):
                    continue
                d = data[i, g, p] - data[i, g - 1, p]
                if d == d:
                    usual[n] = d
                    n += 1
        level = middle(usual, n) * gain[p]
        sigma = np.sqrt(abs(level) + noise2[p])
        for g in range(first, end):
            now = groupdq[integration, g, p]
            spoilt = (now | groupdq[integration, g - 1, p]) & _SPOILT
            other = now & _JUMP and g >= first + 3
            d = (data[integration, g, p] - data[integration, g - 1, p]) * gain[p]
            z[g - first, p] = np.nan if spoilt or other else (d - level) / sigma


@njit(cache=True, nogil=True)
def reaches(z: Any, beyond: Any, width: float, threshold: float) -> Any:
    """How far beyond an ellipse the excess reaches in each group, in pixels.

    Parameters
    ----------
    z
        Excess in sigma [group, npix].
    beyond
        Distance of the pixels from the ellipse [npix]; below 0 inside.
    width
        Of the rings whose medians are looked at, from the ellipse outwards.
    threshold
        Median excess in sigma down to which a ring counts.

    Returns
    -------
    ndarray
        Outer end of the last ring that counts and with which the light of all is significant, 0
        where there is none; NaN where no ring has pixels enough to tell.
    """
    ngroup, npix = z.shape
    rings = 0
    for p in range(npix):
        rings = max(rings, int(beyond[p] / width) + 1)
    number = np.full(npix, -1, np.int64)
    size = np.zeros(rings + 1, np.int64)
    for p in range(npix):
        if beyond[p] >= 0:
            number[p] = int(beyond[p] / width)
            size[number[p] + 1] += 1
    start = np.cumsum(size)
    filled = start[:-1].copy()
    order = np.empty(start[-1], np.int64)
    for p in range(npix):
        if number[p] >= 0:
            order[filled[number[p]]] = p
            filled[number[p]] += 1
    found = np.full(ngroup, np.nan)
    values = np.empty(max(len(order), 1), np.float32)
    for g in range(ngroup):
        total = 0.0
        known = 0
        for k in range(rings):
            n = 0
            light = 0.0
            for o in range(start[k], start[k + 1]):
                v = z[g, order[o]]
                if v == v:
                    values[n] = v
                    light += min(max(v, -_CLIP), _CLIP)
                    n += 1
            total += light
            known += n
            if n < _FEWEST:
                continue
            if found[g] != found[g]:
                found[g] = 0.0
            if middle(values, n) < max(threshold, _SURE * _MEDIAN_NOISE / np.sqrt(n)):
                break
            # a ring alone may be too small to tell, all of them so far are not
            if total > _SIGNIFICANT * np.sqrt(known):
                found[g] = (k + 1) * width
    return found
