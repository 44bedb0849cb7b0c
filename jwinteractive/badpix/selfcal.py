"""The official `badpix_selfcal`: the outermost shares of the smallest rates are bad.

At parity with jwst 3.0, but strip by strip. A fixed share always flags as many pixels, good or bad,
and the smallest of several rates is noisier than their median: `classify` does without either.
"""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Annotated

import numpy as np
from annotated_types import Interval

from jwinteractive.badpix.stack import Member, check_alike, open_rate
from jwinteractive.chain import cores
from jwinteractive.data import Array
from jwinteractive.errors import ParamError
from jwinteractive.kernels.lanes import sorting_network
from jwinteractive.kernels.surroundings import median_filter
from jwinteractive.params import Doc, Params, Unit
from jwinteractive.silence import silence

__all__ = ["SelfcalParams", "selfcal"]

_PEDESTALS = {"MIRIFUSHORT": (50, 974, 503, 516), "MIRIFULONG": (50, 974, 474, 507)}
"""Rows and columns between the channels, where no light falls."""
_ROWS = 64
_SORTED = 256  # values of a window that are sorted rather than selected


class SelfcalParams(Params):
    """Parameters of `selfcal`, named as those of the official step."""

    flagfrac_lower: Annotated[
        float, Interval(ge=0, le=0.5), Doc("Share of the pixels flagged as too faint")
    ] = 0.001
    flagfrac_upper: Annotated[
        float, Interval(ge=0, le=0.5), Doc("Share of the pixels flagged as too bright")
    ] = 0.001
    kernel_size: Annotated[
        int,
        Interval(ge=1, le=101),
        Unit("pix"),
        Doc("Length, odd, of the median filter along the dispersion; of its side in images"),
    ] = 15
    force_single: Annotated[bool, Doc("Take a single exposure, too")] = False

    def __post_init__(self) -> None:
        """Refuse an even kernel, which has no middle."""
        super().__post_init__()
        if self.kernel_size % 2 == 0:
            raise ParamError(
                f"SelfcalParams.kernel_size = {self.kernel_size}: must be odd: "
                f"take {self.kernel_size - 1} or {self.kernel_size + 1}"
            )


def selfcal(
    paths: Iterable[str | Path],
    params: SelfcalParams | None = None,
    *,
    dispersion: int | None = None,
    threads: int = 0,
) -> Array:
    """Pixels [y, x] that `badpix_selfcal` flags in the first of some rate or cal files: bool.

    Parameters
    ----------
    dispersion
        Axis along which light is dispersed: 1 is x, 2 is y, 0 none; by default as the header says.

    Raises
    ------
    InputError
        As `gather` does.
    """
    p = params if params is not None else SelfcalParams()
    members = [open_rate(Path(path)) for path in paths]
    if len(members) != 1 or not p.force_single:
        check_alike(members)
    axis = members[0].dispersion if dispersion is None else dispersion
    ny, nx = members[0].shape
    pedestals = [_pedestal(member) for member in members]
    least, smooth = np.empty((ny, nx), np.float32), np.empty((ny, nx), np.float32)
    strips = [(y, min(y + _ROWS, ny)) for y in range(0, ny, _ROWS)]
    high = p.kernel_size if axis != 1 else 1
    wide = p.kernel_size if axis != 2 else 1
    net = sorting_network(high * wide if high * wide <= _SORTED else 1)

    def smallest(strip: tuple[int, int]) -> None:
        part = least[slice(*strip)]
        part[:] = np.nan
        for member, pedestal in zip(members, pedestals, strict=True):
            np.fmin(part, member.rows(*strip).rate - pedestal, out=part)

    def filtered(strip: tuple[int, int]) -> None:
        median_filter(least, *strip, high, wide, net, smooth)

    with ThreadPoolExecutor(threads or cores(), thread_name_prefix="selfcal") as pool:
        for work in (smallest, filtered):
            list(pool.map(work, strips))
    return _outermost(np.subtract(least, smooth, out=smooth), p)


def _outermost(image: Array, p: SelfcalParams) -> Array:
    """Pixels outside of the percentiles of an image; NaN is neither low nor high."""
    shares = [p.flagfrac_lower * 100, (1 - p.flagfrac_upper) * 100]
    with silence():  # nothing but NaN
        low, high = np.nanpercentile(image, shares)
    bad: Array = (image > high) | (image < low)
    return bad


def _pedestal(member: Member) -> np.float32:
    """Residual dark level of a MIRI MRS exposure; 0 for others."""
    where = _PEDESTALS.get(member.exposure.detector)
    if where is None:
        return np.float32(0)
    y0, y1, x0, x1 = where
    return np.float32(np.nanmedian(member.rows(y0, min(y1, member.shape[0])).rate[:, x0:x1]))
