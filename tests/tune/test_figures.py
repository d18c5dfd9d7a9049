import math
from itertools import pairwise

import numpy as np
import polars as pl
import pytest

from perfkit.tune import figures
from perfkit.tune.figures import _legs, seconds_per


def loop(durations_ms, *, evaluation_ms=None, steady_from=0):
    count = len(durations_ms)
    return pl.DataFrame(
        {
            "duration_ns": (np.asarray(durations_ms, dtype=float) * 1e6).astype(np.int64),
            "evaluation_ns": (np.asarray(evaluation_ms if evaluation_ms is not None else np.zeros(count)) * 1e6).astype(
                np.int64
            ),
            "checkpoint_ns": np.zeros(count, dtype=np.int64),
            "micro_steps": np.ones(count, dtype=np.int64),
            "steady": np.arange(count) >= steady_from,
        }
    )


def cost(frame, samples=10.0, batches=0):
    steady = frame.filter(pl.col("steady"))
    return seconds_per(frame, steady, np.full(len(steady), samples), batches)


def test_it_is_the_time_of_a_sample():
    assert cost(loop([5.0] * 40)) == pytest.approx(0.0005)


def test_bursts_of_workers_count_as_what_they_take_on_average():
    # Two workers deliver two batches at once: a median step would be one or the other.
    assert cost(loop([1.0, 39.0] * 32)) == pytest.approx(0.002)


def test_one_stall_moves_nothing():
    stalled = [5.0] * 64
    stalled[33] = 900.0
    assert cost(loop(stalled)) == pytest.approx(0.0005)


def test_what_each_epoch_costs_counts_once_an_epoch():
    # Epochs of 10 steps whose first waits 50 ms for the workers to start; the steady part begins within an epoch.
    epochs = ([55.0] + [5.0] * 9) * 6
    assert cost(loop(epochs, steady_from=7), batches=10) == pytest.approx(0.001)


def test_evaluation_counts_as_often_as_it_comes_in_the_whole_loop():
    evaluation = np.zeros(101)
    evaluation[10::10] = 100.0
    # Steady from 55 on: 5 evaluations in 46 steps by chance, 10 in the 100 steps after the first.
    assert cost(loop([5.0] * 101, evaluation_ms=evaluation, steady_from=55)) == pytest.approx(0.0005 + 0.001)


def relay(durations_ms, leg_steps, monkeypatch, *, batches=0, samples=10.0):
    """What each leg of a loop costs a sample, the legs following one another without a pause."""
    frame = loop(durations_ms)
    ends = np.cumsum(frame["duration_ns"].to_numpy())
    frame = frame.with_columns(
        start_ns=pl.Series(np.concatenate(([0], ends[:-1]))), end_ns=pl.Series(ends), samples=pl.lit(samples)
    )
    edges = [0, *ends[leg_steps - 1 :: leg_steps]]
    facts = [
        {"fact": "leg", "leg": leg, "from_ns": begin, "to_ns": end, "steps": leg_steps}
        for leg, (begin, end) in enumerate(pairwise(edges))
    ]
    monkeypatch.setattr(figures, "facts_of", lambda run, kind: facts)
    return [math.exp(leg) for leg in _legs(None, frame, frame, "sample", batches)]


def test_a_leg_costs_what_its_samples_took(monkeypatch):
    assert relay([5.0] * 20 + [10.0] * 10, 10, monkeypatch) == pytest.approx([0.0005, 0.0005, 0.001])


def test_what_comes_once_in_many_legs_counts_in_all_of_them_as_often_as_it_comes(monkeypatch):
    # Epochs of 50 steps whose first waits 95 ms longer; legs of 10 steps, so that one in five has such a step.
    epochs = ([100.0] + [5.0] * 49) * 4
    assert relay(epochs, 10, monkeypatch, batches=50) == pytest.approx([(0.005 + 0.095 / 50) / 10] * 20)


def test_what_comes_in_every_other_leg_or_more_often_counts_where_it_comes(monkeypatch):
    bursts = ([1.0] * 3 + [37.0]) * 10
    assert relay(bursts, 8, monkeypatch) == pytest.approx([0.001] * 5)


def test_of_a_loop_that_changed_the_last_relay_counts(monkeypatch):
    frame = loop([5.0] * 20).with_columns(samples=pl.lit(10.0))
    ends = np.arange(1, 21) * 5_000_000
    frame = frame.with_columns(start_ns=pl.Series(ends - 5_000_000), end_ns=pl.Series(ends))
    spans = [(0, 0, 5), (1, 5, 10), (0, 10, 15), (1, 15, 20)]
    facts = [{"leg": leg, "from_ns": a * 5_000_000, "to_ns": b * 5_000_000, "steps": 5} for leg, a, b in spans]
    monkeypatch.setattr(figures, "facts_of", lambda run, kind: facts)
    assert len(_legs(None, frame, frame, "sample", 0)) == 2
    monkeypatch.setattr(figures, "facts_of", lambda run, kind: [])
    assert _legs(None, frame, frame, "sample", 0) == []
