"""What stands in the toolbar of the spectrum panel."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from jwinteractive.spectral import COMPARED

__all__ = ["NOTHING", "bar_items"]

NOTHING = "nothing"  # is drawn below


def bar_items(
    *,
    shows: str,
    offered: Sequence[str],
    drawn: bool,
    ranging: bool,
    log: bool,
    noise: bool,
    below: str,
    comparable: bool,
    product: bool,
    writing: bool,
    collapsible: bool,
    collapsed: bool,
) -> list[dict[str, Any]]:
    """Items for `actions.Actions`.

    Parameters
    ----------
    shows, offered
        What is shown, of what could be.
    drawn
        There is a spectrum.
    ranging, log, noise
        A drag chooses a range; the axis is logarithmic; it is signal to noise.
    below, comparable
        What is drawn below, and whether there is a spectrum to compare with.
    product, writing
        There is a product to write, and it is being written.
    collapsible, collapsed
        A range of a cube is chosen; the frame is the mean of one.
    """
    items = [_select("shows", "show", "", shows, offered)] if len(offered) > 1 else []
    keep = _item("button", "keep", "keep", "keep this spectrum, to lay the next ones over it")
    items += [
        keep | {"disabled": not drawn},
        _toggle("range", "range", "a drag chooses a range (as shift and drag does)", ranging),
        _toggle("log", "log", "logarithmic flux", log),
        _toggle("snr", "S/N", "signal to noise in place of the flux", noise),
    ]
    if comparable:
        words = "drawn below: against the pinned spectrum, or the one kept last"
        items.append(_select("below", "below", words, below, [NOTHING, *COMPARED]))
    if product:
        words = "write the official product of the extraction into this folder"
        items.append(_item("button", "x1d", "x1d", words) | {"disabled": writing})
    if collapsible:
        words = "show the mean of the planes in the chosen range"
        items.append(_item("button", "collapse", "collapse", words))
    if collapsed:
        items.append(_item("button", "all-planes", "all planes", "collapse all planes again"))
    return items


def _item(kind: str, name: str, label: str, tooltip: str) -> dict[str, Any]:
    return {"id": name, "kind": kind, "label": label, "tooltip": tooltip}


def _toggle(name: str, label: str, tooltip: str, value: bool) -> dict[str, Any]:
    return _item("toggle", name, label, tooltip) | {"value": value}


def _select(
    name: str, label: str, tooltip: str, value: str, options: Sequence[str]
) -> dict[str, Any]:
    return _item("select", name, label, tooltip) | {"value": value, "options": list(options)}
