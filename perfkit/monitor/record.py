"""The record of a monitored model: one JSON line per thing known, appended whole, readable after ``kill -9``.

Lines of ``monitor.jsonl`` in the run's directory; ``k`` says what a line is:

    card    facts of the model (`monitor.card`)
    point   values: ``v`` {name: value}; what is not finite is written as "nan", "inf" or "-inf"
    event   a model.monitoring.Event
    alert   a model.monitoring.Alert
    status  a model.monitoring.Status

Every line has ``t`` (UTC ns) and ``m`` (CLOCK_MONOTONIC ns). A torn or damaged line is passed over, and counted.
"""

from __future__ import annotations

import json
import math
import os
import threading
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, TypeVar

from ..model.monitoring import Alert, Event, Point, Status
from ..runs import layout
from .history import History

T = TypeVar("T")
Entry = Point | Event | Alert | Status | dict[str, Any]
_KINDS = {Event: "event", Alert: "alert", Status: "status"}
_RECORDS: dict[str, type[Event | Alert | Status]] = {kind: record for record, kind in _KINDS.items()}
#: What a line that is not ours, or not whole, brings about.
_DAMAGE = (ValueError, KeyError, TypeError, AttributeError)


class Writer:
    """Appends to the record. It never raises for a disk that is full or gone: ``failure`` then says why, ``lost`` counts the lines."""

    def __init__(self, run: Path) -> None:
        self.path = run / layout.MONITOR
        self.failure: str | None = None
        self.lost = 0
        self._lock = threading.Lock()
        self._torn = False  # the last line was written in part
        self._fd = -1
        try:
            self._fd = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_CLOEXEC", 0), 0o644)
            self._end_torn_line()
        except OSError as error:
            self.failure = f"{self.path}: {error.strerror}"

    def card(self, facts: dict[str, Any], *, time_ns: int, monotonic_ns: int) -> None:
        """The model's facts."""
        self._write({"k": "card", "t": time_ns, "m": monotonic_ns, "facts": facts})

    def point(self, point: Point) -> None:
        """Values."""
        line: dict[str, Any] = {"k": "point", "t": point.time_ns, "m": point.monotonic_ns}
        line |= {} if point.step is None else {"s": point.step}
        line |= {} if point.epoch is None else {"e": point.epoch}
        self._write(line | {"v": {name: _told(value) for name, value in point.values.items()}})

    def write(self, record: Event | Alert | Status) -> None:
        """An event, an alert or a status."""
        now = {"t": record.time_ns, "m": getattr(record, "monotonic_ns", 0)}
        self._write({"k": _KINDS[type(record)], **now, "is": asdict(record)})

    def close(self) -> None:
        """No more lines."""
        with self._lock:
            if self._fd >= 0:
                os.close(self._fd)
            self._fd = -1

    def _write(self, line: dict[str, Any]) -> None:
        data = json.dumps(line, separators=(",", ":"), default=str).encode("utf-8", "replace") + b"\n"
        with self._lock:
            if self._fd < 0:
                self.lost += 1
                return
            data, written = b"\n" * self._torn + data, 0
            try:
                while written < len(data):  # more than once after a short write: the disk is nearly full
                    written += os.write(self._fd, data[written:])
                self._torn = False
            except OSError as error:
                self._torn |= written > 0
                self.failure = f"{self.path}: {error.strerror}"
                self.lost += 1

    def _end_torn_line(self) -> None:
        """A writer before us may have been killed in the middle of a line: what we write must not become part of it."""
        size = os.fstat(self._fd).st_size
        with self.path.open("rb") as file:
            file.seek(max(0, size - 1))
            if file.read(1) not in (b"", b"\n"):
                os.write(self._fd, b"\n")


@dataclass
class Recorded:
    """What a record holds."""

    history: History = field(default_factory=History)
    cards: list[dict[str, Any]] = field(default_factory=list)
    alerts: list[Alert] = field(default_factory=list)
    statuses: list[Status] = field(default_factory=list)
    #: Lines that could not be read.
    damaged: int = 0

    @property
    def events(self) -> list[Event]:
        """In the order in which they were written."""
        return self.history.events


def read(run: Path) -> Recorded:
    """The record of *run*; an empty one where nothing was monitored."""
    found = Recorded()
    follow(run, found, 0)
    return found


def follow(run: Path, found: Recorded, offset: int) -> int:
    """Add to *found* what was written behind *offset* (bytes); returns the new offset. A last line without an end is left for later."""
    for raw in _lines(run, offset):
        offset += len(raw)
        try:
            _take(found, _thing(json.loads(raw)))
        except _DAMAGE:
            found.damaged += bool(raw.strip())
    return offset


def entries(run: Path) -> Iterator[Entry]:
    """What was written, in the order in which it was; a dict is a card. What cannot be read is passed over."""
    for raw in _lines(run, 0):
        try:
            thing = _thing(json.loads(raw))
        except _DAMAGE:
            continue
        if thing is not None:
            yield thing


def _lines(run: Path, offset: int) -> Iterator[bytes]:
    """Whole lines from *offset* on, each with its end; never more than one of them in memory."""
    try:
        file = (run / layout.MONITOR).open("rb")
    except FileNotFoundError:
        return
    with file:
        file.seek(offset)
        for raw in file:
            if raw.endswith(b"\n"):
                yield raw


def _take(found: Recorded, thing: Entry | None) -> None:
    if isinstance(thing, Point):
        found.history.add_point(thing)
    elif isinstance(thing, Event):
        found.history.events.append(thing)
    elif isinstance(thing, Alert):
        found.alerts.append(thing)
    elif isinstance(thing, Status):
        found.statuses.append(thing)
    elif thing is not None:
        found.cards.append(thing)


def _thing(line: dict[str, Any]) -> Entry | None:
    """What a line says; None of a kind that is not known (a newer perfkit's)."""
    kind = line["k"]
    if kind == "point":
        values = {name: float(value) for name, value in line["v"].items()}
        return Point(values=values, time_ns=line["t"], monotonic_ns=line["m"], step=line.get("s"), epoch=line.get("e"))
    if kind == "card":
        facts: dict[str, Any] = line["facts"]
        return facts
    return _made(_RECORDS[kind], line["is"]) if kind in _RECORDS else None


def _made(record: type[T], values: dict[str, Any]) -> T:
    known = {f.name for f in fields(record)}  # type: ignore[arg-type]
    return record(**{key: value for key, value in values.items() if key in known})


def _told(value: float) -> float | str:
    return value if math.isfinite(value) else str(value)
