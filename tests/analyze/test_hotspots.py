import json
from pathlib import Path

import pytest

from perfkit.analyze.flops import operator_flops
from perfkit.analyze.hotspots import hotspots
from perfkit.analyze.launches import join
from perfkit.analyze.operator_table import graph_names
from perfkit.analyze.trace_view import analyze_trace
from perfkit.analyze.traced_steps import steps_of
from perfkit.trace.kineto import read

DATA = Path(__file__).parent.parent / "data" / "traces"
MARK = "perfkit.module|"


def write(path, *rows):
    """A trace of rows (name, start µs, duration µs, category, thread, args)."""
    events = [
        {"ph": "X", "name": name, "ts": start, "dur": duration, "cat": cat, "pid": 1, "tid": tid, "args": args}
        for name, start, duration, cat, tid, args in rows
    ]
    path.write_text(json.dumps({"traceEvents": events}))
    return path


def op(name, start, duration, tid=1, **args):
    return (name, start, duration, "cpu_op", tid, args)


def mark(name, start, duration, tid=1):
    return (name, start, duration, "user_annotation", tid, {})


def found(trace, **options):
    return {(row.name, row.module): row for row in analyze_trace(trace, **options).hotspots}


def test_self_time_leaves_out_what_runs_inside(tmp_path):
    path = write(
        tmp_path / "t.json",
        mark("ProfilerStep#1", 0, 100),
        op("outer", 10, 60),
        op("inner", 20, 25),
        op("inner", 50, 5),
    )
    rows = found(path)
    assert rows["outer", None].seconds_per_step == pytest.approx(30e-6)
    assert rows["inner", None].seconds_per_step == pytest.approx(30e-6)
    assert rows["inner", None].calls_per_step == 2
    assert rows["Python between operators", None].share == pytest.approx(0.4)
    assert sum(row.share for row in rows.values()) == pytest.approx(1)


def test_only_what_lies_in_the_steps_counts_and_is_divided_by_them(tmp_path):
    path = write(
        tmp_path / "t.json",
        op("before", -50, 40),
        mark("perfkit.step#7", 0, 100),
        mark("perfkit.step#8", 100, 100),
        op("work", 10, 50),
        op("work", 110, 50),
        op("after", 300, 50),
    )
    analysis = analyze_trace(path)
    assert analysis.step_numbers == [7, 8]
    assert {row.name for row in analysis.hotspots} == {"work", "Python between operators"}
    assert analysis.hotspots[0].calls_per_step == 1
    assert analysis.hotspots[0].share == pytest.approx(0.5)


def test_a_step_mark_that_ends_inside_the_optimizers_step_is_no_call(tmp_path):
    path = write(
        tmp_path / "t.json",
        mark("perfkit.step#1", 0, 100),
        mark("Optimizer.step#SGD.step", 90, 14),
        mark("perfkit.step#2", 101, 99),
        op("work", 110, 40),
        mark("Optimizer.step#SGD.step", 190, 500),  # the window is closed in it, which is not the step's time
    )
    rows = found(path)
    assert rows["Optimizer.step#SGD.step", "optimizer"].seconds_per_step == pytest.approx(12e-6)
    assert sum(row.share for row in rows.values()) == pytest.approx(1)


def test_operators_get_the_innermost_module_and_the_line_that_called_it(tmp_path):
    path = write(
        tmp_path / "t.json",
        mark("perfkit.step#1", 0, 100),
        mark(MARK + "|Net|train.py:20", 0, 90),
        mark(MARK + "layers.0|Linear|net.py:7", 10, 20),
        op("aten::linear", 12, 10),
        op("aten::addmm", 14, 5),
        op("aten::relu", 40, 10),
        op("aten::nll_loss", 92, 5),
    )
    rows = found(path)
    assert rows["aten::addmm", "layers.0"].line == "net.py:7"
    assert rows["aten::relu", "Net"].line == "train.py:20"
    assert ("aten::nll_loss", None) in rows
    assert not any(name.startswith(MARK) for name, _ in rows)


