"""Write spectra as official ``x1d`` and ``x1dints`` files, which other software reads.

One table for each source of each slit; of a time series, one row for each integration. Columns
whose wavelength is not known are left out; where none is, the axis is one of pixels and says so in
its unit.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import numpy as np
from astropy.io import fits

from jwinteractive.data import Array, SpectrumSet
from jwinteractive.errors import OutputError
from jwinteractive.fitsfile import opened_fits
from jwinteractive.io import provenance as record
from jwinteractive.io.header import header_of
from jwinteractive.io.provenance import Provenance
from jwinteractive.io.saving import bare_header, check_target, describe, mend_booleans, save_hdus
from jwinteractive.silence import silence

__all__ = ["spectra_suffix", "write_spectra"]

_VARIANCES: Final = ("POISSON", "RNOISE", "FLAT")
_TIMES: Final = MappingProxyType(
    {
        "MJD-BEG": "int_start_MJD_UTC",
        "MJD-AVG": "int_mid_MJD_UTC",
        "MJD-END": "int_end_MJD_UTC",
        "TDB-BEG": "int_start_BJD_TDB",
        "TDB-MID": "int_mid_BJD_TDB",
        "TDB-END": "int_end_BJD_TDB",
    }
)


def spectra_suffix(spectra: SpectrumSet) -> str:
    """Suffix of the official product: ``x1d``, or ``x1dints`` of a time series."""
    return "x1d" if len(spectra.flux) == 1 else "x1dints"


def write_spectra(
    spectra: Sequence[SpectrumSet],
    path: Path | str,
    provenance: Provenance,
    overwrite: bool = False,
) -> Path:
    """Write spectra of one exposure, all its slits, as a MultiSpecModel or TSOMultiSpecModel file.

    Parameters
    ----------
    spectra
        Of one source file, all of one image or all of a time series.
    path
        A ``.fits`` file, which appears whole or not at all.
    provenance
        What was done. Steps that the source's own provenance tells of are put before it.
    overwrite
        Whether an existing file may be replaced; the source never is.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    OutputError
        If the file cannot be written, or no column has a flux.
    InputError
        If the source is gone or damaged.
    """
    path = Path(path)
    first = spectra[0]
    if len({(s.source, spectra_suffix(s)) for s in spectra}) > 1:
        raise OutputError(f"{path}: spectra of one file only, of one kind: write each file's own")
    if not any(np.isfinite(s.flux).any() for s in spectra):
        raise OutputError(f"{path}: no spectrum has a flux: check the aperture and the flags")
    provenance = check_target(path, first.source, provenance, overwrite)
    header, cards, times = _source(first, [s.exposure.slit for s in spectra])
    save_hdus(path, _hdus(spectra, header, cards, times, path.name, provenance))
    return path


def _source(
    first: SpectrumSet, slits: Sequence[str]
) -> tuple[fits.Header, Sequence[Mapping[str, Any]], Any]:
    """Primary header, keywords of each slit's image, and times of integrations of the source."""
    bare = fits.Header(header_of(first.exposure, first.shape))
    for keyword in ("SUBSIZE1", "SUBSIZE2"):
        bare.remove(keyword)  # of the detector, not of a spectrum
    if first.source is None:
        return bare, [{} for _ in slits], None
    from jwinteractive.io.slits import slits_of

    with opened_fits(first.source) as hdus:
        header = bare_header(hdus[0].header)
        header.extend(bare, unique=True)
        times = hdus["INT_TIMES"].data.copy() if "INT_TIMES" in hdus else None
        named = {s.name: s.hdus["SCI"] for s in slits_of(hdus)}
        image = hdus["SCI"] if "SCI" in hdus else hdus[0]
        cards = [dict(named.get(slit, image).header) for slit in slits]
    return header, cards, times


def _hdus(
    spectra: Sequence[SpectrumSet],
    header: fits.Header,
    cards: Sequence[Mapping[str, Any]],
    times: Any,
    name: str,
    provenance: Provenance,
) -> fits.HDUList:
    from stdatamodels import fits_support
    from stdatamodels.jwst import datamodels

    series = spectra_suffix(spectra[0]) == "x1dints"
    kind = datamodels.TSOMultiSpecModel if series else datamodels.MultiSpecModel
    with silence():  # values of the source that the schema refuses go away
        mend_booleans(header, kind)
        model = kind(fits.HDUList([fits.PrimaryHDU(header=header)]))
        for own, known in zip(spectra, cards, strict=True):
            for source in range(own.shape[0]):
                model.spec.append(_spectrum(own, source, known, times))
        if times is not None and {"integration_number", *_TIMES.values()} == set(times.names):
            model.int_times = times
        describe(model, provenance)
        model.meta.filename = record.encode(name)
        model.on_save(None)
        hdus: fits.HDUList = fits_support.to_fits(model.instance, model.schema)
    return hdus


