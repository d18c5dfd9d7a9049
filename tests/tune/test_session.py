"""Whole tunes of real scripts: what is screened within one process first, and what happens where that breaks."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

# Short turns and a single round, so that a whole tune takes seconds.
DRIVE = """
import sys
from perfkit.cli.main import main
from perfkit.tune import plan, session
plan.TURN_S, plan.MOST_ROUNDS, session.BASELINE_STEADY_S = 0.02, 1, 0.5
main(["tune", *sys.argv[1:]])
"""

# Filling with zeros and adding costs more here than the product itself.
FILLING = """
import torch
torch.manual_seed(0)
model = torch.nn.Linear(2000, 1000)
optimizer = torch.optim.SGD(model.parameters(), lr=1e-3)
data = torch.randn(2, 2000)
for step in range(20000):
    optimizer.zero_grad(set_to_none=False)
    model(data).square().mean().backward()
    optimizer.step()
"""
FIXES = ("nothing", "zero-grad-none", "threads=1")


@pytest.fixture
def tuned(tmp_path):
    """tuned(script, *fixes, launcher=words before it) -> (the document, the finished process)."""

    def go(text, *fixes, launcher=()):
        (tmp_path / "script.py").write_text(text)
        asked = [word for fix in fixes for word in ("--fix", fix)]
        environ = {k: v for k, v in os.environ.items() if not k.startswith("PERFKIT_")} | {"OMP_NUM_THREADS": "1"}
        done = subprocess.run(
            [sys.executable, "-c", DRIVE, *asked, "--steps", "24", "--max-minutes", "3", "--json", "tune.json", *launcher, "script.py"],
            cwd=tmp_path, env=environ, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=240, check=False,
        )  # fmt: skip
        assert done.returncode in (0, 4), done.stderr
        return json.loads((tmp_path / "tune.json").read_text()), done

    return go


def test_fixes_that_can_be_switched_are_screened_within_one_process_first(tuned):
    found, done = tuned(FILLING, *FIXES, "loader-workers=2")
    assert found["screening"]["broken"] == ""
    told = {fix["label"]: fix for fix in found["screening"]["fixes"]}
    trials = {trial["label"]: trial for trial in found["trials"]}
    assert set(told) == {label for label, trial in trials.items() if trial["fix"]["name"] != "loader-workers"}
    for label, first in told.items():
        trial = trials[label]
        if first["state"] == "survives":
            assert trial["processes"] == 1
        else:
            assert (trial["verdict"], trial["reason"], trial["processes"]) == (first["state"], first["reason"], 0)
    assert told["zero grad none"]["stretches"] >= 6
    assert told["zero grad none"]["estimate"] is not None
    assert told["threads 1 → 1"]["state"] == "not-applicable"
    assert "keep" not in {
        trial["verdict"] for trial in trials.values()
    }  # whatever was screened: a single round proves nothing
    assert done.stderr.index("at most 3 min") < done.stderr.index("screening within one process")
    assert "took turns with the plain script within one process" in done.stdout


def test_a_script_that_breaks_under_a_fix_is_tuned_without_the_screening(tuned):
    needs_gradients = "    assert step == 0 or model.weight.grad is not None\n"
    found, _ = tuned(FILLING.replace("    model(data)", needs_gradients + "    model(data)"), *FIXES)
    assert found["screening"]["broken"].startswith("zero-grad-none was on: ")
    assert any("all fixes go to the rounds" in note for note in found["notes"])
    trials = {trial["fix"]["name"]: trial for trial in found["trials"]}
    assert trials["zero-grad-none"]["verdict"] == "drop"
    assert "AssertionError" in trials["zero-grad-none"]["reason"]
    assert trials["nothing"]["processes"] == 1


WITHOUT_TORCH = """
import time
import perfkit
for step in range(2000):
    time.sleep(0.002)
    perfkit.step()
"""


def test_a_fix_for_torch_does_not_apply_to_a_script_without_it(tuned):
    found, _ = tuned(WITHOUT_TORCH, "loader-workers=2")
    (trial,) = found["trials"]
    assert (trial["verdict"], trial["processes"]) == ("not-applicable", 0)
    assert trial["reason"] == "loader-workers is for PyTorch, which the script does not use"


PREPARED = """
import torch
from torch.utils.data import DataLoader, Dataset
torch.manual_seed(0)
class Prepared(Dataset):
    def __len__(self): return 320
    def __getitem__(self, i): return torch.tensor([sum(k * i % 7 for k in range(2000)) % 10.0] * 16), i % 4
model = torch.nn.Linear(16, 4)
optimizer = torch.optim.SGD(model.parameters(), lr=1e-3)
loader = DataLoader(Prepared(), batch_size=16, shuffle=True)
for epoch in range(200):
    for x, y in loader:
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(model(x), y).backward()
        optimizer.step()
"""


def test_samples_that_are_kept_are_measured_and_what_that_costs_at_first_is_told(tuned):
    found, _ = tuned(PREPARED, "sample-cache")
    (trial,) = found["trials"]
    assert trial["label"] == "samples kept in memory"
    assert trial["processes"] == 1
    assert trial["estimate"] > 0.5
    assert trial["loss"]["state"] == "same"
    assert "before the first batch, in " in trial["reason"]


RANKS = """
import torch
torch.manual_seed(0)
torch.distributed.init_process_group("gloo")
model = torch.nn.parallel.DistributedDataParallel(torch.nn.Linear(64, 8))
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for step in range(4000):
    optimizer.zero_grad(set_to_none=False)
    model(torch.randn(16, 64)).square().mean().backward()
    optimizer.step()
"""
TORCHRUN = ("--", sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--standalone")


def test_ranks_below_torchrun_are_one_process_of_the_search(tuned):
    found, _ = tuned(RANKS, "zero-grad-none", launcher=TORCHRUN)
    assert found["screening"] is None  # ranks would have to switch together
    assert [trial["processes"] for trial in found["trials"]] == [1]
    ledger = json.loads((Path(found["path"]) / "tune.json").read_text())
    by_arm = {row["arm"]: row for row in ledger["processes"]}
    assert set(by_arm) == {"baseline", "zero grad none"}
    for arm, row in by_arm.items():
        assert (row["state"], row["exit_code"]) == ("measured", 0), arm
        assert row["figures"]["samples_per_step"] == 16  # of one rank
        assert [fix["state"] for fix in row["figures"]["fixes"]] == (["applied"] if arm != "baseline" else [])


def test_the_processes_of_a_round_take_turns(tuned):
    found, done = tuned(FILLING, "zero-grad-none")
    (trial,) = found["trials"]
    assert trial["processes"] == 1
    assert trial["estimate"] > 0.1
    assert "in turns of" in done.stderr
    ledger = json.loads((Path(found["path"]) / "tune.json").read_text())
    legs = {row["arm"]: row["figures"]["legs"] for row in ledger["processes"]}
    assert set(legs) == {"baseline", "zero grad none"}
    assert all(len(of_arm) >= 8 and None not in of_arm for of_arm in legs.values())
