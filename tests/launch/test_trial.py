"""A trial is bounded, says how it ended, and leaves nothing behind: no file, no process."""

import hashlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import textwrap
from dataclasses import dataclass
from pathlib import Path

import pytest

from perfkit.launch import effects
from perfkit.launch.sandbox.place import choose
from perfkit.runs.reader import Run

DRIVE = Path(__file__).with_name("drive_trial.py")
WAYS = ("overlay", "landlock", "functions")

# Everything that a training script does to the world around it. Arguments: the number of steps, and where pids go.
BUSY = """
import atexit, logging, os, pathlib, pickle, shutil, subprocess, sys
import numpy as np, torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(0)
asked = sys.stdin.readline().strip()
assert asked == "learning rate 0.1", asked
pids = os.open(sys.argv[1], os.O_WRONLY | os.O_APPEND)
os.write(pids, b"%d\\n" % os.getpid())

class Tracker:  # as tensorboard's: a folder and an event file that stays open
    def __init__(self, folder):
        os.makedirs(folder, exist_ok=True)
        self.file = open(os.path.join(folder, "events.out"), "ab")
    def add_scalar(self, name, value):
        self.file.write(b"%f " % value); self.file.flush()
tracker = Tracker("logs/new")

os.remove("old.txt")
assert not os.path.exists("old.txt") and "old.txt" not in os.listdir(".")
shutil.rmtree("old_folder")
pathlib.Path("notes.txt").open("a").write("more")
assert pathlib.Path("notes.txt").read_text() == "notes, more"
os.replace("kept.txt", "moved.txt")
os.chdir("sub")
daemon = subprocess.Popen([sys.executable, "-c", "import time, os; os.setsid(); time.sleep(600)"])
os.write(pids, b"%d\\n" % daemon.pid)
twice = "import os, time\\nif os.fork() == 0:\\n os.setsid()\\n if os.fork() == 0:\\n  os.write(%d, b'%%d\\\\n' %% os.getpid()); time.sleep(600)"
subprocess.run([sys.executable, "-c", twice % pids], pass_fds=[pids])

def work(worker):
    os.write(pids, b"%d\\n" % os.getpid())
net = nn.Sequential(nn.Linear(16, 32), nn.ReLU(), nn.Linear(32, 4))
optimizer = torch.optim.SGD(net.parameters(), 0.1)
loader = DataLoader(TensorDataset(torch.randn(160, 16), torch.randint(0, 4, (160,))), 8, num_workers=1, worker_init_fn=work)
atexit.register(lambda: open("../at_exit.txt", "w").write("ran"))
step = 0
for epoch in range(1000):
    for x, y in loader:
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(net(x), y)
        loss.backward()
        optimizer.step()
        step += 1
        tracker.add_scalar("loss", loss.item())
    torch.save(net.state_dict(), "../checkpoint.pt")
    net.load_state_dict(torch.load("../checkpoint.pt"))
    with open("other.pt", "wb") as file:
        torch.save(optimizer.state_dict(), file)
    np.save("weights.npy", np.ones(3)); assert np.load("weights.npy").sum() == 3
    pickle.dump([1], open("state.pkl", "wb"))
    try:
        import safetensors.torch as st
        st.save_file({"a": torch.ones(2)}, "a.safetensors"); assert st.load_file("a.safetensors")["a"].sum() == 2
    except ImportError:
        pass
    print("epoch", epoch, flush=True)
    if len(sys.argv) > 2 and step >= int(sys.argv[2]):
        import time; time.sleep(600)
"""

STUBBORN = """
import sys, threading, time
import torch
threading.Thread(target=time.sleep, args=(600,)).start()
weight = torch.ones(3, requires_grad=True)
optimizer = torch.optim.SGD([weight], 0.1)
try:
    while True:
        try:
            for _ in range(10_000_000):
                optimizer.zero_grad(); weight.sum().backward(); optimizer.step()
        except (SystemExit, KeyboardInterrupt):
            pass
finally:
    open("finally.txt", "w").write("saved")
    time.sleep(600)
"""


@dataclass
class Folder:
    """The user's folder, and a place beside it for what the test itself keeps."""

    path: Path
    beside: Path
    #: In /dev, which passes: the one place that a trial's script can tell us something through.
    pids_file: Path

    def tree(self):
        """Every name with its mode, times and contents."""
        found = {}
        for path in sorted([self.path, *self.path.rglob("*")]):
            status = path.lstat()
            content = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else None
            found[str(path.relative_to(self.path))] = (status.st_mode, status.st_mtime_ns, status.st_ino, content)
        return found

    def start(self, source, *args, way, options=None, stdin=None, **limits):
        (self.path / "train.py").write_text(textwrap.dedent(source))
        self.before = self.tree()
        words = [
            self.beside / "outcome.json",
            self.beside / "results",
            way,
            json.dumps(limits),
            json.dumps(options or {}),
        ]
        return subprocess.Popen(
            [sys.executable, DRIVE, *map(str, words), "train.py", *map(str, args)],
            cwd=self.path,
            stdin=subprocess.PIPE if stdin is not None else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )

    def run(self, source, *args, way, stdin=None, **settings):
        process = self.start(source, *args, way=way, stdin=stdin, **settings)
        with process:
            try:
                out, err = process.communicate(stdin, timeout=120)
            finally:
                process.kill()
        assert process.returncode == 0, out + err
        assert (out, err) == ("", "")
        return self.told

    @property
    def told(self):
        return json.loads((self.beside / "outcome.json").read_text())

    @property
    def pids(self):
        return [int(line) for line in self.pids_file.read_text().split()]

    def recorded(self, number=-1):
        return Run(sorted((self.beside / "results" / "runs").iterdir(), key=lambda p: p.stat().st_mtime_ns)[number])


