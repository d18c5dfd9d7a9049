"""Trials in turns: one runs and the others are stopped, with their workers, and nothing is left of any of them."""

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from itertools import pairwise
from pathlib import Path

import pytest

from perfkit.launch import relay, trial
from perfkit.launch.request import Request
from perfkit.launch.stdin import Stdin
from perfkit.runs.reader import Run

pytestmark = [
    pytest.mark.slow, pytest.mark.skipif(not relay.is_possible(), reason="nobody is stopped and continued here")
]  # fmt: skip

# Notes when each of its steps ended, and what its loader's worker has prepared by then, in a file in /dev/shm, which passes.
SCRIPT = """
import os, sys, time
import torch
from torch.utils.data import DataLoader, Dataset

notes = open(sys.argv[1], "a", buffering=1)
class Prepared(Dataset):
    def __len__(self): return 100_000
    def __getitem__(self, i):
        time.sleep(0.002)
        notes.write(f"item {time.monotonic_ns()} {os.getpid()}\\n")
        return torch.ones(4)
model = torch.nn.Linear(4, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
for step, x in enumerate(DataLoader(Prepared(), batch_size=1, num_workers=1, prefetch_factor=64)):
    if "fails" in sys.argv and step == 60:
        raise ValueError("as asked")
    optimizer.zero_grad(); model(x).sum().backward(); optimizer.step()
    time.sleep(0.005)
    notes.write(f"step {time.monotonic_ns()} {os.getpid()}\\n")
"""
LIMITS = {"steps": 1, "legs": 4, "leg_steps": 10, "leg_s": 0.1, "seconds": 120, "wall_s": 180}


@pytest.fixture
def notes():
    files = [Path(f"/dev/shm/perfkit-test-{os.getpid()}-{name}") for name in "ab"]
    for file in files:
        file.touch()
    yield files
    for file in files:
        file.unlink()


@pytest.fixture
def orders(tmp_path, notes, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "train.py").write_text(SCRIPT)

    def made(*args, **limits):
        found = []
        for file in notes:
            request = Request(
                kind="script", target=str(tmp_path / "train.py"), args=(str(file), *(args if file == notes[0] else ())),
                results_root=tmp_path / "results", stacks=False,
            )  # fmt: skip
            bounds = trial.Limits(**{**LIMITS, **limits})
            found.append(
                relay.Order(request=request, limits=bounds, stdin=Stdin.nothing(), method=trial.method_for(request))
            )
        return found

    return made


def legs_of(done):
    return [(fact["from_ns"], fact["to_ns"]) for fact in Run(done.trial.run).ranks[0].facts_of("leg")]


def noted(file, kind):
    return [int(line.split()[1]) for line in file.read_text().splitlines() if line.startswith(kind)]


def test_one_runs_at_a_time_and_its_workers_with_it(orders, notes):
    first, second = relay.run(orders())
    assert (first.trial.state, second.trial.state) == ("complete", "complete")
    legs = {name: legs_of(done) for name, done in (("a", first), ("b", second))}
    assert {name: len(found) for name, found in legs.items()} == {"a": 4, "b": 4}
    flat = sorted((begin, end, name) for name, found in legs.items() for begin, end in found)
    assert all(left[1] <= right[0] for left, right in pairwise(flat))
    assert [name for _, _, name in flat] == list("abbaabba")  # forwards and backwards in turn
    for name, file, other in (("a", notes[0], "b"), ("b", notes[1], "a")):
        for kind in ("step", "item"):
            at = noted(file, kind)
            assert at
            during_the_others = [t for t in at for begin, end in legs[other] if begin < t < end]
            assert not during_the_others, (name, kind)


def test_the_time_that_it_was_made_to_wait_counts_neither_as_its_own_nor_against_its_limits(orders):
    started = time.monotonic()
    found = relay.run(orders(seconds=60))
    took = time.monotonic() - started
    assert sum(done.wall_s for done in found) < took + 1
    assert all(done.wall_s < 0.8 * took for done in found)


