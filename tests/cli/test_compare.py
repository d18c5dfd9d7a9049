"""`perfkit compare` as a person calls it: runs with runs, files with files."""

import gzip
import json
import shutil
from pathlib import Path

import pytest

from perfkit import api
from perfkit.cli.main import run
from perfkit.compare.document import compare
from perfkit.trace.importer import import_trace

TRACE = Path(__file__).parent.parent / "data" / "traces" / "mlp_small_2steps.json.gz"


@pytest.fixture
def imported(tmp_path):
    """``imported(0.010, name="a")``: the path of a run of the launch-bound trace whose plain step takes so long."""

    def make(step_s, name="a", file=TRACE):
        return import_trace(file, tmp_path / name, step_time_s=step_s).path

    return make


@pytest.fixture
def results(tmp_path):
    """``results("a", 1.0)``: a file of benchmark results as pytest --perfkit-json writes it."""

    def write(name, seconds):
        path = tmp_path / f"{name}.json"
        row = {"fullname": "t.py::test_it", "stats": {"median": seconds}, "perfkit": {"counts": {}}}
        more = {"schema_version": 1, "fingerprint": {"cpu": "A"}, "software": {}}
        path.write_text(json.dumps({
            "machine_info": {}, "commit_info": {"id": "c" * 40, "dirty": False}, "benchmarks": [row], "datetime": "2026-11-28T10:00:00+00:00",
            "version": "5", "perfkit": more,
        }))  # fmt: skip
        return str(path)

    return write


def test_a_slower_host_under_the_same_device_work(imported, capsys):
    """The trace of an H100 whose plain step took 10 ms, and as if its host had taken 15."""
    assert run(["compare", str(imported(0.015)), str(imported(0.010, "b")), "--json", "-"]) == 0
    out = capsys.readouterr()
    document = json.loads(out.out)
    assert document["headline"] == "2 is 1.50× as fast as 1: launches 13.8 → 8.84 ms (host), device time equal"
    (row,) = document["against"]
    assert row["unexplained"]["points"] <= 3
    assert sum(cause["difference_s"] for cause in document["causes"]) == pytest.approx(row["difference_s"])
    assert "why 2 differs from 1" in out.err


def stretched(factor, file):
    """The trace in *file* as a host would have recorded it that takes *factor* times as long for everything it does: each launch comes
    later, and what the device does takes as long as before, beginning when its launch allows it.
    """
    trace = json.loads(gzip.decompress(TRACE.read_bytes()))
    events = [event for event in trace["traceEvents"] if event.get("ph") == "X"]
    zero = min(event["ts"] for event in events)
    on_device = {"kernel", "gpu_memcpy", "gpu_memset", "gpu_user_annotation"}
    for event in trace["traceEvents"]:
        if "ts" in event:
            event["ts"] = zero + (event["ts"] - zero) * factor
        if event.get("ph") == "X" and event.get("cat") not in on_device:
            event["dur"] *= factor
    file.write_bytes(gzip.compress(json.dumps(trace).encode()))
    return file


def test_a_trace_of_a_slower_host_is_told_apart_from_slower_work(imported, tmp_path):
    slow = stretched(1.5, tmp_path / "slow.json.gz")
    runs = [api.load(imported(0.015, "slow", slow)), api.load(imported(0.010, "fast"))]
    document = api.compare_runs(runs)
    (row,) = document["against"]
    parts = {cause["part"]: cause for cause in document["causes"]}
    assert row["speedup"]["value"] == pytest.approx(1.5)
    assert row["headline"].endswith("(host), device time equal")
    assert parts["launch"]["where"] == "host"
    assert parts["launch"]["share"] == pytest.approx(1.0, abs=0.03)
    assert parts["matmul"]["difference_s"] == pytest.approx(0.0, abs=1e-6)
    assert row["unexplained"]["points"] <= 3


def test_a_run_and_its_copy_on_another_machine(imported, tmp_path, capsys):
    path = imported(0.010)
    shutil.copytree(path, tmp_path / "elsewhere" / path.name)
    assert run(["compare", str(path), str(tmp_path / "elsewhere" / path.name)]) == 0
    assert "no difference between 1 and 2 that these runs can show" in capsys.readouterr().out


def test_a_comparison_is_a_function_of_the_documents(imported):
    """Written down and read again they compare as the runs do."""
    runs = [api.load(imported(0.015)), api.load(imported(0.010, "b"))]
    from perfkit.report.document import encode

    documents = [json.loads(encode(api.compared_document(one))) for one in runs]
    assert json.loads(encode(compare(documents))) == json.loads(encode(api.compare_runs(runs)))


def test_files_of_results_are_compared_as_before(results, capsys):
    assert run(["compare", results("a", 1.0), results("b", 1.5)]) == 3
    assert "regressed" in capsys.readouterr().out
    assert run(["compare", results("a", 1.0), results("b", 1.0), "--inconclusive", "pass"]) == 0


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["RUN"], "two runs or more"),
        (["RUN", "FILE"], "is a file of results"),
        (["RUN", "RUN", "--bound", "2"], "--bound is for comparing files of results"),
        (["FILE", "FILE", "--price", "h100=2"], "--price is for comparing runs"),
        (["FILE", "FILE", "--group"], "--group is for comparing runs"),
        (["FILE", "FILE", "FILE"], "two files of results"),
        (["RUN", "RUN", "--price", "h100"], "is no price"),
        (["RUN", "RUN", "--group"], "one configuration"),
    ],
)
def test_what_cannot_be_meant_is_a_usage_error(imported, results, capsys, words, told):
    named = {"RUN": str(imported(0.010)), "FILE": results("a", 1.0)}
    assert run(["compare", *(named.get(word, word) for word in words)]) == 2
    assert told in capsys.readouterr().err


def test_a_run_that_is_not_there_is_said(tmp_path, capsys):
    assert run(["compare", "nothing", "either", "--results-dir", str(tmp_path)]) == 1
    assert "no run 'nothing'" in capsys.readouterr().err


def test_repeat_makes_runs_of_their_own_and_stops_at_one_that_fails(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "count.py").write_text(
        "import pathlib, sys\nseen = pathlib.Path('seen')\nn = int(seen.read_text()) + 1 if seen.exists() else 1\n"
        "seen.write_text(str(n))\nsys.exit(7 if n == 2 else 0)\n"
    )
    assert run(["profile", "--no-stacks", "--repeat", "3", "count.py"]) == 7
    assert (tmp_path / "seen").read_text() == "2"
    assert len(list((tmp_path / ".perfkit" / "runs").iterdir())) == 2
    assert "run 2 of 3" in capsys.readouterr().err
