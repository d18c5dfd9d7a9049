"""Larger batches from the script's own loaders."""

import json

import pytest

pytestmark = pytest.mark.slow

LOADERS = """
import json
from torch.utils.data import BatchSampler, IterableDataset, RandomSampler, SequentialSampler, Sampler
class Evens(Sampler):
    def __len__(self): return 100
    def __iter__(self): return iter(range(0, 200, 2))
class Pairs:
    batch_size = 2
    def __len__(self): return 10
    def __iter__(self): return iter([[i, i + 1] for i in range(10)])
class Stream(IterableDataset):
    def __iter__(self): return iter(torch.arange(100))
class Whole(torch.utils.data.Dataset):
    def __len__(self): return 4
    def __getitem__(self, i): return torch.randn(8, 16)
data = TensorDataset(torch.arange(200))
loaders = {
    "shuffled": DataLoader(data, 16, shuffle=True),
    "dropping the rest": DataLoader(data, 16, drop_last=True),
    "sampler": DataLoader(data, 16, sampler=Evens()),
    "batch sampler": DataLoader(data, batch_sampler=BatchSampler(SequentialSampler(data), 16, False)),
    "stream": DataLoader(Stream(), 16),
    "larger": DataLoader(data, 100),
    "too few": DataLoader(TensorDataset(torch.arange(40)), 16),
    "own batches": DataLoader(data, batch_sampler=Pairs()),
    "whole": DataLoader(Whole(), batch_size=None),
}
def sizes():
    first = lambda batch: len(batch[0]) if isinstance(batch, list) else len(batch)
    return {name: [first(batch) for batch in loader] for name, loader in loaders.items()}
before = dict(sizes=sizes(), lengths={name: len(loader) for name, loader in loaders.items() if name != "stream"},
              told={name: loader.batch_size for name, loader in loaders.items()})
model = net(); opt = torch.optim.SGD(model.parameters(), 0.1)
for batch in loaders["shuffled"]:
    opt.zero_grad(); model(torch.randn(len(batch[0]), 16)).sum().backward(); opt.step()
"""


def test_every_kind_of_loader(apply):
    outcome, rows = apply(LOADERS + "print(json.dumps(before))", "batch-size=64")
    told = json.loads(outcome.stdout)
    sizes = told["sizes"]
    assert sizes["shuffled"] == [64, 64, 64, 8]
    assert sizes["dropping the rest"] == [64, 64, 64]
    assert sizes["sampler"] == [64, 36]
    assert sizes["batch sampler"] == [64, 64, 64, 8]
    assert sizes["stream"] == [64, 36]
    assert sizes["larger"] == [100, 100]
    assert sizes["too few"] == [16, 16, 8]
    assert sizes["own batches"] == [2] * 10
    assert sizes["whole"] == [8] * 4
    assert told["lengths"] == {name: len(seen) for name, seen in sizes.items() if name != "stream"}
    assert (told["told"]["shuffled"], told["told"]["batch sampler"], told["told"]["too few"]) == (64, None, 16)
    row = rows["batch-size"]
    assert (row["state"], row["count"]) == ("applied", 5)
    assert row["detail"] == {"batch_size": 64, "was": 16, "note": "the learning rate was not changed"}
    assert row["reason"].split("; ") == [
        "its batches hold 100 already",
        "TensorDataset has 40 samples only",
        "it makes its batches by a sampler of its own, Pairs",
        "its data set Whole gives whole batches (batch_size=None)",
    ]
    assert set(outcome.steps()["samples"]) == {64, 8}


def test_as_a_multiple_and_disarmed(apply):
    outcome, rows = apply(
        LOADERS
        + """
patch = sys.modules["_perfkit.inside.session"].current.patches[0]
ours = DataLoader.__init__
patch.disarm()
assert DataLoader.__init__ is ours.__wrapped__
print(json.dumps([before, dict(sizes=sizes(), told={name: loader.batch_size for name, loader in loaders.items()})]))
""",
        "batch-size:times=2",
    )
    with_us, after = json.loads(outcome.stdout)
    plain = json.loads(apply(LOADERS + "print(json.dumps(before))", environment={"PK_BATCH_SIZE": "99"})[0].stdout)
    assert with_us["sizes"]["shuffled"] == [32] * 6 + [8]
    assert with_us["sizes"]["larger"] == [200]
    assert rows["batch-size"]["detail"]["batch_size"] == 32
    assert (after["sizes"], after["told"]) == (plain["sizes"], plain["told"])
