"""Spectra from slits, spectral images, time series and cubes.

Where light lies is measured once: the path of the trace, or the source of a cube. Apertures then
move without looking for it again. Rows of sources and background are those at the middle column,
and follow the path. Sums and their errors are the official ones, but for `optimal`, whose weights
are those of a model of the noise unless equal ones are asked for. Forward extraction fits one
spectrum to the pixels of all exposures of a slit: it is the same in the product of each.

Source: Horne 1986, PASP 98, 609.
"""

from __future__ import annotations

from typing import TypeVar

import numpy as np

from jwinteractive.data import Cube, Product, Rate, RateInts, SpectrumSet
from jwinteractive.errors import InputError
from jwinteractive.extract.cube import cube_spectrum, whole_spectrum
from jwinteractive.extract.cube_aperture import cleaned
from jwinteractive.extract.frames import Frames
from jwinteractive.extract.image_spectra import image_spectra, spectrum_set
from jwinteractive.extract.joint import Joint, spectrum_of
from jwinteractive.extract.light import Light
from jwinteractive.extract.settings import (
    Extract1dParams,
    across,
    alone,
    circle_of,
    given_profile,
    layout_of,
    looked_for,
    measure,
    shifts_of,
    skips,
    together,
    unread,
)
from jwinteractive.extract.views import VIEWS
from jwinteractive.references import ProfileRef
from jwinteractive.step import step

__all__ = ["extract_1d"]

Source = TypeVar("Source", Rate, RateInts, Cube)


@step(
    whole=True,
    version=2,
    suffix="x1d",
    skips=skips,
    measure=measure,
    together=together,
    alone=alone,
    asks=looked_for,
    unread=unread,
    views=VIEWS,
)
def extract_1d(
    product: Source,
    p: Extract1dParams,
    model: Light | Joint,
    profile: ProfileRef | None = None,
) -> SpectrumSet:
    """Extract spectra: flux [nint, source, x] in Jy where the pixels are calibrated.

    The measurement has looked at ``profile``: where it has light, there is the aperture.

    Raises
    ------
    InputError
        If an aperture is off the frame, apertures of boxes overlap, or all of it is flagged.
    """
    if isinstance(model, Joint):
        return _joint(model, product)
    if isinstance(product, Cube):
        return _cube(product, p, model)
    return _image(product, p, model)


def _image(rate: Rate | RateInts, p: Extract1dParams, light: Light) -> SpectrumSet:
    layout = layout_of(p, light, rate.exposure, across(rate))
    profile, shifts = given_profile(p, light), shifts_of(p, light, rate)
    made = image_spectra(rate, layout, p.method, light.wavelength, profile, shifts)
    return made.replace(notes=(*made.notes, *light.notes))


def _joint(joint: Joint, product: Product) -> SpectrumSet:
    assert isinstance(product, Rate)  # nothing else is fitted together
    return spectrum_of(joint, product, product.exposure.name)


def _cube(cube: Cube, p: Extract1dParams, light: Light) -> SpectrumSet:
    circle = circle_of(p, light, cube)
    count, (data, weight) = len(cube.data), cleaned(cube)
    known = bool(np.isfinite(cube.err).any())
    frames = Frames(data, None, np.square(cube.err) if known else None)
    if circle.radius is None:
        found = whole_spectrum(frames, weight, circle.covariance)
    else:
        ring = circle.ring and (circle.ring[0] * circle.radius, circle.ring[1] * circle.radius)
        centre = (circle.x, circle.y)
        found = cube_spectrum(
            frames,
            weight,
            centre,
            circle.radius,
            ring,
            p.bkg_sigma_clip,
            covariance=circle.covariance,
            limits=light.limits,
        )
    if not np.isfinite(found.flux).any():
        if circle.ring is not None and circle.radius is not None and np.any(found.npixels > 0):
            low, high = (edge * float(np.mean(circle.radius)) for edge in circle.ring)
            raise InputError(
                f"background: no spaxel from {low:.1f} to {high:.1f} around x = {circle.x:.1f}, "
                f"y = {circle.y:.1f} counts: the ring is off the cube, or in the source, whose "
                "light is clipped: widen annulus or turn subtract_background off"
            )
        raise InputError(
            f"aperture at x = {circle.x:.1f}, y = {circle.y:.1f} has no spaxel that counts: all "
            "are flagged DO_NOT_USE or not finite: move it"
        )
    limits = np.array([0, count - 1, circle.x, circle.y], np.float64)
    made = spectrum_set(cube, found, np.asarray(cube.wavelengths)[None], limits, surface=True)
    return made if known else made.replace(notes=(*made.notes, "errors are not known"))