def _spectrum(spectra: SpectrumSet, source: int, known: Mapping[str, Any], times: Any) -> Any:
    """Official model of the spectrum of a source; a row for each integration of a series."""
    from stdatamodels.jwst import datamodels

    series = len(spectra.flux) > 1
    kind = datamodels.TSOSpecModel if series else datamodels.SpecModel
    columns, units = _columns(spectra, source)
    dtype = _dtype(kind)
    length = len(columns["WAVELENGTH"])
    if series:
        shaped: list[Any] = [(n, t, length) if n in columns else (n, t) for n, t in dtype]
        table = np.zeros(len(spectra.flux), shaped)
        table["INT_NUM"] = spectra.exposure.first_integration + np.arange(len(table))
        table["N_ALONGDISP"] = length
        table["SEGMENT"] = 1
        _tell_times(table, times)
    else:
        table = np.zeros(length, dtype)
    for name, values in columns.items():
        table[name] = values if series or values.ndim == 1 else values[0]
    model = kind(spec_table=table)
    for column, unit in units.items():
        model.spec_table.columns[column].unit = unit
    e = spectra.exposure
    words = {**known, "SLTNAME": known.get("SLTNAME", e.slit or None)}
    for keyword, attribute in _attributes(kind).items():
        if words.get(keyword) is not None and not isinstance(words[keyword], fits.card.Undefined):
            model[attribute] = words[keyword]
    model.source_type = model.source_type or e.source_type or "UNKNOWN"
    if len(spectra.names) > 1:  # the header's name is that of the slit's one source
        model.source_name = spectra.names[source]
        model.source_id = source + 1
    model.dispersion_direction = e.dispaxis if e.dispaxis in (1, 2) else None
    limits = spectra.limits[4 * source : 4 * source + 4]
    names = ("xstart", "xstop", "ystart", "ystop")
    for limit, value in zip(names, limits, strict=False):
        model[f"extraction_{limit}"] = value + 1
    return model


def _columns(spectra: SpectrumSet, source: int) -> tuple[dict[str, Array], dict[str, str]]:
    """Columns by official name, [x] or [integration, x], and their units."""
    axis, label = spectra.axis(source)
    keep = np.isfinite(axis)
    cut: Any = (slice(None), source, keep)
    variances = spectra.variances[:, :, source][:, :, keep]
    background = spectra.background_variances[:, :, source][:, :, keep]
    # an average over the aperture, as the official background is
    factor = spectra.surface[cut]
    each = factor if spectra.per_pixel else 1 / np.maximum(spectra.npixels[cut], 1e-300)
    unit = spectra.exposure.unit
    surface = spectra.surface_unit if spectra.per_pixel else unit
    found: dict[str, Array] = {"WAVELENGTH": axis[keep]}
    units = {"WAVELENGTH": "um" if label.startswith("wave") else "pixel"}
    for name, values, own, its_unit, prefix, error in (
        ("FLUX", spectra.flux[cut], variances, unit, "FLUX", "FLUX_ERROR"),
        ("SURF_BRIGHT", spectra.flux[cut] * factor, variances * factor**2, surface, "SB", ""),
        ("BACKGROUND", spectra.background[cut] * each, background * each**2, surface, "BKGD", ""),
    ):
        error = error or f"{prefix}_ERROR"
        found |= {name: values, error: np.sqrt(own.sum(axis=0))}
        units |= {name: its_unit, error: its_unit}
        for kind, variance in zip(_VARIANCES, own, strict=True):
            found[f"{prefix}_VAR_{kind}"] = variance
            units[f"{prefix}_VAR_{kind}"] = _squared(its_unit)
    found |= {"DQ": spectra.dq[cut], "NPIXELS": spectra.npixels[cut]}
    return found, units


def _squared(unit: str) -> str:
    """Square of a unit, in the form of the official files."""
    return " / ".join(f"{part.strip()}^2" for part in unit.split("/"))


def _dtype(kind: Any) -> list[tuple[str, str]]:
    columns = kind().schema["properties"]["spec_table"]["datatype"]
    return [(c["name"], np.dtype(c["datatype"]).str) for c in columns]


@functools.cache
def _attributes(kind: type) -> dict[str, str]:
    """What a model of a spectrum knows of its slit and source: keyword -> attribute."""
    found: dict[str, str] = {}

    def look(part: Any, name: str = "") -> None:
        for inner in part.get("allOf", ()):
            look(inner, name)
        for key, value in part.get("properties", {}).items():
            if key != "meta" and isinstance(value, dict) and "fits_keyword" in value:
                found.setdefault(value["fits_keyword"], key)

    look(kind().schema)
    return found


def _tell_times(table: Array, times: Any) -> None:
    """Put the times of integrations into rows of a table; NaN where they are not known."""
    for name in _TIMES:
        table[name] = np.nan
    if times is None or "integration_number" not in times.names:
        return
    number = {int(n): i for i, n in enumerate(times["integration_number"])}
    for row in table:
        at = number.get(int(row["INT_NUM"]))
        for name, column in _TIMES.items():
            if at is not None and column in times.names:
                row[name] = times[column][at]
