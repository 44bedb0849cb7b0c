"""Curves of frames against numbers worked by hand."""

import dataclasses as dc

import numpy as np
import pytest
from astropy import units
from astropy.table import Table as AstropyTable

from jwinteractive import dq
from jwinteractive.curves import (
    as_table,
    column_profile,
    difference,
    histogram,
    line_profile,
    power_spectrum,
    ramp_table,
    ratio,
    row_profile,
    spectrum,
    write_table,
)
from jwinteractive.data import Box, Exposure
from jwinteractive.errors import InputError, OutputError
from jwinteractive.views import Curve, Frame, Plot, Table

NRCA1 = Exposure(instrument="NIRCAM", detector="NRCA1", noutputs=4, fastaxis=-1, slowaxis=2)


def a_frame(data, **keys):
    return Frame(title="rate", data=np.asarray(data, float), unit="DN/s", **keys)


def curves(plot):
    return {c.name: c for c in plot.curves}


def a_plot(x, y, err=None, name="signal", y_label="signal (DN)"):
    x, y = np.asarray(x, float), np.asarray(y, float)
    err = None if err is None else np.asarray(err, float)
    made = Curve(name=name, x=x, y=y, err=err, style="points")
    return Plot(title="a", x_label="row (pixel)", y_label=y_label, curves=(made,))


# --- histogram


def test_a_histogram_of_whole_numbers_has_bins_of_whole_numbers():
    plot = histogram(a_frame([[0, 1, 1], [2, 2, 2]]))
    (curve,) = plot.curves
    assert list(curve.x) == [0, 1, 2]
    assert list(curve.y) == [1, 2, 3]
    assert curve.style == "steps"
    assert plot.log_y
    assert plot.x_label == "rate (DN/s)"


def test_a_histogram_counts_every_pixel_inside_its_range_and_says_how_many_lie_beyond():
    data = np.random.default_rng(1).normal(size=(100, 100))
    data[0, :3] = 1e6
    data[1, 0] = np.nan
    plot = histogram(a_frame(data))
    (curve,) = plot.curves
    beyond = 9999 - int(curve.y.sum())
    assert 3 <= beyond < 100
    assert plot.title == f"histogram of 9999 pixels, {beyond} beyond"
    assert 2 < curve.x.max() < 5


def test_a_histogram_leaves_the_flagged_pixels_out_of_its_second_curve():
    flags = np.zeros((2, 3), np.uint32)
    flags[1, 2] = dq.JUMP_DET
    plot = histogram(a_frame([[0, 1, 1], [2, 2, 2]], dq=flags), log=False)
    assert list(curves(plot)["without flags"].y) == [1, 2, 2]
    assert list(curves(plot)["all pixels"].y) == [1, 2, 3]
    assert not plot.log_y


def test_a_histogram_of_one_value_has_one_bin():
    (curve,) = histogram(a_frame(np.full((4, 4), 7.5))).curves
    assert (list(curve.x), list(curve.y)) == ([7.5], [16])


def test_a_histogram_of_no_values_says_where():
    with pytest.raises(InputError, match=r"no pixel has a value in Box\(y0=0, y1=2"):
        histogram(a_frame(np.full((2, 2), np.nan)))


def test_a_histogram_takes_its_box_in_pixels_of_the_exposure():
    frame = a_frame([[0, 1], [5, 5]], box=Box(10, 12, 20, 22), shape=(100, 100))
    (curve,) = histogram(frame, Box(11, 50, 0, 50)).curves
    assert (list(curve.x), list(curve.y)) == ([5], [2])
    with pytest.raises(InputError, match="lies outside"):
        histogram(frame, Box(0, 5, 0, 5))


# --- profiles


def test_a_line_profile_along_a_row_gives_its_pixels_with_their_errors():
    data = np.arange(12.0).reshape(3, 4)
    plot = line_profile(a_frame(data, err=data / 10), (1, 0), (1, 3))
    (curve,) = plot.curves
    assert curve.name == "nearest pixel"
    assert list(curve.x) == [0, 1, 2, 3]
    assert list(curve.y) == [4, 5, 6, 7]
    assert np.allclose(curve.err, [0.4, 0.5, 0.6, 0.7])


def test_a_bilinear_profile_mixes_four_pixels_and_their_errors_in_quadrature():
    data = np.array([[0.0, 10.0], [20.0, 30.0]])
    plot = line_profile(
        a_frame(data, err=np.ones((2, 2))), (0.5, 0.5), (0.5, 0.5), sampling="bilinear"
    )
    (curve,) = plot.curves
    assert curve.name == "bilinear"
    assert list(curve.y) == [15.0]
    assert list(curve.err) == [0.5]


