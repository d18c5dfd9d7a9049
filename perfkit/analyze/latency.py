"""Latency of inference: how long a call of the model takes, call by call, beside what lies between the calls."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

from ..stats.quantiles import PERCENTILES, quantile

if TYPE_CHECKING:
    import polars as pl
    from numpy.typing import NDArray

Row = dict[str, Any]
#: Sizes of a batch that are told apart, and calls that one of them must have.
MOST_SIZES, LEAST_CALLS = 12, 10


def latency(lead: pl.DataFrame) -> Row | None:
    """Of the leading segment of an inference: ``calls``, a percentile each (value, low, high in s, count, needed, enough), ``first_call_s``,
    ``between_s`` (median from the end of a call to the next one's start) and ``by_batch``. None of a training and without steady calls.

    A call is the outermost model's (Keras: of its predict function), as the host sees it: on a GPU it ends when its kernels are queued, not when they are done.
    """
    if not len(lead) or lead["mode"][0] != "inference":
        return None
    in_one = lead["function_ns"].null_count() < len(lead)
    call = lead["function_ns"] + lead["forward_ns"].fill_null(0) if in_one else lead["forward_ns"]
    lead = lead.with_columns(call.alias("call_ns"))
    steady = lead.filter(lead["steady"] & lead["call_ns"].is_not_null())
    if not len(steady):
        return None
    calls = steady["call_ns"].to_numpy() / 1e9
    between = (steady["wall_ns"] - steady["call_ns"]).to_numpy() / 1e9
    first = lead["call_ns"][0]
    return {
        "calls": len(calls),
        **{name: _figure(calls, share) for name, share in PERCENTILES.items()},
        "first_call_s": float(first) / 1e9 if first is not None else None,
        "between_s": float(np.median(between)),
        "by_batch": _by_batch(steady),
    }


def _figure(calls: NDArray[np.float64], share: float) -> Row:
    found = quantile(calls, share)
    return {**asdict(found), "enough": found.enough}


def _by_batch(steady: pl.DataFrame) -> list[Row]:
    """A row for each size of the batch that came often enough, by size: samples, calls, p50_s, p99_s (null where it has too few calls)."""
    rows = []
    for (size,), part in sorted(
        steady.filter(steady["samples"].is_not_null()).group_by("samples"), key=lambda pair: pair[0]
    ):
        if len(part) < LEAST_CALLS:
            continue
        calls = part["call_ns"].to_numpy() / 1e9
        p50, p99 = quantile(calls, 0.5), quantile(calls, 0.99)
        rows.append(
            {"samples": int(size), "calls": len(calls), "p50_s": p50.value, "p99_s": p99.value if p99.enough else None}
        )
    return rows[:MOST_SIZES]