@pytest.fixture(params=WAYS)
def way(request):
    if choose([Path.cwd()], ways=(request.param,)).way != request.param:
        pytest.skip(f"no {request.param} on this machine")
    return request.param


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "user"
    path.mkdir()
    beside = tmp_path / "beside"
    beside.mkdir()
    (path / "old.txt").write_text("old")
    (path / "kept.txt").write_text("kept")
    (path / "notes.txt").write_text("notes, ")
    (path / "old_folder" / "deep").mkdir(parents=True)
    (path / "old_folder" / "deep" / "file").write_text("deep")
    (path / "sub").mkdir()
    with tempfile.NamedTemporaryFile(dir="/dev/shm") as pids:
        yield Folder(path, beside, Path(pids.name))


def scratch_folders_of(folder):
    """Those of this test's runs; somebody else may be tuning on the same machine."""
    plans = [
        path for parent in ("/var/tmp", "/tmp", "/dev/shm") for path in Path(parent).glob("perfkit-????????/plan.json")
    ]
    return [path for path in plans if str(folder.beside) in path.read_text()]


@pytest.mark.slow
def test_a_busy_script_leaves_no_file_and_no_process_and_does_so_twice(folder, way, lives):
    told = folder.run(BUSY, folder.pids_file, way=way, stdin="learning rate 0.1\n", steps=60, wall_s=60, times=2)
    assert [(one["state"], one["exit_code"], one["method"]) for one in told] == [("complete", 0, way)] * 2, told
    assert all(one["steady_steps"] >= 60 and one["left"] == [] for one in told)
    assert folder.tree() == folder.before
    assert len(folder.pids) >= 2 * 4, folder.pids
    assert not any(lives(pid) for pid in folder.pids)
    assert scratch_folders_of(folder) == []
    rank = folder.recorded().ranks[0]
    (note,) = rank.facts_of("trial")
    losses = json.loads((rank.path / "losses.json").read_text())
    assert note["losses"] == len(losses["loss"]) == len(losses["samples"]) >= 60
    assert losses["samples"][:3] == [8, 16, 24]
    assert sum(losses["loss"][40:60]) < sum(losses["loss"][:20])  # the third epoch's are below the first's
    assert folder.recorded().info.status == "finished"
    assert "epoch 0" in (folder.recorded().path / "stdout.txt").read_text()


@pytest.mark.slow
def test_the_same_script_killed_in_the_middle_leaves_nothing_either(folder, way, lives, wait_for):
    process = folder.start(BUSY, folder.pids_file, way=way, stdin="", steps=100_000, wall_s=100)
    try:
        process.stdin.write("learning rate 0.1\n")
        process.stdin.close()
        wait_for(lambda: len(folder.pids) >= 5, 60)
        process.send_signal(signal.SIGTERM)
        process.wait(30)
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
        process.stderr.close()
    assert process.returncode == -signal.SIGTERM
    assert folder.tree() == folder.before
    assert scratch_folders_of(folder) == []
    assert not any(lives(pid) for pid in folder.pids)


@pytest.mark.slow
def test_a_script_that_will_not_stop_is_stopped(folder):
    (told,) = folder.run(STUBBORN, way="functions", steps=50, wall_s=60)
    assert (told["state"], told["exit_code"]) == ("complete", 0)
    assert folder.tree() == folder.before


@pytest.mark.slow
def test_a_script_that_makes_no_steps_is_stopped_from_outside(folder):
    (told,) = folder.run("import time\nwhile True: time.sleep(1)", way="functions", steps=50, wall_s=1.5)
    assert (told["state"], told["reason"]) == ("stopped", "not over after 1.5 s")
    assert told["outcome"] == "killed"


def test_a_failure_is_told_with_its_reason_and_secrets_masked(folder):
    source = "raise ValueError('no such data: https://user:hunter22@host/x')"
    (told,) = folder.run(source, way="functions", steps=50, wall_s=60)
    assert (told["state"], told["exit_code"]) == ("failed", 1)
    assert told["reason"].startswith("ValueError: no such data")
    assert "hunter22" not in told["reason"]
    assert not any(b"hunter22" in path.read_bytes() for path in folder.recorded().path.rglob("*.txt"))


