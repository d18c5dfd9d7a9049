"""The tf32 rule on literal evidence; benchmarks' tests hold it against what was measured on an H100."""

import pytest

from perfkit.model.records import Device

TORCH = {"matmul_precision": "highest", "devices": [{"capability": "9.0"}]}
BUSY = {"fp32": 0.07, "elementwise": 0.03}


def test_it_speaks_when_plain_float32_takes_the_step(ask, gpu_step):
    said = ask("tf32", **gpu_step(BUSY, {}), torch=TORCH)
    assert said.fix.name == "tf32" and said.confidence == "high"
    assert said.saves.low == pytest.approx(0.42) and said.saves.high == pytest.approx(0.56)


@pytest.mark.parametrize("applied", ["tf32", "bf16"])
def test_kernels_show_that_the_cure_is_applied(ask, gpu_step, applied):
    assert ask("tf32", **gpu_step({applied: 0.07, "elementwise": 0.03}, {}), torch=TORCH) is None


def test_not_where_the_host_sets_the_pace(ask, gpu_step):
    assert ask("tf32", **gpu_step(BUSY, {"launch": 0.10}), torch=TORCH) is None


def test_not_where_matrix_products_are_a_small_part(ask, gpu_step):
    assert ask("tf32", **gpu_step({"fp32": 0.01, "elementwise": 0.09}, {}), torch=TORCH) is None


def test_the_gain_is_bounded_by_launching(ask, gpu_step):
    """Work of 100 ms of which TF32 leaves 44 to 58, and launching that takes 90."""
    assert ask("tf32", **gpu_step(BUSY, {}, launching=0.09), torch=TORCH).saves.low == pytest.approx(0.10)


def test_the_gain_is_bounded_by_the_device(ask, gpu_step):
    facts = gpu_step(BUSY, {})
    hotspots = [{"name": "aten::mm", "work": "matmul", "flops": 30e12}]
    said = ask("tf32", **facts, torch=TORCH, hotspots=hotspots, device_spec={"peak_flops": {"tf32": 494.7e12}})
    assert said.saves.high == pytest.approx((0.07 - 30 / 494.7) / 0.10)


def test_not_on_a_gpu_that_has_none(ask, gpu_step):
    volta = Device(name="Tesla V100-SXM2-16GB", kind="cuda")
    facts = {**gpu_step(BUSY, {}), "gpu": volta, "torch": {"devices": [{"capability": "7.0"}]}}
    assert ask("tf32", **facts) is None


def test_a_gpu_for_games_is_promised_less_and_with_less_confidence(ask, gpu_step):
    consumer = Device(name="NVIDIA GeForce RTX 3090", kind="cuda")
    said = ask("tf32", **{**gpu_step(BUSY, {}), "gpu": consumer}, torch={"devices": [{"capability": "8.6"}]})
    assert said.confidence == "low" and said.saves.high < 0.4
