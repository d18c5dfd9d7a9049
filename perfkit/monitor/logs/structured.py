"""Lines that are data already: JSON objects, printed Python dicts, ``Namespace(…)``. Parsed as shapes, so once per shape."""

from __future__ import annotations

import ast
import json
import re
from dataclasses import dataclass, field
from typing import Any

from .clean import shown
from .shapes import PLACE

#: Nesting and length beyond which a line is not parsed: the parsers recurse, and nobody logs metrics so.
MAX_DEPTH = 40
MAX_LENGTH = 32_768
#: Leaves of one object that are looked at.
MAX_LEAVES = 500
#: Characters of a key that are kept.
MAX_KEY = 80
_BASE = 10**12  # the k-th number is written as this plus k: no shape holds a number of its own
_WORD = re.compile(r"(?<![\w.])(-?)(nan|NaN|inf|Infinity)(?=[\s,}\])]|$)")
_WRAPPED = re.compile(r"\b(?:tensor|np\.\w+|numpy\.\w+|array)\((-?\x00)[^()]*\)")
_NAMESPACE = re.compile(r"^(?:argparse\.)?(?:Namespace|\w*(?:Config|Args|Arguments|Params))\((.*)\)$", re.DOTALL)
NOT_FINITE = {"nan": float("nan"), "NaN": float("nan"), "inf": float("inf"), "Infinity": float("inf"), "-inf": float("-inf"),
              "-Infinity": float("-inf")}  # fmt: skip


@dataclass
class Leaves:
    """What an object holds, flat (``train/loss``)."""

    #: Name → index of the number in the line, and whether it is negative.
    numbers: list[tuple[str, int, bool]] = field(default_factory=list)
    constants: list[tuple[str, float]] = field(default_factory=list)
    #: Name → text, in which PLACE stands for numbers, and the index of the first of them.
    texts: list[tuple[str, str, int]] = field(default_factory=list)
    #: How many values were missing (null, None).
    missing: int = 0


def looks_like_data(message: str) -> bool:
    """Whether *message* may be an object of any of the forms."""
    return (message.startswith("{") and message.endswith("}")) or bool(_NAMESPACE.match(message))


def too_deep(message: str) -> bool:
    """Whether *message* is nested beyond what is parsed."""
    depth = deepest = 0
    for character in message:
        if character in "{[(":
            depth += 1
            deepest = max(deepest, depth)
        elif character in "}])":
            depth -= 1
    return deepest > MAX_DEPTH or len(message) > MAX_LENGTH


def leaves(message: str, first: int) -> Leaves | None:
    """The leaves of *message* (a shape); its first number is the line's *first*-th. None if it is not data after all."""
    if too_deep(message):
        return None
    parsed = _parse(_numbered(message))
    if not isinstance(parsed, dict):
        return None
    found = Leaves()
    _walk(parsed, "", found, first)
    return found


def _numbered(message: str) -> str:
    pieces = message.split(PLACE)
    return pieces[0] + "".join(f"{_BASE + k}{piece}" for k, piece in enumerate(pieces[1:]))


def _parse(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        pass
    text = _WORD.sub(r"'\1\2'", _WRAPPED.sub(r"\1", text))
    text = re.sub(r"\b(?:tensor|np\.\w+|numpy\.\w+)\((-?\d+)[^()]*\)", r"\1", text)
    space = _NAMESPACE.match(text)
    try:
        if space:
            call = ast.parse(f"f({space[1]})", mode="eval").body
            return {k.arg: _literal(k.value) for k in call.keywords if k.arg} if isinstance(call, ast.Call) else None
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError):
        return None


def _literal(node: ast.expr) -> Any:
    try:
        return ast.literal_eval(node)
    except ValueError:
        return ast.unparse(node)


def _walk(value: Any, name: str, found: Leaves, first: int) -> None:
    if len(found.numbers) + len(found.texts) + len(found.constants) > MAX_LEAVES:
        return
    if isinstance(value, dict):
        for key, inner in value.items():
            word = shown(str(key), MAX_KEY)  # JSON may hold escapes that the line did not
            _walk(inner, f"{name}/{word}" if name else word, found, first)
    elif value is None:
        found.missing += 1
    elif isinstance(value, bool):
        found.texts.append((name, str(value), first))
    elif isinstance(value, int) and abs(value) >= _BASE:
        found.numbers.append((name, first + abs(value) - _BASE, value < 0))
    elif isinstance(value, float):  # NaN and Infinity of JSON
        found.constants.append((name, value))
    else:
        _text(str(value), name, found, first)


def _text(text: str, name: str, found: Leaves, first: int) -> None:
    if text in NOT_FINITE:
        found.constants.append((name, NOT_FINITE[text]))
        return
    indexes = [int(k) - _BASE for k in re.findall(r"1\d{12}", text)]
    shape = re.sub(r"1\d{12}", PLACE, text)
    if shape.lstrip("+-") == PLACE:
        found.numbers.append((name, first + indexes[0], shape.startswith("-")))
    else:
        found.texts.append((name, shape, first + indexes[0] if indexes else first))
