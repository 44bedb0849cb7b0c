"""Simulate an exposure, reduce it with the references that came with it, compare with the truth.

Where a mode has something of its own, it is compared too: the interference of MIRI, the correlated
noise of IRS2 frames, the charge in groups that average several frames.
"""

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
from jwinteractive.data import Box, Ramp, Rate
from jwinteractive.detectors import READOUTS
from jwinteractive.interference import EmicorrModel
from jwinteractive.quicklook import quicklook
from jwinteractive.session import Session

__all__ = ["compare", "demo", "mode_lines", "of_the_mode"]

RATE_BINS = (-np.inf, 1.0, 10.0, 100.0, np.inf)  # DN/s
_BRIGHT = 0.1  # of the full well: groups that tell how well averages of frames are corrected
_AMPLIFIERS = 4


def demo(mode: str, folder: Path, size: int, seed: int, as_json: bool) -> int:
    """Run the demonstration; products and a picture go to ``folder``; return the exit code.

    `emicorr`, which recipes leave out, is run where interference was simulated.

    Raises
    ------
    InputError
        For an unknown mode.
    OutputError
        If the folder cannot be written.
    """
    from jwinteractive.simulate import simulate
    from jwinteractive.simulate.modes import settings_for

    print(f"simulating {mode} ...", file=sys.stderr)
    chosen = settings_for(mode, {})
    averaged = READOUTS[chosen.readpatt][0] > 1
    parts = ["correlated"] * chosen.interleaved + ["charge"] * averaged
    window = _window(chosen, size) if size else {}
    simulated = simulate(mode, seed=seed, keep_components=parts, **window)
    path = simulated.write(folder)
    session = jwinteractive.open(path)
    if chosen.emi:
        session.enable("emicorr")
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
        **of_the_mode(session, simulated),
    }
    outputs = session.write(folder, overwrite=True)
    picture = quicklook(made.product, outputs[0].with_suffix(".png"), f"{mode}: {path.name}")
    table["outputs"] = [str(p) for p in (path, *outputs, picture)]
    print(json.dumps(table, indent=1) if as_json else _page(table))
    return 0


def _window(chosen: Any, size: int) -> dict[str, Any]:
    """Settings of a window of so many pixels a side, or as near as the mode allows."""
    if chosen.interleaved:  # frames have all rows, and slits no crowding
        return {"size": (2048, size)}
    # a window is read faster than the full frame: higher rates give it as much to see
    seen = {"crowding": 800.0, "cosmic_rays": 40.0}
    # a group of 2**n rows holds whole cycles of the interference, which then is the same in each
    return {"size": (size - 4 if chosen.emi else size, size), **seen}


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
    defect = truth.dq != 0
    touched[..., defect] = True  # telegraph noise jumps as hits do
    near = touched.copy()  # neighbours and the next group are flagged on purpose
    for axis in (2, 3):
        near |= np.roll(touched, 1, axis) | np.roll(touched, -1, axis)
    near |= np.roll(near, 1, 1) | np.roll(near, -1, 1)
    clean = usable & ~near & good
    false = int((flagged & clean).sum())
    e = rate.exposure
    phase = j["frame"] % (e.nframes + e.groupgap)
    within = big & (phase > 0) & (phase < e.nframes)  # charge is in some frames of the average
    return {
        "jumps_within_groups": int(within.sum()),
        "jumps_within_groups_found": float(found[within].mean()) if within.any() else None,
        "jumps_above_200e": int(big.sum()),
        "jumps_found": float(found[big].mean()) if big.any() else None,
        "false_flags_per_million": 1e6 * false / max(int(clean.sum()), 1),
        "defects_known": int(defect.sum()),
        "defects_flagged": float((rate.dq[defect] != 0).mean()) if defect.any() else 1.0,
    }


def of_the_mode(session: Session, simulated: Any) -> dict[str, Any]:
    """Figures that only some modes have: interference, irs2, averaged.

    The components of the truth that they need must have been kept: charge where groups are
    averaged, correlated for IRS2.
    """
    found: dict[str, Any] = {}
    if simulated.settings.emi:
        found["interference"] = _interference(session, simulated.truth)
    if simulated.settings.interleaved:
        found["irs2"] = _correlated(session, simulated.truth)
    if simulated.window.nframes > 1:
        found["averaged"] = _averaged(session, simulated)
    return found


