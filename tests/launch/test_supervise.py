"""A script under supervision behaves as without it, and its end is recorded as it was."""

import json
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest


def test_the_script_sees_what_python_would_show_it(supervised):
    source = """
        import json, os, sys
        print(json.dumps([sys.argv, __name__, sys.path[0], os.getcwd(), sys.stdin.read(), __file__]))
    """
    script = supervised.write(source)
    plain = subprocess.run(
        [sys.executable, str(script), "--a", "b c"], input="in", capture_output=True, text=True, cwd=supervised.folder
    )
    done = supervised.run(source, "--a", "b c", input="in")
    assert json.loads(done.stdout) == json.loads(plain.stdout)
    assert done.returncode == 0
    assert supervised.recorded.info.status == "finished"


def test_a_module_is_run_as_python_does_with_m(supervised):
    supervised.write("import sys; print(__name__, sys.argv[1:])", "package/__main__.py")
    supervised.write("", "package/__init__.py")
    done = supervised.run_words("module", "package", "x")
    assert done.stdout == "__main__ ['x']\n"
    assert "-package-" in supervised.recorded.path.name


def test_a_command_finds_its_program_and_its_python_children_boot(supervised):
    supervised.write(f"{sys.executable} -c 'print(1)' && exit 5", "go.sh")
    done = supervised.run_words("command", "sh", "go.sh")
    assert (done.returncode, done.stdout) == (5, "1\n")
    assert (
        supervised.collector("guest").reason
        == "neither torch nor TensorFlow nor Keras was imported (in 1 Python process)"
    )


