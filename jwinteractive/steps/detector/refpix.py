"""Subtract the drifts of the read-out electronics, as the reference pixels see them.

Source: official step `refpix`; what IRS2 does is in `kernels.irs2`.
The near-infrared detectors are thought of as the electronics read them: a *column* below is a
detector column, counted along the fast axis, whichever way the science frame is turned.
"""

from __future__ import annotations

import dataclasses as dc
import math
from typing import Annotated, Literal

import numpy as np
from annotated_types import Interval

from jwinteractive import dq
from jwinteractive.data import Array, Box, Exposure, Ramp
from jwinteractive.detectors import detector, outputs_of
from jwinteractive.errors import InputError, StepError
from jwinteractive.irs2 import ROW, order, science_rows
from jwinteractive.kernels.irs2 import (
    bad_references,
    corrections,
    subtract_steps,
    table_references,
)
from jwinteractive.kernels.refpix import clipped_means, running_median, subtract
from jwinteractive.kernels.sirs import convolution_kernels, templates
from jwinteractive.params import Doc, Params, Unit, When
from jwinteractive.references import Irs2Ref, SirsKernelRef
from jwinteractive.step import Model, Whole, step
from jwinteractive.views import Curve, Plot, Shown, View

_BORDER = 4  # pixels
_AMPLIFIER = 512  # columns of each near-infrared amplifier
_EDGELESS = ("SUB512", "SUB512S", "SUB32")  # NIRSpec windows that touch no reference pixel
_STRIPES = ("STRIPE", "SUPSTP")  # windows put together from stripes of the detector


class RefpixParams(Params):
    """Parameters of `refpix`."""

    odd_even_columns: Annotated[
        bool, Doc("Measure odd and even columns of each amplifier apart (near infrared).")
    ] = True
    use_side_ref_pixels: Annotated[
        bool, Doc("Then subtract each row's drift, from the reference columns at both sides.")
    ] = True
    side_smoothing_length: Annotated[
        int,
        Interval(ge=1, le=2047),
        Unit("pixel"),
        Doc("Rows of the running median along the side columns; odd centres it."),
    ] = 11
    side_gain: Annotated[
        float, Interval(ge=0, le=10), Doc("Factor on the rows' drift before it is subtracted.")
    ] = 1.0
    odd_even_rows: Annotated[
        bool, Doc("Measure odd and even rows of each amplifier apart (MIRI).")
    ] = True
    siglimit: Annotated[
        float,
        Interval(ge=1, le=100),
        Unit("sigma"),
        Doc("Reference pixels further than this from their mean are left out of it."),
    ] = 3.0
    refpix_algorithm: Annotated[
        Literal["median", "sirs"],
        Doc("How side columns tell drifts (near infrared, whole frames); sirs needs kernels."),
    ] = "median"
    sigreject: Annotated[
        float,
        When("refpix_algorithm", "sirs"),
        Interval(ge=0, le=100),
        Unit("sigma"),
        Doc("Side pixels further than this from their median are left out (sirs)."),
    ] = 4.0
    gaussmooth: Annotated[
        float,
        When("refpix_algorithm", "sirs"),
        Interval(ge=0.1, le=100),
        Unit("pixel"),
        Doc("Width that smooths kernels (sirs)."),
    ] = 1.0
    halfwidth: Annotated[
        int,
        When("refpix_algorithm", "sirs"),
        Interval(ge=1, le=500),
        Unit("pixel"),
        Doc("Rows of a kernel to each side (sirs)."),
    ] = 30
    ovr_corr_mitigation_ftr: Annotated[
        float,
        Interval(ge=0.5, le=100),
        Unit("sigma"),
        Doc("Interleaved references further than this from the others are replaced (IRS2)."),
    ] = 3.0


