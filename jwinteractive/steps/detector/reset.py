"""MIRI: subtract the decaying signal that a reset leaves in the first groups.

Source: dossier 3.9; official step `reset`.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from jwinteractive.data import Array, Ramp
from jwinteractive.params import Params
from jwinteractive.references import ResetRef
from jwinteractive.step import only_for, step


class ResetParams(Params):
    """`reset` has no parameters."""


@njit(cache=True, nogil=True)
def _subtract(data: Array, table: Array, first: int) -> Array:
    nint, ngroup, ny, nx = data.shape
    known_ints, known_groups = table.shape[:2]
    out = np.empty((nint, ngroup, ny, nx), np.float32)
    for i in range(nint):
        row = min(first + i, known_ints - 1)
        for g in range(ngroup):
            for y in range(ny):
                for x in range(nx):
                    out[i, g, y, x] = data[i, g, y, x]
                if g < known_groups:
                    for x in range(nx):
                        anomaly = table[row, g, y, x]
                        out[i, g, y, x] -= anomaly if anomaly == anomaly else np.float32(0)
    return out


@step(halo=0, skips=only_for("reset", "MIRI"))
def reset(ramp: Ramp, p: ResetParams, reset: ResetRef) -> Ramp:
    """Subtract the reset anomaly, group by group (MIRI): data [nint, ngroup, ny, nx] DN.

    Integrations past those of the reference take its last one, groups past them stay as they are.
    """
    data = _subtract(ramp.data, reset.data, ramp.exposure.first_integration - 1)
    return ramp.replace(data=data, pixeldq=ramp.pixeldq | reset.dq)