@pytest.mark.parametrize(
    ("source", "code", "status"),
    [
        ("import sys; sys.exit(3)", 3, "failed"),
        ("raise ValueError('no')", 1, "failed"),
        ("import os; os._exit(7)", 7, "failed"),
        ("import os; os.abort()", 134, "killed"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", 137, "killed"),
        ("import sys; sys.exit('a message')", 1, "failed"),
        ("pass", 0, "finished"),
    ],
)
def test_the_exit_code_is_the_scripts_own(supervised, source, code, status):
    done = supervised.run(source)
    assert done.returncode == code
    info = supervised.recorded.info
    assert (info.exit_code, info.status) == (code, status)
    assert info.ended_monotonic_ns > info.started_monotonic_ns
    assert supervised.outcome["status"] == status


def test_the_childs_streams_are_untouched_and_its_extra_descriptors_inherited(supervised, tmp_path):
    read, write = os.pipe()
    source = f"import os, sys; os.write({write}, b'through'); print('out'); print('err', file=sys.stderr)"
    done = supervised.run(source, pass_fds=(write,))
    os.close(write)
    with os.fdopen(read) as pipe:
        assert pipe.read() == "through"
    assert done.stdout == "out\n"
    assert done.stderr.replace(f"perfkit: python: {sys.executable}", "").endswith("err\n")


def test_closing_stderr_and_changing_directory_cost_nothing(supervised):
    source = "import os, sys; os.chdir('/'); sys.stderr.close(); os.close(2); print('done')"
    done = supervised.run(source)
    assert (done.returncode, done.stdout) == (0, "done\n")
    assert supervised.recorded.info.status == "finished"
    assert supervised.collector("guest").state == "off"


def test_a_script_that_leaves_a_daemon_behind_is_not_waited_for(supervised, lives):
    pids = supervised.folder / "daemon"
    source = f"""
        import os, sys, time
        if os.fork() == 0:
            os.setsid()
            for fd in (0, 1, 2): os.close(fd)
            with open({str(pids) + ".tmp"!r}, "w") as file: file.write(str(os.getpid()))
            os.rename({str(pids) + ".tmp"!r}, {str(pids)!r})
            time.sleep(30)
            os._exit(0)
        while not os.path.exists({str(pids)!r}): time.sleep(0.01)
    """
    began = time.monotonic()
    done = supervised.run(source)
    assert done.returncode == 0
    assert time.monotonic() - began < 15
    daemon = int(pids.read_text())
    assert lives(daemon)
    os.kill(daemon, signal.SIGKILL)


def test_a_forking_script_is_recorded_once(supervised):
    done = supervised.run("import os\npid = os.fork()\nif pid: os.waitpid(pid, 0)\nprint('x', flush=True)")
    assert done.stdout == "x\nx\n"
    assert (
        supervised.collector("guest").reason
        == "neither torch nor TensorFlow nor Keras was imported (in 1 Python process)"
    )


def test_a_python_that_ignores_its_environment_is_a_failed_guest_with_the_reason(supervised):
    supervised.run_words("command", sys.executable, "-I", "-c", "print(1)")
    guest = supervised.collector("guest")
    assert guest.state == "failed"
    assert "-I" in guest.reason


def test_a_command_with_a_pythonpath_of_its_own_is_a_failed_guest(supervised):
    supervised.run_words("command", "env", "PYTHONPATH=", sys.executable, "-c", "print(1)")
    guest = supervised.collector("guest")
    assert (guest.state, "PYTHONPATH" in guest.reason) == ("failed", True)


def test_a_pythonpath_that_was_there_still_works(supervised):
    supervised.write("NAME = 'mine'", "elsewhere/my_module.py")
    environ = {**os.environ, "PYTHONPATH": str(supervised.folder / "elsewhere")}
    done = supervised.run("import my_module; print(my_module.NAME)", env=environ)
    assert done.stdout == "mine\n"


def test_the_run_directory_is_named_ignored_and_latest(supervised):
    supervised.run("pass")
    run = supervised.recorded.path
    assert run.name.split("-")[1] == "script"
    assert (supervised.root / "latest").read_text().strip() == run.name
    assert (supervised.root / ".gitignore").read_text().endswith("*\n")
    assert not (run / ".reserve").exists()


def test_a_results_folder_that_was_there_keeps_its_own_gitignore_habits(supervised):
    supervised.root.mkdir()
    supervised.run("pass")
    assert not (supervised.root / ".gitignore").exists()


def test_run_json_is_there_while_the_script_runs(supervised, wait_for):
    process = supervised.start("import time; time.sleep(1.5)")
    info = wait_for(lambda: (supervised.root / "runs").exists() and _info_with_pid(supervised))
    assert info.status == "running"
    assert info.supervisor_pid == process.pid
    assert process.wait(20) == 0
    assert supervised.recorded.info.status == "finished"


def _info_with_pid(supervised):
    try:
        info = supervised.recorded.info
    except Exception:
        return None
    return info if info.pid and info.host else None


def test_facts_of_machine_interpreter_and_repository_are_recorded(supervised):
    folder = supervised.folder
    git = ["git", "-C", str(folder), "-c", "user.name=a", "-c", "user.email=a@b"]
    subprocess.run(["git", "init", "-q", str(folder)], check=True)
    script = supervised.write("pass")
    subprocess.run([*git, "add", script.name], check=True)
    subprocess.run([*git, "commit", "-qm", "x"], check=True)
    script.write_text("print(1)\n")
    supervised.run_words("script", str(script))
    info = supervised.recorded.info
    assert len(info.git["revision"]) == 40
    assert info.git["dirty"] is True
    assert info.host["usable_cores"] > 0
    assert info.devices[0].kind == "cpu"
    assert info.packages["numpy"]


# -- signals
# -----------------------------------------------------------------------------------------------------------

COUNTING = """
    import os, signal, sys, time
    seen = []
    for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1", "SIGUSR2", "SIGQUIT"):
        signal.signal(getattr(signal, name), lambda number, frame: seen.append(signal.Signals(number).name))
    print("ready", flush=True)
    deadline = time.monotonic() + 10
    while not seen and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(0.5)
    print(" ".join(seen), flush=True)
    sys.exit(42)
"""


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1", "SIGUSR2", "SIGQUIT"])
def test_a_signal_to_perfkit_alone_reaches_the_script_once(supervised, name):
    process = supervised.start(COUNTING, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "ready\n"
    process.send_signal(getattr(signal, name))
    assert process.stdout.readline().split() == [name]
    assert process.wait(20) == 42
    process.stdout.close()
    assert supervised.recorded.info.exit_code == 42


def test_a_signal_to_the_whole_process_group_reaches_the_script_once(supervised):
    process = supervised.start(COUNTING, stdout=subprocess.PIPE, text=True, process_group=0)
    assert process.stdout.readline() == "ready\n"
    os.killpg(process.pid, signal.SIGTERM)
    assert process.stdout.readline().split() == ["SIGTERM"]
    assert process.wait(20) == 42
    process.stdout.close()


def test_sigterm_that_the_script_does_not_handle_ends_it_and_gives_a_report(supervised):
    process = supervised.start("import time; print(1, flush=True); time.sleep(20)", stdout=subprocess.PIPE)
    process.stdout.readline()
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 128 + signal.SIGTERM
    process.stdout.close()
    assert supervised.recorded.info.status == "killed"


def test_ctrl_c_at_a_terminal_reaches_the_script_once_and_still_gives_a_report(supervised):
    import pty

    script = supervised.write(COUNTING)
    pid, terminal = pty.fork()
    if pid == 0:
        os.execv(sys.executable, supervised.argv("script", str(script)))
    said = _read_until(terminal, "ready")
    os.write(terminal, b"\x03")
    said += _read_until(terminal, None)
    _, status = os.waitpid(pid, 0)
    os.close(terminal)
    assert os.waitstatus_to_exitcode(status) == 42
    assert said.count("SIGINT") == 1
    assert supervised.recorded.info.exit_code == 42
    assert supervised.collector("host").state == "on"


def test_ctrl_c_ends_an_ordinary_script_with_its_own_exit_code(supervised):
    import pty

    script = supervised.write("import time; print('ready', flush=True); time.sleep(20)")
    pid, terminal = pty.fork()
    if pid == 0:
        os.execv(sys.executable, supervised.argv("script", str(script)))
    _read_until(terminal, "ready")
    os.write(terminal, b"\x03")
    said = _read_until(terminal, None)
    _, status = os.waitpid(pid, 0)
    os.close(terminal)
    assert said.count("KeyboardInterrupt") == 1
    assert os.waitstatus_to_exitcode(status) == 130
    assert supervised.recorded.info.status == "killed"


def _read_until(terminal, word):
    said, deadline = "", time.monotonic() + 20
    while time.monotonic() < deadline and (word is None or word not in said):
        try:
            part = os.read(terminal, 1024)
        except OSError:  # the other side has closed
            break
        if not part:
            break
        said += part.decode("utf-8", "replace")
    return said


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_without_sigtimedwait_signals_are_passed_on_all_the_same(supervised, name):
    script = supervised.write(COUNTING)
    without = "import runpy, signal, sys; del signal.sigtimedwait; sys.argv.pop(0); "
    without += "runpy.run_path(sys.argv[0], run_name='__main__')"
    drive, *words = supervised.argv("script", str(script))[1:]
    argv = [sys.executable, "-c", without, drive, *words]
    process = subprocess.Popen(argv, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True)
    assert process.stdout.readline() == "ready\n"
    process.send_signal(getattr(signal, name))
    assert process.stdout.readline().split() == [name]
    assert process.wait(20) == 42
    process.stdout.close()


def test_the_script_gets_the_mask_and_dispositions_that_perfkit_was_started_with(supervised):
    source = """
        import signal
        blocked = signal.pthread_sigmask(signal.SIG_BLOCK, [])
        ignored = [s.name for s in (signal.SIGHUP, signal.SIGINT) if signal.getsignal(s) == signal.SIG_IGN]
        print(sorted(s.name for s in blocked), ignored)
    """

    def as_usual():  # whatever the tests themselves were started with
        signal.signal(signal.SIGHUP, signal.SIG_DFL)

    def like_nohup():
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR2])

    assert supervised.run(source, preexec_fn=as_usual).stdout == "[] []\n"
    supervised.root = supervised.folder / "other"
    assert supervised.run(source, preexec_fn=like_nohup).stdout == "['SIGUSR2'] ['SIGHUP']\n"