@dc.dataclass(frozen=True, kw_only=True)
class RefpixModel(Model):
    """Drifts in DN of each group; near infrared, a zero frame comes after the last group.

    Attributes
    ----------
    offset
        Of each amplifier and parity [integration, group, class of rows, class of columns]; empty
        where no reference pixel can be used.
    row_class, column_class
        Classes that the rows and columns of the whole exposure belong to.
    side
        Of each line along the fast axis [integration, group, line]; no lines where not measured.
    side_by_row
        Whether those lines are rows of the science frame, not columns.
    sirs
        Of each line along the fast axis, for each amplifier [integration, group, amplifier, line].
    steps, scales
        Corrections of IRS2 frames, see `kernels.irs2.corrections`.
    replaced
        Rows of the raw IRS2 frame whose references were bad.
    """

    offset: Array
    row_class: Array
    column_class: Array
    side: Array
    side_by_row: bool
    sirs: Array | None = None
    steps: Array | None = None
    scales: Array | None = None
    replaced: Array | None = None


@dc.dataclass(frozen=True, slots=True)
class _Layout:
    """Detector column and row, from 0, of each pixel along the fast and the slow axis."""

    whole: Whole
    fast: Array
    slow: Array
    by_row: bool

    def look(self, slow: slice, fast: slice) -> tuple[Array, Array]:
        """Samples [integration, group, slow, fast] and DQ [slow, fast], as `_frames`."""
        rows, columns = (slow, fast) if self.by_row else (fast, slow)
        box = Box(rows.start, rows.stop, columns.start, columns.stop)
        values, flags = _frames(self.whole, box)
        if self.by_row:
            return values, flags
        return np.swapaxes(values, -1, -2), flags.T


def _frames(whole: Whole, box: Box) -> tuple[Array, Array]:
    """Groups, and the zero frame after them, float32 [integration, group, y, x]; DQ [y, x]."""
    ramp = whole.look(box)
    assert isinstance(ramp, Ramp)
    if ramp.zeroframe is None:
        return ramp.data, ramp.pixeldq
    return np.concatenate([ramp.data, ramp.zeroframe[:, None]], axis=1), ramp.pixeldq


def _layout(whole: Whole) -> _Layout:
    exposure = whole.exposure
    d = detector(exposure.instrument, exposure.detector)
    (ny, nx), (full_ny, full_nx) = whole.box.shape, d.shape
    x, y = np.arange(nx), np.arange(ny)
    if (ny, nx) != d.shape:
        x, y = x + exposure.xstart - 1, y + exposure.ystart - 1
    if x[0] < 0 or y[0] < 0 or x[-1] >= full_nx or y[-1] >= full_ny:
        raise StepError(
            f"refpix: {nx} x {ny} pixels from ({exposure.xstart}, {exposure.ystart}) on reach out "
            f"of {d.name}: correct SUBSTRT1 and SUBSTRT2, or leave the step out"
        )
    axes = {1: x, 2: y, -1: full_nx - 1 - x, -2: full_ny - 1 - y}
    fast, slow = exposure.fastaxis or d.fastaxis, exposure.slowaxis or d.slowaxis
    return _Layout(whole, axes[fast], axes[slow], abs(fast) == 1)


def _edges(lines: Array) -> list[slice]:
    """Where the first and the last four lines of the detector lie, if the exposure has them."""
    found = [np.flatnonzero(lines < _BORDER), np.flatnonzero(lines >= 2048 - _BORDER)]
    return [slice(int(at[0]), int(at[-1]) + 1) for at in found if len(at)]


def _amplifiers(whole: Whole) -> int:
    e = whole.exposure
    d = detector(e.instrument, e.detector)
    return outputs_of(d, whole.box.shape, e.subarray, e.noutputs)


def _means(parts: list[tuple[Array, Array]], classes: int, limit: float) -> Array:
    """Clipped mean [integration, group, class] of samples [..., y, x]; class -1 is left out."""
    label = np.concatenate([labels.ravel() for _, labels in parts])
    values = np.concatenate([v.reshape(*v.shape[:2], -1) for v, _ in parts], axis=-1)
    order = np.argsort(label, kind="stable")
    starts = np.searchsorted(label[order], np.arange(classes + 1))
    return clipped_means(np.take(values, order, axis=-1), starts, limit)


