"""Products handed over to glue and jdaviz, where they are installed."""

from __future__ import annotations

import importlib
from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from jwinteractive import dq
from jwinteractive.data import Array, Product, Ramp, Rate, RateInts
from jwinteractive.detectors import science_name
from jwinteractive.errors import InputError, JwinteractiveError
from jwinteractive.masks import Mask
from jwinteractive.masks.states import PLACE, layer_states
from jwinteractive.views import Shown, product_views

__all__ = [
    "add_layers",
    "installed",
    "load",
    "open_in_glue",
    "open_in_jdaviz",
    "to_glue",
    "way_to_install",
    "widget_of",
]

_PACKAGES = {"glue": ("glue", "glue_jupyter"), "jdaviz": ("jdaviz",)}
_NEEDED = {"glue": "glue-jupyter", "jdaviz": "jdaviz"}


def installed(program: str) -> bool:
    """Whether "glue" or "jdaviz" can show something in this notebook; imports neither."""
    return all(find_spec(package) is not None for package in _PACKAGES[program])


def load(program: str) -> None:
    """Import a program, which takes seconds: call it off the kernel's loop.

    Raises
    ------
    JwinteractiveError
        If it is not installed.
    """
    try:
        importlib.import_module(_PACKAGES[program][-1])
    except ImportError:
        raise JwinteractiveError(way_to_install(program)) from None


def way_to_install(program: str) -> str:
    """Line that says how to get a program that is not there."""
    return f"{program} is not installed: pip install {_NEEDED[program]}"


def to_glue(product: Product, label: str) -> Any:
    """Return a product as a `glue.core.Data` with the components data, err and dq.

    Its world coordinates are pixels of the exposure, also for a box; from 0, and so are groups and
    integrations. A ramp is [integration, group, y, x], its dq that of the samples and pixels. Where
    it lies on the detector is in its `meta`, so that `masks.states.linked` can link several.

    Raises
    ------
    InputError
        For a product that holds no frames.
    JwinteractiveError
        If glue is not installed.
    """
    planes = _planes(product)
    try:
        from glue.core import Component, Data
        from glue.core.coordinates import AffineCoordinates
    except ImportError:
        raise JwinteractiveError("glue is not installed: pip install glue-core") from None

    names = ("x", "y", "group" if isinstance(product, Ramp) else "integration", "integration")
    ndim = planes["data"][0].ndim
    covers, exposure = product.covers, product.exposure
    matrix = np.eye(ndim + 1)  # glue counts axes from the last of an array
    matrix[:2, -1] = covers.x0, covers.y0
    coordinates = AffineCoordinates(
        matrix, units=["pix", "pix", "", ""][:ndim], labels=list(names[:ndim])
    )
    data = Data(label=label, coords=coordinates)
    corner = (exposure.ystart + covers.y0, exposure.xstart + covers.x0)
    data.meta[PLACE] = (science_name(exposure.detector), *corner)
    for name, (array, unit) in planes.items():
        data.add_component(Component(array, units=unit), name)
    return data


def add_layers(collection: Any, data: Any, mask: Mask, root: str = "") -> None:
    """Add a subset group to a `DataCollection` for each layer of a mask that holds for ``data``.

    ``root`` is the name of their exposure.
    """
    for name, state in layer_states(mask, data, root):
        collection.new_subset_group(label=name, subset_state=state)


def open_in_glue(product: Product, label: str, mask: Mask | None = None) -> Any:
    """Open a product in glue's image viewer; return the `glue_jupyter.JupyterApplication`.

    Layers of a mask become subset groups.

    Raises
    ------
    InputError
        For a product that holds no frames.
    JwinteractiveError
        If glue-jupyter is not installed.
    """
    data = to_glue(product, label)
    try:
        from glue_jupyter import jglue
    except ImportError:
        raise JwinteractiveError(way_to_install("glue")) from None
    application = jglue(show=False)
    application.add_data(data)
    if mask is not None:
        add_layers(application.data_collection, data, mask, product.exposure.filename)
    application.imshow(data=data, show=False)
    return application


