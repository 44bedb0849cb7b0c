"""How much 1/f noise an image holds, and what its removal did to sources: five numbers.

Source: dossier 4. Images [ny, nx] without background; ``free`` are their background pixels.
"""

from __future__ import annotations

import dataclasses as dc
from collections.abc import Callable

import numpy as np
from scipy import fft

from jwinteractive.data import Array
from jwinteractive.detectors import TICK
from jwinteractive.errors import InputError
from jwinteractive.flicker.readout import Readout

__all__ = [
    "FluxBias",
    "Power",
    "amplifier_steps",
    "background_scatter",
    "flux_bias",
    "power_spectrum",
    "stripe_rms",
]

_MEDIAN = np.pi / 2  # variance of a median, in that of a mean
_MAD = 1.4826
_LAG = 2**17  # clocks: frequencies down to 0.8 Hz
_DECADE = 16  # points of a power spectrum
_CROWD = 200  # sources may cover one of so many free pixels, else they are a level of their own
_MANY, _TURNS = 48, 6  # sources that are wanted, and times that an image is cleaned for them
_EDGE = 16  # columns on each side of a boundary of amplifiers


def stripe_rms(image: Array, free: Array, readout: Readout) -> Array:
    """Scatter of the line medians beyond what white noise gives them, [amplifier] in DN.

    √max(0, var(medians) - π/2 σ²/n), with σ from the pixels about the medians of their line. If
    the noise was removed by means of these same pixels, their white noise is partly gone too: what
    is left is then 0 or too low. NaN for an amplifier that has fewer than two lines.
    """
    lines = readout.lines(np.where(free, image, np.nan))
    found = np.full(readout.amplifiers, np.nan)
    for a in range(readout.amplifiers):
        own = lines[:, readout.amplifier == a].astype(np.float64)
        count = np.isfinite(own).sum(axis=1)
        own, count = own[count > 1], count[count > 1]
        if len(own) < 2:
            continue
        medians = np.nanmedian(own, axis=1)
        off = np.abs(own - medians[:, None])
        # medians of few pixels lie nearer to these than the truth does
        sigma = _MAD * np.nanmedian(off / np.sqrt(1 - (2 - _MEDIAN) / count[:, None]))
        white = _MEDIAN * sigma**2 * np.mean(1 / count)
        found[a] = np.sqrt(max(0.0, float(np.var(medians, ddof=1) - white)))
    return found


@dc.dataclass(frozen=True, eq=False)
class Power:
    """Power spectrum of a stream of pixels: density [point] in DN²/Hz at frequencies in Hz."""

    frequency: Array
    density: Array

    def band(self, low: float, high: float) -> float:
        """Mean density from ``low`` to ``high`` Hz; NaN if there is no point."""
        inside = (self.frequency >= low) & (self.frequency < high)
        if not inside.any():
            return float("nan")
        # points are as far apart as their frequencies are high
        return float(np.average(self.density[inside], weights=self.frequency[inside]))


