"""The way of a value: history, record, detectors, alerts."""

import os
import signal
import threading

import pytest

from perfkit.model.monitoring import Alert, Event
from perfkit.monitor import record
from perfkit.monitor.pipeline import Pipeline


class NanWatch:
    def observe(self, point):
        return [happened(name) for name, value in point.values.items() if value != value]

    def finish(self):
        return [happened("at the end")]


class Loud:
    def __init__(self):
        self.calls = []

    def observe(self, point):
        self.calls.append("observe")
        return []

    def event(self, event):
        self.calls.append("event")
        return [
            Alert(
                rule="nan",
                state="firing",
                severity="critical",
                metric=event.metric,
                message="",
                time_ns=1,
                since_ns=1,
                duration_s=0,
            )
        ]

    def status(self, status):
        return []

    def tick(self, time_ns):
        self.calls.append("tick")
        return []

    def close(self):
        self.calls.append("close")


def happened(metric):
    return Event(
        kind="validity", severity="critical", metric=metric, source="nan", message="", time_ns=1, monotonic_ns=1
    )


def test_a_value_goes_to_history_record_detectors_and_alerts(tmp_path):
    alerter = Loud()
    pipeline = Pipeline(tmp_path, watch=NanWatch(), alerter=alerter)
    assert pipeline.values({"loss": 1.0}, step=1) == []
    assert [event.metric for event in pipeline.values({"loss": float("nan")}, step=2)] == ["train/loss"]
    pipeline.tick()
    pipeline.close()
    found = record.read(tmp_path)
    assert found.history["loss"][0] == 1.0
    assert [event.metric for event in found.events] == ["train/loss", "at the end"]
    assert [alert.state for alert in found.alerts] == ["firing", "firing"]
    assert alerter.calls == ["observe", "event", "observe", "tick", "event", "close"]


def test_neither_detectors_nor_alerts_are_needed(tmp_path):
    pipeline = Pipeline(tmp_path)
    pipeline.values({"val_acc": 0.5}, epoch=0)
    pipeline.tick()
    pipeline.close()
    assert record.read(tmp_path).history["val/accuracy"].tolist() == [0.5]


def test_detectors_that_fail_are_put_aside_and_the_record_says_so(tmp_path):
    class Failing:
        def observe(self, point):
            raise ZeroDivisionError("of a detector")

    pipeline = Pipeline(tmp_path, watch=Failing(), alerter=Loud())
    assert [event.kind for event in pipeline.values({"loss": 1.0})] == ["fault"]
    assert pipeline.values({"loss": 2.0}) == []
    pipeline.close()
    found = record.read(tmp_path)
    assert found.history["loss"].tolist() == [1.0, 2.0]
    assert "ZeroDivisionError: of a detector" in found.events[0].message
    assert len(found.alerts) == 1


def test_values_from_many_threads_are_all_there(tmp_path):
    pipeline = Pipeline(tmp_path)
    barrier = threading.Barrier(8)

    def work(number):
        barrier.wait()
        for n in range(200):
            pipeline.values({"loss": n, f"mine_{n % 20}": number})

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    pipeline.close()
    assert len(pipeline.history["loss"]) == 1600
    assert [len(pipeline.history[f"mine_{n}"]) for n in range(20)] == [80] * 20
    found = record.read(tmp_path)
    assert found.history["loss"].tolist() == pipeline.history["loss"].tolist()
    assert found.damaged == 0


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")  # it is what is tested
def test_in_a_forked_worker_nothing_is_done_also_where_another_thread_was_at_it(tmp_path):
    alerter = Loud()
    pipeline = Pipeline(tmp_path, watch=NanWatch(), alerter=alerter)
    is_held, let_go = threading.Event(), threading.Event()

    def hold():
        with pipeline._lock:
            is_held.set()
            let_go.wait()

    thread = threading.Thread(target=hold)
    thread.start()
    is_held.wait()
    child = os.fork()
    if not child:
        signal.alarm(20)
        pipeline.values({"loss": float("nan")})
        pipeline.event(happened("x"))
        pipeline.tick()
        pipeline.close()
        os._exit(len(alerter.calls))
    let_go.set()
    thread.join()
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    pipeline.close()
    assert len(record.read(tmp_path).history) == 0


def test_after_the_end_nothing_more_is_recorded_and_the_end_comes_once(tmp_path):
    alerter = Loud()
    pipeline = Pipeline(tmp_path, watch=NanWatch(), alerter=alerter)
    pipeline.close()
    pipeline.close()
    assert pipeline.values({"loss": 1.0}) == []
    assert alerter.calls == ["event", "close"]
    assert [event.metric for event in record.read(tmp_path).events] == ["at the end"]


def test_an_event_that_rules_did_not_see_is_marked_in_the_record(tmp_path):
    pipeline = Pipeline(tmp_path, alerter=Loud())
    pipeline.event(happened("seen"))
    pipeline.event(happened("not seen"), alert=False)
    pipeline.close()
    assert [event.metric for event in record.read(tmp_path).events] == ["seen", "not seen"]
    judged = [entry.metric for entry in record.entries(tmp_path, judged_only=True)]
    assert judged == ["seen", "seen"]  # the event, and its alert
