import numpy as np
import polars as pl
import pytest

from perfkit.tune.figures import seconds_per


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
