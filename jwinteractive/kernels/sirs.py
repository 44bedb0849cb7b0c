"""Drifts of amplifiers from the side columns by convolution kernels of a reference file (SIRS).

Source: dossier 3.2; official step `refpix` with ``refpix_algorithm = "sirs"``.
"""

from __future__ import annotations

import numpy as np

from jwinteractive.data import Array

__all__ = ["convolution_kernels", "templates"]

_MAD = 1.48  # deviations of a normal distribution are this times the median one


def convolution_kernels(coefficients: Array, gaussmooth: float, halfwidth: int) -> Array:
    """Kernels [amplifier, 2 halfwidth + 1] of Fourier coefficients [amplifier, frequency].

    Cut from the middle of their transform and smoothed by a Gaussian of width ``gaussmooth`` rows.
    """
    middle = coefficients.shape[1] - 1
    whole = np.fft.fftshift(np.fft.irfft(coefficients, axis=1), axes=1)
    cut = whole[:, max(middle - halfwidth, 0) : middle + halfwidth + 1]
    x = np.arange(-halfwidth, halfwidth + 1)
    window = np.exp(-(x**2) / (2 * gaussmooth**2))
    window /= window.sum()
    return np.stack([np.convolve(kernel, window, mode="same") for kernel in cut])


def templates(left: Array, right: Array, kernels: tuple[Array, Array], limit: float) -> Array:
    """Drift [n, amplifier, row] of n frames from side columns [n, row, column] at both ends.

    Samples beyond ``limit`` deviations from the median of their side are left out.
    """
    sides = [_sums(side, limit) for side in (left, right)]
    found = np.zeros((len(left), len(kernels[0]), left.shape[1]))
    for n, amplifier in np.ndindex(found.shape[:2]):
        for (level, share), each in zip(sides, kernels, strict=True):
            kernel = each[amplifier]
            whole = np.convolve(np.ones(left.shape[1]), kernel, mode="same")
            with np.errstate(divide="ignore", invalid="ignore"):
                norm = whole / np.convolve(share[n], kernel, mode="same")
                drift = np.convolve(level[n], kernel, mode="same") * norm
            found[n, amplifier] += np.where(np.isfinite(drift), drift, 0.0)
    return found


def _sums(side: Array, limit: float) -> tuple[Array, Array]:
    """Sum of the good samples of each row over the number of columns, and the share of these."""
    values = side.astype(np.float64)
    distance = np.abs(values - np.median(values, axis=(1, 2), keepdims=True))
    width = _MAD * np.median(distance, axis=(1, 2), keepdims=True)
    good = distance <= limit * width
    return (values * good).sum(axis=2) / side.shape[2], good.mean(axis=2)
