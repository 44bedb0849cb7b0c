"""Take 1/f noise off the groups of a ramp, or off a rate: stripes along the read-out's lines.

Three methods of ours work on what is left of each group, line by line: "smoother" follows the
drifts in read order over all amplifiers at once, "fourier" fits slow waves along each line,
"shrunk_median" takes the median of each amplifier, drawn to that of the line where few pixels tell.
"median" and "fft" are the official ones, at parity, with its masks and backgrounds.

What the user draws as source or background (layers of the mask for the scene) holds for all of
them, and so does a ``user_mask``.

Source: Rauscher 2024 (PASP 136, 015001); official step `clean_flicker_noise`;
`jwinteractive.flicker`.
"""

from __future__ import annotations

import dataclasses as dc
from typing import Annotated, Any, Literal, TypeVar, cast

import numpy as np
from annotated_types import Interval

from jwinteractive.data import Array, Box, Exposure, Ramp, Rate, RateInts
from jwinteractive.flicker import look
from jwinteractive.flicker.cleaning import How, cleaned
from jwinteractive.flicker.fits import Method, lines_after, lines_around
from jwinteractive.flicker.geometry import Stripes
from jwinteractive.flicker.official import (
    Official,
    OfficialNoise,
    less_official,
    measure_official,
    refusal,
)
from jwinteractive.flicker.official_choice import official_choice
from jwinteractive.flicker.scene import Scene, measure_scene
from jwinteractive.flicker.sources import BRIGHT, CONTEXT, GROWTH, Rule
from jwinteractive.masks import BACKGROUND, SOURCE
from jwinteractive.params import Doc, Params, Unit, When
from jwinteractive.references import FlatRef, GainRef, ReadnoiseRef, SceneRef, UserMaskRef
from jwinteractive.step import Whole, registry, step

__all__ = ["FlickerParams", "clean_flicker_noise"]

P = TypeVar("P", Ramp, Rate, RateInts)

OURS = ("smoother", "fourier", "shrunk_median")
OFFICIAL = ("median", "fft")
_CHOSEN = ("NRC_IMAGE", "NIS_IMAGE")  # that autoparam knows
_FAR = 2**15  # pixels that no line exceeds


class FlickerParams(Params):
    """Parameters of `clean_flicker_noise`."""

    fit_method: Annotated[
        Literal["smoother", "fourier", "shrunk_median", "median", "fft"],
        Doc("How the noise is found; median and fft as officially."),
    ] = "smoother"
    level: Annotated[
        Literal["residuals", "differences", "rate"],
        When("fit_method", *OURS),
        Doc("What shows it: groups without their ramp, differences of groups, or the rate."),
    ] = "residuals"
    autoparam: Annotated[
        bool,
        When("fit_method", *OFFICIAL),
        Doc("Choose background and channels by the data (NIRCam and NIRISS images)."),
    ] = False
    fit_by_channel: Annotated[
        bool,
        When("fit_method", "median"),
        Doc("Fit each amplifier by itself (full frames of the near infrared)."),
    ] = False
    background_method: Annotated[
        Literal["median", "model", "median_image", "none"],
        Doc("Background to keep: its level, a mesh, the median of the integrations, or none."),
    ] = "median"
    background_box_size: Annotated[
        int | None,
        Interval(ge=2, le=2048),
        Unit("pixel"),
        When("background_method", "model"),
        Doc("Side of the boxes of the mesh; default: as many up to 32 as divide the frame."),
    ] = None
    mask_science_regions: Annotated[
        bool, Doc("Leave out where science is known to fall, as far as the file tells.")
    ] = False
    apply_flat_field: Annotated[bool, Doc("Let the background have the structure of the flat.")] = (
        False
    )
    n_sigma: Annotated[
        float,
        Interval(ge=0, le=20),
        Unit("sigma"),
        Doc("Above the background at which a pixel is no longer one; 0: none is left out."),
    ] = 2.0
    source_threshold: Annotated[
        float,
        Interval(ge=0, le=100),
        Unit("sigma"),
        When("fit_method", *OURS),
        Doc("Of connected pixels of the smoothed draft that make a source; 0: do not search."),
    ] = 0.8
    source_growth: Annotated[
        int,
        Interval(ge=0, le=GROWTH),
        Unit("pixel"),
        When("fit_method", *OURS),
        Doc("By which sources grow on all sides."),
    ] = 4
    side_pixels: Annotated[
        int,
        Interval(ge=0, le=1024),
        Unit("pixel"),
        When("fit_method", *OURS),
        Doc("Use only so many pixels at either end of a line, references too; 0: all."),
    ] = 0
    fit_histogram: Annotated[
        bool, When("fit_method", *OFFICIAL), Doc("Take the noise from a histogram's fit.")
    ] = False
    single_mask: Annotated[bool, Doc("Use one mask for all integrations.")] = True
    user_mask: Annotated[
        str, Doc("File of background pixels (1) and others (0), in place of what is found.")
    ] = ""

    @property
    def how(self) -> How:
        """How our methods find the noise."""
        assert self.fit_method in OURS
        return How(
            method=cast("Method", self.fit_method),
            level=self.level,
            background=self.background_method,
            rule=Rule(self.n_sigma, self.source_threshold, self.source_growth),
            regions=self.mask_science_regions,
            sides=self.side_pixels,
            single=self.single_mask,
        )

    @property
    def official(self) -> Official:
        """The same for the official methods."""
        side = self.background_box_size
        return Official(
            fit_method=cast("Literal['median', 'fft']", self.fit_method),
            fit_by_channel=self.fit_by_channel,
            background_method=self.background_method,
            background_box_size=None if side is None else (side, side),
            mask_science_regions=self.mask_science_regions,
            n_sigma=self.n_sigma,
            fit_histogram=self.fit_histogram,
            single_mask=self.single_mask,
        )


