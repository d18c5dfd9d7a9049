import json
import statistics
from pathlib import Path

import pytest

from perfkit.analyze.device import corrected_idle
from perfkit.analyze.trace_view import analyze_trace

DATA = Path(__file__).parent.parent / "data" / "traces"
SHARED = Path(__file__).parents[3] / "shared" / "traces"
H100 = sorted((SHARED / "h100").glob("*.json.gz"))
OTHERS = sorted((SHARED / "others").glob("*.json.gz"))


def seconds(view, kind):
    return {share.name: pytest.approx(share.seconds_per_step) for share in view.breakdown if share.kind == kind}


def us(**parts):
    return {name: value * 1e-6 for name, value in parts.items()}


def test_work_belongs_to_the_step_that_launched_it(timeline):
    timeline.step(1, 0, 100).step(2, 100, 100)
    timeline.kernel("gemm", None, -50, 60)  # launched before the window
    timeline.kernel("gemm", 10, 20, 90).kernel("gemm", 110, 120, 90)  # the second one still runs after the host is done
    view = timeline.view()
    assert seconds(view, "busy") == us(matmul=90)
    assert view.profiled_step_s == pytest.approx(100e-6)  # from 10, the earlier work's end, to 210


def test_busy_and_idle_add_up_to_the_step(timeline):
    view = (
        timeline.step(1, 0, 100).kernel("gemm", 5, 10, 30).kernel("void at::native::reduce_kernel", 50, 60, 20).view()
    )
    assert seconds(view, "busy") == us(matmul=30, reduction=20)
    assert seconds(view, "idle") == us(launch=50)
    assert sum(share.share for share in view.breakdown) == pytest.approx(1)


def test_compute_counts_before_communication_and_that_before_copies(timeline):
    timeline.step(1, 0, 100)
    timeline.kernel("gemm", 1, 10, 40)
    timeline.kernel("ncclDevKernel_AllReduce", 2, 30, 40, stream=8)
    timeline.kernel("Memcpy HtoD (Pinned -> Device)", 3, 60, 30, cat="gpu_memcpy", stream=9)
    view = timeline.view()
    assert seconds(view, "busy") == us(matmul=40, communication=20, copy=20)


def test_waiting_for_the_loader_is_input(timeline):
    timeline.step(1, 0, 100)
    timeline.host("enumerate(DataLoader)#_SingleProcessDataLoaderIter.__next__", 0, 60, "user_annotation")
    timeline.kernel("gemm", 70, 75, 25)
    assert seconds(timeline.view(), "idle") == us(input=60, launch=15)


def test_what_follows_a_wait_for_the_device_is_the_waits_price(timeline):
    timeline.step(1, 0, 200)
    timeline.kernel("gemm", 1, 5, 95)
    timeline.host("cudaStreamSynchronize", 10, 100, "cuda_runtime")
    timeline.kernel("gemm", 140, 145, 55)
    idle = seconds(timeline.view(), "idle")
    assert idle == us(launch=5 + 3, sync=42)


def test_a_blocking_upload_is_copy(timeline):
    timeline.step(1, 0, 200)
    timeline.kernel(
        "Memcpy HtoD (Pageable -> Device)", 10, 100, 50, cat="gpu_memcpy", call="cudaMemcpyAsync", launch=80
    )
    timeline.host("cudaStreamSynchronize", 90, 62, "cuda_runtime")
    timeline.kernel("gemm", 160, 170, 30)
    assert seconds(timeline.view(), "idle")["copy"] == 80e-6


def test_a_gap_between_queued_kernels_is_the_devices_own(timeline):
    view = timeline.step(1, 0, 100).kernel("gemm", 1, 10, 40).kernel("gemm", 5, 60, 40).view()
    assert seconds(view, "idle") == us(launch=10, other=10)


def test_kernels_of_an_optimizers_step_are_optimizer(timeline):
    timeline.step(1, 0, 100).host("Optimizer.step#Adam.step", 50, 40, "user_annotation")
    timeline.kernel("multi_tensor_apply_kernel", 60, 65, 10).kernel("multi_tensor_apply_kernel", 5, 8, 10)
    assert seconds(timeline.view(), "busy") == us(optimizer=10, elementwise=10)


def test_annotations_on_the_devices_track_are_no_work(timeline):
    timeline.step(1, 0, 100).kernel("gemm", 1, 10, 10)
    timeline.events.append(
        {"ph": "X", "cat": "gpu_user_annotation", "name": "ProfilerStep#1", "pid": 0, "tid": 7, "ts": 0, "dur": 100}
    )
    assert seconds(timeline.view(), "busy") == us(matmul=10)


def test_devices_of_one_process_are_averaged(timeline):
    timeline.step(1, 0, 100).kernel("gemm", 1, 10, 40).kernel("gemm", 1, 10, 20, device=1)
    view = timeline.view()
    assert view.devices == [0, 1]
    assert seconds(view, "busy") == us(matmul=30)


def test_with_the_plain_step_time_the_profilers_idle_is_taken_from_launch_first(timeline):
    timeline.step(1, 0, 200).host("enumerate(DataLoader)#x.__next__", 0, 50, "user_annotation").kernel(
        "gemm", 145, 150, 50
    )
    view = timeline.view(step_time_s=120e-6)
    assert seconds(view, "busy") == us(matmul=50)
    assert seconds(view, "idle") == us(input=50, launch=20)
    assert view.dilation == pytest.approx(200 / 120)


