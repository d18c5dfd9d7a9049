"""A step as parts that add up to it, whatever computes it."""

import pytest

from perfkit.compare import host_operators, parts
from perfkit.compare.vocabulary import PARTS
from perfkit.model.records import CAUSES

MS = 1e-3


def ms(found):
    return {name: round(seconds / MS, 6) for name, seconds in found.items() if round(seconds / MS, 6)}


def test_every_part_has_a_cause_that_findings_know_or_is_unexplained():
    assert {kind.cause for kind in PARTS.values()} - {None} <= set(CAUSES)
    assert {name for name, kind in PARTS.items() if kind.cause is None} == {"idle other", "uneven", "untold", "step"}


def test_a_device_is_busy_by_class_and_idle_by_cause(device_run):
    document = device_run(
        busy={"matmul": 3.0, "copy": 0.5}, idle={"launch": 5.0, "input": 1.0, "copy": 0.25, "other": 0.25}
    )
    found = parts.parts(document, "traced")
    assert ms(found) == {"matmul": 3, "copy": 0.5, "launch": 5, "input": 1, "idle copy": 0.25, "idle other": 0.25}
    assert sum(found.values()) == pytest.approx(parts.step_s(document))


def test_what_the_mean_step_has_beside_the_median_one_is_between_the_steps_or_uneven(device_run):
    document = device_run(busy={"matmul": 4.0}, idle={"launch": 4.0}, between={"evaluation": 2.0, "logging": 0.5})
    assert ms(parts.parts(document, "traced")) == {"matmul": 4, "launch": 4, "evaluation": 2, "uneven": 0.5}
    assert sum(parts.parts(document, "traced").values()) == pytest.approx(10.5 * MS)


def test_a_processors_phases_are_divided_as_its_operators_are(processor_run):
    document = processor_run(
        phases={"data": 2.0, "forward": 6.0, "backward": 4.0, "evaluation": 1.0},
        operators=[("aten::mm", "matmul", 3.0), ("aten::relu", None, 1.0)], python_ms=3.0,
    )  # fmt: skip
    found = parts.parts(document, "traced")
    assert sum(found.values()) == pytest.approx(13 * MS)
    assert (found["input"], found["evaluation"]) == (pytest.approx(2 * MS), pytest.approx(1 * MS))
    # Two of the three milliseconds of Python are the waiting. The other five stand for ten; of each operator ten calls of 2 µs are only the calling.
    assert found["matmul"] == pytest.approx(2 * (3 - 0.02) * MS)
    assert found["elementwise"] == pytest.approx(2 * (1 - 0.02) * MS)
    assert found["dispatch"] == pytest.approx(2 * 0.04 * MS)
    assert found["python"] == pytest.approx(2 * 1 * MS)
    assert parts.stretched(document) == pytest.approx(2.0)


def test_operators_that_make_batches_are_no_arithmetic_of_the_model(processor_run):
    """A dataset that computes in the same process: its operators belong to no module and to the waiting for data."""
    rows = [("aten::mm", "matmul", 4.0, "net.0"), ("aten::randn", None, 4.0)]
    loading = {"name": "enumerate(DataLoader)#_SingleProcessDataLoaderIter.__next__", "kind": "annotation"}
    document = processor_run(phases={"data": 5.0, "forward": 4.0}, operators=rows, python_ms=0.0)
    document["trace"]["host_operators"].append(
        {**document["trace"]["host_operators"][0], **loading, "module": None, "seconds_per_step": 1.0 * MS}
    )
    found = parts.parts(document, "traced")
    assert found["input"] == pytest.approx(5 * MS)
    assert found["matmul"] == pytest.approx(4 * MS, rel=0.02)


def test_python_that_logs_or_waits_is_not_counted_twice(processor_run):
    document = processor_run(
        phases={"data": 3.0, "forward": 4.0, "logging": 1.0}, operators=[("aten::mm", "matmul", 4.0)], python_ms=4.0
    )
    found = parts.parts(document, "traced")
    assert found.get("python", 0.0) == pytest.approx(0.0)
    assert found["matmul"] + found["dispatch"] == pytest.approx(4 * MS)


def test_without_a_trace_the_phases_are_the_parts_and_the_rest_is_unexplained(processor_run):
    document = processor_run(phases={"data": 1.0, "forward": 4.0, "optimizer": 1.0, "other": 0.5}, operators=[])
    assert parts.level_of(document) == "phases"
    assert ms(parts.parts(document, "phases")) == {"input": 1, "forward": 4, "optimizer step": 1, "untold": 0.5}


def test_runs_are_divided_as_finely_as_all_of_them_can_be(processor_run, device_run):
    traced, untraced, imported = processor_run(), processor_run(operators=[]), device_run(imported=True)
    assert parts.common_level([traced, device_run(), imported]) == "traced"
    assert parts.common_level([traced, untraced]) == "phases"
    assert parts.common_level([imported, untraced]) == "step"
    assert ms(parts.parts(imported, "step")) == {"step": 9.1}


@pytest.mark.parametrize(
    ("name", "work", "module", "expected"),
    [
        ("aten::mm", "matmul", None, "matmul"),
        ("aten::add_", None, None, "elementwise"),
        ("aten::threshold_backward", None, None, "elementwise"),
        ("aten::_foreach_add_", None, "optimizer", "optimizer"),
        ("aten::add_", None, "optimizer", "optimizer"),
        ("aten::copy_", None, None, "copy"),
        ("aten::zero_", None, None, "memset"),
        ("aten::mystery", None, None, "other"),
        ("aten::view", None, None, None),
        ("aten::t", None, None, None),
        ("autograd::engine::evaluate_function: AddmmBackward0", None, None, None),
        ("AddmmBackward0", None, None, None),
        ("Optimizer.step#SGD.step", None, "optimizer", "optimizer"),
    ],
)
def test_the_class_of_a_host_operator(name, work, module, expected):
    row = {"name": name, "work": work, "module": module, "kind": "operator"}
    assert host_operators.class_of(row) == expected


def test_calling_an_operator_takes_what_those_take_that_do_nothing_else(processor_run):
    rows = processor_run(operators=[("aten::view", None, 0.06, None, 20.0), ("aten::mm", "matmul", 1.0, None, 10.0)])[
        "trace"
    ]["host_operators"]
    assert host_operators.call_seconds(rows) == pytest.approx(3e-6)
    assert host_operators.divided(rows)["dispatch"] == pytest.approx(0.06e-3 + 30e-6)
    assert host_operators.call_seconds(rows[1:]) == host_operators.USUAL_CALL_S
