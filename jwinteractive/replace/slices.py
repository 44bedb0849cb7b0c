"""The spectra that a detector holds: which pixels are of which slice, and how far each is seen.

An image of a slit holds one spectrum. That of an integral field unit holds one for each slice of
its mirror, numbered in the file or in its WCS; one column of the detector crosses many of them.
"""

from __future__ import annotations

import dataclasses as dc
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np

from jwinteractive import dq as flags
from jwinteractive.data import Array, Box, Rate, RateInts
from jwinteractive.errors import InputError
from jwinteractive.fitsfile import opened_fits
from jwinteractive.step import Model, Whole
from jwinteractive.strips import over_strips
from jwinteractive.wcs import read_wcs

__all__ = ["Slices", "measure_slices"]

_IFU: Final = ("MIR_MRS", "NRS_IFU")
_NOWHERE: Final = np.iinfo(np.int32).max


@dc.dataclass(frozen=True, kw_only=True)
class Slices(Model):
    """Where the spectra of an exposure are.

    Attributes
    ----------
    labels
        Number of the slice of each pixel, int16 [y, x]; 0 between them.
    first, end
        First position across the dispersion at which a slice has a pixel that may be used, and the
        end of the last, int32 [integration, slice]: in pixels of the exposure, the slices by their
        numbers.
    weighted
        Whether any pixel has an error above 0.
    trace
        The image as the official adaptive trace model has it, float32 [y, x], where it was asked
        for; NaN where it tells nothing.
    """

    labels: Array
    first: Array
    end: Array
    weighted: bool
    trace: Array | None = None

    def part(self, box: Box) -> Array:
        """Labels in a box of the exposure."""
        return np.asarray(self.labels[box.y0 : box.y1, box.x0 : box.x1])

    def reach(self, integration: int, dispaxis: int, box: Box) -> dict[int, tuple[int, int]]:
        """First and end position of each slice, counted from the edge of a box."""
        edge = box.y0 if dispaxis == 1 else box.x0
        seen = zip(self.first[integration], self.end[integration], strict=True)
        return {n: (int(a) - edge, int(b) - edge) for n, (a, b) in enumerate(seen) if a < b}


def measure_slices(whole: Whole, needed: bool = True, traced: bool = False) -> Slices:
    """Find the slices of an exposure, and the positions where they have a pixel that may be used.

    Parameters
    ----------
    whole
        The exposure, `Rate` or `RateInts`; its slices are in its file.
    needed
        Whether an image of an integral field unit without numbered slices is an error; otherwise
        it is taken for one.
    traced
        Whether the trace model is needed: that of the product, else of the file.

    Raises
    ------
    InputError
        If the slices, or the trace model, are needed and not there, or are not of the shape of the
        image.
    """
    ny, nx = whole.box.shape
    modelled: list[tuple[Box, Array]] = []
    labels = np.ones((ny, nx), np.int16)
    if whole.exposure.exp_type in _IFU:
        found = _numbered(whole.path, whole.exposure.exp_type)
        _check_shape("slices", found, (ny, nx))
        if found is not None:
            labels = np.where(np.isfinite(found), found, 0).astype(np.int16)
        elif needed:
            raise InputError(
                f"{whole.exposure.exp_type} without numbered slices: profiles are of one slice "
                "each: take a file that went through assign_wcs, or set algorithm = 'mingrad'"
            )
    most = int(labels.max()) + 1
    axis = 1 if whole.exposure.dispaxis == 1 else 0  # of the dispersion, in [y, x]

    def work(product: Rate | RateInts, strip: Box) -> tuple[Array, Array, bool]:
        if traced and product.trace_model is not None:
            modelled.append((strip, product.trace_model))
        return _seen(product, strip, labels, axis, most)

    lows, highs, some = zip(*over_strips(whole, work), strict=True)
    first, end = np.min(lows, axis=0), np.max(highs, axis=0)
    trace = _trace(whole, modelled) if traced else None
    return Slices(labels=labels, first=first, end=end, weighted=any(some), trace=trace)


def _check_shape(what: str, plane: Array | None, shape: tuple[int, int]) -> None:
    if plane is not None and plane.shape != shape:
        raise InputError(
            f"{what} {plane.shape} in the file of an image {shape}: must be of one shape: take the "
            "file as the pipeline wrote it"
        )


def _trace(whole: Whole, modelled: Sequence[tuple[Box, Array]]) -> Array:
    """Trace model of the image, or of its slit: that of its strips, else what is in the file."""
    if modelled:
        trace: Array = np.full(whole.box.shape, np.nan, np.float32)
        for strip, part in modelled:
            trace[strip.slices(whole.box)] = part
        return trace
    if whole.path is not None:
        with opened_fits(whole.path) as hdus:
            slit = whole.exposure.slit
            versions = {h.ver for h in hdus if str(h.header.get("SLTNAME", "")).strip() == slit}
            for hdu in hdus:
                if hdu.name == "TRACEMODEL" and (not slit or hdu.ver in versions):
                    trace = np.array(hdu.data, np.float32)
                    _check_shape("trace model", trace, whole.box.shape)
                    return trace
    raise InputError(
        f"{whole.exposure.filename or 'the exposure'}: no TRACEMODEL in its file: run "
        "adaptive_trace_model before, or set algorithm = 'weighted_profile'"
    )


def _numbered(path: Path | None, exp_type: str) -> Array | None:
    """Number of the slice of each pixel, from the file or its WCS; None if neither tells."""
    if path is None:
        return None
    with opened_fits(path) as hdus:
        if "REGIONS" in hdus and hdus["REGIONS"].data is not None:
            return np.array(hdus["REGIONS"].data)
        if exp_type != "MIR_MRS" or "ASDF" not in hdus:
            return None
    wcs = read_wcs(path)
    to_slices = wcs.get_transform(wcs.available_frames[0], "alpha_beta")
    return np.array(to_slices.label_mapper.mapper)


def _seen(
    product: Rate | RateInts, box: Box, labels: Array, axis: int, most: int
) -> tuple[Array, Array, bool]:
    """First and end position of each slice in a strip, and whether any pixel has an error."""
    inside = labels[box.y0 : box.y1, box.x0 : box.x1]
    planes = product.dq if product.dq.ndim == 3 else product.dq[None]
    first = np.full((len(planes), most), _NOWHERE, np.int32)
    end = np.zeros((len(planes), most), np.int32)
    start = box.y0 if axis == 1 else box.x0
    numbers = np.unique(inside[inside > 0])
    for i, plane in enumerate(planes):
        good = plane & flags.DO_NOT_USE == 0
        for n in numbers:
            at = np.flatnonzero((good & (inside == n)).any(axis=axis))
            if at.size:
                first[i, n], end[i, n] = start + at[0], start + at[-1] + 1
    return first, end, bool(np.any((product.err > 0) & np.isfinite(product.err)))
