"""Python stacks from outside, with the real py-spy."""

import json
import os
import shutil
import struct
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from perfkit.analyze import stacks
from perfkit.launch import pyspy
from perfkit.launch.stacks import SAMPLING, STEADY, StackSampler
from perfkit.launch.windows import last_trace, trace_is_open
from perfkit.model import marks
from perfkit.runs.reader import Run
from perfkit.runs.recorder import Recorder

pytestmark = pytest.mark.skipif(pyspy.find() is None, reason="py-spy is not installed")

BUSY_IN_ONE_LINE = """
    import time
    def decode():
        time.sleep(0.02)
    def load():
        decode()
    end = time.monotonic() + 2.5
    while time.monotonic() < end:
        load()
"""


def test_a_script_that_never_steps_is_sampled_to_its_end_and_its_hot_line_found(supervised):
    supervised.run(BUSY_IN_ONE_LINE, stacks=True)
    assert supervised.collector("stacks").state == "on"
    run = supervised.recorded
    hottest = stacks.hot_lines(run)[0]
    assert (hottest["function"], hottest["line"], hottest["window"]) == ("decode", 4, "startup")
    assert hottest["self_share"] > 0.8
    (interval,) = stacks.excluded(run)
    assert run.info.started_monotonic_ns < interval[0] < interval[1]


def test_sampling_delays_neither_the_end_nor_outlives_it(supervised):
    began = time.monotonic()
    supervised.run("import time; time.sleep(1)", stacks=True)
    assert time.monotonic() - began < 5
    mine = [p for p in Path("/proc").glob("[0-9]*/cmdline") if _holds(p, str(supervised.root))]
    assert mine == []


def _holds(path, text):
    try:
        return text.encode() in path.read_bytes()
    except OSError:
        return False


def test_a_command_without_any_python_says_so(supervised):
    supervised.run_words("command", "sleep", "2.5", stacks=True)
    found = supervised.collector("stacks")
    assert (found.state, "ython" in found.reason) == ("failed", True)


def test_a_python_below_a_shell_is_found(supervised):
    script = supervised.write(BUSY_IN_ONE_LINE)
    supervised.write(f"{sys.executable} {script}\ntrue", "go.sh")
    supervised.run_words("command", "sh", "go.sh", stacks=True)
    hottest = stacks.hot_lines(supervised.recorded)[0]
    assert (hottest["function"], hottest["role"]) == ("decode", "main")


def test_frames_of_a_forked_worker_are_its_own_and_not_its_parents(supervised):
    source = """
        import multiprocessing, time
        def work():
            time.sleep(2)
        if __name__ == "__main__":
            worker = multiprocessing.get_context("fork").Process(target=work)
            worker.start()
            worker.join()
    """
    supervised.run(source, stacks=True)
    lines = {line["line"]: line for line in stacks.hot_lines(supervised.recorded) if line["role"] == "worker"}
    assert set(lines) == {4}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_an_unprivileged_user_gets_stacks_too(supervised):
    python = shutil.which("python3", path="/usr/bin")
    said = subprocess.run([python, "-V"], capture_output=True, text=True).stdout if python else ""
    if not said.startswith(f"Python {sys.version_info[0]}.{sys.version_info[1]}."):
        pytest.skip("needs a system Python of this version that everybody may execute")
    os.chmod(supervised.folder, 0o777)
    for folder in supervised.folder.parents:
        if not folder.stat().st_mode & 0o001:
            folder.chmod(folder.stat().st_mode | 0o001)
    script = supervised.write(BUSY_IN_ONE_LINE)
    package_root = str(Path(pyspy.__file__).resolve().parents[2])
    site = [path for path in sys.path if path.endswith("site-packages")]
    environ = {
        "PYTHONPATH": os.pathsep.join([package_root, *site]),
        "PATH": f"{Path(pyspy.find()).parent}:/usr/bin:/bin",
        "PYTHONDONTWRITEBYTECODE": "1",
        "HOME": "/tmp",
    }
    argv = supervised.argv("script", str(script), stacks=True, python=python)
    nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    done = subprocess.run([*nobody, *argv], env=environ, cwd=supervised.folder, capture_output=True, text=True)
    if "can't open file" in done.stderr or "No module named" in done.stderr:
        pytest.skip(f"this checkout is not readable for others: {done.stderr.strip().splitlines()[-1]}")
    assert done.returncode == 0, done.stderr
    assert supervised.collector("stacks").state == "on"
    assert stacks.hot_lines(supervised.recorded)[0]["function"] == "decode"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can drop its capabilities")
