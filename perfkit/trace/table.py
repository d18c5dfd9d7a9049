"""Collects decoded events into the compact columns of `trace.events`."""

from __future__ import annotations

import math
import re
from itertools import compress
from typing import Any

import numpy as np

from .decode import EXACT_FLOAT_US, MAX_TIME_NS, AnyEvent, Event, ExactEvent, exact_ns
from .events import Codes, Column, Events

# Words of older Kineto versions (torch < 1.13) for the same categories.
_ALIASES = {
    "Operator": "cpu_op",
    "Kernel": "kernel",
    "Runtime": "cuda_runtime",
    "Memcpy": "gpu_memcpy",
    "Memset": "gpu_memset",
    "Python": "python_function",
}


# Sizes of a launch. CUDA allows 2^31 blocks by 2^16 by 2^16: what says more is damage.
_WHOLE = re.compile(rb"\d{1,18}")
MAX_LAUNCH = 1 << 62
# Operators whose other arguments are kept: the work of a convolution cannot be told from shapes alone.
_CONSTANTS_OF = "conv"


class NeedsExact(Exception):  # noqa: N818 - a signal between two ways of decoding, not an error
    """The piece has times that only their text gives exactly."""


class _Categories(Codes):
    """Category codes, with the older words for a category counted as the present one."""

    def __missing__(self, key: Any) -> int:
        if key not in _ALIASES:
            return super().__missing__(key)
        code = self[key] = self[_ALIASES[key]]
        return code


class _Products(dict[bytes, int]):
    """Text of a grid or block → how many it holds; -1 where it says nothing: ``[320, 1, 1]`` → 320."""

    def __missing__(self, key: bytes) -> int:
        sizes = [int(size) for size in _WHOLE.findall(key)]
        self[key] = found = math.prod(sizes) if sizes and math.prod(sizes) <= MAX_LAUNCH else -1
        return found


class Table:
    """Grows by pieces of decoded events; keeps the complete ones (phase X) and counts the others."""

    def __init__(self) -> None:
        self.count = 0
        self.seen = 0
        self.untimed = 0
        self.categories = _Categories()
        self.names, self.dims, self.types, self.constants, self.identities = (Codes() for _ in range(5))
        self._products = _Products()
        self._with_constants: list[bool] = []
        self._columns = {name: Column() for name in ("ts_ns", "dur_ns", "category", "name", "pid", "tid")}
        for name in ("device", "stream", "correlation", "external_id", "sequence", "forward_thread", "shapes",
                     "dtypes", "constants", "bytes", "blocks", "threads", "registers", "shared_bytes", "python_id",
                     "python_parent"):  # fmt: skip
            self._columns[name] = Column(-1)

    def extend(self, decoded: list[Any]) -> None:
        """Add a piece. Raises NeedsExact for a piece of floats beyond their precision, OverflowError for wild ids."""
        events: list[AnyEvent] = [event for event in decoded if type(event) is Event]
        events = events or [event for event in decoded if type(event) is ExactEvent]  # a piece has one kind only
        if events:
            starts, durations, good = _times(events)
            if not good.all():
                events = [event for event, ok in zip(events, good.tolist(), strict=True) if ok]
                starts, durations = starts[good], durations[good]
            parts = self._parts(events)  # everything that can fail happens before the first column grows
            self._add(starts, durations, parts, len(events))
            self.untimed += int((~good).sum())
        self.seen += len(decoded)

    def _add(self, starts: Any, durations: Any, parts: dict[str, Any], count: int) -> None:
        columns = self._columns
        columns["ts_ns"].extend(starts)
        columns["dur_ns"].extend(durations)
        for name, column in columns.items():
            if name in parts:
                column.extend(parts[name])
            elif name not in ("ts_ns", "dur_ns"):
                column.skip(count)
        self.count += count

    def _parts(self, events: list[AnyEvent]) -> dict[str, Any]:
        """The other columns of a piece. Host operators, Python frames and the rest carry different arguments."""
        count = len(events)
        category_of = self.categories.__getitem__
        cats = [event.cat for event in events]
        categories = np.fromiter(map(category_of, cats), np.int64, count)
        parts = {
            "category": categories,
            "name": np.fromiter(map(self.names.__getitem__, [event.name for event in events]), np.int64, count),
            "pid": self._identities([event.pid for event in events], count),
            "tid": self._identities([event.tid for event in events], count),
        }
        host = (categories == category_of("cpu_op")) | (categories == category_of("user_annotation"))
        python = categories == category_of("python_function")
        args = [event.args for event in events]
        self._host_parts(parts, args, host)
        self._frame_parts(parts, args, python)
        self._device_parts(parts, args, ~(host | python))
        return parts

    def _host_parts(self, parts: dict[str, Any], every: list[Any], mask: Any) -> None:
        chosen = _pick(every, mask)
        if not chosen:
            return
        _fill(parts, "external_id", mask, [args.external_id for args in chosen])
        _fill(parts, "sequence", mask, [args.sequence for args in chosen])
        _fill(parts, "forward_thread", mask, [args.forward_thread for args in chosen])
        _fill(parts, "shapes", mask, list(map(self.dims.__getitem__, [bytes(args.dims) for args in chosen])))
        _fill(parts, "dtypes", mask, list(map(self.types.__getitem__, [bytes(args.types) for args in chosen])))
        self._constant_parts(parts, every, mask & self._wants_constants(parts["name"]))

    def _wants_constants(self, names: Any) -> Any:
        """Which events are of operators whose constants are kept."""
        fresh = self.names.texts[len(self._with_constants) :]
        self._with_constants += [_CONSTANTS_OF in name for name in fresh]
        return np.array(self._with_constants, bool)[names]

    def _constant_parts(self, parts: dict[str, Any], every: list[Any], mask: Any) -> None:
        if mask.any():
            texts = [bytes(args.constants) for args in _pick(every, mask)]
            _fill(parts, "constants", mask, list(map(self.constants.__getitem__, texts)))

    @staticmethod
    def _frame_parts(parts: dict[str, Any], every: list[Any], mask: Any) -> None:
        chosen = _pick(every, mask)
        if chosen:
            _fill(parts, "python_id", mask, [args.python_id for args in chosen])
            parents = [-1 if args.python_parent is None else args.python_parent for args in chosen]
            _fill(parts, "python_parent", mask, parents)

    def _device_parts(self, parts: dict[str, Any], every: list[Any], mask: Any) -> None:
        chosen = _pick(every, mask)
        if chosen:
            _fill(parts, "external_id", mask, [args.external_id for args in chosen])
            _fill(parts, "correlation", mask, [args.correlation for args in chosen])
            _fill(parts, "device", mask, [args.device for args in chosen])
            _fill(parts, "stream", mask, [args.stream for args in chosen])
            _fill(parts, "bytes", mask, [args.bytes if args.bytes >= 0 else args.size for args in chosen])
            self._launch_parts(parts, every, mask & (parts["category"] == self.categories["kernel"]))

    def _launch_parts(self, parts: dict[str, Any], every: list[Any], mask: Any) -> None:
        """How a kernel was spread over the device."""
        if mask.any():
            chosen, product = _pick(every, mask), self._products.__getitem__
            _fill(parts, "blocks", mask, [product(bytes(args.grid)) for args in chosen])
            _fill(parts, "threads", mask, [product(bytes(args.block)) for args in chosen])
            _fill(parts, "registers", mask, [args.registers for args in chosen])
            _fill(parts, "shared_bytes", mask, [args.shared_bytes for args in chosen])

    def _identities(self, values: list[int | str], count: int) -> Any:
        """Process and thread numbers; names in their place become -2, -3 …"""
        try:
            return np.fromiter(values, np.int64, count)
        except (TypeError, ValueError):
            return np.array([value if isinstance(value, int) else self._named(value) for value in values], np.int64)

    def _named(self, text: str) -> int:
        return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else -2 - self.identities[text]

    def finish(self) -> Events:
        """The table. Nothing can be added after it."""
        made = {name: column.finish(self.count) for name, column in self._columns.items()}
        texts = {"shapes": self.dims.texts, "dtypes": self.types.texts, "constants": self.constants.texts}
        made |= {name: _without_empty(made[name], held) for name, held in texts.items()}
        return Events(
            **made,
            categories=self.categories.texts,
            names=self.names.texts,
            shape_texts=texts["shapes"],
            dtype_texts=texts["dtypes"],
            constant_texts=texts["constants"],
        )


