"""JupyterLab widgets over a `jwinteractive.session.Session`; all state lives in the session."""

from jwinteractive_widgets.controls import register
from jwinteractive_widgets.opening import workbench
from jwinteractive_widgets.workbench import Workbench

__all__ = ["Workbench", "register", "workbench"]
