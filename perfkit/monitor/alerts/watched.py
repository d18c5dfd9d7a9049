"""One rule over one metric, event's metric or run: what it is told, and the facts of its present trouble."""

from __future__ import annotations

import math
from collections.abc import Iterable
from itertools import islice
from statistics import median
from typing import Any

from ...model.monitoring import Event, Point, Severity, Status
from .message import lasted
from .rules import NS_PER_S, SEVERITIES, Absence, Is, OnEvent, OnStatus, Rule, Threshold
from .states import Change, Machine

#: The baseline of a series that was given none: the median of BASELINE_VALUES values behind the first BASELINE_SKIPPED, which are
#: slow for reasons of their own (compilation, caches that fill).
BASELINE_SKIPPED = 5
BASELINE_VALUES = 20

_STANDS = {
    "starting": "is starting", "running": "is running", "hanging": "hangs", "finished": "has finished", "failed": "has failed",
    "killed": "was killed", "lost": "is lost",
}  # fmt: skip
_SIDE = {">": "above", ">=": "at or above", "<": "below", "<=": "at or below"}


def own_baseline(values: Iterable[float]) -> float | None:
    """What a series that was given no baseline is measured against, once it has enough values; None before."""
    most = BASELINE_SKIPPED + BASELINE_VALUES
    first = list(islice((float(value) for value in values if math.isfinite(value)), most))
    return median(first[BASELINE_SKIPPED:]) if len(first) == most else None


class Watched:
    """A state machine with the facts that its alerts tell."""

    def __init__(self, rule: Rule, metric: str) -> None:
        self.rule, self.metric, self.machine = rule, metric, Machine(rule)
        self.severity: Severity = rule.severity or "warning"
        self.value: float | None = None
        self.evidence: dict[str, Any] = {}
        #: What is the matter, and how things stand now: for the messages.
        self.trouble = self.present = ""

    @property
    def due_ns(self) -> int | None:
        """When time alone will change its state."""
        return self.machine.due_ns

    def advance(self, time_ns: int) -> Change | None:
        """What became due up to *time_ns*."""
        return self.machine.advance(time_ns)

    @property
    def threshold(self) -> float | None:
        """The level in force, where there is one."""
        return None


class Values(Watched):
    """A threshold or a quality over the values of a metric."""

    def __init__(self, rule: Rule, metric: str, baseline: float | None) -> None:
        super().__init__(rule, metric)
        assert isinstance(rule.when, Threshold | Is)
        self._when = rule.when
        self._first: list[float] = []
        self._level = self._clear = math.nan
        self._is_known = isinstance(rule.when, Is)
        if isinstance(rule.when, Threshold) and (baseline is not None or not rule.when.of_baseline):
            self._know(rule.when, baseline)

    @property
    def threshold(self) -> float | None:
        """The level in force; None where there is none (yet)."""
        return self._level if self._level == self._level else None

    def take(self, value: float, point: Point) -> Change | None:
        """A value."""
        when = self._when
        if not self._is_known:
            assert isinstance(when, Threshold)
            self._learn(when, value)
            return None
        if isinstance(when, Is):
            is_beyond, is_back = when.beyond(value), True
        else:
            is_beyond = when.beyond(value, self._level)
            is_back = when.back(value, self._clear) if self._clear == self._clear else value == value
        if is_beyond:
            self._note(value, point)
            return self.machine.beyond(point.time_ns)
        if self.machine.state not in ("firing", "pending"):
            return None
        if is_back:
            self.value, self.present = value, f"{self.metric} is {value:.6g}"
            return self.machine.back(point.time_ns)
        if value == value:
            self.machine.between()
        return None

    def _note(self, value: float, point: Point) -> None:
        self.value = value
        axes = {"step": point.step, "epoch": point.epoch}
        self.evidence = {**self._levels, **{axis: at for axis, at in axes.items() if at is not None}}
        self.trouble = f"{self.metric} is {value:.6g}{self._beyond}"

    def _learn(self, when: Threshold, value: float) -> None:
        if math.isfinite(value):
            self._first.append(value)
        if (baseline := own_baseline(self._first)) is not None:
            self._know(when, baseline)
            self._first = []

    def _know(self, when: Threshold, baseline: float | None) -> None:
        level, clear = when.level.at(baseline), when.clear.at(baseline) if when.clear else None
        self._is_known = True
        self._level, self._clear = math.nan if level is None else level, math.nan if clear is None else clear
        self._levels = {"threshold": level}
        self._levels |= {} if clear is None else {"clear": clear}
        self._levels |= {"baseline": baseline} if when.of_baseline else {}
        of = f" ({when.level.value:.6g} × its baseline)" if when.level.of_baseline else ""
        self._beyond = f", {_SIDE[when.op]} {level:.6g}{of}"

    _levels: dict[str, float | None] = {}  # noqa: RUF012 - replaced, never changed
    _beyond = ""


