"""Masks in and out of files: what each form keeps, what it says it loses, what it refuses."""

import bz2
import gzip

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import given, settings
from hypothesis import strategies as st

from jwinteractive import dq
from jwinteractive.data import Exposure
from jwinteractive.errors import InputError, OutputError, ParamError
from jwinteractive.masks import (
    FORMS,
    SOURCE,
    Ellipse,
    Groups,
    Layer,
    Line,
    Mask,
    Origin,
    Polygon,
    Rectangle,
    Selection,
    read_mask,
    write_mask,
)
from jwinteractive.masks.ds9 import from_ds9, to_ds9

SHAPE = (40, 48)
ROOT = "jw01185001001_02101_00001_nrca1"
ENDING = {form: ending for form, (ending, _) in FORMS.items()}


def empty(**changes):
    given = {"instrument": "NIRCAM", "detector": "NRCA1", "shape": SHAPE, "corner": (101, 201)}
    return Mask(**(given | {"subarray": "SUB1"} | changes))


def pixels(*yx):
    return Selection.from_pixels(SHAPE, [y for y, _ in yx], [x for _, x in yx])


def scattered(seed=1, share=0.1):
    return Selection.from_mask(np.random.default_rng(seed).random(SHAPE) < share)


SHAPES = (
    Rectangle(3, 6, 10, 20),
    Rectangle(3.5, 6.25, 10, 20),
    Rectangle(8, 8, 4, 4),
    Ellipse(20, 30.5, 7, 3.25, 30),
    Polygon(((1, 1), (10, 4.5), (6, 20))),
    Line(((0, 0), (30, 40)), 1),
    Line(((5, 5), (9, 25), (30, 2)), 3.5),
    Line(((33, 33),), 5),
    Line(((33, 3),), 0.5),
)

