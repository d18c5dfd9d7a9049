"""Time stamps, to UTC nanoseconds."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from perfkit.monitor.logs.stamps import Stamps

LATEST = datetime(2026, 3, 1, 12, tzinfo=UTC)


def ns(text):
    moment = datetime.fromisoformat(text)
    return round(moment.timestamp() * 1e6) * 1000


@pytest.mark.parametrize(
    ("line", "when", "rest"),
    [
        ("2026-01-02T03:04:05Z loss: 1", "2026-01-02T03:04:05+00:00", " loss: 1"),
        ("2026-01-02T03:04:05.678901+02:00 x", "2026-01-02T01:04:05.678901+00:00", " x"),
        ("2026-01-02 03:04:05,678 - root - INFO - x", "2026-01-02T03:04:05.678+00:00", " - root - INFO - x"),
        ("[2026-01-02 03:04:05] x", "2026-01-02T03:04:05+00:00", " x"),
        ("2026/01/02 03:04:05 x", "2026-01-02T03:04:05+00:00", " x"),
        ("INFO 2026-01-02 03:04:05,678 mod.py:12 x", "2026-01-02T03:04:05.678+00:00", "INFO mod.py:12 x"),
        ("[rank1] 2026-01-02 03:04:05 x", "2026-01-02T03:04:05+00:00", "[rank1] x"),
        ("I0102 03:04:05.678901  1234 file.cc:123] x", "2026-01-02T03:04:05.678901+00:00", "INFO file.cc:123] x"),
        ("W0102 03:04:05.678901 1234 file.cc:123] x", "2026-01-02T03:04:05.678901+00:00", "WARNING file.cc:123] x"),
        ("I0000 00:00:1767323045.250000   7 port.cc:1] x", "2026-01-02T03:04:05.25+00:00", "INFO port.cc:1] x"),
        ("[rank0]:[W0102 03:04:05.5 a.cpp:9] x", "2026-01-02T03:04:05.5+00:00", "WARNING a.cpp:9] x"),
        ("Jan  2 03:04:05 node7 train[12]: x", "2026-01-02T03:04:05+00:00", "x"),
        ("Dec 31 23:59:59 x", "2025-12-31T23:59:59+00:00", "x"),
        ("1767323045 x", "2026-01-02T03:04:05+00:00", " x"),
        ("1767323045.5 x", "2026-01-02T03:04:05.5+00:00", " x"),
        ("1767323045678 x", "2026-01-02T03:04:05.678+00:00", " x"),
        ("[03:04:05] x", "2026-03-01T03:04:05+00:00", " x"),
        ("03:04:05.25 x", "2026-03-01T03:04:05.25+00:00", " x"),
    ],
)  # fmt: skip
def test_a_stamp_is_read_and_taken_off(line, when, rest):
    assert Stamps(UTC, LATEST).take(line) == (ns(when), rest)


@pytest.mark.parametrize(
    "line",
    [
        "", "Epoch 1/3", "Iter 200: loss 3", "120/120 - 1s", "[640/60000] x", "[1/5][3/10] x", "March 3 was fine", "2026-13-45 03:04:05 x",
        "9999-01-01 00:00:00 x", "12345678901234567890 x", "99:99:99 x", "I am here", "D(x): 0.5", "1767323045,2,3",
    ],
)  # fmt: skip
def test_what_is_no_stamp_is_left_alone(line):
    assert Stamps(UTC, LATEST).take(line) == (None, line)


def test_a_stamp_without_a_zone_is_of_the_zone_that_was_given_and_that_is_told():
    stamps = Stamps(timezone(timedelta(hours=2)), LATEST)
    assert stamps.take("2026-01-02 03:04:05 x")[0] == ns("2026-01-02T01:04:05+00:00")
    assert stamps.assumed == {"zone"}
    with_zone = Stamps(UTC, LATEST)
    with_zone.take("2026-01-02T03:04:05Z x")
    assert with_zone.assumed == set()


def test_times_of_day_go_on_behind_midnight():
    stamps = Stamps(UTC, LATEST)
    before, after = (stamps.take(line)[0] for line in ("[23:59:58] x", "[00:00:01] x"))
    assert after - before == 3 * 10**9
    assert stamps.assumed == {"day", "zone"}
