"""Write products as official JWST files that lose nothing of the file they come from.

The official data model of the product's kind is built from the source's headers, its ASDF tree and
its small HDUs; the pixels of the source that the product takes the place of are never read. What
the model has no name for (other HDUs, unknown keywords, values that its schema refuses) is carried
along as it is. What a fit tells beyond the official planes of a rate is put into image HDUs of its
own after them, shaped as SCI: CHI2, DOF, CHI2_BETWEEN (rate) and PEDESTAL (rateints, DN); official
software carries them along unread.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from astropy.io import fits

from jwinteractive.data import Box, Cube, Product, Ramp, Rate, RateInts
from jwinteractive.errors import OutputError
from jwinteractive.fitsfile import opened_fits
from jwinteractive.io import provenance as record
from jwinteractive.io.header import FIT_PLANES, header_of
from jwinteractive.io.patched import goes_back, write_back
from jwinteractive.io.provenance import Provenance
from jwinteractive.io.saving import bare_header, check_target, describe, mend_booleans, save_hdus
from jwinteractive.irs2 import FAST, science_rows
from jwinteractive.pages import release
from jwinteractive.silence import silence

__all__ = ["write_product"]

_IFU: Final = frozenset({"NRS_IFU", "MIR_MRS"})

# HDUs of a source whose pixels a product of the kind replaces, or that no longer belong to it.
_SAMPLES: Final = frozenset({"PIXELDQ", "GROUPDQ", "ZEROFRAME", "AVDRKCUR"})
_TRACE: Final = "TRACEMODEL"
_RATES: Final = frozenset({"ERR", "DQ", "VAR_POISSON", "VAR_RNOISE", _TRACE, *FIT_PLANES.values()})
_REPLACED: Final[Mapping[type[Product], frozenset[str]]] = MappingProxyType(
    {
        Ramp: _SAMPLES | _RATES,
        Rate: _SAMPLES | _RATES | {"REFOUT"},
        RateInts: _SAMPLES | _RATES | {"REFOUT"},
    }
)
_AT_ONCE: Final = 16 * 2**20  # bytes of pixels that are brought into the byte order of FITS
_OURS: Final = frozenset({record.STEPS, record.REFERENCES})


def write_product(
    product: Ramp | Rate | RateInts | Cube,
    path: Path | str,
    provenance: Provenance,
    overwrite: bool = False,
) -> Path:
    """Write a product as an official RampModel, ImageModel, IFUImageModel or CubeModel file.

    A slit or an IFU's cube goes into a copy of its file, where all else stays as it is. The file
    appears whole or not at all. ``Rate.integrations`` is a product of its own, to be written by
    another call.

    Parameters
    ----------
    product
        All pixels of an exposure; its ``source`` gives the rest of the file, where there is one.
    path
        A ``.fits`` file; its folder is made where it is missing.
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
        If the file cannot be written, or the product is only a part of its exposure.
    InputError
        If the source is gone or damaged.
    """
    if isinstance(product, Cube) or (not isinstance(product, Ramp) and goes_back(product)):
        return write_back([product], path, provenance, overwrite)
    path = Path(path)
    provenance = check_target(path, product.source, provenance, overwrite)
    with _frame(product) as frame:
        save_hdus(path, _hdus(product, frame, path.name, provenance))
    return path


@contextlib.contextmanager
def _frame(product: Ramp | Rate | RateInts) -> Iterator[fits.HDUList]:
    """Source without the pixels that the product replaces; a bare header where there is none."""
    described = header_of(product.exposure, product.shape)
    if product.source is None:
        yield fits.HDUList([fits.PrimaryHDU(header=fits.Header(described))])
        return
    with opened_fits(product.source) as source:
        science = source["SCI"] if "SCI" in source else source[0]
        _check_whole(product, science.shape)
        first = bare_header(source[0].header)
        for keyword, value in described.items():
            if keyword not in first or keyword == "NGROUPS":  # the number of groups there are
                first[keyword] = value
        frame = fits.HDUList([fits.PrimaryHDU(header=first)])
        if science is source[0]:  # an old file with its image in the primary HDU
            frame.append(_without_pixels(science, "SCI"))
        for hdu in source[1:]:
            replaced = hdu.name == "SCI" or hdu.name in _REPLACED[type(product)]
            frame.append(_without_pixels(hdu, hdu.name) if replaced else hdu)
        yield frame


def _check_whole(product: Product, shape: tuple[int, ...]) -> None:
    rows = shape[-2]
    if "IRS2" in product.exposure.readpatt and rows == FAST:
        rows = len(science_rows(product.exposure.detector))
    if product.covers != Box.whole((rows, shape[-1])):
        raise OutputError(
            f"product covers {product.covers} of an exposure of {shape[-2:]} pixels: only a whole "
            "exposure can be written: run it without a box"
        )


def _without_pixels(hdu: Any, name: str) -> fits.ImageHDU:
    return fits.ImageHDU(header=bare_header(hdu.header), name=name)


def _hdus(
    product: Ramp | Rate | RateInts, frame: fits.HDUList, name: str, provenance: Provenance
) -> fits.HDUList:
    """HDUs of the whole new file."""
    from stdatamodels import fits_support

    beside = _beside(frame)
    with silence():  # values that the schema refuses are put back at the end
        kind = _model(product)
        mend_booleans(frame[0].header, kind)
        model = kind(frame)
        _forget(model, frame, {"SCI", *_REPLACED[type(product)], *_OURS, *(h.name for h in beside)})
        _fill(model, product)
        describe(model, provenance)
        model.meta.filename = record.encode(name)
        model.on_save(None)
        hdus = fits_support.to_fits(model.instance, model.schema)
    for hdu in frame:
        if hdu.name not in hdus or hdu in beside or hdu.name == "ASDF":
            continue
        header, first = hdus[hdu.name].header, hdus[0].header
        for key, value, comment in hdu.header.cards:
            known = fits_support.is_builtin_fits_keyword(key) or key in header
            if not known and (key not in first or first[key] != value):
                header.append((key, value, comment), end=True)
    for hdu in beside:
        hdus.insert(len(hdus) - 1, hdu)
    return fits.HDUList([_InPieces(h.data, h.header) if _is_cube(h) else h for h in hdus])


class _InPieces(fits.ImageHDU):  # type: ignore[misc]  # astropy has no types
    """Cube [.., y, x] that is written some planes at a time: there is no copy of all of it."""

    def _writedata_internal(self, fileobj: Any) -> int:
        planes = self.data.reshape(-1, *self.data.shape[-2:])
        step, size = max(1, _AT_ONCE // planes[0].nbytes), 0
        for i in range(0, len(planes), step):
            size += fits.ImageHDU(planes[i : i + step])._writedata_internal(fileobj)
            release([planes])
        return size


def _is_cube(hdu: Any) -> bool:
    """Whether an HDU holds planes of a product."""
    data = hdu.data if type(hdu) is fits.ImageHDU and hdu.fileinfo() is None else None
    return data is not None and data.ndim > 2 and data.size > 0 and data.flags.c_contiguous


def _beside(frame: fits.HDUList) -> list[Any]:
    """HDUs that no model can hold: a model knows HDUs by name, these have none or share one."""
    count = Counter(hdu.name for hdu in frame[1:])
    return [h for h in frame[1:] if not h.name or (count[h.name] > 1 and h.name != "SCI")]


def _model(product: Ramp | Rate | RateInts) -> Any:
    from stdatamodels.jwst import datamodels

    if isinstance(product, Ramp):
        return datamodels.RampModel
    if isinstance(product, RateInts):
        return datamodels.CubeModel
    ifu = product.exposure.exp_type in _IFU
    return datamodels.IFUImageModel if ifu else datamodels.ImageModel


def _forget(model: Any, frame: fits.HDUList, names: set[str]) -> None:
    """Take out of a model the HDUs of these names, and pixels that it holds twice or not at all."""
    tree = model.instance
    for name in names:
        tree.get("extra_fits", {}).pop(name, None)
    pixels = [id(hdu.data) for hdu in frame if hdu.name != "ASDF" and hdu.data is not None]
    known = model.schema["properties"]
    for key, value in list(tree.items()):
        if value is None or (key not in known and id(value) in pixels):
            del tree[key]


def _fill(model: Any, product: Ramp | Rate | RateInts) -> None:
    pixels: Product = product.native()
    extra = model.instance.setdefault("extra_fits", {})
    for name, array in pixels.arrays().items():
        if name in FIT_PLANES:
            extra[FIT_PLANES[name]] = {"data": array}
        elif name == "trace_model" and name not in model.schema["properties"]:
            extra[_TRACE] = {"data": array}
        # a product inside this one is a file of its own, and what serves other steps goes nowhere
        elif "." not in name and name not in ("draft", "persistence_ends"):
            setattr(model, name, array)
    if "PEDESTAL" in extra:
        extra["PEDESTAL"]["header"] = [["BUNIT", "DN", "unit of the pixels"]]
    if isinstance(product, Ramp):
        model.meta.bunit_data = "DN"
        return
    unit = model.meta.bunit_data  # of the source: DN of a ramp, MJy/sr of a calibrated image
    model.meta.bunit_data = model.meta.bunit_err = "DN/s" if unit in (None, "DN") else unit
