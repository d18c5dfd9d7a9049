"""Decodes pieces of a trace's text into events: fast where they are as Kineto writes them, patiently where not."""

from __future__ import annotations

import re
from decimal import Decimal, InvalidOperation
from typing import Any, Union

import msgspec

from .jsonscan import find_objects

# float64 holds microseconds with three decimals exactly enough for whole nanoseconds only below this (spacing 2**-10).
EXACT_FLOAT_US = float(1 << 43)
# Timestamps beyond this are damage: the year 2255 in nanoseconds still fits 64 bits.
MAX_TIME_NS = 9 * 10**18
_MAX_INT = (1 << 63) - 1
# RecursionError: a value that nests a hundred thousand brackets deep.
_DAMAGE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class Args(msgspec.Struct, frozen=True, gc=False):
    """The arguments of an event that perfkit uses; -1 and an empty text say that there is none."""

    external_id: int = msgspec.field(name="External id", default=-1)
    correlation: int = -1
    device: int = -1
    stream: int = -1
    sequence: int = msgspec.field(name="Sequence number", default=-1)
    forward_thread: int = msgspec.field(name="Fwd thread id", default=-1)
    dims: msgspec.Raw = msgspec.field(name="Input Dims", default=msgspec.Raw(b""))
    types: msgspec.Raw = msgspec.field(name="Input type", default=msgspec.Raw(b""))
    constants: msgspec.Raw = msgspec.field(name="Concrete Inputs", default=msgspec.Raw(b""))
    bytes: int = -1
    size: int = -1  # ROCm's word for bytes
    grid: msgspec.Raw = msgspec.Raw(b"")
    block: msgspec.Raw = msgspec.Raw(b"")
    registers: int = msgspec.field(name="registers per thread", default=-1)
    shared_bytes: int = msgspec.field(name="shared memory", default=-1)
    python_id: int = msgspec.field(name="Python id", default=-1)
    python_parent: int | None = msgspec.field(name="Python parent id", default=-1)


NO_ARGS = Args()


class Event(msgspec.Struct, gc=False, tag_field="ph", tag="X"):
    """An event with a duration, as Kineto writes it. Times in microseconds."""

    cat: str = ""
    name: str = ""
    pid: int | str = -1
    tid: int | str = -1
    ts: float = float("nan")
    dur: float = 0.0
    args: Args = NO_ARGS


class ExactEvent(msgspec.Struct, gc=False, tag_field="ph", tag="X"):
    """The same with its start as text, for traces whose times do not fit a float."""

    cat: str = ""
    name: str = ""
    pid: int | str = -1
    tid: int | str = -1
    ts: msgspec.Raw = msgspec.Raw(b"")
    dur: float = 0.0
    args: Args = NO_ARGS


class Other(msgspec.Struct, gc=False):
    """What is no duration: arrows, instants, names of threads. Only counted."""


AnyEvent = Event | ExactEvent
# The other phases of the Chrome trace format. One class each: skipping an object costs a third of reading it.
_OTHERS = tuple(
    msgspec.defstruct(f"Other_{phase}", [], bases=(Other,), gc=False, tag_field="ph", tag=phase)
    for phase in "BEIiCbenSTpFstfMNODPvVRcaZ()"
)
_fast: msgspec.json.Decoder[list[Any]] = msgspec.json.Decoder(list[Union[(Event, *_OTHERS)]])  # type: ignore[valid-type]
_exact: msgspec.json.Decoder[list[Any]] = msgspec.json.Decoder(list[Union[(ExactEvent, *_OTHERS)]])  # type: ignore[valid-type]
_one: msgspec.json.Decoder[Any] = msgspec.json.Decoder(Union[(ExactEvent, *_OTHERS)])


def decode(body: bytes | memoryview, *, exact: bool) -> list[Any]:
    """Objects of *body* (with commas between): Event or ExactEvent, and Other. Raises one of DAMAGE if it is not so."""
    return (_exact if exact else _fast).decode(b"".join((b"[", body, b"]")))


DAMAGE = (*_DAMAGE, OverflowError)


def salvage(body: bytes, sep: bytes, *, final: bool = False) -> tuple[list[ExactEvent | Other], int, int | None]:
    """What can be read of a damaged piece: events, how many were lost, and where the array was closed (or None).

    In the *final* piece of a file an incomplete event at the end is no damage: the file just ends there.
    """
    if b'"' in body and not _is_utf8(body):
        body = body.decode("utf-8", "replace").encode()
    found = find_objects(body)
    events: list[ExactEvent | Other] = []
    lost = 0
    for start, end in found.spans:
        lost += _salvage_span(body[start:end], sep, events)
    if found.closed_at is None and body[found.rest :].strip(b" \t\r\n,"):
        lost_at_end = _salvage_span(body[found.rest :], sep, events)
        lost += max(lost_at_end - 1, 0) if final else lost_at_end
    return events, lost, found.closed_at


