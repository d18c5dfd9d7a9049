"""The what-if replay: two chains, of which the longer is the step."""

from dataclasses import replace

import pytest

from perfkit.advise.replay import KERNEL_FLOOR_S, Replay, Step
from perfkit.advise.rules.input import HANDOVER_S

DEVICE = {"matmul fp32": 0.06, "elementwise": 0.03, "optimizer": 0.01}


def replay(launch=0.02, device=DEVICE, **changes):
    step = Step(launch=launch, device=device, **changes)
    return Replay(before_s=step.seconds, best=step, worst=step, kernels=100)


def test_the_step_is_the_longer_of_launching_and_working():
    assert Step(launch=0.02, device=DEVICE).seconds == pytest.approx(0.10)
    assert Step(launch=0.15, device=DEVICE).seconds == pytest.approx(0.15)
    assert Step(data=0.05, launch=0.07, device=DEVICE).seconds == pytest.approx(0.12)


def test_without_a_change_nothing_is_saved():
    saves = replay().saves()
    assert saves.low == saves.high == 0


def test_shorter_kernels_shorten_a_step_that_waits_for_the_device():
    saves = replay().faster(["matmul fp32"], (4.0, 2.0)).saves()
    assert saves.low == pytest.approx(0.30) and saves.high == pytest.approx(0.45)


def test_shorter_kernels_give_nothing_where_launching_is_the_limit():
    assert replay(launch=0.10).faster(["matmul fp32"], (4.0, 2.0)).saves().high == pytest.approx(0)


def test_a_step_does_not_become_shorter_than_its_launching():
    assert replay(launch=0.08).faster(["matmul fp32"], (100.0, 100.0)).saves().high == pytest.approx(0.2)


def test_the_roofline_bounds_what_a_kernel_can_gain():
    saves = replay().faster(["matmul fp32"], (100.0, 100.0), least_s=0.05).saves()
    assert saves.high == pytest.approx(0.01 / 0.10)


def test_work_may_also_become_dearer():
    changed = replay().faster(["elementwise"], (1.0, 0.5))
    assert changed.worst.seconds == pytest.approx(0.13) and changed.saves().low == 0


def test_a_larger_batch_shares_one_launching():
    """Launching 0.4 s of a step whose work takes 0.1: four times the batch is nearly free."""
    saves = replay(launch=0.4).larger_batch(4).saves()
    assert saves.high == pytest.approx(0.75) and saves.low == pytest.approx(1 - 1.3 / 4)


def test_a_larger_batch_gives_a_busy_device_only_what_does_not_grow():
    """The optimizer's 10 ms are shared by twice the samples; a kernel's first microseconds at best."""
    saves = replay().larger_batch(2).saves()
    floor = KERNEL_FLOOR_S * 100 / 0.1
    best = (0.09 * (floor + (1 - floor) * 2 * 0.95) + 0.01) / 2
    assert saves.high == pytest.approx(1 - best / 0.10) and saves.low < 0.05 < saves.high


def test_a_larger_batch_takes_longer_to_load():
    assert replay(data=0.3).larger_batch(2).best.data == pytest.approx(0.6)


def test_short_matrix_kernels_grow_only_as_far_as_the_devices_peak_demands():
    """60 ms of them, of which 1 ms at peak: even four times the batch may take no longer than they do now."""
    short = replace(replay(), mean_matrix_s=10e-6)
    long = replace(replay(), mean_matrix_s=100e-6)
    grown, known = (r.larger_batch(4, peak_s=0.001).best.device["matmul fp32"] for r in (long, short))
    assert known == pytest.approx(0.06) and grown > 0.2


def test_captured_launches_leave_the_optimizers_as_they_are():
    step = Step(launch=0.1, device={"matmul fp32": 0.01})
    half = Replay(before_s=0.1, best=step, worst=step, optimizer_launch=0.5)
    saves = half.captured((0.0, 0.2)).saves()
    assert saves.high == pytest.approx(0.5) and saves.low == pytest.approx(0.4)


def test_loading_hides_behind_the_rest_up_to_the_number_of_workers():
    waiting = replay(data=0.4)
    two, eight = (waiting.input_hidden(0.4, n, (0.0, 0.0)).best for n in (2, 8))
    assert two.seconds == pytest.approx(0.20) and eight.seconds == pytest.approx(0.10)


def test_receiving_a_batch_costs_something():
    fed = replay(launch=0.10, data=0.4).input_hidden(0.4, 8, HANDOVER_S)
    assert fed.worst.seconds == pytest.approx(0.10 + HANDOVER_S[1])
