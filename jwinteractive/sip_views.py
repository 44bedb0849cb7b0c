"""How near the SIP of an image is to its full transform, for steps that give an image its WCS."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any, Final

import numpy as np

from jwinteractive.data import Filed
from jwinteractive.errors import InputError
from jwinteractive.fitsfile import opened_fits
from jwinteractive.sip import TOLERANCE, SipFit, fit_sip
from jwinteractive.sip_residuals import Residuals, header_residuals
from jwinteractive.views import Curve, Frame, Plot, Shown, Table, View
from jwinteractive.wcs import read_wcs

__all__ = ["fit_file", "image_header", "sip_views"]

_UNIT: Final = "mpx"  # thousandths of a pixel


def sip_views() -> tuple[View, ...]:
    """The fitted SIP and that of the file less the full transform, and residuals by degree.

    They are drawn from the file that a product goes back to, once while it stays as it is; the
    tolerance and the degree are those of the step's ``sip_max_pix_error`` and ``sip_degree`` where
    it has them. An `InputError` says why there is nothing to see.
    """
    return (
        View(title="SIP less the full transform", draw=_forward),
        View(title="inverse SIP less the full transform", draw=_inverse),
        View(title="SIP of the file less the full transform", draw=_of_file),
        View(title="SIP residuals by degree", draw=_by_degree),
        View(title="SIP degrees", draw=_table),
    )


def fit_file(
    path: Path | str, *, tolerance: float = TOLERANCE, degree: int | None = None
) -> SipFit:
    """Fit SIP to the WCS of a file of one image; kept while the file stays as it is.

    Parameters
    ----------
    path
        A file that went through assign_wcs.
    tolerance
        Largest residual that is wanted, in pixels.
    degree
        To be taken whatever it reaches; None: the lowest that reaches the tolerance.

    Raises
    ------
    InputError
        If it has no WCS, or none of an image.
    ParamError
        If the tolerance or the degree cannot be.
    """
    path = Path(path)
    return _fitted(path, _changed(path), tolerance, degree)


def image_header(path: Path) -> Any:
    """Header of the image of a file, without its pixels.

    Raises
    ------
    InputError
        If there is no such file or no image in it, or slits.
    """
    with opened_fits(path) as hdus:
        images = [hdu.header for hdu in hdus if hdu.name == "SCI"]
    if len(images) != 1:
        what = f"{len(images)} slits" if images else "no image (no SCI extension)"
        raise InputError(f"{path.name}: has {what}: SIP is for files of one image")
    return images[0]


def _changed(path: Path) -> int:
    return path.stat().st_mtime_ns if path.exists() else 0


@functools.lru_cache(maxsize=64)
def _fitted(path: Path, changed: int, tolerance: float, degree: int | None) -> SipFit:
    header = image_header(path)
    try:
        return fit_sip(read_wcs(path), _shape(header), tolerance=tolerance, degree=degree)
    except InputError as error:
        raise _named(path, error) from error


@functools.lru_cache(maxsize=64)
def _told(path: Path, changed: int) -> Residuals:
    header = image_header(path)
    if not str(header.get("CTYPE1", "")).endswith("-SIP"):
        raise InputError(f"{path.name}: its header has no SIP: let assign_wcs fit one (sip_approx)")
    try:
        return header_residuals(read_wcs(path), header, _shape(header))
    except InputError as error:
        raise _named(path, error) from error


def _named(path: Path, error: InputError) -> InputError:
    said = str(error)
    return InputError(said if said.startswith(path.name) else f"{path.name}: {said}")


def _shape(header: Any) -> tuple[int, int]:
    return int(header["NAXIS2"]), int(header["NAXIS1"])


def _source(s: Shown) -> Path:
    if s.after.source is None:
        raise InputError("a product of no file: SIP is fitted to the WCS of the file it comes from")
    return Path(s.after.source)


def _fit(s: Shown) -> SipFit:
    tolerance = getattr(s.params, "sip_max_pix_error", TOLERANCE)
    return fit_file(_source(s), tolerance=tolerance, degree=getattr(s.params, "sip_degree", None))


def _forward(s: Shown) -> Frame:
    fit = _fit(s)
    return _frame(s, "SIP less the full transform", fit.residuals, fit.words)


def _inverse(s: Shown) -> Frame:
    fit = _fit(s)
    title = "inverse SIP less the full transform"
    return _frame(s, title, fit.residuals, fit.words, inverse=True)


def _of_file(s: Shown) -> Frame:
    path = _source(s)
    found = _told(path, _changed(path))
    words = f"at most {found.forward_max:.2g} px to the sky"
    if found.inverse is not None:
        words = f"{words}, {found.inverse_max:.2g} px back"
    return _frame(s, "SIP of the file less the full transform", found, words)


def _frame(
    s: Shown, title: str, residuals: Residuals, note: str, *, inverse: bool = False
) -> Frame:
    """Lengths of residuals in thousandths of a pixel, over the box in view."""
    after = s.after
    box = after.covers
    rows, columns = np.arange(box.y0, box.y1), np.arange(box.x0, box.x1)
    data = 1000 * residuals.map(rows, columns, inverse=inverse)
    # a picture of a file has its own size, not that of the detector
    place = {"box": box, "shape": after.shape} if isinstance(after, Filed) else s.place
    # of the whole image, so that the colours do not change with the box
    top = 1000 * (residuals.inverse_max if inverse else residuals.forward_max)
    limits = (0.0, max(top, 1e-6))
    return Frame(title=title, data=data, unit=_UNIT, note=note, limits=limits, **place)


def _by_degree(s: Shown) -> Plot:
    fit = _fit(s)
    degrees = np.array([t.degree for t in fit.tried], float)
    ends = np.array([degrees[0], max(degrees[-1], degrees[0] + 1)])
    return Plot(
        title="SIP residuals by degree",
        x_label="degree",
        y_label="largest residual (pixel)",
        curves=(
            Curve(name="to the sky", x=degrees, y=np.array([t.forward_max for t in fit.tried])),
            Curve(name="back", x=degrees, y=np.array([t.inverse_max for t in fit.tried])),
            Curve(
                name="chosen",
                x=np.array([fit.degree, fit.inverse_degree], float),
                y=np.array([fit.residuals.forward_max, fit.residuals.inverse_max]),
                style="points",
            ),
            Curve(name=f"{fit.tolerance:g} px", x=ends, y=np.full(2, fit.tolerance)),
        ),
        log_y=True,
    )


def _table(s: Shown) -> Table:
    fit = _fit(s)
    chosen = {fit.degree: "to the sky", fit.inverse_degree: "back"}
    if fit.degree == fit.inverse_degree:
        chosen = {fit.degree: "both ways"}
    return Table(
        title=f"SIP degrees: {fit.words}",
        columns=("degree", "max (px)", "rms (px)", "back max (px)", "back rms (px)", "chosen"),
        rows=tuple(
            (
                t.degree,
                *(
                    f"{value:.2g}"
                    for value in (t.forward_max, t.forward_rms, t.inverse_max, t.inverse_rms)
                ),
                chosen.get(t.degree, ""),
            )
            for t in fit.tried
        ),
    )
