"""Rules, their states, and the sinks that are told: the one object that a monitored run talks to."""

from __future__ import annotations

import atexit
import os
import re
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TypeVar

from ...errors import UsageError
from ...model.monitoring import Alert, AlertState, Event, Point, Status
from .courier import Courier, Retry
from .defaults import default_rules
from .message import payload
from .rules import NS_PER_S, Absence, Is, OnEvent, OnStatus, Rule, Threshold
from .sinks import Sink
from .spool import Spool
from .states import Change
from .telling import alert_of, is_told, tell
from .watched import Happening, Silence, Standing, Values, Watched

#: How long `close` waits for sinks, all of them together: a script's end is not held up by a receiver.
CLOSE_S = 3.0
_NEVER_NS = 1 << 62

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """How a sink stands."""

    sink: str
    delivered: int
    #: Tries that failed; alerts that the receiver will not have; alerts that wait; alerts given up because too many waited.
    failures: int
    refused: int
    waiting: int
    dropped: int
    #: Why what waits is in memory alone; None where it is on disk, or was never to be.
    spool_failure: str | None


class Alerter:
    """Implements `monitor.pipeline.Alerter`. No method raises, and none waits for a sink. Methods may be called from any thread.

    *spool*: the folder in which alerts that a sink could not take are kept for the next process; None keeps them in memory. *before*: alerts
    that an earlier process recorded (`record.read(run).alerts`): what fires already does not fire again. *baseline*: of metrics, by
    canonical name; what is not in it is taken from the first values (`alerts.watched`). Raises UsageError where two rules have one name,
    or one is under a rule that is not there.
    """

    def __init__(
        self,
        rules: Iterable[Rule],
        sinks: Iterable[Sink],
        *,
        run: str = "",
        now: Callable[[], int] = time.time_ns,
        spool: Path | None = None,
        before: Iterable[Alert] = (),
        baseline: Mapping[str, float] | None = None,
        retry: Retry | None = None,
    ) -> None:
        self.rules = list(rules)
        _refuse_names(self.rules)
        #: Errors inside: bugs, of which the first is told on stderr.
        self.errors = 0
        self._run, self._pid = run, os.getpid()
        self._baseline = dict(baseline or {})
        self._lock = threading.RLock()
        self._is_closed = False
        self._due_ns = _NEVER_NS
        self._value_rules = [rule for rule in self.rules if isinstance(rule.when, Threshold | Is)]
        #: Rules and metrics that fire.
        self._firing: set[tuple[str, str]] = set()
        self._of_metric: dict[str, list[Values | Silence]] = {}
        self._happenings: dict[tuple[str, str], Happening] = {}
        self._standings = [Standing(rule) for rule in self.rules if isinstance(rule.when, OnStatus)]
        self._silences = [Silence(r, r.when.metric, now()) for r in self.rules if isinstance(r.when, Absence)]
        self._event_rules = [(rule, rule.when) for rule in self.rules if isinstance(rule.when, OnEvent)]
        self._restore(before, now())
        self._couriers = [Courier(sink, Spool(_spool_file(spool, sink)), tell, retry=retry) for sink in sinks]
        self._set_due()
        if self._couriers:
            atexit.register(self.close)

    # -- what happens

    def observe(self, point: Point) -> list[Alert]:
        """Values."""
        return self._guarded(self._observe, point, point.time_ns)

    def event(self, event: Event) -> list[Alert]:
        """An event."""
        return self._guarded(self._event, event, event.time_ns)

    def status(self, status: Status) -> list[Alert]:
        """How the process stands."""
        return self._guarded(self._status, status, status.time_ns)

    def tick(self, time_ns: int) -> list[Alert]:
        """Time has passed."""
        return self._guarded(lambda _: (), None, time_ns)

    def close(self, timeout_s: float = CLOSE_S) -> None:
        """Deliver what can be delivered within *timeout_s*; the rest stays in the spool. Later calls do nothing."""
        if self._is_closed or os.getpid() != self._pid:
            return
        self._is_closed = True
        atexit.unregister(self.close)
        deadline_s = time.monotonic() + timeout_s
        for courier in self._couriers:
            courier.begin_close()
        for courier in self._couriers:
            courier.close(deadline_s - time.monotonic())
            if courier.waiting:
                lost = courier.unsaved
                kept = [f"{courier.waiting - lost} kept for the next process"] if courier.waiting > lost else []
                kept += [f"{lost} lost with this one"] if lost else []
                tell(f"not delivered to {courier.sink.name}: {', '.join(kept)}")

    # -- how things stand

    def deliveries(self) -> list[Delivery]:
        """How the sinks stand."""
        return [
            Delivery(
                sink=courier.sink.name, delivered=courier.delivered, failures=courier.failures, refused=courier.refused,
                waiting=courier.waiting, dropped=courier.dropped, spool_failure=courier.spool_failure,
            )
            for courier in self._couriers
        ]  # fmt: skip

    def states(self) -> dict[tuple[str, str], AlertState]:
        """The state by rule and metric, of all that has been looked at."""
        with self._lock:
            return {(watched.rule.name, watched.metric): watched.machine.state for watched in self._all()}

    # -- inside

    def _guarded(self, take: Callable[[T], Iterable[Alert]], what: T, time_ns: int) -> list[Alert]:
        if self._is_closed or os.getpid() != self._pid:  # a forked worker has the object but not the threads
            return []
        try:
            with self._lock:
                alerts = self._advance(time_ns) if time_ns >= self._due_ns else []
                alerts += take(what)
                return alerts
        except Exception as error:  # the monitored program must not hear of it
            self.errors += 1
            if self.errors == 1:
                tell(f"an alert rule failed ({type(error).__name__}: {error}); the run goes on, this is told once")
            return []

    def _observe(self, point: Point) -> list[Alert]:
        alerts = []
        for name, value in point.values.items():
            watching = self._of_metric.get(name)
            if watching is None:
                watching = self._of_metric[name] = self._watch(name)
            for watched in watching:
                if isinstance(watched, Silence):
                    change = watched.seen(value, point.time_ns)
                elif self._is_covered(watched):
                    continue
                else:
                    change = watched.take(value, point)
                if change is not None:
                    alerts.append(self._alert(watched, change))
                self._note_due(watched)
        return alerts

    def _event(self, event: Event) -> list[Alert]:
        alerts = []
        for rule, when in self._event_rules:
            if not when.covers(event.metric, event.source):
                continue
            key = (rule.name, event.metric)
            watched = self._happenings.get(key)
            if watched is None:
                if event.kind == "recovered":
                    continue
                watched = self._happenings[key] = Happening(rule, event.metric)
            if self._is_covered(watched):
                continue
            if (change := watched.take(event)) is not None:
                alerts.append(self._alert(watched, change))
            self._note_due(watched)
        return alerts

    def _status(self, status: Status) -> list[Alert]:
        alerts = []
        for watched in self._standings:
            if self._is_covered(watched):
                continue
            if (change := watched.take(status)) is not None:
                alerts.append(self._alert(watched, change))
            self._note_due(watched)
        for silence in self._silences:
            if (change := silence.expect(status)) is not None:
                alerts.append(self._alert(silence, change))
            self._note_due(silence)
        return alerts

    def _advance(self, time_ns: int) -> list[Alert]:
        """What became due up to *time_ns*, in the order of its times."""
        found = [(change, watched) for watched in self._all() if (change := watched.advance(time_ns)) is not None]
        found.sort(key=lambda pair: pair[0].time_ns)
        self._set_due()
        return [self._alert(watched, change) for change, watched in found]

    def _is_covered(self, watched: Watched) -> bool:
        """Whether another rule has told of the same trouble, so that this one does not begin to."""
        under = watched.rule.under
        if not under or watched.machine.state == "firing":
            return False
        return any((name, metric) in self._firing for name in under for metric in (watched.metric, ""))

    def _watch(self, name: str) -> list[Values | Silence]:
        """Who looks at the metric of that name, seen for the first time."""
        found: list[Values | Silence] = [
            Values(rule, name, self._baseline.get(name))
            for rule in self._value_rules
            if isinstance(rule.when, Threshold | Is) and fnmatchcase(name, rule.when.metric)
        ]
        return found + [silence for silence in self._silences if fnmatchcase(name, silence.metric)]

    def _all(self) -> Iterator[Watched]:
        for watching in self._of_metric.values():
            yield from (watched for watched in watching if isinstance(watched, Values))
        yield from self._happenings.values()
        yield from self._standings
        yield from self._silences

    def _set_due(self) -> None:
        self._due_ns = min((due for watched in self._all() if (due := watched.due_ns) is not None), default=_NEVER_NS)

    def _note_due(self, watched: Watched) -> None:
        """The earliest time at which something may be due: never too late, at times too early."""
        due_ns = watched.due_ns
        if due_ns is not None and due_ns < self._due_ns:
            self._due_ns = due_ns

    def _restore(self, before: Iterable[Alert], now_ns: int) -> None:
        last = {(alert.rule, alert.metric): alert for alert in before}
        rules = {rule.name: rule for rule in self.rules}
        for (name, metric), alert in last.items():
            if name in rules and alert.state in ("firing", "no-data"):
                watched = self._find(rules[name], metric)
                watched.machine.restore(alert.state, alert.since_ns, alert.time_ns - round(alert.duration_s * NS_PER_S))
                watched.severity, watched.value, watched.trouble = alert.severity, alert.value, alert.message
                watched.evidence = dict(alert.evidence)
                if alert.state == "firing":
                    self._firing.add((name, metric))
                if isinstance(watched, Happening):
                    watched.go_on(now_ns)

    def _find(self, rule: Rule, metric: str) -> Watched:
        if isinstance(rule.when, OnEvent):
            return self._happenings.setdefault((rule.name, metric), Happening(rule, metric))
        known: Sequence[Watched] = self._standings if isinstance(rule.when, OnStatus) else self._silences
        if isinstance(rule.when, Threshold | Is):
            known = self._of_metric.setdefault(metric, self._watch(metric))
        return next((one for one in known if one.rule is rule), Watched(rule, metric))

    # -- telling

    def _alert(self, watched: Watched, change: Change) -> Alert:
        alert = alert_of(watched, change, self._run)
        (self._firing.add if change.state == "firing" else self._firing.discard)((alert.rule, alert.metric))
        if is_told(watched.rule, change.state):
            for courier in self._couriers:
                courier.put(payload(alert))
        return alert


def _refuse_names(rules: Sequence[Rule]) -> None:
    seen: set[str] = set()
    for rule in rules:
        if rule.name in seen:
            raise UsageError(
                f"two alert rules have the name {rule.name!r}; put another one and a colon before one of them"
            )
        seen.add(rule.name)
    known = seen | {rule.name for rule in default_rules()}  # which may have been left out
    for rule in rules:
        if unknown := [name for name in rule.under if name not in known]:
            raise UsageError(
                f"rule {rule.name!r}: under {unknown[0]!r}, but there is no such rule; there are: {', '.join(sorted(known))}"
            )


def _spool_file(folder: Path | None, sink: Sink) -> Path | None:
    if folder is None or not sink.durable:
        return None
    return folder / (re.sub(r"[^A-Za-z0-9._-]+", "-", sink.name).strip("-")[-100:] + ".spool")