def _salvage_span(text: bytes, sep: bytes, events: list[ExactEvent | Other]) -> int:
    """Append what *text*, meant to be one event, holds; when it swallowed several, each of them. Returns the losses."""
    event = _read_one(text)
    if event is not None:
        events.append(event)
        return 0
    pieces = text.split(sep)
    if len(pieces) == 1:
        return 1
    lost = 0
    for number, piece in enumerate(pieces):
        whole = (b"" if number == 0 else b"{") + piece + (b"" if number == len(pieces) - 1 else b"}")
        event = _read_one(whole)
        if event is None:
            lost += 1
        else:
            events.append(event)
    return lost


def _read_one(text: bytes) -> ExactEvent | Other | None:
    """One event, by the strict decoder, then with its JSON mended, then with its types bent."""
    try:
        event: ExactEvent | Other = _one.decode(text)
        return event
    except _DAMAGE:
        pass
    for candidate in (text, mend(text)):
        try:
            value = msgspec.json.decode(candidate)
        except _DAMAGE:
            continue
        return bend(value) if isinstance(value, dict) and "ph" in value else None
    return None


_NOT_NUMBER = re.compile(rb"(?<=[:\[,\s])[-+]?(?:nan|inf|infinity)(?=\s*[,}\]])", re.IGNORECASE)
_TRAILING = re.compile(rb",\s*(?=[}\]])")
_ESCAPE = re.compile(rb'\\(u(?![dD][89abAB])[0-9a-fA-F]{4}|["\\/bfnrt])|\\(u[0-9a-fA-F]{4}|.)?', re.DOTALL)
_CONTROL = re.compile(rb"[\x00-\x1f]")


def mend(text: bytes) -> bytes:
    """*text* with the usual damage mended: NaN, control characters, unknown escapes, trailing commas."""
    text = _CONTROL.sub(b" ", text)
    text = _ESCAPE.sub(lambda match: match.group() if match.group(1) else b"?", text)
    return _TRAILING.sub(b"", _NOT_NUMBER.sub(b"null", text))


def bend(value: dict[str, Any]) -> ExactEvent | Other:
    """An event whose values have unexpected types (numbers as strings, missing, null …)."""
    raw = value.get("args")
    args = raw if isinstance(raw, dict) else {}
    if value.get("ph") != "X":
        return Other()
    return ExactEvent(
        cat=str(value.get("cat", "")),
        name=str(value.get("name", "")),
        pid=_identity(value.get("pid")),
        tid=_identity(value.get("tid")),
        ts=msgspec.Raw(str(value.get("ts", "")).encode()),
        dur=_float(value.get("dur")),
        args=_bend_args(args),
    )


def _bend_args(args: dict[str, Any]) -> Args:
    return Args(
        external_id=_int(args.get("External id")),
        correlation=_int(args.get("correlation")),
        device=_int(args.get("device")),
        stream=_int(args.get("stream")),
        sequence=_int(args.get("Sequence number")),
        forward_thread=_int(args.get("Fwd thread id")),
        dims=_raw(args.get("Input Dims")),
        types=_raw(args.get("Input type")),
        constants=_raw(args.get("Concrete Inputs")),
        bytes=_int(args.get("bytes")),
        size=_int(args.get("size")),
        grid=_raw(args.get("grid")),
        block=_raw(args.get("block")),
        registers=_int(args.get("registers per thread")),
        shared_bytes=_int(args.get("shared memory")),
        python_id=_int(args.get("Python id")),
        python_parent=_int(args.get("Python parent id")),
    )


def _int(value: Any) -> int:
    try:
        number = int(value)
    except (TypeError, ValueError, OverflowError):
        return -1
    return number if abs(number) <= _MAX_INT else -1


def _float(value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        return float("nan") if value is not None else 0.0


def _identity(value: Any) -> int | str:
    return value if isinstance(value, int | str) and not isinstance(value, bool) else _int(value)


def _raw(value: Any) -> msgspec.Raw:
    return msgspec.Raw(b"" if value is None else msgspec.json.encode(value))


def exact_ns(raw: bytes) -> int | None:
    """Nanoseconds of a time in microseconds, from its text: exact however large. None when it is no time."""
    whole, _, fraction = raw.partition(b".")
    if whole.isdigit() and (fraction.isdigit() or not fraction) and len(fraction) <= 3 and len(whole) < 17:
        return int(whole + fraction.ljust(3, b"0"))
    try:
        number = Decimal(raw.decode("ascii", "replace").strip('" ')) * 1000
        nanoseconds = int(number.to_integral_value())
    except (InvalidOperation, ValueError, OverflowError):
        return None
    return nanoseconds if abs(nanoseconds) < MAX_TIME_NS else None


def _is_utf8(text: bytes) -> bool:
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True
