"""The way of a value through the monitor: history, record, detectors, alerts. The one wiring for code and command."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from ..model.monitoring import Alert, Event, Point, Status
from .history import History
from .record import Writer


class Watch(Protocol):
    """Detectors over all series (`monitor.detect.watch.Watch`)."""

    def observe(self, point: Point) -> list[Event]:
        """What they say about a point, each thing once."""

    def finish(self) -> list[Event]:
        """What can only be said at the end."""


class Alerter(Protocol):
    """Rules, states and sinks (`monitor.alerts.alerter.Alerter`)."""

    def observe(self, point: Point) -> list[Alert]:
        """Changes of state that a point brings about; sinks have been told."""

    def event(self, event: Event) -> list[Alert]:
        """The same for an event."""

    def status(self, status: Status) -> list[Alert]:
        """The same for a status: a run that is lost, failed or finished."""

    def tick(self, time_ns: int) -> list[Alert]:
        """The same for time that has passed: pending becomes firing, a series that has stopped becomes no-data."""

    def close(self) -> None:
        """Deliver what can be delivered, keep the rest in the spool."""


class Pipeline:
    """Everything that is known of one monitored run goes through here, in order; from any thread of the process that made it.

    In a process forked from that one (a loader's worker) it does nothing. Detectors that fail are put aside, and the record says so.
    """

    def __init__(self, run: Path, *, watch: Watch | None = None, alerter: Alerter | None = None) -> None:
        self.run = run
        self.history = History()
        self.writer = Writer(run)
        self._watch, self._alerter = watch, alerter
        self._lock, self._pid = threading.RLock(), os.getpid()
        self._is_closed = False

    def values(
        self,
        values: Mapping[str, float],
        *,
        split: str = "train",
        step: int | None = None,
        epoch: int | None = None,
        time_ns: int | None = None,
    ) -> list[Event]:
        """Values known now (names as people write them); returns what the detectors say about them."""
        if self._is_away:
            return []
        with self._lock:
            point = self.history.add(values, split=split, step=step, epoch=epoch, time_ns=time_ns)
            self.writer.point(point)
            events = self._watched(lambda watch: watch.observe(point))
            for event in events:
                self.event(event)
            self._note(self._alerter.observe(point) if self._alerter else ())
            return events

    def event(self, event: Event, *, alert: bool = True) -> None:
        """Something happened. Without *alert* rules do not see it: a status says the same, and one thing is to be told once."""
        if self._is_away:
            return
        with self._lock:
            self.history.events.append(event)
            self.writer.write(event, is_judged=alert)
            self._note(self._alerter.event(event) if self._alerter and alert else ())

    def status(self, status: Status) -> None:
        """How the process stands."""
        if self._is_away:
            return
        with self._lock:
            self.writer.write(status)
            self._note(self._alerter.status(status) if self._alerter else ())

    def tick(self) -> None:
        """Time has passed: call it about once a second where values may stop coming."""
        if self._is_away:
            return
        with self._lock:
            self._note(self._alerter.tick(time.time_ns()) if self._alerter else ())

    def close(self) -> None:
        """No more values: what the detectors say at the end, then the record is closed. A second call does nothing."""
        if self._is_away:
            return
        with self._lock:
            for event in self._watched(lambda watch: watch.finish()):
                self.event(event)
            self._is_closed = True
            if self._alerter:
                self._alerter.close()
            self.writer.close()

    @property
    def _is_away(self) -> bool:
        """Whether there is nothing to do here. Asked before the lock: of a fork, another thread may have had it."""
        return self._is_closed or os.getpid() != self._pid

    def _watched(self, ask: Callable[[Watch], list[Event]]) -> list[Event]:
        """What the detectors say."""
        if self._watch is None:
            return []
        try:
            return ask(self._watch)
        except Exception as error:  # the monitored program goes on, and so does the record
            self._watch = None
            return [_broken(error)]

    def _note(self, alerts: Sequence[Alert]) -> None:
        for alert in alerts:
            self.writer.write(alert)


def _broken(error: Exception) -> Event:
    return Event(
        kind="fault",
        severity="warning",
        metric="",
        source="pipeline",
        message=f"the detectors failed and were put aside ({type(error).__name__}: {error}); values are still recorded",
        time_ns=time.time_ns(),
        monotonic_ns=time.monotonic_ns(),
    )
