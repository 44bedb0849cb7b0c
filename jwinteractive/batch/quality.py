"""Figures that tell at a glance whether an exposure came out well, and a small picture of it."""

from __future__ import annotations

import dataclasses as dc
import math
import struct
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import numpy as np

from jwinteractive import dq
from jwinteractive.data import Array, Box, Product, Ramp, Rate, RateInts
from jwinteractive.errors import JwinteractiveError
from jwinteractive.known.checks import CHECKS
from jwinteractive.session import Session
from jwinteractive.step import OFFICIAL
from jwinteractive.views import cut_limits

__all__ = ["Quality", "measure_quality", "png"]

SIDE = 320  # pixels of a picture
_SAMPLES, _EDGE = 3, 128  # boxes a side that jumps are counted in, and pixels of each
_MARK = (214, 69, 65)  # of pixels that are of no use


@dc.dataclass(frozen=True)
class Quality:
    """Figures of a product; NaN or empty where they are not to be had.

    Attributes
    ----------
    rate, unit
        Median of the good pixels.
    flagged
        Part of the pixels that see light that are not to be used.
    jumps
        Part of the pixels with a jump in each group, of nine boxes of the frame.
    stripes
        1/f noise: how much more the medians of lines scatter than by white noise (1: no more).
    """

    rate: float = math.nan
    unit: str = ""
    flagged: float = math.nan
    jumps: tuple[float, ...] = ()
    stripes: float = math.nan

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Read what `dataclasses.asdict` gave."""
        return cls(**{**values, "jumps": tuple(values["jumps"])})


def measure_quality(session: Session, to: str | None, number: int, picture: Path) -> Quality:
    """Figures of what an exposure gave, whose result is kept; write its picture as PNG."""
    product = session.run(to, number, threads=1)
    jumps = _jumps(session, to, number)
    data, flags = getattr(product, "data", None), getattr(product, "dq", None)
    if not isinstance(data, np.ndarray) or data.ndim < 2:
        return Quality(jumps=jumps)
    if data.ndim > 2:  # the first integration, or the middle plane of a cube
        plane = data.shape[0] // 2 if product.exposure.dispaxis == 3 else 0
        data = data.reshape(-1, *data.shape[-2:])[plane]
        flags = None if flags is None else flags.reshape(-1, *flags.shape[-2:])[plane]
    bad, light = ~np.isfinite(data), np.ones(data.shape, bool)
    if flags is not None and flags.shape == data.shape:
        bad |= (flags & dq.DO_NOT_USE) != 0
        light = (flags & dq.REFERENCE_PIXEL) == 0
    good = data[~bad]
    picture.write_bytes(png(_painted(data, bad)))
    return Quality(
        rate=float(np.median(good)) if good.size else math.nan,
        unit=product.exposure.unit,
        flagged=float(bad[light].mean()) if light.any() else math.nan,
        jumps=jumps,
        stripes=_stripes(product),
    )


def _stripes(product: Product) -> float:
    if not isinstance(product, Ramp | Rate | RateInts):
        return math.nan
    found = CHECKS["stripes"](product.native())
    # the check tells scatter beyond white noise, in units of the latter: 1 is "no more" here
    return math.nan if found is None else math.hypot(1.0, found.figure)


def _jumps(session: Session, to: str | None, number: int) -> tuple[float, ...]:
    """Part of the good pixels that have a jump in each group, from boxes all over the frame."""
    plan = [p for p in session.plan(to, number) if not p.skipped]
    steps = [p for p in plan if p.step.name.removeprefix(OFFICIAL) == "jump"]
    if not steps:
        return ()
    step = steps[0].step.name
    if steps[0].step.filed and steps[0].model_key not in session.store:
        return ()
    ny, nx = session.exposures[number].product.shape
    counted = np.zeros(0)
    seen = 0
    try:
        for y0 in _starts(ny):
            for x0 in _starts(nx):
                box = Box(y0, min(y0 + _EDGE, ny), x0, min(x0 + _EDGE, nx))
                ramp = session.preview(box, step, number)
                if not isinstance(ramp, Ramp):
                    return ()
                hit = (ramp.groupdq & dq.JUMP_DET) != 0
                mine = hit.sum(axis=(0, 2, 3), dtype=np.float64)
                counted = mine if not counted.size else counted + mine
                seen += hit.shape[0] * hit.shape[2] * hit.shape[3]
    except JwinteractiveError:  # a figure for a table is no reason to lose a product
        return ()
    return tuple(float(n) for n in counted / max(seen, 1))


def _starts(size: int) -> list[int]:
    """First pixels of boxes that do not overlap."""
    if size <= _EDGE * _SAMPLES:
        return list(range(0, size, _EDGE))
    return [round((size - _EDGE) * k / (_SAMPLES - 1)) for k in range(_SAMPLES)]


def _painted(data: Array, bad: Array) -> Array:
    """Small picture [y, x, 3] of an image, bottom row last: what is bad is marked."""
    step = max(1, -(-max(data.shape) // SIDE))
    ny, nx = (max(1, n // step) for n in data.shape)
    cut = (slice(ny * step), slice(nx * step))
    shape = (ny, min(step, data.shape[0]), nx, min(step, data.shape[1]))
    good = ~bad[cut].reshape(shape)
    number = good.sum(axis=(1, 3))
    total = np.where(good, data[cut].reshape(shape), 0).sum(axis=(1, 3), dtype=np.float64)
    mean = np.where(number > 0, total / np.maximum(number, 1), np.nan)
    low, high = cut_limits(mean, 98.0)
    grey = np.arcsinh(np.clip((mean - low) / (high - low), 0, 1) * 10) / np.arcsinh(10)
    grey = np.where(np.isfinite(grey), grey, 0)
    picture = np.repeat(np.rint(grey * 255).astype(np.uint8)[..., None], 3, axis=2)
    picture[number == 0] = _MARK
    return np.asarray(picture[::-1])


def png(picture: Array) -> bytes:
    """Encode a picture [y, x, 3] of bytes as PNG (RFC 2083)."""
    ny, nx, _ = picture.shape

    def chunk(name: bytes, content: bytes) -> bytes:
        check = zlib.crc32(name + content)
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", check)

    lines = np.zeros((ny, 1 + 3 * nx), np.uint8)  # each begins with the number of its filter, none
    lines[:, 1:] = picture.reshape(ny, -1)
    head = struct.pack(">IIBBBBB", nx, ny, 8, 2, 0, 0, 0)
    body = zlib.compress(lines.tobytes(), 6)
    parts = (chunk(b"IHDR", head), chunk(b"IDAT", body), chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)
