"""The same model under other settings."""

import numpy as np

from perfkit.compare.projection.settings import Settings, changed


def device_s(workload, h100, **asked):
    return [float(end.sum()) for end in changed(workload, h100, Settings(**asked)).times.ends]


def test_a_product_in_16_bit_takes_a_fraction_of_its_time_in_32(workload, h100):
    low, likely, high = device_s(workload([("matmul", 10e-3)], [1e-5], format="fp32"), h100, dtype="bf16")
    assert low < likely < high < 10e-3 / 4


def test_what_is_in_that_format_already_stays(workload, h100):
    assert device_s(workload([("matmul", 1e-3)], [1e-5], format="16-bit"), h100, dtype="bf16") == [1e-3] * 3


def test_a_twice_as_large_batch_takes_nearly_twice_as_long(workload, h100):
    low, likely, high = device_s(workload([("matmul", 1e-3)], [1e-5], blocks=[10_000]), h100, batch=2)
    assert 1.6e-3 < low < likely < 2e-3 < high < 2.2e-3


def test_the_optimizer_does_not_grow_with_the_batch(workload, h100):
    whole = workload([("optimizer", 1e-3)], [1e-5], is_fixed=[True])
    assert device_s(whole, h100, batch=8) == [1e-3] * 3


def test_a_kernel_that_leaves_the_device_empty_grows_less_than_the_batch(workload, h100):
    few = workload([("matmul", 1e-3)], [1e-5], blocks=[8])
    assert device_s(few, h100, batch=8)[1] < 4e-3
    assert device_s(workload([("matmul", 1e-3)], [1e-5], blocks=[8_000]), h100, batch=8)[1] > 6e-3


def test_a_smaller_batch_takes_less(workload, h100):
    low, likely, high = device_s(workload([("matmul", 4e-3)], [1e-5], blocks=[10_000]), h100, batch=0.25)
    assert 0.9e-3 < low < likely < high < 1.4e-3


def test_compiling_shortens_what_it_fuses_and_the_launches(workload, h100):
    step = workload([("elementwise", 1e-3), ("matmul", 1e-3)], [1e-5] * 2)
    found = changed(step, h100, Settings(compiled=True))
    assert np.array_equal(found.times.likely[1:], [1e-3])
    assert found.times.high[0] < 0.4e-3
    assert found.launches[1] < 0.7


def test_without_a_wish_nothing_changes(workload, h100):
    step = workload([("elementwise", 1e-3), ("matmul", 1e-3)], [1e-5] * 2)
    assert Settings().is_plain
    found = changed(step, h100, Settings())
    assert found.launches == (1.0, 1.0, 1.0)
    assert all(np.array_equal(end, step.pieces.seconds) for end in found.times.ends)
