"""What the user says of sources and background: of the layers of a mask, and of official files."""

import numpy as np
import pytest
from astropy.io import fits

from jwinteractive.data import Box, Exposure
from jwinteractive.errors import MissingReference
from jwinteractive.masks import BACKGROUND, SOURCE, Layer, Mask, Selection, write_mask
from jwinteractive.references import References, SceneRef, UserMaskRef
from jwinteractive.testing import example_exposure

SHAPE = (40, 48)
EXPOSURE = example_exposure(filename="jw1")


def rectangle(shape, y0, y1, x0, x1):
    inside = np.zeros(shape, bool)
    inside[y0:y1, x0:x1] = True
    return Selection.from_mask(inside)


def scene(name, pixels, **given):
    return Layer(name=name, role="scene", flags=(), pixels=pixels, **given)


def mask_of(exposure=EXPOSURE, shape=SHAPE):
    """Sources in a rectangle, of which a corner is background; some pixels are flagged."""
    return Mask.of(
        exposure,
        shape,
        layers=(
            scene("stars", rectangle(shape, 5, 15, 10, 30), exposure="jw1"),
            scene("sky", rectangle(shape, 12, 20, 25, 40), how="remove"),
            Layer(name="bad", flags=("DO_NOT_USE",), pixels=rectangle(shape, 30, 33, 1, 9)),
        ),
    )


def found(references, kind=SceneRef, exposure=EXPOSURE, shape=SHAPE, override=""):
    at = references.find(kind, exposure, shape, override)
    return at, references.load(at, exposure, shape)


def image(path, data, name="SCI", **cards):
    hdus = [fits.PrimaryHDU(header=fits.Header(cards)), fits.ImageHDU(data, name=name)]
    fits.HDUList(hdus).writeto(path)
    return path


def test_a_scene_is_what_the_layers_of_the_mask_say():
    at, reference = found(References(masks=[mask_of()]))
    assert at.source == "override"
    expected = np.zeros(SHAPE, np.uint8)
    expected[5:15, 10:30] = SOURCE
    expected[12:20, 25:40] = BACKGROUND
    np.testing.assert_array_equal(reference.data, expected)
    assert reference.data.dtype == np.uint8
    assert not reference.data.flags.writeable
    part = reference.crop(Box(10, 14, 24, 31))
    np.testing.assert_array_equal(part.data, expected[10:14, 24:31])
    assert part.data.flags.c_contiguous


def test_a_scene_of_the_full_frame_is_cut_to_the_exposures_window():
    full = Exposure(instrument="NIRCAM", detector="NRCA1", filename="jw1")
    pixels = rectangle((2048, 2048), 205, 215, 110, 130)  # the window begins at 200, 100 from 0
    mask = Mask.of(full, (2048, 2048), layers=(scene("stars", pixels),))
    _, reference = found(References(masks=[mask]))
    expected = np.zeros(SHAPE, np.uint8)
    expected[5:15, 10:30] = SOURCE
    np.testing.assert_array_equal(reference.data, expected)


@pytest.mark.parametrize(
    "mask",
    [
        mask_of().replace(layers=()),
        mask_of().without("stars").without("sky"),
        mask_of().changed("stars", exposure="jw2").changed("sky", on=False),
    ],
    ids=["no layers", "flags alone", "for another exposure, or off"],
)
def test_there_is_no_scene_where_no_layer_says_one(mask):
    references = References(masks=[mask])
    at = references.find(SceneRef, EXPOSURE, SHAPE)
    assert at.source == "nominal"
    with pytest.raises(MissingReference, match="scene for NRCA1: no file was found"):
        references.load(at, EXPOSURE, SHAPE)


def test_the_key_of_a_scene_is_another_when_the_scene_is_and_only_then():
    mask = mask_of()
    (one, _) = found(References(masks=[mask]))
    flagged = mask.changed("bad", flags=("HOT",))
    assert found(References(masks=[flagged]))[0].key == one.key
    turned = mask.changed("sky", how="add")
    assert found(References(masks=[turned]))[0].key != one.key


def test_masks_that_differ_by_a_scene_differ_by_masks_alone_and_what_was_read_is_not_kept():
    mask = mask_of()
    references = References(masks=[mask])
    found(references)
    other = references.with_masks([mask.changed("sky", on=False)])
    assert other.differs_by_masks(references)
    _, reference = found(other.recall(references))
    assert not (reference.data == BACKGROUND).any()


def test_a_mask_as_text_is_a_scene_and_an_array_too(tmp_path):
    mask = mask_of()
    path = write_mask(mask, tmp_path / "m.toml").path
    for value in (path, mask.scene("jw1"), mask.scene("jw1").astype(float)):
        _, reference = found(References(overrides={"scene": value}))
        np.testing.assert_array_equal(reference.data, mask.scene("jw1"))
        assert reference.data.dtype == np.uint8


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (np.full(SHAPE, 3), "scene: has other values than 0"),
        (np.full(SHAPE, np.nan), "scene: has other values than 0"),
        (np.zeros((2, *SHAPE)), r"scene: is of shape \(2, 40, 48\), must be \[y, x\]"),
    ],
)
def test_what_is_no_scene_is_refused(data, said):
    with pytest.raises(MissingReference, match=said):
        found(References(overrides={"scene": data}))


