"""Masks as DS9 regions in image coordinates, and regions by DS9 as masks.

Our own files begin with the mask as text in comments, and each region has tags: its layer, and the
shape itself, which holds as long as nobody moved the region. DS9 keeps tags and drops comments:
what a layer says beyond its flags is lost then.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import numpy as np

from jwinteractive.errors import InputError
from jwinteractive.masks.images import BAD
from jwinteractive.masks.layers import Groups, Layer, Origin
from jwinteractive.masks.mask import Mask
from jwinteractive.masks.places import Like, checked, empty_like
from jwinteractive.masks.regions import (
    Region,
    escape,
    parts_of,
    pixel,
    read_regions,
    shape_of,
    text_of,
)
from jwinteractive.masks.selection import Selection
from jwinteractive.masks.shapes import Rectangle, Shape, parse_shape
from jwinteractive.masks.text import from_text, to_text

__all__ = ["from_ds9", "to_ds9"]

_MARK: Final = "#| "


# -- written -----------------------------------------------------------------------------------


def to_ds9(mask: Mask) -> str:
    """Write a mask as regions; `from_ds9` gives it back, exactly."""
    bare = mask.replace(
        layers=tuple(m.replace(pixels=Selection.none(mask.shape), shapes=()) for m in mask.layers)
    )
    lines = ["# Region file format: DS9 version 4.1"]
    lines += [f"{_MARK}{line}" for line in to_text(bare).rstrip("\n").split("\n")]
    lines += ["image"]
    for layer in mask.layers:
        tags = "".join(f" tag={{{escape(t)}}}" for t in _layer_tags(layer))
        for shape in layer.shapes:
            own = f" tag={{{escape(f'shape {shape}')}}}"
            lines += [f"{text_of(part)} #{tags}{own}" for part in parts_of(shape)]
        for y, x0, x1 in zip(*(a.tolist() for a in layer.pixels.rows), strict=True):
            box = ("box", ((x0 + x1 + 1) / 2, y + 1.0, float(x1 - x0), 1.0, 0.0))
            lines.append(f"{text_of(box)} #{tags} tag={{pixels}}")
    return "\n".join(lines) + "\n"


def _layer_tags(layer: Layer) -> list[str]:
    tags = [f"layer {layer.name}"]
    tags += ["role scene"] if layer.role == "scene" else [f"flags {','.join(layer.flags)}"]
    tags += [f"how {layer.how}"] if layer.how != "add" else []
    tags += ["off"] if not layer.on else []
    tags += [f"exposure {layer.exposure}"] if layer.exposure else []
    tags += [f"groups {layer.groups}"] if layer.groups is not None else []
    return tags


# -- read --------------------------------------------------------------------------------------


def from_ds9(text: str, name: str, like: Like) -> Mask:
    """Read regions; ``name`` is that of the file, ``like`` what a file by others is for.

    Circles and ellipses, boxes, polygons and lines become shapes, points pixels. A tag, or else the
    file, names the layer. Excluded regions (-) are taken out of all others of their layer.

    Raises
    ------
    InputError
        If a line cannot be read, or there is no saying which pixels are meant.
    """
    try:
        return checked(_read(text, name, like), like)
    except InputError as error:
        said = str(error)
        raise InputError(said if said.startswith(name) else f"{name}: {said}") from None


def _read(text: str, name: str, like: Like) -> Mask:
    own = [line[len(_MARK) :] for line in text.split("\n") if line.startswith(_MARK)]
    place = from_text("\n".join(own), name) if own else empty_like(like)
    if place is None:
        raise InputError("regions name no detector: give the exposure or mask that they are for")
    found: dict[str, list[Region]] = {layer.name: [] for layer in place.layers}
    for region in read_regions(text):
        label = region.tag("layer")
        if label is None:
            label = next(iter(region.tags), "") or name.rpartition(".")[0] or name
        found.setdefault(label.strip(), []).append(region)
    for label, regions in found.items():
        layer = place[label] if label in place else _layer(label, regions[0], place.shape, name)
        place = place.with_layer(_filled(layer, regions))
    return place


def _layer(label: str, region: Region, shape: tuple[int, int], name: str) -> Layer:
    """Layer that tags tell of, or a new one."""
    flags, groups = region.tag("flags"), region.tag("groups")
    given: dict[str, Any] = {w: said for w in ("how", "role") if (said := region.tag(w))}
    if given.get("role") == "scene" and flags is None:
        flags = ""
    return Layer(
        name=label,
        pixels=Selection.none(shape),
        flags=BAD if flags is None else tuple(filter(None, flags.split(","))),
        groups=None if groups is None else Groups.parse(groups),
        exposure=region.tag("exposure") or "",
        on="off" not in region.tags,
        origin=Origin(kind="imported", text=f"regions in {name}"),
        **given,
    )


def _filled(layer: Layer, regions: list[Region]) -> Layer:
    shapes: list[Shape] = []
    shape = layer.pixels.shape
    pixels, excluded = layer.pixels, Selection.none(shape)
    boxes: list[tuple[int, int, int]] = []
    i = 0
    while i < len(regions):
        region = regions[i]
        i += 1
        if region.excluded:
            made = shape_of(region)
            excluded |= pixel(region, shape) if made is None else made.select(shape)
            continue
        known = region.tag("shape")
        if known is not None:
            own = parse_shape(known)
            parts = parts_of(own)
            if _same_parts(parts, regions[i - 1 : i - 1 + len(parts)]):
                shapes.append(own)
                i += len(parts) - 1
                continue
        made = shape_of(region)
        if made is None:
            pixels |= pixel(region, shape)
        elif "pixels" in region.tags and isinstance(made, Rectangle):
            boxes += _rows(made)
        elif made not in shapes:
            shapes.append(made)
    if boxes:
        pixels |= _union(boxes, shape)
    if regions and all(r.excluded for r in regions):
        raise InputError(f"layer {layer.name!r}: all its regions are excluded: nothing is selected")
    filled = layer.replace(pixels=pixels, shapes=tuple(shapes))
    return filled.erased(excluded) if excluded else filled


def _rows(box: Rectangle) -> Iterator[tuple[int, int, int]]:
    for y in range(int(np.ceil(box.y0)), int(np.floor(box.y1)) + 1):
        yield y, int(np.ceil(box.x0)), int(np.floor(box.x1)) + 1


def _union(rows: list[tuple[int, int, int]], shape: tuple[int, int]) -> Selection:
    """Pixels of rows that may touch and overlap, as boxes that somebody moved do."""
    mask = np.zeros(shape, np.bool_)
    for y, x0, x1 in rows:
        if 0 <= y < shape[0]:
            mask[y, max(x0, 0) : max(x1, 0)] = True
    return Selection.from_mask(mask)


def _same_parts(parts: list[tuple[str, tuple[float, ...]]], regions: list[Region]) -> bool:
    """Whether regions are still where a shape puts them."""
    return len(parts) == len(regions) and all(
        not region.excluded
        and word == region.part[0]
        and len(numbers) == len(region.part[1])
        and np.allclose(numbers, region.part[1], rtol=0, atol=2e-3)
        for (word, numbers), region in zip(parts, regions, strict=True)
    )
