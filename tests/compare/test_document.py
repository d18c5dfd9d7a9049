"""Runs compared: the difference by cause, what is not alike, and what cannot be compared."""

import copy

import pytest

from perfkit.compare import price
from perfkit.compare.document import compare, is_refused
from perfkit.errors import UsageError


def causes(document, side=2):
    return {row["part"]: row for row in document["causes"] if row["side"] == side}


def against(document, side=2):
    return next(row for row in document["against"] if row["side"] == side)


def assert_adds_up(document, side=2):
    """The parts are the whole, and their differences the whole difference."""
    row, rows = against(document, side), causes(document, side).values()
    assert sum(cause["before_s"] for cause in rows) == pytest.approx(row["before_s"], rel=1e-9)
    assert sum(cause["after_s"] for cause in rows) == pytest.approx(row["after_s"], rel=1e-9)
    assert sum(cause["difference_s"] for cause in rows) == pytest.approx(row["difference_s"], rel=1e-9, abs=1e-15)


def test_a_slower_host_is_told_as_such_and_the_device_is_equal(device_run):
    document = compare([device_run(idle={"launch": 8.1}), device_run(idle={"launch": 4.2})])
    assert_adds_up(document)
    assert against(document)["verdict"] == "faster"
    assert document["headline"].startswith("2 is 1.48× as fast as 1 (")
    assert document["headline"].endswith(": launches 8.10 → 4.20 ms (host), device time equal")
    launch = causes(document)["launch"]
    assert (launch["cause"], launch["where"], launch["share"]) == ("launch", "host", pytest.approx(1.0))
    assert "as many launches (300 a step), for each of which the host takes less" in launch["because"]
    assert against(document)["unexplained"]["points"] == pytest.approx(0.0)


def test_threads_explain_what_a_processor_computes(processor_run):
    slow = processor_run(phases={"forward": 12.0}, operators=[("aten::mm", "matmul", 11.0)], python_ms=1.0)
    fast = processor_run(
        phases={"forward": 7.0},
        operators=[("aten::mm", "matmul", 6.0)],
        python_ms=1.0,
        settings__torch={"num_threads": 2},
    )
    document = compare([slow, fast])
    assert_adds_up(document)
    found = causes(document)["matmul"]
    assert (found["cause"], found["where"], found["because"]) == ("threads", "processor", ["threads 1 → 2"])
    assert found["factor"] == pytest.approx(11 / 6, rel=0.01)
    assert document["headline"].split(": ")[1].startswith("matrix products 11.0 → 5.98 ms")
    assert [side["label"] for side in document["sides"]] == ["1 thread", "2 threads"]
    assert not document["unlike"]


def test_another_number_format_is_labelled_and_is_the_cause(processor_run):
    half = processor_run(phases={"forward": 6.0}, settings__model={"autocast": "bfloat16"})
    document = compare([processor_run(phases={"forward": 12.0}, settings__model={"dtypes": {"float32": 10}}), half])
    assert causes(document)["matmul"]["cause"] == "precision"
    (unlike,) = document["unlike"]
    assert (unlike["what"], unlike["level"], unlike["text"]) == (
        "precision",
        "labelled",
        "another number format: fp32 → bf16",
    )
    assert not is_refused(document)


def test_another_batch_is_compared_per_sample_and_labelled(device_run):
    small = device_run(busy={"matmul": 1.0}, idle={"launch": 3.0}, samples=8.0)
    large = device_run(busy={"matmul": 4.0}, idle={"launch": 3.0}, samples=32.0)
    document = compare([small, large])
    assert_adds_up(document)
    assert document["per"] == "sample"
    assert against(document)["before_s"] == pytest.approx(0.5e-3)
    assert against(document)["speedup"]["value"] == pytest.approx(0.5 / (7 / 32))
    assert causes(document)["launch"]["cause"] == "batch"
    assert causes(document)["matmul"]["difference_s"] == pytest.approx(0.0)
    assert [row["what"] for row in document["unlike"]] == ["batch"]


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"run__git": {"revision": "b" * 40, "dirty": False}}, "code"),
        ({"run__script": "other.py"}, "script"),
        ({"run__command": ["train.py", "--lr", "1"]}, "arguments"),
        ({"settings__source": "fedcba9876543210"}, "source"),
        ({"fixes": [{"name": "tf32", "parameters": {}, "state": "applied", "detail": {}}]}, "fixes"),
        ({"framework": {"name": "tensorflow", "version": "2"}}, "framework"),
        ({"mfu": {"flops_per_step": 2e9, "value": 0.1, "dtype": "fp32"}}, "arithmetic"),
    ],
)
def test_other_work_is_labelled(processor_run, change, what):
    document = compare(
        [
            processor_run(mfu={"flops_per_step": 1e9, "value": 0.1, "dtype": "fp32"}),
            processor_run(**{"mfu": None} | change),
        ]
    )
    assert [(row["what"], row["level"]) for row in document["unlike"]] == [(what, "labelled")]


