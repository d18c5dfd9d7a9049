"""What numpy reaches on the processor, through its own BLAS: matrix products, and copies that no cache holds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .timing import figure, grown, times_s

# A matrix product of this size runs at full rate (2 GFLOP: 10-40 ms on one core) and its operands fit most caches.
SIZE = {"fp32": 1024, "fp64": 768}
MOST_SIZE = 8192
# Two arrays of this size fit no ordinary last cache.
COPY_BYTES = 64 << 20
BUDGET_S = {"fp32": 0.12, "fp64": 0.08, "stream": 0.12}


def figures(threads: int) -> dict[str, Callable[[float], dict[str, Any]]]:
    """Name → what measures it in so many seconds. The threads of products are those of the environment."""
    return {
        "flops.fp32": lambda budget_s: products("fp32", budget_s),
        "flops.fp64": lambda budget_s: products("fp64", budget_s),
        "bandwidth": lambda budget_s: figure(stream_times_s(threads, budget_s), 2 * COPY_BYTES),
    }


def products(dtype: str, budget_s: float) -> dict[str, Any]:
    """FLOP/s of square products, as large as this many cores need."""
    size = grown(lambda size: min(matrix_times_s(dtype, size, 0)), start=SIZE[dtype], most=MOST_SIZE)
    return figure(matrix_times_s(dtype, size, budget_s), 2 * size**3)


def matrix_flops(dtype: str) -> float:
    """FLOP/s of square matrix products."""
    return 2 * SIZE[dtype] ** 3 / min(matrix_times_s(dtype, SIZE[dtype], BUDGET_S[dtype]))


def matrix_times_s(dtype: str, size: int, budget_s: float) -> list[float]:
    """Seconds of each of several square products."""
    left = np.full((size, size), 1.5, dtype={"fp32": np.float32, "fp64": np.float64}[dtype])
    out = np.empty_like(left)
    return times_s(lambda: np.matmul(left, left, out=out), budget_s)


def stream_bytes_per_s(threads: int) -> float:
    """Bytes read and written per second when all threads copy arrays that no cache holds."""
    return 2 * COPY_BYTES / min(stream_times_s(threads, BUDGET_S["stream"]))


def stream_times_s(threads: int, budget_s: float) -> list[float]:
    """Seconds of each of several such copies."""
    from concurrent.futures import ThreadPoolExecutor

    source = np.ones(COPY_BYTES // 8)
    target = np.zeros_like(source)
    parts = list(zip(np.array_split(source, threads), np.array_split(target, threads), strict=True))
    with ThreadPoolExecutor(threads) as pool:

        def copy() -> None:
            list(pool.map(lambda part: np.copyto(part[1], part[0]), parts))

        return times_s(copy, budget_s)
