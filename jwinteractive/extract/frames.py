"""Spectral images that spectra are extracted from, dispersed along x, with their variances."""

from __future__ import annotations

import dataclasses as dc
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import ArrayLike

from jwinteractive.data import Array
from jwinteractive.errors import InputError

__all__ = ["Frames", "contiguous", "in_threads"]

_THREADS = min(4, os.cpu_count() or 1)


@dc.dataclass(frozen=True, eq=False, slots=True)
class Frames:
    """An image [y, x], or the integrations [n, y, x] of a time series; nothing is copied.

    Parameters
    ----------
    data
        Values in any unit; what is not finite is missing.
    var_poisson, var_rnoise, var_flat
        Variances of the same shape, in the unit of the data squared; 0 where there are none.
    dispaxis
        1 if x is along the dispersion, 2 if y is: images are then read with their axes exchanged.

    Raises
    ------
    InputError
        If shapes do not agree, or the axis is another.
    """

    data: Array
    var_poisson: Array | None = None
    var_rnoise: Array | None = None
    var_flat: Array | None = None
    dispaxis: int = 1

    def __post_init__(self) -> None:
        shape = self.data.shape
        if self.dispaxis not in (1, 2):
            raise InputError(f"dispaxis = {self.dispaxis}: must be 1 (along x) or 2 (along y)")
        if len(shape) not in (2, 3) or not self.data.size:
            raise InputError(
                f"image of shape {shape}: must be [y, x] or [integration, y, x] with pixels"
            )
        for name in ("var_poisson", "var_rnoise", "var_flat"):
            var = getattr(self, name)
            if var is not None and var.shape != shape:
                raise InputError(f"{name} {var.shape}: must have the shape of the data, {shape}")

    @property
    def shape(self) -> tuple[int, int]:
        """Size (ny, nx) of an image, x along the dispersion."""
        ny, nx = self.data.shape[-2:]
        return (ny, nx) if self.dispaxis == 1 else (nx, ny)

    def __len__(self) -> int:
        return 1 if self.data.ndim == 2 else len(self.data)

    @property
    def sure(self) -> bool:
        """Whether variances are given: else errors are not known, and not 0."""
        return any(v is not None for v in (self.var_poisson, self.var_rnoise, self.var_flat))

    def image(self, i: int) -> Array:
        """Values of an image: read-only, contiguous, float32 [y, x], x along the dispersion."""
        return self._plane(self.data, i)

    def variances(self, i: int) -> tuple[Array, Array, Array]:
        """Variances of an image as `image` gives its values: Poisson noise, read noise, flat."""
        found = [
            contiguous(np.zeros(self.shape), np.float32) if var is None else self._plane(var, i)
            for var in (self.var_poisson, self.var_rnoise, self.var_flat)
        ]
        return found[0], found[1], found[2]

    def _plane(self, cube: Array, i: int) -> Array:
        plane = cube if cube.ndim == 2 else cube[i]
        return contiguous(plane if self.dispaxis == 1 else plane.T, np.float32)

    def check(self, what: str, plane: Array) -> None:
        """Refuse a plane that is not [y, x] of these images.

        Raises
        ------
        InputError
            If its shape is another.
        """
        if plane.shape != self.shape:
            raise InputError(
                f"{what} {plane.shape}: must have the shape of the images, {self.shape}"
            )


def contiguous(array: ArrayLike, kind: type) -> Array:
    """Read-only contiguous view or copy of an array, of one type: kernels compile once."""
    view: Array = np.ascontiguousarray(array, kind).view()
    view.flags.writeable = False
    return view


def in_threads(count: int, work: Callable[[int], None], threads: int = 0) -> None:
    """Call ``work(i)`` for each of ``count`` images, in threads: by default one a core."""
    if count == 1:
        work(0)
        return
    with ThreadPoolExecutor(threads or _THREADS, thread_name_prefix="extract") as pool:
        list(pool.map(work, range(count)))
