"""What is looked at: changed by copies, kept as plain values, read by older and newer versions."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jwinteractive.data import Box
from jwinteractive.errors import ParamError
from jwinteractive.look import COMPARES, CUTS, STRETCHES, Look

number = st.integers(-5000, 5000)
real = st.floats(allow_nan=False, allow_infinity=False)
looks = st.builds(
    Look,
    step=st.text(),
    shown=st.text(),
    view=st.text(),
    integration=number,
    group=number,
    pick=st.none() | st.tuples(number, number),
    box=st.none() | st.builds(Box, number, number, number, number),
    window=st.none() | st.tuples(real, real, real, real),
    stretch=st.sampled_from(STRETCHES),
    cuts=st.sampled_from(CUTS),
    limits=st.none() | st.tuples(real, real),
    colours=st.text(),
    compare=st.sampled_from(COMPARES),
    masks=st.dictionaries(st.text(), real),
)


@given(look=looks)
def test_a_look_comes_back_from_a_file_as_it_was(look):
    assert Look.from_dict(json.loads(json.dumps(look.as_dict()))) == look


def test_what_only_a_newer_version_knows_is_left_out():
    kept = Look(step="jump", pick=(3, 4)).as_dict()
    newer = {**kept, "glasses": "red", "stretch": "cubic", "cuts": "95 %", "compare": "flip"}
    assert Look.from_dict(newer) == Look(step="jump", pick=(3, 4))


def test_what_an_older_version_did_not_know_has_its_default():
    assert Look.from_dict({"step": "jump"}) == Look(step="jump")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"stretch": "logg"}, "stretch 'logg': did you mean 'log'?"),
        ({"cuts": "1 %"}, "cuts '1 %': choose from 99.5 %, "),
        ({"compare": "diference"}, "compare 'diference': did you mean 'difference'?"),
        ({"strech": "log"}, "look has no 'strech': did you mean 'stretch'?"),
    ],
)
def test_an_unknown_word_is_refused_in_one_line(changes, message):
    with pytest.raises(ParamError) as caught:
        Look().replace(**changes)
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


def test_a_change_leaves_the_old_look_alone():
    old = Look(group=3)
    assert old.replace(group=4).group == 4
    assert old.group == 3
