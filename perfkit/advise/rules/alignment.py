"""Matrix products in 16 bit have odd dimensions, which keeps them off the fast kernels.

The tensor cores' fast paths need rows whose length is a multiple of 8 elements in 16 bit. A vocabulary of 50257 or a
hidden size of 1003 falls back to kernels that read element by element.

Speaks when 16-bit matrix kernels that are aligned to a single element (CUTLASS says so in their names) take at least
5 % of the step and the device is busy for 60 % of it.

How the gain is told. The step is replayed with these kernels 3 to 7 times faster. Measured kernel by kernel on an H100:
two of GPT-2's three vocabulary products went from 6.6 to 0.9 and from 4.5 to 0.8 ms when their dimension was padded
from 50257 to 50264. The whole step has not been measured with nothing but padding changed, so confidence is medium.

It is silent when no such kernel runs: dimensions that are multiples of 8 show no align1 kernel.
"""

from __future__ import annotations

import re
from typing import Any

from ...model.records import Device, Finding
from ..kernels import misaligned, pool_of
from ..traced_step import of_step
from ..what_if import ms, percent

MIN_SHARE = 0.05
MIN_BUSY = 0.60
MIN_SAVES = 0.03
# How much faster a padded product is, at best and at worst.
PADDED = (7.0, 3.0)
# Tensor cores in 16 bit: NVIDIA's guide asks for multiples of 8, better of 64.
MULTIPLE, BETTER = 8, 64
LINK = "https://docs.nvidia.com/deeplearning/performance/dl-performance-matrix-multiplication/index.html"
_NUMBERS = re.compile(r"\d+")

Row = dict[str, Any]


def check(
    gpu: Device,
    step_s: float,
    kernels: list[Row],
    host_operators: list[Row],
    device_breakdown: list[Row],
    busy_share: float,
    hotspots: list[Row] | None = None,
    breakdown: list[Row] | None = None,
) -> Finding | None:
    """Judge the dimensions of 16-bit products."""
    odd = misaligned(kernels)
    share = busy_share * sum(row["share"] for row in odd)
    if gpu.kind != "cuda" or share < MIN_SHARE or busy_share < MIN_BUSY:
        return None
    replay = of_step(step_s, kernels, host_operators, device_breakdown, breakdown)
    busy = replay.best.busy
    seconds = [sum(row["share"] for row in odd) * busy * (1 - 1 / factor) for factor in PADDED]
    gain = replay.shorter((seconds[0], seconds[1])).saves()
    if gain.low < MIN_SAVES:
        return None
    number = _odd_dimension(hotspots or [])
    return Finding(
        rule="alignment",
        cause="kernel",
        title=f"Pad {number or 'odd dimensions'} to a multiple of {BETTER}",
        evidence={
            "unaligned 16-bit products": f"{percent(share)} of the {ms(step_s)} step",
            "kernels per step": round(sum(row["calls_per_step"] for row in odd)),
            "class": ", ".join(sorted({pool_of(row) for row in odd})),
        },
        saves=gain,
        confidence="medium",
        fix=None,
        how=_how(number),
        links=[LINK],
        takes={"matrix": 1.0},
    )


def _odd_dimension(hotspots: list[Row]) -> int | None:
    """The largest dimension of a hot matrix product that is no multiple of 8."""
    products = [str(row.get("shapes") or "") for row in hotspots if row.get("work") == "matmul"]
    numbers = [int(text) for shapes in products for text in _NUMBERS.findall(shapes)]
    odd = [number for number in numbers if number > BETTER and number % MULTIPLE]
    return max(odd, default=None)


def _how(number: int | None) -> str:
    if number is None:
        return "make sizes (vocabulary, hidden, classes) multiples of 64; the surplus is never used"
    padded = -(-number // BETTER) * BETTER
    return f"use {padded} instead of {number} where the layer is made; the surplus is never used"
