"""Samples that are kept: the same training to the last bit, and only where nothing speaks against keeping them."""

import json
from textwrap import dedent

import pytest

PRELUDE = """
import gc, json, random, weakref
import numpy
from torch.utils.data import Dataset, IterableDataset, Subset, TensorDataset
random.seed(0); numpy.random.seed(0)
class Numbers(Dataset):
    reads = 0
    def __init__(self, n=96): self.n = n
    def __len__(self): return self.n
    def __getitem__(self, i):
        if i >= self.n: raise IndexError(i)
        Numbers.reads += 1
        return self.make(i), i % 4
    def make(self, i): return torch.full((16,), float(i))
seen = []
def fit(loader, epochs=3):
    for epoch in range(epochs):
        for x, y in loader:
            seen.append(x[:, 0].tolist())
            opt.zero_grad(); lossf(model(x), y).backward(); opt.step()
def told(**more):
    weights = sum(p.double().sum().item() for p in model.parameters())
    print(json.dumps({"seen": seen, "reads": Numbers.reads, "draws": [weights, torch.rand(1).item(), random.random(), numpy.random.rand()], **more}))
"""
MODEL = "model = nn.Sequential(net(), nn.Dropout(0.2)); opt = torch.optim.SGD(model.parameters(), 1e-4)\n"


@pytest.fixture
def train(apply):
    def go(script, *asked):
        outcome, rows = apply(PRELUDE + MODEL + dedent(script), *asked)
        return json.loads(outcome.stdout.splitlines()[-1]), rows.get("sample-cache")

    return go


KEPT = {
    "a shuffled loader": "data = Numbers(); fit(DataLoader(data, 8, shuffle=True)); told()",
    "made anew for each epoch": """
        data = Numbers()
        for epoch in range(3): fit(DataLoader(data, 8, shuffle=True), 1)
        told()""",
    "two loaders of one data set": "data = Numbers(); fit(DataLoader(data, 8, shuffle=True)); fit(DataLoader(data, 4)); told()",
    "a part of another": "data = Subset(Numbers(), list(range(40, 90))); fit(DataLoader(data, 8, shuffle=True)); told()",
    "indices that are tensors": """
        class Indices:
            def __len__(self): return 96
            def __iter__(self): return iter(torch.randperm(96))
        data = Numbers(); fit(DataLoader(data, 8, sampler=Indices())); fit(DataLoader(data, 8)); told()""",
}


@pytest.mark.parametrize("case", KEPT)
def test_kept_samples_make_the_same_training_from_fewer_reads(train, case):
    plain, _ = train(KEPT[case])
    with_us, row = train(KEPT[case], "sample-cache")
    assert row["state"] == "applied", row
    assert (with_us["seen"], with_us["draws"]) == (plain["seen"], plain["draws"])
    if case != "indices that are tensors":
        assert with_us["reads"] < plain["reads"]
    assert row["detail"]["samples"] in (96, 50)
    assert row["detail"]["fill_s"] >= 0


