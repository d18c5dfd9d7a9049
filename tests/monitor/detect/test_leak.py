"""A leak is told from a cache that fills, from one large allocation and from noise."""

import math
import random

import pytest

from perfkit.model.monitoring import Point
from perfkit.monitor.detect.leak import Leak
from perfkit.monitor.detect.watch import Watch

MIB = 2**20


def told(values):
    leak = Leak()
    return [(i, signal) for i, value in enumerate(values) if (signal := leak.update(value, i))]


def noise(seed, size):
    gauss = random.Random(seed).gauss
    return lambda: abs(gauss(0, size))


@pytest.mark.parametrize("per_step", [0.1 * MIB, MIB])
def test_a_slow_leak_is_told_once_with_its_slope_and_interval(per_step):
    up = noise(1, 5 * MIB)
    found = told([500 * MIB + per_step * i + up() for i in range(2000)])
    (step, signal), *more = found
    assert not more
    assert signal.kind == "degradation"
    assert signal.evidence["bytes_per_step_low"] < per_step < signal.evidence["bytes_per_step_high"]
    assert step < 1000


def test_a_cache_that_fills_a_step_and_noise_are_no_leaks():
    up = noise(2, 5 * MIB)
    cache = [500 * MIB + 300 * MIB * (1 - math.exp(-i / 150)) + up() for i in range(3000)]
    step = [500 * MIB + (200 * MIB if i > 700 else 0) + up() for i in range(3000)]
    flat = [500 * MIB + up() for i in range(3000)]
    assert [told(values) for values in (cache, step, flat)] == [[], [], []]


def test_a_leak_that_ends_is_told_to_have_ended():
    up = noise(3, MIB)
    values = [500 * MIB + MIB * min(i, 600) + up() for i in range(6000)]
    assert [signal.kind for _, signal in told(values)] == ["degradation", "recovered"]


def test_the_watch_says_what_leaks_and_what_to_look_for():
    watch, events = Watch(), []
    for i in range(600):
        point = Point(values={"system/host_memory_bytes": 1e9 + 2e6 * i}, time_ns=i, monotonic_ns=i, step=i)
        events += watch.observe(point)
    (event,) = events
    assert event.source == "leak"
    assert "MiB a step" in event.message
    assert ".detach()" in event.advice