def open_in_jdaviz(
    product: Product | Path | str | Iterable[Path | str],
    label: str = "jwinteractive",
    *,
    integration: int | None = None,
) -> Any:
    """Open a product, or files of rates, in jdaviz; return its application.

    Rates are in view, their errors and DO_NOT_USE at hand; of rates of integrations each is an
    image, of a ramp one integration is shown. Files keep their coordinates on the sky, which
    arrays do not.

    Parameters
    ----------
    product
        A ramp, rates, or one or more files of rates.
    label
        What the data are called there.
    integration
        From 0; of a ramp the first if None, of rates of integrations all.

    Raises
    ------
    InputError
        For a product that holds no frames, or an integration that it has not.
    JwinteractiveError
        If jdaviz is not installed, or too old for this.
    """
    try:
        import jdaviz
    except ImportError:
        raise JwinteractiveError(way_to_install("jdaviz")) from None
    if isinstance(product, Product):
        given = _given(product, label, integration)
    else:
        paths = [product] if isinstance(product, str | Path) else product
        given = [(str(path), "Image", {}) for path in paths]
    older = "Rampviz" if isinstance(product, Ramp) else "Imviz"  # App takes their place
    kind = getattr(jdaviz, "App", None) or getattr(jdaviz, older, None)
    application: Any = None if kind is None else kind()
    if not hasattr(application, "load"):
        raise JwinteractiveError("this jdaviz is too old: pip install --upgrade jdaviz")
    for data, form, options in given:
        application.load(data, format=form, **options)
    return application


def widget_of(application: Any) -> Any:
    """Return the widget of an application that `open_in_glue` or `open_in_jdaviz` gave."""
    # jdaviz has no public name for it: its own documentation shows this one
    widget = getattr(application, "_app", None) or getattr(application, "app", None)
    return application.viewers[0].layout if widget is None else widget


def _given(
    product: Product, label: str, integration: int | None
) -> list[tuple[Any, str, dict[str, Any]]]:
    """What jdaviz takes: data, the name of its format, options."""
    if isinstance(product, Ramp):
        number = integration or 0
        _check_integration(number, len(product.data))
        one = product.replace(data=product.data[number : number + 1]).native()
        # an array [group, y, x]: of a file it would take the samples as integers
        return [(one.data[0], "Ramp", {"data_label": f"{label}, integration {number + 1}"})]
    return [(image, "Image", options) for image, options in _images(product, label, integration)]


def _check_integration(number: int, count: int) -> None:
    if not 0 <= number < count:
        raise InputError(f"integration {number}: the product has 0 to {count - 1}")


def _images(
    product: Product, label: str, integration: int | None
) -> list[tuple[Any, dict[str, Any]]]:
    """Images with their options: rates in view, errors and masks of DO_NOT_USE at hand.

    One by one: of a single `NDData` the errors would lie over the rates.
    """
    from astropy.nddata import NDData
    from astropy.units import Unit

    planes = {name: array for name, (array, _) in _planes(product).items()}
    if isinstance(product, RateInts):
        numbers = range(len(product.data)) if integration is None else (integration,)
        _check_integration(numbers[0], len(product.data))
        parts = [
            ({k: v[i] for k, v in planes.items()}, f"{label}, integration {i + 1}") for i in numbers
        ]
    else:
        parts = [(planes, label)]
    unit = Unit("DN/s")
    images: list[tuple[Any, dict[str, Any]]] = []
    for part, name in parts:
        unusable = ((part["dq"] & dq.DO_NOT_USE) != 0).astype(np.uint8)
        aside: dict[str, Any] = {"viewer": []}
        images += [
            (NDData(part["data"], unit=unit), {"data_label": name}),
            (NDData(part["err"], unit=unit), {"data_label": f"{name}, error"} | aside),
            (NDData(unusable), {"data_label": f"{name}, do not use"} | aside),
        ]
    return images


def _planes(product: Product) -> dict[str, tuple[Array, str]]:
    """Arrays in memory with their units, by the names that other programs know."""
    views = product_views(type(product))
    if not views or not isinstance(product, Ramp | Rate | RateInts):
        raise InputError(f"{type(product).__name__} holds no frames: hand over a ramp or rate")
    here = product.native()
    if isinstance(here, Ramp):
        flags = here.pixeldq | here.groupdq
        return {"data": (here.data, "DN"), "dq": (flags, "")}
    unit = _unit(here)
    return {"data": (here.data, unit), "err": (here.err, unit), "dq": (here.dq, "")}


def _unit(product: Product) -> str:
    drawing = product_views(type(product))[0].draw(Shown(after=product))
    return str(getattr(drawing, "unit", ""))
