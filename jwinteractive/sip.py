"""SIP polynomials that stand in for the full transform of an image, in a FITS header.

Viewers of images read no gwcs, but SIP (Shupe et al. 2005, ASP Conf. 347, 491): pixels from CRPIX
are bent by polynomials A and B, turned and scaled by CD and projected (TAN); AP and BP lead back.
The fits are linear, in scaled monomials at Chebyshev nodes, which keeps the largest residual near
the least that a degree can have; residuals are measured on a grid of their own.
"""

from __future__ import annotations

import dataclasses as dc
from typing import Any, Final

import numpy as np
from astropy.io import fits

from jwinteractive.errors import ParamError
from jwinteractive.sip_residuals import (
    Residuals,
    Samples,
    check_grid,
    domain,
    largest,
    on_sky,
    sampled,
    tangent,
)

__all__ = ["MAX_DEGREE", "TOLERANCE", "SipFit", "Tried", "fit_sip"]

Array = np.ndarray[Any, Any]

TOLERANCE: Final = 0.01  # pixel: `sip_max_pix_error` of the official steps
MAX_DEGREE: Final = 9  # of the convention
NODES: Final = 24  # of a fit along an axis: more than twice the terms of the highest degree
_BENT: Final = ("A", "B", "AP", "BP")


@dc.dataclass(frozen=True, kw_only=True)
class Tried:
    """Residuals of one degree in pixels: largest and rms, of pixel to sky and of the way back."""

    degree: int
    forward_max: float
    forward_rms: float
    inverse_max: float
    inverse_rms: float


@dc.dataclass(frozen=True, kw_only=True, eq=False)
class SipFit:
    """A TAN-SIP header that was fitted to a full transform, and how near it comes.

    Attributes
    ----------
    degree, inverse_degree
        Of A, B and of AP, BP; 1: no polynomial is needed.
    tolerance
        Largest residual that was asked for, in pixels.
    crpix
        Pixel (x, y) that the polynomials count from, the centre of the first pixel at 1.
    crval
        Its RA and Dec in degrees, by the fit.
    cd
        Degrees a pixel, [2, 2].
    a, b, ap, bp
        Coefficients [p, q] of u^p v^q.
    tried
        Residuals of every degree; those of the way back are with the A and B that were chosen.
    residuals
        The header less the full transform, on a grid that is not the fit's.
    """

    degree: int
    inverse_degree: int
    tolerance: float
    crpix: tuple[float, float]
    crval: tuple[float, float]
    cd: Array
    a: Array
    b: Array
    ap: Array
    bp: Array
    tried: tuple[Tried, ...]
    residuals: Residuals

    @property
    def reached(self) -> bool:
        """Whether both ways are within the tolerance."""
        return max(self.residuals.forward_max, self.residuals.inverse_max) <= self.tolerance

    @property
    def words(self) -> str:
        """What was chosen and what it reaches, in a sentence."""
        left = self.residuals
        way = f"{left.forward_max:.2g} px to the sky, {left.inverse_max:.2g} px back"
        degrees = f"degree {self.degree}, back {self.inverse_degree}"
        if self.reached:
            return f"{degrees}: at most {way}"
        return f"{self.tolerance:g} px is not reached; {degrees}: up to {way}"

    def header(self) -> fits.Header:
        """The cards: CTYPE, CRPIX, CRVAL, CD, and the polynomials where the degree is above 1."""
        kind = "TAN-SIP" if self.degree > 1 else "TAN"
        cards: list[tuple[str, Any, str]] = [
            ("WCSAXES", 2, "number of World Coordinate System axes"),
            ("RADESYS", "ICRS", "reference frame of RA and Dec"),
        ]
        for i, name in enumerate(("RA--", "DEC-")):
            cards += [
                (f"CTYPE{i + 1}", f"{name}-{kind}", "axis and projection"),
                (f"CUNIT{i + 1}", "deg", "unit of the axis"),
                (f"CRPIX{i + 1}", self.crpix[i], "reference pixel, from 1"),
                (f"CRVAL{i + 1}", self.crval[i], "[deg] at the reference pixel"),
            ]
        for i, j in ((0, 0), (0, 1), (1, 0), (1, 1)):
            cards.append((f"CD{i + 1}_{j + 1}", float(self.cd[i, j]), "[deg/pixel]"))
        if self.degree > 1:
            for name, terms in zip(_BENT, (self.a, self.b, self.ap, self.bp), strict=True):
                cards.append((f"{name}_ORDER", len(terms) - 1, "degree of the polynomial"))
                cards += [
                    (f"{name}_{p}_{q}", float(terms[p, q]), "SIP coefficient")
                    for p, q in np.argwhere(terms)
                ]
        cards += [
            ("SIPMXERR", self.residuals.forward_max, "[pixel] largest residual to the sky"),
            ("SIPIVERR", self.residuals.inverse_max, "[pixel] largest residual back"),
        ]
        return fits.Header(cards)


