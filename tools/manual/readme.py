"""The part of the README that is made: the tutorials with their links to Binder."""

from __future__ import annotations

from typing import Final

from manual.tutorials import app_link, tutorial_table

__all__ = ["with_tutorials"]

_BEGIN: Final = "<!-- tutorials: made by `make modes` -->\n"
_END: Final = "<!-- /tutorials -->\n"
_BADGE: Final = "https://mybinder.org/badge_logo.svg"


def with_tutorials(readme: str) -> str:
    """The README with the present tutorials.

    Raises
    ------
    ValueError
        If it has no place for them.
    """
    if readme.count(_BEGIN) != 1 or readme.count(_END) != 1:
        raise ValueError(f"README.md: needs one line {_BEGIN.strip()} and one {_END.strip()}")
    before, _, rest = readme.partition(_BEGIN)
    after = rest.partition(_END)[2]
    badge = f"[![Binder]({_BADGE})]({app_link()})"
    return f"{before}{_BEGIN}\n{badge}\n\n{tutorial_table('notebooks/{}.ipynb')}\n\n{_END}{after}"
