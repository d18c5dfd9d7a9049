"""The card's figures against what the script, or somebody beside it, measured of the same run."""

import itertools
import json
import math
import re
import statistics
import subprocess
import textwrap
import time
from pathlib import Path

import psutil
import pytest

pytestmark = pytest.mark.slow

TRAIN = """
import json, sys, time
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

BATCH, LENGTH, EPOCHS, ROWS = 6, 24, 60, 123  # the last batch of an epoch has three rows

class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed, self.mix, self.head = nn.Embedding(50, 64), nn.Linear(64, 64), nn.Linear(64, 50)
    def forward(self, ids):
        return self.head(torch.relu(self.mix(self.embed(ids))))

model = Model()
optimizer = torch.optim.AdamW(model.parameters(), 1e-3)
loader = DataLoader(TensorDataset(torch.randint(0, 50, (ROWS, LENGTH))), BATCH)
ends, samples, tokens, losses = [time.perf_counter()], [], [], []
for epoch in range(EPOCHS):
    for (ids,) in loader:
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(ids).flatten(0, 1), ids.flatten())
        loss.backward()
        optimizer.step()
        ends.append(time.perf_counter())
        samples.append(ids.shape[0])
        tokens.append(ids.numel())
print(json.dumps({"ends": ends, "samples": samples, "tokens": tokens}), flush=True)
sys.exit(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
"""
STEPS = 60 * 21

HOLD = """
import json, os, time
import torch
from torch.utils.data import DataLoader, Dataset

MB = 1 << 20
shared = bytearray(b"x") * (80 * MB)  # before the fork: every process has it, once

class Holding(Dataset):
    held = None
    def __len__(self):
        return 96
    def __getitem__(self, index):
        if self.held is None:
            self.held = bytearray(b"x") * (120 * MB)  # in each worker
        time.sleep(0.02)
        return torch.full((8,), float(shared[index])), 0

def main():
    model = torch.nn.Linear(8, 2)
    optimizer = torch.optim.SGD(model.parameters(), 0.001)
    with open("pid", "w") as file:
        file.write(str(os.getpid()))
    steps = 0
    for epoch in range(2):
        for x, y in DataLoader(Holding(), 2, num_workers=2):
            loss = torch.nn.functional.cross_entropy(model(x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            steps += 1
    print(json.dumps({"steps": steps}))

if __name__ == "__main__":
    main()
"""


@pytest.fixture(scope="module")
def plain(profiled):
    """Nothing but the marks, so that every step after warm-up counts."""
    return profiled(TRAIN)


@pytest.fixture(scope="module")
def usual(profiled):
    """As a person runs it, with a trace window and stack samples; the script exits with 7."""
    return profiled(TRAIN, "7", options=())


def durations(run):
    ends = run.own["ends"]
    return [after - before for before, after in itertools.pairwise(ends)]


@pytest.mark.parametrize("run", ["plain", "usual"])
def test_the_median_step_is_the_scripts_own(run, request):
    run = request.getfixturevalue(run)
    own = statistics.median(run.steady(durations(run)))
    assert run.document["steps"]["count"] == STEPS
    assert run.document["steps"]["median_s"] == pytest.approx(own, rel=0.01, abs=20e-6)


def test_the_95th_percentile_is_the_scripts_own(plain):
    own = statistics.quantiles(plain.steady(durations(plain)), n=20, method="inclusive")[-1]
    assert plain.document["steps"]["p95_s"] == pytest.approx(own, rel=0.02, abs=20e-6)


@pytest.mark.parametrize("run", ["plain", "usual"])
@pytest.mark.parametrize("unit", ["samples", "tokens"])
def test_throughput_is_the_scripts_count_over_its_own_stopwatch(run, unit, request):
    run = request.getfixturevalue(run)
    count, seconds = run.steady(run.own[unit]), run.steady(durations(run))
    steps = run.document["steps"]
    assert steps[f"{unit}_per_step"] * len(count) == pytest.approx(sum(count))
    allowed = max(0.01, 20e-6 / statistics.mean(seconds))  # what the step itself is allowed
    assert steps[f"{unit}_per_s"] == pytest.approx(sum(count) / sum(seconds), rel=allowed)