MASKS = {
    "empty": empty(),
    "flags": empty(
        layers=(
            Layer(name="HOT", flags=("HOT",), pixels=scattered(1)),
            Layer(name="highest bit", flags=("REFERENCE_PIXEL",), pixels=pixels((0, 0))),
        )
    ),
    "shapes": empty(layers=(Layer(name="drawn", pixels=scattered(2), shapes=SHAPES),)),
    "scene": empty(
        layers=(
            Layer(name="bad", pixels=scattered(7), flags=("DO_NOT_USE",)),
            Layer(name="stars", pixels=scattered(8), shapes=SHAPES[3:4], role="scene", flags=()),
            Layer(name="sky", pixels=scattered(9), role="scene", how="remove", flags=()),
        )
    ),
    "everything": empty(
        title="Programme 1185 – «odd»",
        comment='two\nlines, "quotes" and \\ \u2028',
        layers=(
            Layer(name="a {b} #1; \"c\" 'd' 100%41;", pixels=scattered(3), flags=("WARM",)),
            Layer(name="off", pixels=scattered(4), on=False),
            Layer(name="one", pixels=scattered(5), exposure=ROOT, comment="ünicode"),
            Layer(
                name="shower",
                pixels=Selection.none(SHAPE),
                shapes=SHAPES[3:4],
                flags=("JUMP_DET", "DO_NOT_USE"),
                groups=Groups(integration=1, first=4),
            ),
            Layer(name="taken off", pixels=scattered(6), how="remove", flags=()),
            Layer(name="inside", pixels=Selection.none(SHAPE), shapes=SHAPES[:1], how="within"),
            Layer(
                name="by statistics",
                pixels=pixels((1, 2)),
                origin=Origin(kind="statistic", text="z > 5", details={"warm": 3.0, "n": 6}),
            ),
        ),
    ),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", MASKS)
def test_a_round_trip_is_exact_or_says_what_it_loses(form, name, tmp_path):
    mask = MASKS[name]
    written = write_mask(mask, tmp_path / f"m{ENDING[form]}", form)
    back = read_mask(written.path, mask)
    if not written.lost:
        assert back.same(mask)
    else:
        assert form not in ("text", "fits", "ds9")
    assert list(tmp_path.iterdir()) == [written.path]


@pytest.mark.parametrize("form", ["text", "fits", "ds9"])
@pytest.mark.parametrize("name", MASKS)
def test_three_forms_are_exact_without_being_told_of_the_mask(form, name, tmp_path):
    written = write_mask(MASKS[name], tmp_path / f"m{ENDING[form]}", form)
    assert written.lost == ()
    assert read_mask(written.path).same(MASKS[name])


@pytest.mark.parametrize("form", ["reference", "user_dq", "user_mask", "coordinates"])
@pytest.mark.parametrize("name", MASKS)
@pytest.mark.parametrize("root", ["", ROOT])
def test_forms_that_lose_layers_keep_what_these_do_to_an_exposure(form, name, root, tmp_path):
    mask = MASKS[name]
    path = write_mask(mask, tmp_path / f"m{ENDING[form]}", form, exposure=root).path
    back = read_mask(path).dq()
    expected = mask.dq(root)
    if form == "user_mask":
        unused = mask.scene(root) == SOURCE if name == "scene" else expected & dq.DO_NOT_USE
        expected = np.where(unused, dq.DO_NOT_USE | dq.OTHER_BAD_PIXEL, 0)
    if form == "coordinates":
        expected = np.where(expected, dq.DO_NOT_USE | dq.OTHER_BAD_PIXEL, 0)
    np.testing.assert_array_equal(back, expected)


def test_what_is_lost_is_told_by_the_name_of_the_layer(tmp_path):
    lost = write_mask(MASKS["everything"], tmp_path / "m.fits", "reference").lost
    for what in (
        "the title and comment of the mask",
        "shapes become pixels, of: 'inside'",
        "taking flags off is done, not kept, by: 'taken off', 'inside'",
        "layers switched off are left out: 'off'",
        "flags of groups are left out: 'shower'",
        "layers for another exposure are left out: 'one'",
    ):
        assert what in lost
    lost = write_mask(MASKS["everything"], tmp_path / "u.fits", "user_dq", exposure=ROOT).lost
    assert f"that some layers are for {ROOT} alone" in lost
    assert not any("another exposure" in line for line in lost)


def test_a_user_mask_goes_by_the_scene_and_by_flags_only_where_they_are_named(tmp_path):
    mask, path = MASKS["scene"], tmp_path / "m.fits"

    def used(mask, **given):
        write_mask(mask, path, "user_mask", overwrite=True, **given)
        return fits.getdata(path, "SCI")

    source, bad = mask.scene() == SOURCE, mask["bad"].selection.mask()
    assert source.any()
    assert (bad & ~source).any()
    np.testing.assert_array_equal(used(mask), ~source)
    np.testing.assert_array_equal(used(mask, flags=["DO_NOT_USE"]), ~(source | bad))
    elsewhere = mask.changed("stars", exposure="one").changed("sky", on=False)
    np.testing.assert_array_equal(used(elsewhere), ~bad)
    stars = mask["stars"].selection.mask()
    np.testing.assert_array_equal(used(elsewhere, exposure="one"), ~stars)


def test_what_becomes_of_the_scene_is_told(tmp_path):
    mask = MASKS["scene"]
    for form in ("reference", "user_dq", "coordinates"):
        lost = write_mask(mask, tmp_path / f"{form}{ENDING[form]}", form).lost
        assert "the 1/f scene is left out: 'stars', 'sky'" in lost
        assert not any("shapes" in line or "taking flags off" in line for line in lost)
    lost = write_mask(mask, tmp_path / "m.fits", "user_mask").lost
    assert "shapes become pixels, of: 'stars'" in lost
    assert "flags of pixels are left out: 'bad'" in lost
    assert "what is said to be background: only what is a source, read back it is flagged" in lost
    for line in lost:
        assert not any(w in line for w in ("which flags", "scene is left", "taking flags off"))
    by_flags = write_mask(mask, tmp_path / "f.fits", "user_mask", flags=["DO_NOT_USE"]).lost
    assert not any("flags of pixels are left out" in line for line in by_flags)


def test_a_reference_tells_no_layers_of_the_scene_in_its_history(tmp_path):
    path = write_mask(MASKS["scene"], tmp_path / "m.fits", "reference").path
    history = "\n".join(fits.getheader(path)["HISTORY"])
    assert "layer 'bad': DO_NOT_USE" in history
    assert "stars" not in history


@pytest.mark.parametrize("form", ["text", "fits"])
def test_who_asks_for_some_flags_gets_no_scene(form, tmp_path):
    path = write_mask(MASKS["scene"], tmp_path / f"m{ENDING[form]}", form).path
    assert [m.name for m in read_mask(path, flags=["DO_NOT_USE"]).layers] == ["bad"]


def test_regions_by_ds9_say_by_tags_that_they_are_of_the_scene():
    text = to_ds9(MASKS["scene"])
    saved = "\n".join(line for line in text.splitlines() if not line.startswith("#"))
    back = from_ds9(saved, "m.reg", empty())
    for name in ("stars", "sky"):
        mine, its = back[name], MASKS["scene"][name]
        assert (mine.role, mine.flags, mine.how) == ("scene", (), its.how)
        assert mine.selection == its.selection
    assert back["bad"].flags == ("DO_NOT_USE",)


@pytest.mark.parametrize("form", ["reference", "user_dq", "fits"])
@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress])
def test_a_packed_file_is_read_as_well(form, pack, tmp_path):
    plain = write_mask(MASKS["flags"], tmp_path / "m.fits", form).path
    packed = tmp_path / "m.fits.packed"
    packed.write_bytes(pack(plain.read_bytes()))
    assert read_mask(packed).dq().tolist() == read_mask(plain).dq().tolist()


