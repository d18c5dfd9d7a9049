"""Reads as much of protobuf's wire format as XPlane traces and TensorBoard's event files need.

Format: https://protobuf.dev/programming-guides/encoding/. A message is a run of (field, wire type, value); nested ones are read the
same way from their bytes.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
Field = tuple[int, int, int | bytes]


def fields(data: bytes) -> Iterator[Field]:
    """Field number, wire type, and the value: an int (VARINT) or bytes. Raises ValueError for what is no message."""
    at, end = 0, len(data)
    while at < end:
        key, at = _varint(data, at)
        number, kind = key >> 3, key & 7
        if number == 0:
            raise ValueError("field 0")
        if kind == VARINT:
            value, at = _varint(data, at)
            yield number, kind, value
            continue
        if kind == BYTES:
            size, at = _varint(data, at)
        elif kind in (FIXED64, FIXED32):
            size = 8 if kind == FIXED64 else 4
        else:
            raise ValueError(f"wire type {kind}")
        if size > end - at:
            raise ValueError("a field runs past the end")
        yield number, kind, data[at : at + size]
        at += size


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        if at >= len(data) or shift > 63:
            raise ValueError("a varint runs past the end")
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7


def signed(value: int) -> int:
    """A varint as a 64-bit integer with a sign."""
    return value - (1 << 64) if value >= 1 << 63 else value


def double(data: bytes) -> float:
    """A FIXED64 as a float."""
    return float(struct.unpack("<d", data)[0])


def single(data: bytes) -> float:
    """A FIXED32 as a float."""
    return float(struct.unpack("<f", data)[0])
