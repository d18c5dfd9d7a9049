"""What a sink is given."""

import json
import math

import pytest

from perfkit.model.monitoring import Alert
from perfkit.monitor.alerts.message import identity, lasted, line, payload


def alert(**more):
    fields = {
        "rule": "r",
        "state": "firing",
        "severity": "info",
        "metric": "val/loss",
        "message": "high",
        "time_ns": 10**18,
        "since_ns": 1,
    }
    return Alert(**{**fields, "duration_s": 0.0, **more})


def test_it_is_standard_json_and_says_when_in_words():
    given = payload(alert(value=math.nan, evidence={"worst": math.inf, 3: (1, {2})}, run="r1"))
    text = json.dumps(given, allow_nan=False)
    assert json.loads(text) == given
    assert (given["value"], given["evidence"]) == ("nan", {"worst": "inf", "3": [1, [2]]})
    assert given["time"] == "2001-09-09T01:46:40.000+00:00"
    assert given["text"] == line(alert(run="r1")) == "FIRING info [r1] r: high"


def test_an_alert_has_the_same_id_each_time_and_another_one_another():
    assert identity(alert()) == identity(alert(message="in other words"))
    others = [
        alert(state="resolved"),
        alert(time_ns=1),
        alert(metric="x"),
        alert(rule="q"),
        alert(run="b"),
        alert(since_ns=2),
    ]
    assert len({identity(one) for one in [alert(), *others]}) == 7


def test_evidence_that_is_too_large_stays_in_the_record():
    given = payload(alert(evidence={"frames": ["x" * 1000] * 1000}))
    assert len(json.dumps(given)) < 2000
    assert "it is in the run's record" in given["evidence"]["left_out"]


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0 ms"), (0.3504, "350 ms"), (1, "1 s"), (12.34, "12.3 s"), (59.99, "60 s"), (60, "1 min"), (185, "3 min 5 s"), (3600, "1 h"),
        (7800, "2 h 10 min"), (100_000, "27 h 46 min"),
    ],
)  # fmt: skip
def test_a_duration_in_words(seconds, words):
    assert lasted(seconds) == words
