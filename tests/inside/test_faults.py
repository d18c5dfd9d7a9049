"""What goes wrong costs the recording at most, never the script; and what was recorded stays readable."""

import os
import signal
import subprocess
import sys

import pytest

from perfkit.analyze.steps import derive
from perfkit.model import marks
from perfkit.runs.reader import Run
from perfkit.runs.recorder import Recorder

LOOP = """
model = net(); opt = torch.optim.SGD(model.parameters(), 0.1)
def train(n):
    for x, y in DataLoader(data(32 * n), 32):
        opt.zero_grad(); lossf(model(x), y).backward(); opt.step()
"""

slow = pytest.mark.slow


@slow
def test_kill_9_loses_at_most_the_step_it_was_in(record):
    outcome = record(LOOP + "train(25); os.kill(os.getpid(), 9)", check=False)
    assert outcome.returncode == -signal.SIGKILL
    assert len(outcome.steps()) == 25
    assert outcome.rank.facts_of("ended") == []


@slow
def test_kill_9_at_random_moments_always_leaves_whole_steps(record, tmp_path):
    script = (
        LOOP
        + """
import threading, random
threading.Timer(0.02 + random.random() * 0.3, lambda: os.kill(os.getpid(), 9)).start()
done = os.open("done", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
n = 0
while True:
    train(1); n += 1; os.pwrite(done, b"%d" % n, 0)
"""
    )
    for _ in range(3):
        outcome = record(script, check=False)
        assert outcome.returncode == -signal.SIGKILL
        finished = int((tmp_path / "done").read_text())
        latest = sorted(outcome.ranks, key=lambda r: r.path.stat().st_mtime)[-1]
        assert finished <= len(derive(latest)) <= finished + 1


@slow
@pytest.mark.skipif(os.geteuid() != 0, reason="mounting needs root")
def test_a_full_disk_costs_the_recording_and_not_the_script(record, tmp_path):
    run = tmp_path / "run"
    run.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(run)], capture_output=True)
    if mounted.returncode != 0:
        pytest.skip("this machine lets nobody mount: " + mounted.stderr.decode())
    try:
        outcome = record(LOOP + "train(1500); print('trained')", no_trace=1)
        assert outcome.stdout == "trained\n"
        assert outcome.stderr == ""
        kept = len(outcome.steps())
        assert 50 < kept < 1500
    finally:
        subprocess.run(["umount", str(run)], check=True)


@slow
def test_a_file_size_limit_costs_the_recording_and_not_the_script(record):
    outcome = record(
        """
        import resource, signal
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (20000, 20000))
    """.replace("        ", "")
        + LOOP
        + "train(200); print('trained')",
        no_trace=1,
    )
    assert outcome.stdout == "trained\n"
    assert 20 < len(outcome.steps()) < 200
    assert any("cannot write" in line.get("failed", "") for line in outcome.run.jsonl("guests.jsonl"))


@slow
@pytest.mark.parametrize("line", [
    "os.chdir('/')",
    "os.close(2)",
    "sys.stderr.close()",
    "sys.path[:] = sys.path[-3:]",
    "os.environ.clear()",
    "sys.meta_path[:] = [f for f in sys.meta_path if 'perfkit' not in type(f).__module__]",
    "import gc; gc.disable()",
    "import faulthandler; faulthandler.enable()",
    "sys.setrecursionlimit(200)",
    "import threading; threading.setprofile(None); sys.setprofile(lambda *a: None)",
])  # fmt: skip
def test_whatever_the_script_does_to_its_process(record, line):
    outcome = record(LOOP + line + "\ntrain(60)\nprint('trained')")
    assert outcome.stdout == "trained\n"
    assert len(outcome.steps()) == 60


@slow
def test_a_worker_thread_that_trains_is_the_one_that_steps(record):
    outcome = record(
        LOOP
        + """
import threading
thread = threading.Thread(target=train, args=(40,)); thread.start(); thread.join()
"""
    )
    assert len(outcome.steps()) == 40


@slow
def test_an_abort_leaves_the_steps(record):
    outcome = record(LOOP + "train(12); os.abort()", check=False)
    assert outcome.returncode == -signal.SIGABRT
    assert len(outcome.steps()) == 12


@slow
def test_a_loop_interrupted_in_the_middle_of_a_step(record):
    outcome = record(
        LOOP
        + """
train(12)
try:
    loss = lossf(model(torch.randn(3, 16)), torch.zeros(3, dtype=torch.long)); loss.backward(); raise KeyboardInterrupt
except KeyboardInterrupt:
    pass
train(5)
"""
    )
    assert len(outcome.steps()) == 17


# -- the recorder by itself ------------------------------------------------------------------------------------------


def write_steps(recorder, count):
    for n in range(count):
        recorder.mark(n, marks.tag(marks.STEP), n)
        recorder.flush()


def test_a_torn_tail_is_passed_over(tmp_path):
    recorder = Recorder(str(tmp_path))
    recorder.claim(0)
    write_steps(recorder, 10)
    recorder.close()
    file = tmp_path / "rank-00000" / "marks.bin"
    whole = file.read_bytes()
    for cut in range(1, 32):
        file.write_bytes(whole[:-cut])
        assert len(Run(tmp_path).ranks[0].marks) == 9


def test_a_second_claimant_gets_a_folder_of_its_own(tmp_path):
    for expected in ("rank-00003", "rank-00003.1", "rank-00003.2"):
        recorder = Recorder(str(tmp_path))
        assert recorder.claim(3)
        assert os.path.basename(recorder.folder) == expected


def test_before_a_claim_the_buffer_is_bounded(tmp_path):
    recorder = Recorder(str(tmp_path))
    write_steps(recorder, 100_000)
    assert len(recorder.rows) <= 16385
    assert recorder.claim(0)
    recorder.flush()
    kept = Run(tmp_path).ranks[0].marks
    assert kept[-1, 2] == 99_999


def test_an_unwritable_directory_is_said_and_survived(tmp_path):
    recorder = Recorder(str(tmp_path / "nowhere"))
    write_steps(recorder, 3)
    assert recorder.claim(0) is False
    assert "cannot make the rank folder" in recorder.failure
    write_steps(recorder, 3)
    assert recorder.closed


def test_threads_that_mark_while_one_writes_lose_nothing(tmp_path):
    code = """
import sys, threading
from perfkit.runs.recorder import Recorder
from perfkit.model import marks
r = Recorder(sys.argv[1]); r.claim(0)
def mark(thread):
    for n in range(20000):
        r.mark(n, marks.tag(marks.LOG_ENTER, 0, thread), n)
threads = [threading.Thread(target=mark, args=(t,)) for t in range(4)]
sys.setswitchinterval(1e-5)
[t.start() for t in threads]
while any(t.is_alive() for t in threads): r.flush()
[t.join() for t in threads]; r.flush()
assert r.failure is None, r.failure
"""
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True, timeout=120)
    rows = Run(tmp_path).ranks[0].marks
    assert len(rows) == 80000
    for thread in range(4):
        own = rows[rows[:, 1] >> 32 == thread]
        assert own[:, 2].tolist() == list(range(20000))


def test_a_running_job_can_be_read(tmp_path):
    recorder = Recorder(str(tmp_path))
    recorder.claim(0)
    for expected in (5, 10):
        write_steps(recorder, 5)
        assert len(Run(tmp_path).ranks[0].marks) == expected
