"""Reads XPlane traces: what tf.profiler and jax.profiler write (`*.xplane.pb`), without TensorFlow.

The format is the protobuf message XSpace (planes → lines → events, with names and statistics by number), from
github.com/openxla/xprof, plugin/xprof/protobuf/xplane.proto; field numbers below are of that file. A plane is the host or a device, a
line a thread or a stream.
"""

from __future__ import annotations

import re
from array import array
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import TraceError
from . import wire
from .events import Codes, Events
from .kineto import Trace
from .source import Source

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# Where reading stops: a message is decoded from memory, and Python needs some 10 µs for an event.
MAX_BYTES = 2 << 30
MAX_EVENTS = 20_000_000
PS_PER_NS = 1000

# Fields of the messages.
_PLANES, _ERRORS, _WARNINGS = 1, 2, 3
_PLANE_NAME, _LINES, _EVENT_METADATA, _STAT_METADATA, _PLANE_STATS = 2, 3, 4, 5, 6
_LINE_ID, _LINE_NAME, _TIMESTAMP_NS, _EVENTS, _LINE_DISPLAY_NAME = 1, 2, 3, 4, 11
_METADATA_ID, _OFFSET_PS, _DURATION_PS, _STATS = 1, 2, 3, 4
_NAME, _DISPLAY_NAME = 2, 4
_KEY, _VALUE = 1, 2  # of a map's entry
_DOUBLE, _UINT, _INT, _STR, _BYTES, _REF = 2, 3, 4, 5, 6, 7  # of a statistic

#: Statistics of events that say something to us.
_WANTED = {"step_num", "correlation_id", "hlo_op", "tf_op", "memcpy_details", "memset_details", "shapes", "types"}
_STARTED = "profile_start_time"
_DEVICE = re.compile(r"/device:(?:GPU|TPU|CUSTOM):(\d+)")
_STREAM = re.compile(r"#(\d+)")
_SIZE = re.compile(r"size:(\d+)")
_NUMBERED = re.compile(r"\.\d+$")  # the compiler's number of an instruction: dot.3
_FRAME = re.compile(r"^\$")  # of the Python tracer: $file.py:12 function
# Lines that the profiler derives from others of the same device; to count them would be to count twice.
_DERIVED = (
    "XLA Modules",
    "XLA Ops",
    "TensorFlow Ops",
    "TensorFlow Name Scope",
    "Steps",
    "Source code",
    "Async XLA Ops",
)
_OF_A_TPU = "XLA Ops"  # which has no streams: there it is the device's own time line
# Marks without a duration that executors leave at every step of theirs.
_MARKS = ("ThreadpoolListener::", "end: ")


def read(path: str | Path) -> Trace:
    """Read the trace at *path* (.xplane.pb, also gzipped). Raises TraceError, in one line, if there is none in it."""
    source = Source(path)
    data = _whole(source)
    problems: list[str] = [source.damage] if source.damage else []
    rows, devices = _Rows(), []
    started_ns = 0
    for number, value in _fields(data, problems):
        if number == _PLANES:
            plane = _Plane.of(value, problems)
            started_ns = started_ns or plane.started_ns
            devices += plane.device()
            for line in plane.lines:
                _take_line(rows, plane, line, problems)
        elif number in (_ERRORS, _WARNINGS):
            problems.append(value.decode("utf-8", "replace")[:300])
    if not rows.count:
        raise TraceError(f"{source.path}: {_why_none(rows, problems)}")
    if rows.dropped:
        problems.append(f"only the first {MAX_EVENTS:,} events were read: the file holds more")
    return Trace(
        path=str(source.path),
        events=rows.finish(),
        base_time_ns=started_ns,
        devices=devices,
        objects=rows.seen,
        truncated=any("past the end" in problem for problem in problems) or bool(source.damage),
        problems=problems,
    )


def looks_like_one(head: bytes) -> bool:
    """Whether a file that begins so may be an XSpace: its first field is a plane, and what the plane is called stands near."""
    return head[:1] == b"\x0a" and any(word in head for word in (b"/host:", b"/device:", b"Task Environment"))


def _whole(source: Source) -> bytes:
    blocks, size = [], 0
    for block in source.blocks():
        blocks.append(block)
        size += len(block)
        if size > MAX_BYTES:
            raise TraceError(f"{source.path}: larger than {MAX_BYTES >> 30} GiB; trace fewer steps")
    return b"".join(blocks)


def _why_none(rows: _Rows, problems: list[str]) -> str:
    if rows.seen:
        return "holds no event with a duration: nothing was recorded"
    return problems[0].partition(";")[0] if problems else "holds no events, or is not an XPlane trace"


def _fields(data: bytes, problems: list[str]) -> Iterator[tuple[int, Any]]:
    """Fields of a message; where it ends in the middle, what came before."""
    try:
        for number, _, value in wire.fields(data):
            yield number, value
    except ValueError as error:
        text = f"damaged: {error}; what is before that was read"
        if text not in problems:
            problems.append(text)


