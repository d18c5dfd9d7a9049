"""A chart of a terminal, line by line."""

import numpy as np

from perfkit.report.curves import chart


def drawn(lines):
    return ["".join(text for text, _ in line).rstrip() for line in lines]


FRAME = chart.Frame(low=0, high=20, margin=6, columns=20)


def test_a_rising_line():
    curve = chart.Curve(label="train", x=np.arange(21.0), y=np.arange(21.0))
    assert drawn(chart.draw([curve], FRAME, 4)) == [
        "   20│               ⣀⡠⠔⠒⠉",
        "     │          ⣀⠤⠔⠒⠉",
        "     │     ⣀⠤⠔⠒⠉⠁",
        "    0│⣀⠤⠔⠊⠉",
    ]


def test_the_second_curve_has_symbols_and_a_gap_is_marked():
    x = np.arange(21.0)
    train = chart.Curve(label="train", x=x, y=np.where((x > 8) & (x < 12), np.nan, 1.0))
    val = chart.Curve(label="val", x=x[::5], y=np.full(5, 2.0), symbol="o")
    assert drawn(chart.draw([train, val], FRAME, 3, ascii_only=True)) == [
        "    2|o    o    o   o    o",
        "     |",
        "    1|*********xx*********",
    ]


def test_a_curve_that_is_nowhere_finite_draws_nothing():
    curve = chart.Curve(label="train", x=np.arange(3.0), y=np.full(3, np.nan))
    assert chart.draw([curve], FRAME, 4) == []


def test_a_flat_curve_lies_in_the_middle():
    curve = chart.Curve(label="train", x=np.arange(21.0), y=np.full(21, 3.0))
    lines = drawn(chart.draw([curve], FRAME, 3, ascii_only=True))
    assert lines[1].endswith("*" * 20)
    assert "*" not in lines[0] + lines[2]


def test_a_run_that_went_on_from_an_earlier_step_is_not_joined_backwards():
    x = np.array([0.0, 20.0, 10.0, 20.0])
    y = np.array([0.0, 1.0, 0.0, 1.0])
    lines = drawn(chart.draw([chart.Curve(label="t", x=x, y=y)], FRAME, 5, ascii_only=True))
    # Between x = 10 and 20 two lines rise; a line back from (20, 1) to (10, 0) would be their mirror image.
    assert lines == [
        "    1|                ****",
        "     |            ******",
        "     |        **** ***",
        "     |    ****   ***",
        "    0|****      **",
    ]


def test_axis_lane_and_bands_share_the_columns():
    lines = [
        chart.lane(FRAME, "events", [(5, "1", ""), (20, "2", "")]),
        chart.band_lane(FRAME, "alerts", [(10, 14, "=", "")]),
        *chart.axis(FRAME, "", "step", ascii_only=True),
    ]
    assert drawn(lines) == [
        "event      1             2",
        "alert           =====",
        "     ++------------------+",
        "      0               step",
    ]


def test_a_logarithmic_axis_gives_every_decade_the_same_room():
    curve = chart.Curve(label="t", x=np.arange(21.0), y=10.0 ** np.linspace(0, 4, 21))
    lines = drawn(chart.draw([curve], FRAME, 5, log=True, ascii_only=True))
    assert [line[:5].strip() for line in lines] == ["", "1000", "", "", "1"]
    assert [line.count("*") for line in lines] == [4, 4, 4, 4, 4]
