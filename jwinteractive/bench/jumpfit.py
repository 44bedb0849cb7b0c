"""Jumps and rates on the same arrays as the official steps, with the accuracy beside."""

from __future__ import annotations

import time
from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np

import jwinteractive
from jwinteractive import dq, official_run
from jwinteractive.bench.detector import pull_width
from jwinteractive.bench.rows import Row, best, row, simulated
from jwinteractive.chain import Link, run_box, stream
from jwinteractive.data import Array, Box, Ramp, Rate
from jwinteractive.references import Reference
from jwinteractive.step import Whole, registry
from jwinteractive.store import Store
from jwinteractive.testing import official_model

__all__ = ["jump_fit"]

_FAINT, _BRIGHT = 40.0, 120.0  # e- of the jumps that tell methods apart
_UNUSABLE = dq.DO_NOT_USE | dq.SATURATED
_BOX = Box(700, 1212, 700, 1212)


def jump_fit() -> Row:
    """`jump` and `ramp_fit` of 1 x 10 x 2048 x 2048 against two-point + OLS_C, and LIKELY.

    The peer is two-point + OLS_C at the better of its settings. Ours runs in strips from a ramp in
    memory to a rate in memory, as a session does.
    """
    path, truth = simulated()
    session = jwinteractive.open(path)
    ramp = session.run("dark_current")
    assert isinstance(ramp, Ramp)
    planned = {p.step.name: p for p in session.plan()}
    references = {
        name: session.references.load(found, ramp.exposure, ramp.shape)
        for name, found in planned["jump"].found.items()
    }
    links = _links(ramp, references)
    made: dict[str, Any] = {}

    def run() -> None:
        made["rate"], _ = stream(ramp, links, _draft())

    run()
    seconds = best(run, 5)
    # detections alone: neighbours of hits are flagged on purpose
    rate = made["rate"]
    alone = _links(ramp, references, {"flag_4_neighbors": False})
    flags = run_box(ramp, alone[:1], ramp.covers)
    assert isinstance(rate, Rate)
    assert isinstance(flags, Ramp)
    old = _links(ramp, references, {"method": "two-point"}, {"algorithm": "OLS_C"})
    two_point = best(lambda: stream(ramp, old, _draft()), 3)

    peer, found, their_flags = _official(ramp, references)
    better = {step: min(times.values()) for step, times in peer.items()}
    accuracy = {
        "pull_width": round(pull_width(rate.data, rate.err, rate.dq, truth), 4),
        **_jumps(truth, ramp, flags.groupdq),
        "chi2_by_dof": _straightness(rate, truth),
    }
    jumps = _jumps(truth, ramp, their_flags)
    accuracy |= {f"two_point_{key}": value for key, value in jumps.items()}
    for name, their_rate in found.items():
        theirs = official_run.arrays(their_rate)
        width = pull_width(theirs["data"], theirs["err"], theirs["dq"], truth)
        accuracy[f"{name}_pull_width"] = round(width, 4)
    return row(
        "jump_fit",
        seconds,
        better["two_point"] + better["OLS_C"],
        accuracy=accuracy,
        detail={
            "peer_s": peer,
            "ratio_to_LIKELY": round(better["LIKELY"] / seconds, 1),
            "ours_two_point_OLS_C_s": round(two_point, 4),
            "box_512_s": round(best(lambda: run_box(ramp, links, _BOX), 9), 4),
        },
    )


def _links(
    ramp: Ramp,
    references: Mapping[str, Reference],
    of_jump: Mapping[str, Any] | None = None,
    of_fit: Mapping[str, Any] | None = None,
) -> list[Link]:
    links = []
    for name, changes in (("jump", of_jump or {}), ("ramp_fit", of_fit or {})):
        step = registry[name]
        params = step.params(**changes)
        model = step.learn(Whole(ramp.exposure, ramp.covers, ramp.crop), params, references)
        links.append(Link(step, params, {k: references[k] for k in step.needs}, model))
    return links


def _draft() -> Any:
    return partial(Store().draft, "bench")


def _official(
    ramp: Ramp, references: Mapping[str, Reference]
) -> tuple[dict[str, dict[str, float]], dict[str, Any], Array]:
    """Wall times by step and setting; rates of both ways; the two-point flags, no neighbours'."""
    from jwst.jump import JumpStep
    from jwst.ramp_fitting import RampFitStep

    def given() -> dict[str, Any]:
        """Fresh ones: the steps change references in place."""
        return {f"override_{k}": official_model(v, ramp.exposure) for k, v in references.items()}

    settings: dict[str, dict[str, Any]] = {"default": {}, "all cores": {"maximum_cores": "all"}}
    seconds: dict[str, dict[str, float]] = {"two_point": {}, "OLS_C": {}, "LIKELY": {}}
    found: dict[str, Any] = {}
    for setting, extra in settings.items():
        model = official_model(ramp, ramp.exposure)
        step = JumpStep(**given(), **extra)
        began = time.perf_counter()
        jumped = step.process(model)
        seconds["two_point"][setting] = time.perf_counter() - began
        fit = RampFitStep(**given(), **extra)
        began = time.perf_counter()
        rate, _ = fit.process(jumped)
        seconds["OLS_C"][setting] = time.perf_counter() - began
        found["OLS_C"] = rate
    model = official_model(ramp, ramp.exposure)
    fit = RampFitStep(algorithm="LIKELY", **given())
    began = time.perf_counter()
    rate, _ = fit.process(model)
    seconds["LIKELY"]["default"] = time.perf_counter() - began
    found["LIKELY"] = rate
    model = official_model(ramp, ramp.exposure)
    flags = JumpStep(flag_4_neighbors=False, **given()).process(model).groupdq
    return seconds, found, np.asarray(flags)


def _jumps(truth: Any, ramp: Ramp, groupdq: Array) -> dict[str, float]:
    """Share of faint jumps found, and false flags per difference of pixels that nothing hit."""
    j = truth.jumps
    hits = (groupdq & dq.JUMP_DET) != 0
    usable = (ramp.groupdq & _UNUSABLE) == 0
    at = tuple(j[name] for name in ("integration", "group", "y", "x"))
    faint = (j["electrons"] > _FAINT) & (j["electrons"] < _BRIGHT) & (j["group"] > 0)
    faint &= usable[at] & (truth.dq[at[2], at[3]] == 0)
    quiet = (truth.dq == 0) & (ramp.pixeldq == 0)
    quiet[j["y"], j["x"]] = False
    differences = usable[:, 1:, quiet] & usable[:, :-1, quiet]
    false = np.count_nonzero(hits[:, 1:, quiet] & differences) / np.count_nonzero(differences)
    return {
        "faint_jumps_found": round(float(hits[at][faint].mean()), 4),
        "false_flags": float(f"{false:.2e}"),
    }


def _straightness(rate: Rate, truth: Any) -> float:
    """chi2 by degrees of freedom over all pixels without a hit."""
    assert rate.chi2 is not None
    assert rate.dof is not None
    good = (truth.dq == 0) & (rate.dq == 0)
    good[truth.jumps["y"], truth.jumps["x"]] = False
    return round(float(rate.chi2[good].sum() / rate.dof[good].sum()), 4)
