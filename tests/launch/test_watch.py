"""The samplers as a process of their own, and recordings begun in code."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from perfkit.launch import rundir
from perfkit.model.records import RunInfo
from perfkit.runs.reader import Run, write_info

WATCH = [sys.executable, "-m", "perfkit.launch.watch"]


@pytest.fixture
def run(tmp_path):
    path = rundir.make(tmp_path / "results", "x")
    now = datetime.now(UTC).isoformat()
    write_info(path, RunInfo(schema_version=1, id=path.name, command=[], script="", status="running", created_utc=now))
    return Run(path)


@pytest.fixture
def target():
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(30)"])
    yield process
    process.kill()
    process.wait()


def watcher(run, pid):
    return subprocess.Popen([*WATCH, "--pid", str(pid), "--run", str(run.path), "--no-stacks"])


def test_it_ends_when_told_by_a_file_and_leaves_its_collectors(run, target, wait_for):
    process = watcher(run, target.pid)
    wait_for((run.path / "control/watching").exists)
    time.sleep(0.4)
    (run.path / "control/stop").touch()
    assert process.wait(10) == 0
    info = Run(run.path).info
    assert {c.name: c.state for c in info.collectors}["host"] == "on"
    assert info.status == "running"
    assert run.jsonl("host.jsonl")
    assert list((run.path / "control").iterdir()) == []


def test_it_ends_on_sigterm(run, target, wait_for):
    process = watcher(run, target.pid)
    wait_for((run.path / "control/watching").exists)
    process.send_signal(signal.SIGTERM)
    assert process.wait(10) == 0
    assert Run(run.path).info.collectors


def test_it_ends_with_the_process_and_says_that_it_was_killed(run, target, wait_for):
    process = watcher(run, target.pid)
    wait_for((run.path / "control/watching").exists)
    target.kill()
    target.wait()
    assert process.wait(10) == 0
    assert Run(run.path).info.status == "killed"


def test_a_process_that_does_not_exist_is_one_line(run):
    done = subprocess.run([*WATCH, "--pid", "999999999", "--run", str(run.path)], capture_output=True, text=True)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)


def in_code(tmp_path, source, **more):
    script = tmp_path / "in_code.py"
    script.write_text(textwrap.dedent(source))
    return subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, cwd=tmp_path, timeout=60, check=False, **more
    )


def test_a_block_in_code_is_a_run_of_its_own(tmp_path):
    source = """
        import perfkit, time
        with perfkit.profile(results_dir="kept", stacks=False) as run:
            time.sleep(0.5)
        print(run.path)
    """
    done = in_code(tmp_path, source)
    assert done.returncode == 0, done.stderr
    recorded = Run(Path(done.stdout.strip()))
    assert recorded.info.status == "finished"
    assert recorded.jsonl("host.jsonl")[0]["n"] == 1  # the watcher itself is not counted
    assert recorded.path.parent == tmp_path / "kept/runs"


def test_a_block_that_raises_is_a_failed_run_and_raises(tmp_path):
    source = """
        import perfkit
        with perfkit.profile(results_dir="kept", stacks=False):
            raise KeyError("mine")
    """
    done = in_code(tmp_path, source)
    assert "KeyError: 'mine'" in done.stderr
    (run,) = (tmp_path / "kept/runs").iterdir()
    assert Run(run).info.status == "failed"


def test_a_block_that_cannot_be_recorded_runs_with_a_warning(tmp_path):
    (tmp_path / "kept").write_text("a file")
    source = """
        import perfkit
        with perfkit.profile(results_dir="kept") as run:
            print("ran", run.path)
    """
    done = in_code(tmp_path, source)
    assert (done.returncode, done.stdout) == (0, "ran None\n")
    assert "cannot record" in done.stderr


def test_no_watcher_is_left_when_the_program_is_killed(tmp_path, wait_for):
    script = tmp_path / "killed.py"
    script.write_text(
        "import perfkit, time\nwith perfkit.profile(results_dir='kept', stacks=False):\n    time.sleep(30)\n"
    )
    process = subprocess.Popen([sys.executable, str(script)], cwd=tmp_path)
    (ready,) = wait_for(lambda: list(tmp_path.glob("kept/runs/*/control/watching")))
    watching = int(ready.read_text())
    process.kill()
    process.wait()
    wait_for(lambda: not os.path.exists(f"/proc/{watching}"))
    (run,) = (tmp_path / "kept/runs").iterdir()
    assert Run(run).info.status == "killed"
