"""Where a reference comes from: override, folder, CRDS, the exposure's own simulated set, nominal.

The order is fixed and the source of each reference is shown to the user. Nothing is read before a
step asks; what was found is known by a key, so that a plan touches no arrays.
"""

from __future__ import annotations

import dataclasses as dc
import hashlib
import os
import threading
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, Literal, Self, TypeVar

import numpy as np
from astropy.io import fits

from jwinteractive.data import Exposure
from jwinteractive.detectors import same_detector
from jwinteractive.errors import MissingReference
from jwinteractive.irs2 import FAST
from jwinteractive.masks import Mask, read_text
from jwinteractive.pages import release
from jwinteractive.references.filed import NOT_APPLICABLE, FileReference
from jwinteractive.references.headers import ANY, allowed, cards, header_of
from jwinteractive.references.kinds import Reference, kind_of

__all__ = ["Found", "References"]

Source = Literal["override", "folder", "crds", "simulated", "nominal"]
R = TypeVar("R", bound=Reference)
_CALIBRATED: Final = frozenset(
    {
        "area", "dark", "emicorr", "flat", "gain", "ipc", "linearity", "mask", "photom",
        "pictureframe", "readnoise", "refpix", "reset", "rscd", "saturation", "superbias",
    }
)  # fmt: skip
"""Types of reference that many a file says it is of; one is never good for another."""


@dc.dataclass(frozen=True)
class Found:
    """One reference, found but not read.

    Attributes
    ----------
    key
        Identity: name, size and time of the file, or a digest of an array given by the user.
    source
        Which of the five sources it is from.
    name
        File name, or a word for what is no file.
    """

    kind: type[Reference]
    key: str
    source: Source
    name: str
    path: Path | None = None
    value: Reference | None = None
    mask: Mask | None = None

    def __str__(self) -> str:
        return self.name if self.name == self.source else f"{self.source}: {self.name}"


