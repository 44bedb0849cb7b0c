"""What flows between steps: read-only arrays that know where on the detector they lie.

The last two axes of every array are (y, x), and every pixel coordinate counts from 0 at the first
pixel of the *exposure* (its subarray), also in a product that is only a box of it.
"""

from __future__ import annotations

import dataclasses as dc
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self, TypeVar

import numpy as np

from jwinteractive.errors import InputError
from jwinteractive.irs2 import Interleaved
from jwinteractive.pages import read

__all__ = [
    "Array",
    "Box",
    "Cube",
    "Exposure",
    "Filed",
    "Product",
    "Ramp",
    "Rate",
    "RateInts",
    "SpectrumSet",
    "cut",
    "seal",
]

Array = np.ndarray[Any, Any]
T = TypeVar("T")


@dc.dataclass(frozen=True, slots=True, order=True)
class Box:
    """A rectangle of pixels, rows ``y0`` to ``y1`` and columns ``x0`` to ``x1``, ends excluded."""

    y0: int
    y1: int
    x0: int
    x1: int

    @classmethod
    def around(cls, y: int, x: int, reach: int = 0) -> Box:
        """Box of (2 ``reach`` + 1)² pixels centred on pixel (y, x)."""
        return cls(y - reach, y + reach + 1, x - reach, x + reach + 1)

    @classmethod
    def whole(cls, shape: tuple[int, int]) -> Box:
        """Box of all pixels of a (ny, nx) frame."""
        return cls(0, shape[0], 0, shape[1])

    @property
    def shape(self) -> tuple[int, int]:
        """Size (ny, nx)."""
        return self.y1 - self.y0, self.x1 - self.x0

    def grow(self, n: int, inside: Box) -> Box:
        """Box with ``n`` more pixels on each side, cut at the edges of ``inside``."""
        return Box(self.y0 - n, self.y1 + n, self.x0 - n, self.x1 + n).clip(inside)

    def hull(self, other: Box) -> Box:
        """Smallest box that contains this one and another."""
        return Box(
            min(self.y0, other.y0),
            max(self.y1, other.y1),
            min(self.x0, other.x0),
            max(self.x1, other.x1),
        )

    def clip(self, inside: Box) -> Box:
        """Part of this box that lies in ``inside``."""
        return Box(
            max(self.y0, inside.y0),
            min(self.y1, inside.y1),
            max(self.x0, inside.x0),
            min(self.x1, inside.x1),
        )

    def __contains__(self, other: Box) -> bool:
        return (
            self.y0 <= other.y0
            and other.y1 <= self.y1
            and self.x0 <= other.x0
            and other.x1 <= self.x1
        )

    def slices(self, within: Box) -> tuple[slice, slice]:
        """Index of this box in the last two axes of an array that covers ``within``."""
        return (
            slice(self.y0 - within.y0, self.y1 - within.y0),
            slice(self.x0 - within.x0, self.x1 - within.x0),
        )

    def strips(self, rows: int) -> Iterator[Box]:
        """Cut into full-width strips of at most ``rows`` rows."""
        for y in range(self.y0, self.y1, rows):
            yield Box(y, min(y + rows, self.y1), self.x0, self.x1)


def seal(thing: Any) -> None:
    """Make the arrays of a frozen dataclass read-only and set its ``box`` where it has none.

    Raises
    ------
    InputError
        If the arrays disagree with each other or with the box on (ny, nx).
    """
    shapes = set()
    for f in dc.fields(thing):
        array = getattr(thing, f.name)
        if isinstance(array, np.ndarray):
            view = array.view()
            view.flags.writeable = False
            object.__setattr__(thing, f.name, view)
            shapes.add(view.shape[-2:])
    what = type(thing).__name__
    if len(shapes) != 1:
        found = ", ".join(map(str, sorted(shapes))) or "none"
        raise InputError(f"{what} needs arrays of one (ny, nx) shape, gets {found}")
    (shape,) = shapes
    if thing.box is None:
        object.__setattr__(thing, "box", Box.whole(shape))
    elif thing.box.shape != shape:
        raise InputError(f"{what} covers {thing.box}, but its arrays are {shape}")


def cut(thing: T, box: Box) -> T:
    """Copy of a sealed dataclass with its arrays, and those of parts that have a ``crop``, cut.

    Raises
    ------
    InputError
        If the box is empty or reaches out of what the arrays cover.
    """
    covers: Box = thing.box  # type: ignore[attr-defined]  # set by `seal`
    if box == covers:
        return thing
    if box not in covers or min(box.shape) < 1:
        raise InputError(f"{box} does not lie in {covers}: choose a box inside the frame")
    rows, columns = box.slices(covers)
    parts: dict[str, Any] = {"box": box}
    for f in dc.fields(thing):  # type: ignore[arg-type]
        value = getattr(thing, f.name)
        if isinstance(value, np.ndarray):
            parts[f.name] = value[..., rows, columns]
        elif hasattr(value, "crop"):
            parts[f.name] = value.crop(box)
    return dc.replace(thing, **parts)  # type: ignore[type-var]


