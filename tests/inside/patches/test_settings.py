"""Fixes that change a setting of the process: threads, inter-op threads, collections, zero_grad, malloc, cuDNN.

They act beside each other, so that one process shows them all.
"""

import json
from types import SimpleNamespace

import pytest

from perfkit.inside.patches.cudnn_benchmark import CudnnBenchmark

ASKED = ("threads=3", "interop-threads=3", "gc-freeze", "zero-grad-none", "allocator:host=keep", "cudnn-benchmark")

TRAIN = """
import gc, json, resource
model = net(); opt = torch.optim.SGD(model.parameters(), 0.1, momentum=0.9)
def train(steps=8, to_none=False):
    for _ in range(steps):
        opt.zero_grad(set_to_none=to_none); none = all(p.grad is None for p in model.parameters())
        loss = lossf(model(torch.randn(16, 16)), torch.randint(0, 4, (16,))); loss.backward(); opt.step()
    return none
def faults():
    # Pages that 8 tensors of 64 MB cost: 16384 each where the memory is given back in between.
    for _ in range(2): torch.ones(16 << 20)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(8): torch.ones(16 << 20)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
def tell(**more):
    print(json.dumps({"threads": torch.get_num_threads(), "interop": torch.get_num_interop_threads(),
                      "frozen": gc.get_freeze_count(), "faults": faults(), **more}))
"""


@pytest.mark.slow
def test_applied_and_proven_from_inside(apply):
    script = TRAIN + "torch.set_num_threads(2); torch.set_num_interop_threads(2)\nnone = train(); tell(none=none)\n"
    # Names under which other tools pass such settings on: nothing in torch reads them.
    rivals = {"PK_NUM_THREADS": "3", "PK_INTEROP_THREADS": "3", "PK_GC_FREEZE": "1", "PK_ZERO_GRAD_NONE": "1"}
    plain = json.loads(apply(script, environment=rivals)[0].stdout)
    outcome, rows = apply(script, *ASKED, fresh=True)
    ours = json.loads(outcome.stdout)
    assert (plain["threads"], plain["interop"], plain["frozen"], plain["none"]) == (2, 2, 0, False)
    assert (ours["threads"], ours["interop"], ours["none"]) == (3, 3, True)
    assert ours["frozen"] > 10_000
    assert plain["faults"] > 100_000 > 1_000 > ours["faults"]
    states = {name: row["state"] for name, row in rows.items()}
    assert states.pop("cudnn-benchmark") == "not-applicable"
    assert set(states.values()) == {"applied"}
    assert (rows["threads"]["detail"], rows["interop-threads"]["detail"]) == ({"num_threads": 3, "was": 2},) * 2
    assert rows["zero-grad-none"]["count"] == 8
    assert rows["cudnn-benchmark"]["reason"] == "it does not compute with CUDA"


@pytest.mark.slow
def test_not_applicable_where_the_script_has_seen_to_it(apply):
    script = (
        TRAIN
        + """
torch.set_num_threads(3); torch.set_num_interop_threads(3); gc.freeze()
train(to_none=True)
"""
    )
    _, rows = apply(script, *ASKED, environment={"MALLOC_ARENA_MAX": "2"})
    assert {name: row["reason"] for name, row in rows.items()} == {
        "threads": "it computes with 3 threads already",
        "interop-threads": "it has 3 inter-op threads already",
        "gc-freeze": "the script freezes its objects already",
        "zero-grad-none": "nothing asked zero_grad to fill gradients with zeros",
        "allocator": "the environment sets up malloc already",
        "cudnn-benchmark": "it does not compute with CUDA",
    }
    assert {row["state"] for row in rows.values()} == {"not-applicable"}


