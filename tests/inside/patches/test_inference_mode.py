"""Evaluation under inference mode, of which no tensor gets out."""

import pytest

pytestmark = pytest.mark.slow

MODEL = """
class Model(nn.Module):
    def __init__(self):
        super().__init__(); self.net = net(); self.table = None; self.modes = []
        self.scale = nn.Parameter(torch.ones(4))
    def forward(self, x):
        if self.table is None: self.table = torch.linspace(0, 1, 4) + 1  # made at the first call, whoever makes it
        self.modes.append(torch.is_inference_mode_enabled())
        return {"logits": self.net(x) * self.table * self.scale, "parts": [x.sum(0)]}
model = Model(); opt = torch.optim.SGD(model.parameters(), 1e-2)
batches = [(torch.randn(16, 16), torch.randint(0, 4, (16,))) for _ in range(12)]
def evaluate():
    model.eval()
    with torch.no_grad(): out = [model(x) for x, _ in batches[:3]]
    model.train(); return out
def train():
    for x, y in batches:
        opt.zero_grad(); loss = lossf(model(x)["logits"], y); loss.backward(); opt.step()
    return loss.item()
"""


def test_an_evaluation_runs_in_it_and_gradients_never_meet_its_tensors(apply):
    script = (
        MODEL
        + """
first = evaluate(); modes = list(model.modes)
loss = train()
second = evaluate()
target = second[0]["logits"]; assert not target.is_inference() and not second[0]["parts"][0].is_inference()
(model(batches[0][0])["logits"] * target).sum().backward()  # a result of evaluation within a loss
print(modes == model.modes[-4:-1], any(model.modes[3:15]), repr(loss), target.sum().item())
"""
    )
    plain, _ = apply(script)
    with_us, rows = apply(script + "print(modes)", "inference-mode")
    assert plain.stdout.split()[2:] == with_us.stdout.split()[2:4]
    assert with_us.stdout.split()[:2] == ["True", "False"]
    assert with_us.stdout.endswith("[True, True, True]\n")
    assert (rows["inference-mode"]["state"], rows["inference-mode"]["count"]) == ("applied", 6)


def test_a_model_that_takes_gradients_as_it_is_evaluated_is_called_again_without(apply):
    outcome, rows = apply(
        """
        class Force(nn.Module):
            def __init__(self): super().__init__(); self.net = net()
            def forward(self, x):
                with torch.enable_grad():
                    x = x.detach().requires_grad_(); return torch.autograd.grad(self.net(x).sum(), x)[0]
        model = Force().eval()
        with torch.no_grad():
            print([tuple(model(torch.randn(4, 16)).shape) for _ in range(6)] == [(4, 16)] * 6)
        """,
        "inference-mode",
    )
    assert outcome.stdout == "True\n"
    assert rows["inference-mode"]["state"] == "failed"
    assert "the model's first call with it raised RuntimeError" in rows["inference-mode"]["reason"]


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("with torch.inference_mode(): evaluate(); evaluate()", "the script uses inference_mode already"),
        ("train()", "no model in evaluation mode was called under no_grad"),
    ],
)
def test_not_applicable(apply, script, reason):
    _, rows = apply(MODEL + script, "inference-mode")
    assert (rows["inference-mode"]["state"], rows["inference-mode"]["reason"]) == ("not-applicable", reason)


def test_disarming_leaves_no_tensor_of_it_behind(apply):
    outcome, _ = apply(
        MODEL
        + """
evaluate()
assert model.table.is_inference()
sys.modules["_perfkit.inside.session"].current.patches[0].disarm()
assert not model.table.is_inference()
evaluate(); train(); print(model.modes[3:6])
""",
        "inference-mode",
    )
    assert outcome.stdout == "[False, False, False]\n"
