"""Reads settings and facts of a model from a line that holds them."""

from __future__ import annotations

import re

from .clean import shown
from .structured import MAX_LEAVES, leaves, looks_like_data
from .units import behind

_COMMENT = re.compile(r"\s+#.*$")
_ASSIGNMENT = re.compile(r"^(?:overriding:?\s+)?([A-Za-z_][\w.]*)\s*=\s*(.+)$", re.I)
_NAME = r"(?<![\w.#\-])([A-Za-z_#][\w.#\-]*(?: [A-Za-z_#][\w.#\-]*){0,4})"
_VALUE = r"(\"[^\"]*\"|'[^']*'|[-+]?\d[\d,]*\.?\d*(?:[eE][-+]?\d+)?[A-Za-z%]*|[^\s,;|`]+)"
_EQUALS = re.compile(rf"(?<![\w.#\-])([A-Za-z_][\w.\-]*)\s*=\s*{_VALUE}")
_COLON = re.compile(rf"{_NAME}\s*:\s*{_VALUE}")
#: Of a value; of a line.
MAX_TEXT = 200
MAX_READ = 4096


def read(message: str) -> dict[str, float | str]:
    """Name → number or text."""
    if looks_like_data(message):
        return _of_data(message)
    one = _ASSIGNMENT.match(message)
    if one and "=" not in one[2]:
        return {one[1]: value(_COMMENT.sub("", one[2]))}
    found: dict[str, float | str] = {}
    pairs = _EQUALS.findall(message[:MAX_READ]) or _COLON.findall(message[:MAX_READ])
    for name, text in pairs:
        found[name] = value(text.rstrip(")]},"))
        if len(found) >= MAX_LEAVES:
            break
    return found


def _of_data(message: str) -> dict[str, float | str]:
    """*message* is no shape here: its numbers are its own, so it is read as one with every number as text."""
    from .shapes import NUMBER, PLACE, number

    parts = NUMBER.split(message)
    numbers = parts[1::2]
    found = leaves(PLACE.join(parts[::2]), 0)
    if found is None:
        return {}
    values: dict[str, float | str] = {
        n: -number(numbers[i]) if negative else number(numbers[i]) for n, i, negative in found.numbers
    }
    values |= dict(found.constants)
    for name, text, first in found.texts:
        pieces = text.split(PLACE)
        filled = pieces[0] + "".join(numbers[first + k] + piece for k, piece in enumerate(pieces[1:]))
        values[name] = shown(filled, MAX_TEXT)
    return values


def value(text: str) -> float | str:
    """A number with its suffix (``0.80M``, ``2,410``), or the text without quotes."""
    text = text.strip()
    bare = re.match(r"([-+]?(?:\d[\d,]*\.?\d*(?:[eE][-+]?\d+)?))(\D{0,5})$", text)
    if bare:
        unit = behind(bare[2], count=True) if bare[2].strip() else None
        if unit is not None or not bare[2].strip():
            try:
                return float(bare[1].replace(",", "")) * (unit.scale if unit else 1.0)
            except ValueError:
                pass
    return shown(text.strip("'\""), MAX_TEXT)
