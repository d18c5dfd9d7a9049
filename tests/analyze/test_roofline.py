import json
import statistics
from dataclasses import replace
from pathlib import Path

import pytest

from perfkit.analyze.hot_rows import Hotspot
from perfkit.analyze.roofline import compute_dtype, mfu, place
from perfkit.analyze.trace_view import analyze_trace
from perfkit.analyze.work import StepWork
from perfkit.hardware.catalog import DeviceSpec

DATA = Path(__file__).parent.parent / "data" / "traces"
H100 = Path(__file__).parents[3] / "shared" / "traces" / "h100"

# 100 FLOPs per byte where both limits meet.
SPEC = DeviceSpec(name="toy", peak_flops={"fp32": 1e12, "bf16": 4e12}, bandwidth=1e10)
FLOATS = '["float", "float"]'


def hot(seconds=1e-3, flops=None, moved=None, calls=1.0, dtypes=FLOATS, name="aten::mm"):
    return Hotspot(
        name=name, kind="operator", calls_per_step=calls, seconds_per_step=seconds, share=0.5, basis="device",
        flops=flops, bytes=moved, dtypes=dtypes,
    )  # fmt: skip


def test_much_arithmetic_per_byte_is_bound_by_compute():
    row = place(hot(flops=5e8, moved=1e6), SPEC)
    assert (row.bound, row.dtype) == ("compute", "fp32")
    assert row.efficiency == pytest.approx(0.5)
    assert row.attainable_flops_per_s == pytest.approx(1e12)
    assert row.achieved_flops_per_s == pytest.approx(5e11)


def test_little_arithmetic_per_byte_is_bound_by_memory():
    row = place(hot(flops=5e7, moved=5e6), SPEC)
    assert row.bound == "memory"
    assert row.intensity == pytest.approx(10)
    assert row.attainable_flops_per_s == pytest.approx(1e11)  # 10 FLOPs per byte at 1e10 bytes/s
    assert row.efficiency == pytest.approx(0.5)


def test_what_moves_data_alone_is_bound_by_memory():
    row = place(hot(moved=5e6, name="aten::add"), SPEC)
    assert (row.bound, row.attainable_flops_per_s) == ("memory", None)
    assert row.achieved_bytes_per_s == pytest.approx(5e9)


def test_short_calls_far_from_the_roof_are_bound_by_their_launch():
    assert place(hot(moved=5e5, calls=200, name="aten::add"), SPEC).bound == "launch"
    assert place(hot(moved=9e6, calls=200, name="aten::add"), SPEC).bound == "memory"  # short, but at the roof


def test_without_bytes_or_without_a_peak_there_is_no_bound():
    assert place(hot(flops=5e8), SPEC) is None
    assert place(hot(flops=5e8, moved=1e6, dtypes='["double", "double"]'), SPEC) is None


def test_a_copy_to_another_device_is_not_measured_by_this_ones_memory():
    assert place(hot(moved=1e5, name="aten::copy_"), SPEC) is None


@pytest.mark.parametrize(
    ("inputs", "kernel", "dtype"),
    [
        (FLOATS, None, "fp32"),
        (FLOATS, "tf32", "tf32"),
        (FLOATS, "fp32", "fp32"),
        ('["c10::BFloat16", "c10::BFloat16"]', "16-bit", "bf16"),
        ('["c10::Half", "c10::Half"]', None, "fp16"),
        ('["double"]', None, "fp64"),
        ('["", "float"]', None, "fp32"),
        (None, "16-bit", "bf16"),
        (None, None, None),
    ],
)
def test_the_format_is_what_the_kernels_compute_in(inputs, kernel, dtype):
    assert compute_dtype(inputs, kernel) == dtype


def test_mfu_is_over_the_peak_of_the_format_that_does_most():
    bf16 = '["c10::BFloat16", "c10::BFloat16"]'
    work = StepWork(
        flops_per_step=1e9,
        flops_by_operator={"aten::mm": {bf16: 9e8}, "aten::addmm": {FLOATS: 1e8}},
        counted_share=1.0,
    )
    found = mfu(work, SPEC, {}, 1e-3)
    assert (found.dtype, found.peak) == ("bf16", "bf16, dense, toy")
    assert found.value == pytest.approx(0.25)
    assert mfu(replace(work, flops_per_step=None), SPEC, {}, 1e-3) is None
    assert mfu(work, replace(SPEC, peak_flops={"fp64": 1e12}), {}, 1e-3) is None


def test_the_committed_traces_operators_are_on_the_roofline_of_their_device():
    found = analyze_trace(DATA / "bert_inf_fp32_b1.json.gz", step_time_s=0.009138)
    assert found.limits.name == "H100 SXM5"
    top = found.hotspots[0]
    assert (top.name, top.bound) == ("aten::addmm", "compute")
    # BERT base, 128 tokens: 12 layers of 12 d² products and attention, and the pooler.
    expected = 2 * 128 * 12 * 12 * 768**2 + 12 * 4 * 128 * 128 * 768 + 2 * 768**2
    assert found.work.flops_per_step == pytest.approx(expected, rel=1e-3)
    assert found.work.counted_share == pytest.approx(1)
    matrix = found.kernels[0]
    assert (matrix.kind, matrix.tensor_core, matrix.direction, matrix.bound) == ("matmul", False, "forward", "compute")


@pytest.mark.skipif(not H100.is_dir(), reason="the reference traces are not here")
@pytest.mark.parametrize(
    ("name", "dtype", "low", "high"),
    [
        ("gpt2_fp32_b8", "fp32", 0.50, 0.65),
        ("gpt2_tf32_b8", "tf32", 0.14, 0.18),
        ("gpt2_bf16_b8", "bf16", 0.09, 0.12),
        ("gpt2_bf16_b8_compile", "bf16", 0.20, 0.25),
        ("resnet50_bf16_cl_b64", "bf16", 0.03, 0.04),
        ("mlp_small", "fp32", 0.003, 0.005),
    ],
)
def test_nothing_on_a_real_gpu_is_faster_than_its_roof(name, dtype, low, high):
    measured = json.loads((H100 / "measured.json").read_text())["cases"][name]
    found = analyze_trace(H100 / f"{name}.json.gz", step_time_s=statistics.median(measured["step_s"]))
    share = mfu(found.work, found.limits, found.matrix_formats, found.step_s)
    assert share.dtype == dtype
    assert low < share.value < high
    for row in found.hotspots:
        if row.flops and row.efficiency:  # traffic alone may stay in the cache
            assert row.efficiency <= 1.05, row.name


@pytest.mark.skipif(not H100.is_dir(), reason="the reference traces are not here")
def test_one_model_takes_the_same_flops_however_it_is_run():
    names = ("gpt2_fp32_b8", "gpt2_tf32_b8", "gpt2_bf16_b8", "gpt2_bf16_b8_compile")
    counted = [analyze_trace(H100 / f"{name}.json.gz").work.flops_per_step for name in names]
    assert max(counted) == pytest.approx(min(counted), rel=1e-3)
    # A fourfold batch takes four times as many.
    small, large = (analyze_trace(H100 / f"resnet50_bf16_cl_b{n}.json.gz").work.flops_per_step for n in (64, 256))
    assert large == pytest.approx(4 * small, rel=1e-3)
    # 4.09 G multiply-adds an image (as its authors count), three times, less the first layer's input gradient.
    assert small == pytest.approx(64 * (3 * 2 * 4.09e9 - 2 * 0.118e9), rel=0.01)
