"""A rule: what it looks at, when that is trouble, and for how long it must be before somebody is told.

Rules are data. They come from text (`alerts.grammar`), and are looked up against values, events and states by `alerts.alerter`.
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Literal, get_args

from ...errors import UsageError
from ...model.monitoring import EventKind, RunState, Severity
from ..names import canonical

NS_PER_S = 1_000_000_000

Operator = Literal[">", ">=", "<", "<="]
Quality = Literal["nan", "infinite", "not finite"]
SEVERITIES: tuple[Severity, ...] = get_args(Severity)
EVENT_KINDS: tuple[EventKind, ...] = get_args(EventKind)
RUN_STATES: tuple[RunState, ...] = get_args(RunState)
#: What a message may say in braces.
MESSAGE_FIELDS = (
    "rule",
    "metric",
    "value",
    "threshold",
    "severity",
    "state",
    "run",
    "step",
    "epoch",
    "duration",
    "event",
    "reason",
)

_COMPARE: dict[str, Callable[[float, float], bool]] = {
    ">": operator.gt, ">=": operator.ge, "<": operator.lt, "<=": operator.le,
}  # fmt: skip
_IS: dict[str, Callable[[float], bool]] = {
    "nan": math.isnan, "infinite": math.isinf, "not finite": lambda value: not math.isfinite(value),
}  # fmt: skip
_FIELD = re.compile(r"\{(\w*)\}")


@dataclass(frozen=True, kw_only=True)
class Level:
    """A number, or so many times the baseline of the metric."""

    value: float
    of_baseline: bool = False

    def at(self, baseline: float | None) -> float | None:
        """The number; None while the baseline is not known."""
        if not self.of_baseline:
            return self.value
        return None if baseline is None else self.value * baseline

    def __str__(self) -> str:
        return f"{self.value:.12g} * baseline" if self.of_baseline else f"{self.value:.12g}"


@dataclass(frozen=True, kw_only=True)
class Threshold:
    """Values of a metric beyond a level. Between *level* and *clear* nothing changes; NaN is neither beyond nor back."""

    metric: str
    op: Operator
    level: Level
    clear: Level | None = None

    @property
    def of_baseline(self) -> bool:
        """Whether a baseline is needed."""
        return self.level.of_baseline or (self.clear is not None and self.clear.of_baseline)

    def beyond(self, value: float, level: float) -> bool:
        """Whether *value* is trouble."""
        return _COMPARE[self.op](value, level)

    def back(self, value: float, clear: float) -> bool:
        """Whether *value* is no trouble any more: at the clearing level, or on its good side."""
        return value == value and (value <= clear if self.op[0] == ">" else value >= clear)

    def __str__(self) -> str:
        return f"{self.metric} {self.op} {self.level}"


@dataclass(frozen=True, kw_only=True)
class Is:
    """Values of a metric that are no numbers one can go on with."""

    metric: str
    quality: Quality

    def beyond(self, value: float) -> bool:
        """Whether *value* is so."""
        return _IS[self.quality](value)

    def __str__(self) -> str:
        return f"{self.metric} is {self.quality}"


@dataclass(frozen=True, kw_only=True)
class OnEvent:
    """Events. Empty *kinds* are all but "recovered" and "note"."""

    kinds: tuple[EventKind, ...] = ()
    metric: str = "*"
    source: str = "*"
    at_least: Severity = "info"

    def matches(self, kind: EventKind, severity: Severity, metric: str, source: str) -> bool:
        """Whether an event with these is meant."""
        return (
            (kind in self.kinds if self.kinds else kind not in ("recovered", "note"))
            and SEVERITIES.index(severity) >= SEVERITIES.index(self.at_least)
            and self.covers(metric, source)
        )

    def covers(self, metric: str, source: str) -> bool:
        """Whether an event about *metric* from *source* can be meant, whatever its kind."""
        return fnmatchcase(metric, self.metric) and fnmatchcase(source, self.source)

    def __str__(self) -> str:
        parts = ["event", ", ".join(self.kinds)] if self.kinds else ["event"]
        parts += [] if self.metric == "*" else ["of", self.metric]
        parts += [] if self.source == "*" else ["from", _quoted(self.source)]
        parts += [] if self.at_least == "info" else ["at least", self.at_least]
        return " ".join(parts)


@dataclass(frozen=True, kw_only=True)
class OnStatus:
    """States of the run. *reason* and *unless* are globs over the status's reason, in any case."""

    states: tuple[RunState, ...]
    reason: str = "*"
    unless: str = ""

    def matches(self, state: RunState, reason: str) -> bool:
        """Whether a status with these is meant."""
        said = reason.lower()
        return (
            state in self.states
            and fnmatchcase(said, self.reason.lower())
            and not (self.unless and fnmatchcase(said, self.unless.lower()))
        )

    def __str__(self) -> str:
        text = f"status {', '.join(self.states)}"
        text += "" if self.reason == "*" else f" reason {_quoted(self.reason)}"
        return text + (f" unless {_quoted(self.unless)}" if self.unless else "")


