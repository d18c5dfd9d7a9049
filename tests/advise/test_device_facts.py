"""Facts on devices and memory, from literal run directories, recorded traces and real runs."""

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from perfkit.advise.evidence import Evidence
from perfkit.hardware import measure
from perfkit.model.records import Device, RunInfo
from perfkit.runs.reader import Run, write_info
from perfkit.trace.importer import import_trace

DATA = Path(__file__).parent.parent / "data" / "traces"
GB = 1 << 30


@pytest.fixture
def bare(tmp_path):
    """``bare(endings=[…], host={…}, status="killed")``: evidence of a run that recorded no step."""

    def make(*, endings=(), host=None, devices=(), **fields):
        info = {
            "schema_version": 1,
            "id": "r",
            "command": ["t.py"],
            "script": "t.py",
            "created_utc": "2026-01-01T00:00:00+00:00",
        }
        write_info(
            tmp_path, RunInfo(**{**info, "status": "failed", "host": host or {}, "devices": list(devices), **fields})
        )
        lines = "".join(json.dumps(line) + "\n" for line in endings)
        if lines:
            (tmp_path / "endings.jsonl").write_text(lines)
        return Evidence(Run(tmp_path))

    return make


@pytest.fixture
def imported(tmp_path):
    return Evidence(Run(import_trace(DATA / "bert_inf_fp32_b1.json.gz", tmp_path, step_time_s=0.009138).path))


# --- running out of memory


def test_an_exception_about_device_memory_is_running_out_of_it(bare):
    gpu = Device(name="NVIDIA H100 80GB HBM3", kind="cuda", memory_bytes=80 * GB)
    found = bare(
        endings=[{"pid": 1, "exception": "torch.OutOfMemoryError", "memory": True}], devices=[gpu]
    ).out_of_memory
    assert (found["kind"], found["limit_bytes"]) == ("device", 80 * GB)
    assert found["evidence"] == "the script ended with torch.OutOfMemoryError"


def test_an_exception_about_the_hosts_memory_is_measured_by_the_tightest_limit(bare):
    host = {"memory_bytes": 64 * GB, "cgroup_memory_bytes": 4 * GB}
    found = bare(endings=[{"pid": 1, "exception": "MemoryError", "memory": True}], host=host).out_of_memory
    assert (found["kind"], found["limit_bytes"]) == ("host", 4 * GB)


def test_a_kill_counts_where_the_control_group_says_so(bare):
    found = bare(status="killed", exit_code=137, host={"oom_kills": 1, "memory_bytes": 8 * GB}).out_of_memory
    assert (found["kind"], found["exception"]) == ("host", None)


def test_any_other_end_is_not_for_want_of_memory(bare):
    evidence = bare(endings=[{"pid": 1, "exception": "ValueError", "memory": False}], status="killed")
    assert evidence.out_of_memory is None
    assert evidence.is_absent("out_of_memory")


# --- a recorded trace


def test_a_trace_has_its_launches_copies_waits_and_roofline(imported):
    facts = imported.launch_facts
    assert facts["kernels_per_step"] == 273
    assert facts["starved_share"] > 0.7
    assert sum(facts["gaps"].values()) == pytest.approx(0.009138 * (1 - imported.busy_share))
    assert imported.copies == []
    assert imported.syncs == []
    assert imported.roofline[0]["bound"] == "compute"
    assert imported.mfu["dtype"] == "fp32"
    assert 0.03 < imported.mfu["value"] < 0.045
    assert imported.device_spec["bandwidth"] == pytest.approx(3.352e12)
    assert {"module", "direction", "tensor_core", "flops_per_step", "bound"} <= set(imported.kernels[0])


def test_an_unknown_device_has_no_roofline_and_says_so(imported, monkeypatch):
    monkeypatch.setattr("perfkit.analyze.trace_view.match", lambda name: None)
    assert imported.mfu is None
    assert "not in the catalogue" in imported.why("mfu")
    assert imported.hotspots[0]["bound"] is None


# --- real runs

