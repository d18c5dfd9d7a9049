"""Real training scripts under supervision: windows that keep out of each other's way, ranks, workers, secrets."""

import os
import sys
import threading
import time
from pathlib import Path

import pytest

from perfkit.analyze import stacks
from perfkit.analyze.host_memory import host_memory
from perfkit.analyze.utilization import utilization
from perfkit.model import marks

pytest.importorskip("torch")
pytestmark = pytest.mark.slow

ENVIRON = {**os.environ, "OMP_NUM_THREADS": "1"}

TRAINING = """
    import sys, time
    import torch
    model = torch.nn.Linear(64, 64)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    def slow():
        time.sleep(0.01)
    for _ in range(int(sys.argv[1])):
        slow()
        optimizer.zero_grad()
        model(torch.randn(8, 64)).sum().backward()
        optimizer.step()
"""


def test_stacks_are_sampled_before_the_first_step_and_after_the_trace_window(supervised):
    done = supervised.run(TRAINING, "800", "--api-key", "plainsecret", stacks=True, env=ENVIRON)
    assert done.returncode == 0, done.stderr
    run = supervised.recorded
    states = {c.name: c.state for c in run.info.collectors}
    assert {name: states[name] for name in ("guest", "steps", "trace", "stacks", "host")} == dict.fromkeys(
        ("guest", "steps", "trace", "stacks", "host"), "on"
    )
    startup, steady = stacks.windows(run)
    assert (startup["name"], steady["name"]) == ("startup", "steady")
    table = run.ranks[0].marks
    kinds, times = table[:, 1] & 0xFF, table[:, 0]
    steps = times[kinds == marks.OPTIMIZER_EXIT]
    opened, closed = times[kinds == marks.WINDOW_START_ENTER], times[kinds == marks.WINDOW_STOP_EXIT]
    assert (steps < startup["end_ns"]).sum() <= 40  # it is ended at the first step, and that takes a moment
    assert steady["start_ns"] > closed.max()
    assert not ((opened > steady["start_ns"]) & (opened < steady["end_ns"])).any()
    assert (steps > steady["end_ns"]).sum() > 50
    hottest = stacks.hot_lines(run, window="steady")[0]
    assert (hottest["function"], hottest["line"]) == ("slow", 7)
    leaks = [p.name for p in run.path.rglob("*") if p.is_file() and b"plainsecret" in p.read_bytes()]
    assert leaks == []


def test_without_a_trace_window_the_steady_one_still_comes(supervised):
    done = supervised.run(TRAINING, "800", stacks=True, trace=False, env=ENVIRON)
    assert done.returncode == 0, done.stderr
    run = supervised.recorded
    assert run.ranks[0].traces == []
    steady = stacks.windows(run)[-1]
    assert (steady["name"], steady["samples"] > 20) == ("steady", True)
    assert 0.9e9 < steady["end_ns"] - steady["start_ns"] < 2.5e9
    assert stacks.hot_lines(run, window="steady")[0]["function"] == "slow"


def test_without_stacks_none_are_sampled(supervised):
    supervised.run(TRAINING, "10", env=ENVIRON)
    assert supervised.collector("stacks").state == "off"
    assert stacks.windows(supervised.recorded) == []


LOADING = """
    import time, torch
    from torch.utils.data import DataLoader, Dataset
    class Data(Dataset):
        def __init__(self):
            self.shared = torch.ones(40 * 2**20)  # 160 MB that every worker shares with its parent
        def __len__(self):
            return 6000
        def __getitem__(self, index):
            if not hasattr(self, "own"):
                self.own = b"x" * (20 * 2**20)
            time.sleep(0.002)
            return self.shared[index : index + 64].clone()
    if __name__ == "__main__":
        model = torch.nn.Linear(64, 64)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for batch in DataLoader(Data(), batch_size=8, num_workers=3):
            optimizer.zero_grad()
            model(batch).sum().backward()
            optimizer.step()
"""


def test_peak_memory_with_loader_workers_is_that_of_smaps(supervised, wait_for):
    process = supervised.start(LOADING, env=ENVIRON)
    highest = [0]

    def look():
        while process.poll() is None:
            highest[0] = max(highest[0], sum(_pss(pid) for pid in _descendants(process.pid)))
            time.sleep(0.1)

    looking = threading.Thread(target=look)
    looking.start()
    assert process.wait(90) == 0
    looking.join()
    run = supervised.recorded
    found = host_memory(run)
    # two samplers, each at its own moments, of processes that come and go
    assert found["host_peak_bytes"] == pytest.approx(highest[0], rel=0.1)
    lines = run.jsonl("host.jsonl")
    assert found["processes"] == 4
    roles = utilization(run, lines[0]["t"], lines[-2]["t"])["roles"]
    assert roles.keys() == {"main", "loader worker"}


def _descendants(pid: int) -> list[int]:
    """Below the supervisor, which is not part of the script; its canary is not either."""
    parents = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            _, rest = path.read_text().rsplit(")", 1)
        except OSError:
            continue
        parents[int(path.parent.name)] = int(rest.split()[1])
    found, pending = [], [c for c, p in parents.items() if p == pid and "script.py" in _command(c) and not _ours(c)]
    while pending:
        each = pending.pop()
        found.append(each)
        pending += [child for child, parent in parents.items() if parent == each]
    return found


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text()
    except OSError:
        return ""


def _ours(pid: int) -> bool:
    return "drive.py" in _command(pid)


def _pss(pid: int) -> int:
    try:
        text = Path(f"/proc/{pid}/smaps").read_text()
    except OSError:
        return 0
    return sum(int(line.split()[1]) for line in text.splitlines() if line.startswith("Pss:")) * 1024


DISTRIBUTED = """
    import time, torch, torch.distributed as dist
    dist.init_process_group("gloo")
    model = torch.nn.parallel.DistributedDataParallel(torch.nn.Linear(64, 64))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for _ in range(60):
        optimizer.zero_grad()
        model(torch.randn(8, 64)).sum().backward()
        optimizer.step()
        time.sleep(0.005)
    dist.destroy_process_group()
"""


def test_every_rank_below_torchrun_records_and_the_agent_is_no_rank(supervised):
    script = supervised.write(DISTRIBUTED)
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--standalone"]
    done = supervised.run_words("command", *torchrun, str(script), env=ENVIRON)
    assert done.returncode == 0, done.stderr
    run = supervised.recorded
    assert [rank.name for rank in run.ranks] == ["rank-00000", "rank-00001"]
    assert all((rank.marks[:, 1] & 0xFF == marks.OPTIMIZER_EXIT).sum() == 60 for rank in run.ranks)
    assert supervised.collector("steps").state == "on"


def test_a_killed_training_is_whole_up_to_its_last_steps(supervised, wait_for):
    process = supervised.start(TRAINING, "100000", env=ENVIRON)
    rank = supervised.root / "runs"
    wait_for(lambda: any((p / "rank-00000/marks.bin").exists() for p in rank.glob("*")), 60)
    time.sleep(1)
    os.kill(supervised.recorded.info.pid, 9)
    assert process.wait(20) == 137
    run = supervised.recorded
    assert (run.info.status, run.info.exit_code) == ("killed", 137)
    assert (run.ranks[0].marks[:, 1] & 0xFF == marks.OPTIMIZER_EXIT).sum() > 20