def _hand(scene: SceneRef | None, user_mask: UserMaskRef | None) -> Array | None:
    """What the user says of pixels: `masks.SOURCE`, `masks.BACKGROUND`, or 0 for nothing."""
    said = None
    if user_mask is not None:
        said = np.where(user_mask.data == 1, np.uint8(BACKGROUND), np.uint8(SOURCE))
    if scene is None or said is None:
        return said if scene is None else scene.data
    return np.where(scene.data == 0, said, scene.data)


def _drafted(
    ramp: Ramp, gain: GainRef | None, readnoise: ReadnoiseRef | None
) -> tuple[Array, Array]:
    """Rate [y, x] and those of the integrations, as the official draft has them."""
    fit = registry["ramp_fit"]
    params = fit.params.from_dict({"algorithm": "OLS_C", "combine": "official"})
    rate = fit(ramp, params, {"gain": gain, "readnoise": readnoise})
    assert isinstance(rate, Rate)
    assert rate.integrations is not None
    return rate.data, rate.integrations.data


def measure_flicker(
    whole: Whole,
    p: FlickerParams,
    gain: GainRef | None,
    readnoise: ReadnoiseRef | None,
    flat: FlatRef | None,
    scene: SceneRef | None,
    user_mask: UserMaskRef | None,
) -> Scene | OfficialNoise:
    """Measure the background, the noise and the drifts; for official methods the noise itself.

    Raises
    ------
    StepError
        If an official method is not for such an exposure.
    """
    if p.fit_method in OURS:
        return measure_scene(whole, p.background_box_size or 0)

    def draft(ramp: Ramp) -> tuple[Array, Array]:
        return _drafted(ramp, gain, readnoise)  # cut to the ramp by the fit

    settings, even = p.official, None if flat is None else flat.data
    if p.autoparam and whole.exposure.exp_type in _CHOSEN:
        chosen = official_choice(whole, draft, even)
        even = even if chosen.pop("apply_flat_field") else None
        settings = dc.replace(settings, **chosen)
    return measure_official(
        whole,
        settings,
        flat=even,
        draft=draft,
        hand=_hand(scene, user_mask),
    )


def _asks(p: FlickerParams) -> dict[str, Any]:
    if p.fit_method in OURS:
        return {"background_box_size": p.background_box_size}
    return p.as_dict()


def _around(exposure: Exposure, p: FlickerParams, box: Box) -> Box:
    """All of the lines that those of a box depend on."""
    if p.fit_method not in OURS:
        return box
    stripes = Stripes(exposure, (_FAR, _FAR))
    first, end = lines_around(p.how.method, stripes, *stripes.span(box))
    return stripes.band(first - CONTEXT, end + CONTEXT)


def _affects(exposure: Exposure, p: FlickerParams, box: Box) -> Box:
    """All of the lines that depend on those of a box."""
    if p.fit_method not in OURS:
        return box
    stripes = Stripes(exposure, (_FAR, _FAR))
    first, end = stripes.span(box)
    return stripes.band(*lines_after(p.how.method, stripes, first - CONTEXT, end + CONTEXT))


def _skips(exposure: Exposure, p: FlickerParams) -> str:
    if p.fit_method not in OURS:
        return refusal(exposure, p.official)
    if p.background_method == "median_image" and exposure.nints < 2:
        return "background_method = 'median_image' needs 2 integrations, the exposure has 1"
    return ""


def _unread(p: FlickerParams) -> list[str]:
    """References that are of no use with some parameters."""
    ours = ["gain", "readnoise"] if p.fit_method in OURS else []
    even = not p.apply_flat_field and (p.fit_method in OURS or not p.autoparam)
    return [*ours, *(["flat"] if even else [])]


def _unmeasured(p: FlickerParams) -> list[str]:
    return ["flat", "scene", "user_mask"] if p.fit_method in OURS else []


@step(
    measure=measure_flicker,
    asks=_asks,
    around=_around,
    affects=_affects,
    skips=_skips,
    views=look.VIEWS,
    unread=_unread,
    unmeasured=_unmeasured,
)
def clean_flicker_noise(
    product: P,
    p: FlickerParams,
    model: Scene | OfficialNoise,
    gain: GainRef | None = None,
    readnoise: ReadnoiseRef | None = None,
    flat: FlatRef | None = None,
    scene: SceneRef | None = None,
    user_mask: UserMaskRef | None = None,
) -> P:
    """Subtract the 1/f noise of each group, or of a rate: data DN or DN/s.

    The background and what the mask leaves out are kept. Pixels that were no background say why in
    ``scene``.
    """
    if isinstance(model, OfficialNoise):
        count = len(model.scene) if model.scene.ndim == 3 else 1
        free = np.all([model.free(i, product.covers) for i in range(count)], axis=0)
        why = np.where(free, np.uint8(0), BRIGHT)
        return less_official(product, model).replace(scene=why)
    even = None
    if flat is not None:
        known = np.isfinite(flat.data) & (flat.data > 0)
        even = np.where(known, flat.data, 1).astype(np.float32)
    return cleaned(product, p.how, model, _hand(scene, user_mask), even)