def test_a_diagonal_of_length_five_has_six_samples_five_pixels_long():
    plot = line_profile(a_frame(np.zeros((9, 9))), (2, 1), (6, 4))
    assert np.allclose(plot.curves[0].x, np.arange(6))


def test_a_profile_keeps_unusable_pixels_apart():
    flags = np.zeros((1, 3), np.uint32)
    flags[0, 1] = dq.DO_NOT_USE | dq.HOT
    frame = a_frame([[1, 99, 3]], dq=flags)
    plot = line_profile(frame, (0, 0), (0, 2))
    assert list(curves(plot)["nearest pixel"].y) == [1, 3]
    assert list(curves(plot)["do not use"].y) == [99]
    exact = line_profile(frame, (0, 0), (0, 0), sampling="bilinear")
    assert list(curves(exact)) == ["bilinear"], "a neighbour without weight does not count"


def test_a_profile_that_starts_outside_says_so():
    with pytest.raises(InputError, match=r"\(y, x\) = \(-1, 0\) lies outside"):
        line_profile(a_frame(np.zeros((3, 3))), (-1, 0), (2, 2))


def test_row_and_column_profiles_leave_out_nan_and_do_not_use():
    flags = np.zeros((2, 3), np.uint32)
    flags[0, 2] = dq.DO_NOT_USE
    flags[0, 0] = dq.JUMP_DET
    data = [[1, 3, 1000], [4, np.nan, 10]]
    frame = a_frame(data, dq=flags, err=np.full((2, 3), 3.0))
    rows = curves(row_profile(frame))
    assert list(rows["mean"].x) == [0, 1]
    assert list(rows["mean"].y) == [2, 7]
    assert np.allclose(rows["mean"].err, np.sqrt(18) / 2)
    columns = curves(column_profile(frame))
    assert list(columns["median"].x) == [0, 1, 2]
    assert list(columns["median"].y) == [2.5, 3, 10]
    assert np.allclose(columns["mean"].err, [np.sqrt(18) / 2, 3, 3])


def test_a_row_without_any_usable_pixel_has_no_value():
    rows = curves(row_profile(a_frame([[np.nan, np.nan], [1, 2]]), Box(0, 2, 0, 2)))
    assert np.array_equal(rows["median"].y, [np.nan, 1.5], equal_nan=True)
    assert row_profile(a_frame([[1.0]])).x_label == "row (pixel)"


# --- power spectrum


def test_a_sine_has_its_power_at_its_frequency_in_hertz():
    t = np.arange(512)
    one = 3.0 * np.sin(2 * np.pi * 8 * t / 512)
    frame = a_frame(np.tile(one, (4, 4)), shape=(4, 2048))
    (curve,) = power_spectrum(frame, NRCA1).curves
    step = 1 / (512 * 1e-5)
    at = np.argmax(curve.y)
    assert np.isclose(curve.x[at], 8 * step)
    assert np.isclose(curve.y[at] * step, 3.0**2 / 2)
    assert np.isclose(curve.x[-1], 50_000)


def test_the_power_of_white_noise_is_twice_the_variance_times_the_sampling_time():
    data = np.random.default_rng(5).normal(0, 2.0, (64, 2048))
    flags = np.zeros(data.shape, np.uint32)
    flags[:, ::5] = dq.DO_NOT_USE
    data[:, ::5] = 1e5
    plot = power_spectrum(a_frame(data, dq=flags), NRCA1)
    assert plot.x_label == "frequency (Hz)"
    assert np.isclose(np.mean(plot.curves[0].y), 2 * 1e-5 * 4, rtol=0.02)


def test_the_integral_of_the_power_is_the_variance():
    data = np.random.default_rng(6).normal(0, 1, (1, 64))
    one = dc.replace(NRCA1, noutputs=1)
    (curve,) = power_spectrum(a_frame(data), one).curves
    values = data - np.median(data)
    step = curve.x[0]
    below = np.sum(curve.y) - curve.y[-1] / 2  # the last bin ends at the highest frequency
    assert np.isclose(below * step, np.mean(values**2) - np.mean(values) ** 2)


def test_lines_are_cut_at_the_amplifiers_of_the_exposure_wherever_the_box_lies():
    data = np.random.default_rng(7).normal(0, 1, (8, 700))
    frame = a_frame(data, box=Box(0, 8, 500, 1200), shape=(8, 2048))
    plot = power_spectrum(frame, NRCA1)
    assert plot.title == "power along x: 8 lines of 512 samples"
    (curve,) = plot.curves
    (same,) = power_spectrum(frame, NRCA1, Box(0, 8, 512, 1024)).curves
    assert np.array_equal(curve.y, same.y)


