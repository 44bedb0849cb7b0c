"""Interactive reduction of JWST exposures, with or without a browser.

>>> import jwinteractive
>>> session = jwinteractive.open("jw..._uncal.fits")
>>> rate = session.run()
"""

from jwinteractive.data import Box, Exposure, Product, Ramp, Rate, RateInts
from jwinteractive.recipe import Recipe, Stage
from jwinteractive.references import Reference, References
from jwinteractive.session import Session
from jwinteractive.session import open_session as open
from jwinteractive.step import registry, step
from jwinteractive.store import Store

__version__ = "0.1.0"

__all__ = [
    "Box",
    "Exposure",
    "Product",
    "Ramp",
    "Rate",
    "RateInts",
    "Recipe",
    "Reference",
    "References",
    "Session",
    "Stage",
    "Store",
    "open",
    "registry",
    "step",
]
