"""What a fix that can be switched leaves behind when it is off: nothing. The script goes on as one that never had it."""

import json

import pytest

pytestmark = pytest.mark.slow

FIXES = (
    "attention-backend=flash", "autocast=bfloat16", "autocast=float16", "channels-last", "compile:backend=aot_eager",
    "gc-freeze", "inference-mode", "matmul-precision=medium", "nothing", "threads=2", "zero-grad-none",
)  # fmt: skip

# A model in which every fix finds something to do, trained from the same beginning for each of them.
COMMON = """
import gc, io, json
gc.unfreeze()  # what the process that this is a fork of has frozen
torch.backends.cuda.enable_flash_sdp(False)
class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.norm, self.drop = nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.Dropout(0.1)
        self.qkv, self.out, self.last = nn.Linear(8, 24), nn.Linear(8, 4), torch.ones(())
    def forward(self, x):
        x = self.drop(self.norm(self.conv(x)).relu()).flatten(2).transpose(1, 2)
        q, k, v = (self.qkv(x) * self.last).chunk(3, -1)
        x = nn.functional.scaled_dot_product_attention(*(t.unsqueeze(1) for t in (q, k, v))).squeeze(1)
        if not self.training: self.last = x.mean() * 0 + 1  # kept from an evaluation, and trained with
        return self.out(x.mean(1))
def train(model, opt, seed, n=5):
    torch.manual_seed(seed); losses = []
    for _ in range(n):
        x = torch.randn(8, 3, 8, 8)
        opt.zero_grad(set_to_none=False); loss = lossf(model(x), (x.mean((1, 2, 3)) > 0).long()); loss.backward(); opt.step()
        losses.append(loss.item())
    with torch.no_grad():
        losses.append(model.eval()(x).sum().item()); model.train()
    return losses
def made():
    torch.manual_seed(3); model = Model(); return model, torch.optim.SGD(model.parameters(), 0.05, momentum=0.9)
def settings(model):
    cuda = torch.backends.cuda
    return [torch.get_num_threads(), torch.get_float32_matmul_precision(), gc.get_freeze_count(), torch.is_autocast_enabled("cpu"),
            cuda.flash_sdp_enabled(), cuda.math_sdp_enabled(), cuda.mem_efficient_sdp_enabled(),
            [len(p._backward_hooks or ()) for p in model.parameters()], [t.stride() for t in model.state_dict().values()],
            sorted(vars(model)), model.last.is_inference()]
"""

SWITCHED = (
    COMMON
    + """
from _perfkit.inside import session
patches = session.current.patches
for patch in patches: patch.off()
torch.set_num_threads(1)
for number, patch in enumerate(patches):
    model, opt = made(); before = None
    train(model, opt, 1, 1); before = settings(model)
    model, opt = made(); acted = patch.count
    patch.on(); patch.begin(); train(model, opt, 1); train(model, opt, 2); during = settings(model); patch.off()
    same = settings(model) == before
    torch.save({"model": model.state_dict(), "opt": opt.state_dict()}, "state%d.pt" % number)
    gradients = [p.grad.clone() for p in model.parameters()]
    losses = train(model, opt, 4)
    torch.save(gradients, "gradients%d.pt" % number)
    told = {"name": patch.name, "acted": patch.count - acted, "error": patch.error, "same": same, "losses": losses}
    told["changed"] = during != before
    print(json.dumps(told))
"""
)

PLAIN = (
    COMMON
    + """
for number in range(int(open("count").read())):
    model, opt = made(); train(model, opt, 1, 1)
    state = torch.load("state%d.pt" % number)
    model.load_state_dict(state["model"]); opt.load_state_dict(state["opt"])
    for p, g in zip(model.parameters(), torch.load("gradients%d.pt" % number)): p.grad = g
    print(json.dumps(train(model, opt, 4)))
"""
)


def test_a_script_goes_on_bit_by_bit_as_one_that_never_had_the_fix(apply, record, tmp_path):
    outcome, _ = apply(SWITCHED, *FIXES)
    switched = [json.loads(line) for line in outcome.stdout.splitlines()]
    (tmp_path / "count").write_text(str(len(switched)))
    (tmp_path / "run").rename(tmp_path / "first")
    plain = [json.loads(line) for line in record(PLAIN, no_trace=1).stdout.splitlines()]
    assert [told["name"] for told in switched] == [text.partition("=")[0].partition(":")[0] for text in FIXES]
    for told, losses in zip(switched, plain, strict=True):
        assert told["error"] is None, told
        assert told["same"], told
        assert told["losses"] == losses, told["name"]
    acted = {told["name"]: told["acted"] for told in switched}
    acted.pop("matmul-precision")  # not every processor has something to gain by it
    assert all(acted.values()), acted
