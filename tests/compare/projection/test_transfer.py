"""Kernels on another device."""

from dataclasses import replace

import numpy as np
import pytest

from perfkit.compare.projection.transfer import FLOOR_S, memory_share, moved
from perfkit.hardware.catalog import match


def test_nothing_changes_on_the_same_device(pieces, h100):
    work = pieces([("matmul", 1e-3), ("elementwise", 1e-3)])
    times = moved(work, h100, h100)
    assert all(np.array_equal(end, work.seconds) for end in times.ends)


def test_a_product_that_is_all_arithmetic_takes_as_long_where_only_the_memory_is_faster(pieces, h100, h200):
    work = pieces([("matmul", 1e-3)], format="16-bit", flops=[6e11], bytes=[1e8])
    times = moved(work, h100, h200)
    assert times.likely[0] == pytest.approx(1e-3, rel=0.02)
    assert times.low[0] > 0.85e-3


def test_a_kernel_at_the_memory_s_full_rate_goes_with_the_bandwidth(pieces, h100, h200):
    work = pieces([("elementwise", 1e-3)], bytes=[0.85e-3 * h100.bandwidth])
    times = moved(work, h100, h200)
    assert times.likely[0] == pytest.approx(1e-3 * h100.bandwidth / h200.bandwidth, rel=0.01)
    assert times.low[0] <= times.likely[0] <= times.high[0]


def test_what_is_as_short_as_a_kernel_can_be_stays_so(pieces, h100, h200):
    work = pieces([("elementwise", FLOOR_S)], bytes=[1e3])
    assert moved(work, h100, h200).likely[0] == FLOOR_S


def test_a_kernel_that_does_not_fill_the_device_gains_nothing_by_more_multiprocessors(pieces, h100):
    small, large = (
        replace(h100, name="half", multiprocessors=66, peak_flops={k: v / 2 for k, v in h100.peak_flops.items()}),
        h100,
    )
    work = pieces([("matmul", 1e-3)] * 2, format="16-bit", flops=[1e8, 1e8], bytes=[10.0, 10.0], blocks=[20, 5000])
    times = moved(work, small, large)
    assert times.likely[0] == pytest.approx(1e-3, rel=0.01)
    assert times.likely[1] == pytest.approx(0.5e-3, rel=0.02)


def test_a_kernel_cut_to_fit_the_device_is_cut_anew(pieces, h100):
    small = replace(h100, name="half", multiprocessors=66, peak_flops={k: v / 2 for k, v in h100.peak_flops.items()})
    work = pieces([("matmul", 1e-3)], format="16-bit", flops=[1e8], bytes=[10.0], blocks=[66])
    assert moved(work, small, h100).likely[0] == pytest.approx(0.5e-3, rel=0.02)


def test_no_product_is_faster_than_the_peak(pieces, h100):
    t4 = match("Tesla T4")
    flops = 0.9e-3 * h100.peak_flops["fp16"]
    work = pieces([("matmul", 1e-3)], format="16-bit", flops=[flops], bytes=[1e3])
    assert moved(work, h100, t4).low[0] >= flops / t4.peak_flops["fp16"]


def test_tf32_on_a_card_that_has_none_goes_at_the_rate_of_fp32(pieces, h100):
    v100 = match("Tesla V100-SXM2-16GB")
    work = pieces([("matmul", 1e-3)], format="tf32", flops=[2e11], bytes=[1e3])
    ratio = h100.peak_flops["tf32"] / v100.peak_flops["fp32"]
    assert moved(work, h100, v100).likely[0] == pytest.approx(1e-3 * ratio, rel=0.02)


def test_copies_from_the_host_are_not_faster_for_a_faster_memory(pieces, h100, h200):
    work = pieces([("copy", 1e-3), ("copy", 1e-3)], is_local=[False, True], bytes=[5e7, 1e9])
    times = moved(work, h100, h200)
    assert times.likely[0] == pytest.approx(1e-3)
    assert times.likely[1] < 0.75e-3


def test_what_is_faster_than_the_memory_comes_from_a_cache(pieces, h100, h200):
    work = pieces([("elementwise", 1e-5)], bytes=[3e-5 * h100.bandwidth])
    assert memory_share(work, h100, h200)[0] == 0
