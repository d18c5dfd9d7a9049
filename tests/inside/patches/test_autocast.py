"""The model computes in 16 bits; the script's loss, clipping and checkpoints see 32."""

import json

import pytest

pytestmark = pytest.mark.slow

# Trains, and tells what was seen inside the model and around it.
TRAIN = """
import json
seen, told = set(), {"losses": []}
class Inner(nn.Module):
    def __init__(self): super().__init__(); self.layers = net()
    def forward(self, x):
        y = self.layers(x); seen.add(str(y.dtype)); return y
def batches(n=24, size=32):
    g = torch.Generator().manual_seed(1)
    way = torch.randn(16, 4, generator=g)
    for _ in range(n):
        x = torch.randn(size, 16, generator=g)
        yield x, (x @ way).argmax(1)
def train(model, opt, n=24, loss_of=None):
    for x, y in batches(n):
        opt.zero_grad()
        out = model(x)
        loss = loss_of(out, y) if loss_of else lossf(out, y)
        loss.backward(); opt.step()
        told["losses"].append(loss.item())
    told["out"] = str(loss.dtype)
def tell(**more): print(json.dumps(dict(told, seen=sorted(seen), **more)))
"""
PLAIN = "model = Inner(); opt = torch.optim.SGD(model.parameters(), 0.1)\n"


def near(one, other, within=0.02):
    return len(one) == len(other) and all(abs(a - b) <= within for a, b in zip(one, other, strict=True))


@pytest.fixture
def train(apply):
    """train(script, *fixes) -> (what the script told, the row of autocast or None, Outcome)."""

    def go(script, *asked, **settings):
        outcome, rows = apply(TRAIN + script, *asked, **settings)
        return json.loads(outcome.stdout), rows.get("autocast"), outcome

    return go


def test_the_model_computes_in_bfloat16_and_the_loss_in_float32(train):
    script = PLAIN + "train(model, opt); tell(weights=str(model.layers[0].weight.dtype))"
    plain, nothing, _ = train(script)
    cast, row, _ = train(script, "autocast")
    assert plain["seen"] == ["torch.float32"] and nothing is None
    assert cast["seen"] == ["torch.bfloat16"]
    assert cast["out"] == cast["weights"] == "torch.float32"
    assert near(cast["losses"], plain["losses"])
    assert cast["losses"] != plain["losses"]
    assert (row["state"], row["count"], row["detail"]) == ("applied", 24, {"device": "cpu", "dtype": "bfloat16"})


SHAPES = {
    "return y, lossf(y.float(), y.argmax(1))": "out[0]",  # a tuple with the loss
    "return {'logits': y, 'n': 3}": "out['logits']",
    "return [({'a': (y,)}, 'text')]": "out[0][0]['a'][0]",
    "return Named(y, None)": "out.y",
    "return Frozen(y)": "out.y",
    "return Output(logits=y)": "out.logits",
}


def test_whatever_the_model_returns_is_float32_in_the_form_it_had(train):
    script = """
from collections import namedtuple, OrderedDict
from dataclasses import dataclass, fields
Named = namedtuple("Named", "y none")
@dataclass(frozen=True)
class Frozen:
    y: torch.Tensor
@dataclass
class Output(OrderedDict):  # as transformers' ModelOutput
    logits: torch.Tensor = None
    def __post_init__(self):
        for f in fields(self): super().__setitem__(f.name, getattr(self, f.name))
    def __setitem__(self, key, value):
        super().__setitem__(key, value); super().__setattr__(key, value)
told["kinds"] = []
"""
    for number, (returned, taken) in enumerate(SHAPES.items()):
        script += f"""
class Returns{number}(Inner):
    def forward(self, x):
        y = super().forward(x); {returned}
model = Returns{number}(); opt = torch.optim.SGD(model.parameters(), 0.1)
def loss_of(out, y):
    assert {taken}.dtype is torch.float32, {taken}.dtype
    assert not isinstance(out, Output) or out["logits"] is out.logits
    told["kinds"].append(type(out).__name__)
    return lossf({taken}, y)
train(model, opt, 1, loss_of)
"""
    told, row, _ = train(script + "tell()", "autocast")
    assert (row["state"], row["count"]) == ("applied", 6)
    assert told["seen"] == ["torch.bfloat16"]
    assert told["kinds"] == ["tuple", "dict", "list", "Named", "Frozen", "Output"]


def test_not_applicable_where_the_script_computes_under_autocast_itself(train):
    # Its evaluation does not, and comes first.
    script = """
class Auto(Inner): pass
model = Auto(); opt = torch.optim.SGD(model.parameters(), 0.1)
with torch.no_grad(): model(next(batches())[0])
with torch.autocast('cpu', dtype=torch.bfloat16): train(model, opt)
tell()
"""
    plain, _, _ = train(script)
    told, row, _ = train(script, "autocast")
    assert (row["state"], row["count"]) == ("not-applicable", 0)
    assert row["reason"] == "the script computes under autocast already"
    assert told["losses"] == plain["losses"]