def _average(a: Array, b: Array) -> Array:
    """Average, or the one that is not NaN."""
    average: Array = np.where(np.isnan(a), b, np.where(np.isnan(b), a, 0.5 * (a + b)))
    return average


def _good(flags: Array) -> Array:
    good: Array = (flags & dq.DO_NOT_USE) == 0
    return good


def _four_amplifiers(
    p: RefpixParams, layout: _Layout, sirs: SirsKernelRef | None
) -> tuple[Array, Array, Array | None]:
    """Offset [integration, group, amplifier, parity], side level [integration, group, slow].

    The third is the level by kernels, for each amplifier, where there are any.
    """
    every_fast = slice(0, len(layout.fast))
    amplifier, parity = layout.fast // _AMPLIFIER, layout.fast % 2 * p.odd_even_columns
    parts = []
    for edge, rows in enumerate(_edges(layout.slow)):
        values, flags = layout.look(rows, every_fast)
        parts.append((values, np.where(_good(flags), (edge * 4 + amplifier) * 2 + parity, -1)))
    sides = [
        (columns, *layout.look(slice(0, len(layout.slow)), columns))
        for columns in (_edges(layout.fast) if p.use_side_ref_pixels else [])
    ]
    if parts:
        edges = _means(parts, 16, p.siglimit).reshape(*parts[0][0].shape[:2], 2, 4, 2)
        offset = _average(edges[:, :, 0], edges[:, :, 1])
        if not p.odd_even_columns:
            offset[..., 1] = offset[..., 0]
        offset[np.isnan(offset).any(axis=-1)] = 0.0
    elif sides:
        offset = np.zeros((*sides[0][1].shape[:2], 4, 2))
    else:
        return np.zeros((0, 0, 4, 2)), np.zeros((0, 0, 0)), None
    if sirs is not None and len(sides) == 2:
        levels = [
            values - offset[:, :, None, amplifier[columns], layout.fast[columns] % 2]
            for columns, values, _ in sides
        ]
        return offset, np.zeros((0, 0, 0)), _by_kernels(p, layout, sirs, levels)
    side = np.full((*offset.shape[:2], len(layout.slow) if sides else 0), np.nan)
    up = slice(None, None, 1 if layout.slow[0] <= layout.slow[-1] else -1)
    for columns, values, flags in sides:
        level = values - offset[:, :, None, amplifier[columns], layout.fast[columns] % 2]
        median = running_median(
            np.ascontiguousarray(level[:, :, up]),
            np.ascontiguousarray(_good(flags)[up]),
            int(layout.slow.min()),
            2048,
            p.side_smoothing_length,
        )
        side = _average(side, median[:, :, up])
    return offset, p.side_gain * np.nan_to_num(side), None


def _by_kernels(
    p: RefpixParams, layout: _Layout, sirs: SirsKernelRef, levels: list[Array]
) -> Array:
    """Drift [integration, group, amplifier, slow] of both sides' levels, by convolution."""
    up = slice(None, None, 1 if layout.slow[0] <= layout.slow[-1] else -1)
    shape = levels[0].shape
    left, right = (each.astype(np.float32)[:, :, up].reshape(-1, *shape[2:]) for each in levels)
    kernels = (
        convolution_kernels(sirs.gamma, p.gaussmooth, p.halfwidth),
        convolution_kernels(sirs.zeta, p.gaussmooth, p.halfwidth),
    )
    found = templates(left, right, kernels, p.sigreject)
    return found.reshape(*shape[:2], *found.shape[1:])[..., up].astype(np.float32)


