"""Rules over what happens: once when it begins, once when it is over."""

import math

import numpy as np
import pytest

from perfkit.errors import UsageError
from perfkit.model.monitoring import Event, Point, Status
from perfkit.monitor.alerts.alerter import Alerter
from perfkit.monitor.alerts.defaults import default_rules
from perfkit.monitor.alerts.grammar import parse

S = 1_000_000_000


class Clock:
    def __init__(self):
        self.now_ns = 0

    def __call__(self):
        return self.now_ns


class Bench:
    """An Alerter over a clock of its own; what it says, in order."""

    def __init__(self, *rules, **more):
        self.clock = Clock()
        self.alerter = Alerter([parse(r) if isinstance(r, str) else r for r in rules], [], now=self.clock, **more)
        self.said = []

    def note(self, alerts):
        self.said += alerts
        return [alert.state for alert in alerts]

    def value(self, at_s, value, name="val/loss", step=None):
        self.clock.now_ns = round(at_s * S)
        return self.note(
            self.alerter.observe(Point(values={name: value}, time_ns=self.clock.now_ns, monotonic_ns=0, step=step))
        )

    def values(self, *pairs):
        for at_s, value in pairs:
            self.value(at_s, value)
        return self.states

    def tick(self, at_s):
        return self.note(self.alerter.tick(round(at_s * S)))

    def status(self, at_s, state, **more):
        return self.note(self.alerter.status(Status(state=state, time_ns=round(at_s * S), monotonic_ns=0, **more)))

    def event(self, at_s, kind, metric="val/loss", severity="warning", **more):
        more = {"source": "ewma", "message": f"{kind} of {metric}", **more}
        happened = Event(kind=kind, severity=severity, metric=metric, time_ns=round(at_s * S), monotonic_ns=0, **more)
        return self.note(self.alerter.event(happened))

    @property
    def states(self):
        return [(alert.state, alert.time_ns / S) for alert in self.said]


def test_a_threshold_fires_once_and_resolves_once():
    bench = Bench("val/loss > 2.5")
    assert bench.values((1, 2.0), (2, 2.6), (3, 2.7), (4, 2.4), (5, 2.0)) == [("firing", 2), ("resolved", 4)]
    assert bench.said[1].duration_s == 2
    assert bench.said[0].message == "val/loss is 2.6, above 2.5"
    assert bench.said[1].message == "over after 2 s: val/loss is 2.4"


def test_a_series_that_flaps_between_the_levels_gives_one_alert_and_one_resolve():
    bench = Bench("val/loss > 2.5 clear 2.3")
    flapping = [(n, 2.6 if n % 2 else 2.4) for n in range(1, 1001)]
    assert bench.values(*flapping, (1001, 2.2)) == [("firing", 1), ("resolved", 1001)]


def test_a_series_that_flaps_across_both_levels_is_held_by_time_and_count():
    flapping = [(n, 2.6 if n % 2 else 2.0) for n in range(1, 1001)]
    assert Bench("val/loss > 2.5 for 5s").values(*flapping) == []
    assert Bench("val/loss > 2.5 breaches 2").values(*flapping) == []
    kept = Bench("val/loss > 2.5 keep 10s")
    kept.values(*flapping)
    kept.tick(2000)
    assert kept.states == [("firing", 1), ("resolved", 1010)]
    counted = Bench("val/loss > 2.5 clears 3")
    assert counted.values(*flapping, (1001, 2), (1002, 2), (1003, 2)) == [("firing", 1), ("resolved", 1002)]


def test_what_is_pending_fires_when_its_time_has_come_also_without_a_value():
    bench = Bench("val/loss > 2.5 for 60s")
    assert bench.value(10, 3.0) == []
    assert bench.alerter.states() == {("val/loss > 2.5", "val/loss"): "pending"}
    assert bench.tick(69) == []
    assert bench.tick(75) == ["firing"]
    assert bench.said[0].time_ns == 70 * S  # when it was due, however late the tick
    assert bench.said[0].since_ns == 10 * S
    assert bench.said[0].message == "val/loss is 3, above 2.5, for 1 min"


