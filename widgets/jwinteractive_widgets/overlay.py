"""Mask layers over a frame: one bit a layer, only what a viewport shows travels."""

from __future__ import annotations

import dataclasses as dc
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from jwinteractive.data import Array, Box
from jwinteractive.errors import InputError
from jwinteractive_widgets.blocks import BUDGET, Window, fitted, flags_of, grid, place

__all__ = ["Labels", "Overlay", "resample_labels"]

_COLOUR = re.compile(r"#[0-9a-fA-F]{6}")


@dc.dataclass(frozen=True, kw_only=True)
class Labels:
    """A region of a plane of bits ready to travel; its parts are those of `resample.Patch`."""

    marked: Array
    labels: Array
    flags: tuple[int, ...]
    extent: tuple[int, int, int, int]
    factor: int
    shape: tuple[int, int]

    @property
    def nbytes(self) -> int:
        """Bytes that travel, without the few words around them."""
        return int(self.marked.nbytes + self.labels.nbytes + 12 * len(self.flags))

    @property
    def plane(self) -> Array:
        """Bits [y, x] of each block, as the browser unpacks them."""
        found = np.zeros(self.shape, np.uint32)
        marked = np.unpackbits(self.marked, count=found.size).astype(bool)
        found.ravel()[marked] = np.asarray(self.flags, np.uint32)[self.labels]
        return found


def resample_labels(
    plane: Array, window: Window, size: tuple[int, int], budget: int = BUDGET
) -> Labels:
    """Region of a plane of bits [y, x] around a viewport: OR in blocks; see `blocks.fitted`."""
    covers = Box.whole((plane.shape[0], plane.shape[1]))

    def make(region: Box, factor: int) -> Labels | None:
        found = flags_of(plane, place(region, covers), region, factor)
        if found is None:
            return None
        rows, columns = grid(region, factor)
        y0, x0 = region.y0 // factor * factor, region.x0 // factor * factor
        return Labels(
            marked=found[0],
            labels=found[1],
            flags=found[2],
            extent=(x0, y0, x0 + columns * factor, y0 + rows * factor),
            factor=factor,
            shape=(rows, columns),
        )

    bytes_of_a_block = 0.3  # a bit, and a label for few
    return fitted(covers, window, size, make, cost=bytes_of_a_block, budget=budget)


class Overlay:
    """The layers over a frame, as messages for each view.

    Attributes
    ----------
    answers
        Number of the newest finished stroke that they have.
    """

    def __init__(self) -> None:
        self._plane: Array | None = None
        self._layers: list[dict[str, Any]] = []
        self.answers = 0
        self._serial = 0

    def show(
        self,
        plane: Array | None,
        layers: Sequence[Mapping[str, Any]],
        shape: tuple[int, int],
        answers: int | None,
    ) -> None:
        """Take a plane of bits [ny, nx]; see `frame.FrameView.show_overlay`.

        Raises
        ------
        InputError
            If the plane is not uint32 or not as large as the exposure, or a layer lacks something.
        """
        if plane is not None and (plane.dtype != np.uint32 or plane.shape != shape):
            raise InputError(
                f"overlay of {plane.dtype} {plane.shape}: must be uint32 {shape}, as the exposure"
            )
        self._plane, self._layers = plane, [_layer(one) for one in layers]
        if answers is not None:
            self.answers = answers
        self._serial += 1

    def clear(self) -> None:
        """Show nothing."""
        self._plane, self._layers = None, []
        self._serial += 1

    @property
    def empty(self) -> bool:
        """Whether there is nothing to show."""
        return self._plane is None

    def message(self, name: str, window: Window, size: tuple[int, int]) -> tuple[Any, list[bytes]]:
        """What one view is to hear, and the planes with it."""
        about = {"kind": "overlay", "id": name, "serial": self._serial, "answers": self.answers}
        if self._plane is None:
            return about, []
        made = resample_labels(self._plane, window, size)
        ny, nx = self._plane.shape
        told = {
            **about,
            "layers": self._layers,
            "covers": [0, 0, nx, ny],
            "size": list(made.shape),
            "extent": list(made.extent),
            "factor": made.factor,
            "flags": list(made.flags),
            "wide": made.labels.itemsize == 2,
        }
        return told, [made.marked.tobytes(), made.labels.tobytes()]


def _layer(given: Mapping[str, Any]) -> dict[str, Any]:
    """A layer as the browser wants it, checked."""
    match given:
        case {"bit": bit, "name": str(name), "colour": str(colour), "opacity": opacity}:
            if (
                0 < int(bit) < 2**32
                and int(bit).bit_count() == 1
                and _COLOUR.fullmatch(colour)
                and 0 <= float(opacity) <= 1
            ):
                about = {"name": name, "colour": colour, "opacity": float(opacity)}
                return {"bit": str(int(bit)), **about}
    raise InputError(
        f"layer {dict(given)}: needs a bit (1, 2, 4 ... 2**31), a name, a colour '#rrggbb' and an"
        " opacity of 0 to 1"
    )
