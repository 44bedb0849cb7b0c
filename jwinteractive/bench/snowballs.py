"""Jumps and snowballs on the same arrays as the official step, with the accuracy beside."""

from __future__ import annotations

import time
from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np

import jwinteractive
from jwinteractive import dq
from jwinteractive.bench.rows import Row, best, row, simulated
from jwinteractive.chain import Link, run_box, stream, strip_rows
from jwinteractive.data import Array, Ramp
from jwinteractive.references import Reference
from jwinteractive.step import Model, Whole, registry
from jwinteractive.store import Store
from jwinteractive.testing import official_model

__all__ = ["snowballs"]

_RATE = 0.5  # per second, as many in the exposure as usually fall in 1000 s
_SPOILT = 0.5  # sigma of a difference, above which a sample counts as contaminated
_FLAGS = dq.JUMP_DET | dq.SATURATED | dq.DO_NOT_USE


def snowballs() -> Row:
    """Jumps and snowballs of 1 x 10 x 2048 x 2048: measured, flagged, against the official step.

    Ours is what a session does: `jump` runs once for the measurement and once for the result.
    """
    path, truth = simulated(snowballs=_RATE)
    session = jwinteractive.open(path)
    ramp = session.run("dark_current")
    assert isinstance(ramp, Ramp)
    planned = next(p for p in session.plan() if p.step.name == "jump")
    references = {
        name: session.references.load(found, ramp.exposure, ramp.shape)
        for name, found in planned.found.items()
    }
    jump = _link("jump", references)
    alone: dict[str, list[float]] = {"measure": [], "apply": []}
    made: dict[str, Any] = {}

    def run() -> None:
        link = _link("snowballs", references)
        whole = Whole(ramp.exposure, ramp.covers, lambda box: run_box(ramp, [jump], box))
        model = link.step.learn(whole, link.params, link.references)
        made["ours"] = _streamed(ramp, [jump, _link("snowballs", references, model)])

    run()
    seconds = best(run, 3)
    jumped = _streamed(ramp, [jump])
    for _ in range(3):
        link = _link("snowballs", references)
        began = time.perf_counter()
        model = link.step.learn(
            Whole(ramp.exposure, ramp.covers, jumped.crop), link.params, link.references
        )
        between = time.perf_counter()
        link = _link("snowballs", references, model)
        for strip in ramp.covers.strips(strip_rows(ramp)):
            link(jumped.crop(strip))
        alone["measure"].append(between - began)
        alone["apply"].append(time.perf_counter() - between)

    peer: dict[str, float] = {}
    for name, extra in (("default", {}), ("all cores", {"maximum_cores": "all"})):
        peer[name], flags = _official(ramp, references, extra)
    ours, theirs = (
        _score(truth, ramp, jumped.groupdq, now) for now in (made["ours"].groupdq, flags)
    )
    return row(
        "snowballs",
        seconds,
        min(peer.values()),
        accuracy={
            "found": ours[0],
            "peer_found": theirs[0],
            "clean_lost": ours[1],
            "peer_clean_lost": theirs[1],
            "alone_s": round(min(alone["measure"]) + min(alone["apply"]), 4),
        },
        detail={"peer_s": peer, "alone_s": {k: min(v) for k, v in alone.items()}},
    )


def _link(name: str, references: Mapping[str, Reference], model: Model | None = None) -> Link:
    step = registry[name]
    given = {k: references[k] for k in step.needs}
    return Link(step, step.params(), given, model)


def _streamed(ramp: Ramp, links: list[Link]) -> Ramp:
    made, _ = stream(ramp, links, partial(Store().draft, "bench"))
    assert isinstance(made, Ramp)
    return made


def _official(
    ramp: Ramp, references: Mapping[str, Reference], extra: Mapping[str, Any]
) -> tuple[float, Array]:
    """Seconds and flags of the official step."""
    from jwst.jump import JumpStep

    step = JumpStep(expand_large_events=True, **extra)
    for name, reference in references.items():
        setattr(step, f"override_{name}", official_model(reference, ramp.exposure))
    model = official_model(ramp, ramp.exposure)
    began = time.perf_counter()
    result = step.process(model)
    return time.perf_counter() - began, np.asarray(result.groupdq)


def _score(truth: Any, ramp: Ramp, before: Array, now: Array) -> tuple[float, float]:
    """Share of the samples spoilt by snowballs that is flagged, and of clean ones newly flagged."""
    sigma = np.sqrt(2) * 11.5  # e- of a difference
    light = [np.zeros(ramp.data.shape, np.float32) for _ in range(2)]
    for kind, image in enumerate(light):
        hits = truth.jumps[(truth.jumps["kind"] == kind) & (truth.jumps["group"] < len(before[0]))]
        at = tuple(hits[name] for name in ("integration", "group", "y", "x"))
        np.add.at(image, at, hits["electrons"])
    spoilt = light[1] > _SPOILT * sigma
    clean = (light[1] <= _SPOILT * sigma) & (light[0] <= _SPOILT * sigma)
    spoilt[:, 0] = clean[:, 0] = False
    flagged = now & _FLAGS != 0
    new = flagged & (before & _FLAGS == 0)
    found = np.count_nonzero(flagged & spoilt) / np.count_nonzero(spoilt)
    return float(found), float(np.count_nonzero(new & clean) / np.count_nonzero(clean))
