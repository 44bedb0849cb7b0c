"""What every registered step must keep; a new step is tested by being registered."""

import json
from functools import partial

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from jwinteractive import dq
from jwinteractive.chain import Link, run_box, stream
from jwinteractive.data import Box, Ramp, Rate, SpectrumSet
from jwinteractive.params import fields_of
from jwinteractive.plan import open_file
from jwinteractive.recipe import Recipe, recipe_names
from jwinteractive.simulate.dithers import dithers
from jwinteractive.simulate.slits import slit_dithers
from jwinteractive.step import Together, Whole, registry
from jwinteractive.store import Store
from jwinteractive.testing import (
    example_exposure,
    example_ramp,
    example_references,
    params_strategy,
)

SHAPE = (40, 48)
NAME = "example"  # of the exposure
DITHERED = []  # exposures of one field
SLIT = []  # a calibrated slit with its WCS
# neither for NIRCam nor for MIRI
ONLY_FOR = {"picture_frame": "NIRSPEC", "adaptive_trace_model": "NIRSPEC"}
SPECTRAL = {("pixel_replace", "NIRCAM"): 1, ("extract_1d", "NIRCAM"): 1}  # dispersion axis
every_step = pytest.mark.parametrize("step", registry.values(), ids=lambda s: s.name)


def instruments(step):
    if step.name in ONLY_FOR:
        return {ONLY_FOR[step.name]}
    found = [Recipe.load(n) for n in recipe_names()]
    return {
        i for r in found if step.name in r for i in r.instruments if i in ("NIRCAM", "MIRI")
    } or {"NIRCAM"}


def working(step):
    """Parameters with which the step has work to do: its defaults, where these give it some."""
    if step.name == "user_flags":
        return step.params(groups=f"{NAME} y9 x8 i1 g5 +JUMP_DET; {NAME} y39 x0 i2 g1 -DO_NOT_USE")
    return step.params()


def params_of(step):
    """Strategy that draws any allowed parameters, with which the step has work to do."""
    if step.whole:  # places on a frame can be anywhere but on it, and the step says so
        kinds = st.sampled_from(("box", "optimal"))
        return st.builds(
            step.params,
            extraction_type=kinds,
            trace_order=st.integers(0, 3),
            profile_order=st.just(0),
        )
    if step.name == "picture_frame":  # a narrow clip leaves no background, and the step says so
        return params_strategy(step.params).filter(lambda p: p.n_sigma == 0 or p.n_sigma > 1)
    if step.name != "user_flags":
        return params_strategy(step.params)
    # flags all over, so that some lie in every box and some outside
    entry = st.builds(
        "{} y{} x{} i{} g{} {}{}".format,
        st.sampled_from((NAME, NAME, "other one")),
        st.integers(0, SHAPE[0] - 1),
        st.integers(0, SHAPE[1] - 1),
        st.integers(1, 2),
        st.integers(1, 10),
        st.sampled_from("+-"),
        st.sampled_from(("JUMP_DET", "DO_NOT_USE")),
    )
    texts = st.lists(entry, max_size=200, unique_by=lambda text: text.rpartition(" ")[0])
    return st.builds(step.params, groups=texts.map("; ".join))


def chosen(step):
    """Instruments on whose example exposure the step runs; there is always one."""
    found = [
        i
        for i in instruments(step)
        if not step.skips(product_before(step, i)[0].exposure, working(step))
    ]
    assert found, f"{step.name} runs on no example exposure"
    return sorted(found)


@pytest.fixture(scope="module", autouse=True)
def dithered(tmp_path_factory):
    """Exposures with their WCS: three of one field, for steps that look at a set, and a slit."""
    files = dithers(3, SHAPE, hits=0.01).write(tmp_path_factory.mktemp("dithers"))
    DITHERED[:] = [open_file(path).product.native() for path in files]
    slit = slit_dithers(1, (SHAPE[0], 64), flux=1e-3).write(tmp_path_factory.mktemp("slit"))
    SLIT[:] = [open_file(slit[0]).product.native()]
    yield
    DITHERED.clear()
    SLIT.clear()