def test_a_parent_that_ignores_its_children_does_not_hide_the_exit_code(supervised):
    done = supervised.run("raise SystemExit(9)", preexec_fn=lambda: signal.signal(signal.SIGCHLD, signal.SIG_IGN))
    assert done.returncode == 9


def test_perfkit_killed_leaves_the_script_running_and_the_run_readable(supervised, wait_for, lives):
    done = supervised.folder / "done"
    process = supervised.start(f"import time; time.sleep(2); open({str(done)!r}, 'w').close()", stacks=True)
    info = wait_for(lambda: (supervised.root / "runs").exists() and _info_with_pid(supervised))
    spies = wait_for(lambda: _children_named(process.pid, "py-spy"))
    process.kill()
    process.wait()
    wait_for(lambda: not any(lives(spy) for spy in spies), 3)
    assert lives(info.pid)
    wait_for(done.exists)
    assert supervised.recorded.info.status == "running"
    assert supervised.recorded.jsonl("host.jsonl")


def _children_named(parent, name):
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            text = stat.read_text()
        except OSError:
            continue
        if f"({name})" in text and int(text.rsplit(")", 1)[1].split()[1]) == parent:
            found.append(int(stat.parent.name))
    return found


# -- where nothing can be recorded
# ----------------------------------------------------------------------------------------


