import gzip
import json
import math
import random
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest

from perfkit.trace.kineto import read

DATA = Path(__file__).parent.parent / "data" / "traces"
SHARED = Path(__file__).parents[3] / "shared" / "traces"


def names(trace):
    return [trace.events.names[code] for code in trace.events.name]


def test_reads_what_kineto_writes(kineto, event):
    launch = event("cudaLaunchKernel", cat="cuda_runtime", args='"External id": 7, "correlation": 42')
    kernel = event("gemm", cat="kernel", pid="0", tid="7", args='"device": 0, "stream": 7, "correlation": 42')
    operator = event(
        args='"External id": 7, "Sequence number": 3, "Fwd thread id": 1, "Input Dims": [[2, 3]], "Input type": ["float"]'
    )
    trace = read(kineto(operator, launch, kernel))
    events = trace.events
    assert names(trace) == ["aten::mm", "cudaLaunchKernel", "gemm"]
    assert events.correlation.tolist() == [-1, 42, 42]
    assert events.external_id.tolist() == [7, 7, -1]
    assert events.sequence.tolist() == [3, -1, -1]
    assert events.device.tolist() == [-1, -1, 0]
    assert events.shape_texts[events.shapes[0]] == "[[2, 3]]"
    assert events.dtype_texts[events.dtypes[0]] == '["float"]'
    assert events.shapes[1] == -1
    assert trace.problems == []
    assert not trace.truncated


def test_takes_the_traces_description_from_before_and_after_the_events(kineto, event):
    trace = read(kineto(event(), tail='\n ], "with_stack": 1, "traceName": "x"}'))
    assert trace.base_time_ns == 1790857026000000000
    assert trace.devices[0]["name"] == "NVIDIA H100 80GB HBM3"
    assert trace.distributed["rank"] == 3
    assert trace.options == {"record_shapes": 1, "with_stack": 1}
    assert trace.schema_version == 1


@pytest.mark.parametrize(
    ("text", "nanoseconds"),
    [
        ("4484994528765.130", 4484994528765130),  # float64 is 0.98 ns apart here: multiplying it would be off by one
        ("4484994528765.133", 4484994528765133),
        ("1682725898236567.123", 1682725898236567123),  # since 1970: 0.25 µs apart
        ("1682725898236567", 1682725898236567000),
        ("0.001", 1),
        ("1.5e3", 1500000),
    ],
)
def test_times_are_exact_to_the_nanosecond(kineto, event, text, nanoseconds):
    assert read(kineto(event(ts=text), event(ts=text))).events.ts_ns.tolist() == [nanoseconds] * 2


@pytest.mark.parametrize("name", ["bert_inf_fp32_b1.json.gz", "mlp_small_2steps.json.gz"])
def test_a_recorded_trace_gives_every_value_that_the_json_module_finds(name):
    every = json.loads(gzip.decompress((DATA / name).read_bytes()), parse_float=Decimal)["traceEvents"]
    wanted = [one for one in every if one["ph"] == "X" and one["name"] != "PyTorch Profiler (0)"]
    trace = read(DATA / name)
    events = trace.events
    kept = [i for i, text in enumerate(names(trace)) if text != "PyTorch Profiler (0)"]
    assert trace.objects == len(every)
    every_name = names(trace)
    assert [every_name[i] for i in kept] == [one["name"] for one in wanted]
    for key, found in (("ts", events.ts_ns), ("dur", events.dur_ns)):
        assert found[kept].tolist() == [int(one[key] * 1000) for one in wanted]
    for key, found in (
        ("External id", events.external_id),
        ("correlation", events.correlation),
        ("Sequence number", events.sequence),
        ("Fwd thread id", events.forward_thread),
        ("device", events.device),
        ("stream", events.stream),
        ("registers per thread", events.registers),
        ("shared memory", events.shared_bytes),
        ("Python id", events.python_id),
        ("Python parent id", events.python_parent),
    ):
        assert found[kept].tolist() == [_or_none(one.get("args", {}).get(key)) for one in wanted], key
    for key, found in (("grid", events.blocks), ("block", events.threads)):
        sizes = [one.get("args", {}).get(key) for one in wanted]
        assert found[kept].tolist() == [math.prod(size) if size else -1 for size in sizes], key