SCRIPT = """
import sys, torch
from torch import nn
torch.set_num_threads(1)
model = nn.Sequential(nn.Linear(64, 256), nn.ReLU(), nn.Linear(256, 8))
optimizer = torch.optim.Adam(model.parameters())
x, y = torch.randn(256, 64), torch.randint(0, 8, (256,))
kept, big = [], []
if "allocate" in sys.argv:
    import resource
    resource.setrlimit(resource.RLIMIT_AS, (6 << 30, 6 << 30))
for step in range(int(sys.argv[1])):
    loss = nn.functional.cross_entropy(model(x), y)
    loss.backward()
    optimizer.step()
    optimizer.zero_grad()
    if "leak" in sys.argv:
        kept.append(nn.functional.cross_entropy(model(x), y))
    if "allocate" in sys.argv:
        big.append(torch.ones(1 << 28))
"""


@pytest.fixture
def real(tmp_path):
    def run(*args, options=("--no-trace", "--no-stacks"), peaks=None):
        (tmp_path / "script.py").write_text(textwrap.dedent(SCRIPT))
        environ = {**os.environ, "OMP_NUM_THREADS": "1", "XDG_CACHE_HOME": str(tmp_path / "cache")}
        if peaks:
            file = (
                tmp_path
                / "cache"
                / "perfkit"
                / f"cpu-{measure.fingerprint(max(1, int(measure.detect.usable_cores())))}.json"
            )
            file.parent.mkdir(parents=True)
            file.write_text(json.dumps(peaks))
        command = [sys.executable, "-m", "perfkit", "profile", "--results-dir", "runs", *options, "script.py", *args]
        subprocess.run(command, cwd=tmp_path, env=environ, capture_output=True, timeout=240, check=False)
        (folder,) = (tmp_path / "runs" / "runs").iterdir()
        return Evidence(Run(folder))

    return run


@pytest.mark.slow
def test_a_script_that_keeps_its_losses_is_seen_to_grow(real):
    evidence = real("2500", "leak")
    assert evidence.memory_growth["grows"]
    # At least the hidden layer's activations of each kept loss: 256 times 256 floats, and its input to the ReLU.
    assert evidence.memory_growth["bytes_per_step"] > 256 * 256 * 4
    assert evidence.largest_batch is None
    assert evidence.memory["parameters_bytes"] == 4 * (64 * 256 + 256 + 256 * 8 + 8)
    assert evidence.memory["optimizer_bytes"] >= 2 * evidence.memory["parameters_bytes"]
    assert evidence.out_of_memory is None


@pytest.mark.slow
def test_a_script_that_keeps_nothing_is_not(real):
    evidence = real("3000")
    assert evidence.memory_growth is None or not evidence.memory_growth["grows"]


@pytest.mark.slow
def test_a_real_limit_that_is_hit_after_some_steps_is_running_out_of_memory(real):
    evidence = real("50", "allocate")
    assert evidence.info.exit_code == 1
    assert evidence.out_of_memory["kind"] == "host"
    assert evidence.out_of_memory["exception"] == "RuntimeError"
    assert evidence.out_of_memory["peak_bytes"] > GB


@pytest.mark.slow
def test_on_a_processor_whose_peaks_are_known_operators_have_bounds_and_the_step_its_mfu(real):
    peaks = {"fp32_flops": 1e12, "fp64_flops": 5e11, "stream_bytes_per_s": 1e11, "crowded": {"matrix": 1.2},
             "threads": 1, "measured": "2026-01-01"}  # fmt: skip
    evidence = real("600", options=("--no-stacks",), peaks=peaks)
    assert evidence.cpu_peaks == peaks
    # Three products for each layer but the first, whose input needs no gradient.
    by_hand = 2 * 256 * (2 * 64 * 256 + 3 * 256 * 8)
    assert evidence.mfu["flops_per_step"] == pytest.approx(by_hand, rel=1e-6)
    assert evidence.mfu["value"] == pytest.approx(by_hand / evidence.step_s / 1e12)
    assert any(row["bound"] for row in evidence.hotspots if row["name"] in ("aten::addmm", "aten::mm"))
    assert evidence.launch_facts is None
    assert evidence.is_absent("copies")
