"""What the stack samples among the steps say: lines of the user's code, their share and its error."""

from __future__ import annotations

import math
from collections import defaultdict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import re
    from collections.abc import Iterable, Sequence

Row = dict[str, Any]


def steady(hot_lines: Iterable[Row] | None, role: str = "main") -> list[Row]:
    """Lines that had samples of their own among the steps, most first: of the window that holds most samples."""
    windows: dict[str, list[Row]] = defaultdict(list)
    for row in hot_lines or []:
        if row["role"] == role and str(row["window"]).startswith("steady") and row["share"] > 0:
            windows[str(row["window"])].append(row)
    longest = max(windows.values(), key=_samples, default=[])
    return sorted((row for row in longest if row["self_share"] > 0), key=lambda row: -row["self_share"])


def share_and_error(lines: Sequence[Row]) -> tuple[float, float]:
    """Share of the samples that *lines* of one window have for themselves, and its standard error."""
    share = min(1.0, sum(row["self_share"] for row in lines))
    return share, math.sqrt(share * (1 - share) / max(1.0, _samples(lines)))


def is_named(function: str, names: re.Pattern[str]) -> bool:
    """Whether a part of a qualified name (class, function, what is nested in it) matches."""
    return any(names.search(part) for part in function.split("."))


def place(row: Row) -> str:
    """``function (file.py:12)``, for evidence."""
    return f"{row['function']} ({row['file'].rpartition('/')[2]}:{row['line']})"


def _samples(lines: Sequence[Row]) -> float:
    """Samples of the window that *lines* are of."""
    return max((row["samples"] / row["share"] for row in lines if row["share"]), default=0.0)
