"""Faults in an analysis are raised here, not reported."""

import pytest

from perfkit.advise.evidence import Evidence
from perfkit.advise.registry import all_rules, judge
from perfkit.model.records import Device


@pytest.fixture(autouse=True)
def raise_faults(monkeypatch):
    monkeypatch.setenv("PERFKIT_DEBUG", "1")


@pytest.fixture
def ask():
    """``ask("input", loader={...}, cores=8)``: what a rule says of literal evidence."""

    def ask(rule, **given):
        return judge(all_rules()[rule], Evidence.literal(**given))

    return ask


@pytest.fixture
def phases():
    """``phases(data=0.06, forward=0.04)``: a breakdown of these seconds per step."""

    def phases(**seconds):
        total = sum(seconds.values())
        return [{"name": n, "seconds_per_step": s, "share": s / total} for n, s in seconds.items()]

    return phases


H100 = Device(name="NVIDIA H100 80GB HBM3", kind="cuda", details={"compute_capability": "9.0"})
KERNELS = {
    "fp32": ("matmul", "cutlass_80_simt_sgemm_256x128_8x4_nn_align1"),
    "tf32": ("matmul", "cutlass_80_tensorop_s1688gemm_128x256_32x3_nt_align4"),
    "bf16": ("matmul", "nvjet_sm90_tst_192x128_64x5_1x2_h_bz_coopB_TNT"),
    "odd bf16": ("matmul", "cutlass_75_tensorop_bf16_s1688gemm_bf16_128x128_tn_align1"),
    "elementwise": ("elementwise", "vectorized_elementwise_kernel"),
    "normalisation": ("normalisation", "layer_norm_grad_input_kernel"),
    "optimizer": ("optimizer", "multi_tensor_apply_kernel"),
    "copy": ("copy", "Memcpy HtoD (Pageable -> Device)"),
    "triton": ("elementwise", "triton_poi_fused_add_gelu_0"),
}


@pytest.fixture
def gpu_step():
    """``gpu_step({"bf16": 0.05}, {"launch": 0.04}, launching=0.09)``: facts of a traced step on an H100, of these seconds
    of work and idle time, launched in ``launching`` of which ``optimizer`` by the optimizer.
    """

    def facts(busy, idle, *, launching=0.02, optimizer=0.0, calls=1000.0):
        step, whole = sum(busy.values()) + sum(idle.values()), sum(busy.values())
        kernels = [
            {"name": KERNELS[n][1], "kind": KERNELS[n][0], "share": s / whole, "seconds_per_step": s,
             "calls_per_step": calls, "mean_s": s / calls, "operator": None, "bytes_per_step": None}
            for n, s in busy.items()
        ]  # fmt: skip
        rows = [(KERNELS[n][0], "busy", s) for n, s in busy.items()] + [(n, "idle", s) for n, s in idle.items()]
        shares = [{"name": n, "kind": k, "seconds_per_step": s, "share": s / step} for n, k, s in rows]
        host = [
            {"name": "aten::mm", "kind": "operator", "module": None, "seconds_per_step": launching - optimizer},
            {
                "name": "Optimizer.step#Adam.step",
                "kind": "annotation",
                "module": "optimizer",
                "seconds_per_step": optimizer,
            },
        ]
        return {
            "step_s": step, "kernels": kernels, "host_operators": host, "device_breakdown": shares,
            "busy_share": whole / step, "gpu": H100,
        }  # fmt: skip

    return facts