class References:
    """Finds the references of an exposure.

    Parameters
    ----------
    folder
        A folder of reference files, selected by their header keywords.
    overrides
        By reference type: a file, an array (its main plane), or a `Reference`; wins over all else.
    beside
        Folder of the simulated set that came with the exposure.
    crds
        Whether CRDS may be asked; by default if it is installed and configured by
        ``CRDS_PATH`` or ``CRDS_SERVER_URL``.
    masks
        Bad pixels by the user; an exposure gets those of the first that fits it.
    """

    def __init__(
        self,
        folder: Path | str | None = None,
        overrides: Mapping[str, Any] | None = None,
        beside: Path | None = None,
        crds: bool | None = None,
        masks: Iterable[Mask] = (),
    ) -> None:
        self.folder = None if folder is None else Path(folder)
        if self.folder is not None and not self.folder.is_dir():
            raise MissingReference(f"reference folder {self.folder}: no such folder")
        self.overrides = dict(overrides or {})
        self.beside = beside
        self.masks = tuple(masks)
        self.crds = _crds_configured() if crds is None else crds
        self.crds_said = ""
        self._found: dict[tuple[Any, ...], Found] = {}
        self._read: dict[str, Reference] = {}
        self._lock = threading.RLock()

    def with_override(self, reftype: str, value: Any) -> References:
        """Copy in which ``reftype`` comes from ``value`` (None: no override any more).

        Raises
        ------
        MissingReference
            If it is a file that is no such reference.
        """
        named = isinstance(value, str | Path) and value != NOT_APPLICABLE
        if named and Path(value).is_file():
            _check_type(reftype, Path(value))
        overrides = {k: v for k, v in self.overrides.items() if k != reftype}
        if value is not None:
            overrides[reftype] = value
        return References(self.folder, overrides, self.beside, self.crds, self.masks)

    def with_folder(self, folder: Path | str | None) -> References:
        """Copy that looks into another folder, or into none.

        Raises
        ------
        MissingReference
            If there is no such folder.
        """
        return References(folder, self.overrides, self.beside, self.crds, self.masks)

    def with_masks(self, masks: Iterable[Mask]) -> References:
        """Copy with other masks by the user."""
        return References(self.folder, self.overrides, self.beside, self.crds, masks)

    def differs_by_masks(self, other: References) -> bool:
        """Whether another finds all the same but for the user's masks."""
        mine, its = self.overrides, other.overrides
        return (
            (self.folder, self.beside, self.crds) == (other.folder, other.beside, other.crds)
            and mine.keys() == its.keys()
            and all(value is its[name] for name, value in mine.items())
        )

    def beside_of(self, folder: Path | None) -> References:
        """Copy that also knows the simulated set of one exposure."""
        return References(self.folder, self.overrides, folder, self.crds, self.masks)

    def recall(self, other: References) -> Self:
        """Take over what another has found and read, as far as it holds here; return itself."""
        if (self.folder, self.beside, self.crds) != (other.folder, other.beside, other.crds):
            return self

        def holds(kind: type[Reference]) -> bool:
            mine, its = (r.overrides.get(kind.reftype) for r in (self, other))
            return mine is its and (kind.from_mask is None or self.masks == other.masks)

        with other._lock:
            self._found |= {k: found for k, found in other._found.items() if holds(k[0])}
            known = {found.key for found in self._found.values()}
            self._read |= {k: read for k, read in other._read.items() if k in known}
        self.crds_said = other.crds_said
        return self

    def find(
        self,
        kind: type[Reference],
        exposure: Exposure,
        shape: tuple[int, int],
        override: str = "",
    ) -> Found:
        """Find the reference of a type for an exposure of (ny, nx) pixels.

        ``override`` is a file that wins over all else.

        Raises
        ------
        MissingReference
            If an override does not exist or does not fit.
        """
        if override:
            return _override(kind, override)
        with self._lock:
            where = (kind, exposure, shape)
            found = self._found.get(where)
            if found is None:
                found = self._of_file(kind, exposure, shape)
                found = found or next(self._search(kind, exposure, shape))
                self._found[where] = found
            return found

    def _of_file(
        self, kind: type[Reference], exposure: Exposure, shape: tuple[int, int]
    ) -> Found | None:
        """The file of a type that only official steps read; None for other types."""
        if not issubclass(kind, FileReference):
            return None
        override = self.overrides.get(kind.reftype)
        if isinstance(override, str) and override == NOT_APPLICABLE:
            return Found(kind, f"none-{kind.reftype}", "override", NOT_APPLICABLE, value=kind())
        if override is not None and not isinstance(override, str | Path):
            raise MissingReference(
                f"override of {kind.reftype}: official steps read files, not arrays: give a file"
            )
        files = self._search_files(kind, exposure, shape)
        found = next(files, None) if override is None else _override(kind, override)
        if found is None:
            if self.crds and self._best_of_crds(kind, exposure) == NOT_APPLICABLE:
                return Found(kind, f"none-{kind.reftype}", "crds", NOT_APPLICABLE, value=kind())
            return Found(kind, f"nominal-{kind.reftype}", "nominal", "nominal")
        # its own key: a step of ours may have read the same file
        key = f"file-{found.key}"
        return dc.replace(found, key=key, path=None, value=kind(path=found.path))

    def load(self, found: Found, exposure: Exposure, shape: tuple[int, int]) -> Reference:
        """Read what `find` found, cut to the exposure's subarray; held after the first time.

        Raises
        ------
        MissingReference
            If the file cannot be read, does not cover the subarray, or has no nominal stand-in.
        """
        with self._lock:
            if found.key not in self._read:
                self._read[found.key] = self._open(found, exposure, shape)
            return self._read[found.key]

    def _open(self, found: Found, exposure: Exposure, shape: tuple[int, int]) -> Reference:
        if found.value is not None:
            reference = found.value
        elif found.mask is not None:
            reference = found.kind.of_mask(found.mask, exposure, shape)
        elif found.path is not None:
            reference = _read_file(found.kind, found.path, exposure, shape)
        else:
            reference = found.kind.nominal(exposure, shape)
        if reference.box is not None and reference.box.shape != shape:
            raise MissingReference(
                f"{found}: is {reference.box.shape}, the exposure is {shape}; "
                f"give a {found.kind.reftype} of the exposure's shape"
            )
        return reference

    def mask_for(self, exposure: Exposure, shape: tuple[int, int]) -> Mask | None:
        """The user's mask for an exposure of (ny, nx) pixels, or None."""
        fitting = [m for m in self.masks if not m.misfit(exposure, shape)]
        # one of its own window rather than a larger one
        return min(fitting, key=lambda m: m.shape, default=None)

    def _search(
        self, kind: type[Reference], exposure: Exposure, shape: tuple[int, int]
    ) -> Iterator[Found]:
        if kind.reftype in self.overrides:
            yield _override(kind, self.overrides[kind.reftype])
        if kind.from_mask is not None and (mask := self.mask_for(exposure, shape)) is not None:
            key = mask.key(kind.from_mask, exposure.filename)
            if key:
                name = mask.title or f"mask of {mask.detector}"
                yield Found(kind, f"mask-{kind.from_mask}-{key}", "override", name, mask=mask)
        if kind.searched:
            yield from self._search_files(kind, exposure, shape)
        token = [kind.reftype, kind.__qualname__, exposure, shape]
        yield Found(kind, "nominal-" + _digest(repr(token).encode()), "nominal", "nominal")

    def _search_files(
        self, kind: type[Reference], exposure: Exposure, shape: tuple[int, int]
    ) -> Iterator[Found]:
        if self.folder is not None and (path := _select(kind, self.folder, exposure, shape)):
            yield _file(kind, path, "folder")
        if self.crds and (path := self._from_crds(kind, exposure)):
            yield _file(kind, path, "crds")
        if self.beside is not None and (path := _select(kind, self.beside, exposure, shape)):
            yield _file(kind, path, "simulated")

    def _from_crds(self, kind: type[Reference], exposure: Exposure) -> Path | None:
        best = self._best_of_crds(kind, exposure)
        return Path(best) if best not in ANY else None

    def _best_of_crds(self, kind: type[Reference], exposure: Exposure) -> str:
        """Path that CRDS answers, "N/A" where it says that none applies, "" for no answer."""
        if self.crds_said:  # it failed before: do not wait for the network once more
            return ""
        try:
            import crds

            best = crds.getreferences(
                _crds_parameters(exposure), reftypes=[kind.reftype], observatory="jwst"
            )
        except SystemExit:  # its way of saying so
            self.crds_said = "no server can be reached and CRDS_PATH holds no cache"
            return ""
        except LookupError:  # it has none of this type; of others it may
            return ""
        except Exception as error:
            self.crds_said = str(error).partition("\n")[0] or type(error).__name__
            return ""
        path = str(best.get(kind.reftype, ""))
        if path.upper().startswith("NOT FOUND"):
            return NOT_APPLICABLE if NOT_APPLICABLE in path.upper() else ""
        return path


