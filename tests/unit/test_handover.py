"""Products in other programs: what glue gets, and what jdaviz is given."""

import sys
import types

import numpy as np
import pytest

pytest.importorskip("ipywidgets", reason="the lab extra is not installed")

from jwinteractive import dq
from jwinteractive.data import Box, Exposure, Product, Ramp, Rate, RateInts
from jwinteractive.errors import InputError, JwinteractiveError
from jwinteractive_widgets import handover

NY, NX = 4, 5
EXPOSURE = Exposure(instrument="NIRCAM", detector="NRCA1")


def a_rate(kind=Rate, lead=()):
    shape = (*lead, NY, NX)
    data = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
    flags = np.zeros(shape, np.uint32)
    flags[..., 0, 0] = dq.DO_NOT_USE | dq.DEAD
    flags[..., 1, 1] = dq.HOT
    return kind(
        exposure=EXPOSURE, data=data, err=data + 1, dq=flags, var_poisson=data, var_rnoise=data
    )


def a_raw_ramp():
    """A ramp as a file has it: big-endian, below its zero."""
    pixeldq = np.zeros((NY, NX), ">u4")
    pixeldq[0, 0] = dq.REFERENCE_PIXEL
    groupdq = np.zeros((2, 3, NY, NX), np.uint8)
    groupdq[1, 2, 3, 4] = dq.JUMP_DET
    stored = np.arange(2 * 3 * NY * NX, dtype=">i2").reshape(2, 3, NY, NX)
    return Ramp(exposure=EXPOSURE, data=stored, groupdq=groupdq, pixeldq=pixeldq, zero=32768.0)


@pytest.fixture
def jdaviz(monkeypatch):
    """A jdaviz that only remembers what it was given."""
    opened = []

    class App:
        def __init__(self):
            self.given = []
            opened.append(self)

        def load(self, data, **options):
            self.given.append((data, options))

    module = types.ModuleType("jdaviz")
    module.App = App
    monkeypatch.setitem(sys.modules, "jdaviz", module)
    return module


# -- glue -----------------------------------------------------------------------------------------


@pytest.fixture
def glue():
    return pytest.importorskip("glue", reason="glue-core is not installed")


def components(data):
    return {str(c): data.get_component(c) for c in data.main_components}


@pytest.mark.filterwarnings("ignore")  # of glue, of what it imports
def test_glue_gets_rates_with_errors_flags_and_units(glue):
    rate = a_rate()
    data = handover.to_glue(rate, "<b>")
    found = components(data)
    assert {name: c.units for name, c in found.items()} == {"data": "DN/s", "err": "DN/s", "dq": ""}
    for name, component in found.items():
        np.testing.assert_array_equal(component.data, getattr(rate, name))
    assert data.label == "<b>"


@pytest.mark.filterwarnings("ignore")
def test_glue_gets_a_ramp_as_four_axes_in_dn_with_all_flags(glue):
    ramp = a_raw_ramp()
    data = handover.to_glue(ramp, "ramp")
    found = components(data)
    assert data.shape == (2, 3, NY, NX)
    np.testing.assert_array_equal(found["data"].data, ramp.native().data)
    assert found["data"].units == "DN"
    assert found["dq"].data[1, 2, 3, 4] == dq.JUMP_DET
    assert (found["dq"].data[..., 0, 0] == dq.REFERENCE_PIXEL).all()


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("product", [a_rate(), a_rate(RateInts, (3,)), a_raw_ramp()])
def test_world_coordinates_in_glue_are_pixels_of_the_exposure(glue, product):
    data = handover.to_glue(product.crop(Box(1, 3, 2, 5)), "box")
    *_, y, x = data.world_component_ids
    assert {int(v) for v in data[y].ravel()} == {1, 2}
    assert {int(v) for v in data[x].ravel()} == {2, 3, 4}
    assert data.get_component(x).units == "pix"


@pytest.mark.filterwarnings("ignore")
def test_data_in_glue_say_where_on_the_detector_they_lie(glue):
    from jwinteractive.masks.states import PLACE

    long = Exposure(instrument="NIRCAM", detector="NRCALONG", ystart=101, xstart=201)
    rate = a_rate().replace(exposure=long).crop(Box(1, 3, 2, 5))
    assert handover.to_glue(rate, "box").meta[PLACE] == ("NRCALONG", 102, 203)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("box", [None, Box(1, 4, 1, 5)])
