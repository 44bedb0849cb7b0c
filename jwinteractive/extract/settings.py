"""What `extract_1d` is asked to do, where light lies, and the places that follow from both."""

from __future__ import annotations

import dataclasses as dc
from collections.abc import Mapping
from typing import Annotated, Any, Literal

import numpy as np
from annotated_types import Interval

from jwinteractive.data import Array, Cube, Exposure, Product, Rate, RateInts
from jwinteractive.errors import InputError, ParamError
from jwinteractive.extract.cube import background_limits
from jwinteractive.extract.cube_aperture import (
    brightest,
    cleaned,
    collapsed,
    covariance_within,
    fwhm_of,
)
from jwinteractive.extract.following import drift_of
from jwinteractive.extract.frames import Frames
from jwinteractive.extract.given import lit_rows, own_profile
from jwinteractive.extract.image_spectra import Layout, Method
from jwinteractive.extract.joint import Joint, joint_spectrum
from jwinteractive.extract.light import Light, light_of
from jwinteractive.extract.located import slit_rows, source_row, wavelengths_along
from jwinteractive.extract.places import Place, along_x, beside, parse_places
from jwinteractive.params import Doc, Numbers, Params, Unit, When
from jwinteractive.references import ProfileRef
from jwinteractive.step import Together, Whole

__all__ = ["Circle", "Extract1dParams", "circle_of", "layout_of", "measure_light", "skips"]

WIDTHS = {"NIS_SOSS": 40.0, "MIR_LRS-FIXEDSLIT": 8.0, "MIR_LRS-SLITLESS": 8.0}
"""Pixels of an aperture by mode: SOSS as the official ``soss_width``."""
_WIDTH = 6.0  # pixels, of all others: that of NIRSpec's slits
_ORDERS, _ORDER = {"NIS_SOSS": 4}, 2  # of the trace: that of SOSS bends
_REACH = 8.0  # pixels to both sides of a trace that one spectrum is fitted to
_GAP = 2.0  # pixels between an aperture and the background that nobody placed
_RIM = 3.0  # rows inside a slit's edges that may see less sky: bounds of a WCS are wider
_RING = (1.5, 2.25)  # radii of the ring of background over that of the circle
Pixels = Unit("pix")
Boxes = When("extraction_type", "box")
Optimal = When("extraction_type", "optimal")
Fitted = When("extraction_type", "optimal", "forward")


