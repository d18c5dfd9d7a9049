"""Batches loaded by workers: the same, in the same order, and the script goes on whatever becomes of the workers."""

import json
from textwrap import dedent

import pytest

pytestmark = pytest.mark.slow

# Every case tells the order of its batches, which processes loaded them, and numbers that depend on each random draw of the
# main process so far.
PRELUDE = """
import json, random, gc, multiprocessing, warnings
from torch.utils.data import Dataset, IterableDataset, WeightedRandomSampler, SubsetRandomSampler, get_worker_info
random.seed(0); warnings.simplefilter("ignore")  # torch's word about more workers than processors, which a test machine may lack
class Numbers(Dataset):
    def __init__(self, n=96): self.n = n; self.add = 0
    def __len__(self): return self.n
    def __getitem__(self, i): return torch.full((16,), float(i + self.add)), i % 4, os.getpid()
class Stream(IterableDataset):
    def __iter__(self):
        for i in range(40): yield Numbers()[i]
seen, pids, told = [], set(), {}
def step(batch):
    x, y, pid = batch
    seen.append(x[:, 0].tolist()); pids.update(pid.tolist())
    opt.zero_grad(); lossf(model(x), y).backward(); opt.step()
def case(name):
    weights = sum(p.double().sum().item() for p in model.parameters())
    told[name] = {"seen": list(seen), "draws": [weights, torch.rand(1).item(), random.random()],
                  "workers": len(pids - {os.getpid()}), "mine": os.getpid() in pids}
    seen.clear(); pids.clear()
"""
MODEL = "model = nn.Sequential(net(), nn.Dropout(0.2)); opt = torch.optim.SGD(model.parameters(), 1e-4)\n"


@pytest.fixture
def train(apply):
    """train(script, *fixes) -> (what the cases told, row of loader-workers)."""

    def go(script, *asked, model=MODEL, **options):
        outcome, rows = apply(PRELUDE + model + dedent(script) + "\nprint(json.dumps(told))\n", *asked, **options)
        return json.loads(outcome.stdout.splitlines()[-1]), rows.get("loader-workers")

    return go


ORDERS = """
loader = DataLoader(Numbers(), 8, shuffle=True)
for epoch in range(3):
    for batch in loader: step(batch)
case("shuffled, three epochs")
loader = DataLoader(Numbers(), 8, sampler=WeightedRandomSampler([i + 1.0 for i in range(96)], 60), drop_last=True)
for epoch in range(2):
    for batch in loader: step(batch)
case("weighted")
generator = torch.Generator(); generator.manual_seed(3)
loader = DataLoader(Numbers(), 7, sampler=SubsetRandomSampler(range(50), generator=generator), generator=generator)
for epoch in range(2):
    for batch in loader: step(batch)
case("a subset, with a generator of its own")
class Batches:
    def __len__(self): return 8
    def __iter__(self): return iter(torch.randperm(96)[:64].reshape(8, 8).tolist())
loader = DataLoader(Numbers(), batch_sampler=Batches())
for epoch in range(2):
    for batch in loader: step(batch)
case("a batch sampler that draws as it is started")
del loader
for epoch in range(3):
    for batch in DataLoader(Numbers(), 8, shuffle=True): step(batch)
assert not multiprocessing.active_children()
case("made anew for each epoch")
loader = DataLoader(Numbers(48), 8, shuffle=True)
for first, second in zip(loader, loader): step(first); step(second)
for batch in loader:
    step(batch)
    for other in loader: step(other)
    break
case("two iterations at a time")
batches = iter(loader); torch.rand(7)
for batch in batches: step(batch)
case("random numbers drawn between start and first batch")
loader = DataLoader(Numbers(), 8)
for epoch in range(3):
    loader.dataset.add = 1000 * epoch
    for batch in loader: step(batch)
case("a data set changed between epochs")
loader = DataLoader(Numbers(), 8, shuffle=True, num_workers=1)
for epoch in range(2):
    for batch in loader: step(batch)
case("a worker of its own")
"""
# As others pass a setting on: torch reads none of them.
RIVALS = dict.fromkeys(("PK_NUM_WORKERS", "NUM_WORKERS", "DATALOADER_NUM_WORKERS", "TORCH_NUM_WORKERS"), "2")