def _one_amplifier(p: RefpixParams, layout: _Layout) -> Array:
    """Offsets [integration, group, parity] from every reference pixel in the window."""
    every_fast, nslow = slice(0, len(layout.fast)), len(layout.slow)
    edgeless = layout.whole.exposure.subarray in _EDGELESS
    if edgeless:
        rows = [slice(0, _BORDER), slice(nslow - _BORDER, nslow)]
        regions = [(r, every_fast) for r in rows]
    else:
        rows = _edges(layout.slow)
        inner = np.flatnonzero((layout.slow >= _BORDER) & (layout.slow < 2048 - _BORDER))
        regions = [(r, every_fast) for r in rows]
        if len(inner):
            between = slice(int(inner[0]), int(inner[-1]) + 1)
            regions += [(between, columns) for columns in _edges(layout.fast)]
    parts = []
    for slow, fast in regions:
        values, flags = layout.look(slow, fast)
        usable = _good(flags) & (edgeless | ((flags & dq.REFERENCE_PIXEL) != 0))
        parity = layout.fast[fast] % 2 * p.odd_even_columns
        parts.append((values, np.where(usable, parity, -1)))
    if not parts:
        return np.zeros((0, 0, 2))
    offset = _means(parts, 2, p.siglimit)
    if not p.odd_even_columns:
        offset[..., 1] = offset[..., 0]
    offset[np.isnan(offset).any(axis=-1)] = 0.0
    return offset


def _near_infrared(whole: Whole, p: RefpixParams, sirs: SirsKernelRef | None) -> RefpixModel:
    layout = _layout(whole)
    side, by_kernel = np.zeros((0, 0, 0)), None
    if _amplifiers(whole) == 4:
        offset, side, by_kernel = _four_amplifiers(p, layout, sirs)
        classes = layout.fast // _AMPLIFIER * 2 + layout.fast % 2
    else:
        offset = _one_amplifier(p, layout)
        classes = layout.fast % 2
    flat = offset.reshape(*offset.shape[:2], math.prod(offset.shape[2:]))
    alike = np.zeros(len(layout.slow), np.int64)
    return RefpixModel(
        offset=flat[:, :, None] if layout.by_row else flat[..., None],
        row_class=alike if layout.by_row else classes,
        column_class=classes if layout.by_row else alike,
        side=side,
        side_by_row=layout.by_row,
        sirs=by_kernel,
    )


def _interleaved(whole: Whole, p: RefpixParams, irs2: Irs2Ref | None) -> RefpixModel:
    """Model of IRS2 frames, from what lies in the file between the pixels."""
    ramp = whole.look(Box(0, 1, 0, 1))
    assert isinstance(ramp, Ramp)
    frames = ramp.interleaved
    if frames is None:
        raise StepError(
            f"refpix: the frames of {whole.exposure.readpatt} have lost their interleaved "
            "references: open the uncal file, or leave the step out"
        )
    if irs2 is None:
        raise StepError(
            f"refpix needs a refpix reference (alpha, beta) for {whole.exposure.readpatt}: give one"
        )
    clocks = ROW * frames.samples.shape[-1]
    if irs2.alpha.shape[-1] != clocks // 2 + 1:
        raise StepError(
            f"refpix: alpha and beta are for {2 * irs2.alpha.shape[-1] - 2} clocks, a frame has "
            f"{clocks}: give a reference of such frames"
        )
    bad, sources = bad_references(frames, p.ovr_corr_mitigation_ftr)
    table_references(frames.detector, irs2.bad, bad, sources)
    steps, scales = corrections(frames, sources, irs2.alpha, irs2.beta)
    none = np.zeros(0, np.int64)
    return RefpixModel(
        offset=np.zeros((0, 0, 0, 0)),
        row_class=none,
        column_class=none,
        side=np.zeros((0, 0, 0)),
        side_by_row=False,
        steps=steps,
        scales=scales,
        replaced=np.flatnonzero(bad),
    )


