"""What chance does to a few exposures: noise of their median, and how far they scatter.

The table was drawn from 4 to 8 million sets of Gaussian numbers a row; a test draws some again.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np

from jwinteractive.data import Array

__all__ = ["above", "median_factors", "scatter_chance", "scatter_cuts", "typical_scatter"]

# n: variance of the median times n; law of the sum of squared deviations from it less the largest:
# median, and a and nu of a * chi2(nu), which has its tail between probabilities 1e-2 and 1e-6
_TABLE = {
    2: (1.0, 0.2274, 0.5011, 0.995),
    3: (1.3458, 0.1302, 0.4758, 0.666),
    4: (1.1924, 0.6006, 0.666, 1.212),
    5: (1.4343, 1.2224, 0.6649, 2.319),
    6: (1.2882, 1.8738, 0.6862, 3.229),
    7: (1.472, 2.6639, 0.7761, 3.791),
    8: (1.3465, 3.3881, 0.7222, 5.341),
    9: (1.4952, 4.2501, 0.8179, 5.566),
    10: (1.3835, 5.0194, 0.82, 6.45),
    11: (1.509, 5.9215, 0.8635, 7.116),
    12: (1.4104, 6.7208, 0.8343, 8.472),
    14: (1.4304, 8.4676, 0.8295, 10.79),
    16: (1.4463, 10.2493, 0.8382, 12.864),
    20: (1.4688, 13.8928, 0.8897, 16.048),
    24: (1.4855, 17.5885, 0.9049, 19.853),
    32: (1.5049, 25.1083, 0.9506, 26.581),
    48: (1.5259, 40.4217, 0.8764, 47.413),
    64: (1.5373, 55.9285, 0.8995, 63.406),
}


@lru_cache(maxsize=64)
def _rows(depth: int) -> Array:
    """Rows of the table for 0 to ``depth`` exposures; between its rows along straight lines."""
    known = np.array(list(_TABLE))
    n = np.arange(depth + 1)
    values = np.array(list(_TABLE.values())).T
    table = np.stack([np.interp(n, known, column) for column in values], axis=1)
    # medians of odd numbers follow another law than those of even ones: known to 0.2 % from 7 on
    odd = (n % 2 == 1) & (n > 11)
    table[odd, 0] = math.pi / 2 * (1 - 0.43 / n[odd])
    beyond = n > known[-1]
    for c in (1, 3):  # both grow with the degrees of freedom
        table[beyond, c] += n[beyond] - known[-1]
    table.flags.writeable = False
    return table


def median_factors(depth: int) -> Array:
    """Variance of the median of n values of unit variance, n from 0 to ``depth``: float32."""
    n = np.arange(depth + 1)
    factors = _rows(depth)[:, 0] / np.maximum(n, 1)
    factors[:2] = np.nan, 1.0
    return factors.astype(np.float32)


def typical_scatter(depth: int) -> Array:
    """Median of the sum of squared deviations, the largest left out, for n from 0 to ``depth``."""
    found = _rows(depth)[:, 1].copy()
    found[:2] = np.nan
    return found


def scatter_cuts(depth: int, sigma: float) -> Array:
    """Sum of squared deviations that chance exceeds as seldom as a Gaussian ``sigma`` from 0.

    One value for each n from 0 to ``depth``; infinite below 2.
    """
    from scipy.stats import chi2

    rows = _rows(depth)
    cuts: Array = rows[:, 2] * chi2.isf(above(sigma), rows[:, 3])
    cuts[:2] = np.inf
    return cuts


def scatter_chance(depth: int, cuts: Array) -> Array:
    """Probability that chance exceeds ``cuts``, one for each n from 0 to ``depth``; 0 below 2."""
    from scipy.stats import chi2

    rows = _rows(depth)
    found: Array = chi2.sf(cuts / rows[:, 2], rows[:, 3])
    found[:2] = 0.0
    return found


def above(sigma: float) -> float:
    """Probability that a Gaussian number lies above ``sigma``."""
    return 0.5 * math.erfc(sigma / math.sqrt(2))
