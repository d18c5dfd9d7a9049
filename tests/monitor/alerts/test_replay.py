"""The same rules over the record give the same alerts; an Alerter goes on where another was killed."""

import dataclasses
import math
import os
import random
import signal
import subprocess
import sys

from hypothesis import given, settings
from hypothesis import strategies as st

from perfkit.model.monitoring import Event, Point, Status
from perfkit.monitor import record
from perfkit.monitor.alerts.alerter import Alerter
from perfkit.monitor.alerts.defaults import default_rules
from perfkit.monitor.alerts.grammar import parse
from perfkit.monitor.alerts.opening import open_alerter
from perfkit.monitor.alerts.replay import replay
from perfkit.monitor.alerts.sinks.file import File
from perfkit.monitor.pipeline import Pipeline

S = 1_000_000_000
RULES = [
    "val/loss > 2.5 for 3s clear 2.3",
    "fast: val/loss > 2.5 breaches 2 clears 2",
    "kept: val/loss > 2.5 keep 4s",
    "no val/loss for 5s",
    "slow: event degradation",
    "odd: event anomaly keep 3s",
    "hang: status hanging for 2s",
]


def recorded_live(run, seed, ticks):
    """A run of 200 things that happen at random, written to the record of *run*; what its alerter said."""
    draw, now_ns = random.Random(seed), 1000 * S
    alerter = Alerter([parse(text) for text in RULES], [], run=run.name, now=lambda: now_ns)
    writer = record.Writer(run)
    writer.write(Status(state="starting", time_ns=now_ns, monotonic_ns=0))
    said = []
    for n in range(200):
        later_ns = now_ns + draw.choice([0, S // 2, S, 2 * S, 9 * S])
        while ticks and now_ns + S // 4 < later_ns:
            now_ns += S // 4
            said += alerter.tick(now_ns)
        now_ns = later_ns
        times = {"time_ns": now_ns, "monotonic_ns": n}
        kind = draw.random()
        if kind < 0.7 or not n:
            value = draw.choice([2.0, 2.2, 2.4, 2.6, 3.0, math.nan])
            thing, take = Point(values={"val/loss": value}, step=n, **times), alerter.observe
            writer.point(thing)
        elif kind < 0.85:
            what = draw.choice(["degradation", "recovered", "anomaly"])
            thing = Event(kind=what, severity="warning", metric="val/loss", source="x", message=what, **times)
            take = alerter.event
            writer.write(thing)
        else:
            thing, take = (
                Status(state=draw.choice(["running", "hanging", "running", "finished"]), **times),
                alerter.status,
            )
            writer.write(thing)
        said += take(thing)
    for alert in said:
        writer.write(alert)
    writer.close()
    return said


def plain(alerts):
    return sorted(
        (a.time_ns, a.rule, a.metric, a.state, a.severity, a.message, a.since_ns, a.duration_s, repr(a.value), a.run) for a in alerts
    )  # fmt: skip


def test_a_replay_gives_the_alerts_of_the_run_itself_however_often_it_ticked(tmp_path):
    for seed in range(10):
        run = tmp_path / str(seed)
        run.mkdir()
        said = recorded_live(run, seed, ticks=bool(seed % 2))
        assert len(said) > 10
        assert plain(replay(run, [parse(text) for text in RULES])) == plain(said)


class NanWatch:
    def observe(self, point):
        kinds = {name: "recovered" if value == value else "validity" for name, value in point.values.items()}
        return [
            Event(
                kind=kind,
                severity="critical",
                metric=name,
                source="v",
                message=kind,
                time_ns=point.time_ns,
                monotonic_ns=0,
            )
            for name, kind in kinds.items()
        ]

    def finish(self):
        return []


def test_a_nan_loss_is_told_once_with_detectors_and_without_and_in_the_replay(tmp_path):
    for watch, rule in ((NanWatch(), "invalid"), (None, "loss-not-finite")):
        run = tmp_path / rule
        run.mkdir()
        pipeline = Pipeline(run, watch=watch, alerter=open_alerter(run, default_rules(), []))
        for value in (1.0, math.nan, math.nan, 1.0):
            pipeline.values({"loss": value})
        hidden = Event(
            kind="fault", severity="critical", metric="", source="health:end", message="", time_ns=1, monotonic_ns=1
        )
        pipeline.event(hidden, alert=False)
        pipeline.close()
        said = record.read(run).alerts
        assert [(alert.rule, alert.state) for alert in said] == [(rule, "firing"), (rule, "resolved")]
        assert plain(replay(run, default_rules())) == plain(said)


def test_a_threshold_can_be_tuned_on_a_run_that_is_over(tmp_path):
    writer = record.Writer(tmp_path)
    for n, value in enumerate([1.0, 2.0, 3.0, 2.0, 1.0]):
        writer.point(Point(values={"val/loss": value}, time_ns=n * S, monotonic_ns=n))
    writer.close()
    found = {
        level: [a.time_ns // S for a in replay(tmp_path, [parse(f"val/loss > {level}")])] for level in (1.5, 2.5, 9)
    }
    assert found == {1.5: [1, 4], 2.5: [2, 3], 9: []}
    assert replay(tmp_path / "nothing", default_rules()) == []


@settings(max_examples=200, deadline=None)
@given(
    values=st.lists(st.sampled_from([2.0, 2.4, 2.6, math.nan]), max_size=60),
    gaps=st.lists(st.integers(0, 5), min_size=60, max_size=60),
    options=st.tuples(st.integers(0, 4), st.integers(0, 4), st.integers(1, 3), st.integers(1, 3)),
    restart=st.integers(0, 60),
)
def test_whatever_comes_firing_and_resolved_take_turns_also_over_a_restart(values, gaps, options, restart):
    for_s, keep_s, breaches, clears = options
    rule = parse(f"val/loss > 2.5 for {for_s}s clear 2.3 keep {keep_s}s breaches {breaches} clears {clears}")
    alerter = Alerter([rule], [], now=lambda: 0)
    said, now_s = [], 0
    for n, value in enumerate(values):
        now_s += gaps[n]
        said += alerter.observe(Point(values={"val/loss": value}, time_ns=now_s * S, monotonic_ns=0))
        if n == restart:
            alerter = Alerter([rule], [], now=lambda: 0, before=said)
    assert [alert.state for alert in said] == ["firing", "resolved"] * (len(said) // 2) + ["firing"] * (len(said) % 2)
    assert alerter.errors == 0
    assert [alert.time_ns for alert in said] == sorted(alert.time_ns for alert in said)
    for fired, over in zip(said[::2], said[1::2], strict=False):
        assert fired.time_ns - fired.since_ns >= for_s * S
        assert over.duration_s == (over.time_ns - fired.time_ns) / S


LIVE = """
import os, pathlib, signal, sys
from perfkit.monitor.alerts.grammar import parse
from perfkit.monitor.alerts.opening import open_alerter
from perfkit.monitor.alerts.sinks.file import File
from perfkit.monitor.pipeline import Pipeline
run = pathlib.Path(sys.argv[1])
rules = [parse("val/loss > 2.5 clear 2.3"), parse("slow: step_time > 1.5 * baseline")]
pipeline = Pipeline(run, alerter=open_alerter(run, rules, [File(run / "told.jsonl")]))
for value in map(float, sys.argv[3:]):
    pipeline.values({"val_loss": value, "step_time": 0.1})
if sys.argv[2] == "killed":
    os.kill(os.getpid(), signal.SIGKILL)
pipeline.close()
"""


def test_a_run_that_is_killed_and_resumed_fires_once_and_resolves_once(tmp_path):
    high = ["1.0"] * 30 + ["3.0"] * 5
    killed = subprocess.run([sys.executable, "-c", LIVE, str(tmp_path), "killed", *high], check=False)
    assert killed.returncode == -signal.SIGKILL
    subprocess.run([sys.executable, "-c", LIVE, str(tmp_path), "ends", "3.0", "2.4", "3.0", "2.0"], check=True)
    assert [alert.state for alert in record.read(tmp_path).alerts] == ["firing", "resolved"]
    told = (tmp_path / "told.jsonl").read_text()
    assert (told.count('"state":"firing"'), told.count('"state":"resolved"')) == (1, 1)
    again = open_alerter(tmp_path, [parse("slow: step_time > 1.5 * baseline")], [File(tmp_path / "more.jsonl")])
    slow = Point(values={"perf/step_time_s": 0.2}, time_ns=1, monotonic_ns=1)
    assert [alert.state for alert in again.observe(slow)] == ["firing"]  # the baseline is known from the record
    again.close()


def test_an_alert_as_recorded_is_read_as_the_same(tmp_path):
    said = recorded_live(tmp_path, 3, ticks=True)
    read = record.read(tmp_path).alerts
    assert plain(read) == plain(said)
    assert [dataclasses.asdict(alert)["evidence"] for alert in read] == [alert.evidence for alert in said]
    assert os.path.getsize(tmp_path / "monitor.jsonl") > 0