def test_the_same_batches_in_the_same_order(train):
    plain, _ = train(ORDERS, environment=RIVALS)
    with_us, row = train(ORDERS, "loader-workers=2")
    for name, told in plain.items():
        assert (with_us[name]["seen"], with_us[name]["draws"]) == (told["seen"], told["draws"]), name
        assert not with_us[name]["mine"], name
        # A variable in the environment changes nothing.
        assert told["mine"] == (name != "a worker of its own"), name
    workers = {name: told["workers"] for name, told in with_us.items()}
    assert workers["shuffled, three epochs"] == 2  # kept from epoch to epoch
    assert workers["made anew for each epoch"] == 6
    assert workers["a data set changed between epochs"] == 6  # each set of workers knows the data set of its epoch
    assert row["state"] == "applied"
    assert row["detail"]["num_workers"] == len(row["detail"]["workers"]) == 2
    assert (row["detail"]["was"], row["detail"]["dataset"], row["detail"]["same_order"]) == (0, "Numbers", True)


RESCUED = """
def fit(x, y, z):
    x = x()[0][0].reshape(1, -1) if callable(x) else x.detach()
    step((x, torch.zeros(len(x), dtype=torch.int64), torch.tensor([os.getpid()])))
def with_gradient(items): return [torch.stack([i[0] for i in items]) * torch.ones(16, requires_grad=True), 0, 0]
for x, y, z in DataLoader(Numbers(), 8, shuffle=True, collate_fn=with_gradient): fit(x, y, z)
case("computed with gradients")
loader = DataLoader(Numbers(), 8, shuffle=True, collate_fn=lambda items: [lambda: items, 0, 0])
for epoch in range(2):
    for x, y, z in loader: fit(x, y, z)
case("not to be pickled")
class Broken(Numbers):
    def __getitem__(self, i):
        if i == 40: raise LookupError("there is no 40")
        return super().__getitem__(i)
try:
    for batch in DataLoader(Broken(), 8, shuffle=True): step(batch)
except LookupError as error:
    assert str(error) == "there is no 40", str(error)
    case("an error of the script's own")
class Fatal(Numbers):
    def __getitem__(self, i):
        if i == 60 and get_worker_info(): os._exit(3)
        return super().__getitem__(i)
loader = DataLoader(Fatal(), 8)
for epoch in range(2):
    for batch in loader: step(batch)
case("a worker that dies")
"""


def test_where_workers_fail_the_script_goes_on_as_without(train):
    plain, _ = train(RESCUED)
    with_us, row = train(RESCUED, "loader-workers=1")
    assert plain.keys() == with_us.keys()
    for name, told in plain.items():
        assert (with_us[name]["seen"], with_us[name]["draws"]) == (told["seen"], told["draws"]), name
    assert row["state"] == "failed"  # it had given batches before a worker died, so that its time measures nothing
    assert row["reason"].startswith("workers failed: ")


def test_what_workers_cannot_send_is_not_applicable(train):
    _, row = train(RESCUED.split("class Broken")[0], "loader-workers=1")
    assert row["state"] == "not-applicable"
    assert "computed with gradients" in row["reason"]
    assert "pickle" in row["reason"]


