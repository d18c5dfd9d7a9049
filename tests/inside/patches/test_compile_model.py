"""The script's models compiled in place: same object, same state, and eager where it cannot be done."""

import json

import pytest

from perfkit.tune.guards import storm
from perfkit.tune.trial import judged

pytestmark = pytest.mark.slow

TRAIN = """
import json
told = {"losses": []}
def train(model, opt, n=6):
    g = torch.Generator().manual_seed(1)
    for _ in range(n):
        x = torch.randn(32, 16, generator=g)
        opt.zero_grad(); loss = lossf(model(x), x[:, :4].argmax(1)); loss.backward(); opt.step()
        told["losses"].append(loss.item())
def tell(**more): print(json.dumps(dict(told, **more)))
"""
BACKEND = "compile:backend=aot_eager"


@pytest.fixture
def train(apply):
    """train(script, *fixes) -> (what the script told, the row of compile or None, Outcome)."""

    def go(script, *asked, **settings):
        outcome, rows = apply(TRAIN + script, *asked, **settings)
        return json.loads(outcome.stdout), rows.get("compile"), outcome

    return go


def near(one, other):
    return len(one) == len(other) and all(abs(a - b) < 1e-4 for a, b in zip(one, other, strict=True))


def test_the_model_is_compiled_and_stays_what_it_was(train):
    script = """
import copy
from _perfkit.inside import session
model = net(); keys = list(model.state_dict()); opt = torch.optim.SGD(model.parameters(), 0.1)
train(model, opt)
torch.save(model, "model.pt"); again = torch.load("model.pt", weights_only=False); copied = copy.deepcopy(model)
told["class"], told["keys"] = type(model).__name__, list(model.state_dict()) == keys
x = torch.randn(4, 16); told["same"] = [torch.allclose(m(x), model(x)) for m in (again, copied)]
told["made"] = "_compiled_call_impl" in vars(model)
for patch in session.current.patches:  # off, on, and off for good
    patch.off(); told["off"] = "_compiled_call_impl" in vars(model)
    patch.on(); told["on"] = "_compiled_call_impl" in vars(model)
    patch.disarm()
train(model, opt); tell(left="_compiled_call_impl" in vars(model))
"""
    plain, _, _ = train(script)
    told, row, _ = train(script, BACKEND, fresh=True)  # the compiler is imported long after the guest, as it always is
    assert near(told["losses"], plain["losses"])
    assert (told["class"], told["keys"], told["same"]) == ("Sequential", True, [True, True])
    assert [told[key] for key in ("made", "off", "on", "left")] == [True, False, True, False]
    assert row["state"] == "applied"
    assert row["detail"]["graphs"] >= 1
    assert row["detail"]["graph_breaks"] == 0


def test_breaks_and_compilations_again_are_told(train):
    script = """
class Breaking(nn.Module):
    def __init__(self): super().__init__(); self.layers = net(); self.calls = 0
    def forward(self, x):
        torch._dynamo.graph_break(); return self.layers(x)
model = Breaking(); opt = torch.optim.SGD(model.parameters(), 0.1); train(model, opt)
with torch.no_grad(): model(torch.randn(3, 16))
train(model, opt); tell()
"""
    _, row, _ = train(script, BACKEND)
    assert row["state"] == "applied"
    assert row["detail"]["graph_breaks"] >= 1
    assert row["detail"]["recompiles"] >= 1


def test_a_compilation_that_fails_leaves_the_script_as_it_was(train):
    script = """
from torch._dynamo import register_backend
@register_backend
def broken(graph, inputs): raise NotImplementedError("no code for this")
model = nn.Sequential(nn.BatchNorm1d(16), nn.Dropout(0.3), net()); opt = torch.optim.SGD(model.parameters(), 0.1)
train(model, opt); tell(mean=model[0].running_mean.tolist(), left="_compiled_call_impl" in vars(model))
"""
    plain, _, _ = train(script)
    told, row, _ = train(script, "compile:backend=broken")
    assert told == plain
    assert row["state"] == "failed"
    assert "no code for this" in row["reason"]


def test_a_later_compilation_that_fails_leaves_that_call_uncompiled(train):
    script = """
import torch._dynamo
from torch._dynamo import register_backend
made = []
@register_backend
def once(graph, inputs):
    made.append(1)
    if len(made) > 1: raise NotImplementedError("only once")
    return graph.forward
model = net(); opt = torch.optim.SGD(model.parameters(), 0.1); train(model, opt)
with torch.no_grad(): out = model(torch.randn(32, 16)).shape
tell(made=len(made), out=list(out), suppressed=torch._dynamo.config.suppress_errors)
"""
    told, row, _ = train(script, "compile:backend=once")
    assert told["made"] >= 2
    assert (told["out"], told["suppressed"]) == ([32, 4], False)
    assert row["state"] == "applied"


# A backend of which the backward (`backward`) is the test's own.
ONWARD = """
from torch._dynamo import register_backend
from torch._dynamo.backends.common import aot_autograd
@register_backend
def onward(graph, inputs): return aot_autograd(fw_compiler=lambda g, i: g.forward, bw_compiler=backward)(graph, inputs)
"""


