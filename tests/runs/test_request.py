"""Asking a job for a trace window: what is refused at once, and what comes of the rest."""

import json
import threading
import time

import pytest

from perfkit.errors import RunError, UsageError
from perfkit.runs.reader import Run
from perfkit.runs.request import trace_window

ID = "20260101T000000Z-train-aaa111"


@pytest.fixture
def live(tmp_path, make_run, own_pid):
    path = make_run(tmp_path, ID, status="running", pid=own_pid, exit_code=None)
    (path / "rank-00000").mkdir()
    return path


def note(path, **window):
    with (path / "rank-00000" / "facts.jsonl").open("a") as file:
        file.write(json.dumps({"fact": "window", **window}) + "\n")


def answer(path, **window):
    """A guest that answers once it finds the request."""

    def work():
        while not (path / "control" / "trace").exists():
            time.sleep(0.01)
        note(path, **window)

    thread = threading.Thread(target=work)
    thread.start()
    return thread


def test_the_windows_file_is_returned_and_the_request_is_gone(live):
    note(live, index=0, state="closed", file="trace-000.json")
    thread = answer(live, index=1, state="closed", file="trace-001.json")
    assert trace_window(Run(live), wait_s=10) == live / "rank-00000" / "trace-001.json"
    thread.join()
    assert not (live / "control" / "trace").exists()


def test_a_window_that_failed_says_why(live):
    thread = answer(live, index=0, state="failed", file=None, reason="RuntimeError: no")
    with pytest.raises(RunError, match="RuntimeError: no"):
        trace_window(Run(live), wait_s=10)
    thread.join()


def test_no_step_boundary_in_time_is_said_with_the_way_out(live):
    with pytest.raises(RunError, match="no step boundary within 0 s; wait longer with --wait"):
        trace_window(Run(live), wait_s=0.3)
    assert not (live / "control" / "trace").exists()


def test_a_job_that_bars_windows_is_not_asked(live):
    note(live, index=0, state="barred", reason="the script runs its own profiler")
    with pytest.raises(UsageError, match="its own profiler"):
        trace_window(Run(live))


def test_a_run_that_has_ended_is_not_asked(tmp_path, make_run):
    with pytest.raises(UsageError, match="has finished"):
        trace_window(Run(make_run(tmp_path, ID)))


def test_a_run_without_tracing_is_not_asked(tmp_path, make_run, own_pid):
    path = make_run(tmp_path, ID, status="running", pid=own_pid, options={"no_trace": True})
    with pytest.raises(UsageError, match="--no-trace"):
        trace_window(Run(path))