def _or_none(value):
    return -1 if value is None else value


def test_the_frame_has_the_columns_of_the_schema():
    from perfkit.model.tables import EVENTS

    frame = read(DATA / "mlp_small_2steps.json.gz").events.frame()
    assert frame.columns == [column.name for column in EVENTS.columns]
    assert [str(dtype).split("(")[0] for dtype in frame.dtypes] == [column.dtype for column in EVENTS.columns]
    assert frame["shapes"].null_count() > 0
    assert frame.filter(frame["category"] == "kernel")["stream"].min() >= 0


@pytest.mark.parametrize("dump", [{}, {"indent": 1}, {"separators": (",", ":")}, {"sort_keys": True}, {"indent": 2}])
def test_reads_traces_that_another_program_wrote_again(tmp_path, dump):
    original = read(DATA / "bert_inf_fp32_b1.json.gz")
    path = tmp_path / "again.json"
    path.write_text(json.dumps(json.loads(gzip.decompress((DATA / "bert_inf_fp32_b1.json.gz").read_bytes())), **dump))
    trace = read(path)
    assert trace.problems == []
    assert trace.events.ts_ns.tolist() == original.events.ts_ns.tolist()
    assert names(trace) == names(original)
    assert trace.base_time_ns == original.base_time_ns
    assert trace.devices == original.devices


def test_reads_a_bare_list_of_events(tmp_path):
    path = tmp_path / "list.json"
    path.write_text(json.dumps([{"ph": "X", "cat": "cpu_op", "name": "a", "ts": 1, "dur": 2, "pid": 1, "tid": 1}] * 3))
    assert names(read(path)) == ["a", "a", "a"]


def test_objects_inside_an_event_do_not_end_it(kineto, event):
    nested = '"External id": 7, "list": [{"a": 1}, {"b": "}, {"}],\n  "deep": [{"x": {"y": 1\n  }\n  },\n  {"z": 2}]'
    trace = read(kineto(event("first", args=nested), event("second", args=nested), event("third")))
    assert names(trace) == ["first", "second", "third"]
    assert trace.problems == []


def test_python_strings_in_place_of_numbers_are_understood(kineto, event):
    odd = event("odd", ts='"1682725898236567.123"', dur='"3.5"', pid='"10"', tid='"worker"', args='"External id": "9"')
    trace = read(kineto(event("good"), odd, event("good")))
    assert names(trace) == ["good", "odd", "good"]
    assert trace.events.ts_ns[1] == 1682725898236567123
    assert trace.events.dur_ns[1] == 3500
    assert trace.events.external_id[1] == 9
    assert trace.events.pid[1] == 10
    assert trace.events.tid[1] < -1


@pytest.mark.parametrize(
    "args",
    [
        '"External id": 7, "value": NaN',
        '"External id": 7, "value": [1, -Infinity, inf]',
        '"External id": 7,',
        '"External id": 7, "list": [1, 2,]',
        '"External id": 7, "text": "tab\there"',
        '"External id": 7, "text": "path\\qx"',
        '"External id": 7, "text": "\\ud800"',
        '"External id": 7, "text": "caf\udce9"',
        '"External id": 7, "device": 1e999',
        '"External id": 7, "stream": "seven"',
        '"External id": 7, "correlation": 123456789012345678901234567890',
        '"External id": 7, "Input Dims": null',
        '"External id": 7, "deep": ' + "[" * 100_000 + "]" * 100_000,
    ],
    ids=lambda args: args[18:48],
)
def test_one_odd_event_costs_no_other_and_is_read_where_it_can_be(kineto, event, args):
    good = [event(f"good{number}") for number in range(50)]
    trace = read(kineto(*good, event("odd", args=args), *good))
    found = names(trace)
    assert [name for name in found if name != "odd"] == [f"good{number}" for number in range(50)] * 2
    if "odd" in found:
        assert trace.events.external_id[found.index("odd")] == 7
    else:
        assert trace.problems == ["1 damaged events were left out"]


