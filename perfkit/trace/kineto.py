"""Reads Kineto traces (what torch.profiler exports) in one pass and bounded memory.

About 40 MB plus at most 80 bytes per event, whatever the file's size. Times are exact to the nanosecond. Damage costs
the events it touches and is said in ``problems``; only a file that holds no trace at all is an error.
"""

from __future__ import annotations

import gc
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import msgspec

from ..errors import TraceError
from . import decode, jsonscan
from .source import Source
from .table import NeedsExact, Table

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from .events import Events

# A trace's own description is some kB (with thousands of ranks, some MB); one event with stacks at most some 100 kB.
MAX_HEADER_BYTES = 16 << 20
MAX_EVENT_BYTES = 16 << 20
# Where reading stops and the rest is said to be missing: 50 million events are about 17 GB of text and 3 GB of memory.
MAX_EVENTS = 50_000_000
# A file with more damaged than readable events is given up after this many: each costs a search for what can be saved.
MAX_LOST = 100_000


@dataclass(frozen=True, kw_only=True)
class Trace:
    """A trace file, read."""

    path: str
    events: Events
    #: Add to ``ts_ns`` for nanoseconds since 1970; 0 where the trace's times are since 1970 already.
    base_time_ns: int = 0
    schema_version: int | None = None
    #: One entry per device, as the trace describes it: name, totalGlobalMem (bytes), computeMajor, numSms …
    devices: list[dict[str, Any]] = field(default_factory=list)
    #: rank, world_size, backend …; empty outside distributed runs.
    distributed: dict[str, Any] = field(default_factory=dict)
    #: What was recorded: record_shapes, profile_memory, with_stack, with_flops, CUDA versions …
    options: dict[str, Any] = field(default_factory=dict)
    #: Objects in the file, flow arrows and metadata included.
    objects: int = 0
    #: The file ends before its events do.
    truncated: bool = False
    #: What is missing or was mended, one sentence each; empty for a file in order.
    problems: list[str] = field(default_factory=list)


_OPTIONS = ("record_shapes", "profile_memory", "with_stack", "with_flops", "with_modules", "cuda_runtime_version",
            "cuda_driver_version", "cupti_version", "hip_runtime_version", "hip_driver_version")  # fmt: skip


def read(path: str | Path, *, max_events: int = MAX_EVENTS) -> Trace:
    """Read the trace at *path* (.json or .json.gz). Raises TraceError, in one line, if there is none in it."""
    reader = _Reader(path, max_events)
    collecting = gc.isenabled()
    gc.disable()  # the decoded events hold no cycles, and walking them is a tenth of the time
    try:
        reader.run()
    finally:
        if collecting:
            gc.enable()
    return reader.finish()