def test_the_lines_of_nirspec_run_along_y_and_irs2_has_no_time():
    data = np.random.default_rng(8).normal(0, 1, (64, 32))
    nrs1 = Exposure(instrument="NIRSPEC", detector="NRS1", noutputs=4, fastaxis=2, slowaxis=1)
    assert power_spectrum(a_frame(data), nrs1).title == "power along y: 128 lines of 16 samples"
    plot = power_spectrum(a_frame(data), dc.replace(nrs1, readpatt="NRSIRS2RAPID"))
    assert plot.x_label == "frequency (1/pixel)"
    assert plot.curves[0].x[-1] == 0.5
    assert as_table(plot)["power"].unit == units.DN**2 * units.pix / units.s**2


def test_the_outputs_of_miri_take_every_fourth_column():
    t = np.arange(64)
    data = np.zeros((2, 256))
    data[:, 1::4] = np.sin(2 * np.pi * 4 * t / 64)
    miri = Exposure(
        instrument="MIRI",
        detector="MIRIMAGE",
        noutputs=4,
        fastaxis=1,
        slowaxis=2,
        readpatt="FASTR1",
    )
    (fast,) = power_spectrum(a_frame(data), miri).curves
    assert np.isclose(fast.x[np.argmax(fast.y)], 4 / (64 * 1e-5))
    (slow,) = power_spectrum(a_frame(data), dc.replace(miri, readpatt="SLOWR1")).curves
    assert np.isclose(slow.x[np.argmax(slow.y)], 4 / (64 * 9e-5))


def test_a_power_spectrum_of_masked_lines_says_what_to_do():
    flags = np.full((4, 16), dq.DO_NOT_USE, np.uint32)
    with pytest.raises(InputError, match="choose a larger box"):
        power_spectrum(a_frame(np.zeros((4, 16)), dq=flags), dc.replace(NRCA1, noutputs=1))


# --- spectrum


def test_a_spectrum_sums_across_the_dispersion_with_errors_in_quadrature():
    frame = a_frame([[1, 2, 3], [10, 20, 30]], err=[[3, 3, 3], [4, 4, 4]])
    frame = dc.replace(frame, err=np.asarray(frame.err, float))
    (curve,) = spectrum(frame, Box(0, 2, 1, 3)).curves
    assert list(curve.x) == [1, 2]
    assert list(curve.y) == [22, 33]
    assert list(curve.err) == [5, 5]
    (across,) = spectrum(frame, Box(0, 2, 1, 3), dispersion="y").curves
    assert list(across.y) == [5, 50]


def test_samples_of_a_spectrum_that_miss_pixels_are_marked():
    flags = np.zeros((2, 2), np.uint32)
    flags[1, 0] = dq.DO_NOT_USE
    found = curves(spectrum(a_frame([[1, 2], [9, 8]], dq=flags), Box(0, 2, 0, 2)))
    assert np.array_equal(found["sum"].y, [np.nan, 10], equal_nan=True)
    assert found["sum without unusable pixels"].y[0] == 1


def test_wavelengths_may_be_of_samples_or_of_pixels():
    frame, box = a_frame(np.ones((2, 3))), Box(0, 2, 1, 3)
    of_pixels = np.array([[1.0, 2.0, np.nan], [3.0, 4.0, 5.0]])
    assert list(spectrum(frame, box, of_pixels).curves[0].x) == [3, 5]
    assert list(spectrum(frame, box, np.array([7.0, 8.0])).curves[0].x) == [7, 8]
    assert list(spectrum(frame, box, np.array([6.0, 7.0, 8.0])).curves[0].x) == [7, 8]
    assert spectrum(frame, box, of_pixels).x_label == "wavelength (um)"
    with pytest.raises(InputError, match=r"wavelength has shape \(4,\)"):
        spectrum(frame, box, np.arange(4.0))


# --- comparison


def test_a_difference_interpolates_where_x_differ_and_is_empty_outside():
    a = a_plot([0, 1, 2, 5], [10, 10, 10, 10], [3, 3, 3, 3])
    b = a_plot([4, 0], [4, 0], [4, 4])
    plot = difference(a, b)
    (curve,) = plot.curves
    assert np.array_equal(curve.y, [10, 9, 8, np.nan], equal_nan=True)
    assert np.allclose(
        curve.err[:3], [5, np.hypot(3, 4 * np.hypot(0.75, 0.25)), np.hypot(3, 8**0.5)]
    )
    assert plot.y_label == "difference of signal (DN)"