def _digest(data: bytes) -> str:
    return hashlib.blake2b(data, digest_size=12).hexdigest()


def _file(kind: type[Reference], path: Path, source: Source) -> Found:
    try:
        stat = path.stat()
    except OSError:
        raise MissingReference(
            f"{kind.reftype} reference {path}: no such file; correct the path or leave it out"
        ) from None
    key = _digest(f"{kind.reftype} {path.name} {stat.st_size} {stat.st_mtime_ns}".encode())
    return Found(kind, f"{path.name}-{key}", source, path.name, path=path)


def _override(kind: type[Reference], value: Any) -> Found:
    if isinstance(value, Reference):
        if not isinstance(value, kind):
            raise MissingReference(
                f"override of {kind.reftype}: needs a {kind.__name__}, got {type(value).__name__}"
            )
    elif isinstance(value, np.ndarray):
        main = kind.required[0]
        planes: dict[str, Any] = {main: value}
        if "dq" in kind.hdus and main != "dq":
            planes["dq"] = np.zeros(value.shape[-2:], np.uint32)
        value = kind(**planes)
    else:
        found = _file(kind, Path(value), "override")
        _check_type(kind.reftype, Path(value))
        return found
    parts = [repr(f) for f in _plain(value)] + [
        f"{a.shape}{a.dtype}" + _digest(np.ascontiguousarray(a).tobytes())
        for a in value.arrays().values()
    ]
    key = _digest("|".join(parts).encode())
    return Found(kind, f"array-{key}", "override", "array", value=value)