def test_the_same_operator_of_repeated_blocks_is_one_row(tmp_path):
    path = write(
        tmp_path / "t.json",
        mark("perfkit.step#1", 0, 200),
        *(mark(f"{MARK}blocks.{n}.mlp.0|Linear|net.py:7", 20 * n, 9) for n in range(4)),
        *(mark(f"{MARK}blocks.{n}.mlp.2|Linear|net.py:8", 20 * n + 10, 9) for n in range(1)),
        *(op("aten::addmm", 20 * n + 1, 5) for n in range(4)),
        op("aten::addmm", 12, 5),
    )
    rows = found(path)
    assert rows["aten::addmm", "blocks.*.mlp.0"].calls_per_step == 4
    assert rows["aten::addmm", "blocks.*.mlp.0"].modules == 4
    assert rows["aten::addmm", "blocks.0.mlp.2"].modules == 1


def test_backward_operators_get_the_module_of_their_forward_one(tmp_path):
    node = "autograd::engine::evaluate_function: "
    path = write(
        tmp_path / "t.json",
        mark("perfkit.step#1", 0, 200),
        mark(MARK + "first|Linear|", 10, 20),
        op("aten::addmm", 12, 5, **{"Sequence number": 3, "Fwd thread id": 0}),
        mark(MARK + "second|Linear|", 40, 20),
        op("aten::addmm", 42, 5, **{"Sequence number": 4, "Fwd thread id": 0}),
        op(node + "AddmmBackward0", 100, 20, 2, **{"Sequence number": 4, "Fwd thread id": 1}),
        op("aten::mm", 102, 10, 2),
        op(node + "AddmmBackward0", 130, 20, 2, **{"Sequence number": 3, "Fwd thread id": 1}),
        op("aten::mm", 132, 12, 2),
        op(node + "torch::autograd::AccumulateGrad", 155, 10, 2),
        op("aten::add_", 157, 5, 2),
        mark("Optimizer.step#SGD.step", 170, 20),
        op("aten::_foreach_add_", 172, 10),
    )
    rows = found(path)
    assert rows["aten::mm", "second"].seconds_per_step == pytest.approx(10e-6)
    assert rows["aten::mm", "first"].seconds_per_step == pytest.approx(12e-6)
    assert ("aten::add_", "first") in rows
    assert ("aten::_foreach_add_", "optimizer") in rows


def test_a_forward_run_again_inside_backward_keeps_its_own_module(tmp_path):
    path = write(
        tmp_path / "t.json",
        mark("perfkit.step#1", 0, 200),
        mark(MARK + "block|Block|", 0, 50),
        op("CheckpointFunction", 5, 5, **{"Sequence number": 1, "Fwd thread id": 0}),
        op("autograd::engine::evaluate_function: X", 100, 90, 2, **{"Sequence number": 1, "Fwd thread id": 1}),
        mark(MARK + "block.inner|Linear|", 110, 40, 2),
        op("aten::addmm", 115, 10, 2),
        op("aten::mul", 160, 10, 2),
    )
    rows = found(path)
    assert ("aten::addmm", "block.inner") in rows
    assert ("aten::mul", "block") in rows


def test_host_times_lose_what_the_profiler_added_and_only_where_it_shows(tmp_path):
    path = write(tmp_path / "t.json", mark("ProfilerStep#1", 0, 1000), *(op("work", 10 * n, 9) for n in range(100)))
    plain = found(path, step_time_s=0.95e-3)["work", None]
    assert plain.host_seconds_per_step == pytest.approx(900e-6)
    analysis = analyze_trace(path, step_time_s=0.8e-3)
    assert analysis.host_correction_ns == pytest.approx(2000, rel=0.02)
    assert sum(row.seconds_per_step for row in analysis.hotspots) == pytest.approx(0.8e-3, rel=0.01)
    assert any("per event" in note for note in analysis.notes)


def test_a_trace_whose_plain_step_is_unknown_says_by_how_much_it_may_be_dilated(tmp_path):
    path = write(tmp_path / "t.json", mark("ProfilerStep#1", 0, 1000), *(op("work", 10 * n, 9) for n in range(100)))
    analysis = analyze_trace(path)
    low, high = analysis.dilation_estimate
    assert 1 < low < 1.1 < high < 2
    assert any("under the profiler" in note for note in analysis.notes)


