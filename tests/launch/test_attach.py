"""A process that runs already, watched from outside."""

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from perfkit.errors import UsageError
from perfkit.launch import attach
from perfkit.runs.reader import Run

SERVER = """
import math, time
def handle(n):
    return sum(math.sqrt(i) for i in range(n))
def serve(until):
    while time.monotonic() < until:
        handle(60_000)
serve(time.monotonic() + {seconds})
"""


@pytest.fixture
def server(tmp_path):
    """server(seconds) -> a process that computes for so long."""
    started = []

    def start(seconds=60, *args):
        script = tmp_path / "serve.py"
        script.write_text(textwrap.dedent(SERVER.format(seconds=seconds)))
        environ = {**os.environ, "OMP_NUM_THREADS": "3", "API_TOKEN": "sk-hidden-secret"}
        process = subprocess.Popen([sys.executable, str(script), *args], env=environ)
        started.append(process)
        time.sleep(0.5)
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()


def profile(tmp_path, *words, **settings):
    command = [sys.executable, "-m", "perfkit.cli.main", "profile", "--results-dir", str(tmp_path / "results"), *words]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **settings)


def only_run(tmp_path):
    (path,) = (tmp_path / "results" / "runs").iterdir()
    return Run(path)


@pytest.mark.slow
def test_a_running_server_is_seen_from_outside_and_goes_on(tmp_path, server):
    process = server(60, "--token=hunter2")
    watching = profile(tmp_path, "--pid", str(process.pid), "--seconds", "3", "--json", str(tmp_path / "out.json"))
    _, err = watching.communicate(timeout=120)
    assert watching.returncode == 0, err
    assert process.poll() is None
    document = json.loads((tmp_path / "out.json").read_text())
    assert document["run"]["command"][1:] == [str(tmp_path / "serve.py"), "--token=***"]
    assert document["run"]["duration_s"] == pytest.approx(3, abs=2)
    assert document["memory"]["host_peak_bytes"] > 1e6
    assert {line["function"] for line in document["hot_lines"]} & {"handle", "handle.<locals>.<genexpr>"}
    assert "one that perfkit starts" in document["unavailable"]["steps.median_s"]
    run = only_run(tmp_path)
    assert run.info.environment["OMP_NUM_THREADS"] == "3"  # the server's, not ours
    written = b"".join(path.read_bytes() for path in run.path.rglob("*") if path.is_file())
    assert b"hunter2" not in written
    assert b"sk-hidden-secret" not in written


@pytest.mark.slow
def test_the_revision_is_that_of_the_folder_in_which_the_process_runs(tmp_path):
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    for words in (
        ["init", "-q"],
        ["-c", "user.name=a", "-c", "user.email=a@b", "commit", "-q", "--allow-empty", "-m", "one"],
    ):
        subprocess.run(["git", *words], cwd=theirs, check=True)
    wanted = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=theirs, check=True, capture_output=True, text=True
    ).stdout.strip()
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], cwd=theirs)
    try:
        profile(tmp_path, "--pid", str(process.pid), "--seconds", "1").communicate(timeout=60)
    finally:
        process.kill()
        process.wait()
    assert only_run(tmp_path).info.git["revision"] == wanted


@pytest.mark.slow
def test_one_that_ends_meanwhile_is_watched_to_its_end(tmp_path, server):
    process = server(3)
    watching = profile(tmp_path, "--pid", str(process.pid), "--seconds", "60")
    process.wait()
    _, err = watching.communicate(timeout=120)
    assert watching.returncode == 0, err
    assert f"{process.pid} has ended" in err
    assert only_run(tmp_path).info.status == "finished"


@pytest.mark.slow
def test_ctrl_c_ends_the_watching_and_keeps_what_was_seen(tmp_path, server):
    process = server(60)
    watching = profile(tmp_path, "--pid", str(process.pid), "--seconds", "60", start_new_session=True)
    deadline = time.monotonic() + 60
    samples = tmp_path / "results" / "runs"
    while not list(samples.glob("*/host.jsonl")) and time.monotonic() < deadline:
        time.sleep(0.1)
    time.sleep(1)
    watching.send_signal(signal.SIGINT)
    out, err = watching.communicate(timeout=60)
    assert watching.returncode == 0, err
    assert "ended early" in err
    assert "serve.py" in out
    assert process.poll() is None


def test_what_cannot_be_watched_is_refused(tmp_path):
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    with pytest.raises(UsageError, match=f"no process {gone.pid}"):
        attach.target(gone.pid)
    with pytest.raises(UsageError, match="perfkit itself"):
        attach.target(os.getpid())


def test_a_thread_of_the_kernel_is_no_program():
    if not Path("/proc/2/stat").exists() or Path("/proc/2/cmdline").read_bytes():
        pytest.skip("no thread of the kernel is seen from in here")
    with pytest.raises(UsageError, match="no command line"):
        attach.target(2)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--pid", "1", "train.py"), "runs already"),
        (("--seconds", "5", "train.py"), "goes with --pid"),
        (("--pid", "0"), "--pid"),
    ],
)
def test_words_that_do_not_go_together_are_refused(tmp_path, words, said):
    watching = profile(tmp_path, *words)
    _, err = watching.communicate(timeout=60)
    assert watching.returncode == 2
    assert said in err