def fit_sip(
    wcs: Any,
    shape: tuple[int, int],
    *,
    tolerance: float = TOLERANCE,
    max_degree: int = MAX_DEGREE,
    degree: int | None = None,
    crpix: tuple[float, float] | None = None,
) -> SipFit:
    """Fit TAN-SIP to a celestial gwcs, at the lowest degree that reaches a tolerance.

    Parameters
    ----------
    wcs
        A gwcs from pixels to right ascension and declination in degrees.
    shape
        Size (ny, nx) of the image; where the gwcs has a bounding box, what is in it counts.
    tolerance
        Largest residual that is wanted, in pixels, to the sky and back.
    max_degree
        Highest degree to try. Where none reaches the tolerance, the nearest one is chosen.
    degree
        Take this degree both ways, whatever it reaches.
    crpix
        Reference pixel (x, y), the first pixel at 1; by default the middle of the image.

    Raises
    ------
    InputError
        If the gwcs gives more or less than two coordinates, or none in parts of the image.
    ParamError
        If a degree is not in 1 ... 9, or the tolerance is not positive.
    """
    for name, value in (("max_degree", max_degree), ("degree", degree)):
        if value is not None and not 1 <= value <= MAX_DEGREE:
            raise ParamError(f"{name} {value}: SIP knows degrees 1 to {MAX_DEGREE}")
    if not tolerance > 0:  # NaN too
        raise ParamError(f"tolerance {tolerance}: must be a number of pixels above 0")
    low, high = domain(wcs, shape)
    if crpix is None:
        crpix = (shape[1] + 1) / 2, (shape[0] + 1) / 2
    origin = np.array(crpix, float) - 1
    nodes = (1 - np.cos(np.linspace(0, np.pi, NODES))) / 2
    fit = sampled(wcs, low + (high - low) * nodes[:, None], origin)
    x, y, check = check_grid(wcs, shape, origin)
    start = np.array(wcs(*origin, with_bounding_box=False), float)
    degrees = range(1, (degree or max_degree) + 1)

    ahead = [_forward(fit, start, d) for d in degrees]
    errors = [one.bend(check.uv) - one.focal(check.sky) for one in ahead]
    first = degree or _chosen([largest(r) for r in errors], tolerance)
    plane = ahead[first - 1]
    undone = plane.focal(fit.sky)
    back = [_inverse(undone, fit.uv, d) for d in degrees]
    returns = [_moved(plane.focal(check.sky), terms) - check.uv for terms in back]
    second = degree or _chosen([largest(r) for r in returns], tolerance)
    # readers ignore polynomials of degree 1, and those of one way alone
    second = 1 if first == 1 else max(2, second)
    tried = tuple(
        Tried(
            degree=d,
            forward_max=largest(r),
            forward_rms=_rms(r),
            inverse_max=largest(i),
            inverse_rms=_rms(i),
        )
        for d, r, i in zip(degrees, errors, returns, strict=True)
    )
    return SipFit(
        degree=first,
        inverse_degree=second,
        tolerance=tolerance,
        crpix=(float(crpix[0]), float(crpix[1])),
        crval=(float(plane.crval[0]), float(plane.crval[1])),
        cd=plane.cd,
        a=plane.terms[0],
        b=plane.terms[1],
        ap=back[second - 1][0],
        bp=back[second - 1][1],
        tried=tried,
        residuals=Residuals(
            x=x,
            y=y,
            forward=errors[first - 1].reshape(2, len(y), len(x)),
            inverse=returns[second - 1].reshape(2, len(y), len(x)),
        ),
    )


