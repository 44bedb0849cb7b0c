"""Write pages of the manual: ``python -m manual kept`` or ``python -m manual made FOLDER``."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from pathlib import Path

from manual.modes import mode_pages
from manual.readme import with_tutorials
from manual.steps import official_pages, step_pages
from manual.tutorials import ROOT, executed_pages


def main() -> None:
    """Write what is kept beside the code, or what is made for each build of the site."""
    parser = argparse.ArgumentParser(prog="python -m manual", description=main.__doc__)
    what = parser.add_subparsers(dest="what", required=True)
    what.add_parser("kept", help="pages of modes in docs/modes, and links in README.md")
    made = what.add_parser("made", help="pages of steps and tutorials, in docs")
    made.add_argument("--executed", type=Path, default=ROOT / "build" / "tutorials", metavar="DIR")
    asked = parser.parse_args()
    if asked.what == "kept":
        write(ROOT / "docs" / "modes", mode_pages())
        readme = ROOT / "README.md"
        readme.write_text(with_tutorials(readme.read_text()))
    else:
        docs = ROOT / "docs"
        write(docs / "steps", step_pages())
        write(docs / "official", official_pages())
        images = docs / "tutorials" / "images"
        write(docs / "tutorials", executed_pages(asked.executed, images))


def write(folder: Path, pages: Iterable[tuple[str, str]]) -> None:
    """Write pages; those of before that are no more go."""
    folder.mkdir(parents=True, exist_ok=True)
    texts = {f"{name}.md": text for name, text in pages}
    for old in folder.glob("*.md"):
        if old.name not in texts:
            old.unlink()
    for name, text in texts.items():
        path = folder / name
        if not path.is_file() or path.read_text() != text:  # else Sphinx reads it again
            path.write_text(text)


if __name__ == "__main__":
    main()
