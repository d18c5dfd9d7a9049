"""The change that a tune tells a person to make does what the fix did: the script as it was, with the fixes, and with the diff."""

import json
import subprocess
import sys

import pytest

from perfkit.model.records import Fix
from perfkit.tune.candidates import Candidate
from perfkit.tune.changes import changes

pytestmark = pytest.mark.slow

FIXES = {"float32": {}, "gc-freeze": {}, "allocator": {"host": "keep"}, "attention-backend": {"backend": "math"},
         "zero-grad-none": {}}  # fmt: skip

SCRIPT = """\
import gc
import json
import resource

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

told = {}


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.last = nn.Linear(16, 64), nn.Linear(64, 1)

    def forward(self, x):
        h = self.first(x)
        told["computes in"] = str(h.dtype)
        q = h.reshape(-1, 4, 4, 16)
        told["attention"] = int(torch._fused_sdp_choice(q, q, q))
        return self.last(nn.functional.scaled_dot_product_attention(q, q, q).reshape(-1, 64)).squeeze(-1)


rng = np.random.default_rng(0)
table = rng.normal(size=(640, 16))
loader = DataLoader(TensorDataset(torch.from_numpy(table), torch.from_numpy(table.sum(1))), batch_size=32)
torch.manual_seed(0)
model = Net().double()
optimizer = torch.optim.SGD(model.parameters(), lr=1e-2)
losses, faults = [], []
for epoch in range(2):
    for x, y in loader:
        optimizer.zero_grad(set_to_none=False)
        told["gradient"] = str(next(model.parameters()).grad)[:4]
        loss = nn.functional.mse_loss(model(x), y)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        torch.empty(1 << 26, dtype=torch.uint8).fill_(1)
        faults.append(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
told["parameters"] = str(next(model.parameters()).dtype)
told["frozen"] = gc.get_freeze_count() > 0
told["losses"] = losses
told["faults"] = min(faults[2:])
print(json.dumps(told))
"""


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    """What the script says of itself: (as it was, with the fixes, with the diff)."""
    folder = tmp_path_factory.mktemp("edits")
    (folder / "train.py").write_text(SCRIPT)
    found = [Fix(name=name, parameters=parameters) for name, parameters in FIXES.items()]
    made = changes(SCRIPT, "train.py", [Candidate(label=fix.name, fixes=(fix,)) for fix in found])
    assert made.by_hand == {}
    (folder / "new.py").write_text(SCRIPT)
    subprocess.run(["patch", "-s", "new.py"], input=made.diff, text=True, cwd=folder, check=True)

    def run(*command):
        done = subprocess.run([sys.executable, *command], cwd=folder, capture_output=True, text=True, check=True)
        return json.loads(done.stdout.splitlines()[0])

    asked = [word for fix in found for word in ("--with", _typed(fix))]
    return run("train.py"), run("-m", "perfkit", "profile", "-q", *asked, "train.py"), run("new.py")


def _typed(fix):
    pairs = ",".join(f"{key}={value}" for key, value in fix.parameters.items())
    return f"{fix.name}:{pairs}" if pairs else fix.name


@pytest.mark.parametrize("fact", ["computes in", "parameters", "gradient", "attention", "frozen"])
def test_the_diff_does_what_the_fix_did(told, fact):
    plain, with_fix, with_diff = told
    assert with_fix[fact] != plain[fact]
    assert with_diff[fact] == with_fix[fact]


def test_the_losses_are_those_of_the_same_training(told):
    plain, with_fix, with_diff = (figures["losses"] for figures in told)
    assert with_fix == pytest.approx(plain, rel=1e-4)
    assert with_diff == pytest.approx(plain, rel=1e-4)


def test_freed_memory_is_not_asked_of_the_kernel_again(told):
    plain, with_fix, with_diff = (figures["faults"] for figures in told)
    assert plain > 0
    assert with_fix < plain / 2
    assert with_diff < plain / 2