@dc.dataclass(frozen=True)
class _Plane:
    """A fit of one degree: RA and Dec [2] in degrees, CD [2, 2], and A and B [2, p, q]."""

    crval: Array
    cd: Array
    terms: Array

    def focal(self, sky: Array) -> Array:
        """Where A and B should bring positions on the sky to, [2, n] in pixels."""
        return np.linalg.solve(self.cd, tangent(sky, self.crval))

    def bend(self, uv: Array) -> Array:
        """Where A and B bring pixels to, [2, n]."""
        return _moved(uv, self.terms)


def _forward(fit: Samples, start: Array, degree: int) -> _Plane:
    """Least squares of the tangent plane, whose point of contact follows the constant term."""
    crval = start
    for _ in range(3):  # each leaves some 1e-6 of the constant that was there
        found, scale = _least_squares(fit.uv, tangent(fit.sky, crval), degree, 0)
        crval = on_sky(found[:, 0, 0], crval)
    found, scale = _least_squares(fit.uv, tangent(fit.sky, crval), degree, 1)
    cd = np.array([found[:, 1, 0], found[:, 0, 1]]).T / scale
    terms = np.linalg.solve(cd, found.reshape(2, -1)).reshape(found.shape)
    terms[:, 1, 0] = terms[:, 0, 1] = 0
    return _Plane(crval, cd, _unscaled(terms, scale))


def _inverse(focal: Array, uv: Array, degree: int) -> Array:
    """AP and BP [2, p, q], from pixels after A and B to what they were before."""
    if degree == 1:  # a linear header has none
        return np.zeros((2, 2, 2))
    return _unscaled(*_least_squares(focal, uv - focal, degree, 0))


def _least_squares(at: Array, values: Array, degree: int, lowest: int) -> tuple[Array, float]:
    """Coefficients [2, p, q] of monomials of ``at / scale``, and the scale."""
    scale = float(np.abs(at).max())
    powers = _powers(degree, lowest)
    found = np.linalg.lstsq(_monomials(at / scale, powers), values.T, rcond=None)[0]
    table = np.zeros((2, degree + 1, degree + 1))
    table[:, powers[:, 0], powers[:, 1]] = found.T
    return table, scale


def _unscaled(table: Array, scale: float) -> Array:
    p = np.arange(table.shape[1])
    return table / scale ** (p[:, None] + p)


def _powers(degree: int, lowest: int) -> Array:
    """Pairs (p, q) of one polynomial."""
    pairs = [(n - q, q) for n in range(lowest, degree + 1) for q in range(n + 1)]
    return np.array(pairs)


def _monomials(at: Array, powers: Array) -> Array:
    """Value of each u^p v^q, [n, term]."""
    top = int(powers.max())
    u, v = (np.vander(one, top + 1, increasing=True) for one in at)
    return u[:, powers[:, 0]] * v[:, powers[:, 1]]


def _moved(at: Array, terms: Array) -> Array:
    """Positions [2, n] and what polynomials [2, p, q] of them add."""
    added = np.polynomial.polynomial.polyval2d(at[0], at[1], terms.transpose(1, 2, 0))
    return np.asarray(at + added)


def _chosen(reached: list[float], tolerance: float) -> int:
    """Lowest degree within the tolerance, or else the nearest one."""
    within = [i for i, value in enumerate(reached) if value <= tolerance]
    return 1 + (within[0] if within else int(np.argmin(reached)))


def _rms(residuals: Array) -> float:
    return float(np.sqrt((residuals**2).sum(0).mean()))
