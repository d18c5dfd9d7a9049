"""Float32 products in fewer bits: only where it is shown that the processor computes them so."""

import pytest

from perfkit.inside.patches.matmul_precision import REDUCED_ERROR, _error_of_product

TRAIN = """
model = net(); opt = torch.optim.SGD(model.parameters(), 0.1)
for x in torch.randn(8, 4, 16): opt.zero_grad(); model(x).sum().backward(); opt.step()
print(torch.get_float32_matmul_precision())
"""


def test_the_trial_product_tells_float32_from_fewer_bits():
    import torch

    assert _error_of_product(torch) < REDUCED_ERROR / 10

    class InBfloat16:
        """torch, on a processor with products in bfloat16."""

        def __getattr__(self, name):
            return getattr(torch, name)

        @staticmethod
        def randn(*size, **how):
            return torch.randn(*size, **how).as_subclass(Rounding)

    class Rounding(torch.Tensor):
        def __matmul__(self, other):
            if self.dtype is torch.float32:
                self, other = self.bfloat16().float(), other.bfloat16().float()
            return torch.matmul(self, other)

    assert _error_of_product(InBfloat16()) > REDUCED_ERROR * 10


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["high", "medium"])
def test_the_setting_holds_just_where_products_become_less_exact(apply, precision):
    probe = f"""
import importlib
error = importlib.import_module("_perfkit.inside.patches.matmul_precision")._error_of_product
torch.set_float32_matmul_precision({precision!r}); shown = error(torch) > 5e-5; torch.set_float32_matmul_precision("highest")
"""
    outcome, rows = apply(probe + TRAIN + "print(shown)", f"matmul-precision={precision}")
    row = rows["matmul-precision"]
    now, shown = outcome.stdout.split()
    if shown == "True":
        assert (row["state"], now) == ("applied", precision)
    else:
        assert (row["state"], now) == ("not-applicable", "highest")
        assert row["reason"] == f"this processor computes float32 products in float32 at {precision} too"


@pytest.mark.slow
def test_not_applicable_where_the_script_sets_it(apply):
    _, rows = apply("torch.set_float32_matmul_precision('medium')\n" + TRAIN, "matmul-precision=high")
    row = rows["matmul-precision"]
    assert (row["state"], row["reason"]) == ("not-applicable", "the script sets medium already")


@pytest.mark.slow
def test_switching_off_and_disarming_give_the_scripts_setting_back(apply):
    script = """
from _perfkit.inside import session
patch, = session.current.patches
patch._device_obstacle = lambda device: None  # as if the processor had such products
said = []
def now(): model(torch.randn(2, 16)); said.append(torch.get_float32_matmul_precision())
model = net(); now(); patch.off(); said.append(torch.get_float32_matmul_precision()); now(); patch.on(); now()
patch.disarm(); said.append(torch.get_float32_matmul_precision()); print(said)
"""
    outcome, _ = apply(script, "matmul-precision=high")
    assert outcome.stdout.strip() == "['high', 'highest', 'highest', 'high', 'highest']"
