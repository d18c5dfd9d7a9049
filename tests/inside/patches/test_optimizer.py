"""fused and foreach, set where the script makes its optimizers."""

import json

import pytest

pytestmark = pytest.mark.slow

SCRIPT = """
import json
told = {}
def train(model, opt, n=4):
    torch.manual_seed(1)
    for _ in range(n):
        opt.zero_grad(); lossf(model(torch.randn(8, 16)), torch.randint(0, 4, (8,))).backward(); opt.step()
def look(name, opt, model=None):
    if model is not None: train(model, opt)
    told[name] = [[g.get("fused"), g.get("foreach")] for g in opt.param_groups]
def weights(model): return [p.sum().item() for p in model.parameters()]
class Own(torch.optim.Adam):
    def __init__(self, params): super().__init__(params, lr=0.01)
class Stepping(torch.optim.SGD):
    def step(self, closure=None):
        for g in self.param_groups:
            for p in g["params"]: p.data -= 0.01 * p.grad
"""
MADE = (
    SCRIPT
    + """
m = net(); look("adamw", torch.optim.AdamW(m.parameters(), lr=0.01), m); told["weights"] = weights(m)
m = net(); look("named", torch.optim.Adam(params=m.named_parameters()), m)
m = net(); look("subclass", Own(m.parameters()), m)
m = net(); groups = [{"params": m[0].parameters(), "lr": 0.1}, {"params": m[2].parameters()}]
opt = torch.optim.SGD(groups, lr=0.01, momentum=0.9); look("groups", opt, m); told["same"] = opt.param_groups[0] is groups[0]
told["moved"] = weights(m)
"""
)
REFUSED = (
    SCRIPT
    + """
m = net(); look("set", torch.optim.Adam(m.parameters(), fused=False), m)
m = net(); look("other", torch.optim.Adam(m.parameters(), foreach=True), m)
m = net(); look("own step", Stepping(m.parameters(), lr=0.1), m)
m = net(); look("differentiable", torch.optim.Adam(m.parameters(), differentiable=True))
groups = [{"params": torch.zeros(3, dtype=torch.complex64, requires_grad=True)}]
look("complex", torch.optim.Adam(groups))
groups = [{"params": iter(list(net().parameters())), "fused": False}]
look("groups", torch.optim.Adam(groups)); told["count"] = len(groups[0]["params"])
look("without", torch.optim.RMSprop(net().parameters()))
try: torch.optim.Adam([])
except ValueError as error: told["error"] = str(error)
m = net(); opt = torch.optim.SGD(m.parameters(), 0.1, fused=False); train(m, opt)
"""
)


@pytest.mark.parametrize(
    ("fix", "flags"), [("fused-optimizer", [True, None]), ("optimizer:foreach=true", [None, True])]
)
def test_every_optimizer_gets_the_flag_and_the_same_update(apply, fix, flags):
    plain = json.loads(apply(MADE + "print(json.dumps(told))")[0].stdout)
    outcome, rows = apply(MADE + "print(json.dumps(told))", fix)
    told = json.loads(outcome.stdout)
    for name in ("adamw", "named", "subclass"):
        assert told[name] == [flags], name
        assert plain[name] == [[None, None]]
    assert told["groups"] == [flags, flags]
    assert told["same"]
    assert told["weights"] == pytest.approx(plain["weights"], rel=1e-4)
    assert told["moved"] == pytest.approx(plain["moved"], rel=1e-4)
    row = rows[fix.partition(":")[0]]
    assert (row["state"], row["count"]) == ("applied", 4)
    assert row["detail"]["optimizer"] == "AdamW"


def test_where_the_flag_cannot_be_set_the_optimizer_is_the_scripts_own(apply):
    plain = json.loads(apply(REFUSED + "print(json.dumps(told))")[0].stdout)
    outcome, rows = apply(REFUSED + "print(json.dumps(told))", "fused-optimizer")
    assert json.loads(outcome.stdout) == plain
    row = rows["fused-optimizer"]
    assert row["state"] == "not-applicable"
    for part in (
        "the script itself sets fused=False",
        "the script itself sets foreach=True",
        "Stepping has a step of its own",
        "`fused` does not support `differentiable`",
        "`fused=True` requires all the params to be floating point Tensors",
        "the script's parameter groups say fused=False",
    ):
        assert part in row["reason"]


def test_no_optimizer_that_takes_it(apply):
    script = (
        SCRIPT
        + "m = net(); train(m, torch.optim.LBFGS(m.parameters()), 0); [m(torch.randn(4, 16)).sum().backward() for _ in range(9)]"
    )
    _, rows = apply(script, "fused-optimizer")
    row = rows["fused-optimizer"]
    assert row["state"] == "not-applicable"
    assert row["reason"] == "the script makes no optimizer of torch.optim that takes fused"


def test_disarming_gives_every_class_its_own_init_back(apply):
    script = """
import json
from _perfkit.inside import session
patch, = session.current.patches
classes = [c for c in vars(torch.optim).values() if isinstance(c, type)]
def ours(): return sorted(c.__name__ for c in classes if hasattr(c.__init__, "__wrapped__") and "patches" in c.__init__.__code__.co_filename)
during = ours(); patch.disarm(); after = ours()
opt = torch.optim.Adam(net().parameters()); print(json.dumps([during, after, opt.param_groups[0]["fused"]]))
"""
    outcome, _ = apply(script, "fused-optimizer")
    during, after, fused = json.loads(outcome.stdout)
    assert {"Adam", "AdamW", "SGD"} <= set(during)
    assert (after, fused) == ([], None)