def test_a_file_whose_name_ends_in_gz_is_packed(tmp_path):
    path = write_mask(MASKS["flags"], tmp_path / "m.fits.gz").path
    assert path.read_bytes()[:2] == b"\x1f\x8b"
    assert read_mask(path).same(MASKS["flags"])


# -- MASK references ---------------------------------------------------------------------------


def test_a_reference_says_all_that_the_pipeline_asks_for(tmp_path):
    mask = MASKS["everything"]
    described = {"AUTHOR": "A. Person", "USEAFTER": "2023-01-02T00:00:00"}
    path = write_mask(mask, tmp_path / "m.fits", "reference", described=described).path
    with fits.open(path) as hdus:
        head = hdus[0].header
        got = {k: head[k] for k in ("REFTYPE", "INSTRUME", "DETECTOR", "SUBARRAY")}
        assert got == {
            "REFTYPE": "MASK",
            "INSTRUME": "NIRCAM",
            "DETECTOR": "NRCA1",
            "SUBARRAY": "SUB1",
        }
        places = [head[k] for k in ("SUBSTRT1", "SUBSTRT2", "SUBSIZE1", "SUBSIZE2")]
        assert places == [201, 101, 48, 40]
        assert (head["FASTAXIS"], head["SLOWAXIS"]) == (-1, 2)
        assert (head["AUTHOR"], head["USEAFTER"]) == ("A. Person", "2023-01-02T00:00:00")
        assert head["PEDIGREE"]
        assert head["DESCRIP"]
        history = " ".join(head["HISTORY"])
        assert "z > 5" in history
        assert "layer 'off'" in history
        assert hdus["DQ"].data.dtype == np.uint32
        names = {r["NAME"]: (r["BIT"], r["VALUE"]) for r in hdus["DQ_DEF"].data}
        assert names == {n: (v.bit_length() - 1, v) for n, v in dq.BITS.items()}


def test_a_reference_without_a_base_flags_the_reference_pixels_of_its_window(tmp_path):
    mask = empty(corner=(1, 1))
    back = read_mask(write_mask(mask, tmp_path / "m.fits", "reference").path)
    expected = np.zeros(SHAPE, bool)
    expected[:4] = expected[:, :4] = True
    np.testing.assert_array_equal(back["REFERENCE_PIXEL"].selection.mask(), expected)


def a_base(path, shape=(100, 120), detector="NRCA1", corner=(51, 151)):
    base = Mask(
        instrument="NIRCAM",
        detector=detector,
        shape=shape,
        corner=corner,
        layers=(
            Layer(
                name="known",
                flags=("DEAD", "DO_NOT_USE"),
                pixels=Selection.from_mask(np.random.default_rng(8).random(shape) < 0.05),
            ),
        ),
    )
    write_mask(base, path, "reference")
    return read_mask(path)


def test_a_reference_on_top_of_another_has_the_flags_and_the_window_of_both(tmp_path):
    base = a_base(tmp_path / "base.fits")
    mask = MASKS["flags"]
    path = write_mask(mask, tmp_path / "m.fits", "reference", base=tmp_path / "base.fits").path
    back = read_mask(path)
    expected = base.dq()
    expected[50:90, 50:98] |= mask.dq()
    assert (back.corner, back.shape) == (base.corner, base.shape)
    np.testing.assert_array_equal(back.dq(), expected)


def test_a_base_of_interleaved_frames_keeps_its_references(tmp_path):
    from jwinteractive.irs2 import FAST, science_rows

    whole = np.zeros((FAST, 2048), np.uint32)
    whole[0, 5] = dq.BAD_REF_PIXEL
    rows = science_rows("NRS1")
    whole[rows[7], 9] = dq.DEAD
    cards = {"INSTRUME": "NIRSPEC", "DETECTOR": "NRS1", "REFTYPE": "MASK"}
    fits.HDUList(
        [fits.PrimaryHDU(header=fits.Header(cards)), fits.ImageHDU(whole, name="DQ")]
    ).writeto(tmp_path / "base.fits")
    shape = (2048, 2048)
    layer = Layer(name="hot", flags=("HOT",), pixels=Selection.from_pixels(shape, [7], [9]))
    mask = Mask(instrument="NIRSPEC", detector="NRS1", shape=shape, layers=(layer,))
    path = write_mask(mask, tmp_path / "m.fits", "reference", base=tmp_path / "base.fits").path
    with fits.open(path) as hdus:
        written = hdus["DQ"].data
        assert written.shape == (FAST, 2048)
        assert written[rows[7], 9] == dq.DEAD | dq.HOT
        assert written[0, 5] == dq.BAD_REF_PIXEL
    assert read_mask(path).counts() == {"DEAD": 1, "HOT": 1}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"detector": "NRCB1"}, "is of NIRCAM NRCB1, the mask of NIRCAM NRCA1"),
        ({"shape": (60, 60)}, "covers 60 x 60 pixels from"),
    ],
)
def test_a_base_that_does_not_fit_is_refused(changes, words, tmp_path):
    a_base(tmp_path / "base.fits", **changes)
    with pytest.raises(InputError, match=words):
        write_mask(MASKS["flags"], tmp_path / "m.fits", "reference", base=tmp_path / "base.fits")
    assert not (tmp_path / "m.fits").exists()