def test_layers_of_a_mask_arrive_in_glue_as_subsets(glue, box):
    from glue.core import DataCollection

    from jwinteractive.masks import Groups, Layer, Mask, Rectangle, Selection

    none = Selection.none((NY, NX))
    shapes = (Rectangle(1, 2, 1, 3),)
    mask = Mask.of(
        EXPOSURE,
        (NY, NX),
        layers=(
            Layer(name="bad", pixels=none, shapes=shapes),
            Layer(name="off", pixels=none, on=False),
            Layer(name="other", pixels=none, exposure="another"),
            Layer(
                name="shower",
                pixels=none,
                shapes=shapes,
                flags=("JUMP_DET",),
                groups=Groups(integration=1, first=1),
            ),
        ),
    )
    inside = np.zeros((NY, NX), bool)
    inside[1:3, 1:4] = True
    for product, names in ((a_rate(), ["bad"]), (a_raw_ramp(), ["bad", "shower"])):
        part = product if box is None else product.crop(box)
        here = inside if box is None else inside[box.y0 : box.y1, box.x0 : box.x1]
        data = handover.to_glue(part, "x")
        collection = DataCollection([data])
        handover.add_layers(collection, data, mask)
        groups = collection.subset_groups
        assert [g.label for g in groups] == names
        expected = np.broadcast_to(here, data.shape)
        np.testing.assert_array_equal(groups[0].subset_state.to_mask(data), expected)
        if len(names) > 1:
            some = np.zeros(data.shape, bool)
            some[1, 1:] = here
            np.testing.assert_array_equal(groups[1].subset_state.to_mask(data), some)


# -- jdaviz ---------------------------------------------------------------------------------------


def test_jdaviz_shows_rates_and_has_errors_and_mask_at_hand(jdaviz):
    rate = a_rate()
    given = handover.open_in_jdaviz(rate, "mine").given
    (data, shown), (err, aside), (mask, hidden) = given
    np.testing.assert_array_equal(data.data, rate.data)
    np.testing.assert_array_equal(err.data, rate.err)
    np.testing.assert_array_equal(mask.data, (rate.dq & dq.DO_NOT_USE) != 0)
    assert str(data.unit) == str(err.unit) == "DN / s"
    assert shown == {"format": "Image", "data_label": "mine"}
    assert aside == {"format": "Image", "data_label": "mine, error", "viewer": []}
    assert hidden["viewer"] == []


def test_jdaviz_gets_each_integration_as_an_image(jdaviz):
    rates = a_rate(RateInts, (3,))
    given = handover.open_in_jdaviz(rates, "mine").given
    assert [o["data_label"] for _, o in given[::3]] == [f"mine, integration {i}" for i in (1, 2, 3)]
    (one, *_) = handover.open_in_jdaviz(rates, "mine", integration=1).given
    np.testing.assert_array_equal(one[0].data, rates.data[1])


def test_jdaviz_gets_one_integration_of_a_ramp_as_an_array(jdaviz):
    ramp = a_raw_ramp()
    ((samples, options),) = handover.open_in_jdaviz(ramp, "mine", integration=1).given
    np.testing.assert_array_equal(samples, ramp.native().data[1])
    assert samples.dtype == np.float32
    assert options == {"format": "Ramp", "data_label": "mine, integration 2"}


def test_files_are_opened_by_jdaviz_itself(jdaviz, tmp_path):
    paths = [tmp_path / "a_rate.fits", tmp_path / "b_rate.fits"]
    assert handover.open_in_jdaviz(paths).given == [(str(p), {"format": "Image"}) for p in paths]
    assert handover.open_in_jdaviz(paths[0]).given == [(str(paths[0]), {"format": "Image"})]


def test_an_older_jdaviz_has_a_program_for_each_kind(jdaviz):
    imviz, rampviz = (type(name, (jdaviz.App,), {}) for name in ("Imviz", "Rampviz"))
    jdaviz.Imviz, jdaviz.Rampviz = imviz, rampviz
    del jdaviz.App
    assert type(handover.open_in_jdaviz(a_rate())) is imviz
    assert type(handover.open_in_jdaviz(a_raw_ramp())) is rampviz
    del jdaviz.Rampviz
    with pytest.raises(JwinteractiveError, match="too old: pip install --upgrade jdaviz"):
        handover.open_in_jdaviz(a_raw_ramp())


@pytest.mark.parametrize("product", [a_raw_ramp(), a_rate(RateInts, (2,))])
def test_an_integration_that_is_not_there_is_said(jdaviz, product):
    with pytest.raises(InputError, match="integration 2: the product has 0 to 1"):
        handover.open_in_jdaviz(product, integration=2)


# -- either ---------------------------------------------------------------------------------------


def test_a_product_without_frames_is_not_handed_over(jdaviz):
    class Spectrum(Product):
        pass

    nothing = object.__new__(Spectrum)
    for hand in (handover.to_glue, handover.open_in_jdaviz):
        with pytest.raises(InputError, match="Spectrum holds no frames"):
            hand(nothing, "x")


def test_a_program_that_is_not_installed_says_how_to_get_it(monkeypatch):
    for name in ("jdaviz", "glue", "glue.core", "glue_jupyter"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(JwinteractiveError, match="pip install jdaviz"):
        handover.open_in_jdaviz(a_rate())
    for program, package in (("jdaviz", "jdaviz"), ("glue", "glue-jupyter")):
        with pytest.raises(JwinteractiveError, match=f"pip install {package}"):
            handover.load(program)
    with pytest.raises(JwinteractiveError, match="pip install glue-core"):
        handover.to_glue(a_rate(), "x")