def test_a_results_path_that_cannot_be_made_costs_the_recording_and_never_the_script(supervised):
    supervised.root.write_text("a file")
    done = supervised.run("print('ran'); raise SystemExit(4)")
    assert (done.returncode, done.stdout) == (4, "ran\n")
    assert done.stderr.count("warning") == 1
    assert supervised.outcome["path"] is None
    assert "results" in supervised.outcome["unrecorded"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can drop its capabilities; others just lack them")
def test_a_results_directory_without_permission_costs_the_recording_only(supervised):
    supervised.root.mkdir(mode=0o555)
    script = supervised.write("print('ran')")
    bare = ["setpriv", "--bounding-set=-all", "--inh-caps=-all"]  # even root obeys permissions then
    argv = [*bare, *supervised.argv("script", str(script))]
    done = subprocess.run(argv, capture_output=True, text=True, cwd=supervised.folder)
    assert (done.returncode, done.stdout) == (0, "ran\n")
    assert "Permission denied" in supervised.outcome["unrecorded"]


def test_the_guest_is_not_sent_along_when_nothing_is_recorded(supervised):
    supervised.root.write_text("a file")
    done = supervised.run("import os; print('PERFKIT_GUEST_RUN' in os.environ)")
    assert done.stdout == "False\n"


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to mount a small file system")
def test_a_disk_that_is_full_from_the_start_costs_the_recording_only(supervised):
    with small_disk(supervised.root, "64k") as room:
        (room / "filler").write_bytes(b"\0" * 60_000)
        done = supervised.run("print('ran')")
        assert (done.returncode, done.stdout) == (0, "ran\n")
        assert done.stderr.count("warning") == 1


@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to mount a small file system")
def test_a_disk_that_fills_up_while_running_is_said_and_the_end_is_still_recorded(supervised):
    with small_disk(supervised.root, "256k") as room:
        source = f"""
            import os, time
            time.sleep(0.3)
            with open({str(room / "filler")!r}, "wb", buffering=0) as file:
                try:
                    while True: file.write(b"x" * 4096)
                except OSError: pass
            samples, deadline = os.environ["PERFKIT_GUEST_RUN"] + "/host.jsonl", time.monotonic() + 20
            while os.path.getsize(samples) < 3900 and time.monotonic() < deadline:
                time.sleep(0.05)
            time.sleep(2)  # the next samples need another block
            print("ran")
            raise SystemExit(6)
        """
        done = supervised.run(source)
        assert (done.returncode, done.stdout) == (6, "ran\n")
        info = supervised.recorded.info
        assert (info.status, info.exit_code) == ("failed", 6)
        host = supervised.collector("host")
        assert (host.state, "No space" in host.reason) == ("failed", True)


def test_a_limit_on_file_sizes_costs_the_recording_only(supervised):
    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (3000, 3000))

    done = supervised.run("import time; time.sleep(1); print('ran')", preexec_fn=limit)
    assert (done.returncode, done.stdout) == (0, "ran\n")


class small_disk:
    def __init__(self, place: Path, size: str) -> None:
        self.place, self.size = place, size

    def __enter__(self) -> Path:
        self.place.mkdir()
        argv = ["mount", "-t", "tmpfs", "-o", f"size={self.size}", "tmpfs", str(self.place)]
        done = subprocess.run(argv, capture_output=True, text=True)
        if done.returncode:
            pytest.skip(f"cannot mount a small file system: {done.stderr.strip()}")
        return self.place

    def __exit__(self, *_error: object) -> None:
        subprocess.run(["umount", "-l", str(self.place)], check=True)


def test_a_script_that_does_not_exist_is_refused_before_anything_is_made(supervised):
    from perfkit.errors import CommandNotFound
    from perfkit.launch.request import Request
    from perfkit.launch.supervise import profile

    for kind in ("script", "command"):
        with pytest.raises(CommandNotFound):
            profile(Request(kind=kind, target="no-such-thing", results_root=supervised.root))
    assert not supervised.root.exists()
