import numpy as np
import pytest

from perfkit.analyze.queue import queue_depth


def test_kernels_that_start_at_once_were_waited_for_by_the_device(timeline):
    timeline.step(1, 0, 200)
    timeline.kernel("gemm", 10, 14, 4).kernel("gemm", 50, 54, 4)  # at most 5 µs after their launches returned
    timeline.kernel("gemm", 60, 100, 40).kernel("gemm", 70, 140, 40)  # queued behind something
    found = timeline.analysis().launches
    assert found.starved_share == 0.5
    assert found.kernels_per_step == found.launches_per_step == 4
    assert found.short_kernel_share == 0.5
    assert found.mean_kernel_s == pytest.approx(22e-6)
    assert found.median_launch_delay_s == pytest.approx(22e-6)  # of 4, 4, 40 and 70
    assert found.host_seconds_per_launch == pytest.approx(10e-6)  # of 40, 10 and 10
    assert found.call_s == pytest.approx(2e-6)


def test_the_queues_depth_counts_what_was_asked_for_and_has_not_begun():
    asked, begun = np.array([0, 10, 20, 30]), np.array([5, 100, 200, 300])
    assert queue_depth(asked, begun).tolist() == [0, 0, 1, 2]


def test_a_graph_is_one_launch_of_many_kernels(timeline):
    timeline.step(1, 0, 100)
    timeline.kernel("gemm", 10, 20, 5, call="cudaGraphLaunch")
    for start in (30, 40):
        timeline.kernel("gemm", None, start, 5)
        timeline.events[-1]["args"]["correlation"] = timeline.correlation = 1
    found = timeline.analysis().launches
    assert (found.kernels_per_step, found.launches_per_step, found.graph_launches_per_step) == (3, 1, 1)


def test_steps_are_counted_apart(timeline):
    timeline.step(1, 0, 100).step(2, 100, 100).kernel("gemm", 10, 20, 5).kernel("gemm", 110, 120, 5)
    assert timeline.analysis().launches.kernels_per_step == 1


def test_without_launch_records_the_hosts_side_is_unknown(timeline):
    found = timeline.step(1, 0, 100).kernel("gemm", None, 10, 5).analysis().launches
    assert found.kernels_per_step == 1
    assert found.starved_share is None
    assert found.queue_depth is None


def test_without_kernels_there_are_no_launch_facts(timeline):
    assert timeline.step(1, 0, 100).host("aten::mm", 10, 5).analysis().launches is None
