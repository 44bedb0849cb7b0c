"""The detector tables agree with the published clocks and with themselves."""

import pytest

from jwinteractive import detectors
from jwinteractive.errors import InputError

FRAME_TIMES = [
    ("NRCA1", "FULL", "RAPID", 10.73677),
    ("NRCB1", "SUB640", "RAPID", 4.186),
    ("NRCB1", "SUB320", "RAPID", 1.069),
    ("NRCB1", "SUB160", "RAPID", 0.279),
    ("NRCB1", "SUB64P", "RAPID", 0.050),
    ("NRCALONG", "SUBGRISM256", "RAPID", 1.347),
    ("NRCALONG", "SUBGRISM128", "RAPID", 0.676),
    ("NRCALONG", "SUBGRISM64", "RAPID", 0.341),
    ("NIS", "SUBSTRIP256", "NISRAPID", 5.494),
    ("NIS", "SUBSTRIP96", "NISRAPID", 2.214),
    ("NIS", "SUB80", "NISRAPID", 0.0754),
    ("NRS1", "SUB2048", "NRSRAPID", 0.902),
    ("NRS1", "ALLSLITS", "NRSRAPID", 5.491),
    ("NRS1", "SUB512", "NRSRAPID", 0.226),
    ("NRS2", "FULL", "NRSIRS2RAPID", 14.5889),
    ("MIRIMAGE", "FULL", "FASTR1", 2.77504),
    ("MIRIMAGE", "FULL", "SLOWR1", 23.88992),
    ("MIRIMAGE", "BRIGHTSKY", "FASTR1", 0.86528),
    ("MIRIMAGE", "SUB256", "FASTR1", 0.29952),
    ("MIRIMAGE", "SUB128", "FASTR1", 0.11904),
    ("MIRIMAGE", "SUB64", "FASTR1", 0.08512),
    ("MIRIMAGE", "MASKLYOT", "FASTR1", 0.324),
]


@pytest.mark.parametrize(("name", "window", "pattern", "seconds"), FRAME_TIMES)
def test_the_frame_time_is_the_published_one(name, window, pattern, seconds):
    xsize, ysize, _, _, amplifiers = detectors.subarray(name, window)
    det = detectors.DETECTORS[name]
    found = detectors.frame_time(det, xsize, ysize, amplifiers, pattern)
    assert found == pytest.approx(seconds, abs=6e-4)


def test_every_subarray_lies_within_its_detector():
    for name, table in detectors.SUBARRAYS.items():
        ny, nx = detectors.DETECTORS[name].shape
        for window, (xsize, ysize, xstart, ystart, amplifiers) in table.items():
            inside = xstart >= 1 and ystart >= 1
            inside &= xstart + xsize - 1 <= nx and ystart + ysize - 1 <= ny
            assert inside, (name, window)
            assert amplifiers in (1, 4)


def test_every_detector_reads_along_two_different_axes():
    for det in detectors.DETECTORS.values():
        assert {abs(det.fastaxis), abs(det.slowaxis)} == {1, 2}, det.name


def test_the_readnoise_reference_value_is_a_difference_of_two_reads_in_dn():
    # 11.5 e- at 2.13 e-/DN: 5.399 DN a read, 7.635 DN for a difference
    assert detectors.DETECTORS["NRCA1"].cds_noise == pytest.approx(7.635, abs=1e-3)


def test_saturation_never_lies_beyond_the_converter():
    for det in detectors.DETECTORS.values():
        assert det.bias < det.saturation < 65535


def test_the_flight_computer_divides_by_the_next_power_of_two():
    assert [detectors.frame_divisor(n) for n in (1, 2, 3, 4, 5, 8)] == [1, 2, 4, 4, 8, 8]


def test_a_detector_is_found_in_any_case():
    assert detectors.detector("nircam", "nrcalong").name == "NRCALONG"


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: detectors.detector("NIRCAM", "NRCA9"), "detector = 'NRCA9': unknown: did you"),
        (lambda: detectors.detector("MIRI", "NRCA1"), "'NRCA1': belongs to NIRCAM"),
        (lambda: detectors.subarray("NRCB1", "SUB16O"), "did you mean 'SUB160'"),
        (lambda: detectors.readout("NIRISS", "RAPID"), "did you mean 'NISRAPID'"),
    ],
)
def test_an_unknown_name_is_refused_in_one_line_with_a_way_out(call, says):
    with pytest.raises(InputError) as error:
        call()
    assert says in str(error.value)
    assert "\n" not in str(error.value)
