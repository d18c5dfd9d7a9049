import hashlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

# The embedding is one kernel on few elements: cheap. The sleep is what a patch cannot take away, the float64 product is what
# it can.
DOUBLE = """
import sys, torch
torch.manual_seed(0)
model = torch.nn.Sequential(torch.nn.Linear(700, 700), torch.nn.ReLU(), torch.nn.Linear(700, 1)).double()
optimizer = torch.optim.SGD(model.parameters(), lr=1e-3)
data = torch.randn(64, 700, dtype=torch.float64)
for step in range(int(sys.argv[1]) if len(sys.argv) > 1 else 4000):
    loss = model(data).square().mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
torch.save(model.state_dict(), "model.pt")
"""


def tree(folder):
    """Every file below *folder* but perfkit's own, with its content's digest."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and ".perfkit" not in path.parts
    }


def test_what_cannot_be_meant_is_one_line(perfkit, train):
    for words, said in (
        (["tune"], "nothing to tune"),
        (["tune", "--fix", "autocst", train], "autocast"),
        (["tune", "--sweep", "--batch", train], "--sweep"),
        (["tune", "--resume"], "no interrupted tune"),
        (["tune", "--resume", train], "--resume takes no script"),
        (["tune", "--step-on", "nothing", train], "MODULE:FUNCTION"),
        (["tune", "missing.py"], "missing.py"),
    ):
        done = perfkit(*words)
        assert done.returncode == 2, words
        assert done.stdout == ""
        assert said in done.stderr.strip().splitlines()[-1]
        assert "Traceback" not in done.stderr


def test_the_fixes_there_are_can_be_listed(perfkit):
    done = perfkit("tune", "--fix", "help")
    assert done.returncode == 0
    assert "loader-workers" in done.stdout
    assert "autocast" in done.stdout


@pytest.mark.slow
def test_a_script_is_tuned_and_left_as_it_was(perfkit, script, tmp_path):
    script(DOUBLE)
    before = tree(tmp_path)
    done = perfkit(
        "tune", "--fix", "float32", "--fix", "loader-workers", "--steps", "24", "--max-minutes", "0.6", "--json", "tune.json",
        "script.py",
    )  # fmt: skip
    assert done.returncode in (0, 4), done.stderr
    (tmp_path / "tune.json").replace(tmp_path / ".perfkit" / "moved.json")
    assert tree(tmp_path) == before
    found = json.loads((tmp_path / ".perfkit" / "moved.json").read_text())
    by_name = {trial["fix"]["name"]: trial for trial in found["trials"]}
    workers = by_name["loader-workers"]
    assert (workers["verdict"], workers["measured"], workers["processes"]) == ("not-applicable", None, 0)
    assert workers["reason"]
    double = by_name["float32"]
    assert double["processes"] >= 1
    assert double["measured"] is not None
    assert double["loss"]["state"] in ("same", "within")
    assert "float32" in done.stdout
    assert "about" in done.stderr  # the time needed, before it is spent
    assert done.stderr.index("at most 0.6 min") < done.stderr.index("round 1")
    # The runs of a tune are no runs of the person's own.
    assert perfkit("runs", "list").stdout == ""


@pytest.mark.slow
def test_a_script_without_steps_cannot_be_tuned(perfkit, script):
    script("import torch\nprint(torch.ones(3).sum())\n")
    done = perfkit("tune", "script.py")
    assert done.returncode == 1
    assert "cannot be tuned" in done.stderr


@pytest.mark.slow
def test_a_script_that_breaks_says_how(perfkit, script):
    script("import torch\nraise ValueError('no data')\n")
    done = perfkit("tune", "script.py")
    assert done.returncode == 1
    assert "no data" in done.stderr.splitlines()[-1]


@pytest.mark.slow
def test_what_ctrl_c_left_is_gone_on_with(perfkit, script, tmp_path):
    script(DOUBLE)
    words = ["tune", "--fix", "nothing", "--steps", "16", "--max-minutes", "4", "--json", "-", "script.py"]
    environ = {k: v for k, v in os.environ.items() if not k.startswith("PERFKIT_")} | {"OMP_NUM_THREADS": "1"}
    running = subprocess.Popen(
        [sys.executable, "-m", "perfkit.cli.main", *words], cwd=tmp_path, env=environ, text=True, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
    )  # fmt: skip
    said = []
    deadline = time.monotonic() + 150
    while time.monotonic() < deadline and "round 1  baseline" not in "".join(said):  # it cannot be over yet
        line = running.stderr.readline()
        assert line, "".join(said)  # it has ended too early
        said.append(line)
    running.send_signal(signal.SIGINT)
    out, err = running.communicate(timeout=60)
    assert running.returncode == 130, "".join(said) + err
    first = json.loads(out.strip().splitlines()[-1])
    assert first["interrupted"] is True
    assert first["baseline"]["processes"] == 1
    assert "perfkit tune --resume" in err

    done = perfkit("tune", "--resume", "--max-minutes", "0.3", "--json", "-", stdin=subprocess.DEVNULL)
    assert done.returncode in (0, 4), done.stderr
    second = json.loads(done.stdout.strip().splitlines()[-1])
    assert second["id"] == first["id"]
    assert second["interrupted"] is False
    assert second["trials"][0]["processes"] >= first["trials"][0]["processes"]
    assert second["trials"][0]["verdict"] != "keep"
    assert "running the unchanged script" not in done.stderr
    assert "round 1  baseline" not in done.stderr  # measured before, and not again


# Does what a training script does to the world around it. Argument: where its processes leave their numbers.
BUSY = """
import os, sys
import torch
from torch.utils.data import DataLoader, TensorDataset