@pytest.mark.slow
def test_switched_off_and_on_and_disarmed(apply):
    outcome, _ = apply(
        TRAIN
        + """
from torch.optim import Optimizer
torch.set_num_threads(2); train()
patches = sys.modules["_perfkit.inside.session"].current.patches
for patch in patches:
    if patch.switchable: patch.off()
none = train(2); tell(none=none)
for patch in patches:
    if patch.switchable and patch.count: patch.on()
none = train(2); tell(none=none)
attributes = lambda: (torch.set_num_threads, torch.set_num_interop_threads, nn.Module.zero_grad)
ours = attributes()
for patch in reversed(patches): patch.disarm()
none = train(2); tell(none=none, restored=[now is then.__wrapped__ for now, then in zip(attributes(), ours)])
torch.set_num_threads(1); assert torch.get_num_threads() == 1
""",
        *ASKED,
        fresh=True,
    )
    off, on, after = map(json.loads, outcome.stdout.splitlines())
    assert (off["threads"], off["frozen"], off["none"]) == (2, 0, False)
    assert (on["threads"], on["none"]) == (3, True)
    assert on["frozen"] > 10_000
    assert (after["threads"], after["frozen"], after["none"]) == (2, 0, False)
    assert after["restored"] == [True] * 3


@pytest.mark.slow
def test_a_loader_worker_keeps_its_one_thread(apply):
    outcome, _ = apply(
        """
        class Data(torch.utils.data.Dataset):
            def __len__(self): return 8
            def __getitem__(self, i): return torch.tensor(torch.get_num_threads())
        print(set(torch.cat(list(DataLoader(Data(), 2, num_workers=1))).tolist()), torch.get_num_threads())
        """,
        "threads=3",
    )
    assert outcome.stdout == "{1} 3\n"


class TestCudnn:
    """With a stand-in for torch: there is no GPU to have convolutions on."""

    @pytest.fixture
    def make(self):
        torch = pytest.importorskip("torch")

        def go(*, layer=None, device="cuda", deterministic=False, benchmark=False):
            cudnn = SimpleNamespace(benchmark=benchmark, deterministic=deterministic)
            stand_in = SimpleNamespace(
                nn=torch.nn, backends=SimpleNamespace(cudnn=cudnn), are_deterministic_algorithms_enabled=lambda: False
            )
            parameters = [SimpleNamespace(device=SimpleNamespace(type=device))]
            model = SimpleNamespace(
                modules=lambda: [layer or torch.nn.Conv2d(3, 3, 3)], parameters=lambda: iter(parameters)
            )
            around = SimpleNamespace(add=lambda patch: lambda: None)
            session = SimpleNamespace(roots=SimpleNamespace(around=around), undo=[], fact=lambda *_, **values: None)
            patch = CudnnBenchmark(session, stand_in, None, {})
            patch.arm()
            return patch, cudnn, patch.suits(model, (), {})

        return go

    def test_is_on_before_the_first_call_and_off_when_it_is_disarmed(self, make):
        patch, cudnn, reason = make()
        assert (reason, cudnn.benchmark) == (None, True)
        patch.enter(None, (), {})
        assert patch.state == "applied"
        patch.disarm()
        assert not cudnn.benchmark

    def test_left_alone(self, make):
        torch = pytest.importorskip("torch")
        assert make(device="cpu")[2] == "it does not compute with CUDA"
        assert make(benchmark=True)[2] == "it is switched on already"
        assert make(deterministic=True)[2] == "the script asks for deterministic algorithms"
        _, cudnn, reason = make(layer=torch.nn.Linear(2, 2))
        assert (reason, cudnn.benchmark) == ("no model has a convolution", False)

    def test_no_screening_takes_it_for_what_can_be_switched(self):
        assert not CudnnBenchmark.switchable


def test_what_the_script_sets_while_the_fix_is_off_is_what_it_is_compared_with(apply):
    script = """
from _perfkit.inside import session
(patch,) = session.current.patches
patch.off()  # as a screening begins
torch.set_num_threads(3)
patch.on()
patch.begin()
print(torch.get_num_threads())
patch.off()
print(torch.get_num_threads())
model = net(); opt = torch.optim.SGD(model.parameters(), 0.1)
for x, y in DataLoader(data(64), 16):
    lossf(model(x), y).backward(); opt.step()
"""
    outcome, rows = apply(script, "threads=1")  # which is what it starts with
    assert outcome.stdout.split() == ["1", "3"]
    assert (rows["threads"]["state"], rows["threads"]["detail"]["was"]) == ("applied", 3)
