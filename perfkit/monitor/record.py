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
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field, fields
from functools import lru_cache
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
_DAMAGE = (ValueError, KeyError, TypeError, AttributeError, RecursionError)
_FORKED = "this process was forked from the one whose record it is; it writes nothing into it"


class Writer:
    """Appends to the record. It never raises for a disk that is full or gone: ``failure`` then says why, ``lost`` counts the lines.

    It belongs to the process that made it: in one forked from that (a loader's worker) it writes nothing, and counts what it did not write.
    """

    def __init__(self, run: Path) -> None:
        self.path = run / layout.MONITOR
        self.failure: str | None = None
        self.lost = 0
        self._lock = threading.Lock()
        self._pid = os.getpid()
        #: Names of metrics as they stand in a line.
        self._names: dict[str, str] = {}
        #: Whether our own last line is only half there (the disk was full).
        self._is_torn = False
        self._fd = -1
        try:
            self._fd = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_CLOEXEC", 0), 0o644)
            self._end_torn_line()
        except OSError as error:
            self.failure = f"{self.path}: {error.strerror}"

    def card(self, facts: dict[str, Any], *, time_ns: int, monotonic_ns: int) -> None:
        """The model's facts."""
        self._write_json({"k": "card", "t": time_ns, "m": monotonic_ns, "facts": facts})

    def point(self, point: Point) -> None:
        """Values."""
        # Written by hand: this is done at every step, and json.dumps takes three times as long.
        names = self._names
        told = []
        for name, value in point.values.items():
            known = names.get(name)
            if known is None:
                known = names[name] = f"{json.dumps(name)}:"
            number = float(value)
            told.append(f"{known}{number!r}" if number - number == 0 else f'{known}"{number!r}"')
        step = "" if point.step is None else f',"s":{int(point.step)}'
        epoch = "" if point.epoch is None else f',"e":{int(point.epoch)}'
        times = f'"t":{int(point.time_ns)},"m":{int(point.monotonic_ns)}'
        self._write(f'{{"k":"point",{times}{step}{epoch},"v":{{{",".join(told)}}}}}\n'.encode())

    def write(self, record: Event | Alert | Status, *, is_judged: bool = True) -> None:
        """An event, an alert or a status. An event that is not *is_judged* was not shown to the alert rules."""
        line = {
            "k": _KINDS[type(record)],
            "t": record.time_ns,
            "m": getattr(record, "monotonic_ns", 0),
            "is": asdict(record),
        }
        self._write_json(line if is_judged else {**line, "unjudged": True})

    def close(self) -> None:
        """No more lines."""
        if os.getpid() != self._pid:
            return
        with self._lock:
            if self._fd >= 0:
                os.close(self._fd)
            self._fd = -1

    def _write_json(self, line: dict[str, Any]) -> None:
        self._write(json.dumps(plain(line), separators=(",", ":")).encode("utf-8", "replace") + b"\n")

    def _write(self, data: bytes) -> None:
        if os.getpid() != self._pid:  # before the lock: a thread of the parent may have had it when we were forked
            self.failure, self.lost = _FORKED, self.lost + 1
            return
        with self._lock:
            if self._fd < 0:
                self.lost += 1
                return
            written = 0
            try:
                if self._is_torn:
                    os.write(self._fd, b"\n")
                    self._is_torn = False
                written = os.write(self._fd, data)
                while written < len(data):  # a short write: the disk is nearly full
                    written += os.write(self._fd, data[written:])
            except OSError as error:
                self.failure = f"{self.path}: {error.strerror}"
                self.lost += 1
                self._is_torn = self._is_torn or written > 0

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
    read_line = _line_reader()
    for raw in _lines(run, offset):
        offset += len(raw)
        try:
            _take(found, _thing(read_line(raw)))
        except _DAMAGE:
            found.damaged += bool(raw.strip())
    return offset


def entries(run: Path, *, judged_only: bool = False) -> Iterator[Entry]:
    """What was written, in the order in which it was; a dict is a card. What cannot be read is passed over.

    *judged_only*: without events that were not shown to the alert rules.
    """
    read_line = _line_reader()
    for raw in _lines(run, 0):
        try:
            line = read_line(raw)
            thing = _thing(line)
        except _DAMAGE:
            continue
        if thing is not None and not (judged_only and line.unjudged):
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
            if not raw.endswith(
                b"\n"
            ):  # the rest of it may be written at any moment, and would be taken for a line of its own
                return
            yield raw


@lru_cache(maxsize=1)
def _line_reader() -> Callable[[bytes], Any]:
    """Makes of a line an object with the attributes k, t, m, s, e, v, facts, inside and unjudged. Raises one of _DAMAGE."""
    import msgspec

    optional = {"s": int | None, "e": int | None, "v": dict[str, float | str] | None, "facts": Any, "inside": Any}
    kind = msgspec.defstruct(
        "Line",
        [("k", str), ("t", int), ("m", int), *((name, of, None) for name, of in optional.items()), ("unjudged", bool, False)],
        rename={"inside": "is"},
    )  # fmt: skip
    strict = msgspec.json.Decoder(kind).decode

    def read_line(raw: bytes) -> Any:
        try:
            return strict(raw)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            line = json.loads(raw)  # NaN as Python writes it, from somebody else's hand
        try:
            return msgspec.convert(line, kind)
        except msgspec.MsgspecError as error:
            raise ValueError(str(error)) from None

    return read_line


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


def _thing(line: Any) -> Entry | None:
    """What a line says; None of a kind that is not known (a newer perfkit's)."""
    if line.k == "point":
        values = line.v
        if str in map(type, values.values()):
            values = {name: float(value) for name, value in values.items()}
        return Point(values=values, time_ns=line.t, monotonic_ns=line.m, step=line.s, epoch=line.e)
    if line.k == "card":
        facts: dict[str, Any] = dict(line.facts)
        return facts
    if line.k == "alert" and isinstance(line.inside.get("value"), str):
        line.inside["value"] = float(line.inside["value"])
    return _made(_RECORDS[line.k], line.inside) if line.k in _RECORDS else None


def _made(record: type[T], values: dict[str, Any]) -> T:
    known = {f.name for f in fields(record)}  # type: ignore[arg-type]
    return record(**{key: value for key, value in values.items() if key in known})


def plain(value: Any) -> Any:
    """*value* as standard JSON has it: what is not finite becomes "nan", "inf" or "-inf", numpy's numbers become numbers, the rest text."""
    if isinstance(value, dict):
        return {str(key): plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(one) for one in value]
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else str(float(value))
    item = getattr(value, "item", None)
    if callable(item) and getattr(value, "ndim", None) == 0:
        return plain(item())
    return str(value)
