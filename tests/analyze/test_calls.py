"""Who launched the device's work: way through the model, module, matrix units, FLOPs."""

import pytest

FWD = "nn.Module: Linear_0"


def kernels(analysis):
    return {row.name: row for row in analysis.kernels}


def test_work_knows_its_way_through_the_model(timeline):
    timeline.step(1, 0, 400)
    timeline.host("aten::mm", 10, 10, **{"Sequence number": 5}).kernel("gemm_fwd", 12, 20, 5)
    node = {"Sequence number": 5, "Fwd thread id": 1}
    timeline.host("autograd::engine::evaluate_function: MmBackward0", 50, 20, tid=2, **node)
    timeline.host("aten::mm", 52, 10, tid=2).kernel("gemm_bwd", None, 60, 5)
    timeline.host("cudaLaunchKernel", 54, 2, "cuda_runtime", tid=2, correlation=timeline.correlation)
    timeline.host("Optimizer.step#SGD.step", 100, 20, "user_annotation").kernel(
        "multi_tensor_apply_kernel", 105, 110, 5
    )
    timeline.kernel("Memcpy HtoD (Pinned -> Device)", 200, 210, 5, cat="gpu_memcpy", call="cudaMemcpyAsync")
    ways = {name: row.direction for name, row in kernels(timeline.analysis()).items()}
    assert ways == {
        "gemm_fwd": "forward",
        "gemm_bwd": "backward",
        "multi_tensor_apply_kernel": "optimizer",
        "Memcpy HtoD (Pinned -> Device)": "other",
    }


def test_backward_inside_an_optimizers_closure_is_backward(timeline):
    timeline.step(1, 0, 200).host("Optimizer.step#LBFGS.step", 10, 150, "user_annotation")
    timeline.host(
        "autograd::engine::evaluate_function: MmBackward0", 20, 30, **{"Sequence number": 1, "Fwd thread id": 1}
    )
    timeline.kernel("gemm", 25, 30, 5).kernel("add", 100, 110, 5)
    ways = {name: row.direction for name, row in kernels(timeline.analysis()).items()}
    assert ways == {"gemm": "backward", "add": "optimizer"}


def test_work_knows_its_module(timeline):
    timeline.step(1, 0, 200).host("perfkit.module|blocks.0.mlp|Linear|m.py:3", 5, 40, "user_annotation")
    timeline.host("aten::mm", 10, 10).kernel("gemm", 12, 20, 5)
    assert kernels(timeline.analysis())["gemm"].module == "blocks.0.mlp"


@pytest.mark.parametrize(
    ("kernel", "uses"),
    [
        ("sm80_xmma_gemm_f16f16_f16f32_f32_tn", True),
        ("cutlass_80_tensorop_s1688gemm_64x64", True),
        ("ampere_sgemm_128x64_nn", False),
        ("some_gemm", None),
        ("vectorized_elementwise_kernel", None),
    ],
)
def test_matrix_units_are_told_by_the_kernels_name(timeline, kernel, uses):
    timeline.step(1, 0, 100).host("aten::mm", 1, 10).kernel(kernel, 2, 10, 5)
    assert kernels(timeline.analysis())[kernel].tensor_core is uses


def test_flops_of_a_call_are_shared_by_its_matrix_kernels_alone(timeline):
    shapes = {"External id": 9, "Input Dims": [[100, 50], [50, 40]], "Input type": ["float", "float"]}
    timeline.step(1, 0, 300).host("aten::mm", 1, 100, **shapes)
    timeline.kernel("gemm_one", 2, 10, 30, **{"External id": 9}).kernel("gemm_two", 6, 50, 10, **{"External id": 9})
    timeline.kernel("reduce_kernel", 20, 70, 5, **{"External id": 9})
    rows = kernels(timeline.analysis())
    assert rows["gemm_one"].flops_per_step == pytest.approx(0.75 * 400_000)
    assert rows["gemm_two"].flops_per_step == pytest.approx(0.25 * 400_000)


def test_an_operator_that_calls_itself_again_counts_once(timeline):
    """Under autocast a call with inputs in float32 calls itself with inputs in 16 bit."""
    shapes = {"Input Dims": [[100, 50], [50, 40]]}
    timeline.step(1, 0, 300)
    timeline.host("aten::mm", 1, 100, **{"External id": 1, **shapes, "Input type": ["float", "float"]})
    half = {"External id": 2, **shapes, "Input type": ["c10::BFloat16"] * 2}
    timeline.host("aten::mm", 10, 50, **half).kernel("gemm", 12, 30, 30, **{"External id": 2})
    found = timeline.analysis()
    assert found.work.flops_per_step == pytest.approx(400_000)
    assert found.hotspots[0].flops == pytest.approx(400_000)
    assert found.hotspots[0].bytes == pytest.approx(2 * (5000 + 2000 + 4000))
