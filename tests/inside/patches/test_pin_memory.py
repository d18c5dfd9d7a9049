"""Pinned batches: where there is no GPU nothing is changed; what would be done with one is shown on stand-ins."""

from types import SimpleNamespace

import pytest

from perfkit.inside.patches.pin_memory import why_not_pinned
from perfkit.inside.patches.uploads import make_uploads_asynchronous
from perfkit.inside.replace import replace


class Tensor:
    """Says how it was copied."""

    def __init__(self, *, pinned=True, is_cuda=False):
        self.is_cuda, self._pinned = is_cuda, pinned

    def is_pinned(self):
        return self._pinned

    def to(self, device, dtype=None, non_blocking=False):
        return device, non_blocking

    def cuda(self, device=None, non_blocking=False):
        return device, non_blocking


@pytest.fixture
def patch():
    undo = []

    def put(owner, attribute, make):
        undo.append(replace(owner, attribute, make))

    compiler = SimpleNamespace(is_compiling=lambda: False)
    made = SimpleNamespace(torch=SimpleNamespace(Tensor=Tensor, compiler=compiler), active=True, replace=put)
    make_uploads_asynchronous(made)
    yield made
    for each in undo:
        each()


def test_pinned_batches_are_copied_without_waiting(patch):
    assert Tensor().to("cuda") == ("cuda", True)
    assert Tensor().cuda() == (None, True)


def test_every_other_copy_is_as_the_script_says(patch):
    assert Tensor(pinned=False).to("cuda") == ("cuda", False)
    assert Tensor(is_cuda=True).to("cpu") == ("cpu", False)
    assert Tensor().to("cuda", non_blocking=False) == ("cuda", False)
    assert Tensor().to("cuda", None, False) == ("cuda", False)
    patch.active = False
    assert Tensor().to("cuda") == ("cuda", False)


def test_where_it_could_not_help():
    cpu = SimpleNamespace(version=SimpleNamespace(cuda=None, hip=None))
    assert why_not_pinned(cpu) == "this torch has no GPU to copy to"
    idle = SimpleNamespace(version=SimpleNamespace(cuda="13.0"), cuda=SimpleNamespace(is_initialized=lambda: False))
    assert why_not_pinned(idle) == "no GPU was in use when the loader was iterated"


@pytest.mark.slow
def test_not_applicable_without_a_gpu_and_disarmed(apply):
    outcome, rows = apply(
        """
        loader = DataLoader(data(), 32); model = net(); opt = torch.optim.SGD(model.parameters(), 0.1)
        ours, before = DataLoader.__iter__, dict(vars(loader))
        for x, y in loader:
            opt.zero_grad(); lossf(model(x), y).backward(); opt.step()
        assert vars(loader) == before
        assert "to" not in vars(torch.Tensor)
        sys.modules["_perfkit.inside.session"].current.patches[0].disarm()
        assert DataLoader.__iter__ is ours.__wrapped__
        """,
        "pin-memory",
    )
    torch = pytest.importorskip("torch")
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    assert outcome.stderr == ""
    assert (rows["pin-memory"]["state"], rows["pin-memory"]["count"]) == ("not-applicable", 0)