@dataclass(kw_only=True)
class _Plane:
    """The host or a device: its lines as they are, and what the numbers in them mean."""

    name: str = ""
    lines: list[bytes] = field(default_factory=list)
    #: By number: name and the name to show ("" for none).
    events: dict[int, tuple[str, str]] = field(default_factory=dict)
    stat_names: dict[int, str] = field(default_factory=dict)
    stats: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, data: bytes, problems: list[str]) -> _Plane:
        made, stats = cls(), []
        for number, value in _fields(data, problems):
            if number == _PLANE_NAME:
                made.name = _text(value)
            elif number == _LINES:
                made.lines.append(value)
            elif number == _EVENT_METADATA:
                key, message = _entry(value)
                known = dict(_fields(message, problems))
                made.events[key] = _text(known.get(_NAME, b"")), _text(known.get(_DISPLAY_NAME, b""))
            elif number == _STAT_METADATA:
                key, message = _entry(value)
                made.stat_names[key] = _text(dict(_fields(message, problems)).get(_NAME, b""))
            elif number == _PLANE_STATS:
                stats.append(value)
        made.stats = dict(made.stat(value) for value in stats)
        return made

    @property
    def index(self) -> int:
        """Number of the device; -1 of the host."""
        found = _DEVICE.search(self.name)
        return int(found[1]) if found else -1

    @property
    def is_tpu(self) -> bool:
        return "/device:TPU:" in self.name

    @property
    def started_ns(self) -> int:
        """When the profile began, since 1970; 0 where it does not say."""
        value = self.stats.get(_STARTED)
        return value if isinstance(value, int) else 0

    def device(self) -> list[dict[str, Any]]:
        """The device as the trace describes it, in Kineto's words where there are such."""
        if self.index < 0:
            return []
        kind = self.stats.get("device_type_string") or ("TPU" if self.is_tpu else "GPU")
        vendor = self.stats.get("device_vendor") or ""
        described = {
            "id": self.index,
            "name": " ".join(filter(None, [str(vendor), str(kind)])),
            "totalGlobalMem": self.stats.get("memory_size"),
            "computeMajor": self.stats.get("compute_cap_major"),
            "computeMinor": self.stats.get("compute_cap_minor"),
            "numSms": self.stats.get("core_count"),
        }
        return [{key: value for key, value in described.items() if value is not None}]

    def stat(self, data: bytes) -> tuple[str, Any]:
        """Name and value of a statistic."""
        name, value = "", None
        for number, kind, raw in wire.fields(data):
            if number == _METADATA_ID and isinstance(raw, int):
                name = self.stat_names.get(raw, "")
            elif isinstance(raw, bytes):
                value = wire.double(raw) if kind == wire.FIXED64 and number == _DOUBLE else _text(raw)
            elif number == _REF:
                value = self.stat_names.get(raw, "")
            else:
                value = wire.signed(raw) if number == _INT else raw
        return name, value

    def wanted(self) -> frozenset[int]:
        """Numbers of the statistics that are looked at."""
        return frozenset(key for key, name in self.stat_names.items() if name in _WANTED)


def _take_line(rows: _Rows, plane: _Plane, data: bytes, problems: list[str]) -> None:
    """All events of a thread or stream."""
    known: dict[int, Any] = {}
    events = []
    for number, value in _fields(data, problems):
        if number == _EVENTS:
            events.append(value)
        else:
            known[number] = value
    name = _text(known.get(_LINE_DISPLAY_NAME) or known.get(_LINE_NAME) or b"")
    is_device = plane.index >= 0
    if is_device and name in _DERIVED and not (plane.is_tpu and name == _OF_A_TPU):
        return
    begin_ns = wire.signed(known.get(_TIMESTAMP_NS, 0))
    thread = wire.signed(known.get(_LINE_ID, 0))
    stream = _STREAM.search(name) if is_device else None
    where = _Where(
        pid=plane.index if is_device else 0,
        tid=int(stream[1]) if stream else thread,
        device=plane.index,
        stream=(int(stream[1]) if stream else thread) if is_device else -1,
    )
    wanted = plane.wanted()
    for event in events:
        try:
            _take_event(rows, plane, where, begin_ns, event, wanted)
        except ValueError as error:
            problems.append(f"damaged: {error}; an event was left out")


@dataclass(frozen=True, kw_only=True)
class _Where:
    pid: int
    tid: int
    device: int
    stream: int