class Extract1dParams(Params):
    """Parameters of `extract_1d`: official names and values where the official step has them."""

    extraction_type: Annotated[
        Literal["box", "optimal", "forward"],
        Doc(
            "Sum over an aperture; fit profiles of all sources together; or fit one spectrum to "
            "the pixels of all exposures of a slit, none of them resampled."
        ),
    ] = "box"
    apertures: Annotated[
        str,
        Doc(
            "Slits: rows of the sources at the middle column, first:last, several with ; between, "
            "- behind subtracted ones; empty: around the brightest."
        ),
    ] = ""
    width: Annotated[
        float | None,
        Interval(ge=1, le=2048),
        Pixels,
        Doc("Slits: width of the aperture around the brightest; empty: that of the mode."),
    ] = None
    use_source_posn: Annotated[
        bool | None,
        Doc("Slits: centre on the position in the header; empty or off: on the brightest."),
    ] = None
    position_offset: Annotated[
        float, Pixels, Doc("Slits: how far the aperture is moved off the source it is put on.")
    ] = 0.0
    trace: Annotated[
        Literal["found", "straight", "polynomial"],
        Doc("Slits: follow the light, take straight rows, or a given polynomial."),
    ] = "found"
    trace_order: Annotated[
        int | None,
        When("trace", "found"),
        Interval(ge=0, le=20),
        Doc("Slits: order of the polynomial that is found; empty: 2, of SOSS 4."),
    ] = None
    trace_polynomial: Annotated[
        str,
        When("trace", "polynomial"),
        Doc("Slits: coefficients of y by powers of x, the constant first, spaces between."),
    ] = ""
    drift: Annotated[
        Literal["none", "measured", "followed"],
        Doc(
            "Series: leave shifts of the trace alone, measure them as what a light curve depends "
            "on, or move apertures (light being even within a pixel) and profiles with them."
        ),
    ] = "none"
    xstart: Annotated[
        float | None, Pixels, Doc("First pixel along the dispersion; empty: all.")
    ] = None
    xstop: Annotated[float | None, Pixels, Doc("Last pixel along the dispersion; empty: all.")] = (
        None
    )
    subtract_background: Annotated[
        bool | None,
        Doc("Subtract a background; empty: where places of one are given, and in cubes."),
    ] = None
    background: Annotated[
        str, Doc("Slits: rows of the background as those of apertures; empty: beside them.")
    ] = ""
    bkg_fit: Annotated[
        Literal["poly", "mean", "median"],
        Boxes,
        Doc("Slits: what is taken of the background of a column."),
    ] = "poly"
    bkg_order: Annotated[
        int, Interval(ge=0, le=8), Doc("Slits: order of the background's polynomial.")
    ] = 0
    smoothing_length: Annotated[
        int,
        Boxes,
        Interval(ge=0, le=2047),
        Pixels,
        Doc("Slits: odd number of columns that are averaged for the background; 0 for none."),
    ] = 0
    profile_order: Annotated[
        int, Fitted, Interval(ge=0, le=4), Doc("Slits: order of the profile's change along x.")
    ] = 2
    profile: Annotated[
        str,
        Optimal,
        Doc(
            "Slits: file of the profile, an image of the product's shape (FITS or .npy): HDU "
            "PROFILE as it is, others with columns brought to 1; empty: measured."
        ),
    ] = ""
    own_profile: Annotated[
        bool, Optimal, Doc("Slits: take the profile that the file of the product itself holds.")
    ] = False
    weights: Annotated[
        Literal["noise", "equal"],
        Optimal,
        Doc("Slits: weigh by a model of the noise, or all pixels the same, as officially."),
    ] = "noise"
    sigma: Annotated[
        float,
        Fitted,
        Interval(ge=0, le=100),
        Unit("sigma"),
        Doc("Slits: from which on a pixel is left out; 0 for none."),
    ] = 5.0
    ifu_set_srctype: Annotated[
        Literal["POINT", "EXTENDED"] | None,
        Doc("Cubes: sum a circle, or all spaxels; empty: as the header says."),
    ] = None
    center_xy: Annotated[
        str | None, Numbers(2), Pixels, Doc("Cubes: x and y of the source; empty: the brightest.")
    ] = None
    radius: Annotated[
        float | None,
        Interval(ge=0.1, le=1000),
        Pixels,
        Doc("Cubes: radius of the circle; empty: by ifu_rscale."),
    ] = None
    ifu_rscale: Annotated[
        float | None,
        Interval(ge=0.5, le=3),
        Doc("Cubes: radius in widths at half maximum, which grow with wavelength; empty: 2."),
    ] = None
    annulus: Annotated[
        str | None,
        Numbers(2),
        Interval(ge=1, le=100),
        Doc("Cubes: inner and outer radius of the background, in radii; empty: 1.5 2.25."),
    ] = None
    bkg_sigma_clip: Annotated[
        float,
        Interval(ge=0, le=100),
        Unit("sigma"),
        Doc("Cubes: from which on spaxels are no background; 0 for none."),
    ] = 3.0
    ifu_covar_scale: Annotated[
        float | None,
        Interval(ge=0.1, le=100),
        Doc("Cubes: factor of errors for shared noise; empty: by radius and sizes of pixels."),
    ] = None

    def __post_init__(self) -> None:
        super().__post_init__()
        parse_places(self.apertures, "apertures")
        parse_places(self.background, "background")
        _polynomial(self.trace_polynomial)

    @property
    def method(self) -> Method:
        """How slits are extracted."""
        mean = self.bkg_fit == "mean"
        return Method(
            optimal=self.extraction_type == "optimal",
            bkg_fit="median" if self.bkg_fit == "median" else "poly",
            bkg_order=0 if mean else self.bkg_order,
            smoothing_length=self.smoothing_length,
            weights=self.weights,
            sigma=self.sigma,
            profile_order=self.profile_order,
        )


