"""Host and device beside each other."""

import pytest

from perfkit.compare.projection.host import OF_TRACED, host_speed
from perfkit.compare.projection.timeline import replay

KERNELS = [("matmul", 2e-3), ("elementwise", 1e-3), ("matmul", 2e-3)]


def step(workload, scale=1.0, factor=1.0):
    return replay(workload, workload.pieces.seconds * factor, scale).step_s


def test_a_step_that_is_launched_faster_than_it_runs_takes_as_long_as_its_kernels(workload):
    assert step(workload(KERNELS, [1e-4] * 3)) == pytest.approx(5e-3)


def test_a_step_that_is_launched_slower_than_it_runs_takes_as_long_as_its_host(workload):
    busy = workload([("matmul", 1e-5)] * 3, [1e-3] * 3, tail=5e-4)
    assert step(busy) == pytest.approx(3.5e-3)
    assert step(busy, factor=0.5) == pytest.approx(3.5e-3)
    assert step(busy, scale=2.0) == pytest.approx(7e-3)


def test_a_host_that_waits_for_its_device_adds_to_it(workload):
    waiting = workload(KERNELS, [1e-3, 1e-3, 1e-3], waits=[2])
    assert step(waiting) > step(workload(KERNELS, [1e-3, 1e-3, 1e-3]))
    # the first kernel begins after a launch, and all have ended before the host goes on
    assert step(waiting) == pytest.approx(1e-3 + 2e-6 + 5e-3, rel=1e-3)


def test_streams_work_beside_each_other(workload):
    both = workload([("matmul", 2e-3), ("communication", 2e-3)], [1e-5, 1e-5], stream=[7, 20])
    assert step(both) == pytest.approx(2e-3, rel=0.01)


def test_waiting_for_a_batch_does_not_become_shorter_with_the_host(workload):
    fed = workload([("matmul", 1e-4)], [5e-3], data=[4e-3])
    assert step(fed, scale=0.5) == pytest.approx(4e-3 + 0.5e-3)


def test_the_host_s_speed_is_found_from_a_step_that_waits_for_it(workload):
    launching = workload([("elementwise", 1e-5)] * 4, [1e-3] * 4)
    speed = host_speed(launching, 3.2e-3)
    assert speed.is_measured
    assert speed.low == speed.high == pytest.approx(0.8, rel=0.01)
    assert step(launching, speed.likely) == pytest.approx(3.2e-3, rel=0.01)


def test_of_a_step_that_waits_for_its_device_only_limits_are_known(workload):
    speed = host_speed(workload(KERNELS, [1e-3] * 3), 5e-3)
    assert not speed.is_measured
    assert (speed.low, speed.high) == (OF_TRACED[0], OF_TRACED[2])


def test_what_no_host_explains_is_kept_as_it_is(workload):
    odd = workload([("elementwise", 1e-5)] * 2, [1e-3] * 2)
    speed = host_speed(odd, 9e-3)
    assert speed.slack_s == pytest.approx(6e-3, rel=0.01)


def test_without_a_step_time_tracing_may_have_added_up_to_its_cost_per_event(workload):
    traced = workload([("elementwise", 1e-5)] * 4, [1e-4] * 4)
    speed = host_speed(traced, None)
    # 40 events on 0.4 ms
    assert speed.low == pytest.approx(1 - 40 * 3.1e-6 / 4e-4)
    assert speed.high == pytest.approx(1 - 40 * 0.25e-6 / 4e-4)