class _Reader:
    """State of one pass over a file."""

    def __init__(self, path: str | Path, max_events: int) -> None:
        self.source = Source(path)
        self.max_events = max_events
        self.table = Table()
        self.header = b""
        self.footer = b""
        self.sep = jsonscan.KINETO_SEPARATOR
        self.exact = False
        self.lost = 0
        self.closed = False
        self.problems: list[str] = []

    def run(self) -> None:
        """Header, events, footer."""
        blocks = self.source.blocks()
        data = self._read_header(blocks)
        for piece, final in self._pieces(data, blocks):
            self._take(piece, final=final)
            if self.table.seen >= self.max_events and not final:
                self.problems.append(f"only the first {self.table.seen:,} events were read: the file holds more")
                return
            if self.lost > max(MAX_LOST, self.table.seen):
                self.problems.append("given up: it holds more damaged than readable events")
                return
        while self.closed and len(self.footer) < MAX_HEADER_BYTES and (block := next(blocks, b"")):
            self.footer += block

    def _read_header(self, blocks: Iterator[bytes]) -> bytes:
        """Read up to the start of the events; returns what of them was read with it."""
        data = b""
        for block in blocks:
            data += block
            start = jsonscan.find_array(data)
            if start is not None:
                data = self._enough_to_learn(data, start, blocks)
                self.sep = jsonscan.separator(data, start)
                self.header = data[:start]
                return data[start:]
            first = data[:64].lstrip(b"\xef\xbb\xbf \t\r\n")
            if first and not first.startswith((b"{", b"[")):
                raise TraceError(
                    f"{self.source.path}: not JSON, so not a Kineto trace; give what torch.profiler exports"
                )
            if len(data) > MAX_HEADER_BYTES:
                break
        raise TraceError(f"{self.source.path}: {self._why_none(data)}")

    @staticmethod
    def _enough_to_learn(data: bytes, start: int, blocks: Iterator[bytes]) -> bytes:
        """At least two events' worth of text after the header, so that the separator can be learned."""
        while len(data) - start < 4096:
            block = next(blocks, b"")
            if not block:
                break
            data += block
        return data

    def _why_none(self, data: bytes) -> str:
        if self.source.damage:
            return self.source.damage + ", before any event"
        if not data.strip(b"\xef\xbb\xbf \t\r\n\0"):
            return "the file is empty"
        return "holds no traceEvents, so it is not a Kineto trace; give what torch.profiler exports"

    def _pieces(self, data: bytes, blocks: Iterator[bytes]) -> Iterator[tuple[memoryview, bool]]:
        """The text in pieces that end where an event ends, and whether each is what is left at the end of the file."""
        overlap = len(self.sep)
        searched = 0
        while True:
            cut = data.rfind(self.sep, searched)
            if cut >= 0:
                yield memoryview(data)[: cut + 1], False
                if self.closed:
                    self.footer += data[cut + 1 :]
                    return
                data = data[cut + overlap - 1 :]
            elif len(data) > MAX_EVENT_BYTES:
                end = self._rescan(data)
                if not end:
                    self.problems.append(f"stopped at an event larger than {MAX_EVENT_BYTES >> 20} MB")
                    return
                yield memoryview(data)[:end], False
                if self.closed:
                    return
                data = data[end:].lstrip(b" \t\r\n,")
            searched = max(0, len(data) - overlap)
            block = next(blocks, b"")
            if not block:
                yield memoryview(data), True
                return
            data += block

    @staticmethod
    def _rescan(data: bytes) -> int:
        """Where the last event of a long text without the usual separator ends, by its brackets; 0 without any."""
        found = jsonscan.find_objects(data)
        if found.closed_at is not None:
            return len(data)
        return found.spans[-1][1] if found.spans else 0

    def _take(self, piece: memoryview, *, final: bool) -> None:
        """Decode a piece and add it, the quick way if possible."""
        if not self.exact and self._try(piece, exact=False):
            return
        if self._try(piece, exact=True):
            return
        text = bytes(piece)
        events, lost, closed_at = decode.salvage(text, self.sep, final=final)
        self.lost += lost
        self._add_singly(events)
        if closed_at is not None:
            self.closed = True
            self.footer = text[closed_at + 1 :] + self.footer

    def _try(self, piece: memoryview, *, exact: bool) -> bool:
        try:
            self.table.extend(decode.decode(piece, exact=exact))
        except NeedsExact:
            self.exact = True
            return False
        except decode.DAMAGE:
            return False
        return True

    def _add_singly(self, events: list[Any]) -> None:
        """Add salvaged events; one with an impossible number in it is dropped alone."""
        try:
            self.table.extend(events)
        except OverflowError:
            for event in events:
                try:
                    self.table.extend([event])
                except OverflowError:
                    self.lost += 1

    def finish(self) -> Trace:
        """The trace, with what the header and footer say about it."""
        if self.table.count == 0:
            raise TraceError(f"{self.source.path}: {self._why_empty()}")
        said = self._metadata()
        base = said.get("baseTimeNanoseconds")
        version = said.get("schemaVersion")
        return Trace(
            path=str(self.source.path),
            events=self.table.finish(),
            base_time_ns=base if isinstance(base, int) else 0,
            schema_version=version if isinstance(version, int) else None,
            devices=[one for one in _list(said.get("deviceProperties")) if isinstance(one, dict)],
            distributed=said["distributedInfo"] if isinstance(said.get("distributedInfo"), dict) else {},
            options={key: said[key] for key in _OPTIONS if key in said},
            objects=self.table.seen,
            truncated=not self.closed,
            problems=self._say_problems(),
        )

    def _why_empty(self) -> str:
        if self.source.damage:
            return self.source.damage + ", before any complete event"
        if self.problems:
            return self.problems[0]
        if self.lost:
            return f"none of its {self.lost:,} events can be read"
        if not self.closed:
            return "ends before its first complete event"
        return "holds no event with a duration: nothing was recorded, or it is not a profiler's trace"

    def _metadata(self) -> dict[str, Any]:
        """Keys of the trace outside its events. Each half is mended alone, so that a damaged end costs no header."""
        said: dict[str, Any] = {}
        if not self.header.strip(b"\xef\xbb\xbf \t\r\n").startswith(b"{"):
            return said
        halves = [self.header.strip(b"\xef\xbb\xbf \t\r\n") + b"]}"]
        if self.footer.strip():
            halves.append(b"{" + self.footer.lstrip(b" \t\r\n,"))
        for half in halves:
            try:
                value = msgspec.json.decode(half)
            except decode.DAMAGE:
                value = _patient(half)
            if isinstance(value, dict):
                said.update(value)
        return said

    def _say_problems(self) -> list[str]:
        said = list(self.problems)
        if self.source.damage:
            said.append(self.source.damage)
        elif not self.closed and not said:
            said.append("the file ends in the middle: the events after that are missing")
        if self.lost:
            said.append(f"{self.lost:,} damaged events were left out")
        if self.table.untimed:
            said.append(f"{self.table.untimed:,} events without a usable time were left out")
        return said


def _patient(text: bytes) -> Any:
    try:
        return msgspec.json.decode(decode.mend(text.decode("utf-8", "replace").encode()))
    except decode.DAMAGE:
        return None


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
