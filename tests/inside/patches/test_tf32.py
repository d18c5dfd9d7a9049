"""TF32 is a GPU's: without one the fix says so and sets nothing."""

import pytest

pytestmark = pytest.mark.slow

TRAIN = """
model = net(); opt = torch.optim.SGD(model.parameters(), 0.1)
for x in torch.randn(8, 4, 16): opt.zero_grad(); model(x).sum().backward(); opt.step()
print(torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32)
"""


def test_not_applicable_without_cuda(apply):
    import torch

    if torch.cuda.is_available():
        pytest.skip("there is a CUDA device")
    plain, _ = apply(TRAIN)
    outcome, rows = apply(TRAIN, "tf32")
    assert outcome.stdout == plain.stdout
    assert (rows["tf32"]["state"], rows["tf32"]["reason"]) == ("not-applicable", "there is no CUDA device")


def test_both_switches_are_set_and_given_back(apply):
    script = """
from _perfkit.inside import session, patches
torch.backends.cudnn.allow_tf32 = False
torch.cuda.is_available = lambda: True  # only whether the patch is placed hangs on it
patches.arm(session.current, "torch", None, [{"name": "tf32", "parameters": {}}])
patch, = session.current.patches
patch._device_obstacle = lambda device: None
def now(): return torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32
said = [now()]; model = net(); model(torch.randn(2, 16)); said.append(now()); patch.disarm(); said.append(now())
print(said)
"""
    outcome, _ = apply(script)
    assert outcome.stdout.strip() == "[('highest', False), ('high', True), ('highest', False)]"


@pytest.mark.gpu
def test_products_are_less_exact_on_a_gpu(apply):
    import torch

    if not torch.cuda.is_available():
        pytest.skip("needs a CUDA device")
    script = """
model = nn.Linear(512, 512).cuda(); opt = torch.optim.SGD(model.parameters(), 0.1); x = torch.randn(512, 512).cuda()
for _ in range(4): opt.zero_grad(); out = model(x); out.sum().backward(); opt.step()
with torch.no_grad(): exact = nn.functional.linear(x.double(), model.weight.double(), model.bias.double())
print(float((model(x) - exact).abs().max() / exact.abs().max()))
"""
    plain, _ = apply(script)
    outcome, rows = apply(script, "tf32")
    assert float(plain.stdout) < 1e-5 < float(outcome.stdout)
    assert rows["tf32"]["state"] == "applied"
