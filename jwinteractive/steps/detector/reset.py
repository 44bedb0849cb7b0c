"""MIRI: subtract the decaying signal that a reset leaves in the first groups.

Source: official step `reset`.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from jwinteractive.data import Array, Ramp
from jwinteractive.params import Params
from jwinteractive.references import ResetRef
from jwinteractive.step import only_for, step
from jwinteractive.views import Curve, Plot, Shown, View

_SAMPLE = 4096  # pixels that a level of a plot is taken from


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


def _by_group(s: Shown) -> Plot:
    """Median of what was subtracted from each group in the integration in view."""
    then, now = s.before, s.after
    assert isinstance(then, Ramp)
    assert isinstance(now, Ramp)
    i = min(s.integration, len(now.data) - 1)
    every = max(1, int((now.data[0, 0].size / _SAMPLE) ** 0.5))
    level = np.full(now.data.shape[1], np.nan)
    for g in range(len(level)):
        anomaly = then.data[i, g, ::every, ::every] - now.data[i, g, ::every, ::every]
        if (known := anomaly[np.isfinite(anomaly)]).size:
            level[g] = np.median(known)
    curve = Curve(name="median", x=np.arange(1, len(level) + 1), y=level)
    return Plot(
        title="reset anomaly of the pixels in view",
        x_label="group",
        y_label="anomaly (DN)",
        curves=(curve,),
    )


_VIEWS = (View(title="anomaly by group", draw=_by_group, compares=True),)


@step(halo=0, skips=only_for("reset", "MIRI"), views=_VIEWS)
def reset(ramp: Ramp, p: ResetParams, reset: ResetRef) -> Ramp:
    """Subtract the reset anomaly, group by group (MIRI): data [nint, ngroup, ny, nx] DN.

    Integrations past those of the reference take its last one, groups past them stay as they are.
    """
    data = _subtract(ramp.data, reset.data, ramp.exposure.first_integration - 1)
    return ramp.replace(data=data, pixeldq=ramp.pixeldq | reset.dq)
