"""The precision rule, judged by literal evidence and by traces whose cures were measured on an H100."""

import json
import statistics
from pathlib import Path

import pytest

from perfkit.advise.evidence import plain_rows
from perfkit.advise.rules.precision import SLOW_IN_SIXTEEN
from perfkit.model.records import Device

H100 = Device(name="NVIDIA H100 80GB HBM3", kind="cuda", details={"compute_capability": "9.0"})
TORCH = {"matmul_precision": "highest", "devices": [{"name": H100.name, "capability": "9.0"}]}
SHARED = Path(__file__).parents[3].parent / "shared" / "traces" / "h100"
COMMITTED = Path(__file__).parents[2] / "data" / "traces"
HOST = [{"name": "aten::mm", "kind": "operator", "seconds_per_step": 0.02, "host_seconds_per_step": 0.02}]


def kernel(name, share, kind="matmul"):
    return {"name": name, "kind": kind, "share": share, "seconds_per_step": share / 10, "calls_per_step": 10.0}


SIMT = kernel("cutlass_80_simt_sgemm_256x128_8x4_nn_align1", 0.7)
TF32 = kernel("cutlass_80_tensorop_s1688gemm_128x256_32x3_nt_align1", 0.7)
BF16 = kernel("cutlass_75_tensorop_bf16_s1688gemm_bf16_128x128_tn_align1", 0.7)
REST = kernel("vectorized_elementwise_kernel", 0.3, "elementwise")


@pytest.fixture
def base():
    return {
        "torch": TORCH, "gpu": H100, "busy_share": 0.98, "host_operators": HOST,
        "step_s": 0.1, "kernels": [SIMT, REST],
    }  # fmt: skip


def test_it_speaks_for_tf32_when_plain_float32_takes_the_step(ask, base):
    said = ask("precision", **base)
    assert said.fix.name == "tf32" and 0.3 < said.saves.low < said.saves.high < 0.6


def test_tf32_kernels_show_that_the_cure_is_applied(ask, base):
    said = ask("precision", **{**base, "kernels": [TF32, REST]})
    assert said.fix.name == "autocast"


def test_16_bit_kernels_show_that_the_cure_is_applied(ask, base):
    assert ask("precision", **{**base, "kernels": [BF16, REST]}) is None


def test_a_model_in_16_bit_is_the_cure_applied(ask, base):
    given = {**base, "kernels": [TF32, REST], "model": {"dtypes": {"bfloat16": 99, "float32": 1}}}
    assert ask("precision", **given) is None


def test_no_16_bit_for_a_step_that_waits_for_its_launches(ask, base):
    assert ask("precision", **{**base, "kernels": [TF32, REST], "busy_share": 0.4}) is None


def test_no_16_bit_where_launching_would_become_the_limit(ask, base):
    slow_host = [{**HOST[0], "seconds_per_step": 0.095, "host_seconds_per_step": 0.095}]
    assert ask("precision", **{**base, "kernels": [TF32, REST], "host_operators": slow_host}) is None


def test_no_tf32_on_a_gpu_that_has_none(ask, base):
    volta = Device(name="Tesla V100-SXM2-16GB", kind="cuda")
    torch = {"devices": [{"capability": "7.0"}], "matmul_precision": "highest"}
    assert ask("precision", **{**base, "gpu": volta, "torch": torch}) is None


def test_a_consumer_gpu_is_promised_less_and_with_less_confidence(ask, base):
    consumer = Device(name="NVIDIA GeForce RTX 3090", kind="cuda")
    said = ask("precision", **{**base, "gpu": consumer, "torch": {"devices": [{"capability": "8.6"}]}})
    assert said.confidence == "low" and said.saves.high < 0.4


def test_no_advice_where_matrix_products_are_a_small_part(ask, base):
    assert ask("precision", **{**base, "kernels": [kernel(SIMT["name"], 0.1), kernel("x", 0.9, "elementwise")]}) is None


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
        {"host_operators": [cpu_operator(), {**cpu_operator(), "name": SLOW_IN_SIXTEEN}]},
    ],
    ids=["no amx", "tiny operators", "no products", "already bfloat16", "fused attention in training"],
)
def test_a_cpu_gets_no_bfloat16_where_it_would_not_help(ask, changes):
    given = {
        "torch": {}, "step_s": 0.1, "host_operators": [cpu_operator()],
        "instruction_sets": ["amx_bf16"],
    }  # fmt: skip
    assert ask("precision", **{**given, **changes}) is None


def judge_trace(ask, file, step_s):
    from perfkit.analyze.trace_view import analyze_trace

    view = analyze_trace(file, step_time_s=step_s)
    return ask(
        "precision", torch=TORCH, gpu=H100, busy_share=view.busy_share, kernels=plain_rows(view.kernels),
        host_operators=plain_rows(view.host_operators), step_s=step_s,
    )  # fmt: skip


def test_batch_1_inference_is_never_told_to_use_16_bit(ask):
    """Measured: 9.1 ms in float32, 14.1 ms under autocast."""
    file = next(COMMITTED.glob("bert_inf_fp32_b1*"))
    said = judge_trace(ask, file, 0.009138)
    assert said is None or said.fix.name == "tf32"


# Trace -> the fix that measurably helped and the run that measured it; None where no change of precision did.
MEASURED = {
    "resnet50_fp32_b64": ("tf32", "resnet50_tf32_b64"),
    "gpt2_fp32_b8": ("tf32", "gpt2_tf32_b8"),
    "gpt2_tf32_b8": ("autocast", "gpt2_bf16_b8"),
    "resnet50_tf32_b64": (None, None),
    "gpt2_bf16_b8": (None, None),
    "gpt2_bf16_b8_compile": (None, None),
    "resnet50_bf16_cl_b64": (None, None),
    "resnet50_bf16_cl_b256": (None, None),
    "resnet50_loader_w0": (None, None),
    "bert_inf_bf16_b64": (None, None),
    "bert_inf_fp32_b1": (None, None),
    "mlp_small": (None, None),
}


@pytest.mark.slow
@pytest.mark.skipif(not SHARED.exists(), reason="the recorded H100 traces are not here")
@pytest.mark.parametrize("name", MEASURED)
def test_advice_agrees_with_what_was_measured(ask, name):
    cases = json.loads((SHARED / "measured.json").read_text())["cases"]
    step_s = statistics.median(cases[name]["step_s"])
    said = judge_trace(ask, SHARED / f"{name}.json.gz", step_s)
    fix, after = MEASURED[name]
    assert (said.fix.name if said else None) == fix
    if fix:
        gain = 1 - statistics.median(cases[after]["step_s"]) / step_s
        assert said.saves.low <= gain <= said.saves.high
        assert said.saves.high - said.saves.low < 0.25
