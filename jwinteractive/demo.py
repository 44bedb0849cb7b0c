"""Simulate an exposure, reduce it with the references that came with it, compare with the truth."""

from __future__ import annotations

import itertools
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

import jwinteractive
from jwinteractive import dq
from jwinteractive.compare import robust_width
from jwinteractive.data import Ramp, Rate
from jwinteractive.quicklook import quicklook

__all__ = ["compare", "demo"]

RATE_BINS = (-np.inf, 1.0, 10.0, 100.0, np.inf)  # DN/s


def demo(mode: str, folder: Path, size: int, seed: int, as_json: bool) -> int:
    """Run the demonstration; products and a picture go to ``folder``; return the exit code.

    Raises
    ------
    InputError
        For an unknown mode.
    OutputError
        If the folder cannot be written.
    """
    from jwinteractive.simulate import simulate

    print(f"simulating {mode} ...", file=sys.stderr)
    # a window is read faster than the full frame: higher rates give it as much to see
    window: dict[str, Any] = (
        {"size": (size, size), "crowding": 800.0, "cosmic_rays": 40.0} if size else {}
    )
    if size and "irs2" in mode:  # its frames have all rows, and slits no crowding
        window = {"size": (2048, size)}
    simulated = simulate(mode, seed=seed, **window)
    path = simulated.write(folder)
    session = jwinteractive.open(path)
    made = session.result()
    ramp = session.run("jump")
    assert isinstance(made.product, Rate)
    assert isinstance(ramp, Ramp)
    table = compare(made.product, ramp, simulated.truth)
    table |= {
        "mode": mode,
        "shape": list(simulated.data.shape),
        "seconds": round(made.seconds, 3),
        "references": session.sources(),
    }
    outputs = session.write(folder, overwrite=True)
    picture = quicklook(made.product, outputs[0].with_suffix(".png"), f"{mode}: {path.name}")
    table["outputs"] = [str(p) for p in (path, *outputs, picture)]
    print(json.dumps(table, indent=1) if as_json else _page(table))
    return 0


def compare(rate: Rate, ramp: Ramp, truth: Any) -> dict[str, Any]:
    """Figures of a result against the simulated truth.

    Rates are compared where neither the result nor the truth knows a defect; the pull is
    (rate - truth) / err, its width a robust standard deviation. A jump counts as found if its
    group, or the one after it, is flagged.
    """
    hit = np.zeros(rate.shape, bool)
    hit[truth.jumps["y"], truth.jumps["x"]] = True
    bad = dq.DO_NOT_USE | dq.SATURATED | dq.REFERENCE_PIXEL
    true = truth.rate * (rate.exposure.gain_factor or 1.0)  # gain_scale comes after the fit
    good = ((rate.dq & bad) == 0) & (truth.dq == 0) & np.isfinite(rate.data) & (rate.err > 0)
    rows = []
    for low, high in itertools.pairwise(RATE_BINS):
        for name, chosen in (("no hit", ~hit), ("hit", hit)):
            here = good & chosen & (true > low) & (true <= high)
            if here.sum() < 20:
                continue
            pull = (rate.data[here] - true[here]) / rate.err[here]
            rows.append(
                {
                    "rate_from": None if np.isinf(low) else low,
                    "rate_to": None if np.isinf(high) else high,
                    "pixels": name,
                    "count": int(here.sum()),
                    "truth": float(np.mean(true[here])),
                    "result": float(np.mean(rate.data[here])),
                    "pull_median": float(np.median(pull)),
                    "pull_width": robust_width(pull),
                }
            )
    return {"rates": rows, **_jumps(rate, ramp, truth, good)}


def _jumps(rate: Rate, ramp: Ramp, truth: Any, good: Any) -> dict[str, Any]:
    flagged = (ramp.groupdq & dq.JUMP_DET) != 0
    usable = (ramp.groupdq & (dq.DO_NOT_USE | dq.SATURATED)) == 0
    j = truth.jumps
    inside = good[j["y"], j["x"]] & (j["group"] > 0)
    j = j[inside & usable[j["integration"], j["group"], j["y"], j["x"]]]
    later = np.minimum(j["group"] + 1, ramp.data.shape[1] - 1)
    found = (
        flagged[j["integration"], j["group"], j["y"], j["x"]]
        | flagged[j["integration"], later, j["y"], j["x"]]
    )
    big = j["electrons"] > 200
    touched = np.zeros(flagged.shape, bool)
    touched[tuple(truth.jumps[n] for n in ("integration", "group", "y", "x"))] = True
    near = touched.copy()  # neighbours and the next group are flagged on purpose
    for axis in (1, 2, 3):
        near |= np.roll(touched, 1, axis) | np.roll(touched, -1, axis)
    clean = usable & ~near & good
    false = int((flagged & clean).sum())
    defect = truth.dq != 0
    return {
        "jumps_above_200e": int(big.sum()),
        "jumps_found": float(found[big].mean()) if big.any() else None,
        "false_flags_per_million": 1e6 * false / max(int(clean.sum()), 1),
        "defects_known": int(defect.sum()),
        "defects_flagged": float((rate.dq[defect] != 0).mean()) if defect.any() else 1.0,
    }


def _by_source(references: dict[str, str]) -> dict[str, str]:
    found: dict[str, list[str]] = {}
    for reftype, source in references.items():
        found.setdefault(source.partition(":")[0], []).append(reftype)
    return {source: f"({', '.join(reftypes)})" for source, reftypes in found.items()}


def _page(table: dict[str, Any]) -> str:
    lines = [
        f"{table['mode']}, ramp {' x '.join(map(str, table['shape']))}, "
        f"reduced in {table['seconds']:.2f} s",
        "references: " + ", ".join(f"{k} {v}" for k, v in _by_source(table["references"]).items()),
        "",
        "rate (DN/s)      pixels    count       truth      result  pull median  pull width",
    ]
    for r in table["rates"]:
        low = "" if r["rate_from"] is None else f"{r['rate_from']:g}"
        high = "" if r["rate_to"] is None else f"{r['rate_to']:g}"
        lines.append(
            f"{low:>5} to {high:<6}  {r['pixels']:>7}  {r['count']:>7}  {r['truth']:>10.4f}"
            f"  {r['result']:>10.4f}  {r['pull_median']:>11.3f}  {r['pull_width']:>10.3f}"
        )
    share = "-" if table["jumps_found"] is None else f"{table['jumps_found']:.1%}"
    lines += [
        "",
        f"jumps above 200 e-: {table['jumps_above_200e']}, found {share}; "
        f"false flags {table['false_flags_per_million']:.0f} per million group differences",
        f"defective pixels: {table['defects_known']}, flagged {table['defects_flagged']:.1%}",
        "",
        "written:",
        *(f"  {p}" for p in table["outputs"]),
    ]
    return "\n".join(lines)
