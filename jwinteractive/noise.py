"""What the errors of ramps come from: read noise, photons and dark current of each pixel."""

from __future__ import annotations

import dataclasses as dc
from functools import lru_cache

import numpy as np

from jwinteractive import dq
from jwinteractive.data import Array, Exposure, Ramp
from jwinteractive.kernels.lanes import flatten
from jwinteractive.kernels.likelihood import Pattern, neighbour_terms, pattern_of, read_times
from jwinteractive.references import GainRef, ReadnoiseRef

__all__ = ["Noise", "pattern_for"]

_FLOOR = 1e-3
"""DN; read noise of pixels whose own is not known."""


@dc.dataclass(frozen=True)
class Noise:
    """Noise of the pixels of a ramp [npix], in units of DN; read-only.

    Attributes
    ----------
    gain
        e-/DN; 1 where it is not known.
    read
        Variance of a single read, DN².
    dark
        Dark current whose Poisson noise is in the data, DN/s.
    flags
        uint32: NO_GAIN_VALUE and DO_NOT_USE where the gain is not positive, UNRELIABLE_SLOPE where
        the read noise is not.
    """

    gain: Array
    read: Array
    dark: Array
    flags: Array

    @classmethod
    def of(cls, ramp: Ramp, gain: GainRef, readnoise: ReadnoiseRef) -> Noise:
        """Noise of a ramp; ``readnoise`` is that of two reads' difference, as in the references."""
        factor, cds = flatten(gain.data), flatten(readnoise.data)
        lit, known = factor > 0, cds > 0  # False for NaN
        factor = np.where(lit, factor, np.float32(1))
        read = np.where(known, cds * np.float32(np.sqrt(0.5)), np.float32(_FLOOR)) ** 2
        dark = np.zeros(len(factor), np.float32)
        if ramp.average_dark_current is not None:
            dark = np.nan_to_num(flatten(ramp.average_dark_current) / factor)
        flags = np.where(lit, np.uint32(0), np.uint32(dq.NO_GAIN_VALUE | dq.DO_NOT_USE))
        flags |= np.where(known, np.uint32(0), np.uint32(dq.UNRELIABLE_SLOPE))
        arrays = (factor, read.astype(np.float32), dark, flags)
        for array in arrays:
            array.flags.writeable = False
        return cls(*arrays)


@lru_cache(maxsize=16)
def _pattern(
    ngroup: int, nframes: int, frame_time: float, group_time: float, zero: bool
) -> tuple[Pattern, Array]:
    times = read_times(ngroup, nframes, frame_time, group_time)
    if zero:
        times = [times[0][:1], times[0][1:], *times[1:]]
    pattern = pattern_of(times)
    terms = neighbour_terms(pattern)
    for array in (*pattern, terms):
        array.flags.writeable = False
    return pattern, terms


def pattern_for(exposure: Exposure, *, zero: bool = False) -> tuple[Pattern, Array]:
    """Read-out pattern of an exposure and `neighbour_terms` of it.

    With ``zero`` the first frame is a group of its own, and the first group averages the others.
    """
    return _pattern(
        exposure.ngroups, exposure.nframes, exposure.frame_time, exposure.group_time, zero
    )
