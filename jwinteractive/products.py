"""From the result of a plan to official products: names, provenance, what cannot be written."""

from __future__ import annotations

import shutil
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Final

import numpy as np

from jwinteractive import dq
from jwinteractive.data import Cube, Product, Ramp, Rate, RateInts, SpectrumSet
from jwinteractive.errors import InputError, OutputError
from jwinteractive.io import (
    Provenance,
    ReferenceRecord,
    StepRecord,
    copy_recorded,
    output_name,
    read_provenance,
    root_name,
    write_back,
    write_product,
    write_spectra,
)
from jwinteractive.plan import OpenFile, Peer, Planned
from jwinteractive.references import Found
from jwinteractive.step import Ran, registry

__all__ = ["copy_files", "made_of", "output_paths", "provenance_of", "write_products"]

_OPEN: Final = ("", "clear", "mirror", "n/a")
"""Elements in the light's way that choose nothing."""


def output_paths(
    folder: str | Path, file: OpenFile, plan: Sequence[Planned], slit: str = ""
) -> list[Path]:
    """Paths of the products of a plan; ``slit`` is one of several whose products are apart.

    Raises
    ------
    InputError
        If a rate is asked of one group.
    """
    running = [p for p in plan if not p.skipped]
    refused = [p for p in running if getattr(p.stage.params, "suppress_one_group", False)]
    if file.exposure.ngroups == 1 and refused:
        raise InputError(
            f"{file.name}: one group tells no slope; set {refused[0].step.name}."
            "suppress_one_group to false to take signal over time for a rate"
        )
    last = running[-1]
    kind = last.gives
    if last.step.filed:
        root = _common(made_of(plan)) or root_name(file.path)
        root += f"_{slit.lower()}" if slit else ""
        two = ["rate", "rateints"] if last.step.suffix == "rate" else [last.step.suffix]
        return [Path(folder) / output_name(root, s) for s in two]
    fitted = kind is Rate and not isinstance(file.product, Rate)
    if last.step.suffix:
        suffixes = [last.step.suffix + ("ints" if last.takes is RateInts else "")]
    else:
        suffixes = ["rate", "rateints"] if fitted else [kind.__name__.lower()]
    return [Path(folder) / output_name(file.path, s) for s in suffixes]


def made_of(plan: Sequence[Planned]) -> tuple[Peer, ...]:
    """The set whose members are together in the one product of a plan; () if it is of one alone."""
    sets = (p for p in plan if not p.skipped and len(p.peers) > 1)
    # a step with a kind of its own makes one of all: an image, a cube, a spectrum
    joined = (p.peers for p in sets if registry[p.step.name].gives is not None)
    return next(joined, ())


def _common(members: Sequence[Peer]) -> str:
    """Name of what a set gives together: what the names of its members share, and its filter.

    Detectors that look at the same time have exposures of the same numbers in several filters.
    """
    if not members:
        return ""
    names = [peer.file.exposure.filename.split("_") for peer in members]
    shared = [c[0] for c in zip(*names, strict=False) if len(set(c)) == 1] or names[0]
    e = members[0].file.exposure
    light = [x.lower() for x in (e.filter, e.pupil, e.grating) if x.lower() not in _OPEN]
    return "_".join([*shared, *filter(None, ["-".join(light)])])


def copy_files(
    ran: Ran, file: OpenFile, paths: Sequence[Path], provenance: Provenance
) -> list[Path]:
    """Copy what an official step wrote, with what was done; what came with it goes beside.

    Raises
    ------
    OutputError
        If it cannot be copied.
    """
    provenance = provenance.after(read_provenance(file.path))
    own = [ran.file_of(file.exposure), ran.second_of(file.exposure)]
    pairs = [(old, new) for old, new in zip(own, paths, strict=False) if old is not None]
    folder = paths[0].parent
    main = own[0] or paths[0]
    beside = [
        (ran.place / name, folder / _renamed(Path(name).name, main.name, paths[0].name))
        for name in ran.beside
    ]
    for old, new in pairs:
        copy_recorded(old, new, provenance)
    try:
        for old, new in beside:
            shutil.copyfile(old, new)
    except OSError as error:
        raise OutputError(
            f"{folder}: cannot be written ({error.strerror or error}): choose another folder"
        ) from error
    return [new for _, new in (*pairs, *beside)]


def _renamed(name: str, main: str, copied: str) -> str:
    """Name of the copy of what came with a file that is itself copied by another name.

    Official steps name all that a set gives after its first member.
    """
    pairs = enumerate(zip(name, main, strict=False))
    common = name[: next((i for i, (a, b) in pairs if a != b), len(main))]
    root = common[: max(common.rfind("_"), common.rfind("-"), 0)]
    end = main.removeprefix(root)
    for tail in (end, end.removeprefix("-1")):  # of the first of several parts
        if root and copied.endswith(tail):
            return copied.removesuffix(tail) + name.removeprefix(root)
    return name


def provenance_of(
    plan: Sequence[Planned],
    used: Mapping[str, Found],
    recipe: str,
    idle: Collection[str] = (),
) -> Provenance:
    """What was done to the product of a plan, and with what references by type.

    Steps named in ``idle`` ran, but left the product as it was.
    """
    skipped = {p.step.name: p.skipped for p in plan if p.skipped}
    skipped |= dict.fromkeys(idle, "the official step left the product as it was, see its log")
    return Provenance(
        steps=tuple(
            StepRecord(
                step=p.step.name,
                version=p.step.version,
                state="skipped" if p.step.name in skipped else "complete",
                cal_step=p.step.cal_step,
                parameters=p.stage.params.as_dict(),
                reason=skipped.get(p.step.name, ""),
            )
            for p in plan
        ),
        references=tuple(
            ReferenceRecord(reftype, f.source, f.name, f.key) for reftype, f in used.items()
        ),
        recipe=recipe,
        key=plan[-1].key,
    )


def write_products(
    product: Product,
    paths: Sequence[Path],
    provenance: Provenance,
    name: str,
    overwrite: bool,
    others: Sequence[Product] = (),
) -> list[Path]:
    """Write a product, and the rates of the integrations that a rate carries.

    ``others`` are those of other slits of its file, which go into the same one.

    Raises
    ------
    InputError
        If no pixel of exposure ``name`` has a rate; nothing is written then.
    OutputError
        If a file cannot be written.
    """
    every = (product, *others)
    spectra = [p for p in every if isinstance(p, SpectrumSet)]
    if spectra:
        return [write_spectra(spectra, paths[0], provenance, overwrite)]
    if others:
        slits = [p for p in every if isinstance(p, Rate | RateInts)]
        return [write_back(slits, paths[0], provenance, overwrite)]
    if isinstance(product, Rate) and (why := _nothing_measured(product)):
        raise InputError(f"{name}: {why}; nothing is written")
    parts = [product, getattr(product, "integrations", None)]
    return [
        write_product(part, path, provenance, overwrite)
        for part, path in zip(parts, paths, strict=False)
        if isinstance(part, Ramp | Rate | RateInts | Cube)
    ]


def _nothing_measured(rate: Rate) -> str:
    """Why no pixel that sees light has a rate; "" if one has."""
    light = (rate.dq & dq.REFERENCE_PIXEL) == 0
    if np.isfinite(rate.data[light]).any():
        return ""
    if (rate.dq[light] & dq.SATURATED).all():
        return "every pixel is saturated from its first group on"
    return "no pixel has a usable sample (NaN or DO_NOT_USE throughout)"