def test_an_unclosed_string_costs_the_event_it_is_in(kineto, event):
    broken = event("broken").replace('"External id"', '"External id')
    trace = read(kineto(event("one"), broken, event("two"), event("three")))
    assert names(trace) == ["one", "two", "three"]
    assert trace.problems == ["1 damaged events were left out"]


def test_events_without_a_usable_time_are_left_out_and_counted(kineto, event):
    trace = read(kineto(event("good"), event("late", ts="1e300"), event("never", ts="null"), event("back", dur="-5")))
    assert names(trace) == ["good"]
    assert trace.problems == ["3 events without a usable time were left out"]


def test_a_truncated_file_gives_what_it_holds_and_says_so(tmp_path):
    whole = gzip.decompress((DATA / "bert_inf_fp32_b1.json.gz").read_bytes())
    path = tmp_path / "cut.json"
    path.write_bytes(whole[: len(whole) // 2])
    trace = read(path)
    assert trace.truncated
    assert trace.problems == ["the file ends in the middle: the events after that are missing"]
    assert 1000 < len(trace.events) < len(read(DATA / "bert_inf_fp32_b1.json.gz").events)
    assert trace.devices[0]["name"] == "NVIDIA H100 80GB HBM3"


def test_a_truncated_archive_gives_what_it_holds_and_says_so(tmp_path):
    whole = (DATA / "bert_inf_fp32_b1.json.gz").read_bytes()
    path = tmp_path / "cut.json.gz"
    path.write_bytes(whole[: len(whole) // 2])
    trace = read(path)
    assert trace.truncated
    assert trace.problems == ["the compressed file ends in the middle"]
    assert len(trace.events) > 1000


def test_no_cut_anywhere_gives_anything_but_events_or_one_line(tmp_path, kineto, event):
    text = kineto(event("one"), event("two"), event("three")).read_bytes()
    path = tmp_path / "cut.json"
    for length in range(1, len(text)):
        path.write_bytes(text[:length])
        problem = _problem(path)
        assert problem is None or "\n" not in problem


@pytest.mark.parametrize("seed", range(20))
def test_random_damage_never_gives_anything_but_events_or_one_line(tmp_path, seed):
    random.seed(seed)
    whole = bytearray(gzip.decompress((DATA / "bert_inf_fp32_b1.json.gz").read_bytes())[:400_000])
    for _ in range(random.choice((1, 10, 100))):
        at = random.randrange(len(whole))
        if random.random() < 0.5:
            whole[at] = random.randrange(256)
        else:
            del whole[at : at + random.randrange(1, 2000)]
    path = tmp_path / "damaged.json"
    path.write_bytes(bytes(whole))
    trace = read(path)
    assert len(trace.events) > 100
    assert trace.truncated


def _problem(path):
    from perfkit.errors import TraceError

    try:
        read(path)
    except TraceError as error:
        return str(error)
    return None


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "the file is empty"),
        (b" \n ", "the file is empty"),
        (gzip.compress(b"", mtime=0), "the file is empty"),
        (b"hello", "not JSON"),
        (b"{}", "holds no traceEvents"),
        (b'{"a": {"b": 1}}', "holds no traceEvents"),
        (b"[1, 2, 3]", "before its first complete event"),
        (b'"traceEvents"', "not JSON"),
        (b'{"traceEvents": []}', "holds no event with a duration"),
        (b'{"traceEvents": 5}', "holds no traceEvents"),
        (b'{"traceEvents": [{"ph": "X", "ts": 1', "ends before its first complete event"),
        (b'{"traceEvents": [{"ph": "X", "ts": x}]}', "none of its 1 events can be read"),
        (b"[" * 1_000_000, "ends before"),
        (gzip.compress(b'{"traceEvents": [', mtime=0)[:-9], "compressed file ends in the middle"),
        (gzip.compress(b"x", mtime=0)[:10] + b"\xff" * 99, "cannot be read further"),
        (b"PK\x03\x04 and so on", "a zip archive"),
        (b"\x28\xb5\x2f\xfd and so on", "zstd"),
        (b"SQLite format 3\0", "SQLite"),
        (bytes(range(256)) * 1000, "not JSON"),
    ],
    ids=lambda value: repr(value)[:30] if isinstance(value, bytes) else None,
)
def test_what_is_no_trace_is_said_in_one_line(tmp_path, content, said):
    path = tmp_path / "file.json"
    path.write_bytes(content)
    problem = _problem(path)
    assert problem is not None
    assert problem.startswith(str(path) + ": ")
    assert said in problem
    assert "\n" not in problem


def test_what_is_no_file_is_said_in_one_line(tmp_path):
    import os

    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path, tmp_path / "none.json", tmp_path / "pipe", Path("/dev/zero")):
        assert str(path) in _problem(path)


