"""Runs small scripts under the guest alone (no launcher) and reads what they recorded."""

import json
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


class Warm:
    """Runs scripts in forks of one process that has imported torch (warm.py)."""

    def __init__(self):
        words = [sys.executable, Path(__file__).with_name("warm.py")]
        env = guest_environment("")
        self._process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=env)

    def run(self, script, folder, environment):
        """As subprocess.run of a Python with *script*, in that folder and with that environment."""
        outputs = {name: str(folder / f"{name}.txt") for name in ("stdout", "stderr")}
        request = {"script": str(script), "folder": str(folder), "environment": environment, **outputs}
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        assert answer, "the process with torch has died"
        texts = {name: Path(path).read_text() for name, path in outputs.items()}
        return subprocess.CompletedProcess([str(script)], int(answer), **texts)

    def end(self):
        self._process.stdin.close()
        self._process.wait(30)
        self._process.stdout.close()


@pytest.fixture(scope="session")
def warm():
    """The one `Warm`, made when it is first wanted."""
    made = Warm()
    yield made
    made.end()


@pytest.fixture
def record(tmp_path, request):
    """record(script, **options) -> Outcome; prelude=False for a script that stands alone.

    A process of its own for each; with fresh=False a fork of one that has imported torch already.
    """

    def go(
        script, *, prelude=True, check=True, environment=None, python=(sys.executable,), cwd=None, fresh=True, **options
    ):
        run_dir = tmp_path / "run"
        run_dir.mkdir(exist_ok=True)
        file = tmp_path / "script.py"
        file.write_text((PRELUDE if prelude else "") + textwrap.dedent(script))
        env = guest_environment(run_dir, **options) | (environment or {})
        if not fresh:
            assert environment is None and python == (sys.executable,) and cwd is None
            done = request.getfixturevalue("warm").run(file, tmp_path, env)
            if check:
                assert done.returncode == 0, done.stderr
            return Outcome(done.returncode, done.stdout, done.stderr, Run(run_dir))
        done = subprocess.run(
            [*python, str(file)], env=env, capture_output=True, text=True, timeout=240, cwd=cwd or tmp_path
        )
        if check:
            assert done.returncode == 0, done.stderr
        return Outcome(done.returncode, done.stdout, done.stderr, Run(run_dir))

    return go
