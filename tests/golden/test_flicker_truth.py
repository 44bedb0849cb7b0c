"""1/f cleaning on scenes of which the noise is known, and what it does to light that is known."""

import dataclasses as dc
from functools import cache

import numpy as np
import pytest
from scipy.ndimage import label

import jwinteractive
from jwinteractive.chain import Link, run_box
from jwinteractive.flicker import fits
from jwinteractive.flicker.geometry import Stripes
from jwinteractive.flicker.metrics import flux_bias
from jwinteractive.flicker.scene import draft_of, mean_of
from jwinteractive.masks import SOURCE
from jwinteractive.references import SceneRef
from jwinteractive.simulate import simulate
from jwinteractive.simulate.scene import _clouds as clouds
from jwinteractive.step import Whole, registry

STEP = registry["clean_flicker_noise"]
NO_STRIPES = {"one_over_f_common": 0.0, "one_over_f_amp": 0.0, "alternating": 0.0}
STRIP = {"subarray": "SUBGRISM256", "galaxies": 0, "crowding": 20.0}  # 4 amplifiers
SCENES = {
    "empty": ("nircam", STRIP),
    "crowded": ("nircam", STRIP | {"crowding": 4000.0, "galaxies": 4}),
    "extended": ("nircam", STRIP | {"nebula": 8.0, "galaxies": 2}),
    "slit": ("nirspec", {"subarray": "ALLSLITS"}),
    "soss": ("niriss-soss", {"nints": 3}),
}
NOTHING_MASKED = {"n_sigma": 0.0, "source_threshold": 0.0}


@dc.dataclass(frozen=True, eq=False)
class Scene:
    """Ramp with 1/f noise, the rate [y, x] of the same exposure without it, references."""

    ramp: jwinteractive.data.Ramp
    quiet: np.ndarray
    references: dict


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    """Return a function that makes a scene of `SCENES` once."""

    @cache
    def made(name):
        mode, settings = SCENES[name]
        settings = {"seed": 3, "snowballs": 0.0, "ngroups": 6} | settings
        sessions = []
        for noise in ({}, NO_STRIPES):
            sim = simulate(mode, **settings | noise)
            sessions.append(jwinteractive.open(sim.write(tmp_path_factory.mktemp(name))))
        # without 1/f noise, reference pixels would only bring their own noise in
        sessions[1].enable("refpix", False)
        ramp, quiet = (session.run("jump") for session in sessions)
        references = {}
        for planned in sessions[0].plan():
            if planned.step.name in ("jump", "clean_flicker_noise"):
                for key, found in planned.found.items():
                    references[key] = sessions[0].references.load(found, ramp.exposure, ramp.shape)
        return Scene(ramp, rate_of(quiet), references)

    return made


def rate_of(ramp):
    return mean_of(draft_of(ramp))


def cleaned(scene, ramp=None, **changes):
    """Ramp of a scene, or another of the same pixels, without its noise."""
    ramp = ramp or scene.ramp
    params = STEP.params(**changes)
    unread = STEP.unread(params)
    known = {k: v for k, v in scene.references.items() if k in STEP.needs and k not in unread}
    model = STEP.learn(Whole(ramp.exposure, ramp.covers, ramp.crop), params, known)
    return run_box(ramp, [Link(STEP, params, known, model)], ramp.covers)


def stripes_left(scene, rate):
    """RMS of the means of lines and amplifiers, DN a group, of what is left of the noise."""
    off = rate - scene.quiet
    off = np.where(np.abs(off) < 9 * np.nanmedian(np.abs(off)), off, np.nan)
    stripes = Stripes(scene.ramp.exposure, scene.ramp.shape)
    shares = np.array_split(stripes.lines(off), stripes.channels, axis=1)
    means = [share[np.isfinite(share).any(axis=1)] for share in shares]
    return float(np.mean([np.nanmean(each, axis=1).std() for each in means]))


def with_light(ramp, rate):
    """Ramp with some light [y, x] in DN a group added."""
    times = np.arange(1, ramp.data.shape[1] + 1, dtype=np.float32)[:, None, None]
    return ramp.replace(data=ramp.data + times * rate.astype(np.float32))