assert sys.stdin.readline() == "learning rate 0.1\\n"
def here(worker=None):
    os.write(pids, b"%d\\n" % os.getpid())
pids = os.open(sys.argv[1], os.O_WRONLY | os.O_APPEND)
here()
os.makedirs("logs/run", exist_ok=True)
events = open("logs/run/events.out", "ab")  # a tracker's file, open throughout
if os.path.exists("best.pt"):
    os.remove("best.pt")
open("notes.txt", "a").write("more")
torch.manual_seed(0)
model = torch.nn.Linear(64, 4)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
data = TensorDataset(torch.randn(160, 64), torch.randint(0, 4, (160,)))
loader = DataLoader(data, 8, num_workers=1, persistent_workers=True, worker_init_fn=here)
for epoch in range(100_000):
    for x, y in loader:
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        events.write(b"%f " % loss.item())
    events.flush()
    torch.save(model.state_dict(), "checkpoint.pt")
    model.load_state_dict(torch.load("checkpoint.pt"))
    with open("best.pt", "wb") as file:
        torch.save(optimizer.state_dict(), file)
"""


def scratch_of(folder):
    """Scratch folders of trials that ran in *folder*."""
    plans = [
        plan for parent in ("/var/tmp", "/tmp", "/dev/shm") for plan in Path(parent).glob("perfkit-????????/plan.json")
    ]
    return [plan.parent for plan in plans if str(folder) in plan.read_text()]


def living(pids_file):
    """Of the processes that left their numbers there, those that live."""
    found = []
    for pid in map(int, pids_file.read_text().split()):
        try:
            state = (Path("/proc") / str(pid) / "stat").read_text().rpartition(") ")[2][0]
        except FileNotFoundError:
            continue
        found += [] if state == "Z" else [pid]
    return found


def wait_for(condition, seconds):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and not condition():
        time.sleep(0.05)
    assert condition()


@pytest.fixture
def pids_file():
    """In /dev, to which trials may write."""
    with tempfile.NamedTemporaryFile(dir="/dev/shm") as file:
        yield Path(file.name)


def measured_in(folder):
    """The processes that the ledger of a tune holds by now."""
    return [
        row
        for ledger in folder.glob(".perfkit/tunes/*/tune.json")
        for row in json.loads(ledger.read_text())["processes"]
    ]


@pytest.mark.slow
def test_a_busy_script_is_tuned_without_a_trace_and_goes_on_after_a_kill(perfkit, script, tmp_path, pids_file):
    script(BUSY)
    (tmp_path / "best.pt").write_bytes(b"of another day")
    (tmp_path / "notes.txt").write_text("notes, ")
    before = tree(tmp_path)
    words = ["tune", "--fix", "nothing", "--steps", "16", "--max-minutes", "5", "-q", "script.py", str(pids_file)]
    environ = {k: v for k, v in os.environ.items() if not k.startswith("PERFKIT_")} | {"OMP_NUM_THREADS": "1"}
    running = subprocess.Popen(
        [sys.executable, "-m", "perfkit.cli.main", *words], cwd=tmp_path, env=environ, stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        running.stdin.write(b"learning rate 0.1\n")
        running.stdin.close()
        # The recorded run and the first round are over, and a process of the next has begun to train: nothing is decided yet.
        wait_for(lambda: running.poll() is not None or measured_in(tmp_path), 120)
        so_far = len(pids_file.read_text().split())
        wait_for(lambda: running.poll() is not None or len(pids_file.read_text().split()) > so_far, 120)
        assert running.poll() is None
        assert living(pids_file)
    finally:
        running.kill()  # SIGKILL: perfkit itself can do nothing any more
        running.wait()
    wait_for(lambda: not living(pids_file), 30)  # a loader's worker looks for its parent every few seconds
    assert tree(tmp_path) == before
    (ledger,) = tmp_path.glob(".perfkit/tunes/*/tune.json")
    first = json.loads(ledger.read_text())
    assert first["finished"] is False
    assert {(row["arm"], row["round"]) for row in first["processes"]} == {("baseline", 0), ("nothing", 0)}

    # The same again, less time: what it read then is read again, from no stdin at all.
    done = perfkit(*(word if word != "5" else "0.3" for word in words), stdin=subprocess.DEVNULL)
    assert done.returncode in (0, 4), done.stderr
    assert tree(tmp_path) == before
    assert living(pids_file) == []
    assert scratch_of(tmp_path) == []  # nor that of the trial that was killed
    second = json.loads(ledger.read_text())
    assert (second["finished"], second["id"]) == (True, first["id"])
    assert [row["run"] for row in second["processes"][:2]] == [row["run"] for row in first["processes"]]
    assert not list(ledger.parent.glob("stdin-*"))  # the user's data is kept no longer than it is needed
    for row in second["processes"]:  # each trial's proof
        found = [(fix["name"], fix["state"]) for fix in row["figures"]["fixes"]]
        assert found == ([("nothing", "applied")] if row["arm"] == "nothing" else [])
        assert row["state"] == "measured"