def test_loaders_that_are_left_alone_each_with_its_reason(train):
    _, row = train(
        """
        multiprocessing.set_start_method("fork")
        for batch in DataLoader(Stream(), 8): step(batch)
        for batch in DataLoader(Numbers(), 48, num_workers=1, persistent_workers=True): step(batch)
        for epoch in range(2):
            for batch in DataLoader(Numbers(8), 8): step(batch)
        with_file = Numbers(); with_file.source = open(__file__, "rb")
        for batch in DataLoader(torch.utils.data.Subset(with_file, range(32)), 8): step(batch)
        with_base = Numbers(); import sqlite3; with_base.parts = [sqlite3.connect(":memory:")]
        for batch in DataLoader(with_base, 48): step(batch)
        multiprocessing.set_start_method("spawn", force=True)
        for batch in DataLoader(Numbers(), 8): step(batch)
        """,
        "loader-workers=1",
    )
    assert (row["state"], row["count"]) == ("not-applicable", 0)
    assert row["reason"].split("; ") == [
        "Stream is an IterableDataset that does not divide its samples among workers",
        "the loader has 1 persistent workers already",
        "the loader gives one batch only",
        "Subset holds an open BufferedReader, whose position workers would share",
        "Numbers holds an open sqlite3.Connection, whose position workers would share",
        "workers would import the script anew, which trains without asking for __name__ == '__main__'",
    ]


def test_a_script_without_a_loader(train):
    _, row = train(
        "for i in range(9): step((torch.randn(4, 16), torch.zeros(4).long(), torch.tensor([0])))", "loader-workers"
    )
    assert (row["state"], row["reason"]) == ("not-applicable", "no DataLoader was used")


def test_data_that_cannot_be_pickled_for_a_spawned_worker(train):
    script = """
        if __name__ == "__main__":
            multiprocessing.set_start_method("spawn")
            data = Numbers(); data.extra = lambda: 0
            for batch in DataLoader(data, 8): step(batch)
            case("spawned")
    """
    told, row = train(script, "loader-workers=1")
    assert told["spawned"]["mine"]
    assert len(told["spawned"]["seen"]) == 12
    assert row["state"] == "not-applicable"
    assert row["reason"].startswith("workers could not be started: ")


def test_loaders_before_a_model_streams_that_divide_themselves_and_disarming(train):
    told, row = train(
        """
        loader = DataLoader(Numbers(), 8)
        for x, y, z in loader: pass
        assert loader.num_workers == 0
        model = net(); opt = torch.optim.SGD(model.parameters(), 1e-4)
        class Divided(IterableDataset):
            def __iter__(self):
                info = get_worker_info(); start, by = (info.id, info.num_workers) if info else (0, 1)
                for i in range(start, 48, by): yield Numbers()[i]
        for batch in DataLoader(Divided(), 8): step(batch)
        case("divided")
        multiprocessing.set_start_method("spawn")  # still the script's to say: torch lets nobody say it twice

        from torch.utils.data import dataloader as module
        patch = sys.modules["_perfkit.inside.session"].current.patches[0]
        def attributes():
            multi = module._MultiProcessingDataLoaderIter
            return [module.DataLoader.__iter__, module._BaseDataLoaderIter._reset, multi._try_put_index, multi._next_data]
        multiprocessing.set_start_method("fork", force=True)
        ours, before = attributes(), dict(vars(loader))
        for batch in loader: step(batch)
        assert vars(loader) != before
        unread = iter(DataLoader(Numbers(48), 8, shuffle=True))
        patch.disarm()
        for batch in unread: step(batch)
        case("started before, read after")
        assert vars(loader) == before, (vars(loader), before)
        assert all(now is then.__wrapped__ for now, then in zip(attributes(), ours))
        del unread; gc.collect()
        assert not multiprocessing.active_children()
        for batch in loader: step(batch)
        case("afterwards")
        """,
        "loader-workers=2",
        model="",
    )
    assert sorted(number for batch in told["divided"]["seen"] for number in batch) == [float(i) for i in range(48)]
    assert told["divided"]["workers"] == 2
    assert not row["detail"]["same_order"]
    assert len(told["started before, read after"]["seen"]) == 12 + 6
    assert told["afterwards"]["workers"] == 0
    assert (row["state"], row["count"]) == ("applied", 2)
    assert row["reason"] == "the loader was iterated before there was a model"
