"""A picture of a product: its frames beside each other, with the flagged pixels marked."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from jwinteractive import dq
from jwinteractive.data import Product
from jwinteractive.errors import OutputError
from jwinteractive.views import FLAG_COLOURS, Frame, Shown, cut_limits, product_views

__all__ = ["quicklook"]

_DRAWN = ("DO_NOT_USE", "SATURATED", "JUMP_DET")


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

    shown = Shown(after=product, group=-1)
    drawn = [view.draw(shown) for view in product_views(type(product))[:2]]
    frames = [f for f in drawn if isinstance(f, Frame)]
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
        for name in _DRAWN if frame.dq is not None else ():
            colour = FLAG_COLOURS[name]
            mask = (frame.dq & dq.BITS[name]) != 0
            plane = np.where(mask, 1.0, np.nan)
            axes.imshow(
                plane,
                origin="lower",
                cmap=ListedColormap([colour]),
                alpha=0.6,
                interpolation="nearest",
            )
            marks.append(Patch(color=colour, label=f"{name} {int(mask.sum())}"))
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
