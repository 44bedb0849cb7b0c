"""Charged particles: cosmic rays, snowballs and showers, as lists of charge deposits."""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from jwinteractive.simulate.settings import Settings
from jwinteractive.simulate.window import Window

DEPOSIT = np.dtype([("frame", "i4"), ("y", "i4"), ("x", "i4"), ("electrons", "f4"), ("kind", "u1")])
"""One deposit: 0-based frame of the integration, pixel, charge; kind 0 cosmic ray, 1 snowball,
2 shower."""

# A layer of 7 um; 0.86 keV per um gives the typical deposit of 5200 e- along its normal [P].
_THICKNESS = 7.0
_PER_UM = 5200.0 / _THICKNESS
_LANDAU_WIDTH = 0.2
_STEP = 0.25
# Smaller charges than one electron are not listed.
_FLOOR = 1.0
# Snowballs (dossier 13 [E]): core, halo and slow release.
_CORE_MEDIAN, _CORE_SIGMA, _CORE_MAX = 3.0, 0.4, 30.0
_CORE_CHARGE = 3.0
_RELEASE_TAU, _RELEASE = 30.0, 0.1
_RELEASED_FRAMES = 2.0
# Showers (dossier 13 [E]): elongated patches of light that decay.
_SHOWER_LENGTH = 10.0, 100.0  # px
_SHOWER_WIDTH = 0.3, 0.8  # of the length
_SHOWER_PEAK = 0.5, 4.0  # DN/s
_SHOWER_DECAY = 15.0  # s


@njit(cache=True, nogil=True)
def _phi(x: float) -> float:
    return 0.5 * math.erfc(-x / math.sqrt(2.0))


@njit(cache=True, nogil=True)
def _track(
    x0: float,
    y0: float,
    dx: float,
    dy: float,
    charge: float,
    sigma: float,
    patch: NDArray[np.float64],
    corner_y: int,
    corner_x: int,
) -> None:
    """Spread `charge` along a segment with Gaussian diffusion over the pixels of `patch`."""
    length = np.hypot(dx, dy)
    steps = int(length / _STEP) + 1
    h, w = patch.shape
    for s in range(steps):
        f = (s + 0.5) / steps
        x, y = x0 + f * dx, y0 + f * dy
        for j in range(h):
            py = corner_y + j - y
            if abs(py) > 5 * sigma + 1:
                continue
            wy = _phi((py + 0.5) / sigma) - _phi((py - 0.5) / sigma)
            for i in range(w):
                px = corner_x + i - x
                if abs(px) > 5 * sigma + 1:
                    continue
                wx = _phi((px + 0.5) / sigma) - _phi((px - 0.5) / sigma)
                patch[j, i] += charge / steps * wx * wy


def cosmic_rays(
    settings: Settings, window: Window, frames: int, rng: np.random.Generator
) -> NDArray[np.void]:
    """Deposits of the cosmic rays of one integration.

    Directions follow an isotropic flux through a plane (density cos(theta) in solid angle); the
    path through the layer is h / cos(theta), the loss per length fluctuates like a Moyal variate.
    """
    pitch = window.detector.pitch
    area = window.ny * window.nx * (pitch * 1e-4) ** 2
    count = rng.poisson(settings.cosmic_rays * area * frames * window.frame_time)
    frame = rng.integers(0, frames, count)
    x0, y0 = rng.uniform(-0.5, window.nx - 0.5, count), rng.uniform(-0.5, window.ny - 0.5, count)
    # grazing tracks would run over the whole array: stop at 60 layers of path
    cosine = np.clip(np.sqrt(rng.random(count)), 1 / 60, 1)
    azimuth = rng.uniform(0, 2 * np.pi, count)
    path = _THICKNESS / cosine
    loss = 1 - _LANDAU_WIDTH * np.log(np.clip(rng.standard_normal(count) ** 2, 1e-8, None))
    charge = path * _PER_UM * np.clip(loss, 0.2, 5.0)
    run = _THICKNESS * np.sqrt(1 - cosine**2) / cosine / pitch
    dx, dy = run * np.cos(azimuth), run * np.sin(azimuth)
    sigma = max(settings.diffusion, 1e-3)
    parts = [np.zeros(0, DEPOSIT)]
    margin = int(np.ceil(5 * sigma)) + 1
    for k in range(count):
        ys, xs = sorted((y0[k], y0[k] + dy[k])), sorted((x0[k], x0[k] + dx[k]))
        cy, cx = int(np.floor(ys[0])) - margin, int(np.floor(xs[0])) - margin
        h, w = int(np.ceil(ys[1])) + margin + 1 - cy, int(np.ceil(xs[1])) + margin + 1 - cx
        patch = np.zeros((h, w))
        _track(x0[k], y0[k], dx[k], dy[k], charge[k], sigma, patch, cy, cx)
        parts.append(_listed(patch, cy, cx, int(frame[k]), 0))
    return np.concatenate(parts)