def test_the_bits_of_a_reference_are_those_that_its_table_names(tmp_path):
    raw = np.zeros((2048, 2048), np.int32)
    raw[5, 6], raw[7, 8] = 3, 2
    table = fits.BinTableHDU.from_columns(
        [
            fits.Column("BIT", "J", array=[0, 1, 2]),
            fits.Column("VALUE", "J", array=[1, 2, 4]),
            fits.Column("NAME", "40A", array=["DO_NOT_USE", "HOT", "NO_SUCH_FLAG"]),
        ],
        name="DQ_DEF",
    )
    head = fits.Header({"REFTYPE": "MASK", "INSTRUME": "NIRCAM", "DETECTOR": "NRCA1"})
    path = tmp_path / "m.fits"
    hdus = [fits.PrimaryHDU(header=head), fits.ImageHDU(raw, name="DQ"), table]
    fits.HDUList(hdus).writeto(path)
    mask = read_mask(path)
    assert [(m.name, m.count, m.origin.kind) for m in mask.layers] == [
        ("DO_NOT_USE", 1, "reference"),
        ("HOT", 2, "reference"),
    ]


def test_a_real_reference_and_a_community_map_are_taken_in(real):
    ground = read_mask(real / "refs/nircam_fullframe_ground/nircam_mask.fits.gz")
    assert (ground.detector, ground.shape, ground.corner) == ("NRCBLONG", (2048, 2048), (1, 1))
    assert set(ground.counts()) == {"DO_NOT_USE", "SATURATED"}
    path = real / "refs/badpix_grizli/nrc_badpix_240112_NRCALONG.fits.gz"
    grizli = read_mask(path)
    assert (grizli.detector, grizli.subarray) == ("NRCALONG", "FULL")
    with fits.open(path) as hdus:
        bad = hdus[0].data != 0
    assert grizli["bad pixels"].flags == ("DO_NOT_USE", "OTHER_BAD_PIXEL")
    np.testing.assert_array_equal(grizli["bad pixels"].selection.mask(), bad)


# -- products and maps -------------------------------------------------------------------------


def image(tmp_path, data, name="", cards=None, more=()):
    head = fits.Header({"INSTRUME": "NIRCAM", "DETECTOR": "NRCA1", **(cards or {})})
    path = tmp_path / "image.fits"
    if name:
        hdus = [fits.PrimaryHDU(header=head), fits.ImageHDU(data, name=name), *more]
    else:
        hdus = [fits.PrimaryHDU(data, header=head), *more]
    fits.HDUList(hdus).writeto(path, overwrite=True)
    return path


WINDOW = {"SUBARRAY": "SUB1", "SUBSTRT1": 201, "SUBSTRT2": 101}


def test_flags_of_a_rate_become_a_layer_each_or_those_that_are_chosen(tmp_path):
    flags = MASKS["flags"].dq()
    rate = np.full(SHAPE, np.nan, np.float32)
    path = image(tmp_path, rate, "SCI", WINDOW, [fits.ImageHDU(flags, name="DQ")])
    mask = read_mask(path)
    assert [m.name for m in mask.layers] == ["HOT", "REFERENCE_PIXEL"]
    assert mask.corner == (101, 201)
    assert mask["HOT"].origin == Origin(kind="imported", text="DQ in image.fits")
    np.testing.assert_array_equal(mask.dq(), flags)
    assert [m.name for m in read_mask(path, flags=["HOT", "DEAD"]).layers] == ["HOT"]


def test_a_flat_of_0_and_1_is_no_list_of_pixels_to_use(tmp_path):
    flags = MASKS["flags"].dq()
    more = [fits.ImageHDU(flags, name="DQ")]
    path = image(tmp_path, np.ones(SHAPE, np.float32), "SCI", {**WINDOW, "REFTYPE": "FLAT"}, more)
    np.testing.assert_array_equal(read_mask(path).dq(), flags)


