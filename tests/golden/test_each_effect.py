"""Each detector effect simulated alone, and all at once: what is left of it after the chain.

Groups are compared with the charge that was there, in units of the detector's read noise, which is
not simulated: what remains is a bias. Flags are compared one by one.
"""

import numpy as np
import pytest
from scipy import ndimage

import jwinteractive
from jwinteractive import dq
from jwinteractive.detectors import detector
from jwinteractive.simulate import simulate

OFF = {
    "crowding": 3000.0,
    "galaxies": 0,
    "flat": 0.0,
    "dark_scatter": 0.0,
    "gain_scatter": 0.0,
    "nonlinearity": 0.0,
    **dict.fromkeys(("hot", "dead", "low_qe", "open", "telegraph", "cosmic_rays"), 0.0),
    **dict.fromkeys(("snowballs", "one_over_f_common", "one_over_f_amp", "alternating"), 0.0),
    "bias_scatter": 3.0,  # so that rounding to whole numbers averages out
    **dict.fromkeys(("ktc", "reset", "rscd", "last_frame", "emi"), 0.0),
    **dict.fromkeys(("read_noise", "picture_frame", "reference_noise", "spill"), 0.0),
    "poisson": False,
    "saturation": False,
    "size": (96, 112),
    "ngroups": 6,
    "seed": 12,
}
# a small window is read fast: a third of the well needs much light
LIGHT = {
    "nircam": {"sky": 4e4, "faintest": 1e4, "brightest": 1e5},
    "nircam-deep8": {"sky": 2.5e3, "faintest": 6e2, "brightest": 6e3},
    "miri": {"sky": 2e4, "faintest": 1e4, "brightest": 1e5},
}
EFFECTS = {
    "nothing": ("nircam", {}),
    "superbias": ("nircam", {"bias_scatter": 150.0}),
    "refpix": ("nircam", {"one_over_f_common": 1.0, "alternating": 0.5, "reference_gain": 1.0}),
    "linearity": ("nircam", {"nonlinearity": 0.1}),
    "averaged": ("nircam-deep8", {"nonlinearity": 0.1}),
    "dark_current": ("nircam", {"dark_scatter": 0.2, "hot": 0.01}),
    "ipc": ("nircam", {"ipc": 0.006}),
    "reset": ("miri", {"reset": 40.0}),
    "all": (
        "nircam-deep8",
        {
            "bias_scatter": 150.0,
            "one_over_f_common": 1.0,
            "alternating": 0.5,
            "reference_gain": 1.0,
            "nonlinearity": 0.1,
            "dark_scatter": 0.2,
            "hot": 0.01,
        },
    ),
}


def left_of(mode, settings, folder, last):
    """What a chain leaves of an effect [group, y, x] in read noises, and which pixels count."""
    made = simulate(mode, keep_components=True, **{**OFF, **LIGHT[mode], **settings})
    session = jwinteractive.open(made.write(folder))
    if settings.get("ipc"):
        session.enable("ipc")
        # the light that couples into reference pixels stays there, as officially
        session.enable("refpix", False)
    ramp = session.preview(session.input().covers, upto=last)
    e = ramp.exposure
    charge, gain = made.truth.components["charge"][0], made.pixels.gain
    # time of the frames of each group since the reset
    time = e.group_time * np.arange(e.ngroups) + (e.nframes + 1) / 2 * e.frame_time
    wanted = (charge - made.pixels.dark * time[:, None, None]) / gain
    d = detector(e.instrument, e.detector)
    sigma = d.read_noise / d.gain / np.sqrt(e.nframes)
    used = (ramp.groupdq[0] & (dq.DO_NOT_USE | dq.SATURATED)) == 0
    good = used & ~made.pixels.reference
    left = (ramp.data[0] - wanted) / sigma
    if e.instrument == "MIRI":  # the bias stays in the data
        left -= np.where(good, left, 0).sum(axis=0) / np.maximum(good.sum(axis=0), 1)
    return left, good


@pytest.mark.parametrize("effect", EFFECTS)
def test_groups_come_back_to_a_twentieth_of_the_read_noise(effect, tmp_path):
    mode, settings = EFFECTS[effect]
    left, good = left_of(mode, settings, tmp_path, "dark_current")
    assert good.mean() > 0.6
    for group, use in zip(left, good, strict=True):
        if use.any():
            assert abs(group[use].mean()) < 0.05
    before, _ = left_of(mode, settings, tmp_path / "raw", "dq_init")
    assert np.std(before[good]) > 2 * np.std(left[good]) or effect == "nothing"


def test_flags_of_full_pixels_are_those_of_the_charge_that_was_there(tmp_path):
    settings = {**OFF, **LIGHT["nircam"], "saturation": True, "bias_scatter": 3.0, "nints": 2}
    settings |= {"sources": ((30.0, 40.0, 4e6), (80.0, 20.0, 1e6)), "crowding": 0.0}
    made = simulate("nircam", keep_components=True, **settings)
    session = jwinteractive.open(made.write(tmp_path))
    for name in ("charge_migration", "persistence"):
        session.enable(name)
    ramp = session.preview(session.input().covers, upto="persistence")
    pixels, charge = made.pixels, made.truth.components["charge"]
    limit = made.references["saturation"].data
    full = (pixels.bias + charge / pixels.gain >= limit) & ~pixels.reference
    full = np.logical_or.accumulate(full, axis=1)
    square = np.ones((1, 1, 3, 3), bool)
    grown = ndimage.binary_dilation(full, square)
    np.testing.assert_array_equal(ramp.groupdq & dq.SATURATED != 0, grown)
    cross = ndimage.generate_binary_structure(2, 1)[None, None]
    lost = np.logical_or.accumulate(charge / pixels.gain > 25000, axis=1)
    lost = ndimage.binary_dilation(lost, cross)
    np.testing.assert_array_equal(ramp.groupdq & dq.CHARGELOSS != 0, lost)
    # a window of 2500 s outlasts the exposure
    inside = np.logical_or.accumulate(grown.reshape(-1, *ramp.shape)).reshape(grown.shape)
    np.testing.assert_array_equal(ramp.groupdq & dq.PERSISTENCE != 0, inside)
    assert 10 < full[:, -1].sum() < lost[:, -1].sum() < full[:, -1].size / 2