def test_a_training_and_an_inference_are_not_compared(processor_run):
    document = compare([processor_run(), processor_run(mode="inference")])
    assert is_refused(document)
    assert against(document)["verdict"] == "incomparable"
    assert against(document)["speedup"] is None
    assert not document["causes"]
    assert "1 is a training and 2 an inference" in document["headline"]


def test_a_run_without_steps_says_why_and_the_others_are_compared(processor_run):
    killed = processor_run(
        phases={}, operators=[], run__status="killed", unavailable={"steps.median_s": "no step was seen"}
    )
    document = compare([processor_run(), killed, processor_run(phases={"forward": 3.0})])
    assert is_refused(document)
    assert "2 has no step time (it was killed: no step was seen)" in against(document)["headline"]
    assert against(document, 3)["verdict"] == "faster"
    assert against(document, 3)["level"] == "traced"
    assert_adds_up(document, 3)
    assert (
        next(side["reason"] for side in document["sides"] if side["number"] == 2) == "it was killed: no step was seen"
    )


def test_a_run_and_its_copy_do_not_differ(processor_run):
    document = compare([processor_run(), copy.deepcopy(processor_run())])
    assert against(document)["verdict"] == "equal"
    assert document["headline"].startswith("no difference between 1 and 2 that these runs can show")
    assert all(row["best"] is None for row in document["rows"])
    assert all(cause["difference_s"] == 0 and not cause["because"] for cause in document["causes"])
    assert any("the same run" in note for note in document["notes"])


def test_a_small_difference_of_one_run_each_is_not_taken_for_one(processor_run):
    document = compare(
        [
            processor_run(scatter=1e-4),
            processor_run(phases={"data": 1.0, "forward": 3.5, "backward": 6.0, "optimizer": 1.0}, scatter=1e-4),
        ]
    )
    assert against(document)["verdict"] == "unsure"
    assert "run each again to be sure" in document["headline"]


def test_repeats_of_a_configuration_are_one_side_and_their_scatter_counts(processor_run):
    first = [processor_run(phases={"forward": ms}) for ms in (10.0, 10.4, 9.8)]
    second = [processor_run(phases={"forward": ms}, settings__torch={"num_threads": 2}) for ms in (8.0, 8.3, 7.9)]
    document = compare([first[0], second[0], *first[1:], *second[1:]], group=True)
    assert [side["runs"] for side in document["sides"]] == [[1, 3, 4], [2, 5, 6]]
    assert_adds_up(document)
    row = against(document)
    assert (row["verdict"], row["method"]) == ("faster", "Welch")
    assert row["speedup"]["low"] < row["speedup"]["value"] < row["speedup"]["high"]
    step = next(row for row in document["rows"] if row["key"] == "step_s")["values"][0]
    assert (step["low"], step["high"]) == (pytest.approx(9.8e-3), pytest.approx(10.4e-3))
    assert not any("one run a side" in note for note in document["notes"])


def test_runs_of_one_configuration_alone_are_nothing_to_compare(processor_run):
    with pytest.raises(UsageError, match="one configuration"):
        compare([processor_run(), processor_run()], group=True)


def test_three_runs_side_by_side(device_run):
    document = compare([device_run(idle={"launch": ms}) for ms in (8.0, 4.0, 2.0)])
    assert [row["side"] for row in document["against"]] == [2, 3]
    assert document["headline"].startswith("3 is the fastest. 3 is ")
    for side in (2, 3):
        assert_adds_up(document, side)
    step = next(row for row in document["rows"] if row["key"] == "step_s")
    assert (step["best"], [round(ratio, 3) for ratio in step["ratios"]]) == (3, [1.0, 0.667, 0.5])


def test_an_imported_trace_beside_a_run_on_a_processor(device_run, processor_run):
    document = compare([processor_run(), device_run(imported=True)])
    assert_adds_up(document)
    assert against(document)["level"] == "traced"
    assert causes(document)["matmul"]["where"] == "work"
    assert "device AMD EPYC → NVIDIA H100 80GB HBM3" in causes(document)["matmul"]["because"]
    assert not against(document)["speedup"]["low"]
    assert any("an imported trace" in note for note in document["notes"])


def test_a_trace_whose_plain_step_is_not_known_is_labelled(device_run):
    document = compare([device_run(imported=True), device_run(imported=True, trace__dilation=None)])
    assert [row["what"] for row in document["unlike"]] == ["profiler"]


def test_without_a_trace_on_one_side_it_is_said(processor_run):
    document = compare(
        [processor_run(), processor_run(operators=[], phases={"forward": 6.0, "other": 1.0}), processor_run()]
    )
    assert [row["level"] for row in document["against"]] == ["phases", "traced"]
    assert_adds_up(document)
    assert any("without a trace of 2" in note for note in document["notes"])
    assert against(document)["unexplained"]["points"] == pytest.approx(100 * 1.0 / 12)


