"""The fused_optimizer rule: passes over all parameters, or one."""

import pytest

ADAM = {"class": "AdamW", "foreach": None, "fused": None, "devices": {"cuda:0": 1000}, "tensors": 148}
BUSY = {"bf16": 0.08, "optimizer": 0.02}


def test_it_speaks_where_the_passes_take_the_devices_time(ask, gpu_step):
    said = ask("fused_optimizer", **gpu_step(BUSY, {}), optimizer=ADAM)
    assert said.saves.low == pytest.approx(0.10) and said.saves.high == pytest.approx(0.2 * (1 - 1 / 3.5))
    assert said.how == "torch.optim.AdamW(..., fused=True)"


def test_less_is_promised_for_sgd(ask, gpu_step):
    adam, sgd = (ask("fused_optimizer", **gpu_step(BUSY, {}), optimizer={**ADAM, "class": n}) for n in ("Adam", "SGD"))
    assert sgd.saves.high < adam.saves.high


@pytest.mark.parametrize("applied", [{"fused": True}, {"compiled": True}])
def test_silent_where_the_cure_is_applied(ask, gpu_step, applied):
    assert ask("fused_optimizer", **gpu_step(BUSY, {}), optimizer={**ADAM, **applied}) is None


@pytest.mark.parametrize("other", [{"class": "Lion"}, {"devices": {"cpu": 1000}}])
def test_silent_about_what_has_no_fused_version_here(ask, gpu_step, other):
    assert ask("fused_optimizer", **gpu_step(BUSY, {}), optimizer={**ADAM, **other}) is None


def test_not_in_passes_where_the_device_waits_for_its_launches(ask, gpu_step):
    """Measured: an MLP of tiny kernels took 11.3 ms with it and 10.0 without."""
    facts = gpu_step({"fp32": 0.001, "optimizer": 0.001}, {"launch": 0.008}, launching=0.01, optimizer=0.004)
    assert ask("fused_optimizer", **facts, optimizer=ADAM) is None


def test_one_by_one_on_a_host_that_cannot_keep_up_is_worth_much(ask, gpu_step):
    """Measured: 23.0 ms a step with foreach=False, 10.0 in passes; about 17 of the 23 in the optimizer."""
    facts = gpu_step({"fp32": 0.001}, {"launch": 0.022}, launching=0.023, optimizer=0.017)
    said = ask("fused_optimizer", **facts, optimizer={**ADAM, "class": "Adam", "foreach": False})
    assert said.saves.low < 1 - 10.0 / 23.0 < said.saves.high


def test_nothing_is_said_of_an_optimizer_that_takes_no_time(ask, gpu_step):
    assert ask("fused_optimizer", **gpu_step({"bf16": 0.1, "optimizer": 0.001}, {}), optimizer=ADAM) is None
