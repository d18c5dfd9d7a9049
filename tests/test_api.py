"""What `import perfkit` offers in code."""

import itertools
import json
import os
import subprocess
import sys
import textwrap

import pytest

from perfkit import api
from perfkit.errors import UsageError

LOOP = """
import json, os, sys
import torch
import perfkit

def train(steps):
    model = torch.nn.Linear(8, 2)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for _ in range(steps):
        loss = model(torch.randn(16, 8)).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

if __name__ == "__main__":
    train(5)
    with perfkit.profile("results", no_trace=True, stacks=False) as run:
        train(60)
    train(5)
    print(run.path)
"""


@pytest.fixture
def python(tmp_path):
    """Run text as a script of its own; returns the finished process."""

    def run(text, *before, env=None):
        (tmp_path / "script.py").write_text(textwrap.dedent(text))
        environ = {k: v for k, v in os.environ.items() if not k.startswith("PERFKIT_")} | {"OMP_NUM_THREADS": "1"}
        return subprocess.run(
            [sys.executable, *before, "script.py"], cwd=tmp_path, env=environ, capture_output=True, text=True,
            timeout=120, check=False,
        )  # fmt: skip

    return run


@pytest.mark.slow
def test_habits_in_the_source_of_a_block_are_known_as_those_of_a_script_are(python, tmp_path):
    done = python(LOOP.replace("loss.backward()", "loss.backward(); loss.item()"))
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / done.stdout.strip() / "script.json").read_text())
    assert "item-in-loop" in json.dumps(found)


@pytest.mark.slow
def test_a_block_of_code_becomes_a_run_of_its_own(python, tmp_path):
    done = python(LOOP)
    assert done.returncode == 0 and done.stderr == "", done.stderr
    run = api.load(done.stdout.strip())
    document = api.document(run)
    assert document["steps"]["count"] == 60
    assert document["run"]["status"] == "finished"
    states = {row["name"]: row["state"] for row in document["collectors"]}
    assert states["host"] == "on" and states["steps"] == "on"
    assert api.load(results_dir=tmp_path / "results").path == run.path


@pytest.mark.slow
def test_a_block_that_raises_is_a_failed_run_and_the_error_is_the_users(python, tmp_path):
    done = python(LOOP.replace("        train(60)\n", "        train(60)\n        raise ValueError('mine')\n"))
    assert done.returncode == 1 and "ValueError: mine" in done.stderr
    assert api.load(results_dir=tmp_path / "results").info.status == "failed"


@pytest.mark.slow
def test_a_block_under_perfkit_profile_belongs_to_that_run(python, tmp_path):
    done = python(LOOP, "-m", "perfkit.cli.main", "profile", "-q", "--no-stacks", "--results-dir", "outer")
    assert done.returncode == 0, done.stderr
    assert os.path.dirname(done.stdout.strip()).endswith("outer/runs")
    assert not (tmp_path / "results").exists()
    assert api.document(api.load(done.stdout.strip()))["steps"]["count"] == 70


def test_marks_cost_nothing_and_do_nothing_outside_a_recording(python):
    done = python("import perfkit, sys\nperfkit.step()\nwith perfkit.region('x'):\n    print(len(sys.modules) < 200)")
    assert (done.stdout, done.stderr) == ("True\n", "")


def test_an_option_that_does_not_exist_is_refused():
    with pytest.raises(UsageError, match="no option 'trace_step'"):
        api.profile_block(trace_step=3)


@pytest.mark.slow
def test_the_script_and_its_document_agree_on_samples(python, tmp_path):
    """The script counts its own samples and time; the card's rate must be that."""
    text = """
    import time, json, torch
    from torch.utils.data import DataLoader, TensorDataset
    data = TensorDataset(torch.randn(6400, 32), torch.randint(0, 4, (6400,)))
    model = torch.nn.Sequential(torch.nn.Linear(32, 64), torch.nn.Linear(64, 4))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    ends = []
    for inputs, targets in DataLoader(data, batch_size=32):
        loss = torch.nn.functional.cross_entropy(model(inputs), targets)
        optimizer.zero_grad(); loss.backward(); optimizer.step()
        time.sleep(0.002)
        ends.append(time.perf_counter())
    print(json.dumps(ends))
    """
    done = python(text, "-m", "perfkit.cli.main", "profile", "-q", "--no-trace", "--no-stacks")
    ends = json.loads(done.stdout)
    steps = api.document(api.load(results_dir=tmp_path / ".perfkit"))["steps"]
    differences = sorted(b - a for a, b in itertools.pairwise(ends))
    assert steps["count"] == 200 and steps["samples_per_step"] == 32
    assert steps["median_s"] == pytest.approx(differences[len(differences) // 2], rel=0.05)
