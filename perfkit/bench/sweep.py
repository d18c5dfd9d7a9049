"""Batches and clients in growing numbers: what throughput they bring, at what latency, and where more of them stops paying."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..stats.quantiles import quantile
from .scenarios import Measured

#: More pays while throughput grows by so much, and p99 does not grow by more than so many times.
GROWTH, SLOWER = 0.05, 2.0
#: Little's law (clients = throughput x latency) may be off by so much before the clients themselves are in the way.
LITTLE = 0.10

Row = dict[str, Any]


def row(measured: Measured, size: int) -> Row:
    """One line of a sweep: size, samples_per_s, p50_s, p99_s (the largest seen where there are too few), queries."""
    p99 = quantile(measured.latencies_s, 0.99)
    return {
        "size": size,
        "samples_per_s": measured.samples_per_s,
        "p50_s": float(np.median(measured.latencies_s)),
        "p99_s": p99.value,
        "enough_for_p99": p99.enough,
        "queries": int(measured.latencies_s.size),
    }


def stops_paying(rows: Sequence[Row], *, of_batches: bool = False) -> bool:
    """Whether the newest row is beyond the knee. A batch twice as large may take twice as long."""
    if len(rows) < 2:
        return False
    before, now = rows[-2], rows[-1]
    slower = SLOWER * (now["size"] / before["size"] if of_batches else 1.0)
    return bool(
        now["samples_per_s"] < (1 + GROWTH) * before["samples_per_s"] or now["p99_s"] > slower * before["p99_s"]
    )


def knee(rows: Sequence[Row], *, of_batches: bool = False) -> Row | None:
    """The last row before more stops paying; None where every step paid."""
    for index in range(1, len(rows)):
        if stops_paying(rows[: index + 1], of_batches=of_batches):
            return rows[index - 1]
    return None


def fixed_and_growing(rows: Sequence[Row]) -> tuple[float, float] | None:
    """Least-squares fit of p50 to a + b x size: what a call takes whatever the batch, and what each sample adds, in s. None for one size."""
    if len(rows) < 2:
        return None
    sizes, times = (np.array([row[key] for row in rows], dtype=float) for key in ("size", "p50_s"))
    weights = 1 / times  # relative errors: small batches count as much as large ones
    growing, fixed = np.polyfit(sizes, times, 1, w=weights)
    return max(0.0, float(fixed)), max(0.0, float(growing))


def in_the_way(measured: Measured) -> float | None:
    """By how much Little's law is off, where that is more than clients in a closed loop may be; else None."""
    clients = measured.samples_per_s / measured.samples_per_query * float(measured.latencies_s.mean())
    off = abs(clients - measured.workers) / measured.workers
    return off if off > LITTLE else None
