"""Finds where the events of a trace lie in its text, without parsing it: in bounded memory, also when it is damaged."""

from __future__ import annotations

import re
from dataclasses import dataclass

# A string (also one that is not closed), or one structural character. Possessive, so one pass whatever the text.
_TOKEN = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)|[\[\]{}]', re.DOTALL)
_EVENTS_KEY = re.compile(rb'"traceEvents"\s*:\s*\[')
_BETWEEN = re.compile(rb"\s*,\s*\{")
# What Kineto itself writes between two events; used until the file's own way is known.
KINETO_SEPARATOR = b"},\n  {"


@dataclass(frozen=True, kw_only=True)
class Objects:
    """The complete objects of a piece of an array's text."""

    #: Start and end offset of each.
    spans: list[tuple[int, int]]
    #: Offset of the bracket that closes the array, None when it is not in the piece.
    closed_at: int | None
    #: Offset where the first incomplete object starts, or the piece's end.
    rest: int


def find_objects(text: bytes, start: int = 0, limit: int | None = None) -> Objects:
    """The objects at depth 0 of *text*, at most *limit* of them. One pass, iterative: nesting depth costs nothing."""
    depth, begin = 0, start
    spans: list[tuple[int, int]] = []
    for match in _TOKEN.finditer(text, start):
        token = text[match.start()]
        if token == 0x22:  # a string
            continue
        if token in b"{[":
            if depth == 0:
                begin = match.start()
            depth += 1
        elif depth == 0:
            # A closing bracket ends the array only right behind an object; elsewhere it is a remnant of damage.
            before = spans[-1][1] if spans else start
            if token == 0x5D and not text[before : match.start()].strip(b" \t\r\n,"):
                return Objects(spans=spans, closed_at=match.start(), rest=match.start())
        else:
            depth -= 1
            if depth == 0 and token == 0x7D:
                spans.append((begin, match.end()))
                if limit is not None and len(spans) >= limit:
                    return Objects(spans=spans, closed_at=None, rest=match.end())
    rest = begin if depth else (spans[-1][1] if spans else start)
    return Objects(spans=spans, closed_at=None, rest=rest)


def find_array(text: bytes) -> int | None:
    """Offset just after the bracket that opens the events: of ``traceEvents``, or of a bare array. None without."""
    stripped = text[:64].lstrip(b"\xef\xbb\xbf \t\r\n")
    if stripped.startswith(b"["):
        return text.index(b"[") + 1
    match = _EVENTS_KEY.search(text)
    return match.end() if match else None


def separator(text: bytes, start: int) -> bytes:
    """The bytes between two events, learned from the first two after *start*; Kineto's own when there are none."""
    first = find_objects(text, start, limit=1)
    if first.spans:
        match = _BETWEEN.match(text, first.rest)
        if match and len(match.group()) < 64:
            return b"}" + match.group()
    return KINETO_SEPARATOR