class Silence(Watched):
    """The absence of a metric's values. Of a glob: of all that match it."""

    def __init__(self, rule: Rule, metric: str, began_ns: int) -> None:
        super().__init__(rule, metric)
        assert isinstance(rule.when, Absence)
        self._when = rule.when
        self._after_ns = round(rule.when.after_s * NS_PER_S)
        self._last_ns, self._is_expected, self._had_any = began_ns, True, False

    @property
    def due_ns(self) -> int | None:
        """When it will have been too long."""
        is_open = self._is_expected and self.machine.state != "no-data"
        return self._last_ns + self._after_ns if is_open else None

    def advance(self, time_ns: int) -> Change | None:
        """Whether it has been too long at *time_ns*."""
        due_ns = self.due_ns
        if due_ns is None or due_ns > time_ns:
            return None
        yet = "" if self._had_any else " yet"
        self.trouble = f"no value of {self.metric}{yet} for {lasted(self._when.after_s)}"
        self.evidence = {"last_value_ns": self._last_ns} if self._had_any else {}
        return self.machine.absent(due_ns, self._last_ns)

    def seen(self, value: float, time_ns: int) -> Change | None:
        """A value."""
        self._last_ns, self._had_any, self._is_expected = max(time_ns, self._last_ns), True, True
        self.value, self.present = value, f"{self.metric} is {value:.6g}"
        return self.machine.present(time_ns, told=self._when.tells)

    def expect(self, status: Status) -> Change | None:
        """The run goes on (values are expected from now on), or has been seen to end (none are)."""
        if status.state in ("finished", "failed", "killed"):
            self._is_expected = False
            self.present = f"the run {_STANDS[status.state]}"
            return self.machine.present(status.time_ns, told=self._when.tells)
        if status.state in ("starting", "running") and not self._is_expected:
            self._is_expected, self._last_ns = True, status.time_ns
        return None


class Happening(Watched):
    """Events about one metric. It is over when all sources that spoke say that it has recovered, or when no more come for keep_firing_s."""

    def __init__(self, rule: Rule, metric: str) -> None:
        super().__init__(rule, metric)
        assert isinstance(rule.when, OnEvent)
        self._when = rule.when
        self._count = 0
        #: Who says that it is not over.
        self._open: set[str] = set()

    def go_on(self, time_ns: int) -> None:
        """It fires since an earlier process: from now on no more may come."""
        self._count = int(self.evidence.get("events", 1))
        self._open = set(self.evidence.get("sources", ()))
        self._await(time_ns)

    def take(self, event: Event) -> Change | None:
        """An event about its metric."""
        if self._when.matches(event.kind, event.severity, event.metric, event.source):
            return self._again(event)
        if event.kind == "recovered" and self.machine.state in ("firing", "pending"):
            self._open.discard(event.source)
            if not self._open:
                self.present = event.message
                return self.machine.back(event.time_ns)
        return None

    def _again(self, event: Event) -> Change | None:
        is_worse = self.rule.severity is None and SEVERITIES.index(event.severity) > SEVERITIES.index(self.severity)
        was_firing = self.machine.state == "firing"
        if self.machine.state not in ("firing", "pending"):
            self._open = set()
        self._open.add(event.source)
        self._count = self._count + 1 if was_firing else 1
        if self.rule.severity is None and (is_worse or not was_firing):
            self.severity = event.severity
        if not was_firing or is_worse:
            self._note(event)
        change = self.machine.beyond(event.time_ns)
        if was_firing and is_worse:
            change = self.machine.again(event.time_ns)
        self._await(event.time_ns)
        self.evidence |= {"events": self._count, "sources": sorted(self._open)}
        return change

    def _await(self, time_ns: int) -> None:
        """It is over when no more have come for keep_firing_s, where the rule has that."""
        if self.machine.state == "firing" and self.rule.keep_firing_s:
            self.present = f"no more of it for {lasted(self.rule.keep_firing_s)}"
            self.machine.back(time_ns)

    def _note(self, event: Event) -> None:
        self.trouble = event.message
        facts = {
            "kind": event.kind,
            "source": event.source,
            "step": event.step,
            "epoch": event.epoch,
            "advice": event.advice,
        }
        self.evidence = {**event.evidence, **{name: fact for name, fact in facts.items() if fact not in (None, "")}}


class Standing(Watched):
    """The run's own state."""

    def __init__(self, rule: Rule) -> None:
        super().__init__(rule, "")
        assert isinstance(rule.when, OnStatus)
        self._when = rule.when

    def take(self, status: Status) -> Change | None:
        """A status."""
        reason = f": {status.reason}" if status.reason else ""
        words = f"the run {_STANDS[status.state]}{reason}"
        if not self._when.matches(status.state, status.reason):
            self.present = words
            return self.machine.back(status.time_ns)
        self.trouble = words + ("" if status.step is None else f" (step {status.step})")
        facts = {
            "status": status.state,
            "reason": status.reason,
            "pid": status.pid,
            "step": status.step,
            "epoch": status.epoch,
        }
        self.evidence = {name: fact for name, fact in facts.items() if fact not in (None, "")}
        return self.machine.beyond(status.time_ns)
