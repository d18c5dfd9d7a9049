"""What became of a run whose run.json still says "running"."""

import subprocess
import sys
import time
from array import array

import pytest

from perfkit.model import marks
from perfkit.runs.reader import Run
from perfkit.runs.recorder import Recorder
from perfkit.runs.status import outcome

ID = "20260101T000000Z-train-aaa111"


@pytest.fixture
def dead_pid():
    """The number of a process that has ended."""
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    return child.pid


def record(path, *, end):
    recorder = Recorder(str(path))
    recorder.claim(0)
    recorder.close()
    words = array("q", (time.monotonic_ns(), marks.tag(marks.OPTIMIZER_EXIT), 0, 0))
    if end:
        words.extend((time.monotonic_ns(), marks.tag(marks.END), marks.END_EXIT, 0))
    with (path / "rank-00000" / "marks.bin").open("ab") as file:
        file.write(words.tobytes())


def test_a_run_whose_process_lives_is_running(tmp_path, make_run, own_pid):
    path = make_run(tmp_path, ID, status="running", pid=own_pid, started_realtime_ns=time.time_ns())
    assert outcome(Run(path)).running


def test_a_run_that_lost_its_supervisor_still_runs_and_says_so(tmp_path, make_run, own_pid, dead_pid):
    path = make_run(tmp_path, ID, status="running", pid=own_pid, supervisor_pid=dead_pid)
    found = outcome(Run(path))
    assert found.running and "the script goes on" in found.note


def test_a_run_without_any_process_was_killed(tmp_path, make_run, dead_pid):
    path = make_run(tmp_path, ID, status="running", pid=dead_pid, supervisor_pid=dead_pid)
    record(path, end=False)
    assert outcome(Run(path)).status == "killed"


def test_a_run_that_the_guest_saw_end_is_finished(tmp_path, make_run, dead_pid):
    path = make_run(tmp_path, ID, status="running", pid=dead_pid, supervisor_pid=dead_pid)
    record(path, end=True)
    found = outcome(Run(path))
    assert found.status == "finished" and "exit code is unknown" in found.note


def test_another_process_with_the_same_number_is_not_the_run(tmp_path, make_run, own_pid):
    long_ago = time.time_ns() - 10**9 * 86400 * 365
    path = make_run(tmp_path, ID, status="running", pid=own_pid, started_realtime_ns=long_ago)
    assert outcome(Run(path)).status == "killed"


def test_a_run_seen_on_another_host_is_as_it_was_last_seen(tmp_path, make_run, dead_pid):
    path = make_run(tmp_path, ID, status="running", pid=dead_pid, host={"hostname": "elsewhere.example"})
    found = outcome(Run(path))
    assert found.running and "elsewhere.example" in found.note


def test_an_ended_run_is_what_run_json_says(tmp_path, make_run):
    assert outcome(Run(make_run(tmp_path, ID, status="failed", exit_code=3))).status == "failed"
