"""The cuda_graphs rule: where launching one by one is the limit."""

import pytest

from perfkit.model.records import Device

WAITS = {"launch": 0.08}


def test_it_speaks_for_a_step_of_tiny_kernels(ask, gpu_step):
    """All but the optimizer's 40 % of the launching falls to 15–45 %."""
    said = ask("cuda_graphs", **gpu_step({"fp32": 0.02}, WAITS, launching=0.1, optimizer=0.04))
    assert said.saves.high == pytest.approx(0.6 * 0.85) and said.saves.low == pytest.approx(0.6 * 0.55)
    assert said.fix.parameters == {"mode": "reduce-overhead"}


@pytest.mark.parametrize("framework", ["tensorflow", "jax"])
def test_its_cure_is_pytorchs(ask, gpu_step, framework):
    assert ask("cuda_graphs", **gpu_step({"fp32": 0.02}, WAITS), framework="torch") is not None
    assert ask("cuda_graphs", **gpu_step({"fp32": 0.02}, WAITS), framework=framework) is None


def test_the_work_itself_remains(ask, gpu_step):
    """45 ms of work, during 98 % of what is left of the step at best and 85 % at worst."""
    saves = ask("cuda_graphs", **gpu_step({"fp32": 0.045}, {"launch": 0.055})).saves
    assert saves.high == pytest.approx(1 - 0.45 / 0.98) and saves.low == pytest.approx(1 - 0.45 / 0.85)


def test_graphs_in_the_trace_show_that_the_cure_is_applied(ask, gpu_step):
    facts = gpu_step({"fp32": 0.02}, WAITS)
    facts["host_operators"].append({"name": "cudaGraphLaunch", "kind": "runtime", "seconds_per_step": 1e-5})
    assert ask("cuda_graphs", **facts) is None


def test_not_for_a_busy_device(ask, gpu_step):
    assert ask("cuda_graphs", **gpu_step({"fp32": 0.09}, {"launch": 0.01})) is None


def test_not_where_most_of_the_launching_is_the_optimizers(ask, gpu_step):
    assert ask("cuda_graphs", **gpu_step({"fp32": 0.02}, WAITS, launching=0.1, optimizer=0.09)) is None


def test_not_on_rocm(ask, gpu_step):
    facts = {**gpu_step({"fp32": 0.02}, WAITS), "gpu": Device(name="AMD Instinct MI250X", kind="rocm")}
    assert ask("cuda_graphs", **facts) is None


def test_it_and_a_larger_batch_are_alternatives(ask, gpu_step):
    facts = gpu_step({"fp32": 0.02}, WAITS)
    assert ask("cuda_graphs", **facts).alternatives == ask("launch", **facts).alternatives != ""
