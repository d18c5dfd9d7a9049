"""A fix acts in a script that knows nothing of it, and proves it; a variable that the script does not read changes nothing."""

import pytest

from perfkit.api import load
from perfkit.runs.fixes import fixes

pytestmark = pytest.mark.slow

# Tells of itself who loads its batches, how large they are, and in what its model computes.
TRAIN = """
import json, os
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset

class Pictures(Dataset):
    def __len__(self):
        return 256
    def __getitem__(self, index):
        return torch.full((16,), index / 256), index % 4, os.getpid()

class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.hidden, self.head = nn.Linear(16, 32), nn.Linear(32, 4)
    def forward(self, x):
        hidden = self.hidden(x)
        kinds.add(str(hidden.dtype))
        return self.head(hidden.relu())

kinds, loaders, sizes = set(), set(), set()
torch.manual_seed(0)
model = Model()
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for epoch in range(2):
    for x, y, pid in DataLoader(Pictures(), batch_size=16, shuffle=True):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        loaders.update(pid.tolist())
        sizes.add(len(x))
print(json.dumps({"workers": len(loaders - {os.getpid()}), "sizes": sorted(sizes), "kinds": sorted(kinds),
                  "threads": torch.get_num_threads(), "loss": loss.item()}))
"""
# As tuners pass on what they would try: names of their own, some with the prefix of one.
VARIABLES = {
    f"{prefix}{name}": value
    for prefix in ("", "FRX_", "TUNE_", "TORCH_")
    for name, value in {
        "NUM_WORKERS": "2", "DATALOADER_NUM_WORKERS": "2", "BATCH_SIZE": "64", "AMP_DTYPE": "bf16", "USE_AMP": "1",
        "PIN_MEMORY": "1", "CHANNELS_LAST": "1",
    }.items()
}  # fmt: skip
FIXES = ("loader-workers=2", "batch-size=64", "autocast=bfloat16")


def proofs(found):
    return {row["name"]: row for row in fixes(load(found.document["run"]["path"]))}


def test_a_variable_that_nothing_reads_changes_nothing_and_a_fix_proves_that_it_acted(profiled):
    quickly = ("--no-trace", "--no-stacks")
    plain = profiled(TRAIN)
    with_variables = profiled(TRAIN, variables=VARIABLES)
    with_fixes = profiled(TRAIN, options=(*quickly, *(f"--with={fix}" for fix in FIXES)))
    assert (plain.own["workers"], plain.own["sizes"], plain.own["kinds"]) == (0, [16], ["torch.float32"])
    assert with_variables.own == plain.own  # to the last bit of its loss
    assert proofs(with_variables) == {}
    assert (with_fixes.own["workers"] > 0, with_fixes.own["sizes"]) == (True, [64])
    assert with_fixes.own["kinds"] == ["torch.bfloat16"]
    found = proofs(with_fixes)
    assert {name: row["state"] for name, row in found.items()} == dict.fromkeys(
        ("loader-workers", "batch-size", "autocast"), "applied"
    )
    assert found["autocast"]["count"] == len(with_fixes.steps)