def test_real_products_give_their_flags_or_say_why_not(real):
    cal = sorted((real / "ami").glob("*_cal.fits"))[0]
    mask = read_mask(cal)
    with fits.open(cal) as hdus:
        np.testing.assert_array_equal(mask.dq(), hdus["DQ"].data)
    assert (mask.detector, mask.subarray, mask.date) == ("NIS", "SUB80", "2022-06-05")
    with pytest.raises(InputError, match=r"images DQ|its window"):
        read_mask(sorted((real / "spec").glob("*_cal.fits"))[0])
    with pytest.raises(InputError, match="has data but no flags"):
        read_mask(real / "raw" / "niriss_ami_simulated_uncal.fits")


def test_flags_of_integrations_are_those_that_any_has(tmp_path):
    flags = np.zeros((2, *SHAPE), np.uint32)
    flags[0, 1, 2], flags[1, 3, 4] = dq.HOT, dq.HOT
    path = image(tmp_path, flags, "DQ", WINDOW)
    assert read_mask(path)["HOT"].selection == pixels((1, 2), (3, 4))


def test_a_ramp_gives_the_flags_of_its_pixels_not_of_its_groups(nircam_file, tmp_path):
    import jwinteractive

    session = jwinteractive.open(nircam_file)
    (path,) = session.write(tmp_path, "dq_init")
    ramp = session.run("dq_init")
    mask = read_mask(path, (ramp.exposure, ramp.shape))
    np.testing.assert_array_equal(mask.dq(), ramp.pixeldq)
    assert mask.dq().any()


@pytest.mark.parametrize("kind", [np.uint8, np.int16, np.int32, np.uint32, np.float32])
def test_an_image_of_0_and_1_is_of_good_and_bad_pixels(kind, tmp_path):
    bad = scattered(9)
    mask = read_mask(image(tmp_path, bad.mask().astype(kind), cards=WINDOW))
    assert mask["bad pixels"].selection == bad
    chosen = read_mask(tmp_path / "image.fits", flags=["WARM"])
    assert chosen.counts() == {"WARM": bad.count}


@pytest.mark.parametrize("kind", [np.int32, np.uint32, np.int64, np.float64])
def test_any_other_image_of_whole_numbers_is_of_flags(kind, tmp_path):
    flags = MASKS["flags"].dq()
    values = flags.view(np.int32) if kind is np.int32 else flags.astype(kind)
    np.testing.assert_array_equal(read_mask(image(tmp_path, values, cards=WINDOW)).dq(), flags)


def test_an_image_packed_in_tiles_is_read(tmp_path):
    flags = MASKS["flags"].dq().astype(np.int32) & 0xFFFF
    head = fits.Header({"INSTRUME": "NIRCAM", "DETECTOR": "NRCA1", **WINDOW})
    path = tmp_path / "tiles.fits"
    tiled = fits.CompImageHDU(flags, name="DQ", compression_type="RICE_1")
    fits.HDUList([fits.PrimaryHDU(header=head), tiled]).writeto(path)
    np.testing.assert_array_equal(read_mask(path).dq(), flags)


def test_an_image_that_somebody_changed_counts_for_what_it_is(tmp_path):
    path = write_mask(MASKS["everything"], tmp_path / "m.fits", "fits").path
    with fits.open(path, mode="update") as hdus:
        hdus[0].data[0, 0] = dq.HOT
    with fits.open(path) as hdus:
        changed = hdus[0].data.copy()
    back = read_mask(path)
    assert "by statistics" not in back
    np.testing.assert_array_equal(back.dq(), changed)


def test_the_corner_of_a_window_comes_from_its_name_or_from_what_it_is_for(tmp_path):
    path = image(tmp_path, np.ones((640, 640), np.uint8), cards={"SUBARRAY": "SUB640"})
    assert read_mask(path).corner == (1409, 1409)
    path = image(tmp_path, np.ones(SHAPE, np.uint8))
    assert read_mask(path, MASKS["flags"]).corner == (101, 201)
    exposure = Exposure(instrument="NIRCAM", detector="NRCA1", xstart=7, ystart=9)
    assert read_mask(path, (exposure, SHAPE)).corner == (9, 7)


def test_a_second_name_of_a_detector_is_the_same(tmp_path):
    path = image(tmp_path, np.ones((2048, 2048), np.uint8), cards={"DETECTOR": "NRCA5"})
    assert read_mask(path).detector == "NRCALONG"


# -- regions of DS9 ----------------------------------------------------------------------------

FOREIGN = """# Region file format: DS9 version 4.1
global color=green dashlist=8 3 width=1 font="helvetica 10 normal roman"
image
circle(11,11,3)
-circle(11,11,1) # color=red
box(31,21,4,2,0)
box(31,31,2,4,90)
ellipse(21, 31, 5, 2, 30) # text={galaxy}
polygon(1,1,5,1,5,5,1,5) # tag={corner}
line(2,40,40,40) # line=0 0
point(48,40) # point=x
# text(10,10) text={a remark}
"""


def foreign(tmp_path, text):
    path = tmp_path / "ds9.reg"
    path.write_text(text)
    return path


