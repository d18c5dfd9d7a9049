"""However a run ends, its record says the truth: real processes, real kills."""

import os
import signal
import subprocess
from pathlib import Path

import pytest

from perfkit.launch.child import Ended
from perfkit.monitor.live.ends import OomWatch, end_of
from perfkit.monitor.live.watcher import GROUPS_S


def test_a_script_that_ends_well_is_finished(monitored):
    done = monitored.run("steps(30); print('out'); print('err', file=sys.stderr)")
    assert (done.returncode, done.stdout.splitlines()[0], done.stderr) == (0, "out", "err\n")
    found = monitored.standing
    assert (found.state, found.reason, found.step, found.firing, found.exit_code) == ("finished", "", 30, (), 0)
    assert monitored.record.history["perf/step_time_s"].size == 30


@pytest.mark.parametrize(
    ("source", "code", "state", "reason", "rule"),
    [
        ("import ctypes; ctypes.string_at(0)", 139, "killed", "SIGSEGV: a crash in native code", "run-failed"),
        ("os.kill(os.getpid(), 9)", 137, "killed", "SIGKILL, by whom is unknown", "run-failed"),
        ("os.kill(os.getpid(), 15)", 143, "killed", "SIGTERM", "run-failed"),
        ("raise ValueError('no')", 1, "failed", "ValueError", "run-failed"),
        ("sys.exit(3)", 3, "failed", "exit code 3", "run-failed"),
        (
            "import resource; resource.setrlimit(resource.RLIMIT_AS, (10**9, 10**9)); bytearray(4 * 10**9)",
            1, "failed", "MemoryError", "out-of-memory",
        ),
    ],
)  # fmt: skip
def test_a_bad_end_is_told_once_with_its_reason(monitored, source, code, state, reason, rule):
    done = monitored.run(f"steps(8)\n{source}")
    assert done.returncode == code
    found = monitored.standing
    assert (found.state, found.step) == (state, 8)
    assert found.reason.startswith(reason)
    assert monitored.alerts() == [rule]
    assert done.stderr.count("FIRING") == 1


def test_an_exception_without_any_step_is_still_named(monitored):
    done = monitored.run("raise KeyError('x')", prelude="")
    assert done.returncode == 1
    assert monitored.standing.reason == "KeyError"


