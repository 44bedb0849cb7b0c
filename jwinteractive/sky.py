"""Sky position and wavelength of the pixels of an exposure, for a read-out.

From the gwcs that `assign_wcs` left in the file; before that step from the FITS keywords of the
SCI header, which know no distortion. A gwcs takes milliseconds for one pixel and hardly more for
thousands: it is asked for a tile of pixels at a time.
"""

from __future__ import annotations

import dataclasses as dc
import math
import threading
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np

from jwinteractive.data import Array
from jwinteractive.errors import InputError
from jwinteractive.fitsfile import opened_fits
from jwinteractive.silence import silence
from jwinteractive.wcs import brief, wcs_in

__all__ = ["Sky", "SkyPosition", "sky_of"]

TILE: Final = 64  # pixels on a side
TILES: Final = 64  # that are kept: 6 MB
_MICRON: Final = "um"
_DISPERSED: Final = (
    "SPEC", "SLIT", "GRISM", "WFSS", "SOSS", "IFU", "MRS", "BRIGHTOBJ", "AUTOWAVE", "LAMP", "DHS",
)  # fmt: skip
"""Parts of the EXP_TYPE of light that is spread: a pixel has no sky position of its own."""

Coordinates = Callable[[Array, Array], tuple[Array, ...]]
"""RA and Dec in degrees, and wavelengths in um where there are, of pixels (x, y) from 0."""


@dc.dataclass(frozen=True, slots=True)
class SkyPosition:
    """Of the centre of a pixel: RA and Dec (ICRS) in degrees, wavelength in um or None."""

    ra: float
    dec: float
    wavelength: float | None = None

    def words(self, sexagesimal: bool = False) -> str:
        """Short text, such as ``RA 53.123450 Dec -27.805120``, or in hours and degrees."""
        text = f"RA {self.ra:.6f} Dec {self.dec:.6f}"
        if sexagesimal:
            text = f"RA {_sexagesimal(self.ra / 15, 3)} Dec {_sexagesimal(self.dec, 2, '+')}"
        return text if self.wavelength is None else f"{text} {self.wavelength:.4f} {_MICRON}"


def _sexagesimal(value: float, digits: int, plus: str = "") -> str:
    sign = "-" if value < 0 else plus
    units = round(abs(value) * 3600 * 10**digits)  # in whole last digits: never 60 seconds
    minutes, seconds = divmod(units, 60 * 10**digits)
    hours, minutes = divmod(minutes, 60)
    width = digits + 3
    return f"{sign}{hours:02d}:{minutes:02d}:{seconds / 10**digits:0{width}.{digits}f}"


