"""JupyterLab widgets over a `jwinteractive.session.Session`; all state lives in the session."""

from jwinteractive_widgets.controls import register
from jwinteractive_widgets.opening import mask_studio, workbench
from jwinteractive_widgets.workbench import Workbench

__all__ = ["Workbench", "mask_studio", "register", "workbench"]