REFUSED = {
    "draws random numbers": "class Drawn(Numbers):\n    def make(self, i): return torch.full((16,), float(i)) + torch.rand(16)\ndata = Drawn()",
    "draws random numbers ": "class Drawn(Numbers):\n    def make(self, i): return torch.full((16,), i + random.random())\ndata = Drawn()",
    "draws random numbers  ": "class Drawn(Numbers):\n    def make(self, i): return torch.full((16,), i + numpy.random.rand())\ndata = Drawn()",
    "draws from a Generator of its own": """
class Drawn(Numbers):
    def __init__(self): super().__init__(); self.chance = numpy.random.default_rng(0)
    def make(self, i): return torch.full((16,), i + self.chance.random())
data = Drawn()""",
    "gives another sample when it is asked again": """
class Counted(Numbers):
    def make(self, i): return torch.full((16,), float(Numbers.reads))
data = Counted()""",
    "changes as it is read": """
class Counted(Numbers):
    last = 0
    def make(self, i):
        self.last = i
        return torch.full((16,), float(i))
data = Counted()""",
    "gives the same memory again": """
class Reused(Numbers):
    buffer = torch.zeros(16)
    def make(self, i): return self.buffer.fill_(float(i))
data = Reused()""",
    "that may be used": """
class Large(Numbers):
    def __len__(self): return 1 << 40
data = Large(1 << 40)""",
    "would take": """
import time
class Slow(Numbers):
    def make(self, i):
        time.sleep(0.01)
        return torch.full((16,), float(i))
data = Slow(10_000)""",
    "cannot be read": "class Broken(Numbers):\n    def make(self, i):\n        if i == 50: raise LookupError('no 50')\n        return torch.zeros(16)\ndata = Broken()",
    "lie in memory already": "data = TensorDataset(torch.zeros(96, 16), torch.zeros(96, dtype=torch.int64))",
    "samples are made on cpu, or with gradients": """
class Graded(Numbers):
    def make(self, i): return torch.ones(16, requires_grad=True) * i
data = Graded()""",
}


@pytest.mark.parametrize("reason", REFUSED)
def test_what_may_not_be_kept_is_left_alone_with_the_reason(train, reason):
    script = (
        REFUSED[reason]
        + """
import itertools
class First(torch.utils.data.Sampler):
    def __len__(self): return len(data)
    def __iter__(self): return iter(range(32))
loader = DataLoader(data, 8, sampler=First())
fit(([x.detach(), y] for x, y in loader), 1)
told()
"""
    )
    plain, _ = train(script)
    with_us, row = train(script, "sample-cache")
    assert row["state"] == "not-applicable"
    assert reason.strip() in row["reason"], row["reason"]
    assert with_us["draws"][1:] == plain["draws"][1:]


UNFIT_LOADERS = {
    "has workers": "loader = DataLoader(Numbers(), 8, num_workers=1)",
    "can only be iterated": """
class Stream(IterableDataset):
    def __iter__(self): return (Numbers()[i] for i in range(32))
loader = DataLoader(Stream(), 8)""",
    "own function": "loader = DataLoader(Numbers(), 8, collate_fn=lambda rows: [torch.stack([r[0] for r in rows]), torch.tensor([r[1] for r in rows])])",
    "reads only 16 of the 96": "loader = DataLoader(Numbers(), 8, sampler=range(16))",
}


@pytest.mark.parametrize("reason", UNFIT_LOADERS)
def test_loaders_whose_samples_are_not_its_business_are_left_alone(train, reason):
    _, row = train(UNFIT_LOADERS[reason] + "\nfit(loader, 2); told()", "sample-cache")
    assert row["state"] == "not-applicable"
    assert reason in row["reason"], row["reason"]


def test_a_data_set_that_the_script_changes_is_read_as_it_is_then(train):
    script = """
        class Moving(Numbers):
            add = 0
            def make(self, i): return torch.full((16,), float(i + self.add))
        data = Moving()
        loader = DataLoader(data, 8)
        for epoch in range(3):
            loader.dataset.add = 1000 * epoch
            fit(loader, 1)
        told()"""
    plain, _ = train(script)
    with_us, row = train(script, "sample-cache")
    assert with_us["seen"] == plain["seen"]
    assert "changed between epochs" in row["reason"]


def test_the_script_keeps_its_data_set_and_what_it_lets_go_of_goes(train):
    told, row = train(
        """
        data = Numbers(); loader = DataLoader(data, 8)
        fit(loader)
        batches = iter(loader)
        next(batches)
        same = loader.dataset is data
        gone = weakref.ref(data)
        del batches, loader, data
        gc.collect()
        told(same=same, gone=gone() is None)""",
        "sample-cache",
    )
    assert row["state"] == "applied"
    assert told["same"]
    assert told["gone"]