def snowballs(
    settings: Settings, window: Window, frames: int, rng: np.random.Generator
) -> NDArray[np.void]:
    """Deposits of the snowballs of one integration: saturated core, halo r^-3, slow release."""
    exposure = frames * window.frame_time * window.ny * window.nx / 2048**2
    parts = [np.zeros(0, DEPOSIT)]
    for _ in range(rng.poisson(settings.snowballs * exposure)):
        first = int(rng.integers(0, frames))
        radius = min(_CORE_MEDIAN * np.exp(_CORE_SIGMA * rng.standard_normal()), _CORE_MAX)
        reach = radius * rng.uniform(2, 6)
        amplitude = 10 ** rng.uniform(1, 3)
        x0, y0 = rng.uniform(0, window.nx), rng.uniform(0, window.ny)
        cy, cx, side = int(y0 - reach), int(x0 - reach), int(2 * reach) + 2
        y, x = np.mgrid[cy : cy + side, cx : cx + side]
        r = np.hypot(y - y0, x - x0)
        halo = np.where(r < reach, amplitude * (np.maximum(r, radius) / radius) ** -3.0, 0.0)
        core = np.where(r < radius, _CORE_CHARGE * window.detector.well, 0.0)
        parts.append(_listed(core + halo, cy, cx, first, 1))
        last = first + int(_RELEASED_FRAMES * _RELEASE_TAU / window.frame_time) + 1
        for later in range(first + 1, min(last, frames)):
            t = (later - first) * window.frame_time
            fraction = np.exp(-t / _RELEASE_TAU) * (np.exp(window.frame_time / _RELEASE_TAU) - 1)
            parts.append(_listed(_RELEASE * fraction * halo, cy, cx, later, 1))
    return np.concatenate(parts)


def showers(
    settings: Settings, window: Window, frames: int, rng: np.random.Generator
) -> NDArray[np.void]:
    """Deposits of the showers of one integration: patches whose light decays over many frames."""
    exposure = frames * window.frame_time * window.ny * window.nx / 1024**2
    parts = [np.zeros(0, DEPOSIT)]
    for _ in range(rng.poisson(settings.showers * exposure)):
        first = int(rng.integers(0, frames))
        a, peak = (
            np.exp(rng.uniform(np.log(low), np.log(high)))
            for low, high in (_SHOWER_LENGTH, _SHOWER_PEAK)
        )
        a /= 2
        b = a * rng.uniform(*_SHOWER_WIDTH)
        turn = rng.uniform(0, np.pi)
        x0, y0 = rng.uniform(0, window.nx), rng.uniform(0, window.ny)
        cy, cx, side = int(y0 - a), int(x0 - a), int(2 * a) + 2
        y, x = np.mgrid[cy : cy + side, cx : cx + side]
        along = (x - x0) * np.cos(turn) + (y - y0) * np.sin(turn)
        across = (y - y0) * np.cos(turn) - (x - x0) * np.sin(turn)
        rate = peak * window.detector.gain * np.maximum(1 - (along / a) ** 2 - (across / b) ** 2, 0)
        for frame in range(first, frames):
            began = (frame - first) * window.frame_time / _SHOWER_DECAY
            ended = began + window.frame_time / _SHOWER_DECAY
            patch = rate * _SHOWER_DECAY * (np.exp(-began) - np.exp(-ended))
            if patch.max() < _FLOOR:
                break
            parts.append(_listed(patch, cy, cx, frame, 2))
    return np.concatenate(parts)


def _listed(patch: NDArray[np.float64], y: int, x: int, frame: int, kind: int) -> NDArray[np.void]:
    j, i = np.nonzero(patch >= _FLOOR)
    found = np.zeros(j.size, DEPOSIT)
    found["frame"], found["kind"] = frame, kind
    found["y"], found["x"], found["electrons"] = j + y, i + x, patch[j, i]
    return found


def deposits(
    settings: Settings, window: Window, frames: int, seed: np.random.SeedSequence
) -> NDArray[np.void]:
    """Every deposit on light-sensitive pixels of one integration, in order of frames."""
    rng = np.random.Generator(np.random.SFC64(seed))
    parts = [np.zeros(0, DEPOSIT)]
    if settings.cosmic_rays:
        parts.append(cosmic_rays(settings, window, frames, rng))
    if settings.snowballs:
        parts.append(snowballs(settings, window, frames, rng))
    if settings.showers:
        parts.append(showers(settings, window, frames, rng))
    found = np.concatenate(parts)
    inside = (found["y"] >= 0) & (found["y"] < window.ny)
    inside &= (found["x"] >= 0) & (found["x"] < window.nx)
    found = found[inside]
    found = found[~window.reference_pixels[found["y"], found["x"]]]
    ordered: NDArray[np.void] = found[np.argsort(found["frame"], kind="stable")]
    return ordered
