"""Write the persistence windows that an exposure leaves open, in the official form.

An ASDF file with an entry for each detector: rows, columns and ends of the windows. The official
step takes it as ``persistence_array_file``, and so does ours.
"""

from __future__ import annotations

import uuid
from pathlib import Path

import numpy as np

from jwinteractive.data import Ramp
from jwinteractive.errors import OutputError

__all__ = ["write_windows"]


def write_windows(ramp: Ramp, path: Path | str, seconds: int) -> Path:
    """Write the windows that are open after a ramp; an existing file is replaced.

    Parameters
    ----------
    ramp
        All pixels of an exposure, from the step `persistence`.
    path
        An ``.asdf`` file; it appears whole or not at all.
    seconds
        How long the windows last.

    Raises
    ------
    OutputError
        If it cannot be written, or the ramp has not been through the step.
    """
    import asdf

    path, exposure = Path(path), ramp.exposure
    if ramp.persistence_ends is None:
        raise OutputError(
            f"{path}: the ramp knows no persistence windows: run the step persistence first"
        )
    rows, columns = np.nonzero(ramp.persistence_ends)
    entry = {
        "filename": exposure.filename,
        "rows": rows,
        "cols": columns,
        "vals": np.asarray(ramp.persistence_ends[rows, columns]),
        "pers_time": seconds,
        "corner": [exposure.xstart, exposure.ystart],  # ours: official steps look by name
    }
    draft = path.with_name(f".{path.stem}-{uuid.uuid4().hex[:8]}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with asdf.AsdfFile({exposure.detector: entry}) as file:
            file.write_to(draft)
        draft.replace(path)
    except OSError as error:
        raise OutputError(
            f"{path}: cannot be written ({error.strerror or error}): choose another folder"
        ) from error
    finally:
        draft.unlink(missing_ok=True)
    return path
