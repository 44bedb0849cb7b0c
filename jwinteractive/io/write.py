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
import errno
import functools
import os
import re
import uuid
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from importlib.metadata import version
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from astropy.io import fits
from astropy.utils.exceptions import AstropyWarning

from jwinteractive.data import Box, Product, Ramp, Rate, RateInts
from jwinteractive.errors import OutputError
from jwinteractive.fitsfile import opened_fits
from jwinteractive.io import provenance as record
from jwinteractive.io.header import FIT_PLANES, header_of
from jwinteractive.io.provenance import Provenance, read_provenance
from jwinteractive.irs2 import FAST, science_rows
from jwinteractive.pages import release

__all__ = ["check_writable", "output_name", "root_name", "write_product"]

_SUFFIX: Final = re.compile(
    "_(uncal|dark|ramp|jump|rate|rateints|cal|calints|crf|crfints|bsub|bsubints|i2d|s2d|s3d|x1d|"
    "x1dints|c1d)$"
)
_IFU: Final = frozenset({"NRS_IFU", "MIR_MRS"})

# HDUs of a source whose pixels a product of the kind replaces, or that no longer belong to it.
_SAMPLES: Final = frozenset({"PIXELDQ", "GROUPDQ", "ZEROFRAME", "AVDRKCUR"})
_RATES: Final = frozenset({"ERR", "DQ", "VAR_POISSON", "VAR_RNOISE", *FIT_PLANES.values()})
_REPLACED: Final[Mapping[type[Product], frozenset[str]]] = MappingProxyType(
    {
        Ramp: _SAMPLES | _RATES,
        Rate: _SAMPLES | _RATES | {"REFOUT"},
        RateInts: _SAMPLES | _RATES | {"REFOUT"},
    }
)
_AT_ONCE: Final = 16 * 2**20  # bytes of pixels that are brought into the byte order of FITS
_OURS: Final = frozenset({record.STEPS, record.REFERENCES})


def output_name(path: Path | str, suffix: str) -> str:
    """File name of a result: ``a_uncal.fits`` and ``rate`` give ``a_rate.fits``.

    A suffix of an official product is replaced; to any other name the new one is appended.
    """
    return f"{root_name(path)}_{suffix}.fits"


def root_name(path: Path | str) -> str:
    """File name without its ending and the suffix of an official product: its exposure's name."""
    root = re.sub(r"\.fits(\.\w+)?$", "", Path(path).name, flags=re.IGNORECASE)
    return _SUFFIX.sub("", root)


def check_writable(paths: Iterable[Path | str], overwrite: bool = False) -> None:
    """Check, before long work, that results can be written; nothing is made on disk.

    Raises
    ------
    OutputError
        If a name is no ``.fits`` name or is given twice, the file exists and may not be
        overwritten, or its folder cannot be written or made.
    """
    seen: set[Path] = set()
    for path in map(Path, paths):
        if path in seen:
            raise OutputError(f"{path}: two results would get this name: give each its own")
        seen.add(path)
        if path.suffix.lower() != ".fits":
            raise OutputError(f"{path}: a result is a FITS file: let its name end with .fits")
        if path.is_dir():
            raise OutputError(f"{path}: is a folder: choose another name")
        if path.exists() and not overwrite:
            raise OutputError(f"{path}: exists: allow overwriting or choose another name")
        folder = next(p for p in path.absolute().parents if p.exists())
        if not folder.is_dir():
            raise OutputError(f"{path}: {folder} is a file, not a folder: choose another folder")
        if not os.access(folder, os.W_OK | os.X_OK):
            raise OutputError(f"{path}: {folder} may not be written to: choose another folder")


