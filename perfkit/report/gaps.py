"""Every null in a document has its reason, under its path in ``unavailable``.

Paths are written as in ``steps.tokens_per_s``; rows of a list share one path, ``hotspots[].flops``.
"""

from __future__ import annotations

import math
from typing import Any

NOT_RECORDED = "not recorded"
NOT_A_NUMBER = "the figure came out as not a number"


class Gaps:
    """Collects reasons while a document is composed."""

    def __init__(self) -> None:
        self.reasons: dict[str, str] = {}

    def note(self, path: str, reason: str) -> None:
        """Say why *path* (and what lies below it) is null or empty. The first reason given stays."""
        self.reasons.setdefault(path, reason)

    def settle(self, document: dict[str, Any]) -> dict[str, str]:
        """Reasons for exactly the nulls and reasoned gaps of *document*; a number that is none becomes
        null.
        """
        used: dict[str, str] = {}
        self._walk(document, "", used)
        empty = {
            path: reason
            for path, reason in self.reasons.items()
            if not _value(document, path) and not _is_of_no_row(document, path)
        }
        return dict(sorted({**empty, **used}.items()))

    def _walk(self, node: Any, path: str, used: dict[str, str]) -> None:
        children = node.items() if isinstance(node, dict) else enumerate(node)
        for key, value in children:
            below = f"{path}[]" if isinstance(node, list) else f"{path}.{key}" if path else str(key)
            if isinstance(value, float) and not math.isfinite(value):
                node[key] = None
                used[below] = NOT_A_NUMBER
            elif value is None:
                used[below] = self._reason(below)
            elif isinstance(value, dict | list):
                self._walk(value, below, used)

    def _reason(self, path: str) -> str:
        """The reason noted for *path* or the nearest path above it."""
        while path:
            if path in self.reasons:
                return self.reasons[path]
            path = path[:-2] if path.endswith("[]") else path.rpartition(".")[0]
        return NOT_RECORDED


def _is_of_no_row(document: Any, path: str) -> bool:
    """Whether *path* speaks of the rows of a list that has none: the list has a reason of its own."""
    rows, is_of_rows, _ = path.partition("[]")
    return bool(is_of_rows) and not _value(document, rows)


def _value(document: Any, path: str) -> Any:
    """What lies at *path*; for rows of a list, whether any has a value there."""
    head, _, rest = path.partition(".")
    name = head.removesuffix("[]")
    found = document.get(name) if isinstance(document, dict) else None
    if head.endswith("[]") and isinstance(found, list):
        return any(_value(row, rest) for row in found) if rest else found
    return _value(found, rest) if rest and found is not None else found
