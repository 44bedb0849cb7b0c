"""Raw exposures of one field with what the later stages need: pointings and references.

The scene is drawn on a linear grid, so the simulated distortion is linear too: a scale and the
parity of NIRCam. Exposures are moved by thirds and halves of pixels, so that a mosaic's pixels lie
anyhow to theirs; the pointing that their headers tell is off by known amounts, for an alignment to
find. Truth: positions and fluxes of the stars.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from jwinteractive.data import Array
from jwinteractive.errors import InputError
from jwinteractive.simulate.descriptions import describe_reference
from jwinteractive.simulate.exposure import SimulatedExposure, simulate
from jwinteractive.simulate.scene import BETA

__all__ = ["SimulatedField", "field"]

RA, DEC = 53.16, -27.79
SCALE: Final = 0.031  # arcsec, side of a pixel
_SR: Final = (SCALE / 206264.806) ** 2
_MJYSR: Final = 2.0  # MJy/sr of 1 DN/s
_ENERGY: Final = (0.3, 0.5, 0.7)  # shares of a star's light that apertures hold
_REACH, _FINE = 20, 9  # pixels that a star reaches, samples of a pixel
# Two or more of them spread a star on any grid of pixels as grids at random do on average.
_MOVES: Final = (
    (0.0, 0.0), (9 + 1 / 3, -6 - 1 / 3), (-7 - 1 / 3, 8 + 1 / 3), (12.5, 11.5),
    (-10 - 1 / 6, -9 + 1 / 6), (4 + 1 / 6, -13 - 1 / 6),
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class SimulatedField:
    """Exposures of one field.

    Attributes
    ----------
    exposures
        Raw ramps of the same stars on the same detector.
    errors
        Arcsec (+V2, +V3) by which the pointing that each header tells is off.
    """

    exposures: tuple[SimulatedExposure, ...]
    errors: tuple[tuple[float, float], ...]

    def name(self, number: int) -> str:
        """Root of the file names of an exposure."""
        detector = self.exposures[number].settings.detector.lower()
        return f"jw99999001001_02101_{number + 1:05d}_{detector}"

    def stars(self) -> dict[str, Array]:
        """True place and light of each star: ra, dec in degrees, flux in Jy, rate in e-/s."""
        first = self.exposures[0]
        catalogue, window = first.truth.catalogue, first.window
        move = first.settings.dither
        x, y = catalogue["x"] - move[0], catalogue["y"] - move[1]
        along = -(x - (window.nx - 1) / 2) * SCALE / 3600
        up = (y - (window.ny - 1) / 2) * SCALE / 3600
        dec = DEC + up
        flux = catalogue["rate"] / self.gain * _MJYSR * 1e6 * _SR
        return {
            "ra": RA + along / np.cos(np.deg2rad(DEC)),
            "dec": dec,
            "flux": flux,
            "rate": np.asarray(catalogue["rate"]),
        }

    @property
    def gain(self) -> float:
        """Mean electrons of a DN."""
        return float(np.mean(self.exposures[0].pixels.gain))

    def write(self, folder: Path | str) -> list[Path]:
        """Write all exposures, each with its references beside it, and the truth of the field."""
        from astropy.table import Table
        from stdatamodels.jwst import datamodels

        folder = Path(folder)
        paths: list[Path] = []
        refs = folder / f"{self.name(0)}_refs"
        for i, exposure in enumerate(self.exposures):
            # of one detector: to make and check them takes longer than all else
            path = exposure.write(folder, self.name(i), like=refs if i else None)
            with datamodels.Level1bModel(str(path)) as model:
                self._point(model.meta, i)
                model.save(str(path), overwrite=True)
            if i == 0:
                for kind, reference in _references(exposure).items():
                    ending = "asdf" if kind in ("distortion", "abvegaoffset") else "fits"
                    reference.save(str(refs / f"jwst_nircam_{kind}_sim.{ending}"))
            paths.append(path)
        Table(self.stars()).write(folder / "field_truth.ecsv", overwrite=True)
        errors = {self.name(i): e for i, e in enumerate(self.errors)}
        (folder / "field_pointing.json").write_text(json.dumps(errors, indent=1))
        return paths

    def _point(self, meta: Any, number: int) -> None:
        exposure, (off_v2, off_v3) = self.exposures[number], self.errors[number]
        dx, dy = exposure.settings.dither
        # a scene that moves to the right on the detector: the telescope points further east
        ra = RA + (dx * SCALE + off_v2) / 3600 / np.cos(np.deg2rad(DEC))
        dec = DEC + (-dy * SCALE + off_v3) / 3600
        meta.wcsinfo.instance.update(
            ra_ref=ra, dec_ref=dec, crval1=ra, crval2=dec, cdelt1=SCALE / 3600, cdelt2=SCALE / 3600
        )
        meta.pointing.ra_v1, meta.pointing.dec_v1 = ra, dec
        meta.observation.exposure_number = str(number + 1)
        meta.dither.position_number, meta.dither.total_points = number + 1, len(self.exposures)
        meta.filename = f"{self.name(number)}_uncal.fits"


def field(
    size: tuple[int, int] = (256, 256),
    count: int = 4,
    pointing: float = 0.04,
    seed: int = 1,
    **settings: Any,
) -> SimulatedField:
    """Simulate NIRCam exposures of one field.

    Parameters
    ----------
    size
        Rows and columns of the window.
    count
        Exposures, 1 to 6.
    pointing
        Arcsec; scatter of the errors of the pointings of all but the first.
    seed
        Of everything.
    **settings
        Fields of `Settings` for all of them.

    Raises
    ------
    InputError
        If there are too many exposures, or a setting is unknown.
    """
    if not 1 <= count <= len(_MOVES):
        raise InputError(f"count = {count}: must lie in [1, {len(_MOVES)}]")
    rng = np.random.default_rng(seed)
    common: dict[str, Any] = {
        "size": size, "scene_seed": seed + 1, "detector_seed": seed + 2, "exp_type": "NRC_IMAGE",
        "filter": "F200W", "pupil": "CLEAR", "crowding": 900.0, "brightest": 3000.0,
        "faintest": 300.0, "galaxies": 2,
    }  # fmt: skip
    made = tuple(
        simulate("nircam", **(common | {"seed": seed + 10 + i, "dither": _MOVES[i]} | settings))
        for i in range(count)
    )
    errors = [(0.0, 0.0), *(tuple(rng.normal(0, pointing, 2).tolist()) for _ in range(count - 1))]
    return SimulatedField(made, tuple((float(a), float(b)) for a, b in errors))


def _references(exposure: SimulatedExposure) -> dict[str, Any]:
    """References of stages 2 and 3 for the window of an exposure; its flat is of the detector."""
    from astropy.modeling.models import Scale, Shift
    from astropy.table import Table
    from stdatamodels.jwst import datamodels

    window = exposure.window
    shape = (window.ny, window.nx)
    x0 = window.xstart - 1 + (window.nx - 1) / 2
    y0 = window.ystart - 1 + (window.ny - 1) / 2
    # parity -1: +x is -V2
    transform = (Shift(-x0) & Shift(-y0)) | (Scale(-SCALE) & Scale(SCALE))
    distortion = datamodels.DistortionModel()
    distortion.model = transform
    distortion.meta.input_units, distortion.meta.output_units = "pixel", "arcsec"
    settings = exposure.settings
    optics = (settings.filter, settings.pupil)
    photom = datamodels.NrcImgPhotomModel()
    photom.phot_table = np.array([(*optics, _MJYSR, 0.02 * _MJYSR)], photom.get_dtype("phot_table"))
    area = datamodels.PixelAreaModel(data=np.ones(shape, np.float32))
    for made in (photom, area):
        made.meta.photometry.pixelarea_steradians = _SR
        made.meta.photometry.pixelarea_arcsecsq = SCALE**2
    apcorr = datamodels.NrcImgApcorrModel()
    rows = [(*optics, *row) for row in _apertures(settings.fwhm)]
    apcorr.apcorr_table = np.array(rows, apcorr.get_dtype("apcorr_table"))
    vega = datamodels.ABVegaOffsetModel()
    vega.abvega_offset = Table(
        {"filter": [optics[0]], "pupil": [optics[1]], "abvega_offset": [1.7]}
    )
    found = {
        "distortion": distortion, "photom": photom, "area": area, "apcorr": apcorr,
        "abvegaoffset": vega,
    }  # fmt: skip
    for kind, model in found.items():
        _describe(model, kind, exposure)
    area.meta.instance.setdefault("subarray", {}).update(
        name=window.name, xstart=window.xstart, ystart=window.ystart, xsize=window.nx,
        ysize=window.ny, fastaxis=window.detector.fastaxis, slowaxis=window.detector.slowaxis,
    )  # fmt: skip
    return found


def _apertures(fwhm: float) -> list[tuple[float, float, float, float, float]]:
    """Share of the light of a star, radius, correction, radii of the sky; pixels.

    The profile is as an image resampled from several exposures shows it to an aperture: seen by
    pixels, taken for flat and dropped, gathered by the pixels of the image, and these taken for
    flat. The image of one exposure holds up to three percent less or more, as its pixels lie.
    """
    from scipy.ndimage import uniform_filter

    alpha = fwhm / (2 * np.sqrt(2 ** (1 / BETA) - 1))
    at = (np.arange(-_REACH * _FINE, _REACH * _FINE + 1)) / _FINE
    radius = np.hypot(at[:, None], at)
    profile = (1 + (radius / alpha) ** 2) ** -BETA
    for _ in range(4):
        profile = uniform_filter(profile, _FINE)
    order = np.argsort(radius, axis=None)
    light = np.cumsum(profile.ravel()[order])
    radii = np.interp(_ENERGY, light / light[-1], radius.ravel()[order])
    return [(e, float(r), 1 / e, 12.0, 18.0) for e, r in zip(_ENERGY, radii, strict=True)]


def _describe(model: Any, kind: str, exposure: SimulatedExposure) -> None:
    """What a reference says of itself."""
    settings = exposure.settings
    describe_reference(model, kind, settings.detector, "NRC_IMAGE", "NIRCAM")
    instrument = model.meta.instance["instrument"]
    instrument.update(module=settings.detector[3], channel="SHORT")
    if kind == "distortion":
        instrument.update(p_pupil=f"{settings.pupil}|")
    if kind == "area":
        instrument.update(filter=settings.filter, pupil=settings.pupil)
