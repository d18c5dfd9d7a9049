"""The way of a value: history, record, detectors, alerts."""

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