@pytest.mark.parametrize("run", ["plain", "usual"])
def test_shares_sum_to_the_whole(run, request):
    document = request.getfixturevalue(run).document
    for view in ("breakdown", "run_breakdown"):
        assert sum(row["share"] for row in document[view]) == pytest.approx(1, abs=0.01), view
    wall = document["run"]["duration_s"]
    assert sum(row["seconds"] for row in document["run_breakdown"]) == pytest.approx(wall, rel=0.01)


def test_the_breakdown_sums_to_the_mean_step(plain):
    """Between the ends of the steps: this script does nothing that the step does not count."""
    total = sum(row["seconds_per_step"] for row in plain.document["breakdown"])
    own = statistics.mean(plain.steady(durations(plain)))
    assert total == pytest.approx(plain.document["steps"]["mean_s"], rel=1e-6)
    assert total == pytest.approx(own, rel=0.01, abs=20e-6)


def nulls(node, path=""):
    """Paths of all nulls and of numbers that are none, as ``unavailable`` writes them."""
    if node is None or (isinstance(node, float) and not math.isfinite(node)):
        yield path
    elif isinstance(node, dict):
        for key, value in node.items():
            yield from nulls(value, f"{path}.{key}" if path else key)
    elif isinstance(node, list):
        for value in node:
            yield from nulls(value, path + "[]")


@pytest.mark.parametrize("run", ["plain", "usual"])
def test_every_null_says_why(run, request):
    document = request.getfixturevalue(run).document
    missing = set(nulls(document))
    reasons = document["unavailable"]
    assert missing and missing <= set(reasons)
    unexplained = {
        path for path in missing if not re.search(r"\w+ \w+", reasons[path]) or reasons[path] == "not recorded"
    }
    assert not unexplained
    assert document["faults"] == {}


def test_the_exit_code_is_the_scripts_and_is_in_the_document(plain, usual):
    assert (plain.exit_code, plain.document["run"]["exit_code"], plain.document["run"]["status"]) == (0, 0, "finished")
    assert (usual.exit_code, usual.document["run"]["exit_code"], usual.document["run"]["status"]) == (7, 7, "failed")


def test_the_framework_is_told_apart_from_its_steps(usual):
    """The operators' time per step cannot exceed the step's; the window's steps are not in the headline."""
    document = usual.document
    assert document["framework"]["name"] == "torch" and document["mode"] == "training"
    assert document["steps"]["traced_count"] > 0
    assert document["steps"]["steady_count"] <= STEPS - document["steps"]["traced_count"]
    assert (
        0 < sum(row["seconds_per_step"] for row in document["hotspots"]) <= 1.1 * document["trace"]["profiled_step_s"]
    )


def proportional_bytes(pid):
    """What a process holds, shared pages by share, from the kernel's account of its mappings; 0 once it is gone."""
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    found = re.search(r"^Pss:\s+(\d+) kB", text, re.MULTILINE)
    return int(found[1]) * 1024 if found else 0


def tree_bytes(pid):
    try:
        root = psutil.Process(pid)
        members = [root, *root.children(recursive=True)]
    except psutil.NoSuchProcess:
        return 0
    found = sum(proportional_bytes(member.pid) for member in members)
    # One that ended between two readings left its part of the shared pages to those read after it: counted twice.
    return found if all(proportional_bytes(member.pid) for member in members) else 0


def test_peak_memory_counts_workers_and_shared_pages_once(tmp_path, perfkit_command, perfkit_environment):
    (tmp_path / "hold.py").write_text(textwrap.dedent(HOLD))
    process = subprocess.Popen(
        perfkit_command("--no-trace", "--no-stacks", "hold.py"), cwd=tmp_path, env=perfkit_environment,
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    peak, pid_file = 0, tmp_path / "pid"
    while process.poll() is None:
        if pid_file.exists() and pid_file.read_text():
            peak = max(peak, tree_bytes(int(pid_file.read_text())))
        time.sleep(0.02)
    output = process.stdout.read()
    process.stdout.close()
    assert process.returncode == 0 and json.loads(output)["steps"] == 96
    document = json.loads((tmp_path / "card.json").read_text())
    assert peak > (80 + 2 * 120) << 20  # what it holds for certain
    assert document["memory"]["host_peak_bytes"] == pytest.approx(peak, rel=0.05)