def blobs(shape, part, seed=3):
    """Pixels of a scene that the user calls sources: round ones, a part of all."""
    rng = np.random.default_rng(seed)
    y, x = np.ogrid[: shape[0], : shape[1]]
    said = np.zeros(shape, np.uint8)
    while (said == SOURCE).mean() < part:
        radius = min(2 + rng.exponential(3 + 20 * part), 40)
        off = (y - rng.uniform(0, shape[0])) ** 2 + (x - rng.uniform(0, shape[1])) ** 2
        said[off < radius**2] = SOURCE
    return said


@pytest.fixture
def stripes_of_medians(monkeypatch):
    """Return a function for the stripes that plain medians of each amplifier leave."""

    def left(scene, **changes):
        with monkeypatch.context() as patch:
            patch.setattr(fits, "PULL", 0.0)
            rate = rate_of(cleaned(scene, fit_method="shrunk_median", **changes))
        return stripes_left(scene, rate)

    return left


# Most of what the smoother may leave: of no cleaning, of medians by amplifier, of the official
# median. The trace of SOSS lies across all lines, and its wings end nowhere.
MOST = {
    "empty": (0.25, 0.7, 0.5),
    "crowded": (0.25, 0.7, 0.55),
    "extended": (0.45, 0.95, 0.9),
    "slit": (0.4, 0.7, 0.5),
    "soss": (0.7, 0.8, 0.7),
}


@pytest.mark.parametrize("name", list(SCENES))
def test_the_smoother_leaves_fewer_stripes_than_medians_do(scene, stripes_of_medians, name):
    made = scene(name)
    before = stripes_left(made, rate_of(made.ramp))
    ours, fourier, shrunk, official = (
        stripes_left(made, rate_of(cleaned(made, fit_method=method)))
        for method in ("smoother", "fourier", "shrunk_median", "median")
    )
    medians = stripes_of_medians(made)
    print(
        f"{name}: before {before:.4f}, smoother {ours:.4f}, fourier {fourier:.4f}, shrunk_median "
        f"{shrunk:.4f}, medians by amplifier {medians:.4f}, official median {official:.4f}"
    )
    for most, other in zip(MOST[name], (before, medians, official), strict=True):
        assert ours < most * other
    assert ours < fourier < official
    assert ours < shrunk < 1.02 * medians
    assert ours > 0.01  # nobody can know all of the noise


@pytest.mark.parametrize("part", [0.02, 0.3, 0.6])
def test_stripes_are_a_third_below_those_of_medians_with_parts_masked(
    scene, stripes_of_medians, part
):
    made = scene("empty")
    said = SceneRef(data=blobs(made.ramp.shape, part))
    made = dc.replace(made, references=made.references | {"scene": said})
    clean = cleaned(made)
    medians = stripes_of_medians(made)
    ours = stripes_left(made, rate_of(clean))
    print(f"{part:.0%} masked: smoother {ours:.4f}, medians by amplifier {medians:.4f}")
    assert part < (clean.scene != 0).mean() < part + 0.1
    assert ours < 0.7 * medians
    assert ours > 0.1 * stripes_left(made, rate_of(made.ramp))


@pytest.mark.slow
def test_slit_spectra_keep_fewer_stripes_than_with_the_official_fourier_fit(scene):
    made = scene("slit")
    ours, fourier, official = (
        stripes_left(made, rate_of(cleaned(made, fit_method=method)))
        for method in ("smoother", "fourier", "fft")
    )
    print(f"smoother {ours:.4f}, fourier {fourier:.4f}, official fft {official:.4f}")
    assert ours < 0.7 * official
    assert fourier < 0.8 * official


def bias(made, snr, **changes):
    """Flux that sources lose, in units of its noise."""
    clean = cleaned(made, **changes)
    image = np.nan_to_num(rate_of(made.ramp))

    def of(rate):
        return rate_of(cleaned(made, with_light(made.ramp, rate - image), **changes))

    return flux_bias(image, clean.scene == 0, of, snr=snr)


