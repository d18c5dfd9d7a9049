"""Runs the command as a person does: a process of its own, in a folder of its own."""

import os
import subprocess
import sys
import textwrap

import pytest

TRAIN = """
import sys, time
import torch
from torch.utils.data import DataLoader, Dataset

class Slow(Dataset):
    def __len__(self):
        return 160
    def __getitem__(self, index):
        time.sleep(0.0005)
        return torch.randn(16), index % 4

model = torch.nn.Sequential(torch.nn.Linear(16, 32), torch.nn.ReLU(), torch.nn.Linear(32, 4))
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
steps = 0
for epoch in range(int(sys.argv[1]) if len(sys.argv) > 1 else 8):
    for inputs, targets in DataLoader(Slow(), batch_size=16):
        loss = torch.nn.functional.cross_entropy(model(inputs), targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        steps += 1
print("trained", steps, "steps", flush=True)
"""


@pytest.fixture
def perfkit(tmp_path):
    """``perfkit("runs", "list")``: the finished process, with text in stdout and stderr."""

    def run(*args, env=None, **settings):
        environ = {k: v for k, v in os.environ.items() if not k.startswith(("PERFKIT_", "NO_COLOR"))}
        environ |= {"OMP_NUM_THREADS": "1", "PERFKIT_DEBUG": "1", **(env or {})}
        return subprocess.run(
            [sys.executable, "-m", "perfkit.cli.main", *args], cwd=settings.pop("cwd", tmp_path), env=environ,
            capture_output=True, text=True, timeout=120, check=False, **settings,
        )  # fmt: skip

    return run


@pytest.fixture
def script(tmp_path):
    """``script("print(1)")``: a script.py beside the results, its name returned."""

    def write(text, name="script.py"):
        (tmp_path / name).write_text(textwrap.dedent(text))
        return name

    return write


@pytest.fixture
def train(script):
    return script(TRAIN, "train.py")