def product_before(step, instrument, nints=2):
    if step.together is not None and not step.whole:
        return DITHERED[0], {}
    if step.name == "adaptive_trace_model":
        return SLIT[0], {}
    # averaged groups, so that every step has its work; the corner has reference pixels
    exposure = example_exposure(
        instrument,
        nints=nints,
        nframes=4 if instrument == "NIRCAM" else 1,
        frame_divisor=8 if step.name == "group_scale" else 4,
        gain_factor=1.4,
        xstart=1,
        ystart=1,
        filename=NAME,
        dispaxis=SPECTRAL.get((step.name, instrument), 0),
        subarray="FULL" if instrument == "NIRSPEC" else "SUB64",
    )
    early = ("group_scale", "dq_init", "saturation", "superbias")
    ramp = example_ramp(exposure, SHAPE, bias=step.name in early)
    references = dict(example_references(exposure, SHAPE))
    if Ramp in step.takes:
        return ramp, references
    assert Rate in step.takes
    fit = registry["ramp_fit"]
    return fit(ramp, fit.params(), needed(fit, references)), references


def needed(step, references):
    return {name: references.get(need.kind.reftype) for name, need in step.needs.items()}


def link_for(step, product, references, params):
    refs = needed(step, references)
    model = None
    if step.measure is not None:
        a_set = step.together is not None and not step.whole
        them = [product, *DITHERED[1:]] if a_set else [product]
        wholes = [Whole(p.exposure, p.covers, p.crop, p.source) for p in them]
        whole = Together(tuple(wholes)) if step.together is not None else wholes[0]
        model = step.learn(whole, params, refs)
    return Link(step, params, refs, model)


def assert_same(part, whole):
    assert part.arrays().keys() == whole.arrays().keys()
    for name, array in part.arrays().items():
        np.testing.assert_array_equal(array, whole.arrays()[name], err_msg=name)


@every_step
def test_is_documented(step):
    assert step.summary.endswith(".")
    for f in fields_of(step.params):
        assert f.doc, f.name
        assert f.doc.endswith("."), f.name
    assert json.loads(json.dumps(step.describe()))["step"] == step.name


@every_step
@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
@given(data=st.data())
def test_a_box_with_its_halo_equals_the_whole(step, data):
    for instrument in chosen(step):
        product, references = product_before(step, instrument)
        params = data.draw(params_of(step))
        assume(not step.skips(product.exposure, params))
        link = link_for(step, product, references, params)
        y, x = data.draw(st.integers(0, SHAPE[0] - 7)), data.draw(st.integers(0, SHAPE[1] - 9))
        box = Box(y, y + 7, x, x + 9)
        whole = link(product)
        # other axes than the frame's have no box of it
        assert_same(run_box(product, [link], box), whole if step.whole else whole.crop(box))


@every_step
def test_streams_to_the_same_result_whatever_the_threads_and_strips(step, monkeypatch):
    product, references = product_before(step, chosen(step)[0])
    link = link_for(step, product, references, working(step))
    whole = link(product)
    for threads, rows, columns in ((1, 3, 999), (2, 16, 11)):
        monkeypatch.setattr("jwinteractive.chain.strip_rows", lambda source, rows=rows: rows)
        monkeypatch.setattr("jwinteractive.chain.STRIP_BYTES", 1)
        monkeypatch.setattr("jwinteractive.chain.FEWEST_COLUMNS", columns)
        made, _ = stream(
            product,
            [link],
            partial(Store().draft, "key"),
            threads=threads,
        )
        assert_same(made, whole)


@every_step
def test_leaves_its_input_alone(step):
    product, references = product_before(step, chosen(step)[0])
    before = {k: v.copy() for k, v in product.arrays().items()}
    link_for(step, product, references, working(step))(product)
    for name, array in product.arrays().items():
        np.testing.assert_array_equal(array, before[name])


def with_unknown(product):
    """Put NaN where DO_NOT_USE is, and both into a few more places."""
    if isinstance(product, Ramp):
        data, groupdq = product.data.copy(), product.groupdq.copy()
        groupdq[:, 1, ::7, ::5] |= dq.DO_NOT_USE
        data[groupdq & dq.DO_NOT_USE != 0] = np.nan
        return product.replace(data=data, groupdq=groupdq)
    known = np.isfinite(product.data) & (product.dq & dq.DO_NOT_USE == 0)
    known[:, 20] = False  # nothing tells what such a column would hold
    planes = {
        name: np.where(known, getattr(product, name), np.nan)
        for name in ("data", "err", "var_poisson", "var_rnoise")
    }
    return product.replace(**planes, dq=product.dq | np.where(known, 0, dq.DO_NOT_USE).astype("u4"))


