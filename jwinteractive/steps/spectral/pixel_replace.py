"""Bad pixels of spectral images get values, and errors that tell how well these are known.

A pixel that is not to be used leaves a gap in the spectrum that is extracted over it. The weighted
profile, recommended, scales what the columns beside hold at its position; fit_profile, mingrad and
trace_model give the official numbers, the last from what the step adaptive_trace_model, here or
officially, has fitted. What was replaced is FLUX_ESTIMATED, and by what is in the plane
``replaced``, so that an extraction can leave it out.

Nothing else is needed than a rate or calibrated image with a dispersion axis.

Source: official step `pixel_replace`.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal, TypeVar

import numpy as np
from annotated_types import Interval

from jwinteractive.data import Array, Box, Exposure, Rate, RateInts
from jwinteractive.errors import StepError
from jwinteractive.params import Doc, Params, Unit, When
from jwinteractive.replace.frame import VARIANCES, Repaired, SpectralFrame
from jwinteractive.replace.gradient import mingrad
from jwinteractive.replace.look import VIEWS
from jwinteractive.replace.profile import fit_profile, weighted_profile
from jwinteractive.replace.slices import Slices, measure_slices
from jwinteractive.replace.trace import trace_model
from jwinteractive.step import Whole, step

__all__ = ["PixelReplaceParams", "pixel_replace"]

P = TypeVar("P", Rate, RateInts)

PROFILES: Final = ("weighted_profile", "fit_profile")
_PLANES: Final = ("data", "err", "dq", *VARIANCES)
_EDGE: Final = 2  # pixels that mingrad needs on each side
_FAR: Final = 2**15  # pixels that no column exceeds


class PixelReplaceParams(Params):
    """Parameters of `pixel_replace`."""

    algorithm: Annotated[
        Literal["weighted_profile", "fit_profile", "mingrad", "trace_model"],
        Doc("By the profile of columns beside, ours or official, by neighbours, or by a model."),
    ] = "weighted_profile"
    n_adjacent_cols: Annotated[
        int,
        Interval(ge=1, le=50),
        Unit("pixel"),
        When("algorithm", *PROFILES),
        Doc("Columns on each side that the profile is taken from."),
    ] = 3
    honest_errors: Annotated[
        bool,
        When("algorithm", "mingrad", "trace_model"),
        Doc("Errors of the mean and of what the two axes disagree on; officially neighbours'."),
    ] = True


def measure_spectra(whole: Whole, p: PixelReplaceParams) -> Slices:
    """Find the slices of an exposure, where each is seen, and the model of its trace."""
    return measure_slices(whole, **_asks(p))


def _asks(p: PixelReplaceParams) -> dict[str, Any]:
    return {"needed": p.algorithm in PROFILES, "traced": p.algorithm == "trace_model"}


def _around(exposure: Exposure, p: PixelReplaceParams, box: Box) -> Box:
    """All of the columns of a box, and those that their profiles are taken from.

    For a trace model all of its rows: errors are taken from the next that are known.
    """
    if p.algorithm not in PROFILES:
        along = _FAR if p.algorithm == "trace_model" else _EDGE
        far = (_EDGE, along) if exposure.dispaxis == 1 else (along, _EDGE)
        return Box(box.y0 - far[0], box.y1 + far[0], box.x0 - far[1], box.x1 + far[1])
    n = p.n_adjacent_cols
    if exposure.dispaxis == 1:
        return Box(-_FAR, _FAR, box.x0 - n, box.x1 + n)
    return Box(box.y0 - n, box.y1 + n, -_FAR, _FAR)


def _skips(exposure: Exposure, p: PixelReplaceParams) -> str:
    if p.algorithm != "mingrad" and exposure.dispaxis not in (1, 2):
        return (
            f"{exposure.exp_type or 'the exposure'} has no dispersion axis (DISPAXIS): "
            f"{p.algorithm} needs one: set algorithm = 'mingrad'"
        )
    if p.algorithm == "trace_model" and "adaptive_trace_model" not in exposure.done:
        return (
            "trace_model needs what the step adaptive_trace_model gives: switch it on or run it "
            "first, or set algorithm = 'weighted_profile'"
        )
    return ""


@step(
    measure=measure_spectra,
    asks=_asks,
    around=_around,
    skips=_skips,
    views=VIEWS,
    suffix="pixel_replace",
)
def pixel_replace(product: P, p: PixelReplaceParams, model: Slices) -> P:
    """Give the bad pixels of a spectral image values and errors: FLUX_ESTIMATED.

    Raises
    ------
    StepError
        If pixels are to be weighted and none has an error.
    """
    if p.algorithm == "weighted_profile" and not model.weighted:
        raise StepError(
            "weighted_profile: no pixel has an error above 0 to be weighted by: set algorithm = "
            "'fit_profile'"
        )
    planes = {name: getattr(product, name) for name in _PLANES}
    planes = {name: plane for name, plane in planes.items() if plane is not None}
    if product.data.ndim == 2:
        done = [_repaired(planes, product, p, model, 0)]
    else:
        done = [
            _repaired({n: a[i] for n, a in planes.items()}, product, p, model, i)
            for i in range(len(product.data))
        ]
    new: dict[str, Any] = {n: [getattr(one.frame, n) for one in done] for n in planes}
    how = [one.replaced for one in done]
    found = {n: parts[0] if product.data.ndim == 2 else np.stack(parts) for n, parts in new.items()}
    replaced: Array = how[0] if product.data.ndim == 2 else np.stack(how)
    if product.replaced is not None:  # by an earlier run
        replaced = np.where(replaced == 0, product.replaced, replaced)
    return product.replace(**found, replaced=replaced)


def _repaired(
    planes: dict[str, Array],
    product: Rate | RateInts,
    p: PixelReplaceParams,
    slices: Slices,
    integration: int,
) -> Repaired:
    """One image, or the image of an integration."""
    frame = SpectralFrame(**planes)
    axis, labels = product.exposure.dispaxis, slices.part(product.covers)
    if p.algorithm == "mingrad":
        return mingrad(frame, labels, p.honest_errors)
    if p.algorithm == "trace_model":
        assert slices.trace is not None  # measured for it
        rows, columns = product.covers.slices(Box.whole(slices.labels.shape))
        trace = slices.trace[rows, columns]
        return trace_model(frame, trace, axis, labels, p.honest_errors)
    by = weighted_profile if p.algorithm == "weighted_profile" else fit_profile
    reach = slices.reach(integration, axis, product.covers)
    return by(frame, axis, p.n_adjacent_cols, labels, reach)
