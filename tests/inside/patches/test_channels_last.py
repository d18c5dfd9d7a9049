"""Convolutions in channels-last layout: weights before the first call, pictures at each, and everything fits afterwards."""

import json

import pytest

pytestmark = pytest.mark.slow

TRAIN = """
import json
told = {"losses": []}
seen = set()
class Look(nn.Module):
    def forward(self, x):
        seen.add(x.is_contiguous(memory_format=torch.channels_last) and not x.is_contiguous()); return x
# Dropout draws its numbers in the order of memory: with it, another layout has other losses.
def cnn(drop=0.0): return nn.Sequential(Look(), nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 8, 3), nn.Dropout(drop), nn.Flatten(), nn.Linear(8 * 8 * 8, 4))
def batches(n):
    g = torch.Generator().manual_seed(1)
    for _ in range(n):
        x = torch.randn(8, 3, 12, 12, generator=g); yield x, (x.mean((1, 2, 3)) > 0).long()
def train(model, opt, n=12):
    for x, y in batches(n):
        opt.zero_grad(); loss = lossf(model(x), y); loss.backward(); opt.step(); told["losses"].append(loss.item())
def strides(tensors): return sorted({t.is_contiguous() for t in tensors if t.dim() == 4})
def tell(**more): print(json.dumps(dict(told, seen=sorted(seen), **more)))
"""


@pytest.fixture
def train(apply):
    """train(script, *fixes) -> (what the script told, the row of channels-last or None)."""

    def go(script, *asked):
        outcome, rows = apply(TRAIN + script, *asked)
        return json.loads(outcome.stdout), rows.get("channels-last")

    return go


def test_pictures_weights_and_gradients_are_laid_out_anew_and_a_checkpoint_loads_in_a_plain_model(train):
    script = """
model = cnn(); opt = torch.optim.Adam(model.parameters(), 0.01)
names = [id(p) for p in model.parameters()]
train(model, opt)
torch.save(model.state_dict(), "model.pt")
again = cnn(); again.load_state_dict(torch.load("model.pt"))
tell(weights=strides(model.parameters()), gradients=strides(p.grad for p in model.parameters()),
     averages=strides(s["exp_avg"] for s in opt.state.values()), same=names == [id(p) for p in model.parameters()],
     again=[strides(again.parameters()), all(torch.equal(a, b) for a, b in zip(model.parameters(), again.parameters()))])
"""
    plain, _ = train(script)
    told, row = train(script, "channels-last")
    assert (plain["seen"], plain["weights"]) == ([False], [True])
    assert (told["seen"], told["weights"], told["gradients"], told["averages"]) == ([True], [False], [False], [False])
    assert told["same"] and told["again"] == [[True], True]
    assert all(abs(a - b) < 1e-3 for a, b in zip(told["losses"], plain["losses"], strict=True))
    assert (row["state"], row["count"]) == ("applied", 12)


def test_averages_from_a_checkpoint_follow_and_disarming_takes_everything_back(train):
    # The averages exist before the model's first call; a fused update reads all its tensors by position in memory.
    script = """
from _perfkit.inside import session
import torch.optim.optimizer as base
model = cnn(); opt = torch.optim.Adam(model.parameters(), 0.01, fused=True)
for p in model.parameters(): p.grad = torch.ones_like(p)
opt.step(); train(model, opt, 6)
during = [strides(model.parameters()), strides(s["exp_avg"] for s in opt.state.values())]
for patch in session.current.patches: patch.disarm()
after = [strides(model.parameters()), strides(s["exp_avg"] for s in opt.state.values()),
         strides(p.grad for p in model.parameters())]
seen.clear(); train(model, opt, 6); tell(during=during, after=after, hooks=len(base._global_optimizer_pre_hooks))
"""
    plain, _ = train(script)
    told, _ = train(script, "channels-last")
    assert told["during"] == [[False], [False]]
    assert told["after"] == plain["after"] == [[True], [True], [True]]
    assert (told["seen"], told["hooks"]) == ([False], plain["hooks"])
    assert all(abs(a - b) < 1e-3 for a, b in zip(told["losses"], plain["losses"], strict=True))


def test_a_model_that_views_its_pictures_as_rows_trains_as_if_nothing_had_been_asked(train):
    script = """
class Rows(nn.Module):
    def forward(self, x): return x.view(len(x), -1)
model = cnn(0.2); model[6] = Rows(); opt = torch.optim.SGD(model.parameters(), 0.1); train(model, opt)
tell(mean=model[2].running_mean.tolist(), weights=strides(model.parameters()))
"""
    plain, _ = train(script)
    told, row = train(script, "channels-last")
    assert row["state"] == "failed"
    assert "view size is not compatible" in row["reason"]
    assert [told[k] for k in ("losses", "mean", "weights")] == [plain[k] for k in ("losses", "mean", "weights")]


def test_not_applicable_with_the_reason(train):
    script = """
model = net(); opt = torch.optim.SGD(model.parameters(), 0.1)
for x in torch.randn(6, 4, 16): opt.zero_grad(); model(x).sum().backward(); opt.step()
model = cnn().to(memory_format=torch.channels_last); opt = torch.optim.SGD(model.parameters(), 0.1); train(model, opt)
tell()
"""
    _, row = train(script, "channels-last")
    assert row["state"] == "not-applicable"
    assert "no two-dimensional convolutions" in row["reason"]
    assert "in channels-last layout already" in row["reason"]