@dc.dataclass(frozen=True, kw_only=True, slots=True)
class Exposure:
    """What the header says of the exposure, by the names of the JWST keyword dictionary."""

    instrument: str
    detector: str
    exp_type: str = ""
    filter: str = ""
    pupil: str = ""
    grating: str = ""
    channel: str = ""
    band: str = ""
    subarray: str = "FULL"
    readpatt: str = ""
    nints: int = 1
    ngroups: int = 1
    nframes: int = 1
    groupgap: int = 0
    noutputs: int = 0  # amplifiers that read the frame; 0: not given
    frame_time: float = 0.0  # s
    group_time: float = 0.0  # s
    frame_divisor: int = 0  # 0: not given
    first_integration: int = 1  # of this file, in the exposure; counts from 1
    xstart: int = 1  # first column on the full detector; counts from 1
    ystart: int = 1
    fastaxis: int = 0
    slowaxis: int = 0
    gain_factor: float = 0.0  # 0: not given
    date: str = ""
    start_time: float = 0.0  # of the first integration of this file, MJD UTC; 0: not given
    integration_period: float = 0.0  # s from the start of one to that of the next; 0: not given
    tso: bool = False
    done: tuple[str, ...] = ()  # official steps that the file says it has been through
    filename: str = ""  # root of the file name, without the suffix of its product
    unit: str = "DN/s"  # of the pixels of a rate, a cube or a spectrum; those of a ramp are in DN
    dispaxis: int = 0  # wavelength runs along 1: x, 2: y, 3: planes; 0: light is not dispersed
    slit: str = ""  # of a file that holds several: name of the one this is
    source_id: int = 0  # 0: not given
    source_name: str = ""
    source_type: str = ""  # POINT or EXTENDED
    source_ra: float | None = None  # of the source, else of the target, degrees (ICRS)
    source_dec: float | None = None
    order: int = 0  # spectral; 0: not given
    pixel_area: float = 0.0  # sr; 0: not given

    @property
    def name(self) -> str:
        """What tells it from others of a set: root of the file name, and the slit if any."""
        return f"{self.filename} [{self.slit}]" if self.slit else self.filename


@dc.dataclass(frozen=True, kw_only=True)
class Product:
    """Base of everything that a step takes or gives.

    Attributes
    ----------
    exposure
        What the header says.
    box
        The pixels of the exposure that the arrays cover; by default those of the arrays.
    source
        File that the product goes back to; what the arrays do not hold of it (WCS, other HDUs,
        unknown keywords) is taken from there when the product is written.
    """

    exposure: Exposure
    box: Box | None = None
    source: Path | None = None

    def __post_init__(self) -> None:
        seal(self)

    def arrays(self) -> dict[str, Array]:
        """Return the arrays by field name; those of a product inside this one as ``name.field``."""
        found: dict[str, Array] = {}
        for f in dc.fields(self):
            value = getattr(self, f.name)
            if isinstance(value, np.ndarray):
                found[f.name] = value
            elif isinstance(value, Product):
                found |= {f"{f.name}.{k}": v for k, v in value.arrays().items()}
        return found

    @property
    def covers(self) -> Box:
        """The pixels of the exposure that the arrays cover."""
        assert self.box is not None  # set in __post_init__
        return self.box

    @property
    def shape(self) -> tuple[int, int]:
        """Detector shape (ny, nx) of the arrays."""
        return self.covers.shape

    @property
    def nbytes(self) -> int:
        """Bytes of all arrays."""
        return sum(a.nbytes for a in self.arrays().values())

    def replace(self, **changes: Any) -> Self:
        """Return a copy with ``changes``."""
        return dc.replace(self, **changes)

    def crop(self, box: Box) -> Self:
        """Return the pixels inside ``box`` (exposure coordinates), as views.

        Raises
        ------
        InputError
            If the box is empty or reaches out of this product.
        """
        return cut(self, box)

    def native(self) -> Self:
        """Return the arrays contiguous, in memory and in native byte order."""
        changes: dict[str, Any] = {}
        for f in dc.fields(self):
            value = getattr(self, f.name)
            if isinstance(value, np.ndarray):
                changes[f.name] = np.ascontiguousarray(value, value.dtype.newbyteorder("="))
            elif isinstance(value, Product):
                changes[f.name] = value.native()
        return dc.replace(self, **changes)