ENDLESS = {
    "a name without end": (b'{"traceEvents": [{"ph": "X", "name": "', b"a" * 1000),
    "quotes without end": (b'{"traceEvents": [{"ph": "X", "name": "', b'\\"' * 500),
    "brackets without end": (b'{"traceEvents": [', b'{"a":' * 200),
    "a header without end": (b'{"a": "', b"b" * 1000),
}


@pytest.mark.parametrize("kind", ENDLESS)
def test_an_endless_archive_stops_soon_and_in_bounded_memory(tmp_path, kind):
    start, body = ENDLESS[kind]
    path = tmp_path / "bomb.json.gz"
    with gzip.open(path, "wb", compresslevel=1) as sink:
        sink.write(start)
        for _ in range(100):
            sink.write(body * 1000)
    code = (
        "import re, sys\nfrom perfkit.trace.kineto import read\n"
        "try:\n    read(sys.argv[1])\nexcept Exception as error:\n    print(type(error).__name__, error)\n"
        # Not ru_maxrss, which a child inherits from the process that started it.
        "print(int(re.search(r'VmHWM:\\s+(\\d+)', open('/proc/self/status').read())[1]) // 1024)"
    )
    done = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True, timeout=60, check=True)
    problem, peak_mb = done.stdout.strip().splitlines()
    assert problem.startswith("TraceError")
    assert int(peak_mb) < 200


def test_a_file_of_nothing_but_damage_is_given_up(tmp_path):
    path = tmp_path / "damage.json"
    path.write_bytes(b'{"traceEvents": [' + b"},{" * 2_000_000)
    assert "more damaged than readable" in _problem(path)


def test_reading_stops_at_the_most_events_allowed(kineto, event):
    path = kineto(*(event(f"name{number}") for number in range(20_000)))
    trace = read(path, max_events=1000)
    assert 1000 <= len(trace.events) < 20_000
    assert trace.truncated
    assert "the file holds more" in trace.problems[0]


def test_older_words_for_a_category_are_the_present_ones(kineto, event):
    events = read(kineto(event(cat="Kernel"), event(cat="Operator"), event(cat="kernel"))).events
    assert [events.categories[code] for code in events.category] == ["kernel", "cpu_op", "kernel"]


@pytest.mark.skipif(not SHARED.is_dir(), reason="the traces of other people are not here")
@pytest.mark.parametrize(
    "name",
    ["a100_cupti_counters", "a100_nccl_rank0_of2", "a100_nccl_rank3_of8_oldformat", "cpu_only_rank", "mi250_rocm",
     "mtia_rank0", "sampled_rank0_of128", "sampled_rank1_of128", "triton", "v100_nccl_rank1_of2"],
)  # fmt: skip
def test_traces_of_other_people_are_read_whole(name):
    trace = read(SHARED / "others" / f"{name}.json.gz")
    assert trace.problems == []
    assert not trace.truncated
    assert len(trace.events) >= 8


def test_of_convolutions_alone_the_other_arguments_are_kept(tmp_path):
    path = tmp_path / "trace.json"
    given = {"Input Dims": [[1, 3, 8, 8], [4, 3, 3, 3]], "Concrete Inputs": ["", "", "[1, 1]"]}
    rows = [("aten::conv2d", given), ("aten::mm", given), ("aten::conv2d", {})]
    path.write_text(
        json.dumps(
            {"traceEvents": [{"ph": "X", "cat": "cpu_op", "name": n, "ts": 1, "dur": 1, "args": a} for n, a in rows]}
        )
    )
    events = read(path).events
    texts = [events.constant_texts[code] if code >= 0 else None for code in events.constants]
    assert texts == ['["", "", "[1, 1]"]', None, None]
    assert events.frame()["constants"].to_list() == texts