def _interference(session: Session, truth: Any) -> dict[str, float | None]:
    """Amplitude in DN of the wave that was simulated, measured, and left by its subtraction.

    A wave of whole cycles a group is the same in each: it cannot be measured, and no rate sees it.
    """
    found = session.glance(Box(0, 1, 0, 1), "emicorr").model
    assert isinstance(found, EmicorrModel)
    frequency, amplitude, phase = truth.emi
    k = int(np.argmin(np.abs(found.frequency - frequency)))
    moves = bool(np.isfinite(found.alone[k, 0]))
    measured = float(found.amplitude[k, 0])
    left = amplitude - measured * np.exp(2j * np.pi * (found.phase[k, 0] - phase))
    return {
        "frequency_hz": frequency,
        "simulated_dn": amplitude,
        "measured_dn": measured if moves else None,
        "left_dn": float(abs(left)) if moves else None,
    }


def _correlated(session: Session, truth: Any) -> dict[str, float]:
    """Rms in DN of the noise that pixels share, before and after `refpix`, and of its bands.

    A band is the mean of what an amplifier reads in one pass: what an eye sees of the noise.
    """
    before, after = (_ramp(session, upto).data for upto in ("superbias", "refpix"))
    noise = truth.components["correlated"]
    noise = noise - noise.mean(axis=1, keepdims=True)  # what is the same in all groups is no noise
    found: dict[str, float] = {}
    for name, cube in (("before", noise), ("left", noise - (before - after))):
        nint, ngroup, ny, nx = cube.shape
        bands = cube.reshape(nint, ngroup, _AMPLIFIERS, ny // _AMPLIFIERS, nx).mean(axis=3)
        found |= {f"{name}_dn": float(np.std(cube)), f"bands_{name}_dn": float(np.std(bands))}
    return found


def _averaged(session: Session, simulated: Any) -> dict[str, float | None]:
    """Rise in DN of bright groups since the first, and how far `dark_current` leaves it off."""
    ramp = _ramp(session, "dark_current")
    e, pixels = ramp.exposure, simulated.pixels
    # mean time of the frames of each group since the reset
    time = e.group_time * np.arange(e.ngroups) + (e.nframes + 1) / 2 * e.frame_time
    dark = pixels.dark * time[:, None, None]
    charge = (simulated.truth.components["charge"] - dark) / pixels.gain
    usable = (ramp.groupdq & (dq.DO_NOT_USE | dq.SATURATED)) == 0
    usable &= usable[:, :1] & (simulated.truth.dq == 0)
    chosen = usable & (charge > _BRIGHT * pixels.well / pixels.gain)
    chosen[:, 0] = False
    rise, result = ((a - a[:, :1])[chosen] for a in (charge, ramp.data))
    return {
        "frames": e.nframes,
        "gap": e.groupgap,
        "groups": int(chosen.sum()),
        "rise_dn": float(np.median(rise)) if rise.size else None,
        "off_dn": float(np.median(result - rise)) if rise.size else None,
    }


def _ramp(session: Session, upto: str) -> Ramp:
    ramp = session.preview(Box.whole(session.input().shape), upto)
    assert isinstance(ramp, Ramp)
    return ramp


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
        *mode_lines(table),
        "",
        "written:",
        *(f"  {p}" for p in table["outputs"]),
    ]
    return "\n".join(lines)


def mode_lines(table: dict[str, Any]) -> list[str]:
    """Say in a line each what `of_the_mode` gave."""
    lines = []
    if wave := table.get("interference"):
        said = "the same in every group: no rate sees it"
        if wave["measured_dn"] is not None:
            said = f"{wave['measured_dn']:.3f} measured, {wave['left_dn']:.3f} left"
        lines.append(
            f"interference at {wave['frequency_hz']:.1f} Hz: {wave['simulated_dn']:.3f} DN "
            f"simulated, {said}"
        )
    if noise := table.get("irs2"):
        lines.append(
            f"noise that pixels share: {noise['before_dn']:.2f} DN before refpix, "
            f"{noise['left_dn']:.2f} left; its bands {noise['bands_before_dn']:.2f} DN, "
            f"{noise['bands_left_dn']:.2f} left"
        )
    if groups := table.get("averaged"):
        line = f"groups of {groups['frames']} frames, {groups['gap']} left out between: "
        if groups["groups"]:
            line += (
                f"{groups['groups']} bright ones rise by {groups['rise_dn']:.0f} DN, the result is "
                f"off by {groups['off_dn']:.2f}; "
            )
        share = table["jumps_within_groups_found"]
        line += f"jumps within a group: {table['jumps_within_groups']}, found "
        lines.append(line + ("-" if share is None else f"{share:.1%}"))
    return lines
