"""A float64 model computes in float32; the script goes on in float64 around it."""

import json

import pytest

pytestmark = pytest.mark.slow

TRAIN = """
import json
told, seen = {"losses": []}, set()
class Look(nn.Module):
    def forward(self, x):
        seen.add((str(x.dtype), str(torch.zeros(1).dtype))); return x
def batches(n=20):
    g = torch.Generator().manual_seed(1)
    for _ in range(n):
        x = torch.randn(32, 16, generator=g, dtype=torch.float64); yield x, x[:, :4]
def train(model, opt, n=20):
    for x, y in batches(n):
        opt.zero_grad(); out = model(x); loss = nn.functional.mse_loss(out, y); loss.backward(); opt.step()
        told["losses"].append(loss.item())
    told["out"] = str(out.dtype)
def kinds(tensors): return sorted({str(t.dtype) for t in tensors})
def tell(**more): print(json.dumps(dict(told, seen=sorted(seen), **more)))
"""


@pytest.fixture
def train(apply):
    """train(script, *fixes) -> (what the script told, the row of float32 or None)."""

    def go(script, *asked):
        outcome, rows = apply(TRAIN + script, *asked)
        return json.loads(outcome.stdout), rows.get("float32")

    return go


@pytest.mark.parametrize("made", ["model = nn.Sequential(Look(), net()).double()",
                                  "torch.set_default_dtype(torch.float64); model = nn.Sequential(Look(), net())"])  # fmt: skip
def test_the_model_computes_in_float32_and_its_averages_follow(train, made):
    script = (
        made
        + """
opt = torch.optim.Adam(model.parameters(), 0.01)
for p in model.parameters(): p.grad = torch.ones_like(p)
opt.step(); train(model, opt)  # the averages are there before the first call
tell(kinds=kinds([*model.parameters(), *(s["exp_avg"] for s in opt.state.values()), *(p.grad for p in model.parameters())]),
     default=str(torch.get_default_dtype()))
"""
    )
    plain, _ = train(script)
    told, row = train(script, "float32")
    assert plain["kinds"] == ["torch.float64"]
    assert told["kinds"] == ["torch.float32"]
    assert told["seen"] == [["torch.float32", "torch.float32"]]
    assert (told["out"], told["default"]) == (plain["out"], plain["default"])
    assert all(abs(a - b) < 1e-4 * b for a, b in zip(told["losses"], plain["losses"], strict=True))
    assert (row["state"], row["count"]) == ("applied", 20)


def test_disarming_makes_it_float64_again(train):
    script = """
from _perfkit.inside import session
model = nn.Sequential(Look(), net()).double(); opt = torch.optim.Adam(model.parameters(), 0.01); train(model, opt, 5)
for patch in session.current.patches: patch.disarm()
seen.clear(); train(model, opt, 5)
tell(kinds=kinds([*model.parameters(), *(s["exp_avg"] for s in opt.state.values()), *(p.grad for p in model.parameters())]))
"""
    plain, _ = train(script)
    told, _ = train(script, "float32")
    assert (told["kinds"], told["seen"]) == (plain["kinds"], plain["seen"])
    assert all(abs(a - b) < 1e-4 * b for a, b in zip(told["losses"], plain["losses"], strict=True))


def test_a_model_that_asks_for_float64_by_itself_is_left_alone(train):
    script = """
class Exact(nn.Module):
    def forward(self, x): return x.double()
model = nn.Sequential(Look(), Exact(), nn.Dropout(0.5), net()).double(); opt = torch.optim.Adam(model.parameters(), 0.01)
train(model, opt); tell(kinds=kinds(model.parameters()))
"""
    plain, _ = train(script)
    told, row = train(script, "float32")
    assert row["state"] == "failed"
    assert "first call" in row["reason"]
    assert (told["losses"], told["kinds"]) == (plain["losses"], plain["kinds"])


def test_not_applicable_to_a_model_in_float32(train):
    script = "batches_ = batches\ndef batches(n): return ((x.float(), y.float()) for x, y in batches_(n))\n"
    script += "model = net(); opt = torch.optim.SGD(model.parameters(), 0.1); train(model, opt); tell()"
    _, row = train(script, "float32")
    assert (row["state"], row["reason"]) == ("not-applicable", "the model has no float64 parameters")