def test_on_a_device_trace_operators_are_ordered_by_the_kernels_they_launch():
    analysis = analyze_trace(DATA / "bert_inf_fp32_b1.json.gz")
    first = analysis.hotspots[0]
    assert (first.name, first.kind, first.work, first.basis) == ("aten::addmm", "operator", "matmul", "device")
    assert first.calls_per_step == 73
    assert first.flops == pytest.approx(12 * (4 * 2 * 128 * 768**2 + 2 * 2 * 128 * 768 * 3072) + 2 * 768**2)
    assert first.shapes.startswith("[[768], [128, 768]")
    assert analysis.kernels[0].operator == "aten::addmm"
    assert analysis.kernels[0].kind == "matmul"
    total = sum(row.seconds_per_step for row in analysis.kernels)
    assert total == pytest.approx(
        sum(s.seconds_per_step for s in analysis.device_breakdown if s.kind == "busy"), rel=0.01
    )
    assert sum(row.seconds_per_step for row in analysis.hotspots) == pytest.approx(total, rel=0.02)


def test_kernels_that_no_operator_launched_are_shown_themselves(tmp_path):
    """As in a replayed CUDA graph: one launch, many kernels."""
    rows = [mark("perfkit.step#1", 0, 100), mark(MARK + "net|Net|", 1, 10)]
    rows.append(("cudaGraphLaunch", 2, 3, "cuda_runtime", 1, {"correlation": 9}))
    for name, start in (("gemm_a", 10), ("gemm_a", 30), ("relu_elementwise_kernel", 50)):
        rows.append((name, start, 15, "kernel", 7, {"device": 0, "stream": 7, "correlation": 9}))
    analysis = analyze_trace(write(tmp_path / "t.json", *rows))
    first, second = analysis.hotspots
    assert (first.name, first.kind, first.work, first.module, first.calls_per_step) == (
        "gemm_a",
        "kernel",
        "matmul",
        "net",
        2,
    )
    assert first.share == pytest.approx(0.3)
    assert second.work == "elementwise"


def test_other_peoples_stacks_name_modules_and_lines():
    analysis = analyze_trace(DATA / "mlp_small_2steps.json.gz")
    mine = sum(row.seconds_per_step for row in analysis.hotspots if row.module)
    assert mine / sum(row.seconds_per_step for row in analysis.hotspots) > 0.95
    assert any(row.module and row.module.startswith("Sequential_0.Linear_") for row in analysis.hotspots)
    assert {row.line.split(":")[0] for row in analysis.hotspots if row.line} == {"capture.py"}


def test_the_analysis_is_plain_data():
    import dataclasses

    document = json.loads(json.dumps(dataclasses.asdict(analyze_trace(DATA / "mlp_small_2steps.json.gz"))))
    keys = {"name", "kind", "module", "calls_per_step", "seconds_per_step", "share", "flops", "bytes", "bound", "line"}
    assert keys <= document["hotspots"][0].keys()


@pytest.mark.parametrize(
    ("name", "shapes", "flops"),
    [
        ("aten::mm", "[[4, 5], [5, 6]]", 240),
        ("aten::addmm", "[[6], [4, 5], [5, 6], [], []]", 240),
        ("aten::bmm", "[[2, 4, 5], [2, 5, 6]]", 480),
        ("aten::convolution_backward", "[[1, 8, 10, 10], [1, 3, 12, 12], [8, 3, 3, 3]]", 2 * 2 * 800 * 27),
        (
            "aten::_scaled_dot_product_flash_attention",
            "[[2, 3, 8, 4], [2, 3, 8, 4], [2, 3, 8, 4]]",
            2 * 2 * 6 * 8 * 8 * 4,
        ),
        ("aten::mm", "[[], [5, 6]]", None),
        ("aten::mm", "nonsense", None),
        ("aten::mm", "", None),
        ("aten::relu", "[[4, 5]]", None),
    ],
)
def test_flops_follow_from_shapes_where_shapes_say_them(name, shapes, flops):
    assert operator_flops(name, shapes) == flops


# --- against torch's own profiler, for real


