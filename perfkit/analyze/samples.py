"""The samplers' lines as series over time, and what a counter did between two moments."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

Line = Mapping[str, Any]


def series(lines: Iterable[Line], key: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(times in ns, values) of the lines that have *key*, in time order."""
    found = [
        (float(line["t"]), float(line[key])) for line in lines if _number(line.get("t")) and _number(line.get(key))
    ]
    table = np.array(sorted(found), dtype=np.float64).reshape(-1, 2)
    return table[:, 0], table[:, 1]


def growth(lines: Iterable[Line], key: str, start_ns: int, end_ns: int) -> float | None:
    """By how much a counter grew in the interval, interpolated at its ends.

    Where the samples cover only a part of the interval, its rate stands for the whole; None when they cover
    less than half.
    """
    times, values = series(lines, key)
    if times.size < 2 or end_ns <= start_ns:
        return None
    low, high = max(float(start_ns), times[0]), min(float(end_ns), times[-1])
    if high - low < (end_ns - start_ns) / 2:
        return None
    at_low, at_high = np.interp([low, high], times, values)
    return float((at_high - at_low) * (end_ns - start_ns) / (high - low))


def mean_within(lines: Iterable[Line], key: str, start_ns: int, end_ns: int) -> float | None:
    """Mean of a gauge over the samples in the interval."""
    times, values = series(lines, key)
    inside = values[(times >= start_ns) & (times <= end_ns)]
    return float(inside.mean()) if inside.size else None


def integral(lines: Iterable[Line], key: str, start_ns: int, end_ns: int) -> float | None:
    """A gauge integrated over the interval, in its unit times seconds. None with fewer than two samples
    inside.
    """
    times, values = series(lines, key)
    inside = (times >= start_ns) & (times <= end_ns)
    if int(inside.sum()) < 2:
        return None
    covered = (times[inside][-1] - times[inside][0]) / 1e9
    area = float(np.trapezoid(values[inside], times[inside] / 1e9))
    return area / covered * (end_ns - start_ns) / 1e9 if covered > 0 else None


def _number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
