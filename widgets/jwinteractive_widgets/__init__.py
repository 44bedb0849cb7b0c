"""JupyterLab widgets over a `jwinteractive.session.Session`; all state lives in the session."""

from jwinteractive_widgets.panel import Panel, show

__all__ = ["Panel", "show"]
