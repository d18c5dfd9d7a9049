"""Ticks at round numbers and their labels, for linear and logarithmic axes."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

#: Steps that people count in.
_ROUND = (1.0, 2.0, 2.5, 5.0, 10.0)
#: Values that span more than this (greatest over median, all positive) hide everything else on a linear axis.
LOG_WORTH = 50.0
_TIME = ((3600.0, "h"), (60.0, "min"), (1.0, "s"), (1e-3, "ms"), (1e-6, "µs"), (1e-9, "ns"))
_BYTES = ((float(1 << 40), "TiB"), (float(1 << 30), "GiB"), (float(1 << 20), "MiB"), (float(1 << 10), "KiB"))
_THOUSAND = 1e3
#: Labels with more are written in powers of ten.
_MOST_DECIMALS = 5
_COUNT = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (_THOUSAND, "k"))


def linear_ticks(low: float, high: float, most: int) -> list[float]:
    """At most *most* round values within [low, high], evenly spaced by 1, 2, 2.5 or 5 times a power of ten."""
    raw = (high - low) / max(1, most)
    if not 0 < raw < math.inf:
        return [low]
    power = 10.0 ** math.floor(math.log10(raw))
    for factor in (*_ROUND, 20.0):
        step = factor * power
        first = math.ceil(low / step - 1e-9)
        last = math.floor(high / step + 1e-9)
        if last - first + 1 <= most:
            return [number * step for number in range(first, last + 1)] or [low]
    return [low]


def log_ticks(low: float, high: float, most: int) -> list[float]:
    """Powers of ten within [low, high], thinned to *most*; with fewer than two of them, linear ticks. Both ends positive."""
    first, last = math.ceil(math.log10(low) - 1e-9), math.floor(math.log10(high) + 1e-9)
    if last - first < 1:
        return linear_ticks(low, high, most)
    stride = math.ceil((last - first + 1) / max(1, most))
    return [10.0**power for power in range(first, last + 1, stride)]


def wants_log(values: NDArray[np.float64]) -> bool:
    """Whether a linear axis would hide most of *values*: all positive, the greatest far above the median."""
    import numpy as np

    finite = values[np.isfinite(values)]
    if len(finite) < 2 or float(finite.min()) <= 0:
        return False
    return bool(float(finite.max()) > LOG_WORTH * float(np.median(finite)))


def axis(low: float, high: float, most: int, unit: str = "", *, log: bool = False) -> tuple[list[float], list[str]]:
    """Ticks for values of *unit* from *low* to *high*, and their labels. They are round in the unit that the labels have."""
    if log and low > 0:
        ticks = log_ticks(low, high, most)
        return ticks, [value(tick, unit) for tick in ticks]
    size, _ = scale_of(max(abs(low), abs(high)), unit)
    ticks = [tick * size for tick in linear_ticks(low / size, high / size, most)]
    return ticks, labels(ticks, unit)


def scale_of(top: float, unit: str) -> tuple[float, str]:
    """Divisor and name of the unit in which values up to *top* of *unit* ("s", "bytes", "1/s", "W", "") are told."""
    own = {"s": _TIME, "bytes": _BYTES}.get(unit)
    behind = "" if own else "/s" if unit == "1/s" else unit
    for size, name in own or _COUNT:
        # Thousands are written out below 10,000: step 1200 is "1200".
        least = 10 * size if own is None and size == _THOUSAND else size
        if top >= least * 0.99995:
            return size, name + behind
    return _TIME[-1] if unit == "s" and top > 0 else (1.0, "B" if unit == "bytes" else unit if own else behind)


def labels(ticks: Sequence[float], unit: str = "") -> list[str]:
    """What to write beside *ticks*: one scale for all, as many decimals as tell them apart, the unit behind each."""
    size, name = scale_of(max((abs(tick) for tick in ticks), default=0.0), unit)
    scaled = [tick / size for tick in ticks]
    texts = [_plain(number) for number in scaled]
    for decimals in range(_MOST_DECIMALS + 1):
        fixed = [f"{number:.{decimals}f}" for number in scaled]
        if all(abs(float(text) - number) <= 1e-3 * abs(number) for text, number in zip(fixed, scaled, strict=True)):
            texts = fixed
            break
    return [f"{text} {name}".rstrip() if number else "0" for text, number in zip(texts, scaled, strict=True)]


def value(number: float, unit: str = "", digits: int = 4) -> str:
    """One value as people read it: some significant digits and its unit; ``NaN``, ``∞`` as such."""
    if math.isnan(number):
        return "NaN"
    if math.isinf(number):
        return "∞" if number > 0 else "-∞"
    size, name = scale_of(abs(number), unit)
    return f"{_plain(number / size, digits)} {name}".rstrip()


def span(low: float, high: float, unit: str = "") -> str:
    """Two values in one unit: ``3.9–12 ms``."""
    size, name = scale_of(max(abs(low), abs(high)), unit)
    first, last = (f"{end:.0f}" if 100 <= abs(end) < 1e5 else f"{end:.3g}" for end in (low / size, high / size))
    return f"{first if first == last else f'{first}–{last}'} {name}".rstrip()


def _plain(number: float, digits: int = 4) -> str:
    """Significant digits; a power of ten without its zeros and plus."""
    mantissa, e, power = f"{number:.{digits}g}".partition("e")
    return f"{mantissa}e{int(power)}" if e else mantissa
