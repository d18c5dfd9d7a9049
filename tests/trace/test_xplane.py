"""XPlane traces: one that TensorFlow recorded on a CPU, and planes of a GPU and a TPU as the format has them (no such device works here)."""

import gzip
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from perfkit.analyze.trace_view import analyze_trace
from perfkit.errors import TraceError
from perfkit.runs.reader import Run
from perfkit.trace import formats, xplane
from perfkit.trace.importer import import_trace

RECORDED = Path(__file__).parents[1] / "data" / "traces" / "tf_conv_4steps.xplane.pb.gz"


def number(value):
    """A varint."""
    value &= (1 << 64) - 1
    parts = []
    while value > 0x7F:
        parts.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*parts, value])


def message(*fields):
    """Fields (number, int, text or bytes) as protobuf writes them."""
    made = b""
    for key, value in fields:
        if isinstance(value, int):
            made += number(key << 3) + number(value)
        else:
            data = value.encode() if isinstance(value, str) else value
            made += number(key << 3 | 2) + number(len(data)) + data
    return made


class Plane:
    """Builds a plane."""

    def __init__(self, name):
        self.name, self.lines, self.names, self.stats = name, [], {}, {}

    def _id(self, table, name):
        return table.setdefault(name, len(table) + 1)

    def event(self, name, start_ns, dur_ns, **stats):
        packed = [
            (4, message((1, self._id(self.stats, key)), (4 if isinstance(value, int) else 5, value)))
            for key, value in stats.items()
        ]
        return message((1, self._id(self.names, name)), (2, start_ns * 1000), (3, dur_ns * 1000), *packed)

    def line(self, name, *events, number=1, start_ns=0):
        self.lines.append(message((1, number), (2, name), (3, start_ns), *((4, event) for event in events)))

    def bytes(self):
        names = [(4, message((1, key), (2, message((1, key), (2, name))))) for name, key in self.names.items()]
        stats = [(5, message((1, key), (2, message((1, key), (2, name))))) for name, key in self.stats.items()]
        return message((2, self.name), *((3, line) for line in self.lines), *names, *stats)


@pytest.fixture
def written(tmp_path):
    def write(*planes, name="vm.xplane.pb", cut=None):
        path = tmp_path / name
        path.write_bytes(message(*((1, plane.bytes()) for plane in planes))[:cut])
        return path

    return write


def rows(trace):
    return trace.events.frame().to_dicts()


def test_a_recorded_trace_has_its_operators_steps_and_input(tmp_path):
    trace = formats.read(RECORDED)
    found = trace.events.frame()
    assert trace.problems == []
    assert not trace.truncated
    count = {
        name: found.filter(found["name"] == name).height for name in ("_MklNativeFusedConv2D", "ApplyGradientDescent")
    }
    assert count["_MklNativeFusedConv2D"] == 4  # once in each of the four steps
    assert {"cpu_op", "tf_data", "tf_runtime", "user_annotation"} == set(found["category"].cast(str).unique())
    steps = found.filter(found["category"] == "user_annotation")["name"].cast(str).to_list()
    assert sorted(steps) == [f"ProfilerStep#{step}" for step in (5, 6, 7, 8)]
    assert trace.base_time_ns > 1_700_000_000 * 10**9


def test_the_views_work_on_it():
    seen = analyze_trace(RECORDED)
    assert (seen.steps, seen.step_numbers) == (4, [5, 6, 7, 8])
    assert seen.profiled_step_s == pytest.approx(0.00203, rel=0.05)
    names = [row.name for row in seen.hotspots]
    assert {"_MklNativeConv2DBackpropFilterWithBias", "_MklNativeFusedConv2D"} < set(names)
    assert not any("unknown" in note for note in seen.notes)


@pytest.mark.slow
def test_every_event_is_as_tensorflows_own_classes_read_it(tmp_path):
    pytest.importorskip("tensorflow")
    plain = tmp_path / "vm.xplane.pb"
    plain.write_bytes(gzip.decompress(RECORDED.read_bytes()))
    script = """
import sys
from tensorflow.tsl.profiler.protobuf import xplane_pb2
space = xplane_pb2.XSpace()
space.ParseFromString(open(sys.argv[1], "rb").read())
for plane in space.planes:
    for line in plane.lines:
        for event in line.events:
            if event.duration_ps > 0:
                name = plane.event_metadata[event.metadata_id].name
                print(line.timestamp_ns + event.offset_ps // 1000, max(1, event.duration_ps // 1000), line.id, name, sep="\\t")
"""
    done = subprocess.run(
        [sys.executable, "-c", script, str(plain)], capture_output=True, text=True, check=True, timeout=280
    )
    theirs = sorted(
        tuple(map(int, line.split("\t")[:3]))
        for line in done.stdout.splitlines()
        if not line.split("\t")[3].startswith(xplane._MARKS)
    )
    events = formats.read(plain).events
    ours = sorted(zip(events.ts_ns.tolist(), events.dur_ns.tolist(), events.tid.tolist(), strict=True))
    assert len(ours) > 500
    assert ours == theirs