def test_where_one_fails_the_other_goes_on(orders):
    failed, other = relay.run(orders("fails"))
    assert (failed.trial.state, failed.trial.reason) == ("failed", "ValueError: as asked")
    assert other.trial.state == "complete"
    assert len(legs_of(other)) == 4


def test_what_cannot_be_run_is_an_error_here(orders):
    one, other = orders()
    missing = Request(kind="command", target="no-such-program", results_root=one.request.results_root, stacks=False)
    broken = relay.Order(request=missing, limits=other.limits, stdin=other.stdin, method=other.method)
    with pytest.raises(Exception, match="no-such-program"):
        relay.run([one, broken])


DRIVE = """
import pickle, sys
from perfkit.launch import relay
if __name__ == "__main__":
    relay.run(pickle.load(open(sys.argv[1], "rb")))
"""


def stopped_and_running(notes):
    """Pids of both scripts, once one of them waits for its leg."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        pids = [file.read_text().split()[-1] for file in notes if file.read_text().endswith("\n")]
        if len(pids) == 2:
            groups = [os.getpgid(int(pid)) for pid in pids]
            states = [Path(f"/proc/{group}/stat").read_text().rpartition(")")[2].split()[0] for group in groups]
            if "T" in states:
                return groups
        time.sleep(0.01)
    raise AssertionError("nobody waited")


def members(groups):
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                fields = Path(f"/proc/{entry}/stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if int(fields[2]) in groups and fields[0] != "Z":
                found.append(int(entry))
    return found


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_when_we_are_ended_nobody_stays_stopped_or_running(number, orders, notes, tmp_path):
    import pickle

    (tmp_path / "orders").write_bytes(pickle.dumps(orders(legs=10_000, seconds=600, wall_s=900)))
    (tmp_path / "drive.py").write_text(textwrap.dedent(DRIVE))
    process = subprocess.Popen([sys.executable, "drive.py", "orders"], cwd=tmp_path, stderr=subprocess.DEVNULL)
    groups = stopped_and_running(notes)
    assert members(groups)
    process.send_signal(number)
    process.wait(timeout=60)
    deadline = time.monotonic() + 30
    while members(groups) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert members(groups) == []


def test_a_script_whose_supervisor_is_killed_ends_by_itself(orders, notes, tmp_path):
    import pickle

    (tmp_path / "orders").write_bytes(pickle.dumps(orders(legs=10_000, seconds=600, wall_s=900)))
    (tmp_path / "drive.py").write_text(textwrap.dedent(DRIVE))
    process = subprocess.Popen([sys.executable, "drive.py", "orders"], cwd=tmp_path, stderr=subprocess.PIPE)
    groups = stopped_and_running(notes)
    for group in groups:
        status = Path(f"/proc/{group}/status").read_text()
        parent = int(next(line.split()[1] for line in status.splitlines() if line.startswith("PPid:")))
        os.kill(parent, signal.SIGKILL)
    _, err = process.communicate(timeout=60)
    assert b"told nothing" in err
    deadline = time.monotonic() + 30
    while members(groups) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert members(groups) == []


def test_a_run_of_a_relay_tells_its_legs_and_its_pauses(orders):
    (done, _) = relay.run(orders())
    facts = [json.loads(line) for line in (done.trial.run / "rank-00000" / "facts.jsonl").read_text().splitlines()]
    legs = [fact for fact in facts if fact["fact"] == "leg"]
    pauses = [fact for fact in facts if fact["fact"] == "pause"]
    assert [leg["leg"] for leg in legs] == [0, 1, 2, 3]
    assert all(leg["steps"] >= 2 for leg in legs)
    assert len(pauses) == 4
    assert all(pause["to_ns"] < leg["from_ns"] for pause, leg in zip(pauses, legs, strict=True))
