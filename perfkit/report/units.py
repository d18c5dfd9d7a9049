"""Numbers as people read them: three significant digits, a space before the unit."""

from __future__ import annotations

import math

_TIME = ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs"), (1e-9, "ns"))
_BYTES = ((1 << 40, "TiB"), (1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB"))
_COUNT = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))


def seconds(value: float) -> str:
    """``118.4 ms``, ``41.8 s``, ``12 min 5 s``, ``3 h 20 min``."""
    if value >= 120:
        return _long(value)
    for size, unit in _TIME:
        if value >= size * 0.99995 or unit == "ns":
            return f"{digits(value / size, 4)} {unit}" if value else "0 s"
    raise AssertionError


def _long(value: float) -> str:
    minutes, rest = divmod(round(value), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min"


def size(count: float) -> str:
    """``5.86 GiB``."""
    for scale, unit in _BYTES:
        if count >= scale:
            return f"{digits(count / scale, 3)} {unit}"
    return f"{count:.0f} B"


def count(value: float) -> str:
    """``541``, ``12.3 k``, ``1.2 M``; four digits are written out."""
    for scale, unit in _COUNT:
        if value >= 10 * scale or (value >= scale and scale > 1e3):
            return f"{digits(value / scale, 3)} {unit}"
    return digits(value, 3) if value < 100 else f"{value:.0f}"


def share(value: float) -> str:
    """``61.3 %``; what is there but rounds to nothing is ``<0.1 %``."""
    if 0 < value < 0.0005:
        return "<0.1 %"
    return f"{value * 100:.1f} %"


def interval(low: float, high: float) -> str:
    """``38–52 %``; one number when both ends round to it."""
    first, last = round(low * 100), round(high * 100)
    return f"{last} %" if first == last else f"{first}–{last} %"


def change(value: float) -> str:
    """``+5.1 %``, with a minus sign: of 0.051."""
    return f"{100 * value:+.1f} %".replace("-", "−")


def changed(value: float, low: float | None, high: float | None) -> str:
    """``+5.1 % [4.2, 6.0]``; an end that nothing bounds is ``…``."""
    ends = ", ".join("…" if end is None else f"{100 * end:.1f}" for end in (low, high))
    return f"{change(value)} [{ends}]".replace("-", "−")


def digits(value: float, significant: int) -> str:
    """*value* with that many significant digits, never in powers of ten, no digits after 10 000."""
    if value == 0 or not math.isfinite(value):
        return "0" if value == 0 else str(value)
    places = max(0, significant - 1 - math.floor(math.log10(abs(value))))
    return f"{value:.{min(places, 3)}f}"