@dc.dataclass(frozen=True, kw_only=True)
class Ramp(Product):
    """Up-the-ramp samples.

    Attributes
    ----------
    data
        Signal [integration, group, y, x]; float32 DN after `native`, before it as in the file.
    groupdq
        Flags of each sample, uint8, same shape.
    pixeldq
        Flags of each pixel [y, x], uint32.
    zeroframe
        First frame of the first group [integration, y, x] in DN, where it was kept.
    average_dark_current
        Mean dark current [y, x] in e-/s that was subtracted, where it is known: its Poisson noise
        is still in the data.
    draft
        First estimate of the rate [integration, y, x] in DN/s, for a fit to begin with; NaN where
        there is none. It is of these samples and flags: see `replace`.
    persistence_ends
        When the persistence window of each pixel [y, x] closes that is open after the last group,
        seconds since 1970 (float64); 0: there is none.
    zero
        DN that `native` adds to data and zeroframe: FITS keeps unsigned integers as signed ones
        below this number (BZERO), and mapped files are not changed before they are read.
    interleaved
        Where the whole frames of an IRS2 exposure are, whose rows of pixels are ``data``.
    scene
        Why a pixel [y, x] told nothing of the 1/f noise, uint8 bits of `flicker.sources`; 0: it
        did.
    """

    data: Array
    groupdq: Array
    pixeldq: Array
    zeroframe: Array | None = None
    average_dark_current: Array | None = None
    draft: Array | None = None
    persistence_ends: Array | None = None
    zero: float = 0.0
    interleaved: Interleaved | None = None
    scene: Array | None = None

    def replace(self, **changes: Any) -> Self:
        """Return a copy with ``changes``.

        Unless they hold a new one, the draft is NaN everywhere where samples change, and in the
        pixels whose flags do: a fit begins afresh there.
        """
        if self.draft is not None and "draft" not in changes:
            if "data" in changes:
                changes["draft"] = np.full_like(self.draft, np.nan)
            elif "groupdq" in changes:
                changed = (changes["groupdq"] != self.groupdq).any(axis=1)
                changes["draft"] = np.where(changed, np.float32(np.nan), self.draft)
        return super().replace(**changes)

    def crop(self, box: Box) -> Self:
        """Return the pixels inside ``box``: views, or what is read of interleaved frames.

        Raises
        ------
        InputError
            If the box is empty or reaches out of this ramp.
        """
        return cut(self, box)._gathered()

    def _gathered(self) -> Self:
        """Ramp with its rows of pixels out of interleaved frames, where it is without them."""
        frames, box = self.interleaved, self.covers
        if frames is None or not frames.unread:
            return self
        return dc.replace(
            self,
            data=frames.rows(box.y0, box.y1, box.x0, box.x1),
            interleaved=dc.replace(frames, unread=False),
        )

    def native(self) -> Self:
        """Return contiguous arrays, samples as float32 in memory; from a map, read here."""
        if self.interleaved is not None and self.interleaved.unread:
            return self._gathered().native()
        frame = self.zeroframe
        types = {"average_dark_current": "f4", "draft": "f4", "persistence_ends": "f8"}
        held = {name: getattr(self, name) for name in types}
        known: dict[str, Any] = {
            n: np.ascontiguousarray(a, types[n]) for n, a in held.items() if a is not None
        }
        return dc.replace(
            self,
            data=read(self.data, np.float32, self.zero),
            groupdq=read(self.groupdq, np.uint8),
            pixeldq=np.ascontiguousarray(self.pixeldq, dtype=np.uint32),
            zeroframe=None if frame is None else read(frame, np.float32, self.zero),
            zero=0.0,
            **known,
        )


@dc.dataclass(frozen=True, kw_only=True)
class RateInts(Product):
    """Count rate of each integration: data, err in DN/s, variances in (DN/s)², dq [nint, y, x].

    Where the fit tells them: ``chi2`` of the group differences about it with ``dof`` degrees of
    freedom, and the ``pedestal`` in DN, the signal that was there before light fell. ``scene`` as
    of a ramp. ``var_flat``, ``wavelength``, ``replaced`` and ``trace_model`` as of a `Rate`; the
    wavelength and the trace model are one plane [y, x] for all integrations.
    """

    data: Array
    err: Array
    dq: Array
    var_poisson: Array
    var_rnoise: Array
    chi2: Array | None = None
    dof: Array | None = None
    pedestal: Array | None = None
    scene: Array | None = None
    var_flat: Array | None = None
    wavelength: Array | None = None
    replaced: Array | None = None
    trace_model: Array | None = None


