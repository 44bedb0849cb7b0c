"""What MIRI effects do to rates, one at a time."""

import numpy as np
import pytest

import jwinteractive
from jwinteractive import dq
from jwinteractive.compare import robust_width
from jwinteractive.simulate import simulate

# as many DN a group in a small window as 30 e-/s give a full frame
STEADY = {
    "size": (64, 72),
    "nints": 3,
    "ngroups": 20,
    "sky": 980.0,
    "crowding": 0.0,
    "galaxies": 0,
    "cosmic_rays": 0.0,
    "hot": 0.0,
    "telegraph": 0.0,
    "reference_noise": 0.0,
    "one_over_f_common": 0.0,
    "one_over_f_amp": 0.0,
    "reset": 0.0,
    "rscd": 0.0,
    "last_frame": 0.0,
    "emi": 0.0,
    "seed": 3,
}


@pytest.fixture
def miri_rates(tmp_path):
    """Return a function that reduces a MIRI exposure which has only the effects asked for.

    It returns per integration the mean of (rate - truth) / truth, and the width of the pulls.
    """

    def reduced(on=(), off=(), **effects):
        sim = simulate("miri", **(STEADY | effects))
        session = jwinteractive.open(sim.write(tmp_path))
        for name in on:
            session.enable(name)
        for name in off:
            session.enable(name, False)
        rate = session.run()
        bad = dq.DO_NOT_USE | dq.SATURATED | dq.REFERENCE_PIXEL
        good = ((rate.dq & bad) == 0) & (sim.truth.dq == 0) & (rate.err > 0)
        true = sim.truth.rate[good]
        ints = rate.integrations.data[:, good] if rate.integrations else rate.data[None, good]
        pull = (rate.data[good] - true) / rate.err[good]
        return np.mean(ints - true, axis=1) / true.mean(), robust_width(pull)

    return reduced