def _mid_infrared(whole: Whole, p: RefpixParams) -> RefpixModel:
    """Model of four interleaved outputs (column mod 4), relative to the first group."""
    ny, nx = whole.box.shape
    row_class = np.arange(ny) % 2
    parts = []
    for side, x in enumerate((0, nx - _BORDER)):
        ramp = whole.look(Box(0, ny, x, x + _BORDER))
        assert isinstance(ramp, Ramp)
        label = (side * 2 + row_class[:, None] * p.odd_even_rows) * 4 + np.arange(_BORDER)
        drift = ramp.data - ramp.data[:, :1]
        parts.append((drift, np.where(_good(ramp.pixeldq), label, -1)))
    nint, ngroup = parts[0][0].shape[:2]
    left, right = np.moveaxis(_means(parts, 16, p.siglimit).reshape(nint, ngroup, 2, 2, 4), 2, 0)
    offset = 0.5 * (left + right)
    if not p.odd_even_rows:
        offset[:, :, 1] = offset[:, :, 0]
    offset[np.isnan(offset).any(axis=(2, 3))] = 0.0
    return RefpixModel(
        offset=offset,
        row_class=row_class,
        column_class=np.arange(nx) % 4,
        side=np.zeros((0, 0, 0)),
        side_by_row=True,
    )


def measure_refpix(
    whole: Whole,
    p: RefpixParams,
    irs2: Irs2Ref | None = None,
    sirs: SirsKernelRef | None = None,
) -> RefpixModel:
    """Measure the drift of each group on the detector's borders, the only pixels it looks at.

    Of IRS2 frames, on the reference output and the references between the pixels.

    Raises
    ------
    StepError
        For a read-out that the step does not know, or a window that is not on the detector.
    """
    if reason := _unknown(whole.exposure) or _skips(whole.exposure, p):
        raise StepError(f"{reason}, or leave the step out")
    if "IRS2" in whole.exposure.readpatt:
        return _interleaved(whole, p, irs2)
    if whole.exposure.instrument == "MIRI":
        return _mid_infrared(whole, p)
    by_kernels = p.refpix_algorithm == "sirs" and "FULL" in whole.exposure.subarray
    return _near_infrared(whole, p, sirs if by_kernels else None)


def _unknown(exposure: Exposure) -> str:
    """Why the reference pixels are not where this step looks: then skipping would hide it."""
    if any(mark in exposure.subarray for mark in _STRIPES):
        return (
            f"refpix does not know the stripes of {exposure.subarray}, read from several parts of "
            "the detector: run the official step"
        )
    return ""


def _skips(exposure: Exposure, p: RefpixParams) -> str:
    if exposure.instrument == "MIRI" and exposure.subarray != "FULL":
        return f"refpix corrects no MIRI subarray, and this is {exposure.subarray}"
    return ""


_PARITY = ("even", "odd")


def _drifts(s: Shown, kind: str) -> Array:
    """Offset or side of the integration in view, group by group; a zero frame's is left out."""
    if not isinstance(s.model, RefpixModel):
        raise InputError("refpix: what it measured is not at hand: run the step again")
    drifts: Array = getattr(s.model, kind)
    return drifts[min(s.integration, len(drifts) - 1) :][:1, : s.after.exposure.ngroups]


def _offsets(s: Shown) -> Plot:
    """Offset of each amplifier and parity; detector rows and columns count from 0."""
    found = _drifts(s, "offset")
    rows, columns = found.shape[2:]
    if rows == 2 and columns == 4:
        names = [f"output {c + 1}, {_PARITY[r]} rows" for r in range(2) for c in range(4)]
    else:
        classes = rows * columns
        names = [f"amplifier {k // 2 + 1}, {_PARITY[k % 2]} columns" for k in range(classes)]
    curves = [
        Curve(name=name, x=np.arange(1, len(line) + 1), y=line)
        for each in found
        for name, line in zip(names, each.reshape(len(each), -1).T, strict=True)
    ]
    title = "offset of each amplifier"
    return Plot(title=title, x_label="group", y_label="offset (DN)", curves=tuple(curves))