def test_regions_by_others_become_layers_of_shapes(tmp_path):
    mask = read_mask(foreign(tmp_path, FOREIGN), MASKS["empty"])
    assert [m.name for m in mask.layers] == ["ds9", "galaxy", "corner"]
    assert mask["galaxy"].shapes == (Ellipse(30, 20, 5, 2, 30),)
    assert mask["corner"].shapes == (Polygon(((0, 0), (0, 4), (4, 4), (4, 0))),)
    found = mask["ds9"]
    assert Rectangle(20, 21, 29, 32).select(SHAPE).count == 8
    assert Rectangle(19.5, 20.5, 28.5, 31.5) not in found.shapes
    assert (10, 12) in found.selection
    assert (10, 10) not in found.selection
    assert (39, 47) in found.pixels
    # four wide and two high around y 20, x 30, edges on centres; turned by 90 the same
    assert Rectangle(19, 21, 28, 32) in found.shapes
    assert Rectangle(29, 31, 28, 32) in found.shapes
    assert Line(((39, 1), (39, 39))) in found.shapes


@pytest.mark.parametrize(
    ("line", "shape"),
    [
        ("image; box(10.5,5.5,4,2,0)", Rectangle(4, 5, 8, 11)),
        ("circle 10 5 2.5", Ellipse(4, 9, 2.5, 2.5)),
        ("physical\ncircle( 10 , 5, 2.5i)", Ellipse(4, 9, 2.5, 2.5)),
        ("image;CIRCLE(10,5,2.5);", Ellipse(4, 9, 2.5, 2.5)),
        (
            "box(11,11,4,2,45)",
            Polygon(((7.88, 9.29), (10.71, 12.12), (12.12, 10.71), (9.29, 7.88))),
        ),
    ],
)
def test_lines_of_ds9_are_understood(line, shape, tmp_path):
    (layer,) = read_mask(foreign(tmp_path, line), MASKS["empty"]).layers
    assert layer.shapes == (shape,)


def test_our_regions_keep_layers_and_flags_when_ds9_drops_the_comments(tmp_path):
    mask = MASKS["everything"]
    path = write_mask(mask, tmp_path / "m.reg").path
    kept = [line for line in path.read_text().split("\n") if not line.startswith("#")]
    back = read_mask(foreign(tmp_path, "\n".join(kept)), mask)
    for layer in mask.layers:
        mine = back[layer.name]
        for what in ("pixels", "shapes", "flags", "how", "on", "exposure", "groups"):
            assert getattr(mine, what) == getattr(layer, what), what


def test_a_region_that_somebody_moved_is_where_it_is_now(tmp_path):
    layer = Layer(name="a", pixels=Selection.none(SHAPE), shapes=(Ellipse(20, 30.5, 7, 3.25, 30),))
    path = write_mask(empty(layers=(layer,)), tmp_path / "m.reg").path
    path.write_text(path.read_text().replace("ellipse(31.5,", "ellipse(33.5,"))
    (back,) = read_mask(path).layers
    assert back.shapes == (Ellipse(20, 32.5, 7, 3.25, 30),)


# -- lists -------------------------------------------------------------------------------------


def test_a_list_says_from_where_it_counts_and_comes_back(tmp_path):
    mask = empty(layers=(Layer(name="a", pixels=pixels((3, 5), (0, 0))),))
    for origin in (0, 1):
        path = write_mask(mask, tmp_path / f"{origin}.txt", origin=origin).path
        assert f"# columns are x y, counted from {origin}" in path.read_text()
        assert path.read_text().splitlines()[-1] == f"{5 + origin} {3 + origin}"
        assert read_mask(path)["listed pixels"].selection == pixels((3, 5), (0, 0))


@pytest.mark.parametrize("text", ["5 3\n1 1", "5,3\n1,1\n", "(5, 3),\n(1, 1)", "[5;3] # hot\n1\t1"])
def test_lists_as_people_paste_them_are_read(text, tmp_path):
    path = tmp_path / "list.txt"
    path.write_text(text)
    (zero,) = read_mask(path, MASKS["empty"], origin=0).layers
    (one,) = read_mask(path, MASKS["empty"], origin=1, flags=["HOT"]).layers
    assert zero.selection == pixels((3, 5), (1, 1))
    assert one.selection == pixels((2, 4), (0, 0))
    assert (zero.flags, one.flags) == (("DO_NOT_USE", "OTHER_BAD_PIXEL"), ("HOT",))


# -- refused -----------------------------------------------------------------------------------


def text_file(text):
    return lambda path: path.write_text(text)


def fits_with(*hdus, **cards):
    def write(path):
        head = fits.Header({"INSTRUME": "NIRCAM", "DETECTOR": "NRCA1", **WINDOW, **cards})
        made = [h() if callable(h) else h for h in hdus]
        fits.HDUList([fits.PrimaryHDU(header=head), *made]).writeto(path)

    return write