def power_spectrum(image: Array, free: Array, readout: Readout) -> Power:
    """Power spectrum in Hz of the background, in the order of reading, mean of the amplifiers.

    Masked pixels and overheads are gaps: the autocovariance of the stream is divided by that of
    its gaps, tapered and transformed (one-sided). Lags that too few pairs of pixels have are 0.

    Raises
    ------
    InputError
        If nothing is free.
    """
    lines = readout.lines(image)
    good = readout.lines(free) & np.isfinite(lines)
    if not good.any():
        message = "free: no pixel is: a power spectrum needs background: mask less"
        raise InputError(message)
    ticks = len(lines) * readout.line_ticks
    lag = min(_LAG, ticks // 4)
    size = fft.next_fast_len(ticks + lag, real=True)
    product, pairs = np.zeros(lag), np.zeros(lag)
    start = np.arange(len(lines))[:, None] * readout.line_ticks
    for a in range(readout.amplifiers):
        own = readout.amplifier == a
        seen = good[:, own]
        if not seen.any():
            continue
        at = (start + readout.tick[own])[seen]
        values = lines[:, own][seen].astype(np.float64)
        for total, samples in ((product, values - values.mean()), (pairs, np.ones(len(values)))):
            stream = np.zeros(size)
            stream[at] = samples
            total += fft.irfft(np.abs(fft.rfft(stream)) ** 2, size)[:lag]
    pairs = np.round(pairs)
    enough = pairs > 1e-3 * pairs[0]
    covariance = np.where(enough, product / np.maximum(pairs, 1), 0.0)
    taper = np.cos(np.pi / 2 * np.arange(lag) / lag) ** 2
    even = 2 * fft.rfft(covariance * taper, 2 * lag).real - covariance[0]
    return _in_decades(np.arange(lag + 1) / (2 * lag * TICK), 2 * TICK * even)


def _in_decades(frequency: Array, density: Array) -> Power:
    """Mean of the points that share a step of the logarithm, without the mean level at 0 Hz."""
    step = np.floor(_DECADE * np.log10(frequency[1:])).astype(int)
    _, which, count = np.unique(step, return_inverse=True, return_counts=True)
    means = [np.bincount(which, values[1:]) / count for values in (frequency, density)]
    return Power(means[0], means[1])


def background_scatter(image: Array, free: Array, side: int = 5) -> float:
    """Standard deviation of the means of squares of pixels in DN, of those at least half free.

    NaN if there are fewer than two.
    """
    ny, nx = (n // side for n in image.shape)
    cut = (slice(ny * side), slice(nx * side))
    good = free[cut] & np.isfinite(image[cut])
    shape = (ny, side, nx, side)
    count = good.reshape(shape).sum(axis=(1, 3))
    total = np.where(good, image[cut], 0.0).reshape(shape).sum(axis=(1, 3), dtype=np.float64)
    full = count > side * side / 2
    return float(np.std(total[full] / count[full], ddof=1)) if full.sum() > 1 else float("nan")


def amplifier_steps(image: Array, free: Array, readout: Readout) -> Array:
    """Heights of the steps from each amplifier to the next, [amplifiers - 1] in DN.

    Of stripes, the medians of 16 columns on either side of the boundary are compared; of outputs
    that take turns, those of all their pixels. NaN where nothing is free.
    """
    lines = readout.lines(np.where(free & np.isfinite(image), image, np.nan))
    change = np.flatnonzero(np.diff(readout.amplifier))
    stripes = len(change) == readout.amplifiers - 1
    heights = []
    for k in range(readout.amplifiers - 1):
        if stripes:
            edge = change[k] + 1
            sides = lines[:, max(edge - _EDGE, 0) : edge], lines[:, edge : edge + _EDGE]
        else:
            sides = lines[:, readout.amplifier == k], lines[:, readout.amplifier == k + 1]
        left, right = (side[np.isfinite(side)] for side in sides)
        known = len(left) > 0 and len(right) > 0
        heights.append(np.median(right) - np.median(left) if known else np.nan)
    return np.array(heights, float)


@dc.dataclass(frozen=True)
class FluxBias:
    """What faint sources lose when noise is removed.

    Attributes
    ----------
    sources
        Number of sources that were put in.
    loss
        Mean part of the flux that is lost; negative if it has grown.
    sigma
        Noise of the flux in an aperture of the cleaned image, DN.
    bias, error
        Mean flux lost, in units of ``sigma``, and its standard error: NaN of a single source.
    """

    sources: int
    loss: float
    sigma: float
    bias: float
    error: float = float("nan")


def flux_bias(
    image: Array,
    free: Array,
    clean: Callable[[Array], Array],
    *,
    snr: float = 5.0,
    fwhm: float = 2.5,
    apertures: int = 200,
    seed: int = 1,
) -> FluxBias:
    """Flux that sources put on the background lose in ``clean``.

    Parameters
    ----------
    image
        DN [ny, nx].
    free
        Background pixels, bool [ny, nx]: sources are put where their aperture is free.
    clean
        Takes an image and returns it without noise, mask and all: whether the new sources are
        masked is its business.
    snr
        Flux of each source, in units of the noise in an aperture of 1.5 FWHM radius.
    fwhm
        Width of the sources (Gaussian), pixels.
    apertures, seed
        Number of apertures that the noise is measured in, and what decides their places; they do
        not overlap. As many get a source as cover half a per cent of the background, at least one;
        where these are few, others get one in turn: where a mask follows a source, its noise is
        another, for better or worse, and only the mean of many tells what is lost.

    Raises
    ------
    InputError
        If no aperture is free.
    """
    radius = 1.5 * fwhm
    reach = int(np.ceil(radius))
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    inside = y**2 + x**2 <= radius**2
    shape = np.exp(-(y**2 + x**2) * 4 * np.log(2) / fwhm**2) * inside
    shape /= shape.sum()
    rng = np.random.default_rng(seed)
    open_ = free & np.isfinite(image)
    ys, xs = _places(open_, reach, inside, apertures, rng)
    if len(ys) == 0:
        message = f"free: no aperture of radius {radius:g} pixels is: mask less"
        raise InputError(message)
    before = np.asarray(clean(image), np.float64)
    wy, wx = ys[:, None, None] + y, xs[:, None, None] + x
    # not a product: what lies in the corners may have no value
    sums = np.where(inside, before[wy, wx], 0).sum(axis=(1, 2))
    sigma = _MAD * float(np.median(np.abs(sums - np.median(sums))))
    flux = snr * sigma
    lit = max(1, min(len(ys), int(open_.sum() / (_CROWD * inside.sum()))))
    turns = min(_TURNS, -(-_MANY // lit), max(1, len(ys) // lit))
    gains = []
    for turn in range(turns):
        some = slice(turn * lit, (turn + 1) * lit)
        added = np.array(image, copy=True)
        added[wy[some], wx[some]] += (flux * shape).astype(added.dtype)
        gained = (
            np.asarray(clean(added), np.float64)[wy[some], wx[some]] - before[wy[some], wx[some]]
        )
        gains.append(np.where(inside, gained, 0).sum(axis=(1, 2)))
    lost = (flux - np.concatenate(gains)) / sigma
    mean = float(lost.mean())
    error = float(lost.std(ddof=1) / np.sqrt(len(lost))) if len(lost) > 1 else float("nan")
    return FluxBias(len(lost), mean / snr, sigma, mean, error)


def _places(
    free: Array, reach: int, inside: Array, most: int, rng: np.random.Generator
) -> tuple[Array, Array]:
    """Pixels (y, x) whose apertures are free and do not overlap, in random order."""
    left = free.copy()
    ny, nx = free.shape
    found: list[tuple[int, int]] = []
    for _ in range(20 * most):
        if len(found) == most or min(ny, nx) <= 2 * reach:
            break
        y, x = rng.integers(reach, ny - reach), rng.integers(reach, nx - reach)
        window = left[y - reach : y + reach + 1, x - reach : x + reach + 1]
        if window[inside].all():
            window[...] = False
            found.append((y, x))
    places = np.array(found, np.int64).reshape(-1, 2)
    return places[:, 0], places[:, 1]