def test_corrected_idle_reaches_its_target_from_both_sides():
    idle = {"input": 1.0, "launch": 2.0, "sync": 1.0, "copy": 0.0, "communication": 0.0, "other": 0.5}
    assert corrected_idle(idle, 3.0)["launch"] == 0.5
    assert sum(corrected_idle(idle, 1.2).values()) == pytest.approx(1.2)
    assert corrected_idle(idle, 9.0)["input"] == 2.0
    assert corrected_idle(dict.fromkeys(idle, 0.0), 2.0)["other"] == 2.0


def test_work_without_any_launch_record_is_placed_by_time(timeline):
    view = timeline.step(1, 0, 100).kernel("gemm", None, 10, 40).kernel("gemm", None, 60, 20).view()
    assert seconds(view, "busy") == us(matmul=60)


def test_a_trace_of_the_host_alone_has_no_device_view(timeline):
    view = timeline.step(1, 0, 100).host("aten::mm", 10, 50).view()
    assert view.breakdown == []
    assert view.busy_share is None


def test_a_trace_without_steps_is_looked_at_whole(timeline):
    timeline.host("aten::mm", 0, 100).kernel("gemm", 10, 20, 30)
    assert seconds(timeline.view(), "busy") == us(matmul=30)


def test_the_committed_trace_is_as_busy_as_it_is_without_the_profiler():
    found = analyze_trace(DATA / "bert_inf_fp32_b1.json.gz", step_time_s=0.009138)
    assert found.busy_share == pytest.approx(0.31, abs=0.02)
    assert found.busy_share_raw == pytest.approx(0.19, abs=0.01)
    assert sum(share.share for share in found.device_breakdown) == pytest.approx(1, abs=0.01)


@pytest.mark.skipif(not H100, reason="the reference traces are not here")
@pytest.mark.parametrize(
    ("name", "raw", "corrected"),
    [
        ("gpt2_bf16_b8_compile", 0.47, 0.92),
        ("gpt2_bf16_b8", 0.74, 0.93),
        ("resnet50_bf16_cl_b64", 0.27, 0.37),
        ("bert_inf_fp32_b1", 0.19, 0.31),
        ("mlp_small", 0.04, 0.11),
        ("resnet50_fp32_b64", 0.98, 0.98),
    ],
)
def test_busy_share_is_that_of_the_step_without_the_profiler(name, raw, corrected):
    measured = json.loads((SHARED / "h100" / "measured.json").read_text())["cases"]
    found = analyze_trace(SHARED / "h100" / f"{name}.json.gz", step_time_s=statistics.median(measured[name]["step_s"]))
    assert found.busy_share == pytest.approx(corrected, abs=0.02)
    assert found.busy_share_raw == pytest.approx(raw, abs=0.01)


@pytest.mark.skipif(not H100, reason="the reference traces are not here")
@pytest.mark.parametrize("path", H100 + OTHERS, ids=lambda path: path.name.split(".")[0])
@pytest.mark.parametrize("plain", [None, 0.7, 1.3])
def test_shares_add_up_on_every_recorded_trace(path, plain):
    found = analyze_trace(path)
    if plain is not None and found.profiled_step_s:
        found = analyze_trace(path, step_time_s=found.profiled_step_s * plain)
    if found.device_breakdown:
        assert sum(share.share for share in found.device_breakdown) == pytest.approx(1, abs=0.01)
        assert all(share.share > 0 for share in found.device_breakdown)
    assert found.hotspots


@pytest.mark.parametrize("seed", range(30))
def test_any_mixture_of_events_is_analysed_and_adds_up(tmp_path, seed):
    """Also one that no profiler would write: kernels before their launch, steps of no length, crossing calls."""
    import random

    random.seed(seed)
    names = ["ProfilerStep#1", "ProfilerStep#2", "perfkit.step#3", "perfkit.module|a.0.b|L|f.py:1", "perfkit.module|",
             "Optimizer.step#X", "aten::mm", "enumerate(DataLoader)#x", "cudaStreamSynchronize", "nn.Module: A_0",
             "train.py(3): f", "Memcpy HtoD (Pageable -> Device)", "ncclKernel", "", "autograd::engine::evaluate_function: Y"]  # fmt: skip
    kinds = [
        "cpu_op",
        "user_annotation",
        "kernel",
        "gpu_memcpy",
        "gpu_memset",
        "cuda_runtime",
        "python_function",
        "new",
    ]
    events = [
        {"ph": "X", "cat": random.choice(kinds), "name": random.choice(names), "pid": random.randrange(2),
         "tid": random.randrange(3), "ts": random.randrange(60), "dur": random.choice((0, 1, 5, 30)),
         "args": {"External id": random.randrange(5), "correlation": random.randrange(-1, 6), "device": random.randrange(-1, 2),
                  "Sequence number": random.randrange(-1, 3), "Fwd thread id": random.randrange(2)}}
        for _ in range(random.choice((1, 5, 40)))
    ]  # fmt: skip
    path = tmp_path / "trace.json"
    path.write_text(json.dumps({"traceEvents": events}))
    for plain in (None, 1e-6, 1.0):
        found = analyze_trace(path, step_time_s=plain)
        assert all(share.seconds_per_step > 0 for share in found.device_breakdown)
        if found.device_breakdown:
            assert sum(share.share for share in found.device_breakdown) == pytest.approx(1, abs=0.01)
