"""The document of a monitored run."""

import json

import pytest

from perfkit.model.monitoring import Alert
from perfkit.monitor import record
from perfkit.report.document import encode
from perfkit.report.monitor_document import compose, episodes
from perfkit.runs.reader import Run


def test_it_tells_series_events_alerts_state_and_card(digits_document):
    document = json.loads(encode(digits_document))
    assert document["schema_version"] == 1
    assert document["state"]["state"] == "finished"
    assert document["card"]["parameters"] == 9610
    assert document["span"]["steps"] == 599
    assert document["span"]["epochs"] == pytest.approx(12)
    loss = next(row for row in document["series"] if row["name"] == "train/loss")
    assert (loss["count"], loss["not_finite"], loss["first_step"], loss["last_step"]) == (600, 20, 0, 599)
    accuracy = next(row for row in document["series"] if row["name"] == "val/accuracy")
    assert accuracy["best"] == {"value": accuracy["max"], "step": None, "epoch": 9}
    assert [event["kind"] for event in document["events"] if event["kind"] != "note"] == [
        "anomaly", "degradation", "recovered", "validity", "learning",
    ]  # fmt: skip
    assert [(a["rule"], a["state"], a["step"], a["until_step"]) for a in document["alerts"]] == [
        ("slow-steps", "resolved", 300, 366),
        ("loss-finite", "resolved", 400, 421),
        ("memory-leak", "firing", 480, None),
    ]


def test_performance_is_told_in_base_units(digits_document):
    performance = digits_document["performance"]
    assert performance["perf/step_time_s"]["median"] == pytest.approx(0.0044, abs=0.0001)
    assert performance["system/host_memory_bytes"]["max"] == pytest.approx(4.1e8 + 590 * 9e4)
    assert performance["perf/tokens_per_s"] is None
    assert digits_document["unavailable"]["performance.perf/tokens_per_s"] == "the run recorded no such series"


def nulls(node, path=""):
    for key, value in node.items() if isinstance(node, dict) else enumerate(node):
        below = f"{path}[]" if isinstance(node, list) else f"{path}.{key}" if path else key
        if value is None:
            yield below
        elif isinstance(value, dict | list):
            yield from nulls(value, below)


def test_every_null_has_its_reason(digits_document):
    found = set(nulls({key: value for key, value in digits_document.items() if key != "unavailable"}))
    assert found
    for path in found:
        parts = [path[:end] for end in range(len(path), 0, -1) if path[:end] in digits_document["unavailable"]]
        assert parts, path
        assert digits_document["unavailable"][parts[0]] != "not recorded", path
    assert digits_document["unavailable"]["card.file"] == "the card says that it does not apply"


def test_a_run_of_which_nothing_is_known_has_a_document_too(tmp_path):
    document = compose(Run(tmp_path), record.read(tmp_path))
    assert document["series"] == document["events"] == document["alerts"] == []
    assert document["state"] is None
    assert document["unavailable"]["state"] == "the record holds no status, and there is no run.json to ask"
    assert "run.json" in document["unavailable"]["run.command"]


def change(state, at_s, since_s=0, rule="r", duration_s=0.0):
    return Alert(
        rule=rule, state=state, severity="warning", metric="m", message=state, time_ns=int(at_s * 1e9), since_ns=int(since_s * 1e9),
        duration_s=duration_s,
    )  # fmt: skip


def test_an_episode_lasts_from_its_cause_to_its_end():
    (found,) = episodes(
        [change("pending", 1), change("firing", 3), change("resolved", 9, duration_s=6)], 20_000_000_000
    )
    assert (found.since_ns, found.until_ns, found.duration_s, found.state) == (0, 9_000_000_000, 6, "resolved")
    assert found.message == "firing"


def test_what_was_pending_and_went_away_is_no_alert():
    assert episodes([change("pending", 1), change("ok", 2)], 5_000_000_000) == []


def test_what_still_fires_has_lasted_until_the_record_ends():
    (found,) = episodes([change("firing", 3)], 10_000_000_000)
    assert (found.until_ns, found.duration_s, found.state) == (None, 7.0, "firing")


def test_two_troubles_of_one_rule_are_two_episodes():
    changes = [change("firing", 1), change("resolved", 2), change("firing", 4, 4), change("firing", 5, 4, rule="other")]
    assert sorted((e.rule, e.state) for e in episodes(changes, 9_000_000_000)) == [
        ("other", "firing"),
        ("r", "firing"),
        ("r", "resolved"),
    ]
