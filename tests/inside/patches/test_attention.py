"""Which attention a model takes: seen in its first calls, changed in the others."""

import json

import pytest

pytestmark = pytest.mark.slow

# What runs within the model's call, asked of torch's own profiler, once it is known what the model takes.
TRAIN = """
import json
from torch.nn.functional import scaled_dot_product_attention as taken_early
F = nn.functional
class Attends(nn.Module):
    def __init__(self, how): super().__init__(); self.qkv = nn.Linear(16, 48); self.out = nn.Linear(16, 4); self.how = how
    def forward(self, x):
        q, k, v = self.qkv(x).view(len(x), 8, 3, 2, 8).permute(2, 0, 3, 1, 4)
        return self.out(self.how(q, k, v).transpose(1, 2).reshape(len(x), 8, 16)[:, -1])
told = {"losses": []}
def train(model, opt, n=12):
    g = torch.Generator().manual_seed(1)
    for _ in range(n):
        x = torch.randn(8, 8, 16, generator=g)
        opt.zero_grad(); loss = lossf(model(x), x[:, -1, :4].argmax(1)); loss.backward(); opt.step()
        told["losses"].append(loss.item())
def flash(model):
    with torch.autograd.profiler.profile() as profile: model(torch.randn(8, 8, 16))
    return any("scaled_dot_product_flash" in event.name for event in profile.function_events)
def switches():
    b = torch.backends.cuda; return [b.flash_sdp_enabled(), b.mem_efficient_sdp_enabled(), b.math_sdp_enabled()]
def tell(**more): print(json.dumps(dict(told, **more)))
"""
LATE = "lambda q, k, v: F.scaled_dot_product_attention(q, k, v, is_causal=True)"


@pytest.fixture
def train(apply):
    """train(script, *fixes) -> (what the script told, the row of attention-backend or None)."""

    def go(script, *asked):
        outcome, rows = apply(TRAIN + script, *asked)
        return json.loads(outcome.stdout), rows.get("attention-backend")

    return go


@pytest.mark.parametrize("how", [LATE, "lambda q, k, v: taken_early(q, k, v, is_causal=True)"])
def test_the_plain_implementation_instead_of_flash(train, how):
    script = f"model = Attends({how}); opt = torch.optim.SGD(model.parameters(), 0.1)\n"
    script += "train(model, opt); tell(flash=flash(model), switches=switches(), own=F.scaled_dot_product_attention is torch._C._nn.scaled_dot_product_attention and taken_early is F.scaled_dot_product_attention)"
    plain, _ = train(script)
    told, row = train(script, "attention-backend=math")
    assert (plain["flash"], told["flash"]) == (True, False)
    assert (told["switches"], told["own"]) == (plain["switches"], True)
    assert all(abs(a - b) < 1e-4 for a, b in zip(told["losses"], plain["losses"], strict=True))
    assert (row["state"], row["detail"]) == ("applied", {"backend": "math", "instead_of": "flash"})
    assert row["count"] == 12  # all calls after the first, that of the profiler among them


def test_flash_where_the_script_had_switched_it_off_and_disarming_gives_its_switches_back(train):
    script = f"""
from _perfkit.inside import session
torch.backends.cuda.enable_flash_sdp(False)
model = Attends({LATE}); opt = torch.optim.SGD(model.parameters(), 0.1); train(model, opt); told["flash"] = flash(model)
session.current.patches[0].disarm(); tell(after=flash(model), switches=switches())
"""
    told, row = train(script, "attention-backend")
    assert (told["flash"], told["after"], told["switches"]) == (True, False, [False, True, True])
    assert row["detail"]["instead_of"] == "math"


def test_not_applicable_with_the_reason(train):
    script = f"""
model = Attends({LATE}); train(model, torch.optim.SGD(model.parameters(), 0.1))  # takes flash already
model = nn.Sequential(nn.Flatten(), nn.Linear(128, 4)); train(model, torch.optim.SGD(model.parameters(), 0.1)); tell()
"""
    _, row = train(script, "attention-backend=flash")
    assert row["state"] == "not-applicable"
    assert row["reason"] == "the model calls no scaled_dot_product_attention that would take flash instead"