def test_after_kill_9_of_perfkit_the_script_goes_on_and_its_end_is_seen(monitored):
    process = monitored.start("steps(60, 0.05)", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    monitored.wait_for_steps(4)
    process.kill()
    process.wait()
    found = monitored.standing
    assert (found.state, found.note[:44]) == ("running", "perfkit itself was ended, the script goes on")
    monitored.wait_for(lambda: monitored.standing.over)
    found = monitored.standing
    assert (found.state, found.note) == ("finished", "perfkit was ended first, so the exit code is unknown")
    assert found.step == 60  # the marks go on without perfkit


def test_after_kill_9_of_both_the_run_is_lost(monitored):
    process = monitored.start("steps(600, 0.05)", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    monitored.wait_for_steps(4)
    script = monitored.recorded.info.pid
    process.kill()
    os.kill(script, signal.SIGKILL)
    process.wait()
    monitored.wait_for(lambda: monitored.standing.state == "lost")
    assert monitored.standing.step >= 4
    assert monitored.standing.eta_ns is None


def test_ctrl_c_reaches_the_script_once(monitored):
    source = """
    count = 0
    def on(number, frame):
        global count
        count += 1
    import signal
    signal.signal(signal.SIGINT, on)
    open("ready", "w").close()
    steps(60, 0.02)
    print("interrupted", count, flush=True)
    """
    process = monitored.start(source, stdout=subprocess.PIPE, start_new_session=True)
    monitored.wait_for(lambda: (monitored.folder / "ready").exists())
    os.killpg(process.pid, signal.SIGINT)
    out, _ = process.communicate(timeout=30)
    assert out.splitlines()[0] == "interrupted 1"
    assert process.returncode == 0
    assert monitored.standing.state == "finished"


def last_point_ns(monitored) -> int:
    """UTC of the newest value that the watcher has written down."""
    history = monitored.record.history
    return max(int(history.series(name).times_ns[-1]) for name in history if len(history.series(name)))


@pytest.fixture
def small_group():
    """A control group with 64 MB of memory, where this machine lets one be made: a callable that moves a process there."""
    root = Path("/sys/fs/cgroup")
    name = f"perfkit-test-{os.getpid()}"
    for parent, limit in ((root, "memory.max"), (root / "memory", "memory.limit_in_bytes")):
        folder = parent / name
        if not (parent / "cgroup.procs").exists():
            continue
        try:
            folder.mkdir()
            (folder / limit).write_text(str(64 * 2**20))
        except OSError:
            if folder.exists():
                folder.rmdir()
            continue
        yield folder
        folder.rmdir()
        return
    pytest.skip("no control group can be made here")


def test_a_kill_for_want_of_memory_is_told_from_other_kills(monitored, small_group):
    source = f"""
    open({str(small_group / "cgroup.procs")!r}, "w").write(str(os.getpid()))
    open("moved", "w").close()
    while not os.path.exists("go"):
        steps(1, 0.05)
    held = [bytearray(os.urandom(2**20)) for _ in range(300)]
    """
    process = monitored.start(source, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    moved = monitored.folder / "moved"
    monitored.wait_for(moved.exists)
    seen_ns = moved.stat().st_mtime_ns + int(2 * GROUPS_S * 1e9)  # the watcher has looked for its groups by then
    monitored.wait_for(lambda: last_point_ns(monitored) > seen_ns)
    (monitored.folder / "go").touch()
    assert process.wait(timeout=60) == 137
    found = monitored.standing
    assert (found.state, found.reason[:15]) == ("killed", "out of memory: ")
    assert monitored.alerts() == ["out-of-memory"]
    (event,) = [event for event in monitored.record.events if event.source == "health:end"]
    assert event.evidence["oom_kills"] == 1
    assert "batch" in event.advice


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting needs root")
def test_on_a_full_disk_the_script_goes_on_and_its_end_is_known(monitored):
    monitored.root.mkdir()
    words = ["mount", "-t", "tmpfs", "-o", "size=72k", "tmpfs", str(monitored.root)]
    if subprocess.run(words, capture_output=True, check=False).returncode != 0:
        pytest.skip("this machine lets nobody mount")
    try:
        done = monitored.run("steps(150); open('/dev/null'); print('trained'); raise ValueError")
        assert done.returncode == 1
        assert done.stdout.splitlines()[0] == "trained"
        assert "is incomplete: " in done.stderr
        found = monitored.standing
        assert (found.state, found.exit_code) == ("failed", 1)
        assert 20 < found.step <= 150
    finally:
        subprocess.run(["umount", str(monitored.root)], check=True)


def test_what_a_signal_means_is_said_without_claiming_more(tmp_path):
    def ended(number):
        return Ended(exit_code=128 + number, signal=number, ended_monotonic_ns=0, max_rss_bytes=0, cpu_ns=0)

    vmstat = tmp_path / "vmstat"
    vmstat.write_text("pgfault 5\noom_kill 7\n")
    oom = OomWatch(vmstat)
    assert end_of(tmp_path, ended(9), 1, oom).reason == "SIGKILL, by whom is unknown"
    assert end_of(tmp_path, ended(7), 1, oom).reason.startswith("SIGBUS: a crash")
    vmstat.write_text("pgfault 9\noom_kill 8\n")
    assert end_of(tmp_path, ended(9), 1, oom).reason.startswith("probably out of memory")
    assert end_of(tmp_path, ended(15), 1, oom).reason == "SIGTERM"
