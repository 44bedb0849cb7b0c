"""What a batch tells: a table as text, CSV and JSON, and a page with a picture of each exposure."""

from __future__ import annotations

import base64
import csv
import io
import json
import math
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any, Final

from jwinteractive.batch.job import Place, Row
from jwinteractive.batch.run import Batch
from jwinteractive.errors import OutputError

__all__ = ["as_csv", "as_html", "as_text", "write_summary"]

_COLUMNS: Final = (
    "file", "state", "rate", "unit", "flagged %", "jumps % a group", "1/f", "seconds", "MB",
    "planned MB", "tries", "said",
)  # fmt: skip
_MEANS: Final = {
    "rate": "median of the good pixels",
    "flagged %": "pixels with DO_NOT_USE or without a value, reference pixels apart",
    "jumps % a group": "pixels with a jump, mean of the groups after the first, in nine boxes",
    "1/f": "scatter of the medians of lines, in units of that which white noise gives them",
    "seconds": "that its steps and the writing took",
    "MB": "most memory that its worker held, mapped files among it",
    "tries": "how often it was begun: more than once where a worker died",
}


def _figure(value: float, form: str = ".3g") -> str:
    return format(value, form) if math.isfinite(value) else ""


def _cells(row: Row) -> tuple[str, ...]:
    q = row.quality
    after = q.jumps[1:]
    return (
        row.name,
        row.state,
        _figure(q.rate, ".4g"),
        q.unit,
        _figure(100 * q.flagged),
        _figure(100 * sum(after) / len(after)) if after else "",
        _figure(q.stripes),
        _figure(row.seconds) if row.seconds else "",
        f"{row.memory / 2**20:.0f}" if row.memory else "",
        f"{row.planned / 2**20:.0f}" if row.planned else "",
        str(row.tries) if row.tries else "",
        row.why,
    )


def as_text(rows: Sequence[Row]) -> str:
    """A table of lines."""
    table = [_COLUMNS, *(_cells(row) for row in rows)]
    widths = [max(len(line[k]) for line in table) for k in range(len(_COLUMNS))]
    return "\n".join(
        "  ".join(cell.ljust(n) for cell, n in zip(line, widths, strict=True)).rstrip()
        for line in table
    )


def as_csv(rows: Sequence[Row]) -> str:
    """The table as comma-separated values."""
    made = io.StringIO()
    writer = csv.writer(made, lineterminator="\n")
    writer.writerow(_COLUMNS)
    writer.writerows(_cells(row) for row in rows)
    return made.getvalue()


def as_json(batch: Batch) -> dict[str, Any]:
    """All that is known, plain; NaN is None."""
    return {
        "seconds": batch.seconds,
        "workers": batch.workers,
        "cancelled": batch.cancelled,
        "files": [_without_nan(row.as_dict()) for row in batch.rows],
    }