def test_a_gpus_streams_hold_kernels_and_copies_joined_with_their_launches(written):
    host, gpu = Plane("/host:CPU"), Plane("/device:GPU:1")
    host.line("python", host.event("cuLaunchKernel", 100, 5, correlation_id=7), number=33, start_ns=1_000)
    gpu.line(
        "Stream #20(Compute)", gpu.event("ampere_sgemm_128x64_nn", 130, 40, correlation_id=7, tf_op="dense/MatMul:MatMul"),
        gpu.event("MemcpyH2D", 10, 3, correlation_id=6, memcpy_details="kind_src:pageable size:4096 dest:1 async:1"), number=9,
        start_ns=1_000,
    )  # fmt: skip
    gpu.line("XLA Ops", gpu.event("fusion", 130, 40))
    trace = formats.read(written(host, gpu))
    by_name = {row["name"]: row for row in rows(trace)}
    assert by_name.keys() == {
        "cuLaunchKernel",
        "ampere_sgemm_128x64_nn",
        "MemcpyH2D",
    }  # what is derived is not counted twice
    kernel, copy, launch = (by_name[name] for name in ("ampere_sgemm_128x64_nn", "MemcpyH2D", "cuLaunchKernel"))
    assert (kernel["category"], kernel["device"], kernel["stream"], kernel["ts_ns"], kernel["dur_ns"]) == (
        "kernel",
        1,
        20,
        1_130,
        40,
    )
    assert kernel["correlation"] == launch["correlation"] == 7
    assert (copy["category"], copy["bytes"]) == ("gpu_memcpy", 4096)
    assert (launch["category"], launch["device"], launch["tid"]) == ("cuda_driver", -1, 33)


def test_a_tpu_has_no_streams_but_its_operations(written):
    tpu = Plane("/device:TPU:0")
    tpu.line("XLA Ops", tpu.event("fusion.3", 5, 10))
    tpu.line("XLA Modules", tpu.event("jit_step", 0, 20))
    assert [(row["name"], row["category"], row["device"]) for row in rows(formats.read(written(tpu)))] == [
        ("fusion.3", "kernel", 0)
    ]


def test_compiled_instructions_are_called_without_their_number_and_marks_are_left_out(written):
    host = Plane("/host:CPU")
    host.line(
        "tf_XLAEigen/1", host.event("dot.12", 0, 5, hlo_op="dot.12", hlo_module="step"), host.event("end: dot.12", 5, 1),
        host.event("ThreadpoolListener::Record", 6, 1), host.event("idle", 7, 0),
    )  # fmt: skip
    assert [row["name"] for row in rows(formats.read(written(host)))] == ["dot"]


def test_steps_of_perfkits_own_window_keep_their_name(written):
    host = Plane("/host:CPU")
    host.line("python", host.event("perfkit.step", 0, 50, step_num=12), host.event("predict", 60, 5, step_num=13))
    assert [row["name"] for row in rows(formats.read(written(host)))] == ["perfkit.step#12", "ProfilerStep#13"]


def test_a_file_that_ends_in_the_middle_gives_what_is_whole(written):
    planes = []
    for index in range(2):
        plane = Plane(f"/device:GPU:{index}")
        plane.line("Stream #7", *(plane.event("gemm", 10 * i, 5) for i in range(50)))
        planes.append(plane)
    whole = written(*planes)
    size = whole.stat().st_size
    assert len(formats.read(whole).events) == 100
    torn = formats.read(written(*planes, cut=size - 10))
    assert len(torn.events) == 50
    assert torn.truncated
    assert "what is before that was read" in torn.problems[0]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "empty"),
        (b"\x0a\x05/host", "damaged"),
        (message((1, Plane("/host:CPU").bytes())), "no events"),
        (b"not a trace at all", "damaged"),
        (bytes(64), "damaged"),
    ],
)
def test_what_is_no_trace_is_refused_in_one_line(tmp_path, content, said):
    path = tmp_path / "x.xplane.pb"
    path.write_bytes(content)
    with pytest.raises(TraceError, match=said) as raised:
        formats.read(path)
    assert "\n" not in str(raised.value)


def test_it_is_known_by_its_content_too(tmp_path):
    renamed = tmp_path / "trace"
    renamed.write_bytes(gzip.decompress(RECORDED.read_bytes()))
    assert formats.is_xplane(renamed)
    assert np.array_equal(formats.read(renamed).events.ts_ns, formats.read(RECORDED).events.ts_ns)


def test_a_run_is_made_of_it(tmp_path):
    made = import_trace(RECORDED, tmp_path)
    (trace,) = Run(made.path).ranks[0].traces
    assert trace.name == "trace-000.xplane.pb.gz"
    assert made.path.name.rpartition("-")[0].endswith("tf_conv_4steps")
