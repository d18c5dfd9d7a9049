import gzip
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from perfkit.errors import TraceError
from perfkit.runs.bundle import pack
from perfkit.runs.reader import Run
from perfkit.runs.store import Store
from perfkit.trace.importer import import_trace

DATA = Path(__file__).parent.parent / "data" / "traces"
BERT = DATA / "bert_inf_fp32_b1.json.gz"


def perfkit(*arguments):
    code = "import sys; from perfkit.cli.main import main; main(sys.argv[1:])"
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


def test_a_run_of_a_trace_is_one_like_any_other(tmp_path):
    made = import_trace(BERT, tmp_path, step_time_s=0.009138)
    run = Run(made.path)
    assert Store(tmp_path).latest() == made.path
    assert run.info.status == "finished"
    assert run.info.exit_code is None
    assert run.info.origin["kind"] == "import"
    assert run.info.origin["file"] == BERT.name
    assert run.info.origin["step_time_s"] == 0.009138
    assert run.info.devices[0].name == "NVIDIA H100 80GB HBM3"
    assert run.info.devices[0].kind == "cuda"
    assert {c.name: c.state for c in run.info.collectors}["trace"] == "on"
    assert all(c.reason for c in run.info.collectors)
    (copy,) = run.ranks[0].traces
    assert copy.read_bytes() == BERT.read_bytes()


def test_the_copy_stays_when_the_original_changes(tmp_path):
    original = tmp_path / "mine.json"
    original.write_bytes(gzip.decompress(BERT.read_bytes()))
    made = import_trace(original, tmp_path / "results")
    original.write_text("gone")
    (copy,) = Run(made.path).ranks[0].traces
    assert copy.name == "trace-000.json"
    assert copy.stat().st_size > 1_000_000


def test_only_devices_that_worked_are_the_runs(tmp_path, kineto, event):
    head = '{"deviceProperties": [{"id": 0, "name": "A"}, {"id": 1, "name": "B"}], "traceEvents": [\n  '
    worked = event("gemm", cat="kernel", args='"device": 1, "stream": 7, "correlation": 3')
    used = import_trace(kineto(event(), worked, head=head), tmp_path / "results")
    assert [device.name for device in Run(used.path).info.devices] == ["B"]
    idle = import_trace(kineto(event(), head=head), tmp_path / "results")
    assert [device.name for device in Run(idle.path).info.devices] == ["A", "B"]


def test_a_bundle_is_taken_up_by_the_same_command(tmp_path):
    made = import_trace(BERT, tmp_path / "here")
    bundle = pack(made.path, tmp_path / "run.perfkit.zip")
    done = perfkit("import", bundle, "--results-dir", tmp_path / "there")
    assert done.returncode == 0, done.stderr
    assert Store(tmp_path / "there").latest().name == made.path.name
    refused = perfkit("import", bundle, "--step-time", "3ms", "--results-dir", tmp_path / "other")
    assert refused.returncode == 2


def test_the_rank_of_a_distributed_trace_names_the_folder(tmp_path, kineto, event):
    made = import_trace(kineto(event()), tmp_path / "results")
    assert [rank.rank for rank in Run(made.path).ranks] == [3]


def test_a_file_that_is_no_trace_leaves_nothing_behind(tmp_path):
    path = tmp_path / "notes.txt"
    path.write_text("hello")
    with pytest.raises(TraceError, match="not JSON"):
        import_trace(path, tmp_path / "results")
    assert not (tmp_path / "results").exists()


def test_a_results_folder_that_cannot_be_is_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    done = perfkit("import", BERT, "--results-dir", tmp_path / "file" / "below")
    assert done.returncode == 1
    assert len(done.stderr.strip().splitlines()) == 1
    assert "cannot be written" in done.stderr


@pytest.mark.slow
def test_the_command_makes_a_run_that_report_shows(tmp_path):
    done = perfkit("import", BERT, "--step-time", "9.138ms", "--results-dir", tmp_path)
    assert done.returncode == 0, done.stderr
    assert Path(done.stdout.strip()).parent == tmp_path / "runs"
    assert "next: perfkit report" in done.stderr
    document = json.loads(perfkit("report", "--results-dir", tmp_path, "--json", "-", "-q").stdout)
    busy = sum(row["share"] for row in document["device_breakdown"] if row["kind"] == "busy")
    assert busy == pytest.approx(0.31, abs=0.02)
    assert document["hotspots"][0]["name"] == "aten::addmm"


@pytest.mark.parametrize("text", ["0", "-3ms", "soon", "1e400s", "3 hours", ""])
def test_a_step_time_that_is_none_is_a_usage_error(tmp_path, text):
    done = perfkit("import", BERT, f"--step-time={text}", "--results-dir", tmp_path)
    assert done.returncode == 2
    assert "--step-time" in done.stderr
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(("text", "seconds"), [("31.6ms", 0.0316), ("0.5", 0.5), ("2 s", 2.0), ("250us", 0.00025)])
def test_step_times_take_the_usual_units(text, seconds):
    from perfkit.cli.import_ import step_seconds

    assert step_seconds(text) == pytest.approx(seconds)


def test_a_hostile_header_ends_up_in_no_path(tmp_path, kineto, event):
    head = '{"distributedInfo": {"rank": "../../../etc"}, "deviceProperties": [7, {"name": null}], "traceEvents": [\n  '
    made = import_trace(kineto(event(), head=head, name="..%2f..$(x).json"), tmp_path / "results")
    assert made.path.parent == tmp_path / "results" / "runs"
    assert set(os.listdir(made.path)) == {"rank-00000", "run.json"}