@dc.dataclass(frozen=True, kw_only=True)
class Rate(Product):
    """Count rate: data and err in DN/s, variances in (DN/s)², dq uint32, all [y, x].

    ``integrations`` holds the rate of each integration where it is known. Where the fit tells
    them, ``chi2`` and ``dof`` are summed over the integrations, and ``chi2_between`` [y, x] is that
    of the integrations' rates about their common one. ``scene`` as of a ramp.

    Calibrated images have another unit, ``exposure.unit``, and where they are known the variance of
    the flat ``var_flat`` in its square, and the ``wavelength`` of each pixel in um, NaN where there
    is no light. ``replaced`` says how a bad pixel was replaced, uint8; 0: it was not.
    ``trace_model`` is the image as the official adaptive trace model has it, float32; NaN where it
    tells nothing.
    """

    data: Array
    err: Array
    dq: Array
    var_poisson: Array
    var_rnoise: Array
    chi2: Array | None = None
    dof: Array | None = None
    chi2_between: Array | None = None
    scene: Array | None = None
    integrations: RateInts | None = None
    var_flat: Array | None = None
    wavelength: Array | None = None
    replaced: Array | None = None
    trace_model: Array | None = None


@dc.dataclass(frozen=True, kw_only=True)
class Cube(Product):
    """Planes of one wavelength each, rectified on the sky: [plane, y, x], in ``exposure.unit``.

    Attributes
    ----------
    data, err
        Values and errors; what is not finite has not been seen.
    dq
        Flags, uint32.
    weight
        Pixels that a spaxel is made of, where the file tells; 0: none.
    wavelengths
        Of the planes, um.
    spaxel
        Side of a spaxel in arcsec; 0: not given.
    """

    data: Array
    err: Array
    dq: Array
    weight: Array | None = None
    wavelengths: tuple[float, ...] = ()
    spaxel: float = 0.0


@dc.dataclass(frozen=True, kw_only=True)
class Filed(Product):
    """An official file of no other kind, and a picture of it: [y, x] in ``exposure.unit``.

    Slits lie one above another in the picture, spectra are its rows; what else the file holds is in
    the file, ``source``.

    Attributes
    ----------
    data, err
        Values and errors, float32; NaN where there are none.
    dq
        Flags, uint32.
    model
        Its official data model.
    beside
        Other files that came with it, such as a catalogue of sources.
    """

    data: Array
    err: Array
    dq: Array
    model: str = ""
    beside: tuple[str, ...] = ()


@dc.dataclass(frozen=True, kw_only=True)
class SpectrumSet(Product):
    """Spectra of the sources of one exposure, [integration, source, x]; the box is of (source, x).

    Attributes
    ----------
    flux
        Less the background, float64, in ``exposure.unit``; NaN where no pixel counts.
    variances
        Of the flux, [3, integration, source, x]: Poisson noise, read noise, flat.
    background
        What was taken from each flux.
    background_variances
        What it adds to the variances, [3, integration, source, x].
    npixels
        Pixels that count, fractions included.
    dq
        Flags, uint32.
    wavelength
        [source, x] in um; NaN where it is not known.
    names
        Of the sources.
    limits
        Four numbers for each source: first and last column or plane, and first and last row of its
        aperture, or the centre x, y, in pixels from 0.
    per_pixel
        Flux of a pixel of surface brightness 1 in ``surface_unit``; 0: there is none.
    notes
        What had to be assumed, in plain sentences.
    """

    flux: Array
    variances: Array
    background: Array
    background_variances: Array
    npixels: Array
    dq: Array
    wavelength: Array
    names: tuple[str, ...] = ("",)
    limits: tuple[float, ...] = ()
    per_pixel: float = 0.0
    surface_unit: str = ""
    notes: tuple[str, ...] = ()

    @property
    def err(self) -> Array:
        """Standard deviation of the flux, [integration, source, x]."""
        found: Array = np.sqrt(self.variances.sum(axis=0))
        return found

    @property
    def surface(self) -> Array:
        """Factor from flux to surface brightness, [integration, source, x]; NaN: there is none."""
        size = self.npixels * self.per_pixel
        found: Array = np.divide(1, size, out=np.full(size.shape, np.nan), where=size > 0)
        return found

    def axis(self, source: int = 0) -> tuple[Array, str]:
        """Wavelengths of a source in um and a label; pixels where none is known."""
        wavelength = self.wavelength[source]
        if np.isfinite(wavelength).sum() > 1:
            return wavelength, "wavelength (um)"
        return np.arange(self.covers.x0, self.covers.x1), "pixel (no wavelength is known)"
