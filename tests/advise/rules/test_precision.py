"""The precision rule on literal evidence; benchmarks' tests hold it against what was measured on an H100."""

import pytest

from perfkit.advise.rules.precision import SLOW_IN_SIXTEEN

TORCH = {"matmul_precision": "highest", "devices": [{"capability": "9.0"}]}
BUSY = {"tf32": 0.07, "elementwise": 0.03}


def test_it_speaks_for_16_bit_where_tf32_is_on_and_the_device_the_limit(ask, gpu_step):
    said = ask("precision", **gpu_step(BUSY, {}), torch=TORCH)
    assert said.fix.name == "autocast" and 0.05 < said.saves.low < said.saves.high < 0.5


def test_of_keras_a_policy_is_the_cure_and_a_loop_without_keras_has_none(ask, gpu_step):
    facts = gpu_step(BUSY, {})
    said = ask("precision", **facts, framework="tensorflow", keras={"policy": "float32"})
    assert (said.fix.name, said.confidence) == ("mixed-precision", "low")
    assert "mixed_bfloat16" in said.how and "torch" not in said.how
    assert said.saves == ask("precision", **facts, torch=TORCH).saves
    assert ask("precision", **facts, framework="tensorflow") is None


def test_beside_tf32_it_speaks_only_where_16_bit_gives_clearly_more(ask, gpu_step):
    facts = gpu_step({"fp32": 0.09, "elementwise": 0.01}, {}, launching=0.005)
    assert ask("precision", **facts, torch=TORCH).alternatives == ask("tf32", **facts, torch=TORCH).alternatives
    slower_host = gpu_step({"fp32": 0.09, "elementwise": 0.01}, {}, launching=0.04)
    assert ask("precision", **slower_host, torch=TORCH) is None and ask("tf32", **slower_host, torch=TORCH)


def test_16_bit_kernels_show_that_the_cure_is_applied(ask, gpu_step):
    assert ask("precision", **gpu_step({"bf16": 0.07, "elementwise": 0.03}, {}), torch=TORCH) is None


def test_a_model_in_16_bit_is_the_cure_applied(ask, gpu_step):
    model = {"dtypes": {"bfloat16": 99, "float32": 1}}
    assert ask("precision", **gpu_step(BUSY, {}), torch=TORCH, model=model) is None


def test_no_16_bit_for_a_step_that_waits_for_its_launches(ask, gpu_step):
    """Measured: BERT at batch 1 took 9.1 ms in float32 and 14.1 under autocast."""
    assert ask("precision", **gpu_step(BUSY, {"launch": 0.15}), torch=TORCH) is None


def test_no_16_bit_where_launching_would_become_the_limit(ask, gpu_step):
    """Measured: ResNet-50 took 39.3 ms in TF32 and 42.0 under autocast."""
    assert ask("precision", **gpu_step(BUSY, {}, launching=0.095), torch=TORCH) is None


def test_no_advice_where_matrix_products_are_a_small_part(ask, gpu_step):
    assert ask("precision", **gpu_step({"tf32": 0.01, "elementwise": 0.09}, {}), torch=TORCH) is None


def cpu_operator(**changes):
    return {
        "name": "aten::addmm", "kind": "operator", "work": "matmul", "seconds_per_step": 0.08,
        "calls_per_step": 40.0, "dtypes": "float, float", **changes,
    }  # fmt: skip


def test_a_cpu_with_amx_gets_bfloat16_for_large_products(ask):
    """Measured on such a processor: 52.4 ms to 24.9 (an MLP), 108 to 52.6 (convolutions), 64.8 to 41.6 (attention)."""
    said = ask(
        "precision", torch={}, step_s=0.1, host_operators=[cpu_operator()],
        instruction_sets=["avx512", "amx_bf16"],
    )  # fmt: skip
    assert said.fix.parameters["device"] == "cpu"
    for measured in (1 - 24.9 / 52.4, 1 - 52.6 / 108, 1 - 41.6 / 64.8):
        assert said.saves.low < measured < said.saves.high


@pytest.mark.parametrize(
    "changes",
    [
        {"instruction_sets": ["avx2"]},
        {"host_operators": [cpu_operator(calls_per_step=4000.0)]},
        {"host_operators": [cpu_operator(work="elementwise")]},
        {"host_operators": [cpu_operator(dtypes="c10::BFloat16")]},
        {"host_operators": [cpu_operator(dtypes='["double", "double"]')]},
        {"host_operators": [cpu_operator(), {**cpu_operator(), "name": SLOW_IN_SIXTEEN}]},
    ],
    ids=["no amx", "tiny operators", "no products", "already bfloat16", "float64", "fused attention in training"],
)
def test_a_cpu_gets_no_bfloat16_where_it_would_not_help(ask, changes):
    given = {
        "torch": {}, "step_s": 0.1, "host_operators": [cpu_operator()],
        "instruction_sets": ["amx_bf16"],
    }  # fmt: skip
    assert ask("precision", **{**given, **changes}) is None