def test_not_applicable_to_models_that_are_not_in_float32(train):
    script = """
batches_ = batches
for kind in (torch.float64, torch.bfloat16):
    batches = lambda n=3: ((x.to(kind), y) for x, y in batches_(n))
    model = Inner().to(kind); train(model, torch.optim.SGD(model.parameters(), 0.1), 3)
tell()
"""
    told, row, _ = train(script, "autocast")
    assert row["state"] == "not-applicable"
    assert row["reason"] == "the model has parameters in float64; the model has parameters in bfloat16"
    assert told["seen"] == ["torch.bfloat16", "torch.float64"]


def test_not_applicable_to_a_model_on_another_device(train):
    _, row, _ = train(PLAIN + "train(model, opt, 3); tell()", "autocast:device=cuda,dtype=float16")
    assert (row["state"], row["reason"]) == ("not-applicable", "the model is on cpu, not on cuda")


def test_not_applicable_without_a_model(train):
    script = "w = torch.zeros(16, 4, requires_grad=True); opt = torch.optim.SGD([w], 0.1)\ntrain(lambda x: x @ w, opt); tell()"
    _, row, _ = train(script, "autocast")
    assert (row["state"], row["reason"]) == ("not-applicable", "no call of a model was seen")


def test_a_model_that_the_script_compiles(train):
    script = PLAIN + "model = torch.compile(model, backend='aot_eager'); train(model, opt); tell(graphs=graphs())"
    script = script.replace(
        "tell(",
        """
def graphs():
    from torch._dynamo.utils import counters
    return counters["stats"]["unique_graphs"], sum(counters["graph_break"].values())
tell(""",
    ).replace("seen.add(str(y.dtype)); ", "")
    plain, _, _ = train(script, fresh=True)
    told, row, _ = train(script, "autocast", fresh=True)
    assert row["state"] == "applied"
    assert told["graphs"] == plain["graphs"]
    assert near(told["losses"], plain["losses"])


def test_an_error_in_the_model_is_the_scripts_own_and_arrives_as_it_was(train):
    script = """
class Picky(Inner):
    def forward(self, x):
        if len(x) == 7: raise LookupError("seven")
        return super().forward(x)
model = Picky(); opt = torch.optim.SGD(model.parameters(), 0.1)
train(model, opt, 3)
try: model(torch.randn(7, 16))
except LookupError as error: told["error"] = [str(error), torch.is_autocast_enabled("cpu"), error.__context__ is None]
train(model, opt, 3); tell()
"""
    told, row, _ = train(script, "autocast")
    assert told["error"] == ["seven", False, True]
    assert row["count"] == 7


def test_a_model_that_cannot_compute_in_16_bits_trains_as_if_nothing_had_been_asked(train):
    script = """
class Exact(Inner):
    def __init__(self):
        super().__init__()
        self.norm = nn.BatchNorm1d(16); self.drop = nn.Dropout(0.5)
    def forward(self, x):
        y = super().forward(self.drop(self.norm(x)))
        return torch.linalg.solve(torch.eye(4), y.t()).t() if y.dtype is torch.float32 else torch.linalg.inv(y)
model = Exact(); opt = torch.optim.SGD(model.parameters(), 0.1)
train(model, opt); tell(mean=model.norm.running_mean.tolist())
"""
    plain, _, _ = train(script)
    told, row, _ = train(script, "autocast")
    assert row["state"] == "failed"
    assert "first call" in row["reason"]
    assert (told["losses"], told["mean"]) == (plain["losses"], plain["mean"])


# -- float16 -------------------------------------------------------------------------------------------------------

CLIPPED = """
class Faint(Inner):
    def forward(self, x): return super().forward(x) * FACTOR
model = Faint(); opt = torch.optim.SGD(model.parameters(), LR)
norms = []
def loss_of(out, y): return lossf(out, y)
for x, y in batches(30):
    opt.zero_grad(); out = model(x); loss = lossf(out / FACTOR, y) * FACTOR; loss.backward()
    norms.append(nn.utils.clip_grad_norm_(model.parameters(), 0.5 * FACTOR).item())
    opt.step(); told["losses"].append(loss.item() / FACTOR)
torch.save(model, "model.pt"); again = torch.load("model.pt", weights_only=False)
tell(norms=norms, same=all(torch.equal(a, b) for a, b in zip(model.parameters(), again.parameters())))
"""


def test_float16_gradients_are_scaled_within_the_model_and_true_outside(train):
    # Gradients of 1e-8: float16 without scaling loses every one of them.
    script = CLIPPED.replace("FACTOR", "1e-6").replace("LR", "1e5")
    plain, _, _ = train(script)
    told, row, _ = train(script, "autocast=float16")
    assert told["seen"] == ["torch.float16"]
    assert near(told["losses"], plain["losses"])
    assert all(abs(a - b) < 0.05 * b for a, b in zip(told["norms"], plain["norms"], strict=True))
    assert told["same"]
    assert row["detail"]["dtype"] == "float16"
    assert row["detail"]["skipped_steps"] == 0