def _check_type(reftype: str, path: Path) -> None:
    """Refuse a file of another type than it is named for: of the same shape it would do in silence.

    Raises
    ------
    MissingReference
        If its header says so, or there is none.
    """
    if kind_of(reftype) is not None and reftype not in _CALIBRATED:
        return  # a mask, say, has many forms
    try:
        told = str(header_of(path).get("REFTYPE") or "").strip().lower()
    except (OSError, ValueError) as error:
        why = str(error).partition("\n")[0]
        raise MissingReference(
            f"{reftype} reference {path}: cannot be read ({why}): name another file"
        ) from None
    if told in _CALIBRATED and told != reftype:
        raise MissingReference(
            f"{reftype} reference {path}: its header says that it is of type {told}: name a "
            f"{reftype} file"
        )


def _plain(reference: Reference) -> list[Any]:
    values = (getattr(reference, f.name) for f in dc.fields(reference))
    return [v for v in values if not isinstance(v, np.ndarray)]


def _window(
    header: Mapping[str, Any], exposure: Exposure, shape: tuple[int, int]
) -> tuple[slice, slice] | None:
    """Where the exposure lies in a reference, from SUBSTRT and SUBSIZE; None if it does not.

    A file without SUBSTRT of just the exposure's size (a mask drawn by hand) is taken as its own.
    """
    ny = int(header.get("SUBSIZE2") or 2048)
    nx = int(header.get("SUBSIZE1") or 2048)
    if ny == FAST and "IRS2" in exposure.readpatt:
        ny = shape[0]  # rows of pixels alone are read
    if not (header.get("SUBSTRT1") or header.get("SUBSTRT2")) and (ny, nx) == shape:
        return slice(0, ny), slice(0, nx)
    y = exposure.ystart - int(header.get("SUBSTRT2") or 1)
    x = exposure.xstart - int(header.get("SUBSTRT1") or 1)
    if y < 0 or x < 0 or y + shape[0] > ny or x + shape[1] > nx:
        return None
    return slice(y, y + shape[0]), slice(x, x + shape[1])


def _read_file(
    kind: type[Reference], path: Path, exposure: Exposure, shape: tuple[int, int]
) -> Reference:
    if path.suffix == ".asdf":
        return _read_tree(kind, path, exposure)
    if path.suffix == ".toml":
        return _read_mask(kind, path, exposure, shape)
    try:
        if path.suffix == ".npy":
            return _read_array(kind, path, exposure, shape)
        # None maps where it can: True refuses every scaled array, and so each uint32 DQ;
        # mapped for reading only, or pages that a strip has used could not be let go
        mapped = False if path.suffix == ".gz" else None
        hdus = fits.open(path, mode="denywrite", memmap=mapped)
    except OSError as error:
        raise MissingReference(f"{kind.reftype} reference {path}: {error}") from None
    with hdus:  # arrays that were mapped stay open behind their views
        window = _window(cards(hdus), exposure, shape)
        if window is None:
            raise MissingReference(
                f"{kind.reftype} reference {path.name}: does not cover the exposure's subarray "
                f"(x from {exposure.xstart}, y from {exposure.ystart}, {shape[1]} x {shape[0]})"
            )
        try:
            found = kind.read(hdus, window, exposure)
        except (KeyError, ValueError, TypeError, IndexError) as error:
            raise MissingReference(
                f"{kind.reftype} reference {path.name}: cannot be read ({error})"
            ) from None
    release(found.arrays().values())
    return found


def _read_array(
    kind: type[Reference], path: Path, exposure: Exposure, shape: tuple[int, int]
) -> Reference:
    """Read one array of numbers, of just the exposure's size."""
    try:
        array = np.load(path, allow_pickle=False)
    except ValueError as error:
        raise MissingReference(f"{kind.reftype} reference {path}: {error}") from None
    if array.shape[-2:] != shape:
        raise MissingReference(
            f"{kind.reftype} reference {path.name}: is {array.shape}, the exposure is {shape}: "
            "give one of the exposure's shape"
        )
    hdus = fits.HDUList([fits.PrimaryHDU(), fits.ImageHDU(array, name=kind.hdus["data"])])
    return kind.read(hdus, (slice(None), slice(None)), exposure)


