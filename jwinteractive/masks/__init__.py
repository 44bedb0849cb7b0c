"""Bad-pixel masks: selections of pixels, layers of flags, and their text form."""

from jwinteractive.masks.difference import FlagChange, MaskDiff, diff, touched
from jwinteractive.masks.formats import FORMS, Written, read_mask, write_mask
from jwinteractive.masks.layers import (
    BACKGROUND,
    CLASSES,
    GROUP_FLAGS,
    SOURCE,
    Groups,
    Layer,
    Origin,
    Part,
    Role,
)
from jwinteractive.masks.mask import Mask
from jwinteractive.masks.selection import Selection
from jwinteractive.masks.shapes import Ellipse, Line, Polygon, Rectangle, Shape, parse_shape
from jwinteractive.masks.strokes import TOOLS, Ground, drawn
from jwinteractive.masks.text import from_text, read_text, to_text, write_text

__all__ = [
    "BACKGROUND",
    "CLASSES",
    "FORMS",
    "GROUP_FLAGS",
    "SOURCE",
    "TOOLS",
    "Ellipse",
    "FlagChange",
    "Ground",
    "Groups",
    "Layer",
    "Line",
    "Mask",
    "MaskDiff",
    "Origin",
    "Part",
    "Polygon",
    "Rectangle",
    "Role",
    "Selection",
    "Shape",
    "Written",
    "diff",
    "drawn",
    "from_text",
    "parse_shape",
    "read_mask",
    "read_text",
    "to_text",
    "touched",
    "write_mask",
    "write_text",
]
