"""References that only the official steps read: of them a file is known, not what it holds."""

from __future__ import annotations

import dataclasses as dc
import functools
from pathlib import Path
from typing import Any, ClassVar, Final, Self

from jwinteractive.data import Array, Box, Exposure
from jwinteractive.errors import MissingReference
from jwinteractive.references.kinds import Reference, kind_of

__all__ = [
    "NIRSPEC_WCS",
    "NOT_APPLICABLE",
    "FileReference",
    "file_reference",
    "from_anywhere",
]

NOT_APPLICABLE = "N/A"
"""In place of a file: the official step goes on without one."""
NIRSPEC_WCS: Final = (
    "camera", "collimator", "disperser", "fore", "fpa", "msa", "ote", "wavelengthrange"
)  # fmt: skip
"""Types that the coordinates of NIRSpec are made of, as those of others are of a distortion."""


@dc.dataclass(frozen=True, kw_only=True)
class FileReference(Reference):
    """The file of a reference, for a step that reads it by itself; None: it goes without one."""

    files: ClassVar[tuple[str, ...]] = ("*.fits", "*.fits.gz", "*.asdf", "*.json")
    selects: ClassVar[tuple[str, ...]] = (
        "DETECTOR",
        "FILTER",
        "PUPIL",
        "GRATING",
        "CHANNEL",
        "BAND",
        "EXP_TYPE",
    )
    of_pixels: ClassVar[bool] = False

    path: Path | None = None

    def __post_init__(self) -> None:  # there are no arrays to check
        pass

    @property
    def override(self) -> str:
        """Value of an official override parameter."""
        return NOT_APPLICABLE if self.path is None else str(self.path.absolute())

    def arrays(self) -> dict[str, Array]:
        """Nothing."""
        return {}

    def crop(self, box: Box) -> Self:
        """Return itself: the step takes its part."""
        return self

    @classmethod
    def nominal(cls, exposure: Exposure, shape: tuple[int, int]) -> Self:
        """There is no stand-in for what is not known.

        Raises
        ------
        MissingReference
            Always.
        """
        raise MissingReference(
            f"no {cls.reftype} reference for {exposure.instrument} {exposure.detector}: give a "
            "folder that holds one, name its file, or set up CRDS"
        )


@functools.cache
def file_reference(reftype: str) -> type[FileReference]:
    """Kind of reference for files of an official type."""
    body: dict[str, Any] = {"reftype": reftype, "__module__": __name__}
    if (kind := kind_of(reftype)) is not None:  # our own steps know what it depends on
        body |= {"selects": kind.selects, "of_pixels": kind.of_pixels}
    made: Any = type(f"FileReference_{reftype}", (FileReference,), body)
    return dc.dataclass(frozen=True, kw_only=True)(made)


def from_anywhere(value: str | Path) -> str:
    """Name of a reference for who is in another folder: its path, or that none applies."""
    return NOT_APPLICABLE if value == NOT_APPLICABLE else str(Path(value).absolute())
