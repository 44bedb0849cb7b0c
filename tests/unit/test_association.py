"""Associations name the exposures that are opened together."""

import json

import pytest

import jwinteractive
from jwinteractive.errors import InputError
from jwinteractive.recipe import Recipe
from jwinteractive.simulate.slits import slit_dithers


@pytest.fixture
def asn(tmp_path):
    path = tmp_path / "a_asn.json"

    def write(*members):
        named = [{"expname": name, "exptype": kind} for name, kind in members]
        path.write_text(json.dumps({"products": [{"members": named[:1]}, {"members": named}]}))
        return path

    return write


def test_its_exposures_are_opened_in_its_order_and_the_rest_is_told(asn, tmp_path):
    one, other = slit_dithers(2, (26, 64)).write(tmp_path)
    path = asn((other.name, "science"), (one.name, "SCIENCE"), ("sky_x1d.fits", "background"))
    session = jwinteractive.open(path, Recipe.of("extract_1d"))
    assert [file.path for file in session.exposures] == [other, one]
    assert session.exposures[0].notes[-1] == (
        "a_asn.json names sky_x1d.fits too: they are not opened"
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "is no JSON"),
        ("{}", "has no 'products'"),
        ('{"products": [{"members": [{"expname": "a.fits"}]}]}', "has no 'exptype'"),
        ("[]", "is no association"),
        ('{"products": []}', "names no exposure of exptype 'science'"),
    ],
)
def test_what_is_no_association_is_refused_in_one_line(tmp_path, text, said):
    path = tmp_path / "a_asn.json"
    path.write_text(text)
    with pytest.raises(InputError, match=said) as error:
        jwinteractive.open(path)
    assert "\n" not in str(error.value)


def test_a_file_that_it_names_and_that_is_not_there_is_an_error(asn):
    with pytest.raises(InputError, match=r"gone_cal.fits: no such file"):
        jwinteractive.open(asn(("gone_cal.fits", "science")))