def test_a_backward_that_cannot_be_compiled_leaves_the_script_as_it_was(train):
    script = """
def backward(graph, inputs): raise NotImplementedError("no code for the gradient")
""" + ONWARD + """
model = nn.Sequential(nn.BatchNorm1d(16), nn.Dropout(0.3), net()); opt = torch.optim.SGD(model.parameters(), 0.1)
train(model, opt); tell(mean=model[0].running_mean.tolist(), left="_compiled_call_impl" in vars(model))
"""  # fmt: skip
    plain, _, _ = train(script)
    told, row, outcome = train(script, "compile:backend=onward")
    assert told == plain
    assert row["state"] == "failed"
    assert row["reason"].endswith("NotImplementedError: no code for the gradient")  # and none of the compiler's advice
    assert judged(outcome.run.path, "compile", 0, 0, 5.0).reason == "compile: " + row["reason"]


def test_a_later_backward_that_cannot_be_compiled_leaves_that_call_uncompiled(train):
    script = """
def backward(graph, inputs): raise NotImplementedError("no code for the gradient")
""" + ONWARD + """
model = net(); opt = torch.optim.SGD(model.parameters(), 0.1)
with torch.no_grad(): model(torch.randn(32, 16))  # as a check before the training begins
train(model, opt)
import torch._dynamo.config, torch._functorch.config as aot
from torch._functorch._aot_autograd import graph_compile
name = graph_compile.collect_bw_donated_buffer_idxs.__name__
tell(left=[torch._dynamo.config.suppress_errors, aot.force_non_lazy_backward_lowering, name])
"""  # fmt: skip
    plain, _, _ = train(script)
    told, row, _ = train(script, "compile:backend=onward")
    assert near(told["losses"], plain["losses"])
    assert told["left"] == plain["left"] == [False, False, "collect_bw_donated_buffer_idxs"]
    assert row["state"] == "applied"


def test_a_graph_that_is_retained_is_gone_through_again(train):
    script = """
class Saving(nn.Module):
    def __init__(self): super().__init__(); self.layers = net()
    def forward(self, x): return torch.sin(torch.cos(self.layers(x) * 2)).exp()  # what is saved is nobody else's
model = Saving(); opt = torch.optim.SGD(model.parameters(), 0.1)
x = torch.ones(8, 16)
for _ in range(3):  # the second backward needs what the first has used
    opt.zero_grad(); loss = model(x).square().mean(); loss.backward(retain_graph=True); loss.backward(); opt.step()
    told["losses"].append(loss.item())
tell()
"""
    plain, _, _ = train(script)
    told, row, _ = train(script, BACKEND)
    assert near(told["losses"], plain["losses"])
    assert row["state"] == "applied"


def test_a_backward_that_fails_as_it_runs_breaks_the_script_and_that_is_the_answer_of_a_tune(apply):
    script = """
def backward(graph, inputs):
    def runs(*given): raise NotImplementedError("no code for the gradient")
    return runs
""" + ONWARD + """
model = net()
model(torch.randn(8, 16)).square().mean().backward()
"""  # fmt: skip
    outcome, rows = apply(script, "compile:backend=onward", check=False)
    assert rows["compile"]["state"] == "applied"  # the model's call went well
    found = judged(outcome.run.path, "compile", 0, 1, 5.0, broken="NotImplementedError: no code for the gradient")
    assert (found.state, found.reason) == (
        "failed",
        "it breaks the script: NotImplementedError: no code for the gradient",
    )


ALREADY = {"the whole": "model = torch.compile(model, backend='eager')",
           "a part": "model[0] = torch.compile(model[0], backend='eager')", "scripted": "model = torch.jit.script(model)"}  # fmt: skip


@pytest.mark.parametrize("how", ALREADY)
def test_not_applicable_to_what_is_compiled_already(train, how):
    script = "import warnings; warnings.simplefilter('ignore')\nmodel = net()\n" + ALREADY[how] + "\n"
    _, row, _ = train(script + "train(model, torch.optim.SGD(model.parameters(), 0.1)); tell()", BACKEND)
    assert row["state"] == "not-applicable"
    assert row["reason"] == ("the model is TorchScript" if how == "scripted" else "the script compiles it already")


STORMS = {
    "sizes": ("model = net()\ndef size(step): return 4 + step\n", "compile:backend=aot_eager,dynamic=false", "compiled anew again and again"),
    "pieces": (
        "class Torn(nn.Module):\n"
        "    def __init__(self): super().__init__(); self.layers = nn.ModuleList([nn.Linear(16, 16)]); self.last = net()\n"
        "    def forward(self, x):\n"
        + "        x = self.layers[0](x); torch._dynamo.graph_break()\n" * 12 +  # of a loop with a break it would compile nothing
        "        return self.last(x)\n"
        "model = Torn()\ndef size(step): return 32\n", BACKEND, "many graphs"),
    "sizes that are dynamic": ("model = net()\ndef size(step): return 4 + step\n", BACKEND, None),
}  # fmt: skip


@pytest.mark.parametrize("kind", STORMS)
def test_a_compiler_that_never_comes_to_rest_is_told(train, kind):
    script, fix, said = STORMS[kind]
    script += """
opt = torch.optim.SGD(model.parameters(), 0.1)
for step in range(24):
    opt.zero_grad(); model(torch.randn(size(step), 16)).square().mean().backward(); opt.step()
tell()
"""
    _, row, _ = train(script, fix)
    assert row["state"] == "applied"
    assert (storm(row) == "") if said is None else (said in storm(row)), row
