"""Spectra as pictures that can be compared: a row for each, at the wavelengths of the first.

Ours are arrays, official ones lie in tables of a file; they may have other wavelengths.
"""

from __future__ import annotations

import dataclasses as dc
from collections.abc import Sequence

import numpy as np
from astropy.io import fits

from jwinteractive import dq
from jwinteractive.data import Array, Filed, Product, SpectrumSet
from jwinteractive.fitsfile import opened_fits

__all__ = ["alike"]


@dc.dataclass(frozen=True)
class _Row:
    """One spectrum: wavelength in um, rising; flux and error in the file's unit; flags."""

    wavelength: Array
    flux: Array
    err: Array
    flags: Array


def alike(a: Product, b: Product) -> tuple[Product, Product]:
    """Two products of one kind that hold spectra, or the same as they were.

    Spectra of the second are interpolated to the wavelengths of the first: flux and error
    linearly, flags from the nearest. Where they do not reach there are none.
    """
    if type(a) is type(b) and not isinstance(a, SpectrumSet):
        return a, b
    mine, its = _rows(a), _rows(b)
    if not mine or len(mine) != len(its):
        return a, b
    moved = [_at(row, to.wavelength) for row, to in zip(its, mine, strict=True)]
    return _picture(a, mine), _picture(b, moved)


def _rows(product: Product) -> list[_Row]:
    """Spectra of a product in order: sources, and integrations of each."""
    if isinstance(product, SpectrumSet):
        err = np.sqrt(product.variances.sum(axis=0))
        return [
            _row(product.axis(source)[0], product.flux[i, source], err[i, source], flags)
            for source in range(product.shape[0])
            for i, flags in enumerate(product.dq[:, source])
        ]
    if isinstance(product, Filed) and product.source is not None:
        with opened_fits(product.source) as hdus:
            return [
                row
                for hdu in hdus
                if isinstance(hdu, fits.BinTableHDU) and hdu.name == "EXTRACT1D"
                for row in _table_rows(hdu.data)
            ]
    return []


def _table_rows(table: Array) -> list[_Row]:
    """Spectra of a table: one, or one in each of its rows."""
    columns = [np.atleast_2d(table[n]) for n in ("WAVELENGTH", "FLUX", "FLUX_ERROR", "DQ")]
    return [_row(*values) for values in zip(*columns, strict=True)]


def _row(wavelength: Array, flux: Array, err: Array, flags: Array) -> _Row:
    known = np.isfinite(wavelength) & (wavelength > 0)  # short spectra are filled up with 0
    order = np.argsort(wavelength[known])
    taken = [np.asarray(v)[known][order] for v in (wavelength, flux, err, flags)]
    return _Row(*taken)


def _at(row: _Row, wavelength: Array) -> _Row:
    if np.array_equal(row.wavelength, wavelength):
        return row
    if not row.wavelength.size:
        nothing = np.full(wavelength.shape, np.nan)
        return _Row(wavelength, nothing, nothing, np.full(wavelength.shape, dq.DO_NOT_USE))
    flux, err = (
        np.interp(wavelength, row.wavelength, v, left=np.nan, right=np.nan)
        for v in (row.flux, row.err)
    )
    edges = (row.wavelength[1:] + row.wavelength[:-1]) / 2
    flags = row.flags[np.searchsorted(edges, wavelength)]
    return _Row(wavelength, flux, err, np.where(np.isfinite(flux), flags, dq.DO_NOT_USE))


def _picture(product: Product, rows: Sequence[_Row]) -> Filed:
    width = max(1, *(row.flux.size for row in rows))
    data, err = (np.full((len(rows), width), np.nan, np.float32) for _ in range(2))
    flags = np.full(data.shape, dq.DO_NOT_USE, np.uint32)
    for i, row in enumerate(rows):
        data[i, : row.flux.size] = row.flux
        err[i, : row.flux.size] = row.err
        flags[i, : row.flux.size] = row.flags
    return Filed(exposure=product.exposure, source=product.source, data=data, err=err, dq=flags)
