"""TensorBoard's event files: scalars from the TFRecord frames, without TensorFlow.

A frame is: length (uint64), masked CRC32C of those 8 bytes, the data, its masked CRC32C (all little-endian). The data is an Event
(tensorflow/core/util/event.proto) with a Summary (summary.proto): values as simple_value, or as a tensor (tensor.proto) of one number.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import PurePath
from typing import IO

from ...trace import wire

#: Castagnoli's polynomial, reflected.
_POLYNOMIAL = 0x82F63B78
_MASK_DELTA = 0xA282EAD8
#: No scalar's frame is larger; images and graphs are, and are passed over unread.
MAX_FRAME = 1 << 20
#: Beyond this the length is damage rather than data.
MAX_LENGTH = 1 << 31
# tensor.proto's DataType → struct's letter of one element in tensor_content
_TYPES = {1: "f", 2: "d", 3: "i", 4: "B", 5: "h", 6: "b", 9: "q", 10: "?", 19: "e", 22: "I", 23: "Q"}
_SPLITS = {
    "train": "train",
    "training": "train",
    "validation": "val",
    "val": "val",
    "valid": "val",
    "eval": "val",
    "test": "test",
}


@dataclass(frozen=True, kw_only=True)
class Scalar:
    """One value of one tag."""

    tag: str
    value: float
    step: int
    time_ns: int


@dataclass
class Damage:
    """What could not be read of a file."""

    frames: int = 0
    skipped: int = 0
    reason: str = ""
    kinds: set[str] = field(default_factory=set)


@cache
def _crc_table() -> list[int]:
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ (_POLYNOMIAL if byte & 1 else 0)
        table.append(byte)
    return table


def masked_crc(data: bytes) -> int:
    """CRC32C of *data*, rotated and shifted as TFRecord keeps it."""
    table, crc = _crc_table(), 0xFFFFFFFF
    for byte in data:
        crc = table[(crc ^ byte) & 0xFF] ^ crc >> 8
    crc ^= 0xFFFFFFFF
    return ((crc >> 15 | crc << 17) + _MASK_DELTA) & 0xFFFFFFFF


def is_event_file(name: str, head: bytes) -> bool:
    """Whether a file of that name and beginning is one."""
    if len(head) >= 12:
        length, crc = struct.unpack("<QI", head[:12])
        return bool(0 < length < MAX_LENGTH and masked_crc(head[:8]) == crc)
    return not head and ".tfevents." in name


def scalars(file: IO[bytes], damage: Damage) -> Iterator[Scalar]:
    """The scalars of *file*, in order. A torn end or a damaged frame ends it, and is told in *damage*."""
    while True:
        head = file.read(12)
        if len(head) < 12:
            damage.reason = "its last frame is torn" if head else ""
            return
        length, crc = struct.unpack("<QI", head)
        if length > MAX_LENGTH or masked_crc(head[:8]) != crc:
            damage.reason = f"frame {damage.frames + 1} has a wrong checksum of its length"
            return
        if length > MAX_FRAME:
            if not _skip(file, length + 4):
                damage.reason = "its last frame is torn"
                return
            damage.frames += 1
            damage.skipped += 1
            continue
        data, tail = file.read(length), file.read(4)
        if len(data) < length or len(tail) < 4:
            damage.reason = "its last frame is torn"
            return
        damage.frames += 1
        if struct.unpack("<I", tail)[0] != masked_crc(data):
            damage.reason = f"frame {damage.frames} has a wrong checksum"
            return
        try:
            yield from _event(data, damage)
        except ValueError as error:
            damage.skipped += 1
            damage.kinds.add(str(error))


def _skip(file: IO[bytes], size: int) -> bool:
    while size > 0:
        piece = file.read(min(size, 1 << 20))
        if not piece:
            return False
        size -= len(piece)
    return True


def _event(data: bytes, damage: Damage) -> Iterator[Scalar]:
    wall_s, step, summaries = 0.0, 0, []
    for number, kind, value in wire.fields(data):
        if number == 1 and isinstance(value, bytes) and kind == wire.FIXED64:
            wall_s = wire.double(value)
        elif number == 2 and isinstance(value, int):
            step = wire.signed(value)
        elif number == 5 and isinstance(value, bytes):
            summaries.append(value)
    for summary in summaries:
        for number, _, value in wire.fields(summary):
            if number != 1 or not isinstance(value, bytes):
                continue
            tag, found = _value(value)
            if found is None:
                damage.kinds.add("values that are no scalar")
            else:
                yield Scalar(tag=tag, value=found, step=step, time_ns=int(wall_s * 1e9) if 0 < wall_s < 9e9 else 0)


def _value(data: bytes) -> tuple[str, float | None]:
    tag, found = "", None
    for number, kind, value in wire.fields(data):
        if not isinstance(value, bytes):
            continue
        if number == 1:
            tag = value.decode("utf-8", "replace")
        elif number == 2 and kind == wire.FIXED32:
            found = wire.single(value)
        elif number == 8:
            found = _tensor(value)
    return tag, found


def _tensor(data: bytes) -> float | None:
    """The only number of a tensor; None for any other tensor."""
    letter, sizes, content = "", [], b""
    listed: float | None = None
    for number, kind, value in wire.fields(data):
        if number == 1 and isinstance(value, int):
            letter = _TYPES.get(value, "")
        elif number == 2 and isinstance(value, bytes):
            sizes = [_size(v) for n, _, v in wire.fields(value) if n == 2 and isinstance(v, bytes)]
        elif number == 4 and isinstance(value, bytes):
            content = value
        elif number in (5, 6, 7, 10) and not sizes:
            listed = _listed(number, kind, value)
    if any(size != 1 for size in sizes) or not letter:
        return None
    if content:
        return float(struct.unpack(f"<{letter}", content)[0]) if len(content) == struct.calcsize(f"<{letter}") else None
    return listed


def _size(dimension: bytes) -> int:
    return next((wire.signed(v) for n, _, v in wire.fields(dimension) if n == 1 and isinstance(v, int)), 0)


def _listed(number: int, kind: int, value: int | bytes) -> float | None:
    """float_val (5), double_val (6), int_val (7), int64_val (10), packed or not; the first element."""
    if isinstance(value, int):
        return float(wire.signed(value))
    if kind == wire.BYTES and number in (7, 10):
        return float(wire.signed(wire._varint(value, 0)[0])) if value else None
    size, read = (8, wire.double) if number == 6 else (4, wire.single)
    return read(value[:size]) if len(value) >= size else None


def split_of(path: str) -> str:
    """The split that the folder of an event file stands for, as Keras lays them out (``train/``, ``validation/``)."""
    return next(
        (_SPLITS[part.lower()] for part in reversed(PurePath(path).parts[:-1]) if part.lower() in _SPLITS), "train"
    )


def name_of(tag: str) -> tuple[str, bool]:
    """The metric that a tag names, and whether its step counts epochs, as in Keras's ``epoch_loss``."""
    if tag.startswith("epoch_"):
        return tag[6:], True
    if tag.startswith("evaluation_"):
        return tag[11:].replace("_vs_iterations", ""), False
    return tag.removeprefix("batch_"), False
