"""What layers make of the pixels, one after the other: flags, and the scene."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from jwinteractive.data import Array
from jwinteractive.masks.layers import BACKGROUND, SOURCE, Layer

__all__ = ["flag_plane", "scene_plane"]

_ALL = np.uint32(0xFFFFFFFF)


def flag_plane(layers: Iterable[Layer], shape: tuple[int, int]) -> Array:
    """Flags of each pixel, uint32 [ny, nx], by layers for pixels."""
    from jwinteractive.masks import runs  # compiles: not before it is needed

    out = np.zeros(shape, np.uint32)
    for layer in layers:
        mine = layer.selection.runs
        match layer.how:
            case "add":
                runs.paint(mine, np.uint32(layer.bits), out)
            case "remove":
                runs.clear(mine, np.uint32(layer.bits or _ALL), out)
            case "within":
                if not layer.bits:
                    runs.keep(mine, out)
                else:
                    outside = ~layer.selection
                    runs.clear(outside.runs, np.uint32(layer.bits), out)
    return out


def scene_plane(layers: Iterable[Layer], shape: tuple[int, int]) -> Array:
    """What each pixel is for the fit of 1/f noise, uint8 [ny, nx], by layers of the scene.

    0 where none says it, else `SOURCE` or `BACKGROUND`; later layers win.
    """
    from jwinteractive.masks import runs

    out = np.zeros(shape, np.uint32)  # as of flags: kernels are compiled for one type
    for layer in layers:
        pixels = ~layer.selection if layer.how == "within" else layer.selection
        runs.clear(pixels.runs, _ALL, out)
        said = BACKGROUND if layer.how == "remove" else SOURCE
        runs.paint(pixels.runs, np.uint32(said), out)
    return out.astype(np.uint8)