@pytest.mark.slow
def test_a_script_that_is_over_before_says_how_many_steps_it_made(folder):
    source = """
    import torch
    weight = torch.ones(3, requires_grad=True)
    optimizer = torch.optim.SGD([weight], 0.1)
    for _ in range(7):
        optimizer.zero_grad(); weight.sum().backward(); optimizer.step()
    """
    (told,) = folder.run(source, way="functions", steps=50, wall_s=60)
    assert (told["state"], told["steps"], told["steady_steps"]) == ("ended by itself", 7, 0)


@pytest.mark.slow
def test_ranks_end_together_once_rank_0_has_its_steps(folder, way, lives):
    source = """
    import os, sys, torch
    import torch.distributed as dist, torch.multiprocessing as mp
    def train(rank):
        store = dist.FileStore(os.path.join(os.environ["TMPDIR"], "store"), 2)
        dist.init_process_group("gloo", store=store, rank=rank, world_size=2)
        net = torch.nn.parallel.DistributedDataParallel(torch.nn.Linear(8, 8))
        optimizer = torch.optim.SGD(net.parameters(), 0.01)
        while True:
            optimizer.zero_grad(); net(torch.randn(4, 8)).square().mean().backward(); optimizer.step()
    if __name__ == "__main__":
        mp.start_processes(train, nprocs=2, start_method=sys.argv[1])
    """
    # Both kinds of ranks; spawned ones import torch three times, so they have one way only.
    start_method = "spawn" if way == WAYS[-1] else "fork"
    (told,) = folder.run(source, start_method, way=way, steps=50, wall_s=60)
    assert (told["state"], told["exit_code"], told["left"]) == ("complete", 0, [])
    assert [rank.rank for rank in folder.recorded().ranks] == [0, 1]
    pids = [int(line.split()[0]) for line in (folder.recorded().path / "boots.log").read_text().splitlines()]
    assert not any(lives(pid) for pid in pids)


@pytest.mark.slow
def test_what_a_script_does_outside_its_folder_is_listed(folder, tmp_path):
    source = """
    import os, socket, subprocess
    import torch
    home = os.path.join("/root" if os.access("/root", os.W_OK) else os.path.expanduser("~"), ".perfkit-test")
    open("inside.txt", "w").write("x")
    torch.save({}, home + ".pt")
    open(home, "w").write("x")
    os.remove(home)
    subprocess.run("TOKEN=hunter22 git --version && true", shell=True, stdout=subprocess.DEVNULL)
    server = socket.create_server(("127.0.0.1", 0))
    socket.create_connection(server.getsockname())
    far = socket.socket(); far.setblocking(False)
    try: far.connect(("192.0.2.7", 443))
    except OSError: pass
    """
    way = "overlay" if choose([Path.cwd()], ways=("overlay",)).way == "overlay" else "landlock"
    folder.run(source, way=way, options={"watch": True}, steps=50, wall_s=60)
    found = effects.effects(folder.recorded())
    assert {(e.kind, Path(e.what).name) for e in found} == {
        ("write", ".perfkit-test"),
        ("write", ".perfkit-test.pt"),
        ("command", "git"),
        ("command", "true"),
        ("connect", "192.0.2.7:443"),
    }
    assert {e.what for e in effects.repeated(found, "overlay")} == {"git", "192.0.2.7:443"}
    assert effects.repeated(found, "functions") == found
    assert "hunter22" not in (folder.recorded().path / "effects.jsonl").read_text()


def test_what_it_made_itself_and_what_is_temporary_may_be_deleted(folder):
    folder.run("pass", way="functions", steps=50, wall_s=60)
    lines = [
        ("write", "/home/me/cache/own"), ("delete", "/home/me/cache/own"), ("delete", "/home/me/data/theirs"),
        ("delete", "/tmp/anything"), ("write", str(folder.path / "model.pt")), ("connect", "127.0.0.1 80 "),
        ("connect", "203.0.113.9 443 example.org"), ("connect", "unix:/run/bus"), ("command", "python3"),
    ]  # fmt: skip
    text = "".join(json.dumps({"effect": kind, "what": what, "pid": 1}) + "\n" for kind, what in lines)
    (folder.recorded().path / "effects.jsonl").write_text(text)
    assert [str(effect) for effect in effects.effects(folder.recorded())] == [
        "connects to example.org:443",
        "deletes /home/me/data/theirs",
        "writes /home/me/cache/own",
    ]


def test_stdin_is_captured_once_from_where_it_stands_and_dev_null_is_not_read(tmp_path):
    code = (
        "import os; from pathlib import Path; from perfkit.launch.stdin import Stdin; os.read(0, 2)\n"
        "kept = Stdin.capture(Path('.')); print(kept.path, [os.read(kept.open(), 99).decode() for _ in range(2)])"
    )

    def told(**stdin):
        done = subprocess.run(
            [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True, **stdin
        )
        return done.stdout.split(None, 1)

    path, read = told(input="a\nb\n")
    assert read.strip() == repr(["b\n"] * 2)
    assert Path(path).parent == tmp_path
    assert told(stdin=subprocess.DEVNULL) == ["/dev/null", "['', '']\n"]
