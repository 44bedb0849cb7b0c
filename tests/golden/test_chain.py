"""The whole chain beside the official one, step by step, on exposures of every detector."""

import numpy as np
import pytest

import jwinteractive
from jwinteractive.data import Box, Ramp
from jwinteractive.simulate import simulate

official = pytest.importorskip("jwst.step")

STEPS = {
    "group_scale": ("GroupScaleStep", ()),
    "dq_init": ("DQInitStep", ("mask",)),
    "saturation": ("SaturationStep", ("saturation", "superbias")),
    "superbias": ("SuperBiasStep", ("superbias",)),
    "refpix": ("RefPixStep", ()),
    "linearity": ("LinearityStep", ("linearity",)),
    "lastframe": ("LastFrameStep", ()),
    "reset": ("ResetStep", ("reset",)),
    "rscd": ("RscdStep", ("rscd",)),
    "dark_current": ("DarkCurrentStep", ("dark",)),
    "jump": ("JumpStep", ("gain", "readnoise")),
    "ramp_fit": ("RampFitStep", ("gain", "readnoise")),
    "gain_scale": ("GainScaleStep", ("gain",)),
}
BUSY = {"crowding": 1500.0, "cosmic_rays": 60.0}
CASES = {
    "nircam": ("nircam", {"size": (256, 256), **BUSY}),
    "nircam-two-integrations": ("nircam", {"size": (128, 160), "nints": 2, "ngroups": 6, **BUSY}),
    "nircam-lw": ("nircam-lw", {"size": (128, 128), **BUSY}),
    "nircam-deep8": ("nircam-deep8", {"size": (96, 96), "ngroups": 7}),
    "niriss": ("niriss", {"size": (128, 128), **BUSY}),
    "nirspec": ("nirspec", {"size": (128, 256), **BUSY}),
    "miri": ("miri", {"size": (128, 128), "nints": 2, "ngroups": 14, **BUSY}),
    "miri-full-frame": ("miri", {"ngroups": 6}),
    "nircam-full-frame": ("nircam", {"ngroups": 4}),
}


@pytest.fixture(scope="module", params=CASES)
def exposure(request, tmp_path_factory):
    mode, settings = CASES[request.param]
    return simulate(mode, seed=11, **settings).write(tmp_path_factory.mktemp(request.param))


def overrides(path, reftypes):
    folder = path.with_name(path.name.replace("_uncal.fits", "_refs"))
    found = {t: sorted(folder.glob(f"*_{t}_*.fits")) for t in reftypes}
    return {f"override_{t}": str(files[0]) if files else "N/A" for t, files in found.items()}


def test_every_step_agrees_with_the_official_one(exposure):
    datamodels = pytest.importorskip("stdatamodels.jwst.datamodels")
    session = jwinteractive.open(exposure)
    session.set("jump", method="two-point")
    session.set("ramp_fit", algorithm="OLS_C", combine="official")
    session.set("linearity", averaged="official")
    whole = Box.whole(session.input().shape)
    model = datamodels.RampModel(str(exposure))
    seen = set()
    for planned in session.plan():
        name = planned.step.name
        if not planned.stage.enabled or name not in STEPS:  # user_flags has no official step
            continue
        step, reftypes = STEPS[name]
        result = getattr(official, step)(**overrides(exposure, reftypes)).process(model)
        if planned.skipped:
            parts = result if isinstance(result, tuple) else (result,)
            status = getattr(parts[0].meta.cal_step, planned.step.cal_step)
            assert status != "COMPLETE", f"{name}: {planned.skipped}"
            continue
        model = result[0] if isinstance(result, tuple) else result
        ours = session.preview(whole, upto=name)
        seen.add(name)
        if isinstance(ours, Ramp):
            np.testing.assert_array_equal(ours.groupdq, model.groupdq, err_msg=name)
            np.testing.assert_array_equal(ours.pixeldq, model.pixeldq, err_msg=name)
            # refpix takes means in another order: rounding of float32 sums at the bias level
            np.testing.assert_allclose(ours.data, model.data, rtol=3e-6, atol=5e-3, err_msg=name)
            continue
        np.testing.assert_array_equal(ours.dq, model.dq, err_msg=name)
        good = np.isfinite(model.data) & (model.err > 0)
        np.testing.assert_array_equal(np.isfinite(ours.data), np.isfinite(model.data))
        differ = np.abs(ours.data - model.data)[good] / model.err[good]
        assert differ.max() < 5e-3, name
        # the official dark step leaves out an image of the dark current, ours takes it
        errors = np.abs(ours.err[good] / model.err[good] - 1)
        assert np.median(errors) < 1e-2, name
    assert {"dq_init", "saturation", "linearity", "dark_current", "jump", "ramp_fit"} <= seen