def _order(p: Extract1dParams, exposure: Exposure) -> int:
    """Order of the polynomial that follows the light."""
    if p.trace_order is not None:
        return p.trace_order
    return _ORDERS.get(exposure.exp_type, _ORDER)


def _polynomial(text: str) -> tuple[float, ...]:
    try:
        return tuple(float(word) for word in text.split())
    except ValueError:
        raise ParamError(
            f"trace_polynomial = {text!r}: must be numbers with spaces between, the constant first"
        ) from None


def skips(exposure: Exposure, p: Extract1dParams) -> str:
    """Why there is no spectrum to extract of an exposure; "" if there is."""
    if exposure.dispaxis == CUBE:
        return ""
    if not exposure.dispaxis:
        return "the light is not dispersed (by DISPAXIS and EXP_TYPE)"
    if exposure.exp_type in ("NRS_IFU", "MIR_MRS"):
        return "an image of an integral field unit has many slices: make a cube of it first"
    many = exposure.exp_type in ("NRC_WFSS", "NIS_WFSS", "NRS_MSASPEC")
    if many and not (exposure.slit or exposure.source_id):
        return "the frame holds spectra of many sources: cut them out with extract_2d first"
    return ""


CUBE = 3  # dispersion axis of a cube: its planes


def looked_for(p: Extract1dParams) -> Mapping[str, Any]:
    """What of the parameters decides where light is looked for: not the places themselves."""
    if p.extraction_type == "forward":
        names = ("trace_order", "width", "subtract_background", "bkg_order", "sigma")
        return {n: getattr(p, n) for n in ("extraction_type", "profile_order", *names)}
    found: dict[str, Any] = {
        "trace": p.trace,
        "position": bool(p.use_source_posn),
        "clip": p.bkg_sigma_clip,
    }
    if takes_own(p):
        found["profile"] = True
    if p.drift != "none":
        found["drift"] = True
    if p.trace == "found":
        found["order"] = p.trace_order
    if p.trace == "polynomial":
        found["polynomial"] = p.trace_polynomial
    return found


def takes_own(p: Extract1dParams) -> bool:
    """Whether the profile is that of the file itself."""
    return p.extraction_type == "optimal" and p.own_profile and not p.profile


def unread(p: Extract1dParams) -> list[str]:
    """References that are of no use with some parameters."""
    return [] if p.extraction_type == "optimal" and not takes_own(p) else ["profile"]


def together(kind: type[Product], one: Exposure, other: Exposure, p: Extract1dParams) -> bool:
    """Whether one spectrum is fitted to two exposures: those of a slit, or of a mode without."""
    if p.extraction_type != "forward" or kind is not Rate:
        return False
    names = ("instrument", "exp_type", "filter", "grating", "slit", "source_id", "order", "unit")
    return all(getattr(one, name) == getattr(other, name) for name in names)


def alone(kind: type[Product], exposure: Exposure, p: Extract1dParams) -> str:
    """Why nothing is extracted of a product by itself; "" if it is."""
    if p.extraction_type != "forward" or kind is Rate:
        return ""
    what = "cubes" if kind is Cube else "time series"
    return f"{what} have no forward extraction: take box" + ("" if kind is Cube else " or optimal")


def measure(
    whole: Whole | Together, p: Extract1dParams, profile: ProfileRef | None = None
) -> Light | Joint:
    """Look for where light lies, or fit one spectrum to all exposures of a set.

    Raises
    ------
    InputError
        If nothing can be fitted.
    """
    members = whole.members if isinstance(whole, Together) else (whole,)
    if p.extraction_type != "forward":
        light = measure_light(members[0], p)
        if profile is None or members[0].exposure.dispaxis == CUBE:
            return light
        return dc.replace(light, profile=np.asarray(profile.data, np.float64))
    products = [member.look(member.box).native() for member in members]
    return joint_spectrum(
        [product for product in products if isinstance(product, Rate)],
        [member.exposure.name for member in members],
        reach=p.width / 2 if p.width else _REACH,
        order=_order(p, products[0].exposure),
        bkg_order=min(p.bkg_order, 1) if p.subtract_background else -1,
        sigma=p.sigma,
        psf_order=p.profile_order,
    )


