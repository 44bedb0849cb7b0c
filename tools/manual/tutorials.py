"""The tutorials: their list, their links to Binder, and pages of those that were executed."""

from __future__ import annotations

import functools
import json
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Final
from urllib.parse import quote

from manual.text import heading, page, table, tree

__all__ = [
    "ROOT",
    "app_link",
    "binder_link",
    "executed_pages",
    "title_of",
    "tutorial_table",
    "tutorials",
]

ROOT: Final = Path(__file__).parents[2]
APP: Final = "app.ipynb"
"""The workbench alone, which voila shows."""
_FIRST: Final = "first_minute.ipynb"
# what a page without a kernel has of a workbench; its picture says more
_WIDGET: Final = re.compile(r"^ {4}Workbench\(children=.*$", re.MULTILINE)
_HUB: Final = "https://mybinder.org/v2"


@functools.cache
def tutorials() -> tuple[Path, ...]:
    """Notebooks that teach, the first minute first."""
    found = [p for p in (ROOT / "notebooks").glob("*.ipynb") if p.name != APP]
    return tuple(sorted(found, key=lambda p: (p.name != _FIRST, p.name)))


def title_of(notebook: Path) -> str:
    """Heading of a notebook."""
    for cell in json.loads(notebook.read_text())["cells"]:
        text = "".join(cell["source"])
        if cell["cell_type"] == "markdown" and text.startswith("# "):
            return text.partition("\n")[0].removeprefix("# ").strip()
    raise ValueError(f"{notebook}: has no heading: begin its first cell with '# '")


def binder_link(notebook: Path) -> str:
    """Address that opens a notebook on Binder."""
    return f"{_start()}?urlpath={quote(f'lab/tree/notebooks/{notebook.name}', safe='')}"


def app_link() -> str:
    """Address that opens the workbench alone on Binder."""
    return f"{_start()}?urlpath={quote(f'voila/render/notebooks/{APP}', safe='')}"


@functools.cache
def _start() -> str:
    urls = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["urls"]
    owner, name = urls["Repository"].rstrip("/").split("/")[-2:]
    return f"{_HUB}/gh/{owner}/{name}/HEAD"


def tutorial_table(address: str) -> str:
    """Table of all tutorials, and the workbench alone; ``address`` has {} for a notebook's name."""
    rows = [
        (f"[{title_of(p)}]({address.format(p.stem)})", f"[start it]({binder_link(p)})")
        for p in tutorials()
    ]
    rows.append((f"The workbench alone (`{APP}`)", f"[start it]({app_link()})"))
    return table(("tutorial", "on Binder"), rows)


def executed_pages(folder: Path, images: Path) -> Iterator[tuple[str, str]]:
    """Names and texts of the pages of tutorials, and of what lists them.

    Parameters
    ----------
    folder
        Of notebooks that were executed; of others the page has no outputs, and says so.
    images
        Folder for the pictures, beside the pages.
    """
    from nbconvert import MarkdownExporter

    exporter = MarkdownExporter()  # type: ignore[no-untyped-call]
    parts = [
        heading(1, "Tutorials"),
        "Each runs in a few minutes, on simulated data of known truth or on real ones, and "
        "downloads nothing. Binder runs them in the browser, without an installation.",
        tutorial_table("{}.md"),
        tree(path.stem for path in tutorials()),
    ]
    yield "index", page(parts)
    for path in tutorials():
        made = folder / path.name
        text, resources = exporter.from_filename(str(made if made.is_file() else path))
        for name, data in (resources.get("outputs") or {}).items():
            images.mkdir(parents=True, exist_ok=True)
            (images / f"{path.stem}_{name}").write_bytes(data)
            text = text.replace(f"]({name})", f"](images/{path.stem}_{name})")
        text = _WIDGET.sub("![The workbench](../images/workbench.png)", text)
        told = "" if made.is_file() else "This page was made without running the notebook.\n\n"
        title, _, rest = text.lstrip().partition("\n")
        yield path.stem, f"{title}\n\n{told}[Run it on Binder]({binder_link(path)})\n{rest}\n"