def test_without_any_capability_a_script_of_our_own_can_still_be_read(supervised):
    script = supervised.write(BUSY_IN_ONE_LINE)
    bare = ["setpriv", "--bounding-set=-all", "--inh-caps=-all", "--clear-groups"]
    done = subprocess.run(
        [*bare, *supervised.argv("script", str(script), stacks=True)],
        cwd=supervised.folder,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert supervised.collector("stacks").state == "on"


def test_a_process_that_may_not_be_read_is_a_failed_collector_with_the_reason(tmp_path):
    if os.geteuid() != 0:
        pytest.skip("only root can make a process that others may not read")
    # A program without leave to read the other's memory, as in a container without SYS_PTRACE.
    spy = tmp_path / "py-spy"
    spy.write_text(
        f'#!/bin/sh\nexec setpriv --reuid=65534 --regid=65534 --clear-groups {shutil.copy(pyspy.find(), tmp_path / "real")} "$@"\n'
    )
    spy.chmod(0o755)
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(20)"])
    time.sleep(0.3)
    try:
        os.chmod(tmp_path, 0o777)
        found = pyspy.PySpy(str(spy), child.pid, rate_hz=25, duration_s=1).result(10)
    finally:
        child.kill()
        child.wait()
    assert found.failure is not None


def test_command_lines_are_cleaned_out_whatever_they_hold():
    raw = 'process 7:"python -c x;";thread (1): evil\nsecond";process 8:"python t.py --key hf_abcdefghijkl";thread (8): Main;f (a.py:1) 3\n'
    assert pyspy.clean(raw) == 'process 7;thread (1): evil\nsecond";process 8;thread (8): Main;f (a.py:1) 3\n'
    plain = 'process 7:"python a.py --password x";thread (7): MainThread;<module> (a.py:1);f (b.py:2) 5\n'
    assert pyspy.clean(plain) == "process 7;thread (7): MainThread;<module> (a.py:1);f (b.py:2) 5\n"


# -- when a window may open
# ----------------------------------------------------------------------------------------------


@pytest.fixture
def rank(tmp_path):
    recorder = Recorder(str(tmp_path))
    recorder.claim(0)
    return recorder


def window_note(time_ns, state="closed"):
    return json.dumps({"fact": "window", "t": time_ns, "state": state})


def mark(recorder, kind):
    with open(Path(recorder.folder) / "marks.bin", "ab") as file:
        file.write(struct.pack("4q", time.monotonic_ns(), marks.tag(kind), 0, 0))


def test_an_open_trace_window_is_known_by_its_marks(rank, tmp_path):
    assert not trace_is_open(tmp_path)
    for kind, is_open in (
        (marks.OPTIMIZER_EXIT, False),
        (marks.WINDOW_START_ENTER, True),
        (marks.WINDOW_START_EXIT, True),
        (marks.OPTIMIZER_EXIT, True),
        (marks.WINDOW_STOP_ENTER, True),
        (marks.WINDOW_STOP_EXIT, False),
        (marks.OPTIMIZER_EXIT, False),
    ):
        mark(rank, kind)
        assert trace_is_open(tmp_path) is is_open


def test_the_last_word_on_a_window_and_its_age(rank, tmp_path):
    assert last_trace(tmp_path) == (None, 0.0)
    rank.fact(window_note(time.monotonic_ns() - 3 * 10**9))
    state, age_s = last_trace(tmp_path)
    assert state == "closed"
    assert age_s == pytest.approx(3, abs=0.5)


def test_the_steady_window_waits_for_the_trace_window_and_gives_way_to_a_new_one(rank, tmp_path, monkeypatch):
    monkeypatch.setattr("perfkit.launch.stacks.SETTLE_S", 0.2)
    (tmp_path / "control").mkdir()
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(30)"])
    time.sleep(0.3)
    sampler = StackSampler(tmp_path, child.pid, traced=True)
    try:
        mark(rank, marks.WINDOW_START_EXIT)
        tick(sampler, 0.5)
        assert windows(tmp_path) == []
        mark(rank, marks.WINDOW_STOP_EXIT)
        rank.fact(window_note(time.monotonic_ns()))
        tick(sampler, 1.0)
        assert [w["name"] for w in windows(tmp_path)] == ["steady"]
        assert windows(tmp_path)[0]["end_ns"] is None
        assert (tmp_path / "control" / SAMPLING).exists()
        mark(rank, marks.WINDOW_START_EXIT)
        tick(sampler, 1.0)
        (closed,) = windows(tmp_path)
        assert closed["end_ns"] - closed["start_ns"] < 2e9
        assert not (tmp_path / "control" / SAMPLING).exists()
    finally:
        told = sampler.finish()
        child.kill()
        child.wait()
    assert told.state == "on"


def test_a_second_longer_window_comes_only_when_the_run_is_old_enough(rank, tmp_path, monkeypatch):
    first, second = STEADY
    assert (first.duration_s, first.rate_hz, second.duration_s, second.age_s) == (1.0, 50, 3.0, 60.0)
    monkeypatch.setattr("perfkit.launch.stacks.STEADY", (first, replace(second, age_s=3.5)))
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(30)"])
    sampler = StackSampler(tmp_path, child.pid, traced=True)
    try:
        rank.fact(window_note(time.monotonic_ns() - 10**9))
        tick(sampler, 2.6)
        (closed,) = windows(tmp_path)
        assert closed["end_ns"] is not None and closed["rate_hz"] == 50
        tick(sampler, 1.5)
        assert [w["name"] for w in windows(tmp_path)] == ["steady", "steady-2"]
    finally:
        sampler.finish()
        child.kill()
        child.wait()


def test_the_startup_window_ends_when_a_process_steps(tmp_path):
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(30)"])
    time.sleep(0.3)
    sampler = StackSampler(tmp_path, child.pid, traced=True)
    try:
        tick(sampler, 1.0)
        Recorder(str(tmp_path)).claim(0)
        stepping_ns = time.monotonic_ns()
        tick(sampler, 0.5)
        (startup,) = windows(tmp_path)
        assert startup["name"] == "startup" and 0 <= startup["end_ns"] - stepping_ns < 0.3e9
    finally:
        sampler.finish()
        child.kill()
        child.wait()


def test_a_script_with_a_profiler_of_its_own_is_left_alone(rank, tmp_path):
    rank.fact('{"fact": "window", "t": 1, "state": "barred"}')
    sampler = StackSampler(tmp_path, os.getpid(), traced=True)
    tick(sampler, 0.3)
    assert windows(tmp_path) == []


def tick(sampler, seconds):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        sampler.tick()
        time.sleep(0.02)


def windows(folder):
    return stacks.windows(Run(folder))
