"""How fast the host runs Python and prepares samples: an interpreter loop, small torch operators, decoding an image.

What is done here never changes: figures of two machines compare only over the same work.
"""

from __future__ import annotations

import io
import random
import sys
import zlib
from collections.abc import Callable
from importlib import import_module
from typing import Any

from .timing import figure, times_s

LOOPS = 1000
#: Of the picture that is decoded, and the noise in it (of 256 levels): without any it would be far smaller than a photograph.
SIDE, NOISE = 256, 24
#: Small operators in a row: their sum is long enough to be timed.
OPERATORS = 200


def figures() -> dict[str, Callable[[float], dict[str, Any]]]:
    """Name → what measures it in so many seconds."""
    return {"interpreter_s": interpreter, "decode_s": decode}


def interpreter(budget_s: float) -> dict[str, Any]:
    """Seconds of the loop, and the version of Python that they are of."""
    version = ".".join(str(part) for part in sys.version_info[:3])
    return {**figure(times_s(interpreter_loop, budget_s)), "python": version}


def interpreter_loop() -> int:
    """Calls, attributes, a table, small numbers: what a training loop's own Python is made of."""
    counter = _Counter()
    for number in range(LOOPS):
        counter.take(number % 97, number)
    return counter.total


class _Counter:
    def __init__(self) -> None:
        self.total = 0
        self.table: dict[int, int] = {}

    def take(self, key: int, number: int) -> None:
        self.table[key] = self.table.get(key, 0) + number
        self.total += number


def decode(budget_s: float) -> dict[str, Any]:
    """Seconds of one picture on one core, with PIL where there is one; else of as many bytes through zlib."""
    try:
        image = import_module("PIL.Image")
        packed = jpeg(image)
    except (ImportError, OSError, KeyError):  # no PIL, or one without JPEG
        packed = zlib.compress(picture())
        return {
            **figure(times_s(lambda: zlib.decompress(packed), budget_s)),
            "what": f"zlib {len(picture()) >> 10} KiB",
        }
    work = lambda: image.open(io.BytesIO(packed)).convert("RGB").load()  # noqa: E731
    return {**figure(times_s(work, budget_s)), "what": f"JPEG {SIDE}x{SIDE}"}


def jpeg(image: Any) -> bytes:
    """The picture as a JPEG file."""
    file = io.BytesIO()
    image.frombytes("RGB", (SIDE, SIDE), picture()).save(file, "JPEG", quality=90)
    return file.getvalue()


def picture() -> bytes:
    """Three slopes of brightness with noise, the same everywhere."""
    noise = random.Random(0)  # noqa: S311
    slopes = ((x + y, 2 * x, 255 - y) for y in range(SIDE) for x in range(SIDE))
    return bytes((level + noise.randrange(NOISE)) & 255 for pixel in slopes for level in pixel)


def dispatch(torch: Any, budget_s: float) -> dict[str, Any]:
    """Seconds of one small operator of torch on the processor: what reaching it takes, not its arithmetic."""
    number = torch.zeros(8)

    def work() -> None:
        for _ in range(OPERATORS):
            number.add_(1)

    work()
    made = figure(times_s(work, budget_s))
    return {**made, "value": made["value"] / OPERATORS}