# -- the official mask -------------------------------------------------------------------------


def test_a_mask_written_for_the_official_step_is_read_as_background(tmp_path):
    mask = mask_of()
    path = write_mask(mask, tmp_path / "m.fits", "user_mask", exposure="jw1").path
    at, reference = found(References(), UserMaskRef, override=str(path))
    assert at.source == "override"
    np.testing.assert_array_equal(reference.data, mask.scene("jw1") != SOURCE)
    assert reference.data.dtype == np.uint8
    text = write_mask(mask, tmp_path / "m.toml").path
    _, same = found(References(), UserMaskRef, override=str(text))
    np.testing.assert_array_equal(same.data, reference.data)


def test_a_mask_of_each_integration_is_cut_and_keeps_its_integrations(tmp_path):
    used = np.random.default_rng(1).random((3, 100, 120)) < 0.5
    cards = {"SUBSTRT1": 91, "SUBSTRT2": 196, "SUBSIZE1": 120, "SUBSIZE2": 100}
    path = image(tmp_path / "m.fits", used.astype(np.float32), **cards)
    _, reference = found(References(), UserMaskRef, override=str(path))
    np.testing.assert_array_equal(reference.data, used[:, 5:45, 10:58])
    part = reference.crop(Box(3, 9, 2, 30))
    np.testing.assert_array_equal(part.data, used[:, 8:14, 12:40])


def test_a_mask_of_just_the_exposures_size_needs_no_place_and_any_number_is_background(tmp_path):
    data = np.zeros(SHAPE)
    data[3, 4], data[5, 6], data[7, 8] = np.nan, -2, 0.5
    path = image(tmp_path / "m.fits", data)
    _, reference = found(References(), UserMaskRef, override=str(path))
    assert np.argwhere(reference.data).tolist() == [[3, 4], [5, 6], [7, 8]]
    assert set(np.unique(reference.data)) == {0, 1}
    several = tmp_path / "several.fits"
    hdus = [fits.ImageHDU(data, name="SCI"), fits.ImageHDU(np.ones(SHAPE), name="ERR")]
    fits.HDUList([fits.PrimaryHDU(), *hdus[::-1]]).writeto(several)
    _, same = found(References(), UserMaskRef, override=str(several))
    np.testing.assert_array_equal(same.data, reference.data)
    unnamed = tmp_path / "primary.fits"
    fits.PrimaryHDU(data).writeto(unnamed)
    _, same = found(References(), UserMaskRef, override=str(unnamed))
    np.testing.assert_array_equal(same.data, reference.data)


def test_rows_of_pixels_are_taken_of_a_mask_of_an_interleaved_frame(tmp_path):
    from jwinteractive.irs2 import FAST, science_rows

    exposure = example_exposure(
        "NIRSPEC", subarray="FULL", readpatt="NRSIRS2RAPID", xstart=1, ystart=1
    )
    rows = science_rows("NRS1")
    whole = np.zeros((FAST, 2048), np.float32)
    whole[rows[7], 9] = 1
    path = image(tmp_path / "m.fits", whole)
    _, reference = found(References(), UserMaskRef, exposure, (len(rows), 2048), str(path))
    assert np.argwhere(reference.data).tolist() == [[7, 9]]


@pytest.mark.parametrize(
    ("data", "name", "said"),
    [
        (np.ones((9, 9), np.float32), "SCI", "does not cover the exposure's subarray"),
        (np.ones(30, np.float32), "SCI", "a user_mask needs an image"),
        (np.ones(SHAPE, np.uint32), "DQ", "holds flags, a user_mask is 1 where pixels are"),
    ],
)
def test_a_file_that_is_no_mask_of_background_is_refused(tmp_path, data, name, said):
    path = image(tmp_path / "m.fits", data, name)
    with pytest.raises(MissingReference, match=said) as caught:
        found(References(), UserMaskRef, override=str(path))
    assert "\n" not in str(caught.value)


def test_nothing_but_a_parameter_or_an_override_gives_an_official_mask(tmp_path):
    image(tmp_path / "m.fits", np.ones(SHAPE, np.float32), REFTYPE="USER_MASK", DETECTOR="NRCA1")
    references = References(tmp_path, masks=[mask_of()])
    assert references.find(UserMaskRef, EXPOSURE, SHAPE).source == "nominal"
    _, reference = found(References(overrides={"user_mask": np.ones(SHAPE, bool)}), UserMaskRef)
    assert reference.data.all()
