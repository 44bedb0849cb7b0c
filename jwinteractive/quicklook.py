"""A picture of a product: its frames beside each other, with the flagged pixels marked."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from jwinteractive.data import Product
from jwinteractive.errors import OutputError
from jwinteractive.views import cut_limits, views_of

__all__ = ["quicklook"]

_COLOURS = {"DO_NOT_USE": "#d55e00", "SATURATED": "#cc79a7", "JUMP_DET": "#56b4e9"}  # Okabe-Ito


def quicklook(product: Product, path: Path, title: str = "") -> Path:
    """Draw the frames of a product as a PNG.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.colors import ListedColormap
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch

    frames = views_of(product)
    figure = Figure(figsize=(6 * len(frames), 5.6), layout="constrained")
    FigureCanvasAgg(figure)
    for axes, frame in zip(np.atleast_1d(figure.subplots(1, len(frames))), frames, strict=True):
        low, high = cut_limits(frame.data, 98.0)
        image = axes.imshow(
            np.arcsinh((frame.data - low) / (high - low) * 10),
            origin="lower",
            cmap="viridis",
            vmin=0,
            vmax=np.arcsinh(10),
            interpolation="nearest",
        )
        ticks = np.linspace(low, high, 5)
        bar = figure.colorbar(image, ax=axes, shrink=0.85, label=frame.unit)
        bar.set_ticks(
            list(np.arcsinh((ticks - low) / (high - low) * 10)), labels=[f"{t:.3g}" for t in ticks]
        )
        marks = []
        for overlay in frame.overlays:
            plane = np.where(overlay.mask, 1.0, np.nan)
            axes.imshow(
                plane,
                origin="lower",
                cmap=ListedColormap([_COLOURS[overlay.name]]),
                alpha=0.6,
                interpolation="nearest",
            )
            count = int(overlay.mask.sum())
            marks.append(Patch(color=_COLOURS[overlay.name], label=f"{overlay.name} {count}"))
        if marks:
            axes.legend(handles=marks, loc="lower center", ncol=3, fontsize=7, framealpha=0.9)
        axes.set(title=frame.title, xlabel="x (pixel)", ylabel="y (pixel)")
    if title:
        figure.suptitle(title, parse_math=False)
    try:
        figure.savefig(path, dpi=100)
    except OSError as error:
        raise OutputError(f"{path}: cannot be written ({error.strerror})") from None
    return path
