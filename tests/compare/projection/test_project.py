"""Whole projections: of literal steps, and of a recorded trace."""

from pathlib import Path

import pytest

from perfkit.compare.projection.project import OTHER_HOST, Asked, project
from perfkit.compare.projection.settings import Settings
from perfkit.compare.projection.workload import workload_of
from perfkit.hardware.catalog import match
from perfkit.trace.formats import read

DATA = Path(__file__).parents[2] / "data" / "traces"


def test_a_step_that_waits_for_its_memory_gains_by_faster_memory(workload, h100, h200):
    step = workload([("elementwise", 1e-3)] * 5, [1e-5] * 5, bytes=[0.9e-3 * h100.bandwidth] * 5)
    found = project(step, Asked(origin=h100, target=h200), 5e-3)
    assert found.step_s.expected == pytest.approx(5e-3 * h100.bandwidth / h200.bandwidth, rel=0.02)
    assert found.limit == "device"
    assert found.host_s.expected < 0.05 * found.step_s.expected


def test_a_step_that_waits_for_its_host_gains_nothing_by_a_faster_device(workload, h100, h200):
    step = workload([("elementwise", 1e-5)] * 5, [1e-3] * 5, bytes=[1e-5 * h100.bandwidth] * 5)
    found = project(step, Asked(origin=h100, target=h200), 5e-3)
    assert found.step_s.expected == pytest.approx(5e-3, rel=0.01)
    assert found.limit == "host"
    assert found.step_s.low < 5e-3 < found.step_s.high
    assert any("host is taken to be like" in note for note in found.notes)


def test_a_host_that_was_calibrated_is_taken_into_account(workload, h100, h200):
    step = workload([("elementwise", 1e-5)] * 5, [1e-3] * 5, bytes=[1e-5 * h100.bandwidth] * 5)
    found = project(step, Asked(origin=h100, target=h200, host=0.5), 5e-3)
    assert found.step_s.expected == pytest.approx(2.5e-3, rel=0.02)
    assert not any("host is taken to be like" in note for note in found.notes)


def test_a_loader_that_is_the_limit_stays_it(workload, h100, h200):
    step = workload([("matmul", 1e-3)], [5e-3], data=[4.5e-3])
    found = project(step, Asked(origin=h100, target=h200, has_workers=True), 5e-3)
    assert found.step_s.expected == pytest.approx(5e-3)
    assert found.step_s.low == pytest.approx(5e-3 * OTHER_HOST[0], rel=1e-4)
    assert found.limit == "input"
    # its batches are made in the process itself, or nothing is known of that: what is computed beside them may still shrink
    unknown = project(step, Asked(origin=h100, target=h200), 5e-3)
    assert unknown.step_s.low <= found.step_s.low <= found.step_s.expected <= unknown.step_s.expected


def test_the_parts_of_a_projection_are_its_step(workload, h100, h200):
    step = workload([("elementwise", 1e-3), ("matmul", 2e-3)] * 3, [5e-4] * 6)
    found = project(step, Asked(origin=h100, target=h200), 9.5e-3)
    assert found.device_s.expected + found.host_s.expected == pytest.approx(found.step_s.expected, rel=1e-6)
    assert found.step_s.low <= found.step_s.expected <= found.step_s.high


@pytest.fixture(scope="module")
def mlp():
    """24 small layers in training, two steps traced on an H100: it waits for its launches."""
    return workload_of(read(DATA / "mlp_small_2steps.json.gz"))


def test_a_recorded_trace_is_read_as_it_ran(mlp):
    assert mlp.device == "NVIDIA H100 80GB HBM3"
    assert mlp.steps == 2
    assert len(mlp.pieces) > 500
    assert mlp.pieces.is_fixed.any()
    assert (mlp.pieces.blocks > 0).mean() > 0.9
    assert 0 < mlp.busy_s < mlp.profiled_step_s
    # every launch of the window, and what comes between them, is the step
    assert mlp.host_s + mlp.data_s == pytest.approx(mlp.profiled_step_s, rel=0.15)


def test_a_launch_bound_trace_stays_as_fast_on_any_card(mlp, h100):
    for name in ("NVIDIA H200", "NVIDIA A100-SXM4-80GB", "NVIDIA B200"):
        found = project(mlp, Asked(origin=h100, target=match(name)), 0.010)
        assert found.limit == "host"
        assert found.step_s.expected == pytest.approx(0.010, rel=0.1)


def test_a_larger_batch_of_a_launch_bound_trace_is_nearly_free(mlp, h100):
    found = project(mlp, Asked(origin=h100, target=h100, settings=Settings(batch=2), same_machine=True), 0.010)
    assert found.step_s.expected < 0.0115


def test_what_a_trace_tells_of_its_products_and_casts():
    """BERT of one sample, in float32: no casts, and no dimension that matrix units could not read."""
    bert = workload_of(read(DATA / "bert_inf_fp32_b1.json.gz"))
    products = bert.pieces.of_kind("matmul")
    assert products.sum() > 0
    assert not bert.pieces.is_odd.any()
    assert bert.pieces.flops[products].sum() > 1e9 * bert.steps
    assert bert.parameter_bytes == 0  # an inference has no gradients to tell them