def _sides(s: Shown) -> Plot:
    """Drift along the side columns in the group in view."""
    found = _drifts(s, "side")
    g = min(s.group, found.shape[1] - 1)
    curves = [
        Curve(name="drift", x=np.arange(each.shape[1]), y=each[g]) for each in found if each.size
    ]
    line = "y (pixel)" if s.model.side_by_row else "x (pixel)"
    title = "drift along the side columns"
    return Plot(title=title, x_label=line, y_label="drift (DN)", curves=tuple(curves))


_VIEWS = (
    View(title="offset of each amplifier", draw=_offsets),
    View(title="drift along the side columns", draw=_sides),
)


@step(halo=0, version=2, measure=measure_refpix, skips=_skips, views=_VIEWS)
def refpix(
    ramp: Ramp,
    p: RefpixParams,
    model: RefpixModel,
    irs2: Irs2Ref | None,
    sirs: SirsKernelRef | None,
) -> Ramp:
    """Subtract what the reference pixels see: data [nint, ngroup, ny, nx] DN.

    Near infrared: mean of top and bottom of each amplifier and column parity, then the running
    median of the side columns. MIRI: mean of left and right of each output and row parity, relative
    to the first group. The zero frame likewise (near infrared), except where it is 0: unknown.

    With ``refpix_algorithm = "sirs"`` and a reference of kernels, the side columns are convolved
    with these instead, for each amplifier. IRS2: what the reference output and the interleaved
    references tell at the time of each pixel, relative to the mean of the groups.
    """
    if model.steps is not None:
        return _less_interleaved(ramp, model)
    if not (model.offset.any() or model.side.any() or model.sirs is not None):
        return ramp
    box, ngroup = ramp.covers, ramp.data.shape[1]
    row_class = model.row_class[box.y0 : box.y1].copy()
    column_class = model.column_class[box.x0 : box.x1].copy()
    along = slice(box.y0, box.y1) if model.side_by_row else slice(box.x0, box.x1)

    def corrected(data: Array, groups: slice) -> Array:
        offset, side = model.offset[:, groups].copy(), model.side[:, groups, along].copy()
        level = subtract(data, offset, row_class, column_class, side, model.side_by_row)
        if model.sirs is not None:
            # classes are parities of the amplifiers
            amplifier = (row_class if not model.side_by_row else column_class) // 2
            drift = model.sirs[:, groups][:, :, amplifier][..., along]
            level -= drift.swapaxes(-1, -2) if model.side_by_row else drift
        return level

    zero = ramp.zeroframe
    if zero is not None and model.offset.shape[1] > ngroup:
        frame = corrected(zero[:, None], slice(ngroup, ngroup + 1))[:, 0]
        zero = np.where(zero == 0, np.float32(0), frame)
    return ramp.replace(data=corrected(ramp.data, slice(0, ngroup)), zeroframe=zero)


def _less_interleaved(ramp: Ramp, model: RefpixModel) -> Ramp:
    """Ramp of pixels of IRS2 frames less their corrections."""
    assert model.steps is not None
    assert model.scales is not None
    box, found = ramp.covers, order(ramp.exposure.detector)
    rows = science_rows(ramp.exposure.detector)[box.y0 : box.y1]
    slow = np.arange(model.steps.shape[-1])
    slow = (slow[::-1] if found.backwards else slow)[box.x0 : box.x1].copy()
    scales = model.scales[:, :, found.output[rows] - 1]
    steps = model.steps[:, :, box.y0 : box.y1, box.x0 : box.x1]
    shape = ramp.data.shape
    data = subtract_steps(
        ramp.data.reshape(-1, *shape[2:]),
        np.ascontiguousarray(steps).reshape(-1, *shape[2:]),
        scales.reshape(-1, *scales.shape[2:]),
        found.tick[rows],
        slow,
    )
    return ramp.replace(data=data.reshape(shape))
