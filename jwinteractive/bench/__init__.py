"""Speed and accuracy as ratios against peers in the same run: ``jwinteractive bench NAME``."""

from __future__ import annotations

import fnmatch
import json
import platform
from collections.abc import Callable, Sequence
from pathlib import Path

from jwinteractive.bench.batch import batch
from jwinteractive.bench.browser import knob, official_panels, viewer
from jwinteractive.bench.detector import (
    detector1,
    detector1_2x20,
    detector1_tso,
    importing,
    inspect,
    preview,
)
from jwinteractive.bench.draw import mask_preview, mask_stroke
from jwinteractive.bench.extract import extract_box, extract_optimal
from jwinteractive.bench.extract_cube import extract_cube, extract_forward
from jwinteractive.bench.extract_drag import extract_drag
from jwinteractive.bench.flicker import (
    flicker_fourier,
    flicker_median,
    flicker_preview,
    flicker_smoother,
)
from jwinteractive.bench.irs2 import irs2
from jwinteractive.bench.jumpfit import jump_fit
from jwinteractive.bench.mask import mask_statistics
from jwinteractive.bench.official import (
    official_jump,
    official_jump_512,
    official_preview,
    official_resample,
)
from jwinteractive.bench.outliers import (
    outliers_imaging,
    outliers_imaging_coarse,
    outliers_noise,
)
from jwinteractive.bench.outliers_ifu import outliers_ifu, outliers_tso
from jwinteractive.bench.replace import replace_mingrad, replace_profile, replace_weighted
from jwinteractive.bench.rows import Row
from jwinteractive.bench.snowballs import snowballs
from jwinteractive.errors import ParamError, suggestion

__all__ = ["BENCHMARKS", "LARGE", "bench"]

BENCHMARKS: dict[str, Callable[[], Row]] = {
    "detector1": detector1,
    "detector1_2x20": detector1_2x20,
    "detector1_tso": detector1_tso,
    "jump_fit": jump_fit,
    "snowballs": snowballs,
    "irs2": irs2,
    "flicker_median": flicker_median,
    "flicker_fourier": flicker_fourier,
    "flicker_smoother": flicker_smoother,
    "flicker_preview": flicker_preview,
    "extract_box": extract_box,
    "extract_optimal": extract_optimal,
    "extract_cube": extract_cube,
    "extract_forward": extract_forward,
    "extract_drag": extract_drag,
    "replace_profile": replace_profile,
    "replace_weighted": replace_weighted,
    "replace_mingrad": replace_mingrad,
    "outliers_imaging": outliers_imaging,
    "outliers_imaging_coarse": outliers_imaging_coarse,
    "outliers_noise": outliers_noise,
    "outliers_ifu": outliers_ifu,
    "outliers_tso": outliers_tso,
    "mask_statistics": mask_statistics,
    "preview": preview,
    "inspect": inspect,
    "batch": batch,
    "import": importing,
    "viewer": viewer,
    "knob": knob,
    "official_panels": official_panels,
    "official_jump": official_jump,
    "official_jump_512": official_jump_512,
    "official_resample": official_resample,
    "official_preview": official_preview,
    "mask_stroke": mask_stroke,
    "mask_preview": mask_preview,
}
LARGE = ("detector1_2x20", "detector1_tso")  # many minutes and GB, the official side's above all


def bench(names: Sequence[str], only_list: bool, as_json: bool) -> int:
    """Run benchmarks, print a table, write build/bench.json.

    Names may hold wildcards, or be the first word of several; without any, all run but those in
    `LARGE`.

    Raises
    ------
    ParamError
        For a name that fits none.
    """
    if only_list:
        print(json.dumps(list(BENCHMARKS)) if as_json else "\n".join(BENCHMARKS))
        return 0
    chosen = [name for name in BENCHMARKS if not names and name not in LARGE]
    for name in names:
        # "mask" is all of mask_statistics, mask_stroke ...
        found = fnmatch.filter(BENCHMARKS, name) or fnmatch.filter(BENCHMARKS, f"{name}_*")
        if not found:
            raise ParamError(f"benchmark {name!r}: {suggestion(name, BENCHMARKS)}")
        chosen += found
    rows = [BENCHMARKS[name]() for name in dict.fromkeys(chosen)]
    if as_json:
        print(json.dumps(rows, indent=1))
    else:
        print(_table(rows))
    folder = Path("build")
    folder.mkdir(exist_ok=True)
    told = {"machine": platform.platform(), "python": platform.python_version(), "rows": rows}
    (folder / "bench.json").write_text(json.dumps(told, indent=1))
    return 0


def _table(rows: Sequence[Row]) -> str:
    def number(value: float | None, form: str) -> str:
        return "-" if value is None else format(value, form)

    lines = ["name             ours s     peer s   ratio  ours MB  peer MB  accuracy"]
    for r in rows:
        shown = {k: f"{v:.6g}" if type(v) is float else v for k, v in r["accuracy"].items()}
        accuracy = ", ".join(f"{k} {v}" for k, v in shown.items())
        lines.append(
            f"{r['name']:14} {number(r['ours_s'], '9.4f')}  {number(r['peer_s'], '9.3f')}"
            f"  {number(r['ratio'], '6.1f')}  {number(r['ours_peak_mb'], '7.0f')}"
            f"  {number(r['peer_peak_mb'], '7.0f')}  {accuracy}"
        )
    return "\n".join(lines)
