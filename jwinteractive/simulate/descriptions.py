"""What simulated exposures and references of stage 2 say of themselves; how they are written."""

from __future__ import annotations

import dataclasses as dc
import json
from pathlib import Path
from typing import Any

import numpy as np

from jwinteractive.data import Array

__all__ = [
    "SimulatedRate",
    "describe_exposure",
    "describe_reference",
    "point_at",
    "write_references",
]


def write_references(references: dict[str, Any], folder: Path) -> list[Path]:
    """Write each reference as `<type>` with the suffix of its kind; return paths."""
    from stdatamodels.jwst import datamodels

    in_asdf = (
        datamodels.DistortionModel,
        datamodels.DistortionMRSModel,
        datamodels.SpecwcsModel,
        datamodels.RegionsModel,
        datamodels.WavelengthrangeModel,
        datamodels.Extract1dIFUModel,
        datamodels.MirMrsApcorrModel,
    )
    paths = []
    for kind, made in references.items():
        if isinstance(made, dict):
            path = folder / f"{kind}.json"
            path.write_text(json.dumps(made, indent=1))
        else:
            path = folder / (kind + (".asdf" if isinstance(made, in_asdf) else ".fits"))
            # the official step reads tables after it closed their file: only what is inline is left
            inline = isinstance(made, (datamodels.Extract1dIFUModel, datamodels.MirMrsApcorrModel))
            made.save(path, **({"all_array_storage": "inline"} if inline else {}))
        paths.append(path)
    return paths


@dc.dataclass(frozen=True, eq=False, slots=True)
class SimulatedRate:
    """An exposure at the beginning of stage 2, its references and the truth.

    Attributes
    ----------
    root
        Of the file names.
    rate
        Official data model of the rate, DN/s.
    references
        Reference type -> data model, or the dict that becomes a JSON file.
    wavelength
        Of each row of the spectrum, um, rising.
    flux
        Of the source, Jy.
    """

    root: str
    rate: Any
    references: dict[str, Any]
    wavelength: Array
    flux: Array

    def write(self, folder: Path | str) -> list[Path]:
        """Write the rate, its references (folder `<root>_refs`) and the truth; return paths."""
        folder = Path(folder)
        refs = folder / f"{self.root}_refs"
        refs.mkdir(parents=True, exist_ok=True)
        path = folder / f"{self.root}_rate.fits"
        self.rate.save(path)
        truth = folder / f"{self.root}_truth.csv"
        table = np.column_stack([self.wavelength, self.flux])
        np.savetxt(truth, table, delimiter=",", header="wavelength_um,flux_Jy", comments="")
        return [path, *write_references(self.references, refs), truth]


def describe_reference(
    model: Any, kind: str, detector: str, exposure: str, instrument: str = "MIRI"
) -> None:
    """Write what reference files say of themselves."""
    meta = model.meta
    meta.telescope, meta.reftype, meta.pedigree = "JWST", kind, "SIMULATION"
    meta.author, meta.useafter = "jwinteractive", "2022-05-01T00:00:00"
    meta.description = f"Simulated {kind}: chosen, not measured"
    meta.instance.setdefault("instrument", {}).update(name=instrument, detector=detector)
    # not every kind has these in its schema
    meta.instance.setdefault("exposure", {})["type"] = exposure


def describe_exposure(meta: Any, kind: str, shape: tuple[int, int], seconds: float) -> None:
    """Write what every official step of stage 2 asks of the exposure, frame and target."""
    meta.exposure.instance.update(
        type=kind,
        readpatt="FASTR1",
        nints=1,
        ngroups=100,
        nframes=1,
        groupgap=0,
        start_time=60370.5,
        mid_time=60370.5 + seconds / 2 / 86400,
        end_time=60370.5 + seconds / 86400,
        exposure_time=seconds,
        effective_exposure_time=seconds,
        measurement_time=seconds,
        integration_time=seconds,
    )
    meta.subarray.instance.update(name="FULL", xstart=1, ystart=1, fastaxis=1, slowaxis=2)
    meta.subarray.xsize, meta.subarray.ysize = shape[1], shape[0]
    meta.observation.instance.update(date="2024-03-01", time="12:00:00", observation_number="001")
    meta.observation.program_number, meta.observation.visit_number = "99999", "001"
    meta.target.instance.update(catalog_name="SIMULATION", type="FIXED", source_type_apt="POINT")
    meta.visit.tsovisit = False


def point_at(meta: Any, v2v3: tuple[float, float], sky: tuple[float, float]) -> None:
    """Write a pointing: the place (v2, v3) in arcsec lies at sky (ra, dec) in degrees."""
    meta.wcsinfo.instance.update(
        wcsaxes=3,
        ra_ref=sky[0],
        dec_ref=sky[1],
        roll_ref=0.0,
        v2_ref=v2v3[0],
        v3_ref=v2v3[1],
        v3yangle=0.0,
        vparity=-1,
    )
    meta.pointing.instance.update(ra_v1=sky[0], dec_v1=sky[1], pa_v3=0.0)