def named(data, name="DQ"):
    return lambda: fits.ImageHDU(np.asarray(data), name=name)


def holding(value):
    data = np.zeros(SHAPE, np.float64)
    data[2, 3] = value
    return named(data)


BROKEN = {
    "empty file": (lambda p: p.write_bytes(b""), "is empty"),
    "no text": (lambda p: p.write_bytes(b"\x00\x01\x02\xff" * 9), "neither FITS nor text"),
    "prose": (text_file("Dear all,\nthe mask is attached."), "is no mask in any form"),
    "some table": (text_file("[a]\nb = 1"), "is no mask in any form"),
    "other format": (text_file('format = "jwinteractive mask 9"'), "format is"),
    "broken text": (text_file("format = [[layer]]"), "is no mask as text"),
    "no image": (fits_with(), "has no image"),
    "table alone": (
        fits_with(fits.BinTableHDU.from_columns([fits.Column("A", "J", array=[1])], name="T")),
        "has no image, only PRIMARY, T",
    ),
    "reference without DQ": (fits_with(named(np.ones(SHAPE), "SCI2"), REFTYPE="MASK"), "without"),
    "NaN": (fits_with(holding(np.nan)), "DQ holds NaN"),
    "fractions": (fits_with(holding(1.5)), "DQ holds fractions"),
    "negative": (fits_with(named(np.full(SHAPE, -1, np.int64))), "DQ values have 32 bits"),
    "too many bits": (fits_with(named(np.full(SHAPE, 1 << 33))), "DQ values have 32 bits"),
    "a line of pixels": (fits_with(named(np.arange(9))), "needs rows and columns"),
    "huge": (fits_with(named(np.zeros((2, 5000), np.uint8))), "no detector has more than"),
    "data alone": (fits_with(named(np.full(SHAPE, 0.3), "SCI")), "has data but no flags"),
    "wrong detector": (fits_with(named(np.ones(SHAPE, int)), DETECTOR="NRCB2"), "mask is of"),
    "wrong instrument": (fits_with(named(np.ones(SHAPE, int)), INSTRUME="MIRI"), "belongs to"),
    "unknown detector": (fits_with(named(np.ones(SHAPE, int)), DETECTOR="NRCX"), "unknown"),
    "other window": (fits_with(named(np.ones(SHAPE, int)), SUBSTRT1=9), "mask of NIRCAM NRCA1"),
    "beyond": (fits_with(named(np.ones(SHAPE, int)), SUBSTRT1=2040), "reaches beyond"),
    "wrong shape": (fits_with(named(np.ones((9, 9), int))), "covers 9 x 9"),
    "part of a window": (
        fits_with(named(np.ones(SHAPE, int)), SUBSIZE1=2048, SUBSIZE2=2048),
        "image is 48 x 40 pixels, its window 2048 x 2048",
    ),
    "slits": (fits_with(named(np.ones(SHAPE, int)), named(np.ones(SHAPE, int))), "2 images DQ"),
    "sky regions": (text_file("fk5\ncircle(3.1,4.2,5)"), "in fk5 coordinates"),
    "sexagesimal": (text_file("image\ncircle(1:2:3,4:5:6,5)"), "no numbers of pixels"),
    "arcsec": (text_file('image\ncircle(10,10,5")'), "no numbers of pixels"),
    "annulus": (text_file("image\nannulus(10,10,5,6)"), "annulus is none of"),
    "two ellipses": (text_file("image\nellipse(10,10,5,6,7,8,0)"), "ellipse has 7 numbers"),
    "odd polygon": (text_file("image\npolygon(1,2,3,4,5)"), "polygon has 5 numbers"),
    "no region": (text_file("image\ncircle(1,2,3)\nwhat is this"), "is no region"),
    "all excluded": (text_file("image\n-circle(10,10,5)"), "nothing is selected"),
    "no radius": (text_file("image\ncircle(10,10,0)"), "ellipse"),
    "no origin": (text_file("5 3\n6 7"), "count from 0 or 1"),
    "no pixel": (text_file("# columns are x y, counted from 0\n5 3\n6"), "line 3"),
    "half a pixel": (text_file("# columns are x y, counted from 0\n5.5 3"), "line 2"),
    "outside": (text_file("# columns are x y, counted from 1\n49 3\n0 3"), "x 0, y 3|x 49, y 3"),
}


@pytest.mark.parametrize("what", BROKEN)
def test_a_file_that_is_no_mask_gets_one_clear_line(what, tmp_path):
    write, words = BROKEN[what]
    path = tmp_path / "broken.dat"
    write(path)
    with pytest.raises(InputError, match=words) as caught:
        read_mask(path, MASKS["empty"])
    said = str(caught.value)
    assert "\n" not in said
    assert said.count("broken.dat") == 1
    assert len(said) < 300


