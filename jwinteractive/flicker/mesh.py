"""A smooth background: medians of boxes of pixels, straight between the middles of the boxes.

Small, and evaluated on any part of the frame. Source: dossier section 4.
"""

from __future__ import annotations

import numpy as np
from scipy.ndimage import median_filter

from jwinteractive.data import Array, Box
from jwinteractive.kernels.flicker_ramp import box_medians, fill_gaps

__all__ = ["mesh_of", "on_pixels", "side_of", "without_stripes"]

_SIDE = 32  # pixels of a box, at most
_FILTER = 5  # boxes whose median takes the place of the one in their middle
_LEAST = 0.1  # part of a box that must be free


def side_of(n: int, wanted: int = 0) -> int:
    """Pixels of a box along an axis of ``n``: ``wanted``, or the most up to 32 that divide it."""
    return min(wanted, n) if wanted else max(k for k in range(1, _SIDE + 1) if n % k == 0)


def mesh_of(image: Array, free: Array, side: int = 0) -> Array:
    """Medians of the boxes of an image [y, x], float32 [my, mx]; boxes that show none are filled.

    Parameters
    ----------
    image, free
        Values, float32, and background pixels, bool, [y, x].
    side
        Pixels of a box; 0: as many up to 32 as divide the frame.

    Returns
    -------
    Array
        0 if no box has a tenth of its pixels free.
    """
    ny, nx = image.shape
    levels = box_medians(image, free, side_of(ny, side), side_of(nx, side), _LEAST)
    if not np.isfinite(levels).any():
        return np.zeros(levels.shape, np.float32)
    fill_gaps(levels)
    return np.asarray(median_filter(levels, _FILTER, mode="nearest"), np.float32)


def without_stripes(lines: Array, channels: int) -> Array:
    """Mesh without what stripes have made of it, lines of boxes: float32 [line, box].

    The mean of a line of boxes of an amplifier may be background or stripes. Background is as
    uneven one way as the other, while stripes do not change means across the lines: what these
    scatter by, over squares of boxes, is kept of the scatter of the first.

    Parameters
    ----------
    lines
        Mesh, the fast axis last; returned as it is if the amplifiers do not share its lines.
    channels
        Amplifiers along a line.
    """
    count, length = lines.shape
    side = min(count, length // channels)  # boxes of a square, to compare like with like
    if length % channels or side < 2:
        return lines
    boxes = lines.reshape(count, channels, length // channels)
    down, along = count // side, boxes.shape[2] // side
    cut = boxes[: down * side, :, : along * side].reshape(down, side, channels, along, side)
    both = float(np.var(cut.mean(axis=4), axis=1).mean())
    background = float(np.var(cut.mean(axis=1), axis=3).mean())
    kept = min(1.0, background / both) if both > 0 else 1.0
    means = boxes.mean(axis=2, keepdims=True)
    smooth = boxes - (1 - kept) * (means - means.mean(axis=0))
    return np.asarray(smooth.reshape(count, length), np.float32)


def on_pixels(mesh: Array, frame: tuple[int, int], box: Box, side: int = 0) -> Array:
    """Background of a box of a (ny, nx) frame from its mesh: float32 [y, x]."""
    low, high, part = _between(frame[0], len(mesh), box.y0, box.y1, side)
    rows = mesh[low] * (1 - part[:, None]) + mesh[high] * part[:, None]
    low, high, part = _between(frame[1], mesh.shape[1], box.x0, box.x1, side)
    return np.asarray(rows[:, low] * (1 - part) + rows[:, high] * part)


def _between(n: int, boxes: int, start: int, end: int, side: int) -> tuple[Array, Array, Array]:
    """The boxes before and after each pixel of an axis, and how far it is from one to the other."""
    place = (np.arange(start, end) + 0.5) / side_of(n, side) - 0.5
    place = np.clip(place, 0, boxes - 1)
    low = place.astype(int)
    return low, np.minimum(low + 1, boxes - 1), (place - low).astype(np.float32)