@pytest.fixture(scope="module")
def profiled(tmp_path_factory):
    """A real CPU profile of a small training loop: torch's averages and the exported trace."""
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    model = torch.nn.Sequential(
        torch.nn.Conv2d(3, 8, 3),
        torch.nn.BatchNorm2d(8),
        torch.nn.ReLU(),
        torch.nn.Flatten(),
        torch.nn.Linear(8 * 36, 10),
    )
    optimizer = torch.optim.Adam(model.parameters())
    data = torch.randn(32, 3, 8, 8)

    def step():
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(model(data), torch.zeros(32, dtype=torch.long)).backward()
        optimizer.step()

    step()
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU], record_shapes=True) as profile:
        for _ in range(5):
            step()
    path = tmp_path_factory.mktemp("profile") / "trace.json"
    profile.export_chrome_trace(str(path))
    return profile.key_averages(), path


@pytest.mark.slow
def test_operator_totals_agree_with_torchs_own(profiled):
    averages, path = profiled
    events = read(path).events
    window = steps_of(events)
    rows = {}
    for row in hotspots(events, window, join(events, window), step_s=1e-6, profiled_step_s=1e-6, rows=1000).host:
        seconds, calls = rows.get(row.name, (0.0, 0.0))
        rows[row.name] = (seconds + row.host_seconds_per_step, calls + row.calls_per_step)
    theirs = {one.key: one for one in averages}
    total = sum(one.self_cpu_time_total for one in averages)
    big = [name for name, one in theirs.items() if one.self_cpu_time_total > 0.002 * total]
    assert len(big) > 5  # how many are big depends on the machine
    for name in big:
        seconds, calls = rows[name]
        assert calls == theirs[name].count, name
        assert seconds * 1e6 == pytest.approx(theirs[name].self_cpu_time_total, rel=0.03), name


@pytest.mark.slow
def test_every_operator_of_torchs_table_is_in_the_events_table(profiled):
    averages, path = profiled
    events = read(path).events
    counts = {}
    for code, category in zip(events.name.tolist(), events.category.tolist(), strict=True):
        if events.categories[category] in ("cpu_op", "user_annotation"):
            counts[events.names[code]] = counts.get(events.names[code], 0) + 1
    assert {one.key: one.count for one in averages} == counts


@pytest.mark.slow
def test_most_operator_time_of_a_real_window_carries_a_module(tmp_path, monkeypatch):
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    layer = torch.nn.TransformerEncoderLayer(64, 4, 256, batch_first=True)
    model = torch.nn.Sequential(
        torch.nn.Embedding(100, 64),
        torch.nn.TransformerEncoder(layer, 3, enable_nested_tensor=False),
        torch.nn.Linear(64, 100),
    )
    optimizer = torch.optim.AdamW(model.parameters())
    tokens = torch.randint(0, 100, (8, 32))
    paths = {id(module): path for path, module in model.named_modules()}
    call, record = torch.nn.Module.__call__, torch.profiler.record_function

    def named(self, *args, **kwargs):
        with record(f"{MARK}{paths.get(id(self), '?')}|{type(self).__name__}|train.py:1"):
            return call(self, *args, **kwargs)

    monkeypatch.setattr(torch.nn.Module, "__call__", named)

    def step():
        optimizer.zero_grad()
        model(tokens).float().log_softmax(-1).mean().backward()
        optimizer.step()

    step()
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU], record_shapes=True) as profile:
        for number in range(3):
            with record(f"perfkit.step#{number}"):
                step()
    path = tmp_path / "trace.json"
    profile.export_chrome_trace(str(path))
    analysis = analyze_trace(path)
    operators = [row for row in analysis.hotspots if row.kind == "operator"]
    with_module = sum(row.seconds_per_step for row in operators if row.module)
    assert analysis.step_numbers == [0, 1, 2]
    assert with_module / sum(row.seconds_per_step for row in operators) > 0.8
    backward = [row for row in operators if row.name == "aten::mm"]
    assert {"1.layers.*.linear1", "1.layers.*.linear2", "2"} <= {row.module for row in backward}
    assert 0.8 < sum(row.share for row in analysis.hotspots) < 1.01


def test_compiled_graphs_are_numbered_as_they_appear():
    names = ["aten::mm", "## Call CompiledFxGraph f6ab12 ##", "## Call CompiledFxGraph c0ffee ##", "aten::mm"]
    assert graph_names(names) == {
        "## Call CompiledFxGraph f6ab12 ##": "compiled graph 0 (CompiledFxGraph)",
        "## Call CompiledFxGraph c0ffee ##": "compiled graph 1 (CompiledFxGraph)",
    }