def test_steps_whose_gradients_overflow_are_skipped_and_the_scale_falls(train):
    script = """
model = Inner(); opt = torch.optim.Adam(model.parameters(), 0.01); steps = []
for x, y in batches(30):
    opt.zero_grad(); loss = lossf(model(x), y) * 300; loss.backward()
    bad = not all(torch.isfinite(p.grad).all() for p in model.parameters())
    before = [p.detach().clone() for p in model.parameters()]
    grads = [p.grad for p in model.parameters()]
    opt.step()
    assert all(p.grad is g for p, g in zip(model.parameters(), grads))
    moved = any(not torch.equal(p, b) for p, b in zip(model.parameters(), before))
    steps.append((bad, moved)); told["losses"].append(loss.item() / 300)
tell(steps=steps)
"""
    told, row, _ = train(script, "autocast=float16")
    skipped = [step for step in told["steps"] if step[0]]
    assert skipped
    assert all(moved != bad for bad, moved in told["steps"])
    assert row["detail"]["skipped_steps"] == len(skipped)
    assert row["detail"]["scale"] == 2.0 ** (16 - len(skipped))
    assert told["losses"][-1] < told["losses"][0]


def test_a_closure_is_judged_after_it_ran(train):
    script = """
model = Inner(); opt = torch.optim.LBFGS(model.parameters(), lr=0.1, max_iter=3)
for x, y in batches(5):
    def closure():
        opt.zero_grad(); loss = lossf(model(x), y); loss.backward(); return loss
    told["losses"].append(opt.step(closure).item())
tell()
"""
    plain, _, _ = train(script)
    told, row, _ = train(script, "autocast=float16")
    assert near(told["losses"], plain["losses"], 0.1)
    assert row["state"] == "applied"


def test_a_gan_whose_one_model_feeds_the_other(train):
    script = """
G, D = nn.Linear(8, 16), Inner()
og, od = torch.optim.SGD(G.parameters(), 0.1), torch.optim.SGD(D.parameters(), 0.1)
for x, y in batches(12):
    fake = G(x[:, :8])
    od.zero_grad(); (lossf(D(x), y) + lossf(D(fake.detach()), y)).backward(); od.step()
    og.zero_grad(); loss = lossf(D(fake), y); loss.backward(); og.step()
    told["losses"].append(loss.item())
tell(grad=[p.grad.norm().item() for m in (G, D) for p in m.parameters()])
"""
    plain, _, _ = train(script)
    told, row, _ = train(script, "autocast=float16")
    assert near(told["losses"], plain["losses"])
    assert all(abs(a - b) < 0.05 * b + 1e-4 for a, b in zip(told["grad"], plain["grad"], strict=True))
    assert row["state"] == "applied"


OUTSIDE = {
    "weights in the loss": "loss_of = lambda out, y: lossf(out, y) + 0.1 * model.layers[0].weight.pow(2).sum()",
    "a model that owns not all it uses": """
extra = torch.nn.Parameter(torch.ones(16)); opt.add_param_group({"params": [extra]})
model_, model = model, Inner(); model.layers = net(); model.forward = lambda x: model_.layers(x * extra) + 0 * model.layers(x)
opt.add_param_group({"params": model.parameters()}); loss_of = None""",
}


@pytest.mark.parametrize("change", OUTSIDE.values(), ids=OUTSIDE)
def test_float16_withdraws_where_a_gradient_cannot_be_scaled_rightly(train, change):
    script = PLAIN + change + "\ntrain(model, opt, loss_of=loss_of); tell()"
    plain, _, _ = train(script)
    told, row, _ = train(script, "autocast=float16")
    assert row["state"] == "not-applicable"
    assert "outside the call of the model" in row["reason"]
    assert near(told["losses"], plain["losses"])


def test_disarming_takes_everything_off(train):
    script = (
        PLAIN
        + """
from _perfkit.inside import session
import torch.optim.optimizer as base
patch = session.current.patches[0]
def hooks():
    return [len(base._global_optimizer_pre_hooks), len(base._global_optimizer_post_hooks),
            sum(len(p._backward_hooks or ()) for p in model.parameters()), torch.autograd.backward.__name__]
before = hooks(); train(model, opt, 4); during = hooks(); patch.disarm(); after = hooks()
seen.clear(); train(model, opt, 4)
tell(before=before, during=during, after=after, around=len(session.current.roots.around._patches))
"""
    )
    told, _, _ = train(script, "autocast=float16")
    assert told["seen"] == ["torch.float32"]
    assert told["during"][2] == 4
    assert told["after"] == [told["before"][0] - 1, told["before"][1] - 1, 0, "backward"]
    assert told["around"] == 0


def test_it_can_be_switched_while_the_script_runs(train):
    script = (
        PLAIN
        + """
from _perfkit.inside import session
patch = session.current.patches[0]; kinds = []
for turn in (patch.off, patch.on, patch.off):
    turn(); seen.clear(); train(model, opt, 4); kinds += sorted(seen)
tell(kinds=kinds)
"""
    )
    plain, _, _ = train(PLAIN + "for _ in range(3): train(model, opt, 4)\ntell()")
    told, _, _ = train(script, "autocast=float16")
    assert told["kinds"] == ["torch.float32", "torch.float16", "torch.float32"]
    assert near(told["losses"], plain["losses"])
