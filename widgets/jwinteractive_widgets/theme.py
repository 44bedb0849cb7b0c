"""Style sheets that all parts share, and the frame that they stand in."""

from __future__ import annotations

from pathlib import Path

import anywidget

__all__ = ["Theme"]

STATIC = Path(__file__).parent / "static"
SHEETS = (
    *("theme", "workbench", "plots", "takehome", "comparison", "mask", "references", "known"),
    "batch",
)


class Theme(anywidget.AnyWidget):
    """Nothing to see: brings the style sheets to every front end."""

    _esm = "export default { render({ el }) { el.style.display = 'none'; } };"
    _css = "\n".join((STATIC / f"{name}.css").read_text() for name in SHEETS)