@dataclass(frozen=True, kw_only=True)
class Absence:
    """No value of a metric for so long, while the run has not been seen to end. *tells*: whether sinks hear of it."""

    metric: str
    after_s: float
    tells: bool = True

    def __str__(self) -> str:
        return f"no {self.metric} for {self.after_s:.12g}s{'' if self.tells else ' quiet'}"


Condition = Threshold | Is | OnEvent | OnStatus | Absence


@dataclass(frozen=True, kw_only=True)
class Rule:
    """When somebody is told about what. Raises UsageError where its parts contradict each other."""

    name: str
    when: Condition
    #: None: that of the event; else "warning".
    severity: Severity | None = None
    #: Trouble must have lasted this long before it fires.
    for_s: float = 0.0
    #: It fires on for this long after the trouble's end; of an event: after the last one.
    keep_firing_s: float = 0.0
    #: So many values in a row must be beyond, or back again.
    breaches: int = 1
    clears: int = 1
    #: Names of rules; while one of them fires for the same metric, or for the run, this one does not begin to.
    under: tuple[str, ...] = ()
    #: Told instead of the message made from the condition; MESSAGE_FIELDS in braces.
    message: str = ""

    def __post_init__(self) -> None:
        _check(self)

    def __str__(self) -> str:
        parts = [str(self.when)]
        parts += [f"for {self.for_s:.12g}s"] if self.for_s else []
        if isinstance(self.when, Threshold) and self.when.clear is not None:
            parts.append(f"clear {self.when.clear}")
        parts += [f"keep {self.keep_firing_s:.12g}s"] if self.keep_firing_s else []
        parts += [f"breaches {self.breaches}"] if self.breaches != 1 else []
        parts += [f"clears {self.clears}"] if self.clears != 1 else []
        parts += [f"under {', '.join(self.under)}"] if self.under else []
        parts += [f"severity {self.severity}"] if self.severity else []
        parts += [f"message {_quoted(self.message)}"] if self.message else []
        text = " ".join(parts)
        return text if self.name == str(self.when) else f"{self.name}: {text}"


def metric_pattern(text: str) -> str:
    """A metric as a rule means it: its canonical name, or a glob in lower case."""
    return text.lower() if is_pattern(text) else canonical(text)


def is_pattern(metric: str) -> bool:
    """Whether a rule's metric is a glob over names."""
    return any(character in metric for character in "*?[")


def fill(template: str, values: dict[str, str]) -> str:
    """*template* with its fields in braces replaced; it is never formatted, so it cannot reach into objects."""
    return _FIELD.sub(lambda found: values.get(found.group(1), ""), template)


def _check(rule: Rule) -> None:
    when = rule.when
    for field in ("for_s", "keep_firing_s"):
        if not 0 <= getattr(rule, field) < math.inf:
            raise UsageError(f"rule {rule.name!r}: {field} is {getattr(rule, field)}; give seconds from 0 on")
    if rule.breaches < 1 or rule.clears < 1:
        raise UsageError(f"rule {rule.name!r}: breaches and clears count values; give 1 or more")
    for found in _FIELD.finditer(rule.message):
        if found.group(1) not in MESSAGE_FIELDS:
            known = ", ".join(MESSAGE_FIELDS)
            raise UsageError(f"rule {rule.name!r}: no field {found.group()} in a message; there are: {known}")
    if isinstance(when, Threshold):
        _check_levels(rule.name, when)
    elif isinstance(when, OnEvent) and rule.for_s:
        raise UsageError(f"rule {rule.name!r}: an event has no length, so 'for' means nothing; say 'breaches 3'")
    elif isinstance(when, Absence):
        if not 0 < when.after_s < math.inf:
            raise UsageError(f"rule {rule.name!r}: after {when.after_s} s without a value; give seconds above 0")
        if rule.for_s or rule.keep_firing_s or rule.breaches != 1 or rule.clears != 1 or rule.under:
            raise UsageError(f"rule {rule.name!r}: an absence has one time, that behind 'for'; leave the others out")


def _check_levels(name: str, when: Threshold) -> None:
    if not math.isfinite(when.level.value) or (when.clear and not math.isfinite(when.clear.value)):
        raise UsageError(f"rule {name!r}: a level must be a finite number; for NaN say '{when.metric} is nan'")
    if when.clear is None or when.clear.of_baseline != when.level.of_baseline:
        return
    if not when.back(when.clear.value, when.level.value):
        side = "below" if when.op[0] == ">" else "above"
        raise UsageError(f"rule {name!r}: it would clear at {when.clear} where it fires; clear {side} {when.level}")


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