def _without_nan(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nan(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def write_summary(batch: Batch, output: Path) -> Path:
    """Write ``batch.csv``, ``batch.json`` and the page ``batch.html``; return the page.

    Raises
    ------
    OutputError
        If they cannot be written.
    """
    place = Place(Path(output).absolute())
    page = place.output / "batch.html"
    try:
        (place.output / "batch.csv").write_text(as_csv(batch.rows))
        (place.output / "batch.json").write_text(json.dumps(as_json(batch), indent=1))
        page.write_text(as_html(batch, place))
    except OSError as error:
        raise OutputError(f"{output}: cannot be written ({error.strerror})") from None
    return page


def as_html(batch: Batch, place: Place) -> str:
    """A page that needs nothing else: the table, and a card with a picture of each exposure."""
    made = sum(row.state in ("done", "kept") for row in batch.rows)
    heads = "".join(
        f'<th title="{escape(_MEANS.get(name, ""))}">{escape(name)}</th>' for name in _COLUMNS
    )
    lines = "".join(_line(row) for row in batch.rows)
    cards = "".join(_card(row, place) for row in batch.rows)
    means = "".join(f"<dt>{escape(k)}</dt><dd>{escape(v)}</dd>" for k, v in _MEANS.items())
    stopped = ", stopped" if batch.cancelled else ""
    spent = (
        f"{batch.seconds:.0f} s, workers: {batch.workers}." if batch.workers else "Nothing was run."
    )
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Batch of {len(batch.rows)} exposures</title><style>{_STYLE}</style></head><body>
<h1>{made} of {len(batch.rows)} exposures reduced{stopped}</h1>
<p>{spent}</p>
<div class="wide"><table><thead><tr>{heads}</tr></thead><tbody>{lines}</tbody></table></div>
<dl>{means}</dl>
<div class="cards">{cards}</div></body></html>
"""


def _line(row: Row) -> str:
    name, state, *figures, said = map(escape, _cells(row))
    if said and _word(row) == "bad":  # a sentence in place of figures that there are none of
        cells = f'<td class="said" colspan="{len(figures) + 1}">{said}</td>'
    else:
        cells = "".join(f"<td>{cell}</td>" for cell in figures) + f'<td class="said">{said}</td>'
    return f'<tr><td>{name}</td><td class="{_word(row)}">{state}</td>{cells}</tr>'


def _word(row: Row) -> str:
    return "good" if row.state in ("done", "kept") else "bad"


def _card(row: Row, place: Place) -> str:
    path = place.picture(Path(row.path))
    image = ""
    if row.state in ("done", "kept") and path.exists():
        coded = base64.b64encode(path.read_bytes()).decode()
        image = f'<img alt="{escape(row.name)}" src="data:image/png;base64,{coded}">'
    said = f'<p class="{_word(row)}">{escape(row.state)} {escape(row.why)}</p>'
    return f"<figure>{image}<figcaption>{escape(row.name)}{said}{_bars(row)}</figcaption></figure>"


def _bars(row: Row) -> str:
    """Part of the pixels with a jump, a bar for each group."""
    jumps = row.quality.jumps
    if not jumps or not max(jumps):
        return ""
    width = 240 / len(jumps)
    bars = "".join(
        f'<rect x="{k * width:.2f}" y="{36 - 34 * part / max(jumps):.2f}" '
        f'width="{max(width - 1, 0.5):.2f}" height="{34 * part / max(jumps):.2f}">'
        f"<title>group {k + 1}: {100 * part:.3g} %</title></rect>"
        for k, part in enumerate(jumps)
    )
    label = f"jumps by group, at most {100 * max(jumps):.2g} %"
    return (
        f'<svg viewBox="0 0 240 36" role="img" aria-label="{label}">{bars}</svg>'
        f"<small>{label}</small>"
    )


_STYLE: Final = """
:root{color-scheme:light dark;--ink:#1b1f24;--page:#fff;--soft:#57606a;--line:#d0d7de;
--card:#f6f8fa;--good:#116329;--bad:#b3261e;--bar:#0969da}
@media (prefers-color-scheme:dark){:root{--ink:#e6edf3;--page:#0d1117;--soft:#9da7b1;--line:#30363d;
--card:#161b22;--good:#56d364;--bad:#ff8a80;--bar:#58a6ff}}
body{font:15px/1.45 system-ui,sans-serif;color:var(--ink);background:var(--page);margin:2rem}
.wide{overflow-x:auto}table{border-collapse:collapse;font-variant-numeric:tabular-nums}
th,td{padding:.3rem .7rem;text-align:left;border-bottom:1px solid var(--line);white-space:nowrap}
.said{white-space:normal}.said:not([colspan]):not(:empty){min-width:16rem}th{color:var(--soft)}
dl{display:grid;grid-template-columns:max-content 1fr;gap:.1rem 1rem;color:var(--soft)}dd{margin:0}
.good{color:var(--good)}.bad{color:var(--bad)}
.cards{display:grid;grid-template-columns:repeat(auto-fill,minmax(260px,1fr));gap:1rem}
figure{margin:0;padding:.7rem;border:1px solid var(--line);border-radius:6px;background:var(--card)}
figcaption{overflow-wrap:anywhere}img{width:100%;image-rendering:pixelated;border-radius:3px}
figcaption p{margin:.2rem 0}svg{width:100%;height:36px;fill:var(--bar)}small{color:var(--soft)}
"""