def test_a_late_value_does_not_hide_that_the_time_had_come_before_it():
    bench = Bench("val/loss > 2.5 for 60s")
    assert bench.values((0, 3.0), (100, 2.0)) == [("firing", 60), ("resolved", 100)]


@pytest.mark.parametrize("value", [3, 3.0, np.float32(3), np.float64(3), True + 2])
def test_any_kind_of_number_is_a_value(value):
    bench = Bench("val/loss > 2.5", "val/loss is nan")
    assert bench.value(1, value) == ["firing"]
    assert bench.alerter.errors == 0


def test_nan_is_neither_beyond_nor_back():
    bench = Bench("val/loss > 2.5")
    assert bench.values((1, math.nan), (2, 3.0), (3, math.nan), (4, 1.0)) == [("firing", 2), ("resolved", 4)]


def test_a_loss_that_is_no_number_fires_and_resolves():
    bench = Bench("*/loss is not finite")
    assert bench.values((1, 1.0), (2, math.nan), (3, math.inf), (4, 1.0)) == [("firing", 2), ("resolved", 4)]
    assert bench.said[0].message == "val/loss is nan"


def test_each_metric_that_a_glob_matches_has_a_state_of_its_own():
    bench = Bench("*/loss > 2")
    assert bench.value(1, 3.0, "val/loss") == ["firing"]
    assert bench.value(2, 3.0, "train/loss") == ["firing"]
    assert bench.value(3, 1.0, "train/loss") == ["resolved"]
    assert bench.value(4, 3.0, "val/loss") == []
    assert [alert.metric for alert in bench.said] == ["val/loss", "train/loss", "train/loss"]


def test_a_baseline_is_the_median_of_the_first_values_behind_the_warm_up():
    bench = Bench("step_time > 1.5 * baseline clear 1.2 * baseline")
    for n in range(25):
        assert bench.value(n, 5.0 if n < 5 else 0.1, "perf/step_time_s") == []
    assert bench.value(30, 0.149, "perf/step_time_s") == []
    assert bench.value(31, 0.151, "perf/step_time_s") == ["firing"]
    assert bench.value(32, 0.13, "perf/step_time_s") == []
    assert bench.value(33, 0.12, "perf/step_time_s") == ["resolved"]
    assert bench.said[0].message == "perf/step_time_s is 0.151, above 0.15 (1.5 × its baseline)"
    assert bench.said[0].evidence["baseline"] == 0.1


def test_a_baseline_that_is_given_holds_from_the_first_value():
    bench = Bench("step_time > 2 * baseline", baseline={"perf/step_time_s": 0.1})
    assert bench.value(0, 0.3, "perf/step_time_s") == ["firing"]


def test_a_metric_that_stops_is_without_data_until_it_comes_back():
    bench = Bench("no val/loss for 60s")
    bench.value(10, 1.0)
    assert bench.tick(69) == []
    assert bench.tick(200) == ["no-data"]
    assert bench.tick(300) == []
    assert bench.value(310, 0.9) == ["resolved"]
    assert [alert.message for alert in bench.said] == [
        "no value of val/loss for 1 min",
        "over after 4 min: val/loss is 0.9",
    ]


def test_a_metric_that_never_came_is_without_data_too():
    bench = Bench("no val/loss for 60s")
    assert bench.tick(61) == ["no-data"]
    assert bench.said[0].message == "no value of val/loss yet for 1 min"


def test_a_run_that_finished_lacks_nothing_and_a_lost_one_does():
    rules = ("no val/loss for 60s", "gone: status lost")
    finished = Bench(*rules)
    finished.value(10, 1.0)
    assert finished.status(20, "finished") == []
    assert finished.tick(1000) == []
    lost = Bench(*rules)
    lost.value(10, 1.0)
    assert lost.status(20, "lost") == ["firing"]
    assert lost.tick(1000) == ["no-data"]


