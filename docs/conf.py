"""Settings of the manual: `make docs` builds it without a network."""

import re
import sys
from pathlib import Path

import jwinteractive

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tools"))

project = "jwinteractive"
author = "the jwinteractive developers"
version = release = jwinteractive.__version__
copyright = author  # a name of Sphinx

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.viewcode"]
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = "jwinteractive"
html_static_path = ["static"]
html_css_files = ["wide.css"]
html_copy_source = False

default_role = "code"  # one backtick in docstrings
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
napoleon_google_docstring = False
napoleon_use_rtype = False
myst_heading_anchors = 3
suppress_warnings = [
    "ref.python",  # attributes of one name, such as `source`, in docstrings of several classes
    "myst.header",  # tutorials begin parts where the level of a notebook's cell says so
    "misc.highlighting_failure",  # tutorials use the notebook's own commands, such as %matplotlib
]

_ALL = "\n```{{toctree}}\n:hidden:\n:glob:\n\n{}\n```\n"
_HIDDEN = {"modes/index": "[!i]*", "decisions/README": "[0-9]*"}


def _for_the_site(app, docname, source):
    """Turn pages that a forge shows too into pages of a site.

    They have no list of what lies below, and link to notebooks and to nothing that is made.
    """
    if docname in _HIDDEN:
        source[0] += _ALL.format(_HIDDEN[docname])
    if docname.startswith("modes/"):
        text = re.sub(r"\.\./\.\./notebooks/(\w+)\.ipynb", r"../tutorials/\1.md", source[0])
        text = re.sub(r"^(\| \d+ \| )`official_([\w-]+)`", _official, text, flags=re.M)
        source[0] = re.sub(r"^(\| \d+ \| )`(\w+)`", r"\1[\2](../steps/\2.md)", text, flags=re.M)


def _official(match):
    return f"{match[1]}[official_{match[2]}](#official_{match[2]})"


def setup(app):
    """Join in where Sphinx reads a page."""
    app.connect("source-read", _for_the_site)
