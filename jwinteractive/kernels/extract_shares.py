"""Shares of spaxels in a circle less a ring."""

from __future__ import annotations

from typing import Any

from numba import njit

from jwinteractive.kernels.extract_cube import circle_share

__all__ = ["fill_shares"]


@njit(cache=True, nogil=True, error_model="numpy")
def fill_shares(
    known: Any, x: float, y: float, radius: float, inner: float, outer: float, shares: Any
) -> None:
    """Fill the shares [y, x] of a circle, less those of a ring of the same area.

    Spaxels that are not ``known``, bool [y, x], have none. Without a ring ``outer`` is 0.
    """
    ny, nx = shares.shape
    circle = 0.0
    ring = 0.0
    for j in range(ny):
        for i in range(nx):
            if not known[j, i]:
                continue
            circle += circle_share(i - x, j - y, radius, 0)
            if outer > 0:
                ring += circle_share(i - x, j - y, outer, 0) - circle_share(i - x, j - y, inner, 0)
    factor = circle / ring if ring > 0 else 0.0
    for j in range(ny):
        for i in range(nx):
            shares[j, i] = 0.0
            if not known[j, i]:
                continue
            shares[j, i] = circle_share(i - x, j - y, radius, 0)
            if factor > 0:
                part = circle_share(i - x, j - y, outer, 0) - circle_share(i - x, j - y, inner, 0)
                shares[j, i] -= factor * part