def test_a_crowded_machine_is_said_once_for_all(processor_run):
    crowded = {"cores_used": 0.5, "others_cores": 1.4, "usable_cores": 2.0, "devices": []}
    document = compare([processor_run(), processor_run(utilization=crowded), processor_run(utilization=crowded)])
    assert (
        "while 2 and 3 ran, other processes kept 1.4 and 1.4 cores busy: in quiet they may compare otherwise"
        in document["notes"]
    )


def test_parts_that_rest_on_few_or_other_steps_say_so(processor_run):
    document = compare([processor_run(trace__steps=1), processor_run(phases={"forward": 24.0})])
    assert any("few steps were traced of 1 (1)" in note for note in document["notes"])
    assert any(
        "of 2 the plain steps take 2.29 times as long as the traced operators" in note for note in document["notes"]
    )
    assert [side["traced_steps"] for side in document["sides"]] == [1, 5]
    assert document["sides"][1]["stretched"] == pytest.approx(24 / 10.5)


def test_what_nothing_recorded_would_explain_is_added_up(processor_run):
    document = compare([processor_run(phases={"forward": 12.0}), processor_run(phases={"forward": 6.0})])
    assert against(document)["unexplained"]["points"] == 0
    assert against(document)["unreasoned"]["points"] == pytest.approx(50.0)


def test_prices_make_costs_and_those_of_nothing_are_said(device_run, processor_run):
    prices = [price.parse(text) for text in ("h100=2.5", "cpu=$0.36", "tpu=1")]
    document = compare(
        [device_run(busy={"matmul": 4.0}, idle={"launch": 4.0}), processor_run(phases={"forward": 32.0})], prices=prices
    )
    row = next(row for row in document["rows"] if row["key"] == "usd_per_million")
    assert row["values"][0]["value"] == pytest.approx(2.5 / 3600 * 0.008 / 32 * 1e6)
    assert row["values"][1]["value"] == pytest.approx(0.36 / 3600 * 0.032 / 32 * 1e6)
    assert row["best"] == 2
    assert any("'tpu'" in note for note in document["notes"])


def test_the_price_of_a_run_by_its_number_comes_before_that_of_its_device(device_run):
    document = compare(
        [device_run(), device_run(idle={"launch": 1.0})], prices=[price.parse("h100=2.5"), price.parse("2=5")]
    )
    values = next(row for row in document["rows"] if row["key"] == "usd_per_million")["values"]
    assert values[0]["value"] == pytest.approx(2.5 / 3600 * 9.1e-3 / 32 * 1e6)
    assert values[1]["value"] == pytest.approx(5 / 3600 * 5e-3 / 32 * 1e6)


@pytest.mark.parametrize("text", ["h100", "h100=", "=2", "h100=two"])
def test_what_is_no_price(text):
    with pytest.raises(UsageError, match="--price"):
        price.parse(text)


def test_operators_are_aligned_by_name_and_module(processor_run):
    first = processor_run(
        operators=[
            ("aten::mm", "matmul", 8.0, "net.0"),
            ("aten::mm", "matmul", 2.0, "net.1"),
            ("aten::relu", None, 1.0, "net.2"),
        ]
    )
    second = processor_run(operators=[("aten::mm", "matmul", 4.0, "net.0"), ("aten::mm", "matmul", 2.0, "net.1")])
    rows = {(row["name"], row["module"]): row for row in compare([first, second])["operators"]}
    assert rows["aten::mm", "net.0"]["factors"] == [1.0, pytest.approx(2.0)]
    assert rows["aten::mm", "net.1"]["differences_s"] == [0.0, 0.0]
    assert rows["aten::relu", "net.2"]["sides"][1] is None


def test_operators_whose_modules_only_one_side_tells_are_added_up(processor_run):
    first = processor_run(operators=[("aten::mm", "matmul", 8.0, "net.0"), ("aten::mm", "matmul", 2.0, "net.1")])
    second = processor_run(operators=[("aten::mm", "matmul", 5.0)])
    rows = {(row["name"], row["module"]): row for row in compare([first, second])["operators"]}
    assert rows["aten::mm", "*"]["factors"][1] == pytest.approx(2.0)


def test_every_missing_figure_has_its_reason(processor_run):
    first = processor_run(
        memory__held={"kind": "host", "peak_bytes": 1 << 30, "reserved_bytes": None, "limit_bytes": 1 << 34}
    )
    document = compare([first, processor_run(unavailable={"memory.held": "not sampled in this run"})])
    row = next(row for row in document["rows"] if row["key"] == "headroom_bytes")
    assert row["values"][0]["value"] == (1 << 34) - (1 << 30)
    assert row["values"][1] == {"value": None, "low": None, "high": None, "reason": "not sampled in this run"}
    assert all(value["reason"] for row in document["rows"] for value in row["values"] if value["value"] is None)
