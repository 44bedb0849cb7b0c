"""What there is to see of replaced pixels: where and how, and the spectrum before and after."""

from __future__ import annotations

from typing import Final

import numpy as np

from jwinteractive.data import Array, Rate, RateInts
from jwinteractive.replace.frame import ALONG_X, ALONG_Y, MODEL, PROFILE
from jwinteractive.views import Bit, Curve, Frame, Plot, Shown, Table, View

__all__ = ["REPLACED_BITS", "VIEWS"]

_NAMES: Final = {
    PROFILE: ("by a profile", "#d55e00"),
    ALONG_X: ("mean of two along x", "#ffffff"),
    ALONG_Y: ("mean of two along y", "#5a1fff"),
    MODEL: ("by a model of the trace", "#7a2e00"),
}
REPLACED_BITS: Final = tuple(
    Bit(1 << how, f"replaced {name}", colour) for how, (name, colour) in _NAMES.items()
)
"""How pixels were replaced, for pictures: the bit of each way is 1 << its number."""


def _planes(product: object, s: Shown) -> tuple[Array, Array, Array]:
    """Data, errors and how they were replaced of the image or integration in view, [y, x]."""
    assert isinstance(product, Rate | RateInts)
    how = product.replaced
    if how is None:
        how = np.zeros(product.data.shape, np.uint8)
    if isinstance(product, Rate):
        return product.data, product.err, how
    i = min(s.integration, len(product.data) - 1)
    return product.data[i], product.err[i], how[i]


def _frame(s: Shown) -> Frame:
    data, err, how = _planes(s.after, s)
    flags = np.where(how > 0, np.uint32(1) << how.astype(np.uint32), np.uint32(0))
    left = np.count_nonzero(~np.isfinite(data))
    note = f"{np.count_nonzero(how)} pixels replaced, {left} left without a value"
    assert isinstance(s.after, Rate | RateInts)
    return Frame(
        title="replaced pixels",
        data=data,
        err=err,
        dq=flags,
        bits=REPLACED_BITS,
        unit=s.after.exposure.unit,
        note=note,
        **s.place,
    )


def _along(s: Shown) -> Plot:
    """The spectrum at the brightest position across it, of those in view."""
    after = s.after
    assert isinstance(after, Rate | RateInts)
    axis = 0 if after.exposure.dispaxis == 2 else 1  # of the dispersion, in [y, x]
    box = after.covers
    (old, _, _), (new, new_err, how) = _planes(s.before, s), _planes(after, s)
    known = np.where(np.isfinite(new), new, 0)
    at = int(np.argmax(known.mean(axis=axis)))

    def line(plane: Array) -> Array:
        return np.asarray(plane.take(at, axis=1 - axis))

    start = box.x0 if axis == 1 else box.y0
    x: Array = start + np.arange(new.shape[axis], dtype=np.float64)
    name, x_label = ("row", "x (pixel)") if axis == 1 else ("column", "y (pixel)")
    if after.wavelength is not None and np.isfinite(line(after.wavelength)).all():
        x, x_label = line(after.wavelength), "wavelength (um)"
    done = line(how) > 0
    number = at + (box.y0 if axis == 1 else box.x0)
    return Plot(
        title=f"along the spectrum, {name} {number}",
        x_label=x_label,
        y_label=after.exposure.unit,
        curves=(
            Curve(name="after", x=x, y=line(new)),
            Curve(name="before", x=x, y=line(old), style="steps"),
            Curve(
                name="replaced",
                x=x[done],
                y=line(new)[done],
                err=line(new_err)[done],
                style="points",
            ),
        ),
    )


def _counts(s: Shown) -> Table:
    """How many pixels in view were replaced by what."""
    data, _, how = _planes(s.after, s)
    rows = [(name, int(np.count_nonzero(how == n))) for n, (name, _) in _NAMES.items()]
    rows.append(("not replaced, and without a value", int(np.sum((how == 0) & ~np.isfinite(data)))))
    return Table(title="replaced pixels in view", columns=("how", "pixels"), rows=tuple(rows))


VIEWS: Final = (
    View(title="replaced pixels", draw=_frame),
    View(title="before and after along the spectrum", draw=_along, compares=True),
    View(title="how many were replaced", draw=_counts),
)
"""Views of the step."""