def test_a_file_cut_short_or_not_there_gets_one_clear_line(tmp_path):
    path = write_mask(MASKS["flags"], tmp_path / "m.fits").path
    path.write_bytes(path.read_bytes()[:4000])
    where = {path: "cut short", tmp_path / "no.fits": "No such file", tmp_path: "folder"}
    for given_path, words in where.items():
        with pytest.raises(InputError, match=words) as caught:
            read_mask(given_path)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "text", ["image\ncircle(10,10,5)", "# columns are x y, counted from 0\n1 1"]
)
def test_a_file_that_names_no_detector_asks_for_the_exposure(text, tmp_path):
    path = tmp_path / "a.txt"
    path.write_text(text)
    with pytest.raises(InputError, match="give the exposure or mask"):
        read_mask(path)
    fits.PrimaryHDU(np.ones((5, 5), np.uint8)).writeto(tmp_path / "a.fits")
    with pytest.raises(InputError, match="names no DETECTOR"):
        read_mask(tmp_path / "a.fits")


def test_an_unknown_flag_to_choose_is_refused_first(tmp_path):
    with pytest.raises(InputError, match="no data-quality flag 'HOTT'"):
        read_mask(tmp_path / "not there", flags=["HOTT"])


def test_a_file_that_is_there_is_kept_unless_it_may_be_replaced(tmp_path):
    path = tmp_path / "m.toml"
    path.write_text("mine")
    with pytest.raises(OutputError, match="exists: allow overwriting"):
        write_mask(MASKS["flags"], path)
    assert path.read_text() == "mine"
    write_mask(MASKS["flags"], path, overwrite=True)
    assert read_mask(path).same(MASKS["flags"])


def test_a_write_that_fails_leaves_what_was_there(tmp_path, monkeypatch):
    path = tmp_path / "m.fits"
    write_mask(MASKS["flags"], path)
    before = path.read_bytes()

    def full(self, file, *args, **kwargs):
        file.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(fits.HDUList, "writeto", full)
    with pytest.raises(OutputError, match="No space left"):
        write_mask(MASKS["everything"], path, overwrite=True)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("name", "options", "error", "words"),
    [
        ("m.dat2", {}, ParamError, "its ending tells no form"),
        ("m.toml", {"form": "refrence"}, ParamError, "did you mean 'reference'"),
        ("m.toml", {"form": "reference"}, OutputError, "let its name end with .fits"),
        ("m.txt", {"origin": 2}, ParamError, "from 0 or 1"),
        ("m.txt", {"flags": ["HOTT"]}, InputError, "no data-quality flag"),
        ("m.fits", {"form": "user_dq", "irs2": True}, InputError, "leave irs2 off"),
    ],
)
def test_options_that_make_no_sense_are_refused(name, options, error, words, tmp_path):
    with pytest.raises(error, match=words):
        write_mask(MASKS["flags"], tmp_path / name, **options)
    assert not list(tmp_path.iterdir())


# -- all kinds of masks ------------------------------------------------------------------------

numbers = st.floats(-5, 50).map(lambda v: round(v, 2))
points = st.tuples(numbers, numbers)
positive = st.floats(0.5, 20).map(lambda v: round(v, 2))
shapes = st.one_of(
    st.builds(Rectangle, numbers, numbers, numbers, numbers),
    st.builds(Ellipse, numbers, numbers, positive, positive, st.floats(-90, 180)),
    st.builds(Polygon, st.lists(points, min_size=3, max_size=8).map(tuple)),
    st.builds(Line, st.lists(points, min_size=1, max_size=5).map(tuple), positive),
)
names = st.text(min_size=1, max_size=12).filter(lambda n: n == n.strip() and n.isprintable())


@st.composite
def layers(draw):
    seed, share = draw(st.integers(0, 99)), draw(st.sampled_from([0, 0.01, 0.3, 1]))
    return Layer(
        name=draw(names),
        pixels=scattered(seed, share),
        shapes=tuple(dict.fromkeys(draw(st.lists(shapes, max_size=4)))),
        flags=tuple(draw(st.sets(st.sampled_from(list(dq.BITS)), min_size=1, max_size=3))),
        how=draw(st.sampled_from(["add", "remove", "within"])),
        on=draw(st.booleans()),
        exposure=draw(st.sampled_from(["", ROOT])),
        comment=draw(st.text(max_size=20)),
    )


stacks = st.lists(layers(), max_size=3, unique_by=lambda m: m.name).map(tuple)


@settings(deadline=None)
@given(stacks)
def test_regions_of_any_mask_come_back_exactly(stack):

    mask = empty(layers=stack)
    assert from_ds9(to_ds9(mask), "m.reg", None).same(mask)
