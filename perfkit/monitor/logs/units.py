"""Units behind a number, to the ones that series are kept in: seconds, bytes, ratios, plain counts."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

UnitKind = Literal["time", "step_time", "rate", "samples", "tokens", "size", "ratio", "count", "speed"]


@dataclass(frozen=True)
class Unit:
    """What a unit measures, and the factor to the base unit. A "rate" is steps per second: its inverse is the step's time."""

    kind: UnitKind
    scale: float = 1.0


_TIMES = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "msec": 1e-3, "s": 1.0, "sec": 1.0, "secs": 1.0, "second": 1.0,
          "seconds": 1.0, "min": 60.0, "mins": 60.0, "minutes": 60.0, "h": 3600.0, "hr": 3600.0, "hours": 3600.0}  # fmt: skip
_STEPS = ("it", "iter", "iters", "step", "steps", "batch", "batches", "update", "updates")
_SAMPLES = ("img", "imgs", "image", "images", "sample", "samples", "ex", "example", "examples")
_TOKENS = ("tok", "tokens", "token", "word", "words")
_SIZES = {"B": 1.0, "kB": 1e3, "KB": 1e3, "MB": 1e6, "GB": 1e9, "TB": 1e12, "KiB": 2.0**10, "MiB": 2.0**20, "GiB": 2.0**30,
          "TiB": 2.0**40, "bytes": 1.0}  # fmt: skip
#: Suffixes of counts (``0.80M`` parameters); only where they touch the number.
_COUNTS = {"k": 1e3, "K": 1e3, "M": 1e6, "G": 1e9, "B": 1e9, "T": 1e12}


def _table() -> dict[str, Unit]:
    units = {name: Unit("time", scale) for name, scale in _TIMES.items()}
    units |= {name: Unit("size", scale) for name, scale in _SIZES.items()}
    units |= {f"{t}/{w}": Unit("step_time", s) for t, s in _TIMES.items() if len(t) <= 4 for w in _STEPS}
    for words, kind in ((_STEPS, "rate"), (_SAMPLES, "samples"), (_TOKENS, "tokens")):
        units |= {f"{w}/{s}": Unit(kind) for w in words for s in ("s", "sec", "second")}  # type: ignore[arg-type]
    units |= {f"{name}/s": Unit("speed", scale) for name, scale in _SIZES.items()}
    return units | {"%": Unit("ratio", 0.01)}


UNITS = _table()
_WORD = re.compile(r"\s?(%|[A-Za-zµμ]+(?:/[A-Za-z]+)?)(?![\w/])")
_SUFFIX = re.compile(r"([kKMGBT])(?![\w/])")


def behind(text: str, *, count: bool = False) -> Unit | None:
    """The unit at the beginning of *text*, which stands right behind a number. With *count*, ``B`` is a billion rather than a byte."""
    suffix = _SUFFIX.match(text)
    if suffix and (count or suffix[1] != "B"):
        return Unit("count", _COUNTS[suffix[1]])
    word = _WORD.match(text)
    return UNITS.get(word[1]) if word else None