@pytest.mark.parametrize("snr", [5.0, 3.0])
@pytest.mark.parametrize("name", ["empty", "crowded", "slit", "soss"])
def test_sources_lose_less_than_a_tenth_of_their_noise(scene, name, snr):
    found = bias(scene(name), snr)
    print(f"{name}, {snr:g} sigma: {found.bias:+.3f} sigma of {found.sources} sources")
    assert found.sources > 20
    assert abs(found.bias) < 0.1


def test_sources_that_nothing_masks_lose_more(scene):
    assert bias(scene("slit"), 5.0, **NOTHING_MASKED).bias > 0.2


def losses(made, peak, **changes):
    """Part of the light of some clouds that is lost."""
    before = rate_of(cleaned(made, **changes))
    found = []
    for seed in (1, 2, 3):
        light = peak * clouds(made.ramp.shape, (0.0, 0.0), np.random.SeedSequence(seed))
        gained = rate_of(cleaned(made, with_light(made.ramp, light), **changes)) - before
        known = np.isfinite(gained)
        found.append(1 - gained[known].sum() / light[known].sum())
    return np.array(found)


@pytest.mark.parametrize(("background", "most"), [("median", 0.02), ("model", 0.01)])
@pytest.mark.parametrize("peak", [2.0, 5.0, 20.0])  # the white noise of a rate is 1.3
def test_clouds_lose_less_than_a_hundredth_of_their_light_with_a_mesh(
    scene, peak, background, most
):
    found = losses(scene("empty"), peak, background_method=background)
    print(f"peak {peak:g}, {background}: lost {np.round(100 * found, 2)} %")
    assert abs(found.mean()) < most
    assert np.abs(found).max() < 1.5 * most


def test_clouds_that_nothing_masks_lose_a_tenth(scene):
    assert losses(scene("empty"), 5.0, **NOTHING_MASKED).mean() > 0.1


def test_the_mesh_keeps_the_shape_of_clouds_better_than_a_level_and_leaves_no_more_stripes(scene):
    made = scene("empty")
    light = 20 * clouds(made.ramp.shape, (0.0, 0.0), np.random.SeedSequence(3))
    off, left = [], []
    for background in ("median", "model"):
        before, after = (
            rate_of(cleaned(made, ramp, background_method=background))
            for ramp in (made.ramp, with_light(made.ramp, light))
        )
        off.append(np.nanstd(after - before - light))
        left.append(stripes_left(made, before))
    assert off[1] < 0.7 * off[0]
    assert left[1] < 1.05 * left[0]


def test_what_a_nebula_holds_is_masked_where_it_is_bright(scene):
    made = scene("extended")
    found = cleaned(made).scene != 0
    assert label(found)[1] > 20
    lit = made.quiet > 6.0
    assert found[lit].mean() > 0.97


@pytest.mark.slow
def test_the_median_of_integrations_lets_stripes_of_each_be_seen_under_the_trace(tmp_path):
    settings = {"seed": 5, "subarray": "SUBSTRIP96", "nints": 7, "ngroups": 3}
    drafts = []
    for noise in ({}, NO_STRIPES):
        sim = simulate("niriss-soss", **settings | noise)
        session = jwinteractive.open(sim.write(tmp_path / str(len(drafts))))
        session.enable("refpix", not noise)
        drafts.append(session.run("jump"))
    ramp, quiet = drafts
    made = Scene(ramp, rate_of(quiet), {})

    def own(product):
        """Stripes of the integrations beside their mean."""
        off = draft_of(product) - draft_of(quiet)
        off -= off.mean(axis=0)
        off[np.abs(off) > 9 * np.nanmedian(np.abs(off))] = np.nan
        return float(np.nanstd(np.nanmean(off, axis=1)))

    before = own(ramp)
    by_median, level = (
        own(cleaned(made, background_method=background, n_sigma=high, source_threshold=high))
        for background, high in (("median_image", 0.0), ("median", 2.0))
    )
    print(f"before {before:.3f}, median image {by_median:.3f}, level {level:.3f}")
    assert by_median < 0.5 * before
    assert by_median < level
