"""What is counted of a log beside its series: messages by level, tracebacks, rates, settings, repeats. All of it bounded."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field

from .records import MAX_TEXT
from .tracebacks import Traceback

MAX_PARAMS = 500
MAX_TRACEBACKS = 100
#: Texts that are remembered to tell a repeat, and buckets of the rate of warnings before they are made twice as long.
MAX_SEEN = 20_000
MAX_BUCKETS = 1440
FIRST_BUCKET_S = 60


@dataclass
class Crash:
    """A traceback, with those like it."""

    exception: str
    message: str
    where: str
    line: int
    source: str
    time_ns: int | None
    length: int
    causes: list[str]
    text: list[str]
    count: int = 1


@dataclass
class Rates:
    """Warnings and worse per minute; the buckets grow when there are too many."""

    bucket_s: int = FIRST_BUCKET_S
    counts: dict[int, int] = field(default_factory=dict)
    #: Those that had no time.
    untimed: int = 0

    def add(self, time_ns: int | None) -> None:
        """One at *time_ns*."""
        if time_ns is None:
            self.untimed += 1
            return
        bucket = time_ns // 10**9 // self.bucket_s
        self.counts[bucket] = self.counts.get(bucket, 0) + 1
        while len(self.counts) > MAX_BUCKETS:
            self.bucket_s *= 2
            merged: dict[int, int] = {}
            for old, count in self.counts.items():
                merged[old // 2] = merged.get(old // 2, 0) + count
            self.counts = merged

    def worst(self) -> tuple[int, float] | None:
        """Begin (UTC s) and rate per minute of the worst bucket."""
        if not self.counts:
            return None
        bucket = max(self.counts, key=lambda b: self.counts[b])
        return bucket * self.bucket_s, self.counts[bucket] * 60 / self.bucket_s


class Facts:
    """Counts of one analysis."""

    def __init__(self) -> None:
        self.params: dict[str, float | str] = {}
        self.params_lost = 0
        self.levels = {"warning": 0, "error": 0, "critical": 0}
        self.events: dict[str, int] = {}
        self.crashes: OrderedDict[tuple[str, str], Crash] = OrderedDict()
        self.crashes_lost = 0
        self.rates = Rates()
        self.repeats = 0
        self.repeated_metrics = 0
        self._seen: OrderedDict[int, None] = OrderedDict()

    def level(self, level: str, time_ns: int | None) -> None:
        """A message of *level*."""
        if level in self.levels:
            self.levels[level] += 1
            self.rates.add(time_ns)

    def is_repeat(self, text: str) -> bool:
        """Whether the same text was seen before (among the last `MAX_SEEN` different ones)."""
        key = hash(text)
        if key in self._seen:
            self._seen.move_to_end(key)
            self.repeats += 1
            return True
        self._seen[key] = None
        if len(self._seen) > MAX_SEEN:
            self._seen.popitem(last=False)
        return False

    def add_params(self, params: dict[str, float | str]) -> None:
        """Settings; a later value replaces an earlier one."""
        for name, value in params.items():
            if name in self.params or len(self.params) < MAX_PARAMS:
                self.params[name] = value
            else:
                self.params_lost += 1

    def crash(self, trace: Traceback, source: str, time_ns: int | None) -> Crash:
        """A traceback; one like an earlier one (same exception at the same place) is counted with it."""
        key = (trace.exception, trace.where)
        known = self.crashes.get(key)
        if known:
            known.count += 1
            return known
        made = Crash(
            exception=trace.exception, message=trace.message[:MAX_TEXT], where=trace.where, line=trace.line, source=source,
            time_ns=time_ns, length=trace.length, causes=list(trace.causes), text=list(trace.lines),
        )  # fmt: skip
        if len(self.crashes) < MAX_TRACEBACKS:
            self.crashes[key] = made
        else:
            self.crashes_lost += 1
        return made