class Sky:
    """Sky positions of the pixels of one exposure, from its file.

    The file is read when something is first asked for: that may take seconds, for a gwcs needs
    packages that load slowly. Whoever must not wait calls `load` on another thread, and asks
    `ready`. May be asked from several threads.
    """

    def __init__(self, path: Path, slit: str = "") -> None:
        self.path, self.slit = path, slit
        self._lock = threading.Lock()
        self._tiles: OrderedDict[tuple[int, int], Array] = OrderedDict()
        self._found: _Found | None = None

    @property
    def ready(self) -> bool:
        """Whether positions are known at once."""
        return self._found is not None

    @property
    def reason(self) -> str:
        """Why there is no sky position, in one line; "" where there is."""
        return self._look().reason

    @property
    def approximate(self) -> bool:
        """Whether positions come from the header, without distortion."""
        return self._look().approximate

    @property
    def note(self) -> str:
        """Where positions come from, or why there are none."""
        found = self._look()
        return found.reason or ("header WCS, no distortion" if found.approximate else "assign_wcs")

    def load(self) -> None:
        """Read the file, if it was not read yet."""
        self._look()

    def at(self, y: int, x: int) -> SkyPosition | None:
        """Sky position of pixel (y, x); None where there is none, as outside of a spectrum."""
        found = self._look()
        ny, nx = found.shape
        if found.coordinates is None or not (0 <= y < ny and 0 <= x < nx):
            return None
        tile = self._tile(found.coordinates, found.shape, y // TILE, x // TILE)
        if tile is None:
            return None
        values = tile[:, y % TILE, x % TILE].tolist()
        if not all(map(math.isfinite, values)):
            return None
        return SkyPosition(values[0] % 360.0, *values[1:])

    def words(self, y: int, x: int, sexagesimal: bool = False) -> str:
        """Short text of `at`; "" where there is none."""
        position = self.at(y, x)
        return "" if position is None else position.words(sexagesimal)

    def _look(self) -> _Found:
        with self._lock:
            if self._found is None:
                self._found = _find(self.path, self.slit)
            return self._found

    def _tile(
        self, coordinates: Coordinates, shape: tuple[int, int], row: int, column: int
    ) -> Array | None:
        """RA, Dec and perhaps wavelength [quantity, y, x] of a tile, or None if it has failed."""
        with self._lock:
            place = row, column
            if place in self._tiles:
                self._tiles.move_to_end(place)
                return self._tiles[place]
            ny, nx = shape
            y, x = np.mgrid[
                row * TILE : min((row + 1) * TILE, ny),
                column * TILE : min((column + 1) * TILE, nx),
            ].astype(float)
            try:
                self._tiles[place] = np.stack(coordinates(x, y))
            except InputError as error:
                self._found = _Found(reason=str(error))
                return None
            while len(self._tiles) > TILES:
                self._tiles.popitem(last=False)
            return self._tiles[place]


def sky_of(path: Path | str, slit: str = "") -> Sky:
    """Sky positions of the pixels of an exposure, or of one of its slits; nothing is read yet.

    An odd file gives a `Sky` without positions that says why.
    """
    return Sky(Path(path), slit)


@dc.dataclass(frozen=True, slots=True)
class _Found:
    coordinates: Coordinates | None = None
    shape: tuple[int, int] = (0, 0)
    approximate: bool = False
    reason: str = ""


def _find(path: Path, slit: str) -> _Found:
    """Open a file and take the better of its two descriptions."""
    try:
        with opened_fits(path) as hdus:
            images = [hdu for hdu in hdus if hdu.name == "SCI"] or [hdus[0]]
            own = [i for i in images if slit and str(i.header.get("SLTNAME", "")).strip() == slit]
            images = own if len(own) == 1 else images
            if len(images) > 1:
                return _Found(reason=f"{len(images)} SCI images: each has a WCS of its own")
            if len(images[0].shape) < 2:
                return _Found(reason="it has no SCI image")
            ny, nx = images[0].shape[-2:]
            first, header = hdus[0].header, images[0].header.copy()
            assigned = _word(first, "S_WCS") == "COMPLETE" and "ASDF" in hdus
            stored = hdus["ASDF"].data.tobytes() if assigned else b""
    except InputError as error:
        return _Found(reason=str(error))
    reasons: list[str] = []
    if assigned:
        try:
            return _Found(_from_asdf(stored, slit), (ny, nx))
        except InputError as error:
            reasons.append(str(error))
    # a cube was put together on the sky, whatever spread its light
    exp_type = "" if _word(first, "DATAMODL") == "IFUCubeModel" else _word(first, "EXP_TYPE")
    try:
        return _Found(_from_header(header, exp_type), (ny, nx), approximate=True)
    except InputError as error:
        return _Found(reason="; ".join([*reasons, str(error)]))


def _word(header: Any, keyword: str) -> str:
    return str(header.get(keyword, "")).strip()


def _from_asdf(stored: bytes, slit: str) -> Coordinates:
    """Coordinates by the gwcs in the bytes of an ASDF extension.

    Raises
    ------
    InputError
        If there is none, or it asks for more than a pixel.
    """
    wcs = wcs_in(stored, slit)
    if wcs.pixel_n_dim != 2:
        inputs = ", ".join(wcs.forward_transform.inputs)
        raise InputError(f"its WCS asks for {wcs.pixel_n_dim} numbers ({inputs}), not for a pixel")
    return _by_frame(wcs, wcs.output_frame)


def _by_frame(wcs: Any, frame: Any) -> Coordinates:
    """Coordinates by a gwcs, put in order and brought to degrees and um."""
    from astropy import units as u

    kinds = [str(kind) for kind in frame.axes_type]
    wanted = [i for i, kind in enumerate(kinds) if kind == "SPATIAL"][:2]
    if len(wanted) < 2:
        raise InputError(f"its WCS gives {', '.join(kinds)}, no RA and Dec")
    targets = [u.deg, u.deg]
    if "SPECTRAL" in kinds:
        wanted.append(kinds.index("SPECTRAL"))
        targets.append(u.um)
    try:
        factors = [
            u.Unit(frame.unit[i]).to(target, equivalencies=u.spectral())
            for i, target in zip(wanted, targets, strict=True)
        ]
    except (ValueError, TypeError) as error:  # UnitConversionError is a TypeError
        raise InputError(f"its WCS has units {frame.unit} ({brief(error)})") from error

    def coordinates(x: Array, y: Array) -> tuple[Array, ...]:
        try:
            with silence():
                values = wcs(x, y)
        except Exception as error:  # a model of another version of its package
            raise InputError(f"its WCS cannot be computed ({brief(error)})") from error
        return tuple(
            np.asarray(values[i], float) * factor for i, factor in zip(wanted, factors, strict=True)
        )

    return coordinates


def _from_header(header: Any, exp_type: str) -> Coordinates:
    """Coordinates by the FITS keywords of an image.

    Raises
    ------
    InputError
        If they describe none, or the mode spreads the light over the pixels.
    """
    from astropy.wcs import WCS

    if any(word in exp_type for word in _DISPERSED):
        raise InputError(f"{exp_type} spreads the light: only assign_wcs can place a pixel")
    kinds = [_word(header, f"CTYPE{axis}") for axis in (1, 2)]
    if not (kinds[0].startswith("RA--") and kinds[1].startswith("DEC-")):
        raise InputError("its header has no sky coordinates (CTYPE1, CTYPE2)")
    for keyword in ("CRVAL1", "CRVAL2", "CRPIX1", "CRPIX2"):
        if not isinstance(header.get(keyword), int | float):  # astropy would take 0
            raise InputError(f"the WCS of its header is wrong ({keyword} is no number)")
    with silence():  # astropy mends dates, of no matter here
        try:
            wcs = WCS(header, naxis=2)
            wcs.wcs_pix2world(0.0, 0.0, 0)
        except (ValueError, TypeError, KeyError, ArithmeticError) as error:
            raise InputError(f"the WCS of its header is wrong ({brief(error)})") from error

    def coordinates(x: Array, y: Array) -> tuple[Array, ...]:
        return tuple(wcs.wcs_pix2world(x, y, 0))

    return coordinates
