"""Whether a group is there at all does not depend on the box in hand."""

import numpy as np
import pytest

from jwinteractive.data import Box
from jwinteractive.step import Whole, registry
from jwinteractive.testing import example_exposure, example_ramp, example_references


@pytest.mark.parametrize("step", ["jump", "ramp_fit"])
def test_a_pixel_alone_is_treated_as_in_its_frame(step):
    exposure = example_exposure("MIRI", ngroups=8)
    ramp = example_ramp(exposure, (24, 30), flagged=False, bias=False)
    groupdq = ramp.groupdq.copy()
    groupdq[:, -1] |= 1  # lastframe: gone for every pixel
    groupdq[:, 0, 5, 7] |= 1  # gone for one pixel only
    ramp = ramp.replace(groupdq=groupdq)
    known = example_references(exposure, (24, 30))
    found = registry[step]
    references = {name: known[need.kind.reftype] for name, need in found.needs.items()}
    model = found.learn(Whole(exposure, ramp.covers, ramp.crop), found.params(), references)
    np.testing.assert_array_equal(model.dropped, [[False] * 7 + [True]])
    whole = found(ramp, found.params(), references, model)
    pixel = Box.around(5, 7)
    alone = found(ramp.crop(pixel), found.params(), references, model)
    for name, array in alone.arrays().items():
        np.testing.assert_array_equal(array, whole.crop(pixel).arrays()[name], err_msg=name)