def test_a_ratio_adds_relative_errors_and_has_no_value_over_zero():
    plot = ratio(a_plot([0, 1], [8, 1], [0.8, 1]), a_plot([0, 1], [4, 0], [0.4, 1]))
    (curve,) = plot.curves
    assert np.array_equal(curve.y, [2, np.nan], equal_nan=True)
    assert np.isclose(curve.err[0], 2 * np.hypot(0.1, 0.1))
    assert plot.y_label == "ratio of signal"


def test_only_plots_of_the_same_quantity_with_a_common_curve_are_compared():
    a = a_plot([0], [1])
    with pytest.raises(InputError, match="compare two of one kind"):
        difference(a, a_plot([0], [1], y_label="rate (DN/s)"))
    with pytest.raises(InputError, match="no curve in common"):
        ratio(a, a_plot([0], [1], name="other"))
    assert difference(a, a_plot([3], [1])).curves[0].err is None


# --- tables


def test_a_table_of_a_plot_has_names_units_and_every_sample():
    table = as_table(a_plot([0, 1], [2, 3], [0.5, 0.5]))
    assert table.colnames == ["curve", "row", "signal", "error"]
    assert table["signal"].unit == units.DN
    assert table["row"].unit == units.pix
    assert table["error"].unit == units.DN
    assert list(table["signal"]) == [2, 3]
    assert table["signal"].description == "signal (DN)"


def test_words_in_parentheses_that_are_no_unit_stay_words():
    table = as_table(Table(title="t", columns=("a (of all)", "a"), rows=((1, "x"), (2, None))))
    assert table["a"].unit is None
    assert list(table["a_"]) == ["x", ""]


def test_the_table_of_a_ramp_has_a_row_for_each_group():
    flags = np.array([[0, dq.JUMP_DET | dq.SATURATED]], np.uint8)
    made = ramp_table("pixel", np.array([2.0, 4.0]), np.array([[1.0, 5.0]]), flags)
    table = as_table(made)
    assert list(table["flags"]) == ["", "SATURATED JUMP_DET"]
    assert table["time"].unit == units.s
    assert list(table["signal"]) == [1, 5]


def test_the_table_of_a_frame_has_a_row_for_each_pixel_of_the_box():
    frame = Frame(
        title="rate",
        unit="DN / s",
        data=np.arange(12.0).reshape(3, 4),
        err=np.full((3, 4), 0.5),
        dq=np.array([[0] * 4, [0, dq.JUMP_DET | dq.HOT, 0, 0], [0] * 4], np.uint32),
        box=Box(10, 13, 20, 24),
    )
    table = as_table(frame, Box(11, 13, 21, 23))
    assert list(table["y"]) == [11, 11, 12, 12]
    assert list(table["x"]) == [21, 22, 21, 22]
    assert list(table["rate"]) == [5, 6, 9, 10]
    assert table["rate"].unit == units.DN / units.s
    assert list(table["error"]) == [0.5] * 4
    assert list(table["flags"]) == ["JUMP_DET HOT", "", "", ""]
    assert len(as_table(frame)) == 12


def test_a_frame_too_large_for_a_table_is_refused():
    frame = Frame(title="rate", data=np.zeros((600, 600)))
    with pytest.raises(InputError, match="600 x 600 pixels make too long a table: select a box"):
        as_table(frame)


def test_ecsv_keeps_the_units_and_csv_has_them_in_its_names(tmp_path):
    plot = a_plot([0, 1], [2, 3])
    ecsv = write_table(plot, tmp_path / "a.ecsv")
    assert AstropyTable.read(ecsv)["signal"].unit == units.DN
    assert AstropyTable.read(ecsv).meta["title"] == "a"
    csv = write_table(plot, tmp_path / "a.csv")
    assert csv.read_text().splitlines()[0] == "curve,row (pix),signal (DN)"
    assert csv.read_text().splitlines()[1] == "signal,0.0,2.0"


def test_an_empty_table_is_written_with_its_columns(tmp_path):
    path = write_table(Table(title="t", columns=("flag", "set"), rows=()), tmp_path / "t.ecsv")
    assert AstropyTable.read(path).colnames == ["flag", "set"]


def test_a_table_never_overwrites_unasked_and_names_what_is_wrong(tmp_path):
    plot = a_plot([0], [1])
    path = write_table(plot, tmp_path / "a.csv")
    with pytest.raises(OutputError, match="exists: allow overwriting or choose another name"):
        write_table(plot, path)
    write_table(a_plot([0], [9]), path, overwrite=True)
    assert "9.0" in path.read_text()
    with pytest.raises(OutputError, match=r"\.ecsv or \.csv"):
        write_table(plot, tmp_path / "a.fits")
    with pytest.raises(OutputError, match="cannot be written"):
        write_table(plot, tmp_path / "none" / "a.csv")
