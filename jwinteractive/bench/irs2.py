"""IRS2 correction on the same arrays as the official step, with the residual noise beside."""

from __future__ import annotations

import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

import jwinteractive
from jwinteractive.bench.rows import Row, best, row
from jwinteractive.chain import Link, stream
from jwinteractive.data import Array, Ramp
from jwinteractive.irs2 import science_rows
from jwinteractive.references import Irs2Ref
from jwinteractive.step import Whole, registry
from jwinteractive.store import Store

__all__ = ["irs2", "official_models"]


def irs2() -> Row:
    """Refpix of 1 x 4 x 2048 x 2048 pixels read in IRS2: measured and subtracted."""
    from jwst.refpix.refpix_step import RefPixStep

    from jwinteractive.simulate import simulate

    made = simulate(
        "nirspec-irs2", ngroups=4, seed=1, cosmic_rays=0.0, snowballs=0.0, keep_components=True
    )
    with tempfile.TemporaryDirectory() as folder:
        session = jwinteractive.open(made.write(Path(folder)))
        found = next(p for p in session.plan() if p.step.name == "refpix").found["irs2"]
        source = session.run("dq_init")
        assert isinstance(source, Ramp)
        reference = session.references.load(found, source.exposure, source.shape)
        assert isinstance(reference, Irs2Ref)
        step = registry["refpix"]
        kept: dict[str, Any] = {}

        def run() -> None:
            given = {"irs2": reference, "sirs": None}
            whole = Whole(source.exposure, source.covers, lambda box: source.crop(box).native())
            link = Link(step, step.params(), given, step.learn(whole, step.params(), given))
            kept["ours"], _ = stream(
                source,
                [link],
                partial(Store().draft, "bench"),
            )

        run()
        seconds = best(run, 3)
        raw = made.data.astype(np.float32)
        peer = []
        for _ in range(2):
            model, weights = official_models(raw, source.exposure.detector, reference)
            official = RefPixStep()
            official.override_refpix = weights
            began = time.perf_counter()
            theirs = np.asarray(official.process(model).data)
            peer.append(time.perf_counter() - began)
        ours = kept["ours"].data
        wandering = made.truth.components["correlated"]
        wandering = wandering - wandering.mean(axis=1, keepdims=True)
        left = [np.std(wandering - (source.data - each)) for each in (ours, theirs)]
        seen = source.data != source.data.mean(axis=1, keepdims=True, dtype=np.float64)
        return row(
            "irs2",
            seconds,
            min(peer),
            accuracy={
                "largest_difference_DN": float(np.abs(ours - theirs)[seen].max()),
                "noise_before_DN": float(np.std(wandering)),
                "noise_left_DN": float(left[0]),
                "peer_noise_left_DN": float(left[1]),
            },
        )


def official_models(raw: Array, detector: str, irs2: Irs2Ref) -> tuple[Any, Any]:
    """Official ramp of raw frames [nint, ngroup, 3200, 2048] and official reference of weights."""
    from stdatamodels.jwst import datamodels

    from jwinteractive.simulate.refs import irs2_model

    model = datamodels.RampModel(raw.shape)
    model.data = raw.copy()
    model.meta.instrument.name, model.meta.instrument.detector = "NIRSPEC", detector
    exposure = model.meta.exposure
    exposure.readpatt, exposure.nrs_normal, exposure.nrs_reference = "NRSIRS2RAPID", 16, 4
    exposure.type = "NRS_FIXEDSLIT"
    exposure.nints, exposure.ngroups = raw.shape[:2]
    subarray = model.meta.subarray
    subarray.name, subarray.xstart, subarray.ystart = "FULL", 1, 1
    subarray.xsize, subarray.ysize = 2048, len(science_rows(detector))
    return model, irs2_model(irs2)