def _pick(every: list[Any], mask: Any) -> list[Any]:
    if mask.all():
        return every
    return list(compress(every, mask.tolist()))


def _fill(parts: dict[str, Any], name: str, mask: Any, values: list[int]) -> None:
    made = np.array(values, np.int64)
    if len(made) == len(mask):
        parts[name] = made
        return
    if name not in parts:
        parts[name] = np.full(len(mask), -1, np.int64)
    parts[name][mask] = made


def _without_empty(codes: Any, texts: list[str]) -> Any:
    """Codes with -1 where the text is empty, which is how a missing argument was written down."""
    if "" in texts and codes.size and codes.flags.writeable:
        codes[codes == texts.index("")] = -1
    return codes


def _times(events: list[AnyEvent]) -> tuple[Any, Any, Any]:
    """Start and duration in ns, and which events have both."""
    count = len(events)
    microseconds = np.fromiter([event.dur for event in events], np.float64, count)
    if isinstance(events[0], ExactEvent):
        texts = [exact_ns(bytes(event.ts)) for event in events]  # type: ignore[arg-type]
        timed = np.array([value is not None for value in texts], dtype=bool)
        starts = np.array([value or 0 for value in texts], np.int64)
    else:
        values = np.fromiter([event.ts for event in events], np.float64, count)
        timed = np.abs(values) < MAX_TIME_NS / 1000
        starts = _whole_ns(np.where(timed, values, 0.0))
    good = timed & (microseconds >= 0) & (microseconds < MAX_TIME_NS / 1000)
    durations = np.rint(np.where(good, microseconds, 0.0) * 1000).astype(np.int64)
    return starts, durations, good


def _whole_ns(microseconds: Any) -> Any:
    """Exact nanoseconds: the whole microseconds and the fraction are scaled apart, so that no digit is lost."""
    if np.abs(microseconds).max() >= EXACT_FLOAT_US:
        raise NeedsExact
    whole = np.floor(microseconds)
    fraction = microseconds - whole
    return whole.astype(np.int64) * 1000 + np.rint(fraction * 1000).astype(np.int64)
