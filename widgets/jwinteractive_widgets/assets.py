"""Modules and style sheets of widgets that share parts: files joined, since there is no bundler."""

from __future__ import annotations

from pathlib import Path

__all__ = ["esm", "style"]

_STATIC = Path(__file__).parent / "static"
_SHARED = "chrome"


def esm(*names: str) -> str:
    """Return the files ``static/<name>.js`` as one module, with the shared parts before them."""
    return _joined(names, "js")


def style(name: str) -> str:
    """Return the style sheet ``static/<name>.css`` with the shared parts before it."""
    return _joined((name,), "css")


def _joined(names: tuple[str, ...], kind: str) -> str:
    return "\n".join((_STATIC / f"{n}.{kind}").read_text("utf-8") for n in (_SHARED, *names))