def test_a_missing_metric_is_over_when_the_run_has_finished():
    bench = Bench("no val/loss for 60s")
    bench.tick(61)
    assert bench.status(70, "finished") == ["resolved"]
    assert bench.said[1].message == "over after 10 s: the run has finished"
    assert bench.status(80, "running") == []
    assert bench.tick(139) == []
    assert bench.tick(141) == ["no-data"]


def test_a_firing_threshold_is_not_over_because_its_values_stop():
    bench = Bench("val/loss > 2.5", "no val/loss for 60s quiet")
    bench.value(0, 3.0)
    assert bench.tick(1000) == ["no-data"]
    assert bench.status(1001, "finished") == ["ok"]
    assert bench.alerter.states()[("val/loss > 2.5", "val/loss")] == "firing"


def test_an_event_fires_once_until_the_metric_has_recovered():
    bench = Bench("slow: event degradation")
    assert bench.event(1, "degradation") == ["firing"]
    assert bench.event(2, "degradation") == []
    assert bench.event(3, "degradation", metric="train/loss") == ["firing"]
    assert bench.event(4, "recovered", message="val/loss is what it was") == ["resolved"]
    assert bench.event(5, "recovered") == []
    assert bench.said[-1].message == "over after 3 s: val/loss is what it was"


def test_it_is_over_when_all_who_spoke_say_so():
    rules = ("slow: event degradation",)
    bench = Bench(*rules)
    assert bench.event(1, "degradation", source="ewma") == ["firing"]
    assert bench.event(2, "degradation", source="adwin") == []
    assert bench.event(3, "recovered", source="ewma") == []
    assert bench.event(4, "recovered", source="cusum") == []  # who has said nothing
    assert bench.event(5, "recovered", source="adwin") == ["resolved"]
    again = Bench(*rules, before=bench.said[:1])
    assert again.event(6, "recovered", source="cusum") == []
    assert again.event(7, "recovered", source="ewma") == ["resolved"]


def test_a_rule_under_another_does_not_begin_while_that_one_fires_for_the_same_metric():
    bench = Bench(
        "invalid: event validity",
        "nan: */loss is nan under invalid",
        "high: val/loss > 2 under hang",
        "hang: status hanging",
    )
    assert bench.event(1, "validity") == ["firing"]
    assert bench.value(1, math.nan) == []
    assert bench.value(2, math.nan, "train/loss") == ["firing"]
    assert bench.event(3, "recovered") == ["resolved"]
    assert bench.value(4, math.nan) == ["firing"]
    assert bench.event(5, "validity") == ["firing"]
    assert bench.value(6, 1.0) == ["resolved"]  # it had begun before
    assert bench.status(7, "hanging") == ["firing"]
    assert bench.value(8, 3.0) == []
    assert bench.status(9, "running") == ["resolved"]
    assert bench.value(10, 3.0) == ["firing"]
    resumed = Bench("invalid: event validity", "nan: */loss is nan under invalid", before=bench.said[:1])
    assert resumed.value(11, math.nan) == []


def test_a_rule_cannot_be_under_one_that_is_not_there():
    with pytest.raises(
        UsageError, match="under 'hung', but there is no such rule; there are: degradation, fault, hang"
    ):
        Bench("val/loss > 2 under hung")
    Bench("val/loss > 2 under hang")  # a built-in one may have been left out


def test_an_event_that_is_worse_than_the_one_told_is_told():
    bench = Bench("slow: event degradation")
    assert bench.event(1, "degradation", severity="warning") == ["firing"]
    assert bench.event(2, "degradation", severity="critical") == ["firing"]
    assert bench.event(3, "degradation", severity="critical") == []
    assert [alert.severity for alert in bench.said] == ["warning", "critical"]