def _read_tree(kind: type[Reference], path: Path, exposure: Exposure) -> Reference:
    try:
        return kind.read_tree(_tree(path), exposure)
    except (OSError, KeyError, ValueError, TypeError, AttributeError) as error:
        raise MissingReference(
            f"{kind.reftype} reference {path}: cannot be read ({error})"
        ) from None


def _read_mask(
    kind: type[Reference], path: Path, exposure: Exposure, shape: tuple[int, int]
) -> Reference:
    try:
        return kind.of_mask(read_text(path), exposure, shape)
    except ValueError as error:  # an InputError is one
        raise MissingReference(f"{kind.reftype} reference {path.name}: {error}") from None


def _tree(path: Path) -> Mapping[str, Any]:
    """Contents of an ASDF file, in memory."""
    import asdf

    with asdf.open(path, lazy_load=False, memmap=False) as file:
        return dict(file.tree)


def _select(
    kind: type[Reference], folder: Path, exposure: Exposure, shape: tuple[int, int]
) -> Path | None:
    """Best file of a type in a folder: right keywords, covering, nearest size, latest USEAFTER."""
    wanted = {
        "DETECTOR": exposure.detector,
        "READPATT": exposure.readpatt,
        "FILTER": exposure.filter,
        "PUPIL": exposure.pupil,
        "GRATING": exposure.grating,
        "CHANNEL": exposure.channel,
        "BAND": exposure.band,
        "EXP_TYPE": exposure.exp_type,
    }
    best: tuple[Any, ...] | None = None
    for path in sorted(p for pattern in kind.files for p in folder.glob(pattern)):
        try:
            header = header_of(path)
        except (OSError, ValueError):
            continue  # not such a file after all
        if str(header.get("REFTYPE", "")).lower() != kind.reftype:
            continue
        instrument = str(header.get("INSTRUME") or exposure.instrument).upper()
        if instrument not in ANY | {exposure.instrument}:
            continue
        if not all(_allows(header, keyword, wanted[keyword]) for keyword in kind.selects):
            continue
        if not kind.of_pixels and not _is_for_subarray(header, exposure):
            continue
        framed = kind.of_pixels or "SUBSTRT1" in header
        if framed and _window(header, exposure, shape) is None:
            continue
        useafter = str(header.get("USEAFTER", ""))
        if exposure.date and useafter[:10] > exposure.date:
            continue
        same = header.get("SUBARRAY") == exposure.subarray
        rank = (same, useafter, path.name)
        if best is None or rank > best[0]:
            best = (rank, path)
    return None if best is None else best[1]


def _allows(header: Mapping[str, Any], keyword: str, value: str) -> bool:
    given = allowed(header, keyword)
    return not given or any(same_detector(name, value) for name in given)


def _is_for_subarray(header: Mapping[str, Any], exposure: Exposure) -> bool:
    given = allowed(header, "SUBARRAY")
    return not given or "FULL" in given or exposure.subarray in given


def _crds_configured() -> bool:
    from importlib.util import find_spec

    set_up = os.environ.get("CRDS_PATH") or os.environ.get("CRDS_SERVER_URL")
    return bool(set_up) and find_spec("crds") is not None


def _crds_parameters(exposure: Exposure) -> dict[str, Any]:
    date, _, time = exposure.date.partition("T")
    values = {
        "INSTRUMENT.NAME": exposure.instrument,
        "INSTRUMENT.DETECTOR": exposure.detector,
        "INSTRUMENT.FILTER": exposure.filter,
        "INSTRUMENT.PUPIL": exposure.pupil,
        "INSTRUMENT.GRATING": exposure.grating,
        "INSTRUMENT.CHANNEL": exposure.channel,
        "INSTRUMENT.BAND": exposure.band,
        "EXPOSURE.TYPE": exposure.exp_type,
        "EXPOSURE.READPATT": exposure.readpatt,
        "EXPOSURE.NFRAMES": exposure.nframes,
        "EXPOSURE.GROUPGAP": exposure.groupgap,
        "SUBARRAY.NAME": exposure.subarray,
        "VISIT.TSOVISIT": "T" if exposure.tso else "F",
        "OBSERVATION.DATE": date,
        "OBSERVATION.TIME": time or "00:00:00",
    }
    return {f"META.{k}": str(v) for k, v in values.items() if v != ""}