def light_in(joint: Joint, exposure: Exposure) -> Light:
    """Where the light lies that one spectrum was fitted to, in one of its exposures."""
    names = joint.names
    at = names.index(exposure.name) if exposure.name in names else 0
    path = joint.paths[at]
    middle = float(path[len(path) // 2])
    return Light(path=path - middle, y=middle)


def measure_light(whole: Whole, p: Extract1dParams) -> Light:
    """Look for the path of the trace, or for the source of a cube."""
    product = whole.look(whole.box)
    if isinstance(product, Cube):
        data, weight = cleaned(product)
        image = collapsed(data)
        x, y = brightest(image)
        limits = background_limits(Frames(data), weight, p.bkg_sigma_clip)
        return Light(y=y, x=x, image=image, limits=limits)
    assert isinstance(product, Rate | RateInts)
    light = _with_position(whole, product, _path_of(product, p), bool(p.use_source_posn))
    if takes_own(p):
        light = dc.replace(light, profile=own_profile(whole.path, product.shape))
    if p.drift != "none" and isinstance(product, RateInts):
        return _with_drift(product, light)
    return light


def _with_drift(series: RateInts, light: Light) -> Light:
    reach = max(WIDTHS.get(series.exposure.exp_type, _WIDTH) / 2, _REACH)
    try:
        found = drift_of(series, light.y + light.path, reach)
    except InputError as error:
        return dc.replace(light, notes=(*light.notes, str(error)))
    return dc.replace(light, drift=found.shift, drift_error=found.shift_error)


def shifts_of(p: Extract1dParams, light: Light, product: Rate | RateInts) -> Array | None:
    """Rows that apertures follow the trace by in each integration, [n], or None."""
    known = isinstance(product, RateInts) and len(light.drift) == len(product.data)
    return light.drift if p.drift == "followed" and known and len(light.drift) > 1 else None


def _path_of(product: Rate | RateInts, p: Extract1dParams) -> Light:
    if p.trace != "polynomial":
        order = _order(p, product.exposure) if p.trace == "found" else None
        return light_of(product, order)
    powers = _polynomial(p.trace_polynomial)
    if powers:
        return light_of(product, powers=powers)
    note = "trace_polynomial is empty: rows are straight"
    return dc.replace(light_of(product), notes=(note,))


def _with_position(whole: Whole, product: Rate | RateInts, light: Light, by_header: bool) -> Light:
    """Light with what only the WCS of the file tells."""
    if by_header:
        shape = (across(product), len(light.path))
        try:
            light = dc.replace(light, y=source_row(whole.path, product.exposure, shape))
        except InputError as error:
            notes = (*light.notes, f"use_source_posn: {error}: the brightest was taken")
            light = dc.replace(light, notes=notes)
    if product.wavelength is not None:
        plane = along_x(product.wavelength, product.exposure.dispaxis)
        return dc.replace(light, slit=slit_rows(plane, light.path))
    if whole.path is None:
        return light
    rows = light.path + (light.y if np.isfinite(light.y) else (across(product) - 1) / 2)
    try:
        wavelength = wavelengths_along(whole.path, product.exposure, rows)
    except InputError:  # that none is known is said with the spectrum
        return light
    return dc.replace(light, wavelength=wavelength)


def _given(p: Extract1dParams, light: Light) -> bool:
    """Whether there is a profile that nobody has to measure."""
    return p.extraction_type == "optimal" and light.profile.size > 1


def given_profile(p: Extract1dParams, light: Light) -> Array | None:
    """Profile [y, x] that a file gave, or None."""
    return light.profile if _given(p, light) else None


def _lit(light: Light, axis: int) -> Place:
    """Rows at the middle column that hold all of a given profile, along the path."""
    first, last = lit_rows(along_x(light.profile, axis))
    low, high = float(np.min(light.path)), float(np.max(light.path))
    return Place(round(first - high, 2), round(last - low, 2))  # pixels at edges count in part


def layout_of(p: Extract1dParams, light: Light, exposure: Exposure, ny: int) -> Layout:
    """Places in a frame of ``ny`` rows across the dispersion.

    Raises
    ------
    InputError
        If none are given and there is no light, or no column is left.
    """
    nx = len(light.path)
    if p.extraction_type == "forward":
        reach = p.width / 2 if p.width else _REACH
        return Layout((Place(light.y - reach, light.y + reach),), (), light.path, (0, nx - 1))
    sources = parse_places(p.apertures, "apertures")
    if not sources and _given(p, light) and p.width is None:
        sources = (_lit(light, exposure.dispaxis),)
    if not sources:
        if not np.isfinite(light.y):
            raise InputError("frame has no light that tells where a source is: give apertures")
        width = p.width or WIDTHS.get(exposure.exp_type, _WIDTH)
        half, y = (min(width, ny) - 1) / 2, light.y + p.position_offset
        sources = (Place(y - half, y + half),)
    first = max(int(np.ceil(p.xstart)), 0) if p.xstart is not None else 0
    last = min(int(np.floor(p.xstop)), nx - 1) if p.xstop is not None else nx - 1
    if first > last:
        raise InputError(f"columns {first} to {last}: none lies in 0 to {nx - 1}: widen them")
    background: tuple[Place, ...] = ()
    if p.subtract_background is not False:
        background = parse_places(p.background, "background")
        if p.subtract_background and not background:
            background = _beside(sources, light, ny)
    return Layout(sources, background, light.path, (first, last))


def _beside(sources: tuple[Place, ...], light: Light, ny: int) -> tuple[Place, ...]:
    """Rows of the slit beside the apertures, or of the frame where the slit has none left."""
    low, high = float(np.min(light.path)), float(np.max(light.path))
    first, last = int(np.ceil(-low)), int(np.floor(ny - 1 - high))
    found: tuple[Place, ...] = ()
    if np.isfinite(light.slit).all():
        lit = (int(np.ceil(light.slit[0] + _RIM)), int(np.floor(light.slit[1] - _RIM)))
        found = beside(sources, (max(first, lit[0]), min(last, lit[1])), _GAP)
    found = found or beside(sources, (first, last), _GAP)
    if not found:
        raise InputError("no row is left beside the apertures: give rows of background")
    return found


@dc.dataclass(frozen=True, eq=False, slots=True)
class Circle:
    """Aperture in a cube: centre in spaxels, radii, ring in radii, factors of errors.

    ``radius`` is None where all spaxels are summed; ``covariance`` has one factor for each plane.
    """

    x: float
    y: float
    radius: Array | None
    ring: tuple[float, float] | None
    covariance: Array


def circle_of(p: Extract1dParams, light: Light, cube: Cube) -> Circle:
    """Aperture of a cube."""
    count = len(cube.data)
    x, y = light.x, light.y
    if p.center_xy is not None:
        x, y = (float(word) for word in p.center_xy.split())
    kind = p.ifu_set_srctype or cube.exposure.source_type
    asked = p.radius is not None or p.center_xy is not None or p.ifu_rscale is not None
    if kind == "EXTENDED" and not (asked and p.ifu_set_srctype is None):
        return Circle(x, y, None, None, _factors(p, cube, None))
    if p.radius is not None or not cube.spaxel:
        radius = np.full(count, p.radius or _WIDTH / 2)
    else:
        width = fwhm_of(cube.exposure, np.asarray(cube.wavelengths)) / cube.spaxel
        radius = np.asarray((p.ifu_rscale or 2.0) * width)
    ring: tuple[float, float] | None = _RING
    if p.annulus is not None:
        inner, outer = (float(word) for word in p.annulus.split())
        ring = (inner, outer)
    if p.subtract_background is False:
        ring = None
    return Circle(x, y, radius, ring, _factors(p, cube, radius))


def _factors(p: Extract1dParams, cube: Cube, radius: Array | None) -> Array:
    """Factor of the errors of each plane."""
    if p.ifu_covar_scale is not None:
        return np.full(len(cube.data), p.ifu_covar_scale)
    return covariance_within(cube, radius)


def across(product: Product) -> int:
    """Rows of a frame across the dispersion."""
    ny, nx = product.shape
    return ny if product.exposure.dispaxis == 1 else nx