def _take_event(rows: _Rows, plane: _Plane, where: _Where, begin_ns: int, data: bytes, wanted: frozenset[int]) -> None:
    number_of_name = offset_ps = duration_ps = 0
    stats: dict[str, Any] = {}
    for number, _, value in wire.fields(data):
        if number == _DURATION_PS:
            duration_ps = wire.signed(value)  # type: ignore[arg-type]
        elif number == _OFFSET_PS:
            offset_ps = wire.signed(value)  # type: ignore[arg-type]
        elif number == _METADATA_ID:
            number_of_name = value  # type: ignore[assignment]
        elif number == _STATS and _number_of(value) in wanted:  # type: ignore[arg-type]
            name, found = plane.stat(value)  # type: ignore[arg-type]
            stats[name] = found
    rows.seen += 1
    name, display = plane.events.get(number_of_name, ("", ""))
    if duration_ps <= 0 or not name or name.startswith(_MARKS):
        return
    category, name = _host(name, display, stats) if where.device < 0 else _on_device(name, stats)
    sizes = _SIZE.search(str(stats.get("memcpy_details") or stats.get("memset_details") or ""))
    rows.add(
        begin_ns + offset_ps // PS_PER_NS, max(1, duration_ps // PS_PER_NS), category, name, where,
        correlation=_whole_number(stats.get("correlation_id")), size=int(sizes[1]) if sizes else -1,
        shapes=str(stats.get("shapes") or ""), types=str(stats.get("types") or ""),
    )  # fmt: skip


def _host(name: str, display: str, stats: dict[str, Any]) -> tuple[str, str]:
    """Category and name of what a thread did."""
    if "step_num" in stats:
        ours = name.startswith("perfkit.step")
        return "user_annotation", f"{'perfkit.step' if ours else 'ProfilerStep'}#{stats['step_num']}"
    if "correlation_id" in stats and name.startswith("cu"):
        return "cuda_driver", name
    if "hlo_op" in stats:
        return "cpu_op", _NUMBERED.sub("", str(stats["hlo_op"]))
    if name.startswith("Iterator"):
        return "tf_data", display or name
    if display and name.endswith(f":{display}"):  # node of the graph, and its operation
        return "cpu_op", display
    return ("python_function", name[1:]) if _FRAME.match(name) else ("tf_runtime", name)


def _on_device(name: str, stats: dict[str, Any]) -> tuple[str, str]:
    if "memcpy_details" in stats or name.startswith(("Memcpy", "memcpy")):
        return "gpu_memcpy", name
    if "memset_details" in stats or name.startswith(("Memset", "memset")):
        return "gpu_memset", name
    return "kernel", name


def _number_of(stat: bytes) -> int:
    """The number of its name, which is the first field."""
    if stat[:1] == b"\x08" and len(stat) > 1 and stat[1] < 0x80:
        return stat[1]
    found = next((value for number, _, value in wire.fields(stat) if number == _METADATA_ID), 0)
    return found if isinstance(found, int) else 0


def _whole_number(value: Any) -> int:
    return value if isinstance(value, int) and 0 <= value < 1 << 62 else -1


def _entry(data: bytes) -> tuple[int, bytes]:
    """Key and value of a map's entry."""
    key, value = 0, b""
    for number, _, found in wire.fields(data):
        if number == _KEY and isinstance(found, int):
            key = found
        elif number == _VALUE and isinstance(found, bytes):
            value = found
    return key, value


def _text(value: bytes) -> str:
    return value.decode("utf-8", "replace")


class _Rows:
    """The events table as it grows."""

    _NUMBERS = (
        "ts_ns",
        "dur_ns",
        "category",
        "name",
        "pid",
        "tid",
        "device",
        "stream",
        "correlation",
        "shapes",
        "dtypes",
        "bytes",
    )

    def __init__(self) -> None:
        self.count = self.seen = 0
        self.dropped = False
        self._columns = {name: array("q") for name in self._NUMBERS}
        self._categories, self._names, self._shapes, self._types = Codes(), Codes(), Codes(), Codes()

    def add(
        self, ts_ns: int, dur_ns: int, category: str, name: str, where: _Where, *, correlation: int, size: int, shapes: str,
        types: str,
    ) -> None:  # fmt: skip
        """One event."""
        if self.count >= MAX_EVENTS:
            self.dropped = True
            return
        values = (
            ts_ns, dur_ns, self._categories[category], self._names[name], where.pid, where.tid, where.device, where.stream, correlation,
            self._shapes[shapes] if shapes else -1, self._types[types] if types else -1, size,
        )  # fmt: skip
        for column, value in zip(self._columns.values(), values, strict=True):
            column.append(value)
        self.count += 1

    def finish(self) -> Events:
        """The table."""
        made: dict[str, Any] = {name: np.frombuffer(column, np.int64) for name, column in self._columns.items()}
        nothing = np.broadcast_to(np.int32(-1), (self.count,))
        absent = (
            "external_id",
            "sequence",
            "forward_thread",
            "constants",
            "blocks",
            "threads",
            "registers",
            "shared_bytes",
            "python_id",
            "python_parent",
        )
        return Events(
            **made,
            **dict.fromkeys(absent, nothing),
            categories=self._categories.texts,
            names=self._names.texts,
            shape_texts=self._shapes.texts,
            dtype_texts=self._types.texts,
            constant_texts=[],
        )
