"""Scoring of advice, on literal values."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "benchmarks"))
from zoo import scoring, traces

INPUT = {"rule": "input", "cause": "input", "low": 0.4, "high": 0.6}
SMALL = {"rule": "threads", "cause": "threads", "low": 0.02, "high": 0.09}
LARGE = {"rule": "threads", "cause": "threads", "low": 0.02, "high": 0.11}


def measured(gain):
    return {"median": gain, "low": gain, "high": gain}


def test_the_first_finding_decides_and_the_accepted_one_is_judged():
    right = scoring.row("a", "input", ("input",), [INPUT, LARGE], measured(0.5))
    assert (right["right"], right["inside"], right["predicted"]) == (True, True, [0.4, 0.6])
    second = scoring.row("a", "input", ("input",), [LARGE, INPUT], measured(0.7))
    assert (second["right"], second["inside"], second["first"]) == (False, False, "threads")
    other = scoring.row("a", "input", ("input", LARGE["rule"]), [INPUT, LARGE], measured(0.5), LARGE["rule"])
    assert other["right"]
    assert other["predicted"] == [LARGE["low"], LARGE["high"]]
    silent = scoring.row("a", "input", ("input",), [], measured(0.5))
    assert (silent["right"], silent["inside"], silent["first"]) == (False, None, None)
    unmeasured = scoring.row("a", "input", ("input",), [INPUT], None)
    assert (unmeasured["right"], unmeasured["inside"]) == (True, None)


def test_a_healthy_script_may_hear_small_things_only():
    assert scoring.row("h", "none", (), [SMALL], None)["right"]
    assert not scoring.row("h", "none", (), [SMALL, LARGE], None)["right"]


def test_totals_over_three_scripts():
    rows = [
        scoring.row("a", "input", ("input",), [INPUT], measured(0.5)),
        scoring.row("b", "input", ("input",), [LARGE, INPUT], measured(0.8)),
        scoring.row("h", "none", (), [LARGE], None),
    ]
    found = scoring.totals(rows)
    assert (found["first_right"], found["inside"], found["found"]) == (0.5, 0.5, 1.0)
    assert (found["wrong"], found["outside"], found["false_on_healthy"]) == (["b"], ["b"], {"h": ["threads"]})
    assert found["median_width"] == pytest.approx(0.2)
    assert found["median_width_of_gain"] == pytest.approx((0.2 / 0.5 + 0.2 / 0.8) / 2)
    assert list(scoring.reached(found).values()) == [False, False, False, True, True]


def test_nothing_scored_reaches_nothing():
    assert scoring.totals([])["first_right"] is None
    assert not scoring.reached(scoring.totals([]))["first right >= 90 %"]


def test_an_effect_is_the_share_saved_per_pair():
    assert scoring.effect([(2.0, 1.0), (4.0, 1.0), (1.0, 1.5)]) == {"median": 0.5, "low": -0.5, "high": 0.75, "n": 3}


def test_the_interval_score_is_the_width_and_ten_times_the_miss():
    assert scoring.interval_score(0.2, 0.4, 0.3) == pytest.approx(0.2)
    assert scoring.interval_score(0.2, 0.4, 0.5) == pytest.approx(0.2 + 10 * 0.1)
    assert scoring.interval_score(0.2, 0.4, 0.15) == pytest.approx(0.2 + 10 * 0.05)


def test_a_planted_cause_that_does_not_matter_counts_as_none():
    trials = [
        {"cause": "input", "truth": {"median": 0.3}, "first_cause": "input"},
        {"cause": "input", "truth": {"median": 0.04}, "first_cause": "none"},
        {"cause": "python", "truth": {"median": 0.2}, "first_cause": "input"},
    ]
    table = scoring.confusion(trials)
    assert table == {"input": {"input": 1}, "none": {"none": 1}, "python": {"input": 1}}
    assert scoring.agreement(table) == pytest.approx(2 / 3)


def test_a_traced_workload_is_judged_by_the_first_accepted_finding_that_was_measured():
    graphs = {"rule": "cuda_graphs", "title": "g", "low": 0.5, "high": 0.6, "confidence": "low", "case": None}
    batch = {"rule": "launch", "title": "b", "low": 0.6, "high": 0.7, "confidence": "low", "case": "b256"}
    change = {"case": "b256", "measured": 0.65, "low": 0.6, "high": 0.7}
    case = traces.Traced(name="resnet", cause="launch", rules=("launch", "cuda_graphs"))
    row = traces.one(case, {"findings": [batch, graphs], "changes": [change]})
    assert (row["right"], row["inside"], row["measured"]["median"]) == (True, True, 0.65)
    silent = traces.one(case, {"findings": [], "changes": [change]})
    assert (silent["right"], silent["inside"]) == (False, None)


def test_a_conformal_margin_is_exceeded_as_seldom_as_was_asked_for():
    misses = [n / 100 for n in range(-50, 50)]
    assert scoring.conformal(misses, 0.1) == misses[90]  # the 91st of 100
    assert scoring.conformal(misses[:5], 0.1) is None  # five say nothing of one in ten
    assert scoring.conformal([-0.3] * 20, 0.1) == 0.0  # intervals are never made narrower
