"""Runs small scripts under the guest alone (no launcher) and reads what they recorded."""

import os
import subprocess
import sys
import textwrap
from dataclasses import dataclass
from pathlib import Path

import pytest

import perfkit
from perfkit.runs.reader import RankRecording, Run

GUEST_PATH = Path(perfkit.__file__).parent / "inside" / "path"

# A model, an optimizer and data that every script here may use.
PRELUDE = """
import torch, time, sys, os
from torch import nn
from torch.utils.data import DataLoader, TensorDataset
torch.manual_seed(0)
torch.set_num_threads(1)
def net():
    return nn.Sequential(nn.Linear(16, 32), nn.ReLU(), nn.Linear(32, 4))
def data(n=320):
    return TensorDataset(torch.randn(n, 16), torch.randint(0, 4, (n,)))
lossf = nn.functional.cross_entropy
"""


@dataclass(frozen=True)
class Outcome:
    """A finished script: its output, and the run that the guest recorded."""

    returncode: int
    stdout: str
    stderr: str
    run: Run

    @property
    def ranks(self) -> list[RankRecording]:
        return self.run.ranks

    @property
    def rank(self) -> RankRecording:
        assert len(self.ranks) == 1, [r.name for r in self.ranks]
        return self.ranks[0]

    def steps(self):
        from perfkit.analyze.steps import derive

        return derive(self.rank)


def guest_environment(run_dir, **options):
    text = ";".join(f"{key}={value}" for key, value in options.items())
    path = os.pathsep.join(filter(None, (str(GUEST_PATH), os.environ.get("PYTHONPATH"))))
    return dict(
        os.environ,
        PYTHONPATH=path,
        PERFKIT_GUEST_RUN=str(run_dir),
        PERFKIT_GUEST_OPTIONS=text,
        OMP_NUM_THREADS="1",
        KINETO_LOG_LEVEL="99",
        PYTHONDONTWRITEBYTECODE="1",
    )


@pytest.fixture
def record(tmp_path):
    """record(script, **options) -> Outcome; prelude=False for a script that stands alone."""

    def go(script, *, prelude=True, check=True, environment=None, python=(sys.executable,), cwd=None, **options):
        run_dir = tmp_path / "run"
        run_dir.mkdir(exist_ok=True)
        file = tmp_path / "script.py"
        file.write_text((PRELUDE if prelude else "") + textwrap.dedent(script))
        env = guest_environment(run_dir, **options) | (environment or {})
        done = subprocess.run(
            [*python, str(file)], env=env, capture_output=True, text=True, timeout=240, cwd=cwd or tmp_path
        )
        if check:
            assert done.returncode == 0, done.stderr
        return Outcome(done.returncode, done.stdout, done.stderr, Run(run_dir))

    return go
