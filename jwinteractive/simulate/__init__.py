"""Exposures with known truth: JWST ramps simulated read by read, and the references that fit.

The physics follows dossier section 13: charge is integrated in electrons at frame cadence, then
frames are averaged, digitised and written as the flight computer does.
"""

from jwinteractive.simulate.exposure import SimulatedExposure, Truth, simulate
from jwinteractive.simulate.modes import MODES
from jwinteractive.simulate.settings import Settings

__all__ = ["MODES", "Settings", "SimulatedExposure", "Truth", "simulate"]
