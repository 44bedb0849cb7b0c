"""1/f noise as the official correction found it, and boxes of an exposure without it."""

from __future__ import annotations

import dataclasses as dc
from typing import TypeVar

import numpy as np

from jwinteractive.data import Array, Box, Ramp, Rate, RateInts
from jwinteractive.flicker.fourier import LineWaves
from jwinteractive.flicker.lines import as_images
from jwinteractive.step import Model

__all__ = ["OfficialNoise", "less_official"]

P = TypeVar("P", Ramp, Rate, RateInts)


@dc.dataclass(frozen=True, kw_only=True)
class OfficialNoise(Model):
    """Noise of the images of an exposure: of integration after integration, its differences.

    One of ``levels``, ``waves`` and ``noise`` is not None.

    Attributes
    ----------
    levels
        Level [image, line, channel] in the unit of the image.
    waves
        Coefficients [image, line, term] of `jwinteractive.flicker.fourier.LineWaves`.
    noise
        Noise [image, y, x] itself.
    scene
        Background pixels, bool [y, x] or [integration, y, x].
    background
        Level [image] that was taken off before the fit.
    meshes
        Medians of boxes [image, y, x] that the background was drawn from, where it is a model.
    skipped
        Whether an image [image] is left as it is.
    flat
        Flat field [y, x] without gaps that images were divided by, or None.
    fastaxis, slowaxis
        Axes of the lines; see `jwinteractive.flicker.lines.in_lines`.
    groups
        Whether images are groups, not their differences.
    y0, x0, ny, nx
        First pixel and size of the exposure.
    warnings
        What a person should know, in words.
    """

    levels: Array | None
    waves: Array | None
    noise: Array | None
    scene: Array
    background: Array
    meshes: Array | None
    skipped: Array
    flat: Array | None
    fastaxis: int
    slowaxis: int
    groups: bool
    y0: int
    x0: int
    ny: int
    nx: int
    warnings: tuple[str, ...]

    def inside(self, image: int, box: Box) -> Array:
        """Noise of an image in a box [y, x], float32; of one row or column where all are alike."""
        here = self._here(box)
        if self.skipped[image]:
            return np.zeros((1, 1), np.float32)
        if self.noise is not None:
            found = self.noise[image][here]
        else:
            (y0, y1), (x0, x1) = ((s.start, s.stop) for s in here)
            across = abs(self.fastaxis) == 1
            lines, pixels = ((y0, y1), (x0, x1)) if across else ((x0, x1), (y0, y1))
            nline, npix = (self.ny, self.nx) if across else (self.nx, self.ny)
            if self.slowaxis < 0:
                lines = nline - lines[1], nline - lines[0]
            if self.fastaxis < 0:
                pixels = npix - pixels[1], npix - pixels[0]
            part = self._of_lines(image, lines, pixels, npix)
            found = as_images(part, self.fastaxis, self.slowaxis)
        return np.asarray(found if self.flat is None else found * self.flat[here])

    def free(self, integration: int, box: Box) -> Array:
        """Background pixels of an integration in a box, bool [y, x]."""
        scene = self.scene if self.scene.ndim == 2 else self.scene[integration]
        return np.asarray(scene[self._here(box)])

    def _here(self, box: Box) -> tuple[slice, slice]:
        whole = Box(self.y0, self.y0 + self.ny, self.x0, self.x0 + self.nx)
        return box.slices(whole)

    def _of_lines(
        self, image: int, lines: tuple[int, int], pixels: tuple[int, int], npix: int
    ) -> Array:
        """Noise [line, pixel] of some lines and pixels, or [line, 1]."""
        if self.waves is not None:
            # the official fit lays its waves one pixel beside their place
            return LineWaves(self.waves, npix, shift=1).values(image, *lines, *pixels)
        assert self.levels is not None
        levels = self.levels[image, slice(*lines)]
        channels = levels.shape[1]
        if channels == 1:
            return np.asarray(levels)
        return np.asarray(levels[:, np.arange(*pixels) * channels // npix])


def less_official(product: P, noise: OfficialNoise) -> P:
    """Any box of an exposure without its noise: data DN or DN/s.

    Differences of ramps are added up again from the first group, which stays as it is; where one is
    left as it is, so is the later group. What comes after a sample that is NaN is NaN, too. The
    rates of integrations that a `Rate` brings along stay as they are.
    """
    box = product.covers
    data: Array = np.empty_like(product.data, np.float32)
    if not isinstance(product, Ramp) or noise.groups:
        images = product.data.reshape(-1, *product.shape)
        for k, left in enumerate(data.reshape(images.shape)):
            np.subtract(images[k], noise.inside(k, box), out=left)
        return product.replace(data=data)
    nint, ngroup = product.data.shape[:2]
    data[:, 0] = product.data[:, 0]
    for i in range(nint):
        for g in range(1, ngroup):
            k = i * (ngroup - 1) + g - 1
            if noise.skipped[k]:
                data[i, g] = product.data[i, g]
                continue
            rise = product.data[i, g] - product.data[i, g - 1]
            rise -= noise.inside(k, box)
            np.add(data[i, g - 1], rise, out=data[i, g])
    return product.replace(data=data)
