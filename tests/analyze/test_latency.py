"""Latency of inference calls, from literal steps."""

import numpy as np
import polars as pl
import pytest

from perfkit.analyze.latency import latency


def steps(count=1000, *, mode="inference", **columns):
    call = 1_000_000 + 1_000 * np.arange(count)
    plain = {
        "mode": [mode] * count, "steady": [True] * count, "forward_ns": call, "function_ns": pl.Series([None] * count, dtype=pl.Int64), "wall_ns": call + 500_000, "samples": [8] * count,
    }  # fmt: skip
    return pl.DataFrame({**plain, **columns})


def test_a_call_is_told_apart_from_what_lies_between_calls():
    found = latency(steps())
    assert found["calls"] == 1000
    assert found["between_s"] == pytest.approx(0.5e-3)
    assert found["p50"]["value"] == pytest.approx(1.499e-3)
    assert found["p50"]["low"] < found["p50"]["value"] < found["p50"]["high"]
    assert found["p99"]["enough"]


def test_with_too_few_calls_a_percentile_says_so():
    found = latency(steps(100))
    assert found["p90"]["enough"]
    assert not found["p99"]["enough"]
    assert found["p99"]["needed"] == 662


def test_the_first_call_counts_for_itself_and_warm_up_for_nothing():
    calls = np.full(200, 1_000_000)
    calls[0] = 90_000_000
    found = latency(steps(200, forward_ns=calls, steady=[False] * 20 + [True] * 180))
    assert found["first_call_s"] == pytest.approx(0.09)
    assert found["p95"]["value"] == pytest.approx(1e-3)


def test_batches_of_different_sizes_have_figures_of_their_own():
    samples = [8] * 700 + [64] * 295 + [3] * 5
    found = latency(steps(1000, samples=samples))
    assert [(row["samples"], row["calls"]) for row in found["by_batch"]] == [(8, 700), (64, 295)]
    assert found["by_batch"][0]["p99_s"] is not None
    assert found["by_batch"][1]["p99_s"] is None


def test_a_training_has_none():
    assert latency(steps(mode="training")) is None
    assert latency(steps(0)) is None
    assert latency(steps(20, steady=[False] * 20)) is None