@every_step
def test_what_is_nan_is_not_to_be_used(step):
    """SCI, ERR and the variances of a rate are NaN together, and just where DO_NOT_USE is."""
    product, references = product_before(step, chosen(step)[0])
    product = with_unknown(product)
    out = link_for(step, product, references, working(step))(product)
    if isinstance(out, Ramp):
        assert (out.groupdq[np.isnan(out.data)] & dq.DO_NOT_USE).all()
        return
    if isinstance(out, SpectrumSet):
        np.testing.assert_array_equal(out.dq & dq.DO_NOT_USE != 0, np.isnan(out.flux))
        return
    unknown = np.isnan(out.data)
    assert unknown.any()
    for plane in (out.err, out.var_poisson, out.var_rnoise):
        np.testing.assert_array_equal(np.isnan(plane), unknown)
    np.testing.assert_array_equal(out.dq & dq.DO_NOT_USE != 0, unknown)


@every_step
def test_a_draft_is_forgotten_where_samples_or_flags_change(step):
    product, references = product_before(step, chosen(step)[0])
    if Ramp not in step.takes or step.name in ("jump", "ramp_fit"):
        pytest.skip("makes a draft or uses it up")
    product = product.replace(draft=np.ones((len(product.data), *SHAPE), np.float32))
    out = link_for(step, product, references, working(step))(product)
    kept = np.ones(out.draft.shape, bool)
    for array, before in ((out.data, product.data), (out.groupdq, product.groupdq)):
        kept &= ((array == before) | (np.isnan(array) & np.isnan(before))).all(axis=1)
    assert np.isnan(out.draft[~kept]).all()
    assert step.name != "user_flags" or (~kept).sum() == np.isnan(out.draft).sum() == 1


@every_step
@settings(max_examples=20, deadline=None, derandomize=True)
@given(data=st.data())
def test_parameters_survive_a_recipe_file(step, data):
    params = data.draw(params_of(step))
    recipe = Recipe.of(step.name).with_params(step.name, **params.as_dict())
    assert Recipe.from_toml(recipe.to_toml()) == recipe


def other_value(f):
    if f.choices:
        return next((c for c in f.choices if c != f.default), None)
    if f.type is bool:
        return not f.default
    if f.type in (int, float):
        tries = [f.default, f.low, f.high, 1, 2, 3]
        for value in (f.type(t + d) for t in tries if t is not None for d in (1, -1, 0)):
            low_ok = f.low is None or value >= f.low
            if value != f.default and low_ok and (f.high is None or value <= f.high):
                return value
    return None


@every_step
def test_parameters_that_are_idle_change_nothing(step):
    fields = {f.name: f for f in fields_of(step.params)}
    masters = {f.when.name for f in fields.values() if f.when is not None}
    if not masters:
        pytest.skip("all its parameters always act")
    product, references = product_before(step, chosen(step)[0])
    for master in sorted(masters):
        for value in fields[master].choices or (False, True):
            if value == "forward":  # wants the wavelengths of a slit
                continue
            params = working(step).replace(**{master: value})
            if step.skips(product.exposure, params):
                continue
            turned = {n: v for n in params.idle() if (v := other_value(fields[n])) is not None}
            out = link_for(step, product, references, params)(product)
            other = link_for(step, product, references, params.replace(**turned))(product)
            assert_same(other, out)


@every_step
def test_key_changes_when_and_only_when_it_must(step, request):
    name = "miri_file" if instruments(step) == {"MIRI"} else "nircam_file"
    import jwinteractive

    session = jwinteractive.open(request.getfixturevalue(name))
    if step.name not in session.recipe:
        pytest.skip("in no recipe of the package")
    session.enable(step.name)

    def keys():
        return {p.step.name: p.key for p in session.plan()}

    before = keys()
    assert keys() == before
    order = list(before)
    later = order[order.index(step.name) :]
    skipped = {p.step.name: p.skipped for p in session.plan()}
    for f in fields_of(step.params):
        value = other_value(f)
        if value is None or skipped[step.name]:
            continue
        session.set(step.name, **{f.name: value})
        after = keys()
        assert all(before[n] == after[n] for n in order if n not in later), f.name
        assert all(before[n] != after[n] for n in later), f.name
        session.undo()
        assert keys() == before