def write_product(
    product: Ramp | Rate | RateInts,
    path: Path | str,
    provenance: Provenance,
    overwrite: bool = False,
) -> Path:
    """Write a product as an official RampModel, ImageModel, IFUImageModel or CubeModel file.

    The file appears whole or not at all. ``Rate.integrations`` is a product of its own, to be
    written by another call.

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
    path = Path(path)
    check_writable([path], overwrite)
    if product.source is not None:
        if path.resolve() == product.source.resolve():
            raise OutputError(f"{path}: is the file the product comes from: choose another name")
        provenance = provenance.after(read_provenance(product.source))
    with _frame(product) as frame:
        hdus = _hdus(product, frame, path.name, provenance)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            _replace(path, hdus)
        except (OSError, fits.VerifyError) as error:
            full = getattr(error, "errno", None) == errno.ENOSPC or "space" in str(error)
            way_out = "free some space or choose another disk" if full else "choose another folder"
            reason = getattr(error, "strerror", None) or str(error).partition("\n")[0]
            raise OutputError(f"{path}: cannot be written ({reason}): {way_out}") from error
    return path


def _replace(path: Path, hdus: fits.HDUList) -> None:
    draft = path.with_name(f".{path.stem}-{uuid.uuid4().hex[:8]}.tmp")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", AstropyWarning)  # of the source's cards, kept as are
            hdus.writeto(draft, output_verify="silentfix")
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


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
        first = _bare(source[0].header)
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


def _bare(header: fits.Header) -> fits.Header:
    """Copy of a header without what describes the bytes of its HDU."""
    bare = header.copy(strip=True)
    for keyword in ("CHECKSUM", "DATASUM"):
        bare.remove(keyword, ignore_missing=True)
    return bare


def _without_pixels(hdu: Any, name: str) -> fits.ImageHDU:
    return fits.ImageHDU(header=_bare(hdu.header), name=name)


def _hdus(
    product: Ramp | Rate | RateInts, frame: fits.HDUList, name: str, provenance: Provenance
) -> fits.HDUList:
    """HDUs of the whole new file."""
    from stdatamodels import fits_support

    beside = _beside(frame)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # values that the schema refuses are put back at the end
        kind = _model(product)
        for keyword in _booleans(kind):  # old files write true and false as 1 and 0
            if frame[0].header.get(keyword) in (0, 1):
                frame[0].header[keyword] = bool(frame[0].header[keyword])
        model = kind(frame)
        _forget(model, frame, {"SCI", *_REPLACED[type(product)], *_OURS, *(h.name for h in beside)})
        _fill(model, product)
        _describe(model, provenance)
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


@functools.cache
def _booleans(kind: type) -> tuple[str, ...]:
    """Keywords of the primary header that a model's schema wants true or false."""
    from stdatamodels.schema import walk_schema

    found: list[str] = []

    def look(part: dict[str, Any], *rest: Any) -> None:
        if part.get("type") == "boolean" and part.get("fits_hdu", "PRIMARY") == "PRIMARY":
            found.extend(k for k in [part.get("fits_keyword")] if k)

    walk_schema(kind().schema, look)
    return tuple(found)


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


def _describe(model: Any, provenance: Provenance) -> None:
    """Put a provenance into a model: official keywords, ours, a history line and two tables."""
    meta = model.schema["properties"]["meta"]["properties"]
    for step in provenance.steps:
        name = step.cal_step or step.step
        if name not in meta["cal_step"]["properties"]:
            continue
        # A step that is skipped because the file has been through it before stays complete.
        if step.state == "complete" or model[f"meta.cal_step.{name}"] != "COMPLETE":
            model[f"meta.cal_step.{name}"] = step.state.upper()
    for reference in provenance.references:
        if reference.reftype in meta["ref_file"]["properties"]:
            prefix = "crds://" if reference.source == "crds" else ""
            given = prefix + record.encode(reference.name)
            name = "N/A" if reference.source == "nominal" else given
            model[f"meta.ref_file.{reference.reftype}.name"] = name
    package = version("jwinteractive")
    recipe = record.encode(provenance.recipe)
    model.add_history_entry(
        f"jwinteractive {package} recipe {recipe or '-'} result {provenance.key or '-'}",
        software={"name": "jwinteractive", "version": package},
    )
    extra = model.instance.setdefault("extra_fits", {})
    cards = extra.setdefault("PRIMARY", {}).setdefault("header", [])
    ours = {
        record.VERSION: (package, "version of jwinteractive"),
        record.RECIPE: (recipe, "recipe"),
        record.KEY: (provenance.key, "key of the result"),
    }
    cards[:] = [card for card in cards if card[0] not in ours]
    cards += [[keyword, *rest] for keyword, rest in ours.items()]
    for name, table in record.tables(provenance).items():
        extra[name] = {"data": table}
