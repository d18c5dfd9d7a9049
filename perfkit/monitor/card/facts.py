"""What the cards of all frameworks are made with."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Mapping
from typing import Any

#: A card is read by people and written to the record once: layers beyond this are only counted.
MAX_LAYERS = 500
#: Tensors that the fingerprint of the weights looks at, evenly chosen, and values of each. 4,096 values cost about a millisecond.
SAMPLED_TENSORS = 64
SAMPLED_VALUES = 64
#: Of a setting that is text: longer ones are not settings but content.
MAX_TEXT = 80


def class_name(thing: Any) -> str:
    """``package.module.Class`` of an object."""
    return f"{type(thing).__module__}.{type(thing).__qualname__}"


def sha256(*parts: bytes) -> str:
    """Hex digest over *parts*."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part)
    return digest.hexdigest()


def structure(rows: Iterable[Any]) -> str:
    """The fingerprint of a structure: SHA-256 over its rows as JSON."""
    return sha256(*(json.dumps(json_ready(row), sort_keys=True).encode() + b"\n" for row in rows))


def evenly(things: list[Any], count: int) -> list[Any]:
    """At most *count* of *things*, first and last among them."""
    if len(things) <= count:
        return things
    return [things[i * (len(things) - 1) // (count - 1)] for i in range(count)]


def strides(shape: Iterable[int], count: int) -> tuple[slice, ...]:
    """Slices that take at most *count* values of an array of *shape*, spread over it, without copying it."""
    slices, left = [], count
    for size in shape:
        take = max(1, min(size, left))
        step = -(-size // take) if size else 1
        slices.append(slice(None, None, step))
        left //= max(1, -(-size // step) if size else 1)
    return tuple(slices)


def settings(values: Mapping[str, Any]) -> dict[str, Any]:
    """Of named values those that are settings: numbers, flags, short text, short tuples of numbers; of others the class."""
    return {str(name): setting(value) for name, value in values.items()}


def setting(value: Any) -> Any:
    """One setting; the class of what is none, since it may be the user's data."""
    if hasattr(value, "item") and getattr(value, "shape", None) == ():
        value = value.item()
    if value is None or isinstance(value, (bool, int, float)):
        return value
    if isinstance(value, str):
        return value if len(value) <= MAX_TEXT else f"text of {len(value)} characters"
    if isinstance(value, (tuple, list)) and len(value) <= 4 and all(isinstance(v, (int, float)) for v in value):
        return list(value)
    if callable(value) and hasattr(value, "__qualname__"):
        return f"{getattr(value, '__module__', '')}.{value.__qualname__}"
    return class_name(value)


def json_ready(value: Any) -> Any:
    """*value* with JSON's types only; a number that is not finite as text."""
    if isinstance(value, Mapping):
        return {str(k): json_ready(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [json_ready(v) for v in value]
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else str(value)
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, int):
        return int(value)
    return str(value)