def test_events_that_have_no_end_of_their_own_are_over_when_no_more_come():
    bench = Bench("odd: event anomaly keep 60s")
    assert bench.event(0, "anomaly") == ["firing"]
    assert bench.event(50, "anomaly") == []
    assert bench.tick(100) == []
    assert bench.tick(120) == ["resolved"]
    assert bench.said[-1].time_ns == 110 * S
    assert bench.said[-1].message == "over after 1 min 50 s: no more of it for 1 min"
    assert bench.said[-1].evidence["events"] == 2


def test_a_hang_that_ends_is_over():
    bench = Bench("hang: status hanging for 30s")
    assert bench.status(0, "hanging") == []
    assert bench.status(20, "hanging") == []
    assert bench.status(31, "hanging", step=7, reason="no step for 30 s") == ["firing"]
    assert bench.status(40, "running") == ["resolved"]


def test_out_of_memory_and_a_failed_run_are_different_things():
    oom = Bench(*default_rules())
    oom.status(1, "killed", reason="out of memory")
    assert [alert.rule for alert in oom.said] == ["out-of-memory"]
    failed = Bench(*default_rules())
    failed.status(1, "failed", reason="ValueError", step=12)
    assert [(alert.rule, alert.message) for alert in failed.said] == [
        ("run-failed", "the run has failed: ValueError (step 12)")
    ]


def test_a_run_that_simply_finishes_says_nothing():
    bench = Bench(*default_rules())
    bench.status(0, "starting")
    bench.value(1, 0.5)
    bench.status(2, "finished")
    assert bench.said == []


def test_what_fires_already_does_not_fire_again_after_a_restart():
    rules = ("val/loss > 2.5", "gone: status lost", "slow: event degradation", "no train/loss for 5s")
    first = Bench(*rules)
    first.value(1, 3.0)
    first.status(2, "lost")
    first.event(3, "degradation")
    first.tick(6)
    assert len(first.said) == 4
    second = Bench(*rules, before=first.said)
    assert second.value(10, 3.1) == []
    assert second.status(11, "lost") == []
    assert second.event(12, "degradation") == []
    assert second.tick(13) == []
    assert second.value(21, 2.0) == ["resolved"]
    assert second.said[0].duration_s == 20
    assert second.status(22, "running") == ["resolved"]
    assert second.event(23, "recovered") == ["resolved"]
    assert second.value(24, 1.0, "train/loss") == ["resolved"]


def test_events_that_fired_before_a_restart_are_over_when_no_more_come_after_it():
    first = Bench("odd: event anomaly keep 60s")
    first.event(10, "anomaly")
    second = Bench("odd: event anomaly keep 60s", before=first.said)
    assert second.tick(59) == []
    assert second.tick(61) == ["resolved"]
    assert second.said[0].duration_s == 50


def test_what_was_over_before_a_restart_fires_anew():
    first = Bench("val/loss > 2.5")
    first.values((1, 3.0), (2, 2.0))
    assert Bench("val/loss > 2.5", before=first.said).value(3, 3.0) == ["firing"]


def test_a_message_of_one_s_own_is_filled_and_cannot_reach_into_objects():
    bench = Bench('big: val/loss > 2 severity info message "{severity}: {metric}={value} at step {step} > {threshold}"')
    bench.value(1, 3.0, step=9)
    assert bench.said[0].message == "info: val/loss=3 at step 9 > 2"


def test_secrets_and_terminal_escapes_in_what_others_say_are_not_passed_on():
    bench = Bench("bad: event fault")
    bench.event(1, "fault", message="\x1b[2Jpush to https://me:hunter2@host/x\nfailed")
    assert bench.said[0].message == "?[2Jpush to https://***@host/x failed"


def test_two_rules_cannot_have_one_name():
    with pytest.raises(UsageError, match="two alert rules have the name 'a'"):
        Alerter([parse("a: loss > 1"), parse("a: loss > 2")], [])


def test_an_error_inside_is_told_once_and_counted(capsys):
    bench = Bench("val/loss > 2.5")
    assert bench.value(1, "not a number") == []
    assert bench.value(2, "not a number") == []
    assert bench.alerter.errors == 2
    assert capsys.readouterr().err.count("told once") == 1
